/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family "npt": look at any VM of this user (with
 * CAP_SYS_ADMIN: of anybody) from outside, and watch VMs come, work and go.
 *
 * Functions give 0 (or what they say) on success and a negative errno on failure;
 * npt_error() then has one line of text, the kernel's own where it sent one. A
 * connection may be used by one thread at a time.
 *
 * Lists are handed out one by one: the callback returns 0 to go on; anything else
 * ends the list, and is what the function returns.
 */
#ifndef LIBNPT_NL_H
#define LIBNPT_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/npt.h>
#include <linux/npt_netlink.h>

#ifdef __cplusplus
extern "C" {
#endif

struct npt_nl;

/**
 * npt_nl_open() - connect to the family
 * @nl: set to the new connection
 * Return: 0, -ENOENT if the kernel has no such family (npt.ko is not loaded), -errno
 */
int npt_nl_open(struct npt_nl **nl);

/**
 * npt_nl_close() - end a connection
 * @nl: the connection, or NULL
 */
void npt_nl_close(struct npt_nl *nl);

/**
 * npt_nl_interrupted() - did what was listed change while it was listed?
 * @nl: the connection
 *
 * Whatever was there all the time was listed exactly once even then.
 *
 * Return: true if the last list was not one consistent picture
 */
bool npt_nl_interrupted(const struct npt_nl *nl);

/**
 * struct npt_nl_vm - a VM
 * @id: its id
 * @name: its name
 * @uid: who made it
 * @engine: enum npt_engine
 * @mmu: enum npt_mmu_mode
 * @nested_format: enum npt_nested_format
 * @nested_levels: 4 or 5
 * @leaf_pages: NPT_PAGE_*
 * @flags: NPT_VM_*
 * @max_vcpus: most vCPUs that it may have
 * @max_table_pages: cap on pages of tables
 * @vcpus: vCPUs now
 * @slots: memslots now
 * @dead: found inconsistent and stopped
 */
struct npt_nl_vm {
	uint32_t id;
	char name[NPT_NAME_LEN];
	uint32_t uid;
	uint32_t engine;
	uint32_t mmu;
	uint32_t nested_format;
	uint32_t nested_levels;
	uint32_t leaf_pages;
	uint32_t flags;
	uint32_t max_vcpus;
	uint32_t max_table_pages;
	uint32_t vcpus;
	uint32_t slots;
	bool dead;
};

/**
 * npt_nl_vm() - look at one VM
 * @nl: the connection
 * @id: its id
 * @vm: filled
 * Return: 0, -ENOENT if there is none that the caller may see, -errno
 */
int npt_nl_vm(struct npt_nl *nl, uint32_t id, struct npt_nl_vm *vm);

/**
 * npt_nl_vms() - list the VMs, by id
 * @nl: the connection
 * @cb: called for each
 * @arg: passed to @cb
 * Return: 0, what @cb returned, or -errno
 */
int npt_nl_vms(struct npt_nl *nl, int (*cb)(const struct npt_nl_vm *vm, void *arg), void *arg);

/**
 * struct npt_nl_vcpu - a vCPU
 * @vm: id of its VM
 * @id: its number
 * @cr0: CR0
 * @cr3: CR3
 * @cr4: CR4
 * @efer: EFER
 */
struct npt_nl_vcpu {
	uint32_t vm;
	uint32_t id;
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
};

/**
 * npt_nl_vcpu() - look at one vCPU
 * @nl: the connection
 * @vm: id of its VM
 * @id: its number
 * @vcpu: filled
 * Return: 0, -ENOENT, -errno
 */
int npt_nl_vcpu(struct npt_nl *nl, uint32_t vm, uint32_t id, struct npt_nl_vcpu *vcpu);

/**
 * npt_nl_vcpus() - list vCPUs
 * @nl: the connection
 * @vm: id of their VM, 0: of every VM
 * @cb: called for each
 * @arg: passed to @cb
 * Return: 0, what @cb returned, or -errno
 */
int npt_nl_vcpus(struct npt_nl *nl, uint32_t vm,
		 int (*cb)(const struct npt_nl_vcpu *vcpu, void *arg), void *arg);

/** NPT_NL_SUM - instead of a vCPU's number: the VM's sum */
#define NPT_NL_SUM (-1)

/**
 * struct npt_nl_stat - counters
 * @vm: id of the VM
 * @vcpu: number of the vCPU, or NPT_NL_SUM
 * @count: counters that the module has; those that this library does not know are left out
 * @values: their values, indexed by enum npt_counter
 */
struct npt_nl_stat {
	uint32_t vm;
	int32_t vcpu;
	uint32_t count;
	uint64_t values[NPT_CTR_NR];
};

/**
 * npt_nl_stat() - read counters
 * @nl: the connection
 * @vm: id of the VM
 * @vcpu: number of the vCPU, or NPT_NL_SUM
 * @stat: filled
 * Return: 0, -ENOENT, -errno
 */
int npt_nl_stat(struct npt_nl *nl, uint32_t vm, int32_t vcpu, struct npt_nl_stat *stat);

/**
 * npt_nl_stats() - list counters: of each VM the sum, then its vCPUs
 * @nl: the connection
 * @vm: id of the VM, 0: every VM
 * @cb: called for each
 * @arg: passed to @cb
 * Return: 0, what @cb returned, or -errno
 */
int npt_nl_stats(struct npt_nl *nl, uint32_t vm,
		 int (*cb)(const struct npt_nl_stat *stat, void *arg), void *arg);

/**
 * struct npt_nl_definition - a counter, as the module's catalogue has it
 * @id: its number
 * @scope: enum npt_scope
 * @type: enum npt_behaviour
 * @name: its name
 * @unit: what one count is
 * @text: what it means
 *
 * The texts last as long as the callback.
 */
struct npt_nl_definition {
	uint32_t id;
	uint32_t scope;
	uint32_t type;
	const char *name;
	const char *unit;
	const char *text;
};

/**
 * struct npt_nl_law - two sums that are equal while a VM is at rest
 * @name: its name
 * @left: one side
 * @right: the other
 *
 * The texts last as long as the callback.
 */
struct npt_nl_law {
	const char *name;
	const char *left;
	const char *right;
};

/**
 * npt_nl_catalogue() - list the module's counters, then its laws
 * @nl: the connection
 * @counter: called for each counter, may be NULL
 * @law: called for each law, may be NULL
 * @arg: passed to both
 * Return: 0, what a callback returned, or -errno
 */
int npt_nl_catalogue(struct npt_nl *nl,
		     int (*counter)(const struct npt_nl_definition *def, void *arg),
		     int (*law)(const struct npt_nl_law *law, void *arg), void *arg);

/**
 * npt_nl_explain() - every table entry that a translation of any vCPU reads now
 * @nl: the connection
 * @vm: id of the VM
 * @vcpu: number of the vCPU
 * @explain: gva, op, user and pkru are the question; the rest is filled
 * @entries: room for NPT_WALK_MAX entries
 *
 * Return: 0, -ENOENT, -EBUSY if the vCPU does not pause for long, -errno
 */
int npt_nl_explain(struct npt_nl *nl, uint32_t vm, uint32_t vcpu, struct npt_explain *explain,
		   struct npt_walk_entry *entries);

/**
 * struct npt_nl_range - a range of a table
 * @start: first address
 * @end: first address after it, 0 at the end of the address space
 * @target: what @start maps to, 0 if unknown
 * @has_target: @target is known
 * @page_shift: size of the leaves
 * @rights: NPT_RIGHT_*
 */
struct npt_nl_range {
	uint64_t start;
	uint64_t end;
	uint64_t target;
	bool has_target;
	uint32_t page_shift;
	uint32_t rights;
};

/**
 * npt_nl_table() - list a table, ranges merged, by address
 * @nl: the connection
 * @vm: id of the VM
 * @vcpu: number of the vCPU whose root is followed
 * @dim: enum npt_dim
 * @start: where to begin
 * @cb: called for each
 * @arg: passed to @cb
 * Return: 0, what @cb returned, -ENOENT, -EBUSY, -errno
 */
int npt_nl_table(struct npt_nl *nl, uint32_t vm, uint32_t vcpu, uint32_t dim, uint64_t start,
		 int (*cb)(const struct npt_nl_range *range, void *arg), void *arg);

/**
 * struct npt_nl_monitor - state of the multicast groups
 * @interval: milliseconds between two reports of the counters
 * @running: the timer of the reports is armed
 * @events_seq: number of the last event
 * @events_lost: events that the module failed to send
 * @stats_seq: number of the last report
 * @stats_lost: reports that the module failed to send
 */
struct npt_nl_monitor {
	uint32_t interval;
	bool running;
	uint64_t events_seq;
	uint64_t events_lost;
	uint64_t stats_seq;
	uint64_t stats_lost;
};

/**
 * npt_nl_monitor_get() - read the state of the multicast groups
 * @nl: the connection
 * @monitor: filled
 * Return: 0, -EPERM, -errno
 */
int npt_nl_monitor_get(struct npt_nl *nl, struct npt_nl_monitor *monitor);

/**
 * npt_nl_monitor_set() - start the reports of counters
 * @nl: the connection
 * @interval: milliseconds between two reports, for all listeners; 0: as it is
 * @monitor: filled with the new state, may be NULL
 *
 * Reports end when nobody listens: call this after npt_nl_subscribe().
 *
 * Return: 0, -EPERM, -ERANGE, -errno
 */
int npt_nl_monitor_set(struct npt_nl *nl, uint32_t interval, struct npt_nl_monitor *monitor);

/** NPT_NL_EVENTS - the group of life-cycle events */
#define NPT_NL_EVENTS	(1 << 0)
/** NPT_NL_STATS - the group of periodic counters */
#define NPT_NL_STATS	(1 << 1)

/**
 * struct npt_nl_event - a message to a group
 * @cmd: NPT_CMD_VM_NEW_NTF, _VM_DEL_NTF, _VM_DEAD_NTF, _VCPU_NEW_NTF, _VCPU_DEL_NTF
 *	or _STAT_NTF
 * @group: NPT_NL_EVENTS or NPT_NL_STATS
 * @seq: its number within the group
 * @lost: messages of the group that the module failed to send so far
 * @missed: messages of the group that did not reach this listener since the last one
 * @time: CLOCK_MONOTONIC in nanoseconds
 * @vm: id of the VM
 * @name: its name
 * @uid: who made it
 * @engine: enum npt_engine
 * @mmu: enum npt_mmu_mode
 * @vcpu: number of the vCPU, for the messages about vCPUs
 * @reason: for NPT_CMD_VM_DEAD_NTF, else ""
 * @values: for NPT_CMD_STAT_NTF: the VM's counters
 */
struct npt_nl_event {
	uint32_t cmd;
	uint32_t group;
	uint64_t seq;
	uint64_t lost;
	uint64_t missed;
	uint64_t time;
	uint32_t vm;
	char name[NPT_NAME_LEN];
	uint32_t uid;
	uint32_t engine;
	uint32_t mmu;
	uint32_t vcpu;
	char reason[128];
	uint64_t values[NPT_CTR_NR];
};

/**
 * npt_nl_subscribe() - join groups
 * @nl: the connection
 * @groups: NPT_NL_EVENTS, NPT_NL_STATS or both
 * Return: 0, -EPERM without CAP_SYS_ADMIN, -errno
 */
int npt_nl_subscribe(struct npt_nl *nl, uint32_t groups);

/**
 * npt_nl_set_buffer() - how much may wait for npt_nl_dispatch()
 * @nl: the connection, subscribed
 * @bytes: size of the socket's receive buffer
 * Return: 0 or -errno
 */
int npt_nl_set_buffer(struct npt_nl *nl, size_t bytes);

/**
 * npt_nl_fd() - the descriptor that poll(2) finds readable when messages wait
 * @nl: the connection, subscribed
 * Return: the descriptor, -1 if not subscribed
 */
int npt_nl_fd(const struct npt_nl *nl);

/**
 * npt_nl_dispatch() - hand out the messages that wait
 * @nl: the connection, subscribed
 * @cb: called for each
 * @arg: passed to @cb
 *
 * Does not block. Losses show in the next message's @missed.
 *
 * Return: how many were handed out, what @cb returned if that is negative, -errno;
 * -ENOBUFS once after the socket's buffer ran over (go on dispatching)
 */
int npt_nl_dispatch(struct npt_nl *nl, int (*cb)(const struct npt_nl_event *event, void *arg),
		    void *arg);

#ifdef __cplusplus
}
#endif

#endif /* LIBNPT_NL_H */
