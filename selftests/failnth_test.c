// SPDX-License-Identifier: GPL-2.0
/*
 * Every ioctl, mmap() with its page faults, open() and close(), with each
 * allocation and each copy from or to user space failing in turn: the errno is
 * one of those that Documentation/uapi.rst has, nothing is half done, and the
 * same call succeeds afterwards.
 */
#include <stdio.h>
#include "failnth.h"
#include "kselftest_harness.h"
#include "laws.h"
#include "utils.h"

#define MEM_SIZE (2 * MIB)
#define SLOT_SIZE (64 * PAGE)
#define SPARE_GPA (16 * MIB)	/* where rows put a slot of their own */
#define SPARE 7

/* What a call is made on. BARE: a VM of its own, without vCPUs, new each time. */
enum on { DEV, VM, VCPU, BARE };

struct snapshot {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
};

struct world {
	int dev, vm, vcpu, bare;
	bool svm;
	unsigned int mmu;
	char *mem;
	void *run;
	const struct row *row;
	struct snapshot before;
	union {
		char bytes[16384];
		uint32_t size;
		struct kvm_cpuid2 cpuid;
		struct kvm_msr_list msr_list;
		struct kvm_msrs msrs;
		struct kvm_enable_cap cap;
		struct kvm_userspace_memory_region region;
		struct kvm_dirty_log dirty_log;
		struct kvm_clear_dirty_log clear_log;
		struct kvm_irq_level irq;
		struct kvm_msi msi;
		struct kvm_irq_routing routing;
		struct kvm_signal_mask mask;
		struct kvm_interrupt interrupt;
		struct npt_create_vm create;
		struct npt_tlb_model tlb;
		struct npt_stats stats;
		struct npt_batch batch;
		struct npt_explain explain;
	} arg;
	char more[16384];	/* what pointers in arg lead to */
};

struct row {
	const char *name;
	enum on on;
	unsigned long cmd;
	long (*call)(struct world *w);	/* instead of an ioctl */
	bool by_value;			/* the argument is @value and no pointer */
	unsigned long value;
	bool own;			/* a struct that begins with its size */
	unsigned long from;		/* of a vCPU: the call whose answer is given */
	void (*fill)(struct world *w);	/* what goes in, and what must be there */
	void (*undo)(struct world *w, long ret);
	long soft, svm;			/* expected, if it is an error */
	bool quiet;			/* there is no place that could fail it */
};

/* --- what goes in ----------------------------------------------------------------- */

static const struct npt_tlb_model model = {
	.size = sizeof(model),
	.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K, .entries = 16,
		    .ways = 4 },
	.tlb[1] = { .level = 1, .kinds = NPT_TLB_FETCH, .pages = NPT_PAGE_4K, .entries = 8 },
	.tlb[2] = { .level = 2, .kinds = NPT_TLB_DATA | NPT_TLB_FETCH,
		    .pages = NPT_PAGE_4K | NPT_PAGE_2M, .entries = 64, .ways = 8 },
	.pwc[0] = { .dims = NPT_PWC_GUEST | NPT_PWC_NESTED, .levels = 0x1c, .entries = 8 },
	.ntlb_entries = 16,
};

static void fill_cpuid(struct world *w)
{
	w->arg.cpuid.nent = 200;
}

static void fill_supported(struct world *w)
{
	fill_cpuid(w);
	call(w->dev, KVM_GET_SUPPORTED_CPUID, &w->arg.cpuid);
}

static void fill_msr_list(struct world *w)
{
	w->arg.msr_list.nmsrs = 1000;
}

/* The microcode's revision, which the device has too, and one of the guest's. */
static void fill_msrs(struct world *w)
{
	w->arg.msrs.nmsrs = w->row->on == DEV ? 1 : 2;
	w->arg.msrs.entries[0].index = 0x8b;
	w->arg.msrs.entries[1].index = 0x174;
}

static void fill_create(struct world *w)
{
	w->arg.create = vm_args(w->mmu);
	w->arg.create.engine = w->svm ? NPT_ENGINE_SVM : NPT_ENGINE_SOFT;
	/* Hardware has TLBs of its own. */
	if (!w->svm)
		w->arg.create.tlb = (uintptr_t)&model;
}

