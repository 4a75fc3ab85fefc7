// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots: which host memory stands behind which guest-physical addresses.
 * The rules for what may be asked are KVM's.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../limits.h"
#include "../npt.h"

void npt_memory_init(struct npt_memory *mem)
{
	mutex_init(&mem->lock);
	xa_init(&mem->by_id);
	mem->by_gfn = RB_ROOT;
	mem->by_hva = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&mem->in_watch);
}

static void slot_free(struct npt_slot *slot)
{
	kvfree(slot->dirty);
	kfree(slot);
}

void npt_memory_destroy(struct npt_memory *mem)
{
	struct npt_slot *slot;
	unsigned long id;

	xa_for_each(&mem->by_id, id, slot)
		slot_free(slot);
	xa_destroy(&mem->by_id);
	mutex_destroy(&mem->lock);
}

/* The first slot that ends after @gfn. */
static struct npt_slot *slot_from(struct npt_memory *mem, u64 gfn)
{
	struct rb_node *node = mem->by_gfn.rb_node;
	struct npt_slot *found = NULL;

	while (node) {
		struct npt_slot *slot = rb_entry(node, struct npt_slot, by_gfn);

		if (gfn < slot->base_gfn + slot->npages) {
			found = slot;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

struct npt_slot *npt_slot_find(struct npt_memory *mem, u64 gfn)
{
	struct npt_slot *slot = slot_from(mem, gfn);

	return slot && gfn >= slot->base_gfn ? slot : NULL;
}

/* Does a slot other than @but share a page with [base, base + npages)? */
static bool overlaps(struct npt_memory *mem, u64 base, u64 npages, const struct npt_slot *but)
{
	struct npt_slot *slot = slot_from(mem, base);

	if (slot && slot == but)
		slot = slot_from(mem, slot->base_gfn + slot->npages);
	return slot && slot->base_gfn < base + npages;
}

static void insert_by_gfn(struct npt_memory *mem, struct npt_slot *slot)
{
	struct rb_node **link = &mem->by_gfn.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (slot->base_gfn < rb_entry(parent, struct npt_slot, by_gfn)->base_gfn)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&slot->by_gfn, parent, link);
	rb_insert_color(&slot->by_gfn, &mem->by_gfn);
}

/* Each change of slots begins and ends here: mmu->lock is held in between. */
static void change_begin(struct npt_vm *vm)
	__acquires(&vm->mmu.lock)
{
	lockdep_assert_held(&vm->mem.lock);
	npt_write_lock(&vm->mmu.lock);
	vm->mem.seq++;
	npt_mmu_slots_change(&vm->mmu);
}

static void change_end(struct npt_vm *vm)
	__releases(&vm->mmu.lock)
{
	npt_write_unlock(&vm->mmu.lock);
}

/* Lets others in between: what must not be filled again has to be out of reach by now. */
static void zap_slot(struct npt_vm *vm, const struct npt_slot *slot, enum npt_zap_reason reason)
{
	npt_mmu_zap_slowly(&vm->mmu, slot->base_gfn, slot->base_gfn + slot->npages, reason,
			   NPT_FL_SLOT);
}

static unsigned long *dirty_alloc(const struct npt_memory *mem, u64 npages)
{
	unsigned long *dirty;

	dirty = kvcalloc(BITS_TO_LONGS(npages), sizeof(unsigned long), GFP_KERNEL_ACCOUNT);
	if (dirty && mem->manual & KVM_DIRTY_LOG_INITIALLY_SET)
		bitmap_set(dirty, 0, npages);
	return dirty;
}

static int slot_create(struct npt_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct npt_memory *mem = &vm->mem;
	struct npt_slot *slot;
	int err = -ENOMEM;

	if (overlaps(mem, r->guest_phys_addr >> PAGE_SHIFT, r->memory_size >> PAGE_SHIFT, NULL))
		return -EEXIST;
	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slot)
		return -ENOMEM;
	slot->id = r->slot;
	slot->flags = r->flags;
	slot->base_gfn = r->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = r->memory_size >> PAGE_SHIFT;
	slot->by_hva.start = r->userspace_addr;
	slot->by_hva.last = r->userspace_addr + r->memory_size - 1;
	slot->number = ++mem->slots_made;
	if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		slot->dirty = dirty_alloc(mem, slot->npages);
		if (!slot->dirty)
			goto free;
	}
	err = xa_insert(&mem->by_id, slot->id, slot, GFP_KERNEL_ACCOUNT);
	if (err)
		goto free;

	change_begin(vm);
	insert_by_gfn(mem, slot);
	interval_tree_insert(&slot->by_hva, &mem->by_hva);
	vm->mmu.ctr[NPT_CTR_slots]++;
	change_end(vm);
	return 0;
free:
	slot_free(slot);
	return err;
}

