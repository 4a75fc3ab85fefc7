// SPDX-License-Identifier: GPL-2.0
/* Writer of the native format. */
#include <assert.h>
#include <errno.h>

#include "trace_writer.h"
#include "trace_reader.h"

/* The numbers of bytes that a difference may have, by its code in the tag. */
static unsigned int data_diff_code(int64_t d)
{
	if (d == (int8_t)d)
		return 0;
	if (d == (int16_t)d)
		return 1;
	return d == (int32_t)d ? 2 : 3;
}

static unsigned int fetch_diff_code(int64_t d)
{
	if (!d)
		return 0;
	if (d == (int8_t)d)
		return 1;
	if (d == (int16_t)d)
		return 2;
	if (d >= -(1 << 23) && d < 1 << 23)
		return 3;
	return d == (int32_t)d ? 4 : 5;
}

static const uint8_t fetch_diff_len[] = { 0, 1, 2, 3, 4, 8 };
static const uint8_t data_diff_len[] = { 1, 2, 4, 8 };

/* Eight bytes are stored, @len of them count. */
static uint8_t *put_diff(uint8_t *p, int64_t d, unsigned int len)
{
	trace_put64(p, d);
	return p + len;
}

/*
 * The register that is nearest. One that is too far to be of the same place in
 * memory is taken only if none is better, and then it is the oldest.
 */
static unsigned int choose_register(struct npt_trace_writer *w, uint64_t gva)
{
	unsigned int i, code, oldest = 0, best = 0, best_code = 4;

	for (i = 0; i < TRACE_DATA_REGS; i++) {
		code = data_diff_code(gva - w->reg[i]);
		if (code < best_code ||
		    (code == best_code && w->used_at[i] > w->used_at[best])) {
			best = i;
			best_code = code;
		}
		if (w->used_at[i] < w->used_at[oldest])
			oldest = i;
	}
	return best_code < 2 ? best : oldest;
}

static uint8_t *put_data(struct npt_trace_writer *w, uint8_t *p, const struct npt_access *a)
{
	unsigned int reg = choose_register(w, a->gva);
	int64_t d = a->gva - w->reg[reg];
	unsigned int diff = data_diff_code(d);
	unsigned int size = a->size == 8 ? 0 : a->size == 4 ? 1 : a->size == 1 ? 2 :
			    TRACE_SIZE_FOLLOWS;

	*p++ = TRACE_TAG_DATA | (a->op == NPT_OP_WRITE ? TRACE_TAG_WRITE : 0) |
	       size << 4 | diff << 2 | reg;
	p = put_diff(p, d, data_diff_len[diff]);
	if (size == TRACE_SIZE_FOLLOWS)
		p = trace_put16(p, a->size);
	w->reg[reg] = a->gva;
	w->used_at[reg] = ++w->tick;
	return p;
}

static uint8_t *put_fetch(struct npt_trace_writer *w, uint8_t *p, const struct npt_access *a)
{
	int64_t d = a->gva - w->reg[TRACE_FETCH_REG];
	unsigned int diff = fetch_diff_code(d);

	*p++ = diff << 4 | a->size;
	w->reg[TRACE_FETCH_REG] = a->gva + a->size;
	return put_diff(p, d, fetch_diff_len[diff]);
}

static uint8_t *put_any(uint8_t *p, const struct npt_access *a)
{
	*p++ = TRACE_TAG_ANY;
	*p++ = a->op;
	*p++ = a->flags;
	p = trace_put16(p, a->size);
	p = trace_put64(p, a->gva);
	return trace_put64(p, a->data);
}

static void reset_state(struct npt_trace_writer *w)
{
	memset(w->reg, 0, sizeof(w->reg));
	memset(w->used_at, 0, sizeof(w->used_at));
	w->tick = 0;
	w->flags = NPT_ACCESS_USER;
}

