"""What proxies say about a request, and who is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.forwarded import Forwarded, forwarded
from app.serving.proxies import TrustedProxies


def told(**headers: str) -> Forwarded | None:
    return forwarded([(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()])


@pytest.mark.parametrize(
    ("value", "nodes"),
    [
        ("192.0.2.1", ("192.0.2.1",)),
        ("192.0.2.1:4711, 10.0.0.1", ("192.0.2.1", "10.0.0.1")),
        ("2001:DB8::1", ("2001:db8::1",)),
        ("[2001:db8::1]:4711", ("2001:db8::1",)),
        ("::ffff:192.0.2.1", ("192.0.2.1",)),
        ("_hidden", ("_hidden",)),
        ("unknown,<script>", ("", "")),
        ("", ()),
    ],
)
def test_the_addresses_of_x_forwarded_for(value: str, nodes: tuple[str, ...]) -> None:
    assert told(x_forwarded_for=value) == Forwarded(nodes, "", "")


@pytest.mark.parametrize(
    ("value", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("https, http", "https"), (" wss ", "https"), ("ws", "http"), ("ftp", "")],
)
def test_the_scheme_of_x_forwarded_proto_is_that_of_the_client(value: str, scheme: str) -> None:
    assert told(x_forwarded_proto=value) == Forwarded((), scheme, "")


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("chat.example", "chat.example"),
        ("chat.example:8443, inner.example", "chat.example:8443"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("chat.example/x", ""),
        ("a@b", ""),
    ],
)
def test_the_host_of_x_forwarded_host_is_that_of_the_client(value: str, host: str) -> None:
    assert told(x_forwarded_host=value) == Forwarded((), "", host)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.43", Forwarded(("192.0.2.43",), "", "")),
        ('For="[2001:db8:cafe::17]:4711"', Forwarded(("2001:db8:cafe::17",), "", "")),
        (
            "for=192.0.2.60;proto=HTTPS;by=203.0.113.43;host=chat.example, for=198.51.100.17;proto=http",
            Forwarded(("192.0.2.60", "198.51.100.17"), "https", "chat.example"),
        ),
        ('for="_gazonk", for=unknown', Forwarded(("_gazonk", ""), "", "")),
        ('for="192.0.2.1:80";host="chat.example:8443"', Forwarded(("192.0.2.1",), "", "chat.example:8443")),
        (r'for="\1\9\2.0.2.1"', Forwarded(("192.0.2.1",), "", "")),
        ('for=1.2.3.4, ;;"bad, for=192.0.2.1', Forwarded((), "", "")),
    ],
)
def test_the_standard_header(value: str, expected: Forwarded) -> None:
    assert told(forwarded=value) == expected


def test_the_standard_header_does_not_count_beside_the_usual_ones() -> None:
    assert told(forwarded="for=1.2.3.4;host=evil.example", x_forwarded_proto="https") == Forwarded((), "https", "")
    assert told(host="x") is None


@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_nothing_in_these_headers_raises(text: str) -> None:
    for name in ("forwarded", "x_forwarded_for", "x_forwarded_proto", "x_forwarded_host"):
        assert told(**{name: text}) is not None


def test_which_proxies_are_trusted() -> None:
    trusted = TrustedProxies(["10.0.0.0/8", "2001:db8::1", "unix"])
    believed = ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:0::1", ""]
    assert all(address in trusted for address in believed)
    assert not any(address in trusted for address in ("11.0.0.1", "::1", "testclient", "_hidden"))
    assert "" not in TrustedProxies(["0.0.0.0/0", "::/0"])
