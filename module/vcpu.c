// SPDX-License-Identifier: GPL-2.0
/* vCPUs: how they come, what is asked of them. */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "engine/x86/cpuid.h"
#include "engine/x86/emulate.h"
#include "engine/x86/fpu.h"
#include "engine/x86/msr.h"
#include "engine/x86/state.h"
#include "ioctl.h"
#include "limits.h"
#include "netlink.h"
#include "npt.h"
#include "trace.h"
#include "engine/x86/irq.h"
#include "engine/x86/lapic.h"

struct npt_vcpu *npt_vcpu_get(struct npt_vm *vm, u32 id)
{
	return xa_load(&vm->vcpus, id);
}

struct npt_vcpu *npt_vcpu_next(struct npt_vm *vm, u32 *id)
{
	unsigned long at = *id;
	struct npt_vcpu *vcpu;

	vcpu = xa_find(&vm->vcpus, &at, NPT_MAX_VCPUS - 1, XA_PRESENT);
	if (vcpu)
		*id = at;
	return vcpu;
}

/* --- coming and going --------------------------------------------------- */

static void set_segment(struct kvm_segment *s, u8 type, bool code_or_data)
{
	*s = (struct kvm_segment) {
		.limit = 0xffff,
		.type = type,
		.present = 1,
		.s = code_or_data,
	};
}

int npt_vcpu_reset(struct npt_vcpu *vcpu, bool init)
{
	struct npt_regs regs = { .cr0 = 0x60000010 };
	struct kvm_sregs *s = &vcpu->sregs;

	/* INIT leaves the caching bits as they are. */
	if (init)
		regs.cr0 = 0x10 | (vcpu->cpu.regs.cr0 & (NPT_CR0_CD | NPT_CR0_NW));
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.rip = 0xfff0;
	vcpu->regs.rflags = X86_EFLAGS_FIXED;
	vcpu->regs.rdx = npt_guest_signature(vcpu);

	set_segment(&s->cs, 0xb, true);
	s->cs.selector = 0xf000;
	s->cs.base = 0xffff0000;
	set_segment(&s->ds, 3, true);
	s->es = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	s->ss = s->ds;
	set_segment(&s->ldt, 2, false);
	set_segment(&s->tr, 0xb, false);
	s->cr2 = 0;
	s->cr8 = 0;
	s->gdt.base = 0;
	s->idt.base = 0;
	s->gdt.limit = 0xffff;
	s->idt.limit = 0xffff;
	/* INIT leaves that and the APIC's place. */
	if (!init)
		s->apic_base = 0xfee00800 | (npt_vcpu_is_bsp(vcpu) ? 0x100 : 0);
	vcpu->x86.exc = (struct npt_exception){ 0 };
	vcpu->x86.irq = (struct npt_interrupt){ 0 };
	vcpu->x86.nmi = (struct npt_nmi){ 0 };
	vcpu->x86.interrupt_shadow = false;
	vcpu->x86.debug = (struct npt_debug){ .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	if (!init)
		vcpu->x86.xcr0 = 1;
	npt_msr_reset(vcpu, init);
	vcpu->x86.dirty = NPT_X86_ALL;
	return npt_cpu_set_regs(&vcpu->cpu, &regs);
}

void npt_vcpu_kick(struct npt_vcpu *vcpu)
{
	/* A sleeper has set its state before it looked at the requests. */
	smp_mb();
	/* Nobody sleeps most of the time: then there is no lock to take. */
	if (waitqueue_active(&vcpu->x86.wq))
		wake_up(&vcpu->x86.wq);
	vcpu->vm->engine->kick_vcpu(vcpu);
}

/* Whoever still has a page mapped holds it. */
static void free_run(struct npt_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < NPT_RUN_PAGES; i++)
		free_page((unsigned long)vcpu->run + i * PAGE_SIZE);
}

static struct npt_vcpu *vcpu_alloc(struct npt_vm *vm, u32 id)
{
	struct npt_vcpu *vcpu;
	int err = -ENOMEM;

