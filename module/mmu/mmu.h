/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The MMU: what the rest of the module (and the in-process engine) may call.
 *
 * struct npt_mmu is one VM's guest-physical address space and the tables made
 * for it; struct npt_cpu is one vCPU's paging context, TLB model and counters.
 *
 * Every mode keeps one radix table gpa -> hpa, "the map". In nested mode it is
 * the nested page table that hardware (or the soft engine) walks; in native
 * and shadow mode it is the module's own memory of what the host gave, walked
 * without being counted. Shadow leaves only ever map what the map maps.
 *
 * Locking: mmu->lock. Held for reading: accesses, walks, guest memory reached
 * through the map. Held for writing: every change of the map and of shadow
 * tables. A page that the map names can't go away while the lock is held in
 * either way, because the host's invalidation takes it for writing first.
 */
#ifndef NPT_MMU_H
#define NPT_MMU_H

#include "platform.h"

struct npt_mmu;
struct npt_cpu;
struct npt_tlb;
struct npt_format;
struct npt_sp;

/* What the host says about a guest page. */
struct npt_pfn {
	u64 hpa;	/* of the 4K page */
	u64 seq;	/* for ->stale */
	u64 hva;	/* for ->stale: where the host has it; the core does not look */
	u8 max_size;	/* NPT_SIZE_*: largest leaf that host mapping, slot and alignment allow */
	bool writable;	/* may be mapped writable now */
	bool at_hand;	/* it was there already: ->map_near may find more */
};

/* What the MMU needs from its surroundings. No member is NULL. */
struct npt_mmu_host {
	/*
	 * Bring in the page of @gpa. May sleep; called without mmu->lock.
	 * 0, or -ENOENT (no memslot), -EROFS (write to a read-only memslot),
	 * -EFAULT (the host can't give it), -ENOMEM, -EINTR (a fatal signal).
	 */
	int (*map)(struct npt_mmu *mmu, u64 gpa, bool write, struct npt_pfn *out);
	/*
	 * Under mmu->lock for writing: hpas of the @n pages (NPT_PREFETCH_MAX at the
	 * most) of @size (NPT_SIZE_*) from @gpa on, up to the first that the host does
	 * not map writable and in one piece already, or that must not be mapped unasked:
	 * past a memslot, read-only, with the dirty log on, on its way out. Brings
	 * nothing in, does not sleep. Returns how many.
	 */
	u32 (*map_near)(struct npt_mmu *mmu, u64 gpa, unsigned int size, u32 n, u64 *hpa);
	/* Under mmu->lock for writing: must @pfn be thrown away and asked for again? */
	bool (*stale)(struct npt_mmu *mmu, const struct npt_pfn *pfn);
	/* Under mmu->lock: the guest (or the MMU for it) may write this gfn from now on. */
	void (*mark_dirty)(struct npt_mmu *mmu, u64 gfn);
	/* Under mmu->lock for writing: every vCPU must flush before it runs on. */
	void (*kick)(struct npt_mmu *mmu);
	/* The tables are inconsistent: kill this VM (once), in any context. */
	void (*bug)(struct npt_mmu *mmu, const char *what);
};

/* Largest npt_mmu_config.prefetch. */
#define NPT_PREFETCH_MAX 16

/* Chosen when the VM is made. */
struct npt_mmu_config {
	u32 mode;		/* NPT_MMU_NATIVE, _SHADOW or _NESTED */
	u32 nested_format;	/* NPT_NESTED_NPT or NPT_NESTED_EPT */
	u32 nested_levels;	/* 4 or 5 */
	u32 leaf_pages;		/* NPT_PAGE_* */
	u32 max_table_pages;
	u32 prefetch;		/* leaves of the aligned group that a fill looks at; 0: none */
	bool unsync;		/* shadow: leaf tables may go out of sync */
};

/* How a fault that the module handled ended, as the counters pf_* have it. */
enum npt_fault_outcome {
	NPT_FAULT_FIXED,
	NPT_FAULT_GUEST,
	NPT_FAULT_EMULATE,
	NPT_FAULT_UNSYNC,
	NPT_FAULT_SPURIOUS,
	NPT_FAULT_MMIO,
	NPT_FAULT_READONLY,
	NPT_FAULT_ERROR,
};

/* Why a leaf is zapped, in the order of NPT_CTR_zap_*. */
enum npt_zap_reason {
	NPT_ZAP_NOTIFIER,
	NPT_ZAP_SLOT,
	NPT_ZAP_GUEST,
	NPT_ZAP_SPLIT,
	NPT_ZAP_RECYCLE,
	NPT_ZAP_EXIT,
};

