/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where tests take their choices from: a seeded generator, or the bytes that a
 * fuzzer made up. The same test code serves both.
 */
#ifndef HOST_RND_H
#define HOST_RND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rnd {
	uint64_t state;
	const uint8_t *bytes;	/* not NULL: choices come from here */
	size_t left;
	bool dry;		/* the bytes are used up: end the test */
};

/* splitmix64's mixing, also of seeds: neighbours must not give shifted sequences. */
static inline uint64_t rnd_mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline void rnd_seed(struct rnd *r, uint64_t seed)
{
	*r = (struct rnd){ .state = rnd_mix(seed * 0x9e3779b97f4a7c15ull + 1) };
}

static inline void rnd_bytes(struct rnd *r, const uint8_t *bytes, size_t n)
{
	*r = (struct rnd){ .bytes = bytes, .left = n };
}

static inline uint64_t rnd_take(struct rnd *r, unsigned int n)
{
	uint64_t v = 0;

	while (n--) {
		if (!r->left) {
			r->dry = true;
			return v;
		}
		v = v << 8 | *r->bytes++;
		r->left--;
	}
	return v;
}

static inline uint64_t rnd64(struct rnd *r)
{
	if (r->bytes)
		return rnd_take(r, 8);
	r->state += 0x9e3779b97f4a7c15ull;
	return rnd_mix(r->state);
}

/* 0..@n-1 */
static inline uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	if (n < 2)
		return 0;
	if (r->bytes)
		return rnd_take(r, n <= 256 ? 1 : 4) % n;
	return (rnd64(r) >> 32) * n >> 32;
}

static inline bool rnd_one_in(struct rnd *r, uint32_t n)
{
	return rnd_below(r, n) == n - 1;
}

static inline bool rnd_bool(struct rnd *r)
{
	return rnd_below(r, 2);
}

#endif /* HOST_RND_H */
