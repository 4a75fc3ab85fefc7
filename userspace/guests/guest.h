/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The runtime that all guests in long mode share: printing, ending, traps,
 * page tables, the local APIC. Each guest is one file with a main() that returns 0
 * if everything it checked is right.
 */
#ifndef GUEST_H
#define GUEST_H

/* Selectors; SYSRET wants user data and code in this order (APM vol. 2, 6.1.1). */
#define KERNEL_CS	0x08
#define KERNEL_DS	0x10
#define SYSRET_BASE	0x1b
#define USER_DS		0x23
#define USER_CS		0x2b
#define BOOT_CS		0x30
#define TSS_SELECTOR	0x38

#define CR0_PE		(1 << 0)
#define CR0_ET		(1 << 4)
#define CR0_NE		(1 << 5)
#define CR0_WP		(1 << 16)
#define CR0_PG		0x80000000
#define CR4_PAE		(1 << 5)
#define CR4_PGE		(1 << 7)
#define CR4_SMEP	(1 << 20)
#define CR4_SMAP	(1 << 21)
#define CR4_PKE		(1 << 22)

#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_SFMASK	0xc0000084
#define EFER_SCE	(1 << 0)
#define EFER_LME	(1 << 8)
#define EFER_NXE	(1 << 11)

#define RFLAGS_IF	(1 << 9)
#define RFLAGS_AC	(1 << 18)

#define PF_P		(1 << 0)
#define PF_W		(1 << 1)
#define PF_U		(1 << 2)
#define PF_RSVD		(1 << 3)
#define PF_I		(1 << 4)
#define PF_PK		(1 << 5)

/* Where other processors begin, in real mode: a page below 1 MiB. */
#define AP_START	0x8000

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>

#define NORETURN	__attribute__((noreturn))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* --- print.c --- */

/* %s %c %d %u %x, and %lu %lx; a width and a leading 0 as in C. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void print_bytes(const char *data, size_t n);
/* Says what was wrong, once: main()'s value no longer counts. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the guest with that exit status of npt run's: odd, (code << 1) | 1. */
NORETURN void leave(uint8_t code);
NORETURN void power_off(void);
extern volatile unsigned int failures;

/* fail() unless @cond. */
#define check(cond, ...) do {			\
	if (!(cond))				\
		fail(__VA_ARGS__);		\
} while (0)

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int strcmp(const char *a, const char *b);
size_t strlen(const char *s);
/* The value of NAME=value on the command line, @otherwise if it is not there. */
uint64_t option(const char *name, uint64_t otherwise);
/* Is that word on the command line? */
bool option_set(const char *name);

/* --- trap.c --- */

struct trap {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

typedef void trap_handler(struct trap *t);

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, zero;
};

struct tss {
	uint32_t zero;
	uint64_t rsp[3], zero2, ist[7], zero3;
	uint16_t zero4, iomap;
} __attribute__((packed));

extern uint64_t gdt[], boot_pml4[512];	/* boot.S */
extern char trap_stubs[];			/* trap.S */
extern char guest_end[];			/* guest.lds */
extern struct gate idt[256];
extern struct tss tss;

void trap(struct trap *t);	/* for trap.S */
void trap_init(void);	/* the first processor: IDT, TSS */
void trap_load(void);	/* any processor: take the IDT */
/* NULL: as it was, a fatal error. */
void trap_set(unsigned int vector, trap_handler *handler);
/* A handler in assembly, for those who count cycles. */
void trap_set_raw(unsigned int vector, void (*entry)(void));

/* --- cpu.c: what C has no word for --- */

static inline void outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a" (v), "Nd" (port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	asm volatile("outw %0, %1" : : "a" (v), "Nd" (port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a" (v) : "Nd" (port));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	uint32_t low = v, high = v >> 32;

	asm volatile("wrmsr" : : "c" (msr), "a" (low), "d" (high) : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	asm volatile("cpuid" : "=a" (r[0]), "=b" (r[1]), "=c" (r[2]), "=d" (r[3])
		     : "a" (leaf), "c" (sub));
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return low | (uint64_t)high << 32;
}

