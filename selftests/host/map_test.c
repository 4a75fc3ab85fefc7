// SPDX-License-Identifier: GPL-2.0
/*
 * The map of guest memory (in nested mode: the nested tables) under a host that
 * keeps changing its mind: every leaf, decoded from memory, leads to what the
 * host says, with no right too many, and after a zap nothing of it is left.
 */
#include "host_env.h"
#include "laws.h"
#include "map_check.h"
#include "processor.h"
#include "test.h"

#define BIG_GPA (4ull << 30)

/* Present leaves in [gpa, gpa + n pages). */
static unsigned int mapped(struct env *env, u64 gpa, u64 n)
{
	unsigned int count = 0;

	for (u64 i = 0; i < n; i++)
		count += map_lookup(env, gpa + i * PAGE_SIZE).present;
	return count;
}

static struct npt_mmu_config random_config(struct rnd *r)
{
	struct npt_mmu_config cfg = env_config(1 + rnd_below(r, 3));

	cfg.nested_format = rnd_bool(r) ? NPT_NESTED_NPT : NPT_NESTED_EPT;
	cfg.nested_levels = 4 + rnd_below(r, 2);
	cfg.leaf_pages = NPT_PAGE_4K | rnd_below(r, 4) << 1;
	cfg.max_table_pages = rnd_bool(r) ? NPT_MIN_TABLE_PAGES : 512;
	cfg.prefetch = rnd_bool(r) ? 0 : 8;
	return cfg;
}

static u64 random_gpa(struct env *env, struct rnd *r)
{
	u64 top = 1ull << env->mmu.gpa_bits;

	switch (rnd_below(r, 8)) {
	case 0:
		return top - 1 - rnd_below(r, 64) * PAGE_SIZE;
	case 1:
		return BIG_GPA + (rnd64(r) & 0x3fffffff);
	case 2:
		return (8 << 20) + rnd_below(r, 1 << 20);	/* nothing there */
	case 3:
		return (12 << 20) + rnd_below(r, 16) * PAGE_SIZE;
	default:
		return rnd_below(r, 6 << 20);
	}
}

/* A physical access and what must come of it, data included. */
static void touch(struct env *env, struct rnd *r)
{
	u64 gpa = random_gpa(env, r) & ~7ull, value = rnd64(r), was = 0;
	unsigned int op = rnd_below(r, 2), want = env_status(env, gpa, op == NPT_OP_WRITE);
	struct npt_access_result res;
	struct map_leaf leaf;

	if (want == NPT_STATUS_OK)
		memcpy(&was, env_ptr(env, gpa), 8);
	env_data(env->cpu[0], gpa, op, NPT_ACCESS_PHYS, &value, 8, &res);
	test_cases++;
	CHECK_EQ(res.status, want, "status");
	CHECK_EQ(res.gpa, gpa, "gpa");
	if (want != NPT_STATUS_OK)
		return;
	if (op == NPT_OP_READ)
		CHECK_EQ(value, was, "data read");
	CHECK_EQ(*(u64 *)env_ptr(env, gpa), value, "data in memory");
	leaf = map_lookup(env, gpa);
	/* a chaotic host may have taken it already */
	CHECK(leaf.present || env->chaos, "gpa %#llx isn't mapped after an access", gpa);
	if (!leaf.present)
		return;
	CHECK_EQ(leaf.hpa, npt_ptr_hpa(env_ptr(env, gpa)), "hpa");
	CHECK(op == NPT_OP_READ || env_dirty(env, gpa), "gpa %#llx written but not marked", gpa);
	CHECK(op == NPT_OP_READ || leaf.w, "gpa %#llx isn't writable after a write", gpa);
	npt_read_lock(&env->mmu.lock);
	CHECK_EQ(npt_mmu_hpa(&env->mmu, gpa) & ~0xfffull, leaf.hpa & ~0xfffull, "npt_mmu_hpa()");
	npt_read_unlock(&env->mmu.lock);
}

