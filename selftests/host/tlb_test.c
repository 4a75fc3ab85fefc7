// SPDX-License-Identifier: GPL-2.0
/*
 * module/tlb held against a second simulator (tlb_sim.c), against sequences
 * worked out by hand, and against models that make no sense.
 */
#include <stdio.h>
#include <string.h>

#include "tlb/tlb_impl.h"
#include "test.h"
#include "tlb_sim.h"

#define NR_REGIONS	4
#define NR_BLOCKS	48	/* 2 MiB blocks in use in each region */
#define NR_PCIDS	3

/* --- random models --------------------------------------------------------- */

static void random_geometry(struct rnd *r, __u32 *entries, __u32 *ways)
{
	static const u8 many[] = { 1, 1, 2, 3, 4, 4, 5, 8, 8, 12, 16 };
	static const u8 sets[] = { 1, 2, 3, 4, 7, 8, 16, 24, 32 };

	if (rnd_one_in(r, 4)) {
		*entries = 1 + rnd_below(r, rnd_one_in(r, 4) ? 140 : 40);
		*ways = rnd_bool(r) ? 0 : *entries;
	} else {
		*ways = many[rnd_below(r, ARRAY_SIZE(many))];
		*entries = *ways * sets[rnd_below(r, ARRAY_SIZE(sets))];
	}
}

static void random_units(struct rnd *r, struct npt_tlb_model *m)
{
	unsigned int i, n = rnd_below(r, rnd_bool(r) ? 4 : 9);
	unsigned int policy = rnd_below(r, 4);

	for (i = 0; i < n; i++) {
		/* gaps between the slots in use are allowed */
		struct npt_tlb_unit *u = &m->tlb[i + (rnd_one_in(r, 8) ? 6 : 0)];

		u->level = 1 + rnd_below(r, 2);
		u->kinds = 1 + rnd_below(r, 3);
		u->pages = rnd_bool(r) ? 7 : 1 + rnd_below(r, 7);
		u->policy = rnd_one_in(r, 8) ? rnd_below(r, 4) : policy;
		random_geometry(r, &u->entries, &u->ways);
	}
}

static void random_caches(struct rnd *r, struct npt_tlb_model *m)
{
	unsigned int i, n = rnd_below(r, 6);

	for (i = 0; i < n; i++) {
		struct npt_pwc_unit *u = &m->pwc[i];

		u->dims = 1 + rnd_below(r, 3);
		u->levels = 4 * (1 + rnd_below(r, 15));
		random_geometry(r, &u->entries, &u->ways);
	}
	if (rnd_bool(r))
		random_geometry(r, &m->ntlb_entries, &m->ntlb_ways);
}

static void random_model(struct rnd *r, struct npt_tlb_model *m)
{
	memset(m, 0, sizeof(*m));
	m->size = sizeof(*m);
	random_units(r, m);
	random_caches(r, m);
}

/* --- a guest's address space -------------------------------------------------- */

struct block {
	u8 size;
	bool global;
};

struct world {
	struct npt_tlb *tlb;
	struct sim sim;
	struct rnd *r;
	u64 ctr[NPT_CTR_NR];
	u8 giant[NR_REGIONS];			/* 1: mapped by one 1G page, 2: a global one */
	struct block block[NR_REGIONS][NR_BLOCKS];
	unsigned int pcid;
	unsigned int blocks, pages;		/* footprint: blocks, pages of each */
	unsigned int pattern;
	u64 step;				/* of the pattern */
};

static const u64 region_base[NR_REGIONS] = {
	0x0000000040000000, 0x00007f0040000000, 0xffff888000000000, 0xff11000080000000,
};

static void random_block(struct world *w, struct block *b)
{
	b->size = rnd_bool(w->r) ? NPT_SIZE_4K : NPT_SIZE_2M;
	b->global = rnd_one_in(w->r, 4);
}

