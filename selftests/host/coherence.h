/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random sequences of accesses, guest table writes, flushes and host events on
 * several vCPUs. At each access the set of answers that the architecture allows
 * is computed: a walk may use, for each entry, its present value or any value
 * that it had since this vCPU last flushed the page (SDM vol. 3A, 4.10). With
 * nothing stale that is one answer: the reference's.
 */
#ifndef HOST_COHERENCE_H
#define HOST_COHERENCE_H

#include "rnd.h"

struct coh_opts {
	unsigned int modes;	/* bit 1 << enum npt_mmu_mode: choose among these */
	unsigned int tlb;	/* TLB_ARRAYS, TLB_WALK: what TLB models may have */
	bool disciplined;	/* flush everywhere after each table write */
	bool calm;		/* no host events, one vCPU */
	bool tidy;		/* a plain tree of tables; what changes is mostly its leaves */
	bool processor;		/* accesses by a processor on the shadow tables */
	unsigned int steps;
	unsigned int table_seed;	/* not 0: tables come from here, not from the choices */
	int unsync;		/* 0: no, 1: yes, -1: either */
	unsigned int max_table_pages;	/* 0: any */
};

/* What was checked, summed over runs. */
struct coh_stats {
	unsigned long accesses, strict, loose, unknown, writes;
};

extern struct coh_stats coh_stats;

/* One VM's life. A failed check ends the test. */
void coh_run(struct rnd *rnd, const struct coh_opts *opts);

#endif /* HOST_COHERENCE_H */
