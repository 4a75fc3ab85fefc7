// SPDX-License-Identifier: GPL-2.0
/* The multicast groups of the netlink family: events, reports, losses, and idleness. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "nlraw.h"
#include "system.h"
#include "utils.h"

/* Far more than a receive buffer of the smallest size holds. */
#define FLOOD 300

FIXTURE(event) {
	struct nlraw nl;	/* asks */
	struct nlraw ear;	/* listens */
	int dev;
};

FIXTURE_SETUP(event)
{
	struct timeval patience = { .tv_sec = 20 };

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	ASSERT_LE(0, nlraw_open(&self->nl));
	ASSERT_LE(0, nlraw_open_like(&self->ear, &self->nl));
	ASSERT_EQ(0, setsockopt(self->ear.fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
				sizeof(patience)));
}

FIXTURE_TEARDOWN(event)
{
	nlraw_close(&self->ear);
	nlraw_close(&self->nl);
	close(self->dev);
}

/* A message to a group. */
struct heard {
	uint8_t cmd;
	uint64_t seq, lost, time;
	uint32_t vm, vcpu, uid, mmu;
	char name[NPT_NAME_LEN];
	uint64_t values[NPT_CTR_NR];
	unsigned int counters;
};

static void read_counters(struct heard *h, const char *p, size_t len)
{
	struct nlattr *attrs[NLRAW_ATTRS];
	const struct nlattr *attr;
	const char *end = p + len;
	uint32_t id;

	for (; end - p >= NLA_HDRLEN; p += NLA_ALIGN(attr->nla_len)) {
		attr = (const struct nlattr *)p;
		if ((attr->nla_type & NLA_TYPE_MASK) != NPT_A_EVENT_COUNTER)
			continue;
		nlraw_parse(p + NLA_HDRLEN, attr->nla_len - NLA_HDRLEN, attrs);
		id = nlraw_u32(attrs[NPT_A_COUNTER_ID]);
		if (id < NPT_CTR_NR)
			h->values[id] = nlraw_u64(attrs[NPT_A_COUNTER_VALUE]);
		h->counters++;
	}
}

/* The next message, or -errno. */
static int hear(struct nlraw *ear, int flags, struct heard *h)
{
	union {
		struct nlmsghdr head;
		char bytes[16384];
	} buf;
	struct genlmsghdr *head = (void *)(buf.bytes + NLMSG_HDRLEN);
	const char *data = buf.bytes + NLMSG_HDRLEN + GENL_HDRLEN;
	struct nlattr *attrs[NLRAW_ATTRS];
	ssize_t len = recv(ear->fd, &buf, sizeof(buf), flags);

	if (len < 0)
		return -errno;
	if (len < NLMSG_HDRLEN + GENL_HDRLEN || buf.head.nlmsg_type != ear->family)
		return -EBADMSG;
	nlraw_parse(data, buf.bytes + len - data, attrs);
	*h = (struct heard) {
		.cmd = head->cmd,
		.seq = nlraw_u64(attrs[NPT_A_EVENT_SEQ]),
		.lost = nlraw_u64(attrs[NPT_A_EVENT_LOST]),
		.time = nlraw_u64(attrs[NPT_A_EVENT_TIME]),
		.vm = nlraw_u32(attrs[NPT_A_EVENT_VM]),
		.vcpu = nlraw_u32(attrs[NPT_A_EVENT_VCPU]),
		.uid = nlraw_u32(attrs[NPT_A_EVENT_UID]),
		.mmu = nlraw_u32(attrs[NPT_A_EVENT_MMU]),
	};
	strncpy(h->name, nlraw_string(attrs[NPT_A_EVENT_NAME]), sizeof(h->name) - 1);
	read_counters(h, data, buf.bytes + len - data);
	return 0;
}

/* The state of the groups. */
struct state {
	uint32_t interval;
	bool running;
	uint64_t events_seq, events_lost, stats_seq;
};

static void on_state(const struct genlmsghdr *head, struct nlattr **attrs, void *arg)
{
	struct state *s = arg;

	s->interval = nlraw_u32(attrs[NPT_A_MONITOR_INTERVAL]);
	s->running = attrs[NPT_A_MONITOR_RUNNING];
	s->events_seq = nlraw_u64(attrs[NPT_A_MONITOR_EVENTS_SEQ]);
	s->events_lost = nlraw_u64(attrs[NPT_A_MONITOR_EVENTS_LOST]);
	s->stats_seq = nlraw_u64(attrs[NPT_A_MONITOR_STATS_SEQ]);
}

