"""The report of a small bundle: complete in itself, escaped, repeatable, plain about what it lacks."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from html_page import HtmlPage
from report_bundle import KEY, write_dark_bundle

from inspectd.calibration.contents import SHORT_ID
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.report import ReportRequest, WrittenReport, write_report
from inspectd.inference.bundle import adjust_limits, load_bundle
from inspectd.inference.documents import file_id
from inspectd.inference.errors import BundleError
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings

ANCHORS = [
    "metrics",
    "scores",
    "curves",
    "training",
    "noise",
    "cases",
    "decisions",
    "preparation",
    "data",
    "versions",
]
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def trained(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a class with a hostile name, its history beside it."""
    return write_dark_bundle(tmp_path_factory.mktemp("report") / "disk", data_folder, HOSTILE)


@pytest.fixture
def bundle(trained: Path, tmp_path: Path) -> Path:
    """A copy to adjust, with its history."""
    for name in (trained.name, f"{trained.name}.training"):
        shutil.copytree(trained.with_name(name), tmp_path / name)
    return tmp_path / trained.name


def request(bundle: Path, data: Path | None, **changes: object) -> ReportRequest:
    asked = ReportRequest(
        bundle=bundle,
        out=bundle.parent / "report.html",
        by="jane",
        date="2026-05-31",
        runtime=RuntimeSettings(),
        data=data,
    )
    return replace(asked, **changes)  # pyright: ignore[reportArgumentType]  fields by name


def limit(bundle: Path, threshold: float, why: str = "tried", **decided: object) -> None:
    """Put a threshold in force."""
    limits = {KEY: Limits(threshold=threshold, low_limit=0.0)}
    adjust_limits(bundle, limits, how="by hand", why=why, by="joe", **decided)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def whole(trained: Path, data_folder: Path) -> tuple[WrittenReport, HtmlPage]:
    """A report with all that a bundle and its data give."""
    written = write_report(request(trained, data_folder, plots=trained.parent / "plots"))
    return written, HtmlPage(written.path)


def test_every_section_stands_in_its_order(whole: tuple[WrittenReport, HtmlPage]) -> None:
    """Each says something, the contents lead to each, and only the noise study was not given."""
    written, page = whole
    assert list(page.sections) == ANCHORS
    assert all(len(text.split()) > 10 for text in page.sections.values())
    assert [link["href"] for link in page.all("a")] == [f"#{anchor}" for anchor in ANCHORS]
    assert written.missing == ("noise",)
    assert "--noise-study" in page.sections["noise"]


def test_the_page_asks_for_nothing_outside_of_it(whole: tuple[WrittenReport, HtmlPage]) -> None:
    """No scripts, handlers or inline styles; no address but data URIs and anchors; a policy to match."""
    _, page = whole
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "video", "audio", "svg"}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"style", "srcset", "action", "data", "poster", "background", "ping"}
            if name in {"src", "href"}:
                assert value.startswith("data:image/" if name == "src" else "#"), (tag, value)
            assert name in {"src", "alt"} or "://" not in value
    assert not re.search(r"url\(|@import|//", page.style)
    policy = next(
        each["content"] for each in page.all("meta") if "Security-Policy" in each.get("http-equiv", "")
    )
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy, "the browser would refuse the page's own style sheet"


def test_every_image_is_there_and_says_what_it_shows(whole: tuple[WrittenReport, HtmlPage]) -> None:
    """Plots and galleries decode; the plots beside the page are the same as in it."""
    written, page = whole
    images = page.images()
    assert len(images) >= 4 + 3 * 3
    assert all(min(image.shape[:2]) >= 160 for image in images)
    assert all(len(each["alt"]) > 8 for each in page.all("img"))
    names = ["score-histogram", "roc", "precision-recall", "training-curves"]
    assert [plot.stem for plot in written.plots] == names
    inside = [
        base64.b64decode(each["src"].split(",")[1]) for each in page.all("img") if "png" in each["src"][:20]
    ]
    assert [plot.read_bytes() for plot in written.plots] == inside
    assert written.size < 6e6


def test_texts_are_text(bundle: Path, data_folder: Path) -> None:
    """Class, reason, person and kind of defect may be called anything: nothing of it becomes an element."""
    data = Path(shutil.copytree(data_folder, bundle.parent / "data"))
    kind = 'b"><img src=x onerror=alert(1)> $x$'
    (data / "test" / "spot").rename(data / "test" / kind)
    (data / "ground_truth" / "spot").rename(data / "ground_truth" / kind)
    limit(bundle, 1e-6, why=HOSTILE + "'\"&", provisional=HOSTILE)
    page = HtmlPage(write_report(request(bundle, data, by=HOSTILE)).path)
    assert "script" not in {tag for tag, _ in page.elements}
    assert all(each["src"].startswith("data:") for each in page.all("img"))
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert HOSTILE + "'\"&" in page.sections["decisions"]
    assert kind in page.sections["metrics"]
    assert kind in page.sections["cases"]
    assert f"Product class {HOSTILE}" in page.text


