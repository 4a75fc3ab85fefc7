// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that run while each allocation fails in turn: accesses handed to the
 * soft engine, KVM_RUN on both engines. What fails says so, nothing is done
 * twice or left out, and the guest goes on where it stopped.
 */
#include <stddef.h>
#include <stdio.h>
#include "failnth.h"
#include "kselftest_harness.h"
#include "laws.h"
#include "utils.h"

#define MEM_SIZE (2 * MIB)
#define MAPPED (4 * MIB)	/* gva = gpa up to here */
#define CODE 0x1000UL
#define TABLES 0x100000UL
#define STORED 0x20000UL
#define LOADED 0x30000UL
#define COUNTED 0x40000UL
#define REMAPPED 0x50000UL	/* the guest points it at TARGET */
#define TARGET 0x90000UL
#define LAST 0x60000UL

#define STORED_VALUE 0x11U
#define LOADED_VALUE 0x55667788U
#define TARGET_VALUE 0x11223344U
#define MMIO_VALUE 0xabcdef01U

struct world {
	int dev, vm, vcpu;
	struct npt_create_vm create;
	char *mem;
	struct kvm_run *run;
	bool (*begin)(struct world *w);	/* after the VM has been made */
	bool gone;			/* the guest finds its memory taken away */
};

/* --- a VM for each place --------------------------------------------------------------- */

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment) {
		.limit = ~0U, .type = type, .present = 1, .s = 1, .db = !code, .l = code, .g = 1,
		.selector = selector,
	};
}

static bool set_state(struct world *w)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = CODE, .rflags = 2 };
	struct kvm_sregs s;

	if (call(w->vcpu, KVM_GET_SREGS, &s))
		return false;
	s.cs = segment(8, 11, true);
	s.ds = segment(16, 3, false);
	s.es = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.ss = s.ds;
	s.cr0 = CR0_PE | CR0_PG | CR0_WP | 1 << 4;
	s.cr3 = TABLES;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	return !call(w->vcpu, KVM_SET_SREGS, &s) && !call(w->vcpu, KVM_SET_REGS, &regs);
}

static void set_memory(struct world *w)
{
	identity_tables(w->mem + TABLES, TABLES, MAPPED);
	*(uint32_t *)(w->mem + LOADED) = LOADED_VALUE;
}

static bool prepare(void *world)
{
	struct world *w = world;

	w->mem = map_memory(MEM_SIZE);
	w->vm = create_as(w->dev, &w->create);
	if (w->mem == MAP_FAILED || w->vm < 0 || set_slot(w->vm, 0, 0, 0, MEM_SIZE, w->mem))
		return false;
	set_memory(w);
	w->vcpu = call_value(w->vm, KVM_CREATE_VCPU, 0);
	if (w->vcpu < 0)
		return false;
	w->run = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->vcpu, 0);
	return w->run != MAP_FAILED && set_state(w) && w->begin(w);
}

static void undo(void *world, long ret)
{
	struct world *w = world;

	munmap(w->run, 2 * PAGE);
	close(w->vcpu);
	close(w->vm);
	munmap(w->mem, MEM_SIZE);
}

static uint32_t word(const struct world *w, uint64_t gpa)
{
	return *(volatile uint32_t *)(w->mem + gpa);
}

static bool wrong(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return false;
}

/* What both guests leave behind, and in the counters. */
static bool left_right(const struct world *w)
{
	if (laws_broken(w->vm))
		return wrong("the counters are wrong");
	if (word(w, STORED) != STORED_VALUE)
		return wrong("what was stored is not there");
	if (word(w, TARGET) != TARGET_VALUE || word(w, REMAPPED))
		return wrong("what was stored through a changed entry is elsewhere");
	return true;
}

/* --- accesses ---------------------------------------------------------------------------- */

#define NREC 9

/* What batch_call() gives besides 0 and -errno. */
#define ACCESS_STATUS 1000	/* + the status of an access that did not end well */
#define ENDED_EARLY 2000	/* want of memory, after some */

