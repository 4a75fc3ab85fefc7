// SPDX-License-Identifier: GPL-2.0
/*
 * Counters: every law after random lives of VMs, figures counted here by hand,
 * and what caches save against the same walks without them.
 */
#include "../lawtext.h"
#include "coherence.h"
#include "laws.h"
#include "map_check.h"
#include "test.h"
#include "tlb_random.h"
#include "universe.h"

static u64 side(const char *text, const uint64_t *ctr)
{
	uint64_t sum;

	CHECK(law_eval(text, ctr, &sum), "\"%s\" can't be read", text);
	return sum;
}

/* The evaluator itself: a law that can't fail proves nothing. */
static void evaluator(void)
{
	static const char *const bad[] = {
		"", "zapz", "zaps +", "zaps + ", "zaps zaps", "4096", "4096 zaps", "4096*", "-zaps",
	};
	uint64_t ctr[NPT_CTR_NR] = { 0 };

	ctr[NPT_CTR_pages_4k] = 3;
	ctr[NPT_CTR_pages_2m] = 2;
	ctr[NPT_CTR_zaps] = 7;
	CHECK_EQ(side("zaps", ctr), 7, "one counter");
	CHECK_EQ(side("pages_4k + zaps", ctr), 10, "a sum");
	CHECK_EQ(side("4096*pages_4k + 2097152*pages_2m + zaps", ctr),
		 3 * 4096 + 2 * 2097152 + 7, "factors");
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t sum;

		CHECK(!law_eval(bad[i], ctr, &sum), "\"%s\" is taken for a sum", bad[i]);
	}
}

/* What this test counts itself. */
struct tally {
	u64 op[3], pf, gp, physical, pages;
};

static void count(struct tally *t, unsigned int op, const struct npt_access_result *res)
{
	t->op[op]++;
	t->pages++;
	t->pf += res->status == NPT_STATUS_GUEST_PF;
	t->gp += res->status == NPT_STATUS_GUEST_GP;
}

static void check_tally(struct env *env, const struct tally *t)
{
	u64 c[NPT_CTR_NR];

	laws_counters(env, c);
	CHECK_EQ(c[NPT_CTR_access_read], t->op[NPT_OP_READ], "access_read");
	CHECK_EQ(c[NPT_CTR_access_write], t->op[NPT_OP_WRITE], "access_write");
	CHECK_EQ(c[NPT_CTR_access_fetch], t->op[NPT_OP_FETCH], "access_fetch");
	CHECK_EQ(c[NPT_CTR_guest_pf], t->pf, "guest_pf");
	CHECK_EQ(c[NPT_CTR_guest_gp], t->gp, "guest_gp");
	CHECK_EQ(c[NPT_CTR_lookups], t->pages - t->gp, "lookups");
	CHECK_EQ(c[NPT_CTR_access_physical], t->physical, "access_physical");
}

static void tallies(void)
{
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, 200, &rnd) {
		struct uni *u = calloc(1, sizeof(*u));
		struct tally t = { 0 };
		struct npt_tlb_model model;

		CHECK(u, "no memory");
		u->rnd = &rnd;
		u->levels = 2 + rnd_below(&rnd, 4);
		uni_make(u, 1 + rnd_below(&rnd, 3));
		tlb_random(&rnd, &model, rnd_below(&rnd, 4));
		CHECK(!npt_cpu_set_model(u->env.cpu[0], &model), "npt_cpu_set_model()");
		for (int i = 0; i < 300; i++) {
			unsigned int op = rnd_below(&rnd, 3);
			struct npt_access_result res;
			u8 byte = 0;

			if (i % 20 == 0)
				uni_random_regs(u);
			if (rnd_one_in(&rnd, 16)) {
				env_data(u->env.cpu[0], rnd_below(&rnd, 2 << 20), NPT_OP_READ,
					 NPT_ACCESS_PHYS, &byte, 1, &res);
				t.physical++;
				continue;
			}
			env_access(u->env.cpu[0], uni_random_gva(u), op, rnd_bool(&rnd), &res);
			count(&t, op, &res);
			test_cases++;
		}
		check_tally(&u->env, &t);
		laws_check(&u->env);
		env_destroy_clean(&u->env);
		free(u);
	}
}

