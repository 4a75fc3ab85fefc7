// SPDX-License-Identifier: GPL-2.0
/* Operations: VMs, vCPUs, memslots. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../utils.h"
#include "kfuzz.h"

#define LOW	(2ul << 20)

static void choose_vm(struct rnd *r, struct npt_create_vm *c)
{
	static const uint32_t engines[] = {
		NPT_ENGINE_SOFT, NPT_ENGINE_SOFT, NPT_ENGINE_SVM, NPT_ENGINE_DEFAULT,
	};

	c->size = sizeof(*c);
	c->engine = engines[rnd_below(r, 4)];
	c->mmu = rnd_below(r, 4);
	c->flags = rnd_below(r, 4) ? 0 : NPT_VM_NO_UNSYNC;
	if (c->engine == NPT_ENGINE_SOFT) {
		c->nested_format = rnd_below(r, 3);
		c->nested_levels = rnd_bool(r) ? 0 : 4 + rnd_below(r, 2);
	}
	c->leaf_pages = rnd_bool(r) ? 0 : 1 | rnd_below(r, 8);
	c->max_table_pages = rnd_below(r, 3) ? 0 : NPT_MIN_TABLE_PAGES + rnd_below(r, 64);
}

static int create(struct rnd *r)
{
	struct npt_tlb_model model = {
		.size = sizeof(model), .flags = rnd_below(r, 4),
		.tlb = { { 1, 3, 7, rnd_below(r, 4), 16, 4 } },
		.pwc = { { 3, 0x3c, 0, 8, 0 } },
		.ntlb_entries = 8,
	};
	struct npt_create_vm c = {};

	choose_vm(r, &c);
	if (c.engine == NPT_ENGINE_SOFT && rnd_bool(r))
		c.tlb = (uintptr_t)&model;
	return do_ioctl(world.dev, NPT_CREATE_VM, &c);
}

static void add_vcpu(struct rnd *r, struct vcpu *v, unsigned int vm, unsigned long id)
{
	int fd = do_ioctl(world.vm[vm].fd, KVM_CREATE_VCPU, (void *)id);
	void *run;

	if (fd < 0)
		return;
	run = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* The old mapping stays: another thread may be looking at it. */
	v->run = run == MAP_FAILED ? 0 : (uintptr_t)run;
	v->vm = vm;
	put_fd(&v->fd, fd);
}

/* A VM with memory, tables that map it one to one, and vCPUs. */
void op_world(struct rnd *r)
{
	unsigned int n = rnd_below(r, 4) ? 0 : rnd_below(r, NVMS), i;
	int fd = create(r);

	if (fd < 0)
		fd = create_vm(world.dev, NPT_MMU_DEFAULT);
	if (fd < 0)
		return;
	put_fd(&world.vm[n].fd, fd);
	if (rnd_bool(r))
		do_ioctl(fd, KVM_CREATE_IRQCHIP, NULL);
	set_slot(fd, 0, rnd_below(r, 4) ? 0 : KVM_MEM_LOG_DIRTY_PAGES, 0, AREA_SIZE, area(n));
	if (rnd_bool(r))
		set_slot(fd, 1, rnd_bool(r) ? KVM_MEM_READONLY : 0, 3ul << 30, AREA_SIZE / 2,
			 area(rnd_below(r, NAREAS)));
	for (i = 0; i < 2; i++)
		add_vcpu(r, &world.vcpu[(n * 2 + i) % NVCPUS], n, i);
}

void op_create(struct rnd *r)
{
	struct npt_create_vm c = {};
	struct npt_tlb_model model;

	if (rnd_one_in(r, 4)) {
		put_fd(&any_vm(r)->fd, do_ioctl(world.dev, KVM_CREATE_VM,
						(void *)(rnd_bool(r) ? 0 : any_number(r))));
		return;
	}
	if (rnd_bool(r))
		choose_vm(r, &c);
	else
		fill(r, &c, sizeof(c));
	if (rnd_bool(r)) {
		fill(r, &model, sizeof(model));
		model.size = sizeof(model);
		c.tlb = (uintptr_t)&model;
	}
	if (rnd_below(r, 4))
		c.size = sizeof(c);
	put_fd(&any_vm(r)->fd, do_ioctl(world.dev, NPT_CREATE_VM, &c));
}

