// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping tables true to the host: when the host's memory management unmaps,
 * migrates, swaps out, merges or write-protects a page, it tells this file
 * first, and every VM of that process drops what it made of the page.
 *
 * One notifier serves all VMs of a process. It is got and put rather than
 * registered and unregistered, so that nobody waits for a grace period: a VM
 * that leaves takes itself off the list, and from then on no callback can
 * reach it.
 *
 * The race between a fault and an invalidation is decided by numbers:
 *
 *	fault					invalidation
 *	seq = npt_watch_seq()			busy++, range noted
 *	page = what the host maps		take mmu->lock, zap, drop it
 *	take mmu->lock				... the host changes its tables ...
 *	npt_watch_stale(seq)? ask again		seq++, busy--
 *	fill, drop mmu->lock
 *
 * If the fault looks before busy++, its fill is done (or refused) before the
 * zap gets mmu->lock, and the zap removes it. If it looks later, it sees busy
 * or, after the end, another seq.
 *
 * ->change_pte of older kernels is left alone: whoever calls it also brackets
 * the change with start and end.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include "../compat.h"
#include "../npt.h"

/* All VMs of one process. */
struct npt_watch {
	struct mmu_notifier mn;
	rwlock_t vms_lock;
	struct list_head vms;	/* struct npt_vm.mem.in_watch; vms_lock */
	/*
	 * Of the process and not of each VM, because a VM may come between
	 * start and end of an invalidation. Taken under mmu->lock.
	 */
	spinlock_t lock;
	u64 seq;		/* lock: invalidations that have ended */
	unsigned int busy;	/* lock: invalidations under way */
	unsigned long start;	/* lock: what those cover together */
	unsigned long end;
};

static struct npt_watch *to_watch(struct mmu_notifier *mn)
{
	return container_of(mn, struct npt_watch, mn);
}

/* The gfns of @slot behind [start, last] (hvas), which it overlaps. */
static void slot_range(const struct npt_slot *slot, unsigned long start, unsigned long last,
		       u64 *from, u64 *to)
{
	unsigned long hva = npt_slot_hva(slot);

	start = max(start, hva);
	last = min(last, slot->by_hva.last);
	*from = slot->base_gfn + ((start - hva) >> PAGE_SHIFT);
	*to = slot->base_gfn + ((last - hva) >> PAGE_SHIFT) + 1;
}

static bool vm_concerned(struct npt_vm *vm, unsigned long start, unsigned long last)
{
	bool concerned;

	read_lock(&vm->mmu.lock);
	concerned = interval_tree_iter_first(&vm->mem.by_hva, start, last);
	read_unlock(&vm->mmu.lock);
	return concerned;
}

/* --- zapping, in slices ------------------------------------------------------ */

/*
 * How far the zap of an hva range in one VM has come. Any number of slots may have the
 * same memory, and each takes its time, so mmu->lock is dropped between. The tree is in
 * the order of hvas, and slots with the same one in that of their numbers: those that
 * are added behind what was done, meanwhile, have no page of the range.
 */
struct range_zap {
	unsigned long start, last;
	unsigned long hva;	/* of the latest slot that is done */
	u64 done;		/* its number, 0: none */
	u64 going;		/* number of the slot under way, 0: none */
	struct npt_zap zap;	/* of that one */
};

static bool is_behind(const struct range_zap *r, const struct npt_slot *slot)
{
	unsigned long hva = npt_slot_hva(slot);

	return r->done && (hva < r->hva || (hva == r->hva && slot->number <= r->done));
}

/* Lock held for writing. True when the slot is done. */
static bool zap_slot(struct npt_vm *vm, struct range_zap *r, const struct npt_slot *slot, u64 until)
{
	if (r->going != slot->number) {
		slot_range(slot, r->start, r->last, &r->zap.start, &r->zap.end);
		r->zap.next = r->zap.start;
		r->zap.reason = NPT_ZAP_NOTIFIER;
		r->going = slot->number;
	}
	if (!npt_mmu_zap_slice(&vm->mmu, &r->zap, until))
		return false;
	r->hva = npt_slot_hva(slot);
	r->done = slot->number;
	return true;
}

/* One hold of the lock; *work grows by what was done. True when all is done. */
static bool zap_slice(struct npt_vm *vm, struct range_zap *r, u64 *work)
{
	struct npt_mmu *mmu = &vm->mmu;
	struct interval_tree_node *node;
	u64 before, until;

	npt_write_lock(&mmu->lock);
	before = npt_work(mmu);
	until = npt_work_slice(mmu);
	if (!r->done && !r->going)
		mmu->ctr[NPT_CTR_notifier_calls]++;
	for (node = interval_tree_iter_first(&vm->mem.by_hva, r->start, r->last); node;
	     node = interval_tree_iter_next(node, r->start, r->last)) {
		const struct npt_slot *slot = container_of(node, struct npt_slot, by_hva);

		if (is_behind(r, slot))
			continue;
		if (npt_work(mmu) >= until || !zap_slot(vm, r, slot, until))
			break;
	}
	*work += npt_work(mmu) - before;
	npt_mmu_zap_end(mmu, NPT_FL_NOTIFIER);
	npt_write_unlock(&mmu->lock);
	return !node;
}

