// SPDX-License-Identifier: GPL-2.0
/* Local APICs, interrupts and what starts processors, as far as user space sees them. */
#include <asm/kvm.h>
#include <pthread.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "utils.h"

#ifndef KVM_X2APIC_API_USE_32BIT_IDS
#define KVM_X2APIC_API_USE_32BIT_IDS (1ULL << 0)
#endif

#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC_ID 0x802
#define APIC_BASE_EN (1 << 11)
#define APIC_BASE_EXTD (1 << 10)
#define APIC_BASE_MODES (APIC_BASE_EN | APIC_BASE_EXTD)

#define APIC_ID 0x20
#define APIC_VERSION 0x30
#define APIC_LDR 0xd0
#define APIC_DFR 0xe0
#define APIC_SVR 0xf0
#define APIC_ISR 0x100
#define APIC_IRR 0x200
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_TMICT 0x380
#define APIC_TMCCT 0x390

#define DM_LOWEST 0x100
#define DM_NMI 0x400
#define DM_INIT 0x500
#define DM_SIPI 0x600

static uint32_t get_reg(const struct kvm_lapic_state *s, unsigned int offset)
{
	uint32_t v;

	memcpy(&v, s->regs + offset, sizeof(v));
	return v;
}

static void set_reg(struct kvm_lapic_state *s, unsigned int offset, uint32_t v)
{
	memcpy(s->regs + offset, &v, sizeof(v));
}

static int engine_vm(int dev, unsigned int engine)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);

	c.engine = engine;
	return call(dev, NPT_CREATE_VM, &c);
}

/* A VM that can have an irqchip; -EOPNOTSUPP if no engine here can. */
static int hw_vm(int dev)
{
	int vm = engine_vm(dev, NPT_ENGINE_DEFAULT);

	if (vm < 0 || call_value(vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP) > 0)
		return vm;
	close(vm);
	return -EOPNOTSUPP;
}

/* The same on a device of its own. Why there is none, else NULL. */
static const char *open_hw(int *dev, int *vm)
{
	*dev = open_npt();
	if (*dev < 0)
		return "no /dev/npt";
	*vm = hw_vm(*dev);
	return *vm == -EOPNOTSUPP ? "no engine here runs a processor" : NULL;
}

static int enable_cap(int vm, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args[0] = arg };

	return call(vm, KVM_ENABLE_CAP, &c);
}

static int get_msr(int vcpu, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = index };
	int ret = call(vcpu, KVM_GET_MSRS, &msrs);

	*value = msrs.entry.data;
	return ret;
}

static int set_msr(int vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = index, .entry.data = value };

	return call(vcpu, KVM_SET_MSRS, &msrs);
}

static int give_chip(int vm, bool split)
{
	if (split)
		return enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	return call_value(vm, KVM_CREATE_IRQCHIP, 0);
}

/* Write one register, everything else as it is. */
static int poke(int vcpu, unsigned int offset, uint32_t value)
{
	struct kvm_lapic_state s;
	int ret = call(vcpu, KVM_GET_LAPIC, &s);

	if (ret)
		return ret;
	set_reg(&s, offset, value);
	return call(vcpu, KVM_SET_LAPIC, &s);
}

static bool waits(int vcpu, unsigned int vector)
{
	struct kvm_lapic_state s;

	if (call(vcpu, KVM_GET_LAPIC, &s))
		return false;
	return get_reg(&s, APIC_IRR + vector / 32 * 16) >> vector % 32 & 1;
}

static int mp_state(int vcpu)
{
	struct kvm_mp_state s;
	int ret = call(vcpu, KVM_GET_MP_STATE, &s);

	return ret ?: s.mp_state;
}

static int set_mp_state(int vcpu, uint32_t state)
{
	struct kvm_mp_state s = { .mp_state = state };

	return call(vcpu, KVM_SET_MP_STATE, &s);
}

static int msi(int vm, uint32_t address, uint32_t data)
{
	struct kvm_msi m = { .address_lo = 0xfee00000 | address, .data = data };

	return call(vm, KVM_SIGNAL_MSI, &m);
}

static int to(unsigned int id)
{
	return id << 12;
}

/* --- where there is no irqchip -------------------------------------------- */

FIXTURE(plain) {
	int dev, vm, vcpu;
};

