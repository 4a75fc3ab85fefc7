// SPDX-License-Identifier: GPL-2.0
/* How VMs, vCPUs, their files and the module itself come and go. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "system.h"
#include "utils.h"

#define MEM_SIZE MIB

/* Users of the module: files and mappings. -1: it is not loaded. */
static int module_users(void)
{
	FILE *f = fopen("/sys/module/npt/refcnt", "re");
	int n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* A VM with memory and one vCPU, that has touched some of it. */
struct machine {
	int dev, vm, vcpu;
	char *mem;
	struct kvm_run *run;
};

static bool machine_make(struct machine *m, unsigned int mmu)
{
	uint64_t v = 1;

	m->dev = open_npt();
	m->vm = create_vm(m->dev, mmu);
	m->mem = map_memory(MEM_SIZE);
	if (m->dev < 0 || m->vm < 0 || m->mem == MAP_FAILED ||
	    set_slot(m->vm, 0, 0, 0, MEM_SIZE, m->mem))
		return false;
	m->vcpu = call_value(m->vm, KVM_CREATE_VCPU, 0);
	m->run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	return m->vcpu >= 0 && m->run != MAP_FAILED &&
	       write_virt(m->vcpu, 0x5000, &v, 8) == NPT_STATUS_OK;
}

/* Take part @part of it away. */
static void machine_drop(struct machine *m, unsigned int part)
{
	switch (part) {
	case 0:
		close(m->dev);
		break;
	case 1:
		close(m->vm);
		break;
	case 2:
		close(m->vcpu);
		break;
	case 3:
		munmap(m->mem, MEM_SIZE);
		break;
	default:
		munmap(m->run, PAGE);
	}
}

#define PARTS 5

static void machine_free(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < PARTS; i++)
		machine_drop(m, i);
}

FIXTURE(lifecycle) {
	int users;
};

FIXTURE_SETUP(lifecycle)
{
	int dev = open_npt();

	if (dev < 0)
		SKIP(return, "no /dev/npt");
	close(dev);
	self->users = module_users();
	ASSERT_LE(0, self->users);
}

FIXTURE_TEARDOWN(lifecycle)
{
	/* Nobody holds the module who did not before. */
	EXPECT_EQ(self->users, module_users());
}

/* --- files ---------------------------------------------------------------------- */

/* Every order in which files and mappings can go. */
TEST_F_TIMEOUT(lifecycle, close_orders, 120)
{
	unsigned int order, n = 0;

	for (order = 0; order < PARTS * PARTS * PARTS * PARTS * PARTS; order++) {
		unsigned int i, rest = order, parts[PARTS], seen = 0;
		struct machine m;

		for (i = 0; i < PARTS; i++, rest /= PARTS) {
			parts[i] = rest % PARTS;
			seen |= 1U << parts[i];
		}
		if (seen != (1U << PARTS) - 1)
			continue;
		n++;
		ASSERT_TRUE(machine_make(&m, NPT_MMU_NATIVE + n % 3));
		for (i = 0; i < PARTS; i++)
			machine_drop(&m, parts[i]);
	}
	EXPECT_EQ(120, n);
}

TEST_F(lifecycle, vcpu_outlives_vm_fd)
{
	struct machine m;
	uint64_t v = 0;

	ASSERT_TRUE(machine_make(&m, NPT_MMU_NESTED));
	close(m.vm);
	close(m.dev);
	EXPECT_EQ(NPT_STATUS_OK, read_virt(m.vcpu, 0x5000, &v, 8));
	EXPECT_EQ(1, v);
	ASSERT_EQ(0, madvise(m.mem, MEM_SIZE, MADV_DONTNEED));
	EXPECT_EQ(NPT_STATUS_OK, read_virt(m.vcpu, 0x5000, &v, 8));
	EXPECT_EQ(0, v);
	close(m.vcpu);
	/* The page is still this process's. */
	m.run->immediate_exit = 1;
	EXPECT_EQ(1, m.run->immediate_exit);
	munmap(m.run, PAGE);
	munmap(m.mem, MEM_SIZE);
}

