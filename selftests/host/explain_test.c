// SPDX-License-Identifier: GPL-2.0
/*
 * npt_cpu_explain() over random tables: the entries, in order, with the verdict
 * that the reference gives, and nothing changed by looking. npt_table_dump()
 * against tables enumerated here.
 */
#include "laws.h"
#include "map_check.h"
#include "test.h"
#include "universe.h"

/* --- explain --------------------------------------------------------------- */

struct look {
	struct uni *u;
	u64 gva;
	unsigned int op;
	bool user;
	bool filled;		/* with NPT_EXPLAIN_FILL */
	struct npt_explain e;
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct ref_out ref;
	struct env_answer want;
};

/* The reference's walk as one that only looks: no bit is set on the way. */
static bool look_read(const struct ref_mem *mem, uint64_t gpa, unsigned int bytes, uint64_t *v)
{
	struct env *env = ((const struct env_mem *)mem)->env;

	if (env_status(env, gpa, false))
		return false;
	*v = 0;
	memcpy(v, env_ptr(env, gpa), bytes);
	return true;
}

static void look_ref(struct look *l)
{
	struct env_mem mem = { .mem = { .fickle = true, .read = look_read }, .env = &l->u->env };
	struct ref_cpu rc = env_ref_cpu(l->u->env.cpu[0]);

	ref_walk(&rc, &mem.mem, l->gva, env_kind(l->op), l->user, &l->ref);
	env_limit(&l->u->env, &l->ref);
	env_answer(&l->u->env, &l->ref, l->op, &l->want);
}

static void explain(struct look *l, u32 flags)
{
	l->filled = flags & NPT_EXPLAIN_FILL;
	l->e = (struct npt_explain){
		.size = sizeof(l->e), .flags = flags, .gva = l->gva, .op = l->op,
		.user = l->user, .pkru = l->u->env.cpu[0]->regs.pkru, .count = NPT_WALK_MAX,
	};
	memset(l->ent, 0xee, sizeof(l->ent));
	CHECK_EQ(npt_cpu_explain(l->u->env.cpu[0], &l->e, l->ent), 0, "npt_cpu_explain()");
	CHECK(l->e.count <= NPT_WALK_MAX, "%u entries", l->e.count);
}

static void show(const struct look *l)
{
	static const char * const dim[] = { "guest", "nested", "shadow" };

	printf("# gva %#llx op %u user %u\n", l->gva, l->op, l->user);
	printf("# status %u gpa %#llx error %#x; reference: %u %#llx %#x\n", l->e.status,
	       l->e.gpa, l->e.error_code, l->want.status, l->want.gpa, l->want.error);
	for (u32 i = 0; i < l->e.count; i++)
		printf("#   %s level %u (for %u) entry %#llx = %#llx verdict %u bit %u\n",
		       l->ent[i].dim < 3 ? dim[l->ent[i].dim] : "?", l->ent[i].level,
		       l->ent[i].guest_level, l->ent[i].address, l->ent[i].value,
		       l->ent[i].verdict, l->ent[i].bit);
	for (unsigned int i = 0; i < l->ref.n; i++)
		printf("#   reference: level %u entry %#llx = %#llx\n", l->ref.step[i].level,
		       (unsigned long long)l->ref.step[i].gpa,
		       (unsigned long long)l->ref.step[i].value);
}

static struct look *failing;

static void show_failing(void)
{
	if (failing)
		show(failing);
}

static bool verdict_fits(const struct look *l, u8 verdict)
{
	static const struct { u8 verdict; unsigned int why; } v[] = {
		{ NPT_VERDICT_NOT_PRESENT, REF_WHY_NOT_PRESENT },
		{ NPT_VERDICT_RESERVED, REF_WHY_RSVD }, { NPT_VERDICT_WRITE, REF_WHY_WRITE },
		{ NPT_VERDICT_USER, REF_WHY_USER }, { NPT_VERDICT_NX, REF_WHY_NX },
		{ NPT_VERDICT_SMEP, REF_WHY_SMEP }, { NPT_VERDICT_SMAP, REF_WHY_SMAP },
		{ NPT_VERDICT_PKEY, REF_WHY_PKEY },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(v); i++)
		if (v[i].verdict == verdict)
			return l->ref.why & v[i].why;
	return false;
}

