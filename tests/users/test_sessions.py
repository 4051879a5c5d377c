"""Signing in and staying signed in."""

import asyncio
from datetime import timedelta

import httpx
import jwt
import pytest

from litemail import users
from litemail.kit import passwords
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.users import service
from tests.conftest import NewPerson, Person

PASSWORD = "correct horse battery"


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": email, "password": password})


async def test_an_unknown_account_costs_a_hash_too(
    client: httpx.AsyncClient, person: Person, monkeypatch: pytest.MonkeyPatch
):
    """Counts the hashes that the real function computes; time itself would be measured badly here."""
    hashed: list[str] = []

    class Counting:
        def hash(self, password: str) -> str:
            return cheap.hash(password)

        def verify(self, stored: str, password: str) -> bool:
            hashed.append(stored)
            return cheap.verify(stored, password)

    cheap = passwords.ARGON2
    monkeypatch.setattr(passwords, "ARGON2", Counting())
    monkeypatch.setattr(passwords, "_nobody", "")
    answers = [
        await log_in(client, person.email),
        await log_in(client, person.email, "wrong"),
        await log_in(client, "nobody@example.com"),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert len(hashed) == 3
    assert len({stored.split("$")[3] for stored in hashed}) == 1  # the same cost
    wrong, unknown = ({**answer.json(), "timestamp": "", "request_id": ""} for answer in answers[1:])
    assert wrong == unknown


async def test_the_right_password_does_not_count_against_the_address(
    client: httpx.AsyncClient, person: Person, monkeypatch: pytest.MonkeyPatch, database: Database
):
    """A smaller limit, so that the test is short."""
    monkeypatch.setattr(service, "ATTEMPTS_PER_ADDRESS", 5)
    await forget_everybody(database)
    for _ in range(8):
        assert (await log_in(client, person.email)).status_code == 200
    for number in range(5):
        assert (await log_in(client, f"{number}@example.com")).status_code == 401
    blocked = await log_in(client, person.email)
    assert (blocked.status_code, blocked.json()["code"]) == (429, "auth.too_many_attempts")
    await forget_everybody(database)


async def forget_everybody(database: Database) -> None:
    async with database.begin_system("forget attempts") as tx:
        await tx.execute("DELETE FROM throttle")


async def test_an_own_account_does_not_clear_what_guessing_counted(
    client: httpx.AsyncClient, person: Person, monkeypatch: pytest.MonkeyPatch, database: Database
):
    monkeypatch.setattr(service, "ATTEMPTS_PER_ADDRESS", 6)
    await forget_everybody(database)
    statuses = []
    for number in range(8):
        statuses.append((await log_in(client, f"victim{number}@example.com")).status_code)
        await log_in(client, person.email)
    assert statuses == [401] * 6 + [429] * 2
    await forget_everybody(database)


async def test_the_throttle_ends_with_its_window(client: httpx.AsyncClient, person: Person, database: Database):
    for _ in range(11):
        await log_in(client, person.email, "wrong")
    assert (await log_in(client, person.email)).status_code == 429
    async with database.begin_system("a quarter of an hour passes") as tx:
        await tx.execute("UPDATE throttle SET resets_at = now() - interval '1 second'")
    assert (await log_in(client, person.email)).status_code == 200


async def test_simultaneous_guesses_are_all_counted(client: httpx.AsyncClient, person: Person, database: Database):
    await forget_everybody(database)
    answers = await asyncio.gather(*(log_in(client, person.email, "wrong") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 10


async def test_a_password_keeps_its_spaces(client: httpx.AsyncClient):
    body = {"email": "space@example.com", "password": "  two spaces ", "first_name": " Ada ", "last_name": "L"}
    made = await client.post("/v1/auth/register", json=body)
    assert made.json()["user"]["first_name"] == "Ada"
    assert (await log_in(client, "space@example.com", "two spaces")).status_code == 401
    assert (await log_in(client, " SPACE@example.com ", "  two spaces ")).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a@b@c.com"),
        ("email", f"{'x' * 65}@example.com"),
        ("password", "short"),
        ("password", "x" * 129),
        ("first_name", ""),
        ("first_name", "  "),
        ("last_name", "Love\r\nBcc: x@example.com"),
        ("workspace_name", "x" * 101),
        ("workspace_name", "a\u2028b"),
    ],
)
async def test_a_registration_with_a_bad_field_names_it(client: httpx.AsyncClient, field: str, value: str):
    body = {"email": "new@example.com", "password": PASSWORD, "first_name": "A", "last_name": "L", field: value}
    answer = await client.post("/v1/auth/register", json=body)
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.json()["details"]] == [field]
    assert field != "password" or value not in answer.text


