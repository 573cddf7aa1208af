//! The table of routes: method, address, right, work. The listener and the document are made from it.

use crate::Need;
use crate::Role::{Admin, Operator, Viewer};
use orchestrator_model::{Kind, Scope};

/// The beginning of every address.
pub(crate) const PREFIX: &str = "/api/v1";

/// The work behind a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The document of this interface.
    Document,
    /// Make the first user with the setup token.
    SetUp,
    /// Begin a session.
    Login,
    /// How one can log in.
    LoginOptions,
    /// Be sent to a provider of identity.
    BeginLogin,
    /// Come back from it.
    FinishLogin,
    /// End the session.
    Logout,
    /// One's sessions.
    ListSessions,
    /// End one of them.
    DeleteSession,
    /// Who am I.
    Me,
    /// Another password of one's own.
    ChangePassword,
    /// Users, of the installation or of a tenant.
    ListUsers,
    /// Make a user, or change grants or password.
    PutUser,
    /// Delete a user.
    DeleteUser,
    /// One's API keys.
    ListKeys,
    /// Make an API key.
    CreateKey,
    /// Revoke an API key.
    DeleteKey,
    /// The audit log of the installation, or of a network.
    Audit,
    /// An encrypted copy of everything.
    Backup,
    /// A token for a gateway to join with.
    CreateGatewayToken,
    /// Tokens of a network.
    ListGatewayTokens,
    /// Take a token back.
    DeleteGatewayToken,
    /// How the gateways of a network are.
    GatewayStates,
    /// How a gateway is.
    GatewayStatus,
    /// Metrics of a gateway.
    GatewayMetrics,
    /// Certificates of a gateway.
    GatewayCertificates,
    /// Revoke a gateway's device and certificates.
    RevokeGateway,
    /// Events of a gateway, a network, or of nobody that is known.
    Events,
    /// Metrics of gateways for a metrics server: of all, or of a network.
    Scrape,
    /// Series over time.
    History,
    /// Key performance indicators.
    Kpis,
    /// A query of a metrics server, narrowed to a network.
    MetricsQuery,
    /// Alarms of all, or of a network.
    ListAlarms,
    /// One alarm.
    ReadAlarm,
    /// Rules that hold without setup.
    ListAlarmRules,
    /// What a rule would find.
    PreviewRule,
    /// What was sent to a receiver of alarms.
    ListNotices,
    /// Send a receiver a test.
    TestReceiver,
    /// Alarms as TM Forum has them.
    TmfAlarms,
    /// One of them.
    TmfAlarm,
    /// Resources as TM Forum has them.
    TmfResources,
    /// One of them.
    TmfResource,
    /// Usage records.
    Usage,
    /// Sums of usage.
    UsageSums,
    /// Phones as they are now.
    Phones,
    /// Base stations that gateways see, known or not.
    BaseStations,
    /// A network in numbers.
    Overview,
    /// What changes in a network, as it happens.
    Watch,
    /// What was sent to a webhook.
    ListDeliveries,
    /// Send a webhook a test.
    TestWebhook,
    /// Long work.
    ListJobs,
    /// How far one is.
    ReadJob,
    /// Have a gateway do something.
    CreateCommand,
    /// What a gateway was asked to do.
    ListCommands,
    /// How a command is.
    ReadCommand,
    /// What a command gave besides words.
    CommandData,
    /// Begin a call trace.
    CreateTrace,
    /// Call traces of a network.
    ListTraces,
    /// A call trace.
    ReadTrace,
    /// End a call trace and forget it.
    DeleteTrace,
    /// What a call trace recorded, decoded.
    TraceLadder,
    /// What a call trace recorded, for Wireshark.
    TraceCapture,
    /// Make a release known.
    CreateRelease,
    /// Releases.
    ListReleases,
    /// A release.
    ReadRelease,
    /// The next piece of its program.
    PutReleaseData,
    /// Forget a release.
    DeleteRelease,
    /// Upgrade a tier.
    CreateRollout,
    /// Upgrades of tiers.
    ListRollouts,
    /// How one is.
    ReadRollout,
    /// Pause it, go on, take it back, leave it.
    ActRollout,
    /// Change objects at some gateways first.
    CreateConfigRollout,
    /// Staged changes of objects.
    ListConfigRollouts,
    /// How one is.
    ReadConfigRollout,
    /// Pause it, go on, take it back, drop it.
    ActConfigRollout,
    /// A page of objects.
    List(Kind),
    /// One object.
    Read(Kind),
    /// Create or replace.
    Put(Kind),
    /// Change some fields (RFC 7396).
    Patch(Kind),
    /// Delete.
    Delete(Kind),
    /// Versions of an object.
    Versions(Kind),
    /// Go back to a version.
    Rollback(Kind),
    /// Many at once.
    Import(Kind),
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The address, with parameters in braces.
    pub path: String,
    /// What it needs.
    pub need: Need,
    /// What it does.
    pub operation: Operation,
}

