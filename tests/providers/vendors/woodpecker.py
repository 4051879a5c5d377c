"""Woodpecker for tests: batches are worked on in the background and have a summary."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.providers.vendors.server import Call, Handler, Json, Reply, Vendor

_PAGE = 50


@dataclass
class Woodpecker(Vendor):
    pages: bool = True
    """Whether the list comes in pages or as an array: the vendor's own pages differ."""
    batches: dict[str, dict[str, Json]] = field(default_factory=dict)

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        bulk = "/rest/v2/mailboxes/manual_connection/bulk"
        return {
            ("GET", "/rest/v1/me"): self._me,
            ("POST", bulk): self._add,
            ("GET", f"{bulk}/{{batch_id}}/summary"): self._summary,
            ("GET", "/rest/v2/mailboxes"): self._list,
        }

    def failure(self, status: int, words: str) -> Reply:
        return Reply(status, {"code": "ERROR", "details": [words]})

    async def _me(self, _: Call) -> Reply:
        return Reply(200, {"id": 1, "email": "support@litemail.test"})

    async def _add(self, call: Call) -> Reply:
        number = next(self.numbers)
        self.batches[str(number)] = {
            "processing_finished": False,
            "batch_size": len(call.body["mailboxes"]),
            "failed_mailboxes_count": 0,
            "failed_mailboxes": [],
        }
        self.work(self._sign_in(str(number), call.body["mailboxes"]))
        return Reply(202, {"batch_id": number})

    async def _sign_in(self, batch_id: str, mailboxes: list[dict[str, Json]]) -> None:
        batch = self.batches[batch_id]
        for given in mailboxes:
            error = self._error(given)
            if error is None:
                self._connect(given)
            else:
                batch["failed_mailboxes"].append({"smtp_email": given["smtp_email"], "errors": [error]})
        batch["failed_mailboxes_count"] = len(batch["failed_mailboxes"])
        batch["processing_finished"] = True

    def _error(self, given: Mapping[str, Json]) -> str | None:
        if given["smtp_email"].lower() in self.inboxes:
            return "Mailbox already connected"
        if self.wrong in (given["smtp_password"], given["imap_password"]):
            return "Authentication failed"
        return "The maximum of mailboxes is reached" if self.is_full else None

    def _connect(self, given: Mapping[str, Json]) -> None:
        email = given["smtp_email"].lower()
        self.inboxes[email] = {
            "id": next(self.numbers),
            "imap_id": next(self.numbers),
            "email": email,
            "daily_limit": given.get("daily_sending_limit", 50),
        }

    async def _summary(self, call: Call) -> Reply:
        batch = self.batches.get(call.named["batch_id"])
        return self.failure(404, "No such batch") if batch is None else Reply(200, batch)

    async def _list(self, call: Call) -> Reply:
        rows = [row for inbox in self.inboxes.values() for row in _rows(inbox)]
        if not rows:
            return Reply(204)
        if not self.pages:
            return Reply(200, rows)
        number = int(call.query.get("page", 0))
        pagination = {"total_pages": -(-len(rows) // _PAGE), "current_page_number": number, "page_size": _PAGE}
        return Reply(200, {"content": rows[number * _PAGE : (number + 1) * _PAGE], "pagination_data": pagination})


def _rows(inbox: Mapping[str, Json]) -> list[dict[str, Json]]:
    smtp = {
        "email": inbox["email"],
        "provider": "CUSTOM",
        "error": None,
        "daily_limit": inbox["daily_limit"],
        "imap_id": inbox["imap_id"],
        "warmup_data": {"status": "STOPPED"},
    }
    imap = {"email": inbox["email"], "provider": "CUSTOM", "error": ""}
    return [
        {"id": inbox["id"], "type": "SMTP", "details": smtp},
        {"id": inbox["imap_id"], "type": "IMAP", "details": imap},
    ]
