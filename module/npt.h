/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two objects of the module, VM and vCPU, and what its files share.
 * Documentation/locking.rst has the order of the locks named here.
 */
#ifndef NPT_H
#define NPT_H

#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>
#include <linux/npt.h>
#include "engine/engine.h"
#include "engine/x86/x86.h"
#include "memory/memory.h"
#include "mmu/mmu.h"

/* A VM: lives as long as its file descriptors, and whoever npt_vm_get() served. */
struct npt_vm {
	struct npt_mmu mmu;	/* mmu.lock */
	struct npt_memory mem;	/* see memory/memory.h */

	/* const once the VM is published */
	const struct npt_engine_ops *engine;
	struct mm_struct *mm;	/* of the creator, whose memory is the guest's; grabbed */
	u32 id;			/* from 1 on */
	u32 flags;		/* NPT_VM_* */
	u32 max_vcpus;
	char name[NPT_NAME_LEN];
	kuid_t owner;		/* effective uid of the creator */
	pid_t pid;		/* of the creator, in the first pid namespace */
	char comm[TASK_COMM_LEN];	/* of the creator */

	refcount_t users;	/* the VM's file, each vCPU's file, each npt_vm_get() */
	struct mutex lock;	/* vCPUs come, TLB model changes */
	struct npt_tlb_model tlb;	/* lock */
	u32 nr_vcpus;		/* lock to change it; vCPUs only ever come */
	struct xarray vcpus;	/* by id; lock to change it: vCPUs live as long as the VM */
	unsigned long told_dead;	/* bit 0: the world has been told that the VM is dead */
	void *engine_data;	/* the engine's own */
	struct npt_x86_vm x86;	/* see there */
};

/* A vCPU: lives as long as its VM. */
struct npt_vcpu {
	/*
	 * Under cpu_lock, but for what mmu.h says of mmu->lock. An ioctl that
	 * drives the vCPU holds mutex from end to end and cpu_lock in slices,
	 * so that a look from outside (netlink's explain) waits for a slice
	 * and never for a batch.
	 */
	struct npt_cpu cpu;
	struct mutex cpu_lock;	/* see above */
	atomic_t lookers;	/* who wait for cpu_lock to look from outside */

	struct npt_vm *vm;	/* const */
	u32 id;			/* const */
	struct mutex mutex;	/* one ioctl at a time */
	struct kvm_run *run;	/* a page shared with user space: read each field once */
	u8 *pio;		/* the next page of it: data of port I/O */
	struct kvm_regs regs;	/* mutex */
	struct kvm_sregs sregs;	/* mutex; paging registers are cpu.regs's */
	struct npt_x86 x86;	/* see there */
	void *engine_data;	/* mutex; the engine's own */
};

/* --- vm.c --------------------------------------------------------------- */

struct npt_call;

/*
 * Make a VM, its file and its fd: the fd or an error. With @call (NPT_CREATE_VM)
 * user space is told the id before the fd exists.
 */
long npt_vm_create(struct npt_create_vm *c, struct npt_call *call);

/* Look a VM up by id and hold it; NULL if there is none. */
struct npt_vm *npt_vm_get(u32 id);
/* Hold the first VM with an id of *id or more and set *id to it; NULL if there is none. */
struct npt_vm *npt_vm_next(u32 *id);
void npt_vm_put(struct npt_vm *vm);
/* Grows whenever a VM or a vCPU comes or goes, never 0: lets dumps flag inconsistency. */
u32 npt_vm_generation(void);
void npt_vm_generation_grow(void);

/* Fill in NPT_VM_INFO. */
void npt_vm_info(struct npt_vm *vm, struct npt_vm_info *info);

static inline struct npt_vm *npt_mmu_vm(struct npt_mmu *mmu)
{
	return container_of(mmu, struct npt_vm, mmu);
}

static inline bool npt_vm_dead(const struct npt_vm *vm)
{
	return READ_ONCE(vm->mmu.dead);
}

/* --- vcpu.c ------------------------------------------------------------- */

/* KVM_CREATE_VCPU: the fd or an error. */
long npt_vcpu_create(struct npt_vm *vm, unsigned long id);
/* The VM is going: its vCPUs too. */
void npt_vcpu_destroy(struct npt_vcpu *vcpu);

/* A vCPU by id, NULL if there is none. It lives as long as the caller holds the VM. */
struct npt_vcpu *npt_vcpu_get(struct npt_vm *vm, u32 id);
/* The first vCPU with an id of *id or more, *id set to it; NULL if there is none. */
struct npt_vcpu *npt_vcpu_next(struct npt_vm *vm, u32 *id);

