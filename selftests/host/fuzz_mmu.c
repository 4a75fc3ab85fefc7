// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: bytes choose the VM, its tables, what vCPUs do and what the host
 * does meanwhile; everything is held against the reference (coherence.h).
 */
#include "coherence.h"
#include "fuzz.h"
#include "host_env.h"
#include "test.h"
#include "tlb_random.h"

void fuzz_mmu(const uint8_t *data, size_t size)
{
	struct coh_opts opts = {
		.modes = 1u << NPT_MMU_NATIVE | 1u << NPT_MMU_SHADOW | 1u << NPT_MMU_NESTED,
		.steps = 2000, .unsync = -1,
	};
	struct rnd rnd;

	if (size < 2)
		return;
	rnd_bytes(&rnd, data, size);
	opts.tlb = rnd_below(&rnd, 4);
	opts.disciplined = rnd_below(&rnd, 2);
	/* most of the tables come from a seed: bytes are for what happens to them */
	opts.table_seed = 1 + rnd_below(&rnd, 256);
	coh_run(&rnd, &opts);
}

FUZZ_TARGET(mmu)
