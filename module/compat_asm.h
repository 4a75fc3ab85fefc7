/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of compat.h that assembly files need. It asks what a kernel's
 * headers have, never for its version: updates bring much of it to old ones.
 */
#ifndef NPT_COMPAT_ASM_H
#define NPT_COMPAT_ASM_H

#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

/*
 * VERW before a guest is entered, where the processor's buffers would show it
 * what the kernel left there. Newer kernels keep the operand of theirs to KVM:
 * npt_verw_sel is ours. Before 6.1.145 and 6.12.37 there is none to do.
 */
#if defined(VM_CLEAR_CPU_BUFFERS)
#define NPT_CLEAR_BUFFERS VM_CLEAR_CPU_BUFFERS
#elif defined(X86_FEATURE_CLEAR_CPU_BUF_VM)
#define NPT_CLEAR_BUFFERS \
	ALTERNATIVE "", "verw npt_verw_sel(%rip)", X86_FEATURE_CLEAR_CPU_BUF_VM
#else
#define NPT_CLEAR_BUFFERS
#endif

.macro NPT_IBPB
	mov	$MSR_IA32_PRED_CMD, %ecx
	mov	$PRED_CMD_IBPB, %eax
	xor	%edx, %edx
	wrmsr
.endm

#ifndef X86_FEATURE_IBPB_ON_VMEXIT
#define X86_FEATURE_IBPB_ON_VMEXIT X86_FEATURE_ENTRY_IBPB
#endif

/*
 * After a guest: returns are safe again, and predictions gone where the host
 * wants that. Clobbers RAX, RCX, RDX. The kernel's macro for both calls what
 * newer ones keep to KVM, so the barrier is written out.
 */
.macro NPT_UNTRAIN_RET
	CALL_UNTRAIN_RET
	ALTERNATIVE_2 "", "NPT_IBPB", X86_FEATURE_ENTRY_IBPB, "NPT_IBPB", X86_FEATURE_IBPB_ON_VMEXIT
.endm

#endif /* NPT_COMPAT_ASM_H */
