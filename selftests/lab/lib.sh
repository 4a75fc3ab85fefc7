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

# patience_with RELEASE: how many times longer than usual things may take on that kernel, or
# while lines are counted.
patience_with()
{
	case $1${NPT_COVERAGE:+-debug} in
	*-debug)	echo 10 ;;
	*)		echo 1 ;;
	esac
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
	# Not a file that drop_old() has removed meanwhile: nobody else would see it.
	until [ "$cache/$1.lock" -ef /proc/self/fd/9 ]; do
		exec 9>"$cache/$1.lock" || die "cannot write to the cache folder $cache"
		flock 9 || die "cannot lock $cache/$1.lock"
	done
}

drop_lock()
{
	exec 9>&-
}

# Lock files that nobody has taken for days.
old_locks()
{
	find "$1" -maxdepth 1 -name '*.lock' -mtime +3
}

# drop_one FILE: what an old lock guards, if it is a build, then the lock.
drop_one()
{
	local name=${1##*/}

	(
		flock -n 8 && [ "$1" -ef /proc/self/fd/8 ] && [ -n "$(old_locks "$1")" ] || exit 0
		name=${name%.lock}
		case $name in
		build-*)	name=${name#build-}
				rm -rf "$cache/build/${name%%-*}/${name#*-}"
				rmdir "$cache/build/${name%%-*}" 2>/dev/null || true ;;
		esac
		rm -f "$1"
	) 8<"$1"
}

# Trees that are gone, or at rest for days, leave builds and locks that are only in the way.
drop_old()
{
	local file

	old_locks "$cache" | while read -r file; do
		drop_one "$file" 2>/dev/null || true
	done
}

# No failure goes without a word, not even one that nobody thought of.
set -E
trap 'say "failed at line $LINENO of $(basename "${BASH_SOURCE[0]}")"; exit "$LAB_FAILED"' ERR
