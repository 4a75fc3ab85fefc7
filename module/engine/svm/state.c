// SPDX-License-Identifier: GPL-2.0
/*
 * The VMCB and struct npt_vcpu.
 *
 * With nested paging the guest runs on its own CR0, CR3 and CR4. With shadow
 * tables it runs on ours: paging and write protection are always on (paged
 * real mode is a thing that SVM has, APM vol. 2, 15.19), PAE too, EFER.NXE
 * too (npt_shadow_hw_regs()), and what it would read back is intercepted.
 */
#include <linux/minmax.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>
#include "../../compat.h"
#include "../x86/cpuid.h"
#include "../x86/lapic.h"
#include "../x86/msr.h"
#include "../x86/state.h"
#include "svm.h"

static void intercept(struct npt_vmcb *vmcb, unsigned int code)
{
	vmcb->intercept[code / 32] |= BIT(code % 32);
}

void svm_init_vmcb(struct npt_vcpu *vcpu)
{
	/*
	 * What needs our hand, and what must not reach the processor. #AC and
	 * #DB are taken because a guest can make the processor raise them
	 * without end while it delivers them, where no interrupt gets through.
	 */
	static const u16 always[] = {
		SVM_X_EXCEPTION + 1, SVM_X_EXCEPTION + 17, SVM_X_MC,
		SVM_X_INTR, SVM_X_NMI, SVM_X_SMI, SVM_X_INIT, SVM_X_RDPMC, SVM_X_CPUID,
		SVM_X_RSM, SVM_X_INVD, SVM_X_HLT, SVM_X_INVLPGA, SVM_X_IOIO, SVM_X_MSR,
		SVM_X_TASK_SWITCH, SVM_X_SHUTDOWN, SVM_X_VMRUN, SVM_X_VMMCALL, SVM_X_VMLOAD,
		SVM_X_VMSAVE, SVM_X_STGI, SVM_X_CLGI, SVM_X_SKINIT, SVM_X_WBINVD,
		SVM_X_MONITOR, SVM_X_MWAIT, SVM_X_MWAIT_ARMED, SVM_X_XSETBV, SVM_X_RDPRU,
		SVM_X_INVLPGB, SVM_X_MCOMMIT,
		SVM_X_WRITE_CR0, SVM_X_WRITE_CR0 + 4, SVM_X_WRITE_CR0 + 8,
	};
	static const u16 shadow[] = {
		SVM_X_EXCEPTION + 14, SVM_X_INVLPG, SVM_X_READ_CR0, SVM_X_READ_CR0 + 3,
		SVM_X_READ_CR0 + 4, SVM_X_WRITE_CR0 + 3, SVM_X_INVPCID,
	};
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_vmcb *vmcb = svm->vmcb;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		intercept(vmcb, always[i]);
	for (i = 0; i < 16; i++) {
		intercept(vmcb, SVM_X_READ_DR0 + i);
		intercept(vmcb, SVM_X_WRITE_DR0 + i);
	}
	for (i = 0; !svm->nested && i < ARRAY_SIZE(shadow); i++)
		intercept(vmcb, shadow[i]);
	vmcb->iopm_base = svm_iopm_pa;
	vmcb->msrpm_base = svm_msrpm_pa;
	vmcb->int_ctl = SVM_V_INTR_MASKING;
	if (svm->nested)
		vmcb->nested_ctl = SVM_NESTED_PAGING;
	vmcb->g_pat = 0x0007040600070406ULL;
}

/* --- segments ------------------------------------------------------------------ */

static void push_segment(struct npt_vmcb_seg *to, const struct kvm_segment *from)
{
	to->selector = from->selector;
	to->base = from->base;
	to->limit = from->limit;
	if (from->unusable) {
		to->attrib = 0;
		return;
	}
	to->attrib = (from->type & 15) | (from->s & 1) << 4 | (from->dpl & 3) << 5 |
		     (from->present & 1) << 7 | (from->avl & 1) << 8 | (from->l & 1) << 9 |
		     (from->db & 1) << 10 | (from->g & 1) << 11;
}

static void pull_segment(struct kvm_segment *to, const struct npt_vmcb_seg *from)
{
	u16 a = from->attrib;

	*to = (struct kvm_segment) {
		.selector = from->selector,
		.base = from->base,
		.limit = from->limit,
		.type = a & 15,
		.s = (a >> 4) & 1,
		.dpl = (a >> 5) & 3,
		.present = (a >> 7) & 1,
		.avl = (a >> 8) & 1,
		.l = (a >> 9) & 1,
		.db = (a >> 10) & 1,
		/* The processor need not keep G; the limit knows. */
		.g = from->limit > 0xfffff,
		.unusable = !((a >> 7) & 1),
	};
}

