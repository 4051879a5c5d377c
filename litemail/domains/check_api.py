"""Routes of what the DNS says about a domain: checks, DMARC, DKIM."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.domains import checking, dmarc_policies, rotating
from litemail.domains.check_schemas import DmarcSet, DnsCheck, Rotation, show_dns_check, show_rotation
from litemail.domains.looking import Parents
from litemail.kit.actor import Actor, requires
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Database, Tx
from litemail.kit.wire import Given, operation
from litemail.providers.dns import Resolvers

_OK: dict[str, object] = {"state": "ok", "resolver_answers": [], "message": None, "lookups": None}
_MX = "10 mail.litemail.test"
_POLICY = "v=DMARC1; p=none; rua=mailto:dmarc-reports@mail.litemail.test"
EXAMPLE = {
    "domain": "getbrandmerge.test",
    "checked_at": "2026-01-29T18:41:56.867Z",
    "checks": {
        "mx": {**_OK, "expected": [_MX], "found": [_MX]},
        "spf": {**_OK, "expected": ["v=spf1 mx -all"], "found": ["v=spf1 mx -all"], "lookups": 1},
        "dkim": {
            "state": "missing",
            "expected": ["lm1._domainkey.getbrandmerge.test v=DKIM1; k=rsa; p=MIIBIjAN..."],
            "found": [],
            "resolver_answers": [
                {
                    "name": "lm1._domainkey.getbrandmerge.test",
                    "resolver": "ns04.litemail.test",
                    "authoritative": True,
                    "found": [],
                    "error": None,
                }
            ],
            "message": "There is no key at lm1._domainkey.getbrandmerge.test. Publish: TXT "
            "lm1._domainkey.getbrandmerge.test v=DKIM1; k=rsa; p=MIIBIjAN....",
            "lookups": None,
        },
        "dmarc": {**_OK, "expected": [_POLICY], "found": [_POLICY]},
        "ns": {
            **_OK,
            "expected": ["ns04.litemail.test", "ns11.litemail.test"],
            "found": ["ns04.litemail.test", "ns11.litemail.test"],
        },
    },
    "refreshing": False,
}


@get(
    "/domains/dns-check",
    **operation(
        "Check what the DNS says about a domain",
        description="The last result. `?refresh=true` asks the domain's own servers and several resolvers now, at most "
        "once in 10 seconds; sooner, and where they take too long, it is the last result. In between it is "
        "asked about once a day. `state` is `ok`, `missing`, `wrong`, or `unknown` while nobody can tell.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("domain.not_found",),
        example=EXAMPLE,
    ),
)
async def check_dns(
    database: Given[Database],
    actor: Given[Actor],
    parents: Given[Parents],
    resolvers: Given[Resolvers],
    mail_hostname: Given[str],
    domain: FromQuery[str],
    refresh: FromQuery[bool] = False,
) -> DnsCheck:
    if not refresh:
        return show_dns_check(await checking.last(database, actor, domain))
    return show_dns_check(
        await checking.refresh(
            database, actor, domain, parents=parents, resolvers=resolvers, mail_hostname=mail_hostname
        )
    )


@post(
    "/domains/dmarc",
    status_code=200,
    **operation(
        "Set the DMARC policy of domains",
        description="What receivers are to do with mail that is neither signed by the domain nor sent from its mail "
        "host. Begin with `none`, read the reports, go on to `quarantine` and `reject`. A DMARC record of your own is "
        "replaced.",
        group="Domains",
        scope=requires("domains:write"),
        errors=("bulk.rejected", "bulk.not_all_accepted"),
        example={
            "results": [{"index": 0, "status": "accepted", "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "error": None}],
            "accepted": 1,
            "rejected": 0,
        },
        request_example={
            "domains": ["getbrandmerge.test"],
            "policy": "quarantine",
            "rua": ["dmarc@getbrandmerge.test"],
            "pct": 25,
        },
    ),
)
async def set_dmarc(data: JSONBody[DmarcSet], tx: Given[Tx], mail_hostname: Given[str]) -> BulkResult:
    return await dmarc_policies.set_policy(
        tx, data.domains, data.asked(), mail_hostname=mail_hostname, all_or_nothing=data.all_or_nothing
    )


@post(
    "/domains/{domain:str}/dkim/rotate",
    status_code=202,
    **operation(
        "Change the DKIM keys of a domain",
        description="The next keys are published, waited for until they are served, and then sign; the event "
        "`domain.dkim_rotated` says so. The old ones stay in the DNS for 7 days, for the mail that is under way.",
        group="Domains",
        scope=requires("domains:write"),
        errors=("domain.not_found", "domain.not_active", "domain.rotation_running"),
        example={
            "domain": "getbrandmerge.test",
            "status": "publishing",
            "signing": ["lm1", "lm1e"],
            "next": ["lm2", "lm2e"],
        },
    ),
)
async def rotate_dkim(domain: FromPath[str], tx: Given[Tx]) -> Rotation:
    return show_rotation(await rotating.start(tx, domain))


ROUTES: list[HTTPRouteHandler] = [check_dns, set_dmarc, rotate_dkim]
