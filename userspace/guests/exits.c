// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that leave the guest, or fault, one after the other: control and debug
 * registers, LMSW and its like, MSRs, XSETBV, VMMCALL, all forms of INVLPG's operand. Each
 * must do what the processor's manual says, whoever does it.
 */
#include "guest.h"

#define UD	6
#define GP	13

#define CR0_TS		(1ull << 3)
#define CR0_NW		(1ull << 29)
#define CR4_DE		(1ull << 3)
#define CR4_LA57	(1ull << 12)
#define CR4_OSXSAVE	(1ull << 18)

#define MSR_TSC		0x10
#define MSR_TSC_ADJUST	0x3b
#define MSR_MTRR_VAR	0x200
#define MSR_MTRR_FIX	0x250
#define MSR_NONE	0x12345678

#define OSXSAVE		(1u << 27)	/* CPUID 1, ECX */
#define XSAVE		(1u << 26)
#define TSC_ADJUST	(1u << 1)	/* CPUID 7, EBX */
#define OSPKE		(1u << 4)	/* CPUID 7, ECX */

CR_ACCESSORS(8)

static volatile uint64_t resume;	/* where a fault goes on */
static volatile uint64_t caught;	/* its vector */

static void on_fault(struct trap *t)
{
	if (!resume) {
		fail("trap %lu at 0x%lx", t->vector, t->rip);
		leave(1);
	}
	caught = t->vector;
	t->rip = resume;
}

/* Operands as for asm, which begin with %1. */
#define try(insn, ...) do {						\
	caught = 0;							\
	asm volatile("movq $1f, %[resume]\n\t" insn "\n1:"		\
		     : [resume] "=m" (resume) : __VA_ARGS__ : "memory");	\
	resume = 0;							\
} while (0)

/* The instruction ends with that vector; 0: well. */
#define ends(vector, insn, ...) do {					\
	try(insn, __VA_ARGS__);						\
	check(caught == (vector), "line %u: vector %lu", __LINE__, caught); \
} while (0)

/* QEMU's processor passes over the fault where nobody intercepts the instruction. */
#define may_end(vector, insn, ...) do {					\
	try(insn, __VA_ARGS__);						\
	check(!caught || caught == (vector), "line %u: vector %lu", __LINE__, caught); \
} while (0)

static void control_registers(void)
{
	uint64_t cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();

	write_cr8(5);
	check(read_cr8() == 5, "CR8: 0x%lx", read_cr8());
	may_end(GP, "movq %1, %%cr8", "r" (16ull));
	write_cr8(0);
	/* APM vol. 2, 3.1.1 and 3.1.3, and 14.6 */
	may_end(GP, "movq %1, %%cr0", "r" (cr0 | 1ull << 32));
	ends(GP, "movq %1, %%cr0", "r" (cr0 & ~(uint64_t)CR0_PG));
	ends(GP, "movq %1, %%cr0", "r" (cr0 | CR0_NW));
	ends(GP, "movq %1, %%cr4", "r" (cr4 | 1ull << 31));
	ends(GP, "movq %1, %%cr4", "r" (cr4 ^ CR4_LA57));
	ends(GP, "movq %1, %%cr4", "r" (cr4 & ~(uint64_t)CR4_PAE));
	check(read_cr0() == cr0 && read_cr3() == cr3 && read_cr4() == cr4, "a register changed");
}

/* APM vol. 3: LMSW reaches four bits, and PE does not go by it. */
static void machine_status(void)
{
	uint64_t cr0 = read_cr0(), r = 0;
	uint16_t word[2] = { 0, 0x1234 };

	asm volatile("smsw %0" : "=r" (r));
	check((r & 0xffff) == (cr0 & 0xffff), "SMSW: 0x%lx", r);
	asm volatile("lmsw %w0" : : "r" ((cr0 & 0xf & ~1ull) | CR0_TS));
	check(read_cr0() == (cr0 | CR0_TS), "LMSW: CR0 0x%lx", read_cr0());
	asm volatile("clts");
	check(read_cr0() == (cr0 & ~CR0_TS), "CLTS: CR0 0x%lx", read_cr0());
	/* In memory it has two bytes, whatever the operand's size. */
	asm volatile("smsw %0" : "=m" (word[0]));
	check(word[0] == (cr0 & 0xffff & ~CR0_TS) && word[1] == 0x1234, "SMSW: 0x%x 0x%x",
	      word[0], word[1]);
	word[0] = (cr0 & 0xf & ~1ull) | CR0_TS;
	asm volatile("lmsw %0" : : "m" (word[0]));
	check(read_cr0() == (cr0 | CR0_TS), "LMSW: CR0 0x%lx", read_cr0());
	write_cr0(cr0);
}

#define DR_MOVES(n) do {						\
	uint64_t was = 0;						\
									\
	asm volatile("movq %1, %%dr" #n "; movq %%dr" #n ", %0"		\
		     : "=&r" (was) : "r" (0x1230ull));			\
	check(was == 0x1230, "DR" #n ": 0x%lx", was);			\
} while (0)

