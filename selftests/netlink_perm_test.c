// SPDX-License-Identifier: GPL-2.0
/*
 * Who may see what over netlink: the full matrix of who opened the socket and
 * who sends, of users, capabilities and namespaces.
 */
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "utils.h"

#define OWNER 1000
#define OTHER 1001
#define MEM_SIZE MIB

/* Root without CAP_SYS_ADMIN, beside plain users. */
enum who { ROOT, ROOT_UNCAPPED, OWNER_USER, OTHER_USER, OWNER_CAPPED };

FIXTURE(perm) {
	struct nlraw plain;	/* has the family's numbers */
	struct nlraw nl;	/* opened by the variant's opener */
	int dev, vm, vcpu;
	uint32_t id;
	void *mem;
};

FIXTURE_VARIANT(perm) {
	enum who opener, sender;
	bool sees;	/* the VM of OWNER */
	bool admin;	/* host addresses, the monitor */
};

FIXTURE_VARIANT_ADD(perm, root) { ROOT, ROOT, true, true };
FIXTURE_VARIANT_ADD(perm, uncapped_root) { ROOT_UNCAPPED, ROOT_UNCAPPED, false, false };
FIXTURE_VARIANT_ADD(perm, owner) { OWNER_USER, OWNER_USER, true, false };
FIXTURE_VARIANT_ADD(perm, other) { OTHER_USER, OTHER_USER, false, false };
FIXTURE_VARIANT_ADD(perm, capped_owner) { OWNER_CAPPED, OWNER_CAPPED, true, true };
/* Whoever is fooled into sending on another's socket lends nothing. */
FIXTURE_VARIANT_ADD(perm, other_opens_root_sends) { OTHER_USER, ROOT, false, false };
FIXTURE_VARIANT_ADD(perm, other_opens_owner_sends) { OTHER_USER, OWNER_USER, false, false };
FIXTURE_VARIANT_ADD(perm, owner_opens_root_sends) { OWNER_USER, ROOT, true, false };
FIXTURE_VARIANT_ADD(perm, uncapped_opens_root_sends) { ROOT_UNCAPPED, ROOT, false, false };
/* Whoever holds a socket of root has not become root. */
FIXTURE_VARIANT_ADD(perm, root_opens_other_sends) { ROOT, OTHER_USER, false, false };
FIXTURE_VARIANT_ADD(perm, root_opens_owner_sends) { ROOT, OWNER_USER, true, false };
FIXTURE_VARIANT_ADD(perm, root_opens_uncapped_sends) { ROOT, ROOT_UNCAPPED, false, false };

/* --- becoming somebody -------------------------------------------------- */

static int set_effective(bool sys_admin, bool rest)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	int i;

	if (syscall(SYS_capget, &head, data))
		return -errno;
	for (i = 0; i < 2; i++)
		data[i].effective = rest ? data[i].permitted : 0;
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	if (sys_admin)
		data[0].effective |= 1u << CAP_SYS_ADMIN;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

/* Effective ids and capabilities alone: root() leads back. */
static int become(enum who who)
{
	switch (who) {
	case ROOT:
		return 0;
	case ROOT_UNCAPPED:
		return set_effective(false, true);
	case OWNER_USER:
		return seteuid(OWNER) ? -errno : 0;
	case OTHER_USER:
		return seteuid(OTHER) ? -errno : 0;
	case OWNER_CAPPED:
		return seteuid(OWNER) ? -errno : set_effective(true, false);
	}
	return -EINVAL;
}

static int root(void)
{
	return seteuid(0) ? -errno : set_effective(true, true);
}

FIXTURE_SETUP(perm)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	uint8_t byte = 1;

	if (geteuid())
		SKIP(return, "needs root");
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	ASSERT_LE(0, nlraw_open(&self->plain));
	ASSERT_EQ(0, become(OWNER_USER));
	self->vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_EQ(0, root());
	ASSERT_LE(0, self->vm);
	self->id = c.id;
	self->mem = map_memory(MEM_SIZE);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	identity_tables((char *)self->mem + MEM_SIZE / 2, MEM_SIZE / 2, MEM_SIZE / 2);
	ASSERT_EQ(0, long_mode(self->vcpu, MEM_SIZE / 2));
	ASSERT_EQ(0, write_virt(self->vcpu, 0x3000, &byte, 1));

	ASSERT_EQ(0, become(variant->opener));
	ASSERT_LE(0, nlraw_open_like(&self->nl, &self->plain));
	ASSERT_EQ(0, root());
}

