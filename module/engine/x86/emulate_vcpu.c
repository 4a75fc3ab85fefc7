// SPDX-License-Identifier: GPL-2.0
/* The emulator's core and a vCPU: its memory, its exceptions, its exits. */
#include <linux/irqflags.h>
#include <linux/kvm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/traps.h>
#include "alu.h"
#include "emulate_vcpu.h"
#include "fpu.h"
#include "operand.h"
#include "state.h"

/* Elements of a repeated instruction before the guest is entered again. */
#define MAX_ELEMENTS 64
/* Times in a row that an unknown instruction is given back with the shadow tables dropped. */
#define MAX_RETRIES 100

#define CR0_AM BIT_ULL(18)

u64 npt_linear_rip(const struct npt_vcpu *vcpu)
{
	const struct kvm_segment *cs = &vcpu->sregs.cs;

	/* Outside of long mode, L means nothing; there it means that the base is 0. */
	if (cs->l && (vcpu->cpu.regs.efer & NPT_EFER_LMA))
		return vcpu->regs.rip;
	return (u32)(cs->base + vcpu->regs.rip);
}

static bool user(const struct npt_vcpu *vcpu)
{
	/* The stack segment's privilege is the vCPU's (SDM vol. 3C, 25.4.1; APM vol. 2, 15.5.1). */
	return vcpu->sregs.ss.dpl == 3;
}

void npt_emul_begin(struct npt_vcpu_emul *v, struct npt_vcpu *vcpu, const struct npt_emul_ops *ops)
{
	const struct npt_regs *r = &vcpu->cpu.regs;
	bool protect = r->cr0 & NPT_CR0_PE;
	u64 rflags = vcpu->regs.rflags;

	v->vcpu = vcpu;
	v->hint = NULL;
	v->e = (struct npt_emul) {
		.ops = ops,
		.regs = &vcpu->regs,
		.sregs = &vcpu->sregs,
		.mode = npt_emul_mode(&vcpu->sregs, r->efer & NPT_EFER_LMA),
		.va_bits = r->cr4 & NPT_CR4_LA57 ? 57 : 48,
		.protect = protect && !(rflags & X86_EFLAGS_VM),
		.align = (r->cr0 & CR0_AM) && (rflags & X86_EFLAGS_AC) && user(vcpu),
	};
}

/* --- memory ------------------------------------------------------------- */

/* How an access of the MMU's ended. */
static enum npt_emul_end access_end(struct npt_emul *e, const struct npt_access_result *res)
{
	bool at_table = npt_emul_vcpu(e)->cpu.at_table;

	switch (res->status) {
	case NPT_STATUS_OK:
		return NPT_EMUL_DONE;
	case NPT_STATUS_MMIO:
		return at_table ? NPT_EMUL_UNKNOWN : NPT_EMUL_MMIO;
	case NPT_STATUS_READONLY:
		return at_table ? NPT_EMUL_UNKNOWN : NPT_EMUL_ROM;
	case NPT_STATUS_GUEST_PF:
		e->vector = X86_TRAP_PF;
		e->has_error = true;
		e->error = res->error_code;
		e->cr2 = res->cr2;
		return NPT_EMUL_FAULT;
	case NPT_STATUS_GUEST_GP:
		e->vector = X86_TRAP_GP;
		e->has_error = true;
		e->error = 0;
		return NPT_EMUL_FAULT;
	default:
		e->err = npt_emul_vcpu(e)->cpu.err ?: -EFAULT;
		return NPT_EMUL_ERROR;
	}
}

/*
 * Is this the access that the processor could not make? Then it need not be
 * translated once more. Which of an instruction's operands it was is known if
 * there is only one.
 */
static bool hinted(struct npt_emul *e, u64 lin, u8 op)
{
	const struct npt_emul_hint *h = container_of(e, struct npt_vcpu_emul, e)->hint;

	return h && h->operand && e->single && offset_in_page(lin) == offset_in_page(h->gpa) &&
	       (op == NPT_OP_READ || (op == NPT_OP_WRITE && h->write));
}

static enum npt_emul_end hinted_access(struct npt_emul *e, u8 op, void *buf, u32 len, u64 *gpa)
{
	const struct npt_emul_hint *h = container_of(e, struct npt_vcpu_emul, e)->hint;

