// SPDX-License-Identifier: GPL-2.0
/* Exceptions that wait for the guest, and the calls that get and set a vCPU's state. */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "cpuid.h"
#include "ioctl.h"
#include "irq.h"
#include "lapic.h"
#include "msr.h"
#include "state.h"

/* --- exceptions --------------------------------------------------------- */

enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

/* APM vol. 2, table 8-4 */
static enum exception_class class_of(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return CONTRIBUTORY;
	case X86_TRAP_PF:
		return PAGE_FAULT;
	case X86_TRAP_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

static bool makes_double_fault(enum exception_class first, enum exception_class second)
{
	if (first == CONTRIBUTORY)
		return second == CONTRIBUTORY;
	return first == PAGE_FAULT && (second == CONTRIBUTORY || second == PAGE_FAULT);
}

/*
 * One that came first and does not combine is dropped: its instruction has not
 * completed, and will raise it again when the handler of @new returns.
 */
static void queue(struct npt_vcpu *vcpu, struct npt_exception new)
{
	struct npt_exception *exc = &vcpu->x86.exc;
	enum exception_class first = class_of(exc->vector);

	new.pending = true;
	if (exc->pending || exc->injected) {
		if (first == DOUBLE_FAULT && class_of(new.vector) != BENIGN) {
			*exc = (struct npt_exception){ 0 };
			set_bit(NPT_REQ_TRIPLE_FAULT, &vcpu->x86.requests);
			return;
		}
		if (makes_double_fault(first, class_of(new.vector)))
			new = (struct npt_exception) {
				.pending = true, .vector = X86_TRAP_DF, .has_error = true,
			};
	}
	*exc = new;
}

void npt_queue_exception(struct npt_vcpu *vcpu, u8 vector)
{
	queue(vcpu, (struct npt_exception){ .vector = vector });
}

void npt_queue_exception_error(struct npt_vcpu *vcpu, u8 vector, u32 error)
{
	queue(vcpu, (struct npt_exception) {
		.vector = vector, .has_error = true, .error = error,
	});
}

void npt_queue_pf(struct npt_vcpu *vcpu, u32 error, u64 cr2)
{
	queue(vcpu, (struct npt_exception) {
		.vector = X86_TRAP_PF, .has_error = true, .error = error,
		.has_payload = true, .payload = cr2,
	});
}

void npt_queue_db(struct npt_vcpu *vcpu, u64 dr6)
{
	queue(vcpu, (struct npt_exception) {
		.vector = X86_TRAP_DB, .has_payload = true, .payload = dr6,
	});
}

#define DR6_TRAPS (DR_TRAP_BITS | BIT(13) | DR_STEP | DR_SWITCH)

void npt_exception_payload(struct npt_vcpu *vcpu)
{
	struct npt_exception *exc = &vcpu->x86.exc;

	if (!exc->has_payload)
		return;
	if (exc->vector == X86_TRAP_PF) {
		vcpu->sregs.cr2 = exc->payload;
		vcpu->x86.dirty |= NPT_X86_SREGS;
	} else if (exc->vector == X86_TRAP_DB) {
		/* The processor sets and never clears, but for the breakpoints. */
		vcpu->x86.debug.dr6 &= ~(u64)DR_TRAP_BITS;
		vcpu->x86.debug.dr6 |= exc->payload & DR6_TRAPS;
		vcpu->x86.dirty |= NPT_X86_DEBUG;
	}
	exc->has_payload = false;
	exc->payload = 0;
}

/* --- registers ---------------------------------------------------------- */

static void get_regs(struct npt_vcpu *vcpu, struct kvm_regs *r)
{
	*r = vcpu->regs;
}

static int set_regs(struct npt_vcpu *vcpu, const struct kvm_regs *r)
{
	struct npt_regs regs;
	int err;

	mutex_lock(&vcpu->cpu_lock);
	regs = vcpu->cpu.regs;
	regs.ac = r->rflags & X86_EFLAGS_AC;
	err = npt_cpu_set_regs(&vcpu->cpu, &regs);
	mutex_unlock(&vcpu->cpu_lock);
	if (err)
		return err;
	vcpu->regs = *r;
	vcpu->regs.rflags |= X86_EFLAGS_FIXED;
	/* What the old instruction was about to raise is not the new one's. */
	vcpu->x86.exc.pending = false;
	vcpu->x86.dirty |= NPT_X86_REGS;
	return 0;
}

static void get_sregs(struct npt_vcpu *vcpu, struct kvm_sregs *s)
{
	const struct npt_regs *regs = &vcpu->cpu.regs;
	const struct npt_interrupt *irq = &vcpu->x86.irq;

	*s = vcpu->sregs;
	s->cr0 = regs->cr0;
	s->cr3 = regs->cr3;
	s->cr4 = regs->cr4;
	s->efer = regs->efer;
	s->cr8 = npt_lapic_get_cr8(vcpu);
	memset(s->interrupt_bitmap, 0, sizeof(s->interrupt_bitmap));
	if ((irq->injected && !irq->soft) || irq->queued)
		s->interrupt_bitmap[irq->vector / 64] |= BIT_ULL(irq->vector % 64);
}

/* Not enabled in x2APIC mode, and no reserved bits (APM vol. 2, 16.3.1 and 16.9). */
bool npt_apic_base_valid(const struct npt_vcpu *vcpu, u64 value)
{
	u64 known = GENMASK_ULL(npt_guest_maxphyaddr(vcpu) - 1, 12) | BIT(8) | BIT(11);
	u64 mode = value & (BIT(10) | BIT(11));

	if (npt_guest_has(vcpu, NPT_F_X2APIC) || !vcpu->x86.cpuid)
		known |= BIT(10);
	return !(value & ~known) && mode != BIT(10);
}

static bool sregs_valid(struct npt_vcpu *vcpu, const struct kvm_sregs *s)
{
	/* 64-bit code exists in long mode alone; CR8 is four bits wide. */
	if ((s->cs.l && !(s->efer & NPT_EFER_LMA)) || s->cr8 > 15)
		return false;
	if (s->efer & ~npt_machine_efer_bits(vcpu))
		return false;
	return !(s->cr4 & ~npt_guest_cr4_bits(vcpu)) && npt_apic_base_valid(vcpu, s->apic_base);
}

static void take_interrupt(struct npt_vcpu *vcpu, const u64 *bitmap)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (!bitmap[i])
			continue;
		vcpu->x86.irq.injected = true;
		vcpu->x86.irq.queued = false;
		vcpu->x86.irq.soft = false;
		vcpu->x86.irq.vector = i * 64 + __ffs64(bitmap[i]);
		return;
	}
}

