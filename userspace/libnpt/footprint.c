// SPDX-License-Identifier: GPL-2.0
/* The set of pages that a trace touches: a hash table, sorted at the end. */
#include <stdlib.h>

#include "footprint.h"
#include "libnpt_priv.h"

static size_t footprint_hash(const struct npt_footprint *fp, uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ULL >> 20) & (fp->size - 1);
}

/* The slot of @key or the free one where it belongs. */
static uint64_t *footprint_slot(const struct npt_footprint *fp, uint64_t key)
{
	size_t i = footprint_hash(fp, key);

	while (fp->slots[i] && fp->slots[i] != key)
		i = (i + 1) & (fp->size - 1);
	return &fp->slots[i];
}

static int footprint_grow(struct npt_footprint *fp)
{
	struct npt_footprint bigger = *fp;
	size_t i;

	bigger.size = fp->size ? fp->size * 2 : 4096;
	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return npt_set_error(-ENOMEM, "no memory for the %zu pages of the trace",
				     fp->pages);
	for (i = 0; i < fp->size; i++)
		if (fp->slots[i])
			*footprint_slot(&bigger, fp->slots[i]) = fp->slots[i];
	free(fp->slots);
	*fp = bigger;
	return 0;
}

int npt_footprint_add(struct npt_footprint *fp, uint64_t page)
{
	uint64_t key = page + 1, *slot;

	if (key == fp->last)
		return 0;
	if (fp->pages * 2 >= fp->size && footprint_grow(fp))
		return -ENOMEM;
	fp->last = key;
	slot = footprint_slot(fp, key);
	if (*slot)
		return 0;
	*slot = key;
	fp->pages++;
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int npt_footprint_sort(struct npt_footprint *fp)
{
	size_t i, n = 0;

	fp->sorted = malloc((fp->pages + 1) * sizeof(*fp->sorted));
	if (!fp->sorted)
		return npt_set_error(-ENOMEM, "no memory for the %zu pages of the trace",
				     fp->pages);
	for (i = 0; i < fp->size; i++)
		if (fp->slots[i])
			fp->sorted[n++] = fp->slots[i] - 1;
	qsort(fp->sorted, n, sizeof(*fp->sorted), compare);
	return 0;
}

size_t npt_footprint_count(const struct npt_footprint *fp, unsigned int shift)
{
	size_t i, n = 0;

	for (i = 0; i < fp->pages; i++)
		if (!i || fp->sorted[i] >> (shift - 12) != fp->sorted[i - 1] >> (shift - 12))
			n++;
	return n;
}

void npt_footprint_free(struct npt_footprint *fp)
{
	free(fp->slots);
	free(fp->sorted);
	memset(fp, 0, sizeof(*fp));
}
