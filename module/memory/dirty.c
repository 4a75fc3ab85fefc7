// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: which pages of a slot the guest has written since the log was
 * last read. A page is marked when the guest gets to write it; reading the log
 * takes that right away again, so the next write is marked anew.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../limits.h"
#include "../npt.h"

void npt_dirty_mark(struct npt_mmu *mmu, u64 gfn)
{
	struct npt_slot *slot = npt_slot_find(&npt_mmu_vm(mmu)->mem, gfn);

	npt_assert_held(&mmu->lock);
	/* Atomic: several vCPUs may hold the lock for reading. */
	if (slot && slot->dirty)
		set_bit(gfn - slot->base_gfn, slot->dirty);
}

/* Move the bits [from, to) of @slot to @copy and write-protect those pages. */
static void take_bits(struct npt_vm *vm, struct npt_slot *slot, unsigned long *copy,
		      u64 from, u64 to)
{
	unsigned long start, end;
	u64 word;

	npt_write_lock(&vm->mmu.lock);
	for (word = from / BITS_PER_LONG; word < BITS_TO_LONGS(to); word++) {
		copy[word] = slot->dirty[word];
		slot->dirty[word] = 0;
	}
	start = from;
	while ((start = find_next_bit(copy, to, start)) < to) {
		end = find_next_zero_bit(copy, to, start);
		npt_mmu_wrprot(&vm->mmu, slot->base_gfn + start, slot->base_gfn + end);
		start = end;
	}
	npt_write_unlock(&vm->mmu.lock);
}

static int get_log(struct npt_vm *vm, struct npt_slot *slot, void __user *to)
{
	u64 i, n = slot->npages;
	unsigned long *copy;

	copy = kvcalloc(BITS_TO_LONGS(n), sizeof(*copy), GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	for (i = 0; i < n; i += NPT_DIRTY_CHUNK) {
		take_bits(vm, slot, copy, i, min(i + NPT_DIRTY_CHUNK, n));
		cond_resched();
	}
	if (copy_to_user(to, copy, BITS_TO_LONGS(n) * sizeof(*copy))) {
		/* Nobody has seen them: they are still to be reported. */
		npt_write_lock(&vm->mmu.lock);
		bitmap_or(slot->dirty, slot->dirty, copy, n);
		npt_write_unlock(&vm->mmu.lock);
		kvfree(copy);
		return -EFAULT;
	}
	kvfree(copy);
	return 0;
}

int npt_dirty_get(struct npt_vm *vm, const struct kvm_dirty_log *log)
{
	struct npt_slot *slot;
	int err;

	if (log->slot >= NPT_MAX_SLOTS)
		return -EINVAL;
	if (mutex_lock_killable(&vm->mem.lock))
		return -EINTR;
	slot = xa_load(&vm->mem.by_id, log->slot);
	err = slot && slot->dirty ? get_log(vm, slot, log->dirty_bitmap) : -ENOENT;
	mutex_unlock(&vm->mem.lock);
	return err;
}
