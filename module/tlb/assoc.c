// SPDX-License-Identifier: GPL-2.0
/* Set-associative arrays: allocation, dropping entries, LFU and PLRU. */
#include "assoc.h"

/* Up to 4 ways moving them costs less than finding one's place in the order. */
static unsigned int assoc_layout(unsigned int policy, u32 ways)
{
	if (policy == NPT_TLB_LFU || policy == NPT_TLB_PLRU)
		return NPT_ASSOC_META;
	return ways > 4 && ways <= NPT_ORDER_MAX_WAYS ? NPT_ASSOC_ORDER : NPT_ASSOC_MOVE;
}

int npt_assoc_init(struct npt_assoc *a, u32 entries, u32 ways, unsigned int policy)
{
	size_t meta = 0;

	a->ways = ways ? ways : entries;
	a->nr_sets = entries / a->ways;
	a->mask = is_power_of_2(a->nr_sets) ? a->nr_sets - 1 : 0;
	a->stride = NPT_BLOCK_KEYS + 2 * a->ways;
	a->policy = policy;
	a->layout = assoc_layout(policy, a->ways);
	if (a->layout == NPT_ASSOC_ORDER)
		a->order_mask = GENMASK_ULL(4 * a->ways - 1, 0);
	a->words = DIV_ROUND_UP(a->ways, 64);
	if (policy == NPT_TLB_LFU)
		meta = entries;
	else if (policy == NPT_TLB_PLRU)
		meta = (size_t)a->nr_sets * a->words;

	a->sets = npt_zalloc((size_t)a->nr_sets * a->stride * sizeof(*a->sets));
	if (!a->sets)
		return -ENOMEM;
	if (!meta)
		return 0;
	a->meta = npt_zalloc(meta * sizeof(*a->meta));
	if (a->meta)
		return 0;
	npt_assoc_free(a);
	return -ENOMEM;
}

void npt_assoc_free(struct npt_assoc *a)
{
	npt_zfree(a->sets);
	npt_zfree(a->meta);
	a->sets = NULL;
	a->meta = NULL;
}

static size_t assoc_meta_words(const struct npt_assoc *a)
{
	return (size_t)a->nr_sets * (a->policy == NPT_TLB_LFU ? a->ways : a->words);
}

u32 npt_assoc_clear(struct npt_assoc *a)
{
	u32 dropped = a->valid;

	if (!dropped)
		return 0;
	memset(a->sets, 0, (size_t)a->nr_sets * a->stride * sizeof(*a->sets));
	if (a->meta)
		memset(a->meta, 0, assoc_meta_words(a) * sizeof(*a->meta));
	a->valid = 0;
	a->present = 0;
	return dropped;
}

static void meta_reset(struct npt_assoc *a, u64 set, u32 way)
{
	if (a->policy == NPT_TLB_LFU)
		a->meta[set * a->ways + way] = 0;
	else
		a->meta[set * a->words + way / 64] &= ~BIT_ULL(way % 64);
}

/* Close the gaps, so that the invalid ways stay last. */
static u32 move_drop(struct npt_assoc *a, u64 *block, u64 mask, u64 match)
{
	u64 *keys = block + NPT_BLOCK_KEYS;
	u32 i, kept = 0;

	for (i = 0; i < a->ways && keys[i]; i++) {
		if ((keys[i] & mask) == match)
			continue;
		keys[kept] = keys[i];
		keys[a->ways + kept] = keys[a->ways + i];
		kept++;
	}
	memset(keys + kept, 0, (i - kept) * sizeof(*keys));
	return i - kept;
}

/* Put what is kept first, in its order, then all others. */
static u32 order_drop(struct npt_assoc *a, u64 *block, u64 mask, u64 match)
{
	u64 order = block[NPT_BLOCK_ORDER] ^ NPT_ORDER_START, kept = 0, gone = 0;
	unsigned int i, way, nr_kept = 0, nr_gone = 0, dropped = 0;
	u64 *keys = block + NPT_BLOCK_KEYS;

	for (i = 0; i < a->ways; i++) {
		way = (order >> 4 * i) & 15;
		if (keys[way] && (keys[way] & mask) != match) {
			kept |= (u64)way << 4 * nr_kept++;
			continue;
		}
		dropped += !!keys[way];
		keys[way] = 0;
		gone |= (u64)way << 4 * nr_gone++;
	}
	if (!dropped)
		return 0;
	order &= ~((2ULL << (4 * a->ways - 1)) - 1);
	order |= kept | gone << 4 * nr_kept;
	block[NPT_BLOCK_ORDER] = order ^ NPT_ORDER_START;
	return dropped;
}

