// SPDX-License-Identifier: GPL-2.0
/*
 * The registers of a local APIC (module/engine/x86/apic.c, apic_timer.c) against
 * a second APIC made of plain sets and a counter that counts, and against tables
 * of the manual (SDM vol. 3A, ch. 11) written down a second time.
 */
#include <stdio.h>
#include "engine/x86/apic.h"
#include "test.h"

static struct npt_apic_time now;

void npt_apic_clock(const struct npt_apic *a, struct npt_apic_time *t)
{
	*t = now;
}

/* --- access by either way ------------------------------------------------- */

static u32 mmio_read(struct npt_apic *a, u32 r)
{
	u32 v = 0xabababab;

	npt_apic_mmio_read(a, r * 16, &v, sizeof(v));
	return v;
}

static void mmio_write(struct npt_apic *a, u32 r, u32 v)
{
	npt_apic_mmio_write(a, r * 16, &v, sizeof(v));
}

static u64 reg_read(struct npt_apic *a, u32 r)
{
	u64 v;

	if (!npt_apic_x2(a))
		return mmio_read(a, r);
	CHECK(!npt_apic_msr_read(a, r, &v), "RDMSR %#x: #GP", 0x800 + r);
	return v;
}

static void reg_write(struct npt_apic *a, u32 r, u64 v)
{
	if (!npt_apic_x2(a))
		mmio_write(a, r, v);
	else
		CHECK(!npt_apic_msr_write(a, r, v), "WRMSR %#x, %#llx: #GP", 0x800 + r,
		      (unsigned long long)v);
}

static void enter_x2(struct npt_apic *a)
{
	CHECK_EQ(npt_apic_set_base(a, a->base | NPT_APIC_BASE_EXTD, false), 0, "to x2APIC");
}

static void make(struct npt_apic *a, u32 id, bool x2)
{
	npt_apic_init(a, id, false);
	a->has_deadline = true;
	if (x2)
		enter_x2(a);
	reg_write(a, NPT_APIC_SVR, 0x1ff);
	a->todo = 0;
}

/* --- the model ------------------------------------------------------------ */

static struct {
	bool irr[256], isr[256], level[256];
	u8 tpr;
	bool masked, periodic;
	u8 vector;
	u32 initial, divide;
	/* The counter: what it stands at, ticks of the bus to its next step. */
	u64 count, ticks;
	u64 since;	/* bus ticks since the timer started or went off */
} m;

static int model_highest(const bool *set)
{
	int i;

	for (i = 255; i >= 0; i--)
		if (set[i])
			return i;
	return -1;
}

/* Every vector is asked by itself whether it may come now. */
static int model_pending(void)
{
	int v, s, best = -1;

	for (v = 16; v < 256; v++) {
		bool may = m.irr[v] && v / 16 > m.tpr / 16;

		for (s = 0; s < 256; s++)
			if (m.isr[s] && s / 16 >= v / 16)
				may = false;
		if (may)
			best = v;
	}
	return best;
}

static u8 model_ppr(void)
{
	int s = model_highest(m.isr);

	if (s < 0 || s / 16 <= m.tpr / 16)
		return m.tpr;
	return s / 16 * 16;
}

static void model_zero(void)
{
	bool fires = !m.periodic || m.since >= NPT_APIC_MIN_PERIOD;

	if (m.periodic)
		m.count = m.initial;
	if (!fires)
		return;
	m.since = 0;
	if (!m.masked && m.vector >= 16) {
		m.irr[m.vector] = true;
		m.level[m.vector] = false;
	}
}

static void model_time(u64 ns)
{
	while (ns && m.count) {
		u64 step = ns < m.ticks ? ns : m.ticks;

		ns -= step;
		m.ticks -= step;
		m.since += step;
		if (m.ticks)
			break;
		m.ticks = m.divide;
		if (!--m.count)
			model_zero();
	}
}

static void model_start(u32 count)
{
	m.initial = count;
	m.count = count;
	m.ticks = m.divide;
	m.since = 0;
}

static void pass_time(u64 ns)
{
	now.ns += ns;
	model_time(ns);
}

/* --- interrupts and priorities -------------------------------------------- */

