// SPDX-License-Identifier: GPL-2.0
/*
 * What the module costs, in instructions: run in the lab with --icount, where
 * the time stamp counter counts them. Each figure is a difference between two runs
 * of the same length but for what is measured, so that system calls cancel out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/npt.h>

#include "ticks.h"

#define MIB		(1ULL << 20)
#define MEMORY		(32 * MIB)
#define PAGE		4096ULL
#define PAGES		(MEMORY / PAGE)
#define BATCH		4096U

/* Where the guest's tables lie, in its own memory. Everything is mapped at gva = gpa ... */
#define PML4		0x1000ULL
#define PDPT		0x2000ULL
#define PD		0x3000ULL
#define OTHER_PML4	0x4000ULL	/* a second root of the same tables */
#define ALIAS_PD	0x5000ULL
#define PT(i)		(0x10000ULL + (i) * PAGE)
#define ALIAS_PT(i)	(0x40000ULL + (i) * PAGE)
#define FIRST_DATA	(1 * MIB)	/* above all of them */
#define ALIAS		(1ULL << 30)	/* ... and once more here, by other tables */
#define PTE_FLAGS	0x67ULL		/* P, W, U, A, D */

struct vm {
	int fd, vcpu;
	uint8_t *mem;
};

static int dev;
static struct npt_access batch[BATCH];
static uint64_t data[BATCH];

