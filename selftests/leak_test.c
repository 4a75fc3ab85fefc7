// SPDX-License-Identifier: GPL-2.0
/*
 * What leaves the module for somebody without CAP_SYS_ADMIN: every byte that a
 * call writes, every message, the run page after each kind of exit, files, and
 * what the kernel's log says. None may be an address of the host's memory, of
 * the kernel, or a byte that nobody has written.
 *
 * Guest memory lies at 512 GiB, where the machine has none, so that a guest's
 * address is never taken for one of the host's. The kernel is best booted with
 * slub_debug=P page_poison=1 init_on_alloc=0 init_on_free=0: then memory that
 * nobody has written shows. What is left over on the kernel's stack is put there
 * by this test.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "svmguest.h"
#include "system.h"

#define HIGH (1UL << 39)
#define BASE_SIZE (64 * 1024UL)
#define PAGES (BASE_SIZE / PAGE)
#define CODE 0x1000UL
#define DATA 0x4000UL
#define STACK 0x8000UL
#define ROOT 0x9000UL
#define HOLE (HIGH + (1UL << 30))
#define PTE_LARGE 0x80UL
#define NOBODY 65534
#define SECRETS 128

/* What is in the caller's buffers before a call, and on the stack of the kernel. */
#define UNTOUCHED 0x11
#define LEFT_OVER 0xc5

/* Frames of the host that nobody may learn: the guest's memory, then tables. */
struct secrets {
	uint64_t hpa[SECRETS];
	unsigned int n;
};

FIXTURE(leak) {
	int dev, vm, vcpu;
	uint32_t id;
	struct kvm_run *run;
	char *mem;
	struct nlraw nl;
	struct secrets secrets;
	unsigned int found;	/* secrets */
};

FIXTURE_VARIANT(leak) {
	unsigned int engine, mmu;
};

