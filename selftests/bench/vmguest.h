/* SPDX-License-Identifier: GPL-2.0 */
/* vmguest.S: the loops of vmbench's guest; each ends at guest_done. */
#ifndef BENCH_VMGUEST_H
#define BENCH_VMGUEST_H

#include <stdint.h>

/* All of it, to be copied as it is: it runs anywhere. */
extern const uint8_t guest_begin[], guest_end[];

/* Exits to user space, for ever. */
extern const uint8_t guest_done[], guest_out[], guest_hlt[], guest_mmio[];
/* Turn rcx (guest_cpuid: r12) times. */
extern const uint8_t guest_cpuid[], guest_root[], guest_touch[], guest_invlpg[], guest_pte[];
extern const uint8_t guest_new_pte[], guest_fault[], guest_protect[];
extern const uint8_t guest_cr3[], guest_switch[];
/* What #PF leads to. */
extern const uint8_t guest_handler[];

#endif /* BENCH_VMGUEST_H */
