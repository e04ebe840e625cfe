"""The module that registers the page; how its files are served is tested in tests/page."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from starlette.testclient import TestClient

from app import create_app


def test_the_page_of_a_root_path_is_relative_to_it() -> None:
    client = TestClient(create_app(overrides={"app.deployment.root-path": "/team"}), follow_redirects=False)
    (script,) = re.findall(r'<script type="module" src="([^"]+)">', client.get("/team/").text)
    assert client.get(urljoin("/team/", script)).status_code == 200
    assert client.get("/team").status_code == 307
