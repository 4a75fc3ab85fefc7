// SPDX-License-Identifier: GPL-2.0
/*
 * What a processor that walks the tables by itself may report, and what must never be:
 * tables that do not fit together. The VM of such tables ends, once, and nothing else.
 */
#include "host_env.h"
#include "mmu/internal.h"
#include "test.h"

#define ROOT	0x1000ull	/* 4-level tables */
#define PDPT	0x2000ull
#define PD	0x3000ull
#define TABLE	0x4000ull	/* maps the pages below PAGES where they are */
#define PAGES	16
#define PAGE_A	0x10000ull
#define X	0x5000ull	/* what is touched */

#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull

#define EC_RESERVED 8	/* of a page-fault error code (APM vol. 2, 8.4.2) */

struct scene {
	struct env env;
	struct npt_cpu *cpu;
};

static void put(struct scene *s, u64 table, unsigned int i, u64 e)
{
	memcpy(env_ptr(&s->env, table + i * 8), &e, 8);
}

static void open_scene(struct scene *s, u32 mode, const struct npt_tlb_model *tlb)
{
	struct npt_mmu_config cfg = env_config(mode);
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = ROOT,
		.cr4 = REF_CR4_PAE | REF_CR4_SMAP, .efer = REF_EFER_LME | REF_EFER_LMA,
	};
	unsigned int i;

	*s = (struct scene){ 0 };
	CHECK(!env_init(&s->env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&s->env, 0, 2 << 20, NPT_SIZE_4K, false);
	CHECK(!env_add_cpu(&s->env, tlb), "npt_cpu_init() failed");
	s->cpu = s->env.cpu[0];
	put(s, ROOT, 0, PDPT | P | W | U);
	put(s, PDPT, 0, PD | P | W | U);
	put(s, PD, 0, TABLE | P | W | U);
	for (i = 0; i < PAGES; i++)
		put(s, TABLE, i, i * 0x1000ull | P | W | U | A | D);
	CHECK(!npt_cpu_set_regs(s->cpu, &regs), "set_regs");
}

static void touch(struct scene *s, u64 gva, unsigned int source)
{
	struct npt_access_result res;

	CHECK_EQ(env_access(s->cpu, gva, NPT_OP_READ, true, &res), NPT_STATUS_OK, "status");
	if (source)
		CHECK_EQ(res.source, source, "source");
	test_cases++;
}

/* The VM is dead and somebody was told why, and it can be taken down like any other. */
static void is_dead(struct scene *s, const char *why)
{
	CHECK(s->env.mmu.dead, "still alive");
	CHECK(s->env.death && strstr(s->env.death, why), "the reason: %s", s->env.death ?: "none");
	env_destroy_clean(&s->env);
}

/* Nothing that the guest does makes reserved bits in our tables. */
static void reserved_nested(void)
{
	struct scene s;
	int i;

	open_scene(&s, NPT_MMU_NESTED, NULL);
	s.env.may_die = true;
	for (i = 0; i < 2; i++)
		CHECK_EQ(npt_hw_nested_fault(s.cpu, PAGE_A, EC_RESERVED), NPT_FAULT_ERROR,
			 "outcome");
	CHECK_EQ(s.cpu->ctr[NPT_CTR_pf_nested], 2, "faults");
	is_dead(&s, "nested table");
}

/* Reserved bits or not: for such an address there are no tables of ours. */
static void beyond(void)
{
	struct scene s;

	open_scene(&s, NPT_MMU_NESTED, NULL);
	CHECK_EQ(npt_hw_nested_fault(s.cpu, 1ull << 48, EC_RESERVED), NPT_FAULT_MMIO, "outcome");
	CHECK(!s.env.mmu.dead, "dead");
	env_destroy_clean(&s.env);
}

static enum npt_fault_outcome fault_at(struct scene *s, u64 gva)
{
	struct npt_hw_fault f = { .gva = gva };

	CHECK(!npt_hw_prepare(s->cpu), "no root");
	if (s->env.mmu.cfg.mode == NPT_MMU_NESTED)
		return npt_hw_nested_fault(s->cpu, gva, 0);
	return npt_hw_shadow_fault(s->cpu, &f);
}

