"""The generated gate on a whole line with the agent: nothing good is lost, nothing else comes through."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.law import assert_lawful, named_in_plc, named_in_row
from tests.system.line_options import LineOptions
from tests.system.line_rig import ROOT, LineRig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.line
TWIN = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.iec import st_plc_process as p; p.main()"


def rig_with_the_generated_gate(folder: Path, mode: str) -> LineRig:
    options = LineOptions(mode=mode, rate=5, deadline_ms=400)  # pyright: ignore[reportArgumentType]  parametrized
    rig = LineRig(folder, options)
    rig.plc._program = (sys.executable, "-c", TWIN)  # pyright: ignore[reportPrivateUsage]  before it starts
    return rig


@pytest.mark.parametrize("mode", ["plc_triggered", "free_running"])
def test_undisturbed(mode: str, tmp_path: Path) -> None:
    """Block and agent start together; what the agent accepts comes through, and nothing else."""
    with rig_with_the_generated_gate(tmp_path, mode) as rig:
        rig.finish(rig.wait_accepting() + 12)
        assert_lawful(rig)
        said = {named_in_row(row) for row in rig.rows() if row["verdict"] == "ACCEPT"}
        for record in rig.plc.records:
            assert record.accepted == (named_in_plc(record) in said), record


def test_a_power_cut_of_the_plc(tmp_path: Path) -> None:
    """With parts on the belt: none of them comes through unjudged, and good ones are accepted again after."""
    with rig_with_the_generated_gate(tmp_path, "plc_triggered") as rig:
        rig.wait_at_eye(12)
        rig.plc.command("power_cycle", off_s=0.4)
        rig.finish(rig.wait_accepting() + 3)
        assert_lawful(rig)
