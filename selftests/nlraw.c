// SPDX-License-Identifier: GPL-2.0
/* Netlink by hand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "nlraw.h"

#define RECEIVE_SIZE 32768

/* --- messages ----------------------------------------------------------- */

void nlraw_init(struct nlraw_msg *m, const struct nlraw *nl, uint8_t cmd, uint16_t flags)
{
	struct genlmsghdr *head = (void *)(m->bytes + NLMSG_HDRLEN);

	memset(m, 0, sizeof(*m));
	m->head.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	m->head.nlmsg_type = nl->family;
	m->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	head->cmd = cmd;
	head->version = 1;
}

void nlraw_put(struct nlraw_msg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)(m->bytes + NLMSG_ALIGN(m->head.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

void nlraw_put_u32(struct nlraw_msg *m, uint16_t type, uint32_t value)
{
	nlraw_put(m, type, &value, sizeof(value));
}

void nlraw_put_u64(struct nlraw_msg *m, uint16_t type, uint64_t value)
{
	nlraw_put(m, type, &value, sizeof(value));
}

void nlraw_parse(const void *data, size_t len, struct nlattr **attrs)
{
	const char *p = data, *end = p + len;
	struct nlattr *attr;
	unsigned int type;

	memset(attrs, 0, NLRAW_ATTRS * sizeof(*attrs));
	while (end - p >= NLA_HDRLEN) {
		attr = (struct nlattr *)p;
		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > end - p)
			return;
		type = attr->nla_type & NLA_TYPE_MASK;
		if (type < NLRAW_ATTRS && !attrs[type])
			attrs[type] = attr;
		p += NLA_ALIGN(attr->nla_len);
	}
}

uint32_t nlraw_u32(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (attr)
		memcpy(&value, (const char *)attr + NLA_HDRLEN, sizeof(value));
	return value;
}

uint64_t nlraw_u64(const struct nlattr *attr)
{
	uint64_t value = 0;

	if (attr)
		memcpy(&value, (const char *)attr + NLA_HDRLEN, sizeof(value));
	return value;
}

const char *nlraw_string(const struct nlattr *attr)
{
	return attr ? (const char *)attr + NLA_HDRLEN : "";
}

/* --- requests ----------------------------------------------------------- */

int nlraw_send(struct nlraw *nl, struct nlraw_msg *m)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };

	m->head.nlmsg_seq = ++nl->seq;
	if (sendto(nl->fd, m->bytes, m->head.nlmsg_len, 0, (struct sockaddr *)&to,
		   sizeof(to)) < 0)
		return -errno;
	return 0;
}

static void read_text(struct nlraw_answer *a, const struct nlmsghdr *nlh, size_t offset)
{
	struct nlattr *attrs[NLRAW_ATTRS];

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || offset > nlh->nlmsg_len)
		return;
	nlraw_parse((const char *)nlh + offset, nlh->nlmsg_len - offset, attrs);
	snprintf(a->text, sizeof(a->text), "%s", nlraw_string(attrs[NLMSGERR_ATTR_MSG]));
}

/* One message; true: it was the last. */
static bool take(struct nlmsghdr *nlh, struct nlraw_answer *a, nlraw_fn fn, void *arg)
{
	struct nlattr *attrs[NLRAW_ATTRS];
	struct genlmsghdr *head = (void *)((char *)nlh + NLMSG_HDRLEN);
	size_t skip = NLMSG_HDRLEN + GENL_HDRLEN;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		a->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		memcpy(&a->err, (char *)nlh + NLMSG_HDRLEN, sizeof(a->err));
		read_text(a, nlh, NLMSG_HDRLEN + (nlh->nlmsg_type == NLMSG_DONE ?
			  NLMSG_ALIGN(sizeof(int)) : sizeof(struct nlmsgerr)));
		return true;
	}
	a->n++;
	nlraw_parse((char *)nlh + skip, nlh->nlmsg_len - skip, attrs);
	if (fn)
		fn(head, attrs, arg);
	return false;
}

