//! What every database must do for call traces.

use super::Db;
use orchestrator_db::TraceRow;

pub async fn run(db: &Db) {
    let row = |id: &str, at| TraceRow {
        id: id.to_owned(),
        network: "lab".to_owned(),
        created_at: at,
        created_by: "ann".to_owned(),
        ends_at: at + 600,
        body: "{}".to_owned(),
    };
    for (id, at) in [("t1", 10), ("t2", 20)] {
        db.put_trace(&row(id, at)).await.unwrap();
    }
    assert_eq!(db.traces("lab", 10).await.unwrap(), [row("t2", 20), row("t1", 10)]);
    assert_eq!(db.traces("lab", 1).await.unwrap().len(), 1);
    assert_eq!(db.trace("lab", "t1").await.unwrap(), Some(row("t1", 10)));
    assert_eq!(db.trace("other", "t1").await.unwrap(), None, "of its own network alone");
    db.put_command_data("lab", "of-trace", 0, b"line").await.unwrap();
    assert!(!db.delete_trace("other", "t1", &[]).await.unwrap());
    assert!(db.delete_trace("lab", "t1", &["of-trace".to_owned()]).await.unwrap());
    assert_eq!(db.command_data("lab", "of-trace", 0).await.unwrap(), (Vec::new(), 0));
    db.sweep_fleet(0, 1_000).await.unwrap();
    assert!(db.traces("lab", 10).await.unwrap().is_empty(), "old ones go");
}
