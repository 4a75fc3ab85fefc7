// SPDX-License-Identifier: GPL-2.0
/* libnpt in this process: catalogue, laws, VMs, memory, vCPUs, explanations. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "test.h"

#define MIB (1ULL << 20)

#define FAILS(call, err) do {						\
	int __r = (call), __e = (err);					\
	CHECK(__r == __e, "%s: got %d (%s), expected %d", #call, __r, npt_error(), __e); \
	CHECK(*npt_error(), "%s: no text", #call);			\
	CHECK(!strchr(npt_error(), '\n'), "%s: more than a line", #call); \
	test_cases++;							\
} while (0)

#define WORKS(call) CHECK(!(call), "%s: %s", #call, npt_error())

/* --- counters --- */

static void test_catalogue(void)
{
	unsigned int i, k;

	for (i = 0; i < NPT_CTR_NR; i++) {
		const struct npt_counter_info *info = npt_counter_info(i);

		CHECK(info && *info->name && *info->unit && *info->text, "counter %u", i);
		CHECK_EQ(npt_counter_by_name(info->name), i, info->name);
		for (k = 0; k < i; k++)
			CHECK(strcmp(npt_counter_info(k)->name, info->name), "%s twice",
			      info->name);
	}
	CHECK(!npt_counter_info(NPT_CTR_NR), "a counter too many");
	FAILS(npt_counter_by_name("walk"), -ENOENT);
	FAILS(npt_counter_by_name("walksx"), -ENOENT);
	FAILS(npt_counter_by_name(""), -ENOENT);
	CHECK_EQ(npt_counter_info(NPT_CTR_walks)->scope, NPT_SCOPE_vcpu, "scope of walks");
	CHECK_EQ(npt_counter_info(NPT_CTR_zaps)->scope, NPT_SCOPE_vm, "scope of zaps");
	CHECK_EQ(npt_counter_info(NPT_CTR_pages_2m)->type, NPT_TYPE_gauge, "type of pages_2m");
}

/* Each law holds at zero, and one more on one side breaks exactly those that name it. */
static void test_laws(void)
{
	struct npt_law_result results[64];
	uint64_t values[NPT_CTR_NR] = {};
	const struct npt_law *laws;
	size_t n, i;

	laws = npt_laws(&n);
	CHECK(n >= 10 && n <= 64, "%zu laws", n);
	CHECK_EQ(npt_laws_check(values, NPT_CTR_NR, results), 0, "laws broken at zero");
	values[NPT_CTR_tlb_flush] = 3;
	values[NPT_CTR_flush_cr3] = 2;
	CHECK_EQ(npt_laws_check(values, NPT_CTR_NR, results), 1, "laws broken by a flush");
	for (i = 0; i < n; i++) {
		bool broken = !strcmp(laws[i].name, "flushes_by_reason");

		CHECK_EQ(results[i].ok, !broken, laws[i].name);
		CHECK_EQ(results[i].left, broken ? 3 : 0, laws[i].name);
		CHECK_EQ(results[i].right, broken ? 2 : 0, laws[i].name);
	}
	values[NPT_CTR_flush_invlpg] = 1;
	CHECK_EQ(npt_laws_check(values, NPT_CTR_NR, NULL), 0, "laws broken after mending");
}

static void test_own_laws(void)
{
	static const struct {
		const char *left, *right;
		uint64_t l, r;
	} good[] = {
		{ "walks", "lookups", 7, 11 },
		{ "2*walks + lookups", "lookups+2 * walks", 25, 25 },
		{ " 2097152*pages_2m", "0*walks", 5 * 2097152ULL, 0 },
	};
	static const char *const bad[] = {
		"", "walks +", "+ walks", "walks lookups", "2 walks", "2*", "*walks", "nonsense",
		"walks - lookups", "99999999999999999999*walks", "walks ++ lookups",
	};
	uint64_t values[NPT_CTR_NR] = {};
	struct npt_law_result res;
	unsigned int i;

	values[NPT_CTR_walks] = 7;
	values[NPT_CTR_lookups] = 11;
	values[NPT_CTR_pages_2m] = 5;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct npt_law law = { "own", good[i].left, good[i].right };

		WORKS(npt_law_check(&law, values, NPT_CTR_NR, &res));
		CHECK_EQ(res.left, good[i].l, law.left);
		CHECK_EQ(res.right, good[i].r, law.right);
		CHECK_EQ(res.ok, good[i].l == good[i].r, "verdict");
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct npt_law left = { "own", bad[i], "walks" };
		struct npt_law right = { "own", "walks", bad[i] };

		FAILS(npt_law_check(&left, values, NPT_CTR_NR, &res), -EINVAL);
		FAILS(npt_law_check(&right, values, NPT_CTR_NR, &res), -EINVAL);
	}
	/* counters of a newer library are beyond an older module's */
	struct npt_law law = { "own", "walks", "walks" };

	FAILS(npt_law_check(&law, values, NPT_CTR_walks, &res), -EINVAL);
}

