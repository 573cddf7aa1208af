//! What happened, and what happens.

use super::imsi as parse_imsi;
use crate::client::Client;
use crate::error::Result;
use crate::output::Out;
use crate::{text, view};
use basalt_control_api::gateway::v1 as api;

pub(super) async fn run(
    imsi: Option<&str>,
    follow: bool,
    last: u32,
    client: &mut Client,
    out: &mut Out<'_>,
) -> Result<()> {
    let imsi = imsi.map(parse_imsi).transpose()?.unwrap_or_default();
    let mut events = client.events(api::WatchEventsRequest { imsi, past: last, past_only: !follow }).await?;
    let mut count = 0_u64;
    while let Some(event) = events.message().await? {
        count += 1;
        if out.is_json() {
            out.json_line(&view::Event::from(&event))?;
        } else {
            out.line(&line(&event, out.is_wide()))?;
        }
    }
    if follow {
        // The stream of a running gateway does not end.
        return Err(tonic::Status::unavailable("it has stopped").into());
    }
    if count == 0 {
        out.note("Nothing has happened since the gateway started. `basalt events -f` waits for what comes.")?;
    }
    Ok(())
}

/// Time, kind, who and what. Identities are not repeated when the words have them.
fn line(event: &api::Event, wide: bool) -> String {
    let time = text::utc_millis(event.unix_millis);
    let mut line = format!("{time}  {:14}  ", event.kind);
    for identity in [&event.imsi, &event.enb] {
        if !identity.is_empty() && !event.text.contains(identity.as_str()) {
            line.push_str(identity);
            line.push_str("  ");
        }
    }
    line.push_str(&event.text);
    if wide && !event.json.is_empty() {
        line.push_str("  ");
        line.push_str(&event.json);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_there_once() {
        let mut event = api::Event {
            unix_millis: 1_795_221_664_007,
            kind: "attached".to_owned(),
            imsi: "001010000000001".to_owned(),
            enb: String::new(),
            text: "attached in 14 ms".to_owned(),
            json: "{}".to_owned(),
        };
        assert_eq!(line(&event, false), "2026-11-21T00:41:04.007Z  attached        001010000000001  attached in 14 ms");
        event.text = "001010000000001 attached".to_owned();
        assert_eq!(line(&event, true), "2026-11-21T00:41:04.007Z  attached        001010000000001 attached  {}");
    }
}
