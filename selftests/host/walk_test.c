// SPDX-License-Identifier: GPL-2.0
/*
 * Translations over random trees of tables, every format and mode, against the
 * reference: how it ends, error code, CR2, accessed and dirty bits in memory,
 * page size, and the exact number of entries read.
 */
#include "laws.h"
#include "map_check.h"
#include "test.h"
#include "universe.h"

static void show(const struct uni *u, u64 gva, unsigned int op, bool user,
		 const struct npt_access_result *res, const struct env_answer *a,
		 const struct ref_out *ref)
{
	const struct npt_regs *g = &u->env.cpu[0]->regs;

	printf("# cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx pkru %#x ac %u\n", g->cr0, g->cr3,
	       g->cr4, g->efer, g->pkru, g->ac);
	printf("# gva %#llx op %u user %u\n", gva, op, user);
	printf("# got status %u gpa %#llx error %#x cr2 %#llx shift %u refs %u+%u\n", res->status,
	       res->gpa, res->error_code, res->cr2, res->page_shift, res->refs_guest,
	       res->refs_nested);
	printf("# reference: status %u gpa %#llx error %#x cr2 %#llx shift %u reads %u\n",
	       a->status, a->gpa, a->error, a->cr2, a->shift, ref->n);
	for (unsigned int i = 0; i < ref->n; i++)
		printf("#   level %u entry %#llx = %#llx -> %#llx\n", ref->step[i].level,
		       (unsigned long long)ref->step[i].gpa,
		       (unsigned long long)ref->step[i].value,
		       (unsigned long long)ref->step[i].after);
}

/* Entries that the walk of @ref reads in the nested dimension, by the tables in memory. */
static unsigned int nested_reads(struct uni *u, const struct ref_out *ref)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ref->n; i++)
		n += map_lookup(&u->env, ref->step[i].gpa).reads;
	if (ref->end == REF_OK || ref->end == REF_NOMEM || ref->end == REF_ROM)
		n += map_lookup(&u->env, ref->gpa).reads;
	return n;
}

/* Page size as results say it. */
static unsigned int want_shift(struct uni *u, const struct ref_out *ref)
{
	unsigned int map = 12 + 9 * map_lookup(&u->env, ref->gpa).size;
	unsigned int guest = ref->shift == 22 ? 21 : ref->shift;	/* 4 MiB: two halves */

	if (!guest)	/* paging off: the map's alone */
		return map;
	return guest < map ? guest : map;
}

static void check_cost(struct uni *u, const struct ref_out *ref,
		       const struct npt_access_result *res, struct env_answer *a)
{
	u32 mode = u->env.mmu.cfg.mode;

	if (mode == NPT_MMU_SHADOW)
		return;
	CHECK_EQ(res->refs_guest, ref->n, "entries read in the guest dimension");
	CHECK_EQ(res->refs_nested, mode == NPT_MMU_NESTED ? nested_reads(u, ref) : 0,
		 "entries read in the nested dimension");
	if (a->status != NPT_STATUS_OK)
		return;
	if (mode == NPT_MMU_NESTED)
		CHECK_EQ(res->page_shift, want_shift(u, ref), "page_shift");
	else if (ref->shift)	/* 4 MiB are two halves of 2 MiB */
		CHECK_EQ(res->page_shift, ref->shift == 22 ? 21 : ref->shift, "page_shift");
}

static bool agree(const struct npt_access_result *res, const struct env_answer *a)
{
	return res->status == a->status && res->error_code == a->error && res->cr2 == a->cr2 &&
		(a->status == NPT_STATUS_GUEST_PF || a->status == NPT_STATUS_GUEST_GP ||
		 res->gpa == a->gpa);
}

/*
 * The walk before has set accessed bits in a table that serves as PDPT as well,
 * where they are reserved. Shadow tables need not see that, as processors that
 * hold PDPTEs in registers don't (SDM 4.4.1).
 */
static bool pdpte_spoilt(struct uni *u, const struct ref_out *ref)
{
	return u->env.mmu.cfg.mode == NPT_MMU_SHADOW && u->levels == 3 && ref->n == 1 &&
		ref->why == REF_WHY_RSVD && (ref->step[0].value & 0x60);
}

