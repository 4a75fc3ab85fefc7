// SPDX-License-Identifier: GPL-2.0
/* npt table: what the tables of a running VM map, ranges merged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "nl.h"
#include "npt.h"
#include "output.h"

/* What the command line asked for. */
struct request {
	uint32_t vm, vcpu;
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
	json_t *table = arg;

	json_t *row;

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

static bool parse_request(struct request *req, int argc, char **argv)
{
	unsigned long long v = 0;
	bool ok = true;
	int c;

	memset(req, 0, sizeof(*req));
	req->dim = -1;
	while (ok && (c = npt_getopt(argc, argv, options, false)) != -1) {
		if (c == O_VM)
			ok = npt_parse_u64(optarg, "table: --vm", 1, UINT32_MAX, &v);
		else if (c == O_VCPU)
			ok = npt_parse_u64(optarg, "table: --vcpu", 0, NPT_MAX_VCPUS - 1, &v);
		else if (c == O_START)
			ok = npt_parse_u64(optarg, "table: --start", 0, UINT64_MAX, &v);
		else
			ok = false;
		if (c == O_VM)
			req->vm = v;
		else if (c == O_VCPU)
			req->vcpu = v;
		else
			req->start = v;
	}
	for (; ok && optind < argc; optind++)
		ok = parse_dim(argv[optind], req);
	if (ok && !req->vm) {
		npt_usage("table: --vm ID is missing (npt vm show lists them)");
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
	ret = npt_nl_open(&nl);
	if (ret == -ENOENT || ret == -EPERM || ret == -EACCES)
		return npt_absent("table: %s", npt_error());
	if (ret)
		return npt_err("table: %s", npt_error());
	ret = show(cli, nl, &req);
	npt_nl_close(nl);
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "show",
		.run = run_show,
		.args = "--vm ID [--vcpu N] [--start ADDR] [guest|nested|shadow]",
		.help = "list what tables map, neighbours of equal rights merged",
		.options =
		"  --vm ID       the VM\n"
		"  --vcpu N      follow that vCPU's root (default: 0)\n"
		"  --start ADDR  begin there\n",
	},
	{}
};

const struct npt_object npt_obj_table = {
	.name = "table",
	.help = "list the page tables of a running VM",
	.commands = commands,
};
