// SPDX-License-Identifier: GPL-2.0
/* The local APIC by its page of memory (APM vol. 2, 16). */
#include "guest.h"

#define LAPIC		0xfee00000ul
#define SPURIOUS_ENABLE	0x100
#define SPURIOUS_VECTOR	0xff

static void on_spurious(struct trap *t)
{
	(void)t;
}

uint32_t lapic_read(unsigned int reg)
{
	return *(volatile uint32_t *)(LAPIC + reg);
}

void lapic_write(unsigned int reg, uint32_t v)
{
	*(volatile uint32_t *)(LAPIC + reg) = v;
}

/* Whoever ran before us may have left the old timer ticking by way of the PIC. */
static void mask_pic(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

void lapic_enable(void)
{
	mask_pic();
	trap_set(SPURIOUS_VECTOR, on_spurious);
	lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | SPURIOUS_VECTOR);
	lapic_write(LAPIC_TPR, 0);
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

unsigned int lapic_id(void)
{
	return lapic_read(LAPIC_ID) >> 24;
}

void lapic_send(uint32_t target, uint32_t command)
{
	while (lapic_read(LAPIC_ICR_LOW) & ICR_BUSY)
		pause();
	lapic_write(LAPIC_ICR_HIGH, target << 24);
	lapic_write(LAPIC_ICR_LOW, command);
}
