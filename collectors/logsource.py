"""A Sigma log source: the product, category and service that an event is of or a rule asks for."""

from typing import NamedTuple


class LogSource(NamedTuple):
    """Written `product/category/service` in events, with nothing for what is not said."""

    product: str = ""
    category: str = ""
    service: str = ""

    def __str__(self) -> str:
        """`windows/process_creation/sysmon`, `linux//sshd`."""
        return f"{self.product}/{self.category}/{self.service}"

    @classmethod
    def parse(cls, text: str) -> "LogSource":
        """Undo str(). Raises ValueError unless there are exactly two slashes."""
        product, category, service = text.split("/")
        return cls(product, category, service)

    def serves(self, asked: "LogSource") -> bool:
        """Whether an event of this log source is one that a rule asking for `asked` looks at."""
        return all(not want or want == have for have, want in zip(self, asked, strict=True))
