/* SPDX-License-Identifier: GPL-2.0 */
/* The set of 4K pages that a trace touches. */
#ifndef LIBNPT_FOOTPRINT_H
#define LIBNPT_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>

struct npt_footprint {
	uint64_t *slots;	/* hash table of page number + 1, 0: free */
	size_t size;		/* of the table, a power of two, or 0 */
	size_t pages;		/* in the set */
	uint64_t *sorted;	/* the page numbers, once npt_footprint_sort() was called */
	uint64_t last;		/* page number + 1 added last: most accesses repeat it */
};

/* Add a page: 1 if it is new, 0 if not, -ENOMEM. */
int npt_footprint_add(struct npt_footprint *fp, uint64_t page);

/* Fill ->sorted: 0 or -ENOMEM. */
int npt_footprint_sort(struct npt_footprint *fp);

/* How many distinct regions of 2^@shift bytes; ->sorted must be there. */
size_t npt_footprint_count(const struct npt_footprint *fp, unsigned int shift);

void npt_footprint_free(struct npt_footprint *fp);

#endif /* LIBNPT_FOOTPRINT_H */
