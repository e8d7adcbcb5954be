//! RSS 2.0 and Atom: Azure's feed of open incidents, and feeds whose newest item tells the state.

use quick_xml::{Reader, XmlVersion, events::Event};

use super::{
    lenient::{address, clean},
    parse::ParseError,
    shortlist::Shortlist,
    types::{Incident, MAX_AFFECTED, MAX_NAME_BYTES, MAX_WORD_BYTES, Official, worst_open},
    words,
};
use crate::{clock::Timestamp, health::State};

/// Most bytes of one element's text that are looked at. The state word of a description stands at its begin.
const MAX_TEXT: usize = 16 << 10;
/// Deepest nesting of elements; a feed has four levels.
const MAX_DEPTH: usize = 32;

/// One item as it stands.
#[derive(Debug, Default)]
struct Item {
    id: String,
    title: String,
    description: String,
    link: String,
    published: String,
    updated: String,
    categories: Vec<String>,
}

#[derive(Default)]
struct Feed {
    titled: bool,
    incidents: Shortlist,
    /// The newest item, and whether its state could be told.
    newest: Option<(Incident, bool)>,
}

/// Azure's: what is listed is open, no item is the normal state. A feed without a title is taken for another page.
pub(super) fn azure(text: &str) -> Result<Official, ParseError> {
    let feed = read(text, true)?;
    let incidents = feed.incidents.finish();
    let (state, word) = worst_open(incidents.iter());
    Ok(Official {
        state,
        word,
        lists_components: false,
        components: Vec::new(),
        incidents,
    })
}

/// Others': the newest item decides; one whose state can't be told leaves it unknown.
pub(super) fn newest(text: &str) -> Result<Official, ParseError> {
    let feed = read(text, false)?;
    let mut incidents = feed.incidents.finish();
    let (state, word) = match feed.newest {
        None => (State::Operational, None),
        Some((_, false)) => (State::Unknown, None),
        Some((newest, true)) => {
            // Older ones that nobody ever closed say nothing about now: all were kept as closed.
            if let Some(kept) = incidents.iter_mut().find(|kept| kept.is(&newest)) {
                kept.open = newest.open;
            }
            let state = if newest.open {
                newest.impact
            } else {
                State::Operational
            };
            (state, Some(newest.word))
        }
    };
    Ok(Official {
        state,
        word,
        lists_components: false,
        components: Vec::new(),
        incidents,
    })
}

