// SPDX-License-Identifier: GPL-2.0
/*
 * Faults on shadow tables: walk the guest's own tables as a processor would,
 * then build the path and the leaf that serve this access and no more.
 */
#include "internal.h"

static u32 role_format(const struct npt_cpu *cpu)
{
	if (!cpu->fmt)
		return NPT_RF_OFF;
	if (cpu->fmt == &npt_fmt_32)
		return NPT_RF_32;
	if (cpu->fmt == &npt_fmt_32_pse)
		return NPT_RF_32_PSE;
	if (cpu->fmt == &npt_fmt_pae)
		return NPT_RF_PAE;
	return cpu->fmt == &npt_fmt_4level ? NPT_RF_4 : NPT_RF_5;
}

const struct npt_format *npt_cpu_shadow_format(const struct npt_cpu *cpu)
{
	return npt_shadow_format(role_format(cpu));
}

u32 npt_shadow_levels(const struct npt_cpu *cpu)
{
	return npt_cpu_shadow_format(cpu)->levels;
}

void npt_shadow_hw_regs(const struct npt_cpu *cpu, struct npt_regs *hw)
{
	*hw = cpu->regs;
	/* CR0.PE stays as it is: SVM has a paged real mode (APM vol. 2, 15.19). */
	hw->cr0 |= NPT_CR0_PG | NPT_CR0_WP;
	hw->cr4 |= NPT_CR4_PAE;
	/* Roots are told apart by their flushes: no CR3 of ours has a PCID. */
	hw->cr4 &= ~NPT_CR4_PCIDE;
	hw->efer |= NPT_EFER_NX;
	if (!(hw->efer & NPT_EFER_LMA)) {
		/* With paging always on, LME would take it into long mode (14.6.1). */
		hw->efer &= ~NPT_EFER_LME;
		/* It means nothing there (5.3.3), and no processor need find out. */
		hw->cr4 &= ~NPT_CR4_LA57;
	}
	/* Without paging there are no user pages; ours have the bit (SDM vol. 3A, 4.6). */
	if (!cpu->fmt)
		hw->cr4 &= ~(NPT_CR4_SMEP | NPT_CR4_SMAP | NPT_CR4_PKE);
}

/* --- the root --------------------------------------------------------------- */

static u32 role_wp(const struct npt_cpu *cpu)
{
	const struct npt_regs *r = &cpu->regs;

	if (!cpu->fmt || (r->cr0 & NPT_CR0_WP))
		return NPT_WP_SET;
	if ((r->cr4 & NPT_CR4_SMAP) || cpu->pke)
		return NPT_WP_CLEAR_USER;
	return r->cr4 & NPT_CR4_SMEP ? NPT_WP_CLEAR_SMEP : NPT_WP_CLEAR;
}

static union npt_role base_role(const struct npt_cpu *cpu)
{
	union npt_role role = { .word = 0 };

	role.format = role_format(cpu);
	role.nx = !!(cpu->regs.efer & NPT_EFER_NX);
	role.global = cpu->global;
	role.wp = role_wp(cpu);
	role.rights = NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X;
	return role;
}

static union npt_role root_role(const struct npt_cpu *cpu, u64 *gfn)
{
	union npt_role role = base_role(cpu);

	role.level = npt_cpu_shadow_format(cpu)->levels;
	*gfn = cpu->root >> 12;
	if (!cpu->fmt) {
		role.direct = 1;
		*gfn = 0;
	} else if (cpu->fmt->entry_size == 4) {
		role.glue = 1;
	} else if (cpu->fmt == &npt_fmt_pae) {
		role.offset = (cpu->root >> 5) & 127;
	}
	return role;
}

void npt_shadow_put_root(struct npt_cpu *cpu)
{
	npt_assert_write(&cpu->mmu->lock);
	if (cpu->shadow_root)
		cpu->shadow_root->root_count--;
	cpu->shadow_root = NULL;
}

