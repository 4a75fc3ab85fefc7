// SPDX-License-Identifier: GPL-2.0
/*
 * The run loop of the svm engine.
 *
 *   KVM_RUN
 *     user space's part of the last exit is completed
 *     loop:
 *       requests, signals, rescheduling     interrupts on, may sleep
 *       flushes obeyed, root loaded         mmu->lock for a moment
 *       state that changed to the VMCB, an event chosen
 *       interrupts off, in_guest set
 *       nothing new meanwhile?              else once more
 *       VMRUN
 *       in_guest cleared, interrupts on     the host's interrupts are served
 *       exit handler                        may sleep; out, or once more
 *
 * Who wants something of a vCPU in the guest (a flush, a look, an event) first
 * says so (flush_seq, requests), then looks at in_guest and sends an
 * interrupt. The vCPU sets in_guest first and then looks at what was said. So
 * one of the two sees the other, and VMRUN with an interrupt pending comes
 * straight back.
 *
 * The thread holds vcpu->cpu_lock from end to end, but for when it sleeps or
 * somebody wants a look (NPT_REQ_LOOK).
 */
#include <linux/context_tracking.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vtime.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>
#include "../../compat.h"
#include "../x86/cpuid.h"
#include "../x86/emulate.h"
#include "../x86/fpu.h"
#include "../x86/irq.h"
#include "../x86/lapic.h"
#include "../x86/msr.h"
#include "../x86/state.h"
#include "../../tlb/tlb.h"
#include "svm.h"

/* --- VMs and vCPUs ------------------------------------------------------------ */

/* Nested tables are walked in the host's paging mode (APM vol. 2, 15.25.3). */
static u32 host_levels(void)
{
	return __read_cr4() & X86_CR4_LA57 ? 5 : 4;
}

static int svm_vm_init(struct npt_vm *vm)
{
	const struct npt_mmu_config *cfg = &vm->mmu.cfg;
	int err;

	/* A bare machine is not what this engine can show, nor TLBs of other makes. */
	if (cfg->mode == NPT_MMU_NATIVE || !npt_tlb_model_empty(&vm->tlb))
		return -EOPNOTSUPP;
	if (cfg->nested_format != NPT_NESTED_NPT ||
	    (cfg->mode == NPT_MMU_NESTED && cfg->nested_levels != host_levels()))
		return -EOPNOTSUPP;
	err = svm_hw_get();
	if (err)
		return err;
	if (cfg->mode == NPT_MMU_NESTED && !(svm_features & SVM_HAS_NPT)) {
		svm_hw_put();
		return -EOPNOTSUPP;
	}
	/* Shadow mode follows the guest's CPUID instead, once it is known. */
	npt_mmu_set_maxphyaddr(&vm->mmu, npt_machine_maxphyaddr(cfg->mode == NPT_MMU_SHADOW));
	/* QEMU does, though they are reserved there (APM vol. 2, 5.2.3), and goes on. */
	vm->mmu.marks_pdptes = cfg->mode == NPT_MMU_NESTED;
	vm->engine_data = NULL;
	return 0;
}

static void svm_vm_destroy(struct npt_vm *vm)
{
	svm_hw_put();
}

static int svm_vcpu_init(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm;

	svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);
	if (!svm)
		return -ENOMEM;
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb) {
		kfree(svm);
		return -ENOMEM;
	}
	svm->vmcb_pa = virt_to_phys(svm->vmcb);
	svm->nested = vcpu->vm->mmu.cfg.mode == NPT_MMU_NESTED;
	svm->cpu = -1;
	vcpu->engine_data = svm;
	svm_init_vmcb(vcpu);
	return 0;
}

/* A processor may still think that it has this VMCB's state in hand. */
static void forget(void *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);

	if (c->last == vcpu)
		c->last = NULL;
}