static void fill_cap(struct world *w)
{
	w->arg.cap.cap = KVM_CAP_MAX_VCPU_ID;
	w->arg.cap.args[0] = 16;
}

static void fill_model(struct world *w)
{
	w->arg.tlb = model;
}

static void fill_stats(struct world *w)
{
	w->arg.stats.count = NPT_CTR_NR;
	w->arg.stats.values = (uintptr_t)w->more;
}

static void fill_irq(struct world *w)
{
	w->arg.irq.irq = 5;
	w->arg.irq.level = 1;
}

static void fill_msi(struct world *w)
{
	w->arg.msi.address_lo = 0xfee00000;
	w->arg.msi.data = 0x40;
}

static void fill_routing(struct world *w)
{
	struct kvm_irq_routing_entry *e = w->arg.routing.entries;
	unsigned int i;

	w->arg.routing.nr = 64;
	for (i = 0; i < 64; i++) {
		e[i].gsi = i;
		e[i].type = KVM_IRQ_ROUTING_MSI;
		e[i].u.msi.address_lo = 0xfee00000;
		e[i].u.msi.data = 0x40 + i;
	}
}

static void fill_mask(struct world *w)
{
	w->arg.mask.len = 8;
}

static void fill_interrupt(struct world *w)
{
	w->arg.interrupt.irq = 0x40;
}

static void fill_batch(struct world *w)
{
	struct npt_access *rec = (void *)w->more;

	rec[0] = (struct npt_access) {
		.size = 8, .op = NPT_OP_READ, .flags = NPT_ACCESS_PHYS | NPT_ACCESS_DATA,
	};
	w->arg.batch.accesses = (uintptr_t)rec;
	w->arg.batch.results = (uintptr_t)(w->more + 1024);
	w->arg.batch.data = (uintptr_t)(w->more + 2048);
	w->arg.batch.data_len = 8;
	w->arg.batch.count = 1;
}

static void fill_explain(struct world *w)
{
	w->arg.explain.flags = NPT_EXPLAIN_FILL;
	w->arg.explain.op = NPT_OP_READ;
	w->arg.explain.count = NPT_WALK_MAX;
	w->arg.explain.entries = (uintptr_t)w->more;
}

/* --- memslots ------------------------------------------------------------------------ */

static int spare(struct world *w, uint32_t flags, uint64_t gpa, uint64_t size)
{
	return set_slot(w->vm, SPARE, flags, gpa, size, w->mem + MEM_SIZE / 2);
}

static void undo_spare(struct world *w, long ret)
{
	spare(w, 0, SPARE_GPA, 0);
}

static void region(struct world *w, uint32_t flags, uint64_t gpa, uint64_t size)
{
	w->arg.region = (struct kvm_userspace_memory_region) {
		.slot = SPARE, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)w->mem + MEM_SIZE / 2,
	};
}

static void fill_add(struct world *w)
{
	region(w, 0, SPARE_GPA, SLOT_SIZE);
}

static void fill_add_logged(struct world *w)
{
	region(w, KVM_MEM_LOG_DIRTY_PAGES, SPARE_GPA, SLOT_SIZE);
}

/* The soft engine's vCPU can write there. */
static void touch_spare(struct world *w)
{
	uint64_t value = 1, i;

	for (i = 0; i < 4; i++)
		write_phys(w->vcpu, SPARE_GPA + i * PAGE, &value, 8);
}

static void fill_delete(struct world *w)
{
	spare(w, 0, SPARE_GPA, SLOT_SIZE);
	touch_spare(w);
	region(w, 0, SPARE_GPA, 0);
}

static void fill_log_on(struct world *w)
{
	spare(w, 0, SPARE_GPA, SLOT_SIZE);
	touch_spare(w);
	region(w, KVM_MEM_LOG_DIRTY_PAGES, SPARE_GPA, SLOT_SIZE);
}

static void fill_log_off(struct world *w)
{
	spare(w, KVM_MEM_LOG_DIRTY_PAGES, SPARE_GPA, SLOT_SIZE);
	touch_spare(w);
	region(w, 0, SPARE_GPA, SLOT_SIZE);
}

