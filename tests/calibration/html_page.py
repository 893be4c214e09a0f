"""Reads a report as a browser would, without one: its elements, its texts by section, its images."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

VOID = {"meta", "img", "br", "link", "input"}


class HtmlPage(HTMLParser):
    """A parsed file; raises AssertionError where elements are not closed in order."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {}
        self.style = ""
        self.text = ""
        self._open: list[str] = []
        self._section = ""
        self.feed(file.read_text(encoding="utf-8"))
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = attributes["id"]
            self.sections[self._section] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
            return
        self.text += data
        if self._section:
            self.sections[self._section] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def with_class(self, name: str) -> int:
        """How many elements have a class."""
        return sum(name in attributes.get("class", "").split() for _, attributes in self.elements)

    def images(self) -> list[NDArray[np.uint8]]:
        """Every image of the page, decoded; raises AssertionError for one that is not within."""
        return [decoded(attributes["src"]) for attributes in self.all("img")]


def decoded(uri: str) -> NDArray[np.uint8]:
    """The pixels of a data URI."""
    head, content = uri.split(",", 1)
    assert head in {"data:image/png;base64", "data:image/jpeg;base64"}
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(content, validate=True), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)
