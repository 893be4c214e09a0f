"""The report as a document: what a page is made of, and how it becomes one HTML file that stands alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jinja2 import Environment, StrictUndefined

from inspectd.calibration.report_template import PAGE, STYLE


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file's bytes with the text that stands for it where it cannot be seen."""

    content: bytes
    alt: str
    label: str = ""

    @property
    def uri(self) -> str:
        """The image itself as a data URI."""
        kind = "png" if self.content.startswith(b"\x89PNG") else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph. `missing`: what the report would hold here if it had been given it."""

    text: str
    tone: Literal["plain", "missing", "warning"] = "plain"
    kind: ClassVar[str] = "text"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values; `compact`: short ones, two to a line where there is room."""

    rows: Sequence[tuple[str, str]]
    compact: bool = False
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under `columns`; those numbered in `figures` are set right-aligned."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: frozenset[int] = frozenset()
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot with a caption that says what to see. `name` is also that of its PNG file."""

    name: str
    picture: Picture
    caption: str
    kind: ClassVar[str] = "plot"


@dataclass(frozen=True, slots=True)
class Plots:
    """Plots that stand side by side where there is room."""

    plots: Sequence[Plot]
    kind: ClassVar[str] = "plots"


@dataclass(frozen=True, slots=True)
class Case:
    """One part: its pictures side by side under a title, and what is to be known of it."""

    title: str
    note: str
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Parts to look at, the worst first."""

    title: str
    text: str
    cases: Sequence[Case]
    kind: ClassVar[str] = "gallery"


Block = Text | Facts | Table | Plot | Plots | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, its anchor and what stands under it."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report, top to bottom."""

    title: str
    verdict: str
    provisional: bool
    summary: Facts
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""

    def plots(self) -> list[Plot]:
        """Return every plot of the page, in order."""
        found: list[Plot] = []
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Plot):
                    found.append(block)
                elif isinstance(block, Plots):
                    found.extend(block.plots)
        return found


def render(page: Page) -> str:
    """Return the page as HTML. Every text is escaped; nothing outside of the file is ever asked for."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(PAGE).render(page=page, style=STYLE, policy=content_policy())


def content_policy() -> str:
    """Return the Content-Security-Policy: images from within, this one style sheet, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
