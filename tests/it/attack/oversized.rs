//! Too much of everything that a request is made of.

use super::{all, is_well};
use crate::reports::world;

#[tokio::test(flavor = "multi_thread")]
async fn too_much_of_anything_is_refused_and_the_feed_goes_on() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let kib = |n: usize| "x".repeat(n << 10);
    let many = |n: usize, line: &str| line.repeat(n);
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
    };
    let post = |path: &str, headers: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n")
    };
    let nested = "[".repeat(100_000);
    let length = format!("connection: close\r\ncontent-length: {}\r\n", nested.len());
    let huge = "connection: close\r\ncontent-length: 1099511627776\r\n";
    for (what, request, wanted) in [
        (
            "a head",
            get("/v1/health", &format!("x: {}\r\n", kib(70))),
            &["431"][..],
        ),
        ("its lines", get("/v1/health", &many(70, "x: y\r\n")), &["431"]),
        (
            "its endless lines",
            get("/v1/health", &many(100_000, "x: y\r\n")),
            &["431", ""],
        ),
        (
            "a token",
            get("/v1/health", &format!("authorization: Bearer {}\r\n", kib(16))),
            &["200"],
        ),
        (
            "a host",
            get("/v1/health", "").replace("localhost", &kib(16)),
            &["421"],
        ),
        (
            "a path",
            get(&format!("/{}", kib(70)), ""),
            &["414", "431", "404"],
        ),
        (
            "a target",
            get(&format!("/v1/health/p/{}", kib(4)), ""),
            &["400", "404"],
        ),
        (
            "a query",
            get(&format!("/v1/health?targets={}", kib(32)), ""),
            &["400"],
        ),
        (
            "patterns",
            get(&format!("/v1/health?targets={}", many(1_000, "a/b,")), ""),
            &["400"],
        ),
        (
            "parameters",
            get(&format!("/v1/health?{}", many(2_000, "a=b&")), ""),
            &["400"],
        ),
        (
            "a cursor",
            get(&format!("/v1/observations?cursor={}", kib(8)), ""),
            &["400"],
        ),
        (
            "a limit",
            get("/v1/observations?limit=99999999999999999999", ""),
            &["400"],
        ),
        (
            "a label",
            get(&format!("/badge/openai/gpt-5.2.svg?label={}", kib(8)), ""),
            &["400"],
        ),
        (
            "a method",
            get("/v1/health", "").replace("GET", &kib(1)),
            &["405", "400"],
        ),
        ("a body", post("/v1/reports", huge), &["413", "400"]),
        ("a body to validate", post("/v1/validate", huge), &["413", "400"]),
        ("a body of telemetry", post("/v1/traces", huge), &["413", "400"]),
        (
            "a body for agents",
            post(
                "/mcp",
                &format!("accept: application/json, text/event-stream\r\n{huge}"),
            ),
            &["413", "400"],
        ),
        (
            "a body where none is taken",
            get("/v1/health", "content-length: 5\r\n") + "12345",
            &["413"],
        ),
        ("depth", post("/v1/reports", &length) + &nested, &["400"]),
    ] {
        let answer = all(addr, request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(
            wanted.contains(&status),
            "{what}: {}",
            answer.chars().take(300).collect::<String>()
        );
        assert!(
            answer.len() < 64 << 10,
            "{what} makes an answer of {} bytes",
            answer.len()
        );
    }
    is_well(addr).await;
    daemon.stop().await;
}
