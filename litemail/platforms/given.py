"""What people give for a platform account, and what a platform takes of it by its declaration."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from litemail.kit.actor import Mode
from litemail.kit.errors import Detail
from litemail.kit.outbound import OutboundError, check_url
from litemail.providers.platform import Adapter

_OPTIONAL = ("workspace",)
_LOGIN = ("platform_email", "platform_pass")


@dataclass(frozen=True)
class GivenAccount:
    """The fields of a request; None for what was left out."""

    platform_type: str
    platform_email: str | None = None
    platform_pass: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    url: str | None = None
    workspace: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    label: str | None = None


def faults(given: GivenAccount, adapter: Adapter, *, mode: Mode) -> Iterator[Detail]:
    """What the platform needs and was not given, and what it has no use for."""
    name, declared = adapter.declaration.name, {each.field: each for each in adapter.declaration.credentials}
    has_login = given.platform_email is not None and given.platform_pass is not None
    for each in declared.values():
        needed = each.field not in (*_OPTIONAL, *_LOGIN) and not (each.field == "api_key" and has_login)
        if each.field == "url":
            continue  # `url_faults` tells
        if needed and getattr(given, each.field) is None:
            yield Detail(each.field, f"{name} needs this: {each.label}, found at {each.where}")
    if given.platform_pass is not None and given.platform_email is None:
        yield Detail("platform_email", "goes with platform_pass")
    if has_login and given.api_key is None and adapter.exchange is None:
        yield Detail("platform_pass", f"a {name} password is not kept; store an API key instead")
    for unused in ("client_id", "client_secret"):
        if getattr(given, unused) is not None and unused not in declared:
            yield Detail(unused, f"{name} has none")
    if given.workspace is not None and "workspace" not in declared:
        yield Detail("workspace", f"an API key of {name} belongs to one workspace already")
    yield from url_faults(given.url, adapter, mode=mode, field="url")


def url_faults(url: str | None, adapter: Adapter, *, mode: Mode, field: str) -> Iterator[Detail]:
    """In a sandbox the twin stands in for any platform, so a URL need not be given and only has to be one.

    Whether its host may be reached is for the guard to say, which looks at the address.
    """
    live = adapter.declaration.live
    if url is None:
        if mode == "live" and live is None:
            yield from (
                Detail(field, f"{adapter.declaration.name} needs this: {each.label}. {each.where}")
                for each in adapter.declaration.credentials
                if each.field == "url"
            )
        return
    try:
        target = check_url(url)
    except OutboundError as error:
        yield Detail(field, str(error))
        return
    if (
        mode == "live"
        and live is not None
        and target.host not in {check_url(live.api).host, check_url(live.login).host}
    ):
        yield Detail(field, f"{adapter.declaration.name} is reached at {live.api} only; leave it out")
