// SPDX-License-Identifier: GPL-2.0
/* npt doctor: what this machine can run, and why not the rest. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "libnpt.h"
#include "nl.h"
#include "npt.h"
#include "output.h"

/* The oldest kernel that the module builds for. */
#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

/* Append one finding. */
static void say(json_t *list, const char *topic, const char *check, bool ok, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void say(json_t *list, const char *topic, const char *check, bool ok, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s}", "topic", topic, "check",
					      check, "ok", ok, "reason", text));
}

/* The first line of a file; false if it can't be read. */
static bool read_line(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(buf, len, f);
	fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = 0;
	return ok;
}

/* The value of a key of /proc/cpuinfo, of the first processor. */
static bool cpuinfo(const char *key, char *buf, size_t len)
{
	static char line[16384];
	bool found = false;
	FILE *f;
	char *p;

	f = fopen("/proc/cpuinfo", "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		p = strchr(line, ':');
		if (!p || strncmp(line, key, strlen(key)))
			continue;
		p += 1 + (p[1] == ' ');
		p[strcspn(p, "\n")] = 0;
		snprintf(buf, len, "%s", p);
		found = true;
	}
	fclose(f);
	return found;
}

/* Is @word one of the words of @words? */
static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = words; (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH"), *end;
	char file[4096];

	for (; path && *path; path = *end ? end + 1 : end) {
		end = path + strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/%s", (int)(end - path), path, program);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}

static bool module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

/* --- the processor --- */

static void check_hardware(json_t *l, const char *check, const char *flags, const char *flag,
			   const char *paging, const char *kvm)
{
	if (!has_word(flags, flag))
		say(l, "processor", check, false,
		    "the processor does not show it (not that vendor, off in the firmware, or hidden by a hypervisor)");
	else if (!has_word(flags, paging))
		say(l, "processor", check, false, "there, but without nested paging (%s)", paging);
	else if (module_loaded(kvm))
		say(l, "processor", check, false,
		    "there with nested paging, but %s is loaded and may hold it: modprobe -r %s",
		    kvm, kvm);
	else
		say(l, "processor", check, true, "there, with nested paging, and nobody holds it");
}

static void check_processor(json_t *l)
{
	static char flags[16384];
	char vendor[64] = "unknown", model[128] = "unknown";

	cpuinfo("vendor_id", vendor, sizeof(vendor));
	cpuinfo("model name", model, sizeof(model));
	if (!cpuinfo("flags", flags, sizeof(flags)))
		flags[0] = 0;
	say(l, "processor", "x86-64", has_word(flags, "lm"), "%s, %s", vendor, model);
	check_hardware(l, "AMD SVM", flags, "svm", "npt", "kvm_amd");
	check_hardware(l, "Intel VMX", flags, "vmx", "ept", "kvm_intel");
}

/* --- the kernel --- */

static void check_kernel_version(json_t *l, const struct utsname *u)
{
	unsigned int major = 0, minor = 0;

	if (sscanf(u->release, "%u.%u", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
		say(l, "kernel", "version", true, "%s", u->release);
	else
		say(l, "kernel", "version", false, "%s: the module needs %d.%d or later",
		    u->release, KERNEL_MAJOR, KERNEL_MINOR);
}

static void check_headers(json_t *l, const struct utsname *u)
{
	char path[512];

	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", u->release);
	if (access(path, F_OK))
		say(l, "kernel", "headers", false,
		    "no %s: install linux-headers-%s to build the module for this kernel", path,
		    u->release);
	else
		say(l, "kernel", "headers", true, "/lib/modules/%s/build", u->release);
}

/* Effective capability @bit of this process. */
static bool capable(unsigned int bit)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/status", "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	fclose(f);
	return caps >> bit & 1;
}

#define CAP_SYS_MODULE_BIT 16

static void check_loading(json_t *l)
{
	const char *check = "loading modules";
	char line[256];

	if (access("/proc/modules", F_OK))
		say(l, "kernel", check, false, "this kernel was built without modules");
	else if (read_line("/proc/sys/kernel/modules_disabled", line, sizeof(line)) &&
		 !strcmp(line, "1"))
		say(l, "kernel", check, false, "switched off until reboot (modules_disabled)");
	else if (read_line("/sys/kernel/security/lockdown", line, sizeof(line)) &&
		 !strstr(line, "[none]"))
		say(l, "kernel", check, false,
		    "the kernel is locked down (%s): it takes signed modules only", line);
	else if (!capable(CAP_SYS_MODULE_BIT))
		say(l, "kernel", check, false, "this process lacks CAP_SYS_MODULE: be root");
	else
		say(l, "kernel", check, true, "possible");
}

static void check_large_pages(json_t *l)
{
	const char *thp = "/sys/kernel/mm/transparent_hugepage/enabled";
	char line[256];

	if (!read_line(thp, line, sizeof(line)))
		say(l, "kernel", "2M host pages", false, "no transparent huge pages here");
	else
		say(l, "kernel", "2M host pages", !strstr(line, "[never]"),
		    "transparent huge pages: %s", line);
	if (!read_line("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", line,
		       sizeof(line)))
		say(l, "kernel", "1G host pages", false, "this kernel or processor has none");
	else
		say(l, "kernel", "1G host pages", strcmp(line, "0"),
		    "%s of them are reserved and free", line);
}

static void check_kernel(json_t *l)
{
	struct utsname u;

	uname(&u);
	check_kernel_version(l, &u);
	check_headers(l, &u);
	check_loading(l);
	check_large_pages(l);
}

/* --- npt itself --- */

/* What the module says of @engine: "svm: no, because". False if it says nothing more. */
static bool engine_reason(const char *engine, char *why, size_t len)
{
	FILE *f = fopen("/sys/module/npt/parameters/engines", "re");
	size_t n = strlen(engine);
	char line[512], *p;
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, engine, n) || line[n] != ':')
			continue;
		p = strstr(line, ", ");
		if (!p)
			break;
		p[strcspn(p, "\n")] = 0;
		snprintf(why, len, "%s", p + 2);
		found = true;
	}
	fclose(f);
	return found;
}

