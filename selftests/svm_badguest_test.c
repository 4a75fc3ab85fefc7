// SPDX-License-Identifier: GPL-2.0
/*
 * Guests of the svm engine that do what no guest should, and callers that do
 * what no caller should: each ends in an exit or an errno, and the vCPU can be
 * used again.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "utils.h"

/* Guest memory: 2 MiB from 0. The tables map twice as much, gva = gpa. */
#define MEM_SIZE (2 * MIB)
#define CODE 0x1000UL
#define GDT 0x2000UL
#define IDT 0x3000UL
#define HANDLER 0x4000UL
#define COUNT 0x5000UL
#define STACK 0x9000UL
#define TABLES 0x10000UL
#define MAPPED (4 * MIB)
#define HOLE (3 * MIB)

#define CR0_ET (1UL << 4)
#define CR0_NW (1UL << 29)
#define CR4_SMAP (1UL << 21)
#define RFLAGS_AC (1UL << 18)
#define VECTOR_UD 6
#define VECTOR_PF 14

FIXTURE(bad) {
	int dev, vm, vcpu;
	uint32_t id;
	struct kvm_run *run;
	size_t run_size;
	char *mem;
};

FIXTURE_VARIANT(bad) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(bad, nested) { .mmu = NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(bad, shadow) { .mmu = NPT_MMU_SHADOW };

static void on_alarm(int sig)
{
}

/* A signal every few milliseconds, so that one comes during KVM_RUN too. */
static void alarms(unsigned int ms)
{
	struct itimerval t = { { 0, ms * 1000 }, { 0, ms * 1000 } };

	setitimer(ITIMER_REAL, &t, NULL);
}

FIXTURE_SETUP(bad)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct npt_create_vm c = vm_args(variant->mmu);

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	c.engine = NPT_ENGINE_SVM;
	self->vm = call(self->dev, NPT_CREATE_VM, &c);
	if (self->vm < 0)
		SKIP(return, "no svm engine here");
	self->id = c.id;
	self->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, self->mem);
	identity_tables(self->mem + TABLES, TABLES, MAPPED);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	self->run_size = call_value(self->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	self->run = mmap(NULL, self->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(MAP_FAILED, self->run);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
}

FIXTURE_TEARDOWN(bad)
{
	if (self->vm < 0 || self->dev < 0)
		return;
	munmap(self->run, self->run_size);
	close(self->vcpu);
	close(self->vm);
	close(self->dev);
	munmap(self->mem, MEM_SIZE);
}

/* --- running ------------------------------------------------------------------------- */

/* 64-bit mode at CODE; no IDT. */
static void good_state(struct kvm_sregs *s)
{
	struct kvm_segment data = {
		.limit = ~0U, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1, .selector = 16,
	};

	s->ds = data;
	s->es = data;
	s->fs = data;
	s->gs = data;
	s->ss = data;
	s->cs = data;
	s->cs.type = 11;
	s->cs.db = 0;
	s->cs.l = 1;
	s->cs.selector = 8;
	s->gdt.base = GDT;
	s->gdt.limit = 0x17;
	s->idt.base = IDT;
	s->idt.limit = 0;
	s->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_ET;
	s->cr3 = TABLES;
	s->cr4 = CR4_PAE;
	s->cr8 = 0;
	s->efer = EFER_LME | EFER_LMA;
}

/* Nothing; 64-bit code; data. */
static const uint64_t descriptors[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

static int set_good_state(struct _test_data_bad *self, uint16_t idt_limit)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs s;

	if (call(self->vcpu, KVM_GET_SREGS, &s))
		return -1;
	memcpy(self->mem + GDT, descriptors, sizeof(descriptors));
	good_state(&s);
	s.idt.limit = idt_limit;
	return call(self->vcpu, KVM_SET_SREGS, &s) ?: call(self->vcpu, KVM_SET_REGS, &regs);
}

static int enter(struct _test_data_bad *self)
{
	return call(self->vcpu, KVM_RUN, NULL);
}

#define LOAD(at, ...) do {						\
		static const uint8_t code_[] = { __VA_ARGS__ };		\
		memcpy(self->mem + (at), code_, sizeof(code_));		\
	} while (0)

