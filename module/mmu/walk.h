/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walker: one piece of code for every table format, for one dimension
 * (nested tables, shadow tables) and for two (guest tables that lie in
 * guest-physical memory, each of whose entries is itself translated).
 */
#ifndef NPT_WALK_H
#define NPT_WALK_H

#include "mmu.h"
#include "format.h"
#include "../tlb/tlb.h"

/* How a pass over the tables ended. */
enum npt_walk_end {
	NPT_WALK_OK,
	NPT_WALK_FAULT,		/* the first dimension denies it: w->verdict */
	NPT_WALK_STAGE2,	/* the second denies it: w->fault_* */
	NPT_WALK_RACE,		/* an entry changed under an A/D update: walk again */
	NPT_WALK_DOWN,		/* within the walker: the entry points on */
};

/* Room for the entries of one walk, for explain. */
struct npt_walk_log {
	struct npt_walk_entry *ent;
	u32 nr, max;
};

/* The first dimension's path, for whoever builds shadow tables from it. */
struct npt_walk_path {
	u64 entry_gpa[NPT_MAX_LEVELS + 1];	/* where the entry of each level lies, */
	void *ptr[NPT_MAX_LEVELS + 1];		/* and for us, */
	u64 entry[NPT_MAX_LEVELS + 1];		/* and what it was */
	u64 rights[NPT_MAX_LEVELS + 1];		/* granted by the levels above each level */
};

/*
 * References by level, packed: byte l counts level l. A nested walk for each
 * guest level and the page makes 6 of a level at the most, so a byte has room
 * for those of NPT_SUM_WALKS walks.
 */
#define NPT_REFS_ONES 0x0101010101010101ULL
#define NPT_SUM_WALKS (255 / (NPT_MAX_LEVELS + 1))

static inline u64 npt_refs_level(u64 packed, unsigned int level)
{
	return (packed >> (8 * level)) & 0xff;
}

/* Of one walk: 35 at the most. */
static inline u32 npt_refs_sum(u64 packed)
{
	return (packed * NPT_REFS_ONES) >> 56;
}

/* One pass: what is asked, how to walk, what came out. Filled by npt_walker_init(). */
struct npt_walker {
	struct npt_cpu *cpu;
	struct npt_walk_log *log;	/* NULL: nobody asks */
	struct npt_walk_path *path;	/* NULL: nobody asks */
	u8 op;			/* NPT_OP_READ, _WRITE or _FETCH */
	bool user;
	struct npt_walk_how how;

	/* Out, if OK: */
	u64 gpa;		/* where the first dimension leads (shadow tables: hpa) */
	u64 rights;		/* NPT_TLBV_W/U/X/D/G and key, both dimensions; size class */
	u64 guest_rights;	/* likewise of the first dimension alone */
	u64 hpa;		/* where the second leads, if there is one */
	void *leaf_ptr;		/* the leaf entry itself */
	u8 map_size;		/* NPT_SIZE_* of the second dimension's leaf */
	u8 leaf_level;		/* 0: paging is off */
	/* Out, if FAULT: */
	u8 verdict;		/* enum npt_verdict */
	u8 bit;			/* the bit that decided, 255: none */
	bool pkey_denied;	/* PKRU denies it as well */
	/* Out, if STAGE2: */
	bool fault_write;	/* for want of the right to write */
	bool fault_table;	/* @fault_gpa is one of the guest's tables, not its data */
	u64 fault_gpa;
	/* What it cost: */
	u64 refs_guest, refs_nested;	/* packed */
	u32 saved_pwc_guest, saved_pwc_nested, saved_ntlb;
	u32 uncached;			/* what the same pass costs without caches */
	u32 plain_walks;		/* of the map, not yet in the sums above */
	u32 ad_updates;
};

/* What both sorts of walker begin with. */
static __always_inline void npt_walker_start(struct npt_walker *w, struct npt_cpu *cpu,
					     u8 op, bool user)
{
	w->cpu = cpu;
	w->log = NULL;
	w->path = NULL;
	w->op = op;
	w->user = user;
	w->fault_write = false;
	w->fault_gpa = 0;
	w->refs_guest = 0;
	w->refs_nested = 0;
	w->saved_pwc_guest = 0;
	w->saved_pwc_nested = 0;
	w->saved_ntlb = 0;
	w->uncached = 0;
	w->plain_walks = 0;
	w->ad_updates = 0;
}

/* A walker that looks without effects: no caches, no log, no A/D bits. */
static inline void npt_walker_init(struct npt_walker *w, struct npt_cpu *cpu, u8 op, bool user)
{
	memset(w, 0, sizeof(*w));
	npt_walker_start(w, cpu, op, user);
	w->how.count_stage2 = cpu->mmu->cfg.mode == NPT_MMU_NESTED;
	w->how.plain = true;
	w->bit = 255;
}

/*
 * A walker that does as the processor would, with the vCPU's caches. What a
 * walk gives is valid only as its end says: nothing is cleared beforehand.
 */
static __always_inline void npt_walker_init_hw(struct npt_walker *w, struct npt_cpu *cpu,
					       u8 op, bool user)
{
	npt_walker_start(w, cpu, op, user);
	w->how = cpu->how;
}

/*
 * Walk the guest's tables and, for each entry and the page, the map.
 * mmu->lock is held. Fills everything in the "out" part.
 */
enum npt_walk_end npt_walk_guest(struct npt_walker *w, u64 gva);
/* The same for whoever builds shadow tables: with w->path, without caches and log. */
enum npt_walk_end npt_walk_guest_path(struct npt_walker *w, u64 gva);
/* ... and ended with STAGE2, but not at a table: only the page again. */
enum npt_walk_end npt_walk_guest_page(struct npt_walker *w);

/* Walk one-dimensional shadow tables from @root; w->gpa gets the hpa. */
enum npt_walk_end npt_walk_shadow(struct npt_walker *w, const struct npt_format *f,
				  u64 root, u64 gva);

/* Bring the vCPU's counters up to what npt_walk_account() was told. */
void npt_walk_fold(struct npt_cpu *cpu);

/*
 * Add what a pass cost to the vCPU's counters; @done: it ended in a translation.
 * Whoever calls it calls npt_walk_fold() before the vCPU comes to rest.
 */
static __always_inline void npt_walk_account(struct npt_walker *w, bool done)
{
	struct npt_walk_sum *sum = &w->cpu->walks;
	const struct npt_mmu *mmu = w->cpu->mmu;
	u64 *c = w->cpu->ctr;

	if (w->how.count_stage2) {
		w->refs_nested += mmu->map_refs * w->plain_walks;
		w->uncached += mmu->map_fmt->levels * w->plain_walks;
	}
	if (unlikely(w->ad_updates))
		c[NPT_CTR_ad_updates] += w->ad_updates;
	if (unlikely(!done)) {
		c[NPT_CTR_refs_faulted] += npt_refs_sum(w->refs_guest) +
					   npt_refs_sum(w->refs_nested);
		return;
	}
	c[NPT_CTR_refs_uncached] += w->uncached;
	if (unlikely(!w->how.quick)) {
		c[NPT_CTR_refs_saved_pwc_guest] += w->saved_pwc_guest;
		c[NPT_CTR_refs_saved_pwc_nested] += w->saved_pwc_nested;
		c[NPT_CTR_refs_saved_ntlb] += w->saved_ntlb;
	}
	sum->refs_guest += w->refs_guest;
	sum->refs_nested += w->refs_nested;
	if (unlikely(++sum->nr == NPT_SUM_WALKS))
		npt_walk_fold(w->cpu);
}

#endif /* NPT_WALK_H */
