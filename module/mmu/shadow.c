// SPDX-License-Identifier: GPL-2.0
/*
 * Shadow tables: one page for each guest table and role, found by the guest
 * table's gfn. Entries that point on grant everything; the rights of the
 * guest's upper levels are in the role and so in the leaves.
 */
#include "internal.h"

const struct npt_format *npt_shadow_format(u32 rf)
{
	switch (rf) {
	/* Also with paging off: the processor is not in long mode then. */
	case NPT_RF_OFF:
	case NPT_RF_32:
	case NPT_RF_32_PSE:
	case NPT_RF_PAE:
		return &npt_fmt_pae;
	case NPT_RF_5:
		return &npt_fmt_5level;
	default:
		return &npt_fmt_4level;
	}
}

const struct npt_format *npt_role_guest_format(u32 rf)
{
	static const struct npt_format *const fmt[] = {
		[NPT_RF_OFF] = NULL, [NPT_RF_32] = &npt_fmt_32,
		[NPT_RF_32_PSE] = &npt_fmt_32_pse, [NPT_RF_PAE] = &npt_fmt_pae,
		[NPT_RF_4] = &npt_fmt_4level, [NPT_RF_5] = &npt_fmt_5level,
	};

	return fmt[rf];
}

/*
 * CR0.WP clear. A supervisor page becomes writable: users can't reach it. A user
 * page becomes a supervisor page for as long as only supervisors touch it; the
 * first user access faults and turns it back. SMEP would no longer see whose
 * page it is, so it can't be executed meanwhile. SMAP and keys would not either,
 * and they are about reads and writes: under those each write is carried out
 * by the module.
 */
u64 npt_role_written(union npt_role role, u64 rights)
{
	if (role.wp == NPT_WP_SET || (rights & NPT_TLBV_W))
		return rights;
	if (!(rights & NPT_TLBV_U))
		return rights | NPT_TLBV_W;
	if (role.wp == NPT_WP_CLEAR_USER)
		return rights;
	if (role.wp == NPT_WP_CLEAR_SMEP)
		rights &= ~NPT_TLBV_X;
	return (rights | NPT_TLBV_W) & ~NPT_TLBV_U;
}

u64 npt_sp_leaf_gfn(const struct npt_sp *sp, unsigned int i)
{
	if (sp->gfns)
		return sp->gfns[i];
	return sp->gfn + ((u64)i << (9 * (sp->role.level - 1)));
}

static inline bool spte_is_leaf(const struct npt_sp *sp, u64 spte)
{
	return sp->role.level == 1 || (spte & npt_fmt_4level.large);
}

static struct npt_sp *child_of(u64 spte)
{
	return npt_page_owner(npt_hpa_ptr(spte & npt_fmt_4level.root_mask));
}

/* --- finding and making ---------------------------------------------------- */

static struct npt_sp *sp_find(struct npt_mmu *mmu, u64 gfn, union npt_role role)
{
	struct npt_sp *sp;

	hlist_for_each_entry(sp, &mmu->sp_by_gfn[npt_sp_hash(gfn)], by_gfn)
		if (sp->gfn == gfn && sp->role.word == role.word)
			return sp;
	return NULL;
}

/*
 * Outside of long mode CR3 has 32 bits (APM vol. 2, 5.2.1), so a root of that
 * shape lies in a page set aside for it.
 */
static bool wants_low(union npt_role role)
{
	return role.level == 3 && npt_shadow_format(role.format) == &npt_fmt_pae;
}

static bool cache_serves(struct npt_cache *c, union npt_role role)
{
	bool low = wants_low(role);

	if (low && !npt_cache_has_low(c))
		return false;
	return npt_cache_has(c, 1, !low, npt_role_is_guest_table(role));
}

static struct npt_sp *new_sp(struct npt_mmu *mmu, struct npt_cache *c, u64 gfn,
			     union npt_role role)
{
	struct npt_sp *sp = npt_cache_sp(c);

	sp->gfn = gfn;
	sp->role = role;
	sp->spt = wants_low(role) ? npt_cache_low_page(c) : npt_cache_page(c);
	npt_page_set_owner(sp->spt, sp);
	mmu->ctr[NPT_CTR_table_bytes] += sizeof(*sp);
	npt_page_charge(mmu, NPT_CTR_shadow_tables, 1);
	if (npt_role_is_guest_table(role)) {
		sp->gfns = npt_cache_raw(c);
		npt_page_charge(mmu, NPT_CTR_rmap_pages, 1);
	}
	return sp;
}

struct npt_sp *npt_sp_get(struct npt_mmu *mmu, struct npt_cache *c, u64 gfn, union npt_role role)
{
	struct npt_sp *sp;

