// SPDX-License-Identifier: GPL-2.0
/*
 * Reader of DynamoRIO's text, which has had several layouts over the years. All
 * of them are a prefix (maybe none) and then the record proper. drmemtrace's
 * view tool, newest first:
 *
 *	        47742       37769:     2765543 ifetch   6 byte(s) @ 0x0000000000404a78 0f 84 ...
 *	        47743       37769: W0.T2765543 read     8 byte(s) @ 0x00007fdf64e2adc8 by PC 0x...
 *	   173371: T1774669 write        8 byte(s) @ 0x00007f8881e37a70 by PC 0x0000000000402680
 *	T468608   0x0000000000467c45  4c 8b 54 24 08       mov    0x08(%rsp), %r10
 *	T468608     read  8 byte(s) @ 0x7fff9f5fd9b0
 *	  0x0000000000467c4f  0f 05                syscall
 *
 * the memtrace samples, which also list an instruction only if it accesses data:
 *
 *	0x00007f59c2d002d3:  5, call		memtrace_simple: fetch of 5 bytes
 *	0x00007ffeacab0ec8:  8, w		memtrace_simple: write of 8 bytes
 *	0x7f59c2d002d3,w,8,0x7ffeacab0ec8	memtrace_x86_text: write, address last
 *
 * An instruction's raw bytes fill a column of seven; the others come in a second
 * line that has the same prefix and nothing but bytes. The layout without
 * "ifetch" gives no length, there the bytes are counted over both lines.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>

#include "trace_text.h"

#define EXPECTED	"a record of DynamoRIO's view tool or memtrace sample"

#define RAW_COLUMN	7
#define RAW_MAX		15

/**
 * struct kind - how a word in the place of the record's kind is taken
 * @word: the word, or its beginning
 * @whole: nothing may follow the word directly
 * @op: the operation, or -1 to pass over the line
 */
struct kind {
	const char *word;
	bool whole;
	int op;
};

/* Prefetches and cache flushes access no data; a "non-fetched" one is a repeat. */
static const struct kind kinds[] = {
	{ "ifetch", true, NPT_OP_FETCH },
	{ "read", true, NPT_OP_READ },
	{ "write", true, NPT_OP_WRITE },
	{ "pref", false, -1 },
	{ "iflush", true, -1 },
	{ "dflush", true, -1 },
	{ "non-fetch", false, -1 },
};

/* Lines that the tools print around the records. */
static const char *const chatter[] = {
	"---", "===", "<", "Output format:", "Format: <", "View tool results:",
	"Trace invariant checks passed",
};

static bool parse_0x(const char **p, uint64_t *value)
{
	if ((*p)[0] != '0' || ((*p)[1] | 0x20) != 'x')
		return false;
	*p += 2;
	return trace_hex(p, value);
}

static const char *skip_digits(const char *p)
{
	while (trace_is_digit(*p))
		p++;
	return p;
}

static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Count two-digit bytes from @p on; *@p is moved behind them. */
static unsigned int count_raw(const char **p, unsigned int max)
{
	unsigned int n = 0;
	const char *s = trace_skip_spaces(*p);

	while (n < max && trace_hex_digit[(unsigned char)s[0]] < 16 &&
	       trace_hex_digit[(unsigned char)s[1]] < 16 && ends_word(s[2])) {
		n++;
		s = trace_skip_spaces(s + 2);
		*p = s;
	}
	return n;
}

/*
 * Pass over "RECORD [INSTR]:" and the thread ("T1", "W0.T1" or "1"). The result
 * is @p itself if there is no such prefix.
 */
static const char *skip_prefix(const char *p)
{
	const char *s = skip_digits(p);
	bool numbered = s != p;

	if (numbered) {
		s = skip_digits(trace_skip_spaces(s));
		if (*s != ':')
			return p;
		s = trace_skip_spaces(s + 1);
	}
	if (s[0] == 'W' && trace_is_digit(s[1])) {
		s = skip_digits(s + 1);
		if (*s++ != '.')
			return p;
	}
	if (s[0] == 'T')
		s++;
	else if (!numbered)
		return p;
	if (!trace_is_digit(*s))
		return p;
	s = skip_digits(s);
	return ends_word(*s) ? trace_skip_spaces(s) : p;
}

static const struct kind *find_kind(const char *p)
{
	const struct kind *k;

	for (k = kinds; k < kinds + ARRAY_SIZE(kinds); k++)
		if (trace_starts(p, k->word) && (!k->whole || ends_word(p[strlen(k->word)])))
			return k;
	return NULL;
}

static bool contains(const char *p, const char *end, const char *what)
{
	return memmem(p, end - p, what, strlen(what));
}

/* KIND SIZE byte(s) @ 0xADDRESS and more: 1 record, 0 to pass over, -1 wrong. */
static int parse_kind(const char *p, const char *end, struct npt_access *out)
{
	static const char at[] = " byte(s) @ ";
	const struct kind *k = find_kind(p);
	uint64_t gva;
	uint32_t size;

	if (!k)
		return -1;
	if (k->op < 0)
		return 0;
	p = trace_skip_spaces(p + strlen(k->word));
	size = trace_size(&p);
	if (!size || !trace_starts(p, at))
		return -1;
	p += sizeof(at) - 1;
	if (!parse_0x(&p, &gva) || !ends_word(*p) || trace_wraps(gva, size))
		return -1;
	if (k->op == NPT_OP_FETCH && contains(p, end, "non-fetch"))
		return 0;
	trace_put(out, gva, size, k->op);
	return 1;
}

