// SPDX-License-Identifier: GPL-2.0
/*
 * The library's two backends, side by side: what the module counts for a trace is
 * what the core in this process counts, to the last counter.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kselftest_harness.h"
#include "libnpt.h"
#include "tlbspec.h"
#include "trace.h"

#define RECORDS 30000

/* Counters that tell of the host or of how accesses were handed in, not of the guest. */
static bool host_counter(unsigned int c)
{
	switch (c) {
	case NPT_CTR_batches:
	case NPT_CTR_host_map:
	case NPT_CTR_host_map_retry:
	case NPT_CTR_notifier_calls:
	case NPT_CTR_notifier_young:
	case NPT_CTR_slot_changes:
	case NPT_CTR_slots:
		return true;
	default:
		return false;
	}
}

FIXTURE(replay)
{
	struct npt_device *module, *inproc;
	struct npt_replay_options opts;
	struct npt_trace_reader *trace;
	uint64_t state;
	char path[64];
};

FIXTURE_VARIANT(replay)
{
	unsigned int guest, nested, page, format;
	const char *tlb;
};

FIXTURE_VARIANT_ADD(replay, plain) { 4, 4, 12, NPT_NESTED_NPT, "skylake" };
FIXTURE_VARIANT_ADD(replay, large) { 4, 4, 21, NPT_NESTED_NPT, "skylake" };
FIXTURE_VARIANT_ADD(replay, caches) { 4, 4, 12, NPT_NESTED_NPT,
				      "skylake,pwc=2/4/32,npwc=2/4/32,ntlb=16" };
FIXTURE_VARIANT_ADD(replay, no_tlb) { 4, 4, 12, NPT_NESTED_NPT, "none" };
FIXTURE_VARIANT_ADD(replay, small_tlb) { 4, 4, 12, NPT_NESTED_EPT, "l1=4:plru,l2=16/4:fifo" };
FIXTURE_VARIANT_ADD(replay, deep) { 5, 5, 12, NPT_NESTED_EPT, "zen2" };
FIXTURE_VARIANT_ADD(replay, deep_large) { 5, 4, 21, NPT_NESTED_EPT, "champsim" };
FIXTURE_VARIANT_ADD(replay, pae) { 3, 4, 12, NPT_NESTED_NPT, "skylake" };
FIXTURE_VARIANT_ADD(replay, pae_large) { 3, 5, 21, NPT_NESTED_NPT, "skylake" };
FIXTURE_VARIANT_ADD(replay, narrow) { 2, 4, 12, NPT_NESTED_NPT, "skylake" };
FIXTURE_VARIANT_ADD(replay, narrow_large) { 2, 4, 21, NPT_NESTED_NPT, "skylake" };

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 24;
}

/* Accesses over some hundred pages of 4K in a few of 2M, some across an edge. */
static void fill(struct npt_access *a, size_t n, uint64_t *state)
{
	size_t i;

	for (i = 0; i < n; i++) {
		memset(&a[i], 0, sizeof(a[i]));
		a[i].gva = 0x40000000 + (next(state) % 4 << 23) + next(state) % 400 * 1000;
		a[i].size = 1 + next(state) % 16;
		a[i].op = next(state) % 3;
		if (next(state) % 5000 == 0) {
			a[i].op = next(state) & 1 ? NPT_OP_INVLPG : NPT_OP_FLUSH;
			a[i].size = 0;
			if (a[i].op == NPT_OP_FLUSH)
				a[i].gva = 0;
		}
	}
}

