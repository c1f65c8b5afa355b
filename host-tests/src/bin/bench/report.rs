//! What was measured, for programs and for people.

use comfy_table::Table;
use host_tests::signature_speed::{EngineFigures, least, least_speedup};
use serde_json::{Map, Value, json};

use super::measurement::Figure;
use super::median;
use super::scale::Scale;
use super::scenario::{WITH_RECORDS, WITHOUT_RECORDS};

/// The version of the summary's format.
const VERSION: u64 = 1;

/// Ratios of what two scenarios add to the floor: name, ours, theirs.
const RATIOS: [(&str, &str, &str); 17] = [
    ("warm_rs256_over_native", "portcullis, warm, RS256", "jwt_authn + rbac, cached, RS256"),
    ("cold_rs256_over_native", "portcullis, cold, RS256", "jwt_authn + rbac, cold, RS256"),
    ("bad_rs256_over_good", "portcullis, bad signature, RS256", "portcullis, cold, RS256"),
    ("warm_es256_over_native", "portcullis, warm, ES256", "jwt_authn + rbac, cached, ES256"),
    ("cold_es256_over_native", "portcullis, cold, ES256", "jwt_authn + rbac, cold, ES256"),
    ("bad_es256_over_good", "portcullis, bad signature, ES256", "portcullis, cold, ES256"),
    ("warm_eddsa_over_native", "portcullis, warm, EdDSA", "jwt_authn + rbac, cached, EdDSA"),
    ("cold_eddsa_over_native", "portcullis, cold, EdDSA", "jwt_authn + rbac, cold, EdDSA"),
    ("bad_eddsa_over_good", "portcullis, bad signature, EdDSA", "portcullis, cold, EdDSA"),
    ("warm_over_ext_authz", "portcullis, warm, RS256", "ext_authz"),
    ("warm_over_ext_authz_grpc", "portcullis, warm, RS256", "ext_authz, gRPC"),
    ("warm_over_nothing", "portcullis, warm, RS256", "module that does nothing"),
    ("warm_over_hand_over", "portcullis, warm, RS256", "module that only takes headers and leaves a record"),
    ("rules_10000_over_10_in_envoy", "portcullis, 10000 public rules", "portcullis, 10 public rules"),
    ("rules_10_over_rbac", "portcullis, 10 public rules", "rbac, 10 policies"),
    ("rules_100_over_rbac", "portcullis, 100 public rules", "rbac, 100 policies"),
    ("rules_10000_over_rbac", "portcullis, 10000 public rules", "rbac, 10000 policies"),
];

/// Everything, with the raw figures.
pub(crate) fn summary(figures: &[Figure], scales: &[Scale], engines: &[EngineFigures]) -> Value {
    let of = |name: &str| added(figures, name);
    let mut ratios: Map<String, Value> = RATIOS
        .into_iter()
        .filter_map(|(name, ours, theirs)| Some((name.to_owned(), json!(ratio(&of(ours)?, &of(theirs)?)))))
        .collect();
    if let (Some(first), Some(last)) = (scales.first(), scales.last()) {
        let ratio = median(&last.native_nanoseconds) / median(&first.native_nanoseconds);
        ratios.insert("rules_10000_over_10".to_owned(), json!(ratio));
    }
    if let (Some(with), Some(without)) = (in_all(figures, WITH_RECORDS), in_all(figures, WITHOUT_RECORDS)) {
        ratios.insert("records_over_warm".to_owned(), json!(ratio(&with, &without)));
    }
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let name = format!("pure_{}_speedup", algorithm.to_ascii_lowercase());
        ratios.insert(name, json!(least_speedup(engines, algorithm)));
    }
    let in_envoy: Vec<Value> = figures
        .iter()
        .map(|figure| {
            json!({
                "scenario": figure.name,
                "cpu_microseconds": { "median": median(&figure.microseconds), "raw": figure.microseconds },
                "added_microseconds": of(&figure.name).map(|added| median(&added)),
                "requests": figure.requests,
            })
        })
        .collect();
    let scale: Vec<Value> = scales
        .iter()
        .map(|scale| {
            json!({
                "rules": scale.rules,
                "native_nanoseconds": { "median": median(&scale.native_nanoseconds), "raw": scale.native_nanoseconds },
                "fuel": scale.fuel,
                "linear_bytes": scale.linear_bytes,
            })
        })
        .collect();
    let thousand = scales.iter().find(|scale| scale.rules == 1000).map(|scale| scale.linear_bytes);
    json!({
        "version": VERSION,
        "ratios": ratios,
        "memory": { "linear_bytes_1000_rules": thousand },
        "in_envoy": in_envoy,
        "scale": scale,
        "signatures": engines,
    })
}

/// What a request of a scenario takes in all, in microseconds, in each repetition.
fn in_all(figures: &[Figure], name: &str) -> Option<Vec<f64>> {
    figures.iter().find(|figure| figure.name == name).map(|figure| figure.microseconds.clone())
}

/// The same without what its floor takes.
fn added(figures: &[Figure], name: &str) -> Option<Vec<f64>> {
    let floor = &figures.iter().find(|figure| figure.name == name)?.floor;
    let both = in_all(figures, name)?.into_iter().zip(in_all(figures, floor)?);
    Some(both.map(|(all, floor)| all - floor).collect())
}

