/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtual machine control block, APM vol. 2, appendix B. Our own layout,
 * because the kernel's header renames fields from version to version.
 */
#ifndef NPT_SVM_VMCB_H
#define NPT_SVM_VMCB_H

#include <linux/bits.h>
#include <linux/types.h>

struct npt_vmcb_seg {
	u16 selector;
	u16 attrib;	/* type, S, DPL, P, AVL, L, D/B, G without a gap */
	u32 limit;
	u64 base;
};

struct npt_vmcb {
	/* control area */
	u32 intercept[6];	/* bit n: exit code n */
	u8 rsvd_018[0x3c - 0x18];
	u16 pause_threshold, pause_count;
	u64 iopm_base, msrpm_base;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 rsvd_05d[3];
	u32 int_ctl;
	u32 int_vector;
	u64 int_state;
	u64 exit_code, exit_info1, exit_info2;
	u32 exit_int_info, exit_int_info_error;
	u64 nested_ctl;
	u64 avic_bar, ghcb;
	u32 event_inj, event_inj_error;
	u64 nested_cr3;
	u64 virt_ext;
	u32 clean, rsvd_0c4;
	u64 next_rip;
	u8 insn_len;
	u8 insn_bytes[15];
	u8 rsvd_0e0[0x400 - 0xe0];

	/* state save area */
	struct npt_vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 rsvd_0a0[0xcb - 0xa0];
	u8 cpl;
	u32 rsvd_0cc;
	u64 efer;
	u8 rsvd_0d8[0x148 - 0xd8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 rsvd_180[0x1d8 - 0x180];
	u64 rsp;
	u64 s_cet, ssp, isst;
	u64 rax;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 cr2;
	u8 rsvd_248[0x268 - 0x248];
	u64 g_pat;
	u64 debugctl;
	u8 rsvd_278[0x1000 - 0x400 - 0x278];
} __packed;

/* tlb_control (APM vol. 2, 15.16.1) */
#define SVM_TLB_NOTHING		0
#define SVM_TLB_ALL		1
#define SVM_TLB_ASID		3

/* int_ctl */
#define SVM_V_TPR		0xf
#define SVM_V_IRQ		BIT(8)
#define SVM_V_IGN_TPR		BIT(20)
#define SVM_V_INTR_MASKING	BIT(24)

#define SVM_INT_SHADOW		BIT(0)
#define SVM_NESTED_PAGING	BIT(0)

/* event_inj and exit_int_info */
#define SVM_EVENT_VECTOR	0xff
#define SVM_EVENT_TYPE		(7 << 8)
#define SVM_EVENT_INTR		(0 << 8)
#define SVM_EVENT_NMI		(2 << 8)
#define SVM_EVENT_EXCEPTION	(3 << 8)
#define SVM_EVENT_SOFT		(4 << 8)
#define SVM_EVENT_HAS_ERROR	BIT(11)
#define SVM_EVENT_VALID		BIT(31)

/* clean bits: what the processor may keep from the last entry (15.15.3) */
#define SVM_CLEAN_INTERCEPTS	BIT(0)
#define SVM_CLEAN_IOPM		BIT(1)
#define SVM_CLEAN_ASID		BIT(2)
#define SVM_CLEAN_TPR		BIT(3)
#define SVM_CLEAN_NP		BIT(4)
#define SVM_CLEAN_CR		BIT(5)
#define SVM_CLEAN_DR		BIT(6)
#define SVM_CLEAN_DT		BIT(7)
#define SVM_CLEAN_SEG		BIT(8)
#define SVM_CLEAN_CR2		BIT(9)
#define SVM_CLEAN_ALL		0x3ff

/* Exit codes (appendix C); also bits of intercept[]. */
#define SVM_X_READ_CR0		0x000
#define SVM_X_WRITE_CR0		0x010
#define SVM_X_READ_DR0		0x020
#define SVM_X_WRITE_DR0		0x030
#define SVM_X_EXCEPTION		0x040
#define SVM_X_BP		(SVM_X_EXCEPTION + 3)
#define SVM_X_MC		(SVM_X_EXCEPTION + 18)
#define SVM_X_INTR		0x060
#define SVM_X_NMI		0x061
#define SVM_X_SMI		0x062
#define SVM_X_INIT		0x063
#define SVM_X_VINTR		0x064
#define SVM_X_RDPMC		0x06f
#define SVM_X_CPUID		0x072
#define SVM_X_RSM		0x073
#define SVM_X_IRET		0x074
#define SVM_X_INVD		0x076
#define SVM_X_HLT		0x078
#define SVM_X_INVLPG		0x079
#define SVM_X_INVLPGA		0x07a
#define SVM_X_IOIO		0x07b
#define SVM_X_MSR		0x07c
#define SVM_X_TASK_SWITCH	0x07d
#define SVM_X_FERR_FREEZE	0x07e
#define SVM_X_SHUTDOWN		0x07f
#define SVM_X_VMRUN		0x080
#define SVM_X_VMMCALL		0x081
#define SVM_X_VMLOAD		0x082
#define SVM_X_VMSAVE		0x083
#define SVM_X_STGI		0x084
#define SVM_X_CLGI		0x085
#define SVM_X_SKINIT		0x086
#define SVM_X_RDTSCP		0x087
#define SVM_X_ICEBP		0x088
#define SVM_X_WBINVD		0x089
#define SVM_X_MONITOR		0x08a
#define SVM_X_MWAIT		0x08b
#define SVM_X_MWAIT_ARMED	0x08c
#define SVM_X_XSETBV		0x08d
#define SVM_X_RDPRU		0x08e
#define SVM_X_INVLPGB		0x0a0
#define SVM_X_INVPCID		0x0a2
#define SVM_X_MCOMMIT		0x0a3
#define SVM_X_NPF		0x400
#define SVM_X_INVALID		(~0ULL)

#endif /* NPT_SVM_VMCB_H */
