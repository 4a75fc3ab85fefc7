// SPDX-License-Identifier: GPL-2.0
/*
 * What a hostile process does to the memory under its guests, to its files and
 * to the page it shares with the kernel, while vCPUs run: guests see what is
 * there or nothing, calls give a documented errno, and afterwards all works.
 *
 * NPT_HOSTILE_SECONDS: how long each of them lasts (1).
 */
#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "svmguest.h"
#include "system.h"

/* Guest memory; gva = gpa by one 1 GiB page. The arena is what is treated badly. */
#define BASE_SIZE (64 * 1024UL)
#define CODE 0x1000UL
#define BOX(v) (0x2000UL + (v) * 0x1000)
#define STACK(v) (0x8000UL + (v) * 0x1000)
#define ROOT 0xc000UL
#define PTE_LARGE 0x80UL
#define ARENA (2 * MIB)
#define ARENA_SIZE (2 * MIB)
#define ARENA_PAGES (ARENA_SIZE / PAGE)
#define CPUS 2
#define PORT 0x55

/* The only values that the arena's words may have, but for 0. */
#define MAGIC 0x6e70740000000000ULL
#define KIND(v) ((v) & 0xffffff0000000000ULL)

struct box {
	uint64_t stop, rounds, bad;
};

struct hostile {
	int dev, vm, vcpu[CPUS];
	struct kvm_run *run[CPUS];
	pthread_t thread[CPUS];
	unsigned int engine;
	char *base, *arena;
	atomic_bool stop;
	atomic_ulong rounds[CPUS], faults;
	atomic_long strange;	/* an errno, or another end, that nothing explains */
	const char *left_out;	/* what could not be done here */
};

/* Reads and writes words of some pages; between rounds it asks a port. */
GUEST static void guest_main(volatile struct box *box)
{
	uint64_t i, v, round;
	uint32_t answer;

	for (round = 1;; round++) {
		for (i = 0; i < ARENA_PAGES; i += 29 + round % 4) {
			v = GUEST_WORD(ARENA + i * PAGE);
			if (v && KIND(v) != MAGIC)
				box->bad = v;
			GUEST_WORD(ARENA + i * PAGE) = MAGIC | round << 12 | i;
		}
		box->rounds = round;
		asm volatile("in %%dx, %%eax" : "=a"(answer) : "d"(PORT));
		if (box->stop)
			asm volatile("hlt");
	}
}

static struct box *box_of(struct hostile *h, unsigned int cpu)
{
	return (struct box *)(h->base + BOX(cpu));
}

static bool hostile_make(struct hostile *h, unsigned int engine, unsigned int mmu)
{
	struct npt_create_vm c = vm_args(mmu);
	unsigned int i;
	uint64_t *t;

	memset(h, 0, sizeof(*h));
	h->dev = open_npt();
	c.engine = engine;
	h->engine = engine;
	h->vm = call(h->dev, NPT_CREATE_VM, &c);
	h->base = map_memory(BASE_SIZE);
	h->arena = map_aligned(ARENA_SIZE);
	if (h->vm < 0 || h->base == MAP_FAILED || !h->arena)
		return false;
	guest_code_copy(h->base + CODE);
	t = (uint64_t *)(h->base + ROOT);
	t[0] = (ROOT + PAGE) | PTE_RWU;
	t[512] = PTE_RWU | PTE_LARGE;
	if (set_slot(h->vm, 0, 0, 0, BASE_SIZE, h->base) ||
	    set_slot(h->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, ARENA, ARENA_SIZE, h->arena))
		return false;
	for (i = 0; i < CPUS; i++) {
		struct kvm_regs regs = {
			.rip = guest_code_at(CODE, guest_main), .rsp = STACK(i) + PAGE - 8,
			.rdi = BOX(i),
		};

		h->vcpu[i] = call_value(h->vm, KVM_CREATE_VCPU, i);
		h->run[i] = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				 h->vcpu[i], 0);
		if (h->vcpu[i] < 0 || h->run[i] == MAP_FAILED ||
		    guest_state(h->vcpu[i], ROOT, &regs))
			return false;
	}
	return true;
}

