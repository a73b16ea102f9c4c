//! What stands in clear around an encryption container (RFC 9580, 10.3): for whom it is, and that nothing follows it.

use sequoia_openpgp as openpgp;

use openpgp::{
    Packet,
    packet::{SEIP, Tag},
    parse::{PacketParser, PacketParserResult, buffered_reader::BufferedReader},
};

use super::{super::OpenError, Input, message_in, packets};

/// An SEIPDv1 packet has at least a random block with two bytes repeated, and an MDC packet.
const SHORTEST: usize = 18 + 22;

/// The most packets that name a recipient.
const MOST_RECIPIENTS: usize = 10_000;

/// The most packets behind the container, which tell nothing.
const MOST_BEHIND: usize = 10;

/// Whom an encrypted message names, as key IDs or fingerprints in upper-case hexadecimal, without any key; hidden
/// recipients are left out.
pub fn recipients_of(message: &[u8]) -> Result<Vec<String>, OpenError> {
    let survey = Survey::of(&message_in(message)?)?;
    Ok(survey.recipients)
}

/// What stands in clear before an encryption container.
pub(super) struct Survey {
    /// Key IDs or fingerprints.
    pub recipients: Vec<String>,
    /// Whether there are others, whom it does not name.
    pub hidden: bool,
    /// Whether each chunk of the container is proven by itself (SEIPDv2).
    pub modern: bool,
}

impl Survey {
    pub fn of(input: &Input<'_>) -> Result<Self, OpenError> {
        const BROKEN: OpenError = OpenError::Malformed("its packets cannot be read");
        let mut survey = Self { recipients: Vec::new(), hidden: false, modern: false };
        let mut count = 0;
        let mut parsed = packets(input).map_err(|_| BROKEN)?;
        while let PacketParserResult::Some(mut packet) = parsed {
            match &packet.packet {
                Packet::PKESK(pkesk) => match pkesk.recipient() {
                    Some(recipient) => survey.recipients.push(recipient.to_hex()),
                    None => survey.hidden = true,
                },
                Packet::SEIP(SEIP::V2(_)) => {
                    survey.modern = true;
                    return ends(packet).map(|()| survey);
                }
                Packet::SEIP(_) => {
                    // Sequoia 2.4.2 panics on a shorter one.
                    let long_enough = packet.data(SHORTEST).is_ok_and(|data| data.len() >= SHORTEST);
                    return if long_enough { ends(packet).map(|()| survey) } else { Err(OpenError::Undecryptable) };
                }
                // Packet 20 is GnuPG's own, packet 9 has no integrity (RFC 9580, 13.7).
                other if other.tag() == Tag::AED => return Err(OpenError::GnupgOnly),
                other if other.tag() == Tag::SED => return Err(OpenError::Undecryptable),
                other if matches!(other.tag(), Tag::SKESK | Tag::Marker | Tag::Padding | Tag::PKESK) => (),
                _ => return Err(OpenError::Malformed("it is not encrypted")),
            }
            count += 1;
            if count > MOST_RECIPIENTS {
                return Err(OpenError::Limit("it has too many recipients"));
            }
            parsed = packet.next().map_err(|_| BROKEN)?.1;
        }
        Err(OpenError::Malformed("it has no encrypted part"))
    }
}

/// Nothing follows a container that tells anything (RFC 9580, 10.3). One that breaks off fails when it is decrypted.
fn ends(container: PacketParser<'_>) -> Result<(), OpenError> {
    let mut next = container.next();
    for _ in 0..=MOST_BEHIND {
        match next {
            Ok((_, PacketParserResult::Some(packet))) if matches!(packet.packet.tag(), Tag::Marker | Tag::Padding) => {
                next = packet.next();
            }
            Ok((_, PacketParserResult::Some(_))) => break,
            _ => return Ok(()),
        }
    }
    Err(OpenError::Malformed("something stands behind its encrypted part"))
}
