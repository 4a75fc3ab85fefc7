// SPDX-License-Identifier: GPL-2.0
/* npt trace: sum up traces and convert them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "npt.h"
#include "output.h"
#include "signals.h"
#include "trace.h"

#define BATCH		4096
#define TOP_DEFAULT	5
#define TOP_MAX		1000

/* So many ranges can be looked through; nearer ones are merged until they fit. */
#define RANGES_MAX	16

#define PAGE_SIZE_4K	4096

static const char *const op_names[NPT_TRACE_OPS] = {
	[NPT_OP_READ] = "read",
	[NPT_OP_WRITE] = "write",
	[NPT_OP_FETCH] = "fetch",
	[NPT_OP_INVLPG] = "invlpg",
	[NPT_OP_MOV_CR3] = "mov_cr3",
	[NPT_OP_FLUSH] = "flush",
	[NPT_OP_SWITCH] = "switch",
};

static bool parse_format(const char *option, const char *text, enum npt_trace_format *format)
{
	if (!npt_trace_format_by_name(text, format))
		return true;
	npt_usage("trace: %s %s: expected npt, lackey, dynamorio, champsim or auto", option, text);
	return false;
}

/* Where the reader is to wait, and what for. */
static int wait_for_input(void *arg)
{
	int ret = signals_wait(*(int *)arg, true);

	if (signals_wishes())
		return -EINTR;
	return ret < 0 ? ret : 0;
}

/* Open @path so that a wish to end is heard; *@fd must live as long as the reader. */
static int open_trace(const char *path, enum npt_trace_format format, int *fd,
		      struct npt_trace_reader **reader)
{
	bool standard = !strcmp(path, "-");
	struct npt_trace_source source = {
		.fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC),
		.name = standard ? "standard input" : path,
		.wait = wait_for_input,
		.arg = fd,
	};
	char err[NPT_TRACE_ERRLEN];

	if (source.fd < 0)
		return npt_err("trace: %s: %s", path, strerror(errno));
	*fd = source.fd;
	if (npt_trace_open_source(&source, format, reader, err, sizeof(err)))
		return npt_err("trace: %s", err);
	return NPT_EXIT_OK;
}

/* Read the next batch with progress: count, 0 at the end, negative after a message. */
static ssize_t next_batch(struct npt_trace_reader *r, struct npt_access *buf)
{
	ssize_t n = npt_trace_read(r, buf, BATCH);
	uint64_t done, total;

	npt_trace_position(r, &done, &total);
	if (n > 0)
		npt_progress("reading", done, total);
	else
		npt_progress_end();
	if (n == -EINTR)
		npt_err("trace: interrupted");
	else if (n < 0)
		npt_err("trace: %s", npt_trace_error(r));
	return n;
}

/* ---- show ---- */

static void add_ops(json_t *o, const struct npt_trace_summary *s)
{
	json_t *records = json_object();
	json_t *bytes = json_object();
	char name[16];
	int i;

	for (i = 0; i < NPT_TRACE_OPS; i++) {
		if (i > NPT_OP_FETCH && !s->by_op[i])
			continue;
		snprintf(name, sizeof(name), "op%d", i);
		json_object_set_new(records, op_names[i] ? op_names[i] : name,
				    npt_json_u64(s->by_op[i]));
		if (i <= NPT_OP_FETCH)
			json_object_set_new(bytes, op_names[i], npt_json_u64(s->bytes_by_op[i]));
	}
	json_object_set_new(o, "by_op", records);
	json_object_set_new(o, "bytes_by_op", bytes);
}

static json_t *page_sizes(uint64_t small, uint64_t large)
{
	json_t *o = json_object();

	json_object_set_new(o, "4k", npt_json_u64(small));
	json_object_set_new(o, "2m", npt_json_u64(large));
	return o;
}

static void add_text(json_t *o, const char *key, const char *text)
{
	/* Bytes of a command line need not be UTF-8: then the lossless way is none. */
	json_t *v = *text ? json_string(text) : NULL;

	if (*text && !v)
		v = json_string("(not UTF-8)");
	json_object_set_new(o, key, v ? v : json_null());
}

