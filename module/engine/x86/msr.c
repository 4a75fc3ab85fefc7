// SPDX-License-Identifier: GPL-2.0
/*
 * Model-specific registers: one table says of each where it lives, what may be
 * written to it, and whether user space saves it. What is in no row raises #GP.
 */
#include <linux/bitmap.h>
#include <linux/irqflags.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>
#include "cpuid.h"
#include "ioctl.h"
#include "lapic.h"
#include "msr.h"
#include "state.h"

/* KVM's bound for one call. */
#define MAX_IO_MSRS 256

#define NOWHERE 0xffff

#define ROW_LIST	BIT(0)	/* user space saves and restores it */
#define ROW_IGNORE	BIT(1)	/* writes have no effect, and raise nothing */
#define ROW_HOST	BIT(2)	/* only user space writes it */
#define ROW_FEATURE	BIT(3)	/* /dev/npt tells its value too */

/**
 * struct msr_row - one MSR, or several in a row
 * @first: number of the first
 * @nr: how many
 * @at: byte offset in struct npt_msrs of the first, or NOWHERE
 * @flags: ROW_*
 * @needs: BIT(enum npt_feature): the guest must have one of these; 0: always there
 * @reserved: bits that must not be set
 * @fixed: of one that is NOWHERE and has no @get: what it reads as
 * @valid: further conditions on what is written, or NULL
 * @get: in the place of reading at @at; returns as npt_msr_get() does
 * @set: in the place of writing there; returns as npt_msr_set() does
 */
struct msr_row {
	u32 first;
	u16 nr;
	u16 at;
	u32 flags;
	u64 needs;
	union {
		u64 reserved;
		u64 fixed;
	};
	bool (*valid)(const struct npt_vcpu *vcpu, u32 msr, u64 value);
	int (*get)(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host);
	int (*set)(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host);
};

static u64 offered(const struct npt_vcpu *vcpu)
{
	return npt_cpuid_offers(vcpu->vm->mmu.cfg.mode == NPT_MMU_SHADOW);
}

/* --- addresses ---------------------------------------------------------- */

static u64 sign_extend(const struct npt_vcpu *vcpu, u64 value)
{
	unsigned int unused = vcpu->cpu.regs.cr4 & NPT_CR4_LA57 ? 64 - 57 : 64 - 48;

	return (s64)(value << unused) >> unused;
}

static bool canonical(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	return sign_extend(vcpu, value) == value;
}

static struct kvm_segment *segment_of(struct npt_vcpu *vcpu, u32 msr)
{
	return msr == MSR_FS_BASE ? &vcpu->sregs.fs : &vcpu->sregs.gs;
}

static int get_base(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	*value = segment_of(vcpu, msr)->base;
	return 0;
}

static int set_base(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	segment_of(vcpu, msr)->base = value;
	vcpu->x86.dirty |= NPT_X86_SREGS;
	return 0;
}

/* These two hold any value, and use what makes an address (APM vol. 2, 6.1.2). */
static int set_sysenter(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	value = sign_extend(vcpu, value);
	if (msr == MSR_IA32_SYSENTER_ESP)
		vcpu->x86.msrs.sysenter_esp = value;
	else
		vcpu->x86.msrs.sysenter_eip = value;
	vcpu->x86.dirty |= NPT_X86_MSRS;
	return 0;
}

/* --- EFER --------------------------------------------------------------- */

#define EFER_SCE_BIT BIT_ULL(0)
#define EFER_FFXSR_BIT BIT_ULL(14)
#define EFER_AIBRSE_BIT BIT_ULL(21)

static int get_efer(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	*value = vcpu->cpu.regs.efer;
	return 0;
}

/* SVME is never among them: a guest has no SVM. */
static u64 efer_bits(const struct npt_vcpu *vcpu, bool host)
{
	u64 has = host ? offered(vcpu) : vcpu->x86.features;
	u64 bits = EFER_SCE_BIT;

	if (has & BIT_ULL(NPT_F_LM))
		bits |= NPT_EFER_LME | NPT_EFER_LMA;
	if (has & BIT_ULL(NPT_F_NX))
		bits |= NPT_EFER_NX;
	if (has & BIT_ULL(NPT_F_FXSR_OPT))
		bits |= EFER_FFXSR_BIT;
	if (has & BIT_ULL(NPT_F_AUTO_IBRS))
		bits |= EFER_AIBRSE_BIT;
	return bits;
}

