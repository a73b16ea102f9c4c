//! OpenPGP's share of the last look: the form of RFC 3156, 4, and to whom the packets are encrypted.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
};

use sequoia_openpgp as openpgp;

use openpgp::{
    KeyHandle, KeyID, Packet,
    parse::{PacketParser, PacketParserResult, Parse},
};

use super::{Pgp, policy};
use crate::crypt::{
    Recipients,
    look::{Header, each_line, media_type},
    wire::{Decoder, Span, is_base64},
};

const END: &[u8] = b"-----END PGP MESSAGE-----";

/// Where a line of the message stands.
enum Place {
    Header,
    Preamble,
    ControlHeader,
    ControlBody { seen: bool },
    DataHeader,
    BeforeArmor,
    ArmorHeader,
    Armor,
    Checksum,
    BehindArmor,
    Epilogue,
}

/// Reads the finished message again from its bytes alone.
pub(super) fn look(pieces: &[Vec<u8>], recipients: &Recipients<Pgp>, made_here: bool) -> Result<Header, &'static str> {
    let mut header = Header::new();
    let mut part = Header::new();
    let mut delimiter = String::new();
    let mut place = Place::Header;
    let (mut start, mut end) = (0, 0);
    each_line(pieces, |offset, line| {
        // Addresses alone may be other text, and they stand in the header (RFC 6532).
        if !matches!(place, Place::Header) && !line.is_ascii() {
            return Err("it is not 7-bit");
        }
        place = match std::mem::replace(&mut place, Place::Epilogue) {
            Place::Header if line.is_empty() => {
                delimiter = format!("--{}", boundary(&header)?);
                Place::Preamble
            }
            Place::Header => header.line(line).map(|()| Place::Header)?,
            Place::Preamble if line == delimiter.as_bytes() => Place::ControlHeader,
            Place::Preamble if line.is_empty() => Place::Preamble,
            Place::Preamble => return Err("something stands before its first part"),
            Place::ControlHeader if line.is_empty() => {
                part_is(&part, "application/pgp-encrypted")?;
                part = Header::new();
                Place::ControlBody { seen: false }
            }
            Place::ControlHeader => part.line(line).map(|()| Place::ControlHeader)?,
            Place::ControlBody { seen: false } if line == b"Version: 1" => Place::ControlBody { seen: true },
            Place::ControlBody { seen: true } if line == delimiter.as_bytes() => Place::DataHeader,
            Place::ControlBody { seen } if line.is_empty() => Place::ControlBody { seen },
            Place::ControlBody { .. } => return Err("its first part is not `Version: 1`"),
            Place::DataHeader if line.is_empty() => {
                part_is(&part, "application/octet-stream")?;
                Place::BeforeArmor
            }
            Place::DataHeader => part.line(line).map(|()| Place::DataHeader)?,
            Place::BeforeArmor if line == b"-----BEGIN PGP MESSAGE-----" => Place::ArmorHeader,
            Place::BeforeArmor if line.is_empty() => Place::BeforeArmor,
            Place::BeforeArmor => return Err("its second part is not an armored message"),
            Place::ArmorHeader if line.is_empty() => {
                start = offset + 2;
                Place::Armor
            }
            Place::ArmorHeader if line.starts_with(b"Version: ") && line.len() <= 78 => Place::ArmorHeader,
            Place::ArmorHeader => return Err("its armor has a header that may say anything"),
            Place::Armor if line == END => {
                end = offset;
                Place::BehindArmor
            }
            Place::Armor if is_checksum(line) => Place::Checksum,
            Place::Armor if is_base64(line) => Place::Armor,
            Place::Checksum if line == END => {
                end = offset;
                Place::BehindArmor
            }
            Place::Checksum => return Err("something stands behind the checksum of its armor"),
            Place::Armor => return Err("its armor holds a line that is not base64"),
            Place::BehindArmor if is_close(line, &delimiter) => Place::Epilogue,
            Place::BehindArmor if line.is_empty() => Place::BehindArmor,
            Place::BehindArmor => return Err("something stands behind its armor"),
            Place::Epilogue if line.is_empty() => Place::Epilogue,
            Place::Epilogue => return Err("something stands behind its last part"),
        };
        Ok(())
    })?;
    if !matches!(place, Place::Epilogue) {
        return Err("it is not complete");
    }
    let armor = Span { pieces, at: start, end };
    compare(recipients, &sealed_to(Decoder::new(armor), made_here)?)?;
    Ok(header)
}