static int set_sregs(struct npt_vcpu *vcpu, const struct kvm_sregs *s)
{
	struct npt_regs regs;
	u64 base;
	int err;

	if (!sregs_valid(vcpu, s))
		return -EINVAL;
	mutex_lock(&vcpu->cpu_lock);
	regs = vcpu->cpu.regs;
	regs.cr0 = s->cr0;
	regs.cr3 = s->cr3;
	regs.cr4 = s->cr4;
	regs.efer = s->efer;
	err = npt_cpu_set_regs(&vcpu->cpu, &regs);
	mutex_unlock(&vcpu->cpu_lock);
	if (err)
		return err;
	base = vcpu->sregs.apic_base;
	vcpu->sregs = *s;
	vcpu->sregs.apic_base = base;
	npt_lapic_set_base(vcpu, s->apic_base, true);
	npt_lapic_set_cr8(vcpu, s->cr8);
	take_interrupt(vcpu, s->interrupt_bitmap);
	vcpu->x86.dirty |= NPT_X86_SREGS;
	return 0;
}

long npt_vcpu_get_regs(struct npt_call *call)
{
	get_regs(call->obj, &call->arg.regs);
	return 0;
}

long npt_vcpu_set_regs(struct npt_call *call)
{
	return set_regs(call->obj, &call->arg.regs);
}

