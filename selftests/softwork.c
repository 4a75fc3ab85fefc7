// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include "softwork.h"

/* Whoever waits for rounds. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
} progress = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

static void add_rounds(struct worker *w, unsigned int n)
{
	pthread_mutex_lock(&progress.lock);
	w->rounds += n;
	pthread_cond_broadcast(&progress.changed);
	pthread_mutex_unlock(&progress.lock);
}

/* One round's batch: three records for each own page, two for a victim. */
#define RECORDS (3 * OWNED_PAGES + 2)
struct round {
	struct npt_access rec[RECORDS];
	struct npt_access_result res[RECORDS];
	uint64_t data[RECORDS];
};

static uint64_t own_page(const struct worker *w, unsigned int i)
{
	return (i * WORKERS + w->id + 1) * PAGE;
}

static void add_record(struct round *r, unsigned int i, uint8_t op, uint8_t flags,
		       uint64_t gva, uint64_t value)
{
	r->rec[i] = (struct npt_access) {
		.gva = gva,
		.size = 8,
		.op = op,
		.flags = flags | NPT_ACCESS_DATA,
		.data = i * 8,
	};
	r->data[i] = value;
}

static void prepare_round(const struct worker *w, struct round *r, unsigned int round)
{
	unsigned int i, victim = round % VICTIM_PAGES;

	for (i = 0; i < OWNED_PAGES; i++) {
		uint64_t value = (uint64_t)round << 32 | w->id << 16 | i;

		add_record(r, i, NPT_OP_WRITE, 0, own_page(w, i), value);
		add_record(r, OWNED_PAGES + i, NPT_OP_READ, 0, own_page(w, i), 0);
		add_record(r, 2 * OWNED_PAGES + i, NPT_OP_READ, NPT_ACCESS_PHYS,
			   own_page(w, i), 0);
	}
	add_record(r, 3 * OWNED_PAGES, NPT_OP_WRITE, 0, VICTIMS + victim * PAGE,
		   PATTERN(victim));
	victim = round * 7 % VICTIM_PAGES;
	add_record(r, 3 * OWNED_PAGES + 1, NPT_OP_READ, 0, VICTIMS + victim * PAGE, 0);
}

__attribute__((format(printf, 2, 3)))
static void fail(struct worker *w, const char *format, ...)
{
	va_list args;

	if (w->failure[0])
		return;
	va_start(args, format);
	vsnprintf(w->failure, sizeof(w->failure), format, args);
	va_end(args);
}

static bool usable(struct worker *w, const struct round *r, unsigned int i)
{
	if (r->res[i].status == NPT_STATUS_OK)
		return true;
	if (!w->tolerant || r->res[i].status != NPT_STATUS_HOST_FAULT)
		fail(w, "record %u: status %u at gva %llx error %x", i, r->res[i].status,
		     (unsigned long long)r->rec[i].gva, r->res[i].error_code);
	return false;
}

static void check_round(struct worker *w, const struct round *r)
{
	uint64_t got, pattern;
	unsigned int i, how;

	for (i = 0; i < OWNED_PAGES; i++) {
		if (usable(w, r, i))
			w->expected[i] = r->data[i];
		for (how = 1; how < 3; how++) {
			if (!usable(w, r, how * OWNED_PAGES + i))
				continue;
			got = r->data[how * OWNED_PAGES + i];
			if (got != w->expected[i])
				fail(w, "page %u by %s address: %llx, expected %llx", i,
				     how == 1 ? "virtual" : "physical", (unsigned long long)got,
				     (unsigned long long)w->expected[i]);
		}
	}
	usable(w, r, 3 * OWNED_PAGES);
	i = 3 * OWNED_PAGES + 1;
	pattern = PATTERN((r->rec[i].gva - VICTIMS) / PAGE);
	if (usable(w, r, i) && r->data[i] && r->data[i] != pattern)
		fail(w, "victim page: %llx", (unsigned long long)r->data[i]);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct round *r = malloc(sizeof(*r));
	unsigned int round;

	for (round = 1; !atomic_load(&w->stop) && !w->failure[0]; round++) {
		struct npt_batch b = {
			.size = sizeof(b),
			.accesses = (uintptr_t)r->rec,
			.results = (uintptr_t)r->res,
			.data = (uintptr_t)r->data,
			.data_len = sizeof(r->data),
			.count = RECORDS,
		};

		prepare_round(w, r, round);
		if (call(w->vcpu, NPT_BATCH, &b) || b.done != RECORDS)
			fail(w, "the batch ended after %u", b.done);
		else
			check_round(w, r);
		add_rounds(w, 1);
	}
	/* Whoever waits for progress gets it. */
	add_rounds(w, 1U << 30);
	free(r);
	return NULL;
}

bool make_workplace(int vm, char **mem, int *vcpus)
{
	unsigned int i;

	*mem = map_aligned(MEM_SIZE);
	if (!*mem)
		return false;
	identity_tables(*mem + TABLES, TABLES, MEM_SIZE);
	if (set_slot(vm, 0, 0, 0, MEM_SIZE, *mem))
		return false;
	for (i = 0; i < WORKERS; i++) {
		vcpus[i] = call_value(vm, KVM_CREATE_VCPU, i);
		if (vcpus[i] < 0 || long_mode(vcpus[i], TABLES))
			return false;
	}
	return true;
}

void drop_workplace(char *mem, const int *vcpus)
{
	unsigned int i;

	for (i = 0; i < WORKERS; i++)
		close(vcpus[i]);
	munmap(mem, MEM_SIZE);
}

void start_workers(struct worker *workers, const int *vcpus, bool tolerant)
{
	unsigned int i;

	memset(workers, 0, WORKERS * sizeof(*workers));
	for (i = 0; i < WORKERS; i++) {
		workers[i].vcpu = vcpus[i];
		workers[i].id = i;
		workers[i].tolerant = tolerant;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
}

void wait_for_rounds(struct worker *workers)
{
	unsigned int i, before[WORKERS];

	pthread_mutex_lock(&progress.lock);
	for (i = 0; i < WORKERS; i++)
		before[i] = workers[i].rounds;
	for (i = 0; i < WORKERS; i++)
		while (workers[i].rounds - before[i] < 2)
			pthread_cond_wait(&progress.changed, &progress.lock);
	pthread_mutex_unlock(&progress.lock);
}

bool stop_workers(struct worker *workers)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < WORKERS; i++)
		atomic_store(&workers[i].stop, true);
	for (i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].failure[0])
			fprintf(stderr, "# vCPU %u: %s\n", i, workers[i].failure);
		good &= !workers[i].failure[0];
	}
	return good;
}

