/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One instruction, executed by the processor that runs the test: in 64-bit mode,
 * or in a 32-bit or 16-bit code segment, with all general and XMM registers and
 * the arithmetic flags as the test wants them.
 */
#ifndef HOST_NATIVE_H
#define HOST_NATIVE_H

#include <linux/kvm.h>
#include "engine/x86/decode.h"

/* Registers in the order that instructions number them. */
struct native_regs {
	u64 gpr[16];
	u64 rflags;
	u64 pad;
	u64 xmm[16][2];
};

/* What the instruction may touch: below 4 GiB, so that every mode reaches it. */
#define NATIVE_BASE	0x10000000UL
#define NATIVE_CODE	(NATIVE_BASE + 0x1000)
#define NATIVE_DATA	(NATIVE_BASE + 0x4000)
#define NATIVE_SIZE	0x4000UL
/* In the 16-bit mode all data segments begin here. */
#define NATIVE_BASE16	(NATIVE_DATA - 0x2000)
/* The base of GS in 64-bit mode. */
#define NATIVE_GS	0x1230000UL

/* How the instruction ended. */
struct native_fault {
	bool happened;
	u64 vector, error, cr2, rip;	/* cr2: of a page fault; rip: offset in CS */
};

/* Get ready; false: this system does not let us run code in @mode. */
bool native_init(enum npt_cpu_mode mode);
/* Segments for the instruction to run with, */
void native_sregs(struct kvm_sregs *sregs, enum npt_cpu_mode mode);
/* of which DS, ES and SS may be changed to anything usable after this. */
void native_own_segments(struct kvm_sregs *sregs);
/* Execute @insn, of @len bytes, at NATIVE_CODE; *regs in and out. */
void native_run(struct native_regs *regs, const u8 *insn, u32 len, enum npt_cpu_mode mode,
		const struct kvm_sregs *sregs, struct native_fault *fault);

/* In assembly: with the registers of the block to the code and back. */
void native_enter(void);
void native_back(void);

#endif /* HOST_NATIVE_H */
