/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of mmu/ share among themselves. */
#ifndef NPT_MMU_INTERNAL_H
#define NPT_MMU_INTERNAL_H

#include "mmu.h"
#include "format.h"
#include "rights.h"
#include "walk.h"
#include "trace_hooks.h"
#include "../tlb/tlb.h"

/* --- table.c: pages of tables, their cap, what is set aside -------------- */

/* Of a reverse map, when more than one table entry maps a thing. See rmap.c. */
#define NPT_DESC_ENTRIES 11
#define NPT_DESC_WAYS 4
struct npt_desc {
	u32 nr;		/* entries here */
	u32 below;	/* in the first of a list: entries in all the others */
	u64 *entry[NPT_DESC_ENTRIES];
	unsigned long way[NPT_DESC_WAYS];	/* like the list's own word */
};

/* Set aside what has been found to lack. May sleep. -ENOMEM. */
int npt_cache_fill(struct npt_mmu *mmu, struct npt_cache *c);
void npt_cache_drain(struct npt_cache *c);
/* So much of each? If not, npt_cache_fill() will see to it: let go of the lock, try again. */
bool npt_cache_has(struct npt_cache *c, u32 sps, u32 pages, u32 raw);
/* Likewise a page below 4 GiB, which a root of a PAE-shaped table takes. */
bool npt_cache_has_low(struct npt_cache *c);
void *npt_cache_page(struct npt_cache *c);
/* This one is not zeroed. */
void *npt_cache_raw(struct npt_cache *c);
void *npt_cache_low_page(struct npt_cache *c);
struct npt_sp *npt_cache_sp(struct npt_cache *c);
struct npt_desc *npt_cache_desc(struct npt_cache *c);
/* Room under the cap for what one fault can need? */
bool npt_cap_reached(const struct npt_mmu *mmu);
/* Page taken into use or given back; @gauge: NPT_CTR_nested_tables, ... */
void npt_page_charge(struct npt_mmu *mmu, int gauge, int n);
/* Free a page of tables once TLBs have been flushed. */
void npt_page_free_later(struct npt_mmu *mmu, void *page);

/* --- flush.c -------------------------------------------------------------- */

/* Lock held for writing: all vCPUs flush before they go on; then free what waited. */
void npt_flush_cpus(struct npt_mmu *mmu, enum npt_flush_reason reason);
/* The same, if zapping made one due. */
static inline void npt_flush_owed(struct npt_mmu *mmu, enum npt_flush_reason reason)
{
	if (mmu->need_flush)
		npt_flush_cpus(mmu, reason);
}

/* Flush the TLB alone, whatever shadow tables say. */
void npt_cpu_flush_tlb(struct npt_cpu *cpu, const struct npt_pending_flush *f);
/* oracle.c: have the TLB's oracle, if it has one, ask about the tables of @cpu. */
void npt_oracle_attach(struct npt_cpu *cpu);
/* This vCPU must drop such entries from now on: NPT_FLUSH_*, NPT_ORACLE_NONGLOBAL. */
void npt_oracle_due_now(struct npt_cpu *cpu, u32 scope, u64 gva, u32 pcid, u32 reason);
/* Lock held either way, by the vCPU's thread: catch up with flushes asked for. */
void npt_cpu_obey(struct npt_cpu *cpu);
static inline bool npt_cpu_behind(const struct npt_cpu *cpu)
{
	return cpu->flush_seen != cpu->mmu->flush_seq || cpu->nr_pending;
}

/* The lock for reading, with nothing left to obey. */
static inline void npt_cpu_lock(struct npt_cpu *cpu)
{
	npt_read_lock(&cpu->mmu->lock);
	if (unlikely(npt_cpu_behind(cpu)))
		npt_cpu_obey(cpu);
}

static inline void npt_cpu_unlock(struct npt_cpu *cpu)
{
	npt_read_unlock(&cpu->mmu->lock);
}

/* The tables contradict themselves: this VM is dead. */
void npt_mmu_bug(struct npt_mmu *mmu, const char *what);

/* --- cpu.c: what the guest does besides accesses. Called without the lock. -- */

/* Everything that follows from the registers. */
void npt_cpu_derive(struct npt_cpu *cpu);
void npt_cpu_guest_flush(struct npt_cpu *cpu);
/* Another VM ran on this CPU meanwhile. */
void npt_cpu_world_switch(struct npt_cpu *cpu);

/* --- hw.c ----------------------------------------------------------------- */

/* Who may touch the device that the guest touched last, and how, must be found out again. */
static inline void npt_cpu_forget_device(struct npt_cpu *cpu)
{
	cpu->device.allow = 0;
}

/* --- access.c ----------------------------------------------------------------- */

