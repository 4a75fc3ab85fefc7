/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One guest on several engines and modes: the same random tables, the same random steps,
 * and the same answers wanted. What the files of differ_test share.
 *
 * Guest-physical memory:
 *
 *   0	.. 2 MiB	more data: a page of 1 GiB at 0, taken for one of 2 MiB, has it
 *   2	.. 4 MiB	code, descriptors, stacks, roots of PAE, the ring of commands
 *   4	.. 8 MiB	the arena: tables and data, in two memslots; random tables map it
 *
 * The first entry of every root maps the last two one to one; random addresses never begin
 * with it. All else of the tables is chance.
 */
#ifndef DIFFER_H
#define DIFFER_H

#include <linux/npt.h>
#include "host/rnd.h"
#include "utils.h"

#define D_LOW		(2 * MIB)
#define D_CODE		0x201000UL
#define D_GDT		0x202000UL
#define D_IDT		0x203000UL
#define D_TSS		0x204000UL
#define D_STACK		0x208000UL	/* ends there */
#define D_STACK0	0x20a000UL	/* likewise, for what comes from CPL 3 */
#define D_STUB		0x20a000UL	/* the user's code */
#define D_TABLES	0x210000UL	/* those that map low memory and the arena */
#define D_PAE_ROOTS	0x220000UL
#define D_RING		0x300000UL
#define D_RING_MAX	32768U		/* commands */
#define D_ARENA		(4 * MIB)
#define D_HALF		(2 * MIB)	/* a memslot of the arena */
#define D_SIZE		(8 * MIB)

#define D_TABLES_NR	20U
#define D_DATA_NR	12U		/* pages of data in each half */
#define D_ROOTS_NR	3U		/* PAE */
#define D_PAGES_NR	28U		/* addresses in use */
#define D_IDX_NR	6U		/* entries of a table in use */

/* Offsets in every page of the arena: RET, INT 0x80, and words that are no entries. */
#define D_AT_RET	0xf80U
#define D_AT_INT	0xf90U
#define D_AT_DATA	0xfa0U

/* What the guest executes. Its handlers stand in this order. */
enum differ_op {
	D_END,
	D_READ,
	D_WRITE,
	D_FETCH,
	D_USER_READ,
	D_USER_WRITE,
	D_USER_FETCH,
	D_AC_READ,
	D_AC_WRITE,
	D_STORE,		/* by a guest-physical address */
	D_INVLPG,
	D_CR3,
	D_CR4,
	D_CR0,
	D_EFER,
	D_PKRU,
	D_FLUSH,		/* CR4.PGE to and fro */
	D_OPS
};

/* One of the ring. @error and what follows from it are the guest's. */
struct differ_cmd {
	uint32_t op;
	uint32_t error;		/* D_DONE, or D_FAULT and the error code */
	uint64_t gva;
	uint64_t data;		/* written or read */
	uint64_t cr2;
};

#define D_DONE		(1U << 30)
#define D_FAULT		(1U << 31)

/* Steps: what a log holds. Each becomes commands, flushes that it owes included. */
enum differ_kind {
	STEP_ACCESS,		/* @op at @a; @b is written */
	STEP_ENTRY,		/* @b to the entry at gpa @a, @op: how it is flushed */
	STEP_INVLPG,		/* @a */
	STEP_CR3,		/* @a */
	STEP_REGS,		/* @a: D_REG_*, @b: PKRU */
	STEP_HOST,		/* @op: enum differ_host, @a: gpa, @b: pages */
	STEP_KINDS
};

enum differ_host {
	HOST_MOVE,		/* other memory with the same contents */
	HOST_PROTECT,		/* read-only for a moment */
	HOST_FORK,		/* a child is born and dies: all is copied on write */
	HOST_SLOT,		/* the memslot goes and comes back */
	HOST_LOG_ON,
	HOST_LOG_OFF,
	HOST_LOG_GET,		/* what has changed must be in it */
	HOST_SREGS,		/* read and set again */
	HOST_OPS
};

