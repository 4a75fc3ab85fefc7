/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failure sweeps: a call is made again and again, and each time the next of
 * the places fails at which the kernel allocates something or copies from or
 * to user space, until none is left. /proc/self/fail-nth does it, on kernels
 * with fault injection.
 */
#ifndef NPT_SELFTESTS_FAILNTH_H
#define NPT_SELFTESTS_FAILNTH_H

#include <stdbool.h>

/* What became of the call. */
enum failnth_end {
	FAILNTH_DONE,		/* what it gives if nothing fails */
	FAILNTH_FAILED,		/* an error, as it may be, and nothing broken */
	FAILNTH_WRONG,
};

/* A call under test: @world is the test's own. */
struct failnth_ops {
	/* Before each call. False: it can't be done. */
	bool (*prepare)(void *world);
	/* The call: >= 0 or -errno. */
	long (*call)(void *world);
	/* Judges what it gave; @hit: something was made to fail. May complain on stderr. */
	enum failnth_end (*judge)(void *world, long ret, bool hit);
	/* After a call that was done. */
	void (*undo)(void *world, long ret);
};

/*
 * To judge by the answer alone: >= 0 is what the call gives, and what failed it
 * may be told as no memory, or as a pointer that leads nowhere.
 */
enum failnth_end failnth_judge(void *world, long ret, bool hit);

/* What a sweep met. */
struct failnth_sum {
	unsigned int points;	/* places that were made to fail */
	unsigned int failed;	/* calls that failed for it */
};

/* Can this kernel do it? Sets it up, and tells why not. */
bool failnth_there(const char **why);

/* Places that allocate whole pages are none: their number depends on what pages lie at hand. */
bool failnth_leave_pages(void);

/* Let the @n-th place from here on fail; 0: none. */
void failnth_arm(unsigned int n);
/* How many places away it is. */
unsigned int failnth_left(void);
/* No more; true: it has failed. */
bool failnth_disarm(void);

/*
 * Sweep one call. After each failure the same call must be done at once. False:
 * something was wrong, and stderr says what.
 */
bool failnth_sweep(const char *name, const struct failnth_ops *ops, void *world,
		   struct failnth_sum *sum);
/* Only from the place @from on. */
bool failnth_sweep_from(const char *name, const struct failnth_ops *ops, void *world,
			unsigned int from, struct failnth_sum *sum);

#endif /* NPT_SELFTESTS_FAILNTH_H */