/* APM vol. 2, 13.1.1: DR4 and DR5 are DR6 and DR7 until CR4.DE says no. */
static void debug_registers(void)
{
	uint64_t six = 0, four = 0, cr4 = read_cr4();

	DR_MOVES(0);
	DR_MOVES(1);
	DR_MOVES(2);
	DR_MOVES(3);
	asm volatile("movq %0, %%dr7" : : "r" (0x400ull));
	asm volatile("movq %%dr7, %0" : "=r" (six));
	check(six == 0x400, "DR7: 0x%lx", six);
	asm volatile("movq %%dr6, %0" : "=r" (six));
	ends(GP, "movq %1, %%dr7", "r" (1ull << 32));
	ends(GP, "movq %1, %%dr6", "r" (1ull << 32));
	asm volatile("movq %0, %%dr6" : : "r" (six));
	write_cr4(cr4 & ~CR4_DE);
	asm volatile("movq %%dr4, %0" : "=r" (four));
	check(four == six, "DR4 0x%lx, DR6 0x%lx", four, six);
	write_cr4(cr4 | CR4_DE);
	ends(UD, "movq %%dr4, %%rax", "a" (0));
	ends(UD, "movq %%rax, %%dr5", "a" (0x400));
	write_cr4(cr4);
}

static void msr_refused(uint32_t msr, uint64_t v)
{
	ends(GP, "wrmsr", "c" (msr), "a" ((uint32_t)v), "d" ((uint32_t)(v >> 32)));
}

static void msrs(void)
{
	uint64_t fix = rdmsr(MSR_MTRR_FIX), before;
	uint32_t r[4];

	ends(GP, "rdmsr", "c" (MSR_NONE), "a" (0), "d" (0));
	msr_refused(MSR_NONE, 0);
	msr_refused(MSR_EFER, rdmsr(MSR_EFER) | 1ull << 40);
	wrmsr(MSR_MTRR_FIX, 0x0606060606060600);
	check(rdmsr(MSR_MTRR_FIX) == 0x0606060606060600, "a fixed MTRR");
	msr_refused(MSR_MTRR_FIX, 0x0606060606060602);
	wrmsr(MSR_MTRR_FIX, fix);
	fix = rdmsr(MSR_MTRR_VAR);
	wrmsr(MSR_MTRR_VAR, 0x100006);
	check(rdmsr(MSR_MTRR_VAR) == 0x100006, "a variable MTRR");
	msr_refused(MSR_MTRR_VAR, 0x100002);
	wrmsr(MSR_MTRR_VAR, fix);
	before = rdtsc();
	wrmsr(MSR_TSC, before + (1ull << 40));
	check(rdtsc() - before >= 1ull << 40, "the TSC did not take what was written");
	cpuid(7, 0, r);
	if (!(r[1] & TSC_ADJUST))
		return;
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) - (1ull << 40));
	check(rdtsc() - before < 1ull << 40, "the TSC does not follow TSC_ADJUST");
}

/* CPUID shows what CR4 has; XCR0 takes what the processor has, and never lets x87 go. */
static void extended_states(void)
{
	uint64_t cr4 = read_cr4();
	uint32_t r[4], sub;

	cpuid(1, 0, r);
	if (r[2] & XSAVE) {
		check(!(r[2] & OSXSAVE), "OSXSAVE before CR4");
		write_cr4(cr4 | CR4_OSXSAVE);
		cpuid(1, 0, r);
		check(r[2] & OSXSAVE, "no OSXSAVE");
		ends(0, "xsetbv", "c" (0), "a" (3), "d" (0));
		ends(GP, "xsetbv", "c" (0), "a" (2), "d" (0));
		ends(GP, "xsetbv", "c" (9), "a" (3), "d" (0));
		for (sub = 0; sub < 10; sub++)
			cpuid(0xd, sub, r);
		write_cr4(cr4);
	}
	if (cpu.pku) {
		write_cr4(cr4 | CR4_PKE);
		cpuid(7, 0, r);
		check(r[2] & OSPKE, "no OSPKE");
		write_cr4(cr4);
	}
	/* Beyond the last level of the topology only the number asked for comes back, if that. */
	cpuid(0xb, 77, r);
	check(!r[0] && !r[1] && !(r[2] & ~77), "CPUID 0xb: %x %x %x", r[0], r[1], r[2]);
}

static void hypercall(void)
{
	uint64_t rax = 0x7654;

	asm volatile("vmmcall" : "+a" (rax) : : "rbx", "rcx", "rdx", "rsi", "memory");
	check(rax == -1000ull, "VMMCALL: 0x%lx", rax);
}

static void invlpg_operands(void)
{
	uint64_t at = (uint64_t)&resume;

	asm volatile("invlpg resume(%%rip)" : : : "memory");
	asm volatile("invlpg -64(%0, %1, 8)" : : "r" (at), "r" (8ull) : "memory");
	asm volatile("invlpg %%fs:(%0)" : : "r" (at) : "memory");
	asm volatile("invlpg (%k0)" : : "r" (at) : "memory");
	/* No fault, whatever the address (APM vol. 3, INVLPG). */
	asm volatile("invlpg (%0)" : : "r" (1ull << 62) : "memory");
}

int main(void)
{
	trap_set(UD, on_fault);
	trap_set(GP, on_fault);
	control_registers();
	machine_status();
	debug_registers();
	msrs();
	extended_states();
	hypercall();
	invlpg_operands();
	print("exits: %s\n", failures ? "WRONG" : "ok");
	return 0;
}
