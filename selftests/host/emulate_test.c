// SPDX-License-Identifier: GPL-2.0
/*
 * module/engine/x86/emulate.c held against the processor that runs this test:
 * each form of instruction with random prefixes, operands and contents, its
 * registers, flags and memory compared. Then what a processor can't be asked
 * here: faults, MMIO, pages that end.
 */
#include <asm/processor-flags.h>
#include <stdio.h>
#include <string.h>

#include "engine/x86/emulate.h"
#include "native.h"
#include "test.h"

#define ARITHMETIC (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
		    X86_EFLAGS_SF | X86_EFLAGS_OF)

/* --- an emulated processor whose memory is the data area ----------------- */

struct machine {
	struct npt_emul e;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	u64 xmm[16][2];
	u8 data[NATIVE_SIZE];
};

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
	void *p = data_at(e, lin, len);

	CHECK((lin & 4095) + len <= 4096, "more than one page");
	*gpa = lin;
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

/* --- forms of instructions ----------------------------------------------- */

#define LOCKABLE	1
#define STRING		2
#define STACK		4	/* RSP must point into the data */
#define BITS		8	/* the register operand is a distance in bits */
#define APART		16	/* to the operand's size, 16 for vectors */
#define NO_MODRM	32
#define ONLY_64		64
#define CMPXCHG		128
#define NO_66		256	/* it would mean another instruction */
#define MOFFS		512

static const struct form {
	u8 map, first, last;	/* opcodes */
	u8 regs;		/* values that ModRM's reg may have, 0: any */
	u8 prefix;		/* that belongs to the opcode */
	u16 how;
	u32 undefined;		/* flags that the manual leaves undefined */
} forms[] = {
	{ 0, 0x00, 0x01, 0, 0, LOCKABLE },
	{ 0, 0x02, 0x03 },
	{ 0, 0x08, 0x09, 0, 0, LOCKABLE, X86_EFLAGS_AF },
	{ 0, 0x0a, 0x0b, 0, 0, 0, X86_EFLAGS_AF },
	{ 0, 0x10, 0x11, 0, 0, LOCKABLE },
	{ 0, 0x12, 0x13 },
	{ 0, 0x18, 0x19, 0, 0, LOCKABLE },
	{ 0, 0x1a, 0x1b },
	{ 0, 0x20, 0x21, 0, 0, LOCKABLE, X86_EFLAGS_AF },
	{ 0, 0x22, 0x23, 0, 0, 0, X86_EFLAGS_AF },
	{ 0, 0x28, 0x29, 0, 0, LOCKABLE },
	{ 0, 0x2a, 0x2b },
	{ 0, 0x30, 0x31, 0, 0, LOCKABLE, X86_EFLAGS_AF },
	{ 0, 0x32, 0x33, 0, 0, 0, X86_EFLAGS_AF },
	{ 0, 0x38, 0x3b },
	{ 0, 0x50, 0x5f, 0, 0, NO_MODRM | STACK },
	{ 0, 0x63, 0x63, 0, 0, ONLY_64 | NO_66 },
	{ 0, 0x68, 0x68, 0, 0, NO_MODRM | STACK },
	{ 0, 0x6a, 0x6a, 0, 0, NO_MODRM | STACK },
	{ 0, 0x80, 0x81, 0x2d, 0, LOCKABLE },
	{ 0, 0x80, 0x81, 0x52, 0, LOCKABLE, X86_EFLAGS_AF },
	{ 0, 0x80, 0x81, 0x80 },
	{ 0, 0x83, 0x83, 0x2d, 0, LOCKABLE },
	{ 0, 0x83, 0x83, 0x52, 0, LOCKABLE, X86_EFLAGS_AF },
	{ 0, 0x83, 0x83, 0x80 },
	{ 0, 0x84, 0x85, 0, 0, 0, X86_EFLAGS_AF },
	{ 0, 0x86, 0x87, 0, 0, LOCKABLE | APART },
	{ 0, 0x88, 0x8b },
	{ 0, 0x8c, 0x8c, 0x0d },
	{ 0, 0x8f, 0x8f, 0x01, 0, STACK },
	{ 0, 0xa0, 0xa3, 0, 0, NO_MODRM | MOFFS },
	{ 0, 0xa4, 0xa7, 0, 0, NO_MODRM | STRING },
	{ 0, 0xaa, 0xaf, 0, 0, NO_MODRM | STRING },
	{ 0, 0xc6, 0xc7, 0x01 },
	{ 0, 0xf6, 0xf7, 0x03, 0, 0, X86_EFLAGS_AF },
	{ 0, 0xf6, 0xf7, 0x0c, 0, LOCKABLE },
	{ 0, 0xfe, 0xff, 0x03, 0, LOCKABLE },
	{ 0, 0xff, 0xff, 0x40, 0, STACK },
	{ 1, 0x10, 0x11 }, { 1, 0x10, 0x11, 0, 0x66 }, { 1, 0x10, 0x11, 0, 0xf3 },
	{ 1, 0x10, 0x11, 0, 0xf2 },
	{ 1, 0x12, 0x13, 0, 0, NO_66 }, { 1, 0x16, 0x17, 0, 0, NO_66 },
	{ 1, 0x12, 0x13, 0, 0x66 }, { 1, 0x16, 0x17, 0, 0x66 },
	{ 1, 0x28, 0x29, 0, 0, APART }, { 1, 0x28, 0x29, 0, 0x66, APART },
	{ 1, 0x2b, 0x2b, 0, 0, APART },
	{ 1, 0x40, 0x4f },
	{ 1, 0x6e, 0x6e, 0, 0x66 }, { 1, 0x7e, 0x7e, 0, 0x66 }, { 1, 0x7e, 0x7e, 0, 0xf3 },
	{ 1, 0x6f, 0x6f, 0, 0x66, APART }, { 1, 0x6f, 0x6f, 0, 0xf3 },
	{ 1, 0x7f, 0x7f, 0, 0x66, APART }, { 1, 0x7f, 0x7f, 0, 0xf3 },
	{ 1, 0xd6, 0xd6, 0, 0x66 }, { 1, 0xe7, 0xe7, 0, 0x66, APART },
	{ 1, 0xf0, 0xf0, 0, 0xf2 },
	{ 1, 0x90, 0x9f },
	{ 1, 0xa3, 0xa3, 0, 0, BITS, ARITHMETIC & ~(X86_EFLAGS_CF | X86_EFLAGS_ZF) },
	{ 1, 0xab, 0xab, 0, 0, BITS | LOCKABLE, ARITHMETIC & ~(X86_EFLAGS_CF | X86_EFLAGS_ZF) },
	{ 1, 0xb3, 0xb3, 0, 0, BITS | LOCKABLE, ARITHMETIC & ~(X86_EFLAGS_CF | X86_EFLAGS_ZF) },
	{ 1, 0xbb, 0xbb, 0, 0, BITS | LOCKABLE, ARITHMETIC & ~(X86_EFLAGS_CF | X86_EFLAGS_ZF) },
	{ 1, 0xba, 0xba, 0x10, 0, 0, ARITHMETIC & ~(X86_EFLAGS_CF | X86_EFLAGS_ZF) },
	{ 1, 0xba, 0xba, 0xe0, 0, LOCKABLE, ARITHMETIC & ~(X86_EFLAGS_CF | X86_EFLAGS_ZF) },
	{ 1, 0xb0, 0xb1, 0, 0, LOCKABLE | CMPXCHG },
	{ 1, 0xb6, 0xb7 }, { 1, 0xbe, 0xbf },
	{ 1, 0xc0, 0xc1, 0, 0, LOCKABLE },
	{ 1, 0xc3, 0xc3, 0, 0, NO_66 },
	{ 1, 0xc7, 0xc7, 0x02, 0, LOCKABLE | CMPXCHG | APART },
	{ 2, 0xf0, 0xf1 },
};

