//! Copies between the databases there are, and what a stranger may hand in as one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;

use basalt_security::{SEALING_NONCE, SealingKey, Secret};
use flate2::Compression;
use flate2::write::GzEncoder;
use orchestrator_backup::age::{self, Identity, Lock, Opener};
use orchestrator_backup::{Error, create, drill, put_back, restore, verify};
use orchestrator_db::{AuditEntry, Change, Precondition, Repository, Settings, StoredToken, Target, TokenKind, open};
use orchestrator_model::Kind;
use serde_json::{Value, json};
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

const KEY: [u8; 32] = [7; 32];

fn change(kind: Kind, network: &str, name: &str, body: Value, sealed: bool) -> Change {
    let parsed = kind.parse_value(name, body).unwrap();
    let target = Target { kind, network: network.to_owned(), name: name.to_owned() };
    let seal = || {
        let key = SealingKey::from_octets(Secret::new(KEY));
        key.seal_named(&target.to_string(), [3; SEALING_NONCE], b"{\"k\":\"00112233445566778899aabbccddeeff\"}")
    };
    let sealed = sealed.then(seal);
    Change { target, precondition: Precondition::None, body: Some(parsed.body), sealed, references: parsed.references }
}

async fn at(address: String) -> Arc<dyn Repository> {
    open(&Settings { address, connections: 4 }).await.unwrap()
}

async fn file(path: &Path) -> Arc<dyn Repository> {
    at(format!("sqlite:{}", path.display())).await
}

async fn filled(db: &dyn Repository) {
    let rate = json!({"max_ul_bit_rate": 1_000_000, "max_dl_bit_rate": 1_000_000});
    let mut all = vec![
        change(Kind::Tenant, "", "t", json!({}), false),
        change(Kind::Network, "", "n", json!({"tenant": "t", "title": "Ünïcode \"quoted\""}), false),
        change(Kind::Apn, "n", "internet", json!({"qci": 9, "ambr": rate}), false),
    ];
    for number in 0..700 {
        let imsi = format!("00101{number:010}");
        all.push(change(Kind::Subscriber, "n", &imsi, json!({"title": format!("phone {number}")}), true));
    }
    db.apply("ann", 5, &all).await.unwrap();
    let entry = |target: &str| AuditEntry {
        id: 0,
        at: 5,
        who: "ann".to_owned(),
        network: "n".to_owned(),
        action: "PUT".to_owned(),
        target: target.to_owned(),
        outcome: 200,
    };
    db.audit(&entry("a")).await.unwrap();
    db.audit(&entry("b")).await.unwrap();
    for kind in [TokenKind::Session, TokenKind::ApiKey, TokenKind::Setup] {
        let token = StoredToken {
            digest: format!("digest {}", kind.as_str()),
            id: kind.as_str().to_owned(),
            kind,
            owner: "ann".to_owned(),
            title: String::new(),
            grants: "[]".to_owned(),
            created_at: 1,
            expires_at: i64::MAX,
        };
        db.put_token(&token).await.unwrap();
    }
}

struct Ground {
    folder: tempfile::TempDir,
    identity: Identity,
}

impl Ground {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), identity: Identity::generate().unwrap() }
    }

    fn lock(&self) -> Lock {
        Lock::Recipients(vec![self.identity.recipient()])
    }

    fn opener(&self) -> Opener {
        Opener::Identities(vec![self.identity.clone()])
    }

    async fn copy_of(&self, db: &dyn Repository) -> Vec<u8> {
        create(db, Some(&KEY), &self.lock(), 9, Vec::new()).await.unwrap().1
    }

    /// A file as a stranger makes it, who knows for whom it has to be.
    fn hostile(&self, lines: &[String]) -> Vec<u8> {
        let mut out = GzEncoder::new(age::seal(&self.lock(), Vec::new()).unwrap(), Compression::best());
        for line in lines {
            out.write_all(line.as_bytes()).unwrap();
            out.write_all(b"\n").unwrap();
        }
        out.finish().unwrap().finish().unwrap()
    }
}

