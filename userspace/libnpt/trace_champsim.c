// SPDX-License-Identifier: GPL-2.0
/*
 * Reader of ChampSim's binary traces: one record of 64 bytes per instruction.
 * It has neither the instruction's length nor the size of its operands, so each
 * access counts as one byte, which never crosses a page.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "trace_text.h"

#define NR_STORES	2
#define NR_LOADS	4

/**
 * struct champsim_record - an instruction as ChampSim stores it, little-endian
 * @ip: its address
 * @is_branch: 0 or 1
 * @branch_taken: 0 or 1
 * @registers: not of interest here
 * @store: addresses written, 0 where unused
 * @load: addresses read, 0 where unused
 */
struct champsim_record {
	uint64_t ip;
	uint8_t is_branch;
	uint8_t branch_taken;
	uint8_t registers[6];
	uint64_t store[NR_STORES];
	uint64_t load[NR_LOADS];
};

static_assert(sizeof(struct champsim_record) == 64, "ChampSim's record is 64 bytes");
static_assert(1 + NR_STORES + NR_LOADS <= TRACE_FILL_MIN, "room for one instruction");

static bool plausible(const struct champsim_record *rec)
{
	return rec->is_branch <= 1 && rec->branch_taken <= 1;
}

/* The order of the hardware: fetch, then loads, then stores. */
static size_t expand(const struct champsim_record *rec, struct npt_access *out)
{
	struct npt_access *a = out;
	int i;

	trace_put(a++, le64toh(rec->ip), 1, NPT_OP_FETCH);
	for (i = 0; i < NR_LOADS; i++)
		if (rec->load[i])
			trace_put(a++, le64toh(rec->load[i]), 1, NPT_OP_READ);
	for (i = 0; i < NR_STORES; i++)
		if (rec->store[i])
			trace_put(a++, le64toh(rec->store[i]), 1, NPT_OP_WRITE);
	return a - out;
}

/* 1 if a whole record is there, 0 at the end, -errno. */
static int next_record(struct npt_trace_reader *r)
{
	ssize_t len = trace_input_fill(&r->in, sizeof(struct champsim_record));

	if (len < 0)
		return trace_fail_read(r, len);
	if (len == 0) {
		r->info.complete = true;
		return 0;
	}
	if ((size_t)len < sizeof(struct champsim_record))
		return trace_fail(r, -EBADMSG,
				  "byte %llu: cut in mid-record, expected 64 bytes, found %zd",
				  (unsigned long long)trace_input_offset(&r->in), len);
	return 1;
}

static ssize_t champsim_fill(struct npt_trace_reader *r, struct npt_access *buf, size_t n)
{
	struct npt_access *out = buf;
	struct champsim_record rec;
	int ret;

	while (n - (out - buf) >= TRACE_FILL_MIN) {
		if (trace_input_avail(&r->in) < sizeof(rec)) {
			if (out > buf)
				break;
			ret = next_record(r);
			if (ret <= 0)
				return ret;
		}
		memcpy(&rec, trace_input_ptr(&r->in), sizeof(rec));
		if (!plausible(&rec)) {
			ret = trace_fail(r, -EBADMSG,
					 "byte %llu: expected is_branch and branch_taken of 0 or 1, found %u and %u",
					 (unsigned long long)trace_input_offset(&r->in) + 8,
					 rec.is_branch, rec.branch_taken);
			return trace_stop(r, out - buf, ret);
		}
		out += expand(&rec, out);
		r->in.pos += sizeof(rec);
	}
	return out - buf;
}

static int champsim_start(struct npt_trace_reader *r)
{
	trace_copy_text(r->tool, sizeof(r->tool), "ChampSim", 8);
	return 0;
}

/*
 * There is no magic number. Records whose flags are flags and whose address is
 * not 0 are taken for instructions; text fails at its first record.
 */
static bool champsim_probe(const uint8_t *data, size_t len, bool eof)
{
	struct champsim_record rec;
	size_t i;

	(void)eof;
	if (len < sizeof(rec))
		return false;
	for (i = 0; i + sizeof(rec) <= len; i += sizeof(rec)) {
		memcpy(&rec, data + i, sizeof(rec));
		if (!plausible(&rec) || !rec.ip)
			return false;
	}
	return true;
}

const struct trace_format trace_format_champsim = {
	.name = "champsim",
	.probe = champsim_probe,
	.start = champsim_start,
	.fill = champsim_fill,
};
