// SPDX-License-Identifier: GPL-2.0
/*
 * The arena behind shim.h: pages of tables in its upper quarter, guest memory
 * below. Nothing here is on the path of an access.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "shim.h"

#if defined(__SANITIZE_ADDRESS__)
#define NPT_SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NPT_SHIM_ASAN 1
#endif
#endif

#ifdef NPT_SHIM_ASAN
#include <sanitizer/asan_interface.h>
#define shim_poison(p, n)	ASAN_POISON_MEMORY_REGION(p, n)
#define shim_unpoison(p, n)	ASAN_UNPOISON_MEMORY_REGION(p, n)
/* Freed pages stay poisoned until so many younger ones are free. */
#define SHIM_QUARANTINE 512
#else
#define shim_poison(p, n)	((void)(p), (void)(n))
#define shim_unpoison(p, n)	((void)(p), (void)(n))
#define SHIM_QUARANTINE 0
#endif

#define SHIM_GIB	(1ULL << 30)
#define SHIM_HPA_START	(4 * SHIM_GIB)
#define SHIM_CHUNK	(2UL << 20)

/* One block of guest memory; blocks are sorted by address. */
struct shim_block {
	struct list_head link;
	size_t start, bytes;	/* offset into the arena */
};

uintptr_t npt_shim_delta;
u64 npt_shim_hpa_start = SHIM_HPA_START;
u64 npt_shim_hpa_end;
uintptr_t *npt_shim_owners;

size_t npt_shim_arena_size = 64 * SHIM_GIB;
bool npt_shim_hugepages;
long npt_shim_fail_after = -1;
bool npt_shim_fail_on;
#if defined(NPT_SHIM_CHECK) && !defined(NPT_SHIM_LOCKED)
void (*npt_shim_on_write_lock)(const npt_lock_t *l, bool taken);
#endif
unsigned long npt_shim_failures;
long npt_shim_pages_out;
unsigned long npt_shim_low_allocs;
long npt_shim_objects_out;
size_t npt_shim_guest_out;

static pthread_mutex_t shim_mutex = PTHREAD_MUTEX_INITIALIZER;
static char *shim_base;			/* of the arena, aligned to 1 GiB */
static char *shim_map;			/* what mmap() gave */
static size_t shim_size, shim_map_size;
static size_t shim_tables;		/* offset of the tables' part */
static size_t shim_fresh;		/* offset of the first page never used */
static size_t shim_ready;		/* end of the pages made accessible */
/*
 * Free pages: a queue linked through the owners' array, where an odd value says
 * "free" and its upper bits the next frame (0: none; frame 0 is never a table).
 */
static size_t shim_free_head, shim_free_tail, shim_free_count;
static LIST_HEAD(shim_blocks);

bool npt_shim_warn(bool *warned, const char *file, int line, const char *text)
{
	if (!*warned)
		fprintf(stderr, "WARNING at %s:%d: %s\n", file, line, text);
	*warned = true;
#ifdef NPT_SHIM_CHECK
	abort();
#endif
	return true;
}

static void shim_die(const char *text, const void *p)
{
	fprintf(stderr, "npt shim: %s: %p\n", text, p);
	abort();
}

