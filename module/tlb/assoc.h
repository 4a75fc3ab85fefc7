/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set-associative array of 64-bit keys and 64-bit values with a replacement
 * policy: what TLB arrays, paging-structure caches and the nested TLB are made of.
 *
 * One set is one block of memory: the way to try first, an order of the ways,
 * their tags, the keys, the values. How the ways are used depends on the layout:
 *
 *   MOVE   LRU, FIFO: the ways are in order of use (LRU) or of arrival (FIFO), the
 *          latest first; entries move
 *   ORDER  LRU, FIFO, up to 16 ways: entries stay; the order is a word of 4-bit
 *          way numbers, the latest in the lowest bits. Each way has a tag of a
 *          byte, made from its page: eight of them are compared at once, and
 *          only where one fits the key is looked at
 *   META   LFU: entries stay, @meta counts the uses of each;
 *          PLRU: entries stay, @meta has a bit for each, set by a use; the use
 *          that would set the last clear bit of a set clears all others
 *
 * In MOVE and ORDER the invalid ways are the last ones of the order. In META an
 * invalid way is taken before any valid one, the lowest first; its count or bit is 0.
 *
 * The way to try first is the one used last, and a second use of it changes
 * nothing (but in LFU): that is what makes most hits cheap. It may name a way whose
 * entry was dropped: nothing is hit there until an insert has made it the latest.
 * A set of zeroes is an empty set; so the order word holds its difference to the
 * order 0, 1, 2, ...
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
#define NPT_KEY_SHARED		BIT_ULL(3)	/* no PCID: global page, or nested dimension */
#define NPT_KEY_PCID_SHIFT	4		/* 12 bits */
#define NPT_KEY_PCID		GENMASK_ULL(15, 4)
#define NPT_KEY_PAGE_SHIFT	16

/* Words of a block. */
#define NPT_BLOCK_FRONT		0
#define NPT_BLOCK_ORDER		1
#define NPT_BLOCK_TAGS		2	/* two words, ORDER only */
#define NPT_BLOCK_KEYS		4

#define NPT_ORDER_START		0xfedcba9876543210ULL
#define NPT_ORDER_MAX_WAYS	16

enum npt_assoc_layout {
	NPT_ASSOC_MOVE,
	NPT_ASSOC_ORDER,
	NPT_ASSOC_META,
};

/**
 * struct npt_assoc - one array
 * @sets: @nr_sets blocks of @stride words
 * @meta: LFU: uses of each way; PLRU: @words words of bits for each set; else NULL
 * @mask: @nr_sets - 1 if that is a mask, else 0
 * @order_mask: ORDER: the bits of an order that are in use
 * @nr_sets: sets
 * @ways: ways of a set
 * @stride: words of a block
 * @words: PLRU: words of bits for each set
 * @valid: valid entries now
 * @policy: enum npt_tlb_policy
 * @layout: enum npt_assoc_layout
 * @pages: TLB arrays: page sizes it can hold, NPT_PAGE_*
 * @present: bit class + (4 if shared) for what may be in it; never too few bits
 */
