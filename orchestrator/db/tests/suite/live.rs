//! What every database must do for people who look.

use super::{Db, inside, network, put};
use orchestrator_db::{Phone, PhoneNews, PhoneQuery, SumQuery, UsageBy, UsageRow, UsageSum};
use orchestrator_model::Kind;
use serde_json::json;

pub async fn run(db: &Db) {
    db.apply("ann", 1, &[put(network("live"), json!({}))]).await.unwrap();
    phones_are_as_told_last(db).await;
    usage_is_summed_once(db).await;
    usage_has_the_cell_in_which_the_phone_was(db).await;
    things_are_counted(db).await;
}

fn phone(gateway: &str, imsi: &str, state: &str, address: &str) -> Phone {
    Phone {
        gateway: gateway.to_owned(),
        imsi: imsi.to_owned(),
        state: state.to_owned(),
        enb: "001-01/0x1".to_owned(),
        apns: vec!["internet".to_owned(), "ims_%".to_owned()],
        addresses: vec![address.to_owned()],
        facts: json!({ "cell": "1" }),
        told_at: 7,
    }
}

async fn imsis(db: &Db, query: PhoneQuery) -> Vec<String> {
    let page = db.phones("live", &PhoneQuery { limit: 10, ..query }).await.unwrap();
    page.items.into_iter().map(|phone| phone.imsi).collect()
}

async fn phones_are_as_told_last(db: &Db) {
    db.gateway_connected("live", "g1", 1, "r", 1).await.unwrap();
    db.gateway_connected("live", "g2", 1, "r", 2).await.unwrap();
    let (one, two) = (phone("g1", "00101", "idle", "10.0.0.1"), phone("g1", "00102", "connected", "10.0.0.10"));
    db.put_phones(
        "live",
        "g1",
        &PhoneNews { at: 7, stream: ("r", 1), whole: true, phones: &[one.clone(), two], gone: &[] },
    )
    .await
    .unwrap();
    db.put_phones(
        "live",
        "g2",
        &PhoneNews {
            at: 7,
            stream: ("r", 2),
            whole: true,
            phones: &[phone("g2", "00101", "idle", "fd00::1")],
            gone: &[],
        },
    )
    .await
    .unwrap();
    let first = db.phones("live", &PhoneQuery { limit: 1, ..PhoneQuery::default() }).await.unwrap();
    assert_eq!((&first.items[..], first.more), (&[one][..], true));
    let text = |text: &str| Some(text.to_owned());
    for (query, count) in [
        (PhoneQuery::default(), 3),
        (PhoneQuery { after: Some(("00101".to_owned(), "g1".to_owned())), ..PhoneQuery::default() }, 2),
        (PhoneQuery { gateway: text("g2"), state: text("idle"), ..PhoneQuery::default() }, 1),
        (PhoneQuery { address: text("10.0.0.1"), ..PhoneQuery::default() }, 1),
        (PhoneQuery { address: text("10.0.0._"), ..PhoneQuery::default() }, 0),
        (PhoneQuery { apn: text("ims_%"), enb: text("001-01/0x1"), ..PhoneQuery::default() }, 3),
        (PhoneQuery { apn: text("net"), ..PhoneQuery::default() }, 0),
        (PhoneQuery { imsi: "001".to_owned(), ..PhoneQuery::default() }, 3),
        (PhoneQuery { imsi: "00102".to_owned(), ..PhoneQuery::default() }, 1),
        (PhoneQuery { imsi: "01".to_owned(), ..PhoneQuery::default() }, 0),
    ] {
        assert_eq!(imsis(db, query.clone()).await.len(), count, "{query:?}");
    }
    // Differences, then everything anew; and words of a stream that is no more.
    let changed = phone("g1", "00103", "idle", "10.0.0.3");
    db.put_phones(
        "live",
        "g1",
        &PhoneNews {
            at: 7,
            stream: ("r", 1),
            whole: false,
            phones: std::slice::from_ref(&changed),
            gone: &["00102".to_owned()],
        },
    )
    .await
    .unwrap();
    db.put_phones("live", "g1", &PhoneNews { at: 7, stream: ("r", 9), whole: true, phones: &[], gone: &[] })
        .await
        .unwrap();
    let of_g1 = PhoneQuery { gateway: text("g1"), ..PhoneQuery::default() };
    assert_eq!(imsis(db, of_g1.clone()).await, ["00101", "00103"]);
    db.put_phones("live", "g1", &PhoneNews { at: 7, stream: ("r", 1), whole: true, phones: &[changed], gone: &[] })
        .await
        .unwrap();
    assert_eq!(imsis(db, of_g1).await, ["00103"]);
    // Who watches hears of those that went, too.
    db.put_phones(
        "live",
        "g1",
        &PhoneNews { at: 9, stream: ("r", 1), whole: false, phones: &[], gone: &["00103".to_owned()] },
    )
    .await
    .unwrap();
    let since: Vec<_> = db.phones_since("live", 8, 10).await.unwrap();
    assert_eq!((since.len(), since[0].imsi.as_str(), since[0].state.as_str()), (1, "00103", Phone::GONE));
    db.sweep_fleet(10, 0).await.unwrap();
    assert!(db.phones_since("live", 8, 10).await.unwrap().is_empty());
    let heard = db.gateway_states_since("live", 0, 10).await.unwrap();
    assert_eq!(heard.iter().map(|it| it.gateway.as_str()).collect::<Vec<_>>(), ["g1", "g2"]);
    assert!(db.gateway_states_since("live", 1, 10).await.unwrap().is_empty());
}

