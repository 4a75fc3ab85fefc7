// SPDX-License-Identifier: GPL-2.0
/*
 * The map: one radix table gpa -> hpa per VM, in the VM's nested format. In
 * nested mode it is what the guest runs on; in the other modes it is the
 * module's memory of what the host gave.
 *
 * In shadow mode each page of the map that can hold leaves has a companion
 * page: 512 reverse-map heads, one for each leaf, of the shadow leaves that
 * map something inside it. So every shadow leaf hangs on the map leaf that it
 * was made from, and goes when that one goes.
 */
#include "internal.h"

#define MAP_ENTRIES 512

/* Every format that the map can have indexes each level with 9 bits. */
static inline unsigned int map_shift(unsigned int level)
{
	return 3 + 9 * level;
}

static inline u64 map_index(unsigned int level, u64 gpa)
{
	return (gpa >> map_shift(level)) & (MAP_ENTRIES - 1);
}

static inline bool map_present(const struct npt_format *f, u64 e)
{
	return e & f->present;
}

static inline bool map_is_leaf(const struct npt_format *f, unsigned int level, u64 e)
{
	return level == 1 || (e & f->large);
}

static inline u64 *map_child(u64 e)
{
	return npt_hpa_ptr(e & GENMASK_ULL(51, 12));
}

static bool has_heads(const struct npt_mmu *mmu, unsigned int level)
{
	return mmu->cfg.mode == NPT_MMU_SHADOW && level <= 3;
}

/* Does the cache have what tables from @level down to @target take? */
static bool has_tables(struct npt_mmu *mmu, struct npt_cache *c, unsigned int level,
		       unsigned int target)
{
	u32 pages = 0;

	for (; level >= target; level--)
		pages += 1 + has_heads(mmu, level);
	return npt_cache_has(c, 0, pages, 0);
}

static void *new_table(struct npt_mmu *mmu, struct npt_cache *c, unsigned int level)
{
	void *table = npt_cache_page(c), *heads = NULL;

	npt_page_charge(mmu, NPT_CTR_nested_tables, 1);
	if (has_heads(mmu, level)) {
		heads = npt_cache_page(c);
		npt_page_charge(mmu, NPT_CTR_rmap_pages, 1);
	}
	npt_page_set_owner(table, heads);
	return table;
}

/* Take a table out of use: every entry is clear, no entry points to it. */
static void put_table(struct npt_mmu *mmu, void *table)
{
	void *heads = npt_page_owner(table);

	if (heads) {
		npt_page_free_later(mmu, heads);
		npt_page_charge(mmu, NPT_CTR_rmap_pages, -1);
	}
	npt_page_free_later(mmu, table);
	npt_page_charge(mmu, NPT_CTR_nested_tables, -1);
	mmu->need_flush = true;
}

u64 *npt_map_leaf(struct npt_mmu *mmu, u64 gpa, unsigned int *level, void **table)
{
	const struct npt_format *f = mmu->map_fmt;
	u64 *t = npt_hpa_ptr(mmu->map_root);
	unsigned int l;

	*level = f->levels;
	if (gpa >> mmu->gpa_bits)
		return NULL;
	for (l = f->levels; ; l--) {
		u64 *e = &t[map_index(l, gpa)];

		*level = l;
		*table = t;
		if (!map_present(f, *e))
			return NULL;
		if (map_is_leaf(f, l, *e))
			return e;
		t = map_child(*e);
	}
}

unsigned long *npt_rmap_of(struct npt_mmu *mmu, u64 gfn)
{
	unsigned int level;
	unsigned long *heads;
	void *table;
	u64 *leaf = npt_map_leaf(mmu, gfn << 12, &level, &table);

	if (!leaf)
		return NULL;
	heads = npt_page_owner(table);
	return heads ? &heads[leaf - (u64 *)table] : NULL;
}

u64 npt_mmu_hpa(struct npt_mmu *mmu, u64 gpa)
{
	const struct npt_format *f = mmu->map_fmt;
	unsigned int level;
	void *table;
	u64 *leaf;

	npt_assert_held(&mmu->lock);
	leaf = npt_map_leaf(mmu, gpa, &level, &table);
	if (!leaf)
		return 0;
	return (*leaf & f->level[level].leaf_mask) |
	       (gpa & (BIT_ULL(f->level[level].shift) - 1));
}

static const int pages_gauge[] = { NPT_CTR_pages_4k, NPT_CTR_pages_2m, NPT_CTR_pages_1g };
static const int fills_counter[] = { NPT_CTR_fills_4k, NPT_CTR_fills_2m, NPT_CTR_fills_1g };

