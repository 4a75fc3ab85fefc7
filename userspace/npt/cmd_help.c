// SPDX-License-Identifier: GPL-2.0
/* npt help and npt version. */
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "npt.h"
#include "output.h"

static void usage_line(const struct npt_object *obj, const struct npt_command *c)
{
	printf("  npt [-j] [-p] %s%s%s%s%s\n", obj->name, *c->name ? " " : "", c->name,
	       c->args && *c->args ? " " : "", c->args ? c->args : "");
}

/* An option text with its least indented line under the command's help. */
static void print_options(const char *text)
{
	size_t least = 80, n;
	const char *p;

	for (p = text; *p; p += n + (p[n] == '\n')) {
		n = strcspn(p, "\n");
		if (strspn(p, " ") < least)
			least = strspn(p, " ");
	}
	for (p = text; *p; p += n + (p[n] == '\n')) {
		n = strcspn(p, "\n");
		printf("        %.*s\n", (int)(n - least), p + least);
	}
}

void npt_help_object(const struct npt_object *obj)
{
	const struct npt_command *c;

	printf("npt %s - %s\n", obj->name, obj->help);
	for (c = obj->commands; c->name; c++) {
		putchar('\n');
		usage_line(obj, c);
		printf("      %s\n", c->help);
		if (c->options)
			print_options(c->options);
	}
}

static void help_all(void)
{
	int i;

	puts("Usage: npt [-j] [-p] OBJECT [COMMAND] [ARGUMENTS]\n"
	     "\n"
	     "Virtual machines whose memory is virtualised by page tables that can be counted,\n"
	     "watched and explained.\n"
	     "\n"
	     "  -j, --json     JSON on standard output\n"
	     "  -p, --pretty   the same, indented\n"
	     "  -h, --help     this text\n"
	     "  -V, --version  the version\n"
	     "\n"
	     "Objects (npt help OBJECT says more):");
	for (i = 0; npt_objects[i]; i++)
		printf("  %-12s %s\n", npt_objects[i]->name, npt_objects[i]->help);
	puts("\n"
	     "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 nothing to talk to\n"
	     "(the module is not loaded, or no permission).");
}

static int run_help(struct npt_cli *cli, int argc, char **argv)
{
	int i;

	(void)cli;
	if (argc < 2) {
		help_all();
		return NPT_EXIT_OK;
	}
	if (argc > 2)
		return npt_usage("help: expected one object, found also \"%s\"", argv[2]);
	for (i = 0; npt_objects[i]; i++) {
		if (strcmp(npt_objects[i]->name, argv[1]))
			continue;
		npt_help_object(npt_objects[i]);
		return NPT_EXIT_OK;
	}
	return npt_usage("help: there is no object \"%s\"; npt help lists them", argv[1]);
}

static const struct npt_command help_commands[] = {
	{
		.name = "",
		.run = run_help,
		.args = "[OBJECT]",
		.help = "list all objects, or one object's commands and options",
	},
	{}
};

const struct npt_object npt_obj_help = {
	.name = "help",
	.help = "explain objects and commands",
	.commands = help_commands,
};

/* The module's ABI, or null: it may well not be loaded. */
static json_t *module_abi(void)
{
	struct npt_device *dev;
	struct npt_caps caps;
	json_t *abi;

	if (npt_device_open(NULL, &dev))
		return json_null();
	abi = npt_device_caps(dev, &caps) ? json_null() : json_integer(caps.abi_version);
	npt_device_close(dev);
	return abi;
}

static int run_version(struct npt_cli *cli, int argc, char **argv)
{
	static const struct npt_column fields[] = {
		{ "npt", "npt", NPT_STYLE_PLAIN, true },
		{ "library", "library", NPT_STYLE_PLAIN, true },
		{ "abi", "ABI of this build", NPT_STYLE_PLAIN, true },
		{ "module_abi", "ABI of the module", NPT_STYLE_PLAIN, true },
		{}
	};
	json_t *obj;

	if (argc > 1)
		return npt_usage("version: unexpected \"%s\"", argv[1]);
	obj = json_pack("{s:s, s:s, s:i, s:o}", "npt", NPT_VERSION, "library", npt_version(),
			"abi", NPT_ABI_VERSION, "module_abi", module_abi());
	npt_out_fields(cli, obj, fields);
	json_decref(obj);
	return NPT_EXIT_OK;
}

static const struct npt_command version_commands[] = {
	{
		.name = "",
		.run = run_version,
		.args = "",
		.help = "show the versions of tool, library and ABI",
	},
	{}
};

const struct npt_object npt_obj_version = {
	.name = "version",
	.help = "show the versions of tool, library and module",
	.commands = version_commands,
};
