// SPDX-License-Identifier: GPL-2.0
/*
 * The calls by which user space gives a vCPU its state and takes it back: round
 * trips, every errno that Documentation/uapi.rst promises, and hostile sizes.
 * What is expected follows KVM's API document and the processor manuals. All
 * runs on the soft engine, and on svm where the machine has it.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "utils.h"

#define MEM_SIZE (1 * MIB)
#define CODE 0x1000
#define HLT 0xf4

#define MSR_TSC 0x10
#define MSR_APIC_BASE 0x1b
#define MSR_TSC_ADJUST 0x3b
#define MSR_SPEC_CTRL 0x48
#define MSR_SYSENTER_CS 0x174
#define MSR_PAT 0x277
#define MSR_MTRR_DEF 0x2ff
#define MSR_MTRR_MASK0 0x201
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_PERF_CTL0 0xc0010000
#define MSR_HWCR 0xc0010015
#define MSR_VM_CR 0xc0010114
#define MSR_NONE 0x12345678

FIXTURE(state) {
	int dev, vm, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
};

FIXTURE_VARIANT(state) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(state, soft) { .engine = NPT_ENGINE_SOFT };
FIXTURE_VARIANT_ADD(state, svm) { .engine = NPT_ENGINE_SVM };

static int new_vm(int dev, uint32_t engine)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);

	c.engine = engine;
	return call(dev, NPT_CREATE_VM, &c);
}

FIXTURE_SETUP(state)
{
	struct npt_caps caps = { .size = sizeof(caps) };

	self->vm = -1;
	self->dev = open_npt();
	if (self->dev < 0)
		return;
	ASSERT_EQ(0, call(self->dev, NPT_GET_CAPS, &caps));
	if (!(caps.engines & (1 << variant->engine)))
		return;
	self->vm = new_vm(self->dev, variant->engine);
	ASSERT_LE(0, self->vm);
	self->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, (void *)self->mem);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	self->run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->run);
}

FIXTURE_TEARDOWN(state)
{
	close(self->dev);
	if (self->vm < 0)
		return;
	munmap(self->run, PAGE);
	munmap(self->mem, MEM_SIZE);
	close(self->vcpu);
	close(self->vm);
}

/* The harness goes on after a setup that skips: each test asks. */
#define NEED_ENGINE()							\
	do {								\
		if (self->vm < 0)					\
			SKIP(return, "this machine has no such engine, or no /dev/npt"); \
	} while (0)

/* --- helpers ---------------------------------------------------------------- */

/* @size bytes, right behind which there is nothing. */
static void *at_the_end(size_t size)
{
	size_t whole = (size + PAGE - 1) & ~(PAGE - 1);
	char *p = map_memory(whole + PAGE);

	if (p == MAP_FAILED)
		return NULL;
	munmap(p + whole, PAGE);
	return p + whole - size;
}

#define ROOM 256

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 ent[ROOM + 1];
};

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry ent[ROOM + 1];
};

struct msr_list {
	struct kvm_msr_list head;
	uint32_t indices[ROOM];
};

static struct kvm_cpuid_entry2 *find_cpuid(struct cpuid *c, uint32_t leaf, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < c->head.nent; i++)
		if (c->ent[i].function == leaf && c->ent[i].index == index)
			return &c->ent[i];
	return NULL;
}

/* One MSR: 1 if it was taken or given, 0 if refused, -errno. */
static long set_msr(int vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry ent;
	} m = { .head.nmsrs = 1, .ent = { .index = index, .data = value } };

	return call(vcpu, KVM_SET_MSRS, &m);
}

static long get_msr(int fd, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry ent;
	} m = { .head.nmsrs = 1, .ent = { .index = index } };
	long ret = call(fd, KVM_GET_MSRS, &m);

	*value = m.ent.data;
	return ret;
}

static int enable_cap(int fd, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return call(fd, KVM_ENABLE_CAP, &c);
}

/* What /dev/npt offers, as it is. */
static long give_offered_cpuid(int dev, int vcpu, struct cpuid *c)
{
	long ret;

	memset(c, 0, sizeof(*c));
	c->head.nent = ROOM;
	ret = call(dev, KVM_GET_SUPPORTED_CPUID, c);
	return ret ? ret : call(vcpu, KVM_SET_CPUID2, c);
}

/* Real mode, the next instruction a HLT. */
static long ready_to_halt(int vcpu, uint8_t *mem)
{
	struct kvm_regs r = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs s;
	long ret = call(vcpu, KVM_GET_SREGS, &s);

	if (ret)
		return ret;
	mem[CODE] = HLT;
	s.cs.base = 0;
	s.cs.selector = 0;
	ret = call(vcpu, KVM_SET_SREGS, &s);
	return ret ? ret : call(vcpu, KVM_SET_REGS, &r);
}

/* --- CPUID ------------------------------------------------------------------ */

TEST_F(state, supported_cpuid)
{
	struct kvm_cpuid_entry2 *e;
	static struct cpuid c;
	uint32_t i, j;

	NEED_ENGINE();
	c.head.nent = 0;
	EXPECT_EQ(-E2BIG, call(self->dev, KVM_GET_SUPPORTED_CPUID, &c));
	c.head.nent = 3;
	EXPECT_EQ(-E2BIG, call(self->dev, KVM_GET_SUPPORTED_CPUID, &c));
	EXPECT_EQ(-EFAULT, call(self->dev, KVM_GET_SUPPORTED_CPUID, BAD_PTR));
	/* More room than anybody needs: not all of it is touched. */
	c.head.nent = ~0U;
	ASSERT_EQ(0, call(self->dev, KVM_GET_SUPPORTED_CPUID, &c));
	/* KVM's programs have room for a hundred. */
	EXPECT_LE(10, c.head.nent);
	EXPECT_GE(100, c.head.nent);

	for (i = 0; i < c.head.nent; i++)
		for (j = 0; j < i; j++)
			EXPECT_FALSE(c.ent[i].function == c.ent[j].function &&
				     c.ent[i].index == c.ent[j].index);
	e = find_cpuid(&c, 1, 0);
	ASSERT_NE(NULL, e);
	EXPECT_NE(0, e->ecx & (1U << 31));	/* a hypervisor is there */
	EXPECT_EQ(0, e->ecx & (1U << 3 | 1U << 5 | 1U << 6));	/* MONITOR, VMX, SMX */
	EXPECT_EQ(0, e->ecx & (1U << 27));	/* OSXSAVE is the guest's doing */
	EXPECT_NE(0, e->ecx & (1U << 21));	/* x2APIC */
	e = find_cpuid(&c, 0x80000001, 0);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(0, e->ecx & (1U << 2));	/* SVM */
	EXPECT_NE(0, e->edx & (1U << 29));	/* long mode */
	e = find_cpuid(&c, 0x80000008, 0);
	ASSERT_NE(NULL, e);
	EXPECT_LE(36, e->eax & 0xff);
	EXPECT_GE(52, e->eax & 0xff);
	e = find_cpuid(&c, 0x40000000, 0);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(0, memcmp(&e->ebx, "NPTN", 4));
	EXPECT_EQ(0x40000000, e->eax);
	EXPECT_EQ(NULL, find_cpuid(&c, 0x40000001, 0));
	e = find_cpuid(&c, 0x8000000a, 0);
	EXPECT_TRUE(!e || !e->edx);
}