static void send_fds(int sock, const int *fds, unsigned int n)
{
	char control[CMSG_SPACE(4 * sizeof(int))] = {}, byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(1);
}

static bool receive_fds(int sock, int *fds, unsigned int n)
{
	char control[CMSG_SPACE(4 * sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return false;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), n * sizeof(int));
	return true;
}

/* A VM's files in a process that did not make it, while the maker lives and after. */
TEST_F(lifecycle, passed_fds)
{
	struct npt_vm_info info = { .size = sizeof(info) };
	int socks[2], fds[2], status;
	pid_t maker;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	maker = fork();
	ASSERT_LE(0, maker);
	if (!maker) {
		struct machine m;

		if (!machine_make(&m, NPT_MMU_SHADOW))
			_exit(1);
		send_fds(socks[1], (int []){ m.vm, m.vcpu }, 2);
		/* Until the other has looked. */
		_exit(read(socks[1], &c, 1) != 1);
	}
	ASSERT_TRUE(receive_fds(socks[0], fds, 2));
	EXPECT_EQ(-EIO, call(fds[0], NPT_VM_INFO, &info));
	EXPECT_EQ(-EIO, call_value(fds[0], KVM_CREATE_VCPU, 1));
	EXPECT_EQ(-EIO, set_slot(fds[0], 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EIO, read_virt(fds[1], 0x5000, &c, 1));
	EXPECT_EQ(-EIO, call(fds[1], KVM_RUN, NULL));
	ASSERT_EQ(1, write(socks[0], "x", 1));
	ASSERT_EQ(maker, waitpid(maker, &status, 0));
	EXPECT_EQ(0, status);
	/* Its memory is gone; the VM is there as long as somebody holds it. */
	EXPECT_EQ(-EIO, call(fds[0], NPT_VM_INFO, &info));
	EXPECT_EQ(-EIO, read_virt(fds[1], 0x5000, &c, 1));
	EXPECT_EQ(self->users + 2, module_users());
	close(fds[0]);
	EXPECT_EQ(-EIO, call(fds[1], KVM_RUN, NULL));
	close(fds[1]);
	close(socks[0]);
	close(socks[1]);
}

/* --- processes -------------------------------------------------------------------- */

static void *endless_batches(void *arg)
{
	const unsigned int n = 1 << 18;
	struct npt_access *rec = map_memory(n * sizeof(*rec));
	struct npt_batch b = {
		.size = sizeof(b),
		.accesses = (uintptr_t)rec,
		.count = n,
	};
	unsigned int i;

	for (i = 0; i < n; i++)
		rec[i] = (struct npt_access) {
			.gva = i * 4097UL % MEM_SIZE,
			.size = 1,
			.op = i & 1 ? NPT_OP_WRITE : NPT_OP_READ,
		};
	while (!call(*(int *)arg, NPT_BATCH, &b))
		;
	return NULL;
}

/* A process that is in the middle of batches until it is killed. */
static void be_killed(int ready, unsigned int mmu)
{
	pthread_t thread;
	struct machine m;
	int other;

	if (!machine_make(&m, mmu))
		_exit(1);
	other = call_value(m.vm, KVM_CREATE_VCPU, 1);
	if (other < 0 || pthread_create(&thread, NULL, endless_batches, &other))
		_exit(1);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	endless_batches(&m.vcpu);
	_exit(1);
}

TEST_F_TIMEOUT(lifecycle, killed_amid_batches, 120)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		int ready[2], status;
		pid_t pid;
		char c;

		ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			be_killed(ready[1], NPT_MMU_NATIVE + i % 3);
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &c, 1));
		close(ready[0]);
		/* Sooner or later within a batch, up to some milliseconds. */
		usleep(i * 1000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
	}
}

static void on_alarm(int sig)
{
}