/* Data segments: the processor may leave what Intel's would refuse on entry. */
static void pull_data_segment(struct kvm_segment *to, const struct npt_vmcb_seg *from)
{
	pull_segment(to, from);
	if (to->unusable)
		to->db = 0;
	else
		to->type |= 1;
}

static void pull_tr(struct kvm_segment *to, const struct npt_vmcb_seg *from)
{
	pull_segment(to, from);
	/* Loaded means busy. */
	to->type |= 2;
}

static void pull_segments(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct kvm_sregs *s = &vcpu->sregs;

	pull_segment(&s->cs, &vmcb->cs);
	pull_data_segment(&s->ds, &vmcb->ds);
	pull_data_segment(&s->es, &vmcb->es);
	pull_data_segment(&s->fs, &vmcb->fs);
	pull_data_segment(&s->gs, &vmcb->gs);
	pull_segment(&s->ss, &vmcb->ss);
	/* APM vol. 2, 15.5.1: the privilege level is in a field of its own. */
	s->ss.dpl = vmcb->cpl;
	if (s->ss.unusable)
		s->ss.db = 0;
	pull_tr(&s->tr, &vmcb->tr);
	pull_segment(&s->ldt, &vmcb->ldtr);
	s->gdt.base = vmcb->gdtr.base;
	s->gdt.limit = vmcb->gdtr.limit;
	s->idt.base = vmcb->idtr.base;
	s->idt.limit = vmcb->idtr.limit;
}

/*
 * A TR that nobody changed stays as the processor had it: QEMU leaves it not busy, and dies of
 * an interrupt to another stack, outside of long mode, that finds a busy one.
 */
static void push_tr(struct npt_vmcb_seg *to, const struct kvm_segment *from)
{
	struct kvm_segment now;

	pull_tr(&now, to);
	if (memcmp(&now, from, sizeof(now)))
		push_segment(to, from);
}

static void push_segments(struct npt_vcpu *vcpu)
{
	struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	const struct kvm_sregs *s = &vcpu->sregs;

	push_segment(&vmcb->cs, &s->cs);
	push_segment(&vmcb->ds, &s->ds);
	push_segment(&vmcb->es, &s->es);
	push_segment(&vmcb->fs, &s->fs);
	push_segment(&vmcb->gs, &s->gs);
	push_segment(&vmcb->ss, &s->ss);
	push_tr(&vmcb->tr, &s->tr);
	push_segment(&vmcb->ldtr, &s->ldt);
	vmcb->cpl = s->ss.dpl & 3;
	vmcb->gdtr.base = s->gdt.base;
	vmcb->gdtr.limit = s->gdt.limit;
	vmcb->idtr.base = s->idt.base;
	vmcb->idtr.limit = s->idt.limit;
}

/* --- paging -------------------------------------------------------------------- */

/* What the guest would read and has not written itself must not be seen. */
static void hide_cr(struct svm_vcpu *svm, unsigned int cr, bool hide)
{
	u32 *word = &svm->vmcb->intercept[SVM_X_READ_CR0 / 32];

	if (hide == !!(*word & BIT(SVM_X_READ_CR0 + cr)))
		return;
	*word ^= BIT(SVM_X_READ_CR0 + cr);
	svm->clean &= ~SVM_CLEAN_INTERCEPTS;
}

void svm_push_paging(struct npt_vcpu *vcpu)
{
	const struct npt_regs *r = &vcpu->cpu.regs;
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_vmcb *vmcb = svm->vmcb;
	struct npt_regs hw;

	if (svm->nested)
		hw = *r;
	else
		npt_shadow_hw_regs(&vcpu->cpu, &hw);
	vmcb->efer = hw.efer | EFER_SVME;
	/* Caches are the host's to switch off. */
	vmcb->cr0 = hw.cr0 & ~(X86_CR0_CD | X86_CR0_NW);
	/* The host's machine checks come as exceptions, not as a shutdown (vol. 2, 9.3.1). */
	vmcb->cr4 = hw.cr4 | (__read_cr4() & X86_CR4_MCE);
	if (svm->nested) {
		vmcb->cr3 = r->cr3;
		hide_cr(svm, 0, vmcb->cr0 != r->cr0);
		hide_cr(svm, 4, vmcb->cr4 != r->cr4);
	}
	svm->clean &= ~SVM_CLEAN_CR;
}

