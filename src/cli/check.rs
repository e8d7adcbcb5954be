//! `endturn check`: the start-up path without starting. Rendering only; the caller loads and picks the exit code.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::{
    config::{
        AlertRule, Alerts, Config, ConfigError, DatedPrice, Diagnostics, Egress, Fitness, Loaded, Model,
        Note, Origin, Provider, Proxy, Route, RouteTarget, Severity, StatusPage,
    },
    id::{ProviderId, TargetId},
    probe::{
        Plan,
        plan::{PlanRow, stretch},
    },
    verdict::CanaryKind,
};

/// The plan as the daemon would start with it, and what had to be changed for it.
struct Outlook<'a> {
    plan: Plan,
    stretched: Vec<String>,
    prices: BTreeMap<&'a TargetId, &'a DatedPrice>,
    pages: BTreeMap<&'a ProviderId, &'a StatusPage>,
    /// What of a provider's preset nobody has seen for sure.
    unverified: BTreeMap<&'a ProviderId, &'a [&'static str]>,
    /// Targets that cost nothing.
    free: BTreeSet<TargetId>,
}

impl<'a> Outlook<'a> {
    fn of(loaded: &'a Loaded) -> Self {
        let mut config = loaded.config.clone();
        let stretched = stretch(&mut config);
        let mut outlook = Self {
            plan: Plan::of(&config),
            stretched,
            prices: BTreeMap::new(),
            pages: BTreeMap::new(),
            unverified: BTreeMap::new(),
            free: models(&config)
                .filter(|model| model.price.is_none_or(|price| price.cost(1, 1) <= 0.0))
                .map(|model| model.id.clone())
                .collect(),
        };
        for note in &loaded.notes {
            match note {
                Note::Price(target, price) => drop(outlook.prices.insert(target, price)),
                Note::Status(provider, page) => drop(outlook.pages.insert(provider, page)),
                Note::Unverified(provider, facts) => drop(outlook.unverified.insert(provider, facts)),
            }
        }
        outlook
    }
}

fn models(config: &Config) -> impl Iterator<Item = &Model> {
    config.providers.iter().flat_map(|provider| &provider.models)
}

/// What to tell somebody who gave neither a file nor a key: it starts, but can't see a cut reply.
pub(crate) fn hint(loaded: &Loaded) -> Option<&'static str> {
    let generates = models(&loaded.config).any(|model| model.canaries().next().is_some());
    (loaded.origin == Origin::Environment && !generates).then_some(
        "no key that starts canaries is set: providers are only reached, nothing is generated; \
         set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, or write a configuration file (`endturn init`)",
    )
}

/// Writes where the configuration came from, its warnings, and the plan as tables for people.
///
/// # Errors
/// The writer's own.
pub fn write_plan(loaded: &Loaded, colour: bool, out: &mut impl Write) -> io::Result<()> {
    let outlook = Outlook::of(loaded);
    match &loaded.origin {
        Origin::File(path) => writeln!(out, "configuration: {}", path.display())?,
        Origin::Environment => writeln!(
            out,
            "configuration: none found, built from the keys in the environment"
        )?,
    }
    if !loaded.warnings.is_empty() {
        writeln!(out, "\n{}", loaded.warnings.render(colour))?;
    }
    if let Some(text) = hint(loaded) {
        writeln!(out, "\nwarning: {text}")?;
    }
    for text in &outlook.stretched {
        writeln!(out, "\nwarning: {text}")?;
    }
    writeln!(out, "\n{}", targets(&outlook))?;
    writeln!(out, "\n{}", edges(&outlook))?;
    let ways: Vec<String> = loaded.config.providers.iter().filter_map(way_out).collect();
    if !ways.is_empty() {
        writeln!(out, "\n{}", ways.join("\n"))?;
    }
    if !loaded.config.routes.is_empty() {
        writeln!(out, "\n{}", routes(&loaded.config.routes))?;
    }
    if !loaded.config.alerts.rules.is_empty() {
        writeln!(out, "\n{}", alerts(&loaded.config.alerts))?;
    }
    if let Some(otlp) = &loaded.config.telemetry.otlp {
        writeln!(out)?;
        for route in &otlp.routes {
            writeln!(out, "{} go to {}", route.signal.as_str(), route.url)?;
        }
    }
    let total = dollars(outlook.plan.usd_per_day);
    match outlook.plan.limit_usd_per_day {
        Some(limit) => writeln!(out, "\nestimated {total} a day, of at most {}", dollars(limit)),
        None => writeln!(out, "\nestimated {total} a day, without a limit"),
    }
}

/// Writes every error with line, caret and help, and how many there are.
///
/// # Errors
/// The writer's own.
pub fn write_error(error: &ConfigError, colour: bool, out: &mut impl Write) -> io::Result<()> {
    match error {
        ConfigError::Read { .. } => writeln!(out, "error: {error}"),
        ConfigError::Invalid(findings) => {
            let errors = findings
                .items()
                .iter()
                .filter(|item| item.severity == Severity::Error)
                .count();
            let s = if errors == 1 { "" } else { "s" };
            writeln!(
                out,
                "{}\n\n{errors} error{s} in the configuration",
                findings.render(colour)
            )
        }
    }
}

