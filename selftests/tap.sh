# SPDX-License-Identifier: GPL-2.0
# For tests written in shell: TAP on stdout. What a test prints is shown as
# comments, and only when it failed.
# shellcheck shell=bash

tap_number=0 tap_failed=0
tap_out=$(mktemp)
tap_tmp=$(mktemp -d)
trap 'rm -rf "$tap_out" "$tap_tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
echo "TAP version 13"

# check NAME COMMAND...: one test, passed if COMMAND is.
check()
{
	local name=$1
	shift

	tap_number=$((tap_number + 1))
	if "$@" > "$tap_out" 2>&1; then
		echo "ok $tap_number - $name"
	else
		tap_failed=$((tap_failed + 1))
		sed 's/^/# /' "$tap_out" | tail -n 60
		echo "not ok $tap_number - $name"
	fi
}

# skip NAME REASON
skip()
{
	tap_number=$((tap_number + 1))
	echo "ok $tap_number - $1 # SKIP $2"
}

# is WHAT GOT EXPECTED
is()
{
	[ "$2" = "$3" ] || { echo "$1 is '$2', expected '$3'"; return 1; }
}

done_testing()
{
	echo "1..$tap_number"
	[ "$tap_failed" = 0 ]
}