static void compare(struct npt_apic *a)
{
	u32 irr[8] = {}, isr[8] = {}, tmr[8] = {};
	unsigned int i;

	npt_apic_timer(a);
	for (i = 0; i < 256; i++) {
		irr[i / 32] |= (u32)m.irr[i] << i % 32;
		isr[i / 32] |= (u32)m.isr[i] << i % 32;
		tmr[i / 32] |= (u32)m.level[i] << i % 32;
	}
	for (i = 0; i < 8; i++) {
		CHECK_EQ(reg_read(a, NPT_APIC_IRR + i), irr[i], "IRR");
		CHECK_EQ(reg_read(a, NPT_APIC_ISR + i), isr[i], "ISR");
		CHECK_EQ(reg_read(a, NPT_APIC_TMR + i), tmr[i], "TMR");
	}
	CHECK_EQ(reg_read(a, NPT_APIC_PPR), model_ppr(), "PPR");
	CHECK_EQ(npt_apic_pending(a), model_pending(), "pending");
	CHECK_EQ(npt_apic_highest_irr(a), model_highest(m.irr), "highest");
	CHECK_EQ(reg_read(a, NPT_APIC_TMCCT), m.count, "TMCCT");
	test_cases++;
}

static void step_accept(struct npt_apic *a, struct rnd *rnd)
{
	u8 vector = rnd_below(rnd, 256);
	bool level = rnd_bool(rnd);
	int want = vector < 16 ? -1 : !m.irr[vector];

	CHECK_EQ(npt_apic_accept(a, vector, level), want, "accept");
	if (vector < 16)
		return;
	m.irr[vector] = true;
	m.level[vector] = level;
}

static void step_ack(struct npt_apic *a)
{
	int vector = npt_apic_pending(a);

	CHECK_EQ(vector, model_pending(), "pending");
	if (vector < 0)
		return;
	npt_apic_ack(a, vector);
	m.irr[vector] = false;
	m.isr[vector] = true;
}

static void step_eoi(struct npt_apic *a)
{
	int vector = model_highest(m.isr);

	a->todo = 0;
	reg_write(a, NPT_APIC_EOI, 0);
	if (vector < 0) {
		CHECK_EQ(a->todo, 0, "EOI of nothing");
		return;
	}
	m.isr[vector] = false;
	CHECK_EQ(!!(a->todo & NPT_APIC_TODO_EOI), m.level[vector], "EOI message");
	if (m.level[vector])
		CHECK_EQ(a->eoi, vector, "EOI's vector");
}

static void step_timer(struct npt_apic *a, struct rnd *rnd)
{
	static const u8 divides[] = { 2, 4, 8, 16, 32, 64, 128, 1 };
	u32 v;

	switch (rnd_below(rnd, 3)) {
	case 0:
		m.vector = rnd_below(rnd, 256);
		m.masked = rnd_bool(rnd);
		v = m.periodic;
		m.periodic = rnd_bool(rnd);
		if (v != m.periodic)
			m.since = 0;
		reg_write(a, NPT_APIC_LVT_TIMER, m.vector | m.masked << 16 | m.periodic << 17);
		/* A count that has ended would be loaded as one that begins. */
		if (!m.count)
			reg_write(a, NPT_APIC_TMICT, 0);
		break;
	case 1:
		v = rnd_below(rnd, 8);
		m.divide = divides[v];
		reg_write(a, NPT_APIC_TDCR, (v & 3) | (v & 4) << 1);
		/* Between steps of the count nobody knows how far it is. */
		reg_write(a, NPT_APIC_TMICT, 0);
		model_start(0);
		break;
	case 2:
		v = rnd_one_in(rnd, 4) ? rnd_below(rnd, 3) : rnd_below(rnd, 4000);
		reg_write(a, NPT_APIC_TMICT, v);
		model_start(v);
		break;
	}
}

/* Taken out and put into another one, it goes on where it was. */
static void step_migrate(struct npt_apic *a, bool wide)
{
	struct kvm_lapic_state s, again;
	struct npt_apic b;

	npt_apic_get_state(a, &s, wide);
	npt_apic_init(&b, a->id, false);
	b.has_deadline = true;
	CHECK_EQ(npt_apic_set_base(&b, a->base, true), 0, "base");
	CHECK_EQ(npt_apic_set_state(&b, &s, wide), 0, "set");
	npt_apic_get_state(&b, &again, wide);
	CHECK(!memcmp(&s, &again, sizeof(s)), "what was set is not what is read");
	*a = b;
	/* The part of a tick that had passed is not in the state; nor how long ago it went off. */
	m.ticks = m.divide;
	reg_write(a, NPT_APIC_TMICT, m.count ? m.initial : 0);
	model_start(m.count ? m.initial : 0);
}