/* --- VMs --- */

struct world {
	struct npt_device *dev;
	struct npt_vm *vm;
};

static void world_open(struct world *w, const struct npt_vm_options *opts)
{
	WORKS(npt_device_open_inproc(&w->dev));
	WORKS(npt_vm_create(w->dev, opts, &w->vm));
}

static void world_close(struct world *w)
{
	npt_vm_destroy(w->vm);
	npt_device_close(w->dev);
}

static void test_vm_options(void)
{
	static const struct npt_vm_options bad[] = {
		{ .name = "01234567890123456789012345678901" },
		{ .engine = 99 }, { .mmu = 99 }, { .nested_format = 99 },
		{ .nested_levels = 3 }, { .nested_levels = 6 },
		{ .leaf_pages = NPT_PAGE_2M }, { .leaf_pages = 0x80 | NPT_PAGE_4K },
		{ .max_table_pages = 1 }, { .flags = 0x8000 }, { .max_vcpus = 1 << 20 },
	};
	struct npt_tlb_model model = { .tlb[0] = { .level = 3, .kinds = 1, .pages = 1,
						   .entries = 4 } };
	struct npt_vm_options o = { .tlb = &model };
	struct npt_device *dev;
	struct npt_vm *vm;
	unsigned int i;

	WORKS(npt_device_open_inproc(&dev));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		FAILS(npt_vm_create(dev, &bad[i], &vm), -EINVAL);
	FAILS(npt_vm_create(dev, &o, &vm), -EINVAL);
	memset(&o, 0, sizeof(o));
	o.engine = NPT_ENGINE_SVM;
	FAILS(npt_vm_create(dev, &o, &vm), -EOPNOTSUPP);
	npt_device_close(dev);
}

static void test_vm_info(void)
{
	struct npt_vm_options o = {
		.name = "info", .mmu = NPT_MMU_SHADOW, .nested_format = NPT_NESTED_EPT,
		.nested_levels = 5, .leaf_pages = NPT_PAGE_4K, .max_vcpus = 2,
	};
	struct npt_memory_options m = { .slot = 3, .gpa = MIB, .size = MIB };
	struct npt_vcpu *vcpu, *other;
	struct npt_vm_info info;
	struct world w;

	world_open(&w, &o);
	WORKS(npt_memory_add(w.vm, &m, NULL));
	WORKS(npt_vcpu_create(w.vm, 1, &vcpu));
	FAILS(npt_vcpu_create(w.vm, 1, &other), -EEXIST);
	FAILS(npt_vcpu_create(w.vm, 2, &other), -EINVAL);
	WORKS(npt_vm_info(w.vm, &info));
	CHECK(!strcmp((char *)info.name, "info"), "name %s", info.name);
	CHECK_EQ(info.mmu, NPT_MMU_SHADOW, "mode");
	CHECK_EQ(info.engine, NPT_ENGINE_SOFT, "engine");
	CHECK_EQ(info.nested_format, NPT_NESTED_EPT, "format");
	CHECK_EQ(info.nested_levels, 5, "levels");
	CHECK_EQ(info.vcpus, 1, "vCPUs");
	CHECK_EQ(info.slots, 1, "memslots");
	npt_vcpu_destroy(vcpu);
	world_close(&w);
}

