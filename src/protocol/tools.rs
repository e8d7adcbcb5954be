//! Tool calls told apart, so that the arguments of one never end up in another.
//!
//! [`StreamEvent::ToolCall`] opens a call and the deltas after it are its arguments, so events can tell of one call at
//! a time. Protocols number their pieces and may mix them. The call that was begun first goes out as it comes; pieces
//! of another are held until its arguments are whole JSON or its protocol closes it. Streams that send one call after
//! the other, as nearly all do, are never held.

use std::{borrow::Cow, mem};

use super::{Channel, StreamEvent, emit::delta};

/// Most calls of one reply that are told apart; pieces of later ones are left out.
const MAX_CALLS: usize = 128;

/// The calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls {
    known: Vec<Call>,
    /// The call that went out last, as an index into `known`. Those after it wait.
    live: Option<usize>,
}

#[derive(Debug, Default)]
struct Call {
    /// The protocol's number for it.
    index: Option<u64>,
    id: String,
    name: String,
    /// Arguments that wait for their turn.
    held: String,
    /// Arguments for the case that none are streamed.
    fallback: String,
    /// Arguments came.
    begun: bool,
    closed: bool,
    json: Whole,
}

/// What a stream says of a call at a time.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    /// The protocol's number for the call.
    pub(super) index: Option<u64>,
    /// The call's id.
    pub(super) id: Option<&'a str>,
    /// The tool's name.
    pub(super) name: Option<&'a str>,
    /// The next piece of its arguments.
    pub(super) arguments: Option<Cow<'a, str>>,
}

impl Calls {
    /// A piece of a call. The first names the tool; a later one that repeats the name begins nothing new.
    pub(super) fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<StreamEvent>) {
        let arguments = piece.arguments.filter(|text| !text.is_empty());
        let name = piece.name.filter(|name| !name.is_empty());
        if name.is_none() && arguments.is_none() {
            return;
        }
        let id = piece.id.unwrap_or_default();
        let at = match self.find(piece.index, id, name) {
            Some(at) => at,
            None if self.known.len() < MAX_CALLS => {
                self.known.push(Call {
                    index: piece.index,
                    ..Call::default()
                });
                self.known.len() - 1
            }
            None => return,
        };
        let call = &mut self.known[at];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if let (true, Some(name)) = (call.name.is_empty(), name) {
            name.clone_into(&mut call.name);
        }
        if let Some(text) = arguments {
            call.begun = true;
            call.json.read(&text);
            match self.live {
                Some(live) if live == at => delta(Channel::Tool, text, out),
                // A call that is over and has a successor can't be added to.
                Some(live) if live > at => {}
                _ => call.held.push_str(&text),
            }
        }
        self.advance(false, out);
    }

    /// The whole arguments of a call as its protocol repeats them, or as it gives them at once: taken if nothing else
    /// comes before the call is closed.
    pub(super) fn fallback(&mut self, index: Option<u64>, arguments: Option<Cow<'_, str>>) {
        if let (Some(at), Some(text)) = (self.find(index, "", None), arguments) {
            self.known[at].fallback = text.into_owned();
        }
    }

    /// The protocol says that this call is over.
    pub(super) fn close(&mut self, index: Option<u64>, out: &mut Vec<StreamEvent>) {
        let Some(at) = self.find(index, "", None) else {
            return;
        };
        let call = &mut self.known[at];
        call.closed = true;
        let fallback = mem::take(&mut call.fallback);
        if !mem::replace(&mut call.begun, true) {
            match self.live {
                Some(live) if live == at => delta(Channel::Tool, Some(Cow::Owned(fallback)), out),
                _ => call.held = fallback,
            }
        }
        self.advance(false, out);
    }

    /// A call that is there at once, arguments and all.
    pub(super) fn whole(
        &mut self,
        name: Option<&str>,
        arguments: Option<Cow<'_, str>>,
        out: &mut Vec<StreamEvent>,
    ) {
        self.flush(out);
        out.push(StreamEvent::ToolCall {
            name: name.unwrap_or_default().to_owned(),
        });
        delta(Channel::Tool, arguments, out);
    }

    /// The reply is over: what waits goes out, whole or not.
    pub(super) fn flush(&mut self, out: &mut Vec<StreamEvent>) {
        self.advance(true, out);
    }

    /// The call that a piece belongs to; `None`: a new one.
    fn find(&self, index: Option<u64>, id: &str, name: Option<&str>) -> Option<usize> {
        let last = |belongs: &dyn Fn(&Call) -> bool| self.known.iter().rposition(belongs);
        let at = match index {
            Some(_) => last(&|call| call.index == index)?,
            // Some servers number nothing: then the id tells, and a piece without a name goes on with the last call.
            None if !id.is_empty() => match last(&|call| call.id == id) {
                Some(at) => at,
                None if name.is_some() => return None,
                None => self.known.len().checked_sub(1)?,
            },
            None if name.is_some() => return None,
            None => self.known.len().checked_sub(1)?,
        };
        // Others give each of several whole calls the same number.
        let call = &self.known[at];
        let another = name.is_some() && !id.is_empty() && !call.id.is_empty() && call.id != id;
        (!(another && call.json.is_whole())).then_some(at)
    }

    /// Lets waiting calls out for as long as those before them are over.
    fn advance(&mut self, all: bool, out: &mut Vec<StreamEvent>) {
        loop {
            let over = self.live.is_none_or(|live| {
                let live = &self.known[live];
                all || live.closed || live.json.is_whole()
            });
            let next = self.live.map_or(0, |live| live + 1);
            let (true, Some(call)) = (over, self.known.get_mut(next)) else {
                return;
            };
            self.live = Some(next);
            out.push(StreamEvent::ToolCall {
                name: call.name.clone(),
            });
            delta(Channel::Tool, Some(Cow::Owned(mem::take(&mut call.held))), out);
        }
    }
}

/// Follows pieces of JSON to the end of an object or list.
#[derive(Debug, Default)]
struct Whole {
    depth: u32,
    in_text: bool,
    escaped: bool,
    closed: bool,
}

impl Whole {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            if mem::take(&mut self.escaped) {
                continue;
            }
            match byte {
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.closed && self.depth == 0 && !self.in_text
    }
}

#[cfg(test)]
#[path = "tools/tests.rs"]
mod tests;
