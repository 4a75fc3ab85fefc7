// SPDX-License-Identifier: GPL-2.0
#include "host_env.h"
#include "test.h"

static struct env *to_env(struct npt_mmu *mmu)
{
	return container_of(mmu, struct env, mmu);
}

/* --- memslots ----------------------------------------------------------- */

struct env_slot *env_slot_of(struct env *env, u64 gpa)
{
	u64 gfn = gpa >> 12;

	for (int i = 0; i < ENV_SLOTS; i++) {
		struct env_slot *s = &env->slot[i];

		if (s->npages && gfn >= s->gfn && gfn - s->gfn < s->npages)
			return s;
	}
	return NULL;
}

static u8 *slot_page(struct env *env, struct env_slot *s, u64 i)
{
	if (s->state[i] & ENV_MOVED)
		return env->spares + s->spare[i] * PAGE_SIZE;
	return s->mem + i * PAGE_SIZE;
}

void *env_ptr(struct env *env, u64 gpa)
{
	struct env_slot *s = env_slot_of(env, gpa);

	return s ? slot_page(env, s, (gpa >> 12) - s->gfn) + (gpa & 0xfff) : NULL;
}

unsigned int env_status(struct env *env, u64 gpa, bool write)
{
	struct env_slot *s = env_slot_of(env, gpa);

	if (!s)
		return NPT_STATUS_MMIO;
	if (write && s->readonly)
		return NPT_STATUS_READONLY;
	if (s->state[(gpa >> 12) - s->gfn] & ENV_BAD)
		return NPT_STATUS_HOST_FAULT;
	return NPT_STATUS_OK;
}

/* Called with every translation of the range gone. */
static void set_state(struct env_slot *s, u64 i, u8 flag, bool on)
{
	bool was = s->state[i] & ENV_ODD;

	if (on)
		s->state[i] |= flag;
	else
		s->state[i] &= ~flag;
	if (was != !!(s->state[i] & ENV_ODD))
		s->odd += was ? -1 : 1;
}

/* Could a page of size class @size lie around page @i of @s? */
static bool slot_fits(struct env_slot *s, u64 i, unsigned int size)
{
	u64 n = 1ull << 9 * size;
	u64 gfn = (s->gfn + i) & ~(n - 1);
	u64 first = gfn - s->gfn;

	if (gfn < s->gfn || gfn + n > s->gfn + s->npages)
		return false;
	if (((npt_ptr_hpa(s->mem) >> 12) + first) & (n - 1))
		return false;
	for (u64 p = first; s->odd && p < first + n; p++)
		if (s->state[p] & ENV_ODD)
			return false;
	return true;
}

/* --- what the MMU asks for ---------------------------------------------- */

static int host_map(struct npt_mmu *mmu, u64 gpa, bool write, struct npt_pfn *out)
{
	struct env *env = to_env(mmu);
	struct env_slot *s = env_slot_of(env, gpa);
	unsigned int size = 0;
	u64 i;

	env->maps++;
	if (env->on_map)
		env->on_map(env, gpa);
	if (mmu->lock.readers)
		FAIL("map() called under the lock");
	if (!s)
		return -ENOENT;
	if (write && s->readonly)
		return -EROFS;
	i = (gpa >> 12) - s->gfn;
	if (s->state[i] & ENV_BAD)
		return -EFAULT;
	if (write && (s->state[i] & ENV_COW))
		env_set_flag(env, gpa, ENV_COW, false);
	out->seq = env->seq;
	out->at_hand = true;
	out->hpa = npt_ptr_hpa(slot_page(env, s, i));
	out->writable = !s->readonly && !(s->state[i] & ENV_COW);
	while (size < s->max_size && !s->logging && slot_fits(s, i, size + 1))
		size++;
	if (env->shy && !write && rnd_one_in(env->rnd, 8))
		out->writable = false;
	if (env->shy && size && rnd_one_in(env->rnd, 8))
		size--;
	out->max_size = size;
	if (env->chaos && rnd_one_in(env->rnd, env->chaos)) {
		/* somebody unmaps or moves it between this answer and its use */
		if (rnd_bool(env->rnd))
			env_move(env, gpa);
		else
			env_zap(env, gpa & ~0xfffull, 1 + rnd_below(env->rnd, 4));
	}
	return 0;
}