static void hostile_free(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++) {
		munmap(h->run[i], 2 * PAGE);
		close(h->vcpu[i]);
	}
	close(h->vm);
	close(h->dev);
	munmap(h->base, BASE_SIZE);
	munmap(h->arena, ARENA_SIZE);
}

/* --- vCPUs at work ---------------------------------------------------------------- */

/* What the host may do to a page shows as this and nothing else. */
static void note(struct hostile *h, long ret)
{
	if (ret == -EFAULT || ret == NPT_STATUS_HOST_FAULT)
		atomic_fetch_add(&h->faults, 1);
	else if (ret && ret != -EINTR)
		atomic_store(&h->strange, ret);
}

static void soft_round(struct hostile *h, unsigned int cpu, uint64_t round)
{
	uint64_t v, i = round % ARENA_PAGES;
	long ret = read_virt(h->vcpu[cpu], ARENA + i * PAGE, &v, 8);

	if (!ret && v && KIND(v) != MAGIC)
		box_of(h, cpu)->bad = v;
	note(h, ret);
	v = MAGIC | i;
	note(h, write_virt(h->vcpu[cpu], ARENA + i * PAGE, &v, 8));
}

static void svm_round(struct hostile *h, unsigned int cpu)
{
	long ret = call(h->vcpu[cpu], KVM_RUN, NULL);

	note(h, ret);
	if (!ret && h->run[cpu]->exit_reason != KVM_EXIT_IO &&
	    h->run[cpu]->exit_reason != KVM_EXIT_HLT)
		atomic_store(&h->strange, 1000 + h->run[cpu]->exit_reason);
	if (ret == -EFAULT)
		sched_yield();
}

struct mover {
	struct hostile *h;
	unsigned int cpu;
};

static void *work(void *arg)
{
	struct mover *m = arg;
	struct hostile *h = m->h;
	uint64_t round;

	for (round = 1; !atomic_load(&h->stop); round++) {
		if (h->engine == NPT_ENGINE_SOFT)
			soft_round(h, m->cpu, round);
		else
			svm_round(h, m->cpu);
		atomic_fetch_add(&h->rounds[m->cpu], 1);
	}
	return NULL;
}

static struct mover movers[CPUS];

static void start(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++) {
		movers[i] = (struct mover){ h, i };
		pthread_create(&h->thread[i], NULL, work, &movers[i]);
	}
}

static void stop(struct hostile *h)
{
	unsigned int i;

	atomic_store(&h->stop, true);
	for (i = 0; i < CPUS; i++)
		box_of(h, i)->stop = 1;
	for (i = 0; i < CPUS; i++)
		pthread_join(h->thread[i], NULL);
}

/* Until some vCPU has got somewhere, or is told that it can't. */
static void let_run(struct hostile *h)
{
	unsigned long before = atomic_load(&h->rounds[0]);
	double end = now() + 5;

	while (atomic_load(&h->rounds[0]) == before && now() < end)
		sched_yield();
}

