// SPDX-License-Identifier: GPL-2.0
/* Local APICs of vCPUs: locking, time, who hears whom. */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <asm/tsc.h>
#include "compat.h"
#include "cpuid.h"
#include "irq.h"
#include "lapic.h"
#include "msr.h"

#define EVENT_INIT BIT(0)
#define EVENT_SIPI BIT(1)

struct npt_lapic {
	struct npt_apic apic;	/* lock */
	raw_spinlock_t lock;	/* a leaf; taken in any context */
	struct npt_vcpu *vcpu;	/* const */
	struct hrtimer timer;	/* the vCPU's thread starts it */
	bool timer_fired;	/* any context sets it, the vCPU's thread clears it */
	u8 events;		/* lock; EVENT_* */
	u8 sipi_vector;		/* lock */
	int extint;		/* mutex; vector of user space's PIC, -1: none */
	int eoi;		/* mutex; vector to tell user space's IOAPIC of, -1: none */
};

void npt_apic_clock(const struct npt_apic *a, struct npt_apic_time *now)
{
	const struct npt_lapic *lapic = container_of(a, struct npt_lapic, apic);

	now->ns = ktime_get_ns();
	now->tsc = npt_guest_tsc(lapic->vcpu);
}

/* --- the timer ------------------------------------------------------------ */

/* All else is the vCPU's to do: a VM that nobody runs costs no more than one of these. */
static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct npt_lapic *lapic = container_of(timer, struct npt_lapic, timer);

	WRITE_ONCE(lapic->timer_fired, true);
	npt_vcpu_request(lapic->vcpu, NPT_REQ_TIMER);
	return HRTIMER_NORESTART;
}

/* Nothing is to be gained by an alarm further ahead, and the product below fits. */
#define MAX_DEADLINE_MS 60000ULL

static u64 deadline_to_ns(const struct npt_lapic *lapic, u64 deadline)
{
	u64 khz = max(tsc_khz, 1U), left = 0;
	struct npt_apic_time now;

	npt_apic_clock(&lapic->apic, &now);
	if (deadline > now.tsc)
		left = min(deadline - now.tsc, khz * MAX_DEADLINE_MS);
	/* If the clocks drift and it comes early, it is set again. */
	return now.ns + DIV_ROUND_UP(left * NSEC_PER_MSEC, khz);
}

/* Own thread, under lapic->lock. */
static void set_timer(struct npt_lapic *lapic)
{
	u64 ns, tsc;

	if (!npt_apic_timer_due(&lapic->apic, &ns, &tsc)) {
		/* If it is on its way, it is found to be none. */
		hrtimer_try_to_cancel(&lapic->timer);
		return;
	}
	if (tsc)
		ns = deadline_to_ns(lapic, tsc);
	hrtimer_start(&lapic->timer, ns_to_ktime(ns), HRTIMER_MODE_ABS);
}

/* --- calling apic.c ------------------------------------------------------- */

static unsigned long lock(struct npt_lapic *lapic)
	__acquires(&lapic->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lapic->lock, flags);
	return flags;
}

static void unlock(struct npt_lapic *lapic, unsigned long flags)
	__releases(&lapic->lock)
{
	raw_spin_unlock_irqrestore(&lapic->lock, flags);
}

static unsigned long lock_own(struct npt_lapic *lapic)
	__acquires(&lapic->lock)
{
	struct npt_vcpu *vcpu = lapic->vcpu;
	unsigned long flags = lock(lapic);

	lapic->apic.has_deadline = npt_guest_has(vcpu, NPT_F_TSC_DEADLINE);
	return flags;
}

/* Let go, and do what the call has left to do. Own thread. */
static void unlock_own(struct npt_lapic *lapic, unsigned long flags)
	__releases(&lapic->lock)
{
	struct npt_vcpu *vcpu = lapic->vcpu;
	struct npt_apic_msg ipi;
	u8 todo = lapic->apic.todo;

	lapic->apic.todo = 0;
	if (todo & NPT_APIC_TODO_TIMER)
		set_timer(lapic);
	if (todo & NPT_APIC_TODO_IPI)
		ipi = lapic->apic.ipi;
	if ((todo & NPT_APIC_TODO_EOI) && vcpu->vm->x86.split_irqchip) {
		lapic->eoi = lapic->apic.eoi;
		set_bit(NPT_REQ_EOI_EXIT, &vcpu->x86.requests);
	}
	if (todo & NPT_APIC_TODO_ID)
		WRITE_ONCE(vcpu->vm->x86.ids_changed, true);
	unlock(lapic, flags);
	if (todo & NPT_APIC_TODO_IPI)
		npt_lapic_deliver(vcpu->vm, &ipi, vcpu);
}