u64 npt_machine_efer_bits(const struct npt_vcpu *vcpu)
{
	return vcpu->vm->engine->hw ? efer_bits(vcpu, true) : ~0ULL;
}

/* LMA is the processor's alone: what is written there is passed over (APM vol. 2, 3.1.7). */
static int set_efer(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct npt_regs regs = vcpu->cpu.regs;

	if (vcpu->vm->engine->hw && (value & ~efer_bits(vcpu, host)))
		return 1;
	value &= ~NPT_EFER_LMA;
	value |= regs.efer & NPT_EFER_LMA;
	if ((regs.cr0 & NPT_CR0_PG) && ((regs.efer ^ value) & NPT_EFER_LME))
		return 1;
	regs.efer = value;
	if (npt_cpu_set_regs(&vcpu->cpu, &regs))
		return 1;
	vcpu->x86.dirty |= NPT_X86_SREGS;
	return 0;
}

/* --- time --------------------------------------------------------------- */

/*
 * Suspend to memory has the TSCs of many machines begin anew. Guests are not to see their
 * time run backwards, so what was lost is added to all that is read, here and by the guest
 * itself. Written with one processor left and its interrupts off; nobody is in KVM_RUN then.
 */
u64 npt_tsc_lost;
u32 npt_tsc_resumes;

static u64 tsc_before;	/* suspend and resume alone */

void npt_tsc_suspend(void)
{
	tsc_before = rdtsc_ordered();
}

void npt_tsc_resume(void)
{
	u64 now = rdtsc_ordered();

	if (now < tsc_before)
		WRITE_ONCE(npt_tsc_lost, npt_tsc_lost + tsc_before - now);
	WRITE_ONCE(npt_tsc_resumes, npt_tsc_resumes + 1);
}

static u64 host_tsc(void)
{
	return rdtsc_ordered() + READ_ONCE(npt_tsc_lost);
}

u64 npt_guest_tsc(const struct npt_vcpu *vcpu)
{
	return host_tsc() + vcpu->x86.msrs.tsc_offset;
}

void npt_tsc_start(struct npt_vm *vm)
{
	vm->x86.tsc_offset = -host_tsc();
}

static int get_tsc(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	*value = npt_guest_tsc(vcpu);
	return 0;
}

/*
 * User space that makes or restores a VM writes one vCPU after the other with
 * what it takes for the same time. What is within a second of the time that it
 * last set is that time, so that the vCPUs' counters stay in step.
 */
static void set_host_tsc(struct npt_vcpu *vcpu, u64 value)
{
	struct npt_x86_vm *vm = &vcpu->vm->x86;
	u64 offset = value - host_tsc(), last = READ_ONCE(vm->tsc_offset);
	u64 second = (u64)tsc_khz * 1000;

	if (offset - last < second || last - offset < second)
		offset = last;
	else
		WRITE_ONCE(vm->tsc_offset, offset);
	vcpu->x86.msrs.tsc_offset = offset;
}

/* The guest's own writes show in TSC_ADJUST (SDM vol. 3B, 18.17.3). */
static int set_tsc(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	u64 adjust = value - npt_guest_tsc(vcpu);

	if (host) {
		set_host_tsc(vcpu, value);
	} else {
		vcpu->x86.msrs.tsc_offset += adjust;
		vcpu->x86.msrs.tsc_adjust += adjust;
	}
	vcpu->x86.dirty |= NPT_X86_MSRS;
	npt_lapic_tsc_moved(vcpu);
	return 0;
}

static int set_tsc_adjust(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct npt_msrs *msrs = &vcpu->x86.msrs;

	if (!host)
		msrs->tsc_offset += value - msrs->tsc_adjust;
	msrs->tsc_adjust = value;
	vcpu->x86.dirty |= NPT_X86_MSRS;
	npt_lapic_tsc_moved(vcpu);
	return 0;
}

