// SPDX-License-Identifier: GPL-2.0
/*
 * Writing traces: nothing half-done is left, whatever goes wrong, and what cannot
 * be is refused. Then the summary, against a plain count.
 */
#include <sys/resource.h>

#include "trace_help.h"

static const struct npt_access one = {
	.gva = 0x401000, .size = 4, .op = NPT_OP_FETCH, .flags = NPT_ACCESS_USER,
};

static char err[NPT_TRACE_ERRLEN];

static struct npt_trace_writer *create(const char *path, enum npt_trace_format format)
{
	struct npt_trace_writer *w;

	CHECK(!npt_trace_create(path, format, NULL, &w, err, sizeof(err)), "create: %s", err);
	return w;
}

/* Write until it fails; the error. */
static int fill_up(struct npt_trace_writer *w, size_t most)
{
	struct npt_access a = one;
	int ret = 0;

	for (; !ret && most; most--) {
		a.gva = most * 0x123456789ull;
		ret = npt_trace_write(w, &a, 1);
	}
	return ret;
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fputs(text, f) >= 0 && !fclose(f), "%s: %s", path, strerror(errno));
}

static void check_file(const char *path, const char *text)
{
	uint8_t *data;
	size_t len = read_file(path, &data);

	CHECK(len == strlen(text) && !memcmp(data, text, len), "%s has changed", path);
	free(data);
}

/* A device that is full from the first byte, noticed in a write or at the end. */
static void full_device(void)
{
	static const size_t records[] = { 0, 1, 2000000 };
	struct npt_trace_writer *w;
	size_t i, format;
	int ret;

	for (i = 0; i < ARRAY_SIZE(records); i++) {
		for (format = NPT_TRACE_NPT; format <= NPT_TRACE_LACKEY; format++) {
			if (!records[i] && format == NPT_TRACE_LACKEY)
				continue;
			w = create("/dev/full", format);
			ret = fill_up(w, records[i]);
			if (ret)
				strcpy(err, npt_trace_writer_error(w));
			CHECK_EQ(npt_trace_commit(w, ret ? NULL : err, ret ? 0 : sizeof(err)),
				 -ENOSPC, "commit to a full device");
			CHECK(!strcmp(err, "/dev/full: No space left on device"), "'%s'", err);
			CHECK(ret == -ENOSPC || (!ret && records[i] < 1000), "write: %d", ret);
			test_cases++;
		}
	}
}

/* A file that may not grow beyond some size: what was there before stays. */
static void full_disk(void)
{
	static const rlim_t limits[] = { 0, 1, 50, 100, 5000, 300000 };
	const char *path;
	struct rlimit lim;
	size_t i;

	signal(SIGXFSZ, SIG_IGN);
	for (i = 0; i < 2 * ARRAY_SIZE(limits); i++) {
		struct npt_trace_writer *w;
		int ret;

		path = tmp_path("t");
		put_file(path, "what was there before");
		w = create(path, NPT_TRACE_NPT);
		getrlimit(RLIMIT_FSIZE, &lim);
		lim.rlim_cur = limits[i / 2];
		setrlimit(RLIMIT_FSIZE, &lim);
		ret = fill_up(w, 100000);
		if (i & 1) {
			CHECK_EQ(npt_trace_commit(w, err, sizeof(err)), -EFBIG, "commit");
			CHECK(strstr(err, "/t: File too large"), "'%s'", err);
		} else {
			CHECK(!ret || ret == -EFBIG, "write: %d", ret);
			npt_trace_abort(w);
		}
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_FSIZE, &lim);
		check_file(path, "what was there before");
		tmp_end("t");
		test_cases++;
	}
}

