// SPDX-License-Identifier: GPL-2.0
/* What executing guest instructions in software needs, besides accesses. */
#include "internal.h"

#define CACHE_LINE 64

/* CMPXCHG16B has no name that all kernels know. */
static bool exchange16(void *p, const void *old, const void *new)
{
	u64 o[2], n[2];
	bool equal;

	memcpy(o, old, 16);
	memcpy(n, new, 16);
	asm volatile("lock cmpxchg16b %1"
		     : "=@ccz" (equal), "+m" (*(u64 (*)[2])p), "+a" (o[0]), "+d" (o[1])
		     : "b" (n[0]), "c" (n[1])
		     : "memory");
	return equal;
}

/* cmpxchg() has names of its own within: o and n are none of them. */
#define EXCHANGE(type, p, old, new) ({			\
	type o, n;					\
							\
	memcpy(&o, old, sizeof(type));			\
	memcpy(&n, new, sizeof(type));			\
	cmpxchg((type *)(p), o, n) == o;		\
})

static bool exchange(u8 *p, const void *old, const void *new, u32 len)
{
	switch (len) {
	case 1:
		return EXCHANGE(u8, p, old, new);
	case 2:
		return EXCHANGE(u16, p, old, new);
	case 4:
		return EXCHANGE(u32, p, old, new);
	case 8:
		return EXCHANGE(u64, p, old, new);
	default:
		return exchange16(p, old, new);
	}
}

/*
 * Across two cache lines a host may punish a locked access; and it faults on 16
 * bytes that aren't aligned (SDM vol. 2A, CMPXCHG16B). Lock held for writing.
 */
static bool is_split(u64 gpa, u32 len)
{
	return (gpa & (CACHE_LINE - 1)) + len > CACHE_LINE || (len == 16 && (gpa & 15));
}

static bool exchange_split(u8 *p, const void *old, const void *new, u32 len)
{
	if (memcmp(p, old, len))
		return false;
	memcpy(p, new, len);
	return true;
}

/* False: the page must be brought in first, or the lock held for writing (then *need is set). */
static bool try_exchange(struct npt_cpu *cpu, u64 gpa, const void *old, const void *new, u32 len,
			 bool write_locked, bool *need, bool *equal)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool split = is_split(gpa, len), tracked;
	u8 *p = npt_guest_ptr(mmu, gpa, true);

	*need = false;
	if (!p)
		return false;
	tracked = mmu->cfg.mode == NPT_MMU_SHADOW && npt_gfn_tracked(mmu, gpa >> 12);
	*need = (tracked || split) && !write_locked;
	if (*need)
		return false;
	*equal = split ? exchange_split(p, old, new, len) : exchange(p, old, new, len);
	if (tracked && *equal)
		npt_shadow_pte_write(cpu, gpa, len);
	return true;
}

int npt_guest_exchange(struct npt_cpu *cpu, u64 gpa, const void *old, const void *new, u32 len,
		       bool *equal)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool done, need, spurious;
	int err;

	for (;;) {
		npt_read_lock(&mmu->lock);
		done = try_exchange(cpu, gpa, old, new, len, false, &need, equal);
		npt_read_unlock(&mmu->lock);
		if (need) {
			npt_write_lock(&mmu->lock);
			done = try_exchange(cpu, gpa, old, new, len, true, &need, equal);
			npt_write_unlock(&mmu->lock);
		}
		if (done)
			return 0;
		err = npt_map_in(cpu, gpa, true, &spurious);
		if (err)
			return err;
	}
}

bool npt_guest_unprotect(struct npt_cpu *cpu, u64 gpa)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool tracked;

	if (mmu->cfg.mode != NPT_MMU_SHADOW)
		return false;
	npt_write_lock(&mmu->lock);
	tracked = npt_gfn_tracked(mmu, gpa >> 12);
	if (tracked) {
		npt_shadow_zap_tables(mmu, gpa >> 12, (gpa >> 12) + 1, NPT_ZAP_GUEST,
				      ~0ULL);
		npt_flush_owed(mmu, NPT_FL_SHADOW);
	}
	npt_write_unlock(&mmu->lock);
	return tracked;
}
