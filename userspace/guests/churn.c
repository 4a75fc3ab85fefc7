// SPDX-License-Identifier: GPL-2.0
/*
 * Churn: page-table entries are pointed elsewhere all the time, each change is
 * followed by INVLPG, and what is seen through them is checked. Now and then a
 * whole table changes places, or everything is flushed by CR3.
 *
 * Options: rounds=N (20000), window=N pages (1024), pool=N pages (512)
 */
#include "guest.h"

#define WINDOW	0x100000000000ull

static uint64_t state = 1;

static uint64_t random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct churn {
	uint64_t root;
	uint64_t window, pool;	/* pages */
	uint64_t base;		/* of the pool */
	uint16_t *where;	/* page of the pool behind each page of the window */
	uint32_t *count;	/* writes to each page of the pool */
};

/* A page of the pool holds its number and how often it was written. */
static uint64_t stamp(struct churn *c, uint64_t page)
{
	return page << 32 | c->count[page];
}

static void look(struct churn *c, uint64_t i)
{
	uint64_t gva = WINDOW + (i << 12), page = c->where[i];
	uint64_t seen = read64(gva + 8 * (i & 511));

	check(seen == stamp(c, page), "0x%lx shows 0x%lx, expected 0x%lx", gva, seen,
	      stamp(c, page));
}

static void write(struct churn *c, uint64_t i)
{
	uint64_t gva = WINDOW + (i << 12), page = c->where[i], k;

	c->count[page]++;
	for (k = 0; k < 512; k++)
		write64(gva + 8 * k, stamp(c, page));
}

static void point(struct churn *c, uint64_t i, uint64_t page)
{
	uint64_t gva = WINDOW + (i << 12);

	*pte_at(c->root, gva, 1) = (c->base + (page << 12)) | PTE_P | PTE_W;
	invlpg(gva);
	c->where[i] = page;
}

/* The same entries in a table at another place. */
static void move_table(struct churn *c, uint64_t i)
{
	static uint64_t *spare;
	uint64_t *e = pte_at(c->root, WINDOW + (i << 12), 2);
	uint64_t *old = (uint64_t *)(*e & PTE_ADDR);

	if (!spare)
		spare = pages(1, 4096);
	memcpy(spare, old, 4096);
	*e = (uint64_t)spare | PTE_P | PTE_W;
	write_cr3(c->root);
	/* what the old one says counts no longer */
	memset(old, 0xff, 4096);
	spare = old;
}

static void round(struct churn *c)
{
	uint64_t r = random(), i = (r >> 8) % c->window, k;

	point(c, i, (r >> 32) % c->pool);
	look(c, i);
	if (!(r & 15))
		write(c, i);
	if (!(r & 255))
		move_table(c, i);
	for (k = 0; k < 4; k++)
		look(c, random() % c->window);
}

int main(void)
{
	struct churn c = {
		.root = new_root(),
		.window = option("window", 1024),
		.pool = option("pool", 512),
	};
	uint64_t rounds = option("rounds", 20000), i, begin;

	c.where = pages(c.window * sizeof(*c.where) / 4096 + 1, 4096);
	c.count = pages(c.pool * sizeof(*c.count) / 4096 + 1, 4096);
	c.base = (uint64_t)pages(c.pool, 4096);
	write_cr3(c.root);
	for (i = 0; i < c.window; i++) {
		point(&c, i, i % c.pool);
		if (i < c.pool)
			write(&c, i);
	}
	begin = rdtsc();
	for (i = 0; i < rounds && !failures; i++)
		round(&c);
	for (i = 0; i < c.window; i++)
		look(&c, i);
	print("churn: %s, %lu rounds, %lu ticks each\n", failures ? "WRONG" : "ok", rounds,
	      rounds ? (rdtsc() - begin) / rounds : 0);
	return 0;
}
