//! One task per status page, for as long as the configuration names it.

use std::{collections::HashMap, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{annotate, core::Input};
use crate::{
    clock::Clock,
    config::Config,
    official::{Fetcher, Page, Watcher},
};

/// The tasks. Dropping it ends them.
pub(super) struct Watch {
    fetcher: Fetcher,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
    stop: CancellationToken,
    seed: u64,
    tasks: HashMap<(Page, Duration), DropGuard>,
}

impl Watch {
    pub(super) fn new(
        fetcher: Fetcher,
        clock: Clock,
        inputs: mpsc::Sender<Input>,
        stop: CancellationToken,
        seed: u64,
    ) -> Self {
        Self {
            fetcher,
            clock,
            inputs,
            stop,
            seed,
            tasks: HashMap::new(),
        }
    }

    /// Reads the pages of this configuration. One that was read before goes on as it was, so that a reload asks no
    /// page sooner than its interval.
    pub(super) fn follow(&mut self, config: &Config) {
        let every = config.official.every.unwrap_or_default();
        let pages = annotate::pages(config);
        self.tasks
            .retain(|(page, was), _| *was == every && pages.contains(page));
        for page in pages {
            if self.tasks.contains_key(&(page.clone(), every)) {
                continue;
            }
            self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let watcher = Watcher::new(
                page.clone(),
                every,
                self.fetcher.clone(),
                self.clock.clone(),
                self.seed,
            );
            let over = self.stop.child_token();
            tokio::spawn(run(watcher, self.inputs.clone(), over.clone()));
            self.tasks.insert((page, every), over.drop_guard());
        }
    }
}

async fn run(mut watcher: Watcher, inputs: mpsc::Sender<Input>, over: CancellationToken) {
    loop {
        let reading = tokio::select! {
            () = over.cancelled() => break,
            reading = watcher.next() => reading,
        };
        let input = Input::Official(Box::new((watcher.page().clone(), reading)));
        // The loop has ended: nobody reads it any more.
        if inputs.send(input).await.is_err() {
            break;
        }
    }
}
