// SPDX-License-Identifier: GPL-2.0
/*
 * The guest page-table builder, read back by a walker that knows nothing of it,
 * and by the core.
 */
#include <errno.h>
#include <string.h>

#include "libnpt.h"
#include "test.h"

#define TABLES		0x200000ULL
#define TABLES_SIZE	0x400000ULL
#define DATA		0x40000000ULL
#define DATA_SIZE	0x40000000ULL

#define ALL_FLAGS (NPT_PT_WRITE | NPT_PT_USER | NPT_PT_ACCESSED | NPT_PT_DIRTY)

struct world {
	struct npt_device *dev;
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;
	struct npt_pt *pt;
	unsigned int levels;
};

static void world_open(struct world *w, unsigned int levels, bool random, uint64_t seed)
{
	struct npt_memory_options tables = {
		.slot = 0, .gpa = TABLES, .size = TABLES_SIZE,
	};
	struct npt_memory_options data = {
		.slot = 1, .gpa = DATA, .size = DATA_SIZE, .pages = NPT_MEMORY_HUGETLB_1G,
	};
	struct npt_pt_options pt = {
		.levels = levels, .gpa = TABLES, .size = TABLES_SIZE, .random = random,
		.seed = seed,
	};

	w->levels = levels;
	CHECK(!npt_device_open_inproc(&w->dev), "device: %s", npt_error());
	CHECK(!npt_vm_create(w->dev, NULL, &w->vm), "VM: %s", npt_error());
	CHECK(!npt_memory_add(w->vm, &tables, NULL), "tables: %s", npt_error());
	CHECK(!npt_memory_add(w->vm, &data, NULL), "data: %s", npt_error());
	CHECK(!npt_pt_create(w->vm, &pt, &w->pt), "page tables: %s", npt_error());
	CHECK(!npt_vcpu_create(w->vm, 0, &w->vcpu), "vCPU: %s", npt_error());
	CHECK(!npt_vcpu_set_paging(w->vcpu, levels, npt_pt_root(w->pt), NPT_PAGING_WP |
				   (levels > 2 ? NPT_PAGING_NX : 0)),
	      "paging: %s", npt_error());
}

static void world_close(struct world *w)
{
	npt_vcpu_destroy(w->vcpu);
	npt_pt_destroy(w->pt);
	npt_vm_destroy(w->vm);
	npt_device_close(w->dev);
}

static uint64_t read_entry(struct world *w, uint64_t gpa)
{
	uint64_t wide = 0;
	uint32_t narrow;

	if (w->levels == 2) {
		memcpy(&narrow, npt_memory_ptr(w->vm, gpa, 4), 4);
		return narrow;
	}
	memcpy(&wide, npt_memory_ptr(w->vm, gpa, 8), 8);
	return wide;
}

/* A walk by the book, written apart from builder and core. False: not mapped. */
static bool naive_walk(struct world *w, uint64_t gva, uint64_t *gpa, unsigned int *shift)
{
	static const unsigned int narrow[] = { 0, 12, 22 };
	static const unsigned int wide[] = { 0, 12, 21, 30, 39, 48 };
	const unsigned int *shifts = w->levels == 2 ? narrow : wide;
	unsigned int entries = w->levels == 2 ? 1024 : 512;
	uint64_t table = npt_pt_root(w->pt), entry = 0;
	unsigned int l;

	for (l = w->levels; l; l--) {
		unsigned int n = w->levels == 3 && l == 3 ? 4 : entries;

		entry = read_entry(w, table + (gva >> shifts[l]) % n * (w->levels == 2 ? 4 : 8));
		if (!(entry & 1))
			return false;
		if (l == 1 || (entry & 0x80))
			break;
		table = entry & 0xffffffffff000;
	}
	*shift = shifts[l];
	*gpa = (entry & 0xffffffffff000 & ~((1ULL << *shift) - 1)) | (gva & ((1ULL << *shift) - 1));
	if (*shift == 22)
		*gpa = (*gpa & 0xffffffff) | (entry >> 13 & 0xff) << 32;
	return true;
}

static const struct {
	unsigned int levels, shift, bits;
} formats[] = {
	{ 2, 12, 32 }, { 2, 22, 32 }, { 3, 12, 32 }, { 3, 21, 32 },
	{ 4, 12, 48 }, { 4, 21, 48 }, { 4, 30, 48 }, { 5, 12, 57 }, { 5, 21, 57 }, { 5, 30, 57 },
};