/* Is the page of @size from page @i on there, writable and in one piece? */
static bool page_at_hand(struct env_slot *s, u64 i, unsigned int size)
{
	u64 end = i + (1ull << 9 * size);

	if (size > s->max_size || (size && !slot_fits(s, i, size)))
		return false;
	while (i < end && !(s->state[i] & (ENV_BAD | ENV_COW)))
		i++;
	return i == end;
}

/* What map() would give at once, writable; the host may be shy about it too. */
static u32 host_map_near(struct npt_mmu *mmu, u64 gpa, unsigned int size, u32 n, u64 *hpa)
{
	struct env *env = to_env(mmu);
	struct env_slot *s = env_slot_of(env, gpa);
	u64 i = s ? (gpa >> 12) - s->gfn : 0;
	u32 got;

	npt_assert_write(&mmu->lock);
	CHECK(n && n <= NPT_PREFETCH_MAX, "map_near() of %u pages", n);
	CHECK(!(gpa & ((4096ull << 9 * size) - 1)), "map_near() within a page");
	if (!s || s->readonly || s->logging)
		return 0;
	for (got = 0; got < n && i < s->npages; got++, i += 1ull << 9 * size) {
		if (!page_at_hand(s, i, size) || (env->shy && rnd_one_in(env->rnd, 4)))
			break;
		hpa[got] = npt_ptr_hpa(slot_page(env, s, i));
	}
	return got;
}

static bool host_stale(struct npt_mmu *mmu, const struct npt_pfn *pfn)
{
	struct env *env = to_env(mmu);

	npt_assert_write(&mmu->lock);
	return pfn->seq != env->seq;
}

static void host_mark_dirty(struct npt_mmu *mmu, u64 gfn)
{
	struct env *env = to_env(mmu);
	struct env_slot *s = env_slot_of(env, gfn << 12);

	npt_assert_held(&mmu->lock);
	if (!s || s->readonly)
		FAIL("mark_dirty() of gfn %#llx, which is %s", gfn, s ? "read-only" : "no memory");
	s->state[gfn - s->gfn] |= ENV_DIRTY;
}

static void host_kick(struct npt_mmu *mmu)
{
	struct env *env = to_env(mmu);

	npt_assert_write(&mmu->lock);
	env->kicks++;
	if (env->on_kick)
		env->on_kick(env);
}

static void host_bug(struct npt_mmu *mmu, const char *what)
{
	struct env *env = to_env(mmu);

	CHECK(env->may_die, "the MMU gave up: %s", what);
	CHECK(!env->death, "the MMU gave up twice: %s, %s", env->death, what);
	env->death = what;
}

static const struct npt_mmu_host env_host = {
	.map = host_map,
	.map_near = host_map_near,
	.stale = host_stale,
	.mark_dirty = host_mark_dirty,
	.kick = host_kick,
	.bug = host_bug,
};

/* --- what the host does -------------------------------------------------- */

static void zap_locked(struct env *env, u64 gfn, u64 n, enum npt_zap_reason reason,
		       enum npt_flush_reason flush)
{
	env->zaps++;
	env->seq++;
	npt_mmu_zap(&env->mmu, gfn, gfn + n, reason, flush);
}

void env_zap(struct env *env, u64 gpa, u64 n)
{
	npt_write_lock(&env->mmu.lock);
	zap_locked(env, gpa >> 12, n, NPT_ZAP_NOTIFIER, NPT_FL_NOTIFIER);
	npt_write_unlock(&env->mmu.lock);
}

