// SPDX-License-Identifier: GPL-2.0
/* The process that runs one program, and what operations have in common. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/netlink.h>

#include "../utils.h"
#include "kfuzz.h"

#define HIGHEST_ERRNO	133

struct world world;
struct shared *shared;

/* op_world is the first: prog.c counts on it. */
const struct kind kinds[] = {
	{ "world", 4, op_world },
	{ "create", 2, op_create },
	{ "vcpu", 3, op_vcpu },
	{ "region", 20, op_region },
	{ "close", 1, op_close },
	{ "model", 16, op_model },
	{ "dirty", 16, op_dirty },
	{ "guest", 10, op_guest },
	{ "run", 14, op_run },
	{ "batch", 14, op_batch },
	{ "explain", 10, op_explain },
	{ "call", 50, op_call },
	{ "state", 60, op_state },
	{ "list", 24, op_list },
	{ "any", 20, op_any },
	{ "memory", 8, op_memory },
	{ "mmap", 3, op_mmap },
	{ "store", 4, op_store },
	{ "misc", 4, op_misc },
	{ "netlink", 24, op_netlink },
	{ "socket", 3, op_socket },
};

const unsigned int nr_kinds = ARRAY_SIZE(kinds);

/* --- what operations have in common ------------------------------------------ */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* No errno above those that user space knows may come out of the kernel. */
long do_ioctl(int fd, unsigned long cmd, void *arg)
{
	long ret = ioctl(fd, cmd, arg);
	int err = ret < 0 ? errno : 0;

	if (err <= HIGHEST_ERRNO)
		shared->errors[err]++;
	else if (!atomic_exchange(&shared->bad, __LINE__))
		snprintf(shared->what, sizeof(shared->what), "ioctl %#lx gave errno %d", cmd, err);
	return ret;
}

uint64_t any_number(struct rnd *r)
{
	static const uint64_t edge[] = {
		0, 1, 7, 8, 63, 64, 255, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
		1ull << 32, 1ull << 47, 1ull << 48, 1ull << 51, 1ull << 52, 1ull << 63, ~0ull,
		0xffff800000000000,
	};

	switch (rnd_below(r, 4)) {
	case 0:
		return edge[rnd_below(r, ARRAY_SIZE(edge))] + rnd_below(r, 3) - 1;
	case 1:
		return rnd_below(r, 64);
	case 2:
		return 1ull << rnd_below(r, 64);
	default:
		return rnd64(r) >> rnd_below(r, 64);
	}
}

void *area(unsigned int n)
{
	return (char *)AREA_BASE + n % NAREAS * AREA_SIZE;
}

uint64_t any_pointer(struct rnd *r)
{
	if (rnd_one_in(r, 8))
		return any_number(r);
	/* The end of the last area is the end of memory. */
	if (rnd_one_in(r, 8))
		return AREA_BASE + NAREAS * AREA_SIZE - rnd_below(r, 8192);
	return AREA_BASE + rnd64(r) % (NAREAS * AREA_SIZE);
}

uint64_t any_gpa(struct rnd *r)
{
	static const uint64_t base[] = { 0, 0, 0, 2ul << 20, 3ul << 30, 0xfee00000, 1ul << 40 };

	if (rnd_one_in(r, 8))
		return any_number(r);
	return base[rnd_below(r, 7)] + (rnd_below(r, AREA_SIZE) & ~4095ul);
}

void fill(struct rnd *r, void *p, size_t size)
{
	uint8_t *b = p;
	size_t i;

	switch (rnd_below(r, 3)) {
	case 0:
		for (i = 0; i < size; i++)
			b[i] = rnd64(r);
		return;
	case 1:
		memset(b, rnd_one_in(r, 8) ? 0xff : 0, size);
		break;
	default:
		break;	/* what is there */
	}
	for (unsigned int n = rnd_below(r, 5); n && size >= 8; n--) {
		uint64_t v = rnd_one_in(r, 4) ? any_pointer(r) : any_number(r);

		i = rnd_below(r, size / 4);
		memcpy(b + i * 4, &v, i * 4 + 8 <= size ? 8 : 4);
	}
}

