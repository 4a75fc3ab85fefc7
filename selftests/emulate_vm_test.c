// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions of real guests that are executed in the kernel or end in user
 * space: MMIO, read-only memory, ports, shadowed page tables. In both MMU modes
 * of a hardware engine.
 */
#include <asm/kvm.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "utils.h"

#define MEM_SIZE	(2 * MIB)
#define CODE		0x1000
#define STACK		0x8000
#define TABLES		0x10000		/* PML4, PDPT, PD, PT, all one to one */
#define DATA		0x20000
#define MMIO		0xa0000		/* a hole up to ROM */
#define ROM		0xc0000
#define ROM_SIZE	0x10000

#define CR0_ET		(1UL << 4)
#define CR4_OSFXSR	(1UL << 9)
#define EFER_LME	(1UL << 8)
#define EFER_LMA	(1UL << 10)
#define RFLAGS_1	2UL
#define RFLAGS_TF	(1UL << 8)

FIXTURE(guest)
{
	int dev, vm, vcpu;
	struct kvm_run *run;
	uint8_t *mem;
	struct kvm_regs regs;
};

FIXTURE_VARIANT(guest)
{
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(guest, nested)
{
	.mmu = NPT_MMU_NESTED,
};

FIXTURE_VARIANT_ADD(guest, shadow)
{
	.mmu = NPT_MMU_SHADOW,
};

/* RAM with a hole and read-only memory in it, all of it one mapping. */
static int make_memory(struct _test_data_guest *self)
{
	self->mem = map_memory(MEM_SIZE);
	if (self->mem == MAP_FAILED)
		return -ENOMEM;
	return set_slot(self->vm, 0, 0, 0, MMIO, self->mem) ?:
	       set_slot(self->vm, 1, KVM_MEM_READONLY, ROM, ROM_SIZE, self->mem + ROM) ?:
	       set_slot(self->vm, 2, 0, MIB, MIB, self->mem + MIB);
}

FIXTURE_SETUP(guest)
{
	struct npt_create_vm c = vm_args(variant->mmu);
	long size;

	memset(self, 0, sizeof(*self));
	self->dev = open_npt();
	ASSERT_GE(self->dev, 0);
	c.engine = NPT_ENGINE_SVM;
	self->vm = call(self->dev, NPT_CREATE_VM, &c);
	if (self->vm < 0)
		SKIP(return, "no svm engine here");
	ASSERT_EQ(make_memory(self), 0);
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_GE(self->vcpu, 0);
	size = call_value(self->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	ASSERT_GE(size, 2 * (long)PAGE);
	self->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(self->run, MAP_FAILED);
	self->regs = (struct kvm_regs) { .rip = CODE, .rflags = RFLAGS_1, .rsp = STACK };
}

FIXTURE_TEARDOWN(guest)
{
}

/* --- modes ---------------------------------------------------------------- */

static void flat(struct kvm_segment *s, uint8_t type, bool db, bool l)
{
	*s = (struct kvm_segment) {
		.limit = 0xffffffff, .type = type, .present = 1, .s = 1, .db = db, .l = l,
		.g = 1, .selector = type == 11 ? 8 : 16,
	};
}

static int enter_protected_mode(struct _test_data_guest *self, bool l)
{
	struct kvm_sregs s;
	int ret;

	ret = call(self->vcpu, KVM_GET_SREGS, &s);
	if (ret)
		return ret;
	flat(&s.cs, 11, !l, l);
	flat(&s.ds, 3, 1, 0);
	s.es = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.ss = s.ds;
	s.cr0 = CR0_PE | CR0_ET;
	s.cr4 = CR4_OSFXSR;
	if (l) {
		s.cr0 |= CR0_PG | CR0_WP;
		s.cr4 |= CR4_PAE;
		s.cr3 = TABLES;
		s.efer = EFER_LME | EFER_LMA;
	}
	return call(self->vcpu, KVM_SET_SREGS, &s);
}

static uint64_t *table(struct _test_data_guest *self, unsigned int n)
{
	return (uint64_t *)(self->mem + TABLES + n * PAGE);
}

static int enter_long_mode(struct _test_data_guest *self)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		table(self, i)[0] = (TABLES + (i + 1) * PAGE) | PTE_RWU;
	for (i = 0; i < 512; i++)
		table(self, 3)[i] = i * PAGE | PTE_RWU;
	return enter_protected_mode(self, true);
}

static int enter_real_mode(struct _test_data_guest *self)
{
	struct kvm_sregs s;
	int ret;

	ret = call(self->vcpu, KVM_GET_SREGS, &s);
	if (ret)
		return ret;
	s.cs.base = 0;
	s.cs.selector = 0;
	s.es.selector = MMIO >> 4;
	s.es.base = MMIO;
	return call(self->vcpu, KVM_SET_SREGS, &s);
}

/* --- running -------------------------------------------------------------- */

#define LOAD(bytes) do {					\
	static const uint8_t __code[] = bytes;			\
	memcpy(self->mem + CODE, __code, sizeof(__code));	\
} while (0)
#define BYTES(...) { __VA_ARGS__, 0xf4 }	/* and HLT */

