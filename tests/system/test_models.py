"""The real agent with the shipped bundle while versions change: each part is judged as its trigger found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from inspectd.inference.bundle import Bundle, adjust_limits, load_bundle
from inspectd.inference.manifest import Limits
from inspectd.inference.model_store import ModelStore
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.plc import Reason
from tests.system.line_options import LineOptions
from tests.system.line_rig import ROOT, LineRig

BUNDLE = ROOT / "configs" / "bundles" / "buttons"
KEY = "float32/openvino/float32"
SIDE = 512
PARTS_BETWEEN = 4
# Long enough for a machine on which the new engine is opened with half a processor left.
OPTIONS = LineOptions(
    rate=4.0,
    deadline_ms=1000.0,
    line={"step_limit_ms": 900.0},
    camera={"width": SIDE, "height": SIDE, "size": SIDE, "marker": False},
)


class ModelRig(LineRig):
    """Runs `inspectd run` on the version that is in force in the models folder."""

    def write_config(self, name: str, wire_port: int) -> Path:
        """Have the station name the folder's link."""
        path = super().write_config(name, wire_port)
        yaml = YAML()
        content: dict[str, Any] = yaml.load(path.read_text())
        content["classes"][0]["bundle"] = "models/buttons/current"
        with path.open("w") as file:
            yaml.dump(content, file)
        return path

    def _run_agent(self, log_name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "inspectd.agent.cli.main", "run", *arguments]
        with (self.folder / log_name).open("wb") as log:
            return subprocess.Popen(command, stderr=log, cwd=ROOT)

    def wait_for_parts(self, event: str, times: int) -> None:
        """Wait until the agent has logged this event so often, and some parts more."""
        log = self.folder / "agent-0.log"
        while log.read_text().count(f'"{event}"') < times:
            self.wait_for_log(event)
            self.wait_at_eye(int(self.plc.status()["eye_part"]) + 1)
        self.wait_at_eye(int(self.plc.status()["eye_part"]) + PARTS_BETWEEN)


def adjusted(folder: Path, factor: float) -> Path:
    """A copy of the shipped bundle with another threshold."""
    shutil.copytree(BUNDLE, folder)
    limits = load_bundle(folder).decision.limits[KEY]
    new = Limits(threshold=limits.threshold * factor, low_limit=limits.low_limit)
    adjust_limits(folder, {KEY: new}, how="by hand", why="test", by="test", provisional="a test's")
    return folder


def install_broken(store: ModelStore, source: Bundle) -> None:
    """Switch to a version whose graph was damaged after its installation."""
    broken = store.folder / "buttons" / "9"
    shutil.copytree(source.folder, broken)
    (broken / "float32.onnx").write_bytes(b"damaged")
    (store.folder / "buttons" / "link").symlink_to("9")
    (store.folder / "buttons" / "link").replace(store.folder / "buttons" / "current")


@pytest.mark.system
def test_versions_change_while_parts_pass(tmp_path: Path) -> None:
    """Install, adjust in place, a broken version, rollback: no part is lost, late or UNKNOWN for it."""
    store = ModelStore(tmp_path / "models", RuntimeSettings())
    first = store.install(BUNDLE, by="test", why="").bundle
    variant = adjusted(tmp_path / "variant", 1.5)
    with ModelRig(tmp_path, OPTIONS) as rig:
        rig.wait_online()
        rig.wait_accepting()
        second = store.install(variant, by="test", why="").bundle
        rig.wait_for_parts("class_replaced", 1)
        limits = first.decision.limits
        adjust_limits(store.folder / "buttons" / "current", limits, how="by hand", why="test", by="test")
        third = load_bundle(store.folder / "buttons" / "current")
        rig.wait_for_parts("class_replaced", 2)
        install_broken(store, third)
        rig.wait_for_parts("model_refused", 1)
        rig.wait_for_parts("degraded", 2)
        store.rollback("buttons", 1, by="test", why="")
        rig.wait_for_parts("class_replaced", 3)
        rig.finish(int(rig.plc.status()["eye_part"]))
        rows = [row for row in rig.rows() if row.get("score") is not None]
        thresholds = {bundle.decision_id: bundle.decision.limits[KEY] for bundle in (first, second, third)}
        order = [str(row["decision"]) for row in rows]
        changes = [now for before, now in zip(["", *order], order, strict=False) if now != before]
        assert changes == [
            first.decision_id,
            second.decision_id,
            third.decision_id,
            first.decision_id,
        ], rig.logs()
        assert all(row["threshold"] == thresholds[row["decision"]].threshold for row in rows)
        assert {row["bundle"] for row in rows} == {first.bundle_id}
        assert {row["engine"] for row in rows} == {KEY}
        since = [row["verdict"] for row in rig.rows()].index("ACCEPT")
        running = [row for row in rig.rows()[since:] if row.get("detail") != "the agent is stopping"]
        spoiled = {Reason(row["reason"]).name for row in running} - {"NONE", "OVER_THRESHOLD"}
        # Late triggers are a busy machine's, on which the PLC's twin or the poll was held up.
        assert spoiled <= {"TRIGGER_LATE"}, rig.logs()