enum differ_flush { FLUSH_PAGES, FLUSH_CR3, FLUSH_ALL, FLUSH_WAYS };

#define D_REG_WP	(1 << 0)
#define D_REG_PGE	(1 << 1)
#define D_REG_SMEP	(1 << 2)
#define D_REG_SMAP	(1 << 3)
#define D_REG_PKE	(1 << 4)
#define D_REG_NXE	(1 << 5)

struct differ_step {
	uint8_t kind, op;
	uint64_t a, b;
};

/* One guest's life: all of it follows from the seed, but for the steps of a log. */
struct differ_case {
	uint64_t seed;
	unsigned int levels;		/* of the guest's tables: 2 to 5 */
	uint16_t index[6][D_IDX_NR];	/* by level: entries in use */
	uint8_t nominal[D_TABLES_NR];	/* level that a table is filled for */
	uint64_t page[D_PAGES_NR];
	uint64_t root;			/* CR3 at the start */
	uint64_t regs, pkru;		/* likewise, D_REG_* */
	struct differ_step *step;
	unsigned int nr;
};

/* Registers as they are after the commands so far. */
struct differ_regs {
	uint64_t cr0, cr3, cr4, efer;
	uint32_t pkru;
};

/* differ_case.c: layout and steps at random, and what they become */
void differ_layout(struct differ_case *c);
void differ_random_steps(struct differ_case *c, unsigned int nr);
/* Fill memory as it is before the first step. */
void differ_fill(const struct differ_case *c, uint8_t *mem);
struct differ_regs differ_first_regs(const struct differ_case *c);
/* Commands for a step, all that it needs; returns how many, and changes @r as they do. */
#define D_STEP_CMDS	(D_PAGES_NR + 8)
unsigned int differ_commands(const struct differ_case *c, const struct differ_step *s,
			     struct differ_regs *r, struct differ_cmd *cmd);
static inline unsigned int differ_entry_size(const struct differ_case *c)
{
	return c->levels == 2 ? 4 : 8;
}

/* The width of a guest's accesses. */
static inline unsigned int differ_width(const struct differ_case *c)
{
	return c->levels < 4 ? 4 : 8;
}

static inline bool differ_is_access(uint32_t op)
{
	return op >= D_READ && op <= D_AC_WRITE;
}

static inline bool differ_is_read(uint32_t op)
{
	return op == D_READ || op == D_USER_READ || op == D_AC_READ;
}

static inline bool differ_is_write(uint32_t op)
{
	return op == D_WRITE || op == D_USER_WRITE || op == D_AC_WRITE;
}

/* differ_guest.c: code and descriptors of the guest */
void differ_guest_fill(const struct differ_case *c, uint8_t *mem);
void differ_guest_state(const struct differ_case *c, struct kvm_sregs *s, struct kvm_regs *r);

/* differ_vm.c: a VM that carries commands out */
struct differ_vm {
	const struct differ_case *c;
	const char *name;
	bool soft;
	bool own_walk;		/* the processor walks the guest's tables itself */
	int dev, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;		/* all of the guest's */
	struct differ_regs regs;
	bool logging[4];		/* by slot: of 2 MiB each */
	struct differ_cmd *cmd;		/* the ring, with the results of the last run */
	struct npt_access *rec;		/* soft: */
	struct npt_access_result *res;
	uint64_t *data;
};

/* The modes that there are; NULL behind the last. */
const char *differ_mode(unsigned int i);
/* 0; 1: this engine is not there; or -errno, with why on stdout. */
int differ_vm_open(struct differ_vm *vm, unsigned int mode, const struct differ_case *c);
void differ_vm_close(struct differ_vm *vm);
/* Carry out the first @n commands of ->cmd, an END behind them. */
int differ_vm_run(struct differ_vm *vm, unsigned int n);
int differ_vm_host(struct differ_vm *vm, const struct differ_step *s);
/* The dirty log of slot @slot. */
int differ_vm_log(struct differ_vm *vm, unsigned int slot, uint64_t *bitmap);

#endif /* DIFFER_H */
