// SPDX-License-Identifier: GPL-2.0
/* Memslots: the rules of KVM_SET_USER_MEMORY_REGION, and what the guest sees. */
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "utils.h"

#define MEM_SIZE (4 * MIB)

FIXTURE(memslot) {
	int dev, vm, vcpu;
	char *mem;
};

FIXTURE_VARIANT(memslot) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(memslot, native) { .mmu = NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(memslot, shadow) { .mmu = NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(memslot, nested) { .mmu = NPT_MMU_NESTED };

FIXTURE_SETUP(memslot)
{
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	self->vm = create_vm(self->dev, variant->mmu);
	ASSERT_LE(0, self->vm);
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	self->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, self->mem);
}

FIXTURE_TEARDOWN(memslot)
{
	munmap(self->mem, MEM_SIZE);
	close(self->vcpu);
	close(self->vm);
	close(self->dev);
}

TEST_F(memslot, refused)
{
	char *mem = self->mem;
	int vm = self->vm;

	/* Misaligned in one of three ways. */
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 1, PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, PAGE + 1, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, PAGE, mem + 1));
	/* Numbers and flags. */
	EXPECT_EQ(-EINVAL, set_slot(vm, NPT_MAX_SLOTS, 0, 0, PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 1 << 16, 0, 0, PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 4, 0, PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 1U << 31, 0, PAGE, mem));
	/* Wrapping, too large, beyond what the tables can map. */
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, -PAGE, 2 * PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, -PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, PAGE << 31, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 1UL << 48, PAGE, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, (1UL << 48) - PAGE, 2 * PAGE, mem));
	/* Memory that is not user space's. */
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, PAGE, (void *)0xffff888000000000UL));
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, 2 * PAGE, (void *)-PAGE));
	/* The same memory by an address with a tag, which processors with LAM allow. */
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, PAGE, (void *)((uintptr_t)mem | 1UL << 60)));
	/* Nothing to delete. */
	EXPECT_EQ(-EINVAL, set_slot(vm, 0, 0, 0, 0, NULL));
	EXPECT_EQ(0, counter(vm, NPT_CTR_slots));
	EXPECT_EQ(0, counter(vm, NPT_CTR_slot_changes));

	/* The very last page that there is. */
	EXPECT_EQ(0, set_slot(vm, 0, 0, (1UL << 48) - PAGE, PAGE, mem));
	EXPECT_EQ(0, write_phys(self->vcpu, (1UL << 48) - 1, "x", 1));
	EXPECT_EQ('x', mem[PAGE - 1]);
}

TEST_F(memslot, overlaps)
{
	char *mem = self->mem;
	int vm = self->vm;

	ASSERT_EQ(0, set_slot(vm, 0, 0, 0x10000, 0x10000, mem));
	ASSERT_EQ(0, set_slot(vm, 1, 0, 0x30000, 0x10000, mem));
	EXPECT_EQ(-EEXIST, set_slot(vm, 2, 0, 0x10000, 0x10000, mem));
	EXPECT_EQ(-EEXIST, set_slot(vm, 2, 0, 0xf000, 0x2000, mem));
	EXPECT_EQ(-EEXIST, set_slot(vm, 2, 0, 0x1f000, 0x1000, mem));
	EXPECT_EQ(-EEXIST, set_slot(vm, 2, 0, 0, 0x100000, mem));
	EXPECT_EQ(-EEXIST, set_slot(vm, 2, 0, 0x20000, 0x11000, mem));
	/* Between them it just fits. */
	EXPECT_EQ(0, set_slot(vm, 2, 0, 0x20000, 0x10000, mem));
	EXPECT_EQ(0, set_slot(vm, 3, 0, 0, 0x10000, mem));
	EXPECT_EQ(4, counter(vm, NPT_CTR_slots));
	/* Onto another, also by moving; onto itself is fine. */
	EXPECT_EQ(-EEXIST, set_slot(vm, 1, 0, 0x28000, 0x10000, mem));
	EXPECT_EQ(0, set_slot(vm, 1, 0, 0x38000, 0x10000, mem));
	EXPECT_EQ(0, set_slot(vm, 1, 0, 0x31000, 0x10000, mem));
}

