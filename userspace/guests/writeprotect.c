// SPDX-License-Identifier: GPL-2.0
/*
 * The write-protect cycle, as copy-on-write and dirty tracking in a guest have it:
 * write to a read-only page, make it writable in the handler, write, protect it
 * again. Tells how many ticks of the TSC that took.
 *
 * Options: rounds=N (20000), pages=N (64)
 */
#include "guest.h"

#define GVA	0x600000000000ull

static uint64_t root, base, n;
static volatile uint64_t faults;

static void on_pf(struct trap *t)
{
	uint64_t at = read_cr2(), *e = pte_at(root, at, 1);

	faults++;
	check(t->error == (PF_P | PF_W) && (at - GVA) >> 12 < n, "error 0x%lx at 0x%lx", t->error,
	      at);
	if (failures)
		leave(1);
	check(!(*e & PTE_D), "dirty before it was written");
	*e |= PTE_W;
	invlpg(at);
}

int main(void)
{
	uint64_t rounds = option("rounds", 20000), i, gva, begin, ticks;

	n = option("pages", 64);
	root = new_root();
	base = (uint64_t)pages(n, 4096);
	for (i = 0; i < n; i++)
		map(root, GVA + (i << 12), base + (i << 12), PTE_P);
	trap_set(14, on_pf);
	write_cr3(root);
	begin = rdtsc();
	for (i = 0; i < rounds && !failures; i++) {
		uint64_t *e;

		gva = GVA + (i % n << 12);
		write64(gva, i);
		e = pte_at(root, gva, 1);
		check(*e & PTE_D, "written and not dirty");
		*e &= ~(PTE_W | PTE_D);
		invlpg(gva);
	}
	ticks = rdtsc() - begin;
	check(faults == rounds, "%lu faults, expected %lu", faults, rounds);
	for (i = 0; i < n && rounds >= n; i++)
		check(read64(base + (i << 12)) % n == i, "page %lu holds %lu", i,
		      read64(base + (i << 12)));
	print("writeprotect: %s, %lu cycles, %lu ticks each\n", failures ? "WRONG" : "ok", rounds,
	      rounds ? ticks / rounds : 0);
	return 0;
}