/* Whatever was before: a good guest runs. */
#define EXPECT_USABLE() do {						\
		alarms(0);						\
		ASSERT_EQ(0, set_good_state(self, 0));			\
		LOAD(CODE, 0xf4);					\
		ASSERT_EQ(0, enter(self));				\
		EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);	\
	} while (0)

/* A 64-bit interrupt gate. */
static void set_gate(struct _test_data_bad *self, unsigned int vector, uint64_t handler)
{
	uint64_t *gate = (uint64_t *)(self->mem + IDT) + 2 * vector;

	gate[0] = (handler & 0xffff) | 8 << 16 | 0x8e00ULL << 32 | (handler >> 16 & 0xffff) << 48;
	gate[1] = handler >> 32;
}

/* --- guests ---------------------------------------------------------------------------- */

TEST_F(bad, triple_fault)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, set_good_state(self, 0));
		LOAD(CODE, 0x0f, 0x0b);				/* ud2 */
		ASSERT_EQ(0, enter(self));
		EXPECT_EQ(KVM_EXIT_SHUTDOWN, self->run->exit_reason);
	}
	EXPECT_EQ(3, counter(self->vcpu, NPT_CTR_exit_shutdown));
	EXPECT_USABLE();
}

#define SIGNATURE 0x00a20f12

/* A second VM, with local APICs, in the same memory. Its vCPU, or -errno. */
static int vcpu_with_apic(struct _test_data_bad *self, unsigned int mmu, int *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 ent;
	} cpuid = { .head.nent = 1, .ent = { .function = 1, .eax = SIGNATURE } };
	struct npt_create_vm c = vm_args(mmu);
	int vcpu;

	c.engine = NPT_ENGINE_SVM;
	*vm = call(self->dev, NPT_CREATE_VM, &c);
	if (*vm < 0)
		return *vm;
	if (call_value(*vm, KVM_CREATE_IRQCHIP, 0) ||
	    set_slot(*vm, 0, 0, 0, MEM_SIZE, self->mem))
		return -1;
	vcpu = call_value(*vm, KVM_CREATE_VCPU, 0);
	return call(vcpu, KVM_SET_CPUID2, &cpuid) ?: vcpu;
}

/* The vCPU is as after INIT, its local APIC too, and EDX says what it is. */
TEST_F(bad, shutdown_is_init)
{
	int vm, first = self->vcpu;
	struct kvm_lapic_state apic;
	struct kvm_sregs s;
	struct kvm_regs r;
	uint32_t tpr;

	self->vcpu = vcpu_with_apic(self, variant->mmu, &vm);
	ASSERT_LE(0, self->vcpu);
	ASSERT_EQ(0, set_good_state(self, 0));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cr8 = 9;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	LOAD(CODE, 0x0f, 0x0b);					/* ud2 */
	ASSERT_EQ(0, enter(self));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_LAPIC, &apic));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	memcpy(&tpr, apic.regs + 0x80, sizeof(tpr));
	EXPECT_EQ(1, counter(self->vcpu, NPT_CTR_exit_shutdown));
	EXPECT_EQ(0, tpr);
	EXPECT_EQ(0, s.cr8);
	EXPECT_EQ(0xffff0000, s.cs.base);
	EXPECT_EQ(SIGNATURE, r.rdx);
	close(self->vcpu);
	close(vm);
	self->vcpu = first;
}