/* Entries of one nested walk for @gpa from ent[*i] on. */
static void check_nested(struct look *l, u32 *i, u64 gpa, unsigned int guest_level)
{
	struct map_leaf leaf = map_lookup(&l->u->env, gpa);
	unsigned int level = l->u->env.mmu.cfg.nested_levels;

	for (unsigned int n = 0; n < leaf.reads; n++, level--, (*i)++) {
		const struct npt_walk_entry *e = &l->ent[*i];

		CHECK(*i < l->e.count, "the nested walk for gpa %#llx is cut short", gpa);
		CHECK_EQ(e->dim, NPT_DIM_NESTED, "dim");
		CHECK_EQ(e->level, level, "level");
		CHECK_EQ(e->guest_level, guest_level, "guest_level");
		CHECK_EQ(e->input, gpa, "input");
		CHECK_EQ(e->index, gpa >> (12 + 9 * (level - 1)) & 511, "index");
		CHECK_EQ(e->value, *(u64 *)npt_hpa_ptr(e->address), "value of a nested entry");
		if (n + 1 < leaf.reads)
			CHECK_EQ(e->verdict, NPT_VERDICT_NEXT, "verdict amid a nested walk");
		else if (leaf.present && !l->want.status)
			CHECK_EQ(e->verdict, NPT_VERDICT_LEAF, "verdict of a nested leaf");
	}
}

static void check_guest(struct look *l, u32 *i)
{
	bool nested = l->u->env.mmu.cfg.mode == NPT_MMU_NESTED;

	for (unsigned int s = 0; s < l->ref.n; s++, (*i)++) {
		const struct ref_step *step = &l->ref.step[s];
		const struct npt_walk_entry *e;
		bool last = s + 1 == l->ref.n;

		if (nested)
			check_nested(l, i, step->gpa, step->level);
		e = &l->ent[*i];
		CHECK(*i < l->e.count, "the guest walk is cut short at level %u", step->level);
		CHECK_EQ(e->dim, NPT_DIM_GUEST, "dim");
		CHECK_EQ(e->address, step->gpa, "address");
		CHECK_EQ(e->value, step->value, "value");
		CHECK_EQ(e->input, l->gva, "input");
		CHECK_EQ(e->level, step->level, "level");
		CHECK_EQ(e->index, step->index & (l->u->levels == 3 && step->level == 3 ? 3 : 1023),
			 "index");
		if (!last)
			CHECK_EQ(e->verdict, NPT_VERDICT_NEXT, "verdict in the middle");
		else if (l->ref.end == REF_OK)
			CHECK_EQ(e->verdict, NPT_VERDICT_LEAF, "verdict of the leaf");
		else if (l->ref.end == REF_PF)
			CHECK(verdict_fits(l, e->verdict), "verdict %u, violations %#x", e->verdict,
			      l->ref.why);
	}
	if (nested && (l->ref.end == REF_OK || l->ref.end == REF_NOMEM))
		check_nested(l, i, l->ref.gpa, l->ref.end == REF_NOMEM ?
			     (l->ref.n ? l->ref.step[l->ref.n - 1].level - 1 : l->u->levels) : 0);
}

static u32 count_dim(const struct look *l, u8 dim)
{
	u32 n = 0;

	for (u32 i = 0; i < l->e.count; i++)
		n += l->ent[i].dim == dim;
	return n;
}

static void check_explained(struct look *l)
{
	u32 mode = l->u->env.mmu.cfg.mode, i = 0;

	/* who only looks can't know whether the host would give a page */
	if (!l->filled && l->want.status >= NPT_STATUS_MMIO && l->e.status == NPT_STATUS_HOST_FAULT)
		l->want.status = l->e.status;
	CHECK_EQ(l->e.status, l->want.status, "status");
	CHECK_EQ(l->e.error_code, l->want.error, "error_code");
	if (l->want.status == NPT_STATUS_OK) {
		CHECK_EQ(l->e.gpa, l->want.gpa, "gpa");
		CHECK_EQ(l->e.hpa, npt_ptr_hpa(env_ptr(&l->u->env, l->e.gpa)), "hpa");
	}
	if (mode == NPT_MMU_SHADOW)
		while (i < l->e.count && l->ent[i].dim == NPT_DIM_SHADOW)
			i++;
	if (l->ref.end != REF_ROM) {
		check_guest(l, &i);
		CHECK_EQ(l->e.count, i, "number of entries");
	}
	CHECK_EQ(l->e.refs_guest, count_dim(l, mode == NPT_MMU_SHADOW ? NPT_DIM_SHADOW :
					    NPT_DIM_GUEST), "refs_guest");
	CHECK_EQ(l->e.refs_nested, count_dim(l, NPT_DIM_NESTED), "refs_nested");
}

