// SPDX-License-Identifier: GPL-2.0
/*
 * Events on their way into a guest that runs: NMIs at the first instruction
 * that may take them, interrupts from user space without and with local APICs,
 * the end of a level-triggered one, and user space that debugs the guest.
 *
 * Only KVM's calls are used, so NPT_DEVICE=/dev/kvm compares with KVM.
 */
#include <asm/kvm.h>
#include <cpuid.h>
#include <sched.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "utils.h"

/* A guest in real mode: interrupt vectors at 0, handlers of 16 bytes each. */
#define MEM_SIZE 0x10000UL
#define CODE 0x1000
#define SEEN 0x2000	/* handlers leave here what was pushed: IP, CS, FLAGS */
#define DATA 0x2100
#define STACK 0x8000
#define HANDLER(vector) (0x4000 + 0x10 * (vector))

#define DB_VECTOR 1
#define NMI_VECTOR 2
#define BP_VECTOR 3
#define UD_VECTOR 6
#define VECTOR 0x30
#define LEVEL_VECTOR 0x41

#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200

/* Ports that guests write when they are done. */
#define END_OF_CODE 0x81

#define APIC_SVR 0xf0
#define APIC_LVT_LINT0 0x350
#define LVT_MASKED 0x10000
#define DM_EXTINT 0x700
#define MSI_LEVEL 0xc000	/* level-triggered, asserted */

enum chip { NONE, SPLIT, FULL };

FIXTURE(event) {
	int dev, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
};

FIXTURE_VARIANT(event) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(event, nested) { .mmu = NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(event, shadow) { .mmu = NPT_MMU_SHADOW };

static bool kvm_itself(void)
{
	return getenv("NPT_DEVICE");
}

static int new_vm(int dev, unsigned int mmu)
{
	struct npt_create_vm c = vm_args(mmu);

	c.engine = NPT_ENGINE_SVM;
	if (kvm_itself())
		return call_value(dev, KVM_CREATE_VM, 0);
	return call(dev, NPT_CREATE_VM, &c);
}

/*
 * Does QEMU's TCG make up the processor? Under its SVM INT3 counts as INT n, DR7
 * has no effect, RDTSCP is not intercepted, and an event that VMRUN delivers lets
 * one instruction through before an interrupt that waits.
 */
static bool emulated(void)
{
	uint32_t eax, r[4] = { 0 };

	__cpuid(0x40000000, eax, r[0], r[1], r[2]);
	return !strcmp((char *)r, "TCGTCGTCGTCG");
}

FIXTURE_SETUP(event)
{
	self->vm = -1;
	self->vcpu = -1;
	self->dev = kvm_itself() ? open(getenv("NPT_DEVICE"), O_RDWR) : open_npt();
	if (self->dev < 0)
		SKIP_ALL("no /dev/npt");
	self->vm = new_vm(self->dev, variant->mmu);
	if (self->vm < 0)
		SKIP_ALL("no svm engine here");
	self->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, (void *)self->mem);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	self->run_size = call_value(self->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
}

FIXTURE_TEARDOWN(event)
{
	if (self->vcpu >= 0) {
		munmap(self->run, self->run_size);
		close(self->vcpu);
	}
	close(self->vm);
	close(self->dev);
}

/* --- guests ---------------------------------------------------------------- */

/* What was pushed goes to SEEN, and the vector to a port. */
static void add_handler(uint8_t *mem, uint8_t vector)
{
	const uint8_t code[] = {
		0x8f, 0x06, SEEN & 0xff, SEEN >> 8,	/* pop [SEEN] */
		0x8f, 0x06, (SEEN & 0xff) + 2, SEEN >> 8,
		0x8f, 0x06, (SEEN & 0xff) + 4, SEEN >> 8,
		0xe6, vector,				/* out %al, $vector */
	};
	const uint16_t ivt[] = { HANDLER(vector), 0 };

	memcpy(mem + 4 * vector, ivt, sizeof(ivt));
	memcpy(mem + HANDLER(vector), code, sizeof(code));
}

static uint16_t seen(const uint8_t *mem, unsigned int word)
{
	uint16_t v;

	memcpy(&v, mem + SEEN + 2 * word, sizeof(v));
	return v;
}

static int set_regs(int vcpu, uint64_t rip, uint64_t rflags)
{
	struct kvm_regs r = { .rip = rip, .rsp = STACK, .rflags = rflags | 2 };

	return call(vcpu, KVM_SET_REGS, &r);
}

static int real_mode(int vcpu)
{
	struct kvm_sregs s;
	int ret = call(vcpu, KVM_GET_SREGS, &s);

	s.cs.base = 0;
	s.cs.selector = 0;
	return ret ?: call(vcpu, KVM_SET_SREGS, &s);
}

/* A vCPU that is about to execute @code at CODE, and an end behind it. */
#define START(chip, rflags, ...) do {						\
		static const uint8_t code_[] = { __VA_ARGS__, 0xe6, END_OF_CODE };	\
		memcpy(self->mem + CODE, code_, sizeof(code_));			\
		ASSERT_EQ(0, start(self, chip));				\
		ASSERT_EQ(0, set_regs(self->vcpu, CODE, rflags));		\
	} while (0)

