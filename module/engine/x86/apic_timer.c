// SPDX-License-Identifier: GPL-2.0
/* The timer of a local APIC: SDM vol. 3A, 11.5.4. */
#include "apic.h"

static u32 timer_mode(const struct npt_apic *a)
{
	return a->reg[NPT_APIC_LVT_TIMER] & NPT_APIC_LVT_MODE;
}

static unsigned int divide_shift(const struct npt_apic *a)
{
	u32 tdcr = a->reg[NPT_APIC_TDCR];

	/* 0 divides by 2, 6 by 128, 7 by 1. */
	return ((tdcr & 3) + (tdcr >> 1 & 4) + 1) & 7;
}

/* Length of a count in ns. */
static u64 period(const struct npt_apic *a)
{
	return (u64)a->reg[NPT_APIC_TMICT] << divide_shift(a);
}

/* The least multiple of it that the host puts up with. */
static u64 allowed_period(const struct npt_apic *a)
{
	u64 one = period(a);

	if (one >= NPT_APIC_MIN_PERIOD)
		return one;
	return DIV_ROUND_UP(NPT_APIC_MIN_PERIOD, one) * one;
}

static void settle(struct npt_apic *a, const struct npt_apic_time *now)
{
	u64 every;

	if (a->deadline && now->tsc >= a->deadline) {
		a->deadline = 0;
		a->todo |= NPT_APIC_TODO_TIMER;
		npt_apic_local(a, NPT_APIC_LVT_TIMER);
	}
	if (!a->due || now->ns < a->due)
		return;
	if (timer_mode(a) == NPT_APIC_PERIODIC) {
		every = allowed_period(a);
		a->due += ((now->ns - a->due) / every + 1) * every;
	} else {
		a->due = 0;
	}
	a->todo |= NPT_APIC_TODO_TIMER;
	npt_apic_local(a, NPT_APIC_LVT_TIMER);
}

void npt_apic_timer(struct npt_apic *a)
{
	struct npt_apic_time now;

	if (!a->due && !a->deadline)
		return;
	npt_apic_clock(a, &now);
	settle(a, &now);
}

bool npt_apic_timer_due(const struct npt_apic *a, u64 *ns, u64 *tsc)
{
	*ns = a->due;
	*tsc = a->deadline;
	return (*ns || *tsc) && !(a->reg[NPT_APIC_LVT_TIMER] & NPT_APIC_LVT_MASKED);
}

/* How long until the count ends; the timer is settled and runs. */
static u64 left_ns(const struct npt_apic *a, const struct npt_apic_time *now)
{
	u64 one = period(a), left = a->due - now->ns;

	/* Counts that were not allowed to interrupt come and go all the same. */
	return left > one ? (left - 1) % one + 1 : left;
}

/* What is left of the count; the timer is settled. */
static u32 count(const struct npt_apic *a, const struct npt_apic_time *now)
{
	if (!a->due)
		return 0;
	return (left_ns(a, now) + BIT(divide_shift(a)) - 1) >> divide_shift(a);
}

/* Let the count end in @ns from now, 0: never. */
static void start(struct npt_apic *a, u64 ns, const struct npt_apic_time *now)
{
	u64 one = period(a);

	a->todo |= NPT_APIC_TODO_TIMER;
	a->due = 0;
	if (!ns || timer_mode(a) > NPT_APIC_PERIODIC)
		return;
	if (timer_mode(a) == NPT_APIC_PERIODIC && ns < NPT_APIC_MIN_PERIOD)
		ns += DIV_ROUND_UP(NPT_APIC_MIN_PERIOD - ns, one) * one;
	a->due = now->ns + ns;
}

static void start_count(struct npt_apic *a, u32 left, const struct npt_apic_time *now)
{
	start(a, (u64)left << divide_shift(a), now);
}

u32 npt_apic_current_count(struct npt_apic *a)
{
	struct npt_apic_time now;

	if (!a->due)
		return 0;
	npt_apic_clock(a, &now);
	settle(a, &now);
	return count(a, &now);
}

void npt_apic_set_count(struct npt_apic *a, u32 value)
{
	struct npt_apic_time now;

	/* 11.5.4.1: ignored in that mode. */
	if (timer_mode(a) == NPT_APIC_DEADLINE)
		return;
	npt_apic_clock(a, &now);
	settle(a, &now);
	a->reg[NPT_APIC_TMICT] = value;
	start_count(a, value, &now);
}

/* A count under way goes on from where it is, at another rate. */
void npt_apic_set_divide(struct npt_apic *a, u32 value)
{
	struct npt_apic_time now;
	u32 left;

	npt_apic_clock(a, &now);
	settle(a, &now);
	left = count(a, &now);
	a->reg[NPT_APIC_TDCR] = value;
	start_count(a, left, &now);
}

void npt_apic_stop_timer(struct npt_apic *a)
{
	a->due = 0;
	a->deadline = 0;
	a->reg[NPT_APIC_TMICT] = 0;
}

void npt_apic_set_lvt_timer(struct npt_apic *a, u32 value)
{
	u32 mode = timer_mode(a);
	struct npt_apic_time now;
	u64 left = 0;

	/* What ended while the entry was as it is now is told as it says. */
	npt_apic_clock(a, &now);
	settle(a, &now);
	if (a->due)
		left = left_ns(a, &now);
	a->reg[NPT_APIC_LVT_TIMER] = value;
	a->todo |= NPT_APIC_TODO_TIMER;
	if (timer_mode(a) == mode)
		return;
	/* 11.5.4.1: to that mode and from it disarms; between the other two goes on. */
	if ((timer_mode(a) | mode) > NPT_APIC_PERIODIC)
		npt_apic_stop_timer(a);
	else
		start(a, left, &now);
}

u64 npt_apic_get_deadline(struct npt_apic *a)
{
	npt_apic_timer(a);
	return a->deadline;
}

void npt_apic_set_deadline(struct npt_apic *a, u64 tsc)
{
	if (timer_mode(a) != NPT_APIC_DEADLINE)
		return;
	npt_apic_timer(a);
	a->deadline = tsc;
	a->todo |= NPT_APIC_TODO_TIMER;
	npt_apic_timer(a);
}

/* The timer goes on from the count that the state has. */
void npt_apic_restart_timer(struct npt_apic *a, u32 left)
{
	struct npt_apic_time now;

	npt_apic_clock(a, &now);
	left = min(left, a->reg[NPT_APIC_TMICT]);
	if (!left && timer_mode(a) == NPT_APIC_PERIODIC)
		left = a->reg[NPT_APIC_TMICT];
	if (timer_mode(a) != NPT_APIC_DEADLINE)
		a->deadline = 0;
	start_count(a, left, &now);
}
