/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libnpt: VMs, memory, page tables, accesses and counters of npt from C.
 *
 * The same calls drive two backends: the kernel module through /dev/npt, and the
 * module's own core linked into this library ("in-process"), which needs neither
 * module nor privilege.
 *
 * Functions that return int give 0 (or a count) on success and a negative errno on
 * failure; npt_error() then has one line of text. Objects may be used by one
 * thread at a time, different vCPUs of a module's VM by different threads.
 * In-process objects all belong to one thread. A child of fork() can't use them.
 *
 * Traces are in <npt/trace.h>, netlink in <npt/nl.h>, TLB descriptions in
 * <npt/tlbspec.h>, machines that run real guests in <npt/machine.h>.
 */
#ifndef LIBNPT_H
#define LIBNPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/npt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** NPT_DEVICE_PATH - where the module is found */
#define NPT_DEVICE_PATH "/dev/npt"

struct npt_device;
struct npt_vm;
struct npt_vcpu;
struct npt_memory;
struct npt_pt;

/**
 * npt_error() - one line about the last failure of a call of this thread
 * Return: text without a newline, "" if nothing has failed; valid until the next call
 */
const char *npt_error(void);

/**
 * npt_version() - the library's version
 * Return: a constant string such as "0.1"
 */
const char *npt_version(void);

/* --- devices ------------------------------------------------------------ */

/**
 * npt_device_open() - open the module
 * @path: device file, NULL for NPT_DEVICE_PATH
 * @dev: set to the new device
 *
 * Return: 0, -errno of open(2) (-ENOENT: not loaded, -EACCES: no permission),
 * -ENOTTY if that file is something else, -EPROTO if its ABI is unknown
 */
int npt_device_open(const char *path, struct npt_device **dev);

/**
 * npt_device_open_kvm() - open a device that takes KVM's calls and no others
 * @path: device file, such as "/dev/kvm"
 * @dev: set to the new device
 *
 * VMs on it have KVM's choices: npt_vm_create() takes none. What KVM has no call for
 * (counters, batches, explanations, TLB models) gives -EOPNOTSUPP.
 *
 * Return: 0, -errno of open(2), -ENOTTY if that file is something else, -EPROTO
 */
int npt_device_open_kvm(const char *path, struct npt_device **dev);

/**
 * npt_device_open_inproc() - use the core that is linked into this library
 * @dev: set to the new device
 * Return: 0 or -ENOMEM
 */
int npt_device_open_inproc(struct npt_device **dev);

/**
 * npt_device_close() - close a device
 * @dev: the device, or NULL; its VMs must be gone
 */
void npt_device_close(struct npt_device *dev);

/**
 * npt_device_is_inproc() - which backend is this?
 * @dev: the device
 * Return: true for the core in this process, false for the module
 */
bool npt_device_is_inproc(const struct npt_device *dev);

/**
 * npt_device_is_kvm() - was it opened by npt_device_open_kvm()?
 * @dev: the device
 * Return: true if so
 */
bool npt_device_is_kvm(const struct npt_device *dev);

/**
 * npt_device_fd() - the descriptor of /dev/npt, for ioctls of your own
 * @dev: the device
 * Return: the descriptor, -1 in-process
 */
int npt_device_fd(const struct npt_device *dev);

/**
 * npt_device_caps() - what it can do
 * @dev: the device
 * @caps: filled
 * Return: 0 or -errno
 */
int npt_device_caps(struct npt_device *dev, struct npt_caps *caps);

/* --- VMs ---------------------------------------------------------------- */

/**
 * struct npt_vm_options - choices for a VM; all zero means all defaults
 * @name: its name, NULL: "vm<ID>"; at most NPT_NAME_LEN - 1 printable characters
 * @engine: enum npt_engine
 * @mmu: enum npt_mmu_mode
 * @nested_format: enum npt_nested_format
 * @nested_levels: 4, 5 or 0
 * @leaf_pages: sizes that nested and shadow leaves may have, NPT_PAGE_*, 0: all
 * @max_vcpus: limit of vCPUs, 0: the module's
 * @max_table_pages: cap on pages of tables, 0: the module's
 * @flags: NPT_VM_*
 * @tlb: TLB model, NULL: none
 */
