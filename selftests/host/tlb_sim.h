/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second TLB simulator to hold module/tlb against: no shared code, another
 * data layout (one record per entry, time stamps, whole sets scanned each time).
 * Slow and plain on purpose.
 */
#ifndef NPT_TLB_SIM_H
#define NPT_TLB_SIM_H

#include <stdbool.h>
#include <linux/npt.h>
#include <linux/types.h>

struct sim_entry {
	bool valid;
	bool global;		/* TLB: any PCID; walk cache: nested dimension */
	bool bit;		/* bit-PLRU */
	unsigned int size;	/* page size class, or level of a walk cache entry */
	unsigned int pcid;
	__u64 page;
	__u64 val[3];
	__u64 came, used, uses;
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
	__u64 clock;
	__u64 ctr[NPT_CTR_NR];
};

/* A translation: @val is opaque here. */
struct sim_page {
	unsigned int size;
	bool global;
	__u64 val;
};

void sim_init(struct sim *s, const struct npt_tlb_model *m);
void sim_exit(struct sim *s);

unsigned int sim_lookup(struct sim *s, unsigned int kind, __u64 gva, unsigned int pcid,
			__u64 *val);
/* @upgrade: the lookup before it found the page, its rights did not suffice. */
void sim_fill(struct sim *s, unsigned int kind, __u64 gva, unsigned int pcid,
	      const struct sim_page *p, bool upgrade);

__u64 sim_flush_all(struct sim *s);
__u64 sim_flush_nonglobal(struct sim *s);
__u64 sim_flush_pcid(struct sim *s, unsigned int pcid);
__u64 sim_flush_addr(struct sim *s, __u64 gva, unsigned int pcid);

/* A page fault: entries of the page and of the walk to it go, uncounted. */
void sim_forget(struct sim *s, __u64 gva, unsigned int pcid);

bool sim_pwc_lookup(struct sim *s, unsigned int dim, __u64 addr, unsigned int pcid,
		    unsigned int top, __u64 val[3]);
void sim_pwc_fill(struct sim *s, unsigned int dim, __u64 addr, unsigned int pcid,
		  unsigned int level, const __u64 val[3]);
bool sim_ntlb_lookup(struct sim *s, __u64 gpa, __u64 val[3]);
void sim_ntlb_fill(struct sim *s, __u64 gpa, unsigned int size, const __u64 val[3]);

#endif /* NPT_TLB_SIM_H */