static void world_init(struct world *w, struct rnd *r, const struct npt_tlb_model *m)
{
	bool small = rnd_bool(r);	/* 4K pages only */
	unsigned int i, j;

	memset(w, 0, sizeof(*w));
	w->r = r;
	w->tlb = npt_tlb_create(m, w->ctr);
	CHECK(w->tlb, "no memory");
	sim_init(&w->sim, m);
	for (i = 0; i < NR_REGIONS; i++) {
		w->giant[i] = !small && rnd_one_in(r, 6) ? 1 + rnd_below(r, 2) : 0;
		for (j = 0; j < NR_BLOCKS && !small; j++)
			random_block(w, &w->block[i][j]);
	}
	w->blocks = 1 + rnd_below(r, NR_BLOCKS);
	w->pages = 1 + rnd_below(r, rnd_bool(r) ? 8 : 512);
}

static void world_exit(struct world *w)
{
	npt_tlb_destroy(w->tlb);
	sim_exit(&w->sim);
	CHECK_EQ(npt_shim_objects_out, 0, "objects left");
}

/* Number @n of the footprint's pages. */
static u64 world_gva(const struct world *w, u64 n)
{
	unsigned int page = n % w->pages, block = n / w->pages % w->blocks;
	unsigned int region = n / w->pages / w->blocks % NR_REGIONS;

	return region_base[region] + ((u64)block << 21) + ((u64)page << 12);
}

static u64 next_gva(struct world *w)
{
	u64 all = (u64)w->pages * w->blocks * NR_REGIONS, n;

	if (rnd_one_in(w->r, 200))
		w->pattern = rnd_below(w->r, 5);
	w->step++;
	switch (w->pattern) {
	case 0:
		n = rnd64(w->r) % all;
		break;
	case 1:	/* a stream */
		n = w->step / 3;
		break;
	case 2:	/* a loop about as large as a TLB */
		n = w->step % (1 + w->pages % 70);
		break;
	case 3:	/* strides */
		n = w->step * 37 * w->pages;
		break;
	default: /* a hot set */
		n = rnd64(w->r) % (rnd_one_in(w->r, 8) ? all : min_t(u64, all, 24));
	}
	return world_gva(w, n % all) + rnd_below(w->r, 4096);
}

static unsigned int region_of(u64 gva)
{
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++)
		if (gva >= region_base[i] && gva - region_base[i] < 1 << 30)
			return i;
	return 0;
}

/* A translation of @gva as the tables have it now. */
static struct sim_page translate(struct world *w, u64 gva)
{
	unsigned int region = region_of(gva);
	const struct block *b = &w->block[region][(gva - region_base[region]) >> 21];
	struct sim_page p = { .size = b->size, .global = b->global };

	if (w->giant[region]) {
		p.size = NPT_SIZE_1G;
		p.global = w->giant[region] == 2;
	}
	p.val = (rnd64(w->r) & NPT_TLBV_FRAME) | (rnd64(w->r) & NPT_TLBV_RIGHTS) |
		(u64)p.size << NPT_TLBV_SIZE_SHIFT | (p.global ? NPT_TLBV_G : 0);
	return p;
}

/* --- one step of each sort, in both simulators ---------------------------------- */

static void step_fill(struct world *w, unsigned int kind, u64 gva, bool upgrade)
{
	struct sim_page p = translate(w, gva);

	npt_tlb_fill(w->tlb, kind, gva, w->pcid, p.val);
	sim_fill(&w->sim, kind, gva, w->pcid, &p, upgrade);
}

static void step_lookup(struct world *w)
{
	unsigned int kind = rnd_one_in(w->r, 3) ? NPT_KIND_FETCH : NPT_KIND_DATA;
	u64 gva = next_gva(w), val = 0, sim_val = 0;
	unsigned int got, want;

	want = sim_lookup(&w->sim, kind, gva, w->pcid, &sim_val);
	if (rnd_bool(w->r))
		got = npt_tlb_lookup(w->tlb, kind, gva, w->pcid, &val);
	else
		got = npt_tlb_lookup_fast(w->tlb, kind, gva, w->pcid, &val);
	CHECK_EQ(got, want, "source of a translation");
	if (want != NPT_SOURCE_NONE)
		CHECK_EQ(val, sim_val, "value of a translation");
	else if (!rnd_one_in(w->r, 32))
		step_fill(w, kind, gva, false);
	if (want != NPT_SOURCE_NONE && rnd_one_in(w->r, 32))
		step_fill(w, kind, gva, true);
	test_cases++;
}

