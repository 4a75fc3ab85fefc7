/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the svm engine share among themselves. */
#ifndef NPT_SVM_H
#define NPT_SVM_H

#include <linux/percpu.h>
#include "../../npt.h"
#include "vmcb.h"

/* What this kind of processor has, CPUID 8000_000A_EDX (APM vol. 3, appendix E). */
#define SVM_HAS_NPT		BIT(0)
#define SVM_HAS_NRIPS		BIT(3)
#define SVM_HAS_TSC_RATIO	BIT(4)
#define SVM_HAS_CLEAN		BIT(5)
#define SVM_HAS_FLUSH_ASID	BIT(6)
#define SVM_HAS_DECODE		BIT(7)

extern u32 svm_features;	/* const once somebody has been served */

/* A physical processor. Its own, with interrupts off, but for making and unmaking. */
struct svm_cpu {
	bool on;		/* SVM is on and the save area is set */
	struct page *hsave;	/* where VMRUN keeps the host */
	struct page *host;	/* where VMSAVE keeps the rest of it */
	u64 generation;		/* of ASIDs; grows when they run out; 0: never on */
	u32 next_asid, min_asid, max_asid;
	const struct npt_vcpu *last;	/* who ran here last: only ever compared */
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpus);

#define SVM_GAVE_NOTHING	0
#define SVM_GAVE_EXCEPTION	1
#define SVM_GAVE_NMI		2
#define SVM_GAVE_INTERRUPT	3

/* What the engine keeps of a vCPU: vcpu->engine_data. */
struct svm_vcpu {
	struct npt_vmcb *vmcb;
	u64 vmcb_pa;
	bool nested;		/* const: nested paging, else shadow tables */
	bool in_guest;		/* written by its thread, read by who wants it out */
	int cpu;		/* on which it ran last; -1: none */
	u64 generation;		/* of the ASID in the VMCB, on that CPU */
	u64 flushes;		/* cpu.hw_flushes that the ASID has seen */
	u32 clean;		/* SVM_CLEAN_* for the next entry */
	u32 resumes;		/* npt_tsc_resumes that the VMCB's TSC offset knows of */
	bool window;		/* waits for the interrupt window */
	u8 given;		/* SVM_GAVE_* at the last entry */
	bool iret;		/* NMIs are unmasked once RIP has left iret_rip */
	u64 iret_rip;
	bool step;		/* RFLAGS.TF is ours, for one instruction: an NMI waits for it */
	bool stepped;		/* it was, when the guest ran last */
	u8 insn_len;		/* of the one that exited, 0: not decoded yet */
};

/* Did VMRUN refuse the state? Some write only half of the code, among them QEMU. */
static inline bool svm_refused(const struct npt_vmcb *vmcb)
{
	return (u32)vmcb->exit_code == (u32)SVM_X_INVALID;
}

static inline struct svm_vcpu *svm_of(const struct npt_vcpu *vcpu)
{
	return vcpu->engine_data;
}

/* --- hw.c: the processors ------------------------------------------------ */

/* Can SVM be had? 0, -EOPNOTSUPP, -EBUSY; *why says more. May sleep. */
int svm_probe(const char **why);
/* The first user turns SVM on everywhere, the last off. 0, -EOPNOTSUPP, -EBUSY or -ENOMEM. */
int svm_hw_get(void);
void svm_hw_put(void);
/* The module goes. */
void svm_hw_exit(void);
/* Interrupts off: an ASID under which nothing stale is cached, and tlb_control. */
void svm_asid(struct npt_vcpu *vcpu, struct svm_cpu *cpu);
/* Interrupts off, after VMRUN refused the state: no flush that it was asked for is relied on. */
void svm_nothing_done(struct svm_vcpu *svm, struct svm_cpu *cpu);
/* Interrupts off: what must not leak from one vCPU to the next on this CPU. */
void svm_switch_barrier(struct npt_vcpu *vcpu, struct svm_cpu *cpu);
/* Permission maps, all VMs' own: every port exits, all but a few MSRs exit. */
extern u64 svm_iopm_pa, svm_msrpm_pa;

/* --- tsc_aux.c: interrupts off -------------------------------------------- */

/* SVM goes on or off on this processor. */
void svm_tsc_aux_on(void);
void svm_tsc_aux_off(void);
/* TSC_AUX is the guest's until the processor returns to user space. */
void svm_tsc_aux_enter(const struct npt_vcpu *vcpu);

/* --- state.c: VMCB and struct npt_vcpu ------------------------------------- */

void svm_init_vmcb(struct npt_vcpu *vcpu);
void svm_pull(struct npt_vcpu *vcpu);
/* Bring what changed outside into the VMCB. */
void svm_push(struct npt_vcpu *vcpu);
/* Paging registers, rights and mode alone, for the MMU's work. */
void svm_pull_paging(struct npt_vcpu *vcpu);
/* The guest's control registers in the form that the processor runs with. */
void svm_push_paging(struct npt_vcpu *vcpu);

/* --- inject.c: events -------------------------------------------------------- */

/* After an exit: what was being delivered is to be delivered again. */
void svm_reap_events(struct npt_vcpu *vcpu);
/* Before an entry: choose one event, or ask for the window. */
void svm_inject(struct npt_vcpu *vcpu);
/* User space has the PIC: has it asked for an exit as soon as it may interrupt, and may it now? */
bool svm_user_window(const struct npt_vcpu *vcpu);
/* What kvm_run.ready_for_interrupt_injection says. */
bool svm_user_ready(const struct npt_vcpu *vcpu);

/* --- run.c --------------------------------------------------------------------- */

void svm_set_mp_state(struct npt_vcpu *vcpu, u32 state);
/* KVM_EXIT_FAIL_ENTRY, on that processor. 0. */
int svm_fail_entry(struct npt_vcpu *vcpu, u64 reason, int cpu);

/* --- exit.c -------------------------------------------------------------------- */

/* 1: go on; 0: to user space, vcpu->run is filled; or an error. */
int svm_exit(struct npt_vcpu *vcpu);
/* Interrupts off, on the processor that the guest left because of it. */
void svm_machine_check(void);

/* --- enter.S ---------------------------------------------------------------------- */

int npt_svm_enter(struct kvm_regs *regs, u64 vmcb, u64 host, u64 guest_spec, u64 host_spec);

#endif /* NPT_SVM_H */
