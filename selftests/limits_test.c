// SPDX-License-Identifier: GPL-2.0
/*
 * How much there may be: VMs at once, VMs one after the other, memory for tables,
 * and what happens where the creator's control group has no more.
 *
 * NPT_LIMITS_VMS: VMs at once (10000).
 * NPT_LIMITS_CYCLES: VMs one after the other (2000).
 * On a kernel that keeps account of each object, a tenth of both if unset.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "softwork.h"
#include "svmguest.h"
#include "system.h"

/* Everything of one cycle: 0 or what failed. */
static int live_and_die(int dev, unsigned int engine, unsigned int mmu, void *mem)
{
	struct npt_create_vm c = vm_args(mmu);
	uint64_t v = 1;
	int vm, vcpu, ret = 1;

	c.engine = engine;
	vm = call(dev, NPT_CREATE_VM, &c);
	if (vm < 0)
		return vm;
	vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	if (vcpu >= 0 && !set_slot(vm, 0, 0, 0, 4 * PAGE, mem))
		ret = engine == NPT_ENGINE_SOFT ?
		      write_phys(vcpu, PAGE, &v, 8) : set_slot(vm, 0, 0, 0, 0, mem);
	close(vcpu);
	close(vm);
	return ret;
}

FIXTURE(limits) {
	int dev;
	void *mem;
};

FIXTURE_SETUP(limits)
{
	struct rlimit files = { 1 << 16, 1 << 16 };

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	setrlimit(RLIMIT_NOFILE, &files);
	self->mem = map_memory(4 * PAGE);
	ASSERT_NE(MAP_FAILED, self->mem);
	memset(self->mem, 1, 4 * PAGE);
}

FIXTURE_TEARDOWN(limits)
{
	munmap(self->mem, 4 * PAGE);
	close(self->dev);
}

/* --- VMs ------------------------------------------------------------------------------ */

/* KiB for each of @n, from one reading to another. */
static double each(long before, long after, unsigned long n)
{
	return (after - before) / (double)n;
}

/* Modes by turns; in each a vCPU that has touched its memory. */
static long many_vms(int dev, int *vms, int *vcpus, unsigned long n, void *mem)
{
	uint64_t v = 1;
	unsigned long i;

	for (i = 0; i < n; i++) {
		vms[i] = create_vm(dev, NPT_MMU_NATIVE + i % 3);
		if (vms[i] < 0)
			return vms[i];
		vcpus[i] = call_value(vms[i], KVM_CREATE_VCPU, 0);
		if (vcpus[i] < 0)
			return vcpus[i];
		if (set_slot(vms[i], 0, 0, 0, 4 * PAGE, mem) ||
		    write_phys(vcpus[i], PAGE, &v, 8))
			return -EIO;
	}
	return 0;
}

TEST_F_TIMEOUT(limits, vms_at_once, 600)
{
	unsigned long i, n = setting("NPT_LIMITS_VMS", fewer(10000)), gone = 0;
	int *fds = calloc(2 * n, sizeof(*fds));
	struct rlimit files;
	double began = now(), made;
	long before, after;
	uint64_t v = 0;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
	if (files.rlim_cur < 2 * n + 64)
		SKIP(return, "too few files for a process");
	ASSERT_EQ(0, live_and_die(self->dev, NPT_ENGINE_SOFT, NPT_MMU_NESTED, self->mem));
	before = kernel_memory();
	ASSERT_EQ(0, many_vms(self->dev, fds, fds + n, n, self->mem));
	made = now();
	after = kernel_memory();
	fprintf(stderr, "# %lu VMs with a vCPU at once: %.1f s, %.1f KiB each\n", n,
		made - began, each(before, after, n));
	/* One page is everybody's: what the host does to it, all are told. */
	ASSERT_EQ(0, madvise(self->mem, 4 * PAGE, MADV_DONTNEED));
	for (i = 0; i < n; i++)
		gone += read_phys(fds[n + i], PAGE, &v, 8) == NPT_STATUS_OK && !v;
	EXPECT_EQ(n, gone);
	began = now();
	for (i = 0; i < 2 * n; i++)
		close(fds[i]);
	fprintf(stderr, "# they go within %.1f s\n", now() - began);
	free(fds);
}

