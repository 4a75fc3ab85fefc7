// SPDX-License-Identifier: GPL-2.0
/*
 * FPU state in an area of the module's own, for kernels that keep their
 * guest-FPU helpers to KVM: the thread's state is put aside by
 * kernel_fpu_begin() around each entry, and comes back when the thread returns
 * to user space. Dearer than fpu_kernel.c by a save and a restore for each
 * entry, and as right.
 */
#include "compat.h"
#include "fpu_state.h"

#if !NPT_HAVE_GUEST_FPU

#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/processor.h>
#include "fpu.h"

struct npt_fpu {
	union fpregs_state *area;	/* a page, which every component offered fits in */
};

/* PKRU is exchanged by fpu.c, with or without XSAVE. */
static u64 components(void)
{
	return npt_fpu_supported_xcr0() & ~(u64)XFEATURE_MASK_PKRU;
}

struct npt_fpu *npt_fpstate_alloc(void)
{
	struct npt_fpu *fpu = kzalloc(sizeof(*fpu), GFP_KERNEL_ACCOUNT);

	if (!fpu)
		return NULL;
	fpu->area = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!fpu->area) {
		kfree(fpu);
		return NULL;
	}
	fpu->area->fxsave.cwd = 0x37f;
	fpu->area->fxsave.mxcsr = MXCSR_DEFAULT;
	fpu->area->xsave.header.xfeatures = XFEATURE_MASK_FPSSE;
	return fpu;
}

void npt_fpstate_free(struct npt_fpu *fpu)
{
	free_page((unsigned long)fpu->area);
	kfree(fpu);
}

void npt_fpstate_load(struct npt_fpu *fpu)
{
}

void npt_fpstate_put(struct npt_fpu *fpu)
{
}

void npt_fpstate_enter(struct npt_fpu *fpu)
{
	u64 mask = components();

	kernel_fpu_begin_mask(0);
	/*
	 * Where the restore leaves the pointers of the last x87 instruction alone
	 * (APM vol. 4, FXRSTOR), these would tell the guest of somebody else's.
	 */
	if (boot_cpu_has_bug(X86_BUG_FXSAVE_LEAK))
		asm volatile("fnclex; emms; fildl %0" : : "m" (fpu->area->fxsave.mxcsr));
	if (mask)
		asm volatile("xrstor64 %0" : : "m" (*fpu->area), "a" ((u32)mask),
			     "d" ((u32)(mask >> 32)) : "memory");
	else
		asm volatile("fxrstor64 %0" : : "m" (*fpu->area) : "memory");
}

void npt_fpstate_leave(struct npt_fpu *fpu)
{
	u64 mask = components();

	if (mask)
		asm volatile("xsave64 %0" : "+m" (*fpu->area) : "a" ((u32)mask),
			     "d" ((u32)(mask >> 32)) : "memory");
	else
		asm volatile("fxsave64 %0" : "+m" (*fpu->area) : : "memory");
	kernel_fpu_end();
}

/* Where PKRU lies in the area; 0: nowhere. */
static u32 pkru_at(u64 xcr0)
{
	return xcr0 & XFEATURE_MASK_PKRU ? npt_fpu_offset(XFEATURE_PKRU) : 0;
}

void npt_fpstate_get(struct npt_fpu *fpu, struct kvm_xsave *buf, u64 xcr0, u32 pkru)
{
	struct xstate_header *header = &((struct xregs_state *)buf)->header;
	u32 at = pkru_at(xcr0);

	memcpy(buf, fpu->area, sizeof(*buf));
	header->xfeatures &= xcr0;
	/* x87 and SSE are given in full even where they are as after RESET. */
	header->xfeatures |= XFEATURE_MASK_FPSSE;
	if (at) {
		memcpy((u8 *)buf + at, &pkru, sizeof(pkru));
		header->xfeatures |= XFEATURE_MASK_PKRU;
	}
}

/* Bits of MXCSR that there are: MM with misaligned SSE alone (APM vol. 1, 4.2.2). */
static u32 mxcsr_bits(void)
{
	return boot_cpu_has(X86_FEATURE_MISALIGNSSE) ? 0x2ffff : 0xffff;
}

/* What XRSTOR would raise #GP for (APM vol. 4, XRSTOR). */
static bool restorable(const struct xregs_state *x, u64 xcr0)
{
	return !(x->header.xfeatures & ~(xcr0 | XFEATURE_MASK_FPSSE)) &&
	       !x->header.xcomp_bv &&
	       !memchr_inv(x->header.reserved, 0, sizeof(x->header.reserved)) &&
	       !(x->i387.mxcsr & ~mxcsr_bits());
}

int npt_fpstate_set(struct npt_fpu *fpu, const struct kvm_xsave *buf, u64 xcr0, u32 *pkru)
{
	const struct xregs_state *x = (const void *)buf;
	u32 at = pkru_at(xcr0 & x->header.xfeatures);

	if (!restorable(x, xcr0))
		return -EINVAL;
	memcpy(fpu->area, buf, sizeof(*buf));
	fpu->area->xsave.header.xfeatures &= ~(u64)XFEATURE_MASK_PKRU;
	if (at)
		memcpy(pkru, (const u8 *)buf + at, sizeof(*pkru));
	return 0;
}

#endif