/// All routes.
#[must_use]
pub fn routes() -> Vec<Route> {
    let fixed = [
        ("GET", "/openapi.json", Need::Nothing, Operation::Document),
        ("POST", "/setup", Need::Nothing, Operation::SetUp),
        ("POST", "/sessions", Need::Nothing, Operation::Login),
        ("GET", "/login/options", Need::Nothing, Operation::LoginOptions),
        ("GET", "/login/oidc/{name}", Need::Nothing, Operation::BeginLogin),
        ("GET", "/login/oidc/{name}/callback", Need::Nothing, Operation::FinishLogin),
        ("GET", "/sessions", Need::Somebody, Operation::ListSessions),
        ("DELETE", "/sessions/current", Need::Somebody, Operation::Logout),
        ("DELETE", "/sessions/{name}", Need::Somebody, Operation::DeleteSession),
        ("GET", "/me", Need::Somebody, Operation::Me),
        ("POST", "/me/password", Need::Somebody, Operation::ChangePassword),
        ("GET", "/users", Need::Everywhere(Admin), Operation::ListUsers),
        ("PUT", "/users/{name}", Need::Everywhere(Admin), Operation::PutUser),
        ("DELETE", "/users/{name}", Need::Everywhere(Admin), Operation::DeleteUser),
        ("GET", "/tenants/{tenant}/users", Need::InTenant(Admin), Operation::ListUsers),
        ("PUT", "/tenants/{tenant}/users/{name}", Need::InTenant(Admin), Operation::PutUser),
        ("DELETE", "/tenants/{tenant}/users/{name}", Need::InTenant(Admin), Operation::DeleteUser),
        ("GET", "/api-keys", Need::Somebody, Operation::ListKeys),
        ("POST", "/api-keys", Need::Somebody, Operation::CreateKey),
        ("DELETE", "/api-keys/{name}", Need::Somebody, Operation::DeleteKey),
        ("GET", "/audit", Need::Everywhere(Admin), Operation::Audit),
        ("GET", "/networks/{network}/audit", Need::InNetwork(Admin), Operation::Audit),
        ("POST", "/backups", Need::Everywhere(Admin), Operation::Backup),
        ("GET", "/events", Need::Everywhere(Viewer), Operation::Events),
        ("GET", "/metrics", Need::Everywhere(Viewer), Operation::Scrape),
        ("GET", "/alarms", Need::Everywhere(Viewer), Operation::ListAlarms),
        ("GET", "/alarm-rules", Need::Somebody, Operation::ListAlarmRules),
        ("POST", "/releases", Need::Everywhere(Admin), Operation::CreateRelease),
        ("GET", "/releases", Need::Somebody, Operation::ListReleases),
        ("GET", "/releases/{name}", Need::Somebody, Operation::ReadRelease),
        ("PUT", "/releases/{name}/data", Need::Everywhere(Admin), Operation::PutReleaseData),
        ("DELETE", "/releases/{name}", Need::Everywhere(Admin), Operation::DeleteRelease),
    ];
    let fixed =
        fixed.into_iter().map(|(method, path, need, operation)| route(method, path.to_owned(), need, operation));
    fixed.chain(of_gateways()).chain(of_watching()).chain(Kind::ALL.iter().flat_map(|kind| of_kind(*kind))).collect()
}

