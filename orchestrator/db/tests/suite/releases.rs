//! What every database must do for releases and rollouts.

use super::Db;
use orchestrator_db::{FeedEntry, Release, RolloutRow};

pub async fn run(db: &Db) {
    programs_come_in_pieces_and_leave_whole(db).await;
    rollouts_are_changed_by_one(db).await;
    staged_changes_are_changed_by_one_and_told(db).await;
}

fn release(name: &str, size: i64) -> Release {
    Release {
        name: name.to_owned(),
        product: "agwd".to_owned(),
        version: "2".to_owned(),
        platform: "x86_64-linux".to_owned(),
        channel: "stable".to_owned(),
        size,
        sha256: "ab".repeat(32),
        signature: "cd".repeat(64),
        created_by: "ann".to_owned(),
        created_at: 5,
        received: 0,
        complete: false,
    }
}

async fn programs_come_in_pieces_and_leave_whole(db: &Db) {
    let made = release("r", 10);
    assert!(db.put_release(&made).await.unwrap() && !db.put_release(&made).await.unwrap());
    assert_eq!(db.release("r").await.unwrap(), Some(made.clone()));
    assert_eq!(db.put_release_data("none", 0, b"x").await.unwrap(), None);
    assert_eq!(db.put_release_data("r", 3, b"x").await.unwrap(), Some(0), "not where it goes on");
    assert_eq!(db.put_release_data("r", 0, b"01234").await.unwrap(), Some(5));
    assert_eq!(db.put_release_data("r", 0, b"01234").await.unwrap(), Some(5), "the same once more");
    assert_eq!(db.put_release_data("r", 5, b"567890").await.unwrap(), Some(5), "more than was told");
    // Wrong: all of it goes.
    assert_eq!(db.put_release_data("r", 5, b"xxxxx").await.unwrap(), Some(10));
    db.settle_release("r", false).await.unwrap();
    assert!(db.release_data("r", 0).await.unwrap().is_empty());
    assert_eq!(db.put_release_data("r", 0, b"01234").await.unwrap(), Some(5));
    db.settle_release("r", true).await.unwrap();
    assert!(!db.release("r").await.unwrap().unwrap().complete, "half of it is not all");
    assert_eq!(db.put_release_data("r", 5, b"56789").await.unwrap(), Some(10));
    db.settle_release("r", true).await.unwrap();
    let whole = Release { received: 10, complete: true, ..made };
    assert_eq!(db.releases().await.unwrap(), [whole]);
    assert_eq!(db.put_release_data("r", 10, b"x").await.unwrap(), None);
    for (place, rest) in [(0, "01234"), (2, "234"), (5, "56789"), (9, "9"), (10, ""), (99, "")] {
        assert_eq!(db.release_data("r", place).await.unwrap(), rest.as_bytes(), "{place}");
    }
    assert!(db.delete_release("r").await.unwrap() && !db.delete_release("r").await.unwrap());
    assert!(db.release_data("r", 0).await.unwrap().is_empty());
}

