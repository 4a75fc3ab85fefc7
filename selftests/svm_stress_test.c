// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once on the svm engine: four vCPUs write and check patterns
 * through tables that they change all the time, while memslots come and go,
 * the dirty log is read, the host swaps, merges, splits, forks and moves their
 * memory, their threads change processors, get signals and are looked at, and
 * a processor goes and comes back. Then VMs that are killed amid all that.
 *
 * NPT_STRESS_SECONDS: how long each storm lasts (3).
 * NPT_STRESS_KILLS: how many VMs are killed in each mode (25).
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "laws.h"
#include "nlraw.h"
#include "svmguest.h"
#include "system.h"

#define VCPUS 4

/*
 * Guest memory; gva = gpa there, and each vCPU has a window besides, whose
 * entries it changes.
 *
 *   BASE	code, and for each vCPU tables, a mailbox and a stack
 *   ARENA	pages that each belong to one vCPU; what they hold is never lost
 *   VICTIMS	pages that the host throws away, moves, unmaps
 *   PASSING	a memslot that goes, comes, moves, is read-only for a while
 */
#define BASE_SIZE (1 * MIB)
#define CODE 0x1000UL
#define TABLES(v) (0x10000UL + (v) * 0x10000)
#define MAILBOX(v) (0x80000UL + (v) * 0x2000)
#define STACK(v) (MAILBOX(v) + 0x2000)
#define ARENA (2 * MIB)
#define ARENA_SIZE (2 * MIB)
#define ARENA_PAGES (ARENA_SIZE / PAGE)
#define OWN_PAGES 64UL		/* of each vCPU, a power of 2 */
#define VICTIMS (4 * MIB)
#define VICTIM_PAGES 32UL
#define PASSING (6 * MIB)
#define PASSING2 (8 * MIB)
#define PASSING_PAGES 16UL
#define WINDOW (16 * MIB)
#define MAPPED (10 * MIB)	/* gva = gpa up to here */

enum { SLOT_BASE, SLOT_ARENA, SLOT_VICTIMS, SLOT_PASSING };

#define PTE_AD 0x60UL

/* What user space answers to a read where PASSING is not. */
#define MMIO_ANSWER 0xa5a5a5a5a5a5a5a5ULL
/* What the host writes to PASSING and to moved victims while no guest may reach them. */
#define TAG 0x5e5e5e5e5e5e5e5eULL
#define PASSING_MAGIC 0x00c0ffeeULL
#define VICTIM_MAGIC 0x1bad1deaULL

/* What guest and host tell each other. */
struct mailbox {
	uint64_t id;		/* of the vCPU */
	uint64_t stop;		/* host: it is enough */
	uint64_t rounds;	/* guest: done */
	uint64_t failed;	/* guest: what went wrong, enum failure */
	uint64_t where, got, expected;
	uint64_t floor;		/* host: no victim page holds a lower number, but for 0 */
};

enum failure {
	FAIL_NONE,
	FAIL_WINDOW,		/* not what was written through the window */
	FAIL_AD_BITS,
	FAIL_ARENA,		/* what was written before is gone */
	FAIL_PASSING,
	FAIL_VICTIM,
	FAIL_OLD_VICTIM,	/* a page that the host threw away is still seen */
	FAIL_ROUNDS,		/* what it has just told the host is gone */
};

/* --- the guest: compiled code that is copied to where it runs ----------------------- */

GUEST static uint64_t own_page(uint64_t id, uint64_t i)
{
	return ARENA + (i * VCPUS + id) * PAGE;
}

GUEST static void
guest_fail(volatile struct mailbox *m, uint64_t failure, uint64_t where, uint64_t got,
	   uint64_t expected)
{
	m->where = where;
	m->got = got;
	m->expected = expected;
	m->failed = failure;
	for (;;)
		asm volatile("hlt");
}

GUEST static void
guest_expect(volatile struct mailbox *m, uint64_t failure, uint64_t gva, uint64_t expected)
{
	uint64_t got = GUEST_WORD(gva);

	if (got != expected)
		guest_fail(m, failure, gva, got, expected);
}

/* Point the window somewhere else, write through it, see that it went there. */
GUEST static void
guest_arena(volatile struct mailbox *m, uint64_t round)
{
	uint64_t i, page, pte, value, gva, id = m->id;

	for (i = 0; i < OWN_PAGES; i++) {
		page = own_page(id, i ^ (round & (OWN_PAGES - 1)));
		value = round << 32 | page;
		gva = WINDOW + i * PAGE;
		pte = TABLES(id) + (FIRST_PT + WINDOW / (2 * MIB)) * PAGE + i * 8;
		GUEST_WORD(pte) = page | PTE_P | PTE_W;
		asm volatile("invlpg (%0)" : : "r"(gva) : "memory");
		GUEST_WORD(gva) = value;
		GUEST_WORD(gva + PAGE - 8) = value;
		guest_expect(m, FAIL_WINDOW, page, value);
		guest_expect(m, FAIL_WINDOW, page + PAGE - 8, value);
		guest_expect(m, FAIL_AD_BITS, pte, page | PTE_P | PTE_W | PTE_AD);
	}
	for (i = 0; i < OWN_PAGES; i++) {
		page = own_page(id, i);
		guest_expect(m, FAIL_ARENA, page, round << 32 | page);
		guest_expect(m, FAIL_ARENA, page + PAGE - 8, round << 32 | page);
	}
}