static void count_leaf(struct npt_mmu *mmu, unsigned int level, int n)
{
	unsigned int s = npt_level_size(level);

	mmu->ctr[pages_gauge[s]] += n;
	mmu->ctr[NPT_CTR_mapped_bytes] += (s64)n * (s64)BIT_ULL(npt_size_shift(s));
}

/* Clear one leaf and every shadow leaf made from it. */
static void zap_leaf(struct npt_mmu *mmu, u64 *table, u64 i, unsigned int level,
		     enum npt_zap_reason reason)
{
	unsigned long *heads = npt_page_owner(table);

	if (heads && heads[i])
		npt_rmap_drop_all(mmu, &heads[i], reason);
	WRITE_ONCE(table[i], 0);
	count_leaf(mmu, level, -1);
	mmu->ctr[NPT_CTR_zaps]++;
	mmu->ctr[NPT_CTR_zap_notifier + reason]++;
	mmu->need_flush = true;
}

/* A zap under way: how much it may still do, and where it stopped. */
struct zap {
	u64 start, end;		/* gpas */
	u64 until;		/* npt_work() at which to stop */
	u64 pages;		/* table_pages at which to stop */
	enum npt_zap_reason reason;
};

static bool is_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < MAP_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

static bool zap_goes_on(const struct npt_mmu *mmu, const struct zap *z)
{
	return npt_work(mmu) < z->until && mmu->ctr[NPT_CTR_table_pages] > z->pages;
}

/* Zap below @table at @level, whose first address is @base. z->start moves on. */
static void zap_range(struct npt_mmu *mmu, u64 *table, unsigned int level, u64 base,
		      struct zap *z)
{
	const struct npt_format *f = mmu->map_fmt;
	u64 span = BIT_ULL(f->level[level].shift), first = z->start;
	u64 i = first > base ? map_index(level, first) : 0;
	u64 at = base + i * span;

	mmu->work += NPT_WORK_TABLE;
	for (; i < MAP_ENTRIES && at < z->end && zap_goes_on(mmu, z); i++, at += span) {
		u64 e = table[i], *child;

		if (!map_present(f, e)) {
			z->start = at + span;
			continue;
		}
		if (map_is_leaf(f, level, e)) {
			zap_leaf(mmu, table, i, level, z->reason);
			z->start = at + span;
			continue;
		}
		child = map_child(e);
		zap_range(mmu, child, level - 1, at, z);
		/*
		 * Empty for sure if all of it was done now; if it was begun under another
		 * hold of the lock, somebody may have come in between.
		 */
		if (z->start >= at + span && (first <= at || is_empty(child))) {
			WRITE_ONCE(table[i], 0);
			put_table(mmu, child);
		}
	}
}

/* Gives the gfn to go on from: @end unless it came to @until or @pages before. */
static u64 map_zap(struct npt_mmu *mmu, u64 start, u64 end, enum npt_zap_reason reason,
		   u64 until, u64 pages)
{
	u64 limit = BIT_ULL(mmu->gpa_bits - 12);
	struct zap z = {
		.start = start << 12, .end = min(end, limit) << 12,
		.until = until, .pages = pages, .reason = reason,
	};

	if (start >= min(end, limit))
		return end;
	zap_range(mmu, npt_hpa_ptr(mmu->map_root), mmu->map_fmt->levels, 0, &z);
	return z.start < z.end ? z.start >> 12 : end;
}

/*
 * The map first: what it lacks no walk gets through, so that no table comes to be
 * shadowed again behind the last step. A table whose page the map lacks may stay until
 * then: nobody can write the page.
 */
bool npt_mmu_zap_slice(struct npt_mmu *mmu, struct npt_zap *z, u64 until)
{
	u64 before = mmu->ctr[NPT_CTR_zaps];
	bool done = true;

	npt_assert_write(&mmu->lock);
	if (z->next < z->end) {
		z->next = map_zap(mmu, z->next, z->end, z->reason, until, 0);
		done = z->next >= z->end;
	}
	/* Where pages only change their size, tables made from them stay. */
	if (done && mmu->cfg.mode == NPT_MMU_SHADOW && z->reason != NPT_ZAP_SPLIT)
		done = npt_shadow_zap_tables(mmu, z->start, z->end, z->reason, until);
	if (mmu->ctr[NPT_CTR_zaps] != before)
		npt_trace_zap(mmu, z->start, z->end, z->reason);
	return done;
}

