//! The OpenAPI 3.1 document, from the table of routes and the types.

mod parameters;

use crate::accounts::{KeyRequest, Login, PasswordChange, Setup};
use crate::backup::BackupRequest;
use crate::config_rollouts::ConfigRolloutRequest;
use crate::gateways::{CommandRequest, GatewayTokenRequest};
use crate::releases::{ReleaseRequest, RolloutActRequest};
use crate::traces::TraceRequest;
use crate::users::{User, UserChange};
use crate::{Grant, Need, Operation, Problem, Route, routes};
use orchestrator_model::{ConfigRolloutPlan, Kind, RolloutPlan, Scope};
use parameters::parameters;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// The document of this interface. The committed copy is `openapi/orchestrator.json`.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let item = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        item[route.method.to_ascii_lowercase()] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Basalt orchestrator",
            "version": "1",
            "description": "Configures networks, gateways and subscribers. Each operation says in x-basalt-need what right it needs: \
                open, signed-in, everywhere:ROLE, tenant:ROLE or network:ROLE (viewer, operator, admin). What one may not see answers 404. \
                Programs show a token; browsers log in with `cookie: true` and show csrf_token in the header X-CSRF-Token of each write.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "basalt", "description": "__Host-basalt over TLS."},
            },
            "schemas": schemas(),
        },
    })
}