static void run_random(bool x2)
{
	unsigned long round;
	struct npt_apic a;
	struct rnd rnd;
	int i;

	for_each_round(round, 300, &rnd) {
		memset(&m, 0, sizeof(m));
		m.divide = 2;
		m.masked = true;
		make(&a, rnd_below(&rnd, 255), x2);
		for (i = 0; i < 300; i++) {
			switch (rnd_below(&rnd, 9)) {
			case 0 ... 1:
				step_accept(&a, &rnd);
				break;
			case 2:
				step_ack(&a);
				break;
			case 3:
				step_eoi(&a);
				break;
			case 4:
				m.tpr = rnd_bool(&rnd) ? 0 : rnd_below(&rnd, 256);
				reg_write(&a, NPT_APIC_TPR, m.tpr);
				break;
			case 5:
				step_timer(&a, &rnd);
				break;
			case 6:
				pass_time(rnd_below(&rnd, 3000));
				break;
			case 7:
				pass_time(rnd_below(&rnd, 600000));
				break;
			case 8:
				if (rnd_one_in(&rnd, 8))
					step_migrate(&a, rnd_bool(&rnd));
				break;
			}
			compare(&a);
		}
	}
}

static void test_random_xapic(void)
{
	run_random(false);
}

static void test_random_x2apic(void)
{
	run_random(true);
}

/* --- registers one by one ------------------------------------------------- */

/* SDM table 11-6 and the figures of each register: what WRMSR takes, 0: nothing. */
static u64 x2_writable(u32 r, bool deadline)
{
	switch (r) {
	case 0x08:			/* TPR */
	case 0x3f:			/* self IPI */
		return 0xff;
	case 0x0f:			/* SVR: vector, enable, focus */
		return 0x3ff;
	case 0x30:			/* ICR: 31:20, 17:16, 13 are reserved */
		return 0xffffffff000cdfff;
	case 0x32:			/* timer: vector, status, mask, mode */
		return deadline ? 0x710ff : 0x310ff;
	case 0x33:			/* thermal, performance: and delivery mode */
	case 0x34:
		return 0x117ff;
	case 0x35:			/* LINT: and polarity, remote IRR, trigger mode */
	case 0x36:
		return 0x1f7ff;
	case 0x37:			/* error */
		return 0x110ff;
	case 0x38:			/* initial count */
		return 0xffffffff;
	case 0x3e:			/* divide configuration */
		return 0xb;
	}
	return 0;
}

/* EOI and ESR take 0 alone; all others take 0 or are not there to write. */
static bool x2_is_writable(u32 r, bool deadline)
{
	return x2_writable(r, deadline) || r == 0x0b || r == 0x28;
}

static bool x2_readable(u32 r)
{
	return r == 0x02 || r == 0x03 || r == 0x08 || r == 0x0a || r == 0x0d || r == 0x0f ||
	       (r >= 0x10 && r <= 0x28) || r == 0x30 || (r >= 0x32 && r <= 0x39) || r == 0x3e;
}

static void test_msrs(void)
{
	struct npt_apic a, b;
	unsigned int bit;
	u64 v;
	u32 r;
	int d;

	make(&a, 5, false);
	for (r = 0; r < 0x100; r++) {
		CHECK_EQ(npt_apic_msr_read(&a, r, &v), 1, "RDMSR in xAPIC mode");
		CHECK_EQ(npt_apic_msr_write(&a, r, 0), 1, "WRMSR in xAPIC mode");
	}
	for (d = 0; d < 2; d++)
		for (r = 0; r < 0x400; r++) {
			snprintf(test_context, sizeof(test_context), "MSR %#x", 0x800 + r);
			make(&a, 5, true);
			a.has_deadline = d;
			CHECK_EQ(npt_apic_msr_read(&a, r, &v), !x2_readable(r), "RDMSR");
			CHECK_EQ(npt_apic_msr_write(&a, r, 0), !x2_is_writable(r, d), "WRMSR of 0");
			for (bit = 0; bit < 64; bit++) {
				b = a;
				CHECK_EQ(npt_apic_msr_write(&b, r, 1ULL << bit),
					 !(x2_writable(r, d) >> bit & 1), "WRMSR of a bit");
				test_cases++;
			}
		}
}

/* What is read back after all bits were written. */
static u32 xapic_sticks(u32 r)
{
	switch (r) {
	case 0x02:
	case 0x0d:
	case 0x31:
		return 0xff000000;
	case 0x08:
		return 0xff;
	case 0x0e:
	case 0x38:
		return 0xffffffff;
	case 0x0f:
		return 0x3ff;
	case 0x30:
		return 0xffffefff;
	case 0x32:
		return 0x700ff;
	case 0x33:
	case 0x34:
		return 0x107ff;
	case 0x35:
	case 0x36:
		return 0x1a7ff;
	case 0x37:
		return 0x100ff;
	case 0x3e:
		return 0xb;
	}
	return 0;
}

