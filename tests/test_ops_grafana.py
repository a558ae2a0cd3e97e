"""The dashboards are what their lists of panels say, and every query in them is one that Prometheus understands."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.grafana.__main__ import main, texts
from ops.grafana.panel import SOURCE, WIDTH
from ops.metrics_page import exposed
from tests.operations import DASHBOARDS, OPS, read_yaml, said, strings, tool, unknown

PROVISIONING = OPS / "grafana" / "provisioning"
BOARDS = {name: json.loads(text) for name, text in texts().items()}

# What Grafana puts in before it asks.
STAND_IN = {"$__rate_interval": "1m", "$__range": "6h"}


def queries(board: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return asked + [annotation["expr"] for annotation in board["annotations"]["list"]]


def as_asked(query: str) -> str:
    for name, value in STAND_IN.items():
        query = query.replace(name, value)
    return query


def test_the_files_are_what_make_docs_writes(tmp_path: Path) -> None:
    main([str(tmp_path / "dashboards")])
    assert {path.name for path in DASHBOARDS.iterdir()} == set(texts())
    for path in (tmp_path / "dashboards").iterdir():
        assert path.read_text() == (DASHBOARDS / path.name).read_text(), f"{path.name}: run `make docs`"


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_prometheus_understands_every_query(board: dict[str, Any], tmp_path: Path) -> None:
    rules = [{"record": f"query:{n}", "expr": as_asked(query)} for n, query in enumerate(queries(board))]
    written = tmp_path / "queries.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in said(tool("promtool"), "check", "rules", written)


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_every_metric_exists(board: dict[str, Any]) -> None:
    assert unknown("\n".join(strings(board)), exposed()) == set()


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_no_variable_is_used_that_grafana_would_not_fill_in(board: dict[str, Any]) -> None:
    assert [query for query in queries(board) if "$" in as_asked(query)] == []


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_the_panels_fill_the_grid_and_none_covers_another(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < WIDTH, panel["title"]
        taken |= cells


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_titles_and_numbers_are_each_given_once(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(titles) + 1))


def test_the_source_of_the_data_is_the_one_that_is_provisioned() -> None:
    [source] = read_yaml(PROVISIONING / "datasources" / "prometheus.yml")["datasources"]
    assert (source["type"], source["uid"]) == (SOURCE["type"], SOURCE["uid"])


def test_the_dashboards_are_mounted_where_grafana_looks_for_them() -> None:
    [provider] = read_yaml(PROVISIONING / "dashboards" / "trustlens.yml")["providers"]
    mounts = read_yaml(OPS.parent / "docker-compose.yml")["services"]["grafana"]["volumes"]
    assert f"./ops/grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert "./ops/grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