static int start(struct _test_data_event *self, enum chip chip)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	int ret = 0;

	if (chip == SPLIT)
		ret = call(self->vm, KVM_ENABLE_CAP, &split);
	else if (chip == FULL)
		ret = call_value(self->vm, KVM_CREATE_IRQCHIP, 0);
	if (ret)
		return ret;
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	if (self->vcpu < 0)
		return self->vcpu;
	self->run = mmap(NULL, self->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	if (self->run == MAP_FAILED)
		return -errno;
	add_handler(self->mem, NMI_VECTOR);
	add_handler(self->mem, DB_VECTOR);
	add_handler(self->mem, BP_VECTOR);
	add_handler(self->mem, VECTOR);
	return real_mode(self->vcpu);
}

/* The port that the guest writes next, or minus the reason why it left. */
static int run_to_port(struct _test_data_event *self)
{
	int ret = call(self->vcpu, KVM_RUN, NULL);

	if (ret)
		return -1000 + ret;
	if (self->run->exit_reason != KVM_EXIT_IO)
		return -(int)self->run->exit_reason;
	return self->run->io.port;
}

static int get_events(int vcpu, struct kvm_vcpu_events *e)
{
	return call(vcpu, KVM_GET_VCPU_EVENTS, e);
}

static int set_events(int vcpu, struct kvm_vcpu_events *e)
{
	e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	return call(vcpu, KVM_SET_VCPU_EVENTS, e);
}

static int poke_lapic(int vcpu, unsigned int offset, uint32_t value)
{
	struct kvm_lapic_state s;
	int ret = call(vcpu, KVM_GET_LAPIC, &s);

	memcpy(s.regs + offset, &value, sizeof(value));
	return ret ?: call(vcpu, KVM_SET_LAPIC, &s);
}

/* --- NMIs ------------------------------------------------------------------- */

/* The NMI finds the guest where it went on, with the flags that it had. */
static void expect_nmi(struct __test_metadata *_metadata, struct _test_data_event *self,
		       uint16_t rip)
{
	struct kvm_vcpu_events e;

	EXPECT_EQ(NMI_VECTOR, run_to_port(self));
	EXPECT_EQ(rip, seen(self->mem, 0));
	EXPECT_EQ(0, seen(self->mem, 2) & RFLAGS_TF);
	ASSERT_EQ(0, get_events(self->vcpu, &e));
	EXPECT_EQ(1, e.nmi.masked);
	EXPECT_EQ(0, e.nmi.pending);
}

TEST_F(event, nmi_with_interrupts_off)
{
	START(NONE, 0, 0x90);
	ASSERT_EQ(0, call_value(self->vcpu, KVM_NMI, 0));
	expect_nmi(_metadata, self, CODE);
}

/* In the handler of an NMI, at an IRET that loads @flags, while the next one waits. */
static void begin_at_iret(struct __test_metadata *_metadata, struct _test_data_event *self,
			  uint16_t flags)
{
	const uint16_t frame[] = { CODE + 1, 0, flags };
	struct kvm_vcpu_events e;

	/* iret, to here; nop; nop */
	START(NONE, 0, 0xcf, 0x90, 0x90);
	memcpy(self->mem + STACK, frame, sizeof(frame));
	ASSERT_EQ(0, get_events(self->vcpu, &e));
	e.nmi.pending = 1;
	e.nmi.masked = 1;
	ASSERT_EQ(0, set_events(self->vcpu, &e));
}

TEST_F(event, nmi_after_iret)
{
	begin_at_iret(_metadata, self, 2);
	expect_nmi(_metadata, self, CODE + 1);
}

/* A flag that IRET loads is the guest's, though the engine steps over it. */
TEST_F(event, nmi_after_iret_to_single_step)
{
	begin_at_iret(_metadata, self, 2 | RFLAGS_TF);
	EXPECT_EQ(NMI_VECTOR, run_to_port(self));
	EXPECT_EQ(CODE + 1, seen(self->mem, 0));
	EXPECT_EQ(RFLAGS_TF, seen(self->mem, 2) & RFLAGS_TF);
}