FIXTURE_VARIANT_ADD(leak, soft_native) { NPT_ENGINE_SOFT, NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(leak, soft_shadow) { NPT_ENGINE_SOFT, NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(leak, soft_nested) { NPT_ENGINE_SOFT, NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(leak, svm_shadow) { NPT_ENGINE_SVM, NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(leak, svm_nested) { NPT_ENGINE_SVM, NPT_MMU_NESTED };

/* --- looking ------------------------------------------------------------------------- */

static const uint8_t poisons[] = { 0x6b, 0x5a, 0xaa, LEFT_OVER };

/* Four bytes that nobody has written. */
static bool is_poison(uint32_t v)
{
	unsigned int i;

	for (i = 0; i < sizeof(poisons); i++)
		if (v == poisons[i] * 0x01010101U)
			return true;
	return false;
}

/*
 * The kernel's half, without the ends of it that small negative numbers and
 * limits of segments look like; and the kernel's own code and data. Nothing of it
 * lies at so round an address as DR6 and what is beside it make up.
 */
static bool is_kernel(uint64_t v)
{
	uint64_t top = v >> 32;

	if (!(uint32_t)v)
		return false;
	return (top >= 0xff000000 && top < 0xffffff00) ||
	       (v >= 0xffffffff80000000 && v < 0xffffffffff000000);
}

static bool is_host(const struct secrets *s, uint64_t v)
{
	uint64_t page = v & 0x000ffffffffff000;
	unsigned int i;

	/* Frame numbers too, but for those so small that anything may be one. */
	for (i = 0; i < s->n; i++)
		if (page == s->hpa[i] || (v >= 0x2000 && v == s->hpa[i] / PAGE))
			return true;
	return false;
}

static unsigned int look(const struct secrets *hpa, const char *what, const void *buf, size_t len)
{
	const uint8_t *bytes = buf;
	unsigned int found = 0;
	const char *why;
	uint64_t v;
	size_t i;

	for (i = 0; i + 4 <= len; i += 4) {
		v = 0;
		memcpy(&v, bytes + i, i + 8 <= len ? 8 : 4);
		why = is_poison(v) ? "what nobody wrote" : is_kernel(v) ? "the kernel's" :
		      is_host(hpa, v) ? "host-physical" : NULL;
		if (!why)
			continue;
		fprintf(stderr, "# %s, at byte %zu: %016llx, %s\n", what, i,
			(unsigned long long)v, why);
		found++;
	}
	return found;
}

/* Words in hexadecimal, as text has them. */
static unsigned int look_at_text(const struct secrets *hpa, const char *what, const char *text)
{
	unsigned int found = 0;
	size_t len;
	uint64_t v;

	for (; *text; text += len ? len : 1) {
		len = strspn(text, "0123456789abcdef");
		if (len < 5 || len > 16)
			continue;
		v = strtoull(text, NULL, 16);
		if (is_kernel(v) || (len >= 8 && is_host(hpa, v))) {
			fprintf(stderr, "# %s: %.*s\n", what, (int)len, text);
			found++;
		}
	}
	return found;
}

/* --- the machine ------------------------------------------------------------------------ */

/* Each kind of exit: a port, memory that is not there, its end. */
GUEST static void guest_main(uint64_t hole)
{
	uint32_t v;

	for (;;) {
		asm volatile("outl %0, %1" : : "a"(1), "Nd"(0x55));
		asm volatile("inb %1, %b0" : "=a"(v) : "Nd"(0x55));
		asm volatile("inl %1, %0" : "=a"(v) : "Nd"(0x55));
		GUEST_WORD(hole) = 0x1234;
		(void)GUEST_WORD(hole + 8);
		*(volatile uint8_t *)(hole + 3) = 7;
		asm volatile("cpuid" : "=a"(v) : "a"(0) : "ebx", "ecx", "edx");
		asm volatile("hlt");
	}
}

static void add_secret(struct secrets *s, uint64_t hpa)
{
	unsigned int i;

	for (i = 0; i < s->n && s->hpa[i] != hpa; i++)
		;
	if (hpa && i == s->n && s->n < SECRETS)
		s->hpa[s->n++] = hpa;
}

static bool find_pages(char *mem, struct secrets *s)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		if (pread(fd, &entry, 8, ((uintptr_t)mem / PAGE + i) * 8) != 8 ||
		    !(entry >> 63))
			break;
		add_secret(s, (entry & ((1ULL << 55) - 1)) * PAGE);
	}
	close(fd);
	return s->n == PAGES;
}

static long explain(int vcpu, uint64_t gva, struct npt_explain *e, struct npt_walk_entry *ent)
{
	*e = (struct npt_explain) {
		.size = sizeof(*e), .flags = NPT_EXPLAIN_FILL, .op = NPT_OP_READ, .gva = gva,
		.count = NPT_WALK_MAX, .entries = (uintptr_t)ent,
	};
	memset(ent, UNTOUCHED, NPT_WALK_MAX * sizeof(*ent));
	return call(vcpu, NPT_EXPLAIN, e);
}

/* Where the module's own tables lie. Root is told. */
static bool find_tables(int vcpu, struct secrets *s)
{
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_explain e;
	unsigned int i, k;

	for (i = 0; i < PAGES; i++) {
		if (explain(vcpu, HIGH + i * PAGE, &e, ent))
			return false;
		for (k = 0; k < e.count; k++)
			if (ent[k].dim != NPT_DIM_GUEST)
				add_secret(s, ent[k].address & ~(PAGE - 1));
	}
	return s->n > PAGES && s->n < SECRETS;
}

FIXTURE_SETUP(leak)
{
	struct npt_create_vm c = vm_args(variant->mmu);
	struct kvm_regs regs = {
		.rip = guest_code_at(HIGH + CODE, guest_main), .rsp = HIGH + STACK - 8, .rdi = HOLE,
	};
	uint64_t *t, i, v;

	if (geteuid())
		SKIP(return, "needs root");
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	if (variant->engine == NPT_ENGINE_SVM && !have_svm(self->dev))
		SKIP(return, "no svm engine here");
	self->mem = map_memory(BASE_SIZE);
	ASSERT_NE(MAP_FAILED, self->mem);
	memset(self->mem, 0, BASE_SIZE);
	guest_code_copy(self->mem + CODE);
	t = (uint64_t *)(self->mem + ROOT);
	t[1] = (HIGH + ROOT + PAGE) | PTE_RWU;
	for (i = 0; i < 2; i++)
		t[512 + i] = (HIGH + (i << 30)) | PTE_RWU | PTE_LARGE;
	/* From here on as somebody else. */
	ASSERT_EQ(0, seteuid(NOBODY));
	ASSERT_LE(0, nlraw_open(&self->nl));
	c.engine = variant->engine;
	self->vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, self->vm);
	self->id = c.id;
	ASSERT_EQ(0, set_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, HIGH, BASE_SIZE, self->mem));
	self->vcpu = call_value(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	self->run = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(MAP_FAILED, self->run);
	ASSERT_EQ(0, guest_state(self->vcpu, HIGH + ROOT, &regs));
	for (i = 0; i < PAGES && variant->engine == NPT_ENGINE_SOFT; i++)
		ASSERT_EQ(0, read_virt(self->vcpu, HIGH + i * PAGE, &v, 8));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_TRUE(find_pages(self->mem, &self->secrets));
	/* A bare machine has none. */
	if (variant->mmu != NPT_MMU_NATIVE)
		ASSERT_TRUE(find_tables(self->vcpu, &self->secrets));
	ASSERT_EQ(0, seteuid(NOBODY));
}

FIXTURE_TEARDOWN(leak)
{
	if (self->vm <= 0)
		return;
	ASSERT_EQ(0, seteuid(0));
	nlraw_close(&self->nl);
	munmap(self->run, 2 * PAGE);
	close(self->vcpu);
	close(self->vm);
	close(self->dev);
	munmap(self->mem, BASE_SIZE);
}

#define LOOK(what, buf, len) (self->found += look(&self->secrets, what, buf, len))

/* --- is there anything to be found? -------------------------------------------------------- */

/*
 * NPT_LEAK_POISON: the kernel was booted so that memory which nobody has written shows;
 * then it must be so, or all that is looked for below is not there to be found.
 */
TEST(poison)
{
	if (!setting("NPT_LEAK_POISON", 0))
		SKIP(return, "the kernel is not asked to poison memory");
	EXPECT_EQ(1, read_number("/sys/kernel/slab/kmalloc-512/poison", ""));
	EXPECT_EQ(1, read_number("/sys/kernel/slab/kmalloc-8k/poison", ""));
}

/* --- calls ------------------------------------------------------------------------------- */

/* Leave something behind where the next call has its struct. All of these are refused. */
static void soil_stack(int vm, int vcpu)
{
	static const unsigned long calls[] = {
		KVM_SET_XCRS, KVM_SET_SREGS, KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS,
	};
	uint8_t dirt[1024];
	unsigned int i;

	memset(dirt, LEFT_OVER, sizeof(dirt));
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		call(vcpu, calls[i], dirt);
	*(uint32_t *)dirt = sizeof(struct npt_tlb_model);
	call(vm, NPT_SET_TLB, dirt);
}

enum object { DEV, VM, VCPU };

#define C(object, call) { object, call, #call, 0 }
#define OWN(object, call, type) { object, call, #call, sizeof(type) }

/* Those that want something in their struct are below. */
static const struct {
	enum object object;
	unsigned long cmd;
	const char *name;
	uint32_t size;		/* own structs */
} getters[] = {
	OWN(DEV, NPT_GET_CAPS, struct npt_caps),
	OWN(VM, NPT_VM_INFO, struct npt_vm_info),
	OWN(VM, NPT_GET_TLB, struct npt_tlb_model),
	C(VM, KVM_GET_IRQCHIP),
	C(VCPU, KVM_GET_REGS),
	C(VCPU, KVM_GET_SREGS),
	C(VCPU, KVM_GET_SREGS2),
	C(VCPU, KVM_GET_FPU),
	C(VCPU, KVM_GET_XSAVE),
	C(VCPU, KVM_GET_XSAVE2),
	C(VCPU, KVM_GET_XCRS),
	C(VCPU, KVM_GET_VCPU_EVENTS),
	C(VCPU, KVM_GET_DEBUGREGS),
	C(VCPU, KVM_GET_MP_STATE),
	C(VCPU, KVM_GET_LAPIC),
};

TEST_F(leak, structs)
{
	static uint8_t buf[8192];
	unsigned int i, worked = 0;
	int fd[] = { self->dev, self->vm, self->vcpu };

	for (i = 0; i < sizeof(getters) / sizeof(getters[0]); i++) {
		bool own = getters[i].size;

		memset(buf, own ? 0 : UNTOUCHED, sizeof(buf));
		if (own)
			memcpy(buf, &getters[i].size, 4);
		soil_stack(self->vm, self->vcpu);
		worked += call(fd[getters[i].object], getters[i].cmd, buf) >= 0;
		LOOK(getters[i].name, buf, sizeof(buf));
	}
	EXPECT_LE(12, worked);
	EXPECT_EQ(0, self->found);
}

/* Calls that make something, and what they say of it. */
TEST_F(leak, replies)
{
	struct {
		struct npt_create_vm c;
		uint8_t rest[256];
	} u = { .c = vm_args(variant->mmu) };
	struct kvm_irq_level line = { .irq = 3, .level = 1 };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int vm;

	u.c.engine = variant->engine;
	soil_stack(self->vm, self->vcpu);
	vm = call(self->dev, NPT_CREATE_VM, &u);
	ASSERT_LE(0, vm);
	EXPECT_NE(0, u.c.id);
	LOOK("NPT_CREATE_VM", &u, sizeof(u));
	if (variant->engine == NPT_ENGINE_SVM) {
		ASSERT_EQ(0, call(vm, KVM_ENABLE_CAP, &cap));
		soil_stack(self->vm, self->vcpu);
		EXPECT_EQ(0, call(vm, KVM_IRQ_LINE_STATUS, &line));
		EXPECT_EQ(-1, line.status);
	}
	LOOK("KVM_IRQ_LINE_STATUS", &line, sizeof(line));
	close(vm);
	EXPECT_EQ(0, self->found);
}

TEST_F(leak, lists)
{
	static union {
		struct kvm_cpuid2 cpuid;
		struct kvm_msr_list list;
		struct kvm_msrs msrs;
		struct kvm_translation translation;
		uint64_t counters[NPT_CTR_NR];
		uint64_t bits[PAGES];
		uint8_t bytes[32768];
	} u;
	struct npt_stats s = {
		.size = sizeof(s), .count = NPT_CTR_NR, .values = (uintptr_t)u.counters,
	};
	struct kvm_dirty_log log = { .dirty_bitmap = u.bits };
	unsigned int i, n;

#define ASK(what, ...) do {							\
		memset(&u, UNTOUCHED, sizeof(u));				\
		soil_stack(self->vm, self->vcpu);				\
		__VA_ARGS__;							\
		LOOK(what, &u, sizeof(u));					\
	} while (0)

	ASK("supported CPUID", u.cpuid.nent = 200;
	    EXPECT_EQ(0, call(self->dev, KVM_GET_SUPPORTED_CPUID, &u)));
	n = u.cpuid.nent;
	EXPECT_EQ(0, call(self->vcpu, KVM_SET_CPUID2, &u));
	ASK("CPUID", u.cpuid.nent = n; EXPECT_EQ(0, call(self->vcpu, KVM_GET_CPUID2, &u)));
	ASK("feature MSRs", u.list.nmsrs = 200;
	    EXPECT_EQ(0, call(self->dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &u)));
	ASK("MSRs", u.list.nmsrs = 200;
	    EXPECT_EQ(0, call(self->dev, KVM_GET_MSR_INDEX_LIST, &u)));
	n = u.list.nmsrs;
	ASSERT_GT(200, n);
	for (i = n; i-- > 0; ) {
		uint32_t index = u.list.indices[i];

		u.msrs.entries[i] = (struct kvm_msr_entry){ .index = index };
	}
	u.msrs.nmsrs = n;
	call(self->vcpu, KVM_GET_MSRS, &u);
	LOOK("values of MSRs", &u, sizeof(u));
	ASK("translation", u.translation.linear_address = HIGH + DATA;
	    EXPECT_EQ(0, call(self->vcpu, KVM_TRANSLATE, &u)));
	ASK("VM's counters", EXPECT_EQ(0, call(self->vm, NPT_STATS, &s)));
	ASK("vCPU's counters", EXPECT_EQ(0, call(self->vcpu, NPT_STATS, &s)));
	ASK("dirty log", EXPECT_EQ(0, call(self->vm, KVM_GET_DIRTY_LOG, &log)));
	EXPECT_EQ(0, self->found);
}