#define NR_FORMATS (sizeof(formats) / sizeof(formats[0]))

static uint64_t random_gva(struct rnd *rnd, unsigned int bits, unsigned int shift)
{
	uint64_t gva = rnd64(rnd) >> shift << shift;

	if (bits == 32)
		return gva & 0xffffffff;
	return (uint64_t)((int64_t)(gva << (64 - bits)) >> (64 - bits));
}

/* One page: builder, naive walker and core say the same of it. */
static void check_page(struct world *w, uint64_t gva, uint64_t target, unsigned int shift)
{
	struct npt_access_result res;
	struct npt_pt_leaf leaf;
	unsigned int size;
	uint64_t gpa;

	CHECK(naive_walk(w, gva, &gpa, &size), "the walker finds nothing at %#llx",
	      (unsigned long long)gva);
	CHECK_EQ(gpa, target, "gpa by the walker");
	CHECK_EQ(size, shift, "page size by the walker");
	CHECK(!npt_pt_query(w->pt, gva, &leaf), "query: %s", npt_error());
	CHECK_EQ(leaf.gpa, target, "gpa by query");
	CHECK_EQ(leaf.shift, shift, "page size by query");
	CHECK_EQ(leaf.entry, read_entry(w, leaf.entry_gpa), "entry by query");
	CHECK(!npt_vcpu_access(w->vcpu, gva, NPT_OP_READ, NPT_ACCESS_USER, &res), "access: %s",
	      npt_error());
	CHECK_EQ(res.status, NPT_STATUS_OK, "status by the core");
	CHECK_EQ(res.gpa, target, "gpa by the core");
}

static void random_maps(unsigned int f, unsigned int n, struct rnd *rnd)
{
	unsigned int shift = formats[f].shift, i;
	struct world w;

	world_open(&w, formats[f].levels, rnd64(rnd) & 1, rnd64(rnd));
	for (i = 0; i < n; i++) {
		uint64_t gva = random_gva(rnd, formats[f].bits, shift);
		uint64_t gpa = DATA + (rnd64(rnd) % DATA_SIZE >> shift << shift);
		uint64_t offset = rnd64(rnd) % (1ULL << shift);

		CHECK(!npt_pt_map(w.pt, gva, gpa, shift, ALL_FLAGS), "map: %s", npt_error());
		/* a page mapped anew must not be remembered by the core */
		npt_vcpu_flush(w.vcpu, NPT_FLUSH_ALL, 0, 0);
		check_page(&w, gva + offset, gpa + offset, shift);
		test_cases++;
	}
	world_close(&w);
}

static void test_random(void)
{
	unsigned long round;
	struct rnd rnd;
	unsigned int f;

	for_each_round(round, 20, &rnd)
		for (f = 0; f < NR_FORMATS; f++)
			random_maps(f, 60, &rnd);
}

/* Every bit of entries, computed by hand. */
static void test_bits(void)
{
	struct npt_pt_leaf leaf;
	struct world w;

	world_open(&w, 4, false, 0);
	CHECK_EQ(npt_pt_root(w.pt), TABLES, "root");
	CHECK(!npt_pt_map(w.pt, 0x7fffffe05000, DATA + 0x3000, 12, ALL_FLAGS), "map: %s",
	      npt_error());
	CHECK_EQ(read_entry(&w, TABLES + 255 * 8), 0x201027, "PML4E 255");
	CHECK_EQ(read_entry(&w, 0x201000 + 511 * 8), 0x202027, "PDPTE 511");
	CHECK_EQ(read_entry(&w, 0x202000 + 511 * 8), 0x203027, "PDE 511");
	CHECK_EQ(read_entry(&w, 0x203000 + 5 * 8), 0x40003067, "PTE 5");
	CHECK_EQ(npt_pt_tables(w.pt), 4, "tables");
	CHECK_EQ(npt_pt_bytes(w.pt), 16384, "bytes of tables");
	CHECK_EQ(npt_pt_mapped(w.pt), 4096, "bytes mapped");
	CHECK(!npt_pt_protect(w.pt, 0x7fffffe05fff, NPT_PT_NX | NPT_PT_GLOBAL | NPT_PT_PKEY(9)),
	      "protect: %s", npt_error());
	CHECK_EQ(read_entry(&w, 0x203000 + 5 * 8), 0xc800000040003101, "PTE 5, protected");
	CHECK(!npt_pt_query(w.pt, 0x7fffffe05abc, &leaf), "query: %s", npt_error());
	CHECK_EQ(leaf.flags, NPT_PT_NX | NPT_PT_GLOBAL | NPT_PT_PKEY(9), "flags by query");
	CHECK_EQ(leaf.gpa, DATA + 0x3abc, "gpa by query");
	CHECK(!npt_pt_map(w.pt, 0xffff800000000000, DATA, 30, NPT_PT_WRITE), "map: %s",
	      npt_error());
	CHECK_EQ(read_entry(&w, TABLES + 256 * 8), 0x204007, "PML4E 256, not accessed");
	CHECK_EQ(read_entry(&w, 0x204000), 0x40000083, "PDPTE of 1 GiB");
	world_close(&w);
}

