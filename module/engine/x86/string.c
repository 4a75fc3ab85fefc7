// SPDX-License-Identifier: GPL-2.0
/*
 * String instructions. A repeated one is done element by element, each leaving
 * the registers as if the instruction began there: interrupts, faults and
 * single steps may come between any two (SDM vol. 2B, REP).
 */
#include <asm/processor-flags.h>
#include "alu.h"
#include "execute.h"

static u64 source(const struct npt_emul *e)
{
	return npt_emul_address(e, NPT_RSI, e->insn.asize);
}

static u64 destination(const struct npt_emul *e)
{
	return npt_emul_address(e, NPT_RDI, e->insn.asize);
}

/* Which registers move on. */
#define SI 1
#define DI 2

static enum npt_emul_end movs(struct npt_emul *e)
{
	enum npt_emul_end end;
	u64 value;

	end = npt_emul_read(e, e->insn.seg, source(e), &value, e->size);
	return end ? end : npt_emul_write(e, NPT_SEG_ES, destination(e), &value, e->size);
}

static enum npt_emul_end cmps(struct npt_emul *e)
{
	enum npt_emul_end end;
	u64 a = 0, b = 0;

	end = npt_emul_read(e, e->insn.seg, source(e), &a, e->size);
	if (!end)
		end = npt_emul_read(e, NPT_SEG_ES, destination(e), &b, e->size);
	if (!end)
		npt_alu(NPT_ALU_CMP, a, b, e->size, &e->regs->rflags);
	return end;
}

static enum npt_emul_end stos(struct npt_emul *e)
{
	return npt_emul_write(e, NPT_SEG_ES, destination(e), &e->regs->rax, e->size);
}

static enum npt_emul_end lods(struct npt_emul *e)
{
	enum npt_emul_end end;
	u64 value = 0;

	end = npt_emul_read(e, e->insn.seg, source(e), &value, e->size);
	if (!end)
		npt_emul_set(e, NPT_RAX, e->size, value);
	return end;
}

static enum npt_emul_end scas(struct npt_emul *e)
{
	enum npt_emul_end end;
	u64 value = 0;

	end = npt_emul_read(e, NPT_SEG_ES, destination(e), &value, e->size);
	if (!end)
		npt_alu(NPT_ALU_CMP, e->regs->rax, value, e->size, &e->regs->rflags);
	return end;
}

static const struct string {
	enum npt_emul_end (*fn)(struct npt_emul *e);
	u8 moves;
	bool compares;	/* REPE and REPNE look at ZF */
} strings[] = {
	/* by opcode, from A4 on, in pairs */
	{ movs, SI | DI },
	{ cmps, SI | DI, true },
	{ NULL },		/* TEST */
	{ stos, DI },
	{ lods, SI },
	{ scas, DI, true },
};

/* Another element? */
static bool goes_on(const struct npt_emul *e, const struct string *s)
{
	bool equal = e->regs->rflags & X86_EFLAGS_ZF;

	if (!npt_emul_address(e, NPT_RCX, e->insn.asize))
		return false;
	return !s->compares || equal == (e->insn.rep == 0xf3);
}

enum npt_emul_end npt_emul_string(struct npt_emul *e)
{
	const struct string *s = &strings[(e->insn.opcode - 0xa4) / 2];
	s64 by = e->regs->rflags & X86_EFLAGS_DF ? -(s64)e->size : e->size;
	u32 asize = e->insn.asize;
	enum npt_emul_end end;

	if (e->insn.rep && !npt_emul_address(e, NPT_RCX, asize))
		return npt_emul_finish(e);
	end = s->fn(e);
	if (end)
		return end;
	if (s->moves & SI)
		npt_emul_advance(e, NPT_RSI, asize, by);
	if (s->moves & DI)
		npt_emul_advance(e, NPT_RDI, asize, by);
	if (!e->insn.rep)
		return npt_emul_finish(e);
	npt_emul_advance(e, NPT_RCX, asize, -1);
	return goes_on(e, s) ? NPT_EMUL_AGAIN : npt_emul_finish(e);
}
