// SPDX-License-Identifier: GPL-2.0
/*
 * The decoder: what each opcode is followed by stands in two tables, of the
 * one-byte map and of the map behind 0F; the other maps are regular.
 */
#include "decode.h"

/* --- the tables --------------------------------------------------------- */

/* What stands behind an opcode. The lowest four bits: its immediate. */
enum {
	B = 1,		/* a byte */
	W,		/* two bytes */
	Z,		/* two or four bytes, by operand size */
	V,		/* two, four or eight bytes, by operand size */
	J,		/* like Z, four in 64-bit mode: a branch displacement */
	O,		/* an offset, by address size */
	P,		/* a far pointer */
	E,		/* ENTER: two bytes and one */
	T,		/* two single bytes: EXTRQ, INSERTQ */
	IMM = 0x0f,

	M = 0x10,	/* ModRM */
	L = 0x20,	/* 64-bit operands by default in 64-bit mode */
	X = 0x40,	/* not in 64-bit mode */
	S = 0x80,	/* by special(); a prefix; an escape; or undefined */

	/* together */
	MB = M | B, MZ = M | Z, ML = M | L, MX = M | X, MS = M | S, MBX = M | B | X,
	BL = B | L, WL = W | L, ZL = Z | L, JL = J | L, EL = E | L, BX = B | X, PX = P | X,
};

/* One-byte opcodes (SDM vol. 2D, table A-2). */
static const u8 one_byte[256] = {
	/* 00 */ M, M, M, M, B, Z, X, X, M, M, M, M, B, Z, X, S,
	/* 10 */ M, M, M, M, B, Z, X, X, M, M, M, M, B, Z, X, X,
	/* 20 */ M, M, M, M, B, Z, S, X, M, M, M, M, B, Z, S, X,
	/* 30 */ M, M, M, M, B, Z, S, X, M, M, M, M, B, Z, S, X,
	/* 40 */ X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	/* 50 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* 60 */ X, X, MX, M, S, S, S, S, ZL, MZ, BL, MB, 0, 0, 0, 0,
	/* 70 */ BL, BL, BL, BL, BL, BL, BL, BL, BL, BL, BL, BL, BL, BL, BL, BL,
	/* 80 */ MB, MZ, MBX, MB, M, M, M, M, M, M, M, M, M, M, M, ML,
	/* 90 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PX, 0, L, L, 0, 0,
	/* a0 */ O, O, O, O, 0, 0, 0, 0, B, Z, 0, 0, 0, 0, 0, 0,
	/* b0 */ B, B, B, B, B, B, B, B, V, V, V, V, V, V, V, V,
	/* c0 */ MB, MB, WL, L, MX, MX, MB, MZ, EL, L, W, 0, 0, B, X, 0,
	/* d0 */ M, M, M, M, BX, BX, X, 0, M, M, M, M, M, M, M, M,
	/* e0 */ BL, BL, BL, BL, B, B, B, B, JL, JL, PX, BL, 0, 0, 0, 0,
	/* f0 */ S, 0, S, S, 0, 0, MS, MS, 0, 0, 0, 0, 0, 0, M, MS,
};