/* The kernel's names for these have small letters. */
#define MTRR_CAP	0xfe
#define MTRR_VAR	0x200
#define MTRR_FIX_64K	0x250
#define MTRR_FIX_16K	0x258
#define MTRR_FIX_4K	0x268
#define MTRR_DEF_TYPE	0x2ff

/* --- memory types ------------------------------------------------------- */

/* UC, WC, WT, WP, WB (APM vol. 2, 7.7.1); PAT has UC- too. */
static bool memory_type(u8 type)
{
	return type <= 6 && type != 2 && type != 3;
}

static bool pat_valid(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8)
		if (!memory_type(value >> i) && (u8)(value >> i) != 7)
			return false;
	return true;
}

static bool mtrr_fixed_valid(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8)
		if (!memory_type(value >> i))
			return false;
	return true;
}

/* Bases at even numbers, masks at odd ones. */
static bool mtrr_var_valid(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	u64 address = GENMASK_ULL(npt_guest_maxphyaddr(vcpu) - 1, 12);

	if (msr & 1)
		return !(value & ~(address | BIT(11)));
	return !(value & ~(address | 0xff)) && memory_type(value);
}

static bool mtrr_def_valid(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	return memory_type(value);
}

/* --- others ------------------------------------------------------------- */

/* The local APIC knows what follows what; which bits there are depends on CPUID. */
static bool apic_base_valid(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	return npt_apic_base_valid(vcpu, value);
}

#define SPEC_IBRS_NEEDS	(BIT_ULL(NPT_F_SPEC_CTRL) | BIT_ULL(NPT_F_AMD_IBRS))
#define SPEC_STIBP_NEEDS (BIT_ULL(NPT_F_STIBP) | BIT_ULL(NPT_F_AMD_STIBP))
#define SPEC_SSBD_NEEDS	(BIT_ULL(NPT_F_SSBD) | BIT_ULL(NPT_F_AMD_SSBD))
#define SPEC_PSFD_NEEDS	BIT_ULL(NPT_F_AMD_PSFD)
#define SPEC_NEEDS	(SPEC_IBRS_NEEDS | SPEC_STIBP_NEEDS | SPEC_SSBD_NEEDS | SPEC_PSFD_NEEDS)
#define IBPB_NEEDS	(BIT_ULL(NPT_F_SPEC_CTRL) | BIT_ULL(NPT_F_AMD_IBPB))

#define SPEC_CTRL_PSFD_BIT BIT(7)

/* What the processor says that it has. */
static bool spec_ctrl_valid(const struct npt_vcpu *vcpu, u32 msr, u64 value)
{
	u64 has = offered(vcpu), bits = 0;

	if (has & SPEC_IBRS_NEEDS)
		bits |= SPEC_CTRL_IBRS;
	if (has & SPEC_STIBP_NEEDS)
		bits |= SPEC_CTRL_STIBP;
	if (has & SPEC_SSBD_NEEDS)
		bits |= SPEC_CTRL_SSBD;
	if (has & SPEC_PSFD_NEEDS)
		bits |= SPEC_CTRL_PSFD_BIT;
	return !(value & ~bits);
}

/*
 * enter.S loads the value where a fault would be the end of the machine, and some that
 * call themselves processors (hypervisors) tell of bits that they refuse: each value is
 * tried once. As spec_ctrl_valid() has it, it fits in a byte.
 */
static bool spec_ctrl_loads(u64 value)
{
	static DECLARE_BITMAP(tried, 256);
	unsigned long flags;
	u32 low, high;
	bool ok;

	if (test_bit(value, tried))
		return true;
	local_irq_save(flags);
	ok = !rdmsr_safe(MSR_IA32_SPEC_CTRL, &low, &high) &&
	     !wrmsr_safe(MSR_IA32_SPEC_CTRL, (u32)value, 0);
	if (ok)
		wrmsr(MSR_IA32_SPEC_CTRL, low, high);
	local_irq_restore(flags);
	if (ok)
		set_bit(value, tried);
	return ok;
}

