// SPDX-License-Identifier: GPL-2.0
/* Replay in this process, against counts made by hand. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libnpt.h"
#include "test.h"
#include "tlbspec.h"
#include "trace.h"

#define R(a) { .gva = (a), .size = 1, .op = NPT_OP_READ }
#define W(a) { .gva = (a), .size = 8, .op = NPT_OP_WRITE }
#define X(a) { .gva = (a), .size = 4, .op = NPT_OP_FETCH }

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[64];

/* A folder for files, which must be empty in the end. */
static void dir_open(void)
{
	strcpy(dir, "/tmp/npt-replay-test-XXXXXX");
	CHECK(mkdtemp(dir), "mkdtemp: %s", strerror(errno));
	setenv("TMPDIR", dir, 1);
}

static void dir_close(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while ((e = readdir(d)))
		CHECK(e->d_name[0] == '.', "%s/%s was left behind", dir, e->d_name);
	closedir(d);
	rmdir(dir);
}

/* A native trace of @n records, open for reading; the file has no name any more. */
static struct npt_trace_reader *make_trace(const struct npt_access *a, size_t n)
{
	struct npt_trace_writer *w;
	struct npt_trace_reader *r;
	char path[96], err[NPT_TRACE_ERRLEN];

	snprintf(path, sizeof(path), "%s/trace", dir);
	CHECK(!npt_trace_create(path, NPT_TRACE_NPT, NULL, &w, err, sizeof(err)), "%s", err);
	CHECK(!npt_trace_write(w, a, n), "%s", npt_trace_writer_error(w));
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "%s", err);
	CHECK(!npt_trace_open(path, NPT_TRACE_NPT, &r, err, sizeof(err)), "%s", err);
	unlink(path);
	return r;
}

/* Text through a pipe: it can be read once. At most what a pipe holds. */
static struct npt_trace_reader *pipe_trace(const char *text)
{
	struct npt_trace_source source = { .name = "pipe" };
	struct npt_trace_reader *r;
	char err[NPT_TRACE_ERRLEN];
	int fd[2];

	CHECK(!pipe(fd), "pipe: %s", strerror(errno));
	CHECK(write(fd[1], text, strlen(text)) == (ssize_t)strlen(text), "write");
	close(fd[1]);
	source.fd = fd[0];
	CHECK(!npt_trace_open_source(&source, NPT_TRACE_LACKEY, &r, err, sizeof(err)), "%s", err);
	return r;
}

static void options(struct npt_replay_options *o, const char *tlb)
{
	char err[256];

	npt_replay_defaults(o);
	CHECK(!npt_tlb_parse(tlb, -1, &o->tlb, err, sizeof(err)), "%s", err);
}

static void only(struct npt_replay_options *o, uint32_t mmu, uint32_t page)
{
	o->nr_mmu = 1;
	o->nr_page = 1;
	o->mmu[0] = mmu;
	o->page[0] = page;
}

/* All runs succeed and keep the laws. */
static void replay(const struct npt_replay_options *o, struct npt_trace_reader *t,
		   struct npt_replay_run *runs)
{
	struct npt_law_result results[64];
	struct npt_device *dev;
	size_t laws, l;
	unsigned int i;

	CHECK(!npt_device_open_inproc(&dev), "device: %s", npt_error());
	CHECK(!npt_replay(dev, t, o, runs), "replay: %s", npt_error());
	npt_laws(&laws);
	for (i = 0; i < o->nr_mmu * o->nr_page; i++) {
		CHECK_EQ(runs[i].failed, 0, "failed accesses");
		npt_laws_check(runs[i].counters, NPT_CTR_NR, results);
		for (l = 0; l < laws; l++)
			CHECK(results[l].ok, "law %s: %llu and %llu", results[l].law->name,
			      (unsigned long long)results[l].left,
			      (unsigned long long)results[l].right);
		test_cases++;
	}
	npt_device_close(dev);
	npt_trace_close(t);
}

