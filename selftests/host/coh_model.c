// SPDX-License-Identifier: GPL-2.0
/* What the architecture allows a vCPU to see, and the bookkeeping behind it. */
#include "coh_internal.h"
#include "test.h"

/* Read one word of tables as the vCPU may see it. */
struct stale_mem {
	struct ref_mem mem;
	struct coh *c;
	u64 since;		/* versions older than that are gone */
	unsigned int n, digit[8], radix[8];
};

static u64 take_part(u64 word, u64 gpa, unsigned int bytes)
{
	return bytes == 8 ? word : (u32)(word >> (gpa & 4) * 8);
}

/* The @pick-th value that @gpa may still seem to have; *@count of them. 0 is the present one. */
static u64 version_of(struct stale_mem *m, u64 gpa, unsigned int bytes, u64 present,
		      unsigned int pick, unsigned int *count)
{
	u64 seen[MAX_LOG + 2], value;
	unsigned int n = 0, i, k;

	seen[n++] = present;
	/*
	 * Accessed and dirty bits are reserved in a PDPTE. A shadow PDPT may go on
	 * without those that walks have set in a page which serves as both.
	 */
	if (m->c->pae && m->c->env.mmu.cfg.mode == NPT_MMU_SHADOW && bytes == 8 &&
	    (present & 0x61) > 1)
		seen[n++] = present & ~0x60ull;
	for (i = 0; i < m->c->nlog; i++) {
		const struct version *l = &m->c->log[i];

		if (l->time <= m->since || l->gpa != (gpa & ~7ull))
			continue;
		value = take_part(l->old, gpa, bytes);
		for (k = 0; k < n && seen[k] != value; k++)
			;
		if (k == n)
			seen[n++] = value;
	}
	*count = n;
	return seen[pick];
}

static bool stale_read(const struct ref_mem *mem, uint64_t gpa, unsigned int bytes,
		       uint64_t *value)
{
	struct stale_mem *m = container_of((struct ref_mem *)mem, struct stale_mem, mem);
	struct env *env = &m->c->env;
	unsigned int k = m->n;

	if (env_status(env, gpa, false) != NPT_STATUS_OK)
		return false;
	*value = 0;
	memcpy(value, env_ptr(env, gpa), bytes);
	m->n++;
	*value = version_of(m, gpa, bytes, *value, m->digit[k], &m->radix[k]);
	return true;
}

/* Go on to the next combination of versions; false: that was the last. */
static bool next_choice(struct stale_mem *m)
{
	unsigned int k = m->n;

	while (k--) {
		if (++m->digit[k] < m->radix[k])
			return true;
		m->digit[k] = 0;
	}
	return false;
}

/* All walks from root @cr3 with entries as they were at @since or later. */
static void allowed_from(struct query *q, u64 cr3, u64 since, bool global_only)
{
	struct ref_cpu rc = env_ref_cpu(q->v->cpu);
	struct stale_mem m = {
		.mem = { .fickle = true, .read = stale_read }, .c = q->c, .since = since,
	};
	struct want w;

	rc.cr3 = cr3;
	do {
		m.n = 0;
		if (++q->walks > MAX_WALKS)
			q->stop = true;
		if (q->stop)
			return;
		ref_walk(&rc, &m.mem, q->gva, env_kind(q->op), q->user, &w.ref);
		/* what isn't present or is malformed is never cached: SDM 4.10.2.3 */
		if (w.ref.end == REF_PF && w.ref.n && m.digit[w.ref.n - 1] &&
		    (w.ref.why & (REF_WHY_NOT_PRESENT | REF_WHY_RSVD)))
			continue;
		if (global_only && !w.ref.g)
			continue;
		env_limit(&q->c->env, &w.ref);
		env_answer(&q->c->env, &w.ref, q->op, &w.answer);
		q->stop = q->fn(&w, q->arg);
	} while (next_choice(&m));
}

