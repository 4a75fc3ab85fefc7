/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random instructions with random operands, executed by the emulator on memory of
 * its own and by the processor that runs the test: what both make of them.
 */
#ifndef HOST_EMUL_TRIAL_H
#define HOST_EMUL_TRIAL_H

#include <asm/processor-flags.h>
#include "engine/x86/emulate.h"
#include "native.h"
#include "test.h"

#define ARITHMETIC (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
		    X86_EFLAGS_SF | X86_EFLAGS_OF)

/* How a form is treated. */
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

/* A form of an instruction. */
struct form {
	u8 map, first, last;	/* opcodes */
	u8 regs;		/* values that ModRM's reg may have, 0: any */
	u8 prefix;		/* that belongs to the opcode */
	u16 how;
	u32 undefined;		/* flags that the manual leaves undefined */
};

extern const struct form trial_forms[];
extern const unsigned int trial_nr_forms;

/* What is in the way of a trial. */
enum trial_hurdle {
	TRIAL_PLAIN,	/* nothing */
	TRIAL_PAGES,	/* pages that are not there, or read-only */
	TRIAL_SEGMENTS,	/* segments' limits and rights; not in 64-bit mode */
};

/* One instruction and what it is executed on. */
struct trial {
	const struct form *form;
	enum npt_cpu_mode mode;
	enum trial_hurdle hurdle;
	u8 bytes[24];
	u32 n;
	struct npt_insn insn;
	bool lock;
	struct kvm_sregs sregs;
	struct native_regs in, out;
	struct native_fault fault;
	u8 data[NATIVE_SIZE];
	u8 prot[NATIVE_SIZE / 4096];	/* PROT_* */
};

/* An emulated processor whose memory is the data area. */
struct machine {
	struct npt_emul e;
	struct kvm_regs regs;
	u64 xmm[16][2];
	enum npt_emul_end end;
	const struct trial *t;
	u8 data[NATIVE_SIZE];
};

/* Make up an instruction of the form, with operands. */
void trial_make(struct rnd *r, struct trial *t, const struct form *form,
		enum npt_cpu_mode mode, enum trial_hurdle hurdle);
/* Execute it in both ways and compare. */
void trial_run(struct trial *t);

#endif /* HOST_EMUL_TRIAL_H */
