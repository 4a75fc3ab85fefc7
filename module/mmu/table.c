// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of tables: allocated while the lock is not held, charged when they go
 * into use, freed only after the flush that follows their unlinking.
 */
#include "internal.h"

/* Most pages that are taken under one hold of the lock. */
static u32 pages_needed(const struct npt_mmu *mmu)
{
	/* Below the root there are 4 tables at the most. */
	enum { tables = NPT_MAX_LEVELS - 1 };

	BUILD_BUG_ON(NPT_MAX_LEVELS - 1 > NPT_CACHE_SPS || NPT_MAX_LEVELS - 1 > NPT_CACHE_RAW);
	/* In shadow mode the lowest 3 of the map's have a companion, */
	BUILD_BUG_ON(NPT_MAX_LEVELS - 1 + 3 > NPT_CACHE_PAGES);
	if (mmu->cfg.mode != NPT_MMU_SHADOW)
		return mmu->cfg.nested_levels - 1;
	/* and shadow tables have their gfns; what is smaller than a page is less than one. */
	BUILD_BUG_ON(tables * sizeof(struct npt_sp) +
		     (NPT_CACHE_DESCS + NPT_PREFETCH_MAX) * sizeof(struct npt_desc) > 4096);
	return tables + 3 + 2 * tables + 1;
}

typedef void *(*alloc_fn)(void);

static bool fill_to(void **stack, u8 *nr, u8 want, alloc_fn alloc)
{
	while (*nr < want) {
		stack[*nr] = alloc();
		if (!stack[*nr])
			return false;
		(*nr)++;
	}
	return true;
}

static void *alloc_sp(void)
{
	return npt_zalloc(sizeof(struct npt_sp));
}

static void *alloc_desc(void)
{
	return npt_alloc(sizeof(struct npt_desc));
}

static noinline int fill_wanted(struct npt_cache *c, u8 descs)
{
	if (c->want_low && !c->low_page) {
		c->low_page = npt_page_alloc_low();
		if (!c->low_page)
			return -ENOMEM;
	}
	if (!fill_to(c->pages, &c->nr_pages, c->want_pages, npt_page_alloc) ||
	    !fill_to(c->raw, &c->nr_raw, c->want_raw, npt_page_alloc_raw) ||
	    !fill_to(c->sps, &c->nr_sps, c->want_sps, alloc_sp) ||
	    !fill_to(c->descs, &c->nr_descs, descs, alloc_desc))
		return -ENOMEM;
	c->want_low = false;
	c->want_pages = 0;
	c->want_raw = 0;
	c->want_sps = 0;
	return 0;
}

int npt_cache_fill(struct npt_mmu *mmu, struct npt_cache *c)
{
	u8 descs = 0;

	/* These are taken where nothing can be said any more, so there are always some. */
	if (mmu->cfg.mode == NPT_MMU_SHADOW)
		descs = NPT_CACHE_DESCS + (c->want_near ? mmu->cfg.prefetch : 0);
	if (likely(c->nr_descs >= descs) &&
	    likely(!(c->want_low | c->want_pages | c->want_raw | c->want_sps)))
		return 0;
	return fill_wanted(c, descs);
}

bool npt_cache_has(struct npt_cache *c, u32 sps, u32 pages, u32 raw)
{
	if (c->nr_pages >= pages && c->nr_raw >= raw && c->nr_sps >= sps)
		return true;
	c->want_pages = pages;
	c->want_raw = raw;
	c->want_sps = sps;
	return false;
}

bool npt_cache_has_low(struct npt_cache *c)
{
	c->want_low = !c->low_page;
	return c->low_page;
}

void npt_cache_drain(struct npt_cache *c)
{
	if (c->low_page)
		npt_page_free(c->low_page);
	c->low_page = NULL;
	while (c->nr_pages)
		npt_page_free(c->pages[--c->nr_pages]);
	while (c->nr_raw)
		npt_page_free(c->raw[--c->nr_raw]);
	while (c->nr_sps)
		npt_zfree(c->sps[--c->nr_sps]);
	while (c->nr_descs)
		npt_zfree(c->descs[--c->nr_descs]);
}

void *npt_cache_page(struct npt_cache *c)
{
	return WARN_ON_ONCE(!c->nr_pages) ? NULL : c->pages[--c->nr_pages];
}

void *npt_cache_raw(struct npt_cache *c)
{
	return WARN_ON_ONCE(!c->nr_raw) ? NULL : c->raw[--c->nr_raw];
}

void *npt_cache_low_page(struct npt_cache *c)
{
	void *page = c->low_page;

	WARN_ON_ONCE(!page);
	c->low_page = NULL;
	return page;
}

struct npt_sp *npt_cache_sp(struct npt_cache *c)
{
	return WARN_ON_ONCE(!c->nr_sps) ? NULL : c->sps[--c->nr_sps];
}

struct npt_desc *npt_cache_desc(struct npt_cache *c)
{
	return WARN_ON_ONCE(!c->nr_descs) ? NULL : c->descs[--c->nr_descs];
}

bool npt_cap_reached(const struct npt_mmu *mmu)
{
	return mmu->ctr[NPT_CTR_table_pages] + (mmu->ctr[NPT_CTR_table_bytes] >> 12) +
	       pages_needed(mmu) > mmu->cfg.max_table_pages;
}

void npt_page_charge(struct npt_mmu *mmu, int gauge, int n)
{
	mmu->ctr[gauge] += n;
	mmu->ctr[NPT_CTR_table_pages] += n;
}

/*
 * Pages that wait for the flush hang together by their owner words: their
 * contents may still be read by a walk that began before the flush.
 */
void npt_page_free_later(struct npt_mmu *mmu, void *page)
{
	npt_page_set_owner(page, mmu->free_later);
	mmu->free_later = page;
}
