"""What a platform offers, told before anything is asked of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import msgspec
import pytest

from litemail.app import vendors
from litemail.platforms import NoTwin, check_offered
from litemail.providers.platform import PLATFORMS, LoginNotOffered, instantly, registry

REGISTRY = registry(vendors.adapters())
BY_FILE = [known.platform_type for known in PLATFORMS if known.connects == "file"]
WITHOUT_TWIN = ["plusvibe", "saleshandy", "woodpecker"]
BY_KEY_ONLY = ["lemlist", "emailbison", "salesforge", "saleshandy", "woodpecker"]
Call = Callable[..., Awaitable[httpx.Response]]


def order(platform_type: str, **more: object) -> dict[str, object]:
    inboxes = [{"email": "caroline@getbrandmerge.com", "pass": "Caroline@Thompson2025"}]
    return {"platform_type": platform_type, "inbox_type": "gmail", "inboxes": inboxes, **more}


def test_a_platform_without_a_twin_is_refused_in_a_sandbox_only() -> None:
    made = instantly.adapter()
    alone = replace(made, declaration=msgspec.structs.replace(made.declaration, sandbox_twin=False))
    check_offered(alone, mode="live", with_login=True)
    with pytest.raises(NoTwin) as refused:
        check_offered(alone, mode="sandbox", with_login=False)
    assert refused.value.details[0].field == "platform_type"


@pytest.mark.parametrize("platform_type", BY_KEY_ONLY)
def test_where_no_login_is_taken_the_key_is_asked_for_and_where_it_is_found(platform_type: str) -> None:
    adapter = REGISTRY.get(platform_type)
    check_offered(adapter, mode="live", with_login=False)
    with pytest.raises(LoginNotOffered) as refused:
        check_offered(adapter, mode="live", with_login=True)
    problem = refused.value.problem()
    [where] = [each.where for each in adapter.declaration.credentials if each.field == "api_key"]
    assert problem.field == "platform_pass"
    assert "platform_api_key" in (problem.action or "")
    assert where in (problem.action or "")


def test_the_exchange_can_be_switched_off_and_a_documented_login_stays() -> None:
    switched_off = registry(vendors.adapters(login=False))
    for platform_type in ("instantly", "smartlead"):
        check_offered(REGISTRY.get(platform_type), mode="live", with_login=True)
        with pytest.raises(LoginNotOffered):
            check_offered(switched_off.get(platform_type), mode="live", with_login=True)
    check_offered(switched_off.get("plusvibe"), mode="live", with_login=True)


async def test_every_platform_is_listed_from_its_declaration(as_person: Call) -> None:
    answer = await as_person("GET", "/v1/platforms")
    rows = {row["platform_type"]: row for row in answer.json()["data"]}
    assert list(rows) == [known.platform_type for known in PLATFORMS]
    assert len(rows) == 21
    for row in rows.values():
        assert row.keys() == {
            "platform_type",
            "name",
            "connects",
            "credentials",
            "limits",
            "sandbox_twin",
            "verified_live",
        }
        assert row["verified_live"] is False
        assert row["sandbox_twin"] is (row["connects"] == "api" and row["platform_type"] not in WITHOUT_TWIN)
        assert bool(row["credentials"]) == (row["connects"] == "api")


@pytest.mark.parametrize("platform_type", BY_FILE)
async def test_connecting_to_a_platform_by_file_names_the_export(as_person: Call, platform_type: str) -> None:
    answer = await as_person("POST", "/v1/connect-inbox", json=order(platform_type, platform_api_key="any"))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "platform.file_only")
    assert "POST /v1/exports" in body["action"]


@pytest.mark.parametrize("platform_type", WITHOUT_TWIN)
async def test_a_sandbox_connects_to_no_platform_without_a_twin(as_person: Call, platform_type: str) -> None:
    answer = await as_person("POST", "/v1/connect-inbox", json=order(platform_type, platform_api_key="any"))
    assert (answer.status_code, answer.json()["code"]) == (422, "sandbox.no_twin")


@pytest.mark.parametrize("platform_type", ["lemlist", "salesforge"])
async def test_a_login_where_none_is_taken_names_the_field_and_the_key(as_person: Call, platform_type: str) -> None:
    login = {"platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!"}
    answer = await as_person("POST", "/v1/connect-inbox", json=order(platform_type, **login))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "platform.login_not_offered")
    assert [each["field"] for each in body["details"]] == ["platform_pass"]
    assert "platform_api_key" in body["action"]


async def test_a_daily_limit_is_refused_where_none_can_be_set(as_person: Call) -> None:
    asked = order("lemlist", platform_api_key="any", options={"daily_limit": 30})
    answer = await as_person("POST", "/v1/connect-inbox", json=asked)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["details"]] == ["options.daily_limit"]
