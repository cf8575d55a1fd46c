"""Whole figures, odd values, other libraries, limits."""

import datetime
import io
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from guestd_kernel import figures
from reading import UTC, chart, points

CLASSES = [[85, 90, 78, 92, 88], [95, 89, 76, 91, 84, 87], [75, 82, 88, 79, 86]]


def check_superchart_and_twins():
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([1, 2], [3, 4])
    left.set_title("Line")
    right.scatter([1], [2])
    found = chart()
    assert (found["type"], found["title"], [e["type"] for e in found["elements"]]) == (
        "superchart", "", ["line", "scatter"])
    figure.suptitle("Multiple Charts Example")
    found = chart()
    assert found["title"] == "Multiple Charts Example" and found["elements"][0]["title"] == "Line"
    assert found["elements"][0]["x_label"] is None
    plt.close("all")
    plt.bar(["a"], [1])
    plt.twinx().plot(["a"], [5])
    assert [e["type"] for e in chart()["elements"]] == ["bar", "line"]
    plt.close("all")
    figure = plt.figure()
    for part in figure.subfigures(1, 2):
        part.subplots().plot([1, 2])
    assert [e["type"] for e in chart(figure)["elements"]] == ["line", "line"]


def check_colour_bars_are_no_charts():
    plt.scatter([1, 2], [3, 4], c=[5, 6])
    plt.colorbar()
    assert chart()["type"] == "scatter"
    plt.close("all")
    figure, (axes, other) = plt.subplots(1, 2)
    figure.colorbar(axes.scatter([1, 2], [3, 4], c=[5, 6]), cax=other)
    assert chart()["type"] == "scatter"


def check_unknown():
    figure, axes = plt.subplots()
    axes.add_artist(plt.Circle((0.2, 0.2), 0.1))
    axes.add_artist(plt.Circle((0.6, 0.6), 0.1))
    axes.set_title("Circles")
    assert chart() == {"type": "unknown", "title": "Circles", "elements": []}

    def band(axes):
        axes.plot([1, 2], [1, 2])
        axes.fill_between([1, 2], [0, 1], [2, 3])

    grid = np.arange(9.0).reshape(3, 3)
    for draw in (
        band,
        lambda axes: axes.imshow(grid),
        lambda axes: axes.contour(grid),
        lambda axes: axes.contourf(grid),
        lambda axes: axes.pcolormesh(grid),
        lambda axes: axes.bar(["a"], [1], yerr=[1]),
        lambda axes: axes.errorbar([1, 2], [3, 4], yerr=1),
        lambda axes: axes.stem([1, 2, 3]),
        lambda axes: axes.hexbin([1, 2], [3, 4], gridsize=3),
        lambda axes: axes.axvspan(1, 2),
        lambda axes: axes.stairs([1, 2, 3]),
        lambda axes: axes.violinplot([1, 2, 3]),
        lambda axes: axes.pie([1, 2], shadow=True),
        lambda axes: axes.table([["a"]]) and axes.plot([1]),
    ):
        plt.close("all")
        draw(plt.gca())
        assert chart()["type"] == "unknown", draw.__code__.co_firstlineno


def check_nothing_drawn():
    assert chart(plt.figure()) == {}
    plt.subplots()
    plt.title("empty")
    assert chart() == {}


def check_categories_and_named_ticks():
    plt.plot([1, 2, 3, 4, 5], list("ABCDE"))
    found = chart()
    assert (found["x_scale"], found["y_scale"]) == ("linear", "categorical")
    assert (found["y_ticks"], found["y_tick_labels"]) == ([0.0, 1.0, 2.0, 3.0, 4.0], list("ABCDE"))
    assert points(found)[0][1] == [2.0, "B"]


def check_no_ticks():
    plt.plot([1, 2], [3, 5])
    plt.xticks([])
    found = chart()
    assert (found["type"], found["x_ticks"], found["x_tick_labels"], found["x_scale"]) == ("line", [], [], "linear")
    plt.xticks([1, 2])
    assert [type(tick) for tick in chart()["x_ticks"]] == [int, int]


def check_values_that_json_has_none_for():
    plt.plot([1, 2, 3, 4], [np.nan, np.inf, -np.inf, 4])
    plt.plot([1, 2, 3], np.ma.masked_array([1, 2, 3], [0, 1, 0]))
    found = points(chart())
    assert found[0] == [[1.0, None], [2.0, None], [3.0, None], [4.0, 4.0]]
    assert found[1] == [[1.0, 1.0], [2.0, None], [3.0, 3.0]]


def check_times():
    plt.plot(np.array(["2023-01-01", "2023-01-02"], "datetime64[ns]"), [1, 2])
    plt.plot([datetime.datetime(2023, 1, 1, 1, tzinfo=datetime.timezone.utc)], [3])
    found = points(chart())
    assert found == [[["2023-01-01T00:00:00", 1.0], ["2023-01-02T00:00:00", 2.0]],
                     [["2023-01-01T01:00:00" + UTC, 3.0]]]


