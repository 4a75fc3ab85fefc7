// SPDX-License-Identifier: GPL-2.0
/* Every ioctl of /dev/npt, and every errno that Documentation/uapi.rst promises. */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "utils.h"

#define MEM_SIZE (2 * MIB)

FIXTURE(abi) {
	int dev, vm, vcpu;
	void *mem;
	struct kvm_run *run;
};

FIXTURE_SETUP(abi)
{
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	self->vm = create_vm(self->dev, NPT_MMU_NESTED);
	ASSERT_LE(0, self->vm);
	self->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, 0, MEM_SIZE, self->mem));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	self->run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(MAP_FAILED, self->run);
}

FIXTURE_TEARDOWN(abi)
{
	munmap(self->run, PAGE);
	munmap(self->mem, MEM_SIZE);
	close(self->vcpu);
	close(self->vm);
	close(self->dev);
}

/* --- what all own structs have in common ---------------------------------- */

/* Whose fd. */
enum object { DEV, VM, VCPU };

static const struct {
	enum object object;
	unsigned long cmd;
	uint32_t size;
	uint32_t out;	/* offset of a field that is written, 0: none */
} own_calls[] = {
	{ DEV, NPT_CREATE_VM, sizeof(struct npt_create_vm), offsetof(struct npt_create_vm, id) },
	{ DEV, NPT_GET_CAPS, sizeof(struct npt_caps), offsetof(struct npt_caps, abi_version) },
	{ VM, NPT_VM_INFO, sizeof(struct npt_vm_info), offsetof(struct npt_vm_info, id) },
	{ VM, NPT_GET_TLB, sizeof(struct npt_tlb_model) },
	{ VM, NPT_SET_TLB, sizeof(struct npt_tlb_model) },
	{ VM, NPT_FLUSH, sizeof(struct npt_flush) },
	{ VM, NPT_STATS, sizeof(struct npt_stats), offsetof(struct npt_stats, count) },
	{ VCPU, NPT_BATCH, sizeof(struct npt_batch) },
	{ VCPU, NPT_EXPLAIN, sizeof(struct npt_explain), offsetof(struct npt_explain, count) },
	{ VCPU, NPT_FLUSH, sizeof(struct npt_flush) },
	{ VCPU, NPT_STATS, sizeof(struct npt_stats), offsetof(struct npt_stats, count) },
};

TEST_F(abi, own_struct_sizes)
{
	int fds[] = { self->dev, self->vm, self->vcpu };
	uint32_t buf[2048];
	unsigned int i;
	long ret;

	for (i = 0; i < sizeof(own_calls) / sizeof(own_calls[0]); i++) {
		uint32_t size = own_calls[i].size;
		unsigned long cmd = own_calls[i].cmd;
		int fd = fds[own_calls[i].object];

		TH_LOG("call %#lx", cmd);
		EXPECT_EQ(-EFAULT, call(fd, cmd, NULL));
		EXPECT_EQ(-EFAULT, call(fd, cmd, BAD_PTR));

		memset(buf, 0, sizeof(buf));
		EXPECT_EQ(-EINVAL, call(fd, cmd, buf));
		buf[0] = size - 1;
		EXPECT_EQ(-EINVAL, call(fd, cmd, buf));
		buf[0] = 4;
		EXPECT_EQ(-EINVAL, call(fd, cmd, buf));

		/* From a newer header: taken if it asks for nothing new. */
		buf[0] = size + 8;
		ret = call(fd, cmd, buf);
		EXPECT_LE(0, ret);
		EXPECT_EQ(size + 8, buf[0]);
		if (own_calls[i].out)
			EXPECT_NE(0, buf[own_calls[i].out / 4]);
		if (cmd == NPT_CREATE_VM)
			close(ret);
		memset(buf, 0, sizeof(buf));
		buf[0] = size + 8;
		buf[size / 4 + 1] = 1;
		EXPECT_EQ(-E2BIG, call(fd, cmd, buf));
		buf[size / 4 + 1] = 0;
		buf[0] = 4096;
		ret = call(fd, cmd, buf);
		EXPECT_LE(0, ret);
		if (cmd == NPT_CREATE_VM)
			close(ret);
		buf[0] = 4097;
		EXPECT_EQ(-E2BIG, call(fd, cmd, buf));
		buf[0] = 0xffffffff;
		EXPECT_EQ(-E2BIG, call(fd, cmd, buf));
	}
}

/* The struct ends where the memory does: nothing may be read beyond. */
TEST_F(abi, own_struct_at_the_end_of_memory)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct npt_caps *caps = (void *)(two + PAGE - sizeof(*caps));

	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, munmap(two + PAGE, PAGE));
	memset(caps, 0, sizeof(*caps));
	caps->size = sizeof(*caps);
	EXPECT_EQ(0, call(self->dev, NPT_GET_CAPS, caps));
	memset(caps, 0, sizeof(*caps));
	caps->size = sizeof(*caps) + 8;
	EXPECT_EQ(-EFAULT, call(self->dev, NPT_GET_CAPS, caps));
	munmap(two, PAGE);
}

TEST_F(abi, unknown_calls)
{
	int fds[] = { self->dev, self->vm, self->vcpu };
	unsigned int i, nr;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-ENOTTY, call(fds[i], _IO(NPTIO, 0xff), NULL));
		EXPECT_EQ(-ENOTTY, call(fds[i], _IO(KVMIO, 0xff), NULL));
		for (nr = 0x30; nr < 0x40; nr++)
			EXPECT_EQ(-ENOTTY, call(fds[i], _IO(NPTIO, nr), NULL));
	}
	/* A call of another object is unknown too. */
	EXPECT_EQ(-ENOTTY, call(self->dev, KVM_RUN, NULL));
	EXPECT_EQ(-ENOTTY, call(self->dev, NPT_BATCH, NULL));
	EXPECT_EQ(-ENOTTY, call(self->vm, KVM_CREATE_VM, NULL));
	EXPECT_EQ(-ENOTTY, call(self->vm, KVM_RUN, NULL));
	EXPECT_EQ(-ENOTTY, call(self->vcpu, KVM_CREATE_VCPU, NULL));
	EXPECT_EQ(-ENOTTY, call(self->vcpu, NPT_VM_INFO, NULL));
}