	*gpa = h->gpa;
	if (h->kind == NPT_EMUL_MMIO || (h->kind == NPT_EMUL_ROM && op == NPT_OP_WRITE))
		return h->kind;
	if (!buf)
		return NPT_EMUL_DONE;
	return op == NPT_OP_READ ? npt_emul_mem_read(e, h->gpa, buf, len) :
				   npt_emul_mem_write(e, h->gpa, buf, len);
}

enum npt_emul_end npt_emul_access(struct npt_emul *e, u64 lin, u8 op, void *buf, u32 len, u64 *gpa)
{
	struct npt_vcpu *vcpu = npt_emul_vcpu(e);
	struct npt_access_result res;
	struct npt_access rec = {
		.gva = lin,
		.size = len,
		.op = op,
		.flags = (user(vcpu) ? NPT_ACCESS_USER : 0) | (buf ? NPT_ACCESS_DATA : 0),
	};
	u32 failed = 0;

	if (hinted(e, lin, op))
		return hinted_access(e, op, buf, len, gpa);
	if (!npt_cpu_execute(&vcpu->cpu, &rec, 1, &res, buf, len, true, &failed))
		res.status = NPT_STATUS_HOST_FAULT;
	*gpa = res.gpa;
	return access_end(e, &res);
}

/* Of memory that was there a moment ago; if it no longer is, the guest tries again. */
static enum npt_emul_end memory_end(struct npt_emul *e, int err)
{
	if (!err)
		return NPT_EMUL_DONE;
	if (err == -ENOENT || err == -EROFS)
		return NPT_EMUL_RETRY;
	e->err = err;
	return NPT_EMUL_ERROR;
}

enum npt_emul_end npt_emul_mem_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	u32 done;

	return memory_end(e, npt_guest_read(&npt_emul_vcpu(e)->cpu, gpa, buf, len, &done));
}

enum npt_emul_end npt_emul_mem_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	u32 done;

	return memory_end(e, npt_guest_write(&npt_emul_vcpu(e)->cpu, gpa, buf, len, &done));
}

enum npt_emul_end npt_emul_exchange(struct npt_emul *e, u64 gpa, const void *old,
				    const void *new, u32 len)
{
	bool equal = false;
	int err;

	err = npt_guest_exchange(&npt_emul_vcpu(e)->cpu, gpa, old, new, len, &equal);
	if (!err && !equal)
		return NPT_EMUL_RETRY;
	return memory_end(e, err);
}

#define LOAD(n) ({ asm volatile("movups %0, %%xmm" #n : : "m" (*(u8 (*)[16])buf)); })
#define STORE(n) ({ asm volatile("movups %%xmm" #n ", %0" : "=m" (*(u8 (*)[16])buf)); })

static void load_xmm(u8 reg, const void *buf)
{
	switch (reg) {
	case 0:
		LOAD(0);
		break;
	case 1:
		LOAD(1);
		break;
	case 2:
		LOAD(2);
		break;
	case 3:
		LOAD(3);
		break;
	case 4:
		LOAD(4);
		break;
	case 5:
		LOAD(5);
		break;
	case 6:
		LOAD(6);
		break;
	case 7:
		LOAD(7);
		break;
	case 8:
		LOAD(8);
		break;
	case 9:
		LOAD(9);
		break;
	case 10:
		LOAD(10);
		break;
	case 11:
		LOAD(11);
		break;
	case 12:
		LOAD(12);
		break;
	case 13:
		LOAD(13);
		break;
	case 14:
		LOAD(14);
		break;
	case 15:
		LOAD(15);
		break;
	}
}

static void store_xmm(u8 reg, void *buf)
{
	switch (reg) {
	case 0:
		STORE(0);
		break;
	case 1:
		STORE(1);
		break;
	case 2:
		STORE(2);
		break;
	case 3:
		STORE(3);
		break;
	case 4:
		STORE(4);
		break;
	case 5:
		STORE(5);
		break;
	case 6:
		STORE(6);
		break;
	case 7:
		STORE(7);
		break;
	case 8:
		STORE(8);
		break;
	case 9:
		STORE(9);
		break;
	case 10:
		STORE(10);
		break;
	case 11:
		STORE(11);
		break;
	case 12:
		STORE(12);
		break;
	case 13:
		STORE(13);
		break;
	case 14:
		STORE(14);
		break;
	case 15:
		STORE(15);
		break;
	}
}

