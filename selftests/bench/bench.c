// SPDX-License-Identifier: GPL-2.0
/*
 * Speed of the core, natively and on one core: each figure beside its target.
 *
 *   bench [--trace FILE] [--repeat N] [--records N]   all figures
 *   bench --case STREAM:MODE --records N              one, once, for a counter of instructions
 *
 * CPU time of this thread, counters on, records copied in, best of N repetitions:
 * what else runs on the machine makes a figure worse, never better.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

static struct {
	const char *trace;
	unsigned int repeat;
	uint64_t records;
} opts = { NULL, 7, 4 << 20 };

/* A target: an aim, what is not acceptable, and whether more is better. 0: none. */
struct target {
	double aim, limit;
	bool more;
};

static const char *verdict(double value, const struct target *t)
{
	if (!t->aim)
		return "";
	if (t->more ? value >= t->aim : value <= t->aim)
		return "ok";
	if (t->more ? value >= t->limit : value <= t->limit)
		return "short of the aim";
	return "NOT ACCEPTABLE";
}

static void print_figure(const char *name, double value, const char *unit,
			 const struct target *t)
{
	char aim[16] = "-", limit[16] = "-";

	if (t->aim) {
		snprintf(aim, sizeof(aim), "%.4g", t->aim);
		snprintf(limit, sizeof(limit), "%.4g", t->limit);
	}
	printf("%-34s %9.2f %-11s %7s %7s  %s\n", name, value, unit, aim, limit,
	       verdict(value, t));
	fflush(stdout);
}

static void print_heading(const char *text)
{
	printf("\n%-34s %9s %-11s %7s %7s\n", text, "figure", "unit", "aim", "limit");
}

/* --- streams of accesses ------------------------------------------------------ */

struct stream {
	const char *name;
	uint64_t bytes;
	void (*start)(struct source *s, uint64_t bytes, uint64_t records);
	unsigned int weight;	/* records for each that was asked for */
};

static void start_hit(struct source *s, uint64_t bytes, uint64_t records)
{
	(void)bytes;
	source_hit(s, records);
}

static const struct stream streams[] = {
	{ "hit", 1 << 20, start_hit, 4 },
	{ "rmw", 256 << 20, source_random_rmw, 1 },
	{ "cold", 1 << 30, source_random, 1 },
	{ "random", 256 << 20, source_random, 1 },
	{ "strided", 256 << 20, source_strided, 1 },
	{ "chase", 12 << 20, source_chase, 1 },
};

static const struct stream *find_stream(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(streams) / sizeof(*streams); i++)
		if (strlen(streams[i].name) == len && !memcmp(streams[i].name, name, len))
			return &streams[i];
	return NULL;
}

/* Touch every page once, so that nothing has to be brought in later. */
static void touch_all(struct guest *g, uint64_t bytes)
{
	struct source s;

	source_strided(&s, bytes, bytes / 4096);
	warm_up(g, &s);
}

static void repeat_stream(struct guest *g, const struct stream *st, uint64_t bytes,
			  uint64_t records, struct result *best)
{
	struct source s;
	struct result r;

	memset(&r, 0, sizeof(r));
	st->start(&s, bytes, records * st->weight);
	measure(g, &s, &r);
	source_free(&s);
	if (!best->records || ns_per_access(&r) < ns_per_access(best))
		*best = r;
}

static struct result run_stream(struct npt_device *dev, const struct stream *st, uint32_t mmu,
				const struct npt_tlb_model *tlb, unsigned int repeat)
{
	struct guest_options o = { .mmu = mmu, .bytes = st->bytes, .tlb = tlb };
	struct result best = { 0 };
	struct guest g;

	guest_create(dev, &o, &g);
	touch_all(&g, st->bytes);
	while (repeat--)
		repeat_stream(&g, st, st->bytes, opts.records, &best);
	guest_destroy(&g);
	return best;
}

/* --- the figures of the soft engine -------------------------------------------- */

static void name_figure(char *buf, size_t size, const char *what, uint32_t mmu)
{
	snprintf(buf, size, "%s, %s", what, npt_mmu_name(mmu));
}

static void bench_streams(struct npt_device *dev)
{
	static const struct {
		const char *stream, *what;
		enum { RATE, PER_ACCESS, PER_WALK } unit;
		struct target target;
	} figures[] = {
		{ "hit", "L1 TLB hit", PER_ACCESS, { 8, 16, false } },
		{ "rmw", "random RMW over 256 MiB", RATE, { 70, 25, true } },
		{ "cold", "cold walk, 1 GiB", PER_WALK, { 120, 250, false } },
	};
	struct npt_tlb_model tlb = tlb_model(false, 0);
	char name[64];
	uint32_t mmu;
	size_t i;

	for (i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		const struct stream *st = find_stream(figures[i].stream,
						      strlen(figures[i].stream));

		for (mmu = NPT_MMU_NATIVE; mmu <= NPT_MMU_NESTED; mmu++) {
			struct result r = run_stream(dev, st, mmu, &tlb, opts.repeat);

			name_figure(name, sizeof(name), figures[i].what, mmu);
			if (figures[i].unit == RATE)
				print_figure(name, 1e3 / ns_per_access(&r), "M access/s",
					     &figures[i].target);
			else if (figures[i].unit == PER_WALK)
				print_figure(name, ns_per_walk(&r), "ns",
					     &figures[i].target);
			else
				print_figure(name, ns_per_access(&r), "ns",
					     &figures[i].target);
		}
	}
}

