/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM full of random guest tables of one format: large pages, aliases, loops,
 * tables in read-only memory, in high memory and nowhere, reserved bits.
 */
#ifndef HOST_UNIVERSE_H
#define HOST_UNIVERSE_H

#include "host_env.h"

#define UNI_TABLES 24
#define UNI_IDX 6

struct uni {
	struct env env;
	struct rnd *rnd;
	unsigned int levels;	/* of the guest's tables, 0: paging off */
	u64 top_gpa;		/* of a slot below MAXPHYADDR */
	u64 table[UNI_TABLES];
	u8 nominal[UNI_TABLES];
	u16 index[6][UNI_IDX];
	u64 copy[UNI_TABLES][512];
	bool has_big;
};

/* Make u->env with one vCPU and fill the tables. u->rnd and u->levels are set. */
void uni_make(struct uni *u, u32 mode);
/* Random control registers, root and keys for the vCPU. */
void uni_random_regs(struct uni *u);
/* An address that is likely to lead somewhere. */
u64 uni_random_gva(struct uni *u);
/* The walk sets these bits: keep them in u->copy. */
void uni_apply_steps(struct uni *u, const struct ref_out *ref);
/* These bits may be set: keep those that are. */
void uni_accept_steps(struct uni *u, const struct ref_out *ref);
/* Memory must hold what u->copy has. */
void uni_compare_tables(struct uni *u);

#endif /* HOST_UNIVERSE_H */
