//! From arguments to a [`Draft`], and from a whole message.

use std::{ffi::OsStr, path::Path};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    composition::random,
    exit::Kind,
    failure::Failure,
    grammar::{Recipients, Text},
    input::{self, Stdin},
};
use crate::{
    config,
    crypt::{SuiteName, smime},
    mail::{
        Address, Attachment, Content, Draft, DraftError, Field, Mailbox, Message, MessageId,
        parse::{MediaType, Tree, canonical, fields},
    },
};

/// To, Cc and Bcc with groups spelled out.
#[derive(Debug, Default)]
pub struct Mailboxes {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
}

impl Mailboxes {
    /// Reads what `-t`, `--cc` and `--bcc` say.
    pub fn read(arguments: &Recipients, groups: &config::Recipients) -> Result<Self, Failure> {
        Ok(Self {
            to: mailboxes(&arguments.to, "-t", groups)?,
            cc: mailboxes(&arguments.cc, "--cc", groups)?,
            bcc: mailboxes(&arguments.bcc, "--bcc", groups)?,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.to.is_empty() && self.cc.is_empty() && self.bcc.is_empty()
    }
}

/// Mailboxes, with commas between them or not, and the members of groups.
pub fn mailboxes(texts: &[String], flag: &str, groups: &config::Recipients) -> Result<Vec<Mailbox>, Failure> {
    let mut all = Vec::new();
    for piece in texts.iter().flat_map(|text| split_at_commas(text)).map(str::trim).filter(|piece| !piece.is_empty()) {
        if piece.starts_with('@') {
            all.extend(groups.expand(piece)?.into_iter().map(Mailbox::from));
        } else {
            let read = Mailbox::parse_list(piece);
            all.extend(read.map_err(|error| Failure::new(Kind::Usage, format!("{flag}: {error}")))?);
        }
    }
    Ok(all)
}

/// Splits at the commas that stand outside of quotes, comments, angle brackets, address literals and RFC 5322 groups.
fn split_at_commas(text: &str) -> Vec<&str> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut literal, mut depth) = (false, false, false, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | ']' => literal = c == '[',
            _ if literal => {}
            '(' | '<' | ':' => depth += 1,
            ')' | '>' | ';' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                pieces.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces
}

/// Composes a draft from the flags of `send`.
pub fn compose(
    text: &Text,
    mailboxes: Mailboxes,
    from: Mailbox,
    at: Timestamp,
    stdin: &mut Stdin,
) -> Result<Draft, Failure> {
    let subject = text.subject.as_deref().map(Draft::checked_subject).transpose().map_err(usage)?;
    let fields = text.header.iter().map(|line| Field::parse(line)).collect::<Result<_, _>>().map_err(usage)?;
    let in_reply_to =
        text.in_reply_to.iter().map(|id| MessageId::parse(id)).collect::<Result<_, _>>().map_err(usage)?;
    let references = text.references.iter().flat_map(|ids| ids.split_whitespace());
    let references = references.map(MessageId::parse).collect::<Result<_, _>>().map_err(usage)?;

    let mut attachments = Vec::new();
    for argument in &text.attach {
        let (path, name) = file_and_name(argument)?;
        let bytes = stdin.file(Path::new(path), "an attachment")?;
        attachments.push(Attachment::new(&name, bytes).map_err(usage)?);
    }
    let stdin_attached = text.attach.iter().any(|argument| file_and_name(argument).is_ok_and(|(path, _)| path == "-"));
    let body = match &text.body {
        Some(path) => input::text(stdin.file(path, "the text")?, "the text")?,
        None if stdin_attached => Zeroizing::new(String::new()),
        None => input::text(stdin.read("the text")?, "the text")?,
    };
    let html = match &text.html {
        Some(path) => Some(input::text(stdin.file(path, "the HTML text")?, "the HTML text")?),
        None => None,
    };
    Ok(Draft {
        message_id: message_id(&from.address)?,
        from,
        to: mailboxes.to,
        cc: mailboxes.cc,
        bcc: mailboxes.bcc,
        subject,
        date: at,
        in_reply_to,
        references,
        fields,
        content: Content::Parts { text: body, html, attachments },
    })
}

/// A message that says that it is encrypted already.
pub struct Passing {
    /// In which suite.
    pub suite: SuiteName,
    /// Its bytes as they would go on the wire.
    pub bytes: Vec<u8>,
    /// Its Message-ID as it stands there, if it has one.
    pub message_id: Option<String>,
}

/// Takes a whole message, and what of it would pass unchanged.
pub fn whole(message: Message, at: Timestamp) -> Result<(Draft, Option<Passing>), Failure> {
    let passing = passing(&message);
    Ok((Draft::from_message(message, at, random()?)?, passing))
}

fn passing(message: &Message) -> Option<Passing> {
    let header = &message.header;
    let content_type = fields(header).find(|field| field.is("Content-Type"))?;
    let whole = || Zeroizing::new([&header[..], &message.body].concat());
    let suite = match MediaType::parse(content_type.value).essence() {
        "multipart/encrypted" => SuiteName::OpenPgp,
        "application/pkcs7-mime" | "application/x-pkcs7-mime" if is_enveloped(&whole()) => SuiteName::Smime,
        _ => return None,
    };
    let message_id = fields(header).find(|field| field.is("Message-ID"));
    let message_id = message_id.and_then(|field| MessageId::parse(str::from_utf8(field.value).ok()?).ok());
    Some(Passing {
        suite,
        bytes: canonical(&whole()).into_owned(),
        message_id: message_id.map(|id| id.as_str().to_owned()),
    })
}

/// Whether the CMS in a message is encrypted: signed or compressed only it would be no secret.
fn is_enveloped(message: &[u8]) -> bool {
    Tree::parse(message).is_ok_and(|tree| smime::recipients_of(&tree.part(0).decoded(message)).is_ok())
}

/// A random one in the domain of the author.
pub fn message_id(from: &Address) -> Result<MessageId, Failure> {
    Ok(MessageId::from_random(random()?, from))
}

/// Splits `FILE[:NAME]` at the last colon, unless FILE with the colon is itself the name of a file; `-:NAME` is stdin.
fn file_and_name(argument: &str) -> Result<(&str, String), Failure> {
    let stdin = argument.strip_prefix("-:").map(|name| ("-", name));
    let (path, name) = match stdin.or_else(|| argument.rsplit_once(':')) {
        Some((path, name)) if !path.is_empty() && !Path::new(argument).exists() => (path, Some(name)),
        _ => (argument, None),
    };
    let name = match name {
        Some(name) => name.to_owned(),
        None if path == "-" => "attachment".to_owned(),
        None => Path::new(path)
            .file_name()
            .and_then(OsStr::to_str)
            .ok_or_else(|| Failure::new(Kind::Usage, format!("--attach {path:?}: the name is not UTF-8 text")))?
            .to_owned(),
    };
    Ok((path, name))
}

fn usage(error: DraftError) -> Failure {
    Failure { kind: Kind::Usage, ..error.into() }
}

#[cfg(test)]
mod tests {
    use super::{file_and_name, split_at_commas};

    #[test]
    fn commas_inside_names_do_not_split() {
        assert_eq!(
            split_at_commas(r#""Lee, Kim" <k@x.y>, @ops,team: a@b.c, d@e.f;, Z (x,y) <z@x.y>"#),
            [r#""Lee, Kim" <k@x.y>"#, " @ops", "team: a@b.c, d@e.f;", " Z (x,y) <z@x.y>"]
        );
    }

    #[test]
    fn an_attachment_gets_the_name_behind_the_last_colon() {
        let split = |argument| file_and_name(argument).ok();
        assert_eq!(split("a/b.txt"), Some(("a/b.txt", "b.txt".to_owned())));
        assert_eq!(split("a:b:c.txt"), Some(("a:b", "c.txt".to_owned())));
        assert_eq!(split("-:x.tar"), Some(("-", "x.tar".to_owned())));
        assert_eq!(split("-:a:b"), Some(("-", "a:b".to_owned())));
        assert_eq!(split("-"), Some(("-", "attachment".to_owned())));
    }
}
