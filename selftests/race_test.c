// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once on the soft engine: two vCPUs write and check memory while
 * memslots change, logs are read and cleared, the host takes their memory away
 * and brings it back, TLB models change, netlink dumps and explains, VMs come and
 * go on the same memory, and somebody wants the module unloaded. Real guests have
 * svm_stress_test.
 *
 * NPT_RACE_SECONDS: how long it lasts in each mode (2).
 */
#include <stdio.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "softwork.h"
#include "system.h"

/* A slot that comes and goes. */
#define PASSING (16 * MIB)
#define PASSING_SIZE (16 * PAGE)

enum { SLOT_MEM, SLOT_PASSING };

struct race {
	int dev, vm, vcpu[WORKERS];
	uint32_t id;
	char *mem;
	struct nlraw nl;
	atomic_bool stop;
	atomic_long strange;	/* an answer that nothing explains */
};

struct trouble {
	pthread_t thread;
	struct race *r;
	void (*step)(struct race *r, unsigned long n);
	unsigned long steps;
};

/* One of those that are right; else it is told. */
#define ALLOW(r, ret, ...) do {							\
		static const long right_[] = { __VA_ARGS__ };			\
		long ret_ = (ret);						\
		unsigned int i_;						\
		for (i_ = 0; i_ < sizeof(right_) / sizeof(long); i_++)		\
			if (ret_ == right_[i_])					\
				break;						\
		if (i_ == sizeof(right_) / sizeof(long))			\
			atomic_store(&(r)->strange, __LINE__ * 1000L - ret_);	\
	} while (0)

static void change_slots(struct race *r, unsigned long n)
{
	uint64_t at = PASSING + n % 2 * 4 * MIB;

	ALLOW(r, set_slot(r->vm, SLOT_PASSING, 0, at, PASSING_SIZE, r->mem), 0);
	ALLOW(r, set_slot(r->vm, SLOT_PASSING, 0, at + 2 * MIB, PASSING_SIZE, r->mem), 0);
	ALLOW(r, set_slot(r->vm, SLOT_PASSING, 0, 0, 0, NULL), 0);
}

