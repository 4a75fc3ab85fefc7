// SPDX-License-Identifier: GPL-2.0
/* VMs: the calls that don't depend on the backend. */
#include <stdlib.h>

#include "libnpt_priv.h"

/* Turn options into the request, as the module would see it. */
static int vm_request(const struct npt_vm_options *opts, struct npt_create_vm *req,
		      struct npt_tlb_model *model)
{
	memset(req, 0, sizeof(*req));
	req->size = sizeof(*req);
	if (!opts)
		return 0;
	if (opts->name) {
		if (strlen(opts->name) >= NPT_NAME_LEN)
			return npt_set_error(-EINVAL, "VM name \"%s\": at most %d characters",
					     opts->name, NPT_NAME_LEN - 1);
		memcpy(req->name, opts->name, strlen(opts->name));
	}
	req->flags = opts->flags;
	req->engine = opts->engine;
	req->mmu = opts->mmu;
	req->nested_format = opts->nested_format;
	req->nested_levels = opts->nested_levels;
	req->leaf_pages = opts->leaf_pages;
	req->max_vcpus = opts->max_vcpus;
	req->max_table_pages = opts->max_table_pages;
	if (opts->tlb) {
		*model = *opts->tlb;
		model->size = sizeof(*model);
		req->tlb = (uintptr_t)model;
	}
	return 0;
}

int npt_vm_create(struct npt_device *dev, const struct npt_vm_options *opts,
		  struct npt_vm **out)
{
	struct npt_tlb_model model;
	struct npt_create_vm req;
	struct npt_vm *vm;
	int ret;

	ret = vm_request(opts, &req, &model);
	if (ret)
		return ret;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return npt_set_error(-ENOMEM, "no memory for a VM");
	vm->dev = dev;
	vm->fd = -1;
	ret = dev->be->vm_create(vm, &req);
	if (ret) {
		free(vm);
		return npt_set_errno(ret, "a VM can't be created");
	}
	dev->vms++;
	*out = vm;
	return 0;
}

void npt_vm_destroy(struct npt_vm *vm)
{
	struct npt_memory *mem, *next;

	if (!vm)
		return;
	/* the VM first: what the guest could still reach must not be unmapped under it */
	vm->dev->be->vm_destroy(vm);
	for (mem = vm->mem; mem; mem = next) {
		next = mem->next;
		vm->dev->be->mem_free(mem);
		free(mem);
	}
	vm->dev->vms--;
	free(vm);
}

int npt_vm_fd(const struct npt_vm *vm)
{
	return vm->fd;
}

uint32_t npt_vm_id(const struct npt_vm *vm)
{
	return vm->id;
}

struct npt_device *npt_vm_device(const struct npt_vm *vm)
{
	return vm->dev;
}

int npt_vm_info(struct npt_vm *vm, struct npt_vm_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return npt_set_errno(vm->dev->be->vm_info(vm, info), "VM information");
}

int npt_vm_get_tlb(struct npt_vm *vm, struct npt_tlb_model *model)
{
	memset(model, 0, sizeof(*model));
	model->size = sizeof(*model);
	return npt_set_errno(vm->dev->be->vm_get_tlb(vm, model), "TLB model");
}

int npt_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	struct npt_tlb_model copy = *model;

	copy.size = sizeof(copy);
	return npt_set_errno(vm->dev->be->vm_set_tlb(vm, &copy), "TLB model");
}

int npt_vm_flush(struct npt_vm *vm, uint32_t scope, uint32_t pcid, uint64_t gva)
{
	struct npt_flush flush = {
		.size = sizeof(flush), .scope = scope, .pcid = pcid, .gva = gva,
	};

	return npt_set_errno(vm->dev->be->vm_flush(vm, &flush), "TLB flush");
}

int npt_vm_stats(struct npt_vm *vm, uint64_t *values, uint32_t count)
{
	struct npt_stats stats = {
		.size = sizeof(stats), .count = count, .values = (uintptr_t)values,
	};

	memset(values, 0, count * sizeof(*values));
	return npt_set_errno(vm->dev->be->vm_stats(vm, &stats), "counters");
}
