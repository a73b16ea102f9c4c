//! `sealpost cert`: certificates of others.

mod check;
mod find;
mod from_mail;
mod import;
mod json;
mod judging;
mod levels;
mod list;
mod refresh;
mod remove;
mod verify;

use jiff::Timestamp;

use super::{
    composition::Place,
    failure::Failure,
    grammar::{Cert, CertList, Global},
    named,
    named::AnyCertificate,
    voice::Voice,
};

pub use find::{Finding, known_for};
pub use json::CertificateJson;
pub use judging::Judging;
pub use refresh::Target;

pub fn run(verb: Cert, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let place = Place::open(global)?;
    match verb {
        Cert::Import { file, from_mail: false, .. } => import::run(&file, &place, at, voice),
        Cert::Import { file, from_mail: true, passphrase } => {
            from_mail::run(&file, passphrase.as_deref(), &place, global, at, voice)
        }
        Cert::List(CertList { missing: true }) => check::missing(&place, global, at, voice),
        Cert::List(CertList { missing: false }) => list::run(&place, at, voice),
        Cert::Refresh(arguments) => refresh::run(&arguments, &place, at, voice),
        Cert::Find(arguments) => find::run(&arguments, &place, global, at, voice),
        Cert::Show(arguments) => list::show(&arguments.name, &place, at, voice),
        Cert::Export(arguments) => {
            let certificate = named::certificate_named(&arguments.name, &place, at)?;
            let text = match certificate {
                AnyCertificate::OpenPgp(certificate) => certificate.to_armored(),
                AnyCertificate::Smime(certificate) => certificate.to_pem(),
            };
            named::export(&text, "certificate", arguments.output.as_deref(), voice)
        }
        Cert::Check(arguments) => check::run(&arguments, &place, global, at, voice),
        Cert::Verify(arguments) => verify::run(&arguments, &place, at, voice),
        Cert::Remove(arguments) => remove::run(&arguments.name, &place, at, voice),
    }
}