TEST_F(leak, explain)
{
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_explain e;
	unsigned int i, seen = 0;

	for (i = 0; i < PAGES; i++) {
		soil_stack(self->vm, self->vcpu);
		ASSERT_EQ(0, explain(self->vcpu, HIGH + i * PAGE, &e, ent));
		LOOK("explain", &e, sizeof(e));
		LOOK("entries of a walk", ent, sizeof(ent));
	}
	EXPECT_EQ(0, explain(self->vcpu, HOLE, &e, ent));
	LOOK("entries of a walk to a hole", ent, sizeof(ent));
	EXPECT_EQ(0, self->found);
	/* Root is told, so there was something to find. */
	ASSERT_EQ(0, seteuid(0));
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, explain(self->vcpu, HIGH + i * PAGE, &e, ent));
		seen += e.hpa && is_host(&self->secrets, e.hpa);
	}
	EXPECT_EQ(PAGES, seen);
}

/* --- the vCPU at work ----------------------------------------------------------------------- */

TEST_F(leak, batch)
{
	struct npt_access rec[64];
	struct npt_access_result res[64];
	static uint8_t data[64 * 16];
	struct npt_batch b = {
		.size = sizeof(b), .accesses = (uintptr_t)rec, .results = (uintptr_t)res,
		.data = (uintptr_t)data, .data_len = sizeof(data), .count = 64,
	};
	unsigned int i;

	if (variant->engine != NPT_ENGINE_SOFT)
		return;
	memset(data, UNTOUCHED, sizeof(data));
	memset(res, UNTOUCHED, sizeof(res));
	for (i = 0; i < 64; i++)
		rec[i] = (struct npt_access) {
			.gva = i < 32 ? HIGH + i * 0x7f8 : i < 48 ? HOLE + i * 8 : i << 20,
			.size = i % 16 + 1, .op = i % 4 == 3 ? NPT_OP_INVLPG : i % 4,
			.flags = i % 4 == 3 ? 0 : NPT_ACCESS_DATA | (i & 16 ? NPT_ACCESS_USER : 0),
			.data = i * 16,
		};
	soil_stack(self->vm, self->vcpu);
	ASSERT_EQ(0, call(self->vcpu, NPT_BATCH, &b));
	EXPECT_EQ(64, b.done);
	LOOK("results", res, sizeof(res));
	LOOK("data", data, sizeof(data));
	LOOK("batch", &b, sizeof(b));
	EXPECT_EQ(0, self->found);
}

