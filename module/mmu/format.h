/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Table formats as data: what the one walker needs to know of 32-bit, PAE,
 * 4-level and 5-level guest tables and of NPT- and EPT-format nested tables.
 */
#ifndef NPT_FORMAT_H
#define NPT_FORMAT_H

#include "platform.h"

#define NPT_MAX_LEVELS 5

/* One level of a format. */
struct npt_level {
	u8 shift;		/* lowest address bit that indexes this level */
	u16 index_mask;		/* the index, once shifted down */
	bool may_leaf;		/* an entry with the large bit set maps a page */
	bool has_rights;	/* W, U, NX and A mean something in entries that point on */
	u64 leaf_bits;		/* any of these in a present entry: it maps a page */
	u64 table_mask;		/* address of the next table */
	u64 leaf_mask;		/* address of the page mapped here */
	u64 leaf_high;		/* more address bits of it, further down in the entry (PSE-36) */
	u8 leaf_high_shift;	/* how far they move up */
	u64 rsvd_table;		/* reserved in entries that point on, whatever the CPU */
	u64 rsvd_leaf;		/* reserved in entries that map a page */
};

/* A table format. Bits are masks; 0: the format has no such bit. */
struct npt_format {
	const char *name;
	u8 levels;
	u8 entry_size;		/* 4 or 8 bytes */
	u8 va_bits;		/* width of what it translates */
	bool exec_positive;	/* the exec bit permits (EPT) instead of forbids (NX) */
	bool walk_writes;	/* reads of guest tables count as writes here */
	u64 root_mask;		/* address of the root table in CR3 */
	u64 present;		/* any of these set: the entry is present */
	u64 write, user, exec;	/* exec: NX bit, or X bit if exec_positive */
	u64 accessed, dirty, large, global;
	u64 leaf_extra;		/* set in leaves that we build (EPT memory type) */
	u8 pkey_shift;		/* 0: no protection keys */
	struct npt_level level[NPT_MAX_LEVELS + 1];	/* [1..levels] */
};

/* Guest formats, by what CR0, CR4 and EFER select. */
extern const struct npt_format npt_fmt_32;
extern const struct npt_format npt_fmt_32_pse;
extern const struct npt_format npt_fmt_pae;
extern const struct npt_format npt_fmt_4level;
extern const struct npt_format npt_fmt_5level;
/* Nested formats. */
extern const struct npt_format npt_fmt_npt4;
extern const struct npt_format npt_fmt_npt5;
extern const struct npt_format npt_fmt_ept4;
extern const struct npt_format npt_fmt_ept5;

/* The format that a guest with these registers uses; NULL while paging is off. */
const struct npt_format *npt_guest_format(const struct npt_regs *regs);
/* The nested format, NULL if there is none such. */
const struct npt_format *npt_nested_format(u32 format, u32 levels);

/* Bits of present entries that fault, by level and [leaf]. @nx: EFER.NXE. */
void npt_format_rsvd(const struct npt_format *f, unsigned int maxphyaddr,
		     bool nx, u64 rsvd[NPT_MAX_LEVELS + 1][2]);

/* The same for the entries of level 1 alone. */
u64 npt_format_rsvd_pte(const struct npt_format *f, unsigned int maxphyaddr, bool nx);

/*
 * Rights of a path as NPT_TLBV_W/U/X: @all has the bits that every entry has,
 * @any those that some entry has. A format without a user bit grants it.
 */
static __always_inline u64 npt_path_rights(const struct npt_format *f, u64 all, u64 any)
{
	u64 r = 0;

	if (all & f->write)
		r |= BIT_ULL(0);
	if (!f->user || (all & f->user))
		r |= BIT_ULL(1);
	if (f->exec_positive ? all & f->exec : !(any & f->exec))
		r |= BIT_ULL(2);
	return r;
}

static __always_inline u64 npt_entry_rights(const struct npt_format *f, u64 e)
{
	return npt_path_rights(f, e, e);
}

/* An entry that points to a table, with all rights. */
u64 npt_make_table(const struct npt_format *f, u64 hpa);
/* A leaf for @hpa at @level with rights NPT_TLBV_W/U/X/D/G. Accessed is set. */
u64 npt_make_leaf(const struct npt_format *f, unsigned int level, u64 hpa, u64 rights);

/* Level of a leaf of size class @s, and back. */
#define npt_size_level(s)	((s) + 1)
#define npt_level_size(l)	((l) - 1)

#endif /* NPT_FORMAT_H */
