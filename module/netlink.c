// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family: who may ask, and the commands about one object.
 *
 * Commands run in parallel, under a lock of generic netlink that the whole
 * machine needs: none may wait for a guest.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "netlink.h"
#include "netlink_internal.h"
#include "netlink_policy.h"
#include "npt.h"

/* Room for the attributes of a reply that are not counters or entries. */
#define NPT_NL_REPLY_SIZE 512
/* Room for one entry of a walk, and more than it needs. */
#define NPT_NL_WALK_SIZE 128

/* --- who may see what --------------------------------------------------- */

void npt_nl_who(struct npt_nl_who *who, const struct sk_buff *skb)
{
	struct file *file = NETLINK_CB(skb).sk->sk_socket->file;

	who->sender = current_euid();
	who->sender_admin = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	who->opener = file ? file->f_cred->euid : INVALID_UID;
	/* Asked only where it can matter: a denial may be logged. */
	who->opener_admin = file &&
		(who->sender_admin || !uid_eq(who->opener, who->sender)) &&
		file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN);
}

bool npt_nl_may_see(const struct npt_nl_who *who, const struct npt_vm *vm)
{
	return (who->opener_admin || uid_eq(who->opener, vm->owner)) &&
	       (who->sender_admin || uid_eq(who->sender, vm->owner));
}

struct npt_vm *npt_nl_find_vm(const struct npt_nl_who *who, u32 id,
			      struct netlink_ext_ack *extack)
{
	struct npt_vm *vm = npt_vm_get(id);

	if (vm && npt_nl_may_see(who, vm))
		return vm;
	if (vm)
		npt_vm_put(vm);
	/* One text for both, or ids of others' VMs could be found out. */
	NL_SET_ERR_MSG(extack, "no VM with this id, or it is another user's");
	return ERR_PTR(-ENOENT);
}

struct npt_vcpu *npt_nl_find_vcpu(struct npt_vm *vm, u32 id, struct netlink_ext_ack *extack)
{
	struct npt_vcpu *vcpu = npt_vcpu_get(vm, id);

	if (!vcpu)
		NL_SET_ERR_MSG(extack, "the VM has no vCPU with this number");
	return vcpu;
}

static struct npt_vm *find_vm(struct npt_nl_who *who, struct sk_buff *skb,
			      struct genl_info *info, int attr)
{
	if (GENL_REQ_ATTR_CHECK(info, attr)) {
		NL_SET_ERR_MSG(info->extack, "the id of the VM is missing");
		return ERR_PTR(-EINVAL);
	}
	npt_nl_who(who, skb);
	return npt_nl_find_vm(who, nla_get_u32(info->attrs[attr]), info->extack);
}

static struct npt_vcpu *find_vcpu(struct npt_vm *vm, struct genl_info *info, int attr)
{
	struct npt_vcpu *vcpu;

	if (GENL_REQ_ATTR_CHECK(info, attr)) {
		NL_SET_ERR_MSG(info->extack, "the number of the vCPU is missing");
		return ERR_PTR(-EINVAL);
	}
	vcpu = npt_nl_find_vcpu(vm, nla_get_u32(info->attrs[attr]), info->extack);
	return vcpu ?: ERR_PTR(-ENOENT);
}

/* --- the commands ------------------------------------------------------- */