/* 0xPC,r,SIZE,0xADDRESS: the address of the instruction is no access of its own. */
static int parse_x86_text(const char *p, const char *end, struct npt_access *out)
{
	char kind = p[0];
	uint64_t gva;
	uint32_t size;

	if ((kind != 'r' && kind != 'w') || p[1] != ',')
		return -1;
	p += 2;
	size = trace_size(&p);
	if (!size || *p++ != ',' || !parse_0x(&p, &gva))
		return -1;
	if (*p == '\r')
		p++;
	if (p != end || trace_wraps(gva, size))
		return -1;
	trace_put(out, gva, size, kind == 'w' ? NPT_OP_WRITE : NPT_OP_READ);
	return 1;
}

/* 0xADDRESS: SIZE, r or w or the name of an instruction */
static int parse_simple(const char *p, const char *end, uint64_t gva,
			struct npt_access *out)
{
	uint8_t op = NPT_OP_FETCH;
	uint32_t size;

	p = trace_skip_spaces(p);
	size = trace_size(&p);
	if (!size || *p != ',' || trace_wraps(gva, size))
		return -1;
	p = trace_skip_spaces(p + 1);
	if (p == end || *p == '\r')
		return -1;
	if (p[0] == 'r' && ends_word(p[1]))
		op = NPT_OP_READ;
	else if (p[0] == 'w' && ends_word(p[1]))
		op = NPT_OP_WRITE;
	trace_put(out, gva, size, op);
	return 1;
}

/* 0xADDRESS and raw bytes: kept back, as a second line may add to its size. */
static int parse_disassembly(struct npt_trace_reader *r, const char *p, uint64_t gva)
{
	unsigned int size = count_raw(&p, RAW_COLUMN);

	if (!size || trace_wraps(gva, size))
		return -1;
	trace_put(&r->pend, gva, size, NPT_OP_FETCH);
	r->pending = true;
	return 0;
}

static int parse_address(struct npt_trace_reader *r, const char *p, const char *end,
			 struct npt_access *out)
{
	uint64_t gva;

	if (!parse_0x(&p, &gva))
		return -1;
	if (*p == ',')
		return parse_x86_text(p + 1, end, out);
	if (*p == ':')
		return parse_simple(p + 1, end, gva, out);
	if (*p == ' ')
		return parse_disassembly(r, p, gva);
	return -1;
}

/* A line of raw bytes only: the rest of the instruction before it. */
static bool parse_rest(struct npt_trace_reader *r, const char *p)
{
	unsigned int n = count_raw(&p, RAW_MAX - RAW_COLUMN);

	if (!n || (*p != '\n' && *p != '\r'))
		return false;
	if (!r->pending)
		return true;
	if (trace_wraps(r->pend.gva, r->pend.size + n))
		return false;
	r->pend.size += n;
	return true;
}

static bool is_chatter(const char *p, const char *end)
{
	size_t i;

	if (p == end || *p == '\r')
		return true;
	for (i = 0; i < ARRAY_SIZE(chatter); i++)
		if (trace_starts(p, chatter[i]))
			return true;
	return trace_is_digit(*p) && trace_starts(skip_digits(p), " : total ");
}

static int parse_record(struct npt_trace_reader *r, const char *p, const char *end,
			bool prefixed, struct npt_access *out)
{
	if (*p == '0' && (p[1] | 0x20) == 'x')
		return parse_address(r, p, end, out);
	if (!prefixed)
		return is_chatter(p, end) ? 0 : -1;
	return *p == '<' ? 0 : parse_kind(p, end, out);
}

static int parse_line(struct npt_trace_reader *r, const char *line, size_t len,
		      struct npt_access *out)
{
	const char *start = trace_skip_spaces(line);
	const char *p = skip_prefix(start);
	struct npt_access before = r->pend;
	bool pending = r->pending;
	int ret;

	if ((p != start || pending) && parse_rest(r, p))
		return 0;
	r->pending = false;
	ret = parse_record(r, p, line + len, p != start, out + pending);
	if (ret < 0) {
		r->pend = before;
		r->pending = pending;
		return trace_text_expected(r, EXPECTED, line, len);
	}
	if (pending)
		*out = before;
	return ret + pending;
}

static ssize_t dynamorio_fill(struct npt_trace_reader *r, struct npt_access *buf, size_t n)
{
	ssize_t got = trace_text_fill(r, buf, n, parse_line);

	if (r->pending && (got <= 0 || r->failed)) {
		/* Nothing will amend it any more. */
		r->failed = got < 0 ? got : r->failed;
		got = got < 0 ? 0 : got;
		buf[got++] = r->pend;
		r->pending = false;
	}
	if (!got)
		r->info.complete = true;
	return got;
}

static int dynamorio_start(struct npt_trace_reader *r)
{
	trace_copy_text(r->tool, sizeof(r->tool), "DynamoRIO", 9);
	return 0;
}

/*
 * The first line that is a record or belongs to a view tool's or sample's head
 * decides; lines of other chatter are not enough.
 */
static bool dynamorio_probe(const uint8_t *data, size_t len, bool eof)
{
	struct npt_trace_reader scratch = { .pending = false };
	struct npt_access out[TRACE_FILL_MIN];
	const char *p = (const char *)data;
	const char *end = p + len;
	const char *nl;

	(void)eof;
	for (; (nl = memchr(p, '\n', end - p)); p = nl + 1) {
		const char *start = trace_skip_spaces(p);
		const char *s = skip_prefix(start);

		if (trace_starts(s, "Output format:") || trace_starts(s, "Format: <"))
			return true;
		if (s == start && *s != '0' && is_chatter(s, nl))
			continue;
		return parse_record(&scratch, s, nl, s != start, out) >= 0;
	}
	return false;
}

const struct trace_format trace_format_dynamorio = {
	.name = "dynamorio",
	.probe = dynamorio_probe,
	.start = dynamorio_start,
	.fill = dynamorio_fill,
};
