#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every guest on npt's engine svm in both modes, and in a second boot on KVM, which
# proves the guests: see guests_inside, which writes the TAP.
#
#   selftests/guests_test.sh [all]      all: on KVM without nested paging too
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$here/guests_inside" "$dir/"

# boot WORD...: a failed test is in the TAP; anything else that went wrong is told here
boot()
{
	local code=0

	"$here/lab/run" --no-insmod --spare-cpu --smp 2 --extra "$dir" --timeout 300 -- \
		sh /extra/guests_inside "$@" || code=$?
	case $1:$code in
	*:0|*:1)	;;
	# npt.ko was never loaded there
	kvm:124|kvm:99)	echo "ok 0 - $* # SKIP the lab did not answer any more" ;;
	*)		echo "not ok 0 - $*: the lab ended with status $code" ;;
	esac
}

echo "TAP version 13"
{ boot svm; boot kvm "$@"; } | awk '
	/^(not )?ok / { sub(/ok [0-9]+/, "ok " ++n) }
	/^not ok / { bad = 1 }
	{ print; fflush() }
	END { print "1.." n + 0; exit bad }'
