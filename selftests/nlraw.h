/* SPDX-License-Identifier: GPL-2.0 */
/* Netlink by hand, so that tests can also send what no library would. */
#ifndef NPT_SELFTESTS_NLRAW_H
#define NPT_SELFTESTS_NLRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/npt_netlink.h>

/* Attributes that nlraw_parse() has room for. */
#define NLRAW_ATTRS 32

struct nlraw {
	int fd;
	uint16_t family;	/* of npt; 0: there is none */
	uint32_t events, stats;	/* ids of the groups */
	uint32_t seq;
};

struct nlraw_msg {
	union {
		struct nlmsghdr head;
		char bytes[1024];
	};
};

/* What came back from one request. */
struct nlraw_answer {
	int err;		/* 0 or -errno, of the ack or of the end of the dump */
	unsigned int n;		/* messages of the family */
	bool interrupted;	/* one of them, or the end, said so */
	char text[256];		/* the kernel's words, or "" */
};

typedef void (*nlraw_fn)(const struct genlmsghdr *head, struct nlattr **attrs, void *arg);

/* A socket with the family's numbers; the fd or -errno (-ENOENT: no family). */
int nlraw_open(struct nlraw *nl);
/* The socket alone: @like has the numbers. */
int nlraw_open_like(struct nlraw *nl, const struct nlraw *like);
void nlraw_close(struct nlraw *nl);

void nlraw_init(struct nlraw_msg *m, const struct nlraw *nl, uint8_t cmd, uint16_t flags);
void nlraw_put(struct nlraw_msg *m, uint16_t type, const void *data, size_t len);
void nlraw_put_u32(struct nlraw_msg *m, uint16_t type, uint32_t value);
void nlraw_put_u64(struct nlraw_msg *m, uint16_t type, uint64_t value);

/* 0 or -errno. */
int nlraw_send(struct nlraw *nl, struct nlraw_msg *m);
/* All answers until the ack or the end; @fn may be NULL. -errno of the socket, else 0. */
int nlraw_receive(struct nlraw *nl, struct nlraw_answer *a, nlraw_fn fn, void *arg);
/* Both: the kernel's verdict. */
int nlraw_do(struct nlraw *nl, struct nlraw_msg *m, struct nlraw_answer *a, nlraw_fn fn,
	     void *arg);

/* The first attribute of each type up to NLRAW_ATTRS. */
void nlraw_parse(const void *data, size_t len, struct nlattr **attrs);
uint32_t nlraw_u32(const struct nlattr *attr);
uint64_t nlraw_u64(const struct nlattr *attr);
const char *nlraw_string(const struct nlattr *attr);

int nlraw_join(struct nlraw *nl, uint32_t group);
int nlraw_leave(struct nlraw *nl, uint32_t group);

/* Calls @test until it is true, for at most @seconds. */
bool nlraw_wait(bool (*test)(void *arg), void *arg, unsigned int seconds);

#endif /* NPT_SELFTESTS_NLRAW_H */
