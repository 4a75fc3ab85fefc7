/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers of a local APIC and what follows from them (SDM vol. 3A,
 * ch. 11; APM vol. 2, ch. 16). Nothing here knows of vCPUs, locks or timers, so
 * that it compiles in user space too: whoever uses a struct npt_apic serialises
 * the calls, and afterwards does what npt_apic.todo asks for.
 */
#ifndef NPT_APIC_H
#define NPT_APIC_H

#include "mmu/platform.h"

/* Numbers of registers: offset in the page / 16, and MSR - 0x800 (SDM vol. 3A, table 11-6). */
enum npt_apic_reg {
	NPT_APIC_ID = 0x02,
	NPT_APIC_VERSION = 0x03,
	NPT_APIC_TPR = 0x08,
	NPT_APIC_APR = 0x09,
	NPT_APIC_PPR = 0x0a,
	NPT_APIC_EOI = 0x0b,
	NPT_APIC_RRD = 0x0c,
	NPT_APIC_LDR = 0x0d,
	NPT_APIC_DFR = 0x0e,
	NPT_APIC_SVR = 0x0f,
	NPT_APIC_ISR = 0x10,	/* and seven more */
	NPT_APIC_TMR = 0x18,	/* likewise */
	NPT_APIC_IRR = 0x20,	/* likewise */
	NPT_APIC_ESR = 0x28,
	NPT_APIC_ICR = 0x30,
	NPT_APIC_ICR2 = 0x31,
	NPT_APIC_LVT_TIMER = 0x32,
	NPT_APIC_LVT_THERMAL = 0x33,
	NPT_APIC_LVT_PERF = 0x34,
	NPT_APIC_LVT_LINT0 = 0x35,
	NPT_APIC_LVT_LINT1 = 0x36,
	NPT_APIC_LVT_ERROR = 0x37,
	NPT_APIC_TMICT = 0x38,	/* initial count */
	NPT_APIC_TMCCT = 0x39,	/* current count */
	NPT_APIC_TDCR = 0x3e,	/* divide configuration */
	NPT_APIC_SELF = 0x3f,	/* self IPI, x2APIC alone */
	NPT_APIC_REGS = 0x40,
};

/* IA32_APIC_BASE */
#define NPT_APIC_BASE_BSP	BIT_ULL(8)
#define NPT_APIC_BASE_EXTD	BIT_ULL(10)	/* x2APIC */
#define NPT_APIC_BASE_EN	BIT_ULL(11)

#define NPT_APIC_SVR_ENABLED	BIT(8)
#define NPT_APIC_LVT_MASKED	BIT(16)
#define NPT_APIC_LVT_MODE	(BIT(18) | BIT(17))	/* of the timer */
#define NPT_APIC_ONE_SHOT	0
#define NPT_APIC_PERIODIC	BIT(17)
#define NPT_APIC_DEADLINE	BIT(18)

/* Bits of ESR. */
#define NPT_APIC_ESR_SEND	BIT(5)	/* illegal vector sent */
#define NPT_APIC_ESR_RECEIVE	BIT(6)	/* illegal vector received */
#define NPT_APIC_ESR_ADDRESS	BIT(7)	/* no such register */

enum npt_apic_mode {
	NPT_APIC_FIXED = 0,
	NPT_APIC_LOWEST = 1,
	NPT_APIC_SMI = 2,
	NPT_APIC_NMI = 4,
	NPT_APIC_INIT = 5,
	NPT_APIC_SIPI = 6,
	NPT_APIC_EXTINT = 7,
};

enum npt_apic_shorthand {
	NPT_APIC_NO_SHORTHAND,
	NPT_APIC_TO_SELF,
	NPT_APIC_TO_ALL,
	NPT_APIC_TO_OTHERS,
};

/* What travels between APICs, and from devices to them. */
struct npt_apic_msg {
	u32 dest;
	u8 vector;
	u8 mode;	/* enum npt_apic_mode */
	u8 shorthand;	/* enum npt_apic_shorthand */
	bool logical;	/* @dest names bits of LDR and not an ID */
	bool level;	/* level-triggered */
	bool broadcast8;	/* 255 means everyone to an x2APIC too */
};

/* Two clocks, one for each kind of timer. */
struct npt_apic_time {
	u64 ns;		/* the timer's bus: a cycle takes 1 ns */
	u64 tsc;	/* the guest's */
};

/* Bits of npt_apic.todo. */
#define NPT_APIC_TODO_IPI	BIT(0)	/* deliver npt_apic.ipi */
#define NPT_APIC_TODO_TIMER	BIT(1)	/* npt_apic_timer_due() has changed */
#define NPT_APIC_TODO_EOI	BIT(2)	/* level-triggered npt_apic.eoi is over */
#define NPT_APIC_TODO_ID	BIT(3)	/* it was given another xAPIC ID than its own */

