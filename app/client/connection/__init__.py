"""The connection to the server: how it is made, carried, and made again when it is lost."""