static long batch_call(void *world)
{
	struct world *w = world;
	uint64_t entry = TARGET | PTE_RWU;
	struct area {
		uint32_t stored, loaded, entry[2], target, again;
	} data = { .stored = STORED_VALUE, .target = TARGET_VALUE };
/* Where a field is in the data area. */
#define DATA(field) .data = offsetof(struct area, field), .flags = NPT_ACCESS_DATA
	const struct npt_access rec[NREC] = {
		{ .gva = STORED, .size = 4, .op = NPT_OP_WRITE, DATA(stored) },
		{ .gva = LOADED, .size = 4, .op = NPT_OP_READ, DATA(loaded) },
		{ .gva = CODE, .size = 1, .op = NPT_OP_FETCH },
		{ .gva = LAST, .size = 1, .op = NPT_OP_WRITE, .flags = NPT_ACCESS_PHYS },
		{ .gva = TABLES + FIRST_PT * PAGE + REMAPPED / PAGE * 8, .size = 8,
		  .op = NPT_OP_WRITE, DATA(entry) },
		{ .gva = REMAPPED, .op = NPT_OP_INVLPG },
		{ .gva = REMAPPED, .size = 4, .op = NPT_OP_WRITE, DATA(target) },
		{ .gva = TABLES, .op = NPT_OP_MOV_CR3 },
		{ .gva = REMAPPED, .size = 4, .op = NPT_OP_READ, DATA(again) },
	};
	struct npt_access_result res[NREC];
	struct npt_batch b = {
		.size = sizeof(b), .accesses = (uintptr_t)rec, .results = (uintptr_t)res,
		.data = (uintptr_t)&data, .data_len = sizeof(data), .count = NREC,
		.flags = NPT_BATCH_STOP,
	};
	unsigned int i;
	long ret;

	memcpy(data.entry, &entry, sizeof(entry));
	ret = call(w->vcpu, NPT_BATCH, &b);
	if (ret)
		return ret;
	for (i = 0; i < b.done; i++)
		if (res[i].status)
			return ACCESS_STATUS + res[i].status;
	if (b.done != NREC)
		return b.done ? ENDED_EARLY : -EPROTO;
	if (data.loaded != (w->gone ? 0 : LOADED_VALUE) || data.again != TARGET_VALUE)
		return -EUCLEAN;
	return 0;
}

static enum failnth_end batch_judge(void *world, long ret, bool hit)
{
	if (!ret)
		return left_right(world) ? FAILNTH_DONE : FAILNTH_WRONG;
	if (hit && (ret == ENDED_EARLY || ret == ACCESS_STATUS + NPT_STATUS_HOST_FAULT))
		return FAILNTH_FAILED;
	return ret > 0 ? FAILNTH_WRONG : failnth_judge(world, ret, hit);
}

static const struct failnth_ops batch_ops = {
	.prepare = prepare, .call = batch_call, .judge = batch_judge, .undo = undo,
};

/* Nothing has been touched yet. */
static bool begin_cold(struct world *w)
{
	return true;
}

/* All was mapped, and then the host took it away. */
static bool begin_taken(struct world *w)
{
	w->gone = false;
	if (batch_call(w))
		return false;
	w->gone = true;
	return !madvise(w->mem, TABLES, MADV_DONTNEED);
}

/* All was mapped, and its writes are logged from now on. */
static bool begin_logged(struct world *w)
{
	return !batch_call(w) &&
	       !set_slot(w->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, w->mem);
}

/* --- the host takes memory away --------------------------------------------------------------- */

static bool begin_mapped(struct world *w)
{
	w->gone = false;
	return !batch_call(w);
}

static long take_call(void *world)
{
	struct world *w = world;

	return madvise(w->mem, TABLES, MADV_DONTNEED) ? -errno : 0;
}

/* It can't fail, and nobody sees the old memory. */
static enum failnth_end take_judge(void *world, long ret, bool hit)
{
	struct world *w = world;
	uint32_t value = 1;

