"""The route that connects domains: to our name servers, or with their DNS at their owner's provider."""

import asyncio
from functools import partial

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody

from litemail.domains import previewing, publishing, service
from litemail.domains.dns_doors import Access, DnsDoors
from litemail.domains.publishing_schemas import DnsAtProvider, Plans, show_plans
from litemail.domains.schemas import DomainsConnect
from litemail.kit import bulk
from litemail.kit.actor import Actor, requires
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.idempotency import Call
from litemail.kit.secrets import Secrets
from litemail.kit.two_steps import ask_then_act
from litemail.kit.wire import Given, operation


class NothingToPlan(Error):
    kind = Kind.INVALID
    code = "domain.nothing_to_plan"
    message = "With hosted DNS nothing is written anywhere else, so there is no plan to show."
    action = "Leave dry_run out, or name a provider in dns."


@post(
    "/domains/connect",
    status_code=bulk.ACCEPTED,
    **operation(
        "Connect domains that you own",
        description="1 to 200 names, answered one by one. With hosted DNS each gets name servers of its own: enter "
        "them at your registrar, see GET /v1/domains/name-servers; the domain is active soon after.\n\n"
        "With `dns: {provider, credentials}` the DNS stays where it is, and our records are published there, without "
        "touching yours. `?dry_run=true` answers 200 with the plans: what would be created and deleted in each zone, "
        "and which of your records ours cannot stand beside. Those are replaced only with `replace: true`; until then "
        "the domain waits and says so. Calling again for such a domain goes on with what is sent then.",
        group="Domains",
        scope=requires("domains:write"),
        errors=(
            "bulk.rejected",
            "bulk.not_all_accepted",
            "domain.nothing_to_plan",
            "dns_provider.unknown",
            "dns_provider.credentials_incomplete",
            "dns_provider.bad_credentials",
            "dns_provider.not_permitted",
            "dns_provider.bad_address",
            "dns_provider.unavailable",
            "dns_provider.no_answer",
            "outbound.url_invalid",
            "outbound.address_not_allowed",
            "sandbox.outside_host",
        ),
        example={
            "results": [
                {"index": 0, "status": "accepted", "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "error": None},
                {
                    "index": 1,
                    "status": "rejected",
                    "id": None,
                    "error": {
                        "code": "domain.public_suffix",
                        "message": "co.uk is a public suffix: names are registered under it, but it is nobody's own.",
                        "action": "Enter a name under it, such as example.co.uk.",
                        "retryable": False,
                    },
                },
            ],
            "accepted": 1,
            "rejected": 1,
        },
        request_example={"domains": ["getbrandmerge.test", "co.uk"]},
    ),
)
async def connect_domains(
    data: JSONBody[DomainsConnect],
    call: Given[Call | None],
    database: Given[Database],
    actor: Given[Actor],
    secrets: Given[Secrets],
    dns_doors: Given[DnsDoors],
    name_server_pool: Given[tuple[str, ...]],
    mail_hostname: Given[str],
    mailboxes_per_domain: Given[int],
    dry_run: FromQuery[bool] = False,
) -> Response[BulkResult | Plans]:
    house = service.Claiming(name_server_pool, mail_hostname, mailboxes_per_domain)
    at_provider = data.dns
    if dry_run:
        return Response(await _plans(data, at_provider, actor, database, dns_doors, house), status_code=200)

    async def ask() -> Access | None:
        return None if at_provider is None else await _verified(at_provider, dns_doors, actor)

    async def act(tx: Tx, access: Access | None) -> BulkResult:
        if at_provider is None or access is None:
            return await service.connect(tx, data.domains, house, all_or_nothing=data.all_or_nothing)
        return await publishing.connect(
            tx,
            data.domains,
            access,
            replace=at_provider.replace,
            all_or_nothing=data.all_or_nothing,
            secrets=secrets,
            house=house,
        )

    begin = partial(database.begin, actor)
    done = await ask_then_act(begin, call, ask, act, BulkResult, secrets=secrets, status=bulk.ACCEPTED)
    return Response(done.content, status_code=done.status_code, headers=done.headers)


async def _verified(at_provider: DnsAtProvider, doors: DnsDoors, actor: Actor) -> Access:
    """Raises what reading the credentials raises, and what the provider says of them."""
    access = doors.read(at_provider.provider, at_provider.credentials, mode=actor.mode, field="dns")
    await publishing.verify(access, doors, mode=actor.mode)
    return access


async def _plans(
    data: DomainsConnect,
    at_provider: DnsAtProvider | None,
    actor: Actor,
    database: Database,
    doors: DnsDoors,
    house: service.Claiming,
) -> Plans:
    """Raises NothingToPlan, and what verifying the credentials raises."""
    if at_provider is None:
        raise NothingToPlan(field="dns")
    deadline = asyncio.get_running_loop().time() + previewing.WITHIN
    access = await _verified(at_provider, doors, actor)
    async with database.begin(actor) as tx:
        wanted = await previewing.drafts(tx, data.domains, mail_hostname=house.mail_hostname)
    previews = await previewing.preview(
        wanted, access, doors, mode=actor.mode, replace=at_provider.replace, deadline=deadline
    )
    return show_plans(previews)


ROUTES: list[HTTPRouteHandler] = [connect_domains]
