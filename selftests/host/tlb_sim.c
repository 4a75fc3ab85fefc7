// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tlb_sim.h"

static const unsigned int page_bits[3] = { 12, 21, 30 };

static void array_init(struct sim_array *a, unsigned int entries, unsigned int ways,
		       unsigned int policy)
{
	a->ways = ways ? ways : entries;
	a->sets = entries / a->ways;
	a->policy = policy;
	a->e = calloc(entries, sizeof(*a->e));
	if (!a->e) {
		perror("calloc");
		exit(1);
	}
}

void sim_init(struct sim *s, const struct npt_tlb_model *m)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->m = *m;
	for (i = 0; i < NPT_TLB_UNITS; i++)
		if (m->tlb[i].level)
			array_init(&s->tlb[i], m->tlb[i].entries, m->tlb[i].ways,
				   m->tlb[i].policy);
	for (i = 0; i < NPT_PWC_UNITS; i++)
		if (m->pwc[i].dims)
			array_init(&s->pwc[i], m->pwc[i].entries, m->pwc[i].ways, NPT_TLB_LRU);
	if (m->ntlb_entries)
		array_init(&s->ntlb, m->ntlb_entries, m->ntlb_ways, NPT_TLB_LRU);
}

void sim_exit(struct sim *s)
{
	int i;

	for (i = 0; i < NPT_TLB_UNITS; i++)
		free(s->tlb[i].e);
	for (i = 0; i < NPT_PWC_UNITS; i++)
		free(s->pwc[i].e);
	free(s->ntlb.e);
}

static struct sim_entry *set_of(struct sim_array *a, __u64 page)
{
	return a->e + (page % a->sets) * a->ways;
}

static struct sim_entry *find(struct sim_array *a, __u64 page, unsigned int size,
			      bool global, unsigned int pcid)
{
	struct sim_entry *e;
	unsigned int i;

	if (!a->e)
		return NULL;
	for (e = set_of(a, page), i = 0; i < a->ways; i++, e++)
		if (e->valid && e->page == page && e->size == size && e->global == global &&
		    (global || e->pcid == pcid))
			return e;
	return NULL;
}

static void touch(struct sim *s, struct sim_array *a, struct sim_entry *e)
{
	struct sim_entry *set = set_of(a, e->page);
	unsigned int i, set_bits = 0;

	e->used = ++s->clock;
	e->uses++;
	e->bit = true;
	for (i = 0; i < a->ways; i++)
		set_bits += set[i].bit;
	if (set_bits < a->ways)
		return;
	for (i = 0; i < a->ways; i++)
		set[i].bit = &set[i] == e;
}

static bool better_victim(const struct sim_array *a, const struct sim_entry *e,
			  const struct sim_entry *than)
{
	switch (a->policy) {
	case NPT_TLB_LRU:
		return e->used < than->used;
	case NPT_TLB_FIFO:
		return e->came < than->came;
	case NPT_TLB_LFU:
		return e->uses < than->uses;
	default:
		return !e->bit && than->bit;
	}
}

static struct sim_entry *victim(struct sim_array *a, __u64 page)
{
	struct sim_entry *set = set_of(a, page), *v = set;
	unsigned int i;

	for (i = 0; i < a->ways; i++)
		if (!set[i].valid)
			return &set[i];
	for (i = 1; i < a->ways; i++)
		if (better_victim(a, &set[i], v))
			v = &set[i];
	return v;
}

static struct sim_entry *enter(struct sim *s, struct sim_array *a, __u64 page,
			       bool *evicted)
{
	struct sim_entry *e = victim(a, page);

	*evicted = e->valid;
	memset(e, 0, sizeof(*e));
	e->valid = true;
	e->page = page;
	e->came = ++s->clock;
	return e;
}

static void drop(struct sim_entry *e, __u64 *dropped)
{
	memset(e, 0, sizeof(*e));
	++*dropped;
}

static bool serves(const struct sim *s, int i, unsigned int level, unsigned int kind)
{
	return s->m.tlb[i].level == level && (s->m.tlb[i].kinds & (1 << kind));
}

/* Own PCID first, small pages first; then global ones. */
static struct sim_entry *match(struct sim_array *a, __u64 gva, unsigned int pcid)
{
	struct sim_entry *e;
	int global, size;

	for (global = 0; global < 2; global++) {
		for (size = 0; size < 3; size++) {
			e = find(a, gva >> page_bits[size], size, global, pcid);
			if (e)
				return e;
		}
	}
	return NULL;
}

static bool lookup_level(struct sim *s, unsigned int level, unsigned int kind, __u64 gva,
			 unsigned int pcid, struct sim_entry *copy)
{
	struct sim_entry *e;
	bool hit = false;
	int i;

	for (i = 0; i < NPT_TLB_UNITS; i++) {
		if (!serves(s, i, level, kind))
			continue;
		e = match(&s->tlb[i], gva, pcid);
		if (!e)
			continue;
		touch(s, &s->tlb[i], e);
		if (!hit)
			*copy = *e;
		hit = true;
	}
	return hit;
}