/* Is @name among the flags of /proc/cpuinfo? */
static bool kernel_has(const char *name)
{
	static char line[8192];
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool found = false;
	char *word;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (word = strtok(line, "\n "); word; word = strtok(NULL, "\n "))
			found |= !strcmp(word, name);
		break;
	}
	if (f)
		fclose(f);
	return found;
}

/* What the host's kernel does without (errata, clearcpuid=) is not for guests either. */
TEST_F(state, kernel_switched_it_off)
{
	static const struct {
		const char *name;
		uint32_t leaf, index, reg, bit;
	} flags[] = {
		{ "bmi2", 7, 0, 1, 8 },
		{ "adx", 7, 0, 1, 19 },
		{ "smap", 7, 0, 1, 20 },
		{ "umip", 7, 0, 2, 2 },
		{ "rdpid", 7, 0, 2, 22 },
		{ "movbe", 1, 0, 2, 22 },
		{ "xsavec", 0xd, 1, 0, 1 },
		{ "xsaves", 0xd, 1, 0, 3 },
		{ "clzero", 0x80000008, 0, 1, 0 },
	};
	struct kvm_cpuid_entry2 *e;
	static struct cpuid c;
	unsigned int i;

	NEED_ENGINE();
	c.head.nent = ROOM;
	ASSERT_EQ(0, call(self->dev, KVM_GET_SUPPORTED_CPUID, &c));
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		e = find_cpuid(&c, flags[i].leaf, flags[i].index);
		TH_LOG("%s: here %d", flags[i].name, kernel_has(flags[i].name));
		EXPECT_FALSE(e && ((&e->eax)[flags[i].reg] & (1U << flags[i].bit)) &&
			     !kernel_has(flags[i].name));
	}
}

TEST_F(state, supported_cpuid_at_the_end_of_memory)
{
	struct kvm_cpuid2 *c = at_the_end(sizeof(*c) + sizeof(c->entries[0]));

	NEED_ENGINE();
	ASSERT_NE(NULL, c);
	c->nent = ROOM;
	EXPECT_EQ(-EFAULT, call(self->dev, KVM_GET_SUPPORTED_CPUID, c));
	c->nent = 1;
	EXPECT_EQ(-E2BIG, call(self->dev, KVM_GET_SUPPORTED_CPUID, c));
}

TEST_F(state, emulated_cpuid)
{
	struct cpuid c = { .head.nent = 0 };

	NEED_ENGINE();
	EXPECT_EQ(-E2BIG, call(self->dev, KVM_GET_EMULATED_CPUID, &c));
	c.head.nent = 1;
	EXPECT_EQ(0, call(self->dev, KVM_GET_EMULATED_CPUID, &c));
	EXPECT_EQ(0, c.head.nent);
	EXPECT_EQ(-EFAULT, call(self->dev, KVM_GET_EMULATED_CPUID, BAD_PTR));
}

#define OSXSAVE (1U << 27)

TEST_F(state, cpuid_round_trip)
{
	struct kvm_cpuid_entry2 *e;
	static struct cpuid c, got;
	struct kvm_sregs s;
	uint32_t i;

	NEED_ENGINE();
	got.head.nent = 0;
	EXPECT_EQ(0, call(self->vcpu, KVM_GET_CPUID2, &got));
	EXPECT_EQ(0, got.head.nent);
	ASSERT_EQ(0, give_offered_cpuid(self->dev, self->vcpu, &c));
	got.head.nent = ROOM;
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_CPUID2, &got));
	EXPECT_EQ(c.head.nent, got.head.nent);
	for (i = 0; i < c.head.nent; i++)
		if (c.ent[i].function != 0xd)
			EXPECT_EQ(0, memcmp(&c.ent[i], &got.ent[i], sizeof(c.ent[i])));
	/* Sizes follow XCR0, which has the x87 alone; OSXSAVE follows CR4. */
	e = find_cpuid(&got, 0xd, 0);
	if (e && e->eax)
		EXPECT_EQ(576, e->ebx);
	EXPECT_EQ(0, find_cpuid(&got, 1, 0)->ecx & OSXSAVE);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cr4 |= 1 << 18;
	if (!call(self->vcpu, KVM_SET_SREGS, &s)) {
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_CPUID2, &got));
		EXPECT_NE(0, find_cpuid(&got, 1, 0)->ecx & OSXSAVE);
	}

	got.head.nent = c.head.nent - 1;
	EXPECT_EQ(-E2BIG, call(self->vcpu, KVM_GET_CPUID2, &got));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_GET_CPUID2, BAD_PTR));

	/* Another one may follow, an empty one too. */
	c.head.nent = 0;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &c));
	got.head.nent = 0;
	EXPECT_EQ(0, call(self->vcpu, KVM_GET_CPUID2, &got));
}