static int send_reply(struct genl_info *info, size_t size, npt_nl_fill_fn fill, const void *arg)
{
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);
	void *head;
	int err;

	if (!skb) {
		NL_SET_ERR_MSG(info->extack, "no memory for the reply");
		return -ENOMEM;
	}
	head = genlmsg_put_reply(skb, info, &npt_nl_family, 0, info->genlhdr->cmd);
	err = head ? fill(skb, arg) : -EMSGSIZE;
	if (err) {
		NL_SET_ERR_MSG(info->extack, "the reply does not fit its buffer");
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

static int vm_get(struct sk_buff *skb, struct genl_info *info)
{
	struct npt_nl_vm_arg arg = { .ns = sk_user_ns(NETLINK_CB(skb).sk) };
	struct npt_nl_who who;
	int err;

	arg.vm = find_vm(&who, skb, info, NPT_A_VM_ID);
	if (IS_ERR(arg.vm))
		return PTR_ERR(arg.vm);
	err = send_reply(info, NPT_NL_REPLY_SIZE, npt_nl_fill_vm, &arg);
	npt_vm_put(arg.vm);
	return err;
}

static int vcpu_get(struct sk_buff *skb, struct genl_info *info)
{
	struct npt_nl_who who;
	struct npt_vcpu *vcpu;
	struct npt_vm *vm;
	int err;

	vm = find_vm(&who, skb, info, NPT_A_VCPU_VM);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	vcpu = find_vcpu(vm, info, NPT_A_VCPU_ID);
	err = IS_ERR(vcpu) ? PTR_ERR(vcpu) :
	      send_reply(info, NPT_NL_REPLY_SIZE, npt_nl_fill_vcpu, vcpu);
	npt_vm_put(vm);
	return err;
}

/* Read the counters that @arg names and reply with them. */
static int stat_reply(struct genl_info *info, struct npt_nl_stat_arg *arg)
{
	u64 *values = kcalloc(NPT_CTR_NR, sizeof(*values), GFP_KERNEL);
	int err;

	if (!values) {
		NL_SET_ERR_MSG(info->extack, "no memory for the counters");
		return -ENOMEM;
	}
	if (arg->vcpu)
		npt_stats_vcpu(arg->vcpu, values);
	else
		npt_stats_vm(arg->vm, values);
	arg->values = values;
	err = send_reply(info, NPT_NL_REPLY_SIZE + NPT_CTR_NR * NPT_NL_COUNTER_SIZE,
			 npt_nl_fill_stat, arg);
	kfree(values);
	return err;
}

static int stat_get(struct sk_buff *skb, struct genl_info *info)
{
	struct npt_nl_stat_arg arg = {};
	struct npt_nl_who who;
	int err;

	arg.vm = find_vm(&who, skb, info, NPT_A_STAT_VM);
	if (IS_ERR(arg.vm))
		return PTR_ERR(arg.vm);
	if (info->attrs[NPT_A_STAT_VCPU])
		arg.vcpu = find_vcpu(arg.vm, info, NPT_A_STAT_VCPU);
	err = IS_ERR(arg.vcpu) ? PTR_ERR(arg.vcpu) : stat_reply(info, &arg);
	npt_vm_put(arg.vm);
	return err;
}

/* The question, from the attributes. */
static int explain_request(struct genl_info *info, struct npt_explain *e)
{
	struct nlattr **attrs = info->attrs;

	if (GENL_REQ_ATTR_CHECK(info, NPT_A_EXPLAIN_GVA)) {
		NL_SET_ERR_MSG(info->extack, "the address to explain is missing");
		return -EINVAL;
	}
	e->size = sizeof(*e);
	e->gva = nla_get_u64(attrs[NPT_A_EXPLAIN_GVA]);
	e->op = NPT_OP_READ;
	if (attrs[NPT_A_EXPLAIN_OP])
		e->op = nla_get_u32(attrs[NPT_A_EXPLAIN_OP]);
	e->user = nla_get_flag(attrs[NPT_A_EXPLAIN_USER]);
	if (attrs[NPT_A_EXPLAIN_PKRU])
		e->pkru = nla_get_u32(attrs[NPT_A_EXPLAIN_PKRU]);
	e->count = NPT_WALK_MAX;
	return 0;
}

static int explain_refusal(struct netlink_ext_ack *extack, int err)
{
	switch (err) {
	case -EBUSY:
		NL_SET_ERR_MSG(extack, "the vCPU did not pause in time");
		return err;
	case -EINTR:
		/* Netlink gives no answer at all to a command that ends with EINTR. */
		NL_SET_ERR_MSG(extack, "a signal came before the vCPU paused");
		return -EBUSY;
	case -EIO:
		NL_SET_ERR_MSG(extack, "the VM is dead");
		return err;
	default:
		NL_SET_ERR_MSG(extack, "this translation cannot be explained");
		return err;
	}
}

static int explain_vcpu(struct genl_info *info, struct npt_nl_explain_arg *arg)
{
	struct npt_walk_entry *entries;
	struct npt_explain e = {};
	int err = explain_request(info, &e);

	if (err)
		return err;
	entries = kcalloc(NPT_WALK_MAX, sizeof(*entries), GFP_KERNEL);
	if (!entries) {
		NL_SET_ERR_MSG(info->extack, "no memory for the entries of the walk");
		return -ENOMEM;
	}
	err = npt_vcpu_explain(arg->vcpu, &e, entries);
	if (err) {
		err = explain_refusal(info->extack, err);
		goto out;
	}
	if (!arg->admin)
		npt_explain_censor(&e, entries, e.count);
	arg->explain = &e;
	arg->entries = entries;
	err = send_reply(info, NPT_NL_REPLY_SIZE + e.count * NPT_NL_WALK_SIZE,
			 npt_nl_fill_explain, arg);
out:
	kfree(entries);
	return err;
}

static int explain(struct sk_buff *skb, struct genl_info *info)
{
	struct npt_nl_explain_arg arg = {};
	struct npt_nl_who who;
	struct npt_vm *vm;
	int err;

	vm = find_vm(&who, skb, info, NPT_A_EXPLAIN_VM);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	arg.admin = npt_nl_admin(&who);
	arg.vcpu = find_vcpu(vm, info, NPT_A_EXPLAIN_VCPU);
	err = IS_ERR(arg.vcpu) ? PTR_ERR(arg.vcpu) : explain_vcpu(info, &arg);
	npt_vm_put(vm);
	return err;
}

static int monitor_check(struct sk_buff *skb, struct genl_info *info)
{
	struct npt_nl_who who;

	npt_nl_who(&who, skb);
	if (npt_nl_admin(&who))
		return 0;
	NL_SET_ERR_MSG(info->extack, "the monitor is for CAP_SYS_ADMIN");
	return -EPERM;
}

static int monitor_get(struct sk_buff *skb, struct genl_info *info)
{
	int err = monitor_check(skb, info);

	return err ?: send_reply(info, NPT_NL_REPLY_SIZE, npt_nl_fill_monitor, NULL);
}

static int monitor_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *interval = info->attrs[NPT_A_MONITOR_INTERVAL];
	int err = monitor_check(skb, info);

	if (err)
		return err;
	npt_nl_monitor_start(interval ? nla_get_u32(interval) : 0);
	return send_reply(info, NPT_NL_REPLY_SIZE, npt_nl_fill_monitor, NULL);
}

