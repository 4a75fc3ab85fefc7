// SPDX-License-Identifier: GPL-2.0
/*
 * SVM on the processors: is it there, is it free, on and off.
 *
 * SVM is on while a VM of this engine exists and at no other time, so that
 * another hypervisor finds the machine free. It is never taken from a holder:
 * EFER.SVME set by somebody else means that the machine is in use, as it does
 * for KVM, which refuses in the same way while we hold it.
 *
 * A processor that comes online meanwhile is turned on too, one that goes is
 * turned off first; likewise around suspend, and for good at reboot and panic.
 * Each processor says whether it is on; who wants to enter a guest looks with
 * interrupts off, and gets KVM_EXIT_FAIL_ENTRY where it is not.
 *
 * On a crash the processors are stopped by NMIs. An NMI in the guest ends the
 * guest's run, and is taken after STGI: so a stopped processor has its global
 * interrupt flag set, and the kernel that is booted next can send it INIT. The
 * emulator can't show this; it follows from the APM, vol. 2, 15.17.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/path.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include "../../compat.h"
#include "../x86/msr.h"
#include "svm.h"

#define VM_CR_SVMDIS BIT(4)
#define TSC_RATIO_ONE BIT_ULL(32)	/* fixed point (APM vol. 2, 15.30.5) */

u32 svm_features;
u64 svm_iopm_pa, svm_msrpm_pa;

DEFINE_PER_CPU(struct svm_cpu, svm_cpus);

static DEFINE_MUTEX(lock);
static unsigned int users;		/* lock: VMs */
static bool online;			/* turn newcomers on; cpus_read_lock(), or hotplug's own */
static int refused;			/* by a processor, when SVM was last to be switched on */
static bool going_down;			/* the machine is: nobody turns SVM on any more */
static int hotplug_state;		/* lock */
static struct page *iopm, *msrpm;	/* lock */

static u64 read_msr(u32 msr)
{
	u32 low, high;

	rdmsr(msr, low, high);
	return low | (u64)high << 32;
}

static void write_msr(u32 msr, u64 value)
{
	wrmsr(msr, (u32)value, (u32)(value >> 32));
}

/* --- one processor ------------------------------------------------------------ */

static bool cpu_has_svm(void)
{
	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD &&
	    boot_cpu_data.x86_vendor != X86_VENDOR_HYGON)
		return false;
	return cpuid_eax(0x80000000) >= 0x8000000a && (cpuid_ecx(0x80000001) & BIT(2));
}

/* On this processor, interrupts off. 0, -EOPNOTSUPP or -EBUSY. */
static int look(void)
{
	if (!cpu_has_svm() || (read_msr(MSR_VM_CR) & VM_CR_SVMDIS))
		return -EOPNOTSUPP;
	if ((read_msr(MSR_EFER) & EFER_SVME) && !this_cpu_ptr(&svm_cpus)->on)
		return -EBUSY;
	return 0;
}

/*
 * Processors with SEV keep the ASIDs up to CPUID 8000_001Fh ECX for encrypted
 * guests (APM vol. 2, 15.34.1). Others may use them too, but what the firmware
 * knows of such an ASID may be older than we are. So they are left alone, as KVM
 * does, unless there would be none left.
 */
static u32 first_asid(u32 max)
{
	u32 encrypted;

	if (cpuid_eax(0x80000000) < 0x8000001f || !(cpuid_eax(0x8000001f) & BIT(1)))
		return 1;
	encrypted = cpuid_ecx(0x8000001f);
	return encrypted < max ? encrypted + 1 : 1;
}

