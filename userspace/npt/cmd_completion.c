// SPDX-License-Identifier: GPL-2.0
/* npt completion bash: a script made from the same tables as the help. */
#include <stdio.h>
#include <string.h>

#include "npt.h"

/* The words of a command's option text that begin with "--". */
static void print_options(const struct npt_command *c)
{
	const char *p = c->options;
	size_t n;

	while (p && (p = strstr(p, "--"))) {
		n = strspn(p, "-abcdefghijklmnopqrstuvwxyz0123456789");
		/* a line begins with its option: what comes later is talk */
		if (n > 2 && (p == c->options || p[-1] == ' '))
			printf(" %.*s", (int)n, p);
		p += n;
	}
}

static void print_objects(void)
{
	int i;

	for (i = 0; npt_objects[i]; i++)
		printf("%s%s", i ? " " : "", npt_objects[i]->name);
}

/* The branches of the script's case for one object: what may follow its words. */
static void print_branches(const struct npt_object *obj)
{
	const struct npt_command *c;

	if (obj == &npt_obj_help) {
		fputs("\t'help '*) words=\"", stdout);
		print_objects();
		puts("\" ;;");
		return;
	}
	for (c = obj->commands; c->name; c++) {
		printf("\t'%s %s'%s) words=\"", obj->name, c->name, *c->name ? "" : "*");
		print_options(c);
		puts("\" ;;");
	}
	if (!*obj->commands[0].name)
		return;
	printf("\t'%s ') words=\"", obj->name);
	for (c = obj->commands; c->name; c++)
		printf(" %s", c->name);
	puts("\" ;;");
}

static int run_bash(struct npt_cli *cli, int argc, char **argv)
{
	int i;

	(void)cli;
	if (argc > 1)
		return npt_usage("completion: unexpected \"%s\"", argv[1]);
	puts("# bash completion for npt; load it with:  source <(npt completion bash)\n"
	     "_npt()\n"
	     "{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tlocal i words= object= command=\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in\n"
	     "\t\t-*) ;;\n"
	     "\t\t*)\tif [ -z \"$object\" ]; then object=${COMP_WORDS[i]}\n"
	     "\t\t\telif [ -z \"$command\" ]; then command=${COMP_WORDS[i]}; fi ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $prev in\n"
	     "\t--mmu) COMPREPLY=($(compgen -W 'native shadow nested' -- \"$cur\")); return ;;\n"
	     "\t--page|--nested-page) COMPREPLY=($(compgen -W '4k 2m 1g' -- \"$cur\")); return ;;\n"
	     "\t--engine) COMPREPLY=($(compgen -W 'auto soft svm vmx' -- \"$cur\")); return ;;\n"
	     "\t--policy) COMPREPLY=($(compgen -W 'lru fifo lfu plru' -- \"$cur\")); return ;;\n"
	     "\t--guest-levels) COMPREPLY=($(compgen -W '2 3 4 5' -- \"$cur\")); return ;;\n"
	     "\t--nested-levels) COMPREPLY=($(compgen -W '4 5' -- \"$cur\")); return ;;\n"
	     "\tesac\n"
	     "\tcase \"$object $command\" in");
	for (i = 0; npt_objects[i]; i++)
		print_branches(npt_objects[i]);
	fputs("\t' ') words=\"-j -p ", stdout);
	print_objects();
	puts("\" ;;\n"
	     "\tesac\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "}\n"
	     "complete -o default -F _npt npt");
	return NPT_EXIT_OK;
}

static const struct npt_command commands[] = {
	{
		.name = "bash",
		.run = run_bash,
		.args = "",
		.help = "print a script that completes npt's words in bash",
	},
	{}
};

const struct npt_object npt_obj_completion = {
	.name = "completion",
	.help = "make a shell complete npt's words",
	.commands = commands,
};
