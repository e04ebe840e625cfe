"""The SQL of the embedded backend: each call of the interface, on a connection and inside whatever transaction is open.

What a caller alone got wrong raises one of `rows.WRONG`; any other error of SQLite's concerns the store.
"""

from app.backends.statements.appending import append as append
