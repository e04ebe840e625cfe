"""Modules that are joined into one do the same as separate ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.page.bundle import join
from tests.clients import DEADLINE
from tests.conftest import need

SOURCES = {
    "main.js": """
import { greet, Person as Somebody } from "./parts/people.js";
import {
  total,
} from "./parts/sums.js";
import { shout } from "./vendor/loud.js";

const name = "ann";
console.log("main", shout(greet(new Somebody(name))), total([1, 2, 3]));
const load = () => import("./late.js");
load().then(async ({ late }) => console.log(late, (await load()).late === late));
""",
    "parts/people.js": """
import { total } from "./sums.js";

const name = "nobody";
export class Person {
  constructor(given = name) { this.name = given; }
}
export const greet = ({ name: given }) => `hello ${given}, ${total([given.length, before()])}`;
export async function unused() {}
function before() { return LATER; }
const LATER = 40;
console.log("people");
""",
    "parts/sums.js": """
export const $total = 0;
export function total(numbers) { return numbers.reduce((sum, number) => sum + number, $total); }
console.log("sums");
""",
    "parts/clock.js": """
console.log("clock");
export const now = 3;
""",
    "vendor/loud.js": """
console.log("vendor");
const s = (text) => text.toUpperCase();
export { s as shout };
""",
    "late.js": """
import { total } from "./parts/sums.js";
import { now } from "./parts/clock.js";
import { shout } from "./vendor/loud.js";

export const late = shout(`late ${total([now, 4])}`);
""",
}


def vendored(name: str) -> bool:
    return name.startswith("vendor/")


def run(folder: Path, sources: dict[str, str]) -> str:
    """The output of main.js in node."""
    node = need("node")
    for name, source in {**sources, "package.json": '{"type": "module"}'}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    done = subprocess.run([node, folder / "main.js"], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow("programs")
def test_joined_modules_do_what_they_did_apart(tmp_path: Path) -> None:
    joined, inside = join("main.js", SOURCES, apart=vendored)
    assert inside == ["parts/sums.js", "parts/people.js", "main.js", "parts/clock.js", "late.js"]
    rest = {name: source for name, source in SOURCES.items() if name not in inside}
    apart = run(tmp_path / "apart", SOURCES).splitlines()
    assert apart == ["sums", "people", "vendor", "main HELLO ANN, 43 6", "clock", "LATE 7 true"]
    together = run(tmp_path / "together", {**rest, **joined}).splitlines()
    assert together == ["vendor", "sums", "people", "main HELLO ANN, 43 6", "clock", "LATE 7 true"]


def test_what_is_loaded_later_is_found_from_where_it_is_joined() -> None:
    sources = {
        "main.js": 'import { a } from "./parts/a.js";',
        "parts/a.js": 'export const a = import("./b.js");',
        "parts/b.js": "",
    }
    joined, _ = join("main.js", sources, apart=vendored)
    assert 'import("./parts/b.js")' in joined["main.js"]


def test_a_module_is_in_one_file() -> None:
    sources = {
        "main.js": 'import("./a.js"); import("./b.js");',
        "a.js": 'import { c } from "./c.js";',
        "b.js": 'import { c } from "./c.js";',
        "c.js": "export const c = 1;",
    }
    with pytest.raises(ValueError, match=r"c\.js is loaded later by several modules: expected main\.js to import it"):
        join("main.js", sources, apart=vendored)


def test_what_is_loaded_later_loads_nothing_itself() -> None:
    sources = {"main.js": 'import("./a.js");', "a.js": 'import("./b.js");', "b.js": ""}
    with pytest.raises(ValueError, match=r"a\.js loads b\.js later: expected only the first file"):
        join("main.js", sources, apart=vendored)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('import a from "./a.js";', r"main\.js: import a from"),
        ('import * as a from "./a.js";', r"main\.js: import \* as a"),
        ('import "./a.js";', r"main\.js: import \"\./a\.js\""),
        ("export let a = 1;", r"main\.js: export let a"),
        ("export default 1;", r"main\.js: export default"),
        ('export { a } from "./a.js";', r"main\.js: export \{ a \}"),
        ('export * from "./a.js";', r"main\.js: export \*"),
        ('import { a } from "./b.js";', r"main\.js imports b\.js, which does not exist"),
        ('import { a } from "./main.js";', r"main\.js → main\.js: expected no module to import itself"),
    ],
)
def test_what_can_not_be_joined_is_an_error(source: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        join("main.js", {"main.js": source, "a.js": ""}, apart=vendored)