/* Before anything that depends on what has come. */
static void catch_up(struct npt_lapic *lapic)
{
	unsigned long flags;

	if (!READ_ONCE(lapic->timer_fired))
		return;
	flags = lock_own(lapic);
	/* Who sets it again from now on finds the timer as it will be. */
	WRITE_ONCE(lapic->timer_fired, false);
	npt_apic_timer(&lapic->apic);
	lapic->apic.todo |= NPT_APIC_TODO_TIMER;
	unlock_own(lapic, flags);
}

/* --- guest accesses ------------------------------------------------------- */

bool npt_lapic_mmio(struct npt_vcpu *vcpu, u64 gpa, bool write, void *data, u32 len)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;

	/* 11.12.2: in x2APIC mode there is no page. */
	if (!lapic || !npt_apic_enabled(&lapic->apic) || npt_apic_x2(&lapic->apic))
		return false;
	if ((gpa ^ lapic->apic.base) >> PAGE_SHIFT)
		return false;
	flags = lock_own(lapic);
	if (write)
		npt_apic_mmio_write(&lapic->apic, offset_in_page(gpa), data, len);
	else
		npt_apic_mmio_read(&lapic->apic, offset_in_page(gpa), data, len);
	unlock_own(lapic, flags);
	return true;
}

int npt_lapic_set_base(struct npt_vcpu *vcpu, u64 base, bool host)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	int gp = 0;

	if (lapic) {
		flags = lock_own(lapic);
		gp = npt_apic_set_base(&lapic->apic, base, host);
		unlock_own(lapic, flags);
	}
	if (!gp)
		vcpu->sregs.apic_base = base;
	return gp;
}

int npt_lapic_msr_read(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	int gp = 0;

	*value = 0;
	if (msr == MSR_IA32_APICBASE) {
		*value = vcpu->sregs.apic_base;
		return 0;
	}
	if (!lapic)
		return msr != MSR_IA32_TSC_DEADLINE;
	flags = lock_own(lapic);
	if (msr == MSR_IA32_TSC_DEADLINE)
		*value = npt_apic_get_deadline(&lapic->apic);
	else
		gp = npt_apic_msr_read(&lapic->apic, msr - NPT_X2APIC_MSR, value);
	unlock_own(lapic, flags);
	return gp;
}

int npt_lapic_msr_write(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	int gp = 0;

	if (msr == MSR_IA32_APICBASE)
		return npt_lapic_set_base(vcpu, value, host);
	if (!lapic)
		return msr != MSR_IA32_TSC_DEADLINE;
	flags = lock_own(lapic);
	if (msr == MSR_IA32_TSC_DEADLINE)
		npt_apic_set_deadline(&lapic->apic, value);
	else
		gp = npt_apic_msr_write(&lapic->apic, msr - NPT_X2APIC_MSR, value);
	unlock_own(lapic, flags);
	return gp;
}

u8 npt_lapic_get_cr8(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;

	return lapic ? READ_ONCE(lapic->apic.reg[NPT_APIC_TPR]) >> 4 : vcpu->sregs.cr8;
}

void npt_lapic_set_cr8(struct npt_vcpu *vcpu, u8 cr8)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;

	vcpu->sregs.cr8 = cr8;
	/* 11.8.6: the lower half becomes 0, unless nothing has changed. */
	if (lapic && lapic->apic.reg[NPT_APIC_TPR] >> 4 != cr8)
		WRITE_ONCE(lapic->apic.reg[NPT_APIC_TPR], cr8 << 4);
}

