/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's x87, SSE, AVX and PKRU state.
 *
 * It is made at the first run, or when user space sets it: a vCPU that never
 * ran needs none. While the run loop works, it is the current state of the
 * vCPU's thread, so that exits cost nothing and the scheduler switches it as
 * it does any thread's; XCR0, XSS and PKRU are exchanged around each entry.
 */
#ifndef NPT_FPU_H
#define NPT_FPU_H

#include "npt.h"

struct npt_call;

/* Before the run loop: the guest's state becomes the thread's. -ENOMEM. */
int npt_fpu_load(struct npt_vcpu *vcpu);
/* After it, in the same thread. */
void npt_fpu_put(struct npt_vcpu *vcpu);

/* Around each entry, interrupts off: the last thing before it, the first after it. */
void npt_fpu_enter(struct npt_vcpu *vcpu);
void npt_fpu_leave(struct npt_vcpu *vcpu);

/* The vCPU is going. */
void npt_fpu_free(struct npt_vcpu *vcpu);

/* State components that a guest can be given. */
u64 npt_fpu_supported_xcr0(void);
/* Where a component lies in an area of XSAVE that is not compacted. */
u32 npt_fpu_offset(u32 component);
/* XSETBV by the guest, or KVM_SET_XCRS: 0, or 1: #GP (APM vol. 3, XSETBV). */
int npt_fpu_set_xcr(struct npt_vcpu *vcpu, u32 index, u64 value);

/* Handlers of calls. */
long npt_vcpu_get_fpu(struct npt_call *call);
long npt_vcpu_set_fpu(struct npt_call *call);
long npt_vcpu_get_xsave(struct npt_call *call);
long npt_vcpu_set_xsave(struct npt_call *call);
long npt_vcpu_get_xcrs(struct npt_call *call);
long npt_vcpu_set_xcrs(struct npt_call *call);

#endif /* NPT_FPU_H */
