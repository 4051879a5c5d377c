from tests.conftest import AsPerson, NewPerson, Person


async def test_names_and_default_workspace_are_changed_one_by_one(as_person: AsPerson, person: Person):
    renamed = await as_person("PATCH", "/v1/users", json={"first_name": "Augusta"})
    assert renamed.status_code == 200, renamed.text
    assert (renamed.json()["first_name"], renamed.json()["last_name"]) == ("Augusta", "Lovelace")
    second = (await as_person("POST", "/v1/workspaces", json={"name": "Second"})).json()
    moved = await as_person("PATCH", "/v1/users", json={"default_workspace_id": second["id"]})
    assert moved.json()["default_workspace_id"] == second["id"]
    assert (await as_person("GET", "/v1/users")).json()["first_name"] == "Augusta"


async def test_the_default_is_one_of_your_own(as_person: AsPerson, new_person: NewPerson):
    other = await new_person()
    answer = await as_person("PATCH", "/v1/users", json={"default_workspace_id": other.workspace_id})
    assert (answer.status_code, answer.json()["code"]) == (422, "user.unknown_default_workspace")
    assert answer.json()["details"][0]["field"] == "default_workspace_id"


async def test_the_money_of_a_sandbox_shows(as_person: AsPerson):
    shown = (await as_person("GET", "/v1/users")).json()
    assert (shown["plan"], shown["purchased_mailboxes"]) == ("pro", 100)
    assert shown["wallet_balance"] == {"amount": 100_000, "currency": "USD"}
