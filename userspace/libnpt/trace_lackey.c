// SPDX-License-Identifier: GPL-2.0
/*
 * Reader of what valgrind --tool=lackey --trace-mem=yes prints:
 *
 *	I  0401ab70,3		an instruction fetch
 *	 L 1fff000638,8		a load
 *	 S 1fff000630,8		a store
 *	 M 0042c0d8,4		a load and a store of the same place: two records
 *
 * between lines that valgrind prints for people.
 */
#include <errno.h>

#include "trace_text.h"

#define EXPECTED	"'I  ADDRESS,SIZE' or ' L', ' S', ' M' likewise, or valgrind's '==PID=='"

/* valgrind marks its lines by two of the same sign before and after the pid. */
static const char *chatter(const char *p)
{
	char sign = p[0];

	if ((sign != '=' && sign != '-' && sign != '*') || p[1] != sign ||
	    !trace_is_digit(p[2]))
		return NULL;
	for (p += 2; trace_is_digit(*p); p++)
		;
	return p[0] == sign && p[1] == sign ? p + 2 : NULL;
}

static void take_exit_code(struct npt_trace_reader *r, const char *p)
{
	int code = 0;

	p = trace_skip_spaces(p);
	while (trace_is_digit(*p) && code < 256)
		code = code * 10 + (*p++ - '0');
	if (code < 256)
		r->info.exit_status = code << 8;
}

/* "Using Valgrind-3.19.0 and LibVEX; ..." */
static void take_version(struct npt_trace_reader *r, const char *p)
{
	size_t len = strcspn(p, " \r\n");

	trace_copy_text(r->tool, sizeof(r->tool) - sizeof(" lackey"), p, len);
	strcat(r->tool, " lackey");
	r->tool[0] = 'v';
}

static int parse_other(struct npt_trace_reader *r, const char *p, size_t len)
{
	static const char version[] = " Using ";
	static const char command[] = " Command: ";
	static const char exit_code[] = " Exit code:";
	const char *end = p + len;
	const char *text = chatter(p);

	if (!text) {
		if (len == 0 || *p == '\r' || trace_starts(p, "vex ") ||
		    trace_starts(p, "valgrind: "))
			return 0;
		return trace_text_expected(r, EXPECTED, p, len);
	}
	if (trace_starts(text, command) && !r->command[0]) {
		text += sizeof(command) - 1;
		trace_copy_text(r->command, sizeof(r->command), text, end - text);
	} else if (trace_starts(text, version) && trace_starts(text + 7, "Valgrind-")) {
		take_version(r, text + 7);
	} else if (trace_starts(text, exit_code)) {
		take_exit_code(r, text + sizeof(exit_code) - 1);
	}
	return 0;
}

/* What follows the two letters: blank, address, comma, size. */
static inline bool parse_place(const char *p, const char *end, uint64_t *gva,
			       uint32_t *size)
{
	if (p[2] != ' ')
		return false;
	p += 3;
	if (p[0] == '0' && p[1] == 'x')
		p += 2;
	if (!trace_hex(&p, gva) || *p != ',')
		return false;
	p++;
	*size = trace_size(&p);
	if (*p == '\r')
		p++;
	return *size && p == end && !trace_wraps(*gva, *size);
}

static inline int parse_line(struct npt_trace_reader *r, const char *p, size_t len,
			     struct npt_access *out)
{
	uint64_t gva;
	uint32_t size;

	if (p[0] != 'I' && p[0] != ' ')
		return parse_other(r, p, len);
	if (len < 5 || !parse_place(p, p + len, &gva, &size))
		return trace_text_expected(r, EXPECTED, p, len);
	if (p[0] == 'I' && p[1] == ' ') {
		trace_put(out, gva, size, NPT_OP_FETCH);
		return 1;
	}
	if (p[0] == ' ' && p[1] == 'L') {
		trace_put(out, gva, size, NPT_OP_READ);
		return 1;
	}
	if (p[0] == ' ' && p[1] == 'S') {
		trace_put(out, gva, size, NPT_OP_WRITE);
		return 1;
	}
	if (p[0] != ' ' || p[1] != 'M')
		return trace_text_expected(r, EXPECTED, p, len);
	trace_put(out, gva, size, NPT_OP_READ);
	trace_put(out + 1, gva, size, NPT_OP_WRITE);
	return 2;
}

static ssize_t lackey_fill(struct npt_trace_reader *r, struct npt_access *buf, size_t n)
{
	ssize_t got = trace_text_fill(r, buf, n, parse_line);

	if (!got)
		r->info.complete = true;
	return got;
}

static int lackey_start(struct npt_trace_reader *r)
{
	trace_copy_text(r->tool, sizeof(r->tool), "valgrind lackey", 15);
	r->command[0] = '\0';
	return 0;
}

/* The first line that says anything decides. */
static bool lackey_probe(const uint8_t *data, size_t len, bool eof)
{
	const char *p = (const char *)data;
	const char *end = p + len;
	const char *nl;
	uint64_t gva;
	uint32_t size;

	(void)eof;
	for (; (nl = memchr(p, '\n', end - p)); p = nl + 1) {
		if (nl == p || *p == '\r')
			continue;
		if (chatter(p))
			return true;
		return (p[0] == 'I' || p[0] == ' ') && nl - p >= 5 &&
		       parse_place(p, nl, &gva, &size);
	}
	/* A long command line may fill the rest of what there is to be seen. */
	return p != end && chatter(p);
}

const struct trace_format trace_format_lackey = {
	.name = "lackey",
	.probe = lackey_probe,
	.start = lackey_start,
	.fill = lackey_fill,
};
