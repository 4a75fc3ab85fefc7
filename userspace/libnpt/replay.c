// SPDX-License-Identifier: GPL-2.0
/*
 * Replay: a trace is read once to see what it touches, then once per run. Input
 * that can't be read twice, and text that would be parsed again for every run, is
 * copied into a temporary file in the native format on the first reading.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "footprint.h"
#include "libnpt_priv.h"
#include "replay_guest.h"
#include "trace.h"

#define CHUNK 65536

struct replay {
	struct npt_device *dev;
	const struct npt_replay_options *opts;
	struct npt_trace_reader *input;		/* the caller's */
	struct npt_trace_reader *spool;		/* our copy, or NULL */
	struct npt_trace_writer *writer;	/* of the copy, while it is written */
	struct npt_footprint fp;
	struct npt_access *buf;			/* CHUNK records */
	uint64_t records;
	const char *what;			/* for progress */
};

void npt_replay_defaults(struct npt_replay_options *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->mmu[0] = NPT_MMU_NATIVE;
	opts->mmu[1] = NPT_MMU_SHADOW;
	opts->mmu[2] = NPT_MMU_NESTED;
	opts->nr_mmu = 3;
	opts->page[0] = 12;
	opts->page[1] = 21;
	opts->nr_page = 2;
	opts->guest_levels = 4;
	opts->nested_levels = 4;
	opts->tlb.size = sizeof(opts->tlb);
}

static int replay_progress(struct replay *r, uint64_t done, uint64_t total)
{
	if (!r->opts->progress)
		return 0;
	return r->opts->progress(r->opts->arg, r->what, done, total);
}

static int replay_check(const struct npt_replay_options *o)
{
	unsigned int i;

	if (!o->nr_mmu || o->nr_mmu > NPT_ARRAY_SIZE(o->mmu) || !o->nr_page ||
	    o->nr_page > NPT_ARRAY_SIZE(o->page))
		return npt_set_error(-EINVAL,
				     "replay: 1 to %zu MMU modes and page sizes are expected",
				     NPT_ARRAY_SIZE(o->mmu));
	if (o->guest_levels < 2 || o->guest_levels > 5)
		return npt_set_error(-EINVAL, "replay: %u guest levels, expected 2 to 5",
				     o->guest_levels);
	if (o->nested_levels != 4 && o->nested_levels != 5)
		return npt_set_error(-EINVAL, "replay: %u nested levels, expected 4 or 5",
				     o->nested_levels);
	for (i = 0; i < o->nr_page; i++)
		if (!replay_leaf_shift(o->guest_levels, o->page[i]))
			return -EINVAL;
	return 0;
}

/* --- the first reading --- */

static int bad_address(const struct replay *r, uint64_t gva, uint64_t record)
{
	static const char *const have[] = {
		[2] = "32-bit tables has addresses below 4 GiB only",
		[3] = "PAE tables has addresses below 4 GiB only",
		[4] = "4 levels has addresses of 48 bits only",
		[5] = "5 levels has addresses of 57 bits only",
	};

	return npt_set_error(-EINVAL, "record %llu: address 0x%llx: a guest with %s",
			     (unsigned long long)record, (unsigned long long)gva,
			     have[r->opts->guest_levels]);
}

static bool address_fits(unsigned int levels, uint64_t gva)
{
	unsigned int shift = levels == 4 ? 16 : 7;

	if (levels < 4)
		return !(gva >> 32);
	return (uint64_t)((int64_t)(gva << shift) >> shift) == gva;
}

static int scan_pages(struct replay *r, const struct npt_access *a, uint64_t record)
{
	uint64_t first = a->gva >> 12, last = (a->gva + a->size - 1) >> 12, page;
	int ret;

	for (page = first; page <= last; page++) {
		ret = npt_footprint_add(&r->fp, page);
		if (ret < 0)
			return ret;
		if (ret && !address_fits(r->opts->guest_levels, page << 12))
			return bad_address(r, a->gva, record);
	}
	return 0;
}

