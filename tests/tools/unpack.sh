#!/usr/bin/env bash
# unpack.sh DEST PACKAGE...: the Debian packages, and what they lack on this machine, unpacked below DEST/root.
# The machine's own sources and proxy are used; nothing outside DEST is read for writing, installed, or run as a hook.
set -euo pipefail
dest=$1
shift
[ ! -e "$dest/.done" ] || exit 0
rm -rf "$dest"
mkdir -p "$dest"/apt/{lists,archives}/partial "$dest/apt/none" "$dest/root"
apt=$(cd "$dest/apt" && pwd)
sources=/etc/apt
{
  # apt's settings of this machine (proxy, certificates), without the hooks that would run beside it
  apt-config dump | grep -E '^(Acquire|APT::Architecture)' || true
  cat <<SETTINGS
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$apt/none";
Dir::Etc::SourceList "$sources/sources.list";
Dir::Etc::SourceParts "$sources/sources.list.d";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$apt/none";
Dir::State "$apt/";
Dir::State::Lists "$apt/lists";
Dir::State::extended_states "$apt/extended_states";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$apt/";
Dir::Cache::Archives "$apt/archives";
Dir::Log "$apt/";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
SETTINGS
} >"$apt/apt.conf"
export APT_CONFIG=$apt/apt.conf
apt-get -q update || true # a source that cannot be reached matters only if nothing else has the package
apt-get -q -y --download-only install "$@"
cd "$apt/archives"
for package in "$@"; do
  # already on this machine: apt plans nothing, so fetch it by name
  compgen -G "${package}_*.deb" >/dev/null || apt-get -q download "$package"
done
for archive in *.deb; do dpkg-deb -x "$archive" ../../root; done
cd - >/dev/null
rm -rf "$apt"
touch "$dest/.done"
