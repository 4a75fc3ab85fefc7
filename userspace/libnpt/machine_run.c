// SPDX-License-Identifier: GPL-2.0
/* A machine at work: a thread per vCPU, one that watches them, and its end. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "machine_priv.h"

#define RFLAGS_IF	(1ULL << 9)

/* How often the watcher looks whether anything still moves, in ms. */
#define WATCH_MS	100
/* A vCPU whose thread used less than this between two looks does nothing, in ns. */
#define IDLE_NS		2000000ULL

/*
 * Gets a thread out of KVM_RUN. Its handler does nothing: immediate_exit, set
 * before, covers the moment between two KVM_RUNs. Ignored by default, so that one
 * that comes late harms nobody.
 */
#define KICK		SIGURG

static void on_kick(int sig)
{
	(void)sig;
}

/* A handler of the program's own stays: it interrupts the call as well. */
static void take_kicks(void)
{
	struct sigaction action = { .sa_handler = on_kick }, old;

	if (!sigaction(KICK, NULL, &old) &&
	    (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN))
		sigaction(KICK, &action, NULL);
}

static void kick(struct npt_machine_vcpu *v)
{
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (v->started)
		pthread_kill(v->thread, KICK);
}

void npt_machine_end(struct npt_machine_vcpu *v, uint32_t reason, int status,
		     const char *fmt, ...)
{
	struct npt_machine *m = v->machine;
	struct npt_machine_end *end = &m->end;
	uint64_t one = 1;
	va_list ap;

	pthread_mutex_lock(&m->end_lock);
	if (!m->ended) {
		m->ended = true;
		end->reason = reason;
		end->status = status;
		end->vcpu = v - m->vcpus;
		va_start(ap, fmt);
		vsnprintf(end->text, sizeof(end->text), fmt, ap);
		va_end(ap);
		/* only the vCPU's own thread: another would wait for it to leave KVM_RUN */
		if (v->started && pthread_equal(v->thread, pthread_self())) {
			npt_vcpu_get_regs(v->vcpu, &end->regs);
			npt_vcpu_get_sregs(v->vcpu, &end->sregs);
		}
		atomic_store(&m->ending, true);
		if (write(m->end_fd, &one, sizeof(one)) < 0)
			abort();
	}
	pthread_mutex_unlock(&m->end_lock);
}

void npt_machine_stop(struct npt_machine *m)
{
	if (m->nr_vcpus)
		npt_machine_end(&m->vcpus[0], NPT_MACHINE_STOPPED, 0, "stopped");
}

/* --- a vCPU --- */

/* Halted with interrupts off, or waiting for a start that only a vCPU can send. */
static bool asleep_for_good(struct npt_machine_vcpu *v)
{
	struct kvm_mp_state state;
	struct kvm_regs regs;

	if (ioctl(v->vcpu->fd, KVM_GET_MP_STATE, &state))
		return false;
	if (state.mp_state == KVM_MP_STATE_UNINITIALIZED ||
	    state.mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return true;
	return state.mp_state == KVM_MP_STATE_HALTED &&
	       !ioctl(v->vcpu->fd, KVM_GET_REGS, &regs) && !(regs.rflags & RFLAGS_IF);
}

/* Which instruction it was, if the device tells. */
static void not_emulated(struct npt_machine_vcpu *v)
{
	const struct kvm_run *run = v->run;
	unsigned int size = run->emulation_failure.insn_size, i;
	char text[3 * sizeof(run->emulation_failure.insn_bytes) + 1] = "";

	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
	    !run->emulation_failure.ndata) {
		npt_machine_end(v, NPT_MACHINE_UNSERVED, 0,
				"KVM_EXIT_INTERNAL_ERROR, suberror %u: an instruction that can't be read or emulated",
				run->internal.suberror);
		return;
	}
	if (run->emulation_failure.ndata >= 3 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
		for (i = 0; i < size && i < sizeof(run->emulation_failure.insn_bytes); i++)
			sprintf(text + 3 * i, " %02x", run->emulation_failure.insn_bytes[i]);
	npt_machine_end(v, NPT_MACHINE_UNSERVED, 0,
			"KVM_EXIT_INTERNAL_ERROR: an instruction that can't be emulated:%s",
			*text ? text : " it is not told which");
}

static void unserved(struct npt_machine_vcpu *v)
{
	struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		npt_machine_end(v, NPT_MACHINE_UNSERVED, 0,
				"%s of %u bytes at 0x%" PRIx64 ", where there is nothing",
				run->mmio.is_write ? "write" : "read", run->mmio.len,
				(uint64_t)run->mmio.phys_addr);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		not_emulated(v);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		npt_machine_end(v, NPT_MACHINE_UNSERVED, 0,
				"KVM_EXIT_FAIL_ENTRY, hardware reason 0x%" PRIx64
				": %s",
				(uint64_t)run->fail_entry.hardware_entry_failure_reason,
				run->fail_entry.hardware_entry_failure_reason ==
				NPT_FAIL_ENTRY_CPU_OFF ?
				"virtualisation is off on the vCPU's processor" :
				"the processor refused the guest's state");
		break;
	case KVM_EXIT_UNKNOWN:
		npt_machine_end(v, NPT_MACHINE_UNSERVED, 0,
				"KVM_EXIT_UNKNOWN, hardware reason 0x%" PRIx64,
				(uint64_t)run->hw.hardware_exit_reason);
		break;
	default:
		npt_machine_end(v, NPT_MACHINE_UNSERVED, 0, "exit reason %u, which nobody serves",
				run->exit_reason);
		break;
	}
}