	npt_assert_write(&mmu->lock);
	if (npt_role_is_guest_table(role))
		npt_shadow_sync_gfn(mmu, gfn);
	sp = sp_find(mmu, gfn, role);
	if (sp) {
		/*
		 * Whoever asks is about to reach it by a new way, for which no
		 * TLB can hold anything: nothing below it may be stale.
		 */
		if (role.level > 1)
			npt_shadow_sync_tables(mmu);
		list_move_tail(&sp->link, &mmu->sp_active);
		return sp;
	}
	if (!cache_serves(c, role))
		return NULL;
	sp = new_sp(mmu, c, gfn, role);
	hlist_add_head(&sp->by_gfn, &mmu->sp_by_gfn[npt_sp_hash(gfn)]);
	list_add_tail(&sp->link, &mmu->sp_active);
	if (npt_sp_is_guest_table(sp)) {
		/* From here on no leaf may let the guest write this table unseen. */
		hlist_add_head(&sp->by_region, &mmu->sp_by_region[npt_sp_hash(gfn >> 9)]);
		if (npt_rmap_wrprot(mmu, gfn) || mmu->tlbs_dirty)
			mmu->need_flush = true;
	}
	return sp;
}

bool npt_gfn_tracked(struct npt_mmu *mmu, u64 gfn)
{
	struct npt_sp *sp;

	hlist_for_each_entry(sp, &mmu->sp_by_gfn[npt_sp_hash(gfn)], by_gfn)
		if (sp->gfn == gfn && npt_sp_is_guest_table(sp) && !sp->unsync)
			return true;
	return false;
}

bool npt_region_shadowed(struct npt_mmu *mmu, u64 gfn)
{
	struct npt_sp *sp;

	hlist_for_each_entry(sp, &mmu->sp_by_region[npt_sp_hash(gfn >> 9)], by_region)
		if (sp->gfn >> 9 == gfn >> 9)
			return true;
	return false;
}

/* --- entries --------------------------------------------------------------- */

void npt_sp_link(struct npt_mmu *mmu, struct npt_cache *c, struct npt_sp *parent, unsigned int i,
		 struct npt_sp *child)
{
	const struct npt_format *f = npt_shadow_format(parent->role.format);
	u64 e = npt_make_table(f, npt_ptr_hpa(child->spt));

	/* PDPTEs have no rights: those bits are reserved (SDM vol. 3A, table 4-8). */
	if (!f->level[parent->role.level].has_rights)
		e = npt_ptr_hpa(child->spt) | f->present;
	npt_rmap_add(mmu, c, &child->parents, &parent->spt[i]);
	WRITE_ONCE(parent->spt[i], e);
}

void npt_sp_drop_entry(struct npt_mmu *mmu, struct npt_sp *sp, unsigned int i,
		       enum npt_zap_reason reason)
{
	u64 spte = sp->spt[i];
	unsigned long *head;

	if (!spte)
		return;
	if (!spte_is_leaf(sp, spte)) {
		if (!npt_rmap_del(mmu, &child_of(spte)->parents, &sp->spt[i]))
			npt_mmu_bug(mmu, "shadow table without its parent");
		WRITE_ONCE(sp->spt[i], 0);
		mmu->tlbs_dirty = true;
		return;
	}
	head = npt_rmap_of(mmu, npt_sp_leaf_gfn(sp, i));
	if (!head || !npt_rmap_del(mmu, head, &sp->spt[i]))
		npt_mmu_bug(mmu, "shadow leaf without a reverse map");
	WRITE_ONCE(sp->spt[i], 0);
	mmu->tlbs_dirty = true;
	mmu->ctr[NPT_CTR_shadow_leaves]--;
	mmu->ctr[NPT_CTR_zaps]++;
	mmu->ctr[NPT_CTR_zap_notifier + reason]++;
}

static void wrprot_spte(struct npt_mmu *mmu, u64 *spte, void *arg)
{
	struct npt_sp *sp = npt_sp_of(spte);
	u64 gfn = *(u64 *)arg, first = npt_sp_leaf_gfn(sp, npt_sp_index(spte));
	u64 pages = BIT_ULL(9 * (sp->role.level - 1));

	if (gfn < first || gfn >= first + pages || !(*spte & npt_fmt_4level.write))
		return;
	npt_entry_clear(spte, npt_fmt_4level.write | npt_fmt_4level.dirty);
	mmu->wrprot_any = true;
}

/*
 * A 2 MiB leaf over the gfn loses its right to write as a whole; the next
 * write faults and finds that a large leaf is not allowed there any more.
 */
bool npt_rmap_wrprot_head(struct npt_mmu *mmu, unsigned long head, u64 gfn)
{
	mmu->wrprot_any = false;
	npt_rmap_each(mmu, head, wrprot_spte, &gfn);
	return mmu->wrprot_any;
}