struct npt_vm_options {
	const char *name;
	uint32_t engine;
	uint32_t mmu;
	uint32_t nested_format;
	uint32_t nested_levels;
	uint32_t leaf_pages;
	uint32_t max_vcpus;
	uint32_t max_table_pages;
	uint32_t flags;
	const struct npt_tlb_model *tlb;
};

/**
 * npt_vm_create() - create a VM
 * @dev: the device
 * @opts: the choices, NULL: all defaults
 * @vm: set to the new VM
 * Return: 0 or -errno, see NPT_CREATE_VM in <linux/npt.h>
 */
int npt_vm_create(struct npt_device *dev, const struct npt_vm_options *opts,
		  struct npt_vm **vm);

/**
 * npt_vm_destroy() - give up a VM
 * @vm: the VM, or NULL; its vCPUs must be gone. Its memory goes with it.
 */
void npt_vm_destroy(struct npt_vm *vm);

/**
 * npt_vm_fd() - the VM's descriptor, for ioctls of your own
 * @vm: the VM
 * Return: the descriptor, -1 in-process
 */
int npt_vm_fd(const struct npt_vm *vm);

/**
 * npt_vm_id() - the VM's id, as netlink knows it
 * @vm: the VM
 * Return: the id, 0 in-process
 */
uint32_t npt_vm_id(const struct npt_vm *vm);

/**
 * npt_vm_device() - where it was created
 * @vm: the VM
 * Return: the device
 */
struct npt_device *npt_vm_device(const struct npt_vm *vm);

/**
 * npt_vm_info() - what was chosen at creation
 * @vm: the VM
 * @info: filled
 * Return: 0 or -errno
 */
int npt_vm_info(struct npt_vm *vm, struct npt_vm_info *info);

/**
 * npt_vm_get_tlb() - read the TLB model
 * @vm: the VM
 * @model: filled
 * Return: 0 or -errno
 */
int npt_vm_get_tlb(struct npt_vm *vm, struct npt_tlb_model *model);

/**
 * npt_vm_set_tlb() - change the TLB model; every TLB of the VM is emptied
 * @vm: the VM
 * @model: the new model; its size field is set by this call
 * Return: 0, -EINVAL for a geometry out of range, -errno
 */
int npt_vm_set_tlb(struct npt_vm *vm, const struct npt_tlb_model *model);

/**
 * npt_vm_flush() - flush the TLBs of every vCPU
 * @vm: the VM
 * @scope: enum npt_flush_scope
 * @pcid: for NPT_FLUSH_TAG, else 0
 * @gva: for NPT_FLUSH_ADDRESS, else 0
 * Return: 0 or -errno
 */
int npt_vm_flush(struct npt_vm *vm, uint32_t scope, uint32_t pcid, uint64_t gva);

/**
 * npt_vm_stats() - read the counters: those of the VM and the sum over its vCPUs
 * @vm: the VM
 * @values: array indexed by enum npt_counter
 * @count: its length; counters beyond the module's catalogue read 0
 * Return: 0 or -errno
 */
int npt_vm_stats(struct npt_vm *vm, uint64_t *values, uint32_t count);

/* --- guest memory ------------------------------------------------------- */

/**
 * enum npt_memory_pages - what host pages shall back guest memory
 * @NPT_MEMORY_DEFAULT: whatever the host does by itself
 * @NPT_MEMORY_4K: no large pages
 * @NPT_MEMORY_THP: transparent large pages of 2 MiB, as far as the host has them
 * @NPT_MEMORY_HUGETLB_2M: reserved pages of 2 MiB, or failure
 * @NPT_MEMORY_HUGETLB_1G: reserved pages of 1 GiB, or failure
 *
 * In-process every one but NPT_MEMORY_DEFAULT (which is NPT_MEMORY_THP there)
 * gives exactly these sizes, because the host's pages don't matter.
 */