FIXTURE_VARIANT(plain) {
	unsigned int engine;
};

FIXTURE_VARIANT_ADD(plain, soft) { .engine = NPT_ENGINE_SOFT };
FIXTURE_VARIANT_ADD(plain, default) { .engine = NPT_ENGINE_DEFAULT };

FIXTURE_SETUP(plain)
{
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP_ALL("no /dev/npt");
	self->vm = engine_vm(self->dev, variant->engine);
	ASSERT_LE(0, self->vm);
}

FIXTURE_TEARDOWN(plain)
{
	close(self->vcpu);
	close(self->vm);
	close(self->dev);
}

TEST_F(plain, needs_one)
{
	struct kvm_irq_level line = { .irq = 1, .level = 1 };
	struct kvm_irq_routing routing = {};
	struct kvm_irqchip chip = {};
	struct kvm_lapic_state lapic;

	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_GET_LAPIC, &lapic));
	memset(&lapic, 0, sizeof(lapic));
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_LAPIC, &lapic));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_SET_LAPIC, BAD_PTR));
	EXPECT_EQ(-EINVAL, msi(self->vm, 0, 0x40));
	EXPECT_EQ(-EFAULT, call(self->vm, KVM_SIGNAL_MSI, BAD_PTR));
	EXPECT_EQ(-ENXIO, call(self->vm, KVM_IRQ_LINE, &line));
	EXPECT_EQ(-ENXIO, call(self->vm, KVM_IRQ_LINE_STATUS, &line));
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &routing));
	EXPECT_EQ(-ENXIO, call(self->vm, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, call(self->vm, KVM_SET_IRQCHIP, &chip));
}

TEST_F(plain, mp_state)
{
	uint32_t state;

	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 3);
	ASSERT_LE(0, self->vcpu);
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vcpu));
	EXPECT_EQ(0, set_mp_state(self->vcpu, KVM_MP_STATE_RUNNABLE));
	for (state = 1; state < 12; state++)
		EXPECT_EQ(-EINVAL, set_mp_state(self->vcpu, state));
}

TEST_F(plain, intel_addresses)
{
	uint64_t address = 0xfeffc000;

	EXPECT_EQ(0, call_value(self->vm, KVM_SET_TSS_ADDR, 0xfffbd000));
	EXPECT_EQ(0, call_value(self->vm, KVM_SET_TSS_ADDR, 0xffffd000));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_SET_TSS_ADDR, 0xffffd001));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_SET_TSS_ADDR, 1UL << 32));
	EXPECT_EQ(0, call(self->vm, KVM_SET_IDENTITY_MAP_ADDR, &address));
	EXPECT_EQ(-EFAULT, call(self->vm, KVM_SET_IDENTITY_MAP_ADDR, BAD_PTR));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_IDENTITY_MAP_ADDR, &address));
}

TEST_F(plain, boot_cpu)
{
	struct kvm_sregs s;

	EXPECT_EQ(0, call_value(self->vm, KVM_SET_BOOT_CPU_ID, 5));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 5);
	ASSERT_LE(0, self->vcpu);
	EXPECT_EQ(-EBUSY, call_value(self->vm, KVM_SET_BOOT_CPU_ID, 0));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0x100, s.apic_base & 0x100);
}

TEST_F(plain, interrupt)
{
	struct kvm_interrupt in = { .irq = 0x30 };

	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_INTERRUPT, BAD_PTR));
	in.irq = 256;
	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_INTERRUPT, &in));
	in.irq = 0x30;
	if (call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP)) {
		EXPECT_EQ(0, call(self->vcpu, KVM_INTERRUPT, &in));
		EXPECT_EQ(-EEXIST, call(self->vcpu, KVM_INTERRUPT, &in));
		EXPECT_EQ(0, call_value(self->vcpu, KVM_NMI, 0));
	} else {
		EXPECT_EQ(-EOPNOTSUPP, call(self->vcpu, KVM_INTERRUPT, &in));
		EXPECT_EQ(-EOPNOTSUPP, call_value(self->vcpu, KVM_NMI, 0));
	}
}