/*
 * The guest changes page sizes or what is global, and flushes. (Without a flush two
 * entries could match one address, and either might be hit, as on hardware.)
 */
static void step_remap(struct world *w)
{
	unsigned int region = rnd_below(w->r, NR_REGIONS), i;

	for (i = 0; i < NR_BLOCKS; i++)
		if (rnd_bool(w->r))
			random_block(w, &w->block[region][i]);
	CHECK_EQ(npt_tlb_flush_all(w->tlb), sim_flush_all(&w->sim), "entries dropped");
}

static void step_flush(struct world *w)
{
	u64 gva = next_gva(w);

	switch (rnd_below(w->r, 10)) {
	case 8:
	case 9:
		npt_tlb_forget(w->tlb, gva, w->pcid);
		sim_forget(&w->sim, gva, w->pcid);
		break;
	case 0:
		CHECK_EQ(npt_tlb_flush_all(w->tlb), sim_flush_all(&w->sim),
			 "entries dropped by a full flush");
		break;
	case 1:
		CHECK_EQ(npt_tlb_flush_nonglobal(w->tlb), sim_flush_nonglobal(&w->sim),
			 "entries dropped by a flush of what is not global");
		break;
	case 2:
	case 3:
		CHECK_EQ(npt_tlb_flush_pcid(w->tlb, w->pcid), sim_flush_pcid(&w->sim, w->pcid),
			 "entries dropped by PCID");
		break;
	default:
		CHECK_EQ(npt_tlb_flush_addr(w->tlb, gva, w->pcid),
			 sim_flush_addr(&w->sim, gva, w->pcid), "entries dropped by address");
	}
}

static void compare_counters(const struct world *w)
{
	int i;

	for (i = 0; i < NPT_CTR_NR; i++)
		CHECK(w->ctr[i] == w->sim.ctr[i], "counter number %d: got %llu, expected %llu", i,
		      w->ctr[i], w->sim.ctr[i]);
}

static void step_pwc(struct world *w)
{
	unsigned int dim = rnd_bool(w->r) ? NPT_PWC_GUEST : NPT_PWC_NESTED;
	unsigned int top = 2 + rnd_below(w->r, 4), level = 2 + rnd_below(w->r, top - 1);
	unsigned int pcid = dim == NPT_PWC_GUEST ? w->pcid : 0;
	u64 addr = next_gva(w), want[3] = {}, in[3];
	struct npt_pwc_val val = {};
	bool got;

	if (dim == NPT_PWC_NESTED)
		addr &= GENMASK_ULL(51, 0);
	got = npt_pwc_lookup(w->tlb, dim, addr, pcid, top, &val);
	CHECK_EQ(got, sim_pwc_lookup(&w->sim, dim, addr, pcid, top, want), "walk cache hit");
	if (got) {
		CHECK_EQ(val.table, want[0], "walk cache: table");
		CHECK_EQ(val.rights | val.level << 8, want[1], "walk cache: rights and level");
		CHECK_EQ(val.cost_guest | val.cost_nested << 8, want[2], "walk cache: cost");
	}
	val.table = rnd64(w->r) & NPT_TLBV_FRAME;
	val.rights = rnd_below(w->r, 8);
	val.level = level - 1;
	val.cost_guest = rnd_below(w->r, 6);
	val.cost_nested = rnd_below(w->r, 36);
	in[0] = val.table;
	in[1] = val.rights | val.level << 8;
	in[2] = val.cost_guest | val.cost_nested << 8;
	npt_pwc_fill(w->tlb, dim, addr, pcid, level, &val);
	sim_pwc_fill(&w->sim, dim, addr, pcid, level, in);
	test_cases++;
}

