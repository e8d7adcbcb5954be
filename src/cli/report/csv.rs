//! A report as a table: one row a provider, then its targets. What is not known is empty.

use crate::{
    cli::ask::cell,
    feed::report::{Report, Sheet},
};

/// The columns, in order.
const COLUMNS: [&str; 38] = [
    "month",
    "until",
    "vantage",
    "scope",
    "id",
    "uptime",
    "coverage",
    "known_s",
    "down_s",
    "partial_s",
    "degraded_s",
    "incidents",
    "incidents_open",
    "incident_total_s",
    "incident_longest_s",
    "mttr_s",
    "mtbf_s",
    "attempts",
    "failure_rate",
    "failure_low",
    "failure_high",
    "error_rate",
    "error_low",
    "error_high",
    "truncation_rate",
    "truncation_low",
    "truncation_high",
    "ttft_ms_p50",
    "ttft_ms_p95",
    "ttft_ms_p99",
    "ttft_n",
    "e2e_ms_p50",
    "e2e_ms_p95",
    "e2e_ms_p99",
    "objective",
    "time_budget_left_s",
    "reply_budget_left",
    "spent_usd",
];

/// The table.
pub(super) fn write(report: &Report) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for provider in &report.providers {
        text += &row(report, "provider", provider.id.as_str(), &provider.figures);
        for target in &provider.targets {
            text += &row(report, "target", &target.id.to_string(), &target.figures);
        }
    }
    text
}

fn row(report: &Report, scope: &str, id: &str, of: &Sheet) -> String {
    let share = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let count = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
    let states = &of.states_s;
    let known = states.operational + states.degraded + states.partial + states.down;
    let rate = |rate: &crate::feed::report::ClusteredRate| [rate.value, rate.low, rate.high].map(share);
    let spread = |of: &crate::feed::v1::Percentiles| [of.p50, of.p95, of.p99].map(share);
    let mut cells: Vec<String> = [report.month.as_str(), &report.until.to_string()]
        .into_iter()
        .chain([report.vantage.as_str(), scope, id])
        .map(str::to_owned)
        .collect();
    cells.extend([share(of.uptime), share(of.coverage)]);
    cells.extend([known, states.down, states.partial, states.degraded].map(|s| s.to_string()));
    let incidents = &of.incidents;
    cells.extend(
        [
            incidents.count,
            incidents.open,
            incidents.total_s,
            incidents.longest_s,
        ]
        .map(|n| n.to_string()),
    );
    cells.extend([count(incidents.mttr_s), count(incidents.mtbf_s)]);
    cells.push(of.attempts.total().to_string());
    for figures in [&of.failure_rate, &of.error_rate, &of.truncation_rate] {
        cells.extend(rate(figures));
    }
    cells.extend(spread(&of.ttft_ms));
    cells.push(of.ttft_ms.n.to_string());
    cells.extend(spread(&of.e2e_ms));
    cells.push(report.objective.to_string());
    cells.push(share(of.time_budget_s.map(|budget| budget.left)));
    cells.push(share(of.reply_budget.map(|budget| budget.left)));
    cells.push(of.spent_usd.to_string());
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    cells.join(",") + "\n"
}
