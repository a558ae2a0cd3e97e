"""The dashboard for whoever keeps it running: is it up, does it keep up, what goes wrong."""

from ops.grafana.panel import Dashboard, Panel, Query

OPERATIONS = Dashboard(
    "trustlens-operations",
    "TrustLens: operations",
    (
        (
            Panel("Workers up", (Query('sum(up{job="trustlens-scorer"})'),), "none", "stat", warn=2, bad=1),
            Panel("Workers with partitions", (Query("sum(trustlens_ready)"),), "none", "stat", warn=2, bad=1),
            Panel("Transactions a second", (Query("trustlens:transactions:rate5m"),), "reqps", "stat"),
            Panel("Messages behind", (Query("trustlens:lag:messages"),), "short", "stat", warn=1000, bad=50_000),
            Panel(
                "Rejected", (Query("trustlens:rejects:share5m", "{{input}}"),), "percentunit", "stat",
                "Of the messages of the last five minutes.", warn=0.001, bad=0.01,
            ),
            Panel(
                "Slowest alerts", (Query("trustlens:alert_latency_seconds:p99"),), "s", "stat",
                "99 of 100 alerts come sooner after their transaction was sent.", warn=0.25, bad=5,
            ),
        ),
        (
            Panel(
                "Alerts that fire",
                (Query('ALERTS{alertstate="firing", alertname=~"TrustLens.*"}'),),
                "none", "table", "docs/runbook.md says what each means and what to do.",
            ),
            Panel("Bundles", (Query("trustlens_bundle_info"),), "none", "table", "What each worker scores with."),
        ),
        (
            Panel(
                "Transactions by level",
                (Query("sum by (level) (rate(trustlens_transactions_total[$__rate_interval]))", "{{level}}"),),
                "reqps", stacked=True,
            ),
            Panel(
                "Messages behind, by partition", (Query("trustlens_lag_messages", "{{topic}}-{{partition}}"),), "short",
            ),
            Panel(
                "Rejects by reason",
                (Query("sum by (reason) (rate(trustlens_rejects_total[$__rate_interval])) > 0", "{{reason}}"),),
                "reqps", stacked=True,
            ),
        ),
        (
            Panel(
                "From a transaction's sending to its alert",
                (
                    Query(
                        "histogram_quantile(0.5, sum by (le) "
                        "(rate(trustlens_alert_latency_seconds_bucket[$__rate_interval])))",
                        "half of them",
                    ),
                    Query("trustlens:alert_latency_seconds:p99", "99 of 100"),
                ),
                "s",
            ),
            Panel(
                "Time of a batch, by step",
                (
                    Query(
                        "sum by (step) (rate(trustlens_step_seconds_sum[$__rate_interval])) "
                        "/ sum by (step) (rate(trustlens_step_seconds_count[$__rate_interval]))",
                        "{{step}}",
                    ),
                ),
                "s", stacked=True,
            ),
            Panel(
                "Records of a batch",
                (
                    Query(
                        "sum(rate(trustlens_batch_rows_sum[$__rate_interval])) "
                        "/ sum(rate(trustlens_batch_rows_count[$__rate_interval]))",
                        "mean",
                    ),
                ),
                "short",
            ),
        ),
        (
            Panel(
                "Age of the newest event",
                (
                    Query("time() - max(trustlens_newest_event_timestamp_seconds)", "newest of all"),
                    Query("time() - min(trustlens_newest_event_timestamp_seconds)", "newest of the slowest partition"),
                ),
                "s", meaning="By the clock. While an old history is replayed it is as old as the history.",
            ),
            Panel(
                "Merchant ledger",
                (
                    Query(
                        "max(trustlens_newest_event_timestamp_seconds) - max(trustlens_ledger_day_timestamp_seconds)",
                        "newest event after the newest closed day",
                    ),
                ),
                "s", meaning="With a label delay of 7 days it swings between 5.5 and 6.5 days.",
            ),
            Panel(
                "Challenger",
                (
                    Query("sum(rate(trustlens_shadow_transactions_total[$__rate_interval]))", "scored"),
                    Query("sum(rate(trustlens_shadow_given_up_total[$__rate_interval]))", "given up"),
                ),
                "reqps", meaning="It scores in the shadow of the bundle in use, and gives way when other work waits.",
            ),
            Panel(
                "Waiting for a ledger day",
                (
                    Query("rate(trustlens_ledger_wait_seconds_total[$__rate_interval])", "{{instance}}"),
                    Query(
                        "sum(increase(trustlens_flags_without_ledger_day_total[$__rate_interval]))",
                        "flags that went on without",
                    ),
                ),
                "short",
            ),
        ),
        (
            Panel(
                "Since the last commit",
                (Query("time() - trustlens_last_commit_timestamp_seconds", "{{instance}}"),),
                "s",
            ),
            Panel(
                "Outputs",
                (
                    Query("sum by (kind) (rate(trustlens_outputs_sent_total[$__rate_interval]))", "{{kind}} sent"),
                    Query("sum by (kind) (rate(trustlens_outputs_present_total[$__rate_interval]))", "{{kind}} there"),
                    Query(
                        "sum by (kind) (rate(trustlens_outputs_different_total[$__rate_interval]))",
                        "{{kind}} other bytes",
                    ),
                    Query(
                        "sum by (topic) (rate(trustlens_outputs_foreign_total[$__rate_interval]))",
                        "{{topic}} by others",
                    ),
                ),
                "reqps", meaning="After a crash, what had been sent already is there and is not sent again.",
            ),
            Panel(
                "Disk of the store",
                (
                    Query("trustlens_kpi_disk_free_bytes", "free"),
                    Query("trustlens_kpi_disk_size_bytes", "size"),
                ),
                "bytes",
            ),
        ),
    ),
)  # fmt: skip
