//! `/feed.atom`: incidents for feed readers (RFC 4287).

use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
    response::Response,
};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ApiState, IncidentQuery, openapi::schemas, problem::Problem, query};
use crate::{clock::Timestamp, health::Incident};

/// Most entries of the feed: the incidents that were opened last.
pub const MAX_ENTRIES: usize = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Of one target.
    #[param(value_type = Option<schemas::Target>)]
    target: Option<String>,
    /// Of one provider's targets.
    #[param(value_type = Option<schemas::Provider>)]
    provider: Option<String>,
}

/// Incidents as an Atom feed, the 50 that were opened last.
///
/// An entry keeps its id and is updated as its incident goes on.
#[utoipa::path(get, path = "/feed.atom", tag = "elsewhere", params(Asked), responses(
    (status = 200, description = "The feed", body = String, content_type = "application/atom+xml",
        headers(("ETag" = String, description = "Names this content"))),
    (status = 304, description = "If-None-Match names this content"),
    schemas::Unavailable,
))]
pub(super) async fn feed(
    State(api): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked: Asked = query::query(&uri)?;
    let provider = query::provider_filter(asked.provider.as_deref())?;
    let wanted = IncidentQuery {
        target: query::target_filter(asked.target.as_deref())?,
        provider,
        limit: MAX_ENTRIES,
        ..IncidentQuery::default()
    };
    let listing = api.read(move |history| history.incidents(&wanted)).await?;
    let snapshot = api.hub.snapshot();
    let head = &snapshot.health.head;
    let about = About {
        // The guard has checked that it is one of ours.
        origin: headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .map_or(String::new(), |host| format!("http://{host}")),
        path: uri.path_and_query().map_or("/feed.atom", |path| path.as_str()),
        instance: &head.instance,
        vantage: &head.vantage,
    };
    let body = write(&about, &listing.items).map_err(|_| Problem::internal())?;
    let tag = query::tag(&body);
    Ok(query::tagged(
        &headers,
        &tag,
        "application/atom+xml; charset=utf-8",
        || body.into(),
    ))
}

/// What the feed says of itself.
struct About<'a> {
    origin: String,
    path: &'a str,
    instance: &'a str,
    vantage: &'a str,
}

type Xml = Writer<Vec<u8>>;

