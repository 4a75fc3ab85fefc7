/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What module/mmu/platform.h offers, in user space: the same names, types and
 * meanings, so that module/mmu and module/tlb compile here without a change.
 * A name that the kernel headers of platform.h don't give has no place here,
 * save those that begin with npt_.
 *
 * "Host-physical memory" is one arena of address space. Tables and guest memory
 * both lie in it, an hpa is an offset into it (plus a start that keeps 0 and all
 * 32-bit addresses invalid), and its base is aligned to 1 GiB, so that the
 * alignment of an hpa is as real as in the kernel.
 *
 * Build switches:
 *   NPT_SHIM_CHECK   tests: a WARN aborts, addresses and locks are checked
 *   NPT_SHIM_LOCKED  several threads: npt_lock_t is a real lock
 */
#ifndef NPT_SHIM_H
#define NPT_SHIM_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef NPT_SHIM_LOCKED
#include <pthread.h>
#endif
#include <linux/types.h>
#include <linux/npt.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

/* --- the compiler ------------------------------------------------------- */

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#ifndef __always_inline
#define __always_inline	inline __attribute__((__always_inline__))
#endif
#ifndef noinline
#define noinline	__attribute__((__noinline__))
#endif
#ifndef fallthrough
#define fallthrough	__attribute__((__fallthrough__))
#endif
#define __maybe_unused	__attribute__((__unused__))
#define __always_unused	__attribute__((__unused__))
#define __must_check	__attribute__((__warn_unused_result__))
#ifndef __packed
#define __packed	__attribute__((__packed__))
#endif
#ifndef __aligned
#define __aligned(n)	__attribute__((__aligned__(n)))
#endif
#define __cold		__attribute__((__cold__))
#define __ro_after_init
#define __read_mostly
#define __user
#define __force
#define __acquires(x)
#define __releases(x)
#define __must_hold(x)

#define barrier()	__asm__ __volatile__("" : : : "memory")
#define prefetch(p)	__builtin_prefetch(p)
#define prefetchw(p)	__builtin_prefetch((p), 1)

/* One argument is enough, as in the kernel. */
#undef static_assert
#define static_assert(expr, ...) npt_shim_assert_text(expr, ##__VA_ARGS__, #expr)
#define npt_shim_assert_text(expr, text, ...) _Static_assert(expr, text)
#define BUILD_BUG_ON(cond) _Static_assert(!(cond), "BUILD_BUG_ON: " #cond)
#define BUILD_BUG_ON_MSG(cond, text) _Static_assert(!(cond), text)

#define EXPORT_SYMBOL(sym)	_Static_assert(1, #sym)
#define EXPORT_SYMBOL_GPL(sym)	_Static_assert(1, #sym)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#ifndef offsetofend
#define offsetofend(type, member) \
	(offsetof(type, member) + sizeof_field(type, member))
#endif

/* --- atomics ------------------------------------------------------------ */

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val)	(*(volatile __typeof__(x) *)&(x) = (val))

/* Gives what was there; equal to @old means that @val was stored. 1 to 8 bytes. */
#define cmpxchg(ptr, old, val) ({					\
	__typeof__(*(ptr)) __cx = (old);				\
	_Static_assert(sizeof(__cx) <= 8, "size");			\
	__atomic_compare_exchange_n((ptr), &__cx, (val), false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	__cx;								\
})
#define try_cmpxchg(ptr, oldp, val) \
	__atomic_compare_exchange_n((ptr), (oldp), (val), false, \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define xchg(ptr, val)	__atomic_exchange_n((ptr), (val), __ATOMIC_SEQ_CST)

#define smp_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_load_acquire(ptr)	__atomic_load_n((ptr), __ATOMIC_ACQUIRE)
#define smp_store_release(ptr, val) __atomic_store_n((ptr), (val), __ATOMIC_RELEASE)

/* --- numbers ------------------------------------------------------------ */

#ifndef PAGE_SHIFT
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#endif

#ifndef BIT
#define BIT(n)		(1UL << (n))
#endif
#define BIT_ULL(n)	(1ULL << (n))
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))

/* Both sides must be of one type, as in the kernel. */
#define npt_shim_pick(a, op, b) ({					\
	__typeof__(a) __pa = (a);					\
	__typeof__(b) __pb = (b);					\
	(void)(&__pa == &__pb);						\
	__pa op __pb ? __pa : __pb;					\
})
#undef min
#undef max
#define min(a, b)		npt_shim_pick(a, <, b)
#define max(a, b)		npt_shim_pick(a, >, b)
#define min_t(type, a, b)	npt_shim_pick((type)(a), <, (type)(b))
#define max_t(type, a, b)	npt_shim_pick((type)(a), >, (type)(b))
#define clamp(x, lo, hi)	min((__typeof__(x))max(x, lo), hi)
#define clamp_t(type, x, lo, hi) min_t(type, max_t(type, x, lo), hi)
#define swap(a, b) do {							\
	__typeof__(a) __sw = (a);					\
	(a) = (b);							\
	(b) = __sw;							\
} while (0)