/* Each vCPU has words of its own there. What was written may have gone to user space. */
GUEST static void
guest_passing(volatile struct mailbox *m, uint64_t round)
{
	uint64_t gva = (round & 1 ? PASSING : PASSING2) + m->id * 8 +
		       round / 2 % PASSING_PAGES * PAGE;
	uint64_t got;

	GUEST_WORD(gva) = PASSING_MAGIC << 32 | round;
	got = GUEST_WORD(gva);
	if (got != MMIO_ANSWER && got != TAG &&
	    (got >> 32 != PASSING_MAGIC || (uint32_t)got > round))
		guest_fail(m, FAIL_PASSING, gva, got, round);
}

/* The first word is the host's, the others the vCPUs'. */
GUEST static void
guest_victim(volatile struct mailbox *m, uint64_t round)
{
	uint64_t gva = VICTIMS + round * 5 % VICTIM_PAGES * PAGE, floor = m->floor, got;

	got = GUEST_WORD(gva);
	if (got && got < floor)
		guest_fail(m, FAIL_OLD_VICTIM, gva, got, floor);
	gva += 8 + m->id * 8;
	GUEST_WORD(gva) = VICTIM_MAGIC;
	got = GUEST_WORD(gva);
	if (got && got != VICTIM_MAGIC)
		guest_fail(m, FAIL_VICTIM, gva, got, VICTIM_MAGIC);
}

GUEST static void guest_main(volatile struct mailbox *m)
{
	uint64_t round;

	for (round = 1; !m->stop; round++) {
		guest_expect(m, FAIL_ROUNDS, (uint64_t)&m->rounds, round - 1);
		guest_arena(m, round);
		guest_passing(m, round);
		guest_victim(m, round);
		m->rounds = round;
	}
	for (;;)
		asm volatile("hlt");
}

/* --- the machine ----------------------------------------------------------------------- */

struct machine;

/* A thread that runs one vCPU. */
struct runner {
	struct machine *m;
	pthread_t thread;
	int vcpu;
	struct kvm_run *run;
	volatile struct mailbox *box;
	atomic_ulong interrupted, mmio, faults, offline;
	char failure[128];		/* empty: none */
};

struct machine {
	int dev, vm;
	unsigned int vcpus;
	size_t run_size;
	char *base, *arena, *victims, *passing;	/* ARENA and VICTIMS at 2 MiB */
	struct runner runner[VCPUS];
	atomic_bool stop;
	cpu_set_t cpus;		/* where the process may run */
	atomic_ulong holes;	/* odd while a victim page is not there */
	atomic_bool hotplug;	/* a processor may be on its way out */
	atomic_uint ended;	/* vCPU threads that are through */
};

#define FAIL(who, ...) do {							\
		if (!(who)->failure[0])						\
			snprintf((who)->failure, sizeof((who)->failure), __VA_ARGS__); \
	} while (0)

static void make_tables(struct machine *m, unsigned int v)
{
	uint64_t *t = (uint64_t *)(m->base + TABLES(v));

	identity_tables(t, TABLES(v), MAPPED);
	t[2 * 512 + WINDOW / (2 * MIB)] =
		(TABLES(v) + (FIRST_PT + WINDOW / (2 * MIB)) * PAGE) | PTE_RWU;
}

static int set_state(struct machine *m, unsigned int v)
{
	struct kvm_regs regs = {
		.rip = guest_code_at(CODE, guest_main), .rdi = MAILBOX(v), .rsp = STACK(v) - 8,
	};

	return guest_state(m->runner[v].vcpu, TABLES(v), &regs);
}

static int make_vcpu(struct machine *m, unsigned int v)
{
	struct runner *r = &m->runner[v];

	r->m = m;
	r->vcpu = call_value(m->vm, KVM_CREATE_VCPU, v);
	if (r->vcpu < 0)
		return -1;
	m->vcpus++;
	r->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->vcpu, 0);
	r->box = (struct mailbox *)(m->base + MAILBOX(v));
	if (r->run == MAP_FAILED)
		return -1;
	r->box->id = v;
	make_tables(m, v);
	return set_state(m, v);
}

