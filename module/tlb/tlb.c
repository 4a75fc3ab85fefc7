// SPDX-License-Identifier: GPL-2.0
/*
 * TLB arrays: lookup, fill, flush.
 *
 * The second level is looked up on a miss of the first and filled on a miss of
 * both; what one level holds says nothing about the other.
 */
#include "tlb_impl.h"

static u64 tlb_key(u64 page, unsigned int size, bool global, unsigned int pcid)
{
	u64 tag = global ? NPT_KEY_SHARED : (u64)pcid << NPT_KEY_PCID_SHIFT;

	return page << NPT_KEY_PAGE_SHIFT | tag | (u64)size << NPT_KEY_CLASS_SHIFT |
	       NPT_KEY_VALID;
}

static u64 tlb_val_key(u64 gva, unsigned int pcid, u64 val)
{
	unsigned int size = npt_tlbv_size(val);

	return tlb_key(gva >> npt_size_shift(size), size, val & NPT_TLBV_G, pcid);
}

/* --- creation ------------------------------------------------------------- */

static void tlb_level_add(struct npt_tlb_level *l, struct npt_assoc *a)
{
	u32 i;

	for (i = 0; i < l->nr; i++)
		if (l->array[i]->pages & a->pages)
			l->overlap = true;
	l->array[l->nr++] = a;
	l->simple = l->nr == 1 && a->pages & NPT_PAGE_4K && a->layout != NPT_ASSOC_META;
}

/* With an oracle nothing may get past tlb_lookup_any() and tlb_fill_any(). */
static int tlb_add_oracle(struct npt_tlb *tlb)
{
	unsigned int level, kind;

	tlb->oracle = npt_oracle_create();
	for (level = 0; level < 2; level++)
		for (kind = 0; kind < NPT_NR_KINDS; kind++)
			tlb->level[level][kind].simple = false;
	return tlb->oracle ? 0 : -ENOMEM;
}

static int tlb_add_unit(struct npt_tlb *tlb, const struct npt_tlb_unit *u)
{
	struct npt_assoc *a = &tlb->tlb[tlb->nr_tlb];
	unsigned int kind;

	if (npt_assoc_init(a, u->entries, u->ways, u->policy))
		return -ENOMEM;
	tlb->nr_tlb++;
	a->pages = u->pages;
	for (kind = 0; kind < NPT_NR_KINDS; kind++)
		if (u->kinds & BIT(kind))
			tlb_level_add(&tlb->level[u->level - 1][kind], a);
	return 0;
}

static int tlb_add_pwc(struct npt_tlb *tlb, const struct npt_pwc_unit *u)
{
	unsigned int level, dim;

	if (npt_assoc_init(&tlb->pwc[tlb->nr_pwc], u->entries, u->ways, NPT_TLB_LRU))
		return -ENOMEM;
	for (dim = 0; dim < 2; dim++)
		for (level = 2; level <= 5; level++)
			if ((u->dims & BIT(dim)) && (u->levels & BIT(level)))
				tlb->pwc_serves[dim][level - 2] |= BIT(tlb->nr_pwc);
	tlb->nr_pwc++;
	return 0;
}

static int tlb_add_all(struct npt_tlb *tlb, const struct npt_tlb_model *m)
{
	unsigned int i;

	for (i = 0; i < NPT_TLB_UNITS; i++)
		if (m->tlb[i].level && tlb_add_unit(tlb, &m->tlb[i]))
			return -ENOMEM;
	for (i = 0; i < NPT_PWC_UNITS; i++)
		if (m->pwc[i].dims && tlb_add_pwc(tlb, &m->pwc[i]))
			return -ENOMEM;
	if (m->ntlb_entries &&
	    npt_assoc_init(&tlb->ntlb, m->ntlb_entries, m->ntlb_ways, NPT_TLB_LRU))
		return -ENOMEM;
	return m->flags & NPT_TLB_ORACLE ? tlb_add_oracle(tlb) : 0;
}

static void tlb_fast_none(struct npt_tlb *tlb, unsigned int kind)
{
	struct npt_tlb_fast *f = &tlb->fast[kind];

	f->sets = tlb->none;
	f->mask = 0;
	f->tag = NPT_KEY_VALID;
	f->stride = 0;
	f->ways = 1;
	f->hits = &tlb->ctr[NPT_CTR_l1i_hit + 2 * kind];
	f->shift = 12;
}

