// SPDX-License-Identifier: GPL-2.0
/*
 * The missed-flush oracle. Random guests and hosts do what makes translations stale, each
 * time with the flush that this takes. Left alone the oracle must say nothing; with any one
 * flush dropped that matters it must find that, and name the flush.
 *
 * A dropped flush matters if a page was translated before it, the event that it belongs to
 * made that translation wrong, nothing else flushed it, and the page is accessed then. All
 * that is judged by what the test itself did.
 */
#include "host_env.h"
#include "laws.h"
#include "mmu/internal.h"
#include "test.h"
#include "tlb/tlb_impl.h"

#define ROOT(r)		(0x1000ull + (r) * 0x1000)	/* two of them */
#define PDPT		0x3000ull
#define PD(r)		(0x4000ull + (r) * 0x1000)
#define TABLE(r)	(0x6000ull + (r) * 0x1000)
#define PDPT2		0x8000ull
#define PAGES		24u
#define DATA		0x20000ull			/* gpas that entries point at */
#define DATA_PAGES	64u
#define EVENTS		10u

#define PRESENT		0x67ull				/* with A and D */
#define GLOBAL		0x100ull

enum event {
	GUEST_INVLPG,		/* an entry changes, then this */
	GUEST_CR3,
	GUEST_FLUSH,
	GUEST_REGS,
	USER_FLUSH,
	OTHER_ROOT,
	HOST_MOVE,
	HOST_SLOT,
	HOST_LOG,
	EVENTS_NR
};

struct scene {
	struct env env;
	struct npt_cpu *cpu;
	struct npt_oracle *oracle;
	struct env_slot *data;
	struct rnd rnd;
	unsigned int root;		/* in use */
	u64 pte[2][PAGES];
	bool written[PAGES];		/* since the dirty log was last cleared */
	bool wrong[PAGES];		/* made so by the event under way */
	u32 reason;			/* of the flush that it owes */
	bool counted;			/* the dropped flush mattered */
};

static const struct npt_tlb_model model = {
	.size = sizeof(model),
	.flags = NPT_TLB_ORACLE,
	.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K,
		    .entries = 16, .ways = 4 },
	.tlb[1] = { .level = 2, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K,
		    .entries = 64, .ways = 4 },
	.pwc[0] = { .dims = NPT_PWC_GUEST | NPT_PWC_NESTED, .levels = 0x1c, .entries = 8 },
	.ntlb_entries = 8,
};

static u64 gva_of(unsigned int p)
{
	return 0x40000000ull + p * 0x1000ull;
}

static void put(struct scene *s, u64 gpa, u64 e)
{
	memcpy(env_ptr(&s->env, gpa), &e, 8);
}

static u64 random_pte(struct scene *s)
{
	return (DATA + rnd_below(&s->rnd, DATA_PAGES) * 0x1000ull) | PRESENT |
	       (rnd_one_in(&s->rnd, 3) ? GLOBAL : 0);
}

static void make_tables(struct scene *s)
{
	unsigned int r, p;

	for (r = 0; r < 2; r++) {
		put(s, ROOT(r), (r ? PDPT2 : PDPT) | PRESENT);
		put(s, (r ? PDPT2 : PDPT) + 8, PD(r) | PRESENT);
		put(s, PD(r), TABLE(r) | PRESENT);
		for (p = 0; p < PAGES; p++) {
			s->pte[r][p] = random_pte(s);
			put(s, TABLE(r) + p * 8, s->pte[r][p]);
		}
	}
}