	if (ret || read_virt(w->vcpu, STORED, &value, 4) || value || laws_broken(w->vm))
		return FAILNTH_WRONG;
	return FAILNTH_DONE;
}

static const struct failnth_ops take_ops = {
	.prepare = prepare, .call = take_call, .judge = take_judge, .undo = undo,
};

/* --- KVM_RUN ---------------------------------------------------------------------- */

static const uint8_t program[] = {
	0xb8, 0x11, 0, 0, 0,				/* mov $STORED_VALUE, %eax */
	0x89, 0x04, 0x25, 0x00, 0x00, 0x02, 0x00,	/* mov %eax, STORED */
	0x8b, 0x0c, 0x25, 0x00, 0x00, 0x03, 0x00,	/* mov LOADED, %ecx */
	0xff, 0x04, 0x25, 0x00, 0x00, 0x04, 0x00,	/* incl COUNTED */
	0x48, 0xc7, 0x04, 0x25, 0x80, 0x32, 0x10, 0x00,	/* movq $TARGET | 7, its entry */
	0x07, 0x00, 0x09, 0x00,
	0x0f, 0x01, 0x3c, 0x25, 0x00, 0x00, 0x05, 0x00,	/* invlpg REMAPPED */
	0xc7, 0x04, 0x25, 0x00, 0x00, 0x05, 0x00,	/* movl $TARGET_VALUE, REMAPPED */
	0x44, 0x33, 0x22, 0x11,
	0x31, 0xc0, 0x0f, 0xa2,				/* xor %eax, %eax; cpuid */
	0x8b, 0x04, 0x25, 0x00, 0x00, 0x30, 0x00,	/* mov 3 << 20, %eax: no memory there */
	0x89, 0xc2,					/* mov %eax, %edx */
	0xe6, 0x10,					/* out %al, $16 */
	0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8,		/* mov %cr3, %rax; mov %rax, %cr3 */
	0xff, 0x04, 0x25, 0x00, 0x00, 0x04, 0x00,	/* incl COUNTED */
	0x89, 0x14, 0x25, 0x00, 0x00, 0x06, 0x00,	/* mov %edx, LAST */
	0xf4,						/* hlt */
};

static bool begin_program(struct world *w)
{
	memcpy(w->mem + CODE, program, sizeof(program));
	return true;
}

/* From where it stands to its end. An exit that nothing asked for is no errno. */
static long run_call(void *world)
{
	struct world *w = world;
	uint32_t answer = MMIO_VALUE;
	long ret;

	for (;;) {
		ret = call(w->vcpu, KVM_RUN, NULL);
		if (ret)
			return ret;
		switch (w->run->exit_reason) {
		case KVM_EXIT_MMIO:
			memcpy(w->run->mmio.data, &answer, sizeof(answer));
			break;
		case KVM_EXIT_IO:
			break;
		case KVM_EXIT_HLT:
			return 0;
		default:
			return -10000L - w->run->exit_reason;
		}
	}
}

static enum failnth_end run_judge(void *world, long ret, bool hit)
{
	struct world *w = world;

	if (ret)
		return failnth_judge(world, ret, hit);
	if (word(w, COUNTED) != 2 || word(w, LAST) != MMIO_VALUE) {
		fprintf(stderr, "counted to %u of 2, got %#x\n", word(w, COUNTED),
			word(w, LAST));
		return FAILNTH_WRONG;
	}
	return left_right(w) ? FAILNTH_DONE : FAILNTH_WRONG;
}

static const struct failnth_ops run_ops = {
	.prepare = prepare, .call = run_call, .judge = run_judge, .undo = undo,
};

static bool begin_halt(struct world *w)
{
	w->mem[CODE] = 0xf4;
	return true;
}

static const struct failnth_ops halt_ops = {
	.prepare = prepare, .call = run_call, .judge = failnth_judge, .undo = undo,
};

/* --- each mode -------------------------------------------------------------------- */