TEST_F(memslot, changes)
{
	char *mem = self->mem;
	int vm = self->vm;

	ASSERT_EQ(0, set_slot(vm, 5, 0, 0x10000, 0x10000, mem));
	/* The same again is no change. */
	EXPECT_EQ(0, set_slot(vm, 5, 0, 0x10000, 0x10000, mem));
	EXPECT_EQ(1, counter(vm, NPT_CTR_slot_changes));
	/* Size, backing and READONLY stay as they are. */
	EXPECT_EQ(-EINVAL, set_slot(vm, 5, 0, 0x10000, 0x11000, mem));
	EXPECT_EQ(-EINVAL, set_slot(vm, 5, 0, 0x10000, 0x10000, mem + PAGE));
	EXPECT_EQ(-EINVAL, set_slot(vm, 5, KVM_MEM_READONLY, 0x10000, 0x10000, mem));
	EXPECT_EQ(0, set_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, 0x10000, 0x10000, mem));
	EXPECT_EQ(0, set_slot(vm, 5, 0, 0x10000, 0x10000, mem));
	EXPECT_EQ(0, set_slot(vm, 5, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, set_slot(vm, 5, 0, 0, 0, NULL));
	EXPECT_EQ(4, counter(vm, NPT_CTR_slot_changes));
	EXPECT_EQ(0, counter(vm, NPT_CTR_slots));
}

/* A deleted slot is gone for the guest at once, a moved one is elsewhere. */
TEST_F(memslot, guest_follows)
{
	char *mem = self->mem, c = 0;
	int vm = self->vm, vcpu = self->vcpu;
	unsigned int i;

	/* Paging is off: virtual accesses go through TLB and map alike. */
	ASSERT_EQ(0, set_slot(vm, 0, 0, 0, MEM_SIZE / 2, mem));
	for (i = 0; i < 20; i++) {
		c = i;
		ASSERT_EQ(NPT_STATUS_OK, write_virt(vcpu, 0x5000, &c, 1));
		EXPECT_EQ(i, mem[0x5000]);
		ASSERT_EQ(0, set_slot(vm, 0, 0, MIB * 8, MEM_SIZE / 2, mem));
		EXPECT_EQ(NPT_STATUS_MMIO, read_virt(vcpu, 0x5000, &c, 1));
		ASSERT_EQ(NPT_STATUS_OK, read_virt(vcpu, 8 * MIB + 0x5000, &c, 1));
		EXPECT_EQ(i, c);
		ASSERT_EQ(0, set_slot(vm, 0, 0, 0, 0, NULL));
		EXPECT_EQ(NPT_STATUS_MMIO, read_virt(vcpu, 8 * MIB + 0x5000, &c, 1));
		EXPECT_EQ(0, counter(vm, NPT_CTR_mapped_bytes));
		/* Other memory at the same place. */
		mem[MEM_SIZE / 2 + 0x5000] = 100 + i;
		ASSERT_EQ(0, set_slot(vm, 0, 0, 0, MEM_SIZE / 2, mem + MEM_SIZE / 2));
		ASSERT_EQ(NPT_STATUS_OK, read_virt(vcpu, 0x5000, &c, 1));
		EXPECT_EQ(100 + i, c);
		ASSERT_EQ(0, set_slot(vm, 0, 0, 0, 0, NULL));
		ASSERT_EQ(0, set_slot(vm, 0, 0, 0, MEM_SIZE / 2, mem));
	}
}

TEST_F(memslot, read_only)
{
	char c = 'r';

	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_READONLY, 0, MEM_SIZE, self->mem));
	self->mem[0x1000] = 'm';
	EXPECT_EQ(NPT_STATUS_READONLY, write_virt(self->vcpu, 0x1000, &c, 1));
	EXPECT_EQ(NPT_STATUS_READONLY, write_phys(self->vcpu, 0x1000, &c, 1));
	EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 0x1000, &c, 1));
	EXPECT_EQ('m', c);
	/* The host may write it, and the guest sees that. */
	self->mem[0x1000] = 'n';
	EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 0x1000, &c, 1));
	EXPECT_EQ('n', c);
	EXPECT_EQ(NPT_STATUS_READONLY, write_virt(self->vcpu, 0x1000, &c, 1));
}