/* False: the cache lacks something. */
static bool pick_root(struct npt_cpu *cpu)
{
	struct npt_mmu *mmu = cpu->mmu;
	u64 gfn, before = mmu->ctr[NPT_CTR_shadow_tables];
	union npt_role role = root_role(cpu, &gfn);
	struct npt_sp *sp;

	sp = npt_sp_get(mmu, &cpu->cache, gfn, role);
	if (!sp)
		return false;
	sp->root_count++;
	cpu->shadow_root = sp;
	cpu->root_stale = false;
	cpu->ctr[mmu->ctr[NPT_CTR_shadow_tables] == before ?
		 NPT_CTR_mmu_root_reuse : NPT_CTR_mmu_root_new]++;
	return true;
}

int npt_shadow_load_root(struct npt_cpu *cpu)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool room, picked;

	do {
		if (npt_cache_fill(mmu, &cpu->cache))
			return -ENOMEM;
		npt_write_lock(&mmu->lock);
		npt_shadow_put_root(cpu);
		room = npt_mmu_recycle(mmu);
		picked = room && pick_root(cpu);
		npt_flush_owed(mmu, NPT_FL_SHADOW);
		npt_write_unlock(&mmu->lock);
	} while (room && !picked);
	return room ? 0 : -ENOMEM;
}

/* --- the path ---------------------------------------------------------------- */

/* What the child of @level's entry for @gva is made from. */
static union npt_role child_role(const struct npt_cpu *cpu, const struct npt_walker *w,
				 union npt_role role, unsigned int level, u64 gva, u64 *gfn)
{
	unsigned int child = level - 1;

	role.level = child;
	if (child < w->leaf_level || !cpu->fmt) {
		/* Below the guest's leaf: a piece of its large page. */
		role.direct = 1;
		role.rights = w->guest_rights & (NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X);
		if (!(w->guest_rights & NPT_TLBV_D)) {
			/* Nobody may write it before that is noted, CR0.WP or not. */
			role.rights &= ~NPT_TLBV_W;
			role.wp = NPT_WP_SET;
		}
		role.global = !!(w->guest_rights & NPT_TLBV_G);
		role.key = (w->guest_rights >> NPT_TLBV_PKEY_SHIFT) & 15;
		*gfn = (w->gpa >> 12) & ~(BIT_ULL(9 * child) - 1);
		return role;
	}
	role.rights = w->path->rights[child];
	*gfn = w->path->entry_gpa[child] >> 12;
	if (cpu->fmt->entry_size == 4)
		role.quadrant = child == 2 ? (gva >> 30) & 3 : (gva >> 21) & 1;
	return role;
}

/* Make entry @i of @sp lead to the table for @role; NULL: the cache lacks something. */
static struct npt_sp *step_down(struct npt_cpu *cpu, struct npt_sp *sp, unsigned int i,
				u64 gfn, union npt_role role)
{
	struct npt_mmu *mmu = cpu->mmu;
	u64 spte = sp->spt[i];
	struct npt_sp *child;

	if (spte && !(spte & npt_fmt_4level.large)) {
		child = npt_page_owner(npt_hpa_ptr(spte & npt_fmt_4level.root_mask));
		if (child->gfn == gfn && child->role.word == role.word)
			return child;
	}
	npt_sp_drop_entry(mmu, sp, i, NPT_ZAP_GUEST);
	child = npt_sp_get(mmu, &cpu->cache, gfn, role);
	if (child)
		npt_sp_link(mmu, &cpu->cache, sp, i, child);
	return child;
}

/* Largest shadow leaf for this page. */
static unsigned int leaf_level(struct npt_cpu *cpu, const struct npt_walker *w)
{
	/* Every shadow format has leaves of 2 MiB. */
	if (!npt_tlbv_size(w->guest_rights) || !w->map_size ||
	    npt_region_shadowed(cpu->mmu, w->gpa >> 12))
		return 1;
	return 2;
}

/* --- the leaf ----------------------------------------------------------------- */

/*
 * Would a processor refuse this write again, though the guest's tables permit it?
 * Because the leaf is read-only, or because with CR0.WP set a key's WD holds for
 * supervisors too (SDM vol. 3A, 4.6.2).
 */
static bool refused_again(const struct npt_cpu *cpu, const struct npt_walker *w, u64 rights)
{
	unsigned int key = (w->guest_rights >> NPT_TLBV_PKEY_SHIFT) & 15;

	return w->op == NPT_OP_WRITE &&
	       (!(rights & NPT_TLBV_W) || npt_pkey_denies(cpu, rights, key, w->op, true));
}