TEST_F(event, nmi_behind_shadow)
{
	struct kvm_debugregs dr;
	struct kvm_vcpu_events e;

	START(NONE, 0, 0x90, 0x90, 0x90);
	ASSERT_EQ(0, get_events(self->vcpu, &e));
	e.nmi.pending = 1;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	ASSERT_EQ(0, set_events(self->vcpu, &e));
	expect_nmi(_metadata, self, CODE + 1);
	/* It has not noticed how that was done. */
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0xffff0ff0, dr.dr6);
}

/* The exception goes first; the NMI comes before its handler has done anything. */
TEST_F(event, nmi_behind_exception)
{
	struct kvm_vcpu_events e;

	if (kvm_itself())
		SKIP(return, "KVM of 6.1 waits for an exit here");
	START(NONE, 0, 0x90);
	memset(self->mem + HANDLER(UD_VECTOR), 0x90, 8);
	*(uint32_t *)(self->mem + 4 * UD_VECTOR) = HANDLER(UD_VECTOR);
	ASSERT_EQ(0, get_events(self->vcpu, &e));
	e.exception.injected = 1;
	e.exception.nr = UD_VECTOR;
	e.nmi.pending = 1;
	ASSERT_EQ(0, set_events(self->vcpu, &e));
	expect_nmi(_metadata, self, HANDLER(UD_VECTOR) + emulated());
}

/* --- interrupts from user space ------------------------------------------------ */

/* The guest is in a loop with interrupts on: a window, an interrupt, its handler. */
static void expect_window(struct __test_metadata *_metadata, struct _test_data_event *self)
{
	struct kvm_interrupt in = { .irq = VECTOR };

	self->run->request_interrupt_window = 1;
	EXPECT_EQ(-KVM_EXIT_IRQ_WINDOW_OPEN, run_to_port(self));
	EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(1, self->run->if_flag);
	ASSERT_EQ(0, call(self->vcpu, KVM_INTERRUPT, &in));
	/* Not while one is on its way already. */
	EXPECT_EQ(VECTOR, run_to_port(self));
	EXPECT_EQ(0, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(0, self->run->if_flag);
}

TEST_F(event, interrupt_without_apic)
{
	START(NONE, 0, 0xfb, 0x90, 0xeb, 0xfe);	/* sti; nop; jmp . */
	expect_window(_metadata, self);
}

TEST_F(event, interrupt_of_split_chip)
{
	START(SPLIT, 0, 0xfb, 0x90, 0xeb, 0xfe);
	ASSERT_EQ(0, poke_lapic(self->vcpu, APIC_LVT_LINT0, DM_EXTINT));
	expect_window(_metadata, self);
}

/* Nobody takes what comes to a pin that is masked. */
TEST_F(event, masked_pin)
{
	START(SPLIT, RFLAGS_IF, 0x90);
	ASSERT_EQ(0, poke_lapic(self->vcpu, APIC_LVT_LINT0, DM_EXTINT | LVT_MASKED));
	self->run->request_interrupt_window = 1;
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
	EXPECT_EQ(0, self->run->ready_for_interrupt_injection);
}

/* HLT does not sleep over what user space has for the guest. */
TEST_F(event, window_in_halt)
{
	START(SPLIT, RFLAGS_IF, 0xf4);
	ASSERT_EQ(0, poke_lapic(self->vcpu, APIC_LVT_LINT0, DM_EXTINT));
	expect_window(_metadata, self);
	EXPECT_EQ(CODE + 1, seen(self->mem, 0));
}

/* Where the PIC is the kernel's, there is no window to wait for. */
TEST_F(event, full_chip_has_no_window)
{
	struct kvm_interrupt in = { .irq = VECTOR };

	START(FULL, RFLAGS_IF, 0x90);
	self->run->request_interrupt_window = 1;
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
	EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(-ENXIO, call(self->vcpu, KVM_INTERRUPT, &in));
}

/* A level-triggered interrupt by a route, and its end. */
TEST_F(event, end_of_level_interrupt)
{
	/* mov %eax, EOI, by DS; out */
	static const uint8_t handler[] = { 0x66, 0xa3, 0xb0, 0x00, 0xe6, VECTOR };
	struct kvm_irq_level line = { .irq = 3, .level = 1 };
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routes = {
		.head.nr = 1,
		.entry = {
			.gsi = 3,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = LEVEL_VECTOR | MSI_LEVEL },
		},
	};
	struct kvm_sregs s;

	START(SPLIT, RFLAGS_IF, 0x90);
	add_handler(self->mem, LEVEL_VECTOR);
	memcpy(self->mem + HANDLER(LEVEL_VECTOR), handler, sizeof(handler));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	s.ds.base = 0xfee00000;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, poke_lapic(self->vcpu, APIC_SVR, 0x1ff));
	ASSERT_EQ(0, call(self->vm, KVM_SET_GSI_ROUTING, &routes));
	ASSERT_EQ(0, call(self->vm, KVM_IRQ_LINE, &line));
	EXPECT_EQ(-KVM_EXIT_IOAPIC_EOI, run_to_port(self));
	EXPECT_EQ(LEVEL_VECTOR, self->run->eoi.vector);
	EXPECT_EQ(VECTOR, run_to_port(self));
}