static void test_bits_32(void)
{
	struct world w;

	world_open(&w, 2, false, 0);
	CHECK(!npt_pt_map(w.pt, 0xffc00000, 0x1234c00000, 22, ALL_FLAGS), "map: %s", npt_error());
	CHECK_EQ(read_entry(&w, TABLES + 1023 * 4), 0x34c00000 | 0x12 << 13 | 0xe7, "PSE-36");
	CHECK(!npt_pt_map(w.pt, 0x00401000, DATA, 12, NPT_PT_ACCESSED), "map: %s", npt_error());
	CHECK_EQ(read_entry(&w, TABLES + 4), 0x201027, "PDE 1");
	CHECK_EQ(read_entry(&w, 0x201000 + 4), 0x40000021, "PTE 1");
	world_close(&w);
}

static void test_bits_pae(void)
{
	struct world w;

	world_open(&w, 3, false, 0);
	CHECK(!npt_pt_map(w.pt, 0xc0200000, DATA, 21, ALL_FLAGS | NPT_PT_NX), "map: %s",
	      npt_error());
	/* rights, A and D are reserved in the four entries of the root */
	CHECK_EQ(read_entry(&w, TABLES + 3 * 8), 0x201001, "PDPTE 3");
	CHECK_EQ(read_entry(&w, 0x201000 + 8), 0x80000000400000e7, "PDE 1");
	world_close(&w);
}

/* The error is the one expected, and its text is there. */
#define FAILS(call, err) do {						\
	int __r = (call), __e = (err);					\
	CHECK(__r == __e, "%s: got %d (%s), expected %d", #call, __r, npt_error(), __e); \
	CHECK(*npt_error(), "%s: no text", #call);			\
	test_cases++;							\
} while (0)

static void test_errors(void)
{
	struct npt_pt_leaf leaf;
	struct world w;

	world_open(&w, 4, false, 0);
	FAILS(npt_pt_map(w.pt, 0x1001, DATA, 12, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA + 1, 12, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x201000, DATA, 21, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 13, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 22, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 39, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x800000000000, DATA, 12, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, 1ULL << 52, 12, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 12, 1U << 31), -EINVAL);
	FAILS(npt_pt_unmap(w.pt, 0x1000), -ENOENT);
	FAILS(npt_pt_protect(w.pt, 0x1000, 0), -ENOENT);
	FAILS(npt_pt_query(w.pt, 0x1000, &leaf), -ENOENT);
	FAILS(npt_pt_query(w.pt, 0x800000000000, &leaf), -ENOENT);
	CHECK_EQ(npt_pt_tables(w.pt), 1, "tables after failures");
	CHECK(!npt_pt_map(w.pt, 0x200000, DATA, 21, 0), "map: %s", npt_error());
	FAILS(npt_pt_map(w.pt, 0x201000, DATA, 12, 0), -EEXIST);
	CHECK(!npt_pt_map(w.pt, 0x1000, DATA, 12, 0), "map: %s", npt_error());
	FAILS(npt_pt_map(w.pt, 0, DATA, 21, 0), -EEXIST);
	world_close(&w);

	world_open(&w, 2, false, 0);
	FAILS(npt_pt_map(w.pt, 0x100000000, DATA, 12, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, 1ULL << 32, 12, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x400000, 1ULL << 40, 22, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x200000, DATA, 21, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 12, NPT_PT_NX), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 12, NPT_PT_PKEY(1)), -EINVAL);
	world_close(&w);

	world_open(&w, 3, false, 0);
	FAILS(npt_pt_map(w.pt, 0x40000000, DATA, 30, 0), -EINVAL);
	FAILS(npt_pt_map(w.pt, 0x1000, DATA, 12, NPT_PT_PKEY(1)), -EINVAL);
	world_close(&w);
}

