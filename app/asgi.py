"""The application for servers that need one by name: `hypercorn app.asgi:application`."""

from app.application import create_app

application = create_app()