/// What one scenario takes over what another does: the median of the ratios of each repetition, for a machine may be twice as fast a minute
/// later.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// Markdown, for people.
pub(crate) fn page(figures: &[Figure], scales: &[Scale], engines: &[EngineFigures], summary: &Value) -> String {
    let mut in_envoy = table(["in Envoy", "CPU µs a request", "added µs", "lowest to highest"]);
    for figure in figures {
        let lowest = figure.microseconds.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = figure.microseconds.iter().copied().fold(0.0, f64::max);
        let added = added(figures, &figure.name).map_or_else(String::new, |added| format!("{:.1}", median(&added)));
        let range = format!("{lowest:.1} to {highest:.1}");
        in_envoy.add_row([figure.name.clone(), format!("{:.1}", median(&figure.microseconds)), added, range]);
    }
    let mut ratios = table(["ratio of what is added", "is", "ours", "theirs"]);
    for (name, ours, theirs) in RATIOS {
        if let Some(ratio) = summary.pointer(&format!("/ratios/{name}")).and_then(Value::as_f64) {
            ratios.add_row([name.to_owned(), format!("{ratio:.2}"), ours.to_owned(), theirs.to_owned()]);
        }
    }
    if let Some(ratio) = summary.pointer("/ratios/records_over_warm").and_then(Value::as_f64) {
        let ours = format!("{WITH_RECORDS} (in all)");
        ratios.add_row(["records_over_warm".to_owned(), format!("{ratio:.2}"), ours, WITHOUT_RECORDS.to_owned()]);
    }
    let than_peers = than_peers(summary);
    let mut scale = table(["rules", "native, ns", "module, fuel", "VM memory, KiB"]);
    for row in scales {
        scale.add_row([
            row.rules.to_string(),
            format!("{:.0}", median(&row.native_nanoseconds)),
            row.fuel.to_string(),
            row.linear_bytes.div_euclid(1024).to_string(),
        ]);
    }
    let signatures = signatures(engines);
    format!("{INTRODUCTION}\n{}\n\n{in_envoy}\n\n{ratios}\n\n{than_peers}\n{scale}\n\n{signatures}\n", machine())
}

/// What is worse than a peer, as plainly as what is better.
fn than_peers(summary: &Value) -> String {
    let peers = RATIOS.iter().filter(|(_, _, theirs)| !theirs.starts_with("portcullis"));
    let measured = peers.filter_map(|(name, ours, theirs)| {
        let ratio = summary.pointer(&format!("/ratios/{name}")).and_then(Value::as_f64)?;
        Some((ratio, format!("{ours}, over {theirs}: {ratio:.2}")))
    });
    let (worse, better): (Vec<_>, Vec<_>) = measured.partition(|(ratio, _)| *ratio >= 1.0);
    let list = |what: &str, entries: Vec<(f64, String)>| {
        let entries: String = entries.into_iter().map(|(_, entry)| format!("- {entry}\n")).collect();
        if entries.is_empty() { String::new() } else { format!("{what}\n\n{entries}\n") }
    };
    list("Dearer than the peer in this run:", worse) + &list("Cheaper:", better)
}

/// What the page says before its tables.
const INTRODUCTION: &str = "\
# What it costs

Made by `cargo xtask bench`, in one run; `docs/performance.md` is its `target/bench/report.md`. The raw figures are in
`target/bench/summary.json` (format 1: `host-tests/bench-summary.schema.json`). Compare rows, not machines.

One Envoy process stands on one core, with one worker, and answers by itself; wrk stands on another core, with so many connections that
Envoy hardly ever waits. A figure is the CPU time of the Envoy process for each request, user and system, the median of the repetitions,
which are interleaved; each is measured in a process of its own, for where code happens to lie in memory makes a difference that lasts as
long as a process, and is the least of three measurements there, for what else the machine does only adds. *Added* is what is left when the
same load on an Envoy without a filter is subtracted. Scenarios of the same load are measured in turn, at the same time; what is added and a
ratio are the medians of those of the repetitions. `cold`: every token is new, so many that no cache has them; `warm` and `cached`: 50
tokens again and again. 100 rules or RBAC policies about one claim, each about the paths of another service.
`ext_authz` asks a service on the same machine, over HTTP or, as policy engines are asked, over gRPC; its own CPU time does not count.
The module that only takes headers and leaves a record decides nothing: it costs what Envoy takes of every filter in WebAssembly that
authorizes.
";

/// Where it was measured, and of what.
fn machine() -> String {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = text("/proc/cpuinfo");
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let envoy = std::env::var_os("ENVOY_PATH")
        .and_then(|envoy| std::process::Command::new(envoy).arg("--version").output().ok())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let module = std::fs::metadata(host_tests::repository().join("dist/portcullis.wasm")).map(|module| module.len());
    format!(
        "Processor: {}, {} cores. Envoy: {}. Module: {} bytes.",
        processor.unwrap_or("unknown"),
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        envoy.as_deref().and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim(),
        module.unwrap_or_default(),
    )
}

fn signatures(engines: &[EngineFigures]) -> Table {
    let mut table =
        table(["in WebAssembly", "ours, µs", "jwt-simple, µs", "times faster", "preparing, ms", "a key, bytes"]);
    for EngineFigures { engine, figures } in engines {
        for figure in figures {
            table.add_row([
                format!("{}, {engine}", figure.algorithm),
                format!("{:.0}", least(&figure.ours_microseconds)),
                format!("{:.0}", least(&figure.jwt_simple_microseconds)),
                format!("{:.1}", figure.speedup()),
                format!("{:.2}", least(&figure.prepare_microseconds) / 1000.0),
                figure.bytes.to_string(),
            ]);
        }
    }
    table
}

pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(header);
    table
}
