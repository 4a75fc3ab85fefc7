// SPDX-License-Identifier: GPL-2.0
/* Nested and shadow page faults, and the other exceptions that are taken. */
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/trap_pf.h>
#include "../../compat.h"
#include "../x86/emulate.h"
#include "../x86/state.h"
#include "exit.h"

/* --- page faults ---------------------------------------------------------- */

/*
 * It was not the instruction at RIP that met the page but the delivery of an
 * event, which only the processor can do: on a page that is no longer a table
 * for us it can. It can't if each write there has to be emulated (a user's page
 * that CR0.WP=0 lets a supervisor write, with SMAP or protection keys), and then
 * it never will. What has to go to a device is nobody's.
 */
static int delivery_failed(struct npt_vcpu *vcpu, enum npt_fault_outcome outcome, u64 gpa)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct kvm_run *run = vcpu->run;

	npt_vcpu_pull(vcpu);
	if (outcome == NPT_FAULT_EMULATE && npt_may_retry(vcpu, gpa)) {
		/* If it no longer was one, another vCPU has seen to it. */
		npt_guest_unprotect(&vcpu->cpu, gpa);
		return 1;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 4;
	run->internal.data[0] = vmcb->exit_int_info;
	run->internal.data[1] = vmcb->exit_code;
	run->internal.data[2] = vmcb->exit_info1;
	run->internal.data[3] = gpa;
	return 0;
}

/* What came of a fault that the MMU looked at. */
static int fault_outcome(struct npt_vcpu *vcpu, enum npt_fault_outcome outcome,
			 struct npt_emul_hint *hint)
{
	switch (outcome) {
	case NPT_FAULT_FIXED:
	case NPT_FAULT_SPURIOUS:
	case NPT_FAULT_UNSYNC:
		return 1;
	case NPT_FAULT_EMULATE:
	case NPT_FAULT_MMIO:
	case NPT_FAULT_READONLY:
		if (unlikely(svm_of(vcpu)->vmcb->exit_int_info & SVM_EVENT_VALID))
			return delivery_failed(vcpu, outcome, hint->gpa);
		npt_vcpu_pull(vcpu);
		vcpu->cpu.ctr[NPT_CTR_emulated]++;
		hint->kind = outcome == NPT_FAULT_EMULATE ? NPT_EMUL_DONE :
			     outcome == NPT_FAULT_MMIO ? NPT_EMUL_MMIO : NPT_EMUL_ROM;
		return npt_emulate(vcpu, hint);
	default:
		if (npt_vm_dead(vcpu->vm))
			return -EIO;
		return vcpu->cpu.err ?: -EFAULT;
	}
}

/* EXITINFO1: the fault was at the end of the guest's walk, not at one of its tables. */
#define NPF_FINAL BIT_ULL(32)

int svm_on_npf(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct npt_emul_hint hint = {
		.gpa = vmcb->exit_info2,
		.operand = vmcb->exit_info1 & NPF_FINAL,
		.write = vmcb->exit_info1 & X86_PF_WRITE,
	};

	return fault_outcome(vcpu, npt_hw_nested_fault(&vcpu->cpu, hint.gpa, vmcb->exit_info1),
			     &hint);
}

int svm_on_pf(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct npt_hw_fault f = {
		.gva = vmcb->exit_info2,
		.error_code = vmcb->exit_info1,
		.implicit = svm_cpl(vcpu) == 3 && !(vmcb->exit_info1 & X86_PF_USER),
	};
	enum npt_fault_outcome outcome;
	struct npt_emul_hint hint;

	svm_pull_paging(vcpu);
	outcome = npt_hw_shadow_fault(&vcpu->cpu, &f);
	if (outcome == NPT_FAULT_GUEST) {
		npt_queue_pf(vcpu, f.error_code, f.gva);
		return 1;
	}
	hint.gpa = f.gpa;
	hint.operand = !f.at_table;
	hint.write = f.error_code & X86_PF_WRITE;
	return fault_outcome(vcpu, outcome, &hint);
}

/* --- other exceptions ----------------------------------------------------- */

static int exit_debug(struct npt_vcpu *vcpu, u8 vector)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u64 dr6 = svm->vmcb->dr6;

	/* What the host met is not for the guest to see. */
	svm->vmcb->dr6 = vcpu->x86.debug.dr6;
	svm->clean &= ~SVM_CLEAN_DR;
	npt_vcpu_pull(vcpu);
	npt_exit_debug(vcpu, vector, dr6);
	return 0;
}

/* The trap that inject.c has asked for: nobody is to see it. True: there was nothing else. */
static bool own_step(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u64 dr6 = svm->vmcb->dr6;

	if (likely(!svm->stepped) || !(dr6 & DR_STEP))
		return false;
	/* The guest may have had it set all the time. */
	svm->vmcb->dr6 = (dr6 & ~(u64)DR_STEP) | (vcpu->x86.debug.dr6 & DR_STEP);
	svm->clean &= ~SVM_CLEAN_DR;
	return !(dr6 & DR_TRAP_BITS);
}

/* Raised again for the guest: we only wanted to be sure that it ends. */
int svm_on_db(struct npt_vcpu *vcpu)
{
	if (own_step(vcpu))
		return 1;
	if (vcpu->x86.guest_debug_control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return exit_debug(vcpu, DB_VECTOR);
	npt_vcpu_pull(vcpu);
	/* DR6 is the guest's already; nothing comes with it. */
	npt_queue_exception(vcpu, DB_VECTOR);
	return 1;
}

/* Taken only while user space has breakpoints in the guest's code. */
int svm_on_bp(struct npt_vcpu *vcpu)
{
	return exit_debug(vcpu, BP_VECTOR);
}

int svm_on_ac(struct npt_vcpu *vcpu)
{
	npt_queue_exception_error(vcpu, AC_VECTOR, 0);
	return 1;
}
