/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * npt: the ioctl ABI of /dev/npt.
 *
 * Where KVM has a call, /dev/npt takes the same ioctl with the same struct
 * (<linux/kvm.h>). This header holds what KVM has no call for.
 *
 * Rules for every struct that starts with @size:
 *  - user space sets @size to the size of the struct that it was built with;
 *  - a @size below the smallest ever published gives EINVAL;
 *  - a larger @size than the module knows is taken if the bytes beyond are
 *    zero, and gives E2BIG if not;
 *  - unknown flags and non-zero reserved fields give EINVAL (ENOTTY is for
 *    an unknown ioctl number alone).
 * Common errors: EFAULT (a pointer can't be read or written), EIO (called by
 * another process than the VM's creator, or the VM is dead), EINTR (a signal
 * came first), ENOMEM. Each call below names its own.
 */
#ifndef _UAPI_LINUX_NPT_H
#define _UAPI_LINUX_NPT_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <linux/npt_counters.h>

#define NPTIO 0xBE

/* Version of this ABI; grows when something is added, never else. */
#define NPT_ABI_VERSION 1

#define NPT_NAME_LEN 32

/* What executes the guest. */
enum npt_engine {
	NPT_ENGINE_DEFAULT,	/* the module parameter engine= */
	NPT_ENGINE_AUTO,	/* svm or vmx if the CPU has it and nobody holds it, else soft */
	NPT_ENGINE_SOFT,	/* accesses handed in by user space */
	NPT_ENGINE_SVM,		/* AMD SVM */
	NPT_ENGINE_VMX,		/* Intel VMX */
};

/* How guest memory is virtualised. */
enum npt_mmu_mode {
	NPT_MMU_DEFAULT,	/* the module parameter mmu= */
	/*
	 * One stage: the guest's tables alone, as on a bare machine. A TLB
	 * entry covers the guest's page whole, so an access without data that
	 * hits it is not held against the memslots again.
	 */
	NPT_MMU_NATIVE,
	NPT_MMU_SHADOW,		/* the module builds gva -> hpa tables from the guest's */
	NPT_MMU_NESTED,		/* the module builds gpa -> hpa tables, both are walked */
};

/* Format of nested tables. */
enum npt_nested_format {
	NPT_NESTED_DEFAULT,	/* what the engine's hardware uses; soft: NPT */
	NPT_NESTED_NPT,		/* AMD: x86 long-mode entries (APM vol. 2, 15.25) */
	NPT_NESTED_EPT,		/* Intel: EPT entries (SDM vol. 3C, 29.3) */
};

/* --- the TLB model ---------------------------------------------------- */

/* Page sizes as bits. */
#define NPT_PAGE_4K (1 << 0)
#define NPT_PAGE_2M (1 << 1)	/* also the 4 MiB pages of 32-bit tables, as two halves */
#define NPT_PAGE_1G (1 << 2)

/* What a TLB translates, as bits. */
#define NPT_TLB_FETCH (1 << 0)
#define NPT_TLB_DATA (1 << 1)

/* Which entry of a full set goes. */
enum npt_tlb_policy {
	NPT_TLB_LRU,		/* the one not used for the longest time */
	NPT_TLB_FIFO,		/* the one that came first */
	NPT_TLB_LFU,		/* the one least often used since it came; ties: the lowest way */
	NPT_TLB_PLRU,		/* bit-PLRU: the lowest way whose used-bit is clear */
};

/**
 * struct npt_tlb_unit - one TLB array
 * @level: 1 or 2; 0 marks an unused slot (all else must be zero)
 * @kinds: NPT_TLB_FETCH, NPT_TLB_DATA or both (unified)
 * @pages: page sizes that it can hold, NPT_PAGE_*
 * @policy: enum npt_tlb_policy
 * @entries: number of entries, 1..65536
 * @ways: associativity, 1..1024, divides @entries; 0 means fully associative
 * @__reserved: zero
 */
struct npt_tlb_unit {
	__u8 level;
	__u8 kinds;
	__u8 pages;
	__u8 policy;
	__u32 entries;
	__u32 ways;
	__u32 __reserved;
};

/* Which dimension a paging-structure cache serves. */
#define NPT_PWC_GUEST (1 << 0)
#define NPT_PWC_NESTED (1 << 1)

