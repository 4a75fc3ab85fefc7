// SPDX-License-Identifier: GPL-2.0
/*
 * steady DEVICE: a VM that counts until SIGTERM comes. Its guest counts in memory and
 * tells each number at a port; this program compares. Exit status 0 if none was missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>

#define MEMORY	0x10000
#define ENTRY	0x1000
#define COUNT	0x2000

/* Real mode: again: inc word [0x2000]; mov ax, [0x2000]; out 0x10, ax; jmp again */
static const uint8_t guest[] = {
	0xff, 0x06, 0x00, 0x20, 0xa1, 0x00, 0x20, 0xe7, 0x10, 0xeb, 0xf5,
};

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "steady: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int call(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die(what);
	return ret;
}

static uint8_t *add_memory(int vm)
{
	uint8_t *mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	struct kvm_userspace_memory_region slot = {
		.memory_size = MEMORY, .userspace_addr = (uintptr_t)mem,
	};

	if (mem == MAP_FAILED)
		die("memory");
	memcpy(mem + ENTRY, guest, sizeof(guest));
	call(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
	return mem;
}

static void set_entry(int vcpu)
{
	struct kvm_regs regs = { .rip = ENTRY, .rflags = 2 };
	struct kvm_sregs sregs;

	call(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	call(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	call(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

/* The next number must be there, in memory as at the port. */
static void check(const struct kvm_run *run, const uint8_t *mem, uint16_t expected)
{
	uint16_t told, kept;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != 0x10 || run->io.size != 2) {
		fprintf(stderr, "steady: unexpected exit %u\n", run->exit_reason);
		exit(1);
	}
	memcpy(&told, (const uint8_t *)run + run->io.data_offset, sizeof(told));
	memcpy(&kept, mem + COUNT, sizeof(kept));
	if (told != expected || kept != expected) {
		fprintf(stderr, "steady: told %u, in memory %u, expected %u\n", told, kept,
			expected);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_term };
	unsigned long turns = 0;
	struct kvm_run *run;
	int dev, vm, vcpu;
	uint8_t *mem;

	dev = open(argc > 1 ? argv[1] : "/dev/kvm", O_RDWR);
	if (dev < 0)
		die("open");
	vm = call(dev, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	vcpu = call(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	mem = add_memory(vm);
	set_entry(vcpu);
	run = mmap(NULL, call(dev, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE"),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("the vCPU's mmap");
	sigaction(SIGTERM, &term, NULL);
	while (!stop) {
		if (ioctl(vcpu, KVM_RUN, 0)) {
			if (errno == EINTR)
				continue;
			die("KVM_RUN");
		}
		check(run, mem, ++turns);
		if (turns == 1000) {
			puts("runs");
			fflush(stdout);
		}
	}
	printf("%lu turns\n", turns);
	return turns < 1000;
}
