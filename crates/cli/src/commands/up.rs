//! `basalt up`: an orchestrator and a gateway on this machine, started, joined and stopped together.
//!
//! ```text
//! agwd ready? -> orchestratord ready? -> joined? -> joins -> connected -> until Ctrl-C, or one of them ends
//! ```
//!
//! Both are the programs that a larger installation runs, with their own settings; what this command adds is that nobody needs to
//! know them: where there is no configuration of a gateway, one for a laboratory's network is written, and the orchestrator is
//! asked for a first network with a token.

mod child;
mod folders;

pub(super) use child::find;

use crate::args::Up;
use crate::client::Client;
use crate::commands::stop::Stop;
use crate::error::{Error, Result};
use crate::output::Out;
use basalt_control_api::gateway::v1 as api;
use child::{Child, Signal};
use folders::Folders;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Each of the two may take so long to be ready: a slow disk, a database that is migrated.
const START: Duration = Duration::from_secs(120);
/// Between two looks at what is not ready yet.
const LOOK: Duration = Duration::from_millis(100);
/// A gateway that ends by itself starts again so often within this.
const STARTS: (usize, Duration) = (5, Duration::from_secs(300));
/// The gateway finds its orchestrator within this, or that is told.
const JOIN: Duration = Duration::from_secs(60);

/// Runs both until told to stop.
pub(super) async fn run(up: &Up, out: &mut Out<'_>) -> Result<u8> {
    let folders = Folders::prepare(up)?;
    let mut stop = Stop::listen()?;
    let mut gateway = start_gateway(&folders)?;
    let mut orchestrator = None;
    let work = async {
        out.line(&format!("gateway: starts, {}", gateway.log_words()))?;
        let mut client = gateway_ready(&mut gateway, &folders.socket).await?;
        out.line("gateway: ready")?;
        let link = link(&mut client).await?;
        let started = orchestrator.insert(Child::start("orchestratord", &orchestrator_words(up, &folders), &folders)?);
        out.line(&format!("orchestrator: starts, {}", started.log_words()))?;
        let told = orchestrator_ready(started).await?;
        out.line("orchestrator: ready")?;
        join(&mut client, link, told.token.as_deref(), &up.first_network, out).await?;
        tell(&told, &folders, out)?;
        Ok(())
    };
    let begun = tokio::select! {
        begun = work => begun.map(|()| true),
        () = stop.asked() => Ok(false),
    };
    let ended = match (begun, &mut orchestrator) {
        (Ok(true), Some(orchestrator)) => watch(&mut gateway, orchestrator, &mut stop, &folders, out).await,
        (begun, _) => begun.map(|_| ()),
    };
    out.line("stopping both")?;
    // The gateway first: it tells the orchestrator what was used.
    gateway.stop(Signal::Interrupt).await;
    if let Some(mut orchestrator) = orchestrator {
        orchestrator.stop(Signal::Terminate).await;
    }
    // A gateway that ended by itself left it for the next one.
    child::end_keeper(&folders).await;
    ended.map(|()| 0)
}

/// Until somebody stops both, or one of them cannot go on: a gateway that ends by itself starts again, as under a supervisor; its keeper
/// and data plane went on meanwhile.
async fn watch(
    gateway: &mut Child,
    orchestrator: &mut Child,
    stop: &mut Stop,
    folders: &Folders,
    out: &mut Out<'_>,
) -> Result<()> {
    let mut starts: Vec<Instant> = Vec::new();
    loop {
        tokio::select! {
            () = stop.asked() => return Ok(()),
            code = gateway.ended() => {
                let died = gateway.died(code);
                starts.retain(|at| at.elapsed() < STARTS.1);
                if starts.len() >= STARTS.0 {
                    return Err(died);
                }
                starts.push(Instant::now());
                died.to_string().lines().try_for_each(|line| out.line(line))?;
                out.line("gateway: starts again")?;
                *gateway = start_gateway(folders)?;
            }
            code = orchestrator.ended() => return Err(orchestrator.died(code)),
        }
    }
}

fn start_gateway(folders: &Folders) -> Result<Child> {
    Child::start("agwd", &["--config".as_ref(), folders.gateway_config.as_os_str()], folders)
}

