// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>
#include "system.h"
#include "utils.h"

#define GROUPS "/sys/fs/cgroup/"

unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 10) : otherwise;
}

unsigned long fewer(unsigned long n)
{
	return access("/sys/kernel/debug/kmemleak", F_OK) ? n : n / 10;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

uint64_t random_of(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

long read_number(const char *path, const char *key)
{
	char line[256];
	long n = -1;
	FILE *f = fopen(path, "re");

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			n = atol(line + strlen(key));
	if (f)
		fclose(f);
	return n;
}

bool swap_on(void)
{
	if (read_number("/proc/meminfo", "SwapTotal:") > 0 || !swapon("/dev/zram0", 0))
		return true;
	return !system("modprobe zram; echo 64M > /sys/block/zram0/disksize") &&
	       !system("mkswap /dev/zram0 > /dev/null") && !swapon("/dev/zram0", 0);
}

long kernel_memory(void)
{
	static const char *const others[] = {
		"MemFree:", "Buffers:", "Cached:", "SwapCached:", "AnonPages:",
	};
	const char *info = "/proc/meminfo";
	long used;
	unsigned int i;

	/* KSM keeps what it knew of processes that are gone while it stands still. */
	write_file("/sys/kernel/mm/ksm/run", "2");
	write_file("/sys/kernel/mm/ksm/run", "0");
	write_file("/proc/sys/vm/drop_caches", "3");
	used = read_number(info, "MemTotal:");
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		used -= read_number(info, others[i]);
	return used;
}

/* --- control groups ------------------------------------------------------------------- */

static const char *group_file(const char *name, const char *file)
{
	static __thread char path[256];

	snprintf(path, sizeof(path), GROUPS "%s/%s", name, file);
	return path;
}

bool group_make(const char *name, const char *max)
{
	write_file(GROUPS "cgroup.subtree_control", "+memory");
	if (mkdir(group_file(name, ""), 0755) && errno != EEXIST)
		return false;
	return !max || write_file(group_file(name, "memory.max"), max);
}

bool group_enter(const char *name, int pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return write_file(group_file(name, "cgroup.procs"), text);
}

long group_number(const char *name, const char *file, const char *key)
{
	return read_number(group_file(name, file), key);
}

bool group_remove(const char *name)
{
	double end = now() + 30;

	while (rmdir(group_file(name, "")))
		if (errno != EBUSY || now() > end)
			return false;
	return true;
}

/* --- the module ------------------------------------------------------------------------- */

int module_unload(void)
{
	return syscall(SYS_delete_module, "npt", O_NONBLOCK) ? -errno : 0;
}

int module_load(void)
{
	const char *path = getenv("NPT_KO");
	int fd, ret;

	fd = open(path ?: "npt.ko", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}
