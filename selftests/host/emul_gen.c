// SPDX-License-Identifier: GPL-2.0
/* Which instructions there are to try, and how their operands are made up. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "emul_trial.h"

const struct form trial_forms[] = {
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
	{ 0, 0xc0, 0xc1, 0x0f, 0, 0, X86_EFLAGS_OF },
	{ 0, 0xc0, 0xc1, 0xf0, 0, 0, X86_EFLAGS_OF | X86_EFLAGS_AF },
	{ 0, 0xc6, 0xc7, 0x01 },
	{ 0, 0xd0, 0xd1, 0x0f },
	{ 0, 0xd0, 0xd1, 0xf0, 0, 0, X86_EFLAGS_AF },
	{ 0, 0xd2, 0xd3, 0x0f, 0, 0, X86_EFLAGS_OF },
	{ 0, 0xd2, 0xd3, 0xf0, 0, 0, X86_EFLAGS_OF | X86_EFLAGS_AF },
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

const unsigned int trial_nr_forms = ARRAY_SIZE(trial_forms);

/* --- bytes and operands --------------------------------------------------- */

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
	static const u8 overrides[] = { 0x26, 0x36, 0x3e };
	const struct form *f = t->form;

	if (!f->prefix && !(f->how & NO_66) && rnd_one_in(r, 3))
		put(t, 0x66);
	/* 16-bit addresses don't reach the data of the flat 32-bit mode. */
	if ((t->mode != NPT_MODE_32 || t->hurdle == TRIAL_SEGMENTS) && rnd_one_in(r, 4))
		put(t, 0x67);
	if (t->hurdle == TRIAL_SEGMENTS && rnd_bool(r))
		put(t, overrides[rnd_below(r, ARRAY_SIZE(overrides))]);
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

/* Places in the data, many of them around the end of a page. */
static u64 random_target(struct rnd *r, struct trial *t)
{
	u64 at = NATIVE_SIZE / 2 - 1024 + rnd_below(r, 2048);

	if (t->hurdle != TRIAL_PLAIN || rnd_one_in(r, 4))
		at = NATIVE_SIZE / 2 - 20 + rnd_below(r, 40);
	/* A lock across cache lines is not what a host likes. */
	if (((t->form->how & APART) && (t->hurdle == TRIAL_PLAIN || t->form->how & LOCKABLE)) ||
	    t->lock)
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

static const struct kvm_segment *segment(const struct trial *t, u8 seg)
{
	const struct kvm_sregs *s = &t->sregs;
	const struct kvm_segment *all[] = { &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs };

	return all[seg];
}

/* An offset in segment @seg that is good, or (with a hurdle) around where it is not. */
static u64 random_offset(struct rnd *r, struct trial *t, u8 seg)
{
	const struct kvm_segment *s = segment(t, seg);
	u64 top = s->db ? 0xffffffff : 0xffff, off;

	if (t->mode == NPT_MODE_64)
		return NATIVE_DATA + random_target(r, t) - (seg >= NPT_SEG_FS ? s->base : 0);
	if (t->hurdle != TRIAL_SEGMENTS)
		return NATIVE_DATA + random_target(r, t) - s->base;
	off = (s->type & 12) == 4 && rnd_bool(r) ? top - rnd_below(r, 20) :
						   s->limit + rnd_below(r, 40) - 20;
	return (t->form->how & APART) || t->lock ? off & ~15ull : off;
}

static void random_data(struct rnd *r, struct trial *t)
{
	u64 value;
	u32 n;

	for (n = 0; n < NATIVE_SIZE; n += 8) {
		value = random_value(r);
		memcpy(t->data + n, &value, 8);
	}
}

static void string_operands(struct rnd *r, struct trial *t)
{
	u64 *gpr = t->in.gpr;

	gpr[6] = random_offset(r, t, t->insn.seg);
	gpr[7] = random_offset(r, t, NPT_SEG_ES);
	gpr[1] = rnd_below(r, 10);
	spoil(r, t, 6);
	spoil(r, t, 7);
	spoil(r, t, 1);
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
	random_data(r, t);
	t->in.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (rnd64(r) & (ARITHMETIC | X86_EFLAGS_DF));
	if (t->form->how & STACK)
		gpr[4] = random_offset(r, t, NPT_SEG_SS);
	if (t->form->how & STRING) {
		string_operands(r, t);
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
	if (!aim(r, t, random_offset(r, t, i->seg)))
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

static void mask_registers(struct trial *t)
{
	u32 i;

	if (t->mode != NPT_MODE_64)
		for (i = 0; i < 16; i++)
			t->in.gpr[i] = (u32)t->in.gpr[i];
}

/* --- hurdles ---------------------------------------------------------------- */

static void make_pages(struct rnd *r, struct trial *t)
{
	static const u8 prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(t->prot); i++)
		t->prot[i] = t->hurdle == TRIAL_PAGES ? prot[rnd_below(r, 3)] : prot[2];
}

/* A segment of which only what lies in the data can be used. */
static void make_segment(struct rnd *r, struct kvm_segment *s, bool stack)
{
	u64 top, end = NATIVE_DATA + NATIVE_SIZE;

	s->db = rnd_bool(r);
	s->g = 0;
	s->type = 3;
	s->base = NATIVE_DATA + NATIVE_SIZE / 2 - 128;
	s->limit = 128 + rnd_below(r, 64);
	if (rnd_one_in(r, 3)) {		/* expands down */
		top = s->db ? 0xffffffff : 0xffff;
		s->type |= 4;
		s->g = s->db;
		s->limit = top - (s->db ? 4096 : 128 + rnd_below(r, 64));
		s->base = (u32)(end - top - 1);
	}
	if (stack)
		return;
	if (rnd_one_in(r, 4))
		s->type &= ~2;		/* read-only */
	else if (rnd_one_in(r, 4) && !(s->type & 4))
		s->type = 11;		/* code that can be read */
}

static void make_segments(struct rnd *r, struct trial *t)
{
	native_sregs(&t->sregs, t->mode);
	if (t->hurdle != TRIAL_SEGMENTS)
		return;
	native_own_segments(&t->sregs);
	make_segment(r, &t->sregs.ds, false);
	make_segment(r, &t->sregs.es, false);
	make_segment(r, &t->sregs.ss, true);
}

void trial_make(struct rnd *r, struct trial *t, const struct form *form,
		enum npt_cpu_mode mode, enum trial_hurdle hurdle)
{
	t->form = form;
	t->mode = mode;
	t->hurdle = hurdle;
	make_segments(r, t);
	make_pages(r, t);
	while (!make_bytes(r, t) || !make_operands(r, t))
		;
	make_equal(r, t);
	mask_registers(t);
	set_context(t);
}