/* Memory as at the beginning, and each vCPU gets through it. */
static bool works_again(struct hostile *h)
{
	uint64_t v = MAGIC, got = 0;
	unsigned int i;

	if (mmap(h->arena, ARENA_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != h->arena)
		return false;
	for (i = 0; i < CPUS; i++) {
		if (box_of(h, i)->bad)
			return false;
		if (h->engine != NPT_ENGINE_SOFT) {
			/* A port's answer, or on from HLT: then a whole round. */
			unsigned int n = 0;
			uint64_t before = box_of(h, i)->rounds;

			while (box_of(h, i)->rounds == before && n++ < 1000)
				if (call(h->vcpu[i], KVM_RUN, NULL))
					return false;
			if (box_of(h, i)->rounds == before)
				return false;
			continue;
		}
		if (write_virt(h->vcpu[i], ARENA, &v, 8) || read_virt(h->vcpu[i], ARENA, &got, 8) ||
		    got != MAGIC)
			return false;
	}
	return true;
}

FIXTURE(hostile) {
	struct hostile h;
};

FIXTURE_VARIANT(hostile) {
	unsigned int engine, mmu;
};

FIXTURE_VARIANT_ADD(hostile, soft_native) { NPT_ENGINE_SOFT, NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(hostile, soft_shadow) { NPT_ENGINE_SOFT, NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(hostile, soft_nested) { NPT_ENGINE_SOFT, NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(hostile, svm_shadow) { NPT_ENGINE_SVM, NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(hostile, svm_nested) { NPT_ENGINE_SVM, NPT_MMU_NESTED };

FIXTURE_SETUP(hostile)
{
	int dev = open_npt();

	if (dev < 0)
		SKIP(return, "no /dev/npt");
	if (variant->engine == NPT_ENGINE_SVM && !have_svm(dev))
		SKIP(return, "no svm engine here");
	close(dev);
	ASSERT_TRUE(hostile_make(&self->h, variant->engine, variant->mmu));
}

FIXTURE_TEARDOWN(hostile)
{
	if (self->h.vm > 0)
		hostile_free(&self->h);
}

/* --- memory ------------------------------------------------------------------------- */

#define MAP_NEW (MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE)

static void take_away(struct hostile *h)
{
	munmap(h->arena, ARENA_SIZE / 2);
	let_run(h);
	mmap(h->arena, ARENA_SIZE / 2, PROT_READ | PROT_WRITE, MAP_NEW, -1, 0);
}

static void make_read_only(struct hostile *h)
{
	mprotect(h->arena, ARENA_SIZE, PROT_READ);
	let_run(h);
	mprotect(h->arena + ARENA_SIZE / 2, ARENA_SIZE / 2, PROT_NONE);
	let_run(h);
	mprotect(h->arena, ARENA_SIZE, PROT_READ | PROT_WRITE);
}

/* A file in its place, cut and punched under the guest. */
static void cut_file(struct hostile *h, unsigned int flags)
{
	int fd = memfd_create("npt", MFD_CLOEXEC | flags);

	if (fd < 0 || ftruncate(fd, ARENA_SIZE) ||
	    mmap(h->arena, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, fd, 0) !=
	    h->arena) {
		h->left_out = flags ? "a file of huge pages" : "a file";
		goto out;
	}
	let_run(h);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, ARENA_SIZE);
	let_run(h);
	if (ftruncate(fd, 0))
		note(h, -errno);
	let_run(h);
	if (ftruncate(fd, ARENA_SIZE))
		note(h, -errno);
	let_run(h);
out:
	mmap(h->arena, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_NEW, -1, 0);
	close(fd);
}

static void cut_small(struct hostile *h)
{
	cut_file(h, 0);
}

static void cut_large(struct hostile *h)
{
	cut_file(h, MFD_HUGETLB);
}

/* What is moved elsewhere is no guest's any more: nobody may write there. */
static void move(struct hostile *h)
{
	size_t size = ARENA_SIZE / 2;
	char *spare = map_memory(size);
	uint64_t i;

	if (mremap(h->arena, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare)
		atomic_store(&h->strange, -errno);
	for (i = 0; i < size; i += PAGE)
		*(volatile uint64_t *)(spare + i) = 0x5ec7e7;
	let_run(h);
	for (i = 0; i < size; i += PAGE)
		if (*(volatile uint64_t *)(spare + i) != 0x5ec7e7)
			atomic_store(&h->strange, 2000);
	munmap(spare, size);
	mmap(h->arena, size, PROT_READ | PROT_WRITE, MAP_NEW, -1, 0);
}

/* Memory without struct pages that may be held (VM_PFNMAP): the same everywhere. */
static void put_device(struct hostile *h)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	unsigned long before = atomic_load(&h->faults), at, size = 16 * PAGE;
	double end = now() + 10;

	for (at = 0; at < ARENA_SIZE; at += size)
		if (mmap(h->arena + at, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, fd,
			 0xa0000) == MAP_FAILED &&
		    mmap(h->arena + at, size, PROT_READ, MAP_FIXED | MAP_SHARED, fd, 0xf0000) ==
		    MAP_FAILED)
			h->left_out = "/dev/mem";
	while (!h->left_out && atomic_load(&h->faults) == before && now() < end)
		sched_yield();
	if (!h->left_out && atomic_load(&h->faults) == before)
		atomic_store(&h->strange, 5000);
	mmap(h->arena, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_NEW, -1, 0);
	close(fd);
}

/* A vCPU's own run page: the guest writes there what user space would. */
static void put_run_page(struct hostile *h)
{
	if (mmap(h->arena, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, h->vcpu[0],
		 0) == MAP_FAILED)
		atomic_store(&h->strange, -errno);
	let_run(h);
	let_run(h);
	mmap(h->arena, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_NEW, -1, 0);
	h->run[0]->request_interrupt_window = 0;
	h->run[0]->immediate_exit = 0;
}

/* What the guest can't be without: its code, its stacks, its tables. */
static void take_base(struct hostile *h)
{
	static const unsigned long what[] = { CODE, STACK(0), STACK(1), ROOT, ROOT + PAGE };
	unsigned long before = atomic_load(&h->faults);
	unsigned int i;

	for (i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		char *at = h->base + what[i], *spare = map_memory(PAGE);

		mprotect(at, PAGE, PROT_READ);
		let_run(h);
		mprotect(at, PAGE, PROT_NONE);
		let_run(h);
		mprotect(at, PAGE, PROT_READ | PROT_WRITE);
		let_run(h);
		if (mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare)
			atomic_store(&h->strange, -errno);
		let_run(h);
		let_run(h);
		if (mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
			atomic_store(&h->strange, -errno);
	}
	/* Without code no guest runs. */
	if (h->engine != NPT_ENGINE_SOFT && atomic_load(&h->faults) == before)
		atomic_store(&h->strange, 6000);
}

/* From now on whoever touches the arena waits for an answer by the fd that is returned. */
static int watch_arena(struct hostile *h)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)h->arena, ARENA_SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg) ||
	    madvise(h->arena, ARENA_SIZE, MADV_DONTNEED)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Nobody answers for a while; then nobody is asked any more, which some learn on their way. */
static void unanswered(struct hostile *h, unsigned int wait_us)
{
	int fd = watch_arena(h);

	if (fd < 0) {
		h->left_out = "userfaultfd";
		return;
	}
	usleep(wait_us);
	/* Whoever waits is woken, and finds memory without a watcher. */
	close(fd);
	let_run(h);
}

static void wait_for_answer(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 40; i++)
		unanswered(h, i * 10);
	unanswered(h, 20000);
}

static void copy_process(struct hostile *h)
{
	struct npt_vm_info info = { .size = sizeof(info) };
	pid_t pid = fork();
	int status;

	if (!pid) {
		memset(h->arena, 0, PAGE);
		_exit(call(h->vm, NPT_VM_INFO, &info) != -EIO ||
		      call(h->vcpu[0], KVM_RUN, NULL) != -EIO);
	}
	let_run(h);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		atomic_store(&h->strange, 3000);
}

/* Slots that go under a vCPU in the middle of an access. */
static void change_slots(struct hostile *h)
{
	if (set_slot(h->vm, 1, 0, ARENA, ARENA_SIZE, h->arena) ||
	    set_slot(h->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, ARENA, ARENA_SIZE, h->arena))
		atomic_store(&h->strange, 4000);
}

TEST_F_TIMEOUT(hostile, memory, 300)
{
	static void (*const what[])(struct hostile *h) = {
		take_away, make_read_only, cut_small, move, cut_large, put_device, put_run_page,
		wait_for_answer, copy_process, change_slots, take_base,
	};
	double end = now() + setting("NPT_HOSTILE_SECONDS", 1);
	struct hostile *h = &self->h;
	unsigned int i, rounds = 0;

	write_file("/proc/sys/vm/nr_hugepages", "4");
	start(h);
	do {
		for (i = 0; i < sizeof(what) / sizeof(what[0]) && !atomic_load(&h->strange); i++) {
			what[i](h);
			let_run(h);
		}
		rounds++;
	} while (now() < end && !atomic_load(&h->strange));
	stop(h);
	EXPECT_EQ(0, atomic_load(&h->strange)) {
		TH_LOG("after %u rounds, at deed %u", rounds, i);
	}
	EXPECT_EQ(NULL, h->left_out) {
		TH_LOG("left out: %s", h->left_out);
	}
	EXPECT_LT(0, atomic_load(&h->faults));
	EXPECT_TRUE(works_again(h));
	write_file("/proc/sys/vm/nr_hugepages", "0");
}

/* --- waits ------------------------------------------------------------------------------- */

static const struct npt_tlb_model some_tlb = {
	.size = sizeof(some_tlb),
	.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K, .entries = 16 },
};

static long wait_set_tlb(struct hostile *h)
{
	return call(h->vm, NPT_SET_TLB, (void *)&some_tlb);
}

static long wait_get_tlb(struct hostile *h)
{
	struct npt_tlb_model m = { .size = sizeof(m) };

	return call(h->vm, NPT_GET_TLB, &m);
}

static long wait_create_vcpu(struct hostile *h)
{
	return call_value(h->vm, KVM_CREATE_VCPU, CPUS);
}

static long wait_get_regs(struct hostile *h)
{
	struct kvm_regs regs;

	return call(h->vcpu[0], KVM_GET_REGS, &regs);
}

static long wait_run(struct hostile *h)
{
	return call(h->vcpu[0], KVM_RUN, NULL);
}

struct waiter {
	struct hostile *h;
	long (*call)(struct hostile *h);
	pid_t pid;
	volatile long ret;	/* what it came to after all */
	char stack[32768] __attribute__((aligned(16)));
};

static int wait_in_call(void *arg)
{
	struct waiter *w = arg;

	w->ret = w->call(w->h);
	return 0;
}

static char state_of(pid_t pid)
{
	char path[32], text[256], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

static bool gone_within(pid_t pid, double seconds)
{
	double end = now() + seconds;

	while (now() < end) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(1000);
	}
	return false;
}

static void *read_arena(void *arg)
{
	struct hostile *h = arg;
	uint64_t v;

	note(h, read_virt(h->vcpu[0], ARENA, &v, 8));
	return NULL;
}

/*
 * A vCPU waits for memory that nobody brings, and processes that share ours for the vCPU,
 * or for who waits for it: each of them can be killed.
 */
TEST(killed_while_waiting)
{
	static struct waiter w[] = {
		{ .call = wait_set_tlb }, { .call = wait_set_tlb }, { .call = wait_get_tlb },
		{ .call = wait_create_vcpu }, { .call = wait_get_regs }, { .call = wait_run },
	};
	const unsigned int n = sizeof(w) / sizeof(w[0]);
	struct hostile h;
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	double end;
	unsigned int i;

	ASSERT_TRUE(hostile_make(&h, NPT_ENGINE_SOFT, NPT_MMU_NESTED));
	p.fd = watch_arena(&h);
	ASSERT_LE(0, p.fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_arena, &h));
	ASSERT_EQ(1, poll(&p, 1, 10000));
	ASSERT_EQ(POLLIN, p.revents);
	for (i = 0; i < n; i++) {
		w[i].h = &h;
		w[i].pid = clone(wait_in_call, w[i].stack + sizeof(w[i].stack), CLONE_VM | SIGCHLD,
				 &w[i]);
		ASSERT_LT(0, w[i].pid);
		end = now() + 5;
		while (state_of(w[i].pid) != 'D' && now() < end)
			usleep(1000);
		EXPECT_EQ('D', state_of(w[i].pid)) {
			TH_LOG("call %u does not wait: %ld", i, w[i].ret);
		}
	}
	for (i = n; i-- > 0; ) {
		EXPECT_EQ(0, kill(w[i].pid, SIGKILL));
		EXPECT_TRUE(gone_within(w[i].pid, 5)) {
			TH_LOG("call %u can't be killed", i);
		}
	}
	close(p.fd);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, atomic_load(&h.strange));
	EXPECT_TRUE(works_again(&h));
	EXPECT_EQ(0, wait_set_tlb(&h));
	hostile_free(&h);
}