void env_move(struct env *env, u64 gpa)
{
	struct env_slot *s = env_slot_of(env, gpa);
	u64 i;
	u8 *old, *new;
	bool home;
	int n;

	if (!s)
		return;
	i = (gpa >> 12) - s->gfn;
	home = s->state[i] & ENV_MOVED;
	for (n = 0; n < ENV_SPARES && env->spare_used[n]; n++)
		;
	if (!home && n == ENV_SPARES)
		return;
	npt_write_lock(&env->mmu.lock);
	zap_locked(env, gpa >> 12, 1, NPT_ZAP_NOTIFIER, NPT_FL_NOTIFIER);
	old = slot_page(env, s, i);
	if (home) {
		env->spare_used[s->spare[i]] = false;
		set_state(s, i, ENV_MOVED, false);
	} else {
		env->spare_used[n] = true;
		s->spare[i] = n;
		set_state(s, i, ENV_MOVED, true);
	}
	new = slot_page(env, s, i);
	memcpy(new, old, PAGE_SIZE);
	memset(old, 0x5b, PAGE_SIZE);
	npt_write_unlock(&env->mmu.lock);
}

void env_set_flag(struct env *env, u64 gpa, u8 flag, bool on)
{
	struct env_slot *s = env_slot_of(env, gpa);

	npt_write_lock(&env->mmu.lock);
	zap_locked(env, gpa >> 12, 1, NPT_ZAP_NOTIFIER, NPT_FL_NOTIFIER);
	set_state(s, (gpa >> 12) - s->gfn, flag, on);
	npt_write_unlock(&env->mmu.lock);
}

void env_set_size(struct env *env, struct env_slot *s, unsigned int max_size)
{
	npt_write_lock(&env->mmu.lock);
	zap_locked(env, s->gfn, s->npages, NPT_ZAP_NOTIFIER, NPT_FL_NOTIFIER);
	s->max_size = max_size;
	npt_write_unlock(&env->mmu.lock);
}

void env_clear_dirty(struct env *env, struct env_slot *s)
{
	npt_write_lock(&env->mmu.lock);
	s->logging = true;
	env->seq++;
	for (u64 i = 0; i < s->npages; i++)
		s->state[i] &= ~ENV_DIRTY;
	npt_mmu_wrprot(&env->mmu, s->gfn, s->gfn + s->npages, ~0ULL);
	npt_mmu_wrprot_end(&env->mmu);
	npt_write_unlock(&env->mmu.lock);
}

bool env_dirty(struct env *env, u64 gpa)
{
	struct env_slot *s = env_slot_of(env, gpa);

	return s && (!s->logging || (s->state[(gpa >> 12) - s->gfn] & ENV_DIRTY));
}

/* --- life ----------------------------------------------------------------- */

struct env_slot *env_add_slot(struct env *env, u64 gpa, u64 bytes, unsigned int max_size,
			      bool readonly)
{
	struct env_slot *s = NULL;

	for (int i = 0; i < ENV_SLOTS && !s; i++)
		if (!env->slot[i].mem)
			s = &env->slot[i];
	CHECK(s, "no room for another slot");
	s->mem = npt_shim_guest_alloc(bytes, 1ull << npt_size_shift(max_size));
	s->bytes = bytes;
	s->state = calloc(bytes >> 12, 2);
	CHECK(s->mem && s->state, "no memory");
	s->spare = s->state + (bytes >> 12);
	s->gfn = gpa >> 12;
	s->npages = bytes >> 12;
	s->max_size = max_size;
	s->readonly = readonly;
	return s;
}

void env_hide_slot(struct env *env, struct env_slot *s)
{
	npt_write_lock(&env->mmu.lock);
	zap_locked(env, s->gfn, s->npages, NPT_ZAP_SLOT, NPT_FL_SLOT);
	s->npages = 0;
	npt_write_unlock(&env->mmu.lock);
}