static void add_origin(json_t *o, const struct npt_trace_info *info)
{
	int status = info->exit_status;

	json_object_set_new(o, "format", json_string(npt_trace_format_name(info->format)));
	add_text(o, "command", info->command);
	add_text(o, "arch", info->arch);
	add_text(o, "tool", info->tool);
	json_object_set_new(o, "exit_code", status >= 0 && WIFEXITED(status) ?
			    json_integer(WEXITSTATUS(status)) : json_null());
	json_object_set_new(o, "signal", status >= 0 && WIFSIGNALED(status) ?
			    json_integer(WTERMSIG(status)) : json_null());
}

/* The ranges, merged until a person can take them in; false without memory. */
static bool add_ranges(json_t *o, struct npt_trace_counter *c)
{
	struct npt_trace_range *ranges;
	uint64_t gap = 0;
	json_t *list, *range;
	size_t i, n;

	for (;;) {
		if (npt_trace_counter_ranges(c, gap, &ranges, &n))
			return false;
		if (n <= RANGES_MAX)
			break;
		free(ranges);
		gap = gap ? gap * 2 : PAGE_SIZE_4K;
	}
	list = json_array();
	for (i = 0; i < n; i++) {
		range = json_object();
		json_object_set_new(range, "first", npt_json_hex(ranges[i].first));
		json_object_set_new(range, "last", npt_json_hex(ranges[i].last));
		json_object_set_new(range, "bytes",
				    npt_json_u64(ranges[i].last - ranges[i].first + 1));
		json_array_append_new(list, range);
	}
	free(ranges);
	json_object_set_new(o, "ranges", list);
	json_object_set_new(o, "ranges_gap", npt_json_u64(gap));
	return true;
}

static void add_top(json_t *o, struct npt_trace_counter *c, size_t max, uint64_t records)
{
	struct npt_trace_page top[TOP_MAX];
	size_t i, n = npt_trace_counter_top(c, top, max);
	json_t *list = json_array();
	json_t *page;

	for (i = 0; i < n; i++) {
		page = json_object();
		json_object_set_new(page, "gva", npt_json_hex(top[i].gva));
		json_object_set_new(page, "accesses", npt_json_u64(top[i].accesses));
		json_object_set_new(page, "share",
				    json_real((double)top[i].accesses / records));
		json_array_append_new(list, page);
	}
	json_object_set_new(o, "top", list);
}

/* All that is shown, as JSON; NULL without memory. */
static json_t *describe(const char *path, struct npt_trace_reader *r,
			struct npt_trace_counter *c, size_t top)
{
	struct npt_trace_summary s;
	uint64_t done, total;
	json_t *o = json_object();