/* --- other processors ---------------------------------------------------------------------- */

/* How often @cpu was interrupted to call a function; -1: that is not told. */
static long calls_of(unsigned int cpu)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[1024], *at = NULL;
	unsigned int i;
	long n = -1;

	while (f && !at && fgets(line, sizeof(line), f)) {
		at = line + strspn(line, " ");
		at = strncmp(at, "CAL:", 4) ? NULL : at + 4;
	}
	for (i = 0; at && i <= cpu; i++) {
		while (isblank(*at))
			at++;
		n = isdigit(*at) ? strtol(at, &at, 10) : -1;
	}
	if (f)
		fclose(f);
	return n;
}

/* Whoever has a processor for himself keeps it: others may ask what they like. */
TEST(other_processors)
{
	struct npt_caps caps = { .size = sizeof(caps) };
	const unsigned int asks = 2000;
	int dev = open_npt();
	cpu_set_t one;
	unsigned int i;
	long before;

	ASSERT_LE(0, dev);
	if (calls_of(1) < 0 || !have_svm(dev)) {
		close(dev);
		SKIP(return, "a second processor is wanted, and an engine that asks processors");
	}
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	before = calls_of(1);
	for (i = 0; i < asks; i++) {
		ASSERT_EQ(1, call_value(dev, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
		ASSERT_EQ(0, call(dev, NPT_GET_CAPS, &caps));
		read_number("/sys/module/npt/parameters/engines", "");
	}
	/* Others have their reasons. */
	EXPECT_LT(calls_of(1) - before, asks / 4);
	close(dev);
}

/* --- the page that user space and kernel share --------------------------------------------- */

static void *scribble(void *arg)
{
	struct hostile *h = arg;
	const uint64_t valid = offsetof(struct kvm_run, kvm_valid_regs) / 8;
	const uint64_t cr8 = offsetof(struct kvm_run, cr8) / 8;
	volatile uint64_t *word = (uint64_t *)h->run[0];
	uint64_t seed = 1, i, v;

	while (!atomic_load(&h->stop)) {
		for (i = 0; i < 2 * PAGE / 8; i++) {
			v = random_of(&seed) << 32 | random_of(&seed);
			/* What is refused at once tells nothing: often what is known. */
			if (i == valid || i == valid + 1)
				v = v & 1 ? 0 : v >> 8 & 7;
			else if (i == cr8)
				v = v >> 8 & 31;
			word[i] = v;
		}
		h->run[0]->immediate_exit = 0;
	}
	return NULL;
}

/*
 * Whatever stands there while KVM_RUN reads it: the call has an end, the guest gets
 * an answer from its port, and memory outside of it nothing.
 */
TEST_F_TIMEOUT(hostile, run_page, 120)
{
	static const long errnos[] = { 0, -EINVAL, -EINTR, -EFAULT };
	double end = now() + setting("NPT_HOSTILE_SECONDS", 1);
	unsigned long i, n = 0, seen = 0;
	struct hostile *h = &self->h;
	struct kvm_regs regs = {
		.rip = guest_code_at(CODE, guest_main), .rsp = STACK(0) + PAGE - 8, .rdi = BOX(0),
	};
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, scribble, h));
	for (; now() < end || n < 100; n++) {
		long ret = call(h->vcpu[0], KVM_RUN, NULL);

		for (i = 0; i < sizeof(errnos) / sizeof(errnos[0]) && errnos[i] != ret; i++)
			;
		seen |= 1UL << i;
		/* Registers by KVM_SYNC_X86 may be anything: begin anew. */
		if (n % 16 == 0)
			guest_state(h->vcpu[0], ROOT, &regs);
	}
	atomic_store(&h->stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, seen >> (sizeof(errnos) / sizeof(errnos[0])));
	/* It was not all refused at the door. */
	EXPECT_LT(0, seen & ~2UL);
	memset(h->run[0], 0, 2 * PAGE);
	box_of(h, 0)->stop = 0;
	ASSERT_EQ(0, guest_state(h->vcpu[0], ROOT, &regs));
	EXPECT_TRUE(works_again(h));
}

