//! What every database must do.

mod fleet;
mod live;
mod releases;
mod telemetry;
mod traces;
mod webhooks;

use basalt_security::{SealedKey, SealingKey, Secret};
use orchestrator_db::{
    AuditEntry, Change, Error, Kept, Precondition, Query, Refusal, Replay, Repository, Settings, Sort, StoredToken,
    StoredUser, Target, TokenKind, open,
};
use orchestrator_model::{Kind, Reference};
use serde_json::{Value, json};
use std::sync::Arc;

pub const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";

type Db = Arc<dyn Repository>;

/// Everything, in one database, one part after the other.
pub async fn run(settings: &Settings) {
    let db = open(settings).await.unwrap();
    a_change_leaves_a_version(&db).await;
    conditions_are_kept(&db).await;
    a_list_is_applied_whole_or_not_at_all(&db).await;
    what_is_spoken_of_exists(&db).await;
    lists_come_in_pages(&db).await;
    secrets_stay_with_their_object(&db).await;
    writers_of_one_object_do_not_lose_each_other(&db).await;
    people_and_tokens(&db).await;
    requests_that_come_again(&db).await;
    the_log_of_what_was_done(&db).await;
    fleet::run(&db).await;
    live::run(&db).await;
    telemetry::run(&db).await;
    webhooks::run(&db).await;
    releases::run(&db).await;
    traces::run(&db).await;
    db.close().await;
    // The second opening migrates nothing and finds everything.
    let db = open(settings).await.unwrap();
    assert!(db.object(&tenant("t1")).await.unwrap().is_some());
    db.close().await;
}

pub fn tenant(name: &str) -> Target {
    Target { kind: Kind::Tenant, network: String::new(), name: name.to_owned() }
}

pub fn network(name: &str) -> Target {
    Target { kind: Kind::Network, network: String::new(), name: name.to_owned() }
}

fn inside(kind: Kind, network: &str, name: &str) -> Target {
    Target { kind, network: network.to_owned(), name: name.to_owned() }
}

pub fn put(target: Target, body: Value) -> Change {
    Change { target, precondition: Precondition::None, body: Some(body), sealed: None, references: Vec::new() }
}

fn delete(target: Target) -> Change {
    Change { target, precondition: Precondition::Present, body: None, sealed: None, references: Vec::new() }
}

