"""Whatever people allow and refuse, in whatever order it arrives: the words, stops and mails of the reference."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nurture.keys import email_hash
from nurture.records import Consent, EventRecord, Identity, LeadRecord
from nurture.stops import scopes_of
from tests.properties.examples import examples
from tests.reference.consents import ADS, EMAIL, Said, allows, latest, stopped
from tests.world import DOCUMENTS, SECRET, START

HOUR = timedelta(hours=1)
TOPICS = (*EMAIL, *ADS)
_numbers = count()
FORMS = st.tuples(
    st.just("form"),
    st.tuples(
        st.sampled_from(TOPICS),
        st.sampled_from(["granted", "granted", "pending", "withdrawn"]),
        st.sampled_from(["consent", "soft_opt_in", "legitimate_interest", "none"]),
    ),
)
SWITCHES = st.dictionaries(st.sampled_from(TOPICS), st.booleans(), min_size=1)
FACTS = st.one_of(
    st.tuples(st.just("email.unsubscribed"), st.sampled_from([None, *EMAIL])),
    st.tuples(st.just("email.complained"), st.none()),
    st.tuples(st.just("email.bounced"), st.none()),
    st.tuples(st.just("email.preferences_set"), SWITCHES),
    st.tuples(st.just("email.confirmed"), st.sampled_from(EMAIL)),
)
STORIES = st.lists(st.lists(st.one_of(FORMS, FACTS), min_size=1, max_size=8), min_size=3, max_size=6)


def documents():
    """Two topics of e-mail, one of which does not take every basis."""
    made = deepcopy(DOCUMENTS)
    topics = made["events"]["topics"]
    topics["nurture"]["bases"] = ["consent", "soft_opt_in"]
    topics["letter"] = {"label": "Letter"}
    made["emails/letter"] = deepcopy(made["emails/thanks"]) | {"name": "letter", "topic": "letter"}
    made["sequences/papers"] |= {"goal": None, "exits": [], "stay_after": ["hard-bounce", "complained"]}
    made["sequences/papers"]["steps"] = [{"id": "thanks", "email": "thanks"}, {"id": "letter", "email": "letter"}]
    return made


def record(name, number, said):
    identity = Identity("email", f"{name}@example.com")
    if said.what == "form":
        topic, status, basis = said.detail
        word = Consent(status, basis, "form", topic=topic, occurred_at=said.at)
        return LeadRecord((identity,), {"email": identity.value}, {}, (word,), as_of=START)
    properties = {
        "email.unsubscribed": lambda: {"topic": said.detail} if said.detail else {},
        "email.bounced": lambda: {"kind": "hard"},
        "email.preferences_set": lambda: {"topics": said.detail},
        "email.confirmed": lambda: {"topic": said.detail},
    }.get(said.what, dict)()
    return EventRecord("test", f"{name}-{number}", said.what, said.at, (identity,), properties)


def live(world, stories):
    """Everybody's name with what it said, an hour apart."""
    people = {}
    for story in stories:
        people[f"lead{next(_numbers):06}"] = [
            Said(world.now + number * HOUR, what, detail) for number, (what, detail) in enumerate(story)
        ]
    world.now += 10 * HOUR
    addresses = [Identity("email", f"{name}@example.com") for name in people]
    world.store([LeadRecord((each,), {"email": each.value}, as_of=START) for each in addresses])
    return people


def words(world, name):
    rows = world.rows("consent_states", lead_id=world.lead_id(name))
    return {row["topic"]: (row["status"], row["basis"]) for row in rows}


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=STORIES, sizes=st.lists(st.integers(1, 9), min_size=1))
def test_words_stops_and_mails_are_those_of_the_reference(new_world, stories, sizes):
    world = new_world(documents())
    people = live(world, stories)
    told = [(said.at, name, number, said) for name, story in people.items() for number, said in enumerate(story)]
    waiting = [record(name, number, said) for _, name, number, said in sorted(told, key=lambda each: each[:3])]
    for size in [*sizes, len(waiting)]:
        world.store(waiting[:size])
        waiting = waiting[size:]
    for name in people:
        world.happens(name, "content.white_paper_downloaded")
    world.run()
    world.run("follow-up")
    for name, said in people.items():
        assert words(world, name) == latest(said)
        hash_ = email_hash(SECRET.encode(), f"{name}@example.com")
        active = [row for row in world.rows("suppressions", email_hash=hash_) if row["lifted_at"] is None]
        channels = {topic: "ads" if topic in ADS else "email" for topic in TOPICS}
        found = {
            (topic, row["reason"])
            for row in active
            for topic, channel in channels.items()
            if row["scope"] in scopes_of(topic, channel)
        }
        assert found == stopped(said)
        first = "thanks" in world.received(name)
        assert first is allows(said, "nurture")
        assert ("letter" in world.received(name)) is allows(said, "letter")


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=STORIES, dice=st.randoms(use_true_random=False), sizes=st.lists(st.integers(1, 9), min_size=1))
def test_the_latest_word_counts_whatever_arrives_first_or_twice(new_world, stories, dice, sizes):
    world = new_world(documents())
    people = live(world, stories)
    waiting = [record(name, number, said) for name, story in people.items() for number, said in enumerate(story)]
    waiting += dice.sample(waiting, len(waiting) // 2)
    dice.shuffle(waiting)
    for size in [*sizes, len(waiting)]:
        world.store(waiting[:size])
        waiting = waiting[size:]
    for name, said in people.items():
        assert words(world, name) == latest(said)
        # Whatever the order, the record keeps every word once.
        kept = [
            (row["topic"], row["status"], row["occurred_at"])
            for row in world.rows("consents", lead_id=world.lead_id(name))
        ]
        assert len(kept) == len(set(kept))
