# SPDX-License-Identifier: GPL-2.0
# Whether there still is what selftests/coverage/reasons speaks of, as TAP:
# awk -f entries.awk -f stale.awk selftests/coverage/reasons

function there(n,   i, f)
{
	f = in_file[n]
	source(f)
	for (i = 1; i <= lines[f]; i++)
		if ((in_function[n] == "*" || within[f, i] == in_function[n]) &&
		    index(text[f, i], piece[n]))
			return 1
	return 0
}

END {
	if (failed)
		exit 1
	for (i = 1; i <= entries; i++)
		if (!there(i)) {
			printf("# %s: %s%s\n", in_file[i], in_function[i],
			       piece[i] == "" ? "" : " \"" piece[i] "\"")
			gone++
		}
	printf("%s 1 - %d entries, %d of them about code that is not there\n1..1\n",
	       gone ? "not ok" : "ok", entries, gone)
	exit gone > 0
}
