//! What answers look like that are no objects of the model: shapes of the OpenAPI document.

use serde_json::{Map, Value, json};

/// Fields and their types: `string`, `integer`, `boolean`, `number`, `object`, `any`, a schema's name; `[…]` for a list of it,
/// `?` behind it when it may be absent or null.
type Fields = &'static [(&'static str, &'static str)];

/// The shapes by name.
const SHAPES: [(&str, Fields); 44] = [
    ("LoginOptions", &[("password", "boolean"), ("providers", "[LoginProvider]")]),
    ("LoginProvider", &[("name", "string"), ("title", "string"), ("href", "string")]),
    ("Session", &[("token", "string?"), ("csrf_token", "string?"), ("expires_at", "integer"), ("name", "string?")]),
    (
        "Me",
        &[
            ("name", "string"),
            ("tenant", "string?"),
            ("grants", "[Grant]"),
            ("limit", "[Grant]?"),
            ("csrf_token", "string?"),
            ("grafana", "string?"),
        ],
    ),
    (
        "OwnSession",
        &[
            ("id", "string"),
            ("title", "string"),
            ("created_at", "integer"),
            ("expires_at", "integer"),
            ("current", "boolean"),
        ],
    ),
    (
        "ApiKey",
        &[
            ("id", "string"),
            ("title", "string"),
            ("grants", "[Grant]"),
            ("created_at", "integer"),
            ("expires_at", "integer"),
            ("token", "string?"),
        ],
    ),
    (
        "AuditLine",
        &[
            ("id", "integer"),
            ("at", "integer"),
            ("who", "string"),
            ("network", "string"),
            ("action", "string"),
            ("target", "string"),
            ("outcome", "integer"),
        ],
    ),
    (
        "Version",
        &[
            ("revision", "integer"),
            ("at", "integer"),
            ("who", "string"),
            ("secrets_changed", "boolean"),
            ("before", "any"),
            ("after", "any"),
            ("difference", "[Difference]"),
        ],
    ),
    ("Difference", &[("path", "string"), ("before", "any"), ("after", "any")]),
    (
        "GatewayToken",
        &[
            ("id", "string"),
            ("tier", "string"),
            ("gateway", "string?"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("expires_at", "integer"),
            ("used", "object?"),
            ("token", "string?"),
            ("command", "string?"),
        ],
    ),
    (
        "GatewayStatus",
        &[
            ("gateway", "string"),
            ("connected", "boolean"),
            ("connected_at", "integer?"),
            ("seen_at", "integer?"),
            ("state", "object?"),
            ("sync", "object?"),
            ("joined_at", "integer?"),
            ("revoked_at", "integer?"),
            ("certificate_expires_at", "integer?"),
        ],
    ),
    (
        "Certificate",
        &[("fingerprint", "string"), ("issued_at", "integer"), ("expires_at", "integer"), ("revoked_at", "integer?")],
    ),
    (
        "Event",
        &[
            ("id", "integer"),
            ("gateway", "string"),
            ("at", "integer"),
            ("kind", "string"),
            ("alarm", "boolean"),
            ("imsi", "string"),
            ("text", "string"),
            ("facts", "any"),
        ],
    ),
    (
        "UsageRecord",
        &[
            ("gateway", "string"),
            ("session", "string"),
            ("of", "string"),
            ("part", "string?"),
            ("epoch", "integer"),
            ("sequence", "integer"),
            ("imsi", "string"),
            ("apn", "string"),
            ("cell", "string"),
            ("from", "integer"),
            ("to", "integer"),
            ("uplink_bytes", "integer"),
            ("downlink_bytes", "integer"),
            ("uplink_packets", "integer"),
            ("downlink_packets", "integer"),
            ("last", "boolean"),
        ],
    ),
    (
        "UsageSum",
        &[
            ("key", "string"),
            ("uplink_bytes", "integer"),
            ("downlink_bytes", "integer"),
            ("uplink_packets", "integer"),
            ("downlink_packets", "integer"),
        ],
    ),
    (
        "Phone",
        &[
            ("imsi", "string"),
            ("title", "string?"),
            ("known", "boolean"),
            ("gateway", "string"),
            ("state", "string"),
            ("enb", "string?"),
            ("cell", "string?"),
            ("area", "string?"),
            ("apns", "[string]"),
            ("addresses", "[string]"),
            ("description", "string?"),
            ("last_seen", "integer?"),
            ("sessions", "[object]?"),
            ("last_reject", "any"),
            ("told_at", "integer"),
        ],
    ),
    (
        "BaseStation",
        &[
            ("id", "string?"),
            ("name", "string?"),
            ("since", "integer?"),
            ("gateway", "string"),
            ("gateway_connected", "boolean"),
            ("enodeb", "string?"),
            ("title", "string?"),
        ],
    ),
    (
        "Overview",
        &[
            ("at", "integer"),
            ("gateways", "object"),
            ("base_stations", "object"),
            ("subscribers", "integer"),
            ("registered_phones", "integer"),
            ("connected_phones", "integer"),
            ("sessions", "integer"),
            ("alarms_24h", "integer"),
            ("changes_24h", "integer"),
            ("usage_last_hour", "UsageSum?"),
        ],
    ),
    (
        "Command",
        &[
            ("id", "string"),
            ("gateway", "string"),
            ("kind", "string"),
            ("arguments", "object?"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("expires_at", "integer"),
            ("state", "string"),
            ("percent", "integer"),
            ("output", "string"),
            ("changed_at", "integer"),
        ],
    ),
    (
        "Job",
        &[
            ("id", "string"),
            ("what", "string"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("changed_at", "integer"),
            ("state", "string"),
            ("percent", "integer"),
            ("result", "object?"),
        ],
    ),
    (
        "Delivery",
        &[
            ("id", "string"),
            ("event", "string"),
            ("kind", "string"),
            ("state", "string"),
            ("attempts", "integer"),
            ("due_at", "integer"),
            ("created_at", "integer"),
            ("changed_at", "integer"),
            ("trouble", "string"),
        ],
    ),
    (
        "Release",
        &[
            ("name", "string"),
            ("product", "string"),
            ("version", "string"),
            ("platform", "string"),
            ("channel", "string"),
            ("size", "integer"),
            ("sha256", "string"),
            ("signature", "string"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("received", "integer"),
            ("complete", "boolean"),
        ],
    ),
    (
        "Rollout",
        &[
            ("id", "string"),
            ("plan", "RolloutPlan"),
            ("version", "string"),
            ("state", "string"),
            ("stage", "string"),
            ("soak_until", "integer?"),
            ("words", "string"),
            ("gateways", "[RolloutGateway]"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("changed_at", "integer"),
        ],
    ),
    (
        "RolloutGateway",
        &[
            ("gateway", "string"),
            ("step", "string"),
            ("canary", "boolean"),
            ("upgraded", "boolean"),
            ("command", "string?"),
            ("at", "integer"),
            ("words", "string"),
        ],
    ),
    (
        "ConfigRollout",
        &[
            ("id", "string"),
            ("plan", "ConfigRolloutPlan"),
            ("changes", "[ConfigRolloutChange]"),
            ("state", "string"),
            ("stage", "string"),
            ("soak_until", "integer?"),
            ("words", "string"),
            ("gateways", "[ConfigRolloutGateway]"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("changed_at", "integer"),
        ],
    ),
    ("ConfigRolloutChange", &[("kind", "string"), ("name", "string"), ("before", "any"), ("after", "any")]),
    (
        "ConfigRolloutGateway",
        &[("gateway", "string"), ("canary", "boolean"), ("step", "string"), ("at", "integer"), ("words", "string")],
    ),
    (
        "CommandData",
        &[
            ("place", "integer"),
            ("data", "string"),
            ("next", "integer?"),
            ("octets", "integer"),
            ("complete", "boolean"),
        ],
    ),
    (
        "Trace",
        &[
            ("id", "string"),
            ("imsi", "string?"),
            ("gateway", "string?"),
            ("base_station", "string?"),
            ("created_by", "string"),
            ("created_at", "integer"),
            ("until", "integer"),
            ("octets", "integer"),
            ("state", "string"),
            ("gateways", "[TraceGateway]"),
        ],
    ),
    (
        "TraceGateway",
        &[("gateway", "string"), ("command", "string"), ("state", "string"), ("octets", "integer"), ("said", "string")],
    ),
    (
        "TraceLadder",
        &[
            ("trace", "string"),
            ("participants", "[TraceParticipant]"),
            ("messages", "[TraceMessage]"),
            ("procedures", "[TraceProcedure]"),
            ("dropped", "integer"),
            ("left_out", "integer"),
            ("clocks", "[TraceClock]"),
        ],
    ),
    ("TraceParticipant", &[("id", "string"), ("kind", "string"), ("name", "string")]),
    (
        "TraceMessage",
        &[
            ("number", "integer"),
            ("at", "integer"),
            ("from", "string"),
            ("to", "string"),
            ("protocol", "string"),
            ("name", "string"),
            ("fields", "object"),
            ("cause", "string?"),
            ("result", "string?"),
            ("imsi", "string?"),
            ("gateway", "string"),
            ("procedure", "integer?"),
        ],
    ),
    (
        "TraceProcedure",
        &[
            ("number", "integer"),
            ("name", "string"),
            ("imsi", "string?"),
            ("began", "integer"),
            ("duration", "integer"),
            ("result", "string"),
            ("cause", "string?"),
            ("messages", "[integer]"),
            ("parent", "integer?"),
        ],
    ),
    ("TraceClock", &[("gateway", "string"), ("offset_ms", "integer?")]),
    (
        "Alarm",
        &[
            ("id", "integer"),
            ("network", "string"),
            ("gateway", "string"),
            ("rule", "string"),
            ("title", "string?"),
            ("subject", "string"),
            ("severity", "string"),
            ("state", "string"),
            ("silenced", "boolean"),
            ("since", "integer"),
            ("raised_at", "integer"),
            ("cleared_at", "integer?"),
            ("acknowledged", "AlarmAcknowledged?"),
            ("text", "string"),
            ("runbook", "string?"),
        ],
    ),
    ("AlarmAcknowledged", &[("by", "string"), ("at", "integer"), ("note", "string?")]),
    (
        "AlarmRule",
        &[
            ("name", "string"),
            ("severity", "string"),
            ("title", "string"),
            ("source", "string"),
            ("for_seconds", "integer"),
            ("clear_after_seconds", "integer"),
            ("runbook", "string"),
        ],
    ),
    (
        "RulePreview",
        &[("expression", "string"), ("holds", "integer"), ("items", "[object]"), ("needs_past", "boolean")],
    ),
    ("History", &[("since", "integer"), ("until", "integer"), ("step", "integer"), ("series", "[HistorySeries]")]),
    ("HistorySeries", &[("name", "string"), ("unit", "string"), ("points", "any")]),
    (
        "Kpis",
        &[
            ("since", "integer"),
            ("until", "integer"),
            ("kpis", "[Kpi]"),
            ("drops", "[object]"),
            ("base_stations", "[PhonesByStation]"),
        ],
    ),
    ("Kpi", &[("name", "string"), ("unit", "string"), ("value", "number?")]),
    ("PhonesByStation", &[("gateway", "string"), ("enb", "string"), ("connected", "integer"), ("idle", "integer")]),
];

/// All of them, as schemas.
pub(crate) fn shapes() -> impl Iterator<Item = (String, Value)> {
    SHAPES.iter().map(|(name, fields)| ((*name).to_owned(), schema(fields)))
}

fn schema(fields: Fields) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, form) in fields {
        let (form, optional) = form.strip_suffix('?').map_or((*form, false), |form| (form, true));
        let inner = one(form);
        let value = match inner.get("type").and_then(Value::as_str) {
            Some(kind) if optional => {
                let mut nullable = inner.clone();
                nullable["type"] = json!([kind, "null"]);
                nullable
            }
            None if optional && form != "any" => json!({"oneOf": [inner, {"type": "null"}]}),
            _ => inner,
        };
        properties.insert((*name).to_owned(), value);
        if !optional && form != "any" {
            required.push(*name);
        }
    }
    json!({"type": "object", "required": required, "properties": properties})
}

fn one(form: &str) -> Value {
    match form {
        "any" => json!({}),
        "string" | "integer" | "boolean" | "number" | "object" => json!({ "type": form }),
        list if list.starts_with('[') => {
            json!({"type": "array", "items": one(list.trim_start_matches('[').trim_end_matches(']'))})
        }
        name => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}
