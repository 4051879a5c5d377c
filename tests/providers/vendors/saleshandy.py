"""Saleshandy for tests: an inbox is saved at once, connected or not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tests.providers.vendors.server import Call, Handler, Json, Reply, Vendor


@dataclass
class Saleshandy(Vendor):
    wraps: bool = True
    """Whether answers come in a `payload`: its pages and the live API differ."""

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        return {
            ("POST", "/v1/email-accounts/smtp-imap/connect"): self._connect,
            ("POST", "/v1/email-accounts"): self._list,
            ("POST", "/v1/email-accounts/bulk-update"): self._update,
        }

    def _wrapped(self, body: Json) -> Reply:
        return Reply(200, {"message": "Success", "payload": body} if self.wraps else body)

    async def _connect(self, call: Call) -> Reply:
        sides: dict[str, dict[str, Json]] = call.body["payload"]
        email = sides["smtp"]["emailAddress"].lower()
        if email in self.inboxes:
            return self.failure(400, "Email account already exists")
        if self.is_full:
            return self.failure(400, "You have reached the email account limit of your plan")
        await asyncio.sleep(self.seconds)
        if email in self.inboxes:
            return self.failure(400, "Email account already exists")
        errors = {side: "Invalid login" if sides[side]["password"] == self.wrong else None for side in sides}
        status = 0 if any(errors.values()) else 1
        number = f"acc{next(self.numbers)}"
        self.inboxes[email] = {
            "id": number,
            "fromName": call.body["fromName"],
            "fromEmail": email,
            "type": 3,
            "status": status,
            "emailServiceProvider": call.body["emailServiceProvider"],
            "settings": [{"code": "daily-sending-limit", "value": "50"}, {"code": "available-quota", "value": "50"}],
        }
        connections = {f"{side}Connection": {"error": error} for side, error in errors.items()}
        return self._wrapped({"id": number, "status": status, **connections})

    async def _list(self, call: Call) -> Reply:
        search, size = call.body.get("search", "").lower(), call.body.get("pageSize", 25)
        found = [inbox for email, inbox in self.inboxes.items() if search in email]
        start = (call.body.get("page", 1) - 1) * size
        return self._wrapped({"emails": found[start : start + size]})

    async def _update(self, call: Call) -> Reply:
        names = [call.body["senderFirstName"], call.body.get("senderLastName")]
        for inbox in self.inboxes.values():
            if inbox["id"] in call.body["emailAccountIds"]:
                inbox["fromName"] = " ".join(filter(None, names))
                if "dailyQuota" in call.body:
                    inbox["settings"][0]["value"] = str(call.body["dailyQuota"])
        return Reply(200)
