//! What subscribers used, and what they may use.

use super::imsi as parse_imsi;
use crate::args::Term;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::table::Table;
use crate::{text, view};
use basalt_control_api::gateway::v1 as api;

/// `basalt get usage`
pub(super) async fn list(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let usage = client.usage().await?;
    if out.is_json() {
        return Ok(out.json(&usage.iter().map(view::SubscriberUsage::from).collect::<Vec<_>>())?);
    }
    let mut titles = vec!["IMSI", ">TODAY", ">MONTH", ">UP", ">DOWN", "PLAN", "LAST"];
    if out.is_wide() {
        titles.extend([">UP PKTS", ">DOWN PKTS"]);
    }
    let mut table = Table::new(&titles);
    for one in &usage {
        let total = one.total.unwrap_or_default();
        let mut cells = vec![
            one.imsi.clone(),
            both(one.day),
            both(one.month),
            text::octets(total.uplink_bytes),
            text::octets(total.downlink_bytes),
            one.plan.as_ref().map(plan_words).unwrap_or_default(),
            text::age(out.now, one.last),
        ];
        if out.is_wide() {
            cells.extend([total.uplink_packets.to_string(), total.downlink_packets.to_string()]);
        }
        table.push(cells);
    }
    Ok(out.table(&table, "Nobody has used anything yet. Phones count when packets pass: see `basalt get sessions`.")?)
}

/// `basalt describe usage IMSI`
pub(super) async fn describe(imsi: &str, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::GetUsageRequest { imsi: parse_imsi(imsi)? };
    let usage = client.ask(|mut client| async move { client.get_usage(request).await }).await?;
    if out.is_json() {
        return Ok(out.json(&view::SubscriberUsage::from(&usage))?);
    }
    let mut fields = vec![("phone", usage.imsi.clone())];
    fields.extend(summary(&usage));
    out.fields(&fields)?;
    let mut table = Table::new(&[">NUMBER", "APN", "ADDRESS", "STARTED", "ENDED", ">UP", ">DOWN", "PARTS"]);
    for session in &usage.sessions {
        let total = session.total.unwrap_or_default();
        let ended = if session.ended == 0 { "goes on".to_owned() } else { text::utc(session.ended) };
        table.row([
            session.number.to_string(),
            session.apn.clone(),
            session.address.clone(),
            text::utc(session.started),
            ended,
            text::octets(total.uplink_bytes),
            text::octets(total.downlink_bytes),
            parts(session),
        ]);
    }
    out.text("\n")?;
    Ok(out.table(&table, "No sessions are kept.")?)
}

