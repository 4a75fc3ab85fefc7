/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reference: x86 address translation as the manuals word it, one plain
 * function per paging mode. It shares no line and no table with the module and
 * cares for nothing but being right. "SDM" is Intel's manual, volume 3A,
 * chapter 4 unless said otherwise; "APM" is AMD's, volume 2.
 */
#ifndef REF_WALK_H
#define REF_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define REF_CR0_PE (1ull << 0)
#define REF_CR0_WP (1ull << 16)
#define REF_CR0_PG (1ull << 31)
#define REF_CR4_PSE (1ull << 4)
#define REF_CR4_PAE (1ull << 5)
#define REF_CR4_PGE (1ull << 7)
#define REF_CR4_LA57 (1ull << 12)
#define REF_CR4_PCIDE (1ull << 17)
#define REF_CR4_SMEP (1ull << 20)
#define REF_CR4_SMAP (1ull << 21)
#define REF_CR4_PKE (1ull << 22)
#define REF_EFER_LME (1ull << 8)
#define REF_EFER_LMA (1ull << 10)
#define REF_EFER_NXE (1ull << 11)

/* Page-fault error code, SDM 4.7. */
#define REF_PF_P (1u << 0)
#define REF_PF_W (1u << 1)
#define REF_PF_U (1u << 2)
#define REF_PF_RSVD (1u << 3)
#define REF_PF_I (1u << 4)
#define REF_PF_PK (1u << 5)

/* What the translation depends on besides memory. */
struct ref_cpu {
	uint64_t cr0, cr3, cr4, efer;
	uint32_t pkru;
	bool ac;
	unsigned int maxphy;	/* MAXPHYADDR */
};

enum ref_kind { REF_READ, REF_WRITE, REF_FETCH };

enum ref_end {
	REF_OK,
	REF_PF,
	REF_GP,		/* non-canonical */
	REF_NOMEM,	/* the entry at .gpa lies where no memory is */
	REF_ROM,	/* the entry at .gpa lies in memory that can't be written, but must be */
};

/* Violations, all that apply, as bits. */
enum ref_why {
	REF_WHY_NOT_PRESENT = 1 << 0,
	REF_WHY_RSVD = 1 << 1,
	REF_WHY_WRITE = 1 << 2,
	REF_WHY_USER = 1 << 3,
	REF_WHY_NX = 1 << 4,
	REF_WHY_SMEP = 1 << 5,
	REF_WHY_SMAP = 1 << 6,
	REF_WHY_PKEY = 1 << 7,
};

/*
 * Guest memory: @bytes (4 or 8) at @gpa; false where there is none.
 * @fickle: two reads of one entry may differ (some come from a stale cache), so
 * every read of a walk is asked for.
 */
struct ref_mem {
	bool fickle;
	bool (*read)(const struct ref_mem *mem, uint64_t gpa, unsigned int bytes,
		     uint64_t *value);
};

/* One entry that was read. */
struct ref_step {
	uint64_t gpa;
	uint64_t value;		/* as read */
	uint64_t after;		/* with the accessed and dirty bits that the walk sets */
	unsigned int level, index, bytes;
};

struct ref_out {
	enum ref_end end;
	uint64_t gpa;		/* OK: where @gva leads; NOMEM: of the entry */
	uint64_t cr2;
	uint32_t error;
	unsigned int why;	/* enum ref_why */
	unsigned int shift;	/* log2 of the page: 12, 21, 22, 30; 0 with paging off */
	bool w, u, nx, g, dirty; /* of the path, of the leaf */
	unsigned int pkey;
	unsigned int n;		/* entries read */
	struct ref_step step[5];
};

/* The number of table levels in force: 0 (paging off), 2, 3, 4, 5. */
unsigned int ref_levels(const struct ref_cpu *cpu);

/*
 * PAE: does this walk use its PDPTE as another entry too? Then it sets a bit
 * there that is reserved in a PDPTE, and a processor that walks anew, for
 * whatever reason, before the access is done finds it.
 */
bool ref_spoils_pdpte(const struct ref_out *out);

void ref_walk(const struct ref_cpu *cpu, const struct ref_mem *mem, uint64_t gva,
	      enum ref_kind kind, bool user, struct ref_out *out);

#endif /* REF_WALK_H */
