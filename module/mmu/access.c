// SPDX-License-Identifier: GPL-2.0
/*
 * A guest access, in order: TLB lookup; on a miss a walk; on a fault of the
 * nested or shadow tables the mending of it and another walk; then the data.
 *
 * The lock is held for reading over runs of accesses and dropped for whatever
 * may sleep or change tables. Flushes asked for meanwhile are obeyed each time
 * that it has been taken, before anything is looked up.
 */
#include "internal.h"
#include "../tlb/tlb_impl.h"

/* Accesses under one hold of the lock. */
#define RUN_LENGTH 256
/* Walks for one translation after which something must be wrong. */
#define MAX_RESTARTS 100000
/* Pages that one access can touch. */
#define MAX_PAGES (NPT_ACCESS_MAX_SIZE / 4096 + 2)

bool npt_gva_valid(const struct npt_cpu *cpu, u64 gva)
{
	return !((gva + cpu->va_bias) & cpu->va_unused);
}

static u8 outcome_status(enum npt_fault_outcome outcome)
{
	switch (outcome) {
	case NPT_FAULT_MMIO:
		return NPT_STATUS_MMIO;
	case NPT_FAULT_READONLY:
		return NPT_STATUS_READONLY;
	default:
		return NPT_STATUS_HOST_FAULT;
	}
}

/* --- one walk, as the mode has it --------------------------------------------- */

/* False: no memory for a root. */
static bool prepare_root(struct npt_cpu *cpu)
{
	int err;

	while (unlikely(!npt_shadow_root_fits(cpu))) {
		npt_cpu_unlock(cpu);
		err = npt_shadow_load_root(cpu);
		npt_cpu_lock(cpu);
		if (err) {
			cpu->err = err;
			return false;
		}
	}
	return true;
}

static enum npt_walk_end hw_walk(struct npt_cpu *cpu, struct npt_walker *w, u64 gva)
{
	enum npt_walk_end r;
	struct npt_sp *sp;
	u64 gfn;

	if (cpu->mmu->cfg.mode != NPT_MMU_SHADOW)
		return npt_walk_guest(w, gva);
	r = npt_walk_shadow(w, npt_cpu_shadow_format(cpu),
			    npt_ptr_hpa(cpu->shadow_root->spt), gva);
	if (r)
		return r;
	/* A direct table under guest tables is a piece of a large page. */
	cpu->fractured |= cpu->fmt && npt_sp_of(w->leaf_ptr)->role.direct;
	/* What is entered in the TLB and told to the caller is the gpa. */
	sp = npt_sp_of(w->leaf_ptr);
	gfn = npt_sp_leaf_gfn(sp, npt_sp_index(w->leaf_ptr));
	w->gpa = (gfn << 12) | (gva & (BIT_ULL(9 * sp->role.level + 3) - 1));
	return NPT_WALK_OK;
}

/* --- translation ---------------------------------------------------------------- */

/* Which TLBs a read, write or fetch looks at. */
static __always_inline unsigned int op_kind(unsigned int op)
{
	/* as a comparison it would be worked out anew for each use */
	BUILD_BUG_ON(NPT_KIND_DATA != (NPT_OP_READ >> 1 ^ 1) ||
		     NPT_KIND_DATA != (NPT_OP_WRITE >> 1 ^ 1) ||
		     NPT_KIND_FETCH != (NPT_OP_FETCH >> 1 ^ 1));
	return op >> 1 ^ 1;
}

/* What one access asks, and what came of it. */
struct access {
	struct npt_cpu *cpu;
	u8 op;
	bool user;
	u8 source;		/* enum npt_source of the last page */
	u8 shift;		/* log2 of the last page's size */
	u32 error_code;
	u64 gpa;		/* of the last page translated */
	u64 cr2;
	u32 refs_guest, refs_nested;
};

static void count_refs(struct access *a, const struct npt_walker *w)
{
	a->refs_guest += npt_refs_sum(w->refs_guest);
	a->refs_nested += npt_refs_sum(w->refs_nested);
}