/* A straight set of tables: 4 levels, 64 pages of 4K and 8 of 2M, all rights. */
#define DATA_GPA (8ull << 20)
static void plain_tables(struct env *env)
{
	u64 *pml4 = env_ptr(env, 0x1000), *pdpt = env_ptr(env, 0x2000), *pd = env_ptr(env, 0x3000);

	pml4[0] = 0x2000 | 7;
	pml4[1] = 0x2000 | 7;
	pdpt[0] = 0x3000 | 7;
	pdpt[5] = 0x3000 | 7;
	for (unsigned int t = 0; t < 4; t++) {
		u64 *pt = env_ptr(env, 0x4000 + t * 0x1000);

		pd[t * 7] = (0x4000 + t * 0x1000) | 7;
		for (unsigned int i = 0; i < 512; i++)
			pt[i] = (DATA_GPA + (t * 512 + i) * 0x1000ull) | 7;
	}
	for (unsigned int i = 0; i < 8; i++)
		pd[100 + i] = (DATA_GPA + i * (2 << 20)) | 0x87;
}

static u64 plain_gva(struct rnd *r)
{
	u64 gva = (u64)rnd_below(r, 2) << 39 | (rnd_bool(r) ? 5ull << 30 : 0);

	gva |= rnd_bool(r) ? (u64)(100 + rnd_below(r, 8)) << 21 : (u64)(7 * rnd_below(r, 4)) << 21;
	return gva | rnd_below(r, 16) << 12 | rnd_below(r, 4096);
}

static void make_plain(struct env *env, const struct npt_mmu_config *cfg,
		       const struct npt_tlb_model *model, unsigned int host_size)
{
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = 0x1000, .cr4 = REF_CR4_PAE,
		.efer = REF_EFER_LME | REF_EFER_LMA | REF_EFER_NXE,
	};

	CHECK(!env_init(env, cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(env, 0, 32 << 20, host_size, false);
	plain_tables(env);
	CHECK(!env_add_cpu(env, model), "npt_cpu_init() failed");
	CHECK(!npt_cpu_set_regs(env->cpu[0], &regs), "set_regs");
}

/*
 * The same accesses on a VM without caches and on one with: same answers, and
 * what the second reads and saves is what the first reads.
 */
static void conserved(void)
{
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, 150, &rnd) {
		struct npt_mmu_config cfg = env_config(1 + rnd_below(&rnd, 3));
		unsigned int host_size = rnd_below(&rnd, 2);
		u64 bare[NPT_CTR_NR], cached[NPT_CTR_NR];
		struct npt_tlb_model model;
		struct env a, b;

		cfg.nested_levels = 4 + rnd_below(&rnd, 2);
		cfg.nested_format = rnd_bool(&rnd) ? NPT_NESTED_NPT : NPT_NESTED_EPT;
		tlb_random(&rnd, &model, TLB_WALK);
		make_plain(&a, &cfg, NULL, host_size);
		make_plain(&b, &cfg, &model, host_size);
		snprintf(test_context, sizeof(test_context), "mode %u nested %u levels %u host %u",
			 cfg.mode, cfg.nested_format, cfg.nested_levels, host_size);
		for (int i = 0; i < 500; i++) {
			struct npt_access_result x, y;
			unsigned int op = rnd_below(&rnd, 3);
			u64 gva = plain_gva(&rnd);

			env_access(a.cpu[0], gva, op, true, &x);
			env_access(b.cpu[0], gva, op, true, &y);
			CHECK_EQ(x.status, NPT_STATUS_OK, "status");
			CHECK_EQ(y.status, NPT_STATUS_OK, "status with caches");
			CHECK_EQ(y.gpa, x.gpa, "gpa with caches");
			CHECK(y.refs_guest + y.refs_nested <= x.refs_guest + x.refs_nested ||
			      cfg.mode == NPT_MMU_SHADOW, "caches made a walk longer");
			test_cases++;
		}
		laws_check(&a);
		laws_check(&b);
		laws_counters(&a, bare);
		laws_counters(&b, cached);
		CHECK_EQ(bare[NPT_CTR_refs_uncached],
			 bare[NPT_CTR_refs_guest] + bare[NPT_CTR_refs_nested],
			 "bare refs_uncached");
		CHECK_EQ(cached[NPT_CTR_refs_uncached], bare[NPT_CTR_refs_uncached],
			 "refs_uncached with caches");
		env_destroy(&b);
		env_destroy_clean(&a);
	}
}

