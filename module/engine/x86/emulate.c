// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions, one function for each shape: what they read, what they make
 * of it, where it goes. Registers and flags change last, when nothing can
 * fault any more, so that an instruction may be begun again at any time.
 */
#include <asm/processor-flags.h>
#include "alu.h"
#include "execute.h"

/* Tries of a locked operation before the guest is let run on and try by itself. */
#define MAX_TRIES 100

enum npt_cpu_mode npt_emul_mode(const struct kvm_sregs *sregs, bool long_mode)
{
	if (long_mode && sregs->cs.l)
		return NPT_MODE_64;
	/* In real mode too: D may be left over from protected mode. */
	return sregs->cs.db ? NPT_MODE_32 : NPT_MODE_16;
}

enum npt_emul_end npt_emul_finish(struct npt_emul *e)
{
	u64 rip = e->regs->rip + e->insn.len;

	e->regs->rip = e->mode == NPT_MODE_64 ? rip : (u32)rip;
	e->regs->rflags &= ~(u64)X86_EFLAGS_RF;
	return NPT_EMUL_DONE;
}

/* --- the memory operand ------------------------------------------------- */

static enum npt_emul_end load(struct npt_emul *e, u64 *value, u32 size)
{
	*value = 0;
	return npt_emul_read(e, e->insn.seg, npt_emul_offset(e, 0), value, size);
}

static enum npt_emul_end store(struct npt_emul *e, u64 value, u32 size)
{
	return npt_emul_write(e, e->insn.seg, npt_emul_offset(e, 0), &value, size);
}

/*
 * Read, compute, write back; *old gets what was there. Of the operand and what
 * lies @add bytes behind it.
 */
static enum npt_emul_end modify(struct npt_emul *e, enum npt_alu fn, u64 b, s64 add, bool locked,
				u64 *old)
{
	struct npt_place place;
	enum npt_emul_end end;
	u64 flags, new;
	u32 tries = 0;

	end = npt_place_find(e, e->insn.seg, npt_emul_offset(e, add), e->size, &place);
	if (end)
		return end;
	do {
		*old = 0;
		end = npt_place_read(e, &place, old);
		if (end)
			return end;
		flags = e->regs->rflags;
		new = npt_alu(fn, *old, b, e->size, &flags);
		end = npt_place_write(e, &place, old, &new, locked);
	} while (end == NPT_EMUL_RETRY && ++tries < MAX_TRIES);
	if (!end)
		e->regs->rflags = flags;
	return end;
}

static enum npt_emul_end modify_operand(struct npt_emul *e, enum npt_alu fn, u64 b)
{
	enum npt_emul_end end;
	u64 old;

	end = modify(e, fn, b, 0, e->insn.lock, &old);
	return end ? end : npt_emul_finish(e);
}

/* CMP, TEST, BT: flags alone. */
static enum npt_emul_end inspect(struct npt_emul *e, enum npt_alu fn, u64 b, s64 add)
{
	enum npt_emul_end end;
	u64 a = 0;

	if (e->insn.lock)
		return npt_emul_raise(e, NPT_UD_VECTOR, false);
	end = npt_emul_read(e, e->insn.seg, npt_emul_offset(e, add), &a, e->size);
	if (end)
		return end;
	npt_alu(fn, a, b, e->size, &e->regs->rflags);
	return npt_emul_finish(e);
}

/* --- arithmetic --------------------------------------------------------- */

/* 00-3F: ALU r/m, reg and ALU reg, r/m */
static enum npt_emul_end op_alu(struct npt_emul *e)
{
	enum npt_alu fn = (e->insn.opcode >> 3) & 7;
	u64 reg = npt_emul_get(e, e->insn.reg, e->size), value;
	enum npt_emul_end end;