static u8 guest_fault(struct access *a, const struct npt_walker *w, u64 gva)
{
	npt_tlb_forget(a->cpu->tlb, gva, a->cpu->pcid);
	npt_count_guest_pf(a->cpu, w->verdict);
	a->cpu->ctr[NPT_CTR_walk_guest_fault]++;
	a->error_code = npt_walk_error_code(w);
	a->cr2 = gva;
	return NPT_STATUS_GUEST_PF;
}

/* The walk ended well: tell the TLB. */
static __always_inline void enter(struct access *a, const struct npt_walker *w, u64 gva)
{
	struct npt_cpu *cpu = a->cpu;
	unsigned int size = npt_tlbv_size(w->rights);
	u64 mask = BIT_ULL(npt_size_shift(size)) - 1;

	a->gpa = w->gpa;
	a->shift = npt_size_shift(size);
	/* Also the two halves of a 4 MiB page. */
	if (unlikely(size || npt_tlbv_size(w->guest_rights)))
		cpu->fractured |= cpu->fmt && (size < npt_tlbv_size(w->guest_rights) ||
					       (size && cpu->fmt == &npt_fmt_32_pse));
	npt_tlb_fill(cpu->tlb, op_kind(a->op), gva, cpu->pcid, (w->gpa & ~mask) | w->rights);
}

/* What to do after a pass that gave no translation. */
#define WALK_AGAIN 255

/* A pass over the tables ended otherwise than well: mend it. WALK_AGAIN, or the status. */
static noinline u8 mend(struct access *a, struct npt_walker *w, enum npt_walk_end end, u64 gva)
{
	struct npt_cpu *cpu = a->cpu;
	enum npt_fault_outcome outcome;

	cpu->ctr[NPT_CTR_walk_restart]++;
	if (end == NPT_WALK_RACE)
		return WALK_AGAIN;
	/* A stale walk cache entry must not lead here again. */
	if (end == NPT_WALK_FAULT && unlikely(cpu->how.pwc_guest))
		npt_pwc_forget(cpu->tlb, gva, cpu->pcid);
	outcome = npt_mend(cpu, w, end, gva);
	switch (outcome) {
	case NPT_FAULT_FIXED:
	case NPT_FAULT_SPURIOUS:
	case NPT_FAULT_UNSYNC:
		return WALK_AGAIN;
	case NPT_FAULT_GUEST:
		cpu->ctr[NPT_CTR_walk_restart]--;
		return guest_fault(a, w, gva);
	case NPT_FAULT_EMULATE:
		cpu->ctr[NPT_CTR_walk_restart]--;
		cpu->ctr[NPT_CTR_walk_exit]++;
		a->gpa = w->gpa;
		a->shift = 12;
		return NPT_STATUS_OK;
	default:
		cpu->ctr[NPT_CTR_walk_restart]--;
		cpu->ctr[NPT_CTR_walk_exit]++;
		a->gpa = w->fault_gpa;
		cpu->at_table = w->fault_table;
		return outcome_status(outcome);
	}
}

/* Walk until there is a translation or a reason why not. */
static __always_inline u8 walk(struct access *a, u64 gva)
{
	struct npt_cpu *cpu = a->cpu;
	u32 tries;

	for (tries = 0; tries < MAX_RESTARTS; tries++) {
		enum npt_walk_end end;
		struct npt_walker w;
		u8 status;

		npt_walker_init_hw(&w, cpu, a->op, a->user);
		if (cpu->mmu->cfg.mode == NPT_MMU_SHADOW && !prepare_root(cpu))
			goto no_memory;
		end = hw_walk(cpu, &w, gva);
		npt_walk_account(&w, end == NPT_WALK_OK);
		count_refs(a, &w);
		if (likely(end == NPT_WALK_OK)) {
			cpu->ctr[NPT_CTR_walk_done]++;
			npt_trace_walk(cpu->mmu, gva, a->refs_guest, a->refs_nested,
				       NPT_STATUS_OK);
			enter(a, &w, gva);
			return NPT_STATUS_OK;
		}
		status = mend(a, &w, end, gva);
		if (status != WALK_AGAIN)
			return status;
	}
	npt_mmu_bug(cpu->mmu, "a translation does not come to an end");
no_memory:
	cpu->ctr[NPT_CTR_walk_exit]++;
	return NPT_STATUS_HOST_FAULT;
}

