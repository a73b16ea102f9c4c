//! The line protocol of gpg-agent (Assuan): one command, then status, data and inquiries until it is done. Every line,
//! and all that comes of one command, is bounded; what breaks the protocol ends the dialogue.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// The longest line, with its end.
const LINE: usize = 1000;

/// The most data, and the most lines, that one command may bring.
const MOST_DATA: usize = 64 * 1024;
const MOST_LINES: usize = 1000;

/// Why a dialogue ended.
#[derive(Debug)]
pub enum AssuanError {
    /// Reading or writing failed; `TimedOut` if there was no answer in time.
    Io(io::Error),
    /// What came is no answer.
    Protocol(&'static str),
    /// It refused: the code of libgpg-error without the part that names who failed, and its words.
    Refused(u32, String),
}

/// What a command brought.
#[derive(Debug, Default)]
pub struct Answer {
    /// All data.
    pub data: Zeroizing<Vec<u8>>,
    /// The status lines, each a keyword and the rest.
    pub status: Vec<(String, String)>,
}

/// What is answered to an inquiry; none cancels it.
pub type Reply<'a> = &'a mut dyn FnMut(&str) -> Option<Zeroizing<Vec<u8>>>;

/// A dialogue with an agent.
pub struct Dialogue<S> {
    stream: S,
    /// What was read and not yet looked at.
    ahead: Zeroizing<Vec<u8>>,
}

/// One line of an agent.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Ok,
    Refused(u32, &'a [u8]),
    Data(&'a [u8]),
    Status(&'a [u8], &'a [u8]),
    Inquiry(&'a [u8]),
    Comment,
}

impl<S: Read + Write> Dialogue<S> {
    /// Begins with its greeting.
    pub fn begin(stream: S) -> Result<Self, AssuanError> {
        let mut dialogue = Self { stream, ahead: Zeroizing::new(Vec::with_capacity(LINE)) };
        dialogue.answer(&mut |_| None)?;
        Ok(dialogue)
    }

    /// Sends a command, whose words hold no line break, and answers what is inquired meanwhile.
    pub fn command(&mut self, words: &str, reply: Reply<'_>) -> Result<Answer, AssuanError> {
        let mut line = Vec::with_capacity(words.len() + 1);
        line.extend_from_slice(words.as_bytes());
        self.send(line)?;
        self.answer(reply)
    }

    fn answer(&mut self, reply: Reply<'_>) -> Result<Answer, AssuanError> {
        let mut answer = Answer::default();
        for _ in 0..MOST_LINES {
            let line = self.line()?;
            match Line::parse(&line)? {
                Line::Ok => return Ok(answer),
                Line::Refused(code, words) => return Err(AssuanError::Refused(code, lossy(words))),
                Line::Data(escaped) => {
                    let raw = unescape(escaped)?;
                    if answer.data.len() + raw.len() > MOST_DATA {
                        return Err(AssuanError::Protocol("it sends more data than any key needs"));
                    }
                    extend(&mut answer.data, &raw);
                }
                Line::Status(keyword, rest) => answer.status.push((lossy(keyword), lossy(rest))),
                Line::Inquiry(keyword) => match reply(&lossy(keyword)) {
                    Some(data) => self.send_data(&data)?,
                    None => self.send(b"CAN".to_vec())?,
                },
                Line::Comment => {}
            }
        }
        Err(AssuanError::Protocol("it sends lines without end"))
    }

    /// One line without its end.
    fn line(&mut self) -> Result<Zeroizing<Vec<u8>>, AssuanError> {
        let mut chunk = Zeroizing::new([0; LINE]);
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.ahead) {
                let line = Zeroizing::new(self.ahead[..end].to_vec());
                let rest = Zeroizing::new(self.ahead[end + 1..].to_vec());
                self.ahead = rest;
                return Ok(line);
            }
            if self.ahead.len() >= LINE {
                return Err(AssuanError::Protocol("it sends a line of more than 1000 bytes"));
            }
            match self.stream.read(chunk.as_mut_slice()) {
                Ok(0) => return Err(AssuanError::Protocol("it ended the connection before it had answered")),
                Ok(count) => extend(&mut self.ahead, &chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(AssuanError::Io(error)),
            }
        }
    }

    /// The answer to an inquiry, in lines of the length that is allowed.
    fn send_data(&mut self, data: &[u8]) -> Result<(), AssuanError> {
        // each byte may become three
        for chunk in data.chunks((LINE - 3) / 3) {
            let mut line = Zeroizing::new(Vec::with_capacity(LINE));
            line.extend_from_slice(b"D ");
            for byte in chunk {
                match byte {
                    b'%' | b'\r' | b'\n' => line.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                    _ => line.push(*byte),
                }
            }
            line.push(b'\n');
            self.stream.write_all(&line).map_err(AssuanError::Io)?;
        }
        self.send(b"END".to_vec())
    }

    fn send(&mut self, mut line: Vec<u8>) -> Result<(), AssuanError> {
        line.push(b'\n');
        self.stream.write_all(&line).and_then(|()| self.stream.flush()).map_err(AssuanError::Io)
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, AssuanError> {
        let (word, rest) = split(line);
        Ok(match word {
            b"OK" => Self::Ok,
            b"ERR" => {
                let (code, words) = split(rest);
                let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<u32>().ok());
                Self::Refused(code.ok_or(AssuanError::Protocol("it refuses without a reason"))? & 0xffff, words)
            }
            b"D" => Self::Data(rest),
            b"S" => {
                let (keyword, rest) = split(rest);
                Self::Status(keyword, rest)
            }
            b"INQUIRE" => Self::Inquiry(split(rest).0),
            _ if line.first() == Some(&b'#') => Self::Comment,
            _ => return Err(AssuanError::Protocol("it sends a line that the protocol does not know")),
        })
    }
}

/// The first word, and what is behind the space.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

fn unescape(escaped: &[u8]) -> Result<Zeroizing<Vec<u8>>, AssuanError> {
    let mut raw = Zeroizing::new(Vec::with_capacity(escaped.len()));
    let mut rest = escaped;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            raw.push(byte);
            continue;
        }
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let digits = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        raw.push(value.ok_or(AssuanError::Protocol("it sends data with a broken escape"))?);
        rest = &after[2..];
    }
    Ok(raw)
}

/// Appends, and leaves no unwiped copy behind where the buffer has to grow.
fn extend(buffer: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    if buffer.capacity() < buffer.len() + more.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * (buffer.len() + more.len())));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(more);
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
pub mod tests;
