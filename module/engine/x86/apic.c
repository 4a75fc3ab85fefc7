// SPDX-License-Identifier: GPL-2.0
/* Registers of a local APIC. Section numbers are those of SDM vol. 3A. */
#include "apic.h"

/* --- what software may do to which register ------------------------------- */

#define X_R	BIT(0)	/* in the page: read */
#define X_W	BIT(1)
#define M_R	BIT(2)	/* by MSR: read */
#define M_W	BIT(3)
#define RD	(X_R | M_R)
#define WR	(X_W | M_W)

#define LVT_RO	BIT(12)			/* delivery status: always idle here */
#define LINT_RO	(BIT(12) | BIT(14))	/* and remote IRR */
#define ICR_BUSY BIT(12)

/* 11.4.1, table 11-1; 11.12.1.2, table 11-6 */
static const struct {
	u8 access;
	u32 mask;	/* bits that software writes */
	u32 ignored;	/* bits that it may write without any effect; others are reserved */
} regs[NPT_APIC_REGS] = {
	[NPT_APIC_ID]		= { RD | X_W, 0xff000000 },
	[NPT_APIC_VERSION]	= { RD },
	[NPT_APIC_TPR]		= { RD | WR, 0xff },
	[NPT_APIC_APR]		= { X_R },
	[NPT_APIC_PPR]		= { RD },
	[NPT_APIC_EOI]		= { WR },
	[NPT_APIC_RRD]		= { X_R },
	[NPT_APIC_LDR]		= { RD | X_W, 0xff000000 },
	[NPT_APIC_DFR]		= { X_R | X_W, 0xf0000000 },
	[NPT_APIC_SVR]		= { RD | WR, 0x3ff },
	[NPT_APIC_ISR ... NPT_APIC_IRR + 7] = { RD },
	[NPT_APIC_ESR]		= { RD | WR },
	[NPT_APIC_ICR]		= { RD | WR, 0xccfff, ICR_BUSY },
	[NPT_APIC_ICR2]		= { X_R | X_W, 0xff000000 },
	[NPT_APIC_LVT_TIMER]	= { RD | WR, 0x700ff, LVT_RO },
	[NPT_APIC_LVT_THERMAL]	= { RD | WR, 0x107ff, LVT_RO },
	[NPT_APIC_LVT_PERF]	= { RD | WR, 0x107ff, LVT_RO },
	[NPT_APIC_LVT_LINT0]	= { RD | WR, 0x1a7ff, LINT_RO },
	[NPT_APIC_LVT_LINT1]	= { RD | WR, 0x1a7ff, LINT_RO },
	[NPT_APIC_LVT_ERROR]	= { RD | WR, 0x100ff, LVT_RO },
	[NPT_APIC_TMICT]	= { RD | WR, 0xffffffff },
	[NPT_APIC_TMCCT]	= { RD },
	[NPT_APIC_TDCR]		= { RD | WR, 0xb },
	[NPT_APIC_SELF]		= { M_W, 0xff },
};

static u32 reg_mask(const struct npt_apic *a, u32 r)
{
	if (r == NPT_APIC_LVT_TIMER && !a->has_deadline)
		return regs[r].mask & ~NPT_APIC_DEADLINE;
	return regs[r].mask;
}

/* --- 256-bit registers ---------------------------------------------------- */

static void set_vector(struct npt_apic *a, u32 r, u8 vector)
{
	a->reg[r + vector / 32] |= BIT(vector % 32);
}

static void clear_vector(struct npt_apic *a, u32 r, u8 vector)
{
	a->reg[r + vector / 32] &= ~BIT(vector % 32);
}

static bool has_vector(const struct npt_apic *a, u32 r, u8 vector)
{
	return a->reg[r + vector / 32] & BIT(vector % 32);
}

static int highest_vector(const struct npt_apic *a, u32 r)
{
	int i;

	for (i = 7; i >= 0; i--)
		if (a->reg[r + i])
			return i * 32 + fls(a->reg[r + i]) - 1;
	return -1;
}

/* --- interrupts that come ------------------------------------------------- */

static bool request(struct npt_apic *a, u8 vector, bool level)
{
	bool waits = has_vector(a, NPT_APIC_IRR, vector);

	if (level)
		set_vector(a, NPT_APIC_TMR, vector);
	else
		clear_vector(a, NPT_APIC_TMR, vector);
	set_vector(a, NPT_APIC_IRR, vector);
	WRITE_ONCE(a->irr_pending, true);
	return !waits;
}