bool npt_gva_valid(const struct npt_cpu *cpu, u64 gva);

/* --- fault.c ------------------------------------------------------------------ */

/* How a host error ends a fault. */
enum npt_fault_outcome npt_map_outcome(struct npt_cpu *cpu, int err);
/* A fault of @kind (NPT_CTR_pf_nested, _shadow) by its outcome; a guest's by its reason. */
void npt_count_fault(struct npt_cpu *cpu, int kind, enum npt_fault_outcome outcome);
void npt_count_guest_pf(struct npt_cpu *cpu, u8 verdict);
/* What a walk of ours found lacking (@end) is mended, if it can be: npt_cpu_lock() was taken. */
enum npt_fault_outcome npt_mend(struct npt_cpu *cpu, struct npt_walker *w,
				enum npt_walk_end end, u64 gva);

/* --- guest_memory.c ----------------------------------------------------------- */

/* Lock held: where @gpa can be reached now; NULL: it must be brought in first. */
u8 *npt_guest_ptr(struct npt_mmu *mmu, u64 gpa, bool write);
/* npt_guest_read() or _write(); @buf NULL: as if, but nothing moves. */
int npt_guest_copy(struct npt_cpu *cpu, u64 gpa, u8 *buf, u32 len, bool write, u32 *done);

/*
 * Live entries. A processor that walks our tables sets A and D bits in them at any
 * time, by locked operations that look at the entry anew (SDM vol. 3A, 4.8): it
 * never brings back an entry that is gone, but a plain read, change, write of ours
 * could write back what was there before it set one. Everything else happens
 * under the lock for writing.
 *
 *  - An entry is cleared, or replaced as a whole, by one store. A or D bits that a
 *    processor sets just before are lost: D says nothing here (what may be written
 *    has it from the start, and its page is dirty for the host from then on), A is
 *    a hint of age, and the host asks for ages before it takes pages away.
 *  - Bits of an entry that stays are cleared by this.
 */
static inline void npt_entry_clear(u64 *entry, u64 bits)
{
	u64 old = READ_ONCE(*entry), seen;

	while ((seen = cmpxchg(entry, old, old & ~bits)) != old)
		old = seen;
}

/* --- map.c ---------------------------------------------------------------- */

/* The map's leaf for @gpa or NULL. *level, page *table: of the leaf, or of what is missing. */
u64 *npt_map_leaf(struct npt_mmu *mmu, u64 gpa, unsigned int *level, void **table);

/* What came of a fill. */
enum npt_fill {
	NPT_FILL_DONE,
	NPT_FILL_SPURIOUS,	/* it was there already */
	NPT_FILL_RETRY,		/* the host changed its mind: ask again */
	NPT_FILL_SHORT,		/* the cache lacks something: fill it, then the same again */
};

/* Enter @pfn for @gpa. Lock held for writing. */
enum npt_fill npt_map_fill(struct npt_mmu *mmu, struct npt_cache *c, u64 gpa,
			   const struct npt_pfn *pfn, bool write);
/* Make room under the cap; false if there is none to be had. Lock held for writing. */
bool npt_mmu_recycle(struct npt_mmu *mmu);
int npt_map_init(struct npt_mmu *mmu);
void npt_map_destroy(struct npt_mmu *mmu);
/* Ask the host for the page of @gpa: sleeps. ->map's error. */
int npt_map_ask(struct npt_cpu *cpu, u64 gpa, bool write, struct npt_pfn *pfn);
/*
 * Bring @gpa in: sleeps. 0 with *spurious set if it was there, or ->map's error. The first
 * gives -EAGAIN if the host changed its mind meanwhile, the second tries until it doesn't.
 */
int npt_map_try(struct npt_cpu *cpu, u64 gpa, bool write, bool *spurious);
int npt_map_in(struct npt_cpu *cpu, u64 gpa, bool write, bool *spurious);

/* --- rmap.c ---------------------------------------------------------------- */

/* A list of entries, in one word: 0, an entry, or a struct npt_desc (bit 0 set). */
/* One more; all others go first if there are too many. */
void npt_rmap_add(struct npt_mmu *mmu, struct npt_cache *c, unsigned long *head, u64 *entry);
/* Will npt_rmap_add() get by without a descriptor for sure? */
bool npt_rmap_has_room(unsigned long head);
/* False if it was not there. */
bool npt_rmap_del(struct npt_mmu *mmu, unsigned long *head, u64 *entry);
/* Take each of these entries out of its table. */
void npt_rmap_drop_all(struct npt_mmu *mmu, unsigned long *head, enum npt_zap_reason reason);
u32 npt_rmap_length(unsigned long head);