TEST_F(state, cpuid_refused)
{
	struct kvm_cpuid2 *edge = at_the_end(sizeof(*edge) + sizeof(edge->entries[0]));
	static struct cpuid c;

	NEED_ENGINE();
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_CPUID2, BAD_PTR));
	c.head.nent = ROOM + 1;
	EXPECT_EQ(-E2BIG, call(self->vcpu, KVM_SET_CPUID2, &c));
	c.head.nent = ~0U;
	EXPECT_EQ(-E2BIG, call(self->vcpu, KVM_SET_CPUID2, &c));
	c.head.nent = ROOM;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &c));

	ASSERT_NE(NULL, edge);
	edge->nent = 2;
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_CPUID2, edge));
	edge->nent = 1;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, edge));

	/* Linear addresses have 48 or 57 bits. */
	c.head.nent = 1;
	c.ent[0] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 40 | 50 << 8 };
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_CPUID2, &c));
	c.ent[0].eax = 40 | 48 << 8;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &c));
}

/* Once the guest has run, it keeps its processor. */
TEST_F(state, cpuid_is_kept)
{
	bool hw = variant->engine != NPT_ENGINE_SOFT;
	static struct cpuid c;

	NEED_ENGINE();

	ASSERT_EQ(0, give_offered_cpuid(self->dev, self->vcpu, &c));
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &c));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_CPUID2, &c));
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &c));
	find_cpuid(&c, 1, 0)->ecx ^= 1;
	EXPECT_EQ(hw ? -EINVAL : 0, call(self->vcpu, KVM_SET_CPUID2, &c));
}

/* CR4 may have what CPUID tells of, where a processor obeys CR4. */
TEST_F(state, cr4_follows_cpuid)
{
	const uint64_t smep = 1UL << 20;
	struct kvm_cpuid_entry2 *e;
	static struct cpuid c;
	struct kvm_sregs s;

	NEED_ENGINE();
	if (variant->engine == NPT_ENGINE_SOFT)
		SKIP(return, "the soft engine's processor has no CPUID");
	ASSERT_EQ(0, give_offered_cpuid(self->dev, self->vcpu, &c));
	e = find_cpuid(&c, 7, 0);
	if (!e || !(e->ebx & (1U << 7)))
		SKIP(return, "no SMEP here");
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cr4 |= smep;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	s.cr4 &= ~smep;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	e->ebx &= ~(1U << 7);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &c));
	s.cr4 |= smep;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SREGS, &s));
}

/* --- MSRs ------------------------------------------------------------------- */

static void check_list(struct __test_metadata *_metadata, int dev, unsigned long cmd,
		       struct msr_list *l)
{
	uint32_t i, j, n;

	EXPECT_EQ(-EFAULT, call(dev, cmd, BAD_PTR));
	l->head.nmsrs = 0;
	EXPECT_EQ(-E2BIG, call(dev, cmd, l));
	n = l->head.nmsrs;
	ASSERT_LE(1, n);
	ASSERT_GE(ROOM, n);
	l->head.nmsrs = n - 1;
	EXPECT_EQ(-E2BIG, call(dev, cmd, l));
	EXPECT_EQ(n, l->head.nmsrs);
	l->head.nmsrs = ~0U;
	ASSERT_EQ(0, call(dev, cmd, l));
	EXPECT_EQ(n, l->head.nmsrs);
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			EXPECT_NE(l->indices[i], l->indices[j]);
}

/* Everything in the list can be saved and restored. */
TEST_F(state, msr_list)
{
	static struct msr_list l;
	static struct msrs m;
	uint32_t i;

	NEED_ENGINE();
	check_list(_metadata, self->dev, KVM_GET_MSR_INDEX_LIST, &l);
	m.head.nmsrs = l.head.nmsrs;
	for (i = 0; i < l.head.nmsrs; i++)
		m.ent[i].index = l.indices[i];
	EXPECT_EQ(l.head.nmsrs, call(self->vcpu, KVM_GET_MSRS, &m));
	EXPECT_EQ(l.head.nmsrs, call(self->vcpu, KVM_SET_MSRS, &m));
}

TEST_F(state, msr_list_at_the_end_of_memory)
{
	struct kvm_msr_list *l = at_the_end(sizeof(*l) + 4);

	NEED_ENGINE();
	ASSERT_NE(NULL, l);
	l->nmsrs = ROOM;
	EXPECT_EQ(-EFAULT, call(self->dev, KVM_GET_MSR_INDEX_LIST, l));
}

TEST_F(state, feature_msrs)
{
	static struct msr_list l;
	uint64_t value;
	uint32_t i;

	NEED_ENGINE();
	check_list(_metadata, self->dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &l);
	for (i = 0; i < l.head.nmsrs; i++)
		EXPECT_EQ(1, get_msr(self->dev, l.indices[i], &value));
	EXPECT_EQ(0, get_msr(self->dev, MSR_STAR, &value));
	EXPECT_EQ(-ENOTTY, set_msr(self->dev, l.indices[0], 0));
}

/* One after the other, until one is refused. */
TEST_F(state, msrs_stop_at_the_first_refused)
{
	static struct msrs m;
	uint64_t value;

	NEED_ENGINE();
	m.head.nmsrs = 3;
	m.ent[0] = (struct kvm_msr_entry){ .index = MSR_STAR, .data = 0x1122334455667788 };
	m.ent[1] = (struct kvm_msr_entry){ .index = MSR_NONE };
	m.ent[2] = (struct kvm_msr_entry){ .index = MSR_LSTAR, .data = 0x1000 };
	EXPECT_EQ(1, call(self->vcpu, KVM_SET_MSRS, &m));
	m.ent[0].data = 0;
	EXPECT_EQ(1, call(self->vcpu, KVM_GET_MSRS, &m));
	EXPECT_EQ(0x1122334455667788, m.ent[0].data);
	EXPECT_EQ(1, get_msr(self->vcpu, MSR_LSTAR, &value));
	EXPECT_EQ(0, value);
}