static void insert_level(struct sim *s, unsigned int level, unsigned int kind, __u64 gva,
			 unsigned int pcid, const struct sim_page *p)
{
	__u64 *ctr = &s->ctr[NPT_CTR_l2_evict];
	struct sim_entry *e;
	bool evicted;
	int i;

	if (level == 1)
		ctr = &s->ctr[kind == 0 ? NPT_CTR_l1i_evict : NPT_CTR_l1d_evict];
	for (i = 0; i < NPT_TLB_UNITS; i++) {
		if (!serves(s, i, level, kind) || !(s->m.tlb[i].pages & (1 << p->size)))
			continue;
		e = enter(s, &s->tlb[i], gva >> page_bits[p->size], &evicted);
		*ctr += evicted;
		e->size = p->size;
		e->global = p->global;
		e->pcid = pcid;
		e->val[0] = p->val;
		touch(s, &s->tlb[i], e);
	}
}

unsigned int sim_lookup(struct sim *s, unsigned int kind, __u64 gva, unsigned int pcid,
			__u64 *val)
{
	struct sim_entry e;
	struct sim_page p;
	bool has_l2 = false;
	int i;

	if (lookup_level(s, 1, kind, gva, pcid, &e)) {
		s->ctr[kind ? NPT_CTR_l1d_hit : NPT_CTR_l1i_hit]++;
		*val = e.val[0];
		return NPT_SOURCE_L1;
	}
	s->ctr[kind ? NPT_CTR_l1d_miss : NPT_CTR_l1i_miss]++;
	for (i = 0; i < NPT_TLB_UNITS; i++)
		has_l2 |= serves(s, i, 2, kind);
	if (!has_l2)
		return NPT_SOURCE_NONE;
	if (!lookup_level(s, 2, kind, gva, pcid, &e)) {
		s->ctr[NPT_CTR_l2_miss]++;
		return NPT_SOURCE_NONE;
	}
	s->ctr[NPT_CTR_l2_hit]++;
	*val = e.val[0];
	p.size = e.size;
	p.global = e.global;
	p.val = e.val[0];
	insert_level(s, 1, kind, gva, pcid, &p);
	return NPT_SOURCE_L2;
}

/* Replace without a trace; drop other page sizes of the address. */
static bool upgrade_array(struct sim_array *a, __u64 gva, unsigned int pcid,
			  const struct sim_page *p)
{
	__u64 page = gva >> page_bits[p->size], ignored = 0;
	struct sim_entry *e;
	int global, size;
	bool held = false;

	for (global = 1; global >= 0 && !held; global--) {
		e = find(a, page, p->size, global, pcid);
		if (!e)
			continue;
		held = true;
		e->global = p->global;
		e->pcid = pcid;
		e->val[0] = p->val;
	}
	for (size = 0; size < 3; size++) {
		for (global = 0; global < 2; global++) {
			e = find(a, gva >> page_bits[size], size, global, pcid);
			if (e && size != (int)p->size)
				drop(e, &ignored);
		}
	}
	return held;
}

void sim_fill(struct sim *s, unsigned int kind, __u64 gva, unsigned int pcid,
	      const struct sim_page *p, bool upgrade)
{
	bool held = false;
	int i;

	for (i = 0; upgrade && i < NPT_TLB_UNITS; i++)
		if (serves(s, i, 1, kind) || serves(s, i, 2, kind))
			held |= upgrade_array(&s->tlb[i], gva, pcid, p);
	if (held)
		return;
	insert_level(s, 1, kind, gva, pcid, p);
	insert_level(s, 2, kind, gva, pcid, p);
}

/* --- flushes ---------------------------------------------------------------- */

static unsigned int total(const struct sim_array *a)
{
	return a->e ? a->sets * a->ways : 0;
}

static void flush_array(struct sim_array *a, bool shared, bool any_pcid, unsigned int pcid,
			__u64 *dropped)
{
	unsigned int i;

	for (i = 0; i < total(a); i++) {
		if (!a->e[i].valid || (a->e[i].global && !shared))
			continue;
		if (any_pcid || a->e[i].pcid == pcid)
			drop(&a->e[i], dropped);
	}
}

static __u64 flush(struct sim *s, bool shared, bool any_pcid, unsigned int pcid)
{
	__u64 dropped = 0, caches = 0;
	int i;

	for (i = 0; i < NPT_TLB_UNITS; i++)
		flush_array(&s->tlb[i], shared, any_pcid, pcid, &dropped);
	for (i = 0; i < NPT_PWC_UNITS; i++)
		flush_array(&s->pwc[i], shared, any_pcid, pcid, &caches);
	if (shared)
		flush_array(&s->ntlb, true, true, 0, &dropped);
	s->ctr[NPT_CTR_tlb_entries_flushed] += dropped;
	return dropped;
}

__u64 sim_flush_all(struct sim *s)
{
	return flush(s, true, true, 0);
}

__u64 sim_flush_nonglobal(struct sim *s)
{
	return flush(s, false, true, 0);
}