async fn counts(db: &dyn Repository) -> (usize, usize) {
    let all = orchestrator_db::Query {
        sort: orchestrator_db::Sort::Name,
        descending: false,
        filters: Vec::new(),
        after: None,
        limit: 1000,
    };
    let subscribers = db.objects(Kind::Subscriber, "n", &all).await.unwrap().items.len();
    (subscribers, db.audit_log(None, i64::MAX, 100).await.unwrap().items.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_comes_back_from_each_database_into_each() {
    let ground = Ground::new();
    let path = |name: &str| ground.folder.path().join(name);
    let first = file(&path("first.db")).await;
    filled(first.as_ref()).await;
    let copy = ground.copy_of(first.as_ref()).await;
    let told = verify(&ground.opener(), Cursor::new(&copy)).unwrap();
    assert!(told.has_key && told.parts["objects"].rows == 703 && told.parts["versions"].rows == 703, "{told:?}");
    let second = file(&path("second.db")).await;
    let restored = restore(second.as_ref(), &ground.opener(), Cursor::new(&copy), false).await.unwrap();
    assert_eq!(restored, told);
    assert_eq!(counts(second.as_ref()).await, (700, 2));
    // Sessions and setup links stay in the past, keys of programs do not.
    assert!(second.token("digest session", 2).await.unwrap().is_none());
    assert!(second.token("digest setup", 2).await.unwrap().is_none());
    assert!(second.token("digest api_key", 2).await.unwrap().is_some());
    // It is not empty now: it stays as it is, unless it is to be replaced.
    let again = restore(second.as_ref(), &ground.opener(), Cursor::new(&copy), false).await;
    assert!(again.unwrap_err().to_string().contains("not empty"));
    second.apply("bob", 6, &[change(Kind::Tenant, "", "later", json!({}), false)]).await.unwrap();
    restore(second.as_ref(), &ground.opener(), Cursor::new(&copy), true).await.unwrap();
    let later = Target { kind: Kind::Tenant, network: String::new(), name: "later".to_owned() };
    assert!(second.object(&later).await.unwrap().is_none());
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let third = at(server.address()).await;
    restore(third.as_ref(), &ground.opener(), Cursor::new(&copy), false).await.unwrap();
    assert_eq!(counts(third.as_ref()).await, (700, 2));
    // Numbers that the database counts itself go on behind those that came.
    let log = third.audit_log(None, i64::MAX, 100).await.unwrap().items;
    third.audit(&AuditEntry { target: "c".to_owned(), ..log[0].clone() }).await.unwrap();
    let ids: Vec<i64> = third.audit_log(None, i64::MAX, 100).await.unwrap().items.iter().map(|it| it.id).collect();
    assert_eq!(ids, [3, 2, 1]);
    // And back again; where an orchestrator works, nothing is replaced.
    let copy = ground.copy_of(third.as_ref()).await;
    let fourth = file(&path("fourth.db")).await;
    restore(fourth.as_ref(), &ground.opener(), Cursor::new(&copy), false).await.unwrap();
    assert_eq!(counts(fourth.as_ref()).await, (700, 3));
    assert!(third.leads().await.unwrap());
    let other = at(server.address()).await;
    let refused = restore(other.as_ref(), &ground.opener(), Cursor::new(&copy), true).await;
    assert!(refused.unwrap_err().to_string().contains("stop all of its replicas"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_opens_every_secret_and_leaves_nothing() {
    let ground = Ground::new();
    let db = file(&ground.folder.path().join("db")).await;
    filled(db.as_ref()).await;
    let path = ground.folder.path().join("copy");
    let write = |copy: Vec<u8>| std::fs::write(&path, copy).unwrap();
    write(ground.copy_of(db.as_ref()).await);
    let scratch = tempfile::tempdir().unwrap();
    let drilled = drill(&ground.opener(), &path, None, scratch.path()).await.unwrap();
    assert_eq!(drilled.opened, 700);
    // The key that is in the copy has to be the one that closed the secrets.
    write(create(db.as_ref(), Some(&[8; 32]), &ground.lock(), 9, Vec::new()).await.unwrap().1);
    let scratch = tempfile::tempdir().unwrap();
    let wrong = drill(&ground.opener(), &path, None, scratch.path()).await.unwrap_err();
    assert!(wrong.to_string().contains("700 objects"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn putting_back_takes_the_place_in_one_step_and_keeps_what_was_there() {
    let ground = Ground::new();
    let (data, copy) = (ground.folder.path().join("data"), ground.folder.path().join("copy"));
    let db = file(&ground.folder.path().join("source.db")).await;
    filled(db.as_ref()).await;
    std::fs::write(&copy, ground.copy_of(db.as_ref()).await).unwrap();
    let address = format!("sqlite:{}", data.join("orchestrator.db").display());
    let back = async |replace| put_back(&ground.opener(), &copy, &address, &data, replace, 77).await;
    let put = back(false).await.unwrap();
    assert!(put.before.is_empty());
    assert_eq!(std::fs::read(data.join("sealing.key")).unwrap(), KEY);
    let running = at(address.clone()).await;
    assert_eq!(counts(running.as_ref()).await, (700, 2));
    assert!(matches!(back(false).await, Err(Error::Occupied(_))));
    // Somebody works with it.
    let in_use = back(true).await.unwrap_err();
    assert!(in_use.to_string().contains("stop the orchestrator"), "{in_use}");
    running.apply("bob", 6, &[change(Kind::Tenant, "", "later", json!({}), false)]).await.unwrap();
    running.close().await;
    std::fs::write(data.join("sealing.key"), [1; 32]).unwrap();
    let put = back(true).await.unwrap();
    assert_eq!(put.before.len(), 2);
    let later = Target { kind: Kind::Tenant, network: String::new(), name: "later".to_owned() };
    assert!(at(address.clone()).await.object(&later).await.unwrap().is_none());
    assert!(file(&put.before[0]).await.object(&later).await.unwrap().is_some(), "what was there is kept");
    assert_eq!(std::fs::read(&put.before[1]).unwrap(), [1; 32]);
}

/// Row A13 of the catalogue of attacks: names that are paths, bombs, files cut off, changed, of another version, with what does not belong
/// there. Each is refused, and the database is as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_a_hostile_copy_is_refused_and_nothing_of_it_is_restored() {
    let ground = Ground::new();
    let source = file(&ground.folder.path().join("source.db")).await;
    filled(source.as_ref()).await;
    let good = ground.copy_of(source.as_ref()).await;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut changed = good.clone();
        changed[at] ^= 0x10;
        files.push((format!("octet {at} changed"), changed));
        files.push((format!("cut at {at}"), good[..at].to_vec()));
    }
    files.push(("something behind the end".to_owned(), [good.as_slice(), b"more"].concat()));
    files.push(("somebody else's".to_owned(), {
        let lock = Lock::Recipients(vec![Identity::generate().unwrap().recipient()]);
        create(source.as_ref(), None, &lock, 9, Vec::new()).await.unwrap().1
    }));
    files.push(("no copy at all".to_owned(), b"SQLite format 3\0".to_vec()));
    let schema = orchestrator_db::schema();
    let head = |form: u32, schema: i64| {
        json!({"basalt_backup": form, "made_at": 1, "version": "0.1.0", "schema": schema}).to_string()
    };
    let tenants = json!({"table": "objects", "columns": [["kind", "text"], ["network", "text"]]}).to_string();
    let row = json!(["tenants", ""]).to_string();
    let complete = |tables: u32, rows: u32| json!({"complete": true, "tables": tables, "rows": rows}).to_string();
    let named = |name: &str| json!({"table": name, "columns": [["kind", "text"]]}).to_string();
    let empty = |name: &str| {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        json!({"end": name, "rows": 0, "sha256": digest}).to_string()
    };
    let ours = head(1, schema);
    let mut add = |what: &str, lines: &[&String]| {
        files.push((what.to_owned(), ground.hostile(&lines.iter().map(|line| (*line).clone()).collect::<Vec<_>>())));
    };
    for name in ["../../../../etc/passwd", "/etc/cron.d/x", "objects\"; DROP TABLE users; --", "sqlite_master"] {
        add(name, &[&ours, &named(name), &empty(name), &complete(1, 0)]);
    }
    let key = json!({"secret": "../../root/.ssh/authorized_keys", "value": "AAAA"}).to_string();
    add("a secret that is a path", &[&ours, &key, &complete(0, 0)]);
    add("a later version", &[&head(1, schema + 1), &complete(0, 0)]);
    add("a later form", &[&head(2, schema), &complete(0, 0)]);
    add("no end", &[&ours, &tenants, &row]);
    add("an end that counts other rows", &[&ours, &tenants, &row, &empty("objects"), &complete(1, 0)]);
    add("tables that are missing", &[&ours, &complete(12, 0)]);
    add("a table twice", &[&ours, &named("users"), &empty("users"), &named("users"), &empty("users"), &complete(1, 0)]);
    add("rows of no table", &[&ours, &row, &complete(0, 1)]);
    add("after the end", &[&ours, &complete(0, 0), &row]);
    add("columns of others", &[&ours, &json!({"table": "users", "columns": [["x", "text"]]}).to_string()]);
    add("nothing that is JSON", &[&ours, &"{".to_owned()]);
    add("brackets without end", &[&ours, &"[".repeat(100_000)]);
    add("a line without end", &[&ours, &" ".repeat(40 << 20)]);
    // Rows that would belong there, more than any disk takes: known by how they unpack.
    let bomb = json!(["tenants", "x".repeat(1 << 20)]).to_string();
    let many = vec![&bomb; 120];
    add("a bomb", &[&[&ours, &tenants], many.as_slice()].concat());

    let target = file(&ground.folder.path().join("target.db")).await;
    target.apply("bob", 6, &[change(Kind::Tenant, "", "mine", json!({}), false)]).await.unwrap();
    let before = create(target.as_ref(), None, &ground.lock(), 9, Vec::new()).await.unwrap().0;
    for (what, octets) in &files {
        assert!(verify(&ground.opener(), Cursor::new(octets)).is_err() || of_tables(what), "{what} passes for a copy");
        assert!(
            restore(target.as_ref(), &ground.opener(), Cursor::new(octets), true).await.is_err(),
            "{what} restored"
        );
        let after = create(target.as_ref(), None, &ground.lock(), 9, Vec::new()).await.unwrap().0;
        assert_eq!(after, before, "{what} left something");
    }
    let left: Vec<_> = std::fs::read_dir(ground.folder.path()).unwrap().flatten().map(|it| it.file_name()).collect();
    let known = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("source.db") || name.starts_with("target.db")
    };
    assert!(left.iter().all(known), "{left:?}");
}

/// Whether a table is known is for the database to say.
fn of_tables(what: &str) -> bool {
    what.contains('/') || what.contains("DROP") || what == "sqlite_master"
}