static void test_memory(void)
{
	struct npt_memory_options o = { .slot = 0, .gpa = 4 * MIB, .size = 4 * MIB };
	struct npt_memory *a, *b;
	struct world w;
	char *p;

	world_open(&w, NULL);
	WORKS(npt_memory_add(w.vm, &o, &a));
	p = npt_memory_ptr(w.vm, 4 * MIB, 4 * MIB);
	CHECK(p && !p[0] && !p[4 * MIB - 1], "memory is not there or not zero");
	CHECK(npt_memory_ptr(w.vm, 5 * MIB, 1) == p + MIB, "pointer to the middle");
	CHECK(!npt_memory_ptr(w.vm, 5 * MIB, 3 * MIB + 1), "a pointer beyond the end");
	CHECK(!npt_memory_ptr(w.vm, 4 * MIB - 1, 1), "a pointer before the start");
	CHECK(!npt_memory_ptr(w.vm, 5 * MIB, ~0ULL), "a pointer that wraps");
	FAILS(npt_memory_add(w.vm, &o, &b), -EEXIST);
	o.gpa = 16 * MIB;
	FAILS(npt_memory_add(w.vm, &o, &b), -EEXIST);
	o.slot = 1;
	o.gpa = 8 * MIB - 4096;
	FAILS(npt_memory_add(w.vm, &o, &b), -EEXIST);
	o.gpa = 8 * MIB;
	WORKS(npt_memory_add(w.vm, &o, &b));
	CHECK(!npt_memory_ptr(w.vm, 8 * MIB - 1, 2), "a pointer over two pieces");
	o.slot = 2;
	o.gpa = MIB + 1;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.gpa = MIB;
	o.size = 0;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.size = 100;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.size = -4096ULL;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.size = 4096;
	o.gpa = 1ULL << 52;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.gpa = MIB;
	o.flags = 0x100;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.flags = 0;
	o.pages = 17;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	o.pages = NPT_MEMORY_HUGETLB_2M;
	FAILS(npt_memory_add(w.vm, &o, &b), -EINVAL);
	WORKS(npt_memory_remove(a));
	CHECK(!npt_memory_ptr(w.vm, 4 * MIB, 1), "memory is still there");
	world_close(&w);
}

/* --- vCPUs --- */

static void test_paging(void)
{
	struct npt_memory_options m = { .gpa = MIB, .size = MIB };
	struct npt_vcpu *vcpu;
	struct kvm_sregs s;
	struct world w;

	world_open(&w, NULL);
	WORKS(npt_memory_add(w.vm, &m, NULL));
	WORKS(npt_vcpu_create(w.vm, 0, &vcpu));
	FAILS(npt_vcpu_set_paging(vcpu, 1, MIB, 0), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 6, MIB, 0), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 2, 1ULL << 32, 0), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 4, 1ULL << 52, 0), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 2, MIB, NPT_PAGING_NX), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 3, MIB, NPT_PAGING_PKE), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 4, MIB, NPT_PAGING_NO_PSE), -EINVAL);
	FAILS(npt_vcpu_set_paging(vcpu, 4, MIB, 1U << 30), -EINVAL);
	WORKS(npt_vcpu_set_paging(vcpu, 2, MIB, NPT_PAGING_WP));
	WORKS(npt_vcpu_get_sregs(vcpu, &s));
	CHECK_EQ(s.cr0, 0x80010031, "CR0, 32-bit");
	CHECK_EQ(s.cr4, 0x10, "CR4, 32-bit");
	CHECK_EQ(s.efer, 0, "EFER, 32-bit");
	WORKS(npt_vcpu_set_paging(vcpu, 3, MIB, NPT_PAGING_NX));
	WORKS(npt_vcpu_get_sregs(vcpu, &s));
	CHECK_EQ(s.cr4, 0x20, "CR4, PAE");
	CHECK_EQ(s.efer, 0x800, "EFER, PAE");
	WORKS(npt_vcpu_set_paging(vcpu, 5, MIB, NPT_PAGING_SMEP | NPT_PAGING_SMAP |
				  NPT_PAGING_PKE | NPT_PAGING_GLOBAL | NPT_PAGING_PCID));
	WORKS(npt_vcpu_get_sregs(vcpu, &s));
	CHECK_EQ(s.cr4, 0x7210a0, "CR4, 5 levels");
	CHECK_EQ(s.efer, 0x500, "EFER, 5 levels");
	CHECK_EQ(s.cr3, MIB, "CR3");
	WORKS(npt_vcpu_set_paging(vcpu, 0, 0, 0));
	npt_vcpu_destroy(vcpu);
	world_close(&w);
}