/* The registers are the guest's between entry and leave, as around its own running. */
void npt_emul_xmm(struct npt_emul *e, u8 reg, void *buf, bool write)
{
	struct npt_vcpu *vcpu = npt_emul_vcpu(e);

	local_irq_disable();
	npt_fpu_enter(vcpu);
	if (write)
		load_xmm(reg, buf);
	else
		store_xmm(reg, buf);
	npt_fpu_leave(vcpu);
	local_irq_enable();
}

static const struct npt_emul_ops vcpu_ops = {
	.access = npt_emul_access,
	.read = npt_emul_mem_read,
	.write = npt_emul_mem_write,
	.exchange = npt_emul_exchange,
	.mmio_read = npt_mmio_read,
	.mmio_write = npt_mmio_write,
	.xmm = npt_emul_xmm,
};

/* --- the end of an instruction ------------------------------------------ */

void npt_exit_emulation(struct kvm_run *run, const u8 *bytes, u32 len)
{
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 0;
	run->emulation_failure.flags = 0;
	if (!len)
		return;
	/* The flags, and two words that hold length and bytes. */
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = len;
	memset(run->emulation_failure.insn_bytes, 0x90, NPT_INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, bytes, len);
}

void npt_exit_debug(struct npt_vcpu *vcpu, u8 vector, u64 dr6)
{
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;

	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	*arch = (struct kvm_debug_exit_arch) {
		.exception = vector,
		.pc = npt_linear_rip(vcpu),
		.dr6 = dr6,
		.dr7 = npt_debug_in_force(vcpu)->dr7,
	};
}

void npt_exit_step(struct npt_vcpu *vcpu)
{
	npt_exit_debug(vcpu, X86_TRAP_DB, DR6_RESERVED | DR_STEP);
}

/* An instruction, or one element of it, has been executed. */
static int step_done(struct npt_vcpu *vcpu)
{
	vcpu->x86.dirty |= NPT_X86_REGS;
	vcpu->x86.interrupt_shadow = false;
	if (npt_host_steps(vcpu)) {
		npt_exit_step(vcpu);
		return 0;
	}
	if (vcpu->regs.rflags & X86_EFLAGS_TF)
		npt_queue_db(vcpu, DR_STEP);
	return 1;
}

int npt_insn_done(struct npt_vcpu *vcpu, u64 rip)
{
	vcpu->regs.rip = rip;
	vcpu->regs.rflags &= ~(u64)X86_EFLAGS_RF;
	return step_done(vcpu);
}

static int raise(struct npt_vcpu *vcpu, const struct npt_emul *e)
{
	if (e->vector == X86_TRAP_PF)
		npt_queue_pf(vcpu, e->error, e->cr2);
	else if (e->has_error)
		npt_queue_exception_error(vcpu, e->vector, e->error);
	else
		npt_queue_exception(vcpu, e->vector);
	return 1;
}

int npt_emul_failed(struct npt_vcpu_emul *v, enum npt_emul_end end)
{
	npt_mmio_forget(v->vcpu);
	switch (end) {
	case NPT_EMUL_FAULT:
		return raise(v->vcpu, &v->e);
	case NPT_EMUL_ERROR:
		return v->e.err;
	default:
		/* Others are at the same memory: let the guest try again. */
		return 1;
	}
}

/* --- fetching ----------------------------------------------------------- */

static int fetch_failed(struct npt_vcpu_emul *v, enum npt_emul_end end)
{
	if (end != NPT_EMUL_MMIO && end != NPT_EMUL_UNKNOWN)
		return npt_emul_failed(v, end);
	/* Code in a device, or tables. */
	npt_mmio_forget(v->vcpu);
	npt_exit_emulation(v->vcpu->run, NULL, 0);
	return 0;
}

static int limit_fault(struct npt_vcpu *vcpu)
{
	npt_mmio_forget(vcpu);
	npt_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return 1;
}

/* All but decoding: 0 or an errno of npt_insn_decode(), *n bytes; *end is how it ended. */
static int fetch_bytes(struct npt_vcpu_emul *v, u8 *bytes, u32 room, u32 *n,
		       enum npt_emul_end *end)
{
	u64 lin = npt_linear_rip(v->vcpu), gpa;
	u32 first = PAGE_SIZE - offset_in_page(lin);
	int len;

