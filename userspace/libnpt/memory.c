// SPDX-License-Identifier: GPL-2.0
/* Guest memory: what this process gives to a VM, found again by gpa. */
#include <stdlib.h>

#include "libnpt_priv.h"

#define MEMORY_FLAGS (NPT_MEMORY_READONLY | NPT_MEMORY_DIRTY_LOG | NPT_MEMORY_POPULATE)

static uint64_t memory_unit(uint32_t pages)
{
	switch (pages) {
	case NPT_MEMORY_HUGETLB_2M:
		return 1ULL << 21;
	case NPT_MEMORY_HUGETLB_1G:
		return 1ULL << 30;
	default:
		return 1ULL << 12;
	}
}

static int memory_check(const struct npt_memory_options *opts)
{
	uint64_t unit = memory_unit(opts->pages);

	if (opts->pages > NPT_MEMORY_HUGETLB_1G)
		return npt_set_error(-EINVAL, "memory: unknown kind of pages %u", opts->pages);
	if (opts->flags & ~MEMORY_FLAGS)
		return npt_set_error(-EINVAL, "memory: unknown flags 0x%x",
				     opts->flags & ~MEMORY_FLAGS);
	if (!opts->size || opts->size % unit || opts->gpa % unit)
		return npt_set_error(-EINVAL,
				     "memory: address 0x%llx and size 0x%llx must be multiples of 0x%llx, and the size not 0",
				     (unsigned long long)opts->gpa,
				     (unsigned long long)opts->size, (unsigned long long)unit);
	if (opts->gpa + opts->size < opts->gpa ||
	    opts->gpa + opts->size > 1ULL << NPT_GPA_BITS)
		return npt_set_error(-EINVAL, "memory: 0x%llx bytes at 0x%llx end above 2^%d",
				     (unsigned long long)opts->size,
				     (unsigned long long)opts->gpa, NPT_GPA_BITS);
	return 0;
}

/* Where in the list it belongs, NULL if it overlaps (or its slot is taken). */
static struct npt_memory **memory_place(struct npt_vm *vm, const struct npt_memory_options *opts)
{
	struct npt_memory **at = &vm->mem, **place = NULL, *m;

	for (; (m = *at); at = &m->next) {
		if (m->opts.slot == opts->slot)
			return NULL;
		if (m->opts.gpa < opts->gpa + opts->size &&
		    opts->gpa < m->opts.gpa + m->opts.size)
			return NULL;
		if (!place && m->opts.gpa > opts->gpa)
			place = at;
	}
	return place ? place : at;
}

int npt_memory_add(struct npt_vm *vm, const struct npt_memory_options *opts,
		   struct npt_memory **out)
{
	struct npt_memory **place, *mem;
	int ret = memory_check(opts);

	if (ret)
		return ret;
	place = memory_place(vm, opts);
	if (!place)
		return npt_set_error(-EEXIST, "memory: slot %u or its addresses are taken",
				     opts->slot);
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return npt_set_error(-ENOMEM, "no memory for a memslot");
	mem->vm = vm;
	mem->opts = *opts;
	ret = vm->dev->be->mem_alloc(mem);
	if (ret) {
		free(mem);
		return npt_set_errno(ret, "0x%llx bytes of guest memory",
				     (unsigned long long)opts->size);
	}
	mem->next = *place;
	*place = mem;
	ret = vm->dev->be->mem_slot(mem, opts->size);
	if (ret) {
		*place = mem->next;
		vm->dev->be->mem_free(mem);
		free(mem);
		return npt_set_errno(ret, "memslot %u", opts->slot);
	}
	if (out)
		*out = mem;
	return 0;
}

int npt_memory_remove(struct npt_memory *mem)
{
	struct npt_memory **at;
	struct npt_vm *vm;
	int ret;

	if (!mem)
		return 0;
	vm = mem->vm;
	ret = vm->dev->be->mem_slot(mem, 0);
	if (ret)
		return npt_set_errno(ret, "memslot %u", mem->opts.slot);
	for (at = &vm->mem; *at != mem; at = &(*at)->next)
		;
	*at = mem->next;
	vm->dev->be->mem_free(mem);
	free(mem);
	return 0;
}

struct npt_memory *npt_memory_find(const struct npt_vm *vm, uint64_t gpa, uint64_t len)
{
	struct npt_memory *m;

	for (m = vm->mem; m; m = m->next) {
		uint64_t offset = gpa - m->opts.gpa;

		if (gpa >= m->opts.gpa && offset < m->opts.size && len <= m->opts.size - offset)
			return m;
	}
	return NULL;
}

void *npt_memory_ptr(struct npt_vm *vm, uint64_t gpa, uint64_t len)
{
	struct npt_memory *m = npt_memory_find(vm, gpa, len);

	return m ? m->host + (gpa - m->opts.gpa) : NULL;
}

uint64_t npt_memory_huge_bytes(const struct npt_memory *mem)
{
	return mem->vm->dev->be->mem_huge(mem);
}