/* 11.5.3: an error interrupts once, until ESR is written. */
static void error(struct npt_apic *a, u32 which)
{
	u32 lvt = a->reg[NPT_APIC_LVT_ERROR];

	a->esr_next |= which;
	if (!a->esr_armed || (lvt & NPT_APIC_LVT_MASKED))
		return;
	a->esr_armed = false;
	if ((u8)lvt < 16)
		a->esr_next |= NPT_APIC_ESR_RECEIVE;
	else
		request(a, lvt, false);
}

int npt_apic_accept(struct npt_apic *a, u8 vector, bool level)
{
	/* 11.4.7.2: software-disabled, it takes INIT, NMI, SMI and SIPI alone. */
	if (!npt_apic_enabled(a) || !(a->reg[NPT_APIC_SVR] & NPT_APIC_SVR_ENABLED))
		return -1;
	if (vector < 16) {
		error(a, NPT_APIC_ESR_RECEIVE);
		return -1;
	}
	return request(a, vector, level);
}

bool npt_apic_accepts_extint(const struct npt_apic *a)
{
	u32 lvt = a->reg[NPT_APIC_LVT_LINT0];

	/* 11.4.3: disabled, LINT0 is the processor's INTR pin. */
	if (!npt_apic_enabled(a))
		return true;
	return !(lvt & NPT_APIC_LVT_MASKED) && (lvt >> 8 & 7) == NPT_APIC_EXTINT;
}

void npt_apic_local(struct npt_apic *a, u32 r)
{
	u32 lvt = a->reg[r];

	if (lvt & NPT_APIC_LVT_MASKED)
		return;
	if ((u8)lvt < 16)
		error(a, NPT_APIC_ESR_RECEIVE);
	else
		request(a, lvt, false);
}

/* --- priorities and delivery: 11.8.3 -------------------------------------- */

u8 npt_apic_ppr(const struct npt_apic *a)
{
	int serving = highest_vector(a, NPT_APIC_ISR);
	u8 tpr = a->reg[NPT_APIC_TPR];

	if (serving < 0 || (tpr & 0xf0) >= (serving & 0xf0))
		return tpr;
	return serving & 0xf0;
}

int npt_apic_highest_irr(struct npt_apic *a)
{
	int vector;

	if (!a->irr_pending || !npt_apic_enabled(a))
		return -1;
	vector = highest_vector(a, NPT_APIC_IRR);
	if (vector < 0)
		WRITE_ONCE(a->irr_pending, false);
	return vector;
}

int npt_apic_pending(struct npt_apic *a)
{
	int vector = npt_apic_highest_irr(a);

	if (vector < 0 || (vector & 0xf0) <= (npt_apic_ppr(a) & 0xf0))
		return -1;
	return vector;
}

void npt_apic_ack(struct npt_apic *a, u8 vector)
{
	clear_vector(a, NPT_APIC_IRR, vector);
	set_vector(a, NPT_APIC_ISR, vector);
}

static void end_of_interrupt(struct npt_apic *a)
{
	int vector = highest_vector(a, NPT_APIC_ISR);

	if (vector < 0)
		return;
	clear_vector(a, NPT_APIC_ISR, vector);
	if (has_vector(a, NPT_APIC_TMR, vector)) {
		a->eoi = vector;
		a->todo |= NPT_APIC_TODO_EOI;
	}
}

/* --- who is meant: 11.6.2 and 11.12.10 ------------------------------------ */

static u32 x2_ldr(u32 id)
{
	return id >> 4 << 16 | BIT(id & 15);
}

static bool match_logical_x2(u32 id, u32 dest)
{
	u32 ldr = x2_ldr(id);

	return (dest ^ ldr) >> 16 == 0 && (dest & ldr & 0xffff);
}

static bool match_logical(const struct npt_apic *a, u32 dest)
{
	u32 ldr = READ_ONCE(a->reg[NPT_APIC_LDR]) >> 24;

	if (dest > 0xff)
		return false;
	switch (READ_ONCE(a->reg[NPT_APIC_DFR]) >> 28) {
	case 0xf:	/* flat */
		return dest & ldr;
	case 0:		/* cluster */
		return (dest ^ ldr) >> 4 == 0 && (dest & ldr & 0xf);
	}
	return false;
}

