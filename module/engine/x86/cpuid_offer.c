// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID: what a guest can be offered. It is the host's answer, leaf by leaf,
 * cut down to what the tables here allow: a feature is passed on only if it
 * needs no help from the module, or if the module gives that help.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include "compat.h"
#include "cpuid.h"
#include "cpuid_entry.h"
#include "fpu.h"
#include "ioctl.h"

#define HYPERVISOR	BIT(31)	/* leaf 1, ECX */

#define OSPKE		BIT(4)	/* leaf 7, ECX */
#define LA57		BIT(16)

#define NO_WORD		-1

/*
 * Words of feature bits. @allow: may be passed on from the host. @always: the
 * module does it whatever the host has. @shadow_hide: not in shadow mode, where
 * the tables that the processor walks are not the guest's. @kernel: where the host's kernel
 * has the same bits, less those that it does without, or NO_WORD.
 */
static const struct feature_word {
	u32 leaf, index;
	enum npt_cpuid_reg reg;
	int kernel;
	u32 allow, always, shadow_hide;
} feature_words[] = {
	{ /* SSE3, PCLMUL, SSSE3, FMA, CX16, PCID, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX,
	   * F16C, RDRAND; x2APIC, TSC deadline, hypervisor. Never MONITOR, VMX, SMX.
	   */
		.leaf = 1, .reg = ECX, .kernel = CPUID_1_ECX,
		.allow = BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) |
			 BIT(20) | BIT(22) | BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(29) |
			 BIT(30),
		.always = BIT(21) | BIT(24) | HYPERVISOR,
		.shadow_hide = BIT(17),
	},
	{ /* All but PSN, DS, ACPI, HTT, TM, PBE. */
		.leaf = 1, .reg = EDX, .kernel = CPUID_1_EDX,
		.allow = 0x0f8bfbff,
		.always = BIT(9),	/* the local APIC */
	},
	{ /* ARAT: the timer is ours. */
		.leaf = 6, .reg = EAX, .kernel = CPUID_6_EAX,
		.always = BIT(2),
	},
	{ /* FSGSBASE, BMI1, AVX2, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, INVPCID, ZERO_FCS_FDS,
	   * AVX512*, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA; TSC_ADJUST.
	   */
		.leaf = 7, .reg = EBX, .kernel = CPUID_7_0_EBX,
		.allow = BIT(0) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9) | BIT(10) |
			 BIT(13) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | BIT(20) | BIT(21) |
			 BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(30) |
			 BIT(31),
		.always = BIT(1),
		.shadow_hide = BIT(10),
	},
	{ /* AVX512_VBMI, UMIP, PKU, VBMI2, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ,
	   * LA57, RDPID, CLDEMOTE, MOVDIRI, MOVDIR64B.
	   */
		.leaf = 7, .reg = ECX, .kernel = CPUID_7_ECX,
		.allow = BIT(1) | BIT(2) | BIT(3) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) |
			 BIT(12) | BIT(14) | BIT(16) | BIT(22) | BIT(25) | BIT(27) | BIT(28),
	},
	{ /* FSRM, VP2INTERSECT, SERIALIZE, AVX512_FP16, SPEC_CTRL, STIBP, SSBD. */
		.leaf = 7, .reg = EDX, .kernel = CPUID_7_EDX,
		.allow = BIT(4) | BIT(8) | BIT(14) | BIT(23) | BIT(26) | BIT(27) | BIT(31),
	},
	{ /* AVX_VNNI, AVX512_BF16. */
		.leaf = 7, .index = 1, .reg = EAX, .kernel = CPUID_7_1_EAX,
		.allow = BIT(4) | BIT(5),
	},
	{ /* XSAVEOPT, XSAVEC, XGETBV1, XSAVES. */
		.leaf = 0xd, .index = 1, .reg = EAX, .kernel = CPUID_D_1_EAX,
		.allow = BIT(0) | BIT(1) | BIT(2) | BIT(3),
	},
	{ /* LAHF, CMP_LEGACY, CR8_LEGACY, ABM, SSE4A, MISALIGNSSE, PREFETCHW, XOP, FMA4, TBM,
	   * TOPOEXT. Never SVM.
	   */
		.leaf = 0x80000001, .reg = ECX, .kernel = CPUID_8000_0001_ECX,
		.allow = BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) |
			 BIT(11) | BIT(16) | BIT(21) | BIT(22),
	},
	{ /* Leaf 1's, SYSCALL, NX, MMXEXT, FXSR_OPT, 1-GiB pages, RDTSCP, LM, 3DNow. */
		.leaf = 0x80000001, .reg = EDX, .kernel = CPUID_8000_0001_EDX,
		.allow = 0x0183fbff | BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27) |
			 BIT(29) | BIT(30) | BIT(31),
		.always = BIT(9),
	},
	{ /* The TSC does not stop, and is the same everywhere. */
		.leaf = 0x80000007, .reg = EDX, .kernel = NO_WORD,
		.allow = BIT(8),
	},
	{ /* CLZERO, XSAVEERPTR, WBNOINVD, IBPB, IBRS, STIBP (always on), SSBD, SSB_NO, PSFD. */
		.leaf = 0x80000008, .reg = EBX, .kernel = CPUID_8000_0008_EBX,
		.allow = BIT(0) | BIT(2) | BIT(9) | BIT(12) | BIT(14) | BIT(15) | BIT(17) |
			 BIT(24) | BIT(26) | BIT(28),
	},
	{ /* No nested data breakpoints, LFENCE serialises, null selectors clear bases, automatic
	   * IBRS (EFER.AIBRSE).
	   */
		.leaf = 0x80000021, .reg = EAX, .kernel = CPUID_8000_0021_EAX,
		.allow = BIT(0) | BIT(2) | BIT(6) | BIT(8),
		.always = BIT(9),	/* there is no SMM_CTL */
	},
};

