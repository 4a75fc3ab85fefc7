// SPDX-License-Identifier: GPL-2.0
/*
 * Building a guest's page tables in its memory. Everything about them is in
 * that memory, as for a real guest; here is only which pages are free.
 */
#include <stdio.h>
#include <stdlib.h>

#include "libnpt_priv.h"

#define PTE_P		(1ULL << 0)
#define PTE_W		(1ULL << 1)
#define PTE_U		(1ULL << 2)
#define PTE_A		(1ULL << 5)
#define PTE_D		(1ULL << 6)
#define PTE_PS		(1ULL << 7)
#define PTE_G		(1ULL << 8)
#define PTE_PKEY_SHIFT	59
#define PTE_NX		(1ULL << 63)

#define PT_PAGE		4096ULL
#define PT_FLAGS (NPT_PT_WRITE | NPT_PT_USER | NPT_PT_NX | NPT_PT_GLOBAL |	\
		  NPT_PT_ACCESSED | NPT_PT_DIRTY | NPT_PT_PKEY_MASK)

/* What tells the formats apart. */
struct pt_format {
	uint8_t entry;		/* bytes of an entry */
	uint8_t bits;		/* of an index, but for the root of PAE */
	uint8_t va_bits;
	uint8_t gpa_bits;	/* that a small page's entry has room for */
	uint8_t max_leaf;	/* highest level that may map a page */
	uint32_t lacks;		/* NPT_PT_* that it has no bits for */
};

static const struct pt_format pt_formats[6] = {
	[2] = { 4, 10, 32, 32, 2, NPT_PT_NX | NPT_PT_PKEY_MASK },
	[3] = { 8, 9, 32, 52, 2, NPT_PT_PKEY_MASK },
	[4] = { 8, 9, 48, 52, 3, 0 },
	[5] = { 8, 9, 57, 52, 3, 0 },
};

struct npt_pt {
	struct npt_vm *vm;
	struct npt_vcpu *writer;	/* or NULL */
	const struct pt_format *fmt;
	unsigned int levels;
	uint64_t region;	/* gpa of the first page for tables */
	uint8_t *host;		/* the same in this process */
	uint32_t *frames;	/* pages of the region: the used ones, then the free ones */
	uint32_t used;
	uint32_t total;
	uint64_t root;
	uint64_t mapped;	/* bytes */
};

/* Where an entry lies. */
struct pt_slot {
	uint64_t gpa;
	unsigned int level;
};

static unsigned int pt_shift(const struct npt_pt *pt, unsigned int level)
{
	return 12 + pt->fmt->bits * (level - 1);
}

/* The level of leaves of that size, 0 if the format has none. */
static unsigned int pt_leaf_level(const struct npt_pt *pt, unsigned int shift)
{
	unsigned int level;

	for (level = 1; level <= pt->fmt->max_leaf; level++)
		if (pt_shift(pt, level) == shift)
			return level;
	return 0;
}

static uint64_t pt_read(const struct npt_pt *pt, uint64_t gpa)
{
	const uint8_t *p = pt->host + (gpa - pt->region);
	uint64_t value = 0;

	memcpy(&value, p, pt->fmt->entry);
	return value;
}

static int pt_write(struct npt_pt *pt, uint64_t gpa, uint64_t value)
{
	struct npt_access_result res;
	struct npt_access access = {
		.gva = gpa, .size = pt->fmt->entry, .op = NPT_OP_WRITE,
		.flags = NPT_ACCESS_PHYS | NPT_ACCESS_DATA,
	};
	struct npt_batch batch = {
		.accesses = (uintptr_t)&access, .results = (uintptr_t)&res,
		.data = (uintptr_t)&value, .data_len = sizeof(value), .count = 1,
	};
	int ret;

	if (!pt->writer) {
		memcpy(pt->host + (gpa - pt->region), &value, pt->fmt->entry);
		return 0;
	}
	do {
		ret = npt_vcpu_batch(pt->writer, &batch);
	} while (ret == -EINTR);
	if (!ret && res.status != NPT_STATUS_OK)
		ret = npt_set_error(-EFAULT, "page tables: the vCPU can't write at 0x%llx: %s",
				    (unsigned long long)gpa, npt_status_name(res.status));
	return ret;
}