/* One that the host overtakes again and again: the guest gets out in between, to be stopped. */
static void overtaken(void)
{
	struct rnd rnd = { 0 };
	struct scene s;
	int mode, i;

	for (mode = NPT_MMU_SHADOW; mode <= NPT_MMU_NESTED; mode++) {
		open_scene(&s, mode, NULL);
		npt_hw_set_rights(s.cpu, true, 0);
		s.env.rnd = &rnd;
		/* That brings the guest's tables in. */
		CHECK_EQ(fault_at(&s, X + 0x8000), NPT_FAULT_FIXED, "outcome");
		/* The first answers are stale, the last is not. */
		s.env.chaos = 1;
		for (i = 0; i < 3; i++)
			CHECK_EQ(fault_at(&s, X), NPT_FAULT_SPURIOUS, "outcome");
		s.env.chaos = 0;
		CHECK_EQ(fault_at(&s, X), NPT_FAULT_FIXED, "outcome");
		CHECK_EQ(s.cpu->ctr[NPT_CTR_host_map_retry], 3, "retries");
		env_destroy_clean(&s.env);
	}
}

static void reserved_shadow(void)
{
	struct npt_hw_fault f = { .gva = X, .error_code = EC_RESERVED, .gpa = 1 };
	struct scene s;

	open_scene(&s, NPT_MMU_SHADOW, NULL);
	s.env.may_die = true;
	CHECK_EQ(npt_hw_shadow_fault(s.cpu, &f), NPT_FAULT_ERROR, "outcome");
	CHECK_EQ(f.gpa, 0, "gpa");
	is_dead(&s, "shadow table");
}

/*
 * An access that the processor makes for itself, to a descriptor table say, is the
 * supervisor's, and the guest's AC does not help it against SMAP (SDM vol. 3A, 4.6).
 */
static void implicit(void)
{
	static const enum npt_fault_outcome want[] = { NPT_FAULT_FIXED, NPT_FAULT_GUEST };
	struct npt_hw_fault f;
	struct scene s;
	int i;

	for (i = 0; i < 2; i++) {
		f = (struct npt_hw_fault){ .gva = X, .implicit = i };
		open_scene(&s, NPT_MMU_SHADOW, NULL);
		npt_hw_set_rights(s.cpu, true, 0);
		CHECK(!npt_hw_prepare(s.cpu), "no root");
		CHECK_EQ(npt_hw_shadow_fault(s.cpu, &f), want[i], "outcome");
		CHECK(s.cpu->regs.ac, "AC is gone");
		env_destroy_clean(&s.env);
	}
}

/* A table is taken away whose entries' way back is lost: a leaf's, or a table's. */
static void lost(bool leaf)
{
	struct npt_mmu *mmu;
	unsigned long *head;
	struct scene s;
	u64 *spte;

	open_scene(&s, NPT_MMU_SHADOW, NULL);
	s.env.may_die = true;
	touch(&s, X, 0);
	mmu = &s.env.mmu;
	npt_write_lock(&mmu->lock);
	head = npt_rmap_of(mmu, X >> 12);
	spte = npt_rmap_first(*head);
	CHECK(spte, "nothing leads back from the page");
	if (!leaf) {
		head = &npt_sp_of(spte)->parents;
		spte = npt_rmap_first(*head);
	}
	CHECK(npt_rmap_del(mmu, head, spte), "npt_rmap_del()");
	npt_sp_drop_entry(mmu, npt_sp_of(spte), npt_sp_index(spte), NPT_ZAP_GUEST);
	CHECK_EQ(*spte, 0, "the entry");
	npt_write_unlock(&mmu->lock);
	is_dead(&s, leaf ? "reverse map" : "parent");
}

static void lost_leaf(void)
{
	lost(true);
}

static void lost_table(void)
{
	lost(false);
}

/* More flushes asked for than a vCPU remembers: none is lost. */
static void many_flushes(void)
{
	struct npt_tlb_model model = {
		.size = sizeof(model),
		.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K,
			    .entries = 64, .ways = 4 },
	};
	struct npt_pending_flush f = { .scope = NPT_FLUSH_ADDRESS, .reason = NPT_FL_USER };
	unsigned int i, n;
	struct scene s;

	for (n = 1; n <= NPT_PENDING_FLUSHES + 2; n++) {
		open_scene(&s, NPT_MMU_NATIVE, &model);
		for (i = 0; i < PAGES; i++)
			touch(&s, i << 12, NPT_SOURCE_WALK);
		for (i = 0; i < PAGES; i++)
			touch(&s, i << 12, NPT_SOURCE_L1);
		for (i = 0; i < n; i++) {
			f.gva = i << 12;
			npt_cpu_flush_async(s.cpu, &f);
		}
		for (i = 0; i < n; i++)
			touch(&s, i << 12, NPT_SOURCE_WALK);
		/* Those that fit touch nothing else. */
		if (n <= NPT_PENDING_FLUSHES)
			touch(&s, n << 12, NPT_SOURCE_L1);
		env_destroy_clean(&s.env);
	}
}