static int enter(struct _test_data_guest *self)
{
	return call_value(self->vcpu, KVM_RUN, 0);
}

static int start(struct _test_data_guest *self)
{
	int ret = call(self->vcpu, KVM_SET_REGS, &self->regs);

	return ret ? ret : enter(self);
}

static uint64_t mmio_data(const struct kvm_run *run)
{
	uint64_t v = 0;

	memcpy(&v, run->mmio.data, run->mmio.len <= 8 ? run->mmio.len : 0);
	return v;
}

#define EXPECT_WRITE(addr, bytes, value) do {				\
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_MMIO);		\
	EXPECT_TRUE(self->run->mmio.is_write);				\
	EXPECT_EQ(self->run->mmio.phys_addr, addr);			\
	EXPECT_EQ(self->run->mmio.len, bytes);				\
	EXPECT_EQ(mmio_data(self->run), value);				\
} while (0)

#define EXPECT_READ(addr, bytes, answer) do {				\
	uint64_t __answer = answer;					\
									\
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_MMIO);		\
	EXPECT_FALSE(self->run->mmio.is_write);				\
	EXPECT_EQ(self->run->mmio.phys_addr, addr);			\
	EXPECT_EQ(self->run->mmio.len, bytes);				\
	memcpy(self->run->mmio.data, &__answer, 8);			\
} while (0)

#define EXPECT_IO(dir, number, bytes, times) do {			\
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_IO);			\
	EXPECT_EQ(self->run->io.direction, dir);			\
	EXPECT_EQ(self->run->io.port, number);				\
	EXPECT_EQ(self->run->io.size, bytes);				\
	ASSERT_EQ(self->run->io.count, times);				\
	EXPECT_EQ(self->run->io.data_offset, PAGE);			\
} while (0)

#define EXPECT_END() do {						\
	EXPECT_EQ(self->run->exit_reason, KVM_EXIT_HLT);		\
	ASSERT_EQ(call(self->vcpu, KVM_GET_REGS, &self->regs), 0);	\
} while (0)

static void *pio(struct _test_data_guest *self)
{
	return (uint8_t *)self->run + self->run->io.data_offset;
}

/* --- MMIO ------------------------------------------------------------------- */

