"""Tells people who come from Ktor what to write instead of its flags. Those that aren't here are the same in Natter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

FLAGS = {
    "-jar": "no counterpart: list Python functions in app.modules; their files may be beside the configuration",
    "-watch": "write -P:app.deployment.reload=true: it watches the working directory and the folder of the "
    "configuration, and there are no paths to choose",
    "-sslPort": "write -port, with -P:app.deployment.tls.certificate and -P:app.deployment.tls.key: the server has one "
    "port, with TLS or without",
    "-sslKeyStore": "write -P:app.deployment.tls.certificate and -P:app.deployment.tls.key, with PEM files",
}
"""The flags of Ktor that Natter doesn't have."""
JAVA = {
    "-Dconfig.file": "write -config=FILE",
    "-Dconfig.resource": "write -config=FILE",
    "-Dconfig.url": "save what is there as a file, and write -config=FILE",
    "-Dio.ktor.development": "write -P:app.deployment.reload=true",
    "-ea": "write -P:app.deployment.reload=true if it was for Ktor's development mode",
}
"""The flags of Java that Ktor's documentation has."""


def problems(arguments: Sequence[str]) -> Iterator[str]:
    """A line for each of the arguments that is a flag of Ktor's, or of Java's."""
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag == "--":
            return
        name = f"-{flag.lstrip('-')}"
        if flag.startswith("-") and name in FLAGS:
            yield f"{flag}: {FLAGS[name]}"
        elif flag in JAVA or flag.startswith("-D"):
            yield f"{flag}: {JAVA.get(flag, 'write -P:KEY=VALUE, which overrides a setting')}"
