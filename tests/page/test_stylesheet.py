"""Stylesheets that are joined into one have the same rules as separate ones."""

from __future__ import annotations

import pytest

from app.page.stylesheet import join

SOURCES = {
    "css/page.css": '/* The page. */\n@import "tokens.css";\n@import "people.css";\nb { top: 1px }\n',
    "css/people.css": '@import "hues.css";\n.name { left: 1px }\n',
    "css/hues.css": "/* Two\n lines */\n\n.hue { right: 1px }\n",
    "css/tokens.css": ":root { bottom: 1px }\n",
    "offline.css": "a { top: 2px }\n",
}


def test_imports_are_put_in_their_place_without_comments() -> None:
    assert join(SOURCES) == {
        "css/page.css": ":root { bottom: 1px }\n.hue { right: 1px }\n.name { left: 1px }\nb { top: 1px }\n",
        "offline.css": "a { top: 2px }\n",
    }


def test_two_stylesheets_may_import_the_same() -> None:
    sources = {"a.css": '@import "c.css";\n', "b.css": '@import "c.css";\n', "c.css": "i { top: 1px }\n"}
    assert join(sources) == {"a.css": "i { top: 1px }\n", "b.css": "i { top: 1px }\n"}


@pytest.mark.parametrize(
    ("sheet", "problem"),
    [
        ('@import "gone.css";\n', r"a\.css imports gone\.css, which does not exist"),
        ('@import "css/b.css";\n', r"a\.css imports css/b\.css: expected a stylesheet in the same folder"),
        ('@import "b.css";\n', r"a\.css → b\.css → b\.css: expected no stylesheet to import itself"),
    ],
)
def test_an_import_that_can_not_be_joined_is_an_error(sheet: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        join({"a.css": sheet, "b.css": '@import "b.css";\n'})