static void one_access(struct uni *u)
{
	struct rnd *r = u->rnd;
	struct npt_cpu *cpu = u->env.cpu[0];
	unsigned int op = rnd_below(r, 3);
	bool user = rnd_bool(r);
	u64 gva = uni_random_gva(u);
	struct npt_access_result res;
	struct env_answer a;
	struct ref_out ref;

	env_ref(cpu, gva, op, user, &ref);
	env_answer(&u->env, &ref, op, &a);
	if (u->levels == 3 && ref_spoils_pdpte(&ref))
		return;
	env_access(cpu, gva, op, user, &res);
	test_cases++;
	if (!agree(&res, &a)) {
		show(u, gva, op, user, &res, &a, &ref);
		FAIL("the answer differs from the reference's");
	}
	uni_apply_steps(u, &ref);
	for (unsigned int i = 0; i < ref.n; i++) {
		u64 now = 0;

		memcpy(&now, env_ptr(&u->env, ref.step[i].gpa), ref.step[i].bytes);
		/* one entry at several levels: the last has it all */
		if (now == ref.step[i].after || (now & ref.step[i].after) == ref.step[i].after)
			continue;
		show(u, gva, op, user, &res, &a, &ref);
		FAIL("entry at %#llx: memory has %#llx, must be %#llx",
		     (unsigned long long)ref.step[i].gpa, now,
		     (unsigned long long)ref.step[i].after);
	}
	/* once more, with nothing left to mend: now the cost is exact */
	env_ref(cpu, gva, op, user, &ref);
	env_answer(&u->env, &ref, op, &a);
	env_access(cpu, gva, op, user, &res);
	if (pdpte_spoilt(u, &ref))
		return;
	if (!agree(&res, &a)) {
		show(u, gva, op, user, &res, &a, &ref);
		FAIL("the second answer differs from the reference's");
	}
	check_cost(u, &ref, &res, &a);
}

static void walk_random(u32 mode, unsigned int levels, unsigned long rounds)
{
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, rounds, &rnd) {
		struct uni *u = calloc(1, sizeof(*u));

		CHECK(u, "no memory");
		u->rnd = &rnd;
		u->levels = levels;
		uni_make(u, mode);
		for (int i = 0; i < 400; i++) {
			if (i % 25 == 0)
				uni_random_regs(u);
			one_access(u);
		}
		uni_compare_tables(u);
		map_check(&u->env);
		if (mode == NPT_MMU_SHADOW)
			shadow_check(&u->env, u->env.cpu[0]);
		laws_check(&u->env);
		env_destroy_clean(&u->env);
		free(u);
	}
}

