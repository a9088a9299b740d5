"""Figures are laid out without overlaps, and their files are fit for a paper."""

from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image
from toy_figures import (
    ROW,
    convergence_table,
    fronts_table,
    generations_table,
    peeling_table,
    proxy_and_true_table,
    row,
)

from hanas.report.figures import curves, fronts, generations, style


@pytest.mark.parametrize(
    ("values", "column", "scale"),
    [
        ([1, 50], "latency_ms", "linear"),
        ([1, 51], "latency_ms", "log"),
        ([0.1, 0.5], "true_error", "linear"),
        ([0.1, 0.6], "true_error", "log"),
        ([0, 51], "latency_ms", "linear"),
        ([3, 3], "energy_mj", "linear"),
    ],
)
def test_wide_spans_get_a_logarithmic_axis(values, column, scale):
    axes = Figure().subplots()
    style.set_scale(axes, "x", values, column)
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert low < style.shown(values, column).min()
    assert high > style.shown(values, column).max()


FIGURES = {
    "fronts": lambda **how: fronts.draw_front(fronts_table(**how), ROW),
    "proxy_and_true": lambda **how: fronts.draw_belief(proxy_and_true_table(**how), ROW),
    "generations": lambda **how: generations.draw(generations_table(**how), ROW),
    "convergence": lambda **how: curves.draw_convergence(convergence_table(**how), ROW),
    "peeling": lambda **how: curves.draw_peeling(peeling_table(), ROW),
}


@pytest.mark.parametrize("energy", [True, False])
@pytest.mark.parametrize("name", FIGURES)
def test_legend_and_title_cover_no_panel(name, energy):
    made = FIGURES[name](energy=energy)
    made.draw_without_rendering()
    panels = [axes.get_tightbbox() for axes in made.axes]
    others = [text.get_window_extent() for text in made.texts]
    others += [legend.get_window_extent() for legend in made.legends]
    for position, one in enumerate(others):
        assert made.bbox.padded(1).contains(one.x0, one.y0)
        assert made.bbox.padded(1).contains(one.x1, one.y1)
        for other in [*others[position + 1 :], *panels]:
            assert not one.overlaps(other)


def test_a_long_title_takes_two_lines():
    long = row(device="a_device_with_a_long_name", task="imagenet16_120")
    made = fronts.draw_front(fronts_table(energy=False), long)
    made.draw_without_rendering()
    title = made.texts[0].get_window_extent()
    assert "\n" in made.texts[0].get_text()
    assert title.x1 < made.bbox.x1
    assert title.y0 > made.legends[0].get_window_extent().y1


def saved(made: Figure, folder: Path) -> list[bytes]:
    paths = [folder / f"t.{kind}" for kind in ("pdf", "svg", "png")]
    style.save(made, *paths)
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("fronts", "generations") else pytest.param(name, marks=pytest.mark.slow)
        for name in FIGURES
    ],
)
def test_files_embed_their_fonts_and_hold_no_date(tmp_path, name):
    pdf, svg, png = saved(FIGURES[name](energy=name != "generations"), tmp_path)
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert b"<text" not in svg
    assert b"<dc:date" not in svg
    assert png.startswith(b"\x89PNG")
    assert b"tEXt" not in png
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert picture.size[0] == pytest.approx(300 * style.TWO_COLUMNS, abs=1)


# The first: in space, with pixels.
@pytest.mark.parametrize("name", [pytest.param("generations", marks=pytest.mark.slow), "peeling"])
def test_equal_figures_give_equal_files_whatever_the_users_own_style_is(tmp_path, name):
    before = saved(FIGURES[name](), tmp_path)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "svg.hashsalt": None}):
        assert saved(FIGURES[name](), tmp_path) == before
