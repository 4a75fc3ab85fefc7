// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink beside vCPUs that work, wait or never end: it must neither wait for
 * them for long nor keep others waiting.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "system.h"
#include "utils.h"

#define MEM_SIZE (16 * MIB)
/* Guest-physical address of what is made by hand. */
#define TABLES (8 * MIB)
#define BATCH 65536

FIXTURE(busy) {
	struct nlraw nl;
	int dev, vm, vcpu;
	uint32_t id;
	char *mem;
	struct npt_access *rec;
	pthread_t thread;
	atomic_bool stop;
	atomic_int result;	/* of the last batch */
};

FIXTURE_SETUP(busy)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	int i;

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	ASSERT_LE(0, nlraw_open(&self->nl));
	self->vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, self->vm);
	self->id = c.id;
	self->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	identity_tables(self->mem + TABLES, TABLES, MEM_SIZE);
	ASSERT_EQ(0, long_mode(self->vcpu, TABLES));
	self->rec = calloc(BATCH, sizeof(*self->rec));
	ASSERT_NE(NULL, self->rec);
	for (i = 0; i < BATCH; i++)
		self->rec[i] = (struct npt_access) {
			.gva = i % 1024 * PAGE, .size = 8, .op = NPT_OP_READ,
		};
}

FIXTURE_TEARDOWN(busy)
{
	free(self->rec);
	munmap(self->mem, MEM_SIZE);
	close(self->vcpu);
	close(self->vm);
	nlraw_close(&self->nl);
	close(self->dev);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Batch after batch. */
static void *work(void *arg)
{
	FIXTURE_DATA(busy) * self = arg;
	struct npt_batch b = {
		.size = sizeof(b), .accesses = (uintptr_t)self->rec, .count = BATCH,
	};

	do {
		self->result = call(self->vcpu, NPT_BATCH, &b);
	} while (!self->stop && !self->result);
	return NULL;
}

static int explain(struct nlraw *nl, uint32_t vm, uint64_t gva, struct nlraw_answer *a)
{
	struct nlraw_msg m;

	nlraw_init(&m, nl, NPT_CMD_EXPLAIN, 0);
	nlraw_put_u32(&m, NPT_A_EXPLAIN_VM, vm);
	nlraw_put_u32(&m, NPT_A_EXPLAIN_VCPU, 0);
	nlraw_put_u64(&m, NPT_A_EXPLAIN_GVA, gva);
	return nlraw_do(nl, &m, a, NULL, NULL);
}

/*
 * A vCPU between slices answers: at the most one in ten may be too busy. A look waits
 * as long on a slow kernel, where slices take longer: there one in ten must get through.
 */
TEST_F_TIMEOUT(busy, explains_a_vcpu_that_works, 120)
{
	unsigned int busy = 0, i;
	struct nlraw_answer a;
	int err;

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, work, self));
	for (i = 0; i < 100; i++) {
		err = explain(&self->nl, self->id, i * PAGE, &a);
		ASSERT_TRUE(err == 0 || err == -EBUSY);
		busy += !!err;
	}
	self->stop = true;
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, atomic_load(&self->result));
	EXPECT_GE(setting("NPT_PATIENCE", 1) > 1 ? 90 : 10, busy);
}

/* Everything else at the same time, from several sockets. */
static void *look(void *arg)
{
	FIXTURE_DATA(busy) * self = arg;
	const uint8_t cmds[] = { NPT_CMD_VM_GET, NPT_CMD_VCPU_GET, NPT_CMD_STAT_GET };
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct nlraw nl;
	long bad = 0;
	int i;

	if (nlraw_open_like(&nl, &self->nl) < 0)
		return (void *)1L;
	for (i = 0; i < 60; i++) {
		nlraw_init(&m, &nl, cmds[i % 3], NLM_F_DUMP);
		bad += !!nlraw_do(&nl, &m, &a, NULL, NULL);
		nlraw_init(&m, &nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
		nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
		nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_NESTED);
		bad += !!nlraw_do(&nl, &m, &a, NULL, NULL);
	}
	nlraw_close(&nl);
	return (void *)bad;
}

TEST_F_TIMEOUT(busy, many_look_at_once, 120)
{
	pthread_t looker[4];
	void *bad;
	int i;

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, work, self));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&looker[i], NULL, look, self));
	for (i = 0; i < 4; i++) {
		pthread_join(looker[i], &bad);
		EXPECT_EQ(0, (long)bad);
	}
	self->stop = true;
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, atomic_load(&self->result));
}

static void nothing(int signal)
{
}

/* Signals for this thread, many while a look at the vCPU is waited for. */
static int begin_signals(timer_t *timer)
{
	const struct itimerspec often = { { 0, 20000000 }, { 0, 20000000 } };
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1,
		._sigev_un._tid = syscall(SYS_gettid),
	};

	if (sigaction(SIGUSR1, &action, NULL) || timer_create(CLOCK_MONOTONIC, &event, timer))
		return -1;
	return timer_settime(*timer, 0, &often, NULL);
}

/*
 * A vCPU that waits for its memory, which this test does not hand out: who
 * explains is told so soon, and nobody else notices.
 */
