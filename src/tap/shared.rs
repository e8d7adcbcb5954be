//! What the two directions of one exchange have in common.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::marks::Marks;

tokio::task_local! {
    /// The exchange that this task is sending a request for: the connector looks here.
    pub(super) static CURRENT: Arc<Shared>;
}

/// Written by the request on its way, read when the reply is judged.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) marks: Marks,
    model: OnceLock<String>,
    upload_broke: AtomicBool,
}

impl Shared {
    pub(super) fn new(marks: Marks) -> Self {
        Self {
            marks,
            model: OnceLock::new(),
            upload_broke: AtomicBool::new(false),
        }
    }

    /// The request's body names its model.
    pub(super) fn found(&self, model: String) {
        let _ = self.model.set(model);
    }

    /// What the body named.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.get().map(String::as_str)
    }

    /// The client broke off its request: whatever fails from now on is its doing.
    pub(super) fn break_upload(&self) {
        self.upload_broke.store(true, Ordering::Release);
    }

    /// Whether it did.
    pub(super) fn upload_broke(&self) -> bool {
        self.upload_broke.load(Ordering::Acquire)
    }
}
