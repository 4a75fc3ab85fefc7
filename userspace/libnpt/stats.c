// SPDX-License-Identifier: GPL-2.0
/* The counter catalogue as data, and the laws that the counters obey. */
#include <ctype.h>
#include <stdlib.h>

#include "libnpt_priv.h"

static const struct npt_counter_info catalogue[NPT_CTR_NR] = {
#define COUNTER(n, s, t, u, x) \
	[NPT_CTR_##n] = { .name = #n, .scope = NPT_SCOPE_##s, .type = NPT_TYPE_##t, \
			  .unit = #u, .text = x },
	NPT_COUNTERS(COUNTER)
#undef COUNTER
};

static const struct npt_law laws[] = {
#define LAW(n, l, r) { .name = #n, .left = l, .right = r },
	NPT_LAWS(LAW)
#undef LAW
};

const struct npt_counter_info *npt_counter_info(unsigned int counter)
{
	return counter < NPT_CTR_NR ? &catalogue[counter] : NULL;
}

/* A counter by the first @len characters of @name. */
static int counter_find(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < NPT_CTR_NR; i++)
		if (!strncmp(catalogue[i].name, name, len) && !catalogue[i].name[len])
			return i;
	return -ENOENT;
}

int npt_counter_by_name(const char *name)
{
	int i = counter_find(name, strlen(name));

	return i < 0 ? npt_set_error(i, "no counter is called \"%s\"", name) : i;
}

const struct npt_law *npt_laws(size_t *count)
{
	*count = NPT_ARRAY_SIZE(laws);
	return laws;
}

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* One term, [FACTOR*]NAME. Moves *p behind it; NULL or what is wrong with it. */
static const char *law_term(const char **p, const uint64_t *values, size_t count,
			    uint64_t *value)
{
	uint64_t factor = 1;
	const char *start;
	char *end;
	int i;

	*p = skip_space(*p);
	if (isdigit((unsigned char)**p)) {
		errno = 0;
		factor = strtoull(*p, &end, 10);
		end = (char *)skip_space(end);
		if (errno || *end != '*')
			return "a factor must be a number and \"*\"";
		*p = skip_space(end + 1);
	}
	for (start = *p; isalnum((unsigned char)**p) || **p == '_'; (*p)++)
		;
	i = counter_find(start, *p - start);
	if (i < 0 || (size_t)i >= count)
		return "an unknown counter";
	*value = factor * values[i];
	return NULL;
}

/* A sum of terms. NULL or what is wrong with it. */
static const char *law_sum(const char *text, const uint64_t *values, size_t count,
			   uint64_t *sum)
{
	const char *why;
	uint64_t term;

	*sum = 0;
	for (;;) {
		why = law_term(&text, values, count, &term);
		if (why)
			return why;
		*sum += term;
		text = skip_space(text);
		if (!*text)
			return NULL;
		if (*text != '+')
			return "expected \"+\"";
		text++;
	}
}

int npt_law_check(const struct npt_law *law, const uint64_t *values, size_t count,
		  struct npt_law_result *result)
{
	const char *why;

	memset(result, 0, sizeof(*result));
	result->law = law;
	why = law_sum(law->left, values, count, &result->left);
	if (!why)
		why = law_sum(law->right, values, count, &result->right);
	if (why)
		return npt_set_error(-EINVAL, "law %s is malformed: %s", law->name, why);
	result->ok = result->left == result->right;
	return 0;
}

int npt_laws_check(const uint64_t *values, size_t count, struct npt_law_result *results)
{
	struct npt_law_result one;
	int broken = 0;
	size_t i;

	for (i = 0; i < NPT_ARRAY_SIZE(laws); i++) {
		struct npt_law_result *r = results ? &results[i] : &one;

		if (npt_law_check(&laws[i], values, count, r))
			return -EINVAL;
		broken += !r->ok;
	}
	return broken;
}