/**
 * struct npt_pwc_unit - one paging-structure cache (fully or set-associative, LRU)
 * @dims: NPT_PWC_GUEST, NPT_PWC_NESTED or both; 0 marks an unused slot
 * @levels: bit l set: caches entries read at level l that point to a table (l = 2..5)
 * @__reserved: zero
 * @entries: number of entries, 1..4096
 * @ways: divides @entries; 0 means fully associative
 * @__reserved2: zero
 */
struct npt_pwc_unit {
	__u8 dims;
	__u8 levels;
	__u16 __reserved;
	__u32 entries;
	__u32 ways;
	__u32 __reserved2;
};

/**
 * struct npt_cost - the cost model, in cycles
 * @l1_hit: any lookup (each lookup pays it)
 * @l2_hit: more for a lookup that goes on to the second level
 * @pwc_hit: a hit in a paging-structure cache
 * @ntlb_hit: a hit in the nested TLB
 * @ref: one table entry read
 * @guest_fault: a page fault given to the guest
 * @nested_fault: a nested page fault, exit and handling
 * @shadow_fault: a fault on shadow tables, exit and handling
 * @pte_write: a guest table write that had to be emulated
 * @flush: one TLB flush
 * @__reserved: zero
 */
struct npt_cost {
	__u32 l1_hit;
	__u32 l2_hit;
	__u32 pwc_hit;
	__u32 ntlb_hit;
	__u32 ref;
	__u32 guest_fault;
	__u32 nested_fault;
	__u32 shadow_fault;
	__u32 pte_write;
	__u32 flush;
	__u32 __reserved[2];
};

#define NPT_TLB_UNITS 16
#define NPT_PWC_UNITS 10

/* Entries carry a VPID/ASID: they outlive a switch to another VM. */
#define NPT_TLB_VPID (1 << 0)
/* Entries carry a PCID, used while CR4.PCIDE is set. */
#define NPT_TLB_PCID (1 << 1)
/*
 * Look for missed flushes: each vCPU keeps 2048 translations besides, whatever the arrays
 * evict, and counts in tlb_stale_hits each access to one that no longer follows from the
 * tables though a flush was due. Slow.
 */
#define NPT_TLB_ORACLE (1 << 2)

/**
 * struct npt_tlb_model - TLBs, paging-structure caches, nested TLB and costs
 * @size: sizeof(struct npt_tlb_model)
 * @flags: NPT_TLB_VPID, NPT_TLB_PCID, NPT_TLB_ORACLE
 * @tlb: the TLB arrays; with none, every lookup walks
 * @pwc: the paging-structure caches
 * @ntlb_entries: entries of the nested TLB (gpa -> hpa, LRU), 0: none, up to 65536
 * @ntlb_ways: divides @ntlb_entries; 0 means fully associative
 * @cost: the cost model
 *
 * All zero but @size: no TLB, no cache, no cost.
 */
struct npt_tlb_model {
	__u32 size;
	__u32 flags;
	struct npt_tlb_unit tlb[NPT_TLB_UNITS];
	struct npt_pwc_unit pwc[NPT_PWC_UNITS];
	__u32 ntlb_entries;
	__u32 ntlb_ways;
	struct npt_cost cost;
};

/* --- calls on /dev/npt ------------------------------------------------ */

/* VM flags. */
#define NPT_VM_NO_UNSYNC (1 << 0)	/* shadow: never let a guest table out of sync */

/**
 * struct npt_create_vm - NPT_CREATE_VM: a VM with everything chosen
 * @size: sizeof(struct npt_create_vm)
 * @flags: NPT_VM_*
 * @name: zero-terminated, printable ASCII; empty: "vm<ID>"
 * @engine: enum npt_engine
 * @mmu: enum npt_mmu_mode
 * @nested_format: enum npt_nested_format
 * @nested_levels: 4 or 5; 0: what the hardware uses, soft: 4
 * @leaf_pages: page sizes that nested (and shadow) leaves may have, NPT_PAGE_*;
 *	0: all. NPT_PAGE_4K must be in it. In shadow mode leaves are never
 *	larger than 2 MiB.
 * @max_vcpus: limit for this VM, 0: the module's (NPT_MAX_VCPUS)
 * @max_table_pages: cap on pages of tables, 0: the module's default;
 *	else at least NPT_MIN_TABLE_PAGES
 * @id: out: the VM's id, as netlink knows it
 * @tlb: pointer to a struct npt_tlb_model, 0: the module's default (no TLB)
 * @__reserved: zero
 *
 * Returns a VM file descriptor. KVM_CREATE_VM does the same with all
 * defaults. Errors: EINVAL (a field out of range), EOPNOTSUPP (this machine
 * can't run that engine, mode or format), EBUSY (another hypervisor holds
 * the hardware), EMFILE, ENOSPC (too many VMs).
 */
