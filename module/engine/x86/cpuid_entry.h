/* SPDX-License-Identifier: GPL-2.0 */
/* What both halves of CPUID, offered and given, know of its entries. */
#ifndef NPT_CPUID_ENTRY_H
#define NPT_CPUID_ENTRY_H

#include "cpuid.h"

enum npt_cpuid_reg { EAX, EBX, ECX, EDX };

/* Where the features of enum npt_feature are told. */
struct npt_cpuid_feature {
	u32 leaf, index;
	enum npt_cpuid_reg reg;
	u8 bit;
};

extern const struct npt_cpuid_feature npt_cpuid_at[NPT_NR_FEATURES];

static inline u32 *npt_reg_of(struct kvm_cpuid_entry2 *e, enum npt_cpuid_reg reg)
{
	switch (reg) {
	case EAX: return &e->eax;
	case EBX: return &e->ebx;
	case ECX: return &e->ecx;
	default: return &e->edx;
	}
}

/* Bytes that XSAVE needs for the components @xcr0 (APM vol. 3, leaf Dh). */
u32 npt_xsave_size(u64 xcr0, bool compact);

#endif /* NPT_CPUID_ENTRY_H */
