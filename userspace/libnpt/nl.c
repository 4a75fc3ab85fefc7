// SPDX-License-Identifier: GPL-2.0
/* The netlink family: connections, requests, and the kernel's words on a refusal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "libnpt_priv.h"
#include "nl_priv.h"

/* --- connections -------------------------------------------------------- */

static int set_option(struct nl_sock *sk, int option)
{
	int on = 1;

	return setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, option, &on, sizeof(on));
}

/* libnl's errors hide errno: only what a caller can act on is told apart. */
static int nl_errno(int err)
{
	switch (-err) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_SEQ_MISMATCH:
		return -EPROTO;
	default:
		return -EIO;
	}
}

static int connect_socket(struct npt_nl *nl)
{
	int err = genl_connect(nl->sk);

	if (err)
		return npt_set_error(nl_errno(err), "netlink: %s", nl_geterror(err));
	/* Without the first two the kernel's words would be lost. */
	if (set_option(nl->sk, NETLINK_EXT_ACK) || set_option(nl->sk, NETLINK_CAP_ACK) ||
	    set_option(nl->sk, NETLINK_GET_STRICT_CHK))
		return npt_set_errno(-errno, "netlink: setsockopt");
	nl->family = genl_ctrl_resolve(nl->sk, NPT_FAMILY_NAME);
	if (nl->family == -NLE_OBJ_NOTFOUND)
		return npt_set_error(-ENOENT, "netlink: no family npt here (is npt.ko loaded?)");
	if (nl->family < 0)
		return npt_set_error(nl_errno(nl->family), "netlink: %s",
				     nl_geterror(nl->family));
	return 0;
}

int npt_nl_open(struct npt_nl **out)
{
	struct npt_nl *nl = calloc(1, sizeof(*nl));
	int err;

	if (!nl)
		return npt_set_error(-ENOMEM, "netlink: out of memory");
	nl->sk = nl_socket_alloc();
	err = nl->sk ? connect_socket(nl) :
	      npt_set_error(-ENOMEM, "netlink: out of memory");
	if (err) {
		npt_nl_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

void npt_nl_close(struct npt_nl *nl)
{
	if (!nl)
		return;
	if (nl->events)
		nl_socket_free(nl->events);
	if (nl->sk)
		nl_socket_free(nl->sk);
	free(nl);
}

bool npt_nl_interrupted(const struct npt_nl *nl)
{
	return nl->interrupted;
}

/* --- requests ----------------------------------------------------------- */

struct nl_msg *npt_nl_message(struct npt_nl *nl, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, flags, cmd,
			       NPT_FAMILY_VERSION))
		return msg;
	nlmsg_free(msg);
	npt_set_error(-ENOMEM, "netlink: out of memory");
	return NULL;
}

/* The kernel's words are among the attributes from @data to the end of @nlh. */
static void read_words(struct npt_nl_request *req, struct nlmsghdr *nlh, void *data)
{
	char *end = (char *)nlh + nlh->nlmsg_len;
	struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || (char *)data > end)
		return;
	attr = nla_find(data, end - (char *)data, NLMSGERR_ATTR_MSG);
	if (attr)
		npt_nl_string(attr, req->text, sizeof(req->text));
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct npt_nl_request *req = arg;

	req->answers++;
	if (!req->ret && req->answer)
		req->ret = req->answer(req, nlmsg_hdr(msg));
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *nlh = (void *)((char *)e - NLMSG_HDRLEN);
	struct npt_nl_request *req = arg;
	size_t echo = 0;

	(void)from;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		echo = NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	req->err = e->error;
	req->done = true;
	read_words(req, nlh, (char *)e + sizeof(*e) + echo);
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct npt_nl_request *req = arg;

	(void)msg;
	req->done = true;
	return NL_STOP;
}

/* The end of a dump carries its errno, which libnl leaves to us. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct npt_nl_request *req = arg;
	int err;

	req->done = true;
	if (nlmsg_datalen(nlh) < (int)sizeof(err))
		return NL_STOP;
	memcpy(&err, nlmsg_data(nlh), sizeof(err));
	if (err < 0) {
		req->err = err;
		read_words(req, nlh, (char *)nlmsg_data(nlh) + NLMSG_ALIGN(sizeof(err)));
	}
	return NL_STOP;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	struct npt_nl_request *req = arg;

	(void)msg;
	req->nl->interrupted = true;
	return NL_OK;
}

static int receive(struct npt_nl *nl, struct npt_nl_request *req, struct nl_cb *cb)
{
	int err = 0;

	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, req);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, req);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, req);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, req);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, req);
	while (!req->done && err >= 0)
		err = nl_recvmsgs(nl->sk, cb);
	return req->done ? 0 : err;
}

int npt_nl_do(struct npt_nl *nl, struct nl_msg *msg, struct npt_nl_request *req)
{
	struct nl_cb *cb;
	int err;

	if (!msg)
		return -ENOMEM;
	req->nl = nl;
	nl->interrupted = false;
	err = nl_send_auto(nl->sk, msg);
	nlmsg_free(msg);
	if (err < 0)
		return npt_set_error(nl_errno(err), "netlink: %s", nl_geterror(err));
	cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!cb)
		return npt_set_error(-ENOMEM, "netlink: out of memory");
	err = receive(nl, req, cb);
	nl_cb_put(cb);
	if (err < 0)
		return npt_set_error(nl_errno(err), "netlink: %s", nl_geterror(err));
	if (req->err)
		return npt_set_error(req->err, "netlink: %s",
				     req->text[0] ? req->text : strerror(-req->err));
	return req->ret;
}

/* --- attributes --------------------------------------------------------- */

uint32_t npt_nl_u32(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

uint64_t npt_nl_u64(struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

void npt_nl_string(struct nlattr *attr, char *buf, size_t size)
{
	buf[0] = '\0';
	if (attr)
		nla_strlcpy(buf, attr, size);
}

void npt_nl_counter(struct nlattr *nest, uint64_t *values)
{
	struct nlattr *tb[NPT_A_COUNTER_MAX + 1];
	uint32_t id;

	if (nla_parse_nested(tb, NPT_A_COUNTER_MAX, nest, NULL) || !tb[NPT_A_COUNTER_ID])
		return;
	id = nla_get_u32(tb[NPT_A_COUNTER_ID]);
	if (id < NPT_CTR_NR)
		values[id] = npt_nl_u64(tb[NPT_A_COUNTER_VALUE]);
}
