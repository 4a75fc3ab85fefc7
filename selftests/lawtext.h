/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The laws of the counter catalogue, evaluated from their text, for tests in the
 * lab and on the host. libnpt has an evaluator of its own: it is one of the things
 * that are tested.
 */
#ifndef NPT_SELFTESTS_LAWTEXT_H
#define NPT_SELFTESTS_LAWTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/npt.h>

extern const struct law_counter {
	const char *name;
	bool vcpu;		/* each vCPU has it, else the VM */
} law_counters[NPT_CTR_NR];

/* One side of a law: "a + 4096*b". False: it can't be read. */
bool law_eval(const char *side, const uint64_t *values, uint64_t *sum);

/* How many laws the counters @values don't keep. Each is told on stderr. */
unsigned int laws_not_kept(const uint64_t *values);

#endif /* NPT_SELFTESTS_LAWTEXT_H */
