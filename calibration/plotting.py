"""How plots are made: one palette and style, no global state, and equal numbers give equal PNG files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart with any colour vision.
GOOD = "#0072B2"
DEFECTIVE = "#D55E00"
SECOND = "#009E73"
BAND = "#F0E442"
LIMIT = "#1A1A1A"
QUIET = "#6B6B6B"
GRID = "#E3E3E3"

WIDTH, HEIGHT = 6.2, 3.3
"""Of a plot that fills the page, inches: its letters stay legible on a telephone."""
SQUARE = 3.9
DPI = 150

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": LIMIT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": LIMIT,
    "ytick.labelcolor": LIMIT,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    # A kind of defect may be called anything, "$" included.
    "text.parse_math": False,
}


@contextmanager
def plot_style() -> Generator[None]:
    """Make what is drawn inside look alike, whatever the user's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """Return an empty figure of a size in inches; call it, draw and render within `plot_style`."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def legend_below(axes: Axes, columns: int = 4) -> None:
    """Put the legend under the axes, where it hides nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.17), ncols=columns, borderaxespad=0.0, fontsize=8)


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as PNG; neither date nor program stand in it, so equal figures are equal bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes; the page says it in text as well.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