static volatile uint64_t *word(char *mem, uint64_t page, unsigned int i)
{
	return (uint64_t *)(mem + page * PAGE) + i;
}

static void tag_pages(char *mem, uint64_t pages)
{
	uint64_t page;
	unsigned int i;

	for (page = 0; page < pages; page++)
		for (i = 0; i < VCPUS + 1; i++)
			*word(mem, page, i) = TAG;
}

static bool machine_make(struct machine *m, unsigned int mmu)
{
	struct npt_create_vm c = vm_args(mmu);
	unsigned int v;

	memset(m, 0, sizeof(*m));
	sched_getaffinity(0, sizeof(m->cpus), &m->cpus);
	m->dev = open_npt();
	c.engine = NPT_ENGINE_SVM;
	m->vm = call(m->dev, NPT_CREATE_VM, &c);
	m->run_size = call_value(m->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	m->base = map_aligned(BASE_SIZE);
	m->arena = map_aligned(ARENA_SIZE);
	m->victims = map_aligned(VICTIM_PAGES * PAGE);
	m->passing = map_aligned(PASSING_PAGES * PAGE);
	if (m->vm < 0 || !m->base || !m->arena || !m->victims || !m->passing)
		return false;
	guest_code_copy(m->base + CODE);
	/* A slot that moves may be read where it was not there yet to be written. */
	tag_pages(m->passing, PASSING_PAGES);
	if (set_slot(m->vm, SLOT_BASE, 0, 0, BASE_SIZE, m->base) ||
	    set_slot(m->vm, SLOT_ARENA, 0, ARENA, ARENA_SIZE, m->arena) ||
	    set_slot(m->vm, SLOT_VICTIMS, 0, VICTIMS, VICTIM_PAGES * PAGE, m->victims) ||
	    set_slot(m->vm, SLOT_PASSING, 0, PASSING, PASSING_PAGES * PAGE, m->passing))
		return false;
	for (v = 0; v < VCPUS; v++)
		if (make_vcpu(m, v))
			return false;
	return true;
}

static void machine_free(struct machine *m)
{
	unsigned int v;

	for (v = 0; v < m->vcpus; v++) {
		munmap(m->runner[v].run, m->run_size);
		close(m->runner[v].vcpu);
	}
	close(m->vm);
	close(m->dev);
	munmap(m->base, BASE_SIZE);
	munmap(m->arena, ARENA_SIZE);
	munmap(m->victims, VICTIM_PAGES * PAGE);
	munmap(m->passing, PASSING_PAGES * PAGE);
}

/* --- threads that run vCPUs ---------------------------------------------------------------- */

static __thread struct kvm_run *this_run;

/* Also between a look at the flags and KVM_RUN. */
static void on_signal(int sig)
{
	if (this_run)
		this_run->immediate_exit = 1;
}

static bool in_passing(uint64_t gpa)
{
	return (gpa >= PASSING && gpa < PASSING + PASSING_PAGES * PAGE) ||
	       (gpa >= PASSING2 && gpa < PASSING2 + PASSING_PAGES * PAGE);
}

static void answer_mmio(struct runner *r)
{
	uint64_t answer = MMIO_ANSWER;

	atomic_fetch_add(&r->mmio, 1);
	if (!in_passing(r->run->mmio.phys_addr) || r->run->mmio.len != 8)
		FAIL(r, "MMIO at %llx", (unsigned long long)r->run->mmio.phys_addr);
	else if (!r->run->mmio.is_write)
		memcpy(r->run->mmio.data, &answer, 8);
}

static void take_exit(struct runner *r)
{
	switch (r->run->exit_reason) {
	case KVM_EXIT_MMIO:
		answer_mmio(r);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		/* It was just about to leave that processor. */
		if (!atomic_load(&r->m->hotplug) ||
		    r->run->fail_entry.hardware_entry_failure_reason != NPT_FAIL_ENTRY_CPU_OFF)
			FAIL(r, "no entry");
		atomic_fetch_add(&r->offline, 1);
		break;
	case KVM_EXIT_HLT:
		if (r->box->failed)
			FAIL(r, "failure %llu at %llx: %llx, expected %llx",
			     (unsigned long long)r->box->failed,
			     (unsigned long long)r->box->where, (unsigned long long)r->box->got,
			     (unsigned long long)r->box->expected);
		else if (!r->box->stop)
			FAIL(r, "HLT in round %llu", (unsigned long long)r->box->rounds + 1);
		break;
	default:
		FAIL(r, "exit %u, suberror %u", r->run->exit_reason, r->run->internal.suberror);
	}
}

static void run_once(struct runner *r)
{
	unsigned long holes = atomic_load(&r->m->holes);
	long ret = call(r->vcpu, KVM_RUN, NULL);

	switch (ret) {
	case 0:
		take_exit(r);
		break;
	case -EINTR:
		atomic_fetch_add(&r->interrupted, 1);
		r->run->immediate_exit = 0;
		break;
	case -EFAULT:
		/* Only because a victim page is away. */
		if (!(holes & 1) && holes == atomic_load(&r->m->holes))
			FAIL(r, "EFAULT");
		atomic_fetch_add(&r->faults, 1);
		sched_yield();
		break;
	default:
		FAIL(r, "KVM_RUN: %ld", ret);
	}
}

static void *run_vcpu(void *arg)
{
	struct runner *r = arg;

	this_run = r->run;
	while (!r->failure[0]) {
		run_once(r);
		if (r->box->stop && !r->run->immediate_exit &&
		    r->run->exit_reason == KVM_EXIT_HLT)
			break;
	}
	this_run = NULL;
	atomic_fetch_add(&r->m->ended, 1);
	return NULL;
}

static void start_vcpus(struct machine *m)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int v;

	sigaction(SIGUSR1, &action, NULL);
	for (v = 0; v < VCPUS; v++)
		pthread_create(&m->runner[v].thread, NULL, run_vcpu, &m->runner[v]);
}

