/* SPDX-License-Identifier: GPL-2.0 */
/*
 * x86 instruction decoder: prefixes, opcode, operands' addresses and sizes,
 * immediates, and so the length, of every instruction of the opcode maps (SDM
 * vol. 2, chapter 2 and appendix A; APM vol. 3, appendix A). It says what an
 * instruction looks like, not whether a processor would execute it: a few that
 * raise #UD decode like their neighbours.
 *
 * Depends on nothing but bytes: builds in user space too.
 */
#ifndef NPT_DECODE_H
#define NPT_DECODE_H

#include "mmu/platform.h"

#define NPT_INSN_MAX 15		/* bytes; longer ones raise #GP */

/* What the code segment's attributes say (SDM vol. 3A, 3.4.5). */
enum npt_cpu_mode {
	NPT_MODE_16,	/* real mode, virtual-8086 mode, 16-bit segments */
	NPT_MODE_32,
	NPT_MODE_64,
};

/* Opcode maps, by the bytes that lead there. */
enum npt_insn_map {
	NPT_MAP_1BYTE,
	NPT_MAP_0F,
	NPT_MAP_0F38,
	NPT_MAP_0F3A,
	NPT_MAP_VEX,		/* VEX, EVEX and XOP, whichever map they name */
};

/* Segment registers, as instructions number them. */
enum npt_seg {
	NPT_SEG_ES, NPT_SEG_CS, NPT_SEG_SS, NPT_SEG_DS, NPT_SEG_FS, NPT_SEG_GS,
	NPT_SEG_NR
};

#define NPT_NO_REG	0xff

struct npt_insn {
	u8 len;			/* of all of it */
	u8 mode;		/* enum npt_cpu_mode */
	u8 map;			/* enum npt_insn_map */
	u8 opcode;		/* its last byte */

	bool lock;
	bool opsize;		/* 66 */
	u8 rep;			/* the last of F2 and F3, or 0 */
	u8 rex;			/* 0x40-0x4f, or 0 */
	u8 seg;			/* of the memory operand: enum npt_seg, overridden or not */
	u8 seg_override;	/* enum npt_seg, or NPT_NO_REG */
	u8 osize;		/* operand size: 2, 4 or 8; byte forms are for the opcode to tell */
	u8 asize;		/* address size: 2, 4 or 8 */

	bool has_modrm;
	u8 mod;			/* ModRM's fields; */
	u8 reg;			/* these with REX.R */
	u8 rm;			/* and REX.B */

	bool mem;		/* there is a memory operand: seg:[base + index * scale + disp] */
	bool rip;		/* relative to the next instruction */
	u8 base, index;		/* registers, or NPT_NO_REG */
	u8 scale;		/* 1, 2, 4 or 8 */
	u8 disp_size;		/* bytes of it in the instruction */
	s64 disp;		/* sign-extended; or the offset that stands in MOV itself */

	u8 imm_size;		/* bytes in the instruction, 0: none */
	s64 imm;		/* sign-extended */
	u16 imm2;		/* the selector of a far pointer; ENTER's nesting level */
};

/*
 * Decode the instruction at @bytes, of which @n can be read. Its length, or
 * -EINVAL: no instruction looks like this (#UD, or #GP past 15 bytes); or
 * -ENODATA: it goes on behind @n.
 */
int npt_insn_decode(struct npt_insn *insn, const u8 *bytes, u32 n, enum npt_cpu_mode mode);

/* Only the length, the quickest for what hypervisors intercept; 0: unknown, or cut off. */
int npt_insn_length(const u8 *bytes, u32 n, enum npt_cpu_mode mode);

#endif /* NPT_DECODE_H */
