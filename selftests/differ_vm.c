// SPDX-License-Identifier: GPL-2.0
/* A VM that carries commands out: the soft engine by batches, svm by the guest itself. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include "differ.h"

#define SLOT_SIZE	(2 * MIB)
#define SLOTS		(D_SIZE / SLOT_SIZE)
#define RFLAGS_AC	(1ull << 18)
#define CPUID_MAX	100

static const struct {
	const char *name;
	uint32_t engine, mmu;
	bool tlb;
} modes[] = {
	{ "soft native", NPT_ENGINE_SOFT, NPT_MMU_NATIVE, false },
	{ "soft nested", NPT_ENGINE_SOFT, NPT_MMU_NESTED, true },
	{ "soft shadow", NPT_ENGINE_SOFT, NPT_MMU_SHADOW, true },
	{ "svm nested", NPT_ENGINE_SVM, NPT_MMU_NESTED, false },
	{ "svm shadow", NPT_ENGINE_SVM, NPT_MMU_SHADOW, false },
};

const char *differ_mode(unsigned int i)
{
	return i < sizeof(modes) / sizeof(modes[0]) ? modes[i].name : NULL;
}

static const struct npt_tlb_model some_tlb = {
	.size = sizeof(some_tlb),
	.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA,
		    .pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G, .entries = 64, .ways = 4 },
	.tlb[1] = { .level = 1, .kinds = NPT_TLB_FETCH,
		    .pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G, .entries = 32, .ways = 4 },
	.tlb[2] = { .level = 2, .kinds = NPT_TLB_DATA | NPT_TLB_FETCH,
		    .pages = NPT_PAGE_4K | NPT_PAGE_2M, .entries = 512, .ways = 8 },
	.pwc[0] = { .dims = NPT_PWC_GUEST, .levels = 0x3c, .entries = 32 },
	.pwc[1] = { .dims = NPT_PWC_NESTED, .levels = 0x3c, .entries = 32 },
	.ntlb_entries = 16,
};

/* --- making ------------------------------------------------------------------ */

static int fail(const struct differ_vm *vm, const char *what, long err)
{
	printf("# %s: %s: %s\n", vm->name, what, strerror(-err));
	return err ? err : -EIO;
}

static uint8_t *map_guest(void)
{
	uint8_t *area = map_memory(D_SIZE + SLOT_SIZE), *mem;

	if (area == MAP_FAILED)
		return NULL;
	mem = (uint8_t *)(((uintptr_t)area + SLOT_SIZE - 1) & ~(SLOT_SIZE - 1));
	if (mem != area)
		munmap(area, mem - area);
	if (mem != area + SLOT_SIZE)
		munmap(mem + D_SIZE, area + SLOT_SIZE - mem);
	madvise(mem, D_SIZE, MADV_HUGEPAGE);
	return mem;
}

static long set_memory(struct differ_vm *vm, unsigned int slot, bool there)
{
	return set_slot(vm->vm, slot, vm->logging[slot] ? KVM_MEM_LOG_DIRTY_PAGES : 0,
			slot * SLOT_SIZE, there ? SLOT_SIZE : 0, vm->mem + slot * SLOT_SIZE);
}

/* All guests are told of the same processor: how wide addresses are depends on it. */
static long set_cpuid(struct differ_vm *vm)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_MAX * sizeof(c->entries[0]));
	long ret = -ENOMEM;

	if (!c)
		return ret;
	c->nent = CPUID_MAX;
	ret = call(vm->dev, KVM_GET_SUPPORTED_CPUID, c) ?: call(vm->vcpu, KVM_SET_CPUID2, c);
	free(c);
	return ret;
}

static long set_state(struct differ_vm *vm)
{
	struct kvm_sregs s;
	struct kvm_regs r;
	long ret = call(vm->vcpu, KVM_GET_SREGS, &s);

	if (ret)
		return ret;
	differ_guest_state(vm->c, &s, &r);
	return call(vm->vcpu, KVM_SET_SREGS, &s) ?: call(vm->vcpu, KVM_SET_REGS, &r);
}

