// SPDX-License-Identifier: GPL-2.0
/*
 * The walker: the first dimension, and who asks for it.
 *
 *   walk_dim(guest)  for each level:  stage2(address of the entry) -> pointer
 *                                     read, check, mark accessed, go down
 *                    the page:        stage2(its gpa) -> hpa
 *   stage2()         nested TLB, else walk_dim(map)
 */
#include "rights.h"
#include "walk_dim.h"
#include "format_x86.h"

/* A copy whose every field is a constant to the compiler. */
static const struct npt_format four_levels = FMT_4LEVEL;

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
			npt_log_verdict(w, w->verdict, w->bit);
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
		npt_log_verdict(w, NPT_VERDICT_LEAF, 255);
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
			npt_forget_places(w->cpu);
		return walk_guest(w, &four_levels, gva, QUICK);
	}
	return unlikely(w->log) ? walk_guest_logged(w, gva) : walk_guest_full(w, gva);
}

enum npt_walk_end npt_walk_guest_path(struct npt_walker *w, u64 gva)
{
	if (w->cpu->fmt != &npt_fmt_4level)
		return walk_guest_full(w, gva);
	if (unlikely(w->cpu->place_seq != w->cpu->mmu->flush_seq))
		npt_forget_places(w->cpu);
	return walk_guest(w, &four_levels, gva, BUILD);
}

enum npt_walk_end npt_walk_guest_page(struct npt_walker *w)
{
	if (w->cpu->fmt != &npt_fmt_4level)
		return finish_page(w, &w->plain_walks, FULL);
	if (unlikely(w->cpu->place_seq != w->cpu->mmu->flush_seq))
		npt_forget_places(w->cpu);
	return finish_page(w, &w->plain_walks, BUILD);
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
