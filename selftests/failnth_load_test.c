// SPDX-License-Identifier: GPL-2.0
/*
 * Loading the module with allocations failing in turn: it is there, and can be
 * unloaded, or it is not, and can be loaded.
 *
 * Only the last places of the load are made to fail, those of the module's own
 * beginning among them. What comes before is the kernel's loader, whose tracing
 * (6.1: event_define_fields()) warns where it has no memory.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include "failnth.h"
#include "kselftest_harness.h"
#include "utils.h"

#define LAST_PLACES 120U

/* More than any load has. */
#define FAR 1000000U

struct world {
	const char *path;
	char args[128];
	int fd;
};

static bool loaded(void)
{
	return !access("/sys/module/npt", F_OK);
}

/* The parameters as they are: whoever loads the module again leaves it as it was. */
static void keep_parameter(struct world *w, const char *name)
{
	size_t len = strlen(w->args);
	char path[64], value[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/module/npt/parameters/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, value, sizeof(value) - 1) > 0)
		snprintf(w->args + len, sizeof(w->args) - len, "%s=%.*s ", name,
			 (int)strcspn(value, "\n"), value);
	close(fd);
}

static bool unload(void)
{
	return !syscall(SYS_delete_module, "npt", O_NONBLOCK);
}

static bool prepare(void *world)
{
	struct world *w = world;

	w->fd = open(w->path, O_RDONLY | O_CLOEXEC);
	return w->fd >= 0 && !loaded();
}

static long load(void *world)
{
	struct world *w = world;

	return syscall(SYS_finit_module, w->fd, w->args, 0) ? -errno : 0;
}

static enum failnth_end judge(void *world, long ret, bool hit)
{
	bool there = loaded();

	if (!ret)
		return there && !access("/dev/npt", F_OK) ? FAILNTH_DONE : FAILNTH_WRONG;
	return there ? FAILNTH_WRONG : failnth_judge(world, ret, hit);
}

static void undo(void *world, long ret)
{
	struct world *w = world;

	close(w->fd);
	if (!ret && !unload())
		fprintf(stderr, "what was loaded can't be unloaded: %s\n", strerror(errno));
}

/* The number of places of a load; 0: it can't be loaded. */
static unsigned int count_places(struct world *w)
{
	unsigned int left;
	long ret;

	if (!prepare(w))
		return 0;
	failnth_arm(FAR);
	ret = load(w);
	left = failnth_left();
	failnth_disarm();
	undo(w, ret);
	return ret ? 0 : FAR - left;
}

static const struct failnth_ops ops = {
	.prepare = prepare, .call = load, .judge = judge, .undo = undo,
};

FIXTURE(failnth_load) {
};

FIXTURE_SETUP(failnth_load)
{
}

FIXTURE_TEARDOWN(failnth_load)
{
}

TEST_F_TIMEOUT(failnth_load, finit_module, 3000)
{
	struct failnth_sum sum;
	unsigned int places;
	struct world w = { .path = getenv("NPT_KO") };
	const char *why_not;

	if (!failnth_there(&why_not))
		SKIP(return, "%s", why_not);
	if (!w.path || geteuid())
		SKIP(return, "NPT_KO names no module, or not root");
	keep_parameter(&w, "engine");
	keep_parameter(&w, "mmu");
	if (loaded() && !unload())
		SKIP(return, "the module is in use");
	ASSERT_TRUE(failnth_leave_pages());
	places = count_places(&w);
	ASSERT_LT(LAST_PLACES, places);
	TH_LOG("%u places", places);
	EXPECT_TRUE(failnth_sweep_from("finit_module", &ops, &w, places - LAST_PLACES, &sum));
	EXPECT_LT(10, sum.failed);
	/* As it was found. */
	ASSERT_TRUE(prepare(&w));
	ASSERT_EQ(0, load(&w));
	close(w.fd);
}

TEST_HARNESS_MAIN
