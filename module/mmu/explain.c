// SPDX-License-Identifier: GPL-2.0
/*
 * Explaining a translation: the same walkers, with a log and without effects.
 */
#include "internal.h"

/* What the shadow tables say, without building any. */
static enum npt_walk_end walk_shadow(struct npt_cpu *cpu, struct npt_walker *w, u64 gva)
{
	if (!npt_shadow_root_fits(cpu))
		return NPT_WALK_FAULT;
	return npt_walk_shadow(w, npt_cpu_shadow_format(cpu),
			       npt_ptr_hpa(cpu->shadow_root->spt), gva);
}

/* Where the walk led, or why it did not. */
static void conclude(struct npt_explain *e, const struct npt_walker *w, enum npt_walk_end end)
{
	switch (end) {
	case NPT_WALK_OK:
		e->status = NPT_STATUS_OK;
		e->gpa = w->gpa;
		e->hpa = w->hpa;
		e->page_shift = npt_size_shift(npt_tlbv_size(w->rights));
		break;
	case NPT_WALK_FAULT:
		e->status = NPT_STATUS_GUEST_PF;
		e->error_code = npt_walk_error_code(w);
		break;
	default:
		e->status = NPT_STATUS_HOST_FAULT;
		e->gpa = w->fault_gpa;
	}
}

static void explain_shadow(struct npt_cpu *cpu, struct npt_explain *e, struct npt_walk_log *log)
{
	enum npt_walk_end shadow, guest;
	struct npt_walker s, g;

	npt_walker_init(&s, cpu, e->op, e->user);
	s.log = log;
	shadow = walk_shadow(cpu, &s, e->gva);
	npt_walker_init(&g, cpu, e->op, e->user);
	g.log = log;
	guest = npt_walk_guest(&g, e->gva);
	conclude(e, &g, guest);
	/* Where the guest says yes and the shadow tables no, a fault would mend it. */
	if (guest == NPT_WALK_OK && shadow != NPT_WALK_OK)
		e->status = NPT_STATUS_HOST_FAULT;
	else if (guest == NPT_WALK_OK)
		e->page_shift = npt_size_shift(npt_tlbv_size(s.rights));
	e->refs_guest = npt_refs_sum(s.refs_guest);
}

static void explain_once(struct npt_cpu *cpu, struct npt_explain *e,
			 struct npt_walk_entry *ent, u32 room, u64 *missing, bool *write)
{
	struct npt_walk_log log = { .ent = ent, .max = room };
	enum npt_walk_end end;
	struct npt_walker w;

	npt_walker_init(&w, cpu, e->op, e->user);
	w.log = &log;
	e->error_code = 0;
	e->gpa = 0;
	e->hpa = 0;
	e->page_shift = 0;
	e->refs_guest = 0;
	e->refs_nested = 0;
	npt_read_lock(&cpu->mmu->lock);
	if (cpu->mmu->cfg.mode == NPT_MMU_SHADOW) {
		explain_shadow(cpu, e, &log);
	} else {
		end = npt_walk_guest(&w, e->gva);
		conclude(e, &w, end);
		e->refs_guest = npt_refs_sum(w.refs_guest);
		e->refs_nested = npt_refs_sum(w.refs_nested);
		*missing = w.fault_gpa;
		*write = w.fault_write;
	}
	npt_read_unlock(&cpu->mmu->lock);
	e->count = log.nr;
}

static u32 error_status(int err)
{
	return err == -ENOENT ? NPT_STATUS_MMIO :
	       err == -EROFS ? NPT_STATUS_READONLY : NPT_STATUS_HOST_FAULT;
}

/* What came of mending. */
enum mended {
	LOOK_AGAIN,	/* something was filled: the walk gets further now */
	LOOK_LAST,	/* all is in place, and the answer is the guest's tables' own */
	LOOK_EMULATE,	/* likewise, but the module carries the write out each time */
	GIVE_UP,	/* e->status says why */
};

