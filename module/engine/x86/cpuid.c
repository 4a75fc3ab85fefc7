// SPDX-License-Identifier: GPL-2.0
/* CPUID: what a guest was given, and what it sees of it. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/processor.h>
#include "compat.h"
#include "cpuid.h"
#include "cpuid_entry.h"
#include "fpu.h"
#include "ioctl.h"

#define OSXSAVE		BIT(27)	/* leaf 1, ECX */
#define OSPKE		BIT(4)	/* leaf 7, ECX */

const struct npt_cpuid_feature npt_cpuid_at[NPT_NR_FEATURES] = {
	[NPT_F_PCID] = { 1, 0, ECX, 17 },
	[NPT_F_X2APIC] = { 1, 0, ECX, 21 },
	[NPT_F_TSC_DEADLINE] = { 1, 0, ECX, 24 },
	[NPT_F_XSAVE] = { 1, 0, ECX, 26 },
	[NPT_F_FSGSBASE] = { 7, 0, EBX, 0 },
	[NPT_F_TSC_ADJUST] = { 7, 0, EBX, 1 },
	[NPT_F_SMEP] = { 7, 0, EBX, 7 },
	[NPT_F_INVPCID] = { 7, 0, EBX, 10 },
	[NPT_F_SMAP] = { 7, 0, EBX, 20 },
	[NPT_F_UMIP] = { 7, 0, ECX, 2 },
	[NPT_F_PKU] = { 7, 0, ECX, 3 },
	[NPT_F_LA57] = { 7, 0, ECX, 16 },
	[NPT_F_RDPID] = { 7, 0, ECX, 22 },
	[NPT_F_SPEC_CTRL] = { 7, 0, EDX, 26 },
	[NPT_F_STIBP] = { 7, 0, EDX, 27 },
	[NPT_F_SSBD] = { 7, 0, EDX, 31 },
	[NPT_F_XSAVES] = { 0xd, 1, EAX, 3 },
	[NPT_F_NX] = { 0x80000001, 0, EDX, 20 },
	[NPT_F_FXSR_OPT] = { 0x80000001, 0, EDX, 25 },
	[NPT_F_GBPAGES] = { 0x80000001, 0, EDX, 26 },
	[NPT_F_RDTSCP] = { 0x80000001, 0, EDX, 27 },
	[NPT_F_LM] = { 0x80000001, 0, EDX, 29 },
	[NPT_F_AMD_IBPB] = { 0x80000008, 0, EBX, 12 },
	[NPT_F_AMD_IBRS] = { 0x80000008, 0, EBX, 14 },
	[NPT_F_AMD_STIBP] = { 0x80000008, 0, EBX, 15 },
	[NPT_F_AMD_SSBD] = { 0x80000008, 0, EBX, 24 },
	[NPT_F_AMD_PSFD] = { 0x80000008, 0, EBX, 28 },
	[NPT_F_AUTO_IBRS] = { 0x80000021, 0, EAX, 8 },
};

/* --- what a guest was given --------------------------------------------- */

static struct kvm_cpuid_entry2 *find_entry(struct npt_cpuid *c, u32 leaf, u32 index)
{
	struct kvm_cpuid_entry2 *e;

	for (e = c->ent; e < c->ent + c->nr; e++) {
		if (e->function != leaf)
			continue;
		if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index)
			return e;
	}
	return NULL;
}

u8 npt_guest_maxphyaddr(const struct npt_vcpu *vcpu)
{
	u8 most = vcpu->vm->mmu.gpa_bits;
	struct kvm_cpuid_entry2 *e;

	if (!vcpu->x86.cpuid)
		return min_t(u8, most, NPT_GPA_BITS);
	e = find_entry(vcpu->x86.cpuid, 0x80000000, 0);
	if (!e || e->eax < 0x80000008)
		return 36;
	e = find_entry(vcpu->x86.cpuid, 0x80000008, 0);
	return e ? clamp_t(u8, e->eax, 32, most) : 36;
}

/* Of a processor whose CPUID nobody has told it yet: a Pentium Pro. */
#define SOME_SIGNATURE 0x600