	*end = NPT_EMUL_DONE;
	*n = min_t(u32, room, first);
	/* The processor was there a moment ago; if the tables have changed, they say so. */
	if (npt_hw_fetch(&v->vcpu->cpu, lin, user(v->vcpu), bytes, *n) != *n)
		*end = npt_emul_access(&v->e, lin, NPT_OP_FETCH, bytes, *n, &gpa);
	if (*end)
		return 0;
	len = npt_insn_decode(&v->e.insn, bytes, *n, v->e.mode);
	if (len != -ENODATA || *n == room)
		return len;
	lin += first;
	if (v->e.mode != NPT_MODE_64)
		lin = (u32)lin;
	*end = npt_emul_access(&v->e, lin, NPT_OP_FETCH, bytes + *n, room - *n, &gpa);
	if (*end)
		return 0;
	*n = room;
	return npt_insn_decode(&v->e.insn, bytes, *n, v->e.mode);
}

bool npt_emul_fetch(struct npt_vcpu_emul *v, u8 *bytes, u32 *n, int *ret)
{
	const struct kvm_segment *cs = &v->vcpu->sregs.cs;
	u64 room = NPT_INSN_MAX;
	enum npt_emul_end end;
	int len;

	*ret = 1;
	if (v->e.mode != NPT_MODE_64) {
		if (v->vcpu->regs.rip > cs->limit) {
			*ret = limit_fault(v->vcpu);
			return false;
		}
		room = min_t(u64, room, cs->limit - v->vcpu->regs.rip + 1);
	}
	len = fetch_bytes(v, bytes, room, n, &end);
	if (len > 0)
		return true;
	if (end) {
		*ret = fetch_failed(v, end);
	} else if (len == -ENODATA) {
		*ret = limit_fault(v->vcpu);
	} else {
		npt_mmio_forget(v->vcpu);
		npt_exit_emulation(v->vcpu->run, bytes, *n);
		*ret = 0;
	}
	return false;
}

/* --- operands of instructions that are carried out elsewhere -------------- */

static enum npt_emul_end no_mmio_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	return NPT_EMUL_UNKNOWN;
}

static enum npt_emul_end no_mmio_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	return NPT_EMUL_UNKNOWN;
}

const struct npt_emul_ops npt_memory_ops = {
	.access = npt_emul_access,
	.read = npt_emul_mem_read,
	.write = npt_emul_mem_write,
	.exchange = npt_emul_exchange,
	.mmio_read = no_mmio_read,
	.mmio_write = no_mmio_write,
	.xmm = npt_emul_xmm,
};

int npt_emul_outside(struct npt_vcpu_emul *v, enum npt_emul_end end)
{
	u8 bytes[NPT_INSN_MAX];
	int ret;
	u32 n;

	if (end != NPT_EMUL_UNKNOWN)
		return npt_emul_failed(v, end);
	if (!npt_emul_fetch(v, bytes, &n, &ret))
		return ret;
	npt_exit_emulation(v->vcpu->run, bytes, n);
	return 0;
}

bool npt_memory_operand(struct npt_vcpu *vcpu, const struct npt_insn *insn, void *buf, u32 len,
			bool write, int *ret)
{
	struct npt_vcpu_emul v;
	enum npt_emul_end end;
	u64 off;

	npt_emul_begin(&v, vcpu, &npt_memory_ops);
	v.e.insn = *insn;
	off = npt_emul_offset(&v.e, 0);
	end = write ? npt_emul_write(&v.e, insn->seg, off, buf, len) :
		      npt_emul_read(&v.e, insn->seg, off, buf, len);
	if (!end)
		return true;
	*ret = npt_emul_outside(&v, end);
	return false;
}

/* --- an instruction ----------------------------------------------------- */

bool npt_may_retry(struct npt_vcpu *vcpu, u64 gpa)
{
	struct npt_x86 *x86 = &vcpu->x86;
	u64 rip = npt_linear_rip(vcpu);

	if (x86->retry_rip != rip || x86->retry_gpa != gpa)
		x86->retries = 0;
	x86->retry_rip = rip;
	x86->retry_gpa = gpa;
	return x86->retries++ < MAX_RETRIES;
}