	if (!(e->insn.opcode & 2))
		return fn == NPT_ALU_CMP ? inspect(e, fn, reg, 0) : modify_operand(e, fn, reg);
	if (e->insn.lock)
		return npt_emul_raise(e, NPT_UD_VECTOR, false);
	end = load(e, &value, e->size);
	if (end)
		return end;
	value = npt_alu(fn, reg, value, e->size, &e->regs->rflags);
	if (fn != NPT_ALU_CMP)
		npt_emul_set(e, e->insn.reg, e->size, value);
	return npt_emul_finish(e);
}

/* 80-83: ALU r/m, immediate */
static enum npt_emul_end op_group1(struct npt_emul *e)
{
	enum npt_alu fn = e->insn.reg & 7;

	if (fn == NPT_ALU_CMP)
		return inspect(e, fn, e->insn.imm, 0);
	return modify_operand(e, fn, e->insn.imm);
}

/* C0, C1, D0-D3: by an immediate, by 1, by CL */
static enum npt_emul_end op_group2(struct npt_emul *e)
{
	u64 count = 1;

	if (e->insn.imm_size)
		count = e->insn.imm;
	else if (e->insn.opcode & 2)
		count = e->regs->rcx;
	return modify_operand(e, NPT_ALU_ROL + (e->insn.reg & 7), count & 0xff);
}

/* F6, F7: TEST, NOT, NEG */
static enum npt_emul_end op_group3(struct npt_emul *e)
{
	switch (e->insn.reg & 7) {
	case 0:
	case 1:
		return inspect(e, NPT_ALU_TEST, e->insn.imm, 0);
	case 2:
		return modify_operand(e, NPT_ALU_NOT, 0);
	case 3:
		return modify_operand(e, NPT_ALU_NEG, 0);
	}
	return NPT_EMUL_UNKNOWN;
}

static enum npt_emul_end op_test(struct npt_emul *e)
{
	return inspect(e, NPT_ALU_TEST, npt_emul_get(e, e->insn.reg, e->size), 0);
}

/* A3, AB, B3, BB behind 0F: the bit's number may lead out of the operand. */
static enum npt_emul_end op_bit(struct npt_emul *e)
{
	enum npt_alu fn = NPT_ALU_BT + ((e->insn.opcode >> 3) & 3);
	u32 bits = 8 * e->size, unused = 64 - bits;
	s64 bit = (s64)(npt_emul_get(e, e->insn.reg, e->size) << unused) >> unused;
	s64 add = (bit & ~(s64)(bits - 1)) / 8;
	enum npt_emul_end end;
	u64 old;

	bit &= bits - 1;
	if (fn == NPT_ALU_BT)
		return inspect(e, fn, bit, add);
	end = modify(e, fn, bit, add, e->insn.lock, &old);
	return end ? end : npt_emul_finish(e);
}

/* 0F BA: the same with an immediate, which does not */
static enum npt_emul_end op_group8(struct npt_emul *e)
{
	enum npt_alu fn = NPT_ALU_BT + (e->insn.reg & 3);
	u64 bit = e->insn.imm & (8 * e->size - 1);

	if (!(e->insn.reg & 4))
		return NPT_EMUL_UNKNOWN;
	if (fn == NPT_ALU_BT)
		return inspect(e, fn, bit, 0);
	return modify_operand(e, fn, bit);
}

/* --- exchanges ---------------------------------------------------------- */

static enum npt_emul_end op_xchg(struct npt_emul *e)
{
	u8 reg = e->insn.reg;
	enum npt_emul_end end;
	u64 old;

	/* Always locked (SDM vol. 3A, 8.1.2.1). */
	end = modify(e, NPT_ALU_XCHG, npt_emul_get(e, reg, e->size), 0, true, &old);
	if (end)
		return end;
	npt_emul_set(e, reg, e->size, old);
	return npt_emul_finish(e);
}

static enum npt_emul_end op_xadd(struct npt_emul *e)
{
	u8 reg = e->insn.reg;
	enum npt_emul_end end;
	u64 old;

	end = modify(e, NPT_ALU_ADD, npt_emul_get(e, reg, e->size), 0, e->insn.lock, &old);
	if (end)
		return end;
	npt_emul_set(e, reg, e->size, old);
	return npt_emul_finish(e);
}

