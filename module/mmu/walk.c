// SPDX-License-Identifier: GPL-2.0
/*
 * The walker.
 *
 *   walk_dim(guest)  for each level:  stage2(address of the entry) -> pointer
 *                                     read, check, mark accessed, go down
 *                    the page:        stage2(its gpa) -> hpa
 *   stage2()         nested TLB, else walk_dim(map)
 *
 * walk_dim() is the only loop over levels there is. The compiler makes several
 * of it: by what the tables are, because that says how an entry is reached and
 * what can be wrong with it, and by how much care the walk needs.
 */
#include "walk.h"
#include "format_x86.h"

/* What a table is: a constant wherever walk_dim() is called. */
enum kind {
	GUEST,		/* entries lie in guest memory, contents are the guest's */
	MAP,		/* our map, or nested table */
	SHADOW,		/* our shadow tables */
};

/* What a walk must think of: a constant as well. */
enum care {
	QUICK,	/* w->how.quick: the format is four_levels, no cache, nobody wants the path */
	BUILD,	/* the same, but for the path */
	FULL,	/* anything but a log */
	LOGGED,
};

/* A copy whose every field is a constant to the compiler. */
static const struct npt_format four_levels = FMT_4LEVEL;

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

#define RIGHTS_ALL (NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X)

static const u8 log_dim[] = {
	[GUEST] = NPT_DIM_GUEST, [MAP] = NPT_DIM_NESTED, [SHADOW] = NPT_DIM_SHADOW,
};

static noinline void log_entry(struct npt_walker *w, const struct dim *d, enum kind kind)
{
	const struct npt_level *l = &d->f->level[d->level];
	struct npt_walk_entry *e;

	if (w->log->nr >= w->log->max)
		return;
	e = &w->log->ent[w->log->nr++];
	memset(e, 0, sizeof(*e));
	e->address = d->address;
	e->value = d->entry;
	e->input = d->addr;
	e->dim = log_dim[kind];
	e->level = d->level;
	e->index = (d->addr >> l->shift) & l->index_mask;
	e->guest_level = d->guest_level;
	e->verdict = NPT_VERDICT_NEXT;
	e->bit = 255;
}

static noinline void log_verdict(struct npt_walker *w, u8 verdict, u8 bit)
{
	if (!w->log->nr)
		return;
	w->log->ent[w->log->nr - 1].verdict = verdict;
	w->log->ent[w->log->nr - 1].bit = bit;
}

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
		log_verdict(w, verdict, d->bit);
	return NPT_WALK_FAULT;
}

/*
 * What the slow and rare helpers need is handed over by value: a struct dim
 * whose address goes nowhere stays in registers.
 */

/* Set @bits in an entry that was read as @old, unless it changed meanwhile. */
static noinline bool mark_entry(void *ptr, u64 old, u64 bits, u8 size)
{
	if (size == 8)
		return cmpxchg((u64 *)ptr, old, old | bits) == old;
	return cmpxchg((u32 *)ptr, (u32)old, (u32)(old | bits)) == (u32)old;
}

/*
 * The map is our own work and mostly plain: 4K leaves, every right, accessed.
 * Such an entry, less the bits that all of its kind have, is an address and
 * nothing else: one test says that there is nothing to look at more closely.
 * False: something is special, take the loop that knows everything.
 */
static __always_inline bool plain_step(u64 *e, u64 gpa, unsigned int shift, u64 plain)
{
	*e = READ_ONCE(((u64 *)npt_hpa_ptr(*e))[(gpa >> shift) & 511]) ^ plain;
	return likely(!(*e & ~GENMASK_ULL(51, 12)));
}

/* *@e becomes the table of the map for the 2 to the power of @span bytes around @gpa. */
static __always_inline bool plain_table(const struct npt_mmu *mmu, u64 gpa, unsigned int span,
					u64 *e)
{
	*e = mmu->map_root;
	if (unlikely(mmu->map_shift != 39) && !plain_step(e, gpa, 48, mmu->plain_table))
		return false;
	return plain_step(e, gpa, 39, mmu->plain_table) &&
	       plain_step(e, gpa, 30, mmu->plain_table) &&
	       (span == 30 || plain_step(e, gpa, 21, mmu->plain_table));
}

static __always_inline bool plain_map(const struct npt_mmu *mmu, u64 gpa, u64 *frame)
{
	return plain_table(mmu, gpa, 21, frame) &&
	       plain_step(frame, gpa, 12, mmu->plain_leaf);
}

