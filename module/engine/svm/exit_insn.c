// SPDX-License-Identifier: GPL-2.0
/*
 * The instruction that exited: its bytes, its operands, moving RIP past it.
 * And the simple ones among those that exit.
 */
#include <asm/processor-flags.h>
#include "../../compat.h"
#include "../x86/cpuid.h"
#include "../x86/emulate.h"
#include "../x86/fpu.h"
#include "../x86/lapic.h"
#include "../x86/msr.h"
#include "../x86/state.h"
#include "exit.h"

#define KVM_HC_ENOSYS 1000
#define KVM_HC_EPERM 1

int svm_undefined(struct npt_vcpu *vcpu)
{
	npt_queue_exception(vcpu, UD_VECTOR);
	return 1;
}

int svm_protection(struct npt_vcpu *vcpu)
{
	npt_queue_exception_error(vcpu, GP_VECTOR, 0);
	return 1;
}

/* --- the instruction ------------------------------------------------------ */

enum npt_cpu_mode svm_cpu_mode(const struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;

	if ((vmcb->efer & EFER_LMA) && (vmcb->cs.attrib & BIT(9)))
		return NPT_MODE_64;
	return vmcb->cs.attrib & BIT(10) ? NPT_MODE_32 : NPT_MODE_16;
}

u32 svm_fetch(struct npt_vcpu *vcpu, u8 *bytes)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	enum npt_cpu_mode mode = svm_cpu_mode(vcpu);
	u64 gva = vcpu->regs.rip;
	u32 done, more;

	svm_pull_paging(vcpu);
	if (mode != NPT_MODE_64)
		gva = (u32)(vmcb->cs.base + gva);
	done = npt_hw_fetch(&vcpu->cpu, gva, svm_cpl(vcpu) == 3, bytes, NPT_INSN_MAX);
	/* Not past the page unless the instruction goes there. */
	if (likely(done == NPT_INSN_MAX) || !done || npt_insn_length(bytes, done, mode))
		return done;
	gva += done;
	if (mode != NPT_MODE_64)
		gva = (u32)gva;
	more = npt_hw_fetch(&vcpu->cpu, gva, svm_cpl(vcpu) == 3, bytes + done, NPT_INSN_MAX - done);
	return done + more;
}

static int advance(struct npt_vcpu *vcpu, u64 rip)
{
	/* The trap of a single step comes after the instruction that we carried out. */
	if (unlikely((vcpu->regs.rflags & X86_EFLAGS_TF) || npt_host_steps(vcpu))) {
		npt_vcpu_pull(vcpu);
		return npt_insn_done(vcpu, rip);
	}
	vcpu->regs.rip = svm_cpu_mode(vcpu) == NPT_MODE_64 ? rip : (u32)rip;
	vcpu->regs.rflags &= ~(u64)X86_EFLAGS_RF;
	vcpu->x86.interrupt_shadow = false;
	return 1;
}

/*
 * The processor has the bytes, the tables do not: another vCPU changed them, and
 * the guest has not yet said so. To try again would go on until the TLB forgets
 * it. That may happen at any time, so the guest can have its #PF now.
 */
static int measure(struct npt_vcpu *vcpu, u8 *len)
{
	npt_vcpu_pull(vcpu);
	return npt_insn_measure(vcpu, len);
}

int svm_skip(struct npt_vcpu *vcpu)
{
	u8 bytes[NPT_INSN_MAX], len;
	int ret = 1;
	u32 n;

	/* 0: not told, as by a hypervisor below that knows less than APM vol. 2, 15.7.1. */
	if ((svm_features & SVM_HAS_NRIPS) && likely(svm_of(vcpu)->vmcb->next_rip))
		return advance(vcpu, svm_of(vcpu)->vmcb->next_rip);
	/* Once only: what it has done since may have been to change the tables. */
	len = svm_of(vcpu)->insn_len;
	if (!len) {
		n = svm_fetch(vcpu, bytes);
		len = n ? npt_insn_length(bytes, n, svm_cpu_mode(vcpu)) : 0;
	}
	if (unlikely(!len))
		ret = measure(vcpu, &len);
	return len ? advance(vcpu, vcpu->regs.rip + len) : ret;
}