static void step_ntlb(struct world *w)
{
	u64 gva = next_gva(w), gpa = gva & GENMASK_ULL(51, 0);
	u64 want[3] = {}, in[3];
	struct npt_ntlb_val val = {};
	bool got = npt_ntlb_lookup(w->tlb, gpa, &val);

	CHECK_EQ(got, sim_ntlb_lookup(&w->sim, gpa, want), "nested TLB hit");
	if (got) {
		CHECK_EQ(val.frame, want[0], "nested TLB: frame");
		CHECK_EQ(val.rights | val.cost << 8, want[1], "nested TLB: rights and cost");
		CHECK_EQ(val.size, want[2], "nested TLB: size");
		if (!rnd_one_in(w->r, 16))
			return;
	}
	val.size = translate(w, gva).size;
	if (rnd_one_in(w->r, 64))
		val.size = rnd_below(w->r, 3);
	val.frame = rnd64(w->r) & NPT_TLBV_FRAME;
	val.rights = rnd_below(w->r, 16);
	val.cost = rnd_below(w->r, 6);
	in[0] = val.frame;
	in[1] = val.rights | val.cost << 8;
	in[2] = val.size;
	npt_ntlb_fill(w->tlb, gpa, &val);
	sim_ntlb_fill(&w->sim, gpa, val.size, in);
	test_cases++;
}

static bool has_pwc(const struct npt_tlb_model *m, unsigned int dim)
{
	unsigned int i;

	for (i = 0; i < NPT_PWC_UNITS; i++)
		if (m->pwc[i].dims & dim)
			return true;
	return false;
}

static void run_world(struct rnd *r, const struct npt_tlb_model *m, unsigned int steps,
		      bool caches)
{
	struct world w;

	world_init(&w, r, m);
	CHECK_EQ(npt_tlb_has_pwc(w.tlb, NPT_PWC_GUEST), has_pwc(m, NPT_PWC_GUEST), "has_pwc");
	CHECK_EQ(npt_tlb_has_pwc(w.tlb, NPT_PWC_NESTED), has_pwc(m, NPT_PWC_NESTED), "has_pwc");
	CHECK_EQ(npt_tlb_has_ntlb(w.tlb), !!m->ntlb_entries, "has_ntlb");
	while (steps--) {
		if (rnd_one_in(r, 64))
			w.pcid = rnd_below(r, NR_PCIDS) * 2047;
		if (rnd_one_in(r, 3000))
			step_remap(&w);
		if (rnd_one_in(r, 400))
			step_flush(&w);
		if (!caches || rnd_bool(r))
			step_lookup(&w);
		else if (rnd_bool(r))
			step_pwc(&w);
		else
			step_ntlb(&w);
	}
	compare_counters(&w);
	CHECK_EQ(npt_tlb_flush_all(w.tlb), sim_flush_all(&w.sim), "entries left at the end");
	CHECK_EQ(npt_tlb_flush_all(w.tlb), 0, "entries left in an empty TLB");
	compare_counters(&w);
	world_exit(&w);
}

static void test_random(void)
{
	struct npt_tlb_model m;
	unsigned long round;
	const char *why = "";
	struct rnd r;

	for_each_round(round, 300, &r) {
		random_model(&r, &m);
		CHECK(!npt_tlb_model_check(&m, &why), "a good model was refused: %s", why);
		run_world(&r, &m, 12000, false);
	}
}

static void test_caches(void)
{
	struct npt_tlb_model m;
	unsigned long round;
	struct rnd r;

	for_each_round(round, 150, &r) {
		random_model(&r, &m);
		run_world(&r, &m, 12000, true);
	}
}

/* The geometry that counts are compared at with other simulators, each policy. */
static void test_reference_geometry(void)
{
	struct npt_tlb_model m = { .size = sizeof(m) };
	unsigned long round;
	struct rnd r;
	int i;

	m.tlb[0] = (struct npt_tlb_unit){ 1, NPT_TLB_FETCH, 7, 0, 128, 8, 0 };
	m.tlb[1] = (struct npt_tlb_unit){ 1, NPT_TLB_DATA, 7, 0, 64, 4, 0 };
	m.tlb[2] = (struct npt_tlb_unit){ 2, NPT_TLB_DATA | NPT_TLB_FETCH, 7, 0, 2048, 16, 0 };
	for_each_round(round, 40, &r) {
		for (i = 0; i < 3; i++)
			m.tlb[i].policy = round % 4;
		run_world(&r, &m, 30000, false);
	}
}

/* --- sequences worked out by hand ------------------------------------------------ */

/*
 * One set of @ways; a letter is a page. Upper case: must miss (and is filled),
 * lower case: must hit.
 */
