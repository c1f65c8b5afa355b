//! `portcullis serve`: the control endpoint.
//!
//! A request of an administrator, a feed, or a key that changed becomes an epoch ([`changes`]) of a [`fleet`]: documents,
//! listed by a signed manifest, made once in the [`storage`]. Proxies wait for it in long polls ([`http`]).

mod auth;
mod changes;
pub(crate) mod clock;
mod decisions;
mod events;
mod fleet;
mod fleet_status;
mod http;
mod init;
mod keys;
mod metrics;
mod published;
mod revocations;
mod revoker;
mod server;
mod settings;
mod storage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::server::Server;
use self::settings::Settings;
use crate::check::{UNREADABLE, report};

/// How the endpoint runs.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What is served, to whom, and where it is kept.
    #[arg(long, short, default_value = "serve.yaml")]
    config: PathBuf,
    /// Write a serve.yaml to begin with, its signing key and its tokens, instead of serving; nothing is overwritten.
    #[arg(long)]
    init: bool,
    /// Listen on this address and port, instead of what the file says; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Serve without TLS beyond this machine. Whoever sees the traffic then has the tokens of administrators and proxies.
    #[arg(long)]
    insecure_without_tls: bool,
    /// How the log is written, to standard error. `RUST_LOG=debug` says more.
    #[arg(long, value_enum, default_value = "text")]
    log: Log,
}

/// How the log is written.
#[derive(Clone, Copy, ValueEnum)]
enum Log {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Serves until it is told to end.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    if arguments.init {
        return init::run(&arguments.config);
    }
    if !arguments.config.exists() {
        let file = arguments.config.display();
        eprintln!(
            "{file}: is not there. There are no defaults for keys and tokens; `portcullis serve --init` makes a serve.yaml with new ones"
        );
        return UNREADABLE.into();
    }
    let mut settings = match Settings::load(&arguments.config) {
        Ok(settings) => settings,
        Err(error) => return report(&error).into(),
    };
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    if let Err(error) = check_exposure(&settings, arguments.insecure_without_tls) {
        eprintln!("{error}");
        return UNREADABLE.into();
    }
    start_log(arguments.log);
    allow_files();
    // Another part of a build may have chosen another; here it is this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
        .and_then(|runtime| runtime.block_on(serve(settings)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            UNREADABLE.into()
        }
    }
}

/// Tokens do not travel in the clear, unless somebody says that they may.
fn check_exposure(settings: &Settings, is_allowed: bool) -> Result<(), String> {
    if settings.listen.ip().is_loopback() || settings.tls.is_some() || is_allowed {
        return Ok(());
    }
    let address = settings.listen;
    Err(format!(
        "{address} can be reached from other machines, and there is no `tls` in serve.yaml: add it, listen on 127.0.0.1, or say --insecure-without-tls if something else protects the traffic"
    ))
}

/// A poll takes a file, and systems let a process have few of them that does not ask for more.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => tracing::info!(open_files = limit.maximum, "so many connections can be open"),
        Err(error) => tracing::warn!(open_files = limit.current, %error, "only so many connections can be open"),
    }
}

fn start_log(log: Log) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log {
        Log::Text => builder.init(),
        Log::Json => builder.json().flatten_event(true).init(),
    }
}

async fn serve(settings: Settings) -> Result<(), String> {
    let listener = http::listen(settings.listen).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let (store_poll, mut settings) = (settings.store_poll, settings);
    let tls = settings.tls.take().map(http::tls).transpose()?;
    let (close, closing) = watch::channel(false);
    let server = Arc::new(Server::new(settings, closing.clone()).await?);
    let tasks = server.start(store_poll);
    tokio::spawn(async move {
        let told = wait_for_signal().await;
        tracing::info!(signal = told, "shutting down: polls are answered, and no more is accepted");
        let _ = close.send(true);
    });
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(%address, url = format!("{scheme}://{address}"), "listening");
    http::serve(listener, tls, http::router(Arc::clone(&server)), closing).await;
    drop(tasks);
    server.close().await;
    Ok(())
}

/// Waits for SIGTERM or SIGINT; without signals, for ever.
async fn wait_for_signal() -> &'static str {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        },
        _ => std::future::pending().await,
    }
}
