"""Prove that nothing is lost or doubled."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import app, fail


@app.command()
def proof(
    corpora: Annotated[
        Path, typer.Option("--corpora", envvar="CITYSOC_CORPORA", help="Folder of rules and logs.")
    ] = Path("../shared/corpora"),
    kills: Annotated[
        int,
        typer.Option(
            "--kills",
            min=0,
            max=50,
            help="Kills of detection; on the local stack, detection, broker and indexer once each.",
        ),
    ] = 5,
    records: Annotated[
        int | None, typer.Option("--records", min=1, help="At most so many of each stream. [all]")
    ] = None,
    stack: Annotated[str, typer.Option("--stack", help="embedded | local")] = "embedded",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=16, help="Detection processes.")
    ] = 1,
    report: Annotated[Path, typer.Option("--report", help="Where to write it.")] = Path(
        "reports/proof.json"
    ),
    compare: Annotated[
        list[Path] | None,
        typer.Option("--compare", help="Run nothing; compare the hashes of these reports."),
    ] = None,
) -> None:
    """Send real logs through a citysoc of its own, kill it at work, compare with `detect`."""
    from deploy.proof.run import Plan, compare_reports, run_proof

    if compare:
        raise typer.Exit(compare_reports(compare))
    if stack not in {"embedded", "local"}:
        fail(f"no stack called {stack!r}; known: embedded, local")
    plan = Plan(corpora=corpora, kills=kills, limit=records, stack=stack, workers=workers)
    raise typer.Exit(run_proof(plan, report))
