// SPDX-License-Identifier: GPL-2.0
/*
 * Paging-structure caches and the nested TLB: what a walk may skip.
 *
 * A paging-structure cache entry stands for one table entry that was read: its
 * page number is the part of the address that chose it, all index bits down to
 * its own level. The 32-bit format with its wider indices is treated alike, so
 * one of its directory entries takes two cache entries, one for each 2 MiB half.
 */
#include "tlb_impl.h"

/* A value packs into one word: address in bits 12..51, the rest around it. */
#define WC_ADDRESS		GENMASK_ULL(51, 12)
#define WC_RIGHTS		GENMASK_ULL(3, 0)
#define WC_LEVEL_SHIFT		4	/* level or size class, 4 bits */
#define WC_COST_GUEST_SHIFT	52	/* 4 bits */
#define WC_COST_NESTED_SHIFT	56	/* 8 bits */

static u64 wc_pack(u64 address, u8 rights, u8 level, u8 cost_guest, u8 cost_nested)
{
	VM_WARN_ON_ONCE(address & ~WC_ADDRESS || rights > 15 || level > 15 || cost_guest > 15);
	return address | rights | (u64)level << WC_LEVEL_SHIFT |
	       (u64)cost_guest << WC_COST_GUEST_SHIFT |
	       (u64)cost_nested << WC_COST_NESTED_SHIFT;
}

static u64 pwc_page(u64 addr, unsigned int level)
{
	return addr >> (12 + 9 * (level - 1));
}

/* Nested entries know no PCID. */
static u64 pwc_key(unsigned int dim, u64 page, unsigned int pcid, unsigned int level)
{
	u64 tag = dim == NPT_PWC_NESTED ? NPT_KEY_SHARED : (u64)pcid << NPT_KEY_PCID_SHIFT;

	return page << NPT_KEY_PAGE_SHIFT | tag |
	       (u64)(level - 2) << NPT_KEY_CLASS_SHIFT | NPT_KEY_VALID;
}

static unsigned int pwc_dim_index(unsigned int dim)
{
	return dim == NPT_PWC_NESTED;
}

bool npt_tlb_has_pwc(const struct npt_tlb *tlb, unsigned int dim)
{
	const u16 *serves = tlb->pwc_serves[pwc_dim_index(dim)];

	return serves[0] | serves[1] | serves[2] | serves[3];
}

static bool pwc_probe(struct npt_tlb *tlb, unsigned int dim, u64 addr, unsigned int pcid,
		      unsigned int level, u64 *val)
{
	unsigned int units = tlb->pwc_serves[pwc_dim_index(dim)][level - 2];
	u64 page = pwc_page(addr, level);
	u64 key = pwc_key(dim, page, pcid, level);

	for (; units; units &= units - 1)
		if (npt_assoc_lookup(&tlb->pwc[__ffs(units)], page, key, val))
			return true;
	return false;
}

bool npt_pwc_lookup(struct npt_tlb *tlb, unsigned int dim, u64 addr,
		    unsigned int pcid, unsigned int top, struct npt_pwc_val *val)
{
	u64 *ctr = tlb->ctr + (dim == NPT_PWC_NESTED ? NPT_CTR_pwc_nested_hit :
						       NPT_CTR_pwc_guest_hit);
	unsigned int level;
	u64 packed;

	static_assert((int)NPT_CTR_pwc_guest_miss == NPT_CTR_pwc_guest_hit + 1);
	static_assert((int)NPT_CTR_pwc_nested_miss == NPT_CTR_pwc_nested_hit + 1);
	if (!npt_tlb_has_pwc(tlb, dim))
		return false;
	for (level = 2; level <= top && level <= 5; level++) {
		if (!pwc_probe(tlb, dim, addr, pcid, level, &packed))
			continue;
		val->table = packed & WC_ADDRESS;
		val->rights = packed & WC_RIGHTS;
		val->level = (packed >> WC_LEVEL_SHIFT) & 15;
		val->cost_guest = (packed >> WC_COST_GUEST_SHIFT) & 15;
		val->cost_nested = packed >> WC_COST_NESTED_SHIFT;
		ctr[0]++;
		return true;
	}
	ctr[1]++;
	return false;
}

