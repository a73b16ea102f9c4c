//! Secrets in the system's keyring (Secret Service), by the keyring crate.
//!
//! A bus that accepts and stays silent blocks that crate for ever, so each call has a thread of its own and a
//! deadline; a thread that is given up ends with the process.

use std::{sync::mpsc, thread, time::Duration};

use ::keyring::{Entry, Error};
use zeroize::{Zeroize, Zeroizing};

use super::{SecretError, Source};

/// The service that all entries stand under.
const SERVICE: &str = "sealpost";

/// How long the keyring may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// Gets an entry.
pub(super) fn read(from: &Source, name: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let name = name.to_owned();
    within_deadline(move || {
        let password = Entry::new(SERVICE, &name)?.get_password()?;
        Ok(Zeroizing::new(password.into_bytes()))
    })
    .ok_or_else(|| SecretError::Deadline { from: from.clone(), after: DEADLINE })?
    .map_err(|error| refusal(from, error))
}

/// Makes an entry; false if there is one of the name already, which stays.
pub(super) fn write(from: &Source, name: &str, secret: &str) -> Result<bool, SecretError> {
    let (name, secret) = (name.to_owned(), Zeroizing::new(secret.to_owned()));
    within_deadline(move || {
        let entry = Entry::new(SERVICE, &name)?;
        match entry.get_password() {
            Err(Error::NoEntry) => entry.set_password(&secret).map(|()| true),
            Ok(mut there) => {
                there.zeroize();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    })
    .ok_or_else(|| SecretError::Deadline { from: from.clone(), after: DEADLINE })?
    .map_err(|error| refusal(from, error))
}

/// None if the keyring did not answer in time.
fn within_deadline<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Option<Result<T, Error>> {
    let (sender, receiver) = mpsc::channel();
    // Without a thread nobody answers.
    let _ = thread::Builder::new().spawn(move || sender.send(call()));
    receiver.recv_timeout(DEADLINE).ok()
}

fn refusal(from: &Source, error: Error) -> SecretError {
    let from = from.clone();
    match error {
        Error::NoEntry => SecretError::Missing(from),
        Error::NoDefaultStore => SecretError::NoKeyring(from),
        Error::NoStorageAccess(_) => SecretError::KeyringLocked(from),
        // these two carry the secret's bytes
        Error::BadEncoding(mut bytes) | Error::BadDataFormat(mut bytes, _) => {
            bytes.zeroize();
            SecretError::NotText(from)
        }
        error => SecretError::KeyringFailed { from, reason: error.to_string() },
    }
}
