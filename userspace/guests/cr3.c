// SPDX-License-Identifier: GPL-2.0
/*
 * Several roots that have the same addresses and each its own memory behind them: after
 * every switch of CR3 only that root's may be seen. One global page is shared.
 *
 * Options: roots=N (8), pages=N (16), rounds=N (2000)
 */
#include "guest.h"

#define PRIVATE		0x200000000000ull
#define SHARED		0x300000000000ull
#define MAX_ROOTS	64

static uint64_t root[MAX_ROOTS];

static uint64_t mark(uint64_t r, uint64_t page, uint64_t visits)
{
	return r << 48 | page << 32 | visits;
}

static void build(uint64_t roots, uint64_t n)
{
	uint64_t r, i, shared = (uint64_t)pages(1, 4096);

	for (r = 0; r < roots; r++) {
		root[r] = new_root();
		for (i = 0; i < n; i++) {
			uint64_t page = (uint64_t)pages(1, 4096);

			map(root[r], PRIVATE + (i << 12), page, PTE_P | PTE_W);
			write64(page, mark(r, i, 0));
		}
		map(root[r], SHARED, shared, PTE_P | PTE_W | PTE_G);
	}
}

static void visit(uint64_t r, uint64_t n, uint64_t visits, uint64_t total)
{
	uint64_t i, seen;

	write_cr3(root[r]);
	check(read_cr3() == root[r], "CR3 reads 0x%lx, 0x%lx was written", read_cr3(), root[r]);
	check(read64(SHARED) == total, "the shared page says %lu, expected %lu", read64(SHARED),
	      total);
	write64(SHARED, total + 1);
	for (i = 0; i < n; i++) {
		seen = read64(PRIVATE + (i << 12));
		check(seen == mark(r, i, visits), "root %lu, page %lu shows 0x%lx", r, i, seen);
		write64(PRIVATE + (i << 12), mark(r, i, visits + 1));
	}
}

int main(void)
{
	uint64_t roots = option("roots", 8), n = option("pages", 16);
	uint64_t rounds = option("rounds", 2000), i, r, begin;

	if (!roots || roots > MAX_ROOTS) {
		fail("roots=%lu: expected 1 to %u", roots, MAX_ROOTS);
		return 1;
	}
	build(roots, n);
	write_cr4(read_cr4() | CR4_PGE);
	begin = rdtsc();
	for (i = 0; i < rounds && !failures; i++)
		for (r = 0; r < roots; r++)
			visit(r, n, i, i * roots + r);
	print("cr3: %s, %lu switches among %lu roots, %lu ticks each\n",
	      failures ? "WRONG" : "ok", rounds * roots, roots,
	      rounds ? (rdtsc() - begin) / (rounds * roots) : 0);
	return 0;
}
