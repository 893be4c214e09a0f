"""What a check of data finds: each with its severity, its place and its remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a data folder.

    An `error` makes training refuse, or its result or figures wrong; a `warning` wants a person's look.
    `code` is a short name of the kind of finding, which does not change between versions.
    """

    severity: Severity
    code: str
    file: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}. {self.remedy}"

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)


def error(code: str, file: object, what: str, remedy: str) -> Finding:
    """Make a finding that must be mended."""
    return Finding("error", code, str(file), what, remedy)


def warning(code: str, file: object, what: str, remedy: str) -> Finding:
    """Make a finding that should be looked at."""
    return Finding("warning", code, str(file), what, remedy)
