# SPDX-License-Identifier: GPL-2.0
# Shared by the lab's scripts: where things are kept, and how they complain.
# A script sets $prog and sources this file.
# shellcheck shell=bash

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$lab/../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/npt-lab

# 125: the lab itself could not do its work.
LAB_FAILED=125

die()
{
	printf '%s: %s\n' "${prog:-lab}" "$*" >&2
	exit "$LAB_FAILED"
}

say()
{
	printf '%s: %s\n' "${prog:-lab}" "$*" >&2
}

# need PROGRAM PACKAGE: stop, naming the package, when a program is missing.
need()
{
	command -v "$1" >/dev/null ||
		die "$1 is missing: install the package $2 (or run selftests/setup)"
}

# with_lock NAME: hold a lock, until the script ends, on fd 9.
with_lock()
{
	mkdir -p "$cache" 2>/dev/null || die "cannot create the cache folder $cache"
	exec 9>"$cache/$1.lock" || die "cannot write to the cache folder $cache"
	flock 9 || die "cannot lock $cache/$1.lock"
}

drop_lock()
{
	exec 9>&-
}

# No failure goes without a word, not even one that nobody thought of.
set -E
trap 'say "failed at line $LINENO of $(basename "${BASH_SOURCE[0]}")"; exit "$LAB_FAILED"' ERR