struct npt_tlb *npt_tlb_create(const struct npt_tlb_model *m, u64 *ctr)
{
	struct npt_tlb *tlb = npt_zalloc(sizeof(*tlb));

	if (!tlb)
		return NULL;
	tlb->ctr = ctr;
	tlb_fast_none(tlb, NPT_KIND_FETCH);
	tlb_fast_none(tlb, NPT_KIND_DATA);
	if (!tlb_add_all(tlb, m))
		return tlb;
	npt_tlb_destroy(tlb);
	return NULL;
}

void npt_tlb_destroy(struct npt_tlb *tlb)
{
	u32 i;

	if (!tlb)
		return;
	for (i = 0; i < tlb->nr_tlb; i++)
		npt_assoc_free(&tlb->tlb[i]);
	for (i = 0; i < tlb->nr_pwc; i++)
		npt_assoc_free(&tlb->pwc[i]);
	npt_assoc_free(&tlb->ntlb);
	npt_oracle_destroy(tlb->oracle);
	npt_zfree(tlb);
}

/* --- lookup --------------------------------------------------------------- */

/* Point the fast path at the array and page size of a first-level hit. */
static void tlb_set_fast(struct npt_tlb *tlb, unsigned int kind, const struct npt_assoc *a,
			 u64 key)
{
	const u64 tag = NPT_KEY_VALID | 3 << NPT_KEY_CLASS_SHIFT;
	struct npt_tlb_fast *f = &tlb->fast[kind];

	if ((!a->mask && a->nr_sets != 1) || key & NPT_KEY_SHARED || a->policy == NPT_TLB_LFU ||
	    tlb->oracle)
		return;
	f->sets = a->sets;
	f->mask = a->mask;
	f->tag = key & tag;
	f->shift = npt_size_shift((key & tag) >> NPT_KEY_CLASS_SHIFT);
	f->stride = a->stride;
	f->ways = a->ways;
}

/* Probe one array for each sort of entry that may be in it; gives the key or 0. */
static u64 tlb_probe(struct npt_assoc *a, u64 gva, unsigned int pcid, u64 *val)
{
	unsigned int left, bit, size;
	u64 page, key;

	for (left = a->present; left; left &= left - 1) {
		bit = __ffs(left);
		size = bit & 3;
		page = gva >> npt_size_shift(size);
		key = tlb_key(page, size, bit & 4, pcid);
		if (npt_assoc_lookup(a, page, key, val))
			return key;
	}
	return 0;
}

/* Probe all arrays of a level, or up to the first that has it; *hit: that one. */
static u64 tlb_probe_level(const struct npt_tlb_level *l, u64 gva, unsigned int pcid,
			   u64 *val, struct npt_assoc **hit)
{
	u64 key, other, found = 0;
	u32 i;

	for (i = 0; i < l->nr; i++) {
		key = tlb_probe(l->array[i], gva, pcid, found ? &other : val);
		if (!key)
			continue;
		found = key;
		*hit = l->array[i];
		if (!l->overlap)
			break;
	}
	return found;
}

/* Enter what no array of this level and kind holds. */
static void tlb_insert(struct npt_tlb *tlb, unsigned int level, unsigned int kind, u64 gva,
		       u64 key, u64 val)
{
	const struct npt_tlb_level *l = &tlb->level[level - 1][kind];
	u64 *evict = tlb->ctr + (level == 1 ? NPT_CTR_l1i_evict + kind : NPT_CTR_l2_evict);
	unsigned int size = npt_tlbv_size(val);
	u64 page = gva >> npt_size_shift(size);
	u32 i;

	for (i = 0; i < l->nr; i++)
		if (l->array[i]->pages & BIT(size))
			*evict += npt_assoc_insert(l->array[i], page, key, val);
}

/* Bit 31 keeps it from ever being 0. */
static u32 tlb_miss_tag(unsigned int kind, unsigned int pcid)
{
	return 1U << 31 | kind << 16 | pcid;
}

