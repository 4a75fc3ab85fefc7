/* SPDX-License-Identifier: GPL-2.0 */
/* Model-specific registers. */
#ifndef NPT_MSR_H
#define NPT_MSR_H

#include "npt.h"

struct npt_call;

/*
 * Read or write one. Registers are pulled, and mutex and cpu_lock are held.
 * @host: user space asks (KVM_GET_MSRS, KVM_SET_MSRS), which may see and set
 * what the guest may not. 0, or 1: no such register or value, #GP for a guest.
 */
int npt_msr_get(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host);
int npt_msr_set(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host);

/* Bits of EFER that user space may set: what this machine can do. */
u64 npt_machine_efer_bits(const struct npt_vcpu *vcpu);

/* What the guest reads by RDTSC now. */
u64 npt_guest_tsc(const struct npt_vcpu *vcpu);

/* What the host's TSC has fallen back by so far, and how often it may have. */
extern u64 npt_tsc_lost;
extern u32 npt_tsc_resumes;
/* Around suspend, on the one processor that is left, interrupts off. */
void npt_tsc_suspend(void);
void npt_tsc_resume(void);

/* MSRs as after RESET. INIT leaves them, but for DEBUGCTL. */
void npt_msr_reset(struct npt_vcpu *vcpu, bool init);

/* A VM comes: its time starts now. */
void npt_tsc_start(struct npt_vm *vm);

/* Handlers of calls. */
long npt_get_tsc_khz(struct npt_call *call);
long npt_set_tsc_khz(struct npt_call *call);
long npt_dev_get_msr_index_list(struct npt_call *call);
long npt_dev_get_msr_feature_index_list(struct npt_call *call);
long npt_dev_get_msrs(struct npt_call *call);
long npt_vcpu_get_msrs(struct npt_call *call);
long npt_vcpu_set_msrs(struct npt_call *call);

#endif /* NPT_MSR_H */
