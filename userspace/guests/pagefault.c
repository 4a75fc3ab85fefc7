// SPDX-License-Identifier: GPL-2.0
/*
 * The page-fault cycle: touch a page that is not there, map it in the handler,
 * touch it, take it away. Tells how many ticks of the TSC that took.
 *
 * Options: rounds=N (20000), pages=N (64)
 */
#include "guest.h"

#define GVA	0x500000000000ull

static uint64_t root, base, n;
static volatile uint64_t faults;

static void on_pf(struct trap *t)
{
	uint64_t at = read_cr2(), i = (at - GVA) >> 12;

	faults++;
	check(t->error == 0 && i < n, "error 0x%lx at 0x%lx", t->error, at);
	if (failures)
		leave(1);
	*pte_at(root, at, 1) = (base + (i << 12)) | PTE_P | PTE_W;
}

int main(void)
{
	uint64_t rounds = option("rounds", 20000), i, gva, begin, ticks;

	n = option("pages", 64);
	root = new_root();
	base = (uint64_t)pages(n, 4096);
	for (i = 0; i < n; i++) {
		write64(base + (i << 12), i ^ 0x5555);
		map(root, GVA + (i << 12), 0, 0);
	}
	trap_set(14, on_pf);
	write_cr3(root);
	begin = rdtsc();
	for (i = 0; i < rounds && !failures; i++) {
		gva = GVA + (i % n << 12);
		check(read64(gva) == (i % n ^ 0x5555), "0x%lx shows 0x%lx", gva, read64(gva));
		*pte_at(root, gva, 1) = 0;
		invlpg(gva);
	}
	ticks = rdtsc() - begin;
	check(faults == rounds, "%lu faults, expected %lu", faults, rounds);
	print("pagefault: %s, %lu cycles, %lu ticks each\n", failures ? "WRONG" : "ok", rounds,
	      rounds ? ticks / rounds : 0);
	return 0;
}
