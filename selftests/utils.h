/* SPDX-License-Identifier: GPL-2.0 */
/* Raw calls for tests of the ABI: no library in between. */
#ifndef NPT_SELFTESTS_UTILS_H
#define NPT_SELFTESTS_UTILS_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/npt.h>

#define PAGE 4096UL
#define MIB (1UL << 20)

/* In a FIXTURE_SETUP(): nothing but the reason, or the harness goes on to the test. */
#define SKIP_ALL(...) SKIP({ _metadata->passed = 0; return; }, __VA_ARGS__)

/* An address that no process has. */
#define BAD_PTR ((void *)0xdead000000000UL)

/* ioctl(), with -errno for an error. */
static inline long call(int fd, unsigned long cmd, void *arg)
{
	long ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static inline long call_value(int fd, unsigned long cmd, unsigned long arg)
{
	return call(fd, cmd, (void *)arg);
}

static inline int open_npt(void)
{
	return open("/dev/npt", O_RDWR | O_CLOEXEC);
}

/* A struct for NPT_CREATE_VM: the engine that takes accesses, and the mode. */
static inline struct npt_create_vm vm_args(unsigned int mmu)
{
	struct npt_create_vm c = { .size = sizeof(c), .engine = NPT_ENGINE_SOFT, .mmu = mmu };

	return c;
}

/* A VM as @args have it, which can be used again. */
static inline int create_as(int dev, const struct npt_create_vm *args)
{
	struct npt_create_vm c = *args;

	return call(dev, NPT_CREATE_VM, &c);
}

static inline int create_vm(int dev, unsigned int mmu)
{
	struct npt_create_vm c = vm_args(mmu);

	return create_as(dev, &c);
}

static inline int set_slot(int vm, uint32_t slot, uint32_t flags, uint64_t gpa,
			   uint64_t size, void *mem)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	return call(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static inline void *map_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The same at an address for large pages; NULL: there is none. */
static inline char *map_aligned(size_t size)
{
	char *area = map_memory(size + 2 * MIB), *mem;

	if (area == MAP_FAILED)
		return NULL;
	mem = (char *)(((uintptr_t)area + 2 * MIB - 1) & ~(2 * MIB - 1));
	munmap(area, mem - area);
	munmap(mem + size, area + 2 * MIB - mem);
	return mem;
}

/* One access with its data, and how it ended. Returns -errno of the call, else enum npt_status. */
static inline int access_one(int vcpu, uint8_t op, uint8_t flags, uint64_t gva,
			     void *data, uint16_t size, struct npt_access_result *res)
{
	struct npt_access rec = { .gva = gva, .size = size, .op = op, .flags = flags };
	struct npt_access_result own;
	struct npt_batch b = {
		.size = sizeof(b),
		.accesses = (uintptr_t)&rec,
		.results = (uintptr_t)(res ?: &own),
		.count = 1,
	};
	long ret;

	if (data) {
		rec.flags |= NPT_ACCESS_DATA;
		b.data = (uintptr_t)data;
		b.data_len = size;
	}
	ret = call(vcpu, NPT_BATCH, &b);
	return ret ? ret : (res ?: &own)->status;
}

static inline int read_phys(int vcpu, uint64_t gpa, void *data, uint16_t size)
{
	return access_one(vcpu, NPT_OP_READ, NPT_ACCESS_PHYS, gpa, data, size, NULL);
}

static inline int write_phys(int vcpu, uint64_t gpa, const void *data, uint16_t size)
{
	return access_one(vcpu, NPT_OP_WRITE, NPT_ACCESS_PHYS, gpa, (void *)data, size, NULL);
}

static inline int read_virt(int vcpu, uint64_t gva, void *data, uint16_t size)
{
	return access_one(vcpu, NPT_OP_READ, 0, gva, data, size, NULL);
}

static inline int write_virt(int vcpu, uint64_t gva, const void *data, uint16_t size)
{
	return access_one(vcpu, NPT_OP_WRITE, 0, gva, (void *)data, size, NULL);
}

/* One counter, of a VM's or a vCPU's fd; ~0 if it can't be read. */
static inline uint64_t counter(int fd, enum npt_counter which)
{
	uint64_t values[NPT_CTR_NR];
	struct npt_stats s = {
		.size = sizeof(s),
		.count = NPT_CTR_NR,
		.values = (uintptr_t)values,
	};

	return call(fd, NPT_STATS, &s) ? ~0ULL : values[which];
}

/* --- a small guest ------------------------------------------------------- */

#define PTE_P 1UL
#define PTE_W 2UL
#define PTE_U 4UL
#define PTE_RWU (PTE_P | PTE_W | PTE_U)

#define CR0_PE 1UL
#define CR0_PG (1UL << 31)
#define CR0_WP (1UL << 16)
#define CR4_PAE (1UL << 5)
#define EFER_LME (1UL << 8)
#define EFER_LMA (1UL << 10)

/* Where identity_tables() puts level-1 tables: after PML4, PDPT and PD. */
#define FIRST_PT 3

/* Bytes of tables that identity_tables() needs to map @size bytes, up to 1 GiB. */
static inline size_t tables_size(size_t size)
{
	return (FIRST_PT + (size + 2 * MIB - 1) / (2 * MIB)) * PAGE;
}

/* 4-level tables at @mem (guest-physical @gpa): gva = gpa for [0, size), 4K pages. */
static inline void identity_tables(void *mem, uint64_t gpa, size_t size)
{
	uint64_t *t = mem;
	size_t i;

	memset(mem, 0, tables_size(size));
	t[0] = (gpa + PAGE) | PTE_RWU;
	t[512] = (gpa + 2 * PAGE) | PTE_RWU;
	for (i = 0; i * 2 * MIB < size; i++)
		t[2 * 512 + i] = (gpa + (FIRST_PT + i) * PAGE) | PTE_RWU;
	for (i = 0; i * PAGE < size; i++)
		t[FIRST_PT * 512 + i] = i * PAGE | PTE_RWU;
}

/* The level-1 entry for @gva in those tables. */
static inline volatile uint64_t *pte_of(void *mem, uint64_t gva)
{
	return (uint64_t *)mem + FIRST_PT * 512 + gva / PAGE;
}

/* 64-bit mode with paging on. */
static inline long long_mode(int vcpu, uint64_t cr3)
{
	struct kvm_sregs s;
	long ret = call(vcpu, KVM_GET_SREGS, &s);

	if (ret)
		return ret;
	s.cr0 = CR0_PE | CR0_PG | CR0_WP;
	s.cr3 = cr3;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	s.cs.l = 1;
	return call(vcpu, KVM_SET_SREGS, &s);
}

#endif /* NPT_SELFTESTS_UTILS_H */
