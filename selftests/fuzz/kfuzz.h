/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kfuzz: hostile programs against /dev/npt and the netlink family npt.
 *
 * A program is a list of operations spread over a few threads; a process of its own
 * runs it. All that an operation does follows from its name and its seed, and what
 * it works on are numbered slots: so a log stays meaningful when lines are taken
 * out of it. See Documentation/testing.rst.
 */
#ifndef KFUZZ_H
#define KFUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/npt.h>

#include "../host/rnd.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define MAX_OPS		240
#define MAX_THREADS	4
#define MAX_CHAIN	12

#define NVMS		4
#define NVCPUS		6
#define NSOCKS		2

/* Memory that VMs may have: areas at fixed places, so that pointers repeat. */
#define NAREAS		4
#define AREA_SIZE	(4ul << 20)
#define AREA_BASE	0x100000000000ul

/* --- programs (prog.c) ---------------------------------------------------- */

struct op {
	uint8_t kind;		/* index into kinds[] */
	uint8_t thread;
	uint64_t seed;
};

/* Where a program comes from: made from the first seed, changed by each that follows. */
struct chain {
	unsigned int n;
	uint64_t seed[MAX_CHAIN];
};

struct prog {
	struct chain chain;	/* n 0: read from a file */
	unsigned int n;
	struct op op[MAX_OPS];
};

void prog_from_chain(struct prog *p, const struct chain *c);
/* "1f.33.7" and back; false: not such a text. */
void chain_print(const struct chain *c, char *buf, size_t size);
bool chain_parse(struct chain *c, const char *text);
/* As lines "THREAD NAME SEED". */
void prog_write(const struct prog *p, FILE *f);
bool prog_read(struct prog *p, FILE *f);

/* --- operations (ops_*.c) --------------------------------------------------- */

struct vm {
	atomic_int fd;
};

struct vcpu {
	atomic_int fd;
	atomic_uintptr_t run;	/* its mapping, never unmapped; 0: none */
	atomic_uint vm;
};

/* What a program works on. All threads use it without a lock: races are wanted. */
struct world {
	int dev;
	struct vm vm[NVMS];
	struct vcpu vcpu[NVCPUS];
	atomic_int sock[NSOCKS];
	uint16_t family;
	uint32_t events, stats;
};

extern struct world world;

struct kind {
	const char *name;
	unsigned int weight;
	void (*fn)(struct rnd *r);
};

extern const struct kind kinds[];
extern const unsigned int nr_kinds;

/* ops_vm.c */
void op_world(struct rnd *r);
void op_create(struct rnd *r);
void op_vcpu(struct rnd *r);
void op_region(struct rnd *r);
void op_close(struct rnd *r);
void op_model(struct rnd *r);
void op_dirty(struct rnd *r);
/* ops_vcpu.c */
void op_run(struct rnd *r);
void op_guest(struct rnd *r);
void op_batch(struct rnd *r);
void op_explain(struct rnd *r);
/* ops_call.c */
void op_call(struct rnd *r);
void op_state(struct rnd *r);
void op_list(struct rnd *r);
void op_any(struct rnd *r);
/* ops_mm.c */
void op_memory(struct rnd *r);
void op_mmap(struct rnd *r);
void op_store(struct rnd *r);
void op_misc(struct rnd *r);
/* ops_nl.c */
void op_netlink(struct rnd *r);
void op_socket(struct rnd *r);

/* ioctl() whose result is looked at. */
long do_ioctl(int fd, unsigned long cmd, void *arg);
/* Random bytes of a kind: zero with some numbers, small ones, pointers. */
void fill(struct rnd *r, void *p, size_t size);
/* An address within the areas, or nearly, or anywhere. */
uint64_t any_pointer(struct rnd *r);
uint64_t any_number(struct rnd *r);
/* A guest-physical address that is likely to have memory. */
uint64_t any_gpa(struct rnd *r);
struct vm *any_vm(struct rnd *r);
struct vcpu *any_vcpu(struct rnd *r);
void *area(unsigned int n);
/* Write to memory that another thread may be taking away. */
void store(void *to, const void *from, size_t n);
/* Give a slot an fd and close what was there. */
void put_fd(atomic_int *slot, int fd);
/* A signal for this thread in @us microseconds; 0: no more. */
void alarm_us(unsigned int us);

/* --- running (child.c) and what is shared with the parent ------------------- */

struct progress {
	atomic_ullong since;	/* ns; 0: between operations */
	atomic_int tid;
	atomic_uint op;		/* index into the program */
};

struct shared {
	struct progress thread[MAX_THREADS];
	atomic_ullong ops;
	atomic_ullong records;	/* of batches, executed */
	atomic_bool stop;	/* leave out what remains */
	atomic_uint bad;	/* a result that can't be */
	char what[160];
	uint64_t ns[32], times[32];	/* by kind of operation */
	unsigned long errors[134];	/* by errno, [0]: successes */
	uint8_t *cover;		/* by hash of a place: reached */
	atomic_uint nr_fresh;
};

#define COVER_SIZE	(1u << 16)

extern struct shared *shared;
void __attribute__((noreturn)) child_run(const struct prog *p);
uint64_t now_ns(void);

/* kcov.c: false where there is none. */
bool kcov_start(void);
void kcov_begin(void);
void kcov_end(void);
bool kcov_there(void);

#endif /* KFUZZ_H */
