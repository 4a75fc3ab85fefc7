/* SPDX-License-Identifier: GPL-2.0 */
/*
 * walk_dim(): the one loop over levels there is. The compiler makes several of
 * it: by what the tables are, because that says how an entry is reached and
 * what can be wrong with it, and by how much care the walk needs.
 */
#ifndef NPT_WALK_DIM_H
#define NPT_WALK_DIM_H

#include "walk_stage2.h"

/* What a table is: a constant wherever walk_dim() is called. */
enum kind {
	GUEST,		/* entries lie in guest memory, contents are the guest's */
	MAP,		/* our map, or nested table */
	SHADOW,		/* our shadow tables */
};

/* The running state of one dimension. */
struct dim {
	const struct npt_format *f;
	u64 table;		/* address of the table to read from */
	u64 addr;		/* what is being translated */
	u64 rights;		/* NPT_TLBV_W/U/X of the path, once it is done */
	u64 entry;		/* the last entry read: the leaf in the end */
	u64 address;		/* where it lies, in the dimension's own space */
	void *ptr;		/* and for us */
	u64 all, any;		/* bits that all entries have, that any has */
	u32 cost_nested;	/* of guest entries, without caches */
	u32 plain;		/* passes of stage 2 that plain_map() made */
	u8 level;
	u8 guest_level;		/* for the log */
	u8 verdict;
	u8 bit;
	bool writable;		/* the page that the entry lies in (guest) */
	bool unread;		/* stage 2 failed before the entry at this level was read */
	bool counted;
};

/*
 * What is slow and rare is in walk_dim.c. But for the log it is handed over by
 * value: a struct dim whose address goes nowhere stays in registers.
 */
void npt_log_entry(struct npt_walker *w, const struct dim *d, enum kind kind);
void npt_log_verdict(struct npt_walker *w, u8 verdict, u8 bit);
/* Set @bits in an entry that was read as @old, unless it changed meanwhile. */
bool npt_mark_entry(void *ptr, u64 old, u64 bits, u8 size);
/* Start as far down as a paging-structure cache allows. */
bool npt_start_cached(struct npt_walker *w, u64 addr, unsigned int top, struct npt_pwc_val *v,
		      enum kind kind);
void npt_enter_cached(struct npt_walker *w, u64 addr, unsigned int level, struct npt_pwc_val v,
		      enum kind kind);

static inline u8 bit_of(u64 mask)
{
	return mask ? __builtin_ctzll(mask) : 255;
}

static __always_inline enum npt_walk_end
deny(struct npt_walker *w, struct dim *d, u8 verdict, u64 bits, const enum care care)
{
	d->verdict = verdict;
	d->bit = bit_of(bits);
	if (care == LOGGED && d->counted)
		npt_log_verdict(w, verdict, d->bit);
	return NPT_WALK_FAULT;
}

static __always_inline bool wants_path(const struct npt_walker *w, const enum care care)
{
	return care == BUILD || (care > BUILD && w->path);
}

/* Find the entry for d->addr at d->level and read it. */
static __always_inline enum npt_walk_end read_entry(struct npt_walker *w, struct dim *d,
						    const struct npt_level *l,
						    const enum kind kind, const enum care care)
{
	const struct npt_format *f = d->f;
	u64 index = (d->addr >> l->shift) & l->index_mask;

	if (kind == GUEST) {
		struct stage2 s;
		enum npt_walk_end r;

		d->address = d->table + index * f->entry_size;
		r = stage2(w, d->address, 0, d->level, &s, &d->plain, care);
		d->unread = r;
		if (unlikely(r))
			return r;
		d->ptr = npt_hpa_ptr(s.hpa);
		d->writable = s.rights & NPT_TLBV_W;
		d->cost_nested += s.cost;
		if (wants_path(w, care)) {
			w->path->entry_gpa[d->level] = d->address;
			w->path->ptr[d->level] = d->ptr;
		}
	} else {
		d->address = d->table + index * 8;
		d->ptr = npt_hpa_ptr(d->address);
	}
	d->entry = kind != GUEST || f->entry_size == 8 ? READ_ONCE(*(u64 *)d->ptr) :
							 READ_ONCE(*(u32 *)d->ptr);
	if (care == LOGGED && d->counted)
		npt_log_entry(w, d, kind);
	return NPT_WALK_OK;
}

/* Set A (and D) bits in the entry just read; the page it lies in must be writable. */
static __always_inline enum npt_walk_end update_ad(struct npt_walker *w, struct dim *d,
						   u64 bits, const enum kind kind)
{
	bits &= ~d->entry;
	if (likely(!bits) || !w->how.set_ad)
		return NPT_WALK_OK;
	if (kind == GUEST && !d->writable) {
		w->fault_gpa = d->address;
		w->fault_write = true;
		w->fault_table = true;
		return NPT_WALK_STAGE2;
	}
	if (!npt_mark_entry(d->ptr, d->entry, bits, kind == GUEST ? d->f->entry_size : 8))
		return NPT_WALK_RACE;
	d->entry |= bits;
	if (kind == GUEST)
		w->ad_updates++;
	return NPT_WALK_OK;
}

/*
 * One level: NPT_WALK_OK if its entry is a leaf, NPT_WALK_DOWN if it points on.
 * Checks presence and reserved bits and collects rights; whether the rights
 * suffice is for the caller. Non-leaf entries are marked accessed as they are
 * used, even if the walk fails further down: the SDM (vol. 3A, 4.8) has the bit
 * mean "used for translation", and processors do so. Our own tables have no
 * reserved bits set and are born accessed.
 */