/* Why TLBs are flushed, in the order of NPT_CTR_flush_*. */
enum npt_flush_reason {
	NPT_FL_CR3,
	NPT_FL_INVLPG,
	NPT_FL_GUEST,
	NPT_FL_SWITCH,
	NPT_FL_USER,
	NPT_FL_NOTIFIER,
	NPT_FL_SLOT,
	NPT_FL_SHADOW,
	NPT_FL_RECYCLE,
	NPT_FL_DIRTY_LOG,
	NPT_FL_MODEL,
};

#define NPT_SP_HASH_BITS 8
#define NPT_SP_HASH_SIZE 256	/* 2 to the power of NPT_SP_HASH_BITS */

/* One VM's MMU. */
struct npt_mmu {
	npt_lock_t lock;	/* see the head of this file */
	const struct npt_mmu_host *host;	/* const after init */
	struct npt_mmu_config cfg;		/* const after init */
	const struct npt_format *map_fmt;	/* const after init */
	u64 map_root;		/* hpa of the map's root table; const after init */
	u64 plain_table;	/* bits of a map entry that points on, less the address; const */
	u64 plain_leaf;		/* likewise of a 4K leaf with every right; const */
	u64 map_refs;		/* entries read down to a 4K leaf, a byte a level; const */
	u8 map_shift;		/* lowest address bit that indexes the map's root; const */
	u8 gpa_bits;		/* what the map can hold; const */
	u8 maxphyaddr;		/* bits from here on are reserved in guest entries; lock */
	bool marks_pdptes;	/* the processor sets A in PDPTEs of PAE; const after init */
	bool dead;		/* set once by npt_mmu_bug(); read anywhere */

	/* All below: lock for writing; flush_* may be read under it for reading. */
	u64 flush_seq;		/* grows with each flush of all vCPUs */
	u64 slots_seq;		/* grows with each change of memslots; read anywhere */
	u32 flush_reason;	/* of the latest, enum npt_flush_reason */
	u64 ctr[NPT_CTR_NR];	/* counters of scope vm; gauges may be read unlocked */
	u64 recycle_gfn;	/* the map is recycled from here on, next time */
	u64 work;		/* grows with steps that guests have a say in, see npt_work() */

	/* Shadow tables; unused in other modes. */
	struct hlist_head sp_by_gfn[NPT_SP_HASH_SIZE];		/* struct npt_sp.by_gfn */
	struct hlist_head sp_by_region[NPT_SP_HASH_SIZE];	/* likewise, by gfn >> 9 */
	struct list_head sp_active;	/* struct npt_sp.link, oldest first */
	struct list_head sp_unsync;	/* struct npt_sp.unsync_link */
	struct list_head sp_zapped;	/* out of every table, freed after the flush */
	void *free_later;	/* pages of tables to free after the next flush */
	bool need_flush;	/* a flush is owed before the lock is dropped */
	bool wrprot_any;	/* result of the latest npt_rmap_wrprot() */
	bool tlbs_dirty;	/* a shadow leaf went by the guest's own doing: TLBs may know it */
};

/* Control register bits that matter here (SDM vol. 3A, 2.5). */
#define NPT_CR0_PE	BIT_ULL(0)
#define NPT_CR0_WP	BIT_ULL(16)
#define NPT_CR0_NW	BIT_ULL(29)
#define NPT_CR0_CD	BIT_ULL(30)
#define NPT_CR0_PG	BIT_ULL(31)
#define NPT_CR4_PSE	BIT_ULL(4)
#define NPT_CR4_PAE	BIT_ULL(5)
#define NPT_CR4_PGE	BIT_ULL(7)
#define NPT_CR4_LA57	BIT_ULL(12)
#define NPT_CR4_PCIDE	BIT_ULL(17)
#define NPT_CR4_SMEP	BIT_ULL(20)
#define NPT_CR4_SMAP	BIT_ULL(21)
#define NPT_CR4_PKE	BIT_ULL(22)
#define NPT_EFER_LME	BIT_ULL(8)
#define NPT_EFER_LMA	BIT_ULL(10)
#define NPT_EFER_NX	BIT_ULL(11)

/* Architectural paging state of a vCPU. */
struct npt_regs {
	u64 cr0, cr3, cr4, efer;
	u32 pkru;
	bool ac;		/* RFLAGS.AC, for SMAP */
};

