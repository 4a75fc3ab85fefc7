// SPDX-License-Identifier: GPL-2.0
/* module/mmu/insn.c: locked operations on guest memory, and tables given up. */
#include <string.h>

#include "host_env.h"
#include "test.h"

#define RAM_BYTES (64ull << 12)
#define ROM_GPA (1ull << 30)
#define HOLE_GPA (2ull << 30)

static void start(struct env *env, u32 mode, struct rnd *r)
{
	struct npt_mmu_config cfg = env_config(mode);

	CHECK(!env_init(env, &cfg, r), "npt_mmu_init() failed");
	env_add_slot(env, 0, RAM_BYTES, NPT_SIZE_4K, false);
	env_add_slot(env, ROM_GPA, 4096, NPT_SIZE_4K, true);
	CHECK(!env_add_cpu(env, NULL), "npt_cpu_init() failed");
}

static int expected_error(struct env *env, u64 gpa)
{
	switch (env_status(env, gpa, true)) {
	case NPT_STATUS_OK:
		return 0;
	case NPT_STATUS_MMIO:
		return -ENOENT;
	case NPT_STATUS_READONLY:
		return -EROFS;
	default:
		return -EFAULT;
	}
}

/* Anywhere in a page, of any size; what is there by chance, or by design. */
static void one_exchange(struct env *env, struct rnd *r)
{
	static const u64 bases[] = { 0, 0, 0, 0, 0, ROM_GPA, HOLE_GPA };
	u32 len = 1 << rnd_below(r, 5);
	u64 gpa = bases[rnd_below(r, ARRAY_SIZE(bases))] + (rnd64(r) & (RAM_BYTES - 1));
	u8 old[16], new[16], before[4096];
	bool equal = false, same;
	u64 page = gpa & ~4095ull;
	u32 at, i;
	int err;

	/* Also 16 bytes where CMPXCHG16B itself could not: whoever calls may be wrong. */
	at = min_t(u32, gpa & 4095, 4096 - len);
	gpa = page + at;
	if (env_slot_of(env, page) && rnd_one_in(r, 4))
		env_set_flag(env, page, ENV_COW, true);
	if (env_slot_of(env, page) && rnd_one_in(r, 16))
		env_set_flag(env, page, ENV_BAD, rnd_bool(r));
	for (i = 0; i < 16; i++) {
		old[i] = rnd64(r);
		new[i] = rnd64(r);
	}
	if (env_ptr(env, page)) {
		memcpy(before, env_ptr(env, page), 4096);
		if (rnd_bool(r))
			memcpy(old, before + at, len);
	}
	err = expected_error(env, gpa);
	CHECK_EQ(npt_guest_exchange(env->cpu[0], gpa, old, new, len, &equal), err, "error");
	if (err)
		return;
	same = !memcmp(before + at, old, len);
	CHECK_EQ(equal, same, "equal");
	if (same)
		memcpy(before + at, new, len);
	CHECK(!memcmp(env_ptr(env, page), before, 4096), "memory, %u bytes at %#llx", len, gpa);
}

static void exchanges(u32 mode)
{
	unsigned long round;
	struct env env;
	struct rnd r;
	u32 i;

	for_each_round(round, 20, &r) {
		start(&env, mode, &r);
		for (i = 0; i < 500; i++, test_cases++)
			one_exchange(&env, &r);
		env_destroy_clean(&env);
	}
}

static void exchanges_nested(void)
{
	exchanges(NPT_MMU_NESTED);
}

static void exchanges_shadow(void)
{
	exchanges(NPT_MMU_SHADOW);
}

/* --- tables ----------------------------------------------------------------- */

#define TABLE(n) (0x1000ull * (n))	/* 1: root ... 4: leaves; 5: other leaves */

static u64 *entry(struct env *env, u32 table, u32 index)
{
	return (u64 *)env_ptr(env, TABLE(table)) + index;
}

/* gva 0 leads through TABLE(4) to 8000h, and through TABLE(5) to 9000h. */
static void make_tables(struct env *env)
{
	struct npt_regs regs = {
		.cr0 = NPT_CR0_PE | NPT_CR0_PG, .cr3 = TABLE(1), .cr4 = NPT_CR4_PAE,
		.efer = NPT_EFER_LME | NPT_EFER_LMA,
	};
	u32 i;

	for (i = 1; i < 4; i++)
		*entry(env, i, 0) = TABLE(i + 1) | 7;
	*entry(env, 4, 0) = 0x8000 | 7;
	*entry(env, 5, 0) = 0x9000 | 7;
	CHECK(!npt_cpu_set_regs(env->cpu[0], &regs), "set_regs");
}

static u64 where(struct env *env)
{
	struct npt_access_result res;

	CHECK_EQ(env_access(env->cpu[0], 0x10, NPT_OP_READ, true, &res), NPT_STATUS_OK, "status");
	return res.gpa;
}

/* The table's shadow follows what is exchanged there, and only then. */
static void tables_follow(void)
{
	u64 old, other = TABLE(5) | 7;
	bool equal;
	struct env env;

	start(&env, NPT_MMU_SHADOW, NULL);
	make_tables(&env);
	CHECK_EQ(where(&env), 0x8010, "gpa");
	old = *entry(&env, 3, 0);
	CHECK_EQ(npt_guest_exchange(env.cpu[0], TABLE(3), &other, &other, 8, &equal), 0, "error");
	CHECK(!equal, "equal to what is not there");
	CHECK_EQ(where(&env), 0x8010, "gpa");
	CHECK_EQ(npt_guest_exchange(env.cpu[0], TABLE(3), &old, &other, 8, &equal), 0, "error");
	CHECK(equal, "not equal to what is there");
	CHECK_EQ(where(&env), 0x9010, "gpa after the exchange");
	env_destroy_clean(&env);
}

static void tables_given_up(void)
{
	struct env env;

	start(&env, NPT_MMU_SHADOW, NULL);
	make_tables(&env);
	CHECK(!npt_guest_unprotect(env.cpu[0], TABLE(3)), "before there is a shadow");
	CHECK_EQ(where(&env), 0x8010, "gpa");
	CHECK(npt_guest_unprotect(env.cpu[0], TABLE(3)), "a shadowed table");
	CHECK(!npt_guest_unprotect(env.cpu[0], TABLE(3)), "twice");
	CHECK(!npt_guest_unprotect(env.cpu[0], 0x8000), "what is no table");
	CHECK(npt_guest_unprotect(env.cpu[0], TABLE(1)), "the root");
	/* Nobody watches it now: as a guest would write it. */
	*entry(&env, 3, 0) = TABLE(5) | 7;
	CHECK_EQ(where(&env), 0x9010, "gpa");
	env_destroy_clean(&env);

	start(&env, NPT_MMU_NESTED, NULL);
	make_tables(&env);
	CHECK_EQ(where(&env), 0x8010, "gpa");
	CHECK(!npt_guest_unprotect(env.cpu[0], TABLE(3)), "nested mode shadows nothing");
	env_destroy_clean(&env);
}

static const struct test tests[] = {
	{ "insn: locked operations, nested", exchanges_nested },
	{ "insn: locked operations, shadow", exchanges_shadow },
	{ "insn: locked operations on shadowed tables", tables_follow },
	{ "insn: shadowed tables given up", tables_given_up },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
