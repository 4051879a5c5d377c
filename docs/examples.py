"""Plays every call against a sandbox server of its own and keeps what it answered, for the pages of the reference.

`python docs/examples.py` writes litemail/web/examples.json: for each call its request and its success, and
for each error code that was met the body. Secrets, ids and times are masked, the same way in every run.
"""

import asyncio
import json
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's program, whichever one is installed

import httpx  # noqa: E402 - after the path

from tests.journeys.installation import Customer, customer, installation  # noqa: E402

FILE = ROOT / "litemail" / "web" / "examples.json"
_FAILED = 400
_LIST_AT_MOST = 3
_TEXT_AT_MOST = 2000
_CARD = "4242 4242 4242 4242"
_SOMETHING_ELSE = {"nope": 1}

_MASKED = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...",
    "refresh_token": "rt_...",
    "key": "lm_test_...",
    "prefix": "lm_test_3yLq",
    "password": "********",
    "auth_code": "********",
}
_ID = re.compile(r"\b([a-z]{2,5})_([0-9a-hjkmnp-tv-z]{26})\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")
_BASE = re.compile(r"http://127\.0\.0\.1:\d+")
_TOKEN = re.compile(r"(/(?:pay|purchase)/)[\w.~-]+")
_NAME_SERVER = re.compile(r"\bns\d\d\.(?=litemail\.test)")
_PUBLIC_KEY = re.compile(r"p=[A-Za-z0-9+/=]{30,}")
_CHALLENGE = re.compile(r"litemail-[A-Za-z0-9_=-]{16,}")
_HOST_AND_PORT = re.compile(r"127\.0\.0\.1,\d+")
_PASSWORD = re.compile(r"(?<=,)[A-Za-z0-9]{20}(?=[,\r])")
_MILLISECONDS = re.compile(r"\b\d+(\.\d+)? ms\b")


@dataclass
class Played:
    """What was sent and answered, by the call's id; errors by their code."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)


class Recorder:
    """Notes the first success of each call, and the first answer with each error code."""

    def __init__(self, contract: dict[str, Any]) -> None:
        self.played = Played()
        self._mask = Mask()
        self._routes = [
            (method.upper(), re.compile(re.sub(r"\{[^}]+\}", "([^/]+)", path) + "$"), about["operationId"])
            for path, item in sorted(contract["paths"].items(), key=lambda each: each[0].count("{"))
            for method, about in item.items()
        ]

    async def note(self, answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        name = next((n for m, p, n in self._routes if m == request.method and p.match(request.url.path)), None)
        if name is None:
            return
        body = self._body(answer.headers.get("content-type", ""), answer.text)
        if answer.status_code >= _FAILED:
            self.played.errors.setdefault(body["code"], {"call": name, "status": answer.status_code, "body": body})
            return
        sent = self._body(request.headers.get("content-type", ""), request.content.decode())
        target = request.url.raw_path.decode()
        self.played.calls.setdefault(
            name,
            {"target": self._mask(target), "request": sent, "status": answer.status_code, "answer": body},
        )

    def _body(self, content_type: str, text: str) -> Any:
        if not text:
            return None
        if "json" in content_type:
            return self._mask(shortened(json.loads(text)))
        return self._mask(text[:_TEXT_AT_MOST])


class Mask:
    """Makes two runs alike: things get the same ids and times, and secrets are gone."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._name_servers: dict[str, int] = {}

    def __call__(self, value: Any, *, inside: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._masked(name, each, inside) for name, each in value.items()}
        if isinstance(value, list):
            return [self(each, inside=inside) for each in value]
        return self._text(value) if isinstance(value, str) else value

    def _masked(self, name: str, value: Any, inside: str) -> Any:
        if name in _MASKED and isinstance(value, str):
            return _MASKED[name]
        if name == "port" and isinstance(value, int):
            return 993 if inside == "imap" else 587
        if name == "host" and value == "127.0.0.1":
            return "mail.example.com"
        return self(value, inside=name)

    def _text(self, text: str) -> str:
        text = _ID.sub(self._id, text)
        text = _TIME.sub("2026-01-29T18:41:56.867Z", text)
        text = _DATE.sub("2026-01-29", text)
        text = _BASE.sub("https://mail.example.com", text)
        text = _TOKEN.sub(r"\1...", text)
        text = _NAME_SERVER.sub(self._name_server, text)
        text = _PASSWORD.sub("********", _HOST_AND_PORT.sub("mail.example.com,587", text))
        text = _PUBLIC_KEY.sub("p=MCowBQYDK2VwAyEA...", text)
        text = _CHALLENGE.sub("litemail-...", text)
        return _MILLISECONDS.sub("4 ms", text)

    def _name_server(self, found: re.Match[str]) -> str:
        known = self._name_servers.setdefault(found.group(), len(self._name_servers))
        return ("ns04.", "ns11.")[known % 2]

    def _id(self, found: re.Match[str]) -> str:
        whole = found.group()
        if whole not in self._ids:
            self._ids[whole] = f"{found.group(1)}_01k5m3v8w0e3t9f7a2b4c6{len(self._ids) % 10_000:04d}"
        return self._ids[whole]


