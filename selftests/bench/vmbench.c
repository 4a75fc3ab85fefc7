// SPDX-License-Identifier: GPL-2.0
/*
 * What a real guest costs, in instructions, through KVM's ioctls: the same program
 * on KVM and on npt. Run in the lab with --icount, where the time stamp counter counts
 * instructions; a guest's own are counted with the hypervisor's. Its guest is a few
 * loops in long mode. Prints "NAME|figure|unit|aim nested|aim shadow", the aims as
 * a factor of KVM's figure.
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
#include <time.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "ticks.h"
#include "vmguest.h"

#define PAGE		4096ULL
#define MIB		(1ULL << 20)
#define GIB		(1ULL << 30)
#define MEMORY		(32 * MIB)
#define PAGES		4096U		/* of data */

/* Guest-physical addresses. */
#define GDT		0x1000ULL
#define IDT		0x2000ULL
#define CODE		0x3000ULL
#define STACK_TOP	0x8000ULL
#define ROOT_A		0x10000ULL	/* each root has tables of its own ... */
#define ROOT_B		0x40000ULL
#define PDPT(root)	((root) + 1 * PAGE)
#define PD(root, gib)	((root) + (2 + (gib)) * PAGE)
#define PT(root, i)	((root) + (8 + (i)) * PAGE)
#define DATA		(16 * MIB)	/* ... but the same data */
#define NO_MEMORY	0xd0000000ULL

/* Guest-virtual addresses. The first 32 MiB are mapped to themselves, by 2M pages. */
#define SMALL		(1 * GIB)	/* DATA by 4K pages */
#define LARGE		(2 * GIB)	/* DATA by 2M pages */
#define MMIO		(3 * GIB)	/* NO_MEMORY */

#define P_W_U_A_D	0x67ULL
#define NO_WRITE	0x65ULL
#define LARGE_PAGE	0x80ULL

#define PORT		0x10
#define PORT_DONE	0x11

enum backing {
	PRESENT,	/* 4K pages, there before the guest is */
	ABSENT,		/* 4K pages, to be allocated when touched */
	HUGE,		/* 2M pages, there */
};

struct vm {
	int fd, vcpu;
	struct kvm_run *run;
	uint8_t *map, *mem;
};

static int dev;
static size_t run_size;
static struct kvm_cpuid2 *cpuid;

static void die(const char *what)
{
	fprintf(stderr, "vmbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Factors that @nested and @shadow must not exceed; 0: none. */
static void figure(const char *name, double value, const char *unit, double nested,
		   double shadow)
{
	printf("%s|%.1f|%s|%g|%g\n", name, value, unit, nested, shadow);
	fflush(stdout);
}

/* --- a guest -------------------------------------------------------------------------- */

static void put(struct vm *vm, uint64_t gpa, uint64_t value)
{
	memcpy(vm->mem + gpa, &value, sizeof(value));
}

static void build_root(struct vm *vm, uint64_t root)
{
	uint64_t i;

	put(vm, root, PDPT(root) | P_W_U_A_D);
	for (i = 0; i < 4; i++)
		put(vm, PDPT(root) + i * 8, PD(root, i) | P_W_U_A_D);
	for (i = 0; i < MEMORY / (2 * MIB); i++)
		put(vm, PD(root, 0) + i * 8, i * 2 * MIB | P_W_U_A_D | LARGE_PAGE);
	for (i = 0; i < PAGES; i++)
		put(vm, PT(root, 0) + i * 8, (DATA + i * PAGE) | P_W_U_A_D);
	for (i = 0; i < PAGES / 512; i++) {
		put(vm, PD(root, 1) + i * 8, PT(root, i) | P_W_U_A_D);
		put(vm, PD(root, 2) + i * 8, (DATA + i * 2 * MIB) | P_W_U_A_D | LARGE_PAGE);
	}
	put(vm, PD(root, 3), NO_MEMORY | P_W_U_A_D | LARGE_PAGE);
}

static uint64_t code(const uint8_t *label)
{
	return CODE + (label - guest_begin);
}

/* Code, descriptors, and a gate for #PF (SDM vol. 3A, 6.14.1). */
static void build_guest(struct vm *vm)
{
	uint64_t handler = code(guest_handler);

	memcpy(vm->mem + CODE, guest_begin, guest_end - guest_begin);
	put(vm, GDT + 8, 0x00af9b000000ffffULL);
	put(vm, GDT + 16, 0x00cf93000000ffffULL);
	put(vm, IDT + 14 * 16, (handler & 0xffff) | 8 << 16 | 0x8e00ULL << 32 |
				(handler >> 16 & 0xffff) << 48);
	put(vm, IDT + 14 * 16 + 8, handler >> 32);
	build_root(vm, ROOT_A);
	build_root(vm, ROOT_B);
}

static void alloc_memory(struct vm *vm, enum backing backing)
{
	vm->map = mmap(NULL, MEMORY + 2 * MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->map == MAP_FAILED)
		die("mmap");
	vm->mem = vm->map + (2 * MIB - (uintptr_t)vm->map % (2 * MIB));
	madvise(vm->mem, MEMORY, backing == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(vm->mem, 0, DATA);
	if (backing != ABSENT)
		memset(vm->mem + DATA, 0, MEMORY - DATA);
	build_guest(vm);
}

static void set_memory(struct vm *vm, uint64_t size)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = size, .userspace_addr = (uintptr_t)vm->mem,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		die("KVM_SET_USER_MEMORY_REGION");
}

static struct kvm_segment segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
		.s = 1, .g = 1, .l = type == 11, .db = type != 11,
	};
}

