"""Tests marked `line` run a whole line, which is idle most of the time: some of them run at once.

They start together when the first one's turn comes, after all other tests, and each then waits for its own.
Such a test takes `tmp_path` and its parameters, nothing else; its folder is its own. A test that allows no
more than a few late polls does not bear the mark, and has the machine to itself.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What two cores carry without holding up a line for longer than its windows allow.
LINES_AT_ONCE = 3


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "line: runs a whole line; several of these tests run at once")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("line") is not None)
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("line"):
            item.fixturenames.append("lines")


@pytest.fixture(scope="session")
def lines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Start the chosen tests marked `line`; gives what comes of each by its id."""
    chosen = [item for item in request.session.items if item.get_closest_marker("line")]
    with ThreadPoolExecutor(LINES_AT_ONCE) as pool:
        yield {
            item.nodeid: pool.submit(_run, item, tmp_path_factory.mktemp("line"))
            for item in chosen
            if isinstance(item, pytest.Function)
        }
        pool.shutdown(cancel_futures=True)


def _run(item: pytest.Function, folder: Path) -> None:
    parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    item.obj(**parameters, tmp_path=folder)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for a line that runs already, in place of calling the test's function."""
    if pyfuncitem.get_closest_marker("line") is None:
        return None
    lines = cast("dict[str, Future[None]]", pyfuncitem.funcargs["lines"])
    lines[pyfuncitem.nodeid].result()
    return True
