#!/bin/bash
# Makes, in the current folder, what Thunderbird is shown: material.sh SEALPOST
#
# Alice writes with sealpost; Bob reads with Thunderbird. bob-tb.asc, the certificate of the key that Thunderbird
# made for Bob, is here already. The messages end up in sealed/NAME.eml; drive.py knows what to expect of each.
set -euo pipefail
umask 077

sealpost=$1
work=$PWD
alice() { "$sealpost" --home "$work/alice" --quiet "$@"; }
bob() { "$sealpost" --home "$work/bob" --quiet "$@"; }

mkdir alice bob gnupg ca files sealed
export GNUPGHOME=$work/gnupg
trap 'gpgconf --kill all' EXIT

# --- OpenPGP: Bob has a key of sealpost, one of GnuPG (RSA) and one of Thunderbird

alice key make "Alice Örtlund <alice@example.org>" --new-passphrase "file:$work/alice/pgp.pass"
alice key make "Alice Örtlund <alice-v6@example.org>" --profile rfc9580 --new-passphrase "file:$work/alice/v6.pass"
alice cert export alice@example.org > alice.asc

bob key make "Bob <bob-sp@example.org>" --new-passphrase "file:$work/bob/pgp.pass"
bob key export bob-sp@example.org > bob-sp.sec.asc
bob cert export bob-sp@example.org > bob-sp.asc
alice cert export alice-v6@example.org | bob cert import - > /dev/null

gpg() { command gpg --quiet --batch --passphrase '' "$@"; }
gpg --quick-gen-key "Bob <bob-gpg@example.org>" rsa3072 default 1y
fingerprint=$(gpg --list-keys --with-colons bob-gpg@example.org | awk -F: '/^fpr/ { print $10; exit }')
gpg --quick-add-key "$fingerprint" rsa3072 encr 1y
gpg --export-secret-keys --armor bob-gpg@example.org > bob-gpg.sec.asc
gpg --export --armor bob-gpg@example.org > bob-gpg.asc

for key in sp gpg tb; do
    alice cert import bob-$key.asc
done

# --- S/MIME: one authority; Alice and Bob have a certificate for RSA and one for P-256 each

openssl req -x509 -newkey rsa:3072 -nodes -keyout ca/ca.key -out ca/ca.pem -days 3650 \
    -subj "/CN=Test Mail CA" -addext keyUsage=critical,keyCertSign,cRLSign 2> /dev/null
cat > ca/extensions << 'END'
subjectAltName = email:$ENV::ADDRESS
extendedKeyUsage = emailProtection
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, keyAgreement
END

# certify NAME ALGORITHM...: NAME.p12, and NAME.pem for the others
certify() {
    local name=$1
    shift
    openssl req -newkey "$@" -nodes -keyout ca/$name.key -out ca/$name.csr \
        -subj "/CN=$name/emailAddress=$name@example.org" 2> /dev/null
    ADDRESS=$name@example.org openssl x509 -req -in ca/$name.csr -CA ca/ca.pem -CAkey ca/ca.key -CAcreateserial \
        -days 700 -extfile ca/extensions -out ca/$name.pem 2> /dev/null
    openssl pkcs12 -export -inkey ca/$name.key -in ca/$name.pem -certfile ca/ca.pem -name $name \
        -passout pass:secret -out ca/$name.p12
}
for who in alice bob; do
    certify $who-rsa rsa:2048
    certify $who-ec ec -pkeyopt ec_paramgen_curve:P-256
done

echo secret > alice/p12.pass
for kind in rsa ec; do
    alice key import ca/alice-$kind.p12 --passphrase "file:$work/alice/p12.pass"
    alice cert import ca/bob-$kind.pem
done > /dev/null

# Bob has sealpost, too, for what Thunderbird does not open.
bob key import ca/bob-rsa.p12 --passphrase "file:$work/alice/p12.pass" > /dev/null
bob cert import alice.asc > /dev/null
cat > bob/config.toml << END
default = "bob"
[account.bob]
from = "Bob <bob-sp@example.org>"
passphrase = "file:$work/bob/pgp.pass"
smime_passphrase = "file:$work/alice/p12.pass"
[smime]
trust_anchors = ["$work/ca/ca.pem"]
END

# --- Messages

# account NAME ADDRESS PASSPHRASE-SETTING PASSPHRASE-FILE OTHER-SETTING
account() {
    printf '[account.%s]\nfrom = "Alice Örtlund <%s@example.org>"\n' "$1" "$2"
    printf '%s = "file:%s/alice/%s"\n%s\n' "$3" "$work" "$4" "$5"
}

# configure [SETTING-OF-THE-ACCOUNTS [SETTING-OF-SMIME]]
configure() {
    {
        echo 'default = "pgp"'
        account pgp alice passphrase pgp.pass "${1:-}"
        account v6 alice-v6 passphrase v6.pass "${1:-}"
        account rsa alice-rsa smime_passphrase p12.pass "${1:-}"
        account ec alice-ec smime_passphrase p12.pass "${1:-}"
        printf '[smime]\ntrust_anchors = ["%s/ca/ca.pem"]\n%s\n' "$work" "${2:-}"
    } > alice/config.toml
}

# seal NAME ACCOUNT FLAG...: the text names the message, so that no other one passes for it
seal() {
    local name=$1 account=$2
    shift 2
    printf 'The text of %s\nGrüße\n' $name > files/text
    alice --account $account seal --body files/text --subject "Betreff $name – Grüße ✓" "$@" > sealed/$name.eml
}

echo hello > files/hello.txt
echo a > files/Übersicht.csv
head -c 5242880 /dev/urandom > files/large.bin
echo '<p>The <b>HTML</b> of a message, grüße</p>' > files/page.html

configure
seal pgp-sealpost-key pgp --to "Bøb <bob-sp@example.org>"
seal pgp-gpg-key pgp --to "Bøb <bob-gpg@example.org>"
seal pgp-thunderbird-key pgp --to "Bøb <bob-tb@example.org>"
seal pgp-attachments pgp --to bob-sp@example.org --attach files/hello.txt --attach files/Übersicht.csv
seal pgp-html pgp --to bob-sp@example.org --html files/page.html
seal pgp-large pgp --to bob-sp@example.org --attach files/large.bin
seal pgp-unsigned pgp --to bob-sp@example.org --no-sign
seal pgp-v6-signature v6 --to bob-sp@example.org
seal smime-rsa rsa --suite smime --to bob-rsa@example.org
seal smime-ec ec --suite smime --to bob-ec@example.org
seal smime-both rsa --suite smime --to bob-rsa@example.org --cc bob-ec@example.org
seal smime-attachment rsa --suite smime --to bob-rsa@example.org --attach files/hello.txt --html files/page.html

configure 'legacy_display = true'
seal pgp-legacy pgp --to bob-sp@example.org
seal smime-legacy rsa --suite smime --to bob-rsa@example.org

configure '' 'signature = "opaque"'
seal smime-rsa-opaque rsa --suite smime --to bob-rsa@example.org
seal smime-ec-opaque ec --suite smime --to bob-ec@example.org

configure 'gcm = true'
seal smime-gcm rsa --suite smime --to bob-rsa@example.org

configure