TEST_F(abi, kvm_struct_pointers)
{
	static const unsigned long vcpu_calls[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS,
		KVM_TRANSLATE, KVM_GET_MP_STATE, KVM_SET_MP_STATE,
	};
	unsigned int i;

	EXPECT_EQ(-EFAULT, call(self->vm, KVM_SET_USER_MEMORY_REGION, BAD_PTR));
	EXPECT_EQ(-EFAULT, call(self->vm, KVM_GET_DIRTY_LOG, BAD_PTR));
	for (i = 0; i < sizeof(vcpu_calls) / sizeof(vcpu_calls[0]); i++)
		EXPECT_EQ(-EFAULT, call(self->vcpu, vcpu_calls[i], BAD_PTR));
}

/* --- /dev/npt -------------------------------------------------------------- */

TEST_F(abi, version_and_extensions)
{
	EXPECT_EQ(12, call_value(self->dev, KVM_GET_API_VERSION, 0));
	EXPECT_EQ(-EINVAL, call_value(self->dev, KVM_GET_API_VERSION, 1));
	EXPECT_EQ(2 * PAGE, call_value(self->dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	EXPECT_EQ(-EINVAL, call_value(self->dev, KVM_GET_VCPU_MMAP_SIZE, 1));

	EXPECT_EQ(1, call_value(self->dev, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	EXPECT_EQ(1, call_value(self->dev, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM));
	EXPECT_EQ(1, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_MMU));
	EXPECT_EQ(1, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT));
	EXPECT_EQ(NPT_MAX_SLOTS, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS));
	EXPECT_EQ(NPT_MAX_VCPUS, call_value(self->dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	EXPECT_LE(1, call_value(self->dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS));
	/* What is not there is not claimed. */
	EXPECT_EQ(0, call_value(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP));
	EXPECT_EQ(0, call_value(self->dev, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD));
	EXPECT_EQ(0, call_value(self->dev, KVM_CHECK_EXTENSION, 1000000));
	EXPECT_EQ(0, call_value(self->dev, KVM_CHECK_EXTENSION, -1UL));
}

TEST_F(abi, caps)
{
	struct npt_caps c = { .size = sizeof(c) };

	ASSERT_EQ(0, call(self->dev, NPT_GET_CAPS, &c));
	EXPECT_EQ(NPT_ABI_VERSION, c.abi_version);
	EXPECT_NE(0, c.engines & (1 << NPT_ENGINE_SOFT));
	EXPECT_EQ(0xe, c.mmu_modes);
	EXPECT_EQ(0x3c, c.guest_levels);
	EXPECT_EQ(0x30, c.nested_levels);
	EXPECT_EQ(7, c.leaf_pages);
	EXPECT_EQ(NPT_CTR_NR, c.counters);
	EXPECT_EQ(NPT_MAX_VCPUS, c.max_vcpus);
	EXPECT_EQ(NPT_MAX_SLOTS, c.max_slots);
	EXPECT_EQ(NPT_MIN_TABLE_PAGES, c.min_table_pages);
	EXPECT_LE(c.min_table_pages, c.default_table_pages);
	EXPECT_LE(c.default_table_pages, c.max_table_pages);

	c.flags = 1;
	EXPECT_EQ(-EINVAL, call(self->dev, NPT_GET_CAPS, &c));
	c.flags = 0;
	c.__reserved[2] = 1;
	EXPECT_EQ(-EINVAL, call(self->dev, NPT_GET_CAPS, &c));
}

TEST_F(abi, create_vm_fields)
{
	struct npt_tlb_model model = { .size = sizeof(model) };
	struct npt_create_vm c;
	int fd;

#define REFUSED(err, field, value) do {					\
		c = vm_args(NPT_MMU_DEFAULT);				\
		c.field = (value);					\
		EXPECT_EQ(-(err), call(self->dev, NPT_CREATE_VM, &c)) {	\
			TH_LOG(#field " = %llx", (unsigned long long)(value)); \
		}							\
	} while (0)

	REFUSED(EINVAL, flags, 2);
	REFUSED(EINVAL, flags, 1U << 31);
	REFUSED(EINVAL, name[0], 7);
	REFUSED(EINVAL, name[0], 0xc3);
	REFUSED(EINVAL, engine, NPT_ENGINE_VMX + 1);
	REFUSED(EINVAL, engine, ~0U);
	REFUSED(EOPNOTSUPP, engine, NPT_ENGINE_VMX);
	REFUSED(EINVAL, mmu, NPT_MMU_NESTED + 1);
	REFUSED(EINVAL, nested_format, NPT_NESTED_EPT + 1);
	REFUSED(EINVAL, nested_levels, 3);
	REFUSED(EINVAL, nested_levels, 6);
	REFUSED(EINVAL, leaf_pages, NPT_PAGE_2M);
	REFUSED(EINVAL, leaf_pages, NPT_PAGE_4K | 8);
	REFUSED(EINVAL, max_vcpus, NPT_MAX_VCPUS + 1);
	REFUSED(EINVAL, max_table_pages, NPT_MIN_TABLE_PAGES - 1);
	REFUSED(EINVAL, max_table_pages, ~0U);
	REFUSED(EINVAL, __reserved[0], 1);
	REFUSED(EINVAL, __reserved[2], 1ULL << 63);
	REFUSED(EFAULT, tlb, (uintptr_t)BAD_PTR);
	model.size--;
	REFUSED(EINVAL, tlb, (uintptr_t)&model);
	model.size++;
	model.tlb[0] = (struct npt_tlb_unit){ .level = 3 };
	REFUSED(EINVAL, tlb, (uintptr_t)&model);
#undef REFUSED

	c = vm_args(NPT_MMU_DEFAULT);
	memset(c.name, 'x', sizeof(c.name));
	EXPECT_EQ(-EINVAL, call(self->dev, NPT_CREATE_VM, &c));
	c.name[NPT_NAME_LEN - 1] = 0;
	fd = call(self->dev, NPT_CREATE_VM, &c);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EINVAL, call_value(self->dev, KVM_CREATE_VM, 1));
}

TEST_F(abi, create_vm_and_info)
{
	struct npt_create_vm c = {
		.size = sizeof(c),
		.flags = NPT_VM_NO_UNSYNC,
		.name = "a name",
		.engine = NPT_ENGINE_SOFT,
		.mmu = NPT_MMU_SHADOW,
		.nested_format = NPT_NESTED_EPT,
		.nested_levels = 5,
		.leaf_pages = NPT_PAGE_4K | NPT_PAGE_2M,
		.max_vcpus = 2,
		.max_table_pages = 1000,
	};
	struct npt_vm_info i = { .size = sizeof(i) };
	struct npt_caps caps = { .size = sizeof(caps) };
	char name[NPT_NAME_LEN];
	int vm, other;

	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	EXPECT_EQ(FD_CLOEXEC, fcntl(vm, F_GETFD));
	EXPECT_NE(0, c.id);
	ASSERT_EQ(0, call(vm, NPT_VM_INFO, &i));
	EXPECT_STREQ("a name", (char *)i.name);
	EXPECT_EQ(c.id, i.id);
	EXPECT_EQ(NPT_VM_NO_UNSYNC, i.flags);
	EXPECT_EQ(NPT_ENGINE_SOFT, i.engine);
	EXPECT_EQ(NPT_MMU_SHADOW, i.mmu);
	EXPECT_EQ(NPT_NESTED_EPT, i.nested_format);
	EXPECT_EQ(5, i.nested_levels);
	EXPECT_EQ(NPT_PAGE_4K | NPT_PAGE_2M, i.leaf_pages);
	EXPECT_EQ(2, i.max_vcpus);
	EXPECT_EQ(1000, i.max_table_pages);
	EXPECT_EQ(0, i.vcpus);
	EXPECT_EQ(0, i.slots);
	i.__reserved[1] = 1;
	EXPECT_EQ(-EINVAL, call(vm, NPT_VM_INFO, &i));

	/* The defaults, and KVM's call. */
	other = call_value(self->dev, KVM_CREATE_VM, 0);
	ASSERT_LE(0, other);
	memset(&i, 0, sizeof(i));
	i.size = sizeof(i);
	ASSERT_EQ(0, call(other, NPT_VM_INFO, &i));
	EXPECT_NE(c.id, i.id);
	snprintf(name, sizeof(name), "vm%u", i.id);
	EXPECT_STREQ(name, (char *)i.name);
	ASSERT_EQ(0, call(self->dev, NPT_GET_CAPS, &caps));
	EXPECT_EQ(caps.default_engine, i.engine);
	EXPECT_EQ(NPT_MMU_NESTED, i.mmu);
	EXPECT_EQ(NPT_NESTED_NPT, i.nested_format);
	/* Where a processor walks them, as many as its own tables have. */
	EXPECT_LE(4, i.nested_levels);
	EXPECT_GE(i.engine == NPT_ENGINE_SOFT ? 4 : 5, i.nested_levels);
	EXPECT_EQ(NPT_MAX_VCPUS, i.max_vcpus);
	close(other);
	close(vm);
}

/* The reply can't be written: there is no VM and no fd. */
TEST_F(abi, create_vm_reply_fault)
{
	struct npt_create_vm *c = map_memory(PAGE);
	int next = dup(0);

	ASSERT_NE(MAP_FAILED, c);
	close(next);
	*c = vm_args(NPT_MMU_NESTED);
	ASSERT_EQ(0, mprotect(c, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->dev, NPT_CREATE_VM, c));
	EXPECT_EQ(next, dup(0));
	close(next);
	munmap(c, PAGE);
}

TEST_F(abi, no_fds_left)
{
	struct rlimit old, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, create_vm(self->dev, NPT_MMU_NESTED));
	EXPECT_EQ(-EMFILE, call_value(self->vm, KVM_CREATE_VCPU, 1));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	/* What failed left nothing behind. */
	EXPECT_EQ(1, counter(self->vm, NPT_CTR_vcpus));
	EXPECT_LE(0, call_value(self->vm, KVM_CREATE_VCPU, 1));
}

/* --- module parameters ------------------------------------------------------- */

#define PARAMETERS "/sys/module/npt/parameters/"

static int set_parameter(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* A program that knows KVM's calls alone runs in the mode that root chose. */
TEST_F(abi, parameters)
{
	static const struct {
		const char *value;
		unsigned int mmu;
	} modes[] = {
		{ "native", NPT_MMU_NATIVE },
		{ "shadow\n", NPT_MMU_SHADOW },
		{ "nested", NPT_MMU_NESTED },
	};
	struct npt_caps caps = { .size = sizeof(caps) };
	char text[16];
	unsigned int i;
	int vm;

	if (access(PARAMETERS "mmu", W_OK))
		SKIP(return, "needs root");
	/* It has every mode. */
	ASSERT_EQ(0, set_parameter(PARAMETERS "engine", "soft"));
	for (i = 0; i < 3; i++) {
		struct npt_vm_info info = { .size = sizeof(info) };

		ASSERT_EQ(0, set_parameter(PARAMETERS "mmu", modes[i].value));
		vm = call_value(self->dev, KVM_CREATE_VM, 0);
		ASSERT_LE(0, vm);
		EXPECT_EQ(0, call(vm, NPT_VM_INFO, &info));
		EXPECT_EQ(modes[i].mmu, info.mmu);
		EXPECT_EQ(0, call(self->dev, NPT_GET_CAPS, &caps));
		EXPECT_EQ(modes[i].mmu, caps.default_mmu);
		close(vm);
	}
	EXPECT_EQ(-EINVAL, set_parameter(PARAMETERS "mmu", "default"));
	EXPECT_EQ(-EINVAL, set_parameter(PARAMETERS "mmu", "x"));

	EXPECT_EQ(caps.engines & (1 << NPT_ENGINE_SVM) ? 0 : -EOPNOTSUPP,
		  set_parameter(PARAMETERS "engine", "svm"));
	EXPECT_EQ(0, set_parameter(PARAMETERS "engine", "auto"));
	EXPECT_EQ(-EINVAL, set_parameter(PARAMETERS "engine", "default"));
	EXPECT_EQ(-EOPNOTSUPP, set_parameter(PARAMETERS "engine", "vmx"));

	snprintf(text, sizeof(text), "%u", NPT_MIN_TABLE_PAGES - 1);
	EXPECT_EQ(-EINVAL, set_parameter(PARAMETERS "max_table_pages", text));
	EXPECT_EQ(-EINVAL, set_parameter(PARAMETERS "max_table_pages", "4194305"));
	snprintf(text, sizeof(text), "%u", NPT_MIN_TABLE_PAGES);
	EXPECT_EQ(0, set_parameter(PARAMETERS "max_table_pages", text));
	EXPECT_EQ(0, call(self->dev, NPT_GET_CAPS, &caps));
	EXPECT_EQ(NPT_MIN_TABLE_PAGES, caps.default_table_pages);
	EXPECT_EQ(0, set_parameter(PARAMETERS "max_table_pages", "65536"));
}

/* --- a VM ------------------------------------------------------------------ */

TEST_F(abi, create_vcpu)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	int vm, a, b;

	EXPECT_EQ(-EEXIST, call_value(self->vm, KVM_CREATE_VCPU, 0));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_CREATE_VCPU, NPT_MAX_VCPUS));
	EXPECT_EQ(-EINVAL, call_value(self->vm, KVM_CREATE_VCPU, 1UL << 32));
	a = call_value(self->vm, KVM_CREATE_VCPU, NPT_MAX_VCPUS - 1);
	EXPECT_LE(0, a);
	EXPECT_EQ(FD_CLOEXEC, fcntl(a, F_GETFD));
	EXPECT_EQ(2, counter(self->vm, NPT_CTR_vcpus));
	close(a);
	/* The vCPU lives on with its VM. */
	EXPECT_EQ(-EEXIST, call_value(self->vm, KVM_CREATE_VCPU, NPT_MAX_VCPUS - 1));

	c.max_vcpus = 1;
	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	b = call_value(vm, KVM_CREATE_VCPU, 5);
	EXPECT_LE(0, b);
	EXPECT_EQ(-EINVAL, call_value(vm, KVM_CREATE_VCPU, 6));
	close(b);
	close(vm);
}