void env_show_slot(struct env *env, struct env_slot *s, u64 gfn, u64 npages)
{
	npt_write_lock(&env->mmu.lock);
	npt_mmu_slots_change(&env->mmu);
	env->seq++;
	s->gfn = gfn;
	s->npages = npages;
	npt_write_unlock(&env->mmu.lock);
}

void env_del_slot(struct env *env, struct env_slot *s)
{
	if (s->npages)
		env_hide_slot(env, s);
	npt_shim_guest_free(s->mem, s->bytes);
	free(s->state);
	memset(s, 0, sizeof(*s));
}

struct npt_mmu_config env_config(u32 mode)
{
	return (struct npt_mmu_config){
		.mode = mode,
		.nested_format = NPT_NESTED_NPT,
		.nested_levels = 4,
		.leaf_pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G,
		.max_table_pages = 4096,
		.unsync = true,
	};
}

int env_init(struct env *env, const struct npt_mmu_config *cfg, struct rnd *rnd)
{
	int ret;

	memset(env, 0, sizeof(*env));
	env->rnd = rnd;
	env->model.size = sizeof(env->model);
	env->spares = npt_shim_guest_alloc(ENV_SPARES * PAGE_SIZE, PAGE_SIZE);
	CHECK(env->spares, "no memory");
	ret = npt_mmu_init(&env->mmu, cfg, &env_host);
	env->alive = !ret;
	return ret;
}

int env_add_cpu(struct env *env, const struct npt_tlb_model *model)
{
	struct npt_cpu *cpu = calloc(1, sizeof(*cpu));
	int ret;

	CHECK(cpu && env->ncpus < ENV_CPUS, "too many vCPUs");
	ret = npt_cpu_init(cpu, &env->mmu, model ? model : &env->model);
	if (ret)
		free(cpu);
	else
		env->cpu[env->ncpus++] = cpu;
	return ret;
}

void env_destroy(struct env *env)
{
	while (env->ncpus) {
		npt_cpu_destroy(env->cpu[--env->ncpus]);
		free(env->cpu[env->ncpus]);
	}
	if (env->alive)
		npt_mmu_destroy(&env->mmu);
	env->alive = false;
	for (int i = 0; i < ENV_SLOTS; i++) {
		if (!env->slot[i].mem)
			continue;
		npt_shim_guest_free(env->slot[i].mem, env->slot[i].bytes);
		free(env->slot[i].state);
	}
	npt_shim_guest_free(env->spares, ENV_SPARES * PAGE_SIZE);
}

void env_destroy_clean(struct env *env)
{
	env_destroy(env);
	CHECK(!npt_shim_pages_out && !npt_shim_objects_out && !npt_shim_guest_out,
	      "leaked: %ld pages, %ld objects, %zu bytes of guest memory",
	      npt_shim_pages_out, npt_shim_objects_out, npt_shim_guest_out);
}

/* --- accesses ------------------------------------------------------------- */

static void execute(struct npt_cpu *cpu, const struct npt_access *rec,
		    struct npt_access_result *res, void *data, unsigned int len)
{
	u32 failed = 0, done;

	memset(res, 0xee, sizeof(*res));
	done = npt_cpu_execute(cpu, rec, 1, res, data, len, false, &failed);
	/* Where there was no memory, nothing has happened. */
	if (cpu->err == -ENOMEM && npt_shim_failures) {
		CHECK_EQ(done + failed, 0, "records executed without memory");
		CHECK_EQ(res->status, NPT_STATUS_HOST_FAULT, "status without memory");
	} else {
		CHECK_EQ(done, 1, "records executed");
		CHECK_EQ(failed, res->status != NPT_STATUS_OK, "failed records");
	}
	CHECK(!cpu->mmu->lock.readers, "lock still held after a batch");
}

unsigned int env_access(struct npt_cpu *cpu, u64 gva, unsigned int op, bool user,
			struct npt_access_result *res)
{
	struct npt_access rec = {
		.gva = gva, .size = 1, .op = op, .flags = user ? NPT_ACCESS_USER : 0,
	};