TEST(soft_engine_has_none)
{
	int dev = open_npt(), vm;

	if (dev < 0)
		SKIP(return, "no /dev/npt");
	vm = engine_vm(dev, NPT_ENGINE_SOFT);
	ASSERT_LE(0, vm);
	EXPECT_EQ(0, call_value(vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP));
	EXPECT_EQ(0, call_value(vm, KVM_CHECK_EXTENSION, KVM_CAP_SPLIT_IRQCHIP));
	EXPECT_EQ(0, call_value(vm, KVM_CHECK_EXTENSION, KVM_CAP_SIGNAL_MSI));
	EXPECT_EQ(-EOPNOTSUPP, call_value(vm, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EOPNOTSUPP, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	close(vm);
	close(dev);
}

/* --- how one comes ----------------------------------------------------------- */

FIXTURE(chip) {
	int dev, vm;
};

FIXTURE_SETUP(chip)
{
	const char *why_not = open_hw(&self->dev, &self->vm);

	if (why_not)
		SKIP_ALL("%s", why_not);
	ASSERT_LE(0, self->vm);
}

FIXTURE_TEARDOWN(chip)
{
	close(self->vm);
	close(self->dev);
}

TEST_F(chip, create)
{
	struct kvm_irqchip chip = {};
	int vm;

	EXPECT_EQ(0, call_value(self->vm, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EEXIST, call_value(self->vm, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EEXIST, enable_cap(self->vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	/* There is a local APIC and nothing else. */
	EXPECT_EQ(-ENXIO, call(self->vm, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, call(self->vm, KVM_SET_IRQCHIP, &chip));

	vm = hw_vm(self->dev);
	ASSERT_LE(0, vm);
	ASSERT_LE(0, call_value(vm, KVM_CREATE_VCPU, 0));
	EXPECT_EQ(-EINVAL, call_value(vm, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EEXIST, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	close(vm);
}

TEST_F(chip, split)
{
	EXPECT_EQ(-EINVAL, enable_cap(self->vm, KVM_CAP_SPLIT_IRQCHIP, 4097));
	EXPECT_EQ(0, enable_cap(self->vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	EXPECT_EQ(-EEXIST, enable_cap(self->vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	EXPECT_EQ(-EEXIST, call_value(self->vm, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EINVAL, enable_cap(self->vm, KVM_CAP_X2APIC_API, 4));
	EXPECT_EQ(0, enable_cap(self->vm, KVM_CAP_X2APIC_API, 3));
}

/* --- vCPUs with one ------------------------------------------------------------ */

#define VCPUS 3

FIXTURE(lapic) {
	int dev, vm, vcpu[VCPUS];
};

FIXTURE_VARIANT(lapic) {
	bool split;
};

FIXTURE_VARIANT_ADD(lapic, irqchip) { .split = false };
FIXTURE_VARIANT_ADD(lapic, split) { .split = true };

FIXTURE_SETUP(lapic)
{
	const char *why_not = open_hw(&self->dev, &self->vm);
	int i;

	if (why_not)
		SKIP_ALL("%s", why_not);
	ASSERT_LE(0, self->vm);
	ASSERT_EQ(0, give_chip(self->vm, variant->split));
	for (i = 0; i < VCPUS; i++) {
		self->vcpu[i] = call_value(self->vm, KVM_CREATE_VCPU, i);
		ASSERT_LE(0, self->vcpu[i]);
	}
}

FIXTURE_TEARDOWN(lapic)
{
	int i;

	for (i = 0; i < VCPUS; i++)
		close(self->vcpu[i]);
	close(self->vm);
	close(self->dev);
}

/* SDM vol. 3A, 11.4.7.1 */
TEST_F(lapic, after_reset)
{
	struct kvm_lapic_state s;
	struct kvm_sregs sregs;
	uint64_t base;
	int i, r;

	for (i = 0; i < VCPUS; i++) {
		ASSERT_EQ(0, call(self->vcpu[i], KVM_GET_LAPIC, &s));
		EXPECT_EQ(i << 24, get_reg(&s, APIC_ID));
		EXPECT_EQ(0x50014, get_reg(&s, APIC_VERSION));
		EXPECT_EQ(0xff, get_reg(&s, APIC_SVR));
		EXPECT_EQ(0xffffffff, get_reg(&s, APIC_DFR));
		EXPECT_EQ(0, get_reg(&s, APIC_LDR));
		for (r = 0; r < 0x80; r += 0x10) {
			EXPECT_EQ(0, get_reg(&s, APIC_ISR + r));
			EXPECT_EQ(0, get_reg(&s, APIC_IRR + r));
		}
		EXPECT_EQ(0x10000, get_reg(&s, APIC_LVT_TIMER));
		/* Firmware's doing: the PIC gets through to the one that boots. */
		EXPECT_EQ(i ? 0x10000 : 0x700, get_reg(&s, APIC_LVT_LINT0));
		ASSERT_EQ(1, get_msr(self->vcpu[i], MSR_APIC_BASE, &base));
		EXPECT_EQ(0xfee00800 | (i ? 0 : 0x100), base);
		ASSERT_EQ(0, call(self->vcpu[i], KVM_GET_SREGS, &sregs));
		EXPECT_EQ(base, sregs.apic_base);
		EXPECT_EQ(i ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE,
			  mp_state(self->vcpu[i]));
	}
}

TEST_F(lapic, state)
{
	struct kvm_lapic_state s, again;
	uint32_t seed = 1;
	unsigned int i, n;

	EXPECT_EQ(-EFAULT, call(self->vcpu[0], KVM_GET_LAPIC, BAD_PTR));
	EXPECT_EQ(-EFAULT, call(self->vcpu[0], KVM_SET_LAPIC, BAD_PTR));
	for (n = 0; n < 200; n++) {
		for (i = 0; i < sizeof(s); i++) {
			seed = seed * 1664525 + 1013904223;
			s.regs[i] = seed >> 24;
		}
		/* A timer would not stand still. */
		set_reg(&s, APIC_TMICT, 0);
		ASSERT_EQ(0, call(self->vcpu[1], KVM_SET_LAPIC, &s));
		ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_LAPIC, &s));
		ASSERT_EQ(0, call(self->vcpu[1], KVM_SET_LAPIC, &s));
		ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_LAPIC, &again));
		ASSERT_EQ(0, memcmp(&s, &again, sizeof(s)));
		EXPECT_EQ(0x50014, get_reg(&s, APIC_VERSION));
	}
}

TEST_F(lapic, cr8_is_tpr)
{
	struct kvm_sregs sregs;
	struct kvm_lapic_state s;

	ASSERT_EQ(0, poke(self->vcpu[0], 0x80, 0x5a));
	ASSERT_EQ(0, call(self->vcpu[0], KVM_GET_SREGS, &sregs));
	EXPECT_EQ(5, sregs.cr8);
	/* The same again does not touch the lower half. */
	ASSERT_EQ(0, call(self->vcpu[0], KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, call(self->vcpu[0], KVM_GET_LAPIC, &s));
	EXPECT_EQ(0x5a, get_reg(&s, 0x80));
	sregs.cr8 = 9;
	ASSERT_EQ(0, call(self->vcpu[0], KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, call(self->vcpu[0], KVM_GET_LAPIC, &s));
	EXPECT_EQ(0x90, get_reg(&s, 0x80));
}

TEST_F(lapic, x2apic)
{
	struct kvm_lapic_state s;
	uint64_t base, v;

	ASSERT_EQ(1, get_msr(self->vcpu[2], MSR_APIC_BASE, &base));
	EXPECT_EQ(0, set_msr(self->vcpu[2], MSR_APIC_BASE, base ^ APIC_BASE_MODES));
	EXPECT_EQ(0, set_msr(self->vcpu[2], MSR_APIC_BASE, base | 1));
	EXPECT_EQ(0, get_msr(self->vcpu[2], MSR_X2APIC_ID, &v));
	ASSERT_EQ(1, set_msr(self->vcpu[2], MSR_APIC_BASE, base | APIC_BASE_EXTD));
	EXPECT_EQ(1, get_msr(self->vcpu[2], MSR_X2APIC_ID, &v));
	EXPECT_EQ(2, v);
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_LAPIC, &s));
	EXPECT_EQ(2 << 24, get_reg(&s, APIC_ID));
	EXPECT_EQ(4, get_reg(&s, APIC_LDR));
	ASSERT_EQ(0, enable_cap(self->vm, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS));
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_LAPIC, &s));
	EXPECT_EQ(2, get_reg(&s, APIC_ID));
	EXPECT_EQ(0, call(self->vcpu[2], KVM_SET_LAPIC, &s));
	set_reg(&s, APIC_ID, 3);
	EXPECT_EQ(-EINVAL, call(self->vcpu[2], KVM_SET_LAPIC, &s));
	/* User space may take any way back. */
	EXPECT_EQ(1, set_msr(self->vcpu[2], MSR_APIC_BASE, base));
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_LAPIC, &s));
	EXPECT_EQ(2 << 24, get_reg(&s, APIC_ID));
	EXPECT_EQ(0, get_reg(&s, APIC_LDR));
}

/* --- messages --------------------------------------------------------------------- */

TEST_F(lapic, msi)
{
	struct kvm_msi m = { .address_lo = 0xfee00000, .data = 0x40, .flags = 1 };
	int i;

	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SIGNAL_MSI, &m));
	/* Software-disabled, it takes nothing. */
	EXPECT_EQ(0, msi(self->vm, to(1), 0x40));
	EXPECT_FALSE(waits(self->vcpu[1], 0x40));
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, poke(self->vcpu[i], APIC_SVR, 0x1ff));
	EXPECT_EQ(1, msi(self->vm, to(1), 0x40));
	EXPECT_FALSE(waits(self->vcpu[0], 0x40));
	EXPECT_TRUE(waits(self->vcpu[1], 0x40));
	EXPECT_FALSE(waits(self->vcpu[2], 0x40));
	/* No news; nobody; an illegal vector; everybody. */
	EXPECT_EQ(0, msi(self->vm, to(1), 0x40));
	EXPECT_EQ(-EPERM, msi(self->vm, to(9), 0x40));
	EXPECT_EQ(0, msi(self->vm, to(1), 0x0f));
	EXPECT_EQ(VCPUS, msi(self->vm, to(0xff), 0x41));
	/* By LDR: flat. */
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, poke(self->vcpu[i], APIC_LDR, 1u << (24 + i)));
	EXPECT_EQ(2, msi(self->vm, to(5) | 4, 0x42));
	EXPECT_TRUE(waits(self->vcpu[0], 0x42));
	EXPECT_FALSE(waits(self->vcpu[1], 0x42));
	EXPECT_TRUE(waits(self->vcpu[2], 0x42));
	/* One of them, in turn. */
	for (i = 0; i < VCPUS; i++)
		EXPECT_EQ(1, msi(self->vm, to(7) | 4, 0x43 | DM_LOWEST));
	for (i = 0; i < VCPUS; i++)
		EXPECT_TRUE(waits(self->vcpu[i], 0x43));
	/* Who is busy is passed over, also by the redirection hint. */
	ASSERT_EQ(0, poke(self->vcpu[0], 0x80, 0xf0));
	ASSERT_EQ(0, poke(self->vcpu[2], 0x80, 0xf0));
	EXPECT_EQ(1, msi(self->vm, to(7) | 4 | 8, 0x44));
	EXPECT_TRUE(waits(self->vcpu[1], 0x44));
}

TEST_F(lapic, changed_id)
{
	ASSERT_EQ(0, poke(self->vcpu[0], APIC_SVR, 0x1ff));
	ASSERT_EQ(0, poke(self->vcpu[1], APIC_SVR, 0x1ff));
	ASSERT_EQ(0, poke(self->vcpu[0], APIC_ID, 0x77000000));
	EXPECT_EQ(1, msi(self->vm, to(0x77), 0x50));
	EXPECT_TRUE(waits(self->vcpu[0], 0x50));
	EXPECT_EQ(-EPERM, msi(self->vm, to(0), 0x50));
	/* Two of one name both hear it. */
	ASSERT_EQ(0, poke(self->vcpu[0], APIC_ID, 0x01000000));
	EXPECT_EQ(2, msi(self->vm, to(1), 0x51));
}

TEST_F(lapic, nmi)
{
	struct kvm_vcpu_events e;

	EXPECT_EQ(1, msi(self->vm, to(1), DM_NMI));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.nmi.pending);
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.nmi.pending);
	EXPECT_EQ(0, call_value(self->vcpu[2], KVM_NMI, 0));
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.nmi.pending);
	/* What user space sets replaces what has come. */
	e.nmi.pending = 0;
	EXPECT_EQ(0, call_value(self->vcpu[2], KVM_NMI, 0));
	ASSERT_EQ(0, call(self->vcpu[2], KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.nmi.pending);
}