/* Rights of the leaf in @sp; *outcome says if a write must not be let through. */
static u64 leaf_rights(struct npt_cpu *cpu, const struct npt_walker *w,
		       const struct npt_sp *sp, enum npt_fault_outcome *outcome)
{
	struct npt_mmu *mmu = cpu->mmu;
	u64 rights = w->guest_rights & (NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X | NPT_TLBV_G);

	*outcome = NPT_FAULT_FIXED;
	/* Clean in the guest's table: let the first write fault, to mark it dirty. */
	if (!(w->guest_rights & NPT_TLBV_D) || !(w->rights & NPT_TLBV_W))
		rights &= ~NPT_TLBV_W;
	/* A write that was permitted has marked the entry, and found the map's leaf writable. */
	if (w->op == NPT_OP_WRITE && !w->user)
		rights = npt_role_written(sp->role, rights);
	if ((rights & NPT_TLBV_W) && npt_gfn_tracked(mmu, w->gpa >> 12)) {
		if (w->op != NPT_OP_WRITE)
			rights &= ~NPT_TLBV_W;
		else if (npt_shadow_unsync(mmu, w->gpa >> 12))
			*outcome = NPT_FAULT_UNSYNC;
		else
			rights &= ~NPT_TLBV_W;
	}
	if (refused_again(cpu, w, rights))
		*outcome = NPT_FAULT_EMULATE;
	return rights & NPT_TLBV_W ? rights | NPT_TLBV_D : rights;
}

/* Enter a leaf where nothing is; @head is the map's list for @gfn. */
static void enter_leaf(struct npt_cpu *cpu, struct npt_sp *sp, unsigned int i, u64 gfn,
		       u64 spte, unsigned long *head)
{
	if (sp->gfns)
		sp->gfns[i] = gfn;
	npt_rmap_add(cpu->mmu, &cpu->cache, head, &sp->spt[i]);
	WRITE_ONCE(sp->spt[i], spte);
	cpu->mmu->ctr[NPT_CTR_shadow_fills]++;
	cpu->mmu->ctr[NPT_CTR_shadow_leaves]++;
}

static u64 make_spte(const struct npt_format *f, unsigned int level, u64 hpa, u64 rights,
		     u64 guest_rights)
{
	u64 spte = npt_make_leaf(f, level, hpa, rights);

	if (f->pkey_shift)
		spte |= ((guest_rights >> NPT_TLBV_PKEY_SHIFT) & 15) << f->pkey_shift;
	return spte;
}

static void set_leaf(struct npt_cpu *cpu, struct npt_sp *sp, unsigned int i, u64 gfn,
		     u64 hpa, const struct npt_walker *w, u64 rights,
		     enum npt_fault_outcome *outcome)
{
	const struct npt_format *f = npt_cpu_shadow_format(cpu);
	struct npt_mmu *mmu = cpu->mmu;
	u64 spte = make_spte(f, sp->role.level, hpa, rights, w->guest_rights);
	u64 old = sp->spt[i];
	unsigned long *head;

	if ((old | f->accessed) == spte && npt_sp_leaf_gfn(sp, i) == gfn) {
		if (*outcome == NPT_FAULT_FIXED)
			*outcome = NPT_FAULT_SPURIOUS;
		return;
	}
	if (old && !((old ^ spte) & ~(f->write | f->dirty | f->accessed)) &&
	    npt_sp_leaf_gfn(sp, i) == gfn && (rights & NPT_TLBV_W)) {
		/* The same page, now writable: no TLB can know too much of it. */
		WRITE_ONCE(sp->spt[i], spte);
		return;
	}
	if (old && sp->role.wp && npt_sp_leaf_gfn(sp, i) == gfn &&
	    !((old ^ spte) & f->level[sp->role.level].leaf_mask)) {
		/*
		 * Turned, or turned back. A TLB may know the old rights: the guest
		 * permits what either grants, but a write-protection must get them.
		 */
		WRITE_ONCE(sp->spt[i], spte);
		mmu->tlbs_dirty = true;
		return;
	}
	npt_sp_drop_entry(mmu, sp, i, NPT_ZAP_GUEST);
	head = npt_rmap_of(mmu, gfn);
	if (!head) {
		npt_mmu_bug(mmu, "shadow leaf for a page that the map lacks");
		return;
	}
	enter_leaf(cpu, sp, i, gfn, spte, head);
	mmu->ctr[NPT_CTR_fills_demand]++;
	npt_trace_fill(mmu, gfn << 12, hpa, npt_level_size(sp->role.level), NPT_DIM_SHADOW);
}

