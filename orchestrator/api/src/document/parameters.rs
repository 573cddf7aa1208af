//! Parameters of addresses, queries and headers, as the document tells them.

use crate::{Need, Operation, Route};
use orchestrator_model::Kind;
use orchestrator_telemetry::chart::DERIVED;
use orchestrator_telemetry::series::Series;
use serde_json::{Value, json};

/// `FIELD:TEXT` and lists of fields, as `select` reads them.
const FILTER: &str = "^[A-Za-z0-9_-]{1,40}([.][A-Za-z0-9_-]{1,40}){0,4}:";
const FIELDS: &str =
    "^[A-Za-z0-9_-]{1,40}([.][A-Za-z0-9_-]{1,40}){0,4}(,[A-Za-z0-9_-]{1,40}([.][A-Za-z0-9_-]{1,40}){0,4}){0,31}$";

/// All parameters of a route.
pub(super) fn parameters(route: &Route) -> Vec<Value> {
    let named = ["tenant", "network", "name"].into_iter().filter(|name| route.path.contains(&format!("{{{name}}}")));
    let mut all: Vec<Value> = named
        .map(|name| {
            let pattern = match (route.operation, name) {
                (of_kind, "name") if of_subscriber(of_kind) => "^[0-9]{6,15}$",
                (Operation::ReadAlarm | Operation::TmfAlarm, "name") => "^[0-9]{1,18}$",
                (Operation::MetricsQuery, "name") => "^[a-zA-Z_][a-zA-Z0-9_]{0,127}$",
                (Operation::PutUser | Operation::DeleteUser, "name") => "^[A-Za-z0-9._-]{1,64}$",
                _ => "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
            };
            let schema = json!({"type": "string", "pattern": pattern});
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    let mut query = |name: &str, schema: Value, description: &str| {
        all.push(json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description}));
    };
    let text = || json!({"type": "string"});
    let time = || json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    let pages = matches!(
        route.operation,
        Operation::List(_)
            | Operation::Versions(_)
            | Operation::ListUsers
            | Operation::Audit
            | Operation::GatewayStates
            | Operation::Phones
            | Operation::BaseStations
            | Operation::Events
            | Operation::ListAlarms
            | Operation::TmfAlarms
    );
    if pages {
        query("limit", json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}), "Entries of a page.");
        let cursor = match route.operation {
            Operation::List(_) => {
                json!({"type": "string", "pattern": "^[0-9]{1,18}~[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"})
            }
            Operation::Versions(_)
            | Operation::Audit
            | Operation::Events
            | Operation::ListAlarms
            | Operation::TmfAlarms => {
                json!({"type": "string", "pattern": "^[0-9]{1,18}$"})
            }
            _ => text(),
        };
        query("cursor", cursor, "next_cursor of the page before.");
    }
    if let Operation::Events = route.operation {
        query("alarms", json!({"type": "boolean", "default": false}), "Only what somebody should look at.");
        query("kind", text(), "Of this kind alone.");
        query("imsi", text(), "About this phone alone.");
        if !route.path.contains("{name}") {
            query("gateway", text(), "Of this gateway alone.");
        }
        query("since", time(), "At or after; milliseconds since 1970.");
        query("until", time(), "Before; milliseconds since 1970.");
    }
    watching(route, &mut query);
    if let Operation::Phones = route.operation {
        query("imsi", json!({"type": "string", "pattern": "^[0-9]{0,15}$"}), "The first digits of the IMSI, or all.");
        for name in ["gateway", "state", "enb", "apn", "address"] {
            query(name, text(), "With this alone.");
        }
    }
    if let Operation::UsageSums = route.operation {
        let by = json!({"enum": ["imsi", "apn", "gateway", "cell", "network"], "default": "imsi"});
        query("by", by, "What is summed, the largest first.");
        query("imsi", text(), "Of this subscriber alone.");
        query("since", time(), "Ended at or after, milliseconds since 1970; a day ago, when absent.");
        query("until", time(), "Ended before.");
    }
    if let Operation::Usage
    | Operation::UsageSums
    | Operation::ListCommands
    | Operation::ListJobs
    | Operation::ListTraces
    | Operation::ListRollouts
    | Operation::ListConfigRollouts = route.operation
    {
        query("limit", json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}), "Entries at most.");
    }
    if let Operation::PutReleaseData = route.operation {
        let place = json!({"type": "integer", "minimum": 0, "maximum": 268_435_456, "default": 0});
        query("place", place, "Of the first octet: `received` of the answer before.");
    }
    if let Operation::ListReleases = route.operation {
        query("channel", text(), "Of this channel alone.");
    }
    if let Operation::CommandData = route.operation {
        let place = json!({"type": "integer", "minimum": 0, "default": 0});
        query("place", place, "Of the first octet: `next` of the page before.");
    }
    if let Operation::Usage = route.operation {
        query("imsi", text(), "Of this subscriber alone.");
        query("since", time(), "Ended at or after; milliseconds since 1970.");
    }
    if let Operation::List(_) = route.operation {
        query("sort", json!({"enum": ["name", "-name", "changed_at", "-changed_at"]}), "Order; - is descending.");
        let filters = json!({"type": "array", "maxItems": 8, "items": {"type": "string", "pattern": FILTER}});
        query("filter", filters, "FIELD:TEXT, the field of the body with dots between keys. All must fit.");
    }
    if let Operation::List(_) | Operation::Audit | Operation::Events = route.operation {
        query(
            "format",
            json!({"enum": ["json", "ndjson", "csv"]}),
            "ndjson and csv give everything at once, not a page.",
        );
    }
    if let Operation::List(_) | Operation::Read(_) = route.operation {
        query("fields", json!({"type": "string", "pattern": FIELDS}), "Only these, joined by commas: name,body.state.");
    }
    if let Operation::Import(_) = route.operation {
        query("dry_run", json!({"type": "boolean", "default": false}), "Check everything, change nothing.");
        query("background", json!({"type": "boolean", "default": false}), "Answer at once with a job.");
    }
    if let Operation::Import(Kind::Subscriber) = route.operation {
        query("form", json!({"enum": ["sim"]}), "The body is a file of a SIM vendor; its head names the columns.");
    }
    if let Operation::ListDeliveries | Operation::ListNotices = route.operation {
        query("state", json!({"enum": ["pending", "delivered", "dead"]}), "Those that stand so.");
        query("limit", json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}), "Entries at most.");
    }
    if let Operation::BeginLogin = route.operation {
        query(
            "return_to",
            json!({"type": "string", "default": "/"}),
            "Page of this origin where the browser goes in the end.",
        );
    }
    if let Operation::FinishLogin = route.operation {
        query("code", text(), "What the provider gives for a token.");
        query("state", text(), "As it was sent.");
        query("error", text(), "Why the provider refused.");
    }
    if let Operation::Watch = route.operation {
        query("kinds", text(), "Collections, events, phones and gateway-states, joined by commas; all, when absent.");
    }
    if let Operation::History = route.operation {
        let series = all.iter_mut().filter(|parameter| parameter["name"] == "series");
        series.for_each(|parameter| parameter["required"] = json!(true));
    }
    let mut header = |name: &str, pattern: &str, description: &str| {
        let schema = json!({"type": "string", "pattern": pattern});
        all.push(
            json!({"name": name, "in": "header", "required": false, "schema": schema, "description": description}),
        );
    };
    if let Operation::Import(Kind::Subscriber) = route.operation {
        header(
            "X-Sim-Op",
            "^[0-9A-Fa-f]{32}$",
            "OP in 32 hexadecimal digits, where a vendor's file has neither OPc nor OP.",
        );
    }
    if let Operation::Watch = route.operation {
        header(
            "Last-Event-ID",
            "^[!-~]{1,200}$",
            "The id of the last message that was heard: the stream goes on behind it.",
        );
    }
    if let Operation::Put(_) | Operation::Patch(_) | Operation::Delete(_) | Operation::Rollback(_) = route.operation {
        let schema = json!({"type": "boolean", "default": false});
        all.push(json!({"name": "dry_run", "in": "query", "required": false, "schema": schema,
                        "description": "Check everything, change nothing; the answer is as it would be."}));
    }
    let mut header = |name: &str, pattern: &str, description: &str| {
        let schema = json!({"type": "string", "pattern": pattern});
        all.push(
            json!({"name": name, "in": "header", "required": false, "schema": schema, "description": description}),
        );
    };
    if let Operation::Put(_) | Operation::Patch(_) | Operation::Delete(_) | Operation::Rollback(_) = route.operation {
        header("If-Match", "^([*]|\"[0-9]{1,18}\")$", "The entity tag that the object must have.");
    }
    if let Operation::Put(_) = route.operation {
        header("If-None-Match", "^[*]$", "*: only create.");
    }
    if route.method == "POST" && route.need != Need::Nothing {
        header(
            "Idempotency-Key",
            "^[!-~]{1,255}$",
            "The same request with the same key is worked on once within a day.",
        );
    }
    all
}

