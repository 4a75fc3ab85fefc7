// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family: what it refuses and in what words, and that its answers
 * are those of the ioctls.
 */
#include "kselftest_harness.h"
#include "libnpt.h"
#include "nl.h"
#include "nlraw.h"
#include "utils.h"

#define MEM_SIZE (8 * MIB)
#define TABLES (4 * MIB)

FIXTURE(netlink) {
	struct nlraw nl;
	struct npt_nl *lib;
	struct npt_device *dev;
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;
	struct npt_memory *mem;
	struct npt_pt *pt;
	uint32_t id;
};

FIXTURE_VARIANT(netlink) {
	uint32_t mmu;
	unsigned int levels;
};

FIXTURE_VARIANT_ADD(netlink, native) { NPT_MMU_NATIVE, 4 };
FIXTURE_VARIANT_ADD(netlink, shadow) { NPT_MMU_SHADOW, 4 };
FIXTURE_VARIANT_ADD(netlink, nested) { NPT_MMU_NESTED, 4 };
FIXTURE_VARIANT_ADD(netlink, nested_pae) { NPT_MMU_NESTED, 3 };

FIXTURE_SETUP(netlink)
{
	struct npt_vm_options vm = { .name = "watched", .mmu = variant->mmu };
	struct npt_memory_options mem = { .size = MEM_SIZE, .pages = NPT_MEMORY_4K };
	struct npt_pt_options pt = { .levels = variant->levels, .gpa = TABLES, .size = MIB };

	if (npt_device_open(NULL, &self->dev))
		SKIP(return, "no /dev/npt");
	ASSERT_LE(0, nlraw_open(&self->nl));
	ASSERT_EQ(0, npt_nl_open(&self->lib));
	ASSERT_EQ(0, npt_vm_create(self->dev, &vm, &self->vm));
	self->id = npt_vm_id(self->vm);
	ASSERT_EQ(0, npt_memory_add(self->vm, &mem, &self->mem));
	ASSERT_EQ(0, npt_vcpu_create(self->vm, 0, &self->vcpu));
	ASSERT_EQ(0, npt_pt_create(self->vm, &pt, &self->pt));
	ASSERT_EQ(0, npt_pt_map_range(self->pt, 0x400000, 0, 64 * PAGE, 12,
				      NPT_PT_WRITE | NPT_PT_USER));
	ASSERT_EQ(0, npt_pt_map_range(self->pt, 0x600000, 0x10000, 4 * PAGE, 12, 0));
	ASSERT_EQ(0, npt_vcpu_set_paging(self->vcpu, variant->levels, npt_pt_root(self->pt),
					 NPT_PAGING_WP | NPT_PAGING_NX));
}

FIXTURE_TEARDOWN(netlink)
{
	npt_pt_destroy(self->pt);
	npt_vcpu_destroy(self->vcpu);
	npt_vm_destroy(self->vm);
	npt_device_close(self->dev);
	npt_nl_close(self->lib);
	nlraw_close(&self->nl);
}

/* --- refusals ----------------------------------------------------------- */

/* What is sent beside the header. */
struct attr {
	uint16_t type;
	uint8_t len;	/* 0: none */
	uint64_t value;
};

struct refusal {
	const char *what;
	uint8_t cmd;
	uint16_t flags;
	int err;
	bool mute;	/* refused before there are words */
	struct attr attr[4];
};

#define OWN 0xffffffffff	/* stands for the id of the VM */
#define U32(type, value) { type, 4, value }

