// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzz targets without a fuzzer: what was once found, and seeds, from
 * selftests/fuzz/corpus/TARGET, then random bytes for a moment; with random
 * changes to the seeds where random bytes alone would come to nothing.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "host_env.h"
#include "test.h"

#define INPUT_ROOM	(64 * 1024)

struct input {
	char name[64];
	size_t len;
	uint8_t *data;
};

static struct input input[256];
static unsigned int inputs;

/* Beside the program, wherever it was started: build/[clang/][plain/]fuzz_test. */
static void corpus_path(char *path, const char *target)
{
	char self[PATH_MAX - 128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *p;

	CHECK(n > 0, "/proc/self/exe");
	self[n] = '\0';
	p = strstr(self, "/host/build/");
	CHECK(p, "%s: not in selftests/host/build", self);
	*p = '\0';
	snprintf(path, PATH_MAX, "%s/fuzz/corpus/%s", self, target);
}

static void read_input(const char *dir, const char *name)
{
	struct input *in = &input[inputs++];
	char path[PATH_MAX + 80];
	FILE *f;

	CHECK(inputs < ARRAY_SIZE(input), "%s: too many files", dir);
	snprintf(in->name, sizeof(in->name), "%.60s", name);
	snprintf(path, sizeof(path), "%s/%s", dir, in->name);
	f = fopen(path, "re");
	CHECK(f, "%s: can't be read", path);
	in->data = malloc(INPUT_ROOM);
	in->len = fread(in->data, 1, INPUT_ROOM, f);
	fclose(f);
}

static void read_corpus(const char *target)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;

	corpus_path(path, target);
	dir = opendir(path);
	CHECK(dir, "%s: no such folder", path);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			read_input(path, d->d_name);
	closedir(dir);
	CHECK(inputs, "%s: no inputs", path);
}

static void change(struct rnd *r, uint8_t *data, size_t len)
{
	for (unsigned int n = 1 + rnd_below(r, 4); n && len; n--) {
		uint8_t *p = data + rnd_below(r, len);

		switch (rnd_below(r, 4)) {
		case 0:
			*p = rnd64(r);
			break;
		case 1:
			*p ^= 1 << rnd_below(r, 8);
			break;
		case 2:
			*p = rnd_bool(r) ? 0 : 0xff;
			break;
		default:
			*p += rnd_bool(r) ? 1 : -1;
		}
	}
}

static void replay(const char *target, void (*fn)(const uint8_t *data, size_t size),
		   unsigned long rounds)
{
	static uint8_t data[INPUT_ROOM];
	unsigned long round;
	struct rnd r;

	read_corpus(target);
	for (unsigned int i = 0; i < inputs; i++) {
		snprintf(test_context, sizeof(test_context), "input %s", input[i].name);
		fn(input[i].data, input[i].len);
		test_cases++;
	}
	for_each_round(round, rounds, &r) {
		struct input *in = &input[rnd_below(&r, inputs)];
		size_t len = in->len;

		snprintf(test_context, sizeof(test_context), "round %lu of %.60s", round, in->name);
		if (rnd_below(&r, 4)) {
			memcpy(data, in->data, len);
			change(&r, data, len);
		} else {
			len = 2 + rnd_below(&r, 1024);
			for (size_t i = 0; i < len; i++)
				data[i] = rnd64(&r);
		}
		fn(data, len);
		test_cases++;
	}
	for (unsigned int i = 0; i < inputs; i++)
		free(input[i].data);
}

#define TARGET(name, rounds) \
	static void run_##name(void) { replay(#name, fuzz_##name, rounds); }
TARGET(decode, 200000)
TARGET(emulate, 100000)
TARGET(load, 5000)
TARGET(mmu, 60)
TARGET(nl, 20000)
TARGET(shadow, 60)
TARGET(tlbspec, 50000)
TARGET(trace, 300)
TARGET(walk, 30000)

static const struct test tests[] = {
#define T(name) { "fuzz." #name, run_##name }
	T(decode), T(emulate), T(load), T(mmu), T(nl), T(shadow), T(tlbspec), T(trace), T(walk),
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