#define CR_ACCESSORS(n)							\
static inline uint64_t read_cr##n(void)					\
{									\
	uint64_t v;							\
									\
	asm volatile("movq %%cr" #n ", %0" : "=r" (v) : : "memory");	\
	return v;							\
}									\
static inline void write_cr##n(uint64_t v)				\
{									\
	asm volatile("movq %0, %%cr" #n : : "r" (v) : "memory");	\
}

CR_ACCESSORS(0)
CR_ACCESSORS(2)
CR_ACCESSORS(3)
CR_ACCESSORS(4)

static inline void invlpg(uint64_t gva)
{
	asm volatile("invlpg (%0)" : : "r" (gva) : "memory");
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

static inline void sti(void)
{
	asm volatile("sti" : : : "memory");
}

/* Interrupts on and asleep at once: none can slip in between. */
static inline void sti_hlt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline uint64_t read64(uint64_t gva)
{
	return *(volatile uint64_t *)gva;
}

static inline void write64(uint64_t gva, uint64_t v)
{
	*(volatile uint64_t *)gva = v;
}

struct cpu_features {
	bool nx, smep, smap, pku, pages_1g, x2apic, deadline;
	unsigned int phys_bits;
};

extern struct cpu_features cpu;
void cpu_init(void);

/* --- paging.c: tables anywhere in the first 4 GiB, which is mapped one to one --- */

#define PTE_P		(1ull << 0)
#define PTE_W		(1ull << 1)
#define PTE_U		(1ull << 2)
#define PTE_A		(1ull << 5)
#define PTE_D		(1ull << 6)
#define PTE_PS		(1ull << 7)
#define PTE_G		(1ull << 8)
#define PTE_NX		(1ull << 63)
#define PTE_ADDR	0x000ffffffffff000ull

/* Cleared pages behind the guest: @n of them, aligned to @align bytes. */
void *pages(size_t n, size_t align);
/* Bytes of memory from 1 MiB on, as the loader says, to 3 GiB at most. */
uint64_t memory_end(void);
/* A root that has the boot tables' first 4 GiB and nothing else. */
uint64_t new_root(void);
/* The entry for @gva at @level (1 to 4) below @root; missing tables are made. */
uint64_t *pte_at(uint64_t root, uint64_t gva, unsigned int level);
void map(uint64_t root, uint64_t gva, uint64_t gpa, uint64_t bits);

/* --- lapic.c --- */

void lapic_enable(void);
uint32_t lapic_read(unsigned int reg);
void lapic_write(unsigned int reg, uint32_t v);
void lapic_eoi(void);
void lapic_send(uint32_t target, uint32_t command);
unsigned int lapic_id(void);

#define LAPIC_ID	0x20
#define LAPIC_VERSION	0x30
#define LAPIC_TPR	0x80
#define LAPIC_EOI	0xb0
#define LAPIC_SPURIOUS	0xf0
#define LAPIC_ICR_LOW	0x300
#define LAPIC_ICR_HIGH	0x310
#define LAPIC_LVT_TIMER	0x320
#define LAPIC_INITIAL	0x380
#define LAPIC_CURRENT	0x390
#define LAPIC_DIVIDE	0x3e0

#define ICR_NMI		0x00400
#define ICR_INIT	0x00500
#define ICR_SIPI	0x00600
#define ICR_BUSY	0x01000
#define ICR_ASSERT	0x04000
#define ICR_LEVEL	0x08000
#define ICR_SELF	0x40000
#define ICR_OTHERS	0xc0000

/* --- ap.S: other processors --- */

extern char ap_code[], ap_code_end[];
extern volatile uint32_t ap_running;
extern uint64_t ap_stacks;

/*
 * Start all others, so many; each runs ap_main() with its number from 1 on, on a stack
 * of its own and the boot tables. False after fail() if not all of them came.
 */
bool ap_start(unsigned int others);
void ap_main(unsigned int index);

/* --- the guest itself --- */

int main(void);

#endif /* __ASSEMBLER__ */
#endif /* GUEST_H */
