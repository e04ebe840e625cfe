"""The configuration: HOCON to typed, frozen settings. Nothing here knows the application."""

from config.errors import ConfigurationError, Origin
from config.settings import App, Deployment, Settings, Tls, WebSockets, find, load, shipped
from config.values import Duration, Port, Size

__all__ = [
    "App",
    "ConfigurationError",
    "Deployment",
    "Duration",
    "Origin",
    "Port",
    "Settings",
    "Size",
    "Tls",
    "WebSockets",
    "find",
    "load",
    "shipped",
]
