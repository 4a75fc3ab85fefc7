// SPDX-License-Identifier: GPL-2.0
/* Explaining a translation, and the words that it takes. */
#include <strings.h>

#include "libnpt_priv.h"

int npt_vcpu_explain(struct npt_vcpu *vcpu, struct npt_explain *explain,
		     struct npt_walk_entry *entries)
{
	explain->size = sizeof(*explain);
	explain->count = NPT_WALK_MAX;
	explain->entries = (uintptr_t)entries;
	return npt_set_errno(vcpu->vm->dev->be->vcpu_explain(vcpu, explain),
			     "explanation of a translation");
}

/* A name by number, "?" beyond the table or in its holes. */
static const char *name_of(const char *const *names, size_t n, unsigned int i)
{
	return i < n && names[i] ? names[i] : "?";
}

const char *npt_status_name(unsigned int status)
{
	static const char *const names[NPT_STATUS_NR] = {
		[NPT_STATUS_OK] = "ok",
		[NPT_STATUS_GUEST_PF] = "guest-pf",
		[NPT_STATUS_GUEST_GP] = "guest-gp",
		[NPT_STATUS_MMIO] = "mmio",
		[NPT_STATUS_READONLY] = "readonly",
		[NPT_STATUS_HOST_FAULT] = "host-fault",
		[NPT_STATUS_BAD_RECORD] = "bad-record",
	};

	return name_of(names, NPT_STATUS_NR, status);
}

const char *npt_verdict_name(unsigned int verdict)
{
	static const char *const names[NPT_VERDICT_NR] = {
		[NPT_VERDICT_NEXT] = "next",
		[NPT_VERDICT_LEAF] = "leaf",
		[NPT_VERDICT_NOT_PRESENT] = "not-present",
		[NPT_VERDICT_RESERVED] = "reserved",
		[NPT_VERDICT_WRITE] = "write",
		[NPT_VERDICT_USER] = "user",
		[NPT_VERDICT_NX] = "nx",
		[NPT_VERDICT_SMEP] = "smep",
		[NPT_VERDICT_SMAP] = "smap",
		[NPT_VERDICT_PKEY] = "pkey",
		[NPT_VERDICT_NO_SLOT] = "no-slot",
	};

	return name_of(names, NPT_VERDICT_NR, verdict);
}

const char *npt_verdict_text(unsigned int verdict)
{
	static const char *const texts[NPT_VERDICT_NR] = {
		[NPT_VERDICT_NEXT] = "points to the next table",
		[NPT_VERDICT_LEAF] = "maps the page",
		[NPT_VERDICT_NOT_PRESENT] = "nothing is mapped there",
		[NPT_VERDICT_RESERVED] = "a reserved bit is set",
		[NPT_VERDICT_WRITE] = "may not be written",
		[NPT_VERDICT_USER] = "is for the supervisor only",
		[NPT_VERDICT_NX] = "may not be executed",
		[NPT_VERDICT_SMEP] = "is a user page, which the supervisor may not execute",
		[NPT_VERDICT_SMAP] = "is a user page, which the supervisor may not touch",
		[NPT_VERDICT_PKEY] = "its protection key denies it",
		[NPT_VERDICT_NO_SLOT] = "the VM has no memory there",
	};

	return name_of(texts, NPT_VERDICT_NR, verdict);
}

static const char *const mmu_names[] = {
	[NPT_MMU_DEFAULT] = "default",
	[NPT_MMU_NATIVE] = "native",
	[NPT_MMU_SHADOW] = "shadow",
	[NPT_MMU_NESTED] = "nested",
};

const char *npt_mmu_name(unsigned int mmu)
{
	return name_of(mmu_names, NPT_ARRAY_SIZE(mmu_names), mmu);
}

int npt_mmu_by_name(const char *name)
{
	unsigned int i;

	for (i = NPT_MMU_NATIVE; i < NPT_ARRAY_SIZE(mmu_names); i++)
		if (!strcmp(name, mmu_names[i]))
			return i;
	return npt_set_error(-EINVAL, "MMU mode \"%s\", expected native, shadow or nested", name);
}

const char *npt_engine_name(unsigned int engine)
{
	static const char *const names[] = {
		[NPT_ENGINE_DEFAULT] = "default",
		[NPT_ENGINE_AUTO] = "auto",
		[NPT_ENGINE_SOFT] = "soft",
		[NPT_ENGINE_SVM] = "svm",
		[NPT_ENGINE_VMX] = "vmx",
	};

	return name_of(names, NPT_ARRAY_SIZE(names), engine);
}

const char *npt_nested_format_name(unsigned int format)
{
	static const char *const names[] = {
		[NPT_NESTED_DEFAULT] = "default",
		[NPT_NESTED_NPT] = "npt",
		[NPT_NESTED_EPT] = "ept",
	};

	return name_of(names, NPT_ARRAY_SIZE(names), format);
}

static const struct {
	unsigned int shift;
	const char *name;
} page_names[] = {
	{ 12, "4k" }, { 21, "2m" }, { 30, "1g" }, { 22, "4m" },
};

const char *npt_page_name(unsigned int shift)
{
	size_t i;

	for (i = 0; i < NPT_ARRAY_SIZE(page_names); i++)
		if (page_names[i].shift == shift)
			return page_names[i].name;
	return "?";
}

int npt_page_by_name(const char *name)
{
	size_t i;

	/* 4m exists in guest tables only and nobody can ask for it */
	for (i = 0; i < 3; i++)
		if (!strcasecmp(name, page_names[i].name))
			return page_names[i].shift;
	return npt_set_error(-EINVAL, "page size \"%s\", expected 4k, 2m or 1g", name);
}