/* Is @gva an address that this paging mode can express? */
static bool pt_canonical(const struct npt_pt *pt, uint64_t gva)
{
	unsigned int bits = pt->fmt->va_bits;

	if (bits == 32)
		return !(gva >> 32);
	return (uint64_t)((int64_t)(gva << (64 - bits)) >> (64 - bits)) == gva;
}

static uint64_t pt_entry_gpa(const struct npt_pt *pt, uint64_t table, uint64_t gva,
			     unsigned int level)
{
	uint64_t index = gva >> pt_shift(pt, level);

	if (pt->levels == 3 && level == 3)
		index &= 3;
	else
		index &= (1U << pt->fmt->bits) - 1;
	return table + index * pt->fmt->entry;
}

static bool pt_is_leaf(uint64_t entry, unsigned int level)
{
	return level == 1 || (entry & PTE_PS);
}

static uint64_t pt_table_of(uint64_t entry)
{
	return entry & 0x000ffffffffff000ULL;
}

/* Find the leaf's entry, or the first that is not present. */
static uint64_t pt_find(const struct npt_pt *pt, uint64_t gva, struct pt_slot *slot)
{
	uint64_t table = pt->root, entry;

	for (slot->level = pt->levels;; slot->level--) {
		slot->gpa = pt_entry_gpa(pt, table, gva, slot->level);
		entry = pt_read(pt, slot->gpa);
		if (!(entry & PTE_P) || pt_is_leaf(entry, slot->level))
			return entry;
		table = pt_table_of(entry);
	}
}

/* --- entries --- */

static uint64_t pt_target(const struct npt_pt *pt, uint64_t gpa, unsigned int level)
{
	/* PSE-36: bits 39:32 of a 4 MiB page go to 20:13 */
	if (pt->levels == 2 && level == 2)
		return (gpa & 0xffc00000) | (gpa >> 32 & 0xff) << 13;
	return gpa;
}

static uint64_t pt_gpa_of(const struct npt_pt *pt, uint64_t entry, unsigned int level)
{
	uint64_t mask = 0x000ffffffffff000ULL & ~((1ULL << pt_shift(pt, level)) - 1);

	if (pt->levels == 2 && level == 2)
		return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
	return entry & mask;
}

static uint64_t pt_leaf(const struct npt_pt *pt, uint64_t gpa, unsigned int level,
			uint32_t flags)
{
	uint64_t entry = pt_target(pt, gpa, level) | PTE_P;

	if (level > 1)
		entry |= PTE_PS;
	if (flags & NPT_PT_WRITE)
		entry |= PTE_W;
	if (flags & NPT_PT_USER)
		entry |= PTE_U;
	if (flags & NPT_PT_NX)
		entry |= PTE_NX;
	if (flags & NPT_PT_GLOBAL)
		entry |= PTE_G;
	if (flags & NPT_PT_ACCESSED)
		entry |= PTE_A;
	if (flags & NPT_PT_DIRTY)
		entry |= PTE_D;
	return entry | (uint64_t)(flags >> 8 & 15) << PTE_PKEY_SHIFT;
}

static uint32_t pt_flags_of(const struct npt_pt *pt, uint64_t entry)
{
	uint32_t flags = 0;

	if (entry & PTE_W)
		flags |= NPT_PT_WRITE;
	if (entry & PTE_U)
		flags |= NPT_PT_USER;
	if (pt->levels > 2 && (entry & PTE_NX))
		flags |= NPT_PT_NX;
	if (entry & PTE_G)
		flags |= NPT_PT_GLOBAL;
	if (entry & PTE_A)
		flags |= NPT_PT_ACCESSED;
	if (entry & PTE_D)
		flags |= NPT_PT_DIRTY;
	if (pt->levels > 3)
		flags |= NPT_PT_PKEY(entry >> PTE_PKEY_SHIFT & 15);
	return flags;
}