static void zap_range(struct env *env, struct rnd *r)
{
	u64 start = (random_gpa(env, r) & ~0xfffull) >> 12, n = 1 + rnd_below(r, 1500);
	u64 top = 1ull << (env->mmu.gpa_bits - 12);
	unsigned int before;
	bool any;

	if (n > top - start)
		n = top - start;
	before = mapped(env, start << 12, n);
	npt_write_lock(&env->mmu.lock);
	env->seq++;
	any = npt_mmu_zap(&env->mmu, start, start + n, NPT_ZAP_NOTIFIER, NPT_FL_NOTIFIER);
	npt_write_unlock(&env->mmu.lock);
	CHECK(any || !before, "npt_mmu_zap() found nothing, %u pages were mapped", before);
	CHECK_EQ(mapped(env, start << 12, n), 0, "pages mapped after a zap");
}

static void protect_range(struct env *env, struct rnd *r)
{
	struct env_slot *s = &env->slot[rnd_below(r, 2)];

	if (!s->npages || s->readonly || s->npages > 4096)
		return;
	env_clear_dirty(env, s);
	for (u64 i = 0; i < s->npages; i++) {
		struct map_leaf leaf = map_lookup(env, (s->gfn + i) << 12);

		CHECK(!leaf.present || !leaf.w, "gfn %#llx is writable after npt_mmu_wrprot()",
		      s->gfn + i);
		CHECK(!leaf.present || !leaf.size,
		      "gfn %#llx in a large page after npt_mmu_wrprot()", s->gfn + i);
	}
}

static void age_page(struct env *env, struct rnd *r)
{
	u64 gpa = random_gpa(env, r) & ~0xfffull, gfn = gpa >> 12, v;
	struct npt_access_result res;

	if (env_status(env, gpa, false) || env->mmu.cfg.mode != NPT_MMU_NESTED || env->chaos)
		return;
	npt_write_lock(&env->mmu.lock);
	npt_mmu_age(&env->mmu, gfn, gfn + 1, true);
	CHECK(!npt_mmu_age(&env->mmu, gfn, gfn + 1, false), "gpa %#llx is young after clearing",
	      gpa);
	npt_write_unlock(&env->mmu.lock);
	/* paging is off on this vCPU: a walk of the nested tables marks it */
	if (gpa >> 32)
		return;
	v = env_access(env->cpu[0], gpa, NPT_OP_READ, false, &res);
	CHECK_EQ(v, NPT_STATUS_OK, "status");
	npt_write_lock(&env->mmu.lock);
	CHECK(npt_mmu_age(&env->mmu, gfn, gfn + 1, true), "gpa %#llx is old after an access", gpa);
	CHECK(!npt_mmu_age(&env->mmu, gfn, gfn + 1, true), "gpa %#llx is young again", gpa);
	npt_write_unlock(&env->mmu.lock);
}

static void host_event(struct env *env, struct rnd *r)
{
	u64 gpa = random_gpa(env, r);
	struct env_slot *s = env_slot_of(env, gpa);

	switch (rnd_below(r, 5)) {
	case 0:
		env_move(env, gpa);
		break;
	case 1:
		if (s && !s->readonly)
			env_set_flag(env, gpa, ENV_COW, rnd_bool(r));
		break;
	case 2:
		if (s)
			env_set_flag(env, gpa, ENV_BAD, rnd_one_in(r, 3));
		break;
	case 3:
		if (s)
			env_set_size(env, s, rnd_below(r, 3));
		break;
	default:
		s = &env->slot[1];
		if (s->npages)
			env_hide_slot(env, s);
		else
			env_show_slot(env, s, (4 << 20) >> 12, 1 + rnd_below(r, 512));
	}
}

