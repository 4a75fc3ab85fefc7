// SPDX-License-Identifier: GPL-2.0
/*
 * From a guest page to the host page behind it.
 *
 * Pages are found by the kernel's get_user_pages family in the context of the
 * VM's creator and let go at once: from then on the notifier alone keeps what
 * was found true (notifier.c). So memory that has no notifier, or no struct
 * page that may be held even for a moment (VM_IO, VM_PFNMAP), is refused by
 * those calls themselves.
 *
 * Dirty pages. Guest writes go past the host's page tables, so the host must
 * know beforehand that a page mapped writable is dirty, and must not forget it
 * unnoticed. It can't forget: whatever cleans a page (write-back, reclaim,
 * MADV_FREE, KSM) write-protects or unmaps it within an invalidation, which
 * zaps ours, and the next write comes through here again. It knows, because
 *  - the slow way, with FOLL_WRITE, leaves the page or the host's entry dirty
 *    while it holds the lock of the host's page table;
 *  - the quick way takes no lock and marks nothing, an entry that MADV_FREE
 *    cleaned is still writable there. It is only used for pages that live in
 *    swap (anonymous memory, shmem), where setting the flag is all there is to
 *    dirtying: no file system has to be asked. If the flag is cleared again
 *    before the fill, the number has changed and the fill is refused.
 *
 * Ageing likewise: the page is marked accessed when it is found; later accesses
 * show in the accessed bits that the notifier asks for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>
#include "../compat.h"
#include "../netlink.h"
#include "../npt.h"
#include "../tlb/tlb.h"

/* What a lookup needs of a slot, when mmu->lock is gone. */
struct backing {
	u64 base_gfn;
	u64 npages;
	unsigned long slot_hva;
	unsigned long hva;	/* of the page asked for */
	u32 flags;
	u64 seq;
};

static bool find_backing(struct npt_vm *vm, u64 gfn, struct backing *b)
{
	struct npt_slot *slot;

	npt_read_lock(&vm->mmu.lock);
	slot = npt_slot_find(&vm->mem, gfn);
	if (slot) {
		*b = (struct backing) {
			.base_gfn = slot->base_gfn,
			.npages = slot->npages,
			.slot_hva = npt_slot_hva(slot),
			.hva = npt_slot_hva(slot) + ((gfn - slot->base_gfn) << PAGE_SHIFT),
			.flags = slot->flags,
			.seq = npt_watch_seq(vm),
		};
	}
	npt_read_unlock(&vm->mmu.lock);
	/* The number before the page, as the notifier's end has it the other way round. */
	smp_rmb();
	return slot;
}

/* A page that is present and writable already, without any lock. */
static struct page *quick_page(unsigned long hva)
{
	struct folio *folio;
	struct page *page;

	if (get_user_pages_fast_only(hva, 1, FOLL_WRITE, &page) != 1)
		return NULL;
	folio = page_folio(page);
	if (!folio_test_swapbacked(folio)) {
		put_page(page);
		return NULL;
	}
	folio_set_dirty(folio);
	folio_mark_accessed(folio);
	return page;
}

/*
 * One try for the page at @hva: 1, -errno, or 0: again. A userfaultfd that is being
 * closed waits for mmap_lock while a fault that it watched, which has no answer any
 * more, is to be taken again. Until 6.15 get_user_pages() does that without ever
 * letting go of the lock, and both wait for good. So it gets only what nobody
 * watches, which the lock keeps so, and what takes no waiting, during which the lock
 * goes. All else is faulted in here, with the lock let go in between.
 */
static long fault_once(struct mm_struct *mm, unsigned long hva, unsigned int flags,
		       struct page **page)
{
	struct vm_area_struct *vma;
	bool unlocked;
	long got = 0;
	int err = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, hva);
	if (!vma || !userfaultfd_armed(vma))
		got = npt_get_user_page(hva, flags | FOLL_NOWAIT, page);
	if (!got)
		err = fixup_user_fault(mm, hva, flags & FOLL_WRITE ? FAULT_FLAG_WRITE : 0,
				       &unlocked);
	mmap_read_unlock(mm);
	if (got || err)
		return got ?: err;
	/* If what has just come is gone again, or nothing came, it is not this call's fault. */
	got = get_user_pages_unlocked(hva, 1, page, flags | FOLL_NOFAULT);
	return max(got, 0L);
}

/*
 * The page at @hva with all faults that it takes; 1, or -errno. As a rule one fault is
 * it, and then the page is there for whoever asks without a lock: get_user_pages() looks
 * for it before as well as after, under the lock.
 */
