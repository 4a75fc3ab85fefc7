// SPDX-License-Identifier: GPL-2.0
/*
 * module/engine/x86/decode.c held against Zydis, a decoder that others wrote:
 * random bytes, and instructions made of random parts, in all three modes.
 */
#include "engine/x86/decode.h"
#include "test.h"

#ifdef HAVE_ZYDIS
#include <Zydis/Zydis.h>

static ZydisDecoder oracle[3];

static void start(void)
{
	ZydisDecoderInit(&oracle[NPT_MODE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	ZydisDecoderInit(&oracle[NPT_MODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&oracle[NPT_MODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

struct sample {
	u8 bytes[NPT_INSN_MAX + 1];
	u32 n;
	enum npt_cpu_mode mode;
};

static void describe(const struct sample *s)
{
	char *p = test_context;
	u32 i;

	p += sprintf(p, "%d-bit:", 16 << s->mode);
	for (i = 0; i < s->n; i++)
		p += sprintf(p, " %02x", s->bytes[i]);
}

/* --- samples ------------------------------------------------------------ */

static u32 random_prefixes(struct rnd *r, u8 *to)
{
	static const u8 known[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x66, 0x67, 0x67,
				    0xf0, 0xf2, 0xf3, 0x40, 0x48, 0x4f };
	u32 i, n = rnd_bool(r) ? 0 : rnd_below(r, 4);

	for (i = 0; i < n; i++)
		to[i] = known[rnd_below(r, ARRAY_SIZE(known))];
	if (n && rnd_bool(r))
		to[n - 1] = 0x40 | rnd_below(r, 16);
	return n;
}

static u32 random_escape(struct rnd *r, u8 *to)
{
	switch (rnd_below(r, 8)) {
	case 0: case 1: case 2:
		return 0;
	case 3: case 4:
		to[0] = 0x0f;
		return 1;
	case 5:
		to[0] = 0x0f;
		to[1] = rnd_bool(r) ? 0x38 : 0x3a;
		return 2;
	case 6:
		to[0] = 0xc4 + rnd_below(r, 2);
		to[1] = 0xe0 | rnd_below(r, 32);
		if (to[0] == 0xc5)
			return 2;
		to[1] = 0xe0 | (1 + rnd_below(r, 3));
		to[2] = rnd64(r);
		return 3;
	default:
		if (rnd_bool(r)) {
			to[0] = 0x8f;
			to[1] = 0xe8 + rnd_below(r, 3);
			to[2] = rnd64(r);
			return 3;
		}
		to[0] = 0x62;
		to[1] = 0xf0 | (1 + rnd_below(r, 6));
		to[2] = rnd64(r) | 4;
		to[3] = rnd64(r);
		return 4;
	}
}

static void random_sample(struct rnd *r, struct sample *s)
{
	u64 word[2] = { rnd64(r), rnd64(r) };
	u32 n = 0;

	memcpy(s->bytes, word, 16);
	s->mode = rnd_below(r, 3);
	if (!rnd_one_in(r, 4)) {
		n = random_prefixes(r, s->bytes);
		n += random_escape(r, s->bytes + n);
	}
	s->n = rnd_one_in(r, 8) ? n + rnd_below(r, 16 - n) : 15;
	describe(s);
}

/* --- comparison --------------------------------------------------------- */

static u8 seg_of(ZydisRegister reg)
{
	switch (reg) {
	case ZYDIS_REGISTER_ES: return NPT_SEG_ES;
	case ZYDIS_REGISTER_CS: return NPT_SEG_CS;
	case ZYDIS_REGISTER_SS: return NPT_SEG_SS;
	case ZYDIS_REGISTER_FS: return NPT_SEG_FS;
	case ZYDIS_REGISTER_GS: return NPT_SEG_GS;
	default: return NPT_SEG_DS;
	}
}

static u8 number_of(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE || reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return NPT_NO_REG;
	return ZydisRegisterGetId(reg);
}

/* Of the one-byte map and of 0F, is it one that somebody may want to execute? */
static bool plain(const struct npt_insn *insn)
{
	switch (insn->map) {
	case NPT_MAP_1BYTE:
		/*
		 * Not the coprocessor's, branches and I/O, where processors differ
		 * in what 66 and REX.W mean and segment prefixes are hints.
		 */
		if (insn->opcode == 0xff)
			return (insn->reg & 7) < 2 || (insn->reg & 7) > 5;
		return (insn->opcode & 0xf0) != 0x70 && (insn->opcode & 0xfe) != 0xc2 &&
		       (insn->opcode & 0xfc) != 0x6c &&
		       (insn->opcode < 0xd8 || insn->opcode > 0xef);
	case NPT_MAP_0F:
		/* moves, CMOVcc and SETcc, then bits, CMPXCHG, MOVZX, XADD, ... */
		return (insn->opcode & 0xf0) == 0x40 || (insn->opcode & 0xf0) == 0x90 ||
		       (insn->opcode >= 0xa3 && insn->opcode <= 0xc1 && insn->opcode != 0xa6 &&
			insn->opcode != 0xa7 && insn->opcode != 0xa8 && insn->opcode != 0xa9 &&
			insn->opcode != 0xae);
	}
	return insn->map == NPT_MAP_0F38 && (insn->opcode & 0xfe) == 0xf0;
}

static void check_memory(const struct npt_insn *insn, const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperand *ops)
{
	const ZydisDecodedOperand *op = NULL;
	u32 i;

	for (i = 0; i < z->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (z->attributes & ZYDIS_ATTRIB_HAS_MODRM || insn->disp_size))
			op = &ops[i];
	if (!insn->has_modrm && !insn->mem)
		return;		/* string instructions have theirs elsewhere */
	CHECK_EQ(insn->mem, !!op, "has a memory operand");
	if (!op)
		return;
	/*
	 * Zydis 4.0 sees a base where there is none in 67 and REX.B with mod 0 and
	 * SIB's base 5. Processors don't: emulate_test executes it.
	 */
	if (insn->mode == NPT_MODE_64 && insn->asize == 4 && (insn->rex & 1) &&
	    insn->base == NPT_NO_REG && !insn->rip)
		return;
	CHECK_EQ(insn->base, number_of(op->mem.base), "base");
	CHECK_EQ(insn->rip, op->mem.base == ZYDIS_REGISTER_RIP ||
		 op->mem.base == ZYDIS_REGISTER_EIP, "relative to RIP");
	CHECK_EQ(insn->index, number_of(op->mem.index), "index");
	if (insn->index != NPT_NO_REG)
		CHECK_EQ(insn->scale, op->mem.scale ? op->mem.scale : 1, "scale");
	CHECK_EQ(insn->disp, op->mem.disp.value, "displacement");
	if (insn->opcode != 0x8d)	/* LEA has none */
		CHECK_EQ(insn->seg, seg_of(op->mem.segment), "segment");
}

static void check_parts(const struct npt_insn *insn, const ZydisDecodedInstruction *z,
			const ZydisDecodedOperand *ops)
{
	u64 imm;

	CHECK_EQ(insn->asize * 8, z->address_width, "address size");
	CHECK_EQ(insn->opcode, z->opcode, "opcode");
	/* Zydis gives byte forms a width of 8 bits. */
	if (z->operand_width != 8)
		CHECK_EQ(insn->osize * 8, z->operand_width, "operand size");
	if (insn->has_modrm) {
		CHECK_EQ(insn->mod, z->raw.modrm.mod, "mod");
		CHECK_EQ(insn->reg & 7, z->raw.modrm.reg, "reg");
		CHECK_EQ(insn->rm & 7, z->raw.modrm.rm, "rm");
		CHECK_EQ(insn->reg >> 3, insn->rex >> 2 & 1, "reg's fourth bit");
		CHECK_EQ(insn->rm >> 3, insn->rex & 1, "rm's fourth bit");
	}
	CHECK_EQ(insn->lock, !!(z->attributes & (ZYDIS_ATTRIB_HAS_LOCK)), "lock");
	CHECK_EQ(insn->disp_size * 8, z->raw.disp.size, "displacement's size");
	imm = z->raw.imm[0].value.u;
	if (z->raw.imm[0].size && z->raw.imm[0].size < 64)
		imm = (u64)((s64)(imm << (64 - z->raw.imm[0].size)) >>
			    (64 - z->raw.imm[0].size));
	if (insn->imm_size)
		CHECK_EQ(insn->imm, imm, "immediate");
	CHECK_EQ(insn->imm_size * 8, z->raw.imm[0].size + z->raw.imm[1].size, "immediate's size");
	check_memory(insn, z, ops);
}

static void compare(const struct sample *s)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	struct npt_insn insn;
	ZyanStatus status;
	int len;

	status = ZydisDecoderDecodeFull(&oracle[s->mode], s->bytes, s->n, &z, ops);
	len = npt_insn_decode(&insn, s->bytes, s->n, s->mode);
	CHECK_EQ(npt_insn_length(s->bytes, s->n, s->mode), max(len, 0), "quick length");
	if (status == ZYDIS_STATUS_NO_MORE_DATA) {
		/* Two branches of Knights Corner's are taken for VEX. */
		CHECK(len < 0 || insn.map == NPT_MAP_VEX, "Zydis wants more bytes, here %d", len);
		return;
	}
	if (ZYAN_FAILED(status) || z.meta.isa_ext == ZYDIS_ISA_EXT_KNC ||
	    z.meta.isa_ext == ZYDIS_ISA_EXT_KNCE || z.meta.isa_ext == ZYDIS_ISA_EXT_KNCV)
		return;		/* the latter are no processor's that has SVM or VMX */
	test_cases++;
	CHECK(len > 0, "Zydis: %d bytes, %s; here %d", z.length,
	      ZydisMnemonicGetString(z.mnemonic), len);
	CHECK(len == z.length, "Zydis: %d bytes, %s; here %d", z.length,
	      ZydisMnemonicGetString(z.mnemonic), len);
	CHECK_EQ(insn.len, len, "len");
	if (plain(&insn))
		check_parts(&insn, &z, ops);
}

static void random_bytes(void)
{
	unsigned long round;
	struct sample s;
	struct rnd r;
	u32 i;

	start();
	for_each_round(round, 1000, &r) {
		for (i = 0; i < 1000; i++) {
			random_sample(&r, &s);
			compare(&s);
		}
	}
}

/* Each opcode of each map with each ModRM byte, behind each of the usual prefixes. */
static void every_opcode(void)
{
	static const u8 prefix[] = { 0, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x48, 0x41 };
	static const u8 escape[][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };
	u32 p, e, op, m;
	struct sample s;

	start();
	for (p = 0; p < ARRAY_SIZE(prefix) * 3; p++)
		for (e = 0; e < ARRAY_SIZE(escape); e++)
			for (op = 0; op < 65536; op++) {
				memset(s.bytes, 0x12, sizeof(s.bytes));
				s.mode = p % 3;
				s.n = 0;
				if (prefix[p / 3])
					s.bytes[s.n++] = prefix[p / 3];
				for (m = 0; m < 2 && escape[e][m]; m++)
					s.bytes[s.n++] = escape[e][m];
				s.bytes[s.n++] = op >> 8;
				s.bytes[s.n] = op;
				s.n = 15;
				describe(&s);
				compare(&s);
			}
}

/* An instruction of @n bytes is refused with fewer, whatever stands behind them. */
static void cut_off(void)
{
	unsigned long round;
	struct npt_insn insn;
	struct sample s;
	struct rnd r;
	int len, n;

	for_each_round(round, 200000, &r) {
		random_sample(&r, &s);
		len = npt_insn_decode(&insn, s.bytes, 15, s.mode);
		if (len < 0)
			continue;
		for (n = 0; n < len; n++) {
			int cut = npt_insn_decode(&insn, s.bytes, n, s.mode);

			CHECK(cut == -ENODATA, "%d of %d bytes: %d", n, len, cut);
			CHECK_EQ(npt_insn_length(s.bytes, n, s.mode), 0, "length of a part");
		}
		test_cases++;
	}
}

static const struct test tests[] = {
	{ "decode: random instructions as Zydis has them", random_bytes },
	{ "decode: every opcode as Zydis has it", every_opcode },
	{ "decode: no byte too many is read", cut_off },
};

#else

static void no_oracle(void)
{
	test_skip("libzydis-dev is not installed");
}

static const struct test tests[] = {
	{ "decode", no_oracle },
};

#endif

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
