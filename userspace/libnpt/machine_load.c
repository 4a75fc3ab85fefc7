// SPDX-License-Identifier: GPL-2.0
/*
 * A machine's loader: flat files, ELF and multiboot 1 (version 0.6.96 of its
 * specification). A file is somebody else's work: nothing in it is believed
 * before it was compared with the file's size and the machine's memory.
 */
#include <elf.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "machine_priv.h"

#define CR0_PE		(1ULL << 0)
#define CR0_ET		(1ULL << 4)
#define CR0_NE		(1ULL << 5)
#define CR0_WP		(1ULL << 16)
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)
#define PTE_P		(1ULL << 0)
#define PTE_W		(1ULL << 1)
#define PTE_PS		(1ULL << 7)

#define MB_MAGIC	0x1badb002
#define MB_LOADED	0x2badb002
#define MB_SEARCH	8192		/* the header lies whole within so many bytes */
#define MB_VIDEO	(1u << 2)
#define MB_ADDRESSES	(1u << 16)
#define MB_MUST		0xffffu		/* flags that a loader must know or refuse */

struct mb_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* Multiboot information, as far as it is filled in here. */
struct mb_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr, config_table, boot_loader_name;
};

#define MB_INFO_MEMORY	(1u << 0)
#define MB_INFO_CMDLINE	(1u << 2)
#define MB_INFO_MMAP	(1u << 6)
#define MB_INFO_LOADER	(1u << 9)

struct mb_mmap {
	uint32_t size;
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));

/* Where the parts of the information lie behind NPT_LOADER_INFO. */
#define INFO_MMAP	0x100
#define INFO_NAME	0x200
#define INFO_CMDLINE	0x400
#define CMDLINE_MAX	(NPT_LOADER_END - NPT_LOADER_INFO - INFO_CMDLINE)

/* --- pieces of a file to memory --- */

/* Copy @filesz bytes from @offset to @to and clear up to @memsz. */
static int load_piece(struct npt_machine *m, const struct npt_image *image, uint64_t offset,
		      uint64_t filesz, uint64_t to, uint64_t memsz, bool info)
{
	uint8_t *p;

	if (offset > image->size || filesz > image->size - offset)
		return npt_set_error(-ENOEXEC, "%s: cut short: 0x%" PRIx64 " bytes at 0x%" PRIx64
				     " lie outside of the file", image->name, filesz, offset);
	if (memsz < filesz)
		memsz = filesz;
	if (!memsz)
		return 0;
	p = npt_memory_ptr(m->vm, to, memsz);
	if (!p)
		return npt_set_error(-EFBIG, "%s: 0x%" PRIx64 " bytes at address 0x%" PRIx64
				     " don't fit into the machine's memory", image->name, memsz,
				     to);
	if (info && to < NPT_LOADER_END && to + memsz > NPT_LOADER_BASE)
		return npt_set_error(-EFBIG, "%s: address 0x%" PRIx64
				     " is the loader's own (0x%x to 0x%x)", image->name, to,
				     NPT_LOADER_BASE, NPT_LOADER_END);
	memcpy(p, (const uint8_t *)image->data + offset, filesz);
	memset(p + filesz, 0, memsz - filesz);
	return 0;
}

static int load_flat(struct npt_machine *m, const struct npt_image *image,
		     struct npt_entry *entry)
{
	uint64_t load = image->load, start = image->entry;

	if (!load && !start) {
		load = NPT_IMAGE_LOAD;
		start = NPT_IMAGE_LOAD;
	}
	if (start >= 1 << 20)
		return npt_set_error(-EINVAL, "%s: entry 0x%" PRIx64
				     " is out of real mode's reach (1 MiB)", image->name, start);
	entry->mode = NPT_ENTRY_REAL;
	entry->address = start;
	return load_piece(m, image, 0, image->size, load, image->size, false);
}

/* --- ELF --- */

/* Where a header has a number, and of how many bytes. */
struct field {
	uint8_t offset, size;
};

/* What is needed of the headers of one class. */
struct elf_class {
	uint16_t machine, header_size, segment_size;
	struct field e_machine, e_entry, e_phoff, e_phentsize, e_phnum;
	struct field p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
};

