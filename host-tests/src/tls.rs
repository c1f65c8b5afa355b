//! Certificates of workloads, made anew in every run, and connections that present them.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use serde_json::{Value, json};

use crate::keys::{hexadecimal, sha256};

/// A workload and the names in its certificate.
pub struct Workload {
    /// The SPIFFE ID, in the subject alternative name.
    pub uri_san: String,
    /// The DNS name, in the subject alternative name.
    pub dns_san: String,
    /// The subject name.
    pub subject_name: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Workload {
    /// The certificate as the core reads it; `sha256_hex` is that of [`Workload::sha256_hex`].
    pub fn certificate<'w>(&'w self, sha256_hex: &'w str) -> authz::PeerCertificate<'w> {
        authz::PeerCertificate {
            uri_san: Some(self.uri_san.as_bytes()),
            dns_san: Some(self.dns_san.as_bytes()),
            subject_name: Some(self.subject_name.as_bytes()),
            sha256: sha256_hex.as_bytes(),
        }
    }

    /// The SHA-256 of the certificate.
    pub fn sha256(&self) -> Vec<u8> {
        sha256(&self.certificate)
    }

    /// The same in hexadecimal digits, as proxies give it.
    pub fn sha256_hex(&self) -> String {
        hexadecimal(&self.sha256())
    }
}

/// A certificate authority.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// What the library reports.
    pub fn generate() -> Result<Self> {
        let mut parameters = CertificateParams::new(Vec::<String>::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate()?;
        Ok(Self { certificate: parameters.self_signed(&key)?, issuer: Issuer::new(parameters, key) })
    }

    /// Its own certificate (PEM).
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// What a server of this name presents, with a certificate that is good until the first day of a year.
    ///
    /// # Errors
    ///
    /// What the libraries report.
    pub fn server(&self, name: &str, until: i32) -> Result<Arc<ServerConfig>> {
        let mut parameters = CertificateParams::new(vec![name.to_owned()])?;
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = ServerConfig::builder().with_no_client_auth();
        Ok(Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key)?))
    }
}

/// A certificate authority with a server and some workloads.
pub struct Pki {
    authority: CertificateDer<'static>,
    authority_pem: String,
    server_pem: String,
    server_key_pem: String,
    workloads: BTreeMap<String, Workload>,
}

impl Pki {
    /// Makes an authority, a certificate for `localhost`, and one for each of these workloads.
    ///
    /// # Errors
    ///
    /// What the library reports.
    pub fn generate<'n>(workloads: impl IntoIterator<Item = &'n str>) -> Result<Self> {
        let authority = Authority::generate()?;
        let server_key = KeyPair::generate()?;
        let server = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&server_key, &authority.issuer)?;
        let workloads = workloads.into_iter().map(|name| Ok((name.to_owned(), workload(name, &authority.issuer)?)));
        Ok(Self {
            authority: authority.certificate.der().clone(),
            authority_pem: authority.pem(),
            server_pem: server.pem(),
            server_key_pem: server_key.serialize_pem(),
            workloads: workloads.collect::<Result<_>>()?,
        })
    }

    /// All workloads by name.
    pub const fn workloads(&self) -> &BTreeMap<String, Workload> {
        &self.workloads
    }

    /// The workload of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn workload(&self, name: &str) -> Result<&Workload> {
        self.workloads.get(name).with_context(|| format!("there is no workload `{name}`"))
    }

    /// What a server needs, as files: its certificate, its key, and who vouches for workloads.
    pub const fn server_files(&self) -> [(&'static str, &String); 3] {
        [
            ("server.pem", &self.server_pem),
            ("server.key", &self.server_key_pem),
            ("workloads-ca.pem", &self.authority_pem),
        ]
    }

    /// Puts certificates into the places where `envoy-config/mtls.yaml` names files.
    pub fn fill_in(&self, document: &mut Value) {
        match document {
            Value::Object(members) => {
                let file = members.get("filename").and_then(Value::as_str);
                let pem = self.server_files().into_iter().find(|(name, _)| Some(*name) == file);
                match pem {
                    Some((_, pem)) => *document = json!({ "inline_string": pem }),
                    None => members.values_mut().for_each(|member| self.fill_in(member)),
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill_in(item)),
            _ => {}
        }
    }

    /// Makes a TLS connection out of a TCP connection, with the certificate of a workload or without one.
    ///
    /// # Errors
    ///
    /// The handshake cannot begin.
    pub fn connect(
        &self,
        stream: TcpStream,
        workload: Option<&str>,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone())?;
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match workload {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let workload = self.workload(name)?;
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(workload.key.clone()));
                builder.with_client_auth_cert(vec![workload.certificate.clone()], key)?
            }
        };
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
        Ok(StreamOwned::new(connection, stream))
    }
}

fn workload(name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<Workload> {
    let uri_san = format!("spiffe://bank.example/ns/shop/sa/{name}");
    let dns_san = format!("{name}.shop.svc");
    let mut parameters = CertificateParams::new(vec![dns_san.clone()])?;
    parameters.subject_alt_names.push(SanType::URI(uri_san.as_str().try_into()?));
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, issuer)?;
    let subject_name = format!("CN={name}");
    Ok(Workload { uri_san, dns_san, subject_name, certificate: certificate.der().clone(), key: key.serialize_der() })
}
