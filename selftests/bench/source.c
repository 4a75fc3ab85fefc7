// SPDX-License-Identifier: GPL-2.0
/* Streams of accesses, made as they are needed. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PAGE 4096

static uint64_t random_word(struct source *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state * 2685821657736338717ULL;
}

static void put(struct npt_access *a, uint64_t offset, uint8_t op)
{
	*a = (struct npt_access){
		.gva = BENCH_GVA + offset, .size = 8, .op = op, .flags = NPT_ACCESS_USER,
	};
}

static size_t take(struct source *s, size_t n)
{
	if (n > s->left)
		n = s->left;
	s->left -= n;
	return n;
}

static void start(struct source *s, uint64_t bytes, uint64_t records,
		  size_t (*next)(struct source *, struct npt_access *, size_t))
{
	memset(s, 0, sizeof(*s));
	s->next = next;
	s->bytes = bytes;
	s->left = records;
	s->state = 88172645463325252ULL;
}

static size_t next_rmw(struct source *s, struct npt_access *buf, size_t n)
{
	size_t i;

	n = take(s, n & ~1UL);
	for (i = 0; i + 1 < n; i += 2) {
		uint64_t offset = (random_word(s) >> 8) % s->bytes & ~7ULL;

		put(&buf[i], offset, NPT_OP_READ);
		put(&buf[i + 1], offset, NPT_OP_WRITE);
	}
	return n;
}

static size_t next_random(struct source *s, struct npt_access *buf, size_t n)
{
	size_t i;

	n = take(s, n);
	for (i = 0; i < n; i++)
		put(&buf[i], (random_word(s) >> 8) % s->bytes & ~7ULL, NPT_OP_READ);
	return n;
}

static size_t next_strided(struct source *s, struct npt_access *buf, size_t n)
{
	size_t i;

	n = take(s, n);
	for (i = 0; i < n; i++) {
		put(&buf[i], s->at, NPT_OP_READ);
		s->at = (s->at + PAGE) % s->bytes;
	}
	return n;
}

static size_t next_chase(struct source *s, struct npt_access *buf, size_t n)
{
	size_t i;

	n = take(s, n);
	for (i = 0; i < n; i++) {
		put(&buf[i], s->at * PAGE, NPT_OP_READ);
		s->at = s->order[s->at];
	}
	return n;
}

static size_t next_hit(struct source *s, struct npt_access *buf, size_t n)
{
	size_t i;

	n = take(s, n);
	for (i = 0; i < n; i++)
		put(&buf[i], i * 8 % PAGE, NPT_OP_READ);
	return n;
}

void source_random_rmw(struct source *s, uint64_t bytes, uint64_t records)
{
	start(s, bytes, records & ~1ULL, next_rmw);
}

void source_random(struct source *s, uint64_t bytes, uint64_t records)
{
	start(s, bytes, records, next_random);
}

void source_strided(struct source *s, uint64_t bytes, uint64_t records)
{
	start(s, bytes, records, next_strided);
}

void source_hit(struct source *s, uint64_t records)
{
	start(s, PAGE, records, next_hit);
}

/* One cycle through all pages in random order (Sattolo). */
void source_chase(struct source *s, uint64_t bytes, uint64_t records)
{
	uint64_t pages = bytes / PAGE, i, j;
	uint32_t t;

	start(s, bytes, records, next_chase);
	s->order = must_alloc(pages, sizeof(*s->order));
	for (i = 0; i < pages; i++)
		s->order[i] = i;
	for (i = pages - 1; i; i--) {
		j = (random_word(s) >> 8) % i;
		t = s->order[i];
		s->order[i] = s->order[j];
		s->order[j] = t;
	}
}

void source_free(struct source *s)
{
	free(s->order);
	memset(s, 0, sizeof(*s));
}