#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define round_up(x, y)		((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define round_down(x, y)	((x) & ~((__typeof__(x))(y) - 1))
#define ALIGN(x, a)		round_up(x, a)
#define ALIGN_DOWN(x, a)	round_down(x, a)
#define IS_ALIGNED(x, a)	(((x) & ((__typeof__(x))(a) - 1)) == 0)
#define upper_32_bits(n)	((u32)((u64)(n) >> 32))
#define lower_32_bits(n)	((u32)(n))

#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d)	__builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)

/* Number of the highest bit set, from 1; 0 for 0. */
static __always_inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static __always_inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

/* Number of the lowest (highest) bit set, from 0; @x must not be 0. */
static __always_inline unsigned long __ffs(unsigned long x)
{
	return (unsigned long)__builtin_ctzl(x);
}

static __always_inline unsigned long __ffs64(u64 x)
{
	return (unsigned long)__builtin_ctzll(x);
}

static __always_inline unsigned long __fls(unsigned long x)
{
	return 63UL - (unsigned long)__builtin_clzl(x);
}

#define hweight8(x)	((unsigned int)__builtin_popcount((u8)(x)))
#define hweight32(x)	((unsigned int)__builtin_popcount((u32)(x)))
#define hweight64(x)	((unsigned long)__builtin_popcountll(x))

#define ilog2(n)	(fls64((u64)(n)) - 1)

static __always_inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static __always_inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << fls64(n - 1);
}

static __always_inline unsigned long rounddown_pow_of_two(unsigned long n)
{
	return 1UL << (fls64(n) - 1);
}

/* --- warnings ----------------------------------------------------------- */

/* Prints the place once; with NPT_SHIM_CHECK it aborts. Gives @cond. */
bool npt_shim_warn(bool *warned, const char *file, int line, const char *text) __cold;

#define WARN_ON_ONCE(cond) ({						\
	static bool __warned;						\
	bool __c = !!(cond);						\
	unlikely(__c) ? npt_shim_warn(&__warned, __FILE__, __LINE__, #cond) : false; \
})
#define WARN_ON(cond)		WARN_ON_ONCE(cond)
#define WARN_ONCE(cond, ...)	WARN_ON_ONCE(cond)
#define VM_WARN_ON_ONCE(cond)	((void)WARN_ON_ONCE(cond))
#define BUG_ON(cond) do {						\
	if (unlikely(cond))						\
		abort();						\
} while (0)

#define lockdep_assert_held(l)		((void)(l))
#define lockdep_assert_held_write(l)	((void)(l))
#define lockdep_assert_held_read(l)	((void)(l))
#define might_sleep()			((void)0)
#define cond_resched()			((void)0)
#define cpu_relax()			__builtin_ia32_pause()

#include "shim_list.h"

/* --- objects and pages of tables ---------------------------------------- */

/* Zeroed memory, or NULL. */
void *npt_shim_zalloc(size_t size);
void npt_shim_zfree(void *p);
/* The same, filled with rubbish. */
void *npt_shim_alloc(size_t size);
#define npt_zalloc(size)	npt_shim_zalloc(size)
#define npt_zfree(p)		npt_shim_zfree(p)
#define npt_alloc(size)		npt_shim_alloc(size)

/* A zeroed page from the arena, or NULL. */
void *npt_page_alloc(void);
/* The same, filled with rubbish. */
void *npt_page_alloc_raw(void);
/*
 * A page as the root of a processor outside long mode needs it. No processor is
 * here, and no page of the arena lies below 4 GiB: only the count tells.
 */
void *npt_page_alloc_low(void);
/* @page must not be NULL. Any further access faults (with ASan at once). */
void npt_page_free(void *page);

/* hpa + npt_shim_delta is the address; owners are indexed by frame in the arena. */
extern uintptr_t npt_shim_delta;
extern u64 npt_shim_hpa_start, npt_shim_hpa_end;
extern uintptr_t *npt_shim_owners;

static __always_inline void *npt_hpa_ptr(u64 hpa)
{
#ifdef NPT_SHIM_CHECK
	if (unlikely(hpa < npt_shim_hpa_start || hpa >= npt_shim_hpa_end))
		WARN_ON_ONCE("hpa outside of memory");
#endif
	return (void *)((uintptr_t)hpa + npt_shim_delta);
}

static __always_inline u64 npt_ptr_hpa(const void *p)
{
	u64 hpa = (uintptr_t)p - npt_shim_delta;

#ifdef NPT_SHIM_CHECK
	if (unlikely(hpa < npt_shim_hpa_start || hpa >= npt_shim_hpa_end))
		WARN_ON_ONCE("pointer outside of memory");
#endif
	return hpa;
}