static void serve(struct npt_machine_vcpu *v)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		npt_machine_io(v);
		break;
	case KVM_EXIT_HLT:
		/* without a local APIC nothing could end it, whatever the interrupt flag */
		npt_machine_end(v, NPT_MACHINE_HALTED, 0, "the guest halted");
		break;
	case KVM_EXIT_SHUTDOWN:
		npt_machine_end(v, NPT_MACHINE_CRASHED, 0, "triple fault");
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	default:
		unserved(v);
		break;
	}
}

static void *vcpu_thread(void *arg)
{
	struct npt_machine_vcpu *v = arg;
	struct npt_machine *m = v->machine;

	while (!atomic_load(&m->ending)) {
		if (!ioctl(v->vcpu->fd, KVM_RUN, 0)) {
			atomic_store(&v->asleep, false);
			serve(v);
			continue;
		}
		if (errno != EINTR && errno != EAGAIN) {
			npt_machine_end(v, NPT_MACHINE_FAILED, 0, "KVM_RUN: %s", strerror(errno));
			break;
		}
		__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		atomic_store(&v->asleep, asleep_for_good(v));
	}
	return NULL;
}

/* --- the watcher --- */

static uint64_t cpu_time(pthread_t thread)
{
	struct timespec t;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) || clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * With a local APIC a halted vCPU sleeps inside of KVM_RUN. If no thread has done
 * anything for a while they are asked, one interruption each, whether that is for
 * good; guests that work are never disturbed.
 */
static bool all_idle(struct npt_machine *m)
{
	bool idle = true;
	uint64_t now;
	unsigned int i;

	for (i = 0; i < m->nr_vcpus; i++) {
		now = cpu_time(m->vcpus[i].thread);
		idle &= now - m->vcpus[i].cpu_time < IDLE_NS;
		m->vcpus[i].cpu_time = now;
	}
	return idle;
}

static bool all_asleep(struct npt_machine *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_vcpus; i++)
		if (!atomic_load(&m->vcpus[i].asleep))
			return false;
	return true;
}

static void *watcher_thread(void *arg)
{
	struct npt_machine *m = arg;
	struct pollfd p = { .fd = m->end_fd, .events = POLLIN };
	unsigned int i;

	while (!atomic_load(&m->ending)) {
		if (poll(&p, 1, WATCH_MS) > 0 || !all_idle(m))
			continue;
		if (all_asleep(m))
			npt_machine_end(&m->vcpus[0], NPT_MACHINE_HALTED, 0,
					"every vCPU has halted with interrupts off");
		else
			for (i = 0; i < m->nr_vcpus; i++)
				kick(&m->vcpus[i]);
	}
	/* again and again: a thread may have been about to clear immediate_exit */
	for (i = 0; i < m->nr_vcpus; i++) {
		struct timespec soon = { .tv_nsec = 20000000 };

		do {
			kick(&m->vcpus[i]);
			clock_gettime(CLOCK_REALTIME, &soon);
			soon.tv_nsec += 20000000;
			if (soon.tv_nsec >= 1000000000) {
				soon.tv_nsec -= 1000000000;
				soon.tv_sec++;
			}
		} while (pthread_timedjoin_np(m->vcpus[i].thread, NULL, &soon));
		m->vcpus[i].started = false;
	}
	return NULL;
}

/* Signals are the program's business, not that of these threads. */
static int start_thread(pthread_t *thread, void *(*f)(void *), void *arg)
{
	sigset_t block, old;
	int ret;

	sigfillset(&block);
	sigdelset(&block, KICK);
	pthread_sigmask(SIG_SETMASK, &block, &old);
	ret = pthread_create(thread, NULL, f, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

int npt_machine_start(struct npt_machine *m)
{
	unsigned int i;
	int ret = 0;

	if (!m->loaded || m->watched)
		return npt_set_error(-EINVAL, "machine: %s",
				     m->loaded ? "it was started before" : "it has no guest");
	take_kicks();
	/* the threads must not see an end before there is somebody to join them */
	pthread_mutex_lock(&m->end_lock);
	for (i = 0; !ret && i < m->nr_vcpus; i++) {
		ret = start_thread(&m->vcpus[i].thread, vcpu_thread, &m->vcpus[i]);
		m->vcpus[i].started = !ret;
	}
	if (!ret)
		ret = start_thread(&m->watcher, watcher_thread, m);
	m->watched = !ret;
	pthread_mutex_unlock(&m->end_lock);
	if (!ret)
		return 0;
	atomic_store(&m->ending, true);
	for (i = 0; i < m->nr_vcpus; i++) {
		if (!m->vcpus[i].started)
			continue;
		kick(&m->vcpus[i]);
		pthread_join(m->vcpus[i].thread, NULL);
		m->vcpus[i].started = false;
	}
	return npt_set_errno(ret, "machine: a thread");
}

void npt_machine_wait(struct npt_machine *m, struct npt_machine_end *end)
{
	if (m->watched) {
		pthread_join(m->watcher, NULL);
		m->watched = false;
	}
	if (end)
		*end = m->end;
}