/* --- TSC_AUX ------------------------------------------------------------------- */

static int set_tsc_aux(int vcpu, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = 0xc0000103, .entry.data = value };

	return call(vcpu, KVM_SET_MSRS, &msrs);
}

static uint32_t own_tsc_aux(void)
{
	uint32_t aux;

	asm volatile("rdtscp" : "=c" (aux) : : "eax", "edx");
	return aux;
}

static int give_cpuid(int dev, int vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} c = { .head.nent = 256 };

	return call(dev, KVM_GET_SUPPORTED_CPUID, &c) ?: call(vcpu, KVM_SET_CPUID2, &c);
}

/* What the guest reads is its own, and what this process reads is the host's. */
TEST_F(event, tsc_aux)
{
	uint32_t host, guest;
	cpu_set_t last;

	/* On a processor whose own value is not 0, if there is more than one. */
	CPU_ZERO(&last);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(last), &last));
	host = own_tsc_aux();
	/* rdtscp; mov %ecx, DATA */
	START(NONE, 0, 0x0f, 0x01, 0xf9, 0x66, 0x89, 0x0e, DATA & 0xff, DATA >> 8);
	ASSERT_EQ(0, give_cpuid(self->dev, self->vcpu));
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
	memcpy(&guest, self->mem + DATA, sizeof(guest));
	EXPECT_EQ(0, guest);
	EXPECT_EQ(host, own_tsc_aux());
	ASSERT_EQ(1, set_tsc_aux(self->vcpu, 0x1234));
	ASSERT_EQ(0, set_regs(self->vcpu, CODE, 0));
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
	memcpy(&guest, self->mem + DATA, sizeof(guest));
	EXPECT_EQ(0x1234, guest);
	EXPECT_EQ(host, own_tsc_aux());
}

/* Without CPUID it has no such instruction. */
TEST_F(event, no_rdtscp)
{
	if (emulated())
		SKIP(return, "QEMU's SVM can't intercept RDTSCP");
	START(NONE, 0, 0x0f, 0x01, 0xf9);
	add_handler(self->mem, UD_VECTOR);
	EXPECT_EQ(UD_VECTOR, run_to_port(self));
}

/* --- debugging --------------------------------------------------------------- */

static int debug(int vcpu, uint32_t control, uint64_t db0, uint64_t dr7)
{
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | control,
		.arch.debugreg = { [0] = db0, [7] = dr7 },
	};

	return call(vcpu, KVM_SET_GUEST_DEBUG, &d);
}

/* KVM_EXIT_DEBUG of @vector at @pc; the guest's RIP is there, too. */
static void expect_debug(struct __test_metadata *_metadata, struct _test_data_event *self,
			 uint32_t vector, uint64_t pc)
{
	struct kvm_regs r;

	EXPECT_EQ(-KVM_EXIT_DEBUG, run_to_port(self));
	EXPECT_EQ(vector, self->run->debug.arch.exception);
	EXPECT_EQ(pc, self->run->debug.arch.pc);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(pc, r.rip);
	EXPECT_EQ(0, r.rflags & RFLAGS_TF);
}

TEST_F(event, software_breakpoint)
{
	if (emulated())
		SKIP(return, "QEMU's SVM can't intercept INT3");
	START(NONE, 0, 0x90, 0xcc, 0x90);
	ASSERT_EQ(0, debug(self->vcpu, KVM_GUESTDBG_USE_SW_BP, 0, 0));
	expect_debug(_metadata, self, BP_VECTOR, CODE + 1);
	/* The debugger puts back what was there, and the guest goes on. */
	self->mem[CODE + 1] = 0x90;
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
}

