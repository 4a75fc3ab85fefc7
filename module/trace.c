// SPDX-License-Identifier: GPL-2.0
/* The tracepoints themselves, and the core's way to them (mmu/trace_hooks.h). */
#include "npt.h"
#include "mmu/trace_hooks.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The tables of names in trace.h go by these numbers. */
static_assert(NPT_FAULT_ERROR == 7 && NPT_FAULT_MMIO == 5);
static_assert(NPT_ZAP_EXIT == 5 && NPT_FL_MODEL == 10);

void npt_do_trace_fault(struct npt_mmu *mmu, u64 gva, u64 gpa, u32 error_code, u32 outcome)
{
	trace_npt_fault(npt_mmu_vm(mmu)->id, gva, gpa, error_code, outcome);
}

void npt_do_trace_fill(struct npt_mmu *mmu, u64 gpa, u64 hpa, u32 size, u32 dim)
{
	trace_npt_fill(npt_mmu_vm(mmu)->id, gpa, hpa, size, dim);
}

void npt_do_trace_zap(struct npt_mmu *mmu, u64 start_gfn, u64 end_gfn, u32 reason)
{
	trace_npt_zap(npt_mmu_vm(mmu)->id, start_gfn, end_gfn, reason);
}

void npt_do_trace_flush(struct npt_mmu *mmu, u32 reason)
{
	trace_npt_flush(npt_mmu_vm(mmu)->id, reason);
}

void npt_do_trace_walk(struct npt_mmu *mmu, u64 gva, u32 refs_guest, u32 refs_nested, u32 end)
{
	trace_npt_walk(npt_mmu_vm(mmu)->id, gva, refs_guest, refs_nested, end);
}

void npt_do_trace_stale(struct npt_mmu *mmu, u64 gva, u64 gpa, u32 reason)
{
	trace_npt_stale(npt_mmu_vm(mmu)->id, gva, gpa, reason);
}