TEST_F(guest, mmio_moves)
{
	ASSERT_EQ(enter_long_mode(self), 0);
	/* mov %eax, (%rdi); mov 8(%rdi), %rbx; movzbl 1(%rdi), %ecx; movb $0x5a, 3(%rdi) */
	LOAD(BYTES(0x89, 0x07, 0x48, 0x8b, 0x5f, 0x08, 0x0f, 0xb6, 0x4f, 0x01,
		   0xc6, 0x47, 0x03, 0x5a));
	self->regs.rdi = MMIO;
	self->regs.rax = 0x1122334455667788;
	self->regs.rcx = ~0UL;
	ASSERT_EQ(start(self), 0);
	EXPECT_WRITE(MMIO, 4, 0x55667788);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO + 8, 8, 0x8877665544332211);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO + 1, 1, 0xf7);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 3, 1, 0x5a);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rbx, 0x8877665544332211);
	EXPECT_EQ(self->regs.rcx, 0xf7);
	EXPECT_EQ(self->regs.rip, CODE + 15);
}

/* Read, change, write: two exits, and flags. */
TEST_F(guest, mmio_arithmetic)
{
	ASSERT_EQ(enter_protected_mode(self, false), 0);
	/* add %ecx, (%edi); lock cmpxchg %ebx, (%edi); testl $4, (%edi) */
	LOAD(BYTES(0x01, 0x0f, 0xf0, 0x0f, 0xb1, 0x1f, 0xf7, 0x07, 4, 0, 0, 0));
	self->regs.rdi = MMIO + 0x10;
	self->regs.rcx = 0x100;
	self->regs.rax = 7;
	self->regs.rbx = 9;
	ASSERT_EQ(start(self), 0);
	EXPECT_READ(MMIO + 0x10, 4, 0xffffff01);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 0x10, 4, 1);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO + 0x10, 4, 7);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 0x10, 4, 9);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO + 0x10, 4, 4);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rax, 7);
	/* of TEST: neither ZF nor CF */
	EXPECT_EQ(self->regs.rflags & 0x41, 0);
}

/* Across two pages of the hole, and from memory into it. */
TEST_F(guest, mmio_split)
{
	uint32_t tail;

	ASSERT_EQ(enter_long_mode(self), 0);
	/* mov %rax, (%rdi); mov %rax, (%rsi); mov (%rsi), %rbx */
	LOAD(BYTES(0x48, 0x89, 0x07, 0x48, 0x89, 0x06, 0x48, 0x8b, 0x1e));
	self->regs.rax = 0x1122334455667788;
	self->regs.rdi = MMIO + PAGE - 3;
	self->regs.rsi = MMIO - 4;
	ASSERT_EQ(start(self), 0);
	EXPECT_WRITE(MMIO + PAGE - 3, 3, 0x667788);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + PAGE, 5, 0x1122334455);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO, 4, 0x11223344);
	memcpy(&tail, self->mem + MMIO - 4, 4);
	EXPECT_EQ(tail, 0x55667788);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO, 4, 0xaabbccdd);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rbx, 0xaabbccdd55667788);
}

TEST_F(guest, mmio_strings)
{
	ASSERT_EQ(enter_long_mode(self), 0);
	memcpy(self->mem + DATA, "abcdefgh", 8);
	/* rep movsw; std; rep stosb; cld; lodsl */
	LOAD(BYTES(0xf3, 0x66, 0xa5, 0xfd, 0xb1, 2, 0xf3, 0xaa, 0xfc, 0x89, 0xfe, 0xad));
	self->regs.rsi = DATA;
	self->regs.rdi = MMIO;
	self->regs.rcx = 2;
	self->regs.rax = 0x77;
	ASSERT_EQ(start(self), 0);
	EXPECT_WRITE(MMIO, 2, 0x6261);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 2, 2, 0x6463);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 4, 1, 0x77);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 3, 1, 0x77);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO + 2, 4, 0x12345678);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rcx, 0);
	EXPECT_EQ(self->regs.rax, 0x12345678);
	EXPECT_EQ(self->regs.rdi, MMIO + 2);
	EXPECT_EQ(self->regs.rsi, MMIO + 6);
}

