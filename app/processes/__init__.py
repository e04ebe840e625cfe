"""Processes of the server's own, for work that must not hold up its event loop.

The server starts them when it first needs them. It sends them requests by their standard input, and they answer by
their standard output. Their input ends with the server, however that ends, and they end with it.
"""
