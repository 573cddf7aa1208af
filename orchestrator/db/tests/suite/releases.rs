//! What every database must do for releases and rollouts.

use super::Db;
use orchestrator_db::{Release, RolloutRow};

pub async fn run(db: &Db) {
    programs_come_in_pieces_and_leave_whole(db).await;
    rollouts_are_changed_by_one(db).await;
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