fn boundary(header: &Header) -> Result<String, &'static str> {
    const NOT_PGP: &str = "it is not multipart/encrypted with application/pgp-encrypted";
    let (kind, parameters) = media_type(header.one("content-type")?).ok_or(NOT_PGP)?;
    let parameter = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let pgp = parameter("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("application/pgp-encrypted"));
    if kind != "multipart/encrypted" || !pgp {
        return Err(NOT_PGP);
    }
    match parameter("boundary") {
        Some(boundary) if (1..=70).contains(&boundary.len()) => Ok(boundary.to_owned()),
        _ => Err("its boundary is missing or too long"),
    }
}

fn part_is(part: &Header, wanted: &str) -> Result<(), &'static str> {
    let known = |name: &str| {
        matches!(name, "content-type" | "content-description" | "content-disposition" | "content-transfer-encoding")
    };
    if !part.names().all(known) {
        return Err("a part has a field that may say anything");
    }
    if part.names().any(|name| name == "content-transfer-encoding")
        && !part.one("content-transfer-encoding")?.eq_ignore_ascii_case("7bit")
    {
        return Err("a part is not 7bit");
    }
    match media_type(part.one("content-type")?) {
        Some((kind, _)) if kind == wanted => Ok(()),
        _ => Err("a part is not of its type"),
    }
}

fn is_close(line: &[u8], delimiter: &str) -> bool {
    line.strip_prefix(delimiter.as_bytes()) == Some(b"--")
}

fn is_checksum(line: &[u8]) -> bool {
    line.len() == 5 && line[0] == b'=' && is_base64(line)
}

/// Whom the packets name, in order. They must be PKESKs and one SEIPD, nothing else.
fn sealed_to(packets: impl Read + Send + Sync, made_here: bool) -> Result<Vec<KeyHandle>, &'static str> {
    const BROKEN: &str = "its packets cannot be read";
    let mut named = Vec::new();
    let mut containers = 0;
    let mut parsed = PacketParser::from_reader(packets).map_err(|_| BROKEN)?;
    while let PacketParserResult::Some(packet) = parsed {
        match &packet.packet {
            Packet::PKESK(pkesk) if containers == 0 => match pkesk.recipient() {
                Some(recipient) => named.push(recipient),
                None => return Err("it is encrypted to a hidden recipient"),
            },
            Packet::SEIP(_) if made_here => return Ok(named),
            Packet::SEIP(_) if containers == 0 => containers += 1,
            _ => return Err("it holds a packet that is no part of a sealed message"),
        }
        parsed = packet.next().map_err(|_| BROKEN)?.1;
    }
    if containers == 1 { Ok(named) } else { Err("it is not encrypted") }
}

/// Each packet names a key of a recipient, and each recipient has a packet.
fn compare(recipients: &Recipients<Pgp>, named: &[KeyHandle]) -> Result<(), &'static str> {
    // SEIPDv1 names key IDs only, so that they are what is compared; SEIPDv2's fingerprints are looked at besides.
    let mut left: HashMap<KeyID, &KeyHandle> = HashMap::new();
    for name in named {
        if left.insert(KeyID::from(name), name).is_some() {
            return Err("it is encrypted twice to one key");
        }
    }
    let mut reached = HashSet::new();
    for usable in recipients.iter().map(|recipient| recipient.usable()) {
        let mut any = false;
        for target in policy::encryption_keys(&usable.certificate().cert, usable.checked_at()) {
            let handle = target.handle();
            let id = KeyID::from(&handle);
            if left.get(&id).is_some_and(|name| name.aliases(&handle)) {
                left.remove(&id);
                reached.insert(id.clone());
            }
            any |= reached.contains(&id);
        }
        if !any {
            return Err("it is not encrypted to every recipient");
        }
    }
    if left.is_empty() { Ok(()) } else { Err("it is encrypted to somebody else too") }
}
