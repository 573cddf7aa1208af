//! A network to begin with, and a token for a gateway of this machine: what `basalt up` asks for.

use crate::now;
use anyhow::{Context, Result};
use orchestrator_api::{JoinPoint, digest_of, new_secret};
use orchestrator_db::{Change, GatewayToken, Precondition, Query, Repository, Sort, Target};
use orchestrator_model::Kind;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// As whom it is done, in versions and tokens.
const WHO: &str = "orchestratord";
/// The gateway that starts beside it joins at once.
const HOUR: i64 = 3600 * 1000;
const TIER: &str = "stable";

/// Makes the network with what a first phone needs, if there is no network at all. A token for a gateway to join it, or `None` when
/// there are only others: those are somebody's, and he says who joins.
pub(crate) async fn prepare(db: &dyn Repository, network: &str, join: &JoinPoint) -> Result<Option<String>> {
    let any = Query { sort: Sort::Name, descending: false, filters: Vec::new(), after: None, limit: 1 };
    if db.objects(Kind::Network, "", &any).await?.items.is_empty() {
        let rate = json!({"max_ul_bit_rate": 1_000_000_000_u64, "max_dl_bit_rate": 1_000_000_000_u64});
        let made = [
            change(Kind::Tenant, "", network, json!({}))?,
            change(Kind::Network, "", network, json!({ "tenant": network }))?,
            change(Kind::Tier, network, TIER, json!({}))?,
            change(Kind::Apn, network, "internet", json!({ "qci": 9, "ambr": rate }))?,
        ];
        db.apply(WHO, now(), &made).await?;
        tracing::info!(network, "the first network was made");
    }
    let tier = Target { kind: Kind::Tier, network: network.to_owned(), name: TIER.to_owned() };
    if db.object(&tier).await?.is_none() {
        return Ok(None);
    }
    let secret = new_secret().context("the system has no randomness")?;
    let digest = digest_of(&secret);
    let token = GatewayToken {
        id: digest.chars().take(16).collect(),
        digest,
        network: network.to_owned(),
        tier: TIER.to_owned(),
        gateway: String::new(),
        created_by: WHO.to_owned(),
        created_at: now(),
        expires_at: now() + HOUR,
        used_at: 0,
        used_by: String::new(),
    };
    db.put_gateway_token(&token).await?;
    Ok(Some(join.token(&secret)))
}

/// Where a gateway of this machine finds it: on the loopback, whatever addresses the machine will have later.
pub(crate) fn here(listens: SocketAddr) -> SocketAddr {
    match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listens.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listens.port())),
        _ => listens,
    }
}

fn change(kind: Kind, network: &str, name: &str, body: Value) -> Result<Change> {
    let parsed = kind.parse_value(name, body);
    let parsed = parsed.map_err(|errors| anyhow::anyhow!("`{name}` cannot be a first network: {errors:?}"))?;
    let target = Target { kind, network: network.to_owned(), name: name.to_owned() };
    let (body, references) = (Some(parsed.body), parsed.references);
    Ok(Change { target, precondition: Precondition::Absent, body, sealed: None, references })
}
