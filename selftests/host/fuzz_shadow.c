// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: shadow tables alone, with accesses as a processor makes them:
 * guest table writes, INVLPG, CR3 and role switches, zaps, and a cap on tables
 * that is reached. Everything is held against the reference (coherence.h).
 */
#include "coherence.h"
#include "fuzz.h"
#include "host_env.h"
#include "test.h"
#include "tlb_random.h"

void fuzz_shadow(const uint8_t *data, size_t size)
{
	struct coh_opts opts = {
		.modes = 1u << NPT_MMU_SHADOW, .steps = 400, .unsync = -1,
		.max_table_pages = NPT_MIN_TABLE_PAGES,
	};
	struct rnd rnd;
	u8 how;

	if (size < 3)
		return;
	rnd_bytes(&rnd, data, size);
	how = rnd_take(&rnd, 1);
	opts.processor = how & 1;
	opts.tidy = how & 2;
	opts.disciplined = how & 4;
	opts.calm = how & 8;
	opts.tlb = opts.processor ? 0 : how >> 4 & 3;
	opts.table_seed = 1 + rnd_below(&rnd, 256);
	coh_run(&rnd, &opts);
}

FUZZ_TARGET(shadow)
