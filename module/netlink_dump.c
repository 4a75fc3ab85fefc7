// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family: dumps.
 *
 * A dump goes on by id or address, not by position: what is there from
 * beginning to end is listed exactly once, whatever comes and goes meanwhile,
 * and that something did is flagged. Nothing is held between two calls.
 *
 * Only the first call runs in the sender's context: who asks is settled then.
 * Refusals come one call later, because 6.1 has no text for them before.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "compat.h"
#include "netlink_internal.h"
#include "npt.h"

/* Ranges that are fetched at a time. */
#define NPT_NL_RANGES 32
/* How often one call fetches: a guest can make tables that are long and empty. */
#define NPT_NL_FETCHES 16

/* Where a dump stands: lives in cb->ctx. */
struct npt_nl_dump {
	struct npt_nl_who who;
	u32 vm;		/* id of the next VM, or number of the next line of the catalogue */
	u32 sub;	/* number of the next vCPU; counters: 0 is the sum, n + 1 the vCPU n */
	u64 cursor;	/* tables: the next address */
	bool begun;	/* the request has been looked at */
	bool done;
};

static_assert(sizeof(struct npt_nl_dump) <= sizeof_field(struct netlink_callback, ctx));

static struct npt_nl_dump *dump_of(struct netlink_callback *cb)
{
	return (struct npt_nl_dump *)cb->ctx;
}

int npt_nl_dump_start(struct netlink_callback *cb)
{
	struct npt_nl_dump *d = dump_of(cb);

	memset(d, 0, sizeof(*d));
	npt_nl_who(&d->who, cb->skb);
	return 0;
}

static int put(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
	       npt_nl_fill_fn fill, const void *arg)
{
	void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				 &npt_nl_family, NLM_F_MULTI, cmd);

	if (!head)
		return -EMSGSIZE;
	if (fill(skb, arg)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genl_dump_check_consistent(cb, head);
	genlmsg_end(skb, head);
	return 0;
}

/* What a call returns: a full buffer is no error, unless not even one message fits. */
static int finish(const struct sk_buff *skb, int err)
{
	return skb->len ?: err;
}

/* --- VMs, vCPUs, counters ----------------------------------------------- */

typedef int (*dump_vm_fn)(struct sk_buff *skb, struct netlink_callback *cb, struct npt_vm *vm);

/* The one VM that the request names. */
static int dump_one_vm(struct sk_buff *skb, struct netlink_callback *cb, u32 id, dump_vm_fn fn)
{
	struct npt_nl_dump *d = dump_of(cb);
	struct npt_vm *vm;
	int err;

	if (d->done)
		return 0;
	vm = npt_nl_find_vm(&d->who, id, cb->extack);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	err = fn(skb, cb, vm);
	npt_vm_put(vm);
	d->done = !err;
	return err;
}

static int dump_all_vms(struct sk_buff *skb, struct netlink_callback *cb, dump_vm_fn fn)
{
	struct npt_nl_dump *d = dump_of(cb);
	struct npt_vm *vm;
	u32 id = d->vm;
	int err = 0;

	while (!err && (vm = npt_vm_next(&d->vm))) {
		/* The VM that the last call stopped in may have gone. */
		if (d->vm != id)
			d->sub = 0;
		if (npt_nl_may_see(&d->who, vm))
			err = fn(skb, cb, vm);
		npt_vm_put(vm);
		if (!err) {
			id = ++d->vm;
			d->sub = 0;
		}
		cond_resched();
	}
	return err;
}

/* @attr is the attribute that names a VM, 0: the dump takes none. */
static int dump_vms(struct sk_buff *skb, struct netlink_callback *cb, int attr, dump_vm_fn fn)
{
	struct nlattr *one = attr ? npt_dump_attrs(cb)[attr] : NULL;
	int err;

	cb->seq = npt_vm_generation();
	err = one ? dump_one_vm(skb, cb, nla_get_u32(one), fn) : dump_all_vms(skb, cb, fn);
	/* What changed during this call shall show in the last message. */
	cb->seq = npt_vm_generation();
	return finish(skb, err);
}

/* Attributes that a command takes, but not its dump. */
static int refuse(struct netlink_callback *cb, int attr)
{
	if (!npt_dump_attrs(cb)[attr])
		return 0;
	NL_SET_ERR_MSG_ATTR(cb->extack, npt_dump_attrs(cb)[attr],
			    "a dump lists all and does not take this attribute");
	return -EINVAL;
}

