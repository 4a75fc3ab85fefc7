// SPDX-License-Identifier: GPL-2.0
/*
 * The harness ends a test that takes too long by alarm(), after seconds that are meant
 * for a usual kernel. The lab says how many times longer its kernel may take.
 */
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

unsigned int alarm(unsigned int seconds)
{
	const char *patience = getenv("NPT_PATIENCE");
	unsigned int times = patience ? strtoul(patience, NULL, 10) : 1;
	struct itimerval timer = { .it_value.tv_sec = seconds * (times ? times : 1) }, before;

	return setitimer(ITIMER_REAL, &timer, &before) ? 0 : before.it_value.tv_sec;
}