	vcpu = kvzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	mutex_init(&vcpu->mutex);
	mutex_init(&vcpu->cpu_lock);
	init_waitqueue_head(&vcpu->x86.wq);
	vcpu->run = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO,
					     get_order(NPT_RUN_PAGES * PAGE_SIZE));
	if (!vcpu->run)
		goto free;
	/* Single pages, each kept by whoever has it mapped. */
	split_page(virt_to_page(vcpu->run), get_order(NPT_RUN_PAGES * PAGE_SIZE));
	vcpu->pio = (u8 *)vcpu->run + PAGE_SIZE;
	err = npt_cpu_init(&vcpu->cpu, &vm->mmu, &vm->tlb);
	if (err)
		goto free_run;
	err = npt_vcpu_reset(vcpu, false);
	if (err)
		goto cpu_destroy;
	if (vm->x86.irqchip || vm->x86.split_irqchip) {
		err = npt_lapic_create(vcpu);
		if (err)
			goto cpu_destroy;
	}
	err = vm->engine->vcpu_init(vcpu);
	if (err)
		goto lapic_destroy;
	return vcpu;

lapic_destroy:
	npt_lapic_destroy(vcpu);
cpu_destroy:
	npt_cpu_destroy(&vcpu->cpu);
free_run:
	free_run(vcpu);
free:
	kvfree(vcpu);
	return ERR_PTR(err);
}

void npt_vcpu_destroy(struct npt_vcpu *vcpu)
{
	/* Its timer may kick the engine until then. */
	npt_lapic_destroy(vcpu);
	vcpu->vm->engine->vcpu_destroy(vcpu);
	npt_fpu_free(vcpu);
	npt_emulate_free(vcpu);
	kvfree(vcpu->x86.cpuid);
	npt_cpu_destroy(&vcpu->cpu);
	free_run(vcpu);
	mutex_destroy(&vcpu->cpu_lock);
	mutex_destroy(&vcpu->mutex);
	kvfree(vcpu);
}

static const struct file_operations vcpu_fops;

static void publish(struct npt_vcpu *vcpu)
{
	struct npt_vm *vm = vcpu->vm;

	/* The place is reserved: there is memory for the entry. */
	xa_store(&vm->vcpus, vcpu->id, vcpu, GFP_KERNEL_ACCOUNT);
	WRITE_ONCE(vm->nr_vcpus, vm->nr_vcpus + 1);
	npt_write_lock(&vm->mmu.lock);
	vm->mmu.ctr[NPT_CTR_vcpus]++;
	npt_write_unlock(&vm->mmu.lock);
	npt_vm_generation_grow();
	trace_npt_vcpu(vm->id, vcpu->id, true);
	npt_nl_vcpu_event(NPT_CMD_VCPU_NEW_NTF, vm, vcpu->id);
}

/* Under vm->lock. */
static long create_locked(struct npt_vm *vm, u32 id)
{
	struct npt_vcpu *vcpu;
	struct file *file;
	int fd, err;

	if (xa_load(&vm->vcpus, id))
		return -EEXIST;
	if (vm->nr_vcpus >= vm->max_vcpus ||
	    (vm->x86.max_vcpu_ids && id >= vm->x86.max_vcpu_ids))
		return -EINVAL;
	vcpu = vcpu_alloc(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	err = xa_reserve(&vm->vcpus, id, GFP_KERNEL_ACCOUNT);
	if (err)
		goto destroy;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto release;
	}
	/* The file's reference; the caller's keeps the VM meanwhile. */
	refcount_inc(&vm->users);
	file = anon_inode_getfile("npt-vcpu", &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put;
	}
	publish(vcpu);
	fd_install(fd, file);
	return fd;

put:
	npt_vm_put(vm);
	put_unused_fd(fd);
release:
	xa_release(&vm->vcpus, id);
destroy:
	npt_vcpu_destroy(vcpu);
	return err;
}

long npt_vcpu_create(struct npt_vm *vm, unsigned long id)
{
	long ret;

	if (id >= NPT_MAX_VCPUS)
		return -EINVAL;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = create_locked(vm, id);
	mutex_unlock(&vm->lock);
	return ret;
}

