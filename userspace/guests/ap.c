// SPDX-License-Identifier: GPL-2.0
/* Starting other processors: INIT, SIPI, SIPI (APM vol. 2, 16.5; SDM vol. 3A, 9.4.4). */
#include "guest.h"

#define STACK_PAGES	4	/* ap.S knows */

/* Ticks that other processors get to come up, however slow this one is emulated. */
#define PATIENCE	200000000000ull

static void delay(uint64_t ticks)
{
	uint64_t end = rdtsc() + ticks;

	while (rdtsc() < end)
		pause();
}

bool ap_start(unsigned int others)
{
	uint64_t end = rdtsc() + PATIENCE;

	if (!others)
		return true;
	ap_stacks = (uint64_t)pages(others * STACK_PAGES, 4096);
	memcpy((void *)AP_START, ap_code, ap_code_end - ap_code);
	lapic_send(0, ICR_OTHERS | ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	delay(10000000);
	lapic_send(0, ICR_OTHERS | ICR_SIPI | AP_START >> 12);
	delay(200000);
	lapic_send(0, ICR_OTHERS | ICR_SIPI | AP_START >> 12);
	while (ap_running < others && rdtsc() < end)
		pause();
	/* one too many would come late */
	delay(1000000);
	if (ap_running == others)
		return true;
	fail("%u other processors started, expected %u (cpus=N says how many there are)",
	     ap_running, others);
	return false;
}
