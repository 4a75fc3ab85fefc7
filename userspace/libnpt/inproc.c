// SPDX-License-Identifier: GPL-2.0
/*
 * The backend that is the module's own core, in this process: module/mmu and
 * module/tlb over the shim. What the module's vm.c, vcpu.c and memory/ do around
 * the core in the kernel is done here for one thread.
 */
#include <stdlib.h>

#include "../../module/mmu/mmu.h"
#include "../../module/tlb/tlb.h"
#include "libnpt_priv.h"

#define INPROC_GPA_BITS		NPT_GPA_BITS
#define INPROC_TABLE_PAGES	(1U << 20)	/* 4 GiB of tables */
#define INPROC_MAX_TABLE_PAGES	(1U << 22)
#define RFLAGS_AC		(1ULL << 18)
#define RESET_CR0		0x60000010	/* SDM vol. 3A, table 10-1 */

struct inproc_vm {
	struct npt_mmu mmu;		/* first: the host's calls find us by it */
	struct npt_vm *vm;
	struct npt_vm_info info;
	struct npt_tlb_model model;
	struct npt_vcpu *vcpus[64];
	unsigned int nr_vcpus;
};

struct inproc_vcpu {
	struct npt_cpu cpu;
	struct kvm_regs regs;
};

#define INPROC_VCPUS ARRAY_SIZE(((struct inproc_vm *)0)->vcpus)

static struct inproc_vm *to_inproc(struct npt_mmu *mmu)
{
	return container_of(mmu, struct inproc_vm, mmu);
}

/* --- what the core asks of its host --- */

/* The largest page around @gpa that lies in @mem, aligned alike on both sides. */
static u8 host_max_size(const struct npt_memory *mem, u64 gpa, u64 hpa)
{
	static const u8 limit[] = {
		[NPT_MEMORY_DEFAULT] = NPT_SIZE_2M,
		[NPT_MEMORY_4K] = NPT_SIZE_4K,
		[NPT_MEMORY_THP] = NPT_SIZE_2M,
		[NPT_MEMORY_HUGETLB_2M] = NPT_SIZE_2M,
		[NPT_MEMORY_HUGETLB_1G] = NPT_SIZE_1G,
	};
	u8 size = limit[mem->opts.pages];

	for (; size > NPT_SIZE_4K; size--) {
		u64 bytes = 1ULL << npt_size_shift(size);
		u64 start = round_down(gpa, bytes);

		if (!((gpa ^ hpa) & (bytes - 1)) && start >= mem->opts.gpa &&
		    start + bytes <= mem->opts.gpa + mem->opts.size)
			break;
	}
	return size;
}

static int host_map(struct npt_mmu *mmu, u64 gpa, bool write, struct npt_pfn *out)
{
	struct npt_memory *mem = npt_memory_find(to_inproc(mmu)->vm, gpa, 1);

	if (!mem)
		return -ENOENT;
	out->writable = !(mem->opts.flags & NPT_MEMORY_READONLY);
	if (write && !out->writable)
		return -EROFS;
	out->hpa = npt_ptr_hpa(mem->host + (round_down(gpa, PAGE_SIZE) - mem->opts.gpa));
	out->seq = 0;
	out->at_hand = false;
	out->max_size = host_max_size(mem, gpa, out->hpa | (gpa & ~PAGE_MASK));
	return 0;
}

static u32 host_map_near(struct npt_mmu *mmu, u64 gpa, unsigned int size, u32 n, u64 *hpa)
{
	(void)mmu;
	(void)gpa;
	(void)size;
	(void)n;
	(void)hpa;
	return 0;
}

/* Memory is taken away by this very thread: between map and fill nothing changes. */
static bool host_stale(struct npt_mmu *mmu, const struct npt_pfn *pfn)
{
	(void)mmu;
	(void)pfn;
	return false;
}

/* No dirty log here: mem_slot refuses the flag. */
static void host_mark_dirty(struct npt_mmu *mmu, u64 gfn)
{
	(void)mmu;
	(void)gfn;
}

/* The one thread obeys mmu->flush_seq before its next access. */
static void host_kick(struct npt_mmu *mmu)
{
	(void)mmu;
}

static void host_bug(struct npt_mmu *mmu, const char *what)
{
	fprintf(stderr, "npt: the VM \"%s\" is inconsistent and was killed: %s\n",
		to_inproc(mmu)->info.name, what);
}