TEST_F(lapic, external_interrupt)
{
	struct kvm_interrupt in = { .irq = 0x30 };

	if (!variant->split) {
		EXPECT_EQ(-ENXIO, call(self->vcpu[0], KVM_INTERRUPT, &in));
		return;
	}
	EXPECT_EQ(0, call(self->vcpu[0], KVM_INTERRUPT, &in));
	EXPECT_EQ(-EEXIST, call(self->vcpu[0], KVM_INTERRUPT, &in));
	EXPECT_EQ(0, call(self->vcpu[1], KVM_INTERRUPT, &in));
}

/* --- starting processors: SDM vol. 3A, 9.4.3 ----------------------------------------- */

TEST_F(lapic, init_sipi)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	/* A SIPI without INIT is nothing. */
	EXPECT_EQ(1, msi(self->vm, to(1), DM_SIPI | 0x9a));
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp_state(self->vcpu[1]));
	EXPECT_EQ(1, msi(self->vm, to(1), DM_INIT));
	EXPECT_EQ(KVM_MP_STATE_INIT_RECEIVED, mp_state(self->vcpu[1]));
	EXPECT_EQ(1, msi(self->vm, to(1), DM_SIPI | 0x9a));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vcpu[1]));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_SREGS, &s));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_REGS, &r));
	EXPECT_EQ(0x9a00, s.cs.selector);
	EXPECT_EQ(0x9a000, s.cs.base);
	EXPECT_EQ(0, r.rip);
	/* A second one, as operating systems send it, finds nobody waiting. */
	EXPECT_EQ(1, msi(self->vm, to(1), DM_SIPI | 0x10));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vcpu[1]));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_SREGS, &s));
	EXPECT_EQ(0x9a00, s.cs.selector);
	/* Both before anybody looks; and the one that boots starts by itself. */
	EXPECT_EQ(1, msi(self->vm, to(2), DM_INIT));
	EXPECT_EQ(1, msi(self->vm, to(2), DM_SIPI | 0x08));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vcpu[2]));
	ASSERT_EQ(0, call(self->vcpu[2], KVM_GET_SREGS, &s));
	EXPECT_EQ(0x8000, s.cs.base);
	EXPECT_EQ(1, msi(self->vm, to(0), DM_INIT));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vcpu[0]));
	ASSERT_EQ(0, call(self->vcpu[0], KVM_GET_SREGS, &s));
	EXPECT_EQ(0xffff0000, s.cs.base);
}