/* Without TLB each lookup walks; the walks' cost adds up to what results say. */
static void results_add_up(void)
{
	for (u32 mode = NPT_MMU_NATIVE; mode <= NPT_MMU_NESTED; mode++) {
		struct npt_mmu_config cfg = env_config(mode);
		u64 guest = 0, nested = 0, c[NPT_CTR_NR];
		struct env env;
		struct rnd rnd;

		rnd_seed(&rnd, mode);
		make_plain(&env, &cfg, NULL, NPT_SIZE_4K);
		for (int i = 0; i < 3000; i++) {
			struct npt_access_result res;

			env_access(env.cpu[0], plain_gva(&rnd), rnd_below(&rnd, 3), true, &res);
			CHECK_EQ(res.status, NPT_STATUS_OK, "status");
			guest += res.refs_guest;
			nested += res.refs_nested;
			test_cases++;
		}
		laws_counters(&env, c);
		CHECK_EQ(c[NPT_CTR_lookups], 3000, "lookups");
		CHECK_EQ(c[NPT_CTR_walks], 3000, "walks");
		CHECK_EQ(c[NPT_CTR_walk_done], 3000, "walk_done");
		CHECK_EQ(c[NPT_CTR_refs_guest] + c[NPT_CTR_refs_nested] + c[NPT_CTR_refs_faulted],
			 guest + nested, "references of all results");
		CHECK_EQ(c[NPT_CTR_l1d_hit] + c[NPT_CTR_l1i_hit] + c[NPT_CTR_l2_hit], 0, "hits");
		laws_check(&env);
		map_check(&env);
		env_destroy_clean(&env);
	}
}

/* Flushes by reason, counted one by one. */
static void flush_reasons(void)
{
	struct npt_mmu_config cfg = env_config(NPT_MMU_NESTED);
	struct npt_pending_flush f = { .scope = NPT_FLUSH_ALL, .reason = NPT_FL_USER };
	u64 c[NPT_CTR_NR];
	struct npt_access_result res;
	struct env env;

	make_plain(&env, &cfg, NULL, NPT_SIZE_4K);
	laws_counters(&env, c);
	CHECK_EQ(c[NPT_CTR_flush_invlpg] + c[NPT_CTR_flush_user] + c[NPT_CTR_flush_notifier], 0,
		 "flushes at first");
	for (int i = 0; i < 3; i++)
		env_op(env.cpu[0], NPT_OP_INVLPG, 0x1000);
	for (int i = 0; i < 2; i++)
		env_op(env.cpu[0], NPT_OP_MOV_CR3, 0x1000);
	env_op(env.cpu[0], NPT_OP_FLUSH, 0);
	npt_cpu_flush(env.cpu[0], &f);
	env_access(env.cpu[0], 0, NPT_OP_WRITE, true, &res);
	env_zap(&env, DATA_GPA, 1);
	env_zap(&env, 1ull << 30, 1);	/* nothing there: nothing to flush */
	laws_check(&env);
	laws_counters(&env, c);
	CHECK_EQ(c[NPT_CTR_flush_invlpg], 3, "flush_invlpg");
	CHECK_EQ(c[NPT_CTR_flush_cr3], 2, "flush_cr3");
	CHECK_EQ(c[NPT_CTR_flush_user], 1, "flush_user");
	CHECK_EQ(c[NPT_CTR_flush_notifier], 1, "flush_notifier");
	CHECK_EQ(c[NPT_CTR_zap_notifier], 1, "zap_notifier");
	test_cases++;
	env_destroy_clean(&env);
}

static const struct test tests[] = {
	{ "laws.evaluator", evaluator },
	{ "laws.tallies", tallies },
	{ "laws.conserved", conserved },
	{ "laws.results_add_up", results_add_up },
	{ "laws.flush_reasons", flush_reasons },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