TEST_F(state, msrs_sizes)
{
	struct kvm_msrs *edge = at_the_end(sizeof(*edge) + sizeof(edge->entries[0]));
	static const unsigned long calls[] = { KVM_GET_MSRS, KVM_SET_MSRS };
	static struct msrs m;
	unsigned int i, j;

	NEED_ENGINE();
	ASSERT_NE(NULL, edge);
	for (j = 0; j < ROOM; j++)
		m.ent[j].index = MSR_STAR;
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EFAULT, call(self->vcpu, calls[i], BAD_PTR));
		m.head.nmsrs = 0;
		EXPECT_EQ(0, call(self->vcpu, calls[i], &m));
		m.head.nmsrs = ROOM - 1;
		EXPECT_EQ(ROOM - 1, call(self->vcpu, calls[i], &m));
		m.head.nmsrs = ROOM;
		EXPECT_EQ(-E2BIG, call(self->vcpu, calls[i], &m));
		m.head.nmsrs = ~0U;
		EXPECT_EQ(-E2BIG, call(self->vcpu, calls[i], &m));
		edge->nmsrs = 2;
		EXPECT_EQ(-EFAULT, call(self->vcpu, calls[i], edge));
		edge->nmsrs = 1;
		edge->entries[0] = (struct kvm_msr_entry){ .index = MSR_STAR };
		EXPECT_EQ(1, call(self->vcpu, calls[i], edge));
	}
	/* Read-only memory is enough to set from, and not to get to. */
	ASSERT_EQ(0, mprotect((void *)((uintptr_t)edge & ~(PAGE - 1)), PAGE, PROT_READ));
	EXPECT_EQ(1, call(self->vcpu, KVM_SET_MSRS, edge));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_GET_MSRS, edge));
}

/* What a processor would raise #GP for is refused, what it takes comes back. */
TEST_F(state, msr_values)
{
	static const struct {
		uint32_t index;
		uint64_t good, bad;	/* bad 0: every value is fine */
	} values[] = {
		{ MSR_STAR, ~0ULL },
		{ MSR_LSTAR, 0xffff800000000000, 1ULL << 47 },
		{ MSR_FS_BASE, 0x7fffffffffff, 1ULL << 63 },
		{ MSR_GS_BASE, 0xffffffffffffffff, 0xff7f000000000000 },
		{ MSR_KERNEL_GS_BASE, 0x1234, 0x123456789abcdef0 },
		{ MSR_SYSENTER_CS, 0x10 },
		{ MSR_PAT, 0x0007010600070106, 0x0007010600070103 },
		{ MSR_MTRR_DEF, 0xc06, 0xc02 },
		{ MSR_MTRR_MASK0, 0xff000800, 1ULL << 63 },
		{ MSR_PERF_CTL0, 0x430076 },
		{ MSR_HWCR, 0, 1ULL << 40 },
		{ MSR_APIC_BASE, 0xfee00900, 0xfee00500 },
		{ MSR_TSC_ADJUST, 0x123456789 },
		{ MSR_EFER, 0x1, 1ULL << 12 },	/* SVME */
		{ MSR_EFER, 0x901, 1ULL << 1 },
	};
	uint64_t got;
	unsigned int i;

	NEED_ENGINE();
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		TH_LOG("MSR %#x", values[i].index);
		EXPECT_EQ(1, set_msr(self->vcpu, values[i].index, values[i].good));
		if (values[i].bad)
			EXPECT_EQ(0, set_msr(self->vcpu, values[i].index, values[i].bad));
		EXPECT_EQ(1, get_msr(self->vcpu, values[i].index, &got));
		EXPECT_EQ(values[i].good, got);
	}
	EXPECT_EQ(0, get_msr(self->vcpu, MSR_NONE, &got));
	EXPECT_EQ(0, set_msr(self->vcpu, MSR_NONE, 0));
	/* A guest has no SVM, and can't get it. */
	EXPECT_EQ(1, get_msr(self->vcpu, MSR_VM_CR, &got));
	EXPECT_NE(0, got & (1 << 4));
	EXPECT_EQ(0, set_msr(self->vcpu, MSR_VM_CR, 1));
}

/* LMA is what CR0.PG makes of LME, whatever is written. */
TEST_F(state, efer)
{
	struct kvm_sregs s;
	uint64_t got;

	NEED_ENGINE();
	EXPECT_EQ(1, set_msr(self->vcpu, MSR_EFER, EFER_LME | EFER_LMA));
	EXPECT_EQ(1, get_msr(self->vcpu, MSR_EFER, &got));
	EXPECT_EQ(EFER_LME, got);
	EXPECT_EQ(1, set_msr(self->vcpu, MSR_EFER, 0));
	ASSERT_EQ(0, long_mode(self->vcpu, 0x1000));
	/* Long mode can't be switched off while paging is on. */
	EXPECT_EQ(0, set_msr(self->vcpu, MSR_EFER, 0));
	EXPECT_EQ(1, set_msr(self->vcpu, MSR_EFER, EFER_LME | 1));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(EFER_LME | EFER_LMA | 1, s.efer);
}

/* A bit that CPUID tells of can be set, and no other. */
TEST_F(state, bits_follow_cpuid)
{
	static const struct {
		uint32_t msr, bit, leaf, reg;
		uint32_t cpuid;		/* any of these */
	} bits[] = {
		{ MSR_EFER, 11, 0x80000001, 3, 1U << 20 },	/* NX */
		{ MSR_EFER, 14, 0x80000001, 3, 1U << 25 },	/* FFXSR */
		{ MSR_EFER, 21, 0x80000021, 0, 1U << 8 },	/* automatic IBRS */
		{ MSR_SPEC_CTRL, 0, 0x80000008, 1, 1U << 14 },	/* IBRS */
		{ MSR_SPEC_CTRL, 1, 0x80000008, 1, 1U << 15 },	/* STIBP */
		{ MSR_SPEC_CTRL, 2, 0x80000008, 1, 1U << 24 },	/* SSBD */
		{ MSR_SPEC_CTRL, 7, 0x80000008, 1, 1U << 28 },	/* PSFD */
		{ MSR_SPEC_CTRL, 10, 0, 0, 0 },
	};
	struct kvm_cpuid_entry2 *e;
	static struct cpuid c;
	struct kvm_sregs s;
	unsigned int i;
	bool has;

	NEED_ENGINE();
	if (variant->engine == NPT_ENGINE_SOFT)
		SKIP(return, "the soft engine's processor has no CPUID");
	ASSERT_EQ(0, give_offered_cpuid(self->dev, self->vcpu, &c));
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		e = find_cpuid(&c, bits[i].leaf, 0);
		has = e && ((&e->eax)[bits[i].reg] & bits[i].cpuid);
		TH_LOG("MSR %#x, bit %u: has %d", bits[i].msr, bits[i].bit, has);
		EXPECT_EQ(has, set_msr(self->vcpu, bits[i].msr, 1ULL << bits[i].bit));
		set_msr(self->vcpu, bits[i].msr, 0);
		if (bits[i].msr != MSR_EFER)
			continue;
		/* The same way in by the other call: no VMRUN is to fail of it. */
		ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
		s.efer = 1ULL << bits[i].bit;
		EXPECT_EQ(has ? 0 : -EINVAL, call(self->vcpu, KVM_SET_SREGS, &s));
		s.efer = 0;
		ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	}
}

