// SPDX-License-Identifier: GPL-2.0
/*
 * Reverse maps, and guests that make them long: what is done under one hold of
 * the lock and what memory is taken must not depend on what a guest maps how often.
 */
#include "host_env.h"
#include "laws.h"
#include "map_check.h"
#include "test.h"
#include "mmu/internal.h"

/* --- the list alone --------------------------------------------------------------- */

#define ENTRIES 40000

struct list {
	struct npt_mmu *mmu;
	struct npt_cache cache;
	unsigned long head;
	u64 *table;		/* its entries are what is listed */
	bool *in;
	u32 nr, seen;
};

static void see(struct npt_mmu *mmu, u64 *entry, void *arg)
{
	struct list *l = arg;
	u64 i = entry - l->table;

	CHECK(i < ENTRIES && l->in[i], "what is not in the list is seen");
	/* Each is marked once. */
	CHECK(!*entry, "entry %llu is seen twice", (unsigned long long)i);
	*entry = 1;
	l->seen++;
}

static void check_list(struct list *l)
{
	l->seen = 0;
	npt_rmap_each(l->mmu, l->head, see, l);
	CHECK_EQ(l->seen, l->nr, "entries seen");
	CHECK_EQ(npt_rmap_length(l->head), l->nr, "length");
	CHECK_EQ(!npt_rmap_first(l->head), !l->nr, "first of an empty list");
	memset(l->table, 0, ENTRIES * sizeof(u64));
	CHECK_EQ(l->mmu->ctr[NPT_CTR_table_bytes],
		 sizeof(struct npt_desc) * (npt_shim_objects_out - l->cache.nr_descs), "bytes");
}

static void add(struct list *l, u32 i)
{
	while (!l->cache.nr_descs)
		l->cache.descs[l->cache.nr_descs++] = npt_alloc(sizeof(struct npt_desc));
	npt_rmap_add(l->mmu, &l->cache, &l->head, &l->table[i]);
	l->in[i] = true;
	l->nr++;
}

/* Steps to find one entry among that many and to fill the gap: two to each step down. */
#define DEL_STEPS 32

static void del(struct list *l, u32 i)
{
	u64 work = l->mmu->work;

	CHECK(npt_rmap_del(l->mmu, &l->head, &l->table[i]), "entry %u is not found", i);
	CHECK(l->mmu->work - work <= DEL_STEPS, "%llu steps to take one of %u out",
	      (unsigned long long)(l->mmu->work - work), l->nr);
	CHECK(!npt_rmap_del(l->mmu, &l->head, &l->table[i]), "entry %u is found twice", i);
	l->in[i] = false;
	l->nr--;
}

/* Grow to @most and shrink again, in random order. */
static void grow_and_shrink(struct list *l, struct rnd *rnd, u32 most)
{
	bool grow = true;
	u32 i;

	for (;;) {
		i = rnd_below(rnd, ENTRIES);
		if (!l->in[i] && grow)
			add(l, i);
		else if (l->in[i] && (!grow || rnd_one_in(rnd, 4)))
			del(l, i);
		else if (!grow && npt_rmap_first(l->head))
			del(l, npt_rmap_first(l->head) - l->table);
		if (l->nr < 40 || rnd_one_in(rnd, 5000))
			check_list(l);
		if (l->nr >= most)
			grow = false;
		if (!l->nr && !grow)
			return;
	}
}

static void random_list(void)
{
	static const u32 most[] = { 1, 2, 3, 11, 12, 13, 50, 700, 30000 };
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, 40, &rnd) {
		struct list l = { .mmu = calloc(1, sizeof(*l.mmu)) };

		l.table = calloc(ENTRIES, sizeof(u64));
		l.in = calloc(ENTRIES, 1);
		grow_and_shrink(&l, &rnd, most[round % ARRAY_SIZE(most)]);
		CHECK(!l.head, "the empty list is not empty");
		CHECK_EQ(l.mmu->ctr[NPT_CTR_table_bytes], 0, "bytes of an empty list");
		npt_cache_drain(&l.cache);
		CHECK_EQ(npt_shim_objects_out, 0, "objects left");
		free(l.table);
		free(l.in);
		free(l.mmu);
		test_cases++;
	}
}

/* --- a guest that maps little memory often ------------------------------------------- */

#define ROOT	0x1000ull
#define PDPT	0x2000ull
#define PD	0x100000ull
#define TABLES	(16ull << 20)
#define DATA	(32ull << 20)
#define SLOT	(512ull << 20)
#define USER	0x67ull		/* P W U A D */

/* A guest with @tables page tables, whose entries map the same @pages pages in turn. */
struct guest {
	struct env env;
	u32 tables, pages;
};

static void put(struct guest *g, u64 gpa, u64 e)
{
	*(u64 *)env_ptr(&g->env, gpa) = e;
}

