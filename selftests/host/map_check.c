// SPDX-License-Identifier: GPL-2.0
#include "map_check.h"
#include "test.h"

/* An entry of a nested table, understood. */
struct entry {
	bool present, leaf, w, x;
	u64 frame;
};

static u64 field(u64 value, unsigned int hi, unsigned int lo)
{
	return value >> lo & ((2ull << (hi - lo)) - 1);
}

/* APM vol. 2, 15.25.5: long-mode entries; nested walks are user accesses. */
static struct entry decode_npt(u64 v, unsigned int level)
{
	struct entry e = { .present = v & 1 };

	if (!e.present)
		return e;
	CHECK(v & 4, "level %u: %#llx is no user page, any nested walk faults", level, v);
	e.w = v & 2;
	e.x = !(v >> 63);
	e.leaf = level == 1 || (v & 0x80);
	if (level >= 4)
		CHECK(!(v & 0x80), "level %u: %#llx has the reserved bit 7 set", level, v);
	e.frame = v & 0x000ffffffffff000ull;
	if (e.leaf && level > 1)
		e.frame &= ~(1ull << 12);	/* PAT */
	return e;
}

/* SDM vol. 3C, 29.3.2, tables 29-1 to 29-7. */
static struct entry decode_ept(u64 v, unsigned int level)
{
	struct entry e = { .present = v & 7 };
	u64 type = field(v, 5, 3);

	if (!e.present)
		return e;
	CHECK((v & 3) != 2, "level %u: %#llx is writable but not readable: misconfigured",
	      level, v);
	CHECK(v & 1, "level %u: %#llx can't be read", level, v);
	e.w = v & 2;
	e.x = v & 4;
	e.leaf = level == 1 || (v & 0x80);
	if (level >= 4)
		CHECK(!(v & 0x80), "level %u: %#llx has the reserved bit 7 set", level, v);
	if (e.leaf)
		CHECK(type == 0 || type == 1 || (type >= 4 && type <= 6),
		      "level %u: %#llx has a reserved memory type", level, v);
	else
		CHECK(!field(v, 6, 3), "level %u: %#llx has reserved bits 6:3 set", level, v);
	e.frame = v & 0x000ffffffffff000ull;
	return e;
}

static struct entry decode(struct env *env, u64 v, unsigned int level)
{
	struct entry e = env->mmu.cfg.nested_format == NPT_NESTED_EPT ?
		decode_ept(v, level) : decode_npt(v, level);
	u64 low = (1ull << (12 + 9 * (level - 1))) - 1;

	if (e.present && e.leaf)
		CHECK(!(e.frame & low), "level %u: %#llx: reserved bits in a large page", level, v);
	return e;
}

struct map_leaf map_lookup(struct env *env, u64 gpa)
{
	struct map_leaf leaf = { .w = true, .x = true };
	u64 table = env->mmu.map_root;

	for (unsigned int level = env->mmu.cfg.nested_levels; level; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		u64 *entries = npt_hpa_ptr(table);
		struct entry e = decode(env, entries[gpa >> shift & 511], level);

		leaf.reads++;
		if (!e.present)
			return leaf;
		leaf.w &= e.w;
		leaf.x &= e.x;
		if (e.leaf) {
			leaf.present = true;
			leaf.size = level - 1;
			leaf.hpa = e.frame + (gpa & ((1ull << shift) - 1));
			return leaf;
		}
		table = e.frame;
	}
	return leaf;
}

struct count {
	u64 leaves[NPT_NR_SIZES];
	u64 tables;
};

static void check_leaf(struct env *env, u64 gpa, const struct entry *e, bool w, bool x,
		       unsigned int level)
{
	u64 n = 1ull << 9 * (level - 1);
	struct env_slot *s = env_slot_of(env, gpa);
	u64 first;

	CHECK(s, "the map has gpa %#llx, where no memslot is", gpa);
	first = (gpa >> 12) - s->gfn;
	CHECK(!w || !s->logging || (level == 1 && (s->state[first] & ENV_DIRTY)),
	      "dirty log: gpa %#llx is writable (level %u) but not marked", gpa, level);
	CHECK(first + n <= s->npages, "the map's page at %#llx (level %u) runs over its memslot",
	      gpa, level);
	CHECK(!w || !s->readonly, "the map lets gpa %#llx of a read-only slot be written", gpa);
	CHECK(x, "the map forbids to execute gpa %#llx", gpa);
	CHECK(level - 1 <= s->max_size, "gpa %#llx: leaf of level %u, the host has smaller pages",
	      gpa, level);
	CHECK(env->mmu.cfg.leaf_pages >> (level - 1) & 1, "gpa %#llx: no leaf of level %u allowed",
	      gpa, level);
	if (level > 1) {
		CHECK(e->frame == npt_ptr_hpa(s->mem) + first * PAGE_SIZE,
		      "gpa %#llx leads to %#llx, the host said %#llx", gpa, e->frame,
		      npt_ptr_hpa(s->mem) + first * PAGE_SIZE);
		for (u64 i = first; s->odd && i < first + n; i++)
			CHECK(!(s->state[i] & ENV_ODD),
			      "gpa %#llx in a large page, but the host changed it",
			      (s->gfn + i) << 12);
		return;
	}
	CHECK(!(s->state[first] & ENV_BAD), "the map has gpa %#llx, which the host took", gpa);
	CHECK(!w || !(s->state[first] & ENV_COW), "gpa %#llx is writable, the host said not", gpa);
	CHECK(e->frame == npt_ptr_hpa(env_ptr(env, gpa)),
	      "gpa %#llx leads to %#llx, the host said %#llx", gpa, e->frame,
	      npt_ptr_hpa(env_ptr(env, gpa)));
}