FIXTURE_TEARDOWN(perm)
{
	nlraw_close(&self->nl);
	nlraw_close(&self->plain);
	munmap(self->mem, MEM_SIZE);
	close(self->vcpu);
	close(self->vm);
	close(self->dev);
}

/* Send as the variant's sender. */
static int ask(struct nlraw *nl, struct nlraw_msg *m, enum who sender, struct nlraw_answer *a,
	       nlraw_fn fn, void *arg)
{
	int err = become(sender), back;

	if (!err)
		err = nlraw_send(nl, m);
	back = root();
	if (err || back)
		return err ? err : back;
	err = nlraw_receive(nl, a, fn, arg);
	return err ? err : a->err;
}

/* What answers about the one VM hold. */
struct found {
	uint32_t id;		/* in: of the VM */
	int attr;		/* in: attribute with the id of a VM, 0: none */
	int secret;		/* in: attribute with a host address, 0: none */
	unsigned int n;		/* messages about it */
	unsigned int secrets;	/* of these, with the secret */
};

static void on_answer(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	struct found *f = arg;

	if (f->attr && nlraw_u32(attrs[f->attr]) != f->id)
		return;
	f->n++;
	f->secrets += f->secret && attrs[f->secret];
}

TEST_F(perm, objects)
{
	struct found f = { .id = self->id };
	struct nlraw_answer a;
	struct nlraw_msg m;
	int want = variant->sees ? 0 : -ENOENT;
	char text[256];

	nlraw_init(&m, &self->nl, NPT_CMD_VM_GET, 0);
	nlraw_put_u32(&m, NPT_A_VM_ID, self->id);
	f.attr = NPT_A_VM_ID;
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, on_answer, &f));
	EXPECT_EQ(variant->sees, f.n);
	strcpy(text, a.text);

	/* A VM of others and no VM are told apart by nothing. */
	nlraw_init(&m, &self->nl, NPT_CMD_VM_GET, 0);
	nlraw_put_u32(&m, NPT_A_VM_ID, 0x7ffffffe);
	EXPECT_EQ(-ENOENT, ask(&self->nl, &m, variant->sender, &a, NULL, NULL));
	if (!variant->sees)
		EXPECT_STREQ(text, a.text);

	nlraw_init(&m, &self->nl, NPT_CMD_VCPU_GET, 0);
	nlraw_put_u32(&m, NPT_A_VCPU_VM, self->id);
	nlraw_put_u32(&m, NPT_A_VCPU_ID, 0);
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, NULL, NULL));

	nlraw_init(&m, &self->nl, NPT_CMD_STAT_GET, 0);
	nlraw_put_u32(&m, NPT_A_STAT_VM, self->id);
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, NULL, NULL));
}

TEST_F(perm, dumps)
{
	static const struct {
		uint8_t cmd;
		int attr;
	} dumps[] = {
		{ NPT_CMD_VM_GET, NPT_A_VM_ID },
		{ NPT_CMD_VCPU_GET, NPT_A_VCPU_VM },
		{ NPT_CMD_STAT_GET, NPT_A_STAT_VM },
	};
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct found f;
	int i;

	for (i = 0; i < ARRAY_SIZE(dumps); i++) {
		f = (struct found) { .id = self->id, .attr = dumps[i].attr };
		nlraw_init(&m, &self->nl, dumps[i].cmd, NLM_F_DUMP);
		EXPECT_EQ(0, ask(&self->nl, &m, variant->sender, &a, on_answer, &f));
		EXPECT_EQ(variant->sees, !!f.n);
	}
}