static void taking_the_name(void)
{
	struct npt_trace_writer *w;
	const char *path = tmp_path("t");
	struct stat st;

	w = create(path, NPT_TRACE_NPT);
	CHECK(!npt_trace_write(w, &one, 1), "write");
	CHECK(stat(path, &st) && errno == ENOENT, "it has its name too early");
	npt_trace_abort(w);
	tmp_end(NULL);

	path = tmp_path("t");
	put_file(path, "old");
	w = create(path, NPT_TRACE_NPT);
	CHECK(!npt_trace_write(w, &one, 1), "write");
	check_file(path, "old");
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "commit: %s", err);
	CHECK(!stat(path, &st) && st.st_size > 30, "the new one has not come");
	tmp_end("t");

	/* Meanwhile somebody has made a directory of that name. */
	path = tmp_path("t");
	w = create(path, NPT_TRACE_NPT);
	CHECK(!mkdir(path, 0700), "mkdir");
	CHECK_EQ(npt_trace_commit(w, err, sizeof(err)), -EISDIR, "commit");
	CHECK(!rmdir(path), "rmdir");
	tmp_end(NULL);
}

/* Through a link, the file that it names is replaced, not the link. */
static void following_links(void)
{
	char link[128], target[128];
	struct npt_trace_writer *w;
	struct stat st;

	strcpy(target, tmp_path("t"));
	strcpy(link, tmp_path("l"));
	put_file(target, "old");
	CHECK(!symlink(target, link), "symlink");
	w = create(link, NPT_TRACE_NPT);
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "commit: %s", err);
	CHECK(!lstat(link, &st) && S_ISLNK(st.st_mode), "the link is gone");
	CHECK(!lstat(target, &st) && S_ISREG(st.st_mode) && st.st_size > 3, "the file is old");
	unlink(link);
	tmp_end("t");
}

static void to_a_pipe(void)
{
	struct npt_trace_writer *w;
	struct npt_access *got;
	uint8_t data[4096];
	char path[64];
	int fds[2];
	size_t nr;
	ssize_t n;

	CHECK(!pipe(fds), "pipe");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	w = create(path, NPT_TRACE_NPT);
	CHECK(!npt_trace_write(w, &one, 1), "write");
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "commit: %s", err);
	n = read(fds[0], data, sizeof(data));
	CHECK_EQ(read_data(data, n, true, NPT_TRACE_AUTO, 1, &got, &nr, err), 0, err);
	check_same(got, nr, &one, 1, "through a pipe");
	free(got);

	/* Nobody reads any more. */
	signal(SIGPIPE, SIG_IGN);
	w = create(path, NPT_TRACE_NPT);
	close(fds[0]);
	CHECK_EQ(fill_up(w, 2000000), -EPIPE, "write to nobody");
	CHECK(strstr(npt_trace_writer_error(w), ": Broken pipe"), "'%s'",
	      npt_trace_writer_error(w));
	CHECK_EQ(npt_trace_write(w, &one, 1), -EPIPE, "the failure stays");
	npt_trace_abort(w);
	close(fds[1]);
}

static void impossible_records(void)
{
	static const struct {
		struct npt_access a;
		enum npt_trace_format format;
		int ret;
	} cases[] = {
		{ { .gva = 1, .op = NPT_OP_READ }, NPT_TRACE_NPT, -EINVAL },
		{ { .gva = 1, .op = NPT_OP_FETCH }, NPT_TRACE_LACKEY, -EINVAL },
		{ { .gva = 1, .size = 1, .op = 16 }, NPT_TRACE_NPT, -EINVAL },
		{ { .gva = 1, .size = 1, .op = 255 }, NPT_TRACE_LACKEY, -EINVAL },
		{ { .gva = ~0ull, .size = 2, .op = NPT_OP_WRITE }, NPT_TRACE_NPT, -EINVAL },
		{ { .gva = 1, .op = 3 }, NPT_TRACE_LACKEY, -EOPNOTSUPP },
		{ { .gva = 1, .op = 15 }, NPT_TRACE_NPT, 0 },
		{ { .gva = ~0ull, .size = 1, .op = NPT_OP_WRITE }, NPT_TRACE_NPT, 0 },
	};
	struct npt_trace_writer *w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		w = create("/dev/null", cases[i].format);
		CHECK(!npt_trace_write(w, &one, 1), "a good record");
		CHECK(npt_trace_write(w, &cases[i].a, 1) == cases[i].ret, "case %zu", i);
		CHECK(!cases[i].ret == !npt_trace_writer_error(w)[0], "case %zu: '%s'", i,
		      npt_trace_writer_error(w));
		CHECK(!cases[i].ret || strstr(npt_trace_writer_error(w), "/dev/null: record 2: "),
		      "case %zu: '%s'", i, npt_trace_writer_error(w));
		CHECK(npt_trace_commit(w, err, sizeof(err)) == cases[i].ret, "commit %zu", i);
		test_cases++;
	}
}