static noinline bool key_permits(const struct npt_cpu *cpu, u64 val, u8 op, bool user)
{
	return !npt_pkey_denies(cpu, val, (val >> NPT_TLBV_PKEY_SHIFT) & 15, op, user);
}

/* May the access go ahead on what the TLB says? */
static __always_inline bool allowed(const struct npt_cpu *cpu, u64 val, u8 op, bool user)
{
	return likely(cpu->allow[val & NPT_TLBV_RIGHTS] & npt_acc_bit(op, user)) &&
	       (likely(!cpu->pke) || key_permits(cpu, val, op, user));
}

/* The TLB did not do, but for what it said (@source). */
static __always_inline u8 look_at_tables(struct access *a, u64 gva, unsigned int source)
{
	struct npt_cpu *cpu = a->cpu;

	cpu->ctr[NPT_CTR_walks]++;
	cpu->ctr[source ? NPT_CTR_walk_upgrade : NPT_CTR_walk_miss]++;
	a->source = NPT_SOURCE_WALK;
	return walk(a, gva);
}

/* What a TLB entry says of @gva. */
static __always_inline void take_hit(struct access *a, u64 gva, u64 val, unsigned int source)
{
	a->source = source;
	a->shift = npt_size_shift(npt_tlbv_size(val));
	a->gpa = (val & NPT_TLBV_FRAME) | (gva & (BIT_ULL(a->shift) - 1));
}

/* One page of an access: TLB, then walk. */
static noinline u8 translate(struct access *a, u64 gva)
{
	struct npt_cpu *cpu = a->cpu;
	unsigned int source;
	u64 val;

	cpu->ctr[NPT_CTR_lookups]++;
	source = npt_tlb_lookup_fast(cpu->tlb, op_kind(a->op), gva, cpu->pcid, &val);
	if (unlikely(!source || !allowed(cpu, val, a->op, a->user)))
		return look_at_tables(a, gva, source);
	take_hit(a, gva, val, source);
	return NPT_STATUS_OK;
}

/* --- records ------------------------------------------------------------------------- */

/*
 * Every page is translated before a byte moves, as a processor checks both
 * pages of a split access first. @gpas gets the address of each piece.
 */
static u8 translate_all(struct access *a, u64 gva, u32 size, u64 *gpas, u32 *lens, u32 *nr)
{
	u64 first = 0;
	u8 status;
	u32 n;

	for (*nr = 0; size; (*nr)++, gva += n, size -= n) {
		if (unlikely(!npt_gva_valid(a->cpu, gva) || *nr == MAX_PAGES)) {
			a->cpu->ctr[NPT_CTR_guest_gp]++;
			return NPT_STATUS_GUEST_GP;
		}
		status = translate(a, gva);
		if (unlikely(status))
			return status;
		n = min_t(u64, size, BIT_ULL(a->shift) - (gva & (BIT_ULL(a->shift) - 1)));
		gpas[*nr] = a->gpa;
		lens[*nr] = n;
		if (!*nr)
			first = a->gpa;
	}
	a->gpa = first;
	return NPT_STATUS_OK;
}

static u8 copy_status(struct npt_cpu *cpu, int err)
{
	return err ? outcome_status(npt_map_outcome(cpu, err)) : NPT_STATUS_OK;
}

/* Move the data of an access whose pieces are known; @buf NULL: the write has no data. */
static u8 move_data(struct access *a, const u64 *gpas, const u32 *lens, u32 nr, u8 *buf)
	__must_hold(&a->cpu->mmu->lock)
{
	u32 i, done;
	int err = 0;

	npt_cpu_unlock(a->cpu);
	for (i = 0; i < nr && !err; i++) {
		err = npt_guest_copy(a->cpu, gpas[i], buf, lens[i], a->op == NPT_OP_WRITE, &done);
		if (err)
			a->gpa = gpas[i] + done;
		if (buf)
			buf += lens[i];
	}
	npt_cpu_lock(a->cpu);
	return copy_status(a->cpu, err);
}

