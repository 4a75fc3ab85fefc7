// SPDX-License-Identifier: GPL-2.0
/* Reader of the native format. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include "trace_native.h"
#include "trace_reader.h"

static_assert(TRACE_PAYLOAD_MAX + TRACE_BLOCK_HEAD <= TRACE_INPUT_MAX, "a block fits the window");
static_assert(TRACE_ANY_LEN <= TRACE_INPUT_SLACK, "loads past the end stay in the window");

/**
 * struct tag - what a tag byte means, so that decoding takes hardly a branch
 * @rare: not of the two frequent kinds, or invalid
 * @len: bytes of the tag and the difference
 * @shift: 64 less the bits of the difference
 * @diff: all ones if there is a difference, else 0
 * @advance: all ones if the register moves on to the end of the access, else 0
 * @reg: address register
 * @op: operation
 * @size: bytes accessed
 */
struct tag {
	uint8_t rare;
	uint8_t len;
	uint8_t shift;
	int8_t diff;
	int8_t advance;
	uint8_t reg;
	uint8_t op;
	uint8_t size;
};

static struct tag tags[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct tag make_tag(unsigned int op, unsigned int reg, unsigned int size,
			   unsigned int diff_len)
{
	return (struct tag){
		.len = 1 + diff_len,
		.shift = diff_len ? 64 - 8 * diff_len : 0,
		.diff = diff_len ? -1 : 0,
		.advance = reg == TRACE_FETCH_REG ? -1 : 0,
		.reg = reg,
		.op = op,
		.size = size,
	};
}

static void fill_tags(void)
{
	static const uint8_t fetch_diff[] = { 0, 1, 2, 3, 4, 8 };
	static const uint8_t data_diff[] = { 1, 2, 4, 8 };
	static const uint8_t data_size[] = { 8, 4, 1 };
	unsigned int t, size;

	for (t = 0; t < TRACE_TAG_DATA; t++) {
		size = t % TRACE_FETCH_SIZES;
		if (size && t / TRACE_FETCH_SIZES < sizeof(fetch_diff))
			tags[t] = make_tag(NPT_OP_FETCH, TRACE_FETCH_REG, size,
					   fetch_diff[t / TRACE_FETCH_SIZES]);
		else
			tags[t].rare = 1;
	}
	for (; t < 256; t++) {
		size = t >> 4 & 3;
		tags[t] = make_tag(t & TRACE_TAG_WRITE ? NPT_OP_WRITE : NPT_OP_READ,
				   t & 3, size < 3 ? data_size[size] : 0,
				   data_diff[t >> 2 & 3]);
		tags[t].rare = size == TRACE_SIZE_FOLLOWS;
	}
}

static inline uint64_t difference(const struct tag *t, const uint8_t *p)
{
	uint64_t v = trace_get64(p) << t->shift;

	return (uint64_t)((int64_t)v >> t->shift) & (uint64_t)(int64_t)t->diff;
}

/**
 * struct decoder - the state of decoding that the inner loop keeps in registers
 * @p: next tag
 * @end: end of the payload
 * @out: next record
 * @wrapped: some record ended past the last address
 */
struct decoder {
	const uint8_t *p;
	const uint8_t *end;
	struct npt_access *out;
	bool wrapped;
};

/* One of the kinds that the table does not decode; -EBADMSG if there is none such. */
static int decode_rare(struct npt_trace_reader *r, struct decoder *d)
{
	const uint8_t *p = d->p;
	const struct tag *t = &tags[*p];
	struct npt_access *a = d->out;

	if (*p >= TRACE_TAG_DATA) {
		r->reg[t->reg] += difference(t, p + 1);
		p += t->len;
		*a = (struct npt_access){ .gva = r->reg[t->reg], .size = trace_get16(p),
					  .op = t->op, .flags = r->flags };
		d->p = p + 2;
	} else if (*p == TRACE_TAG_ANY) {
		if (p[1] >= NPT_TRACE_OPS || trace_get64(p + 13) > UINT32_MAX)
			return -EBADMSG;
		*a = (struct npt_access){ .op = p[1], .flags = p[2],
					  .size = trace_get16(p + 3),
					  .gva = trace_get64(p + 5),
					  .data = trace_get64(p + 13) };
		d->p = p + TRACE_ANY_LEN;
	} else if (*p == TRACE_TAG_FLAGS) {
		r->flags = p[1];
		d->p = p + 2;
		return d->p > d->end ? -EBADMSG : 0;
	} else {
		return -EBADMSG;
	}
	if (d->p > d->end ||
	    (a->op <= NPT_OP_FETCH && (!a->size || trace_wraps(a->gva, a->size))))
		return -EBADMSG;
	d->out++;
	return 0;
}

/* Decode until @stop or the end of the payload or a tag for decode_rare(). */
static void decode_frequent(struct npt_trace_reader *r, struct decoder *d,
			    const struct npt_access *stop)
{
	const uint8_t *p = d->p;
	const uint8_t *end = d->end;
	struct npt_access *out = d->out;
	uint8_t flags = r->flags;
	bool wrapped = false;

	while (out != stop && p < end) {
		const struct tag t = tags[*p];
		uint64_t gva;

		if (__builtin_expect(t.rare, 0))
			break;
		gva = r->reg[t.reg] + difference(&t, p + 1);
		r->reg[t.reg] = gva + (t.size & (uint64_t)(int64_t)t.advance);
		wrapped |= gva + (t.size - 1) < gva;
		*out++ = (struct npt_access){ .gva = gva, .size = t.size, .op = t.op,
					      .flags = flags };
		p += t.len;
	}
	d->p = p;
	d->out = out;
	d->wrapped |= wrapped;
}

static int bad_block(struct npt_trace_reader *r, const char *what)
{
	return trace_fail(r, -EBADMSG, "byte %llu: block %u %s",
			  (unsigned long long)trace_input_offset(&r->in), r->block - 1,
			  what);
}

/* How many records come before the first that ends past the last address. */
static size_t count_good(const struct npt_access *a, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (a[i].op <= NPT_OP_FETCH && trace_wraps(a[i].gva, a[i].size))
			break;
	return i;
}

/* Decode up to @n records of the current block. */
static ssize_t decode(struct npt_trace_reader *r, struct npt_access *buf, size_t n)
{
	const struct npt_access *stop = buf + (n < r->block_left ? n : r->block_left);
	struct decoder d = {
		.p = trace_input_ptr(&r->in),
		.end = r->in.buf + (r->block_end - r->in.base),
		.out = buf,
	};
	int ret = 0;

	while (!ret && d.out != stop && d.p < d.end) {
		decode_frequent(r, &d, stop);
		if (d.out != stop && d.p < d.end)
			ret = decode_rare(r, &d);
	}
	n = d.out - buf;
	/* The last record has taken bytes from behind the payload. */
	if (!ret && d.p > d.end)
		n--;
	if (ret || d.wrapped || d.p > d.end)
		return trace_stop(r, count_good(buf, n),
				  bad_block(r, "holds a record that cannot be"));
	r->block_left -= n;
	r->in.pos = d.p - r->in.buf;
	if (d.p == d.end ? r->block_left : !r->block_left)
		return trace_stop(r, n, bad_block(r, "does not hold as many records as it says"));
	return n;
}

/* Make @len bytes available for @what, or say that the trace is cut. */
static int need(struct npt_trace_reader *r, size_t len, const char *what)
{
	ssize_t avail = trace_input_fill(&r->in, len);

	if (avail < 0)
		return trace_fail_read(r, avail);
	if ((size_t)avail < len)
		return trace_fail(r, -EBADMSG,
				  "byte %llu: cut in %s, expected %zu bytes, found %zd",
				  (unsigned long long)trace_input_offset(&r->in), what, len,
				  avail);
	return 0;
}

static int take_end_item(struct npt_trace_reader *r, uint16_t type, const uint8_t *p,
			 size_t len)
{
	if (type == TRACE_END_RECORDS && len == 8)
		r->info.records = trace_get64(p);
	else if (type == TRACE_END_EXIT_STATUS && len == 4)
		r->info.exit_status = trace_get32(p);
	else if (type & TRACE_ITEM_CRITICAL || type <= TRACE_END_EXIT_STATUS)
		return -EBADMSG;
	return 0;
}

static int take_head_item(struct npt_trace_reader *r, uint16_t type, const uint8_t *p,
			  size_t len)
{
	if (type == TRACE_HEAD_COMMAND)
		trace_copy_text(r->command, sizeof(r->command), p, len);
	else if (type == TRACE_HEAD_ARCH)
		trace_copy_text(r->arch, sizeof(r->arch), p, len);
	else if (type == TRACE_HEAD_TOOL)
		trace_copy_text(r->tool, sizeof(r->tool), p, len);
	else if (type == TRACE_HEAD_PAGE_SHIFT && len == 1)
		r->info.page_shift = *p;
	else if (type & TRACE_ITEM_CRITICAL || type == TRACE_HEAD_PAGE_SHIFT)
		return -EBADMSG;
	return 0;
}

static int take_items(struct npt_trace_reader *r, const uint8_t *p, size_t len,
		      int (*take)(struct npt_trace_reader *r, uint16_t type,
				  const uint8_t *p, size_t len))
{
	const uint8_t *end = p + len;
	uint16_t type, size;

	while (end - p >= TRACE_ITEM_HEAD) {
		type = trace_get16(p);
		size = trace_get16(p + 2);
		p += TRACE_ITEM_HEAD;
		if (size > end - p || take(r, type, p, size))
			return trace_fail(r, -EBADMSG,
					  "byte %llu: item of type %u and %u bytes is not understood",
					  (unsigned long long)trace_input_offset(&r->in), type,
					  size);
		p += size;
	}
	if (p != end)
		return trace_fail(r, -EBADMSG, "byte %llu: items do not fill their space",
				  (unsigned long long)trace_input_offset(&r->in));
	return 0;
}

/* The end block is in the window: check it against what was read. */
static int finish(struct npt_trace_reader *r, size_t payload)
{
	ssize_t more;
	int ret;

	r->info.records = UINT64_MAX;
	ret = take_items(r, trace_input_ptr(&r->in) + TRACE_BLOCK_HEAD, payload, take_end_item);
	if (ret)
		return ret;
	if (r->info.records != r->total)
		return trace_fail(r, -EBADMSG, "%llu records, but its end states %llu",
				  (unsigned long long)r->total,
				  (unsigned long long)r->info.records);
	r->in.pos += TRACE_BLOCK_HEAD + payload;
	more = trace_input_fill(&r->in, 1);
	if (more < 0)
		return trace_fail_read(r, more);
	if (more)
		return trace_fail(r, -EBADMSG, "byte %llu: more bytes after the end of the trace",
				  (unsigned long long)trace_input_offset(&r->in));
	r->info.complete = true;
	return 0;
}

static int check_block(struct npt_trace_reader *r, uint32_t payload, uint32_t records)
{
	const uint8_t *p = trace_input_ptr(&r->in);
	uint32_t crc;

	crc = trace_crc32c(0, p, TRACE_BLOCK_CRC_AT);
	crc = trace_crc32c(crc, p + TRACE_BLOCK_HEAD, payload);
	if (crc != trace_get32(p + TRACE_BLOCK_CRC_AT))
		return bad_block(r, "is damaged: its checksum is wrong");
	if (trace_get32(p + 4) != r->block - 1)
		return bad_block(r, "is not here: blocks are missing or out of order");
	if (trace_get32(p) == TRACE_BLOCK_DATA && (!records || records > TRACE_RECORDS_MAX))
		return bad_block(r, "states an impossible number of records");
	return 0;
}

/* 1 if another block of records is ready, 0 at the end, -errno. */
static int next_block(struct npt_trace_reader *r)
{
	uint32_t kind, payload, records;
	const uint8_t *p;
	int ret;

	if (r->info.complete)
		return 0;
	ret = trace_input_fill(&r->in, 1);
	if (ret == 0)
		return trace_fail(r, -EBADMSG,
				  "byte %llu: cut after %llu records, expected another block",
				  (unsigned long long)trace_input_offset(&r->in),
				  (unsigned long long)r->total);
	ret = need(r, TRACE_BLOCK_HEAD, "the head of a block");
	if (ret)
		return ret;
	p = trace_input_ptr(&r->in);
	kind = trace_get32(p);
	payload = trace_get32(p + 8);
	records = trace_get32(p + 12);
	r->block++;
	if ((kind != TRACE_BLOCK_DATA && kind != TRACE_BLOCK_END) ||
	    payload > TRACE_PAYLOAD_MAX)
		return bad_block(r, "is damaged: its head is wrong");
	ret = need(r, TRACE_BLOCK_HEAD + payload, "mid-record");
	if (ret)
		return ret;
	ret = check_block(r, payload, records);
	if (ret)
		return ret;
	if (kind == TRACE_BLOCK_END)
		return finish(r, payload);
	r->in.pos += TRACE_BLOCK_HEAD;
	r->block_end = trace_input_offset(&r->in) + payload;
	r->block_left = records;
	r->total += records;
	memset(r->reg, 0, sizeof(r->reg));
	r->flags = NPT_ACCESS_USER;
	return 1;
}

static ssize_t npt_fill(struct npt_trace_reader *r, struct npt_access *buf, size_t n)
{
	int ret;

	if (!r->block_left) {
		ret = next_block(r);
		if (ret <= 0)
			return ret;
	}
	return decode(r, buf, n);
}

static int npt_start(struct npt_trace_reader *r)
{
	uint32_t len;
	const uint8_t *p;
	int ret;

	pthread_once(&once, fill_tags);
	r->block = 0;
	r->block_left = 0;
	r->total = 0;
	ret = need(r, TRACE_HEAD_FIXED, "the header");
	if (ret)
		return ret;
	p = trace_input_ptr(&r->in);
	len = trace_get32(p + 12);
	if (memcmp(p, TRACE_MAGIC, TRACE_MAGIC_LEN))
		return trace_fail(r, -EBADMSG, "byte 0: not a trace in npt's format");
	if (trace_get16(p + 8) != TRACE_MAJOR)
		return trace_fail(r, -EBADMSG, "byte 8: format version %u, expected %d",
				  trace_get16(p + 8), TRACE_MAJOR);
	if (len < TRACE_HEAD_FIXED + 4 || len > TRACE_HEAD_MAX)
		return trace_fail(r, -EBADMSG, "byte 12: header of %u bytes, expected %d to %d",
				  len, TRACE_HEAD_FIXED + 4, TRACE_HEAD_MAX);
	ret = need(r, len, "the header");
	if (ret)
		return ret;
	p = trace_input_ptr(&r->in);
	if (trace_crc32c(0, p, len - 4) != trace_get32(p + len - 4))
		return trace_fail(r, -EBADMSG, "byte %u: the header's checksum is wrong", len - 4);
	ret = take_items(r, p + TRACE_HEAD_FIXED, len - TRACE_HEAD_FIXED - 4, take_head_item);
	r->in.pos += len;
	return ret;
}

static bool npt_probe(const uint8_t *data, size_t len, bool eof)
{
	(void)eof;
	return !memcmp(data, TRACE_MAGIC, len < TRACE_MAGIC_LEN ? len : TRACE_MAGIC_LEN);
}

const struct trace_format trace_format_npt = {
	.name = "npt",
	.probe = npt_probe,
	.start = npt_start,
	.fill = npt_fill,
};