static bool match_physical(const struct npt_apic *a, u32 dest)
{
	/* No xAPIC ID can name this one, but whoever has 32 bits can. */
	if (dest > 0xff)
		return dest == a->id;
	return dest == READ_ONCE(a->reg[NPT_APIC_ID]) >> 24;
}

bool npt_apic_match(const struct npt_apic *a, const struct npt_apic_msg *m)
{
	bool x2 = npt_apic_x2(a);

	if (m->dest == ~0U || (m->dest == 0xff && (!x2 || m->broadcast8)))
		return true;
	if (x2)
		return m->logical ? match_logical_x2(a->id, m->dest) : m->dest == a->id;
	return m->logical ? match_logical(a, m->dest) : match_physical(a, m->dest);
}

/* --- interrupts that go: 11.6.1 ------------------------------------------- */

static void send(struct npt_apic *a)
{
	u32 icr = a->reg[NPT_APIC_ICR];
	u32 dest = a->reg[NPT_APIC_ICR2];
	struct npt_apic_msg m = {
		.dest = npt_apic_x2(a) ? dest : dest >> 24,
		.vector = icr,
		.mode = icr >> 8 & 7,
		.shorthand = icr >> 18 & 3,
		.logical = icr & BIT(11),
	};

	switch (m.mode) {
	case NPT_APIC_FIXED:
	case NPT_APIC_LOWEST:
		if (m.vector < 16) {
			error(a, NPT_APIC_ESR_SEND);
			return;
		}
		break;
	case NPT_APIC_INIT:
		/* Level de-assert is what only processors of old listen to. */
		if ((icr & BIT(15)) && !(icr & BIT(14)))
			return;
		break;
	case NPT_APIC_NMI:
	case NPT_APIC_SIPI:
		break;
	default:	/* SMI: there is no SMM; others are reserved */
		return;
	}
	a->ipi = m;
	a->todo |= NPT_APIC_TODO_IPI;
}

static void send_self(struct npt_apic *a, u8 vector)
{
	/* 11.12.11: as an edge-triggered fixed IPI with the shorthand. */
	a->reg[NPT_APIC_ICR] = vector | NPT_APIC_TO_SELF << 18 | BIT(14);
	a->reg[NPT_APIC_ICR2] = 0;
	send(a);
}

/* --- reading and writing -------------------------------------------------- */

static u32 read_reg(struct npt_apic *a, u32 r)
{
	switch (r) {
	case NPT_APIC_PPR:
		return npt_apic_ppr(a);
	case NPT_APIC_TMCCT:
		return npt_apic_current_count(a);
	case NPT_APIC_IRR ... NPT_APIC_IRR + 7:
		npt_apic_timer(a);
		break;
	}
	return a->reg[r];
}

static void write_lvt(struct npt_apic *a, u32 r, u32 value)
{
	/* 11.4.7.2: masks can't be reset while it is software-disabled. */
	if (!(a->reg[NPT_APIC_SVR] & NPT_APIC_SVR_ENABLED))
		value |= NPT_APIC_LVT_MASKED;
	if (r == NPT_APIC_LVT_TIMER)
		npt_apic_set_lvt_timer(a, value);
	else
		a->reg[r] = value;
}

static void write_svr(struct npt_apic *a, u32 value)
{
	u32 r;

	a->reg[NPT_APIC_SVR] = value;
	if (value & NPT_APIC_SVR_ENABLED)
		return;
	npt_apic_timer(a);
	for (r = NPT_APIC_LVT_TIMER; r <= NPT_APIC_LVT_ERROR; r++)
		a->reg[r] |= NPT_APIC_LVT_MASKED;
	a->todo |= NPT_APIC_TODO_TIMER;
}

/* 11.5.3: a write brings in the errors since the last one. */
static void write_esr(struct npt_apic *a)
{
	a->reg[NPT_APIC_ESR] = a->esr_next;
	a->esr_next = 0;
	a->esr_armed = true;
}

static void check_id(struct npt_apic *a)
{
	if (!npt_apic_x2(a) && a->reg[NPT_APIC_ID] != a->id << 24)
		a->todo |= NPT_APIC_TODO_ID;
}

