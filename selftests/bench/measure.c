// SPDX-License-Identifier: GPL-2.0
/*
 * Measuring: records are made (or decoded) outside of the clock, copied in and
 * executed inside of it, as a batch is.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void execute(struct guest *g, size_t n)
{
	struct npt_batch batch = {
		.accesses = (uintptr_t)g->batch, .count = n, .flags = NPT_BATCH_STOP,
	};

	if (npt_vcpu_batch(g->vcpu, &batch) || batch.failed || batch.done != n)
		die("an access did not end well");
}

void measure(struct guest *g, struct source *s, struct result *r)
{
	static struct npt_access records[BATCH];
	uint64_t before[NPT_CTR_NR], after[NPT_CTR_NR];
	double start;
	size_t n, i;

	if (npt_vcpu_stats(g->vcpu, before, NPT_CTR_NR))
		die("counters");
	while ((n = s->next(s, records, BATCH))) {
		start = cpu_seconds();
		memcpy(g->batch, records, n * sizeof(*records));
		execute(g, n);
		r->seconds += cpu_seconds() - start;
		r->records += n;
	}
	if (npt_vcpu_stats(g->vcpu, after, NPT_CTR_NR))
		die("counters");
	for (i = 0; i < NPT_CTR_NR; i++)
		r->ctr[i] += after[i] - before[i];
}

void warm_up(struct guest *g, struct source *s)
{
	struct result r = { 0 };

	measure(g, s, &r);
}

double ns_per_access(const struct result *r)
{
	return r->seconds * 1e9 / r->records;
}

double ns_per_walk(const struct result *r)
{
	return r->seconds * 1e9 / r->ctr[NPT_CTR_walks];
}

double refs_per_walk(const struct result *r)
{
	return (double)(r->ctr[NPT_CTR_refs_guest] + r->ctr[NPT_CTR_refs_nested]) /
	       r->ctr[NPT_CTR_walks];
}
