// SPDX-License-Identifier: GPL-2.0
/*
 * Events: exceptions, NMIs and interrupts on their way into the guest (APM
 * vol. 2, 15.20). One can be injected at an entry. If its delivery is
 * interrupted by an exit (the guest's stack is not mapped yet), the processor
 * says so in EXITINTINFO and it is injected again.
 */
#include <asm/processor-flags.h>
#include "../../compat.h"
#include "../x86/lapic.h"
#include "../x86/state.h"
#include "svm.h"

static bool is_soft_exception(u8 vector)
{
	return vector == 3 || vector == 4;
}

void svm_reap_events(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_x86 *x = &vcpu->x86;
	u32 info = svm->vmcb->exit_int_info;
	bool raised = svm->given == SVM_GAVE_EXCEPTION;
	u8 vector = info & SVM_EVENT_VECTOR;

	if (unlikely(svm->iret) && vcpu->regs.rip != svm->iret_rip) {
		svm->iret = false;
		x->nmi.masked = false;
	}
	/* What was given has arrived, unless the processor says otherwise. */
	if (svm->given == SVM_GAVE_EXCEPTION)
		x->exc.injected = false;
	else if (svm->given == SVM_GAVE_NMI)
		x->nmi.injected = false;
	else if (svm->given == SVM_GAVE_INTERRUPT)
		x->irq.injected = false;
	svm->given = SVM_GAVE_NOTHING;
	if (likely(!(info & SVM_EVENT_VALID)))
		return;
	/*
	 * What was being delivered was not held back. QEMU's processor says here
	 * that it was, because of the STI before VMRUN.
	 */
	x->interrupt_shadow = false;
	switch (info & SVM_EVENT_TYPE) {
	case SVM_EVENT_NMI:
		x->nmi.injected = true;
		break;
	case SVM_EVENT_EXCEPTION:
		/* INT3 and INTO are executed again, unless it was user space that raised it. */
		if (is_soft_exception(vector) && !(raised && vector == x->exc.vector))
			break;
		x->exc.injected = true;
		x->exc.pending = false;
		x->exc.vector = vector;
		x->exc.has_error = info & SVM_EVENT_HAS_ERROR;
		x->exc.error = svm->vmcb->exit_int_info_error;
		x->exc.has_payload = false;
		break;
	case SVM_EVENT_INTR:
		x->irq.injected = true;
		x->irq.soft = false;
		x->irq.vector = vector;
		break;
	default:
		/* INT n: executed again. */
		break;
	}
}

static void inject(struct npt_vcpu *vcpu, u32 event, u32 error)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	svm->vmcb->event_inj = event | SVM_EVENT_VALID;
	svm->vmcb->event_inj_error = error;
	if ((event & SVM_EVENT_TYPE) == SVM_EVENT_EXCEPTION)
		svm->given = SVM_GAVE_EXCEPTION;
	else if ((event & SVM_EVENT_TYPE) == SVM_EVENT_NMI)
		svm->given = SVM_GAVE_NMI;
	else
		svm->given = SVM_GAVE_INTERRUPT;
}

static void inject_exception(struct npt_vcpu *vcpu)
{
	struct npt_exception *e = &vcpu->x86.exc;
	u32 event = SVM_EVENT_EXCEPTION | e->vector;

	/* Real mode has no error codes. */
	if (e->has_error && (vcpu->cpu.regs.cr0 & NPT_CR0_PE))
		event |= SVM_EVENT_HAS_ERROR;
	inject(vcpu, event, e->error);
	e->injected = true;
	vcpu->cpu.ctr[NPT_CTR_inj_exception]++;
}

