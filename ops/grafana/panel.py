"""What a dashboard is: rows of panels, each with its queries. Frozen data, and how it becomes what Grafana loads."""

from typing import Any, NamedTuple

SOURCE = {"type": "prometheus", "uid": "trustlens"}
WIDTH = 24  # Grafana's grid
HEIGHTS = {"stat": 4, "timeseries": 8, "bargauge": 8, "table": 6}


class Query(NamedTuple):
    expr: str
    legend: str = ""  # {{label}} is filled in; empty: the series as it is


class Panel(NamedTuple):
    title: str
    queries: tuple[Query, ...]
    unit: str  # Grafana's name for it
    kind: str = "timeseries"
    meaning: str = ""
    stacked: bool = False
    warn: float | None = None  # yellow from here on
    bad: float | None = None  # red from here on; below `warn`, it is less that is bad


class Dashboard(NamedTuple):
    uid: str
    title: str
    rows: tuple[tuple[Panel, ...], ...]
    period: str = "now-6h"


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        width = WIDTH // len(row)
        height = max(HEIGHTS[panel.kind] for panel in row)
        for place, panel in enumerate(row):
            grid = {"x": place * width, "y": top, "w": width, "h": height}
            panels.append(_panel(panel, len(panels) + 1, grid))
        top += height
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["trustlens"],
        "timezone": "utc",
        "editable": False,
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": dashboard.period, "to": "now"},
        "annotations": {"list": [_alerts()]},
        "templating": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel, number: int, grid: dict[str, int]) -> dict[str, Any]:
    is_instant = panel.kind != "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "gridPos": grid,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "instant": is_instant,
                "range": not is_instant,
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for place, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    shown: dict[str, Any] = {"unit": panel.unit, "color": {"mode": "palette-classic"}}
    if panel.kind == "timeseries":
        shown["min"] = 0
        shown["custom"] = {
            "fillOpacity": 30 if panel.stacked else 5,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
        }
    if panel.warn is not None and panel.bad is not None:
        steps = sorted([(panel.warn, "yellow"), (panel.bad, "red")])
        colours = ["red", "yellow", "green"] if panel.bad < panel.warn else ["green", "yellow", "red"]
        values = [None, *(value for value, _ in steps)]
        shown["thresholds"] = {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in zip(values, colours, strict=True)],
        }
        shown["color"] = {"mode": "thresholds"}
    return shown


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "table":
        return {"showHeader": True}
    shown = {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "auto"}
    return shown | ({"displayMode": "basic"} if panel.kind == "bargauge" else {"colorMode": "value"})


def _alerts() -> dict[str, Any]:
    """Alerts are drawn into every panel as they fire."""
    return {
        "name": "Alerts",
        "enable": True,
        "datasource": SOURCE,
        "expr": 'ALERTS{alertstate="firing", alertname=~"TrustLens.*"}',
        "titleFormat": "{{alertname}}",
        "iconColor": "red",
    }
