// SPDX-License-Identifier: GPL-2.0
/* What the loop over levels needs now and then: the log, A and D bits, the caches. */
#include "walk_dim.h"

static const u8 log_dim[] = {
	[GUEST] = NPT_DIM_GUEST, [MAP] = NPT_DIM_NESTED, [SHADOW] = NPT_DIM_SHADOW,
};

void npt_log_entry(struct npt_walker *w, const struct dim *d, enum kind kind)
{
	const struct npt_level *l = &d->f->level[d->level];
	struct npt_walk_entry *e;

	if (w->log->nr >= w->log->max)
		return;
	e = &w->log->ent[w->log->nr++];
	memset(e, 0, sizeof(*e));
	e->address = d->address;
	e->value = d->entry;
	e->input = d->addr;
	e->dim = log_dim[kind];
	e->level = d->level;
	e->index = (d->addr >> l->shift) & l->index_mask;
	e->guest_level = d->guest_level;
	e->verdict = NPT_VERDICT_NEXT;
	e->bit = 255;
}

void npt_log_verdict(struct npt_walker *w, u8 verdict, u8 bit)
{
	if (!w->log->nr)
		return;
	w->log->ent[w->log->nr - 1].verdict = verdict;
	w->log->ent[w->log->nr - 1].bit = bit;
}

bool npt_mark_entry(void *ptr, u64 old, u64 bits, u8 size)
{
	if (size == 8)
		return cmpxchg((u64 *)ptr, old, old | bits) == old;
	return cmpxchg((u32 *)ptr, (u32)old, (u32)(old | bits)) == (u32)old;
}

bool npt_start_cached(struct npt_walker *w, u64 addr, unsigned int top, struct npt_pwc_val *v,
		      enum kind kind)
{
	if (!npt_pwc_lookup(w->cpu->tlb, kind == MAP ? NPT_PWC_NESTED : NPT_PWC_GUEST,
			    addr, kind == MAP ? 0 : w->cpu->pcid, top, v))
		return false;
	if (kind == MAP) {
		w->saved_pwc_nested += v->cost_guest;
		return true;
	}
	w->saved_pwc_guest += v->cost_guest;
	if (w->how.count_stage2) {
		w->saved_pwc_guest += v->cost_nested;
		w->uncached += v->cost_nested;
	}
	return true;
}

void npt_enter_cached(struct npt_walker *w, u64 addr, unsigned int level, struct npt_pwc_val v,
		      enum kind kind)
{
	npt_pwc_fill(w->cpu->tlb, kind == MAP ? NPT_PWC_NESTED : NPT_PWC_GUEST, addr,
		     kind == MAP ? 0 : w->cpu->pcid, level, &v);
}
