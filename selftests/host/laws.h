/* SPDX-License-Identifier: GPL-2.0 */
/* The laws of the counter catalogue, evaluated from their text. */
#ifndef HOST_LAWS_H
#define HOST_LAWS_H

#include "host_env.h"

/* Counters of the whole VM: of scope vm, and of scope vcpu summed. */
void laws_counters(struct env *env, u64 *out);

/* Every law of NPT_LAWS holds, else the test fails. */
void laws_check(struct env *env);

/* Evaluate "a + 4096*b" over @ctr. */
u64 laws_eval(const char *expr, const u64 *ctr);

#endif /* HOST_LAWS_H */