/* A signal ends a batch between accesses, and the batch can be gone on with. */
TEST_F(lifecycle, signal_amid_batch)
{
	const unsigned int n = NPT_MAX_BATCH;
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = {};
	struct npt_access *rec = map_memory(n * sizeof(*rec));
	unsigned int i, done = 0, calls = 0;
	struct machine m;

	ASSERT_TRUE(machine_make(&m, NPT_MMU_NESTED));
	ASSERT_NE(MAP_FAILED, rec);
	for (i = 0; i < n; i++)
		rec[i] = (struct npt_access){ .gva = i * 64UL % MEM_SIZE, .size = 8 };
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	while (done < n) {
		struct npt_batch b = {
			.size = sizeof(b),
			.accesses = (uintptr_t)(rec + done),
			.count = n - done,
		};

		ASSERT_EQ(0, call(m.vcpu, NPT_BATCH, &b));
		ASSERT_LT(0, b.done);
		done += b.done;
		calls++;
	}
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_LT(1, calls);
	/* Each exactly once; one more was made by machine_make(). */
	EXPECT_EQ(n + 1, counter(m.vcpu, NPT_CTR_accesses));
	EXPECT_EQ(calls + 1, counter(m.vcpu, NPT_CTR_batches));
	machine_free(&m);
	munmap(rec, n * sizeof(*rec));
}

struct creator {
	pthread_t thread;
	int dev;
	int failures;
};

static void *create_and_destroy(void *arg)
{
	struct creator *c = arg;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		int vm = create_vm(c->dev, NPT_MMU_NATIVE + i % 3);
		int vcpu = call_value(vm, KVM_CREATE_VCPU, i);
		char *mem = map_memory(PAGE), byte = 'x';

		if (vm < 0 || vcpu < 0 || set_slot(vm, 0, 0, 0, PAGE, mem) ||
		    write_phys(vcpu, 0, &byte, 1) || *mem != 'x')
			c->failures++;
		munmap(mem, PAGE);
		close(vm);
		close(vcpu);
	}
	return NULL;
}

/* VMs of one process come and go while others are at work. */
TEST_F_TIMEOUT(lifecycle, many_at_once, 120)
{
	struct creator c[4] = {};
	unsigned int i;
	int dev = open_npt();

	ASSERT_LE(0, dev);
	for (i = 0; i < 4; i++) {
		c[i].dev = dev;
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, create_and_destroy, &c[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, c[i].failures);
	}
	close(dev);
}

/* --- the module --------------------------------------------------------------------- */

/* delete_module() says EWOULDBLOCK, which rmmod reports as "in use". */
TEST_F(lifecycle, rmmod_while_in_use)
{
	struct machine m;
	int mem;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_TRUE(machine_make(&m, NPT_MMU_NESTED));
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	machine_drop(&m, 0);
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	machine_drop(&m, 1);
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	machine_drop(&m, 2);
	/* The mapping alone holds it. */
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	machine_drop(&m, 4);
	machine_drop(&m, 3);
	mem = open_npt();
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	close(mem);
	EXPECT_EQ(self->users, module_users());
}

/* Unloading waits for grace periods, which may be hurried. */
static void hurry(const char *on)
{
	int fd = open("/sys/kernel/rcu_expedited", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, on, 1) != 1)
		fprintf(stderr, "# no expedited grace periods: this takes longer\n");
	close(fd);
}

TEST_F_TIMEOUT(lifecycle, load_and_unload, 300)
{
	struct machine m;
	unsigned long i, n = fewer(1000);

	if (geteuid() || !getenv("NPT_KO"))
		SKIP(return, "needs root, and the module's path in NPT_KO");
	if (self->users)
		SKIP(return, "somebody else uses the module");
	hurry("1");
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, module_unload());
		ASSERT_EQ(-1, access("/dev/npt", F_OK));
		ASSERT_EQ(0, module_load());
		if (i % 20)
			continue;
		/* Gone so lately that what is freed later is still to be freed. */
		ASSERT_TRUE(machine_make(&m, NPT_MMU_NATIVE + i / 20 % 3));
		machine_free(&m);
	}
	hurry("0");
}

TEST_HARNESS_MAIN
