"""Every interleaving of two transactions: each statement and commit waits at a gate until it is its turn.

The tree of choices is walked to its end; where a database makes one wait for the other, only the other can be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

import sqlalchemy as sa

from db.engine import Database

_PATIENCE = 30.0


@dataclass
class Actor:
    """One transaction in its own thread and on its own connection."""

    name: str
    act: Callable[[], Any]
    # Whether a statement is a step of its own; what is none runs on with the one before.
    is_step: Callable[[str], bool] = lambda statement: True
    at: str | None = None  # the statement that it stands before
    granted: str | None = None  # the one that it executes
    pid: int | None = None
    in_transaction: bool = False
    done: bool = False
    result: Any = None
    error: BaseException | None = None


@dataclass
class Trace:
    """The steps in the order in which they were done, and what each of the two came to."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)

    def place(self, name: str, part: str) -> int:
        """At which place somebody had done its first step that holds these words."""
        return next(i for i, (who, step) in enumerate(self.steps) if who == name and part in step)


class Stage:
    """Runs two actors step by step, by a list of choices."""

    def __init__(self, databases: dict[str, Database]) -> None:
        self.databases = databases
        self.turn = Condition()
        self.actors: dict[str, Actor] = {}
        first = next(iter(databases.values()))
        self.dialect = first.dialect
        self.watcher = sa.create_engine(first.engine.url, isolation_level="AUTOCOMMIT")
        for name, database in databases.items():
            sa.event.listen(database.engine, "before_cursor_execute", self._statement(name))
            sa.event.listen(database.engine, "commit", self._commit(name))

    def close(self) -> None:
        """Let go of every connection."""
        self.watcher.dispose()
        for database in self.databases.values():
            database.dispose()

    def _statement(self, name: str) -> Callable[..., None]:
        def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            actor = self.actors.get(name)
            if actor is not None:
                info = getattr(connection.connection.driver_connection, "info", None)
                actor.pid = getattr(info, "backend_pid", None)
                if statement.startswith("BEGIN") or actor.is_step(statement):
                    self._gate(actor, statement)

        return before

    def _commit(self, name: str) -> Callable[[Any], None]:
        def before(connection: Any) -> None:
            actor = self.actors.get(name)
            if actor is not None:
                self._gate(actor, "COMMIT")

        return before

    def _gate(self, actor: Actor, statement: str) -> None:
        with self.turn:
            actor.at, actor.granted = statement, None
            self.turn.notify_all()
            assert self.turn.wait_for(lambda: actor.at is None, _PATIENCE), "nobody gave the turn"

    def _run(self, actor: Actor) -> None:
        try:
            actor.result = actor.act()
        except BaseException as error:
            actor.error = error
        with self.turn:
            actor.done = True
            self.turn.notify_all()

    def play(self, actors: list[Actor], choices: list[str]) -> tuple[Trace, list[list[str]]]:
        """One interleaving: by the choices, then whoever comes first; with who could have been chosen at each step."""
        self.actors = {actor.name: actor for actor in actors}
        trace, open_to = Trace(), []
        threads = [Thread(target=self._run, args=(actor,), daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        while True:
            ready = [actor for actor in actors if self._stands_at_a_gate(actor)]
            if not ready:
                break
            names = [actor.name for actor in ready]
            chosen = self.actors[choices[len(open_to)]] if len(open_to) < len(choices) else ready[0]
            open_to.append(names)
            with self.turn:
                trace.steps.append((chosen.name, chosen.at or ""))
                chosen.granted, chosen.at = chosen.at, None
                chosen.in_transaction = chosen.granted != "COMMIT"
                self.turn.notify_all()
        for thread in threads:
            thread.join(_PATIENCE)
        for actor in actors:
            if actor.error is not None:
                raise actor.error
            trace.results[actor.name] = actor.result
        self.actors = {}
        return trace, open_to

    def _stands_at_a_gate(self, actor: Actor) -> bool:
        """Waits until it is clear: at a gate, at its end, or made to wait by the database for the other."""
        while True:
            with self.turn:
                if self.turn.wait_for(lambda: actor.at is not None or actor.done, 0.003):
                    return not actor.done
            if self._must_wait(actor):
                return False

    def _must_wait(self, actor: Actor) -> bool:
        others = [each for each in self.actors.values() if each is not actor and each.in_transaction and not each.done]
        if not others:
            return False
        if self.dialect == "sqlite":
            return (actor.granted or "").startswith("BEGIN")
        with self.watcher.connect() as connection:
            query = sa.text("SELECT cardinality(pg_blocking_pids(:pid))")
            return bool(connection.execute(query, {"pid": actor.pid}).scalar())


def interleavings(stage: Stage, actors: Callable[[], list[Actor]]) -> Iterator[Trace]:
    """Every interleaving there is, each played with new actors."""
    waiting: list[list[str]] = [[]]
    while waiting:
        choices = waiting.pop()
        trace, open_to = stage.play(actors(), choices)
        taken = [name for name, _ in trace.steps]
        for place in range(len(choices), len(taken)):
            waiting += [[*taken[:place], other] for other in open_to[place] if other != taken[place]]
        yield trace
