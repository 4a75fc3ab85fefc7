// SPDX-License-Identifier: GPL-2.0
/* The guest's FPU state: XCR0, XSS and PKRU around entries, and its calls. */
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/pkru.h>
#include <asm/processor.h>
#include "compat.h"
#include "cpuid.h"
#include "fpu.h"
#include "fpu_state.h"
#include "ioctl.h"

#define CR4_OSXSAVE BIT_ULL(18)

/* Components without a switch of their own, all within the 4096 bytes of struct kvm_xsave. */
#define SUPPORTED_XCR0 (XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | \
			XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)

u64 npt_fpu_supported_xcr0(void)
{
	u64 xcr0;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & SUPPORTED_XCR0;
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		xcr0 &= ~(u64)XFEATURE_MASK_PKRU;
	return xcr0;
}

u32 npt_fpu_offset(u32 component)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(0xd, component, &eax, &ebx, &ecx, &edx);
	return ebx;
}

static u64 read_xss(void)
{
	u32 low, high;

	if (!boot_cpu_has(X86_FEATURE_XSAVES))
		return 0;
	rdmsr(MSR_IA32_XSS, low, high);
	return low | (u64)high << 32;
}

static void write_xss(u64 xss)
{
	wrmsr(MSR_IA32_XSS, (u32)xss, (u32)(xss >> 32));
}

static int alloc(struct npt_vcpu *vcpu)
{
	struct npt_x86 *x86 = &vcpu->x86;

	if (x86->fpu)
		return 0;
	x86->fpu = npt_fpstate_alloc();
	if (!x86->fpu)
		return -ENOMEM;
	/* The kernel sets both at boot and leaves them. */
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		x86->host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	x86->host_xss = read_xss();
	return 0;
}

void npt_fpu_free(struct npt_vcpu *vcpu)
{
	if (vcpu->x86.fpu)
		npt_fpstate_free(vcpu->x86.fpu);
	vcpu->x86.fpu = NULL;
}

/* --- running ------------------------------------------------------------ */

int npt_fpu_load(struct npt_vcpu *vcpu)
{
	int err = alloc(vcpu);

	if (err)
		return err;
	npt_fpstate_load(vcpu->x86.fpu);
	return 0;
}

void npt_fpu_put(struct npt_vcpu *vcpu)
{
	npt_fpstate_put(vcpu->x86.fpu);
}

/* Can the guest reach PKRU, by its own instructions or by XSAVE? */
static bool has_pkru(const struct npt_vcpu *vcpu)
{
	return boot_cpu_has(X86_FEATURE_OSPKE) &&
	       ((vcpu->cpu.regs.cr4 & NPT_CR4_PKE) || (vcpu->x86.xcr0 & XFEATURE_MASK_PKRU));
}

void npt_fpu_enter(struct npt_vcpu *vcpu)
{
	struct npt_x86 *x86 = &vcpu->x86;

	npt_fpstate_enter(x86->fpu);
	if (vcpu->cpu.regs.cr4 & CR4_OSXSAVE) {
		if (x86->xcr0 != x86->host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, x86->xcr0);
		/* Else XSAVES would show the guest what the host has there. */
		if (x86->xss != x86->host_xss)
			write_xss(x86->xss);
	}
	if (has_pkru(vcpu)) {
		x86->host_pkru = rdpkru();
		if (x86->pkru != x86->host_pkru)
			wrpkru(x86->pkru);
	}
}

void npt_fpu_leave(struct npt_vcpu *vcpu)
{
	struct npt_x86 *x86 = &vcpu->x86;

	if (has_pkru(vcpu)) {
		x86->pkru = rdpkru();
		if (x86->pkru != x86->host_pkru)
			wrpkru(x86->host_pkru);
	}
	if (vcpu->cpu.regs.cr4 & CR4_OSXSAVE) {
		/* Some emulated processors let XSETBV through that is to be intercepted. */
		if (boot_cpu_has(X86_FEATURE_HYPERVISOR))
			x86->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
		if (x86->xcr0 != x86->host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, x86->host_xcr0);
		if (x86->xss != x86->host_xss)
			write_xss(x86->host_xss);
	}
	npt_fpstate_leave(x86->fpu);
}

