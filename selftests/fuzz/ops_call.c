// SPDX-License-Identifier: GPL-2.0
/* Operations: every ioctl, with structs that were read first, made up, or neither. */
#include <string.h>

#include "../utils.h"
#include "kfuzz.h"

enum on { ON_DEV, ON_VM, ON_VCPU };

/* Those without an operation of their own. */
static const struct call {
	unsigned long cmd;
	enum on on;
	uint16_t size;		/* of an own struct; KVM's is in the number */
} calls[] = {
	{ KVM_GET_API_VERSION, ON_DEV },
	{ KVM_CHECK_EXTENSION, ON_DEV },
	{ KVM_GET_VCPU_MMAP_SIZE, ON_DEV },
	{ NPT_GET_CAPS, ON_DEV, sizeof(struct npt_caps) },
	{ KVM_CHECK_EXTENSION, ON_VM },
	{ KVM_ENABLE_CAP, ON_VM },
	{ KVM_SET_NR_MMU_PAGES, ON_VM },
	{ KVM_GET_NR_MMU_PAGES, ON_VM },
	{ KVM_GET_TSC_KHZ, ON_VM },
	{ KVM_SET_TSC_KHZ, ON_VM },
	{ KVM_CREATE_IRQCHIP, ON_VM },
	{ KVM_GET_IRQCHIP, ON_VM },
	{ KVM_SET_IRQCHIP, ON_VM },
	{ KVM_IRQ_LINE, ON_VM },
	{ KVM_IRQ_LINE_STATUS, ON_VM },
	{ KVM_SIGNAL_MSI, ON_VM },
	{ KVM_SET_TSS_ADDR, ON_VM },
	{ KVM_SET_IDENTITY_MAP_ADDR, ON_VM },
	{ KVM_SET_BOOT_CPU_ID, ON_VM },
	{ NPT_VM_INFO, ON_VM, sizeof(struct npt_vm_info) },
	{ NPT_FLUSH, ON_VM, sizeof(struct npt_flush) },
	{ KVM_SET_GUEST_DEBUG, ON_VCPU },
	{ KVM_INTERRUPT, ON_VCPU },
	{ KVM_NMI, ON_VCPU },
	{ KVM_GET_TSC_KHZ, ON_VCPU },
	{ KVM_SET_TSC_KHZ, ON_VCPU },
	{ NPT_FLUSH, ON_VCPU, sizeof(struct npt_flush) },
	{ NPT_EXPLAIN, ON_VCPU, sizeof(struct npt_explain) },
};

/* State that is read, changed in a few places, and written back. */
static const struct pair {
	unsigned long get, set;
	enum on on;
} pairs[] = {
	{ KVM_GET_REGS, KVM_SET_REGS, ON_VCPU },
	{ KVM_GET_SREGS, KVM_SET_SREGS, ON_VCPU },
	{ KVM_GET_SREGS2, KVM_SET_SREGS2, ON_VCPU },
	{ KVM_GET_FPU, KVM_SET_FPU, ON_VCPU },
	{ KVM_GET_XSAVE, KVM_SET_XSAVE, ON_VCPU },
	{ KVM_GET_XSAVE2, KVM_SET_XSAVE, ON_VCPU },
	{ KVM_GET_XCRS, KVM_SET_XCRS, ON_VCPU },
	{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, ON_VCPU },
	{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, ON_VCPU },
	{ KVM_GET_MP_STATE, KVM_SET_MP_STATE, ON_VCPU },
	{ KVM_GET_LAPIC, KVM_SET_LAPIC, ON_VCPU },
	{ KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, ON_VM },
};

#define ROOM (64 << 10)

static int fd_of(struct rnd *r, enum on on)
{
	return on == ON_DEV ? world.dev : on == ON_VM ? any_vm(r)->fd : any_vcpu(r)->fd;
}

/* The argument is a struct, or a value where the number has no size. */
void op_call(struct rnd *r)
{
	static __thread uint8_t buf[ROOM];
	const struct call *c = &calls[rnd_below(r, ARRAY_SIZE(calls))];
	size_t size = c->size ? c->size : _IOC_SIZE(c->cmd);
	int fd = fd_of(r, c->on);

	if (!size) {
		do_ioctl(fd, c->cmd, (void *)any_number(r));
		return;
	}
	fill(r, buf, size);
	if (c->size && rnd_below(r, 8))
		*(uint32_t *)buf = size;
	if (c->size && rnd_bool(r))
		*(uint32_t *)(buf + 4) = 0;
	do_ioctl(fd, c->cmd, rnd_one_in(r, 16) ? (void *)any_pointer(r) : buf);
}

void op_state(struct rnd *r)
{
	static __thread uint8_t buf[ROOM];
	const struct pair *p = &pairs[rnd_below(r, ARRAY_SIZE(pairs))];
	size_t size = _IOC_SIZE(p->get);
	int fd = fd_of(r, p->on);

	if (p->get == KVM_GET_IRQCHIP)
		*(uint32_t *)buf = rnd_below(r, 4);
	if (do_ioctl(fd, p->get, buf))
		return;
	for (unsigned int n = rnd_below(r, 5); n; n--) {
		size_t at = rnd_below(r, size) & ~3ul;

		if (rnd_bool(r))
			*(uint32_t *)(buf + at) ^= 1u << rnd_below(r, 32);
		else
			*(uint32_t *)(buf + at) = any_number(r);
	}
	do_ioctl(fd, p->set, buf);
}

