//! Every case in Kong's host, with the same decision as everywhere; `host-tests/wasmx.toml` lists what the host cannot, with reasons.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use host_tests::case::{Case, CaseFile, Expectation};
use host_tests::strict_host::{Personality, Setup, SharedData, StrictHost};
use libtest_mimic::Trial;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Scene, failed, judge};

/// What is different there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differences {
    #[serde(rename = "bundle")]
    bundles: Vec<BundleDifference>,
    #[serde(default, rename = "case")]
    cases: Vec<CaseDifference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleDifference {
    name: String,
    /// Why the host cannot.
    because: String,
    /// A part of the sentence with which the filter refuses the bundle.
    refused: String,
    /// What makes a bundle of it that the host can do; if there is nothing, its cases do not run.
    remedy: Option<Remedy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Remedy {
    /// A zone for shared data.
    SharedData,
    /// Without these parts.
    Without(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDifference {
    file: String,
    name: String,
    /// Why the host cannot.
    because: String,
    expect: Expectation,
}

impl Differences {
    pub fn read() -> Result<Self> {
        let path = host_tests::repository().join("host-tests/wasmx.toml");
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }

    fn bundle(&self, name: &str) -> Option<&BundleDifference> {
        self.bundles.iter().find(|bundle| bundle.name == name)
    }

    fn case(&self, file: &str, name: &str) -> Option<&CaseDifference> {
        self.cases.iter().find(|case| case.file == file && case.name == name)
    }
}

pub fn trials(scene: &Arc<Scene>, files: &BTreeMap<String, CaseFile>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (file_name, file) in files {
        let bundle = Arc::new(file.bundle.clone());
        let difference = scene.differences.bundle(&bundle);
        if difference.is_some_and(|difference| difference.remedy.is_none()) {
            continue;
        }
        for case in &file.cases {
            let name = format!("wasmx::{file_name}::{}", case.name.replace(' ', "_"));
            let (scene, file, bundle, case) = (Arc::clone(scene), file_name.clone(), Arc::clone(&bundle), case.clone());
            trials.push(Trial::test(name, move || run(&scene, &file, &bundle, &case).map_err(failed)));
        }
    }
    let known: Vec<_> = files.iter().flat_map(|(name, file)| file.cases.iter().map(move |case| (name, case))).collect();
    let is_known =
        |case: &CaseDifference| known.iter().any(|(file, known)| **file == case.file && known.name == case.name);
    let unknown: Vec<_> =
        scene.differences.cases.iter().filter(|case| !is_known(case)).map(|case| case.name.clone()).collect();
    let scene = Arc::clone(scene);
    trials.push(Trial::test("wasmx::every_difference_is_one_and_has_a_reason", move || {
        ensure_listed(&scene, &unknown).map_err(failed)
    }));
    trials
}

fn ensure_listed(scene: &Scene, unknown: &[String]) -> Result<()> {
    ensure!(unknown.is_empty(), "there are no such cases: {unknown:?}");
    let reasons = scene.differences.bundles.iter().map(|one| &one.because);
    let reasons = reasons.chain(scene.differences.cases.iter().map(|one| &one.because));
    for reason in reasons {
        ensure!(reason.len() > 20, "`{reason}` is no reason");
    }
    for difference in &scene.differences.bundles {
        let Err(refusal) = StrictHost::start_in_wasmx(scene.plugin(&difference.name)?.as_bytes()) else {
            bail!("{} is not refused", difference.name);
        };
        ensure!(refusal.to_string().contains(&difference.refused), "{}: {refusal}", difference.name);
    }
    Ok(())
}

fn run(scene: &Scene, file: &str, bundle: &str, case: &Case) -> Result<()> {
    let Some(difference) = scene.differences.case(file, &case.name) else {
        return judge(scene, host(scene, bundle)?, bundle, case, &case.expect);
    };
    judge(scene, host(scene, bundle)?, bundle, case, &difference.expect)?;
    let as_elsewhere = judge(scene, host(scene, bundle)?, bundle, case, &case.expect);
    ensure!(as_elsewhere.is_err(), "it is decided as everywhere, and listed in vain");
    Ok(())
}

/// A host with a bundle that it can do.
pub fn host(scene: &Scene, bundle: &str) -> Result<StrictHost> {
    let mut configuration: Value = serde_json::from_str(&scene.plugin(bundle)?)?;
    let mut setup = Setup { personality: Personality::Wasmx, ..Setup::default() };
    match scene.differences.bundle(bundle).and_then(|difference| difference.remedy.as_ref()) {
        Some(Remedy::SharedData) => {
            setup.shared_data = Some(SharedData::default());
            configuration.as_object_mut().context("an object")?.insert("shared_data".to_owned(), json!(true));
        }
        Some(Remedy::Without(pointers)) => {
            for pointer in pointers {
                let (parent, name) = pointer.rsplit_once('/').context("a pointer has a slash")?;
                let removed = match configuration.pointer_mut(&format!("/bundle{parent}")) {
                    Some(Value::Object(members)) => members.remove(name),
                    Some(Value::Array(items)) => name.parse().ok().map(|index: usize| items.remove(index)),
                    _ => None,
                };
                removed.with_context(|| format!("there is no {pointer}"))?;
            }
        }
        None => {}
    }
    StrictHost::start_in(configuration.to_string().as_bytes(), &setup)
}
