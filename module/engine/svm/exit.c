// SPDX-License-Identifier: GPL-2.0
/*
 * Exits: a table from exit code to handler. Handlers answer 1 to go on in the
 * guest, 0 to leave to user space with vcpu->run filled, or an error.
 */
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/mce.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/trap_pf.h>
#include "../../compat.h"
#include "../x86/cpuid.h"
#include "../x86/decode.h"
#include "../x86/emulate.h"
#include "../x86/fpu.h"
#include "../x86/lapic.h"
#include "../x86/msr.h"
#include "../x86/operand.h"
#include "../x86/state.h"
#include "svm.h"

#ifdef NPT_HAVE_SVM

#define DB_VECTOR 1
#define BP_VECTOR 3
#define UD_VECTOR 6
#define GP_VECTOR 13
#define AC_VECTOR 17

/* DR7.GD, and what DR6 says of it. */
#define DR_GENERAL_DETECT BIT(13)
#define DR_GD_HIT BIT(13)

#define KVM_HC_ENOSYS 1000
#define KVM_HC_EPERM 1

static u64 *gpr(struct npt_vcpu *vcpu, unsigned int n)
{
	return npt_gpr(&vcpu->regs, n);
}

static u8 cpl(const struct npt_vcpu *vcpu)
{
	return svm_of(vcpu)->vmcb->cpl;
}

static int undefined(struct npt_vcpu *vcpu)
{
	npt_queue_exception(vcpu, UD_VECTOR);
	return 1;
}

static int protection(struct npt_vcpu *vcpu)
{
	npt_queue_exception_error(vcpu, GP_VECTOR, 0);
	return 1;
}

/* --- the instruction -------------------------------------------------------------- */

static enum npt_cpu_mode cpu_mode(const struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;

	if ((vmcb->efer & EFER_LMA) && (vmcb->cs.attrib & BIT(9)))
		return NPT_MODE_64;
	return vmcb->cs.attrib & BIT(10) ? NPT_MODE_32 : NPT_MODE_16;
}

/*
 * The bytes at RIP, as many as there are up to 15; 0: they are gone (another
 * vCPU changed the tables): then the guest is to run into that by itself.
 */
static u32 fetch(struct npt_vcpu *vcpu, u8 *bytes)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	enum npt_cpu_mode mode = cpu_mode(vcpu);
	u64 gva = vcpu->regs.rip;
	u32 done, more;

	svm_pull_paging(vcpu);
	if (mode != NPT_MODE_64)
		gva = (u32)(vmcb->cs.base + gva);
	done = npt_hw_fetch(&vcpu->cpu, gva, cpl(vcpu) == 3, bytes, NPT_INSN_MAX);
	/* Not past the page unless the instruction goes there. */
	if (likely(done == NPT_INSN_MAX) || !done || npt_insn_length(bytes, done, mode))
		return done;
	gva += done;
	if (mode != NPT_MODE_64)
		gva = (u32)gva;
	more = npt_hw_fetch(&vcpu->cpu, gva, cpl(vcpu) == 3, bytes + done, NPT_INSN_MAX - done);
	return done + more;
}

static int advance(struct npt_vcpu *vcpu, u64 rip)
{
	/* The trap of a single step comes after the instruction that we carried out. */
	if (unlikely((vcpu->regs.rflags & X86_EFLAGS_TF) || npt_host_steps(vcpu))) {
		npt_vcpu_pull(vcpu);
		return npt_insn_done(vcpu, rip);
	}
	vcpu->regs.rip = cpu_mode(vcpu) == NPT_MODE_64 ? rip : (u32)rip;
	vcpu->regs.rflags &= ~(u64)X86_EFLAGS_RF;
	vcpu->x86.interrupt_shadow = false;
	return 1;
}

