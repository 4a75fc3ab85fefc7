// SPDX-License-Identifier: GPL-2.0
/*
 * MMIO of emulated instructions: what the local APIC does not take goes to user
 * space, at most eight bytes an exit.
 *
 * A read that has no answer ends the attempt; with the answer in the list of
 * reads, the instruction, fetched only once, is executed again from its start and
 * finds it there.
 * Writes are kept until the instruction is done and told one after the other.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include "emulate_vcpu.h"
#include "lapic.h"

/* Of one instruction: two operands of 16 bytes, each across two pages. */
#define MAX_PIECES 8

struct mmio_piece {
	u64 gpa;
	u32 len;
	u8 data[8];
};

struct npt_mmio {
	bool reading, writing;	/* user space has been told of read[nr_reads], write[told] */
	bool debug;		/* KVM_EXIT_DEBUG comes after the writes */
	u8 nr_reads;		/* answered */
	u8 used;		/* of these, in this attempt */
	u8 nr_writes, told;
	u64 rip;		/* linear address of the instruction, while reading */
	struct npt_emul_hint hint;	/* npt_emulate()'s, likewise */
	u8 bytes[NPT_INSN_MAX];	/* of the instruction, likewise, */
	u8 n;			/* so many */
	struct mmio_piece read[MAX_PIECES], write[MAX_PIECES];
};

static struct npt_mmio *get(struct npt_vcpu *vcpu)
{
	struct npt_mmio *m = vcpu->x86.mmio;

	if (!m) {
		m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
		vcpu->x86.mmio = m;
	}
	return m;
}

static enum npt_emul_end error(struct npt_emul *e, int err)
{
	e->err = err;
	return NPT_EMUL_ERROR;
}

/* --- during an attempt -------------------------------------------------- */

enum npt_emul_end npt_mmio_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	struct npt_vcpu *vcpu = npt_emul_vcpu(e);
	struct npt_mmio *m;
	struct mmio_piece *p;

	if (npt_lapic_mmio(vcpu, gpa, false, buf, len))
		return NPT_EMUL_DONE;
	m = get(vcpu);
	if (!m)
		return error(e, -ENOMEM);
	if (m->used == MAX_PIECES)
		return NPT_EMUL_UNKNOWN;
	p = &m->read[m->used];
	if (m->used < m->nr_reads && p->gpa == gpa && p->len == len) {
		memcpy(buf, p->data, len);
		m->used++;
		return NPT_EMUL_DONE;
	}
	/* Not answered, or (the guest's doing) another instruction than before. */
	m->nr_reads = m->used;
	p->gpa = gpa;
	p->len = len;
	return NPT_EMUL_WAIT;
}

enum npt_emul_end npt_mmio_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	struct npt_vcpu *vcpu = npt_emul_vcpu(e);
	struct npt_mmio *m;
	struct mmio_piece *p;

	if (npt_lapic_mmio(vcpu, gpa, true, (void *)buf, len))
		return NPT_EMUL_DONE;
	m = get(vcpu);
	if (!m)
		return error(e, -ENOMEM);
	if (m->nr_writes == MAX_PIECES)
		return NPT_EMUL_UNKNOWN;
	p = &m->write[m->nr_writes++];
	p->gpa = gpa;
	p->len = len;
	memcpy(p->data, buf, len);
	return NPT_EMUL_DONE;
}

void npt_mmio_done(struct npt_vcpu *vcpu)
{
	struct npt_mmio *m = vcpu->x86.mmio;

	if (!m)
		return;
	m->nr_reads = 0;
	m->used = 0;
}

void npt_mmio_forget(struct npt_vcpu *vcpu)
{
	if (vcpu->x86.mmio)
		vcpu->x86.mmio->nr_reads = 0;
	npt_mmio_again(vcpu);
}

void npt_mmio_again(struct npt_vcpu *vcpu)
{
	struct npt_mmio *m = vcpu->x86.mmio;

	if (!m)
		return;
	m->used = 0;
	m->nr_writes = 0;
	m->told = 0;
}

/* --- user space --------------------------------------------------------- */

static void tell(struct npt_vcpu *vcpu, const struct mmio_piece *p, bool write)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = p->gpa;
	run->mmio.len = p->len;
	run->mmio.is_write = write;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (write)
		memcpy(run->mmio.data, p->data, p->len);
}

void npt_mmio_exit_read(struct npt_vcpu *vcpu, const struct npt_emul_hint *hint,
			const u8 *bytes, u32 n)
{
	struct npt_mmio *m = vcpu->x86.mmio;

	m->reading = true;
	m->rip = npt_linear_rip(vcpu);
	/* They may be there already. */
	memmove(m->bytes, bytes, n);
	m->n = n;
	m->hint = hint ? *hint : (struct npt_emul_hint) { 0 };
	tell(vcpu, &m->read[m->nr_reads], false);
}

bool npt_mmio_has_writes(const struct npt_vcpu *vcpu)
{
	return vcpu->x86.mmio && vcpu->x86.mmio->nr_writes;
}

void npt_mmio_exit_write(struct npt_vcpu *vcpu, bool debug)
{
	struct npt_mmio *m = vcpu->x86.mmio;

	m->writing = true;
	m->debug = debug;
	tell(vcpu, &m->write[m->told], true);
}

bool npt_mmio_waiting(const struct npt_vcpu *vcpu)
{
	const struct npt_mmio *m = vcpu->x86.mmio;

	return m && (m->reading || m->writing);
}

static int written(struct npt_vcpu *vcpu, struct npt_mmio *m)
{
	m->writing = false;
	if (++m->told < m->nr_writes) {
		npt_mmio_exit_write(vcpu, m->debug);
		return 0;
	}
	if (!m->debug)
		return 1;
	npt_exit_step(vcpu);
	return 0;
}

int npt_mmio_complete(struct npt_vcpu *vcpu)
{
	struct npt_mmio *m = vcpu->x86.mmio;
	struct mmio_piece *p;

	if (m->writing)
		return written(vcpu, m);
	m->reading = false;
	if (m->rip != npt_linear_rip(vcpu)) {
		npt_mmio_forget(vcpu);
		return 1;
	}
	p = &m->read[m->nr_reads++];
	memcpy(p->data, vcpu->run->mmio.data, sizeof(p->data));
	return npt_emulate_again(vcpu, &m->hint, m->bytes, m->n);
}

void npt_emulate_free(struct npt_vcpu *vcpu)
{
	kfree(vcpu->x86.mmio);
}