/* --- one case ------------------------------------------------------------ */

struct trial {
	const struct form *form;
	enum npt_cpu_mode mode;
	u8 bytes[24];
	u32 n;
	struct npt_insn insn;
	struct native_regs in, out;
	u8 data[NATIVE_SIZE];
	bool lock;
};

static u64 random_value(struct rnd *r)
{
	static const u64 edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
				     0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
				     0x7fffffffffffffff, 0x8000000000000000, ~0ull };

	if (rnd_one_in(r, 3))
		return edges[rnd_below(r, ARRAY_SIZE(edges))];
	return rnd64(r);
}

static void put(struct trial *t, u8 byte)
{
	t->bytes[t->n++] = byte;
}

static void make_prefixes(struct rnd *r, struct trial *t)
{
	const struct form *f = t->form;

	if (!f->prefix && !(f->how & NO_66) && rnd_one_in(r, 3))
		put(t, 0x66);
	/* 16-bit addresses don't reach the data of the 32-bit mode. */
	if (t->mode != NPT_MODE_32 && rnd_one_in(r, 4))
		put(t, 0x67);
	if (t->mode == NPT_MODE_64 && rnd_one_in(r, 4) && !(f->how & (STRING | STACK)))
		put(t, 0x65);
	t->lock = (f->how & LOCKABLE) && rnd_bool(r);
	if (t->lock)
		put(t, 0xf0);
	if ((f->how & STRING) && rnd_bool(r))
		put(t, 0xf2 + rnd_below(r, 2));
	if (f->prefix)
		put(t, f->prefix);
	if (t->mode == NPT_MODE_64 && rnd_bool(r))
		put(t, 0x40 | rnd_below(r, 16));
}