struct npt_create_vm {
	__u32 size;
	__u32 flags;
	__u8 name[NPT_NAME_LEN];
	__u32 engine;
	__u32 mmu;
	__u32 nested_format;
	__u32 nested_levels;
	__u32 leaf_pages;
	__u32 max_vcpus;
	__u32 max_table_pages;
	__u32 id;
	__aligned_u64 tlb;
	__u64 __reserved[3];
};

#define NPT_CREATE_VM _IO(NPTIO, 0x00)

/* Capability bits of struct npt_caps.features. */
#define NPT_CAP_NETLINK (1 << 0)	/* the generic netlink family "npt" is there */
#define NPT_CAP_UNSYNC (1 << 1)		/* out-of-sync shadow tables */
#define NPT_CAP_DIRTY_LOG (1 << 2)	/* KVM_GET_DIRTY_LOG */

/**
 * struct npt_caps - NPT_GET_CAPS: what this module can do on this machine
 * @size: sizeof(struct npt_caps)
 * @flags: zero
 * @abi_version: out: NPT_ABI_VERSION of the module
 * @engines: out: bit 1 << enum npt_engine for each usable engine
 * @mmu_modes: out: bit 1 << enum npt_mmu_mode
 * @nested_formats: out: bit 1 << enum npt_nested_format
 * @guest_levels: out: bit l set: guests may have l levels of tables (2..5)
 * @nested_levels: out: bit l set: nested tables may have l levels
 * @leaf_pages: out: NPT_PAGE_*
 * @features: out: NPT_CAP_*
 * @max_vms: out: VMs at once
 * @max_vcpus: out: vCPUs per VM
 * @max_slots: out: memslots per VM
 * @max_batch: out: accesses per batch
 * @max_table_pages: out: the largest cap on table pages
 * @default_table_pages: out: the cap where none is given
 * @min_table_pages: out: the smallest cap
 * @counters: out: number of counters in the catalogue
 * @default_engine: out: the parameter engine=, resolved
 * @default_mmu: out: the parameter mmu=
 * @gpa_bits: out: width of guest-physical addresses
 * @__reserved: zero
 */
struct npt_caps {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 engines;
	__u32 mmu_modes;
	__u32 nested_formats;
	__u32 guest_levels;
	__u32 nested_levels;
	__u32 leaf_pages;
	__u32 features;
	__u32 max_vms;
	__u32 max_vcpus;
	__u32 max_slots;
	__u32 max_batch;
	__u32 max_table_pages;
	__u32 default_table_pages;
	__u32 min_table_pages;
	__u32 counters;
	__u32 default_engine;
	__u32 default_mmu;
	__u32 gpa_bits;
	__u32 __reserved[3];
};

#define NPT_GET_CAPS _IO(NPTIO, 0x01)

/* --- calls on a VM (and, where said, on a vCPU) ------------------------ */

/**
 * struct npt_vm_info - NPT_VM_INFO: what was chosen at creation
 * @size: sizeof(struct npt_vm_info)
 * @flags: out: NPT_VM_*
 * @name: out: its name
 * @id: out: its id
 * @engine: out: enum npt_engine, resolved
 * @mmu: out: enum npt_mmu_mode, resolved
 * @nested_format: out: enum npt_nested_format, resolved
 * @nested_levels: out: 4 or 5
 * @leaf_pages: out: NPT_PAGE_*
 * @max_vcpus: out
 * @max_table_pages: out
 * @vcpus: out: vCPUs now
 * @slots: out: memslots now
 * @__reserved: zero
 */
