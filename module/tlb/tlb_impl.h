/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of a TLB, for the one inline function that the path of an access
 * needs: npt_tlb_lookup_fast().
 */
#ifndef NPT_TLB_IMPL_H
#define NPT_TLB_IMPL_H

#include "tlb.h"
#include "assoc.h"
#include "oracle.h"

#define NPT_NR_KINDS 2

/**
 * struct npt_tlb_fast - where to try first for a hit in the first level
 * @sets: blocks of the array last hit, or a block that holds nothing
 * @mask: number of sets - 1
 * @tag: key bits of a page of that size, without PCID
 * @stride: words of a block
 * @ways: ways of the array
 * @shift: log2 of that page size
 * @hits: counter of hits
 *
 * Only arrays whose sets are a power of two, which share no page size with
 * another one, and where a second use in a row changes nothing: not with LFU.
 */
struct npt_tlb_fast {
	const u64 *sets;
	u64 mask;
	u64 tag;
	u64 stride;
	u64 ways;
	u64 *hits;
	u8 shift;
};

/**
 * struct npt_tlb_level - the arrays that serve one level for one kind
 * @nr: number of arrays
 * @overlap: some page size is in more than one of them
 * @simple: it is one, it takes 4K pages, and its layout is MOVE or ORDER
 * @array: the arrays
 */
struct npt_tlb_level {
	u32 nr;
	bool overlap;
	bool simple;
	struct npt_assoc *array[NPT_TLB_UNITS];
};

struct npt_tlb {
	struct npt_tlb_fast fast[NPT_NR_KINDS];
	u64 *ctr;		/* the vCPU's counters */
	u64 miss_gva;		/* the last lookup that found nothing ... */
	u32 miss_tag;		/* ... its kind and PCID, 0 once something was filled */
	u32 nr_tlb;		/* arrays in use, from the first */
	u32 nr_pwc;		/* walk caches in use, from the first */
	u64 *miss_set[2];	/* its set in each level, for a plain page; NULL: not plain */
	u64 none[NPT_BLOCK_KEYS + 2];	/* an empty set of one way */
	struct npt_tlb_level level[2][NPT_NR_KINDS];
	u16 pwc_serves[2][4];	/* by dimension and level - 2: bit for each unit */
	struct npt_assoc tlb[NPT_TLB_UNITS];
	struct npt_assoc pwc[NPT_PWC_UNITS];
	struct npt_assoc ntlb;
	struct npt_oracle *oracle;	/* NPT_TLB_ORACLE: all take the long way */
};

static_assert((int)NPT_CTR_l1d_hit == NPT_CTR_l1i_hit + 2);
static_assert((int)NPT_CTR_l1d_miss == NPT_CTR_l1i_miss + 2);
static_assert((int)NPT_CTR_l1d_evict == NPT_CTR_l1i_evict + 1);

/* npt_tlb_lookup(), inline as far as the way used last of a set in the first level. */
static __always_inline unsigned int npt_tlb_lookup_fast(struct npt_tlb *tlb, unsigned int kind,
							u64 gva, unsigned int pcid, u64 *val)
{
	const struct npt_tlb_fast *f = &tlb->fast[kind];
	u64 page = gva >> f->shift;
	const u64 *block = f->sets + (page & f->mask) * f->stride;
	const u64 *first = block + NPT_BLOCK_KEYS + block[NPT_BLOCK_FRONT];
	u64 key = page << NPT_KEY_PAGE_SHIFT | (u64)pcid << NPT_KEY_PCID_SHIFT | f->tag;
	unsigned int source;
	u64 slow;	/* its address is given away: *val can stay in a register */

	if (likely(first[0] == key)) {
		*val = first[f->ways];
		(*f->hits)++;
		return NPT_SOURCE_L1;
	}
	source = npt_tlb_lookup(tlb, kind, gva, pcid, &slow);
	*val = slow;
	return source;
}

#endif /* NPT_TLB_IMPL_H */