fn of_gateways() -> Vec<Route> {
    let (view, act) = (Need::InNetwork(Viewer), Need::InNetwork(Operator));
    let all = [
        ("POST", "gateway-tokens", act, Operation::CreateGatewayToken),
        ("GET", "gateway-tokens", view, Operation::ListGatewayTokens),
        ("DELETE", "gateway-tokens/{name}", act, Operation::DeleteGatewayToken),
        ("GET", "gateway-states", view, Operation::GatewayStates),
        ("GET", "gateways/{name}/status", view, Operation::GatewayStatus),
        ("GET", "gateways/{name}/metrics", view, Operation::GatewayMetrics),
        ("GET", "gateways/{name}/certificates", view, Operation::GatewayCertificates),
        ("POST", "gateways/{name}/revoke", act, Operation::RevokeGateway),
        ("GET", "gateways/{name}/events", view, Operation::Events),
        ("POST", "gateways/{name}/commands", act, Operation::CreateCommand),
        ("GET", "gateways/{name}/commands", view, Operation::ListCommands),
        ("GET", "commands/{name}", view, Operation::ReadCommand),
        ("GET", "commands/{name}/data", act, Operation::CommandData),
        ("POST", "traces", act, Operation::CreateTrace),
        ("GET", "traces", view, Operation::ListTraces),
        ("GET", "traces/{name}", view, Operation::ReadTrace),
        ("DELETE", "traces/{name}", act, Operation::DeleteTrace),
        ("GET", "traces/{name}/ladder", act, Operation::TraceLadder),
        ("GET", "traces/{name}/pcapng", act, Operation::TraceCapture),
        ("GET", "events", view, Operation::Events),
        ("GET", "usage", view, Operation::Usage),
        ("GET", "usage/sums", view, Operation::UsageSums),
        ("GET", "phones", view, Operation::Phones),
        ("GET", "base-stations", view, Operation::BaseStations),
        ("GET", "overview", view, Operation::Overview),
        ("GET", "watch", view, Operation::Watch),
        ("GET", "webhooks/{name}/deliveries", view, Operation::ListDeliveries),
        ("POST", "webhooks/{name}/test", act, Operation::TestWebhook),
        ("POST", "rollouts", act, Operation::CreateRollout),
        ("GET", "rollouts", view, Operation::ListRollouts),
        ("GET", "rollouts/{name}", view, Operation::ReadRollout),
        ("POST", "rollouts/{name}/act", act, Operation::ActRollout),
        ("POST", "config-rollouts", act, Operation::CreateConfigRollout),
        ("GET", "config-rollouts", view, Operation::ListConfigRollouts),
        ("GET", "config-rollouts/{name}", view, Operation::ReadConfigRollout),
        ("POST", "config-rollouts/{name}/act", act, Operation::ActConfigRollout),
        ("GET", "jobs", view, Operation::ListJobs),
        ("GET", "jobs/{name}", view, Operation::ReadJob),
    ];
    let one = |(method, path, need, operation)| route(method, format!("/networks/{{network}}/{path}"), need, operation);
    all.into_iter().map(one).collect()
}

