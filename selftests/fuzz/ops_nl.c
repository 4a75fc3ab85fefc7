// SPDX-License-Identifier: GPL-2.0
/* Operations: messages to the netlink family, well-formed and not. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/npt_netlink.h>

#include "../nlraw.h"
#include "kfuzz.h"

static void take_answers(int fd)
{
	char buf[8192];

	for (unsigned int n = 0; n < 64; n++)
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return;
}

/* Attributes as a command wants them: id of a VM, of a vCPU, and what follows. */
static void proper(struct rnd *r, struct nlraw_msg *m, unsigned int cmd)
{
	nlraw_put_u32(m, 1, 1 + rnd_below(r, 8));
	if (rnd_bool(r))
		nlraw_put_u32(m, 2, rnd_below(r, 3));
	switch (cmd) {
	case NPT_CMD_EXPLAIN:
		nlraw_put_u64(m, NPT_A_EXPLAIN_GVA, any_number(r));
		nlraw_put_u32(m, NPT_A_EXPLAIN_OP, rnd_below(r, 4));
		if (rnd_bool(r))
			nlraw_put(m, NPT_A_EXPLAIN_USER, NULL, 0);
		break;
	case NPT_CMD_TABLE_GET:
		nlraw_put_u32(m, NPT_A_TABLE_DIM, rnd_below(r, 4));
		if (rnd_bool(r))
			nlraw_put_u64(m, NPT_A_TABLE_START, any_number(r));
		break;
	}
}

static void improper(struct rnd *r, struct nlraw_msg *m)
{
	uint8_t data[64];

	for (unsigned int n = rnd_below(r, 6); n; n--) {
		fill(r, data, sizeof(data));
		nlraw_put(m, rnd_bool(r) ? rnd_below(r, 18) : rnd_below(r, 65536), data,
			  rnd_bool(r) ? 4 << rnd_below(r, 2) : rnd_below(r, sizeof(data)));
	}
}

void op_netlink(struct rnd *r)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct nlraw nl = { .family = world.family };
	unsigned int cmd = rnd_below(r, 4) ? 1 + rnd_below(r, 8) : rnd_below(r, 256);
	int fd = world.sock[rnd_below(r, NSOCKS)];
	struct nlraw_msg m;
	size_t len;

	nlraw_init(&m, &nl, cmd, rnd_bool(r) ? NLM_F_DUMP : rnd_below(r, 8) ? 0 : any_number(r));
	if (rnd_below(r, 3))
		proper(r, &m, cmd);
	if (!rnd_below(r, 3))
		improper(r, &m);
	len = m.head.nlmsg_len;
	if (rnd_one_in(r, 8))
		m.bytes[rnd_below(r, len)] = any_number(r);
	if (rnd_one_in(r, 16))
		len = rnd_below(r, sizeof(m));
	if (fd < 0 || sendto(fd, m.bytes, len, MSG_DONTWAIT, (void *)&to, sizeof(to)) < 0)
		return;
	/* Now and then a dump is left unfinished. */
	if (rnd_below(r, 8))
		take_answers(fd);
}

void op_socket(struct rnd *r)
{
	atomic_int *slot = &world.sock[rnd_below(r, NSOCKS)];
	int on = 1, group = rnd_bool(r) ? world.events : world.stats;

	switch (rnd_below(r, 4)) {
	case 0:
		put_fd(slot, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
		break;
	case 1:
		setsockopt(*slot, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
		break;
	case 2:
		setsockopt(*slot, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
		break;
	default:
		setsockopt(*slot, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
	}
	take_answers(*slot);
}