FIXTURE(failnth_run) {
	struct world w;
	const char *why_not;
};

FIXTURE_VARIANT(failnth_run) {
	unsigned int engine, mmu, format, flags;
};

FIXTURE_VARIANT_ADD(failnth_run, native) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_NATIVE,
};

FIXTURE_VARIANT_ADD(failnth_run, nested) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_NESTED,
};

FIXTURE_VARIANT_ADD(failnth_run, ept) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_NESTED, .format = NPT_NESTED_EPT,
};

FIXTURE_VARIANT_ADD(failnth_run, shadow) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_SHADOW,
};

FIXTURE_VARIANT_ADD(failnth_run, shadow_sync) {
	.engine = NPT_ENGINE_SOFT, .mmu = NPT_MMU_SHADOW, .flags = NPT_VM_NO_UNSYNC,
};

FIXTURE_VARIANT_ADD(failnth_run, svm_nested) {
	.engine = NPT_ENGINE_SVM, .mmu = NPT_MMU_NESTED,
};

FIXTURE_VARIANT_ADD(failnth_run, svm_shadow) {
	.engine = NPT_ENGINE_SVM, .mmu = NPT_MMU_SHADOW,
};

FIXTURE_SETUP(failnth_run)
{
	struct world *w = &self->w;
	int vm;

	if (!failnth_there(&self->why_not))
		return;
	self->why_not = "no /dev/npt";
	w->dev = open_npt();
	if (w->dev < 0)
		return;
	w->create = vm_args(variant->mmu);
	w->create.engine = variant->engine;
	w->create.nested_format = variant->format;
	w->create.flags = variant->flags;
	vm = call(w->dev, NPT_CREATE_VM, &w->create);
	self->why_not = "no such engine here";
	if (vm == -EOPNOTSUPP)
		return;
	ASSERT_LE(0, vm);
	close(vm);
	self->why_not = NULL;
}

FIXTURE_TEARDOWN(failnth_run)
{
	if (!self->why_not)
		close(self->w.dev);
}

#define SWEEP(name, ops_, begin_) ({					\
		struct failnth_sum sum_;				\
		self->w.begin = begin_;					\
		self->w.gone = false;					\
		EXPECT_TRUE(failnth_sweep(name, ops_, &self->w, &sum_));	\
		sum_.failed; })

TEST_F_TIMEOUT(failnth_run, guest, 1200)
{
	if (self->why_not)
		SKIP(return, "%s", self->why_not);
	if (variant->engine == NPT_ENGINE_SVM) {
		EXPECT_LT(10, SWEEP("KVM_RUN", &run_ops, begin_program));
		return;
	}
	EXPECT_LT(5, SWEEP("accesses", &batch_ops, begin_cold));
	EXPECT_LT(5, SWEEP("accesses after madvise", &batch_ops, begin_taken));
	EXPECT_LT(2, SWEEP("accesses that are logged", &batch_ops, begin_logged));
	SWEEP("madvise", &take_ops, begin_mapped);
	EXPECT_LT(1, SWEEP("KVM_RUN", &halt_ops, begin_halt));
}

/* --- the first VM turns SVM on, the last off ------------------------------------------ */

static bool create_prepare(void *world)
{
	return true;
}

static long create_call(void *world)
{
	struct world *w = world;

	return create_as(w->dev, &w->create);
}

static void create_undo(void *world, long ret)
{
	if (ret >= 0)
		close(ret);
}

static const struct failnth_ops create_ops = {
	.prepare = create_prepare, .call = create_call, .judge = failnth_judge,
	.undo = create_undo,
};

TEST_F_TIMEOUT(failnth_run, first_vm, 600)
{
	struct failnth_sum sum;

	if (self->why_not)
		SKIP(return, "%s", self->why_not);
	EXPECT_TRUE(failnth_sweep("the first VM", &create_ops, &self->w, &sum));
	EXPECT_LT(2, sum.failed);
}

TEST_HARNESS_MAIN
