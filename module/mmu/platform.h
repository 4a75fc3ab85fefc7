/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one place where mmu/ and tlb/ meet what surrounds them: the kernel, or
 * (compiled in user space for tests, fuzzers and in-process replay) a shim.
 */
#ifndef NPT_PLATFORM_H
#define NPT_PLATFORM_H

#ifdef __KERNEL__

#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/sched.h>
#include <linux/npt.h>

/* Zeroed, charged to the creator of the VM, may be large, may fail. */
#define npt_zalloc(size)	kvzalloc((size), GFP_KERNEL_ACCOUNT)
#define npt_zfree(p)		kvfree(p)
/* Small, not zeroed, otherwise alike. */
#define npt_alloc(size)		kmalloc((size), GFP_KERNEL_ACCOUNT)

/* A page of tables: zeroed, charged; its owner is found from its address. */
static inline void *npt_page_alloc(void)
{
	return (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

/* The same, not zeroed. */
static inline void *npt_page_alloc_raw(void)
{
	return (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
}

/* Zeroed again, below 4 GiB, for a root that a processor outside long mode loads into CR3. */
static inline void *npt_page_alloc_low(void)
{
	return (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT | GFP_DMA32);
}

static inline void npt_page_free(void *page)
{
	set_page_private(virt_to_page(page), 0);
	free_page((unsigned long)page);
}

static inline void npt_page_set_owner(void *page, void *owner)
{
	set_page_private(virt_to_page(page), (unsigned long)owner);
}

static inline void *npt_page_owner(const void *page)
{
	return (void *)page_private(virt_to_page(page));
}

/* Host-physical address <-> pointer: one addition on x86-64. */
static inline void *npt_hpa_ptr(u64 hpa)
{
	return __va(hpa);
}

static inline u64 npt_ptr_hpa(const void *p)
{
	return __pa(p);
}

/* Let others run; where sleeping is allowed. */
#define npt_relax()		cond_resched()

typedef rwlock_t npt_lock_t;
#define npt_lock_init(l)	rwlock_init(l)
#define npt_read_lock(l)	read_lock(l)
#define npt_read_unlock(l)	read_unlock(l)
#define npt_write_lock(l)	write_lock(l)
#define npt_write_unlock(l)	write_unlock(l)
#define npt_assert_write(l)	lockdep_assert_held_write(l)
#define npt_assert_held(l)	lockdep_assert_held(l)

#else /* !__KERNEL__ */

#include "shim.h"	/* userspace/libnpt/shim.h gives the same names */

#endif /* __KERNEL__ */

#endif /* NPT_PLATFORM_H */