__u64 sim_flush_pcid(struct sim *s, unsigned int pcid)
{
	return flush(s, false, false, pcid);
}

static void drop_page(struct sim *s, __u64 gva, unsigned int pcid, __u64 *dropped)
{
	struct sim_entry *e;
	int i, size, global;

	for (i = 0; i < NPT_TLB_UNITS; i++) {
		for (size = 0; size < 3; size++) {
			for (global = 0; global < 2; global++) {
				e = find(&s->tlb[i], gva >> page_bits[size], size, global,
					 pcid);
				if (e)
					drop(e, dropped);
			}
		}
	}
}

__u64 sim_flush_addr(struct sim *s, __u64 gva, unsigned int pcid)
{
	__u64 dropped = 0, caches = 0;
	int i;

	drop_page(s, gva, pcid, &dropped);
	for (i = 0; i < NPT_PWC_UNITS; i++)
		flush_array(&s->pwc[i], false, false, pcid, &caches);
	s->ctr[NPT_CTR_tlb_entries_flushed] += dropped;
	return dropped;
}

/* --- walk caches and nested TLB ------------------------------------------------ */

static __u64 prefix(__u64 addr, unsigned int level)
{
	static const unsigned int low_bits[6] = { 0, 0, 21, 30, 39, 48 };

	return addr >> low_bits[level];
}

static bool pwc_serves(const struct sim *s, int i, unsigned int dim, unsigned int level)
{
	return (s->m.pwc[i].dims & dim) && (s->m.pwc[i].levels & (1 << level));
}

bool sim_pwc_lookup(struct sim *s, unsigned int dim, __u64 addr, unsigned int pcid,
		    unsigned int top, __u64 val[3])
{
	bool nested = dim == NPT_PWC_NESTED, any = false;
	struct sim_entry *e;
	unsigned int level;
	int i;

	for (level = 2; level <= 5; level++) {
		for (i = 0; i < NPT_PWC_UNITS; i++) {
			if (!pwc_serves(s, i, dim, level))
				continue;
			any = true;
			if (level > top)
				continue;
			e = find(&s->pwc[i], prefix(addr, level), level, nested, pcid);
			if (!e)
				continue;
			touch(s, &s->pwc[i], e);
			memcpy(val, e->val, sizeof(e->val));
			s->ctr[nested ? NPT_CTR_pwc_nested_hit : NPT_CTR_pwc_guest_hit]++;
			return true;
		}
	}
	if (any)
		s->ctr[nested ? NPT_CTR_pwc_nested_miss : NPT_CTR_pwc_guest_miss]++;
	return false;
}

void sim_forget(struct sim *s, __u64 gva, unsigned int pcid)
{
	struct sim_entry *e;
	__u64 ignored = 0;
	unsigned int level;
	int i;

	drop_page(s, gva, pcid, &ignored);
	for (i = 0; i < NPT_PWC_UNITS; i++) {
		for (level = 2; level <= 5; level++) {
			e = find(&s->pwc[i], prefix(gva, level), level, false, pcid);
			if (e)
				drop(e, &ignored);
		}
	}
}

static void cache_enter(struct sim *s, struct sim_array *a, __u64 page, unsigned int size,
			bool global, unsigned int pcid, const __u64 val[3])
{
	struct sim_entry *e = find(a, page, size, global, pcid);
	bool evicted;

	if (!e)
		e = enter(s, a, page, &evicted);
	e->size = size;
	e->global = global;
	e->pcid = pcid;
	memcpy(e->val, val, sizeof(e->val));
	touch(s, a, e);
}

void sim_pwc_fill(struct sim *s, unsigned int dim, __u64 addr, unsigned int pcid,
		  unsigned int level, const __u64 val[3])
{
	int i;

	for (i = 0; i < NPT_PWC_UNITS; i++)
		if (pwc_serves(s, i, dim, level))
			cache_enter(s, &s->pwc[i], prefix(addr, level), level,
				    dim == NPT_PWC_NESTED, pcid, val);
}

bool sim_ntlb_lookup(struct sim *s, __u64 gpa, __u64 val[3])
{
	struct sim_entry *e = NULL;
	unsigned int size;

	if (!s->ntlb.e)
		return false;
	for (size = 0; size < 3 && !e; size++)
		e = find(&s->ntlb, gpa >> page_bits[size], size, false, 0);
	s->ctr[e ? NPT_CTR_ntlb_hit : NPT_CTR_ntlb_miss]++;
	if (!e)
		return false;
	touch(s, &s->ntlb, e);
	memcpy(val, e->val, sizeof(e->val));
	return true;
}

void sim_ntlb_fill(struct sim *s, __u64 gpa, unsigned int size, const __u64 val[3])
{
	struct sim_entry *e;
	__u64 ignored = 0;
	unsigned int i;

	if (!s->ntlb.e)
		return;
	for (i = 0; i < 3; i++) {
		e = find(&s->ntlb, gpa >> page_bits[i], i, false, 0);
		if (e && i != size)
			drop(e, &ignored);
	}
	cache_enter(s, &s->ntlb, gpa >> page_bits[size], size, false, 0, val);
}
