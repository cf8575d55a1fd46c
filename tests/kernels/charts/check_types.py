"""Charts of each type: lines, scattered points, bars, pies, boxes."""

import datetime
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from reading import UTC, chart, points


def boxplot_labels(names):
    version = tuple(int(part) for part in matplotlib.__version__.split(".")[:2])
    return {"tick_labels" if version >= (3, 9) else "labels": names}


def check_line_of_dates():
    x = [datetime.date(2023, 9, 1) + datetime.timedelta(seconds=i) for i in range(100)]
    y = np.linspace(0, 10, 100)
    plt.plot(x, np.sin(y), label="sin(x)")
    plt.plot(x, np.cos(y), label="cos(x)")
    plt.xlabel("Time (s)")
    plt.ylabel("Amplitude (Hz)")
    plt.title("Plot of sin(x) and cos(x)")
    found = chart()
    assert list(found)[:3] == ["type", "title", "elements"]
    assert (found["type"], found["title"]) == ("line", "Plot of sin(x) and cos(x)")
    assert (found["x_label"], found["x_unit"], found["y_label"], found["y_unit"]) == (
        "Time (s)", "s", "Amplitude (Hz)", "Hz")
    assert (found["x_scale"], found["y_scale"]) == ("datetime", "linear")
    assert all(isinstance(tick, str) and tick.endswith(UTC) for tick in found["x_ticks"])
    assert all(isinstance(tick, float) for tick in found["y_ticks"]) and "\N{MINUS SIGN}0.75" in found["y_tick_labels"]
    assert [element["label"] for element in found["elements"]] == ["sin(x)", "cos(x)"]
    assert [len(each) for each in points(found)] == [100, 100] and points(found)[1][0] == ["2023-09-01", 1.0]


def check_log_scale():
    x = np.linspace(0, 10, 100)
    plt.plot(x, np.exp(x), label="y = e^x")
    plt.yscale("log")
    plt.ylabel("Y-axis (log scale)")
    plt.legend()
    plt.grid(True)
    found = chart()
    assert (found["type"], found["y_unit"], found["x_scale"], found["y_scale"]) == (
        "line", "log scale", "linear", "log")
    assert "$\\mathdefault{10^{1}}$" in found["y_tick_labels"] and len(points(found)[0]) == 100
    assert len(found["y_ticks"]) == len(found["y_tick_labels"])


def check_scatter():
    plt.scatter(range(5), range(5), label="Dataset 1")
    plt.scatter([1, 2, np.nan], [3, 4, 5])
    plt.axhline(2)
    plt.xlabel("A")
    found = chart()
    assert (found["type"], found["title"], found["x_label"], found["y_label"]) == ("scatter", None, "A", None)
    assert found["elements"][0] == {"label": "Dataset 1", "points": [[float(i), float(i)] for i in range(5)]}
    assert points(found)[1][:2] == [[1.0, 3.0], [2.0, 4.0]] and points(found)[1][2][0] is None


def check_scatter_of_dates_speaks_as_its_ticks():
    plt.scatter([datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 2, 12)], [1, 2])
    found = chart()
    assert found["x_scale"] == "datetime"
    assert points(found) == [[["2024-01-01T00:00:00" + UTC, 1.0], ["2024-01-02T12:00:00" + UTC, 2.0]]]


def check_bars_and_their_groups():
    plt.bar(["Author A", "Author B"], [100, 200.5], label="Books Sold")
    plt.xlabel("Authors")
    found = chart()
    assert (found["type"], found["x_label"], found["x_unit"]) == ("bar", "Authors", None)
    assert found["elements"] == [
        {"label": "Author A", "group": "Books Sold", "value": 100.0},
        {"label": "Author B", "group": "Books Sold", "value": 200.5},
    ]


def check_grouped_and_stacked_bars():
    x = np.arange(2)
    plt.bar(x - 0.2, [1, 2], 0.4, label="G1")
    plt.bar(x + 0.2, [3, 4], 0.4, label="G2")
    plt.xticks(x, ["a", "b"])
    expected = [("a", "G1", 1.0), ("b", "G1", 2.0), ("a", "G2", 3.0), ("b", "G2", 4.0)]
    assert [tuple(element.values()) for element in chart()["elements"]] == expected
    plt.close("all")
    plt.bar(["a", "b"], [1, 2])
    plt.bar(["a", "b"], [5, -6], bottom=[1, 2])
    found = [tuple(element.values()) for element in chart()["elements"]]
    assert found == [("a", "Group 0", 1.0), ("b", "Group 0", 2.0), ("a", "Group 1", 5.0), ("b", "Group 1", -6.0)]


