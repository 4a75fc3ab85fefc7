/* SPDX-License-Identifier: GPL-2.0 */
/* What differs from kernel to kernel. Nothing else knows kernel versions. */
#ifndef NPT_COMPAT_H
#define NPT_COMPAT_H

#include <linux/compiler.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/version.h>

/* The CPUID instruction. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#include <asm/cpuid/api.h>
#else
#include <asm/cpuid.h>
#endif

/* What the notifier's questions for the age of a page return. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
typedef bool npt_young_t;
#else
typedef int npt_young_t;
#endif

/* __assign_str() lost its second argument, which it has always known. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define npt_assign_str(field, src)	__assign_str(field)
#else
#define npt_assign_str(field, src)	__assign_str(field, src)
#endif

/* Attributes of a dump's request. For those who include net/genetlink.h. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define npt_dump_attrs(cb)	(genl_dumpit_info(cb)->info.attrs)
#else
#define npt_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#endif

/* For those who include linux/hrtimer.h. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define npt_hrtimer_setup(timer, fn, clock, mode)	hrtimer_setup(timer, fn, clock, mode)
#else
#define npt_hrtimer_setup(timer, fn, clock, mode) do {	\
	hrtimer_init(timer, clock, mode);		\
	(timer)->function = (fn);			\
} while (0)
#endif

/* It lost its argument, the processor that it runs on. For those who include linux/rcupdate.h. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define npt_rcu_note_guest()	rcu_virt_note_context_switch()
#else
#define npt_rcu_note_guest()	rcu_virt_note_context_switch(raw_smp_processor_id())
#endif

/*
 * The kernel's guest-FPU helpers. From 6.18 on they are for KVM's modules alone,
 * and the module keeps an area of its own.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define NPT_HAVE_GUEST_FPU 0
#else
#define NPT_HAVE_GUEST_FPU 1
#endif

/* What it exports for KVM is for KVM's modules alone from the same version on. */
#define NPT_HAVE_KVM_EXPORTS NPT_HAVE_GUEST_FPU

/* Work to be done before a guest runs: moved, and no vCPU is asked for any more. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define NPT_GUEST_WORK_WANTS_VCPU 0
#else
#define NPT_GUEST_WORK_WANTS_VCPU 1
#endif

/* get_user_pages() holds mmap_lock against a userfaultfd that closes: see hostmap.c. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define NPT_GUP_SPINS 0
#else
#define NPT_GUP_SPINS 1
#endif

/* One page under mmap_lock, which is not let go of: an argument that nobody used is gone. */
static inline long npt_get_user_page(unsigned long addr, unsigned int flags, struct page **page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages(addr, 1, flags, page);
#else
	return get_user_pages(addr, 1, flags, page, NULL);
#endif
}

/* Callbacks around suspend have an argument, and their ops are a part of the whole. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define NPT_SYSCORE_HAS_DATA 1
#else
#define NPT_SYSCORE_HAS_DATA 0
#endif

/* Newer headers hide from KVM's own code what user space may change at any time. */
static inline bool npt_immediate_exit(const struct kvm_run *run)
{
#ifdef HINT_UNSAFE_IN_KVM
	return READ_ONCE(run->HINT_UNSAFE_IN_KVM(immediate_exit));
#else
	return READ_ONCE(run->immediate_exit);
#endif
}

/*
 * Does the host want predictions gone between two users of a processor? From
 * 6.15 on the kernel tells KVM alone: then yes, where the processor can do it.
 */
#ifdef X86_FEATURE_USE_IBPB
#define NPT_FEATURE_USE_IBPB X86_FEATURE_USE_IBPB
#else
#define NPT_FEATURE_USE_IBPB X86_FEATURE_IBPB
#endif

/* A guest has run on this processor: its predictions must not steer user space. */
void npt_guard_user(void);
/* While guests can run here: what a processor needs whose only mitigation of SRSO it is. */
void npt_reduce_speculation(bool on);
/*
 * While SVM is on, perf events that are to leave guests out can do so by a bit of the
 * counter. Interrupts off. From 6.18 on that is for KVM's modules alone: there such an
 * event counts guests too.
 */
void npt_host_only_counters(bool on);
/* Has the thread anything to do before it may be away in a guest: signals, rescheduling, ...? */
bool npt_guest_work_pending(void);
/* Do it. May sleep. 0, or -EINTR: a signal. */
int npt_guest_work(void);
/* Interrupt another processor, for no other purpose. Any context. */
void npt_send_reschedule(int cpu);

/* Call these around suspend, on the one processor that is left, interrupts off. */
void npt_syscore_register(void (*suspend)(void), void (*resume)(void));
void npt_syscore_unregister(void);

#endif /* NPT_COMPAT_H */
