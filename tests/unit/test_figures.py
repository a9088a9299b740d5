"""Figures show what their tables hold."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged_study import ARCHS
from PIL import Image
from toy_figures import (
    GENERATION,
    ORDER,
    PROXY_ERROR,
    ROW,
    all_texts,
    convergence_table,
    drawn,
    fronts_table,
    generations_table,
    judged,
    layers,
    peeling_table,
    proxy_and_true_table,
    row,
    search,
    space_of,
    tables,
)

from hanas.core.errors import InputError
from hanas.core.files import write_parquet
from hanas.report import figures
from hanas.report.figures import curves, fronts, generations, style


def test_fronts_show_the_found_front_in_truth():
    plotted = fronts_table()
    found = plotted[plotted["shown_as"] == "found"]
    assert found["arch"].tolist() == [ARCHS[row] for row in (0, 2, 3, 5)]
    axes = fronts.draw_front(plotted, ROW).axes
    assert len(axes) == 2
    expected = [[5, 10], [2, 30], [1, 50], [0.5, 90]]
    np.testing.assert_allclose(drawn(axes[0], "NSGA: found front"), expected)
    np.testing.assert_allclose(drawn(axes[1], "NSGA: found front")[:, 0], [9, 3, 4, 1])


def test_fronts_show_the_true_front_above_the_floor():
    axes = fronts.draw_front(fronts_table(), ROW).axes
    np.testing.assert_allclose(drawn(axes[0], "true front"), [[1, 50], [2, 30], [3, 20], [5, 10]])
    # In energy the fourth network is worse than the third in both.
    np.testing.assert_allclose(drawn(axes[1], "true front"), [[3, 30], [8, 20], [9, 10]])


def test_fronts_show_the_best_of_searches_that_minimise_one_number():
    many = fronts_table()
    best = many[many["shown_as"] == "best"]
    assert set(best["search"]) == {"WSEA"}
    assert best["arch"].tolist() == list(ARCHS[::-1])
    assert fronts.BEST == 10


def test_believed_and_true_show_the_same_architectures():
    plotted = proxy_and_true_table()
    made = fronts.draw_belief(plotted, ROW)
    believed, _, true, true_energy = made.axes
    latencies = [5, 2, 1, 0.5]
    np.testing.assert_allclose(
        drawn(believed, "NSGA: found front"), np.transpose([latencies, [50, 60, 80, 90]])
    )
    np.testing.assert_allclose(
        drawn(true, "NSGA: found front"), np.transpose([latencies, [10, 30, 50, 90]])
    )
    np.testing.assert_allclose(drawn(believed, "NSGA: evaluated"), [[3, 70], [4, 75]])
    np.testing.assert_allclose(drawn(true_energy, "NSGA: evaluated"), [[8, 20], [6, 40]])
    np.testing.assert_allclose(drawn(true_energy, "true front"), [[3, 30], [8, 20], [9, 10]])
    assert not [line for line in believed.get_lines() if line.get_label() == "true front"]
    assert believed.get_ylabel().endswith("GDAS error (%)")


def test_believed_and_true_stand_side_by_side_without_energy():
    believed, true = fronts.draw_belief(proxy_and_true_table(energy=False), ROW).axes
    assert believed.get_xlim() == true.get_xlim()
    assert believed.get_xlabel() == true.get_xlabel() != ""


def test_generations_know_when_a_network_was_on_the_front():
    plotted = generations_table()
    assert plotted["arch"].tolist() == [ARCHS[row] for row in ORDER]
    assert plotted["generation"].tolist() == GENERATION
    assert plotted["front_until"].tolist() == [0, 0, 2, 2, 2, 2]
    assert set(plotted["search"]) == {"NSGA"}


def test_what_is_dominated_at_once_was_never_on_the_front():
    plotted = generations_table(energy=False)
    assert plotted["front_until"].tolist() == [0, -1, 2, 2, 2, 2]


def test_the_last_front_is_the_found_one():
    plotted = generations_table()
    last = plotted[plotted["front_until"] == plotted["generation"].max()]
    fronts_plotted = fronts_table()
    found = fronts_plotted[fronts_plotted["shown_as"] == "found"]
    assert set(last["arch"]) == set(found["arch"])


def test_generations_show_new_ones_front_and_the_rest():
    axes = generations.draw(generations_table(energy=False), ROW).axes
    assert [panel.get_title() for panel in axes] == [f"generation {at}" for at in range(3)]
    first, second, third = axes
    for panel in axes:
        assert (panel.get_xlim(), panel.get_ylim()) == (first.get_xlim(), first.get_ylim())
    assert len(drawn(first, "evaluated before")) == 0
    np.testing.assert_allclose(drawn(first, "this generation"), [[3, 70], [4, 75]])
    np.testing.assert_allclose(drawn(first, "front so far"), [[3, 70]])
    np.testing.assert_allclose(drawn(second, "evaluated before"), [[3, 70], [4, 75]])
    np.testing.assert_allclose(drawn(second, "this generation"), [[2, 60]])
    np.testing.assert_allclose(drawn(second, "front so far"), [[2, 60]])
    np.testing.assert_allclose(drawn(third, "front so far"), [[2, 60], [5, 50], [1, 80], [0.5, 90]])


def test_generations_stand_in_space_and_in_each_projection():
    plotted = generations_table()
    assert generations.views(plotted) == [
        ["latency_ms", "energy_mj", "proxy_error"],
        ["latency_ms", "proxy_error"],
        ["energy_mj", "proxy_error"],
        ["latency_ms", "energy_mj"],
    ]
    in_space, *flat = generations.draw(plotted, ROW).axes[2::3]
    marks: dict = {line.get_label(): line for line in in_space.get_lines()}
    x, y, z = marks["this generation"].get_data_3d()
    np.testing.assert_allclose([x, y, z], [[5, 1, 0.5], [9, 4, 1], [50, 80, 90]])
    for panel, columns in zip(flat, [(0, 2), (1, 2), (0, 1)], strict=True):
        expected = np.transpose([x, y, z])[:, columns]
        np.testing.assert_allclose(drawn(panel, "this generation"), expected)


def test_samples_drawn_before_the_first_generation_are_none():
    plotted = generations_table(generation=[-1, -1, 0, 1, 1, 1])
    assert generations.generations_of(plotted) == [0, 1]
    assert generations.generations_of(generations_table(generation=-1)) == [-1]


def test_few_of_many_generations_stand_beside_each_other():
    many = generations_table(generation=range(6), energy=False)
    titles = [panel.get_title() for panel in generations.draw(many, ROW).axes]
    assert titles == [f"generation {at}" for at in (0, 2, 3, 5)]
    assert len(generations.draw(generations_table(generation=0), ROW).axes) == 4


def test_generations_name_the_sources_of_what_they_show():
    said = all_texts(generations.draw(generations_table(), ROW)).replace("\n", " ")
    assert "Latency and energy: a meter. GDAS: a proxy." in said
    assert "rue error" not in said


@pytest.mark.parametrize("energy", [True, False])
def test_the_animation_has_a_frame_for_each_generation(tmp_path, energy):
    plotted = generations_table(energy=energy)
    for name in ("a", "b"):
        generations.animate(plotted, ROW, tmp_path / f"{name}.gif")
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    with Image.open(tmp_path / "a.gif") as film:
        assert film.format == "GIF"
        assert getattr(film, "n_frames", 1) == 3
        assert film.info["loop"] == 0
        assert film.size[0] == 800
        shown, pictures = [], []
        for position in range(3):
            film.seek(position)
            shown.append(film.info["duration"])
            pictures.append(np.asarray(film.convert("RGB")))
    assert shown == [generations.FRAME_MS, generations.FRAME_MS, generations.LAST_FRAME_MS]
    # White paper and red marks; from one frame to the next only marks and the count change.
    for picture in pictures:
        assert (picture[0, 0] == 255).all()
        assert (np.abs(picture - np.array([196, 22, 28])).max(axis=2) < 12).any()
    assert 0 < (pictures[1] != pictures[2]).any(axis=2).mean() < 0.05


def test_convergence_shows_medians_and_quartiles_of_one_proxy():
    plotted = convergence_table()
    assert set(plotted["ceiling"]) == {0.8}
    assert plotted["search"].unique().tolist() == ["NSGA", "RANDOM"]
    made = curves.draw_convergence(plotted, ROW)
    assert [panel.get_title(loc="left") for panel in made.axes] == [
        "in error and latency",
        "in error, latency and energy",
    ]
    axes = made.axes[0]
    np.testing.assert_allclose(drawn(axes, "NSGA"), [[10, 0.3], [20, 0.5], [25, 0.6]])
    np.testing.assert_allclose(drawn(axes, "RANDOM"), [[10, 0.3], [20, 0.5], [25, 0.55]])
    np.testing.assert_allclose(drawn(axes, "exact front of GDAS")[:, 1], [0.8, 0.8])
    # Bars in turn: the first and third point of the one, the second of the other.
    drawn_bars: list = list(axes.collections)
    bars = [np.array(bars.get_segments()) for bars in drawn_bars]
    np.testing.assert_allclose(bars[0], [[[10, 0.25], [10, 0.4]], [[25, 0.55], [25, 0.7]]])
    np.testing.assert_allclose(bars[1], [[[20, 0.45], [20, 0.6]]])
    low, high = axes.get_ylim()
    assert low < 0.25
    assert high > 0.8


def test_convergence_says_what_it_is_made_of():
    said = all_texts(curves.draw_convergence(convergence_table(), ROW)).replace("\n", " ")
    for part in ("medians of 3 seeds", "50\u00a0% accuracy", "Latency and energy: a meter."):
        assert part in said
    assert "normalised hypervolume better →" in said
    assert "of 1 seed;" in all_texts(curves.draw_convergence(convergence_table(seeds=1), ROW))
    mixed = convergence_table()
    mixed.loc[0, "seeds"] = 1
    assert "of 1 to 3 seeds;" in all_texts(curves.draw_convergence(mixed, ROW))


def test_peeling_shows_each_proxy_and_where_it_stops():
    made = curves.draw_peeling(peeling_table(), ROW)
    assert len(made.axes) == 2
    axes = made.axes[0]
    np.testing.assert_allclose(drawn(axes, "GDAS"), [[10, 0.3], [20, 0.5]])
    np.testing.assert_allclose(drawn(axes, "params"), [[10, 0.3], [20, 0.6]])
    stops = [line.get_xydata() for line in axes.get_lines() if line.get_marker() == "o"]
    np.testing.assert_allclose(np.concatenate(stops), [[20, 0.5], [20, 0.6]])
    said = all_texts(made).replace("\n", " ")
    for part in ("GDAS: a proxy p.", "params: a proxy q.", "medians of 2 seeds", "NSGA"):
        assert part in said


def test_proxies_of_one_label_are_told_apart():
    plotted = peeling_table(*(row(proxy=name, proxy_label="fused") for name in "pq"))
    assert plotted["proxy"].unique().tolist() == ["fused (p)", "fused (q)"]


def test_many_points_are_pixels_in_vector_files():
    for axes in fronts.draw_belief(proxy_and_true_table(), ROW).axes:
        (cloud,) = [line for line in axes.get_lines() if line.get_rasterized()]
        assert cloud.get_label() == "NSGA: evaluated"


def test_only_seed_0_is_shown():
    space = space_of()
    one, _ = fronts.front_tables(space, ROW, search([[1]]))
    two, _ = fronts.front_tables(space, ROW, search([[1], [0, 2, 3]]))
    pd.testing.assert_frame_equal(one, two)
    assert len(one[one["shown_as"] == "found"]) == 1  # and a front of one point can be drawn
    assert "Seed 0." in all_texts(fronts.draw_front(one, ROW))


def test_a_device_without_energy_has_one_panel():
    made = fronts.draw_front(fronts_table(energy=False), ROW)
    assert len(made.axes) == 1
    assert made.get_figwidth() == style.ONE_COLUMN


def test_only_searched_metrics_are_shown():
    space = space_of(device_objectives=["latency_ms"])
    assert fronts.objectives_in(space) == ["proxy_error", "latency_ms"]


def test_figures_name_their_sources_and_units():
    said = all_texts(fronts.draw_front(fronts_table(), ROW)).replace("\n", " ")
    for part in ("surrogate: true ones", "a meter", "a proxy", "50\u00a0% accuracy"):
        assert part in said
    for part in ("← better     latency (ms)", "energy (mJ)", "true error (%)"):
        assert part in said


def test_what_the_device_cannot_run_is_left_out():
    space = space_of(infeasible=[0, 5])
    assert space["arch"].tolist() == list(ARCHS[1:5])
    plotted = fronts_table(infeasible=[0, 5])
    assert not {ARCHS[0], ARCHS[5]} & set(plotted["arch"])
    assert plotted.notna().all(axis=None)


def test_nothing_to_draw_is_said():
    with pytest.raises(InputError, match="can run none"):
        space_of(infeasible=range(6))
    with pytest.raises(InputError, match="no front to search; expected metrics"):
        space_of(device_objectives=[])
    with pytest.raises(InputError, match="seed 0 evaluated no architecture"):
        fronts.evaluated(space_of(infeasible=[1, 2]), search([[1, 2]], infeasible=[1, 2]))
    with pytest.raises(InputError, match="no architecture reaches 95 %"):
        fronts.front_tables(space_of(), row(accuracy_floor_percent=95), search())
    without = tables()
    without["accuracies"] = without["accuracies"].iloc[1:]
    with pytest.raises(InputError, match=f"1 without accuracy, first: {re.escape(ARCHS[0])}"):
        fronts.space_table(**without, row=ROW)


@pytest.mark.parametrize(
    ("objective", "column"),
    [
        ("error", "proxy_error"),
        ("cross_entropy", "proxy_cross_entropy"),
        ("centred_cross_entropy", "proxy_centred_cross_entropy"),
        ("score", "proxy_score"),
    ],
)
def test_the_proxy_keeps_its_unit(objective, column):
    space = space_of(objective)
    assert fronts.objectives_in(space)[0] == column
    assert space[column].tolist() == PROXY_ERROR


@pytest.mark.slow
def test_a_task_is_drawn_from_its_files(tmp_path):
    """All figures in one call, each with what its own functions make of the same tables."""
    made = tables(energy=False)
    written = {"accuracies": "accuracies", "metrics": "metrics", "proxy": "p"}
    for name, file in written.items():
        write_parquet(made[name], tmp_path / f"{file}.parquet")
    scores = {"nsga2": np.nan, "wsea": [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "random": np.nan}
    histories = [
        search(score=score, energy=False).assign(generation=GENERATION, search=name)
        for name, score in scores.items()
    ]
    write_parquet(pd.concat(histories), tmp_path / "p_history.parquet")
    files = {
        name: str(tmp_path / getattr(ROW, name))
        for name in ("accuracies", "metrics", "proxy_table", "history")
    }
    # The search whose front is shown comes first wherever it stands; q's files are not needed.
    rows = [row(search=name, proxy=proxy) for proxy in "pq" for name in ("wsea", "nsga2", "random")]
    rows = [replace(one, **files) if one.proxy == "p" else one for one in rows]
    names = ("fronts", "proxy_and_true", "generations", "convergence", "peeling")
    endings = {"data": "parquet", "pdf": "pdf", "svg": "svg", "png": "png"}
    outputs = {
        f"{n}_{role}": str(tmp_path / f"{n}.{e}") for n in names for role, e in endings.items()
    }
    outputs["generations_gif"] = str(tmp_path / "generations.gif")
    judged_curves = judged()
    keys = ["task", "objectives", "proxy", "search"]
    figures.draw_task(
        rows,
        front_search="nsga2",
        searches_beside=["random", "wsea"],
        convergence=judged_curves,
        budget=judged_curves[keys].drop_duplicates().assign(ceiling=0.8),
        layers=layers(),
        files=outputs,
    )
    assert all(Path(file).stat().st_size > 1000 for file in outputs.values())
    shown = {name: pd.read_parquet(outputs[f"{name}_data"]) for name in names}
    pd.testing.assert_frame_equal(shown["fronts"], fronts_table(energy=False))
    pd.testing.assert_frame_equal(shown["proxy_and_true"], proxy_and_true_table(energy=False))
    assert shown["generations"]["generation"].tolist() == GENERATION
    assert shown["convergence"]["search"].unique().tolist() == ["NSGA", "RANDOM"]
    pd.testing.assert_frame_equal(shown["peeling"], peeling_table())
