// SPDX-License-Identifier: GPL-2.0
/* Writer of valgrind lackey's text, for other tools that read it. */
#include <errno.h>

#include "trace_writer.h"

#define HEX_MIN		8	/* digits; lackey pads addresses to that */
#define DEC_MAX		5

static uint8_t *put_hex(uint8_t *p, uint64_t v)
{
	int digits = v ? (64 - __builtin_clzll(v) + 3) / 4 : 1;
	int i;

	if (digits < HEX_MIN)
		digits = HEX_MIN;
	for (i = digits - 1; i >= 0; i--, v >>= 4)
		p[i] = "0123456789abcdef"[v & 15];
	return p + digits;
}

static uint8_t *put_decimal(uint8_t *p, uint16_t v)
{
	uint8_t text[DEC_MAX];
	int i = DEC_MAX;

	do {
		text[--i] = '0' + v % 10;
		v /= 10;
	} while (v);
	memcpy(p, text + i, DEC_MAX - i);
	return p + DEC_MAX - i;
}

static int lackey_record(struct npt_trace_writer *w, const struct npt_access *a)
{
	static const char lead[][4] = {
		[NPT_OP_READ] = " L ",
		[NPT_OP_WRITE] = " S ",
		[NPT_OP_FETCH] = "I  ",
	};
	uint8_t *p = trace_out_ptr(w);
	uint8_t *start = p;

	if (a->op > NPT_OP_FETCH)
		return trace_write_fail(w, -EOPNOTSUPP,
					"record %llu: operation %u has no form in lackey's text",
					(unsigned long long)(w->records + w->in_buf + 1), a->op);
	memcpy(p, lead[a->op], 3);
	p = put_hex(p + 3, a->gva);
	*p++ = ',';
	p = put_decimal(p, a->size);
	*p++ = '\n';
	w->used += p - start;
	return 0;
}

static int lackey_flush(struct npt_trace_writer *w)
{
	return trace_write_bytes(w, w->buf + TRACE_BLOCK_HEAD, w->used);
}

/* Readers of such text know a command line in this form. */
static int lackey_start(struct npt_trace_writer *w)
{
	static const char lead[] = "==0== Command: ";
	int ret;

	if (!w->info.command[0])
		return 0;
	ret = trace_write_bytes(w, lead, sizeof(lead) - 1);
	if (!ret)
		ret = trace_write_bytes(w, w->info.command, strlen(w->info.command));
	return ret ? ret : trace_write_bytes(w, "\n", 1);
}

static size_t lackey_rest(const struct npt_trace_writer *w)
{
	return w->used;
}

static int lackey_finish(struct npt_trace_writer *w)
{
	(void)w;
	return 0;
}

const struct trace_encoding trace_encoding_lackey = {
	.start = lackey_start,
	.record = lackey_record,
	.flush = lackey_flush,
	.rest = lackey_rest,
	.finish = lackey_finish,
};