/*
 * Set aside before the lock is taken, so that nothing allocates under it. Most
 * faults need no new table: whoever finds under the lock that something lacks says
 * how much, lets go of the lock, has it set aside, and begins again.
 */
#define NPT_CACHE_PAGES 7	/* the map: 4 tables and 3 companions */
#define NPT_CACHE_RAW 4		/* gfns of shadow tables */
#define NPT_CACHE_SPS 4		/* shadow tables below a root */
#define NPT_CACHE_DESCS 5	/* 4 tables and a leaf have a further entry to them */
struct npt_cache {
	u8 nr_pages, nr_raw, nr_sps, nr_descs;
	u8 want_pages, want_raw, want_sps;	/* what has been found to lack */
	bool want_low;
	bool want_near;		/* neighbours have a further entry to them, too */
	void *pages[NPT_CACHE_PAGES];		/* zeroed */
	void *raw[NPT_CACHE_RAW];
	void *sps[NPT_CACHE_SPS];
	void *descs[NPT_CACHE_DESCS + NPT_PREFETCH_MAX];
	void *low_page;		/* below 4 GiB, for a PAE-shaped shadow root */
};

/* How a walk goes about it. One word, to be copied as one. */
struct npt_walk_how {
	bool count_stage2;	/* reads of the second dimension count (nested mode) */
	bool set_ad;		/* set accessed and dirty bits, as a processor does */
	bool pwc_guest, pwc_nested, ntlb;	/* caches to use */
	bool plain;		/* none for the second dimension */
	/* None at all, no log, no path; the tables (shadow mode: those) are npt_fmt_4level. */
	bool quick;
};

/* A table of the map that a walk came by. mmu->flush_seq says when to forget it. */
struct npt_map_place {
	u64 region;		/* what it maps: gpa over its size; ~0: nothing */
	u64 table;		/* its hpa */
};

/* References of walks that the counters don't have yet, packed as in struct npt_walker. */
struct npt_walk_sum {
	u64 refs_guest, refs_nested;
	u32 nr;			/* walks in it */
};

/*
 * Shadow mode: the page of a device that the guest touched last, as a TLB would have
 * it if there were TLB entries for devices.
 */
struct npt_device_page {
	u64 gva, gpa;
	u64 flushes;		/* npt_cpu.hw_flushes: any since make it void */
	u64 slots_seq;		/* npt_mmu.slots_seq: likewise the VM's memory */
	u8 allow;		/* npt_acc_bit(): by whom and how it has been touched; 0: void */
};

#define NPT_PENDING_FLUSHES 8

/* A flush that another thread asked of a vCPU. */
struct npt_pending_flush {
	u32 scope;		/* enum npt_flush_scope */
	u32 pcid;
	u64 gva;
	u32 reason;		/* enum npt_flush_reason */
};

/* One vCPU's MMU. Everything is its thread's (under the vCPU's mutex) but where said. */
struct npt_cpu {
	struct npt_mmu *mmu;
	struct npt_tlb *tlb;
	struct npt_cost cost;
	u64 ctr[NPT_CTR_NR];	/* plain; read by others without a lock, word by word */

	struct npt_regs regs;
	const struct npt_format *fmt;	/* guest tables; NULL: paging is off */
	u64 root;		/* gpa of the guest's root table */
	u64 rsvd[6][2];		/* reserved bits of guest entries by level, [1]: leaf */
	u64 plain[6];		/* by level: bits that can make an entry special; 0: always look */
	u16 pcid;		/* 0 unless CR4.PCIDE and the model is tagged */
	u64 va_bias, va_unused;	/* valid addresses plus the one have no bit of the other */
	u8 allow[16];		/* by W|U|X|D: npt_acc_bit(): no look at the tables needed */
	bool global;		/* CR4.PGE */
	bool pke;		/* CR4.PKE in long mode */
	bool vpid_tagged, pcid_tagged;	/* flags of the TLB model */
	struct npt_walk_how how;	/* as the processor would, with these registers and TLBs */
	struct npt_map_place place[5];	/* by guest level, [0]: of the page */
	u64 place_seq;		/* mmu->flush_seq when they were all forgotten */
	struct npt_walk_sum walks;	/* not yet in ctr; empty but in a batch */
	bool fractured;		/* the TLB may hold pieces of a larger guest page */