/* --- neighbours ---------------------------------------------------------------- */

/* Where the map has been looked at: what lies there is found without going down again. */
struct near {
	u64 region;		/* gfn >> 9; ~0: nowhere yet */
	u64 *leaf;		/* of the region's first gfn; NULL: nothing is mapped there */
	unsigned long *head;	/* that leaf's */
	bool large;		/* the leaf is the whole region's */
};

static void look_near(struct npt_mmu *mmu, struct near *n, u64 gfn)
{
	unsigned int level;
	void *table;
	u64 *leaf;

	n->region = gfn >> 9;
	leaf = npt_map_leaf(mmu, gfn << 12, &level, &table);
	n->large = level > 1;
	n->leaf = n->large ? leaf : table;
	if (n->leaf)
		n->head = (unsigned long *)npt_page_owner(table) + (n->leaf - (u64 *)table);
}

/* False: there is no leaf. @gfn lies in @n's region. */
static bool take_near(const struct near *n, u64 gfn, u64 *leaf, unsigned long **head, u64 *hpa)
{
	unsigned int i = n->large ? 0 : gfn & 511;

	if (!n->leaf || !n->leaf[i])
		return false;
	*leaf = n->leaf[i];
	*head = &n->head[i];
	*hpa = (*leaf & GENMASK_ULL(51, 12)) | (n->large ? (gfn & 511) << 12 : 0);
	return true;
}

/* What the processor may do there before it has to ask. */
static u64 prefetch_rights(struct npt_mmu *mmu, u64 gfn, u64 guest_rights, u64 leaf)
{
	u64 rights = guest_rights & (NPT_TLBV_U | NPT_TLBV_X | NPT_TLBV_G);

	/* The first write must be seen if it has something to mark, or to say. */
	if ((guest_rights & NPT_TLBV_W) && (guest_rights & NPT_TLBV_D) &&
	    (leaf & mmu->map_fmt->write) && !npt_gfn_tracked(mmu, gfn))
		rights |= NPT_TLBV_W | NPT_TLBV_D;
	return rights;
}

/* Enter @gfn as leaf @i, if the map has it and there is what it takes. */
static void prefetch_leaf(struct npt_cpu *cpu, struct npt_sp *sp, unsigned int i, u64 gfn,
			  u64 guest_rights, struct near *n)
{
	const struct npt_format *f = npt_cpu_shadow_format(cpu);
	struct npt_mmu *mmu = cpu->mmu;
	unsigned long *head;
	u64 leaf, hpa, spte;

	if (n->region != gfn >> 9)
		look_near(mmu, n, gfn);
	/* As in leaf_level(). */
	if (sp->role.level > 1 && (!n->large || npt_region_shadowed(mmu, gfn)))
		return;
	if (!take_near(n, gfn, &leaf, &head, &hpa))
		return;
	if (!npt_rmap_has_room(*head) && (!cpu->cache.nr_descs || npt_rmap_full(*head))) {
		/* Next time. */
		cpu->cache.want_near = true;
		return;
	}
	spte = make_spte(f, sp->role.level, hpa, prefetch_rights(mmu, gfn, guest_rights, leaf),
			 guest_rights);
	enter_leaf(cpu, sp, i, gfn, spte & ~f->accessed, head);
	mmu->ctr[NPT_CTR_fills_prefetch]++;
}

