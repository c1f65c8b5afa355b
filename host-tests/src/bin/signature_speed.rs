//! Prints what `host_tests::signature_speed` measures of the module that is its argument: JSON for `target/bench`, and a table
//! in Markdown for people.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::Table;
use host_tests::signature_speed::{EngineFigures, least, least_speedup, measure};
use serde_json::json;

fn main() -> Result<()> {
    let module = std::env::args_os().nth(1).context("the module to measure is missing")?;
    let engines = measure(Path::new(&module))?;
    let ratios: serde_json::Map<_, _> = ["rs256", "ps256", "es256", "es384", "eddsa"]
        .into_iter()
        .zip(["RS256", "PS256", "ES256", "ES384", "EdDSA"])
        .map(|(key, name)| (format!("pure_{key}_speedup"), json!(least_speedup(&engines, name))))
        .collect();
    let summary = json!({ "version": 1, "ratios": ratios, "engines": engines });
    let folder = host_tests::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("signatures.json"), serde_json::to_string_pretty(&summary)?)?;
    println!("{}", table(&engines));
    Ok(())
}

fn table(engines: &[EngineFigures]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header([
        "engine",
        "algorithm",
        "ours, µs",
        "jwt-simple, µs",
        "times faster",
        "preparing, ms",
        "memory, bytes",
    ]);
    for EngineFigures { engine, figures } in engines {
        for figure in figures {
            table.add_row([
                (*engine).to_owned(),
                figure.algorithm.clone(),
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