fn operation(route: &Route) -> Value {
    let id = operation_id(route);
    let mut operation = json!({
        "operationId": id,
        "tags": [tag(route.operation)],
        "x-basalt-need": route.need.words(),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if route.need == Need::Nothing {
        operation["security"] = json!([]);
    }
    if let Some(body) = request(route.operation) {
        operation["requestBody"] = body;
    }
    operation
}

/// Unique, and fit for the name of a function: `put_network_apn`.
fn operation_id(route: &Route) -> String {
    let of = |verb: &str, kind: Kind| format!("{verb}_{}", kind.collection().replace('-', "_"));
    let of_tenant = if route.path.contains("{tenant}") { "_of_tenant" } else { "" };
    match route.operation {
        Operation::Document => "openapi".to_owned(),
        Operation::SetUp => "set_up".to_owned(),
        Operation::Login => "log_in".to_owned(),
        Operation::LoginOptions => "login_options".to_owned(),
        Operation::BeginLogin => "begin_login".to_owned(),
        Operation::FinishLogin => "finish_login".to_owned(),
        Operation::Logout => "log_out".to_owned(),
        Operation::ListSessions => "list_sessions".to_owned(),
        Operation::DeleteSession => "delete_sessions".to_owned(),
        Operation::Me => "me".to_owned(),
        Operation::ChangePassword => "change_password".to_owned(),
        Operation::ListUsers => format!("list_users{of_tenant}"),
        Operation::PutUser => format!("put_users{of_tenant}"),
        Operation::DeleteUser => format!("delete_users{of_tenant}"),
        Operation::ListKeys => "list_api_keys".to_owned(),
        Operation::CreateKey => "create_api_keys".to_owned(),
        Operation::DeleteKey => "delete_api_keys".to_owned(),
        Operation::CreateGatewayToken => "create_gateway_token".to_owned(),
        Operation::ListGatewayTokens => "list_gateway_tokens".to_owned(),
        Operation::DeleteGatewayToken => "delete_gateway_token".to_owned(),
        Operation::GatewayStates => "list_gateway_states".to_owned(),
        Operation::GatewayStatus => "gateway_status".to_owned(),
        Operation::GatewayMetrics => "gateway_metrics".to_owned(),
        Operation::GatewayCertificates => "gateway_certificates".to_owned(),
        Operation::RevokeGateway => "revoke_gateway".to_owned(),
        Operation::Events if route.path.contains("{name}") => "events_of_gateway".to_owned(),
        Operation::Events if route.path.contains('{') => "events_of_network".to_owned(),
        Operation::Events => "events".to_owned(),
        Operation::Scrape if route.path.contains('{') => "metrics_of_network".to_owned(),
        Operation::Scrape => "metrics".to_owned(),
        Operation::History => "history".to_owned(),
        Operation::Kpis => "kpis".to_owned(),
        Operation::MetricsQuery => {
            let last = route.path.rsplit('/').next().unwrap_or_default();
            format!("prometheus_{}", if last == "values" { "label_values" } else { last })
        }
        Operation::ListAlarms if route.path.contains('{') => "alarms_of_network".to_owned(),
        Operation::ListAlarms => "alarms".to_owned(),
        Operation::ReadAlarm => "get_alarm".to_owned(),
        Operation::ListAlarmRules => "alarm_rules".to_owned(),
        Operation::PreviewRule => "preview_alert_rule".to_owned(),
        Operation::ListNotices => "list_receiver_deliveries".to_owned(),
        Operation::TestReceiver => "test_alert_receiver".to_owned(),
        Operation::TmfAlarms => "tmf642_alarms".to_owned(),
        Operation::TmfAlarm => "tmf642_alarm".to_owned(),
        Operation::TmfResources => "tmf639_resources".to_owned(),
        Operation::TmfResource => "tmf639_resource".to_owned(),
        Operation::Usage => "usage".to_owned(),
        Operation::UsageSums => "usage_sums".to_owned(),
        Operation::Phones => "list_phones".to_owned(),
        Operation::BaseStations => "list_base_stations".to_owned(),
        Operation::Overview => "overview".to_owned(),
        Operation::Watch => "watch".to_owned(),
        Operation::ListDeliveries => "list_deliveries".to_owned(),
        Operation::TestWebhook => "test_webhook".to_owned(),
        Operation::ListJobs => "list_jobs".to_owned(),
        Operation::ReadJob => "get_job".to_owned(),
        Operation::CreateCommand => "create_command".to_owned(),
        Operation::ListCommands => "list_commands".to_owned(),
        Operation::ReadCommand => "get_command".to_owned(),
        Operation::Backup => "create_backup".to_owned(),
        Operation::CommandData => "get_command_data".to_owned(),
        Operation::CreateTrace => "create_trace".to_owned(),
        Operation::ListTraces => "list_traces".to_owned(),
        Operation::ReadTrace => "get_trace".to_owned(),
        Operation::DeleteTrace => "delete_trace".to_owned(),
        Operation::TraceLadder => "get_trace_ladder".to_owned(),
        Operation::TraceCapture => "get_trace_capture".to_owned(),
        Operation::CreateRelease => "create_release".to_owned(),
        Operation::ListReleases => "list_releases".to_owned(),
        Operation::ReadRelease => "get_release".to_owned(),
        Operation::PutReleaseData => "put_release_data".to_owned(),
        Operation::DeleteRelease => "delete_release".to_owned(),
        Operation::CreateRollout => "create_rollout".to_owned(),
        Operation::ListRollouts => "list_rollouts".to_owned(),
        Operation::ReadRollout => "get_rollout".to_owned(),
        Operation::ActRollout => "act_on_rollout".to_owned(),
        Operation::CreateConfigRollout => "create_config_rollout".to_owned(),
        Operation::ListConfigRollouts => "list_config_rollouts".to_owned(),
        Operation::ReadConfigRollout => "get_config_rollout".to_owned(),
        Operation::ActConfigRollout => "act_on_config_rollout".to_owned(),
        Operation::Audit if route.path.contains('{') => "audit_of_network".to_owned(),
        Operation::Audit => "audit".to_owned(),
        Operation::List(kind) => of("list", kind),
        Operation::Read(kind) => of("get", kind),
        Operation::Put(kind) => of("put", kind),
        Operation::Patch(kind) => of("patch", kind),
        Operation::Delete(kind) => of("delete", kind),
        Operation::Versions(kind) => of("versions_of", kind),
        Operation::Rollback(kind) => of("roll_back", kind),
        Operation::Import(kind) => of("import", kind),
    }
}

fn tag(operation: Operation) -> &'static str {
    match operation {
        Operation::List(kind)
        | Operation::Read(kind)
        | Operation::Put(kind)
        | Operation::Patch(kind)
        | Operation::Delete(kind)
        | Operation::Versions(kind)
        | Operation::Rollback(kind)
        | Operation::Import(kind) => kind.collection(),
        Operation::Audit => "audit",
        Operation::CreateGatewayToken
        | Operation::ListGatewayTokens
        | Operation::DeleteGatewayToken
        | Operation::GatewayStates
        | Operation::GatewayStatus
        | Operation::GatewayMetrics
        | Operation::GatewayCertificates
        | Operation::RevokeGateway
        | Operation::Events
        | Operation::Usage
        | Operation::UsageSums
        | Operation::Phones
        | Operation::BaseStations
        | Operation::Overview
        | Operation::Watch
        | Operation::ListDeliveries
        | Operation::TestWebhook
        | Operation::ListJobs
        | Operation::ReadJob
        | Operation::CreateCommand
        | Operation::ListCommands
        | Operation::ReadCommand
        | Operation::CommandData => "fleet",
        Operation::Scrape
        | Operation::History
        | Operation::Kpis
        | Operation::MetricsQuery
        | Operation::ListAlarms
        | Operation::ReadAlarm
        | Operation::ListAlarmRules
        | Operation::PreviewRule
        | Operation::ListNotices
        | Operation::TestReceiver
        | Operation::TmfAlarms
        | Operation::TmfAlarm
        | Operation::TmfResources
        | Operation::TmfResource
        | Operation::CreateTrace
        | Operation::ListTraces
        | Operation::ReadTrace
        | Operation::DeleteTrace
        | Operation::TraceLadder
        | Operation::TraceCapture => "watching",
        Operation::CreateRelease
        | Operation::ListReleases
        | Operation::ReadRelease
        | Operation::PutReleaseData
        | Operation::DeleteRelease
        | Operation::CreateRollout
        | Operation::ListRollouts
        | Operation::ReadRollout
        | Operation::ActRollout => "upgrades",
        Operation::CreateConfigRollout
        | Operation::ListConfigRollouts
        | Operation::ReadConfigRollout
        | Operation::ActConfigRollout => "config-rollouts",
        Operation::Document | Operation::Backup => "about",
        _ => "accounts",
    }
}

fn request(operation: Operation) -> Option<Value> {
    let json = |form: &str, schema: Value| json!({"required": true, "content": {form: {"schema": schema}}});
    let named = |name: &str| json("application/json", reference(name));
    Some(match operation {
        Operation::SetUp => named("Setup"),
        Operation::Login => named("Login"),
        Operation::ChangePassword => named("PasswordChange"),
        Operation::PutUser => named("UserChange"),
        Operation::CreateKey => named("KeyRequest"),
        Operation::Backup => named("BackupRequest"),
        Operation::CreateGatewayToken => named("GatewayTokenRequest"),
        Operation::CreateCommand => named("CommandRequest"),
        Operation::PreviewRule => named(Kind::AlertRule.schema_name()),
        Operation::CreateTrace => named("TraceRequest"),
        Operation::CreateRelease => named("ReleaseRequest"),
        Operation::PutReleaseData => {
            json("application/octet-stream", json!({"type": "string", "format": "binary", "maxLength": 1_048_576}))
        }
        Operation::CreateRollout => named("RolloutPlan"),
        Operation::CreateConfigRollout => named("ConfigRolloutRequest"),
        Operation::ActRollout | Operation::ActConfigRollout => named("RolloutActRequest"),
        Operation::Put(kind) => named(kind.schema_name()),
        Operation::Patch(_) => json("application/merge-patch+json", json!({"type": "object"})),
        Operation::Rollback(_) => {
            let properties = json!({"revision": {"type": "integer", "minimum": 1, "maximum": i64::MAX}});
            let schema = json!({"type": "object", "required": ["revision"], "properties": properties,
                                "additionalProperties": false});
            json("application/json", schema)
        }
        Operation::Import(_) => json!({"required": true, "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        }}),
        _ => return None,
    })
}

fn responses(route: &Route) -> Value {
    let json = |schema: Value| json!({"description": "Done.", "content": {"application/json": {"schema": schema}}});
    let page = |items: Value| {
        let properties =
            json!({"items": {"type": "array", "items": items}, "next_cursor": {"type": ["string", "null"]}});
        json(json!({"type": "object", "required": ["items"], "properties": properties}))
    };
    let (good, answer) = match route.operation {
        Operation::List(kind) => ("200", page(object(kind))),
        Operation::Read(kind) | Operation::Patch(kind) | Operation::Rollback(kind) => ("200", json(object(kind))),
        Operation::Put(kind) => ("200", json(object(kind))),
        Operation::ListUsers => ("200", page(reference("User"))),
        Operation::PutUser => ("200", json(reference("User"))),
        Operation::SetUp => ("201", json(reference("User"))),
        Operation::Login => ("201", json(reference("Session"))),
        Operation::CreateKey => ("201", json(reference("ApiKey"))),
        Operation::CreateGatewayToken => ("201", json(reference("GatewayToken"))),
        Operation::CreateCommand => ("201", json(reference("Command"))),
        Operation::Logout
        | Operation::DeleteSession
        | Operation::ChangePassword
        | Operation::DeleteUser
        | Operation::DeleteKey
        | Operation::DeleteGatewayToken
        | Operation::RevokeGateway
        | Operation::DeleteRelease
        | Operation::DeleteTrace
        | Operation::Delete(_) => ("204", json!({"description": "Done."})),
        Operation::CreateTrace => ("201", json(reference("Trace"))),
        Operation::ListTraces => ("200", page(reference("Trace"))),
        Operation::ReadTrace => ("200", json(reference("Trace"))),
        Operation::TraceLadder => ("200", json(reference("TraceLadder"))),
        Operation::TraceCapture => {
            let form = json!({"application/x-pcapng": {"schema": {"type": "string", "format": "binary"}}});
            ("200", json!({"description": "All messages, their keys zeroed, for Wireshark.", "content": form}))
        }
        Operation::CreateRelease => ("201", json(reference("Release"))),
        Operation::ListReleases => ("200", page(reference("Release"))),
        Operation::ReadRelease | Operation::PutReleaseData => ("200", json(reference("Release"))),
        Operation::CreateRollout => ("201", json(reference("Rollout"))),
        Operation::ListRollouts => ("200", page(reference("Rollout"))),
        Operation::ReadRollout | Operation::ActRollout => ("200", json(reference("Rollout"))),
        Operation::CreateConfigRollout => ("201", json(reference("ConfigRollout"))),
        Operation::ListConfigRollouts => ("200", page(reference("ConfigRollout"))),
        Operation::ReadConfigRollout | Operation::ActConfigRollout => ("200", json(reference("ConfigRollout"))),
        Operation::LoginOptions => ("200", json(reference("LoginOptions"))),
        Operation::BeginLogin | Operation::FinishLogin => {
            let place = json!({"Location": {"schema": {"type": "string"}}});
            ("303", json!({"description": "The browser goes on there.", "headers": place}))
        }
        Operation::ListSessions => ("200", page(reference("OwnSession"))),
        Operation::Versions(_) => ("200", page(reference("Version"))),
        Operation::ListKeys => ("200", page(reference("ApiKey"))),
        Operation::Audit => ("200", page(reference("AuditLine"))),
        Operation::ListGatewayTokens => ("200", page(reference("GatewayToken"))),
        Operation::GatewayStates => ("200", page(reference("GatewayStatus"))),
        Operation::GatewayCertificates => ("200", page(reference("Certificate"))),
        Operation::Events => ("200", page(reference("Event"))),
        Operation::Usage => ("200", page(reference("UsageRecord"))),
        Operation::UsageSums => ("200", page(reference("UsageSum"))),
        Operation::Phones => ("200", page(reference("Phone"))),
        Operation::BaseStations => ("200", page(reference("BaseStation"))),
        Operation::ListCommands => ("200", page(reference("Command"))),
        Operation::ReadCommand => ("200", json(reference("Command"))),
        Operation::CommandData => ("200", json(reference("CommandData"))),
        Operation::GatewayStatus => ("200", json(reference("GatewayStatus"))),
        Operation::Overview => ("200", json(reference("Overview"))),
        Operation::Backup => {
            let form = json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}});
            let said = "A copy of everything but the sealing key, in the `age` format; `basalt backup` verifies and restores it.";
            ("200", json!({"description": said, "content": form}))
        }
        Operation::Watch => {
            let form = json!({"text/event-stream": {"schema": {"type": "string"}}});
            let said =
                "Server-sent events: object, event, phone, gateway; reset: read everything anew; end: why it ends.";
            ("200", json!({"description": said, "content": form}))
        }
        Operation::ListDeliveries => ("200", page(reference("Delivery"))),
        Operation::TestWebhook | Operation::TestReceiver => ("202", json(reference("Delivery"))),
        Operation::Scrape => {
            let form = json!({"text/plain": {"schema": {"type": "string"}}});
            (
                "200",
                json!({"description": "Prometheus' text form, with network and gateway as labels.", "content": form}),
            )
        }
        Operation::History => ("200", json(reference("History"))),
        Operation::Kpis => ("200", json(reference("Kpis"))),
        Operation::ListAlarms => ("200", page(reference("Alarm"))),
        Operation::ReadAlarm => ("200", json(reference("Alarm"))),
        Operation::ListAlarmRules => ("200", page(reference("AlarmRule"))),
        Operation::PreviewRule => ("200", json(reference("RulePreview"))),
        Operation::ListNotices => ("200", page(reference("Delivery"))),
        Operation::TmfAlarms | Operation::TmfResources => {
            ("200", json(json!({"type": "array", "items": {"type": "object"}})))
        }
        Operation::ListJobs => ("200", page(reference("Job"))),
        Operation::ReadJob => ("200", json(reference("Job"))),
        Operation::Me => ("200", json(reference("Me"))),
        Operation::Document
        | Operation::Import(_)
        | Operation::GatewayMetrics
        | Operation::MetricsQuery
        | Operation::TmfAlarm
        | Operation::TmfResource => ("200", json(json!({"type": "object"}))),
    };
    let mut all = json!({ good: answer.clone() });
    if matches!(route.operation, Operation::Put(_) | Operation::PutUser) {
        all["201"] = answer;
    }
    if let Operation::List(kind) | Operation::Read(kind) = route.operation
        && (kind.scope() == Scope::Network || matches!(route.operation, Operation::Read(Kind::Network)))
    {
        all["200"]["content"]["text/event-stream"] = json!({"schema": {"type": "string", "description": "Where that \
            is accepted, or with `?watch=true`: what changes here, as it happens, as the network's `watch` tells it."}});
    }
    if let Operation::CreateRelease = route.operation {
        all["200"] = json(reference("Release"));
    }
    if let Operation::Import(_) = route.operation {
        all["202"] = json(reference("Job"));
    }
    if let Operation::List(_) | Operation::Audit | Operation::Events = route.operation {
        for form in ["application/x-ndjson", "text/csv"] {
            all["200"]["content"][form] = json!({"schema": {"type": "string"}});
        }
    }
    let schema = json!({"application/problem+json": {"schema": reference("Problem")}});
    all["default"] = json!({"description": "A refusal (RFC 9457).", "content": schema});
    all
}