static void zap_rest(struct npt_vm *vm, struct range_zap *r, bool may_sleep)
{
	u64 work = 0;

	while (!zap_slice(vm, r, &work)) {
		if (may_sleep)
			cond_resched();
		else
			cpu_relax();
	}
}

/* Let others run that the list's lock keeps from it. @vm stays on the list. */
static void zap_unlocked(struct npt_watch *watch, struct npt_vm *vm, struct range_zap *r,
			 bool may_sleep)
	__releases(&watch->vms_lock)
	__acquires(&watch->vms_lock)
{
	atomic_inc(&vm->mem.pins);
	read_unlock(&watch->vms_lock);
	zap_rest(vm, r, may_sleep);
	if (may_sleep)
		cond_resched();
	read_lock(&watch->vms_lock);
	if (atomic_dec_and_test(&vm->mem.pins))
		wake_up_var(&vm->mem.pins);
}

static void zap_vms(struct npt_watch *watch, const struct mmu_notifier_range *range)
{
	bool may_sleep = mmu_notifier_range_blockable(range);
	struct npt_vm *vm;
	u64 work = 0;

	read_lock(&watch->vms_lock);
	list_for_each_entry(vm, &watch->vms, mem.in_watch) {
		struct range_zap r = { .start = range->start, .last = range->end - 1 };

		/*
		 * Most invalidations are of memory that is no guest's: don't stop
		 * the vCPUs for those. A slot that comes between the two locks has
		 * no page in tables yet. Who is about to leave runs nothing any more.
		 */
		if (vm->mem.leaving || !vm_concerned(vm, r.start, r.last))
			continue;
		if (!zap_slice(vm, &r, &work) || work >= NPT_WORK_SLICE) {
			zap_unlocked(watch, vm, &r, may_sleep);
			work = 0;
		}
	}
	read_unlock(&watch->vms_lock);
}

/* --- age --------------------------------------------------------------------- */

/* Lock held for writing: was the hva range used? Also true if that takes too long to find out. */
static bool vm_age(struct npt_vm *vm, unsigned long start, unsigned long last, bool clear)
{
	struct npt_mmu *mmu = &vm->mmu;
	struct interval_tree_node *node;
	u64 from, to, until = npt_work_slice(mmu);
	bool young = false;

	for (node = interval_tree_iter_first(&vm->mem.by_hva, start, last); node;
	     node = interval_tree_iter_next(node, start, last)) {
		slot_range(container_of(node, struct npt_slot, by_hva), start, last, &from, &to);
		young |= npt_mmu_age(mmu, from, to, clear);
		if (npt_work(mmu) >= until)
			return true;
	}
	return young;
}

static bool age_vms(struct npt_watch *watch, unsigned long start, unsigned long end, bool clear)
{
	struct npt_vm *vm;
	bool young = false;

	read_lock(&watch->vms_lock);
	list_for_each_entry(vm, &watch->vms, mem.in_watch) {
		if (!vm_concerned(vm, start, end - 1))
			continue;
		npt_write_lock(&vm->mmu.lock);
		vm->mmu.ctr[NPT_CTR_notifier_young]++;
		young |= vm_age(vm, start, end - 1, clear);
		npt_write_unlock(&vm->mmu.lock);
	}
	read_unlock(&watch->vms_lock);
	return young;
}

static int watch_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct npt_watch *watch = to_watch(mn);

	spin_lock(&watch->lock);
	if (watch->busy++) {
		watch->start = min(watch->start, range->start);
		watch->end = max(watch->end, range->end);
	} else {
		watch->start = range->start;
		watch->end = range->end;
	}
	spin_unlock(&watch->lock);
	zap_vms(watch, range);
	return 0;
}

static void watch_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct npt_watch *watch = to_watch(mn);

	spin_lock(&watch->lock);
	watch->seq++;
	watch->busy--;
	spin_unlock(&watch->lock);
}

/*
 * TLBs are not flushed when a page's age is asked for: as with the host's own
 * tables on x86, an access through a TLB that still knows the page goes
 * unseen, and the worst that follows is that a used page looks old.
 */
static npt_young_t watch_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
				     unsigned long start, unsigned long end)
{
	return age_vms(to_watch(mn), start, end, true);
}

static npt_young_t watch_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
				    unsigned long address)
{
	return age_vms(to_watch(mn), address, address + PAGE_SIZE, false);
}

