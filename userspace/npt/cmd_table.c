// SPDX-License-Identifier: GPL-2.0
/* npt table: what the tables of a running VM map, ranges merged. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "nl_cli.h"
#include "output.h"

/* What the command line asked for. */
struct request {
	uint32_t vm, vcpu;
	bool has_vcpu;		/* it was named */
	int dim;		/* enum npt_dim, -1: all that this VM has */
	uint64_t start;
};

static const char *const dims[] = {
	[NPT_DIM_GUEST] = "guest", [NPT_DIM_NESTED] = "nested", [NPT_DIM_SHADOW] = "shadow",
};

static json_t *rights_json(uint32_t rights)
{
	static const struct {
		uint32_t bit;
		char letter;
	} map[] = {
		{ NPT_RIGHT_WRITE, 'w' }, { NPT_RIGHT_EXECUTE, 'x' }, { NPT_RIGHT_USER, 'u' },
		{ NPT_RIGHT_GLOBAL, 'g' }, { NPT_RIGHT_ACCESSED, 'a' },
		{ NPT_RIGHT_DIRTY, 'd' },
	};
	char text[sizeof(map) / sizeof(map[0]) + 2] = "r";
	size_t i;

	for (i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		text[i + 1] = rights & map[i].bit ? map[i].letter : '-';
	return json_string(text);
}

/* One range becomes one row. The end of the address space is 2^64: 0 here. */
static int on_range(const struct npt_nl_range *r, void *arg)
{
	json_t *table = arg, *row;

	row = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "start", npt_json_hex(r->start), "end",
			npt_json_hex(r->end), "bytes", npt_json_u64(r->end - r->start), "target",
			r->has_target ? npt_json_hex(r->target) : json_null(), "page",
			npt_page_name(r->page_shift), "rights", rights_json(r->rights));
	json_array_append_new(table, row);
	npt_progress("reading the table", json_array_size(table), 0);
	return 0;
}

/* Is there a table of that kind at all? */
static bool has_dim(const struct npt_nl_vm *vm, unsigned int dim)
{
	switch (dim) {
	case NPT_DIM_SHADOW:
		return vm->mmu == NPT_MMU_SHADOW;
	case NPT_DIM_NESTED:
		return vm->mmu == NPT_MMU_NESTED;
	default:
		return true;
	}
}

static int add_table(struct npt_nl *nl, const struct request *req, unsigned int dim,
		     json_t *tables)
{
	json_t *ranges = json_array(), *table;
	int ret;

	ret = npt_nl_table(nl, req->vm, req->vcpu, dim, req->start, on_range, ranges);
	npt_progress_end();
	if (ret) {
		json_decref(ranges);
		return npt_err("table: %s", npt_error());
	}
	table = json_pack("{s:s, s:b, s:o}", "table", dims[dim], "changed_meanwhile",
			  npt_nl_interrupted(nl), "ranges", ranges);
	json_array_append_new(tables, table);
	return NPT_EXIT_OK;
}

static void print_tables(struct npt_cli *cli, json_t *tables)
{
	static const struct npt_column cols[] = {
		{ "start", "START", NPT_STYLE_PLAIN, false },
		{ "end", "END", NPT_STYLE_PLAIN, false },
		{ "bytes", "SIZE", NPT_STYLE_BYTES, false },
		{ "target", "MAPS TO", NPT_STYLE_PLAIN, false },
		{ "page", "PAGE", NPT_STYLE_PLAIN, false },
		{ "rights", "RIGHTS", NPT_STYLE_PLAIN, true },
		{}
	};
	static const char *const what[] = {
		[NPT_DIM_GUEST] = "guest table (gva -> gpa)",
		[NPT_DIM_NESTED] = "nested table (gpa -> hpa)",
		[NPT_DIM_SHADOW] = "shadow table (gva -> hpa)",
	};
	json_t *table;
	size_t i, d;

	json_array_foreach(tables, i, table) {
		const char *name = json_string_value(json_object_get(table, "table"));

		for (d = 0; strcmp(dims[d], name); d++)
			;
		printf("%s%s%s\n", i ? "\n" : "", what[d],
		       json_is_true(json_object_get(table, "changed_meanwhile")) ?
		       ", which changed while it was read" : "");
		npt_out_table(cli, json_object_get(table, "ranges"), cols);
	}
}