/*
 * Entries of one list at the most: some must be gone through under one hold of the
 * lock, by the notifier for one. It is room for 64 address spaces that all map all of
 * a large page of the host's by small pages.
 */
#define NPT_RMAP_MAX BIT(15)

static inline bool npt_rmap_full(unsigned long head)
{
	return npt_rmap_length(head) >= NPT_RMAP_MAX;
}

/* The first entry, NULL if empty. */
u64 *npt_rmap_first(unsigned long head);
typedef void (*npt_rmap_fn)(struct npt_mmu *mmu, u64 *entry, void *arg);
/* @fn must not change the list. */
void npt_rmap_each(struct npt_mmu *mmu, unsigned long head, npt_rmap_fn fn, void *arg);
/* The reverse map of the map leaf that covers @gfn, NULL if none does. */
unsigned long *npt_rmap_of(struct npt_mmu *mmu, u64 gfn);

/* --- shadow.c, sync.c, shadow_fault.c -------------------------------------- */

/* What a shadow table is made from, besides its gfn. */
union npt_role {
	u32 word;
	struct {
		u32 level:3;
		u32 direct:1;	/* no guest table behind it: in a large page, or paging is off */
		u32 glue:1;	/* PAE root over a 32-bit page directory */
		u32 quadrant:2;	/* which part of a 32-bit guest table */
		u32 offset:7;	/* PAE root: which 32-byte slot of its page */
		u32 rights:3;	/* NPT_TLBV_W/U/X granted by the levels above */
		u32 format:3;	/* enum npt_role_format */
		u32 nx:1;	/* EFER.NXE: bit 63 means NX, else reserved */
		u32 global:1;	/* CR4.PGE: global pages are global */
		u32 key:4;	/* direct, in a large page: its protection key */
		u32 wp:2;	/* enum npt_role_wp */
	};
};

enum npt_role_format { NPT_RF_OFF, NPT_RF_32, NPT_RF_32_PSE, NPT_RF_PAE, NPT_RF_4, NPT_RF_5 };

/*
 * Processors run shadow tables with CR0.WP set. Where the guest has it clear,
 * leaves must let supervisors write what the guest's entries call read-only.
 */
enum npt_role_wp {
	NPT_WP_SET,		/* or paging is off */
	NPT_WP_CLEAR,		/* see npt_role_written() */
	NPT_WP_CLEAR_SMEP,	/* and supervisors must not fetch from user pages */
	NPT_WP_CLEAR_USER,	/* SMAP, protection keys: user pages must stay such */
};

/* One shadow table. All fields: mmu->lock for writing. */
struct npt_sp {
	struct hlist_node by_gfn;	/* mmu->sp_by_gfn; not if invalid */
	struct hlist_node by_region;	/* mmu->sp_by_region; guest tables only */
	struct list_head link;		/* mmu->sp_active or ->sp_zapped */
	struct list_head unsync_link;	/* mmu->sp_unsync while unsync */
	u64 *spt;		/* the table */
	u64 *gfns;		/* gfn of each leaf; NULL if direct */
	u64 gfn;		/* of the guest table; direct: first gfn mapped */
	unsigned long parents;	/* reverse map: entries that point here */
	union npt_role role;
	u32 root_count;		/* vCPUs that hold it as (cached) root */
	u16 writes;		/* guest writes since a fault last came through */
	bool unsync;		/* the guest may write the table: sync before use */
	bool invalid;		/* zapped, kept only for root_count */
};

/* Table for @gfn and @role, built empty if there is none yet. NULL: the cache lacks something. */
struct npt_sp *npt_sp_get(struct npt_mmu *mmu, struct npt_cache *c, u64 gfn, union npt_role role);
void npt_sp_zap(struct npt_mmu *mmu, struct npt_sp *sp, enum npt_zap_reason reason);
void npt_sp_free_zapped(struct npt_mmu *mmu);
/* Take entry @i of @sp out, leaf or table. */
void npt_sp_drop_entry(struct npt_mmu *mmu, struct npt_sp *sp, unsigned int i,
		       enum npt_zap_reason reason);
void npt_sp_link(struct npt_mmu *mmu, struct npt_cache *c, struct npt_sp *parent, unsigned int i,
		 struct npt_sp *child);
/*
 * Rights that a leaf must have for a supervisor to write a page to which the
 * guest's tables give @rights. Without W: there are none such.
 */
u64 npt_role_written(union npt_role role, u64 rights);
/* gfn that leaf @i maps. */
u64 npt_sp_leaf_gfn(const struct npt_sp *sp, unsigned int i);
/* Format of shadow tables for guests of @format. */
const struct npt_format *npt_shadow_format(u32 role_format);
const struct npt_format *npt_role_guest_format(u32 role_format);
static inline struct npt_sp *npt_sp_of(const u64 *spte)
{
	return npt_page_owner((const void *)((unsigned long)spte & ~4095UL));
}