	npt_trace_counter_get(c, &s);
	npt_trace_position(r, &done, &total);
	json_object_set_new(o, "file", json_string(path));
	add_origin(o, npt_trace_info(r));
	json_object_set_new(o, "size", npt_json_u64(done));
	json_object_set_new(o, "records", npt_json_u64(s.records));
	json_object_set_new(o, "bytes_per_record",
			    s.records ? json_real((double)done / s.records) : json_null());
	add_ops(o, &s);
	json_object_set_new(o, "pages", page_sizes(s.pages_4k, s.pages_2m));
	json_object_set_new(o, "footprint", npt_json_u64(s.pages_4k * PAGE_SIZE_4K));
	json_object_set_new(o, "crossing", page_sizes(s.crossing_4k, s.crossing_2m));
	json_object_set_new(o, "lowest", s.pages_4k ? npt_json_hex(s.lowest) : json_null());
	json_object_set_new(o, "highest", s.pages_4k ? npt_json_hex(s.highest) : json_null());
	add_top(o, c, top, s.records);
	if (!add_ranges(o, c)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static void print_summary(struct npt_cli *cli, json_t *o)
{
	static const struct npt_column fields[] = {
		{ "file", "Trace", NPT_STYLE_PLAIN, true },
		{ "format", "Format", NPT_STYLE_PLAIN, true },
		{ "command", "Command", NPT_STYLE_PLAIN, true },
		{ "arch", "Machine", NPT_STYLE_PLAIN, true },
		{ "tool", "Recorded by", NPT_STYLE_PLAIN, true },
		{ "exit_code", "Exit code", NPT_STYLE_PLAIN, true },
		{ "signal", "Killed by signal", NPT_STYLE_PLAIN, true },
		{ "size", "Size", NPT_STYLE_BYTES, true },
		{ "records", "Records", NPT_STYLE_GROUP, true },
		{ "by_op.fetch", "  fetches", NPT_STYLE_GROUP, true },
		{ "by_op.read", "  reads", NPT_STYLE_GROUP, true },
		{ "by_op.write", "  writes", NPT_STYLE_GROUP, true },
		{ "pages.4k", "4K pages", NPT_STYLE_GROUP, true },
		{ "pages.2m", "2M pages", NPT_STYLE_GROUP, true },
		{ "footprint", "Footprint", NPT_STYLE_BYTES, true },
		{ "crossing.4k", "Crossing a 4K page", NPT_STYLE_GROUP, true },
		{ "crossing.2m", "Crossing a 2M page", NPT_STYLE_GROUP, true },
		{}
	};
	static const struct npt_column ranges[] = {
		{ "first", "From", NPT_STYLE_PLAIN, true },
		{ "last", "To", NPT_STYLE_PLAIN, true },
		{ "bytes", "Size", NPT_STYLE_BYTES, false },
		{}
	};
	static const struct npt_column pages[] = {
		{ "gva", "4K page", NPT_STYLE_PLAIN, true },
		{ "accesses", "Accesses", NPT_STYLE_GROUP, false },
		{ "share", "Share", NPT_STYLE_PERCENT, false },
		{}
	};
	char gap[32];

	npt_out_fields(cli, o, fields);
	if (json_array_size(json_object_get(o, "ranges"))) {
		printf("\nRanges touched, gaps up to %s included:\n",
		       npt_out_format(json_object_get(o, "ranges_gap"), NPT_STYLE_BYTES, gap,
				      sizeof(gap)));
		npt_out_table(cli, json_object_get(o, "ranges"), ranges);
	}
	if (json_array_size(json_object_get(o, "top"))) {
		printf("\nMost accessed:\n");
		npt_out_table(cli, json_object_get(o, "top"), pages);
	}
}

static int show(struct npt_cli *cli, const char *path, struct npt_trace_reader *r,
		struct npt_trace_counter *c, size_t top)
{
	struct npt_access buf[BATCH];
	json_t *o;
	ssize_t n;

	while ((n = next_batch(r, buf)) > 0) {
		if (npt_trace_counter_add(c, buf, n)) {
			npt_progress_end();
			return npt_fail(-ENOMEM, "trace: %s", path);
		}
	}
	if (n < 0)
		return NPT_EXIT_FAILURE;
	o = describe(path, r, c, top);
	if (!o)
		return npt_fail(-ENOMEM, "trace: %s", path);
	if (cli->json) {
		npt_out_json(cli, o);
	} else {
		print_summary(cli, o);
		json_decref(o);
	}
	return NPT_EXIT_OK;
}

static int open_and_show(struct npt_cli *cli, const char *path, enum npt_trace_format format,
			 size_t top)
{
	struct npt_trace_counter *c;
	struct npt_trace_reader *r;
	int fd, ret;

	ret = open_trace(path, format, &fd, &r);
	if (ret)
		return ret;
	c = npt_trace_counter_new();
	ret = c ? show(cli, path, r, c, top) : npt_fail(-ENOMEM, "trace: %s", path);
	npt_trace_counter_free(c);
	npt_trace_close(r);
	return ret;
}

static int run_show(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "top", required_argument, NULL, 't' },
		{}
	};
	enum npt_trace_format format = NPT_TRACE_AUTO;
	unsigned long long top = TOP_DEFAULT;
	int c, ret;

	while ((c = npt_getopt(argc, argv, options, false)) != -1) {
		switch (c) {
		case 'f':
			if (!parse_format("--format", optarg, &format))
				return NPT_EXIT_USAGE;
			break;
		case 't':
			if (!npt_parse_u64(optarg, "--top", 0, TOP_MAX, &top))
				return NPT_EXIT_USAGE;
			break;
		default:
			return NPT_EXIT_USAGE;
		}
	}
	if (argc - optind != 1)
		return npt_usage("trace show: expected one trace (or - for standard input)");
	signals_take();
	ret = open_and_show(cli, argv[optind], format, top);
	signals_restore();
	return ret;
}

/* ---- convert ---- */