static u64 gva_of(u32 table, u32 i)
{
	return (u64)table << 21 | i << 12;
}

static void open_guest(struct guest *g, u32 tables, u32 pages, u32 cap)
{
	struct npt_mmu_config cfg = env_config(NPT_MMU_SHADOW);
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = ROOT, .cr4 = REF_CR4_PAE,
		.efer = REF_EFER_LME | REF_EFER_LMA,
	};
	u32 t, i;

	g->tables = tables;
	g->pages = pages;
	cfg.unsync = true;
	cfg.max_table_pages = cap;
	CHECK(!env_init(&g->env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&g->env, 0, SLOT, NPT_SIZE_4K, false);
	CHECK(!env_add_cpu(&g->env, NULL), "npt_cpu_init() failed");
	put(g, ROOT, PDPT | USER);
	for (t = 0; t < tables; t++) {
		u64 pd = PD + t / 512 * PAGE_SIZE, table = TABLES + t * PAGE_SIZE;

		put(g, PDPT + t / 512 * 8, pd | USER);
		put(g, pd + t % 512 * 8, table | USER);
		for (i = 0; i < 512; i++)
			put(g, table + i * 8, (DATA + (t * 512 + i) % pages * PAGE_SIZE) | USER);
	}
	CHECK(!npt_cpu_set_regs(g->env.cpu[0], &regs), "set_regs");
}

static void touch(struct guest *g, u32 table, u32 i)
{
	struct npt_access_result res;

	CHECK_EQ(env_access(g->env.cpu[0], gva_of(table, i), NPT_OP_READ, false, &res),
		 NPT_STATUS_OK, "status");
	test_cases++;
}

static void touch_all(struct guest *g)
{
	u32 t, i;

	for (t = 0; t < g->tables; t++)
		for (i = 0; i < 512; i++)
			touch(g, t, i);
}

static void close_guest(struct guest *g)
{
	map_check(&g->env);
	laws_check(&g->env);
	env_destroy_clean(&g->env);
}

/* What the longest hold of the lock so far did. */
static u64 longest, hold_began;

static void on_lock(const npt_lock_t *l, bool held)
{
	const struct npt_mmu *mmu = container_of(l, struct npt_mmu, lock);

	if (held)
		hold_began = npt_work(mmu);
	else
		longest = max(longest, npt_work(mmu) - hold_began);
}

static void watch_holds(void)
{
	longest = 0;
	npt_shim_on_write_lock = on_lock;
}

/*
 * Work under one hold: at the most a list is too long, and all of it goes: a leaf, and
 * the steps down to what takes its place.
 */
#define HOLD_MOST (8 * NPT_RMAP_MAX)

/* One page from every entry: recycling, and each fault, does as much as ever. */
static void one_page(void)
{
	static struct guest g;

	open_guest(&g, 400, 1, 600);
	watch_holds();
	touch_all(&g);
	CHECK(g.env.mmu.ctr[NPT_CTR_mmu_recycled], "nothing was recycled");
	CHECK(longest <= HOLD_MOST, "%llu steps under the lock", (unsigned long long)longest);
	/* A list has an end, and the page goes at once where the host wants it back. */
	CHECK(g.env.mmu.ctr[NPT_CTR_shadow_leaves] <= NPT_RMAP_MAX, "%llu leaves map one page",
	      (unsigned long long)g.env.mmu.ctr[NPT_CTR_shadow_leaves]);
	longest = 0;
	env_zap(&g.env, DATA, 1);
	CHECK(longest <= HOLD_MOST, "%llu steps to zap a page",
	      (unsigned long long)longest);
	CHECK_EQ(g.env.mmu.ctr[NPT_CTR_shadow_leaves], 0, "leaves of a page that is gone");
	touch(&g, 0, 0);
	close_guest(&g);
}

/* A table that every directory entry leads to: it has as many parents. */
static void one_table(void)
{
	static struct guest g;
	u32 t, i;

	open_guest(&g, 1, 512, 600);
	g.tables = 70 * 512;
	for (t = 0; t < 70; t++) {
		put(&g, PDPT + t * 8, (PD + t * PAGE_SIZE) | USER);
		for (i = 0; i < 512; i++)
			put(&g, PD + t * PAGE_SIZE + i * 8, TABLES | USER);
	}
	watch_holds();
	for (t = 0; t < g.tables; t++)
		touch(&g, t, t % 512);
	CHECK(longest <= HOLD_MOST, "%llu steps under the lock", (unsigned long long)longest);
	longest = 0;
	env_zap(&g.env, TABLES, 1);
	CHECK(longest <= HOLD_MOST, "%llu steps to zap a table",
	      (unsigned long long)longest);
	touch(&g, 0, 0);
	close_guest(&g);
}

/*
 * Each page mapped twice takes descriptors as well: all memory of tables stays
 * below the cap, but for what the vCPU has set aside.
 */
