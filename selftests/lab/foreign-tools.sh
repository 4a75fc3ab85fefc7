# SPDX-License-Identifier: GPL-2.0
# Sourced by get-kernel: let a kernel's build tools and configuration, made on
# a newer Debian, work with this machine's libc and gcc.
# shellcheck shell=bash disable=SC2154

# Tools linked against a newer glibc run through that glibc's own loader.
wrap_tools()
{
	local glibc=root/glibc/usr/lib/x86_64-linux-gnu tool

	fetch libc6
	dpkg -x "$tmp"/deb/libc6_*.deb "$root/glibc"
	for tool in scripts/mod/modpost.real-lsb-64 tools/objtool/objtool.real-x86 \
		    tools/bpf/resolve_btfids/resolve_btfids scripts/genksyms/genksyms; do
		tool=$root/$kbuild/$tool
		[ -e "$tool" ] || continue
		mv "$tool" "$tool.bin"
		cat > "$tool" <<-EOF
		#!/bin/sh
		exec $dest/$glibc/ld-linux-x86-64.so.2 --library-path \\
			$dest/$glibc:/usr/lib/x86_64-linux-gnu "\$0.bin" "\$@"
		EOF
		chmod +x "$tool"
	done
}

# The configuration promises what a newer gcc can do: take that back.
older_gcc()
{
	need gcc-12 gcc-12
	cat > "$tmp/kernel/older-gcc.h" <<-EOF
	#undef __counted_by
	#define __counted_by(member)
	#undef __counted_by_ptr
	#define __counted_by_ptr(member)
	#undef CONFIG_CC_HAS_ASM_GOTO_OUTPUT
	#undef CONFIG_CC_HAS_ASM_GOTO_TIED_OUTPUT
	EOF
	flags+=" CC=gcc-12 CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT="
	flags+=" KCFLAGS='-include $dest/older-gcc.h'"
}

complaint=$("$root/$kbuild/tools/objtool/objtool.real-x86" 2>&1 || :)
case $complaint in
*GLIBC_*)	wrap_tools ;;
esac
gcc=$(sed -n 's/^CONFIG_GCC_VERSION=\([0-9]*\)....$/\1/p' "$root/$headers/.config")
if [ "$gcc" -gt 12 ] && ! command -v "gcc-$gcc" >/dev/null; then
	older_gcc
fi
