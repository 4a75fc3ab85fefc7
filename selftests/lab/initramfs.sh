# SPDX-License-Identifier: GPL-2.0
# Sourced by run: the two archives that make the lab's root file system. The
# base changes with the kernel only and is kept; the overlay is made each time.
# The kernel unpacks one after the other.
# shellcheck shell=bash disable=SC2154

# Modules that a test may want, or that the lab needs to talk to the host.
lab_modules="virtio_pci virtio_console virtio_blk zram zsmalloc lzo lzo-rle lz4
	zstd 842 loop brd null_blk kvm kvm-amd kvm-intel msr cpuid"

archive()
{
	(cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
		cpio --quiet -0 -o -H newc --owner=0:0 --reproducible) > "$2" ||
		die "cannot write the archive $2 (disk full?)"
}

# copy_modules KERNEL ROOT: lab_modules and what they need, uncompressed.
copy_modules()
{
	local release module from to

	release=$(cat "$1/release")
	for module in $lab_modules; do
		modprobe -d "$1/root" -S "$release" --show-depends "$module" 2>/dev/null || :
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r from; do
		to=$2/usr/lib/modules/$release/${from#*"/modules/$release/"}
		mkdir -p "${to%/*}"
		case $from in
		*.xz)	xz -dc "$from" > "${to%.xz}" ;;
		*.zst)	zstd -qdc "$from" > "${to%.zst}" ;;
		*)	cp "$from" "$to" ;;
		esac || die "cannot copy $from"
	done
	cp "$1"/modules/modules.builtin* "$1/modules/modules.order" \
		"$2/usr/lib/modules/$release/"
	mkdir -p "$2/lib"
	ln -s ../usr/lib/modules "$2/lib/modules"
	depmod -b "$2" "$release" || die "depmod failed for the lab"
	rm -r "${2:?}/lib"
}

fill_base()
{
	local root=$2 busybox applet

	busybox=$(command -v busybox)
	mkdir -p "$root"/{dev,proc,sys,tmp,run,root,etc,lab,extra,mnt,var} \
		"$root"/usr/{bin,sbin,lib,lib64}
	copy_modules "$1" "$root"
	for applet in bin sbin lib lib64; do
		ln -s "usr/$applet" "$root/$applet"
	done
	cp "$busybox" "$root/usr/bin/busybox"
	"$busybox" --list-full | while read -r applet; do
		# Without another init, a broken one is a panic and not a hang.
		case $applet in
		*/init|linuxrc)	continue ;;
		esac
		applet=$root/usr/${applet#usr/}
		[ -e "$applet" ] || ln -s /usr/bin/busybox "$applet"
	done
	ln -sf /run "$root/var/run"
	ln -sf /proc/mounts "$root/etc/mtab"
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
		'nobody:x:65534:65534:nobody:/tmp:/bin/sh' > "$root/etc/passwd"
	printf '%s\n' 'root:x:0:' 'tty:x:5:' 'kvm:x:106:' 'nogroup:x:65534:' > "$root/etc/group"
	echo '127.0.0.1 localhost npt-lab' > "$root/etc/hosts"
	echo 'passwd: files' > "$root/etc/nsswitch.conf"
	echo npt-lab > "$root/etc/hostname"
}

# base_archive KERNEL: prints the path of the base for this kernel.
base_archive()
{
	local busybox id base tmp

	need busybox busybox-static
	need cpio cpio
	need modprobe kmod
	busybox=$(command -v busybox)
	! ldd "$busybox" >/dev/null 2>&1 || die "busybox is not static: install the package busybox-static"
	id=$(cat "$1/release" "$1/mkflags" "$lab/initramfs.sh" "$busybox" | sha256sum | cut -c -16)
	base=$cache/base/$id.cpio
	if [ ! -e "$base" ]; then
		mkdir -p "$cache/base"
		tmp=$(mktemp -d "$cache/base/tmp.XXXXXX") || die "cannot create a folder in $cache"
		fill_base "$1" "$tmp/root"
		archive "$tmp/root" "$tmp/cpio"
		mv "$tmp/cpio" "$base"
		rm -r "$tmp"
	fi
	echo "$base"
}

# Each shared library that the programs under ROOT need, at the host's place.
copy_libraries()
{
	local root=$1 library programs

	programs=$(find "$root" -type f \( -perm -u+x -o -name '*.so*' \) ! -name '*.ko' -size +1k)
	[ -n "$programs" ] || return 0
	# ldd complains about scripts and static programs, and goes on.
	# shellcheck disable=SC2086
	{ LD_LIBRARY_PATH="$root/usr/lib" ldd $programs 2>/dev/null || :; } |
		sed -n 's/^\t\(.* => \)\{0,1\}\(\/[^ ]*\) (0x.*/\2/p' | sort -u |
	while read -r library; do
		case $library in
		"$root"/*)	continue ;;
		/usr/*)		;;
		*)		library=/usr$library ;;
		esac
		mkdir -p "$root${library%/*}"
		cp -L "${library}" "$root$library" || die "cannot copy $library"
	done
}

# quote WORD...: the words as a POSIX shell reads them back.
quote()
{
	local word

	for word; do
		printf " '%s'" "${word//\'/\'\\\'\'}"
	done
}