/* @value has no bits but those that can be written. */
static void write_reg(struct npt_apic *a, u32 r, u32 value)
{
	switch (r) {
	case NPT_APIC_ID:
		WRITE_ONCE(a->reg[r], value);
		check_id(a);
		break;
	case NPT_APIC_EOI:
		end_of_interrupt(a);
		break;
	case NPT_APIC_DFR:
		WRITE_ONCE(a->reg[r], value | 0x0fffffff);
		break;
	case NPT_APIC_SVR:
		write_svr(a, value);
		break;
	case NPT_APIC_ESR:
		write_esr(a);
		break;
	case NPT_APIC_ICR:
		a->reg[r] = value;
		send(a);
		break;
	case NPT_APIC_LVT_TIMER ... NPT_APIC_LVT_ERROR:
		write_lvt(a, r, value);
		break;
	case NPT_APIC_TMICT:
		npt_apic_set_count(a, value);
		break;
	case NPT_APIC_TDCR:
		npt_apic_set_divide(a, value);
		break;
	case NPT_APIC_SELF:
		send_self(a, value);
		break;
	default:
		WRITE_ONCE(a->reg[r], value);
	}
}

void npt_apic_mmio_read(struct npt_apic *a, u32 offset, void *data, u32 len)
{
	u32 r = offset / 16, byte = offset % 16;
	u32 value;

	memset(data, 0, len);
	if (r >= NPT_APIC_REGS || !(regs[r].access & (X_R | X_W))) {
		error(a, NPT_APIC_ESR_ADDRESS);
		return;
	}
	if (!(regs[r].access & X_R) || byte + len > sizeof(value))
		return;
	value = read_reg(a, r);
	memcpy(data, (u8 *)&value + byte, len);
}