struct npt_vm_info {
	__u32 size;
	__u32 flags;
	__u8 name[NPT_NAME_LEN];
	__u32 id;
	__u32 engine;
	__u32 mmu;
	__u32 nested_format;
	__u32 nested_levels;
	__u32 leaf_pages;
	__u32 max_vcpus;
	__u32 max_table_pages;
	__u32 vcpus;
	__u32 slots;
	__u64 __reserved[2];
};

#define NPT_VM_INFO _IO(NPTIO, 0x10)

/*
 * NPT_GET_TLB, NPT_SET_TLB: read or set the VM's TLB model, with a struct
 * npt_tlb_model. Setting empties every TLB of the VM; the counters stay.
 * Errors: EINVAL (a geometry out of range), EOPNOTSUPP (not empty, and a processor
 * runs the VM: it has TLBs of its own).
 */
#define NPT_GET_TLB _IO(NPTIO, 0x11)
#define NPT_SET_TLB _IO(NPTIO, 0x12)

/* What a flush drops. */
enum npt_flush_scope {
	NPT_FLUSH_ALL,		/* everything, global entries too */
	NPT_FLUSH_TAG,		/* one PCID, global entries stay */
	NPT_FLUSH_ADDRESS,	/* one page in the present PCID, or global (INVLPG) */
};

/**
 * struct npt_flush - NPT_FLUSH: flush TLBs; on a VM fd each vCPU's, else one's
 * @size: sizeof(struct npt_flush)
 * @flags: zero
 * @scope: enum npt_flush_scope
 * @pcid: for NPT_FLUSH_TAG: 0..4095, else zero
 * @gva: for NPT_FLUSH_ADDRESS: any address in the page, else zero
 *
 * A vCPU that is executing a batch is flushed before its next access.
 */
struct npt_flush {
	__u32 size;
	__u32 flags;
	__u32 scope;
	__u32 pcid;
	__aligned_u64 gva;
};

#define NPT_FLUSH _IO(NPTIO, 0x13)

/**
 * struct npt_stats - NPT_STATS: read the counters; on a VM fd the sum, else one vCPU's
 * @size: sizeof(struct npt_stats)
 * @flags: zero
 * @count: in: room in @values; out: number of counters in the catalogue
 * @__reserved: zero
 * @values: pointer to __u64[@count], indexed by enum npt_counter; no more
 *	than @count are written. On a vCPU fd, counters of scope vm read 0.
 */
struct npt_stats {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 __reserved;
	__aligned_u64 values;
};

#define NPT_STATS _IO(NPTIO, 0x14)

/* --- calls on a vCPU --------------------------------------------------- */

/* What a record of a batch does. */
enum npt_op {
	NPT_OP_READ,		/* data read of @size bytes at @gva */
	NPT_OP_WRITE,		/* data write */
	NPT_OP_FETCH,		/* instruction fetch */
	NPT_OP_INVLPG,		/* INVLPG @gva */
	NPT_OP_MOV_CR3,		/* load CR3 with @gva (bit 63: keep the PCID's entries) */
	NPT_OP_FLUSH,		/* the guest flushes everything (as by toggling CR4.PGE) */
	NPT_OP_SWITCH,		/* another VM ran on this CPU in between */
	NPT_OP_NR
};

/* Flags of a record. */
#define NPT_ACCESS_USER (1 << 0)	/* at CPL 3; else supervisor */
/* @data is an offset into the batch's data area: bytes to write, or room for those read. */
#define NPT_ACCESS_DATA (1 << 1)
/* @gva is a guest-physical address: no TLB, no guest table. */
#define NPT_ACCESS_PHYS (1 << 2)

/* Largest size of one access in bytes. */
#define NPT_ACCESS_MAX_SIZE 65535

/**
 * struct npt_access - one record of a batch
 * @gva: address (or operand, see enum npt_op)
 * @size: bytes, 1..65535, for read, write and fetch; else 0
 * @op: enum npt_op
 * @flags: NPT_ACCESS_*
 * @data: offset into the batch's data area with NPT_ACCESS_DATA, else ignored
 */
struct npt_access {
	__aligned_u64 gva;
	__u16 size;
	__u8 op;
	__u8 flags;
	__u32 data;
};