static __always_inline enum npt_walk_end one_level(struct npt_walker *w, struct dim *d,
						   unsigned int level, bool pwc,
						   const enum kind kind, const enum care care)
{
	const struct npt_format *f = d->f;
	const struct npt_level *l = &f->level[level];
	enum npt_walk_end r;

	d->level = level;
	if (kind == GUEST && wants_path(w, care))
		w->path->rights[level] = d->rights & npt_path_rights(f, d->all, d->any);
	r = read_entry(w, d, l, kind, care);
	if (kind == GUEST && unlikely(r))
		return r;
	/* Present, accessed, nothing reserved, points on: as most of them are. */
	if (kind == GUEST && level > 1 &&
	    likely((d->entry & w->cpu->plain[level]) == (f->present | f->accessed))) {
		d->all &= d->entry;
		d->any |= d->entry;
		goto next;
	}
	if (unlikely(!(d->entry & f->present)))
		return deny(w, d, NPT_VERDICT_NOT_PRESENT, f->present, care);
	if (kind == GUEST) {
		u64 bad = d->entry & w->cpu->rsvd[level][!!(d->entry & l->leaf_bits)];

		if (unlikely(bad))
			return deny(w, d, NPT_VERDICT_RESERVED, bad, care);
	}
	if (kind == MAP || l->has_rights) {
		d->all &= d->entry;
		d->any |= d->entry;
	}
	if (d->entry & l->leaf_bits)
		return NPT_WALK_OK;
	if (kind == GUEST && l->has_rights) {
		r = update_ad(w, d, f->accessed, kind);
		if (unlikely(r))
			return r;
	}
next:
	if (kind == GUEST && wants_path(w, care))
		w->path->entry[level] = d->entry;
	d->table = d->entry & l->table_mask;
	if (care > BUILD && unlikely(pwc))
		npt_enter_cached(w, d->addr, level, (struct npt_pwc_val){
			.table = d->table,
			.rights = d->rights & npt_path_rights(f, d->all, d->any),
			.level = level - 1,
			.cost_guest = f->levels - level + 1,
			.cost_nested = d->cost_nested,
		}, kind);
	return NPT_WALK_DOWN;
}

/*
 * From the root, or wherever a cache leads, to the leaf. A level known while
 * compiling makes its shift, masks and place in the vCPU's arrays constants.
 */
static __always_inline enum npt_walk_end levels(struct npt_walker *w, struct dim *d,
						const enum kind kind, const enum care care)
{
	bool pwc = kind == MAP ? w->how.pwc_nested && d->counted : w->how.pwc_guest;
	unsigned int level = d->level;
	enum npt_walk_end r;

	if (care > BUILD) {
		do
			r = one_level(w, d, level--, pwc, kind, care);
		while (r == NPT_WALK_DOWN);
		return r;
	}
	r = one_level(w, d, 4, false, kind, care);
	if (likely(r == NPT_WALK_DOWN))
		r = one_level(w, d, 3, false, kind, care);
	if (likely(r == NPT_WALK_DOWN))
		r = one_level(w, d, 2, false, kind, care);
	if (likely(r == NPT_WALK_DOWN))
		r = one_level(w, d, 1, false, kind, care);
	return r;
}

static __always_inline enum npt_walk_end walk_dim(struct npt_walker *w, struct dim *d,
						  const enum kind kind, const enum care care)
{
	unsigned int top = d->f->levels;
	enum npt_walk_end r;
	u64 read;

	d->level = top;
	d->verdict = 0;
	d->bit = 255;
	d->unread = false;
	d->writable = false;
	d->entry = 0;
	d->address = 0;
	d->ptr = NULL;
	d->rights = RIGHTS_ALL;
	d->all = ~0ULL;
	d->any = 0;
	d->cost_nested = 0;
	d->plain = 0;
	if (care > BUILD &&
	    unlikely(kind == MAP ? w->how.pwc_nested && d->counted : w->how.pwc_guest)) {
		struct npt_pwc_val v;

		if (npt_start_cached(w, d->addr, top, &v, kind)) {
			d->table = v.table;
			d->rights = v.rights;
			d->level = v.level;
			d->cost_nested = v.cost_nested;
			top = v.level;
		}
	}
	r = levels(w, d, kind, care);
	if (d->counted) {
		/* One read at each level from the top; none where stage 2 failed. */
		unsigned int last = d->level + (kind == GUEST && d->unread);

		read = (NPT_REFS_ONES << (8 * last)) & ((1ULL << (8 * (top + 1))) - 1);
		if (kind == MAP)
			w->refs_nested += read;
		else
			w->refs_guest += read;
	}
	if (likely(r == NPT_WALK_OK))
		d->rights &= npt_path_rights(d->f, d->all, d->any);
	return r;
}

/* Address that the leaf maps d->addr to. */
static __always_inline u64 leaf_address(const struct dim *d)
{
	const struct npt_level *l = &d->f->level[d->level];
	u64 page = d->entry & l->leaf_mask;

	if (d->f->entry_size == 4)
		page |= (d->entry & l->leaf_high) << l->leaf_high_shift;
	return page | (d->addr & (BIT_ULL(l->shift) - 1));
}

#endif /* NPT_WALK_DIM_H */
