// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the emulator's core on any instruction, with registers, segments
 * and a memory that the bytes choose: present, read-only, absent, MMIO. What does
 * not end well must have changed nothing, and what it asks of memory must be sane.
 */
#include <string.h>

#include "engine/x86/operand.h"
#include "fuzz.h"
#include "test.h"

#define PAGES	8	/* of memory; linear addresses wrap around in it */
#define BYTES	(PAGES * 4096)

enum page { READ_WRITE, READ_ONLY, ABSENT, DEVICE };

struct machine {
	struct npt_emul e;
	struct rnd *rnd;
	enum page page[PAGES];
	unsigned int changes;	/* of memory, registers that are not in ->regs, devices */
	unsigned int accesses, retries;
	u64 xmm[16][2];
	u8 mem[BYTES];
};

static u8 *at(struct machine *m, u64 gpa, u32 len, enum page kind)
{
	CHECK(len && len <= 16, "%u bytes in one piece", len);
	CHECK(gpa + len <= BYTES, "%u bytes at %#llx, which was never translated", len, gpa);
	CHECK(gpa / 4096 == (gpa + len - 1) / 4096, "%u bytes at %#llx cross a page", len, gpa);
	CHECK((m->page[gpa / 4096] == DEVICE) == (kind == DEVICE), "memory and devices mixed up");
	CHECK(++m->accesses < 64, "one step, and so many accesses");
	return m->mem + gpa;
}

static enum npt_emul_end on_access(struct npt_emul *e, u64 lin, u8 op, void *buf, u32 len, u64 *gpa)
{
	struct machine *m = container_of(e, struct machine, e);
	enum page kind = m->page[lin / 4096 % PAGES];
	u8 *p;

	CHECK(op == NPT_OP_READ || op == NPT_OP_WRITE, "operation %u", op);
	*gpa = lin % BYTES;
	p = at(m, *gpa, len, kind);
	if (kind == DEVICE)
		return NPT_EMUL_MMIO;
	if (kind == ABSENT) {
		e->vector = NPT_PF_VECTOR;
		e->has_error = true;
		e->cr2 = lin;
		return NPT_EMUL_FAULT;
	}
	if (op == NPT_OP_WRITE && kind == READ_ONLY)
		return NPT_EMUL_ROM;
	if (buf && op == NPT_OP_WRITE) {
		memcpy(p, buf, len);
		m->changes++;
	} else if (buf) {
		memcpy(buf, p, len);
	}
	return NPT_EMUL_DONE;
}

static enum npt_emul_end on_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	struct machine *m = container_of(e, struct machine, e);

	memcpy(buf, at(m, gpa, len, READ_WRITE), len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end on_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	struct machine *m = container_of(e, struct machine, e);

	memcpy(at(m, gpa, len, READ_WRITE), buf, len);
	m->changes++;
	return NPT_EMUL_DONE;
}

/* Now and then somebody else was quicker. */
static enum npt_emul_end on_exchange(struct npt_emul *e, u64 gpa, const void *old,
				     const void *new, u32 len)
{
	struct machine *m = container_of(e, struct machine, e);
	u8 *p = at(m, gpa, len, READ_WRITE);

	CHECK(!(len & (len - 1)), "an exchange of %u bytes", len);
	if ((m->retries < 4 && rnd_one_in(m->rnd, 16)) || memcmp(p, old, len)) {
		m->retries++;
		return NPT_EMUL_RETRY;
	}
	memcpy(p, new, len);
	m->changes++;
	return NPT_EMUL_DONE;
}

static enum npt_emul_end on_mmio_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	struct machine *m = container_of(e, struct machine, e);

	CHECK(len <= 8, "%u bytes from a device", len);
	memcpy(buf, at(m, gpa, len, DEVICE), len);
	return rnd_one_in(m->rnd, 4) ? NPT_EMUL_WAIT : NPT_EMUL_DONE;
}

static enum npt_emul_end on_mmio_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	struct machine *m = container_of(e, struct machine, e);

	/* What would be written to read-only memory goes to the device's way, too. */
	CHECK(len <= 8 && gpa + len <= BYTES, "%u bytes at %#llx to a device", len, gpa);
	CHECK(m->page[gpa / 4096] == DEVICE || m->page[gpa / 4096] == READ_ONLY,
	      "memory written like a device");
	m->changes++;
	return NPT_EMUL_DONE;
}

static void on_xmm(struct npt_emul *e, u8 reg, void *buf, bool write)
{
	struct machine *m = container_of(e, struct machine, e);

	CHECK(reg < 16, "XMM%u", reg);
	if (write) {
		memcpy(m->xmm[reg], buf, 16);
		m->changes++;
	} else {
		memcpy(buf, m->xmm[reg], 16);
	}
}

