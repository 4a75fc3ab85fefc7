// SPDX-License-Identifier: GPL-2.0
/* A VM's and a vCPU's MMU: making, unmaking, and the paging registers. */
#include "internal.h"
#include "../tlb/oracle.h"

int npt_mmu_init(struct npt_mmu *mmu, const struct npt_mmu_config *cfg,
		 const struct npt_mmu_host *host)
{
	int i;

	memset(mmu, 0, sizeof(*mmu));
	mmu->map_fmt = npt_nested_format(cfg->nested_format, cfg->nested_levels);
	if (!mmu->map_fmt || !(cfg->leaf_pages & NPT_PAGE_4K) ||
	    cfg->mode < NPT_MMU_NATIVE || cfg->mode > NPT_MMU_NESTED)
		return -EINVAL;
	if (cfg->prefetch > NPT_PREFETCH_MAX || (cfg->prefetch & (cfg->prefetch - 1)))
		return -EINVAL;
	npt_lock_init(&mmu->lock);
	mmu->host = host;
	mmu->cfg = *cfg;
	mmu->gpa_bits = mmu->map_fmt->va_bits;
	mmu->maxphyaddr = mmu->gpa_bits;
	for (i = 0; i < NPT_SP_HASH_SIZE; i++) {
		INIT_HLIST_HEAD(&mmu->sp_by_gfn[i]);
		INIT_HLIST_HEAD(&mmu->sp_by_region[i]);
	}
	INIT_LIST_HEAD(&mmu->sp_active);
	INIT_LIST_HEAD(&mmu->sp_unsync);
	INIT_LIST_HEAD(&mmu->sp_zapped);
	return npt_map_init(mmu);
}

/* Guest tables' shadows go with the map; what is left has no guest table behind it. */
void npt_mmu_destroy(struct npt_mmu *mmu)
{
	struct npt_sp *sp;

	for (;;) {
		npt_write_lock(&mmu->lock);
		sp = list_first_entry_or_null(&mmu->sp_active, struct npt_sp, link);
		if (sp)
			npt_sp_zap(mmu, sp, NPT_ZAP_EXIT);
		else
			/* Also roots that outlived the last flush with their vCPUs. */
			npt_sp_free_zapped(mmu);
		npt_write_unlock(&mmu->lock);
		if (!sp)
			break;
		npt_relax();
	}
	npt_map_destroy(mmu);
	/* What is left now is lost: nothing leads to it any more. */
	WARN_ON_ONCE(mmu->ctr[NPT_CTR_table_pages] || mmu->ctr[NPT_CTR_table_bytes]);
	WARN_ON_ONCE(mmu->free_later || !list_empty(&mmu->sp_zapped));
}

void npt_mmu_slots_change(struct npt_mmu *mmu)
{
	WRITE_ONCE(mmu->slots_seq, mmu->slots_seq + 1);
	mmu->ctr[NPT_CTR_slot_changes]++;
}

void npt_mmu_set_maxphyaddr(struct npt_mmu *mmu, u8 bits)
{
	bool changed, done;

	bits = min_t(u8, bits, mmu->gpa_bits);
	npt_write_lock(&mmu->lock);
	changed = bits != mmu->maxphyaddr;
	mmu->maxphyaddr = bits;
	npt_write_unlock(&mmu->lock);
	if (!changed || mmu->cfg.mode != NPT_MMU_SHADOW)
		return;
	do {
		npt_write_lock(&mmu->lock);
		done = npt_shadow_zap_tables(mmu, 0, ~0ULL, NPT_ZAP_GUEST, npt_work_slice(mmu));
		npt_flush_owed(mmu, NPT_FL_GUEST);
		npt_write_unlock(&mmu->lock);
		npt_relax();
	} while (!done);
}

/* --- a vCPU ------------------------------------------------------------------ */

/* How the processor's walks go about it. */
static void derive_how(struct npt_cpu *cpu)
{
	bool nested = cpu->mmu->cfg.mode == NPT_MMU_NESTED;
	const struct npt_format *f = cpu->fmt;
	struct npt_walk_how *how = &cpu->how;

	if (cpu->mmu->cfg.mode == NPT_MMU_SHADOW)
		f = npt_cpu_shadow_format(cpu);
	how->count_stage2 = nested;
	how->set_ad = true;
	how->pwc_guest = npt_tlb_has_pwc(cpu->tlb, NPT_PWC_GUEST);
	how->pwc_nested = nested && npt_tlb_has_pwc(cpu->tlb, NPT_PWC_NESTED);
	how->ntlb = nested && npt_tlb_has_ntlb(cpu->tlb);
	how->plain = !how->pwc_nested && !how->ntlb;
	how->quick = how->plain && !how->pwc_guest && f == &npt_fmt_4level;
}

