"""The `citysoc` command: every module in `deploy/commands/` brings its own."""

import pkgutil
from importlib import import_module

from deploy import commands
from deploy.commands.root import app

for _found in sorted(pkgutil.iter_modules(commands.__path__), key=lambda each: each.name):
    import_module(f"{commands.__name__}.{_found.name}")


def main() -> None:
    """Entry point of the `citysoc` script."""
    app()