static void open_scene(struct scene *s, u64 seed, u64 drop)
{
	struct npt_mmu_config cfg;
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = ROOT(0),
		.cr4 = REF_CR4_PAE, .efer = REF_EFER_LME | REF_EFER_LMA,
	};

	memset(s, 0, sizeof(*s));
	rnd_seed(&s->rnd, seed);
	cfg = env_config(1 + rnd_below(&s->rnd, 3));
	cfg.unsync = rnd_bool(&s->rnd);
	CHECK(!env_init(&s->env, &cfg, &s->rnd), "npt_mmu_init() failed");
	env_add_slot(&s->env, 0, DATA, NPT_SIZE_4K, false);
	s->data = env_add_slot(&s->env, DATA, DATA_PAGES * 0x1000ull, NPT_SIZE_4K, false);
	CHECK(!env_add_cpu(&s->env, &model), "npt_cpu_init() failed");
	s->cpu = s->env.cpu[0];
	s->oracle = s->cpu->tlb->oracle;
	CHECK(s->oracle, "no oracle");
	s->oracle->drop = drop;
	make_tables(s);
	if (rnd_bool(&s->rnd))
		regs.cr4 |= REF_CR4_PGE;
	CHECK(!npt_cpu_set_regs(s->cpu, &regs), "set_regs");
}

static void close_scene(struct scene *s)
{
	laws_check(&s->env);
	CHECK_EQ(s->cpu->ctr[NPT_CTR_tlb_stale_hits], s->oracle->stale, "tlb_stale_hits");
	env_destroy_clean(&s->env);
}

