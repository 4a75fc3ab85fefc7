// SPDX-License-Identifier: GPL-2.0
/* TLB models to text; the language is in tlbspec.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "tlbspec_priv.h"

struct writer {
	char *buf;
	size_t len, used;
};

static void __attribute__((format(printf, 2, 3)))
put(struct writer *w, const char *fmt, ...)
{
	size_t left = w->used < w->len ? w->len - w->used : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? w->buf + w->used : NULL, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->used += n;
}

static void put_comma(struct writer *w)
{
	if (w->used)
		put(w, ",");
}

static void put_geometry(struct writer *w, __u32 entries, __u32 ways)
{
	put(w, "=%u", entries);
	if (ways)
		put(w, "/%u", ways);
}

static void put_tlb(struct writer *w, const struct npt_tlb_unit *u)
{
	unsigned int i;

	put_comma(w);
	for (i = 0; i < ARRAY_SIZE(array_names); i++)
		if (array_names[i].level == u->level && array_names[i].kinds == u->kinds)
			put(w, "%s", array_names[i].name);
	if (u->pages != ALL_PAGES)
		put(w, ".");
	for (i = 0; i < ARRAY_SIZE(page_names) && u->pages != ALL_PAGES; i++)
		if (u->pages & page_names[i].bit)
			put(w, "%s", page_names[i].name);
	put_geometry(w, u->entries, u->ways);
	if (u->policy != NPT_TLB_LRU)
		put(w, ":%s", npt_tlb_policy_name(u->policy));
}

static void put_pwc(struct writer *w, const struct npt_pwc_unit *u)
{
	unsigned int i;

	put_comma(w);
	for (i = 0; i < ARRAY_SIZE(dim_names); i++)
		if (dim_names[i].bit == u->dims)
			put(w, "%s.", dim_names[i].name);
	for (i = 2; i <= 5; i++)
		if (u->levels & 1 << i)
			put(w, "%u", i);
	put_geometry(w, u->entries, u->ways);
}

static void put_cost(struct writer *w, const struct npt_cost *c)
{
	struct npt_cost cost = *c, usual = *npt_tlb_default_cost();
	unsigned int i;
	size_t at;

	for (i = 0; i < ARRAY_SIZE(cost_names); i++) {
		at = cost_names[i].offset;
		if (*cost_field(&cost, at) == *cost_field(&usual, at))
			continue;
		put_comma(w);
		put(w, "cost.%s=%u", cost_names[i].name, *cost_field(&cost, at));
	}
}

int npt_tlb_format(const struct npt_tlb_model *model, char *buf, size_t len)
{
	struct writer w = { .buf = buf, .len = len };
	unsigned int i;

	for (i = 0; i < NPT_TLB_UNITS; i++)
		if (model->tlb[i].level)
			put_tlb(&w, &model->tlb[i]);
	for (i = 0; i < NPT_PWC_UNITS; i++)
		if (model->pwc[i].dims)
			put_pwc(&w, &model->pwc[i]);
	if (model->ntlb_entries) {
		put_comma(&w);
		put(&w, "ntlb");
		put_geometry(&w, model->ntlb_entries, model->ntlb_ways);
	}
	for (i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (model->flags & flag_names[i].bit) {
			put_comma(&w);
			put(&w, "%s", flag_names[i].name);
		}
	}
	put_cost(&w, &model->cost);
	if (!w.used)
		put(&w, "none");
	return w.used < len ? (int)w.used : -ENOSPC;
}

const char *npt_tlb_policy_name(unsigned int policy)
{
	return policy < ARRAY_SIZE(policy_names) ? policy_names[policy] : NULL;
}