TEST_F(abi, tlb_model)
{
	struct npt_tlb_model m = {
		.size = sizeof(m),
		.flags = NPT_TLB_PCID,
		.tlb[0] = {
			.level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K,
			.entries = 64, .ways = 4,
		},
		.cost = { .ref = 10 },
	}, got = { .size = sizeof(got) }, bad;

	ASSERT_EQ(0, call(self->vm, NPT_SET_TLB, &m));
	ASSERT_EQ(0, call(self->vm, NPT_GET_TLB, &got));
	EXPECT_EQ(0, memcmp(&m, &got, sizeof(m)));
	EXPECT_EQ(1, counter(self->vm, NPT_CTR_flush_model));

#define REFUSED(field, value) do {					\
		bad = m;						\
		bad.field = (value);					\
		EXPECT_EQ(-EINVAL, call(self->vm, NPT_SET_TLB, &bad)) {	\
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)

	REFUSED(flags, NPT_TLB_ORACLE << 1);
	REFUSED(tlb[0].level, 3);
	REFUSED(tlb[0].kinds, 0);
	REFUSED(tlb[0].kinds, 4);
	REFUSED(tlb[0].pages, 0);
	REFUSED(tlb[0].pages, 8);
	REFUSED(tlb[0].policy, NPT_TLB_PLRU + 1);
	REFUSED(tlb[0].entries, 0);
	REFUSED(tlb[0].entries, 65537);
	REFUSED(tlb[0].ways, 3);
	REFUSED(tlb[0].ways, 2048);
	REFUSED(tlb[0].__reserved, 1);
	REFUSED(tlb[1].entries, 1);
	REFUSED(pwc[0].dims, 4);
	REFUSED(pwc[0].levels, 2);
	REFUSED(ntlb_entries, 65537);
	REFUSED(ntlb_ways, 3);
	REFUSED(cost.__reserved[0], 1);
#undef REFUSED
	memset(&got, 0, sizeof(got));
	got.size = sizeof(got);
	ASSERT_EQ(0, call(self->vm, NPT_GET_TLB, &got));
	EXPECT_EQ(0, memcmp(&m, &got, sizeof(m)));
}