/*
 * Compare @want with memory, of @size bytes; write @with if they are equal,
 * else what is there, as the processor does; @old gets that.
 */
static enum npt_emul_end compare_exchange(struct npt_emul *e, const void *want, const void *with,
					  void *old, u32 size)
{
	struct npt_place place;
	enum npt_emul_end end;
	u32 tries = 0;

	end = npt_place_find(e, e->insn.seg, npt_emul_offset(e, 0), size, &place);
	if (end)
		return end;
	do {
		end = npt_place_read(e, &place, old);
		if (end)
			return end;
		end = npt_place_write(e, &place, old, memcmp(old, want, size) ? old : with,
				      e->insn.lock);
	} while (end == NPT_EMUL_RETRY && ++tries < MAX_TRIES);
	return end;
}

static enum npt_emul_end op_cmpxchg(struct npt_emul *e)
{
	u64 acc = npt_emul_get(e, NPT_RAX, e->size), old = 0;
	u64 with = npt_emul_get(e, e->insn.reg, e->size);
	enum npt_emul_end end;

	end = compare_exchange(e, &acc, &with, &old, e->size);
	if (end)
		return end;
	npt_alu(NPT_ALU_CMP, acc, old, e->size, &e->regs->rflags);
	if (acc != old)
		npt_emul_set(e, NPT_RAX, e->size, old);
	return npt_emul_finish(e);
}

/* CMPXCHG8B and 16B: pairs of registers, which lie in memory one behind the other. */
static enum npt_emul_end op_group9(struct npt_emul *e)
{
	u32 half = e->insn.osize == 8 ? 8 : 4;
	u64 want[2] = { 0 }, with[2] = { 0 }, old[2] = { 0 };
	u8 *w = (u8 *)want, *v = (u8 *)with, *o = (u8 *)old;
	struct kvm_regs *regs = e->regs;
	enum npt_emul_end end;
	u64 lin;

	if ((e->insn.reg & 7) != 1)
		return NPT_EMUL_UNKNOWN;
	if (half == 8) {
		/* The address counts, with the segment's base, not the offset (APM vol. 3). */
		end = npt_emul_linear(e, e->insn.seg, npt_emul_offset(e, 0), 16, true, &lin);
		if (end)
			return end;
		if (lin & 15)
			return npt_emul_raise(e, NPT_GP_VECTOR, true);
	}
	memcpy(w, &regs->rax, half);
	memcpy(w + half, &regs->rdx, half);
	memcpy(v, &regs->rbx, half);
	memcpy(v + half, &regs->rcx, half);
	end = compare_exchange(e, want, with, old, 2 * half);
	if (end)
		return end;
	regs->rflags &= ~(u64)X86_EFLAGS_ZF;
	if (!memcmp(old, want, 2 * half)) {
		regs->rflags |= X86_EFLAGS_ZF;
	} else {
		regs->rax = 0;
		regs->rdx = 0;
		memcpy(&regs->rax, o, half);
		memcpy(&regs->rdx, o + half, half);
	}
	return npt_emul_finish(e);
}

/* --- moves -------------------------------------------------------------- */

/* 88, 89 */
static enum npt_emul_end op_store(struct npt_emul *e)
{
	enum npt_emul_end end = store(e, npt_emul_get(e, e->insn.reg, e->size), e->size);

	return end ? end : npt_emul_finish(e);
}

/* MOVNTI: no 16-bit form */
static enum npt_emul_end op_movnti(struct npt_emul *e)
{
	e->size = max_t(u8, e->size, 4);
	return op_store(e);
}

/* 8A, 8B */
static enum npt_emul_end op_load(struct npt_emul *e)
{
	enum npt_emul_end end;
	u64 value;

	end = load(e, &value, e->size);
	if (end)
		return end;
	npt_emul_set(e, e->insn.reg, e->size, value);
	return npt_emul_finish(e);
}

