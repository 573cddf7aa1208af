//! Who had an external port.

use crate::client::Client;
use crate::error::Result;
use crate::output::Out;
use crate::text;
use basalt_control_api::gateway::v1 as api;
use serde::Serialize;
use std::net::Ipv4Addr;

/// The answer as JSON.
#[derive(Serialize)]
struct Holder {
    imsi: String,
    inside: String,
    first_port: u32,
    last_port: u32,
    since: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// `basalt who ADDRESS PORT --at SECONDS`
pub(super) async fn run(
    address: Ipv4Addr,
    port: u16,
    at: Option<u64>,
    client: &mut Client,
    out: &mut Out<'_>,
) -> Result<()> {
    let time = at.unwrap_or(out.now);
    let request = api::GetPortHolderRequest { address: address.to_string(), port: port.into(), time };
    let found = client
        .ask(|mut client| {
            let request = request.clone();
            async move { client.get_port_holder(request).await }
        })
        .await?;
    let api::PortHolder { imsi, inside, first_port, last_port, since, until } = found;
    let until = (until != 0).then_some(until);
    if out.is_json() {
        return Ok(out.json(&Holder { imsi, inside, first_port, last_port, since, until })?);
    }
    Ok(out.fields(&[
        ("phone", imsi),
        ("address", inside),
        ("ports", format!("{first_port}-{last_port} of {address}")),
        ("since", text::utc(since)),
        ("until", until.map_or_else(|| "not taken back".to_owned(), text::utc)),
    ])?)
}