def check_lying_bars_name_y():
    for height in ([1, 2], [2, 2]):
        for stacks in (1, 2):
            plt.close("all")
            for _ in range(stacks):
                plt.barh(["A", "B"], height)
            plt.xlabel("X (kg)")
            plt.ylabel("Y")
            found = chart()
            assert (found["x_label"], found["y_label"], found["x_unit"], found["y_unit"]) == ("Y", "X (kg)", None, "kg")
            assert [(e["label"], e["value"]) for e in found["elements"]] == [("A", height[0]), ("B", height[1])] * stacks


def check_standing_bars_of_one_height():
    for names, heights in ((["only"], [7]), (["a", "b"], [3, 3])):
        plt.close("all")
        plt.bar(names, heights)
        plt.ylabel("height")
        found = chart()
        assert found["y_label"] == "height"
        assert [(e["label"], e["value"]) for e in found["elements"]] == list(zip(names, heights))


def check_bars_at_numbers_and_dates():
    plt.bar([1, 2, 3.5], [3, 4, 5])
    assert [(e["label"], e["value"]) for e in chart()["elements"]] == [("1", 3.0), ("2", 4.0), ("3.5", 5.0)]
    plt.close("all")
    plt.bar([datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)], [1, 2])
    assert [e["label"] for e in chart()["elements"]] == ["2024-01-01", "2024-02-01"]


def check_histogram():
    plt.hist([1, 1, 2, 3, 3, 3], bins=[0.5, 1.5, 2.5, 3.5], label="rolls")
    found = chart()
    assert found["type"] == "bar"
    assert [tuple(e.values()) for e in found["elements"]] == [
        ("1", "rolls", 2.0), ("2", "rolls", 1.0), ("3", "rolls", 3.0)]


def check_pie():
    plt.pie([90, 10], labels=["most", "rest"], autopct="%d%%")
    assert chart() == {"type": "pie", "title": None, "elements": [
        {"label": "most", "angle": 324.0, "radius": 1.0}, {"label": "rest", "angle": 36.0, "radius": 1.0}]}
    plt.close("all")
    plt.pie([1, 2, 4])
    found = chart()["elements"]
    assert [(e["label"], e["angle"]) for e in found] == [("", 51.42857), ("", 102.857), ("", 205.714)]


CLASSES = [[85, 90, 78, 92, 88], [95, 89, 76, 91, 84, 87], [75, 82, 88, 79, 86]]
CLASS_BOXES = [
    {"label": "Class A", "min": 78.0, "first_quartile": 85.0, "median": 88.0, "third_quartile": 90.0, "max": 92.0,
     "outliers": []},
    {"label": "Class B", "min": 84.0, "first_quartile": 84.75, "median": 88.0, "third_quartile": 90.5, "max": 95.0,
     "outliers": [76.0]},
    {"label": "Class C", "min": 75.0, "first_quartile": 79.0, "median": 82.0, "third_quartile": 86.0, "max": 88.0,
     "outliers": []},
]


def check_boxes():
    names = ["Class A", "Class B", "Class C"]
    for vertical in (True, False):
        for options in ({}, {"notch": True}, {"showmeans": True}, {"showmeans": True, "meanline": True},
                        {"showcaps": False}):
            plt.close("all")
            _, axes = plt.subplots()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # newer versions have another word for `vert`
                axes.boxplot(CLASSES, patch_artist=True, vert=vertical, **boxplot_labels(names), **options)
            axes.set_xlabel("x (m)")
            found = chart()
            assert found["type"] == "box_and_whisker", (found, options)
            assert found["elements"] == CLASS_BOXES, (vertical, options, found["elements"])
            assert found["x_unit" if vertical else "y_unit"] == "m"


def check_boxes_with_many_outliers_and_flat_whiskers():
    plt.boxplot([[1, 1, 1, 2, 3, 3, 3, 100, 100.5, -50]], patch_artist=True)
    box, = chart()["elements"]
    assert box["outliers"] == [-50.0, 100.0, 100.5] and (box["min"], box["max"]) == (1.0, 3.0), box
    plt.close("all")
    plt.boxplot([[12345.678, 23456.789, 34567.891]], patch_artist=True)
    box, = chart()["elements"]
    assert (box["min"], box["median"], box["max"]) == (12345.678, 23456.789, 34567.891)
