"""When an instance ends, drawn at random: VISA's rules, and an owner who may be at work or gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from migration.habits import AGES, Habits, Limits, Owner, ages

Draws = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Going:
    """What may still happen to one instance, seen from now.

    Attributes:
        owner: whose it is.
        age: days since it began.
        idle: days since somebody was seen; None where that ends nothing (booked).
        left: days to its termination date.
        extensible: whether it may get more time then.
    """

    owner: Owner
    age: float
    idle: float | None
    left: float
    extensible: bool


@dataclass(frozen=True, slots=True)
class Chances:
    """Habits as one set of draws has them: every draw is a world of its own, with rates of its own.

    Attributes:
        stops: per age and draw, how often an owner stops using an instance, a day: shape (ages, draws).
        deletes: per draw, how often one is deleted by hand, a day.
        extended: per draw, the chance of more time.
        returns: how often somebody is seen on an instance in use, a day.
        extensions: how many times more time is had at most.
        limits: VISA's limits.
    """

    stops: Draws
    deletes: Draws
    extended: Draws
    returns: float
    extensions: int
    limits: Limits


def chances(habits: Habits, limits: Limits, draws: int, rng: np.random.Generator) -> Chances:
    """Draw how much of the habits is true.

    Arguments:
        habits: what was learned.
        limits: VISA's limits.
        draws: how many worlds.
        rng: where chance comes from.

    Returns:
        The habits of each of these worlds.
    """
    return Chances(
        stops=np.array([rng.gamma(rate.events, 1 / rate.days, draws) for rate in habits.stops], dtype=np.float32),
        deletes=rng.gamma(habits.deletes.events, 1 / habits.deletes.days, draws).astype(np.float32),
        extended=np.minimum(rng.beta(*habits.extended, draws), 0.9999).astype(np.float32),
        returns=habits.returns,
        extensions=habits.extensions,
        limits=limits,
    )


def ends(going: Sequence[Going], chance: Chances, uniform: Draws) -> Draws:
    """Draw when instances of one kind of owner end.

    Somebody at work comes back again and again, at random; each visit may have been the last. How long ago the last one
    was says how likely it is that there will be no other.

    Arguments:
        going: the instances.
        chance: what each world is like; as many as there are draws.
        uniform: three random numbers above 0 and up to 1 for each draw of each instance: shape (instances, 3, draws).

    Returns:
        Days from now, shape (instances, draws); nothing ends in the past.
    """
    limit, returns = np.float32(chance.limits.inactivity), np.float32(chance.returns)
    left = np.array([[one.left] for one in going], dtype=np.float32)
    age = np.array([[one.age] for one in going], dtype=np.float32)
    seen = np.array([[0 if one.idle is None else one.idle] for one in going], dtype=np.float32)
    booked = np.array([[one.idle is None] for one in going])
    extensible = np.array([[one.extensible] for one in going])
    missed = np.float32(math.exp(-chance.returns * chance.limits.inactivity))  # comes back too late
    with np.errstate(divide="ignore", over="ignore"):  # what is impossible has odds of 0 to infinity
        # the visit that was seen was not the last, though nobody has come since; and the next one comes in time
        used_for = np.clip(age - seen, 0, None)
        stay = 1 / (1 + _rate_at(chance, used_for) / returns * np.exp(returns * seen))
        stay *= -np.expm1(-returns * np.clip(limit - seen, 0, None))
        used = _uses(chance, age, -np.log(np.minimum(uniform[:, 0] / stay, 1)), returns * missed)
        used = np.where(uniform[:, 0] < stay, used, -seen)
        by_hand = np.log(uniform[:, 1]) / -chance.deletes
    due = np.broadcast_to(left, used.shape)
    if extensible.any():
        lifetime = np.float32(chance.limits.lifetime)
        granted = np.minimum(np.floor(np.log(uniform[:, 2]) / np.log(chance.extended)), chance.extensions)
        wanted = np.ceil(np.clip(used - left, 0, None) / lifetime)
        due = np.where(extensible, left + np.minimum(granted, wanted) * lifetime, left)
    alone = np.where(booked, np.inf, used + limit)
    return np.maximum(np.minimum(np.minimum(due, by_hand), alone), 0, dtype=np.float32)


def _rate_at(chance: Chances, age: Draws) -> Draws:
    """Return how often owners stop at these ages, per draw."""
    at = np.searchsorted(np.array(AGES) * chance.limits.lifetime, age[:, 0], side="right")
    return chance.stops[at]


def _uses(chance: Chances, age: Draws, hazard: Draws, more: np.float32) -> Draws:
    """Return how many days an instance of this age is used until so much hazard has been met.

    Arguments:
        chance: the rates of stopping, by age.
        age: days that it was used before, shape (instances, 1).
        hazard: exponential, shape (instances, draws).
        more: a rate at every age: of a visit that comes too late.

    Returns:
        Days from now, shape (instances, draws).
    """
    used = np.zeros_like(hazard)
    for rate, (low, high) in zip(chance.stops + more, ages(chance.limits), strict=True):
        if high <= age.min():
            continue
        lasts = np.clip(np.float32(high) - np.maximum(age, np.float32(low)), 0, None)
        spent = np.minimum(hazard / rate, lasts)
        used += spent
        hazard = hazard - spent * rate
    return used