#define FIELD(type, name)	.name = { offsetof(type, name), sizeof(((type *)0)->name) }
#define ELF_CLASS(bits, of_machine) {						\
	.machine = (of_machine),						\
	.header_size = sizeof(Elf##bits##_Ehdr),				\
	.segment_size = sizeof(Elf##bits##_Phdr),				\
	FIELD(Elf##bits##_Ehdr, e_machine), FIELD(Elf##bits##_Ehdr, e_entry),	\
	FIELD(Elf##bits##_Ehdr, e_phoff), FIELD(Elf##bits##_Ehdr, e_phentsize),	\
	FIELD(Elf##bits##_Ehdr, e_phnum),					\
	FIELD(Elf##bits##_Phdr, p_type), FIELD(Elf##bits##_Phdr, p_offset),	\
	FIELD(Elf##bits##_Phdr, p_vaddr), FIELD(Elf##bits##_Phdr, p_paddr),	\
	FIELD(Elf##bits##_Phdr, p_filesz), FIELD(Elf##bits##_Phdr, p_memsz),	\
}

static const struct elf_class elf32 = ELF_CLASS(32, EM_386);
static const struct elf_class elf64 = ELF_CLASS(64, EM_X86_64);

/* Both sides are little-endian. */
static uint64_t get(const uint8_t *header, struct field f)
{
	uint64_t value = 0;

	memcpy(&value, header + f.offset, f.size);
	return value;
}

/* A program header of either class. */
struct segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

/* What is needed of the file's header. */
struct elf {
	const struct elf_class *class;
	uint64_t entry, phoff;
	unsigned int phnum;
};

static bool is_elf(const struct npt_image *image)
{
	return image->size >= SELFMAG && !memcmp(image->data, ELFMAG, SELFMAG);
}

static int elf_header(const struct npt_image *image, struct elf *elf)
{
	const unsigned char *ident = image->data;
	const struct elf_class *c;

	c = image->size > EI_CLASS && ident[EI_CLASS] == ELFCLASS64 ? &elf64 : &elf32;
	if (image->size < c->header_size)
		return npt_set_error(-ENOEXEC, "%s: cut short: no whole ELF header", image->name);
	if (ident[EI_DATA] != ELFDATA2LSB || get(ident, c->e_machine) != c->machine)
		return npt_set_error(-ENOEXEC, "%s: an ELF file, but not for x86", image->name);
	*elf = (struct elf) {
		.class = c,
		.entry = get(ident, c->e_entry),
		.phoff = get(ident, c->e_phoff),
		.phnum = get(ident, c->e_phnum),
	};
	if (!elf->phnum || get(ident, c->e_phentsize) != c->segment_size)
		return npt_set_error(-ENOEXEC, "%s: an ELF file without program headers",
				     image->name);
	if (elf->phoff > image->size ||
	    (uint64_t)elf->phnum * c->segment_size > image->size - elf->phoff)
		return npt_set_error(-ENOEXEC, "%s: cut short: program headers outside of the file",
				     image->name);
	return 0;
}

static struct segment elf_segment(const struct npt_image *image, const struct elf *elf,
				  unsigned int i)
{
	const struct elf_class *c = elf->class;
	const uint8_t *at = (const uint8_t *)image->data + elf->phoff + i * c->segment_size;

	return (struct segment) {
		get(at, c->p_type), get(at, c->p_offset), get(at, c->p_vaddr),
		get(at, c->p_paddr), get(at, c->p_filesz), get(at, c->p_memsz),
	};
}

static int load_elf(struct npt_machine *m, const struct npt_image *image,
		    struct npt_entry *entry)
{
	bool found = false;
	struct segment s;
	struct elf elf = { 0 };
	unsigned int i;
	int ret;

	ret = elf_header(image, &elf);
	for (i = 0; !ret && i < elf.phnum; i++) {
		s = elf_segment(image, &elf, i);
		if (s.type != PT_LOAD)
			continue;
		if (s.memsz < s.filesz)
			return npt_set_error(-ENOEXEC, "%s: a segment with less memory than file",
					     image->name);
		ret = load_piece(m, image, s.offset, s.filesz, s.paddr, s.memsz, true);
		if (elf.entry - s.vaddr < s.memsz) {
			/* entered where it was loaded, wherever it was linked to run */
			entry->address = elf.entry - s.vaddr + s.paddr;
			found = true;
		}
	}
	if (ret)
		return ret;
	if (!found)
		return npt_set_error(-ENOEXEC, "%s: its entry 0x%" PRIx64 " lies in no segment",
				     image->name, elf.entry);
	entry->mode = elf.class == &elf64 ? NPT_ENTRY_LONG : NPT_ENTRY_PROTECTED;
	return 0;
}

/* --- multiboot --- */

/* Where the header is in the file, -1: nowhere. */
static long mb_find(const struct npt_image *image, struct mb_header *h)
{
	size_t end = image->size < MB_SEARCH ? image->size : MB_SEARCH, i, len;

	for (i = 0; i + 12 <= end; i += 4) {
		len = end - i < sizeof(*h) ? end - i : sizeof(*h);
		memset(h, 0, sizeof(*h));
		memcpy(h, (const uint8_t *)image->data + i, len);
		if (h->magic == MB_MAGIC && !(h->magic + h->flags + h->checksum) &&
		    (!(h->flags & MB_ADDRESSES) || len == sizeof(*h)))
			return i;
	}
	return -1;
}

static int load_addresses(struct npt_machine *m, const struct npt_image *image,
			  const struct mb_header *h, uint64_t at, struct npt_entry *entry)
{
	uint64_t skip = h->header_addr - (uint64_t)h->load_addr, offset, filesz, memsz;

	if (h->load_addr > h->header_addr || skip > at)
		return npt_set_error(-ENOEXEC, "%s: a multiboot header that begins before the file",
				     image->name);
	offset = at - skip;
	filesz = h->load_end_addr ? h->load_end_addr - (uint64_t)h->load_addr :
				    image->size - offset;
	if (h->load_end_addr && h->load_end_addr < h->load_addr)
		return npt_set_error(-ENOEXEC, "%s: a multiboot header that ends before it begins",
				     image->name);
	memsz = h->bss_end_addr > h->load_addr ? h->bss_end_addr - (uint64_t)h->load_addr : 0;
	entry->mode = NPT_ENTRY_PROTECTED;
	entry->address = h->entry_addr;
	return load_piece(m, image, offset, filesz, h->load_addr, memsz, true);
}

static int load_multiboot(struct npt_machine *m, const struct npt_image *image,
			  struct npt_entry *entry)
{
	struct mb_header h;
	long at = mb_find(image, &h);
	int ret;

	if (at < 0)
		return npt_set_error(-ENOEXEC, "%s: no multiboot header in its first 8 KiB",
				     image->name);
	if (h.flags & MB_MUST & ~3u)
		return npt_set_error(-ENOEXEC, "%s: its multiboot header asks for %s",
				     image->name,
				     h.flags & MB_VIDEO ? "a video mode" : "what is unknown here");
	if (h.flags & MB_ADDRESSES)
		return load_addresses(m, image, &h, at, entry);
	if (!is_elf(image))
		return npt_set_error(-ENOEXEC, "%s: a multiboot header without addresses, no ELF",
				     image->name);
	ret = load_elf(m, image, entry);
	entry->mode = NPT_ENTRY_PROTECTED;
	return ret;
}

/* --- what a guest is told --- */

static void put_map(struct mb_mmap *map, unsigned int *n, uint64_t addr, uint64_t end)
{
	if (end <= addr)
		return;
	map[(*n)++] = (struct mb_mmap) { sizeof(*map) - sizeof(map->size), addr, end - addr, 1 };
}

static int put_info(struct npt_machine *m, const struct npt_image *image)
{
	uint8_t *base = npt_memory_ptr(m->vm, NPT_LOADER_INFO, NPT_LOADER_END - NPT_LOADER_INFO);
	const char *cmdline = image->cmdline ? image->cmdline : "";
	uint64_t memory = m->opts.memory;
	uint64_t low = memory < NPT_MACHINE_LOW ? memory : NPT_MACHINE_LOW;
	struct mb_info info = {
		.flags = MB_INFO_MEMORY | MB_INFO_CMDLINE | MB_INFO_MMAP | MB_INFO_LOADER,
		.mem_lower = NPT_LOW_END >> 10,
		.mem_upper = (low - (1 << 20)) >> 10,
		.cmdline = NPT_LOADER_INFO + INFO_CMDLINE,
		.mmap_addr = NPT_LOADER_INFO + INFO_MMAP,
		.boot_loader_name = NPT_LOADER_INFO + INFO_NAME,
	};
	struct mb_mmap map[3];
	unsigned int n = 0;

	if (strlen(cmdline) >= CMDLINE_MAX)
		return npt_set_error(-EINVAL, "%s: a command line of %zu bytes, at most %d fit",
				     image->name, strlen(cmdline), CMDLINE_MAX - 1);
	put_map(map, &n, 0, NPT_LOW_END);
	put_map(map, &n, 1 << 20, low);
	if (memory > low)
		put_map(map, &n, 1ULL << 32, (1ULL << 32) + memory - low);
	info.mmap_length = n * sizeof(map[0]);
	memcpy(base, &info, sizeof(info));
	memcpy(base + INFO_MMAP, map, info.mmap_length);
	strcpy((char *)base + INFO_NAME, "npt");
	strcpy((char *)base + INFO_CMDLINE, cmdline);
	return 0;
}

/* --- registers --- */

/* Flat segments as a guest finds them in the loader's GDT. */
static const uint64_t gdt[] = {
	0,
	0x00cf9b000000ffffULL,	/* 0x08: 32-bit code */
	0x00cf93000000ffffULL,	/* 0x10: data */
	0x00af9b000000ffffULL,	/* 0x18: 64-bit code */
};

static void set_segment(struct kvm_segment *s, unsigned int selector)
{
	uint64_t d = gdt[selector >> 3];

	*s = (struct kvm_segment) {
		.limit = 0xffffffff,
		.selector = selector,
		.type = d >> 40 & 15,
		.s = 1,
		.present = 1,
		.l = d >> 53 & 1,
		.db = d >> 54 & 1,
		.g = 1,
	};
}

static void put_tables(struct npt_machine *m)
{
	uint64_t *t = npt_memory_ptr(m->vm, NPT_LOADER_TABLES, 6 * 4096);
	unsigned int i;

	memset(t, 0, 2 * 4096);
	t[0] = (NPT_LOADER_TABLES + 0x1000) | PTE_P | PTE_W;
	for (i = 0; i < 4; i++)
		t[512 + i] = (NPT_LOADER_TABLES + 0x2000 + i * 0x1000) | PTE_P | PTE_W;
	for (i = 0; i < 4 * 512; i++)
		t[1024 + i] = (uint64_t)i << 21 | PTE_P | PTE_W | PTE_PS;
}

static void enter_protected(struct npt_machine *m, struct kvm_sregs *s, bool is64)
{
	memcpy(npt_memory_ptr(m->vm, NPT_LOADER_GDT, sizeof(gdt)), gdt, sizeof(gdt));
	s->gdt.base = NPT_LOADER_GDT;
	s->gdt.limit = sizeof(gdt) - 1;
	set_segment(&s->cs, is64 ? 0x18 : 0x08);
	set_segment(&s->ds, 0x10);
	s->es = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	s->ss = s->ds;
	s->cr0 = CR0_PE | CR0_ET | CR0_NE;
	if (!is64)
		return;
	put_tables(m);
	s->cr3 = NPT_LOADER_TABLES;
	s->cr4 = CR4_PAE;
	s->efer = EFER_LME | EFER_LMA;
	s->cr0 |= CR0_WP | CR0_PG;
}

static void enter_real(struct kvm_sregs *s, struct kvm_regs *r, uint64_t address)
{
	uint64_t base = address & ~0xffffULL;

	s->cs.base = base;
	s->cs.selector = base >> 4;
	s->ds.base = 0;
	s->ds.selector = 0;
	s->es = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	s->ss = s->ds;
	r->rip = address - base;
	r->rsp = NPT_IMAGE_LOAD;
}

static int set_entry(struct npt_machine *m, const struct npt_entry *entry)
{
	struct npt_vcpu *vcpu = m->vcpus[0].vcpu;
	struct kvm_regs regs = { .rflags = 2, .rip = entry->address, .rsp = NPT_LOADER_BASE };
	struct kvm_sregs sregs;
	int ret = npt_vcpu_get_sregs(vcpu, &sregs);

	if (ret)
		return ret;
	if (entry->mode == NPT_ENTRY_REAL) {
		enter_real(&sregs, &regs, entry->address);
	} else {
		enter_protected(m, &sregs, entry->mode == NPT_ENTRY_LONG);
		regs.rax = MB_LOADED;
		regs.rbx = NPT_LOADER_INFO;
	}
	ret = npt_vcpu_set_sregs(vcpu, &sregs);
	return ret ? ret : npt_vcpu_set_regs(vcpu, &regs);
}

static uint32_t guess(const struct npt_image *image)
{
	struct mb_header h;

	if (mb_find(image, &h) >= 0)
		return NPT_IMAGE_MULTIBOOT;
	return is_elf(image) ? NPT_IMAGE_ELF : NPT_IMAGE_FLAT;
}

int npt_machine_load(struct npt_machine *m, const struct npt_image *image)
{
	uint32_t format = image->format == NPT_IMAGE_AUTO ? guess(image) : image->format;
	struct npt_entry entry;
	int ret;

	if (m->watched)
		return npt_set_error(-EBUSY, "machine: it was started before");
	if (!image->size)
		return npt_set_error(-ENOEXEC, "%s: empty", image->name);
	if (format == NPT_IMAGE_FLAT)
		ret = load_flat(m, image, &entry);
	else if (format == NPT_IMAGE_MULTIBOOT)
		ret = load_multiboot(m, image, &entry);
	else if (format == NPT_IMAGE_ELF && is_elf(image))
		ret = load_elf(m, image, &entry);
	else
		ret = npt_set_error(-ENOEXEC, "%s: not an ELF file", image->name);
	if (!ret && entry.mode != NPT_ENTRY_REAL)
		ret = put_info(m, image);
	if (!ret)
		ret = set_entry(m, &entry);
	if (!ret)
		m->loaded = true;
	return ret;
}
