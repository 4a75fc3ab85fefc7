/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the native benchmark share. */
#ifndef NPT_BENCH_H
#define NPT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "libnpt.h"
#include "trace.h"

/* Of the core's user-space platform: large pages behind tables and guest memory. */
extern bool npt_shim_hugepages;
extern size_t npt_shim_arena_size;

/* Records that are copied in and executed at a time. */
#define BATCH 65536

/* --- guest.c: a guest with all of its memory mapped ------------------------- */

/**
 * struct guest_options - what to build
 * @mmu: enum npt_mmu_mode
 * @bytes: of memory, mapped from BENCH_GVA on in pages of 4 KiB
 * @tlb: TLB model, or NULL for none
 */
struct guest_options {
	uint32_t mmu;
	uint64_t bytes;
	const struct npt_tlb_model *tlb;
};

/** BENCH_GVA - where a guest's memory is mapped */
#define BENCH_GVA 0x555500000000ULL

struct guest {
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;
	struct npt_pt *pt;
	uint64_t bytes;
	struct npt_access *batch;	/* BATCH records: where they are copied to */
};

void guest_create(struct npt_device *dev, const struct guest_options *opts, struct guest *g);
void guest_destroy(struct guest *g);

/* The TLBs that the targets speak of: 128/8, 64/4, 2048/16; and more, if not 0. */
struct npt_tlb_model tlb_model(bool walk_caches, unsigned int ntlb);

/* --- source.c: where records come from -------------------------------------- */

/* Gives records: the next up to @n into @buf. 0 at the end. */
struct source {
	size_t (*next)(struct source *s, struct npt_access *buf, size_t n);
	uint64_t bytes;		/* of the memory that is accessed */
	uint64_t state;		/* of the generator */
	uint64_t at;		/* strided: where it is; chase: page now */
	uint64_t left;		/* records yet to come */
	uint32_t *order;	/* chase: next page of each */
};

void source_random_rmw(struct source *s, uint64_t bytes, uint64_t records);
void source_random(struct source *s, uint64_t bytes, uint64_t records);
void source_strided(struct source *s, uint64_t bytes, uint64_t records);
void source_chase(struct source *s, uint64_t bytes, uint64_t records);
/* The same address over and over. */
void source_hit(struct source *s, uint64_t records);
void source_free(struct source *s);

/* --- measure.c --------------------------------------------------------------- */

struct result {
	uint64_t records;
	double seconds;			/* CPU time: copying in and executing */
	uint64_t ctr[NPT_CTR_NR];	/* what the counters grew by */
};

/* Run all of @s; what it counts and takes is added to @r. */
void measure(struct guest *g, struct source *s, struct result *r);
/* Run it without taking notice: brings in tables and memory. */
void warm_up(struct guest *g, struct source *s);

double ns_per_access(const struct result *r);
double ns_per_walk(const struct result *r);
double refs_per_walk(const struct result *r);

void *must_alloc(size_t n, size_t size);
/* Say what failed and exit. */
void die(const char *what) __attribute__((noreturn));

#endif /* NPT_BENCH_H */