long npt_vcpu_get_sregs(struct npt_call *call)
{
	get_sregs(call->obj, &call->arg.sregs);
	return 0;
}

long npt_vcpu_set_sregs(struct npt_call *call)
{
	return set_sregs(call->obj, &call->arg.sregs);
}

/* What the two structs have in common lies at the same places. */
#define SREGS2_COMMON offsetof(struct kvm_sregs2, flags)

static_assert(offsetof(struct kvm_sregs, interrupt_bitmap) == SREGS2_COMMON);
static_assert(offsetof(struct kvm_sregs2, apic_base) == offsetof(struct kvm_sregs, apic_base));

/* PAE entries are read from memory when they are used: there are none to tell of. */
long npt_vcpu_get_sregs2(struct npt_call *call)
{
	struct kvm_sregs2 *out = &call->arg.sregs2;
	struct kvm_sregs s;

	get_sregs(call->obj, &s);
	memset(out, 0, sizeof(*out));
	memcpy(out, &s, SREGS2_COMMON);
	return 0;
}

long npt_vcpu_set_sregs2(struct npt_call *call)
{
	const struct kvm_sregs2 *in = &call->arg.sregs2;
	bool pae = (in->cr0 & NPT_CR0_PG) && (in->cr4 & NPT_CR4_PAE) &&
		   !(in->efer & NPT_EFER_LMA);
	struct kvm_sregs s = { 0 };

	if (in->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if ((in->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) && !pae)
		return -EINVAL;
	memcpy(&s, in, SREGS2_COMMON);
	return set_sregs(call->obj, &s);
}

/* --- events ------------------------------------------------------------- */

/* What blocks interrupts for one instruction is one bit to the processor. */
#define SHADOW (KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI)

static void get_events(struct npt_vcpu *vcpu, struct kvm_vcpu_events *e)
{
	const struct npt_x86_vm *vm = &vcpu->vm->x86;
	const struct npt_exception *exc = &vcpu->x86.exc;
	struct npt_x86 *x86 = &vcpu->x86;

	npt_nmi_collect(vcpu);
	/* Who does not know payloads must find them delivered. */
	if (!vm->exception_payload && exc->pending)
		npt_exception_payload(vcpu);
	*e = (struct kvm_vcpu_events) {
		.exception.injected = exc->injected,
		.exception.pending = exc->pending,
		.exception.nr = exc->vector,
		.exception.has_error_code = exc->has_error,
		.exception.error_code = exc->error,
		.exception_has_payload = exc->has_payload,
		.exception_payload = exc->payload,
		.interrupt.injected = (x86->irq.injected && !x86->irq.soft) || x86->irq.queued,
		.interrupt.nr = x86->irq.vector,
		.interrupt.shadow = x86->interrupt_shadow ? SHADOW : 0,
		.nmi.injected = x86->nmi.injected,
		.nmi.pending = !!x86->nmi.pending,
		.nmi.masked = x86->nmi.masked,
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			 KVM_VCPUEVENT_VALID_SMM,
	};
	if (vm->exception_payload)
		e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	else
		e->exception.injected |= exc->pending;
	if (vm->triple_fault_event) {
		e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		e->triple_fault.pending = test_bit(NPT_REQ_TRIPLE_FAULT, &x86->requests);
	}
}

#define EVENT_FLAGS (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
		     KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM | \
		     KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

static bool events_valid(const struct npt_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	const struct npt_x86_vm *vm = &vcpu->vm->x86;
	bool payload = e->flags & KVM_VCPUEVENT_VALID_PAYLOAD;
	bool any = e->exception.injected || (payload && e->exception.pending);

	if ((e->flags & ~EVENT_FLAGS) || (payload && !vm->exception_payload))
		return false;
	if ((e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vm->triple_fault_event)
		return false;
	/* There is no system management mode. */
	if ((e->flags & KVM_VCPUEVENT_VALID_SMM) && (e->smi.smm || e->smi.pending))
		return false;
	return !any || (e->exception.nr <= 31 && e->exception.nr != X86_TRAP_NMI);
}

static void set_exception(struct npt_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	bool pending = (e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && e->exception.pending;

	vcpu->x86.exc = (struct npt_exception) {
		.pending = pending,
		.injected = !pending && e->exception.injected,
		.vector = e->exception.nr,
		.has_error = e->exception.has_error_code,
		.error = e->exception.error_code,
		.has_payload = pending && e->exception_has_payload,
		.payload = e->exception_payload,
	};
}

static int set_events(struct npt_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	struct npt_x86 *x86 = &vcpu->x86;

	if (!events_valid(vcpu, e))
		return -EINVAL;
	npt_nmi_collect(vcpu);
	set_exception(vcpu, e);
	x86->irq.injected = e->interrupt.injected;
	x86->irq.vector = e->interrupt.nr;
	x86->irq.soft = e->interrupt.soft;
	x86->irq.queued = false;
	if (e->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		npt_lapic_set_sipi_vector(vcpu, e->sipi_vector);
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW)
		x86->interrupt_shadow = e->interrupt.shadow;
	x86->nmi.injected = e->nmi.injected;
	if (e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		x86->nmi.pending = !!e->nmi.pending;
	x86->nmi.masked = e->nmi.masked;
	if (e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		assign_bit(NPT_REQ_TRIPLE_FAULT, &x86->requests, e->triple_fault.pending);
	x86->dirty |= NPT_X86_REGS;
	set_bit(NPT_REQ_EVENT, &x86->requests);
	return 0;
}

long npt_vcpu_get_events(struct npt_call *call)
{
	get_events(call->obj, &call->arg.events);
	return 0;
}

long npt_vcpu_set_events(struct npt_call *call)
{
	return set_events(call->obj, &call->arg.events);
}

/* --- debugging ---------------------------------------------------------- */

long npt_vcpu_get_debugregs(struct npt_call *call)
{
	const struct npt_vcpu *vcpu = call->obj;
	const struct npt_debug *d = &vcpu->x86.debug;
	struct kvm_debugregs *out = &call->arg.debugregs;

	*out = (struct kvm_debugregs){ .dr6 = d->dr6, .dr7 = d->dr7 };
	memcpy(out->db, d->db, sizeof(out->db));
	return 0;
}

/* VMRUN refuses upper halves (APM vol. 2, 15.5.1). */
long npt_vcpu_set_debugregs(struct npt_call *call)
{
	struct npt_vcpu *vcpu = call->obj;
	const struct kvm_debugregs *in = &call->arg.debugregs;
	struct npt_debug *d = &vcpu->x86.debug;

	if (in->flags || in->dr6 >> 32 || in->dr7 >> 32)
		return -EINVAL;
	memcpy(d->db, in->db, sizeof(d->db));
	d->dr6 = in->dr6;
	d->dr7 = in->dr7;
	vcpu->x86.dirty |= NPT_X86_DEBUG;
	return 0;
}

#define GUESTDBG_INJECT (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)
#define GUESTDBG_KNOWN (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | \
			KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | \
			KVM_GUESTDBG_BLOCKIRQ | GUESTDBG_INJECT)

long npt_vcpu_set_guest_debug(struct npt_call *call)
{
	const struct kvm_guest_debug *in = &call->arg.guest_debug;
	struct npt_vcpu *vcpu = call->obj;
	struct npt_x86 *x86 = &vcpu->x86;
	bool hw_bp = in->control & KVM_GUESTDBG_USE_HW_BP;

	/* Nobody would look at it. */
	if (!vcpu->vm->engine->hw)
		return -EOPNOTSUPP;
	if ((in->control & ~GUESTDBG_KNOWN) || (hw_bp && in->arch.debugreg[7] >> 32))
		return -EINVAL;
	if (in->control & GUESTDBG_INJECT) {
		if (x86->exc.pending || x86->exc.injected)
			return -EBUSY;
		npt_queue_exception(vcpu, in->control & KVM_GUESTDBG_INJECT_DB ?
				    X86_TRAP_DB : X86_TRAP_BP);
	}
	x86->guest_debug = in->control & KVM_GUESTDBG_ENABLE;
	x86->guest_debug_control = x86->guest_debug ? in->control & ~GUESTDBG_INJECT : 0;
	x86->guest_debug_regs = (struct npt_debug){ 0 };
	if (x86->guest_debug && hw_bp) {
		memcpy(x86->guest_debug_regs.db, in->arch.debugreg,
		       sizeof(x86->guest_debug_regs.db));
		x86->guest_debug_regs.dr7 = in->arch.debugreg[7];
	}
	x86->dirty |= NPT_X86_DEBUG | NPT_X86_REGS;
	return 0;
}

/* --- registers in the run page ------------------------------------------ */

static int load_sync_regs(struct npt_vcpu *vcpu, u64 dirty)
{
	const struct kvm_sync_regs *shared = &vcpu->run->s.regs;
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;

	npt_vcpu_pull(vcpu);
	if (dirty & KVM_SYNC_X86_REGS) {
		memcpy(&copy.regs, &shared->regs, sizeof(copy.regs));
		/* User space may write there meanwhile: one reading counts. */
		barrier();
		if (set_regs(vcpu, &copy.regs))
			return -EINVAL;
		vcpu->run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_REGS;
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		memcpy(&copy.sregs, &shared->sregs, sizeof(copy.sregs));
		barrier();
		if (set_sregs(vcpu, &copy.sregs))
			return -EINVAL;
		vcpu->run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_SREGS;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		memcpy(&copy.events, &shared->events, sizeof(copy.events));
		barrier();
		if (set_events(vcpu, &copy.events))
			return -EINVAL;
		vcpu->run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_EVENTS;
	}
	return 0;
}

int npt_sync_regs_load(struct npt_vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	u64 dirty = READ_ONCE(vcpu->run->kvm_dirty_regs);

	if ((valid | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	return dirty ? load_sync_regs(vcpu, dirty) : 0;
}

void npt_sync_regs_store(struct npt_vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	struct kvm_sync_regs *shared = &vcpu->run->s.regs;

	if (!valid)
		return;
	npt_vcpu_pull(vcpu);
	if (valid & KVM_SYNC_X86_REGS)
		get_regs(vcpu, &shared->regs);
	if (valid & KVM_SYNC_X86_SREGS)
		get_sregs(vcpu, &shared->sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		get_events(vcpu, &shared->events);
}

/* --- signals ------------------------------------------------------------ */

/* The struct has the mask behind it; a NULL pointer: no mask. */
long npt_vcpu_set_signal_mask(struct npt_call *call)
{
	struct kvm_signal_mask __user *arg = (void __user *)call->val;
	struct npt_vcpu *vcpu = call->obj;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!arg) {
		vcpu->x86.sigmask_set = false;
		return 0;
	}
	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, arg->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->x86.sigmask = set;
	vcpu->x86.sigmask_set = true;
	return 0;
}

/* The old mask waits where the kernel looks for the one that wait calls replaced. */
void npt_sigmask_enter(struct npt_vcpu *vcpu)
{
	if (vcpu->x86.sigmask_set)
		sigprocmask(SIG_SETMASK, &vcpu->x86.sigmask, &current->real_blocked);
}

void npt_sigmask_leave(struct npt_vcpu *vcpu)
{
	if (!vcpu->x86.sigmask_set)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}