/* An entry that points to a table: all rights, the leaf decides. */
static uint64_t pt_link(const struct npt_pt *pt, uint64_t table, unsigned int level,
			uint32_t flags)
{
	/* PAE's root entries have no rights and no accessed bit: they are reserved */
	if (pt->levels == 3 && level == 3)
		return table | PTE_P;
	return table | PTE_P | PTE_W | PTE_U | (flags & NPT_PT_ACCESSED ? PTE_A : 0);
}

/* --- pages for tables --- */

/* A zeroed page; 0 if there is none left. */
static uint64_t pt_page_get(struct npt_pt *pt)
{
	uint64_t offset;

	if (pt->used == pt->total)
		return 0;
	offset = pt->frames[pt->used++] * PT_PAGE;
	memset(pt->host + offset, 0, PT_PAGE);
	return pt->region + offset;
}

static void pt_page_put(struct npt_pt *pt, uint64_t gpa)
{
	uint32_t frame = (gpa - pt->region) / PT_PAGE;
	uint32_t i;

	for (i = 0; pt->frames[i] != frame; i++)
		;
	pt->used--;
	pt->frames[i] = pt->frames[pt->used];
	pt->frames[pt->used] = frame;
}

static bool pt_page_empty(const struct npt_pt *pt, uint64_t gpa)
{
	const uint8_t *p = pt->host + (gpa - pt->region);

	return !p[0] && !memcmp(p, p + 1, PT_PAGE - 1);
}

static int pt_frames_init(struct npt_pt *pt, const struct npt_pt_options *opts)
{
	uint64_t state = opts->seed;
	uint32_t i, j, t;

	pt->total = opts->size / PT_PAGE;
	pt->frames = malloc(pt->total * sizeof(*pt->frames));
	if (!pt->frames)
		return npt_set_error(-ENOMEM, "no memory for page tables");
	for (i = 0; i < pt->total; i++)
		pt->frames[i] = i;
	for (i = pt->total; opts->random && i > 1; i--) {
		j = npt_random(&state) % i;
		t = pt->frames[i - 1];
		pt->frames[i - 1] = pt->frames[j];
		pt->frames[j] = t;
	}
	return 0;
}

static int pt_check_options(struct npt_vm *vm, const struct npt_pt_options *opts)
{
	if (opts->levels < 2 || opts->levels > 5)
		return npt_set_error(-EINVAL, "page tables: %u levels, expected 2 to 5",
				     opts->levels);
	if (!opts->size || opts->size % PT_PAGE || !opts->gpa || opts->gpa % PT_PAGE ||
	    opts->size / PT_PAGE > UINT32_MAX || !npt_memory_ptr(vm, opts->gpa, opts->size))
		return npt_set_error(-EINVAL,
				     "page tables: 0x%llx bytes at 0x%llx are not whole pages above 0 in one piece of memory",
				     (unsigned long long)opts->size,
				     (unsigned long long)opts->gpa);
	if (opts->levels < 4 && opts->gpa + opts->size > 1ULL << 32)
		return npt_set_error(-EINVAL,
				     "page tables: 32-bit guests need them below 4 GiB");
	return 0;
}

int npt_pt_create(struct npt_vm *vm, const struct npt_pt_options *opts, struct npt_pt **out)
{
	int ret = pt_check_options(vm, opts);
	struct npt_pt *pt;

	if (ret)
		return ret;
	pt = calloc(1, sizeof(*pt));
	if (!pt)
		return npt_set_error(-ENOMEM, "no memory for page tables");
	pt->vm = vm;
	pt->writer = opts->writer;
	pt->levels = opts->levels;
	pt->fmt = &pt_formats[opts->levels];
	pt->region = opts->gpa;
	pt->host = npt_memory_ptr(vm, opts->gpa, opts->size);
	ret = pt_frames_init(pt, opts);
	if (ret) {
		free(pt);
		return ret;
	}
	pt->root = pt_page_get(pt);
	*out = pt;
	return 0;
}

void npt_pt_destroy(struct npt_pt *pt)
{
	if (!pt)
		return;
	free(pt->frames);
	free(pt);
}