/* --- the family --------------------------------------------------------- */

#define NPT_NL_POLICY(name) \
	.policy = npt_nl_##name##_policy, \
	.maxattr = ARRAY_SIZE(npt_nl_##name##_policy) - 1

#define NPT_NL_DUMP(name) \
	.start = npt_nl_dump_start, \
	.dumpit = npt_nl_##name##_dump

/* Where there is no policy, no attribute is taken. */
static const struct genl_ops npt_nl_ops[] = {
	{ .cmd = NPT_CMD_VM_GET, NPT_NL_POLICY(vm_get), .doit = vm_get, NPT_NL_DUMP(vm) },
	{ .cmd = NPT_CMD_VCPU_GET, NPT_NL_POLICY(vcpu_get), .doit = vcpu_get, NPT_NL_DUMP(vcpu) },
	{ .cmd = NPT_CMD_STAT_GET, NPT_NL_POLICY(stat_get), .doit = stat_get, NPT_NL_DUMP(stat) },
	{ .cmd = NPT_CMD_CATALOGUE_GET, NPT_NL_DUMP(catalogue) },
	{ .cmd = NPT_CMD_EXPLAIN, NPT_NL_POLICY(explain), .doit = explain },
	{ .cmd = NPT_CMD_TABLE_GET, NPT_NL_POLICY(table_get), NPT_NL_DUMP(table) },
	{ .cmd = NPT_CMD_MONITOR_GET, .doit = monitor_get },
	{ .cmd = NPT_CMD_MONITOR_SET, NPT_NL_POLICY(monitor_set), .doit = monitor_set },
};

/*
 * Not netnsok: VMs belong to the whole machine, and in another network
 * namespace its owner would pass for the administrator.
 */
struct genl_family npt_nl_family __ro_after_init = {
	.name = NPT_FAMILY_NAME,
	.version = NPT_FAMILY_VERSION,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.ops = npt_nl_ops,
	.n_ops = ARRAY_SIZE(npt_nl_ops),
	.mcgrps = npt_nl_groups,
	.n_mcgrps = NPT_NL_NR_GROUPS,
};

int __init npt_nl_init(void)
{
	int err = genl_register_family(&npt_nl_family);

	if (err)
		return err;
	err = npt_nl_monitor_init();
	if (err)
		genl_unregister_family(&npt_nl_family);
	return err;
}

void npt_nl_exit(void)
{
	npt_nl_monitor_exit();
	genl_unregister_family(&npt_nl_family);
}