int svm_skip(struct npt_vcpu *vcpu)
{
	u8 bytes[NPT_INSN_MAX];
	u32 n;
	int len;

	if (svm_features & SVM_HAS_NRIPS)
		return advance(vcpu, svm_of(vcpu)->vmcb->next_rip);
	/* Once only: what it has done since may have been to change the tables. */
	len = svm_of(vcpu)->insn_len;
	if (!len) {
		n = fetch(vcpu, bytes);
		len = n ? npt_insn_length(bytes, n, cpu_mode(vcpu)) : 0;
	}
	return len > 0 ? advance(vcpu, vcpu->regs.rip + len) : 1;
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
		at += *gpr(vcpu, insn->base);
	if (insn->index != NPT_NO_REG)
		at += *gpr(vcpu, insn->index) * insn->scale;
	if (insn->rip)
		at += vcpu->regs.rip + insn->len;
	if (insn->asize < 8)
		at &= GENMASK_ULL(8 * insn->asize - 1, 0);
	if (insn->mode == NPT_MODE_64)
		return at + (insn->seg >= NPT_SEG_FS ? segs[insn->seg]->base : 0);
	return (u32)(at + segs[insn->seg]->base);
}

/* The instruction whole, for operands that the processor does not report. */
static bool decode(struct npt_vcpu *vcpu, struct npt_insn *insn)
{
	u8 bytes[NPT_INSN_MAX];
	u32 n = fetch(vcpu, bytes);

	if (!n || npt_insn_decode(insn, bytes, n, cpu_mode(vcpu)) <= 0)
		return false;
	svm_of(vcpu)->insn_len = insn->len;
	return true;
}

/* --- simple instructions -------------------------------------------------------------- */

static int on_cpuid(struct npt_vcpu *vcpu)
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

