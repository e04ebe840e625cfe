"""The server as a process: flags, configuration files, and one line for each mistake that a person can make."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.exceptions import ConnectionClosed

from app import __version__
from app.backends.schema import APPLICATION_ID
from app.load.frames import handshake
from app.serving.server import SWITCH_INTERVAL
from config.settings import DEFAULT_MODULES
from tests.clients import DEADLINE, ROOT, Process, dial, exchange, frame, serving

LATER = {
    *("app.backends.nats.backend", "app.backends.nats.engine", "nats"),
    *("app.backends.archive", "app.chat.durations", "app.client", "app.identity.unicode_names", "app.load"),
    *("app.page.building", "app.serving.reloading", "app.testing", "app.transports.hardened_websocket"),
    *("argon2", "confusable_homoglyphs", "cryptography", "precis_i18n", "prompt_toolkit", "pyhocon", "pyparsing"),
    *("uvicorn.protocols.websockets.websockets_sansio_impl", "websockets.http11", "websockets.protocol"),
}
"""What is loaded by those who need it, and never by a start."""


def run(*flags: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m app`, which must exit."""
    return subprocess.run(
        [sys.executable, "-m", "app", *flags],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def refused(code: int, line: str, *flags: str, cwd: Path = ROOT, **environment: str) -> None:
    """Check that the command exits with `code` and one line on stderr that contains `line`."""
    done = run(*flags, cwd=cwd, **environment)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("natter: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert line in done.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout == f"natter {__version__}\n"
    told = run("--help").stdout
    assert all(flag in told for flag in ("-port", "-host", "-config", "-P:KEY=VALUE", "-path", "--version"))


@pytest.mark.parametrize(
    "flags",
    [
        ("-port=0", "-host=127.0.0.1"),
        ("--port=0", "--host", "127.0.0.1"),
        ("-P:app.deployment.port=0",),
        ("--P:app.deployment.port=0",),
        ("-P", "app.deployment.port=0"),
        ("-port", "0", "-P:app.deployment.port=1"),
    ],
)
def test_flags_in_both_forms(flags: tuple[str, ...]) -> None:
    with serving(*flags, environment={"PORT": "1"}) as server, server.connect() as client:
        assert client.recv(DEADLINE) == "You are connected! There are 1 users here."


def test_the_last_line_at_the_start_says_where() -> None:
    with serving("-host=127.0.0.1") as server:
        assert server.log[-1].endswith(f"Application - Responding at http://127.0.0.1:{server.port}")
        assert server.port > 0


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    environment = {"HOST": "", "PORT": "", "CHAT_STORE": ""}
    with Process("-port=0", cwd=tmp_path, environment=environment) as process:
        process.line(r"Responding at http://127\.0\.0\.1:\d+$")
        assert process.stop() == 0
    assert (tmp_path / "chat.db").is_file()


def preloading(folder: Path, ticks: int) -> Path:
    """Configure a server that loads what few clients need after so many tenths of a second, and tells at `/loaded` what
    of that is there. Return the folder."""
    (folder / "preloading.py").write_text(
        "import sys\n"
        "import app.serving.server\n"
        "from app.chat.dialects import JSON\n"
        "from starlette.responses import JSONResponse\n\n"
        "def module(app_):\n"
        f"    app.serving.server.PRELOAD_TICKS = {ticks}\n"
        "    app_.add_route('/loaded', lambda request: JSONResponse([*sys.modules, *vars(JSON)]))\n"
    )
    modules = ", ".join((*DEFAULT_MODULES, "preloading.module"))
    (folder / "application.conf").write_text(f"app.modules = [{modules}]\napp.deployment.port = ${{PORT}}\n")
    return folder


def test_a_start_loads_what_it_needs_and_no_more(tmp_path: Path) -> None:
    environment = {"PYTHONPROFILEIMPORTTIME": "1", "CHAT_STORE": str(tmp_path / "chat.db")}
    with serving(cwd=preloading(tmp_path, -1), environment=environment) as server:
        assert exchange(server.port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    imported = [line.rpartition("|")[2].strip() for line in server.log if line.startswith("import time:")]
    of_the_start = imported[imported.index("app") :]
    assert "app.modules.chat.endpoint" in of_the_start
    assert {name for name in of_the_start if any(name == one or name.startswith(f"{one}.") for one in LATER)} == set()


def test_the_first_client_that_needs_something_more_finds_it_loaded(tmp_path: Path) -> None:
    wanted = {"app.transports.hardened_websocket", "app.transports.direct_writer", "_decoder"}
    with serving(cwd=preloading(tmp_path, 1)) as server:
        end = time.monotonic() + DEADLINE
        while not wanted <= {*httpx.get(f"{server.http}/loaded", timeout=DEADLINE).json()}:
            assert time.monotonic() < end


def test_garbage_is_collected_and_threads_wait_briefly_once_the_server_has_started(tmp_path: Path) -> None:
    (tmp_path / "collector.py").write_text(
        "import gc, sys\n"
        "from starlette.responses import JSONResponse\n\n"
        "def module(app):\n"
        "    app.add_route('/collector', lambda request: JSONResponse(\n"
        "        [at_start, gc.isenabled(), gc.get_stats()[2]['collections'], gc.get_freeze_count(),\n"
        "         sys.getswitchinterval(), gc.get_threshold()]))\n"
        "    at_start = gc.isenabled()\n"
    )
    (tmp_path / "application.conf").write_text("app.modules = [collector.module]\napp.deployment.port = ${PORT}\n")
    with serving(cwd=tmp_path) as server:
        at_start, now, full_collections, kept, switching, (young, middle, full) = httpx.get(
            f"{server.http}/collector", timeout=DEADLINE
        ).json()
    assert (at_start, now, full_collections) == (False, True, 0)
    assert kept > 10_000
    assert switching == SWITCH_INTERVAL
    assert young * middle <= 5_000, "so many objects are looked at in one go"
    assert young * middle * full >= 20_000_000, "so seldom are all of them"


def test_several_hosts_from_the_environment_share_a_port() -> None:
    with Process("-port=0", cwd=ROOT, environment={"HOST": "127.0.0.1,::1"}) as process:
        port = int(process.line(r"Responding at http://127\.0\.0\.1:(\d+) and http://\[::1\]:\1$")[1])
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), DEADLINE).close()
        assert process.stop() == 0


def test_it_listens_on_every_address_of_the_host() -> None:
    if not socket.has_ipv6:
        pytest.fail("this machine has no IPv6 at all: expected ::1 on the loopback interface")
    with Process("-port=0", "-host=::1", cwd=ROOT) as process:
        port = int(process.line(r"Responding at http://\[::1\]:(\d+)")[1])
        socket.create_connection(("::1", port), DEADLINE).close()
        assert process.stop() == 0


def test_the_root_path_moves_every_route() -> None:
    with serving("-path=/team") as server:
        assert server.log[-1].endswith(f":{server.port}/team")
        with server.connect("/team/chat") as client:
            assert client.recv(DEADLINE) == "You are connected! There are 1 users here."
        with pytest.raises(Exception, match=r"HTTP 404"):
            server.connect("/chat")


def test_of_several_files_the_right_one_wins(tmp_path: Path) -> None:
    (tmp_path / "left.conf").write_text("app.deployment { port = 1, root-path = /left }")
    (tmp_path / "right.conf").write_text("app.deployment.port = 0")
    flags = (f"-config={tmp_path}/left.conf", "--config", f"{tmp_path}/right.conf")
    with serving(*flags, cwd=tmp_path) as server, server.connect("/left/chat"):
        pass


def test_app_config_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text("app.deployment { port = 0, root-path = /mine }")
    environment = {"APP_CONFIG": str(tmp_path / "my.conf")}
    with serving(cwd=tmp_path, environment=environment) as server, server.connect("/mine/chat"):
        pass


def test_the_file_in_the_working_directory_comes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("app.deployment { port = 0, root-path = /here }")
    with serving(cwd=tmp_path) as server, server.connect("/here/chat"):
        pass
    empty = tmp_path / "empty"
    empty.mkdir()
    with serving(cwd=empty) as server, server.connect("/chat"):
        pass


def test_a_module_beside_the_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "ping.py").write_text(
        "from starlette.responses import PlainTextResponse\n\n"
        "def module(app):\n"
        '    app.add_route("/ping", lambda request: PlainTextResponse(app.property("ping.answer")))\n'
    )
    (tmp_path / "application.conf").write_text(
        "app { deployment.port = 0, modules = [ping.module] }\nping.answer = pong"
    )
    with serving(f"-config={tmp_path}/application.conf") as server:
        assert httpx.get(f"{server.http}/ping", timeout=DEADLINE).text == "pong"


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = f'-P:app.deployment.tls={{ certificate = "{tmp_path}/certificate.pem", key = "{tmp_path}/key.pem" }}'
    with serving(tls) as server:
        assert server.ws.startswith("wss://")
        with server.connect(ssl=trusting, origin=server.http) as client:
            assert client.recv(DEADLINE) == "You are connected! There are 1 users here."


