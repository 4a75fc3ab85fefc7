// SPDX-License-Identifier: GPL-2.0
/*
 * Faults of the nested and shadow tables in software: what they are called, and
 * the mending of those that a walk of ours came upon.
 */
#include "internal.h"

enum npt_fault_outcome npt_map_outcome(struct npt_cpu *cpu, int err)
{
	switch (err) {
	case -ENOENT:
		return NPT_FAULT_MMIO;
	case -EROFS:
		return NPT_FAULT_READONLY;
	case -EINTR:
	case -ENOMEM:
		cpu->err = err;
		return NPT_FAULT_ERROR;
	default:
		return NPT_FAULT_ERROR;
	}
}

void npt_count_fault(struct npt_cpu *cpu, int kind, enum npt_fault_outcome outcome)
{
	static const int counter[] = {
		[NPT_FAULT_FIXED] = NPT_CTR_pf_fixed,
		[NPT_FAULT_GUEST] = NPT_CTR_pf_guest,
		[NPT_FAULT_EMULATE] = NPT_CTR_pf_emulate,
		[NPT_FAULT_UNSYNC] = NPT_CTR_pf_unsync,
		[NPT_FAULT_SPURIOUS] = NPT_CTR_pf_spurious,
		[NPT_FAULT_MMIO] = NPT_CTR_pf_mmio,
		[NPT_FAULT_READONLY] = NPT_CTR_pf_readonly,
		[NPT_FAULT_ERROR] = NPT_CTR_pf_error,
	};

	cpu->ctr[NPT_CTR_pf_taken]++;
	cpu->ctr[kind]++;
	cpu->ctr[counter[outcome]]++;
}

void npt_count_guest_pf(struct npt_cpu *cpu, u8 verdict)
{
	static const int counter[] = {
		[NPT_VERDICT_NOT_PRESENT] = NPT_CTR_guest_pf_not_present,
		[NPT_VERDICT_RESERVED] = NPT_CTR_guest_pf_reserved,
		[NPT_VERDICT_WRITE] = NPT_CTR_guest_pf_write,
		[NPT_VERDICT_USER] = NPT_CTR_guest_pf_user,
		[NPT_VERDICT_NX] = NPT_CTR_guest_pf_nx,
		[NPT_VERDICT_SMEP] = NPT_CTR_guest_pf_smep,
		[NPT_VERDICT_SMAP] = NPT_CTR_guest_pf_smap,
		[NPT_VERDICT_PKEY] = NPT_CTR_guest_pf_pkey,
	};

	cpu->ctr[NPT_CTR_guest_pf]++;
	cpu->ctr[counter[verdict]]++;
}

/* The map lacks a page: bring it in. The lock is dropped meanwhile. */
static enum npt_fault_outcome fix_map(struct npt_cpu *cpu, const struct npt_walker *w, u64 gva)
{
	enum npt_fault_outcome outcome;
	bool spurious;
	int err;

	npt_cpu_unlock(cpu);
	err = npt_map_in(cpu, w->fault_gpa, w->fault_write, &spurious);
	npt_cpu_lock(cpu);
	if (err)
		outcome = npt_map_outcome(cpu, err);
	else
		outcome = spurious ? NPT_FAULT_SPURIOUS : NPT_FAULT_FIXED;
	if (cpu->mmu->cfg.mode == NPT_MMU_NESTED) {
		npt_count_fault(cpu, NPT_CTR_pf_nested, outcome);
		npt_trace_fault(cpu->mmu, gva, w->fault_gpa, w->fault_write ? 2 : 0, outcome);
	}
	return outcome;
}

static enum npt_fault_outcome fix_shadow(struct npt_cpu *cpu, struct npt_walker *w, u64 gva)
{
	enum npt_fault_outcome outcome;

	npt_cpu_unlock(cpu);
	outcome = npt_shadow_fault(cpu, w, gva);
	npt_cpu_lock(cpu);
	npt_count_fault(cpu, NPT_CTR_pf_shadow, outcome);
	npt_trace_fault(cpu->mmu, gva, w->fault_gpa, w->op == NPT_OP_WRITE ? 2 : 0, outcome);
	return outcome;
}

enum npt_fault_outcome npt_mend(struct npt_cpu *cpu, struct npt_walker *w,
				enum npt_walk_end end, u64 gva)
{
	if (end == NPT_WALK_STAGE2)
		return fix_map(cpu, w, gva);
	if (cpu->mmu->cfg.mode == NPT_MMU_SHADOW)
		return fix_shadow(cpu, w, gva);
	return NPT_FAULT_GUEST;
}
