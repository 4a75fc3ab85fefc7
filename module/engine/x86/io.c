// SPDX-License-Identifier: GPL-2.0
/*
 * IN, OUT, INS and OUTS. No port has a device in the kernel: each becomes
 * KVM_EXIT_IO, a string of them as many elements at once as lie in one page of
 * guest memory. Registers change when user space comes back, so that until then
 * the instruction has not happened.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include "alu.h"
#include "emulate_vcpu.h"
#include "operand.h"

static void exit_io(struct npt_vcpu *vcpu, const struct npt_io *io, u32 count)
{
	struct kvm_run *run = vcpu->run;

	vcpu->x86.pio = (struct npt_pio) {
		.waiting = true,
		.count = count,
		.rip = vcpu->regs.rip,
		.io = *io,
	};
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = io->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = io->size;
	run->io.port = io->port;
	run->io.count = count;
	run->io.data_offset = PAGE_SIZE;
}

/* --- strings ------------------------------------------------------------ */

/* The memory side of a string instruction. */
struct string {
	struct npt_vcpu_emul v;
	const struct npt_io *io;
	bool down;	/* RFLAGS.DF */
	u8 seg;
	u64 off;	/* of the first element */
	u32 count;	/* elements at once */
};

static bool string_empty(const struct string *s)
{
	return s->io->rep && !npt_emul_address(&s->v.e, NPT_RCX, s->io->asize);
}

/* Offset of the lowest byte of all elements. */
static u64 lowest(const struct string *s)
{
	return s->down ? s->off - (u64)(s->count - 1) * s->io->size : s->off;
}

/* How many elements lie in the first one's page, and don't wrap around their segment. */
static u32 elements(const struct string *s, u64 lin)
{
	u32 size = s->io->size, in_page = offset_in_page(lin);
	u64 n = npt_emul_address(&s->v.e, NPT_RCX, s->io->asize);

	/* One by one where each may have to trap. */
	if (!s->io->rep || (s->v.vcpu->regs.rflags & X86_EFLAGS_TF) || s->v.vcpu->x86.guest_debug)
		return 1;
	n = min_t(u64, n, PAGE_SIZE / size);
	if (in_page + size > PAGE_SIZE)
		return 1;
	if (s->down) {
		n = min_t(u64, n, in_page / size + 1);
		n = min_t(u64, n, s->off / size + 1);
	} else {
		n = min_t(u64, n, (PAGE_SIZE - in_page) / size);
		n = min_t(u64, n, (npt_size_mask(s->io->asize) - s->off) / size + 1);
	}
	return n;
}

/* Choose s->count so that what stands in the way stands before the first element or nowhere. */
static enum npt_emul_end find_elements(struct string *s)
{
	struct npt_emul *e = &s->v.e;
	bool write = s->io->in;
	enum npt_emul_end end;
	u64 lin;

	end = npt_emul_linear(e, s->seg, s->off, s->io->size, write, &lin);
	if (end)
		return end;
	/* That checked the first one's alignment; the rest have the same. */
	e->align = false;
	s->count = elements(s, lin);
	if (npt_emul_linear(e, s->seg, lowest(s), s->count * s->io->size, write, &lin))
		s->count = 1;
	return NPT_EMUL_DONE;
}

/* In memory the last element comes first if DF is set. */
static void reverse(u8 *data, u32 count, u32 size)
{
	u8 one[4], *last = data + (count - 1) * size;

	for (; data < last; data += size, last -= size) {
		memcpy(one, data, size);
		memcpy(data, last, size);
		memcpy(last, one, size);
	}
}

/* INS writes when the data is there; but it must be known before that it may. */
static enum npt_emul_end may_write(struct string *s)
{
	struct npt_place place;
	enum npt_emul_end end;

	end = npt_place_find(&s->v.e, s->seg, lowest(s), s->count * s->io->size, &place);
	if (end)
		return end;
	if (place.piece[0].kind || (place.nr == 2 && place.piece[1].kind))
		return NPT_EMUL_UNKNOWN;
	return NPT_EMUL_DONE;
}

static enum npt_emul_end transfer(struct string *s)
{
	u32 len = s->count * s->io->size;
	u8 *data = s->v.vcpu->pio;
	enum npt_emul_end end;

	if (!s->io->in) {
		end = npt_emul_read(&s->v.e, s->seg, lowest(s), data, len);
		if (!end && s->down)
			reverse(data, s->count, s->io->size);
		return end;
	}
	if (s->down)
		reverse(data, s->count, s->io->size);
	return npt_emul_write(&s->v.e, s->seg, lowest(s), data, len);
}

