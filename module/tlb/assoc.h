/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set-associative array of 64-bit keys and 64-bit values with a replacement
 * policy: what TLB arrays, paging-structure caches and the nested TLB are made of.
 *
 * One set is one block of memory: its keys, then its values. How the ways of a
 * set are used depends on the policy:
 *
 *   LRU    ways are in order of use, the latest first: a hit moves its entry to
 *          the front, so the next hit on it is found at once and changes nothing
 *   FIFO   ways are in order of arrival, the latest first; a hit moves nothing
 *   LFU    entries stay where they are; a count of uses for each, in @meta
 *   PLRU   entries stay where they are; a bit for each, in @meta: set by a use;
 *          the use that would set the last one clears all others
 *
 * In ordered sets (LRU, FIFO) the invalid ways are the last ones. In the others
 * an invalid way is taken before any valid one, the lowest first; the count or
 * bit of an invalid way is zero.
 */
#ifndef NPT_ASSOC_H
#define NPT_ASSOC_H

#include "../mmu/platform.h"

/*
 * A key. The upper bits of a page number that don't fit are copies of bit 56
 * in any canonical address, so no two pages share a key. 0 is an invalid entry.
 */
#define NPT_KEY_VALID		BIT_ULL(0)
#define NPT_KEY_CLASS_SHIFT	1		/* 2 bits: page size, or level - 2 */
#define NPT_KEY_SHARED		BIT_ULL(3)	/* no PCID: a global page, or the nested dimension */
#define NPT_KEY_PCID_SHIFT	4		/* 12 bits */
#define NPT_KEY_PCID		GENMASK_ULL(15, 4)
#define NPT_KEY_PAGE_SHIFT	16

/**
 * struct npt_assoc - one array
 * @sets: @nr_sets blocks of 2 * @ways words
 * @meta: LFU: uses of each way; PLRU: @words words of bits for each set; else NULL
 * @mask: @nr_sets - 1 if that is a mask, else 0
 * @nr_sets: sets
 * @ways: ways of a set
 * @words: PLRU: words of bits for each set
 * @valid: valid entries now
 * @policy: enum npt_tlb_policy
 * @pages: TLB arrays: page sizes it can hold, NPT_PAGE_*
 * @present: bit class + (4 if shared) for what may be in it; never too few bits
 */
struct npt_assoc {
	u64 *sets;
	u64 *meta;
	u64 mask;
	u32 nr_sets;
	u32 ways;
	u32 words;
	u32 valid;
	u8 policy;
	u8 pages;
	u8 present;
};

int npt_assoc_init(struct npt_assoc *a, u32 entries, u32 ways, unsigned int policy);
void npt_assoc_free(struct npt_assoc *a);

/* Drop everything, or what has (key & mask) == match; give the number dropped. */
u32 npt_assoc_clear(struct npt_assoc *a);
u32 npt_assoc_clear_match(struct npt_assoc *a, u64 mask, u64 match);

/* Drop one entry; 1 if it was there. */
u32 npt_assoc_remove(struct npt_assoc *a, u64 page, u64 key);

/* Policies that keep more than an order. */
void npt_assoc_use_meta(struct npt_assoc *a, u64 set, u32 way);
u32 npt_assoc_victim(struct npt_assoc *a, u64 set);
void npt_assoc_reset_meta(struct npt_assoc *a, u64 set, u32 way);

static __always_inline unsigned int npt_key_bit(u64 key)
{
	return (key >> NPT_KEY_CLASS_SHIFT) & 7;
}

static __always_inline bool npt_assoc_ordered(const struct npt_assoc *a)
{
	return a->policy <= NPT_TLB_FIFO;
}

static __always_inline u64 npt_assoc_set(const struct npt_assoc *a, u64 page)
{
	if (likely(a->mask || a->nr_sets == 1))
		return page & a->mask;
	return page % a->nr_sets;
}

static __always_inline u64 *npt_assoc_block(const struct npt_assoc *a, u64 set)
{
	return a->sets + set * 2 * a->ways;
}

/* The way that holds @key, or @a->ways. */
static __always_inline u32 npt_assoc_find(const struct npt_assoc *a, const u64 *block,
					  u64 key)
{
	u32 i;

	for (i = 0; i < a->ways; i++)
		if (block[i] == key)
			break;
	return i;
}

/*
 * Put @x at the front of @w, move the first @n words up by one. The carried word
 * keeps the compiler from making a call of what is a few moves most of the time.
 */
static __always_inline void npt_assoc_push(u64 *w, u32 n, u64 x)
{
	u64 next;
	u32 i;

	if (n > 24) {
		memmove(w + 1, w, n * sizeof(*w));
		w[0] = x;
		return;
	}
	for (i = 0; i <= n; i++) {
		next = w[i];
		w[i] = x;
		x = next;
	}
}

/* The entry in @way was hit: gives its value, which may have moved. */
static __always_inline u64 npt_assoc_use(struct npt_assoc *a, u64 set, u64 *block, u32 way)
{
	u64 val = block[a->ways + way];

	if (a->policy == NPT_TLB_LRU) {
		if (way) {
			npt_assoc_push(block, way, block[way]);
			npt_assoc_push(block + a->ways, way, val);
		}
	} else if (a->policy != NPT_TLB_FIFO) {
		npt_assoc_use_meta(a, set, way);
	}
	return val;
}

/* Look @key up: true, *val and a use of it if it is there. */
static __always_inline bool npt_assoc_lookup(struct npt_assoc *a, u64 page, u64 key, u64 *val)
{
	u64 set = npt_assoc_set(a, page);
	u64 *block = npt_assoc_block(a, set);
	u32 way = npt_assoc_find(a, block, key);

	if (way == a->ways)
		return false;
	*val = npt_assoc_use(a, set, block, way);
	return true;
}

/* Enter what is known not to be there; true if a valid entry had to go. */
static inline bool npt_assoc_insert(struct npt_assoc *a, u64 page, u64 key, u64 val)
{
	u64 set = npt_assoc_set(a, page);
	u64 *block = npt_assoc_block(a, set);
	bool evicted;
	u32 way;

	a->present |= BIT(npt_key_bit(key));
	if (npt_assoc_ordered(a)) {
		way = a->ways - 1;
		evicted = block[way];
		if (!evicted)
			way = npt_assoc_find(a, block, 0);
		npt_assoc_push(block, way, key);
		npt_assoc_push(block + a->ways, way, val);
	} else {
		way = npt_assoc_victim(a, set);
		evicted = block[way];
		npt_assoc_reset_meta(a, set, way);
		block[way] = key;
		block[a->ways + way] = val;
		npt_assoc_use_meta(a, set, way);
	}
	a->valid += !evicted;
	return evicted;
}

/*
 * Give the entry with @old another key (of the same page) and value, without
 * any trace of a use; true if it is there.
 */
static inline bool npt_assoc_replace(struct npt_assoc *a, u64 page, u64 old, u64 key, u64 val)
{
	u64 *block = npt_assoc_block(a, npt_assoc_set(a, page));
	u32 way = npt_assoc_find(a, block, old);

	if (way == a->ways)
		return false;
	block[way] = key;
	block[a->ways + way] = val;
	a->present |= BIT(npt_key_bit(key));
	return true;
}

#endif /* NPT_ASSOC_H */
