/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The second dimension as the first one meets it: at once where the map is plain,
 * else by a walk of its own (walk_stage2.c).
 */
#ifndef NPT_WALK_STAGE2_H
#define NPT_WALK_STAGE2_H

#include "walk.h"

/* What a walk must think of: a constant wherever it is asked. */
enum care {
	QUICK,	/* w->how.quick: the format is npt_fmt_4level, no cache, nobody wants the path */
	BUILD,	/* the same, but for the path */
	FULL,	/* anything but a log */
	LOGGED,
};

#define RIGHTS_ALL (NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X)

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
u64 npt_find_place(struct npt_cpu *cpu, u64 gpa, u8 guest_level);
void npt_forget_places(struct npt_cpu *cpu);

/*
 * As plain_map(), from the remembered table. A leaf may lack the bits @loose, which
 * *@frame has then. The dirty log takes the right to write from every page in turn,
 * those of the guest's tables too.
 */
static __always_inline bool plain_near(struct npt_cpu *cpu, const struct npt_mmu *mmu, u64 gpa,
				       u8 guest_level, const u64 loose, u64 *frame)
{
	const unsigned int span = place_span(guest_level);
	const struct npt_map_place *p = &cpu->place[guest_level];
	u64 e = p->table;

	if (unlikely(p->region != gpa >> span)) {
		e = npt_find_place(cpu, gpa, guest_level);
		if (!e)
			return false;
	}
	if (span > 21 && !plain_step(&e, gpa, 21, mmu->plain_table))
		return false;
	plain_step(&e, gpa, 12, mmu->plain_leaf);
	*frame = e;
	return likely(!(e & ~(GENMASK_ULL(51, 12) | loose)));
}

enum npt_walk_end npt_stage2_any(struct npt_walker *w, u64 gpa, u64 want,
				 u8 guest_level, struct npt_ntlb_val *out);
enum npt_walk_end npt_stage2_logged(struct npt_walker *w, u64 gpa, u64 want,
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
	const u64 read_only = care == BUILD ? mmu->map_fmt->write : 0;
	const u64 loose = care == BUILD ? read_only | mmu->map_fmt->dirty : 0;
	struct npt_ntlb_val v;
	enum npt_walk_end r;
	u64 frame;

	if (care <= BUILD ? likely(plain_near(w->cpu, mmu, gpa, guest_level, loose, &frame)) :
	    care == FULL && w->how.plain && likely(!(gpa >> mmu->gpa_bits)) &&
	    likely(plain_map(mmu, gpa, &frame))) {
		if (frame & read_only && want & NPT_TLBV_W)
			goto any;
		out->hpa = (frame & ~loose) | (gpa & 4095);
		out->rights = frame & read_only ? RIGHTS_ALL & ~NPT_TLBV_W : RIGHTS_ALL;
		out->size = NPT_SIZE_4K;
		out->cost = mmu->map_fmt->levels;
		(*plain)++;
		return NPT_WALK_OK;
	}
any:
	if (guest_level && w->how.count_stage2 && mmu->map_fmt->walk_writes)
		want = NPT_TLBV_W;
	r = care == LOGGED ? npt_stage2_logged(w, gpa, want, guest_level, &v) :
			     npt_stage2_any(w, gpa, want, guest_level, &v);
	out->hpa = v.frame | (gpa & (BIT_ULL(npt_size_shift(v.size)) - 1));
	out->rights = v.rights;
	out->size = v.size;
	out->cost = v.cost;
	return r;
}

#endif /* NPT_WALK_STAGE2_H */
