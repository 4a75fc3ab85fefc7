// SPDX-License-Identifier: GPL-2.0
#include "coh_internal.h"
#include "laws.h"
#include "map_check.h"
#include "mmu/internal.h"
#include "processor.h"
#include "test.h"
#include "tlb/tlb_impl.h"
#include "tlb_random.h"

struct coh_stats coh_stats;

/* --- one access and its check --------------------------------------------- */

#define MAX_ANSWERS 64

struct match {
	const struct npt_access_result *res;
	struct want first;
	struct env_answer answer[MAX_ANSWERS];	/* all that are allowed */
	unsigned int n;
	bool strict;		/* every walk is the first */
	bool full;		/* there were more */
	bool found;		/* one is *res */
};

static bool same(const struct npt_access_result *res, const struct env_answer *a)
{
	if (res->status != a->status || res->error_code != a->error || res->cr2 != a->cr2)
		return false;
	return a->status == NPT_STATUS_GUEST_PF || a->status == NPT_STATUS_GUEST_GP ||
		res->gpa == a->gpa;
}

static bool same_walk(const struct ref_out *a, const struct ref_out *b)
{
	if (a->end != b->end || a->gpa != b->gpa || a->error != b->error || a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (a->step[i].gpa != b->step[i].gpa || a->step[i].value != b->step[i].value)
			return false;
	return true;
}

/* Before the access: all that it may do. The reference's walk comes first. */
static bool collect(const struct want *w, void *arg)
{
	struct match *m = arg;

	if (!m->n)
		m->first = *w;
	else if (!same_walk(&m->first.ref, &w->ref))
		m->strict = false;
	for (unsigned int i = 0; i < m->n; i++)
		if (!memcmp(&m->answer[i], &w->answer, sizeof(w->answer)))
			return false;
	m->full = m->n == MAX_ANSWERS;
	if (!m->full)
		m->answer[m->n++] = w->answer;
	return m->full;
}

/* False: too many answers to tell. */
static bool expect(struct query *q, struct match *m)
{
	m->n = 0;
	m->strict = true;
	m->full = false;
	m->found = false;
	q->fn = collect;
	q->arg = m;
	if (!each_allowed(q) || m->full)
		return false;
	return !(m->strict && q->c->pae && ref_spoils_pdpte(&m->first.ref));
}

/*
 * On a bare machine a TLB holds the guest's large page whole, even if part of
 * it is no memory; without data nobody looks there.
 */
static bool beyond_memory(const struct coh *c, const struct query *q, const struct match *m)
{
	if (c->env.mmu.cfg.mode != NPT_MMU_NATIVE || q->op != NPT_OP_FETCH ||
	    m->res->source == NPT_SOURCE_WALK || m->res->status != NPT_STATUS_OK ||
	    m->res->page_shift == 12)
		return false;
	for (unsigned int i = 0; i < m->n; i++)
		if (m->res->gpa == m->answer[i].gpa &&
		    (m->answer[i].status == NPT_STATUS_MMIO ||
		     m->answer[i].status == NPT_STATUS_HOST_FAULT))
			return true;
	return false;
}

static void show_mismatch(const struct npt_access_result *res, const struct match *m)
{
	const struct ref_out *r = &m->first.ref;

	printf("# got status %u gpa %#llx error %#x cr2 %#llx shift %u source %u\n", res->status,
	       res->gpa, res->error_code, res->cr2, res->page_shift, res->source);
	printf("# reference (of %u): status %u gpa %#llx error %#x cr2 %#llx\n", m->n,
	       m->first.answer.status, m->first.answer.gpa, m->first.answer.error,
	       m->first.answer.cr2);
	for (unsigned int i = 0; i < r->n; i++)
		printf("#   level %u entry %#llx = %#llx\n", r->step[i].level,
		       (unsigned long long)r->step[i].gpa, (unsigned long long)r->step[i].value);
}

/* Nothing stale was allowed: the entries have exactly the bits that the walk sets. */
static void mirror_steps(struct coh *c, const struct ref_out *ref)
{
	for (unsigned int i = 0; i < ref->n; i++) {
		const struct ref_step *s = &ref->step[i];
		u64 set = s->after & ~s->value;

		/* one entry may serve several levels */
		if (in_tables(s->gpa))
			note_bits(c, s->gpa, set << (s->gpa & 4) * 8);
		else
			CHECK(!set, "bits set at %#llx, outside of tables",
			      (unsigned long long)s->gpa);
	}
}

/* The gva as @v can have it, and the page's number. */
static u64 vcpu_gva(struct vcpu *v, u64 gva)
{
	unsigned int levels = v->cpu->regs.efer & REF_EFER_LMA ? 4 : 2;

	return levels == 2 ? gva & 0xffffffff : gva;
}

/* Let a write that is known to reach a table put an entry where walks look. */
static unsigned int aim_at_table(struct coh *c, struct query *q, const struct match *m, u64 *entry)
{
	unsigned int t = (m->first.answer.gpa - TABLES_GPA) >> 12, l = c->nominal[t];
	unsigned int at = c->index[l][rnd_below(c->rnd, NIDX)] * entry_size(c);

	q->gva = (q->gva & ~0xfffull) + at;
	*entry = random_entry(c, l);
	if (rnd_bool(c->rnd)) {
		*entry = 0;
		memcpy(entry, (u8 *)&c->mirror[t * 512] + at, entry_size(c));
		*entry = tweak_entry(c, *entry);
	}
	return entry_size(c);
}

static void check_answer(struct coh *c, struct query *q, struct match *m, bool known)
{
	coh_stats.accesses++;
	test_cases++;
	if (!known) {
		coh_stats.unknown++;
		return;
	}
	if (m->strict) {
		coh_stats.strict++;
		mirror_steps(c, &m->first.ref);
	} else {
		coh_stats.loose++;
	}
	for (unsigned int i = 0; i < m->n && !m->found; i++)
		m->found = same(m->res, &m->answer[i]);
	if (m->found || beyond_memory(c, q, m))
		return;
	show_mismatch(m->res, m);
	printf("# vcpu %u cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx\n", (unsigned int)(q->v - c->v),
	       q->v->cpu->regs.cr0, q->v->cpu->regs.cr3, q->v->cpu->regs.cr4,
	       q->v->cpu->regs.efer);
	FAIL("gva %#llx op %u user %u: no allowed answer", q->gva, q->op, q->user);
}

/* A processor does not say which gpa it reached: the answer that lies there is meant. */
static void processor_result(struct coh *c, struct query *q, const struct match *m,
			     u64 *buf, unsigned int size, struct npt_access_result *res)
{
	struct processor_out out;

	processor_data(&c->env, q->v->cpu, q->gva, q->op, q->user, buf, size, &out);
	*res = (struct npt_access_result){ .status = out.status, .error_code = out.error };
	if (out.status == NPT_STATUS_GUEST_PF)
		res->cr2 = q->gva;
	else
		res->gpa = out.gpa;
	for (unsigned int i = 0; i < m->n && !out.status && !out.emulated; i++)
		if (!m->answer[i].status &&
		    env_ptr(&c->env, m->answer[i].gpa) == npt_hpa_ptr(out.hpa))
			res->gpa = m->answer[i].gpa;
}

/* Gives the gpa of the table entry that was written, 0: none. */
static u64 one_access(struct coh *c, struct vcpu *v, unsigned int p)
{
	struct rnd *r = c->rnd;
	struct query q = {
		.c = c, .v = v, .page = p,
		.gva = vcpu_gva(v, c->page[p]) + rnd_below(r, 32) * 128,
		.op = rnd_below(r, 3), .user = rnd_bool(r),
	};
	struct npt_access_result res;
	struct match m = { .res = &res };
	u64 buf = rnd64(r) & ~0x100000001ull;	/* no present entry of any format */
	unsigned int size = 8;
	bool known, table = false;

	make_room(c, 12);
	known = expect(&q, &m);
	if (known && m.strict && q.op == NPT_OP_WRITE && in_tables(m.first.answer.gpa) &&
	    m.first.answer.status == NPT_STATUS_OK) {
		size = aim_at_table(c, &q, &m, &buf);
		known = expect(&q, &m);
	}
	if (c->opts->processor && npt_gva_valid(v->cpu, q.gva))
		processor_result(c, &q, &m, &buf, size, &res);
	else if (q.op == NPT_OP_FETCH)
		env_access(v->cpu, q.gva, q.op, q.user, &res);
	else
		env_data(v->cpu, q.gva, q.op, q.user ? NPT_ACCESS_USER : 0, &buf, size, &res);
	test_trace("vcpu %u %s%s %#llx: status %u gpa %#llx error %#x data %#llx%s",
		   (unsigned int)(v - c->v), q.user ? "user " : "",
		   q.op == NPT_OP_READ ? "read" : q.op == NPT_OP_WRITE ? "write" : "fetch", q.gva,
		   res.status, res.gpa, res.error_code, buf, m.strict ? "" : " (loose)");
	check_answer(c, &q, &m, known);
	if (q.op != NPT_OP_FETCH && res.status == NPT_STATUS_OK) {
		if (q.op == NPT_OP_WRITE) {
			note_write(c, res.gpa, &buf, size);
			table = in_tables(res.gpa);
			CHECK(env_dirty(&c->env, res.gpa), "write to %#llx without mark_dirty()",
			      res.gpa);
		}
		CHECK(!memcmp(&buf, env_ptr(&c->env, res.gpa), size),
		      "%s of gpa %#llx: %#llx, memory has %#llx",
		      q.op == NPT_OP_WRITE ? "write" : "read", res.gpa, buf,
		      *(u64 *)env_ptr(&c->env, res.gpa));
	}
	check_tables(c, !known || !m.strict);
	/* a page fault drops what it came from: SDM 4.10.4.1 */
	if (res.status == NPT_STATUS_GUEST_PF)
		v->flushed[v->pcid][p] = ++c->now;
	if (table && c->opts->disciplined)
		flush_everywhere(c);
	return table ? res.gpa : 0;
}

/* --- the other operations ------------------------------------------------- */

static u64 table_write(struct coh *c, struct vcpu *v)
{
	struct rnd *r = c->rnd;
	unsigned int t = rnd_below(r, NTABLES), l, n = 1, at, len;
	u64 e[8], gpa;
	struct npt_access_result res;
	u32 done;

	while (c->opts->tidy && c->nominal[t] != 1 && rnd_below(r, 8))
		t = rnd_below(r, NTABLES);
	l = c->nominal[t];
	at = c->index[l][rnd_below(r, NIDX)] * entry_size(c);
	if (rnd_one_in(r, 8))
		n = 1 + rnd_below(r, 6);
	for (unsigned int i = 0; i < n; i++)
		e[i] = random_entry(c, l);
	len = n * entry_size(c);
	if (entry_size(c) == 4)
		for (unsigned int i = 0; i < n; i++)
			((u32 *)e)[i] = e[i];
	if (at + len > PAGE_SIZE)
		at = PAGE_SIZE - len;
	gpa = table_gpa(t) + at;
	switch (rnd_below(r, 16)) {	/* odd sizes and places */
	case 0:
		len = 1 + rnd_below(r, len);
		break;
	case 1:
		if (at >= 8)
			gpa -= 1 + rnd_below(r, 7);
		break;
	case 2:
	case 3:
	case 4:
	case 5:	/* one bit changes */
		memcpy(e, (u8 *)c->mirror + (gpa - TABLES_GPA), len);
		e[0] = tweak_entry(c, e[0]);
		break;
	}
	make_room(c, 10);
	if (rnd_below(r, 4)) {
		env_data(v->cpu, gpa, NPT_OP_WRITE, NPT_ACCESS_PHYS, e, len, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status of a physical write");
		CHECK_EQ(res.gpa, gpa, "gpa of a physical write");
	} else {
		CHECK_EQ(npt_guest_write(v->cpu, gpa, e, len, &done), 0, "npt_guest_write()");
		CHECK_EQ(done, len, "bytes written by npt_guest_write()");
	}
	test_trace("vcpu %u table write %#llx %u bytes, first %#llx", (unsigned int)(v - c->v),
		   gpa, len, len < 8 ? (u64)(u32)e[0] : e[0]);
	note_write(c, gpa, e, len);
	check_tables(c, false);
	CHECK(env_dirty(&c->env, gpa), "write to %#llx without mark_dirty()", gpa);
	if (c->opts->disciplined)
		flush_everywhere(c);
	return gpa;
}

/* Is page @q->page in the same large page as @p, by all that may be cached? */
struct neighbour {
	u64 gva, other;
	bool same;
};

static bool in_one_page(const struct want *w, void *arg)
{
	const struct ref_out *ref = &w->ref;
	struct neighbour *n = arg;
	const struct ref_step *leaf = &ref->step[ref->n - 1];
	unsigned int shift;

	n->same = ref->n && (ref->end == REF_OK || (ref->end == REF_PF && !(ref->why &
		   (REF_WHY_NOT_PRESENT | REF_WHY_RSVD))));
	if (n->same) {
		shift = 12 + (leaf->level - 1) * (leaf->bytes == 4 ? 10 : 9);
		n->same = !((n->gva ^ n->other) >> shift);
	}
	return !n->same;
}

/*
 * The page is fresh. So is all of a large page around it: INVLPG drops every
 * entry that a TLB holds for one page (SDM 4.10.4.1).
 */
static void note_invlpg(struct coh *c, struct vcpu *v, unsigned int p)
{
	struct neighbour n = { .other = vcpu_gva(v, c->page[p]) };
	bool fresh[NPAGES];

	for (unsigned int i = 0; i < NPAGES; i++) {
		struct query q = {
			.c = c, .v = v, .page = i, .gva = vcpu_gva(v, c->page[i]),
			.op = NPT_OP_READ, .fn = in_one_page, .arg = &n,
		};

		n.gva = q.gva;
		fresh[i] = n.gva == n.other || (each_allowed(&q) && n.same);
	}
	for (unsigned int i = 0; i < NPAGES; i++)
		if (fresh[i])
			flush_page(c, v, i);
}

static void do_invlpg(struct coh *c, struct vcpu *v, unsigned int p)
{
	u64 gva = vcpu_gva(v, c->page[p]) + rnd_below(c->rnd, PAGE_SIZE);

	test_trace("vcpu %u invlpg %#llx", (unsigned int)(v - c->v), gva);
	if (rnd_one_in(c->rnd, 6)) {
		struct npt_pending_flush f = {
			.scope = NPT_FLUSH_ADDRESS, .gva = gva, .reason = NPT_FL_USER,
		};

		test_trace("by NPT_FLUSH");
		if (rnd_bool(c->rnd))
			npt_cpu_flush_async(v->cpu, &f);
		else
			npt_cpu_flush(v->cpu, &f);
	} else {
		CHECK_EQ(env_op(v->cpu, NPT_OP_INVLPG, gva), NPT_STATUS_OK, "status of INVLPG");
	}
	note_invlpg(c, v, p);
}

/* NPT_FLUSH of everything or of one PCID, at once or by another thread. */
static void do_flush_abi(struct coh *c, struct vcpu *v)
{
	struct npt_pending_flush f = { .scope = NPT_FLUSH_ALL, .reason = NPT_FL_USER };
	unsigned int pcid = v->cpu->regs.cr4 & REF_CR4_PCIDE ? rnd_below(c->rnd, NPCIDS) : 0;

	test_trace("vcpu %u NPT_FLUSH", (unsigned int)(v - c->v));
	if (rnd_bool(c->rnd)) {
		f.scope = NPT_FLUSH_TAG;
		f.pcid = pcid_value(pcid);
	}
	if (rnd_bool(c->rnd))
		npt_cpu_flush_async(v->cpu, &f);
	else
		npt_cpu_flush(v->cpu, &f);
	if (f.scope == NPT_FLUSH_ALL)
		flush_all(c, v);
	else
		flush_pcid(c, v, pcid);
}

static void do_mov_cr3(struct coh *c, struct vcpu *v)
{
	bool pcide = v->cpu->regs.cr4 & REF_CR4_PCIDE;
	unsigned int pcid = pcide ? rnd_below(c->rnd, NPCIDS) : 0;
	bool keep = pcide && rnd_bool(c->rnd);
	u64 cr3 = rnd_bool(c->rnd) && v->cr3[pcid] != ~0ull ? v->cr3[pcid] :
		make_cr3(c, pcide, pcid);
	u64 was = v->cpu->regs.cr3;

	if (rnd_one_in(c->rnd, 20) && (v->cpu->regs.efer & REF_EFER_LMA)) {
		/* SDM vol. 2, MOV to CR3: reserved bits give #GP */
		CHECK_EQ(env_op(v->cpu, NPT_OP_MOV_CR3, cr3 | 1ull << 62), NPT_STATUS_GUEST_GP,
			 "status of a MOV to CR3 with a reserved bit");
		CHECK_EQ(v->cpu->regs.cr3, was, "CR3 after a refused load");
		return;
	}
	if (v->nroots[pcid] + 1 >= MAX_LOG)
		do_flush(c, v);
	/* stale translations of this PCID may still come from its former root */
	v->left[v->pcid] = ++c->now;
	if (v->cr3[pcid] != ~0ull && v->cr3[pcid] != cr3)
		v->root[pcid][v->nroots[pcid]++] = (struct version){ c->now, 0, v->cr3[pcid] };
	if (!keep)
		flush_pcid(c, v, pcid);
	CHECK_EQ(env_op(v->cpu, NPT_OP_MOV_CR3, cr3 | (keep ? 1ull << 63 : 0)), NPT_STATUS_OK,
		 "status of MOV_CR3");
	CHECK_EQ(v->cpu->regs.cr3, cr3, "CR3 after its load");
	test_trace("vcpu %u cr3 %#llx keep %u", (unsigned int)(v - c->v), cr3, keep);
	v->cr3[pcid] = cr3;
	v->pcid = pcid;
}

/* Most guests flush what they changed: the pages behind the entry at @gpa. */
static void flush_behind(struct coh *c, struct vcpu *v, u64 gpa)
{
	unsigned int index = (gpa & 0xfff) / entry_size(c);

	if (!c->opts->tidy || !in_tables(gpa) || rnd_one_in(c->rnd, 3))
		return;
	for (unsigned int p = 0; p < NPAGES; p++)
		if ((c->page[p] >> 12 & (PAGE_SIZE / entry_size(c) - 1)) == index)
			do_invlpg(c, v, p);
}

static void host_event(struct coh *c)
{
	struct rnd *r = c->rnd;
	struct env *env = &c->env;
	struct env_slot *s;
	u64 gpa;

	switch (rnd_below(r, 5)) {
	case 0:
		gpa = c->high_gpa + rnd_below(r, 8) * PAGE_SIZE;
		break;
	case 1:
		gpa = ROM_GPA + rnd_below(r, 8) * PAGE_SIZE;
		break;
	case 2:
		gpa = table_gpa(rnd_below(r, NTABLES));
		break;
	default:
		gpa = rnd_below(r, NDATA) * PAGE_SIZE;
	}
	s = env_slot_of(env, gpa);
	test_trace("the host does something to %#llx", gpa);
	switch (rnd_below(r, 9)) {
	case 0:
		env_zap(env, gpa, 1 + rnd_below(r, 1024));
		break;
	case 1:
		env_move(env, gpa);
		break;
	case 2:
		if (s && !s->readonly)
			env_set_flag(env, gpa, ENV_COW, true);
		break;
	case 3:
		if (s)
			env_set_flag(env, gpa, ENV_BAD, !in_tables(gpa) && rnd_bool(r));
		break;
	case 4:
		if (s)
			env_set_size(env, s, rnd_below(r, 3));
		break;
	case 5:
		if (s)
			env_clear_dirty(env, s);
		break;
	case 6:
		npt_write_lock(&env->mmu.lock);
		npt_mmu_age(&env->mmu, gpa >> 12, (gpa >> 12) + 1 + rnd_below(r, 600), rnd_bool(r));
		npt_write_unlock(&env->mmu.lock);
		break;
	default:
		s = c->high;
		if (s->npages)
			env_hide_slot(env, s);
		else
			env_show_slot(env, s, c->high_gpa >> 12, rnd_bool(r) ? s->bytes >> 12 : 3);
	}
}

static void oracle_check(struct npt_cpu *cpu)
{
	struct npt_oracle *o = cpu->tlb->oracle;

	if (o)
		CHECK(!o->stale, "stale: gva %#llx value %#llx, flush %d was due", o->last.gva,
		      o->last.val, (int)o->last_reason);
}

static void check_all(struct coh *c)
{
	map_check(&c->env);
	for (unsigned int i = 0; i < c->env.ncpus; i++) {
		oracle_check(c->v[i].cpu);
		if (c->env.mmu.cfg.mode == NPT_MMU_SHADOW)
			shadow_check(&c->env, c->v[i].cpu);
	}
	laws_check(&c->env);
}

static void step(struct coh *c)
{
	struct rnd *r = c->rnd;
	struct vcpu *v = &c->v[rnd_below(r, c->env.ncpus)];
	unsigned int what = rnd_below(r, 64);

	if (what < 38) {
		flush_behind(c, v, one_access(c, v, rnd_below(r, NPAGES)));
	} else if (what < 47) {
		flush_behind(c, v, table_write(c, v));
	} else if (what < 53) {
		do_invlpg(c, v, rnd_below(r, NPAGES));
	} else if (what < 57) {
		do_mov_cr3(c, v);
	} else if (what < 58) {
		if (rnd_below(r, 3))
			do_flush(c, v);
		else
			do_flush_abi(c, v);
	} else if (what < 59) {
		CHECK_EQ(env_op(v->cpu, NPT_OP_SWITCH, 0), NPT_STATUS_OK, "status of SWITCH");
	} else if (what < 61) {
		struct npt_regs regs = v->cpu->regs;

		random_regs(c, &regs);
		set_regs(c, v, &regs);
	} else if (!c->opts->calm) {
		host_event(c);
	}
	if (rnd_one_in(r, 200))
		check_all(c);
}

static u32 choose_mode(struct coh *c)
{
	u32 mode;

	do {
		mode = 1 + rnd_below(c->rnd, 3);
		if (c->rnd->dry)
			mode = NPT_MMU_SHADOW;
	} while (!c->rnd->dry && !(c->opts->modes >> mode & 1));
	return mode;
}

static void coh_init(struct coh *c)
{
	struct rnd *r = c->rnd;
	struct npt_mmu_config cfg = env_config(choose_mode(c));
	struct npt_tlb_model model;
	struct rnd tables;
	unsigned int ncpus = c->opts->calm ? 1 : 1 + rnd_below(r, 3);

	cfg.nested_format = rnd_bool(r) ? NPT_NESTED_NPT : NPT_NESTED_EPT;
	cfg.nested_levels = 4 + rnd_below(r, 2);
	cfg.leaf_pages = NPT_PAGE_4K | rnd_below(r, 4) << 1;
	cfg.prefetch = rnd_bool(r) ? 0 : 1 << rnd_below(r, 5);
	cfg.unsync = c->opts->unsync < 0 ? rnd_bool(r) : c->opts->unsync;
	cfg.max_table_pages = rnd_one_in(r, 3) ? NPT_MIN_TABLE_PAGES : 1024;
	if (c->opts->max_table_pages)
		cfg.max_table_pages = c->opts->max_table_pages;
	CHECK(!env_init(&c->env, &cfg, r), "npt_mmu_init() failed");
	c->levels = 2 + rnd_below(r, 4);
	c->high_gpa = c->levels > 2 && rnd_bool(r) ? 1ull << 40 : c->levels == 2 && rnd_bool(r) ?
		1ull << 36 : 1ull << 30;
	c->ram = env_add_slot(&c->env, 0, RAM_BYTES, NPT_SIZE_2M, false);
	c->high = env_add_slot(&c->env, c->high_gpa, 4 << 20, NPT_SIZE_2M, false);
	c->rom = env_add_slot(&c->env, ROM_GPA, 8 * PAGE_SIZE, NPT_SIZE_4K, true);
	tlb_random(r, &model, c->opts->tlb);
	if (c->opts->table_seed) {
		rnd_seed(&tables, c->opts->table_seed);
		c->rnd = &tables;
	}
	choose_layout(c);
	fill_tables(c);
	c->rnd = r;
	/* one in four is watched for stale translations; no choice goes into that */
	if (!(c->page[0] >> 12 & 3))
		model.flags |= NPT_TLB_ORACLE;
	for (unsigned int i = 0; i < ncpus; i++) {
		CHECK(!env_add_cpu(&c->env, &model), "npt_cpu_init() failed");
		c->v[i].cpu = c->env.cpu[i];
		start_vcpu(c, &c->v[i]);
	}
	if (!c->opts->calm) {
		c->env.chaos = rnd_one_in(r, 3) ? 8 : 0;
		c->env.shy = rnd_one_in(r, 3);
	}
	snprintf(test_context, sizeof(test_context),
		 "mode %u levels %u vcpus %u nested %s/%u pages %#x unsync %u cap %u", cfg.mode,
		 c->levels, ncpus, cfg.nested_format == NPT_NESTED_EPT ? "ept" : "npt",
		 cfg.nested_levels, cfg.leaf_pages, cfg.unsync, cfg.max_table_pages);
}

void coh_run(struct rnd *rnd, const struct coh_opts *opts)
{
	struct coh *c = calloc(1, sizeof(*c));

	CHECK(c, "no memory");
	c->opts = opts;
	c->rnd = rnd;
	coh_init(c);
	for (unsigned int i = 0; i < opts->steps && !rnd->dry; i++)
		step(c);
	flush_everywhere(c);
	if (!rnd->dry)
		for (unsigned int p = 0; p < NPAGES; p++)
			one_access(c, &c->v[p % c->env.ncpus], p);
	check_all(c);
	env_destroy_clean(&c->env);
	free(c);
}
