// SPDX-License-Identifier: GPL-2.0
/*
 * The guest that a trace is replayed in: memory as large as what the trace
 * touches, all of it mapped beforehand. Accessed and dirty bits are set from the
 * start, so that the first walk to a page is also the only kind of walk: a miss
 * costs what the tables cost and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "libnpt_priv.h"
#include "replay_guest.h"

#define SLOT_TABLES	0
#define SLOT_DATA	1

#define REPLAY_FLAGS (NPT_PT_WRITE | NPT_PT_USER | NPT_PT_ACCESSED | NPT_PT_DIRTY)

/* Where things lie in guest-physical memory. */
struct layout {
	uint64_t tables, tables_size;
	uint64_t data, data_size;
	uint64_t count;		/* data pages */
	unsigned int leaf;	/* their shift */
};

unsigned int replay_leaf_shift(unsigned int levels, unsigned int page_shift)
{
	if (page_shift == 12)
		return 12;
	if (page_shift == 21)
		return levels == 2 ? 22 : 21;
	if (page_shift == 30 && levels >= 4)
		return 30;
	npt_set_error(-EINVAL, "guests with %u levels have no pages of %s", levels,
		      npt_page_name(page_shift));
	return 0;
}

static uint64_t align_up(uint64_t x, unsigned int shift)
{
	return (x + (1ULL << shift) - 1) >> shift << shift;
}

/* Pages of tables that mapping the whole footprint takes, exactly. */
static uint64_t count_tables(const struct npt_footprint *fp, unsigned int levels,
			     unsigned int leaf)
{
	unsigned int bits = levels == 2 ? 10 : 9, shift;
	unsigned int root = 12 + bits * (levels - 1);
	uint64_t n = 1;

	/* a table of level l covers what an entry of level l + 1 covers */
	for (shift = leaf + bits; shift <= root; shift += bits)
		n += npt_footprint_count(fp, shift);
	return n;
}

static int layout_plan(const struct npt_replay_options *opts, uint32_t page_shift,
		       const struct npt_footprint *fp, struct layout *l)
{
	unsigned int unit;

	l->leaf = replay_leaf_shift(opts->guest_levels, page_shift);
	if (!l->leaf)
		return -EINVAL;
	unit = l->leaf > 21 ? l->leaf : 21;
	l->count = npt_footprint_count(fp, l->leaf);
	l->tables = 1ULL << unit;
	l->tables_size = count_tables(fp, opts->guest_levels, l->leaf) << 12;
	if (page_shift > 12)
		l->tables_size = align_up(l->tables_size, page_shift);
	l->data = align_up(l->tables + l->tables_size, unit);
	l->data_size = l->count << l->leaf;
	if (opts->guest_levels == 2 && l->data + l->data_size > 1ULL << 32)
		return npt_set_error(-ENOSPC,
				     "the trace touches 0x%llx bytes in pages of %s, a guest with 32-bit tables has room for less than 4 GiB",
				     (unsigned long long)l->data_size, npt_page_name(l->leaf));
	return 0;
}

static uint32_t memory_kind(uint32_t page_shift)
{
	switch (page_shift) {
	case 12:
		return NPT_MEMORY_4K;
	case 21:
		return NPT_MEMORY_THP;
	default:
		return NPT_MEMORY_HUGETLB_1G;
	}
}

/* Add memory; with 1 GiB pages make do with smaller ones if the host has none. */
static int add_memory(struct replay_guest *g, uint32_t slot, uint64_t gpa, uint64_t size,
		      uint32_t page_shift, struct npt_memory **mem)
{
	struct npt_memory_options opts = {
		.slot = slot, .pages = memory_kind(page_shift), .flags = NPT_MEMORY_POPULATE,
		.gpa = gpa, .size = size,
	};
	int ret = npt_memory_add(g->vm, &opts, mem);

	if (ret == -ENOMEM && opts.pages == NPT_MEMORY_HUGETLB_1G &&
	    !npt_device_is_inproc(npt_vm_device(g->vm))) {
		/* gigabytes of which little is used: touch_all() brings in what is */
		opts.pages = NPT_MEMORY_THP;
		opts.flags = 0;
		ret = npt_memory_add(g->vm, &opts, mem);
	}
	if (!ret && page_shift > 12 && npt_memory_huge_bytes(*mem) < size)
		g->short_of_pages = true;
	return ret;
}

/* The order in which data pages are handed out: NULL for ascending, or a permutation. */
static int data_order(const struct npt_replay_options *opts, uint64_t count, uint32_t **out)
{
	uint64_t state = ~opts->seed, i, j;
	uint32_t *order, t;

	*out = NULL;
	if (!opts->random || !count)
		return 0;
	order = count > UINT32_MAX ? NULL : malloc(count * sizeof(*order));
	if (!order)
		return npt_set_error(-ENOMEM, "no memory for %llu pages",
				     (unsigned long long)count);
	for (i = 0; i < count; i++)
		order[i] = i;
	for (i = count; i > 1; i--) {
		j = npt_random(&state) % i;
		t = order[i - 1];
		order[i - 1] = order[j];
		order[j] = t;
	}
	*out = order;
	return 0;
}

