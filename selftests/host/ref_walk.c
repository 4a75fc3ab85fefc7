// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "ref_walk.h"

#define P (1ull << 0)
#define W (1ull << 1)
#define U (1ull << 2)
#define A (1ull << 5)
#define D (1ull << 6)
#define PS (1ull << 7)
#define G (1ull << 8)
#define XD (1ull << 63)

/* A walk under way. */
struct walk {
	const struct ref_cpu *cpu;
	const struct ref_mem *mem;
	uint64_t gva;
	enum ref_kind kind;
	bool user;
	struct ref_out *out;
};

/* Bits @lo..@hi set. */
static uint64_t bits(unsigned int hi, unsigned int lo)
{
	uint64_t v = 0;

	for (unsigned int i = lo; i <= hi; i++)
		v |= 1ull << i;
	return v;
}

unsigned int ref_levels(const struct ref_cpu *cpu)
{
	/* SDM 4.1.1, table 4-1 */
	if (!(cpu->cr0 & REF_CR0_PG))
		return 0;
	if (!(cpu->cr4 & REF_CR4_PAE))
		return 2;
	if (!(cpu->efer & REF_EFER_LMA))
		return 3;
	return cpu->cr4 & REF_CR4_LA57 ? 5 : 4;
}

/* The error code's bits that tell of the access, not of the entries: SDM 4.7. */
static uint32_t access_bits(const struct walk *w)
{
	const struct ref_cpu *cpu = w->cpu;
	uint32_t error = 0;

	if (w->kind == REF_WRITE)
		error |= REF_PF_W;
	if (w->user)
		error |= REF_PF_U;
	if (w->kind == REF_FETCH) {
		if (cpu->cr4 & REF_CR4_SMEP)
			error |= REF_PF_I;
		else if ((cpu->cr4 & REF_CR4_PAE) && (cpu->efer & REF_EFER_NXE))
			error |= REF_PF_I;
	}
	return error;
}

static void fault(const struct walk *w, uint32_t error, unsigned int why)
{
	w->out->end = REF_PF;
	w->out->error = error | access_bits(w);
	w->out->cr2 = w->gva;
	w->out->why = why;
}

/*
 * Read an entry and see whether it is present and well formed. False: the walk
 * ended here. An entry that isn't present has no reserved bits (SDM 4.7).
 */
static bool fetch_entry(const struct walk *w, uint64_t gpa, unsigned int bytes,
			unsigned int level, uint64_t *value)
{
	struct ref_step *s = &w->out->step[w->out->n];
	bool found = false;

	/* what this walk has itself written already is what it reads */
	for (unsigned int i = 0; !w->mem->fickle && i < w->out->n; i++) {
		if (w->out->step[i].gpa == gpa) {
			*value = w->out->step[i].after;
			found = true;
		}
	}
	if (!found && !w->mem->read(w->mem, gpa, bytes, value)) {
		w->out->end = REF_NOMEM;
		w->out->gpa = gpa;
		return false;
	}
	w->out->n++;
	s->gpa = gpa;
	s->value = *value;
	s->after = *value;
	s->bytes = bytes;
	s->level = level;
	s->index = (gpa & 0xfff) / bytes;
	if (!(*value & P)) {
		fault(w, 0, REF_WHY_NOT_PRESENT);
		return false;
	}
	return true;
}

static bool check_reserved(const struct walk *w, uint64_t value, uint64_t reserved)
{
	if (!(value & reserved))
		return true;
	fault(w, REF_PF_P | REF_PF_RSVD, REF_WHY_RSVD);
	return false;
}

/* The walk goes on through the entry just read: SDM 4.8. */
static void set_accessed(const struct walk *w)
{
	w->out->step[w->out->n - 1].after |= A;
}

/* Protection keys, SDM 4.6.2: only for data, only for user-mode addresses. */
static bool pkey_denies(const struct walk *w)
{
	const struct ref_cpu *cpu = w->cpu;
	bool ad, wd;

	if (!(cpu->efer & REF_EFER_LMA) || !(cpu->cr4 & REF_CR4_PKE))
		return false;
	if (w->kind == REF_FETCH || !w->out->u)
		return false;
	ad = cpu->pkru >> (2 * w->out->pkey) & 1;
	wd = cpu->pkru >> (2 * w->out->pkey + 1) & 1;
	if (ad)
		return true;
	if (w->kind == REF_WRITE && wd)
		return w->user || (cpu->cr0 & REF_CR0_WP);
	return false;
}