/* The bytes of an instruction, as far as its page goes; a page comes in for it. */
static void fetch(void)
{
	static const u32 modes[] = { NPT_MMU_NATIVE, NPT_MMU_NESTED, NPT_MMU_SHADOW };
	u8 code[16], got[16];
	struct scene s;
	unsigned int m;

	memset(code, 0x90, sizeof(code));
	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		open_scene(&s, modes[m], NULL);
		memcpy(env_ptr(&s.env, X), code, sizeof(code));
		CHECK_EQ(npt_hw_fetch(s.cpu, X, true, got, 15), 15, "bytes");
		CHECK(!memcmp(code, got, 15), "other bytes");
		CHECK_EQ(npt_hw_fetch(s.cpu, X + 4090, true, got, 15), 6, "bytes of a rest");
		CHECK_EQ(npt_hw_fetch(s.cpu, PAGES << 12, true, got, 15), 0, "bytes of no page");
		env_destroy_clean(&s.env);
		test_cases++;
	}
}

static void translate(void)
{
	static const u64 none[] = { PAGES << 12, 1ull << 47 };
	bool writable, user;
	struct scene s;
	unsigned int i;
	u64 gpa;

	open_scene(&s, NPT_MMU_NESTED, NULL);
	put(&s, TABLE, 1, PAGE_A | P);
	/* SMAP keeps a supervisor from X without AC. */
	CHECK(!npt_cpu_translate(s.cpu, X, &gpa, &writable, &user), "a translation of X");
	npt_hw_set_rights(s.cpu, true, 0);
	CHECK(npt_cpu_translate(s.cpu, X + 5, &gpa, &writable, &user), "no translation");
	CHECK_EQ(gpa, X + 5, "gpa");
	CHECK(writable && user, "rights");
	CHECK(npt_cpu_translate(s.cpu, 0x1000, &gpa, &writable, &user), "no translation");
	CHECK_EQ(gpa, PAGE_A, "gpa");
	CHECK(!writable && !user, "rights that the guest does not give");
	for (i = 0; i < ARRAY_SIZE(none); i++)
		CHECK(!npt_cpu_translate(s.cpu, none[i], &gpa, &writable, &user),
		      "a translation of %#llx", none[i]);
	env_destroy_clean(&s.env);
}

/* What a guest's tables of 32 bits map, as the host lists it. */
static void list_legacy(void)
{
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG, .cr3 = ROOT, .cr4 = REF_CR4_PSE,
	};
	struct npt_table_range r[PAGES + 2];
	u32 pde[] = { TABLE | P | W | U, 0x400000 | P | 0x80 }, pte, i, n;
	bool done = false;
	struct scene s;
	u64 cursor = 0;

	open_scene(&s, NPT_MMU_NATIVE, NULL);
	memcpy(env_ptr(&s.env, ROOT), pde, sizeof(pde));
	memset(env_ptr(&s.env, TABLE), 0, 4096);
	for (i = 0; i < PAGES; i++) {
		pte = (PAGES - i) << 12 | P | U;
		memcpy(env_ptr(&s.env, TABLE + 4 * i), &pte, 4);
	}
	CHECK(!npt_cpu_set_regs(s.cpu, &regs), "set_regs");
	/* Tables that nobody has read are not in the map yet. */
	touch(&s, 0, 0);
	n = npt_table_dump(&s.env.mmu, s.cpu, NPT_DIM_GUEST, &cursor, r, ARRAY_SIZE(r), &done);
	CHECK_EQ(n, PAGES + 1, "ranges");
	for (i = 0; i < PAGES; i++) {
		CHECK_EQ(r[i].start, i << 12, "start");
		CHECK_EQ(r[i].end, (i + 1) << 12, "end");
		CHECK_EQ(r[i].target, (PAGES - i) << 12, "target");
	}
	CHECK_EQ(r[PAGES].start, 4 << 20, "start of the large page");
	CHECK_EQ(r[PAGES].end, 8 << 20, "end of the large page");
	CHECK_EQ(r[PAGES].target, 4 << 20, "target of the large page");
	env_destroy_clean(&s.env);
}

static const struct test tests[] = {
	{ "hw.reserved_nested", reserved_nested },
	{ "hw.reserved_shadow", reserved_shadow },
	{ "hw.beyond", beyond },
	{ "hw.overtaken", overtaken },
	{ "hw.implicit", implicit },
	{ "hw.lost_leaf", lost_leaf },
	{ "hw.lost_table", lost_table },
	{ "hw.many_flushes", many_flushes },
	{ "hw.fetch", fetch },
	{ "hw.translate", translate },
	{ "hw.list_legacy", list_legacy },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
