/* SPDX-License-Identifier: GPL-2.0 */
/* Buffered input for trace readers: look ahead without losing, from any descriptor. */
#ifndef LIBNPT_TRACE_INPUT_H
#define LIBNPT_TRACE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "trace.h"

/* The longest thing a reader may ask for in one piece. */
#define TRACE_INPUT_MAX		(1024 * 1024 + 4096)

/*
 * Readable bytes past the end of valid input, zero or stale, so that decoders
 * may load a whole word at the last byte.
 */
#define TRACE_INPUT_SLACK	64

/**
 * struct trace_input - a window over the input
 * @fd: where it comes from
 * @name: for messages
 * @start: file offset that counts as byte 0, valid if @seekable
 * @size: bytes from @start to the end of a regular file, else 0
 * @seekable: can go back to @start
 * @eof: read(2) has returned 0, or @wait has ended the input
 * @buf: the window
 * @pos: first byte not yet consumed
 * @end: end of valid bytes
 * @base: input offset of @buf[0]
 * @wait: as in struct npt_trace_source
 * @wait_arg: its argument
 */
struct trace_input {
	int fd;
	char *name;
	off_t start;
	uint64_t size;
	bool seekable;
	bool eof;
	uint8_t *buf;
	size_t pos;
	size_t end;
	uint64_t base;
	int (*wait)(void *arg);
	void *wait_arg;
};

int trace_input_init(struct trace_input *in, const struct npt_trace_source *source);
void trace_input_destroy(struct trace_input *in);

/*
 * Make at least @want bytes available unless the input ends before; one read(2)
 * at a time, so that a slow pipe delays nothing that is here already. Returns
 * the number of available bytes or -errno.
 */
ssize_t trace_input_fill(struct trace_input *in, size_t want);
int trace_input_rewind(struct trace_input *in);

static inline const uint8_t *trace_input_ptr(const struct trace_input *in)
{
	return in->buf + in->pos;
}

static inline size_t trace_input_avail(const struct trace_input *in)
{
	return in->end - in->pos;
}

static inline uint64_t trace_input_offset(const struct trace_input *in)
{
	return in->base + in->pos;
}

#endif /* LIBNPT_TRACE_INPUT_H */