TEST_F(leak, run_page)
{
	uint32_t seen = 0;
	unsigned int i;

	self->run->kvm_valid_regs = KVM_SYNC_X86_VALID_FIELDS;
	for (i = 0; i < 24; i++) {
		/* Both are all that user space shares with the kernel. */
		LOOK("run page", self->run, 2 * PAGE);
		soil_stack(self->vm, self->vcpu);
		ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
		seen |= 1U << self->run->exit_reason;
		LOOK("run page after an exit", self->run, 2 * PAGE);
	}
	EXPECT_EQ(0, self->found);
	if (variant->engine == NPT_ENGINE_SVM)
		EXPECT_EQ(1U << KVM_EXIT_IO | 1U << KVM_EXIT_MMIO | 1U << KVM_EXIT_HLT, seen);
}

/* Ends that no guest comes to by itself. */
TEST_F(leak, rare_exits)
{
	struct kvm_guest_debug step = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct kvm_guest_debug none = {};
	struct kvm_regs regs;

	if (variant->engine != NPT_ENGINE_SVM)
		return;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_GUEST_DEBUG, &step));
	soil_stack(self->vm, self->vcpu);
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_DEBUG, self->run->exit_reason);
	/* Behind the end of RIP its ones look like a kernel's address. */
	EXPECT_EQ(0xffff4ff0, self->run->debug.arch.dr6);
	self->run->debug.arch.dr6 = 0;
	LOOK("run page after a step", self->run, 2 * PAGE);
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_GUEST_DEBUG, &none));
	ASSERT_EQ(0, call(self->vcpu, KVM_GET_REGS, &regs));
	/* Nothing is mapped there, and nobody handles that. */
	regs.rip = 0;
	ASSERT_EQ(0, call(self->vcpu, KVM_SET_REGS, &regs));
	soil_stack(self->vm, self->vcpu);
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, self->run->exit_reason);
	LOOK("run page after a shutdown", self->run, 2 * PAGE);
	EXPECT_EQ(0, self->found);
}

