// SPDX-License-Identifier: GPL-2.0
/*
 * Reverse maps: which table entries point to a thing. Most things have one
 * entry, so the list is one word: empty, the entry, or (bit 0 set) a chain of
 * descriptors. Full descriptors follow the first, only the first has room.
 */
#include "internal.h"

static inline struct npt_desc *head_desc(unsigned long head)
{
	return head & 1 ? (struct npt_desc *)(head & ~1UL) : NULL;
}

void npt_rmap_add(struct npt_cache *c, unsigned long *head, u64 *entry)
{
	struct npt_desc *d = head_desc(*head), *new;

	if (!*head) {
		*head = (unsigned long)entry;
		return;
	}
	if (d && d->nr < NPT_DESC_ENTRIES) {
		d->entry[d->nr++] = entry;
		return;
	}
	new = npt_cache_desc(c);
	if (!new)
		return;
	new->next = d;
	new->nr = 0;
	if (!d)
		new->entry[new->nr++] = (u64 *)*head;
	new->entry[new->nr++] = entry;
	*head = (unsigned long)new | 1;
}

bool npt_rmap_has_room(unsigned long head)
{
	struct npt_desc *d = head_desc(head);

	return !head || (d && d->nr < NPT_DESC_ENTRIES);
}

/* Fill the gap at @d->entry[i] with the last entry of the first descriptor. */
static void close_gap(unsigned long *head, struct npt_desc *d, u32 i)
{
	struct npt_desc *first = head_desc(*head);

	d->entry[i] = first->entry[--first->nr];
	if (first->nr)
		return;
	*head = first->next ? (unsigned long)first->next | 1 : 0;
	npt_zfree(first);
}

bool npt_rmap_del(unsigned long *head, u64 *entry)
{
	struct npt_desc *d = head_desc(*head);
	u32 i;

	if (*head == (unsigned long)entry) {
		*head = 0;
		return true;
	}
	for (; d; d = d->next)
		for (i = 0; i < d->nr; i++)
			if (d->entry[i] == entry) {
				close_gap(head, d, i);
				return true;
			}
	return false;
}

u64 *npt_rmap_first(unsigned long head)
{
	struct npt_desc *d = head_desc(head);

	return d ? d->entry[0] : (u64 *)head;
}

void npt_rmap_each(struct npt_mmu *mmu, unsigned long head, npt_rmap_fn fn, void *arg)
{
	struct npt_desc *d = head_desc(head);
	u32 i;

	if (head && !d)
		fn(mmu, (u64 *)head, arg);
	for (; d; d = d->next)
		for (i = 0; i < d->nr; i++)
			fn(mmu, d->entry[i], arg);
}
