"""Charts of figures as the Python SDK's typed objects."""

from e2b_code_interpreter import Sandbox
from e2b_code_interpreter.charts import (
    BarChart,
    BoxAndWhiskerChart,
    Chart,
    ChartType,
    LineChart,
    PieChart,
    ScaleType,
    ScatterChart,
    SuperChart,
)

PRELUDE = "import datetime\nimport numpy as np\nimport matplotlib.pyplot as plt\n"


def create(options):
    return Sandbox.create(**options)


def chart_of(sandbox, code, kind):
    execution = sandbox.run_code(PRELUDE + code + "\nplt.show()")
    assert execution.error is None, execution.error
    (result,) = execution.results
    assert result.png and not result.extra
    assert type(result.chart) is kind, result.chart
    assert result.chart.to_dict()["type"] == result.chart.type.value
    return result.chart


def check_line(sandbox):
    chart = chart_of(
        sandbox,
        "days = [datetime.date(2023, 9, 1) + datetime.timedelta(seconds=i) for i in range(100)]\n"
        "x = np.linspace(0, 10, 100)\n"
        "plt.plot(days, np.sin(x), label='sin(x)')\nplt.plot(days, np.cos(x), label='cos(x)')\n"
        "plt.xlabel('Time (s)'); plt.ylabel('Amplitude (Hz)'); plt.title('Plot of sin(x) and cos(x)')",
        LineChart,
    )
    assert (chart.title, chart.x_unit, chart.y_unit) == ("Plot of sin(x) and cos(x)", "s", "Hz")
    assert (chart.x_scale, chart.y_scale) == (ScaleType.DATETIME, ScaleType.LINEAR)
    assert all(isinstance(tick, str) for tick in chart.x_ticks)
    assert chart.y_ticks and all(isinstance(tick, float) for tick in chart.y_ticks), chart.y_ticks
    assert [(line.label, len(line.points)) for line in chart.elements] == [("sin(x)", 100), ("cos(x)", 100)]
    assert all(isinstance(x, str) and isinstance(y, float) for line in chart.elements for x, y in line.points)


def check_log_scale(sandbox):
    code = "x = np.linspace(0, 10, 100)\nplt.plot(x, np.exp(x), label='y = e^x')\nplt.yscale('log')\nplt.legend()"
    chart = chart_of(sandbox, code, LineChart)
    assert (chart.x_scale, chart.y_scale) == (ScaleType.LINEAR, ScaleType.LOG)
    assert [line.label for line in chart.elements] == ["y = e^x"] and len(chart.elements[0].points) == 100


def check_scatter(sandbox):
    chart = chart_of(sandbox, "plt.scatter([1, 2], [3, 4], label='D'); plt.xlabel('A')", ScatterChart)
    assert (chart.title, chart.x_label) == (None, "A")
    assert chart.elements[0].label == "D" and chart.elements[0].points == [(1.0, 3.0), (2.0, 4.0)]
    assert all(isinstance(part, float) for point in chart.elements[0].points for part in point)


def check_bar(sandbox):
    chart = chart_of(sandbox, "plt.bar(['a', 'b'], [100, 200], label='Books Sold')", BarChart)
    found = [(bar.label, bar.group, bar.value) for bar in chart.elements]
    assert found == [("a", "Books Sold", 100), ("b", "Books Sold", 200)]


def check_pie(sandbox):
    chart = chart_of(sandbox, "plt.pie([90, 10], labels=['a', 'b'])", PieChart)
    assert [(part.label, part.angle, part.radius) for part in chart.elements] == [("a", 324, 1), ("b", 36, 1)]


def check_box_and_whisker(sandbox):
    code = """plt.boxplot([[85, 90, 78, 92, 88], [95, 89, 76, 91, 84, 87], [75, 82, 88, 79, 86]],
    labels=['Class A', 'Class B', 'Class C'], patch_artist=True)"""
    boxes = chart_of(sandbox, code, BoxAndWhiskerChart).elements
    assert [box.label for box in boxes] == ["Class A", "Class B", "Class C"]
    assert [box.min for box in boxes] == [78, 84, 75]
    assert [box.first_quartile for box in boxes] == [85, 84.75, 79]
    assert [box.median for box in boxes] == [88, 88, 82]
    assert [box.third_quartile for box in boxes] == [90, 90.5, 86]
    assert [box.max for box in boxes] == [92, 95, 88]
    assert [box.outliers for box in boxes] == [[], [76], []]


def check_superchart_and_unknown(sandbox):
    code = "figure, axes = plt.subplots(1, 2)\naxes[0].plot([1, 2])\naxes[1].scatter([1], [2])\nfigure.suptitle('Two')"
    chart = chart_of(sandbox, code, SuperChart)
    assert chart.title == "Two" and [type(part) for part in chart.elements] == [LineChart, ScatterChart]
    code = "plt.gca().add_artist(plt.Circle((0.5, 0.5), 0.2)); plt.title('Circle')"
    chart = chart_of(sandbox, code, Chart)
    assert (chart.type, chart.title, chart.elements) == (ChartType.UNKNOWN, "Circle", [])