TEST_F(state, tsc)
{
	const uint64_t there = 1ULL << 50;
	int other = call_value(self->vm, KVM_CREATE_VCPU, 1);
	uint64_t a, b, adjust;
	long khz;

	NEED_ENGINE();
	ASSERT_LE(0, other);
	/* Time began with the VM, for all its vCPUs. */
	ASSERT_EQ(1, get_msr(self->vcpu, MSR_TSC, &a));
	ASSERT_EQ(1, get_msr(other, MSR_TSC, &b));
	EXPECT_LT(a, b);
	EXPECT_LT(a, there);

	ASSERT_EQ(1, set_msr(self->vcpu, MSR_TSC, there));
	ASSERT_EQ(1, get_msr(self->vcpu, MSR_TSC, &a));
	ASSERT_EQ(1, get_msr(other, MSR_TSC, &b));
	EXPECT_LE(there, a);
	EXPECT_GT(there, b);
	/* User space sets one after the other to the same: they end up in step. */
	ASSERT_EQ(1, set_msr(other, MSR_TSC, there));
	ASSERT_EQ(1, get_msr(self->vcpu, MSR_TSC, &a));
	ASSERT_EQ(1, get_msr(other, MSR_TSC, &b));
	EXPECT_LT(a, b);
	/* That is no business of TSC_ADJUST. */
	ASSERT_EQ(1, get_msr(self->vcpu, MSR_TSC_ADJUST, &adjust));
	EXPECT_EQ(0, adjust);

	khz = call(self->vcpu, KVM_GET_TSC_KHZ, NULL);
	EXPECT_LT(0, khz);
	EXPECT_EQ(khz, call(self->vm, KVM_GET_TSC_KHZ, NULL));
	EXPECT_EQ(0, call_value(self->vcpu, KVM_SET_TSC_KHZ, khz));
	EXPECT_EQ(0, call_value(self->vm, KVM_SET_TSC_KHZ, 0));
	EXPECT_EQ(-EINVAL, call_value(self->vcpu, KVM_SET_TSC_KHZ, khz / 2));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_SET_TSC_KHZ, khz * 2));
	close(other);
}

/* --- events ----------------------------------------------------------------- */

TEST_F(state, events_round_trip)
{
	struct kvm_vcpu_events e, got;

	NEED_ENGINE();
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		  KVM_VCPUEVENT_VALID_SMM, e.flags);
	EXPECT_EQ(0, e.exception.injected);
	EXPECT_EQ(0, e.interrupt.injected);
	EXPECT_EQ(0, e.nmi.pending);

	e.exception.injected = 1;
	e.exception.nr = 13;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x18;
	e.interrupt.injected = 1;
	e.interrupt.nr = 0x81;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	e.nmi.masked = 1;
	e.nmi.pending = 1;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &got));
	/* STI's shadow and MOV SS's are one to the processor. */
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS;
	EXPECT_EQ(0, memcmp(&e, &got, sizeof(e)));

	/* Without their flags, what they tell of stays. */
	e.flags = 0;
	e.interrupt.shadow = 0;
	e.nmi.pending = 0;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &got));
	EXPECT_NE(0, got.interrupt.shadow);
	EXPECT_NE(0, got.nmi.pending);
}

TEST_F(state, events_refused)
{
	struct kvm_vcpu_events e, bad, got;

	NEED_ENGINE();
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &e));
#define REFUSED(field, value) do {					\
		bad = e;						\
		bad.exception.injected = 1;				\
		bad.exception.nr = 14;					\
		bad.field = (value);					\
		EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_VCPU_EVENTS, &bad)) { \
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)
	REFUSED(flags, 1U << 31);
	REFUSED(flags, KVM_VCPUEVENT_VALID_PAYLOAD);
	REFUSED(flags, KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	REFUSED(exception.nr, 32);
	REFUSED(exception.nr, 2);
	REFUSED(smi.smm, 1);
	REFUSED(smi.pending, 1);
#undef REFUSED
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_VCPU_EVENTS, BAD_PTR));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_GET_VCPU_EVENTS, BAD_PTR));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &got));
	EXPECT_EQ(0, memcmp(&e, &got, sizeof(e)));
}

/* Extensions that a VM switches on: what a pending exception brings, triple faults. */
TEST_F(state, events_extended)
{
	struct kvm_vcpu_events e = {
		.exception.pending = 1,
		.exception.injected = 1,
		.exception.nr = 14,
		.exception_has_payload = 1,
		.exception_payload = 0x1234,
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
		.triple_fault.pending = 1,
	}, got;
	struct kvm_sregs s;

	NEED_ENGINE();
	ASSERT_EQ(0, enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	ASSERT_EQ(0, enable_cap(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &got));
	EXPECT_EQ(1, got.exception.pending);
	EXPECT_EQ(0, got.exception.injected);	/* one or the other */
	EXPECT_EQ(1, got.exception_has_payload);
	EXPECT_EQ(0x1234, got.exception_payload);
	EXPECT_EQ(1, got.triple_fault.pending);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0, s.cr2);

	/* Who does not know payloads finds it where it belongs. */
	ASSERT_EQ(0, enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &got));
	EXPECT_EQ(1, got.exception.injected);
	EXPECT_EQ(0, got.exception_has_payload);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0x1234, s.cr2);
	got.triple_fault.pending = 0;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &got));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &got));
	EXPECT_EQ(0, got.triple_fault.pending);
}

/* --- debug registers -------------------------------------------------------- */

TEST_F(state, debugregs)
{
	struct kvm_debugregs d = {
		.db = { 1, 2, 0xffff800000000000, 4 }, .dr6 = 0xffff0ff1, .dr7 = 0x401,
	}, got, bad;

	NEED_ENGINE();
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &got));
	EXPECT_EQ(0xffff0ff0, got.dr6);
	EXPECT_EQ(0x400, got.dr7);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_DEBUGREGS, &d));
	bad = d;
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_DEBUGREGS, &bad));
	bad = d;
	bad.dr6 |= 1ULL << 32;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_DEBUGREGS, &bad));
	bad = d;
	bad.dr7 |= 1ULL << 63;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_DEBUGREGS, &bad));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_DEBUGREGS, BAD_PTR));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &got));
	EXPECT_EQ(0, memcmp(&d, &got, sizeof(d)));
}

