"""How bytes leave. `stock` works over any ASGI server; `strict` is uvicorn's WebSocket protocol without its faults."""
