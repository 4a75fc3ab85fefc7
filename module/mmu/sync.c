// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping shadow tables in step with the guest's.
 *
 * A guest table that is shadowed is write-protected, so each write to it
 * comes through npt_shadow_pte_write(). Tables of the lowest level may instead
 * go out of sync: the guest writes them freely, as a TLB would let it, and
 * they are compared again before an INVLPG or a flush takes effect.
 */
#include "internal.h"

/* Guest writes to a table, none of which a fault came through, before it is given up. */
#define FLOOD_WRITES 8

/* --- writes that were caught ------------------------------------------------ */

/* Entries of @sp that bytes [offset, offset + len) of the guest table feed. */
static bool touched_entries(const struct npt_sp *sp, u32 offset, u32 len,
			    unsigned int *first, unsigned int *last)
{
	const struct npt_format *f = npt_role_guest_format(sp->role.format);
	unsigned int a = offset / f->entry_size, b = (offset + len - 1) / f->entry_size;
	unsigned int per, lo, hi;

	if (f->entry_size == 8) {
		/* A PAE root is four entries somewhere in its page. */
		unsigned int base = f == &npt_fmt_pae && sp->role.level == 3 ?
				    sp->role.offset * 4 : 0;
		unsigned int n = base || (f == &npt_fmt_pae && sp->role.level == 3) ? 4 : 512;

		if (b < base || a >= base + n)
			return false;
		*first = max(a, base) - base;
		*last = min(b, base + n - 1) - base;
		return true;
	}
	/* 1,024 guest entries; a page directory entry feeds two shadow entries. */
	per = sp->role.level == 1 ? 512 : 256;
	lo = sp->role.quadrant * per;
	hi = lo + per - 1;
	if (b < lo || a > hi)
		return false;
	*first = max(a, lo) - lo;
	*last = min(b, hi) - lo;
	if (sp->role.level == 2) {
		*first *= 2;
		*last = *last * 2 + 1;
	}
	return true;
}

static bool table_written(struct npt_mmu *mmu, struct npt_sp *sp, u32 offset, u32 len)
{
	unsigned int i, last;

	if (!touched_entries(sp, offset, len, &i, &last))
		return false;
	for (; i <= last; i++)
		npt_sp_drop_entry(mmu, sp, i, NPT_ZAP_GUEST);
	return ++sp->writes >= FLOOD_WRITES && !sp->root_count;
}

static struct hlist_head *gfn_bucket(struct npt_mmu *mmu, u64 gfn)
{
	return &mmu->sp_by_gfn[npt_sp_hash(gfn)];
}

/*
 * No flush: until the guest's own INVLPG, a TLB may hold the old translation.
 * tlbs_dirty remembers that one may, for whoever write-protects a page next.
 */
void npt_shadow_pte_write(struct npt_cpu *cpu, u64 gpa, u32 len)
{
	struct npt_mmu *mmu = cpu->mmu;
	u64 gfn = gpa >> 12;
	struct npt_sp *sp;
	struct hlist_node *next;

	npt_assert_write(&mmu->lock);
	cpu->ctr[NPT_CTR_mmu_pte_write]++;
	hlist_for_each_entry_safe(sp, next, gfn_bucket(mmu, gfn), by_gfn) {
		if (sp->gfn != gfn || !npt_sp_is_guest_table(sp))
			continue;
		if (table_written(mmu, sp, gpa & 4095, len)) {
			npt_sp_zap(mmu, sp, NPT_ZAP_GUEST);
			mmu->ctr[NPT_CTR_mmu_flooded]++;
		}
	}
	npt_flush_owed(mmu, NPT_FL_SHADOW);
}

/* --- out of sync and back ---------------------------------------------------- */

