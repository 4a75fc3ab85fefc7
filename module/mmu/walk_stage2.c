// SPDX-License-Identifier: GPL-2.0
/* The second dimension where it is not plain: nested TLB, else the loop over levels. */
#include "walk_dim.h"

u64 npt_find_place(struct npt_cpu *cpu, u64 gpa, u8 guest_level)
{
	unsigned int span = place_span(guest_level);
	struct npt_map_place *p = &cpu->place[guest_level];
	u64 table;

	if (gpa >> cpu->mmu->gpa_bits || !plain_table(cpu->mmu, gpa, span, &table))
		return 0;
	p->region = gpa >> span;
	p->table = table;
	return table;
}

void npt_forget_places(struct npt_cpu *cpu)
{
	unsigned int l;

	for (l = 0; l < ARRAY_SIZE(cpu->place); l++)
		cpu->place[l].region = ~0ULL;
	cpu->place_seq = cpu->mmu->flush_seq;
}

/* The map, or the nested tables: gpa -> hpa with at least the rights @want. */
static __always_inline enum npt_walk_end translate_gpa(struct npt_walker *w, u64 gpa, u64 want,
						       u8 guest_level, struct npt_ntlb_val *out,
						       const enum care care)
{
	struct npt_mmu *mmu = w->cpu->mmu;
	struct dim d;
	enum npt_walk_end r;

	if (unlikely(gpa >> mmu->gpa_bits))
		goto fault;
	if (unlikely(w->how.ntlb) && npt_ntlb_lookup(w->cpu->tlb, gpa, out) &&
	    !(want & ~out->rights)) {
		w->saved_ntlb += out->cost;
		w->uncached += out->cost;
		return NPT_WALK_OK;
	}
	d.f = mmu->map_fmt;
	d.table = mmu->map_root;
	d.addr = gpa;
	d.guest_level = guest_level;
	d.counted = w->how.count_stage2;
	r = walk_dim(w, &d, MAP, care);
	if (likely(r == NPT_WALK_OK) && unlikely(want & ~d.rights))
		r = deny(w, &d, want & ~d.rights & NPT_TLBV_W ? NPT_VERDICT_WRITE :
			 NPT_VERDICT_NX, d.f->write, care);
	if (unlikely(r))
		goto fault;
	/* Only A: the map's leaves are made dirty when they are made writable. */
	if (unlikely(!(d.entry & d.f->accessed)) && w->how.set_ad)
		npt_mark_entry(d.ptr, d.entry, d.f->accessed, 8);
	out->frame = d.entry & d.f->level[d.level].leaf_mask;
	out->rights = d.rights;
	out->size = npt_level_size(d.level);
	out->cost = d.f->levels - d.level + 1;
	if (w->how.count_stage2)
		w->uncached += out->cost;
	if (unlikely(w->how.ntlb))
		npt_ntlb_fill(w->cpu->tlb, gpa, out);
	if (care == LOGGED && d.counted)
		npt_log_verdict(w, NPT_VERDICT_LEAF, 255);
	return NPT_WALK_OK;
fault:
	*out = (struct npt_ntlb_val){ 0 };
	w->fault_gpa = gpa;
	w->fault_write = want & NPT_TLBV_W;
	w->fault_table = guest_level;
	return NPT_WALK_STAGE2;
}

enum npt_walk_end npt_stage2_any(struct npt_walker *w, u64 gpa, u64 want,
				 u8 guest_level, struct npt_ntlb_val *out)
{
	return translate_gpa(w, gpa, want, guest_level, out, FULL);
}

enum npt_walk_end npt_stage2_logged(struct npt_walker *w, u64 gpa, u64 want,
				    u8 guest_level, struct npt_ntlb_val *out)
{
	return translate_gpa(w, gpa, want, guest_level, out, LOGGED);
}