u32 npt_guest_signature(const struct npt_vcpu *vcpu)
{
	struct npt_cpuid *c = vcpu->x86.cpuid;
	struct kvm_cpuid_entry2 *e = c ? find_entry(c, 1, 0) : NULL;

	return e ? e->eax : SOME_SIGNATURE;
}

/* CR4 bits that need a feature. */
static const struct {
	u64 bit;
	enum npt_feature feature;
} cr4_features[] = {
	{ BIT(11), NPT_F_UMIP },
	{ BIT(12), NPT_F_LA57 },
	{ BIT(16), NPT_F_FSGSBASE },
	{ BIT(17), NPT_F_PCID },
	{ BIT(18), NPT_F_XSAVE },
	{ BIT(20), NPT_F_SMEP },
	{ BIT(21), NPT_F_SMAP },
	{ BIT(22), NPT_F_PKU },
};

/* Bits that every x86-64 processor has: VME to PCE, OSFXSR, OSXMMEXCPT. */
#define CR4_BASE GENMASK_ULL(10, 0)

u64 npt_guest_cr4_bits(const struct npt_vcpu *vcpu)
{
	u64 can = npt_cpuid_offers(vcpu->vm->mmu.cfg.mode == NPT_MMU_SHADOW);
	u64 bits = CR4_BASE;
	unsigned int i;

	/* The soft engine's processor is what its registers say. */
	if (!vcpu->vm->engine->hw)
		return ~0ULL;
	if (vcpu->x86.cpuid)
		can &= vcpu->x86.features;
	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (can & BIT_ULL(cr4_features[i].feature))
			bits |= cr4_features[i].bit;
	return bits;
}

u64 npt_guest_xcr0_bits(const struct npt_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = NULL;

	if (vcpu->x86.cpuid)
		e = find_entry(vcpu->x86.cpuid, 0xd, 0);
	return e ? (e->eax | (u64)e->edx << 32) & npt_fpu_supported_xcr0() : 0;
}

/* Bits that tell of control registers. The APIC's id is what user space made of it, as in KVM. */
static void follow_state(const struct npt_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	u64 cr4 = vcpu->cpu.regs.cr4;

	if (e->function == 1) {
		e->ecx &= ~OSXSAVE;
		if (cr4 & BIT(18))
			e->ecx |= OSXSAVE;
	} else if (e->function == 7 && !e->index) {
		e->ecx &= ~OSPKE;
		if (cr4 & NPT_CR4_PKE)
			e->ecx |= OSPKE;
	} else if (e->function == 0xd && !e->index) {
		e->ebx = npt_xsave_size(vcpu->x86.xcr0, false);
	} else if (e->function == 0xd && e->index == 1 && (e->eax & (BIT(1) | BIT(3)))) {
		e->ebx = npt_xsave_size(vcpu->x86.xcr0 | vcpu->x86.xss, true);
	}
}

void npt_cpuid(struct npt_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	struct npt_cpuid *c = vcpu->x86.cpuid;
	struct kvm_cpuid_entry2 *e = NULL, copy = { 0 };
	u32 leaf = *eax, index = *ecx;

	if (c)
		e = find_entry(c, leaf, index);
	if (e) {
		copy = *e;
		copy.index = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? index : 0;
		follow_state(vcpu, &copy);
	} else if (leaf == 0xb || leaf == 0x1f) {
		/* Topology beyond its last level: the subleaf comes back, and the id. */
		copy.ecx = index & 0xff;
		e = c ? find_entry(c, leaf, 0) : NULL;
		copy.edx = e ? e->edx : 0;
	}
	*eax = copy.eax;
	*ebx = copy.ebx;
	*ecx = copy.ecx;
	*edx = copy.edx;
}

static u64 read_features(struct npt_cpuid *c)
{
	struct kvm_cpuid_entry2 *e;
	u64 found = 0;
	unsigned int i;

	for (i = 0; i < NPT_NR_FEATURES; i++) {
		e = find_entry(c, npt_cpuid_at[i].leaf, npt_cpuid_at[i].index);
		if (e && (*npt_reg_of(e, npt_cpuid_at[i].reg) & BIT(npt_cpuid_at[i].bit)))
			found |= BIT_ULL(i);
	}
	return found;
}

/* --- calls -------------------------------------------------------------- */

