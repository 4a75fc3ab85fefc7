/* SPDX-License-Identifier: GPL-2.0 */
/* The core of the emulator in the hands of a vCPU: for emulate_vcpu.c, mmio.c and io.c. */
#ifndef NPT_EMULATE_VCPU_H
#define NPT_EMULATE_VCPU_H

#include "emulate.h"
#include "npt.h"

struct npt_vcpu_emul {
	struct npt_emul e;
	struct npt_vcpu *vcpu;
	const struct npt_emul_hint *hint;	/* or NULL */
};

static inline struct npt_vcpu *npt_emul_vcpu(struct npt_emul *e)
{
	return container_of(e, struct npt_vcpu_emul, e)->vcpu;
}

/* --- emulate_vcpu.c ----------------------------------------------------- */

void npt_emul_begin(struct npt_vcpu_emul *v, struct npt_vcpu *vcpu, const struct npt_emul_ops *ops);
/*
 * Fetch and decode the instruction at CS:RIP: true, and *n bytes of it were there;
 * or false, and *ret is what npt_emulate() is to return. What is no instruction, or
 * lies where there is no memory, exits to user space; what the guest's tables
 * no longer map is a fault of the guest's.
 */
bool npt_emul_fetch(struct npt_vcpu_emul *v, u8 *bytes, u32 *n, int *ret);
/* npt_emulate() of an instruction that has been fetched before: @n bytes of it. */
int npt_emulate_again(struct npt_vcpu *vcpu, const struct npt_emul_hint *hint, const u8 *bytes,
		      u32 n);
/* A step ended as FAULT, ERROR or RETRY. */
int npt_emul_failed(struct npt_vcpu_emul *v, enum npt_emul_end end);
/* Of an instruction that is carried out elsewhere: the same, and UNKNOWN too. */
int npt_emul_outside(struct npt_vcpu_emul *v, enum npt_emul_end end);
/* KVM_EXIT_DEBUG for a single step. */
void npt_exit_step(struct npt_vcpu *vcpu);
/* Linear address of the next instruction. */
u64 npt_linear_rip(const struct npt_vcpu *vcpu);

/* For those: nothing comes from, or goes to, a device's memory (UNKNOWN). */
extern const struct npt_emul_ops npt_memory_ops;

/* Members of struct npt_emul_ops. */
enum npt_emul_end npt_emul_access(struct npt_emul *e, u64 lin, u8 op, void *buf, u32 len,
				  u64 *gpa);
enum npt_emul_end npt_emul_mem_read(struct npt_emul *e, u64 gpa, void *buf, u32 len);
enum npt_emul_end npt_emul_mem_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len);
enum npt_emul_end npt_emul_exchange(struct npt_emul *e, u64 gpa, const void *old,
				    const void *new, u32 len);
void npt_emul_xmm(struct npt_emul *e, u8 reg, void *buf, bool write);

/* --- mmio.c: what user space is asked, and told -------------------------- */

enum npt_emul_end npt_mmio_read(struct npt_emul *e, u64 gpa, void *buf, u32 len);
enum npt_emul_end npt_mmio_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len);

/* A step is done: its answers are used up. Its writes wait. */
void npt_mmio_done(struct npt_vcpu *vcpu);
/* It came to nothing. */
void npt_mmio_forget(struct npt_vcpu *vcpu);
/* The instruction is begun again: answers so far come again, writes so far don't count. */
void npt_mmio_again(struct npt_vcpu *vcpu);
bool npt_mmio_has_writes(const struct npt_vcpu *vcpu);
/*
 * Fill vcpu->run: a read that was missing (WAIT), or the first of the writes, which
 * KVM_EXIT_DEBUG follows if @debug.
 */
void npt_mmio_exit_read(struct npt_vcpu *vcpu, const struct npt_emul_hint *hint,
			const u8 *bytes, u32 n);
void npt_mmio_exit_write(struct npt_vcpu *vcpu, bool debug);
bool npt_mmio_waiting(const struct npt_vcpu *vcpu);
int npt_mmio_complete(struct npt_vcpu *vcpu);

/* --- io.c ---------------------------------------------------------------- */

int npt_io_complete(struct npt_vcpu *vcpu);

#endif /* NPT_EMULATE_VCPU_H */
