"""How worlds begin of which several modules take copies; see `tests/twins.py`."""

from __future__ import annotations

from copy import deepcopy

from tests.twins import NewWorld
from tests.world import DOCUMENTS, World


def colleagues(new_world: NewWorld) -> World:
    """Ada is in a sequence, in an audience and, with her colleague Bo, with sales; Cy is somewhere else."""
    documents = deepcopy(DOCUMENTS)
    documents["sequences/papers"]["in_sales_hands"] = "pause"
    documents["sequences/papers"].pop("goal")
    documents["audiences"]["audiences"]["readers"]["when"] = {"stage": {"at_least": "mql"}}
    documents["audiences"]["audiences"]["readers"]["kind"] = "retargeting"
    world = new_world(documents)
    for name, company in (("ada", "Adamill"), ("bo", "Adamill"), ("cy", "Cymill")):
        world.lead(name, ads=True, company=company, industry=f"{name}-industry")
        world.happens(name, "content.white_paper_downloaded")
    world.run()
    world.days(1)
    return world