/// Parameters of what is watched.
fn watching(route: &Route, query: &mut dyn FnMut(&str, Value, &str)) {
    let text = || json!({"type": "string"});
    let time = || json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    match route.operation {
        Operation::ListAlarms | Operation::TmfAlarms => {
            query("gateway", text(), "About this gateway alone.");
            query("rule", text(), "Of this rule alone.");
            query("state", json!({"enum": ["open", "cleared"]}), "Those that hold, or those that are over.");
        }
        Operation::History | Operation::Kpis => {
            query("gateway", text(), "Of this gateway; of the whole network, when absent.");
            query("since", time(), "Milliseconds since 1970, at most 48 hours ago.");
            query("until", time(), "Milliseconds since 1970; now, when absent.");
            if route.operation == Operation::History {
                let words: Vec<&str> = DERIVED
                    .iter()
                    .map(|(name, ..)| *name)
                    .chain(Series::ALL.iter().map(|series| series.word()))
                    .collect();
                let said = format!("Up to 32 of these, joined by commas: {}.", words.join(", "));
                let one = words.join("|");
                let schema = json!({"type": "string", "pattern": format!("^({one})(,({one})){{0,31}}$")});
                query("series", schema, &said);
                let step = json!({"type": "integer", "minimum": 60, "maximum": 86_400, "default": 60});
                query("step", step, "Seconds of a point.");
            }
        }
        Operation::MetricsQuery => {
            if route.path.ends_with("query") || route.path.ends_with("query_range") {
                query("query", text(), "PromQL; each selector is narrowed to the network.");
            } else {
                query("match[]", text(), "Selectors; each is narrowed to the network.");
            }
            for name in ["time", "start", "end", "step", "timeout"] {
                query(name, text(), "As the metrics server takes it.");
            }
        }
        Operation::TmfResources => {
            query("category", json!({"enum": ["gateway", "baseStation"]}), "Of this category alone.");
            query("offset", json!({"type": "integer", "minimum": 0, "default": 0}), "Resources passed over.");
            let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
            query("limit", limit, "Resources at most.");
        }
        _ => {}
    }
}

/// Whether an operation is about one subscriber: its name is the IMSI.
const fn of_subscriber(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Read(Kind::Subscriber)
            | Operation::Put(Kind::Subscriber)
            | Operation::Patch(Kind::Subscriber)
            | Operation::Delete(Kind::Subscriber)
            | Operation::Versions(Kind::Subscriber)
            | Operation::Rollback(Kind::Subscriber)
    )
}
