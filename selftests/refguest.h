/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest whose every translation is known: memory that this process sees too,
 * and the reference walker (host/ref_walk.c) over it.
 */
#ifndef NPT_SELFTESTS_REFGUEST_H
#define NPT_SELFTESTS_REFGUEST_H

#include <stdbool.h>
#include "host/ref_walk.h"
#include "utils.h"

#define GUEST_VCPUS 4

struct guest {
	struct ref_mem ref_mem;		/* first: guest_read() gets it */
	uint8_t *mem;
	size_t size;
	int vm;
	int vcpu[GUEST_VCPUS];
	unsigned int vcpus;
	struct ref_cpu cpu;		/* of all vCPUs alike */
};

static bool guest_read(const struct ref_mem *m, uint64_t gpa, unsigned int bytes,
		       uint64_t *value)
{
	const struct guest *g = (const struct guest *)m;

	if (gpa >= g->size || bytes > g->size - gpa)
		return false;
	*value = 0;
	memcpy(value, g->mem + gpa, bytes);
	return true;
}

/* A VM with @size bytes at 0 and @vcpus vCPUs. 0 or -errno. */
static inline int guest_make(struct guest *g, int dev, const struct npt_create_vm *args,
			     size_t size, unsigned int vcpus)
{
	struct npt_create_vm c = *args;
	int ret;

	memset(g, 0, sizeof(*g));
	g->ref_mem.read = guest_read;
	g->size = size;
	g->cpu.maxphy = args->nested_levels == 5 ? 52 : 48;
	c.nested_levels = args->nested_levels ?: 4;
	g->vm = call(dev, NPT_CREATE_VM, &c);
	if (g->vm < 0)
		return g->vm;
	g->mem = map_memory(size);
	if (g->mem == MAP_FAILED)
		return -ENOMEM;
	ret = set_slot(g->vm, 0, 0, 0, size, g->mem);
	for (; !ret && g->vcpus < vcpus; g->vcpus++) {
		g->vcpu[g->vcpus] = call_value(g->vm, KVM_CREATE_VCPU, g->vcpus);
		if (g->vcpu[g->vcpus] < 0)
			return g->vcpu[g->vcpus];
	}
	return ret;
}

static inline void guest_free(struct guest *g)
{
	while (g->vcpus)
		close(g->vcpu[--g->vcpus]);
	close(g->vm);
	munmap(g->mem, g->size);
}

/* Load g->cpu into every vCPU. 0 or -errno. */
static inline int guest_load(struct guest *g)
{
	struct kvm_regs regs = { .rflags = 2 | (g->cpu.ac ? 1 << 18 : 0) };
	struct kvm_sregs s;
	unsigned int i;
	int ret;

	for (i = 0; i < g->vcpus; i++) {
		ret = call(g->vcpu[i], KVM_GET_SREGS, &s);
		if (ret)
			return ret;
		s.cr0 = g->cpu.cr0;
		s.cr3 = g->cpu.cr3;
		s.cr4 = g->cpu.cr4;
		s.efer = g->cpu.efer;
		s.cs.l = !!(g->cpu.efer & REF_EFER_LMA);
		ret = call(g->vcpu[i], KVM_SET_SREGS, &s);
		if (!ret)
			ret = call(g->vcpu[i], KVM_SET_REGS, &regs);
		if (ret)
			return ret;
	}
	return 0;
}

/* The control registers that @levels of tables need, with WP and NXE. */
static inline void guest_paging(struct guest *g, unsigned int levels, uint64_t root)
{
	g->cpu.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP;
	g->cpu.cr3 = root;
	g->cpu.cr4 = REF_CR4_PSE | (levels > 2 ? REF_CR4_PAE : 0) |
		(levels > 4 ? REF_CR4_LA57 : 0);
	g->cpu.efer = REF_EFER_NXE | (levels > 3 ? REF_EFER_LME | REF_EFER_LMA : 0);
}

static inline void guest_ref(const struct guest *g, uint64_t gva, unsigned int op, bool user,
			     struct ref_out *out)
{
	ref_walk(&g->cpu, &g->ref_mem, gva, op == NPT_OP_WRITE ? REF_WRITE :
		 op == NPT_OP_FETCH ? REF_FETCH : REF_READ, user, out);
}

/* Is that how the reference says that it must end? */
static inline bool guest_agrees(const struct guest *g, const struct ref_out *ref,
				const struct npt_access_result *res)
{
	switch (ref->end) {
	case REF_OK:
		return res->status == (ref->gpa < g->size ? NPT_STATUS_OK : NPT_STATUS_MMIO) &&
			res->gpa == ref->gpa;
	case REF_PF:
		return res->status == NPT_STATUS_GUEST_PF && res->error_code == ref->error &&
			res->cr2 == ref->cr2;
	case REF_GP:
		return res->status == NPT_STATUS_GUEST_GP;
	default:
		return res->status == NPT_STATUS_MMIO && res->gpa == ref->gpa;
	}
}

/* A batch; returns -errno of the call, or the number executed. */
static inline long guest_batch(int vcpu, const struct npt_access *rec,
			       struct npt_access_result *res, uint32_t n, uint32_t pkru)
{
	struct npt_batch b = {
		.size = sizeof(b), .accesses = (uintptr_t)rec, .results = (uintptr_t)res,
		.count = n, .pkru = pkru,
	};
	long ret = call(vcpu, NPT_BATCH, &b);

	return ret ? ret : b.done;
}

/* INVLPG, MOV_CR3, FLUSH, SWITCH. */
static inline int guest_op(int vcpu, uint8_t op, uint64_t operand)
{
	return access_one(vcpu, op, 0, operand, NULL, 0, NULL);
}

/* splitmix64 */
static inline uint64_t guest_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

#endif /* NPT_SELFTESTS_REFGUEST_H */