/* The handler of #PF is behind the fault: double fault, and no handler for that. */
TEST_F(bad, fault_in_delivery)
{
	ASSERT_EQ(0, set_good_state(self, 0xfff));
	*pte_of(self->mem + TABLES, IDT) = 0;
	LOAD(CODE, 0x48, 0xa1, 0, 0, 0, 0x40, 0, 0, 0, 0);	/* mov 0x40000000, %rax */
	ASSERT_EQ(0, enter(self));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, self->run->exit_reason);
	*pte_of(self->mem + TABLES, IDT) = IDT | PTE_RWU;
	EXPECT_USABLE();
}

TEST_F(bad, page_fault_loop)
{
	unsigned int i;

	ASSERT_EQ(0, set_good_state(self, 0xfff));
	set_gate(self, VECTOR_PF, HANDLER);
	LOAD(CODE, 0x48, 0xa1, 0, 0, 0, 0x40, 0, 0, 0, 0);	/* mov 0x40000000, %rax */
	/* incq COUNT; add $48, %rsp; mov $CODE, %ebx; jmp *%rbx */
	LOAD(HANDLER, 0x48, 0xff, 0x04, 0x25, 0x00, 0x50, 0, 0, 0x48, 0x83, 0xc4, 0x30,
	     0xbb, 0x00, 0x10, 0, 0, 0xff, 0xe3);
	alarms(5);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(-EINTR, enter(self));
		EXPECT_EQ(KVM_EXIT_INTR, self->run->exit_reason);
	}
	EXPECT_LT(0, *(uint64_t *)(self->mem + COUNT));
	EXPECT_USABLE();
}

/* What the tables no longer map is not executed in software. */
TEST_F(bad, code_taken_away)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	ASSERT_EQ(0, set_good_state(self, 0xfff));
	set_gate(self, VECTOR_PF, HANDLER);
	/* movq $0, the entry for CODE; mov %al, HOLE: the first is still in the TLB */
	LOAD(CODE, 0x48, 0xc7, 0x04, 0x25, 0x08, 0x30, 0x01, 0, 0, 0, 0, 0,
	     0x88, 0x04, 0x25, 0, 0, 0x30, 0);
	LOAD(HANDLER, 0xf4);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	r.rax = 0x21;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, enter(self));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0x21, r.rax);
	/* Shadow tables may still have it, too: nothing was flushed. */
	if (self->run->exit_reason != KVM_EXIT_MMIO) {
		EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
		EXPECT_EQ(HANDLER + 1, r.rip);
		EXPECT_EQ(CODE + 12, s.cr2);
	}
	*pte_of(self->mem + TABLES, CODE) = CODE | PTE_RWU;
	EXPECT_USABLE();
}

/*
 * A supervisor's stack in a user's page that is read-only to both: CR0.WP and
 * RFLAGS.AC let it write. With shadow tables nobody can push there.
 */
TEST_F(bad, stack_to_emulate)
{
	struct kvm_vcpu_events e;
	struct kvm_sregs s;
	struct kvm_regs r;

	ASSERT_EQ(0, set_good_state(self, 0xfff));
	set_gate(self, VECTOR_UD, HANDLER);
	LOAD(CODE, 0x0f, 0x0b);					/* ud2 */
	LOAD(HANDLER, 0xf4);
	*pte_of(self->mem + TABLES, STACK - 8) &= ~PTE_W;
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cr0 &= ~CR0_WP;
	s.cr4 |= CR4_SMAP;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	r.rflags |= RFLAGS_AC;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, enter(self));
	if (variant->mmu == NPT_MMU_NESTED) {
		EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	} else {
		EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
		EXPECT_EQ(KVM_INTERNAL_ERROR_DELIVERY_EV, self->run->internal.suberror);
		/* It still waits. */
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &e));
		EXPECT_EQ(1, e.exception.injected);
		e.exception.injected = 0;
		ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &e));
	}
	*pte_of(self->mem + TABLES, STACK - 8) |= PTE_W;
	EXPECT_USABLE();
}

