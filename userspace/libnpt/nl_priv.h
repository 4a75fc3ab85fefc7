/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the netlink side of libnpt share. */
#ifndef LIBNPT_NL_PRIV_H
#define LIBNPT_NL_PRIV_H

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "nl.h"

struct npt_nl {
	struct nl_sock *sk;	/* requests */
	struct nl_sock *events;	/* groups; NULL: not subscribed */
	int family;
	bool interrupted;	/* the last dump was */
	uint64_t seq[2];	/* of the last message by group, 0: none yet */
};

/* One request and what becomes of it. */
struct npt_nl_request {
	/* Called for each answer with its attributes; not 0: the rest is dropped. */
	int (*answer)(struct npt_nl_request *req, struct nlmsghdr *nlh);
	void *out;		/* a do: where the answer goes */
	union {
		int (*vm)(const struct npt_nl_vm *vm, void *arg);
		int (*vcpu)(const struct npt_nl_vcpu *vcpu, void *arg);
		int (*stat)(const struct npt_nl_stat *stat, void *arg);
		int (*range)(const struct npt_nl_range *range, void *arg);
	} cb;			/* a dump: the caller's */
	void *arg;		/* of @cb */

	/* set by npt_nl_do() */
	struct npt_nl *nl;
	unsigned int answers;
	int ret;		/* what @answer returned */
	int err;		/* what the kernel said */
	bool done;
	char text[256];		/* the kernel's words, or "" */
};

/* A message to the family, or NULL after npt_set_error(). @flags: NLM_F_DUMP or 0. */
struct nl_msg *npt_nl_message(struct npt_nl *nl, int cmd, int flags);

/* Send @msg (and free it), take the answers. 0, what ->answer returned, or a negative errno. */
int npt_nl_do(struct npt_nl *nl, struct nl_msg *msg, struct npt_nl_request *req);

/* Attributes that may be absent. */
uint32_t npt_nl_u32(struct nlattr *attr);
uint64_t npt_nl_u64(struct nlattr *attr);
void npt_nl_string(struct nlattr *attr, char *buf, size_t size);

/* Put the nest of a counter into @values, if the library knows the counter. */
void npt_nl_counter(struct nlattr *nest, uint64_t *values);

#endif /* LIBNPT_NL_PRIV_H */