/* Two slots with the same memory behind them are the same memory. */
TEST_F(memslot, aliases)
{
	char c = 'a';

	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	ASSERT_EQ(0, set_slot(self->vm, 1, 0, 16 * MIB, MEM_SIZE, self->mem));
	ASSERT_EQ(0, set_slot(self->vm, 2, KVM_MEM_READONLY, 32 * MIB, PAGE, self->mem + 0x7000));
	ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, 0x7010, &c, 1));
	c = 0;
	ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 16 * MIB + 0x7010, &c, 1));
	EXPECT_EQ('a', c);
	c = 0;
	ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 32 * MIB + 0x10, &c, 1));
	EXPECT_EQ('a', c);
	/* Host memory that goes takes all three along. */
	ASSERT_EQ(0, madvise(self->mem + 0x7000, PAGE, MADV_DONTNEED));
	ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 32 * MIB + 0x10, &c, 1));
	EXPECT_EQ(0, c);
	ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 0x7010, &c, 1));
	EXPECT_EQ(0, c);
}

/* Device memory has no pages that may be held: refused at the access. */
TEST_F(memslot, device_memory)
{
	int fd = open("/dev/mem", O_RDWR);
	char *page, c;

	if (fd < 0)
		SKIP(return, "no /dev/mem");
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0xa0000);
	close(fd);
	if (page == MAP_FAILED)
		SKIP(return, "the VGA hole can't be mapped here");
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, PAGE, page));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_phys(self->vcpu, 0, &c, 1));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_virt(self->vcpu, 0, &c, 1));
	munmap(page, PAGE);
}

/* No memory behind the slot, or memory that may not be written. */
TEST_F(memslot, host_refuses)
{
	char c = 'x';

	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	ASSERT_EQ(0, munmap(self->mem + 0x4000, PAGE));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_virt(self->vcpu, 0x4000, &c, 1));
	ASSERT_EQ(0, mprotect(self->mem + 0x6000, PAGE, PROT_READ));
	EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 0x6000, &c, 1));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, write_virt(self->vcpu, 0x6000, &c, 1));
	ASSERT_EQ(0, mprotect(self->mem + 0x6000, PAGE, PROT_NONE));
	EXPECT_EQ(NPT_STATUS_HOST_FAULT, read_virt(self->vcpu, 0x6000, &c, 1));
	ASSERT_EQ(0, mprotect(self->mem + 0x6000, PAGE, PROT_READ | PROT_WRITE));
	c = 'x';
	EXPECT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, 0x6000, &c, 1));
	EXPECT_EQ('x', self->mem[0x6000]);
}

TEST_F(memslot, dirty_log)
{
	const unsigned int pages = MEM_SIZE / PAGE;
	uint64_t bitmap[MEM_SIZE / PAGE / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };
	unsigned int i, round;
	char c = 1;

	/* Written before the log begins: not in it, but its next write is. */
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	for (i = 0; i < pages; i++)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i * PAGE, &c, 1));
	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, self->mem));
	for (round = 1; round < 8; round++) {
		for (i = 0; i < pages; i += round)
			ASSERT_EQ(NPT_STATUS_OK,
				  i & 1 ? write_virt(self->vcpu, i * PAGE, &c, 1) :
					  write_phys(self->vcpu, i * PAGE, &c, 1));
		for (i = 0; i < pages; i++)
			ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, i * PAGE, &c, 1));
		memset(bitmap, 0x55, sizeof(bitmap));
		ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
		for (i = 0; i < pages; i++)
			ASSERT_EQ(i % round == 0, bitmap[i / 64] >> (i % 64) & 1) {
				TH_LOG("round %u page %u", round, i);
			}
	}
	/* Nothing since. */
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < pages / 64; i++)
		EXPECT_EQ(0, bitmap[i]);
	EXPECT_EQ(0, counter(self->vm, NPT_CTR_pages_2m));
}

static int manual_log(int vm, uint64_t how)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };

	cap.args[0] = how;
	return call(vm, KVM_ENABLE_CAP, &cap);
}