enum npt_memory_pages {
	NPT_MEMORY_DEFAULT,
	NPT_MEMORY_4K,
	NPT_MEMORY_THP,
	NPT_MEMORY_HUGETLB_2M,
	NPT_MEMORY_HUGETLB_1G,
};

/** NPT_MEMORY_READONLY - the guest can't write (KVM_MEM_READONLY) */
#define NPT_MEMORY_READONLY	(1 << 0)
/** NPT_MEMORY_DIRTY_LOG - log what the guest writes (KVM_MEM_LOG_DIRTY_PAGES) */
#define NPT_MEMORY_DIRTY_LOG	(1 << 1)
/** NPT_MEMORY_POPULATE - have the host allocate it all now */
#define NPT_MEMORY_POPULATE	(1 << 2)

/**
 * struct npt_memory_options - choices for a piece of guest memory
 * @slot: number of the memslot
 * @pages: enum npt_memory_pages
 * @flags: NPT_MEMORY_*
 * @gpa: where the guest sees it, multiple of 4096
 * @size: bytes, multiple of 4096 (of the page size with large pages)
 */
struct npt_memory_options {
	uint32_t slot;
	uint32_t pages;
	uint32_t flags;
	uint64_t gpa;
	uint64_t size;
};

/**
 * npt_memory_add() - give memory to a VM
 * @vm: the VM
 * @opts: the choices
 * @mem: set to the new memory, which is zero
 * Return: 0, -EINVAL, -EEXIST (overlaps another slot), -ENOMEM, -errno
 */
int npt_memory_add(struct npt_vm *vm, const struct npt_memory_options *opts,
		   struct npt_memory **mem);

/**
 * npt_memory_remove() - take memory away from its VM and free it
 * @mem: the memory, or NULL
 * Return: 0 or -errno; then it is still there
 */
int npt_memory_remove(struct npt_memory *mem);

/**
 * npt_memory_ptr() - where this process sees a guest-physical address
 * @vm: the VM
 * @gpa: address
 * @len: bytes that must follow in one piece of memory
 * Return: a pointer, NULL if that isn't all one piece of npt_memory_add()
 */
void *npt_memory_ptr(struct npt_vm *vm, uint64_t gpa, uint64_t len);

/**
 * npt_memory_huge_bytes() - how much of it large host pages back
 * @mem: the memory
 * Return: bytes
 */
uint64_t npt_memory_huge_bytes(const struct npt_memory *mem);

/* --- vCPUs -------------------------------------------------------------- */

/**
 * npt_vcpu_create() - add a vCPU with paging off
 * @vm: the VM
 * @index: its number
 * @vcpu: set to the new vCPU
 * Return: 0, -EEXIST, -EINVAL (index out of range), -errno
 */
int npt_vcpu_create(struct npt_vm *vm, uint32_t index, struct npt_vcpu **vcpu);

/**
 * npt_vcpu_destroy() - give up a vCPU
 * @vcpu: the vCPU, or NULL
 */
void npt_vcpu_destroy(struct npt_vcpu *vcpu);

/**
 * npt_vcpu_fd() - its descriptor, for ioctls of your own
 * @vcpu: the vCPU
 * Return: the descriptor, -1 in-process
 */
int npt_vcpu_fd(const struct npt_vcpu *vcpu);

/**
 * npt_vcpu_get_sregs() - read control and segment registers
 * @vcpu: the vCPU
 * @sregs: filled; in-process CR0, CR3, CR4 and EFER only
 * Return: 0 or -errno
 */
int npt_vcpu_get_sregs(struct npt_vcpu *vcpu, struct kvm_sregs *sregs);

/**
 * npt_vcpu_set_sregs() - set control and segment registers
 * @vcpu: the vCPU
 * @sregs: new values
 * Return: 0, -EINVAL for a combination that the architecture refuses, -errno
 */
int npt_vcpu_set_sregs(struct npt_vcpu *vcpu, const struct kvm_sregs *sregs);

