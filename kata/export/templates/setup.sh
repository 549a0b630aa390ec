#!/usr/bin/env bash
# Run once, when Gradescope builds the image. Needs the network only where the image has no Python from 3.$oldest on.
set -euo pipefail
cd "$$(dirname "$${BASH_SOURCE[0]}")"

find_python() {
    local name
    for name in $names python3; do
        if "$$name" -c 'import sys; sys.exit(not (3, $oldest) <= sys.version_info[:2] <= (3, $newest))' 2>/dev/null; then
            command -v "$$name"
            return
        fi
    done
    return 1
}

if ! python=$$(find_python); then
    echo "This image has no Python from 3.$oldest to 3.$newest: installing python3.$oldest."
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3.$oldest
    python=$$(find_python)
fi

# Where every user may read: student code runs as another one. What is hidden from it, kata closes while it runs.
rm -rf /opt/kata
mkdir -p /opt/kata
umask 022
pip=(wheels/pip-*.whl)
"$$python" "$$pip/pip" install --quiet --disable-pip-version-check --root-user-action ignore \
    --no-index --find-links wheels --target /opt/kata $packages
cp -R kata/. /opt/kata/
ln -s "$$python" /opt/kata/python
chmod -R u=rwX,go=rX /opt/kata
exercises=$$(PYTHONPATH=/opt/kata KATA_HOME=/tmp/kata-home /opt/kata/python -s -P -m kata list)
[[ $$exercises == *$exercise* ]]
