"""Addresses with ports, as settings name them."""

from ipaddress import ip_address

_LAST_PORT = 65535


def read_endpoints(text: str) -> list[tuple[str, int]]:
    """The entries of a list such as `127.0.0.1:8081, [::1]:8081`. Raises ValueError."""
    return [_read(entry) for entry in filter(None, map(str.strip, text.split(",")))]


def _read(entry: str) -> tuple[str, int]:
    host, _, port = entry.rpartition(":")
    try:
        address = str(ip_address(host.removeprefix("[").removesuffix("]")))
        number = int(port)
    except ValueError:
        raise ValueError(f"{entry!r} is not an address and a port, such as 127.0.0.1:8081") from None
    if not 0 < number <= _LAST_PORT:
        raise ValueError(f"{number} is not a port")
    return address, number
