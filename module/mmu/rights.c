// SPDX-License-Identifier: GPL-2.0
/* What a translation permits, and how the processor says that it does not. */
#include "rights.h"

bool npt_pkey_denies(const struct npt_cpu *cpu, u64 rights, unsigned int key, u8 op, bool user)
{
	u32 bits = cpu->regs.pkru >> (2 * key);

	if (!cpu->pke || op == NPT_OP_FETCH || !(rights & NPT_TLBV_U))
		return false;
	if (bits & 1)
		return true;
	return op == NPT_OP_WRITE && (bits & 2) && (user || cpu->regs.cr0 & NPT_CR0_WP);
}

/* SDM vol. 3A, 4.6.1 */
u8 npt_check_rights(const struct npt_cpu *cpu, u64 rights, u8 op, bool user, bool wp)
{
	const struct npt_regs *r = &cpu->regs;

	if (user && !(rights & NPT_TLBV_U))
		return NPT_VERDICT_USER;
	if (op == NPT_OP_FETCH) {
		if (!(rights & NPT_TLBV_X))
			return NPT_VERDICT_NX;
		if (!user && (rights & NPT_TLBV_U) && (r->cr4 & NPT_CR4_SMEP) && cpu->fmt)
			return NPT_VERDICT_SMEP;
		return 0;
	}
	if (op == NPT_OP_WRITE && !(rights & NPT_TLBV_W) && (user || wp))
		return NPT_VERDICT_WRITE;
	if (!user && (rights & NPT_TLBV_U) && (r->cr4 & NPT_CR4_SMAP) && !r->ac && cpu->fmt)
		return NPT_VERDICT_SMAP;
	return 0;
}

u32 npt_walk_error_code(const struct npt_walker *w)
{
	const struct npt_regs *r = &w->cpu->regs;
	u32 ec = 0;

	if (w->verdict != NPT_VERDICT_NOT_PRESENT)
		ec |= BIT(0);
	if (w->op == NPT_OP_WRITE)
		ec |= BIT(1);
	if (w->user)
		ec |= BIT(2);
	if (w->verdict == NPT_VERDICT_RESERVED)
		ec |= BIT(3);
	if (w->op == NPT_OP_FETCH &&
	    ((r->cr4 & NPT_CR4_PAE && r->efer & NPT_EFER_NX) || r->cr4 & NPT_CR4_SMEP))
		ec |= BIT(4);
	if (w->pkey_denied)
		ec |= BIT(5);
	return ec;
}