static void fill_move(struct world *w)
{
	spare(w, 0, SPARE_GPA, SLOT_SIZE);
	touch_spare(w);
	region(w, 0, SPARE_GPA + SLOT_SIZE, SLOT_SIZE);
}

static void fill_dirty_log(struct world *w)
{
	spare(w, KVM_MEM_LOG_DIRTY_PAGES, SPARE_GPA, SLOT_SIZE);
	touch_spare(w);
	w->arg.dirty_log.slot = SPARE;
	w->arg.dirty_log.dirty_bitmap = w->more;
}

/* What was written is in the log that a call after a failure gives. */
static void undo_dirty_log(struct world *w, long ret)
{
	if (!w->svm && (*(uint64_t *)w->more & 0xf) != 0xf) {
		fprintf(stderr, "the dirty log lost pages: %#llx\n",
			*(unsigned long long *)w->more);
		abort();
	}
	undo_spare(w, ret);
}

static void fill_clear_log(struct world *w)
{
	spare(w, KVM_MEM_LOG_DIRTY_PAGES, SPARE_GPA, SLOT_SIZE);
	touch_spare(w);
	memset(w->more, 0xff, SLOT_SIZE / PAGE / 8);
	w->arg.clear_log.slot = SPARE;
	w->arg.clear_log.num_pages = SLOT_SIZE / PAGE;
	w->arg.clear_log.dirty_bitmap = w->more;
}

/* --- files ------------------------------------------------------------------------------ */

static void undo_fd(struct world *w, long ret)
{
	close(ret);
}

static long call_open(struct world *w)
{
	int fd = open_npt();

	return fd < 0 ? -errno : fd;
}

static long call_mmap(struct world *w)
{
	void *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->vcpu, 0);

	w->run = p;
	return p == MAP_FAILED ? -errno : 0;
}

static void fill_touch(struct world *w)
{
	call_mmap(w);
}

static void undo_run(struct world *w, long ret)
{
	munmap(w->run, 2 * PAGE);
}

/* The kernel tries again until it has the memory. */
static long call_touch(struct world *w)
{
	((volatile char *)w->run)[0] = 1;
	((volatile char *)w->run)[PAGE] = 1;
	return 0;
}

/* The page is brought in by a system call, which can fail. */
static long call_read_into(struct world *w)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = read(fd, (char *)w->run + PAGE, 8);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* The last files of a VM with a vCPU and memory. */
static void fill_close(struct world *w)
{
	int vcpu = call_value(w->bare, KVM_CREATE_VCPU, 0);

	set_slot(w->bare, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, w->mem);
	close(vcpu);
}

static long call_close(struct world *w)
{
	int ret = close(w->bare);

	w->bare = -1;
	return ret;
}

/* --- the table ----------------------------------------------------------------------------- */

