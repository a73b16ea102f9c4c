//! How to send what is left of a run, without doubling what was taken.

use std::ffi::OsString;

use crate::cli::{
    failure::{Failure, Hint, shell_words},
    grammar::Text,
};

/// Flags of the earlier run that the rest does without: what was left then, and the plan for all.
const REPLACED: [&str; 3] = ["--only", "--message-id", "--expect-plan"];

/// Adds to a failure how the rest is sent: only these addresses, under the same Message-ID, with the same standard
/// input. A command line that holds what was sealed is not repeated, since errors end in logs and in cron's mail.
pub fn told(
    failure: Failure,
    arguments: impl Iterator<Item = OsString>,
    text: &Text,
    message_id: Option<&str>,
    rest: &[String],
) -> Failure {
    let mut added: Hint =
        message_id.map(|id| ["--message-id".to_owned(), id.to_owned()]).into_iter().flatten().collect();
    added.extend(["--only".to_owned(), rest.join(",")]);
    let sealed = text.subject.is_some() || !text.header.is_empty() || !text.attach.is_empty();
    match arguments.map(OsString::into_string).collect::<Result<Vec<_>, _>>() {
        Ok(arguments) if !sealed => failure.hint(command(arguments, added)),
        _ => {
            let text = format!("{}; the same command with {} sends the rest", failure.text, shell_words(&added));
            Failure { text, ..failure }
        }
    }
}

fn command(arguments: Vec<String>, added: Hint) -> Hint {
    let mut hint = vec!["sealpost".to_owned()];
    let mut arguments = arguments.into_iter().skip(1);
    while let Some(argument) = arguments.next() {
        if REPLACED.contains(&argument.as_str()) {
            arguments.next();
        } else if !REPLACED.iter().any(|flag| argument.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))) {
            hint.push(argument);
        }
    }
    hint.extend(added);
    hint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Kind;

    fn rest(line: &str, text: &Text) -> Failure {
        let failure = Failure::new(Kind::Unavailable, "1 of 2 messages were accepted, then: no");
        told(failure, line.split(' ').map(OsString::from), text, Some("<1@x.org>"), &["b@x.org".to_owned()])
    }

    #[test]
    fn the_rest_replaces_an_earlier_rest_and_is_not_held_against_the_plan_for_all() {
        let line = "sealpost send --only a@x.org,b@x.org -t a@x.org,b@x.org,c@x.org --message-id=<1@x.org> --json \
                    --expect-plan plan.json";
        let expected = "sealpost send -t a@x.org,b@x.org,c@x.org --json --message-id <1@x.org> --only b@x.org";
        assert_eq!(rest(line, &Text::default()).hints, [expected.split(' ').map(str::to_owned).collect::<Vec<_>>()]);
    }

    #[test]
    fn what_was_sealed_is_not_repeated_in_the_clear() {
        let subject = Text { subject: Some("Merger".to_owned()), ..Text::default() };
        let header = Text { header: vec!["Keywords: Merger".to_owned()], ..Text::default() };
        let attach = Text { attach: vec!["Merger.pdf".to_owned()], ..Text::default() };
        for text in [subject, header, attach] {
            let failure = rest("sealpost send -t a@x.org,b@x.org -s Merger", &text);
            assert!(failure.hints.is_empty() && !failure.text.contains("Merger"), "{failure:?}");
            let end = "; the same command with --message-id '<1@x.org>' --only b@x.org sends the rest";
            assert!(failure.text.ends_with(end), "{failure:?}");
        }
    }
}
