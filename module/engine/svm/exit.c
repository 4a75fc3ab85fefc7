// SPDX-License-Identifier: GPL-2.0
/*
 * Exits: a table from exit code to handler. Handlers answer 1 to go on in the
 * guest, 0 to leave to user space with vcpu->run filled, or an error.
 *
 * Handlers are in exit_insn.c (the instruction, and simple ones), exit_cr.c
 * (control and debug registers) and exit_fault.c (page faults, exceptions);
 * here are those that are about events, and what nobody expects.
 */
#include <linux/nospec.h>
#include <asm/mce.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include "../../compat.h"
#include "../x86/emulate.h"
#include "../x86/lapic.h"
#include "../x86/state.h"
#include "exit.h"

/* --- events --------------------------------------------------------------- */

/* The host's, whatever the guest did: as if it had come in the host's user mode. */
void svm_machine_check(void)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
}

/* Served when interrupts were switched on, when STGI let it in, or by svm_machine_check(). */
static int on_host_event(struct npt_vcpu *vcpu)
{
	return 1;
}

/* Interrupts can be taken: the next entry gives one, or the run loop asks user space. */
static int on_window(struct npt_vcpu *vcpu)
{
	return 1;
}

/* NMIs stay masked until the IRET has been executed. */
static int on_iret(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	svm->vmcb->intercept[SVM_X_IRET / 32] &= ~BIT(SVM_X_IRET % 32);
	svm->clean &= ~SVM_CLEAN_INTERCEPTS;
	svm->iret = true;
	svm->iret_rip = vcpu->regs.rip;
	return 1;
}

/* The VMCB's state is undefined now (APM vol. 2, 15.14.3): give it one. */
static int on_shutdown(struct npt_vcpu *vcpu)
{
	vcpu->x86.in_engine = false;
	npt_vcpu_reset(vcpu, true);
	npt_lapic_reset(vcpu);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

static int on_task_switch(struct npt_vcpu *vcpu)
{
	u8 bytes[NPT_INSN_MAX];
	u32 n = svm_fetch(vcpu, bytes);

	/* Hardware task switching: no guest of our time does it. */
	npt_exit_emulation(vcpu->run, bytes, n);
	return 0;
}

static int unknown(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct kvm_run *run = vcpu->run;

	if (svm_refused(vmcb))
		return svm_fail_entry(vcpu, SVM_X_INVALID, svm_of(vcpu)->cpu);
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = vmcb->exit_code;
	run->internal.data[1] = svm_of(vcpu)->cpu;
	return 0;
}

/* --- the table ------------------------------------------------------------ */

struct exit {
	int (*fn)(struct npt_vcpu *vcpu);
	u16 counter;
};

static const struct exit exits[] = {
	[SVM_X_READ_CR0] = { svm_on_cr, NPT_CTR_exit_cr },
	[SVM_X_READ_CR0 + 3 ... SVM_X_READ_CR0 + 4] = { svm_on_cr, NPT_CTR_exit_cr },
	[SVM_X_READ_CR0 + 8] = { svm_on_cr, NPT_CTR_exit_cr },
	[SVM_X_WRITE_CR0] = { svm_on_cr, NPT_CTR_exit_cr },
	[SVM_X_WRITE_CR0 + 3 ... SVM_X_WRITE_CR0 + 4] = { svm_on_cr, NPT_CTR_exit_cr },
	[SVM_X_WRITE_CR0 + 8] = { svm_on_cr, NPT_CTR_exit_cr },
	[SVM_X_READ_DR0 ... SVM_X_WRITE_DR0 + 15] = { svm_on_dr, NPT_CTR_exit_dr },
	[SVM_X_EXCEPTION + 1] = { svm_on_db, NPT_CTR_exit_exception },
	[SVM_X_BP] = { svm_on_bp, NPT_CTR_exit_exception },
	[SVM_X_EXCEPTION + 14] = { svm_on_pf, NPT_CTR_exit_pf },
	[SVM_X_EXCEPTION + 17] = { svm_on_ac, NPT_CTR_exit_exception },
	[SVM_X_MC] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_INTR] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_NMI] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_SMI] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_INIT] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_VINTR] = { on_window, NPT_CTR_exit_window },
	[SVM_X_RDPMC] = { svm_protection, NPT_CTR_exit_insn },
	[SVM_X_CPUID] = { svm_on_cpuid, NPT_CTR_exit_cpuid },
	[SVM_X_RSM] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_IRET] = { on_iret, NPT_CTR_exit_window },
	[SVM_X_INVD] = { svm_skip, NPT_CTR_exit_insn },
	[SVM_X_HLT] = { svm_on_hlt, NPT_CTR_exit_hlt },
	[SVM_X_INVLPG] = { svm_on_invlpg, NPT_CTR_exit_invlpg },
	[SVM_X_INVLPGA] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_IOIO] = { svm_on_io, NPT_CTR_exit_io },
	[SVM_X_MSR] = { svm_on_msr, NPT_CTR_exit_msr },
	[SVM_X_TASK_SWITCH] = { on_task_switch, NPT_CTR_exit_insn },
	[SVM_X_SHUTDOWN] = { on_shutdown, NPT_CTR_exit_shutdown },
	[SVM_X_VMRUN] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_VMMCALL] = { svm_on_vmmcall, NPT_CTR_exit_insn },
	[SVM_X_VMLOAD ... SVM_X_SKINIT] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_RDTSCP] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_WBINVD] = { svm_skip, NPT_CTR_exit_insn },
	[SVM_X_MONITOR ... SVM_X_MWAIT_ARMED] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_XSETBV] = { svm_on_xsetbv, NPT_CTR_exit_insn },
	[SVM_X_RDPRU] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_INVLPGB] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_INVPCID] = { svm_undefined, NPT_CTR_exit_insn },
	[SVM_X_MCOMMIT] = { svm_undefined, NPT_CTR_exit_insn },
};

int svm_exit(struct npt_vcpu *vcpu)
{
	u64 code = svm_of(vcpu)->vmcb->exit_code, *ctr = vcpu->cpu.ctr;

	svm_of(vcpu)->insn_len = 0;
	ctr[NPT_CTR_exits]++;
	/* By far the most frequent, and far away in the table. */
	if (code == SVM_X_NPF) {
		ctr[NPT_CTR_exit_npf]++;
		return svm_on_npf(vcpu);
	}
	if (code < ARRAY_SIZE(exits) && exits[code].fn) {
		code = array_index_nospec(code, ARRAY_SIZE(exits));
		ctr[exits[code].counter]++;
		return exits[code].fn(vcpu);
	}
	ctr[NPT_CTR_exit_unknown]++;
	return unknown(vcpu);
}
