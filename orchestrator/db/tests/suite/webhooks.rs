//! What every database must do for webhooks and jobs.

use super::{Db, inside, network, put};
use orchestrator_db::{Delivery, DeliveryState, Job};
use orchestrator_model::Kind;
use serde_json::{Value, json};

pub async fn run(db: &Db) {
    db.apply("ann", 1, &[put(network("hooks"), json!({})), put(inside(Kind::Webhook, "hooks", "w"), json!({}))])
        .await
        .unwrap();
    let all = db.webhooks().await.unwrap();
    assert_eq!(
        all.iter().map(|(network, it)| (network.as_str(), it.name.as_str())).collect::<Vec<_>>(),
        [("hooks", "w")]
    );
    each_event_is_queued_once_and_taken_by_one(db).await;
    jobs_are_kept(db).await;
}

fn delivery(id: &str, event: &str, due_at: i64) -> Delivery {
    Delivery {
        id: id.to_owned(),
        network: "hooks".to_owned(),
        webhook: "w".to_owned(),
        event: event.to_owned(),
        kind: "attached".to_owned(),
        body: "{}".to_owned(),
        state: DeliveryState::Pending,
        attempts: 0,
        due_at,
        created_at: due_at,
        changed_at: due_at,
        trouble: String::new(),
    }
}

async fn each_event_is_queued_once_and_taken_by_one(db: &Db) {
    assert_eq!(db.webhook_mark("hooks").await.unwrap(), None);
    db.enqueue("hooks", &[], Some(5)).await.unwrap();
    db.enqueue("hooks", &[delivery("a", "event/6", 10), delivery("b", "event/7", 20)], Some(7)).await.unwrap();
    db.enqueue("hooks", &[delivery("c", "event/7", 10)], Some(6)).await.unwrap();
    assert_eq!(db.webhook_mark("hooks").await.unwrap(), Some((5, 7)), "it does not go back");
    let all = db.deliveries("hooks", "w", None, 10).await.unwrap();
    assert_eq!(all.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let (one, other) = tokio::join!(db.take_due(15, 100, 10), db.take_due(15, 100, 10));
    let taken = [one.unwrap(), other.unwrap()].concat();
    assert_eq!(taken.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a"], "by one of two");
    assert!(db.take_due(19, 100, 10).await.unwrap().is_empty());
    let done = Delivery { state: DeliveryState::Delivered, attempts: 1, ..taken[0].clone() };
    db.settle(&done).await.unwrap();
    assert_eq!(db.take_due(200, 300, 10).await.unwrap().len(), 1, "the other one");
    assert_eq!(db.deliveries("hooks", "w", Some(DeliveryState::Delivered), 10).await.unwrap(), [done]);
    assert!(db.deliveries("hooks", "none", None, 10).await.unwrap().is_empty());
}

async fn jobs_are_kept(db: &Db) {
    let mut job = Job {
        id: "j1".to_owned(),
        what: "import".to_owned(),
        created_by: "ann".to_owned(),
        created_at: 1,
        changed_at: 1,
        state: "running".to_owned(),
        percent: 0,
        result: Value::Null,
    };
    db.put_job("hooks", &job).await.unwrap();
    (job.state, job.percent, job.result, job.changed_at) = ("done".to_owned(), 100, json!({ "rows": 1 }), 2);
    db.put_job("hooks", &job).await.unwrap();
    assert_eq!(db.job("hooks", "j1").await.unwrap(), Some(job.clone()));
    assert_eq!(db.job("fleet", "j1").await.unwrap(), None, "of another network");
    assert_eq!(db.jobs("hooks", 10).await.unwrap(), [job]);
}