/* --- a real trace ----------------------------------------------------------------- */

static void replay(struct npt_device *dev, uint32_t mmu, const struct npt_tlb_model *tlb,
		   struct npt_replay_run *run)
{
	struct npt_trace_reader *trace;
	struct npt_replay_options o;
	char err[NPT_TRACE_ERRLEN];

	npt_replay_defaults(&o);
	o.mmu[0] = mmu;
	o.nr_mmu = 1;
	o.page[0] = 12;
	o.nr_page = 1;
	o.tlb = *tlb;
	if (npt_trace_open(opts.trace, NPT_TRACE_AUTO, &trace, err, sizeof(err))) {
		fprintf(stderr, "bench: %s\n", err);
		exit(1);
	}
	if (npt_replay(dev, trace, &o, run) || run->failed)
		die("replay");
	npt_trace_close(trace);
}

/* Seconds that copying in a record takes; a replay in this process doesn't copy. */
static double copy_cost(void)
{
	struct npt_access *from = must_alloc(BATCH, sizeof(*from));
	struct npt_access *to = must_alloc(BATCH, sizeof(*to));
	double best = 1, seconds;
	struct timespec a, b;
	int i;

	for (i = 0; i < 50; i++) {
		memset(from, i, BATCH * sizeof(*from));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		memcpy(to, from, BATCH * sizeof(*to));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		__asm__ __volatile__("" : : "r"(to) : "memory");
		seconds = b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9;
		best = seconds < best ? seconds : best;
	}
	free(from);
	free(to);
	return best / BATCH;
}

static void bench_trace(struct npt_device *dev)
{
	static const struct target target = { 150, 60, true };
	struct npt_tlb_model tlb = tlb_model(false, 0);
	double copy = copy_cost(), best;
	struct npt_replay_run run;
	unsigned int i;
	char name[64];
	uint32_t mmu;

	for (mmu = NPT_MMU_NATIVE; mmu <= NPT_MMU_NESTED; mmu++) {
		best = 0;
		for (i = 0; i < (opts.repeat + 1) / 2; i++) {
			replay(dev, mmu, &tlb, &run);
			if (!best || run.seconds < best)
				best = run.seconds;
		}
		name_figure(name, sizeof(name), "trace of ls -lR /etc", mmu);
		print_figure(name, run.records / (best + copy * run.records) / 1e6,
			     "M access/s", &target);
	}
	printf("%-34s %9.1f M records, %llu walks\n", "  (the trace:", run.records / 1e6,
	       (unsigned long long)run.counters[NPT_CTR_walks]);
}

/* --- references --------------------------------------------------------------------- */

/* Counts are exact, so they stand beside those of another model of the same caches. */
static void print_refs(const char *name, double value, double other)
{
	printf("%-34s %9.2f %-11s %7.1f %7s  %s\n", name, value, "refs/walk", other, "-",
	       value <= other * 1.02 ? "ok" : "more than the other model");
}

static void bench_refs(struct npt_device *dev)
{
	static const struct {
		const char *stream, *what;
		double cached;
	} figures[] = {
		{ "random", "random 256 MiB", 9.5 },
		{ "strided", "strided 256 MiB", 5.0 },
		{ "chase", "pointer chase 12 MiB", 5.0 },
	};
	struct npt_tlb_model plain = tlb_model(false, 0), cached = tlb_model(true, 16);
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		const struct stream *st = find_stream(figures[i].stream,
						      strlen(figures[i].stream));
		struct result r = run_stream(dev, st, NPT_MMU_NESTED, &plain, 1);

		snprintf(name, sizeof(name), "%s, no walk cache", figures[i].what);
		print_refs(name, refs_per_walk(&r), 24);
		r = run_stream(dev, st, NPT_MMU_NESTED, &cached, 1);
		snprintf(name, sizeof(name), "%s, cached", figures[i].what);
		print_refs(name, refs_per_walk(&r), figures[i].cached);
	}
}

static void bench_refs_trace(struct npt_device *dev)
{
	struct npt_tlb_model tlb = tlb_model(true, 16);
	struct npt_replay_run run;

	replay(dev, NPT_MMU_NESTED, &tlb, &run);
	print_refs("ls -lR /etc, cached",
		   (double)(run.counters[NPT_CTR_refs_guest] +
			    run.counters[NPT_CTR_refs_nested]) / run.counters[NPT_CTR_walks], 5.4);
}

