/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A host for tests: guest memory in the shim's arena, memslots, pages that
 * move, go bad or are mapped read-only for a while, and the invalidations that
 * come with that, also in the middle of a map() call. It knows at any time
 * what each guest page must translate to.
 */
#ifndef HOST_ENV_H
#define HOST_ENV_H

#include "mmu/mmu.h"
#include "tlb/tlb.h"
#include "ref_walk.h"
#include "rnd.h"

#define ENV_SLOTS 8
#define ENV_CPUS 4
#define ENV_SPARES 64

/* Flags of a page, in env_slot.state. */
#define ENV_BAD 1	/* the host can't give it */
#define ENV_COW 2	/* mapped read-only until somebody writes */
#define ENV_MOVED 4	/* its memory is a spare page: moved[] says which */
#define ENV_ODD (ENV_BAD | ENV_COW | ENV_MOVED)	/* no large page around it */
#define ENV_DIRTY 8	/* mark_dirty() was called */

struct env_slot {
	u64 gfn, npages;	/* npages 0: no slot */
	u8 *mem;
	size_t bytes;		/* of @mem */
	bool readonly;
	bool logging;		/* dirty log: pages of 4K, marked before they are written */
	u8 max_size;		/* NPT_SIZE_*: largest page of the host's mapping */
	u8 *state;		/* by page */
	u8 *spare;		/* by page: index of its spare page */
	u64 odd;		/* pages with a flag of ENV_ODD */
};

struct env {
	struct npt_mmu mmu;
	struct npt_cpu *cpu[ENV_CPUS];
	unsigned int ncpus;
	struct env_slot slot[ENV_SLOTS];
	u8 *spares;		/* ENV_SPARES pages */
	bool spare_used[ENV_SPARES];
	struct rnd *rnd;
	unsigned int chaos;	/* 1 in that many map() calls meets an invalidation; 0: none */
	bool shy;		/* map() sometimes says read-only or 4K without need */
	u64 seq;		/* grows with each invalidation */
	unsigned long maps, kicks, zaps;
	void (*on_kick)(struct env *env);	/* what another vCPU does before it heeds one */
	void (*on_map)(struct env *env, u64 gpa);	/* while map() brings @gpa in */
	struct npt_tlb_model model;
	bool alive;		/* mmu is initialised */
	bool may_die;		/* the MMU may give up; else that fails the test */
	const char *death;	/* why it did */
};

/* Make the VM of @cfg. 0, or what npt_mmu_init() said. Slots come later. */
int env_init(struct env *env, const struct npt_mmu_config *cfg, struct rnd *rnd);
/* Add a vCPU with @model (NULL: none). 0 or -errno. */
int env_add_cpu(struct env *env, const struct npt_tlb_model *model);
/* Take everything down. */
void env_destroy(struct env *env);
/* env_destroy(), and fail the test if anything is still allocated. */
void env_destroy_clean(struct env *env);

/* A plain configuration: 4 nested levels, NPT format, all page sizes. */
struct npt_mmu_config env_config(u32 mode);

/* Give memory [gpa, gpa + bytes) to the guest, aligned so that pages up to @max_size fit. */
struct env_slot *env_add_slot(struct env *env, u64 gpa, u64 bytes, unsigned int max_size,
			      bool readonly);
void env_del_slot(struct env *env, struct env_slot *s);
/* Take the slot from the guest but keep the memory, and give it back. */
void env_hide_slot(struct env *env, struct env_slot *s);
void env_show_slot(struct env *env, struct env_slot *s, u64 gfn, u64 npages);

struct env_slot *env_slot_of(struct env *env, u64 gpa);
/* The guest's memory at @gpa (up to the end of its page), NULL where there is none. */
void *env_ptr(struct env *env, u64 gpa);
/* What an access to @gpa must end with: NPT_STATUS_OK, _MMIO, _READONLY, _HOST_FAULT. */
unsigned int env_status(struct env *env, u64 gpa, bool write);

/* The host invalidates @n pages from @gpa on, without change. */
void env_zap(struct env *env, u64 gpa, u64 n);
/* The host moves the page to other memory (the old one gets garbage). */
void env_move(struct env *env, u64 gpa);
/* The host takes or sets ENV_BAD, ENV_COW. */
void env_set_flag(struct env *env, u64 gpa, u8 flag, bool on);
/* The host now backs the slot with pages of up to @max_size. */
void env_set_size(struct env *env, struct env_slot *s, unsigned int max_size);
/* Dirty log: switch on or clear, and write-protect; was a page marked (true while off)? */
void env_clear_dirty(struct env *env, struct env_slot *s);
bool env_dirty(struct env *env, u64 gpa);

/* One access without data; the result in *@res. Returns res->status. */
unsigned int env_access(struct npt_cpu *cpu, u64 gva, unsigned int op, bool user,
			struct npt_access_result *res);
/* One record with up to 64 bytes of @data in (write) or out (read). */
unsigned int env_data(struct npt_cpu *cpu, u64 gva, unsigned int op, unsigned int flags,
		      void *data, unsigned int size, struct npt_access_result *res);
/* INVLPG, MOV_CR3, FLUSH, SWITCH. */
unsigned int env_op(struct npt_cpu *cpu, unsigned int op, u64 operand);

/* The vCPU's state and guest memory as the reference wants them. */
struct ref_cpu env_ref_cpu(const struct npt_cpu *cpu);
struct env_mem {
	struct ref_mem mem;
	struct env *env;
};

struct env_mem env_ref_mem(struct env *env);
/*
 * The reference's walk of @gva on @cpu now. Tables in read-only memory end it
 * where the processor would have to write there: to set a bit, and with nested
 * tables of AMD's or Intel's with accessed bits at each guest entry (APM vol. 2,
 * 15.25.5; SDM vol. 3C, 29.3.3.2: these accesses are treated as writes).
 */
void env_ref(struct npt_cpu *cpu, u64 gva, unsigned int op, bool user, struct ref_out *out);
/* What env_ref() adds to ref_walk(). */
void env_limit(struct env *env, struct ref_out *out);

/* What the module must answer, by the reference and the host together. */
struct env_answer {
	unsigned int status;
	u64 gpa, cr2;
	u32 error;
	u8 shift;
};

void env_answer(struct env *env, const struct ref_out *ref, unsigned int op,
		struct env_answer *a);

static inline enum ref_kind env_kind(unsigned int op)
{
	return op == NPT_OP_WRITE ? REF_WRITE : op == NPT_OP_FETCH ? REF_FETCH : REF_READ;
}

#endif /* HOST_ENV_H */