static int dump_vm(struct sk_buff *skb, struct netlink_callback *cb, struct npt_vm *vm)
{
	struct npt_nl_vm_arg arg = {
		.vm = vm,
		.ns = sk_user_ns(NETLINK_CB(cb->skb).sk),
	};

	return put(skb, cb, NPT_CMD_VM_GET, npt_nl_fill_vm, &arg);
}

int npt_nl_vm_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return refuse(cb, NPT_A_VM_ID) ?: dump_vms(skb, cb, 0, dump_vm);
}

static int dump_vcpus(struct sk_buff *skb, struct netlink_callback *cb, struct npt_vm *vm)
{
	struct npt_nl_dump *d = dump_of(cb);
	struct npt_vcpu *vcpu;
	int err = 0;

	while (!err && (vcpu = npt_vcpu_next(vm, &d->sub))) {
		err = put(skb, cb, NPT_CMD_VCPU_GET, npt_nl_fill_vcpu, vcpu);
		if (!err)
			d->sub++;
	}
	return err;
}

int npt_nl_vcpu_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return refuse(cb, NPT_A_VCPU_ID) ?:
	       dump_vms(skb, cb, NPT_A_VCPU_VM, dump_vcpus);
}

/* The sum, or the next vCPU's counters: 1 at the end. */
static int dump_stat(struct sk_buff *skb, struct netlink_callback *cb, struct npt_vm *vm,
		     u64 *values)
{
	struct npt_nl_stat_arg arg = { .vm = vm, .values = values };
	struct npt_nl_dump *d = dump_of(cb);
	u32 id = d->sub - 1;
	int err;

	if (!d->sub) {
		npt_stats_vm(vm, values);
	} else {
		arg.vcpu = npt_vcpu_next(vm, &id);
		if (!arg.vcpu)
			return 1;
		npt_stats_vcpu(arg.vcpu, values);
	}
	err = put(skb, cb, NPT_CMD_STAT_GET, npt_nl_fill_stat, &arg);
	if (!err)
		d->sub = arg.vcpu ? id + 2 : 1;
	return err;
}

static int dump_stats(struct sk_buff *skb, struct netlink_callback *cb, struct npt_vm *vm)
{
	u64 *values = kcalloc(NPT_CTR_NR, sizeof(*values), GFP_KERNEL);
	int err;

	if (!values)
		return -ENOMEM;
	do {
		err = dump_stat(skb, cb, vm, values);
	} while (!err);
	kfree(values);
	return err == 1 ? 0 : err;
}

int npt_nl_stat_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	/* A dump's buffer is of this size at the least. */
	BUILD_BUG_ON(NLMSG_HDRLEN + GENL_HDRLEN + 2 * nla_total_size(sizeof(u32)) +
		     NPT_CTR_NR * NPT_NL_COUNTER_SIZE > NLMSG_GOODSIZE);

	return refuse(cb, NPT_A_STAT_VCPU) ?:
	       dump_vms(skb, cb, NPT_A_STAT_VM, dump_stats);
}

/* --- the catalogue ------------------------------------------------------ */

static const struct {
	const char *name;
	const char *left;
	const char *right;
} npt_laws[] = {
#define NPT_LAW_ROW(law, l, r) { .name = #law, .left = (l), .right = (r) },
	NPT_LAWS(NPT_LAW_ROW)
#undef NPT_LAW_ROW
};

static int put_definition(struct sk_buff *skb, u32 id)
{
	const struct npt_counter_desc *c = &npt_catalogue[id];
	u32 type = strcmp(c->type, "gauge") ? NPT_BEHAVIOUR_COUNTER : NPT_BEHAVIOUR_GAUGE;

	if (nla_put_u32(skb, NPT_A_DEFINITION_ID, id) ||
	    nla_put_string(skb, NPT_A_DEFINITION_NAME, c->name) ||
	    nla_put_u32(skb, NPT_A_DEFINITION_SCOPE, c->vm ? NPT_SCOPE_VM : NPT_SCOPE_VCPU) ||
	    nla_put_u32(skb, NPT_A_DEFINITION_TYPE, type) ||
	    nla_put_string(skb, NPT_A_DEFINITION_UNIT, c->unit) ||
	    nla_put_string(skb, NPT_A_DEFINITION_TEXT, c->text))
		return -EMSGSIZE;
	return 0;
}