/* Mend what an access would mend. */
static enum mended mend(struct npt_cpu *cpu, struct npt_explain *e, u64 missing, bool write)
{
	enum npt_fault_outcome outcome;
	struct npt_walker w;
	bool spurious;
	int err;

	if (cpu->mmu->cfg.mode != NPT_MMU_SHADOW) {
		err = npt_map_in(cpu, missing, write, &spurious);
		if (!err)
			return LOOK_AGAIN;
		e->status = error_status(err);
		e->gpa = missing;
		return GIVE_UP;
	}
	if (npt_shadow_load_root(cpu))
		return GIVE_UP;
	npt_walker_init(&w, cpu, e->op, e->user);
	outcome = npt_shadow_fault(cpu, &w, e->gva);
	switch (outcome) {
	case NPT_FAULT_FIXED:
	case NPT_FAULT_UNSYNC:
	case NPT_FAULT_SPURIOUS:
		return LOOK_AGAIN;
	case NPT_FAULT_GUEST:
		return LOOK_LAST;
	case NPT_FAULT_EMULATE:
		return LOOK_EMULATE;
	default:
		e->status = outcome == NPT_FAULT_MMIO ? NPT_STATUS_MMIO :
			    outcome == NPT_FAULT_READONLY ? NPT_STATUS_READONLY :
			    NPT_STATUS_HOST_FAULT;
		e->gpa = w.fault_gpa;
		return GIVE_UP;
	}
}

/* More pages than any walk can miss. */
#define MAX_MENDS 64

int npt_cpu_explain(struct npt_cpu *cpu, struct npt_explain *e, struct npt_walk_entry *ent)
{
	u32 room = e->count, pkru = cpu->regs.pkru, i;
	enum mended m = LOOK_AGAIN;
	bool write = false;
	u64 missing = 0;

	if (e->op > NPT_OP_FETCH || e->user > 1 || e->flags & ~NPT_EXPLAIN_FILL)
		return -EINVAL;
	if (!npt_gva_valid(cpu, e->gva)) {
		e->count = 0;
		e->status = NPT_STATUS_GUEST_GP;
		return 0;
	}
	cpu->regs.pkru = e->pkru;
	for (i = 0; i < MAX_MENDS && m == LOOK_AGAIN; i++) {
		explain_once(cpu, e, ent, room, &missing, &write);
		if (e->status != NPT_STATUS_HOST_FAULT || !(e->flags & NPT_EXPLAIN_FILL))
			break;
		m = mend(cpu, e, missing, write);
	}
	if (m != LOOK_AGAIN) {
		u32 status = e->status;
		u64 gpa = e->gpa;

		/* Mending may have brought in tables that could not be read before. */
		explain_once(cpu, e, ent, room, &missing, &write);
		if (m == GIVE_UP) {
			e->status = status;
			e->gpa = gpa;
		}
		/* The shadow tables never allow it, and still the access ends well. */
		if (m == LOOK_EMULATE && e->hpa)
			e->status = NPT_STATUS_OK;
	}
	cpu->regs.pkru = pkru;
	return 0;
}

bool npt_cpu_translate(struct npt_cpu *cpu, u64 gva, u64 *gpa, bool *writable, bool *user)
{
	enum npt_walk_end end;
	bool spurious;
	u32 i;

	if (!npt_gva_valid(cpu, gva))
		return false;
	for (i = 0; i < MAX_MENDS; i++) {
		struct npt_walker w;

		npt_walker_init(&w, cpu, NPT_OP_READ, false);
		npt_read_lock(&cpu->mmu->lock);
		end = npt_walk_guest(&w, gva);
		npt_read_unlock(&cpu->mmu->lock);
		if (end == NPT_WALK_OK) {
			*gpa = w.gpa;
			*writable = w.guest_rights & NPT_TLBV_W;
			*user = w.guest_rights & NPT_TLBV_U;
			return true;
		}
		if (end != NPT_WALK_STAGE2 ||
		    npt_map_in(cpu, w.fault_gpa, w.fault_write, &spurious))
			return false;
	}
	return false;
}