/**
 * npt_vcpu_get_regs() - read general registers
 * @vcpu: the vCPU
 * @regs: filled
 * Return: 0 or -errno
 */
int npt_vcpu_get_regs(struct npt_vcpu *vcpu, struct kvm_regs *regs);

/**
 * npt_vcpu_set_regs() - set general registers; the soft engine looks at RFLAGS.AC
 * @vcpu: the vCPU
 * @regs: new values
 * Return: 0 or -errno
 */
int npt_vcpu_set_regs(struct npt_vcpu *vcpu, const struct kvm_regs *regs);

/** NPT_PAGING_WP - supervisor writes obey the writable bit (CR0.WP) */
#define NPT_PAGING_WP		(1 << 0)
/** NPT_PAGING_NX - no-execute (EFER.NXE) */
#define NPT_PAGING_NX		(1 << 1)
/** NPT_PAGING_SMEP - no supervisor fetch from user pages (CR4.SMEP) */
#define NPT_PAGING_SMEP		(1 << 2)
/** NPT_PAGING_SMAP - no supervisor access to user pages (CR4.SMAP) */
#define NPT_PAGING_SMAP		(1 << 3)
/** NPT_PAGING_PKE - protection keys (CR4.PKE), 4 and 5 levels */
#define NPT_PAGING_PKE		(1 << 4)
/** NPT_PAGING_GLOBAL - global pages (CR4.PGE) */
#define NPT_PAGING_GLOBAL	(1 << 5)
/** NPT_PAGING_PCID - process-context identifiers (CR4.PCIDE), 4 and 5 levels */
#define NPT_PAGING_PCID		(1 << 6)
/** NPT_PAGING_NO_PSE - 32-bit tables without 4 MiB pages (CR4.PSE clear) */
#define NPT_PAGING_NO_PSE	(1 << 7)

/**
 * npt_vcpu_set_paging() - put a vCPU into a paging mode
 * @vcpu: the vCPU
 * @levels: 2 (32-bit), 3 (PAE), 4 or 5; 0: paging off
 * @root: gpa of the root table, what CR3 gets
 * @flags: NPT_PAGING_*
 *
 * Sets CR0, CR3, CR4, EFER and flat segments, as an operating system of that
 * kind would have them.
 *
 * Return: 0, -EINVAL for levels, flags or a root that this mode can't have, -errno
 */
int npt_vcpu_set_paging(struct npt_vcpu *vcpu, unsigned int levels, uint64_t root,
			uint32_t flags);

/**
 * npt_vcpu_batch() - execute accesses
 * @vcpu: the vCPU
 * @batch: as NPT_BATCH takes it; its size field is set by this call
 * Return: 0 or -errno; @batch says how many were done
 */
int npt_vcpu_batch(struct npt_vcpu *vcpu, struct npt_batch *batch);

/**
 * npt_vcpu_execute() - execute accesses, all of them, whatever their number
 * @vcpu: the vCPU
 * @accesses: array of @n
 * @results: array of @n, or NULL
 * @n: how many
 * @failed: grows by the number that did not end OK; may be NULL
 *
 * Splits into batches and goes on after signals.
 *
 * Return: 0 or -errno
 */
int npt_vcpu_execute(struct npt_vcpu *vcpu, const struct npt_access *accesses,
		     struct npt_access_result *results, size_t n, uint64_t *failed);

/**
 * npt_vcpu_access() - execute one access of one byte
 * @vcpu: the vCPU
 * @gva: address
 * @op: NPT_OP_READ, NPT_OP_WRITE or NPT_OP_FETCH
 * @flags: NPT_ACCESS_USER and NPT_ACCESS_PHYS
 * @result: filled; may be NULL
 * Return: 0 or -errno
 */
int npt_vcpu_access(struct npt_vcpu *vcpu, uint64_t gva, uint8_t op, uint8_t flags,
		    struct npt_access_result *result);

/**
 * npt_vcpu_explain() - every table entry that a translation reads
 * @vcpu: the vCPU
 * @explain: as NPT_EXPLAIN takes it; size, count and entries are set by this call
 * @entries: room for NPT_WALK_MAX entries
 * Return: 0 or -errno
 */