/* A hit in the first level. */
static __always_inline unsigned int tlb_hit(struct npt_tlb *tlb, unsigned int kind,
					    const struct npt_assoc *a, u64 key)
{
	const struct npt_tlb_fast *f = &tlb->fast[kind];

	(*f->hits)++;
	if (unlikely(f->sets != a->sets || (key ^ f->tag) & (3 << NPT_KEY_CLASS_SHIFT)) &&
	    !tlb->level[0][kind].overlap)
		tlb_set_fast(tlb, kind, a, key);
	return NPT_SOURCE_L1;
}

/* Whatever the arrays are and hold. */
static noinline unsigned int tlb_lookup_any(struct npt_tlb *tlb, unsigned int kind, u64 gva,
					    unsigned int pcid, u64 *val)
{
	const struct npt_tlb_level *l1 = &tlb->level[0][kind], *l2 = &tlb->level[1][kind];
	struct npt_assoc *hit;
	u64 *ctr = tlb->ctr;
	u64 key;

	if (unlikely(tlb->oracle))
		npt_oracle_look(tlb->oracle, gva, pcid);
	key = tlb_probe_level(l1, gva, pcid, val, &hit);
	if (key)
		return tlb_hit(tlb, kind, hit, key);
	ctr[NPT_CTR_l1i_miss + 2 * kind]++;
	if (l2->nr) {
		key = tlb_probe_level(l2, gva, pcid, val, &hit);
		if (key) {
			ctr[NPT_CTR_l2_hit]++;
			tlb_insert(tlb, 1, kind, gva, key, *val);
			return NPT_SOURCE_L2;
		}
		ctr[NPT_CTR_l2_miss]++;
	}
	tlb->miss_gva = gva;
	tlb->miss_tag = tlb_miss_tag(kind, pcid);
	tlb->miss_set[0] = NULL;
	return NPT_SOURCE_NONE;
}

/* Is there but one thing to look for: a 4K page that is not global? */
static __always_inline bool tlb_level_plain(const struct npt_tlb_level *l)
{
	return l->simple && !(l->array[0]->present & ~BIT(NPT_SIZE_4K));
}

/* The rest of a lookup that found something, apart from the way of those that don't. */
static noinline unsigned int tlb_hit_first(struct npt_tlb *tlb, unsigned int kind, u64 key,
					   u64 *block, u32 way, u64 *val)
{
	struct npt_assoc *a = tlb->level[0][kind].array[0];

	*val = npt_assoc_use_block(a, block, way);
	return tlb_hit(tlb, kind, a, key);
}

static noinline unsigned int tlb_hit_second(struct npt_tlb *tlb, unsigned int kind, u64 gva,
					    unsigned int pcid, u32 way, u64 *val)
{
	u64 page = gva >> 12, key = tlb_key(page, NPT_SIZE_4K, false, pcid);
	struct npt_assoc *l1 = tlb->level[0][kind].array[0];
	struct npt_assoc *l2 = tlb->level[1][kind].array[0];

	tlb->ctr[NPT_CTR_l2_hit]++;
	*val = npt_assoc_use_block(l2, npt_assoc_block(l2, npt_assoc_set(l2, page)), way);
	tlb->ctr[NPT_CTR_l1i_evict + kind] += npt_assoc_insert(l1, page, key, *val);
	return NPT_SOURCE_L2;
}

unsigned int npt_tlb_lookup(struct npt_tlb *tlb, unsigned int kind, u64 gva,
			    unsigned int pcid, u64 *val)
{
	const struct npt_tlb_level *l1 = &tlb->level[0][kind], *l2 = &tlb->level[1][kind];
	u64 page = gva >> 12, key = tlb_key(page, NPT_SIZE_4K, false, pcid);
	struct npt_assoc *a;
	u64 *block;
	u32 way;

	if (unlikely(!tlb_level_plain(l1) || !tlb_level_plain(l2)))
		return tlb_lookup_any(tlb, kind, gva, pcid, val);

	a = l1->array[0];
	block = npt_assoc_block(a, npt_assoc_set(a, page));
	way = npt_assoc_find(a, block, page, key);
	if (way != a->ways)
		return tlb_hit_first(tlb, kind, key, block, way, val);
	tlb->miss_set[0] = block;
	tlb->ctr[NPT_CTR_l1i_miss + 2 * kind]++;

	a = l2->array[0];
	block = npt_assoc_block(a, npt_assoc_set(a, page));
	way = npt_assoc_find(a, block, page, key);
	if (way != a->ways)
		return tlb_hit_second(tlb, kind, gva, pcid, way, val);
	tlb->miss_set[1] = block;
	tlb->ctr[NPT_CTR_l2_miss]++;

	tlb->miss_gva = gva;
	tlb->miss_tag = tlb_miss_tag(kind, pcid);
	return NPT_SOURCE_NONE;
}

