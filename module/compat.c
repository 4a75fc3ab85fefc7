// SPDX-License-Identifier: GPL-2.0
/* What is done differently from kernel to kernel and is too long for compat.h. */
#include "compat.h"

#ifdef NPT_HAVE_SVM
#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <trace/events/ipi.h>

/*
 * The kernel's helper wants a vCPU of KVM's, and on a signal writes an exit
 * reason to its run page and counts. Nobody reads what lands here.
 */
static struct kvm_run nobodys_run;
static struct kvm_vcpu nobody = { .run = &nobodys_run };

void npt_guard_user(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/* BP_SPEC_REDUCE of Zen 5; interrupts are off. Kernels that do not know it use IBPB instead. */
void npt_reduce_speculation(bool on)
{
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
	u32 low, high;

	if (!cpu_feature_enabled(X86_FEATURE_SRSO_BP_SPEC_REDUCE))
		return;
	rdmsr(MSR_ZEN4_BP_CFG, low, high);
	if (on)
		low |= BIT(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	else
		low &= ~BIT(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	wrmsr(MSR_ZEN4_BP_CFG, low, high);
#endif
}

bool npt_guest_work_pending(void)
{
	return __xfer_to_guest_mode_work_pending();
}

int npt_guest_work(void)
{
	return xfer_to_guest_mode_handle_work(&nobody);
}

void npt_send_reschedule(int cpu)
{
	smp_send_reschedule(cpu);
}
#endif
