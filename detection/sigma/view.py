"""Reads of a line of JSON only what the rules of its log sources look at."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from detection.sigma.plan import Plan
from detection.sigma.scan import note
from detection.sigma.signing import SLOT, Signature, slot_signer

NO_EVENT = (KeyError, AttributeError)
NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, *NO_EVENT)
"""What a line is that must be read whole: not for the strict decoder, or with lists or objects."""
ENVELOPE = "soc"
Reader = Callable[[bytes], tuple[int, ...] | None]
"""Numbers of the rules that match a line, None where it must be read whole to tell."""


class _Envelope(msgspec.Struct, gc=False):
    logsources: msgspec.Raw


class View:
    """What the rules of one plan look at in a line; the rest is passed over.

    Where they look at very many fields the whole object is decoded: that is quicker than to ask of
    each of its keys whether it is one of them.
    """

    def __init__(self, plan: Plan, seen: Iterable[str]) -> None:
        """`seen` are fields in the order of some event: the decoder expects them like that."""
        self._plan = plan
        if (wide := plan.wide) is not None:
            self._decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
            self._said: Callable[[Any], tuple[str, ...] | msgspec.Raw] = _taken_out
            self._sign: Callable[[Any], Signature] = lambda event: wide(event.get, event)
        else:
            names = dict.fromkeys([*(each for each in seen if each in plan.names), *plan.names])
            slots = {name: at for at, name in enumerate(names)}
            self._decode = _decoder(slots)
            self._said = attrgetter(f"{ENVELOPE}.logsources")
            self._sign = slot_signer(slots, plan.answers, plan.pairs)

    def reader(self, logsources: Sequence[str], written: bytes) -> Reader:
        """Reads lines of which the envelope names just these log sources, in this order.

        `written` is the JSON that says so; lines may be left to others that write it differently.
        """
        decode, said, sign = self._decode, self._said, self._sign
        expected = tuple(logsources) if self._plan.wide is not None else msgspec.Raw(written)
        known, evaluate = self._plan.known, self._plan.evaluate
        keywords = self._plan.keywords
        gate = keywords.gate if keywords is not None else None
        quick = gate.quick.scan if gate is not None else None
        hits: list[int] = []

        def read(line: bytes) -> tuple[int, ...] | None:
            try:
                event = decode(line)
                if said(event) != expected:
                    return None
                signature = sign(event)
            except NOT_READ:
                return None
            if gate is not None and quick is not None:
                quick(line, note, 0, hits)
                if hits:
                    hits.clear()
                    if gate.sure.found(line):
                        return None
            found = known.get(signature)
            return evaluate(signature) if found is None else found

        return read


def suits(plan: Plan) -> bool:
    """Whether a view can do for the plan: no paths, no keywords that may be in any line."""
    if plan.keywords is not None and plan.keywords.gate is None:
        return False
    return all("." not in name and name != ENVELOPE and _can_be_key(name) for name in plan.names)


def _can_be_key(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _taken_out(event: dict[str, Any]) -> tuple[str, ...]:
    return tuple(event.pop(ENVELOPE)["logsources"])


def _decoder(names: Iterable[str]) -> Callable[[bytes], Any]:
    slots = {SLOT.format(at): name for at, name in enumerate(names)}
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [(ENVELOPE, _Envelope)]
    fields += [(slot, Any, None) for slot in slots]
    return msgspec.json.Decoder(msgspec.defstruct("View", fields, rename=slots, gc=False)).decode