static void svm_vcpu_destroy(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	unsigned int cpu;

	/*
	 * Only so that another vCPU at the same address is not taken for it. A
	 * processor that misses this because it runs that very vCPU already
	 * holds the new pointer, and rightly.
	 */
	for_each_online_cpu(cpu)
		if (READ_ONCE(per_cpu(svm_cpus, cpu).last) == vcpu)
			smp_call_function_single(cpu, forget, vcpu, 1);
	free_page((unsigned long)svm->vmcb);
	kfree(svm);
}

/* --- kicks ---------------------------------------------------------------------- */

static void ack(void *unused)
{
}

static void svm_kick_vcpu(struct npt_vcpu *vcpu)
{
	const struct svm_vcpu *svm = svm_of(vcpu);
	int cpu;

	/* Said first, looked second: see the head of this file. */
	smp_mb();
	/* Its processor was written before. */
	if (!smp_load_acquire(&svm->in_guest))
		return;
	cpu = READ_ONCE(svm->cpu);
	if (cpu >= 0 && cpu != raw_smp_processor_id() && cpu_online(cpu))
		npt_send_reschedule(cpu);
}

/*
 * After this no vCPU runs on translations made before: each is out, and before
 * it goes in again it sees that flush_seq has grown. mmu->lock is held, but a
 * processor that spins for it has its interrupts on and answers.
 */
static void svm_kick(struct npt_vm *vm)
{
	struct npt_vcpu *vcpu;
	unsigned long id;
	int here, cpu;

	npt_assert_write(&vm->mmu.lock);
	here = get_cpu();
	/* flush_seq has grown before anybody is looked for. */
	smp_mb();
	xa_for_each(&vm->vcpus, id, vcpu) {
		struct svm_vcpu *svm = svm_of(vcpu);

		/* As above. */
		if (!smp_load_acquire(&svm->in_guest))
			continue;
		cpu = READ_ONCE(svm->cpu);
		if (cpu >= 0 && cpu != here) {
			vcpu->cpu.ctr[NPT_CTR_kicks]++;
			smp_call_function_single(cpu, ack, NULL, 1);
		}
	}
	put_cpu();
}

/* --- entry ------------------------------------------------------------------------ */

/* What npt_svm_enter() is given. */
struct entry {
	u64 vmcb, host;		/* physical addresses */
	u64 guest_spec, host_spec;
};

/*
 * Writes of SPEC_CTRL by the guest are intercepted: msrs.spec_ctrl is its value.
 * enter.S switches them, so that the host's is in force before any return of its.
 */
static struct entry prepare_entry(const struct npt_vcpu *vcpu, const struct svm_cpu *cpu)
{
	struct entry e = { .vmcb = svm_of(vcpu)->vmcb_pa, .host = page_to_phys(cpu->host) };

	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL)) {
		e.guest_spec = vcpu->x86.msrs.spec_ctrl;
		e.host_spec = spec_ctrl_current();
	}
	return e;
}

/*
 * Between the two calls of context tracking RCU does not watch this processor, so nothing
 * may be traced or probed there: all that is done there is in here.
 */
static noinstr int enter_guest(struct npt_vcpu *vcpu, const struct entry *e)
{
	return npt_svm_enter(&vcpu->regs, e->vmcb, e->host, e->guest_spec, e->host_spec);
}

static void load_db(const unsigned long *db)
{
	set_debugreg(db[0], 0);
	set_debugreg(db[1], 1);
	set_debugreg(db[2], 2);
	set_debugreg(db[3], 3);
}

/*
 * DR7 and DR6 are the VMCB's; DR0 to DR3 matter only while DR7 enables one.
 * Nobody reads the host's while its own DR7 enables none; while it does, they
 * are put aside in @host, and the guest's are not for the host to trip over.
 */
static bool debug_enter(const struct npt_vcpu *vcpu, unsigned long *host)
{
	const struct npt_debug *d = npt_debug_in_force(vcpu);
	unsigned long guest[4] = { d->db[0], d->db[1], d->db[2], d->db[3] };

	if (likely(!(d->dr7 & 0xff)))
		return false;
	if (hw_breakpoint_active()) {
		set_debugreg(0x400UL, 7);
		get_debugreg(host[0], 0);
		get_debugreg(host[1], 1);
		get_debugreg(host[2], 2);
		get_debugreg(host[3], 3);
	}
	load_db(guest);
	return true;
}