/* A VM that watch_release() has not served yet, held; NULL: there is none left. */
static struct npt_vm *next_to_release(struct npt_watch *watch)
{
	struct npt_vm *vm, *found = NULL;

	write_lock(&watch->vms_lock);
	list_for_each_entry(vm, &watch->vms, mem.in_watch) {
		/* One whose last user has gone runs nothing and is taking its tables down. */
		if (vm->mem.released || !refcount_inc_not_zero(&vm->users))
			continue;
		vm->mem.released = true;
		found = vm;
		break;
	}
	write_unlock(&watch->vms_lock);
	return found;
}

/*
 * The process is gone while somebody still holds a VM: its memory goes now, in
 * slices. Nothing comes back meanwhile, only that process could bring it in.
 * If the module is on its way out there is no VM left: their files hold it.
 */
static void watch_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct npt_watch *watch = to_watch(mn);
	struct npt_vm *vm;

	if (!try_module_get(THIS_MODULE))
		return;
	while ((vm = next_to_release(watch))) {
		npt_write_lock(&vm->mmu.lock);
		vm->mem.seq++;
		npt_write_unlock(&vm->mmu.lock);
		npt_mmu_zap_slowly(&vm->mmu, 0, BIT_ULL(vm->mmu.gpa_bits - PAGE_SHIFT),
				   NPT_ZAP_EXIT, NPT_FL_NOTIFIER);
		/* Maybe the last one: then the VM goes here, where sleeping is allowed. */
		npt_vm_put(vm);
	}
	module_put(THIS_MODULE);
}

static struct mmu_notifier *watch_alloc(struct mm_struct *mm)
{
	struct npt_watch *watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);

	if (!watch)
		return ERR_PTR(-ENOMEM);
	rwlock_init(&watch->vms_lock);
	INIT_LIST_HEAD(&watch->vms);
	spin_lock_init(&watch->lock);
	return &watch->mn;
}

static void watch_free(struct mmu_notifier *mn)
{
	kfree(to_watch(mn));
}

static const struct mmu_notifier_ops watch_ops = {
	.release = watch_release,
	.clear_flush_young = watch_clear_young,
	.clear_young = watch_clear_young,
	.test_young = watch_test_young,
	.invalidate_range_start = watch_start,
	.invalidate_range_end = watch_end,
	.alloc_notifier = watch_alloc,
	.free_notifier = watch_free,
};

int npt_watch_attach(struct npt_vm *vm)
{
	struct mmu_notifier *mn;
	struct npt_watch *watch;

	mn = mmu_notifier_get(&watch_ops, vm->mm);
	if (IS_ERR(mn))
		return PTR_ERR(mn);
	watch = to_watch(mn);
	vm->mem.watch = watch;
	write_lock(&watch->vms_lock);
	list_add(&vm->mem.in_watch, &watch->vms);
	write_unlock(&watch->vms_lock);
	return 0;
}

void npt_watch_detach(struct npt_vm *vm)
{
	struct npt_watch *watch = vm->mem.watch;

	write_lock(&watch->vms_lock);
	vm->mem.leaving = true;
	write_unlock(&watch->vms_lock);
	/* A callback that is at it goes on from here to the next VM. */
	wait_var_event(&vm->mem.pins, !atomic_read(&vm->mem.pins));
	write_lock(&watch->vms_lock);
	list_del(&vm->mem.in_watch);
	write_unlock(&watch->vms_lock);
	mmu_notifier_put(&watch->mn);
}

void npt_watch_exit(void)
{
	mmu_notifier_synchronize();
}

u64 npt_watch_seq(struct npt_vm *vm)
{
	struct npt_watch *watch = vm->mem.watch;
	u64 seq;

	npt_assert_held(&vm->mmu.lock);
	spin_lock(&watch->lock);
	/* Both only grow: the sum is the same only if neither did. */
	seq = watch->seq + vm->mem.seq;
	spin_unlock(&watch->lock);
	return seq;
}

static bool covers(const struct npt_watch *watch, unsigned long start, unsigned long end)
{
	return watch->busy && start < watch->end && watch->start < end;
}

bool npt_watch_busy(struct npt_vm *vm, unsigned long start, unsigned long end)
{
	struct npt_watch *watch = vm->mem.watch;
	bool busy;

	npt_assert_held(&vm->mmu.lock);
	spin_lock(&watch->lock);
	busy = covers(watch, start, end);
	spin_unlock(&watch->lock);
	return busy;
}

bool npt_watch_stale(struct npt_vm *vm, u64 seq, unsigned long start, unsigned long end)
{
	struct npt_watch *watch = vm->mem.watch;
	bool stale;

	npt_assert_held(&vm->mmu.lock);
	spin_lock(&watch->lock);
	stale = seq != watch->seq + vm->mem.seq || covers(watch, start, end);
	spin_unlock(&watch->lock);
	return stale;
}