/* --- messages --------------------------------------------------------------------------------- */

/*
 * Everything that comes back, headers and padding too. The number of messages, or -errno: the
 * kernel's, or with MSG_DONTWAIT in @flags what there was until nothing more came.
 */
static int listen_to(struct nlraw *nl, int flags, const struct secrets *hpa, const char *what,
		     unsigned int *found)
{
	static char buf[65536];
	int messages = 0, err;
	ssize_t n, at;

	for (;;) {
		n = recv(nl->fd, buf, sizeof(buf), flags);
		if (n <= 0)
			return flags & MSG_DONTWAIT ? messages : -EIO;
		*found += look(hpa, what, buf, n);
		for (at = 0; at < n; messages++) {
			struct nlmsghdr *head = (void *)(buf + at);

			/* Both begin with an error. */
			memcpy(&err, NLMSG_DATA(head), sizeof(err));
			if (head->nlmsg_type == NLMSG_ERROR || head->nlmsg_type == NLMSG_DONE)
				return err ? err : messages;
			at += NLMSG_ALIGN(head->nlmsg_len);
		}
	}
}

TEST_F(leak, netlink)
{
	static const struct {
		uint8_t cmd;
		uint16_t vm, vcpu, gva, dim, flags;
		uint32_t value;
		bool refused;		/* to whom we are */
		const char *name;
	} asks[] = {
		{ NPT_CMD_VM_GET, .flags = NLM_F_DUMP, .name = "VMs" },
		{ NPT_CMD_VCPU_GET, .flags = NLM_F_DUMP, .name = "vCPUs" },
		{ NPT_CMD_STAT_GET, .flags = NLM_F_DUMP, .name = "counters" },
		{ NPT_CMD_CATALOGUE_GET, .flags = NLM_F_DUMP, .name = "catalogue" },
		{ NPT_CMD_VM_GET, .vm = NPT_A_VM_ID, .name = "VM" },
		{ NPT_CMD_VCPU_GET, .vm = NPT_A_VCPU_VM, .vcpu = NPT_A_VCPU_ID, .name = "vCPU" },
		{ NPT_CMD_STAT_GET, .vm = NPT_A_STAT_VM, .name = "VM's counters" },
		{ NPT_CMD_EXPLAIN, .vm = NPT_A_EXPLAIN_VM, .vcpu = NPT_A_EXPLAIN_VCPU,
		  .gva = NPT_A_EXPLAIN_GVA, .name = "explain" },
		{ NPT_CMD_TABLE_GET, .vm = NPT_A_TABLE_VM, .vcpu = NPT_A_TABLE_VCPU,
		  .dim = NPT_A_TABLE_DIM, .flags = NLM_F_DUMP, .value = NPT_DIM_GUEST,
		  .name = "guest tables" },
		{ NPT_CMD_TABLE_GET, .vm = NPT_A_TABLE_VM, .dim = NPT_A_TABLE_DIM,
		  .flags = NLM_F_DUMP, .value = NPT_DIM_NESTED, .name = "nested tables" },
		{ NPT_CMD_TABLE_GET, .vm = NPT_A_TABLE_VM, .vcpu = NPT_A_TABLE_VCPU,
		  .dim = NPT_A_TABLE_DIM, .flags = NLM_F_DUMP, .value = NPT_DIM_SHADOW,
		  .name = "shadow tables" },
		{ NPT_CMD_MONITOR_GET, .name = "monitor", .refused = true },
	};
	struct nlraw_msg m;
	unsigned int i;
	int heard;

	/* So that there are tables of each kind. */
	ASSERT_EQ(0, call(self->vcpu, KVM_RUN, NULL));
	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		if (asks[i].value == NPT_DIM_SHADOW && variant->mmu != NPT_MMU_SHADOW)
			continue;
		nlraw_init(&m, &self->nl, asks[i].cmd, asks[i].flags);
		if (asks[i].vm)
			nlraw_put_u32(&m, asks[i].vm, self->id);
		if (asks[i].vcpu)
			nlraw_put_u32(&m, asks[i].vcpu, 0);
		if (asks[i].gva)
			nlraw_put_u64(&m, asks[i].gva, HIGH + DATA);
		if (asks[i].dim)
			nlraw_put_u32(&m, asks[i].dim, asks[i].value);
		ASSERT_EQ(0, nlraw_send(&self->nl, &m));
		heard = listen_to(&self->nl, 0, &self->secrets, asks[i].name, &self->found);
		EXPECT_TRUE(asks[i].refused ? heard == -EPERM : heard >= 1) {
			TH_LOG("%s: %d", asks[i].name, heard);
		}
	}
	EXPECT_EQ(0, self->found);
}

