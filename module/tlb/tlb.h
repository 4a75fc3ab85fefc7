/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The TLB model of one vCPU: TLB arrays, paging-structure caches, nested TLB.
 *
 * It knows page numbers, tags and replacement, nothing of tables or engines.
 * All calls are made by the thread that drives the vCPU, under no lock of
 * their own; counters are plain increments in the vCPU's array.
 */
#ifndef NPT_TLB_H
#define NPT_TLB_H

#include "../mmu/platform.h"

/*
 * What a TLB entry maps to: one word.
 * Bits 12..51 hold the guest frame, the low bits the rights of the whole path.
 */
#define NPT_TLBV_W	BIT_ULL(0)	/* writable in every dimension */
#define NPT_TLBV_U	BIT_ULL(1)	/* user page */
#define NPT_TLBV_X	BIT_ULL(2)	/* executable in every dimension */
#define NPT_TLBV_D	BIT_ULL(3)	/* the leaf's dirty bit is known to be set */
#define NPT_TLBV_G	BIT_ULL(4)	/* global: matches every PCID */
#define NPT_TLBV_PKEY_SHIFT 5		/* 4 bits of protection key */
#define NPT_TLBV_SIZE_SHIFT 9		/* 0: 4K, 1: 2M, 2: 1G */
/* W, U, X, D: index into the vCPU's table of allowed accesses */
#define NPT_TLBV_RIGHTS	0xfULL
#define NPT_TLBV_FRAME	GENMASK_ULL(51, 12)

#define NPT_SIZE_4K 0
#define NPT_SIZE_2M 1
#define NPT_SIZE_1G 2
#define NPT_NR_SIZES 3

/* log2 of the bytes of a page of size class @s. */
static inline unsigned int npt_size_shift(unsigned int s)
{
	return 12 + 9 * s;
}

static inline unsigned int npt_tlbv_size(u64 val)
{
	return (val >> NPT_TLBV_SIZE_SHIFT) & 3;
}

/* Kinds of lookups: index of the first-level TLBs. */
#define NPT_KIND_FETCH 0
#define NPT_KIND_DATA 1

/* What a paging-structure cache entry holds. */
struct npt_pwc_val {
	u64 table;	/* address of the next table, in its dimension's space */
	u8 rights;	/* NPT_TLBV_W/U/X of the path so far */
	u8 level;	/* level of that next table */
	u8 cost_guest;	/* entries of this dimension that a walk reads to come here */
	u8 cost_nested;	/* nested entries that it reads for those, without caches */
};

/* What a nested TLB entry holds. */
struct npt_ntlb_val {
	u64 frame;	/* hpa of the 4K frame or larger page */
	u8 rights;	/* NPT_TLBV_W/U/X/D of the nested path (W only if writable) */
	u8 size;	/* NPT_SIZE_* */
	u8 cost;	/* entries a nested walk reads to find it, without caches */
};

struct npt_tlb;		/* opaque but for the fast path, tlb_impl.h */

/*
 * Check a model as user space gave it: 0, or -EINVAL and (@why may be NULL) a
 * constant string that says why.
 */
int npt_tlb_model_check(const struct npt_tlb_model *m, const char **why);

/* A model without a single cache or cost: what a VM has whose creator chose none. */
bool npt_tlb_model_empty(const struct npt_tlb_model *m);

/*
 * Allocate a TLB for @m (checked), counting into @ctr (indexed by enum
 * npt_counter: l1i_hit .. pwc_nested_miss, tlb_entries_flushed).
 * Returns NULL when out of memory.
 */
struct npt_tlb *npt_tlb_create(const struct npt_tlb_model *m, u64 *ctr);
void npt_tlb_destroy(struct npt_tlb *tlb);

