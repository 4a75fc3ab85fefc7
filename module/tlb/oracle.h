/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The missed-flush oracle (NPT_TLB_ORACLE): a second TLB beside the model's arrays, which
 * evicts next to nothing and so keeps what hardware of any size might have kept. It goes by
 * the flushes that are carried out; a log tells of the flushes that were due. Whoever knows
 * the tables is asked about each entry that an access comes by.
 */
#ifndef NPT_ORACLE_H
#define NPT_ORACLE_H

#include "tlb.h"

#define NPT_ORACLE_ENTRIES	2048	/* a power of 2 */
#define NPT_ORACLE_WAYS		16
#define NPT_ORACLE_OPS		64	/* flushes that are remembered */

/* Scope of a flush besides enum npt_flush_scope: all that is not global. */
#define NPT_ORACLE_NONGLOBAL	0x100

struct npt_oracle_entry {
	u64 key;		/* 0: none; else as in the arrays */
	u64 gva, val;
	u64 time;		/* of the fill */
	u64 hpa;		/* where the map had the page; 0: nowhere */
	u64 at[5], value[5];	/* the guest's entries that led to it, the root's first */
	u8 levels;		/* of them; ~0: not known */
	u16 pcid;
	bool user;		/* who they were found for */
};

/* A flush that is due. */
struct npt_oracle_op {
	u64 time;		/* 0: none */
	u64 gva;
	u32 scope;
	u32 pcid;
	u32 reason;		/* enum npt_flush_reason */
};

/* npt_oracle_entry.levels: made of what the guest has changed since. */
#define NPT_ORACLE_UNKNOWN	0xff

struct npt_oracle;

struct npt_oracle_ops {
	/* Note what the tables say of an entry that is being made. */
	void (*witness)(void *arg, struct npt_oracle_entry *e);
	/* An access comes by @e. False: it must go, and has been told of. */
	bool (*check)(void *arg, const struct npt_oracle_entry *e);
};

struct npt_oracle {
	const struct npt_oracle_ops *ops;	/* NULL: nobody to ask */
	void *arg;
	u64 time;		/* grows with each fill and each flush that is due */
	u64 stale;		/* hits that no longer followed from the tables */
	struct npt_oracle_entry last;	/* the latest of them, */
	u32 last_reason;	/* the flush that was due; ~0: nobody asked for one */
	u32 next;
	u64 flushes;		/* carried out that had something to drop */
#ifdef NPT_DEBUG
	u64 drop;		/* the one of them that is left out; 0: none */
	u32 dropped;		/* what it was due for, enum npt_flush_reason */
#endif
	struct npt_oracle_op op[NPT_ORACLE_OPS];
	struct npt_oracle_entry entry[NPT_ORACLE_ENTRIES];
};

struct npt_oracle *npt_oracle_create(void);
void npt_oracle_destroy(struct npt_oracle *o);

/* A flush is due from now on, whoever carries it out. */
void npt_oracle_owes(struct npt_oracle *o, u32 scope, u64 gva, u32 pcid, u32 reason);
/* The first flush since @e was made that it ought to have gone with; NULL: none. */
const struct npt_oracle_op *npt_oracle_due(const struct npt_oracle *o,
					   const struct npt_oracle_entry *e);

/* What the model's arrays go through. */
void npt_oracle_look(struct npt_oracle *o, u64 gva, unsigned int pcid);
void npt_oracle_fill(struct npt_oracle *o, u64 gva, unsigned int pcid, u64 val);
/* True: the arrays must leave this flush out, too. */
bool npt_oracle_flush(struct npt_oracle *o, u32 scope, u64 gva, u32 pcid);
/* As by npt_tlb_forget(). */
void npt_oracle_forget(struct npt_oracle *o, u64 gva, unsigned int pcid);

#endif /* NPT_ORACLE_H */