static const struct refusal refusals[] = {
	{ "no id", NPT_CMD_VM_GET, 0, EINVAL },
	{ "id 0", NPT_CMD_VM_GET, 0, ERANGE, false, { U32(NPT_A_VM_ID, 0) } },
	{ "no such VM", NPT_CMD_VM_GET, 0, ENOENT, false, { U32(NPT_A_VM_ID, 0x7fffffff) } },
	{ "huge id", NPT_CMD_VM_GET, 0, ENOENT, false, { U32(NPT_A_VM_ID, 0xffffffff) } },
	{ "short id", NPT_CMD_VM_GET, 0, EINVAL, false, { { NPT_A_VM_ID, 2, 1 } } },
	{ "long id", NPT_CMD_VM_GET, 0, EINVAL, false, { { NPT_A_VM_ID, 8, 1 } } },
	{ "nested id", NPT_CMD_VM_GET, 0, EINVAL, false,
	  { U32(NPT_A_VM_ID | NLA_F_NESTED, OWN) } },
	{ "attribute of answers", NPT_CMD_VM_GET, 0, EINVAL, false,
	  { U32(NPT_A_VM_ID, OWN), U32(NPT_A_VM_MMU, 1) } },
	{ "unknown attribute", NPT_CMD_VM_GET, 0, EINVAL, false,
	  { U32(NPT_A_VM_ID, OWN), U32(200, 1) } },
	{ "attribute 0", NPT_CMD_VM_GET, 0, EINVAL, false,
	  { U32(NPT_A_VM_ID, OWN), U32(0, 1) } },
	{ "id of a dump", NPT_CMD_VM_GET, NLM_F_DUMP, EINVAL, false, { U32(NPT_A_VM_ID, OWN) } },
	{ "flag of requests that create", NPT_CMD_VM_GET, NLM_F_CREATE, EINVAL, false,
	  { U32(NPT_A_VM_ID, OWN) } },

	{ "vCPU of no VM", NPT_CMD_VCPU_GET, 0, EINVAL, false, { U32(NPT_A_VCPU_ID, 0) } },
	{ "no vCPU", NPT_CMD_VCPU_GET, 0, EINVAL, false, { U32(NPT_A_VCPU_VM, OWN) } },
	{ "no such vCPU", NPT_CMD_VCPU_GET, 0, ENOENT, false,
	  { U32(NPT_A_VCPU_VM, OWN), U32(NPT_A_VCPU_ID, 7) } },
	{ "vCPU out of range", NPT_CMD_VCPU_GET, 0, ERANGE, false,
	  { U32(NPT_A_VCPU_VM, OWN), U32(NPT_A_VCPU_ID, 1024) } },
	{ "pad", NPT_CMD_VCPU_GET, 0, EINVAL, false,
	  { U32(NPT_A_VCPU_VM, OWN), U32(NPT_A_VCPU_ID, 0), U32(NPT_A_VCPU_PAD, 0) } },
	{ "vCPU of a dump", NPT_CMD_VCPU_GET, NLM_F_DUMP, EINVAL, false,
	  { U32(NPT_A_VCPU_ID, 0) } },
	{ "dump of no VM", NPT_CMD_VCPU_GET, NLM_F_DUMP, ENOENT, false,
	  { U32(NPT_A_VCPU_VM, 0x7fffffff) } },

	{ "counters of nothing", NPT_CMD_STAT_GET, 0, EINVAL },
	{ "counters of no vCPU", NPT_CMD_STAT_GET, 0, ENOENT, false,
	  { U32(NPT_A_STAT_VM, OWN), U32(NPT_A_STAT_VCPU, 3) } },
	{ "counters of a dump's vCPU", NPT_CMD_STAT_GET, NLM_F_DUMP, EINVAL, false,
	  { U32(NPT_A_STAT_VCPU, 0) } },

	{ "attribute for the catalogue", NPT_CMD_CATALOGUE_GET, NLM_F_DUMP, EINVAL, false,
	  { U32(NPT_A_CATALOGUE_LAW, 1) } },
	{ "catalogue without a dump", NPT_CMD_CATALOGUE_GET, 0, EOPNOTSUPP, true },

	{ "nothing to explain", NPT_CMD_EXPLAIN, 0, EINVAL },
	{ "explain without a vCPU", NPT_CMD_EXPLAIN, 0, EINVAL, false,
	  { U32(NPT_A_EXPLAIN_VM, OWN), { NPT_A_EXPLAIN_GVA, 8, 0 } } },
	{ "explain without an address", NPT_CMD_EXPLAIN, 0, EINVAL, false,
	  { U32(NPT_A_EXPLAIN_VM, OWN), U32(NPT_A_EXPLAIN_VCPU, 0) } },
	{ "explain an address of 32 bits", NPT_CMD_EXPLAIN, 0, EINVAL, false,
	  { U32(NPT_A_EXPLAIN_VM, OWN), U32(NPT_A_EXPLAIN_VCPU, 0),
	    U32(NPT_A_EXPLAIN_GVA, 0) } },
	{ "explain an INVLPG", NPT_CMD_EXPLAIN, 0, ERANGE, false,
	  { U32(NPT_A_EXPLAIN_VM, OWN), U32(NPT_A_EXPLAIN_VCPU, 0),
	    { NPT_A_EXPLAIN_GVA, 8, 0 }, U32(NPT_A_EXPLAIN_OP, NPT_OP_INVLPG) } },
	{ "flag with a value", NPT_CMD_EXPLAIN, 0, ERANGE, false,
	  { U32(NPT_A_EXPLAIN_VM, OWN), U32(NPT_A_EXPLAIN_VCPU, 0),
	    { NPT_A_EXPLAIN_GVA, 8, 0 }, U32(NPT_A_EXPLAIN_USER, 1) } },
	{ "dump of explanations", NPT_CMD_EXPLAIN, NLM_F_DUMP, EOPNOTSUPP, true },

	{ "table of no VM", NPT_CMD_TABLE_GET, NLM_F_DUMP, EINVAL },
	{ "no table", NPT_CMD_TABLE_GET, NLM_F_DUMP, EINVAL, false,
	  { U32(NPT_A_TABLE_VM, OWN) } },
	{ "unknown table", NPT_CMD_TABLE_GET, NLM_F_DUMP, ERANGE, false,
	  { U32(NPT_A_TABLE_VM, OWN), U32(NPT_A_TABLE_DIM, 3) } },
	{ "guest table of no vCPU", NPT_CMD_TABLE_GET, NLM_F_DUMP, EINVAL, false,
	  { U32(NPT_A_TABLE_VM, OWN), U32(NPT_A_TABLE_DIM, NPT_DIM_GUEST) } },
	{ "guest table of no such vCPU", NPT_CMD_TABLE_GET, NLM_F_DUMP, ENOENT, false,
	  { U32(NPT_A_TABLE_VM, OWN), U32(NPT_A_TABLE_DIM, NPT_DIM_GUEST),
	    U32(NPT_A_TABLE_VCPU, 5) } },
	{ "table without a dump", NPT_CMD_TABLE_GET, 0, EOPNOTSUPP, true },

	{ "interval too short", NPT_CMD_MONITOR_SET, 0, ERANGE, false,
	  { U32(NPT_A_MONITOR_INTERVAL, NPT_INTERVAL_MIN - 1) } },
	{ "interval too long", NPT_CMD_MONITOR_SET, 0, ERANGE, false,
	  { U32(NPT_A_MONITOR_INTERVAL, NPT_INTERVAL_MAX + 1) } },
	{ "attribute for the monitor's state", NPT_CMD_MONITOR_GET, 0, EINVAL, false,
	  { U32(NPT_A_MONITOR_INTERVAL, 100) } },

	{ "command 0", 0, 0, EOPNOTSUPP, true },
	{ "a message to groups as a command", NPT_CMD_STAT_NTF, 0, EOPNOTSUPP, true },
	{ "unknown command", __NPT_CMD_MAX, 0, EOPNOTSUPP, true },
	{ "command 255", 255, 0, EOPNOTSUPP, true },
};

