"""Reads HOCON (https://github.com/lightbend/config/blob/main/HOCON.md) as Lightbend's own reader does.

    text --tokens--> tokens --parser--> statements --building--> values --resolving--> resolved values --reader--> Tree

`tokens`, `words`, `paths`
    What a text is made of: tokens with their places, numbers that remember how they are written, names with dots.
`parser`
    From tokens to statements.
`files`, `properties`
    Which file an `include` means, and what is in it.
`values`, `building`
    From the statements of all files to one tree of values, in which later ones hide or extend earlier ones.
`joining`, `resolving`
    What substitutions stand for, and what values that stand beside each other make.
`reader`
    Reader, which does all of this, and Tree, its result.
`bounds`
    How large a configuration may be.

pyhocon's grammar and resolution aren't used: the grammar drops white space, tabs, empty texts and the digits of numbers
before anyone can correct it, and takes `5 minutes` for a period; its resolution appends by replacing, and its errors
name no file. Reading with it and correcting it took ten times as long as reading without it. Its ConfigTree is what
modules get that read a whole group (`config.groups`).
"""

from config.hocon.bounds import BOUNDS, Bounds
from config.hocon.paths import split
from config.hocon.reader import Reader, Tree

__all__ = ["BOUNDS", "Bounds", "Reader", "Tree", "split"]
