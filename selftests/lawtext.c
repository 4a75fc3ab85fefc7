// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lawtext.h"

enum { scope_vm, scope_vcpu };

const struct law_counter law_counters[NPT_CTR_NR] = {
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

/* NPT_CTR_NR: there is none of that name. */
static unsigned int by_name(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < NPT_CTR_NR; i++)
		if (strlen(law_counters[i].name) == len &&
		    !strncmp(law_counters[i].name, name, len))
			break;
	return i;
}

/* "4096*b", and *s goes behind it. */
static bool term(const char **s, const uint64_t *values, uint64_t *value)
{
	uint64_t factor = 1;
	unsigned int i;
	size_t len = 0;
	char *end;

	if (isdigit((unsigned char)**s)) {
		factor = strtoull(*s, &end, 10);
		if (*end != '*')
			return false;
		*s = end + 1;
	}
	while (isalnum((unsigned char)(*s)[len]) || (*s)[len] == '_')
		len++;
	i = by_name(*s, len);
	if (i == NPT_CTR_NR)
		return false;
	*value = factor * values[i];
	*s += len;
	return true;
}

bool law_eval(const char *side, const uint64_t *values, uint64_t *sum)
{
	uint64_t value;

	for (*sum = 0; term(&side, values, &value); side += 3) {
		*sum += value;
		if (!*side)
			return true;
		if (strncmp(side, " + ", 3))
			return false;
	}
	return false;
}

unsigned int laws_not_kept(const uint64_t *values)
{
	unsigned int i, broken = 0;
	uint64_t left, right;

	for (i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
		if (!law_eval(laws[i].left, values, &left) ||
		    !law_eval(laws[i].right, values, &right))
			fprintf(stderr, "# law %s can't be read\n", laws[i].name);
		else if (left != right)
			fprintf(stderr, "# law %s: %s is %llu, %s is %llu\n", laws[i].name,
				laws[i].left, (unsigned long long)left, laws[i].right,
				(unsigned long long)right);
		else
			continue;
		broken++;
	}
	return broken;
}
