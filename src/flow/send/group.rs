//! Which recipients get a message together: one for each suite for all whom everybody sees, one for each Bcc
//! recipient.

use std::collections::HashMap;

use super::assign::{Addressee, Assigned};
use crate::{
    crypt::{
        SuiteName,
        pgp::Pgp,
        smime::{Form, Smime},
    },
    mail::{Address, Draft},
};

/// Recipients of one message; at least one.
#[derive(Clone)]
pub enum Group {
    /// In OpenPGP.
    OpenPgp(Vec<Assigned<Pgp>>),
    /// In S/MIME, and in which form.
    Smime(Vec<Assigned<Smime>>, Form),
}

impl Group {
    /// Of which suite.
    pub fn suite(&self) -> SuiteName {
        match self {
            Self::OpenPgp(_) => SuiteName::OpenPgp,
            Self::Smime(..) => SuiteName::Smime,
        }
    }

    /// Whom it is for, in order.
    pub fn addresses(&self) -> Vec<Address> {
        match self {
            Self::OpenPgp(all) => all.iter().map(|one| one.recipient.address().clone()).collect(),
            Self::Smime(all, _) => all.iter().map(|one| one.recipient.address().clone()).collect(),
        }
    }
}

/// Splits recipients into messages; `form` chooses that of an S/MIME one by its recipients.
pub fn group(draft: &Draft, assigned: Vec<Addressee>, form: impl Fn(&[Assigned<Smime>]) -> Form) -> Vec<Group> {
    let mut by_address: HashMap<Address, Addressee> =
        assigned.into_iter().map(|addressee| (addressee.address().clone(), addressee)).collect();
    let (mut openpgp, mut smime) = (Vec::new(), Vec::new());
    for mailbox in draft.to.iter().chain(&draft.cc) {
        match by_address.remove(&mailbox.address) {
            Some(Addressee::OpenPgp(assigned)) => openpgp.push(*assigned),
            Some(Addressee::Smime(assigned)) => smime.push(assigned),
            None => {}
        }
    }
    let in_smime = |recipients: Vec<Assigned<Smime>>| {
        let form = form(&recipients);
        Group::Smime(recipients, form)
    };
    let mut groups = Vec::new();
    if !openpgp.is_empty() {
        groups.push(Group::OpenPgp(openpgp));
    }
    if !smime.is_empty() {
        groups.push(in_smime(smime));
    }
    groups.extend(draft.bcc.iter().filter_map(|mailbox| by_address.remove(&mailbox.address)).map(|one| match one {
        Addressee::OpenPgp(assigned) => Group::OpenPgp(vec![*assigned]),
        Addressee::Smime(assigned) => in_smime(vec![assigned]),
    }));
    groups
}