static void play(unsigned int policy, unsigned int ways, const char *pages)
{
	struct npt_tlb_model m = { .size = sizeof(m) };
	u64 ctr[NPT_CTR_NR] = {}, val;
	struct npt_tlb *tlb;
	const char *p;

	m.tlb[0] = (struct npt_tlb_unit){ 1, NPT_TLB_DATA, NPT_PAGE_4K, policy, ways, 0, 0 };
	tlb = npt_tlb_create(&m, ctr);
	CHECK(tlb, "no memory");
	for (p = pages; *p; p++) {
		u64 gva = (u64)(*p & 31) << 12;
		bool hit = npt_tlb_lookup_fast(tlb, NPT_KIND_DATA, gva, 0, &val) == NPT_SOURCE_L1;

		CHECK(hit == (*p >= 'a'), "policy %u, %u ways, \"%s\" at %d: %s", policy, ways,
		      pages, (int)(p - pages), hit ? "hit" : "missed");
		if (!hit)
			npt_tlb_fill(tlb, NPT_KIND_DATA, gva, 0, gva);
		else
			CHECK_EQ(val, gva, "value");
	}
	npt_tlb_destroy(tlb);
}

static void test_by_hand(void)
{
	/* LRU: the use of A keeps it */
	play(NPT_TLB_LRU, 2, "ABaCaBaCBAbC");
	/* FIFO: it does not */
	play(NPT_TLB_FIFO, 2, "ABaCcAaBbCc");
	/* LFU: A has most uses; among equals the lowest way goes */
	play(NPT_TLB_LFU, 2, "ABaaCaBaCBa");
	play(NPT_TLB_LFU, 3, "ABCDbcADbcA");
	/* bit-PLRU: the fill of D clears the bits of A, B, C */
	play(NPT_TLB_PLRU, 4, "ABCDEFGHfgdEHgd");
	play(NPT_TLB_PLRU, 4, "ABCDaEaFdBefb");
	play(NPT_TLB_PLRU, 1, "AaBbAB");
}

static void test_upgrade(void)
{
	struct npt_tlb_model m = { .size = sizeof(m) };
	u64 ctr[NPT_CTR_NR] = {}, val;
	struct npt_tlb *tlb;
	unsigned int i;

	m.tlb[0] = (struct npt_tlb_unit){ 1, NPT_TLB_DATA, 7, NPT_TLB_LFU, 2, 0, 0 };
	m.tlb[1] = (struct npt_tlb_unit){ 2, NPT_TLB_DATA, 7, NPT_TLB_LFU, 2, 0, 0 };
	tlb = npt_tlb_create(&m, ctr);
	CHECK(tlb, "no memory");
	for (i = 0; i < 4; i++) {	/* page 0 stays in the first level only */
		npt_tlb_lookup(tlb, NPT_KIND_DATA, 0, 0, &val);
		if (npt_tlb_lookup(tlb, NPT_KIND_DATA, (u64)i << 12, 0, &val) == NPT_SOURCE_NONE)
			npt_tlb_fill(tlb, NPT_KIND_DATA, (u64)i << 12, 0, 0x1000);
	}
	npt_tlb_fill(tlb, NPT_KIND_DATA, 0, 0, 0x2000 | NPT_TLBV_D);
	CHECK_EQ(npt_tlb_lookup(tlb, NPT_KIND_DATA, 0, 0, &val), NPT_SOURCE_L1, "source");
	CHECK_EQ(val, 0x2000 | NPT_TLBV_D, "value after the upgrade");
	/* split: the new 4K entry must be hit, not the old 2M one */
	npt_tlb_flush_all(tlb);
	npt_tlb_lookup(tlb, NPT_KIND_DATA, 0x5000, 0, &val);
	npt_tlb_fill(tlb, NPT_KIND_DATA, 0x5000, 0, 0x200000 | 1 << NPT_TLBV_SIZE_SHIFT);
	npt_tlb_lookup(tlb, NPT_KIND_DATA, 0x5000, 0, &val);
	CHECK_EQ(val, 0x200000 | 1 << NPT_TLBV_SIZE_SHIFT, "2M entry");
	npt_tlb_fill(tlb, NPT_KIND_DATA, 0x5000, 0, 0x7000);
	npt_tlb_lookup(tlb, NPT_KIND_DATA, 0x5000, 0, &val);
	CHECK_EQ(val, 0x7000, "4K entry after the split");
	CHECK_EQ(npt_tlb_lookup(tlb, NPT_KIND_DATA, 0x6000, 0, &val), NPT_SOURCE_NONE,
		 "the 2M entry is gone");
	CHECK_EQ(npt_tlb_flush_all(tlb), 2, "entries after the split");
	npt_tlb_destroy(tlb);
}

