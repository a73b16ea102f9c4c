//! A notice to whoever looks after an account that `send` or `seal` had to refuse: sealed, and without the message.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    composition::{self, Place},
    draft,
    exit::Kind,
    failure::Failure,
    grammar, sealing, submission,
    voice::Voice,
};
use crate::{
    config::Account,
    flow::send::submit,
    mail::{Content, Draft, Field, Mailbox},
    submit::Accepted,
};

/// Tells the operator of a refusal, if the account names one. What becomes of the notice is said, and changes nothing
/// of what the run ends with.
pub fn refused(failure: Failure, verb: &str, account: &Account, place: &Place, at: Timestamp, voice: Voice) -> Failure {
    let Some(operator) = &account.alert_to else { return failure };
    // Nothing is wrong with the command, and another message may go out by the same server.
    if !matches!(failure.kind, Kind::Recipients | Kind::Permission | Kind::Plan) {
        return failure;
    }
    match notify(&failure, verb, operator, account, place, at) {
        Ok(_) => {
            voice.say(format_args!("a notice went to {}", operator.address));
            failure
        }
        Err(why) => {
            let text = format!("{}; no notice could be sent to {}: {}", failure.text, operator.address, why.text);
            Failure { text, ..failure }
        }
    }
}

fn notify(
    failure: &Failure,
    verb: &str,
    operator: &Mailbox,
    account: &Account,
    place: &Place,
    at: Timestamp,
) -> Result<Vec<Accepted>, Failure> {
    let from = composition::author(account)?;
    let reasons: String = failure.recipients.iter().map(|one| format!("\n{}: {}", one.address, one.reason)).collect();
    let text = format!(
        "sealpost {verb} refused a message of {} at {at}, and ended with {}.\n\n{}\n{reasons}\n",
        from.address,
        failure.kind.exit(),
        failure.text
    );
    let draft = || -> Result<Draft, Failure> {
        Ok(Draft {
            message_id: draft::message_id(&from.address)?,
            from: from.clone(),
            to: vec![operator.clone()],
            cc: Vec::new(),
            bcc: Vec::new(),
            subject: Some(format!("sealpost {verb} refused a message")),
            date: at,
            in_reply_to: Vec::new(),
            references: Vec::new(),
            // Nobody is to answer it by a machine (RFC 3834, 5).
            fields: vec![Field::parse("Auto-Submitted: auto-generated")?],
            content: Content::Parts { text: Zeroizing::new(text.clone()), html: None, attachments: Vec::new() },
        })
    };
    let known = place.recipients()?;
    let settings = submission::submission(account, &grammar::Submission::default(), &draft()?, place)?;
    let arguments = grammar::Sealing::default();
    let decided = sealing::decide(&draft()?, account, &arguments, place, &known, None, at)?;
    let sealed = |account: &Account| decided.messages(draft()?, None, account, &mut decided.plan());
    // The key may be what is missing.
    let messages = sealed(account).or_else(|_| sealed(&Account { sign: false, ..account.clone() }))?;
    let submitted = composition::drive(submit(&messages, &settings, &mut submission::Login::new(account)))?;
    match submitted.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(submitted.accepted),
    }
}
