"""The texts that people read: complete, in their language, and with any server."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.chat.commands import NAMES
from app.chat.errors import Code
from app.chat.events import Kind
from app.chat.frames import Changed, Commands, Error, Frame, ModerationEntry, ModerationList, Usage
from app.client.errors import from_frame
from app.client.languages.catalogue import Catalogue, MissingValueError, english, languages, load, translatable
from app.client.languages.plurals import category
from app.client.languages.times import duration
from app.client.terminal.sentences import Sentences
from tests.client.servers import Names
from tests.client.terminals import CTRL_C, ENTER, terminal
from tests.clients import ROOT

SOURCES = sorted((ROOT / "app/client").rglob("*.py"))
FILES = sorted((ROOT / "app/client/languages").glob("*.json"))
ENGLISH: dict[str, Any] = json.loads((ROOT / "app/client/languages/en.json").read_text())

SAYS = {"translatable", "notice", "room_notice", "text", "_text", "_say", "_warn", "_give_up"}
"""Functions that take a key."""
IN_THE_SERVERS_WORDS = {Code.BAD_FRAME, Code.REFUSED, Code.UNAVAILABLE}
OF_THE_CLIENT = {"error.refused.password", "error.too_long.frame"}
"""Errors that no server sends."""


def calls() -> Iterator[tuple[str, set[str] | None]]:
    """Each key that the code names in a call, with the names of the values, or None where these are not written out."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            for argument in node.args[:2] if name in SAYS else ():
                for key in [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]:
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        names = [keyword.arg for keyword in node.keywords]
                        yield key.value, None if None in names else {one for one in names if one}


def constants() -> set[str]:
    nodes = (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text())))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def forms(entry: Any) -> Iterator[str]:
    """All texts of an entry."""
    if isinstance(entry, str):
        yield entry
    else:
        for one in entry.values() if isinstance(entry, dict) else entry:
            yield from forms(one)


def placeholders(entry: Any) -> set[str]:
    return {name for form in forms(entry) for name in re.findall(r"\{(\w+)\}", form)}


def table_of_errors() -> Iterator[tuple[str, str, set[str]]]:
    """Code, reason and values of each row in docs/protocol.md."""
    section = (ROOT / "docs/protocol.md").read_text().partition("### Values in an error")[2].partition("\n#")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            reason = "" if cells[1] == "none" else cells[1].strip("`")
            yield cells[0].strip("`"), reason, set(re.findall(r"`(\w+)\??`", cells[2]))


def test_every_text_that_is_shown_is_in_the_catalogue_and_gets_its_values() -> None:
    found = dict.fromkeys(key for key, _ in calls())
    assert len(found) > 50
    assert [key for key in found if key not in ENGLISH] == []
    for key, names in calls():
        if names is not None:
            assert placeholders(ENGLISH[key]) <= names, key


def test_every_text_of_the_catalogue_is_shown() -> None:
    families = [r"error\.", r"event\.", r"command\.", r"weekday\.[1-7]$"]
    named = constants()
    unused = [key for key in ENGLISH if key not in named and not any(re.match(family, key) for family in families)]
    assert unused == []


def test_every_error_of_the_protocol_has_a_sentence() -> None:
    rows = list(table_of_errors())
    assert {code for code, _, _ in rows} == set(Code)
    shown = set()
    for code, reason, values in rows:
        if code in IN_THE_SERVERS_WORDS:
            continue
        whats = ("message", "topic", "why") if "what" in values else ("",)
        for what in whats:
            key = ".".join(filter(None, ("error", code, reason or what)))
            key = key if key in ENGLISH else f"error.{code}"
            derived = {"limit": {"count", "interval"}, "after": {"wait"}}
            given = values | {name for field in values for name in derived.get(field, ())}
            assert placeholders(ENGLISH[key]) <= given, key
            shown.add(key)
    assert {key for key in ENGLISH if key.startswith("error.")} == shown | OF_THE_CLIENT


def test_every_change_has_a_sentence() -> None:
    sentences = Sentences(english())
    for kind in set(Kind) - {Kind.MSG, Kind.ME}:
        frame = Changed(kind, "ops", 1, "a", "2026-01-31T12:00:00Z", "ann", 1, whom="bob", seconds=90)
        (line,) = sentences.of(frame)
        assert "bob" in line or "ann" in line
    named = {key.split(".")[1] for key in ENGLISH if key.startswith("event.")}
    assert named - {"someone"} == set(Kind) - {Kind.MSG, Kind.ME}


def test_a_topic_and_a_reason_that_were_deleted_have_sentences() -> None:
    sentences = Sentences(english())
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("topic", {"text": "", "deleted": True}, "ann set a topic that was deleted"),
        ("delete", {"of": 1, "what": "topic"}, "ann deleted a topic"),
        ("delete", {"of": 1, "what": "why", "whom": "bob"}, "ann deleted a reason"),
    )
    for kind, more, line in cases:
        assert sentences.of(Changed(kind, "ops", 2, "a", "2026-01-31T12:00:00Z", "ann", 1, **more)) == [line]


