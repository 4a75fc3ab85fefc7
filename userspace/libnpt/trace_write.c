// SPDX-License-Identifier: GPL-2.0
/* Writing traces: checking records, handing them to an encoding, finishing. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_writer.h"
#include "trace_reader.h"

int trace_write_fail(struct npt_trace_writer *w, int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(w->error, sizeof(w->error), "%.200s: ", w->out.name);
	va_start(ap, fmt);
	vsnprintf(w->error + n, sizeof(w->error) - n, fmt, ap);
	va_end(ap);
	trace_copy_text(w->error, sizeof(w->error), w->error, strlen(w->error));
	w->failed = err;
	return err;
}

int trace_write_bytes(struct npt_trace_writer *w, const void *data, size_t len)
{
	int ret = trace_output_write(&w->out, data, len);

	if (ret)
		return trace_write_fail(w, ret, "%s", strerror(-ret));
	w->written += len;
	return 0;
}

static void free_info(struct npt_trace_info *info)
{
	free((char *)info->command);
	free((char *)info->arch);
	free((char *)info->tool);
}

static void free_writer(struct npt_trace_writer *w)
{
	free_info(&w->info);
	free(w->buf);
	free(w);
}

static int copy_info(struct npt_trace_info *to, const struct npt_trace_info *from)
{
	memset(to, 0, sizeof(*to));
	to->page_shift = from ? from->page_shift : 0;
	to->command = strdup(from && from->command ? from->command : "");
	to->arch = strdup(from && from->arch ? from->arch : "");
	to->tool = strdup(from && from->tool ? from->tool : "");
	return to->command && to->arch && to->tool ? 0 : -ENOMEM;
}

static int report(const char *path, int err, char *text, size_t len)
{
	const char *what = strerror(-err);

	if (!strcmp(path, "-"))
		path = "standard output";
	if (err == -ENOTTY)
		what = "is a terminal, expected a file or a pipe for a binary trace";
	if (text && len)
		snprintf(text, len, "%s: %s", path, what);
	return err;
}

int npt_trace_create(const char *path, enum npt_trace_format format,
		     const struct npt_trace_info *info,
		     struct npt_trace_writer **writer, char *err, size_t errlen)
{
	struct npt_trace_writer *w;
	int ret;

	if (format != NPT_TRACE_NPT && format != NPT_TRACE_LACKEY)
		return report(path, -EINVAL, err, errlen);
	w = calloc(1, sizeof(*w));
	if (!w)
		return report(path, -ENOMEM, err, errlen);
	w->exit_status = -1;
	w->encoding = format == NPT_TRACE_NPT ? &trace_encoding_npt : &trace_encoding_lackey;
	w->buf = malloc(TRACE_BLOCK_HEAD + TRACE_OUT_SIZE + TRACE_OUT_SLACK);
	ret = copy_info(&w->info, info);
	if (!ret && !w->buf)
		ret = -ENOMEM;
	if (!ret)
		ret = trace_output_open(&w->out, path, format == NPT_TRACE_NPT);
	if (ret) {
		free_writer(w);
		return report(path, ret, err, errlen);
	}
	*writer = w;
	return 0;
}

int npt_trace_set_info(struct npt_trace_writer *writer, const struct npt_trace_info *info)
{
	struct npt_trace_info copy;

	if (writer->started)
		return -EBUSY;
	if (copy_info(&copy, info)) {
		free_info(&copy);
		return -ENOMEM;
	}
	free_info(&writer->info);
	writer->info = copy;
	return 0;
}

void npt_trace_set_exit_status(struct npt_trace_writer *writer, int status)
{
	writer->exit_status = status;
}

static int start(struct npt_trace_writer *w)
{
	if (w->started)
		return 0;
	w->started = true;
	return w->encoding->start(w);
}

static int check(struct npt_trace_writer *w, const struct npt_access *a)
{
	unsigned long long number = w->records + w->in_buf + 1;

	if (a->op >= NPT_TRACE_OPS)
		return trace_write_fail(w, -EINVAL, "record %llu: operation %u, expected 0 to %d",
					number, a->op, NPT_TRACE_OPS - 1);
	if (a->op > NPT_OP_FETCH)
		return 0;
	if (!a->size)
		return trace_write_fail(w, -EINVAL, "record %llu: size 0, expected 1 to 65535",
					number);
	if (trace_wraps(a->gva, a->size))
		return trace_write_fail(w, -EINVAL, "record %llu: %u bytes at 0x%llx end past 2^64",
					number, a->size, (unsigned long long)a->gva);
	return 0;
}

static int flush(struct npt_trace_writer *w)
{
	int ret = w->encoding->flush(w);

	if (ret)
		return ret;
	w->records += w->in_buf;
	w->in_buf = 0;
	w->used = 0;
	return 0;
}

int npt_trace_write(struct npt_trace_writer *writer, const struct npt_access *buf,
		    size_t n)
{
	const struct npt_access *end = buf + n;
	int ret = writer->failed;

	if (!ret)
		ret = start(writer);
	for (; !ret && buf < end; buf++) {
		ret = check(writer, buf);
		if (!ret)
			ret = writer->encoding->record(writer, buf);
		if (ret)
			break;
		writer->in_buf++;
		if (writer->used >= TRACE_OUT_SIZE || writer->in_buf >= TRACE_BLOCK_RECORDS)
			ret = flush(writer);
	}
	return ret;
}

const char *npt_trace_writer_error(const struct npt_trace_writer *writer)
{
	return writer->error;
}

uint64_t npt_trace_written(const struct npt_trace_writer *writer)
{
	return writer->written + writer->encoding->rest(writer);
}

static int finish(struct npt_trace_writer *w)
{
	int ret = w->failed;

	if (!ret)
		ret = start(w);
	if (!ret && w->in_buf)
		ret = flush(w);
	if (!ret)
		ret = w->encoding->finish(w);
	if (ret)
		trace_output_abort(&w->out);
	return ret;
}

int npt_trace_commit(struct npt_trace_writer *writer, char *err, size_t errlen)
{
	char *name = strdup(writer->out.name);
	int ret = finish(writer);

	if (ret) {
		if (err && errlen)
			snprintf(err, errlen, "%s", writer->error);
	} else {
		ret = trace_output_commit(&writer->out);
		if (ret)
			report(name ? name : "output", ret, err, errlen);
	}
	free(name);
	free_writer(writer);
	return ret;
}

void npt_trace_abort(struct npt_trace_writer *writer)
{
	if (!writer)
		return;
	trace_output_abort(&writer->out);
	free_writer(writer);
}