TEST_F(guest, mmio_vectors)
{
	struct kvm_fpu fpu;
	unsigned int i;

	ASSERT_EQ(enter_long_mode(self), 0);
	/* movups (%rdi), %xmm9; movups %xmm9, 32(%rdi) */
	LOAD(BYTES(0x44, 0x0f, 0x10, 0x0f, 0x44, 0x0f, 0x11, 0x4f, 0x20));
	self->regs.rdi = MMIO;
	ASSERT_EQ(start(self), 0);
	EXPECT_READ(MMIO, 8, 0x0706050403020100);
	ASSERT_EQ(enter(self), 0);
	EXPECT_READ(MMIO + 8, 8, 0x0f0e0d0c0b0a0908);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 32, 8, 0x0706050403020100);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 40, 8, 0x0f0e0d0c0b0a0908);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	ASSERT_EQ(call(self->vcpu, KVM_GET_FPU, &fpu), 0);
	for (i = 0; i < 16; i++)
		EXPECT_EQ(fpu.xmm[9][i], i);
}

TEST_F(guest, read_only_memory)
{
	uint32_t v = 41;

	ASSERT_EQ(enter_protected_mode(self, false), 0);
	memcpy(self->mem + ROM, &v, 4);
	/* mov (%edi), %eax; incl (%edi); mov %ebx, 4(%edi) */
	LOAD(BYTES(0x8b, 0x07, 0xff, 0x07, 0x89, 0x5f, 0x04));
	self->regs.rdi = ROM;
	self->regs.rbx = 5;
	ASSERT_EQ(start(self), 0);
	EXPECT_WRITE(ROM, 4, 42);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(ROM + 4, 4, 5);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rax, 41);
	memcpy(&v, self->mem + ROM, 4);
	EXPECT_EQ(v, 41);
}

