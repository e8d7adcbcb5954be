//! The description of the API against the API: the same paths, and every answer as its schema says.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, Request},
};
use endturn::api::{PROBLEM_JSON, SERVED, document, paths};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::{
    feed::IDS,
    past::{Remembered, remembered},
};

fn described() -> Value {
    serde_json::to_value(document()).unwrap()
}

/// The file, a line for each member and no indentation: small, and its changes can be read.
fn written(document: &impl serde::Serialize) -> String {
    let mut text = Vec::new();
    let lines = serde_json::ser::PrettyFormatter::with_indent(b"");
    document
        .serialize(&mut serde_json::Serializer::with_formatter(&mut text, lines))
        .unwrap();
    String::from_utf8(text).unwrap() + "\n"
}

#[test]
fn what_is_served_is_what_the_handlers_say() {
    let made = written(&document());
    if std::env::var_os("ENDTURN_WRITE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        std::fs::write(file, &made).unwrap();
    }
    let same = made == SERVED;
    assert!(
        same,
        "docs/openapi.json is old: ENDTURN_WRITE=1 cargo test what_is_served, then build again"
    );
}

#[test]
fn every_path_is_described_and_every_described_path_is_there() {
    let document = described();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    // A wildcard is one path segment or more; a badge is two files.
    let routed: BTreeSet<String> = paths()
        .into_iter()
        .map(|path| path.replace("{*", "{"))
        .flat_map(|path| match path.as_str() {
            "/badge/{target}" => vec![format!("{path}.svg"), format!("{path}.json")],
            _ => vec![path],
        })
        .collect();
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(routed, described);
}

#[test]
fn every_operation_says_what_it_may_answer() {
    let document = described();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                operation["summary"].as_str().is_some_and(|s| !s.contains('`')),
                "{place}"
            );
            assert!(
                names.insert(operation["operationId"].to_string()),
                "{place}: the id is not its own"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                ["200", "201", "202"]
                    .iter()
                    .any(|status| responses.contains_key(*status)),
                "{place} has no good end"
            );
            for status in ["400", "401", "403", "413", "421", "429", "500"] {
                assert!(responses.contains_key(status), "{place} does not say {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = &parameter["name"];
                assert!(
                    parameter["description"].is_string(),
                    "{place}: {name} is not explained"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value, seen: &mut usize) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let found = document.pointer(reference.trim_start_matches('#'));
                    assert!(found.is_some(), "{reference} leads nowhere");
                    *seen += 1;
                }
                members.values().for_each(|value| walk(value, document, seen));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, document, seen)),
            _ => {}
        }
    }
    let document = described();
    let mut seen = 0;
    walk(&document, &document, &mut seen);
    assert!(seen > 100, "only {seen} references");
}

/// Names of schemas that are a part of another one.
fn collect(value: &Value, parts: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for part in ["allOf", "anyOf"]
                .into_iter()
                .filter_map(|word| members.get(word)?.as_array())
                .flatten()
            {
                parts.extend(part["$ref"].as_str().map(str::to_owned));
            }
            members.values().for_each(|value| collect(value, parts));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, parts)),
        _ => {}
    }
}

/// Schemas that allow nothing that they don't name. Those that are parts of others have to stay open.
fn closed(document: &Value) -> Value {
    let mut components = document["components"].clone();
    let mut parts = BTreeSet::new();
    collect(&components, &mut parts);
    for (name, schema) in components["schemas"].as_object_mut().unwrap() {
        let whole = schema.get("properties").is_some() || schema.get("allOf").is_some();
        if whole && !parts.contains(&format!("#/components/schemas/{name}")) {
            schema["unevaluatedProperties"] = false.into();
        }
    }
    components
}

/// A path of the document with its method, and how to ask it.
struct Asked {
    path: &'static str,
    request: Request<Body>,
}

fn get(path: &'static str, address: &str) -> Asked {
    let request = Request::get(address).header("host", "localhost");
    Asked {
        path,
        request: request.body(Body::empty()).unwrap(),
    }
}