static int monitor(struct nlraw *nl, uint32_t interval, struct state *s)
{
	struct nlraw_answer a;
	struct nlraw_msg m;

	nlraw_init(&m, nl, interval ? NPT_CMD_MONITOR_SET : NPT_CMD_MONITOR_GET, 0);
	if (interval)
		nlraw_put_u32(&m, NPT_A_MONITOR_INTERVAL, interval);
	return nlraw_do(nl, &m, &a, on_state, s);
}

static bool is_idle(void *arg)
{
	struct state s;

	return !monitor(arg, 0, &s) && !s.running;
}

/* Has there been a report since? */
struct past {
	struct nlraw *nl;
	uint64_t seq;
};

static bool is_past(void *arg)
{
	struct past *p = arg;
	struct state s;

	return !monitor(p->nl, 0, &s) && s.stats_seq > p->seq;
}

/* --- events ------------------------------------------------------------- */

TEST_F_TIMEOUT(event, life_in_order, 120)
{
	struct npt_create_vm c = vm_args(NPT_MMU_SHADOW);
	static const uint8_t order[] = {
		NPT_CMD_VM_NEW_NTF, NPT_CMD_VCPU_NEW_NTF, NPT_CMD_VCPU_NEW_NTF,
		NPT_CMD_VCPU_DEL_NTF, NPT_CMD_VCPU_DEL_NTF, NPT_CMD_VM_DEL_NTF,
	};
	struct heard h, before = {};
	int vm, one, two, i;

	strcpy((char *)c.name, "heard of");
	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.events));
	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	one = call_value(vm, KVM_CREATE_VCPU, 0);
	two = call_value(vm, KVM_CREATE_VCPU, 5);
	ASSERT_LE(0, one);
	ASSERT_LE(0, two);
	close(one);
	close(two);
	close(vm);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		ASSERT_EQ(0, hear(&self->ear, 0, &h));
		EXPECT_EQ(order[i], h.cmd);
		EXPECT_EQ(c.id, h.vm);
		EXPECT_STREQ("heard of", h.name);
		EXPECT_EQ(geteuid(), h.uid);
		EXPECT_EQ(NPT_MMU_SHADOW, h.mmu);
		if (i) {
			EXPECT_EQ(before.seq + 1, h.seq);
			EXPECT_EQ(before.lost, h.lost);
			EXPECT_LE(before.time, h.time);
		}
		if (order[i] == NPT_CMD_VCPU_NEW_NTF || order[i] == NPT_CMD_VCPU_DEL_NTF)
			EXPECT_EQ(i == 2 || i == 4 ? 5 : 0, h.vcpu);
		before = h;
	}
	EXPECT_EQ(-EAGAIN, hear(&self->ear, MSG_DONTWAIT, &h));
}

/* A vCPU's file keeps its VM, and so does what the VM's file outlived. */
TEST_F_TIMEOUT(event, the_last_file_ends_it, 120)
{
	struct heard h;
	int vm, vcpu;

	vm = create_vm(self->dev, NPT_MMU_NESTED);
	vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, vcpu);
	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.events));
	close(vm);
	EXPECT_EQ(-EAGAIN, hear(&self->ear, MSG_DONTWAIT, &h));
	close(vcpu);
	ASSERT_EQ(0, hear(&self->ear, 0, &h));
	EXPECT_EQ(NPT_CMD_VCPU_DEL_NTF, h.cmd);
	ASSERT_EQ(0, hear(&self->ear, 0, &h));
	EXPECT_EQ(NPT_CMD_VM_DEL_NTF, h.cmd);
}

TEST_F_TIMEOUT(event, nothing_is_counted_unheard, 120)
{
	struct state before, after;
	int i;

	ASSERT_EQ(0, monitor(&self->nl, 0, &before));
	for (i = 0; i < 10; i++)
		close(create_vm(self->dev, NPT_MMU_NESTED));
	ASSERT_EQ(0, monitor(&self->nl, 0, &after));
	EXPECT_EQ(before.events_seq, after.events_seq);
	EXPECT_EQ(before.stats_seq, after.stats_seq);
	EXPECT_FALSE(after.running);
}

/* The same, when what was lost meanwhile has been told. */
static int hear_past_loss(struct nlraw *ear, struct heard *h)
{
	int ret;

	do {
		ret = hear(ear, 0, h);
	} while (ret == -ENOBUFS);
	return ret;
}