/* Behind 0F (table A-3, and AMD's own). */
static const u8 two_byte[256] = {
	/* 00 */ M, M, M, M, S, 0, 0, 0, 0, 0, S, 0, S, M, 0, MB,
	/* 10 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 20 */ MS, MS, MS, MS, S, S, S, S, M, M, M, M, M, M, M, M,
	/* 30 */ 0, 0, 0, 0, 0, 0, S, 0, S, S, S, S, S, S, S, S,
	/* 40 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 50 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 60 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 70 */ MB, MB, MB, MB, M, M, M, 0, MS, M, S, S, M, M, M, M,
	/* 80 */ JL, JL, JL, JL, JL, JL, JL, JL, JL, JL, JL, JL, JL, JL, JL, JL,
	/* 90 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* a0 */ L, L, 0, M, MB, M, M, M, L, L, 0, M, MB, M, M, M,
	/* b0 */ M, M, M, M, M, M, M, M, MS, M, MB, M, M, M, M, M,
	/* c0 */ M, M, MB, M, MB, MB, MB, M, 0, 0, 0, 0, 0, 0, 0, 0,
	/* d0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* e0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* f0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};

/* --- reading bytes ------------------------------------------------------ */

struct reader {
	const u8 *bytes;
	u32 at, n;
	bool cut;	/* the bytes ended too early */
};

static u8 peek(struct reader *r)
{
	if (r->at < r->n)
		return r->bytes[r->at];
	r->cut = true;
	return 0;
}

static u8 take(struct reader *r)
{
	u8 byte = peek(r);

	r->at++;
	return byte;
}

/* A number of @size bytes, sign-extended. */
static s64 take_number(struct reader *r, u32 size)
{
	u64 v = 0;
	u32 i;

	if (!size)
		return 0;
	if (r->at + size > r->n) {
		r->cut = true;
		r->at += size;
		return 0;
	}
	for (i = 0; i < size; i++)
		v |= (u64)r->bytes[r->at++] << (8 * i);
	return (s64)(v << (64 - 8 * size)) >> (64 - 8 * size);
}

/* --- prefixes ----------------------------------------------------------- */

/* 64-bit mode does not look at overrides of the four flat segments (SDM vol. 1, 3.3.7). */
static void override(struct npt_insn *insn, u8 seg)
{
	if (insn->mode != NPT_MODE_64 || seg >= NPT_SEG_FS)
		insn->seg_override = seg;
}

static bool one_prefix(struct npt_insn *insn, u8 byte, bool *addr)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		override(insn, (byte >> 3) & 3);
		return true;
	case 0x64: case 0x65:
		override(insn, byte & 7);
		return true;
	case 0x66:
		insn->opsize = true;
		return true;
	case 0x67:
		*addr = true;
		return true;
	case 0xf0:
		insn->lock = true;
		return true;
	case 0xf2: case 0xf3:
		insn->rep = byte;
		return true;
	}
	return false;
}

static void prefixes(struct npt_insn *insn, struct reader *r)
{
	bool addr = false;
	u8 byte;

	for (;; r->at++) {
		byte = peek(r);
		if (r->cut)
			return;
		if (insn->mode == NPT_MODE_64 && (byte & 0xf0) == 0x40)
			insn->rex = byte;
		else if (one_prefix(insn, byte, &addr))
			insn->rex = 0;	/* it counts only right before the opcode */
		else
			break;
	}
	if (insn->mode == NPT_MODE_64)
		insn->asize = addr ? 4 : 8;
	else
		insn->asize = (insn->mode == NPT_MODE_32) == addr ? 2 : 4;
}

static void set_osize(struct npt_insn *insn, bool by_default_64)
{
	if (insn->mode == NPT_MODE_64) {
		if (insn->rex & 8)
			insn->osize = 8;
		else if (insn->opsize)
			insn->osize = 2;
		else
			insn->osize = by_default_64 ? 8 : 4;
	} else {
		insn->osize = (insn->mode == NPT_MODE_32) == insn->opsize ? 2 : 4;
	}
}

/* --- ModRM -------------------------------------------------------------- */