void npt_mmu_zap_end(struct npt_mmu *mmu, enum npt_flush_reason flush)
{
	npt_assert_write(&mmu->lock);
	npt_flush_owed(mmu, flush);
}

void npt_mmu_zap_slowly(struct npt_mmu *mmu, u64 start, u64 end,
			enum npt_zap_reason reason, enum npt_flush_reason flush)
{
	struct npt_zap z = { .start = start, .next = start, .end = end, .reason = reason };
	bool done;

	do {
		npt_write_lock(&mmu->lock);
		done = npt_mmu_zap_slice(mmu, &z, npt_work_slice(mmu));
		npt_flush_owed(mmu, flush);
		npt_write_unlock(&mmu->lock);
		npt_relax();
	} while (!done);
}

bool npt_mmu_zap(struct npt_mmu *mmu, u64 start, u64 end,
		 enum npt_zap_reason reason, enum npt_flush_reason flush)
{
	struct npt_zap z = { .start = start, .next = start, .end = end, .reason = reason };

	npt_mmu_zap_slice(mmu, &z, ~0ULL);
	if (!mmu->need_flush)
		return false;
	npt_flush_cpus(mmu, flush);
	return true;
}

/*
 * Shadow leaves are small if the guest's pages are, whatever the map has: only where
 * some is a piece of a larger page is there anything to be had. Of several leaves for
 * one page one will do. Where there are none at all nothing is lost.
 */
static bool shadow_could_grow(struct npt_mmu *mmu, const unsigned long *heads, u64 gfn)
{
	bool any = false;
	unsigned int i;

	if (npt_region_shadowed(mmu, gfn))
		return false;
	for (i = 0; i < MAP_ENTRIES; i++) {
		u64 *spte = npt_rmap_first(heads[i]);

		if (!spte)
			continue;
		if (npt_sp_of(spte)->role.direct)
			return true;
		any = true;
	}
	return !any;
}

bool npt_mmu_could_grow(struct npt_mmu *mmu, u64 gfn)
{
	unsigned int level;
	void *table;

	npt_assert_held(&mmu->lock);
	npt_map_leaf(mmu, gfn << 12, &level, &table);
	if (level > 1 || !(mmu->cfg.leaf_pages & ~NPT_PAGE_4K))
		return false;
	return mmu->cfg.mode != NPT_MMU_SHADOW ||
	       shadow_could_grow(mmu, npt_page_owner(table), gfn);
}

/* Largest leaf for @gpa that the host, the VM's choice and shadowed tables allow. */
static unsigned int leaf_level(struct npt_mmu *mmu, u64 gpa, const struct npt_pfn *pfn)
{
	unsigned int s = pfn->max_size;

	while (s && (!(mmu->cfg.leaf_pages & BIT(s)) ||
		     !mmu->map_fmt->level[npt_size_level(s)].may_leaf))
		s--;
	if (s && mmu->cfg.mode == NPT_MMU_SHADOW) {
		/* Above 2 MiB it would take a scan to know that no table lies inside. */
		s = min_t(unsigned int, s, NPT_SIZE_2M);
		if (!(mmu->cfg.leaf_pages & NPT_PAGE_2M) || npt_region_shadowed(mmu, gpa >> 12))
			s = NPT_SIZE_4K;
	}
	return npt_size_level(s);
}

/*
 * Go down to @target, building tables; a larger leaf in the way is split away.
 * NULL: the cache lacks something, and nothing has been done.
 */
static u64 *descend(struct npt_mmu *mmu, struct npt_cache *c, u64 gpa, unsigned int target)
{
	const struct npt_format *f = mmu->map_fmt;
	u64 *t = npt_hpa_ptr(mmu->map_root);
	unsigned int l;

	for (l = f->levels; l > target; l--) {
		u64 i = map_index(l, gpa);

		if (!map_present(f, t[i]) || map_is_leaf(f, l, t[i])) {
			void *child;

			/* Asked at the first, so that the others find it. */
			if (!has_tables(mmu, c, l - 1, target))
				return NULL;
			if (map_present(f, t[i]))
				zap_leaf(mmu, t, i, l, NPT_ZAP_SPLIT);
			child = new_table(mmu, c, l - 1);
			WRITE_ONCE(t[i], npt_make_table(f, npt_ptr_hpa(child)));
		}
		t = map_child(t[i]);
	}
	return t;
}

