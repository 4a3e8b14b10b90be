"""The Sigma engine: loads rules, says which match an event, and is quick about it."""

from detection.sigma.engine import Engine
from detection.sigma.ruleset import load
from rules.catalog import RuleInfo
from rules.documents import Fault

__all__ = ["Engine", "Fault", "RuleInfo", "load"]
