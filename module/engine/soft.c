// SPDX-License-Identifier: GPL-2.0
/*
 * The soft engine: no virtualisation hardware. User space says which accesses
 * the guest makes, in batches; the MMU executes them. KVM_RUN, having no
 * processor to run the guest on, gets as far as fetching one instruction.
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../compat.h"
#include "../limits.h"
#include "../npt.h"
#include "x86/emulate.h"

/* What a vCPU keeps from batch to batch: room for the largest chunk so far. */
struct soft_cpu {
	u32 room;
	struct npt_access *rec;		/* within the same allocation */
	struct npt_access_result *res;	/* likewise */
};

static int soft_probe(const char **why)
{
	*why = NULL;
	return 0;
}

/* As hardware had it first. */
static u32 soft_nested_levels(void)
{
	return 4;
}

static int soft_vm_init(struct npt_vm *vm)
{
	vm->engine_data = NULL;
	return 0;
}

static void soft_vm_destroy(struct npt_vm *vm)
{
	WARN_ON_ONCE(vm->engine_data);
}

static int soft_vcpu_init(struct npt_vcpu *vcpu)
{
	vcpu->engine_data = NULL;
	return 0;
}

static void soft_vcpu_destroy(struct npt_vcpu *vcpu)
{
	kvfree(vcpu->engine_data);
}

/* Nothing runs on translations of its own: each vCPU asks when it has taken mmu->lock. */
static void soft_kick(struct npt_vm *vm)
{
	npt_assert_write(&vm->mmu.lock);
}

/* The state never lives elsewhere, and nothing runs that would have to be stopped. */
static void soft_vcpu_nothing(struct npt_vcpu *vcpu)
{
	WARN_ON_ONCE(vcpu->x86.in_engine);
}

/* --- batches ------------------------------------------------------------ */

/* One batch under way. */
struct batch {
	struct npt_vcpu *vcpu;
	struct npt_batch *user;
	struct soft_cpu *buf;
	u8 *data;	/* the data area, copied in whole: records see what earlier ones left */
};

static int batch_check(const struct npt_batch *b)
{
	if ((b->flags & ~NPT_BATCH_STOP) ||
	    memchr_inv(b->__reserved, 0, sizeof(b->__reserved)))
		return -EINVAL;
	if (b->count > NPT_MAX_BATCH || b->data_len > NPT_MAX_BATCH_DATA)
		return -EINVAL;
	if (!b->data && b->data_len)
		return -EINVAL;
	/* Before anything happens, so that at least plain nonsense is refused whole. */
	if (!access_ok(u64_to_user_ptr(b->accesses), b->count * sizeof(struct npt_access)) ||
	    (b->results && !access_ok(u64_to_user_ptr(b->results),
				      b->count * sizeof(struct npt_access_result))) ||
	    !access_ok(u64_to_user_ptr(b->data), b->data_len))
		return -EFAULT;
	return 0;
}

static struct soft_cpu *soft_cpu_alloc(u32 room)
{
	struct soft_cpu *soft;

	soft = kvmalloc(sizeof(*soft) + room * (sizeof(*soft->rec) + sizeof(*soft->res)),
			GFP_KERNEL_ACCOUNT);
	if (!soft)
		return NULL;
	soft->room = room;
	soft->res = (void *)(soft + 1);
	soft->rec = (void *)(soft->res + room);
	return soft;
}

static int batch_prepare(struct batch *b)
{
	u32 need = min(b->user->count, NPT_BATCH_CHUNK);

	b->buf = b->vcpu->engine_data;
	if (!b->buf || b->buf->room < need) {
		/* A vCPU that is given accesses one by one stays small. */
		b->buf = soft_cpu_alloc(roundup_pow_of_two(need));
		if (!b->buf)
			return -ENOMEM;
		kvfree(b->vcpu->engine_data);
		b->vcpu->engine_data = b->buf;
	}
	b->data = NULL;
	if (!b->user->data_len)
		return 0;
	b->data = kvmalloc(b->user->data_len, GFP_KERNEL_ACCOUNT);
	if (!b->data)
		return -ENOMEM;
	if (copy_from_user(b->data, u64_to_user_ptr(b->user->data), b->user->data_len)) {
		kvfree(b->data);
		return -EFAULT;
	}
	return 0;
}