/*
 * Make regs, sregs, cpu.regs and x86 true, wherever the engine keeps them while
 * it runs the vCPU. Its own thread, under mutex. Who changes a part afterwards
 * sets its bit in x86.dirty.
 */
static inline void npt_vcpu_pull(struct npt_vcpu *vcpu)
{
	if (vcpu->x86.in_engine)
		vcpu->vm->engine->pull(vcpu);
}

/*
 * Have the vCPU leave the guest, or wake from HLT, and look at x86.requests.
 * Any context. Does not wait.
 */
void npt_vcpu_kick(struct npt_vcpu *vcpu);
static inline void npt_vcpu_request(struct npt_vcpu *vcpu, enum npt_request request)
{
	set_bit(request, &vcpu->x86.requests);
	npt_vcpu_kick(vcpu);
}

/* Registers as after RESET, or as after INIT (SDM vol. 3A, 10.1.1). Under mutex and cpu_lock. */
int npt_vcpu_reset(struct npt_vcpu *vcpu, bool init);

/*
 * Explain a translation of a vCPU that may be running, without
 * NPT_EXPLAIN_FILL. @e->count is the room in @ent, at most NPT_WALK_MAX. Host
 * addresses are in the clear: see npt_explain_censor(). Waits for a slice of
 * a batch, but never for long. -EBUSY, -EINTR, -EINVAL, -EIO.
 */
int npt_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *e,
		     struct npt_walk_entry *ent);
/* Zero what only CAP_SYS_ADMIN may see. */
void npt_explain_censor(struct npt_explain *e, struct npt_walk_entry *ent, u32 n);
/* npt_table_dump() of a vCPU that may be running; waits as npt_vcpu_explain() does. */
int npt_vcpu_table_dump(struct npt_vcpu *vcpu, u32 dim, u64 *cursor,
			struct npt_table_range *out, u32 max, u32 *n, bool *done);

/* --- tlbs.c ------------------------------------------------------------- */

/* NPT_FLUSH on a vCPU, and on all of a VM's. -EINVAL. */
int npt_vcpu_flush(struct npt_vcpu *vcpu, const struct npt_flush *f);
int npt_vm_flush(struct npt_vm *vm, const struct npt_flush *f);
/*
 * NPT_SET_TLB. -EINVAL, -EOPNOTSUPP, -ENOMEM: nothing has changed. -EINTR, the
 * process dies: some vCPUs may have the new model.
 */
int npt_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model);

/* --- stats.c ------------------------------------------------------------ */

/* One counter of the catalogue. */
struct npt_counter_desc {
	const char *name;
	const char *scope;	/* "vcpu" or "vm" */
	const char *type;	/* "counter" or "gauge" */
	const char *unit;
	const char *text;
	bool vm;		/* scope is "vm" */
};

extern const struct npt_counter_desc npt_catalogue[NPT_CTR_NR];

/*
 * Read the counters: of one vCPU (scope vm: 0), of a VM (vCPUs summed). Takes
 * no lock that a running vCPU holds for long; an idle vCPU first obeys the
 * flushes that wait for it, so that what it shows is at rest. May sleep.
 */
void npt_stats_vcpu(struct npt_vcpu *vcpu, u64 *out);
void npt_stats_vm(struct npt_vm *vm, u64 *out);
/* NPT_STATS with @values of that object. */
int npt_stats_copy(struct npt_stats *s, const u64 *values);

/* --- params.c ----------------------------------------------------------- */

/* The module's parameters, as they stand now. */
u32 npt_param_engine(void);		/* enum npt_engine, never NPT_ENGINE_DEFAULT */
u32 npt_param_mmu(void);		/* enum npt_mmu_mode, never NPT_MMU_DEFAULT */
u32 npt_param_table_pages(void);
const char *npt_mmu_mode_name(u32 mode);

/* --- caps.c ------------------------------------------------------------- */

/* KVM_CHECK_EXTENSION: on @vm, or NULL: on a VM made with the module's defaults. */
long npt_check_extension(const struct npt_vm *vm, unsigned long cap);
/* KVM_ENABLE_CAP on a VM. */
long npt_vm_enable_cap(struct npt_call *call);
/* NPT_GET_CAPS. */
void npt_get_caps(struct npt_caps *caps);

#endif /* NPT_H */
