"""What a message to many clients costs: Natter, other chats and the kernel's floor, measured in turn by the same load.

    python -m benchmarks.fanout [--json] [--write] [--quick] [--only NAME …] [--folder FOLDER]

Each server runs alone, on the first core; the load (app.load) on the second. Servers by others are installed into a
temporary folder, or into `--folder`, where the next run finds them; what can't be installed is named and left out.
`--write` puts the tables into the README. Compare figures of one run only, never of different runs or machines.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from app.load import LoadError
from benchmarks import report
from benchmarks.fanout.contenders import Unavailable, find
from benchmarks.fanout.measure import QUICK, Scale, measure
from benchmarks.fanout.tables import tables, write
from benchmarks.report import say
from benchmarks.servers import StartError, allow_all_files


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--quick", action="store_true", help="a little of everything, and nothing that is installed")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="floor, ours, uvicorn, naive, websockets, picows, …")
    parser.add_argument("--folder", type=Path, help="where servers by others are, or are installed")
    flags = parser.parse_args()
    allow_all_files()
    scale = QUICK if flags.quick else Scale()
    only = flags.only or (["ours", "naive"] if flags.quick else None)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        contenders, left_out = find(flags.folder or Path(name), Path(name), only)
        for contender in contenders:
            began = time.perf_counter()
            try:
                results[contender.key] = {"name": contender.name, **measure(contender, scale)}
            except (LoadError, StartError, Unavailable) as error:
                left_out[contender.name] = str(error)
            say(f"{contender.name}: {time.perf_counter() - began:.0f} s")
    for contender_name, reason in left_out.items():
        say(f"left out: {contender_name}: {reason}")
    text = tables(results, left_out, scale)
    report.show({"servers": results, "left_out": left_out}, flags, text)
    if flags.write:
        write(text)


if __name__ == "__main__":
    main()