/*
 * What is not known here can still be done by the processor, if all that stops
 * it is that the page has shadow tables. A page in use as a table gets new ones
 * at once: not for ever.
 */
static int unknown(struct npt_vcpu *vcpu, const u8 *bytes, u32 n,
		   const struct npt_emul_hint *hint)
{
	npt_mmio_forget(vcpu);
	if (hint && npt_may_retry(vcpu, hint->gpa) && npt_guest_unprotect(&vcpu->cpu, hint->gpa))
		return 1;
	vcpu->x86.retries = 0;
	npt_exit_emulation(vcpu->run, bytes, n);
	return 0;
}

/* After DONE or AGAIN: does something else come before the next element? */
static bool interrupted(struct npt_vcpu *vcpu, int *ret)
{
	bool writes = npt_mmio_has_writes(vcpu);

	npt_mmio_done(vcpu);
	*ret = step_done(vcpu);
	if (writes) {
		npt_mmio_exit_write(vcpu, !*ret);
		*ret = 0;
	}
	return !*ret || vcpu->x86.exc.pending;
}

static int execute(struct npt_vcpu_emul *v, const u8 *bytes, u32 n)
{
	enum npt_emul_end end = NPT_EMUL_AGAIN;
	u32 i;
	int ret = 1;

	for (i = 0; i < MAX_ELEMENTS && end == NPT_EMUL_AGAIN; i++) {
		end = npt_emul_step(&v->e);
		switch (end) {
		case NPT_EMUL_DONE:
		case NPT_EMUL_AGAIN:
			if (interrupted(v->vcpu, &ret))
				return ret;
			break;
		case NPT_EMUL_WAIT:
			npt_mmio_exit_read(v->vcpu, v->hint, bytes, n);
			return 0;
		case NPT_EMUL_UNKNOWN:
			return unknown(v->vcpu, bytes, n, v->hint);
		default:
			return npt_emul_failed(v, end);
		}
	}
	return ret;
}

int npt_emulate(struct npt_vcpu *vcpu, const struct npt_emul_hint *hint)
{
	struct npt_vcpu_emul v;
	u8 bytes[NPT_INSN_MAX];
	u32 n;
	int ret;

	npt_emul_begin(&v, vcpu, &vcpu_ops);
	npt_mmio_again(vcpu);
	if (!npt_emul_fetch(&v, bytes, &n, &ret))
		return ret;
	v.hint = hint;
	return execute(&v, bytes, n);
}

int npt_insn_measure(struct npt_vcpu *vcpu, u8 *len)
{
	struct npt_vcpu_emul v;
	u8 bytes[NPT_INSN_MAX];
	int ret;
	u32 n;

	npt_emul_begin(&v, vcpu, &vcpu_ops);
	*len = npt_emul_fetch(&v, bytes, &n, &ret) ? v.e.insn.len : 0;
	return ret;
}

int npt_emulate_again(struct npt_vcpu *vcpu, const struct npt_emul_hint *hint, const u8 *bytes,
		      u32 n)
{
	struct npt_vcpu_emul v;

	npt_emul_begin(&v, vcpu, &vcpu_ops);
	npt_mmio_again(vcpu);
	/* User space may have made it another mode meanwhile, where this is nothing. */
	if (npt_insn_decode(&v.e.insn, bytes, n, v.e.mode) < 0) {
		npt_mmio_forget(vcpu);
		return 1;
	}
	v.hint = hint;
	return execute(&v, bytes, n);
}

/* --- answers ------------------------------------------------------------ */

bool npt_userspace_pending(const struct npt_vcpu *vcpu)
{
	return vcpu->x86.pio.waiting || npt_mmio_waiting(vcpu);
}

int npt_userspace_complete(struct npt_vcpu *vcpu)
{
	/* A port's data goes to RAX, which is always here; all else looks at segments too. */
	if (!vcpu->x86.pio.waiting || vcpu->x86.pio.io.string ||
	    (vcpu->regs.rflags & X86_EFLAGS_TF) || vcpu->x86.guest_debug)
		npt_vcpu_pull(vcpu);
	if (vcpu->x86.pio.waiting)
		return npt_io_complete(vcpu);
	return npt_mmio_waiting(vcpu) ? npt_mmio_complete(vcpu) : 1;
}
