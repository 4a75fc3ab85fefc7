// SPDX-License-Identifier: GPL-2.0
/* The backend that talks to the kernel module. */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "libnpt_priv.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

#define PAGE		4096UL
#define LARGE		(2UL << 20)
#define HUGE		(1UL << 30)

/* ioctl() with the errno as its value. */
static int module_ioctl(int fd, unsigned long nr, const void *arg)
{
	int ret = ioctl(fd, nr, arg);

	return ret < 0 ? -errno : ret;
}

static int module_caps(struct npt_device *dev, struct npt_caps *caps)
{
	return module_ioctl(dev->fd, NPT_GET_CAPS, caps);
}

static void module_close(struct npt_device *dev)
{
	close(dev->fd);
}

static int module_vm_create(struct npt_vm *vm, struct npt_create_vm *req)
{
	vm->fd = module_ioctl(vm->dev->fd, NPT_CREATE_VM, req);
	if (vm->fd < 0)
		return vm->fd;
	vm->id = req->id;
	return 0;
}

static void module_vm_destroy(struct npt_vm *vm)
{
	close(vm->fd);
}

static int module_vm_info(struct npt_vm *vm, struct npt_vm_info *info)
{
	return module_ioctl(vm->fd, NPT_VM_INFO, info);
}

static int module_vm_get_tlb(struct npt_vm *vm, struct npt_tlb_model *model)
{
	return module_ioctl(vm->fd, NPT_GET_TLB, model);
}

static int module_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	return module_ioctl(vm->fd, NPT_SET_TLB, model);
}

static int module_vm_flush(struct npt_vm *vm, const struct npt_flush *flush)
{
	return module_ioctl(vm->fd, NPT_FLUSH, flush);
}

static int module_vm_stats(struct npt_vm *vm, struct npt_stats *stats)
{
	return module_ioctl(vm->fd, NPT_STATS, stats);
}

/* --- memory --- */

static size_t mem_align(const struct npt_memory *mem)
{
	switch (mem->opts.pages) {
	case NPT_MEMORY_4K:
		return PAGE;
	case NPT_MEMORY_HUGETLB_1G:
		return HUGE;
	default:
		return LARGE;
	}
}

/*
 * Reserve room with a hole of no rights on either side, so that the kernel never
 * merges this mapping with a neighbour and smaps speaks of this memory alone.
 */
static int mem_reserve(struct npt_memory *mem)
{
	size_t align = mem_align(mem);
	uintptr_t start;

	mem->map_size = mem->opts.size + 2 * align + 2 * PAGE;
	mem->map = mmap(NULL, mem->map_size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->map == MAP_FAILED)
		return -errno;
	start = ((uintptr_t)mem->map + PAGE + align - 1) & ~(align - 1);
	/* gpa and hva agree below the alignment, so that large pages line up */
	start += mem->opts.gpa & (align - 1);
	mem->host = (uint8_t *)start;
	return 0;
}

static int mem_map(struct npt_memory *mem)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

	/* reserved pages are taken now: a page that is missing later would be a SIGBUS */
	if (mem->opts.pages == NPT_MEMORY_HUGETLB_2M)
		flags = (flags & ~MAP_NORESERVE) | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	else if (mem->opts.pages == NPT_MEMORY_HUGETLB_1G)
		flags = (flags & ~MAP_NORESERVE) | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT;
	if (mmap(mem->host, mem->opts.size, PROT_READ | PROT_WRITE, flags, -1, 0) ==
	    MAP_FAILED)
		return -errno;
	/* a kernel without THP refuses both: then there are none, which is no failure */
	if (mem->opts.pages == NPT_MEMORY_THP)
		madvise(mem->host, mem->opts.size, MADV_HUGEPAGE);
	else if (mem->opts.pages == NPT_MEMORY_4K)
		madvise(mem->host, mem->opts.size, MADV_NOHUGEPAGE);
	return 0;
}

static uint64_t module_mem_huge(const struct npt_memory *mem)
{
	uintptr_t start = (uintptr_t)mem->host;
	unsigned long from, to, kib;
	uint64_t sum = 0;
	char line[512];
	bool ours = false;
	FILE *f;

	if (mem->opts.pages == NPT_MEMORY_HUGETLB_2M || mem->opts.pages == NPT_MEMORY_HUGETLB_1G)
		return mem->opts.size;
	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from >= start && to <= start + mem->opts.size;
		else if (ours && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1)
			sum += (uint64_t)kib << 10;
	}
	fclose(f);
	return sum;
}

