/* SPDX-License-Identifier: GPL-2.0 */
/* What tests do to the machine around the VM: files, swap, the module, what memory it has. */
#ifndef NPT_SELFTESTS_SYSTEM_H
#define NPT_SELFTESTS_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

/* Advice that the C library's headers may be too old for. */
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* A number from the environment. */
unsigned long setting(const char *name, unsigned long otherwise);
/* @n rounds, or a tenth on a kernel that keeps account of each object. */
unsigned long fewer(unsigned long n);
/* Seconds, of a clock that nobody sets. */
double now(void);
/* The same numbers for the same seed. */
uint64_t random_of(uint64_t *seed);

/* Write the text, and nothing else, in one call. */
bool write_file(const char *path, const char *text);
/* The number behind @key at the beginning of a line; -1: there is none. */
long read_number(const char *path, const char *key);

/* Somewhere to swap to: a compressed RAM disk. */
bool swap_on(void);
/* Memory that the kernel holds for itself, in KiB, when caches are dropped. */
long kernel_memory(void);

/*
 * Make the control group (v2) of this name, with the memory controller; with
 * @max, it may have no more than that.
 */
bool group_make(const char *name, const char *max);
/* The process @pid, 0: this one, goes there. */
bool group_enter(const char *name, int pid);
/* The number behind @key in @file of the group; see read_number(). */
long group_number(const char *name, const char *file, const char *key);
/* Its processes have ended, and are forgotten within some time. */
bool group_remove(const char *name);

/* delete_module() and finit_module() of npt; 0 or -errno. */
int module_unload(void);
int module_load(void);

#endif /* NPT_SELFTESTS_SYSTEM_H */
