#!/bin/sh
# Makes the environment named by its argument with what dev.txt and uv.txt list, hashes checked.
# Says what is missing on this machine and how to get it.
set -eu
venv=$1

python=
without_venv=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        python=$candidate
        break
    fi
    without_venv=${without_venv:-$("$candidate" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')}
done
if [ -z "$python" ] && [ -n "$without_venv" ]; then
    echo "$without_venv is here without venv and ensurepip: apt install $without_venv-venv" >&2
    exit 1
elif [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed: apt install python3 python3-venv" >&2
    exit 1
fi

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "[1/3] making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi
echo "[2/3] installing the installer"
"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements/uv.txt
echo "[3/3] installing $(grep -c == requirements/dev.txt) packages"
# pip, which is slower, where uv does not get to the packages: uv does not read pip's configuration.
"$venv/bin/uv" pip sync --python "$venv/bin/python" --require-hashes --compile-bytecode \
    requirements/dev.txt requirements/uv.txt ||
    "$venv/bin/python" -m pip install --progress-bar off --require-hashes -r requirements/dev.txt