/* Looking must change neither counters nor tables nor guest memory. */
static void check_untouched(struct look *l, const u64 *before)
{
	u64 after[NPT_CTR_NR];

	laws_counters(&l->u->env, after);
	for (unsigned int i = 0; i < NPT_CTR_NR; i++)
		CHECK(after[i] == before[i], "counter %u went from %llu to %llu", i, before[i],
		      after[i]);
	uni_compare_tables(l->u);
}

static void explain_one(struct uni *u)
{
	struct look l = {
		.u = u, .gva = uni_random_gva(u), .op = rnd_below(u->rnd, 3),
		.user = rnd_bool(u->rnd),
	};
	u64 before[NPT_CTR_NR];

	failing = &l;
	look_ref(&l);
	if (u->env.mmu.cfg.mode == NPT_MMU_SHADOW) {
		struct ref_out access;

		/* a shadow entry that is made sets the bits that it stands for */
		env_ref(u->env.cpu[0], l.gva, l.op, l.user, &access);
		explain(&l, NPT_EXPLAIN_FILL);
		uni_accept_steps(u, &access);
	} else {
		explain(&l, NPT_EXPLAIN_FILL);
	}
	look_ref(&l);
	/* whether looking needs the right to write is a matter of taste */
	if (l.ref.end != REF_ROM)
		check_explained(&l);
	laws_counters(&u->env, before);
	explain(&l, 0);
	if (u->env.mmu.cfg.mode != NPT_MMU_SHADOW && l.ref.end != REF_ROM)
		check_explained(&l);
	check_untouched(&l, before);
	test_cases++;
	failing = NULL;
}

static void explain_random(u32 mode)
{
	unsigned long round;
	struct rnd rnd;

	test_on_fail = show_failing;
	for_each_round(round, 150, &rnd) {
		struct uni *u = calloc(1, sizeof(*u));

		CHECK(u, "no memory");
		u->rnd = &rnd;
		u->levels = 1 + rnd_below(&rnd, 5);
		if (u->levels == 1)
			u->levels = 0;
		uni_make(u, mode);
		for (int i = 0; i < 200; i++) {
			if (i % 20 == 0)
				uni_random_regs(u);
			explain_one(u);
		}
		laws_check(&u->env);
		env_destroy_clean(&u->env);
		free(u);
	}
}

static void explain_native(void) { explain_random(NPT_MMU_NATIVE); }
static void explain_shadow(void) { explain_random(NPT_MMU_SHADOW); }
static void explain_nested(void) { explain_random(NPT_MMU_NESTED); }

/* Bad requests. */
static void explain_bad(void)
{
	struct npt_mmu_config cfg = env_config(NPT_MMU_NESTED);
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_explain e = { .size = sizeof(e), .op = NPT_OP_INVLPG, .count = NPT_WALK_MAX };
	struct env env;

	CHECK(!env_init(&env, &cfg, NULL), "npt_mmu_init() failed");
	CHECK(!env_add_cpu(&env, NULL), "npt_cpu_init() failed");
	env_add_slot(&env, 0, 1 << 20, NPT_SIZE_4K, false);
	CHECK_EQ((u64)npt_cpu_explain(env.cpu[0], &e, ent), (u64)-EINVAL, "INVLPG");
	e.op = NPT_OP_READ;
	e.flags = ~NPT_EXPLAIN_FILL;
	CHECK_EQ((u64)npt_cpu_explain(env.cpu[0], &e, ent), (u64)-EINVAL, "flags");
	e.flags = 0;
	e.user = 2;
	CHECK_EQ((u64)npt_cpu_explain(env.cpu[0], &e, ent), (u64)-EINVAL, "user");
	e.user = 0;
	e.flags = NPT_EXPLAIN_FILL;
	e.count = 2;	/* less room than entries: what fits, in order */
	memset(ent, 0xee, sizeof(ent));
	CHECK_EQ((u64)npt_cpu_explain(env.cpu[0], &e, ent), 0, "little room");
	CHECK(e.count <= 2, "count");
	CHECK_EQ(ent[2].dim, 0xee, "beyond the room");
	env_destroy_clean(&env);
}

static const struct test tests[] = {
	{ "explain.native", explain_native },
	{ "explain.shadow", explain_shadow },
	{ "explain.nested", explain_nested },
	{ "explain.bad", explain_bad },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