static bool xapic_exists(u32 r)
{
	return r == 0x02 || r == 0x03 || (r >= 0x08 && r <= 0x28) || (r >= 0x30 && r <= 0x39) ||
	       r == 0x3e;
}

static void test_page(void)
{
	struct npt_apic a;
	u32 r, before;

	for (r = 0; r < 0x100; r++) {
		snprintf(test_context, sizeof(test_context), "offset %#x", r * 16);
		make(&a, 5, false);
		before = mmio_read(&a, r);
		mmio_write(&a, r, ~0U);
		if (r == 0x32)
			CHECK_EQ(mmio_read(&a, r), 0x700ff, "LVT timer");
		if (xapic_sticks(r))
			CHECK_EQ(mmio_read(&a, r), xapic_sticks(r), "all bits");
		else if (r != 0x28)
			CHECK_EQ(mmio_read(&a, r), before, "not writable");
		mmio_write(&a, NPT_APIC_ESR, 0);
		CHECK_EQ(mmio_read(&a, NPT_APIC_ESR) & NPT_APIC_ESR_ADDRESS,
			 xapic_exists(r) ? 0 : NPT_APIC_ESR_ADDRESS, "illegal address");
		test_cases++;
	}
}

/* Narrow and odd accesses: bytes of the first four are readable, only whole ones written. */
static void test_odd_accesses(void)
{
	struct npt_apic a, b;
	u32 offset, len, i;
	u8 data[16], want;

	make(&a, 0x5a, false);
	mmio_write(&a, NPT_APIC_TMICT, 0x12345678);
	for (len = 1; len <= 8; len *= 2)
		for (offset = 0; offset < 16; offset++) {
			memset(data, 0xee, sizeof(data));
			npt_apic_mmio_read(&a, 0x380 + offset, data, len);
			for (i = 0; i < len; i++) {
				want = offset + len <= 4 ? 0x12345678 >> 8 * (offset + i) : 0;
				CHECK_EQ(data[i], want, "byte");
			}
			CHECK_EQ(data[len], 0xee, "beyond");
			b = a;
			memset(data, 0xff, sizeof(data));
			npt_apic_mmio_write(&b, 0x380 + offset, data, len);
			CHECK_EQ(mmio_read(&b, NPT_APIC_TMICT),
				 offset || len != 4 ? 0x12345678 : 0xffffffff, "written");
			test_cases++;
		}
}

/* The same program on the page and on MSRs leads to the same state. */
static void test_equivalence(void)
{
	static const u8 both[] = { 0x08, 0x0b, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36,
				   0x37, 0x38, 0x3e };
	struct npt_apic x, x2;
	unsigned long round;
	struct rnd rnd;
	u32 r, v;
	int i;

	for_each_round(round, 200, &rnd) {
		make(&x, 9, false);
		make(&x2, 9, true);
		for (i = 0; i < 200; i++) {
			r = both[rnd_below(&rnd, sizeof(both))];
			v = rnd64(&rnd) & x2_writable(r, true);
			/* Keep it switched on, most of the time. */
			if (r == 0x0f && !rnd_one_in(&rnd, 8))
				v |= 0x100;
			reg_write(&x, r, v);
			reg_write(&x2, r, v);
			CHECK_EQ(x.todo, x2.todo, "todo");
			x.ipi.dest = 0;
			x2.ipi.dest = 0;
			CHECK(!memcmp(&x.ipi, &x2.ipi, sizeof(x.ipi)), "IPI");
			x.todo = 0;
			x2.todo = 0;
			now.ns += rnd_below(&rnd, 100000);
			if (npt_apic_pending(&x) >= 0)
				npt_apic_ack(&x, npt_apic_pending(&x));
			if (npt_apic_pending(&x2) >= 0)
				npt_apic_ack(&x2, npt_apic_pending(&x2));
			for (r = 0; r < 0x40; r++)
				if (x2_readable(r) && r != 0x02 && r != 0x0d)
					CHECK_EQ((u32)reg_read(&x2, r), reg_read(&x, r), "reg");
			test_cases++;
		}
	}
}

/* --- errors --------------------------------------------------------------- */

