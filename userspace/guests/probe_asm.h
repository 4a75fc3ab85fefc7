/* SPDX-License-Identifier: GPL-2.0 */
/* What probe_asm.S has for probe.c. */
#ifndef PROBE_ASM_H
#define PROBE_ASM_H

#include <stdint.h>

/* Runs @code on that address: the #PF's error code, ~0 if there was none. */
uint64_t probe_access(void *code, uint64_t gva);
void probe_pf(void);
void probe_syscall(void);
void probe_read(void);
void probe_write(void);
void probe_fetch(void);
void probe_read_ac(void);
void probe_write_ac(void);
void probe_user_read(void);
void probe_user_write(void);
void probe_user_fetch(void);

extern char probe_user_code[], probe_user_code_end[];
extern uint64_t probe_cr2, probe_seen, probe_user_stubs;

#endif /* PROBE_ASM_H */