void npt_apic_mmio_write(struct npt_apic *a, u32 offset, const void *data, u32 len)
{
	u32 r = offset / 16;
	u32 value;

	if (r >= NPT_APIC_REGS || !(regs[r].access & (X_R | X_W))) {
		error(a, NPT_APIC_ESR_ADDRESS);
		return;
	}
	if (!(regs[r].access & X_W) || offset % 16 || len != sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	/* Reserved bits of ICR are kept: the next writer copies them from here. */
	if (r == NPT_APIC_ICR)
		value &= ~ICR_BUSY;
	else
		value &= reg_mask(a, r);
	write_reg(a, r, value);
}

int npt_apic_msr_read(struct npt_apic *a, u32 msr, u64 *value)
{
	if (!npt_apic_x2(a) || msr >= NPT_APIC_REGS || !(regs[msr].access & M_R))
		return 1;
	*value = read_reg(a, msr);
	if (msr == NPT_APIC_ICR)
		*value |= (u64)a->reg[NPT_APIC_ICR2] << 32;
	return 0;
}

int npt_apic_msr_write(struct npt_apic *a, u32 msr, u64 value)
{
	if (!npt_apic_x2(a) || msr >= NPT_APIC_REGS || !(regs[msr].access & M_W))
		return 1;
	if ((u32)value & ~(reg_mask(a, msr) | regs[msr].ignored))
		return 1;
	if (msr == NPT_APIC_ICR)
		a->reg[NPT_APIC_ICR2] = value >> 32;
	else if (value >> 32)
		return 1;
	write_reg(a, msr, value & reg_mask(a, msr));
	return 0;
}

/* --- modes and reset ------------------------------------------------------ */

/* What is as the mode has it, and not as software wrote it. */
static void enter_mode(struct npt_apic *a)
{
	bool x2 = npt_apic_x2(a);

	WRITE_ONCE(a->reg[NPT_APIC_ID], x2 ? a->id : a->id << 24);
	WRITE_ONCE(a->reg[NPT_APIC_LDR], x2 ? x2_ldr(a->id) : 0);
	a->reg[NPT_APIC_ICR2] = 0;
}

/* 11.4.7.1, 11.4.7.3 */
void npt_apic_reset(struct npt_apic *a)
{
	u32 id = a->reg[NPT_APIC_ID];
	u32 r;

	memset(a->reg, 0, sizeof(a->reg));
	a->reg[NPT_APIC_ID] = id;
	a->reg[NPT_APIC_LDR] = npt_apic_x2(a) ? x2_ldr(a->id) : 0;
	/* Six entries in the local vector table, integrated APIC. */
	a->reg[NPT_APIC_VERSION] = 5 << 16 | 0x14;
	a->reg[NPT_APIC_DFR] = ~0U;
	a->reg[NPT_APIC_SVR] = 0xff;
	for (r = NPT_APIC_LVT_TIMER; r <= NPT_APIC_LVT_ERROR; r++)
		a->reg[r] = NPT_APIC_LVT_MASKED;
	/* As firmware leaves it: many guests have none and expect the PIC to work. */
	if (a->bsp)
		a->reg[NPT_APIC_LVT_LINT0] = NPT_APIC_EXTINT << 8;
	npt_apic_stop_timer(a);
	a->esr_next = 0;
	a->esr_armed = true;
	a->irr_pending = false;
	a->todo |= NPT_APIC_TODO_TIMER;
}

void npt_apic_init(struct npt_apic *a, u32 id, bool bsp)
{
	*a = (struct npt_apic) {
		.id = id,
		.bsp = bsp,
		.base = 0xfee00000 | NPT_APIC_BASE_EN | (bsp ? NPT_APIC_BASE_BSP : 0),
	};
	npt_apic_reset(a);
	enter_mode(a);
}

int npt_apic_set_base(struct npt_apic *a, u64 base, bool host)
{
	const u64 modes = NPT_APIC_BASE_EN | NPT_APIC_BASE_EXTD;
	u64 from = a->base & modes, to = base & modes;

	/* 11.12.5, figure 11-25: no state has EXTD alone, */
	if (to == NPT_APIC_BASE_EXTD)
		return 1;
	/* and the guest leaves x2APIC mode by disabling and enters it from xAPIC mode. */
	if (!host && from == modes && to == NPT_APIC_BASE_EN)
		return 1;
	if (!host && !from && to == modes)
		return 1;
	WRITE_ONCE(a->base, base);
	if (from == to)
		return 0;
	/* 11.4.3: what disables it may lose its state. */
	if (!to)
		npt_apic_reset(a);
	enter_mode(a);
	return 0;
}

/* --- for user space ------------------------------------------------------- */

static void put_reg(struct kvm_lapic_state *s, u32 r, u32 value)
{
	memcpy(s->regs + r * 16, &value, sizeof(value));
}

static u32 get_reg(const struct kvm_lapic_state *s, u32 r)
{
	u32 value;

	memcpy(&value, s->regs + r * 16, sizeof(value));
	return value;
}

void npt_apic_get_state(struct npt_apic *a, struct kvm_lapic_state *s, bool wide)
{
	u32 r;

	npt_apic_timer(a);
	memset(s, 0, sizeof(*s));
	for (r = 0; r < NPT_APIC_REGS; r++)
		put_reg(s, r, read_reg(a, r));
	if (npt_apic_x2(a) && !wide)
		put_reg(s, NPT_APIC_ID, a->id << 24);
}

/* What @r holds if user space has put @value there: no more than a guest can bring about. */
static u32 state_value(const struct npt_apic *a, u32 r, u32 value)
{
	switch (r) {
	case NPT_APIC_ISR ... NPT_APIC_IRR + 7:
		return value;
	case NPT_APIC_ESR:
		return value & 0xff;
	case NPT_APIC_DFR:
		return value | 0x0fffffff;
	case NPT_APIC_ICR:
		return value & ~ICR_BUSY;
	case NPT_APIC_ICR2:
		return npt_apic_x2(a) ? value : value & 0xff000000;
	case NPT_APIC_LDR:
		return npt_apic_x2(a) ? x2_ldr(a->id) : value & 0xff000000;
	case NPT_APIC_ID:
		return npt_apic_x2(a) ? a->id : value & 0xff000000;
	case NPT_APIC_VERSION:
		return a->reg[NPT_APIC_VERSION];
	}
	return value & reg_mask(a, r);
}

int npt_apic_set_state(struct npt_apic *a, const struct kvm_lapic_state *s, bool wide)
{
	u32 r;

	if (npt_apic_x2(a) && wide && get_reg(s, NPT_APIC_ID) != a->id)
		return -EINVAL;
	for (r = 0; r < NPT_APIC_REGS; r++)
		WRITE_ONCE(a->reg[r], state_value(a, r, get_reg(s, r)));
	check_id(a);
	a->reg[NPT_APIC_EOI] = 0;
	a->reg[NPT_APIC_SELF] = 0;
	a->esr_next = 0;
	a->esr_armed = true;
	WRITE_ONCE(a->irr_pending, true);
	npt_apic_restart_timer(a, get_reg(s, NPT_APIC_TMCCT));
	return 0;
}