static void test_errors(void)
{
	struct npt_apic a;

	make(&a, 1, false);
	mmio_write(&a, NPT_APIC_LVT_ERROR, 0x70);
	mmio_write(&a, NPT_APIC_ICR, 0x4000 | 7);
	CHECK_EQ(a.todo, 0, "nothing is sent");
	CHECK_EQ(npt_apic_pending(&a), 0x70, "error interrupt");
	npt_apic_ack(&a, 0x70);
	mmio_write(&a, NPT_APIC_EOI, 0);
	CHECK_EQ(mmio_read(&a, NPT_APIC_ESR), 0, "ESR before a write");
	CHECK_EQ(npt_apic_accept(&a, 3, false), -1, "illegal vector");
	CHECK_EQ(npt_apic_pending(&a), -1, "one interrupt until ESR is written");
	mmio_write(&a, NPT_APIC_ESR, 0);
	CHECK_EQ(mmio_read(&a, NPT_APIC_ESR), NPT_APIC_ESR_SEND | NPT_APIC_ESR_RECEIVE, "ESR");
	mmio_write(&a, NPT_APIC_ESR, 0);
	CHECK_EQ(mmio_read(&a, NPT_APIC_ESR), 0, "ESR twice");
	mmio_read(&a, 0x3d);
	CHECK_EQ(npt_apic_pending(&a), 0x70, "armed again");

	/* The error entry's own vector may be illegal too. */
	make(&a, 1, false);
	mmio_write(&a, NPT_APIC_LVT_ERROR, 5);
	mmio_read(&a, 0x3d);
	mmio_write(&a, NPT_APIC_ESR, 0);
	CHECK_EQ(mmio_read(&a, NPT_APIC_ESR), NPT_APIC_ESR_ADDRESS | NPT_APIC_ESR_RECEIVE, "ESR");
	CHECK_EQ(npt_apic_pending(&a), -1, "nothing comes");
}

static void test_disabled(void)
{
	struct npt_apic a;
	u32 r;

	make(&a, 1, false);
	CHECK_EQ(npt_apic_accept(&a, 0x40, false), 1, "enabled");
	mmio_write(&a, NPT_APIC_LVT_LINT1, 0x400);
	mmio_write(&a, NPT_APIC_SVR, 0xff);
	for (r = NPT_APIC_LVT_TIMER; r <= NPT_APIC_LVT_ERROR; r++) {
		CHECK(mmio_read(&a, r) & NPT_APIC_LVT_MASKED, "masked by disabling");
		mmio_write(&a, r, 0);
		CHECK_EQ(mmio_read(&a, r), NPT_APIC_LVT_MASKED, "stays masked");
	}
	CHECK_EQ(npt_apic_accept(&a, 0x50, false), -1, "disabled");
	CHECK_EQ(npt_apic_pending(&a), 0x40, "what waits is held");
	mmio_write(&a, NPT_APIC_SVR, 0x1ff);
	CHECK_EQ(npt_apic_accept(&a, 0x50, false), 1, "enabled again");
}

/* --- modes ---------------------------------------------------------------- */

static void test_modes(void)
{
	/* SDM figure 11-25, from (row) and to: disabled, invalid, xAPIC, x2APIC */
	static const bool guest_may[4][4] = {
		[0] = { 1, 0, 1, 0 },
		[2] = { 1, 0, 1, 1 },
		[3] = { 1, 0, 0, 1 },
	};
	u64 base[4], home = 0xfee00000;
	struct npt_apic a;
	int from, to, host;

	for (from = 0; from < 4; from++)
		base[from] = home | (from & 1 ? NPT_APIC_BASE_EXTD : 0) |
			     (from & 2 ? NPT_APIC_BASE_EN : 0);
	for (from = 0; from < 4; from++)
		for (to = 0; to < 4; to++)
			for (host = 0; host < 2; host++) {
				bool may = to != 1 && (host || guest_may[from][to]);

				if (from == 1)
					continue;
				npt_apic_init(&a, 0x123, true);
				CHECK_EQ(npt_apic_set_base(&a, base[from], true), 0, "start");
				CHECK_EQ(npt_apic_set_base(&a, base[to], host), !may, "change");
				CHECK_EQ(a.base, base[may ? to : from], "base");
				if (npt_apic_x2(&a)) {
					CHECK_EQ(reg_read(&a, NPT_APIC_ID), 0x123, "ID");
					CHECK_EQ(reg_read(&a, NPT_APIC_LDR), 0x120008, "LDR");
				} else {
					CHECK_EQ(mmio_read(&a, NPT_APIC_ID), 0x23000000, "ID");
					CHECK_EQ(mmio_read(&a, NPT_APIC_LDR), 0, "LDR");
				}
				test_cases++;
			}
}