/* The entry that the walk ended with lies in the table behind @sp. False: leave it. */
static bool walked_table(const struct npt_cpu *cpu, const struct npt_sp *sp,
			 const struct npt_walker *w, struct npt_guest_table *t)
{
	const struct npt_format *f = cpu->fmt;
	unsigned int level = sp->role.level;

	/* A page of 4 MiB is two leaves of ours, and its address is in two parts. */
	if (level > 1 && f->entry_size == 4)
		return false;
	t->f = f;
	t->want = f->present | f->accessed | f->level[level].leaf_bits;
	t->rsvd = cpu->rsvd[level][1];
	t->frame = f->level[level].leaf_mask;
	t->entries = (const void *)(((unsigned long)w->leaf_ptr & ~4095UL) +
				    sp->role.quadrant * 2048);
	return true;
}

/*
 * Around a leaf just filled, what can be had without asking anybody: pieces of
 * the same large guest page, or entries of the same guest table that have been
 * used before. Others must fault, for their accessed bit to be set. Nothing comes
 * after this that could miss what it takes from the cache.
 */
static void prefetch_leaves(struct npt_cpu *cpu, struct npt_sp *sp, unsigned int at,
			    const struct npt_walker *w)
{
	unsigned int i = at & ~(cpu->mmu->cfg.prefetch - 1);
	unsigned int end = i + cpu->mmu->cfg.prefetch;
	struct near n = { .region = ~0ULL };
	struct npt_guest_table t;
	u64 rights, gfn;

	if (!sp->role.direct && !walked_table(cpu, sp, w, &t))
		return;
	for (; i < end; i++) {
		if (sp->spt[i])
			continue;
		if (sp->role.direct)
			prefetch_leaf(cpu, sp, i, npt_sp_leaf_gfn(sp, i), w->guest_rights, &n);
		else if (npt_guest_leaf(&t, sp, i, &gfn, &rights))
			prefetch_leaf(cpu, sp, i, gfn, rights, &n);
	}
}

/* Tables from @level's children down to those of leaves: see to it that there will be. */
static void want_tables(struct npt_cpu *cpu, const struct npt_walker *w, unsigned int level)
{
	unsigned int last = leaf_level(cpu, w), child;
	u32 raw = 0;

	for (child = level - 1; child >= last; child--)
		raw += cpu->fmt && child >= w->leaf_level;
	npt_cache_has(&cpu->cache, level - last, level - last, raw);
}

/* Is each entry that the walk came by still what it was, or at most marked since? */
static bool path_stands(const struct npt_cpu *cpu, const struct npt_walker *w)
{
	const struct npt_walk_path *path = w->path;
	const struct npt_format *f = cpu->fmt;
	unsigned int l;

	for (l = w->leaf_level; f && l <= f->levels; l++) {
		u64 now = f->entry_size == 8 ? READ_ONCE(*(u64 *)path->ptr[l]) :
					       READ_ONCE(*(u32 *)path->ptr[l]);
		u64 marked = now & (f->accessed | f->dirty);

		if ((now ^ path->entry[l]) & ~marked)
			return false;
	}
	return true;
}

/*
 * A table that was just shadowed, or synced, can't be written unseen from now on:
 * once every vCPU has flushed. What it was when the walk read it may have been
 * changed until then, and nobody would ever tell. @seq: of flushes when it was read.
 */
static bool tables_hold(struct npt_cpu *cpu, const struct npt_walker *w, u64 seq)
{
	npt_flush_owed(cpu->mmu, NPT_FL_SHADOW);
	return likely(cpu->mmu->flush_seq == seq) || path_stands(cpu, w);
}

/* What becomes of building. */
enum build {
	BUILD_DONE,
	BUILD_SHORT,		/* the cache lacks something */
	BUILD_LATE,		/* the guest's tables have changed */
};

/*
 * Build the path to the page that @w found: *@at is the table for its leaf and its
 * level, the index there is returned in *@i. *@linked: some entry was missing.
 */
static enum build build_path(struct npt_cpu *cpu, struct npt_walker *w, u64 gva,
			     struct npt_sp **at, unsigned int *i, bool *linked)
{
	const struct npt_format *f = npt_cpu_shadow_format(cpu);
	struct npt_sp *sp = cpu->shadow_root;
	union npt_role base = base_role(cpu);
	u64 gfn, old, seq = cpu->mmu->flush_seq;
	unsigned int l;