void svm_pull_paging(struct npt_vcpu *vcpu)
{
	const struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_cpu *cpu = &vcpu->cpu;
	bool ac = svm->vmcb->rflags & X86_EFLAGS_AC;

	/* User space may have set registers since: they are pushed before the next entry. */
	if (!vcpu->x86.in_engine)
		return;
	/* All others are intercepted when written. */
	if (svm->nested && cpu->regs.cr3 != svm->vmcb->cr3)
		npt_hw_set_cr3(cpu, svm->vmcb->cr3);
	if (cpu->regs.ac != ac || cpu->regs.pkru != vcpu->x86.pkru)
		npt_hw_set_rights(cpu, ac, vcpu->x86.pkru);
}

/* --- all of it ------------------------------------------------------------------- */

static void pull_msrs(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct npt_msrs *m = &vcpu->x86.msrs;

	m->star = vmcb->star;
	m->lstar = vmcb->lstar;
	m->cstar = vmcb->cstar;
	m->sfmask = vmcb->sfmask;
	m->kernel_gs_base = vmcb->kernel_gs_base;
	m->sysenter_cs = vmcb->sysenter_cs;
	m->sysenter_esp = vmcb->sysenter_esp;
	m->sysenter_eip = vmcb->sysenter_eip;
}

static void push_msrs(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	const struct npt_msrs *m = &vcpu->x86.msrs;
	struct npt_vmcb *vmcb = svm->vmcb;

	vmcb->star = m->star;
	vmcb->lstar = m->lstar;
	vmcb->cstar = m->cstar;
	vmcb->sfmask = m->sfmask;
	vmcb->kernel_gs_base = m->kernel_gs_base;
	vmcb->sysenter_cs = m->sysenter_cs;
	vmcb->sysenter_esp = m->sysenter_esp;
	vmcb->sysenter_eip = m->sysenter_eip;
	vmcb->tsc_offset = m->tsc_offset + READ_ONCE(npt_tsc_lost);
	/* The registers that it reads are the guest's; #UD if it hasn't got it. */
	vmcb->intercept[SVM_X_RDTSCP / 32] &= ~BIT(SVM_X_RDTSCP % 32);
	if (!npt_guest_has(vcpu, NPT_F_RDTSCP))
		intercept(vmcb, SVM_X_RDTSCP);
	if (svm->nested)
		vmcb->g_pat = m->pat;
	svm->clean &= ~(SVM_CLEAN_INTERCEPTS | SVM_CLEAN_NP);
}

void svm_pull(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;

	svm_pull_paging(vcpu);
	pull_segments(vcpu);
	pull_msrs(vcpu);
	vcpu->sregs.cr2 = vmcb->cr2;
	/* What an intercepted #PF did not tell the processor is kept by us. */
	vcpu->x86.debug.dr6 = vmcb->dr6;
	vcpu->x86.in_engine = false;
}

void svm_push(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_vmcb *vmcb = svm->vmcb;
	u32 dirty = vcpu->x86.dirty;

	if (dirty & NPT_X86_SREGS) {
		push_segments(vcpu);
		svm_push_paging(vcpu);
		vmcb->cr2 = vcpu->sregs.cr2;
		vmcb->int_ctl &= ~SVM_V_TPR;
		vmcb->int_ctl |= npt_lapic_get_cr8(vcpu) & SVM_V_TPR;
		svm->clean &= ~(SVM_CLEAN_SEG | SVM_CLEAN_DT | SVM_CLEAN_CR | SVM_CLEAN_CR2 |
				SVM_CLEAN_TPR);
	}
	if (dirty & NPT_X86_MSRS)
		push_msrs(vcpu);
	if (dirty & NPT_X86_DEBUG) {
		vmcb->dr6 = vcpu->x86.debug.dr6;
		vmcb->dr7 = npt_debug_in_force(vcpu)->dr7;
		/* INT3 is the guest's own, unless user space has put them there. */
		vmcb->intercept[SVM_X_BP / 32] &= ~BIT(SVM_X_BP % 32);
		if (vcpu->x86.guest_debug_control & KVM_GUESTDBG_USE_SW_BP)
			intercept(vmcb, SVM_X_BP);
		svm->clean &= ~(SVM_CLEAN_DR | SVM_CLEAN_INTERCEPTS);
	}
	vcpu->x86.dirty = 0;
}
