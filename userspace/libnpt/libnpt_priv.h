/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of libnpt share: objects and the table that hides the backend. */
#ifndef LIBNPT_PRIV_H
#define LIBNPT_PRIV_H

#include <errno.h>
#include <string.h>

#include "libnpt.h"

#define NPT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct npt_device {
	const struct npt_backend *be;
	int fd;			/* of /dev/npt, -1 in-process */
	unsigned int vms;	/* that are open */
};

struct npt_vm {
	struct npt_device *dev;
	int fd;			/* -1 in-process */
	uint32_t id;		/* 0 in-process */
	void *priv;		/* the backend's */
	struct npt_memory *mem;	/* list by gpa */
	unsigned int vcpus;	/* that are open */
};

struct npt_memory {
	struct npt_vm *vm;
	struct npt_memory *next;
	struct npt_memory_options opts;
	uint8_t *host;		/* where this process sees it */
	void *map;		/* module: the whole reservation around @host */
	size_t map_size;
};

struct npt_vcpu {
	struct npt_vm *vm;
	int fd;			/* -1 in-process */
	uint32_t index;
	void *priv;		/* the backend's */
};

/*
 * One backend. No member is NULL. All give 0 or a negative errno; the caller
 * writes the text. Structs that come in have their size set and reserved fields
 * zero; @model may be NULL in vm_create (no TLB).
 */
struct npt_backend {
	int (*caps)(struct npt_device *dev, struct npt_caps *caps);
	void (*close)(struct npt_device *dev);

	/* Sets vm->fd, vm->id and vm->priv. */
	int (*vm_create)(struct npt_vm *vm, struct npt_create_vm *req);
	void (*vm_destroy)(struct npt_vm *vm);
	int (*vm_info)(struct npt_vm *vm, struct npt_vm_info *info);
	int (*vm_get_tlb)(struct npt_vm *vm, struct npt_tlb_model *model);
	int (*vm_set_tlb)(struct npt_vm *vm, const struct npt_tlb_model *model);
	int (*vm_flush)(struct npt_vm *vm, const struct npt_flush *flush);
	int (*vm_stats)(struct npt_vm *vm, struct npt_stats *stats);

	/* Sets mem->host (and ->map); frees it. */
	int (*mem_alloc)(struct npt_memory *mem);
	void (*mem_free)(struct npt_memory *mem);
	uint64_t (*mem_huge)(const struct npt_memory *mem);
	/* Add (@size is mem's) or delete (0) the memslot; mem is in the list at both times. */
	int (*mem_slot)(struct npt_memory *mem, uint64_t size);

	/* Sets vcpu->fd and vcpu->priv. */
	int (*vcpu_create)(struct npt_vcpu *vcpu);
	void (*vcpu_destroy)(struct npt_vcpu *vcpu);
	int (*vcpu_get_sregs)(struct npt_vcpu *vcpu, struct kvm_sregs *sregs);
	int (*vcpu_set_sregs)(struct npt_vcpu *vcpu, const struct kvm_sregs *sregs);
	int (*vcpu_get_regs)(struct npt_vcpu *vcpu, struct kvm_regs *regs);
	int (*vcpu_set_regs)(struct npt_vcpu *vcpu, const struct kvm_regs *regs);
	int (*vcpu_batch)(struct npt_vcpu *vcpu, struct npt_batch *batch);
	int (*vcpu_explain)(struct npt_vcpu *vcpu, struct npt_explain *explain);
	int (*vcpu_flush)(struct npt_vcpu *vcpu, const struct npt_flush *flush);
	int (*vcpu_stats)(struct npt_vcpu *vcpu, struct npt_stats *stats);
};

extern const struct npt_backend npt_backend_module;
extern const struct npt_backend npt_backend_inproc;
extern const struct npt_backend npt_backend_kvm;

/* The piece of memory that holds [gpa, gpa + len), or NULL. */
struct npt_memory *npt_memory_find(const struct npt_vm *vm, uint64_t gpa, uint64_t len);

/* Set the text of npt_error() and return @err. */
int npt_set_error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": STRERROR" behind it; passes 0 and counts through untouched. */
int npt_set_errno(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A generator of pseudo-random numbers (splitmix64): the same everywhere for a seed. */
static inline uint64_t npt_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

#endif /* LIBNPT_PRIV_H */
