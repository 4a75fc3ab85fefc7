/* SPDX-License-Identifier: GPL-2.0 */
/* Arithmetic of x86 instructions with its flags, exact for all that the manual defines. */
#ifndef NPT_ALU_H
#define NPT_ALU_H

#include "mmu/platform.h"

enum npt_alu {
	/* in the order of the opcodes 00-3F and of group 1 */
	NPT_ALU_ADD, NPT_ALU_OR, NPT_ALU_ADC, NPT_ALU_SBB,
	NPT_ALU_AND, NPT_ALU_SUB, NPT_ALU_XOR, NPT_ALU_CMP,

	NPT_ALU_INC, NPT_ALU_DEC, NPT_ALU_NOT, NPT_ALU_NEG,
	NPT_ALU_XCHG,		/* gives the second operand, no flags */
	NPT_ALU_TEST,
	/* in the order of group 8; the second operand is the number of the bit */
	NPT_ALU_BT, NPT_ALU_BTS, NPT_ALU_BTR, NPT_ALU_BTC,
	/* in the order of group 2; the second operand is the count, as it stands in CL */
	NPT_ALU_ROL, NPT_ALU_ROR, NPT_ALU_RCL, NPT_ALU_RCR,
	NPT_ALU_SHL, NPT_ALU_SHR, NPT_ALU_SAL, NPT_ALU_SAR,
};

static inline u64 npt_size_mask(u32 size)
{
	return size == 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

/*
 * @a is the destination's old value. Returns the new one (of CMP, TEST, BT: the
 * old one), and changes those bits of *@flags (RFLAGS) that the instruction
 * sets. Flags that it leaves undefined are as most processors have them.
 */
u64 npt_alu(enum npt_alu fn, u64 a, u64 b, u32 size, u64 *flags);

/* Does condition @cc (the low four bits of Jcc, SETcc, CMOVcc) hold? */
bool npt_condition(u8 cc, u64 flags);

#endif /* NPT_ALU_H */