/*
 * VMRUN does not switch DEBUGCTL unless LBR virtualisation is on (APM vol. 2,
 * 15.23): the host's single-stepping of branches and its bus-lock traps would
 * hit the guest, and the guest's branches would land in the host's records. The
 * guest's own DEBUGCTL has no effect.
 */
static u64 debugctl_enter(void)
{
	u64 host = get_debugctlmsr();

	if (unlikely(host))
		update_debugctlmsr(0);
	return host;
}

/* The exit has cleared DR7 (APM vol. 2, 15.6), and DR6 is the guest's. */
static void debug_leave(bool loaded, const unsigned long *host)
{
	if (likely(!hw_breakpoint_active()))
		return;
	if (loaded)
		load_db(host);
	set_debugreg(DR6_RESERVED, 6);
	set_debugreg(__this_cpu_read(cpu_dr7), 7);
}

/* Into the guest and back, interrupts off. 0, or -1: SVM is off here. */
static int enter(struct npt_vcpu *vcpu, struct svm_cpu *cpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_vmcb *vmcb = svm->vmcb;
	unsigned long host_db[4];
	struct entry entry;
	u64 debugctl;
	bool debug;
	int err;

	svm_switch_barrier(vcpu, cpu);
	svm_asid(vcpu, cpu);
	vmcb->clean = svm_features & SVM_HAS_CLEAN ? svm->clean : 0;

	vtime_account_guest_enter();
	debug = debug_enter(vcpu, host_db);
	debugctl = debugctl_enter();
	svm_tsc_aux_enter(vcpu);
	npt_fpu_enter(vcpu);
	entry = prepare_entry(vcpu, cpu);
	if (!context_tracking_guest_enter())
		npt_rcu_note_guest();

	err = enter_guest(vcpu, &entry);

	context_tracking_guest_exit();
	npt_guard_user();
	npt_fpu_leave(vcpu);
	if (unlikely(debugctl))
		update_debugctlmsr(debugctl);
	debug_leave(debug, host_db);
	svm->clean = SVM_CLEAN_ALL;
	return err;
}

/* Anything that must be seen to before the guest runs? Interrupts off, in_guest set. */
static bool must_wait(struct npt_vcpu *vcpu)
{
	return READ_ONCE(vcpu->x86.requests) || !npt_hw_ready(&vcpu->cpu) ||
	       npt_guest_work_pending();
}

/* For the sake of an NMI, see inject.c. A guest that steps by itself comes back anyway. */
static void step_once(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	svm->step = false;
	if (vcpu->regs.rflags & X86_EFLAGS_TF)
		return;
	svm->vmcb->rflags |= X86_EFLAGS_TF;
	svm->stepped = true;
}

/* TF goes, unless it is what an IRET has just loaded. */
static void step_over(struct npt_vcpu *vcpu)
{
	const struct svm_vcpu *svm = svm_of(vcpu);

	if (!svm->iret || vcpu->regs.rip == svm->iret_rip)
		vcpu->regs.rflags &= ~(u64)X86_EFLAGS_TF;
}

static void load_registers(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct npt_vmcb *vmcb = svm->vmcb;

	if (vcpu->x86.dirty & ~NPT_X86_REGS)
		svm_push(vcpu);
	vmcb->rax = vcpu->regs.rax;
	vmcb->rsp = vcpu->regs.rsp;
	vmcb->rip = vcpu->regs.rip;
	vmcb->int_state = vcpu->x86.interrupt_shadow ? SVM_INT_SHADOW : 0;
	vmcb->event_inj = 0;
	svm_inject(vcpu);
	vmcb->rflags = vcpu->regs.rflags;
	if (unlikely(npt_host_steps(vcpu)))
		vmcb->rflags |= X86_EFLAGS_TF;
	else if (unlikely(svm->step))
		step_once(vcpu);
}

