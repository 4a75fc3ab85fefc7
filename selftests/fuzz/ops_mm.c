// SPDX-License-Identifier: GPL-2.0
/* Operations: what a host process does to its memory, mappings of fds, poll, fork. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../utils.h"
#include "kfuzz.h"

static const int advice[] = {
	MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD, MADV_PAGEOUT, MADV_FREE,
	MADV_MERGEABLE, MADV_WIPEONFORK, MADV_KEEPONFORK,
};

static void map_again(struct rnd *r, void *at, size_t size, int prot)
{
	int flags = MAP_FIXED | (rnd_bool(r) ? MAP_PRIVATE : MAP_SHARED), fd = -1;

	if (rnd_below(r, 4)) {
		flags |= MAP_ANONYMOUS;
	} else {
		fd = memfd_create("kfuzz", MFD_CLOEXEC);
		if (fd >= 0 && ftruncate(fd, rnd_below(r, 2) ? size : size / 2))
			return;
	}
	mmap(at, size, prot, flags, fd, 0);
	if (fd >= 0)
		close(fd);
}

void op_memory(struct rnd *r)
{
	char *at = (char *)area(rnd_below(r, NAREAS)) + (rnd_below(r, AREA_SIZE) & ~4095ul);
	size_t size = PAGE << rnd_below(r, 9), room;
	int prot = rnd_below(r, 4) ? PROT_READ | PROT_WRITE : rnd_below(r, 4);

	room = (char *)AREA_BASE + NAREAS * AREA_SIZE - at;
	size = size < room ? size : room;
	switch (rnd_below(r, 8)) {
	case 0:
		mprotect(at, size, prot);
		break;
	case 1:
		munmap(at, size);
		break;
	case 2:
	case 3:
		map_again(r, at, size, prot);
		break;
	case 4:
		mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (char *)area(rnd_below(r, NAREAS)));
		break;
	default:
		madvise(at, size, advice[rnd_below(r, ARRAY_SIZE(advice))]);
	}
}

/* Mappings of our own fds; some come to stay, in the areas, as guest memory. */
void op_mmap(struct rnd *r)
{
	int fd = rnd_bool(r) ? any_vcpu(r)->fd : rnd_bool(r) ? any_vm(r)->fd : world.dev;
	size_t size = PAGE * (rnd_below(r, 4) ? 1 + rnd_below(r, 3) : rnd_below(r, 1 << 20));
	off_t offset = rnd_bool(r) ? 0 : PAGE * (rnd_bool(r) ? rnd_below(r, 4) : any_number(r));
	int flags = rnd_below(r, 4) ? MAP_SHARED : MAP_PRIVATE;
	void *at = NULL, *p;

	if (rnd_one_in(r, 4)) {
		at = (char *)area(rnd_below(r, NAREAS)) + PAGE * rnd_below(r, 64);
		flags |= MAP_FIXED;
		size = PAGE * (1 + rnd_below(r, 2));
	}
	p = mmap(at, size, rnd_below(r, 8), flags, fd, offset);
	if (p == MAP_FAILED || at)
		return;
	if (rnd_bool(r))
		mremap(p, size, size + PAGE, MREMAP_MAYMOVE);
	else
		munmap(p, size);
}

void op_store(struct rnd *r)
{
	uint64_t words[32];
	char *at = (char *)area(rnd_below(r, NAREAS)) + rnd_below(r, AREA_SIZE - sizeof(words));

	if (rnd_bool(r))	/* where op_guest() puts tables */
		at = (char *)area(rnd_below(r, NAREAS)) + (1ul << 20) +
			8 * rnd_below(r, (32ul << 10) / 8 - 32);
	for (unsigned int i = 0; i < 32; i++)
		words[i] = rnd_bool(r) ? any_gpa(r) | rnd_below(r, 4096) : any_number(r);
	store(at, words, 8 * (1 + rnd_below(r, 32)));
}

/* A child that uses what it has inherited, for a moment. */
static void fork_and_call(struct rnd *r)
{
	pid_t pid = fork();

	if (!pid) {
		alarm_us(0);
		do_ioctl(any_vcpu(r)->fd, KVM_RUN, NULL);
		do_ioctl(any_vm(r)->fd, KVM_CREATE_VCPU, (void *)7ul);
		store(area(0), "x", 1);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void op_misc(struct rnd *r)
{
	int fd = rnd_bool(r) ? any_vcpu(r)->fd : any_vm(r)->fd;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	char buf[64] = "";

	switch (rnd_below(r, 8)) {
	case 0:
		poll(&p, 1, 0);
		break;
	case 1:
		if (read(fd, buf, sizeof(buf)) > 0 || write(fd, buf, sizeof(buf)) > 0)
			shared->bad = __LINE__;
		break;
	case 2:
		put_fd(&any_vcpu(r)->fd, dup(fd));
		break;
	case 3:
		lseek(fd, any_number(r), SEEK_SET);
		break;
	case 4:
		if (rnd_one_in(r, 4))
			fork_and_call(r);
		break;
	case 5:
		fallocate(fd, 0, 0, PAGE);
		break;
	default:
		sched_yield();
	}
}