/* Is there a leaf already that serves the access? */
static bool map_suffices(struct npt_mmu *mmu, u64 gpa, bool write)
{
	unsigned int level;
	void *table;
	u64 *leaf = npt_map_leaf(mmu, gpa, &level, &table);

	return leaf && (!write || (*leaf & mmu->map_fmt->write));
}

/* Enter a page that nobody asked for: who uses it will set the accessed bit. */
static void prefetch_page(struct npt_mmu *mmu, u64 *entry, unsigned int level, u64 hpa)
{
	const struct npt_format *f = mmu->map_fmt;

	WRITE_ONCE(*entry, npt_make_leaf(f, level, hpa, NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X |
					 NPT_TLBV_D) & ~f->accessed);
	count_leaf(mmu, level, 1);
	mmu->ctr[fills_counter[npt_level_size(level)]]++;
	mmu->ctr[NPT_CTR_fills_prefetch]++;
}

/* May @entry, at @level and for @gpa, become a leaf unasked? */
static bool may_prefetch(struct npt_mmu *mmu, u64 entry, unsigned int level, u64 gpa)
{
	if (entry)
		return false;
	/* As in leaf_level(). */
	return level == 1 || mmu->cfg.mode != NPT_MMU_SHADOW ||
	       !npt_region_shadowed(mmu, gpa >> 12);
}

/*
 * Pages around the one just filled are likely to be wanted next. Those of its
 * aligned group that the host has at hand, no smaller, are cheap now and a fault
 * each later.
 */
static void prefetch_group(struct npt_mmu *mmu, u64 *table, unsigned int level, u64 gpa)
{
	u64 span = BIT_ULL(map_shift(level)), base = gpa & ~(mmu->cfg.prefetch * span - 1);
	u64 hpa[NPT_PREFETCH_MAX], *group = &table[map_index(level, base)];
	u32 i, run, got;

	for (i = 0; i < mmu->cfg.prefetch; i += run) {
		u64 at = base + i * span;

		for (run = 0; i + run < mmu->cfg.prefetch; run++)
			if (!may_prefetch(mmu, group[i + run], level, at + run * span))
				break;
		if (!run) {
			run = 1;
			continue;
		}
		got = mmu->host->map_near(mmu, at, npt_level_size(level), run, hpa);
		while (got--)
			prefetch_page(mmu, &group[i + got], level, hpa[got]);
	}
}

enum npt_fill npt_map_fill(struct npt_mmu *mmu, struct npt_cache *c, u64 gpa,
			   const struct npt_pfn *pfn, bool write)
{
	const struct npt_format *f = mmu->map_fmt;
	unsigned int level = leaf_level(mmu, gpa, pfn);
	u64 rights = NPT_TLBV_U | NPT_TLBV_X, span, hpa, i, *t, leaf;
	bool fresh;

	npt_assert_write(&mmu->lock);
	if (mmu->host->stale(mmu, pfn))
		return NPT_FILL_RETRY;
	if (map_suffices(mmu, gpa, write))
		return NPT_FILL_SPURIOUS;

	t = descend(mmu, c, gpa, level);
	if (!t)
		return NPT_FILL_SHORT;
	i = map_index(level, gpa);
	span = BIT_ULL(f->level[level].shift);
	hpa = pfn->hpa & ~(span - 1);
	if (pfn->writable)
		rights |= NPT_TLBV_W | NPT_TLBV_D;
	leaf = npt_make_leaf(f, level, hpa, rights);

	if (map_present(f, t[i]) && !map_is_leaf(f, level, t[i])) {
		u64 base = gpa & ~(span - 1), *child = map_child(t[i]);
		struct zap z = {
			.start = base, .end = base + span, .until = ~0ULL,
			.reason = NPT_ZAP_SPLIT,
		};

		zap_range(mmu, child, level - 1, base, &z);
		WRITE_ONCE(t[i], 0);
		put_table(mmu, child);
	} else if (map_present(f, t[i]) &&
		   ((t[i] ^ leaf) & f->level[level].leaf_mask)) {
		/* The notifier should have been here first. */
		zap_leaf(mmu, t, i, level, NPT_ZAP_NOTIFIER);
	}
	fresh = !map_present(f, t[i]);
	if (fresh) {
		count_leaf(mmu, level, 1);
		mmu->ctr[fills_counter[npt_level_size(level)]]++;
		mmu->ctr[NPT_CTR_fills_demand]++;
	}
	WRITE_ONCE(t[i], leaf);
	if (pfn->writable)
		mmu->host->mark_dirty(mmu, gpa >> 12);
	npt_trace_fill(mmu, gpa, hpa, npt_level_size(level), NPT_DIM_NESTED);
	/* A leaf that was there has had its neighbours looked at. */
	if (fresh && mmu->cfg.prefetch && level <= 2 && pfn->at_hand)
		prefetch_group(mmu, t, level, gpa);
	npt_flush_owed(mmu, NPT_FL_SLOT);
	return NPT_FILL_DONE;
}

