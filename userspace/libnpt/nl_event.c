// SPDX-License-Identifier: GPL-2.0
/* The netlink family: multicast groups. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "libnpt_priv.h"
#include "nl_priv.h"

/* The kernel's messages are smaller than this. */
#define EVENT_BUFFER 32768
/* What may wait until somebody dispatches; the kernel's default is some 50 reports. */
#define EVENT_BACKLOG (4 << 20)

/* --- the monitor -------------------------------------------------------- */

static int on_monitor(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_MONITOR_MAX + 1];
	struct npt_nl_monitor *m = req->out;

	if (genlmsg_parse(nlh, 0, tb, NPT_A_MONITOR_MAX, NULL) || !tb[NPT_A_MONITOR_INTERVAL])
		return npt_set_error(-EPROTO, "netlink: a monitor without an interval");
	*m = (struct npt_nl_monitor) {
		.interval = npt_nl_u32(tb[NPT_A_MONITOR_INTERVAL]),
		.running = tb[NPT_A_MONITOR_RUNNING],
		.events_seq = npt_nl_u64(tb[NPT_A_MONITOR_EVENTS_SEQ]),
		.events_lost = npt_nl_u64(tb[NPT_A_MONITOR_EVENTS_LOST]),
		.stats_seq = npt_nl_u64(tb[NPT_A_MONITOR_STATS_SEQ]),
		.stats_lost = npt_nl_u64(tb[NPT_A_MONITOR_STATS_LOST]),
	};
	return 0;
}

int npt_nl_monitor_get(struct npt_nl *nl, struct npt_nl_monitor *monitor)
{
	struct npt_nl_request req = { .answer = on_monitor, .out = monitor };

	return npt_nl_do(nl, npt_nl_message(nl, NPT_CMD_MONITOR_GET, 0), &req);
}

int npt_nl_monitor_set(struct npt_nl *nl, uint32_t interval, struct npt_nl_monitor *monitor)
{
	struct npt_nl_monitor ignored;
	struct npt_nl_request req = { .answer = on_monitor, .out = monitor ? monitor : &ignored };
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_MONITOR_SET, 0);

	if (msg && interval)
		nla_put_u32(msg, NPT_A_MONITOR_INTERVAL, interval);
	return npt_nl_do(nl, msg, &req);
}

/* --- groups ------------------------------------------------------------- */

static int join(struct npt_nl *nl, const char *name)
{
	int group = genl_ctrl_resolve_grp(nl->sk, NPT_FAMILY_NAME, name);

	if (group < 0)
		return npt_set_error(-ENOENT, "netlink: group %s: %s", name, nl_geterror(group));
	if (!setsockopt(nl_socket_get_fd(nl->events), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			sizeof(group)))
		return 0;
	if (errno == EPERM)
		return npt_set_error(-EPERM, "netlink: group %s is for CAP_SYS_ADMIN", name);
	return npt_set_errno(-errno, "netlink: group %s", name);
}

static int open_events(struct npt_nl *nl)
{
	int err;

	nl->events = nl_socket_alloc();
	if (!nl->events)
		return npt_set_error(-ENOMEM, "netlink: out of memory");
	nl_socket_disable_seq_check(nl->events);
	err = genl_connect(nl->events);
	if (err)
		return npt_set_error(-EIO, "netlink: %s", nl_geterror(err));
	return npt_nl_set_buffer(nl, EVENT_BACKLOG);
}

int npt_nl_subscribe(struct npt_nl *nl, uint32_t groups)
{
	int err = nl->events ? 0 : open_events(nl);

	if (!err && (groups & NPT_NL_EVENTS))
		err = join(nl, NPT_MCGRP_EVENTS);
	if (!err && (groups & NPT_NL_STATS))
		err = join(nl, NPT_MCGRP_STATS);
	return err;
}

int npt_nl_set_buffer(struct npt_nl *nl, size_t bytes)
{
	int size = bytes / 2;	/* the kernel doubles it */

	if (!nl->events)
		return npt_set_error(-ENOTCONN, "netlink: not subscribed");
	/* Past the system's limit if we may, else as far as it allows. */
	if (!setsockopt(nl_socket_get_fd(nl->events), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			sizeof(size)))
		return 0;
	if (!setsockopt(nl_socket_get_fd(nl->events), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)))
		return 0;
	return npt_set_errno(-errno, "netlink: setsockopt");
}