TEST_F(lapic, init_resets)
{
	struct kvm_lapic_state s;
	struct kvm_regs r;

	ASSERT_EQ(0, poke(self->vcpu[1], APIC_SVR, 0x1ff));
	ASSERT_EQ(1, msi(self->vm, to(1), 0x77));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_REGS, &r));
	r.rbx = 0x1234;
	ASSERT_EQ(0, call(self->vcpu[1], KVM_SET_REGS, &r));
	EXPECT_EQ(1, msi(self->vm, to(1), DM_INIT));
	EXPECT_EQ(KVM_MP_STATE_INIT_RECEIVED, mp_state(self->vcpu[1]));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_LAPIC, &s));
	EXPECT_EQ(0xff, get_reg(&s, APIC_SVR));
	EXPECT_FALSE(waits(self->vcpu[1], 0x77));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_REGS, &r));
	EXPECT_EQ(0, r.rbx);
	EXPECT_EQ(0xfff0, r.rip);
}

TEST_F(lapic, mp_states)
{
	static const uint32_t good[] = {
		KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_HALTED,
		KVM_MP_STATE_RUNNABLE,
	};
	unsigned int i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		EXPECT_EQ(0, set_mp_state(self->vcpu[1], good[i]));
		EXPECT_EQ(good[i], mp_state(self->vcpu[1]));
	}
	/* One that is to start at the next look. */
	EXPECT_EQ(0, set_mp_state(self->vcpu[1], KVM_MP_STATE_SIPI_RECEIVED));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vcpu[1]));
	for (i = 5; i < 12; i++)
		EXPECT_EQ(-EINVAL, set_mp_state(self->vcpu[1], i));
	EXPECT_EQ(-EINVAL, set_mp_state(self->vcpu[1], ~0u));
	EXPECT_EQ(-EFAULT, call(self->vcpu[1], KVM_SET_MP_STATE, BAD_PTR));
}

