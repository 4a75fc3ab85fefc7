// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzz targets for a few seconds each: fuzz_mmu's own code with random
 * bytes, then every target that libFuzzer could be built into.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_env.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void random_bytes(void)
{
	static uint8_t data[8192];
	unsigned long round;
	struct rnd rnd;

	for_each_round(round, 150, &rnd) {
		size_t n = 2 + rnd_below(&rnd, sizeof(data) - 2);

		for (size_t i = 0; i < n; i++)
			data[i] = rnd64(&rnd);
		LLVMFuzzerTestOneInput(data, n);
	}
}

/* Run "fuzz_@name -runs=@runs", which lies beside this program. */
static void run_target(const char *name, const char *runs)
{
	char self[PATH_MAX - 64], path[PATH_MAX], arg[64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;
	pid_t pid;

	CHECK(n > 0, "/proc/self/exe");
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(path, sizeof(path), "%s/fuzz_%s", self, name);
	if (access(path, X_OK))
		test_skip("no clang with libFuzzer here (package libclang-rt-14-dev)");
	snprintf(arg, sizeof(arg), "-runs=%s", runs);
	pid = fork();
	if (!pid) {
		CHECK(freopen("/dev/null", "w", stderr), "/dev/null");
		execl(path, path, arg, "-seed=1", "-max_total_time=10", "-max_len=4096",
		      "-artifact_prefix=/tmp/npt-fuzz-", NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status),
	      "%s found something (status %#x): the input is in /tmp/npt-fuzz-*", path, status);
}

static void libfuzzer_mmu(void)
{
	run_target("mmu", "4000");
}

static void libfuzzer_trace(void)
{
	run_target("trace", "20000");
}

static const struct test tests[] = {
	{ "fuzz.random_bytes", random_bytes },
	{ "fuzz.libfuzzer_mmu", libfuzzer_mmu },
	{ "fuzz.libfuzzer_trace", libfuzzer_trace },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
