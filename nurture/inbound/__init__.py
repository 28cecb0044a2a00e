"""Mail that comes back, read as facts: replies, automatic answers, bounces, complaints, unsubscribes."""

from nurture.inbound.mail import InboundMail
from nurture.inbound.reading import read_mail

__all__ = ["InboundMail", "read_mail"]