FIXTURE_SETUP(replay)
{
	struct npt_access *a = calloc(RECORDS, sizeof(*a));
	char err[NPT_TRACE_ERRLEN];
	struct npt_trace_writer *w;

	if (npt_device_open(NULL, &self->module))
		SKIP(return, "%s", npt_error());
	ASSERT_EQ(0, npt_device_open_inproc(&self->inproc));
	npt_replay_defaults(&self->opts);
	ASSERT_EQ(0, npt_tlb_parse(variant->tlb, -1, &self->opts.tlb, err, sizeof(err)))
		TH_LOG("%s", err);
	self->opts.nr_page = 1;
	self->opts.page[0] = variant->page;
	self->opts.guest_levels = variant->guest;
	self->opts.nested_levels = variant->nested;
	self->opts.nested_format = variant->format;
	self->state = 42 + variant->guest * 7 + variant->page;
	fill(a, RECORDS, &self->state);
	snprintf(self->path, sizeof(self->path), "/tmp/replay_test.%d", getpid());
	ASSERT_EQ(0, npt_trace_create(self->path, NPT_TRACE_NPT, NULL, &w, err, sizeof(err)));
	ASSERT_EQ(0, npt_trace_write(w, a, RECORDS));
	ASSERT_EQ(0, npt_trace_commit(w, err, sizeof(err)));
	ASSERT_EQ(0, npt_trace_open(self->path, NPT_TRACE_NPT, &self->trace, err, sizeof(err)));
	free(a);
}

FIXTURE_TEARDOWN(replay)
{
	npt_trace_close(self->trace);
	npt_device_close(self->module);
	npt_device_close(self->inproc);
	unlink(self->path);
}

TEST_F(replay, module_counts_what_the_core_counts)
{
	struct npt_replay_run m[3], p[3];
	unsigned int r, c;

	ASSERT_EQ(0, npt_replay(self->module, self->trace, &self->opts, m))
		TH_LOG("module: %s", npt_error());
	ASSERT_EQ(0, npt_trace_rewind(self->trace));
	ASSERT_EQ(0, npt_replay(self->inproc, self->trace, &self->opts, p))
		TH_LOG("in-process: %s", npt_error());
	for (r = 0; r < 3; r++) {
		if (m[r].host_pages_short)
			SKIP(return, "the host has too few pages of 2M");
		EXPECT_EQ(RECORDS, m[r].records);
		EXPECT_EQ(0, m[r].failed);
		EXPECT_EQ(0, npt_laws_check(m[r].counters, NPT_CTR_NR, NULL));
		EXPECT_EQ(p[r].guest_table_bytes, m[r].guest_table_bytes);
		for (c = 0; c < NPT_CTR_NR; c++) {
			if (host_counter(c))
				continue;
			EXPECT_EQ(p[r].counters[c], m[r].counters[c])
				TH_LOG("%s: %s", npt_mmu_name(m[r].mmu),
				       npt_counter_info(c)->name);
		}
	}
}

/* One access after another, cold: (g + 1)(h + 1) - 1. */
TEST_F(replay, cold_walks_take_what_the_formula_says)
{
	unsigned int guest = variant->guest - (variant->page - 12) / 9;
	unsigned int nested = variant->nested - (variant->page - 12) / 9;
	struct npt_replay_run run;
	const uint64_t *c = run.counters;

	memset(&self->opts.tlb, 0, sizeof(self->opts.tlb));
	self->opts.tlb.size = sizeof(self->opts.tlb);
	self->opts.nr_mmu = 1;
	self->opts.mmu[0] = NPT_MMU_NESTED;
	ASSERT_EQ(0, npt_replay(self->module, self->trace, &self->opts, &run))
		TH_LOG("%s", npt_error());
	if (run.host_pages_short)
		SKIP(return, "the host has too few pages of 2M");
	EXPECT_EQ(c[NPT_CTR_lookups], c[NPT_CTR_walks]);
	EXPECT_EQ(c[NPT_CTR_walks] * guest, c[NPT_CTR_refs_guest]);
	EXPECT_EQ(c[NPT_CTR_walks] * npt_pt_references(guest, nested),
		  c[NPT_CTR_refs_guest] + c[NPT_CTR_refs_nested]);
}

TEST_HARNESS_MAIN
