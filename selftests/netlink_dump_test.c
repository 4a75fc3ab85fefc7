// SPDX-License-Identifier: GPL-2.0
/* Dumps of the netlink family while VMs come and go, and with little room. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "utils.h"

/* VMs that live throughout. */
#define STEADY 300
#define DUMPS 100

FIXTURE(dump) {
	struct nlraw nl;
	int dev;
	int vm[STEADY];
	uint32_t id[STEADY];
	unsigned int times[STEADY];	/* seen in the last dump */
	pid_t churn;
};

static int make_vm(int dev, const char *name, uint32_t *id)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	int fd;

	strncpy((char *)c.name, name, sizeof(c.name) - 1);
	fd = call(dev, NPT_CREATE_VM, &c);
	*id = c.id;
	return fd;
}

FIXTURE_SETUP(dump)
{
	struct rlimit files = { STEADY + 100, STEADY + 100 };
	int i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	ASSERT_LE(0, nlraw_open(&self->nl));
	for (i = 0; i < STEADY; i++) {
		self->vm[i] = make_vm(self->dev, "steady", &self->id[i]);
		ASSERT_LE(0, self->vm[i]);
	}
}

FIXTURE_TEARDOWN(dump)
{
	int i;

	if (self->churn > 0) {
		kill(self->churn, SIGKILL);
		waitpid(self->churn, NULL, 0);
	}
	for (i = 0; i < STEADY; i++)
		close(self->vm[i]);
	nlraw_close(&self->nl);
	close(self->dev);
}

/* Another process that makes VMs with vCPUs and lets them go, until it is killed. */
static pid_t start_churn(void)
{
	int dev, vm[8], i;
	uint32_t id;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dev = open_npt();
	for (;;) {
		for (i = 0; i < 8; i++) {
			vm[i] = make_vm(dev, "passing", &id);
			close(call_value(vm[i], KVM_CREATE_VCPU, 0));
		}
		for (i = 0; i < 8; i++)
			close(vm[i]);
	}
}

struct seen {
	const uint32_t *id;
	unsigned int *times;
	uint32_t last;		/* id of the VM before */
	unsigned int disorder;
};

static void on_vm(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	uint32_t id = nlraw_u32(attrs[NPT_A_VM_ID]);
	struct seen *s = arg;
	int i;

	s->disorder += id <= s->last;
	s->last = id;
	for (i = 0; i < STEADY; i++)
		s->times[i] += s->id[i] == id;
}

static int dump(struct nlraw *nl, uint8_t cmd, nlraw_fn fn, void *arg, struct nlraw_answer *a)
{
	struct nlraw_msg m;

	nlraw_init(&m, nl, cmd, NLM_F_DUMP);
	return nlraw_do(nl, &m, a, fn, arg);
}

/* How many of the steady VMs were not seen exactly once. */
static unsigned int wrong(const unsigned int *times)
{
	unsigned int n = 0;
	int i;

	for (i = 0; i < STEADY; i++)
		n += times[i] != 1;
	return n;
}

TEST_F_TIMEOUT(dump, quiet, 120)
{
	struct seen s = { .id = self->id, .times = self->times };
	struct nlraw_answer a;

	ASSERT_EQ(0, dump(&self->nl, NPT_CMD_VM_GET, on_vm, &s, &a));
	EXPECT_EQ(STEADY, a.n);
	EXPECT_FALSE(a.interrupted);
	EXPECT_EQ(0, wrong(self->times));
	EXPECT_EQ(0, s.disorder);
}

TEST_F_TIMEOUT(dump, under_change, 120)
{
	unsigned int flagged = 0;
	struct nlraw_answer a;
	struct seen s;
	int i;

	self->churn = start_churn();
	ASSERT_LT(0, self->churn);
	for (i = 0; i < DUMPS; i++) {
		memset(self->times, 0, sizeof(self->times));
		s = (struct seen) { .id = self->id, .times = self->times };
		ASSERT_EQ(0, dump(&self->nl, NPT_CMD_VM_GET, on_vm, &s, &a));
		ASSERT_EQ(0, wrong(self->times));
		ASSERT_EQ(0, s.disorder);
		flagged += a.interrupted;
	}
	EXPECT_NE(0, flagged);
}

TEST_F_TIMEOUT(dump, others_under_change, 120)
{
	struct nlraw_answer a;
	int i;

	self->churn = start_churn();
	ASSERT_LT(0, self->churn);
	for (i = 0; i < DUMPS / 4; i++) {
		ASSERT_EQ(0, dump(&self->nl, NPT_CMD_VCPU_GET, NULL, NULL, &a));
		ASSERT_EQ(0, dump(&self->nl, NPT_CMD_STAT_GET, NULL, NULL, &a));
		/* Each steady VM has a sum. */
		ASSERT_LE(STEADY, a.n);
	}
}

/* What changes between two calls of one dump is flagged, for certain. */
TEST_F_TIMEOUT(dump, change_in_the_middle, 120)
{
	struct seen s = { .id = self->id, .times = self->times };
	struct nlraw_answer a;
	struct nlraw_msg m;
	uint32_t id;
	int vm;

	nlraw_init(&m, &self->nl, NPT_CMD_VM_GET, NLM_F_DUMP);
	/* Sending makes the first part, receiving the others. */
	ASSERT_EQ(0, nlraw_send(&self->nl, &m));
	vm = make_vm(self->dev, "late", &id);
	ASSERT_LE(0, vm);
	ASSERT_EQ(0, nlraw_receive(&self->nl, &a, on_vm, &s));
	EXPECT_EQ(0, a.err);
	EXPECT_TRUE(a.interrupted);
	EXPECT_EQ(0, wrong(self->times));
	close(vm);
}

TEST_F_TIMEOUT(dump, tiny_receive_buffer, 120)
{
	struct seen s = { .id = self->id, .times = self->times };
	struct nlraw_answer a;
	int one = 1;

	ASSERT_EQ(0, setsockopt(self->nl.fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)));
	ASSERT_EQ(0, dump(&self->nl, NPT_CMD_VM_GET, on_vm, &s, &a));
	EXPECT_EQ(0, wrong(self->times));
}

/* A dump that nobody reads to its end. */
TEST_F_TIMEOUT(dump, abandoned, 120)
{
	struct nlraw_msg m;
	struct nlraw nl;
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_LE(0, nlraw_open_like(&nl, &self->nl));
		nlraw_init(&m, &nl, NPT_CMD_STAT_GET, NLM_F_DUMP);
		ASSERT_EQ(0, nlraw_send(&nl, &m));
		nlraw_close(&nl);
	}
}

/* The VM goes while its counters are listed. */
TEST_F_TIMEOUT(dump, vm_goes_in_the_middle, 120)
{
	struct nlraw_answer a;
	struct nlraw_msg m;
	int vcpu, vm, i;
	uint32_t id;

	vm = make_vm(self->dev, "short-lived", &id);
	ASSERT_LE(0, vm);
	for (i = 0; i < 40; i++) {
		vcpu = call_value(vm, KVM_CREATE_VCPU, i);
		ASSERT_LE(0, vcpu);
		close(vcpu);
	}
	nlraw_init(&m, &self->nl, NPT_CMD_STAT_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_STAT_VM, id);
	ASSERT_EQ(0, nlraw_send(&self->nl, &m));
	close(vm);
	ASSERT_EQ(0, nlraw_receive(&self->nl, &a, NULL, NULL));
	EXPECT_EQ(-ENOENT, a.err);
	EXPECT_NE(0, a.text[0]);
	EXPECT_GT(41, a.n);
}

TEST_HARNESS_MAIN
