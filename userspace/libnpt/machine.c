// SPDX-License-Identifier: GPL-2.0
/* A machine: its VM, memory, interrupt controllers and vCPUs. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine_priv.h"

#define MIN_MEMORY	(1ULL << 20)
#define DEFAULT_MEMORY	(128ULL << 20)
#define HIGH		(1ULL << 32)
#define MAX_CPUID	256

/* Three pages below the BIOS that Intel's real mode needs (KVM_SET_TSS_ADDR). */
#define TSS_ADDRESS	0xfffbd000UL

static int check_options(struct npt_machine_options *opts)
{
	if (!opts->memory)
		opts->memory = DEFAULT_MEMORY;
	if (!opts->vcpus)
		opts->vcpus = 1;
	if (opts->memory < MIN_MEMORY || opts->memory % 4096)
		return npt_set_error(-EINVAL,
				     "machine: %llu bytes of memory, expected 4096 x N, at least 1 MiB",
				     (unsigned long long)opts->memory);
	if (opts->vcpus > NPT_MACHINE_MAX_VCPUS)
		return npt_set_error(-EINVAL, "machine: %u vCPUs, expected 1 to %d",
				     opts->vcpus, NPT_MACHINE_MAX_VCPUS);
	return 0;
}

static int create_vm(struct npt_machine *m, struct npt_device *dev)
{
	struct npt_vm_info info;
	int ret;

	if (npt_device_is_inproc(dev))
		return npt_set_error(-EOPNOTSUPP,
				     "machine: the core in this process runs no guests");
	ret = npt_vm_create(dev, m->opts.vm, &m->vm);
	if (ret || npt_device_is_kvm(dev))
		return ret;
	ret = npt_vm_info(m->vm, &info);
	if (!ret && info.engine == NPT_ENGINE_SOFT)
		ret = npt_set_error(-EOPNOTSUPP,
				    "machine: the soft engine has no processor that could run a guest");
	return ret;
}

static int add_memory(struct npt_machine *m)
{
	struct npt_memory_options opts = {
		.slot = 0,
		.pages = m->opts.pages,
		.size = m->opts.memory < NPT_MACHINE_LOW ? m->opts.memory : NPT_MACHINE_LOW,
	};
	int ret = npt_memory_add(m->vm, &opts, NULL);

	if (ret || m->opts.memory <= NPT_MACHINE_LOW)
		return ret;
	opts.slot = 1;
	opts.gpa = HIGH;
	opts.size = m->opts.memory - NPT_MACHINE_LOW;
	return npt_memory_add(m->vm, &opts, NULL);
}

static int has(struct npt_machine *m, long capability)
{
	int fd = npt_device_fd(npt_vm_device(m->vm));

	return ioctl(fd, KVM_CHECK_EXTENSION, capability) > 0;
}

/* Before the first vCPU: it decides what a vCPU is made of. */
static int add_interrupts(struct npt_machine *m)
{
	if (has(m, KVM_CAP_SET_TSS_ADDR) &&
	    ioctl(npt_vm_fd(m->vm), KVM_SET_TSS_ADDR, TSS_ADDRESS))
		return npt_set_errno(-errno, "machine: KVM_SET_TSS_ADDR");
	if (has(m, KVM_CAP_IRQCHIP)) {
		if (ioctl(npt_vm_fd(m->vm), KVM_CREATE_IRQCHIP, 0))
			return npt_set_errno(-errno, "machine: interrupt controllers");
		m->apic = true;
	}
	if (!m->apic && m->opts.vcpus > 1)
		return npt_set_error(-EOPNOTSUPP,
				     "machine: without a local APIC there is no way to start a second vCPU");
	return 0;
}

