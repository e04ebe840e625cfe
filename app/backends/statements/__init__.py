"""The SQL of the embedded store, a file for each part of the interface. The caller opens the transaction.

An error that concerns one call alone is one of `rows.CALL_ERRORS`. Any other error of SQLite concerns the whole store.
"""
