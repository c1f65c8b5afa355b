//! Others who get the decisions: a syslog daemon, a collector of OpenTelemetry, files in another format.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use host_tests::free_address;
use host_tests::tls::Authority;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::common;
use crate::decisions::{files, home};
use crate::records::{ANONYMOUS, DENY, PERMIT, Said, Worker};

const TIME: &str = "2026-11-26T18:12:45.123Z";

/// More than ASCII, and what would end a line.
const ODD: Said<'_> = Said {
    about: r#""principal":{"credential":"token","subject":"müller \n 東京"},"action":"GET","resource":{"host":"api.example.com"},"#,
    ..ANONYMOUS
};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's rsyslogd, which takes RFC 5424 over TCP and writes what it has understood, part by part.
fn rsyslog(folder: &Path, address: SocketAddr) -> Running {
    let root = std::env::var("RSYSLOG_PATH")
        .expect("RSYSLOG_PATH is not set. Run `cargo xtask test`, which unpacks Debian's package and sets it");
    let libraries = PathBuf::from(root).join("usr/lib/x86_64-linux-gnu");
    let (port, out) = (address.port(), folder.join("syslog.txt"));
    let configuration = format!(
        "global(workDirectory=\"{}\" maxMessageSize=\"64k\" parser.escapeControlCharactersOnReceive=\"off\")\n\
         module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
         template(name=\"parts\" type=\"string\" string=\"%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n\")\n\
         action(type=\"omfile\" file=\"{}\" template=\"parts\")\n",
        folder.display(),
        out.display()
    );
    let file = folder.join("rsyslog.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(libraries.join("../../sbin/rsyslogd"));
    command
        .arg("-n")
        .arg("-f")
        .arg(file)
        .arg("-i")
        .arg(folder.join("rsyslog.pid"))
        .arg("-M")
        .arg(libraries.join("rsyslog"));
    let command = command.env("LD_LIBRARY_PATH", &libraries).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

#[test]
fn a_syslog_daemon_gets_what_it_can_read() {
    let mut home = home();
    let address = free_address().unwrap();
    home.fleet()["decisions"]["outputs"] = json!([
        { "output": "siem", "type": "syslog", "format": "record", "address": address.to_string() },
        { "output": "arcsight", "type": "syslog", "format": "cef", "address": address.to_string() },
    ]);
    let endpoint = home.start();
    let mut worker = Worker::new(0xabc);
    let records = [PERMIT, DENY, ODD].map(|said| worker.record(TIME, said));
    assert_eq!(endpoint.decide(&records[..2].concat()).0, 204);
    // Nobody listens yet: what could not be delivered is tried again.
    let daemon = rsyslog(home.path(), address);
    assert_eq!(endpoint.decide(&records[2]).0, 204);
    let received = || std::fs::read_to_string(home.path().join("syslog.txt")).unwrap_or_default();
    endpoint.until("everything is delivered", |_| received().lines().count() >= 6);
    let received = received();
    for (record, priority) in records.iter().zip([110, 109, 110]) {
        let mark = if record.is_ascii() { "" } else { "\u{feff}" };
        let line = format!("{priority}|{TIME}|a|portcullis|{}|decision|-|{mark}{record}", "0000000000000abc");
        assert!(received.contains(&line), "{line}\n{received}");
    }
    assert_eq!(received.lines().filter(|line| line.contains("CEF:0|Portcullis|")).count(), 3, "{received}");
    assert_eq!(
        endpoint.metric("portcullis_control_decisions_forwarded_total{fleet=\"production\",output=\"siem\"}"),
        Some(3)
    );
    drop(daemon);
}

#[test]
fn syslog_over_tls_is_for_whom_the_authority_vouches() {
    let mut home = home();
    let authority = Authority::generate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = authority.server("localhost", 4000).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(server).unwrap(), stream);
        let mut text = vec![0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut text) {
            sender.send(String::from_utf8(text[..count].to_vec()).unwrap()).unwrap();
        }
    });
    common::write(home.path(), &[("ca.pem", &authority.pem())]);
    home.fleet()["decisions"]["outputs"] = json!([
        { "output": "siem", "type": "syslog", "format": "ecs", "address": format!("localhost:{port}"), "ca": "ca.pem" },
    ]);
    let endpoint = home.start();
    assert_eq!(endpoint.decide(&Worker::new(1).record(TIME, PERMIT)).0, 204);
    let text = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    let (length, message) = text.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len(), "{text}");
    assert!(message.starts_with(&format!("<110>1 {TIME} a portcullis ")) && message.contains("\"ecs\""), "{message}");
}