	/* shadow mode */
	struct npt_sp *shadow_root;	/* holds a root count; mmu->lock for writing */
	bool root_stale;	/* registers changed since it was picked */

	struct npt_device_page device;

	u64 hw_flushes;		/* grows with each flush of this vCPU, for a processor's TLB */
	u64 flush_seen;		/* mmu->flush_seq that this vCPU has obeyed; mmu->lock */
	u32 nr_pending;		/* grows under mmu->lock for writing; this vCPU drains it */
	struct npt_pending_flush pending[NPT_PENDING_FLUSHES];
	struct npt_cache cache;
	int err;		/* -EINTR (->map said so), -ENOMEM: why a batch ends early; 0 */
	bool at_table;		/* the last status MMIO or READONLY was that of a guest table */
};

/* --- a VM --------------------------------------------------------------- */

/* Make an empty address space. -EINVAL, -ENOMEM. @host must outlive it. */
int npt_mmu_init(struct npt_mmu *mmu, const struct npt_mmu_config *cfg,
		 const struct npt_mmu_host *host);
/* Free every table. No vCPU and no notifier may be left. */
void npt_mmu_destroy(struct npt_mmu *mmu);

/* Under mmu->lock for writing: memslots change before it is dropped. */
void npt_mmu_slots_change(struct npt_mmu *mmu);

/*
 * Under mmu->lock for writing: drop every translation of [start, end) (gfns)
 * from the map and from shadow tables, then flush if anything went.
 * Returns whether anything went.
 */
bool npt_mmu_zap(struct npt_mmu *mmu, u64 start, u64 end,
		 enum npt_zap_reason reason, enum npt_flush_reason flush);

/*
 * How much was done so far: leaves zapped, and other steps whose number a guest has a
 * say in. Under mmu->lock for writing; who has much to do looks at it to let others in.
 */
static inline u64 npt_work(const struct npt_mmu *mmu)
{
	return mmu->work + mmu->ctr[NPT_CTR_zaps];
}

/* Where to stop and let others in: about a millisecond from now. */
#define NPT_WORK_SLICE 16384
/* A table that is gone through counts as much as some leaves. */
#define NPT_WORK_TABLE 64
static inline u64 npt_work_slice(const struct npt_mmu *mmu)
{
	return npt_work(mmu) + NPT_WORK_SLICE;
}

/*
 * Tables out of sync at a time: all are compared under one hold of the lock, which
 * takes some milliseconds at the most. Writes to others are emulated.
 */
#define NPT_MAX_UNSYNC 512

/* A zap that is carried out in slices, during which nothing may be filled there. */
struct npt_zap {
	u64 start, end;		/* gfns */
	u64 next;		/* the map is done up to here; @start at first */
	enum npt_zap_reason reason;
};

/*
 * Under mmu->lock for writing: go on with @z until npt_work() comes to @until. True when
 * all is done. Before the lock is dropped npt_mmu_zap_end() has to follow, once for any
 * number of slices.
 */
bool npt_mmu_zap_slice(struct npt_mmu *mmu, struct npt_zap *z, u64 until);
void npt_mmu_zap_end(struct npt_mmu *mmu, enum npt_flush_reason flush);

/* npt_mmu_zap(), taking the lock itself and letting others in between: may sleep. */

void npt_mmu_zap_slowly(struct npt_mmu *mmu, u64 start, u64 end,
			enum npt_zap_reason reason, enum npt_flush_reason flush);

/*
 * Under mmu->lock: is the 2M region around @gfn mapped by small leaves, where a large
 * one could be of use? A hint.
 */
bool npt_mmu_could_grow(struct npt_mmu *mmu, u64 gfn);

/*
 * Under mmu->lock for writing: make leaves of [start, end) read-only and small
 * (dirty log). Before the lock is dropped npt_mmu_wrprot_end() has to follow, once
 * for any number of ranges: it flushes, if there is reason to. Stops when npt_work()
 * comes to @until, and gives the gfn to go on from.
 */
u64 npt_mmu_wrprot(struct npt_mmu *mmu, u64 start, u64 end, u64 until);
void npt_mmu_wrprot_end(struct npt_mmu *mmu);

/*
 * Under mmu->lock for writing: was [start, end) accessed? With @clear, forget it. True as
 * well if that takes too long to find out.
 */
bool npt_mmu_age(struct npt_mmu *mmu, u64 start, u64 end, bool clear);

/*
 * The guest's MAXPHYADDR from now on, as far as the map can hold that much. Each
 * vCPU learns of it when its registers are set again. May sleep.
 */
