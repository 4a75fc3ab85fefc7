// SPDX-License-Identifier: GPL-2.0
/*
 * Every netlink command and dump, and the events, with each allocation failing
 * in turn: an answer is whole or an error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include "failnth.h"
#include "kselftest_harness.h"
#include "nlraw.h"
#include "utils.h"

#define MEM_SIZE (2 * MIB)
#define TABLES (1 * MIB)

struct world {
	int dev, vm, vcpu;
	char *mem;
	struct npt_create_vm create;
	struct npt_vm_info info;
	struct nlraw like, nl, listener;
	bool used;			/* the socket may hold what is left of a failure */
	unsigned int n;			/* messages of an answer that is whole */
	const struct row *row;
};

struct row {
	const char *name;
	uint8_t cmd;
	uint16_t flags;
	void (*fill)(struct world *w, struct nlraw_msg *m);
};

/* --- requests ------------------------------------------------------------------- */

static void fill_vm(struct world *w, struct nlraw_msg *m)
{
	nlraw_put_u32(m, NPT_A_VM_ID, w->info.id);
}

static void fill_vcpu(struct world *w, struct nlraw_msg *m)
{
	nlraw_put_u32(m, NPT_A_VCPU_VM, w->info.id);
	nlraw_put_u32(m, NPT_A_VCPU_ID, 0);
}

static void fill_vcpu_vm(struct world *w, struct nlraw_msg *m)
{
	nlraw_put_u32(m, NPT_A_VCPU_VM, w->info.id);
}

static void fill_stat(struct world *w, struct nlraw_msg *m)
{
	nlraw_put_u32(m, NPT_A_STAT_VM, w->info.id);
}

static void fill_stat_vcpu(struct world *w, struct nlraw_msg *m)
{
	fill_stat(w, m);
	nlraw_put_u32(m, NPT_A_STAT_VCPU, 0);
}

static void fill_explain(struct world *w, struct nlraw_msg *m)
{
	nlraw_put_u32(m, NPT_A_EXPLAIN_VM, w->info.id);
	nlraw_put_u32(m, NPT_A_EXPLAIN_VCPU, 0);
	nlraw_put_u64(m, NPT_A_EXPLAIN_GVA, 0x1000);
}

static void fill_table(struct world *w, struct nlraw_msg *m, uint32_t dim)
{
	nlraw_put_u32(m, NPT_A_TABLE_VM, w->info.id);
	nlraw_put_u32(m, NPT_A_TABLE_VCPU, 0);
	nlraw_put_u32(m, NPT_A_TABLE_DIM, dim);
}

static void fill_guest_table(struct world *w, struct nlraw_msg *m)
{
	fill_table(w, m, NPT_DIM_GUEST);
}

static void fill_host_table(struct world *w, struct nlraw_msg *m)
{
	fill_table(w, m, w->create.mmu == NPT_MMU_SHADOW ? NPT_DIM_SHADOW : NPT_DIM_NESTED);
}

static const struct row rows[] = {
	{ "VM_GET", NPT_CMD_VM_GET, 0, fill_vm },
	{ "VM_GET dump", NPT_CMD_VM_GET, NLM_F_DUMP },
	{ "VCPU_GET", NPT_CMD_VCPU_GET, 0, fill_vcpu },
	{ "VCPU_GET dump", NPT_CMD_VCPU_GET, NLM_F_DUMP },
	{ "VCPU_GET dump of a VM", NPT_CMD_VCPU_GET, NLM_F_DUMP, fill_vcpu_vm },
	{ "STAT_GET", NPT_CMD_STAT_GET, 0, fill_stat },
	{ "STAT_GET of a vCPU", NPT_CMD_STAT_GET, 0, fill_stat_vcpu },
	{ "STAT_GET dump", NPT_CMD_STAT_GET, NLM_F_DUMP },
	{ "CATALOGUE_GET dump", NPT_CMD_CATALOGUE_GET, NLM_F_DUMP },
	{ "EXPLAIN", NPT_CMD_EXPLAIN, 0, fill_explain },
	{ "TABLE_GET dump, guest's", NPT_CMD_TABLE_GET, NLM_F_DUMP, fill_guest_table },
	{ "TABLE_GET dump, host's", NPT_CMD_TABLE_GET, NLM_F_DUMP, fill_host_table },
	{ "MONITOR_GET", NPT_CMD_MONITOR_GET, 0 },
	{ "MONITOR_SET", NPT_CMD_MONITOR_SET, 0 },
};

/* --- one request ----------------------------------------------------------------- */

/* Nothing is waited for: what a request brings is there when it has been sent. */
static bool open_socket(const struct world *w, struct nlraw *nl)
{
	return nlraw_open_like(nl, &w->like) >= 0 && !fcntl(nl->fd, F_SETFL, O_NONBLOCK);
}

static bool prepare(void *world)
{
	struct world *w = world;

	w->used = false;
	return open_socket(w, &w->nl);
}

/* The number of messages, or -errno. */
static long request(void *world)
{
	struct world *w = world;
	struct nlraw_answer a;
	struct nlraw_msg m;
	int err;

	if (w->used) {
		nlraw_close(&w->nl);
		if (!open_socket(w, &w->nl))
			return -EBADF;
	}
	w->used = true;
	nlraw_init(&m, &w->nl, w->row->cmd, w->row->flags);
	if (w->row->fill)
		w->row->fill(w, &m);
	err = nlraw_do(&w->nl, &m, &a, NULL, NULL);
	return err ? err : (long)a.n;
}

/*
 * ENOBUFS is netlink's word for no memory. EAGAIN: even the answer that says so
 * was lost, which the socket tells by ENOBUFS only if it finds the memory.
 */
