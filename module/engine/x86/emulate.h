/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Executing one guest instruction in software: one that touches MMIO, or that
 * writes a guest page table which is shadowed.
 *
 * Two parts. The core (emulate.c, string.c, operand.c, alu.c) knows
 * instructions, registers and segments, and reaches memory only through struct
 * npt_emul_ops; it builds in user space, where it is compared with a processor.
 * The other part (emulate_vcpu.c, io.c) connects it to a vCPU.
 */
#ifndef NPT_EMULATE_H
#define NPT_EMULATE_H

#include <linux/kvm.h>
#include "decode.h"

struct npt_io;
struct npt_vcpu;

/* --- for engines -------------------------------------------------------- */

/*
 * All of these run in the vCPU's thread, under vcpu->mutex and vcpu->cpu_lock,
 * may sleep, and want the state pulled (npt_vcpu_pull()) by the caller, but for
 * npt_io() without string, which looks at vcpu->regs alone. What they change
 * they mark in x86.dirty. They return
 *   1   go on: the instruction is done, or part of a repeated one, or an
 *       exception is queued, or something has changed so that the guest should
 *       just try again
 *   0   exit to user space, vcpu->run says why
 *   <0  the ioctl's error: -EFAULT, -EINTR, -ENOMEM, -EIO
 * An instruction that completes moves RIP, clears x86.interrupt_shadow and
 * RFLAGS.RF, and raises the single-step #DB if RFLAGS.TF was set. The guest's
 * FPU state must be loaded (npt_fpu_load()), interrupts are on.
 */

/* What the processor has found out before it gave up. */
struct npt_emul_hint {
	u64 gpa;	/* what the nested or shadow fault was about */
	bool operand;	/* that is an operand's, not a table's; its rights are checked */
	bool write;	/* and it was to be written */
	u8 kind;	/* enum npt_emul_end: DONE there is memory; MMIO, ROM */
};

/*
 * Execute the instruction at CS:RIP. Whatever it does is done by the manual:
 * segment and page faults are queued, memory is written with page tables being
 * tracked, MMIO goes to the local APIC or becomes KVM_EXIT_MMIO. An instruction
 * that is not known here: if hint->gpa is in a shadowed guest table, its shadow
 * is dropped and the guest tries again; else KVM_INTERNAL_ERROR_EMULATION with
 * the instruction's bytes. @hint NULL: nothing is known.
 */
int npt_emulate(struct npt_vcpu *vcpu, const struct npt_emul_hint *hint);
/*
 * Read or write @len bytes at the memory operand of @insn, the instruction at CS:RIP, for
 * whoever carries it out. False: that can't be, and *ret is to be returned as npt_emulate()
 * does; a device's memory exits to user space. Registers pulled.
 */
bool npt_memory_operand(struct npt_vcpu *vcpu, const struct npt_insn *insn, void *buf, u32 len,
			bool write, int *ret);

/*
 * IN, OUT, INS, OUTS: KVM_EXIT_IO with the data in vcpu->pio. Rights to the
 * port are checked (by the processor, before the exit). A repeated one that is
 * not done yet leaves RIP where it is: the guest executes it again.
 */
int npt_io(struct npt_vcpu *vcpu, const struct npt_io *io);

/*
 * Does user space owe an answer? Then KVM_RUN begins with the next function,
 * even if it is to leave again at once (immediate_exit, a signal): it takes what
 * was answered to KVM_EXIT_MMIO or KVM_EXIT_IO and ends the instruction. If
 * user space has moved RIP meanwhile, the answer is dropped.
 */
bool npt_userspace_pending(const struct npt_vcpu *vcpu);
int npt_userspace_complete(struct npt_vcpu *vcpu);

/*
 * An instruction has been carried out in software: RIP becomes @rip, and
 * everything else that belongs to its end. 1, or 0 for KVM_EXIT_DEBUG. Any
 * exit handler may use it.
 */
int npt_insn_done(struct npt_vcpu *vcpu, u64 rip);

/*
 * How long is the instruction at CS:RIP? *len is 0 if it can't be read: then what is
 * to be returned in its place, as npt_emulate() does. Registers pulled.
 */
int npt_insn_measure(struct npt_vcpu *vcpu, u8 *len);