static void replay_array(const struct npt_replay_options *o, const struct npt_access *a,
			 size_t n, struct npt_replay_run *runs)
{
	replay(o, make_trace(a, n), runs);
}

#define CTR(run, name, value) CHECK_EQ((run).counters[NPT_CTR_##name], value, #name)

/*
 * Pages A, B, A, C, A, B with two entries and LRU: A and B miss, A hits, C misses and
 * drops B, A hits, B misses and drops C. Fetches go elsewhere: two pages, then again.
 */
static const struct npt_access small[] = {
	R(0x10000), R(0x11000), W(0x10008), R(0x12000), R(0x10010), R(0x11008),
	X(0x13000), X(0x13004), X(0x14000), X(0x13008),
};

static void check_small_tlb(const struct npt_replay_run *r)
{
	CHECK_EQ(r->records, 10, "records");
	CTR(*r, accesses, 10);
	CTR(*r, access_write, 1);
	CTR(*r, access_fetch, 4);
	CTR(*r, lookups, 10);
	CTR(*r, l1d_hit, 2);
	CTR(*r, l1d_miss, 4);
	CTR(*r, l1d_evict, 2);
	CTR(*r, l1i_hit, 2);
	CTR(*r, l1i_miss, 2);
	CTR(*r, walks, 6);
	CTR(*r, walk_upgrade, 0);
}

static void test_small_4k(void)
{
	struct npt_replay_options o;
	struct npt_replay_run r[3];
	unsigned int i;

	options(&o, "l1i=2,l1d=2");
	o.nr_page = 1;
	replay_array(&o, small, COUNT(small), r);
	for (i = 0; i < 3; i++) {
		check_small_tlb(&r[i]);
		CHECK_EQ(r[i].mmu, NPT_MMU_NATIVE + i, "order of runs");
		CTR(r[i], refs_guest, 6 * 4);
		CTR(r[i], refs_nested, i == 2 ? 6 * 20 : 0);
		CHECK_EQ(r[i].guest_table_bytes, 4 * 4096, "guest tables");
		CHECK_EQ(r[i].guest_pages, 5, "pages");
	}
	/* shadow: a fault for each of 5 pages; nested: for these and for 4 tables */
	CTR(r[0], pf_taken, 0);
	CTR(r[1], pf_shadow, 5);
	CTR(r[1], pf_nested, 0);
	CTR(r[2], pf_nested, 9);
	CTR(r[2], pf_shadow, 0);
	CHECK_EQ(r[1].shadow_table_bytes, 4 * 4096, "shadow tables");
	CHECK_EQ(r[2].shadow_table_bytes, 0, "shadow tables in nested mode");
	/* gpa 2M.. (tables) and 4M.. (data) need a table of level 1 each, and 3 above */
	CHECK_EQ(r[2].nested_table_bytes, 5 * 4096, "nested tables");
	CHECK_EQ(r[1].nested_table_bytes, 0, "nested tables in shadow mode");
	CHECK_EQ(r[0].nested_table_bytes + r[0].shadow_table_bytes, 0, "tables in native mode");
}

/* All of it is one page of 2 MiB for data, and the same page for fetches. */
static void test_small_2m(void)
{
	struct npt_replay_options o;
	struct npt_replay_run r[3];
	unsigned int i;

	options(&o, "l1i=2,l1d=2");
	o.nr_page = 1;
	o.page[0] = 21;
	replay_array(&o, small, COUNT(small), r);
	for (i = 0; i < 3; i++) {
		CTR(r[i], l1d_hit, 5);
		CTR(r[i], l1d_miss, 1);
		CTR(r[i], l1i_hit, 3);
		CTR(r[i], l1i_miss, 1);
		CTR(r[i], walks, 2);
		CTR(r[i], refs_guest, 2 * 3);
		CTR(r[i], refs_nested, i == 2 ? 2 * 12 : 0);
		CHECK_EQ(r[i].guest_table_bytes, 3 * 4096, "guest tables");
		CHECK(!r[i].host_pages_short, "large pages are always there in-process");
	}
	CTR(r[1], pf_shadow, 1);
	/* one page of data, one that holds the three tables */
	CTR(r[2], pf_nested, 2);
	CTR(r[2], pages_2m, 2);
	CTR(r[2], pages_4k, 0);
}

