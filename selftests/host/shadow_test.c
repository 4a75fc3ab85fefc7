// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence: what vCPUs see while guest tables, roots, host mappings and slots
 * change, without and with TLBs, in every mode. See coherence.h.
 */
#include "coherence.h"
#include "host_env.h"
#include "test.h"
#include "tlb_random.h"

#define SHADOW (1u << NPT_MMU_SHADOW)
#define OTHERS (1u << NPT_MMU_NATIVE | 1u << NPT_MMU_NESTED)

static void rounds_of(const struct coh_opts *opts, unsigned long rounds)
{
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, rounds, &rnd)
		coh_run(&rnd, opts);
	/* a test that mostly says "either" would prove nothing */
	CHECK(coh_stats.strict > coh_stats.accesses / 4 || coh_stats.accesses < 1000,
	      "only %lu of %lu accesses had one answer", coh_stats.strict, coh_stats.accesses);
	CHECK(coh_stats.unknown <= coh_stats.accesses / 20, "%lu of %lu accesses went unchecked",
	      coh_stats.unknown, coh_stats.accesses);
}

#define COHERENCE(name, rounds, ...)					\
	static void name(void)						\
	{								\
		static const struct coh_opts opts = { __VA_ARGS__ };	\
									\
		rounds_of(&opts, rounds);				\
	}

/* Without TLB: what is stale can only be shadow tables. */
COHERENCE(shadow_calm, 300, .modes = SHADOW, .calm = true, .disciplined = true, .steps = 400,
	  .unsync = -1)
COHERENCE(shadow_sync, 300, .modes = SHADOW, .steps = 600, .unsync = 0)
COHERENCE(shadow_unsync, 500, .modes = SHADOW, .steps = 600, .unsync = 1)
COHERENCE(shadow_tiny, 250, .modes = SHADOW, .steps = 800, .unsync = -1,
	  .max_table_pages = NPT_MIN_TABLE_PAGES)
COHERENCE(shadow_tidy, 500, .modes = SHADOW, .tidy = true, .steps = 600, .unsync = 1)
COHERENCE(others, 250, .modes = OTHERS, .steps = 600, .unsync = -1)

/* Under a processor that walks the shadow tables itself. */
COHERENCE(processor_sync, 300, .modes = SHADOW, .processor = true, .steps = 600, .unsync = 0)
COHERENCE(processor_unsync, 400, .modes = SHADOW, .processor = true, .steps = 600, .unsync = 1)
COHERENCE(processor_tidy, 400, .modes = SHADOW, .processor = true, .tidy = true, .steps = 600,
	  .unsync = 1)

/* With TLBs and walk caches. */
COHERENCE(tlb_disciplined, 400, .modes = SHADOW | OTHERS, .tlb = TLB_ARRAYS | TLB_WALK,
	  .disciplined = true, .steps = 500, .unsync = -1)
COHERENCE(tlb_loose, 400, .modes = SHADOW | OTHERS, .tlb = TLB_ARRAYS, .steps = 600,
	  .unsync = -1)
COHERENCE(tlb_tidy, 400, .modes = SHADOW, .tlb = TLB_ARRAYS | TLB_WALK, .tidy = true,
	  .steps = 600, .unsync = -1)
COHERENCE(walk_caches, 400, .modes = SHADOW | OTHERS, .tlb = TLB_WALK, .steps = 600,
	  .unsync = -1)
COHERENCE(all, 400, .modes = SHADOW | OTHERS, .tlb = TLB_ARRAYS | TLB_WALK, .steps = 800,
	  .unsync = -1)

static const struct test tests[] = {
#define T(name) { "coherence." #name, name }
	T(shadow_calm), T(shadow_sync), T(shadow_unsync), T(shadow_tiny), T(shadow_tidy), T(others),
	T(processor_sync), T(processor_unsync), T(processor_tidy),
	T(tlb_disciplined), T(tlb_loose), T(tlb_tidy), T(walk_caches), T(all),
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