static int slot_delete(struct npt_vm *vm, struct npt_slot *slot)
{
	struct npt_memory *mem = &vm->mem;

	change_begin(vm);
	rb_erase(&slot->by_gfn, &mem->by_gfn);
	vm->mmu.ctr[NPT_CTR_slots]--;
	change_end(vm);
	zap_slot(vm, slot, NPT_ZAP_SLOT);
	/* The notifier had to find it for as long as a page of it was mapped. */
	npt_write_lock(&vm->mmu.lock);
	interval_tree_remove(&slot->by_hva, &mem->by_hva);
	npt_write_unlock(&vm->mmu.lock);
	xa_erase(&mem->by_id, slot->id);
	slot_free(slot);
	return 0;
}

/* From here on a write has to fault to be seen, if it is not seen yet. */
static void protect_slot(struct npt_vm *vm, const struct npt_slot *slot)
{
	u64 gfn = slot->base_gfn, end = gfn + slot->npages;

	while (gfn < end) {
		npt_write_lock(&vm->mmu.lock);
		gfn = npt_mmu_wrprot(&vm->mmu, gfn, end, npt_work_slice(&vm->mmu));
		npt_mmu_wrprot_end(&vm->mmu);
		npt_write_unlock(&vm->mmu.lock);
		cond_resched();
	}
}

/* New flags, and perhaps another place. */
static int slot_change(struct npt_vm *vm, struct npt_slot *slot,
		       const struct kvm_userspace_memory_region *r)
{
	u64 base_gfn = r->guest_phys_addr >> PAGE_SHIFT;
	bool move = base_gfn != slot->base_gfn;
	bool log = r->flags & KVM_MEM_LOG_DIRTY_PAGES;
	unsigned long *dirty = slot->dirty, *unused = NULL;

	if (r->memory_size >> PAGE_SHIFT != slot->npages ||
	    r->userspace_addr != npt_slot_hva(slot) ||
	    ((r->flags ^ slot->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	if (!move && r->flags == slot->flags)
		return 0;
	if (move && overlaps(&vm->mem, base_gfn, slot->npages, slot))
		return -EEXIST;
	if (!log) {
		unused = dirty;
		dirty = NULL;
	} else if (!dirty) {
		dirty = dirty_alloc(&vm->mem, slot->npages);
		if (!dirty)
			return -ENOMEM;
	}

	change_begin(vm);
	if (move) {
		/* Nowhere for a while: accesses meanwhile find no memslot. */
		rb_erase(&slot->by_gfn, &vm->mem.by_gfn);
		change_end(vm);
		zap_slot(vm, slot, NPT_ZAP_SLOT);
		npt_write_lock(&vm->mmu.lock);
		slot->base_gfn = base_gfn;
		insert_by_gfn(&vm->mem, slot);
	}
	slot->flags = r->flags;
	slot->dirty = dirty;
	change_end(vm);
	if (!move && log && !(vm->mem.manual & KVM_DIRTY_LOG_INITIALLY_SET))
		protect_slot(vm, slot);
	if (!move && !log)
		npt_slot_grow(vm, slot);
	kvfree(unused);
	return 0;
}

static int check_region(const struct npt_vm *vm, const struct kvm_userspace_memory_region *r)
{
	u64 end;

	if (r->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return -EINVAL;
	/* The upper half of the number is an address space: there is one. */
	if (r->slot >= NPT_MAX_SLOTS)
		return -EINVAL;
	if (!PAGE_ALIGNED(r->memory_size) || !PAGE_ALIGNED(r->guest_phys_addr) ||
	    !PAGE_ALIGNED(r->userspace_addr))
		return -EINVAL;
	if (r->memory_size >> PAGE_SHIFT > NPT_MAX_SLOT_PAGES)
		return -EINVAL;
	if (check_add_overflow(r->guest_phys_addr, r->memory_size, &end) ||
	    (end && (end - 1) >> vm->mmu.gpa_bits))
		return -EINVAL;
	/*
	 * access_ok() lets addresses through that carry a tag (LAM, SDM vol. 1, 4.4).
	 * The host's invalidations name the address without: no fill would be undone.
	 */
	if (r->userspace_addr >= TASK_SIZE_MAX ||
	    !access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	return 0;
}

int npt_memory_set_region(struct npt_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct npt_memory *mem = &vm->mem;
	struct npt_slot *slot;
	int err;

	err = check_region(vm, r);
	if (err)
		return err;
	if (mutex_lock_killable(&mem->lock))
		return -EINTR;
	slot = xa_load(&mem->by_id, r->slot);
	if (!r->memory_size)
		err = slot ? slot_delete(vm, slot) : -EINVAL;
	else if (!slot)
		err = slot_create(vm, r);
	else
		err = slot_change(vm, slot, r);
	mutex_unlock(&mem->lock);
	return err;
}