/* How an access ended. */
enum npt_status {
	NPT_STATUS_OK,
	NPT_STATUS_GUEST_PF,	/* #PF: @error_code and @cr2 say why */
	NPT_STATUS_GUEST_GP,	/* #GP(0): non-canonical address, or a CR3 that MOV refuses */
	NPT_STATUS_MMIO,	/* no memslot at @gpa */
	NPT_STATUS_READONLY,	/* write to a read-only memslot at @gpa */
	/* The host can't give the page behind @gpa: unmapped, no rights, device memory. */
	NPT_STATUS_HOST_FAULT,
	NPT_STATUS_BAD_RECORD,	/* the record itself is malformed */
	NPT_STATUS_NR
};

/* Where the translation came from. */
enum npt_source {
	NPT_SOURCE_NONE,
	NPT_SOURCE_L1,
	NPT_SOURCE_L2,
	NPT_SOURCE_WALK,
};

/**
 * struct npt_access_result - how one access ended
 * @gpa: guest-physical address of the first byte that @status speaks of
 * @cr2: guest-virtual address that faulted, else 0
 * @error_code: of the #PF (SDM vol. 3A, 4.7), else 0
 * @status: enum npt_status
 * @source: enum npt_source of the last page touched
 * @page_shift: 12, 21 or 30: size of the translation (a 4 MiB page counts as two
 *	of 2 MiB); 0 if there is none
 * @__reserved: 0
 * @refs_guest: table entries read in the guest dimension for this access
 * @refs_nested: likewise in the nested dimension
 */
struct npt_access_result {
	__aligned_u64 gpa;
	__aligned_u64 cr2;
	__u32 error_code;
	__u8 status;
	__u8 source;
	__u8 page_shift;
	__u8 __reserved;
	__u32 refs_guest;
	__u32 refs_nested;
};

/* Batch flags. */
#define NPT_BATCH_STOP (1 << 0)		/* stop at the first access that does not end OK */

/* Accesses in one batch. */
#define NPT_MAX_BATCH (1 << 20)
/* Bytes in one batch's data area. */
#define NPT_MAX_BATCH_DATA (16 << 20)

/**
 * struct npt_batch - NPT_BATCH: execute accesses on a vCPU of the soft engine
 * @size: sizeof(struct npt_batch)
 * @flags: NPT_BATCH_*
 * @accesses: pointer to struct npt_access[@count]
 * @results: pointer to struct npt_access_result[@count], or 0
 * @data: pointer to the data area, or 0 with @data_len 0
 * @data_len: bytes in the data area, up to NPT_MAX_BATCH_DATA
 * @count: number of accesses, up to NPT_MAX_BATCH
 * @pkru: the PKRU register during the batch
 * @done: out: accesses executed; with NPT_BATCH_STOP the one at index
 *	@done - 1 is the one that did not end OK
 * @failed: out: accesses of these that did not end OK
 * @__reserved: zero
 *
 * Each record is read once. Side effects are those of exactly @done
 * accesses. A signal, or want of memory for tables, ends a batch early: the call
 * gives 0 and @done says how far it came; if nothing was executed at all it gives
 * EINTR or ENOMEM.
 * Errors: EOPNOTSUPP (not the soft engine), EINVAL.
 */
struct npt_batch {
	__u32 size;
	__u32 flags;
	__aligned_u64 accesses;
	__aligned_u64 results;
	__aligned_u64 data;
	__u32 data_len;
	__u32 count;
	__u32 pkru;
	__u32 done;
	__u32 failed;
	__u32 __reserved[3];
};

#define NPT_BATCH _IO(NPTIO, 0x20)

/* Which table an entry of a walk belongs to. */
enum npt_dim {
	NPT_DIM_GUEST,
	NPT_DIM_NESTED,
	NPT_DIM_SHADOW,
};

/* What decided at an entry; 0: the walk went on, or ended well. */
enum npt_verdict {
	NPT_VERDICT_NEXT,		/* points to the next table */
	NPT_VERDICT_LEAF,		/* maps a page, allowed */
	NPT_VERDICT_NOT_PRESENT,	/* P (EPT: R, W and X) clear */
	NPT_VERDICT_RESERVED,		/* a reserved bit is set (EPT: misconfiguration) */
	NPT_VERDICT_WRITE,		/* W clear somewhere on the path */
	NPT_VERDICT_USER,		/* U clear somewhere on the path */
	NPT_VERDICT_NX,			/* NX set (EPT: X clear) somewhere on the path */
	NPT_VERDICT_SMEP,		/* CR4.SMEP: supervisor fetch from a user page */
	NPT_VERDICT_SMAP,		/* CR4.SMAP: supervisor access to a user page, AC clear */
	NPT_VERDICT_PKEY,		/* PKRU denies the page's key */
	NPT_VERDICT_NO_SLOT,		/* nested: no memslot there */
	NPT_VERDICT_NR
};