static const struct npt_mmu_host inproc_host = {
	.map = host_map,
	.map_near = host_map_near,
	.stale = host_stale,
	.mark_dirty = host_mark_dirty,
	.kick = host_kick,
	.bug = host_bug,
};

/* --- device --- */

static int inproc_caps(struct npt_device *dev, struct npt_caps *caps)
{
	(void)dev;
	caps->abi_version = NPT_ABI_VERSION;
	caps->engines = 1 << NPT_ENGINE_SOFT;
	caps->mmu_modes = 1 << NPT_MMU_NATIVE | 1 << NPT_MMU_SHADOW | 1 << NPT_MMU_NESTED;
	caps->nested_formats = 1 << NPT_NESTED_NPT | 1 << NPT_NESTED_EPT;
	caps->guest_levels = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5;
	caps->nested_levels = 1 << 4 | 1 << 5;
	caps->leaf_pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G;
	caps->features = NPT_CAP_UNSYNC;
	caps->max_vms = NPT_MAX_VMS;
	caps->max_vcpus = INPROC_VCPUS;
	caps->max_slots = NPT_MAX_SLOTS;
	caps->max_batch = NPT_MAX_BATCH;
	caps->max_table_pages = INPROC_MAX_TABLE_PAGES;
	caps->default_table_pages = INPROC_TABLE_PAGES;
	caps->min_table_pages = NPT_MIN_TABLE_PAGES;
	caps->counters = NPT_CTR_NR;
	caps->default_engine = NPT_ENGINE_SOFT;
	caps->default_mmu = NPT_MMU_NESTED;
	caps->gpa_bits = INPROC_GPA_BITS;
	return 0;
}

static void inproc_close(struct npt_device *dev)
{
	(void)dev;
}

/* --- VMs --- */

/* The module's checks of a request, and its defaults. */
static int vm_choices(const struct npt_create_vm *req, struct npt_vm_info *info)
{
	if (req->flags & ~NPT_VM_NO_UNSYNC)
		return -EINVAL;
	if (req->engine > NPT_ENGINE_VMX || req->mmu > NPT_MMU_NESTED ||
	    req->nested_format > NPT_NESTED_EPT)
		return -EINVAL;
	if (req->engine > NPT_ENGINE_SOFT)
		return -EOPNOTSUPP;
	if (req->nested_levels && req->nested_levels != 4 && req->nested_levels != 5)
		return -EINVAL;
	if (req->leaf_pages & ~(NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G) ||
	    (req->leaf_pages && !(req->leaf_pages & NPT_PAGE_4K)))
		return -EINVAL;
	if (req->max_vcpus > INPROC_VCPUS || req->max_table_pages > INPROC_MAX_TABLE_PAGES ||
	    (req->max_table_pages && req->max_table_pages < NPT_MIN_TABLE_PAGES))
		return -EINVAL;
	info->flags = req->flags;
	memcpy(info->name, req->name, NPT_NAME_LEN);
	info->engine = NPT_ENGINE_SOFT;
	info->mmu = req->mmu ? req->mmu : NPT_MMU_NESTED;
	info->nested_format = req->nested_format ? req->nested_format : NPT_NESTED_NPT;
	info->nested_levels = req->nested_levels ? req->nested_levels : 4;
	info->leaf_pages = req->leaf_pages ? req->leaf_pages :
					     NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G;
	info->max_vcpus = req->max_vcpus ? req->max_vcpus : INPROC_VCPUS;
	info->max_table_pages = req->max_table_pages ? req->max_table_pages :
						       INPROC_TABLE_PAGES;
	return 0;
}

static int vm_init(struct inproc_vm *ivm, const struct npt_create_vm *req)
{
	struct npt_mmu_config cfg;
	int ret = vm_choices(req, &ivm->info);

	if (ret)
		return ret;
	if (req->tlb) {
		ivm->model = *(const struct npt_tlb_model *)(uintptr_t)req->tlb;
		ret = npt_tlb_model_check(&ivm->model, NULL);
		if (ret)
			return ret;
	}
	ivm->model.size = sizeof(ivm->model);
	cfg.mode = ivm->info.mmu;
	cfg.nested_format = ivm->info.nested_format;
	cfg.nested_levels = ivm->info.nested_levels;
	cfg.leaf_pages = ivm->info.leaf_pages;
	cfg.max_table_pages = ivm->info.max_table_pages;
	/* As the kernel's soft engine: its faults are what people count. */
	cfg.prefetch = 0;
	cfg.unsync = !(req->flags & NPT_VM_NO_UNSYNC);
	return npt_mmu_init(&ivm->mmu, &cfg, &inproc_host);
}