static const struct npt_emul_ops ops = {
	.access = on_access, .read = on_read, .write = on_write, .exchange = on_exchange,
	.mmio_read = on_mmio_read, .mmio_write = on_mmio_write, .xmm = on_xmm,
};

/* Addresses near a page's or the address space's edges are the likeliest. */
static u64 value(struct rnd *r)
{
	static const u64 edge[] = {
		0, 0x1000, 0xfff8, 0x10000, 0x7fff, 0x80000000, 0x100000000, 1ull << 47, 1ull << 56,
		~0ull << 47, ~0ull,
	};

	if (rnd_bool(r))
		return edge[rnd_below(r, ARRAY_SIZE(edge))] + (s8)rnd_take(r, 1);
	return rnd_below(r, 4) ? rnd_take(r, 2) : rnd64(r);
}

static void choose_segment(struct rnd *r, struct kvm_segment *s)
{
	u8 how = rnd_take(r, 1);

	*s = (struct kvm_segment) {
		.base = how & 1 ? value(r) : 0,
		.limit = how & 2 ? value(r) : 0xffffffff,
		.type = how & 4 ? rnd_below(r, 16) : 3,
		.present = (how & 24) != 24, .s = (how & 96) != 96, .db = how >> 7,
	};
}

static void choose_segments(struct rnd *r, struct kvm_sregs *s)
{
	choose_segment(r, &s->ds);
	s->es = s->ds;
	s->ss = s->ds;
	s->cs = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	if (rnd_bool(r)) {
		choose_segment(r, &s->es);
		choose_segment(r, &s->ss);
		choose_segment(r, &s->fs);
	}
}

static void choose(struct machine *m, struct rnd *r, struct kvm_regs *regs, struct kvm_sregs *sregs)
{
	u8 how = rnd_take(r, 1);
	unsigned int i;

	m->rnd = r;
	m->e = (struct npt_emul) {
		.ops = &ops, .regs = regs, .sregs = sregs, .mode = how % 3,
		.va_bits = how & 4 ? 57 : 48, .protect = how & 8 || how % 3 == NPT_MODE_64,
		.align = !(how & 48),
	};
	for (i = 0; i < PAGES; i++)
		m->page[i] = how & 64 ? rnd_below(r, 4) : READ_WRITE;
	memset(regs, 0, sizeof(*regs));
	regs->rflags = 2 | (rnd_take(r, 2) & 0xcd5);
	regs->rip = value(r);
	for (i = 0; i < 8; i++)
		*npt_gpr(regs, i) = value(r);
	memset(sregs, 0, sizeof(*sregs));
	choose_segments(r, sregs);
}

static void check_end(struct machine *m, enum npt_emul_end end, const struct kvm_regs *before)
{
	const struct kvm_regs *regs = m->e.regs;
	bool same = !memcmp(before, regs, sizeof(*regs));

	switch (end) {
	case NPT_EMUL_DONE:
		CHECK(regs->rip != before->rip || m->e.insn.opcode == 0xff, "done, where it began");
		break;
	case NPT_EMUL_AGAIN:
		CHECK(regs->rip == before->rip && !same, "again, without an element done");
		break;
	case NPT_EMUL_FAULT:
		CHECK(m->e.vector < 32, "vector %u", m->e.vector);
		CHECK(same && !m->changes, "a fault that left changes");
		break;
	case NPT_EMUL_WAIT:
	case NPT_EMUL_UNKNOWN:
	case NPT_EMUL_RETRY:
		CHECK(same && !m->changes, "end %d, but something has changed", end);
		break;
	default:
		FAIL("a step ended as %d", end);
	}
}

void fuzz_emulate(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct kvm_regs regs, before;
	struct kvm_sregs sregs;
	u8 bytes[NPT_INSN_MAX];
	enum npt_emul_end end;
	unsigned int steps;
	struct rnd r;

	rnd_bytes(&r, data, size);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = rnd_take(&r, 1);
	choose(&m, &r, &regs, &sregs);
	if (npt_insn_decode(&m.e.insn, bytes, sizeof(bytes), m.e.mode) < 0)
		return;
	for (steps = 0; steps < 4; steps++) {
		before = regs;
		m.changes = 0;
		m.accesses = 0;
		m.retries = 0;
		end = npt_emul_step(&m.e);
		check_end(&m, end, &before);
		if (end != NPT_EMUL_AGAIN)
			break;
	}
}

FUZZ_TARGET(emulate)