static void build(struct nlraw_msg *m, const struct nlraw *nl, const struct refusal *r,
		  uint32_t id)
{
	uint64_t value;
	size_t i;

	nlraw_init(m, nl, r->cmd, r->flags);
	for (i = 0; i < 4 && r->attr[i].len; i++) {
		value = r->attr[i].value == OWN ? id : r->attr[i].value;
		nlraw_put(m, r->attr[i].type, &value, r->attr[i].len);
	}
}

TEST_F(netlink, refusals)
{
	struct nlraw_answer a;
	struct nlraw_msg m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		build(&m, &self->nl, &refusals[i], self->id);
		EXPECT_EQ(-refusals[i].err, nlraw_do(&self->nl, &m, &a, NULL, NULL))
			TH_LOG("%s: %s", refusals[i].what, a.text);
		EXPECT_EQ(0, a.n)
			TH_LOG("%s", refusals[i].what);
		if (!refusals[i].mute)
			EXPECT_NE(0, a.text[0])
				TH_LOG("%s: not a word", refusals[i].what);
	}
}

TEST_F(netlink, malformed_headers)
{
	struct genlmsghdr *head;
	struct nlraw_answer a;
	struct nlraw_msg m;

	nlraw_init(&m, &self->nl, NPT_CMD_VM_GET, 0);
	nlraw_put_u32(&m, NPT_A_VM_ID, self->id);
	head = (void *)(m.bytes + NLMSG_HDRLEN);
	head->reserved = 1;
	EXPECT_EQ(-EINVAL, nlraw_do(&self->nl, &m, &a, NULL, NULL));

	/* Bytes behind the last attribute. */
	head->reserved = 0;
	m.head.nlmsg_len += 3;
	EXPECT_EQ(-EINVAL, nlraw_do(&self->nl, &m, &a, NULL, NULL));

	/* An attribute that claims to be longer than the message. */
	m.head.nlmsg_len -= 3;
	m.bytes[NLMSG_HDRLEN + GENL_HDRLEN] = 100;
	EXPECT_EQ(-EINVAL, nlraw_do(&self->nl, &m, &a, NULL, NULL));
}

