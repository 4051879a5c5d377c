"""What everybody says about one name: the domain's own servers and resolvers, each asked directly."""

import asyncio
from collections.abc import Sequence

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import msgspec

from litemail.protocols.record_wire import join_txt, name_text
from litemail.providers.dns.parents import Server
from litemail.providers.dns.query import ask, is_authoritative, rcode_words


class ServerAnswer(msgspec.Struct, frozen=True):
    """What one server has at `name`: texts of TXT, `10 mail.example.net` of MX. `error` says why it is not known."""

    name: str
    resolver: str
    authoritative: bool
    found: list[str]
    error: str | None


class View(msgspec.Struct, frozen=True):
    """Whom to ask about a domain: the servers that its parent names now, and resolvers."""

    authoritative: tuple[Server, ...]
    resolvers: tuple[Server, ...] = ()


async def ask_everyone(name: str, kind: dns.rdatatype.RdataType, view: View, *, seconds: float) -> list[ServerAnswer]:
    """All at once, MX or TXT; raises nothing about the network."""
    return await asyncio.gather(
        *(_answer(server, name, kind, authoritative=True, seconds=seconds) for server in view.authoritative),
        *(_answer(server, name, kind, authoritative=False, seconds=seconds) for server in view.resolvers),
    )


def agreed(answers: Sequence[ServerAnswer]) -> list[str] | None:
    """What holds: the word of the domain's own servers, else that of the resolvers; None when they do not agree.

    Resolvers may be a TTL behind, so they count only where no server of the domain answers.
    """
    for authoritative in (True, False):
        certain = [answer for answer in answers if answer.authoritative is authoritative and answer.error is None]
        if certain:
            return certain[0].found if all(answer.found == certain[0].found for answer in certain) else None
    return None


async def _answer(
    server: Server, name: str, kind: dns.rdatatype.RdataType, *, authoritative: bool, seconds: float
) -> ServerAnswer:
    response = await ask(server, name, kind, seconds=seconds, recursive=not authoritative)
    found: list[str] = []
    error: str | None = None
    if isinstance(response, str):
        error = response
    elif response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        error = rcode_words(response)
    elif authoritative and not is_authoritative(response):
        error = "answers without authority"
    else:
        found, error = _read(response)
    return ServerAnswer(name, server.name, authoritative, found, error)


def _read(response: dns.message.Message) -> tuple[list[str], str | None]:
    assert isinstance(response, dns.message.QueryMessage)
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException:
        return [], "gives an answer that cannot be followed"
    if chain.answer is None:
        aliased = bool(chain.cnames) and response.rcode() == dns.rcode.NOERROR
        return [], f"says that it is an alias of {name_text(chain.canonical_name)}" if aliased else None
    if chain.answer.rdtype == dns.rdatatype.TXT:
        return sorted(join_txt(rdata.strings) for rdata in chain.answer), None
    return sorted(f"{rdata.preference} {name_text(rdata.exchange)}" for rdata in chain.answer), None
