"""The ASGI servers that others wrote, at the versions in `requirements.txt`."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import PATIENCE

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The `bin` of an environment with the servers in it. What Natter needs comes from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("servers")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*map(str, pip), "-r", str(REQUIREMENTS)], check=True, timeout=PATIENCE)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "natter.pth").write_text(sysconfig.get_path("purelib") + "\n")
    yield folder / "bin"
    shutil.rmtree(folder)