	*linked = false;
	for (l = f->levels; ; l--) {
		union npt_role role;
		u64 *entry;

		*i = (gva >> f->level[l].shift) & f->level[l].index_mask;
		sp->writes = 0;
		/* Not before: a table above that was just shadowed may forbid the large leaf. */
		if (l == 1 || (l == 2 && leaf_level(cpu, w) == 2))
			break;
		role = child_role(cpu, w, base, l, gva, &gfn);
		entry = &sp->spt[*i];
		old = *entry;
		sp = step_down(cpu, sp, *i, gfn, role);
		if (!sp) {
			want_tables(cpu, w, l);
			return BUILD_SHORT;
		}
		*linked |= *entry != old;
	}
	*at = sp;
	return tables_hold(cpu, w, seq) ? BUILD_DONE : BUILD_LATE;
}

/* Build the way to the page that @w found and its leaf. Lock held for writing. */
static enum build fill(struct npt_cpu *cpu, struct npt_walker *w, u64 gva,
		       enum npt_fault_outcome *outcome)
{
	enum build b;
	struct npt_sp *sp;
	u64 rights, span;
	unsigned int i;
	bool linked;

	b = build_path(cpu, w, gva, &sp, &i, &linked);
	if (b)
		return b;
	rights = leaf_rights(cpu, w, sp, outcome);
	span = BIT_ULL(npt_cpu_shadow_format(cpu)->level[sp->role.level].shift);
	set_leaf(cpu, sp, i, (w->gpa & ~(span - 1)) >> 12, w->hpa & ~(span - 1), w,
		 rights, outcome);
	/* The leaf may have been there: what was missing is the way to it. */
	if (linked && *outcome == NPT_FAULT_SPURIOUS)
		*outcome = NPT_FAULT_FIXED;
	if (cpu->mmu->cfg.prefetch)
		prefetch_leaves(cpu, sp, i, w);
	return BUILD_DONE;
}

/* --- the fault ------------------------------------------------------------------ */

/* What the walk of before says. */
enum known {
	KNOWN_NOTHING,
	KNOWN_GUEST,		/* where the guest's tables lead, but not where that page is */
	KNOWN_ALL,
};

/* A fault on its way. */
struct fault {
	struct npt_walker w;
	struct npt_walk_path path;
	u64 gva;
	bool has_pfn;		/* for w.fault_gpa: enter it before anything else */
	enum known known;
	u64 walk_seq;		/* mmu->flush_seq since then */
	struct npt_pfn pfn;
	enum npt_fault_outcome outcome;
};

/* What comes after a try under the lock. */
enum step {
	STEP_DONE,		/* ->outcome says how */
	STEP_AGAIN,
	STEP_ASK,		/* the host, for w.fault_gpa */
};

/* With a walker that has effects, but no caches, and doesn't count. */
static void start_fault(struct npt_cpu *cpu, struct fault *t, const struct npt_walker *asked,
			u64 gva)
{
	struct npt_walker *w = &t->w;

	t->gva = gva;
	t->has_pfn = false;
	t->known = KNOWN_NOTHING;
	t->outcome = NPT_FAULT_ERROR;
	npt_walker_start(w, cpu, asked->op, asked->user);
	w->how = (struct npt_walk_how){ .set_ad = true, .plain = true };
	w->path = &t->path;
	w->verdict = 0;
	w->bit = 255;
	w->pkey_denied = false;
	w->gpa = 0;
	w->guest_rights = 0;
}

/* What the host gave goes into the map. */
static enum npt_fill enter_pfn(struct npt_cpu *cpu, struct fault *t)
{
	enum npt_fill r;

	if (!t->has_pfn)
		return NPT_FILL_DONE;
	r = npt_map_fill(cpu->mmu, &cpu->cache, t->w.fault_gpa, &t->pfn, t->w.fault_write);
	if (r == NPT_FILL_RETRY)
		cpu->ctr[NPT_CTR_host_map_retry]++;
	t->has_pfn = r == NPT_FILL_SHORT;
	return r;
}

/*
 * Where it was a matter of memory alone, the walk of before does: to a guest whose
 * tables are their own pages another walk might not be the same.
 */
