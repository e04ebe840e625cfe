"""The command line of someone who comes from Ktor."""

from __future__ import annotations

import re

import pytest

from app.cli import main
from app.cli.ktor_flags import FLAGS, JAVA


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines on standard error of a command that is refused with code 2."""
    try:
        code = main(arguments)
    except SystemExit as exited:
        code = exited.code  # type: ignore[assignment]
    output = capsys.readouterr()
    assert (code, output.out) == (2, "")
    assert all(line.startswith("natter: ") for line in output.err.splitlines())
    return [line.removeprefix("natter: ") for line in output.err.splitlines()]


@pytest.mark.parametrize("subcommand", [(), ("serve",), ("config",), ("export",)])
def test_every_flag_without_a_counterpart_is_told_in_one_go(
    subcommand: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("-port=0", "-watch=classes", "-jar=chat.jar", "--sslPort=8443", "-sslKeyStore=a.jks")
    assert told(capsys, *subcommand, *given) == [
        f"-watch: {FLAGS['-watch']}",
        f"-jar: {FLAGS['-jar']}",
        f"--sslPort: {FLAGS['-sslPort']}",
        f"-sslKeyStore: {FLAGS['-sslKeyStore']}",
    ]


@pytest.mark.parametrize("flag", JAVA)
def test_a_flag_of_java_is_told(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, f"{flag}=x", "-Dmy.own=x") == [
        f"{flag}: {JAVA[flag]}",
        "-Dmy.own: write -P:KEY=VALUE, which overrides a setting",
    ]


@pytest.mark.parametrize("flag", ["-zzz", "--watching=x", "-sslKey=x"])
def test_a_flag_that_nobody_has_is_told_as_before(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = told(capsys, flag)
    assert re.fullmatch(rf"unrecognized arguments: {flag}; see natter --help", line)


def test_a_key_of_ktor_after_p_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "-P:ktor.deployment.port=1") == ["-P:ktor.deployment.port: write app.deployment.port"]
