//! Applying changes: each with its version, its entry in the feed and its links. Compiled for each dialect; `super` says which.

use super::super::Column;
use super::rows::{OBJECT, ObjectRow, object};
use super::{Connection, Db, LOCK, TOGETHER, bind_named, bind_table, last_named, named, table};
use crate::{Change, Error, Object, Precondition, Refusal, Target};
use basalt_security::SealedKey;
use orchestrator_model::{Kind, Reference};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow as _, Row as _, Transaction};
use std::collections::{BTreeMap, BTreeSet};

const NETWORK: &str = Kind::Network.collection();

/// A list of changes, whole; the caller commits or takes it back.
pub(crate) async fn apply_all(
    transaction: &mut Transaction<'_, Db>,
    who: &str,
    at: i64,
    changes: &[Change],
) -> Result<Vec<i64>, Error> {
    lock(transaction, changes).await?;
    let mut revisions = Vec::with_capacity(changes.len());
    let mut rest = changes;
    while !rest.is_empty() {
        // Those of a part are different objects, so that each finds what those before it in the list left.
        let mut targets = BTreeSet::new();
        let count = rest.iter().take(TOGETHER).take_while(|change| targets.insert(&change.target)).count();
        let (part, after) = rest.split_at(count);
        revisions.extend(apply_part(transaction, who, at, part).await?);
        rest = after;
    }
    // What is spoken of may come later in the same list, so it is looked for at the end.
    let mut there = BTreeSet::new();
    for change in changes {
        check_links(transaction, change, &mut there).await?;
    }
    Ok(revisions)
}

/// Waits for other writers of the same networks, in one order for all.
async fn lock(connection: &mut Connection, changes: &[Change]) -> Result<(), Error> {
    let Some(sql) = LOCK else { return Ok(()) };
    let mut networks: BTreeSet<&str> = changes.iter().map(|change| change.target.network.as_str()).collect();
    let own = changes.iter().filter(|change| change.target.kind == Kind::Network);
    networks.extend(own.map(|change| change.target.name.as_str()));
    for network in networks {
        sqlx::query(sql).bind(network).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Writes of a part, decided before any of it is carried out.
struct Write<'a> {
    target: &'a Target,
    revision: i64,
    /// The new body; `None` deletes.
    body: Option<String>,
    sealed: Option<String>,
    mark: i64,
    /// There was one before.
    replaces: bool,
    references: &'a [Reference],
}

/// Applies changes of different objects; each step is a statement for all of them.
async fn apply_part(
    connection: &mut Connection,
    who: &str,
    at: i64,
    part: &[Change],
) -> Result<impl Iterator<Item = i64> + use<>, Error> {
    let mut present = present(connection, part).await?;
    let mut revisions = Vec::with_capacity(part.len());
    let mut changed = Vec::with_capacity(part.len());
    for change in part {
        let object = present.remove(&change.target);
        if let Some(refusal) = refusal(change, object.as_ref()) {
            return Err(refusal.into());
        }
        let unchanged = change.sealed.is_none() && object.as_ref().map(|object| &object.body) == change.body.as_ref();
        revisions.push(object.as_ref().map_or(0, |object| object.revision));
        if !unchanged {
            changed.push((revisions.len() - 1, change, object));
        }
    }
    if changed.is_empty() {
        return Ok(revisions.into_iter());
    }
    let last = last_revisions(connection, changed.iter().map(|(_, change, _)| &change.target)).await?;
    let mut writes = Vec::with_capacity(changed.len());
    for (place, change, object) in changed {
        let revision = last.get(&change.target).copied().unwrap_or(0) + 1;
        if let Some(told) = revisions.get_mut(place) {
            *told = revision;
        }
        let replaces = object.is_some();
        let former = object.map(|object| (object.sealed, object.secrets_mark)).unwrap_or_default();
        let (sealed, mark) = match &change.sealed {
            Some(sealed) => (Some(sealed.clone()), revision),
            None => former,
        };
        writes.push(Write {
            target: &change.target,
            revision,
            body: change.body.as_ref().map(Value::to_string),
            sealed: sealed.as_ref().map(SealedKey::to_hex),
            mark,
            replaces,
            references: &change.references,
        });
    }
    write(connection, who, at, &writes).await?;
    write_links(connection, &writes).await?;
    tell(connection, at, &writes).await?;
    Ok(revisions.into_iter())
}

/// Why a change may not be made.
fn refusal(change: &Change, present: Option<&Object>) -> Option<Refusal> {
    let target = &change.target;
    match (&change.precondition, present) {
        (Precondition::Absent, Some(_)) => Some(Refusal::Exists(target.clone())),
        (Precondition::Present | Precondition::Revision(_), None) => Some(Refusal::Missing(target.clone())),
        (Precondition::Revision(wanted), Some(object)) if *wanted != object.revision => {
            Some(Refusal::Changed { target: target.clone(), wanted: *wanted, present: object.revision })
        }
        _ => None,
    }
}

/// Names by their kind and network: those of an import are of one.
fn grouped<'a>(targets: impl Iterator<Item = &'a Target>) -> BTreeMap<(Kind, &'a str), Vec<&'a str>> {
    let mut groups: BTreeMap<(Kind, &str), Vec<&str>> = BTreeMap::new();
    for target in targets {
        groups.entry((target.kind, &target.network)).or_default().push(&target.name);
    }
    groups
}

/// The objects that there are, by their places.
async fn present(connection: &mut Connection, part: &[Change]) -> Result<BTreeMap<Target, Object>, Error> {
    let mut found = BTreeMap::new();
    for ((kind, network), names) in grouped(part.iter().map(|change| &change.target)) {
        let select =
            bind_named(sqlx::query(AssertSqlSafe(named(OBJECT, names.len()))), kind.collection(), network, &names);
        for row in select.fetch_all(&mut *connection).await? {
            let object = object(ObjectRow::from_row(&row)?)?;
            let target = Target { kind, network: network.to_owned(), name: object.name.clone() };
            found.insert(target, object);
        }
    }
    Ok(found)
}

/// The last revisions. They go on after a deletion, so that an old entity tag never fits a new object.
async fn last_revisions<'a>(
    connection: &mut Connection,
    targets: impl Iterator<Item = &'a Target>,
) -> Result<BTreeMap<Target, i64>, Error> {
    let mut found = BTreeMap::new();
    for ((kind, network), names) in grouped(targets) {
        let select =
            bind_named(sqlx::query(AssertSqlSafe(last_named(names.len()))), kind.collection(), network, &names);
        for row in select.fetch_all(&mut *connection).await? {
            let target = Target { kind, network: network.to_owned(), name: row.try_get(0)? };
            found.insert(target, row.try_get(1)?);
        }
    }
    Ok(found)
}

