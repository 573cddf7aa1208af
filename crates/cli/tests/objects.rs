//! Objects of an orchestrator by the command's verbs, against one that answers from memory over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

type Objects = Arc<Mutex<BTreeMap<String, (u64, Value)>>>;

/// Objects by path, with their revisions.
struct Orchestrator {
    url: String,
    objects: Objects,
    folder: tempfile::TempDir,
}

impl Orchestrator {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let objects = Objects::default();
        let shared = Arc::clone(&objects);
        std::thread::spawn(move || listener.incoming().for_each(|stream| answer(&stream.unwrap(), &shared)));
        Self { url, objects, folder: tempfile::tempdir().unwrap() }
    }

    fn basalt(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_basalt"));
        for name in ["BASALT_SOCKET", "BASALT_CONTEXT", "BASALT_ORCHESTRATOR", "BASALT_NETWORK", "BASALT_API_KEY"] {
            command.env_remove(name);
        }
        command.env("BASALT_CONTEXTS", self.folder.path().join("contexts.toml"));
        command.env("TMPDIR", self.folder.path()).env_remove("VISUAL").env("EDITOR", "sed -i s/pump/well/");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever does not read it does not want it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn said(&self, arguments: &[&str], stdin: &str, code: i32) -> String {
        let output = self.basalt(arguments, stdin);
        let (said, complained) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}{complained}");
        if code == 0 { said } else { said + &complained }
    }

    fn with_context() -> Self {
        let it = Self::start();
        let add = ["context", "add", "here", "--orchestrator", &it.url, "--network", "lab", "--user", "root"];
        it.said(&add, "open sesame\n", 0);
        it
    }
}

fn answer(stream: &TcpStream, objects: &Objects) {
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while lines.read_line(&mut head).unwrap() > 2 {}
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let mut body = vec![0; field("content-length:").unwrap().parse().unwrap()];
    lines.read_exact(&mut body).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap().strip_prefix("/api/v1").unwrap());
    let (status, document) = match (method, path) {
        ("POST", "/sessions") if field("authorization:").is_none() => {
            let login: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(login["password"], "open sesame");
            (201, json!({"token": "bss_1"}))
        }
        _ if field("authorization:").as_deref() != Some("Bearer bss_1") => (401, json!({"detail": "who are you?"})),
        (_, "/me") => (200, json!({"name": "root"})),
        _ => object(method, path, &body, field("if-match:").as_deref(), &mut objects.lock().unwrap()),
    };
    let text = document.to_string();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len()).unwrap();
}

/// One staged change, kept as it was asked for.
fn rollout(method: &str, rest: &str, body: &[u8], objects: &mut BTreeMap<String, (u64, Value)>) -> (u16, Value) {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut kept = objects.get("rollout").map(|(_, it)| it.clone());
    match (method, rest) {
        ("POST", "") => {
            let changes = asked["changes"].as_array().unwrap().iter();
            let changes = changes.map(|it| json!({"kind": it["kind"], "name": it["name"], "after": it["body"]}));
            let gateways = json!([{"gateway": "hill", "step": "taking", "canary": true, "words": ""}]);
            kept = Some(json!({"id": "r1", "state": "running", "stage": "canary", "words": "", "asked": asked,
                               "changes": changes.collect::<Vec<_>>(), "gateways": gateways}));
        }
        ("POST", "/r1/act") => {
            if let Some(kept) = &mut kept {
                kept["words"] = asked["act"].clone();
            }
        }
        ("GET", "") => return (200, json!({"items": kept.into_iter().collect::<Vec<_>>()})),
        ("GET", "/r1") => {}
        _ => kept = None,
    }
    let Some(kept) = kept else { return (404, json!({"detail": "there is none"})) };
    objects.insert("rollout".to_owned(), (1, kept.clone()));
    (200, kept)
}

