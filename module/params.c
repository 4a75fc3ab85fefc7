// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters: what a VM gets whose creator chose nothing. Root may
 * write them at run time; VMs that exist keep what they have.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include "limits.h"
#include "npt.h"

static u32 engine = NPT_ENGINE_AUTO;
static u32 mmu = NPT_MMU_NESTED;
static u32 max_table_pages = NPT_DEFAULT_TABLE_PAGES;

u32 npt_param_engine(void)
{
	return READ_ONCE(engine);
}

u32 npt_param_mmu(void)
{
	return READ_ONCE(mmu);
}

u32 npt_param_table_pages(void)
{
	return READ_ONCE(max_table_pages);
}

static const char *const mmu_names[] = {
	[NPT_MMU_DEFAULT] = "default",
	[NPT_MMU_NATIVE] = "native",
	[NPT_MMU_SHADOW] = "shadow",
	[NPT_MMU_NESTED] = "nested",
};

const char *npt_mmu_mode_name(u32 mode)
{
	return mode < ARRAY_SIZE(mmu_names) ? mmu_names[mode] : "unknown";
}

static int set_engine(const char *val, const struct kernel_param *kp)
{
	const struct npt_engine_ops *ops;
	const char *why = NULL;
	int id = npt_engine_from_name(val);

	if (id < 0) {
		pr_err("npt: engine: expected auto, soft, svm or vmx\n");
		return id;
	}
	ops = npt_engine_pick(id, &why);
	if (IS_ERR(ops)) {
		pr_err("npt: engine: %s can't be used: %s\n", npt_engine_name(id), why);
		return PTR_ERR(ops);
	}
	WRITE_ONCE(engine, id);
	return 0;
}

static int get_engine(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", npt_engine_name(npt_param_engine()));
}

static int get_engines(char *buf, const struct kernel_param *kp)
{
	return npt_engines_describe(buf, PAGE_SIZE);
}

static int set_mmu(const char *val, const struct kernel_param *kp)
{
	unsigned int mode;

	for (mode = NPT_MMU_NATIVE; mode < ARRAY_SIZE(mmu_names); mode++) {
		if (sysfs_streq(val, mmu_names[mode])) {
			WRITE_ONCE(mmu, mode);
			return 0;
		}
	}
	pr_err("npt: mmu: expected native, shadow or nested\n");
	return -EINVAL;
}

static int get_mmu(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", npt_mmu_mode_name(npt_param_mmu()));
}

static int set_table_pages(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, NPT_MIN_TABLE_PAGES, NPT_LIMIT_TABLE_PAGES);
}

static const struct kernel_param_ops engine_ops = { .set = set_engine, .get = get_engine };
static const struct kernel_param_ops engines_ops = { .get = get_engines };
static const struct kernel_param_ops mmu_ops = { .set = set_mmu, .get = get_mmu };
static const struct kernel_param_ops table_pages_ops = {
	.set = set_table_pages,
	.get = param_get_uint,
};

module_param_cb(engine, &engine_ops, NULL, 0644);
MODULE_PARM_DESC(engine, "What runs a VM whose creator did not choose: auto (the default), soft, svm, vmx");
module_param_cb(engines, &engines_ops, NULL, 0444);
MODULE_PARM_DESC(engines, "Read only: what each engine says of this machine, now");
module_param_cb(mmu, &mmu_ops, NULL, 0644);
MODULE_PARM_DESC(mmu, "MMU mode of a VM whose creator did not choose: native, shadow, nested (the default)");
module_param_cb(max_table_pages, &table_pages_ops, &max_table_pages, 0644);
MODULE_PARM_DESC(max_table_pages, "Cap on a VM's pages of tables where its creator set none, at least "
		 __stringify(NPT_MIN_TABLE_PAGES));