static void die(const char *what)
{
	fprintf(stderr, "kbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- figures ---------------------------------------------------------------------- */

/* @aim and @limit: 0 if there is no target. */
static void figure(const char *name, double value, const char *unit, double aim, double limit)
{
	const char *verdict = "";

	if (aim)
		verdict = value <= aim ? "ok" : value <= limit ? "short of the aim" :
								 "NOT ACCEPTABLE";
	printf("%-46s %12.1f %-6s", name, value, unit);
	if (aim)
		printf(" %10.0f %10.0f  %s\n", aim, limit, verdict);
	else
		printf(" %10s %10s\n", "-", "-");
	fflush(stdout);
}

/* --- a guest ------------------------------------------------------------------------- */

static const char *const mode_name[] = {
	[NPT_MMU_NATIVE] = "native", [NPT_MMU_SHADOW] = "shadow", [NPT_MMU_NESTED] = "nested",
};

static void put(struct vm *vm, uint64_t gpa, uint64_t value)
{
	memcpy(vm->mem + gpa, &value, sizeof(value));
}

static void build_tables(struct vm *vm)
{
	uint64_t i;

	put(vm, PML4, PDPT | PTE_FLAGS);
	put(vm, OTHER_PML4, PDPT | PTE_FLAGS);
	put(vm, PDPT, PD | PTE_FLAGS);
	put(vm, PDPT + (ALIAS >> 30) * 8, ALIAS_PD | PTE_FLAGS);
	for (i = 0; i < PAGES / 512; i++) {
		put(vm, PD + i * 8, PT(i) | PTE_FLAGS);
		put(vm, ALIAS_PD + i * 8, ALIAS_PT(i) | PTE_FLAGS);
	}
	for (i = 0; i < PAGES; i++) {
		put(vm, PT(0) + i * 8, i * PAGE | PTE_FLAGS);
		put(vm, ALIAS_PT(0) + i * 8, i * PAGE | PTE_FLAGS);
	}
}

static void add_memory(struct vm *vm, bool huge)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };
	uint8_t *p = mmap(NULL, MEMORY + 2 * MIB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	vm->mem = p + (2 * MIB - (uintptr_t)p % (2 * MIB));
	madvise(vm->mem, MEMORY, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(vm->mem, 0, MEMORY);
	build_tables(vm);
	slot.userspace_addr = (uintptr_t)vm->mem;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		die("KVM_SET_USER_MEMORY_REGION");
}

static void set_paging(struct vm *vm)
{
	struct kvm_sregs sregs;

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS");
	sregs.cr0 = 0x80010001;
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;
	sregs.efer = 0xd00;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS");
}

static struct npt_tlb_model small_tlb(void)
{
	struct npt_tlb_model m = { .size = sizeof(m) };

	m.tlb[0] = (struct npt_tlb_unit){ .level = 1, .kinds = 3, .pages = 7,
		.entries = 64, .ways = 4 };
	return m;
}

static void vm_open(struct vm *vm, uint32_t mmu, uint32_t flags, bool tlb)
{
	struct npt_tlb_model model = small_tlb();
	struct npt_create_vm req = {
		.size = sizeof(req), .flags = flags, .engine = NPT_ENGINE_SOFT, .mmu = mmu,
		.tlb = tlb ? (uintptr_t)&model : 0,
	};

	vm->fd = ioctl(dev, NPT_CREATE_VM, &req);
	if (vm->fd < 0)
		die("NPT_CREATE_VM");
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		die("KVM_CREATE_VCPU");
}

static void vm_start(struct vm *vm, uint32_t mmu, uint32_t flags, bool tlb, bool huge)
{
	vm_open(vm, mmu, flags, tlb);
	add_memory(vm, huge);
	set_paging(vm);
}

static void vm_close(struct vm *vm)
{
	close(vm->vcpu);
	close(vm->fd);
	if (vm->mem)
		munmap(vm->mem, MEMORY);
	memset(vm, 0, sizeof(*vm));
}

/* --- batches ---------------------------------------------------------------------------- */

static struct npt_access record(uint8_t op, uint64_t gva)
{
	struct npt_access a = { .gva = gva, .op = op };

	if (op <= NPT_OP_FETCH) {
		a.size = 8;
		a.flags = NPT_ACCESS_USER;
	}
	return a;
}

/* Instructions of one batch of @n records. */
static uint64_t run(struct vm *vm, unsigned int n)
{
	struct npt_batch b = {
		.size = sizeof(b), .flags = NPT_BATCH_STOP, .accesses = (uintptr_t)batch,
		.data = (uintptr_t)data, .data_len = sizeof(data), .count = n,
	};
	uint64_t start = ticks();

	if (ioctl(vm->vcpu, NPT_BATCH, &b))
		die("NPT_BATCH");
	start = ticks() - start;
	if (b.done != n || b.failed) {
		fprintf(stderr, "kbench: access %u failed\n", b.done - 1);
		exit(1);
	}
	return start;
}

/* Least of a few runs of the same batch: what interrupts add is not of interest. */
static uint64_t least(struct vm *vm, unsigned int n)
{
	uint64_t best = ~0ULL, t;
	int i;

	for (i = 0; i < 5; i++) {
		t = run(vm, n);
		best = t < best ? t : best;
	}
	return best;
}

/* What a record of the batch adds: the slope between a part of it and all. */
static double slope(struct vm *vm)
{
	uint64_t part = least(vm, BATCH / 4), all = least(vm, BATCH);

	return (double)(all - part) / (BATCH - BATCH / 4);
}

static uint64_t counter(struct vm *vm, int which)
{
	uint64_t values[NPT_CTR_NR];
	struct npt_stats s = {
		.size = sizeof(s), .count = NPT_CTR_NR, .values = (uintptr_t)values,
	};

	if (ioctl(vm->fd, NPT_STATS, &s))
		die("NPT_STATS");
	return values[which];
}

static void fill_pages(uint64_t base, uint64_t step)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		batch[i] = record(NPT_OP_READ, base + i * step);
}

/* --- accesses ------------------------------------------------------------------------------ */

static void bench_access(uint32_t mmu)
{
	unsigned int i;
	struct vm vm;
	char name[64];

	vm_start(&vm, mmu, 0, true, false);
	for (i = 0; i < BATCH; i++)
		batch[i] = record(NPT_OP_READ, FIRST_DATA + i * 8 % PAGE);
	snprintf(name, sizeof(name), "access, %s: TLB hit", mode_name[mmu]);
	figure(name, slope(&vm), "instr", 0, 0);
	vm_close(&vm);

	vm_start(&vm, mmu, 0, false, false);
	fill_pages(FIRST_DATA, PAGE);
	run(&vm, BATCH);
	snprintf(name, sizeof(name), "access, %s: cold walk of %s", mode_name[mmu],
		 mmu == NPT_MMU_NESTED ? "24" : "4");
	figure(name, slope(&vm), "instr", 0, 0);
	vm_close(&vm);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* First touch less later ones, for each fault counted in @which. */
static double fault_cost(struct vm *vm, unsigned int n, int which)
{
	uint64_t before = counter(vm, which), first = run(vm, n), faults;

	faults = counter(vm, which) - before;
	if (!faults) {
		fprintf(stderr, "kbench: there was no fault\n");
		exit(1);
	}
	return (double)(first - least(vm, n)) / faults;
}

static void bench_nested_faults(void)
{
	struct vm vm;

	vm_start(&vm, NPT_MMU_NESTED, 0, false, false);
	fill_pages(FIRST_DATA, PAGE);
	figure("nested fault: 4K, host page there", fault_cost(&vm, BATCH, NPT_CTR_pf_nested),
	       "instr", 1123, 3578);
	vm_close(&vm);

	vm_start(&vm, NPT_MMU_NESTED, 0, false, true);
	fill_pages(2 * MIB, 2 * MIB);
	figure("nested fault: 2M, host page there",
	       fault_cost(&vm, MEMORY / (2 * MIB) - 1, NPT_CTR_pf_nested), "instr",
	       11.7 * 512, 11.7 * 512 / 0.8);
	vm_close(&vm);
}

static void bench_shadow_faults(void)
{
	struct vm vm;

	vm_start(&vm, NPT_MMU_SHADOW, 0, false, false);
	fill_pages(FIRST_DATA, PAGE);
	figure("shadow fault: first touch of the page", fault_cost(&vm, BATCH, NPT_CTR_pf_shadow),
	       "instr", 1282, 2365);
	fill_pages(ALIAS + FIRST_DATA, PAGE);
	figure("shadow fault: page known, other address",
	       fault_cost(&vm, BATCH, NPT_CTR_pf_shadow), "instr", 0, 0);
	vm_close(&vm);
}

/* --- what a guest does to its tables ---------------------------------------------------- */

#define STEPS 256

/* A sequence of records for each of @STEPS pages. */
static double per_step(struct vm *vm, unsigned int records_per_step)
{
	return (double)least(vm, STEPS * records_per_step) / STEPS;
}

static struct npt_access pte_write(unsigned int page)
{
	struct npt_access a = record(NPT_OP_WRITE, PT(0) + page * 8);

	a.flags = NPT_ACCESS_USER | NPT_ACCESS_DATA;
	a.data = page * 8;
	return a;
}

/* Change a PTE (to the same page), INVLPG, touch the page: what a guest's kernel does. */
static void bench_pte_write(uint32_t mmu, uint32_t flags, const char *name, double aim,
			    double limit)
{
	unsigned int i, first = FIRST_DATA / PAGE;
	struct vm vm;

	vm_start(&vm, mmu, flags, true, false);
	fill_pages(FIRST_DATA, PAGE);
	run(&vm, BATCH);
	for (i = 0; i < STEPS; i++) {
		data[first + i] = (first + i) * PAGE | PTE_FLAGS | 0x200;
		batch[3 * i] = pte_write(first + i);
		batch[3 * i + 1] = record(NPT_OP_INVLPG, FIRST_DATA + i * PAGE);
		batch[3 * i + 2] = record(NPT_OP_READ, FIRST_DATA + i * PAGE);
	}
	run(&vm, 3 * STEPS);
	figure(name, per_step(&vm, 3), "instr", aim, limit);
	vm_close(&vm);
}

static void bench_invlpg(uint32_t mmu, double aim, double limit)
{
	unsigned int i;
	char name[64];
	struct vm vm;

	vm_start(&vm, mmu, 0, true, false);
	fill_pages(FIRST_DATA, PAGE);
	run(&vm, BATCH);
	for (i = 0; i < STEPS; i++) {
		batch[2 * i] = record(NPT_OP_INVLPG, FIRST_DATA + i % 16 * PAGE);
		batch[2 * i + 1] = record(NPT_OP_READ, FIRST_DATA + i % 16 * PAGE);
	}
	snprintf(name, sizeof(name), "INVLPG + touch, %s", mode_name[mmu]);
	figure(name, per_step(&vm, 2), "instr", aim, limit);
	vm_close(&vm);
}

static void bench_cr3(uint32_t mmu, double aim, double limit)
{
	unsigned int i;
	char name[64];
	struct vm vm;

	vm_start(&vm, mmu, 0, true, false);
	for (i = 0; i < STEPS; i++) {
		batch[2 * i] = record(NPT_OP_MOV_CR3, i % 2 ? PML4 : OTHER_PML4);
		batch[2 * i + 1] = record(NPT_OP_READ, FIRST_DATA);
	}
	run(&vm, 2 * STEPS);
	snprintf(name, sizeof(name), "CR3 switch + touch, %s", mode_name[mmu]);
	figure(name, per_step(&vm, 2), "instr", aim, limit);
	vm_close(&vm);
}

/* --- VMs -------------------------------------------------------------------------------------- */

static void bench_create(void)
{
	const int n = 32;
	uint64_t start, best = ~0ULL;
	struct vm vm = { 0 };
	int i;

	for (i = 0; i < n; i++) {
		start = ticks();
		vm_open(&vm, NPT_MMU_NESTED, 0, false);
		vm_close(&vm);
		start = ticks() - start;
		best = start < best ? start : best;
	}
	figure("VM with a vCPU: create and destroy", best, "instr", 1308000 / 4, 1000000);
}

/* A field of /proc/meminfo, in bytes. */
static double meminfo(const char *field)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char name[64];
	double kib;

	if (!f)
		die("/proc/meminfo");
	while (fscanf(f, "%63s %lf%*[^\n]", name, &kib) == 2) {
		if (strcmp(name, field))
			continue;
		fclose(f);
		return kib * 1024;
	}
	errno = ENOENT;
	die(field);
	return 0;
}

#define FILL_VMS	1000
#define COUNTED_VMS	500

/*
 * Whatever VMs take is missing from free memory. The first many use up what slabs and
 * per-CPU lists of pages have kept from others before them; the rest are counted.
 */
static void bench_memory(uint32_t mmu)
{
	static struct vm vms[FILL_VMS + COUNTED_VMS];
	char name[64];
	double free;
	int i;

	for (i = 0; i < FILL_VMS; i++)
		vm_open(&vms[i], mmu, 0, false);
	free = meminfo("MemFree:");
	for (; i < FILL_VMS + COUNTED_VMS; i++)
		vm_open(&vms[i], mmu, 0, false);
	free -= meminfo("MemFree:");
	while (i--)
		vm_close(&vms[i]);
	snprintf(name, sizeof(name), "idle VM with a vCPU, %s", mode_name[mmu]);
	figure(name, free / COUNTED_VMS, "bytes", 86 * 1024, 172 * 1024);
}

int main(void)
{
	struct rlimit files = { 4096, 4096 };

	dev = open("/dev/npt", O_RDWR);
	if (dev < 0)
		die("/dev/npt");
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("RLIMIT_NOFILE");
	printf("%-46s %12s %-6s %10s %10s\n", "Module", "figure", "unit", "aim", "limit");
	bench_access(NPT_MMU_NATIVE);
	bench_access(NPT_MMU_SHADOW);
	bench_access(NPT_MMU_NESTED);
	bench_nested_faults();
	bench_shadow_faults();
	bench_pte_write(NPT_MMU_SHADOW, 0, "PTE write + INVLPG + touch, shadow, unsync",
			0.8 * 5923, 5923);
	bench_pte_write(NPT_MMU_SHADOW, NPT_VM_NO_UNSYNC,
			"PTE write + INVLPG + touch, shadow, caught", 0.8 * 5923, 5923);
	bench_pte_write(NPT_MMU_NESTED, 0, "PTE write + INVLPG + touch, nested", 0, 0);
	bench_invlpg(NPT_MMU_SHADOW, 0.8 * 3495, 3495);
	bench_invlpg(NPT_MMU_NESTED, 0, 0);
	bench_cr3(NPT_MMU_SHADOW, 0.8 * 3539, 3539);
	bench_cr3(NPT_MMU_NESTED, 0, 0);
	bench_create();
	bench_memory(NPT_MMU_NESTED);
	bench_memory(NPT_MMU_SHADOW);
	return 0;
}