static int inproc_vm_create(struct npt_vm *vm, struct npt_create_vm *req)
{
	struct inproc_vm *ivm = calloc(1, sizeof(*ivm));
	int ret;

	if (!ivm)
		return -ENOMEM;
	ivm->vm = vm;
	ret = vm_init(ivm, req);
	if (ret) {
		free(ivm);
		return ret;
	}
	vm->priv = ivm;
	return 0;
}

static void inproc_vm_destroy(struct npt_vm *vm)
{
	struct inproc_vm *ivm = vm->priv;

	npt_mmu_destroy(&ivm->mmu);
	free(ivm);
}

static int inproc_vm_info(struct npt_vm *vm, struct npt_vm_info *info)
{
	struct inproc_vm *ivm = vm->priv;
	struct npt_memory *mem;

	*info = ivm->info;
	info->size = sizeof(*info);
	info->vcpus = ivm->nr_vcpus;
	info->slots = 0;
	for (mem = vm->mem; mem; mem = mem->next)
		info->slots++;
	return 0;
}

static int inproc_vm_get_tlb(struct npt_vm *vm, struct npt_tlb_model *model)
{
	struct inproc_vm *ivm = vm->priv;

	*model = ivm->model;
	return 0;
}

static struct npt_cpu *to_cpu(const struct npt_vcpu *vcpu)
{
	struct inproc_vcpu *ivcpu = vcpu->priv;

	return &ivcpu->cpu;
}

static int inproc_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model)
{
	struct inproc_vm *ivm = vm->priv;
	unsigned int i;
	int ret;

	ret = npt_tlb_model_check(model, NULL);
	for (i = 0; !ret && i < ivm->nr_vcpus; i++)
		ret = npt_cpu_set_model(to_cpu(ivm->vcpus[i]), model);
	if (!ret)
		ivm->model = *model;
	return ret;
}

static int flush_check(const struct npt_flush *flush, struct npt_pending_flush *out)
{
	if (flush->flags || flush->scope > NPT_FLUSH_ADDRESS)
		return -EINVAL;
	if (flush->pcid > (flush->scope == NPT_FLUSH_TAG ? 4095 : 0))
		return -EINVAL;
	if (flush->gva && flush->scope != NPT_FLUSH_ADDRESS)
		return -EINVAL;
	out->scope = flush->scope;
	out->pcid = flush->pcid;
	out->gva = flush->gva;
	out->reason = NPT_FL_USER;
	return 0;
}

static int inproc_vm_flush(struct npt_vm *vm, const struct npt_flush *flush)
{
	struct inproc_vm *ivm = vm->priv;
	struct npt_pending_flush f;
	unsigned int i;
	int ret = flush_check(flush, &f);

	for (i = 0; !ret && i < ivm->nr_vcpus; i++)
		npt_cpu_flush(to_cpu(ivm->vcpus[i]), &f);
	return ret;
}

static void stats_give(struct npt_stats *stats, const u64 *values)
{
	u32 n = min_t(u32, stats->count, NPT_CTR_NR);

	memcpy((void *)(uintptr_t)stats->values, values, n * sizeof(*values));
	stats->count = NPT_CTR_NR;
}

static void cpu_counters(struct npt_cpu *cpu, u64 *values)
{
	unsigned int i;

	npt_cpu_settle(cpu);
	npt_cpu_counters(cpu, values);
	for (i = 0; i < NPT_CTR_NR; i++)
		if (npt_counter_info(i)->scope == NPT_SCOPE_vm)
			values[i] = 0;
}

static int inproc_vm_stats(struct npt_vm *vm, struct npt_stats *stats)
{
	struct inproc_vm *ivm = vm->priv;
	u64 sum[NPT_CTR_NR], one[NPT_CTR_NR];
	unsigned int i, c;

	/* settle first: what a vCPU does to come to rest may count for the VM */
	for (i = 0; i < ivm->nr_vcpus; i++)
		npt_cpu_settle(to_cpu(ivm->vcpus[i]));
	memcpy(sum, ivm->mmu.ctr, sizeof(sum));
	for (i = 0; i < ivm->nr_vcpus; i++) {
		cpu_counters(to_cpu(ivm->vcpus[i]), one);
		for (c = 0; c < NPT_CTR_NR; c++)
			sum[c] += one[c];
	}
	sum[NPT_CTR_vcpus] = ivm->nr_vcpus;
	stats_give(stats, sum);
	return 0;
}