static long fault_page(unsigned long hva, unsigned int flags, struct page **page)
{
	struct mm_struct *mm = current->mm;
	bool unlocked;
	long got;

	if (flags & FOLL_WRITE) {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		got = fixup_user_fault(mm, hva, FAULT_FLAG_WRITE, &unlocked);
		mmap_read_unlock(mm);
		if (got)
			return got;
		*page = quick_page(hva);
		if (*page)
			return 1;
	}
	if (!NPT_GUP_SPINS)
		return get_user_pages_unlocked(hva, 1, page, flags);
	while (!(got = fault_once(mm, hva, flags, page))) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return got;
}

static int slow_page(unsigned long hva, bool write, struct page **page)
{
	long got = fault_page(hva, write ? FOLL_WRITE : 0, page);

	if (got == 1)
		return 0;
	if (fatal_signal_pending(current))
		return -EINTR;
	return got == -ENOMEM ? -ENOMEM : -EFAULT;
}

/*
 * How large the host maps @hva: one reading of each entry on the way down.
 * Interrupts off keep the tables from being freed; that the answer is still
 * right when it is used, the number sees to.
 */
static unsigned int host_size(struct mm_struct *mm, unsigned long hva)
{
	unsigned int size = NPT_SIZE_4K;
	unsigned long flags;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		size = NPT_SIZE_1G;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_present(pmd) && pmd_leaf(pmd))
		size = NPT_SIZE_2M;
out:
	local_irq_restore(flags);
	return size;
}

/* May a leaf of @size around @gfn map @b's slot: aligned alike, and within it? */
static bool size_fits(const struct backing *b, u64 gfn, unsigned int size)
{
	u64 npages = 1ULL << (npt_size_shift(size) - PAGE_SHIFT);
	u64 first = gfn & ~(npages - 1);

	return !((b->base_gfn ^ (b->slot_hva >> PAGE_SHIFT)) & (npages - 1)) &&
	       first >= b->base_gfn && first + npages <= b->base_gfn + b->npages;
}

static unsigned int max_size(struct npt_vm *vm, const struct backing *b, u64 gfn)
{
	unsigned int size;

	/* The log counts single pages. */
	if (b->flags & KVM_MEM_LOG_DIRTY_PAGES)
		return NPT_SIZE_4K;
	/* Don't look for what would not fit. */
	if (!size_fits(b, gfn, NPT_SIZE_2M))
		return NPT_SIZE_4K;
	size = host_size(vm->mm, b->hva);
	while (size > NPT_SIZE_4K && !size_fits(b, gfn, size))
		size--;
	return size;
}

#define LARGE_PAGES (1ULL << (npt_size_shift(NPT_SIZE_2M) - PAGE_SHIFT))

/* Small leaves from @gfn on that could be a large one? */
static bool could_grow(struct npt_vm *vm, struct backing *b, u64 gfn)
{
	bool grow;

	b->hva = b->slot_hva + ((gfn - b->base_gfn) << PAGE_SHIFT);
	cond_resched();
	if (max_size(vm, b, gfn) == NPT_SIZE_4K)
		return false;
	npt_read_lock(&vm->mmu.lock);
	grow = npt_mmu_could_grow(&vm->mmu, gfn);
	npt_read_unlock(&vm->mmu.lock);
	return grow;
}

/*
 * The log kept leaves small. Those that could be large now go, to be asked for again;
 * elsewhere they are as good as any that could take their place.
 */
void npt_slot_grow(struct npt_vm *vm, const struct npt_slot *slot)
{
	u64 gfn, next, end = slot->base_gfn + slot->npages;
	struct backing b = {
		.base_gfn = slot->base_gfn, .npages = slot->npages,
		.slot_hva = npt_slot_hva(slot), .flags = slot->flags,
	};

	lockdep_assert_held(&vm->mem.lock);
	for (gfn = ALIGN(slot->base_gfn, LARGE_PAGES); gfn < end; gfn = next + LARGE_PAGES) {
		for (next = gfn; next + LARGE_PAGES <= end && could_grow(vm, &b, next); )
			next += LARGE_PAGES;
		if (next > gfn)
			npt_mmu_zap_slowly(&vm->mmu, gfn, next, NPT_ZAP_SPLIT, NPT_FL_SLOT);
	}
}

/* As many of the @n small pages from @hva on as are there and writable. */
static u32 quick_pages(unsigned long hva, u32 n, u64 *hpa)
{
	struct page *pages[NPT_PREFETCH_MAX];
	int i, got, good;

	got = get_user_pages_fast_only(hva, n, FOLL_WRITE, pages);
	for (i = 0, good = 0; i < got; i++) {
		struct folio *folio = page_folio(pages[i]);

		/* As in quick_page(). */
		if (good == i && folio_test_swapbacked(folio)) {
			folio_set_dirty(folio);
			hpa[good++] = PFN_PHYS(page_to_pfn(pages[i]));
		}
		put_page(pages[i]);
	}
	return good;
}

