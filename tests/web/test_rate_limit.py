import httpx
import pytest

from litemail.web.limits import Limit, RateLimiter
from tests.conftest import NewPerson, Person
from tests.web.conftest import MakeClient

HEADERS = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")


async def test_every_answer_says_what_is_left(make_client: MakeClient, person: Person):
    api = await make_client(rate_limit=3)
    first, second = [await api.get("/v1/users", headers=person.headers) for _ in range(2)]
    assert [first.headers[name] for name in HEADERS] == ["6", "5", "1"]
    assert second.headers["ratelimit-remaining"] == "4"
    errors = [await api.get("/v1/workspaces/nope", headers=person.headers)]
    errors.append(await api.put(f"/v1/workspaces/{person.workspace_id}", content=b"{", headers=person.headers))
    assert [error.headers["ratelimit-remaining"] for error in errors] == ["3", "2"]


async def test_who_asks_too_often_is_told_when_to_come_back(make_client: MakeClient, person: Person):
    api = await make_client(rate_limit=1)
    answers = [await api.get("/v1/users", headers=person.headers) for _ in range(6)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    body = refused[0].json()
    assert (body["code"], body["retryable"]) == ("request.rate_limited", True)
    assert int(refused[0].headers["retry-after"]) >= 1
    assert [refused[0].headers[name] for name in HEADERS[:2]] == ["2", "0"]


async def test_each_key_and_each_person_has_a_limit_of_its_own(
    make_client: MakeClient, client: httpx.AsyncClient, person: Person, new_person: NewPerson
):
    keys = [(await client.post("/v1/api-keys", json={"name": "x"}, headers=person.headers)).json()["key"] for _ in "ab"]
    api = await make_client(rate_limit=1)
    callers = [person.headers, (await new_person()).headers, *({"x-api-key": key} for key in keys)]
    for caller in callers:
        assert (await api.get("/v1/users", headers=caller)).headers["ratelimit-remaining"] == "1"


async def test_zero_is_no_limit(client: httpx.AsyncClient, person: Person):
    answer = await client.get("/v1/users", headers=person.headers)
    assert not any(name in answer.headers for name in HEADERS)


async def test_who_is_nobody_is_not_counted(make_client: MakeClient):
    api = await make_client(rate_limit=1)
    for _ in range(4):
        answer = await api.get("/v1/users")
        assert answer.status_code == 401
        assert HEADERS[0] not in answer.headers


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock to be set by hand."""
    now = [1000.0]
    monkeypatch.setattr("litemail.web.limits.time.monotonic", lambda: now[0])
    return now


def admit(limiter: RateLimiter, caller: str = "a") -> Limit:
    limit = limiter.admit(caller)
    assert limit is not None
    return limit


def test_the_bucket_fills_again(clock: list[float]):
    limiter = RateLimiter(2)
    assert [admit(limiter).remaining for _ in range(4)] == [3, 2, 1, 0]
    assert not admit(limiter).admitted
    clock[0] += 0.5
    assert (admit(limiter).admitted, admit(limiter).admitted) == (True, False)
    clock[0] += 60
    limit = admit(limiter)
    assert (limit.remaining, limit.reset) == (3, 1)


def test_those_who_are_quiet_longest_are_forgotten(clock: list[float]):
    limiter = RateLimiter(1, remembered=2)
    for caller in ("a", "b", "a", "c"):
        admit(limiter, caller)
    assert list(limiter._buckets) == ["a", "c"]
    assert admit(limiter, "a").admitted is False
    assert clock[0] == 1000.0
