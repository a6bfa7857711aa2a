"""The two kinds of panel that the dashboard is made of, and PromQL that every query shares."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import FieldColorModeId, Threshold, ThresholdsMode

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
NEVER_SECONDS = 7 * 24 * 3600
"""Drawn in place of +Inf, which no axis can show: the longest retention that an IoT Hub offers."""

Panel = stat.Panel | timeseries.Panel
Steps = Sequence[tuple[float, str]]
"""From which value on a panel has which colour; green below the first."""


@dataclass(frozen=True)
class Query:
    expression: str
    legend: str


def of(metric: str, **labels: str) -> str:
    """The selector of a metric at the jobs and instances that the reader has chosen; `metric` without `ingest_`."""
    matchers = ['job=~"$job"', 'instance=~"$instance"', *(f'{label}="{value}"' for label, value in labels.items())]
    return f"ingest_{metric}" + "{" + ", ".join(matchers) + "}"


def rate(counter: str, **labels: str) -> str:
    """Its growth per second."""
    return f"rate({of(counter, **labels)}[$__rate_interval])"


def growth(counter: str) -> str:
    """Its growth per interval of the graph."""
    return f"increase({of(counter)}[$__rate_interval])"


def total(counter: str) -> str:
    """Its growth over the time that the dashboard shows."""
    return f"increase({of(counter)}[$__range])"


def quantile(share: float, histogram: str, *by: str) -> str:
    """Of a histogram's observations in the last interval."""
    return f"histogram_quantile({share}, sum by ({', '.join((*by, 'le'))}) ({rate(histogram + '_bucket')}))"


def stat_of(title: str, unit: str, description: str, *queries: Query, steps: Steps = (), decimals: int = 0) -> Panel:
    """The value now, large; with its recent course when it is a single one."""
    panel = stat.Panel().graph_mode(
        common.BigValueGraphMode.AREA if len(queries) == 1 else common.BigValueGraphMode.NONE
    )
    panel.color_mode(common.BigValueColorMode.VALUE).height(4).span(4).decimals(decimals)
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel.color_scheme(builders.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    return _complete(panel, title, unit, description, queries, steps)


def series_of(
    title: str, unit: str, description: str, *queries: Query, span: int = 8, shares: bool = False, steps: Steps = ()
) -> Panel:
    """Lines over time; `shares` are stacked up to 1."""
    panel = timeseries.Panel().height(8).span(span).min(0).line_width(1).fill_opacity(40 if shares else 8)
    panel.show_points(common.VisibilityMode.NEVER)
    panel.legend(
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(
        common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    if shares:
        panel.max(1).stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    return _complete(panel, title, unit, description, queries, steps)


def _complete(panel: Panel, title: str, unit: str, description: str, queries: Sequence[Query], steps: Steps) -> Panel:
    panel.title(title).unit(unit).description(description).datasource(DATASOURCE)
    limits = [Threshold(None, "green"), *(Threshold(value, color) for value, color in steps)]
    panel.thresholds(builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(limits))
    for number, query in enumerate(queries):
        panel.with_target(
            prometheus.Dataquery()
            .ref_id(chr(ord("A") + number))
            .datasource(DATASOURCE)
            .expr(query.expression)
            .legend_format(query.legend)
            .range()
        )
    return panel