/* Bytes that are not emulated are shown; RIP has not moved. */
TEST_F(guest, unknown_instruction)
{
	ASSERT_EQ(enter_protected_mode(self, false), 0);
	LOAD(BYTES(0xd9, 0x07));	/* flds (%edi) */
	self->regs.rdi = MMIO;
	ASSERT_EQ(start(self), 0);
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(self->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	ASSERT_EQ(self->run->emulation_failure.flags,
		  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	EXPECT_GE(self->run->emulation_failure.insn_size, 2);
	EXPECT_EQ(self->run->emulation_failure.insn_bytes[0], 0xd9);
	EXPECT_EQ(self->run->emulation_failure.insn_bytes[1], 0x07);
	ASSERT_EQ(call(self->vcpu, KVM_GET_REGS, &self->regs), 0);
	EXPECT_EQ(self->regs.rip, CODE);
}

/* Code where there is no memory: not even its bytes are known. */
TEST_F(guest, code_in_mmio)
{
	ASSERT_EQ(enter_protected_mode(self, false), 0);
	self->regs.rip = MMIO;
	ASSERT_EQ(start(self), 0);
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(self->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	EXPECT_EQ(self->run->emulation_failure.ndata, 0);
}

TEST_F(guest, real_mode_mmio)
{
	ASSERT_EQ(enter_real_mode(self), 0);
	/* mov %es:(%di), %ax; mov %ax, %es:2(%bx,%si) */
	LOAD(BYTES(0x26, 0x8b, 0x05, 0x26, 0x89, 0x40, 0x02));
	self->regs.rdi = 0xfff0010;	/* only DI counts */
	self->regs.rbx = 0xfffe;
	self->regs.rsi = 0x12;
	self->regs.rax = 0x99999999;
	ASSERT_EQ(start(self), 0);
	EXPECT_READ(MMIO + 0x10, 2, 0xbeef);
	ASSERT_EQ(enter(self), 0);
	EXPECT_WRITE(MMIO + 0x12, 2, 0xbeef);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rax, 0x9999beef);
}

/* An answer completes the instruction even if the guest is not to run on. */
TEST_F(guest, immediate_exit_completes)
{
	ASSERT_EQ(enter_protected_mode(self, false), 0);
	LOAD(BYTES(0x8b, 0x07));	/* mov (%edi), %eax */
	self->regs.rdi = MMIO;
	ASSERT_EQ(start(self), 0);
	EXPECT_READ(MMIO, 4, 0x1234);
	self->run->immediate_exit = 1;
	EXPECT_EQ(enter(self), -EINTR);
	self->run->immediate_exit = 0;
	ASSERT_EQ(call(self->vcpu, KVM_GET_REGS, &self->regs), 0);
	EXPECT_EQ(self->regs.rax, 0x1234);
	EXPECT_EQ(self->regs.rip, CODE + 2);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
}

/* User space moves the vCPU instead of answering. */
TEST_F(guest, moved_away)
{
	ASSERT_EQ(enter_protected_mode(self, false), 0);
	LOAD(BYTES(0x8b, 0x07, 0xf4, 0xec));	/* mov (%edi), %eax; hlt; in (%dx), %al */
	self->regs.rdi = MMIO;
	self->regs.rdx = 0x70;
	ASSERT_EQ(start(self), 0);
	EXPECT_READ(MMIO, 4, 0x1234);
	self->regs.rip = CODE + 3;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0x70, 1, 1);
	*(uint8_t *)pio(self) = 0x55;
	self->regs.rip = CODE + 2;
	ASSERT_EQ(start(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rax, 0);
	EXPECT_EQ(self->regs.rip, CODE + 3);
}

/* --- single steps ------------------------------------------------------------ */

TEST_F(guest, guest_steps)
{
	static const uint8_t handler[] = { 0xf4 };
	uint16_t vector[2] = { 0x2000, 0 }, frame[3];

	ASSERT_EQ(enter_real_mode(self), 0);
	LOAD(BYTES(0x26, 0x88, 0x05, 0x90));	/* mov %al, %es:(%di); nop */
	memcpy(self->mem + 4, vector, 4);
	memcpy(self->mem + 0x2000, handler, 1);
	self->regs.rflags |= RFLAGS_TF;
	ASSERT_EQ(start(self), 0);
	EXPECT_WRITE(MMIO, 1, 0);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rip, 0x2001);
	memcpy(frame, self->mem + STACK - 6, 6);
	EXPECT_EQ(frame[0], CODE + 3);
	EXPECT_TRUE(frame[2] & RFLAGS_TF);
}

TEST_F(guest, host_steps)
{
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	ASSERT_EQ(enter_protected_mode(self, false), 0);
	LOAD(BYTES(0x88, 0x07, 0xec, 0x90));	/* mov %al, (%edi); in (%dx), %al; nop */
	self->regs.rdi = MMIO;
	ASSERT_EQ(call(self->vcpu, KVM_SET_GUEST_DEBUG, &d), 0);
	ASSERT_EQ(start(self), 0);
	EXPECT_WRITE(MMIO, 1, 0);
	ASSERT_EQ(enter(self), 0);
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(self->run->debug.arch.pc, CODE + 2);
	EXPECT_TRUE(self->run->debug.arch.dr6 & (1 << 14));
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0, 1, 1);
	ASSERT_EQ(enter(self), 0);
	ASSERT_EQ(self->run->exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(self->run->debug.arch.pc, CODE + 3);
}

/* --- ports ------------------------------------------------------------------- */

TEST_F(guest, ports)
{
	ASSERT_EQ(enter_protected_mode(self, false), 0);
	/* in (%dx), %al; in $0x64, %ax; out %eax, (%dx); in (%dx), %eax */
	LOAD(BYTES(0xec, 0x66, 0xe5, 0x64, 0xef, 0xed));
	self->regs.rax = 0x99999999;
	self->regs.rdx = 0xff00;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0xff00, 1, 1);
	*(uint8_t *)pio(self) = 0x12;
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0x64, 2, 1);
	*(uint16_t *)pio(self) = 0x3412;
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_OUT, 0xff00, 4, 1);
	EXPECT_EQ(*(uint32_t *)pio(self), 0x99993412);
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0xff00, 4, 1);
	*(uint32_t *)pio(self) = 0xcafe;
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rax, 0xcafe);
	EXPECT_EQ(self->regs.rip, CODE + 7);
}

