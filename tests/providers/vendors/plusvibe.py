"""PlusVibe for tests: batches are accepted, and what comes of them is seen in the list only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.providers.vendors.server import Call, Handler, Json, Refusal, Reply, Vendor

WORKSPACE = {"_id": "65f3c92d3dbe5dbb35374a9a", "name": "Agency"}
_OK = Reply(200, {"status": "success"})


@dataclass
class PlusVibe(Vendor):
    workspaces: list[dict[str, str]] = field(default_factory=lambda: [WORKSPACE])
    tags: dict[str, str] = field(default_factory=dict)
    """Ids by name."""

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        v1 = "/api/v1"
        return {
            ("GET", f"{v1}/authenticate"): self._authenticate,
            ("POST", f"{v1}/account/bulk-add-regular-accounts"): self._add,
            ("GET", f"{v1}/account/list"): self._list,
            ("PUT", f"{v1}/account/bulk-update"): self._update,
            ("PATCH", f"{v1}/account/bulk-update-warmup"): self._warm_up,
            ("PUT", f"{v1}/account/bulk-assign-tags"): self._assign,
            ("POST", f"{v1}/account/delete"): self._delete,
            ("GET", f"{v1}/tags/list"): self._list_tags,
            ("POST", f"{v1}/tags/create"): self._create_tag,
            ("POST", f"{v1}/partner-upload-regular-accounts"): self._add,
            ("POST", f"{v1}/webhook/partner-list-workspace"): self._list_workspaces,
            ("GET", f"{v1}/webhook/partner-list-email-accounts"): self._list,
        }

    def failure(self, status: int, words: str) -> Reply:
        return Reply(status, {"status": "error", "message": words})

    def key_of(self, call: Call) -> str:
        given = {**(call.body if isinstance(call.body, dict) else {}), **call.query}
        return call.headers.get("x-api-key") or given.get("pipl_password", "")

    def _id(self) -> str:
        return f"{next(self.numbers):024x}"

    def _workspace(self, given: Mapping[str, Json]) -> None:
        if given["workspace_id"] not in {one["_id"] for one in self.workspaces}:
            raise Refusal(self.failure(404, "Workspace not found"))

    def _chosen(self, body: Mapping[str, Json]) -> list[dict[str, Json]]:
        self._workspace(body)
        by_id = {inbox["id"]: inbox for inbox in self.inboxes.values()}
        if not set(body["ids"]) <= set(by_id):
            raise Refusal(self.failure(404, "Email account not found"))
        return [by_id[one] for one in body["ids"]]

    async def _authenticate(self, _: Call) -> Reply:
        return Reply(200, {"status": "success", "account": "Agency", "workspaces": self.workspaces})

    async def _list_workspaces(self, _: Call) -> Reply:
        return Reply(200, {"code": 1, "message": "Success", "data": self.workspaces})

    async def _add(self, call: Call) -> Reply:
        self._workspace(call.body)
        self.work(self._sign_in(call.body["accounts"]))
        return _OK

    async def _sign_in(self, accounts: list[dict[str, Json]]) -> None:
        """What cannot be signed in to is reported by mail, and not listed."""
        for account in accounts:
            email = account["email"].lower()
            if email in self.inboxes or account["password"] == self.wrong or self.is_full:
                continue
            self.inboxes[email] = {
                "id": self._id(),
                "email": email,
                "status": "ACTIVE",
                "warmup_status": "ACTIVE" if account.get("enable_warmup") == "yes" else "INACTIVE",
                "provider": "REGULAR",
                "payload": {"daily_limit": account.get("daily_limit"), "tags": []},
            }

    async def _list(self, call: Call) -> Reply:
        self._workspace(call.query)
        wanted = call.query.get("email")
        found = [inbox for email, inbox in self.inboxes.items() if wanted in (None, email)]
        skip = int(call.query.get("skip", 0))
        return Reply(200, {"accounts": found[skip : skip + int(call.query.get("limit", 10))]})

    async def _update(self, call: Call) -> Reply:
        for inbox in self._chosen(call.body):
            inbox["payload"]["daily_limit"] = call.body["daily_limit"]
        return _OK

    async def _warm_up(self, call: Call) -> Reply:
        for inbox in self._chosen(call.body):
            inbox["warmup_status"] = call.body["warmup_status"]
        return Reply(200, {"updated_count": len(call.body["ids"]), "updated_ids": call.body["ids"]})

    async def _assign(self, call: Call) -> Reply:
        for inbox in self._chosen(call.body):
            if call.body["tag_id"] not in inbox["payload"]["tags"]:
                inbox["payload"]["tags"].append(call.body["tag_id"])
        return _OK

    async def _delete(self, call: Call) -> Reply:
        self._workspace(call.body)
        if self.inboxes.pop(call.body["email"].lower(), None) is None:
            return self.failure(404, "Email account not found")
        return _OK

    async def _list_tags(self, call: Call) -> Reply:
        self._workspace(call.query)
        skip = int(call.query.get("skip", 0))
        found = [{"_id": tag_id, "name": name} for name, tag_id in self.tags.items()]
        return Reply(200, found[skip : skip + int(call.query.get("limit", 10))])

    async def _create_tag(self, call: Call) -> Reply:
        self._workspace(call.body)
        if call.body["name"].lower() in {name.lower() for name in self.tags}:
            return self.failure(400, "Tag already exists")
        self.tags[call.body["name"]] = self._id()
        return Reply(200, {"status": "success", "tag_id": self.tags[call.body["name"]]})
