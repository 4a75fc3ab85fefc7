/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HOST_TLB_RANDOM_H
#define HOST_TLB_RANDOM_H

#include "host_env.h"

/* What a random TLB model may have. */
#define TLB_ARRAYS 1	/* TLBs */
#define TLB_WALK 2	/* paging-structure caches and a nested TLB */

/* A valid model, small enough that entries are evicted all the time. */
void tlb_random(struct rnd *rnd, struct npt_tlb_model *m, unsigned int parts);

#endif /* HOST_TLB_RANDOM_H */