void npt_cpu_derive(struct npt_cpu *cpu)
{
	const struct npt_regs *r = &cpu->regs;
	bool shadow = cpu->mmu->cfg.mode == NPT_MMU_SHADOW;
	bool wp = r->cr0 & NPT_CR0_WP || shadow;
	unsigned int va_bits, rights, op, user, l;

	cpu->fmt = npt_guest_format(r);
	cpu->root = cpu->fmt ? r->cr3 & cpu->fmt->root_mask : 0;
	va_bits = cpu->fmt ? cpu->fmt->va_bits : 32;
	/* Half of a long-mode address space lies at the top of 64 bits (SDM vol. 1, 3.3.7.1). */
	cpu->va_bias = va_bits > 32 ? BIT_ULL(va_bits - 1) : 0;
	cpu->va_unused = ~0ULL << va_bits;
	cpu->global = r->cr4 & NPT_CR4_PGE;
	cpu->pke = (r->cr4 & NPT_CR4_PKE) && (r->efer & NPT_EFER_LMA);
	cpu->pcid = 0;
	if ((r->cr4 & NPT_CR4_PCIDE) && cpu->pcid_tagged)
		cpu->pcid = r->cr3 & 0xfff;
	if (cpu->fmt)
		npt_format_rsvd(cpu->fmt, cpu->mmu->maxphyaddr, r->efer & NPT_EFER_NX, cpu->rsvd);
	if (cpu->fmt == &npt_fmt_pae && cpu->mmu->marks_pdptes)
		cpu->rsvd[3][0] &= ~cpu->fmt->accessed;

	memset(cpu->plain, 0, sizeof(cpu->plain));
	for (l = 2; cpu->fmt && l <= cpu->fmt->levels; l++)
		if (cpu->fmt->level[l].has_rights)
			cpu->plain[l] = cpu->fmt->present | cpu->fmt->accessed |
					cpu->fmt->level[l].leaf_bits | cpu->rsvd[l][0];

	derive_how(cpu);
	for (rights = 0; rights < 16; rights++) {
		cpu->allow[rights] = 0;
		for (user = 0; user < 2; user++)
			for (op = NPT_OP_READ; op <= NPT_OP_FETCH; op++) {
				/*
				 * Without W or D a write looks at the tables:
				 * only they know which dimension denies it.
				 */
				if (op == NPT_OP_WRITE && (rights & 9) != 9)
					continue;
				if (!npt_check_rights(cpu, rights, op, user, wp))
					cpu->allow[rights] |= npt_acc_bit(op, user);
			}
	}
}

static void use_model(struct npt_cpu *cpu, struct npt_tlb *tlb,
		      const struct npt_tlb_model *model)
{
	cpu->tlb = tlb;
	npt_oracle_attach(cpu);
	cpu->cost = model->cost;
	cpu->vpid_tagged = model->flags & NPT_TLB_VPID;
	cpu->pcid_tagged = model->flags & NPT_TLB_PCID;
}

int npt_cpu_init(struct npt_cpu *cpu, struct npt_mmu *mmu, const struct npt_tlb_model *model)
{
	struct npt_tlb *tlb;

	memset(cpu, 0, sizeof(*cpu));
	cpu->mmu = mmu;
	tlb = npt_tlb_create(model, cpu->ctr);
	if (!tlb)
		return -ENOMEM;
	use_model(cpu, tlb, model);
	cpu->root_stale = true;
	cpu->place_seq = ~0ULL;
	npt_cpu_derive(cpu);
	npt_read_lock(&mmu->lock);
	cpu->flush_seen = mmu->flush_seq;
	npt_read_unlock(&mmu->lock);
	return 0;
}

void npt_cpu_destroy(struct npt_cpu *cpu)
{
	npt_write_lock(&cpu->mmu->lock);
	npt_shadow_put_root(cpu);
	npt_write_unlock(&cpu->mmu->lock);
	npt_cache_drain(&cpu->cache);
	npt_tlb_destroy(cpu->tlb);
}

void npt_cpu_install_model(struct npt_cpu *cpu, const struct npt_tlb_model *model,
			   struct npt_tlb *tlb)
{
	struct npt_pending_flush f = { .reason = NPT_FL_MODEL };

	npt_cpu_flush_tlb(cpu, &f);
	npt_tlb_destroy(cpu->tlb);
	use_model(cpu, tlb, model);
	npt_cpu_derive(cpu);
}

int npt_cpu_set_model(struct npt_cpu *cpu, const struct npt_tlb_model *model)
{
	struct npt_tlb *tlb = npt_tlb_create(model, cpu->ctr);

	if (!tlb)
		return -ENOMEM;
	npt_cpu_install_model(cpu, model, tlb);
	return 0;
}

/* Bits that may be set: those whose effect the module knows, or that have none here. */
#define CR0_KNOWN (GENMASK_ULL(5, 0) | NPT_CR0_WP | BIT_ULL(18) | GENMASK_ULL(31, 29))
#define CR4_KNOWN (GENMASK_ULL(12, 0) | GENMASK_ULL(18, 16) | GENMASK_ULL(22, 20))
#define EFER_KNOWN (BIT_ULL(0) | NPT_EFER_LME | NPT_EFER_LMA | NPT_EFER_NX | BIT_ULL(14) | \
		    BIT_ULL(21))

