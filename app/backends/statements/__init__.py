"""The SQL of the embedded backend: a function for each call of the interface. The caller opens the transaction.

An error that concerns one call alone is one of `rows.CALL_ERRORS`. Any other error of SQLite concerns the whole store.
"""

from app.backends.statements.appending import append as append
