// SPDX-License-Identifier: GPL-2.0
/* The netlink family: attributes of the objects, for replies and dumps alike. */
#include <linux/sched.h>
#include <net/genetlink.h>
#include "netlink_internal.h"
#include "npt.h"
#include "tlb/tlb.h"

int npt_nl_fill_vm(struct sk_buff *skb, const void *arg)
{
	const struct npt_nl_vm_arg *a = arg;
	struct npt_vm_info info = {};

	npt_vm_info(a->vm, &info);
	if (nla_put_u32(skb, NPT_A_VM_ID, info.id) ||
	    nla_put_string(skb, NPT_A_VM_NAME, a->vm->name) ||
	    nla_put_u32(skb, NPT_A_VM_UID, from_kuid_munged(a->ns, a->vm->owner)) ||
	    nla_put_u32(skb, NPT_A_VM_ENGINE, info.engine) ||
	    nla_put_u32(skb, NPT_A_VM_MMU, info.mmu) ||
	    nla_put_u32(skb, NPT_A_VM_NESTED_FORMAT, info.nested_format) ||
	    nla_put_u32(skb, NPT_A_VM_NESTED_LEVELS, info.nested_levels) ||
	    nla_put_u32(skb, NPT_A_VM_LEAF_PAGES, info.leaf_pages) ||
	    nla_put_u32(skb, NPT_A_VM_FLAGS, info.flags) ||
	    nla_put_u32(skb, NPT_A_VM_MAX_VCPUS, info.max_vcpus) ||
	    nla_put_u32(skb, NPT_A_VM_MAX_TABLE_PAGES, info.max_table_pages) ||
	    nla_put_u32(skb, NPT_A_VM_VCPUS, info.vcpus) ||
	    nla_put_u32(skb, NPT_A_VM_SLOTS, info.slots))
		return -EMSGSIZE;
	if (npt_vm_dead(a->vm) && nla_put_flag(skb, NPT_A_VM_DEAD))
		return -EMSGSIZE;
	return 0;
}

/* Registers are read as they stand: a look must not wait for a batch. */
int npt_nl_fill_vcpu(struct sk_buff *skb, const void *arg)
{
	const struct npt_vcpu *vcpu = arg;
	const struct npt_regs *regs = &vcpu->cpu.regs;

	if (nla_put_u32(skb, NPT_A_VCPU_VM, vcpu->vm->id) ||
	    nla_put_u32(skb, NPT_A_VCPU_ID, vcpu->id) ||
	    nla_put_u64_64bit(skb, NPT_A_VCPU_CR0, READ_ONCE(regs->cr0), NPT_A_VCPU_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_VCPU_CR3, READ_ONCE(regs->cr3), NPT_A_VCPU_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_VCPU_CR4, READ_ONCE(regs->cr4), NPT_A_VCPU_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_VCPU_EFER, READ_ONCE(regs->efer), NPT_A_VCPU_PAD))
		return -EMSGSIZE;
	return 0;
}

int npt_nl_put_counter(struct sk_buff *skb, int type, u32 id, u64 value)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, NPT_A_COUNTER_ID, id) ||
	    nla_put_u64_64bit(skb, NPT_A_COUNTER_VALUE, value, NPT_A_COUNTER_PAD)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

int npt_nl_fill_stat(struct sk_buff *skb, const void *arg)
{
	const struct npt_nl_stat_arg *a = arg;
	u32 id;

	if (nla_put_u32(skb, NPT_A_STAT_VM, a->vm->id) ||
	    (a->vcpu && nla_put_u32(skb, NPT_A_STAT_VCPU, a->vcpu->id)))
		return -EMSGSIZE;
	for (id = 0; id < NPT_CTR_NR; id++)
		if (npt_nl_put_counter(skb, NPT_A_STAT_COUNTER, id, a->values[id]))
			return -EMSGSIZE;
	return 0;
}

static int put_walk_entry(struct sk_buff *skb, const struct npt_walk_entry *w, bool admin)
{
	bool address = admin || w->dim == NPT_DIM_GUEST;

	if ((address && nla_put_u64_64bit(skb, NPT_A_WALK_ADDRESS, w->address, NPT_A_WALK_PAD)) ||
	    nla_put_u64_64bit(skb, NPT_A_WALK_VALUE, w->value, NPT_A_WALK_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_WALK_INPUT, w->input, NPT_A_WALK_PAD) ||
	    nla_put_u32(skb, NPT_A_WALK_DIM, w->dim) ||
	    nla_put_u32(skb, NPT_A_WALK_LEVEL, w->level) ||
	    nla_put_u32(skb, NPT_A_WALK_INDEX, w->index) ||
	    nla_put_u32(skb, NPT_A_WALK_VERDICT, w->verdict) ||
	    (w->bit != 255 && nla_put_u32(skb, NPT_A_WALK_BIT, w->bit)) ||
	    (w->dim == NPT_DIM_NESTED &&
	     nla_put_u32(skb, NPT_A_WALK_GUEST_LEVEL, w->guest_level)))
		return -EMSGSIZE;
	return 0;
}

