/* SPDX-License-Identifier: GPL-2.0 */
/* What a translation permits, and how the processor says that it does not. */
#ifndef NPT_RIGHTS_H
#define NPT_RIGHTS_H

#include "walk.h"

/* Bit in npt_cpu.allow. */
#define npt_acc_bit(op, user) (1u << ((op) + 3 * (user)))

/*
 * Do the rights of a translation (NPT_TLBV_W/U/X) permit the access? Gives
 * NPT_VERDICT_USER, _NX, _SMEP, _WRITE, _SMAP, or 0.
 */
u8 npt_check_rights(const struct npt_cpu *cpu, u64 rights, u8 op, bool user, bool wp);
/* Does PKRU deny a data access to a user page of @key (SDM vol. 3A, 4.6.2)? */
bool npt_pkey_denies(const struct npt_cpu *cpu, u64 rights, unsigned int key, u8 op, bool user);

/* #PF error code of a FAULT (SDM vol. 3A, 4.7). */
u32 npt_walk_error_code(const struct npt_walker *w);

#endif /* NPT_RIGHTS_H */
