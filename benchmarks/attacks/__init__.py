"""Attacks on a server of one's own, each beside a bystander: what it takes from others, and what stops it.

`families` has the attacks. `attack.py` is what they are made of, `attacker.py` the process that runs one of them, and
`scene.py` measures.
"""