/* Each page is read, some are written. */
static void access_all(struct scene *s)
{
	struct npt_access_result res;
	unsigned int p;

	for (p = 0; p < PAGES; p++) {
		env_access(s->cpu, gva_of(p), NPT_OP_READ, false, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status of a read");
		test_cases++;
	}
	for (p = 0; p < PAGES; p++) {
		if (rnd_bool(&s->rnd))
			continue;
		env_access(s->cpu, gva_of(p), NPT_OP_WRITE, false, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status of a write");
		s->written[p] = true;
	}
}

static bool is_global(struct scene *s, unsigned int p)
{
	return s->cpu->global && s->pte[s->root][p] & GLOBAL;
}

/* The guest points page @p elsewhere. */
static void change_entry(struct scene *s, unsigned int p)
{
	u64 old = s->pte[s->root][p], e = random_pte(s);
	struct npt_access_result res;

	s->wrong[p] = (old ^ e) & ~0xfffull;
	s->pte[s->root][p] = e;
	env_data(s->cpu, TABLE(s->root) + p * 8, NPT_OP_WRITE, NPT_ACCESS_PHYS, &e, 8, &res);
	CHECK_EQ(res.status, NPT_STATUS_OK, "status of a table write");
}

static void guest_event(struct scene *s, enum event event)
{
	struct npt_pending_flush all = { .reason = NPT_FL_USER };
	unsigned int p = rnd_below(&s->rnd, PAGES);
	struct npt_regs regs = s->cpu->regs;

	if (event == GUEST_CR3 && is_global(s, p))
		event = GUEST_FLUSH;
	change_entry(s, p);
	switch (event) {
	case GUEST_INVLPG:
		s->reason = NPT_FL_INVLPG;
		env_op(s->cpu, NPT_OP_INVLPG, gva_of(p));
		break;
	case GUEST_CR3:
		s->reason = NPT_FL_CR3;
		env_op(s->cpu, NPT_OP_MOV_CR3, ROOT(s->root));
		break;
	case GUEST_FLUSH:
		s->reason = NPT_FL_GUEST;
		env_op(s->cpu, NPT_OP_FLUSH, 0);
		break;
	case GUEST_REGS:
		s->reason = NPT_FL_GUEST;
		regs.cr4 ^= REF_CR4_SMEP;
		CHECK(!npt_cpu_set_regs(s->cpu, &regs), "set_regs");
		break;
	default:
		s->reason = NPT_FL_USER;
		npt_cpu_flush_async(s->cpu, &all);
	}
}

/* All pages lead elsewhere. Not with global pages: of those the former root's may stay. */
static void other_root(struct scene *s)
{
	unsigned int p, other = !s->root;

	s->reason = NPT_FL_CR3;
	for (p = 0; p < PAGES; p++)
		s->wrong[p] = (s->pte[s->root][p] ^ s->pte[other][p]) & ~0xfffull;
	s->root = other;
	env_op(s->cpu, NPT_OP_MOV_CR3, ROOT(other));
}

/* A bare machine has its memory, whatever the host does. */
static void host_event(struct scene *s, enum event event)
{
	u64 gpa = DATA + rnd_below(&s->rnd, DATA_PAGES) * 0x1000ull, had;
	bool bare = s->env.mmu.cfg.mode == NPT_MMU_NATIVE;
	unsigned int p;

	for (p = 0; p < PAGES; p++) {
		had = s->pte[s->root][p] & ~0xfffull;
		s->wrong[p] = !bare && (event == HOST_MOVE ? had == gpa :
					event == HOST_SLOT || s->written[p]);
	}
	if (event == HOST_MOVE) {
		s->reason = NPT_FL_NOTIFIER;
		env_move(&s->env, gpa);
	} else if (event == HOST_SLOT) {
		s->reason = NPT_FL_SLOT;
		env_hide_slot(&s->env, s->data);
		env_show_slot(&s->env, s->data, DATA >> 12, DATA_PAGES);
	} else {
		s->reason = NPT_FL_DIRTY_LOG;
		env_clear_dirty(&s->env, s->data);
		memset(s->written, 0, sizeof(s->written));
	}
}

static void one_event(struct scene *s)
{
	enum event event = rnd_below(&s->rnd, EVENTS_NR);

	if (event == OTHER_ROOT && s->cpu->global)
		event = GUEST_FLUSH;
	memset(s->wrong, 0, sizeof(s->wrong));
	if (event < OTHER_ROOT)
		guest_event(s, event);
	else if (event == OTHER_ROOT)
		other_root(s);
	else
		host_event(s, event);
	/* a flush of the host's is carried out when the vCPU next comes by */
	npt_cpu_settle(s->cpu);
}

/* Events up to the one whose flush is dropped, or all. */
static void live(struct scene *s)
{
	u64 before, drop = s->oracle->drop, stale;
	unsigned int i, p;

	access_all(s);
	for (i = 0; i < EVENTS; i++) {
		before = s->oracle->flushes;
		one_event(s);
		if (!drop || s->oracle->flushes < drop) {
			access_all(s);
			continue;
		}
		/* dropped while the pages were accessed, or made good at once, or another one */
		if (before >= drop || s->oracle->flushes > drop ||
		    s->oracle->dropped != s->reason)
			return;
		for (p = 0; p < PAGES && !s->wrong[p]; p++)
			;
		if (p == PAGES)
			return;
		s->counted = true;
		stale = s->oracle->stale;
		access_all(s);
		CHECK(s->oracle->stale > stale, "a dropped flush (%u) was not noticed", s->reason);
		CHECK_EQ(s->oracle->last_reason, s->reason, "the flush that is blamed");
		return;
	}
}

static void silence(void)
{
	unsigned long round;
	struct rnd rnd;
	struct scene s;

	for_each_round(round, 300, &rnd) {
		open_scene(&s, rnd64(&rnd), 0);
		live(&s);
		CHECK_EQ(s.oracle->stale, 0, "stale hits");
		close_scene(&s);
	}
}

/* 1,000 flushes that matter, each dropped in a life of its own. */
static void dropped(void)
{
	unsigned long round, counted = 0, lives = 0;
	struct rnd rnd;
	struct scene s;
	u64 seed, flushes;

	for_each_round(round, 100000, &rnd) {
		if (counted == 1000)
			break;
		seed = rnd64(&rnd);
		open_scene(&s, seed, 0);
		live(&s);
		flushes = s.oracle->flushes;
		CHECK_EQ(s.oracle->stale, 0, "stale hits");
		close_scene(&s);
		if (!flushes)
			continue;
		open_scene(&s, seed, 1 + rnd_below(&rnd, flushes));
		live(&s);
		lives++;
		counted += s.counted;
		close_scene(&s);
	}
	/* One round, or a number of them, that somebody asked for is what it is. */
	if (!getenv("NPT_ROUND") && !getenv("NPT_ROUNDS"))
		CHECK_EQ(counted, 1000, "dropped flushes that mattered");
	printf("# %lu of %lu dropped flushes mattered, all were found\n", counted, lives);
}

static const struct test tests[] = {
	{ "oracle.silence", silence },
	{ "oracle.dropped", dropped },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
