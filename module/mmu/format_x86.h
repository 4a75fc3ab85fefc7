/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the x86 formats are made of. Here and not in format.c, so that the walker
 * can have the commonest of them as a constant that the compiler sees through.
 */
#ifndef NPT_FORMAT_X86_H
#define NPT_FORMAT_X86_H

#include "format.h"

#define PTE_P	BIT_ULL(0)
#define PTE_W	BIT_ULL(1)
#define PTE_U	BIT_ULL(2)
#define PTE_A	BIT_ULL(5)
#define PTE_D	BIT_ULL(6)
#define PTE_PS	BIT_ULL(7)
#define PTE_G	BIT_ULL(8)
#define PTE_NX	BIT_ULL(63)
#define ADDR	GENMASK_ULL(51, 12)

/* The bits that all x86 formats share (SDM vol. 3A, 4.3 to 4.5). */
#define X86_BITS							\
	.present = PTE_P, .write = PTE_W, .user = PTE_U,		\
	.accessed = PTE_A, .dirty = PTE_D, .large = PTE_PS, .global = PTE_G

/* Levels with 9-bit indices: page tables, directories and what is above. */
#define PT9								\
	{ .shift = 12, .index_mask = 511, .has_rights = true,		\
	  .leaf_bits = PTE_P, .table_mask = ADDR, .leaf_mask = ADDR }
#define PD9								\
	{ .shift = 21, .index_mask = 511, .may_leaf = true, .has_rights = true, \
	  .leaf_bits = PTE_PS, .table_mask = ADDR, .leaf_mask = GENMASK_ULL(51, 21),		\
	  .rsvd_leaf = GENMASK_ULL(20, 13) }
#define PDPT9								\
	{ .shift = 30, .index_mask = 511, .may_leaf = true, .has_rights = true, \
	  .leaf_bits = PTE_PS, .table_mask = ADDR, .leaf_mask = GENMASK_ULL(51, 30),		\
	  .rsvd_leaf = GENMASK_ULL(29, 13) }
/* PS is reserved in PML4 and PML5 entries (SDM vol. 3A, tables 4-15 and 4-14). */
#define PML9(s)								\
	{ .shift = (s), .index_mask = 511, .has_rights = true,		\
	  .table_mask = ADDR, .rsvd_table = PTE_PS }

/* SDM vol. 3A, 4.5 */
#define FMT_4LEVEL							\
	{ .name = "4-level", .levels = 4, .entry_size = 8, .va_bits = 48, \
	  .root_mask = ADDR, X86_BITS, .exec = PTE_NX, .pkey_shift = 59, \
	  .level = { [1] = PT9, [2] = PD9, [3] = PDPT9, [4] = PML9(39) } }
#define FMT_5LEVEL							\
	{ .name = "5-level", .levels = 5, .entry_size = 8, .va_bits = 57, \
	  .root_mask = ADDR, X86_BITS, .exec = PTE_NX, .pkey_shift = 59, \
	  .level = { [1] = PT9, [2] = PD9, [3] = PDPT9, [4] = PML9(39), [5] = PML9(48) } }

#endif /* NPT_FORMAT_X86_H */