/* What is freed late: RCU, per-CPU lists. */
static bool memory_is_back(long bound)
{
	double end = now() + 30;

	while (kernel_memory() > bound) {
		if (now() > end)
			return false;
		usleep(100000);
	}
	return true;
}

/* Free pages that processors keep at hand, and slabs that are not full. */
#define NOISE_KIB (8 << 10)

/* @n lives, of all engines and modes in turn. */
static int live_and_die_often(int dev, void *mem, bool svm, unsigned long n)
{
	unsigned long i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++) {
		bool on_svm = svm && i & 1;
		unsigned int mmu = on_svm ? NPT_MMU_SHADOW + i / 2 % 2 : NPT_MMU_NATIVE + i % 3;

		ret = live_and_die(dev, on_svm ? NPT_ENGINE_SVM : NPT_ENGINE_SOFT, mmu, mem);
	}
	return ret;
}

TEST_F_TIMEOUT(limits, one_after_the_other, 3600)
{
	unsigned long n = setting("NPT_LIMITS_CYCLES", fewer(2000));
	unsigned int tries = 4;
	double began;
	long before;
	bool back;

	ASSERT_EQ(0, live_and_die_often(self->dev, self->mem, have_svm(self->dev), 100));
	/* What the kernel keeps for later, it keeps once; what is lost is lost in each round. */
	do {
		before = kernel_memory();
		began = now();
		ASSERT_EQ(0, live_and_die_often(self->dev, self->mem, have_svm(self->dev), n));
		fprintf(stderr, "# %lu cycles: %.1f s, %.2f ms each\n", n, now() - began,
			(now() - began) * 1000 / n);
		/* A tenth of a page for each would show. */
		back = memory_is_back(before + NOISE_KIB + n * 4 / 10 / 10);
		fprintf(stderr, "# the kernel's memory: %ld KiB, then %ld KiB\n", before,
			kernel_memory());
	} while (!back && --tries);
	EXPECT_TRUE(back);
}

/* --- memory for tables ------------------------------------------------------------------ */

/*
 * Guest-physical memory that costs tables and hardly anything else: the same two
 * pages, over and over, across each 2 MiB boundary. gva = gpa by 1 GiB pages.
 */
#define BASE_SIZE (64 * 1024UL)
#define CODE 0x1000UL
#define STACK 0x8000UL
#define ROOT 0x9000UL
#define SPREAD_GIB 8UL
#define SPREAD (SPREAD_GIB * 512 - 1)
#define BOUNDARY(i) (((i) + 1) * 2 * MIB)
#define PTE_LARGE 0x80UL
#define CPUS 4

struct spread {
	int dev, vm, vcpu[CPUS];
	unsigned int engine;
	struct kvm_run *run[CPUS];
	char *base, *pages;
};

/* Reads on both sides of boundaries, then stops. */
GUEST static void guest_touch(uint64_t from, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		(void)GUEST_WORD(from + i * 2 * MIB - 8);
		(void)GUEST_WORD(from + i * 2 * MIB);
	}
	for (;;)
		asm volatile("hlt");
}

static bool spread_make(struct spread *s, int dev, unsigned int engine, unsigned int mmu,
			uint32_t cap)
{
	struct npt_create_vm c = vm_args(mmu);
	uint64_t *t, i;

	memset(s, 0, sizeof(*s));
	c.engine = engine;
	c.max_table_pages = cap;
	s->engine = engine;
	s->vm = call(dev, NPT_CREATE_VM, &c);
	s->base = map_memory(BASE_SIZE);
	s->pages = map_memory(2 * PAGE);
	if (s->vm < 0 || s->base == MAP_FAILED || s->pages == MAP_FAILED ||
	    set_slot(s->vm, 0, 0, 0, BASE_SIZE, s->base))
		return false;
	memset(s->pages, 7, 2 * PAGE);
	guest_code_copy(s->base + CODE);
	t = (uint64_t *)(s->base + ROOT);
	t[0] = (ROOT + PAGE) | PTE_RWU;
	for (i = 0; i < SPREAD_GIB; i++)
		t[512 + i] = i << 30 | PTE_RWU | PTE_LARGE;
	for (i = 0; i < SPREAD; i++)
		if (set_slot(s->vm, 1 + i, 0, BOUNDARY(i) - PAGE, 2 * PAGE, s->pages))
			return false;
	for (i = 0; i < CPUS; i++) {
		s->vcpu[i] = call_value(s->vm, KVM_CREATE_VCPU, i);
		s->run[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, s->vcpu[i], 0);
		if (s->vcpu[i] < 0 || s->run[i] == MAP_FAILED || long_mode(s->vcpu[i], ROOT))
			return false;
	}
	return true;
}