/* --- models -------------------------------------------------------------------- */

static void refuse(const struct npt_tlb_model *m, const char *what)
{
	const char *why = NULL;

	CHECK_EQ(npt_tlb_model_check(m, &why), (u64)-EINVAL, what);
	CHECK(why && *why, "%s: no reason given", what);
	CHECK_EQ(npt_tlb_model_check(m, NULL), (u64)-EINVAL, what);
	test_cases++;
}

static const struct npt_tlb_model good = {
	.size = sizeof(good),
	.flags = NPT_TLB_VPID | NPT_TLB_PCID,
	.tlb[0] = { 1, 3, 7, NPT_TLB_PLRU, 65536, 1024, 0 },
	.tlb[15] = { 2, 1, 1, NPT_TLB_LRU, 1024, 0, 0 },
	.pwc[0] = { 3, 0x3c, 0, 4096, 4, 0 },
	.pwc[9] = { 1, 4, 0, 1024, 0, 0 },
	.ntlb_entries = 65536,
	.ntlb_ways = 64,
	.cost = { .ref = ~0u },
};

#define REFUSE(field, value) do {		\
	m = good;				\
	m.field = (value);			\
	refuse(&m, #field " = " #value);	\
} while (0)

static void test_model_check(void)
{
	struct npt_tlb_model m = good;

	CHECK_EQ(npt_tlb_model_check(&m, NULL), 0, "good model");
	REFUSE(size, sizeof(m) - 1);
	REFUSE(size, 0);
	REFUSE(flags, 8);
	REFUSE(tlb[0].level, 3);
	REFUSE(tlb[0].level, 0);
	REFUSE(tlb[1].entries, 1);
	REFUSE(tlb[1].policy, 1);
	REFUSE(tlb[1].__reserved, 1);
	REFUSE(tlb[0].__reserved, 1);
	REFUSE(tlb[0].kinds, 0);
	REFUSE(tlb[0].kinds, 4);
	REFUSE(tlb[0].pages, 0);
	REFUSE(tlb[0].pages, 8);
	REFUSE(tlb[0].policy, 4);
	REFUSE(tlb[0].entries, 0);
	REFUSE(tlb[0].entries, 65537);
	REFUSE(tlb[0].entries, 65536 - 4);
	REFUSE(tlb[0].entries, ~0u);
	REFUSE(tlb[0].ways, 2048);
	REFUSE(tlb[0].ways, 3);
	REFUSE(tlb[0].ways, 0);
	REFUSE(tlb[15].entries, 1025);
	REFUSE(tlb[15].ways, ~0u);
	REFUSE(pwc[0].dims, 0);
	REFUSE(pwc[0].dims, 4);
	REFUSE(pwc[0].levels, 0);
	REFUSE(pwc[0].levels, 2);
	REFUSE(pwc[0].levels, 0x40);
	REFUSE(pwc[0].__reserved, 1);
	REFUSE(pwc[0].__reserved2, 1);
	REFUSE(pwc[1].__reserved2, 1);
	REFUSE(pwc[1].entries, 4);
	REFUSE(pwc[0].entries, 4097);
	REFUSE(pwc[0].entries, 0);
	REFUSE(pwc[0].ways, 3);
	REFUSE(pwc[0].ways, 0);
	REFUSE(ntlb_entries, 65537);
	REFUSE(ntlb_entries, 0);
	REFUSE(ntlb_ways, 0);
	REFUSE(ntlb_ways, 3);
	REFUSE(cost.__reserved[0], 1);
	REFUSE(cost.__reserved[1], 1);
}