static int scan_chunk(struct replay *r, size_t n)
{
	size_t i;
	int ret;

	for (i = 0; i < n; i++) {
		const struct npt_access *a = &r->buf[i];
		uint64_t record = r->records + i + 1;

		if (a->op >= NPT_OP_NR)
			return npt_set_error(-EINVAL,
					     "record %llu: unknown operation %u, expected 0 to %u",
					     (unsigned long long)record, a->op, NPT_OP_NR - 1);
		if (a->op > NPT_OP_FETCH)
			continue;
		if (!a->size || a->gva + a->size - 1 < a->gva)
			return npt_set_error(-EINVAL,
					     "record %llu: size %u at 0x%llx makes no sense",
					     (unsigned long long)record, a->size,
					     (unsigned long long)a->gva);
		ret = scan_pages(r, a, record);
		if (ret)
			return ret;
	}
	if (r->writer && npt_trace_write(r->writer, r->buf, n))
		return npt_set_error(-EIO, "copy of the trace: %s",
				     npt_trace_writer_error(r->writer));
	return 0;
}

static int read_error(struct npt_trace_reader *reader, int err)
{
	return npt_set_error(err, "%s", npt_trace_error(reader));
}

static int scan_all(struct replay *r)
{
	uint64_t done, total;
	ssize_t n;
	int ret;

	r->what = "reading the trace";
	while ((n = npt_trace_read(r->input, r->buf, CHUNK)) > 0) {
		ret = scan_chunk(r, n);
		if (ret)
			return ret;
		r->records += n;
		npt_trace_position(r->input, &done, &total);
		ret = replay_progress(r, done, total);
		if (ret)
			return ret;
	}
	if (n < 0)
		return read_error(r->input, n);
	return npt_footprint_sort(&r->fp);
}

/* --- the copy --- */

static bool spool_wanted(struct replay *r)
{
	if (npt_trace_rewind(r->input))
		return true;
	return npt_trace_info(r->input)->format != NPT_TRACE_NPT &&
	       r->opts->nr_mmu * r->opts->nr_page > 1;
}

static int spool_finish(struct replay *r, const char *path)
{
	char err[NPT_TRACE_ERRLEN];
	int ret;

	ret = npt_trace_commit(r->writer, err, sizeof(err));
	r->writer = NULL;
	if (!ret)
		ret = npt_trace_open(path, NPT_TRACE_NPT, &r->spool, err, sizeof(err));
	return ret ? npt_set_error(ret, "copy of the trace: %s", err) : 0;
}

/* Scan and copy. The file has a name only while it is written. */
static int scan_and_spool(struct replay *r)
{
	const char *dir = getenv("TMPDIR");
	char path[4096], err[NPT_TRACE_ERRLEN];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/npt-replay-XXXXXX", dir && *dir ? dir : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		return npt_set_errno(-errno, "%s", path);
	close(fd);
	ret = npt_trace_create(path, NPT_TRACE_NPT, NULL, &r->writer, err, sizeof(err));
	if (ret) {
		npt_set_error(ret, "copy of the trace: %s", err);
	} else {
		ret = scan_all(r);
		if (!ret)
			ret = spool_finish(r, path);
		npt_trace_abort(r->writer);
		r->writer = NULL;
	}
	unlink(path);
	return ret;
}

/* --- one run --- */

/*
 * Every access is the user's. A guest has one set of tables here, so that loading
 * CR3 is loading the same root again: what it costs is the flush.
 */
static void prepare(const struct replay_guest *g, struct npt_access *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* other operations are the system's */
		buf[i].flags = buf[i].op <= NPT_OP_FETCH ? NPT_ACCESS_USER : 0;
		if (buf[i].op == NPT_OP_MOV_CR3)
			buf[i].gva = npt_pt_root(g->pt);
	}
}

/* Remember why the first access failed; nothing was expected to. */
static void note_failure(struct replay_guest *g, const struct npt_access *a,
			 struct npt_replay_run *run, uint64_t record)
{
	struct npt_walk_entry entries[NPT_WALK_MAX];
	struct npt_explain e = { .gva = a->gva, .op = a->op, .user = 1 };

	run->first_failed = record;
	memset(&run->first_failure, 0, sizeof(run->first_failure));
	run->first_failure.status = NPT_STATUS_BAD_RECORD;
	if (a->op > NPT_OP_FETCH || npt_vcpu_explain(g->vcpu, &e, entries))
		return;
	run->first_failure.status = e.status;
	run->first_failure.gpa = e.gpa;
	run->first_failure.error_code = e.error_code;
	if (e.status == NPT_STATUS_GUEST_PF)
		run->first_failure.cr2 = a->gva;
}

static int execute(struct replay_guest *g, const struct npt_access *buf, size_t n,
		   struct npt_replay_run *run)
{
	size_t done = 0;
	int ret;

