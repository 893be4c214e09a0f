"""The command `inspectd`: quick help, and one clear message where something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, Inspectd
from station_files import write_station

from inspectd.inference.bundle import load_bundle

BUNDLE = ROOT / "configs" / "bundles" / "buttons"
HEAVY = {"torch", "openvino", "cv2", "numpy", "pymodbus", "pydantic", "ruamel", "rich.live"}


def test_help_is_quick(tmp_path: Path) -> None:
    """`inspectd --help` loads neither a runtime nor OpenCV nor anything else that takes its time."""
    code = (
        "import sys\n"
        "sys.argv = ['inspectd', '--help']\n"
        "from inspectd.agent.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    assert "Usage: inspectd" in done.stdout
    assert set(done.stderr.split()) & HEAVY == set()


def test_module_and_script_are_the_same_command() -> None:
    """Where the package is installed the script `inspectd` is there too."""
    script = Path(sys.executable).parent / "inspectd"
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "check" in done.stdout


# --- check -----------------------------------------------------------------------------------------------


def station(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a station that has its bundle and its images."""
    (folder / "images").mkdir()
    return write_station(folder, ("bundles/buttons", str(BUNDLE)), *changes)


def test_check_of_a_good_station(inspectd: Inspectd, tmp_path: Path) -> None:
    """Exit status 0 and a word of it."""
    config = station(tmp_path)
    done = inspectd("check", config)
    assert (done.status, done.out, done.err) == (0, f"{config}: ok\n", "")


def test_check_of_a_good_station_as_json(inspectd: Inspectd, tmp_path: Path) -> None:
    """One object on standard output and nothing else."""
    config = station(tmp_path)
    done = inspectd("check", config, "--json")
    assert (done.status, done.err) == (0, "")
    assert done.report == {"config": str(config), "ok": True, "errors": [], "warnings": []}


def test_check_finds_what_is_wrong_on_the_disk(inspectd: Inspectd, tmp_path: Path) -> None:
    """Bundle, images, record and a broken rule in one go, each with its line."""
    (tmp_path / "taken").write_text("a file")
    changes = (
        ("step_limit_ms: 250", "step_limit_ms: 350"),
        ("folder: record", "folder: taken/record"),
    )
    config = write_station(tmp_path, *changes)
    done = inspectd("check", config, "--json")
    assert done.status == 1
    told = [error.removeprefix(f"{config}:").split(": ")[:2] for error in done.report["errors"]]
    assert told == [
        ["6", "line.step_limit_ms"],
        ["20", "classes.0.bundle"],
        ["17", "cameras.0.path"],
        ["22", "record.folder"],
    ]
    assert not done.report["ok"]


def test_check_finds_a_missing_video(inspectd: Inspectd, tmp_path: Path) -> None:
    """A video file that is not there is told; a device or a stream is not looked for."""
    config = station(tmp_path, ("kind: folder", "kind: video"), ("path: images", "source: run.mp4"))
    done = inspectd("check", config)
    assert done.status == 1
    assert (
        f"error: {config}:17: cameras.0.source: {tmp_path}/run.mp4: no such video file; name one" in done.out
    )


def test_check_warns_of_a_stream(inspectd: Inspectd, tmp_path: Path) -> None:
    """A warning does not make a station wrong."""
    config = station(
        tmp_path, ("kind: folder", "kind: video"), ("path: images", "source: rtsp://192.0.2.1/s")
    )
    done = inspectd("check", config)
    assert done.status == 0
    assert done.out.startswith(
        f"warning: {config}:17: cameras.0.source: a network stream carries no exposure"
    )


def test_check_of_a_runtime_that_the_bundle_has_no_limits_for(inspectd: Inspectd, tmp_path: Path) -> None:
    """Thresholds are kept per runtime and precision: what has none cannot run."""
    known = {key.split("/", 1)[1] for key in load_bundle(BUNDLE).decision.limits}
    every = {f"{name}/{precision}" for name in ("openvino", "torch") for precision in ("float32", "bfloat16")}
    unknown = sorted(every - known)
    assert unknown, "this bundle has limits for everything: name something else here"
    name, precision = unknown[0].split("/")
    engine = f"engine:\n  name: {name}\n  precision: {precision}\nrecord:"
    done = inspectd("check", station(tmp_path, ("record:", engine)), "--json")
    assert done.status == 1
    assert "classes.0.bundle" in done.report["errors"][0]