static void string_begin(struct string *s, struct npt_vcpu *vcpu, const struct npt_io *io)
{
	npt_emul_begin(&s->v, vcpu, &npt_memory_ops);
	s->io = io;
	s->down = vcpu->regs.rflags & X86_EFLAGS_DF;
	s->seg = io->in ? NPT_SEG_ES : io->seg;
	s->off = npt_emul_address(&s->v.e, io->in ? NPT_RDI : NPT_RSI, io->asize);
	s->count = 1;
}

/*
 * What a device has given once it may not give again, but INS is begun again when
 * its write has faulted after all (another vCPU has changed the tables): then the
 * data is here, until the guest does other port I/O.
 */
static void keep(struct npt_vcpu *vcpu, const struct npt_pio *pio, struct string *s)
{
	vcpu->x86.pio = *pio;
	vcpu->x86.pio.kept = true;
	/* As it came: transfer() turns it round. */
	if (s->down)
		reverse(vcpu->pio, s->count, s->io->size);
}

static bool kept(const struct npt_vcpu *vcpu, const struct npt_io *io)
{
	const struct npt_pio *pio = &vcpu->x86.pio;

	return pio->kept && pio->rip == vcpu->regs.rip && pio->io.in == io->in &&
	       pio->io.port == io->port && pio->io.size == io->size && pio->io.rep == io->rep;
}

static int string_complete(struct npt_vcpu *vcpu, const struct npt_pio *pio)
{
	const struct npt_io *io = &pio->io;
	enum npt_emul_end end;
	struct string s;
	s64 by;

	string_begin(&s, vcpu, io);
	/* The count is user space's to change: of what it was asked for, so much is done. */
	s.count = pio->count;
	if (io->rep)
		s.count = min_t(u64, s.count, npt_emul_address(&s.v.e, NPT_RCX, io->asize));
	if (io->in && s.count) {
		s.v.e.align = false;
		end = transfer(&s);
		if (end) {
			keep(vcpu, pio, &s);
			return npt_emul_outside(&s.v, end);
		}
	}
	by = (s64)s.count * io->size;
	npt_emul_advance(&s.v.e, io->in ? NPT_RDI : NPT_RSI, io->asize, s.down ? -by : by);
	if (io->rep)
		npt_emul_advance(&s.v.e, NPT_RCX, io->asize, -(s64)s.count);
	/* More to do: the guest comes to it again. */
	if (io->rep && !string_empty(&s))
		return npt_insn_done(vcpu, vcpu->regs.rip);
	return npt_insn_done(vcpu, io->next_rip);
}

static int string_io(struct npt_vcpu *vcpu, const struct npt_io *io)
{
	struct npt_io decoded = *io;
	u8 bytes[NPT_INSN_MAX];
	enum npt_emul_end end;
	struct string s;
	int ret;
	u32 n;

	if (unlikely(kept(vcpu, io))) {
		struct npt_pio pio = vcpu->x86.pio;

		vcpu->x86.pio.kept = false;
		return string_complete(vcpu, &pio);
	}
	string_begin(&s, vcpu, &decoded);
	/* No segment without decode assists; QEMU's processor gives no address size either. */
	if ((!io->in && io->seg == NPT_NO_REG) || !io->asize) {
		if (!npt_emul_fetch(&s.v, bytes, &n, &ret))
			return ret;
		decoded.seg = s.v.e.insn.seg;
		decoded.asize = s.v.e.insn.asize;
		string_begin(&s, vcpu, &decoded);
	}
	if (string_empty(&s))
		return npt_insn_done(vcpu, io->next_rip);
	end = find_elements(&s);
	if (!end)
		end = io->in ? may_write(&s) : transfer(&s);
	if (end)
		return npt_emul_outside(&s.v, end);
	exit_io(vcpu, &decoded, s.count);
	return 0;
}

/* --- all ---------------------------------------------------------------- */

int npt_io(struct npt_vcpu *vcpu, const struct npt_io *io)
{
	if (io->string)
		return string_io(vcpu, io);
	if (!io->in)
		memcpy(vcpu->pio, &vcpu->regs.rax, io->size);
	exit_io(vcpu, io, 1);
	return 0;
}

int npt_io_complete(struct npt_vcpu *vcpu)
{
	struct npt_pio pio = vcpu->x86.pio;
	u64 value = 0;

	vcpu->x86.pio.waiting = false;
	if (pio.rip != vcpu->regs.rip)
		return 1;
	if (pio.io.string)
		return string_complete(vcpu, &pio);
	if (pio.io.in) {
		memcpy(&value, vcpu->pio, pio.io.size);
		if (pio.io.size < 4)
			value |= vcpu->regs.rax & ~npt_size_mask(pio.io.size);
		vcpu->regs.rax = value;
	}
	return npt_insn_done(vcpu, pio.io.next_rip);
}