static void store_registers(struct npt_vcpu *vcpu)
{
	struct npt_vmcb *vmcb = svm_of(vcpu)->vmcb;

	vcpu->regs.rax = vmcb->rax;
	vcpu->regs.rsp = vmcb->rsp;
	vcpu->regs.rip = vmcb->rip;
	vcpu->regs.rflags = vmcb->rflags;
	/* TF is the host's; the guest's own is lost meanwhile, as it is in KVM. */
	if (unlikely(npt_host_steps(vcpu)))
		vcpu->regs.rflags &= ~(u64)X86_EFLAGS_TF;
	else if (unlikely(svm_of(vcpu)->stepped))
		step_over(vcpu);
	vcpu->sregs.cr8 = vmcb->int_ctl & SVM_V_TPR;
	vcpu->x86.interrupt_shadow = vmcb->int_state & SVM_INT_SHADOW;
	vcpu->x86.in_engine = true;
}

static void set_tpr(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u32 tpr = npt_lapic_get_cr8(vcpu);

	if ((svm->vmcb->int_ctl & SVM_V_TPR) == tpr)
		return;
	svm->vmcb->int_ctl = (svm->vmcb->int_ctl & ~SVM_V_TPR) | tpr;
	svm->clean &= ~SVM_CLEAN_TPR;
}

int svm_fail_entry(struct npt_vcpu *vcpu, u64 reason, int cpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = reason;
	run->fail_entry.cpu = cpu;
	return 0;
}

/* A root that changed is read anew even by a processor that keeps what is clean. */
static void set_root(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	u64 *at = svm->nested ? &svm->vmcb->nested_cr3 : &svm->vmcb->cr3;
	u64 root = npt_hw_root(&vcpu->cpu);

	if (*at == root)
		return;
	*at = root;
	svm->clean &= ~(svm->nested ? SVM_CLEAN_NP : SVM_CLEAN_CR);
}

/*
 * Without nested paging a processor in PAE mode holds the four entries of the
 * root, read when CR3 was loaded (APM vol. 2, 5.3.2): ours fill up as it runs.
 */
static void read_pae_root(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (!svm->nested && !(vcpu->cpu.regs.efer & NPT_EFER_LMA))
		svm->clean &= ~SVM_CLEAN_CR;
}

/*
 * One that goes offline has no SVM any more, but threads until the scheduler
 * has moved them all away, this one soon: 2. Others stay without.
 */
static int cpu_is_off(struct npt_vcpu *vcpu)
{
	int cpu = raw_smp_processor_id();

	return cpu_active(cpu) ? svm_fail_entry(vcpu, NPT_FAIL_ENTRY_CPU_OFF, cpu) : 2;
}

/* One stay in the guest. 1: it was there, see the VMCB; 2: not yet; 0 or less: out. */
static int run_once(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct svm_cpu *cpu;
	int err;

	err = npt_hw_prepare(&vcpu->cpu);
	if (err)
		return err;
	if (npt_vm_dead(vcpu->vm))
		return -EIO;
	set_root(vcpu);
	read_pae_root(vcpu);
	if (vcpu->x86.lapic)
		set_tpr(vcpu);

	preempt_disable();
	local_irq_disable();
	cpu = this_cpu_ptr(&svm_cpus);
	if (unlikely(!cpu->on)) {
		err = cpu_is_off(vcpu);
		local_irq_enable();
		preempt_enable();
		return err;
	}
	if (unlikely(svm->cpu != raw_smp_processor_id())) {
		/* The ASID is not ours here, nor does this processor know the VMCB. */
		svm->generation = 0;
		svm->clean = 0;
		WRITE_ONCE(svm->cpu, raw_smp_processor_id());
	}
	/* Who sees this must find the right processor. */
	smp_store_release(&svm->in_guest, true);
	/* Said first: see the head of this file. */
	smp_mb();
	if (unlikely(must_wait(vcpu))) {
		WRITE_ONCE(svm->in_guest, false);
		local_irq_enable();
		preempt_enable();
		return 2;
	}
	svm->stepped = false;
	load_registers(vcpu);
	err = enter(vcpu, cpu);
	/* Translations are of no more use to us than the last store to memory. */
	smp_store_release(&svm->in_guest, false);
	if (likely(!err))
		store_registers(vcpu);
	if (unlikely(!err && svm->vmcb->exit_code == SVM_X_MC))
		svm_machine_check();
	if (unlikely(!err && svm_refused(svm->vmcb)))
		svm_nothing_done(svm, cpu);
	/* The interrupt that ended the run is the guest's time. */
	local_irq_enable();
	barrier();
	local_irq_disable();
	vtime_account_guest_exit();
	local_irq_enable();
	preempt_enable();
	if (unlikely(err))
		return svm_fail_entry(vcpu, NPT_FAIL_ENTRY_CPU_OFF, svm->cpu);
	svm_reap_events(vcpu);
	return 1;
}

