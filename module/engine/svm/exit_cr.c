// SPDX-License-Identifier: GPL-2.0
/* Control and debug registers that the guest reads and writes. */
#include <linux/nospec.h>
#include <asm/processor-flags.h>
#include "../../compat.h"
#include "../x86/cpuid.h"
#include "../x86/emulate.h"
#include "../x86/lapic.h"
#include "../x86/state.h"
#include "exit.h"

/* DR7.GD, and what DR6 says of it. */
#define DR_GENERAL_DETECT BIT(13)
#define DR_GD_HIT BIT(13)

/* --- control and debug registers ------------------------------------------ */

static int set_paging(struct npt_vcpu *vcpu, const struct npt_regs *r)
{
	bool was_long = vcpu->cpu.regs.efer & EFER_LMA;

	if (npt_cpu_set_regs(&vcpu->cpu, r))
		return svm_protection(vcpu);
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
		return svm_protection(vcpu);
	r.cr0 = (value & 0xe005003f) | X86_CR0_ET;
	if ((r.cr0 & X86_CR0_PG) && !(vcpu->cpu.regs.cr0 & X86_CR0_PG) && (r.efer & EFER_LME)) {
		/* A 64-bit code segment can't be there before long mode is. */
		if (!(r.cr4 & X86_CR4_PAE) || (vmcb->cs.attrib & BIT(9)))
			return svm_protection(vcpu);
		r.efer |= EFER_LMA;
	}
	if (!(r.cr0 & X86_CR0_PG)) {
		if ((vcpu->cpu.regs.cr0 & X86_CR0_PG) &&
		    ((r.cr4 & X86_CR4_PCIDE) || svm_cpu_mode(vcpu) == NPT_MODE_64))
			return svm_protection(vcpu);
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
		return svm_protection(vcpu);
	return svm_skip(vcpu);
}

static int set_cr4(struct npt_vcpu *vcpu, u64 value)
{
	struct npt_regs r = vcpu->cpu.regs;

	if (value & ~npt_guest_cr4_bits(vcpu))
		return svm_protection(vcpu);
	/* Neither may change while long mode is on (APM vol. 2, 3.1.3). */
	if ((r.efer & EFER_LMA) && ((value ^ r.cr4) & X86_CR4_LA57))
		return svm_protection(vcpu);
	/* PCIDE comes only while the present PCID is 0. */
	if ((value & ~r.cr4 & X86_CR4_PCIDE) && (r.cr3 & 0xfff))
		return svm_protection(vcpu);
	r.cr4 = value;
	return set_paging(vcpu, &r);
}

static int set_cr8(struct npt_vcpu *vcpu, u64 value)
{
	u8 old = vcpu->sregs.cr8;
	int ret;

	if (value > 15)
		return svm_protection(vcpu);
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
	if (svm_cpu_mode(vcpu) != NPT_MODE_64)
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
		return svm_undefined(vcpu);
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
static int load_msw(struct npt_vcpu *vcpu, u16 msw)
{
	return set_cr0(vcpu, (vcpu->cpu.regs.cr0 & ~0xeULL) | (msw & 0xf));
}

static int on_msw(struct npt_vcpu *vcpu, const struct npt_insn *insn, bool write)
{
	u64 cr0 = vcpu->cpu.regs.cr0;
	u16 msw = cr0;
	int ret;

	if (insn->map != NPT_MAP_0F)
		return svm_undefined(vcpu);
	if (insn->opcode == OP_CLTS)
		return set_cr0(vcpu, cr0 & ~(u64)X86_CR0_TS);
	if (insn->opcode != OP_SYSTEM)
		return svm_undefined(vcpu);
	npt_vcpu_pull(vcpu);
	if (insn->mem && !npt_memory_operand(vcpu, insn, &msw, sizeof(msw), !write, &ret))
		return ret;
	if (write)
		return load_msw(vcpu, insn->mem ? msw : *svm_gpr(vcpu, insn->rm));
	if (insn->mem)
		return svm_skip(vcpu);
	switch (insn->osize) {
	case 2:
		*(u16 *)svm_gpr(vcpu, insn->rm) = cr0;
		break;
	case 4:
		*svm_gpr(vcpu, insn->rm) = (u32)cr0;
		break;
	default:
		*svm_gpr(vcpu, insn->rm) = cr0;
	}
	return svm_skip(vcpu);
}

int svm_on_cr(struct npt_vcpu *vcpu)
{
	const struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;
	unsigned int cr = vmcb->exit_code & 15, reg;
	bool write = vmcb->exit_code & 0x10;
	struct npt_insn insn;
	int ret;

	svm_pull_paging(vcpu);
	if ((svm_features & SVM_HAS_DECODE) && (vmcb->exit_info1 & BIT_ULL(63))) {
		reg = vmcb->exit_info1 & 15;
	} else {
		if (!svm_decode(vcpu, &insn, &ret))
			return ret;
		if (insn.map != NPT_MAP_0F ||
		    (insn.opcode != OP_MOV_FROM_CR && insn.opcode != OP_MOV_TO_CR))
			return cr ? svm_undefined(vcpu) : on_msw(vcpu, &insn, write);
		reg = insn.rm;
	}
	if (write)
		return set_cr(vcpu, cr, *svm_gpr(vcpu, reg));
	if (svm_cpu_mode(vcpu) == NPT_MODE_64)
		*svm_gpr(vcpu, reg) = get_cr(vcpu, cr);
	else
		*(u32 *)svm_gpr(vcpu, reg) = get_cr(vcpu, cr);
	return svm_skip(vcpu);
}

/* APM vol. 2, 13.1.1: DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. */
int svm_on_dr(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	unsigned int dr = svm->vmcb->exit_code & 15, reg;
	bool write = svm->vmcb->exit_code & 0x10;
	struct npt_debug *d = &vcpu->x86.debug;
	struct npt_insn insn;
	u64 value;
	int ret;

	if (svm_features & SVM_HAS_DECODE) {
		reg = svm->vmcb->exit_info1 & 15;
	} else {
		if (!svm_decode(vcpu, &insn, &ret))
			return ret;
		reg = insn.rm;
	}
	npt_vcpu_pull(vcpu);
	if (dr == 4 || dr == 5) {
		if (vcpu->cpu.regs.cr4 & X86_CR4_DE)
			return svm_undefined(vcpu);
		dr += 2;
	}
	if (dr > 7)
		return svm_undefined(vcpu);
	if (d->dr7 & DR_GENERAL_DETECT) {
		npt_queue_db(vcpu, DR_GD_HIT);
		return 1;
	}
	if (!write) {
		value = dr < 4 ? d->db[array_index_nospec(dr, 4)] : dr == 6 ? d->dr6 : d->dr7;
		if (svm_cpu_mode(vcpu) == NPT_MODE_64)
			*svm_gpr(vcpu, reg) = value;
		else
			*(u32 *)svm_gpr(vcpu, reg) = value;
		return svm_skip(vcpu);
	}
	value = *svm_gpr(vcpu, reg);
	if (svm_cpu_mode(vcpu) != NPT_MODE_64)
		value = (u32)value;
	if (dr < 4) {
		d->db[array_index_nospec(dr, 4)] = value;
	} else {
		if (value >> 32)
			return svm_protection(vcpu);
		if (dr == 6)
			d->dr6 = (value & 0xe00f) | 0xffff0ff0;
		else
			d->dr7 = (value & ~0xd000ULL) | 0x400;
	}
	vcpu->x86.dirty |= NPT_X86_DEBUG;
	return svm_skip(vcpu);
}