/* --- files ------------------------------------------------------------------------ */

struct caller {
	pthread_t thread;
	struct hostile *h;
	unsigned int id;
	atomic_long strange;
};

/* Each call that a vCPU has, from several threads at once. */
static void one_call(struct caller *c, uint64_t r)
{
	static const unsigned long calls[] = {
		KVM_GET_REGS, KVM_GET_SREGS, KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_VCPU_EVENTS,
		KVM_GET_DEBUGREGS, KVM_GET_MP_STATE, KVM_GET_XCRS, KVM_TRANSLATE,
	};
	int vcpu = c->h->vcpu[r % CPUS];
	char room[8192] = {};
	uint64_t v = MAGIC;
	long ret;

	if (r >> 8 & 1)
		ret = call(vcpu, calls[(r >> 16) % (sizeof(calls) / sizeof(calls[0]))], room);
	else if (c->h->engine == NPT_ENGINE_SOFT)
		ret = write_virt(vcpu, ARENA + (r >> 16) % ARENA_PAGES * PAGE, &v, 8);
	else
		ret = call(vcpu, KVM_RUN, NULL);
	/* ENOTTY, EINVAL: a call that this engine or this VM does not have. */
	if (ret && ret != -EINTR && ret != -EBADF && ret != -EINVAL && ret != -ENOTTY &&
	    ret != -EIO && ret != -ENXIO)
		atomic_store(&c->strange, ret);
}

