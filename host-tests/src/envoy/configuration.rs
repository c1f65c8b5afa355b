//! The configuration files of `envoy-config/`, with only keys, rules and ports replaced.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::repository;

/// The place of the filter in a listener.
const FILTER: &str = "/filter_chains/0/filters/0/typed_config/http_filters/0";

/// The place of the filters in a listener.
const FILTERS: &str = "/filter_chains/0/filters/0/typed_config/http_filters";

/// The place of the plugin configuration in a filter.
const CONFIGURATION: &str = "/typed_config/config/configuration/value";

/// The plugin configuration in the configuration file as a user gets it.
///
/// # Errors
///
/// It cannot be read.
pub fn example_plugin_configuration() -> Result<Value> {
    let filter = example_filter()?;
    let text =
        filter.pointer(CONFIGURATION).and_then(Value::as_str).context("the filter has a plugin configuration")?;
    Ok(serde_json::from_str(text)?)
}

/// The filter in the configuration file, with another plugin configuration.
///
/// # Errors
///
/// The file cannot be read.
pub fn example_filter_with(configuration: &Value) -> Result<Value> {
    let mut filter = example_filter()?;
    set(&mut filter, CONFIGURATION, json!(configuration.to_string()))?;
    Ok(filter)
}

/// The listener in the configuration file.
///
/// # Errors
///
/// It cannot be read.
pub fn example_listener() -> Result<Value> {
    let configuration = example("envoy.yaml")?;
    configuration.pointer("/static_resources/listeners/0").cloned().context("the file has a listener")
}

fn example_filter() -> Result<Value> {
    example_listener()?.pointer(FILTER).cloned().context("the file has a listener with a filter")
}

/// What a listener runs.
#[derive(Clone, Debug, Default)]
pub struct Plugin {
    /// The plugin configuration.
    pub configuration: Value,
    /// A part of a filter chain, like `envoy-config/mtls.yaml`, that is added to the listener's.
    pub transport: Option<Value>,
    /// Whether the listener discovers its plugin (`envoy-config/discovery.yaml`), so that [`super::Envoy::update`] can replace it.
    pub is_discovered: bool,
    /// Another filter in the place of ours, to compare with.
    pub instead: Option<Value>,
    /// Filters that come after it.
    pub after: Option<Value>,
    /// Whether a paused request stops its headers only (`allow_on_headers_stop_iteration`).
    pub stops_headers_only: bool,
}

/// `envoy-config/mtls.yaml` as a user gets it.
///
/// # Errors
///
/// It cannot be read.
pub fn example_mtls() -> Result<Value> {
    example("mtls.yaml")
}

/// The filters of `envoy-config/filter-state.yaml` as a user gets them.
///
/// # Errors
///
/// It cannot be read.
pub fn example_filter_state() -> Result<Value> {
    let mut file = example("filter-state.yaml")?;
    file.get_mut("http_filters").map(Value::take).context("the file has filters")
}

fn example(name: &str) -> Result<Value> {
    let path = repository().join("envoy-config").join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not YAML", path.display()))
}

/// Where Envoy listens.
#[derive(Clone, Copy, Debug)]
pub enum Ports {
    /// On free ports, so that several can run side by side.
    Free,
    /// On the ports of the file.
    OfTheFile,
}