/* Likewise large ones: the first small page of each says where it lies. */
static u32 quick_large_pages(struct mm_struct *mm, unsigned long hva, unsigned int size, u32 n,
			     u64 *hpa)
{
	u32 i;

	for (i = 0; i < n; i++, hva += 1UL << npt_size_shift(size))
		if (host_size(mm, hva) < size || !quick_pages(hva, 1, &hpa[i]))
			break;
	return i;
}

/*
 * Under mmu->lock there is no number to compare: an invalidation that has begun
 * shows as busy, one that begins later has to wait for the lock to zap what is
 * entered now. So what is seen to be there stays there, in one piece, meanwhile.
 * Pages are not marked accessed: nobody has asked for them.
 */
static u32 host_map_near(struct npt_mmu *mmu, u64 gpa, unsigned int size, u32 n, u64 *hpa)
{
	struct npt_vm *vm = npt_mmu_vm(mmu);
	unsigned int shift = npt_size_shift(size);
	u64 gfn = gpa >> PAGE_SHIFT;
	struct npt_slot *slot;
	unsigned long hva;

	npt_assert_write(&mmu->lock);
	slot = npt_slot_find(&vm->mem, gfn);
	if (!slot || slot->flags || current->mm != vm->mm)
		return 0;
	hva = npt_slot_hva(slot) + ((gfn - slot->base_gfn) << PAGE_SHIFT);
	n = min_t(u64, n, (slot->base_gfn + slot->npages - gfn) >> (shift - PAGE_SHIFT));
	if (hva & ((1UL << shift) - 1) || npt_watch_busy(vm, hva, hva + ((u64)n << shift)))
		return 0;
	if (size == NPT_SIZE_4K)
		return quick_pages(hva, n, hpa);
	return quick_large_pages(vm->mm, hva, size, n, hpa);
}

static int host_map(struct npt_mmu *mmu, u64 gpa, bool write, struct npt_pfn *out)
{
	struct npt_vm *vm = npt_mmu_vm(mmu);
	u64 gfn = gpa >> PAGE_SHIFT;
	struct page *page = NULL;
	struct backing b;
	bool may_write;
	int err;

	might_sleep();
	if (WARN_ON_ONCE(current->mm != vm->mm))
		return -EFAULT;
	/* The core asks again and again while the host keeps changing its mind. */
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	if (!find_backing(vm, gfn, &b))
		return -ENOENT;
	may_write = !(b.flags & KVM_MEM_READONLY);
	if (write && !may_write)
		return -EROFS;
	/*
	 * A page that is only read becomes writable at once if the host has
	 * it so, which saves the fault of the first write; but the log
	 * wants to see that first write.
	 */
	if (write || (may_write && !(b.flags & KVM_MEM_LOG_DIRTY_PAGES)))
		page = quick_page(b.hva);
	out->writable = write || page;
	out->at_hand = page;
	if (!page) {
		err = slow_page(b.hva, write, &page);
		if (err)
			return err;
	}
	out->hpa = PFN_PHYS(page_to_pfn(page));
	out->seq = b.seq;
	out->hva = b.hva;
	out->max_size = max_size(vm, &b, gfn);
	put_page(page);
	return 0;
}

/*
 * The whole of the largest leaf is looked at: part of it may be on its way out
 * while the page asked for stays.
 */
static bool host_stale(struct npt_mmu *mmu, const struct npt_pfn *pfn)
{
	u64 size = 1ULL << npt_size_shift(pfn->max_size);
	u64 start = pfn->hva & ~(size - 1);

	return npt_watch_stale(npt_mmu_vm(mmu), pfn->seq, start, start + size);
}

static void host_kick(struct npt_mmu *mmu)
{
	struct npt_vm *vm = npt_mmu_vm(mmu);

	vm->engine->kick(vm);
}

static void host_bug(struct npt_mmu *mmu, const char *what)
{
	struct npt_vm *vm = npt_mmu_vm(mmu);

	if (test_and_set_bit(0, &vm->told_dead))
		return;
	pr_err_ratelimited("VM %u is dead, its tables are inconsistent: %s\n", vm->id, what);
	npt_nl_vm_event(NPT_CMD_VM_DEAD_NTF, vm, what);
}

const struct npt_mmu_host npt_memory_host = {
	.map = host_map,
	.map_near = host_map_near,
	.stale = host_stale,
	.mark_dirty = npt_dirty_mark,
	.kick = host_kick,
	.bug = host_bug,
};
