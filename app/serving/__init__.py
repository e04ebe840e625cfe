"""The server: uvicorn with our settings, and the checks that every WebSocket passes first."""
