"""The scientists: they use VISA as users do, each with a token of their own, and know nothing of any cloud."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import requests

from lab.visa import habits
from lab.visa.habits import Act, Seen
from lab.visa.people import ADMINISTRATOR, PEOPLE
from lab.visa.tables import STAFF

TURN = 0.5
"""Seconds of ours between two looks."""

BUILDING = 4
"""Nobody asks for a new instance while so many are being made: two cores can do no more."""

PRESET = 0.6  # how often the plan is taken that VISA suggests
TIMEOUT = 30
LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Scientists:
    """All of them.

    Arguments:
        endpoint: VISA's.
        tokens: everybody's, by name.
        per_day: how many want a new instance on a day of VISA's, on average over a week.
        seed: the same habits for the same number.
    """

    endpoint: str
    tokens: Mapping[str, str]
    per_day: float
    seed: int
    _wishes: int = 0
    _extended: set[int] = field(default_factory=set)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; a VISA that does not answer is tried again."""
        draw, choose = np.random.default_rng(self.seed), random.Random(self.seed)  # noqa: S311 - no secret
        last: datetime | None = None
        while not stop.wait(TURN):
            try:
                now = datetime.fromisoformat(self._ask(ADMINISTRATOR, "GET", "/lab/clock")["now"])
                self._wishes += draw.poisson(habits.expected(last or now, now, self.per_day))
                last = now
                self._turn(now, choose)
            except requests.RequestException as error:
                LOG.warning("%s", error)

    def _turn(self, now: datetime, choose: random.Random) -> None:
        building = 0
        for name in PEOPLE:
            if name == ADMINISTRATOR:
                continue
            for raw in self._ask(name, "GET", "/account/instances"):
                building += raw["state"] == "BUILDING"
                if not raw["deleteRequested"] and raw["state"] == "ACTIVE":
                    self._care(name, self._seen(raw), now)
        while self._wishes and building < BUILDING:
            self._wishes -= 1
            building += self._begin(choose.choice([name for name in PEOPLE if name != ADMINISTRATOR]), choose)

    def _seen(self, raw: Mapping[str, Any]) -> Seen:
        created, seen, ends = (raw[name] for name in ("createdAt", "lastSeenAt", "terminationDate"))
        return Seen(
            raw["id"], datetime.fromisoformat(created), datetime.fromisoformat(seen or created),
            datetime.fromisoformat(ends) if ends else None, raw["id"] in self._extended,
        )  # fmt: skip

    def _care(self, name: str, instance: Seen, now: datetime) -> None:
        wanted, path = habits.act(instance, now, self.seed), f"/account/instances/{instance.number}"
        if wanted is Act.LOOK:
            self._ask(name, "POST", f"/lab/instances/{instance.number}/seen")
        elif wanted is Act.EXTEND:
            self._extended.add(instance.number)
            answer = self._ask(name, "POST", f"{path}/extension", {"comments": "the data are not reduced yet"})
            LOG.info("%s asks for more time for %s: %s", name, instance.number, answer["state"])
        elif wanted is Act.END:
            LOG.info("%s ends %s", name, instance.number)
            self._ask(name, "DELETE", path)

    def _begin(self, name: str, choose: random.Random) -> bool:
        """Start an instance of one of the plans that VISA offers this user."""
        plans: Sequence[Mapping[str, Any]] = self._ask(name, "GET", "/plans")
        if not plans:
            LOG.info("%s is offered nothing", name)
            return False
        preset = [plan for plan in plans if plan["preset"]]
        plan = preset[0] if preset and choose.random() < PRESET else choose.choice(plans)
        wanted = {
            "name": f"{name}'s desktop", "comments": "", "planId": plan["id"], "lifetimeMinutes": None,
            "screenWidth": 1920, "screenHeight": 1080, "acceptedTerms": True, "keyboardLayout": "en-gb-qwerty",
            "experiments": [] if PEOPLE[name] == STAFF else [f"experiment-{name}"],
        }  # fmt: skip
        try:
            made = self._ask(name, "POST", "/account/instances", wanted)
        except requests.HTTPError as error:
            LOG.info("%s gets no instance: %s", name, error)
            return False
        LOG.info("%s begins %s", name, made["id"])
        return True

    def _ask(self, name: str, method: str, path: str, body: object = None) -> Any:
        answer = requests.request(
            method, f"{self.endpoint}/api{path}", json=body, timeout=TIMEOUT,
            headers={"Authorization": f"Bearer {self.tokens[name]}"},
        )  # fmt: skip
        answer.raise_for_status()
        return answer.json()["data"]
