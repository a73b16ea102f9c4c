//! A Web Key Directory on disk, for any web server to give out (draft-koch-openpgp-webkey-service, 3.1): both layouts,
//! readable by everybody.

use std::{
    fs,
    fs::{DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    StoreError, disk,
    find::wkd::{hash, url},
};
use crate::{
    crypt::{PublicCertificate, pgp::Certificate},
    mail::Address,
};

/// Where a certificate is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// For whom.
    pub address: Address,
    /// The files, of the advanced and of the direct layout.
    pub files: [PathBuf; 2],
    /// From where they are asked for.
    pub urls: [String; 2],
}

/// Writes, or updates, what is given out for an address: its user IDs alone, joined with what lies there.
///
/// # Errors
/// Another certificate lies there ([`StoreError::Occupied`]), or something else; then nothing is written.
pub fn publish(root: &Path, certificate: &Certificate, address: &Address) -> Result<Published, StoreError> {
    let (name, domain) = (hash(address.local()), address.domain());
    let well_known = root.join(".well-known/openpgpkey");
    let folders = [well_known.join(domain), well_known];
    let files = folders.clone().map(|folder| folder.join("hu").join(&name));
    let mut joined = certificate.clone();
    for file in &files {
        joined = join(joined, file)?;
    }
    let bytes = joined.limited_to(address).to_bytes();
    for (folder, file) in folders.iter().zip(&files) {
        make_public(&folder.join("hu"))?;
        let policy = folder.join("policy");
        if policy.symlink_metadata().is_err() {
            disk::write_public(&policy, b"")?;
        }
        disk::write_public(file, &bytes)?;
    }
    let urls = [true, false].map(|advanced| url(address, advanced));
    Ok(Published { address: address.clone(), files, urls })
}

/// Adds what a file that is there says of the same certificate.
fn join(certificate: Certificate, path: &Path) -> Result<Certificate, StoreError> {
    let Some(file) = disk::open(path)? else { return Ok(certificate) };
    let there = Certificate::parse_all(&disk::read(path, file)?)
        .map_err(|error| StoreError::Damaged { path: path.to_owned(), error })?;
    there.into_iter().try_fold(certificate, |certificate, there| match there.fingerprint() {
        same if same == certificate.fingerprint() => Ok(certificate.merge(there)?),
        fingerprint => Err(StoreError::Occupied { path: path.to_owned(), fingerprint }),
    })
}

/// Makes folders that everybody may enter, whatever the umask; those that are there stay as they are.
fn make_public(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_public(above)?;
    }
    let made = || -> io::Result<()> {
        match DirBuilder::new().mode(0o755).create(folder) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => return Ok(()),
            made => made?,
        }
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        disk::sync_folder_of(folder)
    };
    made().map_err(StoreError::write(folder))
}