/* Whatever is accepted must be usable. */
static void test_hostile_models(void)
{
	struct npt_tlb_model m;
	unsigned long round;
	struct rnd r;
	u8 *bytes = (u8 *)&m;
	unsigned int i, n;

	for_each_round(round, 20000, &r) {
		if (rnd_one_in(&r, 8))
			for (i = 0; i < sizeof(m); i++)
				bytes[i] = rnd64(&r);
		else if (rnd_bool(&r))
			m = good;
		else
			random_model(&r, &m);
		n = rnd_below(&r, 4);
		while (n--)
			bytes[rnd_below(&r, sizeof(m))] = rnd_bool(&r) ? rnd64(&r) :
							  rnd_below(&r, 9);
		if (!npt_tlb_model_check(&m, NULL) && rnd_one_in(&r, 32))
			run_world(&r, &m, 60, true);
		test_cases++;
	}
}

static void test_no_memory(void)
{
	u64 ctr[NPT_CTR_NR];
	struct npt_tlb *tlb;
	unsigned int n;

	for (n = 0; ; n++) {
		npt_shim_fail_after = n;
		npt_shim_failures = 0;
		tlb = npt_tlb_create(&good, ctr);
		npt_shim_fail_after = -1;
		if (!npt_shim_failures)
			break;
		CHECK(!tlb, "created though allocation %u failed", n);
		CHECK_EQ(npt_shim_objects_out, 0, "objects left");
		test_cases++;
	}
	CHECK(tlb && n >= 6, "allocation %u was the last to fail", n);
	npt_tlb_destroy(tlb);
	npt_tlb_destroy(NULL);
	CHECK_EQ(npt_shim_objects_out, 0, "objects left");
}

/* --- cost ------------------------------------------------------------------------ */

static u64 plain_cost(const struct npt_cost *c, const u64 *n)
{
	/* so few bits that nothing can overflow */
	return n[NPT_CTR_lookups] * c->l1_hit +
	       (n[NPT_CTR_l2_hit] + n[NPT_CTR_l2_miss]) * c->l2_hit +
	       (n[NPT_CTR_pwc_guest_hit] + n[NPT_CTR_pwc_nested_hit]) * c->pwc_hit +
	       n[NPT_CTR_ntlb_hit] * c->ntlb_hit +
	       (n[NPT_CTR_refs_guest] + n[NPT_CTR_refs_nested] + n[NPT_CTR_refs_faulted]) *
			c->ref +
	       n[NPT_CTR_guest_pf] * c->guest_fault + n[NPT_CTR_pf_nested] * c->nested_fault +
	       n[NPT_CTR_pf_shadow] * c->shadow_fault +
	       n[NPT_CTR_pf_emulate] * c->pte_write + n[NPT_CTR_tlb_flush] * c->flush;
}

static void test_cost(void)
{
	u64 ctr[NPT_CTR_NR];
	struct npt_cost c;
	__u32 *cost = (__u32 *)&c;
	unsigned long round;
	struct rnd r;
	unsigned int i;

	for_each_round(round, 2000, &r) {
		for (i = 0; i < NPT_CTR_NR; i++)
			ctr[i] = rnd64(&r) >> 28;
		for (i = 0; i < sizeof(c) / 4; i++)
			cost[i] = rnd_one_in(&r, 3) ? 0 : rnd_below(&r, 1 << 20);
		CHECK_EQ(npt_cost_cycles(&c, ctr), plain_cost(&c, ctr), "cycles");
		test_cases++;
	}
	memset(&c, 0xff, sizeof(c));
	ctr[NPT_CTR_tlb_flush] = 1ULL << 40;
	CHECK_EQ(npt_cost_cycles(&c, ctr), ~0ULL, "cycles beyond 64 bits");
}

int main(void)
{
	static const struct test tests[] = {
		{ "sequences worked out by hand", test_by_hand },
		{ "upgrades in place", test_upgrade },
		{ "reference geometry, all policies, against a second simulator",
		  test_reference_geometry },
		{ "random geometries against a second simulator", test_random },
		{ "walk caches and nested TLB against a second simulator", test_caches },
		{ "models out of range are refused", test_model_check },
		{ "whatever model is accepted works", test_hostile_models },
		{ "each allocation failure is survived", test_no_memory },
		{ "cost model", test_cost },
	};

	return test_main(tests, ARRAY_SIZE(tests));
}