static void *call_at_random(void *arg)
{
	struct caller *c = arg;
	uint64_t seed = c->id + 1;

	while (!atomic_load(&c->h->stop))
		one_call(c, random_of(&seed));
	return NULL;
}

/* Files that are closed while others call: the VM goes with the last call. */
TEST_F_TIMEOUT(hostile, threads_and_close, 120)
{
	struct hostile *h = &self->h;
	struct caller c[4] = {};
	unsigned int i;
	uint64_t v;

	for (i = 0; i < 4; i++) {
		c[i].h = h;
		c[i].id = i;
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, call_at_random, &c[i]));
	}
	usleep(200000);
	close(h->vm);
	usleep(50000);
	/* vCPUs live on without it. */
	if (h->engine == NPT_ENGINE_SOFT)
		EXPECT_EQ(0, read_virt(h->vcpu[1], ARENA, &v, 8));
	close(h->vcpu[0]);
	close(h->vcpu[1]);
	usleep(20000);
	atomic_store(&h->stop, true);
	for (i = 0; i < 4; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, atomic_load(&c[i].strange));
	}
	/* What was mapped stays this process's. */
	h->run[0]->immediate_exit = 1;
	((volatile char *)h->run[0])[2 * PAGE - 1] = 1;
	EXPECT_EQ(1, h->run[0]->immediate_exit);
	h->vm = open_npt();
	h->vcpu[0] = open_npt();
	h->vcpu[1] = open_npt();
}