/// What a phone used, in a few lines: for its description.
pub(super) async fn of_phone(imsi: &str, client: &mut Client) -> Result<Vec<(&'static str, String)>> {
    let request = api::GetUsageRequest { imsi: imsi.to_owned() };
    match client.ask(|mut client| async move { client.get_usage(request).await }).await {
        Ok(usage) => Ok(summary(&usage)),
        // It has used nothing, or the gateway is of a release that does not count.
        Err(error) if error.is_absent() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn summary(usage: &api::SubscriberUsage) -> Vec<(&'static str, String)> {
    let mut fields = vec![(
        "used",
        format!("{} today, {} this month, {} in all", both(usage.day), both(usage.month), both(usage.total)),
    )];
    if let Some(plan) = &usage.plan {
        fields.push(("data plan", plan_words(plan)));
    }
    fields
}

fn both(volume: Option<api::Volume>) -> String {
    let volume = volume.unwrap_or_default();
    text::octets(volume.uplink_bytes.saturating_add(volume.downlink_bytes))
}

fn parts(session: &api::SessionUsage) -> String {
    let bearers = session.bearers.iter().map(|bearer| format!("EBI {}: {}", bearer.ebi, both(bearer.used)));
    let rules = session.rules.iter().map(|rule| format!("rule {}: {}", rule.rule, both(rule.used)));
    let groups = session.rating_groups.iter();
    let groups = groups.map(|group| format!("rating group {}: {}", group.rating_group, both(group.used)));
    bearers.chain(rules).chain(groups).collect::<Vec<_>>().join(", ")
}

/// "4.2 GB of 5 GB a month left, then 128 kbit/s".
fn plan_words(plan: &api::DataPlan) -> String {
    let term = match plan.term() {
        api::PlanTerm::Session => "a session",
        api::PlanTerm::Day => "a day",
        api::PlanTerm::Month | api::PlanTerm::Unspecified => "a month",
    };
    let then = if plan.slow == 0 { "nothing".to_owned() } else { text::rate(plan.slow) };
    let left = if plan.exhausted { "used up:".to_owned() } else { format!("{} left of", text::octets(plan.remaining)) };
    format!("{left} {} {term}, then {then}", text::octets(plan.octets))
}

/// `basalt usage-records`
pub(super) async fn records(
    from: u64,
    acknowledge: u64,
    size: u32,
    client: &mut Client,
    out: &mut Out<'_>,
) -> Result<()> {
    let request = api::ListUsageRecordsRequest { from, page_size: size, acknowledged: acknowledge };
    let page = client.ask(|mut client| async move { client.list_usage_records(request).await }).await?;
    if out.is_json() {
        return Ok(out.json(&view::UsageRecords::from(&page))?);
    }
    let mut table = Table::new(&[
        ">CURSOR",
        "TIME",
        "IMSI",
        ">SESSION",
        "PART",
        ">SEQ",
        ">UP",
        ">DOWN",
        ">UP PKTS",
        ">DOWN PKTS",
        "LAST",
    ]);
    for record in &page.records {
        let used = record.used.unwrap_or_default();
        table.row([
            record.cursor.to_string(),
            text::utc(record.unix_seconds),
            record.imsi.clone(),
            record.session.to_string(),
            part(record),
            record.sequence.to_string(),
            used.uplink_bytes.to_string(),
            used.downlink_bytes.to_string(),
            used.uplink_packets.to_string(),
            used.downlink_packets.to_string(),
            if record.last { "last" } else { "" }.to_owned(),
        ]);
    }
    out.table(&table, "No records from there on.")?;
    Ok(out.note(&format!(
        "Records {} to {} are kept. Next: --from {}; when these are in your books: --acknowledge {}",
        page.first,
        page.end.saturating_sub(1),
        page.next,
        page.next
    ))?)
}

fn part(record: &api::UsageRecord) -> String {
    if let Some(group) = record.rating_group {
        return format!("rating group {group}");
    }
    match (record.ebi, record.rule) {
        (0, None) => "session".to_owned(),
        (ebi, None) => format!("EBI {ebi}"),
        (_, Some(rule)) => format!("rule {rule}"),
    }
}

/// A plan as it is asked for.
pub(super) fn plan(octets: &str, term: Term, then: Option<&str>) -> Result<api::DataPlan> {
    let octets = octets_of(octets)?;
    let slow = match then {
        None | Some("block") => 0,
        Some(rate) => match text::parse_rate(rate) {
            Ok(0) => return Err(Error::usage("a plan without a bound is none", "--none takes the plan away")),
            Ok(rate) => rate,
            Err(what) => return Err(Error::usage(what, "--then 128k, or --then block")),
        },
    };
    let term = match term {
        Term::Session => api::PlanTerm::Session,
        Term::Day => api::PlanTerm::Day,
        Term::Month => api::PlanTerm::Month,
    };
    Ok(api::DataPlan { octets, term: term.into(), slow, remaining: 0, exhausted: false })
}

/// Reads "5G", "500M", "1.5 GB": decimal, as operators sell it.
pub(super) fn octets_of(text: &str) -> Result<u64> {
    let bare = text.trim().trim_end_matches(['b', 'B']).trim_end();
    match text::parse_rate(bare) {
        Ok(octets) if octets > 0 => Ok(octets),
        _ => Err(Error::usage(format!("{} is no amount of data", text::quoted(text)), "such as 5G, 1.5GB or 500M")),
    }
}

/// Sets a plan, or takes it away.
pub(super) async fn set(
    imsi: String,
    plan: Option<api::DataPlan>,
    client: &mut Client,
    out: &mut Out<'_>,
) -> Result<()> {
    let request = api::SetDataPlanRequest { imsi: imsi.clone(), plan };
    let answer = client.ask(|mut client| async move { client.set_data_plan(request).await }).await?;
    told(&imsi, answer.plan.as_ref(), out)
}

/// Adds to a plan.
pub(super) async fn top_up(imsi: String, octets: u64, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::TopUpRequest { imsi: imsi.clone(), octets };
    let answer = client.ask(|mut client| async move { client.top_up(request).await }).await?;
    told(&imsi, answer.plan.as_ref(), out)
}

fn told(imsi: &str, plan: Option<&api::DataPlan>, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(&plan.map(view::DataPlan::from))?);
    }
    let words = plan.map_or_else(|| "no data plan any more".to_owned(), plan_words);
    Ok(out.line(&format!("{imsi}: {words}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_said_shortly_and_told_in_words() {
        let mut wanted = plan("5G", Term::Month, Some("128k")).unwrap();
        wanted.remaining = 4_200_000_000;
        assert_eq!(plan_words(&wanted), "4.2 GB left of 5 GB a month, then 128 kbit/s");
        let blocked = api::DataPlan { exhausted: true, ..plan("1.5GB", Term::Day, Some("block")).unwrap() };
        assert_eq!(plan_words(&blocked), "used up: 1.5 GB a day, then nothing");
        for wrong in ["", "0", "lots", "unlimited", "-1G"] {
            assert_eq!(plan(wrong, Term::Day, None).unwrap_err().exit_code(), 2, "{wrong}");
        }
        assert!(plan("1G", Term::Day, Some("unlimited")).is_err());
    }
}