static void set_sregs(struct vm *vm)
{
	struct kvm_sregs s;

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.cs = segment(8, 11);
	s.ds = segment(16, 3);
	s.es = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.ss = s.ds;
	s.gdt.base = GDT;
	s.gdt.limit = 23;
	s.idt.base = IDT;
	s.idt.limit = 15 * 16 - 1;
	s.cr0 = 0x80010031;	/* PG, WP, NE, ET, PE */
	s.cr3 = ROOT_A;
	s.cr4 = 0x20;		/* PAE */
	s.efer = 0x500;		/* LMA, LME */
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &s))
		die("KVM_SET_SREGS");
}

/* A VM with a vCPU, as it is before anything is said to it. */
static void vm_create(struct vm *vm)
{
	vm->fd = ioctl(dev, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("KVM_CREATE_VM");
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		die("KVM_CREATE_VCPU");
}

static void vm_prepare(struct vm *vm)
{
	vm->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die("the vCPU's mmap");
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid))
		die("KVM_SET_CPUID2");
	set_sregs(vm);
}

static void vm_destroy(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, run_size);
	close(vm->vcpu);
	close(vm->fd);
	vm->run = NULL;
}

static void vm_start(struct vm *vm, enum backing backing)
{
	memset(vm, 0, sizeof(*vm));
	alloc_memory(vm, backing);
	vm_create(vm);
	set_memory(vm, MEMORY);
	vm_prepare(vm);
}

static void vm_stop(struct vm *vm)
{
	vm_destroy(vm);
	munmap(vm->map, MEMORY + 2 * MIB);
}

/* --- running it ------------------------------------------------------------------------- */

static void unexpected(struct vm *vm)
{
	struct kvm_regs r = { 0 };

	ioctl(vm->vcpu, KVM_GET_REGS, &r);
	fprintf(stderr, "vmbench: unexpected exit %u at rip %llx\n", vm->run->exit_reason, r.rip);
	exit(1);
}

/* What the last exit left to be done is done by a run that ends before the guest is entered. */
static void complete(struct vm *vm)
{
	vm->run->immediate_exit = 1;
	if (!ioctl(vm->vcpu, KVM_RUN, 0) || errno != EINTR)
		die("KVM_RUN with immediate_exit");
	vm->run->immediate_exit = 0;
}

static void set_regs(struct vm *vm, struct kvm_regs *regs, const uint8_t *label)
{
	complete(vm);
	regs->rip = code(label);
	regs->rsp = STACK_TOP;
	regs->rflags = 2;
	if (ioctl(vm->vcpu, KVM_SET_REGS, regs))
		die("KVM_SET_REGS");
}

/* Instructions until the guest's loop at @label is done. */
static uint64_t run(struct vm *vm, const uint8_t *label, struct kvm_regs regs)
{
	uint64_t start;

	set_regs(vm, &regs, label);
	start = ticks();
	if (ioctl(vm->vcpu, KVM_RUN, 0))
		die("KVM_RUN");
	start = ticks() - start;
	if (vm->run->exit_reason != KVM_EXIT_IO || vm->run->io.port != PORT_DONE)
		unexpected(vm);
	return start;
}

/* ... without what entering and leaving the guest costs. */
static uint64_t run_net(struct vm *vm, const uint8_t *label, struct kvm_regs regs)
{
	struct kvm_regs none = { 0 };
	uint64_t empty = ~0ULL, t;
	int i;

	for (i = 0; i < 3; i++) {
		t = run(vm, guest_done, none);
		empty = t < empty ? t : empty;
	}
	t = run(vm, label, regs);
	return t > empty ? t - empty : 0;
}

