"""Who may import whom, and what the agent must run without."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agent", "inference", "io", "calibration")
MAY_IMPORT = {
    "io": {"io"},
    "inference": {"inference"},
    "calibration": {"calibration", "inference"},
    "agent": {"agent", "inference", "io"},
    "agent/cli": {"agent", "inference", "io", "calibration"},
}
CALIBRATION_ONLY = {
    *("torch", "onnx", "onnxscript", "sklearn", "safetensors"),
    *("scipy", "optuna", "matplotlib", "jinja2", "tensorboard"),
}
ONE_FILE_EACH = {
    "gpiod": "io/gpio_child.py",
    "paho": "io/mqtt_output.py",
    "asyncua": "io/opcua_server.py",
    "cryptography": "io/opcua_certificate.py",
}
"""Packages of optional outputs, and the one file that imports each."""
TORCH_FILES = {
    "inference/model.py",
    "inference/vgg19.py",
    "inference/anomaly.py",
    "inference/graph.py",
    "inference/export.py",
    "inference/runtime_torch.py",
}


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; import by full name"
            yield node.module or ""


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_law(path: Path) -> None:
    """Packages io and inference know only themselves, the agent both, its commands calibration too."""
    folder = "agent/cli" if path.parent.name == "cli" else path.parent.name
    for module in imports(path):
        if module.startswith("inspectd."):
            assert module.split(".")[1] in MAY_IMPORT[folder], f"{path} imports {module}"
        if module.split(".")[0] in CALIBRATION_ONLY:
            relative = str(path.relative_to(ROOT))
            assert folder == "calibration" or relative in TORCH_FILES, f"{path} imports {module}"
        if module.split(".")[0] in ONE_FILE_EACH:
            only = ONE_FILE_EACH[module.split(".")[0]]
            assert str(path.relative_to(ROOT)) == only, f"{path} imports {module}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    """No file grows past 300 lines."""
    assert len(path.read_text().splitlines()) <= 300


def test_agent_runs_without_what_is_optional() -> None:
    """Importing the whole daemon and the commands imports neither torch nor the packages of the outputs."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({['torch', *ONE_FILE_EACH]}))\n"
        "import inspectd.agent.station, inspectd.agent.cli.main\n"
        "import inspectd.agent.cli.run, inspectd.agent.cli.demo\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(ROOT.glob("[aic]*/__init__.py")), ids=lambda path: path.parent.name)
def test_packages_import_nothing_by_themselves(path: Path) -> None:
    """A package's own file holds at most a docstring, so that importing one module costs just that."""
    body = ast.parse(path.read_text()).body
    assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def test_a_class_name_of_the_calibration_means_one_thing() -> None:
    """No two modules define a public class of the same name: one would be taken for the other."""
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / "calibration").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path.name)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
