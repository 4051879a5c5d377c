"""The way to a platform: where it is, also where each customer has an instance, and at which pace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from litemail.app import vendors
from litemail.kit.actor import Mode
from litemail.kit.outbound import CUSTOMER_MAIL, AddressNotAllowed, Guard, HostNotFound, OutboundError, Resolver
from litemail.platforms import Doors, url_faults
from litemail.platforms.accounts import Draft, verify
from litemail.platforms.given import GivenAccount
from litemail.providers.platform import Credentials, Reach, Site, registry

PLATFORMS = registry(vendors.adapters())


def said(url: str | None, *, mode: Mode = "live", platform_type: str = "emailbison") -> str:
    found = url_faults(url, PLATFORMS.get(platform_type), mode=mode, field="platform_url")
    return "; ".join(f"{fault.field}: {fault.message}" for fault in found)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "platform_url: EmailBison needs this: Address of your instance"),
        ("http://dedi.emailbison.com", "https"),
        ("https://10.0.0.1", "10.0.0.1"),
        ("https://127.0.0.1:8443/", "127.0.0.1"),
        ("https://[::1]/", "::1"),
        ("https://user@dedi.emailbison.com", "user name"),
        ("dedi.emailbison.com", "https"),
        ("https://", "host"),
    ],
)
def test_an_instance_needs_a_public_address_over_https(url: str | None, words: str) -> None:
    assert words in said(url)


def test_a_good_address_is_taken_and_in_a_sandbox_none_is_needed() -> None:
    assert said("https://dedi.emailbison.com/login") == ""
    assert said(None, mode="sandbox") == ""
    assert "https" in said("ftp://x", mode="sandbox")


def test_other_platforms_need_no_address_and_take_only_their_own() -> None:
    assert said(None, platform_type="smartlead") == ""
    assert said("https://server.smartlead.ai/api", platform_type="smartlead") == ""
    assert "leave it out" in said("https://smartlead.example.com", platform_type="smartlead")


async def no_such_host(host: str) -> list[str]:
    raise HostNotFound(host=host)


async def inside(_host: str) -> list[str]:
    return ["10.0.0.7"]


def live_doors(resolver: Resolver = no_such_host) -> Doors:
    async def no_rate(workspace_id: str, platform_type: str) -> int | None:
        raise AssertionError

    def site(mode: Mode, workspace_id: str, platform_type: str) -> Site:
        live = PLATFORMS.get(platform_type).declaration.live
        assert live
        return live

    return Doors({"live": Guard(policy=CUSTOMER_MAIL, resolver=resolver)}, site, no_rate)


@asynccontextmanager
async def opened(doors: Doors, platform_type: str, account_id: str, url: str | None = None) -> AsyncIterator[Reach]:
    adapter = PLATFORMS.get(platform_type)
    way = doors.open(adapter, mode="live", workspace_id="ws_1", account_id=account_id, url=url)
    async with way as (reach, limits):
        assert limits == adapter.declaration.limits
        yield reach


async def test_calls_go_to_the_host_of_the_address_whatever_page_it_was_copied_from() -> None:
    async with opened(live_doors(), "emailbison", "pfa_1", "https://dedi.emailbison.com:8443/login?next=/") as reach:
        assert reach.site == Site("https://dedi.emailbison.com:8443", "https://dedi.emailbison.com:8443")


async def test_an_account_keeps_its_pace_from_job_to_job() -> None:
    doors = live_doors()
    paces = []
    for account_id in ("pfa_1", "pfa_2", "pfa_1"):
        async with opened(doors, "smartlead", account_id) as reach:
            paces.append(reach.pacer)
    assert paces[0] is paces[2]
    assert paces[0] is not paces[1]


@pytest.mark.parametrize(("resolver", "error"), [(inside, AddressNotAllowed), (no_such_host, HostNotFound)])
async def test_a_name_that_leads_nowhere_or_inside_is_said_of_the_url(
    resolver: Resolver, error: type[OutboundError]
) -> None:
    url = "https://dedi.example.com"
    given = GivenAccount("emailbison", api_key="k", url=url)
    draft = Draft("pfa_1", PLATFORMS.get("emailbison"), given, Credentials(api_key="k", url=url), None)
    with pytest.raises(error) as raised:
        await verify(draft, doors=live_doors(resolver), mode="live", workspace_id="ws_1")
    assert [detail.field for detail in raised.value.details] == ["url"]
    assert "10.0.0.7" not in str(raised.value)
