//! What a reader may see: the text, the attachments, the message as it was before it was sealed, and the JSON.

use std::{fmt, io};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Readable, Readables, Summary, Warning, summary};
use crate::{
    crypt::SuiteName,
    mail::{
        autocrypt::{self, Autocrypt},
        body::{self, safe_file_name},
        protected::Author,
    },
};

/// A message that may be read.
pub struct Released {
    summary: Summary,
    readable: Readable,
    text: Zeroizing<String>,
    attachments: Vec<Attachment>,
}

/// One attachment; its bytes come by [`Released::write_attachment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// A base name without separators or control characters, not leading with a dot.
    pub name: String,
    /// Its media type, as the message says.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Its size in bytes, decoded.
    pub size: usize,
    /// The file that it was written to, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
    #[serde(skip)]
    part: usize,
}

/// The public JSON of `open`: all keys are always there.
#[derive(Serialize)]
pub struct Report<'a> {
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    suite: Option<SuiteName>,
    encrypted: bool,
    signature: &'a summary::Signature,
    headers: &'a summary::Headers,
    warnings: &'a [Warning],
    body: Option<Body<'a>>,
    attachments: &'a [Attachment],
}

#[derive(Serialize)]
struct Body<'a> {
    text: &'a str,
}

impl Released {
    pub(super) fn new(summary: Summary, mut readable: Readable) -> Self {
        let encrypted = readable.encrypted;
        let (text, attachments) = match &mut readable.content {
            Readables::Text(text) => (std::mem::take(text), Vec::new()),
            Readables::Entity { bytes, tree, root } => {
                let left_out = if encrypted { body::legacy_display(tree, *root, bytes) } else { None };
                let main = body::main_body(tree, *root, left_out);
                let text = main.map(|index| body::text(tree.part(index), bytes, encrypted)).unwrap_or_default();
                let parts = body::attachments(tree, *root, main, left_out);
                let attachments = parts.into_iter().enumerate().map(|(number, index)| {
                    let part = tree.part(index);
                    let media_type = crate::mail::parse::harmless(part.media.essence());
                    let fallback = fallback_name(&media_type, number + 1);
                    Attachment {
                        name: safe_file_name(part.file_name().unwrap_or_default(), &fallback),
                        media_type,
                        size: part.decoded_len(bytes),
                        saved: None,
                        part: index,
                    }
                });
                (Zeroizing::new(text), attachments.collect())
            }
        };
        Self { summary, readable, text, attachments }
    }

    /// What is known of it.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The Main Body Part as text, LF line breaks; empty if there is none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The attachments in order.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// The same, to note where they are saved.
    pub fn attachments_mut(&mut self) -> &mut [Attachment] {
        &mut self.attachments
    }

    /// What the author of an encrypted message says of its other readers' certificates; nobody vouches for it
    /// (Autocrypt Level 1, 4.3).
    pub fn gossip(&self) -> Vec<Autocrypt> {
        let Readable { content: Readables::Entity { bytes, tree, root }, headers, encrypted: true } = &self.readable
        else {
            return Vec::new();
        };
        let Author::One(author) = headers.author() else { return Vec::new() };
        autocrypt::gossip(&bytes[tree.part(*root).header.clone()], &author.address, &headers.readers())
    }

    /// Writes the decoded bytes of an attachment.
    pub fn write_attachment(&self, attachment: &Attachment, out: &mut dyn io::Write) -> io::Result<()> {
        let Readables::Entity { bytes, tree, .. } = &self.readable.content else { return Ok(()) };
        let Some(part) = tree.parts().get(attachment.part) else { return Ok(()) };
        let mut written = Ok(());
        part.decode_into(bytes, &mut |piece| {
            if written.is_ok() {
                written = out.write_all(piece);
            }
        });
        written
    }

    /// Writes the message as it was before it was sealed: an RFC 5322 message, its protected fields in place. What
    /// had no layer comes as it was.
    pub fn write_message(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let (bytes, tree, root) = match &self.readable.content {
            Readables::Entity { bytes, root: 0, .. } if !self.readable.encrypted => return out.write_all(bytes),
            Readables::Entity { bytes, tree, root } => (bytes, tree, *root),
            Readables::Text(_) => {
                self.write_outer(out, "\r\n")?;
                out.write_all(b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")?;
                out.write_all(b"Content-Transfer-Encoding: 8bit\r\n\r\n")?;
                return out.write_all(self.text.replace('\n', "\r\n").as_bytes());
            }
        };
        let range = tree.part(root).range();
        let line_break = if bytes[range.clone()].contains(&b'\r') { "\r\n" } else { "\n" };
        self.write_outer(out, line_break)?;
        let versioned =
            crate::mail::parse::fields(&bytes[tree.part(root).header.clone()]).any(|f| f.is("MIME-Version"));
        if !versioned {
            write!(out, "MIME-Version: 1.0{line_break}")?;
        }
        out.write_all(&bytes[range.clone()])?;
        out.write_all(if bytes[range].ends_with(b"\n") { b"" } else { line_break.as_bytes() })
    }

    fn write_outer(&self, out: &mut dyn io::Write, line_break: &str) -> io::Result<()> {
        for (name, value) in self.readable.headers.outer_rest(self.readable.encrypted) {
            write!(out, "{name}: {value}{line_break}")?;
        }
        Ok(())
    }

    /// Its JSON; `file` where several were opened.
    pub fn report<'a>(&'a self, file: Option<&'a str>) -> Report<'a> {
        Report::new(file, &self.summary, Some(&self.text), &self.attachments)
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(
        file: Option<&'a str>,
        summary: &'a Summary,
        text: Option<&'a str>,
        attachments: &'a [Attachment],
    ) -> Self {
        Self {
            version: 1,
            file,
            suite: summary.suite,
            encrypted: summary.encrypted,
            signature: &summary.signature,
            headers: &summary.headers,
            warnings: &summary.warnings,
            body: text.map(|text| Body { text }),
            attachments,
        }
    }
}

fn fallback_name(media_type: &str, number: usize) -> String {
    let extension = match media_type {
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "message/rfc822" | "message/global" => "eml",
        "application/pdf" => "pdf",
        "application/pgp-signature" => "asc",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        _ => "bin",
    };
    format!("attachment-{number}.{extension}")
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released").field("attachments", &self.attachments.len()).finish_non_exhaustive()
    }
}