/* Make VMs until the ear's small buffer has run over, then let it catch up. */
static void flood(struct __test_metadata *_metadata, FIXTURE_DATA(event) * self,
		  struct heard *last)
{
	int one = 1, i, ret;

	ASSERT_EQ(0, setsockopt(self->ear.fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)));
	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.events));
	for (i = 0; i < FLOOD; i++)
		close(create_vm(self->dev, NPT_MMU_NESTED));
	ASSERT_EQ(-ENOBUFS, hear(&self->ear, MSG_DONTWAIT, last));
	do {
		ret = hear(&self->ear, MSG_DONTWAIT, last);
	} while (!ret);
	ASSERT_EQ(-EAGAIN, ret);
}

TEST_F_TIMEOUT(event, losses_show_in_the_sequence, 120)
{
	struct heard last, next;

	flood(_metadata, self, &last);
	close(create_vm(self->dev, NPT_MMU_NESTED));
	ASSERT_EQ(0, hear_past_loss(&self->ear, &next));
	EXPECT_LT(last.seq + FLOOD, next.seq);
}

/* The kernel tells the sender of losses only for those who ask for it. */
TEST_F_TIMEOUT(event, losses_that_the_sender_knows, 120)
{
	struct state before, after;
	struct heard last, next;
	int on = 1;

	ASSERT_EQ(0, monitor(&self->nl, 0, &before));
	ASSERT_EQ(0, setsockopt(self->ear.fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &on,
				sizeof(on)));
	flood(_metadata, self, &last);
	ASSERT_EQ(0, monitor(&self->nl, 0, &after));
	EXPECT_LT(before.events_lost + FLOOD, after.events_lost);
	close(create_vm(self->dev, NPT_MMU_NESTED));
	ASSERT_EQ(0, hear_past_loss(&self->ear, &next));
	EXPECT_EQ(after.events_lost, next.lost);
}

/* --- reports ------------------------------------------------------------ */

static int heard_stat(struct nlraw *ear, uint32_t vm, struct heard *h)
{
	int ret;

	do {
		ret = hear(ear, 0, h);
	} while (!ret && h->vm != vm);
	return ret;
}

TEST_F_TIMEOUT(event, reports_come_while_somebody_listens, 120)
{
	struct npt_create_vm c = vm_args(NPT_MMU_NESTED);
	uint64_t values[NPT_CTR_NR];
	struct npt_stats stats = {
		.size = sizeof(stats), .count = NPT_CTR_NR, .values = (uintptr_t)values,
	};
	struct heard h, before = {};
	unsigned int set = 0;
	struct past p;
	struct state s;
	void *mem;
	int vm, vcpu, i;
	char byte;

	vm = call(self->dev, NPT_CREATE_VM, &c);
	ASSERT_LE(0, vm);
	mem = map_memory(MIB);
	ASSERT_EQ(0, set_slot(vm, 0, 0, 0, MIB, mem));
	vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, vcpu);
	ASSERT_EQ(0, read_phys(vcpu, 0x1000, &byte, 1));
	ASSERT_EQ(0, call(vm, NPT_STATS, &stats));

	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.stats));
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_MIN, &s));
	EXPECT_EQ(NPT_INTERVAL_MIN, s.interval);
	EXPECT_TRUE(s.running);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, heard_stat(&self->ear, c.id, &h));
		EXPECT_EQ(NPT_CMD_STAT_NTF, h.cmd);
		EXPECT_EQ(0, memcmp(values, h.values, sizeof(values)));
		if (i) {
			EXPECT_LT(before.seq, h.seq);
			/* The kernel's timers are a tick early at the most. */
			EXPECT_LT(before.time + NPT_INTERVAL_MIN * 500000ULL, h.time);
		}
		before = h;
	}
	/* Counters that are 0 take no room. */
	for (i = 0; i < NPT_CTR_NR; i++)
		set += !!values[i];
	EXPECT_EQ(set, h.counters);

	/* The longest interval must not keep the timer for an hour. */
	ASSERT_EQ(0, monitor(&self->nl, 0, &s));
	p = (struct past) { .nl = &self->nl, .seq = s.stats_seq };
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_MAX, &s));
	ASSERT_TRUE(nlraw_wait(is_past, &p, 10));
	/* After its last message the report sets the timer: only now is it long. */
	usleep(100000);
	ASSERT_FALSE(is_idle(&self->nl));
	nlraw_close(&self->ear);
	EXPECT_TRUE(nlraw_wait(is_idle, &self->nl, 10));
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_DEFAULT, &s));
	EXPECT_FALSE(s.running);
	close(vcpu);
	close(vm);
	munmap(mem, MIB);
}

