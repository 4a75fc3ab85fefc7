/* SPDX-License-Identifier: GPL-2.0 */
/* The laws of the counter catalogue, held against the counters of an environment. */
#ifndef HOST_LAWS_H
#define HOST_LAWS_H

#include "host_env.h"

/* Counters of the whole VM: of scope vm, and of scope vcpu summed. */
void laws_counters(struct env *env, u64 *out);

/* Every law of NPT_LAWS holds, else the test fails. */
void laws_check(struct env *env);

#endif /* HOST_LAWS_H */
