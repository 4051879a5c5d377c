"""Which platforms there are: all names of the API, and the adapters that were built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from litemail.providers.platform.base import Adapter
from litemail.providers.platform.errors import FileOnly, UnknownPlatform


class Platform(msgspec.Struct, frozen=True):
    """A platform that Litemail knows by name: connected through its `api`, or served with a `file` to upload."""

    platform_type: str
    name: str
    connects: Literal["api", "file"]


PLATFORMS = (
    Platform("instantly", "Instantly", "api"),
    Platform("smartlead", "Smartlead", "api"),
    Platform("lemlist", "lemlist", "api"),
    Platform("emailbison", "EmailBison", "api"),
    Platform("salesforge", "Salesforge", "api"),
    Platform("plusvibe", "PlusVibe", "api"),
    Platform("saleshandy", "Saleshandy", "api"),
    Platform("woodpecker", "Woodpecker", "api"),
    Platform("reply_io", "Reply.io", "file"),
    Platform("snov", "Snov.io", "file"),
    Platform("outreach", "Outreach", "file"),
    Platform("trulyinbox", "TrulyInbox", "file"),
    Platform("mailreach", "MailReach", "file"),
    Platform("warmup_inbox", "Warmup Inbox", "file"),
    Platform("reachinbox", "ReachInbox", "file"),
    Platform("quickmail", "QuickMail", "file"),
    Platform("apollo", "Apollo", "file"),
    Platform("mailshake", "Mailshake", "file"),
    Platform("klenty", "Klenty", "file"),
    Platform("brandjet", "BrandJet", "file"),
    Platform("generic", "Generic", "file"),
)
_BY_TYPE = {platform.platform_type: platform for platform in PLATFORMS}


@dataclass(frozen=True)
class Registry:
    """The adapters of this installation, by platform type, in the order of `PLATFORMS`."""

    adapters: Mapping[str, Adapter]

    def get(self, platform_type: str, *, field: str = "platform_type", besides: Sequence[str] = ()) -> Adapter:
        """The adapter. Raises `UnknownPlatform` (which lists the ones to choose from, and what the request's `field`
        takes `besides`) or `FileOnly`, each about that field.
        """
        adapter = self.adapters.get(platform_type)
        if adapter is not None:
            return adapter
        platform = _BY_TYPE.get(platform_type)
        if platform is not None and platform.connects == "file":
            raise FileOnly(name=platform.name, field=field)
        known = ", ".join((*besides, *_BY_TYPE))
        raise UnknownPlatform(platform_type=platform_type[:50], known=known, field=field)


def registry(adapters: Sequence[Adapter]) -> Registry:
    by_type = {adapter.declaration.platform_type: adapter for adapter in adapters}
    return Registry({name: by_type[name] for name in _BY_TYPE if name in by_type})
