// SPDX-License-Identifier: GPL-2.0
/* npt stat: counters, their catalogue and the laws that bind them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "nl_cli.h"
#include "output.h"

/* --- show --------------------------------------------------------------- */

static const struct npt_column counter_columns[] = {
	{ .key = "name", .title = "COUNTER", .left = true },
	{ .key = "value", .title = "VALUE", .style = NPT_STYLE_GROUP },
	{ .key = "unit", .title = "UNIT", .left = true },
	{}
};

static json_t *whose(const struct npt_nl_stat *stat)
{
	json_t *o = json_object();

	json_object_set_new(o, "vm", json_integer(stat->vm));
	json_object_set_new(o, "vcpu", stat->vcpu == NPT_NL_SUM ? json_null() :
			    json_integer(stat->vcpu));
	return o;
}

static json_t *stat_json(const struct npt_nl_stat *stat)
{
	json_t *counters = json_object();
	json_t *o = whose(stat);
	unsigned int i;

	for (i = 0; i < NPT_CTR_NR; i++)
		json_object_set_new(counters, npt_counter_info(i)->name,
				    npt_json_u64(stat->values[i]));
	json_object_set_new(o, "counters", counters);
	return o;
}

static void stat_text(struct npt_cli *cli, const struct npt_nl_stat *stat, bool all)
{
	json_t *rows = json_array(), *row;
	unsigned int i;

	for (i = 0; i < NPT_CTR_NR; i++) {
		if (!all && !stat->values[i])
			continue;
		row = json_object();
		json_object_set_new(row, "name", json_string(npt_counter_info(i)->name));
		json_object_set_new(row, "value", npt_json_u64(stat->values[i]));
		json_object_set_new(row, "unit", json_string(npt_counter_info(i)->unit));
		json_array_append_new(rows, row);
	}
	if (stat->vcpu == NPT_NL_SUM)
		printf("%sVM %u%s\n", npt_color(cli, NPT_C_BOLD), stat->vm,
		       npt_color(cli, NPT_C_RESET));
	else
		printf("%sVM %u, vCPU %d%s\n", npt_color(cli, NPT_C_BOLD), stat->vm, stat->vcpu,
		       npt_color(cli, NPT_C_RESET));
	if (json_array_size(rows))
		npt_out_table(cli, rows, counter_columns);
	else
		puts("all counters are 0");
	json_decref(rows);
}

struct show {
	struct npt_cli *cli;
	json_t *list;
	bool all;
	bool any;
};

static int show_stat(const struct npt_nl_stat *stat, void *arg)
{
	struct show *s = arg;

	if (s->cli->json)
		return json_array_append_new(s->list, stat_json(stat)) ? -ENOMEM : 0;
	if (s->any)
		putchar('\n');
	s->any = true;
	stat_text(s->cli, stat, s->all);
	return 0;
}

static int show_sum(const struct npt_nl_stat *stat, void *arg)
{
	return stat->vcpu == NPT_NL_SUM ? show_stat(stat, arg) : 0;
}

/* One VM or vCPU is an object in JSON, all VMs are an array. */
static int show_one(struct show *s, struct npt_nl *nl, uint32_t vm, int32_t vcpu)
{
	struct npt_nl_stat stat;
	int err = npt_nl_stat(nl, vm, vcpu, &stat);

	if (err)
		return nl_cli_fail("stat", err);
	if (s->cli->json)
		npt_out_json(s->cli, stat_json(&stat));
	else
		stat_text(s->cli, &stat, s->all);
	return NPT_EXIT_OK;
}

static int show_all(struct show *s, struct npt_nl *nl)
{
	int err;

	s->list = json_array();
	err = npt_nl_stats(nl, 0, show_sum, s);
	if (!err && s->cli->json)
		npt_out_json(s->cli, json_incref(s->list));
	else if (!err && !s->any)
		puts("no VM");
	json_decref(s->list);
	return err ? nl_cli_fail("stat", err) : NPT_EXIT_OK;
}

static int run_show(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "all", no_argument, NULL, 'a' }, {} };
	struct show s = { .cli = cli };
	uint32_t vm = 0, vcpu = 0;
	struct npt_nl *nl;
	int opt, n, ret;

	while ((opt = npt_getopt(argc, argv, options, false)) != -1) {
		if (opt != 'a')
			return NPT_EXIT_USAGE;
		s.all = true;
	}
	n = argc - optind;
	if (n > 2)
		return npt_usage("stat show: expected VM and VCPU at the most");
	if ((n > 0 && !nl_cli_number("stat show", "VM", argv[optind], 0, &vm)) ||
	    (n > 1 && !nl_cli_number("stat show", "VCPU", argv[optind + 1], NPT_MAX_VCPUS - 1,
				     &vcpu)))
		return NPT_EXIT_USAGE;
	ret = nl_cli_open("stat", &nl);
	if (ret)
		return ret;
	ret = vm ? show_one(&s, nl, vm, n > 1 ? (int32_t)vcpu : NPT_NL_SUM) : show_all(&s, nl);
	npt_nl_close(nl);
	return ret;
}

/* --- catalogue ---------------------------------------------------------- */

static const struct npt_column catalogue_columns[] = {
	{ .key = "id", .title = "ID" },
	{ .key = "name", .title = "COUNTER", .left = true },
	{ .key = "scope", .title = "SCOPE", .left = true },
	{ .key = "type", .title = "TYPE", .left = true },
	{ .key = "unit", .title = "UNIT", .left = true },
	{ .key = "text", .title = "WHAT IT COUNTS", .left = true },
	{}
};