/* A loop that can be repeated: the best of a few runs, per turn. */
static double loop(struct vm *vm, const uint8_t *label, struct kvm_regs regs, unsigned int n)
{
	uint64_t best = ~0ULL, t;
	int i;

	regs.rcx = n;
	regs.r12 = n;
	for (i = 0; i < 5; i++) {
		t = run_net(vm, label, regs);
		best = t < best ? t : best;
	}
	return (double)best / n;
}

/* --- exits --------------------------------------------------------------------------------- */

/* Best average of a few rounds of exits to this program, all of one reason. */
static double exits(struct vm *vm, const uint8_t *label, unsigned int reason)
{
	struct kvm_regs regs = { .rdi = MMIO };
	uint64_t start, best = ~0ULL;
	int round, i;

	set_regs(vm, &regs, label);
	for (round = 0; round < 5; round++) {
		start = ticks();
		for (i = 0; i < 1000; i++)
			if (ioctl(vm->vcpu, KVM_RUN, 0) || vm->run->exit_reason != reason)
				unexpected(vm);
		start = ticks() - start;
		best = start < best ? start : best;
	}
	return best / 1000.0;
}

static void bench_exits(void)
{
	struct kvm_regs regs = { 0 };
	struct vm vm;

	vm_start(&vm, PRESENT);
	figure("exit to user space and back (OUT)", exits(&vm, guest_out, KVM_EXIT_IO),
	       "instr", 0.7, 0.7);
	figure("exit handled in the kernel (CPUID)", loop(&vm, guest_cpuid, regs, 1000), "instr",
	       0.5, 0.5);
	figure("HLT exit to user space", exits(&vm, guest_hlt, KVM_EXIT_HLT), "instr", 0.7, 0.7);
	figure("MMIO write exit to user space", exits(&vm, guest_mmio, KVM_EXIT_MMIO), "instr",
	       0.8, 0.8);
	vm_stop(&vm);
}

/* --- first touch ------------------------------------------------------------------------------ */

static double touch(struct vm *vm, uint64_t gva)
{
	struct kvm_regs regs = { .rdi = gva, .rcx = PAGES };

	return (double)run_net(vm, guest_touch, regs) / PAGES;
}

static void bench_touch(const char *name, enum backing backing, uint64_t gva)
{
	struct vm vm;

	vm_start(&vm, backing);
	figure(name, touch(&vm, gva), "instr", 1, 1);
	if (backing == PRESENT && gva == SMALL)
		figure("second touch", touch(&vm, gva), "instr", 1, 1);
	vm_stop(&vm);
}

static void bench_touches(void)
{
	bench_touch("first touch, 4K host page there, guest 2M", PRESENT, LARGE);
	bench_touch("first touch, 4K host page there, guest 4K", PRESENT, SMALL);
	bench_touch("first touch, host allocates 4K, guest 2M", ABSENT, LARGE);
	bench_touch("first touch, host allocates 4K, guest 4K", ABSENT, SMALL);
	bench_touch("first touch, 2M host page there, guest 2M, per 4K", HUGE, LARGE);
	bench_touch("first touch, 2M host page there, guest 4K, per 4K", HUGE, SMALL);
}

/* --- what a guest does to its tables ------------------------------------------------------- */

#define TURNS 1000

static void bench_tables(void)
{
	struct kvm_regs regs = {
		.rdi = SMALL, .r8 = PT(ROOT_A, 0), .r9 = DATA | P_W_U_A_D, .rdx = PAGE,
	};
	struct vm vm;

	vm_start(&vm, PRESENT);
	/* All pages are there for the guest before anything is counted. */
	touch(&vm, LARGE);
	touch(&vm, SMALL);
	figure("guest: INVLPG + touch", loop(&vm, guest_invlpg, regs, TURNS), "instr", 1, 0.8);
	figure("guest: change PTE + INVLPG + touch", loop(&vm, guest_pte, regs, TURNS), "instr",
	       1, 0.8);
	regs.rdx = 0;
	figure("guest: page-fault cycle", loop(&vm, guest_fault, regs, TURNS), "instr", 1, 0.8);
	regs.rdx = DATA | NO_WRITE;
	figure("guest: write-protect cycle", loop(&vm, guest_protect, regs, TURNS), "instr", 1,
	       0.8);
	vm_stop(&vm);
}

static void bench_new_pte(void)
{
	struct kvm_regs regs = {
		.rdi = SMALL, .r8 = PT(ROOT_A, 0), .r9 = DATA | P_W_U_A_D, .rcx = PAGES,
	};
	struct vm vm;

	vm_start(&vm, PRESENT);
	touch(&vm, LARGE);
	memset(vm.mem + PT(ROOT_A, 0), 0, PAGES * 8);
	figure("guest: install new PTE + touch",
	       (double)run_net(&vm, guest_new_pte, regs) / PAGES, "instr", 1, 0.8);
	vm_stop(&vm);
}