static void test_reset(void)
{
	struct npt_apic a, b;
	struct rnd rnd;
	unsigned long round;
	u32 r;

	for_each_round(round, 50, &rnd) {
		npt_apic_init(&b, 7, round & 1);
		b.has_deadline = true;
		a = b;
		for (r = 0; r < 0x40; r++)
			if (r != NPT_APIC_ID)
				mmio_write(&a, r, rnd64(&rnd));
		npt_apic_accept(&a, 0x90, true);
		npt_apic_reset(&a);
		a.todo = 0;
		b.todo = 0;
		CHECK(!memcmp(a.reg, b.reg, sizeof(a.reg)), "registers after INIT");
		CHECK_EQ(npt_apic_pending(&a), -1, "pending after INIT");
		CHECK_EQ(npt_apic_accepts_extint(&a), round & 1, "virtual wire mode");
		test_cases++;
	}
	npt_apic_set_base(&a, 0xfee00000, true);
	CHECK(npt_apic_accepts_extint(&a), "disabled, LINT0 is INTR");
}

/* --- destinations --------------------------------------------------------- */

/* Spelled out bit by bit, as the manual does in 11.6.2 and 11.12.10. */
static bool model_match(const struct npt_apic *a, const struct npt_apic_msg *msg)
{
	bool x2 = a->base & NPT_APIC_BASE_EXTD;
	u8 ldr = a->reg[NPT_APIC_LDR] >> 24, xid = a->reg[NPT_APIC_ID] >> 24;
	int bit;

	if (msg->dest == 0xffffffff)
		return true;
	if (msg->dest == 0xff && (!x2 || msg->broadcast8))
		return true;
	if (x2 && !msg->logical)
		return msg->dest == a->id;
	if (x2) {
		/* Bit n of cluster c means the one whose ID is 16c + n. */
		for (bit = 0; bit < 16; bit++)
			if ((msg->dest & (1u << bit)) && a->id == (msg->dest >> 16) * 16 + bit)
				return true;
		return false;
	}
	if (!msg->logical)
		return msg->dest < 0x100 ? msg->dest == xid : msg->dest == a->id;
	if (msg->dest >= 0x100)
		return false;
	switch (a->reg[NPT_APIC_DFR] >> 28) {
	case 0xf:
		for (bit = 0; bit < 8; bit++)
			if ((msg->dest >> bit & 1) && (ldr >> bit & 1))
				return true;
		return false;
	case 0:
		for (bit = 0; bit < 4; bit++)
			if ((msg->dest & ldr & 1 << bit) && msg->dest / 16 == ldr / 16)
				return true;
	}
	return false;
}

static void test_destinations(void)
{
	unsigned long round;
	struct npt_apic a;
	struct rnd rnd;
	int i;

	for_each_round(round, 2000, &rnd) {
		make(&a, rnd_below(&rnd, rnd_bool(&rnd) ? 1024 : 40), rnd_bool(&rnd));
		if (!npt_apic_x2(&a)) {
			mmio_write(&a, NPT_APIC_LDR, rnd64(&rnd));
			mmio_write(&a, NPT_APIC_DFR, rnd_bool(&rnd) ? ~0U : rnd_bool(&rnd) ?
				   0 : rnd64(&rnd));
			if (rnd_bool(&rnd))
				mmio_write(&a, NPT_APIC_ID, rnd64(&rnd));
		}
		for (i = 0; i < 300; i++) {
			struct npt_apic_msg msg = {
				.logical = rnd_bool(&rnd),
				.broadcast8 = rnd_bool(&rnd),
			};

			switch (rnd_below(&rnd, 4)) {
			case 0:
				msg.dest = rnd_below(&rnd, 256);
				break;
			case 1:
				msg.dest = rnd_below(&rnd, 1100);
				break;
			case 2:
				msg.dest = rnd_below(&rnd, 66) << 16 | rnd_below(&rnd, 65536);
				break;
			case 3:
				msg.dest = rnd_bool(&rnd) ? 0xffffffff : 0xff;
				break;
			}
			snprintf(test_context, sizeof(test_context), "ID %#x, dest %#x, logical %d",
				 a.id, msg.dest, msg.logical);
			CHECK_EQ(npt_apic_match(&a, &msg), model_match(&a, &msg), "match");
			test_cases++;
		}
	}
}

/* --- ICR ------------------------------------------------------------------ */