#define ROW(on_, cmd_, ...) { .name = #cmd_, .on = on_, .cmd = cmd_, ##__VA_ARGS__ }
/* Only a number goes in and out. */
#define NUMBER(on_, cmd_, value_, ...) \
	{ .name = #cmd_, .on = on_, .cmd = cmd_, .by_value = true, .value = value_, ##__VA_ARGS__ }
#define SLOT_ROW(what, fill_, ...) { \
	.name = "KVM_SET_USER_MEMORY_REGION, " what, .on = VM, .fill = fill_, \
	.cmd = KVM_SET_USER_MEMORY_REGION, .undo = undo_spare, ##__VA_ARGS__ }

static const struct row rows[] = {
	{ .name = "open", .call = call_open, .undo = undo_fd },
	NUMBER(DEV, KVM_GET_API_VERSION, 0, .quiet = true),
	NUMBER(DEV, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY, .quiet = true),
	NUMBER(DEV, KVM_GET_VCPU_MMAP_SIZE, 0, .quiet = true),
	NUMBER(DEV, KVM_CREATE_VM, 0, .undo = undo_fd),
	ROW(DEV, KVM_GET_SUPPORTED_CPUID, .fill = fill_cpuid),
	ROW(DEV, KVM_GET_EMULATED_CPUID, .fill = fill_cpuid, .quiet = true),
	ROW(DEV, KVM_GET_MSR_INDEX_LIST, .fill = fill_msr_list),
	ROW(DEV, KVM_GET_MSR_FEATURE_INDEX_LIST, .fill = fill_msr_list),
	ROW(DEV, KVM_GET_MSRS, .fill = fill_msrs),
	ROW(DEV, NPT_CREATE_VM, .own = true, .fill = fill_create, .undo = undo_fd),
	ROW(DEV, NPT_GET_CAPS, .own = true, .value = sizeof(struct npt_caps)),

	NUMBER(VM, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY, .quiet = true),
	ROW(VM, KVM_ENABLE_CAP, .fill = fill_cap),
	NUMBER(BARE, KVM_CREATE_VCPU, 0, .undo = undo_fd),
	NUMBER(VM, KVM_SET_NR_MMU_PAGES, 64, .quiet = true),
	NUMBER(VM, KVM_GET_NR_MMU_PAGES, 0, .quiet = true),
	NUMBER(VM, KVM_GET_TSC_KHZ, 0, .quiet = true),
	NUMBER(VM, KVM_SET_TSC_KHZ, 0, .quiet = true),
	SLOT_ROW("new", fill_add),
	SLOT_ROW("new with a log", fill_add_logged),
	SLOT_ROW("delete", fill_delete),
	SLOT_ROW("log on", fill_log_on),
	SLOT_ROW("log off", fill_log_off),
	SLOT_ROW("move", fill_move),
	ROW(VM, KVM_GET_DIRTY_LOG, .fill = fill_dirty_log, .undo = undo_dirty_log),
	ROW(VM, KVM_CLEAR_DIRTY_LOG, .fill = fill_clear_log, .undo = undo_spare),
	NUMBER(BARE, KVM_CREATE_IRQCHIP, 0, .soft = -EOPNOTSUPP, .quiet = true),
	ROW(VM, KVM_GET_IRQCHIP, .soft = -ENXIO, .svm = -ENXIO),
	ROW(VM, KVM_SET_IRQCHIP, .soft = -ENXIO, .svm = -ENXIO),
	ROW(VM, KVM_IRQ_LINE, .fill = fill_irq, .soft = -ENXIO),
	ROW(VM, KVM_IRQ_LINE_STATUS, .fill = fill_irq, .soft = -ENXIO),
	ROW(VM, KVM_SIGNAL_MSI, .fill = fill_msi, .soft = -EINVAL),
	ROW(VM, KVM_SET_GSI_ROUTING, .fill = fill_routing, .soft = -EINVAL),
	NUMBER(VM, KVM_SET_TSS_ADDR, 0xfffbd000, .quiet = true),
	ROW(BARE, KVM_SET_IDENTITY_MAP_ADDR),
	NUMBER(BARE, KVM_SET_BOOT_CPU_ID, 0, .quiet = true),
	ROW(VM, NPT_VM_INFO, .own = true, .value = sizeof(struct npt_vm_info)),
	ROW(VM, NPT_GET_TLB, .own = true, .value = sizeof(struct npt_tlb_model)),
	ROW(VM, NPT_SET_TLB, .own = true, .fill = fill_model),
	ROW(VM, NPT_FLUSH, .own = true, .value = sizeof(struct npt_flush)),
	ROW(VM, NPT_STATS, .own = true, .value = sizeof(struct npt_stats), .fill = fill_stats),
	{ .name = "close", .on = BARE, .call = call_close, .fill = fill_close, .quiet = true },

	ROW(VCPU, NPT_BATCH, .own = true, .value = sizeof(struct npt_batch), .fill = fill_batch,
	    .svm = -EOPNOTSUPP),
	ROW(VCPU, KVM_GET_REGS),
	ROW(VCPU, KVM_SET_REGS, .from = KVM_GET_REGS),
	ROW(VCPU, KVM_GET_SREGS),
	ROW(VCPU, KVM_SET_SREGS, .from = KVM_GET_SREGS),
	ROW(VCPU, KVM_GET_SREGS2),
	ROW(VCPU, KVM_SET_SREGS2, .from = KVM_GET_SREGS2),
	ROW(VCPU, KVM_GET_FPU),
	ROW(VCPU, KVM_SET_FPU, .from = KVM_GET_FPU),
	ROW(VCPU, KVM_GET_XSAVE),
	ROW(VCPU, KVM_SET_XSAVE, .from = KVM_GET_XSAVE),
	ROW(VCPU, KVM_GET_XSAVE2),
	ROW(VCPU, KVM_GET_XCRS),
	ROW(VCPU, KVM_SET_XCRS, .from = KVM_GET_XCRS),
	ROW(VCPU, KVM_GET_VCPU_EVENTS),
	ROW(VCPU, KVM_SET_VCPU_EVENTS, .from = KVM_GET_VCPU_EVENTS),
	ROW(VCPU, KVM_GET_DEBUGREGS),
	ROW(VCPU, KVM_SET_DEBUGREGS, .from = KVM_GET_DEBUGREGS),
	ROW(VCPU, KVM_SET_GUEST_DEBUG, .soft = -EOPNOTSUPP),
	ROW(VCPU, KVM_SET_CPUID2, .fill = fill_supported),
	ROW(VCPU, KVM_GET_CPUID2, .fill = fill_cpuid),
	ROW(VCPU, KVM_GET_MSRS, .fill = fill_msrs),
	ROW(VCPU, KVM_SET_MSRS, .fill = fill_msrs),
	ROW(VCPU, KVM_SET_SIGNAL_MASK, .fill = fill_mask),
	NUMBER(VCPU, KVM_GET_TSC_KHZ, 0, .quiet = true),
	NUMBER(VCPU, KVM_SET_TSC_KHZ, 0, .quiet = true),
	ROW(VCPU, KVM_TRANSLATE),
	ROW(VCPU, KVM_GET_MP_STATE),
	ROW(VCPU, KVM_SET_MP_STATE, .from = KVM_GET_MP_STATE),
	ROW(VCPU, KVM_GET_LAPIC, .soft = -EINVAL),
	ROW(VCPU, KVM_SET_LAPIC, .from = KVM_GET_LAPIC, .soft = -EINVAL),
	ROW(VCPU, KVM_INTERRUPT, .fill = fill_interrupt, .soft = -EOPNOTSUPP, .svm = -ENXIO),
	NUMBER(VCPU, KVM_NMI, 0, .soft = -EOPNOTSUPP, .quiet = true),
	ROW(VCPU, NPT_EXPLAIN, .own = true, .value = sizeof(struct npt_explain),
	    .fill = fill_explain),
	ROW(VCPU, NPT_FLUSH, .own = true, .value = sizeof(struct npt_flush)),
	ROW(VCPU, NPT_STATS, .own = true, .value = sizeof(struct npt_stats), .fill = fill_stats),
	{ .name = "mmap", .on = VCPU, .call = call_mmap, .undo = undo_run },
	{ .name = "page faults", .on = VCPU, .call = call_touch, .fill = fill_touch,
	  .undo = undo_run, .quiet = true },
	{ .name = "page fault in a call", .on = VCPU, .call = call_read_into, .fill = fill_touch,
	  .undo = undo_run },
};

/* --- one row ---------------------------------------------------------------------------------- */

static void take_snapshot(const struct world *w, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	call(w->vcpu, KVM_GET_REGS, &s->regs);
	call(w->vcpu, KVM_GET_SREGS, &s->sregs);
	call(w->vcpu, KVM_GET_VCPU_EVENTS, &s->events);
	call(w->vcpu, KVM_GET_DEBUGREGS, &s->debugregs);
	call(w->vcpu, KVM_GET_XCRS, &s->xcrs);
}

static int make_vm(struct world *w)
{
	struct npt_create_vm c = vm_args(w->mmu);

	c.engine = w->svm ? NPT_ENGINE_SVM : NPT_ENGINE_SOFT;
	return call(w->dev, NPT_CREATE_VM, &c);
}

static bool prepare(void *world)
{
	struct world *w = world;
	const struct row *row = w->row;

	memset(&w->arg, 0, sizeof(w->arg));
	if (row->on == BARE) {
		w->bare = make_vm(w);
		if (w->bare < 0)
			return false;
	}
	if (row->own)
		w->arg.size = row->value;
	if (row->from && call(w->vcpu, row->from, &w->arg) && !row->soft)
		return false;
	if (row->fill)
		row->fill(w);
	take_snapshot(w, &w->before);
	return true;
}

static long make_call(void *world)
{
	struct world *w = world;
	const struct row *row = w->row;
	const int fds[] = { [DEV] = w->dev, [VM] = w->vm, [VCPU] = w->vcpu, [BARE] = w->bare };

	if (row->call)
		return row->call(w);
	return call(fds[row->on], row->cmd, row->by_value ? (void *)row->value : &w->arg);
}

static enum failnth_end judge(void *world, long ret, bool hit)
{
	struct world *w = world;
	long want = w->svm ? w->row->svm : w->row->soft;
	struct snapshot now;

	if (want ? ret == want : ret >= 0)
		return FAILNTH_DONE;
	if (ret >= 0 || failnth_judge(world, ret, hit) == FAILNTH_WRONG)
		return FAILNTH_WRONG;
	take_snapshot(w, &now);
	if (memcmp(&now, &w->before, sizeof(now))) {
		fprintf(stderr, "%s failed (%ld), and registers have changed\n", w->row->name, ret);
		return FAILNTH_WRONG;
	}
	return FAILNTH_FAILED;
}

static void undo(void *world, long ret)
{
	struct world *w = world;

	if (w->row->undo && ret >= 0)
		w->row->undo(w, ret);
	if (w->row->on == BARE && w->bare >= 0)
		close(w->bare);
}

static const struct failnth_ops ops = {
	.prepare = prepare, .call = make_call, .judge = judge, .undo = undo,
};

/* --- all rows ---------------------------------------------------------------------- */

FIXTURE(failnth) {
	struct world w;
	const char *why_not;
};

FIXTURE_VARIANT(failnth) {
	unsigned int engine, mmu;
};

FIXTURE_VARIANT_ADD(failnth, soft_nested) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_NESTED,
};

