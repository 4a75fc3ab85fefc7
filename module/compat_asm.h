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

#endif /* NPT_COMPAT_ASM_H */
