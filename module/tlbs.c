// SPDX-License-Identifier: GPL-2.0
/* TLBs from outside: flushes that user space asks for, another model. */
#include <linux/slab.h>
#include "npt.h"
#include "tlb/tlb.h"

static int check_flush(const struct npt_flush *f)
{
	if (f->flags || f->scope > NPT_FLUSH_ADDRESS)
		return -EINVAL;
	if (f->pcid > (f->scope == NPT_FLUSH_TAG ? 4095 : 0))
		return -EINVAL;
	if (f->gva && f->scope != NPT_FLUSH_ADDRESS)
		return -EINVAL;
	return 0;
}

/* Left for the vCPU to obey, as it may be in the middle of a batch. */
static void flush(struct npt_vcpu *vcpu, const struct npt_flush *f)
{
	struct npt_pending_flush pending = {
		.scope = f->scope,
		.pcid = f->pcid,
		.gva = f->gva,
		.reason = NPT_FL_USER,
	};

	npt_cpu_flush_async(&vcpu->cpu, &pending);
}

int npt_vcpu_flush(struct npt_vcpu *vcpu, const struct npt_flush *f)
{
	int err = check_flush(f);

	if (!err)
		flush(vcpu, f);
	return err;
}

int npt_vm_flush(struct npt_vm *vm, const struct npt_flush *f)
{
	int err = check_flush(f);
	struct npt_vcpu *vcpu;
	unsigned long id;

	if (err)
		return err;
	xa_for_each(&vm->vcpus, id, vcpu)
		flush(vcpu, f);
	return 0;
}

/* Those that no vCPU has taken. */
static void free_tlbs(struct npt_vm *vm, struct npt_tlb **tlbs)
{
	u32 n;

	for (n = 0; n < vm->nr_vcpus; n++)
		npt_tlb_destroy(tlbs[n]);
	kvfree(tlbs);
}

/* A TLB for each vCPU, in the order of their ids. */
static struct npt_tlb **alloc_tlbs(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	struct npt_tlb **tlbs;
	struct npt_vcpu *vcpu;
	unsigned long id;
	u32 n = 0;

	tlbs = kvcalloc(max(vm->nr_vcpus, 1U), sizeof(struct npt_tlb *), GFP_KERNEL_ACCOUNT);
	if (!tlbs)
		return NULL;
	xa_for_each(&vm->vcpus, id, vcpu) {
		tlbs[n] = npt_tlb_create(model, vcpu->cpu.ctr);
		if (!tlbs[n++]) {
			free_tlbs(vm, tlbs);
			return NULL;
		}
	}
	return tlbs;
}

/*
 * A vCPU may wait for the host to bring a page in, for as long as user space
 * likes, and holds cpu_lock. Whoever waits for it here must be mortal; and holds
 * no other cpu_lock meanwhile, which the others' ioctls trust to be free soon.
 */
static int install_tlbs(struct npt_vm *vm, const struct npt_tlb_model *model,
			struct npt_tlb **tlbs)
{
	struct npt_vcpu *vcpu;
	unsigned long id;
	u32 n = 0;

	xa_for_each(&vm->vcpus, id, vcpu) {
		if (mutex_lock_killable(&vcpu->cpu_lock))
			return -EINTR;
		npt_cpu_install_model(&vcpu->cpu, model, tlbs[n]);
		mutex_unlock(&vcpu->cpu_lock);
		tlbs[n++] = NULL;
	}
	return 0;
}

/* Under vm->lock. */
static int change_tlbs(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	/* All of them first: from then on nothing but death comes between. */
	struct npt_tlb **tlbs = alloc_tlbs(vm, model);
	int err;

	if (!tlbs)
		return -ENOMEM;
	err = install_tlbs(vm, model, tlbs);
	if (!err)
		vm->tlb = *model;
	free_tlbs(vm, tlbs);
	return err;
}

int npt_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	int err;

	err = npt_tlb_model_check(model, NULL);
	if (err)
		return err;
	/* A processor has the TLBs that it has; INVLPG in a guest would flush no others. */
	if (vm->engine->hw)
		return npt_tlb_model_empty(model) ? 0 : -EOPNOTSUPP;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	err = change_tlbs(vm, model);
	mutex_unlock(&vm->lock);
	return err;
}