int npt_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *explain,
		     struct npt_walk_entry *entries);

/**
 * npt_vcpu_flush() - flush one vCPU's TLBs
 * @vcpu: the vCPU
 * @scope: enum npt_flush_scope
 * @pcid: for NPT_FLUSH_TAG, else 0
 * @gva: for NPT_FLUSH_ADDRESS, else 0
 * Return: 0 or -errno
 */
int npt_vcpu_flush(struct npt_vcpu *vcpu, uint32_t scope, uint32_t pcid, uint64_t gva);

/**
 * npt_vcpu_stats() - read the counters of one vCPU; those of scope vm read 0
 * @vcpu: the vCPU
 * @values: array indexed by enum npt_counter
 * @count: its length
 * Return: 0 or -errno
 */
int npt_vcpu_stats(struct npt_vcpu *vcpu, uint64_t *values, uint32_t count);

/* --- words for what an explanation says --------------------------------- */

/**
 * npt_status_name() - a word for how an access ended
 * @status: enum npt_status
 * Return: "ok", "guest-pf", ...; "?" for an unknown number
 */
const char *npt_status_name(unsigned int status);

/**
 * npt_verdict_name() - a word for what decided at an entry
 * @verdict: enum npt_verdict
 * Return: "next", "leaf", "not-present", ...; "?" for an unknown number
 */
const char *npt_verdict_name(unsigned int verdict);

/**
 * npt_verdict_text() - the same as half a sentence
 * @verdict: enum npt_verdict
 * Return: a constant string
 */
const char *npt_verdict_text(unsigned int verdict);

/**
 * npt_mmu_name() - the name of an MMU mode
 * @mmu: enum npt_mmu_mode
 * Return: "native", "shadow", "nested", "default"; "?" for an unknown number
 */
const char *npt_mmu_name(unsigned int mmu);

/**
 * npt_mmu_by_name() - find an MMU mode
 * @name: "native", "shadow" or "nested"
 * Return: enum npt_mmu_mode, -EINVAL for another name
 */
int npt_mmu_by_name(const char *name);

/**
 * npt_engine_name() - the name of an engine
 * @engine: enum npt_engine
 * Return: "soft", "svm", "vmx", "auto", "default"; "?" for an unknown number
 */
const char *npt_engine_name(unsigned int engine);

/**
 * npt_nested_format_name() - the name of a format of nested tables
 * @format: enum npt_nested_format
 * Return: "npt", "ept", "default"; "?" for an unknown number
 */
const char *npt_nested_format_name(unsigned int format);

/**
 * npt_page_name() - the name of a page size
 * @shift: 12, 21, 22 or 30
 * Return: "4k", "2m", "4m", "1g"; "?" for another size
 */
const char *npt_page_name(unsigned int shift);

/**
 * npt_page_by_name() - find a page size
 * @name: "4k", "2m" or "1g", in either case
 * Return: 12, 21 or 30; -EINVAL for another name
 */
int npt_page_by_name(const char *name);

/* --- counters ----------------------------------------------------------- */

/** enum npt_counter_scope - who keeps a counter */
enum npt_counter_scope { NPT_SCOPE_vcpu, NPT_SCOPE_vm };

/** enum npt_counter_type - how it behaves */
enum npt_counter_type { NPT_TYPE_counter, NPT_TYPE_gauge };

/**
 * struct npt_counter_info - an entry of the catalogue
 * @name: its name everywhere
 * @scope: enum npt_counter_scope
 * @type: enum npt_counter_type
 * @unit: what one count is
 * @text: what it means
 */
struct npt_counter_info {
	const char *name;
	uint8_t scope;
	uint8_t type;
	const char *unit;
	const char *text;
};

/**
 * npt_counter_info() - look into the catalogue
 * @counter: enum npt_counter
 * Return: the entry, NULL for a number that the library doesn't know
 */
const struct npt_counter_info *npt_counter_info(unsigned int counter);

