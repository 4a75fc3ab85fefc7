/* SPDX-License-Identifier: GPL-2.0 */
/* The clock of what runs in the lab: with --icount a tick is an instruction. */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <stdint.h>

static inline uint64_t ticks(void)
{
	uint32_t lo, hi;

	__asm__ __volatile__("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

#endif /* BENCH_TICKS_H */