TEST_F(state, guest_debug)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE };

	NEED_ENGINE();
	if (variant->engine == NPT_ENGINE_SOFT) {
		EXPECT_EQ(-EOPNOTSUPP, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
		return;
	}
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
	d.control = 1U << 31;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
	d.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	d.arch.debugreg[7] = 1ULL << 32;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
	d.control = KVM_GUESTDBG_INJECT_DB;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
	EXPECT_EQ(-EBUSY, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
}

/* One instruction at a time: those that the processor executes, and those that exit. */
TEST_F(state, single_step)
{
	/* NOP; CPUID; XOR AX, AX; HLT */
	static const uint8_t code[] = { 0x90, 0x0f, 0xa2, 0x31, 0xc0, HLT };
	static const uint8_t lengths[] = { 1, 2, 2 };
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct kvm_debugregs dr;
	uint64_t pc = CODE;
	struct kvm_regs r;
	unsigned int i;

	NEED_ENGINE();

	if (variant->engine == NPT_ENGINE_SOFT)
		SKIP(return, "the soft engine steps nothing");
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	memcpy(self->mem + CODE, code, sizeof(code));
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
	for (i = 0; i < sizeof(lengths); i++) {
		pc += lengths[i];
		ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
		EXPECT_EQ(KVM_EXIT_DEBUG, self->run->exit_reason);
		EXPECT_EQ(1, self->run->debug.arch.exception);
		EXPECT_EQ(pc, self->run->debug.arch.pc);
		EXPECT_EQ(0xffff4ff0, self->run->debug.arch.dr6);
	}
	/* The guest has not noticed. */
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(0, r.rflags & 0x100);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0xffff0ff0, dr.dr6);
	d.control = 0;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_GUEST_DEBUG, &d));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
}

/* --- what the guest sees of it ------------------------------------------------ */

/* Bits that the processor must not run with, and bits that it must. */
TEST_F(state, guest_reads_control_registers)
{
	static const uint8_t code[] = {
		0x0f, 0x20, 0xc0,		/* MOV EAX, CR0 */
		0x66, 0xa3, 0x00, 0x20,		/* MOV [2000h], EAX */
		0x0f, 0x20, 0xe0,		/* MOV EAX, CR4 */
		0x66, 0xa3, 0x04, 0x20,		/* MOV [2004h], EAX */
		HLT,
	};
	uint32_t seen[2];
	struct kvm_sregs s;

	NEED_ENGINE();

	if (variant->engine == NPT_ENGINE_SOFT)
		SKIP(return, "nothing reads registers here");
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	memcpy(self->mem + CODE, code, sizeof(code));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	/* CD, NW and ET, as after RESET; no MCE. */
	EXPECT_EQ(0x60000010, s.cr0);
	EXPECT_EQ(0, s.cr4);
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	memcpy(seen, self->mem + 0x2000, sizeof(seen));
	EXPECT_EQ(s.cr0, seen[0]);
	EXPECT_EQ(s.cr4, seen[1]);
}

/* A vCPU that goes on in the middle of its NMI handler. */
TEST_F(state, iret_unmasks_nmis)
{
	/* PUSHF; PUSH CS; PUSH CODE + 6; IRET; HLT */
	static const uint8_t code[] = { 0x9c, 0x0e, 0x68, 0x06, CODE >> 8, 0xcf, HLT };
	struct kvm_vcpu_events e;
	struct kvm_regs r;

	NEED_ENGINE();

	if (variant->engine == NPT_ENGINE_SOFT)
		SKIP(return, "nothing executes IRET here");
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	memcpy(self->mem + CODE, code, sizeof(code));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	r.rsp = 0x3000;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &e));
	e.nmi.masked = 1;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(CODE + 7, r.rip);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.nmi.masked);
}

/* --- FPU -------------------------------------------------------------------- */

/* Byte offsets in an XSAVE area (APM vol. 2, 11.5). */
#define FCW 0
#define MXCSR 24
#define XMM0 160
#define XSTATE_BV 512
#define XCOMP_BV 520
#define HEADER_REST 528

static uint64_t *xstate_bv(struct kvm_xsave *x)
{
	return (uint64_t *)((uint8_t *)x->region + XSTATE_BV);
}

TEST_F(state, xsave)
{
	struct kvm_xsave *x = at_the_end(sizeof(*x)), bad, got;
	uint8_t *bytes = (uint8_t *)x;

	NEED_ENGINE();
	ASSERT_NE(NULL, x);
	EXPECT_EQ(4096, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_XSAVE, x));
	EXPECT_EQ(0x37f, *(uint16_t *)(bytes + FCW));
	EXPECT_EQ(0x1f80, *(uint32_t *)(bytes + MXCSR));
	memset(bytes + XMM0, 0x5a, 16);
	*xstate_bv(x) |= 3;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_XSAVE, x));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_XSAVE2, &got));
	EXPECT_EQ(0, memcmp(bytes + XMM0, (uint8_t *)&got + XMM0, 16));

	bad = *x;
	*xstate_bv(&bad) |= 1ULL << 62;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XSAVE, &bad));
	bad = *x;
	*(uint64_t *)((uint8_t *)&bad + HEADER_REST) = 1;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XSAVE, &bad));
	bad = *x;
	*(uint32_t *)((uint8_t *)&bad + MXCSR) = 1U << 31;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XSAVE, &bad));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_XSAVE, bytes + 8));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_GET_XSAVE, bytes + 8));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_GET_XSAVE2, BAD_PTR));
}