/* --- routes ------------------------------------------------------------------------------ */

struct routes {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entries[4];
};

static struct kvm_irq_routing_entry route(uint32_t gsi, uint32_t dest, uint32_t data)
{
	struct kvm_irq_routing_entry e = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi.address_lo = 0xfee00000 | to(dest),
		.u.msi.data = data,
	};

	return e;
}

static int line(int vm, uint32_t gsi, uint32_t level, int32_t *status)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };
	int ret = call(vm, KVM_IRQ_LINE_STATUS, &l);

	*status = l.status;
	return ret;
}

TEST_F(lapic, routes)
{
	struct routes r = { .head.nr = 2 };
	struct kvm_irq_level l = { .irq = 4095, .level = 1 };
	int32_t status;

	ASSERT_EQ(0, poke(self->vcpu[1], APIC_SVR, 0x1ff));
	ASSERT_EQ(0, poke(self->vcpu[2], APIC_SVR, 0x1ff));
	EXPECT_EQ(0, line(self->vm, 5, 1, &status));
	EXPECT_EQ(-1, status);
	r.entries[0] = route(5, 1, 0x60);
	r.entries[1] = route(4095, 2, 0x61);
	ASSERT_EQ(0, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	EXPECT_EQ(0, line(self->vm, 5, 1, &status));
	EXPECT_EQ(1, status);
	EXPECT_EQ(0, line(self->vm, 5, 1, &status));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, line(self->vm, 5, 0, &status));
	EXPECT_EQ(-1, status);
	EXPECT_EQ(0, line(self->vm, 6, 1, &status));
	EXPECT_EQ(-1, status);
	EXPECT_EQ(0, line(self->vm, ~0u, 1, &status));
	EXPECT_EQ(-1, status);
	EXPECT_TRUE(waits(self->vcpu[1], 0x60));
	EXPECT_EQ(0, call(self->vm, KVM_IRQ_LINE, &l));
	EXPECT_TRUE(waits(self->vcpu[2], 0x61));

	/* What is refused changes nothing. */
	r.entries[1] = route(4096, 2, 0x61);
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	r.entries[1] = route(5, 2, 0x61);
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	r.entries[1] = route(6, 2, 0x61);
	r.entries[1].flags = 1;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	r.entries[1] = route(6, 2, 0x61);
	r.entries[1].type = KVM_IRQ_ROUTING_IRQCHIP;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	r.head.flags = 1;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	r.head.flags = 0;
	r.head.nr = 4097;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	EXPECT_EQ(-EFAULT, call(self->vm, KVM_SET_GSI_ROUTING, BAD_PTR));
	EXPECT_EQ(0, line(self->vm, 5, 1, &status));
	EXPECT_EQ(0, status);

	/* None is an answer too. */
	r.head.nr = 0;
	EXPECT_EQ(0, call(self->vm, KVM_SET_GSI_ROUTING, &r));
	EXPECT_EQ(0, line(self->vm, 5, 1, &status));
	EXPECT_EQ(-1, status);
}