int npt_nl_fd(const struct npt_nl *nl)
{
	return nl->events ? nl_socket_get_fd(nl->events) : -1;
}

static void read_event(struct npt_nl_event *ev, struct nlattr **tb)
{
	ev->seq = npt_nl_u64(tb[NPT_A_EVENT_SEQ]);
	ev->lost = npt_nl_u64(tb[NPT_A_EVENT_LOST]);
	ev->time = npt_nl_u64(tb[NPT_A_EVENT_TIME]);
	ev->vm = npt_nl_u32(tb[NPT_A_EVENT_VM]);
	npt_nl_string(tb[NPT_A_EVENT_NAME], ev->name, sizeof(ev->name));
	ev->uid = npt_nl_u32(tb[NPT_A_EVENT_UID]);
	ev->engine = npt_nl_u32(tb[NPT_A_EVENT_ENGINE]);
	ev->mmu = npt_nl_u32(tb[NPT_A_EVENT_MMU]);
	ev->vcpu = npt_nl_u32(tb[NPT_A_EVENT_VCPU]);
	npt_nl_string(tb[NPT_A_EVENT_REASON], ev->reason, sizeof(ev->reason));
}

static void count_missed(struct npt_nl *nl, struct npt_nl_event *ev)
{
	uint64_t *last = &nl->seq[ev->group == NPT_NL_STATS];

	if (*last && ev->seq > *last)
		ev->missed = ev->seq - *last - 1;
	*last = ev->seq;
}

/* One message; those of other families or other times are passed over: 0. */
static int on_event(struct npt_nl *nl, struct nlmsghdr *nlh, struct npt_nl_event *ev)
{
	struct nlattr *tb[NPT_A_EVENT_MAX + 1], *attr;
	struct genlmsghdr *head = nlmsg_data(nlh);
	int left;

	if (nlh->nlmsg_type != nl->family ||
	    genlmsg_parse(nlh, 0, tb, NPT_A_EVENT_MAX, NULL) || !tb[NPT_A_EVENT_SEQ])
		return 0;
	memset(ev, 0, sizeof(*ev));
	ev->cmd = head->cmd;
	ev->group = head->cmd == NPT_CMD_STAT_NTF ? NPT_NL_STATS : NPT_NL_EVENTS;
	read_event(ev, tb);
	count_missed(nl, ev);
	nla_for_each_attr(attr, genlmsg_attrdata(head, 0), genlmsg_attrlen(head, 0), left)
		if (nla_type(attr) == NPT_A_EVENT_COUNTER)
			npt_nl_counter(attr, ev->values);
	return 1;
}

/* What one datagram holds. */
static int dispatch(struct npt_nl *nl, void *buf, int len,
		    int (*cb)(const struct npt_nl_event *event, void *arg), void *arg)
{
	struct npt_nl_event ev;
	struct nlmsghdr *nlh;
	int n = 0, ret;

	for (nlh = buf; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
		if (!on_event(nl, nlh, &ev))
			continue;
		ret = cb(&ev, arg);
		if (ret < 0)
			return ret;
		n++;
	}
	return n;
}

int npt_nl_dispatch(struct npt_nl *nl, int (*cb)(const struct npt_nl_event *event, void *arg),
		    void *arg)
{
	union {
		struct nlmsghdr head;	/* aligns it */
		char bytes[EVENT_BUFFER];
	} buf;
	int n = 0, ret;
	ssize_t len;

	if (!nl->events)
		return npt_set_error(-ENOTCONN, "netlink: not subscribed");
	for (;;) {
		len = recv(nl_socket_get_fd(nl->events), &buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return n;
		if (len < 0)
			return npt_set_errno(-errno, "netlink: receiving");
		ret = dispatch(nl, &buf, len, cb, arg);
		if (ret < 0)
			return ret;
		n += ret;
	}
}
