/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that drive vCPUs of the soft engine and check that memory holds what
 * they wrote, for tests that disturb it meanwhile. gva = gpa in their guest: the
 * first WORK_SIZE bytes are theirs, then come its tables.
 */
#ifndef NPT_SELFTESTS_SOFTWORK_H
#define NPT_SELFTESTS_SOFTWORK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "utils.h"

/*
 * Pages that threads own, from PAGE on, each by turns; then pages that the test
 * may take away under them (victims).
 */
#define WORKERS 2
#define OWNED_PAGES 48		/* of each thread */
#define VICTIMS (2 * MIB)
#define VICTIM_PAGES 64
#define WORK_SIZE (VICTIMS + 2 * MIB)
#define MEM_SIZE (WORK_SIZE + 2 * MIB)
#define TABLES WORK_SIZE

/* What a victim page holds, if anything. */
#define PATTERN(page) (0x1234567800000000ULL + (page))

struct worker {
	pthread_t thread;
	int vcpu;
	unsigned int id;
	bool tolerant;			/* the host may refuse pages for a while */
	uint64_t expected[OWNED_PAGES];
	unsigned int rounds;		/* under a lock */
	atomic_bool stop;
	char failure[128];		/* empty: none */
};

/*
 * Memory for them at an address for large pages, in slot 0 of @vm, and their vCPUs.
 * False: errno says why.
 */
bool make_workplace(int vm, char **mem, int *vcpus);
void drop_workplace(char *mem, const int *vcpus);

void start_workers(struct worker *workers, const int *vcpus, bool tolerant);
/* Until each has done a whole round since. */
void wait_for_rounds(struct worker *workers);
/* True: nobody has seen anything wrong. */
bool stop_workers(struct worker *workers);

#endif /* NPT_SELFTESTS_SOFTWORK_H */
