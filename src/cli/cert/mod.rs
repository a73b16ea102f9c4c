//! `sealpost cert`: certificates of others.

mod find;
mod import;
mod json;
mod judging;
mod list;
mod remove;

use jiff::Timestamp;

use super::{
    composition::{self, AnyCertificate, Place},
    failure::Failure,
    grammar::{Cert, Global},
    voice::Voice,
};

pub use json::CertificateJson;
pub use judging::Judging;

pub fn run(verb: Cert, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let place = Place::open(global)?;
    match verb {
        Cert::Import { file } => import::run(&file, &place, at, voice),
        Cert::Find(arguments) => find::run(&arguments, &place, at, voice),
        Cert::List => list::run(&place, at, voice),
        Cert::Show(arguments) => list::show(&arguments.name, &place, at, voice),
        Cert::Export(arguments) => {
            let certificate = composition::certificate_named(&arguments.name, &place, at)?;
            let text = match certificate {
                AnyCertificate::OpenPgp(certificate) => certificate.to_armored(),
                AnyCertificate::Smime(certificate) => certificate.to_pem(),
            };
            composition::export(&text, "certificate", arguments.output.as_deref(), voice)
        }
        Cert::Remove(arguments) => remove::run(&arguments.name, &place, at, voice),
    }
}