static int map_all(struct replay_guest *g, const struct npt_footprint *fp,
		   const struct layout *l, const uint32_t *order)
{
	unsigned int down = l->leaf - 12;
	uint64_t n = 0;
	size_t i;
	int ret;

	for (i = 0; i < fp->pages; i++) {
		uint64_t page = fp->sorted[i] >> down;

		if (i && fp->sorted[i - 1] >> down == page)
			continue;
		ret = npt_pt_map(g->pt, page << l->leaf,
				 l->data + ((uint64_t)(order ? order[n] : n) << l->leaf),
				 l->leaf, REPLAY_FLAGS);
		if (ret)
			return ret;
		n++;
	}
	g->pages = n;
	return 0;
}

/*
 * Have the host bring in each page that the trace touches, writable, where memory
 * was not populated as a whole.
 */
static void touch_all(struct replay_guest *g, const struct npt_footprint *fp)
{
	struct npt_pt_leaf leaf;
	volatile uint8_t *p;
	size_t i;

	for (i = 0; i < fp->pages; i++) {
		if (npt_pt_query(g->pt, fp->sorted[i] << 12, &leaf))
			continue;
		p = npt_memory_ptr(g->vm, leaf.gpa, 1);
		*p = 0;
	}
}

static int build_tables(struct replay_guest *g, const struct npt_replay_options *opts,
			const struct npt_footprint *fp, const struct layout *l)
{
	struct npt_pt_options pt = {
		.levels = opts->guest_levels, .gpa = l->tables, .size = l->tables_size,
		.random = opts->random, .seed = opts->seed,
	};
	uint32_t *order;
	int ret;

	ret = npt_pt_create(g->vm, &pt, &g->pt);
	if (ret)
		return ret;
	ret = data_order(opts, l->count, &order);
	if (!ret)
		ret = map_all(g, fp, l, order);
	if (!ret && g->data && !(g->data->opts.flags & NPT_MEMORY_POPULATE))
		touch_all(g, fp);
	free(order);
	return ret;
}

static int create_vm(struct npt_device *dev, const struct npt_replay_options *opts,
		     uint32_t mmu, uint32_t page_shift, const struct layout *l,
		     struct replay_guest *g)
{
	struct npt_vm_options vm = {
		.engine = NPT_ENGINE_SOFT, .mmu = mmu, .nested_format = opts->nested_format,
		.nested_levels = opts->nested_levels, .tlb = &opts->tlb,
		.leaf_pages = NPT_PAGE_4K,
	};
	char name[NPT_NAME_LEN];
	struct npt_caps caps;
	uint64_t tables;
	int ret;

	if (page_shift >= 21)
		vm.leaf_pages |= NPT_PAGE_2M;
	if (page_shift >= 30)
		vm.leaf_pages |= NPT_PAGE_1G;
	snprintf(name, sizeof(name), "replay-%s-%s", npt_mmu_name(mmu),
		 npt_page_name(page_shift));
	vm.name = opts->name ? opts->name : name;
	ret = npt_device_caps(dev, &caps);
	if (ret)
		return ret;
	/* the map, shadow tables of up to the same size, and a reverse map */
	tables = 4 * (l->tables_size >> 12) + l->count / 64 + NPT_MIN_TABLE_PAGES;
	if (tables > caps.default_table_pages)
		vm.max_table_pages = tables < caps.max_table_pages ? tables :
								     caps.max_table_pages;
	return npt_vm_create(dev, &vm, &g->vm);
}

static int fill_vm(const struct npt_replay_options *opts, uint32_t page_shift,
		   const struct npt_footprint *fp, const struct layout *l,
		   struct replay_guest *g)
{
	int ret;

	ret = add_memory(g, SLOT_TABLES, l->tables, l->tables_size, page_shift, &g->tables);
	if (!ret && l->count)
		ret = add_memory(g, SLOT_DATA, l->data, l->data_size, page_shift, &g->data);
	if (!ret)
		ret = build_tables(g, opts, fp, l);
	if (!ret)
		ret = npt_vcpu_create(g->vm, 0, &g->vcpu);
	if (ret)
		return ret;
	return npt_vcpu_set_paging(g->vcpu, opts->guest_levels, npt_pt_root(g->pt),
				   NPT_PAGING_WP | (opts->guest_levels > 2 ? NPT_PAGING_NX : 0));
}

int replay_guest_create(struct npt_device *dev, const struct npt_replay_options *opts,
			uint32_t mmu, uint32_t page_shift, const struct npt_footprint *fp,
			struct replay_guest *g)
{
	struct layout l;
	int ret;

	memset(g, 0, sizeof(*g));
	ret = layout_plan(opts, page_shift, fp, &l);
	if (!ret)
		ret = create_vm(dev, opts, mmu, page_shift, &l, g);
	if (!ret)
		ret = fill_vm(opts, page_shift, fp, &l, g);
	if (ret)
		replay_guest_destroy(g);
	return ret;
}

void replay_guest_destroy(struct replay_guest *g)
{
	npt_pt_destroy(g->pt);
	npt_vcpu_destroy(g->vcpu);
	npt_vm_destroy(g->vm);
	memset(g, 0, sizeof(*g));
}
