// SPDX-License-Identifier: GPL-2.0
/* TLB models from text; the language is in tlbspec.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tlbspec_priv.h"

/* A piece of the text, not terminated. */
struct piece {
	const char *at, *end;
};

struct parser {
	struct npt_tlb_model *m;
	unsigned int policy;	/* where an item names none */
	unsigned int base_tlb;	/* bit for each array that came from the base */
	unsigned int base_pwc;	/* likewise, walk caches */
	struct piece item;
	char *err;
	size_t errlen;
};

/* --- pieces of text ------------------------------------------------------------ */

static int __attribute__((format(printf, 2, 3)))
fail(struct parser *p, const char *fmt, ...)
{
	size_t len = p->item.end - p->item.at;
	va_list ap;
	int n;

	if (!p->err || !p->errlen)
		return -EINVAL;
	n = snprintf(p->err, p->errlen, "TLB spec: \"%.*s\": ",
		     len < 40 ? (int)len : 40, p->item.at);
	if (n < 0 || (size_t)n >= p->errlen)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(p->err + n, p->errlen - n, fmt, ap);
	va_end(ap);
	/* One line, for a terminal, whatever was handed in. */
	for (char *c = p->err; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

static bool is(struct piece s, const char *word)
{
	size_t len = s.end - s.at;

	return strlen(word) == len && !memcmp(s.at, word, len);
}

/* Take @word off the front. */
static bool take(struct piece *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len))
		return false;
	s->at += len;
	return true;
}

/* Everything up to @sep, which goes too; false if there is no @sep. */
static bool split(struct piece *s, char sep, struct piece *head)
{
	const char *at = memchr(s->at, sep, s->end - s->at);

	*head = *s;
	if (!at)
		return false;
	head->end = at;
	s->at = at + 1;
	return true;
}

/* A decimal number and nothing else. */
static bool number(struct piece s, __u32 *n)
{
	u64 v = 0;

	if (s.at == s.end || s.end - s.at > 10)
		return false;
	for (; s.at < s.end; s.at++) {
		if (*s.at < '0' || *s.at > '9')
			return false;
		v = v * 10 + (*s.at - '0');
	}
	*n = v;
	return v <= UINT32_MAX;
}

static int policy_number(struct piece s)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policy_names); i++)
		if (is(s, policy_names[i]))
			return i;
	return -EINVAL;
}

/* ENTRIES ["/" (WAYS | "full")] */
static int geometry(struct parser *p, struct piece s, __u32 *entries, __u32 *ways)
{
	struct piece first;
	bool has_ways = split(&s, '/', &first);

	*ways = 0;
	if (!number(first, entries) || !*entries)
		return fail(p, "expected ENTRIES, ENTRIES/WAYS or ENTRIES/full after \"=\"");
	if (!has_ways || is(s, "full"))
		return 0;
	if (!number(s, ways) || !*ways)
		return fail(p, "expected a number of ways or \"full\" after \"/\"");
	return 0;
}

/* What was just entered is all that can be wrong with the model. */
static int check(struct parser *p)
{
	const char *why;

	if (npt_tlb_model_check(p->m, &why))
		return fail(p, "%s", why);
	return 0;
}

/* --- items ----------------------------------------------------------------------- */

static int add_tlb(struct parser *p, const struct npt_tlb_unit *want, bool none)
{
	struct npt_tlb_unit *u;
	int i, slot = -1;

	for (i = NPT_TLB_UNITS - 1; i >= 0; i--) {
		u = &p->m->tlb[i];
		if (u->level == want->level && u->kinds & want->kinds &&
		    u->pages & want->pages) {
			if (!(p->base_tlb & 1u << i))
				return fail(p, "that level, kind and page size was given before");
			memset(u, 0, sizeof(*u));
		}
		if (!u->level)
			slot = i;
	}
	if (none)
		return 0;
	if (slot < 0)
		return fail(p, "more than %d TLB arrays", NPT_TLB_UNITS);
	p->m->tlb[slot] = *want;
	p->base_tlb &= ~(1u << slot);
	return check(p);
}

static int item_tlb(struct parser *p, const struct array_name *name, struct piece sizes,
		    struct piece value)
{
	struct npt_tlb_unit u = { .level = name->level, .kinds = name->kinds };
	bool none = is(value, "none");
	struct piece geo;
	int ret;
	unsigned int i;

