// SPDX-License-Identifier: GPL-2.0
/*
 * Out of memory at every single allocation of a representative life, one after
 * the other: no crash, nothing leaked, the documented error, and once there is
 * memory again the same VM gives every answer right.
 */
#include "host_env.h"
#include "laws.h"
#include "map_check.h"
#include "test.h"
#include "tlb_random.h"

#define NPAGES 40

struct life {
	struct env env;
	u32 mode;
	bool unsync;
	unsigned long failed;	/* accesses that ended with HOST_FAULT */
};

static struct npt_mmu_config config(const struct life *l)
{
	struct npt_mmu_config cfg = env_config(l->mode);

	cfg.max_table_pages = 128;
	cfg.unsync = l->unsync;
	return cfg;
}

static void fill_memory(struct env *env)
{
	u64 *pml4 = env_ptr(env, 0x1000), *pdpt = env_ptr(env, 0x2000), *pd = env_ptr(env, 0x3000);

	pml4[0] = 0x2000 | 7;
	pdpt[0] = 0x3000 | 7;
	for (unsigned int t = 0; t < 4; t++) {
		u64 *pt = env_ptr(env, 0x4000 + t * 0x1000);

		pd[t] = (0x4000 + t * 0x1000) | 7;
		for (unsigned int i = 0; i < 512; i++)
			pt[i] = ((1 << 20) + (t * 512 + i) % 256 * 0x1000) | 7;
	}
	pd[8] = 0x80 | 7;	/* the tables themselves, through a large page */
}

static int start(struct life *l, struct rnd *rnd)
{
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = 0x1000, .cr4 = REF_CR4_PAE,
		.efer = REF_EFER_LME | REF_EFER_LMA | REF_EFER_NXE,
	};
	struct npt_mmu_config cfg = config(l);
	struct npt_tlb_model model;
	int ret;

	ret = env_init(&l->env, &cfg, rnd);
	if (ret)
		return ret;
	env_add_slot(&l->env, 0, 4 << 20, NPT_SIZE_2M, false);
	fill_memory(&l->env);
	tlb_random(rnd, &model, TLB_ARRAYS | TLB_WALK);
	for (int i = 0; i < 2; i++) {
		ret = env_add_cpu(&l->env, &model);
		if (ret)
			return ret;
		ret = npt_cpu_set_regs(l->env.cpu[i], &regs);
		if (ret)
			return ret;
	}
	tlb_random(rnd, &model, TLB_ARRAYS);
	return npt_cpu_set_model(l->env.cpu[0], &model);
}

/* One access: right, or refused for want of memory. */
static void access_or_fail(struct life *l, unsigned int c, u64 gva, unsigned int op)
{
	struct npt_access_result res;
	struct env_answer want;
	struct ref_out ref;

	env_ref(l->env.cpu[c], gva, op, true, &ref);
	env_answer(&l->env, &ref, op, &want);
	env_access(l->env.cpu[c], gva, op, true, &res);
	test_cases++;
	if (res.status == NPT_STATUS_HOST_FAULT && npt_shim_failures) {
		l->failed++;
		return;
	}
	CHECK_EQ(res.status, want.status, "status");
	CHECK_EQ(res.gpa, want.gpa, "gpa");
	CHECK_EQ(res.error_code, want.error, "error code");
}

/* Map, fault, write tables (caught and out of sync), zap, switch roots. */
static void live(struct life *l)
{
	struct npt_access_result res;
	u64 pte;

	for (unsigned int i = 0; i < NPAGES; i++) {
		unsigned int c = i & 1;

		access_or_fail(l, c, (u64)i * 0x33000 & 0x7fffff, i % 3);
		if (i % 5 == 0) {	/* the guest changes a table through its own mapping */
			pte = ((1 << 20) + i * 0x1000) | 7;
			env_data(l->env.cpu[c], (16ull << 20) + 0x4000 + i * 8, NPT_OP_WRITE,
				 NPT_ACCESS_USER, &pte, 8, &res);
			CHECK(res.status == NPT_STATUS_OK ||
			      (res.status == NPT_STATUS_HOST_FAULT && npt_shim_failures),
			      "status %u of a table write", res.status);
			env_op(l->env.cpu[0], NPT_OP_INVLPG, (u64)i << 12);
			env_op(l->env.cpu[1], NPT_OP_INVLPG, (u64)i << 12);
		}
		if (i % 9 == 0)
			env_zap(&l->env, (1 << 20) + i * 0x1000, 3);
		if (i % 11 == 0)
			env_move(&l->env, 0x4000 + (i & 3) * 0x1000);
		if (i % 13 == 0)
			env_clear_dirty(&l->env, &l->env.slot[0]);
		if (i % 8 == 0) {
			env_op(l->env.cpu[c], NPT_OP_MOV_CR3, 0x1000);
			env_op(l->env.cpu[c], NPT_OP_FLUSH, 0);
		}
	}
}

static void one_life(u32 mode, bool unsync, long fail_at, bool go_on)
{
	struct life l = { .mode = mode, .unsync = unsync };
	struct rnd rnd;
	int ret;

	rnd_seed(&rnd, 1);
	snprintf(test_context, sizeof(test_context), "mode %u unsync %u: allocation %ld fails%s",
		 mode, unsync, fail_at, go_on ? " and all after it" : "");
	npt_shim_failures = 0;
	npt_shim_fail_on = go_on;
	npt_shim_fail_after = fail_at;
	ret = start(&l, &rnd);
	CHECK(ret == 0 || (ret == -ENOMEM && npt_shim_failures), "error %d", ret);
	if (!ret) {
		live(&l);
		if (go_on) {	/* memory is back */
			npt_shim_fail_after = -1;
			npt_shim_failures = 0;
			for (unsigned int c = 0; c < 2; c++)
				env_op(l.env.cpu[c], NPT_OP_FLUSH, 0);
			l.failed = 0;
			live(&l);
			CHECK_EQ(l.failed, 0, "accesses refused with memory there");
		}
		npt_shim_fail_after = -1;
		map_check(&l.env);
		laws_check(&l.env);
	}
	npt_shim_fail_after = -1;
	env_destroy_clean(&l.env);
}

static void sweep(u32 mode, bool unsync)
{
	long n;

	for (int go_on = 0; go_on < 2; go_on++) {
		for (n = 0; n < 5000; n++) {
			one_life(mode, unsync, n, go_on);
			if (!npt_shim_failures && !go_on)
				break;	/* the whole life needs no more allocations */
			if (go_on && n > 400)
				break;
		}
		CHECK(n > 20 && n < 5000, "%ld allocations in a life", n);
	}
}

static void native(void) { sweep(NPT_MMU_NATIVE, false); }
static void nested(void) { sweep(NPT_MMU_NESTED, false); }
static void shadow_sync(void) { sweep(NPT_MMU_SHADOW, false); }
static void shadow_unsync(void) { sweep(NPT_MMU_SHADOW, true); }

static const struct test tests[] = {
	{ "no_memory.native", native },
	{ "no_memory.nested", nested },
	{ "no_memory.shadow_sync", shadow_sync },
	{ "no_memory.shadow_unsync", shadow_unsync },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
