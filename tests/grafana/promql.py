"""What a PromQL expression asks for, and whether ingest has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import promql_parser as promql

from ingest.metrics.audits import AUDIT_METRICS
from ingest.metrics.catalogue import METRICS

SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus puts on every series."""
RATES = frozenset({"rate", "irate", "increase"})


@dataclass(frozen=True)
class Selector:
    metric: str
    matchers: frozenset[str]
    """As `label=~"text"`."""
    labels: frozenset[str]
    """Those that the matchers name."""
    within: str
    """The function whose direct argument it is, or ``."""
    over: timedelta | None
    """Of a range selector."""


def selectors(expression: str) -> list[Selector]:
    """Raises ValueError when it is no PromQL."""
    return list(_selectors(promql.parse(expression), ""))


def _selectors(node: promql.Expr, function: str) -> Iterator[Selector]:
    if isinstance(node, promql.VectorSelector | promql.MatrixSelector):
        vector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
        matchers = vector.matchers.matchers
        yield Selector(
            metric=vector.name or "",
            matchers=frozenset(str(matcher) for matcher in matchers),
            labels=frozenset(matcher.name for matcher in matchers),
            within=function,
            over=node.range if isinstance(node, promql.MatrixSelector) else None,
        )
    for child in _children(node):
        yield from _selectors(child, node.func.name if isinstance(node, promql.Call) else "")


def _children(node: promql.Expr) -> list[promql.Expr]:
    if isinstance(node, promql.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql.Call):
        return list(node.args)
    if isinstance(node, promql.AggregateExpr | promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        return [node.expr]
    return []


def declared() -> dict[str, frozenset[str]]:
    """Series name → its labels, of everything that ingest/metrics/catalogue.py declares."""
    series: dict[str, frozenset[str]] = {}
    for metric in (*METRICS, *AUDIT_METRICS):
        labels = frozenset(metric.labels)
        if metric.kind == "histogram":
            series |= {f"{metric.full_name}_{end}": labels for end in ("sum", "count")}
            series[f"{metric.full_name}_bucket"] = labels | {"le"}
        else:
            series[metric.full_name] = labels
    return series


def undeclared(expression: str) -> list[str]:
    """What the expression names and ingest does not have: a series, a matched label, a label to group or match by."""
    series = declared() | {"up": frozenset[str]()}
    wrong = []
    for selector in selectors(expression):
        if selector.metric not in series:
            wrong.append(f"series {selector.metric}")
        else:
            wrong += [f"{selector.metric}{{{x}}}" for x in selector.labels - series[selector.metric] - SCRAPED]
    if not wrong:
        wrong += [f"label {label}" for label in _groupings_without_label(promql.parse(expression), series)]
    return wrong


def _groupings_without_label(node: promql.Expr, series: dict[str, frozenset[str]]) -> Iterator[str]:
    has = SCRAPED.union(*(series[selector.metric] for selector in _selectors(node, "")))
    wanted: list[str] = []
    if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
        wanted = node.modifier.labels
    elif isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
        wanted = node.modifier.matching.labels
    yield from (label for label in wanted if label not in has)
    for child in _children(node):
        yield from _groupings_without_label(child, series)