/* Several shadows of one table go together: the limit may be passed by so many. */
bool npt_shadow_unsync(struct npt_mmu *mmu, u64 gfn)
{
	struct npt_sp *sp;

	npt_assert_write(&mmu->lock);
	if (!mmu->cfg.unsync || mmu->ctr[NPT_CTR_mmu_unsync] >= NPT_MAX_UNSYNC)
		return false;
	hlist_for_each_entry(sp, gfn_bucket(mmu, gfn), by_gfn)
		if (sp->gfn == gfn && npt_sp_is_guest_table(sp) && sp->role.level > 1)
			return false;
	hlist_for_each_entry(sp, gfn_bucket(mmu, gfn), by_gfn) {
		if (sp->gfn != gfn || !npt_sp_is_guest_table(sp) || sp->unsync)
			continue;
		sp->unsync = true;
		list_add_tail(&sp->unsync_link, &mmu->sp_unsync);
		mmu->ctr[NPT_CTR_mmu_unsync]++;
	}
	return true;
}

bool npt_guest_table(struct npt_mmu *mmu, const struct npt_sp *sp, struct npt_guest_table *t)
{
	u64 hpa;

	t->f = npt_role_guest_format(sp->role.format);
	t->want = t->f->present | t->f->accessed;
	t->rsvd = npt_format_rsvd_pte(t->f, mmu->maxphyaddr, sp->role.nx);
	t->frame = t->f->level[1].leaf_mask;
	/* 32-bit tables have twice the entries of the shadow's. */
	hpa = npt_mmu_hpa(mmu, (sp->gfn << 12) |
			       (t->f->entry_size == 4 ? sp->role.quadrant * 2048 : 0));
	t->entries = hpa ? npt_hpa_ptr(hpa) : NULL;
	return hpa;
}

bool npt_guest_leaf(const struct npt_guest_table *t, const struct npt_sp *sp, unsigned int i,
		    u64 *gfn, u64 *rights)
{
	const struct npt_format *f = t->f;
	u64 pte;

	pte = f->entry_size == 8 ? READ_ONCE(((const u64 *)t->entries)[i]) :
				   READ_ONCE(((const u32 *)t->entries)[i]);
	if ((pte & t->want) != t->want || (pte & t->rsvd))
		return false;
	*gfn = (pte & t->frame) >> 12;
	*rights = npt_entry_rights(f, pte) & sp->role.rights;
	if (pte & f->dirty)
		*rights |= NPT_TLBV_D;
	if (sp->role.global && (pte & f->global))
		*rights |= NPT_TLBV_G;
	if (f->pkey_shift)
		*rights |= (pte >> f->pkey_shift & 15) << NPT_TLBV_PKEY_SHIFT;
	return true;
}

/* Does the shadow leaf still grant no more than the guest's entry? */
static bool leaf_agrees(const struct npt_guest_table *t, const struct npt_sp *sp,
			unsigned int i)
{
	const struct npt_format *s = &npt_fmt_4level;
	u64 spte = sp->spt[i], guest, rights, gfn;

	if (!npt_guest_leaf(t, sp, i, &gfn, &guest) || gfn != sp->gfns[i])
		return false;
	rights = guest & (NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X);
	if (!(guest & NPT_TLBV_D))
		rights &= ~NPT_TLBV_W;
	else if (spte & s->write)
		rights = npt_role_written(sp->role, rights);
	if (npt_entry_rights(s, spte) & ~rights)
		return false;
	/* A user page must not look like a supervisor's: SMEP and SMAP depend on it. */
	if ((npt_entry_rights(s, spte) ^ rights) & NPT_TLBV_U)
		return false;
	if (t->f->pkey_shift && ((spte >> s->pkey_shift ^ guest >> NPT_TLBV_PKEY_SHIFT) & 15))
		return false;
	return !(spte & s->global) == !(guest & NPT_TLBV_G);
}

/* Nobody may write the table behind @sp unseen, from the next flush on. */
static void protect(struct npt_mmu *mmu, struct npt_sp *sp)
{
	if (npt_rmap_wrprot(mmu, sp->gfn) || mmu->tlbs_dirty)
		mmu->need_flush = true;
}

/*
 * Throw out what doesn't follow from the guest's table any more. Only once all vCPUs
 * have flushed: what one of them writes behind the comparison would never be told of,
 * nor found by an INVLPG, as the table is in sync from here on.
 */
