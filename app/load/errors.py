"""Why a run can't go on, in one line with the remedy."""

from __future__ import annotations

import errno
import os
import ssl

HANDSHAKE = 10.0
"""Seconds that a server has to complete a handshake and to greet."""


class LoadError(Exception):
    """The run can't go on. The message is one line, and names the setting to change where there is one."""


def explain_refusal(head: bytes, body: bytes) -> str:
    """Say why the server refused a handshake. The first line of `body` comes in one packet with `head`."""
    status = head.partition(b"\r")[0].partition(b" ")[2].decode("latin-1")
    reason = body.partition(b"\n")[0].decode("utf-8", "replace").strip()[:200]
    problem = f"refused with {status}" + (f": {reason}" if reason else "")
    if status.startswith("429"):
        problem += " (set app.websockets.connections-per-address to 0)"
    elif status.startswith("503") and "full" in reason:
        problem += " (set app.websockets.connections to 0)"
    return problem


def explain(error: Exception) -> str:
    """Say what a failed connection attempt failed of, in a few words."""
    if isinstance(error, TimeoutError):
        return f"no answer within {HANDSHAKE:.0f} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no free port left for another connection to that address"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    return str(error)