/* May what stands at CS:RIP and is stopped by @gpa be tried once more? Not for ever. */
bool npt_may_retry(struct npt_vcpu *vcpu, u64 gpa);

/* KVM_EXIT_INTERNAL_ERROR for an instruction nobody here executes; @len 0: bytes unknown. */
void npt_exit_emulation(struct kvm_run *run, const u8 *bytes, u32 len);
/* KVM_EXIT_DEBUG: #DB or #BP that is user space's. Registers pulled. */
void npt_exit_debug(struct npt_vcpu *vcpu, u8 vector, u64 dr6);

/* The vCPU is going. */
void npt_emulate_free(struct npt_vcpu *vcpu);

/* --- the core ----------------------------------------------------------- */

/* How a step, or something within it, ended. */
enum npt_emul_end {
	NPT_EMUL_DONE,
	NPT_EMUL_AGAIN,		/* one element of a repeated instruction is done; RIP stays */
	NPT_EMUL_FAULT,		/* an exception: vector, error, cr2; nothing has changed */
	NPT_EMUL_WAIT,		/* a read of MMIO waits for its answer; nothing has changed */
	NPT_EMUL_UNKNOWN,	/* not an instruction that is emulated; nothing has changed */
	NPT_EMUL_RETRY,		/* memory changed under a locked operation */
	NPT_EMUL_ERROR,		/* ->err */
	/* Of ->access() alone: no memory at *gpa, or none to be written. */
	NPT_EMUL_MMIO,
	NPT_EMUL_ROM,
};

struct npt_emul;

struct npt_emul_ops {
	/*
	 * Translate linear address @lin for @op (NPT_OP_READ or NPT_OP_WRITE)
	 * of @len bytes within one 4K page, with all that goes with it: rights,
	 * accessed and dirty bits. With @buf the bytes are moved as well. *gpa
	 * is valid for DONE, MMIO, ROM.
	 */
	enum npt_emul_end (*access)(struct npt_emul *e, u64 lin, u8 op, void *buf, u32 len,
				    u64 *gpa);
	/* Memory that access() has translated, within a page. */
	enum npt_emul_end (*read)(struct npt_emul *e, u64 gpa, void *buf, u32 len);
	enum npt_emul_end (*write)(struct npt_emul *e, u64 gpa, const void *buf, u32 len);
	/* Write @new if @old is there, in one piece; else RETRY. */
	enum npt_emul_end (*exchange)(struct npt_emul *e, u64 gpa, const void *old,
				      const void *new, u32 len);
	/* At most 8 bytes. A write takes effect after the step: it never has to wait. */
	enum npt_emul_end (*mmio_read)(struct npt_emul *e, u64 gpa, void *buf, u32 len);
	enum npt_emul_end (*mmio_write)(struct npt_emul *e, u64 gpa, const void *buf, u32 len);
	/* Read or write register XMM@reg, 16 bytes. */
	void (*xmm)(struct npt_emul *e, u8 reg, void *buf, bool write);
};

/* One instruction being executed. */
struct npt_emul {
	/* the caller's */
	const struct npt_emul_ops *ops;
	struct kvm_regs *regs;		/* changed when an instruction (or element) is done */
	const struct kvm_sregs *sregs;	/* of it, only segments are looked at */
	u8 mode;			/* enum npt_cpu_mode */
	u8 va_bits;			/* of canonical addresses: 48 or 57 */
	bool protect;			/* protected mode, and not virtual-8086 mode */
	bool align;			/* alignment checks are on: CR0.AM, RFLAGS.AC, CPL 3 */

	/* the core's */
	struct npt_insn insn;
	u8 size;		/* of the operand: 1, 2, 4 or 8 */
	bool single;		/* that is its only access to memory */

	/* NPT_EMUL_FAULT */
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;		/* #PF */
	int err;		/* NPT_EMUL_ERROR */
};

/* Execute e->insn, which has been decoded, or one element of it if it is repeated. */
enum npt_emul_end npt_emul_step(struct npt_emul *e);

/* The mode that the code segment makes; @long_mode: EFER.LMA. */
enum npt_cpu_mode npt_emul_mode(const struct kvm_sregs *sregs, bool long_mode);

#endif /* NPT_EMULATE_H */