static void check_table(struct env *env, u64 table, unsigned int level, u64 gpa, bool w,
			bool x, struct count *c)
{
	u64 *entries = npt_hpa_ptr(table);

	c->tables++;
	for (u64 i = 0; i < 512; i++) {
		u64 at = gpa + (i << (12 + 9 * (level - 1)));
		struct entry e;

		if (!entries[i])
			continue;
		e = decode(env, entries[i], level);
		if (!e.present)
			continue;
		if (e.leaf) {
			check_leaf(env, at, &e, w && e.w, x && e.x, level);
			c->leaves[level - 1]++;
		} else {
			check_table(env, e.frame, level - 1, at, w && e.w, x && e.x, c);
		}
	}
}

void map_check(struct env *env)
{
	struct count c = { 0 };
	const u64 *ctr = env->mmu.ctr;

	check_table(env, env->mmu.map_root, env->mmu.cfg.nested_levels, 0, true, true, &c);
	CHECK_EQ(ctr[NPT_CTR_pages_4k], c.leaves[0], "gauge pages_4k");
	CHECK_EQ(ctr[NPT_CTR_pages_2m], c.leaves[1], "gauge pages_2m");
	CHECK_EQ(ctr[NPT_CTR_pages_1g], c.leaves[2], "gauge pages_1g");
	CHECK_EQ(ctr[NPT_CTR_nested_tables], c.tables, "gauge nested_tables");
	CHECK(ctr[NPT_CTR_table_pages] * PAGE_SIZE + ctr[NPT_CTR_table_bytes] <=
	      env->mmu.cfg.max_table_pages * PAGE_SIZE,
	      "%llu pages of tables and %llu bytes, the cap is %u", ctr[NPT_CTR_table_pages],
	      ctr[NPT_CTR_table_bytes], env->mmu.cfg.max_table_pages);
}

/* Which page of which slot lies at @hpa now? */
static struct env_slot *owner_of(struct env *env, u64 hpa, u64 *page)
{
	u8 *p = npt_hpa_ptr(hpa);

	for (int i = 0; i < ENV_SLOTS; i++) {
		struct env_slot *s = &env->slot[i];

		if (!s->npages)
			continue;
		if (p >= s->mem && p < s->mem + s->npages * PAGE_SIZE) {
			*page = (p - s->mem) / PAGE_SIZE;
			return s->state[*page] & ENV_MOVED ? NULL : s;
		}
		for (u64 n = 0; s->odd && n < s->npages; n++) {
			if ((s->state[n] & ENV_MOVED) &&
			    env->spares + s->spare[n] * PAGE_SIZE == p) {
				*page = n;
				return s;
			}
		}
	}
	return NULL;
}

static void check_shadow_page(struct env *env, u64 gva, u64 hpa, bool w)
{
	struct env_slot *s;
	u64 page;

	s = owner_of(env, hpa, &page);
	CHECK(s, "shadow leaf of %#llx leads to %#llx: no memory of the guest's", gva, hpa);
	CHECK(!(s->state[page] & ENV_BAD), "shadow leaf of %#llx: the host took the page", gva);
	if (!w)
		return;
	CHECK(!s->readonly, "shadow leaf of %#llx: writable, the slot isn't", gva);
	CHECK(!(s->state[page] & ENV_COW), "shadow leaf of %#llx: writable, the host said not",
	      gva);
	CHECK(!s->logging || (s->state[page] & ENV_DIRTY),
	      "shadow leaf of %#llx: writable but never marked dirty", gva);
}

void shadow_check(struct env *env, struct npt_cpu *cpu)
{
	struct npt_table_range r[32];
	bool done = false;
	u64 cursor = 0;
	unsigned int calls = 0;

	while (!done) {
		u32 n = npt_table_dump(&env->mmu, cpu, NPT_DIM_SHADOW, &cursor, r,
				       ARRAY_SIZE(r), &done);

		CHECK(calls++ < 1000000, "a dump without end");
		for (u32 i = 0; i < n; i++) {
			u64 pages = (r[i].end - r[i].start) >> 12;

			CHECK(r[i].end > r[i].start, "empty range in a dump");
			/* the ends and some in between: contiguous by definition */
			for (u64 p = 0; p < pages; p += pages > 1024 ? pages / 512 : 1)
				check_shadow_page(env, r[i].start + (p << 12),
						  r[i].target + (p << 12),
						  r[i].flags & NPT_TLBV_W);
		}
	}
}
