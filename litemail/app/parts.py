"""The parts of a process: each opens its servers in a house and closes them again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypeVar

from litemail import worker
from litemail.app import dns_providers, forwarding, outside, payments, registrars, terms, vendors
from litemail.app.house import House, Part
from litemail.app.uses import KeyUses
from litemail.config import Settings
from litemail.domains import Parents
from litemail.kit import http_server, local_ca
from litemail.kit.db import DatabaseUnavailable
from litemail.kit.http_server import PortTaken
from litemail.mailboxes import MailAccess
from litemail.protocols import names
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns import FixedParent, PublicParents, parse_resolvers
from litemail.providers.dns.txt import TxtLookup
from litemail.providers.mailhost import preset_hosts
from litemail.providers.platform import registry
from litemail.servers import dns, imap, redirect, smtp
from litemail.servers.dns.backend import DatabaseBackend
from litemail.servers.dns.data import ZoneData
from litemail.servers.erasing import erasing
from litemail.servers.feed import follow
from litemail.servers.imap.backend import MailboxBackend as ImapMailboxes
from litemail.servers.redirect.backend import DatabaseBackend as Redirects
from litemail.servers.sandbox import api as sandbox_api
from litemail.servers.sandbox import clock_api as sandbox_clock_api
from litemail.servers.sandbox import gateway_jobs, pay
from litemail.servers.sandbox import platforms_api as sandbox_platforms_api
from litemail.servers.sandbox import registrar_api as sandbox_registrar_api
from litemail.servers.sandbox import wallet_api as sandbox_wallet_api
from litemail.servers.sandbox.app import create_app
from litemail.servers.sandbox.backend import SqlStore
from litemail.servers.sandbox.behaviour import Sandbox
from litemail.servers.sandbox.mail import ImapTwin, SmtpTwin
from litemail.servers.sandbox.registrar import SandboxRegistrar
from litemail.servers.sign_in import SignIns
from litemail.servers.smtp.backend import MailboxBackend as SmtpMailboxes
from litemail.web import api as web_api
from litemail.web import confirmations, internal, purchase_page, system

Server = TypeVar("Server")
Opened = AbstractAsyncContextManager[Mapping[str, int]]
NAME_SERVERS = 16


@asynccontextmanager
async def dns_part(house: House) -> AsyncIterator[Mapping[str, int]]:
    zones = dns.Zones()
    backend = DatabaseBackend(
        house.database, house.listener, contact=house.settings.hostmaster, own=_own_zones(house.settings)
    )
    loaded = asyncio.Event()
    feeding = asyncio.create_task(dns.follow(backend, zones, loaded=loaded), name="zones")
    try:
        await loaded.wait()
        server = await _bound("dns_port", house, lambda port: dns.serve(house.settings.host, port, zones))
        try:
            yield {"dns": server.port}
        finally:
            await server.close()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


@asynccontextmanager
async def mail_part(house: House) -> AsyncIterator[Mapping[str, int]]:
    from litemail.servers.imap.store import Store  # noqa: PLC0415 - the engine is heavy and only this part needs it

    settings = house.settings
    tls = await asyncio.to_thread(_server_tls, house, outside.own_names(house))
    sign_ins = SignIns(house.database, house.secrets)
    store = Store()
    boxes = ImapMailboxes(sign_ins, mail_root=house.mail_root)
    mail = SmtpMailboxes(
        database=house.database,
        secrets=house.secrets,
        sign_ins=sign_ins,
        mail_root=house.mail_root,
        txt_lookup=TxtLookup(lambda: (settings.reachable_host, house.ports["dns"])),
        daily_limit=settings.mailbox_daily_limit,
        forwarding_limit=settings.forwarding_daily_limit,
        delivered=store.delivered,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(erasing(house.database, house.mail_root))
        stack.push_async_callback(store.close)
        mx = await _bound(
            "smtp_port",
            house,
            lambda port: smtp.serve_mx(
                mail, host=settings.host, port=port, ssl_context=tls, hostname=settings.mx_hostname
            ),
        )
        stack.push_async_callback(mx.close)
        submission = await _bound(
            "submission_port",
            house,
            lambda port: smtp.serve_submission(
                mail, host=settings.host, port=port, ssl_context=tls, hostname=settings.mx_hostname
            ),
        )
        stack.push_async_callback(submission.close)
        serve_imap = partial(imap.serve, boxes, host=settings.host, ssl_context=tls, store=store)
        plain = await _bound("imap_port", house, lambda port: serve_imap(port=port, implicit_tls=False))
        stack.push_async_callback(plain.close)
        secure = await _bound("imaps_port", house, lambda port: serve_imap(port=port, implicit_tls=True))
        stack.push_async_callback(secure.close)
        yield {"smtp": mx.port, "submission": submission.port, "imap": plain.port, "imaps": secure.port}


@asynccontextmanager
async def redirect_part(house: House) -> AsyncIterator[Mapping[str, int]]:
    """The servers that forward the web: HTTP, and HTTPS where certificates are given by file."""
    settings = house.settings
    rules = redirect.Rules()
    loaded = asyncio.Event()
    feeding = asyncio.create_task(
        follow(Redirects(house.database, house.listener), rules, loaded=loaded), name="redirects"
    )
    try:
        await loaded.wait()
        async with AsyncExitStack() as stack:
            serve = partial(redirect.serve, rules, host=settings.host)
            plain = await _bound("redirect_port", house, lambda port: serve(port=port))
            stack.push_async_callback(plain.close)
            ports = {"redirect": plain.port}
            if settings.redirect_certificates is not None:
                files = redirect.Certificates(settings.redirect_certificates, knows=lambda name: bool(rules.find(name)))
                tls = files.server_context()
                secure = await _bound("redirect_tls_port", house, lambda port: serve(port=port, ssl_context=tls))
                stack.push_async_callback(secure.close)
                ports["redirect_tls"] = secure.port
            yield ports
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


@asynccontextmanager
async def sandbox_part(house: House) -> AsyncIterator[Mapping[str, int]]:
    """The twins. Their HTTP server comes last: it signs in to the inboxes that it is given."""
    settings = house.settings
    ca = await asyncio.to_thread(local_ca.ensure, settings.data_dir / "ca")
    tls = await asyncio.to_thread(_server_tls, house, (*preset_hosts(), *outside.own_names(house)))
    async with AsyncExitStack() as stack:
        mailboxes = ImapTwin(settings.data_dir / "sandbox-mail")
        inboxes = await _bound(
            "sandbox_imap_port",
            house,
            lambda port: imap.serve(mailboxes, host=settings.host, port=port, ssl_context=tls, implicit_tls=True),
        )
        stack.push_async_callback(inboxes.close)
        outboxes = await _bound(
            "sandbox_smtp_port",
            house,
            lambda port: smtp.serve_submission(
                SmtpTwin(), host=settings.host, port=port, ssl_context=tls, hostname="smtp.sandbox.test"
            ),
        )
        stack.push_async_callback(outboxes.close)
        guard = outside.guards(house, ca)["sandbox"]
        sandbox = Sandbox(SqlStore(house.database), outside.twin_sign_in(house.ports, guard))
        platforms = await http_server.serve(
            create_app(sandbox, twins=vendors.twins()),
            host=settings.host,
            port=settings.sandbox_http_port,
            setting="LITEMAIL_SANDBOX_HTTP_PORT",
        )
        stack.push_async_callback(platforms.close)
        stack.callback(sandbox.closing.set)
        yield {"sandbox_http": platforms.port, "sandbox_imap": inboxes.port, "sandbox_smtp": outboxes.port}


@asynccontextmanager
async def worker_part(house: House) -> AsyncIterator[Mapping[str, int]]:
    await terms.publish(house)
    async with worker.running(
        database=house.database,
        listener=house.listener,
        resources=_resources(house),
        concurrency=house.settings.worker_concurrency,
        more_jobs=gateway_jobs.JOBS,
        more_schedules=gateway_jobs.SCHEDULES,
    ):
        yield {}


@asynccontextmanager
async def api_part(house: House) -> AsyncIterator[Mapping[str, int]]:
    settings = house.settings
    await terms.publish(house)
    uses = KeyUses(house.database)
    closing = asyncio.Event()
    app = web_api.create(
        database=house.database,
        secrets=house.secrets,
        rate_limit=settings.rate_limit,
        key_uses=uses,
        ready=_readiness(house),
        resources={**_resources(house), "closing": closing},
        more_routes=[
            *sandbox_api.ROUTES,
            *sandbox_platforms_api.ROUTES,
            *sandbox_clock_api.ROUTES,
            *sandbox_wallet_api.ROUTES,
            *sandbox_registrar_api.ROUTES,
        ],
        public_url=settings.public_url,
        pages=[
            pay.router(pay.Desk(house.database, payments.pay_links(house))),
            purchase_page.router(
                purchase_page.Counter(house.database, registrars.purchase_links(house), payments.gateways(house))
            ),
            confirmations.router(house.database, house.secrets),
            internal.router(house.database, forwarding.internal_networks(settings)),
        ],
    )
    async with uses.written_down():
        server = await http_server.serve(
            app,
            host=settings.host,
            port=settings.http_port,
            setting="LITEMAIL_HTTP_PORT",
            shared=settings.shared_port,
        )
        try:
            yield {"http": server.port}
        finally:
            closing.set()
            await server.close()


@asynccontextmanager
async def health(house: House, part: Part) -> AsyncIterator[None]:
    """/healthz and /readyz of a process that serves no API; its port is `health_<part>` in the book of ports."""
    server = await http_server.serve(
        system.health_app(_readiness(house)),
        host=house.settings.host,
        port=house.settings.health_port,
        setting="LITEMAIL_HEALTH_PORT",
    )
    ports = {f"health_{part}": server.port}
    house.ports.write(ports)
    try:
        yield
    finally:
        house.ports.forget(ports)
        await server.close()


OPENERS: Mapping[Part, Callable[[House], Opened]] = {
    Part.DNS: dns_part,
    Part.MAIL: mail_part,
    Part.REDIRECT: redirect_part,
    Part.SANDBOX: sandbox_part,
    Part.WORKER: worker_part,
    Part.API: api_part,
}


def _resources(house: House) -> Mapping[str, object]:
    """What routes and jobs ask for by name."""
    settings = house.settings
    ca = local_ca.ensure(settings.data_dir / "ca")
    platforms = registry(vendors.adapters(login=settings.platform_password_exchange))
    mode_guards = outside.guards(house, ca)
    name_servers = _name_servers(settings.name_server_domain)
    market = registrars.market(house)
    own_dns = (settings.reachable_host, house.ports.all().get("dns", settings.dns_port))
    return {
        "listener": house.listener,
        "secrets": house.secrets,
        "live_policy": settings.live_workspaces,
        "registration_open": settings.registration_open,
        "mail_hostname": settings.mx_hostname,
        "name_server_pool": name_servers,
        "own_hosts": forwarding.own_hosts(settings, name_servers),
        "redirect_addresses": forwarding.redirect_addresses(settings),
        "mailer": forwarding.mailer(house),
        "public_base": payments.public_base(house),
        "mailboxes_per_domain": settings.mailboxes_per_domain,
        "parents": Parents(live=PublicParents(), sandbox=FixedParent(*own_dns), expired=registrars.expiry(house)),
        "dns_servers": [own_dns],
        "dns_doors": dns_providers.doors(settings, mode_guards),
        "resolvers": parse_resolvers(settings.dns_resolvers),
        "mail_access": MailAccess(settings.mail_hostname or settings.reachable_host, house.ports),
        "platforms": platforms,
        "twins": SqlStore(house.database),
        "guards": mode_guards,
        "gateways": payments.gateways(house),
        "market": market,
        "deliverers": registrars.deliverers(house, market, name_servers=name_servers),
        "purchase_links": registrars.purchase_links(house),
        "sandbox_registrar": SandboxRegistrar(house.database),
        "gateway_hook": payments.gateway_hook(house),
        "doors": outside.doors(house, mode_guards, platforms),
    }


def _own_zones(settings: Settings) -> list[ZoneData]:
    """The addresses of our name servers and mail host, while they have names that exist only here."""
    domain = settings.name_server_domain
    if not names.is_under(domain, names.SANDBOX_SUFFIX):
        return []
    servers = _name_servers(domain)
    hosts = {names.relative(host, domain) for host in (*servers, settings.mx_hostname) if names.is_under(host, domain)}
    kind = RecordType.AAAA if ":" in settings.reachable_host else RecordType.A
    return [
        ZoneData(
            name=domain,
            serial=1,
            primary_ns=servers[0],
            contact=settings.hostmaster,
            name_servers=servers[:2],
            records=tuple(Record(kind, host, settings.reachable_host, ttl=3600) for host in sorted(hosts)),
        )
    ]


def _name_servers(domain: str) -> tuple[str, ...]:
    return tuple(f"ns{number:02}.{domain}" for number in range(1, NAME_SERVERS + 1))


async def _bound(setting: str, house: House, open_: Callable[[int], Awaitable[Server]]) -> Server:
    """Opens a server on the port of a setting. Raises PortTaken, which names the setting."""
    port: int = getattr(house.settings, setting)
    try:
        return await open_(port)
    except OSError as error:
        name = f"LITEMAIL_{setting.upper()}"
        raise PortTaken(host=house.settings.host, port=port, setting=name) from error


def _server_tls(house: House, names: Sequence[str]) -> ssl.SSLContext:
    return local_ca.ensure(house.settings.data_dir / "ca").server_context(names)


def _readiness(house: House) -> system.Ready:
    async def ready() -> Mapping[str, str]:
        try:
            async with asyncio.timeout(3), house.database.system_statement() as tx:
                await tx.value(int, "SELECT 1")
        except (DatabaseUnavailable, TimeoutError) as error:
            return {"database": str(error) or "no answer in 3 s"}
        return {"database": "ok"}

    return ready