def test_a_ban_with_an_end_that_cannot_be_read_is_not_called_permanent() -> None:
    ban = Changed("ban", "ops", 1, "a", "2026-01-31T12:00:00Z", "ann", 1, whom="bob", until="next week")
    assert Sentences(english()).of(ban) == ["ann banned bob until next week"]


def test_an_invitation_and_a_list_of_bans_have_sentences() -> None:
    sentences, time = Sentences(english()), "2026-01-31T12:00:00Z"
    told = Changed("invite", "@1,2", 1, "a", time, "ann", 1, text="den", whom="bob", about=2)
    assert sentences.of(told) == ["ann invited bob to den. Type /join den"]
    listed = ModerationList(
        room="ops",
        bans=[ModerationEntry(2, "rob", "ann", time, was="bob", why="noise", seq=7)],
        mutes=[ModerationEntry(3, "cy", "ann", time, until=time)],
        invitations=[ModerationEntry(4, "dora", "ann", time)],
        next=7,
    )
    ban, mute, invitation, older = sentences.of(listed)
    assert re.fullmatch(r"Banned permanently: #2 rob \(was bob\), by ann at .*2026.*, ID 7: noise", ban)
    assert re.fullmatch(r"Muted until .*2026.*: #3 cy, by ann at .*2026.*", mute)
    assert re.fullmatch(r"Invited: #4 dora, by ann at .*2026.*", invitation)
    assert older == "There are older ones"
    none = ModerationList(room="ops", bans=[], mutes=[], invitations=[])
    assert sentences.of(none) == ["Nobody is banned, muted or invited in ops"]


def test_every_command_has_a_sentence() -> None:
    assert {key.split(".")[1] for key in ENGLISH if key.startswith("command.")} == set(NAMES.values())


def test_the_page_says_the_same() -> None:
    page = json.loads((ROOT / "app/page/static/languages/en.json").read_text())
    shared = [key for key in ENGLISH if re.match(r"(command|event|done)\.", key) and key in page]
    assert len(shared) > 50
    assert {key: ENGLISH[key] for key in shared} == {key: page[key] for key in shared}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_language_has_the_same_values_and_its_own_plurals(path: Path) -> None:
    numbers = (*range(1000), 10**6)
    categories = {category(path.stem, number) for number in numbers}
    for key, entry in json.loads(path.read_text()).items():
        assert placeholders(entry) <= placeholders(ENGLISH[key]), key
        for form in [entry] if not isinstance(entry, list) else entry:
            assert isinstance(form, str) or set(form) == categories, key


# Languages.

GERMAN = {
    "room.joined": {"one": "Du bist in {room} ({count} Mensch)", "other": "Du bist in {room} ({count} Menschen)"},
    "status.connected": "Verbunden als {name}",
    "error.unknown_command": "Den Befehl /{command} gibt es nicht",
    "error.banned": ["Du bist aus {room} verbannt bis {until}: {why}", "Du bist aus {room} verbannt"],
    "connect.at": "{url}: {problem}",
    "connect.refused": "Verbindung abgelehnt",
    "duration.seconds": {"one": "{count} Sekunde", "other": "{count} Sekunden"},
    "error.slow_mode": "Nur eine Nachricht alle {interval}",
    "uncertain.ended": "Vielleicht angekommen: {error}",
    "ended.bye": "Du bist gegangen",
    "command.kick": "wirft jemanden hinaus",
}


@pytest.fixture
def german(tmp_path: Path) -> Catalogue:
    """A second language."""
    (tmp_path / "de.json").write_text(json.dumps(GERMAN))
    return load({"LANG": "de_AT.UTF-8"}, tmp_path)


