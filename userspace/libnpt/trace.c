// SPDX-License-Identifier: GPL-2.0
/* Reading traces: choosing the format, delivering records, reporting failures. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace_reader.h"

/* Enough to see several lines or records of any format. */
#define PROBE_SIZE	4096

/* In the order of probing: those with a magic number first. */
static const struct trace_format *const formats[] = {
	[NPT_TRACE_NPT] = &trace_format_npt,
	[NPT_TRACE_LACKEY] = &trace_format_lackey,
	[NPT_TRACE_DYNAMORIO] = &trace_format_dynamorio,
	[NPT_TRACE_CHAMPSIM] = &trace_format_champsim,
};

/**
 * struct packer - a compression format that is recognised but not read
 * @magic: first bytes of its files
 * @len: how many
 * @name: what it is called
 * @cat: the program that unpacks to standard output
 */
struct packer {
	const char *magic;
	size_t len;
	const char *name;
	const char *cat;
};

static const struct packer packers[] = {
	{ "\x1f\x8b", 2, "gzip", "zcat" },
	{ "\xfd\x37zXZ", 6, "xz", "xzcat" },
	{ "\x28\xb5\x2f\xfd", 4, "zstd", "zstdcat" },
	{ "BZh", 3, "bzip2", "bzcat" },
};

const char *npt_trace_format_name(enum npt_trace_format format)
{
	if (format == NPT_TRACE_AUTO)
		return "auto";
	return (size_t)format < ARRAY_SIZE(formats) ? formats[format]->name : NULL;
}

int npt_trace_format_by_name(const char *name, enum npt_trace_format *format)
{
	size_t i;

	for (i = NPT_TRACE_AUTO; i < ARRAY_SIZE(formats); i++) {
		if (!strcmp(name, npt_trace_format_name(i))) {
			*format = i;
			return 0;
		}
	}
	return -EINVAL;
}

int trace_fail(struct npt_trace_reader *r, int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(r->error, sizeof(r->error), "%.200s: ", r->in.name);
	va_start(ap, fmt);
	vsnprintf(r->error + n, sizeof(r->error) - n, fmt, ap);
	va_end(ap);
	/* Names and foreign text may hold anything: keep it one line. */
	trace_copy_text(r->error, sizeof(r->error), r->error, strlen(r->error));
	return err;
}

int trace_fail_read(struct npt_trace_reader *r, int err)
{
	return trace_fail(r, err, "%s", strerror(-err));
}

void trace_copy_text(char *dst, size_t size, const void *src, size_t len)
{
	const unsigned char *s = src;
	size_t i;

	for (i = 0; i < len && i < size - 1; i++)
		dst[i] = s[i] < ' ' || s[i] == 0x7f ? '?' : s[i];
	dst[i] = '\0';
}

static int check_packed(struct npt_trace_reader *r, const uint8_t *p, size_t len)
{
	const struct packer *k;

	for (k = packers; k < packers + ARRAY_SIZE(packers); k++) {
		if (len >= k->len && !memcmp(p, k->magic, k->len))
			return trace_fail(r, -EPROTONOSUPPORT,
					  "compressed by %s: unpack it first, as in '%s FILE | npt ... -'",
					  k->name, k->cat);
	}
	return 0;
}

static int guess_format(struct npt_trace_reader *r)
{
	ssize_t len = trace_input_fill(&r->in, PROBE_SIZE);
	const uint8_t *p = trace_input_ptr(&r->in);
	size_t i;
	int ret;

	if (len < 0)
		return trace_fail_read(r, len);
	if (!len)
		return trace_fail(r, -ENODATA, "empty, expected a trace");
	for (i = NPT_TRACE_AUTO + 1; i < ARRAY_SIZE(formats); i++) {
		if (formats[i]->probe(p, len, r->in.eof)) {
			r->info.format = i;
			return 0;
		}
	}
	ret = check_packed(r, p, len);
	if (ret)
		return ret;
	return trace_fail(r, -EPROTONOSUPPORT,
			  "not a trace of a known kind (npt, lackey, dynamorio or champsim)");
}

