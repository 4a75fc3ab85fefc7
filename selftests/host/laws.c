// SPDX-License-Identifier: GPL-2.0
#include "../lawtext.h"
#include "laws.h"
#include "test.h"

void laws_counters(struct env *env, u64 *out)
{
	u64 one[NPT_CTR_NR];

	memcpy(out, env->mmu.ctr, sizeof(env->mmu.ctr));
	for (size_t i = 0; i < NPT_CTR_NR; i++)
		if (law_counters[i].vcpu)
			out[i] = 0;
	for (unsigned int c = 0; c < env->ncpus; c++) {
		npt_cpu_settle(env->cpu[c]);
		npt_cpu_counters(env->cpu[c], one);
		for (size_t i = 0; i < NPT_CTR_NR; i++)
			if (law_counters[i].vcpu)
				out[i] += one[i];
	}
}

void laws_check(struct env *env)
{
	uint64_t values[NPT_CTR_NR];
	u64 ctr[NPT_CTR_NR];

	laws_counters(env, ctr);
	memcpy(values, ctr, sizeof(values));
	CHECK(!laws_not_kept(values), "counters break the laws told above");
}