TEST_F_TIMEOUT(event, who_leaves_the_group_ends_reports_too, 120)
{
	struct heard h;
	struct state s;
	int vm;

	vm = create_vm(self->dev, NPT_MMU_NESTED);
	ASSERT_LE(0, vm);
	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.stats));
	ASSERT_EQ(0, monitor(&self->nl, 20, &s));
	ASSERT_EQ(0, hear(&self->ear, 0, &h));
	ASSERT_EQ(0, nlraw_leave(&self->ear, self->nl.stats));
	EXPECT_TRUE(nlraw_wait(is_idle, &self->nl, 10));
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_DEFAULT, &s));
	close(vm);
}

/* With nothing to report no timer runs; the first VM starts it. */
TEST_F_TIMEOUT(event, a_new_vm_starts_reports, 120)
{
	struct heard h;
	struct state s;
	int vm;

	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.stats));
	ASSERT_EQ(0, monitor(&self->nl, 20, &s));
	EXPECT_TRUE(nlraw_wait(is_idle, &self->nl, 10));
	vm = create_vm(self->dev, NPT_MMU_NESTED);
	ASSERT_LE(0, vm);
	EXPECT_EQ(0, hear(&self->ear, 0, &h));
	EXPECT_EQ(NPT_CMD_STAT_NTF, h.cmd);
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_DEFAULT, &s));
	close(vm);
}

/* Listeners that come and go while reports and events are sent. */
TEST_F_TIMEOUT(event, fickle_listeners, 120)
{
	struct nlraw ears[8];
	struct state s;
	int vm, i;

	vm = create_vm(self->dev, NPT_MMU_NESTED);
	ASSERT_LE(0, vm);
	for (i = 0; i < 400; i++) {
		struct nlraw *ear = &ears[i % 8];

		if (i >= 8)
			nlraw_close(ear);
		ASSERT_LE(0, nlraw_open_like(ear, &self->nl));
		ASSERT_EQ(0, nlraw_join(ear, self->nl.stats));
		ASSERT_EQ(0, nlraw_join(ear, self->nl.events));
		ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_MIN, &s));
		close(create_vm(self->dev, NPT_MMU_NATIVE));
	}
	for (i = 0; i < 8; i++)
		nlraw_close(&ears[i]);
	EXPECT_TRUE(nlraw_wait(is_idle, &self->nl, 10));
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_DEFAULT, &s));
	close(vm);
}

/* --- the module goes ---------------------------------------------------- */

static bool unloads(void *arg)
{
	return !module_unload();
}

TEST_F_TIMEOUT(event, module_goes_with_a_listener, 120)
{
	struct state s;
	int vm;

	if (!getenv("NPT_KO"))
		SKIP(return, "NPT_KO does not name the module");
	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.stats));
	ASSERT_EQ(0, nlraw_join(&self->ear, self->nl.events));
	vm = create_vm(self->dev, NPT_MMU_NESTED);
	ASSERT_LE(0, vm);
	ASSERT_EQ(0, monitor(&self->nl, NPT_INTERVAL_MIN, &s));
	EXPECT_EQ(-EAGAIN, module_unload());
	close(vm);
	close(self->dev);
	/* The report under way may hold the VM for a moment. */
	EXPECT_TRUE(nlraw_wait(unloads, NULL, 10));
	EXPECT_EQ(-ENOENT, monitor(&self->nl, 0, &s));
	ASSERT_EQ(0, module_load());
	self->dev = open_npt();
	EXPECT_LE(0, self->dev);
}

/* A dump under way holds the module, and only as long as its socket is open. */
TEST_F_TIMEOUT(event, module_stays_for_a_dump, 120)
{
	struct nlraw_msg m;

	if (!getenv("NPT_KO"))
		SKIP(return, "NPT_KO does not name the module");
	close(self->dev);
	/* The catalogue is larger than one buffer. */
	nlraw_init(&m, &self->ear, NPT_CMD_CATALOGUE_GET, NLM_F_DUMP);
	ASSERT_EQ(0, nlraw_send(&self->ear, &m));
	EXPECT_EQ(-EAGAIN, module_unload());
	nlraw_close(&self->ear);
	EXPECT_TRUE(nlraw_wait(unloads, NULL, 10));
	ASSERT_EQ(0, module_load());
	self->dev = open_npt();
	EXPECT_LE(0, self->dev);
}

TEST_HARNESS_MAIN
