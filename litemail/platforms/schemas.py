"""Wire shapes of platforms."""

from typing import Literal

import msgspec

from litemail.providers.platform import Declaration


class Credential(msgspec.Struct, frozen=True):
    """One thing to enter for a platform account, and where it is found at the platform."""

    field: str
    label: str
    where: str


class Limits(msgspec.Struct, frozen=True):
    """What Litemail allows itself per platform account, below the platform's own limits."""

    requests_per_second: float
    requests_per_minute: float
    concurrency: int


class Platform(msgspec.Struct, frozen=True):
    platform_type: str
    name: str
    connects: Literal["api", "file"]
    credentials: list[Credential]
    limits: Limits
    sandbox_twin: bool
    verified_live: bool


def show_platform(declaration: Declaration) -> Platform:
    limits = declaration.limits
    return Platform(
        platform_type=declaration.platform_type,
        name=declaration.name,
        connects="api",
        credentials=[Credential(each.field, each.label, each.where) for each in declaration.credentials],
        limits=Limits(limits.per_second, limits.per_minute, limits.concurrency),
        sandbox_twin=declaration.sandbox_twin,
        verified_live=declaration.verified_live,
    )