static void test_create_errors(void)
{
	struct npt_pt_options o = { .levels = 4, .gpa = TABLES, .size = 4096 };
	struct npt_pt *pt;
	struct world w;

	world_open(&w, 4, false, 0);
	o.levels = 1;
	FAILS(npt_pt_create(w.vm, &o, &pt), -EINVAL);
	o.levels = 6;
	FAILS(npt_pt_create(w.vm, &o, &pt), -EINVAL);
	o.levels = 4;
	o.gpa = TABLES + 1;
	FAILS(npt_pt_create(w.vm, &o, &pt), -EINVAL);
	o.gpa = TABLES + TABLES_SIZE;
	FAILS(npt_pt_create(w.vm, &o, &pt), -EINVAL);
	o.gpa = TABLES;
	o.size = TABLES_SIZE + 4096;
	FAILS(npt_pt_create(w.vm, &o, &pt), -EINVAL);
	o.size = 0;
	FAILS(npt_pt_create(w.vm, &o, &pt), -EINVAL);
	o.size = 3 * 4096;
	CHECK(!npt_pt_create(w.vm, &o, &pt), "three pages: %s", npt_error());
	FAILS(npt_pt_map(pt, 0x1000, DATA, 12, 0), -ENOSPC);
	CHECK(!npt_pt_map(pt, 0x200000, DATA, 21, 0), "two levels still fit: %s", npt_error());
	npt_pt_destroy(pt);
	world_close(&w);
}

static void test_unmap(void)
{
	unsigned int shift;
	struct world w;
	uint64_t gpa;

	world_open(&w, 4, false, 0);
	CHECK(!npt_pt_map_range(w.pt, 0x400000, DATA, 8 * 4096, 12, ALL_FLAGS), "map: %s",
	      npt_error());
	CHECK_EQ(npt_pt_mapped(w.pt), 8 * 4096, "bytes mapped");
	CHECK(!npt_pt_map(w.pt, 0x400000, DATA + 0x9000, 12, 0), "map anew: %s", npt_error());
	CHECK_EQ(npt_pt_mapped(w.pt), 8 * 4096, "bytes mapped after mapping anew");
	CHECK(!npt_pt_unmap(w.pt, 0x401fff), "unmap: %s", npt_error());
	CHECK_EQ(npt_pt_mapped(w.pt), 7 * 4096, "bytes mapped after unmapping");
	CHECK(!naive_walk(&w, 0x401000, &gpa, &shift), "still mapped");
	CHECK(naive_walk(&w, 0x402000, &gpa, &shift), "the neighbour is gone");
	/* an emptied table makes room for a large page, and its memory is used again */
	for (gpa = 0; gpa < 8; gpa++)
		npt_pt_unmap(w.pt, 0x400000 + gpa * 4096);
	CHECK_EQ(npt_pt_mapped(w.pt), 0, "bytes mapped in the end");
	CHECK_EQ(npt_pt_tables(w.pt), 4, "tables before");
	CHECK(!npt_pt_map(w.pt, 0x400000, DATA, 21, ALL_FLAGS), "large page: %s", npt_error());
	CHECK_EQ(npt_pt_tables(w.pt), 3, "tables after");
	check_page(&w, 0x412345, DATA + 0x12345, 21);
	CHECK(!npt_pt_map(w.pt, 0x600000, DATA, 12, ALL_FLAGS), "small page: %s", npt_error());
	CHECK_EQ(npt_pt_tables(w.pt), 4, "tables in the end");
	check_page(&w, 0x600fff, DATA + 0xfff, 12);
	world_close(&w);
}