static int clear_log(int vm, unsigned int slot, uint64_t first, uint32_t n, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .first_page = first, .num_pages = n, .dirty_bitmap = bitmap,
	};

	return call(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

/* Reading changes nothing, clearing only what was named and set. */
TEST_F(memslot, manual_log)
{
	const unsigned int pages = MEM_SIZE / PAGE;
	uint64_t bitmap[MEM_SIZE / PAGE / 64], some[MEM_SIZE / PAGE / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };
	unsigned int i;
	char c = 1;

	EXPECT_EQ(3, call_value(self->vm, KVM_CHECK_EXTENSION,
				KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2));
	ASSERT_EQ(0, manual_log(self->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, self->mem));
	for (i = 0; i < pages; i += 3)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i * PAGE, &c, 1));
	for (i = 0; i < pages / 64; i++)
		some[i] = i == 2 ? 0x5555555555555555 : 0;
	ASSERT_EQ(0, clear_log(self->vm, 0, 0, pages, some));
	for (int again = 0; again < 2; again++) {
		ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
		for (i = 0; i < pages; i++)
			ASSERT_EQ(i % 3 == 0 && !(some[i / 64] >> (i % 64) & 1),
				  bitmap[i / 64] >> (i % 64) & 1) {
				TH_LOG("page %u", i);
			}
	}
	/* Written again they are back; from a word in the middle on. */
	for (i = 128; i < 192; i++)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i * PAGE, &c, 1));
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(~0UL, bitmap[2]);
	memset(some, 0xff, sizeof(some));
	ASSERT_EQ(0, clear_log(self->vm, 0, 64, pages - 64, some));
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < pages / 64; i++)
		EXPECT_EQ(i ? 0 : 0x9249249249249249, bitmap[i]);
	/* Off again: reading clears. */
	ASSERT_EQ(0, manual_log(self->vm, 0));
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(0x9249249249249249, bitmap[0]);
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(0, bitmap[0]);
}

/* Everything is dirty at first, and what is cleared is seen again. */
TEST_F(memslot, log_initially_set)
{
	const unsigned int pages = MEM_SIZE / PAGE;
	uint64_t bitmap[MEM_SIZE / PAGE / 64], some[MEM_SIZE / PAGE / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };
	unsigned int i;
	char c = 1;

	ASSERT_EQ(0, manual_log(self->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					  KVM_DIRTY_LOG_INITIALLY_SET));
	ASSERT_EQ(0, madvise(self->mem, MEM_SIZE, MADV_HUGEPAGE));
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	for (i = 0; i < pages; i++)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i * PAGE, &c, 1));
	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, self->mem));
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < pages / 64; i++)
		EXPECT_EQ(~0UL, bitmap[i]);
	memset(some, 0xf0, sizeof(some));
	ASSERT_EQ(0, clear_log(self->vm, 0, 0, pages, some));
	for (i = 0; i < pages; i += 5)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i * PAGE, &c, 1));
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < pages; i++)
		ASSERT_EQ(i % 8 < 4 || i % 5 == 0, bitmap[i / 64] >> (i % 64) & 1) {
			TH_LOG("page %u", i);
		}
}

TEST_F(memslot, manual_log_refused)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = 1 };
	uint64_t bitmap[8] = { 0 };

	EXPECT_EQ(-EINVAL, manual_log(self->vm, KVM_DIRTY_LOG_INITIALLY_SET));
	EXPECT_EQ(-EINVAL, manual_log(self->vm, 4));
	EXPECT_EQ(-EINVAL, manual_log(self->vm, 1UL << 63 | 1));
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_ENABLE_CAP, &cap));
	cap.cap = 0xffffffff;
	cap.flags = 0;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_ENABLE_CAP, &cap));

	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 200 * PAGE, self->mem));
	ASSERT_EQ(0, set_slot(self->vm, 1, 0, 1 << 30, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, NPT_MAX_SLOTS, 0, 64, bitmap));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, 1 << 16, 0, 64, bitmap));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, 0, 1, 64, bitmap));
	EXPECT_EQ(-ENOENT, clear_log(self->vm, 1, 0, 1, bitmap));
	EXPECT_EQ(-ENOENT, clear_log(self->vm, 2, 0, 64, bitmap));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, 0, 256, 0, bitmap));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, 0, 128, 128, bitmap));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, 0, 0, 65, bitmap));
	EXPECT_EQ(-EINVAL, clear_log(self->vm, 0, -64UL, 64, bitmap));
	EXPECT_EQ(-EFAULT, clear_log(self->vm, 0, 0, 64, NULL));
	/* The last word may be part of one; nothing is no word at all. */
	EXPECT_EQ(0, clear_log(self->vm, 0, 128, 72, bitmap));
	EXPECT_EQ(0, clear_log(self->vm, 0, 64, 0, bitmap));
}

