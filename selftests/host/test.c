// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define EXIT_SKIP 4

char test_context[256];
void (*test_on_fail)(void);
unsigned long test_cases;

/* What the process of a test tells its parent. */
static struct {
	unsigned long cases;
	char why[256];
} *shared;

static uint64_t seed;
static unsigned long seed_round;

static uint64_t test_seed(void)
{
	const char *s = getenv("NPT_SEED");

	if (!s || !*s)
		return 1;
	if (!strcmp(s, "time"))
		return (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	return strtoull(s, NULL, 0);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	const char *name = strrchr(file, '/');
	static bool again;
	va_list ap;

	printf("# %s:%d: ", name ? name + 1 : file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# NPT_SEED=%llu NPT_ROUND=%lu %s\n", (unsigned long long)seed, seed_round,
	       test_context);
	if (test_on_fail && !again) {
		again = true;
		test_on_fail();
	}
	fflush(stdout);
	if (!shared)	/* in a fuzzer */
		abort();
	_exit(1);
}

void test_trace(const char *fmt, ...)
{
	static int on = -1;
	va_list ap;

	if (on < 0)
		on = getenv("NPT_TRACE") ? 1 : 0;
	if (!on)
		return;
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->why, sizeof(shared->why), fmt, ap);
	va_end(ap);
	_exit(EXIT_SKIP);
}

bool test_round(unsigned long *round, unsigned long rounds, struct rnd *rnd)
{
	const char *only = getenv("NPT_ROUND");
	const char *n = getenv("NPT_ROUNDS");

	if (n && *n)
		rounds = strtoul(n, NULL, 0);
	if (only && *only) {
		if (*round)
			return false;
		seed_round = strtoul(only, NULL, 0);
	} else {
		if (*round >= rounds)
			return false;
		seed_round = *round;
	}
	rnd_seed(rnd, seed + seed_round * 0x100000001b3ull);
	return true;
}

static int run_one(const struct test *t)
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid) {
		t->run();
		shared->cases = test_cases;
		fflush(stdout);
		exit(0);	/* and let the leak checker have its look */
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int test_main(const struct test *tests, unsigned int n)
{
	const char *only = getenv("NPT_TEST");
	unsigned int failed = 0, number = 0;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	seed = test_seed();
	printf("# NPT_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned int i = 0; i < n; i++) {
		int ret;

		if (only && !strstr(tests[i].name, only))
			continue;
		ret = run_one(&tests[i]);
		number++;
		if (ret == EXIT_SKIP) {
			printf("ok %u %s # SKIP %s\n", number, tests[i].name, shared->why);
		} else if (ret) {
			printf("not ok %u %s\n", number, tests[i].name);
			failed++;
		} else if (shared->cases) {
			printf("ok %u %s # %lu cases\n", number, tests[i].name, shared->cases);
		} else {
			printf("ok %u %s\n", number, tests[i].name);
		}
	}
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
