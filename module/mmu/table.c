// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of tables: allocated before the lock is taken, charged when they go
 * into use, freed only after the flush that follows their unlinking.
 */
#include "internal.h"

/*
 * Most pages that are taken under one hold of the lock. A fault that needs the map
 * filled and then shadow tables takes the lock twice, and fills the cache twice.
 */
static u32 pages_needed(const struct npt_mmu *mmu)
{
	/*
	 * Below the root there are 4 tables at the most: shadow tables with their gfns,
	 * or tables of the map, of which the lowest 3 have a companion.
	 */
	BUILD_BUG_ON(2 * (NPT_MAX_LEVELS - 1) > NPT_CACHE_PAGES);

	return mmu->cfg.mode == NPT_MMU_SHADOW ? NPT_CACHE_PAGES : mmu->cfg.nested_levels - 1;
}

int npt_cache_fill(struct npt_mmu *mmu, struct npt_cache *c)
{
	u32 pages = pages_needed(mmu);

	while (c->nr_pages < pages) {
		void *p = npt_page_alloc();

		if (!p)
			return -ENOMEM;
		c->pages[c->nr_pages++] = p;
	}
	if (mmu->cfg.mode != NPT_MMU_SHADOW)
		return 0;
	while (c->nr_sps < NPT_CACHE_SPS) {
		c->sps[c->nr_sps] = npt_zalloc(sizeof(struct npt_sp));
		if (!c->sps[c->nr_sps])
			return -ENOMEM;
		c->nr_sps++;
	}
	while (c->nr_descs < NPT_CACHE_DESCS) {
		c->descs[c->nr_descs] = npt_zalloc(sizeof(struct npt_desc));
		if (!c->descs[c->nr_descs])
			return -ENOMEM;
		c->nr_descs++;
	}
	return 0;
}

int npt_cache_fill_low(struct npt_cache *c)
{
	if (!c->low_page)
		c->low_page = npt_page_alloc_low();
	return c->low_page ? 0 : -ENOMEM;
}

void npt_cache_drain(struct npt_cache *c)
{
	if (c->low_page)
		npt_page_free(c->low_page);
	c->low_page = NULL;
	while (c->nr_pages)
		npt_page_free(c->pages[--c->nr_pages]);
	while (c->nr_sps)
		npt_zfree(c->sps[--c->nr_sps]);
	while (c->nr_descs)
		npt_zfree(c->descs[--c->nr_descs]);
}

void *npt_cache_page(struct npt_cache *c)
{
	return WARN_ON_ONCE(!c->nr_pages) ? NULL : c->pages[--c->nr_pages];
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
	return mmu->ctr[NPT_CTR_table_pages] + pages_needed(mmu) > mmu->cfg.max_table_pages;
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