fn read(text: &str, listed_is_open: bool) -> Result<Feed, ParseError> {
    let syntax = |why: String| ParseError::Syntax { what: "XML", why };
    let mut reader = Reader::from_str(text);
    let mut feed = Feed::default();
    let mut path: Vec<String> = Vec::new();
    let mut rooted = false;
    let mut item = Item::default();
    loop {
        let event = reader
            .read_event()
            .map_err(|_| syntax(format!("byte {}", reader.error_position())))?;
        match event {
            Event::Start(tag) => {
                if path.len() == MAX_DEPTH {
                    return Err(syntax(format!("elements lie more than {MAX_DEPTH} deep")));
                }
                let name = tag.local_name().into_inner().to_owned();
                if path.is_empty() {
                    if rooted || !matches!(name.as_str(), "rss" | "feed") {
                        return Err(ParseError::Shape("root rss or feed"));
                    }
                    rooted = true;
                }
                item.attribute(&path, &tag);
                path.push(name);
            }
            Event::Empty(_) if path.is_empty() => return Err(ParseError::Shape("root rss or feed")),
            Event::Empty(tag) => item.attribute(&path, &tag),
            Event::End(_) => {
                let ended = path.pop();
                if matches!(ended.as_deref(), Some("item" | "entry")) {
                    feed.take(std::mem::take(&mut item), listed_is_open);
                }
            }
            Event::Text(text) => feed.titled |= item.text(&path, &text),
            Event::CData(text) => feed.titled |= item.text(&path, &text),
            Event::GeneralRef(reference) => {
                let text = resolved(&reference);
                item.text(&path, &text);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !rooted {
        return Err(ParseError::Shape("root rss or feed"));
    }
    if !path.is_empty() {
        return Err(syntax("it ends too early".to_owned()));
    }
    if !feed.titled {
        return Err(ParseError::Shape("title of its channel"));
    }
    Ok(feed)
}

/// The character of a reference; one that only a DTD could explain is left out.
fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> String {
    match &**reference {
        "lt" => "<".to_owned(),
        "gt" => ">".to_owned(),
        "amp" => "&".to_owned(),
        "quot" => "\"".to_owned(),
        "apos" => "'".to_owned(),
        _ => match reference.resolve_char_ref() {
            Ok(Some(char)) => char.to_string(),
            _ => String::new(),
        },
    }
}

impl Item {
    /// Text inside an element; tells whether it was the feed's own title.
    fn text(&mut self, path: &[String], text: &str) -> bool {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let field = match names.as_slice() {
            ["rss", "channel", "title"] | ["feed", "title"] => return !text.trim().is_empty(),
            ["rss", "channel", "item", field] | ["feed", "entry", field] => *field,
            // Markup of an Atom entry's content that isn't escaped.
            ["feed", "entry", "content" | "summary", ..] => "content",
            _ => return false,
        };
        let slot = match field {
            "title" => &mut self.title,
            "description" | "summary" | "content" | "encoded" => &mut self.description,
            "link" => &mut self.link,
            "pubDate" | "published" => &mut self.published,
            "updated" => &mut self.updated,
            "guid" | "id" => &mut self.id,
            "category" => {
                let name = clean(text, MAX_NAME_BYTES);
                if self.categories.len() < MAX_AFFECTED && !name.is_empty() {
                    self.categories.push(name);
                }
                return false;
            }
            _ => return false,
        };
        for c in text.chars() {
            if slot.len() + c.len_utf8() > MAX_TEXT {
                break;
            }
            slot.push(c);
        }
        false
    }

    /// Atom keeps links and categories in attributes.
    fn attribute(&mut self, path: &[String], tag: &quick_xml::events::BytesStart<'_>) {
        let within = matches!(path.last().map(String::as_str), Some("entry"));
        let key = match tag.local_name().into_inner() {
            "link" if within && self.link.is_empty() => "href",
            "category" if within => "term",
            _ => return,
        };
        let Ok(Some(attribute)) = tag.try_get_attribute(key) else {
            return;
        };
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .unwrap_or_default();
        if key == "href" {
            self.link = address(&value).unwrap_or_default();
        } else if self.categories.len() < MAX_AFFECTED {
            self.categories.push(clean(&value, MAX_NAME_BYTES));
        }
    }
}

impl Feed {
    fn take(&mut self, item: Item, listed_is_open: bool) {
        let time = |text: &str| {
            let text = text.trim();
            Timestamp::from_rfc2822(text).or_else(|| Timestamp::from_rfc3339(text))
        };
        let (posted, updated) = (time(&item.published), time(&item.updated));
        let told = told(&item.description).or_else(|| told(&item.title));
        let (state, open, word) = match told {
            Some((word, state, open)) => (Some(state), open, word),
            None => (None, false, String::new()),
        };
        // Azure takes an item away when it is over, and doesn't say how bad it is.
        let (impact, open) = match (listed_is_open, state) {
            (true, Some(state)) if state.is_impaired() || state == State::Maintenance => (state, true),
            (true, _) => (State::Degraded, true),
            (false, state) => (state.unwrap_or(State::Unknown), open),
        };
        let when = updated.or(posted);
        let incident = Incident {
            id: clean(&item.id, MAX_WORD_BYTES),
            name: clean(&item.title, MAX_NAME_BYTES),
            started: None,
            posted: posted.or(updated),
            updated: when,
            resolved: when.filter(|_| state == Some(State::Operational) && !open),
            open,
            impact,
            word: if word.is_empty() && listed_is_open {
                "listed".to_owned()
            } else {
                word
            },
            components: item.categories,
            url: address(&item.link),
        };
        if listed_is_open {
            self.incidents.push(incident);
            return;
        }
        let newer = self
            .newest
            .as_ref()
            .is_none_or(|(newest, _)| when > newest.updated);
        if newer {
            self.newest = Some((incident.clone(), state.is_some()));
        }
        self.incidents.push(Incident {
            open: false,
            ..incident
        });
    }
}

impl Incident {
    /// Whether both tell of the same post.
    fn is(&self, other: &Self) -> bool {
        (&self.id, &self.name, self.updated) == (&other.id, &other.name, other.updated)
    }
}

/// The state word of a text with its meaning: the first one that stands in bold, else the first at all.
fn told(html: &str) -> Option<(String, State, bool)> {
    let lower = html.to_lowercase();
    let bold = ["<strong>", "<b>"].iter().filter_map(|tag| {
        let (at, _) = lower
            .match_indices(tag)
            .find(|(at, _)| first_word(&lower[at + tag.len()..]).is_some())?;
        Some((at, first_word(&lower[at + tag.len()..])?))
    });
    let word = bold.min_by_key(|(at, _)| *at).map(|(_, word)| word);
    let word = word.or_else(|| anywhere(&lower))?;
    let (state, open) = words::progress(word)?;
    Some((word.to_owned(), state, open))
}

/// Known words, longest first where one begins another.
const WORDS: [&str; 22] = [
    "partial outage",
    "major outage",
    "full outage",
    "in progress",
    "investigating",
    "identified",
    "monitoring",
    "postmortem",
    "operational",
    "maintenance",
    "verifying",
    "cancelled",
    "canceled",
    "completed",
    "scheduled",
    "mitigated",
    "resolved",
    "degraded",
    "downtime",
    "ongoing",
    "active",
    "update",
];

/// The known word that a bold text begins with, after an optional `status:`.
fn first_word(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    let text = text.strip_prefix("status:").unwrap_or(text).trim_start();
    WORDS.into_iter().find(|word| begins(text, word))
}

fn begins(text: &str, word: &str) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
}

/// The known word that comes first in a text, as a whole word.
fn anywhere(text: &str) -> Option<&'static str> {
    WORDS
        .into_iter()
        .filter_map(|word| {
            let whole =
                |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric()) && begins(&text[at..], word);
            let (at, _) = text.match_indices(word).find(|(at, _)| whole(*at))?;
            Some((at, word))
        })
        .min_by_key(|(at, _)| *at)
        .map(|(_, word)| word)
}