/* The guest gets no instruction done: the next fault is that of delivering the last. */
TEST_F(bad, exception_storm)
{
	ASSERT_EQ(0, set_good_state(self, 0xfff));
	set_gate(self, VECTOR_PF, 0x50000000);
	LOAD(CODE, 0x48, 0xa1, 0, 0, 0, 0x40, 0, 0, 0, 0);	/* mov 0x40000000, %rax */
	alarms(5);
	/* Each handler's first byte faults, until the stack is out of memory. */
	while (enter(self) == -EINTR)
		;
	EXPECT_NE(KVM_EXIT_FAIL_ENTRY, self->run->exit_reason);
	EXPECT_NE(KVM_EXIT_UNKNOWN, self->run->exit_reason);
	EXPECT_USABLE();
}

TEST_F(bad, cr3_outside_memory)
{
	struct kvm_sregs s;

	ASSERT_EQ(0, set_good_state(self, 0));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cr3 = 1UL << 30;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, enter(self));
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->internal.suberror);
	EXPECT_USABLE();
	/* By the guest itself: the next instruction can't be fetched. */
	ASSERT_EQ(0, set_good_state(self, 0));
	LOAD(CODE, 0xb8, 0, 0, 0, 0x40, 0x0f, 0x22, 0xd8);	/* mov $1 << 30, %eax; to CR3 */
	ASSERT_EQ(0, enter(self));
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->internal.suberror);
	EXPECT_USABLE();
}

TEST_F(bad, execute_from_mmio)
{
	ASSERT_EQ(0, set_good_state(self, 0));
	LOAD(CODE, 0xb8, 0, 0, 0x30, 0, 0xff, 0xe0);		/* mov $HOLE, %eax; jmp *%rax */
	ASSERT_EQ(0, enter(self));
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->internal.suberror);
	EXPECT_USABLE();
}

TEST_F(bad, hole_above_memory)
{
	/* The last page of 36 bits, which each processor has. */
	const uint64_t places[] = { HOLE, MEM_SIZE, 1UL << 32, (1UL << 36) - PAGE };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		*pte_of(self->mem + TABLES, HOLE) = places[i] | PTE_RWU;
		ASSERT_EQ(0, set_good_state(self, 0));
		/* mov $HOLE, %ecx; mov %rcx, 16(%rcx); mov (%rcx), %rax; hlt */
		LOAD(CODE, 0xb9, 0, 0, 0x30, 0, 0x48, 0x89, 0x49, 0x10, 0x48, 0x8b, 0x01, 0xf4);
		ASSERT_EQ(0, enter(self));
		ASSERT_EQ(KVM_EXIT_MMIO, self->run->exit_reason);
		EXPECT_EQ(places[i] + 16, self->run->mmio.phys_addr);
		EXPECT_TRUE(self->run->mmio.is_write);
		EXPECT_EQ(8, self->run->mmio.len);
		ASSERT_EQ(0, enter(self));
		ASSERT_EQ(KVM_EXIT_MMIO, self->run->exit_reason);
		EXPECT_EQ(places[i], self->run->mmio.phys_addr);
		EXPECT_FALSE(self->run->mmio.is_write);
		ASSERT_EQ(0, enter(self));
		EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	}
}

/* Bits beyond any physical address are reserved: #PF, and nobody to take it. */
TEST_F(bad, reserved_bits)
{
	*pte_of(self->mem + TABLES, HOLE) = 1UL << 51 | PTE_RWU;
	ASSERT_EQ(0, set_good_state(self, 0));
	LOAD(CODE, 0xb9, 0, 0, 0x30, 0, 0x48, 0x89, 0x09, 0xf4);
	ASSERT_EQ(0, enter(self));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, self->run->exit_reason);
	*pte_of(self->mem + TABLES, HOLE) = HOLE | PTE_RWU;
	EXPECT_USABLE();
}

/* --- states -------------------------------------------------------------------------------- */

