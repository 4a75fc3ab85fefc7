/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family "npt": what the rest of the module calls.
 *
 * netlink.c has the family and the commands that ask for one object,
 * netlink_dump.c the dumps, netlink_event.c the two multicast groups.
 */
#ifndef NPT_NETLINK_H
#define NPT_NETLINK_H

#include <linux/types.h>
#include <linux/npt_netlink.h>

struct npt_vm;

/* After everything that commands look at is ready. */
int npt_nl_init(void);
/* When no VM is left. */
void npt_nl_exit(void);

/*
 * Tell the group "events". @cmd is NPT_CMD_VM_NEW_NTF, _VM_DEL_NTF or
 * _VM_DEAD_NTF, @reason (or NULL) is for the last. The caller holds a
 * reference of @vm or is its destroyer. Process context; _VM_DEAD_NTF may be
 * sent under spinlocks, _VM_DEL_NTF reports the counters first and may sleep.
 */
void npt_nl_vm_event(enum npt_cmd cmd, struct npt_vm *vm, const char *reason);

/* The same for NPT_CMD_VCPU_NEW_NTF and _VCPU_DEL_NTF of the vCPU number @vcpu. */
void npt_nl_vcpu_event(enum npt_cmd cmd, struct npt_vm *vm, u32 vcpu);

#endif /* NPT_NETLINK_H */
