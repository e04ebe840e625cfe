"""The configuration: reads HOCON files into typed, frozen settings. It doesn't depend on `app`.

`settings`
    The settings of the group `app`, and `load`, which reads them from files, flags and the environment.
`schema`
    Turns a group of plain values into a frozen dataclass, for `app` and for modules alike.
`value_types`
    The types of single values: Duration, Size, Port and others.
`groups`
    A group of settings as a module gets it without a dataclass.
`hocon`
    From HOCON text to plain values, each with its place.
`describing`, `printing`, `secrets`
    From settings back to HOCON, for `natter config`, without what is secret.
`ktor_hints`
    What to write instead of the keys of a Ktor configuration.
`errors`
    ConfigurationError, the only error of the package.
"""

from config.errors import ConfigurationError, Origin
from config.settings import App, Deployment, Settings, Tls, WebSockets, find, load, shipped
from config.value_types import Duration, Port, Size

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