async def test_two_registrations_of_one_address_at_once_make_one_account(client: httpx.AsyncClient):
    body = {"email": "twice@example.com", "password": PASSWORD, "first_name": "A", "last_name": "L"}
    answers = await asyncio.gather(*(client.post("/v1/auth/register", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_of_two_refreshes_at_once_one_succeeds_and_the_session_ends(client: httpx.AsyncClient, person: Person):
    body = {"refresh_token": person.refresh_token}
    answers = await asyncio.gather(*(client.post("/v1/auth/refresh", json=body) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    fresh = next(answer.json() for answer in answers if answer.status_code == 200)
    again = await client.post("/v1/auth/refresh", json={"refresh_token": fresh["refresh_token"]})
    assert again.status_code == 401  # one of the two may have been a thief
    headers = {"authorization": f"Bearer {fresh['access_token']}"}
    assert (await client.get("/v1/users", headers=headers)).status_code == 401


async def test_a_session_ends_when_nobody_refreshes_it(client: httpx.AsyncClient, person: Person, database: Database):
    async with database.begin_system("a month passes") as tx:
        query = "UPDATE sessions SET expires_at = now() WHERE user_id = %(id)s"
        await tx.execute(query, id=person.user_id)
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.refresh_token_refused")


async def test_signing_out_is_no_error_however_often(client: httpx.AsyncClient, person: Person):
    for token in (person.refresh_token, person.refresh_token, "rt_unknown"):
        assert (await client.post("/v1/auth/logout", json={"refresh_token": token})).status_code == 204


async def test_tidying_deletes_sessions_that_are_over(database: Database, person: Person, new_person: NewPerson):
    other = await new_person()
    async with database.begin_system("tidy") as tx:
        await tx.execute("UPDATE sessions SET revoked_at = now() WHERE user_id = %(id)s", id=person.user_id)
    async with database.begin_system("tidy") as tx:
        await users.forget_what_ended(tx)
        left = await tx.values(str, "SELECT user_id FROM sessions")
    assert person.user_id not in left
    assert other.user_id in left


def claims_of(person: Person, secrets: Secrets) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(person.access_token, secrets.derive("jwt"), algorithms=["HS256"])
    return claims


@pytest.mark.parametrize("change", ["expired", "other key", "no session", "no expiry", "none", "wrong kind", "RS256"])
async def test_a_token_that_is_not_ours_as_it_was_is_refused(
    client: httpx.AsyncClient, person: Person, secrets: Secrets, change: str
):
    claims, key = claims_of(person, secrets), secrets.derive("jwt")
    algorithm = "HS256"
    if change == "expired":
        claims["exp"] = 1
    elif change == "no session":
        del claims["sid"]
    elif change == "no expiry":
        del claims["exp"]
    elif change == "wrong kind":
        claims["sid"] = 7
    elif change == "other key":
        key = b"\x02" * 32
    elif change == "none":
        algorithm = "none"
    token = jwt.encode(claims, "" if algorithm == "none" else key, algorithm=algorithm)
    if change == "RS256":
        header, _, rest = token.partition(".")
        token = jwt.utils.base64url_encode(b'{"alg":"RS256","typ":"JWT"}').decode() + "." + rest
        assert header
    answer = await client.get("/v1/users", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")


async def test_a_token_lives_a_quarter_of_an_hour(person: Person, secrets: Secrets):
    claims = claims_of(person, secrets)
    assert claims["sub"] == person.user_id
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == timedelta(minutes=15).total_seconds()


async def test_a_session_of_somebody_else_is_refused(
    client: httpx.AsyncClient, person: Person, new_person: NewPerson, secrets: Secrets
):
    """Signed by us, but its user and session do not belong together."""
    other = await new_person()
    claims = {**claims_of(person, secrets), "sub": other.user_id}
    token = jwt.encode(claims, secrets.derive("jwt"), algorithm="HS256")
    assert (await client.get("/v1/users", headers={"authorization": f"Bearer {token}"})).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic eDp5"},
        {"authorization": "Bearer"},
        {"authorization": ""},
        {"x-api-key": ""},
        {"x-api-key": "lm_test_unknown"},
        {"x-api-key": "é"},
        {"authorization": "Bearer \u00ff.\u00ff.\u00ff"},
    ],
)
async def test_credentials_that_are_none(client: httpx.AsyncClient, headers: dict[str, str]):
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = await client.get("/v1/users", headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")


async def test_a_bad_key_is_not_helped_by_a_good_token(client: httpx.AsyncClient, person: Person):
    answer = await client.get("/v1/users", headers={**person.headers, "x-api-key": "lm_test_unknown"})
    assert answer.status_code == 401


async def test_sign_up_leaves_an_audit_line_without_secrets(database: Database, person: Person):
    async with database.begin(person.actor()) as tx:
        lines = await tx.values(str, "SELECT type || ' ' || audience || ' ' || data FROM events ORDER BY number")
    assert [line.split()[:2] for line in lines] == [
        ["workspace.created", "public"],
        ["wallet.adjusted", "public"],
        ["subscription.created", "public"],
        ["user.registered", "audit"],
    ]
    assert PASSWORD not in str(lines)
