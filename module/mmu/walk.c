// SPDX-License-Identifier: GPL-2.0
/*
 * The walker.
 *
 *   walk_dim(guest)  for each level:  stage2(address of the entry) -> pointer
 *                                     read, check, mark accessed, go down
 *                    the page:        stage2(its gpa) -> hpa
 *   stage2()         nested TLB, else walk_dim(map)
 *
 * walk_dim() is the only loop over levels there is. The compiler makes two
 * kinds of it: for tables whose addresses need a second translation, and for
 * tables that are reached by host-physical address.
 */
#include "walk.h"

/* The running state of one dimension. */
struct dim {
	const struct npt_format *f;
	u64 table;		/* address of the table to read from */
	u64 addr;		/* what is being translated */
	const u64 (*rsvd)[2];	/* reserved bits by level, [1]: leaf */
	u64 rights;		/* NPT_TLBV_W/U/X of the path */
	u64 entry;		/* the last entry read: the leaf in the end */
	void *ptr;		/* where it lies */
	u32 cost_nested;	/* of guest entries, without caches */
	u8 level;
	u8 dim;			/* enum npt_dim, for the log */
	u8 guest_level;		/* for the log */
	u8 verdict;
	u8 bit;
	bool leaf_writable;	/* the leaf's own page can be written (guest) */
	bool counted;
};

#define RIGHTS_ALL (NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X)

static void log_entry(struct npt_walker *w, const struct dim *d, u64 address)
{
	const struct npt_level *l = &d->f->level[d->level];
	struct npt_walk_entry *e;

	if (w->log->nr >= w->log->max)
		return;
	e = &w->log->ent[w->log->nr++];
	memset(e, 0, sizeof(*e));
	e->address = address;
	e->value = d->entry;
	e->input = d->addr;
	e->dim = d->dim;
	e->level = d->level;
	e->index = (d->addr >> l->shift) & (BIT_ULL(l->index_bits) - 1);
	e->guest_level = d->guest_level;
	e->verdict = NPT_VERDICT_NEXT;
	e->bit = 255;
}

static void log_verdict(struct npt_walker *w, u8 verdict, u8 bit)
{
	if (!w->log || !w->log->nr)
		return;
	w->log->ent[w->log->nr - 1].verdict = verdict;
	w->log->ent[w->log->nr - 1].bit = bit;
}

static inline u8 bit_of(u64 mask)
{
	return mask ? __builtin_ctzll(mask) : 255;
}

static __always_inline enum npt_walk_end
deny(struct npt_walker *w, struct dim *d, u8 verdict, u64 bits)
{
	d->verdict = verdict;
	d->bit = bit_of(bits);
	if (unlikely(w->log) && d->counted)
		log_verdict(w, verdict, d->bit);
	return NPT_WALK_FAULT;
}

/* Set @bits in the entry that was read, unless it changed meanwhile. */
static bool mark_entry(struct dim *d, u64 bits)
{
	u64 old = d->entry, now;

	if (d->f->entry_size == 8)
		now = cmpxchg((u64 *)d->ptr, old, old | bits);
	else
		now = cmpxchg((u32 *)d->ptr, (u32)old, (u32)(old | bits));
	if (now != old)
		return false;
	d->entry |= bits;
	return true;
}

static enum npt_walk_end stage2(struct npt_walker *w, u64 gpa, u64 want,
				u8 guest_level, struct npt_ntlb_val *out);

/* Start as far down as a paging-structure cache allows. */
static __always_inline void start_cached(struct npt_walker *w, struct dim *d)
{
	unsigned int which = d->dim == NPT_DIM_NESTED ? NPT_PWC_NESTED : NPT_PWC_GUEST;
	struct npt_pwc_val v;

	if (!npt_tlb_has_pwc(w->caches, which) ||
	    !npt_pwc_lookup(w->caches, which, d->addr,
			    which == NPT_PWC_GUEST ? w->cpu->pcid : 0, d->level, &v))
		return;
	d->table = v.table;
	d->rights = v.rights;
	d->level = v.level;
	d->cost_nested = v.cost_nested;
	if (which == NPT_PWC_NESTED) {
		w->saved_pwc_nested += v.cost_guest;
		return;
	}
	w->saved_pwc_guest += v.cost_guest;
	if (w->count_stage2) {
		w->saved_pwc_guest += v.cost_nested;
		w->uncached += v.cost_nested;
	}
}

