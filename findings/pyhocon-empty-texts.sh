#!/usr/bin/env bash
# pyhocon leaves empty strings out of lists. In HOCON as in JSON they are elements like any other, and a list of two has
# two; the empty string as a value of its own stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyhocon==0.3.63

cat >"$folder/lists.py" <<'PYTHON'
from pyhocon import ConfigFactory

for text in ('["", ""]', '["x", "", "y"]', '""'):
    print(text, "->", repr(ConfigFactory.parse_string(f"a = {text}")["a"]))
PYTHON

output=$("$folder/venv/bin/python" "$folder/lists.py")
echo "$output"
[ "$output" = '["", ""] -> []
["x", "", "y"] -> ['"'x', 'y'"']
"" -> '"''" ] || { echo "changed: expected only the lists to lose their empty strings" >&2; exit 1; }