/* Pages of the map to give back at a time: all, where the cap is the smallest. */
#define RECYCLE_MAP NPT_MIN_TABLE_PAGES

/* One part of the map after the other, from where the last time ended. */
static void recycle_map(struct npt_mmu *mmu)
{
	u64 end = BIT_ULL(mmu->gpa_bits - 12), from, next = mmu->recycle_gfn;
	u64 before = mmu->ctr[NPT_CTR_table_pages];
	u64 enough = before - min_t(u64, before, RECYCLE_MAP);
	unsigned int rounds;

	for (rounds = 0; rounds < 2 && mmu->ctr[NPT_CTR_table_pages] > enough; rounds++) {
		from = next;
		next = map_zap(mmu, from, end, NPT_ZAP_RECYCLE, ~0ULL, enough);
		if (mmu->cfg.mode == NPT_MMU_SHADOW)
			npt_shadow_zap_tables(mmu, from, next, NPT_ZAP_RECYCLE, ~0ULL);
		if (next >= end)
			next = 0;
	}
	mmu->recycle_gfn = next;
	mmu->ctr[NPT_CTR_mmu_recycled] += before - mmu->ctr[NPT_CTR_table_pages];
}

/*
 * Shadow tables go first, then the map; and that too if it has nearly all the
 * room. Else the few shadow tables that fit beside it would go with each fault, and
 * an instruction that needs two of them would never get both.
 */
bool npt_mmu_recycle(struct npt_mmu *mmu)
{
	bool enough = false;

	if (!npt_cap_reached(mmu))
		return true;
	if (mmu->cfg.mode == NPT_MMU_SHADOW)
		enough = npt_shadow_recycle(mmu);
	if (!enough || npt_cap_reached(mmu))
		recycle_map(mmu);
	npt_flush_cpus(mmu, NPT_FL_RECYCLE);
	return !npt_cap_reached(mmu);
}

/* With the lock for a moment. */
static int fill_once(struct npt_cpu *cpu, u64 gpa, const struct npt_pfn *pfn, bool write,
		     enum npt_fill *r)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool room;

	npt_write_lock(&mmu->lock);
	room = npt_mmu_recycle(mmu);
	if (room)
		*r = npt_map_fill(mmu, &cpu->cache, gpa, pfn, write);
	npt_write_unlock(&mmu->lock);
	if (!room)
		return -ENOMEM;
	return *r == NPT_FILL_SHORT ? npt_cache_fill(mmu, &cpu->cache) : 0;
}

int npt_map_ask(struct npt_cpu *cpu, u64 gpa, bool write, struct npt_pfn *pfn)
{
	cpu->ctr[NPT_CTR_host_map]++;
	return cpu->mmu->host->map(cpu->mmu, gpa, write, pfn);
}

int npt_map_try(struct npt_cpu *cpu, u64 gpa, bool write, bool *spurious)
{
	struct npt_pfn pfn;
	enum npt_fill r;
	int err = npt_map_ask(cpu, gpa, write, &pfn);

	if (err)
		return err;
	do {
		err = fill_once(cpu, gpa, &pfn, write, &r);
		if (err)
			return err;
		/* Of a page that the host has given only the tables may have lacked. */
	} while (r == NPT_FILL_SHORT);
	*spurious = r == NPT_FILL_SPURIOUS;
	if (r != NPT_FILL_RETRY)
		return 0;
	cpu->ctr[NPT_CTR_host_map_retry]++;
	return -EAGAIN;
}

int npt_map_in(struct npt_cpu *cpu, u64 gpa, bool write, bool *spurious)
{
	int err;

	do {
		err = npt_map_try(cpu, gpa, write, spurious);
	} while (err == -EAGAIN);
	return err;
}

