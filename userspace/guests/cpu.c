// SPDX-License-Identifier: GPL-2.0
/* What this processor has. */
#include "guest.h"

struct cpu_features cpu;

void cpu_init(void)
{
	uint32_t r[4], max;

	cpuid(0, 0, r);
	max = r[0];
	cpuid(1, 0, r);
	cpu.x2apic = r[2] & 1 << 21;
	cpu.deadline = r[2] & 1 << 24;
	if (max >= 7) {
		cpuid(7, 0, r);
		cpu.smep = r[1] & 1 << 7;
		cpu.smap = r[1] & 1 << 20;
		cpu.pku = r[2] & 1 << 3;
	}
	cpu.phys_bits = 36;
	cpuid(0x80000000, 0, r);
	max = r[0];
	if (max < 0x80000001)
		return;
	cpuid(0x80000001, 0, r);
	cpu.nx = r[3] & 1 << 20;
	cpu.pages_1g = r[3] & 1 << 26;
	if (max < 0x80000008)
		return;
	cpuid(0x80000008, 0, r);
	cpu.phys_bits = r[0] & 0xff;
}