void op_vcpu(struct rnd *r)
{
	struct vcpu *v = any_vcpu(r);
	unsigned int vm = rnd_below(r, NVMS);

	add_vcpu(r, v, vm, rnd_below(r, 4) ? rnd_below(r, 4) : any_number(r));
}

void op_region(struct rnd *r)
{
	static const uint64_t sizes[] = {
		0, 0, PAGE, 3 * PAGE, 2ul << 20, AREA_SIZE, 2 * AREA_SIZE, ~0ul << 12,
	};
	static const uint32_t slots[] = { 0, 1, 2, 3, 511, NPT_MAX_SLOTS - 1, NPT_MAX_SLOTS, ~0u };
	struct kvm_userspace_memory_region m = {
		.slot = slots[rnd_below(r, 8)],
		.flags = rnd_below(r, 8) ? rnd_below(r, 4) : any_number(r),
		.guest_phys_addr = any_gpa(r) & ~0xffful,
		.memory_size = sizes[rnd_below(r, 8)],
		.userspace_addr = any_pointer(r) & (rnd_below(r, 8) ? ~0xffful : ~0ul),
	};

	if (rnd_bool(r)) {
		m.slot = rnd_below(r, 2);
		m.userspace_addr = (uintptr_t)area(rnd_below(r, NAREAS));
	}
	do_ioctl(any_vm(r)->fd, KVM_SET_USER_MEMORY_REGION, &m);
}

void op_close(struct rnd *r)
{
	if (rnd_bool(r))
		put_fd(&any_vm(r)->fd, -1);
	else
		put_fd(&any_vcpu(r)->fd, -1);
}

/* TLB models, flushes, counters. */
void op_model(struct rnd *r)
{
	int fd = rnd_bool(r) ? any_vm(r)->fd : any_vcpu(r)->fd;
	struct npt_flush flush = { .size = sizeof(flush), .scope = rnd_below(r, 4) };
	struct npt_tlb_model m = { .size = sizeof(m) };
	uint64_t values[NPT_CTR_NR + 8];
	struct npt_stats s = {
		.size = sizeof(s), .count = rnd_below(r, NPT_CTR_NR + 8),
		.values = rnd_below(r, 8) ? (uintptr_t)values : any_pointer(r),
	};

	switch (rnd_below(r, 4)) {
	case 0:
		do_ioctl(fd, NPT_GET_TLB, &m);
		fill(r, (char *)&m + rnd_below(r, sizeof(m) - 64), 64);
		do_ioctl(fd, NPT_SET_TLB, &m);
		break;
	case 1:
		m.tlb[0] = (struct npt_tlb_unit) { 1, 3, 7, rnd_below(r, 5), 1u << rnd_below(r, 18),
						   1u << rnd_below(r, 11) };
		do_ioctl(fd, NPT_SET_TLB, &m);
		break;
	case 2:
		flush.gva = flush.scope == NPT_FLUSH_ADDRESS ? any_number(r) : 0;
		flush.pcid = flush.scope == NPT_FLUSH_TAG ? rnd_below(r, 4100) : 0;
		do_ioctl(fd, NPT_FLUSH, &flush);
		break;
	default:
		do_ioctl(fd, NPT_STATS, &s);
	}
}

void op_dirty(struct rnd *r)
{
	static __thread uint8_t bits[4096];
	struct kvm_clear_dirty_log clear = {
		.slot = rnd_below(r, 3),
		.num_pages = rnd_bool(r) ? 64 * rnd_below(r, 17) : any_number(r),
		.first_page = rnd_bool(r) ? 64 * rnd_below(r, 17) : any_number(r),
		.dirty_bitmap = rnd_below(r, 8) ? bits : (void *)any_pointer(r),
	};
	struct kvm_dirty_log log = {
		.slot = rnd_below(r, 3),
		.dirty_bitmap = rnd_below(r, 8) ? bits : (void *)any_pointer(r),
	};
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { rnd_below(r, 5) },
	};
	int fd = any_vm(r)->fd;

	fill(r, bits, sizeof(bits));
	switch (rnd_below(r, 3)) {
	case 0:
		do_ioctl(fd, KVM_GET_DIRTY_LOG, &log);
		break;
	case 1:
		do_ioctl(fd, KVM_CLEAR_DIRTY_LOG, &clear);
		break;
	default:
		do_ioctl(fd, KVM_ENABLE_CAP, &cap);
	}
}
