"""The handle of a running IMAP server; apart, so that it can be named without loading the engine."""

from collections.abc import Awaitable, Callable


class ImapServer:
    """A running listener."""

    def __init__(self, *, port: int, close: Callable[[], Awaitable[None]]) -> None:
        self.port = port
        self._close = close

    async def close(self) -> None:
        """Stop accepting, let running commands finish, say BYE to the others; returns when all are closed."""
        await self._close()
