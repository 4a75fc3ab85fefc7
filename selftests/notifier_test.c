// SPDX-License-Identifier: GPL-2.0
/*
 * What the host does to the memory under a guest: unmap, move, drop, fork,
 * swap, merge, split and collapse. First each by itself, then while vCPUs run
 * in threads of their own and check that memory holds what they wrote.
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "softwork.h"
#include "system.h"

FIXTURE(notifier) {
	int dev, vm, vcpu[WORKERS];
	char *mem;
};

FIXTURE_VARIANT(notifier) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(notifier, native) { .mmu = NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(notifier, shadow) { .mmu = NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(notifier, nested) { .mmu = NPT_MMU_NESTED };

FIXTURE_SETUP(notifier)
{
	struct npt_tlb_model tlb = {
		.size = sizeof(tlb),
		.tlb = {
			{ .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K | NPT_PAGE_2M,
			  .entries = 64, .ways = 4 },
			{ .level = 2, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K | NPT_PAGE_2M,
			  .entries = 1024, .ways = 8 },
		},
		.pwc[0] = { .dims = NPT_PWC_GUEST | NPT_PWC_NESTED, .levels = 0x1c, .entries = 32 },
		.ntlb_entries = 64,
	};

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	self->vm = create_vm(self->dev, variant->mmu);
	ASSERT_LE(0, self->vm);
	ASSERT_EQ(0, call(self->vm, NPT_SET_TLB, &tlb));
	ASSERT_TRUE(make_workplace(self->vm, &self->mem, self->vcpu));
}

FIXTURE_TEARDOWN(notifier)
{
	drop_workplace(self->mem, self->vcpu);
	close(self->vm);
	close(self->dev);
}

/* --- one at a time ----------------------------------------------------------- */

#define EXPECT_GUEST(value, gpa) do {						\
		uint64_t virt_ = ~0, phys_ = ~0;				\
		EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu[0], gpa, &virt_, 8));	\
		EXPECT_EQ(NPT_STATUS_OK, read_phys(self->vcpu[0], gpa, &phys_, 8));	\
		EXPECT_EQ(value, virt_);					\
		EXPECT_EQ(value, phys_);					\
	} while (0)

TEST_F(notifier, dont_need)
{
	uint64_t v = 42;
	unsigned int i;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], 0x5000, &v, 8));
		EXPECT_GUEST(42, 0x5000);
		ASSERT_EQ(0, madvise(self->mem + 0x5000, PAGE, MADV_DONTNEED));
		EXPECT_GUEST(0, 0x5000);
	}
	EXPECT_LE(50, counter(self->vm, NPT_CTR_zap_notifier));
	EXPECT_LE(50, counter(self->vm, NPT_CTR_notifier_calls));
	EXPECT_LE(50, counter(self->vm, NPT_CTR_flush_notifier));
}

TEST_F(notifier, unmap_and_map_again)
{
	uint64_t v = 42;

	ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], 0x5000, &v, 8));
	ASSERT_EQ(0, munmap(self->mem + 0x5000, PAGE));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_virt(self->vcpu[0], 0x5000, &v, 8));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_phys(self->vcpu[0], 0x5000, &v, 8));
	EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu[0], 0x6000, &v, 8));
	ASSERT_EQ(self->mem + 0x5000,
		  mmap(self->mem + 0x5000, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_GUEST(0, 0x5000);
	self->mem[0x5000] = 7;
	EXPECT_GUEST(7, 0x5000);
}

TEST_F(notifier, move_away_and_back)
{
	char *mem = self->mem, *spare = map_memory(4 * PAGE);
	uint64_t v;
	unsigned int i;

	ASSERT_NE(MAP_FAILED, spare);
	for (i = 0; i < 4; i++) {
		v = i + 1;
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], (4 + i) * PAGE, &v, 8));
	}
	ASSERT_EQ(spare, mremap(mem + 4 * PAGE, 2 * PAGE, 2 * PAGE,
				MREMAP_MAYMOVE | MREMAP_FIXED, spare));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_virt(self->vcpu[0], 4 * PAGE, &v, 8));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, write_virt(self->vcpu[0], 5 * PAGE, &v, 8));
	EXPECT_GUEST(3, 6 * PAGE);
	/* Change places: pages 6 and 7 to 4 and 5, the others to 6 and 7. */
	ASSERT_EQ(mem + 4 * PAGE, mremap(mem + 6 * PAGE, 2 * PAGE, 2 * PAGE,
					 MREMAP_MAYMOVE | MREMAP_FIXED, mem + 4 * PAGE));
	ASSERT_EQ(mem + 6 * PAGE, mremap(spare, 2 * PAGE, 2 * PAGE,
					 MREMAP_MAYMOVE | MREMAP_FIXED, mem + 6 * PAGE));
	EXPECT_GUEST(3, 4 * PAGE);
	EXPECT_GUEST(4, 5 * PAGE);
	EXPECT_GUEST(1, 6 * PAGE);
	EXPECT_GUEST(2, 7 * PAGE);
	munmap(spare + 2 * PAGE, 2 * PAGE);
}