/* What the host could give now without killing somebody for it; ~0 if it does not say. */
static uint64_t host_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	bool found = false;
	FILE *f;

	f = fopen("/proc/meminfo", "re");
	if (!f)
		return ~0ULL;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "MemAvailable: %llu kB", &kib) == 1;
	fclose(f);
	return found ? kib << 10 : ~0ULL;
}

/* Bring all of it in, writable, so that nothing is left to copy or to zero later. */
static int mem_populate(struct npt_memory *mem)
{
	bool reserved = mem->opts.pages >= NPT_MEMORY_HUGETLB_2M;
	volatile uint8_t *p = mem->host;
	uint64_t i;

	if (!reserved && mem->opts.size > host_available())
		return -ENOMEM;
	if (madvise(mem->host, mem->opts.size, MADV_POPULATE_WRITE)) {
		if (errno != EINVAL)
			return -errno;
		for (i = 0; i < mem->opts.size; i += PAGE)
			p[i] = 0;
	}
	/* the host may have been short of large pages for a moment: it may copy small ones */
	if (mem->opts.pages == NPT_MEMORY_THP && module_mem_huge(mem) < mem->opts.size)
		madvise(mem->host, mem->opts.size, MADV_COLLAPSE);
	return 0;
}

static void module_mem_free(struct npt_memory *mem)
{
	munmap(mem->map, mem->map_size);
}

static int module_mem_alloc(struct npt_memory *mem)
{
	int ret = mem_reserve(mem);

	if (ret)
		return ret;
	ret = mem_map(mem);
	if (!ret && (mem->opts.flags & NPT_MEMORY_POPULATE))
		ret = mem_populate(mem);
	if (ret)
		module_mem_free(mem);
	return ret;
}

static int module_mem_slot(struct npt_memory *mem, uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = mem->opts.slot,
		.guest_phys_addr = mem->opts.gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem->host,
	};

	if (size && (mem->opts.flags & NPT_MEMORY_READONLY))
		region.flags |= KVM_MEM_READONLY;
	if (size && (mem->opts.flags & NPT_MEMORY_DIRTY_LOG))
		region.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	return module_ioctl(mem->vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* --- vCPUs --- */

static int module_vcpu_create(struct npt_vcpu *vcpu)
{
	int fd = ioctl(vcpu->vm->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);

	if (fd < 0)
		return -errno;
	vcpu->fd = fd;
	return 0;
}

static void module_vcpu_destroy(struct npt_vcpu *vcpu)
{
	close(vcpu->fd);
}

static int module_vcpu_get_sregs(struct npt_vcpu *vcpu, struct kvm_sregs *sregs)
{
	return module_ioctl(vcpu->fd, KVM_GET_SREGS, sregs);
}

static int module_vcpu_set_sregs(struct npt_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	return module_ioctl(vcpu->fd, KVM_SET_SREGS, sregs);
}

static int module_vcpu_get_regs(struct npt_vcpu *vcpu, struct kvm_regs *regs)
{
	return module_ioctl(vcpu->fd, KVM_GET_REGS, regs);
}

static int module_vcpu_set_regs(struct npt_vcpu *vcpu, const struct kvm_regs *regs)
{
	return module_ioctl(vcpu->fd, KVM_SET_REGS, regs);
}

static int module_vcpu_batch(struct npt_vcpu *vcpu, struct npt_batch *batch)
{
	return module_ioctl(vcpu->fd, NPT_BATCH, batch);
}

static int module_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *explain)
{
	return module_ioctl(vcpu->fd, NPT_EXPLAIN, explain);
}

static int module_vcpu_flush(struct npt_vcpu *vcpu, const struct npt_flush *flush)
{
	return module_ioctl(vcpu->fd, NPT_FLUSH, flush);
}

static int module_vcpu_stats(struct npt_vcpu *vcpu, struct npt_stats *stats)
{
	return module_ioctl(vcpu->fd, NPT_STATS, stats);
}