/* A VM's life, as it is told to those who listen, and its counters at the end of it. */
TEST_F(leak, events)
{
	struct npt_create_vm c = vm_args(variant->mmu);
	int vm, vcpu;

	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, nlraw_join(&self->nl, self->nl.events));
	ASSERT_EQ(0, nlraw_join(&self->nl, self->nl.stats));
	c.engine = variant->engine;
	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, vcpu);
	close(vcpu);
	close(vm);
	/* New and gone, each of the two, and a report. */
	EXPECT_LE(5, listen_to(&self->nl, MSG_DONTWAIT, &self->secrets, "events", &self->found));
	EXPECT_EQ(0, self->found);
}

/* --- files, tracepoints, the log ------------------------------------------------------ */

static void read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, text, room - 1);

	text[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
}

TEST_F(leak, files)
{
	static const char *const files[] = {
		"/sys/module/npt/parameters/engine", "/sys/module/npt/parameters/mmu",
		"/sys/module/npt/refcnt", "/sys/module/npt/coresize", "/sys/class/misc/npt/uevent",
		"/sys/class/misc/npt/dev", "/proc/self/maps", "/proc/misc", "/proc/devices",
	};
	char path[64], text[16384];
	unsigned int i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		read_file(files[i], text, sizeof(text));
		EXPECT_LT(0, strlen(text)) {
			TH_LOG("%s says nothing", files[i]);
		}
		self->found += look_at_text(&self->secrets, files[i], text);
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->vcpu);
	read_file(path, text, sizeof(text));
	EXPECT_LT(0, strlen(text));
	self->found += look_at_text(&self->secrets, path, text);
	EXPECT_EQ(0, self->found);
}

