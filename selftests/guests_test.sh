#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every guest on KVM and on npt's engine svm, all in one boot of the lab: see
# guests_inside, which writes the TAP.
#
#   selftests/guests_test.sh [all]      all: on KVM without nested paging too
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$here/guests_inside" "$dir/"
"$here/lab/run" --no-insmod --smp 2 --extra "$dir" --timeout 600 -- sh /extra/guests_inside "$@"