uint64_t npt_pt_root(const struct npt_pt *pt)
{
	return pt->root;
}

unsigned int npt_pt_levels(const struct npt_pt *pt)
{
	return pt->levels;
}

/* --- mapping --- */

static int pt_check_flags(const struct npt_pt *pt, uint32_t flags)
{
	if (flags & ~PT_FLAGS)
		return npt_set_error(-EINVAL, "page tables: unknown flags 0x%x",
				     flags & ~PT_FLAGS);
	if (flags & pt->fmt->lacks)
		return npt_set_error(-EINVAL, "page tables: %u levels have no bits for flags 0x%x",
				     pt->levels, flags & pt->fmt->lacks);
	return 0;
}

static int pt_check_map(const struct npt_pt *pt, uint64_t gva, uint64_t gpa,
			unsigned int shift, uint32_t flags)
{
	unsigned int level = pt_leaf_level(pt, shift);
	uint64_t mask = (1ULL << (shift & 63)) - 1;
	unsigned int gpa_bits = pt->fmt->gpa_bits;

	if (!level)
		return npt_set_error(-EINVAL, "page tables: %u levels have no pages of 2^%u bytes",
				     pt->levels, shift);
	if (pt->levels == 2 && level == 2)
		gpa_bits = 40;
	if ((gva & mask) || !pt_canonical(pt, gva))
		return npt_set_error(-EINVAL,
				     "page tables: address 0x%llx is no start of a %s page with %u levels",
				     (unsigned long long)gva, npt_page_name(shift), pt->levels);
	if ((gpa & mask) || gpa >> gpa_bits)
		return npt_set_error(-EINVAL,
				     "page tables: target 0x%llx is no start of a %s page below 2^%u",
				     (unsigned long long)gpa, npt_page_name(shift), gpa_bits);
	return pt_check_flags(pt, flags);
}

/* Hang a new table into the empty entry at @slot. */
static int pt_add_table(struct npt_pt *pt, const struct pt_slot *slot, uint32_t flags)
{
	uint64_t table = pt_page_get(pt);
	int ret;

	if (!table)
		return npt_set_error(-ENOSPC, "page tables: all %u pages of the region are in use",
				     pt->total);
	ret = pt_write(pt, slot->gpa, pt_link(pt, table, slot->level, flags));
	if (ret)
		pt_page_put(pt, table);
	return ret;
}

/* Mark an older table accessed if the new page shall be so on its whole path. */
static int pt_set_accessed(struct npt_pt *pt, const struct pt_slot *slot, uint64_t entry,
			   uint32_t flags)
{
	uint64_t want = pt_link(pt, entry, slot->level, flags);

	return want == entry ? 0 : pt_write(pt, slot->gpa, want);
}

static int pt_conflict(uint64_t gva, const char *what)
{
	return npt_set_error(-EEXIST, "page tables: at 0x%llx there %s",
			     (unsigned long long)gva, what);
}

/*
 * Find or make the entry at @level for @gva. A table in its place goes if it is
 * empty, else it is in the way.
 */
static int pt_descend(struct npt_pt *pt, uint64_t gva, unsigned int level, uint32_t flags,
		      struct pt_slot *slot)
{
	uint64_t table = pt->root, entry;
	int ret;

	for (slot->level = pt->levels;; slot->level--) {
		slot->gpa = pt_entry_gpa(pt, table, gva, slot->level);
		if (slot->level == level)
			break;
		entry = pt_read(pt, slot->gpa);
		if (!(entry & PTE_P)) {
			ret = pt_add_table(pt, slot, flags);
			if (ret)
				return ret;
			entry = pt_read(pt, slot->gpa);
		}
		if (pt_is_leaf(entry, slot->level))
			return pt_conflict(gva, "is a larger page");
		ret = pt_set_accessed(pt, slot, entry, flags);
		if (ret)
			return ret;
		table = pt_table_of(entry);
	}
	entry = pt_read(pt, slot->gpa);
	if (!(entry & PTE_P) || pt_is_leaf(entry, level))
		return 0;
	if (!pt_page_empty(pt, pt_table_of(entry)))
		return pt_conflict(gva, "are smaller pages");
	ret = pt_write(pt, slot->gpa, 0);
	if (!ret)
		pt_page_put(pt, pt_table_of(entry));
	return ret;
}

