/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The permission probe's cases, in one place for all who run them: the guest
 * (probe.c) on a processor, and selftests/probe_test.c on the soft engine.
 *
 * A block is a choice of two entries on the way, a setting of registers, a kind of access
 * and a choice of reserved bits. A case in it is every combination of bits in the upper
 * entry and in the lower one, which maps the page: 8192 cases in each block. Everything
 * else on the way grants all rights.
 */
#ifndef PROBE_CASES_H
#define PROBE_CASES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One piece of 2 MiB, so aligned, holds what entries of levels 1 and 2 point to: a table
 * in its first page and two pages behind it. As a 2 MiB page (PS in the directory's entry)
 * the piece shows the same two pages at the same addresses. For entries of level 3 the
 * first GiB of memory is such a piece: the page at 0 is the directory that has an entry
 * for the piece of 2 MiB.
 */
#define PROBE_GVA	0x10000200000ull	/* entry 2 of the root, 0, 1 */
#define PROBE_PIECE	0x200000ull
#define PROBE_DATA	0x1000			/* what is read and written */
#define PROBE_CODE	0x2000			/* what is fetched */
#define PROBE_USER_CODE	0x2100			/* and at CPL 3 */

#define PROBE_WAYS	5		/* which two entries: probe_block() */
#define PROBE_WAY	2048		/* blocks of each */
#define PROBE_BLOCKS	(PROBE_WAYS * PROBE_WAY)
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
	unsigned int upper, lower;	/* levels of the two entries */
	enum probe_op op;
	bool wp, nx, smep, smap, pke;
	bool rsvd_upper, rsvd_lower;	/* bit 51, above MAXPHYADDR, or 13 in a large page */
	uint32_t pkru;
};

static inline struct probe_block probe_block(unsigned int i)
{
	static const struct {
		unsigned int upper, lower;
	} ways[PROBE_WAYS] = {
		{ 2, 1 }, { 3, 1 }, { 3, 2 }, { 4, 1 }, { 4, 3 },
	};
	unsigned int keys = i / PROBE_OPS % 4, bits = i / PROBE_OPS / 4 % 64;
	struct probe_block b = {
		.upper = ways[i / PROBE_WAY].upper,
		.lower = ways[i / PROBE_WAY].lower,
		.op = i % PROBE_OPS,
	};

	b.pke = keys;
	b.pkru = keys == 2 ? PROBE_PKRU_WD : keys == 3 ? PROBE_PKRU_AD : 0;
	b.wp = bits & 1;
	b.nx = bits & 2;
	b.smep = bits & 4;
	b.smap = bits & 8;
	b.rsvd_upper = bits & 16;
	b.rsvd_lower = bits & 32;
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

/* --- tables --- */

#define PROBE_ALL	7ull		/* P, W, U */
#define PROBE_PS	(1ull << 7)

/* Where the runner has put the tables of levels 2 to 4. */
struct probe_tables {
	uint64_t table[5];
};

static inline uint64_t probe_table(const struct probe_block *b, const struct probe_tables *t,
				   unsigned int level)
{
	if (level == 1)
		return PROBE_PIECE;
	return level == 2 && b->upper == 3 ? 0 : t->table[level];
}

/* The guest-physical address of the entry of that level. */
static inline uint64_t probe_entry(const struct probe_block *b, const struct probe_tables *t,
				   unsigned int level)
{
	return probe_table(b, t, level) + (probe_address(b->op) >> (3 + 9 * level) & 511) * 8;
}

/* And the address that is in it. */
static inline uint64_t probe_target(const struct probe_block *b, const struct probe_tables *t,
				    unsigned int level)
{
	if (level > b->lower)
		return probe_table(b, t, level - 1);
	if (level == 1)
		return PROBE_PIECE + (probe_address(b->op) & 0x3000);
	return level == 2 ? PROBE_PIECE : 0;
}

/* --- cases --- */

/* P, W, U, A, D, NX of one entry from six bits; the lower entry's change fastest. */
static inline uint64_t probe_bits(unsigned int v)
{
	return (v & 1) | (v & 2) | (v & 4) | (uint64_t)(v & 8) << 2 | (uint64_t)(v & 16) << 2 |
	       (uint64_t)(v & 32) << 58 | PROBE_KEY << 59;
}

static inline uint64_t probe_lower(const struct probe_block *b, const struct probe_tables *t,
				   unsigned int i)
{
	uint64_t rsvd = b->lower == 1 ? 1ull << 51 : 1 << 13;

	return probe_bits(i & 63) | probe_target(b, t, b->lower) | (b->rsvd_lower ? rsvd : 0) |
	       (b->lower > 1 ? PROBE_PS : 0);
}

/* With PS at level 2 or 3 it maps a page itself; at level 4 PS is a reserved bit too. */
static inline uint64_t probe_upper(const struct probe_block *b, const struct probe_tables *t,
				   unsigned int i)
{
	return probe_bits(i >> 6 & 63) | (i >> 12 & 1 ? PROBE_PS : 0) |
	       probe_target(b, t, b->upper) | (uint64_t)b->rsvd_upper << 51;
}

/* What came of a case. The low 16 bits are the #PF's error code. */
#define PROBE_FAULT	(1u << 16)
#define PROBE_UPPER_A	(1u << 17)	/* A and D as they are afterwards */
#define PROBE_UPPER_D	(1u << 18)
#define PROBE_LOWER_A	(1u << 19)
#define PROBE_LOWER_D	(1u << 20)
#define PROBE_CR2	(1u << 21)	/* CR2 is not the address */
#define PROBE_CHANGED	(1u << 22)	/* other bits of an entry changed */
#define PROBE_DATA_BAD	(1u << 23)	/* what was read or written is not what it must be */

static inline uint32_t probe_after(uint64_t upper, uint64_t lower, uint64_t old_upper,
				   uint64_t old_lower)
{
	const uint64_t ad = 1 << 5 | 1 << 6;
	uint32_t r = 0;

	r |= upper & 1 << 5 ? PROBE_UPPER_A : 0;
	r |= upper & 1 << 6 ? PROBE_UPPER_D : 0;
	r |= lower & 1 << 5 ? PROBE_LOWER_A : 0;
	r |= lower & 1 << 6 ? PROBE_LOWER_D : 0;
	if ((upper ^ old_upper) & ~ad || (lower ^ old_lower) & ~ad)
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
	const uint32_t choice = PROBE_UPPER_A | PROBE_LOWER_A;

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