	take(&sizes, ".");
	while (sizes.at < sizes.end) {
		for (i = 0; i < ARRAY_SIZE(page_names); i++)
			if (take(&sizes, page_names[i].name))
				break;
		if (i == ARRAY_SIZE(page_names))
			return fail(p, "expected page sizes 4k, 2m, 1g after \"%s\"", name->name);
		u.pages |= page_names[i].bit;
	}
	if (!u.pages)
		u.pages = ALL_PAGES;
	u.policy = p->policy;
	if (split(&value, ':', &geo)) {
		ret = policy_number(value);
		if (ret < 0)
			return fail(p, "expected lru, fifo, lfu or plru after \":\"");
		u.policy = ret;
	}
	ret = none ? 0 : geometry(p, geo, &u.entries, &u.ways);
	return ret ? ret : add_tlb(p, &u, none);
}

static int add_pwc(struct parser *p, const struct npt_pwc_unit *want, bool none)
{
	struct npt_pwc_unit *u;
	int i, slot = -1;

	for (i = NPT_PWC_UNITS - 1; i >= 0; i--) {
		u = &p->m->pwc[i];
		if (u->dims & want->dims && u->levels & want->levels) {
			if (!(p->base_pwc & 1u << i))
				return fail(p, "that dimension and level was given before");
			memset(u, 0, sizeof(*u));
		}
		if (!u->dims)
			slot = i;
	}
	if (none)
		return 0;
	if (slot < 0)
		return fail(p, "more than %d walk caches", NPT_PWC_UNITS);
	p->m->pwc[slot] = *want;
	p->base_pwc &= ~(1u << slot);
	return check(p);
}

/* 2/4/32: from the highest level down to 2. */
static int item_pwc_list(struct parser *p, unsigned int dims, struct piece value)
{
	struct npt_pwc_unit u = { .dims = dims, .levels = ALL_LEVELS };
	__u32 entries[4];
	struct piece one;
	int i, n = 0, ret;
	bool more;

	do {
		more = split(&value, '/', &one);
		if (n == 4 || !number(one, &entries[n++]))
			return fail(p, "expected entries for up to four levels, as in 2/4/32");
	} while (more);
	ret = add_pwc(p, &u, true);
	for (i = 0; i < n && !ret; i++) {
		u.levels = 1 << (n - i + 1);
		u.entries = entries[i];
		if (entries[i])
			ret = add_pwc(p, &u, false);
	}
	return ret;
}

static int item_pwc(struct parser *p, unsigned int dims, struct piece levels,
		    struct piece value)
{
	struct npt_pwc_unit u = { .dims = dims };
	bool none = is(value, "none");
	int ret;

	if (levels.at == levels.end) {
		if (!none)
			return item_pwc_list(p, dims, value);
		u.levels = ALL_LEVELS;
		return add_pwc(p, &u, true);
	}
	take(&levels, ".");
	if (levels.at == levels.end)
		return fail(p, "expected levels 2 to 5 after \".\"");
	for (; levels.at < levels.end; levels.at++) {
		if (*levels.at < '2' || *levels.at > '5')
			return fail(p, "expected levels 2 to 5 before \"=\"");
		u.levels |= 1 << (*levels.at - '0');
	}
	ret = none ? 0 : geometry(p, value, &u.entries, &u.ways);
	return ret ? ret : add_pwc(p, &u, none);
}

static int item_ntlb(struct parser *p, struct piece value)
{
	int ret;

	p->m->ntlb_entries = 0;
	p->m->ntlb_ways = 0;
	if (is(value, "none"))
		return 0;
	ret = geometry(p, value, &p->m->ntlb_entries, &p->m->ntlb_ways);
	return ret ? ret : check(p);
}

static int item_cost(struct parser *p, struct piece name, struct piece value)
{
	char names[ARRAY_SIZE(cost_names) * 24];
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cost_names); i++) {
		if (!is(name, cost_names[i].name))
			continue;
		if (!number(value, cost_field(&p->m->cost, cost_names[i].offset)))
			return fail(p, "expected a number of cycles below 2^32 after \"=\"");
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(cost_names); i++)
		used += snprintf(names + used, sizeof(names) - used, "%scost.%s",
				 i ? ", " : "", cost_names[i].name);
	return fail(p, "expected one of %s", names);
}