fn questions() -> Vec<Asked> {
    let [first, second, _] = IDS;
    let encoded = first.replace('/', "%2F");
    let mut all = vec![
        get("/v1/health", "/v1/health"),
        get("/v1/health", "/v1/health?targets=openai/*"),
        get("/v1/health", "/v1/health?sinse=1"),
        get("/v1/health/{target}", &format!("/v1/health/{encoded}")),
        get("/v1/health/{target}", "/v1/health/no/body"),
        get("/v1/up/{target}", &format!("/v1/up/{first}")),
        get("/v1/up/{target}", &format!("/v1/up/{first}?unknown=maybe")),
        get("/v1/observations", "/v1/observations?limit=500"),
        get("/v1/observations", "/v1/observations?verdict=truncated&kind=cut"),
        get("/v1/observations", "/v1/observations?limit=0"),
        get("/v1/observations", "/v1/observations?cursor=made-up"),
        get("/v1/incidents", "/v1/incidents"),
        get("/v1/incidents/{id}", "/v1/incidents/i-cut"),
        get("/v1/incidents/{id}", "/v1/incidents/none"),
        get("/v1/changes", "/v1/changes"),
        get(
            "/v1/reliability",
            &format!("/v1/reliability?target={first}&steps=6&fallback={second}"),
        ),
        get("/v1/reliability", "/v1/reliability?target=no/body"),
        get("/v1/report", "/v1/report"),
        get("/v1/report", "/v1/report?month=2020-01"),
        get("/feed.atom", "/feed.atom"),
        get("/badge/{target}.svg", &format!("/badge/{encoded}.svg")),
        get("/badge/{target}.json", &format!("/badge/{first}.json")),
        get("/metrics", "/metrics"),
        get("/metrics", "/metrics?x=1"),
        get("/api/v2/summary.json", "/api/v2/summary.json"),
        get("/api/v2/status.json", "/api/v2/status.json"),
        get("/api/v2/components.json", "/api/v2/components.json"),
        get("/api/v2/incidents.json", "/api/v2/incidents.json"),
        get(
            "/api/v2/incidents/unresolved.json",
            "/api/v2/incidents/unresolved.json",
        ),
        get(
            "/api/v2/scheduled-maintenances.json",
            "/api/v2/scheduled-maintenances.json",
        ),
        get(
            "/api/v2/scheduled-maintenances/active.json",
            "/api/v2/scheduled-maintenances/active.json",
        ),
        get(
            "/api/v2/scheduled-maintenances/upcoming.json",
            "/api/v2/scheduled-maintenances/upcoming.json",
        ),
        get("/livez", "/livez"),
        get("/readyz", "/readyz"),
        get("/openapi.json", "/openapi.json"),
    ];
    for (path, address) in [
        ("/v1/health", "/v1/health".to_owned()),
        ("/v1/health/{target}", format!("/v1/health/{first}")),
    ] {
        let mut asked = get(path, &address);
        let accept = "application/health+json".parse().unwrap();
        asked.request.headers_mut().insert("accept", accept);
        all.push(asked);
    }
    for metric in endturn::api::METRICS {
        let address = format!("/v1/series/{first}?metric={metric}&step=1h");
        all.push(get("/v1/series/{target}", &address));
    }
    let post = |path: &'static str, media: &str, body: &'static str| Asked {
        path,
        request: Request::post(path)
            .header("host", "localhost")
            .header("content-type", media)
            .body(Body::from(body))
            .unwrap(),
    };
    let report = "{\"target\":\"local/m\",\"verdict\":\"truncated\",\"reporter\":\"it\"}";
    all.extend([
        post("/v1/reports", "application/json", report),
        post(
            "/v1/reports",
            "application/x-ndjson",
            "{\"target\":\"local/m\"}\n7\n",
        ),
        post("/v1/reports", "application/json", "{"),
        post("/v1/reports", "text/plain", report),
        post("/v1/traces", "application/json", "{}"),
        post("/v1/traces", "application/x-protobuf", ""),
        post("/v1/traces", "application/json", "{\"resourceSpans\":7}"),
        post("/v1/logs", "application/json", "{\"resourceLogs\":[]}"),
        post("/v1/logs", "text/plain", "{}"),
        post("/v1/metrics", "application/json", "{}"),
        post("/v1/metrics", "application/x-protobuf", "x"),
        get("/v1/routes", "/v1/routes"),
        get("/v1/routes", "/v1/routes?since=x"),
        get("/v1/routes/{name}", "/v1/routes/coding"),
        get("/v1/routes/{name}", "/v1/routes/none"),
        get("/v1/reporters", "/v1/reporters"),
        get("/v1/reporters", "/v1/reporters?of=me"),
        get("/v1/evidence/{target}", &format!("/v1/evidence/{first}")),
        get("/v1/evidence/{target}", "/v1/evidence/no/body"),
        post(
            "/v1/validate",
            "application/json",
            "{\"text\":\"All done.\",\"stop_reason\":\"end_turn\"}",
        ),
        post("/v1/validate", "application/json", "{}"),
        post("/v1/validate", "text/event-stream", "data: [DONE]\n\n"),
        post("/v1/validate", "multipart/form-data", "x"),
        get("/v1/alerts", "/v1/alerts"),
        get("/v1/alerts", "/v1/alerts?of=me"),
    ]);
    for (path, bodies) in [
        (
            "/v1/admin/ack",
            [
                "{\"incident\":\"i-open\",\"by\":\"ada\"}",
                "{\"incident\":\"none\"}",
            ],
        ),
        (
            "/v1/admin/alerts/resend",
            ["{\"channel\":\"oncall\"}", "{\"key\":\"none\"}"],
        ),
    ] {
        let wrong = ["{", "{\"x\":1}"];
        all.extend(
            bodies
                .into_iter()
                .chain(wrong)
                .map(|body| post(path, "application/json", body)),
        );
        all.push(post(path, "text/plain", bodies[0]));
    }
    for channel in ["oncall", "none"] {
        let address = format!("/v1/admin/alerts/test/{channel}");
        let request = Request::post(address).header("host", "localhost");
        all.push(Asked {
            path: "/v1/admin/alerts/test/{channel}",
            request: request.body(Body::empty()).unwrap(),
        });
    }
    all.extend(orders());
    all
}

