// SPDX-License-Identifier: GPL-2.0
/* The module: how it comes and goes, and /dev/npt. */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "engine/x86/cpuid.h"
#include "engine/x86/msr.h"
#include "ioctl.h"
#include "limits.h"
#include "memory/memory.h"
#include "netlink.h"
#include "npt.h"

/* KVM's, and what its programs insist on. */
#define API_VERSION 12

static long dev_get_api_version(struct npt_call *call)
{
	return call->val ? -EINVAL : API_VERSION;
}

static long dev_check_extension(struct npt_call *call)
{
	return npt_check_extension(NULL, call->val);
}

static long dev_get_vcpu_mmap_size(struct npt_call *call)
{
	return call->val ? -EINVAL : NPT_RUN_PAGES * PAGE_SIZE;
}

/* KVM's call is the own one with every default. The only type of VM is 0. */
static long dev_kvm_create_vm(struct npt_call *call)
{
	if (call->val)
		return -EINVAL;
	return npt_vm_create(&call->arg.create_vm, NULL);
}

static long dev_create_vm(struct npt_call *call)
{
	return npt_vm_create(&call->arg.create_vm, call);
}

static long dev_get_caps(struct npt_call *call)
{
	struct npt_caps *caps = &call->arg.caps;

	if (caps->flags || memchr_inv(caps->__reserved, 0, sizeof(caps->__reserved)))
		return -EINVAL;
	npt_get_caps(caps);
	return 0;
}

static const struct npt_ioctl dev_ioctls[] = {
	NPT_CALL_VALUE(KVM_GET_API_VERSION, dev_get_api_version),
	NPT_CALL_VALUE(KVM_CHECK_EXTENSION, dev_check_extension),
	NPT_CALL_VALUE(KVM_GET_VCPU_MMAP_SIZE, dev_get_vcpu_mmap_size),
	NPT_CALL_VALUE(KVM_CREATE_VM, dev_kvm_create_vm),
	NPT_CALL_VALUE(KVM_GET_SUPPORTED_CPUID, npt_dev_get_supported_cpuid),
	NPT_CALL_VALUE(KVM_GET_EMULATED_CPUID, npt_dev_get_emulated_cpuid),
	NPT_CALL_VALUE(KVM_GET_MSR_INDEX_LIST, npt_dev_get_msr_index_list),
	NPT_CALL_VALUE(KVM_GET_MSR_FEATURE_INDEX_LIST, npt_dev_get_msr_feature_index_list),
	NPT_CALL_VALUE(KVM_GET_MSRS, npt_dev_get_msrs),
	NPT_CALL_OWN(NPT_CREATE_VM, struct npt_create_vm, __reserved, dev_create_vm, 0),
	NPT_CALL_OWN(NPT_GET_CAPS, struct npt_caps, __reserved, dev_get_caps, NPT_IOCTL_OUT),
};

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct npt_ioctl *ioctl = npt_ioctl_find(dev_ioctls, ARRAY_SIZE(dev_ioctls), cmd);

	return ioctl ? npt_ioctl_call(ioctl, NULL, arg) : -ENOTTY;
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/*
 * Open to all, like /dev/kvm where the distribution lets users in: a VM is
 * memory and time that its creator could have used anyway, charged to it, and
 * what would tell of the host is kept for CAP_SYS_ADMIN call by call.
 */
static struct miscdevice npt_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "npt",
	.fops = &dev_fops,
	.mode = 0666,
};

/* The ABI's structs: a change of size is a change of the ABI. */
static void __init build_check_abi(void)
{
	BUILD_BUG_ON(sizeof(struct npt_access) != 16);
	BUILD_BUG_ON(sizeof(struct npt_access_result) != 32);
	BUILD_BUG_ON(sizeof(struct npt_batch) != 64);
	BUILD_BUG_ON(sizeof(struct npt_caps) != 96);
	BUILD_BUG_ON(sizeof(struct npt_cost) != 48);
	BUILD_BUG_ON(sizeof(struct npt_create_vm) != 104);
	BUILD_BUG_ON(sizeof(struct npt_explain) != 88);
	BUILD_BUG_ON(sizeof(struct npt_flush) != 24);
	BUILD_BUG_ON(sizeof(struct npt_pwc_unit) != 16);
	BUILD_BUG_ON(sizeof(struct npt_stats) != 24);
	BUILD_BUG_ON(sizeof(struct npt_tlb_model) != 480);
	BUILD_BUG_ON(sizeof(struct npt_tlb_unit) != 16);
	BUILD_BUG_ON(sizeof(struct npt_vm_info) != 96);
	BUILD_BUG_ON(sizeof(struct npt_walk_entry) != 32);
	/* Names are positions in the list: it only grows at the end. */
	BUILD_BUG_ON(NPT_CTR_accesses != 0);
}

static int __init npt_module_init(void)
{
	int err;

	build_check_abi();
	err = npt_nl_init();
	if (err)
		goto no_netlink;
	/* The door opens last. */
	err = misc_register(&npt_device);
	if (err)
		goto no_device;
	return 0;

no_device:
	npt_nl_exit();
no_netlink:
	return err;
}

static void __exit npt_module_exit(void)
{
	misc_deregister(&npt_device);
	npt_nl_exit();
	npt_watch_exit();
	npt_engines_exit();
}

module_init(npt_module_init);
module_exit(npt_module_exit);

MODULE_DESCRIPTION("Playground for memory virtualisation: native, shadow and nested page tables");
MODULE_LICENSE("GPL");