void npt_lapic_tsc_moved(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;

	if (!lapic || !lapic->apic.deadline)
		return;
	WRITE_ONCE(lapic->timer_fired, true);
	set_bit(NPT_REQ_TIMER, &vcpu->x86.requests);
}

/* --- interrupts for this vCPU --------------------------------------------- */

static bool extint_pending(const struct npt_lapic *lapic)
{
	return lapic->extint >= 0 && npt_apic_accepts_extint(&lapic->apic);
}

int npt_lapic_pending(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	int vector;

	if (!lapic)
		return vcpu->x86.irq.queued ? vcpu->x86.irq.vector : -1;
	catch_up(lapic);
	if (extint_pending(lapic))
		return lapic->extint;
	if (!READ_ONCE(lapic->apic.irr_pending))
		return -1;
	flags = lock(lapic);
	vector = npt_apic_pending(&lapic->apic);
	unlock(lapic, flags);
	return vector;
}

void npt_lapic_ack(struct npt_vcpu *vcpu, u8 vector)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;

	if (!lapic) {
		vcpu->x86.irq.queued = false;
		return;
	}
	/* The APIC hands it through without looking at it. */
	if (lapic->extint == vector && extint_pending(lapic)) {
		lapic->extint = -1;
		return;
	}
	flags = lock(lapic);
	npt_apic_ack(&lapic->apic, vector);
	unlock(lapic, flags);
}

int npt_lapic_extint(struct npt_vcpu *vcpu, u8 vector)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;

	if (lapic->extint >= 0)
		return -EEXIST;
	lapic->extint = vector;
	set_bit(NPT_REQ_EVENT, &vcpu->x86.requests);
	return 0;
}

bool npt_lapic_wants_extint(const struct npt_vcpu *vcpu)
{
	const struct npt_lapic *lapic = vcpu->x86.lapic;
	const struct npt_interrupt *irq = &vcpu->x86.irq;

	if (!lapic)
		return !irq->queued && !irq->injected;
	return lapic->extint < 0 && npt_apic_accepts_extint(&lapic->apic);
}

bool npt_lapic_eoi_exit(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;

	if (!lapic || lapic->eoi < 0)
		return false;
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = lapic->eoi;
	lapic->eoi = -1;
	return true;
}

/* --- INIT and SIPI: SDM vol. 3A, 9.4.3 ------------------------------------ */

static void set_mp_state(struct npt_vcpu *vcpu, u32 state)
{
	unsigned long flags;

	spin_lock_irqsave(&vcpu->x86.wq.lock, flags);
	vcpu->x86.mp_state = state;
	spin_unlock_irqrestore(&vcpu->x86.wq.lock, flags);
}

static bool waits_for_sipi(const struct npt_vcpu *vcpu)
{
	return READ_ONCE(vcpu->x86.mp_state) == KVM_MP_STATE_INIT_RECEIVED;
}

bool npt_lapic_has_init_sipi(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	u8 events;

	if (!lapic)
		return false;
	events = READ_ONCE(lapic->events);
	return (events & EVENT_INIT) || ((events & EVENT_SIPI) && waits_for_sipi(vcpu));
}

bool npt_lapic_has_events(struct npt_vcpu *vcpu)
{
	u32 state = READ_ONCE(vcpu->x86.mp_state);

	if (npt_lapic_has_init_sipi(vcpu))
		return true;
	if (state == KVM_MP_STATE_UNINITIALIZED || state == KVM_MP_STATE_INIT_RECEIVED)
		return false;
	return (vcpu->regs.rflags & X86_EFLAGS_IF) && npt_lapic_pending(vcpu) >= 0;
}

void npt_lapic_reset(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;

	if (!lapic)
		return;
	flags = lock_own(lapic);
	npt_apic_reset(&lapic->apic);
	unlock_own(lapic, flags);
}

static int do_init(struct npt_vcpu *vcpu)
{
	int err;

	npt_vcpu_pull(vcpu);
	err = npt_vcpu_reset(vcpu, true);
	if (err)
		return err;
	npt_lapic_reset(vcpu);
	set_mp_state(vcpu, npt_vcpu_is_bsp(vcpu) ? KVM_MP_STATE_RUNNABLE :
						   KVM_MP_STATE_INIT_RECEIVED);
	return 0;
}