/* The guest reads the shared page of zeros; then the host writes its own. */
TEST_F(notifier, host_writes_after_guest_read)
{
	unsigned int i;

	for (i = 16; i < 32; i++) {
		EXPECT_GUEST(0, i * PAGE);
		*(uint64_t *)(self->mem + i * PAGE) = i;
		EXPECT_GUEST(i, i * PAGE);
	}
}

TEST_F(notifier, fork)
{
	uint64_t v = 1;
	int pipes[2], status;
	pid_t pid;

	ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], 0x5000, &v, 8));
	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char c;

		close(pipes[1]);
		/* The parent's guest has written by then: not what is seen here. */
		_exit(read(pipes[0], &c, 1) != 1 || *(uint64_t *)(self->mem + 0x5000) != 1);
	}
	v = 2;
	EXPECT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], 0x5000, &v, 8));
	EXPECT_EQ(2, *(uint64_t *)(self->mem + 0x5000));
	EXPECT_GUEST(2, 0x5000);
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(pipes[0]);
	close(pipes[1]);
}

/* A file: the guest's writes reach it, and what truncation takes is gone. */
TEST_F(notifier, shared_file)
{
	int fd = memfd_create("npt", MFD_CLOEXEC);
	uint64_t v = 5;
	char *file;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	file = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, file);
	ASSERT_EQ(0, set_slot(self->vm, 1, 0, 16 * MIB, 4 * PAGE, file));
	ASSERT_EQ(NPT_STATUS_OK, write_phys(self->vcpu[0], 16 * MIB + PAGE, &v, 8));
	v = 0;
	ASSERT_EQ(8, pread(fd, &v, 8, PAGE));
	EXPECT_EQ(5, v);
	v = 6;
	ASSERT_EQ(8, pwrite(fd, &v, 8, PAGE));
	v = 0;
	ASSERT_EQ(NPT_STATUS_OK, read_phys(self->vcpu[0], 16 * MIB + PAGE, &v, 8));
	EXPECT_EQ(6, v);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_phys(self->vcpu[0], 16 * MIB + PAGE, &v, 8));
	EXPECT_EQ(NPT_STATUS_OK, read_phys(self->vcpu[0], 16 * MIB, &v, 8));
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	ASSERT_EQ(NPT_STATUS_OK, read_phys(self->vcpu[0], 16 * MIB + PAGE, &v, 8));
	EXPECT_EQ(0, v);
	munmap(file, 4 * PAGE);
	close(fd);
}

/*
 * MADV_FREE makes a page clean but leaves it writable in the host's tables: a
 * guest's write afterwards must still keep the page from being thrown away.
 */
