// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>

#include "laws.h"
#include "test.h"

static const struct {
	const char *name;
	bool vcpu;
} counters[] = {
#define vm 0
#define vcpu 1
#define COUNTER(name, scope, type, unit, text) { #name, scope },
	NPT_COUNTERS(COUNTER)
#undef COUNTER
#undef vm
#undef vcpu
};

static const struct {
	const char *name, *left, *right;
} laws[] = {
#define LAW(name, left, right) { #name, left, right },
	NPT_LAWS(LAW)
#undef LAW
};

static u64 counter_by_name(const char *name, size_t len, const u64 *ctr)
{
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (strlen(counters[i].name) == len && !strncmp(counters[i].name, name, len))
			return ctr[i];
	FAIL("a law names the unknown counter %.*s", (int)len, name);
}

u64 laws_eval(const char *expr, const u64 *ctr)
{
	u64 sum = 0;

	while (*expr) {
		u64 factor = 1;
		size_t len = 0;

		if (isdigit((unsigned char)*expr)) {
			char *end;

			factor = strtoull(expr, &end, 10);
			CHECK(*end == '*', "a law's factor without *: %s", expr);
			expr = end + 1;
		}
		while (isalnum((unsigned char)expr[len]) || expr[len] == '_')
			len++;
		sum += factor * counter_by_name(expr, len, ctr);
		expr += len;
		if (!strncmp(expr, " + ", 3))
			expr += 3;
		else
			CHECK(!*expr, "a law that can't be read: %s", expr);
	}
	return sum;
}

void laws_counters(struct env *env, u64 *out)
{
	u64 one[NPT_CTR_NR];

	memcpy(out, env->mmu.ctr, sizeof(env->mmu.ctr));
	for (size_t i = 0; i < NPT_CTR_NR; i++)
		if (counters[i].vcpu)
			out[i] = 0;
	for (unsigned int c = 0; c < env->ncpus; c++) {
		npt_cpu_settle(env->cpu[c]);
		npt_cpu_counters(env->cpu[c], one);
		for (size_t i = 0; i < NPT_CTR_NR; i++)
			if (counters[i].vcpu)
				out[i] += one[i];
	}
}

void laws_check(struct env *env)
{
	u64 ctr[NPT_CTR_NR];

	laws_counters(env, ctr);
	for (size_t i = 0; i < ARRAY_SIZE(laws); i++) {
		u64 left = laws_eval(laws[i].left, ctr), right = laws_eval(laws[i].right, ctr);

		CHECK(left == right, "law %s broken: %s is %llu, %s is %llu", laws[i].name,
		      laws[i].left, left, laws[i].right, right);
	}
}