/* The room that a record has in the data area; false: it lies outside. */
static bool record_data(const struct npt_access *rec, u8 *data, u32 data_len, u8 **buf)
{
	*buf = NULL;
	if (!(rec->flags & NPT_ACCESS_DATA))
		return true;
	if (rec->data > data_len || rec->size > data_len - rec->data)
		return false;
	*buf = data + rec->data;
	return true;
}

static u8 physical_access(struct access *a, const struct npt_access *rec, u8 *buf)
{
	struct npt_cpu *cpu = a->cpu;
	u32 len = rec->size;

	cpu->ctr[NPT_CTR_access_physical]++;
	if (rec->gva >> cpu->mmu->gpa_bits) {
		a->gpa = rec->gva;
		return NPT_STATUS_MMIO;
	}
	a->gpa = rec->gva;
	return move_data(a, &rec->gva, &len, 1, buf);
}

static u8 memory_access(struct access *a, const struct npt_access *rec, u8 *buf)
{
	u64 gpas[MAX_PAGES];
	u32 lens[MAX_PAGES], nr, exits = a->cpu->ctr[NPT_CTR_pf_emulate];
	u8 status;

	status = translate_all(a, rec->gva, rec->size, gpas, lens, &nr);
	if (status)
		return status;
	/* A write without data changes nothing, but a caught one must be seen. */
	if (buf || exits != (u32)a->cpu->ctr[NPT_CTR_pf_emulate])
		return move_data(a, gpas, lens, nr, buf);
	return NPT_STATUS_OK;
}

static u8 control_op(struct npt_cpu *cpu, const struct npt_access *rec)
	__must_hold(&cpu->mmu->lock)
{
	bool ok = true;

	npt_cpu_unlock(cpu);
	switch (rec->op) {
	case NPT_OP_INVLPG:
		if (npt_gva_valid(cpu, rec->gva))
			npt_cpu_invlpg(cpu, rec->gva);
		break;
	case NPT_OP_MOV_CR3:
		ok = npt_cpu_mov_cr3(cpu, rec->gva);
		if (!ok)
			cpu->ctr[NPT_CTR_guest_gp]++;
		break;
	case NPT_OP_FLUSH:
		npt_cpu_guest_flush(cpu);
		break;
	default:
		npt_cpu_world_switch(cpu);
	}
	npt_cpu_lock(cpu);
	return ok ? NPT_STATUS_OK : NPT_STATUS_GUEST_GP;
}

#define KNOWN_FLAGS (NPT_ACCESS_USER | NPT_ACCESS_DATA | NPT_ACCESS_PHYS)

static u8 any_record(struct access *a, const struct npt_access *rec, u8 *data, u32 data_len)
{
	u8 *buf;

	if (rec->op >= NPT_OP_NR || rec->flags & ~KNOWN_FLAGS)
		return NPT_STATUS_BAD_RECORD;
	if (rec->op > NPT_OP_FETCH) {
		if (rec->flags || rec->size)
			return NPT_STATUS_BAD_RECORD;
		return control_op(a->cpu, rec);
	}
	if (!rec->size || !record_data(rec, data, data_len, &buf))
		return NPT_STATUS_BAD_RECORD;
	if (rec->flags & NPT_ACCESS_PHYS)
		return physical_access(a, rec, buf);
	a->cpu->ctr[NPT_CTR_accesses]++;
	a->cpu->ctr[NPT_CTR_access_read + rec->op]++;
	return memory_access(a, rec, buf);
}

static void report(const struct access *a, u8 status, struct npt_access_result *res)
{
	memset(res, 0, sizeof(*res));
	res->status = status;
	res->gpa = status == NPT_STATUS_GUEST_PF || status == NPT_STATUS_GUEST_GP ||
		   status == NPT_STATUS_BAD_RECORD ? 0 : a->gpa;
	res->cr2 = a->cr2;
	res->error_code = a->error_code;
	res->source = a->source;
	res->page_shift = status ? 0 : a->shift;
	res->refs_guest = a->refs_guest;
	res->refs_nested = a->refs_nested;
}

