/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the coherence test share: state, bookkeeping, random tables. */
#ifndef HOST_COH_INTERNAL_H
#define HOST_COH_INTERNAL_H

#include "coherence.h"
#include "host_env.h"

#define NTABLES 20
#define NDATA 16
#define NPAGES 48
#define NPCIDS 3
#define NIDX 6
#define MAX_LOG 160
#define MAX_WALKS 4000

#define RAM_BYTES (4ull << 20)
#define TABLES_GPA (2ull << 20)
#define ROM_GPA (3ull << 30)
#define HOLE_GPA (2ull << 30)

/* An aligned word of a table, or a CR3, that had the value @old until @time. */
struct version {
	u64 time, gpa, old;
};

struct vcpu {
	struct npt_cpu *cpu;
	unsigned int pcid;		/* index into cr3[] */
	u64 cr3[NPCIDS];		/* as last loaded with that PCID */
	u64 left[NPCIDS];		/* when CR3 was last loaded away from it */
	u64 flushed[NPCIDS][NPAGES];	/* when a page was last flushed, */
	u64 gflushed[NPAGES];		/* global translations of it too */
	struct version root[NPCIDS][MAX_LOG];
	unsigned int nroots[NPCIDS];
};

struct coh {
	struct env env;
	const struct coh_opts *opts;
	struct rnd *rnd;
	unsigned int levels;		/* of the guest's tables */
	bool pae;			/* a vCPU uses PAE: no accessed bits in PDPTEs */
	u64 high_gpa;			/* of a slot that comes and goes */
	struct env_slot *ram, *high, *rom;
	u8 nominal[NTABLES];		/* level that a table is filled for */
	u16 index[6][NIDX];		/* by level: table indices in use */
	u64 page[NPAGES];		/* gva of pages in use */
	u64 mirror[NTABLES * 512];	/* what the tables must hold */
	struct version log[MAX_LOG];
	unsigned int nlog;
	u64 now;
	struct vcpu v[ENV_CPUS];
};

/* One thing that an access may do. */
struct want {
	struct ref_out ref;
	struct env_answer answer;
};

/* A question for the set of allowed answers. */
struct query {
	struct coh *c;
	struct vcpu *v;
	unsigned int page;
	u64 gva;
	unsigned int op;
	bool user;
	bool (*fn)(const struct want *w, void *arg);	/* true: enough */
	void *arg;
	unsigned int walks;
	bool stop;
};

static inline u64 table_gpa(unsigned int t)
{
	return TABLES_GPA + t * PAGE_SIZE;
}

static inline bool in_tables(u64 gpa)
{
	return gpa >= TABLES_GPA && gpa < TABLES_GPA + NTABLES * PAGE_SIZE;
}

static inline unsigned int entry_size(struct coh *c)
{
	return c->levels == 2 ? 4 : 8;
}

/* coh_model.c: what the architecture allows, and the bookkeeping for it */

/*
 * Call ->fn for each answer that is allowed (some come more than once) until it
 * says that it is enough. False if there are too many to look at.
 */
bool each_allowed(struct query *q);
/* What vCPU @v holds of one PCID but for global translations, of one page, of all: gone. */
void flush_pcid(struct coh *c, struct vcpu *v, unsigned int pcid);
void flush_page(struct coh *c, struct vcpu *v, unsigned int p);
void flush_all(struct coh *c, struct vcpu *v);
/* Let the guest flush all, on one vCPU or on all (then no version is left). */
void do_flush(struct coh *c, struct vcpu *v);
void flush_everywhere(struct coh *c);
/* The guest has written @len bytes to @gpa: keep what it was, and mirror it. */
void note_write(struct coh *c, u64 gpa, const void *data, unsigned int len);
/* A walk has set @bits in the table word at @gpa. */
void note_bits(struct coh *c, u64 gpa, u64 bits);
/* Forget versions before @words more are too many. */
void make_room(struct coh *c, unsigned int words);
/*
 * Tables in memory against the mirror: equal, or (@loose: a stale entry may
 * have been used) with accessed and dirty bits set since.
 */
void check_tables(struct coh *c, bool loose);

/* coh_tables.c: random tables and registers */

u64 random_entry(struct coh *c, unsigned int level);
u64 tweak_entry(struct coh *c, u64 old);
void choose_layout(struct coh *c);
/* Fill the tables in memory before any vCPU runs. */
void fill_tables(struct coh *c);
u64 pcid_value(unsigned int pcid);
u64 make_cr3(struct coh *c, bool pcide, unsigned int pcid);
void random_regs(struct coh *c, struct npt_regs *regs);
void set_regs(struct coh *c, struct vcpu *v, const struct npt_regs *regs);
void start_vcpu(struct coh *c, struct vcpu *v);

#endif /* HOST_COH_INTERNAL_H */