static void test_icr(void)
{
	struct npt_apic a;
	u32 mode, low;
	bool sent;
	u64 v;
	int x2;

	for (x2 = 0; x2 < 2; x2++)
		for (low = 0; low < 0x100000; low += low & 0x700 ? 0x100 : 1) {
			if (low & (x2 ? 0x33000 : 0x1000))
				continue;
			make(&a, 3, x2);
			if (x2) {
				reg_write(&a, 0x30, 0x1234567800000000ull | low);
			} else {
				mmio_write(&a, 0x31, 0x78000000);
				mmio_write(&a, 0x30, low);
			}
			mode = low >> 8 & 7;
			/* Table 11-3: SMI and reserved modes go nowhere here; INIT de-assert. */
			sent = mode == 0 || mode == 1 ? (low & 0xff) >= 16 :
			       mode == 5 ? (low & 0xc000) != 0x8000 : mode == 4 || mode == 6;
			CHECK_EQ(a.todo, sent ? NPT_APIC_TODO_IPI : 0, "sent");
			v = reg_read(&a, 0x30);
			CHECK_EQ(v, x2 ? 0x1234567800000000ull | low : low, "read back");
			if (sent) {
				CHECK_EQ(a.ipi.dest, x2 ? 0x12345678 : 0x78, "dest");
				CHECK_EQ(a.ipi.vector, low & 0xff, "vector");
				CHECK_EQ(a.ipi.mode, mode, "mode");
				CHECK_EQ(a.ipi.logical, low >> 11 & 1, "logical");
				CHECK_EQ(a.ipi.shorthand, low >> 18, "shorthand");
				CHECK_EQ(a.ipi.level, 0, "edge");
			}
			test_cases++;
		}
	make(&a, 3, true);
	reg_write(&a, 0x3f, 0x44);
	CHECK_EQ(a.todo, NPT_APIC_TODO_IPI, "self IPI");
	CHECK_EQ(a.ipi.shorthand, NPT_APIC_TO_SELF, "self IPI");
	CHECK_EQ(a.ipi.vector, 0x44, "self IPI");
}

/* --- the timer's other modes ---------------------------------------------- */

static void test_deadline(void)
{
	struct npt_apic a;
	u64 ns, tsc;

	make(&a, 0, false);
	now.tsc = 1000;
	npt_apic_set_deadline(&a, 5000);
	CHECK_EQ(npt_apic_get_deadline(&a), 0, "ignored in another mode");
	mmio_write(&a, NPT_APIC_LVT_TIMER, 0x400e0);
	mmio_write(&a, NPT_APIC_TMICT, 77);
	CHECK_EQ(mmio_read(&a, NPT_APIC_TMICT), 0, "no count in that mode");
	npt_apic_set_deadline(&a, 5000);
	CHECK_EQ(npt_apic_get_deadline(&a), 5000, "armed");
	CHECK(npt_apic_timer_due(&a, &ns, &tsc) && !ns && tsc == 5000, "due");
	now.tsc = 4999;
	npt_apic_timer(&a);
	CHECK_EQ(npt_apic_pending(&a), -1, "not yet");
	now.tsc = 5000;
	npt_apic_timer(&a);
	CHECK_EQ(npt_apic_pending(&a), 0xe0, "now");
	CHECK_EQ(npt_apic_get_deadline(&a), 0, "disarmed");
	npt_apic_ack(&a, 0xe0);
	npt_apic_set_deadline(&a, 1);
	mmio_write(&a, NPT_APIC_EOI, 0);
	CHECK_EQ(npt_apic_pending(&a), 0xe0, "in the past: at once");
	npt_apic_ack(&a, 0xe0);
	mmio_write(&a, NPT_APIC_EOI, 0);
	npt_apic_set_deadline(&a, 9000);
	mmio_write(&a, NPT_APIC_LVT_TIMER, 0xe0);
	mmio_write(&a, NPT_APIC_LVT_TIMER, 0x400e0);
	now.tsc = 10000;
	npt_apic_timer(&a);
	CHECK_EQ(npt_apic_pending(&a), -1, "a change of mode disarms");
	mmio_write(&a, NPT_APIC_LVT_TIMER, 0x500e0);
	npt_apic_set_deadline(&a, 20000);
	CHECK(!npt_apic_timer_due(&a, &ns, &tsc), "masked: no need to wake anybody");
	now.tsc = 20000;
	npt_apic_timer(&a);
	CHECK_EQ(npt_apic_get_deadline(&a), 0, "masked, it passes all the same");
	CHECK_EQ(npt_apic_pending(&a), -1, "masked");
}

/* However fast the guest wants it, alarms come no closer than allowed. */
static void test_storm(void)
{
	struct npt_apic a;
	u64 ns, tsc, last, one;
	u32 shift, count;
	int i;

	for (shift = 0; shift < 8; shift++)
		for (count = 1; count < 400000; count = count * 3 + 1) {
			one = (u64)count << ((shift + 1) & 7);
			make(&a, 0, false);
			mmio_write(&a, NPT_APIC_TDCR, (shift & 3) | (shift & 4) << 1);
			mmio_write(&a, NPT_APIC_LVT_TIMER, 0x200e0);
			last = now.ns;
			mmio_write(&a, NPT_APIC_TMICT, count);
			for (i = 0; i < 5; i++) {
				CHECK(npt_apic_timer_due(&a, &ns, &tsc), "periodic");
				CHECK(ns >= last + NPT_APIC_MIN_PERIOD, "too soon: %llu ns",
				      (unsigned long long)(ns - last));
				CHECK_EQ((ns - last) % one, 0, "phase");
				now.ns = ns;
				last = ns;
				npt_apic_timer(&a);
				test_cases++;
			}
		}
}