static void deliver_exception(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_exception *e = &vcpu->x86.exc;

	if (e->has_payload) {
		u32 dirty = vcpu->x86.dirty;

		/* Straight to where the processor has them; the rest stays there. */
		vcpu->x86.debug.dr6 = svm->vmcb->dr6;
		npt_exception_payload(vcpu);
		if (e->vector == 14)
			svm->vmcb->cr2 = vcpu->sregs.cr2;
		svm->vmcb->dr6 = vcpu->x86.debug.dr6;
		svm->clean &= ~(SVM_CLEAN_CR2 | SVM_CLEAN_DR);
		vcpu->x86.dirty = dirty;
	}
	/* RF, so that a fault does not meet its breakpoint again. */
	if (e->vector != 3 && e->vector != 4 && e->vector != 1)
		vcpu->regs.rflags |= X86_EFLAGS_RF;
	e->pending = false;
	inject_exception(vcpu);
}

static bool interrupt_allowed(const struct npt_vcpu *vcpu)
{
	return (vcpu->regs.rflags & X86_EFLAGS_IF) && !vcpu->x86.interrupt_shadow &&
	       !(vcpu->x86.guest_debug_control & KVM_GUESTDBG_BLOCKIRQ);
}

/* Does user space, which has the PIC, want to know when an interrupt gets through? */
static bool user_waits(const struct npt_vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->request_interrupt_window) && !vcpu->vm->x86.irqchip &&
	       npt_lapic_wants_extint(vcpu);
}

/* Between two instructions, and nothing on its way that user space could get in the way of. */
static bool user_may_interrupt(const struct npt_vcpu *vcpu)
{
	const struct npt_x86 *x = &vcpu->x86;

	return interrupt_allowed(vcpu) && npt_lapic_wants_extint(vcpu) && !x->irq.injected &&
	       !x->exc.injected && !x->exc.pending && !x->nmi.injected;
}

bool svm_user_window(const struct npt_vcpu *vcpu)
{
	return user_waits(vcpu) && user_may_interrupt(vcpu);
}

bool svm_user_ready(const struct npt_vcpu *vcpu)
{
	/* KVM's answer where the PIC is in the kernel, though here there is none at all. */
	return vcpu->vm->x86.irqchip || user_may_interrupt(vcpu);
}

/* Exit as soon as an interrupt could be taken (15.21.4: a virtual one is offered). */
static void open_window(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (svm->window)
		return;
	svm->window = true;
	svm->vmcb->intercept[SVM_X_VINTR / 32] |= BIT(SVM_X_VINTR % 32);
	svm->vmcb->int_ctl |= SVM_V_IRQ | SVM_V_IGN_TPR | 0xf << 16;
	svm->vmcb->int_vector = 0;
	svm->clean &= ~(SVM_CLEAN_INTERCEPTS | SVM_CLEAN_TPR);
}

static void close_window(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (!svm->window)
		return;
	svm->window = false;
	svm->vmcb->intercept[SVM_X_VINTR / 32] &= ~BIT(SVM_X_VINTR % 32);
	svm->vmcb->int_ctl &= ~(SVM_V_IRQ | SVM_V_IGN_TPR | 0xf << 16);
	svm->clean &= ~(SVM_CLEAN_INTERCEPTS | SVM_CLEAN_TPR);
}

static void inject_interrupt(struct npt_vcpu *vcpu, u8 vector)
{
	vcpu->x86.irq.vector = vector;
	vcpu->x86.irq.injected = true;
	inject(vcpu, SVM_EVENT_INTR | vector, 0);
	vcpu->cpu.ctr[NPT_CTR_inj_interrupt]++;
}

/* However NMIs came to be masked (user space may have said so), IRET ends it. */
static void watch_iret(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u32 *word = &svm->vmcb->intercept[SVM_X_IRET / 32];

	if (svm->iret || (*word & BIT(SVM_X_IRET % 32)))
		return;
	*word |= BIT(SVM_X_IRET % 32);
	svm->clean &= ~SVM_CLEAN_INTERCEPTS;
}

static void inject_nmi(struct npt_vcpu *vcpu)
{
	vcpu->x86.nmi.injected = true;
	vcpu->x86.nmi.masked = true;
	svm_of(vcpu)->iret = false;
	inject(vcpu, SVM_EVENT_NMI, 0);
}