/* --- what there is ------------------------------------------------------ */

/* Would a VM made with the module's defaults be in shadow mode? */
static bool shadow_by_default(void)
{
	return npt_param_mmu() == NPT_MMU_SHADOW;
}

/*
 * What of the processor's bits may be relied on. The kernel has switched off what does not
 * work there (XSAVES of Zen 1 and 2, erratum 1386) and what its command line forbids
 * (clearcpuid=). LA57 it has off if it does not use five levels itself, which is no
 * matter to a guest.
 */
static u32 host_word(const struct feature_word *w, u32 host)
{
	u32 hidden = 0;

	if (w->kernel != NO_WORD)
		hidden = ~boot_cpu_data.x86_capability[w->kernel];
	if (w->kernel == CPUID_7_ECX)
		hidden &= ~LA57;
	if (w->kernel == CPUID_1_ECX && !npt_fpu_supported_xcr0())
		hidden |= BIT(26) | BIT(28) | BIT(12) | BIT(29);
	/* RDPKRU and WRPKRU work only if the host's CR4 says so. */
	if (w->kernel == CPUID_7_ECX && !boot_cpu_has(X86_FEATURE_OSPKE))
		hidden |= BIT(3);
	if (w->leaf == 0x80000007 &&
	    (!boot_cpu_has(X86_FEATURE_CONSTANT_TSC) || check_tsc_unstable()))
		hidden |= BIT(8);
	return host & ~hidden;
}

static const struct feature_word *find_word(u32 leaf, u32 index, enum npt_cpuid_reg reg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(feature_words); i++)
		if (feature_words[i].leaf == leaf && feature_words[i].index == index &&
		    feature_words[i].reg == reg)
			return &feature_words[i];
	return NULL;
}

/* A word as a guest may have it, given the host's. */
static u32 offered(const struct feature_word *w, u32 host, bool shadow)
{
	u32 bits = (host_word(w, host) & w->allow) | w->always;

	return shadow ? bits & ~w->shadow_hide : bits;
}

