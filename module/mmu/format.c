// SPDX-License-Identifier: GPL-2.0
/* The table formats: data, and the few rules that pick and shape them. */
#include "mmu.h"
#include "format.h"
#include "format_x86.h"
#include "../tlb/tlb.h"

/* SDM vol. 3A, 4.3: CR4.PSE clear, bit 7 of a PDE is ignored. */
const struct npt_format npt_fmt_32 = {
	.name = "32-bit", .levels = 2, .entry_size = 4, .va_bits = 32,
	.root_mask = GENMASK_ULL(31, 12), X86_BITS,
	.level = {
		[1] = { .shift = 12, .index_mask = 1023, .has_rights = true,
			.leaf_bits = PTE_P, .table_mask = GENMASK_ULL(31, 12),
			.leaf_mask = GENMASK_ULL(31, 12) },
		[2] = { .shift = 22, .index_mask = 1023, .has_rights = true,
			.table_mask = GENMASK_ULL(31, 12) },
	},
};

/* SDM vol. 3A, table 4-4: 4 MiB pages, PSE-36, bits 20:13 are address bits 39:32. */
const struct npt_format npt_fmt_32_pse = {
	.name = "32-bit with 4M pages", .levels = 2, .entry_size = 4, .va_bits = 32,
	.root_mask = GENMASK_ULL(31, 12), X86_BITS,
	.level = {
		[1] = { .shift = 12, .index_mask = 1023, .has_rights = true,
			.leaf_bits = PTE_P, .table_mask = GENMASK_ULL(31, 12),
			.leaf_mask = GENMASK_ULL(31, 12) },
		[2] = { .shift = 22, .index_mask = 1023, .may_leaf = true,
			.has_rights = true, .leaf_bits = PTE_PS,
			.table_mask = GENMASK_ULL(31, 12),
			.leaf_mask = GENMASK_ULL(31, 22),
			.leaf_high = GENMASK_ULL(20, 13), .leaf_high_shift = 19,
			.rsvd_leaf = BIT_ULL(21) },
	},
};

/*
 * SDM vol. 3A, 4.4. PDPTEs carry no rights and no A bit; bits 2:1, 8:5 and
 * 63:MAXPHYADDR are reserved. They are read on every walk here, as AMD's
 * nested paging does (APM vol. 2, 15.25.10), so that a walk has three reads.
 */
const struct npt_format npt_fmt_pae = {
	.name = "PAE", .levels = 3, .entry_size = 8, .va_bits = 32,
	.root_mask = GENMASK_ULL(31, 5), X86_BITS, .exec = PTE_NX,
	.level = {
		[1] = PT9,
		[2] = PD9,
		[3] = { .shift = 30, .index_mask = 3, .table_mask = ADDR,
			.rsvd_table = GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5) |
				      GENMASK_ULL(63, 52) },
	},
};

const struct npt_format npt_fmt_4level = FMT_4LEVEL;
const struct npt_format npt_fmt_5level = FMT_5LEVEL;

/*
 * APM vol. 2, 15.25: nested tables are long-mode tables, walked as a user
 * access; reads of guest tables are writes to them (15.25.6).
 */
const struct npt_format npt_fmt_npt4 = {
	.name = "NPT 4-level", .levels = 4, .entry_size = 8, .va_bits = 48,
	.walk_writes = true, .root_mask = ADDR, X86_BITS, .exec = PTE_NX,
	.level = { [1] = PT9, [2] = PD9, [3] = PDPT9, [4] = PML9(39) },
};

const struct npt_format npt_fmt_npt5 = {
	.name = "NPT 5-level", .levels = 5, .entry_size = 8, .va_bits = 52,
	.walk_writes = true, .root_mask = ADDR, X86_BITS, .exec = PTE_NX,
	.level = { [1] = PT9, [2] = PD9, [3] = PDPT9, [4] = PML9(39), [5] = PML9(48) },
};

#define EPT_R	BIT_ULL(0)
#define EPT_W	BIT_ULL(1)
#define EPT_X	BIT_ULL(2)
#define EPT_WB	(6ULL << 3)	/* memory type write-back, leaves only */
#define EPT_A	BIT_ULL(8)
#define EPT_D	BIT_ULL(9)

/*
 * SDM vol. 3C, 29.3.2, with A/D bits enabled: then reads of guest tables are
 * writes to them (29.3.3.2). No user bit: every page is one of the guest's.
 */
#define EPT_BITS							\
	.walk_writes = true, .present = EPT_R | EPT_W | EPT_X, .write = EPT_W, .exec = EPT_X,	\
	.exec_positive = true, .accessed = EPT_A, .dirty = EPT_D,	\
	.large = PTE_PS, .leaf_extra = EPT_WB

#define EPT_PT								\
	{ .shift = 12, .index_mask = 511, .has_rights = true,		\
	  .leaf_bits = EPT_R | EPT_W | EPT_X, .table_mask = ADDR, .leaf_mask = ADDR }