	execute(cpu, &rec, res, NULL, 0);
	return res->status;
}

unsigned int env_data(struct npt_cpu *cpu, u64 gva, unsigned int op, unsigned int flags,
		      void *data, unsigned int size, struct npt_access_result *res)
{
	struct npt_access rec = {
		.gva = gva, .size = size, .op = op, .flags = flags | NPT_ACCESS_DATA,
	};

	execute(cpu, &rec, res, data, size);
	return res->status;
}

unsigned int env_op(struct npt_cpu *cpu, unsigned int op, u64 operand)
{
	struct npt_access rec = { .gva = operand, .op = op };
	struct npt_access_result res;

	execute(cpu, &rec, &res, NULL, 0);
	return res.status;
}

/* --- the reference -------------------------------------------------------- */

static bool ref_read(const struct ref_mem *mem, uint64_t gpa, unsigned int bytes,
		     uint64_t *value)
{
	struct env *env = ((const struct env_mem *)mem)->env;

	if (env_status(env, gpa, false) != NPT_STATUS_OK)
		return false;
	*value = 0;
	memcpy(value, env_ptr(env, gpa), bytes);
	return true;
}

struct env_mem env_ref_mem(struct env *env)
{
	return (struct env_mem){ .mem.read = ref_read, .env = env };
}

struct ref_cpu env_ref_cpu(const struct npt_cpu *cpu)
{
	return (struct ref_cpu){
		.cr0 = cpu->regs.cr0, .cr3 = cpu->regs.cr3, .cr4 = cpu->regs.cr4,
		.efer = cpu->regs.efer, .pkru = cpu->regs.pkru, .ac = cpu->regs.ac,
		.maxphy = cpu->mmu->gpa_bits,
	};
}

void env_ref(struct npt_cpu *cpu, u64 gva, unsigned int op, bool user, struct ref_out *out)
{
	struct env_mem mem = env_ref_mem(to_env(cpu->mmu));
	struct ref_cpu rc = env_ref_cpu(cpu);

	ref_walk(&rc, &mem.mem, gva, env_kind(op), user, out);
	env_limit(mem.env, out);
}

void env_limit(struct env *env, struct ref_out *out)
{
	bool always = env->mmu.cfg.mode == NPT_MMU_NESTED;

	if (always && out->end == REF_NOMEM &&
	    env_status(env, out->gpa, true) == NPT_STATUS_READONLY)
		out->end = REF_ROM;	/* read-only and taken by the host: the slot decides */
	for (unsigned int i = 0; i < out->n; i++) {
		struct ref_step *s = &out->step[i];

		if (env_status(env, s->gpa, true) != NPT_STATUS_READONLY)
			continue;
		if (!always && s->after == s->value)
			continue;
		out->end = REF_ROM;
		out->gpa = s->gpa;
		out->error = 0;
		out->cr2 = 0;
		out->shift = 0;
		s->after = s->value;
		out->n = always ? i : i + 1;
		return;
	}
}

void env_answer(struct env *env, const struct ref_out *ref, unsigned int op,
		struct env_answer *a)
{
	*a = (struct env_answer){ 0 };
	switch (ref->end) {
	case REF_OK:
		a->status = env_status(env, ref->gpa, op == NPT_OP_WRITE);
		a->gpa = ref->gpa;
		a->shift = ref->shift;
		break;
	case REF_PF:
		a->status = NPT_STATUS_GUEST_PF;
		a->error = ref->error;
		a->cr2 = ref->cr2;
		break;
	case REF_GP:
		a->status = NPT_STATUS_GUEST_GP;
		break;
	case REF_NOMEM:
	case REF_ROM:
		a->status = env_status(env, ref->gpa, ref->end == REF_ROM);
		a->gpa = ref->gpa;
		break;
	}
}