def renew(folder: Path, authority: trustme.CA) -> bytes:
    """Write a new certificate and its key, and return the certificate in DER."""
    made = authority.issue_cert("127.0.0.1")
    for name, pem in (("certificate.pem", made.cert_chain_pems[0]), ("key.pem", made.private_key_pem)):
        (folder / "new").write_bytes(pem.bytes())
        (folder / "new").rename(folder / name)
    return ssl.PEM_cert_to_DER_cert((folder / "certificate.pem").read_text())


def shown(port: int) -> bytes:
    """The certificate that a server shows, in DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=DEADLINE))


def test_a_new_certificate_is_used_once_it_is_there_or_at_sighup(tmp_path: Path) -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    first = renew(tmp_path, authority)
    tls = f'-P:app.deployment.tls={{ certificate = "{tmp_path}/certificate.pem", key = "{tmp_path}/key.pem" }}'
    with serving(tls) as server, server.connect(ssl=trusting) as client:
        assert client.recv(DEADLINE) == "You are connected! There are 1 users here."
        assert shown(server.port) == first
        second = renew(tmp_path, authority)
        server.line("The certificate was read anew")
        assert shown(server.port) == second
        (tmp_path / "key.pem").write_text("nonsense")
        server.started.send_signal(signal.SIGHUP)
        server.line(r"key.pem\": expected a private key in PEM format.*: the former certificate stays in use")
        assert shown(server.port) == second
        third = renew(tmp_path, authority)
        server.started.send_signal(signal.SIGHUP)
        server.line("The certificate was read anew")
        assert shown(server.port) == third
        client.send("still here")
        assert client.recv(DEADLINE) == "[user0]: still here"


def test_over_tls_who_says_nothing_is_pinged_and_stays(tmp_path: Path) -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    renew(tmp_path, authority)
    tls = f'-P:app.deployment.tls={{ certificate = "{tmp_path}/certificate.pem", key = "{tmp_path}/key.pem" }}'
    with (
        serving(tls, "-P:app.websockets.ping-period=1s") as server,
        socket.create_connection(("127.0.0.1", server.port), DEADLINE) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(handshake(f"127.0.0.1:{server.port}", "/chat"))
        received = b""
        for _ in range(3):
            while b"\x89\x00" not in received:
                received += client.recv(65_536) or pytest.fail(f"the server ended it after {received!r}")
            received = received.partition(b"\x89\x00")[2]
            client.sendall(frame(0xA))


def test_sighup_stops_a_server_that_has_nothing_to_read_anew() -> None:
    with serving() as server, server.connect() as client:
        assert server.stop(signal.SIGHUP) == 0
        with suppress(ConnectionClosed):
            list(client)
        assert client.protocol.close_rcvd is not None
        assert client.protocol.close_rcvd.code == 1012


def test_it_reloads_when_a_file_changes(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text("def module(app): pass\n")
    file = tmp_path / "application.conf"
    file.write_text("app { deployment { port = 0, reload = on }, modules = [app.modules.chat.module, greet.module] }")
    with serving(cwd=tmp_path) as server:
        first = server.port
        os.utime(tmp_path / "greet.py", (time.time() + 5, time.time() + 5))
        server.line(f"Responding at http://127.0.0.1:{first}$")
        with server.connect() as client:
            assert client.recv(DEADLINE) == "You are connected! There are 1 users here."
        text = file.read_text()
        file.write_text(text.replace("reload = on", "reload = on, root-path = /new"))
        os.utime(file, (time.time() + 10, time.time() + 10))
        server.line(f"Responding at http://127.0.0.1:{first}/new$")


def test_a_resource_that_does_not_open_ends_it(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from contextlib import contextmanager\n\n"
        "@contextmanager\ndef resource():\n    raise OSError('no database here')\n    yield\n\n"
        "def module(app):\n    app.during(resource())\n"
    )
    (tmp_path / "x.conf").write_text("app.modules = [broken.module]")
    refused(1, "OSError: no database here", "-port=0", f"-config={tmp_path}/x.conf")


def test_two_servers_do_not_share_a_port() -> None:
    with serving() as server:
        refused(
            1,
            f"app.deployment.port = {server.port}: can't listen on 0.0.0.0:{server.port}: address already in use",
            f"-port={server.port}",
        )


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("-port=abc",), 'app.deployment.port = "abc": expected a port number from 0 to 65535'),
        (("-port=",), 'app.deployment.port = "": expected a port number from 0 to 65535'),
        (("-port=65536",), 'app.deployment.port = "65536": expected a port number from 0 to 65535'),
        (
            ("-host=no.such.host.invalid", "-port=0"),
            'app.deployment.host = "no.such.host.invalid": expected an address',
        ),
        (("-config=none.conf",), "none.conf: can't be read: no such file or directory"),
        (("-P:app.deployment.prot=1",), "app.deployment.prot: unknown key; did you mean port?"),
        (("-P:caht.outbox.size=1",), "caht: unknown key; did you mean chat?"),
        (("-P:port=1",), "port: unknown key; did you mean app.deployment.port?"),
        (("-P:chat.outbox.overflow=block",), 'chat.outbox.overflow = "block": expected pull or disconnect'),
        pytest.param(
            ("-P:chat.retention.age=30",),
            'chat.retention.age = "30": expected 0 to keep everything, or at least 1m',
            id='flags9-chat.retention.age = "30": expected 0 for all, or at least 1m',
        ),
        pytest.param(
            ("-P:chat.retention.count=-1",),
            'chat.retention.count = "-1": expected 0 to keep everything, or more',
            id='flags10-chat.retention.count = "-1": expected 0 for all, or more',
        ),
        (("-P:chat.outbox.sise=1",), "chat.outbox.sise: unknown key; did you mean size?"),
        (("-P:nonsense",), "-P:nonsense: expected key=value"),
        (("-path=team",), 'app.deployment.root-path = "team": expected a path such as "/team"'),
        (("-prt=1",), "unrecognized arguments: -prt=1"),
        (("--por=1",), "unrecognized arguments: --por=1"),
        pytest.param(
            ("start",), 'unknown subcommand "start"; did you mean serve?', id="flags16-unrecognized arguments: start"
        ),
        (("--workers=2",), '--workers = "2": expected 1: the chat lives in one process'),
        pytest.param(
            ("-P:app.deployment.tls={certificate=a,key=b}", "-port=0"),
            'app.deployment.tls.certificate = "a": can\'t be read: no such file or directory',
            id='flags18-app.deployment.tls = "a, b": expected a certificate',
        ),
    ],
)
def test_a_mistake_is_one_line(flags: tuple[str, ...], line: str) -> None:
    refused(2, line, *flags)


def test_a_mistake_in_the_environment_is_one_line() -> None:
    number = 1 + (ROOT / "application.conf").read_text().splitlines().index("    port = ${?PORT}")
    place = f"application.conf:{number}: app.deployment.port"
    refused(2, f'{place} = "x" (from the environment variable PORT): expected a port', PORT="x")
    refused(2, 'WEB_CONCURRENCY = "3": expected 1 or nothing', WEB_CONCURRENCY="3")
    refused(2, "none.conf: can't be read", APP_CONFIG="none.conf")


def test_a_broken_logging_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "logging.ini").write_text("[loggers]\nkeys = nobody\n")
    refused(2, "logging.ini: expected a file for logging.config.fileConfig", "-port=0", cwd=tmp_path)


def test_the_logging_file_beside_the_configuration_rules(tmp_path: Path) -> None:
    ini = (ROOT / "logging.ini").read_text()
    (tmp_path / "logging.ini").write_text(ini.replace("format = %(asctime)s", "format = mine %(asctime)s"))
    (tmp_path / "application.conf").write_text("app.deployment.port = 0")
    with serving(f"-config={tmp_path}/application.conf") as server:
        assert server.log[-1].startswith("mine ")


def test_a_missing_include_and_a_group_that_nobody_reads_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text('include "none.conf"\napp.deployment.port = 0\nzebra { a = 1 }')
    with serving(f"-config={tmp_path}/x.conf", cwd=tmp_path) as server:
        log = "\n".join(server.log)
    assert 'x.conf:1: include "none.conf": no such file; skipped' in log
    assert "x.conf:3: the group zebra has no effect: no module reads it" in log


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path.write_bytes(b"something else " * 1000), "the store is damaged, or not a store"),
        (lambda path: path.mkdir(), "this is a folder: expected a file (EISDIR)"),
        (lambda path: foreign(path, "CREATE TABLE x (y)"), "this is another program's database"),
        (
            lambda path: foreign(path, f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99"),
            "the store has version 99",
        ),
    ],
)
def test_a_store_that_can_not_be_used_is_one_line_and_left_alone(make: Any, line: str, tmp_path: Path) -> None:
    store = tmp_path / "chat.db"
    make(store)
    before = store.read_bytes() if store.is_file() else b""
    refused(1, f"{store}: {line}", "-port=0", CHAT_STORE=str(store))
    assert (store.read_bytes() if store.is_file() else b"") == before


def test_a_store_in_use_is_one_line(tmp_path: Path) -> None:
    store = str(tmp_path / "chat.db")
    with serving(environment={"CHAT_STORE": store}):
        remedy = "stop that one, or choose another file in chat.store"
        refused(1, f"{store}: the store is in use by another process: {remedy}", "-port=0", CHAT_STORE=store)


def test_a_store_in_no_folder_is_one_line(tmp_path: Path) -> None:
    store = f"{tmp_path}/none/chat.db"
    refused(1, f"{store}: no such file or directory", "-port=0", CHAT_STORE=store)


def foreign(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()


class TestUnderUvicorn:
    """Plain `uvicorn app:create_app --factory`."""

    command = f"{sys.executable} -m uvicorn app:create_app --factory --port 0"

    def test_it_serves_the_same_application_with_the_same_frame_size(self, tmp_path: Path) -> None:
        (tmp_path / "application.conf").write_text("app { deployment.port = 1, websockets.max-frame-size = 1KiB }")
        with Process(cwd=tmp_path, command=self.command) as process:
            port = int(process.line(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")[1])
            url = f"ws://127.0.0.1:{port}/chat"
            with dial(url) as client:
                assert client.recv(DEADLINE) == "You are connected! There are 1 users here."
                with dial(url) as other:
                    other.recv(DEADLINE)
                    client.send("Hello")
                    assert [one.recv(DEADLINE) for one in (client, other)] == ["[user0]: Hello"] * 2
                client.send("x" * 1025)
                with pytest.raises(Exception, match="1009"):
                    client.recv(DEADLINE)
                assert client.protocol.close_code == 1009
            process.stop()
            assert "Traceback" not in "\n".join(process.log)

    def test_a_mistake_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "application.conf").write_text("app.deployment.prot = 1")
        with Process(cwd=tmp_path, command=self.command) as process:
            assert process.wait() == 2
            assert process.log[-1] == "Error: application.conf:1: app.deployment.prot: unknown key; did you mean port?"
            assert "Traceback" not in "\n".join(process.log)

    def test_a_store_that_can_not_be_used_is_one_line(self, tmp_path: Path) -> None:
        with Process(cwd=tmp_path, command=self.command, environment={"CHAT_STORE": str(tmp_path)}) as process:
            assert process.wait() == 3
            assert any(f"{tmp_path}: this is a folder" in line for line in process.log)
            assert "Traceback" not in "\n".join(process.log)

    def test_several_workers_are_refused(self, tmp_path: Path) -> None:
        with Process(
            cwd=tmp_path, command=self.command + " --workers 1", environment={"WEB_CONCURRENCY": "2"}
        ) as process:
            assert process.wait() == 2
            assert 'WEB_CONCURRENCY = "2": expected 1 or nothing' in process.log[-1]

    def test_the_second_worker_is_refused_in_one_line(self, tmp_path: Path) -> None:
        with Process(cwd=tmp_path, command=self.command + " --workers 2") as process:
            process.wait()
            told = [line for line in process.log if "the chat lives in one process" in line]
            assert len(told) == 1
            assert "Traceback" not in "\n".join(process.log)