static void spread_free(struct spread *s)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++) {
		munmap(s->run[i], PAGE);
		close(s->vcpu[i]);
	}
	close(s->vm);
	munmap(s->base, BASE_SIZE);
	munmap(s->pages, 2 * PAGE);
}

#define BATCH 64U

static long touch_soft(int vcpu, uint64_t first, uint64_t n)
{
	struct npt_access rec[2 * BATCH];
	struct npt_access_result res[2 * BATCH];
	struct npt_batch b = {
		.size = sizeof(b), .accesses = (uintptr_t)rec, .results = (uintptr_t)res,
		.flags = NPT_BATCH_STOP,
	};
	uint64_t i, at;
	long ret;

	/* A batch that ends early says why when it is gone on with. */
	for (at = first; at < first + n; at += BATCH) {
		for (i = 0; i < BATCH && at + i < first + n; i++) {
			rec[2 * i] = (struct npt_access){ .gva = BOUNDARY(at + i) - 8, .size = 8 };
			rec[2 * i + 1] = (struct npt_access){ .gva = BOUNDARY(at + i), .size = 8 };
		}
		for (b.done = 0, b.count = 2 * i; b.count; b.count -= b.done) {
			b.accesses = (uintptr_t)(rec + 2 * i - b.count);
			ret = call(vcpu, NPT_BATCH, &b);
			if (ret)
				return ret;
			if (res[b.done - 1].status)
				return res[b.done - 1].status;
		}
	}
	return 0;
}

static long touch_svm(struct spread *s, unsigned int cpu, uint64_t first, uint64_t n)
{
	struct kvm_regs regs = {
		.rip = guest_code_at(CODE, guest_touch), .rsp = STACK - cpu * 0x800 - 8,
		.rdi = BOUNDARY(first), .rsi = n,
	};
	long ret = guest_state(s->vcpu[cpu], ROOT, &regs);

	if (!ret)
		ret = call(s->vcpu[cpu], KVM_RUN, NULL);
	return ret ?: s->run[cpu]->exit_reason != KVM_EXIT_HLT;
}

/* 0, -errno of the call, or how it ended otherwise. */
static long touch(struct spread *s, unsigned int cpu, uint64_t first, uint64_t n)
{
	if (s->engine == NPT_ENGINE_SOFT)
		return touch_soft(s->vcpu[cpu], first, n);
	return touch_svm(s, cpu, first, n);
}

FIXTURE(tables) {
	int dev;
	struct spread s;
};

FIXTURE_VARIANT(tables) {
	unsigned int engine, mmu;
};