void npt_mmu_set_maxphyaddr(struct npt_mmu *mmu, u8 bits);

/* The host's map of the page behind @gpa, under mmu->lock: its hpa, 0 if there is none. */
u64 npt_mmu_hpa(struct npt_mmu *mmu, u64 gpa);

/* --- a vCPU ------------------------------------------------------------- */

/* A vCPU with paging off and the TLB @model (checked). -ENOMEM. */
int npt_cpu_init(struct npt_cpu *cpu, struct npt_mmu *mmu, const struct npt_tlb_model *model);
void npt_cpu_destroy(struct npt_cpu *cpu);

/* Exchange the TLB model; all entries are dropped, counters stay. -ENOMEM leaves the old one. */
int npt_cpu_set_model(struct npt_cpu *cpu, const struct npt_tlb_model *model);
/* The same in two steps, only the first can fail: @tlb is npt_tlb_create(model, cpu->ctr). */
void npt_cpu_install_model(struct npt_cpu *cpu, const struct npt_tlb_model *model,
			   struct npt_tlb *tlb);

/*
 * Load the paging registers (KVM_SET_SREGS): -EINVAL for a combination that
 * the architecture refuses (SDM vol. 3A, 2.5 and 4.1). Flushes if any changed.
 */
int npt_cpu_set_regs(struct npt_cpu *cpu, const struct npt_regs *regs);

/*
 * Execute @n records that nobody else can change. @res (or NULL) gets a result
 * for each; @data is the data area of @data_len bytes. Returns how many were
 * executed: fewer than @n after the first that failed if @stop, or if one could not
 * be executed, for which cpu->err has the reason. *@failed grows by the number that
 * did not end OK.
 */
u32 npt_cpu_execute(struct npt_cpu *cpu, const struct npt_access *rec, u32 n,
		    struct npt_access_result *res, u8 *data, u32 data_len,
		    bool stop, u32 *failed);

/*
 * Flush as the guest would, out-of-sync shadow tables too: this vCPU's TLB now
 * (its own thread, under its mutex, without mmu->lock).
 */
void npt_cpu_flush(struct npt_cpu *cpu, const struct npt_pending_flush *f);
/* Ask a vCPU that may be running to flush before its next access. Takes mmu->lock for writing. */
void npt_cpu_flush_async(struct npt_cpu *cpu, const struct npt_pending_flush *f);

/* Obey pending flushes of an idle vCPU, so that counters are at rest. Under its mutex. */
void npt_cpu_settle(struct npt_cpu *cpu);

/*
 * Explain one translation: @e (count in: room, out: used) and @ent. Host
 * addresses are in the clear: the caller censors. May sleep with
 * NPT_EXPLAIN_FILL. -EINVAL for a bad @e.
 */
int npt_cpu_explain(struct npt_cpu *cpu, struct npt_explain *e, struct npt_walk_entry *ent);

/* KVM_TRANSLATE: guest-virtual to guest-physical as a supervisor read; false: not mapped. */
bool npt_cpu_translate(struct npt_cpu *cpu, u64 gva, u64 *gpa, bool *writable, bool *user);

/* --- shadow tables under a processor ------------------------------------- */

/*
 * Levels of the vCPU's shadow tables: 3 (PAE; guests in real and protected
 * mode, with or without paging), 4 or 5 (long mode).
 */
u32 npt_shadow_levels(const struct npt_cpu *cpu);

/*
 * What the paging registers of a processor must be for it to run the guest on
 * the shadow tables: paging and CR0.WP always on, CR4.PAE on, EFER.NXE on,
 * long mode if and only if the guest is in it. Bits that have nothing to do
 * with paging are the guest's. CR3 is not among them: see npt_hw_root().
 */
void npt_shadow_hw_regs(const struct npt_cpu *cpu, struct npt_regs *hw);

/* INVLPG and MOV to CR3 by the guest. Without mmu->lock. */
void npt_cpu_invlpg(struct npt_cpu *cpu, u64 gva);
/* False: the value is one that MOV to CR3 refuses. */
bool npt_cpu_mov_cr3(struct npt_cpu *cpu, u64 value);

/* --- for engines whose processor walks the tables (hw.c) ------------------- */

/*
 * Obey flushes and have a root, before the guest is entered. The vCPU's thread,
 * without mmu->lock. -ENOMEM.
 */
