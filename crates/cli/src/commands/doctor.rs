//! Machine and gateway, checked.

use super::imsi as parse_imsi;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::{text, view};
use basalt_control_api::gateway::v1 as api;
use basalt_doctor::{Finding, Wanted};
use std::io::ErrorKind;
use std::path::Path;

/// Checks what can be checked. The exit code is 1 when something does not work.
pub(super) async fn run(
    socket: &Path,
    ue: Option<&str>,
    config: &Path,
    machine: fn(&Wanted) -> Vec<Finding>,
    out: &mut Out<'_>,
) -> Result<u8> {
    let imsi = ue.map(parse_imsi).transpose()?.unwrap_or_default();
    let findings = match Client::connect(socket).await {
        Ok(mut client) => with_gateway(&mut client, imsi, socket, machine).await?,
        Err(Error::Unreachable { what, fix }) => {
            let gateway = Finding::warning("gateway", what, "only the machine can be checked", fix);
            without_gateway(gateway, is_closed_to_us(socket), !imsi.is_empty(), config, machine)
        }
        Err(other) => return Err(other),
    };
    show(&findings, out)?;
    Ok(u8::from(findings.iter().any(|finding| finding.level() == api::finding::Level::Error)))
}

/// The gateway looks at its machine itself: with its rights, in its network namespace, knowing its configuration. Only if it
/// does not (an older one) is the look from here of use.
async fn with_gateway(
    client: &mut Client,
    imsi: String,
    socket: &Path,
    machine: fn(&Wanted) -> Vec<Finding>,
) -> Result<Vec<api::Finding>> {
    let status = client.status().await?;
    let request = api::DiagnoseRequest { imsi };
    let diagnosis = client.ask(|mut client| async move { client.diagnose(request).await }).await?;
    let found =
        format!("agwd {} answers at {}, up {}", status.version, socket.display(), text::span(status.uptime_seconds));
    let mut findings = vec![api::Finding::from(Finding::ok("gateway", found))];
    if !diagnosis.findings.iter().any(|finding| finding.check == "kernel") {
        let wanted = Wanted::from_toml(&status.effective_config).unwrap_or_default();
        let local = machine(&Wanted { gateway_running: true, ..wanted });
        findings.extend(local.into_iter().map(api::Finding::from));
    }
    for finding in diagnosis.findings {
        findings.retain(|other| other.check != finding.check);
        findings.push(finding);
    }
    Ok(findings)
}

/// Somebody serves there, but not this user.
fn is_closed_to_us(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn without_gateway(
    gateway: Finding,
    gateway_running: bool,
    phone_asked_for: bool,
    config: &Path,
    machine: fn(&Wanted) -> Vec<Finding>,
) -> Vec<api::Finding> {
    let mut findings = vec![gateway];
    let (wanted, finding) = configuration(config);
    findings.push(finding);
    findings.extend(machine(&Wanted { gateway_running, ..wanted }));
    if phone_asked_for {
        findings.push(Finding::error(
            "phone",
            "could not be looked at",
            "only a running gateway knows its phones",
            "start agwd and ask again",
        ));
    }
    findings.into_iter().map(api::Finding::from).collect()
}

fn configuration(path: &Path) -> (Wanted, Finding) {
    let (check, shown) = ("configuration", path.display());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let finding = Finding::warning(
                check,
                format!("{shown} cannot be read: {error}"),
                "the checks assume a gateway with nothing configured",
                "write it ([network] plmns = [\"001-01\"] is enough to begin with), or give --config FILE",
            );
            return (Wanted::default(), finding);
        }
    };
    match Wanted::from_toml(&text) {
        Ok(wanted) => (wanted, Finding::ok(check, format!("{shown} can be read; `agwd --check` checks all of it"))),
        Err(error) => {
            let fix = format!("agwd --config {shown} --check names the line");
            (Wanted::default(), Finding::error(check, format!("{shown}: {error}"), "agwd will not start", fix))
        }
    }
}

fn show(findings: &[api::Finding], out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(&findings.iter().map(view::Finding::from).collect::<Vec<_>>())?);
    }
    for finding in findings {
        out.line(&format!("{:8} {:19} {}", view::level(finding), finding.check, finding.found))?;
        for (name, words) in [("cause", &finding.cause), ("fix", &finding.fix)] {
            if !words.is_empty() {
                out.line(&format!("{:8} {:>19} {words}", "", name))?;
            }
        }
    }
    let count = |level| findings.iter().filter(|finding| view::level(finding) == level).count() as u64;
    let (errors, warnings) = (count("error"), count("warning"));
    let summary = format!(
        "{}, {}, {} ok",
        text::counted(errors, "error", "errors"),
        text::counted(warnings, "warning", "warnings"),
        count("ok")
    );
    Ok(out.line(&summary)?)
}