/**
 * npt_counter_by_name() - find a counter
 * @name: its name
 * Return: enum npt_counter, -ENOENT for an unknown name
 */
int npt_counter_by_name(const char *name);

/**
 * struct npt_law - two sums of counters that are equal while nothing runs
 * @name: name of the law
 * @left: a sum: names of counters joined by "+", each with an optional factor,
 *	as in "4096*pages_4k + mapped_bytes"
 * @right: the other sum
 */
struct npt_law {
	const char *name;
	const char *left;
	const char *right;
};

/**
 * struct npt_law_result - a law put to the test
 * @law: the law
 * @left: value of its left side
 * @right: value of its right side
 * @ok: they are equal
 */
struct npt_law_result {
	const struct npt_law *law;
	uint64_t left;
	uint64_t right;
	bool ok;
};

/**
 * npt_laws() - the laws of the catalogue
 * @count: set to their number
 * Return: an array
 */
const struct npt_law *npt_laws(size_t *count);

/**
 * npt_law_check() - does a law hold?
 * @law: the law, from npt_laws() or your own
 * @values: counters, indexed by enum npt_counter
 * @count: length of @values; a law that names a counter beyond it is malformed
 * @result: filled
 * Return: 0 if it could be told, -EINVAL if the law is malformed
 */
int npt_law_check(const struct npt_law *law, const uint64_t *values, size_t count,
		  struct npt_law_result *result);

/**
 * npt_laws_check() - do all the laws hold?
 * @values: counters, indexed by enum npt_counter
 * @count: length of @values
 * @results: room for as many results as there are laws, or NULL
 * Return: the number of laws that don't hold, -EINVAL if one is malformed
 */
int npt_laws_check(const uint64_t *values, size_t count, struct npt_law_result *results);

/* --- the guest's page tables -------------------------------------------- */

/** NPT_PT_WRITE - may be written (R/W bit) */
#define NPT_PT_WRITE		(1 << 0)
/** NPT_PT_USER - may be reached by CPL 3 (U/S bit) */
#define NPT_PT_USER		(1 << 1)
/** NPT_PT_NX - may not be executed (PAE, 4 and 5 levels) */
#define NPT_PT_NX		(1 << 2)
/** NPT_PT_GLOBAL - global page */
#define NPT_PT_GLOBAL		(1 << 3)
/** NPT_PT_ACCESSED - accessed bit set from the start, on the whole path */
#define NPT_PT_ACCESSED		(1 << 4)
/** NPT_PT_DIRTY - dirty bit set from the start */
#define NPT_PT_DIRTY		(1 << 5)
/** NPT_PT_PKEY - the flags' bits for protection key @key (4 and 5 levels) */
#define NPT_PT_PKEY(key)	((uint32_t)(key) << 8)
/** NPT_PT_PKEY_MASK - these bits */
#define NPT_PT_PKEY_MASK	NPT_PT_PKEY(15)

/**
 * struct npt_pt_options - how to build guest page tables
 * @levels: 2 (32-bit), 3 (PAE), 4 or 5
 * @gpa: start of the region that tables are placed in, multiple of 4096, not 0
 * @size: its bytes, multiple of 4096
 * @random: place tables in random order instead of one after the other
 * @seed: of that order; the same seed gives the same order
 * @writer: vCPU whose guest-physical writes change entries, so that shadow tables
 *	see each change as the guest's own; NULL: write straight into memory
 */
struct npt_pt_options {
	unsigned int levels;
	uint64_t gpa;
	uint64_t size;
	bool random;
	uint64_t seed;
	struct npt_vcpu *writer;
};

/**
 * npt_pt_create() - start page tables with an empty root
 * @vm: the VM; the region of tables must lie in one piece of its memory
 * @opts: the choices
 * @pt: set to the new tables
 * Return: 0, -EINVAL (levels or region), -ENOSPC (no room for the root), -ENOMEM
 */
int npt_pt_create(struct npt_vm *vm, const struct npt_pt_options *opts, struct npt_pt **pt);