/* What VMRUN refuses (APM vol. 2, 15.5.1), or no processor can be in. */
static const struct {
	const char *name;
	uint64_t cr0_set, cr0_clear, cr4_set, cr4_clear, efer_set, efer_clear;
	bool l_and_d;
} refused[] = {
	{ "NW without CD", .cr0_set = CR0_NW },
	{ "the upper half of CR0", .cr0_set = 1UL << 32 },
	{ "reserved bits of CR4", .cr4_set = 1UL << 63 },
	{ "reserved bits of EFER", .efer_set = 1UL << 63 },
	{ "paging without protection", .cr0_clear = CR0_PE },
	{ "long mode without PAE", .cr4_clear = CR4_PAE },
	{ "LMA without LME", .efer_clear = EFER_LME },
	{ "64-bit code outside long mode", .efer_clear = EFER_LMA | EFER_LME },
	{ "64-bit code that is 32-bit code", .l_and_d = true },
};

TEST_F(bad, refused_state)
{
	struct kvm_sregs s;
	unsigned int i;
	int ret;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		ASSERT_EQ(0, set_good_state(self, 0));
		LOAD(CODE, 0xf4);
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
		s.cr0 = (s.cr0 | refused[i].cr0_set) & ~refused[i].cr0_clear;
		s.cr4 = (s.cr4 | refused[i].cr4_set) & ~refused[i].cr4_clear;
		s.efer = (s.efer | refused[i].efer_set) & ~refused[i].efer_clear;
		s.cs.db |= refused[i].l_and_d;
		ret = call(self->vcpu, KVM_SET_SREGS, &s);
		if (ret == -EINVAL)
			continue;
		ASSERT_EQ(0, ret);
		EXPECT_EQ(0, enter(self));
		EXPECT_EQ(KVM_EXIT_FAIL_ENTRY, self->run->exit_reason) {
			TH_LOG("%s", refused[i].name);
		}
		EXPECT_EQ(~0ULL, self->run->fail_entry.hardware_entry_failure_reason);
	}
	EXPECT_USABLE();
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* What a refused VMRUN was to flush, nobody knows to be flushed: a new ASID each time. */
TEST_F(bad, refused_flushes_nothing)
{
	uint64_t new_asids;
	struct kvm_sregs s;
	unsigned int i;

	ASSERT_EQ(0, set_good_state(self, 0));
	LOAD(CODE, 0xf4);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cs.db = 1;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, enter(self));
	ASSERT_EQ(KVM_EXIT_FAIL_ENTRY, self->run->exit_reason);
	for (i = 0; i < 40; i++) {
		new_asids = counter(self->vcpu, NPT_CTR_asid_new);
		ASSERT_EQ(0, enter(self));
		ASSERT_EQ(KVM_EXIT_FAIL_ENTRY, self->run->exit_reason);
		EXPECT_LT(new_asids, counter(self->vcpu, NPT_CTR_asid_new));
	}
	/* More than the lab's processor has: generations come and go. */
	EXPECT_LE(1, counter(self->vcpu, NPT_CTR_asid_rollover));
	EXPECT_USABLE();
}

/* Some of the bytes at random, some bits flipped; most stays as it is. */
static void spoil(void *data, size_t size, uint64_t *seed)
{
	uint8_t *p = data;
	unsigned int n = next_random(seed) % 6;

	while (n--) {
		uint64_t r = next_random(seed);

		if (r & 1)
			p[(r >> 16) % size] = r >> 8;
		else
			p[(r >> 16) % size] ^= 1 << (r >> 8 & 7);
	}
}

static bool known_exit(uint32_t reason)
{
	switch (reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_HLT:
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_INTERNAL_ERROR:
	case KVM_EXIT_SET_TPR:
	case KVM_EXIT_DEBUG:
		return true;
	default:
		return false;
	}
}