#[test]
fn a_collector_of_opentelemetry_reads_the_records() {
    let packages = std::env::var_os("OTLP_PATH").expect(
        "OTLP_PATH is not set. Run `cargo xtask test`, which installs opentelemetry-proto from PyPI and sets it",
    );
    let mut home = home();
    let (address, file) = (free_address().unwrap(), home.path().join("collected.txt"));
    let script = host_tests::repository().join("control/tests/serve/collector.py");
    let mut command = Command::new("python3");
    let command = command.arg(script).arg(address.port().to_string()).arg(&file).env("PYTHONPATH", packages);
    let _collector = Running(command.spawn().unwrap());
    // It needs some time to read the definitions.
    let is_there = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(address).is_ok()
    });
    assert!(is_there, "the collector did not start within half a minute");
    common::write(home.path(), &[("token", "collector-token\n")]);
    home.fleet()["decisions"]["outputs"] = json!([
        { "output": "otel", "type": "otlp", "format": "record", "url": format!("http://{address}/v1/logs"), "token_file": "token" },
    ]);
    let endpoint = home.start();
    let mut worker = Worker::new(1);
    let records = [PERMIT, DENY, ODD].map(|said| worker.record(TIME, said));
    assert_eq!(endpoint.decide(&records.concat()).0, 204);
    let metric = |name: &str| {
        endpoint.metric(&format!("portcullis_control_decisions_{name}_total{{fleet=\"production\",output=\"otel\"}}"))
    };
    // The collector says 503 at first, and then that it does not take one of three.
    endpoint.until("the collector has the records", |_| metric("forwarded") == Some(2) && metric("dropped") == Some(1));
    let collected: Vec<Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(collected.len(), 3);
    for ((collected, record), severity) in collected.iter().zip(&records).zip(["INFO", "WARN", "INFO"]) {
        assert_eq!(collected["body"]["stringValue"], record.trim_end());
        assert_eq!(
            (&collected["severityText"], &collected["scope"]),
            (&json!(severity), &json!("portcullis.decision"))
        );
        assert_eq!(collected["severityNumber"], format!("SEVERITY_NUMBER_{severity}"));
        assert_eq!(collected["timeUnixNano"], "1795716765123000000");
        assert_eq!(collected["authorization"], "Bearer collector-token");
        let resource = json!({ "key": "portcullis.fleet", "value": { "stringValue": "production" } });
        assert!(collected["resource"]["attributes"].as_array().unwrap().contains(&resource), "{collected}");
    }
    assert_eq!(
        (&collected[0]["trace"], &collected[0]["span"]),
        (&json!("4bf92f3577b34da6a3ce929d0e0e4736"), &json!("00f067aa0ba902b7"))
    );
}

/// Files of another format, and an output that takes nothing: what there is no room for is counted, and the files have it.
#[test]
fn an_output_that_takes_nothing_costs_no_record() {
    let mut home = home();
    home.fleet()["decisions"]["outputs"] = json!([
        { "output": "agent", "type": "files", "format": "ocsf", "folder": "ocsf" },
        { "output": "gone", "type": "syslog", "format": "record", "address": free_address().unwrap().to_string() },
    ]);
    let endpoint = home.start();
    let mut worker = Worker::new(1);
    let mut sent = 0;
    for _ in 0..18 {
        let batch: String = (0..2000).map(|_| worker.record(TIME, PERMIT)).collect();
        assert!(batch.len() < 1024 * 1024, "{}", batch.len());
        sent += 2000;
        assert_eq!(endpoint.decide(&batch).0, 204);
    }
    let metric = |name: &str, output: &str| {
        endpoint
            .metric(&format!("portcullis_control_decisions_{name}_total{{fleet=\"production\",output=\"{output}\"}}"))
    };
    let dropped = metric("dropped", "gone").unwrap();
    assert!(dropped > 0 && dropped < sent, "{dropped} of {sent}");
    endpoint.until("the files have all", |_| metric("forwarded", "agent") == Some(sent));
    assert_eq!(endpoint.terminate(), Some(0));
    let lines = |folder: &str| -> usize {
        let files = files(&home.path().join(folder));
        files.iter().map(|file| std::fs::read_to_string(file).unwrap().lines().count()).sum()
    };
    assert_eq!(lines("ocsf"), usize::try_from(sent).unwrap());
    assert!(lines("decisions") > lines("ocsf"), "with checkpoints");
}