/* What waits for an open interrupt flag, -1 if nothing does. */
static int waiting_interrupt(struct npt_vcpu *vcpu)
{
	if (vcpu->x86.lapic)
		return npt_lapic_pending(vcpu);
	return vcpu->x86.irq.queued ? vcpu->x86.irq.vector : -1;
}

/*
 * Delivery of an interrupt goes on where it was interrupted, but not if an
 * exception has come first and its handler has closed the flag.
 */
static bool may_resume(const struct npt_vcpu *vcpu)
{
	return vcpu->x86.irq.soft ||
	       ((vcpu->regs.rflags & X86_EFLAGS_IF) && !vcpu->x86.interrupt_shadow);
}

/* What was on its way, or was raised by the instruction before. */
static bool inject_first(struct npt_vcpu *vcpu)
{
	struct npt_x86 *x = &vcpu->x86;

	if (x->exc.injected)
		inject_exception(vcpu);
	else if (x->exc.pending)
		/* Raised while an interrupt was being delivered: that one waits. */
		deliver_exception(vcpu);
	else if (x->nmi.injected)
		inject_nmi(vcpu);
	else if (x->irq.injected && may_resume(vcpu))
		inject(vcpu, SVM_EVENT_INTR | x->irq.vector, 0);
	else
		return false;
	return true;
}

/*
 * An NMI comes at the next boundary of instructions at which it may, whatever the
 * interrupt flag says, so the interrupt window is no use. If another event goes
 * first, that boundary is before its handler: a host interrupt that waits when
 * VMRUN delivers the event ends the guest's run there. If one instruction has to
 * be executed first (behind STI or MOV SS, and the IRET that ends the handler of
 * the NMI before), RFLAGS.TF ends it after that one: see svm_reap_events().
 */
static bool offer_nmi(struct npt_vcpu *vcpu, bool taken)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_x86 *x = &vcpu->x86;

	if (likely(!x->nmi.pending))
		return taken;
	if (x->nmi.masked) {
		svm->step = svm->iret && !taken;
	} else if (taken) {
		npt_send_reschedule(raw_smp_processor_id());
	} else if (x->interrupt_shadow) {
		svm->step = true;
	} else {
		x->nmi.pending--;
		inject_nmi(vcpu);
		vcpu->cpu.ctr[NPT_CTR_inj_nmi]++;
		return true;
	}
	return taken;
}

/* Interrupts, in the order that their controller has them. True: one has to wait. */
static bool offer_interrupt(struct npt_vcpu *vcpu, bool taken)
{
	struct npt_x86 *x = &vcpu->x86;
	int vector;

	/* One that has been acknowledged and not delivered comes before any other. */
	if (x->irq.injected && svm_of(vcpu)->given != SVM_GAVE_INTERRUPT)
		return true;
	vector = waiting_interrupt(vcpu);
	if (vector < 0)
		return false;
	if (taken || !interrupt_allowed(vcpu))
		return true;
	if (x->lapic)
		npt_lapic_ack(vcpu, vector);
	x->irq.queued = false;
	inject_interrupt(vcpu, vector);
	return waiting_interrupt(vcpu) >= 0;
}

/*
 * One event an entry: what was interrupted goes first, then what was raised,
 * then NMIs, then interrupts (APM vol. 2, 8.5). An interrupt that has to wait
 * asks for the window.
 */
void svm_inject(struct npt_vcpu *vcpu)
{
	struct npt_x86 *x = &vcpu->x86;
	bool taken, want_window = false;

	svm_of(vcpu)->given = SVM_GAVE_NOTHING;
	taken = inject_first(vcpu);
	/* Who debugs the guest may want to be alone with it. */
	if (likely(!(x->guest_debug_control & KVM_GUESTDBG_BLOCKIRQ))) {
		taken = offer_nmi(vcpu, taken);
		want_window = offer_interrupt(vcpu, taken) || user_waits(vcpu);
	}
	if (unlikely(x->nmi.masked))
		watch_iret(vcpu);
	if (want_window)
		open_window(vcpu);
	else
		close_window(vcpu);
}