fn object(
    method: &str,
    path: &str,
    body: &[u8],
    if_match: Option<&str>,
    objects: &mut BTreeMap<String, (u64, Value)>,
) -> (u16, Value) {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if let Some((_, rest)) = path.split_once("/config-rollouts") {
        return rollout(method, rest, body, objects);
    }
    let name = path.rsplit('/').next().unwrap();
    let shown = |(revision, body): &(u64, Value), name: &str| json!({"name": name, "revision": revision, "body": body});
    let below = format!("{path}/");
    let list: Vec<Value> = objects
        .iter()
        .filter_map(|(at, it)| at.strip_prefix(&below).filter(|name| !name.contains('/')).map(|name| shown(it, name)))
        .collect();
    let there = objects.get(path).cloned();
    match (method, there) {
        ("GET", Some(it)) => (200, shown(&it, name)),
        ("GET", None) if !list.is_empty() => (200, json!({"items": list, "next_cursor": null})),
        ("PUT", it) => {
            let revision = it.map_or(0, |(revision, _)| revision);
            if if_match.is_some_and(|wanted| wanted != format!("\"{revision}\"")) {
                return (412, json!({"detail": "it has changed"}));
            }
            let new = (revision + 1, serde_json::from_slice(body).unwrap());
            objects.insert(path.to_owned(), new.clone());
            (200, shown(&new, name))
        }
        ("DELETE", Some(_)) => {
            objects.remove(path);
            (204, Value::Null)
        }
        _ => (404, json!({"detail": "there is no such thing"})),
    }
}

const FILE: &str = "kind: subscriber\nname: '001010000000001'\nbody: {title: pump}\n---\nkind: tenant\nname: acme\n---\n\
                    kind: network\nname: lab\nbody: {tenant: acme}\n";

#[test]
fn a_file_is_applied_compared_and_taken_back() {
    let at = Orchestrator::with_context();
    assert!(at.said(&["diff", "-f", "-"], FILE, 1).contains("subscriber/001010000000001\n+ would be created"));
    let made = "tenant/acme created\nnetwork/lab created\nsubscriber/001010000000001 created\n";
    assert_eq!(at.said(&["apply", "-f", "-"], FILE, 0), made);
    assert_eq!(at.said(&["apply", "-f", "-"], FILE, 0), made.replace("created", "unchanged"));
    at.said(&["diff", "-f", "-"], FILE, 0);
    let other = FILE.replace("pump", "well");
    assert!(at.said(&["diff", "-f", "-"], &other, 1).contains("- /title: \"pump\"\n+ /title: \"well\""));
    let listed = at.said(&["get", "subscribers", "-o", "yaml"], "", 0);
    assert_eq!(at.said(&["apply", "-f", "-"], &listed, 0), "subscriber/001010000000001 unchanged\n");
    at.said(&["delete", "subscriber", "001010000000001"], "", 0);
    assert!(at.said(&["delete", "subscriber", "001010000000001"], "", 1).contains("no such thing"));
    let gone = "subscriber/001010000000001 is not there\nnetwork/lab deleted\ntenant/acme deleted\n";
    assert_eq!(at.said(&["delete", "-f", "-"], FILE, 0), gone);
}

#[test]
fn an_edit_is_applied_unless_somebody_was_faster() {
    let at = Orchestrator::with_context();
    at.said(&["apply", "-f", "-"], FILE, 0);
    assert_eq!(at.said(&["edit", "sub", "001010000000001"], "", 0), "subscriber/001010000000001 changed\n");
    assert_eq!(at.objects.lock().unwrap()["/networks/lab/subscribers/001010000000001"].1["title"], "well");
    assert_eq!(at.said(&["edit", "sub", "001010000000001"], "", 0), "", "nothing to change any more");
    assert_eq!(std::fs::read_dir(at.folder.path()).unwrap().count(), 1, "no file is left but that of contexts");
}