/**
 * struct npt_walk_entry - one table entry read by a walk
 * @address: guest dimension: gpa of the entry; nested and shadow: hpa of the
 *	entry, 0 without CAP_SYS_ADMIN
 * @value: the entry as read; host frame numbers are 0 without CAP_SYS_ADMIN
 * @input: the address that this dimension translates (gva or gpa)
 * @dim: enum npt_dim
 * @level: 5..1
 * @index: index into the table
 * @verdict: enum npt_verdict
 * @bit: number of the bit in @value that decided, 255 if none
 * @guest_level: nested: the guest level that this nested walk serves, 0 for the data page
 * @cached: 1 if a TLB model of this geometry would now find it in a cache (always 0 today)
 */
struct npt_walk_entry {
	__aligned_u64 address;
	__aligned_u64 value;
	__aligned_u64 input;
	__u8 dim;
	__u8 level;
	__u16 index;
	__u8 verdict;
	__u8 bit;
	__u8 guest_level;
	__u8 cached;
};

/* Entries of the longest walk: 5 guest levels x 5 nested and the data page. */
#define NPT_WALK_MAX 40

/* Explain flags. */
#define NPT_EXPLAIN_FILL (1 << 0)	/* mend nested and shadow faults first */

/**
 * struct npt_explain - NPT_EXPLAIN: every entry that a translation reads, in order
 * @size: sizeof(struct npt_explain)
 * @flags: NPT_EXPLAIN_FILL
 * @gva: address
 * @op: NPT_OP_READ, NPT_OP_WRITE or NPT_OP_FETCH
 * @user: 1: at CPL 3
 * @pkru: PKRU register
 * @count: in: room in @entries; out: entries of the walk, never over NPT_WALK_MAX
 * @entries: pointer to struct npt_walk_entry[@count]
 * @gpa: out: where it leads, if @status is OK, MMIO or READONLY
 * @hpa: out: likewise, host-physical; 0 without CAP_SYS_ADMIN
 * @error_code: out: #PF error code if @status is GUEST_PF
 * @status: out: enum npt_status; a nested or shadow fault that an access
 *	would mend reads as HOST_FAULT here unless NPT_EXPLAIN_FILL is set
 * @page_shift: out: size of the translation: the smaller of both dimensions
 * @refs_guest: out: entries of the guest dimension (shadow: of shadow tables)
 * @refs_nested: out: entries of the nested dimension
 * @__reserved: zero
 *
 * Looks at the tables only: no TLB, no cache, no counter is touched, no
 * accessed or dirty bit is set. In shadow mode the shadow tables are walked first
 * (NPT_DIM_SHADOW), then the guest's tables that they were made from.
 */
struct npt_explain {
	__u32 size;
	__u32 flags;
	__aligned_u64 gva;
	__u32 op;
	__u32 user;
	__u32 pkru;
	__u32 count;
	__aligned_u64 entries;
	__aligned_u64 gpa;
	__aligned_u64 hpa;
	__u32 error_code;
	__u32 status;
	__u32 page_shift;
	__u32 refs_guest;
	__u32 refs_nested;
	__u32 __reserved[3];
};

#define NPT_EXPLAIN _IO(NPTIO, 0x21)

/* --- limits (module/limits.h says why) --------------------------------- */

/*
 * hardware_entry_failure_reason of KVM_EXIT_FAIL_ENTRY, when no processor
 * refused the guest's state (that is the processor's exit code, all ones on
 * AMD): virtualisation is off on the CPU that the vCPU's thread runs on.
 */
#define NPT_FAIL_ENTRY_CPU_OFF	1

#define NPT_MAX_VMS 65536
#define NPT_MAX_VCPUS 1024
#define NPT_MAX_SLOTS 32764
#define NPT_MIN_TABLE_PAGES 128
#define NPT_GPA_BITS 52

#endif /* _UAPI_LINUX_NPT_H */
