"""Stand-ins of the providers that take a message as a whole: Mailgun and Amazon SES."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

from tests.connectors.email.providers.stand_in import Refused, Reply, Request, StandIn, json_reply

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


class MailgunStandIn(StandIn):
    kind = "mailgun"
    key = "key-1"
    domain = "mg.example.com"

    def options(self) -> dict[str, Any]:
        return {"api_key": self.key, "api_url": self.url, "domain": self.domain, "message_domain": "mail.example.com"}

    def refusal(self, status: int, words: str) -> Reply:
        if status == 401:
            return Reply(401, b"Forbidden", {"Content-Type": "text/plain"})
        return json_reply(status, {"message": words})

    def answer(self, request: Request) -> Reply:
        basic = base64.b64encode(f"api:{self.key}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            raise Refused(self.refusal(401, ""))
        if request.path == f"/v3/{self.domain}/events":
            return self._events(request)
        if request.path != f"/v3/{self.domain}/messages.mime":
            raise Refused(self.refusal(404, f"Domain not found: {self.domain}"))
        fields = _fields(request)
        if not fields.get("to"):
            raise Refused(self.refusal(400, "to parameter is missing"))
        message = fields.get("message", [b""])[0]
        if not message:
            raise Refused(self.refusal(400, "'message' parameter is not a file"))
        for name in ("o:tracking", "o:tracking-clicks", "o:tracking-opens"):
            if fields[name] != [b"no"]:
                raise Refused(self.refusal(400, "this stand-in wants tracking to be off"))
        if len(fields.get("o:tag", [])) > 3:
            raise Refused(self.refusal(400, "too many tags"))
        key = fields["v:ripen"][0].decode()
        self.take(key, {**fields, "raw": message}, delivered=fields.get("o:testmode") != [b"yes"])
        message_id = email.message_from_bytes(message)["Message-ID"]
        return json_reply(200, {"id": message_id, "message": "Queued. Thank you."})

    def _events(self, request: Request) -> Reply:
        assert request.query["ascending"] == "no"
        found = []
        for each in self.accepted:
            message_id = email.message_from_bytes(each.form["raw"])["Message-ID"].strip("<>")
            if message_id == request.query["message-id"]:
                headers = {"message": {"headers": {"message-id": message_id}}}
                found.append({"event": "accepted", "user-variables": {"ripen": each.key}, **headers})
        return json_reply(200, {"items": found, "paging": {}})


def _fields(request: Request) -> dict[str, list[bytes]]:
    """The fields of a multipart form, read by the library's own parser."""
    kind = request.headers["content-type"]
    assert kind.startswith("multipart/form-data; boundary=")
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    first, *parts = (b"\r\n" + request.body).split(b"\r\n" + boundary)
    assert first == b""
    assert parts[-1].strip() == b"--"
    fields: dict[str, list[bytes]] = {}
    for part in parts[:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = re.search(rb'name="([^"]+)"', head)
        assert named
        fields.setdefault(named[1].decode(), []).append(value)
    return fields


class SesStandIn(StandIn):
    kind = "ses"
    region = "eu-north-1"
    access_key_id = "AKIDEXAMPLE"
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    token: str | None = None

    def options(self) -> dict[str, Any]:
        return {
            "api_url": self.url,
            "region": self.region,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret,
            "session_token": self.token,
            "configuration_set": "nurture",
        }

    def refusal(self, status: int, words: str) -> Reply:
        kinds = {400: "BadRequestException", 404: "NotFoundException", 429: "TooManyRequestsException"}
        kinds |= {401: "UnrecognizedClientException", 403: "AccessDeniedException", 500: "InternalFailure"}
        return self.error(status, kinds.get(status, "Whatever"), words)

    @staticmethod
    def error(status: int, kind: str, words: str) -> Reply:
        return json_reply(status, {"message": words}, **{"x-amzn-ErrorType": f"{kind}:http://internal/"})

    def answer(self, request: Request) -> Reply:
        self._check_signature(request)
        if (request.method, request.path) != ("POST", "/v2/email/outbound-emails"):
            raise Refused(self.error(404, "UnknownOperationException", ""))
        form = request.json()
        raw = base64.b64decode(form["Content"]["Raw"]["Data"], validate=True)
        if any(len(line) > 1000 for line in raw.split(b"\r\n")):
            raise Refused(self.error(400, "BadRequestException", "line too long"))
        tags = {each["Name"]: each["Value"] for each in form["EmailTags"]}
        if len(tags) != len(form["EmailTags"]) or not all(_TAG.fullmatch(x) for x in (*tags, *tags.values())):
            raise Refused(self.error(400, "BadRequestException", "tags"))
        assert len(form["Destination"]["ToAddresses"]) == 1
        self.take(tags["ripen"], {**form, "raw": raw})
        return json_reply(200, {"MessageId": f"0100-{tags['ripen']}"})

    def _check_signature(self, request: Request) -> None:
        """Sign again, by steps of its own, what came over the wire."""
        given = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/ses/aws4_request, SignedHeaders=([a-z0-9;-]+), "
            r"Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not given:
            raise Refused(self.error(403, "IncompleteSignatureException", "no signature"))
        access_key, day, region, names, signature = given.groups()
        stamp = request.headers["x-amz-date"]
        age = abs(datetime.now(UTC) - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
        assert {"host", "x-amz-date"} <= set(names.split(";"))
        lines = [f"{name}:{request.headers[name]}" for name in names.split(";")]
        body = hashlib.sha256(request.body).hexdigest()
        canonical = "\n".join(["POST", request.path, "", *lines, "", names, body])
        scope = f"{day}/{region}/ses/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for part in (day, self.region, "ses", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        right = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if access_key != self.access_key_id:
            raise Refused(self.error(403, "UnrecognizedClientException", "The security token is invalid."))
        if right != signature or request.headers.get("x-amz-security-token") != self.token:
            raise Refused(self.error(403, "InvalidSignatureException", "The request signature does not match."))
        if age.total_seconds() > 300:
            raise Refused(self.error(403, "InvalidSignatureException", "Signature expired"))
