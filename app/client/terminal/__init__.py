"""The client in a terminal: a prompt below the scrollback of the terminal itself.

`launch` puts the parts together. `session` is the controller, `presenter` what it shows, `screen` and `dumb` the two
kinds of terminals that show it.
"""