/* A batch on its way. */
struct batch {
	struct npt_cpu *cpu;
	const struct npt_access *rec;	/* the next one */
	struct npt_access_result *res;	/* its result, or NULL */
	u8 *data;
	u32 data_len;
	bool stop;
	u32 failed;
};

/* No data, one page: a lookup says all there is to know. */
static __always_inline bool plain_record(const struct npt_cpu *cpu, u64 gva, u32 size,
					 u8 op, u8 flags)
{
	if (unlikely(op > NPT_OP_FETCH) || unlikely(flags & ~NPT_ACCESS_USER))
		return false;
	return size && npt_gva_valid(cpu, gva) && (gva & 4095) + size <= 4096;
}

/* The next record gave @status. False: the batch ends with it. */
static __always_inline bool finish_record(struct batch *b, const struct access *a, u8 status)
{
	if (b->res)
		report(a, status, b->res++);
	b->rec++;
	if (likely(!status))
		return true;
	/* A fatal signal, or no memory: it counts as not executed. */
	if (b->cpu->err) {
		b->rec--;
		return false;
	}
	b->failed++;
	return !b->stop && !READ_ONCE(b->cpu->mmu->dead);
}

/* The next record is plain, but the lookup (it gave @source) did not do. */
static noinline bool missed_record(struct batch *b, unsigned int source)
{
	const struct npt_access *rec = b->rec;
	struct access a = {
		.cpu = b->cpu, .op = rec->op, .user = rec->flags & NPT_ACCESS_USER,
	};
	u8 status = look_at_tables(&a, rec->gva, source);

	return finish_record(b, &a, status);
}

/* The next record is not plain. */
static noinline bool special_record(struct batch *b)
{
	const struct npt_access *rec = b->rec;
	struct access a = {
		.cpu = b->cpu, .op = rec->op, .user = rec->flags & NPT_ACCESS_USER,
	};
	u8 status = any_record(&a, rec, b->data, b->data_len);

	return finish_record(b, &a, status);
}

/* Records up to @end under one hold of the lock. False: the batch ends here. */
static bool run_records(struct batch *b, const struct npt_access *end)
{
	struct npt_cpu *cpu = b->cpu;
	bool on = true;
	u32 nr = 0;

	while (on && b->rec != end) {
		const struct npt_access *rec = b->rec;
		unsigned int op = rec->op, flags = rec->flags, source;
		u64 val, gva = rec->gva;

		if (unlikely(!plain_record(cpu, gva, rec->size, op, flags))) {
			on = special_record(b);
			continue;
		}
		nr++;
		cpu->ctr[NPT_CTR_access_read + op]++;
		source = npt_tlb_lookup_fast(cpu->tlb, op_kind(op), gva, cpu->pcid, &val);
		if (unlikely(!source || !allowed(cpu, val, op, flags))) {
			on = missed_record(b, source);
			continue;
		}
		b->rec = rec + 1;
		if (b->res) {
			struct access a = { .cpu = cpu };

			take_hit(&a, gva, val, source);
			report(&a, NPT_STATUS_OK, b->res++);
		}
	}
	/* What all plain records have in common. */
	cpu->ctr[NPT_CTR_accesses] += nr;
	cpu->ctr[NPT_CTR_lookups] += nr;
	return on && !READ_ONCE(cpu->mmu->dead);
}

u32 npt_cpu_execute(struct npt_cpu *cpu, const struct npt_access *rec, u32 n,
		    struct npt_access_result *res, u8 *data, u32 data_len,
		    bool stop, u32 *failed)
{
	struct batch b = {
		.cpu = cpu, .rec = rec, .res = res, .data = data, .data_len = data_len,
		.stop = stop,
	};
	bool on = true;

	cpu->err = 0;
	cpu->at_table = false;
	while (on && b.rec != rec + n) {
		npt_cpu_lock(cpu);
		on = run_records(&b, b.rec + min_t(u32, RUN_LENGTH, rec + n - b.rec));
		npt_walk_fold(cpu);
		npt_cpu_unlock(cpu);
		/* Let writers in: the host's invalidations wait for us. */
		npt_relax();
	}
	*failed += b.failed;
	return b.rec - rec;
}