/* Where the table of @gva's page lies. */
static uint64_t table_of(struct world *w, uint64_t gva)
{
	struct npt_pt_leaf leaf;

	CHECK(!npt_pt_map(w->pt, gva, DATA, 12, ALL_FLAGS), "map: %s", npt_error());
	CHECK(!npt_pt_query(w->pt, gva, &leaf), "query: %s", npt_error());
	return leaf.entry_gpa & ~0xfffULL;
}

static void test_placement(void)
{
	uint64_t a[3][32];
	unsigned int i, k, moved = 0, different = 0;
	struct world w;

	for (k = 0; k < 3; k++) {
		world_open(&w, 4, true, k == 2 ? 8 : 7);
		for (i = 0; i < 32; i++)
			a[k][i] = table_of(&w, (uint64_t)i << 21);
		world_close(&w);
	}
	for (i = 0; i < 32; i++) {
		CHECK_EQ(a[1][i], a[0][i], "the same seed");
		different += a[2][i] != a[0][i];
		moved += i && a[0][i] != a[0][i - 1] + 4096;
	}
	CHECK(different > 24, "another seed moved %u of 32 tables only", different);
	CHECK(moved > 24, "random places: %u of 32 tables only", moved);
	world_open(&w, 4, false, 0);
	for (i = 0; i < 32; i++)
		CHECK_EQ(table_of(&w, (uint64_t)i << 21), TABLES + (3 + i) * 4096, "compact");
	world_close(&w);
}

/* A change written by a vCPU reaches shadow tables; one written behind its back does not. */
static void test_writer(void)
{
	struct npt_vm_options vm = { .mmu = NPT_MMU_SHADOW };
	struct npt_memory_options mem = { .gpa = TABLES, .size = TABLES_SIZE };
	struct npt_pt_options o = { .levels = 4, .gpa = TABLES, .size = 0x10000 };
	struct npt_access_result res;
	struct npt_device *dev;
	struct npt_vcpu *vcpu;
	struct npt_vm *v;
	struct npt_pt *pt;

	CHECK(!npt_device_open_inproc(&dev), "device: %s", npt_error());
	CHECK(!npt_vm_create(dev, &vm, &v), "VM: %s", npt_error());
	CHECK(!npt_memory_add(v, &mem, NULL), "memory: %s", npt_error());
	CHECK(!npt_vcpu_create(v, 0, &vcpu), "vCPU: %s", npt_error());
	o.writer = vcpu;
	CHECK(!npt_pt_create(v, &o, &pt), "page tables: %s", npt_error());
	CHECK(!npt_pt_map(pt, 0x1000, TABLES + 0x20000, 12, ALL_FLAGS), "map: %s", npt_error());
	CHECK(!npt_vcpu_set_paging(vcpu, 4, npt_pt_root(pt), NPT_PAGING_WP), "paging: %s",
	      npt_error());
	npt_vcpu_access(vcpu, 0x1000, NPT_OP_WRITE, NPT_ACCESS_USER, &res);
	CHECK_EQ(res.status, NPT_STATUS_OK, "write");
	CHECK_EQ(res.gpa, TABLES + 0x20000, "gpa");
	CHECK(!npt_pt_map(pt, 0x1000, TABLES + 0x30000, 12, ALL_FLAGS), "map: %s", npt_error());
	npt_vcpu_flush(vcpu, NPT_FLUSH_ADDRESS, 0, 0x1000);
	npt_vcpu_access(vcpu, 0x1000, NPT_OP_WRITE, NPT_ACCESS_USER, &res);
	CHECK_EQ(res.status, NPT_STATUS_OK, "write after the change");
	CHECK_EQ(res.gpa, TABLES + 0x30000, "gpa after the change");
	npt_vcpu_destroy(vcpu);
	npt_pt_destroy(pt);
	npt_vm_destroy(v);
	npt_device_close(dev);
}

static const struct test tests[] = {
	{ "random pages of all formats: builder, walker and core agree", test_random },
	{ "4 levels: entries to the bit", test_bits },
	{ "32-bit: entries to the bit", test_bits_32 },
	{ "PAE: entries to the bit", test_bits_pae },
	{ "what can't be mapped is refused", test_errors },
	{ "tables that can't be made are refused", test_create_errors },
	{ "unmapping, mapping anew, emptied tables", test_unmap },
	{ "places: compact, random, repeatable", test_placement },
	{ "a change written by the guest reaches shadow tables", test_writer },
};

int main(void)
{
	return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
