"""Who is who: which lead a record belongs to, by its identifiers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nurture.records import ANONYMOUS, EMAIL, PHONE, Identity

# A lead that does not exist yet has a number below zero.
Lead = int

_WEAK = (PHONE, ANONYMOUS)


class Matcher:
    """Finds the lead of one record after the other, and remembers what each has linked.

    The first identifier that belongs to somebody decides, in the order e-mail, phone, external id, anonymous id. A
    phone or a browser may be shared, so it does not decide for a record with an address of its own, or with an external
    id of somebody else. Identifiers that belong to nobody are linked to the lead; those of others stay as they are.
    """

    def __init__(self, owners: Mapping[Identity, Lead | None], with_email: Collection[Lead]) -> None:
        self.owners: dict[Identity, Lead | None] = dict(owners)
        self.with_email = set(with_email)
        self.new_leads = 0
        self.conflicts = 0

    def lead_of(self, identities: Sequence[Identity], given: Lead | None = None) -> Lead | None:
        """The lead of a record; a new one when nobody is known, none when all that is known is an anonymous id."""
        if len(identities) == 1 and given is None:
            owner = self.owners.get(identities[0])
            if owner is not None:
                # Nothing stands against its only identifier, and there is nothing to link.
                return owner
        ranked = sorted(identities, key=_rank) if len(identities) > 1 else identities
        lead = given if given is not None else self._decide(ranked)
        if lead is None and any(each.kind != ANONYMOUS for each in ranked):
            self.new_leads += 1
            lead = -self.new_leads
        self._link(ranked, lead)
        return lead

    def owner_of(self, identities: Sequence[Identity]) -> Lead | None:
        """The lead that the first owned identifier has found by now."""
        return next((lead for each in identities if (lead := self.owners.get(each)) is not None), None)

    def _decide(self, ranked: Sequence[Identity]) -> Lead | None:
        own_address = bool(ranked) and ranked[0].kind == EMAIL and self.owners.get(ranked[0]) is None
        for identity in ranked:
            lead = self.owners.get(identity)
            if lead is None:
                continue
            if identity.kind in _WEAK and ((own_address and lead in self.with_email) or self._another(ranked, lead)):
                continue
            return lead
        return None

    def _another(self, ranked: Sequence[Identity], lead: Lead) -> bool:
        return any(
            each.kind not in _WEAK and self.owners.get(each) is not None and self.owners[each] != lead
            for each in ranked
        )

    def _link(self, ranked: Sequence[Identity], lead: Lead | None) -> None:
        conflict = False
        for identity in ranked:
            owner = self.owners.setdefault(identity, None)
            if owner is None and lead is not None:
                self.owners[identity] = lead
                if identity.kind == EMAIL:
                    self.with_email.add(lead)
            conflict = conflict or (owner is not None and owner != lead)
        self.conflicts += conflict


def _rank(identity: Identity) -> tuple[int, str, str]:
    kind = identity.kind
    return (0 if kind == EMAIL else 1 if kind == PHONE else 3 if kind == ANONYMOUS else 2, kind, identity.value)