def test_a_second_language_is_one_more_file(names: Names, tmp_path: Path) -> None:
    package = shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__", "static"))
    (package / "client/languages/de.json").write_text(json.dumps(GERMAN))
    arguments = (names.url, "--name", names.ann)
    with terminal(*arguments, PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1", LC_ALL="de_DE.UTF-8") as me:
        me.shows(f"*** Du bist in {names.room} (1 Mensch)")
        me.shows(f"Verbunden als {names.ann}")
        me.types("/dance" + ENTER)
        me.shows("*** Den Befehl /dance gibt es nicht")
        me.types(CTRL_C + "/topic tea" + ENTER)
        me.shows(f"*** {names.ann} set the topic: tea")  # what is not translated is in English


def test_texts_are_in_the_language_with_those_within_them(german: Catalogue) -> None:
    problem = translatable("connect.at", url="ws://x", problem=translatable("connect.refused"))
    assert german.translate(problem) == "ws://x: Verbindung abgelehnt"
    assert str(problem) == "ws://x: Connection refused: no server is listening there"
    assert german.text("error.slow_mode", interval=duration(90)) == "Nur eine Nachricht alle 90 Sekunden"
    assert german.text("room.left", room="ops") == "You left ops"
    assert german.translate("what somebody wrote") == "what somebody wrote"


def test_the_help_of_commands_can_be_translated(german: Catalogue) -> None:
    frame = Commands([Usage("kick", "NAME [WHY]", "kick somebody"), Usage("roll", "", "roll dice")])
    assert Sentences(german).of(frame) == ["/kick NAME [WHY]: wirft jemanden hinaus", "/roll: roll dice"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "pt_BR.UTF-8"}, ["pt-BR", "pt"]),
        ({"LANG": "de_AT@euro"}, ["de-AT", "de"]),
        ({"LC_MESSAGES": "fr", "LANG": "de_DE"}, ["fr"]),
        ({"LC_ALL": "it_IT", "LC_MESSAGES": "fr", "LANG": "de"}, ["it-IT", "it"]),
        ({"LC_ALL": "", "LANG": "de"}, ["de"]),
        ({"LANG": "es_419"}, ["es-419", "es"]),
        ({"LANG": "C.UTF-8"}, []),
        ({"LANG": "POSIX"}, []),
        ({"LANG": "../../etc/passwd"}, []),
        ({}, []),
    ],
)
def test_the_language_is_that_of_the_environment(environment: Mapping[str, str], expected: list[str]) -> None:
    assert list(languages(environment)) == expected
    assert load({**environment, "LC_ALL": "xx_XX"}).language == "en"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "other one other other other other"),
        ("fr", "one one other other other other"),
        ("ja", "other other other other other other"),
        ("ru", "many one few many many one"),
        ("pl", "many one few many many many"),
        ("ar", "zero one two few many many"),
        ("pt-BR", "one one other other other other"),
        ("xx", "other one other other other other"),
    ],
)
def test_plurals(language: str, expected: str) -> None:
    assert [category(language, number) for number in (0, 1, 2, 5, 11, 21)] == expected.split()


def test_of_several_texts_the_one_counts_that_has_all_its_values() -> None:
    catalogue = Catalogue("en", {"kick": ["{name} kicked {whom}: {why}", "{name} kicked {whom}"], "hi": "hi {name}"})
    assert catalogue.text("kick", name="ann", whom="bob", why="tea") == "ann kicked bob: tea"
    assert catalogue.text("kick", name="ann", whom="bob", why="") == "ann kicked bob"
    assert catalogue.text("kick", name="", whom="{name}", why="") == " kicked {name}"
    with pytest.raises(MissingValueError):
        catalogue.text("hi")
    with pytest.raises(KeyError):
        catalogue.text("bye")


# Servers.

UNTIL = "2026-01-31T12:00:00.000Z"


def error(code: str, **values: Any) -> Error:
    return Error(code, "the server's own words", retry=False, **values)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (error("banned", room="ops"), "You're banned from ops permanently"),
        (error("banned", room="ops", why="tea"), "You're banned from ops permanently: tea"),
        (error("banned", room="ops", until=UNTIL, why="tea"), "You're banned from ops until {until}: tea"),
        (error("slow_mode", room="ops", limit=60, after=900), "Slow mode is on: one message every 1 minute"),
        (error("rate_limited", after=1_200, limit=20), "You're sending too fast. Try again in 2 seconds."),
        (error("too_long", what="topic", size=9, limit=1), "That topic is too long. Shorten it to 1 character."),
        (error("bad_name", reason="length", name="x", limit=32), "Use a name of 1 to 32 characters"),
        (error("unknown_name", name="bob", reason="new"), "Nobody here is called bob"),
        (error("not_joined", room="ops"), "You're not in ops. Join it first."),
    ],
)
def test_errors_of_a_server_are_shown_by_their_code(frame: Error, sentence: str) -> None:
    until = datetime.fromisoformat(UNTIL).astimezone()
    caught = from_frame(frame)
    assert english().translate(caught.message) == sentence.format(until=f"{until:%Y-%m-%d %H:%M}")
    assert (caught.code, str(caught)) == (frame.code, "the server's own words")


@pytest.mark.parametrize(
    "frame",
    [
        error("banned"),
        error("not_joined"),
        error("too_long", limit=10),
        error("slow_mode", after=900),
        error("refused", room="ops"),
        error("unavailable"),
        error("bad_frame"),
        error("brand_new", reason="whatever"),
    ],
)
def test_errors_of_an_older_or_newer_server_are_shown_in_its_words(frame: Error) -> None:
    assert english().translate(from_frame(frame).message) == "the server's own words"


def test_an_error_keeps_its_values() -> None:
    values: dict[str, Any] = {"room": "ops", "limit": 5, "after": 900}
    assert from_frame(error("slow_mode", **values)).values == values
    assert from_frame(error("refused")).values == {}


def test_errors_are_translated(german: Catalogue) -> None:
    assert german.translate(from_frame(error("slow_mode", room="ops", limit=5)).message).endswith("alle 5 Sekunden")
    assert german.translate(from_frame(error("banned", room="ops", why="tea")).message) == "Du bist aus ops verbannt"
    assert german.translate(from_frame(error("muted", room="ops")).message) == "You're muted in ops permanently"


@pytest.mark.parametrize("frame", [error("banned", until="x" * 99), error("banned", until="0001-01-01T00:00:00+14:00")])
def test_what_a_server_sends_breaks_nothing(frame: Frame) -> None:
    assert Sentences(english()).of(frame) == ["the server's own words"]
