"""What a search node says to one event of a bulk: now, not now, or never."""

from typing import Any

import pytest

from tenants.store.elasticsearch.connection import is_not_now


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (429, "es_rejected_execution_exception", True),
        (503, "unavailable_shards_exception", True),
        (403, "cluster_block_exception", True),
        # A busy node: "timed out while waiting for a dynamic mapping update".
        (500, "mapper_exception", True),
        (500, "null_pointer_exception", False),
        (400, "document_parsing_exception", False),
        (409, "version_conflict_engine_exception", False),
        (201, None, False),
    ],
)
def test_an_overloaded_node_is_told_from_one_that_refuses(
    status: int, error: str | None, expected: bool
) -> None:
    item: dict[str, Any] = {"status": status}
    if error is not None:
        item["error"] = {"type": error, "reason": "…"}

    assert is_not_now(item) is expected
