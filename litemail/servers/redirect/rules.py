"""All redirects of a server, and where each sends a request."""

from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from litemail.servers.redirect.data import Redirect

_KEPT = "/%?:@!$&'()*+,;=-._~"  # RFC 3986 section 3.3; what is escaped already stays as it is


class Rule:
    """A redirect, taken apart once. `host` is where it leads."""

    __slots__ = ("_before", "_fragment", "_query", "host", "redirect")

    def __init__(self, redirect: Redirect) -> None:
        url = urlsplit(redirect.url)
        self.redirect = redirect
        self.host = url.hostname or ""
        self._before = f"{url.scheme}://{url.netloc}{url.path.removesuffix('/')}"
        self._query = url.query
        self._fragment = f"#{url.fragment}" if url.fragment else ""

    def location(self, target: str) -> str:
        """Where a request for `target`, a path with its query as it came, is sent. The host is always the URL's."""
        if not self.redirect.keep_path:
            return self.redirect.url
        path, _, query = quote(target, safe=_KEPT, encoding="latin-1").partition("?")
        together = "&".join(filter(None, (self._query, query)))
        return self._before + path + (f"?{together}" if together else "") + self._fragment


class Rules:
    """Used in one event loop only; every change is seen by the next request."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def replace_all(self, redirects: Iterable[Redirect]) -> None:
        """Serve exactly these."""
        self._rules = {redirect.name: Rule(redirect) for redirect in redirects}

    def put(self, redirect: Redirect) -> None:
        self._rules[redirect.name] = Rule(redirect)

    def remove(self, name: str) -> None:
        self._rules.pop(name, None)

    def find(self, host: str) -> Rule | None:
        """The rule of a host in lower case: a domain's own name, or www below it."""
        return self._rules.get(host) or self._rules.get(host.removeprefix("www."))

    def leads_back(self, rule: Rule) -> bool:
        """Whether a browser would come back for ever.

        What one workspace sets is checked when it is set; here the redirects of several meet.
        """
        seen = {rule.redirect.name}
        following = self.find(rule.host)
        while following is not None:
            if following.redirect.name in seen:
                return True
            seen.add(following.redirect.name)
            following = self.find(following.host)
        return False
