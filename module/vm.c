// SPDX-License-Identifier: GPL-2.0
/* VMs: how they come, what is asked of them, how they go. */
#include <linux/anon_inodes.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "engine/x86/msr.h"
#include "ioctl.h"
#include "limits.h"
#include "netlink.h"
#include "npt.h"
#include "tlb/tlb.h"
#include "trace.h"
#include "engine/x86/irq.h"

/*
 * All VMs by id. A VM is in here from its publication until its last user has
 * gone; who looks one up takes a reference under the array's lock, under
 * which it is erased too.
 */
static DEFINE_XARRAY_ALLOC1(vms);
static u32 next_id = 1;			/* vms' lock */
static atomic_t nr_vms = ATOMIC_INIT(0);
static atomic_t generation = ATOMIC_INIT(1);

u32 npt_vm_generation(void)
{
	return (u32)atomic_read(&generation) ?: 1;
}

void npt_vm_generation_grow(void)
{
	atomic_inc(&generation);
}

struct npt_vm *npt_vm_get(u32 id)
{
	struct npt_vm *vm;

	xa_lock(&vms);
	vm = xa_load(&vms, id);
	if (vm && !refcount_inc_not_zero(&vm->users))
		vm = NULL;
	xa_unlock(&vms);
	return vm;
}

struct npt_vm *npt_vm_next(u32 *id)
{
	unsigned long at = *id;
	struct npt_vm *vm;

	xa_lock(&vms);
	for (vm = xa_find(&vms, &at, U32_MAX, XA_PRESENT); vm;
	     vm = xa_find_after(&vms, &at, U32_MAX, XA_PRESENT))
		if (refcount_inc_not_zero(&vm->users))
			break;
	xa_unlock(&vms);
	if (vm)
		*id = at;
	return vm;
}

/* What vm_alloc() made, for a VM that nobody can find (any more). */
static void vm_free(struct npt_vm *vm)
{
	struct npt_vcpu *vcpu;
	unsigned long id;

	npt_watch_detach(vm);
	xa_for_each(&vm->vcpus, id, vcpu)
		npt_vcpu_destroy(vcpu);
	xa_destroy(&vm->vcpus);
	npt_irq_destroy(vm);
	npt_mmu_destroy(&vm->mmu);
	npt_memory_destroy(&vm->mem);
	vm->engine->vm_destroy(vm);
	mmdrop(vm->mm);
	mutex_destroy(&vm->lock);
	kfree(vm);
}

static void vm_destroy(struct npt_vm *vm)
{
	struct npt_vcpu *vcpu;
	unsigned long id;

	xa_for_each(&vm->vcpus, id, vcpu) {
		trace_npt_vcpu(vm->id, vcpu->id, false);
		npt_nl_vcpu_event(NPT_CMD_VCPU_DEL_NTF, vm, vcpu->id);
	}
	xa_erase(&vms, vm->id);
	npt_vm_generation_grow();
	trace_npt_vm(vm->id, vm->name, false);
	npt_nl_vm_event(NPT_CMD_VM_DEL_NTF, vm, NULL);
	vm_free(vm);
	atomic_dec(&nr_vms);
}

void npt_vm_put(struct npt_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_destroy(vm);
}

/* --- creation ----------------------------------------------------------- */

static int check_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < NPT_NAME_LEN; i++) {
		if (!name[i])
			return 0;
		if (!isascii(name[i]) || !isprint(name[i]))
			return -EINVAL;
	}
	return -EINVAL;
}

static int copy_model(u64 from, struct npt_tlb_model *model)
{
	long size;

	*model = (struct npt_tlb_model) { .size = sizeof(*model) };
	if (!from)
		return 0;
	size = npt_copy_sized(model, sizeof(*model), offsetofend(struct npt_tlb_model, cost),
			      u64_to_user_ptr(from));
	if (size < 0)
		return size;
	model->size = sizeof(*model);
	return npt_tlb_model_check(model, NULL);
}