async fn write(connection: &mut Connection, who: &str, at: i64, writes: &[Write<'_>]) -> Result<(), Error> {
    let puts: Vec<&Write<'_>> = writes.iter().filter(|write| write.body.is_some()).collect();
    if !puts.is_empty() {
        let columns = columns(who, at, &puts);
        let sql = format!(
            "INSERT INTO objects (kind, network, name, revision, changed_at, changed_by, body, sealed, secrets_mark) \
             {} ON CONFLICT (kind, network, name) DO UPDATE SET revision = excluded.revision, \
             changed_at = excluded.changed_at, changed_by = excluded.changed_by, body = excluded.body, \
             sealed = excluded.sealed, secrets_mark = excluded.secrets_mark",
            table(&columns)
        );
        bind_table(sqlx::query(AssertSqlSafe(sql)), columns).execute(&mut *connection).await?;
    }
    let gone = writes.iter().filter(|write| write.body.is_none()).map(|write| write.target);
    for target in gone {
        let delete = sqlx::query("DELETE FROM objects WHERE kind = $1 AND network = $2 AND name = $3");
        let delete = delete.bind(target.kind.collection()).bind(&target.network).bind(&target.name);
        delete.execute(&mut *connection).await?;
    }
    let columns = columns(who, at, &writes.iter().collect::<Vec<_>>());
    let sql = format!(
        "INSERT INTO versions (kind, network, name, revision, at, who, body, sealed, secrets_mark) {}",
        table(&columns)
    );
    bind_table(sqlx::query(AssertSqlSafe(sql)), columns).execute(connection).await?;
    Ok(())
}

/// The nine columns of writes.
fn columns<'a>(who: &'a str, at: i64, writes: &[&'a Write<'a>]) -> Vec<Column<'a>> {
    let all = || writes.iter();
    vec![
        Column::texts(all().map(|it| it.target.kind.collection())),
        Column::texts(all().map(|it| it.target.network.as_str())),
        Column::texts(all().map(|it| it.target.name.as_str())),
        Column::numbers(all().map(|it| it.revision)),
        Column::numbers(all().map(|_| at)),
        Column::texts(all().map(|_| who)),
        Column::Texts(all().map(|it| it.body.as_deref()).collect()),
        Column::Texts(all().map(|it| it.sealed.as_deref()).collect()),
        Column::numbers(all().map(|it| it.mark)),
    ]
}