FIXTURE_VARIANT_ADD(failnth, soft_shadow) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_SHADOW,
};

FIXTURE_VARIANT_ADD(failnth, svm_nested) {
	.engine = NPT_ENGINE_SVM, .mmu = NPT_MMU_NESTED,
};

FIXTURE_VARIANT_ADD(failnth, svm_shadow) {
	.engine = NPT_ENGINE_SVM, .mmu = NPT_MMU_SHADOW,
};

FIXTURE_SETUP(failnth)
{
	struct world *w = &self->w;

	if (!failnth_there(&self->why_not))
		return;
	self->why_not = "no /dev/npt";
	w->dev = open_npt();
	if (w->dev < 0)
		return;
	w->svm = variant->engine == NPT_ENGINE_SVM;
	w->mmu = variant->mmu;
	w->vm = make_vm(w);
	self->why_not = "no such engine here";
	if (w->vm == -EOPNOTSUPP)
		return;
	ASSERT_LE(0, w->vm);
	self->why_not = NULL;
	if (w->svm)
		ASSERT_EQ(0, call_value(w->vm, KVM_CREATE_IRQCHIP, 0));
	w->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, w->mem);
	ASSERT_EQ(0, set_slot(w->vm, 0, 0, 0, MEM_SIZE / 2, w->mem));
	w->vcpu = call_value(w->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, w->vcpu);
}

FIXTURE_TEARDOWN(failnth)
{
	if (self->why_not)
		return;
	close(self->w.vcpu);
	close(self->w.vm);
	close(self->w.dev);
	munmap(self->w.mem, MEM_SIZE);
}

TEST_F_TIMEOUT(failnth, calls, 900)
{
	struct npt_vm_info info = { .size = sizeof(info) };
	struct failnth_sum sum;
	unsigned int i;

	if (self->why_not)
		SKIP(return, "%s", self->why_not);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		self->w.row = &rows[i];
		EXPECT_TRUE(failnth_sweep(rows[i].name, &ops, &self->w, &sum));
		if (!rows[i].quiet) {
			EXPECT_LT(0, sum.failed) {
				TH_LOG("%s: no failure reached it", rows[i].name);
			}
		}
		EXPECT_EQ(0, laws_broken(self->w.vm));
	}
	ASSERT_EQ(0, call(self->w.vm, NPT_VM_INFO, &info));
	EXPECT_EQ(1, info.vcpus);
	EXPECT_EQ(1, info.slots);
}

TEST_HARNESS_MAIN