async fn rollouts_are_changed_by_one(db: &Db) {
    let row = |id: &str, at, active| RolloutRow {
        id: id.to_owned(),
        network: "lab".to_owned(),
        created_at: at,
        created_by: "ann".to_owned(),
        changed_at: at,
        active,
        body: "{}".to_owned(),
        revision: 1,
    };
    for it in [row("one", 1, false), row("two", 2, true)] {
        assert!(db.put_rollout(&it).await.unwrap());
    }
    let names = |rows: Vec<RolloutRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(names(db.rollouts("lab", 10).await.unwrap()), ["two", "one"]);
    assert_eq!(names(db.rollouts("lab", 1).await.unwrap()), ["two"]);
    assert_eq!(names(db.active_rollouts().await.unwrap()), ["two"]);
    assert_eq!(db.rollout("other", "two").await.unwrap(), None);
    let changed = RolloutRow { active: false, changed_at: 9, body: "{\"a\":1}".to_owned(), ..row("two", 2, true) };
    assert!(db.change_rollout(&changed).await.unwrap() && !db.change_rollout(&changed).await.unwrap());
    assert_eq!(db.rollout("lab", "two").await.unwrap(), Some(RolloutRow { revision: 2, ..changed }));
    assert!(db.active_rollouts().await.unwrap().is_empty());
    // Of two to one tier that come at the same moment, one begins.
    let to =
        |id: &str, tier: &str| RolloutRow { body: format!("{{\"plan\":{{\"tier\":\"{tier}\"}}}}"), ..row(id, 3, true) };
    let (a, b, other) = (to("a", "stable"), to("b", "stable"), to("c", "early"));
    let (first, second, third) = tokio::join!(db.put_rollout(&a), db.put_rollout(&b), db.put_rollout(&other));
    assert!(first.unwrap() ^ second.unwrap(), "both begin, or none");
    assert!(third.unwrap());
}

async fn staged_changes_are_changed_by_one_and_told(db: &Db) {
    let row = |id: &str, at, objects: &[&str]| {
        let changes: Vec<_> = objects.iter().map(|name| serde_json::json!({"kind": "apns", "name": name})).collect();
        RolloutRow {
            id: id.to_owned(),
            network: "lab".to_owned(),
            created_at: at,
            created_by: "ann".to_owned(),
            changed_at: at,
            active: true,
            body: serde_json::json!({ "changes": changes }).to_string(),
            revision: 1,
        }
    };
    let told = async || {
        let last = db.feeds().await.unwrap().into_iter().find(|(network, _)| network == "lab").map_or(0, |it| it.1);
        let entries = db.feed("lab", last - 1, 10).await.unwrap();
        entries.into_iter().map(|it| (it.what, it.name)).next_back().unwrap()
    };
    let (a, b, other) = (row("a", 1, &["x", "y"]), row("b", 2, &["y", "z"]), row("c", 3, &["z"]));
    // Of two about one object that come at the same moment, one begins; the other hears about which object.
    let (first, second) = tokio::join!(db.put_config_rollout(&a), db.put_config_rollout(&b));
    let both = Some(("apns".to_owned(), "y".to_owned()));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!((first.is_none() && second == both) || (first == both && second.is_none()), "{first:?} {second:?}");
    let (begun, refused) = if first.is_none() { (a, b) } else { (b, a) };
    assert_eq!(told().await, (FeedEntry::CONFIG_ROLLOUTS.to_owned(), begun.id.clone()));
    let elsewhere = RolloutRow { network: "other".to_owned(), id: "d".to_owned(), ..begun.clone() };
    assert_eq!(db.put_config_rollout(&elsewhere).await.unwrap(), None, "networks have nothing to do with each other");
    let done = RolloutRow { active: false, changed_at: 9, ..begun.clone() };
    assert!(db.change_config_rollout(&done).await.unwrap() && !db.change_config_rollout(&done).await.unwrap());
    assert_eq!(db.put_config_rollout(&refused).await.unwrap(), None);
    if refused.id == "a" {
        assert_eq!(db.put_config_rollout(&other).await.unwrap(), None);
    }
    let active = db.active_config_rollouts(Some("lab")).await.unwrap();
    assert!(active.contains(&refused) && !active.iter().any(|it| it.id == begun.id));
    let everywhere = db.active_config_rollouts(None).await.unwrap();
    assert!(everywhere.contains(&elsewhere) && everywhere.len() == active.len() + 1);
    assert_eq!(db.config_rollouts("lab", 1).await.unwrap().len(), 1);
    assert_eq!(db.config_rollout("lab", &begun.id).await.unwrap(), Some(RolloutRow { revision: 2, ..done }));
    assert_eq!(db.config_rollout("other", &begun.id).await.unwrap(), None);
}