/// Writes the outcome as one JSON object: `ok`, `errors` and `warnings`, and the plan if there is one.
///
/// # Errors
/// The writer's own.
pub fn write_json(outcome: Result<&Loaded, &ConfigError>, out: &mut impl Write) -> io::Result<()> {
    let value = match outcome {
        Ok(loaded) => plan_json(loaded),
        Err(ConfigError::Invalid(findings)) => json!({
            "ok": false,
            "errors": findings_json(findings, Severity::Error),
            "warnings": findings_json(findings, Severity::Warning),
        }),
        Err(error @ ConfigError::Read { path, .. }) => json!({
            "ok": false,
            "errors": [{ "message": error.to_string(), "file": path.display().to_string() }],
            "warnings": [],
        }),
    };
    writeln!(out, "{value:#}")
}

fn plan_json(loaded: &Loaded) -> Value {
    let outlook = Outlook::of(loaded);
    let mut warnings = findings_json(&loaded.warnings, Severity::Warning);
    let texts = hint(loaded)
        .into_iter()
        .chain(outlook.stretched.iter().map(String::as_str));
    warnings.extend(texts.map(|text| json!({ "message": text })));
    let millis = |every: Option<Duration>| every.map(|every| every.as_millis() as u64);
    let target = |rows: &[PlanRow]| {
        let first = &rows[0];
        let price = outlook
            .prices
            .get(&first.target)
            .map(|price| json!({ "as_of": price.as_of, "source": price.source, "verified": price.verified }));
        let canary = |row: &PlanRow| {
            json!({
                "kind": row.kind.as_str(),
                "every_ms": millis(row.every),
                "per_day": row.per_day,
                "usd_per_day": row.usd_per_day,
            })
        };
        let short = rows.iter().find(|row| row.kind == CanaryKind::Short);
        json!({
            "id": first.target.to_string(),
            "canary_every_ms": millis(short.and_then(|row| row.every)),
            "canaries_per_day": rows.iter().map(|row| row.per_day).sum::<f64>(),
            "usd_per_day": rows.iter().map(|row| row.usd_per_day).sum::<f64>(),
            "canaries": rows.iter().filter(|row| row.every.is_some()).map(canary).collect::<Vec<_>>(),
            "price": price,
        })
    };
    let provider = |(id, every): &(ProviderId, Option<Duration>)| {
        let page = outlook.pages.get(id);
        let configured = loaded.config.providers.iter().find(|provider| provider.id == *id);
        json!({
            "id": id.as_str(),
            "proxy": configured.map(|provider| proxy_json(&provider.egress.proxy)),
            "ca": configured.map(|provider| provider.egress.roots.len()),
            "reach_every_ms": millis(*every),
            "unverified": outlook.unverified.get(id).copied().unwrap_or_default(),
            "status_page": page.map(|page| json!({ "url": page.url.as_str(), "format": page.format })),
        })
    };
    json!({
        "ok": true,
        "file": match &loaded.origin {
            Origin::File(path) => Some(path.display().to_string()),
            Origin::Environment => None,
        },
        "errors": [],
        "warnings": warnings,
        "targets": outlook.plan.rows.chunk_by(|a, b| a.target == b.target).map(target).collect::<Vec<_>>(),
        "providers": outlook.plan.reach.iter().map(provider).collect::<Vec<_>>(),
        "routes": loaded.config.routes.iter().map(route_json).collect::<Vec<_>>(),
        "alerts": loaded.config.alerts.rules.iter().map(alert_json).collect::<Vec<_>>(),
        "usd_per_day": outlook.plan.usd_per_day,
        "limit_usd_per_day": outlook.plan.limit_usd_per_day,
    })
}

fn route_json(route: &Route) -> Value {
    let target = |target: &RouteTarget| json!({ "id": target.id.to_string(), "never": unfit(target) });
    json!({
        "name": route.name,
        "targets": route.targets.iter().map(target).collect::<Vec<_>>(),
        "prefer": route.prefer.as_str(),
        "on_exhausted": route.on_exhausted.as_str(),
    })
}

fn alert_json(rule: &AlertRule) -> Value {
    json!({
        "name": rule.name,
        "targets": rule.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "on": rule.on.iter().map(|on| on.as_str()).collect::<Vec<_>>(),
        "after_ms": rule.after.as_millis() as u64,
        "remind_ms": rule.remind.map(|remind| remind.as_millis() as u64),
        "channels": rule.channels,
    })
}

/// Why a target of a route never serves it, by the configuration alone.
fn unfit(target: &RouteTarget) -> Option<String> {
    match &target.fitness {
        Fitness::Fit => None,
        Fitness::Lacks(tag) => Some(format!("has no tag \"{tag}\"")),
        Fitness::TooExpensive => Some("costs more than max_price".to_owned()),
    }
}

