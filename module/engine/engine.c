// SPDX-License-Identifier: GPL-2.0
/* The list of engines. */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/npt.h>
#include "engine.h"

/* Best first: this is the order in which "auto" tries them. */
static const struct npt_engine_ops *const engines[] = {
	&npt_engine_svm,
	&npt_engine_soft,
};

static const char *const names[] = {
	[NPT_ENGINE_DEFAULT] = "default",
	[NPT_ENGINE_AUTO] = "auto",
	[NPT_ENGINE_SOFT] = "soft",
	[NPT_ENGINE_SVM] = "svm",
	[NPT_ENGINE_VMX] = "vmx",
};

const char *npt_engine_name(u32 id)
{
	return id < ARRAY_SIZE(names) ? names[id] : "unknown";
}

int npt_engine_from_name(const char *name)
{
	unsigned int id;

	for (id = NPT_ENGINE_AUTO; id < ARRAY_SIZE(names); id++)
		if (sysfs_streq(name, names[id]))
			return id;
	return -EINVAL;
}

const struct npt_engine_ops *npt_engine_pick(u32 id, const char **why)
{
	int err = id >= NPT_ENGINE_AUTO && id < ARRAY_SIZE(names) ? -EOPNOTSUPP : -EINVAL;
	const char *reason = "this module has no such engine";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (id != NPT_ENGINE_AUTO && engines[i]->id != id)
			continue;
		err = engines[i]->probe(&reason);
		if (!err)
			return engines[i];
	}
	if (why)
		*why = reason;
	return ERR_PTR(err);
}

u32 npt_engines_usable(void)
{
	u32 usable = 0;
	const char *why;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines); i++)
		if (!engines[i]->probe(&why))
			usable |= 1U << engines[i]->id;
	return usable;
}

int npt_engines_describe(char *buf, size_t size)
{
	const char *why;
	unsigned int i;
	int len = 0;

	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		int err = engines[i]->probe(&why);

		len += scnprintf(buf + len, size - len, "%s: %s%s%s\n", engines[i]->name,
				 err ? "no" : "yes", why ? ", " : "", why ? why : "");
	}
	return len;
}

void npt_engines_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines); i++)
		engines[i]->exit();
}