int nlraw_receive(struct nlraw *nl, struct nlraw_answer *a, nlraw_fn fn, void *arg)
{
	union {
		struct nlmsghdr head;
		char bytes[RECEIVE_SIZE];
	} buf;
	struct nlmsghdr *nlh;
	bool last = false;
	ssize_t len;

	memset(a, 0, sizeof(*a));
	while (!last) {
		len = recv(nl->fd, &buf, sizeof(buf), 0);
		if (len < 0)
			return -errno;
		for (nlh = &buf.head; NLMSG_OK(nlh, len) && !last; nlh = NLMSG_NEXT(nlh, len))
			if (nlh->nlmsg_seq == nl->seq)
				last = take(nlh, a, fn, arg);
	}
	return 0;
}

int nlraw_do(struct nlraw *nl, struct nlraw_msg *m, struct nlraw_answer *a, nlraw_fn fn,
	     void *arg)
{
	int err = nlraw_send(nl, m);

	if (!err)
		err = nlraw_receive(nl, a, fn, arg);
	return err ? err : a->err;
}

/* --- sockets ------------------------------------------------------------ */

static void on_group(struct nlraw *nl, const struct nlattr *group)
{
	struct nlattr *attrs[NLRAW_ATTRS];
	const char *name;

	nlraw_parse((const char *)group + NLA_HDRLEN, group->nla_len - NLA_HDRLEN, attrs);
	name = nlraw_string(attrs[CTRL_ATTR_MCAST_GRP_NAME]);
	if (!strcmp(name, NPT_MCGRP_EVENTS))
		nl->events = nlraw_u32(attrs[CTRL_ATTR_MCAST_GRP_ID]);
	if (!strcmp(name, NPT_MCGRP_STATS))
		nl->stats = nlraw_u32(attrs[CTRL_ATTR_MCAST_GRP_ID]);
}

static void on_family(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	struct nlattr *groups[NLRAW_ATTRS];
	struct nlattr *list = attrs[CTRL_ATTR_MCAST_GROUPS];
	struct nlraw *nl = arg;
	int i;

	if (attrs[CTRL_ATTR_FAMILY_ID])
		memcpy(&nl->family, (char *)attrs[CTRL_ATTR_FAMILY_ID] + NLA_HDRLEN,
		       sizeof(nl->family));
	if (!list)
		return;
	nlraw_parse((char *)list + NLA_HDRLEN, list->nla_len - NLA_HDRLEN, groups);
	for (i = 0; i < NLRAW_ATTRS; i++)
		if (groups[i])
			on_group(nl, groups[i]);
}

static int open_socket(struct nlraw *nl)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	int on = 1;

	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0)
		return -errno;
	if (bind(nl->fd, (struct sockaddr *)&own, sizeof(own)) ||
	    setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)))
		return -errno;
	return nl->fd;
}

int nlraw_open(struct nlraw *nl)
{
	struct nlraw control = { .family = GENL_ID_CTRL };
	struct nlraw_answer a;
	struct nlraw_msg m;
	int err;

	memset(nl, 0, sizeof(*nl));
	err = open_socket(nl);
	if (err < 0)
		return err;
	nlraw_init(&m, &control, CTRL_CMD_GETFAMILY, 0);
	nlraw_put(&m, CTRL_ATTR_FAMILY_NAME, NPT_FAMILY_NAME, sizeof(NPT_FAMILY_NAME));
	err = nlraw_do(nl, &m, &a, on_family, nl);
	return err ? err : nl->fd;
}

int nlraw_open_like(struct nlraw *nl, const struct nlraw *like)
{
	*nl = *like;
	nl->seq = 0;
	return open_socket(nl);
}

void nlraw_close(struct nlraw *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

int nlraw_join(struct nlraw *nl, uint32_t group)
{
	int id = group;

	return setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &id, sizeof(id)) ?
	       -errno : 0;
}

int nlraw_leave(struct nlraw *nl, uint32_t group)
{
	int id = group;

	return setsockopt(nl->fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &id, sizeof(id)) ?
	       -errno : 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

bool nlraw_wait(bool (*test)(void *arg), void *arg, unsigned int seconds)
{
	double end = now() + seconds;

	while (!test(arg)) {
		if (now() > end)
			return false;
		usleep(1000);
	}
	return true;
}