static void check_engines(json_t *l, struct npt_device *dev)
{
	static const unsigned int engines[] = { NPT_ENGINE_SOFT, NPT_ENGINE_SVM, NPT_ENGINE_VMX };
	struct npt_caps caps;
	char check[64], why[512];
	size_t i;
	bool ok;

	if (npt_device_caps(dev, &caps)) {
		say(l, "npt", "engines", false, "%s", npt_error());
		return;
	}
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		ok = caps.engines >> engines[i] & 1;
		snprintf(check, sizeof(check), "engine %s", npt_engine_name(engines[i]));
		if (!engine_reason(npt_engine_name(engines[i]), why, sizeof(why)))
			snprintf(why, sizeof(why), "%s", ok ? "usable" :
				 "the module can't use it on this machine");
		say(l, "npt", check, ok, "%s", why);
	}
}

static void check_device(json_t *l)
{
	struct npt_device *dev;
	int ret;

	ret = npt_device_open(NULL, &dev);
	if (ret) {
		say(l, "npt", NPT_DEVICE_PATH, false, "%s%s", npt_error(),
		    ret == -ENOENT ? ": insmod npt.ko makes it" : "");
		return;
	}
	say(l, "npt", NPT_DEVICE_PATH, true, "there, and this user may open it");
	check_engines(l, dev);
	npt_device_close(dev);
}

static void check_netlink(json_t *l)
{
	struct npt_nl *nl;

	if (npt_nl_open(&nl)) {
		say(l, "npt", "netlink family", false, "%s", npt_error());
		return;
	}
	say(l, "npt", "netlink family", true, "there");
	npt_nl_close(nl);
}

static void check_npt(json_t *l)
{
	say(l, "npt", "in-process", true, "npt replay --in-process works everywhere");
	say(l, "npt", "module", module_loaded("npt"), "npt.ko is%s loaded",
	    module_loaded("npt") ? "" : " not");
	check_device(l);
	check_netlink(l);
}

/* --- programs --- */

static void check_tools(json_t *l)
{
	static const struct {
		const char *check, *program, *use, *package;
	} tools[] = {
		{ "valgrind", "valgrind", "npt record needs it", "valgrind" },
		{ "qemu", "qemu-system-x86_64", "the lab boots a kernel in it", "qemu-system-x86" },
		{ "bochs", "bochs", "the lab tries Intel VMX in it", "bochs" },
	};
	size_t i;

	for (i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		bool ok = in_path(tools[i].program);

		if (ok)
			say(l, "tools", tools[i].check, true, "there: %s", tools[i].use);
		else
			say(l, "tools", tools[i].check, false, "not in PATH: %s (package %s)",
			    tools[i].use, tools[i].package);
	}
}

static void print(struct npt_cli *cli, json_t *list)
{
	const char *topic, *last = "", *mark;
	json_t *f;
	size_t i;
	bool ok;

	json_array_foreach(list, i, f) {
		topic = json_string_value(json_object_get(f, "topic"));
		ok = json_is_true(json_object_get(f, "ok"));
		mark = npt_color(cli, ok ? NPT_C_GREEN : NPT_C_YELLOW);
		if (strcmp(topic, last))
			printf("%s%s%s\n", npt_color(cli, NPT_C_BOLD), topic,
			       npt_color(cli, NPT_C_RESET));
		last = topic;
		printf("  %s%s%s  %-16s %s\n", mark, ok ? "ok" : "no",
		       *mark ? npt_color(cli, NPT_C_RESET) : "",
		       json_string_value(json_object_get(f, "check")),
		       json_string_value(json_object_get(f, "reason")));
	}
}

static int run_doctor(struct npt_cli *cli, int argc, char **argv)
{
	json_t *list;

	if (argc > 1)
		return npt_usage("doctor: unexpected \"%s\"", argv[1]);
	list = json_array();
	check_processor(list);
	check_kernel(list);
	check_npt(list);
	check_tools(list);
	if (cli->json)
		npt_out_json(cli, json_pack("{s:O}", "checks", list));
	else
		print(cli, list);
	json_decref(list);
	return NPT_EXIT_OK;
}

static const struct npt_command commands[] = {
	{
		.name = "",
		.run = run_doctor,
		.args = "",
		.help = "check processor, kernel, module and tools; always exits with 0",
	},
	{}
};

const struct npt_object npt_obj_doctor = {
	.name = "doctor",
	.help = "tell what this machine can run, and why not the rest",
	.commands = commands,
};