static void host_cpuid(struct kvm_cpuid_entry2 *e, u32 leaf, u32 index)
{
	*e = (struct kvm_cpuid_entry2){ .function = leaf, .index = index };
	cpuid_count(leaf, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
}

static bool offers(enum npt_feature f, bool shadow)
{
	const struct feature_word *w = find_word(npt_cpuid_at[f].leaf, npt_cpuid_at[f].index,
						 npt_cpuid_at[f].reg);
	struct kvm_cpuid_entry2 e = { 0 };
	u32 leaf = npt_cpuid_at[f].leaf;

	if (!w)
		return false;
	if (cpuid_eax(leaf & 0x80000000) >= leaf)
		host_cpuid(&e, leaf, npt_cpuid_at[f].index);
	return offered(w, *npt_reg_of(&e, npt_cpuid_at[f].reg), shadow) & BIT(npt_cpuid_at[f].bit);
}

/* All that offers() says yes to. CPUID may be slow (it exits where this is a guest): kept. */
u64 npt_cpuid_offers(bool shadow)
{
	static u64 kept[2];	/* 0: not asked yet; else it has NPT_F_X2APIC at least */
	u64 found = READ_ONCE(kept[shadow]);
	unsigned int f;

	if (found)
		return found;
	for (f = 0; f < NPT_NR_FEATURES; f++)
		if (offers(f, shadow))
			found |= BIT_ULL(f);
	WRITE_ONCE(kept[shadow], found);
	return found;
}

/* --- leaves one by one -------------------------------------------------- */

/* A list of entries that grows. */
struct list {
	struct kvm_cpuid_entry2 *ent;
	u32 max, n;
};

/* The host's answer, features cut. */
static struct kvm_cpuid_entry2 *add(struct list *l, u32 leaf, u32 index)
{
	const struct feature_word *w;
	struct kvm_cpuid_entry2 *e;
	enum npt_cpuid_reg reg;

	if (l->n == l->max)
		return NULL;
	e = &l->ent[l->n++];
	host_cpuid(e, leaf, index);
	for (reg = EAX; reg <= EDX; reg++) {
		w = find_word(leaf, index, reg);
		if (w)
			*npt_reg_of(e, reg) = offered(w, *npt_reg_of(e, reg), shadow_by_default());
	}
	return e;
}

static void set_entry(struct kvm_cpuid_entry2 *e, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	e->eax = eax;
	e->ebx = ebx;
	e->ecx = ecx;
	e->edx = edx;
}

static int leaf_max(struct list *l, struct kvm_cpuid_entry2 *e)
{
	e->eax = min(e->eax, 0x1fU);
	return 0;
}

/* Cores, and the APIC's id, which user space fills in vCPU by vCPU. */
static int leaf_1(struct list *l, struct kvm_cpuid_entry2 *e)
{
	e->ebx &= 0x0000ff00;
	return 0;
}

/* Caches, until one says that it is none. */
static int leaf_caches(struct list *l, struct kvm_cpuid_entry2 *e)
{
	u32 leaf = e->function, i;

	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	/* Not more than any processor has. */
	for (i = 1; (e->eax & 0x1f) && i < 8; i++) {
		e = add(l, leaf, i);
		if (!e)
			return -E2BIG;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	return 0;
}

static int leaf_6(struct list *l, struct kvm_cpuid_entry2 *e)
{
	set_entry(e, e->eax, 0, 0, 0);
	return 0;
}

static int leaf_7(struct list *l, struct kvm_cpuid_entry2 *e)
{
	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	e->eax = min(e->eax, 1U);
	if (!e->eax)
		return 0;
	e = add(l, 7, 1);
	if (!e)
		return -E2BIG;
	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	set_entry(e, e->eax, 0, 0, 0);
	return 0;
}

/* No topology of the host's; what user space makes of it is its own. */
static int leaf_topology(struct list *l, struct kvm_cpuid_entry2 *e)
{
	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	set_entry(e, 0, 0, 0, 0);
	return 0;
}

u32 npt_xsave_size(u64 xcr0, bool compact)
{
	u32 size = 512 + 64, eax, ebx, ecx, edx, i;

	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		if (!compact)
			size = max(size, ebx + eax);
		else
			size = (ecx & 2 ? ALIGN(size, 64) : size) + eax;
	}
	return size;
}

static int leaf_xsave(struct list *l, struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = npt_fpu_supported_xcr0();
	u32 i, size = npt_xsave_size(xcr0, false);

	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	set_entry(e, 0, 0, 0, 0);
	if (!xcr0)
		return 0;
	set_entry(e, (u32)xcr0, size, size, xcr0 >> 32);
	e = add(l, 0xd, 1);
	if (!e)
		return -E2BIG;
	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	set_entry(e, e->eax, e->eax & (BIT(1) | BIT(3)) ? npt_xsave_size(xcr0, true) : 0, 0, 0);
	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		e = add(l, 0xd, i);
		if (!e)
			return -E2BIG;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		set_entry(e, e->eax, e->ebx, e->ecx & 2, 0);
	}
	return 0;
}

static int leaf_extended_max(struct list *l, struct kvm_cpuid_entry2 *e)
{
	e->eax = min(e->eax, 0x80000021U);
	return 0;
}

static int leaf_80000001(struct list *l, struct kvm_cpuid_entry2 *e)
{
	e->ebx &= ~GENMASK(27, 16);
	return 0;
}

static int leaf_80000007(struct list *l, struct kvm_cpuid_entry2 *e)
{
	set_entry(e, 0, 0, 0, e->edx);
	return 0;
}

/* What the tables of a VM with the module's defaults can map. */
static u32 default_gpa_bits(void)
{
	const struct npt_engine_ops *engine = npt_engine_pick(npt_param_engine(), NULL);

	return !IS_ERR(engine) && engine->nested_levels() == 5 ? NPT_GPA_BITS : 48;
}

/*
 * Nested tables take the processor's whole width, even where the kernel lost
 * some of it to memory encryption (APM vol. 2, 7.10.1); shadow tables hold host addresses.
 */
u8 npt_machine_maxphyaddr(bool shadow)
{
	return shadow ? boot_cpu_data.x86_phys_bits : cpuid_eax(0x80000008) & 0xff;
}