def test_equal_inputs_give_equal_reports(
    whole: tuple[WrittenReport, HtmlPage], trained: Path, data_folder: Path, tmp_path: Path
) -> None:
    """To the byte; only the date, when another is asked for, sets two reports apart."""
    first, _ = whole
    assert first.sha256 == file_id(first.path)
    asked = request(
        trained, data_folder, out=tmp_path / "b.html", plots=tmp_path / "plots", date="2026-06-01"
    )
    second = write_report(asked)
    assert second.sha256 != first.sha256
    assert second.path.read_text().replace("2026-06-01", "2026-05-31") == first.path.read_text()
    assert [plot.read_bytes() for plot in first.plots] == [plot.read_bytes() for plot in second.plots]


def test_a_provisional_decision_is_shown_first(bundle: Path) -> None:
    """With its reason and what completes it, in the summary as in the page; a complete one is called that."""
    limit(bundle, 0.5, provisional="12 parts support no better than 22.1 %")
    written = write_report(request(bundle, None))
    page = HtmlPage(written.path)
    assert page.with_class("provisional") == 1
    assert "Provisional calibration" in page.text
    assert "not yet supported by its sample: 12 parts support no better than 22.1 %" in page.text
    assert "--from-journal" in written.to_json()["verdict"]
    assert written.to_json()["provisional"]
    limit(bundle, 0.6)
    page = HtmlPage(write_report(request(bundle, None)).path)
    assert page.with_class("provisional") == 0
    assert "Complete calibration" in page.text


def test_every_version_of_the_decision_is_told(bundle: Path) -> None:
    """With its threshold, who decided it and why; the newest is the one in force."""
    limit(bundle, 0.25, why="too many rejects")
    limit(bundle, 0.75, why="a scratch was missed")
    told = HtmlPage(write_report(request(bundle, None)).path).sections["decisions"]
    for text in ("0.2500", "0.7500", "too many rejects", "a scratch was missed", "joe", "first calibration"):
        assert text in told
    assert told.count("replaced;") == 2
    assert told.count("in force;") == 1
    assert told.index("a scratch") < told.index("too many") < told.index("first calibration")


def test_without_data_the_report_says_what_it_lacks(trained: Path, tmp_path: Path) -> None:
    """The figures that the manifest keeps are there, and who reads on knows what is not."""
    written = write_report(request(trained, None, out=tmp_path / "report.html"))
    page = HtmlPage(written.path)
    assert list(page.sections) == ANCHORS
    assert set(written.missing) == {"metrics", "scores", "curves", "noise", "cases", "data"}
    for anchor in written.missing:
        assert re.search(r"No (test images|noise study)", page.sections[anchor])
    assert "Image AUROC" in page.sections["metrics"]
    assert written.to_json()["images"] is None


def test_reserved_images_are_named_and_not_measured(bundle: Path, data_folder: Path) -> None:
    """An auditor sees which test images the limits were chosen by."""
    file = data_folder / "test" / "spot" / "201.png"
    limit(bundle, 0.5, reserved=(file_id(file)[:SHORT_ID],))
    written = write_report(request(bundle, data_folder))
    told = HtmlPage(written.path).sections["data"]
    assert "Reserved, and so not measured on: spot/201.png." in told
    assert written.to_json()["images"] == 11
    assert "15; 15 of the bundle's 15 found unchanged" in told


def test_a_report_never_changes_the_bundle(bundle: Path) -> None:
    """Inside, a file that the manifest does not list would keep the line from loading it."""
    for inside in ({"out": bundle / "report.html"}, {"plots": bundle / "plots"}, {"out": bundle}):
        with pytest.raises(CalibrationError, match="inside the bundle"):
            write_report(request(bundle, None, **inside))
    load_bundle(bundle)


def test_what_cannot_be_written_leaves_what_was_there(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new report, not the old one."""
    asked = request(bundle, None)
    asked.out.write_text("the report before")

    def full(file: Path, _: bytes) -> int:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CalibrationError, match=r"report\.html: cannot be written \(No space left"):
        write_report(asked)
    assert asked.out.read_text() == "the report before"


def test_no_other_file_is_taken_for_the_report(bundle: Path) -> None:
    """A slip of the hand does not write the page over a list or an image."""
    other = bundle.parent / "truth.csv"
    other.write_text("path,label")
    with pytest.raises(CalibrationError, match=r"End it in \.html"):
        write_report(request(bundle, None, out=other))
    assert other.read_text() == "path,label"


def test_data_without_test_images_is_refused(bundle: Path, data_folder: Path) -> None:
    """The message says that a report needs none, too."""
    with pytest.raises(CalibrationError, match="or leave DATA out"):
        write_report(request(bundle, data_folder / "train" / "good"))


def test_a_runtime_without_limits_is_refused(bundle: Path) -> None:
    """Without a decision on its scores there is nothing to report on."""
    with pytest.raises(BundleError, match="no limits for"):
        write_report(
            replace(request(bundle, None), runtime=RuntimeSettings(name="torch", precision="bfloat16"))
        )
