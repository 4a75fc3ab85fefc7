// SPDX-License-Identifier: GPL-2.0
/*
 * What one lookup in the TLB model costs, alone: CPU time, counters on, best of
 * several rounds. One line per case: name, value, unit, target ("-": none).
 *
 * tlb_bench [CASE [ROUNDS]]: only that case, for callgrind or perf.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tlb/tlb_impl.h"

#define NR_ADDRESSES	8192
#define NR_ROUNDS	7

struct bench {
	struct npt_tlb *tlb;
	u64 ctr[NPT_CTR_NR];
	u64 gva[NR_ADDRESSES];
	u64 mapped;		/* rights and size of what is filled */
};

static u64 bench_random(void)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x * 2685821657736338717ULL;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* One pass over the addresses, as the soft engine makes it. */
static noinline u64 bench_pass(struct bench *b)
{
	u64 sum = 0, val;
	int i;

	for (i = 0; i < NR_ADDRESSES; i++) {
		if (npt_tlb_lookup_fast(b->tlb, NPT_KIND_DATA, b->gva[i], 0, &val)) {
			sum += val;
			continue;
		}
		val = (b->gva[i] & NPT_TLBV_FRAME) | b->mapped;
		npt_tlb_fill(b->tlb, NPT_KIND_DATA, b->gva[i], 0, val);
	}
	return sum;
}

struct geometry {
	const char *name;
	unsigned int policy, l1, l1_ways, l2, l2_ways;
};

struct pattern {
	const char *name;
	unsigned int shift;	/* of the page size */
	unsigned int pages;
	bool random;
	double target;		/* ns, 0: none */
};

static const struct geometry geometries[] = {
	{ "lru", NPT_TLB_LRU, 64, 4, 2048, 16 },
	{ "fifo", NPT_TLB_FIFO, 64, 4, 2048, 16 },
	{ "lfu", NPT_TLB_LFU, 64, 4, 2048, 16 },
	{ "plru", NPT_TLB_PLRU, 64, 4, 2048, 16 },
	{ "lru-full", NPT_TLB_LRU, 64, 64, 2048, 16 },
};

static const struct pattern patterns[] = {
	{ "hit_same_page", 12, 1, false, 8 },
	{ "hit_16_pages", 12, 16, false, 8 },
	{ "hit_random_64", 12, 64, true, 8 },
	{ "hit_2m_page", 21, 1, false, 8 },
	{ "hit_2m_random_64", 21, 64, true, 8 },
	{ "l2_hit_random_1024", 12, 1024, true, 0 },
	{ "miss_and_fill", 12, 1 << 20, true, 0 },
};

static struct npt_tlb_model bench_model(const struct geometry *g)
{
	struct npt_tlb_model m = { .size = sizeof(m) };

	m.tlb[0] = (struct npt_tlb_unit){ .level = 1, .kinds = NPT_TLB_DATA, .pages = 7,
		.policy = g->policy, .entries = g->l1, .ways = g->l1_ways };
	m.tlb[1] = (struct npt_tlb_unit){ .level = 2, .kinds = NPT_TLB_DATA, .pages = 7,
		.policy = g->policy, .entries = g->l2, .ways = g->l2_ways };
	return m;
}

static double bench_one(struct bench *b, const struct geometry *g, const struct pattern *p,
			int rounds)
{
	struct npt_tlb_model m = bench_model(g);
	double best = 1e18, t;
	int i, r;

	b->tlb = npt_tlb_create(&m, b->ctr);
	if (!b->tlb) {
		fprintf(stderr, "tlb_bench: out of memory\n");
		exit(1);
	}
	b->mapped = (u64)(p->shift - 12) / 9 << NPT_TLBV_SIZE_SHIFT;
	for (i = 0; i < NR_ADDRESSES; i++)
		b->gva[i] = (p->random ? bench_random() % p->pages : (u64)i % p->pages)
			    << p->shift | (bench_random() & 0xff8);
	bench_pass(b);
	for (r = 0; r < rounds; r++) {
		t = now_ns();
		for (i = 0; i < 32; i++) {
			u64 sum = bench_pass(b);

			__asm__ __volatile__("" : : "r"(sum));
		}
		t = (now_ns() - t) / 32 / NR_ADDRESSES;
		best = t < best ? t : best;
	}
	npt_tlb_destroy(b->tlb);
	return best;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : NR_ROUNDS;
	static struct bench b;
	char name[64];
	size_t i, j;
	double ns;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		for (j = 0; j < ARRAY_SIZE(patterns); j++) {
			snprintf(name, sizeof(name), "tlb.%s.%s", geometries[i].name,
				 patterns[j].name);
			if (argc > 1 && strcmp(argv[1], name))
				continue;
			ns = bench_one(&b, &geometries[i], &patterns[j], rounds);
			printf("%-32s %8.2f ns", name, ns);
			if (patterns[j].target)
				printf(" %6.1f\n", patterns[j].target);
			else
				printf("      -\n");
		}
	}
	return 0;
}
