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
};

/* Room for the entries of one walk, for explain. */
struct npt_walk_log {
	struct npt_walk_entry *ent;
	u32 nr, max;
};

/* One pass: what is asked, how to walk, what came out. */
struct npt_walker {
	struct npt_cpu *cpu;
	struct npt_walk_log *log;	/* NULL: nobody asks */
	struct npt_tlb *caches;		/* paging-structure caches and nested TLB to use, or NULL */
	u8 op;			/* NPT_OP_READ, _WRITE or _FETCH */
	bool user;
	bool count_stage2;	/* reads of the second dimension count (nested mode) */
	bool set_ad;		/* set accessed and dirty bits, as a processor does */

	/* Out, if OK: */
	u64 gpa;		/* where the first dimension leads (shadow tables: hpa) */
	u64 rights;		/* NPT_TLBV_W/U/X/D/G and key, both dimensions; size class */
	u64 guest_rights;	/* likewise of the first dimension alone */
	u64 hpa;		/* where the second leads, if there is one */
	u8 map_size;		/* NPT_SIZE_* of the second dimension's leaf */
	/* Out, if FAULT: */
	u8 verdict;		/* enum npt_verdict */
	u8 bit;			/* the bit that decided, 255: none */
	bool pkey_denied;	/* PKRU denies it as well */
	/* Out, if STAGE2: */
	u64 fault_gpa;
	bool fault_write;	/* for want of the right to write */
	/* The first dimension's path, by level: */
	u8 leaf_level;		/* 0: paging is off */
	void *leaf_ptr;		/* the leaf entry itself */
	u64 entry_gpa[NPT_MAX_LEVELS + 1];	/* where each entry lies */
	u64 entry[NPT_MAX_LEVELS + 1];		/* what was read (with A and D as set) */
	u64 path_rights[NPT_MAX_LEVELS + 2];	/* rights above level l, [l] */
	/* What it cost: */
	u8 refs[2][NPT_MAX_LEVELS + 1];	/* by NPT_DIM_GUEST/NESTED and level */
	u32 saved_pwc_guest, saved_pwc_nested, saved_ntlb;
	u32 uncached;			/* what the same pass costs without caches */
	u32 ad_updates;
};

/* Bit in npt_cpu.allow. */
#define npt_acc_bit(op, user) (1u << ((op) + 3 * (user)))

/*
 * Walk the guest's tables and, for each entry and the page, the map.
 * mmu->lock is held. Fills everything in the "out" part.
 */
enum npt_walk_end npt_walk_guest(struct npt_walker *w, u64 gva);

/* Walk one-dimensional shadow tables from @root; w->gpa gets the hpa. */
enum npt_walk_end npt_walk_shadow(struct npt_walker *w, const struct npt_format *f,
				  u64 root, u64 gva);

/* Walk the map alone, counting nothing: the leaf's hpa for @gpa. */
enum npt_walk_end npt_walk_map(struct npt_walker *w, u64 gpa);

/*
 * Do the rights of a translation (NPT_TLBV_W/U/X) permit the access? Gives
 * NPT_VERDICT_USER, _NX, _SMEP, _WRITE, _SMAP, or 0.
 */
u8 npt_check_rights(const struct npt_cpu *cpu, u64 rights, u8 op, bool user, bool wp);
/* Does PKRU deny a data access to a user page of @key (SDM vol. 3A, 4.6.2)? */
bool npt_pkey_denies(const struct npt_cpu *cpu, u64 rights, unsigned int key, u8 op, bool user);

/* #PF error code of a FAULT (SDM vol. 3A, 4.7). */
u32 npt_walk_error_code(const struct npt_walker *w);

/* Sum of references of one dimension. */
u32 npt_walk_refs(const struct npt_walker *w, unsigned int dim);

/* Add what a pass cost to the vCPU's counters; @done: it ended in a translation. */
void npt_walk_account(struct npt_walker *w, bool done);

#endif /* NPT_WALK_H */