static int shim_init_locked(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	size_t size, owners;
	void *p;

	if (shim_base)
		return 0;
	size = round_up(max_t(size_t, npt_shim_arena_size, 4 * SHIM_GIB), SHIM_GIB);
	owners = size / PAGE_SIZE * sizeof(*npt_shim_owners);
	p = mmap(NULL, owners, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	npt_shim_owners = p;
	shim_map_size = size + SHIM_GIB;
	p = mmap(NULL, shim_map_size, PROT_NONE, flags, -1, 0);
	if (p == MAP_FAILED) {
		munmap(npt_shim_owners, owners);
		npt_shim_owners = NULL;
		return -ENOMEM;
	}
	shim_map = p;
	shim_base = shim_map + (SHIM_GIB - (uintptr_t)p % SHIM_GIB) % SHIM_GIB;
	shim_size = size;
	npt_shim_delta = (uintptr_t)shim_base - SHIM_HPA_START;
	npt_shim_hpa_end = SHIM_HPA_START + size;
	shim_tables = size / 4 * 3;
	shim_fresh = shim_tables;
	shim_ready = shim_tables;
	shim_free_head = 0;
	shim_free_tail = 0;
	shim_free_count = 0;
	return 0;
}

int npt_shim_init(void)
{
	int ret;

	pthread_mutex_lock(&shim_mutex);
	ret = shim_init_locked();
	pthread_mutex_unlock(&shim_mutex);
	return ret;
}

int npt_shim_exit(void)
{
	int ret = 0;

	pthread_mutex_lock(&shim_mutex);
	if (npt_shim_pages_out || npt_shim_guest_out) {
		ret = -EBUSY;
	} else if (shim_base) {
		shim_unpoison(shim_base + shim_tables, shim_ready - shim_tables);
		munmap(npt_shim_owners, shim_size / PAGE_SIZE * sizeof(*npt_shim_owners));
		munmap(shim_map, shim_map_size);
		npt_shim_owners = NULL;
		npt_shim_hpa_end = 0;
		shim_base = NULL;
	}
	pthread_mutex_unlock(&shim_mutex);
	return ret;
}

/* True: this allocation has to fail. */
static bool shim_inject(void)
{
	long left = __atomic_load_n(&npt_shim_fail_after, __ATOMIC_RELAXED);

	if (likely(left < 0))
		return false;
	left = __atomic_fetch_sub(&npt_shim_fail_after, 1, __ATOMIC_RELAXED);
	if (left > 0)
		return false;
	if (npt_shim_fail_on)
		__atomic_store_n(&npt_shim_fail_after, 0, __ATOMIC_RELAXED);
	__atomic_add_fetch(&npt_shim_failures, 1, __ATOMIC_RELAXED);
	return true;
}

void *npt_shim_zalloc(size_t size)
{
	void *p;

	if (shim_inject())
		return NULL;
	p = calloc(1, size);
	if (p)
		__atomic_add_fetch(&npt_shim_objects_out, 1, __ATOMIC_RELAXED);
	return p;
}

/* What nobody has written must not be relied on. */
#define RUBBISH 0xa5

void *npt_shim_alloc(size_t size)
{
	void *p = npt_shim_zalloc(size);

	return p ? memset(p, RUBBISH, size) : NULL;
}

void npt_shim_zfree(void *p)
{
	if (!p)
		return;
	__atomic_sub_fetch(&npt_shim_objects_out, 1, __ATOMIC_RELAXED);
	free(p);
}

static void shim_hugepages(void *p, size_t bytes)
{
	if (npt_shim_hugepages)
		madvise(p, bytes, MADV_HUGEPAGE);
}

/* A page that was never used, so it is zero; NULL: none left. */
static char *shim_fresh_page(void)
{
	char *page;

	if (shim_fresh == shim_ready) {
		page = shim_base + shim_ready;
		if (shim_ready == shim_size ||
		    mprotect(page, SHIM_CHUNK, PROT_READ | PROT_WRITE))
			return NULL;
		shim_hugepages(page, SHIM_CHUNK);
		shim_poison(page, SHIM_CHUNK);
		shim_ready += SHIM_CHUNK;
	}
	page = shim_base + shim_fresh;
	shim_fresh += PAGE_SIZE;
	return page;
}

void *npt_page_alloc(void)
{
	size_t frame = 0;
	char *page = NULL;

	if (shim_inject())
		return NULL;
	pthread_mutex_lock(&shim_mutex);
	if (!shim_init_locked()) {
		if (shim_free_count > SHIM_QUARANTINE) {
			frame = shim_free_head;
			shim_free_head = npt_shim_owners[frame] >> 1;
			shim_free_count--;
			npt_shim_owners[frame] = 0;
			page = shim_base + frame * PAGE_SIZE;
		} else {
			page = shim_fresh_page();
		}
	}
	if (page)
		npt_shim_pages_out++;
	pthread_mutex_unlock(&shim_mutex);
	if (!page)
		return NULL;
	shim_unpoison(page, PAGE_SIZE);
	return frame ? memset(page, 0, PAGE_SIZE) : page;
}

void *npt_page_alloc_raw(void)
{
	void *page = npt_page_alloc();

	return page ? memset(page, RUBBISH, PAGE_SIZE) : NULL;
}

void *npt_page_alloc_low(void)
{
	__atomic_fetch_add(&npt_shim_low_allocs, 1, __ATOMIC_RELAXED);
	return npt_page_alloc();
}

void npt_page_free(void *page)
{
	size_t offset = (size_t)((char *)page - shim_base);
	size_t frame = offset / PAGE_SIZE;

	pthread_mutex_lock(&shim_mutex);
	if (!shim_base || offset < shim_tables || offset >= shim_fresh ||
	    offset % PAGE_SIZE)
		shim_die("free of what is no page of tables", page);
	if (npt_shim_owners[frame] & 1)
		shim_die("page freed twice", page);
	shim_poison(page, PAGE_SIZE);
	if (SHIM_QUARANTINE && shim_free_count) {
		npt_shim_owners[shim_free_tail] = frame << 1 | 1;
		npt_shim_owners[frame] = 1;
		shim_free_tail = frame;
	} else {
		npt_shim_owners[frame] = (shim_free_count ? shim_free_head : 0) << 1 | 1;
		shim_free_head = frame;
		if (!shim_free_count)
			shim_free_tail = frame;
	}
	shim_free_count++;
	npt_shim_pages_out--;
	pthread_mutex_unlock(&shim_mutex);
}

/* Find room of @bytes and the block that it comes after (maybe the list's head). */
static struct list_head *shim_find_gap(size_t bytes, size_t align, size_t *start)
{
	struct list_head *prev = &shim_blocks;
	struct shim_block *b;
	size_t at = 0;

	list_for_each_entry(b, &shim_blocks, link) {
		if (at <= b->start && b->start - at > bytes)
			break;
		/* a page stays free between two blocks, to catch what runs over */
		at = round_up(b->start + b->bytes + PAGE_SIZE, align);
		prev = &b->link;
	}
	if (at >= shim_tables || shim_tables - at <= bytes)
		return NULL;
	*start = at;
	return prev;
}

static void *shim_guest_alloc_locked(struct shim_block *b, size_t align)
{
	struct list_head *prev;
	char *p;

	if (shim_init_locked())
		return NULL;
	prev = shim_find_gap(b->bytes, align, &b->start);
	if (!prev)
		return NULL;
	p = shim_base + b->start;
	if (mprotect(p, b->bytes, PROT_READ | PROT_WRITE))
		return NULL;
	shim_hugepages(p, b->bytes);
	list_add(&b->link, prev);
	npt_shim_guest_out += b->bytes;
	return p;
}

void *npt_shim_guest_alloc(size_t bytes, size_t align)
{
	struct shim_block *b;
	void *p;

	if (!bytes || bytes % PAGE_SIZE || !is_power_of_2(align) || align > SHIM_GIB)
		return NULL;
	b = malloc(sizeof(*b));
	if (!b)
		return NULL;
	b->bytes = bytes;
	pthread_mutex_lock(&shim_mutex);
	p = shim_guest_alloc_locked(b, max_t(size_t, align, PAGE_SIZE));
	pthread_mutex_unlock(&shim_mutex);
	if (!p)
		free(b);
	return p;
}

void npt_shim_guest_free(void *p, size_t bytes)
{
	struct shim_block *b, *found = NULL;

	if (!p)
		return;
	pthread_mutex_lock(&shim_mutex);
	list_for_each_entry(b, &shim_blocks, link) {
		if (shim_base + b->start == p && b->bytes == bytes) {
			found = b;
			break;
		}
	}
	if (!found)
		shim_die("free of what is no block of guest memory", p);
	/* a new mapping in place drops the content and faults from now on */
	if (mmap(p, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		shim_die("guest memory can't be unmapped", p);
	list_del(&found->link);
	npt_shim_guest_out -= bytes;
	pthread_mutex_unlock(&shim_mutex);
	free(found);
}