/* --- the timer, of a vCPU that does not run ------------------------------------------------- */

static int start_timer(int vcpu, uint32_t lvt, uint32_t count)
{
	struct kvm_lapic_state s;
	int ret = call(vcpu, KVM_GET_LAPIC, &s);

	if (ret)
		return ret;
	set_reg(&s, APIC_SVR, 0x1ff);
	set_reg(&s, APIC_LVT_TIMER, lvt);
	set_reg(&s, 0x3e0, 0xb);	/* divide by 1: counts of 1 ns */
	set_reg(&s, APIC_TMICT, count);
	set_reg(&s, APIC_TMCCT, count);
	return call(vcpu, KVM_SET_LAPIC, &s);
}

static bool waits_soon(int vcpu, unsigned int vector)
{
	int i;

	for (i = 0; i < 5000; i++) {
		if (waits(vcpu, vector))
			return true;
		usleep(1000);
	}
	return false;
}

static int clear_irr(int vcpu, unsigned int vector)
{
	return poke(vcpu, APIC_IRR + vector / 32 * 16, 0);
}

TEST_F(lapic, timer)
{
	struct kvm_lapic_state s;

	/* One minute: it counts, and does not end. */
	ASSERT_EQ(0, start_timer(self->vcpu[1], 0x55, 4000000000u));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_LAPIC, &s));
	EXPECT_GT(4000000000u, get_reg(&s, APIC_TMCCT));
	EXPECT_LT(0, get_reg(&s, APIC_TMCCT));
	EXPECT_FALSE(waits(self->vcpu[1], 0x55));
	/* Once. */
	ASSERT_EQ(0, start_timer(self->vcpu[1], 0x55, 1000000));
	EXPECT_TRUE(waits_soon(self->vcpu[1], 0x55));
	ASSERT_EQ(0, clear_irr(self->vcpu[1], 0x55));
	ASSERT_EQ(0, call(self->vcpu[1], KVM_GET_LAPIC, &s));
	EXPECT_EQ(0, get_reg(&s, APIC_TMCCT));
	EXPECT_FALSE(waits(self->vcpu[1], 0x55));
	/* Again and again, and much too fast. */
	ASSERT_EQ(0, start_timer(self->vcpu[1], 0x20056, 1));
	EXPECT_TRUE(waits_soon(self->vcpu[1], 0x56));
	ASSERT_EQ(0, clear_irr(self->vcpu[1], 0x56));
	EXPECT_TRUE(waits_soon(self->vcpu[1], 0x56));
	/* It goes with the VM. */
}