static __always_inline void enter_cached(struct npt_walker *w, struct dim *d)
{
	unsigned int which = d->dim == NPT_DIM_NESTED ? NPT_PWC_NESTED : NPT_PWC_GUEST;
	struct npt_pwc_val v = {
		.table = d->table,
		.rights = d->rights,
		.level = d->level - 1,
		.cost_guest = d->f->levels - d->level + 1,
		.cost_nested = d->cost_nested,
	};

	if (npt_tlb_has_pwc(w->caches, which))
		npt_pwc_fill(w->caches, which, d->addr,
			     which == NPT_PWC_GUEST ? w->cpu->pcid : 0, d->level, &v);
}

/* Find the entry for d->addr at d->level and read it. */
static __always_inline enum npt_walk_end read_entry(struct npt_walker *w, struct dim *d,
						    const bool guest)
{
	const struct npt_format *f = d->f;
	const struct npt_level *l = &f->level[d->level];
	u64 index = (d->addr >> l->shift) & (BIT_ULL(l->index_bits) - 1);
	u64 address = d->table + index * f->entry_size;

	if (guest) {
		struct npt_ntlb_val v;
		enum npt_walk_end r;
		u64 want = w->count_stage2 && w->cpu->mmu->map_fmt->walk_writes ?
			   NPT_TLBV_W : 0;

		r = stage2(w, address, want, d->level, &v);
		if (unlikely(r))
			return r;
		d->ptr = npt_hpa_ptr(v.frame | (address & (BIT_ULL(npt_size_shift(v.size)) - 1)));
		d->leaf_writable = v.rights & NPT_TLBV_W;
		d->cost_nested += v.cost;
		w->entry_gpa[d->level] = address;
	} else {
		d->ptr = npt_hpa_ptr(address);
	}
	d->entry = f->entry_size == 8 ? READ_ONCE(*(u64 *)d->ptr) : READ_ONCE(*(u32 *)d->ptr);
	if (d->counted) {
		w->refs[d->dim == NPT_DIM_NESTED][d->level]++;
		if (unlikely(w->log))
			log_entry(w, d, address);
	}
	return NPT_WALK_OK;
}

/* Set A (and D) bits in the entry just read; the page it lies in must be writable. */
static __always_inline enum npt_walk_end update_ad(struct npt_walker *w, struct dim *d,
						   u64 bits, const bool guest)
{
	bits &= ~d->entry;
	if (likely(!bits) || !w->set_ad)
		return NPT_WALK_OK;
	if (guest && !d->leaf_writable) {
		w->fault_gpa = w->entry_gpa[d->level];
		w->fault_write = true;
		return NPT_WALK_STAGE2;
	}
	if (!mark_entry(d, bits))
		return NPT_WALK_RACE;
	if (guest)
		w->ad_updates++;
	return NPT_WALK_OK;
}

/*
 * From the root to the leaf. Checks presence and reserved bits and collects
 * rights; whether the rights suffice is for the caller. Non-leaf entries are
 * marked accessed as they are used, even if the walk fails further down: the
 * SDM (vol. 3A, 4.8) has the bit mean "used for translation", and processors
 * do so. @guest is a constant in each caller.
 */
static __always_inline enum npt_walk_end walk_dim(struct npt_walker *w, struct dim *d,
						  const bool guest)
{
	const struct npt_format *f = d->f;

	d->level = f->levels;
	d->rights = RIGHTS_ALL;
	d->cost_nested = 0;
	if (w->caches && d->counted)
		start_cached(w, d);

	for (;;) {
		const struct npt_level *l = &f->level[d->level];
		enum npt_walk_end r;
		bool leaf;

		if (d->dim != NPT_DIM_NESTED)
			w->path_rights[d->level] = d->rights;
		r = read_entry(w, d, guest);
		if (unlikely(r))
			return r;
		if (unlikely(!(d->entry & f->present)))
			return deny(w, d, NPT_VERDICT_NOT_PRESENT, f->present);
		leaf = d->level == 1 || (l->may_leaf && (d->entry & f->large));
		if (unlikely(d->entry & d->rsvd[d->level][leaf]))
			return deny(w, d, NPT_VERDICT_RESERVED,
				    d->entry & d->rsvd[d->level][leaf]);
		if (l->has_rights)
			d->rights &= npt_entry_rights(f, d->entry) |
				     (f->user ? 0 : NPT_TLBV_U);
		if (d->dim != NPT_DIM_NESTED)
			w->entry[d->level] = d->entry;
		if (leaf)
			return NPT_WALK_OK;
		if (l->has_rights) {
			r = update_ad(w, d, f->accessed, guest);
			if (unlikely(r))
				return r;
		}
		d->table = d->entry & l->table_mask;
		if (w->caches && d->counted)
			enter_cached(w, d);
		d->level--;
	}
}