/* SDM 4.6.1, in its order: what forbids this access to this path's rights. */
static unsigned int violations(const struct walk *w)
{
	const struct ref_cpu *cpu = w->cpu;
	const struct ref_out *o = w->out;
	bool nx = o->nx && (cpu->efer & REF_EFER_NXE) && (cpu->cr4 & REF_CR4_PAE);
	unsigned int why = 0;

	if (w->user) {
		if (!o->u)
			why |= REF_WHY_USER;
		if (w->kind == REF_WRITE && !o->w)
			why |= REF_WHY_WRITE;
		if (w->kind == REF_FETCH && nx)
			why |= REF_WHY_NX;
	} else {
		if (o->u && w->kind != REF_FETCH && (cpu->cr4 & REF_CR4_SMAP) && !cpu->ac)
			why |= REF_WHY_SMAP;
		if (o->u && w->kind == REF_FETCH && (cpu->cr4 & REF_CR4_SMEP))
			why |= REF_WHY_SMEP;
		if (w->kind == REF_WRITE && !o->w && (cpu->cr0 & REF_CR0_WP))
			why |= REF_WHY_WRITE;
		if (w->kind == REF_FETCH && nx)
			why |= REF_WHY_NX;
	}
	if (pkey_denies(w))
		why |= REF_WHY_PKEY;
	return why;
}

/* The last entry maps a page of 2^@shift bytes at @base. */
static void finish(const struct walk *w, uint64_t base, unsigned int shift)
{
	struct ref_out *o = w->out;
	struct ref_step *leaf = &o->step[o->n - 1];
	unsigned int why;

	o->g = (leaf->value & G) && (w->cpu->cr4 & REF_CR4_PGE);
	if (w->cpu->efer & REF_EFER_LMA)
		o->pkey = leaf->value >> 59 & 15;
	why = violations(w);
	if (why) {
		fault(w, REF_PF_P | (why & REF_WHY_PKEY ? REF_PF_PK : 0), why);
		return;
	}
	leaf->after |= A;
	if (w->kind == REF_WRITE)
		leaf->after |= D;
	o->dirty = leaf->after & D;
	o->end = REF_OK;
	o->shift = shift;
	o->gpa = base + (w->gva & ((1ull << shift) - 1));
}

static void take_rights(const struct walk *w, uint64_t entry)
{
	w->out->w = w->out->w && (entry & W);
	w->out->u = w->out->u && (entry & U);
	w->out->nx = w->out->nx || (entry & XD);
}

