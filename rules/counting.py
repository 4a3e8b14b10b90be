"""Reads the correlations of a rule set and, of its other rules, only those that they may mean."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rules import catalog
from rules.correlations import Correlation, mentioned, read_correlation
from rules.documents import Fault, documents, read_file, rule_files

MAY_COUNT: Final = re.compile(rb"correlation|condition.*\|", re.DOTALL)
"""In every file with a correlation or an old condition with a pipe, and in few others."""


def read_correlations(paths: Sequence[str | Path]) -> list[Correlation]:
    """What `catalog.read` says that the correlations are, in a part of its time.

    Raises FileNotFoundError for a path that is not there.
    """
    faults: list[Fault] = []
    texts = {file: read_file(file, faults) for file in rule_files(paths)}
    counting = {file for file, text in texts.items() if MAY_COUNT.search(text)}
    names = {re.escape(name.encode()) for file in counting for name in _names(file, texts[file])}
    meant = re.compile(b"|".join(sorted(names)) or rb"(?!)", re.IGNORECASE)
    wanted = [file for file, text in texts.items() if file in counting or meant.search(text)]
    return catalog.read(wanted).correlations


def _names(file: Path, text: bytes) -> Iterator[str]:
    faults: list[Fault] = []
    for document in documents(str(file), text, faults):
        if isinstance(document.content, dict) and "correlation" in document.content:
            found = read_correlation(document, faults)
            if found is not None:
                yield from mentioned(found)