/*
 * The upper tables of the map are the same from walk to walk. So remember the
 * one that the last walk came by, for each guest level and the page: closely
 * where a guest has few tables, for a whole GiB where it has many. No table is
 * freed before flush_seq grows, see npt_page_free_later(). It saves time, and
 * no reference: what the guest's processor would have read is counted as ever.
 */
#define place_span(guest_level) ((guest_level) > 1 ? 21 : 30)

/* Its hpa, or 0: something on the way is special. */
static noinline u64 find_place(struct npt_cpu *cpu, u64 gpa, u8 guest_level)
{
	unsigned int span = place_span(guest_level);
	struct npt_map_place *p = &cpu->place[guest_level];
	u64 table;

	if (gpa >> cpu->mmu->gpa_bits || !plain_table(cpu->mmu, gpa, span, &table))
		return 0;
	p->region = gpa >> span;
	p->table = table;
	return table;
}

static noinline void forget_places(struct npt_cpu *cpu)
{
	unsigned int l;

	for (l = 0; l < ARRAY_SIZE(cpu->place); l++)
		cpu->place[l].region = ~0ULL;
	cpu->place_seq = cpu->mmu->flush_seq;
}

/* As plain_map(), from the remembered table. */
static __always_inline bool plain_near(struct npt_cpu *cpu, const struct npt_mmu *mmu, u64 gpa,
				       u8 guest_level, u64 *frame)
{
	const unsigned int span = place_span(guest_level);
	const struct npt_map_place *p = &cpu->place[guest_level];
	u64 e = p->table;

	if (unlikely(p->region != gpa >> span)) {
		e = find_place(cpu, gpa, guest_level);
		if (!e)
			return false;
	}
	if (span > 21 && !plain_step(&e, gpa, 21, mmu->plain_table))
		return false;
	if (!plain_step(&e, gpa, 12, mmu->plain_leaf))
		return false;
	*frame = e;
	return true;
}

static enum npt_walk_end stage2_any(struct npt_walker *w, u64 gpa, u64 want,
				    u8 guest_level, struct npt_ntlb_val *out);
static enum npt_walk_end stage2_logged(struct npt_walker *w, u64 gpa, u64 want,
				       u8 guest_level, struct npt_ntlb_val *out);

/* What the second dimension makes of a gpa. */
struct stage2 {
	u64 hpa;
	u8 rights;		/* NPT_TLBV_W/U/X */
	u8 size;		/* NPT_SIZE_* */
	u8 cost;		/* entries read, without caches */
};

/*
 * The second dimension: gpa -> hpa with at least the rights @want. All but the
 * plain case is a function of its own: walk_dim() can't be inlined into itself.
 * Whether the map reaches as far as @gpa a QUICK walk need not ask: no place
 * beyond its end is ever remembered.
 */
static __always_inline enum npt_walk_end stage2(struct npt_walker *w, u64 gpa, u64 want,
						u8 guest_level, struct stage2 *out,
						u32 *plain, const enum care care)
{
	const struct npt_mmu *mmu = w->cpu->mmu;
	struct npt_ntlb_val v;
	enum npt_walk_end r;
	u64 frame;

	if (care <= BUILD ? likely(plain_near(w->cpu, mmu, gpa, guest_level, &frame)) :
	    care == FULL && w->how.plain && likely(!(gpa >> mmu->gpa_bits)) &&
	    likely(plain_map(mmu, gpa, &frame))) {
		out->hpa = frame | (gpa & 4095);
		out->rights = RIGHTS_ALL;
		out->size = NPT_SIZE_4K;
		out->cost = mmu->map_fmt->levels;
		(*plain)++;
		return NPT_WALK_OK;
	}
	if (guest_level && w->how.count_stage2 && mmu->map_fmt->walk_writes)
		want = NPT_TLBV_W;
	r = care == LOGGED ? stage2_logged(w, gpa, want, guest_level, &v) :
			     stage2_any(w, gpa, want, guest_level, &v);
	out->hpa = v.frame | (gpa & (BIT_ULL(npt_size_shift(v.size)) - 1));
	out->rights = v.rights;
	out->size = v.size;
	out->cost = v.cost;
	return r;
}

