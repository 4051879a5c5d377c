"""What the server is fed with: plain values."""

import msgspec


class Redirect(msgspec.Struct, frozen=True):
    """One domain, normalised. With `keep_path` the path and query of the request are added to those of the URL."""

    name: str
    url: str
    permanent: bool = True
    keep_path: bool = False