static bool walk_stands(struct npt_cpu *cpu, const struct fault *t)
{
	return t->known && t->walk_seq == cpu->mmu->flush_seq && path_stands(cpu, &t->w);
}

static enum npt_walk_end walk(struct npt_cpu *cpu, struct fault *t)
{
	enum npt_walk_end end;

	if (walk_stands(cpu, t))
		return t->known == KNOWN_ALL ? NPT_WALK_OK : npt_walk_guest_page(&t->w);
	t->w.ad_updates = 0;
	end = npt_walk_guest_path(&t->w, t->gva);
	cpu->ctr[NPT_CTR_ad_updates] += t->w.ad_updates;
	return end;
}

static enum step walk_and_fill(struct npt_cpu *cpu, struct fault *t)
{
	enum npt_walk_end end = walk(cpu, t);
	enum build b;

	t->known = KNOWN_NOTHING;
	switch (end) {
	case NPT_WALK_OK:
		b = fill(cpu, &t->w, t->gva, &t->outcome);
		if (b == BUILD_SHORT)
			t->known = KNOWN_ALL;
		return b == BUILD_DONE ? STEP_DONE : STEP_AGAIN;
	case NPT_WALK_FAULT:
		/* As a processor drops what it cached of a page that faults. */
		npt_shadow_sync_leaf(cpu, t->gva);
		if (cpu->device.gva == t->gva >> 12)
			npt_cpu_forget_device(cpu);
		t->outcome = NPT_FAULT_GUEST;
		return STEP_DONE;
	case NPT_WALK_STAGE2:
		if (!t->w.fault_table)
			t->known = KNOWN_GUEST;
		return STEP_ASK;
	default:
		return STEP_AGAIN;
	}
}

static enum step go_on(struct npt_cpu *cpu, struct fault *t)
{
	switch (enter_pfn(cpu, t)) {
	case NPT_FILL_SHORT:
		return STEP_AGAIN;
	case NPT_FILL_RETRY:
		/* The host has changed its mind. The access starts over: it may do so for ever. */
		t->outcome = NPT_FAULT_SPURIOUS;
		return STEP_DONE;
	default:
		return walk_and_fill(cpu, t);
	}
}

/* One try with the lock held for writing. */
static enum step try_fault(struct npt_cpu *cpu, struct fault *t)
{
	struct npt_mmu *mmu = cpu->mmu;
	enum step step = STEP_AGAIN;

	npt_write_lock(&mmu->lock);
	if (!npt_mmu_recycle(mmu)) {
		t->outcome = npt_map_outcome(cpu, -ENOMEM);
		step = STEP_DONE;
	} else if (!npt_shadow_root_fits(cpu)) {
		/* A flush, by another vCPU or just now, took the root: the access starts over. */
		t->outcome = NPT_FAULT_SPURIOUS;
		step = STEP_DONE;
	} else {
		step = go_on(cpu, t);
	}
	npt_flush_owed(mmu, NPT_FL_SHADOW);
	t->walk_seq = mmu->flush_seq;
	npt_write_unlock(&mmu->lock);
	return step;
}

enum npt_fault_outcome npt_shadow_fault(struct npt_cpu *cpu, struct npt_walker *out, u64 gva)
{
	enum step step;
	struct fault t;
	int err;

	out->fault_table = false;
	start_fault(cpu, &t, out, gva);
	do {
		err = npt_cache_fill(cpu->mmu, &cpu->cache);
		if (err)
			return npt_map_outcome(cpu, err);
		step = try_fault(cpu, &t);
		if (step == STEP_ASK) {
			err = npt_map_ask(cpu, t.w.fault_gpa, t.w.fault_write, &t.pfn);
			t.has_pfn = !err;
		}
	} while (step != STEP_DONE && !err);
	if (err) {
		out->fault_gpa = t.w.fault_gpa;
		out->fault_table = t.w.fault_table;
		return npt_map_outcome(cpu, err);
	}
	out->verdict = t.w.verdict;
	out->bit = t.w.bit;
	out->pkey_denied = t.w.pkey_denied;
	out->gpa = t.w.gpa;
	out->guest_rights = t.w.guest_rights;
	out->fault_gpa = t.w.gpa;
	return t.outcome;
}