/* C6, C7 */
static enum npt_emul_end op_store_imm(struct npt_emul *e)
{
	enum npt_emul_end end;

	if (e->insn.reg & 7)
		return NPT_EMUL_UNKNOWN;
	end = store(e, e->insn.imm, e->size);
	return end ? end : npt_emul_finish(e);
}

/* A0-A3: between the accumulator and an address in the instruction */
static enum npt_emul_end op_moffs(struct npt_emul *e)
{
	e->insn.reg = NPT_RAX;
	return e->insn.opcode & 2 ? op_store(e) : op_load(e);
}

/* 8C: two bytes in memory, whatever the operand size */
static enum npt_emul_end op_store_seg(struct npt_emul *e)
{
	const struct kvm_segment *seg[NPT_SEG_NR] = {
		&e->sregs->es, &e->sregs->cs, &e->sregs->ss,
		&e->sregs->ds, &e->sregs->fs, &e->sregs->gs,
	};
	enum npt_emul_end end;

	if ((e->insn.reg & 7) >= NPT_SEG_NR)
		return npt_emul_raise(e, NPT_UD_VECTOR, false);
	end = store(e, seg[e->insn.reg & 7]->selector, 2);
	return end ? end : npt_emul_finish(e);
}

/* A smaller operand into a register: MOVZX, MOVSX, MOVSXD */
static enum npt_emul_end extend(struct npt_emul *e, u32 from, bool sign)
{
	u32 unused = 64 - 8 * from;
	enum npt_emul_end end;
	u64 value;

	end = load(e, &value, from);
	if (end)
		return end;
	if (sign)
		value = (u64)((s64)(value << unused) >> unused);
	npt_emul_set(e, e->insn.reg, e->insn.osize, value);
	return npt_emul_finish(e);
}

/* B6, B7, BE, BF behind 0F */
static enum npt_emul_end op_extend(struct npt_emul *e)
{
	return extend(e, e->insn.opcode & 1 ? 2 : 1, e->insn.opcode & 8);
}

/* 63, in 64-bit mode; elsewhere it is ARPL */
static enum npt_emul_end op_movsxd(struct npt_emul *e)
{
	if (e->mode != NPT_MODE_64)
		return NPT_EMUL_UNKNOWN;
	return extend(e, e->insn.osize == 2 ? 2 : 4, true);
}

/* The operand is read even if the condition is false, and a 32-bit register cleared above. */
static enum npt_emul_end op_cmov(struct npt_emul *e)
{
	enum npt_emul_end end;
	u64 value;

	end = load(e, &value, e->size);
	if (end)
		return end;
	if (!npt_condition(e->insn.opcode, e->regs->rflags))
		value = npt_emul_get(e, e->insn.reg, e->size);
	npt_emul_set(e, e->insn.reg, e->size, value);
	return npt_emul_finish(e);
}

static enum npt_emul_end op_setcc(struct npt_emul *e)
{
	enum npt_emul_end end;

	end = store(e, npt_condition(e->insn.opcode, e->regs->rflags), 1);
	return end ? end : npt_emul_finish(e);
}

static u64 swap_bytes(u64 v, u32 size)
{
	u64 r = 0;

	for (; size; size--, v >>= 8)
		r = r << 8 | (v & 0xff);
	return r;
}

/* 0F 38 F0 and F1: MOVBE; with F2 it is CRC32 */
static enum npt_emul_end op_movbe(struct npt_emul *e)
{
	u32 size = e->insn.osize;
	enum npt_emul_end end;
	u64 value;

	if (e->insn.rep)
		return NPT_EMUL_UNKNOWN;
	if (e->insn.opcode & 1) {
		end = store(e, swap_bytes(npt_emul_get(e, e->insn.reg, size), size), size);
		return end ? end : npt_emul_finish(e);
	}
	end = load(e, &value, size);
	if (end)
		return end;
	npt_emul_set(e, e->insn.reg, size, swap_bytes(value, size));
	return npt_emul_finish(e);
}

