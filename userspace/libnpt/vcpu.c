// SPDX-License-Identifier: GPL-2.0
/* vCPUs: registers and paging modes. */
#include <stdlib.h>

#include "libnpt_priv.h"

#define CR0_PE		(1ULL << 0)
#define CR0_ET		(1ULL << 4)
#define CR0_NE		(1ULL << 5)
#define CR0_WP		(1ULL << 16)
#define CR0_PG		(1ULL << 31)
#define CR4_PSE		(1ULL << 4)
#define CR4_PAE		(1ULL << 5)
#define CR4_PGE		(1ULL << 7)
#define CR4_LA57	(1ULL << 12)
#define CR4_PCIDE	(1ULL << 17)
#define CR4_SMEP	(1ULL << 20)
#define CR4_SMAP	(1ULL << 21)
#define CR4_PKE		(1ULL << 22)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)
#define EFER_NX		(1ULL << 11)

#define PAGING_FLAGS (NPT_PAGING_WP | NPT_PAGING_NX | NPT_PAGING_SMEP | NPT_PAGING_SMAP |	\
		      NPT_PAGING_PKE | NPT_PAGING_GLOBAL | NPT_PAGING_PCID | NPT_PAGING_NO_PSE)

int npt_vcpu_create(struct npt_vm *vm, uint32_t index, struct npt_vcpu **out)
{
	struct npt_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int ret;

	if (!vcpu)
		return npt_set_error(-ENOMEM, "no memory for a vCPU");
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = -1;
	ret = vm->dev->be->vcpu_create(vcpu);
	if (ret) {
		free(vcpu);
		return npt_set_errno(ret, "vCPU %u", index);
	}
	vm->vcpus++;
	*out = vcpu;
	return 0;
}

void npt_vcpu_destroy(struct npt_vcpu *vcpu)
{
	if (!vcpu)
		return;
	vcpu->vm->dev->be->vcpu_destroy(vcpu);
	vcpu->vm->vcpus--;
	free(vcpu);
}

int npt_vcpu_fd(const struct npt_vcpu *vcpu)
{
	return vcpu->fd;
}

int npt_vcpu_get_sregs(struct npt_vcpu *vcpu, struct kvm_sregs *sregs)
{
	memset(sregs, 0, sizeof(*sregs));
	return npt_set_errno(vcpu->vm->dev->be->vcpu_get_sregs(vcpu, sregs), "control registers");
}

int npt_vcpu_set_sregs(struct npt_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	return npt_set_errno(vcpu->vm->dev->be->vcpu_set_sregs(vcpu, sregs),
			     "control registers");
}

int npt_vcpu_get_regs(struct npt_vcpu *vcpu, struct kvm_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	return npt_set_errno(vcpu->vm->dev->be->vcpu_get_regs(vcpu, regs), "registers");
}

int npt_vcpu_set_regs(struct npt_vcpu *vcpu, const struct kvm_regs *regs)
{
	return npt_set_errno(vcpu->vm->dev->be->vcpu_set_regs(vcpu, regs), "registers");
}

static int paging_check(unsigned int levels, uint64_t root, uint32_t flags)
{
	uint32_t wrong = flags & ~PAGING_FLAGS;

	if (levels == 1 || levels > 5)
		return npt_set_error(-EINVAL, "paging: %u levels, expected 0 or 2 to 5", levels);
	if (levels < 4)
		wrong |= flags & (NPT_PAGING_PKE | NPT_PAGING_PCID);
	if (levels < 3)
		wrong |= flags & NPT_PAGING_NX;
	if (levels != 2)
		wrong |= flags & NPT_PAGING_NO_PSE;
	if (wrong)
		return npt_set_error(-EINVAL, "paging: flags 0x%x make no sense with %u levels",
				     wrong, levels);
	if (levels && (levels < 4 ? root >> 32 : root >> NPT_GPA_BITS))
		return npt_set_error(-EINVAL, "paging: root 0x%llx is out of CR3's reach",
				     (unsigned long long)root);
	return 0;
}

static uint64_t paging_cr4(unsigned int levels, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		uint64_t bit;
	} map[] = {
		{ NPT_PAGING_SMEP, CR4_SMEP },
		{ NPT_PAGING_SMAP, CR4_SMAP },
		{ NPT_PAGING_PKE, CR4_PKE },
		{ NPT_PAGING_GLOBAL, CR4_PGE },
		{ NPT_PAGING_PCID, CR4_PCIDE },
	};
	uint64_t cr4 = 0;
	size_t i;

	for (i = 0; i < NPT_ARRAY_SIZE(map); i++)
		if (flags & map[i].flag)
			cr4 |= map[i].bit;
	if (levels >= 3)
		cr4 |= CR4_PAE;
	else if (levels == 2 && !(flags & NPT_PAGING_NO_PSE))
		cr4 |= CR4_PSE;
	if (levels == 5)
		cr4 |= CR4_LA57;
	return cr4;
}

/* A flat segment of 4 GiB, as every protected-mode system has them. */
static void paging_segment(struct kvm_segment *seg, uint16_t selector, uint8_t type, bool wide)
{
	memset(seg, 0, sizeof(*seg));
	seg->limit = 0xffffffff;
	seg->selector = selector;
	seg->type = type;
	seg->present = 1;
	seg->s = 1;
	seg->g = 1;
	seg->l = wide;
	seg->db = !wide;
}

static void paging_segments(struct kvm_sregs *sregs, bool wide)
{
	paging_segment(&sregs->cs, 8, 11, wide);
	paging_segment(&sregs->ds, 16, 3, false);
	sregs->es = sregs->ds;
	sregs->fs = sregs->ds;
	sregs->gs = sregs->ds;
	sregs->ss = sregs->ds;
}

int npt_vcpu_set_paging(struct npt_vcpu *vcpu, unsigned int levels, uint64_t root,
			uint32_t flags)
{
	struct kvm_sregs sregs;
	int ret = paging_check(levels, root, flags);

	if (ret)
		return ret;
	ret = npt_vcpu_get_sregs(vcpu, &sregs);
	if (ret)
		return ret;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	sregs.cr3 = levels ? root : 0;
	sregs.cr4 = paging_cr4(levels, flags);
	sregs.efer = 0;
	if (levels)
		sregs.cr0 |= CR0_PG;
	if (flags & NPT_PAGING_WP)
		sregs.cr0 |= CR0_WP;
	if (levels >= 4)
		sregs.efer |= EFER_LME | EFER_LMA;
	if (flags & NPT_PAGING_NX)
		sregs.efer |= EFER_NX;
	paging_segments(&sregs, levels >= 4);
	return npt_vcpu_set_sregs(vcpu, &sregs);
}

int npt_vcpu_flush(struct npt_vcpu *vcpu, uint32_t scope, uint32_t pcid, uint64_t gva)
{
	struct npt_flush flush = {
		.size = sizeof(flush), .scope = scope, .pcid = pcid, .gva = gva,
	};

	return npt_set_errno(vcpu->vm->dev->be->vcpu_flush(vcpu, &flush), "TLB flush");
}

int npt_vcpu_stats(struct npt_vcpu *vcpu, uint64_t *values, uint32_t count)
{
	struct npt_stats stats = {
		.size = sizeof(stats), .count = count, .values = (uintptr_t)values,
	};

	memset(values, 0, count * sizeof(*values));
	return npt_set_errno(vcpu->vm->dev->be->vcpu_stats(vcpu, &stats), "counters");
}
