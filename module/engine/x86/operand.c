// SPDX-License-Identifier: GPL-2.0
/* Where the operands of an emulated instruction are, and what stands in the way. */
#include <asm/processor-flags.h>
#include "alu.h"
#include "operand.h"

#define PAGE 4096

enum npt_emul_end npt_emul_raise(struct npt_emul *e, u8 vector, bool has_error)
{
	e->vector = vector;
	e->has_error = has_error;
	e->error = 0;
	return NPT_EMUL_FAULT;
}

/* --- registers ---------------------------------------------------------- */

u64 *npt_gpr(struct kvm_regs *regs, u8 n)
{
	static const u8 where[16] = {
		offsetof(struct kvm_regs, rax), offsetof(struct kvm_regs, rcx),
		offsetof(struct kvm_regs, rdx), offsetof(struct kvm_regs, rbx),
		offsetof(struct kvm_regs, rsp), offsetof(struct kvm_regs, rbp),
		offsetof(struct kvm_regs, rsi), offsetof(struct kvm_regs, rdi),
		offsetof(struct kvm_regs, r8), offsetof(struct kvm_regs, r9),
		offsetof(struct kvm_regs, r10), offsetof(struct kvm_regs, r11),
		offsetof(struct kvm_regs, r12), offsetof(struct kvm_regs, r13),
		offsetof(struct kvm_regs, r14), offsetof(struct kvm_regs, r15),
	};

	return (u64 *)((u8 *)regs + where[n & 15]);
}

static bool high_byte(const struct npt_emul *e, u8 n, u32 size)
{
	return size == 1 && !e->insn.rex && n >= 4;
}

u64 npt_emul_get(const struct npt_emul *e, u8 n, u32 size)
{
	if (high_byte(e, n, size))
		return (*npt_gpr(e->regs, n - 4) >> 8) & 0xff;
	return *npt_gpr(e->regs, n) & npt_size_mask(size);
}

void npt_emul_set(struct npt_emul *e, u8 n, u32 size, u64 value)
{
	u64 mask = npt_size_mask(size), *r;

	if (high_byte(e, n, size)) {
		r = npt_gpr(e->regs, n - 4);
		*r = (*r & ~0xff00ULL) | (value & 0xff) << 8;
		return;
	}
	/* 32-bit results clear the upper half (SDM vol. 1, 3.4.1.1). */
	r = npt_gpr(e->regs, n);
	*r = size >= 4 ? value & mask : (*r & ~mask) | (value & mask);
}

u64 npt_emul_address(const struct npt_emul *e, u8 n, u32 size)
{
	return *npt_gpr(e->regs, n) & npt_size_mask(size);
}

void npt_emul_advance(struct npt_emul *e, u8 n, u32 size, s64 by)
{
	u64 mask = npt_size_mask(size), *r = npt_gpr(e->regs, n);

	*r = size >= 4 ? (*r + by) & mask : (*r & ~mask) | ((*r + by) & mask);
}

u64 npt_emul_offset(const struct npt_emul *e, s64 add)
{
	const struct npt_insn *insn = &e->insn;
	u64 off = insn->disp + add;

	if (insn->rip)
		off += e->regs->rip + insn->len;
	if (insn->base != NPT_NO_REG)
		off += *npt_gpr(e->regs, insn->base);
	if (insn->index != NPT_NO_REG)
		off += *npt_gpr(e->regs, insn->index) * insn->scale;
	return off & npt_size_mask(insn->asize);
}

/* --- segments ----------------------------------------------------------- */

static const struct kvm_segment *segment(const struct npt_emul *e, u8 seg)
{
	switch (seg) {
	case NPT_SEG_ES:
		return &e->sregs->es;
	case NPT_SEG_CS:
		return &e->sregs->cs;
	case NPT_SEG_SS:
		return &e->sregs->ss;
	case NPT_SEG_FS:
		return &e->sregs->fs;
	case NPT_SEG_GS:
		return &e->sregs->gs;
	default:
		return &e->sregs->ds;
	}
}

#define TYPE_CODE	8
#define TYPE_DOWN	4	/* data: expands down */
#define TYPE_RW		2	/* data: writable; code: readable */

/* Do type and presence let it be used so? Real mode does not ask. */
static bool segment_rights(const struct kvm_segment *s, bool write)
{
	if (s->unusable || !s->present || !s->s)
		return false;
	if (s->type & TYPE_CODE)
		return !write && (s->type & TYPE_RW);
	return !write || (s->type & TYPE_RW);
}

