// SPDX-License-Identifier: GPL-2.0
/* npt vm: the VMs that run, as netlink shows them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "nl_cli.h"
#include "output.h"

/* How often a list is taken anew when VMs come or go meanwhile. */
#define ATTEMPTS 5

static const struct npt_column list_columns[] = {
	{ .key = "id", .title = "ID" },
	{ .key = "name", .title = "NAME", .left = true },
	{ .key = "uid", .title = "UID" },
	{ .key = "engine", .title = "ENGINE", .left = true },
	{ .key = "mmu", .title = "MMU", .left = true },
	{ .key = "nested.format", .title = "NESTED", .left = true },
	{ .key = "nested.levels", .title = "LEVELS" },
	{ .key = "vcpus", .title = "VCPUS" },
	{ .key = "slots", .title = "SLOTS" },
	{ .key = "state", .title = "STATE", .left = true },
	{}
};

static const struct npt_column vm_columns[] = {
	{ .key = "id", .title = "id" },
	{ .key = "name", .title = "name" },
	{ .key = "uid", .title = "user" },
	{ .key = "state", .title = "state" },
	{ .key = "engine", .title = "engine" },
	{ .key = "mmu", .title = "MMU mode" },
	{ .key = "nested.format", .title = "nested format" },
	{ .key = "nested.levels", .title = "nested levels" },
	{ .key = "leaf_pages_text", .title = "leaf pages" },
	{ .key = "unsync", .title = "out-of-sync tables", .style = NPT_STYLE_YESNO },
	{ .key = "max_vcpus", .title = "most vCPUs" },
	{ .key = "max_table_pages", .title = "most table pages" },
	{ .key = "slots", .title = "memslots" },
	{ .key = "vcpus", .title = "vCPUs" },
	{}
};

static const struct npt_column vcpu_columns[] = {
	{ .key = "id", .title = "VCPU" },
	{ .key = "cr0", .title = "CR0", .left = true },
	{ .key = "cr3", .title = "CR3", .left = true },
	{ .key = "cr4", .title = "CR4", .left = true },
	{ .key = "efer", .title = "EFER", .left = true },
	{}
};

static void add_leaf_pages(json_t *o, uint32_t pages)
{
	static const unsigned int shifts[] = { 12, 21, 30 };
	json_t *list = json_array();
	char text[32] = "";
	size_t i;

	for (i = 0; i < 3; i++) {
		if (!(pages & (1u << i)))
			continue;
		json_array_append_new(list, json_string(npt_page_name(shifts[i])));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 *text ? ", " : "", npt_page_name(shifts[i]));
	}
	json_object_set_new(o, "leaf_pages", list);
	json_object_set_new(o, "leaf_pages_text", json_string(text));
}

static json_t *describe(const struct npt_nl_vm *vm)
{
	json_t *nested = json_object();
	json_t *o = json_object();

	json_object_set_new(o, "id", json_integer(vm->id));
	json_object_set_new(o, "name", json_string(vm->name));
	json_object_set_new(o, "uid", json_integer(vm->uid));
	json_object_set_new(o, "state", json_string(vm->dead ? "dead" : "alive"));
	json_object_set_new(o, "engine", json_string(npt_engine_name(vm->engine)));
	json_object_set_new(o, "mmu", json_string(npt_mmu_name(vm->mmu)));
	json_object_set_new(nested, "format",
			    json_string(npt_nested_format_name(vm->nested_format)));
	json_object_set_new(nested, "levels", json_integer(vm->nested_levels));
	json_object_set_new(o, "nested", nested);
	add_leaf_pages(o, vm->leaf_pages);
	json_object_set_new(o, "unsync", json_boolean(!(vm->flags & NPT_VM_NO_UNSYNC)));
	json_object_set_new(o, "max_vcpus", json_integer(vm->max_vcpus));
	json_object_set_new(o, "max_table_pages", json_integer(vm->max_table_pages));
	json_object_set_new(o, "vcpus", json_integer(vm->vcpus));
	json_object_set_new(o, "slots", json_integer(vm->slots));
	return o;
}

static int on_vm(const struct npt_nl_vm *vm, void *arg)
{
	json_t *list = arg;

	return json_array_append_new(list, describe(vm)) ? -ENOMEM : 0;
}

static int show_all(struct npt_cli *cli, struct npt_nl *nl)
{
	json_t *list = json_array();
	int i, err;

	for (i = 0; i < ATTEMPTS; i++) {
		json_array_clear(list);
		err = npt_nl_vms(nl, on_vm, list);
		if (err || !npt_nl_interrupted(nl))
			break;
	}
	if (!err && i == ATTEMPTS)
		npt_warn("vm: VMs come and go while they are listed");
	if (!err)
		npt_out_rows(cli, list, list_columns);
	json_decref(list);
	return err ? nl_cli_fail("vm", err) : NPT_EXIT_OK;
}

static int on_vcpu(const struct npt_nl_vcpu *vcpu, void *arg)
{
	json_t *list = arg, *o = json_object();

	json_object_set_new(o, "id", json_integer(vcpu->id));
	json_object_set_new(o, "cr0", npt_json_hex(vcpu->cr0));
	json_object_set_new(o, "cr3", npt_json_hex(vcpu->cr3));
	json_object_set_new(o, "cr4", npt_json_hex(vcpu->cr4));
	json_object_set_new(o, "efer", npt_json_hex(vcpu->efer));
	return json_array_append_new(list, o) ? -ENOMEM : 0;
}

static int show_one(struct npt_cli *cli, struct npt_nl *nl, uint32_t id)
{
	json_t *o, *vcpus = json_array();
	struct npt_nl_vm vm;
	int err;

	err = npt_nl_vm(nl, id, &vm);
	if (!err)
		err = npt_nl_vcpus(nl, id, on_vcpu, vcpus);
	if (err) {
		json_decref(vcpus);
		return nl_cli_fail("vm", err);
	}
	o = describe(&vm);
	json_object_set(o, "vcpu", vcpus);
	npt_out_fields(cli, o, vm_columns);
	if (!cli->json && json_array_size(vcpus)) {
		putchar('\n');
		npt_out_table(cli, vcpus, vcpu_columns);
	}
	json_decref(vcpus);
	json_decref(o);
	return NPT_EXIT_OK;
}

static int run_show(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = { {} };
	struct npt_nl *nl;
	uint32_t id = 0;
	int ret;

	if (npt_getopt(argc, argv, options, false) != -1)
		return NPT_EXIT_USAGE;
	if (argc - optind > 1)
		return npt_usage("vm show: expected one ID at the most");
	if (optind < argc && !nl_cli_number("vm show", "ID", argv[optind], 0, &id))
		return NPT_EXIT_USAGE;
	ret = nl_cli_open("vm", &nl);
	if (ret)
		return ret;
	ret = id ? show_one(cli, nl, id) : show_all(cli, nl);
	npt_nl_close(nl);
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "show",
		.run = run_show,
		.args = "[ID]",
		.help = "list the VMs of this user (root: of all), or show one with its vCPUs",
	},
	{}
};

const struct npt_object npt_obj_vm = {
	.name = "vm",
	.help = "virtual machines that run",
	.commands = commands,
};
