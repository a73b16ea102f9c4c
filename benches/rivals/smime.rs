//! The same work in S/MIME: 2 kB beside our own OpenPGP, 100 MiB beside `openssl cms` in its fastest form.

use std::fs;

use crate::{Bench, Goal, SEALPOST, row, text, verdict};

/// Makes an authority, and certificates of RSA 2048 and P-256 for Alice and Bob.
const MAILBOXES: &str = "
    openssl req -x509 -newkey rsa:2048 -noenc -keyout mail-ca.key -out mail-ca.pem -days 30 -subj /CN=authority
    mailbox() {
        local who=$1 keys=$2; shift 2
        openssl req -newkey \"$@\" -noenc -keyout $who.$keys.key -subj /CN=$who -addext subjectAltName=email:$who@example.test |
            openssl x509 -req -CA mail-ca.pem -CAkey mail-ca.key -days 30 -copy_extensions copyall -out $who.$keys.pem
        openssl pkcs12 -export -in $who.$keys.pem -inkey $who.$keys.key -passout file:p12-passphrase -out $who.$keys.p12
    }
    umask 077; echo x > p12-passphrase
    for who in alice bob; do mailbox $who rsa rsa:2048; mailbox $who p256 ec -pkeyopt ec_paramgen_curve:P-256; done
    cat bob.rsa.pem bob.rsa.key > bob.rsa.all";

/// In their fastest form: MIME, detached, streaming.
const SIGN: &str = "openssl cms -sign -stream -signer alice.rsa.pem -inkey alice.rsa.key";
const DECRYPT: &str = "openssl cms -decrypt -recip bob.rsa.pem -inkey bob.rsa.key";
const VERIFY: &str = "openssl cms -verify -CAfile mail-ca.pem -no-CApath -purpose smimesign";

/// The most that sealing and opening 100 MiB may take, in MiB.
const MEMORY: f64 = 250.0;

impl Bench {
    /// All rows of S/MIME.
    pub(crate) fn smime(&self) {
        if !self.wanted("smime") {
            return;
        }
        self.shell(MAILBOXES);
        for keys in ["rsa", "p256"] {
            fs::create_dir(self.folder.path().join(format!("state-{keys}"))).unwrap();
            let anchor = self.folder.path().join("mail-ca.pem");
            let config = format!("[smime]\ntrust_anchors = [\"{}\"]\n", anchor.display());
            self.write(&format!("state-{keys}/config.toml"), config);
            self.shell(&format!(
                "sealpost --home state-{keys} key import alice.{keys}.p12 --passphrase file:p12-passphrase \
                     --new-passphrase file:passphrase.{keys}
                 sealpost --home state-{keys} cert import bob.{keys}.pem"
            ));
        }
        self.smime_send();
        self.smime_in_bulk();
    }

    /// `send`, 2 kB, signed, one recipient, in turns with OpenPGP.
    fn smime_send(&self) {
        let send = |home: &str, passphrase: &str| {
            format!(
                "sealpost --home {home} --quiet send --from alice@example.test -t bob@example.test -s figures \
                 --host localhost --ports {}/starttls --user alice --password file:smtp-password --ca-file ca.pem \
                 --passphrase file:{passphrase} < body",
                self.server.port()
            )
        };
        for (keys, name) in [("p256", "P-256"), ("rsa", "RSA 2048")] {
            let smime = send(&format!("state-{keys}"), &format!("passphrase.{keys}"));
            let (own, openpgp) = self.alternate(&smime, &send("state", "passphrase"));
            let work = |what| format!("send 2 kB, S/MIME {name}, {what}, by our OpenPGP");
            row(&work("processor"), own.processor, openpgp.processor, Goal::AtMost(1.2));
            row(&work("wall"), own.wall, openpgp.wall, Goal::AtMost(1.2));
        }
    }

    /// `seal` and `open`, 100 MiB, RSA 2048.
    fn smime_in_bulk(&self) {
        let head = "From: alice@example.test\r\nTo: bob@example.test\r\nSubject: figures\r\n\r\n".to_owned();
        self.write("plain.eml", head + &text(100 << 20));
        for (form, cipher) in [("CBC", "-aes-256-cbc"), ("GCM", "-aes-256-gcm")] {
            let setting = format!("[recipient.\"bob@example.test\"]\ngcm = {}\n", form == "GCM");
            self.write("state-rsa/recipients.toml", setting);
            let seal = "sealpost --home state-rsa --quiet seal --passphrase file:passphrase.rsa";
            let encrypt = format!("openssl cms -encrypt -stream {cipher} bob.rsa.pem");
            self.shell(&format!("{seal} < plain.eml > sealed.eml; {SIGN} < plain.eml > signed.eml"));
            let rival = format!("{SIGN} < plain.eml | {encrypt} > /dev/null");
            self.bulk("seal", form, (&format!("{seal} < plain.eml > /dev/null"), &rival));
            self.memory("seal", form, (seal, "plain.eml"), &[(SIGN, "plain.eml"), (&encrypt, "signed.eml")]);

            let open =
                "sealpost --quiet open --key bob.rsa.all --trust-anchor mail-ca.pem --signed-by alice@example.test -";
            self.shell(&format!("{DECRYPT} < sealed.eml > decrypted.eml"));
            let rival = format!("{DECRYPT} < sealed.eml | {VERIFY} > /dev/null");
            self.bulk("open", form, (&format!("{open} < sealed.eml > /dev/null"), &rival));
            self.memory("open", form, (open, "sealed.eml"), &[(DECRYPT, "sealed.eml"), (VERIFY, "decrypted.eml")]);
        }
    }

    fn bulk(&self, verb: &str, form: &str, (ours, theirs): (&str, &str)) {
        let (own, rival) = self.alternate(ours, theirs);
        let work = |what| format!("{verb} 100 MiB, S/MIME {form}, {what}, by openssl cms");
        row(&work("wall"), own.wall, rival.wall, Goal::AtMost(1.0));
        row(&work("processor"), own.processor, rival.processor, Goal::AtMost(1.0));
    }

    /// The peak of ours, and the highest of theirs, which are two programs at a time.
    fn memory(&self, verb: &str, form: &str, ours: (&str, &str), theirs: &[(&str, &str)]) {
        let peak = |(line, stdin): (&str, &str)| {
            let mut words: Vec<&str> = line.split(' ').collect();
            if words[0] == "sealpost" {
                words[0] = SEALPOST;
            }
            self.peak(&words, stdin)
        };
        let (own, rival) = (peak(ours), theirs.iter().map(|&one| peak(one)).fold(0.0, f64::max));
        let verdict = verdict(own <= MEMORY);
        println!(
            "| {verb} 100 MiB, S/MIME {form}, memory | {own:.0} MiB | {rival:.0} MiB | {:.2} | at most {MEMORY} MiB | {verdict} |",
            own / rival
        );
    }
}