TEST_F(notifier, free_lazily)
{
	char *pages = self->mem + 16 * PAGE;
	size_t size = 32 * PAGE;
	uint64_t v, got;
	cpu_set_t one;
	unsigned int i;

	/* The host keeps what it was told per processor until it looks: MADV_COLD looks. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	for (i = 16; i < 48; i++) {
		v = i;
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], i * PAGE, &v, 8));
	}
	ASSERT_EQ(0, madvise(pages, size, MADV_COLD));
	ASSERT_EQ(0, madvise(pages, size, MADV_FREE));
	ASSERT_EQ(0, madvise(pages, size, MADV_COLD));
	for (i = 16; i < 48; i++) {
		v = 1000 + i;
		ASSERT_EQ(NPT_STATUS_OK, i & 1 ? write_virt(self->vcpu[0], i * PAGE, &v, 8) :
						 write_phys(self->vcpu[1], i * PAGE, &v, 8));
	}
	ASSERT_EQ(0, madvise(pages, size, MADV_PAGEOUT));
	for (i = 16; i < 48; i++) {
		EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu[0], i * PAGE, &got, 8));
		EXPECT_EQ(1000 + i, got);
	}
}

/* --- while vCPUs run ----------------------------------------------------------- */

TEST_F_TIMEOUT(notifier, running_drop, 120)
{
	struct worker w[WORKERS];
	unsigned int i;

	start_workers(w, self->vcpu, false);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, madvise(self->mem + VICTIMS, VICTIM_PAGES * PAGE, MADV_DONTNEED));
		wait_for_rounds(w);
	}
	EXPECT_TRUE(stop_workers(w));
	EXPECT_LT(0, counter(self->vm, NPT_CTR_zap_notifier));
}