/*
 * Look @gva up for @kind. Returns NPT_SOURCE_L1 or NPT_SOURCE_L2 with *val
 * set (a second-level hit has been filled into the first level), or
 * NPT_SOURCE_NONE. Counts l1?_hit or l1?_miss (a miss too where no array of the
 * first level serves @kind) and, where one of the second does, l2_hit or l2_miss.
 * @pcid (0..4095) is 0 where PCIDs are not in use.
 * npt_tlb_lookup_fast() of tlb_impl.h does the same, inline for most hits.
 */
unsigned int npt_tlb_lookup(struct npt_tlb *tlb, unsigned int kind, u64 gva,
			    unsigned int pcid, u64 *val);

/*
 * Enter a translation after a walk that follows npt_tlb_lookup(). If the lookup
 * found nothing: into each level that has an array for @kind and this page
 * size, counting evictions. If it found an entry whose rights did not suffice:
 * in place, wherever @kind has the page, and nowhere else; that is no use of
 * the entry (the lookup was one), so an upgrade leaves no trace in what goes
 * next. An entry of another page size for @gva is dropped. A guest that makes a
 * larger page of small ones and owes the flush may hit either, as on hardware.
 */
void npt_tlb_fill(struct npt_tlb *tlb, unsigned int kind, u64 gva,
		  unsigned int pcid, u64 val);

/*
 * Flushes; return the number of valid entries dropped (also counted): of TLB arrays
 * and the nested TLB, not of paging-structure caches. All are cheap on what is empty.
 */

/* All, global too, paging-structure caches and nested TLB. */
u64 npt_tlb_flush_all(struct npt_tlb *tlb);
/* Every PCID, but what is global; the guest's paging-structure caches. */
u64 npt_tlb_flush_nonglobal(struct npt_tlb *tlb);
/* One PCID, but what is global; its guest paging-structure caches. */
u64 npt_tlb_flush_pcid(struct npt_tlb *tlb, unsigned int pcid);
/* INVLPG: one page, global too; all guest paging-structure caches of the PCID. */
u64 npt_tlb_flush_addr(struct npt_tlb *tlb, u64 gva, unsigned int pcid);

/*
 * Paging-structure caches. @dim: NPT_PWC_GUEST or NPT_PWC_NESTED. Lookup
 * gives the entry that leads furthest down among levels below @top (the
 * root's level), returns true and counts pwc_*_hit, else false and counts
 * pwc_*_miss; counts nothing if no unit serves @dim.
 * npt_tlb_has_pwc() lets the walker skip all that.
 */
bool npt_tlb_has_pwc(const struct npt_tlb *tlb, unsigned int dim);
bool npt_pwc_lookup(struct npt_tlb *tlb, unsigned int dim, u64 addr,
		    unsigned int pcid, unsigned int top, struct npt_pwc_val *val);
/* Enter what was read at @level for @addr: it points to val->table. */
void npt_pwc_fill(struct npt_tlb *tlb, unsigned int dim, u64 addr,
		  unsigned int pcid, unsigned int level, const struct npt_pwc_val *val);

/*
 * What a page fault at @gva does (SDM vol. 3A, 4.10.4.1): entries for the page,
 * and those that a walk to it would use, go. No flush, so not counted as one.
 * npt_pwc_forget() does the second part alone.
 */
void npt_tlb_forget(struct npt_tlb *tlb, u64 gva, unsigned int pcid);
void npt_pwc_forget(struct npt_tlb *tlb, u64 addr, unsigned int pcid);

/* Nested TLB: gpa -> hpa. Lookup counts ntlb_hit/miss; without one: false, uncounted. */
bool npt_tlb_has_ntlb(const struct npt_tlb *tlb);
bool npt_ntlb_lookup(struct npt_tlb *tlb, u64 gpa, struct npt_ntlb_val *val);
void npt_ntlb_fill(struct npt_tlb *tlb, u64 gpa, const struct npt_ntlb_val *val);

/* The cost model applied to counters: the value of NPT_CTR_cycles. */
u64 npt_cost_cycles(const struct npt_cost *c, const u64 *ctr);

#endif /* NPT_TLB_H */