def check_numbers_on_an_axis_of_dates_are_times():
    plt.plot([datetime.date(1970, 1, 2), datetime.date(1970, 1, 3)], [1, 2])
    plt.plot([1.0, 2.5], [1, 2])
    assert points(chart())[1] == [["1970-01-02T00:00:00" + UTC, 1.0], ["1970-01-03T12:00:00" + UTC, 2.0]]
    plt.close("all")
    plt.plot(np.array(["2024-01-01", "NaT", "2024-01-01T00:00:01.5"], "datetime64[ms]"), [1, 2, 3])
    assert points(chart())[0] == [
        ["2024-01-01T00:00:00.000000", 1.0], [None, 2.0], ["2024-01-01T00:00:01.500000", 3.0]]


def check_guide_lines_and_flat_lines():
    plt.plot([0, 1], [5, 5], label="flat")
    plt.axhline(3)
    plt.axvline(0.5)
    plt.axline((0, 0), (1, 2))
    found = chart()
    assert found["elements"] == [{"label": "flat", "points": [[0.0, 5.0], [1.0, 5.0]]}]
    plt.close("all")
    plt.plot([1, 2, 3])
    plt.plot([1, 2, 4])
    assert [e["label"] for e in chart()["elements"]] == ["Line 0", "Line 1"]


def check_boxes_of_lines():
    plt.boxplot(CLASSES)
    found = chart()
    assert found["type"] == "line"
    assert [len(each) for each in points(found) if each] == [5, 5, 1, 5]


def check_pandas():
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=["x", "y"])
    frame.plot.bar()
    expected = [("x", "a", 1.0), ("y", "a", 2.0), ("x", "b", 3.0), ("y", "b", 4.0)]
    assert [tuple(e.values()) for e in chart()["elements"]] == expected
    frame.plot.barh(stacked=True)
    assert [tuple(e.values()) for e in chart()["elements"]] == expected
    series = pd.Series([1.0, 2.0, 3.0], pd.date_range("2024-01-01", periods=3))
    plt.figure()
    series.plot(label="s")
    found = chart()
    assert (found["type"], found["x_scale"]) == ("line", "datetime")
    assert points(found)[0][0] == ["2024-01-01T00:00:00" + UTC, 1.0]
    assert found["x_ticks"][0].startswith("2024-01-0") and found["x_ticks"][0].endswith(UTC)


def check_polar_and_space():
    plt.subplot(projection="polar").plot([0, 1, 2], [1, 2, 3])
    found = chart()
    assert found["type"] == "line" and points(found)[0][1] == [1.0, 2.0]
    plt.close("all")
    axes = plt.subplot(projection="3d")
    axes.plot([1, 2, 3], [4, 5, 6], [7, 8, 9])
    assert points(chart())[0] == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    axes.scatter([1], [2], [3])
    assert chart()["type"] == "unknown"


def check_size_is_bounded():
    plt.scatter(np.arange(1_000_000), np.arange(1_000_000), marker="s", s=1)
    found = figures.chart(plt.gcf())
    assert 25_000 <= len(points(found)[0]) <= 50_000
    plt.close("all")
    plt.plot(np.random.default_rng(1).random((1000, 300)))
    assert sum(map(len, points(figures.chart(plt.gcf())))) <= 50_300
    plt.close("all")
    plt.plot(range(50_000))
    assert len(points(figures.chart(plt.gcf()))[0]) == 50_000


def check_a_broken_artist_fails_nothing():
    line, = plt.plot([1, 2])
    line.get_label = None
    plt.title("still named")
    assert figures.chart(plt.gcf()) == {"type": "unknown", "title": "still named", "elements": []}
    assert figures.chart(object()) == {}


def check_drawing_is_the_same_after_reading():
    plt.plot([1, 2], ["a", "b"])
    figure = plt.gcf()

    def image():
        target = io.BytesIO()
        figure.savefig(target, format="png")
        return target.getvalue()

    before = image()
    chart()
    assert image() == before


def check_seaborn():
    try:
        import seaborn
    except ImportError:
        return
    frame = pd.DataFrame({"day": ["mon", "tue", "mon", "tue"] * 3, "tip": range(12)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seaborn.barplot(frame, x="day", y="tip", errorbar=None)
        found = chart()
        assert [(e["label"], e["value"]) for e in found["elements"]] == [("mon", 5.0), ("tue", 6.0)], found
        plt.figure()
        seaborn.boxplot(frame, x="day", y="tip")
        found = chart()
    assert [(e["label"], e["min"], e["median"], e["max"]) for e in found["elements"]] == [
        ("mon", 0.0, 5.0, 10.0), ("tue", 1.0, 6.0, 11.0)], found