static json_t *catalogue_json(void)
{
	const struct npt_counter_info *c;
	json_t *rows = json_array(), *row;
	unsigned int i;

	for (i = 0; i < NPT_CTR_NR; i++) {
		c = npt_counter_info(i);
		row = json_object();
		json_object_set_new(row, "id", json_integer(i));
		json_object_set_new(row, "name", json_string(c->name));
		json_object_set_new(row, "scope",
				    json_string(c->scope == NPT_SCOPE_vm ? "vm" : "vcpu"));
		json_object_set_new(row, "type", json_string(c->type == NPT_TYPE_gauge ?
							     "gauge" : "counter"));
		json_object_set_new(row, "unit", json_string(c->unit));
		json_object_set_new(row, "text", json_string(c->text));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *laws_json(void)
{
	json_t *rows = json_array(), *row;
	const struct npt_law *laws;
	size_t i, n;

	laws = npt_laws(&n);
	for (i = 0; i < n; i++) {
		row = json_object();
		json_object_set_new(row, "name", json_string(laws[i].name));
		json_object_set_new(row, "left", json_string(laws[i].left));
		json_object_set_new(row, "right", json_string(laws[i].right));
		json_array_append_new(rows, row);
	}
	return rows;
}

static void rst_heading(const char *text)
{
	size_t i;

	printf("\n%s\n", text);
	for (i = 0; i < strlen(text); i++)
		putchar('-');
	puts("\n");
}

static void rst_counters(int scope)
{
	const struct npt_counter_info *c;
	unsigned int i;

	for (i = 0; i < NPT_CTR_NR; i++) {
		c = npt_counter_info(i);
		if (c->scope == scope)
			printf("``%s`` (%s, %s)\n    %s.\n\n", c->name, c->unit,
			       c->type == NPT_TYPE_gauge ? "gauge" : "counter", c->text);
	}
}

/* The whole of Documentation/counters.rst. */
static int catalogue_rst(void)
{
	const struct npt_law *laws;
	size_t i, n;

	/* In pieces, or the tag would pass for this file's own. */
	printf(".. SPDX-%s: GPL-2.0\n", "License-Identifier");
	puts(".. Made by \"npt stat catalogue --rst\" from uapi/linux/npt_counters.h.\n"
	     "\n"
	     "========\n"
	     "Counters\n"
	     "========\n"
	     "\n"
	     "A *counter* only ever grows; a *gauge* follows a present state. Behind the\n"
	     "name stands what one count is. ``npt stat show`` reads them, the ioctl\n"
	     "``NPT_STATS`` and the netlink command ``stat-get`` too.");
	rst_heading("Counters of a vCPU");
	puts("Each vCPU keeps its own; a VM's value is the sum over its vCPUs.\n");
	rst_counters(NPT_SCOPE_vcpu);
	rst_heading("Counters of a VM");
	puts("The VM alone keeps them; a vCPU's value reads 0.\n");
	rst_counters(NPT_SCOPE_vm);
	rst_heading("Laws");
	puts("Both sides are equal whenever no access is under way, for a VM and for each\n"
	     "vCPU. ``npt stat check`` proves it.\n");
	laws = npt_laws(&n);
	for (i = 0; i < n; i++)
		printf("``%s``\n    %s = %s\n%s", laws[i].name, laws[i].left, laws[i].right,
		       i + 1 < n ? "\n" : "");
	return NPT_EXIT_OK;
}

static int run_catalogue(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "rst", no_argument, NULL, 'r' }, {} };
	bool rst = false;
	json_t *rows, *o;
	int opt;

	while ((opt = npt_getopt(argc, argv, options, false)) != -1) {
		if (opt != 'r')
			return NPT_EXIT_USAGE;
		rst = true;
	}
	if (optind < argc)
		return npt_usage("stat catalogue: unexpected \"%s\"", argv[optind]);
	if (rst)
		return catalogue_rst();
	rows = catalogue_json();
	if (cli->json) {
		o = json_object();
		json_object_set(o, "counters", rows);
		json_object_set_new(o, "laws", laws_json());
		npt_out_json(cli, o);
	} else {
		npt_out_table(cli, rows, catalogue_columns);
	}
	json_decref(rows);
	return NPT_EXIT_OK;
}

static const struct npt_command commands[] = {
	{
		.name = "show",
		.run = run_show,
		.args = "[--all] [VM [VCPU]]",
		.help = "counters of every VM, of one, or of one of its vCPUs",
		.options = "        --all    those that are 0 too (JSON always has all)\n",
	},
	{
		.name = "check",
		.run = npt_stat_check,
		.args = "[--timeout MS] [VM]",
		.help = "prove that the laws of the catalogue hold; exit code 1 if one does not",
		.options = "        --timeout MS  how long to wait for a VM to rest (1000)\n",
	},
	{
		.name = "catalogue",
		.run = run_catalogue,
		.args = "[--rst]",
		.help = "every counter, with unit and meaning",
		.options = "        --rst    as a document, with the laws\n",
	},
	{}
};

const struct npt_object npt_obj_stat = {
	.name = "stat",
	.help = "counters and the laws that bind them",
	.commands = commands,
};
