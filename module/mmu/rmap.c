// SPDX-License-Identifier: GPL-2.0
/*
 * Reverse maps: which table entries point to a thing. Most things have one
 * entry, so the list is one word: empty, the entry, or (bit 0 set) a descriptor.
 *
 * A guest may map one page from every entry that it has, and all of those must
 * be found again one by one. So a full descriptor has four more such words,
 * and the bits of an entry's address say in which of them it goes on, two bits for
 * each step down: never more than 32, in fact about log4(n).
 *
 * A descriptor with anything below it is full: what goes from it is replaced from
 * below. Entries lie in pages of the kernel's choice, so no guest can aim at
 * a deep place.
 */
#include "internal.h"

static inline struct npt_desc *head_desc(unsigned long head)
{
	return head & 1 ? (struct npt_desc *)(head & ~1UL) : NULL;
}

/* Which word under a descriptor @depth steps down leads to @entry. */
static inline unsigned int way_down(const u64 *entry, unsigned int depth)
{
	u64 hash = (unsigned long)entry * 0x9E3779B97F4A7C15ULL;

	BUILD_BUG_ON(NPT_DESC_WAYS != 4);
	return hash >> (62 - 2 * depth) & 3;
}

static struct npt_desc *new_desc(struct npt_mmu *mmu, struct npt_cache *c)
{
	struct npt_desc *d = npt_cache_desc(c);

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	mmu->ctr[NPT_CTR_table_bytes] += sizeof(*d);
	return d;
}

static void free_desc(struct npt_mmu *mmu, struct npt_desc *d)
{
	mmu->ctr[NPT_CTR_table_bytes] -= sizeof(*d);
	npt_zfree(d);
}

/* --- adding ------------------------------------------------------------------ */

/* Where @entry has its place: the word is empty, an entry, or a descriptor with room. */
static unsigned long *place_for(unsigned long *at, const u64 *entry)
{
	unsigned int depth = 0;
	struct npt_desc *d;

	while ((d = head_desc(*at)) && d->nr == NPT_DESC_ENTRIES)
		at = &d->way[way_down(entry, depth++)];
	return at;
}

static noinline void add_below(struct npt_mmu *mmu, struct npt_cache *c, unsigned long *head,
			       u64 *entry)
{
	unsigned long *at;
	struct npt_desc *d;

	/*
	 * Somebody may have to look at all of them with the lock held. A TLB may
	 * know what goes, and is right: nobody has changed it.
	 */
	if (npt_rmap_full(*head))
		npt_rmap_drop_all(mmu, head, NPT_ZAP_RECYCLE);
	at = place_for(head, entry);
	d = head_desc(*at);
	if (!*at) {
		*at = (unsigned long)entry;
	} else if (d) {
		d->entry[d->nr++] = entry;
	} else {
		d = new_desc(mmu, c);
		if (!d)
			return;
		d->entry[d->nr++] = (u64 *)*at;
		d->entry[d->nr++] = entry;
		*at = (unsigned long)d | 1;
	}
	if (at != head)
		head_desc(*head)->below++;
}

void npt_rmap_add(struct npt_mmu *mmu, struct npt_cache *c, unsigned long *head, u64 *entry)
{
	struct npt_desc *d = head_desc(*head);

	if (!*head)
		*head = (unsigned long)entry;
	else if (d && d->nr < NPT_DESC_ENTRIES)
		d->entry[d->nr++] = entry;
	else
		add_below(mmu, c, head, entry);
}

bool npt_rmap_has_room(unsigned long head)
{
	struct npt_desc *d = head_desc(head);

	return !head || (d && d->nr < NPT_DESC_ENTRIES);
}

u32 npt_rmap_length(unsigned long head)
{
	struct npt_desc *d = head_desc(head);

	return d ? d->nr + d->below : !!head;
}

/* --- taking out --------------------------------------------------------------- */

/* The first word under @d that leads to something; NULL: none does. */
static unsigned long *first_way(struct npt_desc *d)
{
	unsigned int i;

	for (i = 0; d->nr == NPT_DESC_ENTRIES && i < NPT_DESC_WAYS; i++)
		if (d->way[i])
			return &d->way[i];
	return NULL;
}

/* The last entry of the descriptor at *@at, which goes with it. */
static u64 *pop(struct npt_mmu *mmu, unsigned long *at)
{
	struct npt_desc *d = head_desc(*at);
	u64 *entry = d->entry[--d->nr];

	if (!d->nr) {
		*at = 0;
		free_desc(mmu, d);
	}
	return entry;
}

/* Some entry out of the lowest place under the descriptor at *@at, perhaps its own last. */
static u64 *pop_lowest(struct npt_mmu *mmu, unsigned long *at)
{
	unsigned long *next;
	struct npt_desc *d;
	u64 *entry;

	while ((d = head_desc(*at))) {
		next = first_way(d);
		if (!next)
			return pop(mmu, at);
		at = next;
		mmu->work++;
	}
	entry = (u64 *)*at;
	*at = 0;
	return entry;
}

static int index_in(const struct npt_desc *d, const u64 *entry)
{
	u32 i;

	for (i = 0; i < d->nr; i++)
		if (d->entry[i] == entry)
			return i;
	return -1;
}

/* Take @entry out from under *@at. False: it is not there. */
static bool take_out(struct npt_mmu *mmu, unsigned long *at, u64 *entry)
{
	unsigned int depth = 0;
	struct npt_desc *d;
	u64 *other;
	int i;

	while ((d = head_desc(*at))) {
		i = index_in(d, entry);
		if (i >= 0) {
			other = pop_lowest(mmu, at);
			/* Without an entry left the descriptor is gone. */
			if (other != entry)
				d->entry[i] = other;
			return true;
		}
		at = &d->way[way_down(entry, depth++)];
		mmu->work++;
	}
	if (*at != (unsigned long)entry)
		return false;
	*at = 0;
	return true;
}

bool npt_rmap_del(struct npt_mmu *mmu, unsigned long *head, u64 *entry)
{
	struct npt_desc *d;

	if (*head == (unsigned long)entry) {
		*head = 0;
		return true;
	}
	if (!take_out(mmu, head, entry))
		return false;
	d = head_desc(*head);
	/* The first stays full as long as there are others. */
	if (d && d->below)
		d->below--;
	return true;
}

void npt_rmap_drop_all(struct npt_mmu *mmu, unsigned long *head, enum npt_zap_reason reason)
{
	u64 *spte;

	while ((spte = npt_rmap_first(*head)))
		npt_sp_drop_entry(mmu, npt_sp_of(spte), npt_sp_index(spte), reason);
}

/* --- looking ------------------------------------------------------------------- */

u64 *npt_rmap_first(unsigned long head)
{
	struct npt_desc *d = head_desc(head);

	return d ? d->entry[0] : (u64 *)head;
}

void npt_rmap_each(struct npt_mmu *mmu, unsigned long head, npt_rmap_fn fn, void *arg)
{
	struct npt_desc *d = head_desc(head);
	u32 i;

	if (!d) {
		if (head)
			fn(mmu, (u64 *)head, arg);
		return;
	}
	for (i = 0; i < d->nr; i++)
		fn(mmu, d->entry[i], arg);
	for (i = 0; d->nr == NPT_DESC_ENTRIES && i < NPT_DESC_WAYS; i++)
		npt_rmap_each(mmu, d->way[i], fn, arg);
}