static int make_vcpu(struct differ_vm *vm)
{
	long ret;

	vm->vcpu = call_value(vm->vm, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return fail(vm, "KVM_CREATE_VCPU", vm->vcpu);
	ret = set_cpuid(vm);
	if (ret)
		return fail(vm, "CPUID", ret);
	vm->regs = differ_first_regs(vm->c);
	ret = set_state(vm);
	if (ret)
		return fail(vm, "registers", ret);
	if (vm->soft)
		return 0;
	vm->run_size = call_value(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	return vm->run == MAP_FAILED ? fail(vm, "mmap", -errno) : 0;
}

static int make_buffers(struct differ_vm *vm)
{
	vm->cmd = (struct differ_cmd *)(vm->mem + D_RING);
	if (!vm->soft)
		return 0;
	vm->rec = calloc(D_RING_MAX, sizeof(*vm->rec));
	vm->res = calloc(D_RING_MAX, sizeof(*vm->res));
	vm->data = calloc(D_RING_MAX, sizeof(*vm->data));
	return vm->rec && vm->res && vm->data ? 0 : fail(vm, "memory", -ENOMEM);
}

int differ_vm_open(struct differ_vm *vm, unsigned int mode, const struct differ_case *c)
{
	struct npt_create_vm args = { .size = sizeof(args) };
	unsigned int i;
	long ret = 0;

	*vm = (struct differ_vm) { .c = c, .name = modes[mode].name, .vm = -1, .vcpu = -1 };
	vm->soft = modes[mode].engine == NPT_ENGINE_SOFT;
	vm->own_walk = !vm->soft && modes[mode].mmu == NPT_MMU_NESTED;
	args.engine = modes[mode].engine;
	args.mmu = modes[mode].mmu;
	if (modes[mode].tlb)
		args.tlb = (uintptr_t)&some_tlb;
	vm->dev = open_npt();
	if (vm->dev < 0)
		return 1;
	vm->vm = call(vm->dev, NPT_CREATE_VM, &args);
	if (vm->vm == -ENODEV || vm->vm == -EBUSY || vm->vm == -EOPNOTSUPP)
		return 1;
	if (vm->vm < 0)
		return fail(vm, "NPT_CREATE_VM", vm->vm);
	vm->mem = map_guest();
	if (!vm->mem)
		return fail(vm, "guest memory", -ENOMEM);
	differ_fill(c, vm->mem);
	for (i = 0; i < SLOTS && !ret; i++)
		ret = set_memory(vm, i, true);
	if (ret)
		return fail(vm, "memslots", ret);
	return make_vcpu(vm) ?: make_buffers(vm);
}

void differ_vm_close(struct differ_vm *vm)
{
	if (vm->run && vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->vm >= 0)
		close(vm->vm);
	if (vm->dev >= 0)
		close(vm->dev);
	if (vm->mem)
		munmap(vm->mem, D_SIZE);
	free(vm->rec);
	free(vm->res);
	free(vm->data);
	memset(vm, 0, sizeof(*vm));
}

/* --- the soft engine ------------------------------------------------------------ */

static bool is_ac(uint32_t op)
{
	return op == D_AC_READ || op == D_AC_WRITE;
}

/* Commands that are no records: registers. */
static bool is_register(uint32_t op)
{
	return op == D_CR4 || op == D_CR0 || op == D_EFER || op == D_PKRU;
}

/* Does a batch end before it? */
static bool stands_alone(uint32_t op)
{
	return is_register(op) || is_ac(op);
}

static void make_record(const struct differ_vm *vm, const struct differ_cmd *cmd, unsigned int i)
{
	unsigned int width = differ_width(vm->c);
	struct npt_access rec = { .gva = cmd->gva, .size = width, .data = i * 8 };

	vm->data[i] = cmd->data;
	if (differ_is_access(cmd->op) || cmd->op == D_STORE)
		rec.flags = NPT_ACCESS_DATA;
	rec.op = differ_is_read(cmd->op) ? NPT_OP_READ : NPT_OP_WRITE;
	if (cmd->op >= D_USER_READ && cmd->op <= D_USER_FETCH)
		rec.flags |= NPT_ACCESS_USER;
	switch (cmd->op) {
	case D_FETCH:
	case D_USER_FETCH:
		rec.op = NPT_OP_FETCH;
		rec.size = 1;
		rec.flags &= ~NPT_ACCESS_DATA;
		break;
	case D_STORE:
		rec.flags |= NPT_ACCESS_PHYS;
		break;
	case D_INVLPG:
		rec = (struct npt_access) { .op = NPT_OP_INVLPG, .gva = cmd->gva };
		break;
	case D_CR3:
		rec = (struct npt_access) { .op = NPT_OP_MOV_CR3, .gva = cmd->data };
		break;
	case D_FLUSH:
		rec = (struct npt_access) { .op = NPT_OP_FLUSH };
		break;
	}
	vm->rec[i] = rec;
}

static void take_result(const struct differ_vm *vm, struct differ_cmd *cmd, unsigned int i)
{
	const struct npt_access_result *res = &vm->res[i];

	cmd->error = D_DONE;
	if (res->status == NPT_STATUS_GUEST_PF) {
		cmd->error = D_FAULT | res->error_code;
		cmd->cr2 = res->cr2;
	} else if (res->status != NPT_STATUS_OK) {
		cmd->error = D_FAULT | D_DONE | res->status << 16;
	} else if (differ_is_read(cmd->op)) {
		cmd->data = 0;
		memcpy(&cmd->data, &vm->data[i], differ_width(vm->c));
	}
}

static int run_batch(struct differ_vm *vm, unsigned int from, unsigned int to, bool ac)
{
	struct kvm_regs regs = { .rflags = 2 | (ac ? RFLAGS_AC : 0) };
	struct npt_batch b = { .size = sizeof(b) };
	unsigned int i;
	long ret = 0;

	for (i = from; i < to; i++)
		make_record(vm, &vm->cmd[i], i);
	if (ac)
		ret = call(vm->vcpu, KVM_SET_REGS, &regs);
	while (from < to && !ret) {
		b.accesses = (uintptr_t)(vm->rec + from);
		b.results = (uintptr_t)(vm->res + from);
		b.data = (uintptr_t)vm->data;
		b.data_len = to * 8;
		b.count = to - from;
		b.pkru = vm->regs.pkru;
		ret = call(vm->vcpu, NPT_BATCH, &b);
		for (i = from; i < from + b.done && !ret; i++)
			take_result(vm, &vm->cmd[i], i);
		from += b.done;
		ret = ret == -EINTR ? 0 : ret;
	}
	regs.rflags = 2;
	if (ac && !ret)
		ret = call(vm->vcpu, KVM_SET_REGS, &regs);
	return ret ? fail(vm, "NPT_BATCH", ret) : 0;
}

static int set_register(struct differ_vm *vm, struct differ_cmd *cmd)
{
	struct kvm_sregs s;
	long ret;

	cmd->error = D_DONE;
	if (cmd->op == D_PKRU) {
		vm->regs.pkru = cmd->data;
		return 0;
	}
	ret = call(vm->vcpu, KVM_GET_SREGS, &s);
	if (cmd->op == D_CR0)
		s.cr0 = cmd->data;
	else if (cmd->op == D_CR4)
		s.cr4 = cmd->data;
	else
		s.efer = cmd->data;
	ret = ret ?: call(vm->vcpu, KVM_SET_SREGS, &s);
	return ret ? fail(vm, "KVM_SET_SREGS", ret) : 0;
}

static int run_soft(struct differ_vm *vm, unsigned int n)
{
	unsigned int i = 0, to;
	int ret = 0;

	while (i < n && !ret) {
		if (is_register(vm->cmd[i].op)) {
			ret = set_register(vm, &vm->cmd[i++]);
			continue;
		}
		to = i + 1;
		while (to < n && !is_ac(vm->cmd[i].op) && !stands_alone(vm->cmd[to].op))
			to++;
		ret = run_batch(vm, i, to, is_ac(vm->cmd[i].op));
		i = to;
	}
	return ret;
}

/* --- svm ---------------------------------------------------------------------------- */

static volatile sig_atomic_t late;

static void on_alarm(int sig)
{
	late = 1;
}

/* A guest that has not come back within a minute never will. */
static long run_until_exit(struct differ_vm *vm)
{
	struct sigaction act = { .sa_handler = on_alarm };
	long ret;

	late = 0;
	sigaction(SIGALRM, &act, NULL);
	alarm(60);
	do {
		ret = call_value(vm->vcpu, KVM_RUN, 0);
	} while ((ret == -EINTR || ret == -EAGAIN) && !late);
	alarm(0);
	return ret;
}

static int run_svm(struct differ_vm *vm)
{
	long ret = run_until_exit(vm);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ret)
		fail(vm, "KVM_RUN", ret);
	else if (vm->run->exit_reason == KVM_EXIT_IO && vm->run->io.port == 0x99)
		return 0;
	memset(&regs, 0, sizeof(regs));
	memset(&sregs, 0, sizeof(sregs));
	call(vm->vcpu, KVM_GET_REGS, &regs);
	call(vm->vcpu, KVM_GET_SREGS, &sregs);
	printf("# %s: exit %u at %#llx, command %lld, CR2 %#llx CR3 %#llx CR4 %#llx\n", vm->name,
	       vm->run->exit_reason, (unsigned long long)regs.rip,
	       (long long)(regs.rbx - D_RING) / 32, (unsigned long long)sregs.cr2,
	       (unsigned long long)sregs.cr3, (unsigned long long)sregs.cr4);
	if (vm->run->exit_reason == KVM_EXIT_MMIO)
		printf("# gpa %#llx\n", (unsigned long long)vm->run->mmio.phys_addr);
	return -EIO;
}

int differ_vm_run(struct differ_vm *vm, unsigned int n)
{
	vm->cmd[n] = (struct differ_cmd) { .op = D_END };
	return vm->soft ? run_soft(vm, n) : run_svm(vm);
}

/* --- what the host does ----------------------------------------------------------------- */

/* Other memory in the place of these pages, with the same contents. */
static int move_pages(struct differ_vm *vm, uint64_t gpa, size_t size)
{
	uint8_t *at = vm->mem + gpa, *copy = malloc(size);

	if (!copy)
		return fail(vm, "memory", -ENOMEM);
	memcpy(copy, at, size);
	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED) {
		free(copy);
		return fail(vm, "mmap", -errno);
	}
	memcpy(at, copy, size);
	free(copy);
	return 0;
}

