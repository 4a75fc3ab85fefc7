/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A processor that runs a guest on the module's shadow tables, as SVM does
 * without nested paging: it is the reference walker, given the tables that were
 * built and the registers that npt_shadow_hw_regs() asks for. It has no TLB, sets
 * accessed and dirty bits in the tables itself, and knows nothing of the guest's.
 */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include "host_env.h"

/* What an access was like for the processor. */
struct processor_out {
	unsigned int status;	/* NPT_STATUS_* */
	u32 error;		/* GUEST_PF */
	unsigned int faults;	/* faults on shadow tables that were not the guest's own */
	bool emulated;		/* the last of them had the module carry the write out */
	u64 hpa;		/* OK and not emulated: where the access went */
	u64 gpa;		/* emulated, or none but GUEST_PF's: where it wanted to go */
};

/* One access; fails the test on a table that no processor would accept. */
void processor_access(struct env *env, struct npt_cpu *cpu, u64 gva, unsigned int op,
		      bool user, struct processor_out *out);

/*
 * The same with @data moved: straight to memory, as a processor does, or by the
 * module if it emulates the write.
 */
void processor_data(struct env *env, struct npt_cpu *cpu, u64 gva, unsigned int op,
		    bool user, void *data, unsigned int size, struct processor_out *out);

#endif /* PROCESSOR_H */