TEST_F_TIMEOUT(busy, vcpu_that_waits_for_user_space, 120)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	const struct timeval patience = { .tv_sec = 20 };
	struct pollfd poll_fd = { .events = POLLIN };
	struct nlraw_answer a;
	struct uffd_msg msg;
	struct nlraw_msg m;
	timer_t timer;
	double start;
	int fd;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		SKIP(return, "no userfaultfd here");
	reg.range.start = (uintptr_t)self->mem;
	reg.range.len = TABLES;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, work, self));
	poll_fd.fd = fd;
	ASSERT_EQ(1, poll(&poll_fd, 1, 20000));
	ASSERT_EQ(sizeof(msg), read(fd, &msg, sizeof(msg)));

	start = seconds();
	EXPECT_EQ(-EBUSY, explain(&self->nl, self->id, TABLES, &a));
	EXPECT_NE(0, a.text[0]);
	nlraw_init(&m, &self->nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
	nlraw_put_u32(&m, NPT_A_TABLE_VCPU, 0);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_GUEST);
	EXPECT_EQ(-EBUSY, nlraw_do(&self->nl, &m, &a, NULL, NULL));
	EXPECT_NE(0, a.text[0]);
	nlraw_init(&m, &self->nl, NPT_CMD_STAT_GET, 0);
	nlraw_put_u32(&m, NPT_A_STAT_VM, self->id);
	EXPECT_EQ(0, nlraw_do(&self->nl, &m, &a, NULL, NULL));
	EXPECT_GT(10, seconds() - start);

	/* Signals end the wait. The answer comes all the same, and says so. */
	ASSERT_EQ(0, setsockopt(self->nl.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	ASSERT_EQ(0, begin_signals(&timer));
	EXPECT_EQ(-EBUSY, explain(&self->nl, self->id, TABLES, &a));
	EXPECT_NE(NULL, strstr(a.text, "signal"));
	nlraw_init(&m, &self->nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
	nlraw_put_u32(&m, NPT_A_TABLE_VCPU, 0);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_GUEST);
	EXPECT_EQ(-EINTR, nlraw_do(&self->nl, &m, &a, NULL, NULL));
	EXPECT_NE(NULL, strstr(a.text, "signal"));
	timer_delete(timer);

	/* Let it go on. */
	self->stop = true;
	ioctl(fd, UFFDIO_UNREGISTER, &reg.range);
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, atomic_load(&self->result));
	close(fd);
}

struct progress {
	unsigned int ranges, empty;
};

static void on_range(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	struct progress *p = arg;

	if (attrs[NPT_A_TABLE_END])
		p->ranges++;
	else
		p->empty++;
}

static int table(struct nlraw *nl, uint32_t vm, struct progress *p)
{
	struct nlraw_answer a;
	struct nlraw_msg m;

	nlraw_init(&m, nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, vm);
	nlraw_put_u32(&m, NPT_A_TABLE_VCPU, 0);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_GUEST);
	return nlraw_do(nl, &m, &a, on_range, p);
}

/* Point the first @n entries of the table at @gpa to @to. */
static void fill(char *mem, uint64_t gpa, int n, uint64_t to)
{
	uint64_t *t = (uint64_t *)(mem + gpa);
	int i;

	memset(t, 0, PAGE);
	for (i = 0; i < n; i++)
		t[i] = to | PTE_RWU;
}

/*
 * Tables that lead to the same empty table again and again: 2^13 paths. The
 * dump says how far it came instead of looking without end.
 */
TEST_F_TIMEOUT(busy, long_and_empty_tables, 120)
{
	struct progress p = {};
	char byte;

	fill(self->mem, 0x1000, 16, 0x2000);
	fill(self->mem, 0x2000, 512, 0x3000);
	fill(self->mem, 0x3000, 0, 0);
	fill(self->mem, 0x4000, 1, 0x1000);
	/* So that the tables are in the VM's map. */
	ASSERT_EQ(0, read_phys(self->vcpu, 0x1000, &byte, 1));
	ASSERT_EQ(0, read_phys(self->vcpu, 0x2000, &byte, 1));
	ASSERT_EQ(0, read_phys(self->vcpu, 0x3000, &byte, 1));
	ASSERT_EQ(0, read_phys(self->vcpu, 0x4000, &byte, 1));
	ASSERT_EQ(0, long_mode(self->vcpu, 0x4000));
	ASSERT_EQ(0, table(&self->nl, self->id, &p));
	EXPECT_EQ(0, p.ranges);
	EXPECT_NE(0, p.empty);
}

/* A table that points at itself maps 2^36 pages: nobody reads on for ever. */
TEST_F_TIMEOUT(busy, tables_without_end, 120)
{
	struct nlraw_msg m;
	struct nlraw nl;
	char buf[16384];
	int i;

	fill(self->mem, 0x1000, 512, 0x1000);
	ASSERT_EQ(0, read_phys(self->vcpu, 0x1000, buf, 1));
	ASSERT_EQ(0, long_mode(self->vcpu, 0x1000));
	ASSERT_LE(0, nlraw_open_like(&nl, &self->nl));
	nlraw_init(&m, &nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
	nlraw_put_u32(&m, NPT_A_TABLE_VCPU, 0);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_GUEST);
	ASSERT_EQ(0, nlraw_send(&nl, &m));
	for (i = 0; i < 100; i++)
		ASSERT_LT(0, recv(nl.fd, buf, sizeof(buf), 0));
	nlraw_close(&nl);
}

TEST_HARNESS_MAIN