const struct npt_backend npt_backend_module = {
	.caps = module_caps,
	.close = module_close,
	.vm_create = module_vm_create,
	.vm_destroy = module_vm_destroy,
	.vm_info = module_vm_info,
	.vm_get_tlb = module_vm_get_tlb,
	.vm_set_tlb = module_vm_set_tlb,
	.vm_flush = module_vm_flush,
	.vm_stats = module_vm_stats,
	.mem_alloc = module_mem_alloc,
	.mem_free = module_mem_free,
	.mem_huge = module_mem_huge,
	.mem_slot = module_mem_slot,
	.vcpu_create = module_vcpu_create,
	.vcpu_destroy = module_vcpu_destroy,
	.vcpu_get_sregs = module_vcpu_get_sregs,
	.vcpu_set_sregs = module_vcpu_set_sregs,
	.vcpu_get_regs = module_vcpu_get_regs,
	.vcpu_set_regs = module_vcpu_set_regs,
	.vcpu_batch = module_vcpu_batch,
	.vcpu_explain = module_vcpu_explain,
	.vcpu_flush = module_vcpu_flush,
	.vcpu_stats = module_vcpu_stats,
};

/*
 * --- a device with KVM's calls alone ---
 *
 * What KVM has a call for is the same; the rest is refused here, since ENOTTY would
 * tell a user less.
 */

static int kvm_caps(struct npt_device *dev, struct npt_caps *caps)
{
	(void)dev;
	(void)caps;
	return -EOPNOTSUPP;
}

/* All choices have to be the defaults, for nobody would obey them. */
static int kvm_vm_create(struct npt_vm *vm, struct npt_create_vm *req)
{
	if (req->engine || req->mmu || req->flags || req->nested_format || req->nested_levels ||
	    req->leaf_pages || req->max_vcpus || req->max_table_pages || req->tlb)
		return -EOPNOTSUPP;
	vm->fd = ioctl(vm->dev->fd, KVM_CREATE_VM, 0);
	return vm->fd < 0 ? -errno : 0;
}

static int kvm_vm_info(struct npt_vm *vm, struct npt_vm_info *info)
{
	(void)vm;
	(void)info;
	return -EOPNOTSUPP;
}

static int kvm_vm_get_tlb(struct npt_vm *vm, struct npt_tlb_model *model)
{
	(void)vm;
	(void)model;
	return -EOPNOTSUPP;
}

static int kvm_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	(void)vm;
	(void)model;
	return -EOPNOTSUPP;
}

static int kvm_vm_flush(struct npt_vm *vm, const struct npt_flush *flush)
{
	(void)vm;
	(void)flush;
	return -EOPNOTSUPP;
}

static int kvm_vm_stats(struct npt_vm *vm, struct npt_stats *stats)
{
	(void)vm;
	(void)stats;
	return -EOPNOTSUPP;
}

static int kvm_vcpu_batch(struct npt_vcpu *vcpu, struct npt_batch *batch)
{
	(void)vcpu;
	(void)batch;
	return -EOPNOTSUPP;
}

static int kvm_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *explain)
{
	(void)vcpu;
	(void)explain;
	return -EOPNOTSUPP;
}

static int kvm_vcpu_flush(struct npt_vcpu *vcpu, const struct npt_flush *flush)
{
	(void)vcpu;
	(void)flush;
	return -EOPNOTSUPP;
}

static int kvm_vcpu_stats(struct npt_vcpu *vcpu, struct npt_stats *stats)
{
	(void)vcpu;
	(void)stats;
	return -EOPNOTSUPP;
}

const struct npt_backend npt_backend_kvm = {
	.caps = kvm_caps,
	.close = module_close,
	.vm_create = kvm_vm_create,
	.vm_destroy = module_vm_destroy,
	.vm_info = kvm_vm_info,
	.vm_get_tlb = kvm_vm_get_tlb,
	.vm_set_tlb = kvm_vm_set_tlb,
	.vm_flush = kvm_vm_flush,
	.vm_stats = kvm_vm_stats,
	.mem_alloc = module_mem_alloc,
	.mem_free = module_mem_free,
	.mem_huge = module_mem_huge,
	.mem_slot = module_mem_slot,
	.vcpu_create = module_vcpu_create,
	.vcpu_destroy = module_vcpu_destroy,
	.vcpu_get_sregs = module_vcpu_get_sregs,
	.vcpu_set_sregs = module_vcpu_set_sregs,
	.vcpu_get_regs = module_vcpu_get_regs,
	.vcpu_set_regs = module_vcpu_set_regs,
	.vcpu_batch = kvm_vcpu_batch,
	.vcpu_explain = kvm_vcpu_explain,
	.vcpu_flush = kvm_vcpu_flush,
	.vcpu_stats = kvm_vcpu_stats,
};
