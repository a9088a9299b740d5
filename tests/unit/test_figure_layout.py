"""Figures are laid out without overlaps, and their files are fit for a paper."""

import pytest
from matplotlib.figure import Figure
from toy_figures import (
    SAID,
    convergence_table,
    fronts_table,
    generations_table,
    proxy_and_true_table,
)

from hanas.report.figures import convergence, fronts, generations, points, proxy_and_true, style


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


def figures(**how) -> list[Figure]:
    return [
        fronts.draw(fronts_table(**how), SAID),
        proxy_and_true.draw(proxy_and_true_table(**how), SAID),
        generations.draw(generations_table(**how), SAID),
        convergence.draw(convergence_table(**how), SAID),
    ]


@pytest.mark.parametrize("energy", [True, False])
@pytest.mark.parametrize("position", range(4))
def test_legend_and_title_cover_no_panel(position, energy):
    made = figures(energy=energy)[position]
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
    words = points.Words("a_device_with_a_long_name", "imagenet16_120", "GDAS", 50)
    made = fronts.draw(fronts_table(energy=False), words)
    made.draw_without_rendering()
    title = made.texts[0].get_window_extent()
    assert "\n" in made.texts[0].get_text()
    assert title.x1 < made.bbox.x1
    assert title.y0 > made.legends[0].get_window_extent().y1


@pytest.mark.parametrize("position", range(4))
def test_files_embed_their_fonts_and_hold_no_date(tmp_path, position):
    contents = []
    for folder in ("a", "b"):
        paths = [tmp_path / folder / f"t.{kind}" for kind in ("pdf", "svg", "png")]
        style.save(figures()[position], *paths)
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    pdf, svg, png = contents[0]
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert b"<text" not in svg
    assert b"<dc:date" not in svg
    assert png.startswith(b"\x89PNG")
    assert b"tEXt" not in png


def test_the_users_own_style_does_not_change_figures(tmp_path):
    import matplotlib

    style.save(fronts.draw(fronts_table(), SAID), tmp_path / "a.svg")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "svg.hashsalt": None}):
        style.save(fronts.draw(fronts_table(), SAID), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
