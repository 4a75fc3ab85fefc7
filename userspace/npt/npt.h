/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tool npt: what its commands share.
 *
 * Grammar: npt [-j] [-p] OBJECT [COMMAND] [ARGUMENTS]. Each object is one file
 * that defines one struct npt_object; main.c lists them. A command gets its own
 * name as argv[0] and returns an exit code.
 */
#ifndef NPT_CLI_H
#define NPT_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit codes; npt(8) documents them. */
enum npt_exit {
	NPT_EXIT_OK,		/* done */
	NPT_EXIT_FAILURE,	/* tried and failed, or a check did not hold */
	NPT_EXIT_USAGE,		/* the command line is wrong; nothing was tried */
	NPT_EXIT_ABSENT,	/* nothing to talk to: no module, or no permission */
};

/* What the options before OBJECT chose. */
struct npt_cli {
	bool json;		/* -j: JSON on standard output */
	bool pretty;		/* -p: the same, indented; sets @json too */
	bool color;		/* standard output is a terminal and NO_COLOR is not set */
	const char *prog;	/* how the tool was called */
};

/* One command of an object. */
struct npt_command {
	/* "" for an object that takes its arguments directly ("npt replay TRACE"). */
	const char *name;
	int (*run)(struct npt_cli *cli, int argc, char **argv);
	/* What follows the name in the usage line: "[--vm ID] FILE". */
	const char *args;
	/* One line, no full stop: "show running VMs". */
	const char *help;
	/*
	 * A line per option, for help and completion, or NULL:
	 * "  --vm ID      only this VM\n". Words that start with "--" are offered
	 * by completion.
	 */
	const char *options;
};

/* An object: a noun and its commands. */
struct npt_object {
	const char *name;
	const char *help;	/* one line, no full stop */
	/* The first is the default if its name is "show" or "". Ends with a NULL name. */
	const struct npt_command *commands;
};

/* One per file cmd_<name>.c; main.c has the list. */
extern const struct npt_object npt_obj_caps;		/* cmd_caps.c */
extern const struct npt_object npt_obj_completion;	/* cmd_completion.c */
extern const struct npt_object npt_obj_doctor;		/* cmd_doctor.c */
extern const struct npt_object npt_obj_help;		/* cmd_help.c */
extern const struct npt_object npt_obj_monitor;		/* cmd_monitor.c */
extern const struct npt_object npt_obj_record;		/* cmd_record.c */
extern const struct npt_object npt_obj_replay;		/* cmd_replay.c */
extern const struct npt_object npt_obj_run;		/* cmd_run.c */
extern const struct npt_object npt_obj_stat;		/* cmd_stat.c */
extern const struct npt_object npt_obj_table;		/* cmd_table.c */
extern const struct npt_object npt_obj_trace;		/* cmd_trace.c */
extern const struct npt_object npt_obj_version;		/* cmd_help.c */
extern const struct npt_object npt_obj_vm;		/* cmd_vm.c */
extern const struct npt_object npt_obj_walk;		/* cmd_walk.c */

/* All of them, by name; ends with NULL. */
extern const struct npt_object *const npt_objects[];

/* "npt: TEXT" on standard error, one line. Returns NPT_EXIT_FAILURE. */
int npt_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for a wrong command line. Returns NPT_EXIT_USAGE. */
int npt_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for a missing module or permission. Returns NPT_EXIT_ABSENT. */
int npt_absent(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * "npt: TEXT: STRERROR" for the negative errno @err. Returns NPT_EXIT_ABSENT
 * for ENODEV, ENXIO, EACCES and EPERM, else NPT_EXIT_FAILURE.
 */
int npt_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "npt: warning: TEXT" on standard error, one line. */
void npt_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * getopt_long() with long options only (each entry's val is returned) that says
 * in one line what was wrong: -1 at the end, '?' after a message (the command
 * then returns NPT_EXIT_USAGE). Starts anew when @argv is another one.
 * Options end at "--", and at the first other word if @stop.
 */
int npt_getopt(int argc, char **argv, const struct option *options, bool stop);

/*
 * A number in decimal, 0x... or 0...: false after a message that names @what and
 * the range.
 */
bool npt_parse_u64(const char *text, const char *what, unsigned long long min,
		   unsigned long long max, unsigned long long *value);

/*
 * Progress on standard error: shown if that is a terminal, once a second has
 * passed, and wiped at the end. @total 0: unknown. Cheap: call it as often as you like.
 */
void npt_progress(const char *what, unsigned long long done, unsigned long long total);
void npt_progress_end(void);

/* Terminal colours: "" unless cli->color. */
enum npt_color { NPT_C_RESET, NPT_C_BOLD, NPT_C_DIM, NPT_C_RED, NPT_C_GREEN, NPT_C_YELLOW,
		 NPT_C_BLUE, NPT_C_CYAN };
const char *npt_color(const struct npt_cli *cli, enum npt_color c);

/* Print the help of an object (cmd_help.c). */
void npt_help_object(const struct npt_object *obj);

#endif /* NPT_CLI_H */
