//! Certificates for the servers, so that what speaks TLS in a deployment can speak it here: an authority that lives as
//! long as the servers' data, and one certificate for loopback that all servers share.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::Home;

/// By what names clients know the servers.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Where the certificates of a home are, in PEM.
#[derive(Debug, Clone)]
pub(super) struct Certificates {
    /// The authority's, which clients have to trust.
    pub(super) authority: PathBuf,
    /// The servers'.
    pub(super) certificate: PathBuf,
    /// The key of the servers' certificate.
    pub(super) key: PathBuf,
}

impl Certificates {
    /// The home's certificates; made anew unless they are there. Nothing is awaited here, so servers that are started side by
    /// side find whole ones.
    pub(super) fn open(home: &Home) -> Result<Self> {
        let folder = home.path.join("tls");
        home.create_folder(&folder)?;
        let certificates = Self {
            authority: folder.join("authority.pem"),
            certificate: folder.join("server.pem"),
            key: folder.join("server-key.pem"),
        };
        // Written last, so that it stands for all three.
        if !certificates.key.exists() {
            certificates
                .create(home)
                .context("cannot make certificates")?;
        }
        Ok(certificates)
    }

    fn create(&self, home: &Home) -> Result<()> {
        let mut authority = CertificateParams::default();
        let name = "LP reporting on this machine";
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let names = NAMES.map(str::to_owned).to_vec();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        home.write_private(&self.authority, &authority_certificate.pem())?;
        home.write_private(&self.certificate, &certificate.pem())?;
        home.write_private(&self.key, &key.serialize_pem())
    }
}