static void on_walk(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	struct nlattr *nest = attrs[NPT_A_EXPLAIN_WALK], *inner[NLRAW_ATTRS];
	struct found *f = arg;

	f->n++;
	f->secrets += !!attrs[NPT_A_EXPLAIN_HPA];
	if (!nest)
		return;
	/* The first entry of this walk is one of the host's. */
	nlraw_parse((char *)nest + NLA_HDRLEN, nest->nla_len - NLA_HDRLEN, inner);
	f->secrets += !!inner[NPT_A_WALK_ADDRESS];
	f->secrets += !!(nlraw_u64(inner[NPT_A_WALK_VALUE]) >> 12 & 0xffffffffff);
}

TEST_F(perm, host_addresses)
{
	struct found f = { .id = self->id };
	struct nlraw_answer a;
	struct nlraw_msg m;
	int want = variant->sees ? 0 : -ENOENT;

	nlraw_init(&m, &self->nl, NPT_CMD_EXPLAIN, 0);
	nlraw_put_u32(&m, NPT_A_EXPLAIN_VM, self->id);
	nlraw_put_u32(&m, NPT_A_EXPLAIN_VCPU, 0);
	nlraw_put_u64(&m, NPT_A_EXPLAIN_GVA, 0x3000);
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, on_walk, &f));
	EXPECT_EQ(variant->sees, f.n);
	EXPECT_EQ(variant->admin ? 3 : 0, f.secrets);

	f = (struct found) {
		.id = self->id, .attr = NPT_A_TABLE_VM, .secret = NPT_A_TABLE_TARGET,
	};
	nlraw_init(&m, &self->nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_NESTED);
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, on_answer, &f));
	EXPECT_EQ(variant->sees, !!f.n);
	EXPECT_EQ(variant->admin ? f.n : 0, f.secrets);
}

/* Neighbours that nothing seems to divide. */
struct seam {
	uint64_t end;
	uint32_t shift, rights;
	unsigned int n, seams;
};

static void on_seam(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	uint32_t rights = nlraw_u32(attrs[NPT_A_TABLE_RIGHTS]);
	uint32_t shift = nlraw_u32(attrs[NPT_A_TABLE_PAGE_SHIFT]);
	struct seam *s = arg;

	s->seams += s->n && s->end == nlraw_u64(attrs[NPT_A_TABLE_START]) &&
		    s->rights == rights && s->shift == shift;
	s->end = nlraw_u64(attrs[NPT_A_TABLE_END]);
	s->rights = rights;
	s->shift = shift;
	s->n++;
}

/* Where host memory is not contiguous is for the administrator alone, too. */
TEST_F(perm, seams_of_host_memory)
{
	static const int order[] = { 20, 5, 17, 9, 21, 6, 10, 18, 7, 19, 8, 4 };
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct seam s = {};
	uint8_t byte = 1;
	int i;

	if (!variant->sees)
		return;
	/* Pages that are taken one by one are not neighbours in the host. */
	for (i = 0; i < ARRAY_SIZE(order); i++)
		ASSERT_EQ(0, write_phys(self->vcpu, order[i] * PAGE, &byte, 1));
	nlraw_init(&m, &self->nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_NESTED);
	ASSERT_EQ(0, ask(&self->nl, &m, variant->sender, &a, on_seam, &s));
	EXPECT_NE(0, s.n);
	EXPECT_EQ(variant->admin, !!s.seams);
}

TEST_F(perm, monitor)
{
	struct nlraw_answer a;
	struct nlraw_msg m;
	int want = variant->admin ? 0 : -EPERM;

	nlraw_init(&m, &self->nl, NPT_CMD_MONITOR_GET, 0);
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, NULL, NULL));
	EXPECT_EQ(!variant->admin, !!a.text[0]);
	nlraw_init(&m, &self->nl, NPT_CMD_MONITOR_SET, 0);
	EXPECT_EQ(want, ask(&self->nl, &m, variant->sender, &a, NULL, NULL));
	EXPECT_EQ(!variant->admin, !!a.text[0]);
}

