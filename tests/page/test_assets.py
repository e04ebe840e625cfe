"""Files with addresses that name their content."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.page.assets import build, reached


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "index.html").write_text('<link href="page.css"><script src="main.js"></script><a href="#x" href="./">')
    (tmp_path / "page.css").write_text('a { background: url("parts/dot.svg") } b { background: url(data:image/png,x) }')
    (tmp_path / "main.js").write_text('import { a } from "./parts/a.js";\nconst b = () => import("./parts/b.js");\n')
    (tmp_path / "parts/a.js").write_text('export { c as a } from "./c.js";\n')
    (tmp_path / "parts/b.js").write_text("import '../parts/c.js';\n")
    (tmp_path / "parts/c.js").write_text("export const c = 1;\n")
    (tmp_path / "parts/dot.svg").write_text("<svg/>")
    (tmp_path / "parts/c.d.ts").write_text("export const c: number;\n")
    return tmp_path


def urls(folder: Path) -> dict[str, str]:
    return {name: asset.url for name, asset in build(folder, ["index.html"]).items()}


def test_references_are_to_the_addresses_of_content(folder: Path) -> None:
    assets = build(folder, ["index.html"])
    assert set(assets) == {"index.html", "page.css", "main.js", *(f"parts/{name}" for name in DEEPER)}
    a, b, c, dot = (assets[f"parts/{name}"].url for name in DEEPER)
    assert c.startswith("assets/parts/c.")
    assert c.endswith(".js")
    assert len(c) == len("assets/parts/c.js") + 13
    page, main = assets["page.css"], assets["main.js"]
    assert page.content.decode() == (
        f'a {{ background: url("{dot.removeprefix("assets/")}") }} b {{ background: url(data:image/png,x) }}'
    )
    assert main.content.decode() == (
        f'import {{ a }} from "./{a.removeprefix("assets/")}";\n'
        f'const b = () => import("./{b.removeprefix("assets/")}");\n'
    )
    assert assets["parts/b.js"].content.decode() == f"import './{c.removeprefix('assets/parts/')}';\n"
    assert assets["index.html"].url == "index.html"
    assert assets["index.html"].content.decode() == (
        f'<link href="{page.url}"><script src="{main.url}"></script><a href="#x" href="./">'
    )


DEEPER = ("a.js", "b.js", "c.js", "dot.svg")


def test_a_change_gives_new_addresses_to_all_that_lead_to_it_and_no_others(folder: Path) -> None:
    before = urls(folder)
    (folder / "parts/b.js").write_text("import '../parts/c.js';\n// another\n")
    after = urls(folder)
    assert {name for name in after if after[name] != before[name]} == {"main.js", "parts/b.js"}
    (folder / "parts/c.js").write_text("export const c = 2;\n")
    changed = {name for name in after if urls(folder)[name] != after[name]}
    assert changed == {"main.js", "parts/a.js", "parts/b.js", "parts/c.js"}


def test_what_a_module_needs_at_once_is_told_from_what_it_may_load(folder: Path) -> None:
    assets = build(folder, ["index.html"])
    assert reached(assets, ["main.js"], static=True) == ["main.js", "parts/a.js", "parts/c.js"]
    assert reached(assets, ["main.js"]) == ["main.js", "parts/a.js", "parts/b.js", "parts/c.js"]


@pytest.mark.parametrize(
    "comment",
    [
        '/** @param {import("./gone.js").Gone} gone */',
        '/**\n * @typedef {import("./gone.js").Gone} Gone\n */',
        '// import "./gone.js"',
        '  /* import "./gone.js" */',
        'const a = /** @type {import("./gone.js").Gone} */ (1);',
    ],
)
def test_what_a_comment_names_is_no_reference(folder: Path, comment: str) -> None:
    (folder / "parts/c.js").write_text(f'{comment}\nimport "./d.js";\n')
    (folder / "parts/d.js").write_text("")
    asset = build(folder, ["index.html"])["parts/c.js"]
    assert asset.refers == ("parts/d.js",)
    lines = asset.content.decode().split("\n")
    assert not re.search(r"/\*|\*/|//", "".join(lines))
    imported = build(folder, [])["parts/d.js"].url.removeprefix("assets/parts/")
    assert lines.index(f'import "./{imported}";') == comment.count("\n") + 1


def test_what_only_looks_like_a_comment_stays(folder: Path) -> None:
    source = "const a = 'https://example.com'; // behind code\nconst b = 2 /* in code */ + 1;\nconst c = 'image/*';\n"
    (folder / "parts/c.js").write_text(source)
    assert build(folder, [])["parts/c.js"].content.decode() == source


def test_others_keep_what_they_say_about_their_files(folder: Path) -> None:
    (folder / "vendor").mkdir()
    (folder / "vendor/other.js").write_text("// Copyright\nexport {};\n")
    assert build(folder, [])["vendor/other.js"].content == b"// Copyright\nexport {};\n"


def test_a_multi_line_import_counts(folder: Path) -> None:
    (folder / "parts/a.js").write_text('import {\n  c,\n} from "./c.js";\n')
    assert build(folder, ["index.html"])["parts/a.js"].imports == ("parts/c.js",)


def test_a_reference_to_nothing_is_an_error(folder: Path) -> None:
    (folder / "parts/c.js").write_text('import "./gone.js";\n')
    with pytest.raises(ValueError, match=r"^parts/c\.js refers to \./gone\.js: .* there is no parts/gone\.js$"):
        build(folder, ["index.html"])


def test_files_that_lead_to_each_other_are_an_error(folder: Path) -> None:
    (folder / "parts/c.js").write_text('import "./a.js";\n')
    with pytest.raises(ValueError, match=r"^parts/(a|c)\.js ← parts/(a|c)\.js ← parts/(a|c)\.js: expected no file"):
        build(folder, ["index.html"])


def test_the_entry_and_what_it_imports_are_one_file(folder: Path) -> None:
    (folder / "parts/b.js").write_text("")
    (folder / "parts/a.js").write_text('import { c } from "./c.js";\nexport const a = c;\n')
    assets = build(folder, ["index.html"], "main.js")
    assert {name for name in assets if name.endswith(".js")} == {"main.js", "parts/b.js"}
    assert assets["main.js"].refers == ("parts/b.js",)
    assert b"const c = 1;" in assets["main.js"].content


def test_what_is_loaded_later_is_a_file_without_what_is_joined(folder: Path) -> None:
    (folder / "parts/a.js").write_text('import { c } from "./c.js";\nexport const a = c;\n')
    (folder / "parts/b.js").write_text('import { c } from "./c.js";\nexport const b = c;\n')
    assets = build(folder, ["index.html"], "main.js")
    assert assets["parts/b.js"].refers == ()
    assert b"const c = 1;" not in assets["parts/b.js"].content