struct vm *any_vm(struct rnd *r)
{
	return &world.vm[rnd_below(r, 4) ? 0 : rnd_below(r, NVMS)];
}

struct vcpu *any_vcpu(struct rnd *r)
{
	return &world.vcpu[rnd_below(r, 4) ? rnd_below(r, 2) : rnd_below(r, NVCPUS)];
}

void store(void *to, const void *from, size_t n)
{
	struct iovec local = { (void *)from, n }, remote = { to, n };

	process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
}

void put_fd(atomic_int *slot, int fd)
{
	int old = atomic_exchange(slot, fd);

	if (old >= 0)
		close(old);
}

/* --- threads ------------------------------------------------------------------- */

static __thread timer_t timer;
static __thread bool have_timer;
static const struct prog *prog;
static unsigned int first;	/* operation that is for threads */

void alarm_us(unsigned int us)
{
	struct itimerspec t = { .it_value = { us / 1000000, us % 1000000 * 1000 } };

	if (us)		/* again and again: the first may come before KVM_RUN */
		t.it_interval = t.it_value;
	if (have_timer)
		timer_settime(timer, 0, &t, NULL);
}

static void make_timer(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };

	ev._sigev_un._tid = syscall(SYS_gettid);
	have_timer = !timer_create(CLOCK_MONOTONIC, &ev, &timer);
}

static void do_op(const struct op *op, struct progress *at, unsigned int i)
{
	struct rnd r;

	rnd_seed(&r, op->seed);
	at->op = i;
	at->since = now_ns();
	kcov_begin();
	kinds[op->kind].fn(&r);
	kcov_end();
	shared->ns[op->kind] += now_ns() - at->since;
	shared->times[op->kind]++;
	at->since = 0;
	shared->ops++;
}

static void begin(struct progress *at)
{
	at->tid = syscall(SYS_gettid);
	make_timer();
	kcov_start();
}

static void *thread(void *arg)
{
	unsigned int n = (uintptr_t)arg;
	struct progress *at = &shared->thread[n];

	begin(at);
	for (unsigned int i = first; i < prog->n && !shared->stop; i++)
		if (prog->op[i].thread == n)
			do_op(&prog->op[i], at, i);
	return NULL;
}

/* What makes the VMs that the threads find when they start. */
static void make_first(void)
{
	begin(&shared->thread[0]);
	while (first < prog->n && !prog->op[first].kind) {
		do_op(&prog->op[first], &shared->thread[0], first);
		first++;
	}
}

static void on_signal(int sig)
{
}

static void make_world(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int i;

	sigaction(SIGUSR1, &sa, NULL);
	world.dev = open("/dev/npt", O_RDWR | O_CLOEXEC);
	for (i = 0; i < NVMS; i++)
		world.vm[i].fd = -1;
	for (i = 0; i < NVCPUS; i++)
		world.vcpu[i].fd = -1;
	for (i = 0; i < NSOCKS; i++)
		world.sock[i] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	mmap((void *)AREA_BASE, NAREAS * AREA_SIZE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void child_run(const struct prog *p)
{
	pthread_t id[MAX_THREADS];
	bool used[MAX_THREADS] = { false };
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prog = p;
	make_world();
	make_first();
	for (i = first; i < p->n; i++)
		used[p->op[i].thread] = true;
	for (i = 0; i < MAX_THREADS; i++)
		if (used[i] && pthread_create(&id[i], NULL, thread, (void *)(uintptr_t)i))
			used[i] = false;
	for (i = 0; i < MAX_THREADS; i++)
		if (used[i])
			pthread_join(id[i], NULL);
	_exit(0);
}
