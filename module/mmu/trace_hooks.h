/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the core reports what it does. In the kernel each hook is one of the
 * tracepoints npt:* (a patched-out jump while nobody traces); in user space
 * nothing. The core can't include module/trace.h itself: that one drags in
 * headers which no other place has.
 *
 * The hooks are calls of their own behind a static branch, so that the
 * arguments cost nothing and the tracepoint's code stays out of hot functions.
 */
#ifndef NPT_TRACE_HOOKS_H
#define NPT_TRACE_HOOKS_H

#include "platform.h"

struct npt_mmu;

/* Which table a leaf was filled in: enum npt_dim of the ABI (nested or shadow). */

#ifdef __KERNEL__

#include <linux/tracepoint-defs.h>

DECLARE_TRACEPOINT(npt_fault);
DECLARE_TRACEPOINT(npt_fill);
DECLARE_TRACEPOINT(npt_zap);
DECLARE_TRACEPOINT(npt_flush);
DECLARE_TRACEPOINT(npt_walk);
DECLARE_TRACEPOINT(npt_stale);

void npt_do_trace_fault(struct npt_mmu *mmu, u64 gva, u64 gpa, u32 error_code, u32 outcome);
void npt_do_trace_fill(struct npt_mmu *mmu, u64 gpa, u64 hpa, u32 size, u32 dim);
void npt_do_trace_zap(struct npt_mmu *mmu, u64 start_gfn, u64 end_gfn, u32 reason);
void npt_do_trace_flush(struct npt_mmu *mmu, u32 reason);
void npt_do_trace_walk(struct npt_mmu *mmu, u64 gva, u32 refs_guest, u32 refs_nested, u32 end);
void npt_do_trace_stale(struct npt_mmu *mmu, u64 gva, u64 gpa, u32 reason);

#define NPT_TRACE_HOOK(name, ...)				\
do {								\
	if (tracepoint_enabled(npt_##name))			\
		npt_do_trace_##name(__VA_ARGS__);		\
} while (0)

/* A nested or shadow page fault was handled. @outcome: enum npt_fault_outcome. */
static inline void npt_trace_fault(struct npt_mmu *mmu, u64 gva, u64 gpa,
				   u32 error_code, u32 outcome)
{
	NPT_TRACE_HOOK(fault, mmu, gva, gpa, error_code, outcome);
}

/* A leaf of @size (NPT_SIZE_*) was filled in a table of @dim (enum npt_dim). */
static inline void npt_trace_fill(struct npt_mmu *mmu, u64 gpa, u64 hpa,
				  u32 size, u32 dim)
{
	NPT_TRACE_HOOK(fill, mmu, gpa, hpa, size, dim);
}

/* [@start_gfn, @end_gfn) was zapped. @reason: enum npt_zap_reason. */
static inline void npt_trace_zap(struct npt_mmu *mmu, u64 start_gfn, u64 end_gfn,
				 u32 reason)
{
	NPT_TRACE_HOOK(zap, mmu, start_gfn, end_gfn, reason);
}

/* Every vCPU was told to flush, or one did. @reason: enum npt_flush_reason. */
static inline void npt_trace_flush(struct npt_mmu *mmu, u32 reason)
{
	NPT_TRACE_HOOK(flush, mmu, reason);
}

/* A pass over the tables ended. @end: enum npt_status. */
static inline void npt_trace_walk(struct npt_mmu *mmu, u64 gva, u32 refs_guest,
				  u32 refs_nested, u32 end)
{
	NPT_TRACE_HOOK(walk, mmu, gva, refs_guest, refs_nested, end);
}

/* The oracle met a stale translation. @reason: of the flush that was due, ~0: none. */
static inline void npt_trace_stale(struct npt_mmu *mmu, u64 gva, u64 gpa, u32 reason)
{
	NPT_TRACE_HOOK(stale, mmu, gva, gpa, reason);
}

#else /* !__KERNEL__ */

#define npt_trace_fault(m, gva, gpa, ec, out) \
	((void)(m), (void)(gva), (void)(gpa), (void)(ec), (void)(out))
#define npt_trace_fill(m, gpa, hpa, size, dim) \
	((void)(m), (void)(gpa), (void)(hpa), (void)(size), (void)(dim))
#define npt_trace_zap(m, start, end, reason) \
	((void)(m), (void)(start), (void)(end), (void)(reason))
#define npt_trace_flush(m, reason)		((void)(m), (void)(reason))
#define npt_trace_walk(m, gva, rg, rn, end) \
	((void)(m), (void)(gva), (void)(rg), (void)(rn), (void)(end))
#define npt_trace_stale(m, gva, gpa, reason) \
	((void)(m), (void)(gva), (void)(gpa), (void)(reason))

#endif /* __KERNEL__ */

#endif /* NPT_TRACE_HOOKS_H */