static void random_host(void)
{
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, 400, &rnd) {
		struct npt_mmu_config cfg = random_config(&rnd);
		struct env env;

		CHECK(!env_init(&env, &cfg, &rnd), "npt_mmu_init() failed");
		env_add_slot(&env, 0, 4 << 20, NPT_SIZE_2M, false);
		env_add_slot(&env, 4 << 20, 2 << 20, NPT_SIZE_2M, false);
		env_add_slot(&env, 12 << 20, 16 * PAGE_SIZE, NPT_SIZE_4K, true);
		env_add_slot(&env, (1ull << env.mmu.gpa_bits) - (1 << 20), 1 << 20, NPT_SIZE_4K,
			     false);
		if (rnd_bool(&rnd))
			env_add_slot(&env, BIG_GPA, 1 << 30, NPT_SIZE_1G, false);
		env.chaos = rnd_one_in(&rnd, 3) ? 6 : 0;
		env.shy = rnd_one_in(&rnd, 3);
		CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
		snprintf(test_context, sizeof(test_context), "mode %u %s/%u pages %#x cap %u",
			 cfg.mode, cfg.nested_format == NPT_NESTED_EPT ? "ept" : "npt",
			 cfg.nested_levels, cfg.leaf_pages, cfg.max_table_pages);
		for (int i = 0; i < 400; i++) {
			switch (rnd_below(&rnd, 24)) {
			case 0:
				zap_range(&env, &rnd);
				break;
			case 1:
				protect_range(&env, &rnd);
				break;
			case 2:
				age_page(&env, &rnd);
				break;
			case 3:
			case 4:
				host_event(&env, &rnd);
				break;
			default:
				touch(&env, &rnd);
			}
			if (i % 40 == 0)
				map_check(&env);
		}
		map_check(&env);
		laws_check(&env);
		env_destroy_clean(&env);
	}
}

/* Many pages under the smallest cap: tables are recycled and it goes on. */
static void recycle(void)
{
	for (unsigned int levels = 4; levels <= 5; levels++) {
		struct npt_mmu_config cfg = env_config(NPT_MMU_NESTED);
		struct npt_access_result res;
		struct env env;
		u64 ctr[NPT_CTR_NR];

		cfg.max_table_pages = NPT_MIN_TABLE_PAGES;
		cfg.nested_levels = levels;
		cfg.leaf_pages = NPT_PAGE_4K;
		CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
		env_add_slot(&env, 0, 1 << 30, NPT_SIZE_4K, false);
		CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
		for (u64 i = 0; i < 2048; i++) {
			u64 gpa = i * 0x1c9000 % (1 << 30) & ~0xfffull;

			CHECK_EQ(env_access(env.cpu[0], gpa, NPT_OP_WRITE, false, &res),
				 NPT_STATUS_OK, "status");
			test_cases++;
		}
		map_check(&env);
		laws_check(&env);
		laws_counters(&env, ctr);
		CHECK(ctr[NPT_CTR_mmu_recycled] > 0, "nothing was recycled");
		CHECK(ctr[NPT_CTR_flush_recycle] > 0, "recycled without a flush");
		env_destroy_clean(&env);
	}
}

