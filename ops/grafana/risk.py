"""The dashboard for whoever is answerable for risk: what comes, what is found, and how right it was."""

from ops.grafana.panel import Dashboard, Panel, Query

EVENT_TIME = "Up to the newest event."
WEEK, MONTH = '{window="7d"}', '{window="30d"}'


def _both(metric: str) -> tuple[Query, ...]:
    return (Query(f"{metric}{WEEK}", "7 days"), Query(f"{metric}{MONTH}", "30 days"))


def _worked(period: str) -> tuple[Query, ...]:
    return tuple(Query(f"trustlens_kpi_{each}_{period}", each) for each in ("alerts", "reviews"))


RISK = Dashboard(
    "trustlens-risk",
    "TrustLens: risk",
    (
        (
            Panel("Transactions", (Query("sum(trustlens_kpi_transactions)"),), "short", "stat", "All that are stored."),
            Panel("Customers", (Query("trustlens_kpi_customers"),), "short", "stat"),
            Panel(
                "Alerts, of all",
                (Query('sum(trustlens_kpi_decisions{decision="alert"}) / sum(trustlens_kpi_decisions)'),),
                "percentunit", "stat", "By model and rules together, of all that are stored.",
            ),
            Panel("Alerts of the last hour", _worked("last_hour"), "short", "stat", EVENT_TIME),
            Panel("Alerts of the last day", _worked("last_day"), "short", "stat", EVENT_TIME),
            Panel("Labels", (Query("sum(trustlens_kpi_labels)"),), "short", "stat", "Every version of every label."),
        ),
        (
            Panel(
                "Precision",
                (
                    *_both("trustlens_kpi_live_precision_ratio"),
                    Query(f"trustlens_kpi_live_decided_precision_ratio{MONTH}", "30 days, {{decision}}"),
                ),
                "percentunit",
                meaning="Of the cases whose labels are due, how many had a fraud; also of those with an alert in them, "
                "and of those of reviews alone.",
            ),
            Panel(
                "Recall", _both("trustlens_kpi_live_recall_ratio"), "percentunit",
                meaning="Of the frauds whose labels are due, how many were caught.",
            ),
            Panel(
                "False alarms", _both("trustlens_kpi_live_false_positive_ratio"), "percentunit",
                meaning="Of the customer-days without a fraud, on how many there was a case.",
            ),
            Panel(
                "Money of 30 days",
                (
                    Query(f"trustlens_kpi_live_money_saved{MONTH}", "{{currency}} saved"),
                    Query(f"trustlens_kpi_live_money_lost{MONTH}", "{{currency}} lost"),
                    Query(f"trustlens_kpi_live_money_review{MONTH}", "{{currency}} for reviews"),
                ),
                "short", meaning="Loss that cases stopped and that they did not; docs/cost.md.",
            ),
        ),
        (
            Panel(
                "Transactions by level",
                (Query("sum by (level) (rate(trustlens_transactions_total[$__rate_interval]))", "{{level}}"),),
                "reqps", stacked=True,
            ),
            Panel(
                "Share of alerts",
                (
                    Query("trustlens:alerts:share1h", "last hour"),
                    Query("trustlens:alerts:usual_share", "usual"),
                ),
                "percentunit", meaning="Of the transactions scored in the last hour, against the week before.",
            ),
            Panel(
                "Scores", (Query("trustlens_kpi_score_bucket", "{{le}}"),), "short", "bargauge",
                "How many transactions have a score below this.",
            ),
        ),
        (
            Panel(
                "By category", (Query("sort_desc(trustlens_kpi_transactions_by_category)", "{{category}}"),), "short",
                "bargauge", "The fifty largest; the rest are other.",
            ),
            Panel(
                "Alerts by category", (Query("sort_desc(trustlens_kpi_alerts_by_category)", "{{category}}"),), "short",
                "bargauge",
            ),
            Panel(
                "By channel", (Query("sort_desc(trustlens_kpi_transactions_by_channel)", "{{channel}}"),), "short",
                "bargauge",
            ),
        ),
        (
            Panel(
                "Drift of the score", (Query("trustlens_kpi_drift_score_index", "stability index"),), "short",
                meaning="Of the last seven whole days beside the fit period. From 0.1 on it has changed.",
            ),
            Panel(
                "Drift of features", (Query("topk(8, trustlens_kpi_drift_index)", "{{feature}}"),), "short",
                meaning="Population stability index of the eight that changed most. From 0.1 on a feature has changed, "
                "from 0.03 on what a transaction itself brings; those of labels move with each wave of frauds.",
            ),
            Panel(
                "Features that changed most", (Query("sort_desc(topk(12, trustlens_kpi_drift_index))", "{{feature}}"),),
                "short", "bargauge", "Now.",
            ),
            Panel(
                "Features that have changed", (Query("trustlens_kpi_drift_features_changed"),), "short", "stat",
                "docs/runbook.md, TrustLensDrift.", warn=1, bad=5,
            ),
        ),
        (
            Panel(
                "Agreement with the challenger", _both("trustlens_kpi_shadow_same_level_ratio"), "percentunit",
                meaning="Of the transactions that both scored, to how many both give the same level.",
            ),
            Panel(
                "Cases of challenger and bundle in use", (Query(f"trustlens_kpi_shadow_cases{WEEK}", "{{side}}"),),
                "short", meaning="Of the last seven days, each at its own threshold.",
            ),
            Panel(
                "Precision of challenger and bundle in use",
                (Query(f"trustlens_kpi_shadow_precision_ratio{MONTH}", "{{side}}"),), "percentunit",
                meaning="Of 30 days whose labels are due, without those that either learned from or was tested on.",
            ),
            Panel(
                "Recall of challenger and bundle in use",
                (Query(f"trustlens_kpi_shadow_recall_ratio{MONTH}", "{{side}}"),), "percentunit",
                meaning="Of the same days. `python -m trainer compare --live` has the intervals.",
            ),
        ),
        (
            Panel("Amounts", (Query("trustlens_kpi_amount_sum", "{{currency}}"),), "short", "stat"),
            Panel("Average amount", (Query("trustlens_kpi_amount_average", "{{currency}}"),), "short", "stat"),
            Panel(
                "Delay of labels",
                (Query(f"trustlens_kpi_label_delay_seconds{MONTH}", "{{quantile}}"),), "s", "stat",
                "From a fraud to the label that says so.",
            ),
        ),
        (
            Panel(
                "Age of the newest",
                (
                    Query("time() - trustlens_kpi_newest_event_timestamp_seconds", "event"),
                    Query("time() - trustlens_kpi_newest_write_timestamp_seconds", "write of the store"),
                ),
                "s",
            ),
            Panel(
                "Since the last retraining",
                (Query("time() - trustlens_kpi_retraining_begun_timestamp_seconds", "{{instance}}"),), "s",
            ),
            Panel("Next offset", (Query("trustlens_kpi_next_offset", "{{topic}}-{{partition}}"),), "short"),
        ),
    ),
    period="now-7d",
)  # fmt: skip