async fn write_links(connection: &mut Connection, writes: &[Write<'_>]) -> Result<(), Error> {
    for it in writes.iter().filter(|it| it.replaces) {
        let old = sqlx::query("DELETE FROM links WHERE network = $1 AND from_kind = $2 AND from_name = $3");
        let old = old.bind(&it.target.network).bind(it.target.kind.collection()).bind(&it.target.name);
        old.execute(&mut *connection).await?;
    }
    let all: Vec<(&Target, &Reference)> =
        writes.iter().flat_map(|it| it.references.iter().map(|reference| (it.target, reference))).collect();
    for part in all.chunks(TOGETHER) {
        let targets: Vec<Target> = part.iter().map(|(from, reference)| from.of_reference(reference)).collect();
        let from = || part.iter().map(|(from, _)| *from);
        let columns = vec![
            Column::texts(from().map(|from| from.network.as_str())),
            Column::texts(from().map(|from| from.kind.collection())),
            Column::texts(from().map(|from| from.name.as_str())),
            Column::texts(part.iter().map(|(_, reference)| reference.path.as_str())),
            Column::texts(targets.iter().map(|to| to.kind.collection())),
            Column::texts(targets.iter().map(|to| to.network.as_str())),
            Column::texts(targets.iter().map(|to| to.name.as_str())),
        ];
        let sql = format!(
            "INSERT INTO links (network, from_kind, from_name, path, to_kind, to_network, to_name) {}",
            table(&columns)
        );
        bind_table(sqlx::query(AssertSqlSafe(sql)), columns).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Enters the writes into the feeds of their networks.
async fn tell(connection: &mut Connection, at: i64, writes: &[Write<'_>]) -> Result<(), Error> {
    let mut by_network: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for Write { target, .. } in writes {
        let feed = if target.kind == Kind::Network { &target.name } else { &target.network };
        if !feed.is_empty() {
            by_network.entry(feed).or_default().push((target.kind.collection(), &target.name));
        }
    }
    for (network, entries) in by_network {
        super::fleet_writes::note_changes(connection, network, at, &entries).await?;
    }
    Ok(())
}

async fn check_links(connection: &mut Connection, change: &Change, there: &mut BTreeSet<Target>) -> Result<(), Error> {
    let target = &change.target;
    if change.body.is_none() {
        return match user_of(connection, target).await? {
            Some(by) => Err(Refusal::InUse { target: target.clone(), by }.into()),
            None => Ok(()),
        };
    }
    if !target.network.is_empty() {
        let network = Target { kind: Kind::Network, network: String::new(), name: target.network.clone() };
        if !exists(connection, &network, there).await? {
            return Err(Refusal::Missing(network).into());
        }
    }
    for reference in &change.references {
        let wanted = target.of_reference(reference);
        if !exists(connection, &wanted, there).await? {
            let path = reference.path.clone();
            return Err(Refusal::Dangling { target: target.clone(), path, wanted }.into());
        }
    }
    Ok(())
}

async fn exists(connection: &mut Connection, target: &Target, there: &mut BTreeSet<Target>) -> Result<bool, Error> {
    if there.contains(target) {
        return Ok(true);
    }
    let found =
        sqlx::query_scalar::<_, String>("SELECT name FROM objects WHERE kind = $1 AND network = $2 AND name = $3")
            .bind(target.kind.collection())
            .bind(&target.network)
            .bind(&target.name)
            .fetch_optional(connection)
            .await?;
    if found.is_some() {
        there.insert(target.clone());
    }
    Ok(found.is_some())
}

/// Somebody who still needs an object that goes.
async fn user_of(connection: &mut Connection, target: &Target) -> Result<Option<String>, Error> {
    // It may have been made anew later in the same list.
    if exists(connection, target, &mut BTreeSet::new()).await? {
        return Ok(None);
    }
    let collection = target.kind.collection();
    let link = sqlx::query_as::<_, (String, String)>(
        "SELECT from_kind, from_name FROM links WHERE to_kind = $1 AND to_network = $2 AND to_name = $3 LIMIT 1",
    );
    let link = link.bind(collection).bind(&target.network).bind(&target.name).fetch_optional(&mut *connection).await?;
    if let Some((kind, name)) = link {
        return Ok(Some(format!("{kind}/{name}")));
    }
    if collection != NETWORK {
        return Ok(None);
    }
    let inside = sqlx::query_as::<_, (String, String)>("SELECT kind, name FROM objects WHERE network = $1 LIMIT 1");
    let inside = inside.bind(&target.name).fetch_optional(connection).await?;
    Ok(inside.map(|(kind, name)| format!("{kind}/{name}")))
}
