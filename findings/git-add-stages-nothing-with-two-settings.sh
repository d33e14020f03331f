#!/usr/bin/env bash
# git 2.47.3 (Debian 13; 2.55.0 does the same, 2.39.5 does not): with `core.splitIndex=true` and `feature.manyFiles=true`, or with
# `index.skipHash=true` in place of the latter, `git add` ends with 0 and stages nothing. An index without checksum has the id 0, and a split
# index with a base of that id counts as one without a base. In a repository with commits, `git status` then shows every file as deleted,
# and a program that commits what is staged removes them all.
#
# Seen: `git add .` and `git commit` say that there is nothing to commit, and the three files stay untracked.
# Workaround: f9 gives its git processes a configuration of their own, without the settings of the clone (src/backends/git/common_dir.rs).
# Needs the packages of Debian on amd64; downloads them from the mirror that apt uses.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep '/debian$' | head -1)
for package in g/git/git_2.47.3-0+deb13u1 g/glibc/libc6_2.41-12+deb13u5 \
  z/zlib/zlib1g_1.3.dfsg+really1.3.1-1+deb13u1 p/pcre2/libpcre2-8-0_10.46-1~deb13u3; do
  curl -fsS -o package.deb "$site/pool/main/${package}_amd64.deb"
  dpkg -x package.deb packages
done
system=$PWD/packages/usr
library=$system/lib/x86_64-linux-gnu
git() { "$library/ld-linux-x86-64.so.2" --library-path "$library" "$system/bin/git" "$@"; }
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
git --version
mkdir repository && cd repository
git init -q -b main
git config user.email a@example.com
git config user.name A
git config core.splitIndex true
git config feature.manyFiles true
touch one two three
git add .
staged=$(git diff --cached --name-only | wc -l)
git config --unset core.splitIndex
rm .git/index
git add .
without=$(git diff --cached --name-only | wc -l)
echo "staged with both settings: $staged; with one: $without"
cd ..
[ "$staged" = 0 ]
[ "$without" = 3 ]
