/* SPDX-License-Identifier: GPL-2.0 */
/* Names of the parts of a TLB model, for reading and for writing them. */
#ifndef TLBSPEC_PRIV_H
#define TLBSPEC_PRIV_H

#include "../../module/tlb/tlb.h"
#include "tlbspec.h"

#define ALL_PAGES	(NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G)
#define ALL_KINDS	(NPT_TLB_FETCH | NPT_TLB_DATA)
#define ALL_DIMS	(NPT_PWC_GUEST | NPT_PWC_NESTED)
#define ALL_LEVELS	0x3c

static const char *const policy_names[] = { "lru", "fifo", "lfu", "plru" };

/* Longer names first. */
static const struct array_name {
	const char *name;
	__u8 level, kinds;
} array_names[] = {
	{ "l1i", 1, NPT_TLB_FETCH },
	{ "l1d", 1, NPT_TLB_DATA },
	{ "l1", 1, ALL_KINDS },
	{ "l2i", 2, NPT_TLB_FETCH },
	{ "l2d", 2, NPT_TLB_DATA },
	{ "l2", 2, ALL_KINDS },
};

static const struct bit_name {
	const char *name;
	__u8 bit;
} page_names[] = {
	{ "4k", NPT_PAGE_4K },
	{ "2m", NPT_PAGE_2M },
	{ "1g", NPT_PAGE_1G },
}, dim_names[] = {
	{ "pwc", NPT_PWC_GUEST },
	{ "npwc", NPT_PWC_NESTED },
	{ "bothpwc", ALL_DIMS },
}, flag_names[] = {
	{ "vpid", NPT_TLB_VPID },
	{ "pcid", NPT_TLB_PCID },
	{ "oracle", NPT_TLB_ORACLE },
};

#define COST(field) { #field, offsetof(struct npt_cost, field) }
static const struct cost_name {
	const char *name;
	size_t offset;
} cost_names[] = {
	COST(l1_hit), COST(l2_hit), COST(pwc_hit), COST(ntlb_hit), COST(ref),
	COST(guest_fault), COST(nested_fault), COST(shadow_fault), COST(pte_write),
	COST(flush),
};

static inline __u32 *cost_field(struct npt_cost *cost, size_t offset)
{
	return (__u32 *)((char *)cost + offset);
}

#endif /* TLBSPEC_PRIV_H */
