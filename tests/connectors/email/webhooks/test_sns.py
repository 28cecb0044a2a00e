"""Amazon SNS: which addresses are its own, what is signed, and certificates that are fetched as little as possible."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connectors.email.webhooks.sns import (
    ATTEMPTS,
    MAX_CERTIFICATE,
    MAX_CERTIFICATES,
    MAX_FAILURES,
    Certificates,
    fetch_certificate,
    is_certificate_url,
    is_confirm_url,
)
from nurture.errors import RetryLater
from tests.connectors.email.webhooks.senders import CERTIFICATE_URL, NOW, certificate, sns

HOST = "https://sns.eu-west-1.amazonaws.com"
NAME = "/SimpleNotificationService-0123456789abcdef.pem"
CONFIRM = "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:123456789012:mail&Token=2336412f37"


@pytest.mark.parametrize("host", ["eu-west-1", "us-gov-east-1", "ap-southeast-12", "us-iso-east-1"])
def test_the_certificate_of_each_region_is_known(host):
    assert is_certificate_url(f"https://sns.{host}.amazonaws.com{NAME}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"http://sns.eu-west-1.amazonaws.com{NAME}",
        f"HTTPS://sns.eu-west-1.amazonaws.com{NAME}",
        f"https://sns.eu-west-1.amazonaws.com:443{NAME}",
        f"https://sns.eu-west-1.amazonaws.com.{NAME}",
        f"https://sns.eu-west-1.amazonaws.com.example.com{NAME}",
        f"https://example.com/sns.eu-west-1.amazonaws.com{NAME}",
        f"https://user@sns.eu-west-1.amazonaws.com{NAME}",
        f"https://sns.eu-west-1.amazonaws.com@example.com{NAME}",
        f"https://sns.eu-west-1.amazonaws.com\\@example.com{NAME}",
        f"https://sns.eu-west-1.evil.amazonaws.com{NAME}",
        f"https://sns-eu-west-1.amazonaws.com{NAME}",
        f"https://xsns.eu-west-1.amazonaws.com{NAME}",
        f"https://sns..amazonaws.com{NAME}",
        f"https://sns.amazonaws.com{NAME}",
        f"https://s3.eu-west-1.amazonaws.com{NAME}",
        f"https://snsxeu-west-1.amazonaws.com{NAME}",
        f"https://sns.eu-west-1xamazonaws.com{NAME}",
        f"{HOST}/bucket{NAME}",
        f"{HOST}/..{NAME}",
        f"{HOST}{NAME}?x=1",
        f"{HOST}{NAME}#x",
        f"{HOST}{NAME}\n",
        f" {HOST}{NAME}",
        f"{HOST}/SimpleNotificationService-.pem",
        f"{HOST}/SimpleNotificationService-a/b.pem",
        f"{HOST}/SimpleNotificationService-%2e%2e.pem",
        f"{HOST}/SimpleNotificationService-a.pem.txt",
        f"{HOST}/Other-0123456789abcdef.pem",
        f"https://sns.eu-west-1.amazonaws.com{NAME}".replace("sns", "\u0455ns"),
        f"https://sns.eu-west-\uff11.amazonaws.com{NAME}",
    ],
)
def test_whatever_only_looks_like_the_address_of_a_certificate_is_none(url):
    assert not is_certificate_url(url)


def test_the_address_that_confirms_is_known():
    assert is_confirm_url(HOST + CONFIRM)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://sns.eu-west-1.amazonaws.com" + CONFIRM,
        "https://example.com" + CONFIRM,
        "https://user@sns.eu-west-1.amazonaws.com" + CONFIRM,
        "https://sns.eu-west-1.amazonaws.com@example.com" + CONFIRM,
        "https://sns.eu-west-1.amazonaws.com:8443" + CONFIRM,
        "https://sns.eu-west-1.amazonaws.com\\.example.com" + CONFIRM,
        "https://sns.eu-west-1.amazonaws.com.example.com" + CONFIRM,
        HOST + "/path" + CONFIRM,
        HOST + CONFIRM + "#x",
        HOST + CONFIRM + "\r\nHost: example.com",
        HOST + CONFIRM + "&Action=DeleteTopic",
        HOST + "/?Action=Unsubscribe&SubscriptionArn=arn",
        HOST + "/",
        "https://[::1" + CONFIRM,
    ],
)
def test_whatever_only_looks_like_the_address_that_confirms_is_none(url):
    assert not is_confirm_url(url)


# --- Signatures -------------------------------------------------------------------------------------------------------


class Store:
    """Where certificates are fetched from, and how often that happened."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers) or [certificate()]
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["Amazon SES", None])
def test_both_versions_are_verified_with_a_subject_and_without(version, subject):
    assert Certificates(Store()).signed(sns({}, SignatureVersion=version, Subject=subject), NOW)


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn"])
def test_every_signed_value_is_proven(name):
    message = sns({})
    assert not Certificates(Store()).signed(message | {name: message[name] + "x"}, NOW)
    assert not Certificates(Store()).signed({k: v for k, v in message.items() if k != name}, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 2.0},
        {"SignatureVersion": None},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "Other"},
        {"Type": ["Notification"]},
        {"Signature": ""},
        {"Signature": "%"},
        {"Signature": "é"},
        {"Signature": None},
        {"Signature": {"a": 1}},
        {"SigningCertURL": None},
        {"SigningCertURL": 7},
        {"SigningCertURL": "https://example.com" + NAME},
        {"Message": {}},
        {"Subject": 7},
    ],
)
def test_a_malformed_message_is_not_signed(changed):
    assert not Certificates(Store()).signed(sns({}) | changed, NOW)


