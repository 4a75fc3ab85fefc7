/* SPDX-License-Identifier: GPL-2.0 */
/* The laws of the counter catalogue, held against a VM's counters. */
#ifndef NPT_SELFTESTS_LAWS_H
#define NPT_SELFTESTS_LAWS_H

#include "lawtext.h"
#include "utils.h"

static inline int read_counters(int fd, uint64_t *values)
{
	struct npt_stats s = {
		.size = sizeof(s), .count = NPT_CTR_NR, .values = (uintptr_t)values,
	};

	return call(fd, NPT_STATS, &s);
}

/* How many laws the VM, at rest, does not keep; ~0: its counters can't be read. */
static inline unsigned int laws_broken(int vm)
{
	uint64_t values[NPT_CTR_NR];

	return read_counters(vm, values) ? ~0U : laws_not_kept(values);
}

#endif /* NPT_SELFTESTS_LAWS_H */