/* --- running ------------------------------------------------------------ */

/* TPR is where the local APIC is: if that is user space, it says before each run what CR8 is. */
static int load_cr8(struct npt_vcpu *vcpu)
{
	u64 cr8 = READ_ONCE(vcpu->run->cr8);

	if (vcpu->x86.lapic)
		return 0;
	if (cr8 > 15)
		return -EINVAL;
	if (cr8 != vcpu->sregs.cr8) {
		npt_vcpu_pull(vcpu);
		vcpu->sregs.cr8 = cr8;
		vcpu->x86.dirty |= NPT_X86_SREGS;
	}
	return 0;
}

static long vcpu_run(struct npt_call *call)
{
	struct npt_vcpu *vcpu = call->obj;

	int ret;

	if (call->val)
		return -EINVAL;
	ret = npt_sync_regs_load(vcpu);
	if (ret)
		return ret;
	ret = load_cr8(vcpu);
	if (ret)
		return ret;
	vcpu->x86.ran = vcpu->vm->engine->hw;
	npt_sigmask_enter(vcpu);
	ret = vcpu->vm->engine->run(vcpu);
	npt_sigmask_leave(vcpu);
	npt_sync_regs_store(vcpu);
	return ret;
}

/* --- translation -------------------------------------------------------- */

static long vcpu_translate(struct npt_call *call)
{
	struct kvm_translation *t = &call->arg.translation;
	struct npt_vcpu *vcpu = call->obj;
	bool writable = false, user = false;
	u64 gpa = 0;

	mutex_lock(&vcpu->cpu_lock);
	t->valid = npt_cpu_translate(&vcpu->cpu, t->linear_address, &gpa, &writable, &user);
	mutex_unlock(&vcpu->cpu_lock);
	/* KVM's answer to what is not mapped. */
	t->physical_address = t->valid ? gpa : ~0ULL;
	t->writeable = writable;
	t->usermode = user;
	return 0;
}

void npt_explain_censor(struct npt_explain *e, struct npt_walk_entry *ent, u32 n)
{
	u32 i;

	e->hpa = 0;
	for (i = 0; i < n; i++) {
		if (ent[i].dim == NPT_DIM_GUEST)
			continue;
		ent[i].address = 0;
		ent[i].value &= ~GENMASK_ULL(51, PAGE_SHIFT);
	}
}

static long explain(struct npt_vcpu *vcpu, struct npt_explain *e, struct npt_walk_entry *ent)
{
	u32 n, room = e->count;
	int err;

	e->count = NPT_WALK_MAX;
	mutex_lock(&vcpu->cpu_lock);
	err = npt_cpu_explain(&vcpu->cpu, e, ent);
	mutex_unlock(&vcpu->cpu_lock);
	if (err)
		return err;
	n = min(room, e->count);
	if (!capable(CAP_SYS_ADMIN))
		npt_explain_censor(e, ent, n);
	if (copy_to_user(u64_to_user_ptr(e->entries), ent, n * sizeof(*ent)))
		return -EFAULT;
	return 0;
}

static long vcpu_explain(struct npt_call *call)
{
	struct npt_explain *e = &call->arg.explain;
	struct npt_walk_entry *ent;
	long ret;

	if ((e->flags & ~NPT_EXPLAIN_FILL) ||
	    memchr_inv(e->__reserved, 0, sizeof(e->__reserved)))
		return -EINVAL;
	ent = kcalloc(NPT_WALK_MAX, sizeof(*ent), GFP_KERNEL_ACCOUNT);
	if (!ent)
		return -ENOMEM;
	ret = explain(call->obj, e, ent);
	kfree(ent);
	return ret;
}

/*
 * Take cpu_lock for a look from outside. A batch lets go of it between slices,
 * but a slice may wait for the host to bring a page in, for as long as user
 * space likes (userfaultfd), and who looks may hold what the machine needs.
 */
