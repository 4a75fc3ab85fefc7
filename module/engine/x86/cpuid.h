/* SPDX-License-Identifier: GPL-2.0 */
/* CPUID: what can be offered to a guest, what it was given, what it sees. */
#ifndef NPT_CPUID_H
#define NPT_CPUID_H

#include "npt.h"

struct npt_call;

/* Features that the module itself must know of; bits of npt_x86.features. */
enum npt_feature {
	NPT_F_PCID,
	NPT_F_X2APIC,
	NPT_F_TSC_DEADLINE,
	NPT_F_XSAVE,
	NPT_F_FSGSBASE,
	NPT_F_TSC_ADJUST,
	NPT_F_SMEP,
	NPT_F_INVPCID,
	NPT_F_SMAP,
	NPT_F_UMIP,
	NPT_F_PKU,
	NPT_F_LA57,
	NPT_F_RDPID,
	NPT_F_SPEC_CTRL,
	NPT_F_STIBP,
	NPT_F_SSBD,
	NPT_F_XSAVES,
	NPT_F_NX,
	NPT_F_FXSR_OPT,
	NPT_F_GBPAGES,
	NPT_F_RDTSCP,
	NPT_F_LM,
	NPT_F_AMD_IBPB,
	NPT_F_AMD_IBRS,
	NPT_F_AMD_STIBP,
	NPT_F_AMD_SSBD,
	NPT_F_AMD_PSFD,
	NPT_F_AUTO_IBRS,
	NPT_NR_FEATURES,
};

/* Was the guest given that feature? False for all before KVM_SET_CPUID2. */
static inline bool npt_guest_has(const struct npt_vcpu *vcpu, enum npt_feature f)
{
	return vcpu->x86.features & BIT_ULL(f);
}

/* All features that a guest in this mode could be given here, BIT(enum npt_feature). */
u64 npt_cpuid_offers(bool shadow);

/* Width of physical addresses that the processor's walks of a guest's tables know. */
u8 npt_machine_maxphyaddr(bool shadow);

/* Width of the guest's physical addresses; without CPUID, what the VM can do. */
u8 npt_guest_maxphyaddr(const struct npt_vcpu *vcpu);

/* Family, model and stepping: what EDX holds after RESET and INIT (SDM vol. 3A, 10.1.2). */
u32 npt_guest_signature(const struct npt_vcpu *vcpu);

/* Bits of CR4 that this guest may set; without CPUID, all that the module can do. */
u64 npt_guest_cr4_bits(const struct npt_vcpu *vcpu);

/* State components that this guest may switch on in XCR0. */
u64 npt_guest_xcr0_bits(const struct npt_vcpu *vcpu);

/*
 * The CPUID instruction: leaf in *eax, subleaf in *ecx. Features that follow
 * control registers are given as these stand now. Needs vcpu->cpu.regs alone.
 */
void npt_cpuid(struct npt_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);

/*
 * Everything that a VM made with the module's defaults can be given: at most
 * @max entries, *n how many. -E2BIG.
 */
int npt_cpuid_supported(struct kvm_cpuid_entry2 *ent, u32 max, u32 *n);

/* Handlers of calls. */
long npt_dev_get_supported_cpuid(struct npt_call *call);
long npt_dev_get_emulated_cpuid(struct npt_call *call);
long npt_vcpu_set_cpuid2(struct npt_call *call);
long npt_vcpu_get_cpuid2(struct npt_call *call);

#endif /* NPT_CPUID_H */