/* --- what comes before ------------------------------------------------------------- */

/* Let those who want to look at the vCPU do so. */
static void be_looked_at(struct npt_vcpu *vcpu)
{
	svm_pull_paging(vcpu);
	mutex_unlock(&vcpu->cpu_lock);
	wait_event_timeout(vcpu->x86.wq, !atomic_read(&vcpu->lookers), HZ / 50);
	mutex_lock(&vcpu->cpu_lock);
}

static int handle_requests(struct npt_vcpu *vcpu)
{
	struct npt_x86 *x = &vcpu->x86;
	int err;

	if (likely(!READ_ONCE(x->requests)))
		return 1;
	if (test_and_clear_bit(NPT_REQ_LOOK, &x->requests))
		be_looked_at(vcpu);
	if (test_and_clear_bit(NPT_REQ_NMI, &x->requests))
		npt_nmi_collect(vcpu);
	clear_bit(NPT_REQ_TIMER, &x->requests);
	if (test_and_clear_bit(NPT_REQ_EVENT, &x->requests) && x->lapic) {
		/* INIT and SIPI come to a vCPU that runs, too. */
		err = npt_lapic_accept(vcpu);
		if (err)
			return err;
	}
	if (test_and_clear_bit(NPT_REQ_EOI_EXIT, &x->requests) && npt_lapic_eoi_exit(vcpu))
		return 0;
	if (test_and_clear_bit(NPT_REQ_TRIPLE_FAULT, &x->requests)) {
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return 0;
	}
	return 1;
}

static bool halt_ends(struct npt_vcpu *vcpu)
{
	return npt_lapic_has_events(vcpu) || (vcpu->x86.nmi.pending && !vcpu->x86.nmi.masked) ||
	       vcpu->x86.exc.pending;
}

static bool wakes(struct npt_vcpu *vcpu)
{
	return READ_ONCE(vcpu->x86.requests) || signal_pending(current) ||
	       READ_ONCE(vcpu->x86.mp_state) == KVM_MP_STATE_RUNNABLE || halt_ends(vcpu);
}

void svm_set_mp_state(struct npt_vcpu *vcpu, u32 state)
{
	spin_lock_irq(&vcpu->x86.wq.lock);
	vcpu->x86.mp_state = state;
	spin_unlock_irq(&vcpu->x86.wq.lock);
}

/* In HLT, or an application processor that nobody has started. 1: look again. */
static int sleep(struct npt_vcpu *vcpu)
{
	int err;

	npt_vcpu_pull(vcpu);
	err = npt_lapic_accept(vcpu);
	if (err)
		return err;
	if (vcpu->x86.mp_state == KVM_MP_STATE_RUNNABLE)
		return 1;
	if (vcpu->x86.mp_state == KVM_MP_STATE_HALTED && halt_ends(vcpu)) {
		svm_set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE);
		return 1;
	}
	mutex_unlock(&vcpu->cpu_lock);
	wait_event_interruptible(vcpu->x86.wq, wakes(vcpu));
	mutex_lock(&vcpu->cpu_lock);
	return 1;
}

