// SPDX-License-Identifier: GPL-2.0
/* The two executions of a trial, and what must be equal afterwards. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "emul_trial.h"

#define PF_VECTOR 14
#define PF_PRESENT 1
#define PF_WRITE 2
#define PF_USER 4

/* --- an emulated processor whose memory is the data area ----------------- */

static void *data_at(struct npt_emul *e, u64 gpa, u32 len)
{
	struct machine *m = container_of(e, struct machine, e);

	CHECK(gpa >= NATIVE_DATA && gpa + len <= NATIVE_DATA + NATIVE_SIZE,
	      "%u bytes at %#llx: not of the operand", len, gpa);
	return m->data + (gpa - NATIVE_DATA);
}

static enum npt_emul_end fake_access(struct npt_emul *e, u64 lin, u8 op, void *buf, u32 len,
				     u64 *gpa)
{
	u8 need = op == NPT_OP_WRITE ? PROT_WRITE : PROT_READ, prot;
	struct machine *m = container_of(e, struct machine, e);
	void *p = data_at(e, lin, len);

	CHECK((lin & 4095) + len <= 4096, "more than one page");
	*gpa = lin;
	prot = m->t->prot[(lin - NATIVE_DATA) / 4096];
	if (!(prot & need)) {
		e->vector = PF_VECTOR;
		e->has_error = true;
		e->error = PF_USER | (prot ? PF_PRESENT : 0) |
			   (op == NPT_OP_WRITE ? PF_WRITE : 0);
		e->cr2 = lin;
		return NPT_EMUL_FAULT;
	}
	if (buf && op == NPT_OP_READ)
		memcpy(buf, p, len);
	else if (buf)
		memcpy(p, buf, len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end fake_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	memcpy(buf, data_at(e, gpa, len), len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end fake_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	memcpy(data_at(e, gpa, len), buf, len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end fake_exchange(struct npt_emul *e, u64 gpa, const void *old,
				       const void *new, u32 len)
{
	void *p = data_at(e, gpa, len);

	if (memcmp(p, old, len))
		return NPT_EMUL_RETRY;
	memcpy(p, new, len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end fake_mmio_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	FAIL("MMIO where there is memory");
}

static enum npt_emul_end fake_mmio_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	FAIL("MMIO where there is memory");
}

static void fake_xmm(struct npt_emul *e, u8 reg, void *buf, bool write)
{
	struct machine *m = container_of(e, struct machine, e);

	if (write)
		memcpy(m->xmm[reg], buf, 16);
	else
		memcpy(buf, m->xmm[reg], 16);
}

static const struct npt_emul_ops fake_ops = {
	.access = fake_access,
	.read = fake_read,
	.write = fake_write,
	.exchange = fake_exchange,
	.mmio_read = fake_mmio_read,
	.mmio_write = fake_mmio_write,
	.xmm = fake_xmm,
};

/* --- both executions ----------------------------------------------------- */

static void to_kvm(const struct native_regs *n, struct kvm_regs *k)
{
	const u64 *g = n->gpr;

	*k = (struct kvm_regs) {
		.rax = g[0], .rcx = g[1], .rdx = g[2], .rbx = g[3],
		.rsp = g[4], .rbp = g[5], .rsi = g[6], .rdi = g[7],
		.r8 = g[8], .r9 = g[9], .r10 = g[10], .r11 = g[11],
		.r12 = g[12], .r13 = g[13], .r14 = g[14], .r15 = g[15],
		.rflags = n->rflags,
	};
}

static void run_emulated(const struct trial *t, struct machine *m)
{
	u64 start = t->mode == NPT_MODE_16 ? 0 : NATIVE_CODE;
	u32 steps = 0;
	int len;

	m->t = t;
	m->e = (struct npt_emul) {
		.ops = &fake_ops, .regs = &m->regs, .sregs = &t->sregs,
		.mode = t->mode, .va_bits = 48, .protect = true,
	};
	to_kvm(&t->in, &m->regs);
	m->regs.rip = start;
	memcpy(m->xmm, t->in.xmm, sizeof(m->xmm));
	memcpy(m->data, t->data, sizeof(m->data));
	CHECK_EQ(npt_emul_mode(&t->sregs, true), t->mode, "mode");
	len = npt_insn_decode(&m->e.insn, t->bytes, t->n, t->mode);
	CHECK_EQ(len, t->n, "length");
	do {
		m->end = npt_emul_step(&m->e);
		CHECK(++steps < 20, "it does not end");
		if (m->end != NPT_EMUL_DONE)
			CHECK_EQ(m->regs.rip, start, "RIP before the end");
	} while (m->end == NPT_EMUL_AGAIN);
	CHECK(m->end == NPT_EMUL_DONE || m->end == NPT_EMUL_FAULT, "ends as %d", m->end);
	if (m->end == NPT_EMUL_DONE)
		CHECK_EQ(m->regs.rip, start + t->n, "RIP");
}

static bool is_fault(const struct npt_emul *e, const struct native_fault *f)
{
	return e->vector == f->vector && e->error == f->error &&
	       (f->vector != PF_VECTOR || e->cr2 == f->cr2);
}

/*
 * CMPS has two operands that may fault, and which of them is read first is the
 * processor's choice: some of AMD's begin with ES:DI. SCAS has that one alone. True if
 * @m ended where it faults, too; then @other has its exception.
 */
static bool di_first(const struct trial *t, const struct machine *m, struct machine *other)
{
	const u8 cmps = 0xa6, scas = 0xae;
	u8 bytes[sizeof(t->bytes)];

	if (!(t->form->how & STRING) || (t->bytes[t->n - 1] & 0xfe) != cmps)
		return false;
	memcpy(bytes, t->bytes, t->n);
	bytes[t->n - 1] ^= cmps ^ scas;
	*other = *m;
	other->e.regs = &other->regs;
	CHECK_EQ(npt_insn_decode(&other->e.insn, bytes, t->n, t->mode), (int)t->n, "length");
	return npt_emul_step(&other->e) == NPT_EMUL_FAULT;
}

static void compare_fault(const struct trial *t, const struct machine *m)
{
	const struct native_fault *f = &t->fault;
	const struct npt_emul *e = &m->e;
	static struct machine other;

	if (m->end != NPT_EMUL_FAULT) {
		CHECK(!f->happened, "no exception, expected %llu, code %#llx, CR2 %#llx",
		      f->vector, f->error, f->cr2);
		return;
	}
	CHECK(f->happened, "exception %u, code %#x, CR2 %#llx, expected none", m->e.vector,
	      m->e.error, m->e.cr2);
	if (!is_fault(&m->e, f) && di_first(t, m, &other))
		e = &other.e;
	CHECK_EQ(e->vector, f->vector, "exception");
	CHECK_EQ(e->error, f->error, "error code");
	CHECK_EQ(f->rip, t->mode == NPT_MODE_16 ? 0 : NATIVE_CODE, "RIP of the exception");
	if (f->vector == PF_VECTOR)
		CHECK_EQ(e->cr2, f->cr2, "CR2");
}

static void compare(const struct trial *t, const struct machine *m)
{
	static const char *const name[] = {
		"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
		"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
	};
	u64 mask = t->mode == NPT_MODE_64 ? ~0ull : 0xffffffff;
	u64 flags = (ARITHMETIC | X86_EFLAGS_DF) & ~(u64)t->form->undefined;
	struct kvm_regs k;
	u32 i;

	compare_fault(t, m);
	to_kvm(&t->out, &k);
	for (i = 0; i < 16; i++) {
		const u64 *got = (const u64 *)&m->regs, *want = (const u64 *)&k;
		static const u8 order[] = { 0, 2, 3, 1, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 };

		if (t->mode == NPT_MODE_64 || i < 8)
			CHECK_EQ(got[order[i]] & mask, want[order[i]] & mask, name[i]);
		CHECK_EQ(m->xmm[i][0], t->out.xmm[i][0], "XMM, low half");
		CHECK_EQ(m->xmm[i][1], t->out.xmm[i][1], "XMM, high half");
	}
	CHECK_EQ(m->regs.rflags & flags, t->out.rflags & flags, "RFLAGS");
	for (i = 0; i < NATIVE_SIZE; i++)
		CHECK(m->data[i] == ((u8 *)NATIVE_DATA)[i], "byte %#x is %#x, expected %#x", i,
		      m->data[i], ((u8 *)NATIVE_DATA)[i]);
}

static void protect(const struct trial *t, bool all)
{
	u32 i;

	if (t->hurdle != TRIAL_PAGES)
		return;
	for (i = 0; i < ARRAY_SIZE(t->prot); i++)
		mprotect((void *)NATIVE_DATA + i * 4096, 4096,
			 all ? PROT_READ | PROT_WRITE : t->prot[i]);
}

void trial_run(struct trial *t)
{
	static struct machine m;

	run_emulated(t, &m);
	memcpy((void *)NATIVE_DATA, t->data, NATIVE_SIZE);
	t->out = t->in;
	protect(t, false);
	native_run(&t->out, t->bytes, t->n, t->mode, &t->sregs, &t->fault);
	protect(t, true);
	compare(t, &m);
	test_cases++;
}