static int look_wait(struct npt_vcpu *vcpu)
{
	unsigned long end = jiffies + msecs_to_jiffies(NPT_LOOK_MS);

	while (!mutex_trylock(&vcpu->cpu_lock)) {
		if (signal_pending(current))
			return -EINTR;
		if (time_after(jiffies, end))
			return -EBUSY;
		/* One that runs on a processor comes out for it. */
		npt_vcpu_request(vcpu, NPT_REQ_LOOK);
		usleep_range(20, 100);
	}
	return 0;
}

static void look_gone(struct npt_vcpu *vcpu)
{
	if (atomic_dec_and_test(&vcpu->lookers))
		wake_up(&vcpu->x86.wq);
}

static int look_lock(struct npt_vcpu *vcpu)
{
	int err;

	atomic_inc(&vcpu->lookers);
	err = look_wait(vcpu);
	if (err)
		look_gone(vcpu);
	return err;
}

static void look_unlock(struct npt_vcpu *vcpu)
{
	mutex_unlock(&vcpu->cpu_lock);
	look_gone(vcpu);
}

int npt_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *e,
		     struct npt_walk_entry *ent)
{
	int err;

	if (e->flags || e->count > NPT_WALK_MAX)
		return -EINVAL;
	err = look_lock(vcpu);
	if (err)
		return err;
	err = -EIO;
	if (!npt_vm_dead(vcpu->vm))
		err = npt_cpu_explain(&vcpu->cpu, e, ent);
	look_unlock(vcpu);
	return err;
}

int npt_vcpu_table_dump(struct npt_vcpu *vcpu, u32 dim, u64 *cursor,
			struct npt_table_range *out, u32 max, u32 *n, bool *done)
{
	int err = look_lock(vcpu);

	if (err)
		return err;
	err = -EIO;
	if (!npt_vm_dead(vcpu->vm)) {
		*n = npt_table_dump(&vcpu->vm->mmu, &vcpu->cpu, dim, cursor, out, max, done);
		err = 0;
	}
	look_unlock(vcpu);
	return err;
}

/* --- the rest ----------------------------------------------------------- */

static long vcpu_batch(struct npt_call *call)
{
	struct npt_vcpu *vcpu = call->obj;
	long ret;

	ret = vcpu->vm->engine->batch(vcpu, &call->arg.batch);
	/* What was done was done, whatever the outcome. */
	if (npt_call_reply(call))
		return -EFAULT;
	return ret;
}

static long vcpu_flush(struct npt_call *call)
{
	return npt_vcpu_flush(call->obj, &call->arg.flush);
}

static long vcpu_stats(struct npt_call *call)
{
	u64 values[NPT_CTR_NR];
	unsigned int i;

	npt_stats_vcpu(call->obj, values);
	for (i = 0; i < NPT_CTR_NR; i++)
		if (npt_catalogue[i].vm)
			values[i] = 0;
	return npt_stats_copy(&call->arg.stats, values);
}