static bool within_limit(const struct kvm_segment *s, u64 off, u32 len)
{
	u64 last = off + len - 1;

	if ((s->type & (TYPE_CODE | TYPE_DOWN)) == TYPE_DOWN)
		return off > s->limit && last <= (s->db ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

static bool canonical(const struct npt_emul *e, u64 lin)
{
	u32 unused = 64 - e->va_bits;

	return (u64)((s64)(lin << unused) >> unused) == lin;
}

enum npt_emul_end npt_emul_linear(struct npt_emul *e, u8 seg, u64 off, u32 len, bool write,
				  u64 *lin)
{
	const struct kvm_segment *s = segment(e, seg);
	bool ok;

	if (e->mode == NPT_MODE_64) {
		*lin = off + (seg >= NPT_SEG_FS ? s->base : 0);
		ok = canonical(e, *lin) && canonical(e, *lin + len - 1);
	} else {
		*lin = (u32)(off + s->base);
		ok = (!e->protect || segment_rights(s, write)) && within_limit(s, off, len);
	}
	if (!ok)
		return npt_emul_raise(e, seg == NPT_SEG_SS ? NPT_SS_VECTOR : NPT_GP_VECTOR, true);
	if (e->align && len <= 8 && (*lin & (len - 1)))
		return npt_emul_raise(e, NPT_AC_VECTOR, true);
	return NPT_EMUL_DONE;
}

/* --- memory ------------------------------------------------------------- */

static enum npt_emul_end mmio(struct npt_emul *e, u64 gpa, u8 *buf, u32 len, bool write)
{
	enum npt_emul_end end;
	u32 n;

	for (; len; gpa += n, buf += n, len -= n) {
		n = min_t(u32, len, 8);
		end = write ? e->ops->mmio_write(e, gpa, buf, n) :
			      e->ops->mmio_read(e, gpa, buf, n);
		if (end)
			return end;
	}
	return NPT_EMUL_DONE;
}

/* Translate, page by page; with @buf and one page of memory the bytes are moved too. */
static enum npt_emul_end find(struct npt_emul *e, u64 lin, u32 len, u8 op, void *buf,
			      struct npt_place *place)
{
	u32 first = min_t(u32, len, PAGE - (lin & (PAGE - 1)));
	enum npt_emul_end end;
	u32 i;

	place->lin = lin;
	place->nr = first < len ? 2 : 1;
	place->piece[0].len = first;
	place->piece[1].len = len - first;
	for (i = 0; i < place->nr; i++) {
		struct npt_piece *p = &place->piece[i];

		end = e->ops->access(e, lin, op, place->nr == 1 ? buf : NULL, p->len, &p->gpa);
		if (end && end != NPT_EMUL_MMIO && end != NPT_EMUL_ROM)
			return end;
		p->kind = end;
		lin += first;
		if (e->mode != NPT_MODE_64)
			lin = (u32)lin;
	}
	return NPT_EMUL_DONE;
}

static enum npt_emul_end read_piece(struct npt_emul *e, const struct npt_piece *p, void *buf)
{
	if (p->kind == NPT_EMUL_MMIO)
		return mmio(e, p->gpa, buf, p->len, false);
	return e->ops->read(e, p->gpa, buf, p->len);
}

static enum npt_emul_end write_piece(struct npt_emul *e, const struct npt_piece *p, void *buf)
{
	if (p->kind != NPT_EMUL_DONE)
		return mmio(e, p->gpa, buf, p->len, true);
	return e->ops->write(e, p->gpa, buf, p->len);
}

enum npt_emul_end npt_place_read(struct npt_emul *e, const struct npt_place *place, void *buf)
{
	enum npt_emul_end end;
	u32 i;

	for (i = 0; i < place->nr; i++) {
		end = read_piece(e, &place->piece[i], buf + i * place->piece[0].len);
		if (end)
			return end;
	}
	return NPT_EMUL_DONE;
}

enum npt_emul_end npt_place_write(struct npt_emul *e, const struct npt_place *place,
				  const void *old, const void *new, bool locked)
{
	const struct npt_piece *p = place->piece;
	enum npt_emul_end end;
	u32 i;

	/* Across pages, and on devices, a lock is two accesses as elsewhere. */
	if (locked && place->nr == 1 && p->kind == NPT_EMUL_DONE)
		return e->ops->exchange(e, p->gpa, old, new, p->len);
	for (i = 0; i < place->nr; i++) {
		end = write_piece(e, &p[i], (void *)new + i * p[0].len);
		if (end)
			return end;
	}
	return NPT_EMUL_DONE;
}

enum npt_emul_end npt_place_find(struct npt_emul *e, u8 seg, u64 off, u32 len,
				 struct npt_place *place)
{
	enum npt_emul_end end;
	u64 lin;

	end = npt_emul_linear(e, seg, off, len, true, &lin);
	return end ? end : find(e, lin, len, NPT_OP_WRITE, NULL, place);
}

enum npt_emul_end npt_emul_read(struct npt_emul *e, u8 seg, u64 off, void *buf, u32 len)
{
	struct npt_place place;
	enum npt_emul_end end;
	u64 lin;

	end = npt_emul_linear(e, seg, off, len, false, &lin);
	if (!end)
		end = find(e, lin, len, NPT_OP_READ, buf, &place);
	if (end || (place.nr == 1 && place.piece[0].kind == NPT_EMUL_DONE))
		return end;
	return npt_place_read(e, &place, buf);
}

enum npt_emul_end npt_emul_write(struct npt_emul *e, u8 seg, u64 off, const void *buf, u32 len)
{
	struct npt_place place;
	enum npt_emul_end end;
	u64 lin;

	end = npt_emul_linear(e, seg, off, len, true, &lin);
	if (!end)
		end = find(e, lin, len, NPT_OP_WRITE, (void *)buf, &place);
	if (end || (place.nr == 1 && place.piece[0].kind == NPT_EMUL_DONE))
		return end;
	return npt_place_write(e, &place, NULL, buf, false);
}
