// SPDX-License-Identifier: GPL-2.0
/*
 * npt record: run a program under valgrind and write down its memory accesses.
 *
 * The trace is complete and valid however the program ends: by itself, with
 * whatever status, by a signal or because the user has had enough (Ctrl-C, or
 * --max). It is given up only if it cannot be written or if there is nothing in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "npt.h"
#include "output.h"
#include "signals.h"
#include "trace.h"
#include "tracee.h"

#define DEFAULT_OUTPUT	"trace.npt"
#define DEFAULT_TOOL	"valgrind"

#define BATCH		4096

/**
 * struct recording - one run of the command
 * @output: where the trace goes
 * @max: records to take at most, 0 for no limit
 * @opt: how to run the program
 * @tracee: the program
 * @reader: what it sees, as lackey writes it
 * @writer: the trace
 * @records: how many so far
 * @bytes: size of the trace
 * @full: @max has been reached
 * @left: the program became another one, which is not traced
 */
struct recording {
	const char *output;
	unsigned long long max;
	struct tracee_options opt;
	struct tracee tracee;
	struct npt_trace_reader *reader;
	struct npt_trace_writer *writer;
	uint64_t records;
	uint64_t bytes;
	bool full;
	bool left;
};

/* What a shell would have to be given. */
static char *quote_command(char *const *argv)
{
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);
	const char *p;

	if (!f)
		return NULL;
	for (; *argv; argv++) {
		if (**argv && !(*argv)[strcspn(*argv, " \t\n|&;<>()$`\\\"'*?[]#~{}!")]) {
			fputs(*argv, f);
		} else {
			fputc('\'', f);
			for (p = *argv; *p; p++)
				*p == '\'' ? fputs("'\\''", f) : fputc(*p, f);
			fputc('\'', f);
		}
		if (argv[1])
			fputc(' ', f);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* The header, once lackey has said which version it is. */
static int describe(struct recording *rec)
{
	struct npt_trace_info info = *npt_trace_info(rec->reader);
	char *command = quote_command(rec->opt.argv);
	struct utsname machine;
	int ret;

	info.command = command;
	info.arch = uname(&machine) ? "" : machine.machine;
	info.page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	ret = command ? npt_trace_set_info(rec->writer, &info) : -ENOMEM;
	free(command);
	return ret ? npt_fail(ret, "record") : NPT_EXIT_OK;
}

/* Copy one batch: NPT_EXIT_OK with *@more false at the end. */
static int copy_batch(struct recording *rec, bool *more)
{
	struct npt_access buf[BATCH];
	size_t room = BATCH;
	ssize_t n;

	if (rec->max && rec->max - rec->records < room)
		room = rec->max - rec->records;
	n = npt_trace_read(rec->reader, buf, room);
	if (n < 0)
		return npt_err("record: %s", npt_trace_error(rec->reader));
	*more = n > 0;
	if (!n)
		return NPT_EXIT_OK;
	if (!rec->records && describe(rec))
		return NPT_EXIT_FAILURE;
	if (npt_trace_write(rec->writer, buf, n))
		return npt_err("record: %s", npt_trace_writer_error(rec->writer));
	rec->records += n;
	rec->full = rec->max && rec->records == rec->max;
	*more = !rec->full;
	npt_progress("recording", rec->records, rec->max);
	return NPT_EXIT_OK;
}

static int copy(struct recording *rec)
{
	const struct npt_trace_source source = {
		.fd = rec->tracee.log,
		.name = "valgrind",
		.wait = tracee_wait,
		.arg = &rec->tracee,
	};
	char err[NPT_TRACE_ERRLEN];
	bool more = true;
	int ret;

	ret = npt_trace_open_source(&source, NPT_TRACE_LACKEY, &rec->reader, err, sizeof(err));
	if (ret)
		return npt_err("record: %s", err);
	while (!ret && more)
		ret = copy_batch(rec, &more);
	npt_progress_end();
	if (!ret && !rec->full) {
		tracee_join(&rec->tracee);
		/* Lackey's last words tell the status; a program that was replaced has none. */
		rec->left = npt_trace_info(rec->reader)->exit_status < 0 &&
			    WIFEXITED(rec->tracee.status);
	}
	npt_trace_close(rec->reader);
	rec->reader = NULL;
	return ret;
}

static int finish(struct recording *rec)
{
	char err[NPT_TRACE_ERRLEN];
	struct tracee *t = &rec->tracee;

	if (!rec->records) {
		npt_trace_abort(rec->writer);
		return npt_err("record: no access of %s was recorded (valgrind ended with %s %d)",
			       rec->opt.argv[0],
			       WIFSIGNALED(t->status) ? "signal" : "status",
			       WIFSIGNALED(t->status) ? WTERMSIG(t->status) :
							WEXITSTATUS(t->status));
	}
	if (!rec->full)
		npt_trace_set_exit_status(rec->writer, t->status);
	rec->bytes = npt_trace_written(rec->writer);
	if (npt_trace_commit(rec->writer, err, sizeof(err)))
		return npt_err("record: %s", err);
	return NPT_EXIT_OK;
}

static void print_json(struct npt_cli *cli, const struct recording *rec)
{
	int status = rec->tracee.status;
	json_t *o = json_object();

	json_object_set_new(o, "file", json_string(rec->output));
	json_object_set_new(o, "records", npt_json_u64(rec->records));
	json_object_set_new(o, "bytes", npt_json_u64(rec->bytes));
	json_object_set_new(o, "limit_reached", json_boolean(rec->full));
	json_object_set_new(o, "interrupted", json_boolean(rec->tracee.interrupts));
	json_object_set_new(o, "replaced", json_boolean(rec->left));
	json_object_set_new(o, "exit_code", !rec->full && WIFEXITED(status) ?
			    json_integer(WEXITSTATUS(status)) : json_null());
	json_object_set_new(o, "signal", !rec->full && WIFSIGNALED(status) ?
			    json_integer(WTERMSIG(status)) : json_null());
	npt_out_json(cli, o);
}

/* How it ended, if there is anything to say about that. */
static void print_end(const struct recording *rec)
{
	const char *name = rec->opt.argv[0];
	int status = rec->tracee.status;

	if (rec->full)
		fprintf(stderr, "; limit reached, %s was ended", name);
	else if (rec->tracee.interrupts)
		fputs("; ended by the user", stderr);
	else if (WIFSIGNALED(status))
		fprintf(stderr, "; %s was killed by signal %d (%s)", name, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		fprintf(stderr, "; %s exited with status %d", name, WEXITSTATUS(status));
	if (rec->left)
		fprintf(stderr, "; then %s became another program (--children records that, too)",
			name);
}

static void print_text(const struct recording *rec)
{
	char n[32], bytes[32];
	json_t *v = npt_json_u64(rec->records);

	npt_out_format(v, NPT_STYLE_GROUP, n, sizeof(n));
	json_decref(v);
	v = npt_json_u64(rec->bytes);
	npt_out_format(v, NPT_STYLE_BYTES, bytes, sizeof(bytes));
	json_decref(v);
	fprintf(stderr, "npt: %s accesses in %s (%s, %.2f bytes each)", n,
		strcmp(rec->output, "-") ? rec->output : "standard output", bytes,
		(double)rec->bytes / rec->records);
	print_end(rec);
	fputc('\n', stderr);
}

/* Run the program and copy what it does; the trace is not finished. */
static int run_program(struct recording *rec)
{
	int ret = tracee_start(&rec->tracee, &rec->opt);

	if (ret)
		return ret;
	ret = copy(rec);
	tracee_end(&rec->tracee);
	return ret;
}

static int record(struct npt_cli *cli, struct recording *rec)
{
	char err[NPT_TRACE_ERRLEN];
	int ret;

	/* Before the program runs: it may take long only to find the disk read-only. */
	if (npt_trace_create(rec->output, NPT_TRACE_NPT, NULL, &rec->writer, err, sizeof(err)))
		return npt_err("record: %s", err);
	ret = run_program(rec);
	if (ret)
		npt_trace_abort(rec->writer);
	else
		ret = finish(rec);
	if (ret)
		return ret;
	if (cli->json)
		print_json(cli, rec);
	else
		print_text(rec);
	return NPT_EXIT_OK;
}

static int run_record(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "max", required_argument, NULL, 'm' },
		{ "children", no_argument, NULL, 'c' },
		{ "tool-path", required_argument, NULL, 't' },
		{}
	};
	struct recording rec = { .output = DEFAULT_OUTPUT, .opt.tool = DEFAULT_TOOL };
	int c, ret;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "+:o:", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			rec.output = optarg;
			break;
		case 'm':
			if (!npt_parse_u64(optarg, "--max", 1, UINT64_MAX, &rec.max))
				return NPT_EXIT_USAGE;
			break;
		case 'c':
			rec.opt.children = true;
			break;
		case 't':
			rec.opt.tool = optarg;
			break;
		case ':':
			return npt_usage("record: %s needs a value", argv[optind - 1]);
		default:
			return npt_usage("record: unknown option %s", argv[optind - 1]);
		}
	}
	if (optind >= argc)
		return npt_usage("record: expected a program, as in 'npt record -- ls -lR /etc'");
	if (cli->json && !strcmp(rec.output, "-"))
		return npt_usage("record: -j and --output - cannot both have standard output");
	/* The program's output must not get between ours. */
	rec.opt.stdout_to_stderr = cli->json || !strcmp(rec.output, "-");
	rec.opt.argv = argv + optind;
	signals_take();
	ret = record(cli, &rec);
	signals_restore();
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "",
		.run = run_record,
		.args = "[-o FILE] [--max N] [--children] [--tool-path FILE] -- PROGRAM [ARG...]",
		.help = "run a program and record its memory accesses",
		.options =
		"  --output FILE     (or -o) the trace; - is standard output (default: " DEFAULT_OUTPUT ")\n"
		"  --max N           end the program after N accesses\n"
		"  --children        also record the programs that it starts\n"
		"  --tool-path FILE  the valgrind to use (default: the one in PATH)\n",
	},
	{}
};

const struct npt_object npt_obj_record = {
	.name = "record",
	.help = "record the memory accesses of a program",
	.commands = commands,
};
