//! A router that lets endturn steer it: asks whoever can finish a reply now, fails over, and reports what came of it.
//!
//! Against the demo, whose first line names the providers' port; after 10 s one of the two begins to cut its replies:
//!
//! ```sh
//! endturn demo
//! cargo run --example router -- http://127.0.0.1:7411 http://127.0.0.1:PORT/openai/v1 200
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::{error::Error, time::Duration};

use endturn::{
    client::Client,
    clock::Clock,
    feed::outcome::Outcome,
    gate::{Input, Options},
    link::http_client,
    protocol::Protocol,
    validate,
    verdict::Verdict,
};

/// Two models that may stand in for each other, the preferred one first. The demo's outage hits it.
const CANDIDATES: [&str; 2] = ["openai/gpt-5.2-chat", "openai-responses/gpt-5.2"];

/// One request. What came of it is judged by the protocol's own end, never by the status alone.
async fn ask<'a>(http: &reqwest::Client, base: &str, target: &'a str, clock: &Clock) -> Outcome<'a> {
    let model = target.split_once('/').map_or(target, |(_, model)| model);
    let body =
        format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let request = http
        .post(format!("{base}/chat/completions"))
        .header("content-type", "application/json")
        .bearer_auth("any");
    let start = clock.mono();
    let (mut reply, mut status, mut error) = (Vec::new(), None, None);
    match request.timeout(Duration::from_secs(30)).body(body).send().await {
        Ok(mut response) => {
            status = Some(response.status());
            // However it ends, what came until then is what is judged.
            while let Ok(Some(chunk)) = response.chunk().await {
                reply.extend_from_slice(&chunk);
            }
        }
        Err(failed) => error = Some(if failed.is_timeout() { "timeout" } else { "connect" }),
    }
    let verdict = match status {
        Some(status) if status.is_success() => {
            let input = Input::Capture {
                bytes: &reply,
                wire: Some(Protocol::OpenaiChat.into()),
                content_type: None,
            };
            match validate(&input, &Options::default()).verdict {
                Verdict::OffScript(_) => "complete",
                verdict => verdict.family(),
            }
        }
        _ => "errored",
    };
    Outcome {
        target: Some(target.into()),
        verdict: Some(verdict.into()),
        http_status: status.map(|status| status.as_u16()),
        error: error.map(Into::into),
        e2e_ms: Some((clock.mono().saturating_sub(start)).as_secs_f64() * 1e3),
        ..Outcome::default()
    }
}

/// Serves so many requests; how many came back whole, and how often a provider was asked for that.
pub async fn serve(client: &Client, base: &str, requests: u64) -> Result<(u64, u64), Box<dyn Error>> {
    let (http, clock) = (http_client()?, Clock::system());
    let (mut whole, mut asked) = (0, 0);
    for number in 0..requests {
        // No I/O here: the feed is in memory. Without a fresh one the candidates stand as given.
        let order = client.pick(&CANDIDATES);
        for target in order.all() {
            let outcome = ask(&http, base, target, &clock).await;
            let verdict = outcome.verdict.clone().unwrap_or_default();
            println!("{number} {target} {verdict} ({:?})", order.basis());
            client.report(outcome);
            asked += 1;
            if verdict == "complete" {
                whole += 1;
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok((whole, asked))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [feed, base, requests] = arguments.as_slice() else {
        return Err("usage: router ENDTURN_URL OPENAI_BASE_URL REQUESTS".into());
    };
    let client = Client::builder(feed).reporter("router").build()?;
    client.ready(Duration::from_secs(2)).await;
    let (whole, asked) = serve(&client, base, requests.parse()?).await?;
    let reports = client.close(Duration::from_secs(2)).await;
    println!("{whole} of {requests} whole, providers were asked {asked} times; {reports:?}");
    Ok(())
}