fn findings_json(findings: &Diagnostics, severity: Severity) -> Vec<Value> {
    findings
        .found()
        .filter(|found| found.item.severity == severity)
        .map(|found| {
            let at = found.position;
            json!({
                "message": found.item.message,
                "help": found.item.help,
                "file": at.map(|at| at.file),
                "line": at.map(|at| at.line),
                "column": at.map(|at| at.column),
            })
        })
        .collect()
}

fn targets(outlook: &Outlook<'_>) -> String {
    let mut table = plain_table(["TARGET", "CANARY", "EVERY", "A DAY", "USD A DAY", "PRICE"]);
    for row in &outlook.plan.rows {
        let price = match outlook.prices.get(&row.target) {
            _ if row.every.is_none() => "-".to_owned(),
            Some(price) if price.verified => format!("{}, {}", price.as_of, price.source),
            Some(price) => format!("{}, {}, not verified", price.as_of, price.source),
            None if outlook.free.contains(&row.target) => "free".to_owned(),
            None => "from the configuration".to_owned(),
        };
        table.add_row([
            row.target.to_string(),
            row.kind.to_string(),
            interval(row.every),
            format!("{:.0}", row.per_day),
            format!("{:.4}", row.usd_per_day),
            price,
        ]);
    }
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&table)
}

fn edges(outlook: &Outlook<'_>) -> String {
    let mut table = plain_table(["PROVIDER", "REACH", "PRESET NOT VERIFIED IN", "ITS OWN STATUS"]);
    for (id, every) in &outlook.plan.reach {
        let page = outlook
            .pages
            .get(id)
            .map_or("-".to_owned(), |page| page.url.to_string());
        let unverified = outlook.unverified.get(id).copied().unwrap_or_default();
        let unverified = if unverified.is_empty() {
            "-".to_owned()
        } else {
            unverified.join(", ")
        };
        table.add_row([id.to_string(), interval(*every), unverified, page]);
    }
    trimmed(&table)
}

/// How a provider is reached where its entry says something about it.
fn way_out(provider: &Provider) -> Option<String> {
    let (proxy, roots) = (&provider.egress.proxy, provider.egress.roots.len());
    if provider.egress == Egress::default() {
        return None;
    }
    let by = match proxy {
        Proxy::Environment => "as the environment says".to_owned(),
        Proxy::Direct => "without a proxy, whatever the environment names".to_owned(),
        Proxy::Through(server) => format!("by the proxy {}", server.url),
    };
    let trusted = match roots {
        0 => String::new(),
        1 => ", 1 certificate trusted beside the system's".to_owned(),
        n => format!(", {n} certificates trusted beside the system's"),
    };
    Some(format!("{} is reached {by}{trusted}", provider.id))
}

/// `false`: none; `null`: the environment's.
fn proxy_json(proxy: &Proxy) -> Value {
    match proxy {
        Proxy::Environment => Value::Null,
        Proxy::Direct => Value::Bool(false),
        Proxy::Through(server) => server.url.as_str().into(),
    }
}

fn routes(routes: &[Route]) -> String {
    let mut table = plain_table(["ROUTE", "TARGETS", "PREFERS", "IF NONE CAN"]);
    for route in routes {
        let targets = route.targets.iter().map(|target| match unfit(target) {
            Some(why) => format!("{} (never: {why})", target.id),
            None => target.id.to_string(),
        });
        table.add_row([
            route.name.clone(),
            targets.collect::<Vec<_>>().join(", "),
            route.prefer.as_str().to_owned(),
            route.on_exhausted.as_str().to_owned(),
        ]);
    }
    trimmed(&table)
}

/// Who is told what. Where the operator wrote no rule, the one that stands in for it is among them.
fn alerts(alerts: &Alerts) -> String {
    let mut table = plain_table(["ALERT", "TARGETS", "ON", "AFTER", "REMINDS", "TELLS"]);
    for rule in &alerts.rules {
        let channels = rule.channels.iter().map(|name| {
            let channel = alerts.channels.iter().find(|channel| channel.name == *name);
            let quiet = channel.is_some_and(|channel| !channel.quiet.is_empty());
            if quiet {
                format!("{name} (with quiet hours)")
            } else {
                name.clone()
            }
        });
        let targets: Vec<String> = rule.targets.iter().map(ToString::to_string).collect();
        let on: Vec<&str> = rule.on.iter().map(|on| on.as_str()).collect();
        table.add_row([
            rule.name.clone(),
            targets.join(", "),
            on.join(", "),
            humantime::format_duration(rule.after).to_string(),
            rule.remind.map_or("never".to_owned(), |remind| {
                humantime::format_duration(remind).to_string()
            }),
            channels.collect::<Vec<_>>().join(", "),
        ]);
    }
    trimmed(&table)
}

fn plain_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Without the blanks around each line.
fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}

fn interval(every: Option<Duration>) -> String {
    every.map_or("off".to_owned(), |every| {
        humantime::format_duration(every).to_string()
    })
}

fn dollars(usd: f64) -> String {
    format!("${usd:.2}")
}