/* SDM vol. 2A, table 2-1. */
static u32 address16(struct npt_insn *insn)
{
	static const u8 base[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const u8 index[8] = { 6, 7, 6, 7, NPT_NO_REG, NPT_NO_REG, NPT_NO_REG, NPT_NO_REG };
	u8 rm = insn->rm & 7;

	if (!insn->mod && rm == 6)
		return 2;
	insn->base = base[rm];
	insn->index = index[rm];
	return insn->mod;
}

/* Tables 2-2 and 2-3. Returns the displacement's size. */
static u32 address32(struct npt_insn *insn, struct reader *r)
{
	static const u8 size[] = { 0, 1, 4 };
	u8 base = insn->rm & 7, sib, index;

	if (base == 4) {
		sib = take(r);
		base = sib & 7;
		index = ((sib >> 3) & 7) | (insn->rex & 2) << 2;
		if (index != 4)
			insn->index = index;
		insn->scale = 1 << (sib >> 6);
	} else if (base == 5 && !insn->mod) {
		insn->rip = insn->mode == NPT_MODE_64;
		return 4;
	}
	if (base == 5 && !insn->mod)
		return 4;
	insn->base = base | (insn->rex & 1) << 3;
	return size[insn->mod];
}

static void memory_operand(struct npt_insn *insn, struct reader *r)
{
	insn->mem = true;
	insn->disp_size = insn->asize == 2 ? address16(insn) : address32(insn, r);
	insn->disp = take_number(r, insn->disp_size);
	if (insn->seg_override == NPT_NO_REG && (insn->base == 4 || insn->base == 5))
		insn->seg = NPT_SEG_SS;
}

/* @registers_only: whatever mod says (MOV to and from control and debug registers). */
static void modrm(struct npt_insn *insn, struct reader *r, bool registers_only)
{
	u8 byte = take(r);

	insn->has_modrm = true;
	insn->mod = byte >> 6;
	insn->reg = ((byte >> 3) & 7) | (insn->rex & 4) << 1;
	insn->rm = (byte & 7) | (insn->rex & 1) << 3;
	if (insn->mod != 3 && !registers_only)
		memory_operand(insn, r);
}

/* --- immediates --------------------------------------------------------- */

static void immediate(struct npt_insn *insn, struct reader *r, u8 kind)
{
	u8 z = insn->osize == 2 ? 2 : 4, size = 0, second = 0;

	switch (kind) {
	case B:
		size = 1;
		break;
	case W:
		size = 2;
		break;
	case Z:
		size = z;
		break;
	case V:
		size = insn->osize;
		break;
	case J:
		size = insn->mode == NPT_MODE_64 ? 4 : z;
		break;
	case O:
		insn->mem = true;
		insn->disp_size = insn->asize;
		insn->disp = take_number(r, insn->asize);
		return;
	case P:
		size = z;
		second = 2;
		break;
	case E:
		size = 2;
		second = 1;
		break;
	case T:
		size = 1;
		second = 1;
		break;
	}
	insn->imm_size = size + second;
	insn->imm = take_number(r, size);
	insn->imm2 = take_number(r, second);
}

/* --- the other maps ----------------------------------------------------- */

/* ModRM and at most an immediate. Opcodes here are enough to know which. */
static bool vector_imm8(u32 map, u8 opcode)
{
	if (map == 1)
		return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
		       (opcode >= 0xc4 && opcode <= 0xc6);
	return map == 3 || map == 8;
}

static void vector_insn(struct npt_insn *insn, struct reader *r, u32 map)
{
	insn->map = NPT_MAP_VEX;
	insn->opcode = take(r);
	set_osize(insn, false);
	/* VZEROUPPER and VZEROALL have no operand. */
	if (map != 1 || insn->opcode != 0x77)
		modrm(insn, r, false);
	if (map == 0xa)
		immediate(insn, r, Z);
	else if (vector_imm8(map, insn->opcode))
		immediate(insn, r, B);
}

/* The inverted R, X and B of a VEX-like second byte, as REX has them. */
static u8 inverted_rxb(u8 byte)
{
	return 0x40 | ((byte >> 5) ^ 7);
}

/*
 * VEX, EVEX and XOP stand where LES, LDS, BOUND and POP are, told apart by a
 * second byte that those can't have (SDM vol. 2A, 2.3.5; APM vol. 3, 1.2.7).
 * 1: it was one; 0: it isn't; or -EINVAL.
 */
static int vector_prefix(struct npt_insn *insn, struct reader *r, u8 byte)
{
	u8 next = peek(r);
	u32 map = 1;

	if (byte == 0x8f ? (next & 0x1f) < 8 :
			   insn->mode != NPT_MODE_64 && (next & 0xc0) != 0xc0)
		return 0;
	/* The prefixes that these have inside may not stand before them. */
	if (insn->opsize || insn->rep || insn->lock || insn->rex)
		return -EINVAL;
	take(r);
	insn->rex = inverted_rxb(byte == 0xc5 ? next | 0x60 : next);
	switch (byte) {
	case 0xc4:
	case 0x8f:
		map = next & 0x1f;
		if (take(r) & 0x80)
			insn->rex |= 8;
		break;
	case 0x62:
		map = next & 7;
		take(r);
		take(r);
		break;
	}
	if (insn->mode != NPT_MODE_64)
		insn->rex = 0;
	if (byte == 0x8f ? map > 0xa : !map || map == 4 || map > 6)
		return r->cut ? -ENODATA : -EINVAL;
	vector_insn(insn, r, map);
	return 1;
}

/* 0F 38 and 0F 3A. */
static void three_byte(struct npt_insn *insn, struct reader *r, u8 escape)
{
	insn->map = escape == 0x38 ? NPT_MAP_0F38 : NPT_MAP_0F3A;
	insn->opcode = take(r);
	set_osize(insn, false);
	modrm(insn, r, false);
	if (escape == 0x3a)
		immediate(insn, r, B);
}

/* --- all together ------------------------------------------------------- */

/* An opcode of the two tables whose shape depends on more than itself. */
static int special(struct npt_insn *insn, struct reader *r)
{
	if (insn->map == NPT_MAP_1BYTE) {
		switch (insn->opcode) {
		case 0xf6: case 0xf7:
			modrm(insn, r, false);
			/* TEST; the others of the group have no immediate */
			if (!(insn->reg & 6))
				immediate(insn, r, insn->opcode == 0xf6 ? B : Z);
			return 0;
		case 0xff:
			modrm(insn, r, false);
			if ((insn->reg & 7) == 2 || (insn->reg & 7) == 4 || (insn->reg & 7) == 6)
				set_osize(insn, true);
			return 0;
		}
		return -EINVAL;
	}
	switch (insn->opcode) {
	case 0x20: case 0x21: case 0x22: case 0x23:
		modrm(insn, r, true);
		insn->osize = insn->mode == NPT_MODE_64 ? 8 : 4;
		return 0;
	case 0x78:
		modrm(insn, r, false);
		if (insn->opsize || insn->rep == 0xf2)
			immediate(insn, r, T);
		return 0;
	case 0xb8:
		if (insn->rep != 0xf3)
			return -EINVAL;
		modrm(insn, r, false);
		return 0;
	}
	return -EINVAL;
}

static int table_insn(struct npt_insn *insn, struct reader *r, u8 shape)
{
	if ((shape & X) && insn->mode == NPT_MODE_64)
		return -EINVAL;
	set_osize(insn, shape & L);
	if (shape & S)
		return special(insn, r);
	if (shape & M)
		modrm(insn, r, false);
	if (shape & IMM)
		immediate(insn, r, shape & IMM);
	return 0;
}

static int opcode(struct npt_insn *insn, struct reader *r)
{
	u8 byte = take(r);
	int ret;

	if (byte == 0xc4 || byte == 0xc5 || byte == 0x62 || byte == 0x8f) {
		ret = vector_prefix(insn, r, byte);
		if (ret)
			return min(ret, 0);
	}
	if (byte != 0x0f) {
		insn->opcode = byte;
		return table_insn(insn, r, one_byte[byte]);
	}
	byte = take(r);
	if (byte == 0x38 || byte == 0x3a) {
		three_byte(insn, r, byte);
		return 0;
	}
	insn->map = NPT_MAP_0F;
	insn->opcode = byte;
	return table_insn(insn, r, two_byte[byte]);
}

int npt_insn_decode(struct npt_insn *insn, const u8 *bytes, u32 n, enum npt_cpu_mode mode)
{
	struct reader r = { .bytes = bytes, .n = min_t(u32, n, NPT_INSN_MAX) };
	int ret;

	*insn = (struct npt_insn) {
		.mode = mode,
		.seg_override = NPT_NO_REG,
		.base = NPT_NO_REG,
		.index = NPT_NO_REG,
		.scale = 1,
	};
	prefixes(insn, &r);
	if (!r.cut) {
		insn->seg = insn->seg_override == NPT_NO_REG ? NPT_SEG_DS : insn->seg_override;
		ret = opcode(insn, &r);
		if (ret && !r.cut)
			return ret;
	}
	if (r.cut)
		return n < NPT_INSN_MAX ? -ENODATA : -EINVAL;
	insn->len = r.at;
	return r.at;
}

/* 0F and one of these: nothing follows, or a ModRM that names registers alone. */
static int short_length(u8 second)
{
	switch (second) {
	case 0x05: case 0x06: case 0x07: case 0x08: case 0x09: case 0x0b:
	case 0x30: case 0x31: case 0x32: case 0x33: case 0x34: case 0x35: case 0xa2: case 0xaa:
		return 2;
	case 0x20: case 0x21: case 0x22: case 0x23:
		return 3;
	}
	return 0;
}

int npt_insn_length(const u8 *bytes, u32 n, enum npt_cpu_mode mode)
{
	struct npt_insn insn;
	int len = 0;

	if (n >= 3 && bytes[0] == 0x0f) {
		len = short_length(bytes[1]);
		/* VMMCALL, XSETBV, SWAPGS and their like */
		if (bytes[1] == 0x01 && bytes[2] >= 0xc0)
			len = 3;
	} else if (n) {
		/* HLT, and IN and OUT with the port in DX */
		if (bytes[0] == 0xf4 || (bytes[0] & 0xfc) == 0xec)
			len = 1;
	}
	if (len)
		return len;
	len = npt_insn_decode(&insn, bytes, n, mode);
	return max(len, 0);
}
