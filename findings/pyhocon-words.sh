#!/usr/bin/env bash
# pyhocon reads `true story` as the text "Truestory" and `null hypothesis` as the address of an object. In HOCON, values
# beside each other are one text, as written, with the blank between them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyhocon==0.3.63

cat >"$folder/words.py" <<'PYTHON'
import re

from pyhocon import ConfigFactory

for text in ("true story", "half true", "null hypothesis", "not null"):
    value = ConfigFactory.parse_string(f"a = {text}")["a"]
    print(text, "->", re.sub("0x[0-9a-f]+", "0x...", repr(value)))
PYTHON

output=$("$folder/venv/bin/python" "$folder/words.py")
echo "$output"
[ "$output" = "true story -> 'Truestory'
half true -> 'half True'
null hypothesis -> '<pyhocon.config_tree.NoneValue object at 0x...>hypothesis'
not null -> 'not <pyhocon.config_tree.NoneValue object at 0x...>'" ] ||
  { echo "changed: expected other texts than those that are written" >&2; exit 1; }