/* Address that the leaf maps d->addr to. */
static __always_inline u64 leaf_address(const struct dim *d)
{
	const struct npt_level *l = &d->f->level[d->level];
	u64 page = (d->entry & l->leaf_mask) |
		   (d->entry & l->leaf_high) << l->leaf_high_shift;

	return page | (d->addr & (BIT_ULL(l->shift) - 1));
}

/* The map, or the nested tables: gpa -> hpa with at least the rights @want. */
static enum npt_walk_end stage2(struct npt_walker *w, u64 gpa, u64 want,
				u8 guest_level, struct npt_ntlb_val *out)
{
	struct npt_mmu *mmu = w->cpu->mmu;
	bool ntlb = w->caches && w->count_stage2 && npt_tlb_has_ntlb(w->caches);
	struct dim d = {
		.f = mmu->map_fmt, .table = mmu->map_root, .addr = gpa,
		.rsvd = mmu->map_rsvd, .dim = NPT_DIM_NESTED,
		.guest_level = guest_level, .counted = w->count_stage2,
	};
	enum npt_walk_end r;

	w->fault_gpa = gpa;
	w->fault_write = want & NPT_TLBV_W;
	if (unlikely(gpa >> mmu->gpa_bits))
		return NPT_WALK_STAGE2;
	if (ntlb && npt_ntlb_lookup(w->caches, gpa, out) && !(want & ~out->rights)) {
		w->saved_ntlb += out->cost;
		w->uncached += out->cost;
		return NPT_WALK_OK;
	}
	r = walk_dim(w, &d, false);
	if (r == NPT_WALK_OK && (want & ~d.rights))
		r = deny(w, &d, want & ~d.rights & NPT_TLBV_W ? NPT_VERDICT_WRITE :
			 NPT_VERDICT_NX, d.f->write);
	if (unlikely(r))
		return NPT_WALK_STAGE2;
	/* Only A: the map's leaves are made dirty when they are made writable. */
	if (unlikely(!(d.entry & d.f->accessed)) && w->set_ad)
		mark_entry(&d, d.f->accessed);
	out->frame = d.entry & d.f->level[d.level].leaf_mask;
	out->rights = d.rights;
	out->size = npt_level_size(d.level);
	out->cost = d.f->levels - d.level + 1;
	if (w->count_stage2)
		w->uncached += out->cost;
	if (ntlb)
		npt_ntlb_fill(w->caches, gpa, out);
	if (unlikely(w->log) && d.counted)
		log_verdict(w, NPT_VERDICT_LEAF, 255);
	return NPT_WALK_OK;
}

bool npt_pkey_denies(const struct npt_cpu *cpu, u64 rights, unsigned int key, u8 op, bool user)
{
	u32 bits = cpu->regs.pkru >> (2 * key);

	if (!cpu->pke || op == NPT_OP_FETCH || !(rights & NPT_TLBV_U))
		return false;
	if (bits & 1)
		return true;
	return op == NPT_OP_WRITE && (bits & 2) && (user || cpu->regs.cr0 & NPT_CR0_WP);
}

/* SDM vol. 3A, 4.6.1 */
u8 npt_check_rights(const struct npt_cpu *cpu, u64 rights, u8 op, bool user, bool wp)
{
	const struct npt_regs *r = &cpu->regs;

	if (user && !(rights & NPT_TLBV_U))
		return NPT_VERDICT_USER;
	if (op == NPT_OP_FETCH) {
		if (!(rights & NPT_TLBV_X))
			return NPT_VERDICT_NX;
		if (!user && (rights & NPT_TLBV_U) && (r->cr4 & NPT_CR4_SMEP) && cpu->fmt)
			return NPT_VERDICT_SMEP;
		return 0;
	}
	if (op == NPT_OP_WRITE && !(rights & NPT_TLBV_W) && (user || wp))
		return NPT_VERDICT_WRITE;
	if (!user && (rights & NPT_TLBV_U) && (r->cr4 & NPT_CR4_SMAP) && !r->ac && cpu->fmt)
		return NPT_VERDICT_SMAP;
	return 0;
}