/* --- what happens to it --------------------------------------------------------------------- */

/* A thread that does one thing over and over. */
struct trouble {
	const char *name;
	void (*step)(struct trouble *t);
	struct machine *m;
	pthread_t thread;
	unsigned long steps;
	uint64_t seed;
	char failure[128];
	void *own;
	atomic_ulong done;	/* steps, for the others */
};

static void *make_trouble(void *arg)
{
	struct trouble *t = arg;

	while (!atomic_load(&t->m->stop) && !t->failure[0]) {
		t->step(t);
		t->steps++;
		atomic_store(&t->done, t->steps);
	}
	return NULL;
}

/* Until some vCPU has gone round, or all is over. */
static void wait_for_guest(struct trouble *t)
{
	volatile struct mailbox *box = t->m->runner[random_of(&t->seed) % VCPUS].box;
	uint64_t before = box->rounds;

	while (box->rounds == before && !atomic_load(&t->m->stop) &&
	       !atomic_load(&t->m->ended))
		/* Whoever waits for a vCPU must not keep its processor. */
		usleep(200);
}

static bool still_tagged(char *mem, uint64_t pages)
{
	uint64_t page;
	unsigned int i;

	for (page = 0; page < pages; page++)
		for (i = 0; i < VCPUS + 1; i++)
			if (*word(mem, page, i) != TAG)
				return false;
	return true;
}

static int passing(struct trouble *t, uint32_t flags, uint64_t gpa, uint64_t size)
{
	int ret = set_slot(t->m->vm, SLOT_PASSING, flags, gpa, size, t->m->passing);

	if (ret)
		FAIL(t, "set slot to %llx flags %x: %d", (unsigned long long)gpa, flags, ret);
	return ret;
}

/* Nobody writes to a slot that is gone, or read-only. */
static void change_slot(struct trouble *t)
{
	uint64_t size = PASSING_PAGES * PAGE;
	bool readonly = random_of(&t->seed) & 1;

	if (passing(t, KVM_MEM_LOG_DIRTY_PAGES, PASSING, size))
		return;
	wait_for_guest(t);
	if (passing(t, 0, PASSING2, size) || passing(t, 0, PASSING2, 0))
		return;
	tag_pages(t->m->passing, PASSING_PAGES);
	wait_for_guest(t);
	if (readonly) {
		if (passing(t, KVM_MEM_READONLY, PASSING, size))
			return;
		wait_for_guest(t);
		if (passing(t, KVM_MEM_READONLY, PASSING2, size))
			return;
		wait_for_guest(t);
		if (passing(t, 0, PASSING2, 0))
			return;
	}
	if (!still_tagged(t->m->passing, PASSING_PAGES))
		FAIL(t, "a vCPU wrote to a slot that was gone or read-only");
	passing(t, 0, PASSING, size);
}

/* --- the dirty log */

/* What the arena holds and what the log said, over three looks. */
struct log {
	uint64_t before[ARENA_PAGES], after[ARENA_PAGES];	/* around the last reading */
	uint64_t bits[ARENA_PAGES / 64], last[ARENA_PAGES / 64];
	unsigned long changed, clean;
};

static void snapshot(const char *arena, uint64_t *words)
{
	unsigned int i;

	for (i = 0; i < ARENA_PAGES; i++)
		words[i] = *(volatile uint64_t *)(arena + i * PAGE);
}