async fn usage_is_summed_once(db: &Db) {
    let record = |session: &str, sequence, imsi: &str, apn: &str, ended_at, uplink_bytes| UsageRow {
        gateway: "g1".to_owned(),
        session: session.to_owned(),
        sequence,
        imsi: imsi.to_owned(),
        apn: apn.to_owned(),
        ended_at,
        uplink_bytes,
        downlink_bytes: 1,
        ..UsageRow::default()
    };
    let records = [
        record("1", 1, "00101", "internet", 10, 5),
        record("1/bearer/6", 1, "00101", "internet", 10, 3),
        record("1", 2, "00101", "internet", 20, 6),
        record("2", 1, "00102", "ims", 20, i64::MAX),
        record("2", 2, "00102", "ims", 30, i64::MAX),
    ];
    db.put_usage("live", "g1", (1, 1), &records).await.unwrap();
    let sum = |key: &str, uplink_bytes, downlink_bytes| UsageSum {
        key: key.to_owned(),
        uplink_bytes,
        downlink_bytes,
        uplink_packets: 0,
        downlink_packets: 0,
    };
    let query = |by, since, until, limit| SumQuery { by, imsi: None, since, until, limit };
    let sums = db.usage_sums("live", &query(UsageBy::Imsi, 0, 30, 10)).await.unwrap();
    assert_eq!((sums[0].key.as_str(), &sums[1]), ("00102", &sum("00101", 11, 2)));
    assert_eq!(db.usage_sums("live", &query(UsageBy::Network, 0, 20, 10)).await.unwrap(), [sum("", 5, 1)]);
    assert_eq!(db.usage_sums("live", &query(UsageBy::Apn, 20, 21, 1)).await.unwrap()[0].key, "ims");
    let largest = db.usage_sums("live", &query(UsageBy::Gateway, 0, 99, 10)).await.unwrap();
    assert_eq!((largest[0].key.as_str(), largest[0].downlink_bytes), ("g1", 4));
    assert!(largest[0].uplink_bytes > i64::MAX.unsigned_abs(), "lies do not overflow");
    let own = SumQuery { imsi: Some("00101"), ..query(UsageBy::Network, 0, 99, 10) };
    assert_eq!(db.usage_sums("live", &own).await.unwrap(), [sum("", 11, 2)], "of one subscriber");
}

async fn usage_has_the_cell_in_which_the_phone_was(db: &Db) {
    let record = |imsi: &str| UsageRow {
        gateway: "g9".to_owned(),
        session: imsi.to_owned(),
        sequence: 1,
        imsi: imsi.to_owned(),
        ended_at: 5,
        uplink_bytes: 1,
        ..UsageRow::default()
    };
    let here = |imsi: &str, facts| Phone { facts, ..phone("g9", imsi, "connected", "10.0.0.9") };
    let phones = [here("1", json!({ "cell": "001-01/0x101" })), here("2", json!({}))];
    db.apply("ann", 1, &[put(network("cells"), json!({}))]).await.unwrap();
    db.gateway_connected("cells", "g9", 1, "r", 9).await.unwrap();
    let news = PhoneNews { at: 7, stream: ("r", 9), whole: true, phones: &phones, gone: &[] };
    db.put_phones("cells", "g9", &news).await.unwrap();
    db.put_usage("cells", "g9", (1, 1), &[record("1"), record("2"), record("3")]).await.unwrap();
    let query = SumQuery { by: UsageBy::Cell, imsi: None, since: 0, until: 9, limit: 10 };
    let sums = db.usage_sums("cells", &query).await.unwrap();
    let keys: Vec<_> = sums.iter().map(|sum| sum.key.as_str()).collect();
    assert_eq!(keys, ["", "001-01/0x1", "001-01/0x101"]);
    assert_eq!(db.usage("cells", Some("1"), 0, 9).await.unwrap()[0].cell, "001-01/0x101");
}

async fn things_are_counted(db: &Db) {
    let before = db.counts("live", 5).await.unwrap();
    db.apply("ann", 6, &[put(inside(Kind::Tier, "live", "t"), json!({}))]).await.unwrap();
    let after = db.counts("live", 5).await.unwrap();
    assert_eq!((after.changes - before.changes, after.alarms), (1, 0));
    assert_eq!(db.count(Kind::Tier, "live").await.unwrap(), 1);
    assert_eq!(db.count(Kind::Tier, "none").await.unwrap(), 0);
}