async fn refused(db: &Db, changes: &[Change]) -> Refusal {
    match db.apply("ann", 1, changes).await {
        Err(Error::Refused(refusal)) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

async fn a_change_leaves_a_version(db: &Db) {
    assert_eq!(db.apply("ann", 10, &[put(tenant("t1"), json!({"title": "one"}))]).await.unwrap(), [1]);
    assert_eq!(db.apply("bob", 20, &[put(tenant("t1"), json!({"title": "two"}))]).await.unwrap(), [2]);
    assert_eq!(db.apply("bob", 30, &[put(tenant("t1"), json!({"title": "two"}))]).await.unwrap(), [2], "no change");
    let object = db.object(&tenant("t1")).await.unwrap().unwrap();
    assert_eq!((object.revision, object.changed_at, object.changed_by.as_str()), (2, 20, "bob"));
    let page = db.versions(&tenant("t1"), i64::MAX, 10).await.unwrap();
    assert!(!page.more);
    let told: Vec<_> =
        page.items.iter().map(|it| (it.revision, it.who.as_str(), it.before.clone(), it.after.clone())).collect();
    let (one, two) = (Some(json!({"title": "one"})), Some(json!({"title": "two"})));
    assert_eq!(told, [(2, "bob", one.clone(), two), (1, "ann", None, one)]);
    // Revisions go on over a deletion.
    assert_eq!(db.apply("ann", 40, &[delete(tenant("t1"))]).await.unwrap(), [3]);
    assert_eq!(db.object(&tenant("t1")).await.unwrap(), None);
    assert_eq!(db.version(&tenant("t1"), 3).await.unwrap().unwrap().after, None);
    assert_eq!(db.version(&tenant("t1"), 9).await.unwrap(), None);
    assert_eq!(db.apply("ann", 50, &[put(tenant("t1"), json!({"title": "again"}))]).await.unwrap(), [4]);
    let page = db.versions(&tenant("t1"), i64::MAX, 1).await.unwrap();
    assert!(page.more && page.items[0].before.is_none());
}

async fn conditions_are_kept(db: &Db) {
    let with = |precondition| Change { precondition, ..put(tenant("t1"), json!({"title": "x"})) };
    assert_eq!(refused(db, &[with(Precondition::Absent)]).await, Refusal::Exists(tenant("t1")));
    let changed = Refusal::Changed { target: tenant("t1"), wanted: 2, present: 4 };
    assert_eq!(refused(db, &[with(Precondition::Revision(2))]).await, changed);
    assert_eq!(refused(db, &[delete(tenant("none"))]).await, Refusal::Missing(tenant("none")));
    assert_eq!(db.rehearse("ann", 60, &[with(Precondition::Revision(4))]).await.unwrap(), [5]);
    assert_eq!(db.object(&tenant("t1")).await.unwrap().unwrap().revision, 4, "a rehearsal changes nothing");
}

async fn a_list_is_applied_whole_or_not_at_all(db: &Db) {
    let list = [put(tenant("t2"), json!({})), put(tenant("t3"), json!({})), delete(tenant("none"))];
    assert_eq!(refused(db, &list).await, Refusal::Missing(tenant("none")));
    assert_eq!(db.object(&tenant("t2")).await.unwrap(), None);
    assert_eq!(db.versions(&tenant("t2"), i64::MAX, 10).await.unwrap().items.len(), 0);
}

async fn what_is_spoken_of_exists(db: &Db) {
    let mut made = put(network("n1"), json!({"tenant": "nobody"}));
    made.references = vec![Reference::one("tenant", Kind::Tenant, "nobody")];
    let wanted = tenant("nobody");
    let dangling = Refusal::Dangling { target: network("n1"), path: "/tenant".to_owned(), wanted };
    assert_eq!(refused(db, &[made.clone()]).await, dangling);
    // Within one list the order does not matter.
    db.apply("ann", 1, &[made, put(tenant("nobody"), json!({}))]).await.unwrap();
    let used = Refusal::InUse { target: tenant("nobody"), by: "networks/n1".to_owned() };
    assert_eq!(refused(db, &[delete(tenant("nobody"))]).await, used);
    let tier = inside(Kind::Tier, "n1", "stable");
    assert_eq!(
        refused(db, &[put(inside(Kind::Tier, "n9", "stable"), json!({}))]).await,
        Refusal::Missing(network("n9"))
    );
    db.apply("ann", 1, &[put(tier.clone(), json!({}))]).await.unwrap();
    let used = Refusal::InUse { target: network("n1"), by: "tiers/stable".to_owned() };
    assert_eq!(refused(db, &[delete(network("n1"))]).await, used);
    db.apply("ann", 1, &[delete(tier), delete(network("n1")), delete(tenant("nobody"))]).await.unwrap();
}

async fn lists_come_in_pages(db: &Db) {
    let mut list = vec![put(network("pages"), json!({}))];
    list.extend((0..25).map(|n| {
        let body = json!({"state": if n % 2 == 0 { "ACTIVE" } else { "INACTIVE" }, "deep": {"flag": n > 20, "n": n}});
        put(inside(Kind::Subscriber, "pages", &format!("{n:06}")), body)
    }));
    db.apply("ann", 100, &list).await.unwrap();
    db.apply("ann", 200, &[put(inside(Kind::Subscriber, "pages", "000007"), json!({"state": "ACTIVE"}))])
        .await
        .unwrap();
    for (sort, descending) in [(Sort::Name, false), (Sort::Name, true), (Sort::Changed, false), (Sort::Changed, true)] {
        let mut query = Query { sort, descending, limit: 7, ..Query::default() };
        let mut seen = Vec::new();
        loop {
            let page = db.objects(Kind::Subscriber, "pages", &query).await.unwrap();
            query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
            seen.extend(page.items.into_iter().map(|object| (object.changed_at, object.name)));
            if !page.more {
                break;
            }
        }
        let mut expected = seen.clone();
        match sort {
            Sort::Name => expected.sort_by(|a, b| a.1.cmp(&b.1)),
            Sort::Changed => expected.sort(),
        }
        if descending {
            expected.reverse();
        }
        expected.dedup();
        assert_eq!((seen.len(), &seen), (25, &expected), "{sort:?} {descending}");
    }
    for (field, text, count) in [
        ("state", "ACTIVE", 14),
        ("deep.flag", "true", 4),
        ("deep.n", "3", 1),
        ("state", "' OR 1=1 --", 0),
        ("no.such", "x", 0),
    ] {
        let query = Query { filters: vec![(field.to_owned(), text.to_owned())], limit: 100, ..Query::default() };
        let page = db.objects(Kind::Subscriber, "pages", &query).await.unwrap();
        assert_eq!(page.items.len(), count, "{field} {text}");
    }
    assert!(
        db.objects(Kind::Subscriber, "other", &Query { limit: 5, ..Query::default() }).await.unwrap().items.is_empty()
    );
}

async fn secrets_stay_with_their_object(db: &Db) {
    let key = SealingKey::from_octets(Secret::new([7; 32]));
    let sealed = key.seal_named("s", [1; 24], K.as_bytes());
    let place = inside(Kind::Subscriber, "pages", "000001");
    let given = Change { sealed: Some(sealed.clone()), ..put(place.clone(), json!({"title": "a"})) };
    let revision = db.apply("ann", 1, &[given]).await.unwrap()[0];
    let later = db.apply("ann", 2, &[put(place.clone(), json!({"title": "b"}))]).await.unwrap()[0];
    let object = db.object(&place).await.unwrap().unwrap();
    assert_eq!((object.revision, object.secrets_mark), (later, revision));
    let open = |sealed: Option<SealedKey>| key.open_named("s", &sealed.unwrap()).unwrap().matches(K.as_bytes());
    assert!(open(object.sealed));
    let version = db.version(&place, later).await.unwrap().unwrap();
    assert!(!version.secrets_changed && open(version.sealed));
    assert!(db.version(&place, revision).await.unwrap().unwrap().secrets_changed);
}

async fn writers_of_one_object_do_not_lose_each_other(db: &Db) {
    let place = tenant("contended");
    db.apply("ann", 1, &[put(place.clone(), json!({"n": 0}))]).await.unwrap();
    let writers = (0..8).map(|who| {
        let (db, place) = (Arc::clone(db), place.clone());
        tokio::spawn(async move {
            let mut won = 0;
            while won < 5 {
                let object = db.object(&place).await.unwrap().unwrap();
                let n = object.body["n"].as_i64().unwrap();
                let precondition = Precondition::Revision(object.revision);
                let change = Change { precondition, ..put(place.clone(), json!({"n": n + 1})) };
                match db.apply(&format!("w{who}"), 1, &[change]).await {
                    Ok(_) => won += 1,
                    Err(Error::Refused(refusal)) if matches!(*refusal, Refusal::Changed { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let object = db.object(&place).await.unwrap().unwrap();
    assert_eq!((object.body["n"].as_i64(), object.revision), (Some(40), 41));
}

async fn people_and_tokens(db: &Db) {
    let user = |name: &str| StoredUser {
        name: name.to_owned(),
        password: "hash".to_owned(),
        grants: "[]".to_owned(),
        failures: 0,
        locked_until: 0,
        created_at: 1,
    };
    let token = |id: &str, kind, expires_at| StoredToken {
        digest: format!("digest of {id}"),
        id: id.to_owned(),
        kind,
        owner: "ann".to_owned(),
        title: String::new(),
        grants: "[]".to_owned(),
        created_at: 1,
        expires_at,
    };
    db.put_token(&token("setup", TokenKind::Setup, 100)).await.unwrap();
    assert!(!db.set_up("digest of setup", 100, &user("ann")).await.unwrap(), "expired");
    assert!(db.set_up("digest of setup", 99, &user("ann")).await.unwrap());
    assert!(!db.set_up("digest of setup", 99, &user("eve")).await.unwrap(), "only once");
    assert_eq!(db.user("eve").await.unwrap(), None);
    for expected in [0, 0, 500] {
        db.login_failed("ann", 3, 500).await.unwrap();
        assert_eq!(db.user("ann").await.unwrap().unwrap().locked_until, expected);
    }
    db.login_succeeded("ann").await.unwrap();
    assert_eq!(db.user("ann").await.unwrap().unwrap(), user("ann"));
    db.put_user(&user("bob")).await.unwrap();
    assert_eq!(db.users(None, "ann", 1).await.unwrap().items, [user("bob")]);
    db.put_user(&user("eve@a_b")).await.unwrap();
    assert_eq!(db.users(Some("a_b"), "", 9).await.unwrap().items, [user("eve@a_b")]);
    for other in ["axb", "A_B", "_b", "b"] {
        assert!(db.users(Some(other), "", 9).await.unwrap().items.is_empty(), "{other}");
    }
    db.put_token(&token("s1", TokenKind::Session, 100)).await.unwrap();
    db.put_token(&token("k1", TokenKind::ApiKey, 100)).await.unwrap();
    assert_eq!(db.token("digest of s1", 50).await.unwrap(), Some(token("s1", TokenKind::Session, 100)));
    assert_eq!(db.token("digest of s1", 100).await.unwrap(), None, "expired");
    db.delete_sessions("ann", "").await.unwrap();
    assert_eq!(db.token("digest of s1", 50).await.unwrap(), None);
    assert_eq!(db.tokens("ann", TokenKind::ApiKey).await.unwrap().len(), 1);
    assert!(!db.delete_token("bob", "k1").await.unwrap(), "not his");
    assert!(db.delete_user("ann").await.unwrap());
    assert_eq!(db.token("digest of k1", 50).await.unwrap(), None, "gone with its owner");
}

async fn requests_that_come_again(db: &Db) {
    let ask = |request: &'static str, at| {
        let db = Arc::clone(db);
        async move { db.replay("ann", "id", request, at, at - 100).await.unwrap() }
    };
    assert_eq!(ask("a", 1000).await, Replay::New);
    assert_eq!(ask("a", 1001).await, Replay::Running);
    db.answered("ann", "id", Some("201")).await.unwrap();
    assert_eq!(ask("a", 1002).await, Replay::Answered("201".to_owned()));
    assert_eq!(ask("b", 1003).await, Replay::Other);
    assert_eq!(ask("b", 1101).await, Replay::New, "forgotten after a while");
    db.answered("ann", "id", None).await.unwrap();
    assert_eq!(ask("c", 1102).await, Replay::New);
    // The answer is durable with the change, and goes with it when it is refused.
    let kept = Kept { who: "ann", id: "id", response: &|revisions| format!("{revisions:?}") };
    let refused = [put(tenant("kept"), json!({})), delete(tenant("none"))];
    assert!(db.apply_answered("ann", 1, &refused, Some(&kept)).await.is_err());
    assert_eq!(ask("c", 1103).await, Replay::Running);
    db.apply_answered("ann", 1, &refused[..1], Some(&kept)).await.unwrap();
    assert_eq!(ask("c", 1104).await, Replay::Answered("[1]".to_owned()));
    // Whoever worked on it ended without an answer: the same is worked on anew after a while, another is not.
    let late = |request: &'static str, at| {
        let db = Arc::clone(db);
        async move { db.replay("ann", "cut", request, at, 0).await.unwrap() }
    };
    assert_eq!(late("a", 1000).await, Replay::New);
    assert_eq!(late("a", 121_000).await, Replay::Running);
    assert_eq!(late("b", 121_001).await, Replay::Other);
    assert_eq!(late("a", 121_001).await, Replay::New);
    assert_eq!(late("a", 121_002).await, Replay::Running);
}

async fn the_log_of_what_was_done(db: &Db) {
    for (at, network) in [(1, "n1"), (2, "n2"), (3, "n1")] {
        let entry = AuditEntry {
            id: 0,
            at,
            who: "ann".to_owned(),
            network: network.to_owned(),
            action: "PUT".to_owned(),
            target: "/x".to_owned(),
            outcome: 200,
        };
        db.audit(&entry).await.unwrap();
    }
    let times = |page: orchestrator_db::Page<AuditEntry>| page.items.iter().map(|entry| entry.at).collect::<Vec<_>>();
    let page = db.audit_log(None, i64::MAX, 2).await.unwrap();
    assert!(page.more);
    let last = page.items[1].id;
    assert_eq!(times(page), [3, 2]);
    assert_eq!(times(db.audit_log(None, last, 2).await.unwrap()), [1]);
    assert_eq!(times(db.audit_log(Some("n1"), i64::MAX, 9).await.unwrap()), [3, 1]);
    db.sweep(1, 1, 3).await.unwrap();
    assert_eq!(times(db.audit_log(None, i64::MAX, 9).await.unwrap()), [3]);
    assert_eq!(db.setting("ca", None).await.unwrap(), None);
    assert_eq!(db.setting("ca", Some("one")).await.unwrap().as_deref(), Some("one"));
    assert_eq!(db.setting("ca", Some("two")).await.unwrap().as_deref(), Some("one"), "the first stays");
}