struct npt_assoc {
	u64 *sets;
	u64 *meta;
	u64 mask;
	u64 order_mask;
	u32 nr_sets;
	u32 ways;
	u32 stride;
	u32 words;
	u32 valid;
	u8 policy;
	u8 layout;
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

/* Layout MOVE: put an entry before all others; the last, if all are valid, goes. */
void npt_assoc_push_any(struct npt_assoc *a, u64 *block, u64 key, u64 val);

/* Layout META. */
void npt_assoc_use_meta(struct npt_assoc *a, u64 set, u32 way);
bool npt_assoc_insert_meta(struct npt_assoc *a, u64 set, u64 key, u64 val);

static __always_inline unsigned int npt_key_bit(u64 key)
{
	return (key >> NPT_KEY_CLASS_SHIFT) & 7;
}

static __always_inline u64 npt_assoc_set(const struct npt_assoc *a, u64 page)
{
	if (likely(a->mask || a->nr_sets == 1))
		return page & a->mask;
	return page % a->nr_sets;
}

static __always_inline u64 *npt_assoc_block(const struct npt_assoc *a, u64 set)
{
	return a->sets + set * a->stride;
}

/* The way that holds @key, or @a->ways. By fours: two instructions a way. */
static __always_inline u32 npt_assoc_scan(const struct npt_assoc *a, const u64 *block,
					  u64 key)
{
	const u64 *keys = block + NPT_BLOCK_KEYS, *k = keys, *fours = keys + (a->ways & ~3U);

	/* by far the commonest, and only here does it need no loop */
	if (likely(a->ways == 4))
		return keys[0] == key ? 0 : keys[1] == key ? 1 :
		       keys[2] == key ? 2 : keys[3] == key ? 3 : 4;
	for (; k != fours; k += 4) {
		if (k[0] == key)
			return k - keys;
		if (k[1] == key)
			return k + 1 - keys;
		if (k[2] == key)
			return k + 2 - keys;
		if (k[3] == key)
			return k + 3 - keys;
	}
	while (k != keys + a->ways && *k != key)
		k++;
	return k - keys;
}

#define NPT_TAG_ONES	0x0101010101010101ULL

static __always_inline u8 npt_assoc_tag(u64 page)
{
	return (page * 0x9E3779B97F4A7C15ULL) >> 56;
}

/* Bit 7 of each byte of @tags that is @tag; of others too, but above such a one. */
static __always_inline u64 npt_tags_equal(u64 tags, u64 tag)
{
	u64 diff = tags ^ tag * NPT_TAG_ONES;

	return (diff - NPT_TAG_ONES) & ~diff & NPT_TAG_ONES << 7;
}

/* The way among those with a bit in @equal that holds @key, or @a->ways. */
static __always_inline u32 npt_assoc_check(const struct npt_assoc *a, const u64 *keys,
					   u64 equal, u32 first, u64 key)
{
	u32 way;

	for (; equal; equal &= equal - 1) {
		way = first + __ffs64(equal) / 8;
		if (way < a->ways && keys[way] == key)
			return way;
	}
	return a->ways;
}

/* As npt_assoc_scan(), by the tags. */
static __always_inline u32 npt_assoc_find_tagged(const struct npt_assoc *a, const u64 *block,
						 u64 page, u64 key)
{
	const u64 *keys = block + NPT_BLOCK_KEYS;
	u64 tag = npt_assoc_tag(page);
	u64 low = npt_tags_equal(block[NPT_BLOCK_TAGS], tag);
	u64 high = npt_tags_equal(block[NPT_BLOCK_TAGS + 1], tag);
	u32 way;

	if (likely(!(low | high)))
		return a->ways;
	way = npt_assoc_check(a, keys, low, 0, key);
	return way == a->ways ? npt_assoc_check(a, keys, high, 8, key) : way;
}

/* The way that holds @key of @page, or @a->ways. */
static __always_inline u32 npt_assoc_find(const struct npt_assoc *a, const u64 *block,
					  u64 page, u64 key)
{
	return a->layout == NPT_ASSOC_ORDER ? npt_assoc_find_tagged(a, block, page, key) :
					      npt_assoc_scan(a, block, key);
}

/*
 * Put @x at the front of @w, move the first @n words up by one. The carried word
 * keeps the compiler from making a call of what is a few moves most of the time.
 */
static __always_inline void npt_assoc_push(u64 *w, u32 n, u64 x)
{
	u64 next;
	u32 i;

	if (n == 3) {
		u64 w0 = w[0], w1 = w[1], w2 = w[2];

		w[0] = x;
		w[1] = w0;
		w[2] = w1;
		w[3] = w2;
		return;
	}
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

/* Make @way the first of the order; @shift is its place now, in bits. */
static __always_inline u64 npt_order_first(u64 order, u64 way, unsigned int shift)
{
	u64 later = order & (BIT_ULL(shift) - 1);
	u64 earlier = order & ~((2ULL << (shift + 3)) - 1);

	return earlier | later << 4 | way;
}

/* The place of @way in the order, in bits: the lowest 4-bit field equal to it. */
static __always_inline unsigned int npt_order_shift(u64 order, u64 way)
{
	const u64 ones = 0x1111111111111111ULL;
	u64 diff = order ^ way * ones;

	return __ffs64((diff - ones) & ~diff & ones << 3) - 3;
}

static __always_inline void npt_assoc_use_order(u64 *block, u32 way)
{
	u64 order = block[NPT_BLOCK_ORDER] ^ NPT_ORDER_START;

	order = npt_order_first(order, way, npt_order_shift(order, way));
	block[NPT_BLOCK_ORDER] = order ^ NPT_ORDER_START;
}

/* The entry in @way was hit: gives its value, which may have moved. MOVE and ORDER. */
static __always_inline u64 npt_assoc_use_block(struct npt_assoc *a, u64 *block, u32 way)
{
	u64 *keys = block + NPT_BLOCK_KEYS;
	u64 val = keys[a->ways + way];

	if (a->policy == NPT_TLB_LRU) {
		if (a->layout == NPT_ASSOC_ORDER) {
			npt_assoc_use_order(block, way);
		} else {
			npt_assoc_push(keys, way, keys[way]);
			npt_assoc_push(keys + a->ways, way, val);
			way = 0;
		}
	}
	block[NPT_BLOCK_FRONT] = way;
	return val;
}

/* The same, any layout. */
static __always_inline u64 npt_assoc_use(struct npt_assoc *a, u64 set, u64 *block, u32 way)
{
	if (likely(a->layout != NPT_ASSOC_META))
		return npt_assoc_use_block(a, block, way);
	npt_assoc_use_meta(a, set, way);
	block[NPT_BLOCK_FRONT] = way;
	return block[NPT_BLOCK_KEYS + a->ways + way];
}

/* Look @key up: true, *val and a use of it if it is there. */
static __always_inline bool npt_assoc_lookup(struct npt_assoc *a, u64 page, u64 key, u64 *val)
{
	u64 set = npt_assoc_set(a, page);
	u64 *block = npt_assoc_block(a, set);
	u32 way = npt_assoc_find(a, block, page, key);

	if (way == a->ways)
		return false;
	*val = npt_assoc_use(a, set, block, way);
	return true;
}

static __always_inline bool npt_assoc_insert_move(struct npt_assoc *a, u64 *block, u64 key,
						  u64 val)
{
	u64 *keys = block + NPT_BLOCK_KEYS;
	bool full = keys[a->ways - 1];

	block[NPT_BLOCK_FRONT] = 0;
	if (likely(a->ways == 4 && full)) {
		npt_assoc_push(keys, 3, key);
		npt_assoc_push(keys + 4, 3, val);
		return true;
	}
	npt_assoc_push_any(a, block, key, val);
	return full;
}

static __always_inline bool npt_assoc_insert_order(struct npt_assoc *a, u64 *block, u64 page,
						   u64 key, u64 val)
{
	u64 *keys = block + NPT_BLOCK_KEYS;
	u64 order = block[NPT_BLOCK_ORDER] ^ NPT_ORDER_START;
	u32 way = (order >> 4 * (a->ways - 1)) & 15;
	bool evicted = keys[way];

	/* The last of the order becomes the first; what is beyond it stays as it was. */
	block[NPT_BLOCK_ORDER] = ((order << 4 | way) ^ NPT_ORDER_START) & a->order_mask;
	block[NPT_BLOCK_FRONT] = way;
	/* Bytes of a word in the order of x86. */
	((u8 *)(block + NPT_BLOCK_TAGS))[way] = npt_assoc_tag(page);
	keys[way] = key;
	keys[a->ways + way] = val;
	return evicted;
}

/* Enter in its set what is known not to be there; layouts MOVE and ORDER. True: evicted one. */
static __always_inline bool npt_assoc_insert_block(struct npt_assoc *a, u64 *block, u64 page,
						   u64 key, u64 val)
{
	bool evicted;

	a->present |= BIT(npt_key_bit(key));
	evicted = a->layout == NPT_ASSOC_ORDER ?
		  npt_assoc_insert_order(a, block, page, key, val) :
		  npt_assoc_insert_move(a, block, key, val);
	a->valid += !evicted;
	return evicted;
}

/* The same, wherever it belongs; any layout. */
static __always_inline bool npt_assoc_insert(struct npt_assoc *a, u64 page, u64 key, u64 val)
{
	u64 set = npt_assoc_set(a, page);
	bool evicted;

	if (likely(a->layout != NPT_ASSOC_META))
		return npt_assoc_insert_block(a, npt_assoc_block(a, set), page, key, val);
	a->present |= BIT(npt_key_bit(key));
	evicted = npt_assoc_insert_meta(a, set, key, val);
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
	u32 way = npt_assoc_find(a, block, page, old);

	if (way == a->ways)
		return false;
	block[NPT_BLOCK_KEYS + way] = key;
	block[NPT_BLOCK_KEYS + a->ways + way] = val;
	a->present |= BIT(npt_key_bit(key));
	return true;
}

#endif /* NPT_ASSOC_H */