fn orchestrator_words(up: &Up, folders: &Folders) -> Vec<std::ffi::OsString> {
    let mut words = vec!["--data-dir".into(), folders.orchestrator.clone().into_os_string()];
    words.extend(["--first-network".into(), up.first_network.clone().into()]);
    for (option, value) in [("--listen", up.listen), ("--gateway-listen", up.gateway_listen)] {
        words.extend(value.into_iter().flat_map(|value| [option.into(), value.to_string().into()]));
    }
    if let Some(config) = &up.orchestrator_config {
        words.extend(["--config".into(), config.clone().into_os_string()]);
    }
    words
}

/// Waits until the gateway answers at its socket, or has ended.
async fn gateway_ready(gateway: &mut Child, socket: &Path) -> Result<Client> {
    let ready = async {
        loop {
            if let Ok(mut client) = Client::connect(socket).await
                && client.status().await.is_ok()
            {
                return client;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        ready = tokio::time::timeout(START, ready) => ready.map_err(|_| gateway.late()),
        code = gateway.ended() => Err(gateway.died(code)),
    }
}

/// What the orchestrator says when it is ready.
#[derive(Default)]
struct Told {
    console: String,
    setup: Option<String>,
    token: Option<String>,
}

async fn orchestrator_ready(orchestrator: &mut Child) -> Result<Told> {
    let mut told = Told::default();
    let ready = async {
        while let Some(line) = orchestrator.line().await {
            if let Some((_, address)) = line.split_once("REST interface on ") {
                address.split("/api/").next().unwrap_or_default().clone_into(&mut told.console);
            } else if let Some((_, link)) = line.split_once("make the first user within a day: ") {
                told.setup = Some(link.trim().to_owned());
            } else if let Some((_, token)) = line.split_once("a gateway of this machine joins with ") {
                told.token = Some(token.trim().to_owned());
            } else if line.contains("no token for a gateway of this machine") {
                return true;
            }
            if told.token.is_some() {
                return true;
            }
        }
        false
    };
    match tokio::time::timeout(START, ready).await {
        Ok(true) => Ok(told),
        Ok(false) => {
            let code = orchestrator.ended().await;
            Err(orchestrator.died(code))
        }
        Err(_) => Err(orchestrator.late()),
    }
}

async fn link(client: &mut Client) -> Result<api::OrchestratorLink> {
    client.ask(|mut client| async move { client.get_orchestrator_link(api::GetOrchestratorLinkRequest {}).await }).await
}

/// Has a gateway that has not joined join, and waits for the link. Without one the gateway works, too: that is told, no failure.
async fn join(
    client: &mut Client,
    known: api::OrchestratorLink,
    token: Option<&str>,
    network: &str,
    out: &mut Out<'_>,
) -> Result<()> {
    match token {
        Some(token) if known.gateway.is_empty() => {
            out.line(&format!("gateway: joins network {network}"))?;
            let request = api::JoinOrchestratorRequest { token: token.to_owned() };
            client.ask(|mut client| async move { client.join_orchestrator(request).await }).await?;
        }
        None if known.gateway.is_empty() => {
            let words = format!("the orchestrator has other networks and none named {network}: the gateway joins none");
            return Ok(out.note(&format!("{words}; `basalt gateway token create` makes a token"))?);
        }
        _ => {}
    }
    let connected = async {
        loop {
            let now = link(client).await?;
            if now.connected {
                return Ok::<_, Error>(now);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(JOIN, connected).await {
        Ok(now) => {
            let now = now?;
            Ok(out.line(&format!("gateway: {} of network {}, connected", now.gateway, now.network))?)
        }
        Err(_) => {
            let now = link(client).await?;
            let why = if now.trouble.is_empty() { "no answer yet" } else { now.trouble.as_str() };
            Ok(out.note(&format!("the gateway has no link to its orchestrator ({why}); it works on and tries again"))?)
        }
    }
}

fn tell(told: &Told, folders: &Folders, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        let socket = folders.socket.display().to_string();
        let answer = json!({"console": told.console, "setup": told.setup, "socket": socket});
        return Ok(out.json_line(&answer)?);
    }
    let mut fields = vec![("console", told.console.clone())];
    if let Some(setup) = &told.setup {
        fields.push(("first user", format!("{setup} (one use, one day)")));
    }
    let socket = folders.socket.display();
    let usual = folders.socket == Path::new(basalt_control_api::DEFAULT_CONTROL_SOCKET);
    fields
        .push(("gateway", if usual { "basalt status".to_owned() } else { format!("basalt --socket {socket} status") }));
    out.fields(&fields)?;
    Ok(out.line("Ctrl-C stops both.")?)
}
