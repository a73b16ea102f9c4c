//! Forms that others write: old and odd PKCS#12, PEM of every kind, and what cannot be read.

use openssl::symm::{Cipher, Crypter, Mode};

use super::*;

/// Whether RC2 can be used by the process.
fn has_rc2() -> bool {
    let cipher = Cipher::from_nid(openssl::nid::Nid::RC2_40_CBC);
    cipher.is_some_and(|cipher| Crypter::new(cipher, Mode::Encrypt, &[0; 5], Some(&[0; 8])).is_ok())
}

#[test]
fn old_pkcs12_opens_and_leaves_no_old_algorithm_behind() {
    let folder = Folder::new();
    folder.kim("rsa:2048");
    let forms = [
        "-legacy",
        "-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40",
        "-legacy -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-3DES",
        "-legacy -keypbe PBE-SHA1-RC4-128 -certpbe PBE-SHA1-RC4-40",
        "-legacy -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
        "-keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-2DES",
        "-keypbe aes-128-cbc -certpbe NONE",
        "-keypbe NONE -certpbe NONE",
        "-keypbe aes-256-cbc -certpbe des-ede3-cbc -macalg sha512 -iter 5000",
        "-nomac",
        "-legacy -nomac",
        "-nomaciter -noiter",
    ];
    for form in forms {
        let key = only(&folder.p12(form));
        assert!(matches!(key.unlock(&pass("wrong")), Err(UnlockError::WrongPassphrase(_)) | Ok(_)), "{form}");
        let open = key.unlock(&pass("correct horse")).map_err(|error| format!("{form}: {error}")).unwrap();
        assert_eq!(seen(&open), whole(&folder), "{form}");
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let test = "crypt::smime::key::tests::foreign::child_opens_and_looks_for_rc2";
    child.args(["--exact", "--ignored", test]).env("SEALPOST_TEST_FOLDER", folder.dir.path());
    folder.p12("-legacy");
    let run = child.output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
}

#[test]
#[ignore = "run by old_pkcs12_opens_and_leaves_no_old_algorithm_behind, in a process of its own"]
fn child_opens_and_looks_for_rc2() {
    let folder = std::path::PathBuf::from(std::env::var_os("SEALPOST_TEST_FOLDER").unwrap());
    let key = only(&fs::read(folder.join("kim.p12")).unwrap());
    assert!(!has_rc2());
    for _ in 0..3 {
        key.unlock(&pass("correct horse")).unwrap();
        assert!(!has_rc2());
        assert!(key.unlock(&pass("wrong")).is_err());
        assert!(!has_rc2());
    }
    let legacy = crate::crypt::smime::key::pkcs12::legacy().unwrap();
    assert!(has_rc2(), "it would be seen");
    drop(legacy);
    assert!(!has_rc2());
}

#[test]
fn passphrases_may_be_empty_and_beyond_ascii() {
    let folder = Folder::new();
    folder.kim("rsa:2048");
    for (passphrase, more) in [("", ""), ("b\u{e4}tt\u{e9}ry \u{1f40e}", ""), ("b\u{e4}tt\u{e9}ry", "-legacy")] {
        folder.file("pw", format!("{passphrase}\n"));
        let key = only(&folder.p12(more));
        assert_eq!(seen(&key.unlock(&pass(passphrase)).unwrap()), whole(&folder));
        for wrong in ["x", "a\0b", &"long".repeat(2000)] {
            assert!(matches!(key.unlock(&pass(wrong)), Err(UnlockError::WrongPassphrase(_))));
        }
    }
}

#[test]
fn files_of_mozilla_are_read() {
    let folder = Folder::new();
    folder.kim("rsa:2048");
    folder.p12("");
    folder.run("certutil", "-N -d sql:. --empty-password");
    folder.run("pk12util", "-i kim.p12 -d sql:. -w pw");
    folder.run("pk12util", "-o nss.p12 -n kim -d sql:. -w pw");
    let bytes = folder.read("nss.p12");
    assert_eq!(bytes[1], 0x80, "of indefinite length");
    let key = only(&bytes);
    assert!(matches!(key.unlock(&pass("wrong")), Err(UnlockError::WrongPassphrase(_))));
    assert_eq!(seen(&key.unlock(&pass("correct horse")).unwrap())[0], whole(&folder)[0]);
}

#[test]
fn pem_is_read_in_every_form() {
    let folder = Folder::new();
    for (name, algorithm) in ALGORITHMS {
        folder.kim(algorithm);
        let chain = [folder.read("root.pem"), folder.read("mid.pem"), folder.read("kim.pem")].concat();
        let traditional = match name {
            "rsa" => "rsa",
            "p256" | "p384" => "ec",
            _ => "",
        };
        let mut forms = vec![
            "pkcs8 -topk8 -in kim.key -nocrypt -out out.pem".to_owned(),
            "pkcs8 -topk8 -in kim.key -passout file:pw -out out.pem".to_owned(),
            "pkcs8 -topk8 -in kim.key -passout file:pw -scrypt -out out.pem".to_owned(),
            "pkcs8 -topk8 -in kim.key -passout file:pw -v2 aes-128-cbc -v2prf hmacWithSHA512 -out out.pem".to_owned(),
            "pkcs8 -topk8 -in kim.key -passout file:pw -scrypt -v2 des3 -out out.pem".to_owned(),
            "pkcs8 -topk8 -in kim.key -passout file:pw -v1 PBE-SHA1-3DES -out out.pem".to_owned(),
            "pkcs8 -provider legacy -provider default -topk8 -in kim.key -passout file:pw -v1 PBE-SHA1-RC2-40 -out out.pem".to_owned(),
            "pkcs8 -provider legacy -provider default -topk8 -in kim.key -passout file:pw -v1 PBE-MD5-DES -out out.pem".to_owned(),
        ];
        if !traditional.is_empty() {
            let from =
                format!("{traditional} -provider legacy -provider default -in kim.key -passout file:pw -out out.pem");
            let old = if traditional == "rsa" { "-traditional " } else { "" };
            forms.extend(["", "-aes256", "-des3", "-des"].map(|cipher| format!("{from} {old}{cipher}")));
        }
        for form in forms {
            folder.openssl(&form);
            let pem = folder.read("out.pem");
            let key = only(&[chain.clone(), pem.clone()].concat());
            assert_eq!(seen(&key), whole(&folder), "{form}");
            let open = key.unlock(&pass("correct horse")).map_err(|error| format!("{form}: {error}")).unwrap();
            assert_eq!(seen(&open), whole(&folder), "{form}");
            assert!(open.signer(now()).is_ok());
            if key.is_locked() {
                assert!(matches!(key.unlock(&pass("wrong")), Err(UnlockError::WrongPassphrase(_))), "{form}");
            }
            // with line ends of Windows, and as DER
            let text = String::from_utf8(pem).unwrap();
            let windows = format!("Bag Attributes\r\n    friendlyName: kim\r\n{}", text.replace('\n', "\r\n"));
            only(windows.as_bytes()).unlock(&pass("correct horse")).unwrap();
            if !text.contains("DEK-Info") {
                let mut der =
                    only(&pem::blocks(&text).pop().unwrap().der.unwrap()).unlock(&pass("correct horse")).unwrap();
                assert!(der.certificate().is_none() && !der.adopt(&[folder.certificate("mid")]));
                assert!(der.adopt(&Certificate::parse_all(&chain).unwrap()));
                assert_eq!(seen(&der), whole(&folder), "{form}");
            }
        }
    }
}

/// An encrypted key whose scheme is written by hand; nothing decrypts to a key.
fn scheme(algorithm: &str) -> Result<Key, UnlockError> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    fs::write(
        &config,
        format!("asn1=SEQUENCE:key\n[key]\na=SEQUENCE:algorithm\nd=FORMAT:HEX,OCTETSTRING:00\n{algorithm}"),
    )
    .unwrap();
    let out = folder.path().join("out");
    let mut run = Command::new("openssl");
    run.args(["asn1parse", "-noout", "-genconf"]).arg(&config).arg("-out").arg(&out);
    assert!(run.status().unwrap().success());
    only(&fs::read(&out).unwrap()).unlock(&pass("correct horse"))
}

