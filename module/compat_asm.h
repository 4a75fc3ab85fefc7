/* SPDX-License-Identifier: GPL-2.0 */
/* The part of compat.h that assembly files need too. */
#ifndef NPT_COMPAT_ASM_H
#define NPT_COMPAT_ASM_H

#include <linux/version.h>

/*
 * From 6.18 on the kernel keeps its helpers for guests (FPU switch, hardware
 * breakpoints, mitigations) for KVM's own modules: no real guests there.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define NPT_HAVE_SVM 1
#endif

#ifdef __ASSEMBLY__

/* VERW before a guest is entered; before 6.1.145 and 6.12.37 there is none to do. */
#ifdef VM_CLEAR_CPU_BUFFERS
#define NPT_CLEAR_BUFFERS VM_CLEAR_CPU_BUFFERS
#else
#define NPT_CLEAR_BUFFERS
#endif

/* After a guest: returns are safe again. Older kernels have the IBPB apart from the rest. */
#if defined(UNTRAIN_RET_VM)
#define NPT_UNTRAIN_RET UNTRAIN_RET_VM
#elif defined(X86_FEATURE_IBPB_ON_VMEXIT)
.macro NPT_UNTRAIN_RET
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm
#else
#define NPT_UNTRAIN_RET UNTRAIN_RET
#endif

#endif /* __ASSEMBLY__ */

#endif /* NPT_COMPAT_ASM_H */