static void bad_outputs(void)
{
	struct npt_trace_writer *w;

	CHECK_EQ(npt_trace_create("/nonexistent/t", NPT_TRACE_NPT, NULL, &w, err, sizeof(err)),
		 -ENOENT, "no directory");
	CHECK(!strcmp(err, "/nonexistent/t: No such file or directory"), "'%s'", err);
	CHECK_EQ(npt_trace_create("/tmp", NPT_TRACE_NPT, NULL, &w, err, sizeof(err)), -EISDIR,
		 "a directory");
	CHECK_EQ(npt_trace_create("/tmp/t", NPT_TRACE_CHAMPSIM, NULL, &w, err, sizeof(err)),
		 -EINVAL, "a format that is not written");
	CHECK_EQ(npt_trace_create("/tmp/t", NPT_TRACE_AUTO, NULL, &w, NULL, 0), -EINVAL, "auto");
}

/* lackey's text comes back as it was written. */
static void lackey_text(void)
{
	const struct npt_trace_info info = { .command = "true" };
	static const struct npt_access a[] = {
		{ .gva = 0, .size = 65535, .op = NPT_OP_FETCH, .flags = NPT_ACCESS_USER },
		{ .gva = ~0ull, .size = 1, .op = NPT_OP_READ, .flags = NPT_ACCESS_USER },
		{ .gva = 0x12345, .size = 10, .op = NPT_OP_WRITE, .flags = NPT_ACCESS_USER },
	};
	struct npt_trace_writer *w;
	const char *path = tmp_path("t");

	CHECK(!npt_trace_create(path, NPT_TRACE_LACKEY, &info, &w, err, sizeof(err)), "%s", err);
	CHECK(!npt_trace_write(w, a, 3), "write: %s", npt_trace_writer_error(w));
	CHECK_EQ(npt_trace_set_info(w, &info), -EBUSY, "info after the header");
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "%s", err);
	check_file(path, "==0== Command: true\nI  00000000,65535\n L ffffffffffffffff,1\n"
			 " S 00012345,10\n");
	tmp_end("t");
}

static void count_plainly(const struct npt_access *a, size_t n, uint8_t *touched,
			  uint64_t *hits, uint64_t base, struct npt_trace_summary *s)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	s->lowest = UINT64_MAX;
	for (i = 0; i < n; i++) {
		uint64_t first = a[i].gva, last = first + a[i].size - 1, p;

		s->records++;
		s->by_op[a[i].op]++;
		if (a[i].op > NPT_OP_FETCH)
			continue;
		s->bytes_by_op[a[i].op] += a[i].size;
		s->crossing_4k += first / 4096 != last / 4096;
		s->crossing_2m += first / 0x200000 != last / 0x200000;
		s->lowest = first < s->lowest ? first : s->lowest;
		s->highest = last > s->highest ? last : s->highest;
		for (p = first / 4096; p <= last / 4096; p++) {
			touched[p - base / 4096] = 1;
			hits[p - base / 4096]++;
		}
	}
}

static void check_ranges(struct npt_trace_counter *c, const uint8_t *touched, size_t pages,
			 uint64_t base, uint64_t gap)
{
	struct npt_trace_range *r;
	size_t i, n, nr, from = 0, holes = 0;
	bool in = false;

	CHECK(!npt_trace_counter_ranges(c, gap * 4096, &r, &n), "ranges");
	for (i = 0, nr = 0; i < pages; i++) {
		if (!touched[i]) {
			holes++;
			continue;
		}
		if (in && holes > gap)
			nr++;
		if (!in || holes > gap)
			from = i;
		in = true;
		holes = 0;
		CHECK(nr < n && r[nr].first == base + from * 4096 &&
		      r[nr].last >= base + i * 4096 + 4095, "range %zu of %zu", nr, n);
	}
	CHECK_EQ(n, in ? nr + 1 : 0, "number of ranges");
	free(r);
}