/* On this processor, interrupts off. 0, -EOPNOTSUPP, -EBUSY or -ENOMEM. */
static int turn_on(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	int err = look();

	if (err || c->on)
		return err;
	if (READ_ONCE(going_down))
		return -EBUSY;
	if (!c->hsave || !c->host)
		return -ENOMEM;
	write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
	write_msr(MSR_VM_HSAVE_PA, page_to_phys(c->hsave));
	/* Somebody before us may have left another: guests' TSCs run as fast as the host's. */
	if (cpuid_edx(0x8000000a) & SVM_HAS_TSC_RATIO)
		write_msr(MSR_AMD64_TSC_RATIO, TSC_RATIO_ONE);
	/* Whatever ASIDs were given out before, their entries may be stale. */
	c->generation++;
	c->max_asid = cpuid_ebx(0x8000000a) - 1;
	c->min_asid = first_asid(c->max_asid);
	c->next_asid = c->max_asid + 1;
	npt_reduce_speculation(true);
	npt_host_only_counters(true);
	svm_tsc_aux_on();
	c->last = NULL;
	c->on = true;
	return 0;
}

static void turn_off(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);

	if (!c->on)
		return;
	c->on = false;
	npt_reduce_speculation(false);
	npt_host_only_counters(false);
	svm_tsc_aux_off();
	write_msr(MSR_VM_HSAVE_PA, 0);
	write_msr(MSR_EFER, read_msr(MSR_EFER) & ~EFER_SVME);
}

static void turn_off_ipi(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	turn_off();
	local_irq_restore(flags);
}

static int alloc_cpu(unsigned int cpu)
{
	struct svm_cpu *c = &per_cpu(svm_cpus, cpu);
	int node = cpu_to_node(cpu);

	if (!c->hsave)
		c->hsave = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
	if (!c->host)
		c->host = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
	return c->hsave && c->host ? 0 : -ENOMEM;
}

/*
 * A processor that can't be turned on may come online all the same: the
 * machine is worth more than a guest that has to run elsewhere.
 */
static int cpu_comes(unsigned int cpu)
{
	unsigned long flags;
	int err = alloc_cpu(cpu);

	local_irq_save(flags);
	if (!err && online)
		err = turn_on();
	local_irq_restore(flags);
	if (err)
		pr_warn("npt: no guests on CPU %u: error %d\n", cpu, err);
	return 0;
}

static int cpu_goes(unsigned int cpu)
{
	turn_off_ipi(NULL);
	return 0;
}

/* --- all of them ----------------------------------------------------------------- */

struct verdict {
	atomic_t unsupported, busy, no_memory;
};

static void count_verdict(struct verdict *v, int err)
{
	if (err == -EOPNOTSUPP)
		atomic_inc(&v->unsupported);
	else if (err == -EBUSY)
		atomic_inc(&v->busy);
	else if (err)
		atomic_inc(&v->no_memory);
}

static void turn_on_ipi(void *arg)
{
	count_verdict(arg, turn_on());
}

static int verdict_error(struct verdict *v)
{
	if (atomic_read(&v->unsupported))
		return -EOPNOTSUPP;
	if (atomic_read(&v->busy))
		return -EBUSY;
	return atomic_read(&v->no_memory) ? -ENOMEM : 0;
}

static bool module_loaded(const char *path)
{
	struct path p;

	if (kern_path(path, LOOKUP_FOLLOW, &p))
		return false;
	path_put(&p);
	return true;
}

static const char *holder(void)
{
	if (module_loaded("/sys/module/kvm_amd"))
		return "SVM is in use by kvm_amd: end its VMs and unload it (modprobe -r kvm_amd)";
	if (module_loaded("/sys/module/vboxdrv"))
		return "SVM is in use by vboxdrv (VirtualBox): end its VMs and unload it";
	return "SVM is in use by another hypervisor: EFER.SVME is set";
}

/*
 * Any user may ask this, in a loop: the others' processors are not interrupted for it.
 * Who holds SVM holds it on all of them as a rule. switch_on() looks at each, and what
 * it found is told here.
 */