static void do_sipi(struct npt_vcpu *vcpu, u8 vector)
{
	npt_vcpu_pull(vcpu);
	vcpu->sregs.cs.selector = vector << 8;
	vcpu->sregs.cs.base = vector << PAGE_SHIFT;
	vcpu->regs.rip = 0;
	vcpu->x86.dirty |= NPT_X86_REGS | NPT_X86_SREGS;
	set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE);
}

int npt_lapic_accept(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	u8 events, vector;
	int err;

	if (!lapic || !READ_ONCE(lapic->events))
		return 0;
	flags = lock(lapic);
	events = lapic->events;
	vector = lapic->sipi_vector;
	lapic->events = 0;
	unlock(lapic, flags);
	if (events & EVENT_INIT) {
		err = do_init(vcpu);
		if (err)
			return err;
	}
	/* Who isn't waiting for it has no use for it later. */
	if ((events & EVENT_SIPI) && waits_for_sipi(vcpu))
		do_sipi(vcpu, vector);
	return 0;
}

static void note_event(struct npt_lapic *lapic, const struct npt_apic_msg *m)
{
	unsigned long flags = lock(lapic);

	if (m->mode == NPT_APIC_INIT) {
		/* A SIPI that came before it is void. */
		lapic->events = EVENT_INIT;
	} else {
		lapic->sipi_vector = m->vector;
		lapic->events |= EVENT_SIPI;
	}
	unlock(lapic, flags);
	npt_vcpu_request(lapic->vcpu, NPT_REQ_EVENT);
}

void npt_lapic_set_sipi_vector(struct npt_vcpu *vcpu, u8 vector)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;

	if (!lapic)
		return;
	flags = lock(lapic);
	lapic->sipi_vector = vector;
	unlock(lapic, flags);
}

int npt_lapic_set_mp_state(struct npt_vcpu *vcpu, u32 state)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;

	switch (state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (lapic)
			break;
		fallthrough;
	default:
		return -EINVAL;
	}
	if (state == KVM_MP_STATE_SIPI_RECEIVED) {
		state = KVM_MP_STATE_INIT_RECEIVED;
		flags = lock(lapic);
		lapic->events |= EVENT_SIPI;
		unlock(lapic, flags);
	}
	set_mp_state(vcpu, state);
	set_bit(NPT_REQ_EVENT, &vcpu->x86.requests);
	return 0;
}

/* --- delivery ------------------------------------------------------------- */

/* 1: a new interrupt, 0: it was no news or is not taken. */
static int deliver_to(struct npt_vcpu *vcpu, const struct npt_apic_msg *m)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	bool pending;
	int r;

	if (!npt_apic_enabled(&lapic->apic))
		return 0;
	switch (m->mode) {
	case NPT_APIC_FIXED:
	case NPT_APIC_LOWEST:
		flags = lock(lapic);
		r = npt_apic_accept(&lapic->apic, m->vector, m->level);
		pending = lapic->apic.irr_pending;
		unlock(lapic, flags);
		if (r && pending)
			npt_vcpu_request(vcpu, NPT_REQ_EVENT);
		return r > 0;
	case NPT_APIC_NMI:
		npt_nmi_raise(vcpu);
		return 1;
	case NPT_APIC_INIT:
	case NPT_APIC_SIPI:
		note_event(lapic, m);
		return 1;
	}
	return 0;
}

/* Priority class of a vCPU for lowest-priority arbitration; 256 if it can't take part. */
static unsigned int arbitration(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned int priority = 256;
	unsigned long flags;

	flags = lock(lapic);
	if (npt_apic_enabled(&lapic->apic) &&
	    (lapic->apic.reg[NPT_APIC_SVR] & NPT_APIC_SVR_ENABLED))
		priority = npt_apic_ppr(&lapic->apic) >> 4;
	unlock(lapic, flags);
	return priority;
}

static bool meant(struct npt_vcpu *vcpu, const struct npt_apic_msg *m, struct npt_vcpu *from)
{
	switch (m->shorthand) {
	case NPT_APIC_TO_SELF:
		return vcpu == from;
	case NPT_APIC_TO_ALL:
		return true;
	case NPT_APIC_TO_OTHERS:
		return vcpu != from;
	}
	return npt_apic_match(&vcpu->x86.lapic->apic, m);
}

