// SPDX-License-Identifier: GPL-2.0
/*
 * Does a TLB entry still follow from the tables?
 *
 * Two parties owe flushes. The module owes one whenever the map changes under an entry (the
 * page goes, moves or is write-protected, or becomes a shadowed table): an entry that does
 * not agree with the map is wrong at once. The guest may change its tables and go on with
 * the old translation for as long as it does not flush: there an entry is wrong only if the
 * guest did, or the module for it, and the entry is still there.
 */
#include "internal.h"
#include "../tlb/tlb_impl.h"

/* Bits of a guest entry that processors set. */
#define MARKS 0x60ULL

/* The guest's entries on the way to a page. */
struct guest_path {
	u64 at[5], value[5];
	u32 nr;
	u64 beyond;	/* where the next one lies that can't be read now; 0: there is none */
	bool ok;	/* they lead somewhere */
	u64 gpa;
};

static void find_path(struct npt_cpu *cpu, u64 gva, bool user, struct guest_path *p)
{
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_walk_log log = { .ent = ent, .max = NPT_WALK_MAX };
	enum npt_walk_end end;
	struct npt_walker w;
	u32 i;

	npt_walker_init(&w, cpu, NPT_OP_READ, user);
	w.log = &log;
	end = npt_walk_guest(&w, gva);
	*p = (struct guest_path) { .gpa = end == NPT_WALK_OK ? w.gpa : w.fault_gpa };
	if (end == NPT_WALK_STAGE2 && w.fault_table)
		p->beyond = w.fault_gpa;
	/* The page itself need not be there now. */
	p->ok = end == NPT_WALK_OK || (end == NPT_WALK_STAGE2 && !w.fault_table);
	for (i = 0; i < log.nr && p->nr < ARRAY_SIZE(p->at); i++) {
		if (ent[i].dim != NPT_DIM_GUEST)
			continue;
		p->at[p->nr] = ent[i].address;
		p->value[p->nr++] = ent[i].value & ~MARKS;
	}
}

static u64 entry_gpa(const struct npt_oracle_entry *e)
{
	u64 offset = e->gva & (BIT_ULL(npt_size_shift(npt_tlbv_size(e->val))) - 1);

	return (e->val & NPT_TLBV_FRAME) | (offset & ~0xfffULL);
}

static void witness(void *arg, struct npt_oracle_entry *e)
{
	struct npt_cpu *cpu = arg;
	struct guest_path p;

	e->hpa = npt_mmu_hpa(cpu->mmu, entry_gpa(e));
	find_path(cpu, e->gva, false, &p);
	if (!p.ok) {
		e->user = true;
		find_path(cpu, e->gva, true, &p);
	}
	e->levels = NPT_ORACLE_UNKNOWN;
	/* Made of what the guest has changed since and not flushed: it may do so. */
	if (!p.ok || (p.gpa ^ entry_gpa(e)) & ~0xfffULL)
		return;
	e->levels = p.nr;
	memcpy(e->at, p.at, sizeof(e->at));
	memcpy(e->value, p.value, sizeof(e->value));
}

static bool follows_map(struct npt_cpu *cpu, const struct npt_oracle_entry *e)
{
	struct npt_mmu *mmu = cpu->mmu;
	u64 gpa = entry_gpa(e);

	/* A bare machine's memory is just there. */
	if (mmu->cfg.mode == NPT_MMU_NATIVE || !e->hpa)
		return true;
	if (npt_mmu_hpa(mmu, gpa) != e->hpa)
		return false;
	if (!(e->val & NPT_TLBV_W))
		return true;
	return npt_guest_ptr(mmu, gpa, true) &&
	       !(mmu->cfg.mode == NPT_MMU_SHADOW && npt_gfn_tracked(mmu, gpa >> 12));
}

static bool follows_guest(struct npt_cpu *cpu, const struct npt_oracle_entry *e)
{
	struct guest_path p;
	u32 i;

	if (e->levels == NPT_ORACLE_UNKNOWN)
		return true;
	find_path(cpu, e->gva, e->user, &p);
	for (i = 0; i < p.nr && i < e->levels; i++)
		if (p.at[i] != e->at[i] || p.value[i] != e->value[i])
			return false;
	/* As far as can be seen without bringing a table in. */
	if (p.beyond)
		return p.nr < e->levels && p.beyond == e->at[p.nr];
	return p.nr == e->levels;
}

static bool check(void *arg, const struct npt_oracle_entry *e)
{
	struct npt_cpu *cpu = arg;
	struct npt_oracle *o = cpu->tlb->oracle;
	const struct npt_oracle_op *due = npt_oracle_due(o, e);

	if (follows_map(cpu, e) && (!due || follows_guest(cpu, e)))
		return true;
	o->stale++;
	o->last = *e;
	o->last_reason = due ? due->reason : ~0U;
	cpu->ctr[NPT_CTR_tlb_stale_hits]++;
	npt_trace_stale(cpu->mmu, e->gva, entry_gpa(e), o->last_reason);
	return false;
}

static const struct npt_oracle_ops oracle_ops = {
	.witness = witness,
	.check = check,
};

void npt_oracle_attach(struct npt_cpu *cpu)
{
	struct npt_oracle *o = cpu->tlb->oracle;

	if (!o)
		return;
	o->arg = cpu;
	o->ops = &oracle_ops;
}

void npt_oracle_due_now(struct npt_cpu *cpu, u32 scope, u64 gva, u32 pcid, u32 reason)
{
	if (unlikely(cpu->tlb->oracle))
		npt_oracle_owes(cpu->tlb->oracle, scope, gva, pcid, reason);
}