int npt_hw_prepare(struct npt_cpu *cpu);
/* Nothing came up since? Interrupts off, after others can see that we go in. */
bool npt_hw_ready(const struct npt_cpu *cpu);
/* hpa of the table to run on: nested, or shadow root. After npt_hw_prepare(). */
u64 npt_hw_root(const struct npt_cpu *cpu);
/* Nested mode: the guest has loaded CR3 unseen. */
void npt_hw_set_cr3(struct npt_cpu *cpu, u64 cr3);
/* RFLAGS.AC and PKRU as they are now. */
void npt_hw_set_rights(struct npt_cpu *cpu, bool ac, u32 pkru);

/*
 * A fault of the second dimension at @gpa, with an error code as of a page
 * fault. Sleeps. What became of it: NPT_FAULT_FIXED, _SPURIOUS (go on), _MMIO,
 * _READONLY (write to a read-only memslot), _ERROR (cpu->err: why, 0: -EFAULT).
 */
enum npt_fault_outcome npt_hw_nested_fault(struct npt_cpu *cpu, u64 gpa, u64 error_code);

/*
 * Read the instruction at @gva that the processor has just come by: at most
 * @len bytes, from within its page. It is not counted, because the access was
 * the processor's. How many were read: 0 if the tables say otherwise by now.
 */
u32 npt_hw_fetch(struct npt_cpu *cpu, u64 gva, bool user, u8 *buf, u32 len);

/* A page fault on shadow tables. */
struct npt_hw_fault {
	u64 gva;
	u64 gpa;		/* out, for _MMIO, _READONLY, _EMULATE */
	u64 error_code;		/* in: the processor's; out, for _GUEST: the guest's */
	bool at_table;		/* out: @gpa is that of a guest table, not of what was accessed */
	bool implicit;		/* a supervisor access while the CPL is 3 */
};

/*
 * Likewise, and _UNSYNC (go on), _GUEST (the guest's own fault), _EMULATE (a
 * write to a shadowed table that must be carried out in software).
 */
enum npt_fault_outcome npt_hw_shadow_fault(struct npt_cpu *cpu, struct npt_hw_fault *f);

/* --- guest memory and tables -------------------------------------------- */

/*
 * Copy from or to guest-physical memory, bringing pages in. Writes are seen by
 * shadow tables. 0, -ENOENT, -EROFS, -EFAULT, -EINTR; *@done says how far it came.
 */
int npt_guest_read(struct npt_cpu *cpu, u64 gpa, void *buf, u32 len, u32 *done);
int npt_guest_write(struct npt_cpu *cpu, u64 gpa, const void *buf, u32 len, u32 *done);

/*
 * If @old is at @gpa, write @new, in one piece as other vCPUs see it (not where
 * a cache line ends: a processor's bus lock is not at hand). @len 1, 2, 4, 8 or
 * 16, within a page. *@equal says which. Errors as above.
 */
int npt_guest_exchange(struct npt_cpu *cpu, u64 gpa, const void *old, const void *new, u32 len,
		       bool *equal);
/*
 * An instruction that writes @gpa can't be executed but by a processor: give up
 * the shadow tables made from that page. False: there are none.
 */
bool npt_guest_unprotect(struct npt_cpu *cpu, u64 gpa);

/* One merged range of a table dump. */
struct npt_table_range {
	u64 start;	/* gva (guest, shadow) or gpa (nested) */
	u64 end;	/* first address after it */
	u64 target;	/* gpa (guest) or hpa (nested, shadow) of @start */
	u64 flags;	/* leaf's rights NPT_TLBV_W/U/X/D/G, bit 32: accessed */
	u8 size;	/* NPT_SIZE_* of the leaves */
};

/*
 * Dump leaves of a table of @dim (enum npt_dim) from address *@cursor on into
 * @out, contiguous leaves of equal rights merged, @max ranges at the most.
 * Returns how many; *@cursor is where to go on, *@done set at the end. @cpu
 * gives the root of guest and shadow tables (nested: may be NULL). Guest
 * entries that can't be read are passed over. Bounded work per call.
 */
u32 npt_table_dump(struct npt_mmu *mmu, struct npt_cpu *cpu, u32 dim, u64 *cursor,
		   struct npt_table_range *out, u32 max, bool *done);

/* Fold the counters that follow from others (cycles) of @cpu and give all of them. */
void npt_cpu_counters(struct npt_cpu *cpu, u64 *out);

#endif /* NPT_MMU_H */