/* The bytes, but for what addresses come to. False: not an instruction of the form. */
static bool make_bytes(struct rnd *r, struct trial *t)
{
	const struct form *f = t->form;
	u8 modrm = rnd64(r);
	u32 i;

	t->n = 0;
	make_prefixes(r, t);
	if (f->map)
		put(t, 0x0f);
	if (f->map == 2)
		put(t, 0x38);
	put(t, f->first + rnd_below(r, f->last - f->first + 1));
	if (!(f->how & NO_MODRM)) {
		if (modrm >> 6 == 3)
			modrm &= 0x7f;
		if (f->regs && !(f->regs >> (modrm >> 3 & 7) & 1))
			return false;
		put(t, modrm);
	}
	for (i = 0; i < 12; i++)
		put(t, rnd64(r));
	if (npt_insn_decode(&t->insn, t->bytes, 15, t->mode) < 0)
		return false;
	t->n = t->insn.len;
	/* MOVBE's pair with F2 or 66 is another; TEST FF/6 takes the byte form */
	return f->map != 2 || t->insn.osize > 1;
}

static u64 random_target(struct rnd *r, struct trial *t)
{
	u64 at = NATIVE_SIZE / 2 - 1024 + rnd_below(r, 2048);

	if (rnd_one_in(r, 4))	/* around the end of a page */
		at = NATIVE_SIZE / 2 - 20 + rnd_below(r, 40);
	if ((t->form->how & APART) || t->lock)
		at &= ~15ull;
	return at;
}

static void put_disp(struct trial *t, s64 disp)
{
	t->insn.disp = disp;
	memcpy(t->bytes + t->n - t->insn.imm_size - t->insn.disp_size, &disp,
	       t->insn.disp_size);
}

/* Registers or displacement such that the operand is at offset @want of its segment. */
static bool aim(struct rnd *r, struct trial *t, u64 want)
{
	const struct npt_insn *i = &t->insn;
	u64 *gpr = t->in.gpr, index;
	u64 small = rnd_below(r, 64);

	if (i->rip) {
		put_disp(t, want - NATIVE_CODE - t->n);
	} else if (i->base == NPT_NO_REG && i->index == NPT_NO_REG) {
		put_disp(t, want);
	} else if (i->base == NPT_NO_REG) {
		gpr[i->index] = small;
		put_disp(t, want - small * i->scale);
	} else {
		if (i->index == i->base)
			return false;
		index = i->index == NPT_NO_REG ? 0 : gpr[i->index] * i->scale;
		gpr[i->base] = want - index - i->disp;
	}
	return true;
}

/* Garbage above what an address of this size uses must not matter. */
static void spoil(struct rnd *r, struct trial *t, u8 reg)
{
	if (t->insn.asize == 2)
		t->in.gpr[reg] = (t->in.gpr[reg] & 0xffff) | (rnd64(r) & 0xffff0000);
	else if (t->insn.asize == 4 && t->mode == NPT_MODE_64)
		t->in.gpr[reg] = (u32)t->in.gpr[reg] | rnd64(r) << 32;
}

/* Where in its segment the data begins. */
static u64 data_offset(const struct trial *t)
{
	if (t->mode == NPT_MODE_16)
		return NATIVE_DATA - NATIVE_BASE16;
	return NATIVE_DATA - (t->insn.seg == NPT_SEG_GS ? NATIVE_GS : 0);
}

static bool make_operands(struct rnd *r, struct trial *t)
{
	const struct npt_insn *i = &t->insn;
	u64 *gpr = t->in.gpr;
	u32 n;

	for (n = 0; n < 16; n++) {
		gpr[n] = random_value(r);
		t->in.xmm[n][0] = rnd64(r);
		t->in.xmm[n][1] = rnd64(r);
	}
	for (n = 0; n < NATIVE_SIZE; n += 8) {
		u64 value = random_value(r);

		memcpy(t->data + n, &value, 8);
	}
	t->in.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (rnd64(r) & (ARITHMETIC | X86_EFLAGS_DF));
	if (t->form->how & STACK)
		gpr[4] = data_offset(t) + random_target(r, t);
	if (t->form->how & STRING) {
		gpr[6] = data_offset(t) + random_target(r, t);
		gpr[7] = data_offset(t) + random_target(r, t);
		gpr[1] = rnd_below(r, 10);
		spoil(r, t, 6);
		spoil(r, t, 7);
		spoil(r, t, 1);
		return true;
	}
	if (t->form->how & BITS) {
		if (i->reg == i->base || i->reg == i->index)
			return false;
		gpr[i->reg] = (s64)(rnd64(r) & 0x1fff) - 0x1000;
		/* A locked operation must not cross a cache line. */
		if (t->lock)
			gpr[i->reg] &= 63;
	}
	if (!i->mem)
		return true;
	/* The stack pointer has its own place already. */
	if ((t->form->how & STACK) && i->base == 4) {
		if (i->index != NPT_NO_REG)
			gpr[i->index] = rnd_below(r, 64);
		if (i->disp_size > 1)
			put_disp(t, (s64)rnd_below(r, 512) - 256);
		return true;
	}
	if (!aim(r, t, data_offset(t) + random_target(r, t)))
		return false;
	if (i->base != NPT_NO_REG && i->base != 4)
		spoil(r, t, i->base);
	return true;
}