/* One fill serves a whole large page, and a zap of one small page splits nothing in vain. */
static void large_pages(void)
{
	static const struct { u32 pages; unsigned int size; } c[] = {
		{ NPT_PAGE_4K, 0 }, { NPT_PAGE_4K | NPT_PAGE_2M, 1 },
		{ NPT_PAGE_4K | NPT_PAGE_1G, 2 }, { NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G, 2 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(c); i++) {
		struct npt_mmu_config cfg = env_config(NPT_MMU_NESTED);
		struct npt_access_result res;
		struct env env;

		cfg.leaf_pages = c[i].pages;
		CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
		env_add_slot(&env, 1 << 30, 1 << 30, NPT_SIZE_1G, false);
		CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
		env_access(env.cpu[0], (1 << 30) + 0x12345678, NPT_OP_READ, false, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status");
		CHECK_EQ(res.page_shift, 12 + 9 * c[i].size, "page_shift");
		CHECK_EQ(map_lookup(&env, (1 << 30) + 0x12345678).size, c[i].size, "leaf's size");
		CHECK_EQ(map_lookup(&env, 1 << 30).present, c[i].size == 2, "first page mapped");
		/* one page moves: what is around it may stay, it itself may not */
		env_move(&env, (1 << 30) + 0x12345678);
		map_check(&env);
		env_access(env.cpu[0], (1 << 30) + 0x12345678, NPT_OP_WRITE, false, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status");
		CHECK_EQ(res.page_shift, 12, "page_shift around a moved page");
		map_check(&env);
		laws_check(&env);
		test_cases++;
		env_destroy_clean(&env);
	}
}

/* A guest with one large page at 4 MiB, in each format. */
static void large_guest(struct env *env, unsigned int levels)
{
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = 0x1000, .cr4 = REF_CR4_PSE,
	};
	u64 dir = 0x1000, page = (4 << 20) | 0xe7;	/* P W U A D PS */

	for (unsigned int l = levels; l > 2; l--, dir += PAGE_SIZE)
		*(u64 *)env_ptr(env, dir) = (dir + PAGE_SIZE) | (levels > 3 ? 7 : 1);
	if (levels == 2)
		*(u32 *)env_ptr(env, dir + 4) = page;
	else
		*(u64 *)env_ptr(env, dir + 16) = page;
	if (levels > 2)
		regs.cr4 |= REF_CR4_PAE;
	if (levels > 3)
		regs.efer |= REF_EFER_LME | REF_EFER_LMA;
	if (levels > 4)
		regs.cr4 |= REF_CR4_LA57;
	CHECK(!npt_cpu_set_regs(env->cpu[0], &regs), "set_regs");
}

/*
 * Shadow tables under a processor: one fault serves 2 MiB of a large guest page, so
 * two do for a page of 4 MiB. The root comes from where the guest's mode wants it.
 */
static void large_shadow(void)
{
	for (unsigned int levels = 2; levels <= 5; levels++) {
		struct npt_mmu_config cfg = env_config(NPT_MMU_SHADOW);
		unsigned long low = npt_shim_low_allocs;
		struct processor_out out;
		u64 ctr[NPT_CTR_NR];
		struct env env;

		CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
		env_add_slot(&env, 0, 8 << 20, NPT_SIZE_2M, false);
		CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
		large_guest(&env, levels);
		for (u64 at = 0; at < (levels == 2 ? 4 : 2) << 20; at += 0x7f000) {
			processor_access(&env, env.cpu[0], (4 << 20) + at, NPT_OP_WRITE, true,
					 &out);
			CHECK_EQ(out.status, NPT_STATUS_OK, "status");
			CHECK_EQ(out.hpa, npt_ptr_hpa(env_ptr(&env, (4 << 20) + at)), "hpa");
			test_cases++;
		}
		laws_counters(&env, ctr);
		CHECK_EQ(ctr[NPT_CTR_shadow_fills], levels == 2 ? 2 : 1, "leaves");
		CHECK_EQ(npt_shim_low_allocs - low, levels <= 3, "pages below 4 GiB");
		laws_check(&env);
		env_destroy_clean(&env);
	}
}

/* What a processor runs shadow tables with, for a guest in this state. */
static void check_shadow_regs(struct npt_cpu *cpu)
{
	const u64 rights = REF_CR4_SMEP | REF_CR4_SMAP | REF_CR4_PKE;
	const struct npt_regs *r = &cpu->regs;
	bool lma = r->efer & REF_EFER_LMA;
	struct npt_regs hw;

	npt_shadow_hw_regs(cpu, &hw);
	CHECK(!(~hw.cr0 & (REF_CR0_PG | REF_CR0_WP)), "CR0 is %#llx", hw.cr0);
	CHECK((hw.cr4 & REF_CR4_PAE) && (hw.efer & REF_EFER_NXE), "no PAE, or no NX");
	CHECK_EQ(hw.cr0 & REF_CR0_PE, r->cr0 & REF_CR0_PE, "CR0.PE");
	/* Else VMRUN takes paging and LME for long mode, and refuses (APM vol. 2, 15.5.1). */
	CHECK_EQ(hw.efer & REF_EFER_LMA, r->efer & REF_EFER_LMA, "EFER.LMA");
	CHECK_EQ(!!(hw.efer & REF_EFER_LME), lma, "EFER.LME");
	/* Five levels and PCIDs are things of long mode; CR3 holds no PCID in any. */
	CHECK_EQ(hw.cr4 & REF_CR4_LA57, lma ? r->cr4 & REF_CR4_LA57 : 0, "CR4.LA57");
	CHECK_EQ(hw.cr4 & REF_CR4_PCIDE, 0, "CR4.PCIDE");
	CHECK_EQ(hw.cr4 & rights, r->cr0 & REF_CR0_PG ? r->cr4 & rights : 0, "SMEP, SMAP, PKE");
	test_cases++;
}

static void shadow_regs(void)
{
	static const u64 cr4_bits[] = {
		REF_CR4_PSE, REF_CR4_PAE, REF_CR4_LA57, REF_CR4_PCIDE, REF_CR4_SMEP, REF_CR4_SMAP,
		REF_CR4_PKE,
	};
	struct npt_mmu_config cfg = env_config(NPT_MMU_SHADOW);
	static const u64 cr0[] = { 0, REF_CR0_PE, REF_CR0_PE | REF_CR0_PG };
	struct npt_regs regs = { .cr3 = 0x1000 };
	unsigned long before = test_cases;
	struct env env;

	CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&env, 0, 8 << 20, NPT_SIZE_2M, false);
	CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
	for (unsigned int i = 0; i < 3 << 7 << 2; i++) {
		regs.cr0 = cr0[i >> 9];
		regs.cr4 = 0;
		for (unsigned int bit = 0; bit < 7; bit++)
			regs.cr4 |= i >> bit & 1 ? cr4_bits[bit] : 0;
		regs.efer = i >> 7 & 1 ? REF_EFER_LME : 0;
		if ((regs.cr0 & REF_CR0_PG) && regs.efer)
			regs.efer |= REF_EFER_LMA;
		regs.efer |= i >> 8 & 1 ? REF_EFER_NXE : 0;
		/* Not all of them are states that a processor can be in. */
		if (!npt_cpu_set_regs(env.cpu[0], &regs))
			check_shadow_regs(env.cpu[0]);
	}
	CHECK(test_cases - before > 400, "only %lu states", test_cases - before);
	env_destroy_clean(&env);
}

static bool young(struct env *env, u64 gpa)
{
	bool any;

	npt_write_lock(&env->mmu.lock);
	any = npt_mmu_age(&env->mmu, gpa >> 12, (gpa >> 12) + 1, false);
	npt_write_unlock(&env->mmu.lock);
	return any;
}

#define NEAR (1ull << 30)

/*
 * A fault brings the rest of its group along as far as the host has it at hand,
 * not looked at by anybody yet, and those pages fault no more.
 */
static void neighbours(void)
{
	for (u32 mode = NPT_MMU_NATIVE; mode <= NPT_MMU_NESTED; mode++) {
		struct npt_mmu_config cfg = env_config(mode);
		unsigned int dims = mode == NPT_MMU_SHADOW ? 2 : 1;
		struct npt_access_result res;
		u64 ctr[NPT_CTR_NR], maps;
		struct env_slot *s;
		struct env env;

		cfg.prefetch = 8;
		CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
		s = env_add_slot(&env, NEAR, 64 * PAGE_SIZE, NPT_SIZE_4K, false);
		CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
		env_set_flag(&env, NEAR + 0xd000, ENV_BAD, true);
		env_set_flag(&env, NEAR + 0x11000, ENV_COW, true);
		env_access(env.cpu[0], NEAR + 0xa000, NPT_OP_READ, false, &res);
		CHECK_EQ(mapped(&env, NEAR, 64), 5, "pages mapped by the first fault");
		CHECK_EQ(mapped(&env, NEAR + 0x8000, 5), 5, "of its group, before the bad one");
		CHECK(young(&env, NEAR + 0xa000), "the page asked for is not young");
		CHECK(!young(&env, NEAR + 0x9000), "a page brought along is young");
		laws_counters(&env, ctr);
		CHECK_EQ(ctr[NPT_CTR_fills_demand], dims, "fills_demand");
		CHECK_EQ(ctr[NPT_CTR_fills_prefetch], 4 * dims, "fills_prefetch");
		maps = env.maps;
		env_access(env.cpu[0], NEAR + 0x9000, NPT_OP_WRITE, false, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status of a page brought along");
		CHECK(young(&env, NEAR + 0x9000), "a page in use is not young");
		CHECK_EQ(env.maps, maps, "pages asked of the host");
		laws_counters(&env, ctr);
		if (mode != NPT_MMU_NATIVE)
			CHECK_EQ(ctr[NPT_CTR_pf_taken], 1, "pf_taken");
		/* Nothing at all past a page that the host would have to copy, or in a log. */
		env_access(env.cpu[0], NEAR + 0x10000, NPT_OP_READ, false, &res);
		CHECK_EQ(mapped(&env, NEAR + 0x10000, 8), 1, "pages before a copied one");
		env_clear_dirty(&env, s);
		env_access(env.cpu[0], NEAR + 0x22000, NPT_OP_WRITE, false, &res);
		CHECK_EQ(mapped(&env, NEAR + 0x20000, 8), 1, "pages in a dirty log");
		CHECK(!env_dirty(&env, NEAR + 0x21000), "a page that nobody wrote is dirty");
		env_move(&env, NEAR + 0x8000);
		CHECK_EQ(mapped(&env, NEAR + 0x8000, 1), 0, "pages that moved");
		map_check(&env);
		laws_check(&env);
		test_cases++;
		env_destroy_clean(&env);
	}
}

#define LARGE_NEAR (32ull << 20)
#define LARGE_TABLE (30ull << 20)

/* In large_guest()'s directory. */
static u64 *large_entry(struct env *env, int i)
{
	return env_ptr(env, 0x3000 + (LARGE_NEAR >> 21) * 8 + i * 8);
}

static void large_touch(struct env *env, int i, unsigned int op, unsigned int faults)
{
	u64 gva = LARGE_NEAR + ((s64)i << 21) + 0x456;
	u64 gpa = (*large_entry(env, i) & ~0xfffull) + 0x456;
	struct processor_out out;

	processor_access(env, env->cpu[0], gva, op, true, &out);
	CHECK(out.status == NPT_STATUS_OK, "page %d: status %u", i, out.status);
	CHECK(out.faults == faults, "page %d: %u faults", i, out.faults);
	CHECK(out.hpa == npt_ptr_hpa(env_ptr(env, gpa)), "page %d: hpa %#llx", i, out.hpa);
	test_cases++;
}

/* A page table that is in use, in a page that has been mapped as a large one before. */
static void large_used_table(struct env *env)
{
	struct processor_out out;

	*large_entry(env, -1) = LARGE_TABLE | 0xe7;
	large_touch(env, -1, NPT_OP_WRITE, 1);
	*(u64 *)env_ptr(env, LARGE_TABLE) = LARGE_NEAR | 0x67;
	*large_entry(env, 4) = LARGE_TABLE | 0x27;
	processor_access(env, env->cpu[0], LARGE_NEAR + (4 << 21), NPT_OP_READ, true, &out);
	CHECK_EQ(out.status, NPT_STATUS_OK, "status through the table");
}

/* A guest that has used large pages in several ways, but from LARGE_NEAR on none is mapped. */
static void large_used(struct env *env)
{
	static const u64 bits[9] = { 0xe7, 0xa7, 0xe7, 0x87, 0, 0x20e7, 0xe7, 0xe7, 0x27 };
	u64 word;
	u32 done;

	env_add_slot(env, 0, 2 * LARGE_NEAR, NPT_SIZE_2M, false);
	CHECK(!env_add_cpu(env, NULL), "npt_cpu_init() failed");
	large_guest(env, 4);
	large_used_table(env);
	env_zap(env, LARGE_NEAR, LARGE_NEAR / PAGE_SIZE);
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++)
		if (i != 4)
			*large_entry(env, i) = (LARGE_NEAR + ((u64)i << 21)) | bits[i];
	*large_entry(env, 7) = LARGE_TABLE | bits[7];
	env_set_flag(env, LARGE_NEAR + (6 << 21), ENV_COW, true);
	CHECK(!npt_guest_read(env->cpu[0], LARGE_NEAR + (6 << 21), &word, 8, &done), "read");
}

/*
 * Large pages around the one that faulted come along as well: those that the guest has
 * used, as it has used them, that the host has in one piece, and that hold no table.
 */
static void large_neighbours(void)
{
	struct npt_mmu_config cfg = env_config(NPT_MMU_SHADOW);
	u64 before[NPT_CTR_NR], ctr[NPT_CTR_NR];
	struct env env;

	cfg.prefetch = 16;
	CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
	large_used(&env);
	laws_counters(&env, before);
	large_touch(&env, 2, NPT_OP_READ, 1);
	laws_counters(&env, ctr);
	CHECK_EQ(ctr[NPT_CTR_fills_2m] - before[NPT_CTR_fills_2m], 15, "large pages mapped");
	CHECK_EQ(ctr[NPT_CTR_shadow_leaves] - before[NPT_CTR_shadow_leaves], 3, "shadow leaves");
	CHECK_EQ(*large_entry(&env, 1) & 0x60, 0x20, "A and D of a clean page");
	CHECK_EQ(*large_entry(&env, 3) & 0x60, 0, "A and D of an unused page");
	large_touch(&env, 0, NPT_OP_WRITE, 0);
	large_touch(&env, 1, NPT_OP_READ, 0);
	large_touch(&env, 1, NPT_OP_WRITE, 1);
	CHECK_EQ(*large_entry(&env, 1) & 0x60, 0x60, "A and D of a page written");
	large_touch(&env, 3, NPT_OP_READ, 1);
	CHECK_EQ(*large_entry(&env, 3) & 0x60, 0x20, "A and D of a page read");
	large_touch(&env, 6, NPT_OP_READ, 1);
	large_touch(&env, 7, NPT_OP_READ, 1);
	/* The map's leaf around the table goes, for another page's sake; the table stays. */
	env_zap(&env, LARGE_TABLE + 0x10000, 1);
	env_zap(&env, LARGE_TABLE - (4 << 20), 1);
	*large_entry(&env, -3) = (LARGE_TABLE - (4 << 20)) | 0xe7;
	large_touch(&env, -3, NPT_OP_READ, 1);
	CHECK(!map_lookup(&env, LARGE_TABLE).present, "mapped around a table");
	map_check(&env);
	laws_check(&env);
	env_destroy_clean(&env);
}

/* More than is zapped under one hold of the lock: the tables above go all the same. */
static void many_pages(void)
{
	for (u32 mode = NPT_MMU_NATIVE; mode <= NPT_MMU_NESTED; mode++) {
		struct npt_mmu_config cfg = env_config(mode);
		struct npt_access_result res;
		struct env env;

		CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
		env_add_slot(&env, 0, 64 << 20, NPT_SIZE_4K, false);
		CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
		for (u64 gpa = 0; gpa < 64 << 20; gpa += 0x1000) {
			env_access(env.cpu[0], gpa, NPT_OP_READ, false, &res);
			test_cases++;
		}
		map_check(&env);
		env_destroy_clean(&env);
	}
}

static const struct test tests[] = {
	{ "map.random_host", random_host },
	{ "map.recycle", recycle },
	{ "map.many_pages", many_pages },
	{ "map.large_pages", large_pages },
	{ "map.large_shadow", large_shadow },
	{ "map.shadow_regs", shadow_regs },
	{ "map.neighbours", neighbours },
	{ "map.large_neighbours", large_neighbours },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