static int fork_and_wait(const struct differ_vm *vm)
{
	pid_t pid = fork();

	if (pid < 0)
		return fail(vm, "fork", -errno);
	if (!pid)
		_exit(0);
	return waitpid(pid, NULL, 0) == pid ? 0 : fail(vm, "waitpid", -errno);
}

static long set_again(struct differ_vm *vm)
{
	struct kvm_sregs s;

	return call(vm->vcpu, KVM_GET_SREGS, &s) ?: call(vm->vcpu, KVM_SET_SREGS, &s);
}

int differ_vm_log(struct differ_vm *vm, unsigned int slot, uint64_t *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };
	long ret = call(vm->vm, KVM_GET_DIRTY_LOG, &log);

	return ret ? fail(vm, "KVM_GET_DIRTY_LOG", ret) : 0;
}

static int slot_event(struct differ_vm *vm, const struct differ_step *s)
{
	unsigned int slot = s->a / SLOT_SIZE;
	long ret = 0;

	if (s->op == HOST_SLOT)
		ret = set_memory(vm, slot, false);
	else
		vm->logging[slot] = s->op == HOST_LOG_ON;
	ret = ret ?: set_memory(vm, slot, true);
	return ret ? fail(vm, "memslot", ret) : 0;
}

int differ_vm_host(struct differ_vm *vm, const struct differ_step *s)
{
	size_t room = SLOT_SIZE - s->a % SLOT_SIZE, size = s->b * PAGE;

	size = size < room ? size : room;
	switch (s->op) {
	case HOST_MOVE:
		return move_pages(vm, s->a, size);
	case HOST_PROTECT:
		if (mprotect(vm->mem + s->a, size, PROT_READ) ||
		    mprotect(vm->mem + s->a, size, PROT_READ | PROT_WRITE))
			return fail(vm, "mprotect", -errno);
		return 0;
	case HOST_FORK:
		return fork_and_wait(vm);
	case HOST_SREGS:
		return set_again(vm) ? fail(vm, "registers again", -EIO) : 0;
	case HOST_LOG_GET:
		return 0;
	default:
		return slot_event(vm, s);
	}
}