def shortened(value: Any) -> Any:
    """Lists with their first things only."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shortened(each) for each in value[:_LIST_AT_MOST]]
    return value


def shape(value: Any) -> Any:
    """What is compared between two runs: names and kinds of values, not the values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


async def play(url: str) -> Played:
    """Every call of the contract, as a customer of this server would make it."""
    async with customer(url) as ada:
        contract = (await ada.client.get("/openapi.json")).json()
        recorder = Recorder(contract)
        ada.client.event_hooks["response"].append(recorder.note)
        for part in (sign_in, money, domains, mailboxes, platforms, connections, exports, buying, refusals, endings):
            await part(ada)
    return recorder.played


async def sign_in(ada: Customer) -> None:
    person = {"email": "grace@example.com", "password": "correct horse battery"}
    names = {"first_name": "Grace", "last_name": "Hopper", "workspace_name": "Agency"}
    await ada.call("POST", "/v1/auth/register", {**person, **names})
    tokens = await ada.call("POST", "/v1/auth/login", person)
    tokens = await ada.call("POST", "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    await by_person(ada, tokens["access_token"])
    await ada.client.post("/v1/auth/login", json={**person, "password": "wrong"})
    await ada.call("POST", "/v1/auth/logout", {"refresh_token": tokens["refresh_token"]})
    me = await ada.call("GET", "/v1/users")
    await ada.call("GET", "/v1/workspaces")
    await ada.call("GET", f"/v1/workspaces/{me['default_workspace_id']}")
    await ada.call("PUT", f"/v1/workspaces/{me['default_workspace_id']}", {"name": "Analytical Engines"})
    await ada.call("POST", "/v1/workspaces", {"name": "Second", "mode": "sandbox"})
    await ada.call("GET", "/healthz")
    await ada.call("GET", "/readyz")


async def by_person(ada: Customer, token: str) -> None:
    """What takes a person: keys, and the account itself."""
    bearer = {"authorization": f"Bearer {token}"}
    key = ada.client.headers.pop("x-api-key")
    body = {"name": "Back office", "scopes": ["domains:read", "mailboxes:read"]}
    made = await ada.client.post("/v1/api-keys", json=body, headers=bearer)
    assert made.is_success, made.text
    assert (await ada.client.get("/v1/api-keys", headers=bearer)).is_success
    assert (await ada.client.delete(f"/v1/api-keys/{made.json()['id']}", headers=bearer)).is_success
    few = await ada.client.post("/v1/api-keys", json={"name": "Few", "scopes": ["domains:read"]}, headers=bearer)
    await ada.client.get("/v1/mailboxes", headers={"x-api-key": few.json()["key"]})  # 403
    assert (await ada.client.patch("/v1/users", json={"first_name": "Grace"}, headers=bearer)).is_success
    ada.client.headers["x-api-key"] = key


async def money(ada: Customer) -> None:
    await ada.call("GET", "/v1/plans")
    wanted = {"plan": "starter", "interval": "month", "addon_mailboxes": 2, "max_charge": 5000}
    await ada.client.post("/v1/subscriptions", json=wanted)  # 409: no billing details yet
    await ada.client.get("/v1/billings")
    await ada.call(
        "POST",
        "/v1/billings",
        {
            "first_name": "Ada",
            "last_name": "Lovelace",
            "company": "Analytical Engines Ltd",
            "address_line_1": "12 St James's Square",
            "city": "London",
            "country": "GB",
            "postal_code": "SW1Y 4JH",
            "phone": "+442079460958",
        },
    )
    await ada.call("GET", "/v1/billings")
    await ada.call("PUT", "/v1/billings", {"company": "Analytical Engines Ltd", "tax_id": None})
    await ada.client.post("/v1/subscriptions", json={"plan": "pro", "interval": "year"})  # 402
    bought = await ada.call("POST", "/v1/subscriptions", wanted)
    await ada.call("GET", "/v1/subscriptions")
    await ada.call("GET", f"/v1/subscriptions/{bought['id']}")
    await ada.call("PUT", f"/v1/subscriptions/{bought['id']}", {"plan": "growth", "max_charge": 9900})
    await ada.call("DELETE", f"/v1/subscriptions/{bought['id']}")
    await ada.call("GET", "/v1/wallet/balance")
    payment = await ada.call("POST", "/v1/wallet/balance", {"amount": 5000})
    await ada.call("POST", "/v1/wallet/auto-recharge", {"enabled": True, "threshold": 2000, "amount": 5000})
    await pay(payment["payment_link"])
    await ada.until(f"/v1/wallet/payments/{payment['id']}", "succeeded")
    await ada.call("GET", "/v1/wallet/transactions?limit=3")
    await ada.call("POST", "/v1/sandbox/wallet", {"amount": 10_000})
    orders = await ada.call("GET", "/v1/orders")
    await ada.call("GET", f"/v1/orders/{orders['data'][0]['id']}")
    invoices = await ada.call("GET", "/v1/billings/invoices")
    await ada.call("GET", f"/v1/billings/invoices/{invoices['data'][0]['id']}")
    await ada.client.post("/v1/gateways/sandbox/events", json={"forged": True})  # 400


async def pay(link: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.post(link, data={"card": _CARD})
        assert answer.is_redirect, answer.text


async def domains(ada: Customer) -> None:
    await ada.call("POST", "/v1/domains/connect", {"domains": ["getbrandmerge.test", "co.uk"]})
    await ada.call("POST", "/v1/domains/connect", {"domains": ["spare.test", "other.test"]})
    for name in ("getbrandmerge.test", "other.test"):
        servers = await ada.call("GET", f"/v1/domains/name-servers?domain={name}")
        await ada.call("GET", f"/v1/domains/name-servers/verify?domain={name}")
        await ada.call("POST", "/v1/sandbox/delegations", {"domain": name, "name_servers": servers["name_servers"]})
        await ada.until(f"/v1/domains/{name}", "active")
    await ada.call("GET", "/v1/domains?status=active")
    await ada.call("GET", "/v1/domains/assignable")
    await ada.call("PATCH", "/v1/domains/getbrandmerge.test", {"tags": ["outreach"]})
    both = ["getbrandmerge.test", "other.test"]
    await ada.call(
        "POST",
        "/v1/domains/dmarc",
        {"domains": both, "policy": "quarantine", "rua": ["dmarc@getbrandmerge.test"], "pct": 25},
    )
    await ada.call("POST", "/v1/domains/forwarding", {"domains": both, "url": "https://example.com/welcome"})
    await ada.client.post("/v1/domains/forwarding", json={"domains": both, "url": "http://127.0.0.1/"})
    await ada.call("DELETE", "/v1/domains/forwarding?domains=other.test")
    await ada.call("GET", "/v1/domains/dns-check?domain=getbrandmerge.test&refresh=true")
    await ada.call("POST", "/v1/domains/getbrandmerge.test/dkim/rotate")
    await records(ada)
    await ada.call("DELETE", "/v1/domains/spare.test")
    await ada.call("POST", "/v1/domains/spare.test/restore")


async def records(ada: Customer) -> None:
    record = {"domain": "getbrandmerge.test", "type": "A", "name": "shop", "content": "192.0.2.10"}
    made = await ada.call("POST", "/v1/dns", record)
    await ada.client.post("/v1/dns", json={**record, "type": "CNAME", "content": "example.com"})
    listed = await ada.call("GET", "/v1/dns?domain=getbrandmerge.test")
    managed = next(each for each in listed["data"] if each["managed"])
    await ada.client.delete(f"/v1/dns/{managed['id']}")
    await ada.call("PUT", f"/v1/dns/{made['id']}", {"content": "192.0.2.11"})
    await ada.call("DELETE", f"/v1/dns/{made['id']}")
    await ada.client.get("/v1/dns/zone-file?domain=getbrandmerge.test")
    zone = "$TTL 3600\n@ IN SOA ns1.example.net. admin.example.net. 1 3600 600 1209600 300\nblog IN A 192.0.2.10\n"
    path = "/v1/dns/zone-file?domain=getbrandmerge.test"
    answer = await ada.client.post(path, content=zone, headers={"content-type": "text/dns"})
    assert answer.is_success, answer.text


async def mailboxes(ada: Customer) -> None:
    one = {"domain": "getbrandmerge.test", "username": "caroline", "first_name": "Caroline", "last_name": "Thompson"}
    box = await ada.call("POST", "/v1/mailboxes", one)
    await ada.client.post("/v1/mailboxes", json=one)  # 409
    await ada.client.post("/v1/mailboxes", json={**one, "domain": "nobody.test"})
    await ada.call("POST", "/v1/mailboxes", {**one, "username": "daniel", "first_name": "Daniel", "tags": ["spring"]})
    path = f"/v1/mailboxes/{box['id']}"
    await ada.call("GET", "/v1/mailboxes?domain=getbrandmerge.test&limit=20")
    await ada.call("GET", path)
    await ada.call("PUT", path, {"display_name": "Caroline Thompson", "tags": ["spring"]})
    await ada.call("GET", f"{path}/credentials")
    alias = await ada.call("POST", f"{path}/aliases", {"address": "sales@getbrandmerge.test"})
    await ada.call("GET", f"{path}/aliases")
    await ada.call("POST", "/v1/domains/catch-all", {"domains": ["getbrandmerge.test"], "to": box["email"]})
    await ada.call("POST", "/v1/domains/email-forwarding", {"domains": ["getbrandmerge.test"], "to": box["email"]})
    await ada.call("GET", "/v1/domains/getbrandmerge.test/route?address=sales@getbrandmerge.test")
    await ada.call("DELETE", "/v1/domains/catch-all?domains=getbrandmerge.test")
    await ada.call("DELETE", "/v1/domains/email-forwarding?domains=getbrandmerge.test")
    await ada.call("GET", "/v1/domains/getbrandmerge.test")
    await ada.call("DELETE", f"{path}/aliases/{alias['id']}")
    app_password = await ada.call("POST", f"{path}/app-passwords", {"label": "Thunderbird"})
    await ada.call("GET", f"{path}/app-passwords")
    await ada.call("DELETE", f"{path}/app-passwords/{app_password['id']}")
    await ada.call("POST", f"{path}/suspend")
    await ada.call("POST", f"{path}/resume")
    extra = await ada.call("POST", "/v1/mailboxes", {**one, "username": "erin"})
    await ada.call("DELETE", f"/v1/mailboxes/{extra['id']}")
    await ada.call("DELETE", f"/v1/mailboxes/{extra['id']}?at=now")
    await ada.call("POST", f"/v1/mailboxes/{extra['id']}/restore", {"buy_slots": True, "max_charge": 370})


async def platforms(ada: Customer) -> None:
    await ada.call("GET", "/v1/platforms")
    await ada.call("GET", "/v1/sandbox/platforms/instantly")
    await ada.call("POST", "/v1/sandbox/platforms/instantly", {"latency_ms": 20})
    login = {"platform_type": "instantly", "platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!"}
    await ada.client.post("/v1/exports/accounts", json={**login, "platform_pass": "wrong-password"})
    account = await ada.call("POST", "/v1/exports/accounts", {**login, "label": "Agency"})
    spare = {"platform_type": "smartlead", "api_key": "a-key-of-smartlead", "label": "Spare"}
    second = await ada.call("POST", "/v1/exports/accounts", spare)
    await ada.call("GET", "/v1/exports/accounts")
    await ada.call("GET", f"/v1/exports/accounts/{account['id']}")
    await ada.call("PUT", f"/v1/exports/accounts/{account['id']}", {"label": "Agency, main"})
    await ada.call("DELETE", f"/v1/exports/accounts/{second['id']}")


async def connections(ada: Customer) -> None:
    inboxes = {
        "platform_type": "instantly",
        "platform_email": "support@litemail.ai",
        "platform_pass": "Lite@Mail2024!",
        "inbox_type": "gmail",
        "inboxes": [{"email": "caroline@getbrandmerge.com", "pass": "Caroline@Thompson2025"}],
    }
    made = await ada.call("POST", "/v1/connect-inbox", inboxes)
    await ada.until(f"/v1/connect-inbox/{made['id']}", "completed")
    await ada.call("GET", "/v1/connect-inbox")
    await ada.call("GET", f"/v1/connect-inbox/{made['id']}/inboxes")
    await ada.client.get(f"/v1/connect-inbox/{made['id']}/events")
    await ada.client.post("/v1/connect-inbox", json={**inboxes, "platform_type": "reply_io"})  # by file only
    await ada.client.post("/v1/connect-inbox", json={**inboxes, "platform_type": "woodpecker"})  # no twin
    refused = [{"email": "daniel@getbrandmerge.com", "pass": "wrong-password"}]
    failed = await ada.call("POST", "/v1/connect-inbox", {**inboxes, "inboxes": refused})
    await ada.until(f"/v1/connect-inbox/{failed['id']}", "failed", "completed_with_errors")
    await ada.call("POST", f"/v1/connect-inbox/{failed['id']}/retry")
    await ada.until(f"/v1/connect-inbox/{failed['id']}", "failed", "completed_with_errors")
    slow = [{"email": "erin@getbrandmerge.com", "pass": "timeout"}]
    waiting = await ada.call("POST", "/v1/connect-inbox", {**inboxes, "inboxes": slow})
    await ada.call("DELETE", f"/v1/connect-inbox/{waiting['id']}")


async def exports(ada: Customer) -> None:
    account = (await ada.call("GET", "/v1/exports/accounts"))["data"][0]["id"]
    options = {"daily_limit": 30, "warmup": True, "tags": ["litemail"]}
    made = await ada.call(
        "POST",
        "/v1/exports",
        {
            "destination": "instantly",
            "platform_account_id": account,
            "filter": {"tags": ["spring"]},
            "options": options,
        },
    )
    await ada.until(f"/v1/exports/{made['id']}", "completed", "completed_with_errors")
    await ada.call("GET", "/v1/exports")
    await ada.call("GET", f"/v1/exports/{made['id']}/items")
    await ada.client.post("/v1/exports", json={"destination": "csv", "filter": {}})  # nothing is not everything
    file = await ada.call("POST", "/v1/exports", {"destination": "csv", "filter": {"all": True}})
    await ada.until(f"/v1/exports/{file['id']}", "completed")
    await ada.client.get(f"/v1/exports/{file['id']}/file")
    await ada.call("DELETE", f"/v1/exports/{file['id']}")
    automatic = {"platform_account_id": account, "filter": {"all": True}, "enabled": False}
    await ada.call("PUT", "/v1/exports/auto", automatic)
    await ada.call("GET", "/v1/exports/auto")
    await ada.call("POST", "/v1/sandbox/platforms/instantly", {"account_limit": 0})
    full = {"destination": "instantly", "platform_account_id": account, "filter": {"search": "erin"}}
    failed = await ada.call("POST", "/v1/exports", full)
    await ada.until(f"/v1/exports/{failed['id']}", "failed", "completed_with_errors")
    await ada.call("POST", "/v1/sandbox/platforms/instantly", {})
    await ada.call("POST", f"/v1/exports/{failed['id']}/retry")
    await ada.until(f"/v1/exports/{failed['id']}", "completed", "failed", "completed_with_errors")


async def buying(ada: Customer) -> None:
    await ada.call("GET", "/v1/domains/available?q=brandmerge&tlds=test")
    await ada.call("GET", "/v1/domains/purchase-link?domains=trybrandmerge.test")
    wanted = {"domains": [{"name": "usebrandmerge.test", "years": 1}], "max_charge": 5000}
    order = await ada.call("POST", "/v1/domains/purchase", wanted)
    await ada.until(f"/v1/orders/{order['id']}", "fulfilled")
    await ada.until("/v1/domains/usebrandmerge.test", "active")
    renewal = await ada.call("POST", "/v1/domains/renew", wanted)
    await ada.until(f"/v1/orders/{renewal['id']}", "fulfilled")
    code = await ada.call("GET", "/v1/domains/usebrandmerge.test/auth-code")
    moving = {"domain": "usebrandmerge.test", "auth_code": code["auth_code"]}
    await ada.call("POST", "/v1/sandbox/transfers", moving)


async def refusals(ada: Customer) -> None:
    """What any call can be answered with."""
    client = ada.client
    await client.get("/v1/users", headers={"x-api-key": ""})
    await client.get("/v1/users", headers={"x-workspace-id": "ws_01k5m3v8w0e3t9f7a2b4c6d8ee"})
    await client.post("/v1/mailboxes", content="{", headers={"content-type": "application/json"})
    await client.post("/v1/mailboxes", content="x", headers={"content-type": "text/plain"})
    await client.post("/v1/dns", json=_SOMETHING_ELSE)
    await client.post("/v1/dns", content=b" " * (6 * 1024 * 1024), headers={"content-type": "application/json"})
    for path in ("mailboxes", "orders", "connect-inbox", "exports", "exports/accounts", "subscriptions", "domains"):
        await client.get(f"/v1/{path}/nothing")
    repeated = {"idempotency-key": "5f0c1c0e-7c54-4a52-9d4c-0d1c2a6a7b11"}
    await client.post("/v1/sandbox/wallet", json={"amount": 100}, headers=repeated)
    await client.post("/v1/sandbox/wallet", json={"amount": 200}, headers=repeated)


async def endings(ada: Customer) -> None:
    await ada.call("GET", "/v1/sandbox/clock")
    await ada.call("POST", "/v1/sandbox/clock", {"advance": "P1M"})


def written(played: Played) -> str:
    document = {"calls": ordered(played.calls), "errors": ordered(played.errors)}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def ordered(found: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(found.items()))


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="litemail-examples-") as folder, installation(Path(folder)) as house:
        await asyncio.to_thread(house.start, "serve")
        played = await play(house.url)
    FILE.write_text(written(played))
    print(f"{len(played.calls)} calls and {len(played.errors)} codes in {FILE.relative_to(ROOT)}")


if __name__ == "__main__":
    asyncio.run(main())