/* The maker goes while its child holds all files: nothing of it works, and all of it ends. */
TEST_F(hostile, maker_is_gone)
{
	struct npt_vm_info info = { .size = sizeof(info) };
	int up[2], down[2], status;
	pid_t maker;
	char c;

	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	maker = fork();
	ASSERT_LE(0, maker);
	if (!maker) {
		struct hostile h;

		if (!hostile_make(&h, variant->engine, variant->mmu))
			_exit(1);
		start(&h);
		let_run(&h);
		if (!fork()) {
			/* Of another process, whose maker is about to end. */
			if (read(down[0], &c, 1) != 1)
				_exit(1);
			c = call(h.vm, NPT_VM_INFO, &info) == -EIO &&
			    call(h.vcpu[0], KVM_RUN, NULL) == -EIO &&
			    set_slot(h.vm, 1, 0, ARENA, 0, NULL) == -EIO ? 'y' : 'n';
			if (write(up[1], &c, 1) != 1)
				_exit(1);
			_exit(0);
		}
		/* In the middle of it all. */
		_exit(0);
	}
	ASSERT_EQ(maker, waitpid(maker, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(1, write(down[1], "x", 1));
	ASSERT_EQ(1, read(up[0], &c, 1));
	EXPECT_EQ('y', c);
}

TEST_HARNESS_MAIN