/* Paging off: an address is a guest-physical one. */
static void test_batches(void)
{
	struct npt_memory_options m = { .gpa = MIB, .size = MIB, .flags = NPT_MEMORY_READONLY };
	uint64_t sum[NPT_CTR_NR], one[NPT_CTR_NR], failed = 0;
	struct npt_access a[3] = {
		{ .gva = MIB, .size = 1 },
		{ .gva = MIB, .size = 1, .op = NPT_OP_WRITE },
		{ .gva = 0x7000, .size = 1 },
	};
	struct npt_access_result res[3];
	struct npt_batch batch = {};
	struct npt_vcpu *v[2];
	struct world w;

	world_open(&w, NULL);
	WORKS(npt_memory_add(w.vm, &m, NULL));
	WORKS(npt_vcpu_create(w.vm, 0, &v[0]));
	WORKS(npt_vcpu_create(w.vm, 1, &v[1]));
	WORKS(npt_vcpu_execute(v[0], a, res, 3, &failed));
	CHECK_EQ(failed, 2, "failed");
	CHECK_EQ(res[0].status, NPT_STATUS_OK, "read");
	CHECK_EQ(res[1].status, NPT_STATUS_READONLY, "write to read-only memory");
	CHECK_EQ(res[2].status, NPT_STATUS_MMIO, "no memory");
	CHECK_EQ(res[2].gpa, 0x7000, "gpa of what is no memory");
	batch.accesses = (uintptr_t)a;
	batch.count = 3;
	batch.flags = NPT_BATCH_STOP;
	WORKS(npt_vcpu_batch(v[1], &batch));
	CHECK_EQ(batch.done, 2, "done until the first failure");
	CHECK_EQ(batch.failed, 1, "failed until then");
	batch.flags = 0x80;
	FAILS(npt_vcpu_batch(v[1], &batch), -EINVAL);
	WORKS(npt_vm_stats(w.vm, sum, NPT_CTR_NR));
	WORKS(npt_vcpu_stats(v[0], one, NPT_CTR_NR));
	CHECK_EQ(one[NPT_CTR_accesses], 3, "accesses of one");
	CHECK_EQ(sum[NPT_CTR_accesses], 5, "accesses of both");
	CHECK_EQ(one[NPT_CTR_vcpus], 0, "a vCPU has no counters of the VM");
	CHECK_EQ(sum[NPT_CTR_vcpus], 2, "vCPUs");
	CHECK_EQ(npt_laws_check(sum, NPT_CTR_NR, NULL), 0, "laws broken");
	npt_vcpu_destroy(v[0]);
	npt_vcpu_destroy(v[1]);
	world_close(&w);
}

static void test_flush(void)
{
	struct npt_tlb_model model = {
		.tlb[0] = { .level = 1, .kinds = 3, .pages = 7, .entries = 8 },
	};
	struct npt_vm_options o = { .tlb = &model };
	struct npt_memory_options m = { .gpa = MIB, .size = MIB };
	struct npt_access_result res;
	struct npt_tlb_model got;
	struct npt_vcpu *vcpu;
	struct world w;

	world_open(&w, &o);
	WORKS(npt_memory_add(w.vm, &m, NULL));
	WORKS(npt_vcpu_create(w.vm, 0, &vcpu));
	WORKS(npt_vm_get_tlb(w.vm, &got));
	CHECK(!memcmp(&got.tlb, &model.tlb, sizeof(got.tlb)), "model read back");
	WORKS(npt_vcpu_access(vcpu, MIB, NPT_OP_READ, 0, &res));
	WORKS(npt_vcpu_access(vcpu, MIB, NPT_OP_READ, 0, &res));
	CHECK_EQ(res.source, NPT_SOURCE_L1, "second access");
	WORKS(npt_vm_flush(w.vm, NPT_FLUSH_ALL, 0, 0));
	WORKS(npt_vcpu_access(vcpu, MIB, NPT_OP_READ, 0, &res));
	CHECK_EQ(res.source, NPT_SOURCE_WALK, "after a flush");
	FAILS(npt_vm_flush(w.vm, 99, 0, 0), -EINVAL);
	FAILS(npt_vm_flush(w.vm, NPT_FLUSH_ALL, 1, 0), -EINVAL);
	FAILS(npt_vm_flush(w.vm, NPT_FLUSH_TAG, 4096, 0), -EINVAL);
	FAILS(npt_vcpu_flush(vcpu, NPT_FLUSH_TAG, 0, MIB), -EINVAL);
	memset(&model.tlb, 0, sizeof(model.tlb));
	WORKS(npt_vm_set_tlb(w.vm, &model));
	WORKS(npt_vcpu_access(vcpu, MIB, NPT_OP_READ, 0, &res));
	WORKS(npt_vcpu_access(vcpu, MIB, NPT_OP_READ, 0, &res));
	CHECK_EQ(res.source, NPT_SOURCE_WALK, "without a TLB");
	model.tlb[0].level = 9;
	FAILS(npt_vm_set_tlb(w.vm, &model), -EINVAL);
	npt_vcpu_destroy(vcpu);
	world_close(&w);
}