static int set_spec_ctrl(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	/* Else nobody loads it. */
	if (vcpu->vm->engine->hw && boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) &&
	    !spec_ctrl_loads(value))
		return 1;
	vcpu->x86.msrs.spec_ctrl = value;
	return 0;
}

static int get_zero(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	*value = 0;
	return 0;
}

/* A command, not a state. */
static int set_pred_cmd(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	if (value & ~(u64)PRED_CMD_IBPB)
		return 1;
	if (value && boot_cpu_has(X86_FEATURE_IBPB))
		wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB, 0);
	return 0;
}

/* Performance monitoring's bits say that there is none. */
static int set_misc_enable(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	u64 fixed = MSR_IA32_MISC_ENABLE_EMON | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
		    MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;

	if (!host && ((value ^ vcpu->x86.msrs.misc_enable) & fixed))
		return 1;
	vcpu->x86.msrs.misc_enable = value;
	return 0;
}

/* Cache and flush-filter switches, and ignoring of IGNNE: they are no matter here. */
#define HWCR_NO_MATTER (BIT(3) | BIT(6) | BIT(8))
#define HWCR_MC_STATUS_WR_EN BIT(18)

static int set_hwcr(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	value &= ~(u64)HWCR_NO_MATTER;
	if (value & ~(u64)HWCR_MC_STATUS_WR_EN)
		return 1;
	vcpu->x86.msrs.hwcr = value;
	return 0;
}

static int set_tsc_aux(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	/* The upper half is passed over (APM vol. 3, RDTSCP). */
	vcpu->x86.msrs.tsc_aux = (u32)value;
	vcpu->x86.dirty |= NPT_X86_MSRS;
	return 0;
}

#define DE_CFG_LFENCE_SERIALIZE BIT_ULL(1)

static u64 de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? DE_CFG_LFENCE_SERIALIZE : 0;
}

static int get_de_cfg(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	*value = de_cfg();
	return 0;
}

/* A guest may ask for what it has anyway. */
static int set_de_cfg(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	return value & ~de_cfg() ? 1 : 0;
}

/* --- the table ---------------------------------------------------------- */