TEST_F(netlink, shadow_tables_only_where_there_are)
{
	struct nlraw_answer a;
	struct nlraw_msg m;

	nlraw_init(&m, &self->nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);
	nlraw_put_u32(&m, NPT_A_TABLE_VM, self->id);
	nlraw_put_u32(&m, NPT_A_TABLE_VCPU, 0);
	nlraw_put_u32(&m, NPT_A_TABLE_DIM, NPT_DIM_SHADOW);
	EXPECT_EQ(variant->mmu == NPT_MMU_SHADOW ? 0 : -EINVAL,
		  nlraw_do(&self->nl, &m, &a, NULL, NULL));
}

/* --- answers ------------------------------------------------------------ */

TEST_F(netlink, vm_is_what_the_ioctl_says)
{
	struct npt_vm_info info;
	struct npt_nl_vm vm;

	ASSERT_EQ(0, npt_nl_vm(self->lib, self->id, &vm));
	ASSERT_EQ(0, npt_vm_info(self->vm, &info));
	EXPECT_EQ(info.id, vm.id);
	EXPECT_STREQ("watched", vm.name);
	EXPECT_EQ(geteuid(), vm.uid);
	EXPECT_EQ(info.engine, vm.engine);
	EXPECT_EQ(variant->mmu, vm.mmu);
	EXPECT_EQ(info.nested_format, vm.nested_format);
	EXPECT_EQ(info.nested_levels, vm.nested_levels);
	EXPECT_EQ(info.leaf_pages, vm.leaf_pages);
	EXPECT_EQ(info.flags, vm.flags);
	EXPECT_EQ(info.max_vcpus, vm.max_vcpus);
	EXPECT_EQ(info.max_table_pages, vm.max_table_pages);
	EXPECT_EQ(1, vm.vcpus);
	EXPECT_EQ(1, vm.slots);
	EXPECT_FALSE(vm.dead);
}

TEST_F(netlink, vcpu_is_what_the_ioctl_says)
{
	struct npt_nl_vcpu vcpu;
	struct kvm_sregs sregs;

	ASSERT_EQ(0, npt_nl_vcpu(self->lib, self->id, 0, &vcpu));
	ASSERT_EQ(0, npt_vcpu_get_sregs(self->vcpu, &sregs));
	EXPECT_EQ(self->id, vcpu.vm);
	EXPECT_EQ(0, vcpu.id);
	EXPECT_EQ(sregs.cr0, vcpu.cr0);
	EXPECT_EQ(sregs.cr3, vcpu.cr3);
	EXPECT_EQ(sregs.cr4, vcpu.cr4);
	EXPECT_EQ(sregs.efer, vcpu.efer);
}

