// SPDX-License-Identifier: GPL-2.0
/* Makes the kernel complain on demand, to prove that the lab hears it. */
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

static char *how = "warn";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "what to do wrong: one of the names in ways[]");

static DEFINE_SPINLOCK(one);
static DEFINE_SPINLOCK(two);

static void warn(void)
{
	WARN(1, "a warning that was asked for\n");
}

static void oops(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	WRITE_ONCE(*nowhere, 1);
}

/* A file that nobody will ever close. */
static void hold(void)
{
	struct file *file = filp_open("/dev/npt", O_RDWR, 0);

	if (IS_ERR(file))
		pr_info("no /dev/npt: %ld\n", PTR_ERR(file));
}

/* --- what takes a kernel with checkers -------------------------------------- */

/* CONFIG_PROVE_RCU */
static void rcu(void)
{
	static int __rcu *pointer;

	if (rcu_dereference(pointer))
		pr_info("nobody ever set it\n");
}

/* CONFIG_DEBUG_ATOMIC_SLEEP */
static void atomic(void)
{
	spin_lock(&one);
	might_sleep();
	spin_unlock(&one);
}

/* CONFIG_DEBUG_LIST */
static void list(void)
{
	struct list_head head, *entry = kmalloc(sizeof(*entry), GFP_KERNEL);

	if (!entry)
		return;
	INIT_LIST_HEAD(&head);
	list_add(entry, &head);
	list_add(entry, &head);
	kfree(entry);
}

/* CONFIG_UBSAN_SHIFT */
static void shift(void)
{
	int by = 32, value = 1;

	OPTIMIZER_HIDE_VAR(by);
	value <<= by;
	OPTIMIZER_HIDE_VAR(value);
}

/* CONFIG_UBSAN_BOUNDS; there is memory at that index, or KASAN would see it too. */
static void bounds(void)
{
	struct {
		int table[4];
		int more[4];
	} s = {};
	int i = 5;

	OPTIMIZER_HIDE_VAR(i);
	WRITE_ONCE(s.table[i], 1);
}

/* CONFIG_PROVE_LOCKING */
static void locks(void)
{
	spin_lock(&one);
	spin_lock(&two);
	spin_unlock(&two);
	spin_unlock(&one);
	spin_lock(&two);
	spin_lock(&one);
	spin_unlock(&one);
	spin_unlock(&two);
}

/*
 * page_poison=1: by an instruction that KASAN does not know of, as a guest's
 * processor writes to a page that it can still reach.
 */
static void poison(void)
{
	u8 *page;

	preempt_disable();
	page = (u8 *)__get_free_page(GFP_ATOMIC);
	if (page) {
		free_page((unsigned long)page);
		asm volatile("movb $0x55, (%0)" : : "r" (page + 100) : "memory");
		free_page(__get_free_page(GFP_ATOMIC));
	}
	preempt_enable();
}

/* CONFIG_KASAN */
static void freed(void)
{
	int *p = kzalloc(sizeof(*p), GFP_KERNEL);

	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	if (p)
		READ_ONCE(*p);
}

/* CONFIG_KASAN_VMALLOC */
static void vmalloced(void)
{
	u8 *p = vmalloc(100);

	OPTIMIZER_HIDE_VAR(p);
	if (p)
		READ_ONCE(p[101]);
	vfree(p);
}

/* CONFIG_DEBUG_KMEMLEAK */
static void leak(void)
{
	void *p = kzalloc(100, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
}

static const struct {
	const char *name;
	void (*act)(void);
} ways[] = {
	{ "warn", warn }, { "oops", oops }, { "hold", hold }, { "rcu", rcu }, { "atomic", atomic },
	{ "list", list }, { "shift", shift }, { "bounds", bounds }, { "locks", locks },
	{ "poison", poison }, { "freed", freed }, { "vmalloc", vmalloced }, { "leak", leak },
};

static int __init splat_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(how, ways[i].name))
			ways[i].act();
	return -EAGAIN;
}
module_init(splat_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Makes the kernel complain on demand");
