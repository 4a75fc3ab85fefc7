# SPDX-License-Identifier: GPL-2.0
# Sourced by run: Bochs, an Intel processor with VMX. Slow: a boot takes a
# minute, and output goes through serial ports.
# shellcheck shell=bash disable=SC2154,SC2034

emulator_check()
{
	need bochs bochs
	need xorriso xorriso
	need script bsdutils
	[ -e /usr/lib/ISOLINUX/isolinux.bin ] || die "isolinux.bin is missing: install the package isolinux"
	[ -e /usr/share/bochs/BIOS-bochs-latest ] || die "Bochs's BIOS is missing: install the package bochsbios"
	[ -e /usr/share/bochs/VGABIOS-lgpl-latest ] || die "the VGA BIOS is missing: install the package vgabios"
	[ -z "$icount" ] || die "--icount: QEMU only"
	[ "$transport" != console ] || die "--interactive: QEMU only"
	[ -n "$cpu" ] || cpu=corei7_haswell_4770
	transport=serial
}

make_iso()
{
	local iso=$dir/iso

	mkdir "$iso"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$iso/" ||
		die "isolinux is incomplete: install the packages isolinux and syslinux-common"
	cp -L "$kernel/vmlinuz" "$iso/vmlinuz"
	mv "$dir/initrd" "$iso/initrd"
	printf 'DEFAULT lab\nPROMPT 0\nLABEL lab\nKERNEL /vmlinuz\nINITRD /initrd\nAPPEND %s\n' \
		"$words" > "$iso/isolinux.cfg"
	xorriso -as mkisofs -quiet -R -o "$dir/lab.iso" -b isolinux.bin -c boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table "$iso" > "$dir/emulator" 2>&1 ||
		die "cannot make the boot image: $(tail -n 1 "$dir/emulator")"
	rm -r "$iso"
	: > "$dir/emulator"
}

# Without a sound card Bochs's sound devices crash it: they are left out.
write_bochsrc()
{
	cat > "$dir/bochsrc" <<-EOF
	display_library: term
	config_interface: textconfig
	cpu: model=$cpu, count=$smp, ips=100000000
	memory: guest=$mem, host=$mem
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
	boot: cdrom
	ata0: enabled=1
	ata0-master: type=cdrom, path=$dir/lab.iso, status=inserted
	clock: sync=none
	com1: enabled=1, mode=file, dev=$dir/console
	com2: enabled=1, mode=file, dev=$dir/stdout
	com3: enabled=1, mode=file, dev=$dir/stderr
	com4: enabled=1, mode=file, dev=$dir/status
	sound: driver=dummy, waveout=/dev/null
	speaker: enabled=0
	plugin_ctrl: sb16=0, es1370=0, e1000=0, ne2k=0, voodoo=0, gameport=0, usb_uhci=0
	log: $dir/bochs.log
	panic: action=fatal
	error: action=ignore
	info: action=ignore
	EOF
	# Debian's Bochs stops in its debugger first.
	echo c > "$dir/debugger"
}

# Bochs knows no "do not reboot": after a panic it is sent away from here.
run_bochs()
{
	local pid code=0

	trap 'kill "$pid" 2>/dev/null' TERM
	setpriv --pdeathsig TERM timeout -k 5 "$timeout" \
		script -qec "bochs -q -f '$dir/bochsrc' -rc '$dir/debugger'" /dev/null \
		< /dev/null > "$dir/screen" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if grep -q 'Kernel panic' "$dir/console" 2>/dev/null; then
			# Let it say the rest.
			sleep 3
			kill "$pid" 2>/dev/null || :
			break
		fi
		sleep 0.5
	done
	wait "$pid" || code=$?
	return "$code"
}

emulator_start()
{
	make_iso
	write_bochsrc
	run_bochs &
}