FIXTURE_VARIANT_ADD(tables, soft_native) { NPT_ENGINE_SOFT, NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(tables, soft_shadow) { NPT_ENGINE_SOFT, NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(tables, soft_nested) { NPT_ENGINE_SOFT, NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(tables, svm_shadow) { NPT_ENGINE_SVM, NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(tables, svm_nested) { NPT_ENGINE_SVM, NPT_MMU_NESTED };

#define GROUP "npt-limits"

FIXTURE_SETUP(tables)
{
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	if (variant->engine == NPT_ENGINE_SVM && !have_svm(self->dev))
		SKIP(return, "no svm engine here");
	if (geteuid() || !group_make(GROUP, "max"))
		SKIP(return, "needs root and control groups");
}

FIXTURE_TEARDOWN(tables)
{
	close(self->dev);
}

/* Looks at the gauge while others work. */
struct watch {
	pthread_t thread;
	int vm;
	atomic_bool stop;
	uint64_t peak;
	long kernel;		/* bytes of the group, at the most */
};

static void *watch_tables(void *arg)
{
	struct watch *w = arg;
	long kernel;
	uint64_t n;

	while (!atomic_load(&w->stop)) {
		n = counter(w->vm, NPT_CTR_table_pages);
		if (n > w->peak)
			w->peak = n;
		kernel = group_number(GROUP, "memory.stat", "kernel ");
		if (kernel > w->kernel)
			w->kernel = kernel;
	}
	return NULL;
}

struct toucher {
	pthread_t thread;
	struct spread *s;
	unsigned int cpu;
	long ret;
};

static void *touch_part(void *arg)
{
	struct toucher *t = arg;
	unsigned int i;

	for (i = 0; i < 2 && !t->ret; i++)
		t->ret = touch(t->s, t->cpu, t->cpu * (SPREAD / CPUS), SPREAD / CPUS);
	return NULL;
}

/*
 * Bytes that may lie beside the cap: a refill of each vCPU's cache, the VM's own
 * structs, and what the control group's accounts are late by.
 */
#define REFILL_PAGES 24
#define SLACK (CPUS * REFILL_PAGES * PAGE + 512 * 1024)
#define CAP 1024U

TEST_F_TIMEOUT(tables, stay_below_the_cap, 120)
{
	struct watch w = {};
	struct toucher t[CPUS] = {};
	unsigned int i;
	long before;

	ASSERT_TRUE(group_enter(GROUP, getpid()));
	ASSERT_TRUE(spread_make(&self->s, self->dev, variant->engine, variant->mmu, CAP));
	before = group_number(GROUP, "memory.stat", "kernel ");
	w.vm = self->s.vm;
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, watch_tables, &w));
	for (i = 0; i < CPUS; i++) {
		t[i].s = &self->s;
		t[i].cpu = i;
		ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, touch_part, &t[i]));
	}
	for (i = 0; i < CPUS; i++) {
		pthread_join(t[i].thread, NULL);
		EXPECT_EQ(0, t[i].ret);
	}
	atomic_store(&w.stop, true);
	pthread_join(w.thread, NULL);
	fprintf(stderr, "# %llu pages of tables at the most, cap %u; the group's: %ld KiB more\n",
		(unsigned long long)w.peak, CAP, (w.kernel - before) >> 10);
	EXPECT_GE(CAP, w.peak);
	EXPECT_GE((long)(CAP * PAGE + SLACK), w.kernel - before);
	/* It was reached, and all of it was charged. */
	EXPECT_LT(CAP / 2, w.peak);
	EXPECT_LT(0, counter(self->s.vm, NPT_CTR_mmu_recycled));
	EXPECT_LT((long)(CAP / 2 * PAGE), w.kernel - before);
	spread_free(&self->s);
	EXPECT_GE(before, group_number(GROUP, "memory.stat", "kernel "));
	group_enter("", getpid());
	EXPECT_TRUE(group_remove(GROUP));
}

/* --- a control group that has no more ------------------------------------------------------ */

/* Memory that the group may have beyond what it has. */
#define ROOM (4 * MIB)

/* A process that wants more than its group may have. */
struct hungry {
	pid_t pid;
	int to, from;
};

static bool tell(int fd)
{
	return write(fd, "x", 1) == 1;
}