/* As many elements at once as lie in a page; the one across its end alone. */
TEST_F(guest, port_strings)
{
	uint16_t *words = (uint16_t *)(self->mem + DATA + PAGE - 5);
	unsigned int i;

	ASSERT_EQ(enter_long_mode(self), 0);
	for (i = 0; i < 4; i++)
		words[i] = 0x1110 + i;
	LOAD(BYTES(0xf3, 0x66, 0x6f));		/* rep outsw */
	self->regs.rsi = DATA + PAGE - 5;
	self->regs.rcx = 4;
	self->regs.rdx = 0x300;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_OUT, 0x300, 2, 2);
	EXPECT_EQ(memcmp(pio(self), words, 4), 0);
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_OUT, 0x300, 2, 1);
	EXPECT_EQ(memcmp(pio(self), words + 2, 2), 0);
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_OUT, 0x300, 2, 1);
	EXPECT_EQ(memcmp(pio(self), words + 3, 2), 0);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rcx, 0);
	EXPECT_EQ(self->regs.rsi, DATA + PAGE + 3);
}

TEST_F(guest, port_strings_down)
{
	ASSERT_EQ(enter_long_mode(self), 0);
	LOAD(BYTES(0xfd, 0xf3, 0x6d));		/* std; rep insl */
	self->regs.rdi = DATA + 4;
	self->regs.rcx = 3;
	self->regs.rdx = 0x300;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0x300, 4, 2);
	memcpy(pio(self), "11112222", 8);
	ASSERT_EQ(enter(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0x300, 4, 1);
	memcpy(pio(self), "3333", 4);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(memcmp(self->mem + DATA - 4, "333322221111", 12), 0);
	EXPECT_EQ(self->regs.rcx, 0);
	EXPECT_EQ(self->regs.rdi, DATA - 8);
}

TEST_F(guest, port_strings_none)
{
	ASSERT_EQ(enter_real_mode(self), 0);
	LOAD(BYTES(0xf3, 0x6e));		/* rep outsb */
	self->regs.rcx = 0x10000;		/* CX is 0 */
	ASSERT_EQ(start(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rip, CODE + 3);
	EXPECT_EQ(self->regs.rcx, 0x10000);
}

/* The page goes away between two elements: what was moved stays moved. */
TEST_F(guest, port_strings_fault)
{
	ASSERT_EQ(enter_long_mode(self), 0);
	table(self, 3)[DATA / PAGE + 1] = 0;
	LOAD(BYTES(0xf3, 0x6c));		/* rep insb */
	self->regs.rdi = DATA + PAGE - 2;
	self->regs.rcx = 5;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0, 1, 2);
	memcpy(pio(self), "ab", 2);
	ASSERT_EQ(enter(self), 0);
	/* There is no IDT. */
	EXPECT_EQ(self->run->exit_reason, KVM_EXIT_SHUTDOWN);
	EXPECT_EQ(memcmp(self->mem + DATA + PAGE - 2, "ab", 2), 0);
}

/*
 * The page goes away while user space has the instruction. A device that is read
 * clears what it had, so it is not asked twice.
 */
