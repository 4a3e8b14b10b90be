"""Tells the stories beside a correlation to it, and to those that say a little less."""

from collections.abc import Sequence
from typing import NamedTuple

from collectors.logsource import LogSource
from detection.sigma.correlate import Correlator, values_of, wanted_fields
from detection.sigma.engine import Engine
from detection.sigma.measure import SECOND
from detection.sigma.ruleset import build
from rules.catalog import Catalog, Rule
from rules.correlations import Correlation
from rules.loosened import loosened
from rules.stories import Story


class Scene(NamedTuple):
    """A correlation, those that it refers to, and an engine with the rules below them."""

    correlation: Correlation
    below: Sequence[Correlation]
    engine: Engine
    logsources: tuple[LogSource, ...]
    """Those of the rules; every event of a story is of all of them."""


def scene(correlation: Correlation, catalog: Catalog) -> Scene:
    """What a correlation of a catalog needs to be told a story."""
    wanted = set(correlation.rules)
    below: list[Correlation] = []
    for each in reversed(catalog.correlations):
        if each.info.id in wanted:
            wanted.update(each.rules)
            below.insert(0, each)
    rules: list[Rule] = [rule for rule in catalog.rules if rule.info.id in wanted]
    engine = build(Catalog(rules=rules), correlation.info.id, kept=False)
    sources = tuple(dict.fromkeys(rule.info.logsource for rule in rules))
    return Scene(correlation, below, engine, sources)


def misjudged(scene: Scene, stories: Sequence[Story]) -> list[Story]:
    """The stories that end otherwise than they should."""
    return [each for each in stories if _comes_true(scene, each) is not each.matches]


def unnoticed(scene: Scene, stories: Sequence[Story]) -> list[str]:
    """What could be left out of the correlation without any story ending otherwise."""
    return [
        each.left_out
        for each in loosened(scene.correlation)
        if not misjudged(scene._replace(correlation=each.correlation), stories)
    ]


def _comes_true(scene: Scene, story: Story) -> bool:
    correlations = [*scene.below, scene.correlation]
    wanted = wanted_fields(correlations)
    correlator = Correlator(correlations)
    for number, moment in enumerate(story.moments):
        event = moment.event or {}
        for rule in scene.engine.match(event, scene.logsources if event else ()):
            if rule.id in wanted:
                values = values_of(event, wanted[rule.id])
                correlator.add(rule.id, f"{number:06}", moment.at * SECOND, values)
    correlator.advance(story.moments[-1].at * SECOND)
    identity = scene.correlation.info.id
    return any(each.bucket.correlation == identity for each in correlator.take())