/// What an operator asks for.
fn orders() -> Vec<Asked> {
    let [first, ..] = IDS;
    let order = |path: &'static str, method: Method, address: &str, body: &'static str| Asked {
        path,
        request: Request::builder()
            .method(method)
            .uri(address)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap(),
    };
    let mut all = vec![
        get("/v1/declared", "/v1/declared"),
        get("/v1/declared", "/v1/declared?x=1"),
    ];
    for (path, one, body) in [
        (
            "/v1/admin/pause",
            "/v1/admin/pause/{id}",
            "{\"targets\":[\"*\"],\"for\":\"1h\"}",
        ),
        (
            "/v1/admin/maintenance",
            "/v1/admin/maintenance/{id}",
            "{\"targets\":[\"openai\"],\"for\":\"2h\",\"why\":\"w\"}",
        ),
        (
            "/v1/admin/override",
            "/v1/admin/override/{id}",
            "{\"targets\":[\"*\"],\"for\":\"1h\",\"hint\":\"avoid\",\"by\":\"ana\"}",
        ),
    ] {
        for body in [
            body,
            "{\"targets\":[]}",
            "{",
            "{\"targets\":[\"*\"],\"for\":\"1s\",\"by\":\"full\"}",
        ] {
            all.push(order(path, Method::POST, path, body));
        }
        let end = |id: &str| order(one, Method::DELETE, &one.replace("{id}", id), "");
        all.extend([end("3fa9c1d2"), end("none")]);
    }
    let probe = "/v1/admin/probe/{target}";
    for (id, body) in [
        (first, "{}"),
        (first, "{\"kind\":\"reach\"}"),
        (first, "{\"kind\":\"x\"}"),
        ("no/body", "{}"),
    ] {
        all.push(order(probe, Method::POST, &probe.replace("{target}", id), body));
    }
    // The first answers that it is in force, the second that it is wrong.
    let reload = || order("/v1/admin/reload", Method::POST, "/v1/admin/reload", "");
    all.extend([reload(), reload(), reload()]);
    all
}

#[tokio::test]
async fn every_answer_is_as_its_schema_says() {
    let document = described();
    let components = closed(&document);
    let world: Remembered = remembered();
    let mut covered: BTreeMap<&str, u32> = BTreeMap::new();
    for asked in questions() {
        let path = asked.path;
        let method = match *asked.request.method() {
            Method::POST => "post",
            Method::DELETE => "delete",
            _ => "get",
        };
        let place = format!("{method} {}", asked.request.uri());
        let response = world.send(asked.request).await;
        let status = response.status().as_u16().to_string();
        let media = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let told = &document["paths"][path][method]["responses"][&status];
        assert!(told.is_object(), "{place}: {status} is not described");
        let media = media.split(';').next().unwrap_or_default();
        let content = &told["content"][media];
        assert!(
            content.is_object(),
            "{place}: {status} is not described as {media}"
        );
        *covered.entry(path).or_default() += 1;
        if !["application/json", "application/health+json", PROBLEM_JSON].contains(&media) {
            continue;
        }
        let mut schema = content["schema"].clone();
        schema["components"] = components.clone();
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{place}: {error}"));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&answer)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{place}: {}\n{answer}", errors.join("\n"));
    }
    let all = document["paths"].as_object().unwrap();
    // An event stream does not end; tests of its own read it.
    let missed: Vec<_> = all
        .keys()
        .filter(|path| *path != "/v1/events" && !covered.contains_key(path.as_str()))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[tokio::test]
async fn parameters_of_the_document_are_those_that_are_taken() {
    let document = described();
    let world = remembered();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(operation) = methods.get("get").filter(|_| path != "/v1/events") else {
            continue;
        };
        let address = path
            .replace("{target}", "anthropic%2Fclaude-haiku-4-5")
            .replace("{id}", "i-cut")
            .replace("{name}", "coding");
        let takes_query = operation["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"));
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let response = world.get(&format!("{address}?{name}=%00")).await;
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let told = String::from_utf8_lossy(&body).into_owned();
            assert!(
                !told.contains("unknown field"),
                "{path} does not take {name}: {told}"
            );
        }
        if takes_query {
            let status = world.get(&format!("{address}?no_such=1")).await.status();
            assert_eq!(status.as_u16(), 400, "{path}");
        }
    }
    assert_eq!(json!(null), document["webhooks"]);
}