def test_check_of_a_file_that_is_not_there(inspectd: Inspectd, tmp_path: Path) -> None:
    """Told like any other mistake, in both forms."""
    config = tmp_path / "no.yaml"
    text = f"{config}: No such file or directory; name a readable YAML file"
    assert inspectd("check", config).out == f"error: {text}\n"
    done = inspectd("check", config, "--json")
    assert (done.status, done.report["errors"]) == (1, [text])


def test_check_of_hardware_that_is_not_there(inspectd: Inspectd, tmp_path: Path) -> None:
    """With --hardware the camera is opened and the PLC asked; what fails is told, and why."""
    changes = (("host: 127.0.0.1", "host: 127.0.0.1\n  port: 1"), ("path: images", "path: nothing"))
    done = inspectd("check", station(tmp_path, *changes), "--hardware", "--json")
    assert done.status == 1
    camera, plc = done.report["errors"][-2:]
    assert camera.startswith("cameras.0: camera top")
    assert plc.startswith("plc: ")
    assert "127.0.0.1:1" in plc


# --- the other commands ----------------------------------------------------------------------------------


def test_simulate_refuses_a_folder_that_holds_something(inspectd: Inspectd, tmp_path: Path) -> None:
    """Nothing of the user's is written over."""
    (tmp_path / "mine.txt").write_text("mine")
    assert inspectd("simulate", tmp_path).refuses(1, str(tmp_path), "not an empty folder; name a new one")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_simulate_writes_what_was_asked_for(inspectd: Inspectd, tmp_path: Path) -> None:
    """Good parts to train on, good and defective ones to test with."""
    folder = tmp_path / "new"
    done = inspectd("simulate", folder, "--good", 2, "--test-good", 1, "--test-defective", 1, "--size", 128)
    assert done.status == 0
    assert len(list(folder.glob("train/good/*.png"))) == 2
    assert len(list(folder.glob("test/*/*.png"))) == 2
    assert len(list(folder.glob("ground_truth/*/*_mask.png"))) == 1


@pytest.mark.parametrize("data", ["empty", "missing"])
def test_training_without_images(data: str, inspectd: Inspectd, tmp_path: Path) -> None:
    """An empty or a missing folder: what, where, remedy; no bundle, no half of one."""
    (tmp_path / "empty").mkdir()
    done = inspectd("calibrate", "train", tmp_path / data, "--out", tmp_path / "bundle")
    assert done.refuses(1, f"inspectd: {tmp_path}/{data}: ", "good")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        (
            "--profile",
            "fast",
            "--profile: must be 'quick', 'standard', 'paper' or 'demo', is the text 'fast'; choose one",
        ),
        ("--sigma", "5", "--sigma"),
        ("--seed", "-1", "--seed"),
    ],
)
def test_training_with_an_option_that_cannot_be(
    option: str, value: str, told: str, inspectd: Inspectd, tmp_path: Path
) -> None:
    """The option is named, with what it may be; exit status 2, as for every misuse."""
    arguments = ("calibrate", "train", tmp_path, "--out", tmp_path / "bundle", option, value)
    assert inspectd(*arguments).refuses(2, told)


def test_evaluation_of_nonsense(inspectd: Inspectd, tmp_path: Path) -> None:
    """A folder that is no bundle, images that are not there, a runtime that does not exist."""
    bad_bundle = inspectd("calibrate", "evaluate", tmp_path, tmp_path)
    assert bad_bundle.refuses(1, str(tmp_path))
    no_images = inspectd("calibrate", "evaluate", BUNDLE, tmp_path / "none")
    assert no_images.refuses(1, f"{tmp_path}/none")
    no_runtime = inspectd("calibrate", "evaluate", BUNDLE, tmp_path, "--runtime", "abacus")
    assert no_runtime.refuses(2, "--runtime: must be 'openvino' or 'torch', is the text 'abacus'; choose one")


def test_bench_of_no_bundle(inspectd: Inspectd, tmp_path: Path) -> None:
    """A folder that holds no bundle is told before anything is timed."""
    assert inspectd("bench", tmp_path / "none").refuses(1, f"{tmp_path}/none", "no such bundle folder")


def test_unknown_command(inspectd: Inspectd) -> None:
    """Told by name, exit status 2."""
    assert inspectd("inspect").refuses(2, "No such command 'inspect'")
