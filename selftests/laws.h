/* SPDX-License-Identifier: GPL-2.0 */
/* The laws of the counter catalogue, held against a VM's counters. */
#ifndef NPT_SELFTESTS_LAWS_H
#define NPT_SELFTESTS_LAWS_H

#include <ctype.h>
#include <stdbool.h>
#include "utils.h"

enum { scope_vcpu, scope_vm };

static const struct {
	const char *name;
	int scope;
} counters[] = {
#define COUNTER(name, scope, type, unit, text) { #name, scope_##scope },
	NPT_COUNTERS(COUNTER)
#undef COUNTER
};

static const struct {
	const char *name, *left, *right;
} laws[] = {
#define LAW(name, left, right) { #name, left, right },
	NPT_LAWS(LAW)
#undef LAW
};

#define NLAWS (sizeof(laws) / sizeof(laws[0]))

/* "a + 4096*b"; false if it names no counter. */
static inline bool law_eval(const char *s, const uint64_t *values, uint64_t *sum)
{
	*sum = 0;
	while (*s) {
		uint64_t factor = 1;
		size_t len = 0;
		int i;

		if (isdigit((unsigned char)*s)) {
			factor = strtoull(s, (char **)&s, 10);
			s++;
		}
		while (isalnum((unsigned char)s[len]) || s[len] == '_')
			len++;
		for (i = 0; i < NPT_CTR_NR; i++)
			if (strlen(counters[i].name) == len && !strncmp(counters[i].name, s, len))
				break;
		if (i == NPT_CTR_NR)
			return false;
		*sum += factor * values[i];
		s += len;
		s += strspn(s, " +");
	}
	return true;
}

static inline int read_counters(int fd, uint64_t *values)
{
	struct npt_stats s = {
		.size = sizeof(s), .count = NPT_CTR_NR, .values = (uintptr_t)values,
	};

	return call(fd, NPT_STATS, &s);
}

/* The first law that the VM, at rest, does not keep; NULL if it keeps all. */
static inline const char *laws_broken(int vm)
{
	uint64_t values[NPT_CTR_NR], left, right;
	unsigned int i;

	if (read_counters(vm, values))
		return "the counters can't be read";
	for (i = 0; i < NLAWS; i++)
		if (!law_eval(laws[i].left, values, &left) ||
		    !law_eval(laws[i].right, values, &right) || left != right)
			return laws[i].name;
	return NULL;
}

#endif /* NPT_SELFTESTS_LAWS_H */