/* What the memory operand of @insn is at. */
static u64 operand_address(struct npt_vcpu *vcpu, const struct npt_insn *insn)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	const struct npt_vmcb_seg *segs[] = {
		[NPT_SEG_ES] = &vmcb->es, [NPT_SEG_CS] = &vmcb->cs, [NPT_SEG_SS] = &vmcb->ss,
		[NPT_SEG_DS] = &vmcb->ds, [NPT_SEG_FS] = &vmcb->fs, [NPT_SEG_GS] = &vmcb->gs,
	};
	u64 at = insn->disp;

	if (insn->base != NPT_NO_REG)
		at += *svm_gpr(vcpu, insn->base);
	if (insn->index != NPT_NO_REG)
		at += *svm_gpr(vcpu, insn->index) * insn->scale;
	if (insn->rip)
		at += vcpu->regs.rip + insn->len;
	if (insn->asize < 8)
		at &= GENMASK_ULL(8 * insn->asize - 1, 0);
	if (insn->mode == NPT_MODE_64)
		return at + (insn->seg >= NPT_SEG_FS ? segs[insn->seg]->base : 0);
	return (u32)(at + segs[insn->seg]->base);
}

bool svm_decode(struct npt_vcpu *vcpu, struct npt_insn *insn, int *ret)
{
	u8 bytes[NPT_INSN_MAX], len;
	u32 n = svm_fetch(vcpu, bytes);

	*ret = 1;
	if (!n || npt_insn_decode(insn, bytes, n, svm_cpu_mode(vcpu)) <= 0) {
		*ret = measure(vcpu, &len);
		return false;
	}
	svm_of(vcpu)->insn_len = insn->len;
	return true;
}

/* --- simple instructions -------------------------------------------------- */

int svm_on_cpuid(struct npt_vcpu *vcpu)
{
	u32 eax = vcpu->regs.rax, ebx, ecx = vcpu->regs.rcx, edx;

	/* Leaves that follow CR4 look at cpu.regs, which intercepts keep true. */
	npt_cpuid(vcpu, &eax, &ebx, &ecx, &edx);
	vcpu->regs.rax = eax;
	vcpu->regs.rbx = ebx;
	vcpu->regs.rcx = ecx;
	vcpu->regs.rdx = edx;
	return svm_skip(vcpu);
}

int svm_on_hlt(struct npt_vcpu *vcpu)
{
	int ret = svm_skip(vcpu);

	if (vcpu->x86.lapic) {
		svm_set_mp_state(vcpu, KVM_MP_STATE_HALTED);
		return ret;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

int svm_on_msr(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	bool write = svm->vmcb->exit_info1 & 1;
	u32 msr = vcpu->regs.rcx;
	u64 value;

	npt_vcpu_pull(vcpu);
	if (write) {
		value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;
		if (npt_msr_set(vcpu, msr, value, false))
			return svm_protection(vcpu);
	} else {
		if (npt_msr_get(vcpu, msr, &value, false))
			return svm_protection(vcpu);
		vcpu->regs.rax = (u32)value;
		vcpu->regs.rdx = value >> 32;
	}
	return svm_skip(vcpu);
}

int svm_on_xsetbv(struct npt_vcpu *vcpu)
{
	u64 value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;

	if (svm_cpl(vcpu) || npt_fpu_set_xcr(vcpu, vcpu->regs.rcx, value))
		return svm_protection(vcpu);
	return svm_skip(vcpu);
}

/* No hypercalls are known: what KVM answers to those that it does not know. */
int svm_on_vmmcall(struct npt_vcpu *vcpu)
{
	vcpu->regs.rax = svm_cpl(vcpu) ? -KVM_HC_EPERM : -KVM_HC_ENOSYS;
	return svm_skip(vcpu);
}

int svm_on_io(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;

	u32 info = vmcb->exit_info1;
	/* APM vol. 2, 15.10.2 */
	struct npt_io io = {
		.next_rip = vmcb->exit_info2,
		.port = info >> 16,
		.size = (info >> 4) & 7,
		.asize = ((info >> 7) & 7) << 1,
		.seg = svm_features & SVM_HAS_DECODE ? (info >> 10) & 7 : NPT_NO_REG,
		.in = info & BIT(0),
		.string = info & BIT(2),
		.rep = info & BIT(3),
	};

	if (io.string)
		npt_vcpu_pull(vcpu);
	return npt_io(vcpu, &io);
}

int svm_on_invlpg(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_insn insn;
	u64 gva;
	int ret;

	svm_pull_paging(vcpu);
	if (svm_features & SVM_HAS_DECODE) {
		gva = svm->vmcb->exit_info1;
	} else {
		if (!svm_decode(vcpu, &insn, &ret))
			return ret;
		gva = operand_address(vcpu, &insn);
	}
	npt_cpu_invlpg(&vcpu->cpu, gva);
	return svm_skip(vcpu);
}