static u8 verdict_bit(const struct npt_format *f, u8 verdict)
{
	switch (verdict) {
	case NPT_VERDICT_WRITE:
		return bit_of(f->write);
	case NPT_VERDICT_NX:
		return bit_of(f->exec);
	case NPT_VERDICT_PKEY:
		return f->pkey_shift;
	default:
		return bit_of(f->user);
	}
}

/* The leaf of the first dimension is known: permitted? Mark it. */
static enum npt_walk_end finish_leaf(struct npt_walker *w, struct dim *d, bool wp,
				     const bool guest)
{
	const struct npt_format *f = d->f;
	unsigned int key = f->pkey_shift ? (d->entry >> f->pkey_shift) & 15 : 0;
	enum npt_walk_end r;

	w->verdict = npt_check_rights(w->cpu, d->rights, w->op, w->user, wp);
	w->pkey_denied = f->pkey_shift &&
			 npt_pkey_denies(w->cpu, d->rights, key, w->op, w->user);
	if (!w->verdict && w->pkey_denied)
		w->verdict = NPT_VERDICT_PKEY;
	if (w->verdict) {
		w->bit = verdict_bit(f, w->verdict);
		if (w->log)
			log_verdict(w, w->verdict, w->bit);
		return NPT_WALK_FAULT;
	}
	r = update_ad(w, d, f->accessed | (w->op == NPT_OP_WRITE ? f->dirty : 0), guest);
	if (unlikely(r))
		return r;
	w->entry[d->level] = d->entry;
	w->leaf_level = d->level;
	w->leaf_ptr = d->ptr;
	w->gpa = leaf_address(d);
	/* 4 MiB pages live in TLBs as two of 2 MiB. */
	w->guest_rights = d->rights | (u64)key << NPT_TLBV_PKEY_SHIFT |
			  (u64)npt_level_size(d->level) << NPT_TLBV_SIZE_SHIFT;
	if (d->entry & f->dirty)
		w->guest_rights |= NPT_TLBV_D;
	if (w->cpu->global && (d->entry & f->global))
		w->guest_rights |= NPT_TLBV_G;
	if (unlikely(w->log))
		log_verdict(w, NPT_VERDICT_LEAF, 255);
	return NPT_WALK_OK;
}

/* The page itself: rights and size of both dimensions together. */
static enum npt_walk_end finish_page(struct npt_walker *w)
{
	struct npt_ntlb_val v;
	u64 want = w->op == NPT_OP_WRITE ? NPT_TLBV_W :
		   w->op == NPT_OP_FETCH ? NPT_TLBV_X : 0;
	unsigned int size = npt_tlbv_size(w->guest_rights);
	enum npt_walk_end r;

	r = stage2(w, w->gpa, want, 0, &v);
	if (unlikely(r))
		return r;
	w->map_size = v.size;
	w->hpa = v.frame | (w->gpa & (BIT_ULL(npt_size_shift(v.size)) - 1));
	w->rights = w->guest_rights;
	if (!(v.rights & NPT_TLBV_W))
		w->rights &= ~NPT_TLBV_W;
	if (!(v.rights & NPT_TLBV_X))
		w->rights &= ~NPT_TLBV_X;
	/*
	 * The TLB holds the smaller of both pages (APM vol. 2, 15.25.9). On a
	 * bare machine there is no second one.
	 */
	if (w->count_stage2 && v.size < size) {
		w->rights &= ~(3ULL << NPT_TLBV_SIZE_SHIFT);
		w->rights |= (u64)v.size << NPT_TLBV_SIZE_SHIFT;
	}
	return NPT_WALK_OK;
}

enum npt_walk_end npt_walk_guest(struct npt_walker *w, u64 gva)
{
	struct npt_cpu *cpu = w->cpu;
	struct dim d = {
		.f = cpu->fmt, .table = cpu->root, .addr = gva,
		.rsvd = cpu->rsvd, .dim = NPT_DIM_GUEST, .counted = true,
	};
	enum npt_walk_end r;

