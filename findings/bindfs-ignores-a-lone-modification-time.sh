#!/usr/bin/env bash
# bindfs 1.14.7 (Debian 12): utimensat(2) that sets one of the two times and leaves the other (UTIME_OMIT), as `touch -m` and `touch -a` do,
# reports success and changes nothing. With both times it works. A program that compares modification times, or keeps them in a copy with a
# call for that time alone, does not notice.
#
# Seen: `touch -m -d 2001-01-01` ends with 0 and the file keeps its time; `touch -d 2001-01-01` sets it.
# Workaround: always set both times; f9 gives a new file the present as its access time (src/sys/fs/attributes.rs).
# Needs /dev/fuse, fusermount3 and libfuse3.
set -euo pipefail
cd "$(mktemp -d)"
trap 'fusermount3 -u mount 2>/dev/null || true; rm -rf "$PWD"' EXIT
apt-get download -q bindfs=1.14.7-1 >/dev/null 2>&1
dpkg -x bindfs_*.deb package
package/usr/bin/bindfs --version
mkdir source mount
package/usr/bin/bindfs source mount
echo text >source/file
year() { date -r source/file +%Y; }
touch -m -d 2001-01-01 mount/file
lone=$(year)
touch -d 2001-01-01 mount/file
both=$(year)
echo "after the modification time alone: $lone; after both: $both"
[ "$lone" = "$(date +%Y)" ]
[ "$both" = 2001 ]
