"""A message that was never written: what the hand-over would say of it for one lead."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, select

from db.contact_caps import ContactCaps
from db.messages import refusal
from db.types import UTCDateTime
from nurture.permissions import Permissions


class Verdict(NamedTuple):
    """The refusal, None when there is none, and from when the caps have room."""

    refusal: str | None
    free_at: datetime


def verdict(
    connection: Connection,
    lead_id: int,
    *,
    email: str,
    topic: str,
    marketing: bool,
    caps: ContactCaps,
    permissions: Permissions,
    now: datetime,
) -> Verdict:
    """By the very expressions of the hand-over, of a message outside of any sequence that never comes too late."""
    of = select(
        sa.literal(lead_id, sa.BigInteger()).label("lead_id"),
        sa.literal(email, sa.String()).label("email"),
        sa.literal(topic, sa.String()).label("topic"),
        sa.literal(marketing, sa.Boolean()).label("marketing"),
        sa.cast(sa.null(), sa.BigInteger()).label("enrollment_id"),
        sa.cast(sa.null(), sa.String()).label("sequence"),
        sa.type_coerce(sa.cast(sa.null(), UTCDateTime()), UTCDateTime()).label("expires_at"),
    ).subquery("imagined")
    query: Any = select(refusal(permissions, of).label("refusal"), caps.free_at(of).label("free_at")).select_from(of)
    row = connection.execute(query, {"now": now}).one()
    return Verdict(row.refusal, row.free_at)