/* Touch all that is mapped. */
static int touch(struct npt_vcpu *vcpu)
{
	struct npt_access_result res;
	int err = 0;
	int i;

	for (i = 0; i < 64 && !err; i++)
		err = npt_vcpu_access(vcpu, 0x400000 + i * PAGE, NPT_OP_WRITE, NPT_ACCESS_USER,
				      &res);
	for (i = 0; i < 4 && !err; i++)
		err = npt_vcpu_access(vcpu, 0x600000 + i * PAGE, NPT_OP_READ, 0, &res);
	return err;
}

TEST_F(netlink, counters_are_those_of_the_ioctl)
{
	uint64_t sum[NPT_CTR_NR], one[NPT_CTR_NR];
	struct npt_nl_stat stat;
	int i;

	ASSERT_EQ(0, touch(self->vcpu));
	ASSERT_EQ(0, npt_vm_stats(self->vm, sum, NPT_CTR_NR));
	ASSERT_EQ(0, npt_vcpu_stats(self->vcpu, one, NPT_CTR_NR));
	EXPECT_EQ(68, sum[NPT_CTR_accesses]);

	ASSERT_EQ(0, npt_nl_stat(self->lib, self->id, NPT_NL_SUM, &stat));
	EXPECT_EQ(NPT_CTR_NR, stat.count);
	EXPECT_EQ(NPT_NL_SUM, stat.vcpu);
	for (i = 0; i < NPT_CTR_NR; i++)
		EXPECT_EQ(sum[i], stat.values[i])
			TH_LOG("%s", npt_counter_info(i)->name);

	ASSERT_EQ(0, npt_nl_stat(self->lib, self->id, 0, &stat));
	EXPECT_EQ(0, stat.vcpu);
	for (i = 0; i < NPT_CTR_NR; i++)
		EXPECT_EQ(one[i], stat.values[i])
			TH_LOG("%s", npt_counter_info(i)->name);
}

struct rank {
	uint32_t vm;
	int n;
	int32_t vcpu[2];
};

static int on_stat(const struct npt_nl_stat *stat, void *arg)
{
	struct rank *r = arg;

	if (stat->vm == r->vm && r->n < 2)
		r->vcpu[r->n++] = stat->vcpu;
	return 0;
}

TEST_F(netlink, counters_are_dumped_sum_first)
{
	struct rank r = { .vm = self->id };

	ASSERT_EQ(0, npt_nl_stats(self->lib, 0, on_stat, &r));
	EXPECT_EQ(2, r.n);
	EXPECT_EQ(NPT_NL_SUM, r.vcpu[0]);
	EXPECT_EQ(0, r.vcpu[1]);
	r.n = 0;
	ASSERT_EQ(0, npt_nl_stats(self->lib, self->id, on_stat, &r));
	EXPECT_EQ(2, r.n);
}

/* --- the catalogue ------------------------------------------------------ */

static const struct {
	const char *name, *scope, *type, *unit, *text;
} catalogue[] = {
#define ROW(name, scope, type, unit, text) { #name, #scope, #type, #unit, text },
	NPT_COUNTERS(ROW)
};

static const struct {
	const char *name, *left, *right;
} laws[] = {
#define LAW(name, left, right) { #name, left, right },
	NPT_LAWS(LAW)
};

struct tally {
	unsigned int counters, laws, wrong;
};

static int on_counter(const struct npt_nl_definition *d, void *arg)
{
	struct tally *t = arg;
	unsigned int i = t->counters++;

	if (i >= ARRAY_SIZE(catalogue) || d->id != i || strcmp(d->name, catalogue[i].name) ||
	    d->scope != (strcmp(catalogue[i].scope, "vm") ? NPT_SCOPE_VCPU : NPT_SCOPE_VM) ||
	    d->type != (strcmp(catalogue[i].type, "gauge") ? NPT_BEHAVIOUR_COUNTER :
			NPT_BEHAVIOUR_GAUGE) ||
	    strcmp(d->unit, catalogue[i].unit) || strcmp(d->text, catalogue[i].text))
		t->wrong++;
	return 0;
}