TEST_F(abi, flush)
{
	int fds[] = { self->vm, self->vcpu };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct npt_flush f = { .size = sizeof(f) };

		EXPECT_EQ(0, call(fds[i], NPT_FLUSH, &f));
		f.flags = 1;
		EXPECT_EQ(-EINVAL, call(fds[i], NPT_FLUSH, &f));
		f.flags = 0;
		f.pcid = 1;
		EXPECT_EQ(-EINVAL, call(fds[i], NPT_FLUSH, &f));
		f.scope = NPT_FLUSH_TAG;
		EXPECT_EQ(0, call(fds[i], NPT_FLUSH, &f));
		f.pcid = 4096;
		EXPECT_EQ(-EINVAL, call(fds[i], NPT_FLUSH, &f));
		f.pcid = 0;
		f.gva = 0x1000;
		EXPECT_EQ(-EINVAL, call(fds[i], NPT_FLUSH, &f));
		f.scope = NPT_FLUSH_ADDRESS;
		EXPECT_EQ(0, call(fds[i], NPT_FLUSH, &f));
		f.scope = NPT_FLUSH_ADDRESS + 1;
		EXPECT_EQ(-EINVAL, call(fds[i], NPT_FLUSH, &f));
	}
	EXPECT_EQ(6, counter(self->vm, NPT_CTR_flush_user));
}

