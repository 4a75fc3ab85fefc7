# SPDX-License-Identifier: GPL-2.0
# npt: the module, the library, the tool, and what tests and installs them.
# "make help" lists what there is.

# M= is what kbuild sets when it comes here for the module: see Kbuild.

VERSION := 0.1.0

PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR VERSION

# The kernel to build for: the running one if its headers are there, else
# what the headers package installed, else the one the lab keeps.
KERNELS := /lib/modules/$(shell uname -r)/build
KERNELS += $(wildcard /lib/modules/*/build /usr/src/linux-headers-*-amd64)
KERNELS += $(wildcard $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/npt-lab/kernel/6.1/build)
KDIR ?= $(firstword $(foreach dir,$(KERNELS),$(if $(wildcard $(dir)/Makefile),$(dir))))
MODDIR ?= extra
FUZZ_SECONDS ?= 600

USERSPACE := userspace/libnpt userspace/npt userspace/guests

all: module-if-possible userspace docs-if-possible ## build everything that this machine can

module-if-possible:
ifneq ($(KDIR),)
	@$(MAKE) --no-print-directory modules
else
	@echo "make: no kernel headers here, the module is left out (selftests/setup build installs them)"
endif

modules: ## build npt.ko; KDIR= names the kernel's headers, W=1 and C=1 work
	@test -e "$(KDIR)/Makefile" || { echo "make: KDIR=$(KDIR): expected a folder with kernel headers" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) CONFIG_DEBUG_INFO_BTF_MODULES= modules

modules_install: modules ## install npt.ko for that kernel; INSTALL_MOD_PATH= as in the kernel
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=$(MODDIR) modules_install

userspace: ## build library and tool
	@set -e; for dir in $(USERSPACE); do $(MAKE) --no-print-directory -C $$dir; done

tests: userspace ## build the tests
	@$(MAKE) --no-print-directory -C selftests

# What selftests/lab/run puts into the lab: the tests too, when the kernel
# source that they need is installed.
lab-files: userspace
	@test ! -e /usr/src/linux-source-6.1.tar.xz || $(MAKE) --no-print-directory tests

docs: ## make the documents (needs rst2html)
	@$(MAKE) --no-print-directory -C Documentation

docs-if-possible:
	@if command -v rst2html >/dev/null; then $(MAKE) --no-print-directory docs; \
	 else echo "make: rst2html is missing, the documents are left out (selftests/setup docs installs it)"; fi

##@ Testing

demo: ## a real program's memory accesses through three kinds of page tables
	selftests/setup build lab demo
	selftests/lab/demo

check: ## run every test; ends with "N passed, N failed"
	selftests/setup
	selftests/check

check-%: ## run the groups of tests whose name begins so (selftests/check --list)
	selftests/setup
	selftests/check --only '$**'

check-debug: ## run the lab's tests on a kernel with every checker (built once)
	selftests/setup build lab check debug
	selftests/check --from selftests/check-debug.list

coverage: ## which lines of module/ the tests run (takes hours)
	selftests/coverage/run

fuzz: ## every fuzz target, then the kernel's, for FUZZ_SECONDS= (600) in total
	selftests/setup build lab fuzz
	selftests/fuzz/all --seconds $(FUZZ_SECONDS)

bench: userspace ## measure, beside the targets
	selftests/bench/run

lab: ## a shell in the lab
	selftests/setup build lab
	selftests/lab/run --interactive

##@ Installing

DKMS_DIR = $(DESTDIR)/usr/src/npt-$(VERSION)

install: userspace ## install tool, library, guests, headers, man pages, DKMS sources (DESTDIR=, PREFIX=)
	@set -e; for dir in $(USERSPACE) Documentation; do \
		$(MAKE) --no-print-directory -C $$dir install; done
	install -d $(DESTDIR)$(PREFIX)/include/linux
	install -m 644 uapi/linux/*.h $(DESTDIR)$(PREFIX)/include/linux/
	install -d $(DKMS_DIR)
	cp -r --parents $$(find Kbuild module uapi -name '*.[chS]' -o -name Kbuild) $(DKMS_DIR)/
	sed 's/@VERSION@/$(VERSION)/' dkms.conf > $(DKMS_DIR)/dkms.conf

uninstall: ## take away what install put there
	@set -e; for dir in $(USERSPACE) Documentation; do \
		$(MAKE) --no-print-directory -C $$dir uninstall; done
	cd uapi/linux && for header in *.h; do rm -f $(DESTDIR)$(PREFIX)/include/linux/$$header; done
	rm -rf $(DKMS_DIR)

##@ Other

clean: ## remove what was built
ifneq ($(KDIR),)
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR) clean
endif
	@set -e; for dir in $(USERSPACE) selftests selftests/host selftests/fuzz Documentation; do \
		$(MAKE) --no-print-directory -C $$dir clean; done

help: ## this list
	@echo "make TARGET, with TARGET one of"
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z_%-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: all module-if-possible modules modules_install userspace tests lab-files \
	docs docs-if-possible demo check check-debug coverage bench lab install uninstall clean help