int npt_pt_map(struct npt_pt *pt, uint64_t gva, uint64_t gpa, unsigned int shift,
	       uint32_t flags)
{
	int ret = pt_check_map(pt, gva, gpa, shift, flags);
	struct pt_slot slot;
	uint64_t old;

	if (ret)
		return ret;
	ret = pt_descend(pt, gva, pt_leaf_level(pt, shift), flags, &slot);
	if (ret)
		return ret;
	old = pt_read(pt, slot.gpa);
	ret = pt_write(pt, slot.gpa, pt_leaf(pt, gpa, slot.level, flags));
	if (!ret && !(old & PTE_P))
		pt->mapped += 1ULL << shift;
	return ret;
}

int npt_pt_map_range(struct npt_pt *pt, uint64_t gva, uint64_t gpa, uint64_t size,
		     unsigned int shift, uint32_t flags)
{
	uint64_t step = 1ULL << (shift & 63), done;
	int ret;

	if (size % step)
		return npt_set_error(-EINVAL, "page tables: size 0x%llx is no multiple of a page",
				     (unsigned long long)size);
	for (done = 0; done < size; done += step) {
		ret = npt_pt_map(pt, gva + done, gpa + done, shift, flags);
		if (ret)
			return ret;
	}
	return 0;
}

/* The leaf of @gva; -ENOENT if there is none. */
static int pt_lookup(const struct npt_pt *pt, uint64_t gva, struct pt_slot *slot,
		     uint64_t *entry)
{
	if (pt_canonical(pt, gva)) {
		*entry = pt_find(pt, gva, slot);
		if (*entry & PTE_P)
			return 0;
	}
	return npt_set_error(-ENOENT, "page tables: nothing is mapped at 0x%llx",
			     (unsigned long long)gva);
}

int npt_pt_protect(struct npt_pt *pt, uint64_t gva, uint32_t flags)
{
	int ret = pt_check_flags(pt, flags);
	struct pt_slot slot;
	uint64_t entry;

	if (!ret)
		ret = pt_lookup(pt, gva, &slot, &entry);
	if (ret)
		return ret;
	return pt_write(pt, slot.gpa,
			pt_leaf(pt, pt_gpa_of(pt, entry, slot.level), slot.level, flags));
}

int npt_pt_unmap(struct npt_pt *pt, uint64_t gva)
{
	struct pt_slot slot;
	uint64_t entry;
	int ret;

	ret = pt_lookup(pt, gva, &slot, &entry);
	if (!ret)
		ret = pt_write(pt, slot.gpa, 0);
	if (!ret)
		pt->mapped -= 1ULL << pt_shift(pt, slot.level);
	return ret;
}

int npt_pt_query(const struct npt_pt *pt, uint64_t gva, struct npt_pt_leaf *leaf)
{
	struct pt_slot slot;
	uint64_t entry;
	int ret;

	ret = pt_lookup(pt, gva, &slot, &entry);
	if (ret)
		return ret;
	leaf->shift = pt_shift(pt, slot.level);
	leaf->gpa = pt_gpa_of(pt, entry, slot.level) | (gva & ((1ULL << leaf->shift) - 1));
	leaf->flags = pt_flags_of(pt, entry);
	leaf->entry_gpa = slot.gpa;
	leaf->entry = entry;
	return 0;
}

uint64_t npt_pt_tables(const struct npt_pt *pt)
{
	return pt->used;
}

uint64_t npt_pt_bytes(const struct npt_pt *pt)
{
	return pt->used * PT_PAGE;
}

uint64_t npt_pt_mapped(const struct npt_pt *pt)
{
	return pt->mapped;
}

unsigned int npt_pt_references(unsigned int guest, unsigned int nested)
{
	return (guest + 1) * (nested + 1) - 1;
}