static bool hear(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/*
 * Says that all is made; when told, touches until there is no more. Then it may
 * have all that it wants, and does.
 */
static int be_hungry(int from, int to, unsigned int engine, unsigned int mmu, bool spared)
{
	struct spread s;
	long ret;

	if (!group_enter(GROUP, getpid()) ||
	    (spared && !write_file("/proc/self/oom_score_adj", "-1000")) ||
	    !spread_make(&s, open_npt(), engine, mmu, 0) || touch(&s, 0, 0, 1))
		return 1;
	if (!tell(to) || !hear(from))
		return 2;
	ret = touch(&s, 0, 0, SPREAD);
	if (ret != -ENOMEM) {
		fprintf(stderr, "# touching ended with %ld\n", ret);
		return 3;
	}
	if (!tell(to) || !hear(from))
		return 4;
	return touch(&s, 0, 0, SPREAD) ? 5 : 0;
}

static bool hungry_start(struct hungry *h, unsigned int engine, unsigned int mmu, bool spared)
{
	int down[2], up[2];

	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return false;
	h->to = down[1];
	h->from = up[0];
	h->pid = fork();
	if (!h->pid)
		_exit(be_hungry(down[0], up[1], engine, mmu, spared));
	close(down[0]);
	close(up[1]);
	return h->pid > 0 && hear(h->from);
}

static bool set_max(long bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", bytes);
	return group_make(GROUP, text);
}

/* A VM of this process, which is in no such group, with vCPUs at work. */
struct other {
	int dev, vm, vcpu[WORKERS];
	char *mem;
	struct worker w[WORKERS];
};

static bool other_start(struct other *o, int dev, unsigned int mmu)
{
	unsigned int i;

	o->vm = create_vm(dev, mmu);
	o->mem = map_memory(WORK_SIZE + 2 * MIB);
	if (o->vm < 0 || o->mem == MAP_FAILED ||
	    set_slot(o->vm, 0, 0, 0, WORK_SIZE + 2 * MIB, o->mem))
		return false;
	identity_tables(o->mem + WORK_SIZE, WORK_SIZE, WORK_SIZE);
	for (i = 0; i < WORKERS; i++) {
		o->vcpu[i] = call_value(o->vm, KVM_CREATE_VCPU, i);
		if (o->vcpu[i] < 0 || long_mode(o->vcpu[i], WORK_SIZE))
			return false;
	}
	start_workers(o->w, o->vcpu, false);
	return true;
}

static bool other_stop(struct other *o)
{
	bool good = stop_workers(o->w);
	unsigned int i;

	for (i = 0; i < WORKERS; i++)
		close(o->vcpu[i]);
	close(o->vm);
	munmap(o->mem, WORK_SIZE + 2 * MIB);
	return good;
}

TEST_F_TIMEOUT(tables, group_kills, 120)
{
	struct hungry h;
	struct other o;
	int status;

	signal(SIGPIPE, SIG_IGN);
	ASSERT_TRUE(hungry_start(&h, variant->engine, variant->mmu, false));
	ASSERT_TRUE(other_start(&o, self->dev, variant->mmu));
	ASSERT_TRUE(set_max(group_number(GROUP, "memory.current", "") + ROOM));
	ASSERT_TRUE(tell(h.to));
	ASSERT_EQ(h.pid, waitpid(h.pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(1, group_number(GROUP, "memory.events", "oom_kill "));
	wait_for_rounds(o.w);
	EXPECT_TRUE(other_stop(&o));
	close(h.to);
	close(h.from);
	/* Nothing of it stays: no charge, no group. */
	EXPECT_TRUE(group_remove(GROUP));
}

/* Who may not be killed is told, and goes on when there is memory again. */
TEST_F_TIMEOUT(tables, group_refuses, 120)
{
	struct hungry h;
	struct other o;
	int status;

	signal(SIGPIPE, SIG_IGN);
	ASSERT_TRUE(hungry_start(&h, variant->engine, variant->mmu, true));
	ASSERT_TRUE(other_start(&o, self->dev, variant->mmu));
	ASSERT_TRUE(set_max(group_number(GROUP, "memory.current", "") + ROOM));
	ASSERT_TRUE(tell(h.to));
	EXPECT_TRUE(hear(h.from));
	wait_for_rounds(o.w);
	EXPECT_LE(1, group_number(GROUP, "memory.events", "oom "));
	EXPECT_TRUE(group_make(GROUP, "max"));
	EXPECT_TRUE(tell(h.to));
	ASSERT_EQ(h.pid, waitpid(h.pid, &status, 0));
	EXPECT_EQ(0, status);
	wait_for_rounds(o.w);
	EXPECT_TRUE(other_stop(&o));
	close(h.to);
	close(h.from);
	EXPECT_TRUE(group_remove(GROUP));
}

TEST_HARNESS_MAIN
