"""An organisation's lists for placeholders, and its exceptions from rules."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.organisations import tenant_app
from deploy.commands.root import Config, Data, Port, administration, fail, show

Tenant = Annotated[str, typer.Argument(metavar="TENANT")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Left out, all are shown.")]
File = Annotated[Path | None, typer.Option("--file", help="What to set; `-` reads standard input.")]
Remove = Annotated[bool, typer.Option("--remove", help="Remove it.")]


@tenant_app.command("lists")
def tenant_lists(
    tenant: Tenant,
    name: Name = None,
    file: File = None,
    remove: Remove = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Show an organisation's lists, or set one: a value a line, `*` and `?` are wildcards."""
    from tenants.access import OPERATOR
    from tenants.own_rules import OwnRulesBook

    text = _given(name, file, remove=remove)
    with administration(config, data, port) as admin:
        book = OwnRulesBook(admin.database, OPERATOR)
        if name is not None and (text is not None or remove):
            book.set_lists(tenant, {name: None if text is None else text.splitlines()})
        _print(book.own(tenant).lists, name)


@tenant_app.command("exceptions")
def tenant_exceptions(
    tenant: Tenant,
    name: Name = None,
    file: File = None,
    remove: Remove = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Show an organisation's exceptions, or set one: a Sigma filter document."""
    from tenants.access import OPERATOR
    from tenants.own_rules import OwnRulesBook

    text = _given(name, file, remove=remove)
    with administration(config, data, port) as admin:
        book = OwnRulesBook(admin.database, OPERATOR)
        if name is not None and (text is not None or remove):
            book.set_exceptions(tenant, {name: text})
        _print(book.own(tenant).exceptions, name)


def _given(name: str | None, file: Path | None, *, remove: bool) -> str | None:
    """What is to be set, None where nothing is."""
    if file is not None and remove:
        fail("--file sets and --remove removes; name one of them")
    if name is None and (file is not None or remove):
        fail("which one? name it after the tenant")
    if file is None:
        return None
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text")


def _print(found: Mapping[str, object], name: str | None) -> None:
    show(found if name is None else {each: found[each] for each in found if each == name})