/* All that the device offers, with the vCPU's own APIC id where ids are told. */
static int set_cpuid(struct npt_machine *m, struct npt_machine_vcpu *v)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int ret = 0;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return npt_set_error(-ENOMEM, "machine: no memory for CPUID");
	cpuid->nent = MAX_CPUID;
	if (ioctl(npt_device_fd(npt_vm_device(m->vm)), KVM_GET_SUPPORTED_CPUID, cpuid)) {
		ret = npt_set_errno(-errno, "machine: KVM_GET_SUPPORTED_CPUID");
		goto out;
	}
	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0x00ffffff) | v->vcpu->index << 24;
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = v->vcpu->index;
	}
	if (ioctl(v->vcpu->fd, KVM_SET_CPUID2, cpuid))
		ret = npt_set_errno(-errno, "machine: KVM_SET_CPUID2");
out:
	free(cpuid);
	return ret;
}

static int add_vcpu(struct npt_machine *m)
{
	struct npt_machine_vcpu *v = &m->vcpus[m->nr_vcpus];
	int ret;

	v->machine = m;
	ret = npt_vcpu_create(m->vm, m->nr_vcpus, &v->vcpu);
	if (ret)
		return ret;
	m->nr_vcpus++;
	v->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->vcpu->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return npt_set_errno(-errno, "machine: the run page of vCPU %u", v->vcpu->index);
	}
	return set_cpuid(m, v);
}

static int add_vcpus(struct npt_machine *m)
{
	int size = ioctl(npt_device_fd(npt_vm_device(m->vm)), KVM_GET_VCPU_MMAP_SIZE, 0);
	int ret = 0;

	if (size < (int)sizeof(struct kvm_run))
		return npt_set_errno(size < 0 ? -errno : -EPROTO,
				     "machine: KVM_GET_VCPU_MMAP_SIZE");
	m->run_size = size;
	m->vcpus = calloc(m->opts.vcpus, sizeof(*m->vcpus));
	if (!m->vcpus)
		return npt_set_error(-ENOMEM, "machine: no memory for vCPUs");
	while (!ret && m->nr_vcpus < m->opts.vcpus)
		ret = add_vcpu(m);
	return ret;
}

int npt_machine_create(struct npt_device *dev, const struct npt_machine_options *opts,
		       struct npt_machine **out)
{
	struct npt_machine *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return npt_set_error(-ENOMEM, "no memory for a machine");
	if (opts)
		m->opts = *opts;
	npt_serial_init(&m->serial);
	pthread_mutex_init(&m->end_lock, NULL);
	m->end_fd = eventfd(0, EFD_CLOEXEC);
	ret = m->end_fd < 0 ? npt_set_errno(-errno, "machine: eventfd") : check_options(&m->opts);
	if (!ret)
		ret = create_vm(m, dev);
	if (!ret)
		ret = add_memory(m);
	if (!ret)
		ret = add_interrupts(m);
	if (!ret)
		ret = add_vcpus(m);
	if (ret) {
		npt_machine_destroy(m);
		return ret;
	}
	*out = m;
	return 0;
}

void npt_machine_destroy(struct npt_machine *m)
{
	unsigned int i;

	if (!m)
		return;
	npt_machine_stop(m);
	if (m->watched)
		npt_machine_wait(m, NULL);
	for (i = 0; i < m->nr_vcpus; i++) {
		if (m->vcpus[i].run)
			munmap(m->vcpus[i].run, m->run_size);
		npt_vcpu_destroy(m->vcpus[i].vcpu);
	}
	npt_vm_destroy(m->vm);
	if (m->end_fd >= 0)
		close(m->end_fd);
	pthread_mutex_destroy(&m->end_lock);
	pthread_mutex_destroy(&m->serial.lock);
	free(m->vcpus);
	free(m);
}

int npt_machine_fd(const struct npt_machine *m)
{
	return m->end_fd;
}

struct npt_vm *npt_machine_vm(struct npt_machine *m)
{
	return m->vm;
}

struct npt_vcpu *npt_machine_vcpu(struct npt_machine *m, unsigned int index)
{
	return index < m->nr_vcpus ? m->vcpus[index].vcpu : NULL;
}