/* Here who joins counts alone: he hands the socket on with what it hears. */
TEST_F(perm, groups)
{
	int want = variant->sender == ROOT || variant->sender == OWNER_CAPPED ? 0 : -EPERM;
	int events, stats;

	ASSERT_EQ(0, become(variant->sender));
	events = nlraw_join(&self->nl, self->nl.events);
	stats = nlraw_join(&self->nl, self->nl.stats);
	ASSERT_EQ(0, root());
	EXPECT_EQ(want, events);
	EXPECT_EQ(want, stats);
}

TEST_F(perm, catalogue_is_for_all)
{
	struct nlraw_answer a;
	struct nlraw_msg m;

	nlraw_init(&m, &self->nl, NPT_CMD_CATALOGUE_GET, NLM_F_DUMP);
	EXPECT_EQ(0, ask(&self->nl, &m, variant->sender, &a, NULL, NULL));
	EXPECT_LT(NPT_CTR_NR, a.n);
}

/* --- namespaces --------------------------------------------------------- */

FIXTURE(space) {
	struct nlraw plain;
	int dev, vm;
	uint32_t id;
};

FIXTURE_VARIANT(space) {
	uint32_t uid;
	bool sees;
};

FIXTURE_VARIANT_ADD(space, owner) { OWNER, true };
FIXTURE_VARIANT_ADD(space, other) { OTHER, false };

FIXTURE_SETUP(space)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);

	if (geteuid())
		SKIP(return, "needs root");
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	ASSERT_LE(0, nlraw_open(&self->plain));
	ASSERT_EQ(0, seteuid(OWNER));
	self->vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_EQ(0, seteuid(0));
	ASSERT_LE(0, self->vm);
	self->id = c.id;
}

FIXTURE_TEARDOWN(space)
{
	nlraw_close(&self->plain);
	close(self->vm);
	close(self->dev);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* For good: a user who is root in a user namespace of his own. */
static int enter_user_namespace(uint32_t uid, int more)
{
	char map[64];

	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
	    unshare(CLONE_NEWUSER | more))
		return -errno;
	/* Or /proc/self would still be root's. */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	return write_file("/proc/self/uid_map", map);
}

TEST_F(space, root_of_a_user_namespace)
{
	struct found f = { .id = self->id, .attr = NPT_A_VM_ID };
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct nlraw nl;
	int err;

	err = enter_user_namespace(variant->uid, 0);
	if (err == -EPERM || err == -ENOSPC)
		SKIP(return, "no user namespaces for users here");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, geteuid());
	ASSERT_LE(0, nlraw_open_like(&nl, &self->plain));

	nlraw_init(&m, &nl, NPT_CMD_VM_GET, NLM_F_DUMP);
	EXPECT_EQ(0, nlraw_do(&nl, &m, &a, on_answer, &f));
	EXPECT_EQ(variant->sees, f.n);
	nlraw_init(&m, &nl, NPT_CMD_MONITOR_GET, 0);
	EXPECT_EQ(-EPERM, nlraw_do(&nl, &m, &a, NULL, NULL));
	EXPECT_EQ(-EPERM, nlraw_join(&nl, nl.events));
	nlraw_close(&nl);
}

/* There its owner could join any group and pass for an administrator. */
TEST_F(space, another_network_namespace)
{
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct nlraw nl;
	int vm, err;
	char byte;

	err = enter_user_namespace(variant->uid, CLONE_NEWNET);
	if (err == -EPERM || err == -ENOSPC)
		SKIP(return, "no user namespaces for users here");
	ASSERT_EQ(0, err);
	EXPECT_EQ(-ENOENT, nlraw_open(&nl));
	nlraw_close(&nl);
	ASSERT_LE(0, nlraw_open_like(&nl, &self->plain));
	nlraw_init(&m, &nl, NPT_CMD_VM_GET, NLM_F_DUMP);
	EXPECT_EQ(-ENOENT, nlraw_do(&nl, &m, &a, NULL, NULL));

	/* Whether it may join by number or not: nothing comes. */
	nlraw_join(&nl, nl.events);
	vm = create_vm(self->dev, NPT_MMU_NESTED);
	ASSERT_LE(0, vm);
	close(vm);
	EXPECT_EQ(-1, recv(nl.fd, &byte, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	nlraw_close(&nl);
}

TEST_HARNESS_MAIN
