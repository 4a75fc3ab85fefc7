// SPDX-License-Identifier: GPL-2.0
/* A guest whose memory is all there and all mapped, with 4-level tables. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define TABLES_GPA	(1ULL << 30)
#define DATA_GPA	(4ULL << 30)
#define FLAGS (NPT_PT_WRITE | NPT_PT_USER | NPT_PT_ACCESSED | NPT_PT_DIRTY)

void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, npt_error());
	exit(1);
}

void *must_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("out of memory");
	return p;
}

struct npt_tlb_model tlb_model(bool walk_caches, unsigned int ntlb)
{
	static const unsigned int entries[] = { [2] = 32, [3] = 4, [4] = 2 };
	struct npt_tlb_model m = { .size = sizeof(m) };
	unsigned int level;

	m.tlb[0] = (struct npt_tlb_unit){ .level = 1, .kinds = NPT_TLB_FETCH, .pages = 7,
		.entries = 128, .ways = 8 };
	m.tlb[1] = (struct npt_tlb_unit){ .level = 1, .kinds = NPT_TLB_DATA, .pages = 7,
		.entries = 64, .ways = 4 };
	m.tlb[2] = (struct npt_tlb_unit){ .level = 2, .kinds = NPT_TLB_FETCH | NPT_TLB_DATA,
		.pages = 7, .entries = 2048, .ways = 16 };
	m.ntlb_entries = ntlb;
	for (level = 2; walk_caches && level <= 4; level++)
		m.pwc[level - 2] = (struct npt_pwc_unit){ .dims = NPT_PWC_GUEST,
			.levels = 1 << level, .entries = entries[level] };
	return m;
}

static void add_memory(struct npt_vm *vm, uint32_t slot, uint64_t gpa, uint64_t bytes)
{
	struct npt_memory_options opts = {
		.slot = slot, .pages = NPT_MEMORY_THP, .flags = NPT_MEMORY_POPULATE,
		.gpa = gpa, .size = bytes,
	};
	struct npt_memory *mem;

	if (npt_memory_add(vm, &opts, &mem))
		die("guest memory");
}

static void map_memory(struct guest *g, uint64_t table_bytes)
{
	struct npt_pt_options opts = { .levels = 4, .gpa = TABLES_GPA, .size = table_bytes };

	if (npt_pt_create(g->vm, &opts, &g->pt) ||
	    npt_pt_map_range(g->pt, BENCH_GVA, DATA_GPA, g->bytes, 12, FLAGS))
		die("guest tables");
}

void guest_create(struct npt_device *dev, const struct guest_options *opts, struct guest *g)
{
	struct npt_vm_options vm = {
		.engine = NPT_ENGINE_SOFT, .mmu = opts->mmu, .tlb = opts->tlb,
		.leaf_pages = NPT_PAGE_4K, .nested_levels = 4,
	};
	uint64_t table_bytes = (opts->bytes / (2 << 20) + opts->bytes / (1 << 30) + 8) * 4096;

	/* whole large pages, as the kernel's own map of memory has them */
	table_bytes = (table_bytes + (2 << 20) - 1) & ~((2ULL << 20) - 1);
	memset(g, 0, sizeof(*g));
	g->bytes = opts->bytes;
	g->batch = must_alloc(BATCH, sizeof(*g->batch));
	if (npt_vm_create(dev, &vm, &g->vm))
		die("VM");
	add_memory(g->vm, 0, TABLES_GPA, table_bytes);
	add_memory(g->vm, 1, DATA_GPA, opts->bytes);
	map_memory(g, table_bytes);
	if (npt_vcpu_create(g->vm, 0, &g->vcpu) ||
	    npt_vcpu_set_paging(g->vcpu, 4, npt_pt_root(g->pt), NPT_PAGING_WP | NPT_PAGING_NX))
		die("vCPU");
}

void guest_destroy(struct guest *g)
{
	npt_pt_destroy(g->pt);
	npt_vcpu_destroy(g->vcpu);
	npt_vm_destroy(g->vm);
	free(g->batch);
	memset(g, 0, sizeof(*g));
}
