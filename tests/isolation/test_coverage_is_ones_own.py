"""The coverage page judges by an organisation's own events, and shows them to nobody else."""

from collections.abc import Mapping
from pathlib import Path

from collectors.event import Soc, encode
from detection.coverage import needs_of
from rules.catalog import read
from tenants.seen_fields import FieldsSeen
from tests.isolation.city_kit import ALDER, BIRCH, City, Things
from tests.isolation.route_walk import Caller

RULE = """\
title: Needs two
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: linux}
detection:
    selection: {first_field: 1, second_field: 2}
    condition: selection
"""


def test_each_organisation_is_judged_by_its_own_events(
    city: tuple[City, Mapping[str, Things]], tmp_path: Path
) -> None:
    made, _ = city
    (tmp_path / "rule.yml").write_text(RULE)
    made.services.needs = list(needs_of(read([tmp_path]).rules))
    seen = FieldsSeen(made.services.database)
    for tenant, name in ((ALDER, "first_field"), (BIRCH, "second_field")):
        soc = Soc(
            v=1, id="0", tenant=tenant, source="s", received="", time="", logsources=("linux//",)
        )
        seen.look(tenant, soc, encode({name: 1}, soc))
    seen.flush()

    partner = Caller(made.app(), made.session("asha"))
    own = partner.request("GET", f"/tenants/{ALDER}/coverage")
    other = partner.request("GET", f"/tenants/{BIRCH}/coverage")
    staff = Caller(made.app(), made.session("maria"))

    assert own.status_code == 200
    assert "0 of 1 rule can match" in own.text
    assert "second_field" in own.text
    assert "first_field" not in own.text
    assert other.status_code == 404
    assert "first_field" in staff.request("GET", f"/tenants/{BIRCH}/coverage").text
