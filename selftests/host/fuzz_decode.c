// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the instruction decoder, in the mode that the first byte chooses. Its
 * answer must depend on the instruction's own bytes alone, never on what follows.
 */
#include "engine/x86/decode.h"
#include "fuzz.h"
#include "test.h"

static void check_fields(const struct npt_insn *i)
{
	CHECK(i->len >= 1 && i->len <= NPT_INSN_MAX, "length %u", i->len);
	CHECK(i->osize == 2 || i->osize == 4 || i->osize == 8, "operand size %u", i->osize);
	CHECK(i->asize == 2 || i->asize == 4 || i->asize == 8, "address size %u", i->asize);
	CHECK(i->seg < NPT_SEG_NR, "segment %u", i->seg);
	CHECK(i->seg_override < NPT_SEG_NR || i->seg_override == NPT_NO_REG, "override %u",
	      i->seg_override);
	CHECK(i->base < 16 || i->base == NPT_NO_REG, "base %u", i->base);
	CHECK(i->index < 32 || i->index == NPT_NO_REG, "index %u", i->index);
	CHECK(!i->mem || i->scale == 1 || i->scale == 2 || i->scale == 4 || i->scale == 8,
	      "scale %u", i->scale);
	CHECK(i->imm_size + i->disp_size < i->len, "%u + %u bytes of data in %u", i->imm_size,
	      i->disp_size, i->len);
	CHECK(!i->mem || !i->has_modrm || i->mod != 3, "a register in memory");
}

/* Each shorter piece is cut off, and the same bytes alone say the same. */
static void check_cuts(const uint8_t *bytes, const struct npt_insn *whole, enum npt_cpu_mode mode)
{
	u32 n = whole->len, cut = bytes[0] % n, quick;
	struct npt_insn i;
	int ret;

	ret = npt_insn_decode(&i, fuzz_edge(bytes, n), n, mode);
	CHECK_EQ(ret, whole->len, "length without what follows");
	CHECK(!memcmp(&i, whole, sizeof(i)), "what follows makes a difference");
	quick = npt_insn_length(fuzz_edge(bytes, n), n, mode);
	CHECK(!quick || quick == n, "two lengths: %u and %u", quick, n);
	ret = npt_insn_decode(&i, fuzz_edge(bytes, cut), cut, mode);
	CHECK_EQ(ret, -ENODATA, "result for the first bytes");
	CHECK_EQ(npt_insn_length(fuzz_edge(bytes, cut), cut, mode), 0, "length of the first bytes");
}

void fuzz_decode(const uint8_t *data, size_t size)
{
	enum npt_cpu_mode mode;
	struct npt_insn insn;
	int ret;

	if (size < 2)
		return;
	mode = data[0] % 3;
	data++;
	size = size - 1 < 24 ? size - 1 : 24;
	memset(&insn, 0, sizeof(insn));
	ret = npt_insn_decode(&insn, fuzz_edge(data, size), size, mode);
	if (ret < 0) {
		CHECK(ret == -EINVAL || (ret == -ENODATA && size < NPT_INSN_MAX),
		      "result %d for %zu bytes", ret, size);
		return;
	}
	CHECK(ret == insn.len && insn.len <= size, "length %d of %zu", ret, size);
	check_fields(&insn);
	check_cuts(data, &insn, mode);
}

FUZZ_TARGET(decode)
