// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: libnpt's side of the netlink family on answers and events that no
 * kernel would send. Sending is left out, receiving gives the input's bytes
 * (linked with --wrap), all else is libnpt's and libnl's own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "libnpt.h"
#include "nl_priv.h"
#include "test.h"

#define FAMILY	0x21
#define ROOM	4096

/* What is still to be received. */
static const uint8_t *left;
static size_t nleft;

/* The next datagram: two bytes of length, then that many. Headers are made plausible. */
static size_t datagram(unsigned char *buf)
{
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	size_t n;
	uint8_t how;

	if (nleft < 4)
		return 0;
	n = (left[0] | left[1] << 8) % ROOM;
	how = left[2];
	left += 3;
	nleft -= 3;
	n = n < nleft ? n : nleft;
	memcpy(buf, left, n);
	left += n;
	nleft -= n;
	if (n < sizeof(*h))
		return n;
	if (how & 1)
		h->nlmsg_len = n;
	if (how & 2)
		h->nlmsg_type = FAMILY;
	if (how & 4)
		h->nlmsg_type = how & 8 ? NLMSG_ERROR : NLMSG_DONE;
	return n;
}

static int feed(struct nl_sock *sk, struct sockaddr_nl *from, unsigned char **out,
		struct ucred **creds)
{
	unsigned char *buf = calloc(1, ROOM), *exact;
	size_t n = datagram(buf);

	(void)sk;
	(void)creds;
	memset(from, 0, sizeof(*from));
	exact = n ? malloc(n) : NULL;	/* so that its end is an end */
	if (n)
		memcpy(exact, buf, n);
	free(buf);
	*out = exact;
	return n ? (int)n : -NLE_BAD_SOCK;
}

int __real_nl_recvmsgs(struct nl_sock *sk, struct nl_cb *cb);
int __wrap_nl_recvmsgs(struct nl_sock *sk, struct nl_cb *cb);
int __wrap_nl_send_auto(struct nl_sock *sk, struct nl_msg *msg);
ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);

int __wrap_nl_recvmsgs(struct nl_sock *sk, struct nl_cb *cb)
{
	nl_cb_overwrite_recv(cb, feed);
	return __real_nl_recvmsgs(sk, cb);
}

int __wrap_nl_send_auto(struct nl_sock *sk, struct nl_msg *msg)
{
	(void)sk;
	(void)msg;
	return 1;
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	unsigned char bytes[ROOM];
	size_t n;

	if (fd >= 0)
		return __real_recv(fd, buf, len, flags);
	n = datagram(bytes);
	n = n < len ? n : len;
	memcpy(buf, bytes, n);
	errno = EAGAIN;
	return n ? (ssize_t)n : -1;
}

/* --- whoever listens: reads every byte that it is given -------------------- */

static unsigned int sum;

static void look(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += ((const uint8_t *)p)[i];
}

static int on_vm(const struct npt_nl_vm *vm, void *arg)
{
	CHECK(memchr(vm->name, 0, sizeof(vm->name)), "a name without an end");
	look(vm, sizeof(*vm));
	return 0;
}

static int on_vcpu(const struct npt_nl_vcpu *vcpu, void *arg)
{
	look(vcpu, sizeof(*vcpu));
	return 0;
}

static int on_stat(const struct npt_nl_stat *stat, void *arg)
{
	look(stat, sizeof(*stat));
	return 0;
}

static int on_counter(const struct npt_nl_definition *def, void *arg)
{
	look(def->name, strlen(def->name) + 1);
	look(def->unit, strlen(def->unit) + 1);
	look(def->text, strlen(def->text) + 1);
	return 0;
}

static int on_law(const struct npt_nl_law *law, void *arg)
{
	look(law->name, strlen(law->name) + 1);
	look(law->left, strlen(law->left) + 1);
	look(law->right, strlen(law->right) + 1);
	return 0;
}

static int on_range(const struct npt_nl_range *range, void *arg)
{
	look(range, sizeof(*range));
	return 0;
}

static int on_event(const struct npt_nl_event *ev, void *arg)
{
	CHECK(memchr(ev->name, 0, sizeof(ev->name)) && memchr(ev->reason, 0, sizeof(ev->reason)),
	      "a string without an end");
	look(ev, sizeof(*ev));
	return 0;
}

static int explain(struct npt_nl *nl)
{
	struct npt_walk_entry entries[NPT_WALK_MAX];
	struct npt_explain e = { .size = sizeof(e) };
	int ret = npt_nl_explain(nl, 1, 0, &e, entries);

	CHECK(e.count <= NPT_WALK_MAX, "%u entries", e.count);
	look(entries, e.count * sizeof(entries[0]));
	return ret;
}

static int ask(struct npt_nl *nl, unsigned int what)
{
	struct npt_nl_vcpu vcpu;
	struct npt_nl_stat stat;
	struct npt_nl_vm vm;

	switch (what % 10) {
	case 0:
		return npt_nl_vm(nl, 1, &vm);
	case 1:
		return npt_nl_vms(nl, on_vm, NULL);
	case 2:
		return npt_nl_vcpu(nl, 1, 0, &vcpu);
	case 3:
		return npt_nl_vcpus(nl, 0, on_vcpu, NULL);
	case 4:
		return npt_nl_stat(nl, 1, NPT_NL_SUM, &stat);
	case 5:
		return npt_nl_stats(nl, 1, on_stat, NULL);
	case 6:
		return npt_nl_catalogue(nl, on_counter, on_law, NULL);
	case 7:
		return explain(nl);
	case 8:
		return npt_nl_table(nl, 1, 0, NPT_DIM_NESTED, 0, on_range, NULL);
	default:
		return npt_nl_dispatch(nl, on_event, NULL);
	}
}

static struct npt_nl *connection(void)
{
	static struct npt_nl nl = { .family = FAMILY };

	if (!nl.sk) {
		nl.sk = nl_socket_alloc();
		nl.events = nl_socket_alloc();
		CHECK(nl.sk && nl.events, "no memory");
		nl_socket_disable_seq_check(nl.sk);
	}
	nl.interrupted = false;
	memset(nl.seq, 0, sizeof(nl.seq));
	return &nl;
}

void fuzz_nl(const uint8_t *data, size_t size)
{
	struct npt_nl *nl = connection();
	int ret;

	if (!size)
		return;
	left = data + 1;
	nleft = size - 1;
	ret = ask(nl, data[0]);
	if (ret < 0)
		CHECK(npt_error()[0] && !strchr(npt_error(), '\n'), "no line of text for %d", ret);
}

FUZZ_TARGET(nl)
