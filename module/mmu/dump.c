// SPDX-License-Identifier: GPL-2.0
/*
 * Dumping tables: from an address on, what is mapped, as merged ranges. Each
 * step starts at the root again, so that nothing needs to be held between
 * calls and a table that changes meanwhile can't lead astray.
 */
#include "internal.h"

/* Entries looked at under one hold of the lock: about a millisecond. */
#define MAX_STEPS 16384

struct dump {
	struct npt_mmu *mmu;
	const struct npt_format *f;
	u64 root;
	bool guest;		/* entries lie in guest memory */
	bool virtual;		/* it translates guest-virtual addresses */
};

static const void *entry_ptr(const struct dump *d, u64 address)
{
	u64 hpa = d->guest ? npt_mmu_hpa(d->mmu, address) : address;

	return hpa ? npt_hpa_ptr(hpa) : NULL;
}

/* The entry that decides about @addr; *level: where. False: not readable or not present. */
static bool find_entry(const struct dump *d, u64 addr, u64 *entry, u64 *rights,
		       unsigned int *level)
{
	const struct npt_format *f = d->f;
	u64 table = d->root;

	*rights = NPT_TLBV_W | NPT_TLBV_U | NPT_TLBV_X;
	for (*level = f->levels; ; (*level)--) {
		const struct npt_level *l = &f->level[*level];
		u64 i = (addr >> l->shift) & l->index_mask;
		const void *p = entry_ptr(d, table + i * f->entry_size);

		if (!p)
			return false;
		*entry = f->entry_size == 8 ? READ_ONCE(*(const u64 *)p) :
					      READ_ONCE(*(const u32 *)p);
		if (!(*entry & f->present))
			return false;
		if (l->has_rights)
			*rights &= npt_entry_rights(f, *entry);
		if (*level == 1 || (l->may_leaf && (*entry & f->large)))
			return true;
		table = *entry & l->table_mask;
	}
}

static u64 canonical(const struct dump *d, u64 addr)
{
	unsigned int unused = 64 - d->f->va_bits;

	if (!d->virtual || (d->f->va_bits != 48 && d->f->va_bits != 57))
		return addr;
	return (u64)((s64)(addr << unused) >> unused);
}

static void leaf_range(const struct dump *d, u64 addr, u64 entry, u64 rights,
		       unsigned int level, struct npt_table_range *r)
{
	const struct npt_format *f = d->f;
	const struct npt_level *l = &f->level[level];
	u64 span = BIT_ULL(l->shift);

	r->start = canonical(d, addr & ~(span - 1));
	r->end = r->start + span;
	r->target = (entry & l->leaf_mask) | (entry & l->leaf_high) << l->leaf_high_shift;
	r->flags = rights;
	if (entry & f->global)
		r->flags |= NPT_TLBV_G;
	if (entry & f->dirty)
		r->flags |= NPT_TLBV_D;
	if (entry & f->accessed)
		r->flags |= BIT_ULL(32);
	r->size = npt_level_size(level);
}

static bool merge(struct npt_table_range *last, const struct npt_table_range *next)
{
	if (last->end != next->start || last->flags != next->flags ||
	    last->size != next->size ||
	    last->target + (last->end - last->start) != next->target)
		return false;
	last->end = next->end;
	return true;
}

static bool dump_root(struct npt_mmu *mmu, struct npt_cpu *cpu, u32 dim, struct dump *d)
{
	d->mmu = mmu;
	d->guest = dim == NPT_DIM_GUEST;
	d->virtual = dim != NPT_DIM_NESTED;
	switch (dim) {
	case NPT_DIM_NESTED:
		d->f = mmu->map_fmt;
		d->root = mmu->map_root;
		return true;
	case NPT_DIM_GUEST:
		if (!cpu || !cpu->fmt)
			return false;
		d->f = cpu->fmt;
		d->root = cpu->root;
		return true;
	default:
		if (!cpu || !cpu->shadow_root || cpu->shadow_root->invalid)
			return false;
		/* The registers may have gone on to another format since. */
		d->f = npt_shadow_format(cpu->shadow_root->role.format);
		d->root = npt_ptr_hpa(cpu->shadow_root->spt);
		return true;
	}
}

u32 npt_table_dump(struct npt_mmu *mmu, struct npt_cpu *cpu, u32 dim, u64 *cursor,
		   struct npt_table_range *out, u32 max, bool *done)
{
	u64 entry, rights, limit, span;
	unsigned int level;
	struct dump d;
	u32 n = 0, steps;

	*done = true;
	npt_read_lock(&mmu->lock);
	if (!dump_root(mmu, cpu, dim, &d))
		goto unlock;
	limit = BIT_ULL(d.f->va_bits);
	/* A range's start is a place to go on from too. */
	if (*cursor > limit && canonical(&d, *cursor & (limit - 1)) == *cursor)
		*cursor &= limit - 1;
	for (steps = 0; *cursor < limit; steps++) {
		struct npt_table_range r;

		if (steps == MAX_STEPS) {
			*done = false;
			break;
		}
		if (find_entry(&d, *cursor, &entry, &rights, &level)) {
			leaf_range(&d, *cursor, entry, rights, level, &r);
			if (!n || !merge(&out[n - 1], &r)) {
				if (n == max) {
					*done = false;
					break;
				}
				out[n++] = r;
			}
		}
		span = BIT_ULL(d.f->level[level].shift);
		*cursor = (*cursor & ~(span - 1)) + span;
	}
unlock:
	npt_read_unlock(&mmu->lock);
	return n;
}