static __always_inline void npt_page_set_owner(void *page, void *owner)
{
	npt_shim_owners[(npt_ptr_hpa(page) - npt_shim_hpa_start) >> PAGE_SHIFT] =
		(uintptr_t)owner;
}

static __always_inline void *npt_page_owner(const void *page)
{
	return (void *)npt_shim_owners[(npt_ptr_hpa(page) - npt_shim_hpa_start) >>
				       PAGE_SHIFT];
}

/* --- locks -------------------------------------------------------------- */

/* Let others run: nobody else does, or the system sees to it. */
#define npt_relax()		do { } while (0)

#ifdef NPT_SHIM_LOCKED

typedef struct {
	pthread_rwlock_t lock;
	int writer;	/* set while a writer holds it */
} npt_lock_t;

static inline void npt_lock_init(npt_lock_t *l)
{
	pthread_rwlock_init(&l->lock, NULL);
	l->writer = 0;
}

static inline void npt_read_lock(npt_lock_t *l)
{
	pthread_rwlock_rdlock(&l->lock);
}

static inline void npt_read_unlock(npt_lock_t *l)
{
	pthread_rwlock_unlock(&l->lock);
}

static inline void npt_write_lock(npt_lock_t *l)
{
	pthread_rwlock_wrlock(&l->lock);
	l->writer = 1;
}

static inline void npt_write_unlock(npt_lock_t *l)
{
	l->writer = 0;
	pthread_rwlock_unlock(&l->lock);
}

#define npt_assert_write(l)	((void)WARN_ON_ONCE(!READ_ONCE((l)->writer)))
#define npt_assert_held(l)	((void)(l))

#else /* one thread: count holders, so that tests find a missing or doubled call */

typedef struct {
	int readers;	/* -1: a writer */
} npt_lock_t;

#ifdef NPT_SHIM_CHECK
#define npt_shim_lock_check(cond) ((void)WARN_ON_ONCE(!(cond)))
/* Called, if set, when the lock has been taken for writing and before it is given up. */
extern void (*npt_shim_on_write_lock)(const npt_lock_t *l, bool taken);
#define npt_shim_lock_watch(l, taken) do {				\
	if (unlikely(npt_shim_on_write_lock))				\
		npt_shim_on_write_lock((l), (taken));			\
} while (0)
#else
#define npt_shim_lock_watch(l, taken) do { } while (0)
#define npt_shim_lock_check(cond) ((void)0)
#endif

static inline void npt_lock_init(npt_lock_t *l)
{
	l->readers = 0;
}

static inline void npt_read_lock(npt_lock_t *l)
{
	npt_shim_lock_check(l->readers >= 0);
	l->readers++;
}

static inline void npt_read_unlock(npt_lock_t *l)
{
	npt_shim_lock_check(l->readers > 0);
	l->readers--;
}

static inline void npt_write_lock(npt_lock_t *l)
{
	npt_shim_lock_check(!l->readers);
	l->readers = -1;
	npt_shim_lock_watch(l, true);
}

static inline void npt_write_unlock(npt_lock_t *l)
{
	npt_shim_lock_check(l->readers == -1);
	npt_shim_lock_watch(l, false);
	l->readers = 0;
}

#define npt_assert_write(l)	npt_shim_lock_check((l)->readers == -1)
#define npt_assert_held(l)	npt_shim_lock_check((l)->readers != 0)

#endif /* NPT_SHIM_LOCKED */

/* --- for tests, the library and the benchmark: not in the kernel --------- */

/* Address space of the arena in bytes; set it before the first allocation. */
extern size_t npt_shim_arena_size;

/* Ask for transparent huge pages behind the arena; set it likewise. */
extern bool npt_shim_hugepages;

/*
 * Failure injection: -1 never; N: N more calls of npt_zalloc() and
 * npt_page_alloc() succeed, then one fails (all do with @npt_shim_fail_on),
 * and @npt_shim_failures says how many did.
 */
extern long npt_shim_fail_after;
extern bool npt_shim_fail_on;
extern unsigned long npt_shim_failures;

/* What is allocated and not yet freed: all must be 0 at the end of a test. */
extern long npt_shim_pages_out;		/* pages of npt_page_alloc() */
extern unsigned long npt_shim_low_allocs;	/* calls of npt_page_alloc_low() so far */
extern long npt_shim_objects_out;	/* objects of npt_zalloc() */
extern size_t npt_shim_guest_out;	/* bytes of npt_shim_guest_alloc() */

/* Map the arena. The first allocation does it too. 0 or a negative errno. */
int npt_shim_init(void);

/* Unmap it; nothing may be allocated any more (else -EBUSY and nothing is done). */
int npt_shim_exit(void);

/*
 * Guest memory: zeroed, multiple of PAGE_SIZE, @align a power of two up to
 * 1 GiB. NULL: no room. What lies outside of any allocation faults.
 */
void *npt_shim_guest_alloc(size_t bytes, size_t align);
void npt_shim_guest_free(void *p, size_t bytes);

#endif /* NPT_SHIM_H */