static enum failnth_end judge(void *world, long ret, bool hit)
{
	const struct world *w = world;

	if (ret == w->n)
		return FAILNTH_DONE;
	if (hit && (ret == -ENOBUFS || ret == -EAGAIN))
		return FAILNTH_FAILED;
	return ret >= 0 ? FAILNTH_WRONG : failnth_judge(world, ret, hit);
}

static void undo(void *world, long ret)
{
	struct world *w = world;

	nlraw_close(&w->nl);
}

static const struct failnth_ops request_ops = {
	.prepare = prepare, .call = request, .judge = judge, .undo = undo,
};

/* --- events ------------------------------------------------------------------------ */

static bool listen_prepare(void *world)
{
	struct world *w = world;

	return open_socket(w, &w->listener) && !nlraw_join(&w->listener, w->like.events);
}

/* That nobody can be told of it keeps no VM from coming. */
static long create_heard(void *world)
{
	struct world *w = world;

	return create_as(w->dev, &w->create);
}

/* Either there is something to read, or the socket says that something was lost. */
static void listen_undo(void *world, long ret)
{
	struct world *w = world;
	char buf[4096];
	ssize_t n = recv(w->listener.fd, buf, sizeof(buf), 0);

	if (ret >= 0 && n <= 0 && errno != ENOBUFS) {
		fprintf(stderr, "a VM came, and its listener heard nothing\n");
		abort();
	}
	nlraw_close(&w->listener);
	if (ret >= 0)
		close(ret);
}

static const struct failnth_ops listen_ops = {
	.prepare = listen_prepare, .call = create_heard, .judge = failnth_judge,
	.undo = listen_undo,
};

/* Nobody can be told that it goes. */
static bool going_prepare(void *world)
{
	struct world *w = world;

	if (!listen_prepare(w))
		return false;
	w->vm = create_as(w->dev, &w->create);
	return w->vm >= 0;
}

static long going_call(void *world)
{
	struct world *w = world;

	return close(w->vm);
}

static enum failnth_end going_judge(void *world, long ret, bool hit)
{
	return ret ? FAILNTH_WRONG : FAILNTH_DONE;
}

static void going_undo(void *world, long ret)
{
	struct world *w = world;

	nlraw_close(&w->listener);
}

static const struct failnth_ops going_ops = {
	.prepare = going_prepare, .call = going_call, .judge = going_judge, .undo = going_undo,
};

/* --- both modes ---------------------------------------------------------------------- */

FIXTURE(failnth_netlink) {
	struct world w;
	const char *why_not;
};

FIXTURE_VARIANT(failnth_netlink) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(failnth_netlink, nested) { .mmu = NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(failnth_netlink, shadow) { .mmu = NPT_MMU_SHADOW };

FIXTURE_SETUP(failnth_netlink)
{
	struct world *w = &self->w;
	uint32_t value = 1;

	if (!failnth_there(&self->why_not))
		return;
	self->why_not = "no /dev/npt";
	w->dev = open_npt();
	if (w->dev < 0)
		return;
	self->why_not = NULL;
	ASSERT_LE(0, nlraw_open(&w->like));
	w->create = vm_args(variant->mmu);
	w->vm = create_vm(w->dev, variant->mmu);
	ASSERT_LE(0, w->vm);
	w->info.size = sizeof(w->info);
	ASSERT_EQ(0, call(w->vm, NPT_VM_INFO, &w->info));
	w->mem = map_memory(MEM_SIZE);
	ASSERT_NE(MAP_FAILED, w->mem);
	identity_tables(w->mem + TABLES, TABLES, MEM_SIZE);
	ASSERT_EQ(0, set_slot(w->vm, 0, 0, 0, MEM_SIZE, w->mem));
	w->vcpu = call_value(w->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, w->vcpu);
	ASSERT_EQ(0, long_mode(w->vcpu, TABLES));
	ASSERT_EQ(0, write_virt(w->vcpu, 0x1000, &value, 4));
	ASSERT_EQ(0, write_virt(w->vcpu, 0x9000, &value, 4));
}

FIXTURE_TEARDOWN(failnth_netlink)
{
	if (self->why_not)
		return;
	nlraw_close(&self->w.like);
	close(self->w.vcpu);
	close(self->w.vm);
	close(self->w.dev);
	munmap(self->w.mem, MEM_SIZE);
}

TEST_F_TIMEOUT(failnth_netlink, requests, 900)
{
	struct failnth_sum sum;
	unsigned int i;
	long n;

	if (self->why_not)
		SKIP(return, "%s", self->why_not);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		self->w.row = &rows[i];
		ASSERT_TRUE(prepare(&self->w));
		n = request(&self->w);
		undo(&self->w, n);
		ASSERT_LT(0, n) {
			TH_LOG("%s: %ld", rows[i].name, n);
		}
		self->w.n = n;
		EXPECT_TRUE(failnth_sweep(rows[i].name, &request_ops, &self->w, &sum));
		EXPECT_LT(1, sum.failed);
	}
}

TEST_F_TIMEOUT(failnth_netlink, events, 900)
{
	struct world w;
	struct failnth_sum sum;

	if (self->why_not)
		SKIP(return, "%s", self->why_not);
	w = self->w;
	EXPECT_TRUE(failnth_sweep("VM_NEW_NTF", &listen_ops, &w, &sum));
	EXPECT_LT(1, sum.failed);
	EXPECT_TRUE(failnth_sweep("VM_DEL_NTF", &going_ops, &w, &sum));
}

TEST_HARNESS_MAIN