static int start_format(struct npt_trace_reader *r)
{
	r->info.exit_status = -1;
	r->info.complete = false;
	r->info.records = 0;
	r->queued = 0;
	r->taken = 0;
	r->failed = 0;
	r->error[0] = '\0';
	r->line = 0;
	r->pending = false;
	return r->format->start(r);
}

static int choose_format(struct npt_trace_reader *r, enum npt_trace_format format)
{
	int ret;

	if ((size_t)format >= ARRAY_SIZE(formats))
		return trace_fail(r, -EINVAL, "no such trace format: %d", format);
	if (format == NPT_TRACE_AUTO) {
		ret = guess_format(r);
		if (ret)
			return ret;
	} else {
		r->info.format = format;
	}
	r->format = formats[r->info.format];
	return start_format(r);
}

static int fail_open(const char *name, int err, char *text, size_t len)
{
	if (text && len)
		snprintf(text, len, "%s: %s", name, strerror(-err));
	return err;
}

int npt_trace_open_source(const struct npt_trace_source *source,
			  enum npt_trace_format format, struct npt_trace_reader **reader,
			  char *err, size_t errlen)
{
	struct npt_trace_reader *r = calloc(1, sizeof(*r));
	int ret = r ? trace_input_init(&r->in, source) : -ENOMEM;

	if (ret) {
		free(r);
		if (source->fd != STDIN_FILENO)
			close(source->fd);
		return fail_open(source->name, ret, err, errlen);
	}
	r->info.command = r->command;
	r->info.arch = r->arch;
	r->info.tool = r->tool;
	ret = choose_format(r, format);
	if (ret) {
		if (err && errlen)
			snprintf(err, errlen, "%s", r->error);
		npt_trace_close(r);
		return ret;
	}
	*reader = r;
	return 0;
}

int npt_trace_open(const char *path, enum npt_trace_format format,
		   struct npt_trace_reader **reader, char *err, size_t errlen)
{
	struct npt_trace_source source = { .fd = STDIN_FILENO, .name = "standard input" };

	if (strcmp(path, "-")) {
		source.name = path;
		source.fd = open(path, O_RDONLY | O_CLOEXEC);
		if (source.fd < 0)
			return fail_open(path, -errno, err, errlen);
	}
	return npt_trace_open_source(&source, format, reader, err, errlen);
}

static size_t take_queued(struct npt_trace_reader *r, struct npt_access *buf, size_t n)
{
	size_t left = r->queued - r->taken;

	if (n > left)
		n = left;
	memcpy(buf, r->queue + r->taken, n * sizeof(*buf));
	r->taken += n;
	return n;
}

ssize_t npt_trace_read(struct npt_trace_reader *reader, struct npt_access *buf, size_t n)
{
	bool small = n < TRACE_FILL_MIN;
	ssize_t got;

	if (!n)
		return 0;
	if (reader->taken < reader->queued)
		return take_queued(reader, buf, n);
	if (reader->failed)
		return reader->failed;
	if (small)
		got = reader->format->fill(reader, reader->queue, TRACE_FILL_MIN);
	else
		got = reader->format->fill(reader, buf, n);
	if (got < 0)
		reader->failed = got;
	if (got <= 0 || !small)
		return got;
	reader->queued = got;
	reader->taken = 0;
	return take_queued(reader, buf, n);
}

int npt_trace_rewind(struct npt_trace_reader *reader)
{
	int ret = trace_input_rewind(&reader->in);

	if (ret)
		return trace_fail(reader, ret, "cannot be read twice, as it is not a file");
	ret = start_format(reader);
	reader->failed = ret;
	return ret;
}

const char *npt_trace_error(const struct npt_trace_reader *reader)
{
	return reader->error;
}

const struct npt_trace_info *npt_trace_info(const struct npt_trace_reader *reader)
{
	return &reader->info;
}

void npt_trace_position(const struct npt_trace_reader *reader, uint64_t *done,
			uint64_t *total)
{
	*done = trace_input_offset(&reader->in);
	*total = reader->in.size;
}

void npt_trace_close(struct npt_trace_reader *reader)
{
	if (!reader)
		return;
	trace_input_destroy(&reader->in);
	free(reader);
}