/* Without a debugger, or with one that doesn't use them, INT3 is the guest's. */
TEST_F(event, own_breakpoint)
{
	START(NONE, 0, 0x90, 0xcc, 0x90);
	EXPECT_EQ(BP_VECTOR, run_to_port(self));
	EXPECT_EQ(CODE + 2, seen(self->mem, 0));
	ASSERT_EQ(0, set_regs(self->vcpu, CODE, 0));
	ASSERT_EQ(0, debug(self->vcpu, 0, 0, 0));
	EXPECT_EQ(BP_VECTOR, run_to_port(self));
}

TEST_F(event, hardware_breakpoint)
{
	struct kvm_debugregs dr;

	if (emulated())
		SKIP(return, "QEMU's SVM has no breakpoints");
	START(NONE, 0, 0x90, 0x90, 0x90);
	ASSERT_EQ(0, debug(self->vcpu, KVM_GUESTDBG_USE_HW_BP, CODE + 2, 0x402));
	expect_debug(_metadata, self, DB_VECTOR, CODE + 2);
	EXPECT_EQ(1, self->run->debug.arch.dr6 & 0xf);
	EXPECT_EQ(0x402, self->run->debug.arch.dr7);
	/* The guest's own registers are as they were. */
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0, dr.db[0]);
	EXPECT_EQ(0xffff0ff0, dr.dr6);
	EXPECT_EQ(0x400, dr.dr7);
	ASSERT_EQ(0, debug(self->vcpu, 0, 0, 0));
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
}

/* mov %al, DATA: the trap comes behind the write. */
TEST_F(event, hardware_watchpoint)
{
	if (emulated())
		SKIP(return, "QEMU's SVM has no breakpoints");
	START(NONE, 0, 0x90, 0xa2, DATA & 0xff, DATA >> 8, 0x90, 0x90);
	ASSERT_EQ(0, debug(self->vcpu, KVM_GUESTDBG_USE_HW_BP, DATA, 0x10402));
	expect_debug(_metadata, self, DB_VECTOR, CODE + 4);
	EXPECT_EQ(1, self->run->debug.arch.dr6 & 0xf);
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
}

/* The guest has breakpoints of its own. */
TEST_F(event, own_debug_registers)
{
	struct kvm_debugregs dr = { .db = { CODE + 1 }, .dr6 = 0xffff0ff0, .dr7 = 0x402 };

	if (emulated())
		SKIP(return, "QEMU's SVM has no breakpoints");
	START(NONE, 0, 0x90, 0x90, 0x90);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_DEBUGREGS, &dr));
	EXPECT_EQ(DB_VECTOR, run_to_port(self));
	EXPECT_EQ(CODE + 1, seen(self->mem, 0));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0xffff0ff1, dr.dr6);
}

TEST_F(event, steps)
{
	/* nop; xor %eax, %eax; cpuid; cld; nop; pushf; nop */
	static const uint8_t lengths[] = { 1, 2, 2, 1, 1, 1, 1 };
	uint64_t pc = CODE;
	unsigned int i;

	START(NONE, 0, 0x90, 0x31, 0xc0, 0x0f, 0xa2, 0xfc, 0x90, 0x9c, 0x90);
	ASSERT_EQ(0, debug(self->vcpu, KVM_GUESTDBG_SINGLESTEP, 0, 0));
	for (i = 0; i < sizeof(lengths); i++) {
		pc += lengths[i];
		expect_debug(_metadata, self, DB_VECTOR, pc);
		EXPECT_EQ(0x4000, self->run->debug.arch.dr6 & 0x400f);
	}
	ASSERT_EQ(0, debug(self->vcpu, 0, 0, 0));
	EXPECT_EQ(END_OF_CODE, run_to_port(self));
}

/* What waits for the guest is not to come between the debugger's steps, if that says so. */
TEST_F(event, steps_with_interrupts_blocked)
{
	struct kvm_interrupt in = { .irq = VECTOR };
	unsigned int i;

	START(NONE, RFLAGS_IF, 0x90, 0x90, 0x90, 0x90, 0x90);
	ASSERT_EQ(0, debug(self->vcpu, KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ, 0, 0));
	/* KVM gives the guest at once what it is given without an APIC. */
	if (!kvm_itself())
		ASSERT_EQ(0, call(self->vcpu, KVM_INTERRUPT, &in));
	ASSERT_EQ(0, call_value(self->vcpu, KVM_NMI, 0));
	for (i = 1; i < 4; i++)
		expect_debug(_metadata, self, DB_VECTOR, CODE + i);
	ASSERT_EQ(0, debug(self->vcpu, 0, 0, 0));
	expect_nmi(_metadata, self, CODE + 3);
}

TEST_HARNESS_MAIN