int svm_probe(const char **why)
{
	unsigned long flags;
	int err;

	*why = NULL;
	if (!cpu_has_svm()) {
		*why = "this processor has no AMD SVM (CPUID 8000_0001h ECX bit 2)";
		return -EOPNOTSUPP;
	}
	if (sme_me_mask) {
		*why = "the host's memory is encrypted (SME): npt's tables don't know how";
		return -EOPNOTSUPP;
	}
	if (READ_ONCE(going_down)) {
		*why = "the machine is going down";
		return -EBUSY;
	}
	local_irq_save(flags);
	err = look();
	local_irq_restore(flags);
	if (err == -EBUSY)
		*why = holder();
	else if (err)
		*why = "SVM is disabled by the firmware (VM_CR.SVMDIS)";
	else if (READ_ONCE(refused) == -EBUSY)
		*why = "but another hypervisor held a processor when the first VM was to be made";
	else if (READ_ONCE(refused))
		*why = "but the firmware disables SVM on a processor (VM_CR.SVMDIS)";
	else if (!(cpuid_edx(0x8000000a) & SVM_HAS_NPT))
		*why = "this processor has SVM without nested paging: shadow mode only";
	return err;
}

static void free_cpus(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = &per_cpu(svm_cpus, cpu);

		if (c->hsave)
			__free_page(c->hsave);
		if (c->host)
			__free_page(c->host);
		c->hsave = NULL;
		c->host = NULL;
	}
}

/*
 * MSRs that the guest may read and write without an exit: VMLOAD and VMSAVE
 * switch them (APM vol. 2, 15.5.2). Two bits each in the map, 15.11.
 */
static void pass_msr(u8 *map, u32 msr)
{
	unsigned int bit = 0x800 * 8 + 2 * (msr - 0xc0000000);

	map[bit / 8] &= ~(3 << (bit % 8));
}

static int alloc_maps(void)
{
	static const u32 passed[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE,
		MSR_FS_BASE, MSR_GS_BASE,
	};
	unsigned int i;

	iopm = alloc_pages(GFP_KERNEL, 2);
	msrpm = alloc_pages(GFP_KERNEL, 1);
	if (!iopm || !msrpm)
		return -ENOMEM;
	memset(page_address(iopm), 0xff, PAGE_SIZE << 2);
	memset(page_address(msrpm), 0xff, PAGE_SIZE << 1);
	for (i = 0; i < ARRAY_SIZE(passed); i++)
		pass_msr(page_address(msrpm), passed[i]);
	svm_iopm_pa = page_to_phys(iopm);
	svm_msrpm_pa = page_to_phys(msrpm);
	return 0;
}

static void free_maps(void)
{
	if (iopm)
		__free_pages(iopm, 2);
	if (msrpm)
		__free_pages(msrpm, 1);
	iopm = NULL;
	msrpm = NULL;
}

/* --- suspend, reboot, panic --------------------------------------------------------- */

static void suspend(void)
{
	npt_tsc_suspend();
	turn_off();
}

static void resume(void)
{
	npt_tsc_resume();
	if (online)
		turn_on();
}

