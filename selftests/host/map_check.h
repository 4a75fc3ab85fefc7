/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second look at the tables that the MMU keeps: decoded from memory, by the
 * manuals, without a line of the MMU's own.
 */
#ifndef HOST_MAP_CHECK_H
#define HOST_MAP_CHECK_H

#include "host_env.h"

/* Where the map leads. */
struct map_leaf {
	bool present;
	u64 hpa;		/* of the byte asked for */
	bool w, x;
	unsigned int size;	/* NPT_SIZE_* */
	unsigned int reads;	/* entries read to find it */
};

/* Walk the nested tables in memory for @gpa. */
struct map_leaf map_lookup(struct env *env, u64 gpa);

/*
 * Decode all of the map: every leaf must lead to what the host says, with no
 * more rights than it gives, and the gauges must count what is there.
 */
void map_check(struct env *env);

/* Every leaf of @cpu's shadow tables maps memory that the guest has now, with no right too many. */
void shadow_check(struct env *env, struct npt_cpu *cpu);

#endif /* HOST_MAP_CHECK_H */