/* --- memory --- */

static int inproc_mem_alloc(struct npt_memory *mem)
{
	static const size_t align[] = {
		[NPT_MEMORY_DEFAULT] = 2UL << 20,
		[NPT_MEMORY_4K] = PAGE_SIZE,
		[NPT_MEMORY_THP] = 2UL << 20,
		[NPT_MEMORY_HUGETLB_2M] = 2UL << 20,
		[NPT_MEMORY_HUGETLB_1G] = 1UL << 30,
	};

	if (mem->opts.flags & NPT_MEMORY_DIRTY_LOG)
		return -EOPNOTSUPP;
	mem->host = npt_shim_guest_alloc(mem->opts.size, align[mem->opts.pages]);
	return mem->host ? 0 : -ENOMEM;
}

static void inproc_mem_free(struct npt_memory *mem)
{
	npt_shim_guest_free(mem->host, mem->opts.size);
}

static uint64_t inproc_mem_huge(const struct npt_memory *mem)
{
	return mem->opts.pages == NPT_MEMORY_4K ? 0 : mem->opts.size;
}

static int inproc_mem_slot(struct npt_memory *mem, uint64_t size)
{
	struct inproc_vm *ivm = mem->vm->priv;

	npt_write_lock(&ivm->mmu.lock);
	npt_mmu_slots_change(&ivm->mmu);
	if (size) {
		ivm->mmu.ctr[NPT_CTR_slots]++;
	} else {
		ivm->mmu.ctr[NPT_CTR_slots]--;
		npt_mmu_zap(&ivm->mmu, mem->opts.gpa >> PAGE_SHIFT,
			    (mem->opts.gpa + mem->opts.size) >> PAGE_SHIFT, NPT_ZAP_SLOT,
			    NPT_FL_SLOT);
	}
	npt_write_unlock(&ivm->mmu.lock);
	return 0;
}

/* --- vCPUs --- */

static int inproc_vcpu_create(struct npt_vcpu *vcpu)
{
	const struct npt_regs reset = { .cr0 = RESET_CR0 };
	struct inproc_vm *ivm = vcpu->vm->priv;
	struct inproc_vcpu *ivcpu;
	unsigned int i;
	int ret;

	if (vcpu->index >= ivm->info.max_vcpus)
		return -EINVAL;
	for (i = 0; i < ivm->nr_vcpus; i++)
		if (ivm->vcpus[i]->index == vcpu->index)
			return -EEXIST;
	ivcpu = calloc(1, sizeof(*ivcpu));
	if (!ivcpu)
		return -ENOMEM;
	ret = npt_cpu_init(&ivcpu->cpu, &ivm->mmu, &ivm->model);
	if (ret) {
		free(ivcpu);
		return ret;
	}
	/* always valid; and as the module has it, so that counters agree to the last */
	npt_cpu_set_regs(&ivcpu->cpu, &reset);
	vcpu->priv = ivcpu;
	ivm->vcpus[ivm->nr_vcpus++] = vcpu;
	return 0;
}

static void inproc_vcpu_destroy(struct npt_vcpu *vcpu)
{
	struct inproc_vm *ivm = vcpu->vm->priv;
	unsigned int i;

	for (i = 0; ivm->vcpus[i] != vcpu; i++)
		;
	ivm->vcpus[i] = ivm->vcpus[--ivm->nr_vcpus];
	npt_cpu_destroy(to_cpu(vcpu));
	free(vcpu->priv);
}

static int inproc_vcpu_get_sregs(struct npt_vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct npt_regs *regs = &to_cpu(vcpu)->regs;

	sregs->cr0 = regs->cr0;
	sregs->cr3 = regs->cr3;
	sregs->cr4 = regs->cr4;
	sregs->efer = regs->efer;
	return 0;
}

static int inproc_vcpu_set_sregs(struct npt_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct npt_cpu *cpu = to_cpu(vcpu);
	struct npt_regs regs = cpu->regs;

	regs.cr0 = sregs->cr0;
	regs.cr3 = sregs->cr3;
	regs.cr4 = sregs->cr4;
	regs.efer = sregs->efer;
	return npt_cpu_set_regs(cpu, &regs);
}