/* The order of the hardware: nested 4, guest 1, four times, then nested 4. */
static void test_explain(void)
{
	struct npt_vm_options o = { .leaf_pages = NPT_PAGE_4K };
	struct npt_memory_options m = { .gpa = MIB, .size = MIB };
	struct npt_pt_options p = { .levels = 4, .gpa = MIB, .size = 0x10000 };
	struct npt_explain e = { .gva = 0x123456, .user = 1, .flags = NPT_EXPLAIN_FILL };
	struct npt_walk_entry ent[NPT_WALK_MAX];
	struct npt_vcpu *vcpu;
	struct npt_pt *pt;
	struct world w;
	unsigned int i;

	world_open(&w, &o);
	WORKS(npt_memory_add(w.vm, &m, NULL));
	WORKS(npt_pt_create(w.vm, &p, &pt));
	WORKS(npt_pt_map(pt, 0x123000, MIB + 0x20000, 12, NPT_PT_USER));
	WORKS(npt_vcpu_create(w.vm, 0, &vcpu));
	WORKS(npt_vcpu_set_paging(vcpu, 4, npt_pt_root(pt), NPT_PAGING_WP));
	WORKS(npt_vcpu_explain(vcpu, &e, ent));
	CHECK_EQ(e.status, NPT_STATUS_OK, "status");
	CHECK_EQ(e.gpa, MIB + 0x20456, "gpa");
	CHECK_EQ(e.count, 24, "entries");
	CHECK_EQ(e.refs_guest, 4, "guest references");
	CHECK_EQ(e.refs_nested, 20, "nested references");
	for (i = 0; i < 24; i++) {
		bool guest = i % 5 == 4;

		CHECK_EQ(ent[i].dim, guest ? NPT_DIM_GUEST : NPT_DIM_NESTED, "dimension");
		CHECK_EQ(ent[i].level, guest ? 4 - i / 5 : 4 - i % 5, "level");
	}
	e.op = NPT_OP_WRITE;
	WORKS(npt_vcpu_explain(vcpu, &e, ent));
	CHECK_EQ(e.status, NPT_STATUS_GUEST_PF, "write");
	CHECK_EQ(e.error_code, 7, "error code");
	CHECK_EQ(ent[e.count - 1].verdict, NPT_VERDICT_WRITE, "what decided");
	CHECK_EQ(ent[e.count - 1].bit, 1, "the bit");
	e.op = 77;
	FAILS(npt_vcpu_explain(vcpu, &e, ent), -EINVAL);
	npt_pt_destroy(pt);
	npt_vcpu_destroy(vcpu);
	world_close(&w);
}

static void test_names(void)
{
	CHECK_EQ(npt_mmu_by_name("shadow"), NPT_MMU_SHADOW, "shadow");
	FAILS(npt_mmu_by_name("default"), -EINVAL);
	FAILS(npt_mmu_by_name(""), -EINVAL);
	CHECK_EQ(npt_page_by_name("2M"), 21, "2M");
	FAILS(npt_page_by_name("4m"), -EINVAL);
	CHECK(!strcmp(npt_mmu_name(99), "?"), "a mode beyond the last");
	CHECK(!strcmp(npt_verdict_name(NPT_VERDICT_SMAP), "smap"), "a verdict's name");
	CHECK(!strcmp(npt_page_name(13), "?"), "a size that is none");
}

static void test_device(void)
{
	struct npt_device *dev;
	struct npt_caps caps;

	FAILS(npt_device_open("/nonexistent/npt", &dev), -ENOENT);
	FAILS(npt_device_open("/dev/null", &dev), -ENOTTY);
	WORKS(npt_device_open_inproc(&dev));
	WORKS(npt_device_caps(dev, &caps));
	CHECK(npt_device_is_inproc(dev), "in-process");
	CHECK_EQ(npt_device_fd(dev), (unsigned long long)-1, "descriptor");
	CHECK_EQ(caps.engines, 1 << NPT_ENGINE_SOFT, "engines");
	CHECK_EQ(caps.counters, NPT_CTR_NR, "counters");
	npt_device_close(dev);
}

static const struct test tests[] = {
	{ "catalogue of counters", test_catalogue },
	{ "laws hold, and a broken one is found", test_laws },
	{ "laws of one's own, good and malformed", test_own_laws },
	{ "options of a VM that are refused", test_vm_options },
	{ "what a VM says of itself", test_vm_info },
	{ "memory: pieces, pointers, refusals", test_memory },
	{ "paging modes: control registers to the bit", test_paging },
	{ "batches and counters", test_batches },
	{ "flushes and TLB models", test_flush },
	{ "an explanation in the order of the hardware", test_explain },
	{ "names", test_names },
	{ "devices", test_device },
};

int main(void)
{
	return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