/* The second level has what the first dropped: B's second look-up hits it. */
static void test_small_l2(void)
{
	struct npt_replay_options o;
	struct npt_replay_run r[1];

	options(&o, "l1i=2,l1d=2,l2=8");
	only(&o, NPT_MMU_NESTED, 12);
	replay_array(&o, small, COUNT(small), r);
	CTR(r[0], l1d_hit, 2);
	CTR(r[0], l1d_miss, 4);
	CTR(r[0], l2_hit, 1);
	CTR(r[0], l2_miss, 5);
	CTR(r[0], walks, 5);
	CTR(r[0], refs_guest, 20);
	CTR(r[0], refs_nested, 100);
}

/* A record over the edge of a page is one access and two look-ups. */
static void test_crossing(void)
{
	static const struct npt_access a[] = {
		{ .gva = 0x1ffc, .size = 8, .op = NPT_OP_WRITE },
		{ .gva = 0x1ffc, .size = 4, .op = NPT_OP_READ },
		{ .gva = 0x1ffffe, .size = 4, .op = NPT_OP_READ },
	};
	struct npt_replay_options o;
	struct npt_replay_run r[2];

	options(&o, "l1d=16");
	only(&o, NPT_MMU_NESTED, 12);
	o.nr_page = 2;
	o.page[1] = 21;
	replay_array(&o, a, COUNT(a), r);
	CTR(r[0], accesses, 3);
	CTR(r[0], lookups, 5);
	CTR(r[0], l1d_hit, 1);
	CTR(r[0], walks, 4);
	CTR(r[1], accesses, 3);
	CTR(r[1], lookups, 4);
	CTR(r[1], walks, 2);
	CHECK_EQ(r[1].records, 3, "records");
}

/* Without a TLB each look-up walks: the cost of a cold walk, per access. */
static void test_no_tlb(void)
{
	struct npt_replay_options o;
	struct npt_replay_run r[1];

	options(&o, "none");
	only(&o, NPT_MMU_NESTED, 12);
	replay_array(&o, small, COUNT(small), r);
	CTR(r[0], walks, 10);
	CTR(r[0], refs_guest, 40);
	CTR(r[0], refs_nested, 200);
}

/* How many levels a walk to a leaf of that size reads. */
static unsigned int depth(unsigned int levels, unsigned int page)
{
	return levels - (page - 12) / 9;
}

static void matrix_cell(unsigned int g, unsigned int h, unsigned int page, uint32_t format)
{
	static const struct npt_access one[] = { R(0x40000000) };
	unsigned int guest = depth(g, page), nested = depth(h, page);
	struct npt_replay_options o;
	struct npt_replay_run r[3];

	options(&o, "skylake");
	o.nr_page = 1;
	o.page[0] = page;
	o.guest_levels = g;
	o.nested_levels = h;
	o.nested_format = format;
	snprintf(test_context, sizeof(test_context), "guest %u nested %u page %u format %u", g, h,
		 page, format);
	replay_array(&o, one, 1, r);
	CTR(r[0], refs_guest, guest);
	CTR(r[0], refs_nested, 0);
	CTR(r[1], refs_nested, 0);
	/*
	 * A 32-bit guest's shadow tables are PAE, its own leave no room for an hpa; and
	 * shadow leaves have 2 MiB at the most.
	 */
	CTR(r[1], refs_guest, depth(g == 2 ? 3 : g, page == 30 ? 21 : page));
	CTR(r[2], refs_guest, guest);
	CTR(r[2], refs_nested, guest * nested + nested);
	CHECK_EQ(r[2].counters[NPT_CTR_refs_guest] + r[2].counters[NPT_CTR_refs_nested],
		 npt_pt_references(guest, nested), "(g+1)(h+1)-1");
}

