"""Starts and stops the local servers from the command line; prints their addresses as JSON."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local import jars, servers
from deploy.local.contract import Unavailable


def main() -> int:
    """Do what the command line says; 2 when something is missing on this machine."""
    options = _options()
    try:
        if options.command == "fetch":
            _say({"jars": str(jars.folder())})
        elif options.command == "start":
            wanted = {name: name in options.only for name in servers.NAMES}
            running = servers.start(options.folder, owner=None, **wanted)
            _say(running.addresses())
        else:
            servers.stop(options.folder)
    except Unavailable as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    return 0


def _say(what: Mapping[str, str]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="fetch the servers' jars and say where they are")
    start = commands.add_parser("start", help="start them, print their addresses, let them run")
    start.add_argument("folder", type=Path, help="where they keep everything")
    start.add_argument(
        "--only", nargs="+", choices=servers.NAMES, default=servers.NAMES, help="not all of them"
    )
    stop = commands.add_parser("stop", help="stop all that run in the folder; their data stays")
    stop.add_argument("folder", type=Path, help="where they keep everything")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
