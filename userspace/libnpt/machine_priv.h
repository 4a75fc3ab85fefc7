/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the machine share. */
#ifndef LIBNPT_MACHINE_PRIV_H
#define LIBNPT_MACHINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "libnpt_priv.h"
#include "machine.h"

/* Bytes typed that the guest has not read yet; a power of two. */
#define NPT_SERIAL_ROOM	4096

/* The serial port: a 16550A without interrupts. */
struct npt_serial {
	pthread_mutex_t lock;	/* of all that follows, and of calls to output */
	uint8_t ier, fcr, lcr, mcr, scratch;
	uint16_t divisor;
	unsigned int head, tail;
	uint8_t room[NPT_SERIAL_ROOM];
};

struct npt_machine_vcpu {
	struct npt_machine *machine;
	struct npt_vcpu *vcpu;
	struct kvm_run *run;
	pthread_t thread;
	bool started;		/* there is a thread to join */
	/* Halted for good when it was last looked at: only another vCPU can wake it. */
	atomic_bool asleep;
	uint64_t cpu_time;	/* of the thread when the watcher last looked, in ns */
};

struct npt_machine {
	struct npt_vm *vm;
	struct npt_machine_options opts;
	struct npt_machine_vcpu *vcpus;
	unsigned int nr_vcpus;
	size_t run_size;	/* of a mapping of struct kvm_run */
	bool apic;		/* the device's interrupt controllers are there */
	bool loaded;

	struct npt_serial serial;

	pthread_t watcher;
	bool watched;		/* there is a watcher to join */
	int end_fd;		/* eventfd: the machine has ended */
	atomic_bool ending;
	pthread_mutex_t end_lock;	/* of end and ended */
	bool ended;
	struct npt_machine_end end;
};

/* machine_io.c: false: the access ended the machine. */
bool npt_machine_io(struct npt_machine_vcpu *v);
void npt_serial_init(struct npt_serial *s);

/* machine_run.c: the first call counts; tells everybody. */
void npt_machine_end(struct npt_machine_vcpu *v, uint32_t reason, int status,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* machine_load.c: vCPU 0's registers for each way in. */
struct npt_entry {
	uint64_t address;
	enum { NPT_ENTRY_REAL, NPT_ENTRY_PROTECTED, NPT_ENTRY_LONG } mode;
};

/*
 * What the loader keeps for itself below 640 KiB, above what a guest's own
 * start code usually takes.
 */
#define NPT_LOADER_BASE		0x90000	/* a stack grows down from here */
#define NPT_LOADER_TABLES	0x90000	/* root, one table of 1 GiB entries, four of 2 MiB */
#define NPT_LOADER_GDT		0x96000
#define NPT_LOADER_INFO		0x97000	/* multiboot information, map, command line */
#define NPT_LOADER_END		0x9a000
#define NPT_LOW_END		0x9fc00	/* usable memory below 1 MiB, as a PC's BIOS has it */

#endif /* LIBNPT_MACHINE_PRIV_H */