TEST_F(abi, stats)
{
	uint64_t values[NPT_CTR_NR + 1];
	struct npt_stats s = {
		.size = sizeof(s),
		.count = NPT_CTR_NR + 1,
		.values = (uintptr_t)values,
	};

	memset(values, 0xa5, sizeof(values));
	ASSERT_EQ(0, call(self->vm, NPT_STATS, &s));
	EXPECT_EQ(NPT_CTR_NR, s.count);
	EXPECT_EQ(1, values[NPT_CTR_slots]);
	EXPECT_EQ(0xa5a5a5a5a5a5a5a5ULL, values[NPT_CTR_NR]);

	/* No more than there is room for. */
	memset(values, 0xa5, sizeof(values));
	s.count = 1;
	ASSERT_EQ(0, call(self->vm, NPT_STATS, &s));
	EXPECT_EQ(NPT_CTR_NR, s.count);
	EXPECT_EQ(0, values[0]);
	EXPECT_EQ(0xa5a5a5a5a5a5a5a5ULL, values[1]);

	/* The VM's own are nobody else's. */
	ASSERT_EQ(0, call(self->vcpu, NPT_STATS, &s));
	EXPECT_EQ(0, values[NPT_CTR_slots]);

	s.values = (uintptr_t)BAD_PTR;
	s.count = NPT_CTR_NR;
	EXPECT_EQ(-EFAULT, call(self->vm, NPT_STATS, &s));
	EXPECT_EQ(-EFAULT, call(self->vcpu, NPT_STATS, &s));
	s.count = 0;
	EXPECT_EQ(0, call(self->vm, NPT_STATS, &s));
	s.flags = 1;
	EXPECT_EQ(-EINVAL, call(self->vm, NPT_STATS, &s));
	s.flags = 0;
	s.__reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->vm, NPT_STATS, &s));
}

TEST_F(abi, dirty_log)
{
	uint64_t bitmap[MEM_SIZE / PAGE / 64];
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };

	EXPECT_EQ(-ENOENT, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	log.slot = 7;
	EXPECT_EQ(-ENOENT, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	log.slot = NPT_MAX_SLOTS;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	log.slot = 1 << 16;
	EXPECT_EQ(-EINVAL, call(self->vm, KVM_GET_DIRTY_LOG, &log));

	log.slot = 0;
	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, self->mem));
	ASSERT_EQ(0, write_phys(self->vcpu, 0x3000, "x", 1));
	log.dirty_bitmap = BAD_PTR;
	EXPECT_EQ(-EFAULT, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	/* Nothing was forgotten. */
	log.dirty_bitmap = bitmap;
	ASSERT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(8, bitmap[0]);
}

/* --- a vCPU: registers -------------------------------------------------------- */

TEST_F(abi, regs)
{
	struct kvm_regs r = { .rax = 1, .r15 = 2, .rip = 3, .rflags = 0x40200 }, got;

	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &got));
	EXPECT_EQ(0xfff0, got.rip);
	EXPECT_EQ(2, got.rflags);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &got));
	r.rflags |= 2;
	EXPECT_EQ(0, memcmp(&r, &got, sizeof(r)));
}

TEST_F(abi, sregs)
{
	struct kvm_sregs s, got;

	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0x60000010, s.cr0);
	EXPECT_EQ(0xffff0000, s.cs.base);
	s.cr2 = 0x1234;
	s.fs.base = 0x5678;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_SREGS, &s));
	ASSERT_EQ(0, long_mode(self->vcpu, 0x1000));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &got));
	EXPECT_EQ(0x1000, got.cr3);
	EXPECT_EQ(0x1234, got.cr2);
	EXPECT_EQ(0x5678, got.fs.base);

#define REFUSED(field, value) do {					\
		s = got;						\
		s.field = (value);					\
		EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_SREGS, &s)) { \
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)

	REFUSED(cr0, CR0_PG);			/* paging without protection */
	REFUSED(cr0, CR0_PE | CR0_PG | 1UL << 32);
	REFUSED(cr0, CR0_PE | CR0_PG | 1UL << 29);	/* NW without CD */
	REFUSED(cr0, CR0_PE);			/* EFER.LMA without paging */
	REFUSED(cr3, 1UL << 60);
	REFUSED(cr4, 0);			/* long mode without PAE */
	REFUSED(cr4, CR4_PAE | 1UL << 40);
	REFUSED(efer, EFER_LME);		/* active but for LMA */
	REFUSED(efer, EFER_LME | EFER_LMA | 1UL << 50);
	REFUSED(efer, 0);			/* 64-bit code segment outside long mode */
	REFUSED(cr8, 16);
