/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC that KVM_CREATE_IRQCHIP or KVM_CAP_SPLIT_IRQCHIP gives each
 * vCPU: apic.h's registers with a lock, a timer and a vCPU to kick.
 *
 * "Own thread" is the vCPU's, under vcpu->mutex. What says so works without a
 * local APIC too, as it does on a processor that has none.
 */
#ifndef NPT_LAPIC_H
#define NPT_LAPIC_H

#include "apic.h"
#include "npt.h"

/* The first of the MSRs that x2APIC mode has in the place of the page. */
#define NPT_X2APIC_MSR 0x800

/* Before the vCPU can be found, and after. -ENOMEM. */
int npt_lapic_create(struct npt_vcpu *vcpu);
void npt_lapic_destroy(struct npt_vcpu *vcpu);

/* --- own thread ----------------------------------------------------------- */

/*
 * A guest access to @gpa that no memslot backs: true if the local APIC has
 * taken it, within one page and at most 64 bytes.
 */
bool npt_lapic_mmio(struct npt_vcpu *vcpu, u64 gpa, bool write, void *data, u32 len);
/*
 * IA32_APIC_BASE, IA32_TSC_DEADLINE and 0x800-0x8ff: 0, or 1 for #GP. @host: user
 * space asks. Works without a local APIC.
 */
int npt_lapic_msr_read(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host);
int npt_lapic_msr_write(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host);
/*
 * IA32_APIC_BASE := @base: 0, or 1. Works without a local APIC. Bits that this
 * vCPU has not are for the caller to refuse.
 */
int npt_lapic_set_base(struct npt_vcpu *vcpu, u64 base, bool host);
/* CR8 is the upper half of TPR. Works without a local APIC. */
u8 npt_lapic_get_cr8(struct npt_vcpu *vcpu);
void npt_lapic_set_cr8(struct npt_vcpu *vcpu, u8 cr8);

/*
 * The vector to be delivered next (as far as the APIC is concerned: RFLAGS.IF is
 * not looked at), -1 if there is none. Also without a local APIC.
 */
int npt_lapic_pending(struct npt_vcpu *vcpu);
/* It is being delivered. */
void npt_lapic_ack(struct npt_vcpu *vcpu, u8 vector);
/* INIT, or the SIPI that it waits for, has come: npt_lapic_accept() will make something of it. */
bool npt_lapic_has_init_sipi(struct npt_vcpu *vcpu);
/*
 * Is there something that wakes the vCPU from HLT, or as one that waits for INIT
 * or SIPI? NMIs apart. vcpu->regs.rflags must be true.
 */
bool npt_lapic_has_events(struct npt_vcpu *vcpu);
/*
 * Carry out INIT and SIPI that have come. cpu_lock is held too. Registers and
 * x86.mp_state may be others afterwards.
 */
int npt_lapic_accept(struct npt_vcpu *vcpu);
/*
 * NPT_REQ_EOI_EXIT was set: true if kvm_run tells user space's IOAPIC of the end
 * of a level-triggered interrupt (KVM_EXIT_IOAPIC_EOI).
 */
bool npt_lapic_eoi_exit(struct npt_vcpu *vcpu);
/* Registers and timer as after INIT; what it was told to do stays. Nothing without one. */
void npt_lapic_reset(struct npt_vcpu *vcpu);
/* The guest's TSC was set: the TSC-deadline timer must see to it. */
void npt_lapic_tsc_moved(struct npt_vcpu *vcpu);

/* KVM_GET_LAPIC, KVM_SET_LAPIC. -EINVAL: none there, or another's ID. */
int npt_lapic_get_state(struct npt_vcpu *vcpu, struct kvm_lapic_state *s);
int npt_lapic_set_state(struct npt_vcpu *vcpu, const struct kvm_lapic_state *s);

/* Where SIPI starts a vCPU whose mp_state is set to KVM_MP_STATE_SIPI_RECEIVED. */
void npt_lapic_set_sipi_vector(struct npt_vcpu *vcpu, u8 vector);
/* KVM_SET_MP_STATE. -EINVAL. */
int npt_lapic_set_mp_state(struct npt_vcpu *vcpu, u32 state);
/*
 * KVM_INTERRUPT of user space's PIC, with a local APIC: waits until LINT0 lets it
 * through. -EEXIST: one waits already.
 */
int npt_lapic_extint(struct npt_vcpu *vcpu, u8 vector);
/* Would an interrupt of user space's PIC get through, as soon as the vCPU takes any? */
bool npt_lapic_wants_extint(const struct npt_vcpu *vcpu);

/* --- any context ---------------------------------------------------------- */

/*
 * Deliver @m, of @from if a vCPU sent it (else NULL). How many vCPUs got a new
 * interrupt by it; -1: nobody was meant.
 */
int npt_lapic_deliver(struct npt_vm *vm, const struct npt_apic_msg *m, struct npt_vcpu *from);

#endif /* NPT_LAPIC_H */
