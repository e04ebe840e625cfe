"""What nodes tell each other goes over a subject that nothing stores: it is lost for those who aren't connected."""

from __future__ import annotations

from collections.abc import Callable

from app.backends import Watcher
from app.backends.followers import Followers
from app.backends.nats.log import Log


class Telling:
    """Passes on what this node tells, and to its watchers what others do. Every message begins with the run of its
    node, so that nobody hears itself."""

    def __init__(self, log: Log, subject: str) -> None:
        self._log, self._subject = log, subject
        self._watchers: Followers[Watcher] = Followers()

    def begin(self) -> None:
        """Listen, once the log is open."""
        self._log.call_soon(lambda: self._log.engine.listen(self._subject, self._heard))

    def tell(self, payload: bytes) -> None:
        """Tell the others. For any thread."""
        message = self._log.run + payload
        self._log.call_soon(lambda: self._log.engine.tell(self._subject, message))

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with what others tell, until the returned function is called."""
        return self._watchers.add(watcher)

    def _heard(self, message: bytes, _: int) -> None:
        if message.startswith(self._log.run):
            return
        payload = message[len(self._log.run) :]
        for watcher in self._watchers:
            watcher(payload)
