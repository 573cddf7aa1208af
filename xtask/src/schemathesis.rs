//! What `schemathesis` (from PyPI, in a virtual environment of the target folder) finds wrong between the OpenAPI document and a real
//! orchestrator: answers that the document does not know, answers of another form, data that is refused though the document allows
//! it, and the reverse.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::steps::{Outcome, Step};
use crate::{demo, env, pypi};

/// The version whose checks the document was made to pass.
const VERSION: &str = "schemathesis==4.32.5";
/// Seconds for all of it, and the seed: a run can be repeated.
const SECONDS: &str = "60";
const SEED: &str = "1";
/// Seconds after which asking that hangs is killed.
const ASKING: &str = "150";
/// For a word, or an answer, of the orchestrator.
const PATIENCE: Duration = Duration::from_secs(60);
/// What ends the session that everything is asked with, or never ends itself.
const NOT: [&str; 3] = ["log_out", "delete_sessions", "watch"];
/// A reference to something that is not there and a precondition that does not hold depend on what there is: no schema can say
/// them, and they are no findings; nor is 412 for an entity tag that is none of ours (RFC 9110
/// §13.1.1). Everything else that the document allows has to be taken.
const SETTINGS: &str = "[checks.positive_data_acceptance]\n\
                        expected-statuses = [\"2xx\", \"3xx\", \"401\", \"403\", \"404\", \"409\", \"412\", \"422\", \"429\", \"503\"]\n\
                        [checks.negative_data_rejection]\n\
                        expected-statuses = [\"4xx\", \"5xx\"]\n";

/// Runs it against `orchestratord` of the programs that were built.
pub(crate) fn run(step: &mut Step) -> Result<Outcome> {
    let folder = env::target()?.join("schemathesis");
    if let Err(error) = install() {
        return Ok(Outcome::Skipped(format!("{error:#}")));
    }
    let settings = folder.join("schemathesis.toml");
    std::fs::write(&settings, SETTINGS)?;
    let orchestrator = Orchestrator::start(&folder)?;
    let mut command = Command::new("timeout");
    command.current_dir(&folder).args(["--kill-after=5", ASKING]).arg(folder.join("venv/bin/st"));
    command.arg("--config-file").arg(&settings).arg("run");
    command.arg(format!("http://{}/api/v1/openapi.json", orchestrator.address));
    // A session of a database that is thrown away.
    command.args(["--header", &format!("Authorization: Bearer {}", orchestrator.session)]);
    command.args([
        "--seed",
        SEED,
        "--max-time",
        SECONDS,
        "--max-examples",
        "5",
        "--request-timeout",
        "20",
        "--no-color",
    ]);
    NOT.iter().for_each(|id| {
        command.args(["--exclude-operation-id", id]);
    });
    step.run(command)?;
    let log = step.log()?;
    let tested = log.lines().rfind(|line| line.contains("generated")).unwrap_or_default();
    Ok(Outcome::Passed(tested.trim().to_owned()))
}

/// Makes the environment with the program in it, where it is not there.
pub(crate) fn install() -> Result<()> {
    pypi::install("schemathesis", VERSION).map(drop)
}

/// One that runs for this step, with a network to be asked about.
struct Orchestrator {
    process: Child,
    address: String,
    session: String,
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        // Its data is thrown away at the next start.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Orchestrator {
    fn start(folder: &Path) -> Result<Self> {
        let program = demo::program("orchestratord")?;
        let data = folder.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let log = std::fs::File::create(folder.join("orchestratord.log"))?;
        let mut command = Command::new(&program);
        command.args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
        command.args(["--first-network", "home"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let output = process.stdout.take().context("no output")?;
        let mut it = Self { process, address: String::new(), session: String::new() };
        let (mut token, lines) = (String::new(), lines(BufReader::new(output)));
        while token.is_empty() {
            let line = lines.recv_timeout(PATIENCE).context("orchestratord does not start")?;
            if let Some((_, rest)) = line.split_once("REST interface on http://") {
                rest.split('/').next().unwrap_or_default().clone_into(&mut it.address);
            } else if let Some((_, rest)) = line.split_once("/setup#") {
                rest.trim().clone_into(&mut token);
            }
        }
        let setup = format!(r#"{{"token":"{token}","name":"root","password":"correct horse battery"}}"#);
        it.ask("POST /api/v1/setup", &setup)?;
        let session = it.ask("POST /api/v1/sessions", r#"{"name":"root","password":"correct horse battery"}"#)?;
        let told = session.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next());
        told.context("no session")?.clone_into(&mut it.session);
        Ok(it)
    }

    fn ask(&self, request: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 20") {
            bail!("{request}: {answer}");
        }
        Ok(answer)
    }
}

/// What it says, line by line, so that waiting for it ends.
fn lines(output: BufReader<impl std::io::Read + Send + 'static>) -> Receiver<String> {
    let (tell, lines) = channel();
    // It ends with the process; nobody listens any more when all is known.
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    lines
}
