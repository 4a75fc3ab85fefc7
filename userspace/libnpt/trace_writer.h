/* SPDX-License-Identifier: GPL-2.0 */
/* What the format writers and the code that drives them share. */
#ifndef LIBNPT_TRACE_WRITER_H
#define LIBNPT_TRACE_WRITER_H

#include "trace.h"
#include "trace_native.h"

/* Bytes gathered before a block or a piece of text is written. */
#define TRACE_OUT_SIZE		(256 * 1024)

/* Room past that for the record that fills it up (native: head and flags too). */
#define TRACE_OUT_SLACK		128

#define TRACE_BLOCK_RECORDS	(128 * 1024)

/**
 * struct trace_output - a file in the making
 * @fd: open for writing
 * @name: for messages
 * @path: name it shall get in the end, NULL if it is written in place
 * @temp: name it has until then
 */
struct trace_output {
	int fd;
	char *name;
	char *path;
	char *temp;
};

/**
 * struct trace_encoding - how one format is written
 * @start: write what comes before the records; 0 or -errno
 * @record: append one checked record to @buf; 0 or -errno
 * @flush: write @buf, and what belongs around it
 * @rest: bytes still to be written if the records end here
 * @finish: write what comes after the records, @buf having been flushed
 */
struct trace_encoding {
	int (*start)(struct npt_trace_writer *w);
	int (*record)(struct npt_trace_writer *w, const struct npt_access *a);
	int (*flush)(struct npt_trace_writer *w);
	size_t (*rest)(const struct npt_trace_writer *w);
	int (*finish)(struct npt_trace_writer *w);
};

/**
 * struct npt_trace_writer - a trace being written
 * @out: where the bytes go
 * @encoding: how the records are written
 * @started: the header has been written
 * @info: what the header shall say; the strings are owned
 * @exit_status: what the end shall say, -1 for nothing
 * @buf: bytes to be written, the first TRACE_BLOCK_HEAD reserved for a head
 * @used: how many, without the head
 * @in_buf: records they hold
 * @records: all records before @buf
 * @written: bytes before @buf
 * @block: number of the next block
 * @reg: address registers of the encoder
 * @used_at: when each was used last, to replace the oldest
 * @tick: the time of that clock
 * @flags: access flags in force
 * @failed: -errno that every later call gives, or 0
 * @error: the line that goes with it
 */
struct npt_trace_writer {
	struct trace_output out;
	const struct trace_encoding *encoding;
	bool started;
	struct npt_trace_info info;
	int exit_status;
	uint8_t *buf;
	size_t used;
	uint32_t in_buf;
	uint64_t records;
	uint64_t written;
	uint32_t block;
	uint64_t reg[TRACE_DATA_REGS + 1];
	uint64_t used_at[TRACE_DATA_REGS];
	uint64_t tick;
	uint8_t flags;
	int failed;
	char error[NPT_TRACE_ERRLEN];
};

extern const struct trace_encoding trace_encoding_npt;
extern const struct trace_encoding trace_encoding_lackey;

/* Where the next bytes go. */
static inline uint8_t *trace_out_ptr(struct npt_trace_writer *w)
{
	return w->buf + TRACE_BLOCK_HEAD + w->used;
}

/* All four: 0 or -errno; the text for it is the caller's business. */
int trace_output_open(struct trace_output *out, const char *path, bool binary);
int trace_output_write(struct trace_output *out, const void *data, size_t len);
int trace_output_commit(struct trace_output *out);
void trace_output_abort(struct trace_output *out);

/* Note what is wrong (the output's name comes first by itself); returns @err. */
int trace_write_fail(struct npt_trace_writer *w, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Write @len bytes at once, noting a failure. */
int trace_write_bytes(struct npt_trace_writer *w, const void *data, size_t len);

#endif /* LIBNPT_TRACE_WRITER_H */
