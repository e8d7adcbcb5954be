//! A report as Markdown: for somebody at the provider who has never heard of endturn.

use std::fmt::Write;

use super::words::{NONE, moment, plain, rate, row, share, span, spread, whole};
use crate::feed::report::{BudgetFigures, IncidentLine, ProviderReport, Report, Sheet};

/// Below this share of the time watched, the report says that its uptime speaks of a part only.
const THIN_COVERAGE: f64 = 0.9;

/// The whole document.
pub(super) fn write(report: &Report) -> String {
    let mut text = String::new();
    let out = &mut text;
    head(out, report);
    let seen = |provider: &&ProviderReport| provider.figures.seen;
    if !report.providers.iter().any(|provider| provider.figures.seen) {
        line(
            out,
            "**No data.** Nothing was measured in this month, so nothing can be said about it.",
        );
        return text;
    }
    summary(out, report);
    for provider in report.providers.iter().filter(seen) {
        section(out, report, provider);
    }
    let unseen: Vec<&str> = report
        .providers
        .iter()
        .filter(|provider| !provider.figures.seen)
        .map(|provider| provider.id.as_str())
        .collect();
    if !unseen.is_empty() {
        line(out, &format!("No data in this month: {}.", unseen.join(", ")));
    }
    incidents(out, report);
    method(out, report);
    text
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push_str("\n\n");
}

fn head(out: &mut String, report: &Report) {
    line(out, &format!("# Reliability of LLM providers, {}", report.month));
    let until = report.until.to_string();
    let mut told = format!(
        "Measured by endturn from the vantage **{}**, {} to {} UTC, against an objective of {} %.",
        plain(&report.vantage),
        moment(&report.from.to_string()),
        moment(&until),
        report.objective
    );
    if report.running {
        told += " **The month still runs**: these are the figures so far.";
    }
    line(out, &told);
}

fn summary(out: &mut String, report: &Report) {
    line(out, "## Summary");
    row(
        out,
        &[
            "Provider",
            "Uptime",
            "Coverage",
            "Incidents",
            "Truncated replies",
            "Errors",
            "Budget burnt (time / replies)",
        ],
    );
    row(out, &["---"; 7]);
    for provider in &report.providers {
        let of = &provider.figures;
        if !of.seen {
            row(
                out,
                &[provider.id.as_str(), "no data", NONE, NONE, NONE, NONE, NONE],
            );
            continue;
        }
        let burnt = |budget: Option<BudgetFigures>| share(budget.and_then(|budget| budget.burnt_share), 0);
        row(
            out,
            &[
                provider.id.as_str(),
                &share(of.uptime, 3),
                &share(of.coverage, 1),
                &of.incidents.count.to_string(),
                &rate(&of.truncation_rate),
                &rate(&of.error_rate),
                &format!("{} / {}", burnt(of.time_budget_s), burnt(of.reply_budget)),
            ],
        );
    }
    out.push('\n');
}

fn section(out: &mut String, report: &Report, provider: &ProviderReport) {
    line(out, &format!("## {}", provider.id));
    let all = &provider.figures;
    if let Some(coverage) = all.coverage.filter(|share| *share < THIN_COVERAGE) {
        let told = format!(
            "Only {:.1} % of the time was watched: uptime and error budget speak of that part, not of the rest.",
            coverage * 1e2
        );
        line(out, &told);
    }
    let mut columns = vec![String::new(), "all targets".to_owned()];
    columns.extend(
        provider
            .targets
            .iter()
            .map(|target| format!("`{}`", target.id.model())),
    );
    // One target is its provider: the same figures twice help nobody.
    let sheets: Vec<&Sheet> = match provider.targets.as_slice() {
        [one] => {
            columns.remove(1);
            vec![&one.figures]
        }
        several => std::iter::once(all)
            .chain(several.iter().map(|target| &target.figures))
            .collect(),
    };
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    row(out, &columns);
    row(out, &vec!["---"; columns.len()]);
    for (name, figure) in ROWS {
        let mut cells = vec![(*name).to_owned()];
        cells.extend(
            sheets
                .iter()
                .map(|of| if of.seen { figure(of) } else { "no data".to_owned() }),
        );
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        row(out, &cells);
    }
    out.push('\n');
    line(out, &budget_words(report, all));
    line(out, &lead_words(all));
}

/// How a figure is read from a sheet.
type Figure = fn(&Sheet) -> String;

