//! Where the system keeps its root certificates.

use std::{env, fs, path::Path};

use openssl::{
    error::ErrorStack,
    ssl::SslFiletype,
    x509::{
        X509,
        store::{X509Lookup, X509Store, X509StoreBuilder, X509StoreBuilderRef},
    },
};

use super::ContextError;

/// The roots of the system and those of a file besides.
pub(super) fn store(ca_file: Option<&Path>) -> Result<X509Store, ContextError> {
    let mut store = X509StoreBuilder::new()?;
    add_system(&mut store)?;
    if let Some(path) = ca_file {
        let at = || path.to_owned();
        let pem = fs::read(path).map_err(|error| ContextError::CaFile { path: at(), error })?;
        let roots = X509::stack_from_pem(&pem).map_err(|_| ContextError::NoCertificate { path: at() })?;
        if roots.is_empty() {
            return Err(ContextError::NoCertificate { path: at() });
        }
        for root in roots {
            store.add_cert(root)?;
        }
    }
    Ok(store.build())
}

/// A folder with hashed names is read when a root is looked for, one file; a bundle at once, all of it: so the
/// folder comes first, save where the environment names a bundle.
fn add_system(store: &mut X509StoreBuilderRef) -> Result<(), ErrorStack> {
    let found = openssl_probe::probe();
    let told = env::var_os("SSL_CERT_FILE").is_some();
    let mut hashed = false;
    for folder in &found.cert_dir {
        if let Some(name) = folder.to_str()
            && holds_hashed_names(folder)
        {
            store.add_lookup(X509Lookup::hash_dir())?.add_dir(name, SslFiletype::PEM)?;
            hashed = true;
            break;
        }
    }
    if let Some(bundle) = &found.cert_file
        && (told || !hashed)
        && let Ok(pem) = fs::read(bundle)
    {
        for root in X509::stack_from_pem(&pem)? {
            store.add_cert(root)?;
        }
    }
    Ok(())
}

/// Names of the form `12ab34cd.0`, as `c_rehash` and `update-ca-certificates` make them.
fn holds_hashed_names(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let Some((hash, number)) = name.to_str().and_then(|name| name.split_once('.')) else { return false };
        hash.len() == 8
            && hash.bytes().all(|b| b.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}