TEST_F(guest, port_string_fault_at_the_end)
{
	struct kvm_vcpu_events e;

	ASSERT_EQ(enter_long_mode(self), 0);
	LOAD(BYTES(0xfd, 0xf3, 0x6d));		/* std; rep insl */
	self->regs.rdi = DATA + 8;
	self->regs.rcx = 2;
	self->regs.rdx = 0x300;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_IN, 0x300, 4, 2);
	memcpy(pio(self), "11112222", 8);
	table(self, 3)[DATA / PAGE] = 0;
	self->run->immediate_exit = 1;
	EXPECT_EQ(enter(self), -EINTR);
	self->run->immediate_exit = 0;
	ASSERT_EQ(call(self->vcpu, KVM_GET_VCPU_EVENTS, &e), 0);
	if (!e.exception.injected) {
		/* Shadow tables may still have it: nothing was flushed. */
		EXPECT_EQ(memcmp(self->mem + DATA + 4, "22221111", 8), 0);
		return;
	}
	/* As if a handler had brought it back. */
	EXPECT_EQ(e.exception.nr, 14);
	memset(&e, 0, sizeof(e));
	ASSERT_EQ(call(self->vcpu, KVM_SET_VCPU_EVENTS, &e), 0);
	table(self, 3)[DATA / PAGE] = DATA | PTE_RWU;
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(memcmp(self->mem + DATA + 4, "22221111", 8), 0);
	EXPECT_EQ(self->regs.rcx, 0);
	EXPECT_EQ(self->regs.rdi, DATA);
}

