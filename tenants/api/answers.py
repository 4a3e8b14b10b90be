"""What the API answers with: structs as JSON, and their schemas for the OpenAPI document."""

from typing import Any

import msgspec
from starlette.responses import Response

from collectors.codec import dumps

_REF = "#/components/schemas/{name}"


class Answer(Response):
    """JSON of structs and plain values; what is no proper Unicode survives as escapes."""

    media_type = "application/json"

    def __init__(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(encode(content), status_code=status, headers=headers)
        self.headers.setdefault("Cache-Control", "no-store")


def encode(content: Any) -> bytes:
    """Fast for what is proper Unicode, and right for the rest."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return dumps(msgspec.to_builtins(content))


class Shapes:
    """Collects the types that routes answer with, so that the OpenAPI document can name them."""

    def __init__(self) -> None:
        self._types: list[Any] = []

    def answer(self, kind: Any, status: int = 200, text: str = "As asked.") -> dict[int | str, Any]:
        """For a route's `responses`."""
        self._types.append(kind)
        (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
        content = {"application/json": {"schema": schema}}
        return {status: {"description": text, "content": content}}

    def components(self) -> dict[str, Any]:
        """Every schema by name."""
        _, components = msgspec.json.schema_components(self._types, ref_template=_REF)
        return components


SHAPES = Shapes()
