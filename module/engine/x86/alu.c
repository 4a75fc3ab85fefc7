// SPDX-License-Identifier: GPL-2.0
/* Results and flags (SDM vol. 1, 3.4.3.1 and vol. 2, each instruction's "Flags affected"). */
#include <asm/processor-flags.h>
#include "alu.h"

#define ARITHMETIC (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
		    X86_EFLAGS_SF | X86_EFLAGS_OF)

static u64 top_bit(u32 size)
{
	return 1ULL << (8 * size - 1);
}

/* Flags of a result alone. */
static u64 result_flags(u64 r, u32 size)
{
	u64 f = 0;

	if (!(r & npt_size_mask(size)))
		f |= X86_EFLAGS_ZF;
	if (r & top_bit(size))
		f |= X86_EFLAGS_SF;
	if (!(hweight8(r & 0xff) & 1))
		f |= X86_EFLAGS_PF;
	return f;
}

/* @carries: out of each bit (or borrows); overflow is where the last two differ. */
static u64 carry_flags(u64 carries, u32 size)
{
	u64 f = 0;

	if (carries & top_bit(size))
		f |= X86_EFLAGS_CF;
	if (carries & 8)
		f |= X86_EFLAGS_AF;
	if ((carries ^ carries << 1) & top_bit(size))
		f |= X86_EFLAGS_OF;
	return f;
}

static u64 add(u64 a, u64 b, u64 carry, u32 size, u64 *f)
{
	u64 r = a + b + carry;

	*f = carry_flags((a & b) | ((a | b) & ~r), size) | result_flags(r, size);
	return r;
}

static u64 sub(u64 a, u64 b, u64 borrow, u32 size, u64 *f)
{
	u64 r = a - b - borrow;

	*f = carry_flags((~a & b) | ((~a | b) & r), size) | result_flags(r, size);
	return r;
}

static u64 bit_op(enum npt_alu fn, u64 a, u64 bit, u64 *f)
{
	u64 mask = 1ULL << bit;

	*f = a & mask ? X86_EFLAGS_CF : 0;
	switch (fn) {
	case NPT_ALU_BTS:
		return a | mask;
	case NPT_ALU_BTR:
		return a & ~mask;
	case NPT_ALU_BTC:
		return a ^ mask;
	default:
		return a;
	}
}

/* One bit at a time: the carry takes part. Returns the new value, *carry the new flag. */
static u64 rotate(enum npt_alu fn, u64 a, u32 size, bool *carry)
{
	u64 top = top_bit(size), in, out;

	if (fn == NPT_ALU_ROL || fn == NPT_ALU_RCL) {
		out = !!(a & top);
		in = fn == NPT_ALU_ROL ? out : *carry;
		a = (a << 1 | in) & npt_size_mask(size);
	} else {
		out = a & 1;
		in = fn == NPT_ALU_ROR ? out : *carry;
		a = a >> 1 | (in ? top : 0);
	}
	*carry = out;
	return a;
}

static u64 shift_once(enum npt_alu fn, u64 a, u32 size, bool *carry)
{
	u64 top = top_bit(size);

	if (fn == NPT_ALU_SHL || fn == NPT_ALU_SAL) {
		*carry = a & top;
		return (a << 1) & npt_size_mask(size);
	}
	*carry = a & 1;
	return a >> 1 | (fn == NPT_ALU_SAR ? a & top : 0);
}

/*
 * SDM vol. 2B, RCL and SAL. The overflow flag is defined for single steps only;
 * what it gets for more is what the last step gives. *set: flags that change.
 */
static u64 shift(enum npt_alu fn, u64 a, u32 count, u32 size, u64 flags, u64 *f, u64 *set)
{
	bool carry = flags & X86_EFLAGS_CF, of;
	u64 top = top_bit(size), before = a;
	u32 i;

	count &= size == 8 ? 63 : 31;
	*set = 0;
	*f = 0;
	if (!count)
		return a;
	for (i = 0; i < count; i++) {
		before = a;
		a = fn < NPT_ALU_SHL ? rotate(fn, a, size, &carry) :
				       shift_once(fn, a, size, &carry);
	}
	/* Has the sign changed? That is also what the definitions for each come to. */
	of = (a ^ before) & top;
	*set = X86_EFLAGS_CF | X86_EFLAGS_OF;
	if (fn >= NPT_ALU_SHL) {
		*set = ARITHMETIC & ~X86_EFLAGS_AF;
		*f = result_flags(a, size);
	}
	*f |= (carry ? X86_EFLAGS_CF : 0) | (of ? X86_EFLAGS_OF : 0);
	return a;
}

u64 npt_alu(enum npt_alu fn, u64 a, u64 b, u32 size, u64 *flags)
{
	u64 f, r, set = ARITHMETIC, carry = *flags & X86_EFLAGS_CF;

	a &= npt_size_mask(size);
	b &= npt_size_mask(size);
	switch (fn) {
	case NPT_ALU_ADD:
		r = add(a, b, 0, size, &f);
		break;
	case NPT_ALU_ADC:
		r = add(a, b, carry, size, &f);
		break;
	case NPT_ALU_SUB:
		r = sub(a, b, 0, size, &f);
		break;
	case NPT_ALU_SBB:
		r = sub(a, b, carry, size, &f);
		break;
	case NPT_ALU_CMP:
		sub(a, b, 0, size, &f);
		r = a;
		break;
	case NPT_ALU_NEG:
		r = sub(0, a, 0, size, &f);
		break;
	case NPT_ALU_INC:
		r = add(a, 1, 0, size, &f);
		set &= ~X86_EFLAGS_CF;
		break;
	case NPT_ALU_DEC:
		r = sub(a, 1, 0, size, &f);
		set &= ~X86_EFLAGS_CF;
		break;
	case NPT_ALU_OR:
		r = a | b;
		f = result_flags(r, size);
		break;
	case NPT_ALU_AND:
		r = a & b;
		f = result_flags(r, size);
		break;
	case NPT_ALU_XOR:
		r = a ^ b;
		f = result_flags(r, size);
		break;
	case NPT_ALU_TEST:
		f = result_flags(a & b, size);
		r = a;
		break;
	case NPT_ALU_NOT:
		return ~a & npt_size_mask(size);
	case NPT_ALU_XCHG:
		return b;
	case NPT_ALU_BT ... NPT_ALU_BTC:
		r = bit_op(fn, a, b, &f);
		set = X86_EFLAGS_CF;
		break;
	default:
		r = shift(fn, a, b, size, *flags, &f, &set);
	}
	*flags = (*flags & ~set) | (f & set);
	return r & npt_size_mask(size);
}

bool npt_condition(u8 cc, u64 flags)
{
	bool sf = flags & X86_EFLAGS_SF, of = flags & X86_EFLAGS_OF, r;

	switch ((cc >> 1) & 7) {
	case 0:
		r = of;
		break;
	case 1:
		r = flags & X86_EFLAGS_CF;
		break;
	case 2:
		r = flags & X86_EFLAGS_ZF;
		break;
	case 3:
		r = flags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		r = sf;
		break;
	case 5:
		r = flags & X86_EFLAGS_PF;
		break;
	case 6:
		r = sf != of;
		break;
	default:
		r = sf != of || (flags & X86_EFLAGS_ZF);
	}
	return r != (cc & 1);
}