/* --- the stack ---------------------------------------------------------- */

static u32 stack_size(const struct npt_emul *e)
{
	if (e->mode == NPT_MODE_64)
		return 8;
	return e->sregs->ss.db ? 4 : 2;
}

static enum npt_emul_end push(struct npt_emul *e, u64 value)
{
	u32 width = stack_size(e), size = e->insn.osize;
	enum npt_emul_end end;
	u64 sp;

	sp = (npt_emul_address(e, NPT_RSP, width) - size) & npt_size_mask(width);
	end = npt_emul_write(e, NPT_SEG_SS, sp, &value, size);
	if (end)
		return end;
	npt_emul_advance(e, NPT_RSP, width, -(s64)size);
	return npt_emul_finish(e);
}

/* 50-57 */
static enum npt_emul_end op_push_reg(struct npt_emul *e)
{
	u8 n = (e->insn.opcode & 7) | (e->insn.rex & 1) << 3;

	return push(e, *npt_gpr(e->regs, n));
}

/* 68, 6A */
static enum npt_emul_end op_push_imm(struct npt_emul *e)
{
	return push(e, e->insn.imm);
}

static enum npt_emul_end pop(struct npt_emul *e, u64 *value)
{
	*value = 0;
	return npt_emul_read(e, NPT_SEG_SS, npt_emul_address(e, NPT_RSP, stack_size(e)), value,
			     e->insn.osize);
}

/* 58-5F */
static enum npt_emul_end op_pop_reg(struct npt_emul *e)
{
	u8 n = (e->insn.opcode & 7) | (e->insn.rex & 1) << 3;
	enum npt_emul_end end;
	u64 value;

	end = pop(e, &value);
	if (end)
		return end;
	npt_emul_advance(e, NPT_RSP, stack_size(e), e->insn.osize);
	npt_emul_set(e, n, e->insn.osize, value);
	return npt_emul_finish(e);
}

/* 8F: an address that uses RSP sees it already moved (SDM vol. 2B, POP). */
static enum npt_emul_end op_pop(struct npt_emul *e)
{
	u64 value, rsp = e->regs->rsp;
	enum npt_emul_end end;

	if (e->insn.reg & 7)
		return NPT_EMUL_UNKNOWN;
	end = pop(e, &value);
	if (end)
		return end;
	npt_emul_advance(e, NPT_RSP, stack_size(e), e->insn.osize);
	end = store(e, value, e->insn.osize);
	if (!end)
		return npt_emul_finish(e);
	e->regs->rsp = rsp;
	return end;
}

/* FE, FF: INC, DEC, PUSH */
static enum npt_emul_end op_group5(struct npt_emul *e)
{
	u8 fn = e->insn.reg & 7;
	enum npt_emul_end end;
	u64 value;

	if (fn < 2)
		return modify_operand(e, fn ? NPT_ALU_DEC : NPT_ALU_INC, 0);
	if (fn != 6 || e->size == 1)
		return NPT_EMUL_UNKNOWN;
	end = load(e, &value, e->insn.osize);
	return end ? end : push(e, value);
}

/* --- which is which ----------------------------------------------------- */

#define BYTE	1	/* even opcodes are of byte operands */
#define LOCK	2	/* LOCK is allowed */
#define NO_MEM	4	/* has no operand in ModRM: string instructions, the stack */
#define TWO_MEM	8	/* has one there and another one */

struct op {
	enum npt_emul_end (*fn)(struct npt_emul *e);
	u8 flags;
};