static int batch_set_pkru(struct batch *b)
{
	struct npt_cpu *cpu = &b->vcpu->cpu;
	struct npt_regs regs;
	int err = 0;

	mutex_lock(&b->vcpu->cpu_lock);
	if (cpu->regs.pkru != b->user->pkru) {
		regs = cpu->regs;
		regs.pkru = b->user->pkru;
		err = npt_cpu_set_regs(cpu, &regs);
	}
	mutex_unlock(&b->vcpu->cpu_lock);
	return err;
}

static int data_out(const struct batch *b, u32 from, u32 to)
{
	void __user *user = u64_to_user_ptr(b->user->data);

	return from != to && copy_to_user(user + from, b->data + from, to - from) ? -EFAULT : 0;
}

/*
 * Give back what the first @n records of the chunk read: those bytes alone,
 * runs of them at once. Accesses that did not end OK read nothing.
 */
static int reads_out(const struct batch *b, u32 n)
{
	u32 i, from = 0, to = 0;

	for (i = 0; i < n; i++) {
		const struct npt_access *rec = &b->buf->rec[i];

		if (!(rec->flags & NPT_ACCESS_DATA) || b->buf->res[i].status != NPT_STATUS_OK ||
		    (rec->op != NPT_OP_READ && rec->op != NPT_OP_FETCH))
			continue;
		if (rec->data != to) {
			if (data_out(b, from, to))
				return -EFAULT;
			from = rec->data;
		}
		to = rec->data + rec->size;
	}
	return data_out(b, from, to);
}

static int results_out(const struct batch *b, u32 n)
{
	void __user *user = u64_to_user_ptr(b->user->results);
	size_t size = sizeof(struct npt_access_result);

	if (b->user->results &&
	    copy_to_user(user + b->user->done * size, b->buf->res, n * size))
		return -EFAULT;
	return b->data ? reads_out(b, n) : 0;
}

/*
 * Copy in, execute and copy out the next chunk. 1: go on; 0: the batch ends
 * here; or an error. user->done counts what was executed, copied out or not.
 */
static int batch_chunk(struct batch *b)
{
	struct npt_batch *user = b->user;
	u32 n = min(user->count - user->done, NPT_BATCH_CHUNK), done;
	const struct npt_access __user *from = u64_to_user_ptr(user->accesses);
	bool results = user->results || b->data;
	int err;

	if (copy_from_user(b->buf->rec, from + user->done, n * sizeof(struct npt_access)))
		/* What came before was executed: that is the answer for now. */
		return user->done ? 0 : -EFAULT;
	mutex_lock(&b->vcpu->cpu_lock);
	done = npt_cpu_execute(&b->vcpu->cpu, b->buf->rec, n, results ? b->buf->res : NULL,
			       b->data, user->data_len, user->flags & NPT_BATCH_STOP,
			       &user->failed);
	if (done && !user->done)
		b->vcpu->cpu.ctr[NPT_CTR_batches]++;
	mutex_unlock(&b->vcpu->cpu_lock);
	err = results_out(b, done);
	user->done += done;
	if (err)
		return err;
	if (npt_vm_dead(b->vcpu->vm))
		return -EIO;
	return done == n && user->done < user->count && !signal_pending(current);
}

static int soft_batch(struct npt_vcpu *vcpu, struct npt_batch *user)
{
	struct batch b = { .vcpu = vcpu, .user = user };
	int ret;

	user->done = 0;
	user->failed = 0;
	ret = batch_check(user);
	if (ret || !user->count)
		return ret;
	ret = batch_prepare(&b);
	if (ret)
		return ret;
	ret = batch_set_pkru(&b);
	if (ret)
		goto free;
	do {
		cond_resched();
		ret = batch_chunk(&b);
	} while (ret > 0);
	if (!ret && !user->done)
		ret = b.vcpu->cpu.err;
free:
	kvfree(b.data);
	return ret;
}

/* --- KVM_RUN ------------------------------------------------------------ */

#define HLT 0xf4
#define PF_VECTOR 14
#define GP_VECTOR 13

/* Address of the next instruction. */
static u64 next_insn(const struct npt_vcpu *vcpu)
{
	const struct kvm_segment *cs = &vcpu->sregs.cs;

	if (cs->l)
		return vcpu->regs.rip;
	return (u32)(cs->base + vcpu->regs.rip);
}