static int run_loop(struct npt_vcpu *vcpu)
{
	int ret;

	for (;;) {
		ret = handle_requests(vcpu);
		if (ret <= 0)
			return ret;
		if (unlikely(signal_pending(current))) {
			vcpu->run->exit_reason = KVM_EXIT_INTR;
			return -EINTR;
		}
		if (unlikely(npt_guest_work_pending())) {
			svm_pull_paging(vcpu);
			mutex_unlock(&vcpu->cpu_lock);
			ret = npt_guest_work();
			mutex_lock(&vcpu->cpu_lock);
			if (ret) {
				vcpu->run->exit_reason = KVM_EXIT_INTR;
				return ret;
			}
		}
		if (unlikely(READ_ONCE(vcpu->x86.mp_state) != KVM_MP_STATE_RUNNABLE)) {
			ret = sleep(vcpu);
			if (ret <= 0)
				return ret;
			continue;
		}
		ret = run_once(vcpu);
		if (ret == 2)
			continue;
		if (ret <= 0)
			return ret;
		ret = svm_exit(vcpu);
		if (ret <= 0)
			return ret;
		if (unlikely(svm_user_window(vcpu))) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			return 0;
		}
	}
}

/* The machine slept, all threads out of KVM_RUN: the host's TSC may be another. */
static void see_resume(struct npt_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (likely(svm->resumes == READ_ONCE(npt_tsc_resumes)))
		return;
	svm->resumes = READ_ONCE(npt_tsc_resumes);
	npt_vcpu_pull(vcpu);
	vcpu->x86.dirty |= NPT_X86_MSRS;
	npt_lapic_tsc_moved(vcpu);
}

static int svm_run(struct npt_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int ret;

	ret = npt_fpu_load(vcpu);
	if (ret)
		return ret;
	mutex_lock(&vcpu->cpu_lock);
	see_resume(vcpu);
	ret = 1;
	if (npt_userspace_pending(vcpu))
		ret = npt_userspace_complete(vcpu);
	if (ret > 0) {
		/* To complete what the last run asked for is no new exit. */
		if (npt_immediate_exit(run)) {
			ret = -EINTR;
		} else {
			run->exit_reason = KVM_EXIT_UNKNOWN;
			run->flags = 0;
			ret = run_loop(vcpu);
		}
	}
	if (ret == 0)
		vcpu->cpu.ctr[NPT_CTR_exits_user]++;
	/* Who looks at the vCPU meanwhile takes cpu_lock, and the guest has moved CR3. */
	svm_pull_paging(vcpu);
	mutex_unlock(&vcpu->cpu_lock);
	npt_fpu_put(vcpu);

	run->if_flag = !!(vcpu->regs.rflags & X86_EFLAGS_IF);
	run->cr8 = vcpu->x86.lapic ? npt_lapic_get_cr8(vcpu) : vcpu->sregs.cr8;
	run->apic_base = vcpu->sregs.apic_base;
	run->ready_for_interrupt_injection = svm_user_ready(vcpu);
	return ret;
}

static int svm_batch(struct npt_vcpu *vcpu, struct npt_batch *batch)
{
	batch->done = 0;
	batch->failed = 0;
	/* The processor makes the accesses here, and nobody else. */
	return -EOPNOTSUPP;
}

const struct npt_engine_ops npt_engine_svm = {
	.name = "svm",
	.id = NPT_ENGINE_SVM,
	.nested_format = NPT_NESTED_NPT,
	.nested_levels = host_levels,
	.features = 0,
	.prefetch = 8,
	.hw = true,
	.probe = svm_probe,
	.vm_init = svm_vm_init,
	.vm_destroy = svm_vm_destroy,
	.vcpu_init = svm_vcpu_init,
	.vcpu_destroy = svm_vcpu_destroy,
	.run = svm_run,
	.batch = svm_batch,
	.pull = svm_pull,
	.kick_vcpu = svm_kick_vcpu,
	.kick = svm_kick,
	.exit = svm_hw_exit,
};
