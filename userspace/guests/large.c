// SPDX-License-Identifier: GPL-2.0
/*
 * Large pages: one piece of memory seen through 2 MiB pages, 4 KiB pages, a 1 GiB
 * page and mixes of them; split and merged while its contents are checked.
 *
 * Options: rounds=N (8)
 */
#include "guest.h"

#define GVA	0x400000000000ull
#define BIG	(2ull << 20)
#define HUGE	(1ull << 30)
#define NR	4		/* pieces of 2 MiB */
#define RW	(PTE_P | PTE_W)

static uint64_t root, memory;
static uint64_t *tables[NR];
static uint64_t turn;

static uint64_t value(uint64_t offset)
{
	return offset * 0x9e3779b97f4a7c15ull + turn;
}

/* A word in each 4 KiB page, not always the same one. */
static uint64_t spot(uint64_t base, uint64_t offset)
{
	return base + offset + (offset >> 9 & 0xff8);
}

static void write_all(uint64_t base)
{
	uint64_t o;

	turn++;
	for (o = 0; o < NR * BIG; o += 4096)
		write64(spot(base, o), value(o));
}

static void check_all(uint64_t base, const char *what)
{
	uint64_t o;

	for (o = 0; o < NR * BIG && !failures; o += 4096)
		check(read64(spot(base, o)) == value(o), "%s: 0x%lx shows 0x%lx, expected 0x%lx",
		      what, spot(base, o), read64(spot(base, o)), value(o));
}

/*
 * An entry changes its size only by way of nothing. One INVLPG takes all of a large
 * page, but one page alone of what a table mapped: then all has to go (SDM
 * vol. 3A, 4.10.4.1).
 */
static void replace(unsigned int level, uint64_t gva, uint64_t entry)
{
	uint64_t *e = pte_at(root, gva, level);
	bool table = *e & PTE_P && !(*e & PTE_PS);

	*e = 0;
	if (table)
		write_cr3(root);
	else
		invlpg(gva);
	*e = entry;
}

static void merge(unsigned int i)
{
	replace(2, GVA + i * BIG, (memory + i * BIG) | RW | PTE_PS);
}

static void split(unsigned int i)
{
	unsigned int k;

	for (k = 0; k < 512; k++)
		tables[i][k] = (memory + i * BIG + k * 4096) | RW;
	replace(2, GVA + i * BIG, (uint64_t)tables[i] | RW);
}

static void two_sizes(void)
{
	unsigned int i, k;

	for (i = 0; i < NR; i++)
		merge(i);
	write_all(GVA);
	check_all(memory, "2 MiB pages, by the other address");
	for (i = 0; i < NR; i++) {
		split(i);
		check_all(GVA, "one more piece split");
	}
	write_all(memory);
	check_all(GVA, "4 KiB pages");
	for (k = 0; k < NR; k++)
		check(tables[k][511] & PTE_A, "a page was read and is not accessed");
	for (i = 0; i < NR; i += 2)
		merge(i);
	check_all(GVA, "every second piece merged");
	write_all(GVA);
	check_all(memory, "mixed sizes");
	for (i = 0; i < NR; i++)
		check(!(i & 1) == !!(*pte_at(root, GVA + i * BIG, 2) & PTE_D),
		      "dirty bit of piece %u", i);
}

/* A hole in the middle of what was one page: the rest stays. */
static void hole(void)
{
	uint64_t at = GVA + BIG + 77 * 4096;

	split(1);
	tables[1][77] = (memory + 3 * BIG) | RW;
	invlpg(at);
	check(read64(at) == read64(memory + 3 * BIG), "the page in the hole is another");
	write64(at + 0xff8, 0x1234);
	check(read64(memory + 3 * BIG + 0xff8) == 0x1234, "a write through the hole is lost");
	merge(1);
	check_all(GVA, "the hole closed");
}

static void huge(void)
{
	uint64_t at = GVA + HUGE, *directory = pages(1, 4096);
	unsigned int i;

	for (i = 0; i < 512; i++)
		directory[i] = i * BIG | RW | PTE_PS;
	replace(3, at, 0 | RW | PTE_PS);
	check_all(at + memory, "1 GiB page");
	write_all(at + memory);
	check_all(GVA, "written through a 1 GiB page");
	replace(3, at, (uint64_t)directory | RW);
	check_all(at + memory, "1 GiB split into 2 MiB");
	directory[memory / BIG] = (uint64_t)tables[0] | RW;
	for (i = 0; i < 512; i++)
		tables[0][i] = (memory + i * 4096) | RW;
	invlpg(at + memory);
	check_all(at + memory, "4 KiB, 2 MiB in one");
	write_all(at + memory);
	replace(3, at, 0 | RW | PTE_PS);
	check_all(at + memory, "merged to 1 GiB");
}

int main(void)
{
	uint64_t rounds = option("rounds", 8), i;

	root = new_root();
	memory = (uint64_t)pages(NR * 512, BIG);
	for (i = 0; i < NR; i++)
		tables[i] = pages(1, 4096);
	write_cr3(root);
	for (i = 0; i < rounds && !failures; i++) {
		two_sizes();
		hole();
		if (cpu.pages_1g)
			huge();
	}
	print("large: %s, %lu rounds%s\n", failures ? "WRONG" : "ok", rounds,
	      cpu.pages_1g ? "" : ", without 1 GiB pages: the processor has none");
	return 0;
}
