// SPDX-License-Identifier: GPL-2.0
/*
 * TSC_AUX, which RDTSCP and RDPID read. The first can be intercepted, the second
 * can't (APM vol. 2, 15.9), so the register itself must be the guest's. The kernel
 * does not use it, user space does, to learn its processor: so the host's value
 * is due before the processor returns there, and not at each exit.
 */
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include "svm.h"

/* A processor's, with interrupts off. */
struct tsc_aux {
	struct user_return_notifier notifier;
	bool registered;
	u32 host;	/* the kernel has set it when the processor came up */
	u32 now;
};

static DEFINE_PER_CPU(struct tsc_aux, tsc_aux);

static bool processor_has_it(void)
{
	return boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
}

static void load(struct tsc_aux *a, u32 value)
{
	if (a->now == value)
		return;
	wrmsr(MSR_TSC_AUX, value, 0);
	a->now = value;
}

static void give_back(struct tsc_aux *a)
{
	if (!a->registered)
		return;
	a->registered = false;
	user_return_notifier_unregister(&a->notifier);
	load(a, a->host);
}

static void to_user(struct user_return_notifier *notifier)
{
	struct tsc_aux *a = container_of(notifier, struct tsc_aux, notifier);
	unsigned long flags;

	/* SVM may be turned off meanwhile, which does the same. */
	local_irq_save(flags);
	give_back(a);
	local_irq_restore(flags);
}

void svm_tsc_aux_on(void)
{
	struct tsc_aux *a = this_cpu_ptr(&tsc_aux);
	u32 __maybe_unused high;

	if (!processor_has_it())
		return;
	rdmsr(MSR_TSC_AUX, a->host, high);
	a->now = a->host;
	a->notifier.on_user_return = to_user;
}

void svm_tsc_aux_off(void)
{
	give_back(this_cpu_ptr(&tsc_aux));
}

void svm_tsc_aux_enter(const struct npt_vcpu *vcpu)
{
	struct tsc_aux *a = this_cpu_ptr(&tsc_aux);

	if (likely(a->now == (u32)vcpu->x86.msrs.tsc_aux) || !processor_has_it())
		return;
	if (!a->registered) {
		a->registered = true;
		user_return_notifier_register(&a->notifier);
	}
	load(a, vcpu->x86.msrs.tsc_aux);
}