/* --- fill ----------------------------------------------------------------- */

/* Where @gva's page of size @size is entered, global or not: replace it. */
static bool tlb_replace(struct npt_assoc *a, u64 gva, unsigned int pcid, u64 key, u64 val)
{
	unsigned int size = npt_tlbv_size(val);
	u64 page = gva >> npt_size_shift(size);

	if (a->present & BIT(size + 4) &&
	    npt_assoc_replace(a, page, tlb_key(page, size, true, 0), key, val))
		return true;
	return a->present & BIT(size) &&
	       npt_assoc_replace(a, page, tlb_key(page, size, false, pcid), key, val);
}

/* Drop entries of sizes @sizes that cover @gva: of @pcid, and global ones. */
static u32 tlb_drop_addr(struct npt_assoc *a, u64 gva, unsigned int pcid, unsigned int sizes)
{
	unsigned int size;
	u32 dropped = 0;
	u64 page;

	for (size = 0; size < NPT_NR_SIZES; size++) {
		if (!(sizes & BIT(size)))
			continue;
		page = gva >> npt_size_shift(size);
		dropped += npt_assoc_remove(a, page, tlb_key(page, size, false, pcid));
		dropped += npt_assoc_remove(a, page, tlb_key(page, size, true, 0));
	}
	return dropped;
}

/*
 * Replace the entry wherever this kind has it, and drop entries of another page
 * size for the address: the page was split or merged and the old entry would
 * be hit for ever. True if there was one to replace.
 */
static bool tlb_upgrade(struct npt_tlb *tlb, unsigned int kind, u64 gva, unsigned int pcid,
			u64 key, u64 val)
{
	unsigned int others = ~(unsigned int)BIT(npt_tlbv_size(val));
	struct npt_tlb_level *l;
	bool held = false;
	u32 level, i;

	for (level = 0; level < 2; level++) {
		l = &tlb->level[level][kind];
		for (i = 0; i < l->nr; i++) {
			held |= tlb_replace(l->array[i], gva, pcid, key, val);
			tlb_drop_addr(l->array[i], gva, pcid, others);
		}
	}
	return held;
}

static noinline void tlb_fill_any(struct npt_tlb *tlb, unsigned int kind, u64 gva,
				  unsigned int pcid, u64 val, bool missed)
{
	u64 key = tlb_val_key(gva, pcid, val);

	if (WARN_ON_ONCE(npt_tlbv_size(val) >= NPT_NR_SIZES))
		return;
	if (unlikely(tlb->oracle))
		npt_oracle_fill(tlb->oracle, gva, pcid, val);
	if (!missed && tlb_upgrade(tlb, kind, gva, pcid, key, val))
		return;
	tlb_insert(tlb, 2, kind, gva, key, val);
	tlb_insert(tlb, 1, kind, gva, key, val);
}

void npt_tlb_fill(struct npt_tlb *tlb, unsigned int kind, u64 gva,
		  unsigned int pcid, u64 val)
{
	const u64 special = NPT_TLBV_G | 3ULL << NPT_TLBV_SIZE_SHIFT;
	u64 page = gva >> 12, key = tlb_key(page, NPT_SIZE_4K, false, pcid);
	u64 *ctr = tlb->ctr;
	bool missed;

	/* after a lookup that found nothing there is nothing to replace */
	missed = tlb->miss_gva == gva && tlb->miss_tag == tlb_miss_tag(kind, pcid);
	tlb->miss_tag = 0;
	if (unlikely(!missed || !tlb->miss_set[0] || val & special)) {
		tlb_fill_any(tlb, kind, gva, pcid, val, missed);
		return;
	}
	/* what that lookup went by still holds: a flush at most came between */
	ctr[NPT_CTR_l2_evict] += npt_assoc_insert_block(tlb->level[1][kind].array[0],
							tlb->miss_set[1], page, key, val);
	ctr[NPT_CTR_l1i_evict + kind] += npt_assoc_insert_block(tlb->level[0][kind].array[0],
								tlb->miss_set[0], page, key,
								val);
}