static int npt_record(struct npt_trace_writer *w, const struct npt_access *a)
{
	uint8_t *p = trace_out_ptr(w);
	uint8_t *start = p;

	if (!w->in_buf)
		reset_state(w);
	if (a->data || a->op > NPT_OP_FETCH ||
	    (a->op == NPT_OP_FETCH && a->size >= TRACE_FETCH_SIZES)) {
		w->used += put_any(p, a) - start;
		return 0;
	}
	if (a->flags != w->flags) {
		*p++ = TRACE_TAG_FLAGS;
		*p++ = a->flags;
		w->flags = a->flags;
	}
	p = a->op == NPT_OP_FETCH ? put_fetch(w, p, a) : put_data(w, p, a);
	w->used += p - start;
	return 0;
}

/* @buf has its head reserved: one write(2) per block. */
static int put_block(struct npt_trace_writer *w, uint32_t kind, uint32_t records)
{
	uint8_t *head = w->buf;
	uint32_t crc;

	trace_put32(head, kind);
	trace_put32(head + 4, w->block++);
	trace_put32(head + 8, w->used);
	trace_put32(head + 12, records);
	crc = trace_crc32c(0, head, TRACE_BLOCK_CRC_AT);
	crc = trace_crc32c(crc, head + TRACE_BLOCK_HEAD, w->used);
	trace_put32(head + TRACE_BLOCK_CRC_AT, crc);
	return trace_write_bytes(w, head, TRACE_BLOCK_HEAD + w->used);
}

static int npt_flush(struct npt_trace_writer *w)
{
	return put_block(w, TRACE_BLOCK_DATA, w->in_buf);
}

static uint8_t *put_item(uint8_t *p, uint16_t type, const void *data, size_t len)
{
	p = trace_put16(p, type);
	p = trace_put16(p, len);
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *put_text(uint8_t *p, uint16_t type, const char *text)
{
	size_t len = strnlen(text, TRACE_STRING_MAX - 1);

	return len ? put_item(p, type, text, len) : p;
}

/* Room for the three texts and the rest of the header. */
#define HEAD_ROOM	(3 * (TRACE_ITEM_HEAD + TRACE_STRING_MAX) + 64)

static_assert(HEAD_ROOM < TRACE_HEAD_MAX, "readers take the header");

static int npt_start(struct npt_trace_writer *w)
{
	uint8_t head[HEAD_ROOM];
	uint8_t shift = w->info.page_shift;
	uint8_t *p = head + TRACE_HEAD_FIXED;
	size_t len;

	p = put_text(p, TRACE_HEAD_COMMAND, w->info.command);
	p = put_text(p, TRACE_HEAD_ARCH, w->info.arch);
	p = put_text(p, TRACE_HEAD_TOOL, w->info.tool);
	if (shift)
		p = put_item(p, TRACE_HEAD_PAGE_SHIFT, &shift, 1);
	len = p + 4 - head;
	memcpy(head, TRACE_MAGIC, TRACE_MAGIC_LEN);
	trace_put16(head + 8, TRACE_MAJOR);
	trace_put16(head + 10, TRACE_MINOR);
	trace_put32(head + 12, len);
	trace_put32(p, trace_crc32c(0, head, len - 4));
	return trace_write_bytes(w, head, len);
}

static size_t npt_rest(const struct npt_trace_writer *w)
{
	size_t end = TRACE_BLOCK_HEAD + TRACE_ITEM_HEAD + 8;

	if (w->exit_status >= 0)
		end += TRACE_ITEM_HEAD + 4;
	return end + (w->in_buf ? TRACE_BLOCK_HEAD + w->used : 0);
}

static int npt_finish(struct npt_trace_writer *w)
{
	uint8_t *p = trace_out_ptr(w);
	uint8_t *start = p;
	uint8_t data[8];

	trace_put64(data, w->records);
	p = put_item(p, TRACE_END_RECORDS, data, 8);
	if (w->exit_status >= 0) {
		trace_put32(data, w->exit_status);
		p = put_item(p, TRACE_END_EXIT_STATUS, data, 4);
	}
	w->used = p - start;
	return put_block(w, TRACE_BLOCK_END, 0);
}

const struct trace_encoding trace_encoding_npt = {
	.start = npt_start,
	.record = npt_record,
	.flush = npt_flush,
	.rest = npt_rest,
	.finish = npt_finish,
};
