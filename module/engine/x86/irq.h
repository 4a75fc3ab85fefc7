/* SPDX-License-Identifier: GPL-2.0 */
/* Interrupts that user space sends, and what it sets up for them. */
#ifndef NPT_IRQ_H
#define NPT_IRQ_H

#include "npt.h"

struct npt_call;
struct npt_routing;

static inline bool npt_vcpu_is_bsp(const struct npt_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->x86.bsp_id;
}

/* An NMI for the vCPU. Any context; NPT_REQ_NMI has npt_nmi_collect() called. */
void npt_nmi_raise(struct npt_vcpu *vcpu);
/* Those that have come become x86.nmi.pending. Own thread. */
void npt_nmi_collect(struct npt_vcpu *vcpu);

/* The VM is going. */
void npt_irq_destroy(struct npt_vm *vm);

/* KVM_ENABLE_CAP on a VM, as far as it is of interrupts; -EINVAL if it is not. */
long npt_irq_enable_cap(struct npt_vm *vm, const struct kvm_enable_cap *cap);
/* KVM_CHECK_EXTENSION of what is offered here: its value, 0 for others. */
long npt_irq_extension(unsigned long cap, bool hw);

/* Handlers of calls on a VM. */
long npt_vm_create_irqchip(struct npt_call *call);
long npt_vm_irqchip_state(struct npt_call *call);
long npt_vm_irq_line(struct npt_call *call);
long npt_vm_irq_line_status(struct npt_call *call);
long npt_vm_signal_msi(struct npt_call *call);
long npt_vm_set_routing(struct npt_call *call);
long npt_vm_set_tss_addr(struct npt_call *call);
long npt_vm_set_identity_map(struct npt_call *call);
long npt_vm_set_boot_cpu(struct npt_call *call);

/* Handlers of calls on a vCPU. */
long npt_vcpu_interrupt(struct npt_call *call);
long npt_vcpu_nmi(struct npt_call *call);
long npt_vcpu_get_lapic(struct npt_call *call);
long npt_vcpu_set_lapic(struct npt_call *call);
long npt_vcpu_get_mp_state(struct npt_call *call);
long npt_vcpu_set_mp_state(struct npt_call *call);

#endif /* NPT_IRQ_H */