static bool cr3_valid(const struct npt_mmu *mmu, const struct npt_regs *r, u64 cr3)
{
	if (!(r->efer & NPT_EFER_LMA))
		return !(cr3 >> 32);
	return !(cr3 & GENMASK_ULL(63, mmu->maxphyaddr));
}

/* SDM vol. 3A, 2.5, 4.1.1 and 4.10.1 */
static bool regs_valid(const struct npt_mmu *mmu, const struct npt_regs *r)
{
	bool pg = r->cr0 & NPT_CR0_PG, lma = r->efer & NPT_EFER_LMA;

	if (r->cr0 & ~CR0_KNOWN || r->cr4 & ~CR4_KNOWN || r->efer & ~EFER_KNOWN)
		return false;
	if ((pg && !(r->cr0 & NPT_CR0_PE)) ||
	    ((r->cr0 & NPT_CR0_NW) && !(r->cr0 & NPT_CR0_CD)))
		return false;
	if (lma != (pg && (r->efer & NPT_EFER_LME)))
		return false;
	if (lma && !(r->cr4 & NPT_CR4_PAE))
		return false;
	if ((r->cr4 & NPT_CR4_PCIDE) && !lma)
		return false;
	return cr3_valid(mmu, r, r->cr3);
}

int npt_cpu_set_regs(struct npt_cpu *cpu, const struct npt_regs *regs)
{
	struct npt_pending_flush f = { .reason = NPT_FL_GUEST };
	struct npt_regs old = cpu->regs;

	if (!regs_valid(cpu->mmu, regs))
		return -EINVAL;
	cpu->regs = *regs;
	npt_cpu_derive(cpu);
	/* Rights may be others now; and whoever sets registers may have changed tables too. */
	npt_cpu_forget_device(cpu);
	if (old.cr0 == regs->cr0 && old.cr3 == regs->cr3 &&
	    old.cr4 == regs->cr4 && old.efer == regs->efer)
		return 0;
	npt_shadow_flush_begins(cpu->mmu);
	cpu->root_stale = true;
	npt_cpu_flush_tlb(cpu, &f);
	return 0;
}

/* --- what the guest does besides accesses ---------------------------------------- */

void npt_cpu_invlpg(struct npt_cpu *cpu, u64 gva)
{
	struct npt_pending_flush f = {
		.scope = NPT_FLUSH_ADDRESS, .gva = gva, .reason = NPT_FL_INVLPG,
	};

	if (cpu->mmu->cfg.mode == NPT_MMU_SHADOW)
		npt_shadow_sync_addr(cpu, gva);
	npt_cpu_flush_tlb(cpu, &f);
}

/* SDM vol. 3A, 4.10.4.1: what MOV to CR3 invalidates. */
bool npt_cpu_mov_cr3(struct npt_cpu *cpu, u64 value)
{
	bool pcide = cpu->regs.cr4 & NPT_CR4_PCIDE;
	bool keep = pcide && (value & BIT_ULL(63));
	struct npt_regs r = cpu->regs;

	if (pcide)
		value &= ~BIT_ULL(63);
	if (!cr3_valid(cpu->mmu, &r, value))
		return false;
	if (!keep)
		npt_shadow_flush_begins(cpu->mmu);
	if (cpu->regs.cr3 != value)
		cpu->root_stale = true;
	cpu->regs.cr3 = value;
	cpu->root = cpu->fmt ? value & cpu->fmt->root_mask : 0;
	if (pcide && cpu->pcid_tagged)
		cpu->pcid = value & 0xfff;
	if (keep && cpu->pcid_tagged)
		return true;
	cpu->hw_flushes++;
	cpu->ctr[NPT_CTR_tlb_flush]++;
	cpu->ctr[NPT_CTR_flush_cr3]++;
	npt_oracle_due_now(cpu, pcide && cpu->pcid_tagged ? NPT_FLUSH_TAG :
			   NPT_ORACLE_NONGLOBAL, 0, cpu->pcid, NPT_FL_CR3);
	if (pcide && cpu->pcid_tagged)
		npt_tlb_flush_pcid(cpu->tlb, cpu->pcid);
	else
		npt_tlb_flush_nonglobal(cpu->tlb);
	return true;
}

void npt_cpu_guest_flush(struct npt_cpu *cpu)
{
	struct npt_pending_flush f = { .reason = NPT_FL_GUEST };

	npt_shadow_flush_begins(cpu->mmu);
	npt_cpu_flush_tlb(cpu, &f);
}

void npt_cpu_world_switch(struct npt_cpu *cpu)
{
	struct npt_pending_flush f = { .reason = NPT_FL_SWITCH };

	if (!cpu->vpid_tagged)
		npt_cpu_flush_tlb(cpu, &f);
}

void npt_cpu_counters(struct npt_cpu *cpu, u64 *out)
{
	int i;

	for (i = 0; i < NPT_CTR_NR; i++)
		out[i] = READ_ONCE(cpu->ctr[i]);
	out[NPT_CTR_cycles] = npt_cost_cycles(&cpu->cost, out);
}