#define KEPT(nr0, count, field, ...) \
	{ .first = (nr0), .nr = (count), .at = offsetof(struct npt_msrs, field), \
	  ##__VA_ARGS__ }
#define FIXED(nr0, count, value, how, ...) \
	{ .first = (nr0), .nr = (count), .at = NOWHERE, .fixed = (value), .flags = (how), \
	  ##__VA_ARGS__ }
#define CALL(nr0, getter, setter, ...) \
	{ .first = (nr0), .nr = 1, .at = NOWHERE, .get = (getter), .set = (setter), \
	  ##__VA_ARGS__ }
#define LAPIC(nr0, count, ...) \
	{ .first = (nr0), .nr = (count), .at = NOWHERE, .get = npt_lapic_msr_read, \
	  .set = npt_lapic_msr_write, ##__VA_ARGS__ }

/* In the order of numbers. */
static const struct msr_row rows[] = {
	CALL(MSR_IA32_TSC, get_tsc, set_tsc, .flags = ROW_LIST),
	FIXED(MSR_IA32_PLATFORM_ID, 1, 0, 0),
	LAPIC(MSR_IA32_APICBASE, 1, .valid = apic_base_valid),
	FIXED(MSR_IA32_EBL_CR_POWERON, 1, 0, 0),
	KEPT(MSR_IA32_TSC_ADJUST, 1, tsc_adjust, .set = set_tsc_adjust, .flags = ROW_LIST,
	     .needs = BIT_ULL(NPT_F_TSC_ADJUST)),
	KEPT(MSR_IA32_SPEC_CTRL, 1, spec_ctrl, .valid = spec_ctrl_valid, .set = set_spec_ctrl,
	     .flags = ROW_LIST, .needs = SPEC_NEEDS),
	CALL(MSR_IA32_PRED_CMD, get_zero, set_pred_cmd, .needs = IBPB_NEEDS),
	FIXED(MSR_IA32_UCODE_WRITE, 1, 0, ROW_IGNORE),
	KEPT(MSR_IA32_UCODE_REV, 1, microcode, .flags = ROW_LIST | ROW_FEATURE | ROW_HOST |
	     ROW_IGNORE),
	FIXED(MSR_P6_PERFCTR0, 2, 0, ROW_IGNORE),
	FIXED(MSR_FSB_FREQ, 1, 3, 0),
	/* 8 variable ranges, fixed ranges, write combining */
	FIXED(MTRR_CAP, 1, 0x508, 0),
	KEPT(MSR_IA32_SYSENTER_CS, 1, sysenter_cs, .flags = ROW_LIST),
	KEPT(MSR_IA32_SYSENTER_ESP, 1, sysenter_esp, .set = set_sysenter, .flags = ROW_LIST),
	KEPT(MSR_IA32_SYSENTER_EIP, 1, sysenter_eip, .set = set_sysenter, .flags = ROW_LIST),
	KEPT(MSR_IA32_MCG_CAP, 1, mcg_cap, .reserved = ~0ULL, .flags = ROW_HOST),
	KEPT(MSR_IA32_MCG_STATUS, 1, mcg_status, .reserved = ~7ULL, .flags = ROW_LIST),
	FIXED(MSR_P6_EVNTSEL0, 2, 0, ROW_IGNORE),
	FIXED(MSR_IA32_PERF_STATUS, 1, 1000ULL | 4ULL << 40, 0),
	FIXED(MSR_IA32_PERF_CTL, 1, 0, 0),
	KEPT(MSR_IA32_MISC_ENABLE, 1, misc_enable, .set = set_misc_enable, .flags = ROW_LIST),
	KEPT(MSR_IA32_DEBUGCTLMSR, 1, debugctl, .reserved = ~0x3fULL, .flags = ROW_LIST),
	FIXED(MSR_IA32_LASTBRANCHFROMIP, 4, 0, 0),
	KEPT(MTRR_VAR, 16, mtrr_var, .valid = mtrr_var_valid),
	KEPT(MTRR_FIX_64K, 1, mtrr_fixed[0], .valid = mtrr_fixed_valid),
	KEPT(MTRR_FIX_16K, 2, mtrr_fixed[1], .valid = mtrr_fixed_valid),
	KEPT(MTRR_FIX_4K, 8, mtrr_fixed[3], .valid = mtrr_fixed_valid),
	KEPT(MSR_IA32_CR_PAT, 1, pat, .valid = pat_valid, .flags = ROW_LIST),
	KEPT(MTRR_DEF_TYPE, 1, mtrr_def_type, .reserved = ~0xcffULL, .valid = mtrr_def_valid),
	LAPIC(MSR_IA32_TSC_DEADLINE, 1, .flags = ROW_LIST, .needs = BIT_ULL(NPT_F_TSC_DEADLINE)),
	LAPIC(NPT_X2APIC_MSR, 0x100),
	/* No component of XSAVES is supported. */
	FIXED(MSR_IA32_XSS, 1, 0, ROW_LIST, .needs = BIT_ULL(NPT_F_XSAVES)),
	CALL(MSR_EFER, get_efer, set_efer),
	KEPT(MSR_STAR, 1, star, .flags = ROW_LIST),
	KEPT(MSR_LSTAR, 1, lstar, .valid = canonical, .flags = ROW_LIST),
	KEPT(MSR_CSTAR, 1, cstar, .valid = canonical, .flags = ROW_LIST),
	KEPT(MSR_SYSCALL_MASK, 1, sfmask, .flags = ROW_LIST),
	CALL(MSR_FS_BASE, get_base, set_base, .valid = canonical),
	CALL(MSR_GS_BASE, get_base, set_base, .valid = canonical),
	KEPT(MSR_KERNEL_GS_BASE, 1, kernel_gs_base, .valid = canonical, .flags = ROW_LIST),
	KEPT(MSR_TSC_AUX, 1, tsc_aux, .set = set_tsc_aux, .flags = ROW_LIST,
	     .needs = BIT_ULL(NPT_F_RDTSCP) | BIT_ULL(NPT_F_RDPID)),
	KEPT(MSR_K7_EVNTSEL0, 4, perf_ctl),
	KEPT(MSR_K7_PERFCTR0, 4, perf_ctr),
	FIXED(MSR_AMD64_SYSCFG, 1, 0, 0),
	KEPT(MSR_K7_HWCR, 1, hwcr, .set = set_hwcr, .flags = ROW_LIST),
	FIXED(MSR_AMD64_NB_CFG, 1, 0, ROW_IGNORE),
	FIXED(MSR_AMD64_PATCH_LOADER, 1, 0, ROW_IGNORE),
	FIXED(MSR_K8_INT_PENDING_MSG, 1, 0, 0),
	FIXED(MSR_FAM10H_MMIO_CONF_BASE, 1, 0, 0),
	FIXED(MSR_K8_TSEG_ADDR, 2, 0, 0),
	/* SVM is disabled, and stays so. */
	FIXED(MSR_VM_CR, 1, BIT(3) | BIT(4), 0),
	FIXED(MSR_VM_HSAVE_PA, 1, 0, 0),
	FIXED(MSR_AMD64_DC_CFG, 2, 0, ROW_IGNORE),
	CALL(MSR_AMD64_DE_CFG, get_de_cfg, set_de_cfg, .flags = ROW_FEATURE),
	FIXED(MSR_AMD64_BU_CFG2, 1, 0, ROW_IGNORE),
	FIXED(MSR_F15H_EX_CFG, 1, 0, ROW_IGNORE),
};

static const struct msr_row *find_row(u32 msr)
{
	const struct msr_row *row;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		if (msr - row->first < row->nr)
			return row;
	return NULL;
}

static u64 *place(struct npt_vcpu *vcpu, const struct msr_row *row, u32 msr)
{
	return (u64 *)((u8 *)&vcpu->x86.msrs + row->at) + (msr - row->first);
}

/* Does this one exist for who asks? */
static bool there(const struct npt_vcpu *vcpu, const struct msr_row *row, bool host)
{
	return !row->needs || (row->needs & (host ? offered(vcpu) : vcpu->x86.features));
}

int npt_msr_get(struct npt_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	const struct msr_row *row = find_row(msr);

	*value = 0;
	if (!row || !there(vcpu, row, host))
		return 1;
	if (row->get)
		return row->get(vcpu, msr, value, host);
	if (row->at == NOWHERE)
		*value = row->fixed;
	else
		*value = *place(vcpu, row, msr);
	return 0;
}

/* A value that can't be changed: user space may write it back. */
static int set_fixed(const struct msr_row *row, u64 value, bool host)
{
	if ((row->flags & ROW_IGNORE) || (host && (!value || value == row->fixed)))
		return 0;
	return 1;
}

int npt_msr_set(struct npt_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	const struct msr_row *row = find_row(msr);

	if (!row || !there(vcpu, row, host))
		return 1;
	if (row->at == NOWHERE && !row->set)
		return set_fixed(row, value, host);
	if ((row->flags & ROW_HOST) && !host)
		return row->flags & ROW_IGNORE ? 0 : 1;
	if (row->valid && !row->valid(vcpu, msr, value))
		return 1;
	if (row->set)
		return row->set(vcpu, msr, value, host);
	if (value & row->reserved)
		return 1;
	*place(vcpu, row, msr) = value;
	vcpu->x86.dirty |= NPT_X86_MSRS;
	return 0;
}

/* What KVM tells of every AMD processor. */
#define MICROCODE 0x01000065

void npt_msr_reset(struct npt_vcpu *vcpu, bool init)
{
	vcpu->x86.msrs.debugctl = 0;
	if (init)
		return;
	vcpu->x86.msrs = (struct npt_msrs) {
		.pat = 0x0007040600070406,
		.misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
			       MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL,
		.tsc_offset = READ_ONCE(vcpu->vm->x86.tsc_offset),
		.microcode = MICROCODE,
	};
}

/* --- calls: lists ------------------------------------------------------- */

/* Rows with @flag that this machine can have: numbers into @out (or NULL), how many. */
static u32 list_rows(u32 flag, u32 *out)
{
	u64 has = npt_cpuid_offers(false);
	const struct msr_row *row;
	u32 n = 0, i;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		if (!(row->flags & flag) || (row->needs && !(row->needs & has)))
			continue;
		for (i = 0; i < row->nr; i++, n++)
			if (out)
				out[n] = row->first + i;
	}
	return n;
}

/* How many there are is told even if there is no room for them. */
static long give_list(struct npt_call *call, u32 flag)
{
	struct kvm_msr_list __user *arg = (void __user *)call->val;
	u32 room, n = list_rows(flag, NULL), *list;
	long ret = 0;

	if (get_user(room, &arg->nmsrs) || put_user(n, &arg->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	list = kcalloc(n, sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	list_rows(flag, list);
	if (copy_to_user(arg->indices, list, n * sizeof(*list)))
		ret = -EFAULT;
	kfree(list);
	return ret;
}

long npt_dev_get_msr_index_list(struct npt_call *call)
{
	return give_list(call, ROW_LIST);
}

long npt_dev_get_msr_feature_index_list(struct npt_call *call)
{
	return give_list(call, ROW_FEATURE);
}

/* --- calls: values ------------------------------------------------------ */

static int feature_get(u32 msr, u64 *value)
{
	switch (msr) {
	case MSR_IA32_UCODE_REV:
		*value = MICROCODE;
		return 0;
	case MSR_AMD64_DE_CFG:
		*value = de_cfg();
		return 0;
	default:
		return 1;
	}
}

/* One after the other until one is refused: how many were done. */
static long each_msr(struct npt_vcpu *vcpu, struct kvm_msr_entry *ent, u32 n, bool set)
{
	int err = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		if (!vcpu)
			err = feature_get(ent[i].index, &ent[i].data);
		else if (set)
			err = npt_msr_set(vcpu, ent[i].index, ent[i].data, true);
		else
			err = npt_msr_get(vcpu, ent[i].index, &ent[i].data, true);
		if (err)
			break;
	}
	return i;
}

static long do_msrs(struct npt_vcpu *vcpu, struct npt_call *call, bool set)
{
	struct kvm_msrs __user *arg = (void __user *)call->val;
	struct kvm_msr_entry *ent;
	long done;
	u32 n;

	if (get_user(n, &arg->nmsrs))
		return -EFAULT;
	if (n >= MAX_IO_MSRS)
		return -E2BIG;
	ent = memdup_user(arg->entries, n * sizeof(*ent));
	if (IS_ERR(ent))
		return PTR_ERR(ent);
	if (vcpu)
		mutex_lock(&vcpu->cpu_lock);
	done = each_msr(vcpu, ent, n, set);
	if (vcpu)
		mutex_unlock(&vcpu->cpu_lock);
	if (!set && copy_to_user(arg->entries, ent, n * sizeof(*ent)))
		done = -EFAULT;
	kfree(ent);
	return done;
}

long npt_dev_get_msrs(struct npt_call *call)
{
	return do_msrs(NULL, call, false);
}

long npt_vcpu_get_msrs(struct npt_call *call)
{
	return do_msrs(call->obj, call, false);
}

long npt_vcpu_set_msrs(struct npt_call *call)
{
	return do_msrs(call->obj, call, true);
}

/* --- calls: the TSC's frequency ----------------------------------------- */

long npt_get_tsc_khz(struct npt_call *call)
{
	return tsc_khz;
}

/* It can't be changed: 0 and what it is (within 250 ppm, as clocks go) are taken. */
long npt_set_tsc_khz(struct npt_call *call)
{
	u32 khz = call->val;
	u32 slack = tsc_khz / 4000;

	if (khz && (khz < tsc_khz - slack || khz > tsc_khz + slack))
		return -EINVAL;
	return 0;
}
