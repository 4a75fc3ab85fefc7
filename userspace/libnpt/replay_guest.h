/* SPDX-License-Identifier: GPL-2.0 */
/* The guest that a trace is replayed in. */
#ifndef LIBNPT_REPLAY_GUEST_H
#define LIBNPT_REPLAY_GUEST_H

#include "footprint.h"
#include "libnpt.h"

struct replay_guest {
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;
	struct npt_memory *tables;	/* of the guest's tables */
	struct npt_memory *data;	/* NULL: the trace touches nothing */
	struct npt_pt *pt;
	uint64_t pages;			/* mapped */
	bool short_of_pages;		/* large host pages were wanted and can't be had */
};

/*
 * Size of guest leaves for a page size: 0 and an error text if a guest of so
 * many levels has none.
 */
unsigned int replay_leaf_shift(unsigned int levels, unsigned int page_shift);

/* Make the guest of one run. On failure nothing is left. */
int replay_guest_create(struct npt_device *dev, const struct npt_replay_options *opts,
			uint32_t mmu, uint32_t page_shift, const struct npt_footprint *fp,
			struct replay_guest *guest);
void replay_guest_destroy(struct replay_guest *guest);

#endif /* LIBNPT_REPLAY_GUEST_H */