static int on_law(const struct npt_nl_law *law, void *arg)
{
	struct tally *t = arg;
	unsigned int i = t->laws++;

	if (i >= ARRAY_SIZE(laws) || strcmp(law->name, laws[i].name) ||
	    strcmp(law->left, laws[i].left) || strcmp(law->right, laws[i].right))
		t->wrong++;
	return 0;
}

TEST_F(netlink, catalogue_is_the_header)
{
	struct tally t = {};

	ASSERT_EQ(0, npt_nl_catalogue(self->lib, on_counter, on_law, &t));
	EXPECT_EQ(NPT_CTR_NR, t.counters);
	EXPECT_EQ(ARRAY_SIZE(laws), t.laws);
	EXPECT_EQ(0, t.wrong);
}

/* --- translations ------------------------------------------------------- */

TEST_F(netlink, explains_as_the_ioctl_does)
{
	static const uint64_t gvas[] = { 0x400000, 0x43f123, 0x440000, 0x600000, 0x603fff, 0,
					 0xffff800000000000, 0x8000000000000000, 0x12345678 };
	struct npt_walk_entry direct[NPT_WALK_MAX], remote[NPT_WALK_MAX];
	struct npt_explain d, r;
	unsigned int i, op, user;

	ASSERT_EQ(0, touch(self->vcpu));
	for (i = 0; i < ARRAY_SIZE(gvas) * 6; i++) {
		op = i / ARRAY_SIZE(gvas) % 3;
		user = i / ARRAY_SIZE(gvas) / 3;
		d = (struct npt_explain) {
			.gva = gvas[i % ARRAY_SIZE(gvas)], .op = op, .user = user,
		};
		r = d;
		memset(direct, 0, sizeof(direct));
		memset(remote, 0, sizeof(remote));
		ASSERT_EQ(0, npt_vcpu_explain(self->vcpu, &d, direct));
		ASSERT_EQ(0, npt_nl_explain(self->lib, self->id, 0, &r, remote));
		EXPECT_EQ(d.status, r.status)
			TH_LOG("gva 0x%llx op %u user %u", d.gva, op, user);
		EXPECT_EQ(d.error_code, r.error_code);
		EXPECT_EQ(d.page_shift, r.page_shift);
		EXPECT_EQ(d.refs_guest, r.refs_guest);
		EXPECT_EQ(d.refs_nested, r.refs_nested);
		EXPECT_EQ(d.gpa, r.gpa);
		EXPECT_EQ(d.hpa, r.hpa);
		ASSERT_EQ(d.count, r.count);
		EXPECT_EQ(0, memcmp(direct, remote, d.count * sizeof(*direct)));
	}
}

struct sum {
	uint64_t bytes;
	uint64_t end;
	uint32_t rights;
	unsigned int n, disorder, aimless;
};

static int on_range(const struct npt_nl_range *r, void *arg)
{
	struct sum *s = arg;

	s->disorder += r->start < s->end || r->end <= r->start;
	s->aimless += !r->has_target;
	s->bytes += r->end - r->start;
	s->rights |= r->rights;
	s->end = r->end;
	s->n++;
	return 0;
}

TEST_F(netlink, guest_table)
{
	struct sum s = {};

	/* Tables that no walk has read are not in the VM's map yet. */
	ASSERT_EQ(0, touch(self->vcpu));
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_GUEST, 0, on_range, &s));
	EXPECT_EQ(68 * PAGE, s.bytes);
	EXPECT_EQ(2, s.n);
	EXPECT_EQ(0, s.disorder);
	EXPECT_EQ(0, s.aimless);

	/* From the middle on. */
	s = (struct sum) {};
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_GUEST, 0x600000, on_range,
				  &s));
	EXPECT_EQ(4 * PAGE, s.bytes);
	EXPECT_EQ(1, s.n);
}

