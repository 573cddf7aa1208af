//! The two dialects. The statements are the same text; what differs is here: how a transaction begins, how writers of one network
//! wait for each other, how a field of a body is read.
#![allow(clippy::duplicate_mod, reason = "the statements are compiled once for each database, as sqlx's types want it")]

/// A column of rows that are written together.
#[derive(Debug)]
pub(crate) enum Column<'a> {
    Texts(Vec<Option<&'a str>>),
    Numbers(Vec<i64>),
}

impl<'a> Column<'a> {
    pub(crate) fn texts(all: impl Iterator<Item = &'a str>) -> Self {
        Self::Texts(all.map(Some).collect())
    }

    pub(crate) fn numbers(all: impl Iterator<Item = i64>) -> Self {
        Self::Numbers(all.collect())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Texts(all) => all.len(),
            Self::Numbers(all) => all.len(),
        }
    }
}

pub(crate) mod postgres;

pub(crate) mod sqlite;

#[cfg(test)]
mod tests {
    use super::sqlite::fleet_rows::events;
    use super::sqlite::lists::listing;
    use crate::{EventQuery, Query, Settings, open};
    use orchestrator_model::Kind;
    use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

    /// How SQLite would read a list of subscribers with one filter.
    async fn plan(connection: &mut SqliteConnection, field: &str) -> String {
        let filters = vec![(field.to_owned(), "x".to_owned())];
        let sql = listing(Kind::Subscriber, &Query { filters, limit: 10, ..Query::default() });
        explained(connection, &sql).await
    }

    async fn explained(connection: &mut SqliteConnection, sql: &str) -> String {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail")).collect()
    }

    #[tokio::test]
    async fn filters_are_found_by_their_index_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = open(&Settings { address: address.clone(), connections: 2 }).await.unwrap();
        let mut connection = SqliteConnection::connect(&address).await.unwrap();
        for field in ["state", "title", "msisdn", "data_plan"] {
            let told = plan(&mut connection, field).await;
            assert!(
                told.contains(&format!("subscribers_by_{field}")) && !told.contains("TEMP B-TREE"),
                "{field}: {told}"
            );
        }
        // Any other field is looked at in the order of names.
        assert!(!plan(&mut connection, "labels.site").await.contains("subscribers_by"));
        db.close().await;
    }

    #[tokio::test]
    async fn events_are_found_by_what_finds_the_fewest() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = open(&Settings { address: address.clone(), connections: 2 }).await.unwrap();
        let mut connection = SqliteConnection::connect(&address).await.unwrap();
        let some = || Some("x".to_owned());
        let (phone, gateway, kind) = (
            EventQuery { imsi: some(), gateway: some(), kind: some(), ..EventQuery::default() },
            EventQuery { gateway: some(), kind: some(), ..EventQuery::default() },
            EventQuery { kind: some(), ..EventQuery::default() },
        );
        for (query, index) in [(phone, "by_imsi"), (gateway, "by_gateway"), (kind, "by_kind")] {
            let told = explained(&mut connection, &events(&query)).await;
            assert!(told.contains(&format!("gateway_events_{index} ")) && !told.contains("TEMP B-TREE"), "{told}");
        }
        db.close().await;
    }
}
