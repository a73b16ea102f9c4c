//! `sealpost cert`: certificates of others.

mod import;
mod json;
mod list;
mod remove;

use jiff::Timestamp;

use super::{
    composition::{self, Place},
    failure::Failure,
    grammar::{Cert, Global},
    voice::Voice,
};

pub use json::CertificateJson;

pub fn run(verb: Cert, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let place = Place::open(global)?;
    match verb {
        Cert::Import { file } => import::run(&file, &place, at, voice),
        Cert::List => list::run(&place, at, voice),
        Cert::Show(arguments) => list::show(&arguments.name, &place, at, voice),
        Cert::Export(arguments) => {
            let certificate = composition::certificate_named(&arguments.name, &place, at)?;
            composition::export(&certificate.to_armored(), "certificate", arguments.output.as_deref(), voice)
        }
        Cert::Remove(arguments) => remove::run(&arguments.name, &place, at, voice),
    }
}
