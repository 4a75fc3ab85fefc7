/* SPDX-License-Identifier: GPL-2.0 */
/* Exceptions that wait for the guest, and the calls that get and set a vCPU's state. */
#ifndef NPT_STATE_H
#define NPT_STATE_H

#include "npt.h"

struct npt_call;

/*
 * Raise an exception. What already waits or is being delivered combines with
 * it to #DF, and beyond that to a triple fault, NPT_REQ_TRIPLE_FAULT (APM
 * vol. 2, 8.2.9). The vCPU's own thread, registers pulled or not.
 */
void npt_queue_exception(struct npt_vcpu *vcpu, u8 vector);
void npt_queue_exception_error(struct npt_vcpu *vcpu, u8 vector, u32 error);
void npt_queue_pf(struct npt_vcpu *vcpu, u32 error, u64 cr2);
/* #DB; @dr6: the bits to set there. */
void npt_queue_db(struct npt_vcpu *vcpu, u64 dr6);
/*
 * The pending exception is about to be delivered: CR2 or DR6 get what came
 * with it. Registers pulled.
 */
void npt_exception_payload(struct npt_vcpu *vcpu);

/* Does user space step through the guest, and whose breakpoints are in force? */
static inline bool npt_host_steps(const struct npt_vcpu *vcpu)
{
	return vcpu->x86.guest_debug_control & KVM_GUESTDBG_SINGLESTEP;
}

static inline const struct npt_debug *npt_debug_in_force(const struct npt_vcpu *vcpu)
{
	if (vcpu->x86.guest_debug_control & KVM_GUESTDBG_USE_HW_BP)
		return &vcpu->x86.guest_debug_regs;
	return &vcpu->x86.debug;
}

/* Would a processor take this for APIC_BASE? */
bool npt_apic_base_valid(const struct npt_vcpu *vcpu, u64 value);

/*
 * KVM_CAP_SYNC_REGS: before a run, check what user space asks for in the run
 * page and take the registers that it changed there (-EINVAL); after it, store
 * those it wants to see. Under mutex, without cpu_lock.
 */
int npt_sync_regs_load(struct npt_vcpu *vcpu);
void npt_sync_regs_store(struct npt_vcpu *vcpu);

/* KVM_SET_SIGNAL_MASK's mask is the thread's during a run. */
void npt_sigmask_enter(struct npt_vcpu *vcpu);
void npt_sigmask_leave(struct npt_vcpu *vcpu);

/* Handlers of calls. */
long npt_vcpu_get_regs(struct npt_call *call);
long npt_vcpu_set_regs(struct npt_call *call);
long npt_vcpu_get_sregs(struct npt_call *call);
long npt_vcpu_set_sregs(struct npt_call *call);
long npt_vcpu_get_events(struct npt_call *call);
long npt_vcpu_set_events(struct npt_call *call);
long npt_vcpu_get_debugregs(struct npt_call *call);
long npt_vcpu_set_debugregs(struct npt_call *call);
long npt_vcpu_set_guest_debug(struct npt_call *call);
long npt_vcpu_get_sregs2(struct npt_call *call);
long npt_vcpu_set_sregs2(struct npt_call *call);
long npt_vcpu_set_signal_mask(struct npt_call *call);

#endif /* NPT_STATE_H */