static int read_log(struct trouble *t, uint64_t manual, uint64_t *bits)
{
	struct kvm_dirty_log get = { .slot = SLOT_ARENA, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = {
		.slot = SLOT_ARENA, .num_pages = ARENA_PAGES, .dirty_bitmap = bits,
	};
	uint64_t copy[ARENA_PAGES / 64];
	int ret = call(t->m->vm, KVM_GET_DIRTY_LOG, &get);

	if (ret || !manual)
		return ret;
	memcpy(copy, bits, sizeof(copy));
	clear.dirty_bitmap = copy;
	return call(t->m->vm, KVM_CLEAR_DIRTY_LOG, &clear);
}

static bool has_bit(const uint64_t *bits, unsigned int i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

/*
 * A page that changed between two readings is in the second; one that changed
 * during a reading is in that one or in the next.
 */
static void look_at_log(struct trouble *t, struct log *log, uint64_t manual, bool first)
{
	uint64_t before[ARENA_PAGES];
	unsigned int i;

	snapshot(t->m->arena, before);
	memcpy(log->last, log->bits, sizeof(log->bits));
	if (read_log(t, manual, log->bits))
		FAIL(t, "no dirty log");
	for (i = 0; i < ARENA_PAGES; i++) {
		bool now = has_bit(log->bits, i);

		if (before[i] != log->after[i] && !now)
			FAIL(t, "page %u changed: %llx to %llx, and is not in the log", i,
			     (unsigned long long)log->after[i], (unsigned long long)before[i]);
		if (!first && log->before[i] != log->after[i] && !now && !has_bit(log->last, i))
			FAIL(t, "page %u changed during a reading, and is in no log", i);
		log->changed += before[i] != log->after[i];
		log->clean += !now;
	}
	memcpy(log->before, before, sizeof(before));
	snapshot(t->m->arena, log->after);
}

/* On, some readings, off. */
static void read_logs(struct trouble *t)
{
	static const uint64_t manuals[] = { 0, 1, 3 };
	struct log *log = t->own;
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { manuals[t->steps % 3] },
	};
	unsigned int i;

	if (call(t->m->vm, KVM_ENABLE_CAP, &cap) ||
	    set_slot(t->m->vm, SLOT_ARENA, KVM_MEM_LOG_DIRTY_PAGES, ARENA, ARENA_SIZE,
		     t->m->arena)) {
		FAIL(t, "no dirty logging");
		return;
	}
	snapshot(t->m->arena, log->after);
	for (i = 0; i < 8 && !t->failure[0]; i++) {
		look_at_log(t, log, cap.args[0], !i);
		if (i & 1)
			wait_for_guest(t);
	}
	if (set_slot(t->m->vm, SLOT_ARENA, 0, ARENA, ARENA_SIZE, t->m->arena))
		FAIL(t, "dirty logging can't be switched off");
}

/* --- the host's memory */

/* From now on no page holds less than this number. */
static void raise_floor(struct trouble *t, uint64_t number)
{
	uint64_t page;
	unsigned int v;

	for (page = 0; page < VICTIM_PAGES; page++)
		*word(t->m->victims, page, 0) = number;
	for (v = 0; v < VCPUS; v++)
		t->m->runner[v].box->floor = number;
}

static void throw_away(struct trouble *t)
{
	madvise(t->m->victims, VICTIM_PAGES * PAGE, MADV_DONTNEED);
	raise_floor(t, t->steps + 1);
}

static void map_anew(struct trouble *t)
{
	char *mem = t->m->victims;
	size_t size = VICTIM_PAGES * PAGE;

	atomic_fetch_add(&t->m->holes, 1);
	munmap(mem, size);
	sched_yield();
	if (mmap(mem, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != mem)
		FAIL(t, "mmap: %d", errno);
	atomic_fetch_add(&t->m->holes, 1);
	raise_floor(t, t->steps + 1);
}

/* Nobody writes to pages that are at another address now. */
static void move_away(struct trouble *t)
{
	size_t size = VICTIM_PAGES * PAGE / 2;
	char *mem = t->m->victims, *spare = map_memory(size);

	atomic_fetch_add(&t->m->holes, 1);
	if (mremap(mem, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare) {
		FAIL(t, "mremap: %d", errno);
	} else {
		tag_pages(spare, VICTIM_PAGES / 2);
		sched_yield();
		if (!still_tagged(spare, VICTIM_PAGES / 2))
			FAIL(t, "a vCPU wrote to a page that was moved away");
		memset(spare, 0, size);
		if (mremap(spare, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, mem) != mem)
			FAIL(t, "mremap back: %d", errno);
	}
	atomic_fetch_add(&t->m->holes, 1);
	raise_floor(t, t->steps + 1);
}

static void page_out(struct trouble *t)
{
	madvise(t->m->arena, ARENA_SIZE, MADV_PAGEOUT);
	madvise(t->m->base, BASE_SIZE, MADV_PAGEOUT);
	madvise(t->m->victims, VICTIM_PAGES * PAGE, MADV_PAGEOUT);
}

static void large_pages(struct trouble *t)
{
	madvise(t->m->arena, ARENA_SIZE, MADV_HUGEPAGE);
	madvise(t->m->arena, ARENA_SIZE, MADV_COLLAPSE);
	wait_for_guest(t);
	/* For one page of it alone, a large page is split. */
	madvise(t->m->arena + random_of(&t->seed) % ARENA_PAGES * PAGE, PAGE, MADV_PAGEOUT);
}

static void merge(struct trouble *t)
{
	madvise(t->m->base, BASE_SIZE, MADV_MERGEABLE);
	madvise(t->m->arena, ARENA_SIZE, MADV_MERGEABLE);
	madvise(t->m->victims, VICTIM_PAGES * PAGE, MADV_MERGEABLE);
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	write_file("/sys/kernel/mm/ksm/run", "1");
	wait_for_guest(t);
	wait_for_guest(t);
	write_file("/sys/kernel/mm/ksm/run", "0");
}

/* A copy of the process, whose memory stays as it is and whose VM is not its own. */
static int be_copy(struct machine *m, int from_parent)
{
	static uint64_t before[ARENA_PAGES], now[ARENA_PAGES];
	struct npt_vm_info info = { .size = sizeof(info) };
	char c;

	snapshot(m->arena, before);
	if (call(m->vm, NPT_VM_INFO, &info) != -EIO ||
	    call(m->runner[0].vcpu, KVM_RUN, NULL) != -EIO)
		return 1;
	if (read(from_parent, &c, 1) != 1)
		return 2;
	snapshot(m->arena, now);
	return memcmp(before, now, sizeof(now)) ? 3 : 0;
}

static void fork_off(struct trouble *t)
{
	int pipes[2], status = -1;
	pid_t pid;

	if (pipe(pipes))
		return;
	pid = fork();
	if (!pid)
		_exit(be_copy(t->m, pipes[0]));
	wait_for_guest(t);
	if (pid < 0 || write(pipes[1], "x", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		FAIL(t, "the copy of the process ended with %x", status);
	close(pipes[0]);
	close(pipes[1]);
}

static void disturb_memory(struct trouble *t)
{
	static void (*const what[])(struct trouble *t) = {
		throw_away, map_anew, move_away, page_out, throw_away, large_pages, merge, fork_off,
	};

	what[t->steps % (sizeof(what) / sizeof(what[0]))](t);
	wait_for_guest(t);
}

/* --- threads and processors */

/* One of those where the process may run; also one that is off just now. */
static int any_cpu(struct trouble *t)
{
	int cpu = random_of(&t->seed) % CPU_COUNT(&t->m->cpus), at = -1;

	do {
		at++;
	} while (!CPU_ISSET(at, &t->m->cpus) || cpu--);
	return at;
}

static void move_threads(struct trouble *t)
{
	struct runner *r = &t->m->runner[random_of(&t->seed) % VCPUS];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(any_cpu(t), &set);
	/* Not to a processor that is off. */
	pthread_setaffinity_np(r->thread, sizeof(set), &set);
	pthread_kill(r->thread, SIGUSR1);
	if (t->steps % 8 == 0)
		pthread_setaffinity_np(r->thread, sizeof(set), &t->m->cpus);
	usleep(1000);
}

static void count_vms(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	++*(unsigned int *)arg;
}

/* VMs that netlink knows; -1: no answer. */
static int vms(struct nlraw *nl)
{
	struct nlraw_answer a;
	struct nlraw_msg m;
	unsigned int n = 0;

	nlraw_init(&m, nl, NPT_CMD_VM_GET, NLM_F_DUMP);
	return nlraw_do(nl, &m, &a, count_vms, &n) || a.err ? -1 : (int)n;
}

static void look(struct trouble *t)
{
	struct npt_walk_entry entries[NPT_WALK_MAX];
	uint64_t values[NPT_CTR_NR];
	struct npt_explain e = {
		.size = sizeof(e), .flags = t->steps & 1, .op = NPT_OP_WRITE,
		.gva = WINDOW + random_of(&t->seed) % OWN_PAGES * PAGE,
		.count = NPT_WALK_MAX, .entries = (uintptr_t)entries,
	};
	struct npt_stats s = {
		.size = sizeof(s), .count = NPT_CTR_NR, .values = (uintptr_t)values,
	};
	int vcpu = t->m->runner[random_of(&t->seed) % VCPUS].vcpu;
	long ret = call(vcpu, NPT_EXPLAIN, &e);

	if (ret && ret != -EINTR)
		FAIL(t, "explain: %ld", ret);
	if (call(t->m->vm, NPT_STATS, &s) || call(vcpu, NPT_STATS, &s))
		FAIL(t, "no counters");
	if (vms(t->own) < 1)
		FAIL(t, "netlink does not know the VM");
	usleep(2000);
}

/* The last one goes and comes back. */
static void hotplug(struct trouble *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online",
		 sysconf(_SC_NPROCESSORS_CONF) - 1);
	atomic_store(&t->m->hotplug, true);
	if (!write_file(path, "0") || !write_file(path, "1"))
		FAIL(t, "%s: %d", path, errno);
	wait_for_guest(t);
}

/* --- all of it ------------------------------------------------------------------------------ */

enum { CHANGE_SLOT, READ_LOGS, DISTURB_MEMORY, MOVE_THREADS, LOOK, HOTPLUG, TROUBLES };

static const struct {
	const char *name;
	void (*step)(struct trouble *t);
	unsigned long least;		/* steps that a storm must see */
} troubles[] = {
	[CHANGE_SLOT] = { "slot changes", change_slot, 3 },
	[READ_LOGS] = { "dirty logs", read_logs, 3 },
	[DISTURB_MEMORY] = { "memory", disturb_memory, 8 },
	[MOVE_THREADS] = { "moves and signals", move_threads, 20 },
	[LOOK] = { "looks", look, 5 },
	[HOTPLUG] = { "hotplug", hotplug, 2 },
};

static bool seen_enough(struct machine *m, struct trouble *t)
{
	unsigned int i;

	for (i = 0; i < TROUBLES; i++)
		if (atomic_load(&t[i].done) < troubles[i].least)
			return false;
	for (i = 0; i < VCPUS; i++)
		if (m->runner[i].box->rounds < 3)
			return false;
	return true;
}

static bool any_failure(struct machine *m, struct trouble *t)
{
	unsigned int i;
	bool any = false;

	for (i = 0; i < TROUBLES; i++)
		any |= t[i].failure[0];
	for (i = 0; i < VCPUS; i++)
		any |= m->runner[i].failure[0];
	return any;
}

static void stop_all(struct machine *m, struct trouble *t)
{
	unsigned int i;

	atomic_store(&m->stop, true);
	for (i = 0; i < TROUBLES; i++)
		pthread_join(t[i].thread, NULL);
	for (i = 0; i < VCPUS; i++)
		m->runner[i].box->stop = 1;
	for (i = 0; i < VCPUS; i++)
		pthread_join(m->runner[i].thread, NULL);
}

static void report(struct machine *m, struct trouble *t, const struct log *log)
{
	unsigned int i;

	for (i = 0; i < TROUBLES; i++)
		fprintf(stderr, "# %s: %lu%s%s\n", troubles[i].name, t[i].steps,
			t[i].failure[0] ? ": " : "", t[i].failure);
	for (i = 0; i < VCPUS; i++) {
		struct runner *r = &m->runner[i];

		fprintf(stderr, "# vCPU %u: rounds %llu, interrupted %lu, MMIO %lu, EFAULT %lu", i,
			(unsigned long long)r->box->rounds, r->interrupted, r->mmio, r->faults);
		fprintf(stderr, ", no CPU %lu%s%s\n", r->offline, r->failure[0] ? ": " : "",
			r->failure);
	}
	fprintf(stderr, "# dirty log: %lu changes all seen, %lu clean bits\n", log->changed,
		log->clean);
}

/* How many of the words that vCPU @v wrote in its last whole round are not there. */
static unsigned int lost_words(struct machine *m, unsigned int v)
{
	uint64_t rounds = m->runner[v].box->rounds;
	unsigned int i, last, lost = 0;

	for (i = 0; i < OWN_PAGES; i++)
		for (last = 0; last < 2; last++) {
			uint64_t page = own_page(v, i), at = page - ARENA + last * (PAGE - 8);
			uint64_t got = *(volatile uint64_t *)(m->arena + at);

			if (got != (rounds << 32 | page) && !lost++)
				fprintf(stderr, "# vCPU %u: %llx at %llx after %llu rounds\n", v,
					(unsigned long long)got, (unsigned long long)(ARENA + at),
					(unsigned long long)rounds);
		}
	return lost;
}

FIXTURE(stress) {
	struct nlraw nl;
};

FIXTURE_VARIANT(stress) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(stress, nested) { .mmu = NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(stress, shadow) { .mmu = NPT_MMU_SHADOW };

FIXTURE_SETUP(stress)
{
	struct npt_create_vm c = vm_args(variant->mmu);
	int dev = open_npt(), vm;

	if (dev < 0)
		SKIP(return, "no /dev/npt");
	c.engine = NPT_ENGINE_SVM;
	vm = call(dev, NPT_CREATE_VM, &c);
	close(dev);
	if (vm < 0)
		SKIP(return, "no svm engine here");
	close(vm);
	ASSERT_LE(0, nlraw_open(&self->nl));
}

FIXTURE_TEARDOWN(stress)
{
	nlraw_close(&self->nl);
}

TEST_F_TIMEOUT(stress, storm, 3600)
{
	unsigned int i, seconds = setting("NPT_STRESS_SECONDS", 3);
	struct trouble t[TROUBLES] = {};
	struct machine *m = calloc(1, sizeof(*m));
	struct log *log = calloc(1, sizeof(*log));
	double began = now(), end = began + seconds;

	if (geteuid() || sysconf(_SC_NPROCESSORS_ONLN) < VCPUS)
		SKIP(return, "needs root and 4 processors");
	if (!swap_on())
		fprintf(stderr, "# nothing to swap to\n");
	ASSERT_TRUE(machine_make(m, variant->mmu));
	start_vcpus(m);
	t[READ_LOGS].own = log;
	t[LOOK].own = &self->nl;
	for (i = 0; i < TROUBLES; i++) {
		t[i].step = troubles[i].step;
		t[i].m = m;
		t[i].seed = 1 + i;
		ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, make_trouble, &t[i]));
	}
	while (!any_failure(m, t) && (now() < end || !seen_enough(m, t)))
		usleep(20000);
	stop_all(m, t);
	fprintf(stderr, "# %.1f s\n", now() - began);
	report(m, t, log);
	EXPECT_FALSE(any_failure(m, t));
	for (i = 0; i < VCPUS; i++)
		EXPECT_EQ(0, lost_words(m, i));
	EXPECT_LT(0, log->changed);
	EXPECT_LT(0, log->clean);
	EXPECT_EQ(0, laws_broken(m->vm));
	for (i = 0; i < VCPUS; i++)
		EXPECT_EQ(0, laws_broken(m->runner[i].vcpu));
	machine_free(m);
}

/* --- kill -9 ---------------------------------------------------------------------------------- */

/* A VM with trouble, until somebody kills the process. */
static void be_killed(int ready, unsigned int mmu)
{
	static const unsigned int some[] = { CHANGE_SLOT, READ_LOGS, DISTURB_MEMORY };
	struct machine *m = calloc(1, sizeof(*m));
	struct trouble t[3] = {};
	unsigned int i;

	if (!machine_make(m, mmu))
		_exit(1);
	start_vcpus(m);
	for (i = 0; i < 3; i++) {
		t[i].step = troubles[some[i]].step;
		t[i].m = m;
		t[i].own = calloc(1, sizeof(struct log));
		if (pthread_create(&t[i].thread, NULL, make_trouble, &t[i]))
			_exit(1);
	}
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* True: a VM ran and was killed. */
static bool kill_one(unsigned int mmu, unsigned int delay_us)
{
	int ready[2], status;
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid) {
		/* What it forks in turn goes with it. */
		setpgid(0, 0);
		be_killed(ready[1], mmu);
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &c, 1) != 1) {
		close(ready[0]);
		return false;
	}
	close(ready[0]);
	usleep(delay_us);
	kill(-pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static bool no_vm(void *arg)
{
	return vms(arg) == 0;
}

static long kernel_memory_after;

/* Freed late: RCU, per-CPU lists. */
static bool memory_is_back(void *arg)
{
	kernel_memory_after = kernel_memory();
	return kernel_memory_after <= *(long *)arg;
}

/*
 * Free pages that processors keep at hand come to 10 MiB and more; what is
 * leaked grows with the number of VMs, and shows by many of them.
 */
#define KILL_WARM 10
#define NOISE_KIB (16 << 10)
#define LEAK_KIB 4

TEST_F_TIMEOUT(stress, killed, 3600)
{
	unsigned int i, n = setting("NPT_STRESS_KILLS", 25), tries = 4;
	uint64_t seed = 4711;
	long before, bound;
	bool back;

	/* What is swapped to memory would count as the kernel's. */
	swapoff("/dev/zram0");
	for (i = 0; i < KILL_WARM; i++)
		ASSERT_TRUE(kill_one(variant->mmu, 5000));
	ASSERT_TRUE(nlraw_wait(no_vm, &self->nl, 30));
	/* What the kernel keeps for later, it keeps once; what is lost is lost in each round. */
	do {
		before = kernel_memory();
		for (i = 0; i < n; i++)
			ASSERT_TRUE(kill_one(variant->mmu, random_of(&seed) % 40000));
		EXPECT_TRUE(nlraw_wait(no_vm, &self->nl, 30));
		bound = before + NOISE_KIB + n * LEAK_KIB;
		back = nlraw_wait(memory_is_back, &bound, 10);
		fprintf(stderr, "# %u killed, the kernel's memory: %ld KiB, then %ld KiB\n", n,
			before, kernel_memory_after);
	} while (!back && --tries);
	EXPECT_TRUE(back);
	/* Nothing of all this keeps the module. */
	if (!geteuid() && getenv("NPT_KO"))
		EXPECT_EQ(0, module_unload() ?: module_load());
}

TEST_HARNESS_MAIN
