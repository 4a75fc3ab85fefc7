// SPDX-License-Identifier: GPL-2.0
/*
 * Several processors: started by INIT and SIPI, they answer each other's interrupts
 * and NMIs, count together without losing one, and drop a translation when told.
 *
 * Options: cpus=N (2), rounds=N (200)
 */
#include "guest.h"

#define MAX_CPUS	64
#define GVA		0x700000000000ull

enum { PING = 0x40, PONG, ALL, SELF, SHOOT };

static unsigned int others;
static uint64_t rounds;
static unsigned int apic_id[MAX_CPUS];
static volatile uint32_t ready, pongs, alls, selves, nmis, shots, counted;
static volatile uint32_t phase;
static volatile uint64_t total, wrong_page;
static volatile uint64_t expected_page;

/* --- handlers, on any processor --- */

static void on_ping(struct trap *t)
{
	(void)t;
	lapic_eoi();
	lapic_send(apic_id[0], ICR_ASSERT | PONG);
}

static void count(volatile uint32_t *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static void on_pong(struct trap *t)
{
	(void)t;
	count(&pongs);
	lapic_eoi();
}

static void on_all(struct trap *t)
{
	(void)t;
	count(&alls);
	lapic_eoi();
}

static void on_self(struct trap *t)
{
	(void)t;
	count(&selves);
	lapic_eoi();
}

static void on_nmi(struct trap *t)
{
	(void)t;
	count(&nmis);
}

/* The entry has changed: drop what is known of it, and look. */
static void on_shoot(struct trap *t)
{
	(void)t;
	invlpg(GVA);
	if (read64(GVA) != expected_page)
		wrong_page++;
	count(&shots);
	lapic_eoi();
}

/* --- the others --- */

static void add_up(void)
{
	uint64_t i;

	for (i = 0; i < rounds; i++)
		__atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
	count(&counted);
}

void ap_main(unsigned int index)
{
	lapic_enable();
	apic_id[index] = lapic_id();
	count(&ready);
	/* interrupts on only while asleep: each wakes it once */
	while (phase == 0)
		sti_hlt();
	add_up();
	/* nothing but an NMI gets through to it now */
	for (;;)
		asm volatile("cli; hlt");
}

/* --- the first --- */

/* Asleep, unless @n has it already. */
static void wait_for(volatile uint32_t *n, uint32_t value)
{
	while (*n < value)
		sti_hlt();
}

static void spin_for(const char *what, volatile uint32_t *n, uint32_t value)
{
	uint64_t end = rdtsc() + 200000000000ull;

	while (*n < value && rdtsc() < end)
		pause();
	check(*n == value, "%s: %u, expected %u", what, *n, value);
}

static void check_ids(void)
{
	unsigned int i, k;

	for (i = 1; i <= others; i++)
		for (k = 0; k < i; k++)
			check(apic_id[i] != apic_id[k], "processors %u and %u have APIC id %u", i,
			      k, apic_id[i]);
}

static void ping_each(void)
{
	uint64_t r, begin = rdtsc();
	unsigned int i;

	for (r = 0; r < rounds; r++) {
		for (i = 1; i <= others; i++) {
			lapic_send(apic_id[i], ICR_ASSERT | PING);
			wait_for(&pongs, r * others + i);
		}
	}
	check(pongs == rounds * others, "%u pongs, expected %lu", pongs, rounds * others);
	print("  %u pings answered, %lu ticks each\n", pongs,
	      pongs ? (rdtsc() - begin) / pongs : 0);
}

static void broadcast(void)
{
	lapic_send(0, ICR_OTHERS | ICR_ASSERT | ALL);
	spin_for("interrupts to all others", &alls, others);
	lapic_send(0, ICR_SELF | ICR_ASSERT | SELF);
	wait_for(&selves, 1);
	check(selves == 1, "%u interrupts to itself", selves);
	print("  one interrupt to all others, one to itself\n");
}

static void shoot_down(void)
{
	uint64_t root = read_cr3(), page[2], r;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		page[i] = (uint64_t)pages(1, 4096);
		write64(page[i], i + 1);
	}
	for (r = 0; r < rounds; r++) {
		map(root, GVA, page[r & 1], PTE_P | PTE_W);
		invlpg(GVA);
		expected_page = (r & 1) + 1;
		lapic_send(0, ICR_OTHERS | ICR_ASSERT | SHOOT);
		spin_for("shoot-downs", &shots, (r + 1) * others);
		if (failures)
			return;
	}
	check(!wrong_page, "%lu reads of a page that was taken away", wrong_page);
	print("  %u shoot-downs\n", shots);
}

static void together(void)
{
	phase = 1;
	lapic_send(0, ICR_OTHERS | ICR_ASSERT | ALL);
	add_up();
	spin_for("processors that counted", &counted, others + 1);
	check(total == rounds * (others + 1), "together they counted to %lu", total);
	print("  counted to %lu together\n", total);
}

static void nmi_each(void)
{
	unsigned int i;

	for (i = 1; i <= others; i++) {
		lapic_send(apic_id[i], ICR_ASSERT | ICR_NMI);
		spin_for("NMIs", &nmis, i);
	}
	print("  %u NMIs through closed doors\n", nmis);
}

int main(void)
{
	uint64_t cpus = option("cpus", 2);

	rounds = option("rounds", 200);
	if (!cpus || cpus > MAX_CPUS) {
		fail("cpus=%lu: expected 1 to %u", cpus, MAX_CPUS);
		return 1;
	}
	others = cpus - 1;
	trap_set(PING, on_ping);
	trap_set(PONG, on_pong);
	trap_set(ALL, on_all);
	trap_set(SELF, on_self);
	trap_set(SHOOT, on_shoot);
	trap_set(2, on_nmi);
	lapic_enable();
	apic_id[0] = lapic_id();
	if (!ap_start(others))
		return 1;
	spin_for("processors ready", &ready, others);
	check_ids();
	if (failures)
		return 1;
	ping_each();
	broadcast();
	shoot_down();
	if (!failures)
		together();
	if (!failures)
		nmi_each();
	print("smp: %s, %lu processors\n", failures ? "WRONG" : "ok", cpus);
	return 0;
}
