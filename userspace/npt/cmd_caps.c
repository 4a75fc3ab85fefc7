// SPDX-License-Identifier: GPL-2.0
/* npt caps: what the module (or the core in this process) can do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "npt.h"
#include "output.h"
#include "tlbspec.h"

/* The names of the bits set in @mask. */
static json_t *names(uint32_t mask, const char *(*name)(unsigned int))
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < 32; i++)
		if (mask & 1U << i)
			json_array_append_new(list, json_string(name(i)));
	return list;
}

static json_t *numbers(uint32_t mask)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < 32; i++)
		if (mask & 1U << i)
			json_array_append_new(list, json_integer(i));
	return list;
}

static const char *page_bit(unsigned int bit)
{
	return npt_page_name(12 + 9 * bit);
}

static const char *feature_bit(unsigned int bit)
{
	static const char *const text[] = { "netlink", "unsync", "dirty-log" };

	return bit < sizeof(text) / sizeof(text[0]) ? text[bit] : "?";
}

static json_t *caps_json(const struct npt_caps *c, bool in_process)
{
	json_t *o = json_object();

	json_object_set_new(o, "in_process", json_boolean(in_process));
	json_object_set_new(o, "abi_version", json_integer(c->abi_version));
	json_object_set_new(o, "engines", names(c->engines, npt_engine_name));
	json_object_set_new(o, "default_engine",
			    json_string(npt_engine_name(c->default_engine)));
	json_object_set_new(o, "mmu_modes", names(c->mmu_modes, npt_mmu_name));
	json_object_set_new(o, "default_mmu", json_string(npt_mmu_name(c->default_mmu)));
	json_object_set_new(o, "nested_formats",
			    names(c->nested_formats, npt_nested_format_name));
	json_object_set_new(o, "guest_levels", numbers(c->guest_levels));
	json_object_set_new(o, "nested_levels", numbers(c->nested_levels));
	json_object_set_new(o, "leaf_pages", names(c->leaf_pages, page_bit));
	json_object_set_new(o, "features", names(c->features, feature_bit));
	json_object_set_new(o, "gpa_bits", json_integer(c->gpa_bits));
	json_object_set_new(o, "max_vms", json_integer(c->max_vms));
	json_object_set_new(o, "max_vcpus", json_integer(c->max_vcpus));
	json_object_set_new(o, "max_slots", json_integer(c->max_slots));
	json_object_set_new(o, "max_batch", json_integer(c->max_batch));
	json_object_set_new(o, "min_table_pages", json_integer(c->min_table_pages));
	json_object_set_new(o, "default_table_pages", json_integer(c->default_table_pages));
	json_object_set_new(o, "max_table_pages", json_integer(c->max_table_pages));
	json_object_set_new(o, "counters", json_integer(c->counters));
	return o;
}

/* Lists as text: "4, 5". */
static void flatten(json_t *o)
{
	char text[256], word[64];
	const char *key;
	json_t *v, *w;
	size_t i, n;
	void *tmp;

	json_object_foreach_safe(o, tmp, key, v) {
		if (!json_is_array(v))
			continue;
		text[0] = 0;
		json_array_foreach(v, i, w) {
			n = strlen(text);
			snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
				 npt_out_format(w, NPT_STYLE_PLAIN, word, sizeof(word)));
		}
		json_object_set_new(o, key, json_string(*text ? text : "none"));
	}
}