static u32 meta_drop(struct npt_assoc *a, u64 set, u64 *block, u64 mask, u64 match)
{
	u64 *keys = block + NPT_BLOCK_KEYS;
	u32 i, dropped = 0;

	for (i = 0; i < a->ways; i++) {
		if (!keys[i] || (keys[i] & mask) != match)
			continue;
		keys[i] = 0;
		meta_reset(a, set, i);
		dropped++;
	}
	return dropped;
}

static u32 assoc_drop(struct npt_assoc *a, u64 set, u64 mask, u64 match)
{
	u64 *block = npt_assoc_block(a, set);
	u32 dropped;

	if (a->layout == NPT_ASSOC_MOVE)
		dropped = move_drop(a, block, mask, match);
	else if (a->layout == NPT_ASSOC_ORDER)
		dropped = order_drop(a, block, mask, match);
	else
		dropped = meta_drop(a, set, block, mask, match);
	a->valid -= dropped;
	if (!a->valid)
		a->present = 0;
	return dropped;
}

u32 npt_assoc_clear_match(struct npt_assoc *a, u64 mask, u64 match)
{
	u32 set, dropped = 0;

	for (set = 0; set < a->nr_sets && a->valid; set++)
		dropped += assoc_drop(a, set, mask, match);
	return dropped;
}

u32 npt_assoc_remove(struct npt_assoc *a, u64 page, u64 key)
{
	if (!(a->present & BIT(npt_key_bit(key))))
		return 0;
	return assoc_drop(a, npt_assoc_set(a, page), ~0ULL, key);
}

void npt_assoc_push_any(struct npt_assoc *a, u64 *block, u64 key, u64 val)
{
	u64 *keys = block + NPT_BLOCK_KEYS;
	u32 way = a->ways - 1;

	if (!keys[way])
		way = npt_assoc_scan(a, block, 0);
	npt_assoc_push(keys, way, key);
	npt_assoc_push(keys + a->ways, way, val);
}

/* --- LFU and PLRU --------------------------------------------------------- */

static bool plru_all_set(const struct npt_assoc *a, const u64 *bits)
{
	u32 w, last = a->words - 1;

	for (w = 0; w < last; w++)
		if (~bits[w])
			return false;
	return bits[last] == GENMASK_ULL((a->ways - 1) % 64, 0);
}

static void plru_use(struct npt_assoc *a, u64 set, u32 way)
{
	u64 *bits = a->meta + set * a->words;

	bits[way / 64] |= BIT_ULL(way % 64);
	if (!plru_all_set(a, bits))
		return;
	memset(bits, 0, a->words * sizeof(*bits));
	bits[way / 64] = BIT_ULL(way % 64);
}

void npt_assoc_use_meta(struct npt_assoc *a, u64 set, u32 way)
{
	if (a->policy == NPT_TLB_LFU)
		a->meta[set * a->ways + way]++;
	else
		plru_use(a, set, way);
}

static u32 lfu_victim(const struct npt_assoc *a, u64 set)
{
	const u64 *uses = a->meta + set * a->ways;
	u32 i, least = 0;

	for (i = 1; i < a->ways; i++)
		if (uses[i] < uses[least])
			least = i;
	return least;
}

/* With one way its bit is set; with more, some bit is clear. */
static u32 plru_victim(const struct npt_assoc *a, u64 set)
{
	const u64 *bits = a->meta + set * a->words;
	u32 w = 0;

	while (w + 1 < a->words && !~bits[w])
		w++;
	return min_t(u32, w * 64 + __ffs64(~bits[w]), a->ways - 1);
}

static u32 meta_victim(const struct npt_assoc *a, u64 set)
{
	u32 way = npt_assoc_scan(a, npt_assoc_block(a, set), 0);

	if (way < a->ways)
		return way;
	return a->policy == NPT_TLB_LFU ? lfu_victim(a, set) : plru_victim(a, set);
}

bool npt_assoc_insert_meta(struct npt_assoc *a, u64 set, u64 key, u64 val)
{
	u64 *block = npt_assoc_block(a, set), *keys = block + NPT_BLOCK_KEYS;
	u32 way = meta_victim(a, set);
	bool evicted = keys[way];

	meta_reset(a, set, way);
	keys[way] = key;
	keys[a->ways + way] = val;
	npt_assoc_use_meta(a, set, way);
	block[NPT_BLOCK_FRONT] = way;
	return evicted;
}
