// SPDX-License-Identifier: GPL-2.0
/* npt: find the object and the command that the words name, and run it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "npt.h"

const struct npt_object *const npt_objects[] = {
	&npt_obj_caps,
	&npt_obj_completion,
	&npt_obj_doctor,
	&npt_obj_help,
	&npt_obj_monitor,
	&npt_obj_record,
	&npt_obj_replay,
	&npt_obj_run,
	&npt_obj_stat,
	&npt_obj_table,
	&npt_obj_trace,
	&npt_obj_version,
	&npt_obj_vm,
	&npt_obj_walk,
	NULL
};

/* Append a word to a list in one line. */
static void list_word(char *list, size_t len, const char *word)
{
	size_t n = strlen(list);

	snprintf(list + n, len - n, "%s%s", n ? ", " : "", word);
}

static const struct npt_object *find_object(const char *name)
{
	char words[512] = "";
	int i;

	for (i = 0; npt_objects[i]; i++)
		if (!strcmp(npt_objects[i]->name, name))
			return npt_objects[i];
	for (i = 0; npt_objects[i]; i++)
		list_word(words, sizeof(words), npt_objects[i]->name);
	npt_usage("unknown object \"%s\", expected one of: %s", name, words);
	return NULL;
}

static const struct npt_command *find_command(const struct npt_object *obj, const char *name)
{
	const struct npt_command *c;
	char words[512] = "";

	for (c = obj->commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	for (c = obj->commands; c->name; c++)
		list_word(words, sizeof(words), c->name);
	npt_usage("unknown command \"%s %s\", expected one of: %s", obj->name, name, words);
	return NULL;
}

/* Does this word have to be the name of a command? Options and nothing don't. */
static bool names_command(const struct npt_object *obj, int argc, char **argv)
{
	const char *first = obj->commands[0].name;

	if (!*first)
		return false;
	if (strcmp(first, "show"))
		return true;
	return argc > 1 && argv[1][0] != '-';
}

static int run_object(struct npt_cli *cli, const struct npt_object *obj, int argc, char **argv)
{
	const struct npt_command *cmd = &obj->commands[0];

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))) {
		npt_help_object(obj);
		return NPT_EXIT_OK;
	}
	if (names_command(obj, argc, argv)) {
		if (argc < 2)
			return npt_usage("%s: a command is missing (npt help %s lists them)",
					 obj->name, obj->name);
		cmd = find_command(obj, argv[1]);
		if (!cmd)
			return NPT_EXIT_USAGE;
		argc--;
		argv++;
		if (argc > 1 && !strcmp(argv[1], "--help")) {
			npt_help_object(obj);
			return NPT_EXIT_OK;
		}
	}
	/* so that messages begin with the object, whatever word came last */
	argv[0] = (char *)obj->name;
	return cmd->run(cli, argc, argv);
}

/* -j, -p, -jp and their long names. False: something else. */
static bool global_option(struct npt_cli *cli, const char *a)
{
	bool json = !strcmp(a, "--json"), pretty = !strcmp(a, "--pretty");

	if (!json && !pretty) {
		if (a[1 + strspn(a + 1, "jp")])
			return false;
		pretty = strchr(a, 'p');
	}
	cli->json = true;
	cli->pretty |= pretty;
	return true;
}

/* Gives the index of the first word that is no option, -1 after a message. */
static int global_options(struct npt_cli *cli, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			argv[i] = "help";
			break;
		}
		if (!strcmp(argv[i], "-V") || !strcmp(argv[i], "--version")) {
			argv[i] = "version";
			break;
		}
		if (!global_option(cli, argv[i])) {
			npt_usage("unknown option %s, expected -j, -p, -h or -V before the object",
				  argv[i]);
			return -1;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR");
	struct npt_cli cli = { .prog = argv[0] };
	const struct npt_object *obj;
	int first, ret;

	cli.color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
	first = global_options(&cli, argc, argv);
	if (first < 0)
		return NPT_EXIT_USAGE;
	if (first >= argc)
		return npt_usage("an object is missing; try: npt help");
	if (cli.json)
		cli.color = false;
	obj = find_object(argv[first]);
	if (!obj)
		return NPT_EXIT_USAGE;
	ret = run_object(&cli, obj, argc - first, argv + first);
	npt_progress_end();
	/* what did not reach the file or pipe is a failure, not a success */
	if (fflush(stdout) || ferror(stdout))
		ret = ret ? ret : npt_err("standard output: the answer could not be written");
	return ret;
}
