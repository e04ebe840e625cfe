"""The client in a terminal: a prompt below the scrollback of the terminal itself."""