TEST_F(netlink, host_tables)
{
	uint64_t values[NPT_CTR_NR];
	struct sum s = {};

	ASSERT_EQ(0, touch(self->vcpu));
	ASSERT_EQ(0, npt_vm_stats(self->vm, values, NPT_CTR_NR));
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_NESTED, 0, on_range, &s));
	EXPECT_NE(0, s.n);
	EXPECT_EQ(values[NPT_CTR_mapped_bytes], s.bytes);
	EXPECT_EQ(0, s.disorder);
	EXPECT_EQ(0, s.aimless);
	if (variant->mmu != NPT_MMU_SHADOW)
		return;
	s = (struct sum) {};
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_SHADOW, 0, on_range, &s));
	EXPECT_EQ(values[NPT_CTR_shadow_leaves] * PAGE, s.bytes);
	EXPECT_EQ(0, s.disorder);
}

TEST_F(netlink, long_tables_come_in_many_messages)
{
	uint32_t flags;
	struct sum s = {};
	int i;

	/* Every other page is of other rights: nothing merges. */
	for (i = 0; i < 1000; i++) {
		flags = NPT_PT_USER | (i & 1 ? NPT_PT_WRITE : 0);
		ASSERT_EQ(0, npt_pt_map(self->pt, 0x800000 + i * PAGE, i * PAGE, 12, flags));
	}
	for (i = 0; i < 1000; i += 499)
		ASSERT_EQ(0, npt_vcpu_access(self->vcpu, 0x800000 + i * PAGE, NPT_OP_READ,
					     NPT_ACCESS_USER, NULL));
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_GUEST, 0x800000, on_range,
				  &s));
	EXPECT_EQ(1000, s.n);
	EXPECT_EQ(1000 * PAGE, s.bytes);
	EXPECT_EQ(0, s.disorder);
}

/* Canonical addresses: the upper half comes last, and goes on in the next message. */
TEST_F(netlink, upper_half)
{
	const uint64_t base = 0xffff880000000000;
	struct sum s = {};
	int i;

	/* Narrower addresses have no upper half. */
	if (variant->levels < 4)
		return;
	for (i = 0; i < 500; i++)
		ASSERT_EQ(0, npt_pt_map(self->pt, base + i * PAGE, i * PAGE, 12,
					i & 1 ? NPT_PT_WRITE : 0));
	ASSERT_EQ(0, touch(self->vcpu));
	ASSERT_EQ(0, npt_vcpu_access(self->vcpu, base, NPT_OP_READ, 0, NULL));
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_GUEST, 0, on_range, &s));
	EXPECT_EQ(568 * PAGE, s.bytes);
	EXPECT_EQ(0, s.disorder);
	EXPECT_EQ(base + 500 * PAGE, s.end);

	s = (struct sum) {};
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_GUEST, base + 400 * PAGE,
				  on_range, &s));
	EXPECT_EQ(100 * PAGE, s.bytes);
}

/* Guest-physical addresses are never canonical. */
TEST_F(netlink, high_memory)
{
	struct npt_memory_options opts = { .slot = 1, .gpa = 1ULL << 47, .size = MIB };
	struct npt_memory *mem;
	struct sum s = {};

	ASSERT_EQ(0, npt_memory_add(self->vm, &opts, &mem));
	ASSERT_EQ(0, npt_vcpu_access(self->vcpu, opts.gpa + PAGE, NPT_OP_WRITE,
				     NPT_ACCESS_PHYS, NULL));
	ASSERT_EQ(0, npt_nl_table(self->lib, self->id, 0, NPT_DIM_NESTED, 0, on_range, &s));
	EXPECT_LT(opts.gpa, s.end);
	EXPECT_GE(opts.gpa + opts.size, s.end);
	EXPECT_EQ(0, s.disorder);
	EXPECT_EQ(0, npt_memory_remove(mem));
}

TEST_HARNESS_MAIN