def test_a_certificate_of_somebody_else_proves_nothing():
    assert not Certificates(Store(certificate(number=2))).signed(sns({}), NOW)


@pytest.mark.parametrize(("start", "end"), [(-10, -1), (1, 10)])
def test_a_certificate_that_is_not_valid_now_proves_nothing(start, end):
    assert not Certificates(Store(certificate(start, end))).signed(sns({}), NOW)


def test_a_certificate_is_fetched_once():
    store = Store()
    certificates = Certificates(store)
    assert all(certificates.signed(sns({}), NOW) for _ in range(3))
    assert store.asked == [CERTIFICATE_URL]


def test_nothing_is_fetched_from_elsewhere():
    store = Store()
    assert not Certificates(store).signed(sns({}, SigningCertURL="https://169.254.169.254" + NAME), NOW)
    assert store.asked == []


def test_only_a_few_certificates_are_kept():
    store = Store()
    certificates = Certificates(store)
    urls = [f"{HOST}/SimpleNotificationService-{number}.pem" for number in range(MAX_CERTIFICATES + 1)]
    for url in [*urls, urls[-1], urls[0]]:
        assert certificates.signed(sns({}, SigningCertURL=url), NOW)
    assert len(store.asked) == len(urls) + 1


@pytest.mark.parametrize(
    "answer",
    [b"", b"no certificate", RetryLater("no answer"), KeyError("x"), certificate()[:-90]],
    # Workers must agree on the names of tests, and each makes a key of its own.
    ids=["nothing", "text", "no answer", "broken", "half"],
)
def test_what_is_no_certificate_proves_nothing_and_is_asked_for_again(answer):
    certificates = Certificates(Store(*[answer] * ATTEMPTS, certificate()))
    assert not certificates.signed(sns({}), NOW)
    assert certificates.signed(sns({}), NOW)


def test_one_hiccup_of_the_network_is_no_refusal():
    assert Certificates(Store(RetryLater("no answer"), certificate())).signed(sns({}), NOW)


def test_forged_messages_do_not_make_us_fetch_without_end():
    store = Store(RetryLater("404"))
    certificates = Certificates(store)
    for number in range(50):
        url = f"{HOST}/SimpleNotificationService-{number}.pem"
        assert not certificates.signed(sns({}, SigningCertURL=url), NOW)
    assert len(store.asked) == MAX_FAILURES * ATTEMPTS
    assert not certificates.signed(sns({}), NOW + timedelta(minutes=2))
    assert len(store.asked) == (MAX_FAILURES + 1) * ATTEMPTS


# --- Fetching ---------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Stands in for the outside, on this machine."""

    def do_GET(self) -> None:
        status, body = {
            "/certificate": (200, certificate()),
            "/huge": (200, b"x" * (MAX_CERTIFICATE + 1)),
            "/moved": (302, b""),
        }.get(self.path, (404, b""))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/certificate")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """The address of the stand-in."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_certificate_is_fetched_over_http(outside):
    assert fetch_certificate(f"{outside}/certificate") == certificate()


@pytest.mark.parametrize(("path", "why"), [("/moved", "302"), ("/none", "404"), ("/huge", "larger")])
def test_a_redirect_a_gap_and_a_flood_are_no_certificate(outside, path, why):
    with pytest.raises(RetryLater, match=why):
        fetch_certificate(f"{outside}{path}")


def test_no_answer_is_no_certificate():
    with pytest.raises(RetryLater, match="no answer"):
        fetch_certificate("http://127.0.0.1:1/certificate")
    with pytest.raises(RetryLater):
        fetch_certificate("http://[broken")
