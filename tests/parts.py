"""The parts of `make slow`, and the programs that each needs beyond what `make` installs.

A test joins a part with `@pytest.mark.slow("faults")`. `python -m tests.parts [PART ...]` installs what is missing: as
root from Debian, and into the project from npm.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Part:
    about: str
    debian: Mapping[str, str] = field(default_factory=dict)
    """The programs from Debian, each with the package that contains it."""
    npm: Mapping[str, str] = field(default_factory=dict)
    """The programs from npm, each with the folder of the `package-lock.json` that pins it."""


NODE = {"node": "nodejs", "npm": "npm"}
CHROMIUM = {"chromium": "chromium"}
"""What `make test` needs as well."""

PARTS = {
    "programs": Part(
        "programs that others wrote, and the page's modules in node",
        debian={**NODE, "curl": "curl", "jq": "jq"},
        npm={"wscat": "tests/programs"},
    ),
    "proxies": Part(
        "the chat behind proxies that others wrote",
        debian={"nginx": "nginx-light", "haproxy": "haproxy", "caddy": "caddy", "apache2": "apache2"},
    ),
    "packages": Part("installations from PyPI: the package, the steps of the Dockerfile, and new projects"),
    "servers": Part("the chat under other ASGI servers, from PyPI"),
    "cluster": Part("nodes on three NATS servers that are killed, frozen and cut off, and full disks (as root)"),
    "faults": Part("servers that are killed again and again, and power losses", debian={"strace": "strace"}),
    "browser": Part(
        "long scenes in Chromium, and axe on every screen",
        debian={**NODE, **CHROMIUM},
        npm={"tsc": "tests/page/browser"},  # axe-core comes with it
    ),
}

DEBIAN = {program: package for part in PARTS.values() for program, package in part.debian.items()}
NPM = {program: folder for part in PARTS.values() for program, folder in part.npm.items()}


def chosen(names: str) -> list[str]:
    """The parts in a list with commas or blanks between names; `all` is every part. ValueError names an unknown one."""
    parts = names.replace(",", " ").split()
    for name in parts:
        if name != "all" and name not in PARTS:
            raise ValueError(f"{name!r} is not a part of make slow: expected {', '.join(PARTS)}, or all")
    return list(PARTS) if "all" in parts else parts


def located(program: str) -> str | None:
    """The path of a program, from npm if that is where tests have it from."""
    folder = NPM.get(program)
    return shutil.which(program, path=str(ROOT / folder / "node_modules/.bin") if folder else None)


def remedy(program: str) -> str:
    """The command that installs a program."""
    return f"(cd {NPM[program]} && npm ci)" if program in NPM else f"apt-get install {DEBIAN.get(program, program)}"


def install(parts: Sequence[str]) -> None:
    """Install what is missing. SystemExit says what to install by hand where that takes rights that we don't have."""
    programs = {**CHROMIUM} | {program: package for name in parts for program, package in PARTS[name].debian.items()}
    missing = sorted({package for program, package in programs.items() if not located(program)})
    if missing:
        by_hand = f"apt-get install {' '.join(missing)}"
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise SystemExit(f"natter: these tests need {', '.join(missing)}: run `{by_hand}` as root")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("apt-get update -qq", by_hand.replace("install", "install -qq --no-install-recommends")):
            subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL, env=environment)
    for folder in {folder: None for name in parts for folder in PARTS[name].npm.values()}:
        lock, installed = ROOT / folder / "package-lock.json", ROOT / folder / "node_modules/.package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            npm = ["npm", "ci", "--loglevel=error", "--no-audit", "--no-fund"]
            subprocess.run(npm, cwd=ROOT / folder, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        install(chosen(" ".join(sys.argv[1:]) or "all"))
    except ValueError as error:
        raise SystemExit(f"natter: {error}") from None