static int item_value(struct parser *p, struct piece key, struct piece value)
{
	struct piece rest;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(array_names); i++) {
		rest = key;
		if (take(&rest, array_names[i].name))
			return item_tlb(p, &array_names[i], rest, value);
	}
	for (i = 0; i < ARRAY_SIZE(dim_names); i++) {
		rest = key;
		if (take(&rest, dim_names[i].name) && (rest.at == rest.end || *rest.at == '.'))
			return item_pwc(p, dim_names[i].bit, rest, value);
	}
	if (is(key, "ntlb"))
		return item_ntlb(p, value);
	if (take(&key, "cost."))
		return item_cost(p, key, value);
	return fail(p, "expected l1i, l1d, l1, l2i, l2d, l2, %s before \"=\"",
		    "pwc, npwc, bothpwc, ntlb or cost.NAME");
}

static int item_word(struct parser *p, struct piece word)
{
	bool off = take(&word, "no-");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (!is(word, flag_names[i].name))
			continue;
		if (off)
			p->m->flags &= ~(__u32)flag_names[i].bit;
		else
			p->m->flags |= flag_names[i].bit;
		return 0;
	}
	return fail(p, "expected NAME=VALUE, vpid, pcid, no-vpid or no-pcid (%s)",
		    "a preset's name, or none, comes first");
}

static int parse_item(struct parser *p)
{
	struct piece value = p->item, key;

	if (split(&value, '=', &key))
		return item_value(p, key, value);
	return item_word(p, p->item);
}

/* --- the whole -------------------------------------------------------------------- */

static int parse_items(struct parser *p, struct piece text)
{
	bool more;
	int ret;

	do {
		more = split(&text, ',', &p->item);
		ret = parse_item(p);
	} while (more && !ret);
	return ret;
}

/* A base as the first item: 1 if it is one, 0 if not. */
static int parse_base(struct parser *p, struct piece name)
{
	const struct npt_tlb_preset *presets;
	struct piece text;
	size_t i, n;
	int ret;

	if (is(name, "none"))
		return 1;
	presets = npt_tlb_presets(&n);
	for (i = 0; i < n; i++) {
		if (!is(name, presets[i].name))
			continue;
		text.at = presets[i].spec;
		text.end = text.at + strlen(text.at);
		ret = parse_items(p, text);
		p->base_tlb = ~0u;
		p->base_pwc = ~0u;
		return ret ? ret : 1;
	}
	return 0;
}

/* "expected none, nehalem, ..." */
static int fail_base(struct parser *p)
{
	const struct npt_tlb_preset *presets;
	char names[512] = "none";
	size_t i, n, len = 4;

	presets = npt_tlb_presets(&n);
	for (i = 0; i < n && len < sizeof(names); i++)
		len += snprintf(names + len, sizeof(names) - len, ", %s", presets[i].name);
	return fail(p, "expected items such as l1d=64/4, or one of %s", names);
}

/* Unused slots last: what is the same model is then the same in memory. */
static void close_gaps(struct npt_tlb_model *m)
{
	int from, to;

	for (from = 0, to = 0; from < NPT_TLB_UNITS; from++)
		if (m->tlb[from].level)
			m->tlb[to++] = m->tlb[from];
	memset(m->tlb + to, 0, (NPT_TLB_UNITS - to) * sizeof(m->tlb[0]));
	for (from = 0, to = 0; from < NPT_PWC_UNITS; from++)
		if (m->pwc[from].dims)
			m->pwc[to++] = m->pwc[from];
	memset(m->pwc + to, 0, (NPT_PWC_UNITS - to) * sizeof(m->pwc[0]));
}

static int parse_all(struct parser *p, struct piece text)
{
	struct piece rest = text, first;
	bool more = split(&rest, ',', &first);
	int ret;

	p->item = first;
	ret = parse_base(p, first);
	if (ret < 0)
		return ret;
	if (ret)
		return more ? parse_items(p, rest) : 0;
	/* a word that is no flag was meant to be a base */
	if (!memchr(first.at, '=', first.end - first.at) && item_word(p, first))
		return fail_base(p);
	return parse_items(p, text);
}

int npt_tlb_parse(const char *spec, int policy, struct npt_tlb_model *out,
		  char *err, size_t errlen)
{
	struct parser p = { .m = out, .err = err, .errlen = errlen };
	struct piece text = { spec, spec + strlen(spec) };
	int ret;

	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	out->cost = *npt_tlb_default_cost();
	p.policy = policy < 0 ? NPT_TLB_LRU : policy;
	p.item = text;
	if (p.policy > NPT_TLB_PLRU)
		return fail(&p, "policy %d: expected -1 to %d", policy, NPT_TLB_PLRU);
	ret = parse_all(&p, text);
	if (!ret)
		close_gaps(out);
	return ret;
}

int npt_tlb_policy_parse(const char *name)
{
	struct piece s = { name, name + strlen(name) };

	return policy_number(s);
}
