// SPDX-License-Identifier: GPL-2.0
/* Interrupts and exceptions: to the guest's handler, or the guest is over. */
#include "guest.h"

#define GATE_INTERRUPT	0x8e
#define STUB_SIZE	16
#define EXIT_TRAP	2	/* leave(): an exception that nobody expected */

struct gate idt[256] __attribute__((aligned(16)));
struct tss tss;

static trap_handler *handlers[256];
static uint8_t trap_stack[16384] __attribute__((aligned(16)));

static void set_gate(unsigned int vector, uint64_t entry)
{
	idt[vector] = (struct gate) {
		.offset_low = entry,
		.selector = KERNEL_CS,
		.type = GATE_INTERRUPT,
		.offset_middle = entry >> 16,
		.offset_high = entry >> 32,
	};
}

void trap_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint64_t)idt };

	asm volatile("lidt %0" : : "m" (pointer));
}

/* One TSS: only the first processor ever leaves ring 0. */
static void load_tss(void)
{
	uint64_t base = (uint64_t)&tss;

	tss.rsp[0] = (uint64_t)trap_stack + sizeof(trap_stack);
	tss.iomap = sizeof(tss);
	gdt[TSS_SELECTOR / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
				(base >> 24 & 0xff) << 56;
	gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
	asm volatile("ltr %w0" : : "r" (TSS_SELECTOR));
}

void trap_init(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		set_gate(i, (uint64_t)trap_stubs + i * STUB_SIZE);
	trap_load();
	load_tss();
}

void trap_set(unsigned int vector, trap_handler *handler)
{
	handlers[vector] = handler;
	set_gate(vector, (uint64_t)trap_stubs + vector * STUB_SIZE);
}

void trap_set_raw(unsigned int vector, void (*entry)(void))
{
	set_gate(vector, (uint64_t)entry);
}

void trap(struct trap *t)
{
	if (handlers[t->vector]) {
		handlers[t->vector](t);
		return;
	}
	fail("trap %lu, error 0x%lx, at 0x%lx, cr2 0x%lx, rsp 0x%lx", t->vector, t->error, t->rip,
	     read_cr2(), t->rsp);
	leave(EXIT_TRAP);
}