#define EPT_PD								\
	{ .shift = 21, .index_mask = 511, .may_leaf = true, .has_rights = true, \
	  .leaf_bits = PTE_PS, .table_mask = ADDR, .leaf_mask = GENMASK_ULL(51, 21),		\
	  .rsvd_table = GENMASK_ULL(6, 3), .rsvd_leaf = GENMASK_ULL(20, 12) }
#define EPT_PDPT							\
	{ .shift = 30, .index_mask = 511, .may_leaf = true, .has_rights = true, \
	  .leaf_bits = PTE_PS, .table_mask = ADDR, .leaf_mask = GENMASK_ULL(51, 30),		\
	  .rsvd_table = GENMASK_ULL(6, 3), .rsvd_leaf = GENMASK_ULL(29, 12) }
#define EPT_PML(s)							\
	{ .shift = (s), .index_mask = 511, .has_rights = true,		\
	  .table_mask = ADDR, .rsvd_table = GENMASK_ULL(7, 3) }

const struct npt_format npt_fmt_ept4 = {
	.name = "EPT 4-level", .levels = 4, .entry_size = 8, .va_bits = 48,
	.root_mask = ADDR, EPT_BITS,
	.level = { [1] = EPT_PT, [2] = EPT_PD, [3] = EPT_PDPT, [4] = EPT_PML(39) },
};

const struct npt_format npt_fmt_ept5 = {
	.name = "EPT 5-level", .levels = 5, .entry_size = 8, .va_bits = 52,
	.root_mask = ADDR, EPT_BITS,
	.level = { [1] = EPT_PT, [2] = EPT_PD, [3] = EPT_PDPT, [4] = EPT_PML(39),
		   [5] = EPT_PML(48) },
};

const struct npt_format *npt_guest_format(const struct npt_regs *r)
{
	if (!(r->cr0 & NPT_CR0_PG))
		return NULL;
	if (!(r->cr4 & NPT_CR4_PAE))
		return r->cr4 & NPT_CR4_PSE ? &npt_fmt_32_pse : &npt_fmt_32;
	if (!(r->efer & NPT_EFER_LMA))
		return &npt_fmt_pae;
	return r->cr4 & NPT_CR4_LA57 ? &npt_fmt_5level : &npt_fmt_4level;
}

const struct npt_format *npt_nested_format(u32 format, u32 levels)
{
	if (levels != 4 && levels != 5)
		return NULL;
	if (format == NPT_NESTED_NPT)
		return levels == 4 ? &npt_fmt_npt4 : &npt_fmt_npt5;
	if (format == NPT_NESTED_EPT)
		return levels == 4 ? &npt_fmt_ept4 : &npt_fmt_ept5;
	return NULL;
}

/* Bits that are reserved at every level. */
static u64 rsvd_high(const struct npt_format *f, unsigned int maxphyaddr, bool nx)
{
	u64 high = 0;

	if (f->entry_size != 8)
		return 0;
	if (maxphyaddr < 52)
		high = GENMASK_ULL(51, maxphyaddr);
	if (!f->exec_positive && !nx)
		high |= PTE_NX;
	return high;
}

/* Bits 62:52 are reserved outside long mode (SDM vol. 3A, table 4-9 and on). */
static u64 rsvd_pae(const struct npt_format *f, unsigned int level)
{
	return f == &npt_fmt_pae && level <= 2 ? GENMASK_ULL(62, 52) : 0;
}

u64 npt_format_rsvd_pte(const struct npt_format *f, unsigned int maxphyaddr, bool nx)
{
	return f->level[1].rsvd_leaf | rsvd_high(f, maxphyaddr, nx) | rsvd_pae(f, 1);
}

void npt_format_rsvd(const struct npt_format *f, unsigned int maxphyaddr,
		     bool nx, u64 rsvd[NPT_MAX_LEVELS + 1][2])
{
	u64 high = rsvd_high(f, maxphyaddr, nx);
	int l;

	memset(rsvd, 0, sizeof(u64) * 2 * (NPT_MAX_LEVELS + 1));
	for (l = 1; l <= f->levels; l++) {
		rsvd[l][0] = f->level[l].rsvd_table | high | rsvd_pae(f, l);
		rsvd[l][1] = f->level[l].rsvd_leaf | high | rsvd_pae(f, l);
	}
}

u64 npt_make_table(const struct npt_format *f, u64 hpa)
{
	u64 e = hpa | f->present | f->write | f->user | f->accessed;

	return f->exec_positive ? e | f->exec : e;
}

u64 npt_make_leaf(const struct npt_format *f, unsigned int level, u64 hpa, u64 rights)
{
	u64 e = hpa | f->accessed | f->leaf_extra;

	/* EPT has no present bit of its own: reading stands for it. */
	e |= f->exec_positive ? EPT_R : f->present;
	if (rights & NPT_TLBV_W)
		e |= f->write;
	if (rights & NPT_TLBV_U)
		e |= f->user;
	if (!(rights & NPT_TLBV_X) != f->exec_positive)
		e |= f->exec;
	if (rights & NPT_TLBV_D)
		e |= f->dirty;
	if (rights & NPT_TLBV_G)
		e |= f->global;
	return level > 1 ? e | f->large : e;
}