/* Put defaults where nothing was chosen, refuse what can't be. */
static int choose(struct npt_create_vm *c, struct npt_vm *vm, struct npt_mmu_config *cfg)
{
	u32 all_pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G;
	u32 leaf_pages = c->leaf_pages ?: all_pages;

	if ((c->flags & ~NPT_VM_NO_UNSYNC) || memchr_inv(c->__reserved, 0, sizeof(c->__reserved)))
		return -EINVAL;
	if (check_name((const char *)c->name))
		return -EINVAL;
	if (c->mmu > NPT_MMU_NESTED || c->nested_format > NPT_NESTED_EPT)
		return -EINVAL;
	if (c->nested_levels && c->nested_levels != 4 && c->nested_levels != 5)
		return -EINVAL;
	if ((leaf_pages & ~all_pages) || !(leaf_pages & NPT_PAGE_4K))
		return -EINVAL;
	if (c->max_vcpus > NPT_MAX_VCPUS)
		return -EINVAL;
	if (c->max_table_pages && (c->max_table_pages < NPT_MIN_TABLE_PAGES ||
				   c->max_table_pages > NPT_LIMIT_TABLE_PAGES))
		return -EINVAL;
	vm->engine = npt_engine_pick(c->engine == NPT_ENGINE_DEFAULT ?
				     npt_param_engine() : c->engine, NULL);
	if (IS_ERR(vm->engine))
		return PTR_ERR(vm->engine);

	vm->flags = c->flags;
	vm->max_vcpus = c->max_vcpus ?: NPT_MAX_VCPUS;
	*cfg = (struct npt_mmu_config) {
		.mode = c->mmu ?: npt_param_mmu(),
		.nested_format = c->nested_format ?: vm->engine->nested_format,
		.nested_levels = c->nested_levels ?: vm->engine->nested_levels(),
		.leaf_pages = leaf_pages,
		.max_table_pages = c->max_table_pages ?: npt_param_table_pages(),
		.prefetch = vm->engine->prefetch,
		.unsync = !(c->flags & NPT_VM_NO_UNSYNC),
	};
	return copy_model(c->tlb, &vm->tlb);
}

/* A whole VM that nobody can find yet, without an id. */
static struct npt_vm *vm_alloc(struct npt_create_vm *c)
{
	struct npt_mmu_config cfg;
	struct npt_vm *vm;
	int err;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	err = choose(c, vm, &cfg);
	if (err)
		goto free;
	err = npt_mmu_init(&vm->mmu, &cfg, &npt_memory_host);
	if (err)
		goto free;
	err = vm->engine->vm_init(vm);
	if (err)
		goto mmu_destroy;

	npt_memory_init(&vm->mem);
	mutex_init(&vm->lock);
	xa_init(&vm->vcpus);
	refcount_set(&vm->users, 1);
	vm->owner = current_euid();
	vm->pid = task_tgid_nr(current);
	get_task_comm(vm->comm, current->group_leader);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	npt_tsc_start(vm);
	err = npt_watch_attach(vm);
	if (err)
		goto mm_drop;
	return vm;

mm_drop:
	mmdrop(vm->mm);
	npt_memory_destroy(&vm->mem);
	vm->engine->vm_destroy(vm);
mmu_destroy:
	npt_mmu_destroy(&vm->mmu);
free:
	kfree(vm);
	return ERR_PTR(err);
}

/* Keep an id for @vm; nobody finds it there until it is published. */
static int take_id(struct npt_vm *vm)
{
	int err;

	if (atomic_inc_return(&nr_vms) > NPT_MAX_VMS) {
		atomic_dec(&nr_vms);
		return -ENOSPC;
	}
	/* Cyclic, so that an id in somebody's notes soon means nobody rather than another VM. */
	err = xa_alloc_cyclic(&vms, &vm->id, NULL, XA_LIMIT(1, INT_MAX), &next_id,
			      GFP_KERNEL_ACCOUNT);
	if (err < 0) {
		atomic_dec(&nr_vms);
		return err;
	}
	return 0;
}

static void give_id_back(struct npt_vm *vm)
{
	xa_release(&vms, vm->id);
	atomic_dec(&nr_vms);
}

