/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the netlink family share. */
#ifndef NPT_NETLINK_INTERNAL_H
#define NPT_NETLINK_INTERNAL_H

#include <linux/uidgid.h>
#include <net/genetlink.h>
#include <linux/npt_netlink.h>

struct npt_table_range;
struct npt_vcpu;
struct npt_vm;

extern struct genl_family npt_nl_family;

/* --- netlink.c ---------------------------------------------------------- */

/*
 * On whose behalf a request is made. Two must be entitled, each for itself:
 * who opened the socket and who sent the request. So neither can lead the
 * other to fetch what it could not have fetched.
 */
struct npt_nl_who {
	kuid_t opener;
	kuid_t sender;
	bool opener_admin;	/* has CAP_SYS_ADMIN in the first user namespace */
	bool sender_admin;
};

/* In the sender's context, with the skb of the request. */
void npt_nl_who(struct npt_nl_who *who, const struct sk_buff *skb);
bool npt_nl_may_see(const struct npt_nl_who *who, const struct npt_vm *vm);

/* May this requester see host-physical addresses? */
static inline bool npt_nl_admin(const struct npt_nl_who *who)
{
	return who->opener_admin && who->sender_admin;
}

/* The VM with this id, held; ERR_PTR(-ENOENT) if there is none that @who may see. */
struct npt_vm *npt_nl_find_vm(const struct npt_nl_who *who, u32 id,
			      struct netlink_ext_ack *extack);
/* A vCPU of it, NULL if there is none. */
struct npt_vcpu *npt_nl_find_vcpu(struct npt_vm *vm, u32 id, struct netlink_ext_ack *extack);

/* --- netlink_fill.c ----------------------------------------------------- */

/* Puts the attributes of one message. 0 or -EMSGSIZE. */
typedef int (*npt_nl_fill_fn)(struct sk_buff *skb, const void *arg);

/* For npt_nl_fill_vm(). */
struct npt_nl_vm_arg {
	struct npt_vm *vm;
	struct user_namespace *ns;	/* of whoever gets the uid */
};

/* For npt_nl_fill_stat(). */
struct npt_nl_stat_arg {
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;	/* NULL: the sum */
	const u64 *values;
};

/* For npt_nl_fill_explain(). */
struct npt_nl_explain_arg {
	struct npt_vcpu *vcpu;
	const struct npt_explain *explain;	/* censored already */
	const struct npt_walk_entry *entries;
	bool admin;
};

/* For npt_nl_fill_range(). */
struct npt_nl_range_arg {
	u32 vm;
	u32 vcpu;
	u32 dim;
	const struct npt_table_range *range;	/* NULL: only say how far it went */
	u64 cursor;
	bool admin;
};

int npt_nl_fill_vm(struct sk_buff *skb, const void *arg);	/* struct npt_nl_vm_arg */
int npt_nl_fill_vcpu(struct sk_buff *skb, const void *arg);	/* struct npt_vcpu */
int npt_nl_fill_stat(struct sk_buff *skb, const void *arg);	/* struct npt_nl_stat_arg */
int npt_nl_fill_explain(struct sk_buff *skb, const void *arg);	/* struct npt_nl_explain_arg */
int npt_nl_fill_range(struct sk_buff *skb, const void *arg);	/* struct npt_nl_range_arg */

/* One counter as a nest of @type; @pad is the pad attribute within the nest. */
int npt_nl_put_counter(struct sk_buff *skb, int type, u32 id, u64 value);

/* Bytes of one such nest. */
#define NPT_NL_COUNTER_SIZE \
	nla_total_size(nla_total_size(sizeof(u32)) + nla_total_size_64bit(sizeof(u64)))

/* --- netlink_dump.c ----------------------------------------------------- */

int npt_nl_dump_start(struct netlink_callback *cb);
int npt_nl_vm_dump(struct sk_buff *skb, struct netlink_callback *cb);
int npt_nl_vcpu_dump(struct sk_buff *skb, struct netlink_callback *cb);
int npt_nl_stat_dump(struct sk_buff *skb, struct netlink_callback *cb);
int npt_nl_catalogue_dump(struct sk_buff *skb, struct netlink_callback *cb);
int npt_nl_table_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* --- netlink_event.c ---------------------------------------------------- */

/* Indices into npt_nl_groups[]. */
enum npt_nl_group {
	NPT_NL_GROUP_EVENTS,
	NPT_NL_GROUP_STATS,
	NPT_NL_NR_GROUPS
};

extern const struct genl_multicast_group npt_nl_groups[NPT_NL_NR_GROUPS];

/* Set the interval of the reports, if not 0, and start them if somebody listens. */
void npt_nl_monitor_start(u32 interval);
int npt_nl_monitor_init(void);
/* For good: nothing starts them any more. */
void npt_nl_monitor_exit(void);
int npt_nl_fill_monitor(struct sk_buff *skb, const void *arg);	/* NULL */

#endif /* NPT_NETLINK_INTERNAL_H */