#undef REFUSED
	/* What was refused changed nothing. */
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_SREGS, &s));
	EXPECT_EQ(0, memcmp(&s, &got, sizeof(s)));
}

TEST_F(abi, mp_state)
{
	struct kvm_mp_state m = { .mp_state = KVM_MP_STATE_HALTED };

	EXPECT_EQ(-EINVAL, call(self->vcpu, KVM_SET_MP_STATE, &m));
	EXPECT_EQ(0, call(self->vcpu, KVM_GET_MP_STATE, &m));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, m.mp_state);
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_MP_STATE, &m));
}

TEST_F(abi, translate)
{
	struct kvm_translation t = { .linear_address = 0x5678 };

	/* Paging is off: an address is its own translation. */
	ASSERT_EQ(0, call(self->vcpu, KVM_TRANSLATE, &t));
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(0x5678, t.physical_address);

	identity_tables(self->mem, 0, MEM_SIZE);
	*pte_of(self->mem, 0x8000) = 0x9000 | PTE_P;
	*pte_of(self->mem, 0xa000) = 0;
	ASSERT_EQ(0, long_mode(self->vcpu, 0));
	t.linear_address = 0x8123;
	ASSERT_EQ(0, call(self->vcpu, KVM_TRANSLATE, &t));
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(0x9123, t.physical_address);
	EXPECT_EQ(0, t.writeable);
	EXPECT_EQ(0, t.usermode);
	t.linear_address = 0xa000;
	ASSERT_EQ(0, call(self->vcpu, KVM_TRANSLATE, &t));
	EXPECT_EQ(0, t.valid);
	EXPECT_EQ(~0ULL, t.physical_address);
}

/* --- a vCPU: KVM_RUN ------------------------------------------------------------ */

TEST_F(abi, run_page)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, self->vcpu, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->vcpu, 2 * PAGE));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(abi, run)
{
	struct kvm_regs r = { .rip = 0x10100, .rflags = 0x202 };
	uint8_t *code = self->mem + 0x10000;

	EXPECT_EQ(-EINVAL, call_value(self->vcpu, KVM_RUN, 1));
	self->run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, call(self->vcpu, KVM_RUN, NULL));
	self->run->immediate_exit = 0;

	identity_tables(self->mem, 0, MEM_SIZE);
	ASSERT_EQ(0, long_mode(self->vcpu, 0));
	code[0x100] = 0xf4;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	EXPECT_EQ(1, self->run->if_flag);
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &r));
	EXPECT_EQ(0x10101, r.rip);
	EXPECT_EQ(1, counter(self->vcpu, NPT_CTR_access_fetch));

	/* Anything else is more than this engine can do: it shows the bytes. */
	memcpy(code + 0x101, "\x0f\x20\xd8\x90\x90\x90", 6);
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->emulation_failure.suberror);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
		  self->run->emulation_failure.flags);
	EXPECT_EQ(15, self->run->emulation_failure.insn_size);
	EXPECT_EQ(0, memcmp(self->run->emulation_failure.insn_bytes, code + 0x101, 15));

	/* Up to the end of what is mapped. */
	*pte_of(self->mem, 0x11000) = 0;
	r.rip = 0x10ffe;
	code[0xffe] = 0x90;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(2, self->run->emulation_failure.insn_size);

	/* A page fault that nobody can deliver. */
	r.rip = 0x11000;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_DELIVERY_EV, self->run->internal.suberror);
	EXPECT_EQ(3, self->run->internal.ndata);
	EXPECT_EQ(14, self->run->internal.data[0]);
	EXPECT_EQ(0, self->run->internal.data[1]);
	EXPECT_EQ(0x11000, self->run->internal.data[2]);

	r.rip = 1UL << 60;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_INTERNAL_ERROR_DELIVERY_EV, self->run->internal.suberror);
	EXPECT_EQ(13, self->run->internal.data[0]);

	/* No memory there at all, and memory that the host does not give. */
	*pte_of(self->mem, 0x12000) = 0x40000000 | PTE_RWU;
	r.rip = 0x12000;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, self->run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->emulation_failure.suberror);
	EXPECT_EQ(0, self->run->emulation_failure.ndata);
	ASSERT_EQ(0, munmap(self->mem + 0x13000, PAGE));
	r.rip = 0x13000;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &r));
	EXPECT_EQ(-EFAULT, call(self->vcpu, KVM_RUN, NULL));
}

/* --- a vCPU: batches -------------------------------------------------------------- */

