/* SPDX-License-Identifier: GPL-2.0 */
/* Operands of emulated instructions: registers, segments, memory. */
#ifndef NPT_OPERAND_H
#define NPT_OPERAND_H

#include "emulate.h"

#define NPT_UD_VECTOR 6
#define NPT_SS_VECTOR 12
#define NPT_GP_VECTOR 13
#define NPT_PF_VECTOR 14
#define NPT_AC_VECTOR 17

enum { NPT_RAX, NPT_RCX, NPT_RDX, NPT_RBX, NPT_RSP, NPT_RBP, NPT_RSI, NPT_RDI };

enum npt_emul_end npt_emul_raise(struct npt_emul *e, u8 vector, bool has_error);

/* --- registers ---------------------------------------------------------- */

u64 *npt_gpr(struct kvm_regs *regs, u8 n);
/* As an operand of @size bytes; without REX, byte registers 4-7 are AH, CH, DH, BH. */
u64 npt_emul_get(const struct npt_emul *e, u8 n, u32 size);
void npt_emul_set(struct npt_emul *e, u8 n, u32 size, u64 value);
/* As an address, counter or stack pointer of @size bytes. */
u64 npt_emul_address(const struct npt_emul *e, u8 n, u32 size);
void npt_emul_advance(struct npt_emul *e, u8 n, u32 size, s64 by);

/* --- memory ------------------------------------------------------------- */

/* The offset of the instruction's memory operand in its segment, @add bytes on. */
u64 npt_emul_offset(const struct npt_emul *e, s64 add);

/*
 * Segmentation: the linear address of @len bytes at @seg:@off, checked for
 * limit, rights and canonical form (SDM vol. 3A, 5.3-5.5; APM vol. 2, 4.7).
 */
enum npt_emul_end npt_emul_linear(struct npt_emul *e, u8 seg, u64 off, u32 len, bool write,
				  u64 *lin);

enum npt_emul_end npt_emul_read(struct npt_emul *e, u8 seg, u64 off, void *buf, u32 len);
enum npt_emul_end npt_emul_write(struct npt_emul *e, u8 seg, u64 off, const void *buf, u32 len);

/* Memory that is read and then written: faults come as a write's, before either. */
struct npt_place {
	u64 lin;
	u32 nr;
	struct npt_piece {
		u64 gpa;
		u32 len;
		enum npt_emul_end kind;	/* DONE: memory; or MMIO, ROM */
	} piece[2];
};

enum npt_emul_end npt_place_find(struct npt_emul *e, u8 seg, u64 off, u32 len,
				 struct npt_place *place);
enum npt_emul_end npt_place_read(struct npt_emul *e, const struct npt_place *place, void *buf);
/* With @locked, only if @old is still there, else RETRY. */
enum npt_emul_end npt_place_write(struct npt_emul *e, const struct npt_place *place,
				  const void *old, const void *new, bool locked);

#endif /* NPT_OPERAND_H */
