//! `sealpost key backup`: everything in one file under a passphrase: a tar archive within an OpenPGP message; or one's
//! own keys so, as a text to be printed.

use std::{fs, io, path::Path};

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    cli::{
        composition::Place, exit::Kind, failure::Failure, grammar::Backup, input, printable::Printable,
        secrets::Locking, voice::Voice,
    },
    crypt::pgp::{Packing, seal_file},
    keystore::{Piece, StoreError, StoredFile, paper, write_new},
};

/// What is not tried to be put on paper, in bytes before it is made smaller.
const MOST_ON_PAPER: usize = 1 << 20;

/// The settings that go along.
pub const CONFIG: &str = "config.toml";
pub const RECIPIENTS: &str = "recipients.toml";

pub fn run(arguments: &Backup, place: &Place, at: Timestamp, voice: Voice) -> Result<u8, Failure> {
    let output = &arguments.output;
    // All that can be refused is refused before a new passphrase is put anywhere.
    if output.symlink_metadata().is_ok() {
        return Err(StoreError::Exists { path: output.clone() }.into());
    }
    let mut files = if arguments.paper { place.keystore.own_contents()? } else { place.keystore.contents()? };
    if files.is_empty() {
        let text = if arguments.paper {
            "there is nothing to print: no key"
        } else {
            "there is nothing to back up: no key and no certificate"
        };
        return Err(Failure::new(Kind::NoInput, text).hint(["sealpost", "key", "make", "--help"]));
    }
    for (name, path) in [(CONFIG, &place.home.config), (RECIPIENTS, &place.home.recipients)] {
        if !arguments.paper {
            files.extend(read(path)?.map(|bytes| (name.to_owned(), bytes)));
        }
    }
    let archive =
        archive(&files).map_err(|error| Failure::new(Kind::System, format!("cannot make the archive: {error}")))?;
    if arguments.paper && archive.len() > MOST_ON_PAPER {
        let text = format!("the keys are too large for paper: {} bytes", archive.len());
        return Err(Failure::new(Kind::Limit, text).hint(["sealpost", "key", "backup", "--help"]));
    }
    let locking = Locking::read(&arguments.lock)?.ok_or_else(|| {
        let hint = ["sealpost", "key", "backup", "--output", "sealpost.backup", "--new-passphrase", "file:passphrase"];
        Failure::new(Kind::Usage, "a backup needs a passphrase: give --passphrase or --new-passphrase").hint(hint)
    })?;
    let keys = files.iter().filter(|(name, _)| is_key(name)).count();
    let lent = files.iter().filter(|(name, _)| name.ends_with(".agent")).count();
    let packing = if arguments.paper { Packing::Deflated } else { Packing::Plain };
    let mut sealed = seal_file("sealpost-backup.tar", &archive, &locking.passphrase, packing)?;
    let mut lines = None;
    if arguments.paper {
        let (count, plural) = (keys, if keys == 1 { "" } else { "s" });
        let what = format!("A backup of {count} key{plural} for encrypted mail, made on {}", &at.to_string()[..10]);
        let text = paper::print(&sealed, &what).map_err(|error| {
            let failure = Failure::new(Kind::Limit, format!("the keys are too large for paper: {error}"));
            failure.hint(["sealpost", "key", "backup", "--help"])
        })?;
        lines = Some(text.lines().count());
        sealed = text.into_bytes();
    }
    write_new(output, [sealed.as_slice()])?;

    if voice.json {
        let names: Vec<_> = files.iter().map(|(name, _)| name).collect();
        let file = output.display().to_string();
        let mut told =
            serde_json::json!({ "version": 1, "file": file, "keys": keys, "agent_keys": lent, "contents": names });
        if let Some(lines) = lines {
            told["lines"] = lines.into();
        }
        voice.object(&told)?;
    }
    let shown = output.display().to_string();
    voice.say(format_args!("wrote {} files, {keys} of them keys, to {}", files.len(), Printable(&shown)));
    if let Some(lines) = lines {
        voice.say(format_args!("print its {lines} lines, and try once whether you can read them"));
    }
    voice.say(format_args!(
        "the keys in it are locked as they are here: keep their passphrases too, and that of the backup, elsewhere"
    ));
    if lent > 0 {
        voice.say(format_args!(
            "of {lent} keys in gpg-agent it holds the certificate and no secret: back up their GnuPG home too"
        ));
    }
    let source = arguments.lock.new_passphrase.as_ref().or(arguments.lock.passphrase.as_ref());
    let import = ["sealpost", "key", "import", &shown].map(str::to_owned);
    voice.hint(
        import.into_iter().chain(source.into_iter().flat_map(|source| ["--passphrase".to_owned(), source.clone()])),
    );
    // Of a key that cannot be used there may be another copy somewhere still, but not for ever.
    match files.iter().find(|(name, bytes)| name.starts_with("keys/") && Piece::read(name, bytes).is_none()) {
        None => Ok(0),
        Some((name, _)) => {
            let text = format!("the backup is written, and {name} in it cannot be read: it is damaged here");
            Err(Failure::new(Kind::Malformed, text).hint(["sealpost", "key", "list"]))
        }
    }
}

fn is_key(name: &str) -> bool {
    name.starts_with("keys/") && (name.ends_with(".pgp") || name.ends_with(".pem"))
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => input::file(path).map(Some),
    }
}

/// Names and bytes alone: no owner, no time, nothing of this machine.
fn archive(files: &[StoredFile]) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = files.iter().map(|(_, bytes)| bytes.len() + 1024).sum::<usize>() + 1024;
    let mut archive = tar::Builder::new(Vec::with_capacity(room));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    archive.into_inner().map(Zeroizing::new)
}
