// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's timer: one-shot, periodic, masked and, where CPUID has it, with a
 * deadline of the TSC; the processor sleeps in between.
 *
 * Options: ticks=N (50)
 */
#include "guest.h"

#define VECTOR		0x50
#define LVT_MASKED	0x10000
#define LVT_PERIODIC	0x20000
#define LVT_DEADLINE	0x40000
#define DIVIDE_BY_1	0xb
#define DIVIDE_BY_16	0x3
#define MSR_DEADLINE	0x6e0

#define COUNT		1000000		/* a millisecond or so, where it is known */

static volatile uint32_t ticks;

static void on_tick(struct trap *t)
{
	(void)t;
	ticks++;
	lapic_eoi();
}

static void wait_ticks(uint32_t n)
{
	while (ticks < n)
		sti_hlt();
}

/* Long enough for @count to run out several times over, with interrupts on. */
static void linger(uint32_t count)
{
	unsigned int i;

	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR);
	sti();
	for (i = 0; i < 3; i++) {
		lapic_write(LAPIC_INITIAL, count);
		while (lapic_read(LAPIC_CURRENT))
			pause();
	}
	cli();
}

/* How far the counter comes in so many ticks of the TSC. */
static uint32_t counted_in(uint64_t tsc, uint32_t divide)
{
	uint64_t begin;

	lapic_write(LAPIC_DIVIDE, divide);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR);
	lapic_write(LAPIC_INITIAL, 0xffffffff);
	begin = rdtsc();
	while (rdtsc() - begin < tsc)
		pause();
	return 0xffffffff - lapic_read(LAPIC_CURRENT);
}

/* Both clocks run on, whoever else gets the processor meanwhile. */
static void divided(void)
{
	uint32_t by_1 = counted_in(50000000, DIVIDE_BY_1);
	uint32_t by_16 = counted_in(50000000, DIVIDE_BY_16);

	check(by_1 > 4 * by_16 && by_16, "divided by 1 it counts %u, by 16 %u", by_1, by_16);
	print("  50,000,000 ticks of the TSC: %u of the timer, divided by 16: %u\n", by_1, by_16);
}

static void one_shot(void)
{
	uint64_t begin = rdtsc();

	ticks = 0;
	lapic_write(LAPIC_DIVIDE, DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, VECTOR);
	lapic_write(LAPIC_INITIAL, COUNT);
	wait_ticks(1);
	check(!lapic_read(LAPIC_CURRENT), "the counter goes on at %u", lapic_read(LAPIC_CURRENT));
	begin = rdtsc() - begin;
	linger(COUNT / 4);
	check(ticks == 1, "one-shot: %u ticks", ticks);
	print("  one-shot: one tick after %lu ticks of the TSC\n", begin);
}

static void periodic(uint32_t n)
{
	uint64_t begin = rdtsc();

	ticks = 0;
	lapic_write(LAPIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
	lapic_write(LAPIC_INITIAL, COUNT);
	wait_ticks(n);
	lapic_write(LAPIC_INITIAL, 0);
	print("  periodic: %u ticks, %lu of the TSC each\n", ticks, (rdtsc() - begin) / ticks);
	/* one may have been on its way */
	linger(COUNT / 4);
	check(ticks == n || ticks == n + 1, "stopped, and %u more ticks", ticks - n);
}

static void masked(void)
{
	ticks = 0;
	linger(COUNT / 4);
	check(!ticks, "masked, and %u ticks", ticks);
	print("  masked: none\n");
}

static void deadline(void)
{
	uint64_t at;

	ticks = 0;
	lapic_write(LAPIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	/* the change of mode must be seen before the deadline (SDM vol. 3A, 11.5.4.1) */
	asm volatile("mfence" : : : "memory");
	at = rdtsc() + 3000000;
	wrmsr(MSR_DEADLINE, at);
	wait_ticks(1);
	check(rdtsc() >= at, "the deadline's tick came early");
	check(!rdmsr(MSR_DEADLINE), "a deadline that has passed reads 0x%lx", rdmsr(MSR_DEADLINE));
	/* one that has passed already fires at once, zero never */
	wrmsr(MSR_DEADLINE, rdtsc() - 1);
	wait_ticks(2);
	wrmsr(MSR_DEADLINE, 0);
	check(ticks == 2, "deadlines: %u ticks", ticks);
	print("  TSC deadline: two ticks\n");
}

int main(void)
{
	trap_set(VECTOR, on_tick);
	lapic_enable();
	divided();
	one_shot();
	periodic(option("ticks", 50));
	masked();
	if (cpu.deadline)
		deadline();
	print("timer: %s\n", failures ? "WRONG" : "ok");
	return 0;
}
