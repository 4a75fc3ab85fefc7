// SPDX-License-Identifier: GPL-2.0
/*
 * FPU state by the kernel's guest-FPU helpers: while the run loop works, the
 * guest's state is the thread's, switched by the scheduler.
 */
#include "compat.h"
#include "fpu_state.h"

#if NPT_HAVE_GUEST_FPU

#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/thread_info.h>
#include <asm/fpu/api.h>

struct npt_fpu {
	struct fpu_guest guest;
};

struct npt_fpu *npt_fpstate_alloc(void)
{
	struct npt_fpu *fpu = kzalloc(sizeof(*fpu), GFP_KERNEL_ACCOUNT);

	if (!fpu)
		return NULL;
	if (!fpu_alloc_guest_fpstate(&fpu->guest)) {
		kfree(fpu);
		return NULL;
	}
	return fpu;
}

void npt_fpstate_free(struct npt_fpu *fpu)
{
	fpu_free_guest_fpstate(&fpu->guest);
	kfree(fpu);
}

void npt_fpstate_load(struct npt_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, true);
}

void npt_fpstate_put(struct npt_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, false);
}

/* The thread was away, or the kernel used the registers, since the last entry. */
void npt_fpstate_enter(struct npt_fpu *fpu)
{
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

void npt_fpstate_leave(struct npt_fpu *fpu)
{
}

void npt_fpstate_get(struct npt_fpu *fpu, struct kvm_xsave *buf, u64 xcr0, u32 pkru)
{
	fpu_copy_guest_fpstate_to_uabi(&fpu->guest, buf, sizeof(*buf), xcr0, pkru);
}

int npt_fpstate_set(struct npt_fpu *fpu, const struct kvm_xsave *buf, u64 xcr0, u32 *pkru)
{
	return fpu_copy_uabi_to_guest_fpstate(&fpu->guest, buf, xcr0, pkru);
}

#endif