	if (!cpu->fmt) {
		/* Paging is off: every address is physical, every right is there. */
		w->gpa = gva;
		w->leaf_level = 0;
		w->guest_rights = RIGHTS_ALL | NPT_TLBV_D |
				  (u64)NPT_SIZE_1G << NPT_TLBV_SIZE_SHIFT;
		return finish_page(w);
	}
	r = walk_dim(w, &d, true);
	if (likely(r == NPT_WALK_OK)) {
		w->uncached += d.f->levels - d.level + 1;
		r = finish_leaf(w, &d, cpu->regs.cr0 & NPT_CR0_WP, true);
	} else if (r == NPT_WALK_FAULT) {
		w->verdict = d.verdict;
		w->bit = d.bit;
		w->pkey_denied = false;
	}
	if (unlikely(r))
		return r;
	return finish_page(w);
}

enum npt_walk_end npt_walk_shadow(struct npt_walker *w, const struct npt_format *f,
				  u64 root, u64 gva)
{
	static const u64 none[NPT_MAX_LEVELS + 1][2];
	struct dim d = {
		.f = f, .table = root, .addr = gva, .rsvd = none,
		.dim = NPT_DIM_SHADOW, .counted = true,
	};
	enum npt_walk_end r;

	r = walk_dim(w, &d, false);
	if (r == NPT_WALK_OK) {
		w->uncached += f->levels - d.level + 1;
		/* Shadow tables are always walked as if CR0.WP were set. */
		r = finish_leaf(w, &d, true, false);
	} else if (r == NPT_WALK_FAULT) {
		w->verdict = d.verdict;
		w->bit = d.bit;
	}
	w->rights = w->guest_rights;
	return r;
}

enum npt_walk_end npt_walk_map(struct npt_walker *w, u64 gpa)
{
	struct npt_ntlb_val v;
	enum npt_walk_end r;

	r = stage2(w, gpa, w->op == NPT_OP_WRITE ? NPT_TLBV_W : 0, 0, &v);
	if (r)
		return r;
	w->map_size = v.size;
	w->hpa = v.frame | (gpa & (BIT_ULL(npt_size_shift(v.size)) - 1));
	w->rights = v.rights;
	return NPT_WALK_OK;
}

u32 npt_walk_error_code(const struct npt_walker *w)
{
	const struct npt_regs *r = &w->cpu->regs;
	u32 ec = 0;

	if (w->verdict != NPT_VERDICT_NOT_PRESENT)
		ec |= BIT(0);
	if (w->op == NPT_OP_WRITE)
		ec |= BIT(1);
	if (w->user)
		ec |= BIT(2);
	if (w->verdict == NPT_VERDICT_RESERVED)
		ec |= BIT(3);
	if (w->op == NPT_OP_FETCH &&
	    ((r->cr4 & NPT_CR4_PAE && r->efer & NPT_EFER_NX) || r->cr4 & NPT_CR4_SMEP))
		ec |= BIT(4);
	if (w->pkey_denied)
		ec |= BIT(5);
	return ec;
}

u32 npt_walk_refs(const struct npt_walker *w, unsigned int dim)
{
	u32 sum = 0;
	int l;

	for (l = 1; l <= NPT_MAX_LEVELS; l++)
		sum += w->refs[dim][l];
	return sum;
}

void npt_walk_account(struct npt_walker *w, bool done)
{
	u64 *c = w->cpu->ctr;
	u32 g = npt_walk_refs(w, NPT_DIM_GUEST), n = npt_walk_refs(w, NPT_DIM_NESTED);
	int l;

	c[NPT_CTR_ad_updates] += w->ad_updates;
	if (!done) {
		c[NPT_CTR_refs_faulted] += g + n;
		return;
	}
	c[NPT_CTR_refs_guest] += g;
	c[NPT_CTR_refs_nested] += n;
	for (l = 1; l <= NPT_MAX_LEVELS; l++) {
		c[NPT_CTR_refs_guest_l1 + l - 1] += w->refs[NPT_DIM_GUEST][l];
		c[NPT_CTR_refs_nested_l1 + l - 1] += w->refs[NPT_DIM_NESTED][l];
	}
	c[NPT_CTR_refs_saved_pwc_guest] += w->saved_pwc_guest;
	c[NPT_CTR_refs_saved_pwc_nested] += w->saved_pwc_nested;
	c[NPT_CTR_refs_saved_ntlb] += w->saved_ntlb;
	c[NPT_CTR_refs_uncached] += w->uncached;
}