#[test]
fn contexts_say_where_commands_go() {
    let at = Orchestrator::with_context();
    assert!(at.said(&["context", "list"], "", 0).contains("here*"));
    assert!(at.said(&["get", "networks", "--context", "there"], "", 2).contains("no context `there`"));
    assert!(at.said(&["context", "add", "x"], "", 2).contains("an orchestrator or a gateway"));
    at.said(&["context", "add", "site", "--socket", "/nowhere.sock"], "", 0);
    assert!(at.said(&["get", "apns"], "", 2).contains("needs an orchestrator"));
    assert!(at.said(&["get", "ues"], "", 3).contains("/nowhere.sock"));
    at.said(&["context", "use", "here"], "", 0);
    at.said(&["context", "remove", "here"], "", 0);
    let kept = std::fs::read_to_string(at.folder.path().join("contexts.toml")).unwrap();
    assert!(!kept.contains("bss_1") && !kept.contains("current"), "{kept}");
    assert!(at.said(&["apply", "-f", "-"], FILE, 2).contains("needs an orchestrator"));
}

#[test]
fn a_staged_change_is_begun_from_a_file_looked_at_and_stopped() {
    let it = Orchestrator::with_context();
    assert!(!it.said(&["rollout", "list"], "", 0).contains("r1"));
    let file = "kind: apn\nname: internet\nbody: {qci: 8}\n";
    let plan = ["--tier", "early", "--canary", "5", "--soak", "7", "--pause-only", "--delete", "apn/old"];
    let said = it.said(&[&["rollout", "begin", "-f", "-"][..], &plan[..]].concat(), file, 0);
    assert!(said.contains("apns/internet is made") && said.contains("apns/old"), "{said}");
    assert!(said.contains("hill") && said.contains("taking"), "{said}");
    let asked = it.objects.lock().unwrap()["rollout"].1["asked"].clone();
    let changes = json!([{"kind": "apns", "name": "internet", "body": {"qci": 8}},
                         {"kind": "apns", "name": "old", "body": null}]);
    assert_eq!((&asked["changes"], &asked["tier"], &asked["roll_back"]), (&changes, &json!("early"), &json!(false)));
    assert_eq!((&asked["canary_percent"], &asked["soak_minutes"]), (&json!(5), &json!(7)));
    for act in ["pause", "resume", "roll-back", "cancel"] {
        let said = it.said(&["rollout", act, "r1"], "", 0);
        assert!(said.contains(&format!("running, canary: {act}")), "{said}");
    }
    assert!(it.said(&["rollout", "list"], "", 0).contains("apns/internet, apns/old"));
    assert!(it.said(&["rollout", "show", "r1", "-o", "json"], "", 0).contains("\"stage\": \"canary\""));
    it.said(&["rollout", "show", "none"], "", 1);
    assert!(it.said(&["rollout", "begin"], "", 2).contains("--file"));
    let other = "kind: apn\nname: internet\nnetwork: theirs\n";
    assert!(it.said(&["rollout", "begin", "-f", "-"], other, 2).contains("another network"));
}

#[test]
fn what_has_no_command_is_asked_by_method_and_path() {
    let it = Orchestrator::with_context();
    let path = "/api/v1/networks/lab/apns/internet";
    let made = it.said(&["request", "put", path, "-f", "-"], "{\"qci\": 8}", 0);
    assert!(made.contains("\"revision\": 1"), "{made}");
    let changed = it.said(&["request", "PUT", path, "--if-match", "1", "-f", "-"], "{\"qci\": 9}", 0);
    assert!(changed.contains("\"qci\": 9"), "{changed}");
    assert!(it.said(&["request", "PUT", path, "--if-match", "1", "-f", "-"], "{}", 1).contains("it has changed"));
    assert!(it.said(&["request", "GET", "/networks/lab/apns/internet"], "", 0).contains("\"qci\": 9"));
    it.said(&["request", "DELETE", path], "", 0);
    assert!(it.said(&["request", "GET", path], "", 1).contains("there is no such thing"));
    assert!(it.said(&["request", "GET", "networks"], "", 2).contains("no path of the REST interface"));
    assert!(it.said(&["request", "POST", path, "-f", "/nowhere"], "", 2).contains("cannot be read"));
    it.said(&["request", "HEAD", path], "", 2);
}