/* Copy all; the writer is used up in any case. */
static int copy(struct npt_trace_reader *r, struct npt_trace_writer *w, uint64_t *records,
		uint64_t *bytes)
{
	struct npt_access buf[BATCH];
	char err[NPT_TRACE_ERRLEN];
	int ret = NPT_EXIT_OK;
	ssize_t n;

	*records = 0;
	while (!ret && (n = next_batch(r, buf)) > 0) {
		/* Text formats tell of their origin before the first record. */
		if (!*records && npt_trace_set_info(w, npt_trace_info(r)))
			ret = npt_fail(-ENOMEM, "trace convert");
		else if (npt_trace_write(w, buf, n))
			ret = npt_err("trace: %s", npt_trace_writer_error(w));
		*records += n;
	}
	npt_progress_end();
	if (ret || n < 0) {
		npt_trace_abort(w);
		return NPT_EXIT_FAILURE;
	}
	npt_trace_set_exit_status(w, npt_trace_info(r)->exit_status);
	*bytes = npt_trace_written(w);
	if (npt_trace_commit(w, err, sizeof(err)))
		return npt_err("trace: %s", err);
	return NPT_EXIT_OK;
}

static int convert(struct npt_cli *cli, char **paths, enum npt_trace_format from,
		   enum npt_trace_format to)
{
	struct npt_trace_reader *r;
	struct npt_trace_writer *w;
	uint64_t records, bytes;
	char err[NPT_TRACE_ERRLEN];
	int fd, ret;
	json_t *o;

	ret = open_trace(paths[0], from, &fd, &r);
	if (ret)
		return ret;
	if (npt_trace_create(paths[1], to, NULL, &w, err, sizeof(err)))
		ret = npt_err("trace: %s", err);
	else
		ret = copy(r, w, &records, &bytes);
	if (!ret && cli->json) {
		o = json_object();
		json_object_set_new(o, "file", json_string(paths[1]));
		json_object_set_new(o, "format", json_string(npt_trace_format_name(to)));
		json_object_set_new(o, "from",
				    json_string(npt_trace_format_name(npt_trace_info(r)->format)));
		json_object_set_new(o, "records", npt_json_u64(records));
		json_object_set_new(o, "bytes", npt_json_u64(bytes));
		npt_out_json(cli, o);
	}
	npt_trace_close(r);
	return ret;
}

static int run_convert(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{}
	};
	enum npt_trace_format from = NPT_TRACE_AUTO;
	enum npt_trace_format to = NPT_TRACE_NPT;
	int c, ret;

	while ((c = npt_getopt(argc, argv, options, false)) != -1) {
		switch (c) {
		case 'f':
			if (!parse_format("--from", optarg, &from))
				return NPT_EXIT_USAGE;
			break;
		case 't':
			if (!parse_format("--to", optarg, &to))
				return NPT_EXIT_USAGE;
			break;
		default:
			return NPT_EXIT_USAGE;
		}
	}
	if (to != NPT_TRACE_NPT && to != NPT_TRACE_LACKEY)
		return npt_usage("trace convert: --to %s: expected npt or lackey",
				 npt_trace_format_name(to));
	if (argc - optind != 2)
		return npt_usage("trace convert: expected IN and OUT (or - for a standard stream)");
	if (cli->json && !strcmp(argv[optind + 1], "-"))
		return npt_usage("trace convert: -j and OUT - cannot both have standard output");
	signals_take();
	ret = convert(cli, argv + optind, from, to);
	signals_restore();
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "show",
		.run = run_show,
		.args = "[--format FORMAT] [--top N] TRACE",
		.help = "sum up a trace",
		.options =
		"  --format FORMAT  npt, lackey, dynamorio, champsim (default: guessed)\n"
		"  --top N          list the N pages accessed most (default: 5)\n",
	},
	{
		.name = "convert",
		.run = run_convert,
		.args = "[--from FORMAT] [--to FORMAT] IN OUT",
		.help = "write a trace in another format",
		.options =
		"  --from FORMAT  npt, lackey, dynamorio, champsim (default: guessed)\n"
		"  --to FORMAT    npt or lackey (default: npt)\n",
	},
	{}
};

const struct npt_object npt_obj_trace = {
	.name = "trace",
	.help = "sum up and convert traces of memory accesses",
	.commands = commands,
};