static void test_matrix(void)
{
	unsigned int g, h, page;

	for (g = 2; g <= 5; g++)
		for (h = 4; h <= 5; h++)
			for (page = 12; page <= 30; page += 9) {
				if (page == 30 && g < 4)
					continue;
				matrix_cell(g, h, page, NPT_NESTED_NPT);
				matrix_cell(g, h, page, NPT_NESTED_EPT);
			}
	CHECK_EQ(npt_pt_references(4, 4), 24, "the formula");
	CHECK_EQ(npt_pt_references(5, 5), 35, "the formula");
	CHECK_EQ(npt_pt_references(2, 4), 14, "the formula");
}

/* A trace of @n random accesses over @pages pages. */
static struct npt_access *random_trace(struct rnd *rnd, size_t n, unsigned int pages)
{
	struct npt_access *a = calloc(n, sizeof(*a));
	size_t i;

	for (i = 0; i < n; i++) {
		a[i].gva = 0x7f0000000000 + ((rnd64(rnd) % pages) << 12) + (rnd64(rnd) & 0xfff);
		a[i].size = 1 + (rnd64(rnd) & 15);
		a[i].op = rnd64(rnd) % 3;
	}
	return a;
}

/* What the TLBs see depends neither on the mode nor on where pages lie. */
static void same_tlb(const struct npt_replay_run *a, const struct npt_replay_run *b)
{
	unsigned int c;

	for (c = NPT_CTR_accesses; c <= NPT_CTR_l2_evict; c++)
		CHECK(a->counters[c] == b->counters[c], "%s: %llu and %llu",
		      npt_counter_info(c)->name, (unsigned long long)a->counters[c],
		      (unsigned long long)b->counters[c]);
	CHECK_EQ(a->counters[NPT_CTR_walks], b->counters[NPT_CTR_walks], "walks");
}

static void test_modes_agree(void)
{
	static const char *const specs[] = { "skylake", "zen2", "l1i=8/2,l1d=8/4,l2=32/8,ntlb=4" };
	struct npt_replay_options o;
	struct npt_replay_run r[6], s[6];
	struct npt_access *a;
	unsigned long round;
	struct rnd rnd;
	unsigned int i;

	for_each_round(round, 6, &rnd) {
		a = random_trace(&rnd, 20000, 1 + rnd64(&rnd) % 5000);
		options(&o, specs[round % 3]);
		replay_array(&o, a, 20000, r);
		o.random = true;
		o.seed = round;
		replay_array(&o, a, 20000, s);
		for (i = 0; i < 6; i++) {
			same_tlb(&r[i], &r[i % 2]);
			same_tlb(&r[i], &s[i]);
			CHECK_EQ(r[i].counters[NPT_CTR_walks], r[i].counters[NPT_CTR_l2_miss],
				 "walks and second-level misses");
			CHECK_EQ(r[i].counters[NPT_CTR_refs_uncached],
				 s[i].counters[NPT_CTR_refs_uncached], "references");
		}
		free(a);
	}
}

/* Text from a pipe goes through six runs, and nothing stays on the disk. */
static void test_pipe(void)
{
	struct npt_replay_options o;
	struct npt_replay_run r[6];
	unsigned int i;

	options(&o, "l1i=4,l1d=4");
	replay(&o, pipe_trace("I  00400000,4\n L 00601000,8\n S 00602ffc,8\n M 00601000,4\n"), r);
	for (i = 0; i < 6; i++) {
		CHECK_EQ(r[i].records, 5, "records: a modify is a read and a write");
		CTR(r[i], access_fetch, 1);
		CTR(r[i], access_read, 2);
		CTR(r[i], access_write, 2);
		CTR(r[i], walks, i % 2 ? 2 : 4);
	}
}

