"""Six providers' stand-ins: each checks what its vendor checks and answers in its vendor's form.

Shapes and limits come from the vendors' documentation and contract files, as the connectors' own modules name them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from tests.connectors.email.providers.raw_vendors import MailgunStandIn, SesStandIn
from tests.connectors.email.providers.stand_in import Refused, Reply, Request, StandIn, json_reply

_IDS = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


class PostmarkStandIn(StandIn):
    kind = "postmark"
    token = "server-token-1"
    inactive: frozenset[str] = frozenset()
    unknown_sender = False

    def options(self) -> dict[str, Any]:
        return {"api_key": self.token, "api_url": self.url, "stream": "broadcast"}

    def refusal(self, status: int, words: str) -> Reply:
        code = {401: 10, 429: 429, 422: 300, 400: 300, 413: 300}.get(status, 500)
        return json_reply(status, {"ErrorCode": code, "Message": words})

    def answer(self, request: Request) -> Reply:
        token = request.headers.get("x-postmark-server-token", "")
        if token not in (self.token, "POSTMARK_API_TEST"):
            raise Refused(
                json_reply(401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"})
            )
        if request.method == "GET" and request.path == "/messages/outbound":
            return self._search(request)
        if request.headers.get("content-type") != "application/json":
            raise Refused(json_reply(422, {"ErrorCode": 409, "Message": "JSON required"}))
        form = request.json()
        delivered = token == self.token
        if request.path == "/email":
            result = self._judge_one(form, delivered=delivered)
            return json_reply(200 if result["ErrorCode"] == 0 else 422, result)
        if request.path == "/email/batch":
            if len(form) > 500:
                raise Refused(json_reply(422, {"ErrorCode": 410, "Message": "Too many batch messages"}))
            return json_reply(200, [self._judge_one(each, delivered=delivered) for each in form])
        raise Refused(json_reply(404, {"ErrorCode": 404, "Message": "no such address"}))

    def _judge_one(self, form: dict[str, Any], *, delivered: bool) -> dict[str, Any]:
        for name in ("From", "To", "Subject", "TextBody", "HtmlBody", "MessageStream"):
            if not isinstance(form.get(name), str):
                return {"ErrorCode": 403, "Message": f"Field '{name}' is missing"}
        if form["TrackOpens"] is not False or form["TrackLinks"] != "None":
            return {"ErrorCode": 300, "Message": "this stand-in wants tracking to be off"}
        if any(set(each) != {"Name", "Value"} for each in form["Headers"]):
            return {"ErrorCode": 403, "Message": "Headers are not pairs"}
        metadata = form["Metadata"]
        if len(metadata) > 10 or any(len(k) > 20 or len(v) > 80 for k, v in metadata.items()):
            return {"ErrorCode": 300, "Message": "Invalid metadata content"}
        if self.unknown_sender:
            return {"ErrorCode": 400, "Message": "The 'From' address you supplied is not a Sender Signature"}
        address = form["To"].rpartition("<")[2].rstrip(">")
        if address in self.inactive:
            words = f"You tried to send to a recipient that is inactive. Found inactive addresses: {address}."
            return {"ErrorCode": 406, "Message": words}
        self.take(metadata["ripen"], form, delivered=delivered)
        provider_id = str(uuid5(_IDS, metadata["ripen"]))
        submitted = "2026-03-02T09:00:00Z"
        return {"To": address, "SubmittedAt": submitted, "MessageID": provider_id, "ErrorCode": 0, "Message": "OK"}

    def _search(self, request: Request) -> Reply:
        wanted = request.query["metadata_ripen"]
        assert {"count", "offset"} <= set(request.query)
        found = [
            {"Status": "Sent", "MessageID": str(uuid5(_IDS, wanted)), "Metadata": each.form["Metadata"]}
            for each in self.accepted
            if each.key == wanted
        ]
        return json_reply(200, {"TotalCount": len(found), "Messages": found[:1]})


class SendGridStandIn(StandIn):
    kind = "sendgrid"
    key = "SG.key-1"
    has_activity = True

    def options(self) -> dict[str, Any]:
        return {"api_key": self.key, "api_url": self.url}

    def refusal(self, status: int, words: str) -> Reply:
        return json_reply(status, {"errors": [{"message": words, "field": None, "help": None}]})

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(self.refusal(401, "The provided authorization grant is invalid, expired, or revoked"))
        if (request.method, request.path) == ("GET", "/v3/messages"):
            return self._activity(request)
        if (request.method, request.path) != ("POST", "/v3/mail/send"):
            raise Refused(self.refusal(404, "not found"))
        form = request.json()
        for name in ("personalizations", "from", "subject", "content"):
            if not form.get(name):
                raise Refused(self.refusal(400, f"The {name} parameter is required."))
        if [each["type"] for each in form["content"]] != ["text/plain", "text/html"]:
            raise Refused(self.refusal(400, "If present, text/plain and text/html must be first in this order"))
        reserved = {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "to", "from", "subject"}
        if reserved & {name.lower() for name in form["headers"]}:
            raise Refused(self.refusal(400, "The header is reserved"))
        if any(setting["enable"] for setting in form["tracking_settings"].values()):
            raise Refused(self.refusal(400, "this stand-in wants tracking to be off"))
        categories = form.get("categories", [])
        if len(categories) > 10 or len(set(categories)) != len(categories):
            raise Refused(self.refusal(400, "categories"))
        sandbox = form.get("mail_settings", {}).get("sandbox_mode", {}).get("enable") is True
        (person,) = form["personalizations"]
        key = person["custom_args"]["ripen"]
        self.take(key, form, delivered=not sandbox)
        if sandbox:
            return Reply(200, b"")
        return Reply(202, b"", {"X-Message-Id": f"sg-{key}"})

    def _activity(self, request: Request) -> Reply:
        if not self.has_activity:
            raise Refused(self.refusal(403, "access forbidden"))
        wanted = re.fullmatch(r"\(unique_args\['ripen'\]=\"([0-9a-f]+)\"\)", request.query["query"])
        assert wanted
        found = [
            {"msg_id": f"sg-{each.key}", "status": "delivered", "to_email": "lead@example.com", "opens_count": 0}
            for each in self.accepted
            if each.key == wanted[1]
        ]
        return json_reply(200, {"messages": found})


class ResendStandIn(StandIn):
    kind = "resend"
    key = "re_key_1"
    blocked: frozenset[str] = frozenset()
    busy = 0  # so many times it says that the first request with a key is still at work

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, tuple[bytes, Reply]] = {}

    def options(self) -> dict[str, Any]:
        return {"api_key": self.key, "api_url": self.url}

    def refusal(self, status: int, words: str) -> Reply:
        names = {400: "validation_error", 422: "validation_error", 401: "missing_api_key", 403: "invalid_api_key"}
        names |= {429: "rate_limit_exceeded", 404: "not_found", 409: "concurrent_idempotent_requests"}
        return self.error(status, names.get(status, "application_error"), words)

    @staticmethod
    def error(status: int, name: str, words: str) -> Reply:
        return json_reply(status, {"statusCode": status, "name": name, "message": words})

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(self.error(401, "validation_error", "API key is invalid"))
        if request.path not in ("/emails", "/emails/batch"):
            raise Refused(self.error(404, "not_found", "The requested endpoint does not exist."))
        key = request.headers.get("idempotency-key", "")
        if not 1 <= len(key) <= 256:
            raise Refused(self.error(400, "invalid_idempotency_key", "must have between 1 and 256 characters"))
        if self.busy:
            self.busy -= 1
            raise Refused(self.error(409, "concurrent_idempotent_requests", "in progress"))
        if key in self.known:
            body, reply = self.known[key]
            if body != request.body:
                raise Refused(self.error(409, "invalid_idempotent_request", "different payload"))
            return reply
        forms = [request.json()] if request.path == "/emails" else request.json()
        if not 1 <= len(forms) <= 100:
            raise Refused(self.error(422, "validation_error", "too many"))
        for form in forms:  # strict: one that is not valid refuses them all
            self._check(form)
        ids = []
        for form in forms:
            ours = next(tag["value"] for tag in form["tags"] if tag["name"] == "ripen")
            self.take(ours, form)
            ids.append({"id": str(uuid5(_IDS, ours))})
        reply = json_reply(200, ids[0] if request.path == "/emails" else {"data": ids})
        self.known[key] = (request.body, reply)
        return reply

    def _check(self, form: dict[str, Any]) -> None:
        if missing := [name for name in ("from", "to", "subject", "html", "text") if not form.get(name)]:
            raise Refused(self.error(422, "missing_required_field", f"Missing `{missing[0]}` field"))
        if re.search(r'["(),:;]|=\?', form["from"].partition("<")[0]):
            raise Refused(self.error(422, "invalid_from_address", "Invalid `from` field"))
        if any('"' in each for each in form["to"]):
            raise Refused(self.error(422, "validation_error", "Invalid `to` field"))
        if any(not _TAG.fullmatch(tag[part]) for tag in form["tags"] for part in ("name", "value")):
            raise Refused(self.error(422, "validation_error", "Tags should only contain ASCII letters"))
        if not all(value.isascii() for value in form["headers"].values()):
            raise Refused(self.error(422, "validation_error", "headers"))
        if any(each.rpartition("<")[2].rstrip(">") in self.blocked for each in form["to"]):
            raise Refused(self.error(422, "validation_error", f"Invalid `to` field: {form['to'][0]}"))


class BrevoStandIn(StandIn):
    kind = "brevo"
    key = "xkeysib-1"

    def __init__(self) -> None:
        super().__init__()
        self.known: set[str] = set()

    def options(self) -> dict[str, Any]:
        return {"api_key": self.key, "api_url": self.url}

    def refusal(self, status: int, words: str) -> Reply:
        codes = {401: "unauthorized", 402: "not_enough_credits", 403: "permission_denied", 429: "too_many_requests"}
        return json_reply(status, {"code": codes.get(status, "invalid_parameter"), "message": words})

    def answer(self, request: Request) -> Reply:
        if request.headers.get("api-key") != self.key:
            raise Refused(json_reply(401, {"code": "unauthorized", "message": "Key not found"}))
        if request.path != "/v3/smtp/email":
            raise Refused(json_reply(404, {"code": "document_not_found", "message": "no such route"}))
        form = request.json()
        for name in ("sender", "to", "subject", "htmlContent"):
            if not form.get(name):
                raise Refused(json_reply(400, {"code": "missing_parameter", "message": f"{name} is missing"}))
        headers = form["headers"]
        if any(not value.isascii() for value in headers.values()):
            raise Refused(json_reply(400, {"code": "invalid_parameter", "message": "headers"}))
        key = str(UUID(headers["idempotencyKey"]))
        if key in self.known:
            raise Refused(json_reply(400, {"code": "duplicate_parameter", "message": "idempotencyKey is not unique"}))
        self.known.add(key)
        ours = json.loads(headers["X-Mailin-custom"])["ripen"]
        self.take(ours, form, delivered=headers.get("X-Sib-Sandbox") != "drop")
        return json_reply(201, {"messageId": f"<{ours}@smtp-relay.mailin.fr>"})


VENDORS: dict[str, Callable[[], StandIn]] = {
    each.kind: each
    for each in (PostmarkStandIn, SendGridStandIn, MailgunStandIn, SesStandIn, ResendStandIn, BrevoStandIn)
}
