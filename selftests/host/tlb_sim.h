/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second TLB simulator to hold module/tlb against: no shared code, another
 * data layout (one record per entry, time stamps, whole sets scanned each time).
 * Slow and plain on purpose.
 */
#ifndef NPT_TLB_SIM_H
#define NPT_TLB_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/npt.h>

struct sim_entry {
	bool valid;
	bool global;		/* TLB: any PCID; walk cache: nested dimension */
	bool bit;		/* bit-PLRU */
	unsigned int size;	/* page size class, or level of a walk cache entry */
	unsigned int pcid;
	uint64_t page;
	uint64_t val[3];
	uint64_t came, used, uses;
};

struct sim_array {
	unsigned int sets, ways, policy;
	struct sim_entry *e;
};

struct sim {
	struct npt_tlb_model m;
	struct sim_array tlb[NPT_TLB_UNITS];
	struct sim_array pwc[NPT_PWC_UNITS];
	struct sim_array ntlb;
	uint64_t clock;
	uint64_t ctr[NPT_CTR_NR];
};

/* A translation: @val is opaque here. */
struct sim_page {
	unsigned int size;
	bool global;
	uint64_t val;
};

void sim_init(struct sim *s, const struct npt_tlb_model *m);
void sim_exit(struct sim *s);

unsigned int sim_lookup(struct sim *s, unsigned int kind, uint64_t gva, unsigned int pcid,
			uint64_t *val);
/* @upgrade: the lookup before it found the page, its rights did not suffice. */
void sim_fill(struct sim *s, unsigned int kind, uint64_t gva, unsigned int pcid,
	      const struct sim_page *p, bool upgrade);

uint64_t sim_flush_all(struct sim *s);
uint64_t sim_flush_nonglobal(struct sim *s);
uint64_t sim_flush_pcid(struct sim *s, unsigned int pcid);
uint64_t sim_flush_addr(struct sim *s, uint64_t gva, unsigned int pcid);

bool sim_pwc_lookup(struct sim *s, unsigned int dim, uint64_t addr, unsigned int pcid,
		    unsigned int top, uint64_t val[3]);
void sim_pwc_fill(struct sim *s, unsigned int dim, uint64_t addr, unsigned int pcid,
		  unsigned int level, const uint64_t val[3]);
bool sim_ntlb_lookup(struct sim *s, uint64_t gpa, uint64_t val[3]);
void sim_ntlb_fill(struct sim *s, uint64_t gpa, unsigned int size, const uint64_t val[3]);

#endif /* NPT_TLB_SIM_H */
