// SPDX-License-Identifier: GPL-2.0
/* What all ioctls have in common. */
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "ioctl.h"
#include "limits.h"

const struct npt_ioctl *npt_ioctl_find(const struct npt_ioctl *table, unsigned int n,
				       unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (table[i].cmd == cmd)
			return &table[i];
	return NULL;
}

long npt_copy_sized(void *to, u32 size, u32 min_size, void __user *from)
{
	u32 usize;
	int err;

	if (get_user(usize, (u32 __user *)from))
		return -EFAULT;
	if (usize < min_size)
		return -EINVAL;
	if (usize > NPT_MAX_USER_STRUCT)
		return -E2BIG;
	err = copy_struct_from_user(to, size, from, usize);
	if (err)
		return err;
	/* User space may have changed it since: one reading counts. */
	*(u32 *)to = usize;
	return usize;
}

static int copy_own(struct npt_call *call)
{
	const struct npt_ioctl *ioctl = call->ioctl;
	long usize;

	usize = npt_copy_sized(call->data, ioctl->size, ioctl->min_size,
			       (void __user *)call->val);
	if (usize < 0)
		return usize;
	call->usize = usize;
	return 0;
}

static int copy_in(struct npt_call *call)
{
	const struct npt_ioctl *ioctl = call->ioctl;

	if (!ioctl->size)
		return 0;
	if (ioctl->min_size)
		return copy_own(call);
	if ((_IOC_DIR(ioctl->cmd) & _IOC_WRITE) &&
	    copy_from_user(call->data, (void __user *)call->val, ioctl->size))
		return -EFAULT;
	return 0;
}

int npt_call_reply(struct npt_call *call)
{
	u32 size = call->ioctl->size;

	/* What user space has beyond our struct is zero and stays so. */
	if (call->ioctl->min_size)
		size = min(size, call->usize);
	if (copy_to_user((void __user *)call->val, call->data, size))
		return -EFAULT;
	return 0;
}

static bool goes_out(const struct npt_ioctl *ioctl)
{
	if (ioctl->min_size)
		return ioctl->flags & NPT_IOCTL_OUT;
	return ioctl->size && (_IOC_DIR(ioctl->cmd) & _IOC_READ);
}

static long do_call(struct npt_call *call)
{
	long ret;

	ret = copy_in(call);
	if (ret)
		return ret;
	ret = call->ioctl->fn(call);
	if (ret >= 0 && goes_out(call->ioctl) && npt_call_reply(call))
		return -EFAULT;
	return ret;
}

long npt_ioctl_call(const struct npt_ioctl *ioctl, void *obj, unsigned long arg)
{
	struct npt_call call;
	long ret;

	/* An initializer need not clear the whole of a union, and what is in it goes out. */
	memset(&call, 0, sizeof(call));
	call.ioctl = ioctl;
	call.obj = obj;
	call.val = arg;
	call.data = &call.arg;
	if (ioctl->size <= sizeof(call.arg))
		return do_call(&call);
	call.data = kzalloc(ioctl->size, GFP_KERNEL_ACCOUNT);
	if (!call.data)
		return -ENOMEM;
	ret = do_call(&call);
	kfree(call.data);
	return ret;
}