/* What is compared should sometimes be equal. */
static void make_equal(struct rnd *r, struct trial *t)
{
	const struct npt_insn *i = &t->insn;

	/* RAX and RDX are free for it unless the address is made of them. */
	if ((t->form->how & CMPXCHG) && rnd_bool(r) && i->base != 0 && i->base != 2 &&
	    i->index != 0 && i->index != 2) {
		memset(t->data, 0x11, sizeof(t->data));
		t->in.gpr[0] = 0x1111111111111111;
		t->in.gpr[2] = 0x1111111111111111;
	}
	if ((t->form->how & STRING) && rnd_bool(r))
		memset(t->data + NATIVE_SIZE / 2 - 1100, t->in.gpr[0], 2200);
}

static void set_context(const struct trial *t)
{
	char *p = test_context;
	u32 i;

	p += sprintf(p, "%d-bit:", 16 << t->mode);
	for (i = 0; i < t->n; i++)
		p += sprintf(p, " %02x", t->bytes[i]);
}

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

static void run_emulated(struct trial *t, struct machine *m)
{
	enum npt_emul_end end;
	u64 start = t->mode == NPT_MODE_16 ? 0 : NATIVE_CODE;
	u32 steps = 0;
	int len;

	m->e = (struct npt_emul) {
		.ops = &fake_ops, .regs = &m->regs, .sregs = &m->sregs,
		.mode = t->mode, .va_bits = 48, .protect = true,
	};
	native_sregs(&m->sregs, t->mode);
	to_kvm(&t->in, &m->regs);
	m->regs.rip = start;
	memcpy(m->xmm, t->in.xmm, sizeof(m->xmm));
	memcpy(m->data, t->data, sizeof(m->data));
	CHECK_EQ(npt_emul_mode(&m->sregs, t->in.rflags, true, true), t->mode, "mode");
	len = npt_insn_decode(&m->e.insn, t->bytes, t->n, t->mode);
	CHECK_EQ(len, t->n, "length");
	do {
		end = npt_emul_step(&m->e);
		CHECK(++steps < 20, "it does not end");
		if (end == NPT_EMUL_AGAIN)
			CHECK_EQ(m->regs.rip, start, "RIP within a repeated instruction");
	} while (end == NPT_EMUL_AGAIN);
	CHECK(end == NPT_EMUL_DONE, "ends as %d, exception %u", end, m->e.vector);
	CHECK_EQ(m->regs.rip, start + t->n, "RIP");
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

static void mask_registers(struct trial *t)
{
	u32 i;

	if (t->mode != NPT_MODE_64)
		for (i = 0; i < 16; i++)
			t->in.gpr[i] = (u32)t->in.gpr[i];
}

static void one_case(struct rnd *r, const struct form *f, enum npt_cpu_mode mode)
{
	static struct machine m;
	static struct trial t;

	t.form = f;
	t.mode = mode;
	while (!make_bytes(r, &t) || !make_operands(r, &t))
		;
	make_equal(r, &t);
	mask_registers(&t);
	set_context(&t);
	run_emulated(&t, &m);
	memcpy((void *)NATIVE_DATA, t.data, NATIVE_SIZE);
	t.out = t.in;
	native_run(&t.out, t.bytes, t.n, mode);
	compare(&t, &m);
	test_cases++;
}

static void as_the_processor(enum npt_cpu_mode mode)
{
	unsigned long round;
	struct rnd r;
	u32 i;

	if (!native_init(mode))
		test_skip("this system does not run %d-bit code", 16 << mode);
	for_each_round(round, 200, &r)
		for (i = 0; i < ARRAY_SIZE(forms); i++)
			if (mode == NPT_MODE_64 || !(forms[i].how & ONLY_64))
				one_case(&r, &forms[i], mode);
}

static void native_64(void)
{
	as_the_processor(NPT_MODE_64);
}

static void native_32(void)
{
	as_the_processor(NPT_MODE_32);
}

static void native_16(void)
{
	as_the_processor(NPT_MODE_16);
}

static const struct test tests[] = {
	{ "emulate: 64-bit mode as the processor", native_64 },
	{ "emulate: 32-bit mode as the processor", native_32 },
	{ "emulate: 16-bit mode as the processor", native_16 },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
