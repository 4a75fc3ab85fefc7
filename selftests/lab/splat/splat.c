// SPDX-License-Identifier: GPL-2.0
/* Makes the kernel complain on demand, to prove that the lab hears it. */
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

static char *how = "warn";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "warn, or oops");

static int __init splat_init(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	if (!strcmp(how, "warn"))
		WARN(1, "a warning that was asked for\n");
	else
		WRITE_ONCE(*nowhere, 1);
	return -EAGAIN;
}
module_init(splat_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Makes the kernel complain on demand");