TEST_F_TIMEOUT(notifier, running_unmap_and_move, 120)
{
	char *spare = map_memory(MIB), *mem = self->mem;
	struct worker w[WORKERS];
	unsigned int i;

	start_workers(w, self->vcpu, true);
	for (i = 0; i < 12; i++) {
		/* Own pages go for a while and come back with what they held. */
		ASSERT_EQ(spare, mremap(mem, MIB / 2, MIB / 2,
					MREMAP_MAYMOVE | MREMAP_FIXED, spare));
		wait_for_rounds(w);
		ASSERT_EQ(mem, mremap(spare, MIB / 2, MIB / 2, MREMAP_MAYMOVE | MREMAP_FIXED, mem));
		wait_for_rounds(w);
		ASSERT_EQ(mem + VICTIMS, mmap(mem + VICTIMS, VICTIM_PAGES * PAGE,
					      PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		ASSERT_EQ(0, mprotect(mem + PAGE, MIB / 4, PROT_READ));
		wait_for_rounds(w);
		ASSERT_EQ(0, mprotect(mem + PAGE, MIB / 4, PROT_READ | PROT_WRITE));
	}
	EXPECT_TRUE(stop_workers(w));
	munmap(spare, MIB);
}

/* The child's copy stays as it was when it was made. */
static int watch_copy(const char *mem, int from_parent)
{
	const unsigned int n = WORKERS * OWNED_PAGES;
	uint64_t before[WORKERS * OWNED_PAGES];
	unsigned int i;
	char c;

	for (i = 0; i < n; i++)
		before[i] = *(volatile uint64_t *)(mem + (i + 1) * PAGE);
	if (read(from_parent, &c, 1) != 1)
		return 1;
	for (i = 0; i < n; i++)
		if (before[i] != *(volatile uint64_t *)(mem + (i + 1) * PAGE))
			return 2;
	return 0;
}

TEST_F_TIMEOUT(notifier, running_fork, 120)
{
	struct worker w[WORKERS];
	unsigned int i;
	int pipes[2], status;

	start_workers(w, self->vcpu, false);
	for (i = 0; i < 8; i++) {
		pid_t pid;

		ASSERT_EQ(0, pipe(pipes));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(watch_copy(self->mem, pipes[0]));
		wait_for_rounds(w);
		ASSERT_EQ(1, write(pipes[1], "x", 1));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		close(pipes[0]);
		close(pipes[1]);
	}
	EXPECT_TRUE(stop_workers(w));
}

/* Reclaim by a control group asks for the age of pages first. */
static bool reclaim_group(void)
{
	return group_make("npt-test", NULL) && group_enter("npt-test", getpid()) &&
	       !access("/sys/fs/cgroup/npt-test/memory.reclaim", W_OK);
}

TEST_F_TIMEOUT(notifier, running_swap, 120)
{
	struct worker w[WORKERS];
	bool group, swapped = false;
	unsigned int i;

	if (geteuid() || !swap_on())
		SKIP(return, "nothing to swap to");
	group = reclaim_group();
	start_workers(w, self->vcpu, false);
	for (i = 0; i < 12; i++) {
		/* The guest's tables too. */
		madvise(self->mem, MEM_SIZE, MADV_PAGEOUT);
		swapped |= read_number("/proc/self/status", "VmSwap:") > 0;
		wait_for_rounds(w);
		/* Little: more than there is would be tried for many seconds. */
		if (group && i % 4 == 0)
			write_file("/sys/fs/cgroup/npt-test/memory.reclaim", "128K");
	}
	EXPECT_TRUE(stop_workers(w));
	EXPECT_TRUE(swapped);
	if (group)
		EXPECT_LT(0, counter(self->vm, NPT_CTR_notifier_young));
}

TEST_F_TIMEOUT(notifier, running_compaction, 120)
{
	struct worker w[WORKERS];
	unsigned int i;

	if (access("/proc/sys/vm/compact_memory", W_OK))
		SKIP(return, "no compaction");
	start_workers(w, self->vcpu, false);
	for (i = 0; i < 5; i++) {
		write_file("/proc/sys/vm/compact_memory", "1");
		wait_for_rounds(w);
	}
	EXPECT_TRUE(stop_workers(w));
}

#define KSM "/sys/kernel/mm/ksm/"

/* Equal pages become one; a write to one of them leaves the others alone. */
TEST_F_TIMEOUT(notifier, running_merge, 120)
{
	struct worker w[WORKERS];
	uint64_t v = 99, got;
	unsigned int i, round;

	if (geteuid() || access(KSM "run", W_OK))
		SKIP(return, "no KSM");
	for (i = 0; i < VICTIM_PAGES; i++)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[0], 3 * MIB + i * PAGE, &v, 8));
	write_file(KSM "sleep_millisecs", "1");
	write_file(KSM "pages_to_scan", "5000");
	ASSERT_EQ(0, madvise(self->mem, MEM_SIZE, MADV_MERGEABLE));
	ASSERT_TRUE(write_file(KSM "run", "1"));
	start_workers(w, self->vcpu, false);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 20000; i++) {
			if (read_number(KSM "pages_sharing", "") >= VICTIM_PAGES / 2)
				break;
			wait_for_rounds(w);
		}
		EXPECT_LE(VICTIM_PAGES / 2, read_number(KSM "pages_sharing", ""));
		wait_for_rounds(w);
	}
	EXPECT_TRUE(stop_workers(w));

	for (i = 0; i < VICTIM_PAGES; i += 2) {
		v = 1000 + i;
		EXPECT_EQ(NPT_STATUS_OK, write_virt(self->vcpu[1], 3 * MIB + i * PAGE, &v, 8));
	}
	for (i = 0; i < VICTIM_PAGES; i++) {
		EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu[0], 3 * MIB + i * PAGE, &got, 8));
		EXPECT_EQ(i & 1 ? 99 : 1000 + i, got);
		EXPECT_EQ(NPT_STATUS_OK, read_phys(self->vcpu[0], 3 * MIB + i * PAGE, &got, 8));
		EXPECT_EQ(i & 1 ? 99 : 1000 + i, got);
	}
	ASSERT_TRUE(write_file(KSM "run", "2"));
	write_file(KSM "run", "0");
}

/* Small pages become large ones and small again. */
TEST_F_TIMEOUT(notifier, running_huge_pages, 120)
{
	struct worker w[WORKERS];
	unsigned int i, large = 0;

	if (madvise(self->mem, MEM_SIZE, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	memset(self->mem, 0, TABLES);
	if (madvise(self->mem, 2 * MIB, MADV_COLLAPSE))
		SKIP(return, "no MADV_COLLAPSE");
	start_workers(w, self->vcpu, false);
	for (i = 0; i < 12; i++) {
		madvise(self->mem, MEM_SIZE, MADV_COLLAPSE);
		wait_for_rounds(w);
		large += counter(self->vm, NPT_CTR_pages_2m) > 0;
		/* A hole in a large page splits it. */
		ASSERT_EQ(0, madvise(self->mem + VICTIMS + (i % VICTIM_PAGES) * PAGE, PAGE,
				     MADV_DONTNEED));
		ASSERT_EQ(0, madvise(self->mem + 2 * MIB - PAGE, PAGE, MADV_DONTNEED));
		wait_for_rounds(w);
	}
	EXPECT_TRUE(stop_workers(w));
	EXPECT_LT(0, large);
}

TEST_HARNESS_MAIN