const ROWS: &[(&str, Figure)] = &[
    ("Uptime of the watched time", |of| share(of.uptime, 3)),
    ("Coverage: share of the time that was watched", |of| {
        share(of.coverage, 1)
    }),
    ("Down / partial / degraded", |of| {
        let of = &of.states_s;
        format!("{} / {} / {}", span(of.down), span(of.partial), span(of.degraded))
    }),
    ("Incidents (open)", |of| {
        format!("{} ({})", of.incidents.count, of.incidents.open)
    }),
    ("Length of incidents, together / longest", |of| {
        match of.incidents.count {
            0 => NONE.to_owned(),
            _ => format!(
                "{} / {}",
                whole(of.incidents.total_s),
                whole(of.incidents.longest_s)
            ),
        }
    }),
    ("Mean time to recovery", |of| {
        of.incidents.mttr_s.map_or(NONE.to_owned(), whole)
    }),
    ("Mean time between failures", |of| {
        of.incidents.mtbf_s.map_or(NONE.to_owned(), whole)
    }),
    ("Requests: canary / long / reported / tapped", |of| {
        let of = &of.attempts;
        format!("{} / {} / {} / {}", of.canary, of.long, of.report, of.tap)
    }),
    ("Truncated replies", |of| rate(&of.truncation_rate)),
    ("Errors", |of| rate(&of.error_rate)),
    ("Both", |of| rate(&of.failure_rate)),
    ("First token, p50 / p95 / p99", |of| spread(&of.ttft_ms)),
    ("Whole reply, p50 / p95 / p99", |of| spread(&of.e2e_ms)),
    ("Time allowed / burnt / left", |of| {
        of.time_budget_s.map_or(NONE.to_owned(), |budget| {
            format!(
                "{} / {} / {}",
                span(budget.allowed),
                span(budget.burnt),
                span(budget.left)
            )
        })
    }),
    ("Failed replies allowed / burnt / left", |of| {
        of.reply_budget.map_or(NONE.to_owned(), |budget| {
            format!("{:.1} / {:.0} / {:.1}", budget.allowed, budget.burnt, budget.left)
        })
    }),
    ("Tokens in / out", |of| {
        format!("{} / {}", of.input_tokens, of.output_tokens)
    }),
    ("Spent on probes", |of| format!("${:.2}", of.spent_usd)),
];

fn budget_words(report: &Report, of: &Sheet) -> String {
    let told = |budget: Option<BudgetFigures>, what: &str| match budget.map(|budget| budget.burnt_share) {
        None => format!("of {what} nothing is known"),
        Some(None) => format!("of {what} nothing is allowed to fail"),
        Some(Some(burnt)) if burnt > 1.0 => format!("of {what} **{burnt:.1} times** the allowed is gone"),
        Some(Some(burnt)) => format!("of {what} {:.0} % of the allowed is gone", burnt * 1e2),
    };
    format!(
        "Error budget at {} %: {}; {}.",
        report.objective,
        told(of.time_budget_s, "the watched time"),
        told(of.reply_budget, "the replies")
    )
}

fn lead_words(of: &Sheet) -> String {
    let Some(lead) = of.lead else {
        return "The provider's official status page is not read here.".to_owned();
    };
    if of.incidents.count == 0 {
        return "The provider's official status page had nothing to be held against.".to_owned();
    }
    let when = match lead.median_s {
        None => String::new(),
        Some(s) if s >= 0 => format!(", in the median {} after our detection", whole(s.unsigned_abs())),
        Some(s) => format!(", in the median {} before our detection", whole(s.unsigned_abs())),
    };
    format!(
        "The provider's official status page mentioned {} of {} incidents{when}; {} ended without a word there.",
        lead.mentioned, of.incidents.count, lead.never
    )
}

fn incidents(out: &mut String, report: &Report) {
    line(out, "## Incidents");
    if report.incidents.is_empty() {
        line(out, "None in the watched time.");
        return;
    }
    row(
        out,
        &[
            "Target",
            "First evidence (UTC)",
            "Recovered (UTC)",
            "Length",
            "Worst",
            "Evidence at its worst",
            "Official page",
            "Id",
        ],
    );
    row(out, &["---"; 8]);
    for incident in &report.incidents {
        incident_row(out, incident);
    }
    out.push('\n');
    line(
        out,
        "Times are those of the first bad reply and of the first state of health after it; lengths are those within the \
         month. `GET /v1/incidents/ID` tells each with its timeline.",
    );
}

fn incident_row(out: &mut String, incident: &IncidentLine) {
    let recovered = incident
        .recovered_at
        .map_or("open".to_owned(), |at| moment(&at.to_string()));
    let evidence = format!("{}: {}", incident.reason.code, incident.reason.text);
    let seen_by = match incident.reason.sources.as_slice() {
        [] => String::new(),
        sources => format!(" ({})", sources.join(", ")),
    };
    let official = match incident.lead_s {
        None => NONE.to_owned(),
        Some(s) if s >= 0 => format!("{} later", whole(s.unsigned_abs())),
        Some(s) => format!("{} earlier", whole(s.unsigned_abs())),
    };
    row(
        out,
        &[
            &format!("`{}`", incident.target),
            &moment(&incident.started_at.to_string()),
            &recovered,
            &whole(incident.length_s),
            incident.worst.as_str(),
            &plain(&(evidence + &seen_by)),
            &official,
            &format!("`{}`", plain(&incident.id)),
        ],
    );
}

fn method(out: &mut String, report: &Report) {
    line(out, "## How this was measured");
    let text = "\
- From one place (the vantage above), over the provider's public API, with short streamed requests whose right end is \
known (canary, long) and, where there are some, with real requests (reported, tapped). Loss of our own network and time \
without a monitor count for nobody: coverage says how much of the time was watched.
- A reply counts as truncated when its stream ended without the protocol's own end, under whatever status; as an error \
when the provider or its edge answered with one, timed out or could not be reached. Refused credentials, spent quotas and \
rate limits of our key count against nobody.
- Uptime is the share of the watched time that was neither partial nor down; degraded time counts as up.
- Shares stand with their 95 % interval (Wilson) and their number of trials. Failures come in clusters, so the interval is \
that of n / deff independent trials, with the design effect from the rates by hour.
- Percentiles are over complete replies, from mergeable histograms with a relative error of at most 1.1 %.
- Time to recovery runs from the first bad reply to recovery. Time between failures is watched time outside incidents by \
incident, and is not told for fewer than two.";
    out.push_str(text);
    let _ = write!(
        out,
        "\n\nMade {} UTC. Schema {}.\n",
        moment(&report.generated_at.to_string()),
        report.schema
    );
}