static const struct npt_ioctl vcpu_ioctls[] = {
	NPT_CALL_OWN(NPT_BATCH, struct npt_batch, __reserved, vcpu_batch, 0),
	NPT_CALL_VALUE(KVM_RUN, vcpu_run),
	NPT_CALL_KVM(KVM_GET_REGS, npt_vcpu_get_regs),
	NPT_CALL_KVM(KVM_SET_REGS, npt_vcpu_set_regs),
	NPT_CALL_KVM(KVM_GET_SREGS, npt_vcpu_get_sregs),
	NPT_CALL_KVM(KVM_SET_SREGS, npt_vcpu_set_sregs),
	NPT_CALL_KVM(KVM_GET_SREGS2, npt_vcpu_get_sregs2),
	NPT_CALL_KVM(KVM_SET_SREGS2, npt_vcpu_set_sregs2),
	NPT_CALL_KVM(KVM_GET_FPU, npt_vcpu_get_fpu),
	NPT_CALL_KVM(KVM_SET_FPU, npt_vcpu_set_fpu),
	NPT_CALL_KVM(KVM_GET_XSAVE, npt_vcpu_get_xsave),
	NPT_CALL_KVM(KVM_SET_XSAVE, npt_vcpu_set_xsave),
	NPT_CALL_KVM(KVM_GET_XSAVE2, npt_vcpu_get_xsave),
	NPT_CALL_KVM(KVM_GET_XCRS, npt_vcpu_get_xcrs),
	NPT_CALL_KVM(KVM_SET_XCRS, npt_vcpu_set_xcrs),
	NPT_CALL_KVM(KVM_GET_VCPU_EVENTS, npt_vcpu_get_events),
	NPT_CALL_KVM(KVM_SET_VCPU_EVENTS, npt_vcpu_set_events),
	NPT_CALL_KVM(KVM_GET_DEBUGREGS, npt_vcpu_get_debugregs),
	NPT_CALL_KVM(KVM_SET_DEBUGREGS, npt_vcpu_set_debugregs),
	NPT_CALL_KVM(KVM_SET_GUEST_DEBUG, npt_vcpu_set_guest_debug),
	NPT_CALL_VALUE(KVM_SET_CPUID2, npt_vcpu_set_cpuid2),
	NPT_CALL_VALUE(KVM_GET_CPUID2, npt_vcpu_get_cpuid2),
	NPT_CALL_VALUE(KVM_GET_MSRS, npt_vcpu_get_msrs),
	NPT_CALL_VALUE(KVM_SET_MSRS, npt_vcpu_set_msrs),
	NPT_CALL_VALUE(KVM_SET_SIGNAL_MASK, npt_vcpu_set_signal_mask),
	NPT_CALL_VALUE(KVM_GET_TSC_KHZ, npt_get_tsc_khz),
	NPT_CALL_VALUE(KVM_SET_TSC_KHZ, npt_set_tsc_khz),
	NPT_CALL_KVM(KVM_TRANSLATE, vcpu_translate),
	NPT_CALL_KVM(KVM_GET_MP_STATE, npt_vcpu_get_mp_state),
	NPT_CALL_KVM(KVM_SET_MP_STATE, npt_vcpu_set_mp_state),
	NPT_CALL_KVM(KVM_GET_LAPIC, npt_vcpu_get_lapic),
	NPT_CALL_KVM(KVM_SET_LAPIC, npt_vcpu_set_lapic),
	NPT_CALL_KVM(KVM_INTERRUPT, npt_vcpu_interrupt),
	NPT_CALL_VALUE(KVM_NMI, npt_vcpu_nmi),
	NPT_CALL_OWN(NPT_EXPLAIN, struct npt_explain, __reserved, vcpu_explain, NPT_IOCTL_OUT),
	NPT_CALL_OWN(NPT_FLUSH, struct npt_flush, gva, vcpu_flush, NPT_IOCTL_UNLOCKED),
	NPT_CALL_OWN(NPT_STATS, struct npt_stats, values, vcpu_stats,
		     NPT_IOCTL_UNLOCKED | NPT_IOCTL_OUT),
};

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct npt_ioctl *ioctl = npt_ioctl_find(vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls), cmd);
	struct npt_vcpu *vcpu = file->private_data;
	long ret;

	if (!ioctl)
		return -ENOTTY;
	if (vcpu->vm->mm != current->mm || npt_vm_dead(vcpu->vm))
		return -EIO;
	if (ioctl->flags & NPT_IOCTL_UNLOCKED)
		return npt_ioctl_call(ioctl, vcpu, arg);
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	/* All but KVM_RUN want to see the state, or change a part of it. */
	if (ioctl->fn != vcpu_run)
		npt_vcpu_pull(vcpu);
	ret = npt_ioctl_call(ioctl, vcpu, arg);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct npt_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= NPT_RUN_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page((u8 *)vcpu->run + vmf->pgoff * PAGE_SIZE);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff >= NPT_RUN_PAGES || vma_pages(vma) > NPT_RUN_PAGES - vma->vm_pgoff)
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct npt_vcpu *vcpu = file->private_data;

	npt_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};