/* Operations that are no accesses: a flush empties, a CR3 load too, INVLPG one page. */
static void test_operations(void)
{
	static const struct npt_access a[] = {
		R(0x1000), R(0x2000),
		{ .op = NPT_OP_FLUSH }, R(0x1000),
		{ .op = NPT_OP_MOV_CR3, .gva = 0x123000 }, R(0x1000), R(0x2000),
		{ .op = NPT_OP_INVLPG, .gva = 0x1000 }, R(0x2000), R(0x1000),
	};
	struct npt_replay_options o;
	struct npt_replay_run r[1];

	options(&o, "l1d=8");
	only(&o, NPT_MMU_NATIVE, 12);
	replay_array(&o, a, COUNT(a), r);
	CHECK_EQ(r[0].records, 10, "records");
	CTR(r[0], accesses, 7);
	CTR(r[0], l1d_hit, 1);
	CTR(r[0], walks, 6);
	CTR(r[0], flush_cr3, 1);
	CTR(r[0], flush_invlpg, 1);
}

static void test_empty(void)
{
	struct npt_replay_options o;
	struct npt_replay_run r[6];

	options(&o, "skylake");
	replay_array(&o, small, 0, r);
	CHECK_EQ(r[5].records, 0, "records");
	CTR(r[5], lookups, 0);
	CTR(r[5], walks, 0);
	CHECK_EQ(r[5].guest_table_bytes, 4096, "only a root");
}

/* --- what is refused --- */

static void refused(const struct npt_replay_options *o, struct npt_trace_reader *t, int err,
		    const char *text)
{
	struct npt_replay_run runs[64];
	struct npt_device *dev;
	int ret;

	CHECK(!npt_device_open_inproc(&dev), "device: %s", npt_error());
	ret = npt_replay(dev, t, o, runs);
	CHECK(ret == err, "got %d (%s), expected %d", ret, npt_error(), err);
	CHECK(strstr(npt_error(), text), "\"%s\" does not say \"%s\"", npt_error(), text);
	CHECK(!strchr(npt_error(), '\n'), "\"%s\" is more than a line", npt_error());
	npt_trace_close(t);
	npt_device_close(dev);
	test_cases++;
}

static void test_addresses(void)
{
	static const struct npt_access high[] = { R(0x1000), R(0xffffffff), R(0x100000000) };
	static const struct npt_access edge[] = {
		R(0x1000), { .gva = 0xfffffffe, .size = 4, .op = NPT_OP_READ },
	};
	static const struct npt_access hole[] = { R(0x7fffffffffff), R(0x800000000000) };
	static const struct npt_access kernel[] = { R(0xffffffffff600000), R(0xffff800000000000) };
	struct npt_replay_options o;
	struct npt_replay_run r[1];

	options(&o, "skylake");
	o.guest_levels = 2;
	refused(&o, make_trace(high, 3), -EINVAL, "record 3: address 0x100000000");
	o.guest_levels = 3;
	refused(&o, make_trace(high, 3), -EINVAL, "4 GiB");
	refused(&o, make_trace(edge, 2), -EINVAL, "record 2");
	o.guest_levels = 4;
	refused(&o, make_trace(hole, 2), -EINVAL, "record 2: address 0x800000000000");
	only(&o, NPT_MMU_NESTED, 12);
	o.guest_levels = 5;
	replay_array(&o, hole, 2, r);
	o.guest_levels = 4;
	replay_array(&o, kernel, 2, r);
	o.guest_levels = 3;
	replay_array(&o, high, 2, r);
}

