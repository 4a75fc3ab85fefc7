// SPDX-License-Identifier: GPL-2.0
/* Tracepoints npt:*: each fires for what it is there for, with the right words. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "kselftest_harness.h"
#include "utils.h"

/* A buffer of our own, so that nobody else's events are in the way. */
#define INSTANCE "/sys/kernel/tracing/instances/npt-test"

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

FIXTURE(trace) {
	int dev;
	char *log;
};

#define LOG_SIZE (1 << 20)

FIXTURE_SETUP(trace)
{
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	if (geteuid() || (mkdir(INSTANCE, 0700) && errno != EEXIST))
		SKIP(return, "needs root and tracefs");
	self->log = malloc(LOG_SIZE);
	ASSERT_NE(NULL, self->log);
	ASSERT_TRUE(write_file(INSTANCE "/trace", "\n"));
	ASSERT_TRUE(write_file(INSTANCE "/events/npt/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_TRUE(write_file(INSTANCE "/events/npt/enable", "0"));
	EXPECT_EQ(0, rmdir(INSTANCE));
	free(self->log);
	close(self->dev);
}

static bool read_log(char *log)
{
	FILE *f = fopen(INSTANCE "/trace", "re");
	size_t n;

	if (!f)
		return false;
	n = fread(log, 1, LOG_SIZE - 1, f);
	log[n] = 0;
	fclose(f);
	return n > 0;
}

#define EXPECT_EVENT(...) do {						\
		char want_[128];					\
		snprintf(want_, sizeof(want_), __VA_ARGS__);		\
		EXPECT_NE(NULL, strstr(self->log, want_)) {		\
			TH_LOG("missing: %s", want_);			\
		}							\
	} while (0)

TEST_F(trace, events)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	char *mem = map_memory(MIB), byte = 'x';
	int vm, vcpu;

	ASSERT_NE(MAP_FAILED, mem);
	strcpy((char *)c.name, "traced");
	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	vcpu = call_value(vm, KVM_CREATE_VCPU, 7);
	ASSERT_LE(0, vcpu);
	ASSERT_EQ(0, set_slot(vm, 0, 0, 0, MIB, mem));
	ASSERT_EQ(NPT_STATUS_OK, write_virt(vcpu, 0x5678, &byte, 1));
	ASSERT_EQ(NPT_STATUS_MMIO, read_virt(vcpu, 0x200000, &byte, 1));
	ASSERT_EQ(0, madvise(mem + 0x5000, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, set_slot(vm, 0, 0, 0, 0, NULL));
	close(vcpu);
	close(vm);
	ASSERT_TRUE(read_log(self->log));

	EXPECT_EVENT("npt_vm: vm %u traced create", c.id);
	EXPECT_EVENT("npt_vcpu: vm %u vcpu 7 create", c.id);
	EXPECT_EVENT("npt_fault: vm %u gva 0x5678 gpa 0x5678 error 0x2 fixed", c.id);
	EXPECT_EVENT("npt_fault: vm %u gva 0x200000 gpa 0x200000 error 0x0 mmio", c.id);
	EXPECT_EVENT("npt_fill: vm %u nested gpa 0x5678 hpa 0x", c.id);
	EXPECT_EVENT("npt_walk: vm %u gva 0x5678 refs guest 0 nested", c.id);
	EXPECT_EVENT("npt_zap: vm %u gfn 0x5-0x6 notifier", c.id);
	EXPECT_EVENT("npt_flush: vm %u notifier", c.id);
	EXPECT_EVENT("npt_vcpu: vm %u vcpu 7 destroy", c.id);
	EXPECT_EVENT("npt_vm: vm %u traced destroy", c.id);
	munmap(mem, MIB);
}

TEST_F(trace, shadow_events)
{
	struct npt_create_vm c = vm_args(NPT_MMU_SHADOW);
	char *mem = map_memory(2 * MIB), byte;
	int vm, vcpu;

	ASSERT_NE(MAP_FAILED, mem);
	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, vcpu);
	ASSERT_EQ(0, set_slot(vm, 0, 0, 0, 2 * MIB, mem));
	identity_tables(mem, 0, 2 * MIB);
	*pte_of(mem, 0x9000) = 0;
	ASSERT_EQ(0, long_mode(vcpu, 0));
	ASSERT_EQ(NPT_STATUS_OK, read_virt(vcpu, 0x8123, &byte, 1));
	ASSERT_EQ(NPT_STATUS_GUEST_PF, read_virt(vcpu, 0x9123, &byte, 1));
	close(vcpu);
	close(vm);
	ASSERT_TRUE(read_log(self->log));
	EXPECT_EVENT("npt_fill: vm %u shadow gpa 0x8", c.id);
	EXPECT_EVENT("npt_fault: vm %u gva 0x8123", c.id);
	EXPECT_NE(NULL, strstr(self->log, " guest\n"));
	munmap(mem, 2 * MIB);
}

TEST_HARNESS_MAIN