static int show(struct npt_cli *cli, struct npt_device *dev)
{
	static const struct npt_column fields[] = {
		{ "in_process", "in this process", NPT_STYLE_PLAIN, true },
		{ "abi_version", "ABI version", NPT_STYLE_PLAIN, true },
		{ "engines", "engines", NPT_STYLE_PLAIN, true },
		{ "default_engine", "default engine", NPT_STYLE_PLAIN, true },
		{ "mmu_modes", "MMU modes", NPT_STYLE_PLAIN, true },
		{ "default_mmu", "default MMU mode", NPT_STYLE_PLAIN, true },
		{ "nested_formats", "nested formats", NPT_STYLE_PLAIN, true },
		{ "guest_levels", "guest levels", NPT_STYLE_PLAIN, true },
		{ "nested_levels", "nested levels", NPT_STYLE_PLAIN, true },
		{ "leaf_pages", "page sizes", NPT_STYLE_PLAIN, true },
		{ "features", "features", NPT_STYLE_PLAIN, true },
		{ "gpa_bits", "bits of a gpa", NPT_STYLE_PLAIN, true },
		{ "max_vms", "VMs, at most", NPT_STYLE_GROUP, true },
		{ "max_vcpus", "vCPUs per VM, at most", NPT_STYLE_GROUP, true },
		{ "max_slots", "memslots per VM, at most", NPT_STYLE_GROUP, true },
		{ "max_batch", "accesses per batch, at most", NPT_STYLE_GROUP, true },
		{ "default_table_pages", "pages of tables per VM", NPT_STYLE_GROUP, true },
		{ "max_table_pages", "  at most", NPT_STYLE_GROUP, true },
		{ "counters", "counters", NPT_STYLE_GROUP, true },
		{}
	};
	struct npt_caps caps;
	json_t *o;

	if (npt_device_caps(dev, &caps))
		return npt_err("caps: %s", npt_error());
	o = caps_json(&caps, npt_device_is_inproc(dev));
	if (!cli->json)
		flatten(o);
	npt_out_fields(cli, o, fields);
	json_decref(o);
	return NPT_EXIT_OK;
}

static int run_caps(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "in-process", no_argument, NULL, 'i' },
		{}
	};
	bool in_process = false;
	struct npt_device *dev;
	int c, ret;

	while ((c = npt_getopt(argc, argv, options, false)) != -1) {
		if (c != 'i')
			return NPT_EXIT_USAGE;
		in_process = true;
	}
	if (optind < argc)
		return npt_usage("caps: unexpected \"%s\"", argv[optind]);
	ret = in_process ? npt_device_open_inproc(&dev) : npt_device_open(NULL, &dev);
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO || ret == -EACCES ||
	    ret == -EPERM)
		return npt_absent("caps: %s (npt doctor says why)", npt_error());
	if (ret)
		return npt_err("caps: %s", npt_error());
	ret = show(cli, dev);
	npt_device_close(dev);
	return ret;
}

static int run_tlb(struct npt_cli *cli, int argc, char **argv)
{
	static const struct npt_column cols[] = {
		{ "name", "PRESET", NPT_STYLE_PLAIN, true },
		{ "title", "PROCESSOR", NPT_STYLE_PLAIN, true },
		{ "certainty", "FIGURES", NPT_STYLE_PLAIN, true },
		{ "spec", "GEOMETRY", NPT_STYLE_PLAIN, true },
		{}
	};
	const struct npt_tlb_preset *presets;
	json_t *list, *row;
	size_t i, n;

	if (argc > 1)
		return npt_usage("caps: unexpected \"%s\"", argv[1]);
	list = json_array();
	presets = npt_tlb_presets(&n);
	for (i = 0; i < n; i++) {
		row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", presets[i].name, "title",
				presets[i].title, "certainty", presets[i].certainty_text, "spec",
				presets[i].spec, "note", presets[i].note);
		json_array_append_new(list, row);
	}
	npt_out_rows(cli, list, cols);
	json_decref(list);
	return NPT_EXIT_OK;
}

static const struct npt_command commands[] = {
	{
		.name = "show",
		.run = run_caps,
		.args = "[--in-process]",
		.help = "show engines, modes, formats and limits",
		.options = "  --in-process  of the core in this process, not of the module\n",
	},
	{
		.name = "tlb",
		.run = run_tlb,
		.args = "",
		.help = "list the TLB presets that npt replay --tlb knows",
	},
	{}
};

const struct npt_object npt_obj_caps = {
	.name = "caps",
	.help = "show what the module can do here",
	.commands = commands,
};
