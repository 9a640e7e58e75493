#!/bin/sh
# debian_python.sh: run as root in an old Debian, puts a Python into /opt/python: the newest 3.11 of Debian 12 with its
# security patches. Debian 12 itself lends it; elsewhere it is compiled against that Debian's glibc, with the shared
# library that packers want.
set -eu

mirror=$1
suite=$2
python=/opt/python
works() { "$python/bin/python3" -c 'import ctypes, pyexpat, ssl, zlib, pip'; }
finish() {
  works
  [ -x "$python/bin/nox" ] || "$python/bin/python3" -m pip install --quiet nox
  exit 0
}
if works 2> /dev/null; then finish; fi

export DEBIAN_FRONTEND=noninteractive
cat > /etc/apt/sources.list << SOURCES
deb $mirror $suite main
deb $mirror-security $suite-security main
deb-src $mirror bookworm main
SOURCES
apt-get -q update
apt-get -q install --yes --no-install-recommends \
  binutils ca-certificates dpkg-dev gcc git libc6-dev libffi-dev libssl-dev make xz-utils zlib1g-dev
if [ "$suite" = bookworm ]; then
  apt-get -q install --yes --no-install-recommends libpython3.11 python3.11-dev python3.11-venv
  python3.11 -m venv "$python"
  finish
fi

rm -rf /usr/src/python
mkdir -p /usr/src/python
cd /usr/src/python
apt-get -q source --download-only python3.11
dpkg-source --skip-patches --extract python3.11_*.dsc tree
cd tree
# Debian's other patches move folders about, and would make it Debian's Python.
for name in $(grep -E '^[^#]*(CVE.*|\.patch)$' debian/patches/series); do
  patch --strip 1 --silent --input "debian/patches/$name"
done
# One of them takes what only Debian's way of compiling pyexpat allows.
sed --in-place "s/Extension('pyexpat', /&extra_compile_args=['-DPy_BUILD_CORE_MODULE'], /" setup.py

# Without semantic interposition, as `--enable-optimizations` has it: a shared library costs nothing then.
flag=-fno-semantic-interposition
./configure --quiet --prefix="$python" --enable-shared --disable-test-modules --with-ensurepip=install \
  CFLAGS="$flag" LDFLAGS="$flag -Wl,-rpath,$python/lib"
make --silent --jobs "$(nproc)"
make --silent install
cd /  # pip asks where it stands, which must be there
rm -rf /usr/src/python
finish
