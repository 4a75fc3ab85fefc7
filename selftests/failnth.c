// SPDX-License-Identifier: GPL-2.0
/* Failure sweeps. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "failnth.h"

/* More places than any one call has. */
#define MAX_POINTS 20000

static int nth = -1;

/* Everything may fail, and without a word: a dump of the stack takes longer than the call. */
static const struct {
	const char *file, *value;
} settings[] = {
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/cache-filter", "N" },
	{ "failslab/task-filter", "N" },
	{ "failslab/verbose", "0" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "fail_page_alloc/task-filter", "N" },
	{ "fail_page_alloc/verbose", "0" },
	{ "fail_usercopy/task-filter", "N" },
	{ "fail_usercopy/verbose", "0" },
};

static bool set(const char *file, const char *value)
{
	char path[128];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return done;
}

bool failnth_there(const char **why)
{
	unsigned int i;

	if (nth >= 0)
		close(nth);
	/* Of this process: a child must not have its parent's. */
	nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	*why = "this kernel has no /proc/self/fail-nth";
	if (nth < 0)
		return false;
	*why = "failslab, fail_page_alloc or fail_usercopy can't be set up";
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!set(settings[i].file, settings[i].value))
			return false;
	return true;
}

bool failnth_leave_pages(void)
{
	/* No block of pages is as large. */
	return set("fail_page_alloc/min-order", "20");
}

void failnth_arm(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* What is still armed may fail this very copying, but not twice. */
	if (pwrite(nth, text, len, 0) != len && pwrite(nth, text, len, 0) != len)
		abort();
}

bool failnth_disarm(void)
{
	char text[16] = "";

	/* Where the next place was to fail, that is the copying of this answer. */
	bool hit = pread(nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	failnth_arm(0);
	return hit;
}

unsigned int failnth_left(void)
{
	char text[16] = "";

	return pread(nth, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

enum failnth_end failnth_judge(void *world, long ret, bool hit)
{
	if (ret >= 0)
		return FAILNTH_DONE;
	return hit && (ret == -ENOMEM || ret == -EFAULT) ? FAILNTH_FAILED : FAILNTH_WRONG;
}

/* With the @n-th place failing. False: wrong; *more: there was such a place. */
static bool step(const char *name, const struct failnth_ops *ops, void *world, unsigned int n,
		 struct failnth_sum *sum, bool *more)
{
	enum failnth_end end;
	long ret;

	if (!ops->prepare(world)) {
		fprintf(stderr, "%s, place %u: what comes before is not possible\n", name, n);
		return false;
	}
	failnth_arm(n);
	ret = ops->call(world);
	*more = failnth_disarm();
	end = ops->judge(world, ret, *more);
	sum->points += *more;
	if (end == FAILNTH_FAILED && *more) {
		sum->failed++;
		ret = ops->call(world);
		end = ops->judge(world, ret, false);
		if (end != FAILNTH_DONE)
			fprintf(stderr, "%s, place %u failed it, and then: %ld\n", name, n,
				ret);
	} else if (end != FAILNTH_DONE) {
		fprintf(stderr, "%s, place %u%s: %ld\n", name, n, *more ? "" : ", none failed",
			ret);
	}
	ops->undo(world, ret);
	return end == FAILNTH_DONE;
}

bool failnth_sweep_from(const char *name, const struct failnth_ops *ops, void *world,
			unsigned int from, struct failnth_sum *sum)
{
	bool more = true;
	unsigned int n;

	*sum = (struct failnth_sum){ 0 };
	for (n = from; more && n <= MAX_POINTS; n++)
		if (!step(name, ops, world, n, sum, &more))
			return false;
	printf("# %s: %u places, %u errors\n", name, sum->points, sum->failed);
	fflush(stdout);
	if (more)
		fprintf(stderr, "%s: no end after %u places\n", name, n);
	return !more;
}

bool failnth_sweep(const char *name, const struct failnth_ops *ops, void *world,
		   struct failnth_sum *sum)
{
	return failnth_sweep_from(name, ops, world, 1, sum);
}