fn write(about: &About<'_>, incidents: &[Incident]) -> std::io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.create_element("feed")
        .with_attribute(("xmlns", "http://www.w3.org/2005/Atom"))
        .write_inner_content(|xml| {
            text(xml, "id", &format!("urn:endturn:incidents:{}", about.instance))?;
            text(
                xml,
                "title",
                &format!("Incidents of LLM targets, seen from {}", about.vantage),
            )?;
            // Of an empty feed nothing was ever updated; a time of asking would make it new each time.
            let newest = incidents.iter().map(updated).max().unwrap_or_default();
            text(xml, "updated", &newest.to_rfc3339())?;
            xml.create_element("author")
                .write_inner_content(|xml| text(xml, "name", "endturn"))?;
            link(xml, "self", &format!("{}{}", about.origin, about.path))?;
            link(xml, "alternate", &format!("{}/incidents", about.origin))?;
            incidents
                .iter()
                .try_for_each(|incident| entry(xml, about, incident))
        })?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// When an incident last changed.
fn updated(incident: &Incident) -> Timestamp {
    let last = incident.timeline.iter().map(|entry| entry.at).max();
    [incident.closed, incident.recovered, last]
        .into_iter()
        .flatten()
        .fold(incident.opened, Timestamp::max)
}

fn entry(xml: &mut Xml, about: &About<'_>, incident: &Incident) -> std::io::Result<()> {
    let word = if incident.closed.is_some() { "was" } else { "is" };
    let title = format!(
        "{} {word} {}: {}",
        incident.target,
        incident.worst,
        incident.reason.code.as_str()
    );
    let timeline: Vec<String> = incident
        .timeline
        .iter()
        .map(|step| {
            format!(
                "{} {} ({}): {}",
                step.at.to_rfc3339(),
                step.kind,
                step.state,
                step.text
            )
        })
        .collect();
    let content = format!("{}\n\n{}", incident.reason.text, timeline.join("\n"));
    xml.create_element("entry").write_inner_content(|xml| {
        text(xml, "id", &format!("urn:endturn:incident:{}", incident.id))?;
        text(xml, "title", &title)?;
        text(xml, "published", &incident.opened.to_rfc3339())?;
        text(xml, "updated", &updated(incident).to_rfc3339())?;
        link(
            xml,
            "alternate",
            &format!("{}/incidents/{}", about.origin, incident.id),
        )?;
        xml.create_element("category")
            .with_attribute(("term", incident.reason.code.as_str()))
            .write_empty()?;
        xml.create_element("content")
            .with_attribute(("type", "text"))
            .write_text_content(BytesText::new(&legal(&content)))?;
        Ok(())
    })?;
    Ok(())
}

fn text(xml: &mut Xml, name: &str, content: &str) -> std::io::Result<()> {
    xml.create_element(name)
        .write_text_content(BytesText::new(&legal(content)))?;
    Ok(())
}

fn link(xml: &mut Xml, rel: &str, href: &str) -> std::io::Result<()> {
    xml.create_element("link")
        .with_attributes([("rel", rel), ("href", href)])
        .write_empty()?;
    Ok(())
}

/// A text without the characters that XML 1.0 cannot hold.
fn legal(text: &str) -> String {
    let allowed = |c: &char| !c.is_control() || matches!(c, '\t' | '\n');
    text.chars()
        .filter(allowed)
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        health::{IncidentEntry, Reason, ReasonCode, State},
        id::TargetId,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_781_960_460_000 + second * 1_000)
    }

    fn incident(closed: Option<i64>) -> Incident {
        Incident {
            id: "0197a".to_owned(),
            target: "anthropic/claude".parse::<TargetId>().unwrap(),
            started: at(0),
            detected: at(5),
            opened: at(20),
            recovered: closed.map(|s| at(s - 60)),
            closed: closed.map(at),
            worst: State::Partial,
            reason: Reason {
                code: ReasonCode::Truncated,
                text: "7 of 12 <b>replies\u{1b}\u{0} & more".to_owned(),
                sources: Vec::new(),
            },
            timeline: vec![IncidentEntry {
                at: at(25),
                kind: "official",
                state: State::Partial,
                text: "\"investigating\"".to_owned(),
            }],
            lead_s: None,
        }
    }

    fn written(incidents: &[Incident]) -> String {
        let about = About {
            origin: "http://127.0.0.1:7411".to_owned(),
            path: "/feed.atom?target=a%2Fm&x",
            instance: "0197",
            vantage: "fra-1",
        };
        String::from_utf8(write(&about, incidents).unwrap()).unwrap()
    }

    #[test]
    fn an_entry_keeps_its_id_and_is_updated() {
        let (open, closed) = (written(&[incident(None)]), written(&[incident(Some(300))]));
        for text in [&open, &closed] {
            assert!(text.contains("<id>urn:endturn:incident:0197a</id>"), "{text}");
            assert!(text.contains(&format!("<published>{}</published>", at(20).to_rfc3339())));
        }
        assert!(
            open.contains(&format!("<updated>{}</updated>", at(25).to_rfc3339())),
            "{open}"
        );
        assert!(closed.contains(&format!("<updated>{}</updated>", at(300).to_rfc3339())));
        assert!(open.contains("anthropic/claude is partial") && closed.contains("claude was partial"));
        assert!(open.contains("http://127.0.0.1:7411/incidents/0197a"));
    }

    #[test]
    fn an_empty_feed_reads_the_same_each_time() {
        assert_eq!(written(&[]), written(&[]));
        assert!(written(&[]).contains("<updated>1970-01-01T00:00:00"));
    }

    #[test]
    fn foreign_text_makes_no_mark_up() {
        let text = written(&[incident(None)]);
        assert!(text.contains("&lt;b&gt;replies &amp; more"), "{text}");
        let mut reader = quick_xml::Reader::from_str(&text);
        while !matches!(reader.read_event().unwrap(), Event::Eof) {}
    }
}
