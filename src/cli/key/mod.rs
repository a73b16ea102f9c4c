//! `sealpost key`: keys of one's own. Every one is locked at rest.

mod backup;
mod change;
mod export;
mod extend;
mod import;
mod json;
mod list;
mod make;
mod passphrase;
mod publish;
mod revoke;
mod rotate;

use jiff::Timestamp;

use super::{
    composition::Place,
    failure::Failure,
    grammar::{Global, Key},
    voice::Voice,
};

pub use json::KeyJson;

pub fn run(verb: Key, global: &Global, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let place = Place::open(global)?;
    match verb {
        Key::Make(arguments) => make::run(&arguments, &place, at, voice),
        Key::Import(arguments) => import::run(&arguments, &place, at, voice),
        Key::List => list::run(&place, at, voice),
        Key::Show(arguments) => list::show(&arguments.name, &place, at, voice),
        Key::Export(arguments) => export::run(&arguments, &place, at, voice),
        Key::Extend(arguments) => extend::run(&arguments, global, &place, at, voice),
        Key::Revoke(arguments) => revoke::run(&arguments, global, &place, at, voice),
        Key::Backup(arguments) => backup::run(&arguments, &place, at, voice),
        Key::ChangePassphrase(arguments) => passphrase::run(&arguments, global, &place, at, voice),
        Key::Publish(arguments) => publish::run(&arguments, &place, at, voice),
        Key::Rotate(arguments) => rotate::run(&arguments, global, &place, at, voice),
    }
}
