// SPDX-License-Identifier: GPL-2.0
/* Checking a TLB model from user space, and the cost model. */
#include "tlb.h"

/* More ways than this make one lookup too long for a batch. */
#define MODEL_MAX_WAYS		1024
#define MODEL_MAX_TLB		65536
#define MODEL_MAX_PWC		4096
#define MODEL_MAX_NTLB		65536

#define MODEL_PAGES	(NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G)
#define MODEL_KINDS	(NPT_TLB_FETCH | NPT_TLB_DATA)
#define MODEL_DIMS	(NPT_PWC_GUEST | NPT_PWC_NESTED)
#define MODEL_LEVELS	(BIT(2) | BIT(3) | BIT(4) | BIT(5))

static const char *check_ways(u32 entries, u32 ways, u32 max)
{
	if (!entries || entries > max)
		return "number of entries out of range";
	if (!ways)
		return entries > MODEL_MAX_WAYS ?
		       "fully associative with more than 1024 entries" : NULL;
	if (ways > MODEL_MAX_WAYS)
		return "more than 1024 ways";
	if (entries % ways)
		return "the ways don't divide the entries";
	return NULL;
}

static const char *check_tlb(const struct npt_tlb_unit *u)
{
	if (u->__reserved)
		return "reserved field of a TLB array is not zero";
	if (!u->level) {
		if (u->kinds || u->pages || u->policy || u->entries || u->ways)
			return "TLB array of level 0 is not all zero";
		return NULL;
	}
	if (u->level > 2)
		return "TLB level is neither 1 nor 2";
	if (!u->kinds || u->kinds & ~MODEL_KINDS)
		return "TLB kinds are not fetch, data or both";
	if (!u->pages || u->pages & ~MODEL_PAGES)
		return "TLB page sizes are not among 4K, 2M, 1G";
	if (u->policy > NPT_TLB_PLRU)
		return "unknown replacement policy";
	return check_ways(u->entries, u->ways, MODEL_MAX_TLB);
}

static const char *check_pwc(const struct npt_pwc_unit *u)
{
	if (u->__reserved || u->__reserved2)
		return "reserved field of a paging-structure cache is not zero";
	if (!u->dims) {
		if (u->levels || u->entries || u->ways)
			return "paging-structure cache of no dimension is not all zero";
		return NULL;
	}
	if (u->dims & ~MODEL_DIMS)
		return "dimensions of a paging-structure cache are not guest, nested or both";
	if (!u->levels || u->levels & ~MODEL_LEVELS)
		return "levels of a paging-structure cache are not among 2, 3, 4, 5";
	return check_ways(u->entries, u->ways, MODEL_MAX_PWC);
}

static const char *check_rest(const struct npt_tlb_model *m)
{
	if (m->size < sizeof(*m))
		return "size is too small";
	if (m->flags & ~(NPT_TLB_VPID | NPT_TLB_PCID | NPT_TLB_ORACLE))
		return "unknown flags";
	if (m->cost.__reserved[0] || m->cost.__reserved[1])
		return "reserved field of the cost model is not zero";
	if (!m->ntlb_entries)
		return m->ntlb_ways ? "ways of a nested TLB without entries" : NULL;
	return check_ways(m->ntlb_entries, m->ntlb_ways, MODEL_MAX_NTLB);
}

static const char *check_model(const struct npt_tlb_model *m)
{
	const char *why;
	unsigned int i;

	why = check_rest(m);
	for (i = 0; i < NPT_TLB_UNITS && !why; i++)
		why = check_tlb(&m->tlb[i]);
	for (i = 0; i < NPT_PWC_UNITS && !why; i++)
		why = check_pwc(&m->pwc[i]);
	return why;
}

int npt_tlb_model_check(const struct npt_tlb_model *m, const char **why)
{
	const char *text = check_model(m);

	if (why)
		*why = text;
	return text ? -EINVAL : 0;
}

bool npt_tlb_model_empty(const struct npt_tlb_model *m)
{
	const struct npt_tlb_model none = { .size = m->size };

	return !memcmp(m, &none, sizeof(none));
}

/* Costs and counts come from elsewhere: stop at the top, don't wrap. */
static u64 cost_add(u64 sum, u64 count, u32 cost)
{
	u64 part;

	if (check_mul_overflow(count, (u64)cost, &part) ||
	    check_add_overflow(sum, part, &sum))
		return ~0ULL;
	return sum;
}

u64 npt_cost_cycles(const struct npt_cost *c, const u64 *ctr)
{
	u64 sum = 0;

	sum = cost_add(sum, ctr[NPT_CTR_lookups], c->l1_hit);
	sum = cost_add(sum, ctr[NPT_CTR_l2_hit] + ctr[NPT_CTR_l2_miss], c->l2_hit);
	sum = cost_add(sum, ctr[NPT_CTR_pwc_guest_hit] + ctr[NPT_CTR_pwc_nested_hit],
		       c->pwc_hit);
	sum = cost_add(sum, ctr[NPT_CTR_ntlb_hit], c->ntlb_hit);
	sum = cost_add(sum, ctr[NPT_CTR_refs_guest] + ctr[NPT_CTR_refs_nested] +
			    ctr[NPT_CTR_refs_faulted], c->ref);
	sum = cost_add(sum, ctr[NPT_CTR_guest_pf], c->guest_fault);
	sum = cost_add(sum, ctr[NPT_CTR_pf_nested], c->nested_fault);
	sum = cost_add(sum, ctr[NPT_CTR_pf_shadow], c->shadow_fault);
	sum = cost_add(sum, ctr[NPT_CTR_pf_emulate], c->pte_write);
	return cost_add(sum, ctr[NPT_CTR_tlb_flush], c->flush);
}
