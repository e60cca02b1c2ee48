#!/bin/sh
# Called by mmdebstrap with the directory of a new root: makes cryptography installable there without a network.
#
# The root gets a package repository of its own with everything that python3-cryptography needs beyond what the root
# has, and with python3-apt, which Ansible's module for apt installs when it is missing. cryptography is then installed
# from it, which proves that it is complete.
set -eu

root=$1
packages=/var/lib/local-packages
export DEBIAN_FRONTEND=noninteractive

chroot "$root" apt-get clean
chroot "$root" apt-get --quiet --yes --no-install-recommends --download-only install python3-cryptography python3-apt
mkdir "$root$packages"
mv "$root"/var/cache/apt/archives/*.deb "$root$packages/"
for file in "$root$packages"/*.deb; do
  dpkg-deb --field "$file"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' \
    "${file##*/}" "$(stat --format=%s "$file")" "$(sha256sum "$file" | cut -d ' ' -f 1)"
done >"$root$packages/Packages"

# How this machine reaches mirrors is not the hosts' business.
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root"/etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:$packages ./" >"$root/etc/apt/sources.list"
chroot "$root" apt-get --quiet update
chroot "$root" apt-get --quiet --yes --no-install-recommends install python3-cryptography

# Every host gets keys of its own, and a name.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname"