static int leaf_widths(struct list *l, struct kvm_cpuid_entry2 *e)
{
	u32 phys = npt_machine_maxphyaddr(shadow_by_default());
	u32 virt = max((e->eax >> 8) & 0xff, 48U);

	set_entry(e, min(phys, default_gpa_bits()) | virt << 8, e->ebx, 0, 0);
	return 0;
}

static int leaf_empty(struct list *l, struct kvm_cpuid_entry2 *e)
{
	set_entry(e, 0, 0, 0, 0);
	return 0;
}

static int leaf_80000021(struct list *l, struct kvm_cpuid_entry2 *e)
{
	set_entry(e, e->eax, 0, 0, 0);
	return 0;
}

static int leaf_as_is(struct list *l, struct kvm_cpuid_entry2 *e)
{
	return 0;
}

/* A leaf that is in no row is empty. */
static const struct {
	u32 leaf;
	int (*fn)(struct list *l, struct kvm_cpuid_entry2 *e);
} leaves[] = {
	{ 0, leaf_max },
	{ 1, leaf_1 },
	{ 2, leaf_as_is },
	{ 4, leaf_caches },
	{ 6, leaf_6 },
	{ 7, leaf_7 },
	{ 0xb, leaf_topology },
	{ 0xd, leaf_xsave },
	{ 0x80000000, leaf_extended_max },
	{ 0x80000001, leaf_80000001 },
	{ 0x80000002, leaf_as_is },
	{ 0x80000003, leaf_as_is },
	{ 0x80000004, leaf_as_is },
	{ 0x80000005, leaf_as_is },
	{ 0x80000006, leaf_as_is },
	{ 0x80000007, leaf_80000007 },
	{ 0x80000008, leaf_widths },
	{ 0x8000001d, leaf_caches },
	{ 0x80000021, leaf_80000021 },
};

static int add_leaf(struct list *l, u32 leaf)
{
	struct kvm_cpuid_entry2 *e = add(l, leaf, 0);
	unsigned int i;

	if (!e)
		return -E2BIG;
	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaves[i].leaf == leaf)
			return leaves[i].fn(l, e);
	return leaf_empty(l, e);
}

/* All leaves from @first to the last that it says there is. */
static int add_leaves(struct list *l, u32 first)
{
	u32 at = l->n, last, leaf;
	int err = add_leaf(l, first);

	if (err)
		return err;
	last = l->ent[at].eax;
	for (leaf = first + 1; leaf <= last && !err; leaf++)
		err = add_leaf(l, leaf);
	return err;
}

static const char signature[12] = "NPTNPTNPTNPT";

static int add_hypervisor(struct list *l)
{
	struct kvm_cpuid_entry2 *e;

	if (l->n == l->max)
		return -E2BIG;
	e = &l->ent[l->n++];
	*e = (struct kvm_cpuid_entry2){ .function = 0x40000000, .eax = 0x40000000 };
	memcpy(&e->ebx, signature, 4);
	memcpy(&e->ecx, signature + 4, 4);
	memcpy(&e->edx, signature + 8, 4);
	return 0;
}

int npt_cpuid_supported(struct kvm_cpuid_entry2 *ent, u32 max, u32 *n)
{
	struct list l = { .ent = ent, .max = max };
	int err;

	err = add_leaves(&l, 0);
	if (!err)
		err = add_hypervisor(&l);
	if (!err)
		err = add_leaves(&l, 0x80000000);
	*n = l.n;
	return err;
}

/* --- calls -------------------------------------------------------------- */

/* The header alone is copied by the table; entries are behind it. */
long npt_dev_get_supported_cpuid(struct npt_call *call)
{
	struct kvm_cpuid2 __user *arg = (void __user *)call->val;
	struct kvm_cpuid_entry2 *ent;
	u32 n, nent;
	int err;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	ent = kvcalloc(NPT_MAX_CPUID, sizeof(*ent), GFP_KERNEL);
	if (!ent)
		return -ENOMEM;
	err = npt_cpuid_supported(ent, min_t(u32, nent, NPT_MAX_CPUID), &n);
	if (!err && (copy_to_user(arg->entries, ent, n * sizeof(*ent)) ||
		     put_user(n, &arg->nent)))
		err = -EFAULT;
	kvfree(ent);
	return err;
}

/* Instructions that a processor lacks are not made up for: there is nothing to tell. */
long npt_dev_get_emulated_cpuid(struct npt_call *call)
{
	struct kvm_cpuid2 __user *arg = (void __user *)call->val;
	u32 nent;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (!nent)
		return -E2BIG;
	return put_user(0, &arg->nent) ? -EFAULT : 0;
}