static const struct file_operations vm_fops;

static void publish(struct npt_vm *vm)
{
	/* The id is kept: there is memory for the entry. */
	xa_store(&vms, vm->id, vm, GFP_KERNEL_ACCOUNT);
	npt_vm_generation_grow();
	trace_npt_vm(vm->id, vm->name, true);
	npt_nl_vm_event(NPT_CMD_VM_NEW_NTF, vm, NULL);
}

long npt_vm_create(struct npt_create_vm *c, struct npt_call *call)
{
	struct npt_vm *vm;
	struct file *file;
	int fd, err;

	vm = vm_alloc(c);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	err = take_id(vm);
	if (err)
		goto free;
	memcpy(vm->name, c->name, sizeof(vm->name));
	if (!vm->name[0])
		snprintf(vm->name, sizeof(vm->name), "vm%u", vm->id);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto give_id_back;
	}
	c->id = vm->id;
	if (call && npt_call_reply(call)) {
		err = -EFAULT;
		goto put_fd;
	}
	file = anon_inode_getfile("npt-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put_fd;
	}
	publish(vm);
	fd_install(fd, file);
	return fd;

put_fd:
	put_unused_fd(fd);
give_id_back:
	give_id_back(vm);
free:
	vm_free(vm);
	return err;
}

/* --- calls -------------------------------------------------------------- */

static long vm_check_extension(struct npt_call *call)
{
	return npt_check_extension(call->obj, call->val);
}

static long vm_set_region(struct npt_call *call)
{
	return npt_memory_set_region(call->obj, &call->arg.region);
}

static long vm_get_dirty_log(struct npt_call *call)
{
	return npt_dirty_get(call->obj, &call->arg.dirty_log);
}

static long vm_clear_dirty_log(struct npt_call *call)
{
	return npt_dirty_clear(call->obj, &call->arg.clear_dirty_log);
}

static long vm_create_vcpu(struct npt_call *call)
{
	return npt_vcpu_create(call->obj, call->val);
}

/* KVM's smallest. */
#define MIN_MMU_PAGES 64

/* A hint to KVM. Here max_table_pages bounds the tables of all kinds, from the first on. */
static long vm_set_nr_mmu_pages(struct npt_call *call)
{
	struct npt_vm *vm = call->obj;

	if (call->val < MIN_MMU_PAGES || call->val > INT_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->x86.nr_mmu_pages, call->val);
	return 0;
}

static long vm_get_nr_mmu_pages(struct npt_call *call)
{
	struct npt_vm *vm = call->obj;

	return READ_ONCE(vm->x86.nr_mmu_pages) ?: vm->mmu.cfg.max_table_pages;
}

void npt_vm_info(struct npt_vm *vm, struct npt_vm_info *info)
{
	const struct npt_mmu_config *cfg = &vm->mmu.cfg;

	*info = (struct npt_vm_info) {
		.size = info->size,
		.flags = vm->flags,
		.id = vm->id,
		.engine = vm->engine->id,
		.mmu = cfg->mode,
		.nested_format = cfg->nested_format,
		.nested_levels = cfg->nested_levels,
		.leaf_pages = cfg->leaf_pages,
		.max_vcpus = vm->max_vcpus,
		.max_table_pages = cfg->max_table_pages,
		.vcpus = READ_ONCE(vm->nr_vcpus),
		.slots = READ_ONCE(vm->mmu.ctr[NPT_CTR_slots]),
	};
	memcpy(info->name, vm->name, sizeof(info->name));
}

static long vm_info(struct npt_call *call)
{
	struct npt_vm_info *info = &call->arg.vm_info;

	if (memchr_inv(info->__reserved, 0, sizeof(info->__reserved)))
		return -EINVAL;
	npt_vm_info(call->obj, info);
	return 0;
}

static long vm_get_tlb(struct npt_call *call)
{
	struct npt_vm *vm = call->obj;
	u32 size = call->arg.tlb.size;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	call->arg.tlb = vm->tlb;
	mutex_unlock(&vm->lock);
	call->arg.tlb.size = size;
	return 0;
}