static void list_msrs(struct rnd *r, int fd, uint8_t *buf)
{
	static const uint32_t index[] = {
		0x10, 0x1b, 0x3a, 0x3b, 0xfe, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x200, 0x250,
		0x277, 0x2ff, 0x6e0, 0x802, 0x80f, 0x830, 0x83e, 0xda0, 0xc0000080, 0xc0000081,
		0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010000,
		0xc0010015, 0xc0010114, 0xc0010117, 0x4b564d00, 0x40000000,
	};
	struct kvm_msrs *m = (void *)buf;

	m->nmsrs = rnd_below(r, 16);
	for (unsigned int i = 0; i < m->nmsrs; i++)
		m->entries[i] = (struct kvm_msr_entry) {
			.index = rnd_below(r, 8) ? index[rnd_below(r, ARRAY_SIZE(index))] :
				 any_number(r),
			.data = any_number(r),
		};
	if (rnd_one_in(r, 16))
		m->nmsrs = any_number(r);
	do_ioctl(fd, rnd_bool(r) ? KVM_SET_MSRS : KVM_GET_MSRS, m);
}

static void cpuid(struct rnd *r, int fd, uint8_t *buf)
{
	struct kvm_cpuid2 *c = (void *)buf;

	c->nent = rnd_below(r, 4) ? 100 : any_number(r);
	if (rnd_bool(r) || do_ioctl(world.dev, rnd_bool(r) ? KVM_GET_SUPPORTED_CPUID :
				    KVM_GET_EMULATED_CPUID, c))
		do_ioctl(fd, KVM_GET_CPUID2, c);
	if (c->nent > 200)
		return;
	for (unsigned int n = rnd_below(r, 6); n && c->nent; n--)
		fill(r, &c->entries[rnd_below(r, c->nent)], sizeof(c->entries[0]));
	do_ioctl(fd, KVM_SET_CPUID2, c);
}

static void routes(struct rnd *r, int fd, uint8_t *buf)
{
	struct kvm_irq_routing *t = (void *)buf;

	fill(r, buf, 8 + 24 * sizeof(t->entries[0]));
	t->nr = rnd_below(r, 24);
	t->flags = 0;
	for (unsigned int i = 0; i < t->nr && rnd_below(r, 8); i++) {
		t->entries[i].gsi = rnd_below(r, 30);
		t->entries[i].type = 1 + rnd_below(r, 3);
		t->entries[i].flags = 0;
		t->entries[i].u.irqchip.irqchip = rnd_below(r, 4);
		t->entries[i].u.irqchip.pin = rnd_below(r, 28);
	}
	if (rnd_one_in(r, 8))
		t->nr = any_number(r);
	do_ioctl(fd, KVM_SET_GSI_ROUTING, t);
}

/* What has a list behind its struct. */
void op_list(struct rnd *r)
{
	static __thread uint8_t buf[ROOM];
	struct kvm_msr_list *list = (void *)buf;
	struct kvm_signal_mask *mask = (void *)buf;

	switch (rnd_below(r, 6)) {
	case 0:
	case 1:
		list_msrs(r, rnd_below(r, 8) ? any_vcpu(r)->fd : world.dev, buf);
		break;
	case 2:
		cpuid(r, any_vcpu(r)->fd, buf);
		break;
	case 3:
		routes(r, any_vm(r)->fd, buf);
		break;
	case 4:
		list->nmsrs = rnd_bool(r) ? 1000 : any_number(r);
		do_ioctl(world.dev, rnd_bool(r) ? KVM_GET_MSR_INDEX_LIST :
			 KVM_GET_MSR_FEATURE_INDEX_LIST, list);
		break;
	default:
		/* None blocked: or nothing would end a guest that loops. */
		memset(buf, 0, 16);
		mask->len = rnd_below(r, 4) ? 8 : any_number(r);
		do_ioctl(any_vcpu(r)->fd, KVM_SET_SIGNAL_MASK, rnd_bool(r) ? mask : NULL);
	}
}

/* A number that may be nobody's, on whatever fd. */
void op_any(struct rnd *r)
{
	static __thread uint8_t buf[16 << 10];
	unsigned long cmd = calls[rnd_below(r, ARRAY_SIZE(calls))].cmd;
	int fd = fd_of(r, rnd_below(r, 3));

	switch (rnd_below(r, 3)) {
	case 0:
		cmd = _IO(rnd_bool(r) ? NPTIO : KVMIO, rnd_below(r, 256));
		break;
	case 1:
		cmd = _IOC(rnd_below(r, 4), rnd_bool(r) ? NPTIO : KVMIO, rnd_below(r, 256),
			   rnd_below(r, 4096));
		break;
	}
	fill(r, buf, 512);
	do_ioctl(fd, cmd, rnd_below(r, 4) ? buf : (void *)any_number(r));
}
