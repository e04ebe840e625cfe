"""Documents of HOCON, made together with what they mean, and damaged ones, which must end in one clear error.

    python -m benchmarks.hocon [--count 20000] [--json]

It measures nothing: it ends with the first document that is read wrongly, made as small as that is possible.
"""

from __future__ import annotations

import time

from benchmarks import report
from benchmarks.hocon.checking import check_damaged, check_documents


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many documents, and as many damaged ones")
    flags = parser.parse_args()
    began = time.monotonic()
    figures = {"documents": check_documents(flags.count), "damaged": check_damaged(flags.count)}
    report.show({**figures, "seconds": round(time.monotonic() - began)}, flags)


if __name__ == "__main__":
    main()
