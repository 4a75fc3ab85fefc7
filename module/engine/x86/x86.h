/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a vCPU of a hardware engine has besides its paging context: the rest of
 * an x86 processor's state, and what is done to it in software. svm and vmx
 * share all of this room.
 *
 * Where state lives: while a vCPU runs, the engine's control block holds some
 * of it (RIP, RSP, RAX, RFLAGS, segments, control and some model-specific
 * registers). npt_vcpu_pull() brings everything into struct npt_vcpu; whoever
 * then changes a part sets its bit in x86.dirty, and the engine loads that part
 * before the next entry. Both are cheap if there is nothing to do.
 */
#ifndef NPT_X86_H
#define NPT_X86_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <linux/wait.h>

struct npt_vcpu;
struct npt_vm;
struct npt_lapic;
struct npt_routing;
struct npt_fpu;

/* Parts of a vCPU's state, for npt_x86.dirty. */
#define NPT_X86_REGS	BIT(0)	/* vcpu->regs: RIP, RSP, RAX, RFLAGS */
#define NPT_X86_SREGS	BIT(1)	/* vcpu->sregs' segments and tables; CR0, CR2-CR4, CR8, EFER */
#define NPT_X86_MSRS	BIT(2)	/* struct npt_msrs */
#define NPT_X86_DEBUG	BIT(3)	/* struct npt_debug */
#define NPT_X86_ALL	0xf

/* Model-specific registers that the guest really has; others are computed. */
struct npt_msrs {
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 pat, tsc_aux, spec_ctrl;
	u64 debugctl, misc_enable, mcg_status, mcg_cap;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_var[16];
	u64 tsc_offset;		/* guest TSC = host TSC + npt_tsc_lost + this */
	u64 tsc_adjust;
	u64 microcode;
	u64 hwcr;
	u64 perf_ctl[4], perf_ctr[4];	/* written and read back; they count nothing */
};

struct npt_debug {
	u64 db[4], dr6, dr7;
};

/* An exception that waits to be delivered, or whose delivery was interrupted. */
struct npt_exception {
	bool pending;		/* raised by software, not yet given to the processor */
	bool injected;		/* given to it, and not yet seen to arrive */
	bool has_error;
	u8 vector;
	u32 error;
	u64 payload;		/* #PF: CR2; set when it is delivered */
	bool has_payload;
};

struct npt_interrupt {
	bool injected;		/* given to the processor, and not yet seen to arrive */
	bool soft;		/* INT n */
	u8 vector;
	bool queued;		/* KVM_INTERRUPT: waits for the window */
};

struct npt_nmi {
	u8 pending;		/* at most two */
	bool injected;
	bool masked;		/* until IRET */
};

/* A port instruction that was intercepted (APM vol. 2, 15.10.2). */
struct npt_io {
	u64 next_rip;	/* behind it */
	u16 port;
	u8 size;	/* 1, 2 or 4 */
	u8 asize;	/* 2, 4 or 8; string forms only */
	u8 seg;		/* OUTS: enum npt_seg, or NPT_NO_REG to have it decoded */
	bool in, string, rep;
};

/* One that user space has been told of and not yet answered. */
struct npt_pio {
	bool waiting;
	bool kept;		/* the answer is there, and could not be written: see io.c */
	u32 count;		/* elements in the vCPU's pio page */
	u64 rip;		/* of the instruction */
	struct npt_io io;
};

#define NPT_MAX_CPUID 256

/* CPUID as KVM_SET_CPUID2 gave it. */
struct npt_cpuid {
	u32 nr;
	struct kvm_cpuid_entry2 ent[];
};

/* Requests: what must be looked at before the guest is entered. Atomic bits. */
enum npt_request {
	NPT_REQ_EVENT,		/* an interrupt or NMI may be deliverable */
	NPT_REQ_LOOK,		/* somebody waits for cpu_lock */
	NPT_REQ_TRIPLE_FAULT,
	NPT_REQ_TIMER,		/* the local APIC's timer went off */
	NPT_REQ_EOI_EXIT,	/* user space's IOAPIC must know of an EOI: npt_lapic_eoi_exit() */
	NPT_REQ_NMI,		/* npt_nmi_collect() */
};

/* All fields: vcpu->mutex, but where said. */
struct npt_x86 {
	u32 dirty;		/* NPT_X86_* changed outside the engine */
	bool in_engine;		/* the engine's control block is newer than our copy */
	unsigned long requests;	/* atomic bits, enum npt_request; any context sets them */

	struct npt_msrs msrs;
	struct npt_debug debug;
	struct npt_exception exc;
	struct npt_interrupt irq;
	struct npt_nmi nmi;
	atomic_t nmi_raised;	/* NMIs that came since npt_nmi_collect(); any context */
	bool interrupt_shadow;	/* after STI or MOV SS */
	bool guest_debug;	/* KVM_SET_GUEST_DEBUG is in force */
	u32 guest_debug_control;	/* 0 unless guest_debug */
	struct npt_debug guest_debug_regs;
	u64 xcr0, xss;
	u32 pkru;
	u32 host_pkru;		/* the thread's, while the guest has its own */
	u64 host_xcr0, host_xss;	/* const once fpu is there */
	bool ran;		/* it has been in KVM_RUN: CPUID is settled */
	struct npt_cpuid *cpuid;	/* NULL: none set; replaced whole */
	u64 features;		/* BIT(enum npt_feature), from cpuid */
	struct npt_fpu *fpu;
	struct npt_lapic *lapic;	/* NULL without KVM_CREATE_IRQCHIP */
	u32 mp_state;		/* KVM_MP_STATE_*; changed by others under wq.lock */
	wait_queue_head_t wq;	/* sleeps here in HLT and while waiting for SIPI */
	sigset_t sigmask;	/* KVM_SET_SIGNAL_MASK */
	bool sigmask_set;

	/* Instructions that user space has a part in: see emulate.h. */
	struct npt_pio pio;
	struct npt_mmio *mmio;	/* NULL until the first */
	u64 retry_rip, retry_gpa;	/* the last instruction that was given back unemulated, */
	u32 retries;		/* and how often in a row */
};

/* One for each VM; const once a vCPU exists, but where said. */
struct npt_x86_vm {
	bool irqchip;		/* KVM_CREATE_IRQCHIP was called */
	bool split_irqchip;
	u64 bsp_id;
	bool ids_changed;	/* a guest gave an APIC another ID; any context sets it */
	bool x2apic_wide;	/* KVM_X2APIC_API_USE_32BIT_IDS; set at any time */
	bool x2apic_no_broadcast8;	/* KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK; likewise */
	u32 last_lowest;	/* vCPU that the last lowest-priority interrupt went to; racy */
	struct npt_routing __rcu *routing;	/* vm->lock to change it; RCU */
	u64 identity_map, tss_addr;	/* kept and ignored, they are Intel's */
	bool triple_fault_event;	/* KVM_CAP_X86_TRIPLE_FAULT_EVENT is on */
	bool exception_payload;	/* KVM_CAP_EXCEPTION_PAYLOAD is on */
	u32 max_vcpu_ids;	/* KVM_CAP_MAX_VCPU_ID, 0: not limited; vm->lock */
	u32 nr_mmu_pages;	/* KVM_SET_NR_MMU_PAGES; kept, 0: not set */
	u64 tsc_offset;		/* a new vCPU's, and the last that user space set; atomic */
};

#endif /* NPT_X86_H */