/* Any state that the setters take, any code, any tables. */
TEST_F_TIMEOUT(bad, any_state, 300)
{
	uint64_t seed = 20240229, r;
	unsigned int i, k, ran = 0;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_sregs s;
	struct kvm_regs regs;
	int ret;

	alarms(4);
	for (i = 0; i < 1500; i++) {
		ASSERT_EQ(0, set_good_state(self, 0xfff));
		memset(self->mem, 0, TABLES);
		identity_tables(self->mem + TABLES, TABLES, MAPPED);
		for (k = 0; k < 64; k++) {
			r = next_random(&seed);
			memcpy(self->mem + CODE + k * 8, &r, 8);
		}
		spoil(self->mem + TABLES, tables_size(MAPPED), &seed);
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &regs));
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &debug));
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &events));
		for (k = 0; k < 16; k++)
			(&regs.rax)[k] = next_random(&seed) & 0x3fffff;
		spoil(&s, sizeof(s), &seed);
		spoil(&regs, sizeof(regs), &seed);
		spoil(&debug, sizeof(debug), &seed);
		spoil(&events, sizeof(events), &seed);
		regs.rip = i & 1 ? CODE : regs.rip;
		call(self->vcpu, KVM_SET_SREGS, &s);
		call(self->vcpu, KVM_SET_REGS, &regs);
		call(self->vcpu, KVM_SET_DEBUGREGS, &debug);
		call(self->vcpu, KVM_SET_VCPU_EVENTS, &events);
		for (k = 0; k < 4; k++) {
			ret = enter(self);
			EXPECT_TRUE(ret == -EINTR ||
				    (!ret && known_exit(self->run->exit_reason))) {
				TH_LOG("%u: %d, exit %u", i, ret, self->run->exit_reason);
			}
			ran += !ret;
		}
		/* What is still to come would come in the next state. */
		memset(&events, 0, sizeof(events));
		events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
		ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &events));
		memset(&debug, 0, sizeof(debug));
		ASSERT_EQ(0, call(self->vcpu, KVM_SET_DEBUGREGS, &debug));
	}
	EXPECT_LT(100, ran);
	identity_tables(self->mem + TABLES, TABLES, MAPPED);
	EXPECT_USABLE();
}

/* --- callers -------------------------------------------------------------------------------- */

static int other_process(struct _test_data_bad *self)
{
	struct npt_stats stats = { .size = sizeof(stats) };
	struct npt_explain explain = { .size = sizeof(explain) };
	struct kvm_sregs s = {};
	struct kvm_regs regs = {};

	if (enter(self) != -EIO || call(self->vcpu, KVM_GET_REGS, &regs) != -EIO ||
	    call(self->vcpu, KVM_SET_REGS, &regs) != -EIO ||
	    call(self->vcpu, KVM_GET_SREGS, &s) != -EIO ||
	    call(self->vcpu, KVM_SET_SREGS, &s) != -EIO ||
	    call(self->vcpu, NPT_EXPLAIN, &explain) != -EIO ||
	    call(self->vcpu, NPT_STATS, &stats) != -EIO ||
	    call(self->vm, NPT_STATS, &stats) != -EIO ||
	    set_slot(self->vm, 0, 0, 0, 0, NULL) != -EIO ||
	    call_value(self->vm, KVM_CREATE_VCPU, 1) != -EIO)
		return 1;
	return 0;
}

TEST_F(bad, other_process)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, set_good_state(self, 0));
	LOAD(CODE, 0xf4, 0xf4);
	ASSERT_EQ(0, enter(self));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(other_process(self));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_USABLE();
}

#define CALLS 200

static void *many_runs(void *arg)
{
	unsigned int i;

	for (i = 0; i < CALLS; i++)
		if (call(*(int *)arg, KVM_RUN, NULL))
			return "failed";
	return NULL;
}

/* Two threads run one vCPU: one after the other. */
TEST_F(bad, two_threads)
{
	pthread_t other;
	void *failed;

	ASSERT_EQ(0, set_good_state(self, 0));
	/* 1: incq COUNT; hlt; jmp 1b */
	LOAD(CODE, 0x48, 0xff, 0x04, 0x25, 0x00, 0x50, 0, 0, 0xf4, 0xeb, 0xf5);
	ASSERT_EQ(0, pthread_create(&other, NULL, many_runs, &self->vcpu));
	EXPECT_EQ(NULL, many_runs(&self->vcpu));
	ASSERT_EQ(0, pthread_join(other, &failed));
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(2 * CALLS, *(uint64_t *)(self->mem + COUNT));
}

