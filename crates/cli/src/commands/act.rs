//! Commands that do something to phones and base stations.

use super::imsi as parse_imsi;
use crate::args::Reset;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::text;
use basalt_control_api::gateway::v1 as api;

pub(super) async fn detach(imsi: &str, reattach: bool, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let imsi = parse_imsi(imsi)?;
    let request = api::DetachUeRequest { imsi: imsi.clone(), reattach };
    client.ask(|mut client| async move { client.detach_ue(request).await }).await?;
    let what = if reattach { "is being detached, and asked to attach again" } else { "is being detached" };
    done(out, "detach", &imsi, &format!("{imsi} {what}"))
}

pub(super) async fn page(imsi: &str, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let imsi = parse_imsi(imsi)?;
    let request = api::PageUeRequest { imsi: imsi.clone() };
    client.ask(|mut client| async move { client.page_ue(request).await }).await?;
    done(
        out,
        "page",
        &imsi,
        &format!("{imsi} is being called; `basalt events --imsi {imsi} -f` shows whether it answers"),
    )
}

pub(super) async fn deactivate(imsi: &str, ebi: u32, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let imsi = parse_imsi(imsi)?;
    let request = api::DeactivateSessionRequest { imsi: imsi.clone(), ebi };
    client.ask(|mut client| async move { client.deactivate_session(request).await }).await?;
    done(out, "deactivate", &imsi, &format!("session {ebi} of {imsi} is being ended"))
}

pub(super) async fn reset(what: Reset, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let Reset::Enb { id } = what;
    let enbs = client.enbs().await?;
    let enb = find_enb(&enbs, &id)?;
    let (id, phones) = (enb.id.clone(), enb.connected_ues);
    let request = api::ResetEnbRequest { id: id.clone() };
    client.ask(|mut client| async move { client.reset_enb(request).await }).await?;
    let blast = match phones {
        0 => "no phone was connected".to_owned(),
        count => format!(
            "{} will come back",
            text::counted(count.into(), "phone loses its connection and", "phones lose their connections and")
        ),
    };
    done(out, "reset", &id, &format!("{id} is being reset; {blast}"))
}

/// A base station by identity or, if only one has it, by name.
pub(super) fn find_enb<'a>(enbs: &'a [api::Enb], wanted: &str) -> Result<&'a api::Enb> {
    if let Some(enb) = enbs.iter().find(|enb| enb.id.eq_ignore_ascii_case(wanted)) {
        return Ok(enb);
    }
    let mut named = enbs.iter().filter(|enb| !enb.name.is_empty() && enb.name == wanted);
    match (named.next(), named.next()) {
        (Some(enb), None) => Ok(enb),
        (Some(_), Some(_)) => Err(Error::usage(
            format!("several base stations are named `{}`", wanted.escape_debug()),
            "give the identity that `basalt get enbs` shows",
        )),
        (None, _) => {
            let known: Vec<&str> = enbs.iter().take(10).map(|enb| enb.id.as_str()).collect();
            let fix = if known.is_empty() {
                "no base station is connected; `basalt doctor` says why".to_owned()
            } else {
                format!("connected are: {}; see `basalt get enbs`", known.join(", "))
            };
            Err(Error::not_found(format!("no base station `{}` is connected", wanted.escape_debug()), fix))
        }
    }
}

fn done(out: &mut Out<'_>, command: &str, subject: &str, words: &str) -> Result<()> {
    if out.is_json() {
        let answer = serde_json::json!({ "command": command, "subject": subject, "started": true });
        return Ok(out.json(&answer)?);
    }
    Ok(out.line(words)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enbs() -> Vec<api::Enb> {
        let enb = |id: &str, name: &str| api::Enb { id: id.to_owned(), name: name.to_owned(), ..Default::default() };
        vec![
            enb("001-01/0x19b", "north"),
            enb("001-01/0x19c", "twin"),
            enb("001-01/0x19d", "twin"),
            enb("001-01/0x19e", ""),
        ]
    }

    #[test]
    fn base_stations_are_found_by_identity_or_name() {
        let enbs = enbs();
        assert_eq!(find_enb(&enbs, "001-01/0X19B").unwrap().name, "north");
        assert_eq!(find_enb(&enbs, "north").unwrap().id, "001-01/0x19b");
        assert_eq!(find_enb(&enbs, "twin").unwrap_err().exit_code(), 2);
        assert_eq!(find_enb(&enbs, "").unwrap_err().exit_code(), 1);
        assert_eq!(find_enb(&[], "x").unwrap_err().exit_code(), 1);
    }
}