bool npt_rmap_wrprot(struct npt_mmu *mmu, u64 gfn)
{
	unsigned long *head = npt_rmap_of(mmu, gfn);

	return head && npt_rmap_wrprot_head(mmu, *head, gfn);
}

/* --- zapping --------------------------------------------------------------- */

static void unlink_parents(struct npt_mmu *mmu, struct npt_sp *sp)
{
	u64 *spte;

	while ((spte = npt_rmap_first(sp->parents))) {
		npt_rmap_del(mmu, &sp->parents, spte);
		WRITE_ONCE(*spte, 0);
	}
	mmu->need_flush = true;
}

void npt_sp_zap(struct npt_mmu *mmu, struct npt_sp *sp, enum npt_zap_reason reason)
{
	unsigned int i;

	npt_assert_write(&mmu->lock);
	if (sp->invalid)
		return;
	mmu->work += NPT_WORK_TABLE;
	for (i = 0; i < 512; i++)
		npt_sp_drop_entry(mmu, sp, i, reason);
	unlink_parents(mmu, sp);
	hlist_del(&sp->by_gfn);
	if (npt_sp_is_guest_table(sp))
		hlist_del(&sp->by_region);
	if (sp->unsync) {
		sp->unsync = false;
		list_del(&sp->unsync_link);
		mmu->ctr[NPT_CTR_mmu_unsync]--;
	}
	sp->invalid = true;
	list_move_tail(&sp->link, &mmu->sp_zapped);
	mmu->ctr[NPT_CTR_mmu_shadow_zapped]++;
}

/* TLBs have forgotten them: free what no vCPU holds as its root. */
void npt_sp_free_zapped(struct npt_mmu *mmu)
{
	struct npt_sp *sp, *next;

	list_for_each_entry_safe(sp, next, &mmu->sp_zapped, link) {
		if (sp->root_count)
			continue;
		list_del(&sp->link);
		mmu->ctr[NPT_CTR_table_bytes] -= sizeof(*sp);
		npt_page_free(sp->spt);
		npt_page_charge(mmu, NPT_CTR_shadow_tables, -1);
		if (sp->gfns) {
			npt_page_free(sp->gfns);
			npt_page_charge(mmu, NPT_CTR_rmap_pages, -1);
		}
		npt_zfree(sp);
	}
}

/* False: there may be more, but it came to @until. */
static bool zap_gfn_tables(struct npt_mmu *mmu, u64 gfn, enum npt_zap_reason reason, u64 until)
{
	struct npt_sp *sp;
	struct hlist_node *next;

	hlist_for_each_entry_safe(sp, next, &mmu->sp_by_gfn[npt_sp_hash(gfn)], by_gfn) {
		if (sp->gfn != gfn || !npt_sp_is_guest_table(sp))
			continue;
		npt_sp_zap(mmu, sp, reason);
		if (npt_work(mmu) >= until)
			return false;
	}
	return true;
}

/*
 * Short ranges go by the hash, long ones by the list of all tables: either is one look
 * at each table, or a few.
 */
bool npt_shadow_zap_tables(struct npt_mmu *mmu, u64 start, u64 end, enum npt_zap_reason reason,
			   u64 until)
{
	struct npt_sp *sp, *next;
	u64 gfn;

	if (end - start <= min_t(u64, mmu->ctr[NPT_CTR_shadow_tables], NPT_SP_HASH_SIZE)) {
		for (gfn = start; gfn < end; gfn++)
			if (!zap_gfn_tables(mmu, gfn, reason, until))
				return false;
		return true;
	}
	list_for_each_entry_safe(sp, next, &mmu->sp_active, link) {
		if (!npt_sp_is_guest_table(sp) || sp->gfn < start || sp->gfn >= end)
			continue;
		npt_sp_zap(mmu, sp, reason);
		if (npt_work(mmu) >= until)
			return false;
	}
	return true;
}

/*
 * Pages to free, of which a fault takes 16 at the most. Not more at a time than that
 * vCPUs can wait for, though each time costs them a flush.
 */
#define RECYCLE_MIN 32
#define RECYCLE_MAX 64

bool npt_shadow_recycle(struct npt_mmu *mmu)
{
	struct npt_sp *sp, *next;
	u64 want = clamp_t(u64, mmu->cfg.max_table_pages / 8, RECYCLE_MIN, RECYCLE_MAX);
	u64 freed = 0;

	list_for_each_entry_safe(sp, next, &mmu->sp_active, link) {
		if (freed >= want)
			break;
		if (sp->root_count)
			continue;
		freed += sp->gfns ? 2 : 1;
		npt_sp_zap(mmu, sp, NPT_ZAP_RECYCLE);
		mmu->ctr[NPT_CTR_mmu_recycled]++;
	}
	npt_flush_cpus(mmu, NPT_FL_RECYCLE);
	return freed >= want;
}
