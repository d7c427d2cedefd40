#!/usr/bin/env bash
# unpack.sh [--also SUITE] DEST PACKAGE...: the Debian packages, and what they lack on this machine, unpacked below DEST/root.
# The machine's own sources and proxy are used; nothing outside DEST is read for writing, installed, or run as a hook.
# SUITE (backports) is looked at as well, on the mirror that the machine uses, whether or not its sources list it.
set -euo pipefail
also=
if [ "$1" = --also ]; then
  also=$2
  shift 2
fi
dest=$1
shift
[ ! -e "$dest/.done" ] || exit 0
rm -rf "$dest"
mkdir -p "$dest"/apt/{lists,archives}/partial "$dest"/apt/{none,sources} "$dest/root"
apt=$(cd "$dest/apt" && pwd)
cp /etc/apt/sources.list.d/*.{list,sources} "$apt/sources" 2>/dev/null || true
{
  # apt's settings of this machine (proxy, certificates), without the hooks that would run beside it
  apt-config dump | grep -E '^(Acquire|APT::Architecture)' || true
  cat <<SETTINGS
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$apt/none";
Dir::Etc::SourceList "/etc/apt/sources.list";
Dir::Etc::SourceParts "$apt/sources";
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
if [ -n "$also" ]; then
  # shellcheck source=/dev/null
  . /etc/os-release
  mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Identifier: Packages' |
    awk -v release="$VERSION_CODENAME" '$1 == release { print $2; exit }')
  [ -n "$mirror" ] || { echo "No source of this machine has the release $VERSION_CODENAME." >&2; exit 1; }
  keyring=/usr/share/keyrings/$ID-archive-keyring.gpg
  {
    printf 'Types: deb\nURIs: %s\nSuites: %s-%s\nComponents: main\n' "$mirror" "$VERSION_CODENAME" "$also"
    [ ! -e "$keyring" ] || echo "Signed-By: $keyring"
  } >"$apt/sources/also.sources"
  apt-get -q update || true
fi
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
