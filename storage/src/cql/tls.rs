//! TLS, always verified.

use std::{fs, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::{CqlConfig, CqlError, Tls};

/// How a session speaks TLS.
pub(super) fn client_config(config: &CqlConfig, tls: &Tls) -> Result<Arc<ClientConfig>, CqlError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let names = config.hosts.iter().filter_map(|host| {
        let (name, _) = host.rsplit_once(':')?;
        ServerName::try_from(name.to_owned()).ok()
    });
    let verifier = Verifier {
        provider: Arc::clone(&provider),
        names: names.collect(),
        ca_file: tls.ca_file.clone(),
        trusted: Mutex::new(Trusted::load(tls.ca_file.as_ref(), &provider)?),
    };
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CqlError::Tls { hosts: config.names(), why: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A resumed session would not look at the certificate again.
    client.resumption = Resumption::disabled();
    Ok(Arc::new(client))
}

/// Whom we trust.
#[derive(Debug)]
struct Trusted {
    /// The file's content; empty for the system's authorities.
    pem: Vec<u8>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Trusted {
    fn load(ca_file: Option<&PathBuf>, provider: &Arc<CryptoProvider>) -> Result<Self, CqlError> {
        let Some(path) = ca_file else {
            return Self::of_system(provider);
        };
        let unusable = |why: String| CqlError::File { file: path.clone(), why };
        let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { pem, verifier })
    }

    fn of_system(provider: &Arc<CryptoProvider>) -> Result<Self, CqlError> {
        let unusable = |why: String| CqlError::Authorities { why };
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { pem: Vec::new(), verifier })
    }
}

/// Verifies as rustls does, with two differences: authorities are read anew when their file has
/// changed, and a certificate may name a contact host instead of the node's address.
///
/// The driver asks for the address, for that is all that nodes know of each other; certificates of
/// nodes that are named in DNS often don't have it. Any of the contact hosts' names will do for any
/// node: the authority vouches that it is one of the cluster's.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    names: Vec<ServerName<'static>>,
    ca_file: Option<PathBuf>,
    trusted: Mutex<Trusted>,
}

impl Verifier {
    fn trusted(&self) -> Arc<WebPkiServerVerifier> {
        let mut trusted = self.trusted.lock();
        if let Some(path) = &self.ca_file {
            // While the file is being replaced, what it held before goes on being trusted.
            let changed = fs::read(path).is_ok_and(|pem| pem != trusted.pem);
            if changed && let Ok(loaded) = Trusted::load(self.ca_file.as_ref(), &self.provider) {
                *trusted = loaded;
            }
        }
        Arc::clone(&trusted.verifier)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        address: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trusted = self.trusted();
        let verify = |name: &ServerName<'_>| {
            trusted.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        let result = verify(address);
        match &result {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => self.names.iter().find_map(|name| verify(name).ok()).map_or(result, Ok),
            _ => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