/* SDM 4.3: two levels of 1024 4-byte entries. */
static void walk_32bit(const struct walk *w)
{
	uint64_t dir = (w->cpu->cr3 & 0xfffff000) + ((w->gva >> 22) & 0x3ff) * 4;
	uint64_t pde, pte, table;

	if (!fetch_entry(w, dir, 4, 2, &pde))
		return;
	if ((pde & PS) && (w->cpu->cr4 & REF_CR4_PSE)) {
		/* table 4-4: bits 31:22 and, above, 20:13 as bits 39:32; 21 is reserved */
		if (!check_reserved(w, pde, 1ull << 21))
			return;
		take_rights(w, pde);
		finish(w, (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32, 22);
		return;
	}
	take_rights(w, pde);
	set_accessed(w);
	table = (pde & 0xfffff000) + ((w->gva >> 12) & 0x3ff) * 4;
	if (!fetch_entry(w, table, 4, 1, &pte))
		return;
	take_rights(w, pte);
	finish(w, pte & 0xfffff000, 12);
}

/* SDM 4.4: four PDPTEs, then two levels of 512 8-byte entries. */
static void walk_pae(const struct walk *w)
{
	unsigned int m = w->cpu->maxphy;
	uint64_t frame = bits(m - 1, 12);
	uint64_t high = bits(62, m);
	uint64_t pdpte, pde, pte;

	/* table 4-7 and table 4-8; APM 15.25.10 reads them at each walk */
	if (!fetch_entry(w, (w->cpu->cr3 & 0xffffffe0) + (w->gva >> 30 & 3) * 8, 8, 3, &pdpte))
		return;
	if (!check_reserved(w, pdpte, bits(2, 1) | bits(8, 5) | bits(63, m)))
		return;
	if (!(w->cpu->efer & REF_EFER_NXE))
		high |= XD;
	/* table 4-9, 4-10 */
	if (!fetch_entry(w, (pdpte & frame) + (w->gva >> 21 & 511) * 8, 8, 2, &pde))
		return;
	if (!check_reserved(w, pde, high | (pde & PS ? bits(20, 13) : 0)))
		return;
	take_rights(w, pde);
	if (pde & PS) {
		finish(w, pde & frame & ~bits(20, 12), 21);
		return;
	}
	set_accessed(w);
	/* table 4-11 */
	if (!fetch_entry(w, (pde & frame) + (w->gva >> 12 & 511) * 8, 8, 1, &pte))
		return;
	if (!check_reserved(w, pte, high))
		return;
	take_rights(w, pte);
	finish(w, pte & frame, 12);
}

/* SDM 4.5: four or five levels of 512 8-byte entries. */
static void walk_long(const struct walk *w, unsigned int levels)
{
	unsigned int m = w->cpu->maxphy;
	uint64_t frame = bits(m - 1, 12);
	uint64_t high = m < 52 ? bits(51, m) : 0;
	uint64_t table = w->cpu->cr3 & frame;
	uint64_t top = levels == 5 ? w->gva >> 56 : w->gva >> 47;
	uint64_t e;

	/* canonical: all bits above the width equal its highest one, SDM vol. 1, 3.3.7.1 */
	if (top && top != (levels == 5 ? 0xff : 0x1ffff)) {
		w->out->end = REF_GP;
		return;
	}
	if (!(w->cpu->efer & REF_EFER_NXE))
		high |= XD;

	if (levels == 5) {	/* PML5E: bit 7 is reserved */
		if (!fetch_entry(w, table + (w->gva >> 48 & 511) * 8, 8, 5, &e) ||
		    !check_reserved(w, e, high | PS))
			return;
		take_rights(w, e);
		set_accessed(w);
		table = e & frame;
	}
	/* PML4E, table 4-15: likewise */
	if (!fetch_entry(w, table + (w->gva >> 39 & 511) * 8, 8, 4, &e) ||
	    !check_reserved(w, e, high | PS))
		return;
	take_rights(w, e);
	set_accessed(w);
	table = e & frame;
	/* PDPTE, tables 4-16 and 4-17 */
	if (!fetch_entry(w, table + (w->gva >> 30 & 511) * 8, 8, 3, &e) ||
	    !check_reserved(w, e, high | (e & PS ? bits(29, 13) : 0)))
		return;
	take_rights(w, e);
	if (e & PS) {
		finish(w, e & frame & ~bits(29, 12), 30);
		return;
	}
	set_accessed(w);
	table = e & frame;
	/* PDE, tables 4-18 and 4-19 */
	if (!fetch_entry(w, table + (w->gva >> 21 & 511) * 8, 8, 2, &e) ||
	    !check_reserved(w, e, high | (e & PS ? bits(20, 13) : 0)))
		return;
	take_rights(w, e);
	if (e & PS) {
		finish(w, e & frame & ~bits(20, 12), 21);
		return;
	}
	set_accessed(w);
	table = e & frame;
	/* PTE, table 4-20 */
	if (!fetch_entry(w, table + (w->gva >> 12 & 511) * 8, 8, 1, &e) ||
	    !check_reserved(w, e, high))
		return;
	take_rights(w, e);
	finish(w, e & frame, 12);
}

bool ref_spoils_pdpte(const struct ref_out *out)
{
	if (!out->n || out->step[0].level != 3 || out->step[0].bytes != 8)
		return false;
	for (unsigned int i = 1; i < out->n; i++)
		if (out->step[i].gpa == out->step[0].gpa)
			return true;
	return false;
}

void ref_walk(const struct ref_cpu *cpu, const struct ref_mem *mem, uint64_t gva,
	      enum ref_kind kind, bool user, struct ref_out *out)
{
	struct walk w = { cpu, mem, gva, kind, user, out };
	unsigned int levels = ref_levels(cpu);

	memset(out, 0, sizeof(*out));
	out->w = true;
	out->u = true;
	switch (levels) {
	case 0:
		out->end = REF_OK;
		out->gpa = gva;
		out->dirty = true;
		break;
	case 2:
		walk_32bit(&w);
		break;
	case 3:
		walk_pae(&w);
		break;
	default:
		walk_long(&w, levels);
	}
}