/* Write-protect the 4K leaves of [gfn, end), all in @table, and their shadow leaves. */
static u64 wrprot_table(struct npt_mmu *mmu, u64 *table, u64 gfn, u64 end, u64 until)
{
	const struct npt_format *f = mmu->map_fmt;
	unsigned long *heads = npt_page_owner(table);

	for (; gfn < end && npt_work(mmu) < until; gfn++) {
		u64 i = map_index(1, gfn << 12);

		if (!(table[i] & f->write))
			continue;
		npt_entry_clear(&table[i], f->write | f->dirty);
		mmu->work++;
		if (heads) {
			mmu->work += npt_rmap_length(heads[i]);
			npt_rmap_wrprot_head(mmu, heads[i], gfn);
		}
		mmu->need_flush = true;
	}
	return gfn;
}

u64 npt_mmu_wrprot(struct npt_mmu *mmu, u64 start, u64 end, u64 until)
{
	u64 gfn = start;

	npt_assert_write(&mmu->lock);
	while (gfn < end && npt_work(mmu) < until) {
		unsigned int level;
		void *table;
		u64 *leaf = npt_map_leaf(mmu, gfn << 12, &level, &table);

		mmu->work++;
		if (level == 1) {
			gfn = wrprot_table(mmu, table, gfn,
					   min(end, (gfn | (MAP_ENTRIES - 1)) + 1), until);
			continue;
		}
		/* Larger than the pages that are to be logged. */
		if (leaf)
			zap_leaf(mmu, table, leaf - (u64 *)table, level, NPT_ZAP_SPLIT);
		gfn = (gfn | (BIT_ULL(9 * (level - 1)) - 1)) + 1;
	}
	return min(gfn, end);
}

void npt_mmu_wrprot_end(struct npt_mmu *mmu)
{
	npt_assert_write(&mmu->lock);
	npt_flush_owed(mmu, NPT_FL_DIRTY_LOG);
}

struct age {
	bool young, clear;
};

static void age_spte(struct npt_mmu *mmu __maybe_unused, u64 *spte, void *arg)
{
	const u64 accessed = npt_fmt_4level.accessed;
	struct age *a = arg;

	if (!(*spte & accessed))
		return;
	a->young = true;
	if (a->clear)
		npt_entry_clear(spte, accessed);
}

/*
 * A TLB may keep a translation whose accessed bit is cleared here: as with the
 * host's own page tables on x86, age is a hint and not worth a flush.
 */
bool npt_mmu_age(struct npt_mmu *mmu, u64 start, u64 end, bool clear)
{
	const struct npt_format *f = mmu->map_fmt;
	struct age a = { .clear = clear };
	u64 gfn, next, until = npt_work_slice(mmu);

	npt_assert_write(&mmu->lock);
	for (gfn = start; gfn < end; gfn = next) {
		unsigned int level;
		void *table;
		unsigned long *heads;
		u64 *leaf = npt_map_leaf(mmu, gfn << 12, &level, &table);

		next = (gfn | (BIT_ULL(9 * (level - 1)) - 1)) + 1;
		if (!leaf)
			continue;
		if (*leaf & f->accessed) {
			a.young = true;
			if (clear)
				npt_entry_clear(leaf, f->accessed);
		}
		heads = npt_page_owner(table);
		if (heads) {
			mmu->work += npt_rmap_length(heads[leaf - (u64 *)table]);
			npt_rmap_each(mmu, heads[leaf - (u64 *)table], age_spte, &a);
		}
		mmu->work++;
		/* Who asks holds locks of the host's: what takes too long looks young. */
		if (npt_work(mmu) >= until)
			return true;
	}
	return a.young;
}

int npt_map_init(struct npt_mmu *mmu)
{
	const struct npt_format *f = mmu->map_fmt;
	void *root = npt_page_alloc();

	if (!root)
		return -ENOMEM;
	npt_page_set_owner(root, NULL);
	mmu->map_root = npt_ptr_hpa(root);
	npt_page_charge(mmu, NPT_CTR_nested_tables, 1);
	mmu->plain_table = npt_make_table(f, 0);
	mmu->plain_leaf = npt_make_leaf(f, 1, 0, NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X |
					NPT_TLBV_D);
	mmu->map_shift = f->level[f->levels].shift;
	mmu->map_refs = (NPT_REFS_ONES << 8) & (BIT_ULL(8 * (f->levels + 1)) - 1);
	return 0;
}

void npt_map_destroy(struct npt_mmu *mmu)
{
	npt_mmu_zap_slowly(mmu, 0, ~0ULL, NPT_ZAP_EXIT, NPT_FL_SLOT);
	npt_page_charge(mmu, NPT_CTR_nested_tables, -1);
	npt_page_free(npt_hpa_ptr(mmu->map_root));
}