static const struct op one_byte[256] = {
	[0x00 ... 0x03] = { op_alu, BYTE | LOCK },
	[0x08 ... 0x0b] = { op_alu, BYTE | LOCK },
	[0x10 ... 0x13] = { op_alu, BYTE | LOCK },
	[0x18 ... 0x1b] = { op_alu, BYTE | LOCK },
	[0x20 ... 0x23] = { op_alu, BYTE | LOCK },
	[0x28 ... 0x2b] = { op_alu, BYTE | LOCK },
	[0x30 ... 0x33] = { op_alu, BYTE | LOCK },
	[0x38 ... 0x3b] = { op_alu, BYTE },
	[0x50 ... 0x57] = { op_push_reg, NO_MEM },
	[0x58 ... 0x5f] = { op_pop_reg, NO_MEM },
	[0x63] = { op_movsxd },
	[0x68] = { op_push_imm, NO_MEM },
	[0x6a] = { op_push_imm, NO_MEM },
	[0x80 ... 0x83] = { op_group1, BYTE | LOCK },
	[0x84 ... 0x85] = { op_test, BYTE },
	[0x86 ... 0x87] = { op_xchg, BYTE | LOCK },
	[0x88 ... 0x89] = { op_store, BYTE },
	[0x8a ... 0x8b] = { op_load, BYTE },
	[0x8c] = { op_store_seg },
	[0x8f] = { op_pop, TWO_MEM },
	[0xa0 ... 0xa3] = { op_moffs, BYTE },
	[0xa4 ... 0xa7] = { npt_emul_string, BYTE | NO_MEM },
	[0xaa ... 0xaf] = { npt_emul_string, BYTE | NO_MEM },
	[0xc0 ... 0xc1] = { op_group2, BYTE },
	[0xc6 ... 0xc7] = { op_store_imm, BYTE },
	[0xd0 ... 0xd3] = { op_group2, BYTE },
	[0xf6 ... 0xf7] = { op_group3, BYTE | LOCK },
	[0xfe ... 0xff] = { op_group5, BYTE | LOCK | TWO_MEM },
};

static const struct op two_byte[256] = {
	[0x10 ... 0x13] = { npt_emul_sse },
	[0x16 ... 0x17] = { npt_emul_sse },
	[0x28 ... 0x29] = { npt_emul_sse },
	[0x2b] = { npt_emul_sse },
	[0x40 ... 0x4f] = { op_cmov },
	[0x6e ... 0x6f] = { npt_emul_sse },
	[0x7e ... 0x7f] = { npt_emul_sse },
	[0x90 ... 0x9f] = { op_setcc },
	[0xa3] = { op_bit },
	[0xab] = { op_bit, LOCK },
	[0xb0 ... 0xb1] = { op_cmpxchg, BYTE | LOCK },
	[0xb3] = { op_bit, LOCK },
	[0xb6 ... 0xb7] = { op_extend },
	[0xba] = { op_group8, LOCK },
	[0xbb] = { op_bit, LOCK },
	[0xbe ... 0xbf] = { op_extend },
	[0xc0 ... 0xc1] = { op_xadd, BYTE | LOCK },
	[0xc3] = { op_movnti },
	[0xc7] = { op_group9, LOCK },
	[0xd6] = { npt_emul_sse },
	[0xe7] = { npt_emul_sse },
	[0xf0] = { npt_emul_sse },
};

static const struct op movbe = { op_movbe };

static const struct op *find_op(const struct npt_insn *insn)
{
	switch (insn->map) {
	case NPT_MAP_1BYTE:
		return &one_byte[insn->opcode];
	case NPT_MAP_0F:
		return &two_byte[insn->opcode];
	case NPT_MAP_0F38:
		return (insn->opcode & 0xfe) == 0xf0 ? &movbe : NULL;
	}
	return NULL;
}

enum npt_emul_end npt_emul_step(struct npt_emul *e)
{
	const struct op *op = find_op(&e->insn);

	if (!op || !op->fn || (!e->insn.mem && !(op->flags & NO_MEM)))
		return NPT_EMUL_UNKNOWN;
	if (e->insn.lock && !(op->flags & LOCK))
		return npt_emul_raise(e, NPT_UD_VECTOR, false);
	e->size = (op->flags & BYTE) && !(e->insn.opcode & 1) ? 1 : e->insn.osize;
	e->single = !(op->flags & (NO_MEM | TWO_MEM));
	return op->fn(e);
}
