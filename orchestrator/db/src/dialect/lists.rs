//! Lists of objects: filtered, sorted, page by page.

use super::queries::Database;
use super::rows::{OBJECT, ObjectRow};
use super::{by_index, field, indexed, path};
use crate::{Error, Query, Sort};
use orchestrator_model::Kind;
use sqlx::AssertSqlSafe;

impl Database {
    /// A page of objects, and one more that says that there are more.
    pub(crate) async fn rows(&self, kind: Kind, network: &str, query: &Query) -> Result<Vec<ObjectRow>, Error> {
        let sql = listing(kind, query);
        let mut rows = sqlx::query_as::<_, ObjectRow>(AssertSqlSafe(sql)).bind(kind.collection()).bind(network);
        for (name, text) in &query.filters {
            if !has_index(kind, name) {
                rows = rows.bind(path(name));
            }
            rows = rows.bind(text.as_str());
        }
        if let Some((changed, name)) = &query.after {
            if query.sort == Sort::Changed {
                rows = rows.bind(*changed);
            }
            rows = rows.bind(name.as_str());
        }
        Ok(rows.bind(i64::from(query.limit) + 1).fetch_all(&self.read).await?)
    }
}

/// Fields of subscribers that have an index (migration 32).
const INDEXED: [&str; 4] = ["state", "title", "msisdn", "data_plan"];

fn has_index(kind: Kind, field: &str) -> bool {
    kind == Kind::Subscriber && INDEXED.contains(&field)
}

/// The statement of a list. Only numbers of parameters and names of fields that have an index go into it; what was asked for is bound.
pub(crate) fn listing(kind: Kind, query: &Query) -> String {
    let hint = query.filters.iter().find(|(name, _)| has_index(kind, name)).map(|(name, _)| by_index(name));
    let hint = hint.unwrap_or_default();
    let mut sql = format!("SELECT {OBJECT} FROM objects{hint} WHERE kind = $1 AND network = $2");
    let mut next = 3;
    for (name, _) in &query.filters {
        match INDEXED.into_iter().find(|known| known == name).filter(|known| has_index(kind, known)) {
            Some(known) => {
                // Only with the kind in words it is seen that the index has all of them.
                sql.push_str(&format!(" AND kind = '{}' AND {} = ${next}", kind.collection(), indexed(known)));
                next += 1;
            }
            None => {
                sql.push_str(&format!(" AND {} = ${}", field(next), next + 1));
                next += 2;
            }
        }
    }
    let (than, order) = if query.descending { ("<", "DESC") } else { (">", "ASC") };
    match (&query.after, query.sort) {
        (None, _) => {}
        (Some(_), Sort::Name) => {
            sql.push_str(&format!(" AND name {than} ${next}"));
            next += 1;
        }
        (Some(_), Sort::Changed) => {
            sql.push_str(&format!(" AND (changed_at, name) {than} (${next}, ${})", next + 1));
            next += 2;
        }
    }
    let by = match query.sort {
        Sort::Name => format!("name {order}"),
        Sort::Changed => format!("changed_at {order}, name {order}"),
    };
    sql.push_str(&format!(" ORDER BY {by} LIMIT ${next}"));
    sql
}
