#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The description for syzkaller (npt.txt) says what headers and module say.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/../tap.sh"
text=$here/npt.txt

# missing WHAT: stdin lists what must be described; fails with those that are not.
missing()
{
	local line bad=0

	while IFS= read -r line; do
		grep -qF -- "$line" "$text" || { echo "not described: $line"; bad=1; }
	done
	[ "$bad" = 0 ]
}

# The rows of a table of calls.
calls()
{
	sed -nE "s/.*NPT_CALL_[A-Z]+\(([A-Z0-9_]+),.*/\1/p" "$top/module/$1"
}

# Each call of a table is there, on the fd that it is for; and no other is.
described()
{
	local file=$1 fd=$2

	calls "$file" | sort -u > "$tap_tmp/have"
	[ "$(wc -l < "$tap_tmp/have")" -ge 5 ] || { echo "no table in $file"; return 1; }
	sed -nE "s/^ioctl.*\(fd $fd, cmd const\[([A-Z0-9_]+)\].*/\1/p" "$text" | sort > "$tap_tmp/told"
	diff "$tap_tmp/have" "$tap_tmp/told"
}

own_ioctls()
{
	sed -nE 's/^#define (NPT_[A-Z_]+) _IO\(.*/cmd const[\1]/p' "$top/uapi/linux/npt.h" | missing
}

own_structs()
{
	sed -nE 's/^struct (npt_[a-z_]+) \{/\1/p' "$top/uapi/linux/npt.h" > "$tap_tmp/structs"
	[ "$(wc -l < "$tap_tmp/structs")" -ge 10 ] || { echo "no structs found"; return 1; }
	sed 's/$/ {/' "$tap_tmp/structs" | missing
}

# laid_out FILE: do the structs described there lie as the compiler lays them out?
laid_out()
{
	{
		printf '#include <stddef.h>\n#include <linux/npt.h>\n'
		awk -f "$here/syzlang.awk" "$1"
	} > "$tap_tmp/assert.c"
	[ "$(grep -c _Static_assert "$tap_tmp/assert.c")" -gt 200 ] || { echo "few assertions"; return 1; }
	${CC:-cc} -I"$top/uapi" -fsyntax-only "$tap_tmp/assert.c"
}

# A field of another size, or one too few, must not pass.
faults_seen()
{
	sed 's/^\tpcid\tint32.*/\tpcid\tint16/' "$text" > "$tap_tmp/narrow"
	sed '/^\tpkru\t\tint32$/d' "$text" > "$tap_tmp/short"
	if laid_out "$tap_tmp/narrow" || laid_out "$tap_tmp/short"; then
		echo "a wrong description was taken"
		return 1
	fi
}

# What requests may carry: the policies are made from the family's specification.
attributes()
{
	grep -oE '\[NPT_A_[A-Z_]+\]' "$top/module/netlink_policy.h" | tr -d '[]' | sort -u |
		sed 's/.*/nlattr[&,/' | missing
}

commands()
{
	grep -oE 'NPT_CMD_[A-Z_]+(GET|SET|EXPLAIN)\b' "$top/uapi/linux/npt_netlink.h" | sort -u |
		sed 's/.*/msghdr_npt[&,/' | missing
}

check "calls of /dev/npt" described main.c fd_npt
check "calls of a VM" described vm.c fd_nptvm
check "calls of a vCPU" described vcpu.c fd_nptcpu
check "every ioctl of our header" own_ioctls
check "every struct of our header" own_structs
check "every field lies where the headers have it" laid_out "$text"
check "wrong fields are found" faults_seen
check "netlink commands" commands
check "netlink attributes of requests" attributes
done_testing
