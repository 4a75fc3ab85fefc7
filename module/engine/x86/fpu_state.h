/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where FPU state is kept, for fpu.c alone. Two files do the same: fpu_kernel.c
 * with the kernel's guest-FPU helpers, fpu_own.c where it has none for us.
 */
#ifndef NPT_FPU_STATE_H
#define NPT_FPU_STATE_H

#include <linux/types.h>

struct npt_fpu;
struct kvm_xsave;

/* State as after RESET, but for FCW = 37Fh, as KVM has it. NULL: no memory. */
struct npt_fpu *npt_fpstate_alloc(void);
void npt_fpstate_free(struct npt_fpu *fpu);

/* What must be done before the run loop and after it. */
void npt_fpstate_load(struct npt_fpu *fpu);
void npt_fpstate_put(struct npt_fpu *fpu);
/* What must be done before an entry and after it, interrupts off. */
void npt_fpstate_enter(struct npt_fpu *fpu);
void npt_fpstate_leave(struct npt_fpu *fpu);

/*
 * Copy from and to the format of XSAVE (not compacted). Not between load and
 * put. @pkru lives elsewhere and is a part of it. -EINVAL: a component beyond
 * @xcr0, or something that XRSTOR refuses.
 */
void npt_fpstate_get(struct npt_fpu *fpu, struct kvm_xsave *buf, u64 xcr0, u32 pkru);
int npt_fpstate_set(struct npt_fpu *fpu, const struct kvm_xsave *buf, u64 xcr0, u32 *pkru);

#endif /* NPT_FPU_STATE_H */
