// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: which pages of a slot the guest has written since the log was
 * last read. A page is marked when the guest gets to write it; reading the log
 * takes that right away again, so the next write is marked anew. With manual
 * protection it is not the reading that does this but KVM_CLEAR_DIRTY_LOG,
 * for the pages that it names.
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

/*
 * Write-protect the pages whose bits are set in [from, to) of @bits; @gfn is that of bit
 * 0. Gives the bit to go on from.
 */
static u64 protect(struct npt_vm *vm, u64 gfn, const unsigned long *bits, u64 from, u64 to)
{
	u64 until = npt_work_slice(&vm->mmu), done;
	unsigned long start = from, end;

	while ((start = find_next_bit(bits, to, start)) < to) {
		end = find_next_zero_bit(bits, to, start);
		done = npt_mmu_wrprot(&vm->mmu, gfn + start, gfn + end, until) - gfn;
		start = done;
		if (done < end)
			break;
	}
	npt_mmu_wrprot_end(&vm->mmu);
	/* Of a word all or nothing: a page behind may have been written again by then. */
	return start < to ? round_down(start, BITS_PER_LONG) : to;
}

/* Set in @log what is set in [from, to) of @bits. */
static void give_back(unsigned long *log, const unsigned long *bits, u64 from, u64 to)
{
	unsigned long bit = from;

	for (; (bit = find_next_bit(bits, to, bit)) < to; bit++)
		__set_bit(bit, log);
}

/*
 * Move the bits [from, to) of @slot to @copy and write-protect those pages. Gives the
 * bit to go on from: what could not be reached is as it was.
 */
static u64 take_bits(struct npt_vm *vm, struct npt_slot *slot, unsigned long *copy,
		     u64 from, u64 to)
{
	u64 word, done;

	npt_write_lock(&vm->mmu.lock);
	for (word = from / BITS_PER_LONG; word < BITS_TO_LONGS(to); word++) {
		copy[word] |= slot->dirty[word];
		slot->dirty[word] = 0;
	}
	done = protect(vm, slot->base_gfn, copy, from, to);
	give_back(slot->dirty, copy, done, to);
	npt_write_unlock(&vm->mmu.lock);
	return done;
}

/* Nobody has seen them: they are still to be reported. */
static void put_bits(struct npt_vm *vm, struct npt_slot *slot, const unsigned long *copy)
{
	u64 from, to;

	for (from = 0; from < slot->npages; from = to) {
		to = min_t(u64, from + NPT_DIRTY_CHUNK, slot->npages);
		npt_write_lock(&vm->mmu.lock);
		give_back(slot->dirty, copy, from, to);
		npt_write_unlock(&vm->mmu.lock);
		cond_resched();
	}
}

static int get_log(struct npt_vm *vm, struct npt_slot *slot, void __user *to)
{
	u64 i, n = slot->npages;
	unsigned long *copy;

	copy = kvcalloc(BITS_TO_LONGS(n), sizeof(*copy), GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	for (i = 0; i < n; cond_resched())
		i = take_bits(vm, slot, copy, i, min(i + NPT_DIRTY_CHUNK, n));
	if (copy_to_user(to, copy, BITS_TO_LONGS(n) * sizeof(*copy))) {
		put_bits(vm, slot, copy);
		kvfree(copy);
		return -EFAULT;
	}
	kvfree(copy);
	return 0;
}

/* The bits as they are: the bitmap can't go while mem->lock is held. */
static int peek_log(const struct npt_slot *slot, void __user *to)
{
	size_t bytes = BITS_TO_LONGS(slot->npages) * sizeof(long);

	return copy_to_user(to, slot->dirty, bytes) ? -EFAULT : 0;
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
	if (!slot || !slot->dirty)
		err = -ENOENT;
	else if (vm->mem.manual)
		err = peek_log(slot, log->dirty_bitmap);
	else
		err = get_log(vm, slot, log->dirty_bitmap);
	mutex_unlock(&vm->mem.lock);
	return err;
}

/* --- manual protection ---------------------------------------------------- */

/*
 * Clear the bits [from, to) of @bits in the slot's log, which they begin at page
 * @first of; leave in @bits those that were set there. Gives the bit to go on from.
 */
static u64 clear_bits(struct npt_vm *vm, struct npt_slot *slot, u64 first,
		      unsigned long *bits, u64 from, u64 to)
{
	unsigned long *log = slot->dirty + first / BITS_PER_LONG;
	u64 word, done;

	npt_write_lock(&vm->mmu.lock);
	for (word = from / BITS_PER_LONG; word < BITS_TO_LONGS(to); word++) {
		bits[word] &= log[word];
		log[word] &= ~bits[word];
	}
	done = protect(vm, slot->base_gfn + first, bits, from, to);
	give_back(log, bits, done, to);
	npt_write_unlock(&vm->mmu.lock);
	return done;
}

static int clear_log(struct npt_vm *vm, struct npt_slot *slot,
		     const struct kvm_clear_dirty_log *log)
{
	u64 i, n = log->num_pages, first = log->first_page;
	unsigned long *bits;

	/* Whole words, or up to the end of the slot. */
	if (first > slot->npages || n > slot->npages - first ||
	    (n < slot->npages - first && n % BITS_PER_LONG))
		return -EINVAL;
	bits = kvmalloc_array(BITS_TO_LONGS(n), sizeof(*bits), GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	if (copy_from_user(bits, log->dirty_bitmap, BITS_TO_LONGS(n) * sizeof(*bits))) {
		kvfree(bits);
		return -EFAULT;
	}
	for (i = 0; i < n; cond_resched())
		i = clear_bits(vm, slot, first, bits, i, min(i + NPT_DIRTY_CHUNK, n));
	kvfree(bits);
	return 0;
}

int npt_dirty_clear(struct npt_vm *vm, const struct kvm_clear_dirty_log *log)
{
	struct npt_slot *slot;
	int err;

	if (log->slot >= NPT_MAX_SLOTS || log->first_page % BITS_PER_LONG)
		return -EINVAL;
	if (mutex_lock_killable(&vm->mem.lock))
		return -EINTR;
	slot = xa_load(&vm->mem.by_id, log->slot);
	err = slot && slot->dirty ? clear_log(vm, slot, log) : -ENOENT;
	mutex_unlock(&vm->mem.lock);
	return err;
}

int npt_dirty_set_manual(struct npt_vm *vm, const struct kvm_enable_cap *cap)
{
	u64 how = cap->args[0];

	/* A log that is all set at first is no use if reading it clears it. */
	if (cap->flags || how & ~(u64)(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				       KVM_DIRTY_LOG_INITIALLY_SET) ||
	    how == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	if (mutex_lock_killable(&vm->mem.lock))
		return -EINTR;
	vm->mem.manual = how;
	mutex_unlock(&vm->mem.lock);
	return 0;
}
