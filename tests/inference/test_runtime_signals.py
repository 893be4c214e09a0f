"""Engines come and go on any thread, and signals still reach the process: SIGTERM must not crash it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import signal, sys, threading
from pathlib import Path
from inspectd.inference.runtime import RuntimeSettings, open_runtime

graph, settings = Path(sys.argv[1]), RuntimeSettings(threads=1)
first, second = open_runtime(settings, graph, 64), None

def replace():
    global first, second
    second = open_runtime(settings, graph, 64)
    first.close()
    del first

heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("term"))
order = sys.argv[2]
if order == "thread":
    thread = threading.Thread(target=replace)
    thread.start()
    thread.join()
else:
    replace()
    second.close()
    del second
# What was freed is taken by others, or by nobody.
signal.raise_signal(signal.SIGTERM)
print(*heard)
"""


def heard(bundle: Path, order: str) -> tuple[int, str]:
    """Exit status of the program, and what it heard."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, bundle / "float32.onnx", order],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_a_signal_after_an_engine_was_closed_by_another_thread(pristine_bundle: Path) -> None:
    """As when a running agent has taken another version over."""
    assert heard(pristine_bundle, "thread") == (0, "term")


def test_a_signal_after_engines_were_closed_in_the_order_of_their_opening(pristine_bundle: Path) -> None:
    """As when a station of two classes stops."""
    assert heard(pristine_bundle, "main") == (0, "term")