static void test_options_refused(void)
{
	struct npt_replay_options o;

	options(&o, "skylake");
	o.nr_mmu = 0;
	refused(&o, make_trace(small, 1), -EINVAL, "MMU modes");
	o.nr_mmu = 9;
	refused(&o, make_trace(small, 1), -EINVAL, "MMU modes");
	options(&o, "skylake");
	o.guest_levels = 6;
	refused(&o, make_trace(small, 1), -EINVAL, "guest levels");
	options(&o, "skylake");
	o.nested_levels = 3;
	refused(&o, make_trace(small, 1), -EINVAL, "nested levels");
	options(&o, "skylake");
	o.guest_levels = 3;
	o.page[1] = 30;
	refused(&o, make_trace(small, 1), -EINVAL, "1g");
	options(&o, "skylake");
	o.name = "a name that is too long for a virtual machine";
	refused(&o, make_trace(small, 1), -EINVAL, "name");
}

static void test_damaged(void)
{
	struct npt_replay_options o;

	options(&o, "skylake");
	refused(&o, pipe_trace("I  00400000,4\n L nonsense\n"), -EBADMSG, "pipe");
	refused(&o, pipe_trace(" L 00601000,8\n L 00601000"), -EBADMSG, "pipe");
}

static int stop_at(void *arg, const char *what, uint64_t done, uint64_t total)
{
	unsigned int *left = arg;

	(void)what;
	(void)done;
	(void)total;
	return (*left)-- ? 0 : -ECANCELED;
}

/* Stopped at any place, nothing is left behind. */
static void test_stopped(void)
{
	struct npt_replay_run runs[6];
	struct npt_replay_options o;
	struct npt_trace_reader *t;
	struct npt_device *dev;
	unsigned int n, left;

	for (n = 0; n < 8; n++) {
		options(&o, "skylake");
		o.progress = stop_at;
		o.arg = &left;
		left = n;
		t = pipe_trace("I  00400000,4\n L 00601000,8\n");
		CHECK(!npt_device_open_inproc(&dev), "device: %s", npt_error());
		/* one call for the first reading and one for each of six runs */
		CHECK_EQ((unsigned int)npt_replay(dev, t, &o, runs),
			 n < 7 ? (unsigned int)-ECANCELED : 0, "replay");
		npt_trace_close(t);
		npt_device_close(dev);
	}
}

static void test_no_tmp(void)
{
	struct npt_replay_options o;

	options(&o, "skylake");
	setenv("TMPDIR", "/nonexistent", 1);
	refused(&o, pipe_trace("I  00400000,4\n"), -ENOENT, "/nonexistent");
	setenv("TMPDIR", dir, 1);
}

#define TEST(fn)			\
static void run_##fn(void)		\
{					\
	dir_open();			\
	fn();				\
	dir_close();			\
}

TEST(test_small_4k)
TEST(test_small_2m)
TEST(test_small_l2)
TEST(test_crossing)
TEST(test_no_tlb)
TEST(test_matrix)
TEST(test_modes_agree)
TEST(test_pipe)
TEST(test_operations)
TEST(test_empty)
TEST(test_addresses)
TEST(test_options_refused)
TEST(test_damaged)
TEST(test_stopped)
TEST(test_no_tmp)

static const struct test tests[] = {
	{ "ten accesses, 4K pages, three modes, counted by hand", run_test_small_4k },
	{ "the same, 2M pages", run_test_small_2m },
	{ "the same, with a second level", run_test_small_l2 },
	{ "records that cross a page", run_test_crossing },
	{ "no TLB: every access is a cold walk", run_test_no_tlb },
	{ "(g+1)(h+1)-1 for all levels, sizes, formats", run_test_matrix },
	{ "TLB counts don't depend on mode or layout", run_test_modes_agree },
	{ "text from a pipe", run_test_pipe },
	{ "flush, CR3 load and INVLPG in a trace", run_test_operations },
	{ "an empty trace", run_test_empty },
	{ "addresses that a guest can't have", run_test_addresses },
	{ "options out of range", run_test_options_refused },
	{ "damaged traces", run_test_damaged },
	{ "stopped half-way", run_test_stopped },
	{ "no room for a copy", run_test_no_tmp },
};

int main(void)
{
	return test_main(tests, COUNT(tests));
}