static long vm_set_tlb(struct npt_call *call)
{
	call->arg.tlb.size = sizeof(call->arg.tlb);
	return npt_vm_set_tlb(call->obj, &call->arg.tlb);
}

static long vm_flush(struct npt_call *call)
{
	return npt_vm_flush(call->obj, &call->arg.flush);
}

static long vm_stats(struct npt_call *call)
{
	u64 values[NPT_CTR_NR];

	npt_stats_vm(call->obj, values);
	return npt_stats_copy(&call->arg.stats, values);
}

static const struct npt_ioctl vm_ioctls[] = {
	NPT_CALL_VALUE(KVM_CHECK_EXTENSION, vm_check_extension),
	NPT_CALL_KVM(KVM_ENABLE_CAP, npt_vm_enable_cap),
	NPT_CALL_VALUE(KVM_CREATE_VCPU, vm_create_vcpu),
	NPT_CALL_VALUE(KVM_SET_NR_MMU_PAGES, vm_set_nr_mmu_pages),
	NPT_CALL_VALUE(KVM_GET_NR_MMU_PAGES, vm_get_nr_mmu_pages),
	NPT_CALL_VALUE(KVM_GET_TSC_KHZ, npt_get_tsc_khz),
	NPT_CALL_VALUE(KVM_SET_TSC_KHZ, npt_set_tsc_khz),
	NPT_CALL_KVM(KVM_SET_USER_MEMORY_REGION, vm_set_region),
	NPT_CALL_KVM(KVM_GET_DIRTY_LOG, vm_get_dirty_log),
	NPT_CALL_KVM(KVM_CLEAR_DIRTY_LOG, vm_clear_dirty_log),
	NPT_CALL_VALUE(KVM_CREATE_IRQCHIP, npt_vm_create_irqchip),
	NPT_CALL_KVM(KVM_GET_IRQCHIP, npt_vm_irqchip_state),
	NPT_CALL_KVM(KVM_SET_IRQCHIP, npt_vm_irqchip_state),
	NPT_CALL_KVM(KVM_IRQ_LINE, npt_vm_irq_line),
	NPT_CALL_KVM(KVM_IRQ_LINE_STATUS, npt_vm_irq_line_status),
	NPT_CALL_KVM(KVM_SIGNAL_MSI, npt_vm_signal_msi),
	NPT_CALL_KVM(KVM_SET_GSI_ROUTING, npt_vm_set_routing),
	NPT_CALL_VALUE(KVM_SET_TSS_ADDR, npt_vm_set_tss_addr),
	NPT_CALL_KVM(KVM_SET_IDENTITY_MAP_ADDR, npt_vm_set_identity_map),
	NPT_CALL_VALUE(KVM_SET_BOOT_CPU_ID, npt_vm_set_boot_cpu),
	NPT_CALL_OWN(NPT_VM_INFO, struct npt_vm_info, __reserved, vm_info, NPT_IOCTL_OUT),
	NPT_CALL_OWN(NPT_GET_TLB, struct npt_tlb_model, cost, vm_get_tlb, NPT_IOCTL_OUT),
	NPT_CALL_OWN(NPT_SET_TLB, struct npt_tlb_model, cost, vm_set_tlb, 0),
	NPT_CALL_OWN(NPT_FLUSH, struct npt_flush, gva, vm_flush, 0),
	NPT_CALL_OWN(NPT_STATS, struct npt_stats, values, vm_stats, NPT_IOCTL_OUT),
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct npt_ioctl *ioctl = npt_ioctl_find(vm_ioctls, ARRAY_SIZE(vm_ioctls), cmd);
	struct npt_vm *vm = file->private_data;

	if (!ioctl)
		return -ENOTTY;
	if (vm->mm != current->mm || npt_vm_dead(vm))
		return -EIO;
	return npt_ioctl_call(ioctl, vm, arg);
}

static int vm_release(struct inode *inode, struct file *file)
{
	npt_vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
