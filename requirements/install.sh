#!/bin/sh
# Makes the environment named by its argument with what dev.txt and uv.txt list, hashes checked.
# Says what is missing on this machine and how to get it. PYTHON names the interpreter, if it is to be another.
set -eu
venv=$1

# An interpreter built without its own profile, as pyenv builds it, takes a quarter longer for all that functions do
# (ADR 13). One that is says --enable-optimizations; a distribution's, which is too, need not say so.
fast='import sys, sysconfig
sys.exit("--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or ""))'
usable='import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'
python=
for candidate in ${PYTHON:-python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11}; do
    "$candidate" -c "$usable" 2>/dev/null || continue
    python=${python:-$candidate}
    if [ "$candidate" = /usr/bin/python3 ] || "$candidate" -c "$fast"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer with venv is needed: apt install python3 python3-venv${PYTHON:+ (PYTHON is $PYTHON)}" >&2
    exit 1
fi

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "[1/3] making $venv with $("$python" --version), $(command -v "$python")"
    "$python" -m venv --clear "$venv"
fi
echo "[2/3] installing the installer"
"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements/uv.txt
echo "[3/3] installing $(grep -c == requirements/dev.txt) packages"
"$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes --compile-bytecode \
    requirements/dev.txt requirements/uv.txt && exit
echo "[3/3] once more with pip, which is slower: uv does not read its configuration"
"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements/dev.txt