static void compare(struct npt_mmu *mmu, struct npt_sp *sp)
{
	bool readable;
	unsigned int i;
	struct npt_guest_table t;

	readable = npt_guest_table(mmu, sp, &t);
	for (i = 0; i < 512; i++)
		if (sp->spt[i] && (!readable || !leaf_agrees(&t, sp, i)))
			npt_sp_drop_entry(mmu, sp, i, NPT_ZAP_GUEST);
	sp->unsync = false;
	list_del(&sp->unsync_link);
	mmu->ctr[NPT_CTR_mmu_unsync]--;
	mmu->ctr[NPT_CTR_mmu_unsync_sync]++;
}

static bool concerns(const struct npt_sp *sp, const u64 *gfn)
{
	return !gfn || sp->gfn == *gfn;
}

/* All tables, or those of one gfn. */
static void sync_tables(struct npt_mmu *mmu, const u64 *gfn)
{
	struct npt_sp *sp, *next;
	bool any = false;

	npt_assert_write(&mmu->lock);
	list_for_each_entry(sp, &mmu->sp_unsync, unsync_link)
		if (concerns(sp, gfn)) {
			protect(mmu, sp);
			any = true;
		}
	if (!any)
		return;
	npt_flush_owed(mmu, NPT_FL_SHADOW);
	list_for_each_entry_safe(sp, next, &mmu->sp_unsync, unsync_link)
		if (concerns(sp, gfn))
			compare(mmu, sp);
}

void npt_shadow_sync_tables(struct npt_mmu *mmu)
{
	sync_tables(mmu, NULL);
}

void npt_shadow_sync_gfn(struct npt_mmu *mmu, u64 gfn)
{
	sync_tables(mmu, &gfn);
}

void npt_shadow_flush_begins(struct npt_mmu *mmu)
{
	if (mmu->cfg.mode != NPT_MMU_SHADOW || !READ_ONCE(mmu->ctr[NPT_CTR_mmu_unsync]))
		return;
	npt_write_lock(&mmu->lock);
	npt_shadow_sync_tables(mmu);
	npt_write_unlock(&mmu->lock);
}

/* The level-1 table that this vCPU's shadow root leads to for @gva, NULL if none. */
static struct npt_sp *leaf_table(struct npt_cpu *cpu, u64 gva)
{
	const struct npt_format *f = npt_cpu_shadow_format(cpu);
	struct npt_sp *sp = cpu->shadow_root;
	unsigned int l;

	/* The next root is in sync when it is picked, and may have another format. */
	if (!npt_shadow_root_fits(cpu))
		return NULL;
	for (l = f->levels; l > 1; l--) {
		u64 e = sp->spt[(gva >> f->level[l].shift) &
				f->level[l].index_mask];

		if (!(e & f->present) || (l < 4 && (e & f->large) && f->level[l].may_leaf))
			return NULL;
		sp = npt_page_owner(npt_hpa_ptr(e & f->level[l].table_mask));
	}
	return sp;
}

/*
 * One address is spoken of: the other entries of the table may stay as stale as a
 * TLB might keep them, and the table out of sync. The TLB's own entry is the caller's.
 */
void npt_shadow_sync_leaf(struct npt_cpu *cpu, u64 gva)
{
	struct npt_sp *sp = leaf_table(cpu, gva);
	unsigned int i = (gva >> 12) & 511;
	struct npt_guest_table t;

	npt_assert_write(&cpu->mmu->lock);
	if (!sp || !sp->unsync || !sp->spt[i])
		return;
	if (!npt_guest_table(cpu->mmu, sp, &t) || !leaf_agrees(&t, sp, i))
		npt_sp_drop_entry(cpu->mmu, sp, i, NPT_ZAP_GUEST);
}

void npt_shadow_sync_addr(struct npt_cpu *cpu, u64 gva)
{
	struct npt_mmu *mmu = cpu->mmu;

	if (!READ_ONCE(mmu->ctr[NPT_CTR_mmu_unsync]))
		return;
	npt_write_lock(&mmu->lock);
	npt_shadow_sync_leaf(cpu, gva);
	npt_write_unlock(&mmu->lock);
}