struct npt_apic {
	u32 id;			/* const: the x2APIC ID */
	bool bsp;		/* const: boots, so LINT0 is open after reset */
	bool has_deadline;	/* the guest knows of TSC-deadline mode */
	bool irr_pending;	/* false: IRR is empty */
	bool esr_armed;		/* the next error interrupts */
	u8 todo;		/* NPT_APIC_TODO_*: whoever has called clears it */
	u8 eoi;
	u32 esr_next;		/* errors since the last write to ESR */
	struct npt_apic_msg ipi;
	u64 base;		/* IA32_APIC_BASE */
	u64 due;		/* npt_apic_time.ns of the next end of count, 0: stopped */
	u64 deadline;		/* IA32_TSC_DEADLINE, 0: disarmed */
	u32 reg[NPT_APIC_REGS];	/* PPR and TMCCT are not kept here but computed */
};

/*
 * A periodic timer goes off no more often, whatever the guest programs: it
 * would be the host that is kept busy. In ns.
 */
#define NPT_APIC_MIN_PERIOD 200000ULL

/* The seam: what time it is for @a. */
void npt_apic_clock(const struct npt_apic *a, struct npt_apic_time *now);

static inline bool npt_apic_enabled(const struct npt_apic *a)
{
	return READ_ONCE(a->base) & NPT_APIC_BASE_EN;
}

static inline bool npt_apic_x2(const struct npt_apic *a)
{
	return READ_ONCE(a->base) & NPT_APIC_BASE_EXTD;
}

/* After power-up, in xAPIC mode at 0xfee00000. */
void npt_apic_init(struct npt_apic *a, u32 id, bool bsp);
/* Registers as after INIT; IA32_APIC_BASE and the ID stay. */
void npt_apic_reset(struct npt_apic *a);

/*
 * IA32_APIC_BASE := @base. @host: not the guest but user space asks, which may
 * make any change of mode. 0, or 1: #GP. Bits that this processor has not are
 * for the caller to refuse.
 */
int npt_apic_set_base(struct npt_apic *a, u64 base, bool host);

/* The page. Undefined accesses (SDM vol. 3A, 11.4.1) read 0 and write nothing. */
void npt_apic_mmio_read(struct npt_apic *a, u32 offset, void *data, u32 len);
void npt_apic_mmio_write(struct npt_apic *a, u32 offset, const void *data, u32 len);

/* MSRs 0x800-0x8ff, @msr without the 0x800. 0, or 1: #GP. */
int npt_apic_msr_read(struct npt_apic *a, u32 msr, u64 *value);
int npt_apic_msr_write(struct npt_apic *a, u32 msr, u64 value);

/* IA32_TSC_DEADLINE. */
u64 npt_apic_get_deadline(struct npt_apic *a);
void npt_apic_set_deadline(struct npt_apic *a, u64 tsc);

/* Is @a among those whom @m is sent to, without a shorthand? Reads without a lock. */
bool npt_apic_match(const struct npt_apic *a, const struct npt_apic_msg *m);
/* A fixed interrupt arrives: 1, 0 (coalesced with one that waits), -1 (not accepted). */
int npt_apic_accept(struct npt_apic *a, u8 vector, bool level);
/* Does an interrupt that comes from a PIC by LINT0 get through? */
bool npt_apic_accepts_extint(const struct npt_apic *a);

/* Highest vector in IRR, -1: none. */
int npt_apic_highest_irr(struct npt_apic *a);
/* The vector to be delivered next, -1: none, or none above PPR. */
int npt_apic_pending(struct npt_apic *a);
/* That vector is delivered now. */
void npt_apic_ack(struct npt_apic *a, u8 vector);
u8 npt_apic_ppr(const struct npt_apic *a);

/* Have the timer do what it is time for. */
void npt_apic_timer(struct npt_apic *a);
/*
 * When to call npt_apic_timer() next: at npt_apic_time.ns in *ns or at .tsc in
 * *tsc, the other is 0. false: there is no interrupt to come.
 */
bool npt_apic_timer_due(const struct npt_apic *a, u64 *ns, u64 *tsc);

/* KVM_GET_LAPIC, KVM_SET_LAPIC. @wide: 32-bit IDs in x2APIC mode. 0 or -EINVAL. */
void npt_apic_get_state(struct npt_apic *a, struct kvm_lapic_state *s, bool wide);
int npt_apic_set_state(struct npt_apic *a, const struct kvm_lapic_state *s, bool wide);

/* --- between apic.c and apic_timer.c -------------------------------------- */

/* The interrupt of an entry of the local vector table. */
void npt_apic_local(struct npt_apic *a, u32 r);
/* TMCCT, TMICT, TDCR and the timer's entry. */
u32 npt_apic_current_count(struct npt_apic *a);
void npt_apic_set_count(struct npt_apic *a, u32 value);
void npt_apic_set_divide(struct npt_apic *a, u32 value);
void npt_apic_set_lvt_timer(struct npt_apic *a, u32 value);
void npt_apic_stop_timer(struct npt_apic *a);
/* Registers were loaded: go on with @left still to count. */
void npt_apic_restart_timer(struct npt_apic *a, u32 left);

#endif /* NPT_APIC_H */