/* Large host pages give large leaves where slot and alignment allow. */
TEST_F(memslot, large_leaves)
{
	const size_t size = 12 * MIB;
	char *mem = map_aligned(size), c = 1;
	size_t i;

	ASSERT_NE(NULL, mem);
	if (madvise(mem, size, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	memset(mem, 1, size);

	/* gpa and hva alike modulo 2 MiB; the first page of the first is not in the slot. */
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, PAGE, 8 * MIB - PAGE, mem + PAGE));
	for (i = PAGE; i < 8 * MIB; i += PAGE)
		ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, i, &c, 1));
	EXPECT_EQ(511, counter(self->vm, NPT_CTR_pages_4k));
	EXPECT_EQ(3, counter(self->vm, NPT_CTR_pages_2m));
	EXPECT_EQ(8 * MIB - PAGE, counter(self->vm, NPT_CTR_mapped_bytes));
	/* One page in the middle goes: so does its leaf, the others stay. */
	ASSERT_EQ(0, madvise(mem + 3 * MIB, PAGE, MADV_DONTNEED));
	EXPECT_EQ(2, counter(self->vm, NPT_CTR_pages_2m));
	EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 3 * MIB, &c, 1));
	EXPECT_EQ(0, c);
	EXPECT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, 3 * MIB + PAGE, &c, 1));
	EXPECT_EQ(1, c);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, 0, NULL));

	/* Not alike: small leaves only. */
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, 4 * MIB, mem + PAGE));
	for (i = 0; i < 4 * MIB; i += PAGE)
		ASSERT_EQ(NPT_STATUS_OK, read_virt(self->vcpu, i, &c, 1));
	EXPECT_EQ(0, counter(self->vm, NPT_CTR_pages_2m));
	EXPECT_EQ(1024, counter(self->vm, NPT_CTR_pages_4k));
	munmap(mem, size);
}

/* With the log leaves are small; without it they are large again where the host's are. */
TEST_F(memslot, log_off)
{
	const size_t size = 8 * MIB;
	char *area = map_memory(size), *mem, c = 1;
	size_t i;

	ASSERT_NE(MAP_FAILED, area);
	mem = (char *)(((uintptr_t)area + 2 * MIB - 1) & ~(2 * MIB - 1));
	if (madvise(mem, 2 * MIB, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	ASSERT_EQ(0, madvise(mem + 2 * MIB, 2 * MIB, MADV_NOHUGEPAGE));
	memset(mem, 1, 4 * MIB);

	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 4 * MIB, mem));
	for (i = 0; i < 4 * MIB; i += PAGE)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i, &c, 1));
	EXPECT_EQ(1024, counter(self->vm, NPT_CTR_pages_4k));
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, 4 * MIB, mem));
	EXPECT_EQ(512, counter(self->vm, NPT_CTR_pages_4k));
	for (i = 0; i < 4 * MIB; i += PAGE)
		ASSERT_EQ(NPT_STATUS_OK, write_virt(self->vcpu, i, &c, 1));
	EXPECT_EQ(512, counter(self->vm, NPT_CTR_pages_4k));
	EXPECT_EQ(1, counter(self->vm, NPT_CTR_pages_2m));
	munmap(area, size);
}

/* As many as there may be: add, find, delete. */
TEST_F_TIMEOUT(memslot, all_slots, 120)
{
	uint32_t i;
	char c;

	/* In an order that is neither up nor down. */
	for (i = 0; i < NPT_MAX_SLOTS; i++) {
		uint32_t n = i * 12345UL % NPT_MAX_SLOTS;

		ASSERT_EQ(0, set_slot(self->vm, n, 0, n * 2 * PAGE, PAGE,
				      self->mem + n % 1024 * PAGE));
	}
	EXPECT_EQ(NPT_MAX_SLOTS, counter(self->vm, NPT_CTR_slots));
	for (i = 0; i < 1024; i++)
		self->mem[i * PAGE] = i;
	for (i = 0; i < NPT_MAX_SLOTS; i += 97) {
		ASSERT_EQ(NPT_STATUS_OK, read_phys(self->vcpu, i * 2 * PAGE, &c, 1));
		ASSERT_EQ((char)(i % 1024), c);
		ASSERT_EQ(NPT_STATUS_MMIO, read_phys(self->vcpu, (i * 2 + 1) * PAGE, &c, 1));
	}
	for (i = 0; i < NPT_MAX_SLOTS; i++)
		ASSERT_EQ(0, set_slot(self->vm, i, 0, 0, 0, NULL));
	EXPECT_EQ(0, counter(self->vm, NPT_CTR_slots));
	EXPECT_EQ(0, counter(self->vm, NPT_CTR_mapped_bytes));
}

TEST_HARNESS_MAIN
