// SPDX-License-Identifier: GPL-2.0
/* Interrupts that user space sends: lines, messages, routes, and what it sets up for them. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "ioctl.h"
#include "irq.h"
#include "lapic.h"
#include "limits.h"

/* KVM_SET_GSI_ROUTING's table: by gsi, an empty message where there is no route. */
struct npt_routing {
	struct rcu_head rcu;
	u32 nr;
	struct {
		u64 address;
		u32 data;
		bool used;
	} msi[];
};

static bool has_lapics(const struct npt_vm *vm)
{
	return vm->x86.irqchip || vm->x86.split_irqchip;
}

/* --- NMI ------------------------------------------------------------------ */

void npt_nmi_raise(struct npt_vcpu *vcpu)
{
	/* More than two are as two. */
	atomic_add_unless(&vcpu->x86.nmi_raised, 1, 2);
	npt_vcpu_request(vcpu, NPT_REQ_NMI);
}

void npt_nmi_collect(struct npt_vcpu *vcpu)
{
	struct npt_nmi *nmi = &vcpu->x86.nmi;
	unsigned int raised = atomic_xchg(&vcpu->x86.nmi_raised, 0);
	/* One is latched while another is being served (SDM vol. 3A, 7.7.1). */
	unsigned int limit = nmi->masked || nmi->injected ? 1 : 2;

	nmi->pending = min(nmi->pending + min(raised, limit), limit);
}

/* --- an interrupt controller or none -------------------------------------- */

static long create_irqchip(struct npt_vm *vm, bool split)
{
	long err = 0;

	/* Nothing on the other engines can be interrupted. */
	if (!vm->engine->hw)
		return -EOPNOTSUPP;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (has_lapics(vm))
		err = -EEXIST;
	else if (vm->nr_vcpus)
		err = split ? -EEXIST : -EINVAL;
	else if (split)
		vm->x86.split_irqchip = true;
	else
		vm->x86.irqchip = true;
	mutex_unlock(&vm->lock);
	return err;
}

long npt_vm_create_irqchip(struct npt_call *call)
{
	return create_irqchip(call->obj, false);
}

/* There is no PIC and no IOAPIC in the kernel whose state it could be. */
long npt_vm_irqchip_state(struct npt_call *call)
{
	return -ENXIO;
}