/* 11.6.2.4: among equals each has its turn. */
static int deliver_lowest(struct npt_vm *vm, const struct npt_apic_msg *m, struct npt_vcpu *from)
{
	unsigned int p, best_p = 256, last = READ_ONCE(vm->x86.last_lowest);
	struct npt_vcpu *vcpu, *best = NULL;
	bool any = false, later = false;
	unsigned long id;

	xa_for_each(&vm->vcpus, id, vcpu) {
		if (!meant(vcpu, m, from))
			continue;
		any = true;
		p = arbitration(vcpu);
		if (p > best_p || p > 255 || (p == best_p && (later || id <= last)))
			continue;
		best = vcpu;
		best_p = p;
		later = id > last;
	}
	if (!best)
		return any ? 0 : -1;
	WRITE_ONCE(vm->x86.last_lowest, best->id);
	return deliver_to(best, m);
}

/* The one that is meant, if it is plain from the message; most are like that. */
static struct npt_vcpu *single(struct npt_vm *vm, const struct npt_apic_msg *m,
			       struct npt_vcpu *from)
{
	struct npt_vcpu *vcpu;

	if (m->shorthand == NPT_APIC_TO_SELF)
		return from;
	if (m->shorthand || m->logical || m->dest >= 0xff)
		return NULL;
	vcpu = npt_vcpu_get(vm, m->dest);
	/* Others may have taken the same ID; that is for the long way to find out. */
	if (!vcpu || READ_ONCE(vm->x86.ids_changed) || !npt_apic_match(&vcpu->x86.lapic->apic, m))
		return NULL;
	return vcpu;
}

int npt_lapic_deliver(struct npt_vm *vm, const struct npt_apic_msg *m, struct npt_vcpu *from)
{
	struct npt_vcpu *vcpu = single(vm, m, from);
	unsigned long id;
	int n = -1;

	if (vcpu)
		return deliver_to(vcpu, m);
	if (m->mode == NPT_APIC_LOWEST)
		return deliver_lowest(vm, m, from);
	xa_for_each(&vm->vcpus, id, vcpu)
		if (meant(vcpu, m, from))
			n = max(n, 0) + deliver_to(vcpu, m);
	return n;
}

/* --- for user space ------------------------------------------------------- */

int npt_lapic_get_state(struct npt_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;

	if (!lapic)
		return -EINVAL;
	flags = lock_own(lapic);
	npt_apic_get_state(&lapic->apic, s, vcpu->vm->x86.x2apic_wide);
	unlock_own(lapic, flags);
	return 0;
}

int npt_lapic_set_state(struct npt_vcpu *vcpu, const struct kvm_lapic_state *s)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;
	unsigned long flags;
	int err;

	if (!lapic)
		return -EINVAL;
	flags = lock_own(lapic);
	err = npt_apic_set_state(&lapic->apic, s, vcpu->vm->x86.x2apic_wide);
	unlock_own(lapic, flags);
	return err;
}

int npt_lapic_create(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic;

	lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);
	if (!lapic)
		return -ENOMEM;
	lapic->vcpu = vcpu;
	lapic->extint = -1;
	lapic->eoi = -1;
	raw_spin_lock_init(&lapic->lock);
	npt_hrtimer_setup(&lapic->timer, timer_fired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	npt_apic_init(&lapic->apic, vcpu->id, npt_vcpu_is_bsp(vcpu));
	lapic->apic.todo = 0;
	vcpu->sregs.apic_base = lapic->apic.base;
	vcpu->x86.lapic = lapic;
	if (!npt_vcpu_is_bsp(vcpu))
		vcpu->x86.mp_state = KVM_MP_STATE_UNINITIALIZED;
	return 0;
}

void npt_lapic_destroy(struct npt_vcpu *vcpu)
{
	struct npt_lapic *lapic = vcpu->x86.lapic;

	if (!lapic)
		return;
	hrtimer_cancel(&lapic->timer);
	kfree(lapic);
	vcpu->x86.lapic = NULL;
}
