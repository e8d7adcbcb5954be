//! A receiver of webhooks on loopback that answers as it is told to, and remembers what it took.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::Notify;

use crate::support::server::{self, Server};

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken.
    Take,
    /// Taken, but the answer never comes.
    TakeAndHang,
    /// A status, and so many seconds to wait where it names any.
    Status(u16, Option<u32>),
    /// No answer at all.
    Hang,
    /// The connection is reset.
    Reset,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) key: String,
    pub(crate) message: Value,
}

#[derive(Default)]
pub(crate) struct Desk {
    /// What comes next; afterwards the last one for ever.
    script: Mutex<VecDeque<Answer>>,
    taken: Mutex<Vec<Got>>,
    seen: Mutex<Vec<Got>>,
    /// Told when a request has come whole, and when its answer is written.
    pub(crate) came: Notify,
    pub(crate) answered: Notify,
}

/// The receiver; it ends with this value.
pub(crate) struct Receiver {
    pub(crate) desk: Arc<Desk>,
    server: Server,
}

impl Desk {
    fn answer(&self) -> Answer {
        let mut script = self.script.lock().unwrap();
        if script.len() > 1 {
            script.pop_front().unwrap()
        } else {
            script.front().copied().unwrap_or(Answer::Take)
        }
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let shared = Arc::clone(&desk);
        let server = server::serve(move |_, mut socket| {
            let desk = Arc::clone(&shared);
            async move {
                while let Some(text) = server::request(&mut socket).await {
                    let answer = desk.answer();
                    let got = parsed(&text);
                    desk.seen.lock().unwrap().push(got.clone());
                    if matches!(answer, Answer::Take | Answer::TakeAndHang) {
                        desk.taken.lock().unwrap().push(got);
                    }
                    desk.came.notify_one();
                    let (status, headers) = match answer {
                        Answer::Take => (200, String::new()),
                        Answer::Status(status, after) => {
                            let after = after.map(|s| format!("retry-after: {s}\r\n"));
                            (status, after.unwrap_or_default())
                        }
                        Answer::Reset => return server::reset(socket),
                        Answer::Hang | Answer::TakeAndHang => {
                            tokio::time::sleep(Duration::from_secs(120)).await;
                            return;
                        }
                    };
                    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
                    if !server::send(&mut socket, head).await {
                        return;
                    }
                    desk.answered.notify_one();
                }
            }
        })
        .await;
        Self { desk, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.server.addr)
    }

    /// Answers so from now on, the last one for ever.
    pub(crate) fn script(&self, answers: &[Answer]) {
        *self.desk.script.lock().unwrap() = answers.iter().copied().collect();
    }

    /// What was taken, in order.
    pub(crate) fn taken(&self) -> Vec<Got> {
        self.desk.taken.lock().unwrap().clone()
    }

    /// Every request, in order.
    pub(crate) fn seen(&self) -> Vec<Got> {
        self.desk.seen.lock().unwrap().clone()
    }
}

fn parsed(text: &str) -> Got {
    let (head, body) = text.split_once("\r\n\r\n").expect("a body");
    let key = head.lines().find_map(|line| line.strip_prefix("webhook-id: "));
    let event: Value = serde_json::from_str(body).expect("JSON");
    Got {
        key: key.expect("a key").to_owned(),
        message: event["data"].clone(),
    }
}