static long enable_x2apic_api(struct npt_vm *vm, u64 flags)
{
	if (flags & ~(u64)(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(vm->x86.x2apic_wide, true);
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(vm->x86.x2apic_no_broadcast8, true);
	return 0;
}

long npt_irq_enable_cap(struct npt_vm *vm, const struct kvm_enable_cap *cap)
{
	switch (cap->cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
		/* User space's IOAPIC has so many pins; their routes come as any others. */
		if (cap->args[0] > NPT_MAX_ROUTES)
			return -EINVAL;
		return create_irqchip(vm, true);
	case KVM_CAP_X2APIC_API:
		return enable_x2apic_api(vm, cap->args[0]);
	}
	return -EINVAL;
}

long npt_irq_extension(unsigned long cap, bool hw)
{
	switch (cap) {
	case KVM_CAP_SET_TSS_ADDR:
	case KVM_CAP_SET_IDENTITY_MAP_ADDR:
	case KVM_CAP_SET_BOOT_CPU_ID:
		return 1;
	case KVM_CAP_IRQCHIP:
	case KVM_CAP_SPLIT_IRQCHIP:
	case KVM_CAP_IRQ_INJECT_STATUS:
	case KVM_CAP_SIGNAL_MSI:
	case KVM_CAP_USER_NMI:
		return hw;
	case KVM_CAP_IRQ_ROUTING:
		return hw ? NPT_MAX_ROUTES : 0;
	case KVM_CAP_X2APIC_API:
		return hw ? KVM_X2APIC_API_USE_32BIT_IDS |
			    KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK : 0;
	}
	return 0;
}

/* --- messages: SDM vol. 3A, 11.11 ----------------------------------------- */

static int send_msi(struct npt_vm *vm, u64 address, u32 data)
{
	struct npt_apic_msg m = {
		.dest = address >> 12 & 0xff,
		.vector = data,
		.mode = data >> 8 & 7,
		.logical = address & BIT(2),
		.level = data & BIT(15),
		.broadcast8 = !READ_ONCE(vm->x86.x2apic_no_broadcast8),
	};

	if (READ_ONCE(vm->x86.x2apic_wide))
		m.dest |= upper_32_bits(address);
	/* The redirection hint: to one of those meant. */
	if ((address & BIT(3)) && m.mode == NPT_APIC_FIXED)
		m.mode = NPT_APIC_LOWEST;
	return npt_lapic_deliver(vm, &m, NULL);
}

/* With 32-bit IDs the upper half of the address has bits 31:8 of one. */
static bool address_valid(const struct npt_vm *vm, u32 address_hi)
{
	return !READ_ONCE(vm->x86.x2apic_wide) || !(address_hi & 0xff);
}

long npt_vm_signal_msi(struct npt_call *call)
{
	const struct kvm_msi *msi = call->data;
	struct npt_vm *vm = call->obj;
	long n;

	if (!has_lapics(vm) || msi->flags || !address_valid(vm, msi->address_hi))
		return -EINVAL;
	n = send_msi(vm, (u64)msi->address_hi << 32 | msi->address_lo, msi->data);
	/* KVM's way of saying that there is no such vCPU. */
	return n < 0 ? -EPERM : n;
}

/* --- routes --------------------------------------------------------------- */

void npt_irq_destroy(struct npt_vm *vm)
{
	kvfree(rcu_dereference_protected(vm->x86.routing, true));
}

static long add_route(const struct npt_vm *vm, struct npt_routing *routing,
		      const struct kvm_irq_routing_entry *e)
{
	/* Pins of chips that are not in the kernel can't be the end of a route. */
	if (e->type != KVM_IRQ_ROUTING_MSI || e->flags || e->gsi >= routing->nr ||
	    !address_valid(vm, e->u.msi.address_hi) || routing->msi[e->gsi].used)
		return -EINVAL;
	routing->msi[e->gsi].used = true;
	routing->msi[e->gsi].address = (u64)e->u.msi.address_hi << 32 | e->u.msi.address_lo;
	routing->msi[e->gsi].data = e->u.msi.data;
	return 0;
}

static struct npt_routing *make_routing(const struct npt_vm *vm,
					const struct kvm_irq_routing_entry *e, u32 n)
{
	struct npt_routing *routing;
	u32 i, nr = 0;
	long err;

	for (i = 0; i < n; i++) {
		if (e[i].gsi >= NPT_MAX_ROUTES)
			return ERR_PTR(-EINVAL);
		nr = max(nr, e[i].gsi + 1);
	}
	routing = kvzalloc(struct_size(routing, msi, nr), GFP_KERNEL_ACCOUNT);
	if (!routing)
		return ERR_PTR(-ENOMEM);
	routing->nr = nr;
	for (i = 0; i < n; i++) {
		err = add_route(vm, routing, &e[i]);
		if (err) {
			kvfree(routing);
			return ERR_PTR(err);
		}
	}
	return routing;
}

long npt_vm_set_routing(struct npt_call *call)
{
	const struct kvm_irq_routing __user *from = (void __user *)call->val;
	const struct kvm_irq_routing *head = call->data;
	struct kvm_irq_routing_entry *entries = NULL;
	struct npt_routing *routing, *old;
	struct npt_vm *vm = call->obj;

	if (!has_lapics(vm) || head->flags || head->nr > NPT_MAX_ROUTES)
		return -EINVAL;
	if (head->nr) {
		entries = vmemdup_user(from->entries, array_size(head->nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	routing = make_routing(vm, entries, head->nr);
	kvfree(entries);
	if (IS_ERR(routing))
		return PTR_ERR(routing);
	if (mutex_lock_killable(&vm->lock)) {
		kvfree(routing);
		return -EINTR;
	}
	old = rcu_replace_pointer(vm->x86.routing, routing, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/* Messages have no level to take away: they go when the line is raised. */
static long set_line(struct npt_vm *vm, const struct kvm_irq_level *line, int *status)
{
	struct npt_routing *routing;
	u64 address = 0;
	bool used = false;
	u32 data = 0;

	if (!has_lapics(vm))
		return -ENXIO;
	rcu_read_lock();
	routing = rcu_dereference(vm->x86.routing);
	if (routing && line->irq < routing->nr) {
		used = routing->msi[line->irq].used;
		address = routing->msi[line->irq].address;
		data = routing->msi[line->irq].data;
	}
	rcu_read_unlock();
	*status = used && line->level ? send_msi(vm, address, data) : -1;
	return 0;
}

long npt_vm_irq_line(struct npt_call *call)
{
	int status;

	return set_line(call->obj, call->data, &status);
}

long npt_vm_irq_line_status(struct npt_call *call)
{
	struct kvm_irq_level *line = call->data;
	int status;
	long err;

	err = set_line(call->obj, line, &status);
	if (!err)
		line->status = status;
	return err;
}

/* --- what a processor is told before it starts ---------------------------- */

long npt_vm_set_tss_addr(struct npt_call *call)
{
	struct npt_vm *vm = call->obj;

	/* Three pages below 4 GiB. */
	if (call->val > 0xffffffffUL - 3 * PAGE_SIZE + 1)
		return -EINVAL;
	WRITE_ONCE(vm->x86.tss_addr, call->val);
	return 0;
}

static long set_before_vcpus(struct npt_vm *vm, u64 *where, u64 value, long late)
{
	long err = late;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (!vm->nr_vcpus) {
		*where = value;
		err = 0;
	}
	mutex_unlock(&vm->lock);
	return err;
}

long npt_vm_set_identity_map(struct npt_call *call)
{
	struct npt_vm *vm = call->obj;

	return set_before_vcpus(vm, &vm->x86.identity_map, *(u64 *)call->data, -EINVAL);
}

long npt_vm_set_boot_cpu(struct npt_call *call)
{
	struct npt_vm *vm = call->obj;

	return set_before_vcpus(vm, &vm->x86.bsp_id, call->val, -EBUSY);
}

/* --- vCPUs ---------------------------------------------------------------- */

long npt_vcpu_interrupt(struct npt_call *call)
{
	const struct kvm_interrupt *in = call->data;
	struct npt_vcpu *vcpu = call->obj;
	struct npt_interrupt *irq = &vcpu->x86.irq;

	if (in->irq > 255)
		return -EINVAL;
	if (!vcpu->vm->engine->hw)
		return -EOPNOTSUPP;
	if (vcpu->vm->x86.irqchip)
		return -ENXIO;
	if (vcpu->x86.lapic)
		return npt_lapic_extint(vcpu, in->irq);
	if (irq->queued || irq->injected)
		return -EEXIST;
	irq->vector = in->irq;
	irq->soft = false;
	irq->queued = true;
	set_bit(NPT_REQ_EVENT, &vcpu->x86.requests);
	return 0;
}

long npt_vcpu_nmi(struct npt_call *call)
{
	struct npt_vcpu *vcpu = call->obj;

	if (!vcpu->vm->engine->hw)
		return -EOPNOTSUPP;
	npt_nmi_raise(vcpu);
	return 0;
}

long npt_vcpu_get_lapic(struct npt_call *call)
{
	return npt_lapic_get_state(call->obj, call->data);
}

long npt_vcpu_set_lapic(struct npt_call *call)
{
	return npt_lapic_set_state(call->obj, call->data);
}

long npt_vcpu_get_mp_state(struct npt_call *call)
{
	struct kvm_mp_state *state = call->data;
	struct npt_vcpu *vcpu = call->obj;
	int err;

	/* What has come is what user space is to see, and to save. */
	mutex_lock(&vcpu->cpu_lock);
	err = npt_lapic_accept(vcpu);
	mutex_unlock(&vcpu->cpu_lock);
	state->mp_state = READ_ONCE(vcpu->x86.mp_state);
	return err;
}

long npt_vcpu_set_mp_state(struct npt_call *call)
{
	const struct kvm_mp_state *state = call->data;

	return npt_lapic_set_mp_state(call->obj, state->mp_state);
}
