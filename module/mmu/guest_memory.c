// SPDX-License-Identifier: GPL-2.0
/* Guest-physical memory: what shadow tables are made from is not written unseen. */
#include "internal.h"

u8 *npt_guest_ptr(struct npt_mmu *mmu, u64 gpa, bool write)
{
	const struct npt_format *f = mmu->map_fmt;
	unsigned int level;
	void *table;
	u64 *leaf = npt_map_leaf(mmu, gpa, &level, &table);

	if (!leaf || (write && !(*leaf & f->write)))
		return NULL;
	return npt_hpa_ptr((*leaf & f->level[level].leaf_mask) |
			   (gpa & (BIT_ULL(f->level[level].shift) - 1)));
}

#define STORE_WORD(type, guest, buf) do {		\
	type word;					\
							\
	memcpy(&word, buf, sizeof(word));		\
	WRITE_ONCE(*(type *)(guest), word);		\
} while (0)

#define LOAD_WORD(type, guest, buf) do {		\
	type word = READ_ONCE(*(type *)(guest));	\
							\
	memcpy(buf, &word, sizeof(word));		\
} while (0)

/* Aligned words at once: others read and write the same memory meanwhile. */
static void copy_in(u8 *guest, const u8 *buf, u32 len)
{
	bool aligned = !((unsigned long)guest & (len - 1));

	if (len == 8 && aligned)
		STORE_WORD(u64, guest, buf);
	else if (len == 4 && aligned)
		STORE_WORD(u32, guest, buf);
	else if (len == 2 && aligned)
		STORE_WORD(u16, guest, buf);
	else
		memcpy(guest, buf, len);
}

static void copy_out(const u8 *guest, u8 *buf, u32 len)
{
	bool aligned = !((unsigned long)guest & (len - 1));

	if (len == 8 && aligned)
		LOAD_WORD(u64, guest, buf);
	else if (len == 4 && aligned)
		LOAD_WORD(u32, guest, buf);
	else if (len == 2 && aligned)
		LOAD_WORD(u16, guest, buf);
	else
		memcpy(buf, guest, len);
}

/* One try within one page. True: done. @write_locked: shadow tables may be changed. */
static bool try_copy(struct npt_cpu *cpu, u64 gpa, u8 *buf, u32 len, bool write,
		     bool write_locked, bool *tracked)
{
	struct npt_mmu *mmu = cpu->mmu;
	u8 *p = npt_guest_ptr(mmu, gpa, write);

	*tracked = false;
	if (!p)
		return false;
	if (!write) {
		if (buf)
			copy_out(p, buf, len);
		return true;
	}
	*tracked = mmu->cfg.mode == NPT_MMU_SHADOW && npt_gfn_tracked(mmu, gpa >> 12);
	if (*tracked && !write_locked)
		return false;
	if (buf)
		copy_in(p, buf, len);
	if (*tracked)
		npt_shadow_pte_write(cpu, gpa, len);
	return true;
}

static int copy_in_page(struct npt_cpu *cpu, u64 gpa, u8 *buf, u32 len, bool write)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool done, tracked, spurious;
	int err;

	for (;;) {
		npt_read_lock(&mmu->lock);
		done = try_copy(cpu, gpa, buf, len, write, false, &tracked);
		npt_read_unlock(&mmu->lock);
		if (!done && tracked) {
			npt_write_lock(&mmu->lock);
			done = try_copy(cpu, gpa, buf, len, write, true, &tracked);
			npt_write_unlock(&mmu->lock);
		}
		if (done)
			return 0;
		err = npt_map_in(cpu, gpa, write, &spurious);
		if (err)
			return err;
	}
}

int npt_guest_copy(struct npt_cpu *cpu, u64 gpa, u8 *buf, u32 len, bool write, u32 *done)
{
	int err;

	for (*done = 0; *done < len; ) {
		u32 n = min_t(u32, len - *done, 4096 - (gpa & 4095));

		err = copy_in_page(cpu, gpa, buf ? buf + *done : NULL, n, write);
		if (err)
			return err;
		*done += n;
		gpa += n;
	}
	return 0;
}

int npt_guest_read(struct npt_cpu *cpu, u64 gpa, void *buf, u32 len, u32 *done)
{
	return npt_guest_copy(cpu, gpa, buf, len, false, done);
}

int npt_guest_write(struct npt_cpu *cpu, u64 gpa, const void *buf, u32 len, u32 *done)
{
	return npt_guest_copy(cpu, gpa, (u8 *)buf, len, true, done);
}