TEST_F(lapic, masked_timer)
{
	ASSERT_EQ(0, start_timer(self->vcpu[1], 0x30055, 1000000));
	usleep(5000);
	EXPECT_FALSE(waits(self->vcpu[1], 0x55));
	ASSERT_EQ(0, start_timer(self->vcpu[1], 0x20055, 1000000));
	EXPECT_TRUE(waits_soon(self->vcpu[1], 0x55));
}

/* --- everybody at once ------------------------------------------------------------------------ */

struct storm {
	int vm, vcpu[VCPUS];
	unsigned int seed;
	volatile bool *stop;
};

static uint32_t next(struct storm *s)
{
	s->seed = s->seed * 1664525 + 1013904223;
	return s->seed >> 8;
}

static void *storm(void *arg)
{
	struct storm *s = arg;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events e;
	int vcpu;

	while (!*s->stop) {
		vcpu = s->vcpu[next(s) % VCPUS];
		switch (next(s) % 8) {
		case 0 ... 3:
			msi(s->vm, next(s) & 0xffffc, next(s) & 0xffff);
			break;
		case 4:
			if (!call(vcpu, KVM_GET_LAPIC, &lapic)) {
				set_reg(&lapic, next(s) % 64 * 16, next(s));
				call(vcpu, KVM_SET_LAPIC, &lapic);
			}
			break;
		case 5:
			set_mp_state(vcpu, next(s) % 6);
			mp_state(vcpu);
			break;
		case 6:
			set_msr(vcpu, MSR_APIC_BASE, 0xfee00000 | (next(s) & 0xd00));
			break;
		case 7:
			call(vcpu, KVM_GET_VCPU_EVENTS, &e);
			start_timer(vcpu, next(s) & 0x700ff, next(s));
			break;
		}
	}
	return NULL;
}

TEST_F(lapic, storm)
{
	struct storm s[4];
	volatile bool stop = false;
	pthread_t thread[4];
	int i;

	for (i = 0; i < 4; i++) {
		s[i] = (struct storm){ .vm = self->vm, .seed = i, .stop = &stop };
		memcpy(s[i].vcpu, self->vcpu, sizeof(s[i].vcpu));
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, storm, &s[i]));
	}
	usleep(500000);
	stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	/* It can still be brought back to its senses. Two may have taken one ID until then. */
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(1, set_msr(self->vcpu[i], MSR_APIC_BASE, 0xfee00000));
		EXPECT_EQ(1, set_msr(self->vcpu[i], MSR_APIC_BASE, 0xfee00800));
		EXPECT_EQ(0, poke(self->vcpu[i], APIC_SVR, 0x1ff));
	}
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(1, msi(self->vm, to(i), 0x99));
		EXPECT_TRUE(waits(self->vcpu[i], 0x99));
	}
}

TEST_HARNESS_MAIN
