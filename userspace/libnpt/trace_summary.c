// SPDX-License-Identifier: GPL-2.0
/* Counting what a trace consists of, in memory that its footprint decides. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define SHIFT_4K	12
#define SHIFT_2M	21
#define FIRST_SLOTS	1024	/* a power of two */

/**
 * struct slot - a place in a hash table of pages
 * @page: page number plus 1, so that 0 can mean "free"
 * @accesses: records that touch it
 */
struct slot {
	uint64_t page;
	uint64_t accesses;
};

/**
 * struct page_set - an open-addressed hash table of pages
 * @slots: the table
 * @size: its length, a power of two
 * @used: pages in it, at most half of @size
 */
struct page_set {
	struct slot *slots;
	size_t size;
	size_t used;
};

/**
 * struct npt_trace_counter - a summary in the making
 * @sum: the figures, but for the numbers of pages
 * @small: 4K pages
 * @large: 2M pages
 * @last: slot of @small used last by each operation: most records stay on a page
 */
struct npt_trace_counter {
	struct npt_trace_summary sum;
	struct page_set small;
	struct page_set large;
	struct slot *last[NPT_OP_FETCH + 1];
};

static int init_set(struct page_set *set, size_t size)
{
	set->slots = calloc(size, sizeof(*set->slots));
	set->size = size;
	set->used = 0;
	return set->slots ? 0 : -ENOMEM;
}

/* The slot of @page, or the free one where it belongs. */
static struct slot *find_slot(const struct page_set *set, uint64_t page)
{
	/* Multiplying by 2^64 / golden ratio spreads neighbours over the table. */
	size_t i = (page * 0x9e3779b97f4a7c15ull) >> 20;

	for (;; i++) {
		struct slot *s = &set->slots[i & (set->size - 1)];

		if (!s->page || s->page == page + 1)
			return s;
	}
}

static int grow(struct page_set *set)
{
	struct page_set bigger;
	size_t i;

	if (init_set(&bigger, set->size * 2))
		return -ENOMEM;
	for (i = 0; i < set->size; i++)
		if (set->slots[i].page)
			*find_slot(&bigger, set->slots[i].page - 1) = set->slots[i];
	bigger.used = set->used;
	free(set->slots);
	*set = bigger;
	return 0;
}

/* Add a page that may be there already; NULL without memory. Slots may move. */
static struct slot *add_page(struct page_set *set, uint64_t page)
{
	struct slot *s = find_slot(set, page);

	if (s->page)
		return s;
	if (set->used >= set->size / 2) {
		if (grow(set))
			return NULL;
		s = find_slot(set, page);
	}
	s->page = page + 1;
	set->used++;
	return s;
}

struct npt_trace_counter *npt_trace_counter_new(void)
{
	struct npt_trace_counter *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sum.lowest = UINT64_MAX;
	if (init_set(&c->small, FIRST_SLOTS) || init_set(&c->large, FIRST_SLOTS)) {
		npt_trace_counter_free(c);
		return NULL;
	}
	return c;
}

void npt_trace_counter_free(struct npt_trace_counter *counter)
{
	if (!counter)
		return;
	free(counter->small.slots);
	free(counter->large.slots);
	free(counter);
}

static int touch(struct npt_trace_counter *c, uint64_t page, uint8_t op)
{
	struct slot *s = c->last[op];

	if (!s || s->page != page + 1) {
		size_t before = c->small.size;

		s = add_page(&c->small, page);
		if (!s || !add_page(&c->large, page >> (SHIFT_2M - SHIFT_4K)))
			return -ENOMEM;
		if (c->small.size != before)
			memset(c->last, 0, sizeof(c->last));
		c->last[op] = s;
	}
	s->accesses++;
	return 0;
}

static int add_access(struct npt_trace_counter *c, const struct npt_access *a)
{
	uint64_t last = a->gva + (a->size ? a->size - 1 : 0);
	uint64_t page = a->gva >> SHIFT_4K;
	int ret;

	c->sum.bytes_by_op[a->op] += a->size;
	c->sum.crossing_4k += page != last >> SHIFT_4K;
	c->sum.crossing_2m += a->gva >> SHIFT_2M != last >> SHIFT_2M;
	if (a->gva < c->sum.lowest)
		c->sum.lowest = a->gva;
	if (last > c->sum.highest)
		c->sum.highest = last;
	for (; page <= last >> SHIFT_4K; page++) {
		ret = touch(c, page, a->op);
		if (ret)
			return ret;
	}
	return 0;
}

int npt_trace_counter_add(struct npt_trace_counter *counter,
			  const struct npt_access *buf, size_t n)
{
	const struct npt_access *a;
	int ret;

	for (a = buf; a < buf + n; a++) {
		counter->sum.records++;
		counter->sum.by_op[a->op % NPT_TRACE_OPS]++;
		if (a->op > NPT_OP_FETCH)
			continue;
		ret = add_access(counter, a);
		if (ret)
			return ret;
	}
	return 0;
}

void npt_trace_counter_get(struct npt_trace_counter *counter,
			   struct npt_trace_summary *summary)
{
	*summary = counter->sum;
	summary->pages_4k = counter->small.used;
	summary->pages_2m = counter->large.used;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct slot *)a)->page;
	uint64_t y = ((const struct slot *)b)->page;

	return x < y ? -1 : x > y;
}

/* The used slots in ascending order; one more than needed, so never 0 bytes. */
static struct slot *sorted_slots(const struct page_set *set)
{
	struct slot *sorted = malloc((set->used + 1) * sizeof(*sorted));
	size_t i, n = 0;

	if (!sorted)
		return NULL;
	for (i = 0; i < set->size; i++)
		if (set->slots[i].page)
			sorted[n++] = set->slots[i];
	qsort(sorted, n, sizeof(*sorted), by_address);
	return sorted;
}

int npt_trace_counter_ranges(struct npt_trace_counter *counter, uint64_t gap,
			     struct npt_trace_range **ranges, size_t *n)
{
	const struct page_set *set = &counter->small;
	struct npt_trace_range *list = malloc((set->used + 1) * sizeof(*list));
	struct slot *sorted = sorted_slots(set);
	struct npt_trace_range *r = list;
	size_t i;

	if (!list || !sorted) {
		free(list);
		free(sorted);
		return -ENOMEM;
	}
	for (i = 0; i < set->used; i++) {
		uint64_t first = (sorted[i].page - 1) << SHIFT_4K;

		if (r == list || first - r[-1].last - 1 > gap)
			(r++)->first = first;
		r[-1].last = first + (1 << SHIFT_4K) - 1;
	}
	free(sorted);
	*ranges = list;
	*n = r - list;
	return 0;
}

static bool ranks_before(const struct slot *s, const struct npt_trace_page *t)
{
	uint64_t gva = (s->page - 1) << SHIFT_4K;

	return s->accesses > t->accesses || (s->accesses == t->accesses && gva < t->gva);
}

size_t npt_trace_counter_top(struct npt_trace_counter *counter,
			     struct npt_trace_page *top, size_t max)
{
	size_t i, j, n = 0;

	for (i = 0; i < counter->small.size; i++) {
		const struct slot *s = &counter->small.slots[i];

		if (!s->page || !max || (n == max && !ranks_before(s, &top[n - 1])))
			continue;
		if (n < max)
			n++;
		for (j = n - 1; j && ranks_before(s, &top[j - 1]); j--)
			top[j] = top[j - 1];
		top[j] = (struct npt_trace_page){ (s->page - 1) << SHIFT_4K, s->accesses };
	}
	return n;
}