TEST_F(state, fpu)
{
	struct kvm_fpu f, got;
	struct kvm_xsave x;

	NEED_ENGINE();
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_FPU, &f));
	EXPECT_EQ(0x37f, f.fcw);
	EXPECT_EQ(0x1f80, f.mxcsr);
	f.fcw = 0x27f;
	f.fsw = 0x3800;
	f.ftwx = 0x80;
	f.last_opcode = 0x123;
	f.last_ip = 0x1000;
	f.last_dp = 0x2000;
	memset(f.fpr[0], 0x11, 10);
	memset(f.xmm[15], 0x22, 16);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_FPU, &f));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_FPU, &got));
	EXPECT_EQ(0, memcmp(&f, &got, sizeof(f)));
	/* The same state in the other format. */
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_XSAVE, &x));
	EXPECT_EQ(0x27f, x.region[0] & 0xffff);
	EXPECT_EQ(0, memcmp((uint8_t *)x.region + XMM0 + 15 * 16, f.xmm[15], 16));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_FPU, BAD_PTR));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_GET_FPU, BAD_PTR));
}

TEST_F(state, xcrs)
{
	struct kvm_xcrs x, set = { .nr_xcrs = 1 };
	struct kvm_cpuid_entry2 *e;
	static struct cpuid c;

	NEED_ENGINE();
	if (!call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_XCRS))
		SKIP(return, "no XSAVE here");
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_XCRS, &x));
	EXPECT_EQ(1, x.nr_xcrs);
	EXPECT_EQ(0, x.xcrs[0].xcr);
	EXPECT_EQ(1, x.xcrs[0].value);

	/* Without CPUID there is nothing but the x87's. */
	set.xcrs[0].value = 3;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	ASSERT_EQ(0, give_offered_cpuid(self->dev, self->vcpu, &c));
	e = find_cpuid(&c, 0xd, 0);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_XCRS, &set));
	set.xcrs[0].value = e->eax;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_XCRS, &set));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_XCRS, &x));
	EXPECT_EQ(e->eax, x.xcrs[0].value);

	set.xcrs[0].value = 0;			/* the x87 is always on */
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	set.xcrs[0].value = 5;			/* AVX without SSE */
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	set.xcrs[0].value = 3 | 1ULL << 62;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	set.xcrs[0].value = 3;
	set.flags = 1;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	set.flags = 0;
	set.nr_xcrs = KVM_MAX_XCRS + 1;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	set.nr_xcrs = ~0U;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_XCRS, &set));
	set.nr_xcrs = 0;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_XCRS, &set));
}

/* KVM_RUN with @in in XMM7 and nothing in between; @out: what is there afterwards. */
static long run_with_xmm7(int vcpu, const uint8_t *in, uint8_t *out)
{
	long ret = __NR_ioctl;

	asm volatile("movdqu (%[in]), %%xmm7\n\t"
		     "syscall\n\t"
		     "movdqu %%xmm7, (%[out])"
		     : "+a" (ret)
		     : "D" ((long)vcpu), "S" ((long)KVM_RUN), "d" (0L),
		       [in] "r" (in), [out] "r" (out)
		     : "rcx", "r11", "xmm7", "memory");
	return ret;
}

/* The guest finds its registers and leaves them to us; ours are not its business. */
TEST_F(state, guest_fpu)
{
	static const uint8_t code[] = {
		0x0f, 0x11, 0x06, 0x00, 0x20,		/* MOVUPS [2000h], XMM0 */
		0x0f, 0x57, 0xff,			/* XORPS XMM7, XMM7 */
		0x66, 0xb9, 0x00, 0x00, 0x00, 0x00,	/* MOV ECX, 0 */
		0x66, 0xb8, 0x03, 0x00, 0x00, 0x00,	/* MOV EAX, 3 */
		0x66, 0x31, 0xd2,			/* XOR EDX, EDX */
		0x0f, 0x01, 0xd1,			/* XSETBV */
		HLT,
	};
	static struct cpuid c;
	uint8_t ours[16], after[16];
	struct kvm_sregs s;
	struct kvm_xcrs x;
	struct kvm_fpu f;

	NEED_ENGINE();

	if (variant->engine == NPT_ENGINE_SOFT ||
	    !call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_XCRS))
		SKIP(return, "nothing executes XSETBV here");
	ASSERT_EQ(0, give_offered_cpuid(self->dev, self->vcpu, &c));
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	memcpy(self->mem + CODE, code, sizeof(code));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.cr4 |= 1 << 9 | 1 << 18;	/* OSFXSR, OSXSAVE */
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_FPU, &f));
	memset(f.xmm, 0x5a, sizeof(f.xmm));
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_FPU, &f));

	memset(ours, 0xa7, sizeof(ours));
	ASSERT_EQ(0, run_with_xmm7(self->vcpu, ours, after));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	EXPECT_EQ(0, memcmp(ours, after, sizeof(ours)));
	EXPECT_EQ(0, memcmp(self->mem + 0x2000, f.xmm[0], 16));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_FPU, &f));
	memset(ours, 0, sizeof(ours));
	EXPECT_EQ(0, memcmp(f.xmm[7], ours, 16));
	EXPECT_EQ(0x5a, f.xmm[8][0]);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_XCRS, &x));
	EXPECT_EQ(3, x.xcrs[0].value);
}

/* --- registers -------------------------------------------------------------- */

TEST_F(state, sregs2)
{
	struct kvm_sregs2 s2;
	struct kvm_sregs s;

	NEED_ENGINE();
	ASSERT_EQ(0, long_mode(self->vcpu, 0x1000));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS2, &s2));
	EXPECT_EQ(0, memcmp(&s, &s2, offsetof(struct kvm_sregs2, flags)));
	EXPECT_EQ(0, s2.flags);
	s2.fs.base = 0x4567;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS2, &s2));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0x4567, s.fs.base);
	s2.flags = 2;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SREGS2, &s2));
	/* These pointers exist in PAE paging alone. */
	s2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SREGS2, &s2));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_SREGS2, BAD_PTR));
}

TEST_F(state, sregs_apic_base_and_interrupt)
{
	struct kvm_vcpu_events e;
	struct kvm_sregs s, got;

	NEED_ENGINE();
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	got = s;
	got.apic_base = 1 << 10;		/* x2APIC mode of one that is off */
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SREGS, &got));
	got.apic_base = 0xfee00800 | 1;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SREGS, &got));
	got.apic_base = 1 << 11;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &got));
	s.interrupt_bitmap[1] = 1ULL << 5;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &got));
	EXPECT_EQ(0, memcmp(&s, &got, sizeof(s)));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.interrupt.injected);
	EXPECT_EQ(64 + 5, e.interrupt.nr);
}

