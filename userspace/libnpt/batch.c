// SPDX-License-Identifier: GPL-2.0
/* Accesses, one or many. */
#include "libnpt_priv.h"

/* Large enough that the call itself costs nothing, small enough to stay in a cache. */
#define BATCH 65536

int npt_vcpu_batch(struct npt_vcpu *vcpu, struct npt_batch *batch)
{
	batch->size = sizeof(*batch);
	return npt_set_errno(vcpu->vm->dev->be->vcpu_batch(vcpu, batch), "batch of accesses");
}

int npt_vcpu_execute(struct npt_vcpu *vcpu, const struct npt_access *accesses,
		     struct npt_access_result *results, size_t n, uint64_t *failed)
{
	size_t done = 0;
	int ret;

	while (done < n) {
		struct npt_batch batch = {
			.accesses = (uintptr_t)(accesses + done),
			.results = results ? (uintptr_t)(results + done) : 0,
			.count = n - done < BATCH ? n - done : BATCH,
		};

		ret = npt_vcpu_batch(vcpu, &batch);
		/* a signal that came before the first access: its handler has run */
		if (ret == -EINTR)
			continue;
		if (ret)
			return ret;
		done += batch.done;
		if (failed)
			*failed += batch.failed;
	}
	return 0;
}

int npt_vcpu_access(struct npt_vcpu *vcpu, uint64_t gva, uint8_t op, uint8_t flags,
		    struct npt_access_result *result)
{
	struct npt_access access = { .gva = gva, .op = op, .flags = flags };

	if (op <= NPT_OP_FETCH)
		access.size = 1;
	return npt_vcpu_execute(vcpu, &access, result, 1, NULL);
}