fn pbes2(derivation: &str, cipher: &str) -> String {
    format!(
        "[algorithm]\noid=OID:1.2.840.113549.1.5.13\np=SEQUENCE:scheme\n[scheme]\nk=SEQUENCE:derivation\nc=SEQUENCE:cipher\n\
         [cipher]\noid=OID:{cipher}\niv=FORMAT:HEX,OCTETSTRING:000102030405060708090a0b0c0d0e0f\n[derivation]\n{derivation}"
    )
}

#[test]
fn costs_and_algorithms_are_judged_before_anything_is_computed() {
    let aes = "2.16.840.1.101.3.4.1.42";
    let pbkdf2 = |rounds: &str| {
        format!(
            "oid=OID:1.2.840.113549.1.5.12\np=SEQUENCE:rounds\n[rounds]\ns=FORMAT:HEX,OCTETSTRING:00\nn=INTEGER:{rounds}"
        )
    };
    let scrypt = |n: u64, r: u64, p: u64| {
        format!(
            "oid=OID:1.3.6.1.4.1.11591.4.11\np=SEQUENCE:cost\n[cost]\ns=FORMAT:HEX,OCTETSTRING:00\nn=INTEGER:{n}\nr=INTEGER:{r}\np=INTEGER:{p}"
        )
    };
    let start = std::time::Instant::now();
    for rounds in ["10000001", "2147483647", "0x7fffffffffffffffffffffffffff"] {
        assert_eq!(scheme(&pbes2(&pbkdf2(rounds), aes)).err(), Some(UnlockError::TooCostly), "{rounds}");
    }
    for (n, r, p) in [(1 << 21, 8, 1), (1 << 40, 8, 1), (1 << 20, 8, 5), (2, 1 << 30, 1), (2, 1, 1 << 40)] {
        assert_eq!(scheme(&pbes2(&scrypt(n, r, p), aes)).err(), Some(UnlockError::TooCostly), "{n} {r} {p}");
    }
    let old = "[algorithm]\noid=OID:1.2.840.113549.1.12.1.3\np=SEQUENCE:rounds\n[rounds]\ns=FORMAT:HEX,OCTETSTRING:00\nn=INTEGER:20000000";
    assert_eq!(scheme(old).err(), Some(UnlockError::TooCostly));
    assert!(start.elapsed().as_secs() < 5);
    let named = |algorithm: &str| match scheme(algorithm) {
        Err(UnlockError::Algorithm(name)) => name,
        other => format!("{other:?}"),
    };
    assert_eq!(named(&pbes2(&pbkdf2("2048"), "2.16.840.1.101.3.4.1.46")), "aes-256-gcm");
    assert_eq!(named(&pbes2("oid=OID:1.2.3.4", aes)), "1.2.3.4");
    assert_eq!(named("[algorithm]\noid=OID:1.2.840.113549.1.5.1"), "pbeWithMD2AndDES-CBC");
    assert_eq!(scheme(&pbes2(&scrypt(3, 1, 1), aes)).err(), Some(UnlockError::Broken), "no power of two");
    assert!(matches!(scheme(&pbes2(&pbkdf2("1"), aes)), Err(UnlockError::WrongPassphrase(_))));
}