/* Fetch @len bytes as the guest, counted like any access. */
static u8 fetch(struct npt_vcpu *vcpu, u64 gva, u8 *bytes, u32 len,
		struct npt_access_result *res)
{
	struct npt_access rec = {
		.gva = gva,
		.size = len,
		.op = NPT_OP_FETCH,
		.flags = NPT_ACCESS_DATA,
	};
	u32 failed = 0;

	/* The stack segment's privilege is the vCPU's (SDM vol. 3C, 25.4.1). */
	if (vcpu->sregs.ss.dpl == 3)
		rec.flags |= NPT_ACCESS_USER;
	if (!npt_cpu_execute(&vcpu->cpu, &rec, 1, res, bytes, len, true, &failed))
		res->status = NPT_STATUS_HOST_FAULT;
	return res->status;
}

/* The bytes at the next instruction, not past what is mapped; 0: not even one, see *res. */
static u32 fetch_insn(struct npt_vcpu *vcpu, u8 *bytes, struct npt_access_result *res)
{
	u64 gva = next_insn(vcpu);
	u32 len = min_t(u32, NPT_INSN_MAX, PAGE_SIZE - offset_in_page(gva));
	struct npt_access_result more;

	if (fetch(vcpu, gva, bytes, len, res))
		return 0;
	if (bytes[0] != HLT && len < NPT_INSN_MAX &&
	    !fetch(vcpu, gva + len, bytes + len, NPT_INSN_MAX - len, &more))
		return NPT_INSN_MAX;
	return len;
}

/* An exception that no processor is there to deliver. */
static void exit_exception(struct kvm_run *run, u8 vector, const struct npt_access_result *res)
{
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 3;
	run->internal.data[0] = vector;
	run->internal.data[1] = res->error_code;
	run->internal.data[2] = res->cr2;
}

static int run_exit(struct npt_vcpu *vcpu, const u8 *bytes, u32 len,
		    const struct npt_access_result *res)
{
	struct kvm_run *run = vcpu->run;

	if (len && bytes[0] == HLT) {
		vcpu->regs.rip++;
		run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	if (len) {
		npt_exit_emulation(run, bytes, len);
		return 0;
	}
	switch (res->status) {
	case NPT_STATUS_GUEST_PF:
		vcpu->sregs.cr2 = res->cr2;
		exit_exception(run, PF_VECTOR, res);
		return 0;
	case NPT_STATUS_GUEST_GP:
		exit_exception(run, GP_VECTOR, res);
		return 0;
	case NPT_STATUS_MMIO:
		npt_exit_emulation(run, bytes, 0);
		return 0;
	default:
		return vcpu->cpu.err ?: -EFAULT;
	}
}

static int soft_run(struct npt_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct npt_access_result res;
	u8 bytes[NPT_INSN_MAX];
	u32 len;
	int ret;

	if (npt_immediate_exit(run))
		return -EINTR;
	if (signal_pending(current)) {
		run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	mutex_lock(&vcpu->cpu_lock);
	len = fetch_insn(vcpu, bytes, &res);
	mutex_unlock(&vcpu->cpu_lock);
	if (npt_vm_dead(vcpu->vm))
		return -EIO;
	ret = run_exit(vcpu, bytes, len, &res);
	run->flags = 0;
	run->ready_for_interrupt_injection = 0;
	run->if_flag = !!(vcpu->regs.rflags & X86_EFLAGS_IF);
	run->cr8 = vcpu->sregs.cr8;
	run->apic_base = vcpu->sregs.apic_base;
	return ret;
}

static void soft_exit(void)
{
}

const struct npt_engine_ops npt_engine_soft = {
	.name = "soft",
	.id = NPT_ENGINE_SOFT,
	.nested_format = NPT_NESTED_NPT,
	.nested_levels = soft_nested_levels,
	.features = 0,
	.prefetch = 0,
	.probe = soft_probe,
	.vm_init = soft_vm_init,
	.vm_destroy = soft_vm_destroy,
	.vcpu_init = soft_vcpu_init,
	.vcpu_destroy = soft_vcpu_destroy,
	.run = soft_run,
	.batch = soft_batch,
	.pull = soft_vcpu_nothing,
	.kick_vcpu = soft_vcpu_nothing,
	.kick = soft_kick,
	.exit = soft_exit,
};