/* --- flush ---------------------------------------------------------------- */

static u64 tlb_flushed(struct npt_tlb *tlb, u64 dropped)
{
	tlb->ctr[NPT_CTR_tlb_entries_flushed] += dropped;
	return dropped;
}

/* Carry a flush out in the oracle, too. True: the arrays must keep what they have. */
static bool tlb_flush_oracle(struct npt_tlb *tlb, u32 scope, u64 gva, unsigned int pcid)
{
	return unlikely(tlb->oracle) && npt_oracle_flush(tlb->oracle, scope, gva, pcid);
}

u64 npt_tlb_flush_all(struct npt_tlb *tlb)
{
	u32 i, nr = tlb_flush_oracle(tlb, NPT_FLUSH_ALL, 0, 0) ? 0 : tlb->nr_tlb;
	u64 dropped = npt_assoc_clear(&tlb->ntlb);

	for (i = 0; i < nr; i++)
		dropped += npt_assoc_clear(&tlb->tlb[i]);
	for (i = 0; i < tlb->nr_pwc; i++)
		npt_assoc_clear(&tlb->pwc[i]);
	return tlb_flushed(tlb, dropped);
}

/* Drop what is not shared and has (key & mask) == match, of any class. */
static u32 tlb_clear_private(struct npt_assoc *a, u64 mask, u64 match)
{
	const unsigned int shared = 0xf0;
	u32 dropped;

	if (mask == NPT_KEY_SHARED && !(a->present & shared))
		return npt_assoc_clear(a);
	dropped = npt_assoc_clear_match(a, mask, match);
	if (mask == NPT_KEY_SHARED)
		a->present &= shared;
	return dropped;
}

static u64 tlb_flush_private(struct npt_tlb *tlb, u64 mask, u64 match, bool keep)
{
	u32 i, nr = keep ? 0 : tlb->nr_tlb;
	u64 dropped = 0;

	for (i = 0; i < nr; i++)
		dropped += tlb_clear_private(&tlb->tlb[i], mask, match);
	for (i = 0; i < tlb->nr_pwc; i++)
		tlb_clear_private(&tlb->pwc[i], mask, match);
	return tlb_flushed(tlb, dropped);
}

u64 npt_tlb_flush_nonglobal(struct npt_tlb *tlb)
{
	return tlb_flush_private(tlb, NPT_KEY_SHARED, 0,
				 tlb_flush_oracle(tlb, NPT_ORACLE_NONGLOBAL, 0, 0));
}

u64 npt_tlb_flush_pcid(struct npt_tlb *tlb, unsigned int pcid)
{
	return tlb_flush_private(tlb, NPT_KEY_SHARED | NPT_KEY_PCID,
				 (u64)pcid << NPT_KEY_PCID_SHIFT,
				 tlb_flush_oracle(tlb, NPT_FLUSH_TAG, 0, pcid));
}

u64 npt_tlb_flush_addr(struct npt_tlb *tlb, u64 gva, unsigned int pcid)
{
	u32 i, nr = tlb_flush_oracle(tlb, NPT_FLUSH_ADDRESS, gva, pcid) ? 0 : tlb->nr_tlb;
	u64 dropped = 0;

	for (i = 0; i < nr; i++)
		dropped += tlb_drop_addr(&tlb->tlb[i], gva, pcid, ~0U);
	for (i = 0; i < tlb->nr_pwc; i++)
		tlb_clear_private(&tlb->pwc[i], NPT_KEY_SHARED | NPT_KEY_PCID,
				  (u64)pcid << NPT_KEY_PCID_SHIFT);
	return tlb_flushed(tlb, dropped);
}

void npt_tlb_forget(struct npt_tlb *tlb, u64 gva, unsigned int pcid)
{
	u32 i;

	if (unlikely(tlb->oracle))
		npt_oracle_forget(tlb->oracle, gva, pcid);
	for (i = 0; i < tlb->nr_tlb; i++)
		tlb_drop_addr(&tlb->tlb[i], gva, pcid, ~0U);
	npt_pwc_forget(tlb, gva, pcid);
}
