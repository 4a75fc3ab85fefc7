/* SPDX-License-Identifier: GPL-2.0 */
/* What the files that execute instructions share: emulate.c, string.c, sse.c. */
#ifndef NPT_EXECUTE_H
#define NPT_EXECUTE_H

#include "operand.h"

/* RIP moves on: the instruction is done. */
enum npt_emul_end npt_emul_finish(struct npt_emul *e);

/* MOVS, CMPS, STOS, LODS, SCAS: one element. */
enum npt_emul_end npt_emul_string(struct npt_emul *e);
/* Moves between XMM registers and memory. */
enum npt_emul_end npt_emul_sse(struct npt_emul *e);

#endif /* NPT_EXECUTE_H */
