/* SPDX-License-Identifier: GPL-2.0 */
/* What the format readers and the code that drives them share. */
#ifndef LIBNPT_TRACE_READER_H
#define LIBNPT_TRACE_READER_H

#include "trace.h"
#include "trace_input.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

/* No line and no instruction record turns into more records than this. */
#define TRACE_FILL_MIN		8

/* Strings that readers pick up (command lines and the like) are clipped here. */
#define TRACE_STRING_MAX	4096

/**
 * struct trace_format - how one format is recognised and read
 * @name: as on the command line
 * @probe: is the input, @len bytes of its start (all of it if @eof), of this format?
 * @start: prepare to read from the first byte, also after a rewind; 0 or -errno
 * @fill: read up to @n records (@n >= TRACE_FILL_MIN); count, 0 at the end, -errno
 */
struct trace_format {
	const char *name;
	bool (*probe)(const uint8_t *data, size_t len, bool eof);
	int (*start)(struct npt_trace_reader *r);
	ssize_t (*fill)(struct npt_trace_reader *r, struct npt_access *buf, size_t n);
};

/**
 * struct npt_trace_reader - a trace being read
 * @in: where the bytes come from
 * @format: how they are read
 * @info: what the trace says of itself; strings point into @command and so on
 * @command: text behind @info.command
 * @arch: text behind @info.arch
 * @tool: text behind @info.tool
 * @queue: records read in excess of what the caller had room for
 * @queued: how many
 * @taken: how many of them have been delivered
 * @failed: -errno that every later read gives, or 0
 * @error: the line that goes with it
 * @line: number of the text line last read, from 1
 * @pend: a record that a later line may still amend (dynamorio)
 * @pending: @pend is in use
 * @block: number of the next block (npt)
 * @block_left: records of the current block not yet decoded (npt)
 * @block_end: input offset of the current block's end (npt)
 * @total: records of the blocks so far (npt)
 * @reg: address registers of the decoder (npt)
 * @flags: access flags in force (npt)
 */
struct npt_trace_reader {
	struct trace_input in;
	const struct trace_format *format;
	struct npt_trace_info info;
	char command[TRACE_STRING_MAX];
	char arch[64];
	char tool[256];
	struct npt_access queue[TRACE_FILL_MIN];
	size_t queued;
	size_t taken;
	int failed;
	char error[NPT_TRACE_ERRLEN];
	uint64_t line;
	struct npt_access pend;
	bool pending;
	uint32_t block;
	uint32_t block_left;
	uint64_t block_end;
	uint64_t total;
	uint64_t reg[5];
	uint8_t flags;
};

extern const struct trace_format trace_format_npt;
extern const struct trace_format trace_format_lackey;
extern const struct trace_format trace_format_dynamorio;
extern const struct trace_format trace_format_champsim;

/* Note what is wrong (the input's name comes first by itself); returns @err. */
int trace_fail(struct npt_trace_reader *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The input could not be read: note it; returns @err, a negative errno. */
int trace_fail_read(struct npt_trace_reader *r, int err);

/* Copy at most @size - 1 of @len bytes; what cannot be printed becomes '?'. */
void trace_copy_text(char *dst, size_t size, const void *src, size_t len);

/* Does an access of @size bytes at @gva end past the last address? */
static inline bool trace_wraps(uint64_t gva, uint32_t size)
{
	return size && gva + (size - 1) < gva;
}

/* End a fill early: records first, the reason with the next call. */
static inline ssize_t trace_stop(struct npt_trace_reader *r, size_t got, ssize_t err)
{
	if (!got)
		return err;
	if (err < 0)
		r->failed = err;
	return got;
}

#endif /* LIBNPT_TRACE_READER_H */
