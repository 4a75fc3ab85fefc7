// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the machine's loader on any file: flat, ELF, multiboot. Memory has an
 * end that can't be touched; a refusal comes with one line; what was loaded is
 * enterable.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "machine_priv.h"
#include "test.h"

#define MEMORY	(1ull << 20)

static struct kvm_regs regs;
static struct kvm_sregs sregs;

static int get_sregs(struct npt_vcpu *vcpu, struct kvm_sregs *to)
{
	memset(to, 0, sizeof(*to));
	return 0;
}

static int set_sregs(struct npt_vcpu *vcpu, const struct kvm_sregs *from)
{
	sregs = *from;
	return 0;
}

static int set_regs(struct npt_vcpu *vcpu, const struct kvm_regs *from)
{
	regs = *from;
	return 0;
}

static const struct npt_backend backend = {
	.vcpu_get_sregs = get_sregs, .vcpu_set_sregs = set_sregs, .vcpu_set_regs = set_regs,
};

static uint8_t *memory(void)
{
	static uint8_t *p;

	if (!p) {
		p = mmap(NULL, MEMORY + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(p != MAP_FAILED, "no memory");
		p += 4096;
		CHECK(!mprotect(p, MEMORY, PROT_READ | PROT_WRITE), "mprotect");
	}
	return p;
}

static void check_loaded(uint32_t format)
{
	CHECK(regs.rflags == 2, "RFLAGS %#llx", (unsigned long long)regs.rflags);
	if (!(sregs.cr0 & 1)) {
		CHECK(sregs.cs.base + regs.rip < 1 << 20, "entry out of real mode's reach");
		return;
	}
	CHECK(format != NPT_IMAGE_FLAT, "a flat file, entered in protected mode");
	CHECK(regs.rax == 0x2badb002 && regs.rbx == NPT_LOADER_INFO, "no multiboot information");
	/* A 32-bit file's entry may lie anywhere, a 64-bit one's in what was loaded. */
	CHECK(!(sregs.efer & 1 << 10) || regs.rip < MEMORY, "entry %#llx out of memory",
	      (unsigned long long)regs.rip);
}

void fuzz_load(const uint8_t *data, size_t size)
{
	struct npt_device dev = { .be = &backend, .fd = -1 };
	struct npt_vm vm = { .dev = &dev, .fd = -1 };
	struct npt_memory mem = {
		.vm = &vm, .opts = { .size = MEMORY }, .host = memory(),
	};
	struct npt_vcpu vcpu = { .vm = &vm, .fd = -1 };
	struct npt_machine_vcpu mv = { .vcpu = &vcpu };
	struct npt_machine m = {
		.vm = &vm, .vcpus = &mv, .nr_vcpus = 1, .opts.memory = MEMORY,
	};
	struct npt_image image = { .name = "input" };
	char cmdline[64];
	int ret;

	if (size < 4)
		return;
	vm.mem = &mem;
	image.format = data[0] % 4;
	image.load = data[1] & 1 ? (uint64_t)data[2] << 13 : 0;
	image.entry = data[1] & 2 ? (uint64_t)data[2] << 13 : 0;
	snprintf(cmdline, sizeof(cmdline), "%d", data[3]);
	image.cmdline = data[3] ? cmdline : NULL;
	image.size = size - 4 < FUZZ_EDGE_MAX ? size - 4 : FUZZ_EDGE_MAX;
	image.data = fuzz_edge(data + 4, image.size);
	ret = npt_machine_load(&m, &image);
	if (!ret) {
		check_loaded(image.format);
		return;
	}
	CHECK(ret == -ENOEXEC || ret == -EFBIG || ret == -EINVAL, "result %d", ret);
	CHECK(!m.loaded, "refused, and loaded");
	CHECK(npt_error()[0] && !strchr(npt_error(), '\n'), "no line of text");
}

FUZZ_TARGET(load)
