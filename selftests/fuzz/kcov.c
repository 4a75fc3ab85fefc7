// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel tells of the code that an operation reached (CONFIG_KCOV); the
 * module alone is built for it (NPT_KCOV=1), so places are the module's.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kfuzz.h"

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0
#define KCOV_WORDS	(32ul << 10)

static __thread unsigned long *places;	/* [0]: how many */

bool kcov_there(void)
{
	return !access("/sys/kernel/debug/kcov", R_OK | W_OK);
}

bool kcov_start(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return false;
	if (ioctl(fd, KCOV_INIT_TRACE, KCOV_WORDS))
		return false;
	p = mmap(NULL, KCOV_WORDS * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		return false;
	places = p;
	return true;
}

void kcov_begin(void)
{
	if (places)
		__atomic_store_n(&places[0], 0, __ATOMIC_RELAXED);
}

void kcov_end(void)
{
	unsigned long n, i;

	if (!places)
		return;
	n = __atomic_load_n(&places[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < KCOV_WORDS; i++) {
		unsigned int at = rnd_mix(places[i]) % COVER_SIZE;

		if (shared->cover[at])
			continue;
		shared->cover[at] = 1;
		atomic_fetch_add(&shared->nr_fresh, 1);
	}
}