/* Start as far down as a paging-structure cache allows. */
static noinline bool start_cached(struct npt_walker *w, u64 addr, unsigned int top,
				  struct npt_pwc_val *v, const enum kind kind)
{
	if (!npt_pwc_lookup(w->cpu->tlb, kind == MAP ? NPT_PWC_NESTED : NPT_PWC_GUEST,
			    addr, kind == MAP ? 0 : w->cpu->pcid, top, v))
		return false;
	if (kind == MAP) {
		w->saved_pwc_nested += v->cost_guest;
		return true;
	}
	w->saved_pwc_guest += v->cost_guest;
	if (w->how.count_stage2) {
		w->saved_pwc_guest += v->cost_nested;
		w->uncached += v->cost_nested;
	}
	return true;
}

static noinline void enter_cached(struct npt_walker *w, u64 addr, unsigned int level,
				  struct npt_pwc_val v, const enum kind kind)
{
	npt_pwc_fill(w->cpu->tlb, kind == MAP ? NPT_PWC_NESTED : NPT_PWC_GUEST, addr,
		     kind == MAP ? 0 : w->cpu->pcid, level, &v);
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
		log_entry(w, d, kind);
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
	if (!mark_entry(d->ptr, d->entry, bits, kind == GUEST ? d->f->entry_size : 8))
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
		enter_cached(w, d->addr, level, (struct npt_pwc_val){
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

		if (start_cached(w, d->addr, top, &v, kind)) {
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

/* The map, or the nested tables: gpa -> hpa with at least the rights @want. */
static __always_inline enum npt_walk_end translate_gpa(struct npt_walker *w, u64 gpa, u64 want,
						       u8 guest_level, struct npt_ntlb_val *out,
						       const enum care care)
{
	struct npt_mmu *mmu = w->cpu->mmu;
	struct dim d;
	enum npt_walk_end r;

	if (unlikely(gpa >> mmu->gpa_bits))
		goto fault;
	if (unlikely(w->how.ntlb) && npt_ntlb_lookup(w->cpu->tlb, gpa, out) &&
	    !(want & ~out->rights)) {
		w->saved_ntlb += out->cost;
		w->uncached += out->cost;
		return NPT_WALK_OK;
	}
	d.f = mmu->map_fmt;
	d.table = mmu->map_root;
	d.addr = gpa;
	d.guest_level = guest_level;
	d.counted = w->how.count_stage2;
	r = walk_dim(w, &d, MAP, care);
	if (likely(r == NPT_WALK_OK) && unlikely(want & ~d.rights))
		r = deny(w, &d, want & ~d.rights & NPT_TLBV_W ? NPT_VERDICT_WRITE :
			 NPT_VERDICT_NX, d.f->write, care);
	if (unlikely(r))
		goto fault;
	/* Only A: the map's leaves are made dirty when they are made writable. */
	if (unlikely(!(d.entry & d.f->accessed)) && w->how.set_ad)
		mark_entry(d.ptr, d.entry, d.f->accessed, 8);
	out->frame = d.entry & d.f->level[d.level].leaf_mask;
	out->rights = d.rights;
	out->size = npt_level_size(d.level);
	out->cost = d.f->levels - d.level + 1;
	if (w->how.count_stage2)
		w->uncached += out->cost;
	if (unlikely(w->how.ntlb))
		npt_ntlb_fill(w->cpu->tlb, gpa, out);
	if (care == LOGGED && d.counted)
		log_verdict(w, NPT_VERDICT_LEAF, 255);
	return NPT_WALK_OK;
fault:
	*out = (struct npt_ntlb_val){ 0 };
	w->fault_gpa = gpa;
	w->fault_write = want & NPT_TLBV_W;
	w->fault_table = guest_level;
	return NPT_WALK_STAGE2;
}

static noinline enum npt_walk_end stage2_any(struct npt_walker *w, u64 gpa, u64 want,
					     u8 guest_level, struct npt_ntlb_val *out)
{
	return translate_gpa(w, gpa, want, guest_level, out, FULL);
}

static noinline enum npt_walk_end stage2_logged(struct npt_walker *w, u64 gpa, u64 want,
						u8 guest_level, struct npt_ntlb_val *out)
{
	return translate_gpa(w, gpa, want, guest_level, out, LOGGED);
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

/* Rarely: not allowed at a glance. True: the access is denied, w->verdict says why. */
static noinline bool leaf_denied(struct npt_walker *w, const struct npt_format *f, u64 rights,
				 unsigned int key, bool wp)
{
	w->verdict = npt_check_rights(w->cpu, rights, w->op, w->user, wp);
	w->pkey_denied = f->pkey_shift && npt_pkey_denies(w->cpu, rights, key, w->op, w->user);
	if (!w->verdict && w->pkey_denied)
		w->verdict = NPT_VERDICT_PKEY;
	if (!w->verdict)
		return false;
	w->bit = verdict_bit(f, w->verdict);
	return true;
}

/* The leaf of the first dimension is known: permitted? Mark it. */
static __always_inline enum npt_walk_end finish_leaf(struct npt_walker *w, struct dim *d,
						     bool wp, const enum kind kind,
						     const enum care care)
{
	const struct npt_format *f = d->f;
	unsigned int key = f->pkey_shift ? (d->entry >> f->pkey_shift) & 15 : 0;
	u64 dirty = d->entry & f->dirty ? NPT_TLBV_D : 0;
	enum npt_walk_end r;

	if (unlikely(w->cpu->pke || !(w->cpu->allow[d->rights | dirty] &
				      npt_acc_bit(w->op, w->user))) &&
	    leaf_denied(w, f, d->rights, key, wp)) {
		if (care == LOGGED)
			log_verdict(w, w->verdict, w->bit);
		return NPT_WALK_FAULT;
	}
	r = update_ad(w, d, f->accessed | (w->op == NPT_OP_WRITE ? f->dirty : 0), kind);
	if (unlikely(r))
		return r;
	if (kind == GUEST && wants_path(w, care))
		w->path->entry[d->level] = d->entry;
	w->leaf_level = d->level;
	w->leaf_ptr = d->ptr;
	w->gpa = leaf_address(d);
	/* 4 MiB pages live in TLBs as two of 2 MiB. */
	w->guest_rights = d->rights | (u64)key << NPT_TLBV_PKEY_SHIFT |
			  (u64)npt_level_size(d->level) << NPT_TLBV_SIZE_SHIFT;
	/* Not what it was above: the write may just have set it. */
	if (d->entry & f->dirty)
		w->guest_rights |= NPT_TLBV_D;
	if (unlikely(d->entry & f->global) && w->cpu->global)
		w->guest_rights |= NPT_TLBV_G;
	if (care == LOGGED)
		log_verdict(w, NPT_VERDICT_LEAF, 255);
	return NPT_WALK_OK;
}

/* The page itself: rights and size of both dimensions together. */
static __always_inline enum npt_walk_end finish_page(struct npt_walker *w, u32 *plain,
						     const enum care care)
{
	u64 want = w->op == NPT_OP_WRITE ? NPT_TLBV_W :
		   w->op == NPT_OP_FETCH ? NPT_TLBV_X : 0;
	u64 rights = w->guest_rights;
	struct stage2 s;
	enum npt_walk_end r;

	r = stage2(w, w->gpa, want, 0, &s, plain, care);
	if (unlikely(r))
		return r;
	w->map_size = s.size;
	w->hpa = s.hpa;
	if (!(s.rights & NPT_TLBV_W))
		rights &= ~NPT_TLBV_W;
	if (!(s.rights & NPT_TLBV_X))
		rights &= ~NPT_TLBV_X;
	/*
	 * The TLB holds the smaller of both pages (APM vol. 2, 15.25.9). On a
	 * bare machine there is no second one.
	 */
	if (w->how.count_stage2 && s.size < npt_tlbv_size(rights)) {
		rights &= ~(3ULL << NPT_TLBV_SIZE_SHIFT);
		rights |= (u64)s.size << NPT_TLBV_SIZE_SHIFT;
	}
	w->rights = rights;
	return NPT_WALK_OK;
}

static __always_inline enum npt_walk_end walk_guest(struct npt_walker *w,
						    const struct npt_format *f, u64 gva,
						    const enum care care)
{
	struct npt_cpu *cpu = w->cpu;
	enum npt_walk_end r;
	struct dim d;

	d.f = f;
	d.table = cpu->root;
	d.addr = gva;
	d.guest_level = 0;
	d.counted = true;
	r = walk_dim(w, &d, GUEST, care);
	if (likely(r == NPT_WALK_OK)) {
		w->uncached += f->levels - d.level + 1;
		r = finish_leaf(w, &d, cpu->regs.cr0 & NPT_CR0_WP, GUEST, care);
	} else if (r == NPT_WALK_FAULT) {
		w->verdict = d.verdict;
		w->bit = d.bit;
		w->pkey_denied = false;
	}
	if (likely(r == NPT_WALK_OK))
		r = finish_page(w, &d.plain, care);
	w->plain_walks += d.plain;
	return r;
}

/* Paging is off: every address is physical, every right is there. */
static __always_inline enum npt_walk_end walk_unpaged(struct npt_walker *w, u64 gva,
						      const enum care care)
{
	w->gpa = gva;
	w->leaf_level = 0;
	w->leaf_ptr = NULL;
	w->guest_rights = RIGHTS_ALL | NPT_TLBV_D | (u64)NPT_SIZE_1G << NPT_TLBV_SIZE_SHIFT;
	return finish_page(w, &w->plain_walks, care);
}

static noinline enum npt_walk_end walk_guest_full(struct npt_walker *w, u64 gva)
{
	const struct npt_format *f = w->cpu->fmt;

	return f ? walk_guest(w, f, gva, FULL) : walk_unpaged(w, gva, FULL);
}

static noinline enum npt_walk_end walk_guest_logged(struct npt_walker *w, u64 gva)
{
	const struct npt_format *f = w->cpu->fmt;

	return f ? walk_guest(w, f, gva, LOGGED) : walk_unpaged(w, gva, LOGGED);
}

enum npt_walk_end npt_walk_guest(struct npt_walker *w, u64 gva)
{
	if (likely(w->how.quick)) {
		if (unlikely(w->cpu->place_seq != w->cpu->mmu->flush_seq))
			forget_places(w->cpu);
		return walk_guest(w, &four_levels, gva, QUICK);
	}
	return unlikely(w->log) ? walk_guest_logged(w, gva) : walk_guest_full(w, gva);
}

enum npt_walk_end npt_walk_guest_path(struct npt_walker *w, u64 gva)
{
	if (w->cpu->fmt != &npt_fmt_4level)
		return walk_guest_full(w, gva);
	if (unlikely(w->cpu->place_seq != w->cpu->mmu->flush_seq))
		forget_places(w->cpu);
	return walk_guest(w, &four_levels, gva, BUILD);
}

static __always_inline enum npt_walk_end walk_shadow(struct npt_walker *w,
						     const struct npt_format *f,
						     u64 root, u64 gva, const enum care care)
{
	enum npt_walk_end r;
	struct dim d;

	d.f = f;
	d.table = root;
	d.addr = gva;
	d.guest_level = 0;
	d.counted = true;
	r = walk_dim(w, &d, SHADOW, care);
	if (likely(r == NPT_WALK_OK)) {
		w->uncached += f->levels - d.level + 1;
		/* Shadow tables are always walked as if CR0.WP were set. */
		r = finish_leaf(w, &d, true, SHADOW, care);
	} else {
		w->verdict = d.verdict;
		w->bit = d.bit;
	}
	w->rights = w->guest_rights;
	return r;
}

static noinline enum npt_walk_end walk_shadow_full(struct npt_walker *w,
						   const struct npt_format *f,
						   u64 root, u64 gva)
{
	return walk_shadow(w, f, root, gva, FULL);
}

static noinline enum npt_walk_end walk_shadow_logged(struct npt_walker *w,
						     const struct npt_format *f,
						     u64 root, u64 gva)
{
	return walk_shadow(w, f, root, gva, LOGGED);
}

enum npt_walk_end npt_walk_shadow(struct npt_walker *w, const struct npt_format *f,
				  u64 root, u64 gva)
{
	if (likely(w->how.quick))
		return walk_shadow(w, &four_levels, root, gva, QUICK);
	return unlikely(w->log) ? walk_shadow_logged(w, f, root, gva) :
				  walk_shadow_full(w, f, root, gva);
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

void npt_walk_fold(struct npt_cpu *cpu)
{
	struct npt_walk_sum *sum = &cpu->walks;
	u64 *c = cpu->ctr;
	int l;

	for (l = 1; l <= NPT_MAX_LEVELS; l++) {
		u64 guest = npt_refs_level(sum->refs_guest, l);
		u64 nested = npt_refs_level(sum->refs_nested, l);

		c[NPT_CTR_refs_guest] += guest;
		c[NPT_CTR_refs_guest_l1 + l - 1] += guest;
		c[NPT_CTR_refs_nested] += nested;
		c[NPT_CTR_refs_nested_l1 + l - 1] += nested;
	}
	memset(sum, 0, sizeof(*sum));
}
