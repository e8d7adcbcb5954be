//! Which path needs which scope: one table, for everything that answers on our port.

use crate::config::{Reading, Scope};

/// What a path asks of whoever asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: whether the process lives is for everybody.
    Nothing,
    /// To read what a status page shows.
    Page,
    /// A scope.
    Scope(Scope),
}

/// Below it stands what changes how endturn runs.
const ADMIN: &str = "/v1/admin/";

/// Whether the process works; no target, no figure of one.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// The pages, what they load, the feed and what is made from it.
const PAGE: [&str; 35] = [
    "/",
    "/targets/{*target}",
    "/days/{*target}",
    "/incidents",
    "/incidents/{id}",
    "/methodology",
    "/assets/{name}",
    "/favicon.ico",
    "/v1/health",
    "/v1/health/{*target}",
    "/v1/up/{*target}",
    "/v1/events",
    "/v1/routes",
    "/v1/routes/{name}",
    "/v1/incidents",
    "/v1/incidents/{id}",
    "/v1/series/{*target}",
    "/v1/reliability",
    "/v1/report",
    "/feed.atom",
    "/badge/{*target}",
    "/openapi.json",
    "/api/v2/summary.json",
    "/api/v2/status.json",
    "/api/v2/components.json",
    "/api/v2/incidents.json",
    "/api/v2/incidents/unresolved.json",
    "/api/v2/scheduled-maintenances.json",
    "/api/v2/scheduled-maintenances/active.json",
    "/api/v2/scheduled-maintenances/upcoming.json",
    "/v1/changes",
    // Nothing is there, but browsers ask for them by themselves: a page that all may read must not ask for a password
    // because of them.
    "/robots.txt",
    "/apple-touch-icon.png",
    "/apple-touch-icon-precomposed.png",
    "/manifest.json",
];

/// What tells more than a page does: single requests, who sends them, figures of the process; and what costs work.
const READ: [&str; 8] = [
    "/v1/observations",
    "/v1/evidence/{*target}",
    "/v1/reporters",
    "/v1/alerts",
    "/v1/declared",
    "/v1/validate",
    "/metrics",
    "/mcp",
];

/// Where outcomes of real requests come in.
const REPORT: [&str; 4] = ["/v1/reports", "/v1/traces", "/v1/logs", "/v1/metrics"];

/// What the tap needs, whose paths no router knows.
pub(super) const TAP: Need = Need::Scope(Scope::Report);

/// What a route needs, named by its pattern; `path` is what was asked for where no route took it. Whatever is in no list
/// needs the most, so that a path which somebody forgot here is closed and not open.
pub(super) fn need(route: Option<&str>, path: &str) -> Need {
    let name = route.unwrap_or(path);
    if OPEN.contains(&name) {
        Need::Nothing
    } else if PAGE.contains(&name) {
        Need::Page
    } else if READ.contains(&name) {
        Need::Scope(Scope::Read)
    } else if REPORT.contains(&name) {
        Need::Scope(Scope::Report)
    } else if route.is_none() && !name.starts_with(ADMIN) {
        // Nothing is there; who may read may know it.
        Need::Scope(Scope::Read)
    } else {
        Need::Scope(Scope::Admin)
    }
}

/// The scope that a token must have for it, if any, where tokens are configured.
pub(super) fn scope(need: Need, reading: Reading) -> Option<Scope> {
    match (need, reading) {
        (Need::Nothing, _)
        | (Need::Page, Reading::Free | Reading::Public)
        | (Need::Scope(Scope::Read), Reading::Free) => None,
        (Need::Page, Reading::Tokens) => Some(Scope::Read),
        (Need::Scope(scope), _) => Some(scope),
    }
}

/// Whether what stands there looks at `Origin` itself: pages of this machine may ask the tools for agents.
pub(super) fn checks_origin(route: Option<&str>) -> bool {
    route == Some("/mcp")
}

/// Whether this is what changes how endturn runs.
pub(super) fn is_admin(need: Need) -> bool {
    need == Need::Scope(Scope::Admin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_router_is_in_the_table() {
        for path in crate::api::paths() {
            let known = [&OPEN[..], &PAGE, &READ, &REPORT].concat().contains(&path);
            assert!(
                known || path.starts_with(ADMIN),
                "{path} needs a line in the table"
            );
            assert_eq!(
                is_admin(need(Some(path), path)),
                path.starts_with(ADMIN),
                "{path}"
            );
        }
    }

    #[test]
    fn what_nobody_thought_of_is_closed() {
        for (route, path, wanted) in [
            (Some("/v1/new"), "/v1/new", Need::Scope(Scope::Admin)),
            (
                Some("/v1/admin/{*rest}"),
                "/v1/admin/x",
                Need::Scope(Scope::Admin),
            ),
            (None, "/v1/admin/x", Need::Scope(Scope::Admin)),
            (None, "/nothing", Need::Scope(Scope::Read)),
            (None, "/robots.txt", Need::Page),
            // A pattern is a name, not a text to be matched: a target of that name opens nothing.
            (
                Some("/v1/health/{*target}"),
                "/v1/health/../admin/reload",
                Need::Page,
            ),
        ] {
            assert_eq!(need(route, path), wanted, "{route:?} {path}");
        }
    }

    #[test]
    fn reading_is_as_free_as_somebody_said() {
        use Reading::{Free, Public, Tokens};
        let of = |need| [Free, Public, Tokens].map(|reading| scope(need, reading));
        let (read, report) = (Some(Scope::Read), Some(Scope::Report));
        assert_eq!(of(Need::Nothing), [None; 3]);
        assert_eq!(of(Need::Page), [None, None, read]);
        assert_eq!(of(Need::Scope(Scope::Read)), [None, read, read]);
        assert_eq!(of(Need::Scope(Scope::Report)), [report; 3]);
        assert_eq!(of(Need::Scope(Scope::Admin)), [Some(Scope::Admin); 3]);
    }
}