static struct npt_cpuid *copy_cpuid(struct kvm_cpuid2 __user *arg)
{
	struct npt_cpuid *c;
	u32 nent;

	if (get_user(nent, &arg->nent))
		return ERR_PTR(-EFAULT);
	if (nent > NPT_MAX_CPUID)
		return ERR_PTR(-E2BIG);
	c = kvmalloc(struct_size(c, ent, nent), GFP_KERNEL_ACCOUNT);
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->nr = nent;
	if (copy_from_user(c->ent, arg->entries, nent * sizeof(c->ent[0]))) {
		kvfree(c);
		return ERR_PTR(-EFAULT);
	}
	return c;
}

static bool cpuid_valid(struct npt_cpuid *c)
{
	struct kvm_cpuid_entry2 *e = find_entry(c, 0x80000008, 0);
	u32 virt = e ? (e->eax >> 8) & 0xff : 0;

	return !virt || virt == 48 || virt == 57;
}

/* An entry as the guest sees it now, which is how user space is given it too. */
static struct kvm_cpuid_entry2 live_entry(const struct npt_vcpu *vcpu,
					  const struct kvm_cpuid_entry2 *e)
{
	struct kvm_cpuid_entry2 live = *e;

	follow_state(vcpu, &live);
	return live;
}

/* Once the vCPU has run, the guest knows its processor: only the same again is taken. */
static bool same_cpuid(const struct npt_vcpu *vcpu, const struct npt_cpuid *new)
{
	const struct npt_cpuid *old = vcpu->x86.cpuid;
	struct kvm_cpuid_entry2 a, b;
	u32 i;

	if (!old || old->nr != new->nr)
		return false;
	for (i = 0; i < old->nr; i++) {
		a = live_entry(vcpu, &old->ent[i]);
		b = live_entry(vcpu, &new->ent[i]);
		if (memcmp(&a, &b, sizeof(a)))
			return false;
	}
	return true;
}

/*
 * With nested paging the processor itself looks at reserved bits, and knows but
 * its own width.
 */
static void use_maxphyaddr(struct npt_vcpu *vcpu)
{
	struct npt_regs regs;

	if (vcpu->vm->mmu.cfg.mode != NPT_MMU_SHADOW)
		return;
	mutex_lock(&vcpu->cpu_lock);
	npt_mmu_set_maxphyaddr(&vcpu->vm->mmu, npt_guest_maxphyaddr(vcpu));
	regs = vcpu->cpu.regs;
	npt_cpu_set_regs(&vcpu->cpu, &regs);
	mutex_unlock(&vcpu->cpu_lock);
}

long npt_vcpu_set_cpuid2(struct npt_call *call)
{
	struct npt_cpuid *c = copy_cpuid((void __user *)call->val);
	struct npt_vcpu *vcpu = call->obj;

	if (IS_ERR(c))
		return PTR_ERR(c);
	if (!cpuid_valid(c) || (vcpu->x86.ran && !same_cpuid(vcpu, c))) {
		kvfree(c);
		return -EINVAL;
	}
	kvfree(vcpu->x86.cpuid);
	vcpu->x86.cpuid = c;
	vcpu->x86.features = read_features(c);
	if (vcpu->vm->engine->hw) {
		/* What is intercepted depends on it. */
		npt_vcpu_pull(vcpu);
		vcpu->x86.dirty |= NPT_X86_MSRS;
		use_maxphyaddr(vcpu);
	}
	return 0;
}

long npt_vcpu_get_cpuid2(struct npt_call *call)
{
	struct kvm_cpuid2 __user *arg = (void __user *)call->val;
	const struct npt_vcpu *vcpu = call->obj;
	const struct npt_cpuid *c = vcpu->x86.cpuid;
	u32 i, nent, nr = c ? c->nr : 0;
	struct kvm_cpuid_entry2 live;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent < nr)
		return -E2BIG;
	for (i = 0; i < nr; i++) {
		live = live_entry(vcpu, &c->ent[i]);
		if (copy_to_user(&arg->entries[i], &live, sizeof(live)))
			return -EFAULT;
	}
	return put_user(nr, &arg->nent) ? -EFAULT : 0;
}