/* --- growth --------------------------------------------------------------------------- */

#define GROWTH_BYTES	(16ULL << 20)	/* what is accessed, in every case */
#define GROWTH_VMS	64

static const struct target growth_target = { 1.1, 1.5, false };

/* Best cost per access of two cases, taken in turn so that noise meets both. */
static double ratio(struct guest *a, struct guest *b, uint64_t records_a, uint64_t records_b)
{
	const struct stream *st = find_stream("rmw", 3);
	struct result best_a = { 0 }, best_b = { 0 };
	unsigned int i;

	for (i = 0; i < opts.repeat; i++) {
		repeat_stream(a, st, GROWTH_BYTES, records_a, &best_a);
		repeat_stream(b, st, GROWTH_BYTES, records_b, &best_b);
	}
	return ns_per_access(&best_b) / ns_per_access(&best_a);
}

static void growth_guest(struct npt_device *dev, const struct npt_tlb_model *tlb,
			 uint64_t bytes, struct guest *g)
{
	struct guest_options o = { .mmu = NPT_MMU_NESTED, .bytes = bytes, .tlb = tlb };

	guest_create(dev, &o, g);
	touch_all(g, GROWTH_BYTES);
}

static void bench_growth(struct npt_device *dev)
{
	struct npt_tlb_model tlb = tlb_model(false, 0);
	struct guest small, large, many[GROWTH_VMS];
	unsigned int i;
	double alone;

	growth_guest(dev, &tlb, GROWTH_BYTES, &small);
	print_figure("16 times the trace", ratio(&small, &small, opts.records / 4,
						 opts.records * 4), "times", &growth_target);
	growth_guest(dev, &tlb, 4ULL << 30, &large);
	print_figure("256 times the memory", ratio(&small, &large, opts.records, opts.records),
		     "times", &growth_target);
	guest_destroy(&large);

	alone = ratio(&small, &small, opts.records, opts.records);
	for (i = 0; i < GROWTH_VMS; i++)
		growth_guest(dev, &tlb, GROWTH_BYTES, &many[i]);
	print_figure("64 more VMs", ratio(&small, &many[GROWTH_VMS - 1], opts.records,
					  opts.records) / alone, "times", &growth_target);
	for (i = 0; i < GROWTH_VMS; i++)
		guest_destroy(&many[i]);
	guest_destroy(&small);
}

/* --- main ------------------------------------------------------------------------------ */

static int run_case(struct npt_device *dev, const char *what)
{
	struct npt_tlb_model tlb = tlb_model(false, 0);
	size_t len = strcspn(what, ":");
	const struct stream *st = find_stream(what, len);
	int mmu = what[len] ? npt_mmu_by_name(what + len + 1) : -1;
	struct result r;

	if (!st || mmu < 0) {
		fprintf(stderr, "bench: %s: expected STREAM:MODE, as in cold:nested\n", what);
		return 2;
	}
	r = run_stream(dev, st, mmu, &tlb, 1);
	printf("%llu %llu\n", (unsigned long long)r.records,
	       (unsigned long long)r.ctr[NPT_CTR_walks]);
	return 0;
}

static int bad_options(void)
{
	fprintf(stderr, "usage: bench [--trace FILE] [--repeat N] [--records N] [--case S:M]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "trace", required_argument, NULL, 't' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "records", required_argument, NULL, 'n' },
		{ "case", required_argument, NULL, 'c' },
		{ }
	};
	struct npt_device *dev;
	const char *what = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't')
			opts.trace = optarg;
		else if (c == 'r')
			opts.repeat = strtoul(optarg, NULL, 0);
		else if (c == 'n')
			opts.records = strtoull(optarg, NULL, 0);
		else if (c == 'c')
			what = optarg;
		else
			return bad_options();
	}
	if (optind != argc || !opts.repeat || !opts.records)
		return bad_options();
	npt_shim_hugepages = true;
	if (what)
		npt_shim_arena_size = 8ULL << 30;	/* valgrind has no room for more */
	if (npt_device_open_inproc(&dev))
		die("device");
	if (what)
		return run_case(dev, what);

	print_heading("Soft engine");
	bench_streams(dev);
	if (opts.trace)
		bench_trace(dev);
	printf("\n%-34s %9s %-11s %7s\n", "References per walk, nested", "figure", "unit", "other");
	printf("(cached: pwc=2/4/32 in the guest dimension, ntlb=16)\n");
	bench_refs(dev);
	if (opts.trace)
		bench_refs_trace(dev);
	print_heading("Growth of the cost per access");
	bench_growth(dev);
	npt_device_close(dev);
	return 0;
}