#define OTHER_TABLES 0x20000UL

struct looker {
	uint32_t vm;
	atomic_bool stop;
	unsigned int looks;
};

/* Ask what the vCPU's paging is, over and over. */
static void *look(void *arg)
{
	struct looker *l = arg;
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct nlraw nl;

	if (nlraw_open(&nl) < 0)
		return "no netlink";
	while (!l->stop) {
		nlraw_init(&m, &nl, NPT_CMD_EXPLAIN, 0);
		nlraw_put_u32(&m, NPT_A_EXPLAIN_VM, l->vm);
		nlraw_put_u32(&m, NPT_A_EXPLAIN_VCPU, 0);
		nlraw_put_u64(&m, NPT_A_EXPLAIN_GVA, CODE);
		if (!nlraw_do(&nl, &m, &a, NULL, NULL))
			l->looks++;
	}
	nlraw_close(&nl);
	return NULL;
}

/* What user space sets is not lost to one who looks before it has reached the processor. */
TEST_F_TIMEOUT(bad, looked_at_while_cr3_is_set, 120)
{
	struct looker looker = { .vm = self->id };
	struct kvm_sregs s;
	struct kvm_regs r;
	pthread_t thread;
	void *failed;
	int i;

	identity_tables(self->mem + OTHER_TABLES, OTHER_TABLES, MAPPED);
	LOAD(CODE, 0x0f, 0x20, 0xd8, 0xf4, 0xeb, 0xfa);	/* 1: mov %cr3, %rax; hlt; jmp 1b */
	ASSERT_EQ(0, set_good_state(self, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, look, &looker));
	for (i = 0; i < 4000; i++) {
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
		s.cr3 = i & 1 ? OTHER_TABLES : TABLES;
		ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
		ASSERT_EQ(0, enter(self));
		ASSERT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
		ASSERT_EQ(s.cr3, r.rax);
	}
	looker.stop = true;
	ASSERT_EQ(0, pthread_join(thread, &failed));
	EXPECT_EQ(NULL, failed);
	EXPECT_LT(0, looker.looks);
}

#define MSR_EFER 0xc0000080
#define EFER_SVME (1UL << 12)

static int open_msrs(int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", cpu);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Somebody turns SVM off behind the module's back. */
TEST_F(bad, svm_off)
{
	int cpu = sched_getcpu(), msrs;
	uint64_t efer, off;
	cpu_set_t one;

	if (geteuid() || system("modprobe msr"))
		SKIP(return, "needs root and the module msr");
	msrs = open_msrs(cpu);
	if (msrs < 0)
		SKIP(return, "no MSRs");
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	EXPECT_USABLE();
	ASSERT_EQ(8, pread(msrs, &efer, 8, MSR_EFER));
	EXPECT_NE(0, efer & EFER_SVME);
	off = efer & ~EFER_SVME;
	if (pwrite(msrs, &off, 8, MSR_EFER) != 8)
		SKIP(return, "MSRs can't be written");
	ASSERT_EQ(0, set_good_state(self, 0));
	EXPECT_EQ(0, enter(self));
	EXPECT_EQ(KVM_EXIT_FAIL_ENTRY, self->run->exit_reason);
	EXPECT_EQ(NPT_FAIL_ENTRY_CPU_OFF, self->run->fail_entry.hardware_entry_failure_reason);
	EXPECT_EQ(cpu, self->run->fail_entry.cpu);
	ASSERT_EQ(8, pwrite(msrs, &efer, 8, MSR_EFER));
	EXPECT_USABLE();
	close(msrs);
}

TEST_HARNESS_MAIN