static void read_logs(struct race *r, unsigned long n)
{
	uint64_t bits[MEM_SIZE / PAGE / 64];
	struct kvm_dirty_log get = { .slot = SLOT_MEM, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = {
		.slot = SLOT_MEM, .num_pages = MEM_SIZE / PAGE, .dirty_bitmap = bits,
	};

	ALLOW(r, set_slot(r->vm, SLOT_MEM, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, r->mem), 0);
	ALLOW(r, call(r->vm, KVM_GET_DIRTY_LOG, &get), 0);
	ALLOW(r, call(r->vm, KVM_CLEAR_DIRTY_LOG, &clear), 0);
	if (n % 4 == 0)
		ALLOW(r, set_slot(r->vm, SLOT_MEM, 0, 0, MEM_SIZE, r->mem), 0);
}

static void disturb_memory(struct race *r, unsigned long n)
{
	char *victims = r->mem + VICTIMS, *spare;
	size_t size = VICTIM_PAGES * PAGE;
	pid_t pid;

	switch (n % 8) {
	case 0:
		madvise(victims, size, MADV_DONTNEED);
		break;
	case 1:
		spare = map_memory(size);
		if (mremap(victims, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, spare) == spare)
			mremap(spare, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, victims);
		break;
	case 2:
		munmap(victims, size);
		mmap(victims, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		break;
	case 4:
		madvise(r->mem, MEM_SIZE, MADV_HUGEPAGE);
		madvise(r->mem, MEM_SIZE, MADV_COLLAPSE);
		break;
	case 5:
		madvise(r->mem, MEM_SIZE, MADV_PAGEOUT);
		break;
	case 6:
		madvise(r->mem, MEM_SIZE, MADV_MERGEABLE);
		write_file("/sys/kernel/mm/ksm/run", "1");
		break;
	default:
		mprotect(r->mem, MIB, PROT_READ);
		mprotect(r->mem, MIB, PROT_READ | PROT_WRITE);
	}
}

static void change_tlbs(struct race *r, unsigned long n)
{
	struct npt_tlb_model tlb = {
		.size = sizeof(tlb),
		.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K,
			    .entries = 16 << n % 4, .ways = 4 },
		.pwc[0] = { .dims = NPT_PWC_GUEST | NPT_PWC_NESTED, .levels = 0x1c, .entries = 32 },
		.ntlb_entries = 64,
	};
	struct npt_flush f = { .size = sizeof(f), .scope = NPT_FLUSH_ALL };

	ALLOW(r, call(r->vm, NPT_SET_TLB, &tlb), 0);
	ALLOW(r, call(r->vm, NPT_FLUSH, &f), 0);
}

static void ask(struct race *r, unsigned long n)
{
	static const struct {
		uint8_t cmd;
		uint16_t vm, vcpu, gva, dim, flags;
	} asks[] = {
		{ NPT_CMD_VM_GET, .flags = NLM_F_DUMP },
		{ NPT_CMD_STAT_GET, .flags = NLM_F_DUMP },
		{ NPT_CMD_VCPU_GET, .flags = NLM_F_DUMP },
		{ NPT_CMD_EXPLAIN, .vm = NPT_A_EXPLAIN_VM, .vcpu = NPT_A_EXPLAIN_VCPU,
		  .gva = NPT_A_EXPLAIN_GVA },
		{ NPT_CMD_TABLE_GET, .vm = NPT_A_TABLE_VM, .vcpu = NPT_A_TABLE_VCPU,
		  .dim = NPT_A_TABLE_DIM, .flags = NLM_F_DUMP },
	};
	unsigned int i = n % (sizeof(asks) / sizeof(asks[0]));
	struct nlraw_answer a;
	struct nlraw_msg m;

	nlraw_init(&m, &r->nl, asks[i].cmd, asks[i].flags);
	if (asks[i].vm)
		nlraw_put_u32(&m, asks[i].vm, r->id);
	if (asks[i].vcpu)
		nlraw_put_u32(&m, asks[i].vcpu, 0);
	if (asks[i].gva)
		nlraw_put_u64(&m, asks[i].gva, VICTIMS + n % VICTIM_PAGES * PAGE);
	if (asks[i].dim)
		nlraw_put_u32(&m, asks[i].dim, NPT_DIM_GUEST);
	/* A vCPU may be busy, and a VM gone. */
	ALLOW(r, nlraw_do(&r->nl, &m, &a, NULL, NULL), 0, -EBUSY, -ENOENT);
}

/* Another VM on the same memory, whole and gone. */
static void live(struct race *r, unsigned long n)
{
	int vm = create_vm(r->dev, NPT_MMU_NATIVE + n % 3);
	int vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	uint64_t v;

	ALLOW(r, set_slot(vm, 0, 0, 0, MEM_SIZE, r->mem), 0);
	ALLOW(r, long_mode(vcpu, TABLES), 0);
	ALLOW(r, read_virt(vcpu, PAGE * (n % 64), &v, 8), 0, NPT_STATUS_HOST_FAULT);
	close(vm);
	close(vcpu);
}

static void look(struct race *r, unsigned long n)
{
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_explain e = {
		.size = sizeof(e), .flags = n & 1, .op = NPT_OP_READ,
		.gva = VICTIMS + n % VICTIM_PAGES * PAGE, .count = NPT_WALK_MAX,
		.entries = (uintptr_t)ent,
	};

	ALLOW(r, call(r->vcpu[n / 2 % WORKERS], NPT_EXPLAIN, &e), 0);
	if (counter(r->vm, NPT_CTR_accesses) == ~0ULL)
		atomic_store(&r->strange, 1);
	ALLOW(r, module_unload(), -EWOULDBLOCK, -EBUSY);
}

static void *make_trouble(void *arg)
{
	struct trouble *t = arg;

	while (!atomic_load(&t->r->stop) && !atomic_load(&t->r->strange)) {
		t->step(t->r, t->steps++);
		/* None of them has the machine, or a lock, for itself. */
		usleep(200);
	}
	return NULL;
}

FIXTURE(race) {
	struct race r;
};

FIXTURE_VARIANT(race) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(race, native) { NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(race, shadow) { NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(race, nested) { NPT_MMU_NESTED };

FIXTURE_SETUP(race)
{
	struct npt_create_vm c = vm_args(variant->mmu);
	struct race *r = &self->r;

	r->dev = open_npt();
	if (r->dev < 0)
		SKIP(return, "no /dev/npt");
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_LE(0, nlraw_open(&r->nl));
	r->vm = call(r->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, r->vm);
	r->id = c.id;
	ASSERT_TRUE(make_workplace(r->vm, &r->mem, r->vcpu));
}

FIXTURE_TEARDOWN(race)
{
	drop_workplace(self->r.mem, self->r.vcpu);
	nlraw_close(&self->r.nl);
	close(self->r.vm);
	close(self->r.dev);
}

TEST_F_TIMEOUT(race, all, 3600)
{
	static void (*const steps[])(struct race *r, unsigned long n) = {
		change_slots, read_logs, disturb_memory, change_tlbs, ask, live, look,
	};
	enum { TROUBLES = sizeof(steps) / sizeof(steps[0]) };
	struct trouble t[TROUBLES] = {};
	struct worker w[WORKERS];
	double end = now() + setting("NPT_RACE_SECONDS", 2);
	unsigned int i;

	if (!swap_on())
		fprintf(stderr, "# nothing to swap to\n");
	start_workers(w, self->r.vcpu, true);
	for (i = 0; i < TROUBLES; i++) {
		t[i].r = &self->r;
		t[i].step = steps[i];
		ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, make_trouble, &t[i]));
	}
	while (now() < end && !atomic_load(&self->r.strange))
		usleep(20000);
	wait_for_rounds(w);
	atomic_store(&self->r.stop, true);
	for (i = 0; i < TROUBLES; i++) {
		pthread_join(t[i].thread, NULL);
		fprintf(stderr, "# trouble %u: %lu times\n", i, t[i].steps);
		EXPECT_LT(0, t[i].steps);
	}
	EXPECT_TRUE(stop_workers(w));
	EXPECT_EQ(0, atomic_load(&self->r.strange));
	write_file("/sys/kernel/mm/ksm/run", "0");
}

TEST_HARNESS_MAIN