static int put_walk(struct sk_buff *skb, const struct npt_nl_explain_arg *a)
{
	struct nlattr *nest;
	u32 i;

	for (i = 0; i < a->explain->count; i++) {
		nest = nla_nest_start(skb, NPT_A_EXPLAIN_WALK);
		if (!nest)
			return -EMSGSIZE;
		if (put_walk_entry(skb, &a->entries[i], a->admin)) {
			nla_nest_cancel(skb, nest);
			return -EMSGSIZE;
		}
		nla_nest_end(skb, nest);
	}
	return 0;
}

/* Where it leads, as far as it leads somewhere. */
static int put_target(struct sk_buff *skb, const struct npt_nl_explain_arg *a)
{
	const struct npt_explain *e = a->explain;

	switch (e->status) {
	case NPT_STATUS_GUEST_PF:
		return nla_put_u32(skb, NPT_A_EXPLAIN_ERROR_CODE, e->error_code);
	case NPT_STATUS_OK:
	case NPT_STATUS_READONLY:
		if (a->admin && nla_put_u64_64bit(skb, NPT_A_EXPLAIN_HPA, e->hpa,
						  NPT_A_EXPLAIN_PAD))
			return -EMSGSIZE;
		fallthrough;
	case NPT_STATUS_MMIO:
		return nla_put_u64_64bit(skb, NPT_A_EXPLAIN_GPA, e->gpa, NPT_A_EXPLAIN_PAD);
	default:
		return 0;
	}
}

int npt_nl_fill_explain(struct sk_buff *skb, const void *arg)
{
	const struct npt_nl_explain_arg *a = arg;
	const struct npt_explain *e = a->explain;

	if (nla_put_u32(skb, NPT_A_EXPLAIN_VM, a->vcpu->vm->id) ||
	    nla_put_u32(skb, NPT_A_EXPLAIN_VCPU, a->vcpu->id) ||
	    nla_put_u64_64bit(skb, NPT_A_EXPLAIN_GVA, e->gva, NPT_A_EXPLAIN_PAD) ||
	    nla_put_u32(skb, NPT_A_EXPLAIN_STATUS, e->status) ||
	    nla_put_u32(skb, NPT_A_EXPLAIN_PAGE_SHIFT, e->page_shift) ||
	    nla_put_u32(skb, NPT_A_EXPLAIN_REFS_GUEST, e->refs_guest) ||
	    nla_put_u32(skb, NPT_A_EXPLAIN_REFS_NESTED, e->refs_nested) ||
	    put_target(skb, a))
		return -EMSGSIZE;
	return put_walk(skb, a);
}

static u32 range_rights(u64 flags)
{
	return (flags & NPT_TLBV_W ? NPT_RIGHT_WRITE : 0) |
	       (flags & NPT_TLBV_U ? NPT_RIGHT_USER : 0) |
	       (flags & NPT_TLBV_X ? NPT_RIGHT_EXECUTE : 0) |
	       (flags & NPT_TLBV_D ? NPT_RIGHT_DIRTY : 0) |
	       (flags & NPT_TLBV_G ? NPT_RIGHT_GLOBAL : 0) |
	       (flags & BIT_ULL(32) ? NPT_RIGHT_ACCESSED : 0);
}

int npt_nl_fill_range(struct sk_buff *skb, const void *arg)
{
	const struct npt_nl_range_arg *a = arg;
	const struct npt_table_range *r = a->range;
	bool target = a->admin || a->dim == NPT_DIM_GUEST;

	if (nla_put_u32(skb, NPT_A_TABLE_VM, a->vm) ||
	    nla_put_u32(skb, NPT_A_TABLE_VCPU, a->vcpu) ||
	    nla_put_u32(skb, NPT_A_TABLE_DIM, a->dim) ||
	    nla_put_u64_64bit(skb, NPT_A_TABLE_START, r ? r->start : a->cursor,
			      NPT_A_TABLE_PAD))
		return -EMSGSIZE;
	if (!r)
		return 0;
	if (nla_put_u64_64bit(skb, NPT_A_TABLE_END, r->end, NPT_A_TABLE_PAD) ||
	    (target && nla_put_u64_64bit(skb, NPT_A_TABLE_TARGET, r->target, NPT_A_TABLE_PAD)) ||
	    nla_put_u32(skb, NPT_A_TABLE_PAGE_SHIFT, npt_size_shift(r->size)) ||
	    nla_put_u32(skb, NPT_A_TABLE_RIGHTS, range_rights(r->flags)))
		return -EMSGSIZE;
	return 0;
}
