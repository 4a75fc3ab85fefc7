// SPDX-License-Identifier: GPL-2.0
#include "tlb_random.h"
#include "test.h"

/* A number of ways that divides @entries and leaves a power of two of sets. */
static u32 random_ways(struct rnd *rnd, u32 entries)
{
	u32 ways = 1u << rnd_below(rnd, 4);

	if (rnd_one_in(rnd, 3) || ways > entries)
		return 0;
	return ways;
}

static void random_unit(struct rnd *rnd, struct npt_tlb_unit *u, u8 level, u8 kinds, u8 pages)
{
	u->level = level;
	u->kinds = kinds;
	u->pages = pages;
	u->policy = rnd_below(rnd, 4);
	u->entries = 1u << rnd_below(rnd, level == 1 ? 5 : 7);
	u->ways = random_ways(rnd, u->entries);
}

static unsigned int random_arrays(struct rnd *rnd, struct npt_tlb_unit *u, u8 level)
{
	const u8 all = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G;
	unsigned int n = 0;

	if (rnd_bool(rnd)) {	/* split by kind, one array for every page size */
		random_unit(rnd, &u[n++], level, NPT_TLB_FETCH, all);
		random_unit(rnd, &u[n++], level, NPT_TLB_DATA, all);
		return n;
	}
	if (level == 1) {	/* one array per page size; some sizes may have none */
		for (u8 kind = NPT_TLB_FETCH; kind <= NPT_TLB_DATA; kind++)
			for (u8 size = NPT_PAGE_4K; size <= NPT_PAGE_1G; size <<= 1)
				if (size == NPT_PAGE_4K || rnd_below(rnd, 4))
					random_unit(rnd, &u[n++], level, kind, size);
		return n;
	}
	random_unit(rnd, &u[n++], level, NPT_TLB_FETCH | NPT_TLB_DATA,
		    NPT_PAGE_4K | (rnd_bool(rnd) ? NPT_PAGE_2M : 0));
	return n;
}

static void random_pwc(struct rnd *rnd, struct npt_pwc_unit *u, u8 dims)
{
	u->dims = dims;
	u->levels = rnd_below(rnd, 16) << 2;
	if (!u->levels)
		u->levels = 4;
	u->entries = 1u << rnd_below(rnd, 5);
	u->ways = random_ways(rnd, u->entries);
}

void tlb_random(struct rnd *rnd, struct npt_tlb_model *m, unsigned int parts)
{
	const char *why = NULL;
	unsigned int n = 0;

	memset(m, 0, sizeof(*m));
	m->size = sizeof(*m);
	m->flags = rnd_below(rnd, 4);
	if (parts & TLB_ARRAYS) {
		n = random_arrays(rnd, m->tlb, 1);
		if (rnd_bool(rnd))
			random_arrays(rnd, m->tlb + n, 2);
	}
	if (parts & TLB_WALK) {
		if (rnd_bool(rnd))
			random_pwc(rnd, &m->pwc[0], NPT_PWC_GUEST);
		if (rnd_bool(rnd))
			random_pwc(rnd, &m->pwc[1], NPT_PWC_NESTED);
		if (rnd_bool(rnd)) {
			m->ntlb_entries = 1u << rnd_below(rnd, 6);
			m->ntlb_ways = random_ways(rnd, m->ntlb_entries);
		}
	}
	for (u32 *c = &m->cost.l1_hit; c <= &m->cost.flush; c++)
		*c = rnd_below(rnd, 100);
	CHECK(!npt_tlb_model_check(m, &why), "a random TLB model was refused: %s", why);
}
