/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libnpt: a small machine that runs a real guest.
 *
 * Memory from address 0 (with a hole below 4 GiB for devices), vCPUs with a
 * thread each, a local APIC per vCPU where the device has one, and three devices
 * on I/O ports: a serial port at 0x3f8, the debug-exit port 0xf4 and the
 * power-off port 0x604. Reads of other ports give all ones, writes go nowhere.
 *
 * It works on npt's device with an engine that enters guests (svm, vmx), and on
 * any device that takes KVM's ioctls, such as /dev/kvm: npt_device_open_kvm().
 */
#ifndef LIBNPT_MACHINE_H
#define LIBNPT_MACHINE_H

#include "libnpt.h"

#ifdef __cplusplus
extern "C" {
#endif

struct npt_machine;

/** NPT_MACHINE_SERIAL - base of the serial port's eight I/O ports (a polled 16550A) */
#define NPT_MACHINE_SERIAL	0x3f8
/** NPT_MACHINE_EXIT - a write of v ends it with status (v << 1) | 1, as QEMU's debug exit */
#define NPT_MACHINE_EXIT	0xf4
/** NPT_MACHINE_POWER - a write with bit 13 (SLP_EN) set ends the guest with status 0 */
#define NPT_MACHINE_POWER	0x604
/** NPT_MACHINE_MAX_VCPUS - vCPUs of one machine: 8-bit APIC ids but the broadcast's */
#define NPT_MACHINE_MAX_VCPUS	254
/** NPT_MACHINE_LOW - where memory below 4 GiB ends; more of it begins at 4 GiB */
#define NPT_MACHINE_LOW		0xc0000000ULL

/**
 * struct npt_machine_options - choices for a machine; all zero means all defaults
 * @vm: choices for its VM, NULL: the defaults. KVM's devices take none.
 * @memory: bytes, a multiple of 4096 from 1 MiB on; 0: 128 MiB
 * @pages: enum npt_memory_pages
 * @vcpus: how many, 0: 1
 * @output: called with what the guest writes to the serial port, by its vCPUs'
 *	threads one at a time; NULL: it is dropped
 * @arg: for @output
 */
struct npt_machine_options {
	const struct npt_vm_options *vm;
	uint64_t memory;
	uint32_t pages;
	unsigned int vcpus;
	void (*output)(void *arg, const void *data, size_t len);
	void *arg;
};

/**
 * npt_machine_create() - build a machine
 * @dev: a device that is not in-process
 * @opts: the choices, NULL: all defaults
 * @machine: set to the new machine
 * Return: 0, -EINVAL, -EOPNOTSUPP (the device or engine can't run guests), -errno
 */
int npt_machine_create(struct npt_device *dev, const struct npt_machine_options *opts,
		       struct npt_machine **machine);

/**
 * npt_machine_destroy() - stop a machine and free it with its VM
 * @machine: the machine, or NULL
 */
void npt_machine_destroy(struct npt_machine *machine);

/**
 * enum npt_image_format - what kind of file a guest is
 * @NPT_IMAGE_AUTO: multiboot if there is a header, else ELF, else flat
 * @NPT_IMAGE_FLAT: bytes at an address, entered in real mode
 * @NPT_IMAGE_ELF: 64-bit: entered in long mode, the first 4 GiB mapped one to
 *	one; 32-bit: entered in flat protected mode without paging
 * @NPT_IMAGE_MULTIBOOT: multiboot 1, ELF or with addresses in its header
 *
 * All but flat ones find EAX = 0x2badb002 and EBX = the address of a multiboot
 * information structure with memory size, memory map and command line.
 */
enum npt_image_format {
	NPT_IMAGE_AUTO,
	NPT_IMAGE_FLAT,
	NPT_IMAGE_ELF,
	NPT_IMAGE_MULTIBOOT,
};

/** NPT_IMAGE_LOAD - where flat images go, and are entered, if nothing is said */
#define NPT_IMAGE_LOAD	0x7c00

/**
 * struct npt_image - a guest to load
 * @data: the file's bytes
 * @size: how many
 * @name: for messages
 * @format: enum npt_image_format
 * @load: flat: its address
 * @entry: flat: where it is entered, below 1 MiB
 * @cmdline: command line for the others, or NULL
 */
struct npt_image {
	const void *data;
	size_t size;
	const char *name;
	uint32_t format;
	uint64_t load;
	uint64_t entry;
	const char *cmdline;
};

/**
 * npt_machine_load() - put a guest into memory, and vCPU 0 to its entry
 * @machine: a machine that was not started
 * @image: the guest; a flat one with no load and entry (both 0) goes to NPT_IMAGE_LOAD
 * Return: 0, -ENOEXEC (not such a file, or a damaged one), -EFBIG (does not fit), -errno
 */
int npt_machine_load(struct npt_machine *machine, const struct npt_image *image);

/**
 * npt_machine_start() - let it run: a thread for each vCPU
 * @machine: a machine with a guest; can be started once
 * Return: 0 or -errno
 */
int npt_machine_start(struct npt_machine *machine);

/**
 * npt_machine_fd() - what to wait for
 * @machine: the machine
 * Return: a descriptor that polls readable once the machine has ended
 */
int npt_machine_fd(const struct npt_machine *machine);

/**
 * npt_machine_input() - type on the serial port
 * @machine: the machine
 * @data: bytes
 * @len: how many
 * Return: how many there was room for; the guest has to read before it takes more
 */
size_t npt_machine_input(struct npt_machine *machine, const void *data, size_t len);

/**
 * npt_machine_stop() - end it from outside; returns at once
 * @machine: the machine; nothing happens if it has ended
 */
void npt_machine_stop(struct npt_machine *machine);

/**
 * enum npt_machine_reason - why a machine ended
 * @NPT_MACHINE_EXITED: it wrote to the debug-exit port; @status is (v << 1) | 1
 * @NPT_MACHINE_POWERED_OFF: it wrote to the power-off port
 * @NPT_MACHINE_HALTED: all its vCPUs halted with interrupts off (or never started)
 * @NPT_MACHINE_CRASHED: triple fault
 * @NPT_MACHINE_UNSERVED: an exit that nobody serves: memory that is not there, ...
 * @NPT_MACHINE_FAILED: KVM_RUN itself failed
 * @NPT_MACHINE_STOPPED: npt_machine_stop()
 */
enum npt_machine_reason {
	NPT_MACHINE_EXITED,
	NPT_MACHINE_POWERED_OFF,
	NPT_MACHINE_HALTED,
	NPT_MACHINE_CRASHED,
	NPT_MACHINE_UNSERVED,
	NPT_MACHINE_FAILED,
	NPT_MACHINE_STOPPED,
};

/**
 * struct npt_machine_end - how a machine ended
 * @reason: enum npt_machine_reason
 * @status: exit status; 0 but for NPT_MACHINE_EXITED
 * @vcpu: the vCPU that ended it
 * @text: one line about it
 * @regs: that vCPU's registers at that time
 * @sregs: likewise; both zero if they can't be read, or it was stopped
 */
struct npt_machine_end {
	uint32_t reason;
	int status;
	unsigned int vcpu;
	char text[200];
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

/**
 * npt_machine_wait() - wait for the end
 * @machine: a machine that was started
 * @end: filled; may be NULL
 */
void npt_machine_wait(struct npt_machine *machine, struct npt_machine_end *end);

/**
 * npt_machine_vm() - the machine's VM: for memory, counters, ioctls of your own
 * @machine: the machine
 * Return: the VM, which goes with the machine
 */
struct npt_vm *npt_machine_vm(struct npt_machine *machine);

/**
 * npt_machine_vcpu() - one of the machine's vCPUs
 * @machine: the machine
 * @index: its number
 * Return: the vCPU, which goes with the machine; NULL if there is none
 */
struct npt_vcpu *npt_machine_vcpu(struct npt_machine *machine, unsigned int index);

#ifdef __cplusplus
}
#endif

#endif /* LIBNPT_MACHINE_H */
