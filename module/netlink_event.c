// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family: what it tells without being asked.
 *
 * A message is built only if somebody listens to its group. The reports of
 * counters come from a delayed work that is queued only while somebody
 * listens and there are VMs; a listener sends MONITOR_SET after it joined,
 * and a new VM asks too.
 */
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include "netlink.h"
#include "netlink_internal.h"
#include "npt.h"

/* Room for an event: ids, times, a name and a reason. */
#define NPT_NL_EVENT_SIZE 512

const struct genl_multicast_group npt_nl_groups[NPT_NL_NR_GROUPS] = {
	[NPT_NL_GROUP_EVENTS] = { .name = NPT_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
	[NPT_NL_GROUP_STATS] = { .name = NPT_MCGRP_STATS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

/* What the messages of a group have counted. */
struct npt_nl_tally {
	atomic64_t seq;		/* of the last message */
	atomic64_t lost;	/* that could not be built or delivered */
};

static struct npt_nl_tally tally[NPT_NL_NR_GROUPS];

/* Events leave in the order of their numbers. */
static DEFINE_SPINLOCK(event_lock);

/* So do reports. */
static DEFINE_MUTEX(report_lock);

static u32 interval = NPT_INTERVAL_DEFAULT;	/* read and written as one word */
static bool stopped;				/* arm_lock */
static DEFINE_SPINLOCK(arm_lock);		/* the work is queued under it */

static void report(struct work_struct *work);
static DECLARE_DELAYED_WORK(report_work, report);

static bool heard(enum npt_nl_group group)
{
	return genl_has_listeners(&npt_nl_family, &init_net, group);
}

/*
 * Queue the next report, if somebody listens. With @sooner one that is queued
 * already comes forward.
 */
static void arm(unsigned long delay, bool sooner)
{
	spin_lock(&arm_lock);
	if (!stopped && heard(NPT_NL_GROUP_STATS)) {
		if (sooner)
			mod_delayed_work(system_unbound_wq, &report_work, delay);
		else
			queue_delayed_work(system_unbound_wq, &report_work, delay);
	}
	spin_unlock(&arm_lock);
}

/*
 * A netlink socket was closed, and has left its groups: the timer must not
 * outlive the last listener. Under the lock, lest a report that saw him still
 * there arms it again.
 */
static int listener_gone(struct notifier_block *nb, unsigned long action, void *data)
{
	struct netlink_notify *n = data;

	if (action != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	spin_lock(&arm_lock);
	if (!heard(NPT_NL_GROUP_STATS))
		cancel_delayed_work(&report_work);
	spin_unlock(&arm_lock);
	return NOTIFY_DONE;
}

static struct notifier_block listener_notifier = { .notifier_call = listener_gone };

/* What every message begins with. */
static void *begin(struct sk_buff *skb, enum npt_nl_group group, u8 cmd, u64 seq)
{
	u64 lost = atomic64_read(&tally[group].lost);
	void *head = genlmsg_put(skb, 0, 0, &npt_nl_family, 0, cmd);

	if (!head ||
	    nla_put_u64_64bit(skb, NPT_A_EVENT_SEQ, seq, NPT_A_EVENT_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_EVENT_LOST, lost, NPT_A_EVENT_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_EVENT_TIME, ktime_get_ns(), NPT_A_EVENT_PAD))
		return NULL;
	return head;
}

/* Send @skb (NULL: it could not be built) or account for its loss. */
static void send(struct sk_buff *skb, enum npt_nl_group group, gfp_t gfp)
{
	int err = -ENOMEM;

	if (skb) {
		err = genlmsg_multicast(&npt_nl_family, skb, 0, group, gfp);
		if (!err || err == -ESRCH)
			return;
	}
	atomic64_inc(&tally[group].lost);
	/* Listeners that got nothing shall at least know that. */
	if (!skb)
		genl_set_err(&npt_nl_family, &init_net, 0, group, -ENOBUFS);
}

/* --- reports of counters ------------------------------------------------ */

static int put_counters(struct sk_buff *skb, const u64 *values)
{
	u32 id;

	for (id = 0; id < NPT_CTR_NR; id++)
		if (values[id] &&
		    npt_nl_put_counter(skb, NPT_A_EVENT_COUNTER, id, values[id]))
			return -EMSGSIZE;
	return 0;
}

static size_t report_size(const u64 *values)
{
	size_t n = 0;
	u32 id;

	for (id = 0; id < NPT_CTR_NR; id++)
		n += !!values[id];
	return NPT_NL_EVENT_SIZE + n * NPT_NL_COUNTER_SIZE;
}

static void report_vm(struct npt_vm *vm)
{
	static u64 values[NPT_CTR_NR];	/* report_lock */
	struct sk_buff *skb;
	void *head = NULL;
	u64 seq;

	mutex_lock(&report_lock);
	seq = atomic64_inc_return(&tally[NPT_NL_GROUP_STATS].seq);
	npt_stats_vm(vm, values);
	skb = genlmsg_new(report_size(values), GFP_KERNEL);
	if (skb)
		head = begin(skb, NPT_NL_GROUP_STATS, NPT_CMD_STAT_NTF, seq);
	if (!head ||
	    nla_put_u32(skb, NPT_A_EVENT_VM, vm->id) ||
	    nla_put_string(skb, NPT_A_EVENT_NAME, vm->name) ||
	    put_counters(skb, values)) {
		nlmsg_free(skb);
		skb = NULL;
	} else {
		genlmsg_end(skb, head);
	}
	send(skb, NPT_NL_GROUP_STATS, GFP_KERNEL);
	mutex_unlock(&report_lock);
}

/* What a VM came to in the end, however short its life was. */
static void last_report(struct npt_vm *vm)
{
	if (heard(NPT_NL_GROUP_STATS))
		report_vm(vm);
}

/* One report: a message for each VM. */
static void report(struct work_struct *work)
{
	struct npt_vm *vm;
	bool any = false;
	u32 id = 1;

	while (heard(NPT_NL_GROUP_STATS) && (vm = npt_vm_next(&id))) {
		report_vm(vm);
		npt_vm_put(vm);
		id++;
		any = true;
		cond_resched();
	}
	if (any)
		arm(msecs_to_jiffies(READ_ONCE(interval)), false);
}

/* --- events ------------------------------------------------------------- */

static int put_vm(struct sk_buff *skb, const struct npt_vm *vm)
{
	if (nla_put_u32(skb, NPT_A_EVENT_VM, vm->id) ||
	    nla_put_string(skb, NPT_A_EVENT_NAME, vm->name) ||
	    nla_put_u32(skb, NPT_A_EVENT_UID, from_kuid_munged(&init_user_ns, vm->owner)) ||
	    nla_put_u32(skb, NPT_A_EVENT_ENGINE, vm->engine->id) ||
	    nla_put_u32(skb, NPT_A_EVENT_MMU, vm->mmu.cfg.mode))
		return -EMSGSIZE;
	return 0;
}

static struct sk_buff *event_skb(u8 cmd, const struct npt_vm *vm, const u32 *vcpu,
				 const char *reason, u64 seq)
{
	struct sk_buff *skb = genlmsg_new(NPT_NL_EVENT_SIZE, GFP_ATOMIC);
	void *head;

	if (!skb)
		return NULL;
	head = begin(skb, NPT_NL_GROUP_EVENTS, cmd, seq);
	if (!head || put_vm(skb, vm) ||
	    (vcpu && nla_put_u32(skb, NPT_A_EVENT_VCPU, *vcpu)) ||
	    (reason && nla_put_string(skb, NPT_A_EVENT_REASON, reason))) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

static void event(u8 cmd, struct npt_vm *vm, const u32 *vcpu, const char *reason)
{
	struct sk_buff *skb;
	u64 seq;

	if (!heard(NPT_NL_GROUP_EVENTS))
		return;
	spin_lock(&event_lock);
	seq = atomic64_inc_return(&tally[NPT_NL_GROUP_EVENTS].seq);
	skb = event_skb(cmd, vm, vcpu, reason, seq);
	send(skb, NPT_NL_GROUP_EVENTS, GFP_ATOMIC);
	spin_unlock(&event_lock);
}

void npt_nl_vm_event(enum npt_cmd cmd, struct npt_vm *vm, const char *reason)
{
	if (cmd == NPT_CMD_VM_DEL_NTF)
		last_report(vm);
	event(cmd, vm, NULL, reason);
	if (cmd == NPT_CMD_VM_NEW_NTF)
		arm(msecs_to_jiffies(READ_ONCE(interval)), false);
}

void npt_nl_vcpu_event(enum npt_cmd cmd, struct npt_vm *vm, u32 vcpu)
{
	event(cmd, vm, &vcpu, NULL);
}

/* --- the monitor -------------------------------------------------------- */

void npt_nl_monitor_start(u32 ms)
{
	if (ms)
		WRITE_ONCE(interval, ms);
	arm(0, true);
}

int __init npt_nl_monitor_init(void)
{
	return netlink_register_notifier(&listener_notifier);
}

void npt_nl_monitor_exit(void)
{
	netlink_unregister_notifier(&listener_notifier);
	/* From here on nothing arms the timer. */
	spin_lock(&arm_lock);
	stopped = true;
	spin_unlock(&arm_lock);
	cancel_delayed_work_sync(&report_work);
}

int npt_nl_fill_monitor(struct sk_buff *skb, const void *arg)
{
	struct npt_nl_tally *events = &tally[NPT_NL_GROUP_EVENTS];
	struct npt_nl_tally *stats = &tally[NPT_NL_GROUP_STATS];

	if (nla_put_u32(skb, NPT_A_MONITOR_INTERVAL, READ_ONCE(interval)) ||
	    (work_busy(&report_work.work) && nla_put_flag(skb, NPT_A_MONITOR_RUNNING)) ||
	    nla_put_u64_64bit(skb, NPT_A_MONITOR_EVENTS_SEQ, atomic64_read(&events->seq),
			      NPT_A_MONITOR_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_MONITOR_EVENTS_LOST, atomic64_read(&events->lost),
			      NPT_A_MONITOR_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_MONITOR_STATS_SEQ, atomic64_read(&stats->seq),
			      NPT_A_MONITOR_PAD) ||
	    nla_put_u64_64bit(skb, NPT_A_MONITOR_STATS_LOST, atomic64_read(&stats->lost),
			      NPT_A_MONITOR_PAD))
		return -EMSGSIZE;
	return 0;
}
