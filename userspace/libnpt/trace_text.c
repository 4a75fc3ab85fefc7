// SPDX-License-Identifier: GPL-2.0
/* The parts of text reading that run rarely. */
#include <errno.h>

#include "trace_text.h"

/* What of a wrong line is shown. */
#define SHOWN	48

#define X	0xff

const uint8_t trace_hex_digit[256] = {
	[0 ... '0' - 1] = X,
	['0'] = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
	['9' + 1 ... 'A' - 1] = X,
	['A'] = 10, 11, 12, 13, 14, 15,
	['F' + 1 ... 'a' - 1] = X,
	['a'] = 10, 11, 12, 13, 14, 15,
	['f' + 1 ... 255] = X,
};

#undef X

int trace_text_expected(struct npt_trace_reader *r, const char *expected,
			const char *found, size_t len)
{
	char text[SHOWN + 1], *p;

	trace_copy_text(text, sizeof(text), found, len);
	for (p = text; *p; p++)
		if (*p & 0x80)
			*p = '?';
	return trace_fail(r, -EBADMSG, "line %llu: expected %s, found '%s'%s",
			  (unsigned long long)r->line, expected, text,
			  len > SHOWN ? "..." : "");
}

/*
 * The input ends without a newline. valgrind does that in the last line for
 * people; a record must not, as its size may have had more digits.
 */
static ssize_t unterminated(struct npt_trace_reader *r, size_t len)
{
	const uint8_t *p = trace_input_ptr(&r->in);

	if (len < 2 || p[0] != '=' || p[1] != '=')
		return trace_fail(r, -EBADMSG,
				  "line %llu: cut in mid-line, no newline at the end",
				  (unsigned long long)r->line + 1);
	/* The slack of the window has room for it. */
	r->in.buf[r->in.end++] = '\n';
	return len + 1;
}

ssize_t trace_text_more(struct npt_trace_reader *r)
{
	size_t seen = 0;
	const uint8_t *p, *nl;
	ssize_t len;

	for (;;) {
		if (seen >= TRACE_INPUT_MAX)
			return trace_fail(r, -EBADMSG, "line %llu: longer than %d bytes",
					  (unsigned long long)r->line + 1, TRACE_INPUT_MAX);
		len = trace_input_fill(&r->in, seen + 1);
		if (len < 0)
			return trace_fail_read(r, len);
		if (!len)
			return 0;
		p = trace_input_ptr(&r->in);
		nl = memchr(p + seen, '\n', len - seen);
		if (nl)
			return nl + 1 - p;
		if ((size_t)len == seen)
			return unterminated(r, len);
		seen = len;
	}
}
