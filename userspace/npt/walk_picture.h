/* SPDX-License-Identifier: GPL-2.0 */
/* A walk as JSON and as a picture. */
#ifndef NPT_WALK_PICTURE_H
#define NPT_WALK_PICTURE_H

#include <jansson.h>
#include <linux/npt.h>

#include "npt.h"

/* A walk and where it took place. */
struct walk {
	struct npt_explain e;
	struct npt_walk_entry ent[NPT_WALK_MAX];
	uint32_t mmu;			/* enum npt_mmu_mode */
	uint32_t nested_format;		/* enum npt_nested_format */
	unsigned int nested_levels;
	const char *where;		/* "a demonstration VM in this process", ... */
	bool in_process;
};

json_t *walk_json(const struct walk *w);
void walk_print(struct npt_cli *cli, const struct walk *w);

#endif /* NPT_WALK_PICTURE_H */