static void summary(void)
{
	enum { PAGES = 4096, RECORDS = 20000 };
	static struct npt_access a[RECORDS];
	static uint8_t touched[PAGES];
	static uint64_t hits[PAGES];
	struct npt_trace_summary s, want;
	struct npt_trace_page top[40];
	struct npt_trace_counter *c;
	unsigned long round;
	uint64_t base, pages, large;
	struct rnd rnd;
	size_t i, n;

	for_each_round(round, 20, &rnd) {
		base = (rnd64(&rnd) & ~0x1fffffull) >> rnd_below(&rnd, 2);
		base &= ~0x1fffffull;
		if (base > -(uint64_t)PAGES * 4096)
			base = -(uint64_t)PAGES * 4096;
		n = rnd_below(&rnd, RECORDS);
		memset(touched, 0, sizeof(touched));
		memset(hits, 0, sizeof(hits));
		for (i = 0; i < n; i++) {
			uint32_t spread = rnd_one_in(&rnd, 100) ? PAGES * 4096 : 4096 * 300;

			a[i] = (struct npt_access){ .op = rnd_below(&rnd, 4) };
			a[i].size = 1 + rnd_below(&rnd, rnd_one_in(&rnd, 50) ? 20000 : 32);
			if (a[i].op > NPT_OP_FETCH)
				a[i].size = 0;
			a[i].gva = base + rnd_below(&rnd, spread);
			if (a[i].gva - base + a[i].size > PAGES * 4096)
				a[i].gva = base + PAGES * 4096 - a[i].size;
		}
		count_plainly(a, n, touched, hits, base, &want);
		for (pages = large = 0, i = 0; i < PAGES; i++) {
			pages += touched[i];
			large += i % 512 == 0 && memchr(touched + i, 1, 512);
		}
		want.pages_4k = pages;
		want.pages_2m = large;

		c = npt_trace_counter_new();
		CHECK(c && !npt_trace_counter_add(c, a, n / 2) &&
		      !npt_trace_counter_add(c, a + n / 2, n - n / 2), "add");
		npt_trace_counter_get(c, &s);
		CHECK(!memcmp(&s, &want, sizeof(s)),
		      "%llu records, %llu pages, expected %llu, %llu",
		      (unsigned long long)s.records, (unsigned long long)s.pages_4k,
		      (unsigned long long)want.records, (unsigned long long)want.pages_4k);
		check_ranges(c, touched, PAGES, base, 0);
		check_ranges(c, touched, PAGES, base, rnd_below(&rnd, 20));

		n = npt_trace_counter_top(c, top, 40);
		CHECK_EQ(n, pages < 40 ? pages : 40, "pages at the top");
		for (i = 0; i < n; i++) {
			uint64_t *h = &hits[(top[i].gva - base) / 4096];
			size_t j;

			CHECK_EQ(top[i].accesses, *h, "accesses of a page");
			*h = 0;
			for (j = 0; j < PAGES; j++)
				CHECK(hits[j] <= top[i].accesses, "page %zu ranks too low", j);
		}
		CHECK_EQ(npt_trace_counter_top(c, top, 0), 0, "no room");
		npt_trace_counter_free(c);
		test_cases++;
	}
}

static const struct test tests[] = {
	{ "write: a full device", full_device },
	{ "write: a full disk leaves what was there", full_disk },
	{ "write: the name is taken at the end", taking_the_name },
	{ "write: through a symbolic link", following_links },
	{ "write: a pipe, and one that nobody reads", to_a_pipe },
	{ "write: records that cannot be", impossible_records },
	{ "write: outputs that cannot be", bad_outputs },
	{ "write: lackey's text", lackey_text },
	{ "summary: as a plain count", summary },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
