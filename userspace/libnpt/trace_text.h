/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers of the readers of text formats, inline because they run for each line. */
#ifndef LIBNPT_TRACE_TEXT_H
#define LIBNPT_TRACE_TEXT_H

#include <string.h>

#include "trace_reader.h"

/* Value of each hexadecimal digit, 0xff for any other character. */
extern const uint8_t trace_hex_digit[256];

/* -EBADMSG with a message that shows @len bytes at @found of the current line. */
int trace_text_expected(struct npt_trace_reader *r, const char *expected,
			const char *found, size_t len);

/*
 * Get a line into the window that is not all there. Returns its length with the
 * newline, 0 at the end of the input, -EBADMSG if that comes in mid-line.
 */
ssize_t trace_text_more(struct npt_trace_reader *r);

static inline bool trace_is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/*
 * Read a hexadecimal number at *@p without "0x". Lines end in a newline, which
 * stops the loop. Returns the number of digits, 0 also for more than 16 of them.
 */
static inline unsigned int trace_hex(const char **p, uint64_t *value)
{
	const char *s = *p;
	uint64_t v = 0;
	uint8_t d;

	while ((d = trace_hex_digit[(unsigned char)*s]) < 16) {
		v = v << 4 | d;
		s++;
	}
	if (s - *p > 16)
		return 0;
	*value = v;
	d = s - *p;
	*p = s;
	return d;
}

/* Read a size in bytes at *@p: 1 to 65535, else 0 is returned. */
static inline uint32_t trace_size(const char **p)
{
	const char *s = *p;
	uint32_t v = 0;

	while (trace_is_digit(*s) && v <= 65535)
		v = v * 10 + (*s++ - '0');
	*p = s;
	return v <= 65535 ? v : 0;
}

static inline const char *trace_skip_spaces(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/*
 * Line @p is the word or phrase @word and maybe more. No phrase holds a newline,
 * so the comparison ends with the line at the latest.
 */
static inline bool trace_starts(const char *p, const char *word)
{
	return !strncmp(p, word, strlen(word));
}

static inline void trace_put(struct npt_access *a, uint64_t gva, uint32_t size, uint8_t op)
{
	*a = (struct npt_access){ .gva = gva, .size = size, .op = op,
				  .flags = NPT_ACCESS_USER };
}

/*
 * Drive @parse over the lines. It gets each line with its newline and the length
 * without it, writes up to TRACE_FILL_MIN records and returns their number or
 * -errno.
 */
static inline __attribute__((always_inline)) ssize_t
trace_text_fill(struct npt_trace_reader *r, struct npt_access *buf, size_t n,
		int (*parse)(struct npt_trace_reader *r, const char *line, size_t len,
			     struct npt_access *out))
{
	struct npt_access *out = buf;

	while (n - (out - buf) >= TRACE_FILL_MIN) {
		const char *p = (const char *)trace_input_ptr(&r->in);
		const char *nl = memchr(p, '\n', trace_input_avail(&r->in));
		ssize_t ret;

		if (!nl) {
			/* Deliver what there is before waiting for a slow pipe. */
			if (out > buf)
				break;
			ret = trace_text_more(r);
			if (ret <= 0)
				return ret;
			p = (const char *)trace_input_ptr(&r->in);
			nl = p + ret - 1;
		}
		r->line++;
		ret = parse(r, p, nl - p, out);
		if (ret < 0)
			return trace_stop(r, out - buf, ret);
		out += ret;
		r->in.pos += nl + 1 - p;
	}
	return out - buf;
}

#endif /* LIBNPT_TRACE_TEXT_H */