static int inproc_vcpu_get_regs(struct npt_vcpu *vcpu, struct kvm_regs *regs)
{
	struct inproc_vcpu *ivcpu = vcpu->priv;

	*regs = ivcpu->regs;
	return 0;
}

static int inproc_vcpu_set_regs(struct npt_vcpu *vcpu, const struct kvm_regs *regs)
{
	struct inproc_vcpu *ivcpu = vcpu->priv;

	struct npt_regs new = ivcpu->cpu.regs;
	int ret;

	new.ac = regs->rflags & RFLAGS_AC;
	ret = npt_cpu_set_regs(&ivcpu->cpu, &new);
	if (!ret)
		ivcpu->regs = *regs;
	return ret;
}

static int set_pkru(struct npt_cpu *cpu, u32 pkru)
{
	struct npt_regs regs = cpu->regs;

	if (regs.pkru == pkru)
		return 0;
	regs.pkru = pkru;
	return npt_cpu_set_regs(cpu, &regs);
}

static int inproc_vcpu_batch(struct npt_vcpu *vcpu, struct npt_batch *batch)
{
	struct npt_cpu *cpu = to_cpu(vcpu);
	int ret;

	if ((batch->flags & ~NPT_BATCH_STOP) || batch->count > NPT_MAX_BATCH ||
	    batch->data_len > NPT_MAX_BATCH_DATA || (!batch->data && batch->data_len))
		return -EINVAL;
	if (cpu->mmu->dead)
		return -EIO;
	ret = set_pkru(cpu, batch->pkru);
	if (ret)
		return ret;
	batch->failed = 0;
	batch->done = npt_cpu_execute(cpu, (const void *)(uintptr_t)batch->accesses,
				      batch->count, (void *)(uintptr_t)batch->results,
				      (void *)(uintptr_t)batch->data, batch->data_len,
				      batch->flags & NPT_BATCH_STOP, &batch->failed);
	cpu->ctr[NPT_CTR_batches]++;
	npt_cpu_settle(cpu);
	if (cpu->mmu->dead)
		return -EIO;
	return batch->done ? 0 : cpu->err;
}

static int inproc_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *explain)
{
	if (to_cpu(vcpu)->mmu->dead)
		return -EIO;
	return npt_cpu_explain(to_cpu(vcpu), explain, (void *)(uintptr_t)explain->entries);
}

static int inproc_vcpu_flush(struct npt_vcpu *vcpu, const struct npt_flush *flush)
{
	struct npt_pending_flush f;
	int ret = flush_check(flush, &f);

	if (!ret)
		npt_cpu_flush(to_cpu(vcpu), &f);
	return ret;
}

static int inproc_vcpu_stats(struct npt_vcpu *vcpu, struct npt_stats *stats)
{
	u64 values[NPT_CTR_NR];

	cpu_counters(to_cpu(vcpu), values);
	stats_give(stats, values);
	return 0;
}

const struct npt_backend npt_backend_inproc = {
	.caps = inproc_caps,
	.close = inproc_close,
	.vm_create = inproc_vm_create,
	.vm_destroy = inproc_vm_destroy,
	.vm_info = inproc_vm_info,
	.vm_get_tlb = inproc_vm_get_tlb,
	.vm_set_tlb = inproc_vm_set_tlb,
	.vm_flush = inproc_vm_flush,
	.vm_stats = inproc_vm_stats,
	.mem_alloc = inproc_mem_alloc,
	.mem_free = inproc_mem_free,
	.mem_huge = inproc_mem_huge,
	.mem_slot = inproc_mem_slot,
	.vcpu_create = inproc_vcpu_create,
	.vcpu_destroy = inproc_vcpu_destroy,
	.vcpu_get_sregs = inproc_vcpu_get_sregs,
	.vcpu_set_sregs = inproc_vcpu_set_sregs,
	.vcpu_get_regs = inproc_vcpu_get_regs,
	.vcpu_set_regs = inproc_vcpu_set_regs,
	.vcpu_batch = inproc_vcpu_batch,
	.vcpu_explain = inproc_vcpu_explain,
	.vcpu_flush = inproc_vcpu_flush,
	.vcpu_stats = inproc_vcpu_stats,
};