/* They tell host addresses: nobody but root gets at them. */
TEST_F(leak, tracepoints)
{
	const char *id = "/sys/kernel/tracing/events/npt/npt_fill/id";
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr),
					.sample_type = PERF_SAMPLE_RAW };

	EXPECT_EQ(-1, open("/sys/kernel/tracing/trace", O_RDONLY));
	EXPECT_EQ(-1, open(id, O_RDONLY));
	ASSERT_EQ(0, seteuid(0));
	attr.config = read_number(id, "");
	ASSERT_EQ(0, seteuid(NOBODY));
	if (attr.config == ~0ULL)
		return;
	EXPECT_EQ(-1, syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

TEST_F(leak, kernel_log)
{
	unsigned int lines = 0;
	char line[8192];
	int fd;

	/* What makes it talk: a parameter that is none, a VM that can't be. */
	ASSERT_EQ(0, seteuid(0));
	write_file("/sys/module/npt/parameters/mmu", "nonsense");
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, fd);
	for (;;) {
		ssize_t n = read(fd, line, sizeof(line) - 1);

		if (n < 0)
			break;
		line[n] = 0;
		if (!strstr(line, "npt: "))
			continue;
		lines++;
		self->found += look_at_text(&self->secrets, "kernel's log", line);
	}
	close(fd);
	EXPECT_LT(0, lines);
	EXPECT_EQ(0, self->found);
}

TEST_HARNESS_MAIN
