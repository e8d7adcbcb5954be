use std::sync::atomic::Ordering;

use super::*;
use crate::alert::desktop::{
    Life, Urgency,
    fixture::{Fake, Screen},
};

fn note(summary: &str) -> Note {
    Note {
        summary: summary.to_owned(),
        body: String::new(),
        urgency: Urgency::Normal,
        life: Life::Stays,
        icon: "dialog-error",
        category: "network.error",
        link: Some(format!("http://h/{summary}")),
    }
}

fn tray() -> (Tray<Fake>, Arc<Screen>) {
    let screen = Arc::new(Screen::default());
    (Tray::new(Fake(Arc::clone(&screen))), screen)
}

#[tokio::test]
async fn a_slot_has_one_place_that_is_replaced() {
    let (mut tray, screen) = tray();
    tray.show("a", &note("1")).await.unwrap();
    tray.show("b", &note("2")).await.unwrap();
    tray.show("a", &note("3")).await.unwrap();
    let expected = [
        (1, "1".to_owned(), None),
        (2, "2".to_owned(), None),
        (1, "3".to_owned(), Some(1)),
    ];
    assert_eq!(*screen.shown.lock().unwrap(), expected);
    assert_eq!(screen.asked.load(Ordering::SeqCst), 1);
    tray.close("a").await;
    tray.close("a").await;
    assert_eq!((tray.len(), &*screen.closed.lock().unwrap()), (1, &vec![1]));
}

#[tokio::test]
async fn what_a_person_does_is_heard_and_what_goes_by_itself_is_not() {
    let (mut tray, screen) = tray();
    for slot in ["a", "b", "c"] {
        tray.show(slot, &note(slot)).await.unwrap();
    }
    let opened = Heard::Open {
        slot: "a".to_owned(),
        link: "http://h/a".to_owned(),
    };
    screen.answer(1, Answer::Open);
    assert_eq!(tray.next().await, opened);
    // A second click counts too: it is still there.
    screen.answer(1, Answer::Open);
    assert_eq!(tray.next().await, opened);
    screen.answer(2, Answer::Gone);
    screen.answer(3, Answer::Dismissed);
    assert_eq!(tray.next().await, Heard::Dismissed("c".to_owned()));
    let gone = tokio::time::timeout(Duration::from_millis(50), tray.next()).await;
    assert!(gone.is_err(), "{gone:?}");
    assert_eq!(tray.len(), 1);
    // Its place is free: the next one replaces nothing.
    tray.show("b", &note("again")).await.unwrap();
    assert_eq!(screen.shown.lock().unwrap().last().unwrap().2, None);
}

#[tokio::test]
async fn the_first_connection_is_held_until_the_last_notification_has_gone() {
    let (mut tray, screen) = tray();
    tray.show("a", &note("1")).await.unwrap();
    tray.show("a", &note("2")).await.unwrap();
    tray.show("b", &note("3")).await.unwrap();
    tray.close("a").await;
    let open = || screen.open.load(Ordering::SeqCst);
    // Whoever listened may hold on for a moment after it was told to stop.
    let settled = async |n: usize| {
        while open() != n {
            tokio::task::yield_now().await;
        }
    };
    // The first and b's own.
    tokio::time::timeout(SHOW_LIMIT, settled(2))
        .await
        .expect("two are held");
    tray.clear().await;
    tokio::time::timeout(SHOW_LIMIT, settled(0))
        .await
        .expect("none is held");
    assert!(tray.is_empty());
}

#[tokio::test]
async fn a_server_that_was_away_is_asked_anew_what_it_can() {
    let (mut tray, screen) = tray();
    tray.show("a", &note("1")).await.unwrap();
    *screen.away.lock().unwrap() = true;
    assert_eq!(
        tray.show("a", &note("2")).await,
        Err(TrayError::Absent("away".to_owned()))
    );
    *screen.away.lock().unwrap() = false;
    tray.show("a", &note("3")).await.unwrap();
    assert_eq!(screen.asked.load(Ordering::SeqCst), 2);
}