/* In place and as a use if it is there already, else as a new entry. */
static void wc_enter(struct npt_assoc *a, u64 page, u64 key, u64 packed)
{
	u64 old;

	if (npt_assoc_lookup(a, page, key, &old))
		npt_assoc_replace(a, page, key, key, packed);
	else
		npt_assoc_insert(a, page, key, packed);
}

void npt_pwc_fill(struct npt_tlb *tlb, unsigned int dim, u64 addr,
		  unsigned int pcid, unsigned int level, const struct npt_pwc_val *val)
{
	unsigned int units;
	u64 page, key, packed;

	if (WARN_ON_ONCE(level < 2 || level > 5))
		return;
	units = tlb->pwc_serves[pwc_dim_index(dim)][level - 2];
	if (!units)
		return;
	page = pwc_page(addr, level);
	key = pwc_key(dim, page, pcid, level);
	packed = wc_pack(val->table, val->rights, val->level, val->cost_guest, val->cost_nested);
	for (; units; units &= units - 1)
		wc_enter(&tlb->pwc[__ffs(units)], page, key, packed);
}

void npt_pwc_forget(struct npt_tlb *tlb, u64 addr, unsigned int pcid)
{
	unsigned int level, units;
	u64 page;

	for (level = 2; level <= 5; level++) {
		page = pwc_page(addr, level);
		for (units = tlb->pwc_serves[0][level - 2]; units; units &= units - 1)
			npt_assoc_remove(&tlb->pwc[__ffs(units)], page,
					 pwc_key(NPT_PWC_GUEST, page, pcid, level));
	}
}

/* --- nested TLB ----------------------------------------------------------- */

static u64 ntlb_key(u64 page, unsigned int size)
{
	return page << NPT_KEY_PAGE_SHIFT | (u64)size << NPT_KEY_CLASS_SHIFT | NPT_KEY_VALID;
}

bool npt_tlb_has_ntlb(const struct npt_tlb *tlb)
{
	return tlb->ntlb.sets;
}

bool npt_ntlb_lookup(struct npt_tlb *tlb, u64 gpa, struct npt_ntlb_val *val)
{
	struct npt_assoc *a = &tlb->ntlb;
	unsigned int left, size;
	u64 page, packed;

	if (!a->sets)
		return false;
	for (left = a->present; left; left &= left - 1) {
		size = __ffs(left);
		page = gpa >> npt_size_shift(size);
		if (!npt_assoc_lookup(a, page, ntlb_key(page, size), &packed))
			continue;
		val->frame = packed & WC_ADDRESS;
		val->rights = packed & WC_RIGHTS;
		val->size = size;
		val->cost = packed >> WC_COST_NESTED_SHIFT;
		tlb->ctr[NPT_CTR_ntlb_hit]++;
		return true;
	}
	tlb->ctr[NPT_CTR_ntlb_miss]++;
	return false;
}

/* Entries of another page size for the address: the mapping was split or merged. */
static void ntlb_drop_others(struct npt_assoc *a, u64 gpa, unsigned int size)
{
	unsigned int other;
	u64 page;

	for (other = 0; other < NPT_NR_SIZES; other++) {
		page = gpa >> npt_size_shift(other);
		if (other != size)
			npt_assoc_remove(a, page, ntlb_key(page, other));
	}
}

void npt_ntlb_fill(struct npt_tlb *tlb, u64 gpa, const struct npt_ntlb_val *val)
{
	struct npt_assoc *a = &tlb->ntlb;
	u64 page;

	if (!a->sets || WARN_ON_ONCE(val->size >= NPT_NR_SIZES))
		return;
	if (a->present & ~BIT(val->size))
		ntlb_drop_others(a, gpa, val->size);
	page = gpa >> npt_size_shift(val->size);
	wc_enter(a, page, ntlb_key(page, val->size),
		 wc_pack(val->frame, val->rights, val->size, 0, val->cost));
}