/* APM vol. 3, XSETBV; vol. 2, 11.5.2 */
int npt_fpu_set_xcr(struct npt_vcpu *vcpu, u32 index, u64 value)
{
	u64 avx512 = value & XFEATURE_MASK_AVX512;

	if (index || !(value & XFEATURE_MASK_FP))
		return 1;
	if ((value & XFEATURE_MASK_YMM) && !(value & XFEATURE_MASK_SSE))
		return 1;
	if (avx512 && (avx512 != XFEATURE_MASK_AVX512 || !(value & XFEATURE_MASK_YMM)))
		return 1;
	if (value & ~(npt_guest_xcr0_bits(vcpu) | XFEATURE_MASK_FP))
		return 1;
	vcpu->x86.xcr0 = value;
	return 0;
}

/* --- calls -------------------------------------------------------------- */

/* Everything as XSAVE would write it. */
static int read_state(struct npt_vcpu *vcpu, struct kvm_xsave *buf)
{
	u64 mask = npt_guest_xcr0_bits(vcpu) | XFEATURE_MASK_FPSSE;
	int err = alloc(vcpu);

	if (!err)
		npt_fpstate_get(vcpu->x86.fpu, buf, mask, vcpu->x86.pkru);
	return err;
}

static int write_state(struct npt_vcpu *vcpu, const struct kvm_xsave *buf)
{
	int err = alloc(vcpu);

	if (err)
		return err;
	return npt_fpstate_set(vcpu->x86.fpu, buf, npt_fpu_supported_xcr0(), &vcpu->x86.pkru);
}

long npt_vcpu_get_xsave(struct npt_call *call)
{
	return read_state(call->obj, call->data);
}

long npt_vcpu_set_xsave(struct npt_call *call)
{
	return write_state(call->obj, call->data);
}

static void to_kvm_fpu(struct kvm_fpu *out, const struct fxregs_state *fx)
{
	*out = (struct kvm_fpu) {
		.fcw = fx->cwd,
		.fsw = fx->swd,
		.ftwx = fx->twd,
		.last_opcode = fx->fop,
		.last_ip = fx->rip,
		.last_dp = fx->rdp,
		.mxcsr = fx->mxcsr,
	};
	memcpy(out->fpr, fx->st_space, sizeof(out->fpr));
	memcpy(out->xmm, fx->xmm_space, sizeof(out->xmm));
}

/* All but MXCSR, which KVM's programs don't fill in. */
static void from_kvm_fpu(struct fxregs_state *fx, const struct kvm_fpu *in)
{
	fx->cwd = in->fcw;
	fx->swd = in->fsw;
	fx->twd = in->ftwx;
	fx->fop = in->last_opcode;
	fx->rip = in->last_ip;
	fx->rdp = in->last_dp;
	memcpy(fx->st_space, in->fpr, sizeof(in->fpr));
	memcpy(fx->xmm_space, in->xmm, sizeof(in->xmm));
}

long npt_vcpu_get_fpu(struct npt_call *call)
{
	struct kvm_xsave *buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = read_state(call->obj, buf);
	if (!ret)
		to_kvm_fpu(&call->arg.fpu, (const void *)buf);
	kfree(buf);
	return ret;
}

long npt_vcpu_set_fpu(struct npt_call *call)
{
	struct kvm_xsave *buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	struct xregs_state *x = (void *)buf;
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = read_state(call->obj, buf);
	if (!ret) {
		from_kvm_fpu(&x->i387, &call->arg.fpu);
		x->header.xfeatures |= XFEATURE_MASK_FPSSE;
		ret = write_state(call->obj, buf);
	}
	kfree(buf);
	return ret;
}

long npt_vcpu_get_xcrs(struct npt_call *call)
{
	const struct npt_vcpu *vcpu = call->obj;
	struct kvm_xcrs *out = &call->arg.xcrs;

	memset(out, 0, sizeof(*out));
	if (!npt_fpu_supported_xcr0())
		return 0;
	out->nr_xcrs = 1;
	out->xcrs[0].value = vcpu->x86.xcr0;
	return 0;
}

long npt_vcpu_set_xcrs(struct npt_call *call)
{
	const struct kvm_xcrs *in = &call->arg.xcrs;
	u32 i;

	if (!npt_fpu_supported_xcr0() || in->nr_xcrs > KVM_MAX_XCRS || in->flags)
		return -EINVAL;
	/* XCR0 is the only one there is; others are passed over, as KVM does. */
	for (i = 0; i < in->nr_xcrs; i++)
		if (!in->xcrs[i].xcr)
			return npt_fpu_set_xcr(call->obj, 0, in->xcrs[i].value) ? -EINVAL : 0;
	return 0;
}
