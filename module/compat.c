// SPDX-License-Identifier: GPL-2.0
/* What is done differently from kernel to kernel and is too long for compat.h. */
#include "compat.h"

#include <linux/kvm_host.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <trace/events/ipi.h>
#if NPT_GUEST_WORK_WANTS_VCPU
#include <linux/entry-kvm.h>
#else
#include <linux/entry-virt.h>
#endif

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

void npt_host_only_counters(bool on)
{
#if NPT_HAVE_KVM_EXPORTS
	if (on)
		amd_pmu_enable_virt();
	else
		amd_pmu_disable_virt();
#endif
}

bool npt_guest_work_pending(void)
{
	return __xfer_to_guest_mode_work_pending();
}

#if NPT_GUEST_WORK_WANTS_VCPU
/*
 * The kernel's helper wants a vCPU of KVM's, too large for a stack. All it does
 * with it: if a signal comes while it works, it writes one constant to the run
 * page and counts. Several threads may do so at once, and nobody reads it.
 */
static struct kvm_run nobodys_run;
static struct kvm_vcpu nobody = { .run = &nobodys_run };

int npt_guest_work(void)
{
	if (signal_pending(current))
		return -EINTR;
	return xfer_to_guest_mode_handle_work(&nobody);
}
#else
int npt_guest_work(void)
{
	return xfer_to_guest_mode_handle_work();
}
#endif

void npt_send_reschedule(int cpu)
{
	smp_send_reschedule(cpu);
}

/* Written before they are registered, by the one who may. */
static void (*on_suspend)(void);
static void (*on_resume)(void);

#if NPT_SYSCORE_HAS_DATA
static int suspend(void *unused)
{
	on_suspend();
	return 0;
}

static void resume(void *unused)
{
	on_resume();
}

static const struct syscore_ops ops = { .suspend = suspend, .resume = resume };
static struct syscore syscore = { .ops = &ops };

#define register_ops()		register_syscore(&syscore)
#define unregister_ops()	unregister_syscore(&syscore)
#else
static int suspend(void)
{
	on_suspend();
	return 0;
}

static void resume(void)
{
	on_resume();
}

static struct syscore_ops ops = { .suspend = suspend, .resume = resume };

#define register_ops()		register_syscore_ops(&ops)
#define unregister_ops()	unregister_syscore_ops(&ops)
#endif

void npt_syscore_register(void (*before)(void), void (*after)(void))
{
	on_suspend = before;
	on_resume = after;
	register_ops();
}

void npt_syscore_unregister(void)
{
	unregister_ops();
}