/* OUTS with another segment than DS. */
TEST_F(guest, port_segment)
{
	struct kvm_sregs s;

	ASSERT_EQ(enter_real_mode(self), 0);
	ASSERT_EQ(call(self->vcpu, KVM_GET_SREGS, &s), 0);
	s.fs.base = DATA;
	s.fs.selector = DATA >> 4;
	ASSERT_EQ(call(self->vcpu, KVM_SET_SREGS, &s), 0);
	self->mem[DATA + 3] = 0x42;
	LOAD(BYTES(0x64, 0x6e));		/* outsb %fs:(%si), (%dx) */
	self->regs.rsi = 3;
	ASSERT_EQ(start(self), 0);
	EXPECT_IO(KVM_EXIT_IO_OUT, 0, 1, 1);
	EXPECT_EQ(*(uint8_t *)pio(self), 0x42);
	ASSERT_EQ(enter(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rsi, 4);
}

/* --- page tables --------------------------------------------------------------- */

/* An entry of the page directory that leads to one of four tables, each to other data. */
#define THROUGH		(4 * MIB)
#define ENTRY(n)	((TABLES + (4 + (n)) * PAGE) | PTE_RWU | 0x60)

/*
 * The guest reads through the entry, writes it in some way, flushes it and reads
 * through it again: %rdi is the entry, %rsi the address.
 */
static void read_through(struct _test_data_guest *self, struct __test_metadata *_metadata,
			 const uint8_t *write, size_t n, uint64_t want)
{
	/* mov (%rsi), %ebx */
	static const uint8_t head[] = { 0x8b, 0x1e };
	/* invlpg (%rsi); mov (%rsi), %ebx; hlt */
	static const uint8_t tail[] = { 0x0f, 0x01, 0x3e, 0x8b, 0x1e, 0xf4 };

	memcpy(self->mem + CODE, head, sizeof(head));
	memcpy(self->mem + CODE + sizeof(head), write, n);
	memcpy(self->mem + CODE + sizeof(head) + n, tail, sizeof(tail));
	self->regs.rdi = TABLES + 2 * PAGE + THROUGH / (2 * MIB) * 8;
	self->regs.rsi = THROUGH;
	self->regs.rip = CODE;
	self->regs.rsp = STACK;
	ASSERT_EQ(start(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rbx, want);
}

#define READ_THROUGH(value, ...) do {						\
	static const uint8_t __write[] = { __VA_ARGS__ };			\
										\
	read_through(self, _metadata, __write, sizeof(__write), value);		\
} while (0)

TEST_F(guest, page_tables)
{
	uint64_t *entry = &table(self, 2)[THROUGH / (2 * MIB)];
	unsigned int i;

	ASSERT_EQ(enter_long_mode(self), 0);
	for (i = 0; i < 4; i++) {
		table(self, 4 + i)[0] = (DATA + i * PAGE) | PTE_RWU;
		memset(self->mem + DATA + i * PAGE, 0x11 * (i + 1), 4);
	}
	*entry = ENTRY(0);
	for (i = 0; i < 30; i++) {
		self->regs.rax = ENTRY(1);
		READ_THROUGH(0x22222222, 0x48, 0x89, 0x07);	/* mov %rax, (%rdi) */
		self->regs.rax = ENTRY(3);
		READ_THROUGH(0x44444444, 0x48, 0x87, 0x07);	/* xchg %rax, (%rdi) */
		self->regs.rax = PAGE;
		READ_THROUGH(0x33333333, 0xf0, 0x48, 0x29, 0x07); /* lock sub %rax, (%rdi) */
		/* lock btsq $12, (%rdi) */
		READ_THROUGH(0x44444444, 0xf0, 0x48, 0x0f, 0xba, 0x2f, 12);
		/* decb 1(%rdi); subb $0x0f, 1(%rdi) */
		READ_THROUGH(0x33333333, 0xfe, 0x4f, 0x01, 0x80, 0x6f, 0x01, 0x0f);
		/* mov %rdi, %rsp; add $8, %rsp; push %rax */
		self->regs.rax = ENTRY(1);
		READ_THROUGH(0x22222222, 0x48, 0x89, 0xfc, 0x48, 0x83, 0xc4, 0x08, 0x50);
		/* movq %rax, %xmm0; movq %xmm0, (%rdi) */
		self->regs.rax = ENTRY(0);
		READ_THROUGH(0x11111111, 0x66, 0x48, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0xd6, 0x07);
		/* rolb 1(%rdi); movb $0x60, 1(%rdi) */
		READ_THROUGH(0x33333333, 0xd0, 0x47, 0x01, 0xc6, 0x47, 0x01, 0x60);
	}
	if (variant->mmu == NPT_MMU_SHADOW)
		EXPECT_GT(counter(self->vcpu, NPT_CTR_mmu_pte_write), 0);
}

/*
 * What only a processor can do to a table, it does once the table's shadow is gone:
 * fxsave to a page directory through which something has just been read.
 */
TEST_F(guest, page_table_unknown_instruction)
{
	uint64_t *directory = table(self, 4), entry;

	ASSERT_EQ(enter_long_mode(self), 0);
	table(self, 1)[1] = (TABLES + 4 * PAGE) | PTE_RWU;
	directory[0] = (TABLES + 3 * PAGE) | PTE_RWU;
	memset(&directory[256], 0xff, 512);
	/* mov (%rsi), %eax; fxsave (%rdx); mov 4(%rsi), %ebx */
	LOAD(BYTES(0x8b, 0x06, 0x0f, 0xae, 0x02, 0x8b, 0x5e, 0x04));
	memcpy(self->mem + DATA, "abcdefgh", 8);
	self->regs.rsi = 1024 * MIB + DATA;
	self->regs.rdx = TABLES + 4 * PAGE + 256 * 8;
	ASSERT_EQ(start(self), 0);
	EXPECT_END();
	EXPECT_EQ(self->regs.rax, 0x64636261);
	EXPECT_EQ(self->regs.rbx, 0x68676665);
	memcpy(&entry, &directory[256], 8);
	EXPECT_NE(entry, ~0UL);
}

/* One that writes the table by which it is itself found: no end is in sight. */
TEST_F(guest, page_table_own_tail)
{
	if (variant->mmu != NPT_MMU_SHADOW)
		return;
	ASSERT_EQ(enter_long_mode(self), 0);
	LOAD(BYTES(0x0f, 0xae, 0x02));		/* fxsave (%rdx) */
	self->regs.rdx = TABLES + 2 * PAGE + 0xe00;
	ASSERT_EQ(start(self), 0);
	EXPECT_EQ(self->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(self->run->emulation_failure.insn_bytes[1], 0xae);
}

TEST_HARNESS_MAIN