static inline unsigned int npt_sp_index(const u64 *spte)
{
	return ((unsigned long)spte & 4095) / 8;
}

/* Where tables of @gfn hang in sp_by_gfn (or, with gfn >> 9, in sp_by_region). */
static inline unsigned int npt_sp_hash(u64 key)
{
	return (key * 0x9E3779B97F4A7C15ULL) >> (64 - NPT_SP_HASH_BITS);
}

static inline bool npt_role_is_guest_table(union npt_role role)
{
	return !role.direct && !role.glue;
}

static inline bool npt_sp_is_guest_table(const struct npt_sp *sp)
{
	return npt_role_is_guest_table(sp->role);
}

/* Is @gfn a guest table that must not be written unseen? */
bool npt_gfn_tracked(struct npt_mmu *mmu, u64 gfn);
/* Is any gfn of the 2M region around @gfn a shadowed guest table? */
bool npt_region_shadowed(struct npt_mmu *mmu, u64 gfn);
/* Zap shadow tables made from guest tables in [start, end). False: it came to @until before. */
bool npt_shadow_zap_tables(struct npt_mmu *mmu, u64 start, u64 end, enum npt_zap_reason reason,
			   u64 until);
/* Zap the oldest shadow tables that no vCPU has as its root, then flush. False: there were few. */
bool npt_shadow_recycle(struct npt_mmu *mmu);

/* Guest wrote @len bytes at @gpa of a tracked table. Lock held for writing. */
void npt_shadow_pte_write(struct npt_cpu *cpu, u64 gpa, u32 len);
/* Let the tables of @gfn go out of sync; false if they may not. */
bool npt_shadow_unsync(struct npt_mmu *mmu, u64 gfn);
/* A guest table as it is in memory now, and what leaves in it are like. */
struct npt_guest_table {
	const struct npt_format *f;
	const void *entries;
	u64 want;		/* bits that all must be set in one that has been accessed */
	u64 rsvd;		/* bits that must be clear in it */
	u64 frame;		/* address that it maps */
};

/* The level-1 table behind @sp; false if it can't be read. Lock held. */
bool npt_guest_table(struct npt_mmu *mmu, const struct npt_sp *sp, struct npt_guest_table *t);
/*
 * What leaf @i of @sp is made from: NPT_TLBV_W/U/X/D/G and key, with the levels above.
 * False if it is no leaf, not present, not valid or has not been accessed.
 */
bool npt_guest_leaf(const struct npt_guest_table *t, const struct npt_sp *sp, unsigned int i,
		    u64 *gfn, u64 *rights);
/*
 * Bring every table back in step, or those of @gfn, with the flush that it takes: until
 * then another vCPU may still write them. Lock held for writing. Leaves that went may be
 * in TLBs.
 */
void npt_shadow_sync_tables(struct npt_mmu *mmu);
void npt_shadow_sync_gfn(struct npt_mmu *mmu, u64 gfn);
/* Before an INVLPG of @gva, or a flush, takes effect. Take the lock. */
void npt_shadow_sync_addr(struct npt_cpu *cpu, u64 gva);
/* The first of these with the lock held for writing. */
void npt_shadow_sync_leaf(struct npt_cpu *cpu, u64 gva);
void npt_shadow_flush_begins(struct npt_mmu *mmu);
/* Make every leaf that maps @gfn read-only; true if one was writable. */
bool npt_rmap_wrprot(struct npt_mmu *mmu, u64 gfn);
/* The same, if the reverse map of its map leaf is known. */
bool npt_rmap_wrprot_head(struct npt_mmu *mmu, unsigned long head, u64 gfn);

/* Make sure that cpu->shadow_root is right. Takes the lock. -ENOMEM. */
int npt_shadow_load_root(struct npt_cpu *cpu);
/* Does the root serve the registers as they are now? Lock held either way. */
static inline bool npt_shadow_root_fits(const struct npt_cpu *cpu)
{
	return cpu->shadow_root && !cpu->shadow_root->invalid && !cpu->root_stale;
}

/* Let go of the root. Lock held for writing. */
void npt_shadow_put_root(struct npt_cpu *cpu);
const struct npt_format *npt_cpu_shadow_format(const struct npt_cpu *cpu);

/* Handle a fault on shadow tables. Called and left without the lock. */
enum npt_fault_outcome npt_shadow_fault(struct npt_cpu *cpu, struct npt_walker *w, u64 gva);

#endif /* NPT_MMU_INTERNAL_H */