static void below_the_cap(void)
{
	const size_t cap = 512, aside = 40 * PAGE_SIZE;
	static struct guest g;
	size_t bytes, most = 0, before;
	u32 t, i;

	open_guest(&g, 200, 200 * 256, cap);
	before = npt_shim_objects_out;
	for (i = 0; i < 512; i++) {
		for (t = 0; t < g.tables; t += 4) {
			touch(&g, t + i % 4, i);
			bytes = npt_shim_pages_out * PAGE_SIZE +
				(npt_shim_objects_out - before) * sizeof(struct npt_desc);
			most = max(most, bytes);
		}
	}
	CHECK(most <= cap * PAGE_SIZE + aside, "%zu KiB of tables, the cap is %zu KiB",
	      most >> 10, cap * PAGE_SIZE >> 10);
	CHECK(most > cap / 2 * PAGE_SIZE, "%zu KiB of tables: the cap was not reached", most >> 10);
	close_guest(&g);
}

/* A slice, and what was begun when it was full: a table, or a page as often as it is mapped. */
#define SLICE_MOST (NPT_WORK_SLICE + 16 * 512)

/* What may take its time lets go of the lock: memory of many pages, tables and leaves goes. */
static void slices(void)
{
	static struct guest g;

	open_guest(&g, 200, 4000, 4096);
	touch_all(&g);
	watch_holds();
	npt_mmu_zap_slowly(&g.env.mmu, 0, SLOT >> 12, NPT_ZAP_SLOT, NPT_FL_SLOT);
	CHECK(longest <= SLICE_MOST, "%llu steps under the lock", (unsigned long long)longest);
	CHECK_EQ(g.env.mmu.ctr[NPT_CTR_shadow_leaves], 0, "leaves left");
	CHECK_EQ(g.env.mmu.ctr[NPT_CTR_pages_4k], 0, "pages left");
	touch_all(&g);
	longest = 0;
	npt_mmu_set_maxphyaddr(&g.env.mmu, 40);
	CHECK(longest <= SLICE_MOST, "%llu steps under the lock", (unsigned long long)longest);
	CHECK_EQ(g.env.mmu.ctr[NPT_CTR_shadow_leaves], 0, "leaves left");
	close_guest(&g);
}

/* Write-protecting stops as well, and says where. */
static void protect_in_slices(void)
{
	static struct guest g;
	struct npt_mmu *mmu = &g.env.mmu;
	u64 gfn = 0, calls = 0;

	open_guest(&g, 200, 4000, 4096);
	touch_all(&g);
	watch_holds();
	longest = 0;
	while (gfn < SLOT >> 12) {
		npt_write_lock(&mmu->lock);
		gfn = npt_mmu_wrprot(mmu, gfn, SLOT >> 12, npt_work_slice(mmu));
		npt_mmu_wrprot_end(mmu);
		npt_write_unlock(&mmu->lock);
		calls++;
	}
	CHECK(calls > 1, "one hold for everything");
	CHECK(longest <= SLICE_MOST, "%llu steps under the lock", (unsigned long long)longest);
	for (gfn = 0; gfn < SLOT >> 12; gfn++)
		CHECK(!map_lookup(&g.env, gfn << 12).present || !map_lookup(&g.env, gfn << 12).w,
		      "gfn %#llx is writable", (unsigned long long)gfn);
	close_guest(&g);
}

/* With nested tables a full cap costs a part of them, not all. */
static void recycle_map(void)
{
	struct npt_mmu_config cfg = env_config(NPT_MMU_NESTED);
	struct npt_access_result res;
	struct env env;
	u64 gpa;

	cfg.max_table_pages = 600;
	CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&env, 0, 2ull << 30, NPT_SIZE_4K, false);
	CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
	watch_holds();
	for (gpa = 0; gpa < 2ull << 30; gpa += 4096) {
		CHECK_EQ(env_access(env.cpu[0], gpa, NPT_OP_READ, false, &res), NPT_STATUS_OK,
			 "status");
		test_cases++;
	}
	CHECK(env.mmu.ctr[NPT_CTR_mmu_recycled], "nothing was recycled");
	CHECK(longest <= (NPT_MIN_TABLE_PAGES + 5) * (512 + NPT_WORK_TABLE),
	      "%llu steps under the lock", (unsigned long long)longest);
	map_check(&env);
	laws_check(&env);
	env_destroy_clean(&env);
}

static const struct test tests[] = {
	{ "rmap.random_list", random_list },
	{ "rmap.one_page", one_page },
	{ "rmap.one_table", one_table },
	{ "rmap.below_the_cap", below_the_cap },
	{ "rmap.slices", slices },
	{ "rmap.protect_in_slices", protect_in_slices },
	{ "rmap.recycle_map", recycle_map },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
