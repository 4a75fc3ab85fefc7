/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test programs of selftests/host: each test runs in a process of its own, so
 * that a sanitizer's abort fails one test and not the rest, and gives one TAP line.
 *
 * NPT_SEED    seed of the random tests (a number, or "time")
 * NPT_ROUNDS  rounds of each random test instead of its own number
 * NPT_ROUND   run only this round, to look at a failure
 * NPT_TEST    run only tests whose name holds this
 * NPT_TRACE   print each step of the tests that have steps
 */
#ifndef HOST_TEST_H
#define HOST_TEST_H

#include "rnd.h"

struct test {
	const char *name;
	void (*run)(void);
};

/* Run all, print TAP; the exit status of main(): 0, or 1 if any failed. */
int test_main(const struct test *tests, unsigned int n);

/* Print why and end this test as failed. */
void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

/* End this test as skipped. */
void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* What is printed with a failure, besides its own text. */
extern char test_context[256];

/* Called (once) by a failing check, to print more about the present state. */
extern void (*test_on_fail)(void);

/* With NPT_TRACE set: a line of what is being done. */
void test_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Number of cases, printed with the test's line. */
extern unsigned long test_cases;

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond, ...) do {				\
	if (!(cond))					\
		test_fail(__FILE__, __LINE__, __VA_ARGS__); \
} while (0)
#define CHECK_EQ(a, b, what) do {			\
	unsigned long long __a = (a), __b = (b);	\
	if (__a != __b)					\
		test_fail(__FILE__, __LINE__, "%s: got %#llx, expected %#llx", what, __a, __b); \
} while (0)

/* Each round begins with a generator that depends on seed and round alone. */
bool test_round(unsigned long *round, unsigned long rounds, struct rnd *rnd);
#define for_each_round(round, rounds, rnd) \
	for (round = 0; test_round(&(round), rounds, rnd); round++)

#endif /* HOST_TEST_H */