static void bench_roots(void)
{
	struct kvm_regs regs = { .rdi = SMALL, .rax = ROOT_A, .rdx = ROOT_A ^ ROOT_B };
	struct kvm_regs other = { .rdi = SMALL, .rax = ROOT_B, .rcx = PAGES };
	struct vm vm;

	vm_start(&vm, PRESENT);
	touch(&vm, SMALL);
	figure("guest: CR3 reload + touch", loop(&vm, guest_cr3, regs, TURNS), "instr", 1, 0.8);
	figure("same memory through another root, per page",
	       (double)run_net(&vm, guest_root, other) / PAGES, "instr", 1, 1);
	figure("guest: CR3 switch + touch", loop(&vm, guest_switch, regs, TURNS), "instr", 1,
	       0.8);
	vm_stop(&vm);
}

/* --- VMs --------------------------------------------------------------------- */

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void run_once(struct vm *vm)
{
	struct kvm_regs none = { 0 };

	set_memory(vm, 8 * MIB);
	vm_prepare(vm);
	run(vm, guest_done, none);
}

#define CYCLES 20

/* This program's own processor time, in ns, which are instructions too. */
static void bench_create(bool with_run)
{
	uint64_t cpu = 0, elapsed = 0;
	struct vm vm = { 0 };
	int i;

	alloc_memory(&vm, ABSENT);
	for (i = 0; i < CYCLES + 2; i++) {
		if (i == 2) {	/* caches are warm by now */
			cpu = cpu_time();
			elapsed = ticks();
		}
		vm_create(&vm);
		if (with_run)
			run_once(&vm);
		vm_destroy(&vm);
	}
	elapsed = ticks() - elapsed;
	cpu = cpu_time() - cpu;
	munmap(vm.map, MEMORY + 2 * MIB);
	if (with_run) {
		figure("VM: create, run once, destroy, CPU", (double)cpu / CYCLES, "instr", 0.25,
		       0.25);
		figure("VM: create, run once, destroy, elapsed", (double)elapsed / CYCLES,
		       "instr", 0, 0);
	} else {
		figure("VM: create, destroy, CPU", (double)cpu / CYCLES, "instr", 0.25, 0.25);
	}
}

/* A field of /proc/meminfo, in KiB. */
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
		return kib;
	}
	errno = ENOENT;
	die(field);
	return 0;
}

/* What the VMs before had may be freed late: after grace periods, by other threads. */
static void settle(void)
{
	double before = -1, now = meminfo("MemFree:");
	int rounds = 50;

	while (now != before && rounds--) {
		usleep(200000);
		before = now;
		now = meminfo("MemFree:");
	}
}

#define FILL_VMS	150
#define COUNTED_VMS	150

/* The first VMs use up what slabs and per-CPU lists have kept; the rest are counted. */
static void bench_memory(bool with_run)
{
	static struct vm vms[FILL_VMS + COUNTED_VMS];
	struct vm source = { 0 };
	double free = 0;
	int i;

	alloc_memory(&source, ABSENT);
	settle();
	for (i = 0; i < FILL_VMS + COUNTED_VMS; i++) {
		if (i == FILL_VMS)
			free = meminfo("MemFree:");
		vms[i] = (struct vm){ .mem = source.mem };
		vm_create(&vms[i]);
		if (with_run)
			run_once(&vms[i]);
	}
	free -= meminfo("MemFree:");
	while (i--)
		vm_destroy(&vms[i]);
	munmap(source.map, MEMORY + 2 * MIB);
	figure(with_run ? "kernel memory, VM + vCPU + 8 MiB, run once" :
			  "kernel memory, VM + vCPU, never run",
	       free / COUNTED_VMS, "KiB", 0.5, 0.5);
}

static void prepare(const char *path)
{
	struct rlimit files = { 4096, 4096 };
	int size;

	dev = open(path, O_RDWR);
	if (dev < 0)
		die(path);
	size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		die("KVM_GET_VCPU_MMAP_SIZE");
	run_size = size;
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("RLIMIT_NOFILE");
	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die("memory");
	cpuid->nent = 256;
	if (ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid))
		die("KVM_GET_SUPPORTED_CPUID");
}

int main(int argc, char **argv)
{
	prepare(argc > 1 ? argv[1] : "/dev/kvm");
	bench_exits();
	bench_touches();
	bench_tables();
	bench_new_pte();
	bench_roots();
	bench_create(true);
	bench_create(false);
	bench_memory(false);
	bench_memory(true);
	return 0;
}