static int reboots(struct notifier_block *nb, unsigned long event, void *unused)
{
	WRITE_ONCE(going_down, true);
	on_each_cpu(turn_off_ipi, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_block = { .notifier_call = reboots };

static int panics(struct notifier_block *nb, unsigned long event, void *unused)
{
	WRITE_ONCE(going_down, true);
	turn_off_ipi(NULL);
	return NOTIFY_OK;
}

static struct notifier_block panic_block = { .notifier_call = panics };
static bool panic_known;	/* lock */

/* --- the first and the last user ------------------------------------------------------ */

static int switch_on(void)
{
	struct verdict v = { 0 };

	cpus_read_lock();
	online = true;
	on_each_cpu(turn_on_ipi, &v, 1);
	if (verdict_error(&v)) {
		online = false;
		on_each_cpu(turn_off_ipi, NULL, 1);
	}
	cpus_read_unlock();
	return verdict_error(&v);
}

static void switch_off(void)
{
	cpus_read_lock();
	online = false;
	on_each_cpu(turn_off_ipi, NULL, 1);
	cpus_read_unlock();
}

static int first_user(void)
{
	int err;

	svm_features = cpuid_edx(0x8000000a);
	err = alloc_maps();
	if (err)
		goto free;
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/npt:online", cpu_comes, cpu_goes);
	if (err < 0)
		goto free;
	hotplug_state = err;
	err = switch_on();
	if (err)
		goto remove;
	npt_syscore_register(suspend, resume);
	register_reboot_notifier(&reboot_block);
	/* It stays between users: to leave that chain takes a grace period. */
	if (!panic_known)
		atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	panic_known = true;
	return 0;

remove:
	cpuhp_remove_state(hotplug_state);
	free_cpus();
free:
	free_maps();
	return err;
}

static void last_user(void)
{
	unregister_reboot_notifier(&reboot_block);
	npt_syscore_unregister();
	switch_off();
	cpuhp_remove_state(hotplug_state);
	free_cpus();
	free_maps();
}

int svm_hw_get(void)
{
	int err = 0;

	mutex_lock(&lock);
	if (!users) {
		err = first_user();
		WRITE_ONCE(refused, err == -EBUSY || err == -EOPNOTSUPP ? err : 0);
	}
	if (!err)
		users++;
	mutex_unlock(&lock);
	return err;
}

void svm_hw_put(void)
{
	mutex_lock(&lock);
	if (!--users)
		last_user();
	mutex_unlock(&lock);
}

void svm_hw_exit(void)
{
	if (panic_known)
		atomic_notifier_chain_unregister(&panic_notifier_list, &panic_block);
}

/* --- before each entry ------------------------------------------------------------------ */

static void new_asid(struct svm_vcpu *svm, struct svm_cpu *cpu, u64 *ctr)
{
	struct npt_vmcb *vmcb = svm->vmcb;

	if (cpu->next_asid > cpu->max_asid) {
		cpu->generation++;
		cpu->next_asid = cpu->min_asid;
		vmcb->tlb_control = SVM_TLB_ALL;
		ctr[NPT_CTR_asid_rollover]++;
	}
	svm->generation = cpu->generation;
	vmcb->asid = cpu->next_asid++;
	svm->clean &= ~SVM_CLEAN_ASID;
	ctr[NPT_CTR_asid_new]++;
}

/*
 * Entries of a TLB belong to an ASID (APM vol. 2, 15.16). One that this
 * processor has not given out since its last full flush has none: that is as
 * good as a flush where a flush of one ASID is not to be had.
 */
void svm_asid(struct npt_vcpu *vcpu, struct svm_cpu *cpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	svm->vmcb->tlb_control = SVM_TLB_NOTHING;
	if (svm->generation != cpu->generation) {
		new_asid(svm, cpu, vcpu->cpu.ctr);
	} else if (svm->flushes != vcpu->cpu.hw_flushes) {
		if (svm_features & SVM_HAS_FLUSH_ASID)
			svm->vmcb->tlb_control = SVM_TLB_ASID;
		else
			new_asid(svm, cpu, vcpu->cpu.ctr);
	}
	svm->flushes = vcpu->cpu.hw_flushes;
}

/*
 * Whether a VMRUN that is refused flushes first, or has read anything, the manual does not
 * say (15.5.1): the next one of this vCPU gets another ASID, and begins a generation if
 * that is what this one was to do.
 */
void svm_nothing_done(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
	if (svm->vmcb->tlb_control == SVM_TLB_ALL)
		cpu->next_asid = cpu->max_asid + 1;
	svm->generation = 0;
	svm->clean = 0;
}

/*
 * Branch predictions trained by one guest must not steer another (APM vol. 2,
 * 3.2.9; KVM puts the same barrier at the same place).
 */
void svm_switch_barrier(struct npt_vcpu *vcpu, struct svm_cpu *cpu)
{
	if (cpu->last == vcpu)
		return;
	/* Also if nobody is known: who ran last may be gone, what it trained is not. */
	if (boot_cpu_has(NPT_FEATURE_USE_IBPB))
		write_msr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	cpu->last = vcpu;
	svm_of(vcpu)->clean = 0;
}