TEST_F(abi, batch_fields)
{
	struct npt_access rec = { .gva = 0x1000, .size = 4 };
	struct npt_batch b, good = {
		.size = sizeof(good),
		.accesses = (uintptr_t)&rec,
		.count = 1,
	};

#define REFUSED(err, field, value) do {					\
		b = good;						\
		b.field = (value);					\
		EXPECT_EQ(-(err), call(self->vcpu, NPT_BATCH, &b)) {	\
			TH_LOG(#field " = " #value);			\
		}							\
		EXPECT_EQ(0, b.done);					\
	} while (0)

	REFUSED(EINVAL, flags, 2);
	REFUSED(EINVAL, count, NPT_MAX_BATCH + 1);
	REFUSED(EINVAL, data_len, 1);
	REFUSED(EINVAL, __reserved[0], 1);
	REFUSED(EFAULT, accesses, 0);
	REFUSED(EFAULT, accesses, (uintptr_t)BAD_PTR);
	REFUSED(EFAULT, accesses, ~0xfffULL);
	REFUSED(EFAULT, results, ~0xfffULL);
	good.data = (uintptr_t)BAD_PTR;
	REFUSED(EINVAL, data_len, NPT_MAX_BATCH_DATA + 1);
	REFUSED(EFAULT, data_len, 4096);
#undef REFUSED
	EXPECT_EQ(0, counter(self->vcpu, NPT_CTR_accesses));
	EXPECT_EQ(0, counter(self->vcpu, NPT_CTR_batches));

	b = good;
	b.data = 0;
	b.count = 0;
	EXPECT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	b.count = 1;
	EXPECT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(1, b.done);
	EXPECT_EQ(0, b.failed);
	EXPECT_EQ(1, counter(self->vcpu, NPT_CTR_batches));

	/* Executed, but nobody could be told: done says how far it came. */
	b.results = (uintptr_t)BAD_PTR;
	EXPECT_EQ(-EFAULT, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(1, b.done);
	EXPECT_EQ(2, counter(self->vcpu, NPT_CTR_accesses));
}

TEST_F(abi, batch_records)
{
	static const struct {
		struct npt_access rec;
		int status;
	} cases[] = {
		{ { .gva = 0x1000, .size = 0 }, NPT_STATUS_BAD_RECORD },
		{ { .gva = 0x1000, .size = 1, .op = NPT_OP_NR }, NPT_STATUS_BAD_RECORD },
		{ { .gva = 0x1000, .size = 1, .flags = 8 }, NPT_STATUS_BAD_RECORD },
		{ { .gva = 0x1000, .size = 1, .op = NPT_OP_INVLPG }, NPT_STATUS_BAD_RECORD },
		{ { .op = NPT_OP_FLUSH, .flags = NPT_ACCESS_USER }, NPT_STATUS_BAD_RECORD },
		{ { .gva = 0x1000, .size = 8, .flags = NPT_ACCESS_DATA, .data = 57 },
		  NPT_STATUS_BAD_RECORD },
		{ { .gva = 0x1000, .size = 8, .flags = NPT_ACCESS_DATA, .data = 0xfffffffc },
		  NPT_STATUS_BAD_RECORD },
		{ { .gva = 0x1000, .size = 8, .flags = NPT_ACCESS_DATA, .data = 56 },
		  NPT_STATUS_OK },
		{ { .gva = 0xffc, .size = 8 }, NPT_STATUS_OK },
		{ { .gva = MEM_SIZE - 2, .size = 4 }, NPT_STATUS_MMIO },
		{ { .gva = 1UL << 40, .size = 4 }, NPT_STATUS_GUEST_GP },
		{ { .gva = 1UL << 40, .size = 4, .flags = NPT_ACCESS_PHYS }, NPT_STATUS_MMIO },
		{ { .gva = ~0UL, .size = 4, .flags = NPT_ACCESS_PHYS }, NPT_STATUS_MMIO },
		{ { .op = NPT_OP_INVLPG }, NPT_STATUS_OK },
		{ { .op = NPT_OP_FLUSH }, NPT_STATUS_OK },
		{ { .op = NPT_OP_SWITCH }, NPT_STATUS_OK },
		{ { .op = NPT_OP_MOV_CR3, .gva = 0x1000 }, NPT_STATUS_OK },
		{ { .op = NPT_OP_MOV_CR3, .gva = 1UL << 62 }, NPT_STATUS_GUEST_GP },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct npt_access_result res[N];
	struct npt_access rec[N];
	char data[64] = {};
	struct npt_batch b = {
		.size = sizeof(b),
		.accesses = (uintptr_t)rec,
		.results = (uintptr_t)res,
		.data = (uintptr_t)data,
		.data_len = sizeof(data),
		.count = N,
	};
	unsigned int i, failed = 0;

	memset(res, 0xff, sizeof(res));
	for (i = 0; i < N; i++)
		rec[i] = cases[i].rec;
	ASSERT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(N, b.done);
	for (i = 0; i < N; i++) {
		EXPECT_EQ(cases[i].status, res[i].status) {
			TH_LOG("record %u", i);
		}
		EXPECT_EQ(0, res[i].__reserved);
		failed += !!cases[i].status;
	}
	EXPECT_EQ(failed, b.failed);

	/* And again, up to the first that fails. */
	b.flags = NPT_BATCH_STOP;
	b.accesses = (uintptr_t)(rec + 7);
	b.count = N - 7;
	ASSERT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(3, b.done);
	EXPECT_EQ(1, b.failed);
}

/* Data goes in and out, in order, and only what was read comes back. */
TEST_F(abi, batch_data)
{
	struct npt_access rec[] = {
		{ .gva = 0x2000, .size = 4, .op = NPT_OP_WRITE, .data = 0 },
		{ .gva = 0x2000, .size = 4, .op = NPT_OP_READ, .data = 8 },
		/* What a read left is there for a later write. */
		{ .gva = 0x3ffe, .size = 4, .op = NPT_OP_WRITE, .data = 8 },
		{ .gva = 0x3ffe, .size = 4, .op = NPT_OP_READ, .data = 12 },
		{ .gva = 0x3ffe, .size = 4, .op = NPT_OP_FETCH, .data = 16 },
		/* This one fails and gives nothing. */
		{ .gva = MEM_SIZE - 2, .size = 4, .op = NPT_OP_READ, .data = 28 },
	};
	char data[33] = "abcd----________________________";
	struct npt_batch b = {
		.size = sizeof(b),
		.accesses = (uintptr_t)rec,
		.data = (uintptr_t)data,
		.data_len = 32,
		.count = 6,
	};
	unsigned int i;

	for (i = 0; i < 6; i++)
		rec[i].flags = NPT_ACCESS_DATA;
	ASSERT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(6, b.done);
	EXPECT_EQ(1, b.failed);
	EXPECT_STREQ("abcd----abcdabcdabcd____________", data);
	EXPECT_EQ(0, memcmp(self->mem + 0x2000, "abcd", 4));
	EXPECT_EQ(0, memcmp(self->mem + 0x3ffe, "abcd", 4));
}

/* More records than a chunk holds; the second half can't be read. */
TEST_F(abi, batch_cut_short)
{
	const unsigned int n = 100000;
	size_t len = (n * sizeof(struct npt_access) + PAGE - 1) & ~(PAGE - 1);
	struct npt_access *rec = map_memory(len);
	struct npt_batch b = {
		.size = sizeof(b),
		.accesses = (uintptr_t)rec,
		.count = n,
	};
	unsigned int i;

	ASSERT_NE(MAP_FAILED, rec);
	for (i = 0; i < n; i++)
		rec[i] = (struct npt_access){ .gva = i % 512 * PAGE, .size = 1 };
	ASSERT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(n, b.done);
	EXPECT_EQ(n, counter(self->vcpu, NPT_CTR_accesses));
	ASSERT_EQ(0, munmap((char *)rec + len / 2 / PAGE * PAGE, len - len / 2 / PAGE * PAGE));
	EXPECT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_LT(0, b.done);
	EXPECT_GE(n / 2 + 256, b.done);
	EXPECT_EQ(n + b.done, counter(self->vcpu, NPT_CTR_accesses));
	munmap(rec, len / 2);
}

/* --- a vCPU: explain ------------------------------------------------------------ */

TEST_F(abi, explain)
{
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_explain e, good = {
		.size = sizeof(good),
		.flags = NPT_EXPLAIN_FILL,
		.gva = 0x8123,
		.count = NPT_WALK_MAX,
		.entries = (uintptr_t)ent,
	};

	identity_tables(self->mem, 0, MEM_SIZE);
	ASSERT_EQ(0, long_mode(self->vcpu, 0));
	e = good;
	ASSERT_EQ(0, call(self->vcpu, NPT_EXPLAIN, &e));
	EXPECT_EQ(NPT_STATUS_OK, e.status);
	EXPECT_EQ(0x8123, e.gpa);
	EXPECT_EQ(4, e.refs_guest);
	EXPECT_EQ(e.refs_guest + e.refs_nested, e.count);
	EXPECT_EQ(0, counter(self->vcpu, NPT_CTR_lookups));

	/* Less room: the rest is counted but not written. */
	e = good;
	e.count = 2;
	memset(ent, 0xa5, sizeof(ent));
	ASSERT_EQ(0, call(self->vcpu, NPT_EXPLAIN, &e));
	EXPECT_EQ(e.refs_guest + e.refs_nested, e.count);
	EXPECT_NE(0xa5, ent[1].level);
	EXPECT_EQ(0xa5, ent[2].level);

#define REFUSED(err, field, value) do {					\
		e = good;						\
		e.field = (value);					\
		EXPECT_EQ(-(err), call(self->vcpu, NPT_EXPLAIN, &e)) {	\
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)

	REFUSED(EINVAL, flags, 2);
	REFUSED(EINVAL, op, NPT_OP_INVLPG);
	REFUSED(EINVAL, user, 2);
	REFUSED(EINVAL, __reserved[1], 1);
	REFUSED(EFAULT, entries, (uintptr_t)BAD_PTR);
#undef REFUSED
}

/* Host addresses are for CAP_SYS_ADMIN. */
TEST_F(abi, explain_censored)
{
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_explain e = {
		.size = sizeof(e),
		.flags = NPT_EXPLAIN_FILL,
		.gva = 0x8123,
		.count = NPT_WALK_MAX,
		.entries = (uintptr_t)ent,
	};
	unsigned int i, nested = 0;

	if (geteuid())
		SKIP(return, "needs root, to give it up");
	identity_tables(self->mem, 0, MEM_SIZE);
	ASSERT_EQ(0, long_mode(self->vcpu, 0));
	ASSERT_EQ(0, call(self->vcpu, NPT_EXPLAIN, &e));
	EXPECT_NE(0, e.hpa);
	EXPECT_NE(0, ent[0].address);

	ASSERT_EQ(0, seteuid(65534));
	e.count = NPT_WALK_MAX;
	ASSERT_EQ(0, call(self->vcpu, NPT_EXPLAIN, &e));
	EXPECT_EQ(0, e.hpa);
	EXPECT_EQ(0x8123, e.gpa);
	for (i = 0; i < e.count; i++) {
		if (ent[i].dim != NPT_DIM_NESTED)
			continue;
		nested++;
		EXPECT_EQ(0, ent[i].address);
		EXPECT_EQ(0, ent[i].value & 0x000ffffffffff000ULL);
		EXPECT_NE(0, ent[i].value);
	}
	EXPECT_EQ(e.refs_nested, nested);
	ASSERT_EQ(0, seteuid(0));
}

/* --- another process --------------------------------------------------------------- */

TEST_F(abi, other_process)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct npt_vm_info i = { .size = sizeof(i) };
		struct kvm_regs r;
		bool ok;

		ok = call(self->vm, NPT_VM_INFO, &i) == -EIO &&
		     call_value(self->vm, KVM_CREATE_VCPU, 9) == -EIO &&
		     set_slot(self->vm, 1, 0, MEM_SIZE, PAGE, self->mem) == -EIO &&
		     call(self->vcpu, KVM_GET_REGS, &r) == -EIO &&
		     read_phys(self->vcpu, 0, &r, 8) == -EIO &&
		     counter(self->vm, NPT_CTR_vcpus) == ~0ULL &&
		     call(self->vm, _IO(NPTIO, 0xff), NULL) == -ENOTTY;
		_exit(!ok);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, counter(self->vm, NPT_CTR_vcpus));
}

TEST_HARNESS_MAIN
