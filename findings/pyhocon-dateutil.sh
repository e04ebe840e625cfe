#!/usr/bin/env bash
# What pyhocon reads depends on whether python-dateutil, which it doesn't need, is installed beside it: `2 months` is a
# text without it, and an object of it otherwise, also in the middle of a text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyhocon==0.3.63

cat >"$folder/months.py" <<'PYTHON'
from pyhocon import ConfigFactory

for text in ("2 months", "in 2 months", "5 minutes"):
    print(text, "->", repr(ConfigFactory.parse_string(f"a = {text}")["a"]))
PYTHON

output=$("$folder/venv/bin/python" "$folder/months.py")
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check python-dateutil==2.9.0.post0
output="$output
with python-dateutil:
$("$folder/venv/bin/python" "$folder/months.py")"
echo "$output"
[ "$output" = "2 months -> '2 months'
in 2 months -> 'in 2 months'
5 minutes -> datetime.timedelta(seconds=300)
with python-dateutil:
2 months -> relativedelta(months=+2)
in 2 months -> 'in relativedelta(months=+2)'
5 minutes -> relativedelta(minutes=+5)" ] || { echo "changed: expected other values with python-dateutil" >&2; exit 1; }
