// SPDX-License-Identifier: GPL-2.0
/* The oracle's own TLB, and its log of flushes. */
#include "oracle.h"
#include "assoc.h"

struct npt_oracle *npt_oracle_create(void)
{
	return npt_zalloc(sizeof(struct npt_oracle));
}

void npt_oracle_destroy(struct npt_oracle *o)
{
	if (o)
		npt_zfree(o);
}

static u64 make_key(u64 gva, unsigned int size, bool global, unsigned int pcid)
{
	u64 tag = global ? NPT_KEY_SHARED : (u64)pcid << NPT_KEY_PCID_SHIFT;

	return gva >> npt_size_shift(size) << NPT_KEY_PAGE_SHIFT | tag |
	       (u64)size << NPT_KEY_CLASS_SHIFT | NPT_KEY_VALID;
}

/* Where @key is, or else where it may go: the last of its set is given up if none is free. */
static struct npt_oracle_entry *place_of(struct npt_oracle *o, u64 key)
{
	u64 set = (key * 0x9E3779B97F4A7C15ULL) >> 32 & (NPT_ORACLE_ENTRIES - NPT_ORACLE_WAYS);
	struct npt_oracle_entry *e = &o->entry[set], *free = NULL;
	unsigned int i;

	for (i = 0; i < NPT_ORACLE_WAYS; i++, e++) {
		if (e->key == key)
			return e;
		if (!e->key)
			free = e;
	}
	return free ? free : e - 1;
}

static bool covers(u32 scope, u64 gva, u32 pcid, const struct npt_oracle_entry *e)
{
	bool global = e->val & NPT_TLBV_G;

	switch (scope) {
	case NPT_FLUSH_ALL:
		return true;
	case NPT_ORACLE_NONGLOBAL:
		return !global;
	case NPT_FLUSH_TAG:
		return !global && e->pcid == pcid;
	default:
		return (global || e->pcid == pcid) &&
		       !((gva ^ e->gva) >> npt_size_shift(npt_tlbv_size(e->val)));
	}
}

void npt_oracle_owes(struct npt_oracle *o, u32 scope, u64 gva, u32 pcid, u32 reason)
{
	o->op[o->next++ % NPT_ORACLE_OPS] = (struct npt_oracle_op) {
		.time = ++o->time, .gva = gva, .scope = scope, .pcid = pcid, .reason = reason,
	};
}

const struct npt_oracle_op *npt_oracle_due(const struct npt_oracle *o,
					   const struct npt_oracle_entry *e)
{
	const struct npt_oracle_op *op, *first = NULL;

	for (op = o->op; op < o->op + NPT_ORACLE_OPS; op++)
		if (op->time > e->time && covers(op->scope, op->gva, op->pcid, e) &&
		    (!first || op->time < first->time))
			first = op;
	return first;
}

void npt_oracle_look(struct npt_oracle *o, u64 gva, unsigned int pcid)
{
	struct npt_oracle_entry *e;
	unsigned int i;
	u64 key;

	for (i = 0; i < 2 * NPT_NR_SIZES && o->ops; i++) {
		key = make_key(gva, i / 2, i & 1, pcid);
		e = place_of(o, key);
		if (e->key == key && !o->ops->check(o->arg, e))
			e->key = 0;
	}
}

void npt_oracle_fill(struct npt_oracle *o, u64 gva, unsigned int pcid, u64 val)
{
	u64 key = make_key(gva, npt_tlbv_size(val), val & NPT_TLBV_G, pcid);
	struct npt_oracle_entry *e;

	/* What this access found denied can't serve any more. */
	npt_oracle_forget(o, gva, pcid);
	e = place_of(o, key);
	*e = (struct npt_oracle_entry) {
		.key = key, .gva = gva, .val = val, .time = ++o->time, .pcid = pcid,
	};
	if (o->ops)
		o->ops->witness(o->arg, e);
}

void npt_oracle_forget(struct npt_oracle *o, u64 gva, unsigned int pcid)
{
	struct npt_oracle_entry *e;
	unsigned int i;
	u64 key;

	for (i = 0; i < 2 * NPT_NR_SIZES; i++) {
		key = make_key(gva, i / 2, i & 1, pcid);
		e = place_of(o, key);
		if (e->key == key)
			e->key = 0;
	}
}

/* Debug builds only: is this the flush to be left out? */
static bool is_dropped(struct npt_oracle *o, u32 covered)
{
	o->flushes += !!covered;
#ifdef NPT_DEBUG
	if (covered && o->flushes == o->drop) {
		o->dropped = o->op[(o->next - 1) % NPT_ORACLE_OPS].reason;
		return true;
	}
#endif
	return false;
}

bool npt_oracle_flush(struct npt_oracle *o, u32 scope, u64 gva, u32 pcid)
{
	struct npt_oracle_entry *e;
	u32 covered = 0;

	for (e = o->entry; e < o->entry + NPT_ORACLE_ENTRIES; e++)
		covered += e->key && covers(scope, gva, pcid, e);
	if (!covered)
		return false;
	if (is_dropped(o, covered))
		return true;
	for (e = o->entry; e < o->entry + NPT_ORACLE_ENTRIES; e++)
		if (e->key && covers(scope, gva, pcid, e))
			e->key = 0;
	return false;
}