/**
 * npt_pt_destroy() - forget page tables; what is in guest memory stays
 * @pt: the tables, or NULL
 */
void npt_pt_destroy(struct npt_pt *pt);

/**
 * npt_pt_root() - where the root table is: the value for CR3
 * @pt: the tables
 * Return: gpa
 */
uint64_t npt_pt_root(const struct npt_pt *pt);

/**
 * npt_pt_levels() - how many levels they have
 * @pt: the tables
 * Return: 2..5
 */
unsigned int npt_pt_levels(const struct npt_pt *pt);

/**
 * npt_pt_map() - map one page
 * @pt: the tables
 * @gva: address, multiple of the page's size, canonical
 * @gpa: where it shall lead, likewise
 * @shift: size of the page: 12, 21 (PAE, 4, 5 levels), 22 (32-bit), 30 (4, 5 levels)
 * @flags: NPT_PT_*
 *
 * The same page may be mapped anew (another target or other flags).
 *
 * Return: 0, -EINVAL (alignment, size or flags that this format lacks, an address
 * that is not canonical or too wide), -EEXIST (a page of another size is there,
 * or smaller ones are), -ENOSPC (no room for tables)
 */
int npt_pt_map(struct npt_pt *pt, uint64_t gva, uint64_t gpa, unsigned int shift,
	       uint32_t flags);

/**
 * npt_pt_map_range() - map many pages of one size
 * @pt: the tables
 * @gva: first address
 * @gpa: where it shall lead
 * @size: bytes, multiple of the page's size
 * @shift: size of the pages
 * @flags: NPT_PT_*
 * Return: as npt_pt_map(); on failure pages before the bad one stay mapped
 */
int npt_pt_map_range(struct npt_pt *pt, uint64_t gva, uint64_t gpa, uint64_t size,
		     unsigned int shift, uint32_t flags);

/**
 * npt_pt_protect() - change the flags of a mapped page
 * @pt: the tables
 * @gva: any address in the page
 * @flags: NPT_PT_*
 *
 * Changes guest memory only; flushing is the caller's affair.
 *
 * Return: 0, -ENOENT (nothing mapped there), -EINVAL (flags)
 */
int npt_pt_protect(struct npt_pt *pt, uint64_t gva, uint32_t flags);

/**
 * npt_pt_unmap() - unmap a page; tables that become empty stay
 * @pt: the tables
 * @gva: any address in the page
 * Return: 0 or -ENOENT
 */
int npt_pt_unmap(struct npt_pt *pt, uint64_t gva);

/**
 * struct npt_pt_leaf - what npt_pt_query() found
 * @gpa: where the address leads
 * @shift: size of the page
 * @flags: NPT_PT_* of the leaf
 * @entry_gpa: where the leaf's entry lies
 * @entry: its value
 */
struct npt_pt_leaf {
	uint64_t gpa;
	unsigned int shift;
	uint32_t flags;
	uint64_t entry_gpa;
	uint64_t entry;
};

/**
 * npt_pt_query() - what is mapped there?
 * @pt: the tables
 * @gva: address
 * @leaf: filled
 * Return: 0 or -ENOENT
 */
int npt_pt_query(const struct npt_pt *pt, uint64_t gva, struct npt_pt_leaf *leaf);

/**
 * npt_pt_tables() - pages of tables in use, the root included
 * @pt: the tables
 * Return: how many
 */
uint64_t npt_pt_tables(const struct npt_pt *pt);

/**
 * npt_pt_bytes() - bytes of tables in use (4096 each; PAE's root counts in full)
 * @pt: the tables
 * Return: bytes
 */
uint64_t npt_pt_bytes(const struct npt_pt *pt);

/**
 * npt_pt_mapped() - bytes mapped now
 * @pt: the tables
 * Return: bytes
 */
uint64_t npt_pt_mapped(const struct npt_pt *pt);

/**
 * npt_pt_references() - entries that a walk of so many levels reads
 * @guest: entries of the guest dimension
 * @nested: entries of one nested walk, 0: one dimension only
 * Return: (guest + 1) * (nested + 1) - 1
 */
