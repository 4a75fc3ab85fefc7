// SPDX-License-Identifier: GPL-2.0
/*
 * Flushes. A flush of all vCPUs is a number that grows: each vCPU compares it
 * with the number it has obeyed whenever it has taken the lock, before it
 * looks anything up. Whoever zaps holds the lock for writing, so no vCPU is in
 * the middle of an access then, and what was zapped can be freed right after
 * the number grew.  An engine that lets hardware walk the tables makes ->kick
 * wait until no vCPU runs in the guest.
 */
#include "internal.h"

static u64 *flush_counter(struct npt_cpu *cpu, u32 reason)
{
	return &cpu->ctr[NPT_CTR_flush_cr3 + reason];
}

void npt_flush_cpus(struct npt_mmu *mmu, enum npt_flush_reason reason)
{
	void *page, *next;

	npt_assert_write(&mmu->lock);
	mmu->flush_seq++;
	mmu->flush_reason = reason;
	mmu->tlbs_dirty = false;
	mmu->need_flush = false;
	mmu->host->kick(mmu);
	npt_trace_flush(mmu, reason);
	for (page = mmu->free_later; page; page = next) {
		next = npt_page_owner(page);
		npt_page_free(page);
	}
	mmu->free_later = NULL;
	npt_sp_free_zapped(mmu);
}

/*
 * SDM vol. 3A, 4.10.4.1: INVLPG of any address in a page drops all entries for
 * that page. A guest page that smaller nested or shadow leaves have broken up
 * has many, and nobody knows where: then everything goes, as on processors.
 */
static void flush_address(struct npt_cpu *cpu, u64 gva)
{
	if (!cpu->fractured) {
		npt_tlb_flush_addr(cpu->tlb, gva, cpu->pcid);
		return;
	}
	npt_tlb_flush_all(cpu->tlb);
	cpu->fractured = false;
}

void npt_cpu_flush_tlb(struct npt_cpu *cpu, const struct npt_pending_flush *f)
{
	cpu->hw_flushes++;
	cpu->ctr[NPT_CTR_tlb_flush]++;
	(*flush_counter(cpu, f->reason))++;
	npt_oracle_due_now(cpu, f->scope, f->gva, f->scope == NPT_FLUSH_ADDRESS ? cpu->pcid :
			   cpu->pcid_tagged ? f->pcid : 0, f->reason);
	switch (f->scope) {
	case NPT_FLUSH_TAG:
		/* A TLB that tags nothing holds all entries as those of PCID 0. */
		npt_tlb_flush_pcid(cpu->tlb, cpu->pcid_tagged ? f->pcid : 0);
		break;
	case NPT_FLUSH_ADDRESS:
		flush_address(cpu, f->gva);
		break;
	default:
		npt_tlb_flush_all(cpu->tlb);
		cpu->fractured = false;
	}
}

void npt_cpu_flush(struct npt_cpu *cpu, const struct npt_pending_flush *f)
{
	npt_shadow_flush_begins(cpu->mmu);
	npt_cpu_flush_tlb(cpu, f);
}

void npt_cpu_obey(struct npt_cpu *cpu)
{
	struct npt_mmu *mmu = cpu->mmu;
	u32 i;

	npt_assert_held(&mmu->lock);
	if (cpu->flush_seen != mmu->flush_seq) {
		struct npt_pending_flush all = { .reason = mmu->flush_reason };

		cpu->flush_seen = mmu->flush_seq;
		npt_cpu_flush_tlb(cpu, &all);
	}
	for (i = 0; i < cpu->nr_pending; i++)
		npt_cpu_flush_tlb(cpu, &cpu->pending[i]);
	cpu->nr_pending = 0;
}

void npt_cpu_flush_async(struct npt_cpu *cpu, const struct npt_pending_flush *f)
{
	struct npt_mmu *mmu = cpu->mmu;

	npt_write_lock(&mmu->lock);
	npt_shadow_sync_tables(mmu);
	if (cpu->nr_pending == NPT_PENDING_FLUSHES) {
		/* Too many to remember: one flush of everything serves them all. */
		cpu->pending[0] = (struct npt_pending_flush){ .reason = f->reason };
		cpu->nr_pending = 1;
	} else {
		cpu->pending[cpu->nr_pending++] = *f;
	}
	npt_write_unlock(&mmu->lock);
}

void npt_cpu_settle(struct npt_cpu *cpu)
{
	npt_cpu_lock(cpu);
	npt_cpu_unlock(cpu);
}

void npt_mmu_bug(struct npt_mmu *mmu, const char *what)
{
	if (READ_ONCE(mmu->dead))
		return;
	WRITE_ONCE(mmu->dead, true);
	mmu->host->bug(mmu, what);
}