/* --- state from user space ------------------------------------------------ */

/* Whatever is put in, what comes out is what hardware could have. */
static void test_hostile_state(void)
{
	struct kvm_lapic_state s, out, again;
	struct npt_apic a;
	unsigned long round;
	struct rnd rnd;
	u64 base, v;
	u32 r, n;
	int i;

	for_each_round(round, 3000, &rnd) {
		make(&a, rnd_below(&rnd, 1024), rnd_bool(&rnd));
		a.has_deadline = rnd_bool(&rnd);
		for (n = 0; n < sizeof(s); n++)
			s.regs[n] = rnd64(&rnd);
		CHECK_EQ(npt_apic_set_state(&a, &s, false), 0, "set");
		npt_apic_get_state(&a, &out, false);
		CHECK_EQ(npt_apic_set_state(&a, &out, false), 0, "set again");
		npt_apic_get_state(&a, &again, false);
		CHECK(!memcmp(&out, &again, sizeof(out)), "not stable");
		CHECK_EQ(mmio_read(&a, NPT_APIC_VERSION), 0x50014, "version");
		CHECK(npt_apic_highest_irr(&a) < 256, "IRR");
		CHECK(npt_apic_pending(&a) < 0 || npt_apic_pending(&a) >= 16, "illegal vector");
		for (i = 0; i < 100; i++) {
			now.ns += rnd_below(&rnd, 1 << rnd_below(&rnd, 30));
			now.tsc = now.ns * 3;
			r = rnd_below(&rnd, 0x44);
			v = rnd64(&rnd);
			npt_apic_mmio_write(&a, r * 16, &v, 4);
			npt_apic_msr_write(&a, r, v);
			npt_apic_mmio_read(&a, rnd_below(&rnd, 4096), &v, 4);
			npt_apic_set_deadline(&a, rnd64(&rnd) >> rnd_below(&rnd, 64));
			base = rnd64(&rnd);
			if (rnd_one_in(&rnd, 20))
				npt_apic_set_base(&a, base, rnd_bool(&rnd));
			if (npt_apic_pending(&a) >= 0) {
				CHECK(npt_apic_pending(&a) >= 16, "illegal vector");
				npt_apic_ack(&a, npt_apic_pending(&a));
			}
			test_cases++;
		}
	}
}

static void test_state_id(void)
{
	struct kvm_lapic_state s;
	struct npt_apic a;

	make(&a, 0x123, true);
	npt_apic_get_state(&a, &s, true);
	CHECK_EQ(*(u32 *)(s.regs + 0x20), 0x123, "32-bit ID");
	CHECK_EQ(npt_apic_set_state(&a, &s, true), 0, "its own");
	*(u32 *)(s.regs + 0x20) = 0x124;
	CHECK_EQ(npt_apic_set_state(&a, &s, true), -EINVAL, "another's");
	npt_apic_get_state(&a, &s, false);
	CHECK_EQ(*(u32 *)(s.regs + 0x20), 0x23000000, "8-bit ID");
	make(&a, 3, false);
	npt_apic_get_state(&a, &s, false);
	*(u32 *)(s.regs + 0x20) = 0x77000000;
	a.todo = 0;
	CHECK_EQ(npt_apic_set_state(&a, &s, false), 0, "xAPIC IDs are software's");
	CHECK(a.todo & NPT_APIC_TODO_ID, "and it is told");
	CHECK_EQ(mmio_read(&a, NPT_APIC_ID), 0x77000000, "ID");
}

int main(void)
{
	static const struct test tests[] = {
		{ "random_xapic", test_random_xapic },
		{ "random_x2apic", test_random_x2apic },
		{ "msrs", test_msrs },
		{ "page", test_page },
		{ "odd_accesses", test_odd_accesses },
		{ "equivalence", test_equivalence },
		{ "errors", test_errors },
		{ "disabled", test_disabled },
		{ "modes", test_modes },
		{ "reset", test_reset },
		{ "destinations", test_destinations },
		{ "icr", test_icr },
		{ "deadline", test_deadline },
		{ "storm", test_storm },
		{ "hostile_state", test_hostile_state },
		{ "state_id", test_state_id },
	};

	return test_main(tests, ARRAY_SIZE(tests));
}