static int on_hlt(struct npt_vcpu *vcpu)
{
	int ret = svm_skip(vcpu);

	if (vcpu->x86.lapic) {
		svm_set_mp_state(vcpu, KVM_MP_STATE_HALTED);
		return ret;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

static int on_skip(struct npt_vcpu *vcpu)
{
	return svm_skip(vcpu);
}

static int on_msr(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	bool write = svm->vmcb->exit_info1 & 1;
	u32 msr = vcpu->regs.rcx;
	u64 value;

	npt_vcpu_pull(vcpu);
	if (write) {
		value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;
		if (npt_msr_set(vcpu, msr, value, false))
			return protection(vcpu);
	} else {
		if (npt_msr_get(vcpu, msr, &value, false))
			return protection(vcpu);
		vcpu->regs.rax = (u32)value;
		vcpu->regs.rdx = value >> 32;
	}
	return svm_skip(vcpu);
}

static int on_rdtscp(struct npt_vcpu *vcpu)
{
	u64 tsc;

	if (!npt_guest_has(vcpu, NPT_F_RDTSCP))
		return undefined(vcpu);
	tsc = npt_guest_tsc(vcpu);
	vcpu->regs.rax = (u32)tsc;
	vcpu->regs.rdx = tsc >> 32;
	vcpu->regs.rcx = (u32)vcpu->x86.msrs.tsc_aux;
	return svm_skip(vcpu);
}

static int on_xsetbv(struct npt_vcpu *vcpu)
{
	u64 value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;

	if (cpl(vcpu) || npt_fpu_set_xcr(vcpu, vcpu->regs.rcx, value))
		return protection(vcpu);
	return svm_skip(vcpu);
}

/* No hypercalls are known: what KVM answers to those that it does not know. */
static int on_vmmcall(struct npt_vcpu *vcpu)
{
	vcpu->regs.rax = cpl(vcpu) ? -KVM_HC_EPERM : -KVM_HC_ENOSYS;
	return svm_skip(vcpu);
}

static int on_io(struct npt_vcpu *vcpu)
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

/* --- control and debug registers ------------------------------------------------------- */

static int set_paging(struct npt_vcpu *vcpu, const struct npt_regs *r)
{
	bool was_long = vcpu->cpu.regs.efer & EFER_LMA;

	if (npt_cpu_set_regs(&vcpu->cpu, r))
		return protection(vcpu);
	if (was_long != !!(r->efer & EFER_LMA))
		npt_vcpu_pull(vcpu);
	svm_push_paging(vcpu);
	return svm_skip(vcpu);
}

/* MOV to CR0, APM vol. 2, 3.1.1 and 14.6: long mode comes and goes with paging. */
static int set_cr0(struct npt_vcpu *vcpu, u64 value)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct npt_regs r = vcpu->cpu.regs;

	if (value >> 32)
		return protection(vcpu);
	r.cr0 = (value & 0xe005003f) | X86_CR0_ET;
	if ((r.cr0 & X86_CR0_PG) && !(vcpu->cpu.regs.cr0 & X86_CR0_PG) && (r.efer & EFER_LME)) {
		/* A 64-bit code segment can't be there before long mode is. */
		if (!(r.cr4 & X86_CR4_PAE) || (vmcb->cs.attrib & BIT(9)))
			return protection(vcpu);
		r.efer |= EFER_LMA;
	}
	if (!(r.cr0 & X86_CR0_PG)) {
		if ((vcpu->cpu.regs.cr0 & X86_CR0_PG) &&
		    ((r.cr4 & X86_CR4_PCIDE) || cpu_mode(vcpu) == NPT_MODE_64))
			return protection(vcpu);
		r.efer &= ~(u64)EFER_LMA;
	}
	return set_paging(vcpu, &r);
}

static int set_cr3(struct npt_vcpu *vcpu, u64 value)
{
	/* Outside long mode the upper half does not exist. */
	if (!(vcpu->cpu.regs.efer & EFER_LMA))
		value = (u32)value;
	if (!npt_cpu_mov_cr3(&vcpu->cpu, value))
		return protection(vcpu);
	return svm_skip(vcpu);
}

static int set_cr4(struct npt_vcpu *vcpu, u64 value)
{
	struct npt_regs r = vcpu->cpu.regs;

	if (value & ~npt_guest_cr4_bits(vcpu))
		return protection(vcpu);
	/* Neither may change while long mode is on (APM vol. 2, 3.1.3). */
	if ((r.efer & EFER_LMA) && ((value ^ r.cr4) & X86_CR4_LA57))
		return protection(vcpu);
	/* PCIDE comes only while the present PCID is 0. */
	if ((value & ~r.cr4 & X86_CR4_PCIDE) && (r.cr3 & 0xfff))
		return protection(vcpu);
	r.cr4 = value;
	return set_paging(vcpu, &r);
}

static int set_cr8(struct npt_vcpu *vcpu, u64 value)
{
	u8 old = vcpu->sregs.cr8;
	int ret;

	if (value > 15)
		return protection(vcpu);
	ret = svm_skip(vcpu);
	if (vcpu->x86.lapic) {
		npt_lapic_set_cr8(vcpu, value);
		return ret;
	}
	vcpu->sregs.cr8 = value;
	svm_of(vcpu)->vmcb->int_ctl &= ~SVM_V_TPR;
	svm_of(vcpu)->vmcb->int_ctl |= value;
	svm_of(vcpu)->clean &= ~SVM_CLEAN_TPR;
	if (value >= old)
		return ret;
	/* Something that user space holds back may come through now. */
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return 0;
}

static int set_cr(struct npt_vcpu *vcpu, unsigned int cr, u64 value)
{
	if (cpu_mode(vcpu) != NPT_MODE_64)
		value = (u32)value;
	switch (cr) {
	case 0:
		return set_cr0(vcpu, value);
	case 3:
		return set_cr3(vcpu, value);
	case 4:
		return set_cr4(vcpu, value);
	case 8:
		return set_cr8(vcpu, value);
	default:
		return undefined(vcpu);
	}
}

static u64 get_cr(struct npt_vcpu *vcpu, unsigned int cr)
{
	switch (cr) {
	case 0:
		return vcpu->cpu.regs.cr0;
	case 3:
		return vcpu->cpu.regs.cr3;
	case 4:
		return vcpu->cpu.regs.cr4;
	default:
		return vcpu->sregs.cr8;
	}
}

/* Instructions of the 0F map. */
#define OP_SYSTEM	0x01	/* /4 SMSW, /6 LMSW */
#define OP_CLTS		0x06
#define OP_MOV_FROM_CR	0x20
#define OP_MOV_TO_CR	0x22

/* LMSW sets PE but does not clear it; it has four bits (APM vol. 3, LMSW). */
static int on_msw(struct npt_vcpu *vcpu, const struct npt_insn *insn, bool write)
{
	u64 cr0 = vcpu->cpu.regs.cr0;

	if (insn->map != NPT_MAP_0F)
		return undefined(vcpu);
	if (insn->opcode == OP_CLTS)
		return set_cr0(vcpu, cr0 & ~(u64)X86_CR0_TS);
	if (insn->opcode != OP_SYSTEM)
		return undefined(vcpu);
	npt_vcpu_pull(vcpu);
	if (insn->mem)
		return npt_emulate(vcpu, NULL);
	if (write)
		return set_cr0(vcpu, (cr0 & ~0xeULL) | (*gpr(vcpu, insn->rm) & 0xf));
	switch (insn->osize) {
	case 2:
		*(u16 *)gpr(vcpu, insn->rm) = cr0;
		break;
	case 4:
		*gpr(vcpu, insn->rm) = (u32)cr0;
		break;
	default:
		*gpr(vcpu, insn->rm) = cr0;
	}
	return svm_skip(vcpu);
}

static int on_cr(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	unsigned int cr = vmcb->exit_code & 15, reg;
	bool write = vmcb->exit_code & 0x10;
	struct npt_insn insn;

	svm_pull_paging(vcpu);
	if ((svm_features & SVM_HAS_DECODE) && (vmcb->exit_info1 & BIT_ULL(63))) {
		reg = vmcb->exit_info1 & 15;
	} else {
		if (!decode(vcpu, &insn))
			return 1;
		if (insn.map != NPT_MAP_0F ||
		    (insn.opcode != OP_MOV_FROM_CR && insn.opcode != OP_MOV_TO_CR))
			return cr ? undefined(vcpu) : on_msw(vcpu, &insn, write);
		reg = insn.rm;
	}
	if (write)
		return set_cr(vcpu, cr, *gpr(vcpu, reg));
	if (cpu_mode(vcpu) == NPT_MODE_64)
		*gpr(vcpu, reg) = get_cr(vcpu, cr);
	else
		*(u32 *)gpr(vcpu, reg) = get_cr(vcpu, cr);
	return svm_skip(vcpu);
}

/* APM vol. 2, 13.1.1: DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. */
static int on_dr(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	unsigned int dr = svm->vmcb->exit_code & 15, reg;
	bool write = svm->vmcb->exit_code & 0x10;
	struct npt_debug *d = &vcpu->x86.debug;
	struct npt_insn insn;
	u64 value;

	if (svm_features & SVM_HAS_DECODE) {
		reg = svm->vmcb->exit_info1 & 15;
	} else {
		if (!decode(vcpu, &insn))
			return 1;
		reg = insn.rm;
	}
	npt_vcpu_pull(vcpu);
	if (dr == 4 || dr == 5) {
		if (vcpu->cpu.regs.cr4 & X86_CR4_DE)
			return undefined(vcpu);
		dr += 2;
	}
	if (dr > 7)
		return undefined(vcpu);
	if (d->dr7 & DR_GENERAL_DETECT) {
		npt_queue_db(vcpu, DR_GD_HIT);
		return 1;
	}
	if (!write) {
		value = dr < 4 ? d->db[array_index_nospec(dr, 4)] : dr == 6 ? d->dr6 : d->dr7;
		if (cpu_mode(vcpu) == NPT_MODE_64)
			*gpr(vcpu, reg) = value;
		else
			*(u32 *)gpr(vcpu, reg) = value;
		return svm_skip(vcpu);
	}
	value = *gpr(vcpu, reg);
	if (cpu_mode(vcpu) != NPT_MODE_64)
		value = (u32)value;
	if (dr < 4) {
		d->db[array_index_nospec(dr, 4)] = value;
	} else {
		if (value >> 32)
			return protection(vcpu);
		if (dr == 6)
			d->dr6 = (value & 0xe00f) | 0xffff0ff0;
		else
			d->dr7 = (value & ~0xd000ULL) | 0x400;
	}
	vcpu->x86.dirty |= NPT_X86_DEBUG;
	return svm_skip(vcpu);
}

/* --- translations ------------------------------------------------------------------------ */

static int on_invlpg(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_insn insn;
	u64 gva;

	svm_pull_paging(vcpu);
	if (svm_features & SVM_HAS_DECODE) {
		gva = svm->vmcb->exit_info1;
	} else {
		if (!decode(vcpu, &insn))
			return 1;
		gva = operand_address(vcpu, &insn);
	}
	npt_cpu_invlpg(&vcpu->cpu, gva);
	return svm_skip(vcpu);
}

/*
 * It was not the instruction at RIP that met the page but the delivery of an
 * event, which only the processor can do: on a page that is no longer a table
 * for us it can. What has to go to a device is nobody's.
 */
static int delivery_failed(struct npt_vcpu *vcpu, enum npt_fault_outcome outcome, u64 gpa)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct kvm_run *run = vcpu->run;

	if (outcome == NPT_FAULT_EMULATE) {
		/* If it no longer was one, another vCPU has seen to it. */
		npt_guest_unprotect(&vcpu->cpu, gpa);
		return 1;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 4;
	run->internal.data[0] = vmcb->exit_int_info;
	run->internal.data[1] = vmcb->exit_code;
	run->internal.data[2] = vmcb->exit_info1;
	run->internal.data[3] = gpa;
	return 0;
}

/* What came of a fault that the MMU looked at. */
static int fault_outcome(struct npt_vcpu *vcpu, enum npt_fault_outcome outcome,
			 struct npt_emul_hint *hint)
{
	switch (outcome) {
	case NPT_FAULT_FIXED:
	case NPT_FAULT_SPURIOUS:
	case NPT_FAULT_UNSYNC:
		return 1;
	case NPT_FAULT_EMULATE:
	case NPT_FAULT_MMIO:
	case NPT_FAULT_READONLY:
		if (unlikely(svm_of(vcpu)->vmcb->exit_int_info & SVM_EVENT_VALID))
			return delivery_failed(vcpu, outcome, hint->gpa);
		npt_vcpu_pull(vcpu);
		vcpu->cpu.ctr[NPT_CTR_emulated]++;
		hint->kind = outcome == NPT_FAULT_EMULATE ? NPT_EMUL_DONE :
			     outcome == NPT_FAULT_MMIO ? NPT_EMUL_MMIO : NPT_EMUL_ROM;
		return npt_emulate(vcpu, hint);
	default:
		if (npt_vm_dead(vcpu->vm))
			return -EIO;
		return vcpu->cpu.fatal ? -EINTR : -EFAULT;
	}
}

/* EXITINFO1: the fault was at the end of the guest's walk, not at one of its tables. */
#define NPF_FINAL BIT_ULL(32)

static int on_npf(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct npt_emul_hint hint = {
		.gpa = vmcb->exit_info2,
		.operand = vmcb->exit_info1 & NPF_FINAL,
		.write = vmcb->exit_info1 & X86_PF_WRITE,
	};

	return fault_outcome(vcpu, npt_hw_nested_fault(&vcpu->cpu, hint.gpa, vmcb->exit_info1),
			     &hint);
}

static int on_pf(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct npt_hw_fault f = {
		.gva = vmcb->exit_info2,
		.error_code = vmcb->exit_info1,
		.implicit = cpl(vcpu) == 3 && !(vmcb->exit_info1 & X86_PF_USER),
	};
	enum npt_fault_outcome outcome;
	struct npt_emul_hint hint;

	svm_pull_paging(vcpu);
	outcome = npt_hw_shadow_fault(&vcpu->cpu, &f);
	if (outcome == NPT_FAULT_GUEST) {
		npt_queue_pf(vcpu, f.error_code, f.gva);
		return 1;
	}
	/* Of MMIO and read-only memory it isn't known whether a table was there. */
	hint.gpa = f.gpa;
	hint.operand = outcome == NPT_FAULT_EMULATE;
	hint.write = f.error_code & X86_PF_WRITE;
	return fault_outcome(vcpu, outcome, &hint);
}

/* --- events --------------------------------------------------------------------------------- */

static int exit_debug(struct npt_vcpu *vcpu, u8 vector)
{
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;
	struct svm_vcpu *svm = svm_of(vcpu);

	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	memset(arch, 0, sizeof(*arch));
	arch->exception = vector;
	arch->pc = svm->vmcb->cs.base + vcpu->regs.rip;
	arch->dr6 = svm->vmcb->dr6;
	arch->dr7 = svm->vmcb->dr7;
	/* What the host met is not for the guest to see. */
	svm->vmcb->dr6 = vcpu->x86.debug.dr6;
	svm->clean &= ~SVM_CLEAN_DR;
	return 0;
}

/* Raised again for the guest: we only wanted to be sure that it ends. */
static int on_db(struct npt_vcpu *vcpu)
{
	if (vcpu->x86.guest_debug_control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return exit_debug(vcpu, DB_VECTOR);
	npt_vcpu_pull(vcpu);
	/* DR6 is the guest's already; nothing comes with it. */
	npt_queue_exception(vcpu, DB_VECTOR);
	return 1;
}

/* Taken only while user space has breakpoints in the guest's code. */
static int on_bp(struct npt_vcpu *vcpu)
{
	return exit_debug(vcpu, BP_VECTOR);
}

static int on_ac(struct npt_vcpu *vcpu)
{
	npt_queue_exception_error(vcpu, AC_VECTOR, 0);
	return 1;
}

/* The host's, whatever the guest did: as if it had come in the host's user mode. */
void svm_machine_check(void)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
}

/* Served when interrupts were switched on, when STGI let it in, or by svm_machine_check(). */
static int on_host_event(struct npt_vcpu *vcpu)
{
	return 1;
}

static int on_window(struct npt_vcpu *vcpu)
{
	if (!vcpu->x86.lapic && READ_ONCE(vcpu->run->request_interrupt_window) &&
	    !vcpu->x86.irq.queued && !vcpu->x86.irq.injected) {
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return 0;
	}
	return 1;
}

/* NMIs stay masked until the IRET has been executed. */
static int on_iret(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	svm->vmcb->intercept[SVM_X_IRET / 32] &= ~BIT(SVM_X_IRET % 32);
	svm->clean &= ~SVM_CLEAN_INTERCEPTS;
	svm->iret = true;
	svm->iret_rip = vcpu->regs.rip;
	return 1;
}

/* The VMCB's state is undefined now (APM vol. 2, 15.14.3): give it one. */
static int on_shutdown(struct npt_vcpu *vcpu)
{
	vcpu->x86.in_engine = false;
	npt_vcpu_reset(vcpu, true);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

static int on_task_switch(struct npt_vcpu *vcpu)
{
	u8 bytes[NPT_INSN_MAX];
	u32 n = fetch(vcpu, bytes);

	/* Hardware task switching: no guest of our time does it. */
	npt_exit_emulation(vcpu->run, bytes, n);
	return 0;
}

static int unknown(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	struct kvm_run *run = vcpu->run;

	/* Some write only half of it, among them QEMU. */
	if ((u32)vmcb->exit_code == (u32)SVM_X_INVALID) {
		run->exit_reason = KVM_EXIT_FAIL_ENTRY;
		run->fail_entry.hardware_entry_failure_reason = SVM_X_INVALID;
		run->fail_entry.cpu = svm_of(vcpu)->cpu;
		return 0;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = vmcb->exit_code;
	run->internal.data[1] = svm_of(vcpu)->cpu;
	return 0;
}

/* --- the table --------------------------------------------------------------- */

struct exit {
	int (*fn)(struct npt_vcpu *vcpu);
	u16 counter;
};

static const struct exit exits[] = {
	[SVM_X_READ_CR0] = { on_cr, NPT_CTR_exit_cr },
	[SVM_X_READ_CR0 + 3 ... SVM_X_READ_CR0 + 4] = { on_cr, NPT_CTR_exit_cr },
	[SVM_X_READ_CR0 + 8] = { on_cr, NPT_CTR_exit_cr },
	[SVM_X_WRITE_CR0] = { on_cr, NPT_CTR_exit_cr },
	[SVM_X_WRITE_CR0 + 3 ... SVM_X_WRITE_CR0 + 4] = { on_cr, NPT_CTR_exit_cr },
	[SVM_X_WRITE_CR0 + 8] = { on_cr, NPT_CTR_exit_cr },
	[SVM_X_READ_DR0 ... SVM_X_WRITE_DR0 + 15] = { on_dr, NPT_CTR_exit_dr },
	[SVM_X_EXCEPTION + 1] = { on_db, NPT_CTR_exit_exception },
	[SVM_X_BP] = { on_bp, NPT_CTR_exit_exception },
	[SVM_X_EXCEPTION + 14] = { on_pf, NPT_CTR_exit_pf },
	[SVM_X_EXCEPTION + 17] = { on_ac, NPT_CTR_exit_exception },
	[SVM_X_MC] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_INTR] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_NMI] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_SMI] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_INIT] = { on_host_event, NPT_CTR_exit_host },
	[SVM_X_VINTR] = { on_window, NPT_CTR_exit_window },
	[SVM_X_RDPMC] = { protection, NPT_CTR_exit_insn },
	[SVM_X_CPUID] = { on_cpuid, NPT_CTR_exit_cpuid },
	[SVM_X_RSM] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_IRET] = { on_iret, NPT_CTR_exit_window },
	[SVM_X_INVD] = { on_skip, NPT_CTR_exit_insn },
	[SVM_X_HLT] = { on_hlt, NPT_CTR_exit_hlt },
	[SVM_X_INVLPG] = { on_invlpg, NPT_CTR_exit_invlpg },
	[SVM_X_INVLPGA] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_IOIO] = { on_io, NPT_CTR_exit_io },
	[SVM_X_MSR] = { on_msr, NPT_CTR_exit_msr },
	[SVM_X_TASK_SWITCH] = { on_task_switch, NPT_CTR_exit_insn },
	[SVM_X_SHUTDOWN] = { on_shutdown, NPT_CTR_exit_shutdown },
	[SVM_X_VMRUN] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_VMMCALL] = { on_vmmcall, NPT_CTR_exit_insn },
	[SVM_X_VMLOAD ... SVM_X_SKINIT] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_RDTSCP] = { on_rdtscp, NPT_CTR_exit_insn },
	[SVM_X_WBINVD] = { on_skip, NPT_CTR_exit_insn },
	[SVM_X_MONITOR ... SVM_X_MWAIT_ARMED] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_XSETBV] = { on_xsetbv, NPT_CTR_exit_insn },
	[SVM_X_RDPRU] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_INVLPGB] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_INVPCID] = { undefined, NPT_CTR_exit_insn },
	[SVM_X_MCOMMIT] = { undefined, NPT_CTR_exit_insn },
};

int svm_exit(struct npt_vcpu *vcpu)
{
	u64 code = svm_of(vcpu)->vmcb->exit_code, *ctr = vcpu->cpu.ctr;

	svm_of(vcpu)->insn_len = 0;
	ctr[NPT_CTR_exits]++;
	/* By far the most frequent, and far away in the table. */
	if (code == SVM_X_NPF) {
		ctr[NPT_CTR_exit_npf]++;
		return on_npf(vcpu);
	}
	if (code < ARRAY_SIZE(exits) && exits[code].fn) {
		code = array_index_nospec(code, ARRAY_SIZE(exits));
		ctr[exits[code].counter]++;
		return exits[code].fn(vcpu);
	}
	ctr[NPT_CTR_exit_unknown]++;
	return unknown(vcpu);
}

#endif /* NPT_HAVE_SVM */