/// Whom Envoy connects to.
#[derive(Clone, Debug)]
pub struct Backends {
    /// Where permitted requests go.
    pub upstream: SocketAddr,
    /// Who is asked about tokens, by the name of the cluster: each is that of `envoy-config/authorization-server.yaml`,
    /// without TLS.
    pub authorization_servers: Vec<(&'static str, SocketAddr)>,
    /// Control endpoints.
    pub control: Vec<Control>,
}

/// A control endpoint: the cluster of `envoy-config/control.yaml`, under another name and at another address.
#[derive(Clone, Debug)]
pub struct Control {
    /// The name of the cluster.
    pub cluster: String,
    /// Where it is.
    pub address: SocketAddr,
    /// The certificate (PEM) of the authority that is believed; without one there is no TLS.
    pub authority: Option<String>,
    /// Who says where it is instead, by its name: the address of a name server.
    pub name_server: Option<SocketAddr>,
}

impl From<SocketAddr> for Backends {
    /// Only an upstream.
    fn from(upstream: SocketAddr) -> Self {
        Self { upstream, authorization_servers: Vec::new(), control: Vec::new() }
    }
}

/// The configuration file with these plugins, one listener each.
pub(super) fn render(
    plugins: &BTreeMap<String, Plugin>,
    backends: &Backends,
    ports: Ports,
    folder: &Path,
) -> Result<Value> {
    let module = repository().join("dist/portcullis.wasm");
    if !module.is_file() {
        bail!("{} is missing. Run `cargo xtask build`", module.display());
    }
    let mut configuration = example("envoy.yaml")?;
    let port = "/socket_address/port_value";
    set(
        &mut configuration,
        &format!("/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address{port}"),
        json!(backends.upstream.port()),
    )?;
    let clusters = configuration.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let servers =
        backends.authorization_servers.iter().map(|(name, address)| ("authorization-server.yaml", *name, *address));
    let control = backends.control.iter().map(control_cluster);
    let servers =
        servers.map(|(file, name, address)| cluster(file, name, address).and_then(without_tls)).chain(control);
    clusters.context("the file has clusters")?.extend(servers.collect::<Result<Vec<_>>>()?);
    if matches!(ports, Ports::Free) {
        set(&mut configuration, &format!("/admin/address{port}"), json!(0))?;
        set(&mut configuration, &format!("/static_resources/listeners/0/address{port}"), json!(0))?;
    }
    let listener =
        configuration.pointer("/static_resources/listeners/0").cloned().context("the file has a listener")?;
    let listeners = plugins.iter().map(|(name, plugin)| render_listener(listener.clone(), name, plugin, folder));
    let listeners = listeners.collect::<Result<Vec<_>>>()?;
    set(&mut configuration, "/static_resources/listeners", json!(listeners))?;
    Ok(configuration)
}

fn render_listener(mut listener: Value, name: &str, plugin: &Plugin, folder: &Path) -> Result<Value> {
    set(&mut listener, "/name", json!(name))?;
    if let Some(filter) = &plugin.instead {
        set(&mut listener, FILTER, filter.clone())?;
    } else if plugin.is_discovered {
        publish(folder, name, &plugin.configuration)?;
        let mut discovery = example("discovery.yaml")?;
        let path = "/config_discovery/config_source/path_config_source/path";
        set(&mut discovery, path, json!(plugin_file(folder, name)))?;
        set(&mut listener, FILTER, discovery)?;
    } else {
        set(&mut listener, &format!("{FILTER}{CONFIGURATION}"), json!(plugin.configuration.to_string()))?;
    }
    if plugin.stops_headers_only {
        let config = listener.pointer_mut(&format!("{FILTER}/typed_config/config")).and_then(Value::as_object_mut);
        let config = config.context("the filter has a configuration")?;
        config.insert("allow_on_headers_stop_iteration".to_owned(), json!(true));
    }
    if let Some(after) = &plugin.after {
        let filters = listener.pointer_mut(FILTERS).and_then(Value::as_array_mut).context("a listener has filters")?;
        filters.splice(1..1, after.as_array().context("filters")?.iter().cloned());
    }
    if let (Some(Value::Object(transport)), Some(chain)) = (&plugin.transport, listener.pointer_mut("/filter_chains/0"))
    {
        chain.as_object_mut().context("a filter chain is an object")?.extend(transport.clone());
        // As behind a hop that is believed: `envoy-config/README.md`.
        let manager = chain.pointer_mut("/filters/0/typed_config").and_then(Value::as_object_mut);
        let manager = manager.context("a filter chain has a connection manager")?;
        manager.insert("forward_client_cert_details".to_owned(), json!("ALWAYS_FORWARD_ONLY"));
    }
    Ok(listener)
}

fn control_cluster(control: &Control) -> Result<Value> {
    let mut cluster = cluster("control.yaml", &control.cluster, control.address)?;
    if let Some(name_server) = control.name_server {
        find_by_name(&mut cluster, name_server)?;
    }
    let Some(authority) = &control.authority else { return without_tls(cluster) };
    let trusted = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca";
    set(&mut cluster, trusted, json!({ "inline_string": authority }))?;
    Ok(cluster)
}

/// Keeps the name of the example, and has it looked up again and again.
fn find_by_name(cluster: &mut Value, name_server: SocketAddr) -> Result<()> {
    set(cluster, &format!("{ENDPOINT}/address"), json!("control.example.com"))?;
    let server = json!({ "socket_address": { "address": name_server.ip(), "port_value": name_server.port() } });
    let resolver = json!({
        "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [server],
        "dns_resolver_options": { "no_default_search_domain": true },
    });
    let members = cluster.as_object_mut().context("a cluster is an object")?;
    members.extend([
        ("dns_lookup_family".to_owned(), json!("V4_ONLY")),
        ("dns_refresh_rate".to_owned(), json!("0.2s")),
        ("dns_failure_refresh_rate".to_owned(), json!({ "base_interval": "0.2s", "max_interval": "0.2s" })),
        (
            "typed_dns_resolver_config".to_owned(),
            json!({ "name": "envoy.network.dns_resolver.cares", "typed_config": resolver }),
        ),
    ]);
    Ok(())
}

fn without_tls(mut cluster: Value) -> Result<Value> {
    cluster.as_object_mut().and_then(|cluster| cluster.remove("transport_socket")).context("the cluster has TLS")?;
    Ok(cluster)
}

/// Where the one endpoint of a cluster is.
const ENDPOINT: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";

/// The cluster of a file of `envoy-config`, with this name and at this address.
fn cluster(file: &str, name: &str, address: SocketAddr) -> Result<Value> {
    let mut cluster = example(file)?;
    set(&mut cluster, "/name", json!(name))?;
    set(&mut cluster, &format!("{ENDPOINT}/address"), json!(address.ip()))?;
    set(&mut cluster, &format!("{ENDPOINT}/port_value"), json!(address.port()))?;
    Ok(cluster)
}

fn plugin_file(folder: &Path, listener: &str) -> PathBuf {
    folder.join(format!("plugin-{listener}.json"))
}

/// Moves the filter of `envoy.yaml` with this plugin configuration to where a listener discovers it.
pub(super) fn publish(folder: &Path, listener: &str, configuration: &Value) -> Result<()> {
    let mut resource = example_filter_with(configuration)?;
    let members = resource.as_object_mut().context("a filter is an object")?;
    members.insert("@type".to_owned(), json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"));
    let (file, new) = (plugin_file(folder, listener), folder.join("new"));
    fs::write(&new, json!({ "resources": [resource] }).to_string())?;
    Ok(fs::rename(new, file)?)
}

fn set(document: &mut Value, pointer: &str, value: Value) -> Result<()> {
    *document.pointer_mut(pointer).with_context(|| format!("the configuration has no {pointer}"))? = value;
    Ok(())
}
