//! How to send what is left of a run, without doubling what was taken.

use crate::cli::failure::Hint;

/// The flags that tell a run what is left.
const OURS: [&str; 2] = ["--only", "--message-id"];

/// The same command for the rest: only these addresses, under the same Message-ID. It wants the same standard input.
pub fn command(arguments: impl Iterator<Item = String>, message_id: Option<&str>, rest: &[String]) -> Hint {
    let mut hint = vec!["sealpost".to_owned()];
    let mut arguments = arguments.skip(1);
    while let Some(argument) = arguments.next() {
        if OURS.contains(&argument.as_str()) {
            arguments.next();
        } else if !OURS.iter().any(|flag| argument.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))) {
            hint.push(argument);
        }
    }
    if let Some(id) = message_id {
        hint.extend(["--message-id".to_owned(), id.to_owned()]);
    }
    hint.extend(["--only".to_owned(), rest.join(",")]);
    hint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_replaces_an_earlier_rest() {
        let arguments = "sealpost send --only a@x.org,b@x.org -t a@x.org,b@x.org,c@x.org --message-id=<1@x.org> --json";
        let hint = command(arguments.split(' ').map(str::to_owned), Some("<1@x.org>"), &["b@x.org".to_owned()]);
        let expected = "sealpost send -t a@x.org,b@x.org,c@x.org --json --message-id <1@x.org> --only b@x.org";
        assert_eq!(hint.join(" "), expected);
    }
}