static int show(struct npt_cli *cli, struct npt_nl *nl, const struct request *req)
{
	json_t *tables = json_array();
	struct npt_nl_vm vm;
	unsigned int d;
	int ret;

	ret = npt_nl_vm(nl, req->vm, &vm) ? npt_err("table: %s", npt_error()) : 0;
	if (!ret && req->dim >= 0 && !has_dim(&vm, req->dim))
		ret = npt_err("table: VM %u runs in %s mode and has no %s tables", req->vm,
			      npt_mmu_name(vm.mmu), dims[req->dim]);
	for (d = 0; !ret && d < sizeof(dims) / sizeof(dims[0]); d++)
		if (req->dim < 0 ? has_dim(&vm, d) : d == (unsigned int)req->dim)
			ret = add_table(nl, req, d, tables);
	if (ret) {
		json_decref(tables);
		return ret;
	}
	if (cli->json) {
		npt_out_json(cli, json_pack("{s:i, s:i, s:o}", "vm", (int)req->vm, "vcpu",
					    (int)req->vcpu, "tables", tables));
	} else {
		print_tables(cli, tables);
		json_decref(tables);
	}
	return NPT_EXIT_OK;
}

enum { O_VM = 256, O_VCPU, O_START };

static const struct option options[] = {
	{ "vm", required_argument, NULL, O_VM },
	{ "vcpu", required_argument, NULL, O_VCPU },
	{ "start", required_argument, NULL, O_START },
	{}
};

static bool parse_dim(const char *word, struct request *req)
{
	size_t d;

	for (d = 0; d < sizeof(dims) / sizeof(dims[0]); d++) {
		if (!strcmp(word, dims[d])) {
			req->dim = d;
			return true;
		}
	}
	npt_usage("table: \"%s\", expected guest, nested or shadow", word);
	return false;
}

static bool parse_option(int c, struct request *req)
{
	unsigned long long start;

	switch (c) {
	case O_VM:
		return nl_cli_number("table", "--vm", optarg, 0, &req->vm);
	case O_VCPU:
		req->has_vcpu = true;
		return nl_cli_number("table", "--vcpu", optarg, NPT_MAX_VCPUS - 1, &req->vcpu);
	case O_START:
		if (!npt_parse_u64(optarg, "table: --start", 0, UINT64_MAX, &start))
			return false;
		req->start = start;
		return true;
	default:
		return false;
	}
}

/* Numbers as "npt stat show" has them, VM and then VCPU; else which table. */
static bool parse_word(const char *word, struct request *req)
{
	if (!isdigit((unsigned char)*word))
		return parse_dim(word, req);
	if (!req->vm)
		return nl_cli_number("table", "VM", word, 0, &req->vm);
	if (req->has_vcpu) {
		npt_usage("table: unexpected \"%s\"", word);
		return false;
	}
	req->has_vcpu = true;
	return nl_cli_number("table", "VCPU", word, NPT_MAX_VCPUS - 1, &req->vcpu);
}

static bool parse_request(struct request *req, int argc, char **argv)
{
	bool ok = true;
	int c;

	memset(req, 0, sizeof(*req));
	req->dim = -1;
	while (ok && (c = npt_getopt(argc, argv, options, false)) != -1)
		ok = parse_option(c, req);
	for (; ok && optind < argc; optind++)
		ok = parse_word(argv[optind], req);
	if (ok && !req->vm) {
		npt_usage("table: which VM? (npt vm show lists them)");
		ok = false;
	}
	return ok;
}

static int run_show(struct npt_cli *cli, int argc, char **argv)
{
	struct request req;
	struct npt_nl *nl;
	int ret;

	if (!parse_request(&req, argc, argv))
		return NPT_EXIT_USAGE;
	ret = nl_cli_open("table", &nl);
	if (ret)
		return ret;
	ret = show(cli, nl, &req);
	npt_nl_close(nl);
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "show",
		.run = run_show,
		.args = "[--start ADDR] VM [VCPU] [guest|nested|shadow]",
		.help = "list what tables map, neighbours of equal rights merged",
		.options =
		"  --vm ID       the VM: the same as its id alone\n"
		"  --vcpu N      follow that vCPU's root (default: 0): likewise\n"
		"  --start ADDR  begin there\n",
	},
	{}
};

const struct npt_object npt_obj_table = {
	.name = "table",
	.help = "list the page tables of a running VM",
	.commands = commands,
};