	while (done < n) {
		struct npt_batch batch = {
			.accesses = (uintptr_t)(buf + done), .count = n - done,
			.flags = run->failed ? 0 : NPT_BATCH_STOP,
		};

		ret = npt_vcpu_batch(g->vcpu, &batch);
		if (ret == -EINTR)
			continue;
		if (ret)
			return ret;
		done += batch.done;
		if (batch.failed && !run->failed)
			note_failure(g, &buf[done - 1], run, run->records + done - 1);
		run->failed += batch.failed;
	}
	run->records += n;
	return 0;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int feed(struct replay *r, struct replay_guest *g, struct npt_replay_run *run)
{
	struct npt_trace_reader *reader = r->spool ? r->spool : r->input;
	double start;
	ssize_t n;
	int ret;

	ret = npt_trace_rewind(reader);
	if (ret)
		return read_error(reader, ret);
	while ((n = npt_trace_read(reader, r->buf, CHUNK)) > 0) {
		prepare(g, r->buf, n);
		start = cpu_seconds();
		ret = execute(g, r->buf, n, run);
		run->seconds += cpu_seconds() - start;
		if (!ret)
			ret = replay_progress(r, run->records, r->records);
		if (ret)
			return ret;
	}
	return n < 0 ? read_error(reader, n) : 0;
}

static int collect(struct replay_guest *g, struct npt_replay_run *run)
{
	int ret = npt_vm_stats(g->vm, run->counters, NPT_CTR_NR);
	uint64_t map = run->counters[NPT_CTR_nested_tables] * 4096;

	run->guest_pages = g->pages;
	run->guest_table_bytes = npt_pt_bytes(g->pt);
	run->shadow_table_bytes = run->counters[NPT_CTR_shadow_tables] * 4096;
	if (run->mmu == NPT_MMU_NESTED)
		run->nested_table_bytes = map;
	else
		run->map_table_bytes = map;
	return ret;
}

static void note_memory(const struct replay_guest *g, struct npt_replay_run *run)
{
	const struct npt_memory *mem[] = { g->tables, g->data };
	size_t i;

	for (i = 0; i < NPT_ARRAY_SIZE(mem); i++) {
		if (!mem[i])
			continue;
		run->memory_bytes += mem[i]->opts.size;
		run->huge_bytes += npt_memory_huge_bytes(mem[i]);
	}
	run->host_pages_short = g->short_of_pages;
}

static int replay_run(struct replay *r, uint32_t mmu, uint32_t page_shift,
		      struct npt_replay_run *run)
{
	struct replay_guest guest;
	char what[64];
	int ret;

	memset(run, 0, sizeof(*run));
	run->mmu = mmu;
	run->page_shift = page_shift;
	run->guest_leaf_shift = replay_leaf_shift(r->opts->guest_levels, page_shift);
	snprintf(what, sizeof(what), "%s %s", npt_mmu_name(mmu), npt_page_name(page_shift));
	r->what = what;
	ret = replay_guest_create(r->dev, r->opts, mmu, page_shift, &r->fp, &guest);
	if (ret)
		return ret;
	note_memory(&guest, run);
	ret = feed(r, &guest, run);
	if (!ret)
		ret = collect(&guest, run);
	replay_guest_destroy(&guest);
	return ret;
}

static int replay_all(struct replay *r, struct npt_replay_run *runs)
{
	const struct npt_replay_options *o = r->opts;
	unsigned int m, p;
	int ret;

	ret = spool_wanted(r) ? scan_and_spool(r) : scan_all(r);
	for (m = 0; !ret && m < o->nr_mmu; m++)
		for (p = 0; !ret && p < o->nr_page; p++)
			ret = replay_run(r, o->mmu[m], o->page[p], runs++);
	return ret;
}

int npt_replay(struct npt_device *dev, struct npt_trace_reader *trace,
	       const struct npt_replay_options *opts, struct npt_replay_run *runs)
{
	struct replay r = { .dev = dev, .opts = opts, .input = trace };
	int ret = replay_check(opts);

	if (ret)
		return ret;
	r.buf = malloc(CHUNK * sizeof(*r.buf));
	if (!r.buf)
		return npt_set_error(-ENOMEM, "no memory for a batch");
	ret = replay_all(&r, runs);
	npt_trace_close(r.spool);
	npt_footprint_free(&r.fp);
	free(r.buf);
	return ret;
}
