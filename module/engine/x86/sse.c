// SPDX-License-Identifier: GPL-2.0
/*
 * Moves between XMM registers and memory, which is what compilers copy and
 * clear page tables with. The processor has looked at CR0.EM, CR0.TS and
 * CR4.OSFXSR before it touched memory.
 */
#include "execute.h"

#define STORE	1
#define ALIGNED	2	/* to 16 bytes, else #GP */
#define KEEP	4	/* a load leaves the rest of the register, others clear it */
#define HIGH	8	/* the register's upper half */
#define OSIZE	16	/* four bytes, or eight with REX.W */

/* By opcode and the prefix that is part of it. */
static const struct move {
	u8 opcode, prefix, size, flags;
} moves[] = {
	{ 0x10, 0x00, 16 },			/* MOVUPS */
	{ 0x10, 0x66, 16 },			/* MOVUPD */
	{ 0x10, 0xf3, 4 },			/* MOVSS */
	{ 0x10, 0xf2, 8 },			/* MOVSD */
	{ 0x11, 0x00, 16, STORE },
	{ 0x11, 0x66, 16, STORE },
	{ 0x11, 0xf3, 4, STORE },
	{ 0x11, 0xf2, 8, STORE },
	{ 0x12, 0x00, 8, KEEP },		/* MOVLPS */
	{ 0x12, 0x66, 8, KEEP },
	{ 0x13, 0x00, 8, STORE },
	{ 0x13, 0x66, 8, STORE },
	{ 0x16, 0x00, 8, KEEP | HIGH },		/* MOVHPS */
	{ 0x16, 0x66, 8, KEEP | HIGH },
	{ 0x17, 0x00, 8, STORE | HIGH },
	{ 0x17, 0x66, 8, STORE | HIGH },
	{ 0x28, 0x00, 16, ALIGNED },		/* MOVAPS */
	{ 0x28, 0x66, 16, ALIGNED },
	{ 0x29, 0x00, 16, STORE | ALIGNED },
	{ 0x29, 0x66, 16, STORE | ALIGNED },
	{ 0x2b, 0x00, 16, STORE | ALIGNED },	/* MOVNTPS */
	{ 0x2b, 0x66, 16, STORE | ALIGNED },
	{ 0x6e, 0x66, 0, OSIZE },		/* MOVD, MOVQ */
	{ 0x6f, 0x66, 16, ALIGNED },		/* MOVDQA */
	{ 0x6f, 0xf3, 16 },			/* MOVDQU */
	{ 0x7e, 0x66, 0, STORE | OSIZE },
	{ 0x7e, 0xf3, 8 },			/* MOVQ */
	{ 0x7f, 0x66, 16, STORE | ALIGNED },
	{ 0x7f, 0xf3, 16, STORE },
	{ 0xd6, 0x66, 8, STORE },
	{ 0xe7, 0x66, 16, STORE | ALIGNED },	/* MOVNTDQ */
	{ 0xf0, 0xf2, 16 },			/* LDDQU */
};

static const struct move *find_move(const struct npt_insn *insn)
{
	u8 prefix = insn->rep ? insn->rep : insn->opsize ? 0x66 : 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].opcode == insn->opcode && moves[i].prefix == prefix)
			return &moves[i];
	return NULL;
}

enum npt_emul_end npt_emul_sse(struct npt_emul *e)
{
	const struct move *m = find_move(&e->insn);
	u64 off = npt_emul_offset(e, 0), lin;
	u8 xmm[16] = { 0 }, *at = xmm;
	enum npt_emul_end end;
	u32 size;

	if (!m)
		return NPT_EMUL_UNKNOWN;
	size = m->flags & OSIZE ? (e->insn.rex & 8 ? 8 : 4) : m->size;
	if (m->flags & HIGH)
		at += 8;
	if (m->flags & ALIGNED) {
		end = npt_emul_linear(e, e->insn.seg, off, size, m->flags & STORE, &lin);
		if (end)
			return end;
		if (lin & 15)
			return npt_emul_raise(e, NPT_GP_VECTOR, true);
	}
	if (m->flags & STORE) {
		e->ops->xmm(e, e->insn.reg, xmm, false);
		end = npt_emul_write(e, e->insn.seg, off, at, size);
		return end ? end : npt_emul_finish(e);
	}
	if (m->flags & KEEP)
		e->ops->xmm(e, e->insn.reg, xmm, false);
	end = npt_emul_read(e, e->insn.seg, off, at, size);
	if (end)
		return end;
	e->ops->xmm(e, e->insn.reg, xmm, true);
	return npt_emul_finish(e);
}