unsigned int npt_pt_references(unsigned int guest, unsigned int nested);

/* --- replay ------------------------------------------------------------- */

struct npt_trace_reader;

/**
 * struct npt_replay_options - how to replay a trace; start from npt_replay_defaults()
 * @mmu: MMU modes, enum npt_mmu_mode
 * @nr_mmu: how many
 * @page: page sizes as shifts (12, 21, 30)
 * @nr_page: how many
 * @guest_levels: 2, 3, 4 or 5
 * @nested_levels: 4 or 5
 * @nested_format: enum npt_nested_format
 * @tlb: TLB model, with its costs
 * @name: name of the VMs, NULL: "replay"
 * @random: place data pages and tables in random order
 * @seed: of that order
 * @progress: called now and then, NULL: never; non-zero ends the replay with it
 * @arg: passed to @progress
 */
struct npt_replay_options {
	uint32_t mmu[8];
	unsigned int nr_mmu;
	uint32_t page[8];
	unsigned int nr_page;
	unsigned int guest_levels;
	unsigned int nested_levels;
	uint32_t nested_format;
	struct npt_tlb_model tlb;
	const char *name;
	bool random;
	uint64_t seed;
	int (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

/**
 * struct npt_replay_run - what one run came to
 * @mmu: enum npt_mmu_mode
 * @page_shift: page size asked for
 * @guest_leaf_shift: page size of guest leaves (22 for 2m with 32-bit tables)
 * @records: records replayed
 * @failed: records that did not end OK
 * @counters: all counters of the VM, at rest
 * @first_failure: what became of the first of @failed
 * @first_failed: its number in the trace, from 0
 * @guest_pages: pages mapped in the guest
 * @guest_table_bytes: bytes of the guest's tables
 * @nested_table_bytes: bytes of nested tables (0 but in nested mode)
 * @shadow_table_bytes: bytes of shadow tables (0 but in shadow mode)
 * @map_table_bytes: bytes of the module's own map of guest memory (0 in nested mode)
 * @memory_bytes: guest memory
 * @huge_bytes: of that, on large host pages
 * @host_pages_short: large host pages were wanted and some could not be had
 * @seconds: CPU time spent executing (not reading the trace)
 */
struct npt_replay_run {
	uint32_t mmu;
	uint32_t page_shift;
	uint32_t guest_leaf_shift;
	uint64_t records;
	uint64_t failed;
	uint64_t counters[NPT_CTR_NR];
	struct npt_access_result first_failure;
	uint64_t first_failed;
	uint64_t guest_pages;
	uint64_t guest_table_bytes;
	uint64_t nested_table_bytes;
	uint64_t shadow_table_bytes;
	uint64_t map_table_bytes;
	uint64_t memory_bytes;
	uint64_t huge_bytes;
	bool host_pages_short;
	double seconds;
};

/**
 * npt_replay_defaults() - the tool's defaults: native, shadow, nested; 4k, 2m; 4 levels
 * @opts: filled; no TLB, no progress
 */
void npt_replay_defaults(struct npt_replay_options *opts);

/**
 * npt_replay() - put a trace through page tables
 * @dev: module or in-process
 * @trace: the trace, at its start; read once, or once more per run if it can seek
 * @opts: the choices
 * @runs: room for @opts->nr_mmu * @opts->nr_page results, in the order of the lists:
 *	all page sizes of the first mode, then those of the next
 *
 * Before a run the guest's memory is made as large as what the trace touches, and
 * every touched page is mapped, user-accessible, writable and executable, with
 * accessed and dirty bits set.
 *
 * Return: 0, -EINVAL (an option, or an address that this guest can't have),
 * -ENOSPC (more memory than the guest can have), -EBADMSG (a damaged trace),
 * what @progress returned, -errno
 */
int npt_replay(struct npt_device *dev, struct npt_trace_reader *trace,
	       const struct npt_replay_options *opts, struct npt_replay_run *runs);

#ifdef __cplusplus
}
#endif

#endif /* LIBNPT_H */
