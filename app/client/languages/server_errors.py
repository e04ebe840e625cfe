"""The sentence for an error from the server, in the language of its reader.

The catalogue has it under `error.CODE.REASON` or `error.CODE`. Codes that it does not have, and errors without the
values that their sentence needs, are shown in the server's own words.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.client.languages.catalogue import Translatable
from app.client.languages.times import duration, local_time


def server_error(code: str, message: str, values: Mapping[str, object]) -> Translatable:
    """The sentence for an `error` frame with these values; `message` is the server's own."""
    variant = values.get("reason") or values.get("what")
    keys = (f"error.{code}.{variant}", f"error.{code}") if variant else (f"error.{code}",)
    return Translatable(message, keys, {**values, **_derived(values)})


def _derived(values: Mapping[str, object]) -> dict[str, object]:
    """The values that are shown in another form than that of the frame."""
    after, limit = values.get("after"), values.get("limit")
    derived: dict[str, object] = {"until": local_time(values.get("until"))}
    if isinstance(after, int):
        derived["wait"] = duration(after / 1000)
    if isinstance(limit, int | float):
        derived["count"], derived["interval"] = int(limit), duration(limit)
    return derived