static int put_law(struct sk_buff *skb, u32 i)
{
	if (nla_put_string(skb, NPT_A_LAW_NAME, npt_laws[i].name) ||
	    nla_put_string(skb, NPT_A_LAW_LEFT, npt_laws[i].left) ||
	    nla_put_string(skb, NPT_A_LAW_RIGHT, npt_laws[i].right))
		return -EMSGSIZE;
	return 0;
}

/* Line *arg: the counters come first. */
static int fill_line(struct sk_buff *skb, const void *arg)
{
	u32 line = *(const u32 *)arg;
	bool law = line >= NPT_CTR_NR;
	struct nlattr *nest;

	nest = nla_nest_start(skb, law ? NPT_A_CATALOGUE_LAW : NPT_A_CATALOGUE_DEFINITION);
	if (!nest || (law ? put_law(skb, line - NPT_CTR_NR) : put_definition(skb, line)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int npt_nl_catalogue_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct npt_nl_dump *d = dump_of(cb);
	int err = 0;

	while (!err && d->vm < NPT_CTR_NR + ARRAY_SIZE(npt_laws)) {
		err = put(skb, cb, NPT_CMD_CATALOGUE_GET, fill_line, &d->vm);
		if (!err)
			d->vm++;
	}
	return finish(skb, err);
}

/* --- tables ------------------------------------------------------------- */

/* Grows with each change of the host's tables; nobody knows the guest's. */
static u32 table_generation(const struct npt_vm *vm, u32 dim)
{
	const u64 *ctr = vm->mmu.ctr;

	if (dim == NPT_DIM_GUEST)
		return 1;
	if (dim == NPT_DIM_SHADOW)
		return 1 + READ_ONCE(ctr[NPT_CTR_shadow_fills]) + READ_ONCE(ctr[NPT_CTR_zaps]);
	return 1 + READ_ONCE(ctr[NPT_CTR_fills_4k]) + READ_ONCE(ctr[NPT_CTR_fills_2m]) +
	       READ_ONCE(ctr[NPT_CTR_fills_1g]) + READ_ONCE(ctr[NPT_CTR_zaps]);
}

/*
 * Who may not see where ranges lead must not see either where the host's
 * memory stops being contiguous: join what only that divides.
 */
static u32 join(struct npt_table_range *r, u32 n)
{
	u32 last = 0, i;

	for (i = 1; i < n; i++) {
		if (r[i].start == r[last].end && r[i].size == r[last].size &&
		    r[i].flags == r[last].flags)
			r[last].end = r[i].end;
		else
			r[++last] = r[i];
	}
	return n ? last + 1 : 0;
}

/* The next ranges from the cursor on. */
static int fetch(struct npt_nl_dump *d, struct npt_vm *vm, struct npt_vcpu *vcpu,
		 struct npt_nl_range_arg *arg, struct npt_table_range *ranges, u32 *n)
{
	int err = 0;

	if (vcpu)
		err = npt_vcpu_table_dump(vcpu, arg->dim, &d->cursor, ranges, NPT_NL_RANGES,
					  n, &d->done);
	else
		*n = npt_table_dump(&vm->mmu, NULL, arg->dim, &d->cursor, ranges,
				    NPT_NL_RANGES, &d->done);
	if (!err && !arg->admin && arg->dim != NPT_DIM_GUEST)
		*n = join(ranges, *n);
	return err;
}

static int put_ranges(struct sk_buff *skb, struct netlink_callback *cb,
		      struct npt_nl_range_arg *arg, const struct npt_table_range *ranges, u32 n)
{
	struct npt_nl_dump *d = dump_of(cb);
	u32 i;

	for (i = 0; i < n; i++) {
		arg->range = &ranges[i];
		if (!put(skb, cb, NPT_CMD_TABLE_GET, npt_nl_fill_range, arg))
			continue;
		d->cursor = ranges[i].start;
		d->done = false;
		return -EMSGSIZE;
	}
	return 0;
}

/* Nothing found, but not at the end either. */
static int put_progress(struct sk_buff *skb, struct netlink_callback *cb,
			struct npt_nl_range_arg *arg)
{
	arg->range = NULL;
	arg->cursor = dump_of(cb)->cursor;
	return put(skb, cb, NPT_CMD_TABLE_GET, npt_nl_fill_range, arg);
}

static int dump_table(struct sk_buff *skb, struct netlink_callback *cb, struct npt_vm *vm,
		      struct npt_vcpu *vcpu, struct npt_nl_range_arg *arg)
{
	struct npt_nl_dump *d = dump_of(cb);
	struct npt_table_range *ranges;
	int err = 0;
	u32 n, i;

	ranges = kcalloc(NPT_NL_RANGES, sizeof(*ranges), GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;
	cb->seq = table_generation(vm, arg->dim);
	for (i = 0; i < NPT_NL_FETCHES && !err && !d->done; i++) {
		err = fetch(d, vm, vcpu, arg, ranges, &n);
		if (!err)
			err = put_ranges(skb, cb, arg, ranges, n);
		cond_resched();
	}
	/* An empty buffer would be the end of the dump. */
	if (!err && !d->done && !skb->len)
		err = put_progress(skb, cb, arg);
	cb->seq = table_generation(vm, arg->dim);
	kfree(ranges);
	return err;
}

/* The vCPU that the request names; NULL where none is needed. */
static struct npt_vcpu *table_vcpu(struct netlink_callback *cb, struct npt_vm *vm, u32 dim)
{
	struct nlattr *attr = npt_dump_attrs(cb)[NPT_A_TABLE_VCPU];
	struct npt_vcpu *vcpu;

	if (dim == NPT_DIM_SHADOW && vm->mmu.cfg.mode != NPT_MMU_SHADOW) {
		NL_SET_ERR_MSG(cb->extack, "the VM has no shadow tables");
		return ERR_PTR(-EINVAL);
	}
	if (!attr) {
		if (dim == NPT_DIM_NESTED)
			return NULL;
		NL_SET_ERR_MSG(cb->extack, "the number of the vCPU is missing");
		return ERR_PTR(-EINVAL);
	}
	vcpu = npt_nl_find_vcpu(vm, nla_get_u32(attr), cb->extack);
	if (!vcpu)
		return ERR_PTR(-ENOENT);
	return dim == NPT_DIM_NESTED ? NULL : vcpu;
}

/* Look at the request, once. */
static int table_begin(struct netlink_callback *cb)
{
	struct nlattr **attrs = npt_dump_attrs(cb);
	struct npt_nl_dump *d = dump_of(cb);

	if (d->begun)
		return 0;
	if (!attrs[NPT_A_TABLE_VM]) {
		NL_SET_ERR_MSG(cb->extack, "the id of the VM is missing");
		return -EINVAL;
	}
	if (!attrs[NPT_A_TABLE_DIM]) {
		NL_SET_ERR_MSG(cb->extack, "which table to dump is missing");
		return -EINVAL;
	}
	if (attrs[NPT_A_TABLE_START])
		d->cursor = nla_get_u64(attrs[NPT_A_TABLE_START]);
	d->begun = true;
	return 0;
}

static void table_refusal(struct netlink_ext_ack *extack, int err)
{
	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack, "the vCPU did not pause in time");
	else if (err == -EINTR)
		NL_SET_ERR_MSG(extack, "a signal came first");
	else if (err == -EIO)
		NL_SET_ERR_MSG(extack, "the VM is dead");
}

int npt_nl_table_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr **attrs = npt_dump_attrs(cb);
	struct npt_nl_dump *d = dump_of(cb);
	struct npt_nl_range_arg arg = {};
	struct npt_vcpu *vcpu;
	struct npt_vm *vm;
	int err = table_begin(cb);

	if (err || d->done)
		return err;
	arg.vm = nla_get_u32(attrs[NPT_A_TABLE_VM]);
	arg.dim = nla_get_u32(attrs[NPT_A_TABLE_DIM]);
	arg.admin = npt_nl_admin(&d->who);
	if (attrs[NPT_A_TABLE_VCPU])
		arg.vcpu = nla_get_u32(attrs[NPT_A_TABLE_VCPU]);
	vm = npt_nl_find_vm(&d->who, arg.vm, cb->extack);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	vcpu = table_vcpu(cb, vm, arg.dim);
	err = IS_ERR(vcpu) ? PTR_ERR(vcpu) : dump_table(skb, cb, vm, vcpu, &arg);
	npt_vm_put(vm);
	table_refusal(cb->extack, skb->len ? 0 : err);
	return finish(skb, err);
}