bool each_allowed(struct query *q)
{
	struct vcpu *v = q->v;
	u64 since = v->flushed[v->pcid][q->page];

	q->walks = 0;
	q->stop = false;
	allowed_from(q, v->cr3[v->pcid], since, false);
	for (unsigned int r = 0; r < v->nroots[v->pcid]; r++)
		if (v->root[v->pcid][r].time > since)
			allowed_from(q, v->root[v->pcid][r].old, since, false);
	if (!(v->cpu->regs.cr4 & REF_CR4_PGE))
		return q->walks <= MAX_WALKS;
	/* global translations, made under whatever PCID and root: SDM 4.10.2.4 */
	since = v->gflushed[q->page];
	for (unsigned int i = 0; i < NPCIDS; i++) {
		if (v->cr3[i] != ~0ull && (i == v->pcid || v->left[i] > since))
			allowed_from(q, v->cr3[i], since, true);
		for (unsigned int r = 0; r < v->nroots[i]; r++)
			if (v->root[i][r].time > since)
				allowed_from(q, v->root[i][r].old, since, true);
	}
	return q->walks <= MAX_WALKS;
}

void flush_pcid(struct coh *c, struct vcpu *v, unsigned int pcid)
{
	c->now++;
	for (unsigned int p = 0; p < NPAGES; p++)
		v->flushed[pcid][p] = c->now;
}

void flush_page(struct coh *c, struct vcpu *v, unsigned int p)
{
	c->now++;
	v->flushed[v->pcid][p] = c->now;
	v->gflushed[p] = c->now;
}

void flush_all(struct coh *c, struct vcpu *v)
{
	for (unsigned int i = 0; i < NPCIDS; i++) {
		flush_pcid(c, v, i);
		v->nroots[i] = 0;
	}
	for (unsigned int p = 0; p < NPAGES; p++)
		v->gflushed[p] = c->now;
}

void do_flush(struct coh *c, struct vcpu *v)
{
	test_trace("vcpu %u flush", (unsigned int)(v - c->v));
	CHECK_EQ(env_op(v->cpu, NPT_OP_FLUSH, 0), NPT_STATUS_OK, "status of FLUSH");
	flush_all(c, v);
}

void flush_everywhere(struct coh *c)
{
	for (unsigned int i = 0; i < c->env.ncpus; i++)
		do_flush(c, &c->v[i]);
	c->nlog = 0;
}

void note_write(struct coh *c, u64 gpa, const void *data, unsigned int len)
{
	if (!in_tables(gpa))
		return;
	coh_stats.writes++;
	c->now++;
	for (u64 word = gpa & ~7ull; word < gpa + len; word += 8) {
		u64 *m = &c->mirror[(word - TABLES_GPA) / 8], old = *m;
		u64 from = word > gpa ? word : gpa;
		u64 to = word + 8 < gpa + len ? word + 8 : gpa + len;

		memcpy((u8 *)m + (from - word), (const u8 *)data + (from - gpa), to - from);
		if (*m == old)
			continue;
		CHECK(c->nlog < MAX_LOG, "too many versions");
		c->log[c->nlog++] = (struct version){ c->now, word, old };
	}
}

void note_bits(struct coh *c, u64 gpa, u64 bits)
{
	u64 *m = &c->mirror[(gpa - TABLES_GPA) / 8], old = *m;

	*m |= bits;
	/* the same word may serve as a PDPTE: there it is a change that needs a flush */
	if (c->pae && *m != old && c->nlog < MAX_LOG)
		c->log[c->nlog++] = (struct version){ ++c->now, gpa & ~7ull, old };
}

void make_room(struct coh *c, unsigned int words)
{
	if (c->nlog + words > MAX_LOG)
		flush_everywhere(c);
}

void check_tables(struct coh *c, bool loose)
{
	for (unsigned int t = 0; t < NTABLES; t++) {
		u64 *m = &c->mirror[t * 512], *mem = env_ptr(&c->env, table_gpa(t));

		if (!memcmp(m, mem, PAGE_SIZE))
			continue;
		for (unsigned int i = 0; i < 512; i++) {
			u64 set = mem[i] & ~m[i];

			if (m[i] == mem[i])
				continue;
			CHECK(loose && !(m[i] & ~mem[i]) && !(set & ~0x6000000060ull),
			      "table at %#llx index %u: memory has %#llx, must be %#llx",
			      table_gpa(t), i, mem[i], m[i]);
			note_bits(c, table_gpa(t) + i * 8, set);
		}
	}
}
