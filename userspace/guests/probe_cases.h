/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The permission probe's cases, in one place for all who run them: the guest
 * (probe.c) on a processor, and selftests/probe.c on the soft engine.
 *
 * A block is a setting of registers, a kind of access and a choice of reserved bits. A
 * case in it is every combination of bits in the entry of a page directory and in the
 * entry of a page table below it: 8192 cases in each of 2048 blocks. Everything else on
 * the way grants all rights.
 */
#ifndef PROBE_CASES_H
#define PROBE_CASES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One piece of 2 MiB, so aligned, holds all that entries point to: a table in its
 * first page and two pages behind it. As a 2 MiB page (PS in the directory's entry) the
 * piece shows the same two pages at the same addresses.
 */
#define PROBE_GVA	0x10000200000ull	/* entry 2 of the root, 0, 1 */
#define PROBE_DATA	0x1000			/* what is read and written */
#define PROBE_CODE	0x2000			/* what is fetched */
#define PROBE_USER_CODE	0x2100			/* and at CPL 3 */

#define PROBE_BLOCKS	2048
#define PROBE_CASES	8192

/* A protection key that only the cases use, and its bits in PKRU. */
#define PROBE_KEY	1ull
#define PROBE_PKRU_AD	(1u << 2)
#define PROBE_PKRU_WD	(1u << 3)

enum probe_op {
	PROBE_READ,
	PROBE_WRITE,
	PROBE_FETCH,
	PROBE_READ_AC,		/* with RFLAGS.AC, which lifts SMAP */
	PROBE_WRITE_AC,
	PROBE_USER_READ,
	PROBE_USER_WRITE,
	PROBE_USER_FETCH,
	PROBE_OPS
};

struct probe_block {
	enum probe_op op;
	bool wp, nx, smep, smap, pke;
	bool rsvd_pde, rsvd_pte;	/* bit 51, above MAXPHYADDR */
	uint32_t pkru;
};

static inline struct probe_block probe_block(unsigned int i)
{
	struct probe_block b = { .op = i % PROBE_OPS };
	unsigned int keys = i / PROBE_OPS % 4, bits = i / PROBE_OPS / 4;

	b.pke = keys;
	b.pkru = keys == 2 ? PROBE_PKRU_WD : keys == 3 ? PROBE_PKRU_AD : 0;
	b.wp = bits & 1;
	b.nx = bits & 2;
	b.smep = bits & 4;
	b.smap = bits & 8;
	b.rsvd_pde = bits & 16;
	b.rsvd_pte = bits & 32;
	return b;
}

static inline bool probe_is_write(enum probe_op op)
{
	return op == PROBE_WRITE || op == PROBE_WRITE_AC || op == PROBE_USER_WRITE;
}

static inline bool probe_is_fetch(enum probe_op op)
{
	return op == PROBE_FETCH || op == PROBE_USER_FETCH;
}

static inline bool probe_is_user(enum probe_op op)
{
	return op >= PROBE_USER_READ;
}

static inline uint64_t probe_address(enum probe_op op)
{
	if (op == PROBE_USER_FETCH)
		return PROBE_GVA + PROBE_USER_CODE;
	return PROBE_GVA + (probe_is_fetch(op) ? PROBE_CODE : PROBE_DATA);
}

/* P, W, U, A, D, NX of one entry from six bits; the page table's change fastest. */
static inline uint64_t probe_bits(unsigned int v)
{
	return (v & 1) | (v & 2) | (v & 4) | (uint64_t)(v & 8) << 2 | (uint64_t)(v & 16) << 2 |
	       (uint64_t)(v & 32) << 58 | PROBE_KEY << 59;
}

static inline uint64_t probe_pte(const struct probe_block *b, unsigned int i, uint64_t page)
{
	return probe_bits(i & 63) | page | (uint64_t)b->rsvd_pte << 51;
}

/* @piece is the table's address, and that of the large page. */
static inline uint64_t probe_pde(const struct probe_block *b, unsigned int i, uint64_t piece)
{
	return probe_bits(i >> 6 & 63) | (uint64_t)(i >> 12 & 1) << 7 | piece |
	       (uint64_t)b->rsvd_pde << 51;
}

/* What came of a case. The low 16 bits are the #PF's error code. */
#define PROBE_FAULT	(1u << 16)
#define PROBE_PDE_A	(1u << 17)	/* A and D as they are afterwards */
#define PROBE_PDE_D	(1u << 18)
#define PROBE_PTE_A	(1u << 19)
#define PROBE_PTE_D	(1u << 20)
#define PROBE_CR2	(1u << 21)	/* CR2 is not the address */
#define PROBE_CHANGED	(1u << 22)	/* other bits of an entry changed */
#define PROBE_DATA_BAD	(1u << 23)	/* what was read or written is not what it must be */

static inline uint32_t probe_after(uint64_t pde, uint64_t pte, uint64_t old_pde, uint64_t old_pte)
{
	const uint64_t ad = 1 << 5 | 1 << 6;
	uint32_t r = 0;

	r |= pde & 1 << 5 ? PROBE_PDE_A : 0;
	r |= pde & 1 << 6 ? PROBE_PDE_D : 0;
	r |= pte & 1 << 5 ? PROBE_PTE_A : 0;
	r |= pte & 1 << 6 ? PROBE_PTE_D : 0;
	if ((pde ^ old_pde) & ~ad || (pte ^ old_pte) & ~ad)
		r |= PROBE_CHANGED;
	return r;
}

/* What a block adds up to. */
struct probe_sum {
	uint32_t faults;
	/* Faults for a reserved bit that say P = 0: a known fault of an emulator. */
	uint32_t no_p;
	uint64_t digest;	/* of what the manuals promise */
	uint64_t accessed;	/* of the accessed bits after a fault, where they leave a choice */
};

static inline uint64_t probe_mix(uint64_t h, uint32_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/*
 * Whether entries above the one that faulted are marked accessed is the processor's
 * choice: these bits have a digest of their own. P after a reserved bit is settled here,
 * and counted.
 */
static inline void probe_add(struct probe_sum *s, uint32_t r)
{
	const uint32_t choice = PROBE_PDE_A | PROBE_PTE_A;

	if (!(r & PROBE_FAULT)) {
		s->digest = probe_mix(s->digest, r);
		return;
	}
	s->faults++;
	if (r & 1 << 3 && !(r & 1)) {
		s->no_p++;
		r |= 1;
	}
	s->digest = probe_mix(s->digest, r & ~choice);
	s->accessed = probe_mix(s->accessed, r & choice);
}

#endif /* PROBE_CASES_H */