fn of_watching() -> Vec<Route> {
    let (view, act) = (Need::InNetwork(Viewer), Need::InNetwork(Operator));
    let all = [
        ("GET", "metrics", view, Operation::Scrape),
        ("GET", "history", view, Operation::History),
        ("GET", "kpis", view, Operation::Kpis),
        ("GET", "prometheus/api/v1/query", view, Operation::MetricsQuery),
        ("GET", "prometheus/api/v1/query_range", view, Operation::MetricsQuery),
        ("GET", "prometheus/api/v1/series", view, Operation::MetricsQuery),
        ("GET", "prometheus/api/v1/labels", view, Operation::MetricsQuery),
        ("GET", "prometheus/api/v1/label/{name}/values", view, Operation::MetricsQuery),
        ("GET", "alarms", view, Operation::ListAlarms),
        ("GET", "alarms/{name}", view, Operation::ReadAlarm),
        ("POST", "alert-rules/preview", act, Operation::PreviewRule),
        ("GET", "alert-receivers/{name}/deliveries", view, Operation::ListNotices),
        ("POST", "alert-receivers/{name}/test", act, Operation::TestReceiver),
        ("GET", "tmf-api/alarmManagement/v4/alarm", view, Operation::TmfAlarms),
        ("GET", "tmf-api/alarmManagement/v4/alarm/{name}", view, Operation::TmfAlarm),
        ("GET", "tmf-api/resourceInventoryManagement/v4/resource", view, Operation::TmfResources),
        ("GET", "tmf-api/resourceInventoryManagement/v4/resource/{name}", view, Operation::TmfResource),
    ];
    let one = |(method, path, need, operation)| route(method, format!("/networks/{{network}}/{path}"), need, operation);
    all.into_iter().map(one).collect()
}

fn route(method: &'static str, path: String, need: Need, operation: Operation) -> Route {
    Route { method, path: format!("{PREFIX}{path}"), need, operation }
}

fn of_kind(kind: Kind) -> Vec<Route> {
    let collection = kind.collection();
    let (all, one) = match (kind, kind.scope()) {
        (Kind::Network, _) => ("/networks".to_owned(), "/networks/{network}".to_owned()),
        (_, Scope::Global) => (format!("/{collection}"), format!("/{collection}/{{name}}")),
        (_, Scope::Network) => {
            (format!("/networks/{{network}}/{collection}"), format!("/networks/{{network}}/{collection}/{{name}}"))
        }
    };
    // Networks are listed to everybody who has some; making them is a matter of their tenant.
    let (list, read, change, make) = match (kind, kind.scope()) {
        (Kind::Network, _) => {
            (Need::Somebody, Need::InNetwork(Viewer), Need::InNetwork(Operator), Need::InNetwork(Admin))
        }
        (_, Scope::Global) => {
            let admin = Need::Everywhere(Admin);
            (Need::Everywhere(Viewer), Need::Everywhere(Viewer), admin, admin)
        }
        (_, Scope::Network) => {
            let change = Need::InNetwork(Operator);
            (Need::InNetwork(Viewer), Need::InNetwork(Viewer), change, change)
        }
    };
    let mut routes = vec![
        route("GET", all.clone(), list, Operation::List(kind)),
        route("GET", one.clone(), read, Operation::Read(kind)),
        route("PUT", one.clone(), make, Operation::Put(kind)),
        route("PATCH", one.clone(), change, Operation::Patch(kind)),
        route("DELETE", one.clone(), make, Operation::Delete(kind)),
        route("GET", format!("{one}/versions"), read, Operation::Versions(kind)),
        route("POST", format!("{one}/rollback"), make, Operation::Rollback(kind)),
    ];
    if kind.scope() == Scope::Network {
        routes.push(route("POST", format!("{all}/import"), change, Operation::Import(kind)));
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_route_is_there_twice_and_only_six_are_open() {
        let all = routes();
        let distinct: BTreeSet<(&str, &str)> = all.iter().map(|route| (route.method, route.path.as_str())).collect();
        assert_eq!(distinct.len(), all.len());
        let open = all.iter().filter(|route| route.need == Need::Nothing);
        assert_eq!(
            open.map(|route| route.path.as_str()).collect::<Vec<_>>(),
            [
                "/api/v1/openapi.json",
                "/api/v1/setup",
                "/api/v1/sessions",
                "/api/v1/login/options",
                "/api/v1/login/oidc/{name}",
                "/api/v1/login/oidc/{name}/callback"
            ]
        );
    }

    #[test]
    fn what_names_a_network_needs_a_right_in_it() {
        for route in routes() {
            let named = route.path.contains("{network}");
            assert_eq!(named, matches!(route.need, Need::InNetwork(_)), "{} {}", route.method, route.path);
            let named = route.path.contains("{tenant}");
            assert_eq!(named, matches!(route.need, Need::InTenant(_)), "{} {}", route.method, route.path);
        }
    }
}