/// An object as it is shown.
fn object(kind: Kind) -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "revision": {"type": "integer", "description": "The entity tag."},
            "changed_at": {"type": "integer", "description": "Milliseconds since 1970."},
            "changed_by": {"type": "string"},
            "has_secrets": {"type": "boolean"},
            "body": reference(kind.schema_name()),
        },
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn schemas() -> Value {
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    Kind::ALL.iter().for_each(|kind| kind.schemas(&mut all));
    add::<Problem>("Problem", &mut all);
    add::<Setup>("Setup", &mut all);
    add::<Login>("Login", &mut all);
    add::<UserChange>("UserChange", &mut all);
    add::<PasswordChange>("PasswordChange", &mut all);
    add::<KeyRequest>("KeyRequest", &mut all);
    add::<BackupRequest>("BackupRequest", &mut all);
    add::<GatewayTokenRequest>("GatewayTokenRequest", &mut all);
    add::<CommandRequest>("CommandRequest", &mut all);
    add::<ReleaseRequest>("ReleaseRequest", &mut all);
    add::<TraceRequest>("TraceRequest", &mut all);
    add::<RolloutPlan>("RolloutPlan", &mut all);
    add::<ConfigRolloutPlan>("ConfigRolloutPlan", &mut all);
    add::<ConfigRolloutRequest>("ConfigRolloutRequest", &mut all);
    add::<RolloutActRequest>("RolloutActRequest", &mut all);
    add::<User>("User", &mut all);
    add::<Grant>("Grant", &mut all);
    let sorted: std::collections::BTreeMap<String, Value> = all
        .into_iter()
        .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
        .chain(crate::shapes::shapes())
        .collect();
    json!(sorted)
}

fn add<T: ToSchema + PartialSchema>(name: &str, out: &mut Vec<(String, RefOr<Schema>)>) {
    out.push((name.to_owned(), T::schema()));
    T::schemas(out);
}