#[test]
fn a_pkcs12_file_is_bounded_by_all_its_parts_together() {
    let folder = Folder::new();
    folder.kim("rsa:2048");
    let costly = folder.p12("-iter 4000000 -macalg sha1");
    assert_eq!(only(&costly).unlock(&pass("wrong")).err(), Some(UnlockError::TooCostly));
    let modern = folder.p12("");
    for (at, bytes) in [(30, &modern[..modern.len() - 1]), (31, &modern[..200]), (32, &modern[..40])] {
        let unlocked = Key::parse_all(bytes).map(|mut keys| keys.remove(0).unlock(&pass("correct horse")));
        assert!(!matches!(unlocked, Ok(Ok(_))), "{at}");
    }
    // one bit at a time: never a panic, never another key than the true one
    for index in 0..modern.len() {
        let mut bytes = modern.clone();
        bytes[index] ^= 0x40;
        let Ok(mut keys) = Key::parse_all(&bytes) else { continue };
        if let Ok(open) = keys.remove(0).unlock(&pass("correct horse")) {
            assert_eq!(seen(&open)[0], whole(&folder)[0], "{index}");
        }
    }
}

#[test]
fn what_holds_no_key_is_named() {
    let folder = Folder::new();
    let words = |bytes: &[u8]| Key::parse_all(bytes).err().unwrap().to_string();
    assert_eq!(words(b" \n"), "the input is empty");
    assert_eq!(words(&folder.read("root.pem")), "there is no secret key in it, only certificates");
    assert_eq!(words(&folder.certificate("root").to_der()), "there is no secret key in it, only certificates");
    assert_eq!(words(b"rubbish"), "this is not a key but something else");
    assert_eq!(
        words(b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----"),
        CertificateError::Broken.to_string()
    );
    assert_eq!(words(&[0x30, 3, 2, 1, 0]), CertificateError::Broken.to_string());
    folder.openssl("pkcs12 -export -nokeys -in root.pem -passout file:pw -out none.p12");
    let none = only(&folder.read("none.p12"));
    assert_eq!(none.unlock(&pass("correct horse")).err(), Some(UnlockError::NoSecret));
    assert_eq!(format!("{none:?}"), "Key(None)");
}

#[test]
fn files_of_gpgsm_are_read() {
    let folder = Folder::new();
    folder.kim("rsa:2048");
    let home = tempfile::Builder::new().prefix("gpgsm-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(home.path().join("gpg-agent.conf"), "allow-loopback-pinentry\n").unwrap();
    let gpgsm = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        let line =
            "exec gpgsm --batch --no-tty --disable-crl-checks --pinentry-mode loopback --passphrase-fd 3 \"$@\" 3< pw";
        shell.args(["-c", line, "sh"]).args(arguments).current_dir(folder.dir.path()).env("GNUPGHOME", home.path());
        shell.output().unwrap()
    };
    // It reads one file of about thirty wrongly, by the bytes of its ciphertext; the next has others.
    let import = || {
        folder.p12("-legacy");
        let imported = gpgsm(&["--import", "kim.p12"]);
        (!imported.status.success()).then(|| String::from_utf8_lossy(&imported.stderr).into_owned())
    };
    let refusals: Vec<_> = (0..8).map_while(|_| import()).collect();
    assert!(refusals.len() < 8, "{refusals:?}");
    let exported = gpgsm(&["--export-secret-key-p12", "/CN=kim"]);
    let words = String::from_utf8_lossy(&exported.stderr).into_owned();
    Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", home.path()).status().unwrap();
    assert!(!exported.stdout.is_empty(), "{words}");
    let open = only(&exported.stdout).unlock(&pass("correct horse")).unwrap();
    assert_eq!(seen(&open)[0], whole(&folder)[0]);
}

/// PBMAC1 (RFC 9579) put on a file without integrity: how many rounds are made, and how many it says.
fn pbmac1(file: &[u8], passphrase: &str, rounds: usize, said: u32) -> Vec<u8> {
    use der::{
        Decode, Encode,
        asn1::{Any, AnyRef, ObjectIdentifier, OctetString, SequenceRef},
    };
    let sequence = |parts: &[Vec<u8>]| Any::new(Tag::Sequence, parts.concat()).unwrap().to_der().unwrap();
    let oid = |text: &str| ObjectIdentifier::new_unwrap(text).to_der().unwrap();
    let octets = |bytes: &[u8]| OctetString::new(bytes).unwrap().to_der().unwrap();
    let hmac = sequence(&[oid("1.2.840.113549.2.9"), vec![5, 0]]);
    // PFX: the version, then the safes, [0] and an OCTET STRING in a ContentInfo
    let body = <&SequenceRef>::from_der(file).unwrap().as_bytes().to_vec();
    let safes = AnyRef::from_der(&body[3..]).unwrap();
    let wrapped = AnyRef::from_der(&safes.value()[11..]).unwrap();
    let content = OctetString::from_der(wrapped.value()).unwrap();

    let salt = b"sixteen bytes 16";
    let mut secret = [0; 32];
    openssl::pkcs5::pbkdf2_hmac(
        passphrase.as_bytes(),
        salt,
        rounds,
        openssl::hash::MessageDigest::sha256(),
        &mut secret,
    )
    .unwrap();
    let secret = PKey::hmac(&secret).unwrap();
    let mut mac = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &secret).unwrap();
    let mac = mac.sign_oneshot_to_vec(content.as_bytes()).unwrap();
    let cost = sequence(&[octets(salt), said.to_der().unwrap(), 32u8.to_der().unwrap(), hmac.clone()]);
    let derivation = sequence(&[oid("1.2.840.113549.1.5.12"), cost]);
    let algorithm = sequence(&[oid("1.2.840.113549.1.5.14"), sequence(&[derivation, hmac])]);
    let data = sequence(&[sequence(&[algorithm, octets(&mac)]), octets(b"NOT USED")]);
    sequence(&[body, data])
}

#[test]
fn integrity_by_pbmac1_is_checked() {
    let folder = Folder::new();
    folder.kim("rsa:2048");
    let bare = folder.p12("-nomac");
    let key = only(&pbmac1(&bare, "correct horse", 2048, 2048));
    assert_eq!(seen(&key.unlock(&pass("correct horse")).unwrap()), whole(&folder));
    assert!(matches!(key.unlock(&pass("wrong")), Err(UnlockError::WrongPassphrase(_))));
    for (passphrase, said) in [("another", 2048), ("correct horse", 2049)] {
        let other = only(&pbmac1(&bare, passphrase, 2048, said));
        assert!(matches!(other.unlock(&pass("correct horse")), Err(UnlockError::WrongPassphrase(_))));
    }
    let endless = only(&pbmac1(&bare, "correct horse", 2048, 10_000_001));
    assert_eq!(endless.unlock(&pass("correct horse")).err(), Some(UnlockError::TooCostly));
}
