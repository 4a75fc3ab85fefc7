/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: memslots, the pages behind them, the host's notifier, the
 * dirty log.
 *
 * The set of memslots is changed under mem->lock, and at the moment of change
 * under mmu->lock for writing too. Whoever holds either lock may look slots
 * up: there is no RCU and no grace period, because a page is only entered
 * into tables under mmu->lock after ->stale has compared sequence numbers,
 * and a change of slots grows the number as an invalidation by the host does.
 */
#ifndef NPT_MEMORY_H
#define NPT_MEMORY_H

#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <linux/npt.h>

struct mm_struct;
struct npt_mmu;
struct npt_mmu_host;
struct npt_pfn;
struct npt_vm;
struct npt_watch;

/* One memslot. Fields: mem->lock and mmu->lock for writing to change. */
struct npt_slot {
	struct rb_node by_gfn;			/* mem->by_gfn; slots don't overlap */
	struct interval_tree_node by_hva;	/* mem->by_hva; here they may */
	u64 base_gfn;
	u64 npages;
	u32 id;			/* KVM's number of the slot */
	u32 flags;		/* KVM_MEM_* */
	u64 number;		/* grows from slot to slot; const */
	unsigned long *dirty;	/* a bit per page, NULL if not logged; bits: mmu->lock */
};

/* A VM's memory. */
struct npt_memory {
	struct mutex lock;	/* changes of slots, reading of dirty logs */
	struct xarray by_id;	/* lock */
	struct rb_root by_gfn;	/* see the head of this file */
	struct rb_root_cached by_hva;	/* likewise */
	u64 seq;		/* mmu->lock; grows with each change of slots */
	u64 slots_made;		/* lock */
	u64 manual;		/* lock; KVM_DIRTY_LOG_*: reading a log changes nothing */
	struct npt_watch *watch;	/* the notifier of the creator's memory; const */
	struct list_head in_watch;	/* watch's list of VMs; its lock */
	bool released;		/* the creator has gone, and every page with it; likewise */
	bool leaving;		/* about to leave the list, once nobody pins it; likewise */
	atomic_t pins;		/* callbacks that let go of the list's lock meanwhile */
};

/* The address that a slot's first page has in the creator. */
static inline unsigned long npt_slot_hva(const struct npt_slot *slot)
{
	return slot->by_hva.start;
}

/* --- memslot.c ---------------------------------------------------------- */

void npt_memory_init(struct npt_memory *mem);
void npt_memory_destroy(struct npt_memory *mem);
/* KVM_SET_USER_MEMORY_REGION. -EINVAL, -EEXIST, -ENOMEM, -EINTR. */
int npt_memory_set_region(struct npt_vm *vm, const struct kvm_userspace_memory_region *r);
/* The slot of @gfn or NULL; see the head of this file for the lock. */
struct npt_slot *npt_slot_find(struct npt_memory *mem, u64 gfn);

/* --- hostmap.c ---------------------------------------------------------- */

/* The core's view of the host, for every VM. */
extern const struct npt_mmu_host npt_memory_host;

/* The log of @slot is off: let leaves be large again where that is of use. */
void npt_slot_grow(struct npt_vm *vm, const struct npt_slot *slot);

/* --- notifier.c --------------------------------------------------------- */

/* Watch the present memory of the creator for @vm: 0 or an error. Waits for no grace period. */
int npt_watch_attach(struct npt_vm *vm);
void npt_watch_detach(struct npt_vm *vm);
/* Module exit: wait until the kernel calls nothing here any more. */
void npt_watch_exit(void);

/* Under mmu->lock: number that grows with each invalidation or change of slots. */
u64 npt_watch_seq(struct npt_vm *vm);
/* Under mmu->lock: may what was found at @seq for [start, end) (hvas) not be used? */
bool npt_watch_stale(struct npt_vm *vm, u64 seq, unsigned long start, unsigned long end);
/* Under mmu->lock: is an invalidation of some of [start, end) (hvas) under way? */
bool npt_watch_busy(struct npt_vm *vm, unsigned long start, unsigned long end);

/* --- dirty.c ------------------------------------------------------------ */

/* Under mmu->lock: the guest may write @gfn. */
void npt_dirty_mark(struct npt_mmu *mmu, u64 gfn);
/* KVM_GET_DIRTY_LOG. -EINVAL, -ENOENT, -ENOMEM, -EFAULT (nothing is forgotten then), -EINTR. */
int npt_dirty_get(struct npt_vm *vm, const struct kvm_dirty_log *log);
/* KVM_CLEAR_DIRTY_LOG. -EINVAL, -ENOENT, -ENOMEM, -EFAULT, -EINTR: nothing is cleared then. */
int npt_dirty_clear(struct npt_vm *vm, const struct kvm_clear_dirty_log *log);
/* KVM_ENABLE_CAP of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. -EINVAL, -EINTR. */
int npt_dirty_set_manual(struct npt_vm *vm, const struct kvm_enable_cap *cap);

#endif /* NPT_MEMORY_H */
