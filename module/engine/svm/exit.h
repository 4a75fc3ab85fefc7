/* SPDX-License-Identifier: GPL-2.0 */
/* Exit handlers, by topic; what they share. Of the answers see exit.c. */
#ifndef NPT_SVM_EXIT_H
#define NPT_SVM_EXIT_H

#include "../x86/decode.h"
#include "../x86/operand.h"
#include "svm.h"

#define DB_VECTOR 1
#define BP_VECTOR 3
#define UD_VECTOR 6
#define GP_VECTOR 13
#define AC_VECTOR 17

static inline u64 *svm_gpr(struct npt_vcpu *vcpu, unsigned int n)
{
	return npt_gpr(&vcpu->regs, n);
}

static inline u8 svm_cpl(const struct npt_vcpu *vcpu)
{
	return svm_of(vcpu)->vmcb->cpl;
}

/* --- exit_insn.c: the instruction, and those that are simple -------------- */

int svm_undefined(struct npt_vcpu *vcpu);
int svm_protection(struct npt_vcpu *vcpu);
enum npt_cpu_mode svm_cpu_mode(const struct npt_vcpu *vcpu);
/*
 * The bytes at RIP, as many as there are up to 15; 0: they are gone (another
 * vCPU changed the tables): then the guest is to run into that by itself.
 */
u32 svm_fetch(struct npt_vcpu *vcpu, u8 *bytes);
/*
 * The instruction whole, for operands that the processor does not report. False:
 * it can't be read, and *ret is what the handler is to return.
 */
bool svm_decode(struct npt_vcpu *vcpu, struct npt_insn *insn, int *ret);
/* Move RIP past the instruction that exited; 1, or as svm_exit(). */
int svm_skip(struct npt_vcpu *vcpu);

int svm_on_cpuid(struct npt_vcpu *vcpu);
int svm_on_hlt(struct npt_vcpu *vcpu);
int svm_on_invlpg(struct npt_vcpu *vcpu);
int svm_on_io(struct npt_vcpu *vcpu);
int svm_on_msr(struct npt_vcpu *vcpu);
int svm_on_vmmcall(struct npt_vcpu *vcpu);
int svm_on_xsetbv(struct npt_vcpu *vcpu);

/* --- exit_cr.c: control and debug registers ------------------------------- */

int svm_on_cr(struct npt_vcpu *vcpu);
int svm_on_dr(struct npt_vcpu *vcpu);

/* --- exit_fault.c: faults and other exceptions ---------------------------- */

int svm_on_npf(struct npt_vcpu *vcpu);
int svm_on_pf(struct npt_vcpu *vcpu);
int svm_on_db(struct npt_vcpu *vcpu);
int svm_on_bp(struct npt_vcpu *vcpu);
int svm_on_ac(struct npt_vcpu *vcpu);

#endif /* NPT_SVM_EXIT_H */