#define ROUNDS 350
#define WALK(name, mode, levels) \
	static void name(void) { walk_random(NPT_MMU_##mode, levels, ROUNDS); }
WALK(native_off, NATIVE, 0)
WALK(native_32bit, NATIVE, 2)
WALK(native_pae, NATIVE, 3)
WALK(native_4, NATIVE, 4)
WALK(native_5, NATIVE, 5)
WALK(shadow_off, SHADOW, 0)
WALK(shadow_32bit, SHADOW, 2)
WALK(shadow_pae, SHADOW, 3)
WALK(shadow_4, SHADOW, 4)
WALK(shadow_5, SHADOW, 5)
WALK(nested_off, NESTED, 0)
WALK(nested_32bit, NESTED, 2)
WALK(nested_pae, NESTED, 3)
WALK(nested_4, NESTED, 4)
WALK(nested_5, NESTED, 5)

/* --- known figures -------------------------------------------------------- */

static u64 leaf_gpa(unsigned int shift)
{
	return shift == 12 ? 0x8000 : shift == 22 ? 4 << 20 : 1ull << shift;
}

/* A straight path of tables for gva 0 to a page of 2^@shift bytes away from the tables. */
static void straight_path(struct env *env, unsigned int levels, unsigned int shift)
{
	unsigned int leaf = levels == 2 ? (shift == 22 ? 2 : 1) : 1 + (shift - 12) / 9;
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG, .cr3 = 0x1000, .cr4 = REF_CR4_PSE,
	};

	for (unsigned int l = levels; l >= leaf; l--) {
		u64 e = l == leaf ? 7 : 7 + 0x1000 * (levels - l + 2);

		if (levels == 3 && l == 3)
			e &= ~6ull;
		if (l == leaf)
			e |= leaf_gpa(shift) | (l > 1 ? 0x80 : 0);
		memcpy(env_ptr(env, 0x1000 * (levels - l + 1)), &e, levels == 2 ? 4 : 8);
	}
	if (levels > 2)
		regs.cr4 |= REF_CR4_PAE;
	if (levels > 3)
		regs.efer = REF_EFER_LME | REF_EFER_LMA;
	if (levels > 4)
		regs.cr4 |= REF_CR4_LA57;
	CHECK(!npt_cpu_set_regs(env->cpu[0], &regs), "set_regs");
}

/* One access on a VM made for it; the entries that it reads in both dimensions. */
static void count_refs(u32 mode, unsigned int levels, unsigned int shift, unsigned int nlevels,
		       unsigned int nshift, unsigned int *guest, unsigned int *nested)
{
	struct npt_mmu_config cfg = env_config(mode);
	struct npt_access_result res;
	struct env env;

	cfg.nested_levels = nlevels;
	CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&env, 0, nshift == 30 || shift == 30 ? 2ull << 30 : 8 << 20,
		     (nshift - 12) / 9, false);
	CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
	straight_path(&env, levels, shift);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(env_access(env.cpu[0], 8, NPT_OP_READ, true, &res), NPT_STATUS_OK,
			 "status");
	CHECK_EQ(res.gpa, leaf_gpa(shift) + 8, "gpa");
	*guest = res.refs_guest;
	*nested = res.refs_nested;
	test_cases++;
	env_destroy_clean(&env);
}

/* (g + 1) (h + 1) - 1, where g and h are the levels read down to the leaf */
static void formula(void)
{
	for (unsigned int levels = 2; levels <= 5; levels++) {
		for (unsigned int shift = 12; shift <= 30; shift += levels == 2 ? 10 : 9) {
			unsigned int g = levels - (levels == 2 ? shift == 22 : (shift - 12) / 9);

			if ((levels == 2 && shift > 22) || (levels == 3 && shift > 21))
				continue;
			for (unsigned int n = 4; n <= 5; n++) {
				for (unsigned int ns = 12; ns <= 30; ns += 9) {
					unsigned int h = n - (ns - 12) / 9, rg, rn;

					count_refs(NPT_MMU_NESTED, levels, shift, n, ns, &rg, &rn);
					CHECK_EQ(rg, g, "guest references");
					CHECK_EQ(rg + rn, (g + 1) * (h + 1) - 1, "references");
				}
			}
		}
	}
}

static void single_stage(void)
{
	unsigned int g, n;

	for (unsigned int levels = 2; levels <= 5; levels++) {
		count_refs(NPT_MMU_NATIVE, levels, 12, 4, 12, &g, &n);
		CHECK_EQ(g, levels, "native references");
		CHECK_EQ(n, 0, "nested references in native mode");
		if (levels < 4)
			continue;
		count_refs(NPT_MMU_SHADOW, levels, 12, 4, 12, &g, &n);
		CHECK_EQ(g, levels, "shadow references");
		CHECK_EQ(n, 0, "nested references in shadow mode");
		count_refs(NPT_MMU_SHADOW, levels, 21, 4, 21, &g, &n);
		CHECK_EQ(g, levels - 1, "shadow references, 2M");
		count_refs(NPT_MMU_SHADOW, levels, 30, 4, 30, &g, &n);
		CHECK(g == levels - 1 || g == levels - 2, "shadow references, 1G: %u", g);
	}
}

static const struct test tests[] = {
#define T(name) { "walk." #name, name }
	T(formula), T(single_stage),
	T(native_off), T(native_32bit), T(native_pae), T(native_4), T(native_5),
	T(shadow_off), T(shadow_32bit), T(shadow_pae), T(shadow_4), T(shadow_5),
	T(nested_off), T(nested_32bit), T(nested_pae), T(nested_4), T(nested_5),
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
