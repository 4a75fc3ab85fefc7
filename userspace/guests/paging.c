// SPDX-License-Identifier: GPL-2.0
/* Four-level tables. */
#include "guest.h"

static uint64_t next;

void *pages(size_t n, size_t align)
{
	uint64_t at;

	if (!next)
		next = (uint64_t)guest_end;
	at = (next + align - 1) & ~(align - 1);
	next = at + n * 4096;
	if (next > memory_end()) {
		fail("0x%lx bytes at 0x%lx: this guest needs more memory", n * 4096, at);
		leave(3);
	}
	memset((void *)at, 0, n * 4096);
	return (void *)at;
}

uint64_t new_root(void)
{
	uint64_t *root = pages(1, 4096);

	root[0] = boot_pml4[0];
	return (uint64_t)root;
}

uint64_t *pte_at(uint64_t root, uint64_t gva, unsigned int level)
{
	uint64_t *table = (uint64_t *)root, *e;
	unsigned int l;

	for (l = 4;; l--) {
		e = &table[gva >> (3 + 9 * l) & 511];
		if (l == level)
			return e;
		/* rights are the last entry's business */
		if (!(*e & PTE_P))
			*e = (uint64_t)pages(1, 4096) | PTE_P | PTE_W | PTE_U;
		table = (uint64_t *)(*e & PTE_ADDR);
	}
}

void map(uint64_t root, uint64_t gva, uint64_t gpa, uint64_t bits)
{
	*pte_at(root, gva, 1) = gpa | bits;
}