#define SYNC_ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

TEST_F(state, sync_regs)
{
	struct kvm_run *run = self->run;
	struct kvm_regs r;

	NEED_ENGINE();
	EXPECT_EQ(SYNC_ALL, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS));
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	run->kvm_valid_regs = 1ULL << 31;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_RUN, NULL));
	run->kvm_valid_regs = SYNC_ALL | 1ULL << 63;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_RUN, NULL));
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 1ULL << 31;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_RUN, NULL));
	run->kvm_dirty_regs = 0;

	run->kvm_valid_regs = SYNC_ALL;
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, run->exit_reason);
	EXPECT_EQ(CODE + 1, run->s.regs.regs.rip);
	EXPECT_EQ(0, run->s.regs.sregs.cs.base);
	EXPECT_NE(0, run->s.regs.events.flags);

	/* What is changed there is taken, and told to be taken. */
	run->s.regs.regs.rip = CODE;
	run->s.regs.regs.rbx = 0x1234;
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = SYNC_ALL;
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(0, run->kvm_dirty_regs);
	EXPECT_EQ(CODE, run->s.regs.regs.rip);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(CODE + 1, r.rip);
	EXPECT_EQ(0x1234, r.rbx);

	/* Registers that are refused: those before them were taken. */
	run->s.regs.sregs.cr8 = 16;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_SYNC_X86_SREGS, run->kvm_dirty_regs);
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	run->s.regs.events.flags = ~0U;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_RUN, NULL));
}

/* Without a local APIC in the module CR8 is what user space's says, at each run. */
TEST_F(state, run_takes_cr8)
{
	struct kvm_run *run = self->run;
	struct kvm_regs r;
	struct kvm_sregs s;

	NEED_ENGINE();
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	run->cr8 = 16;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_RUN, NULL));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(CODE, r.rip);
	run->cr8 = 9;
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, run->exit_reason);
	EXPECT_EQ(9, run->cr8);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(9, s.cr8);
	/* Also when the state has not been looked at in between. */
	self->mem[CODE + 1] = HLT;
	self->mem[CODE + 2] = HLT;
	run->cr8 = 3;
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	run->cr8 = 0;
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(0, run->cr8);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0, s.cr8);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(CODE + 3, r.rip);
}

/* --- signals ---------------------------------------------------------------- */

struct mask {
	struct kvm_signal_mask head;
	uint64_t set;
} __attribute__((packed));

TEST_F(state, signal_mask)
{
	struct mask m = { .head.len = 8 };
	struct timespec now = { 0 };
	struct mask *edge = at_the_end(sizeof(*edge) - 1);
	sigset_t one;

	NEED_ENGINE();
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_SIGNAL_MASK, BAD_PTR));
	m.head.len = 7;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SIGNAL_MASK, &m));
	m.head.len = ~0U;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SIGNAL_MASK, &m));
	ASSERT_NE(NULL, edge);
	edge->head.len = 8;
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_SIGNAL_MASK, edge));

	/* A signal waits that the thread does not want now. */
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &one, NULL));
	raise(SIGUSR1);
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	EXPECT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);

	/* During a run it does, and is as before after it. */
	m.head.len = 8;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SIGNAL_MASK, &m));
	ASSERT_EQ(0, ready_to_halt(self->vcpu, self->mem));
	EXPECT_EQ(-EINTR, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_INTR, self->run->exit_reason);
	EXPECT_EQ(SIGUSR1, sigtimedwait(&one, NULL, &now));

	raise(SIGUSR1);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SIGNAL_MASK, NULL));
	EXPECT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(SIGUSR1, sigtimedwait(&one, NULL, &now));
}

/* --- capabilities ------------------------------------------------------------- */

TEST_F(state, enable_cap)
{
	struct kvm_enable_cap c = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .flags = 1 };

	NEED_ENGINE();
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_ENABLE_CAP, &c));
	EXPECT_EQ(-EFAULT, call(self->vm, KVM_ENABLE_CAP, BAD_PTR));
	EXPECT_EQ(-EINVAL, enable_cap(self->vm, 1000000, 1));
	EXPECT_EQ(-ENOTTY, enable_cap(self->vcpu, KVM_CAP_HYPERV_SYNIC, 0));

	EXPECT_EQ(-EINVAL, enable_cap(self->vm, KVM_CAP_MAX_VCPU_ID, NPT_MAX_VCPUS + 1));
	EXPECT_EQ(0, enable_cap(self->vm, KVM_CAP_MAX_VCPU_ID, 4));
	EXPECT_EQ(0, enable_cap(self->vm, KVM_CAP_MAX_VCPU_ID, 4));
	EXPECT_EQ(-EINVAL, enable_cap(self->vm, KVM_CAP_MAX_VCPU_ID, 5));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_CREATE_VCPU, 4));
	EXPECT_LE(0, call_value(self->vm, KVM_CREATE_VCPU, 3));
}

TEST_F(state, extensions)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	bool hw = variant->engine != NPT_ENGINE_SOFT;
	int vm;

	NEED_ENGINE();
	c.engine = variant->engine;
	c.max_vcpus = 3;
	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	EXPECT_EQ(3, call_value(vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	close(vm);
	EXPECT_EQ(call_value(self->dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS),
		  call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	EXPECT_EQ(1, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_ENABLE_CAP_VM));
	EXPECT_EQ(1, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_EVENTS));
	EXPECT_EQ(1, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_DEBUGREGS));
	EXPECT_EQ(hw, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG));
	EXPECT_EQ(hw, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER));
	EXPECT_EQ(0, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE));
	EXPECT_EQ(0, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM));
	EXPECT_EQ(0, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV));
	EXPECT_EQ(0, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL));
}

TEST_F(state, nr_mmu_pages)
{
	NEED_ENGINE();
	EXPECT_LT(0, call(self->vm, KVM_GET_NR_MMU_PAGES, NULL));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_SET_NR_MMU_PAGES, 63));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_SET_NR_MMU_PAGES, 1UL << 32 | 64));
	EXPECT_EQ(0, call_value(self->vm, KVM_SET_NR_MMU_PAGES, 64));
	EXPECT_EQ(64, call(self->vm, KVM_GET_NR_MMU_PAGES, NULL));
}

TEST_HARNESS_MAIN
