//! The object identifiers of what is written and of what may be read again in a last look.

use der::asn1::ObjectIdentifier;

macro_rules! oids {
    ($($name:ident = $dotted:literal;)*) => {
        $(pub(in crate::crypt::smime) const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
    };
}

oids! {
    DATA = "1.2.840.113549.1.7.1";
    SIGNED_DATA = "1.2.840.113549.1.7.2";
    ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23";

    RSA = "1.2.840.113549.1.1.1";
    RSA_OAEP = "1.2.840.113549.1.1.7";
    MGF1 = "1.2.840.113549.1.1.8";
    RSA_PSS = "1.2.840.113549.1.1.10";
    EC = "1.2.840.10045.2.1";
    X25519 = "1.3.101.110";
    ECDH_SHA256 = "1.3.132.1.11.1";
    ECDH_SHA384 = "1.3.132.1.11.2";
    ECDH_SHA512 = "1.3.132.1.11.3";
    ECDH_HKDF_SHA256 = "1.2.840.113549.1.9.16.3.19";
    AES256_WRAP = "2.16.840.1.101.3.4.1.45";

    AES128_CBC = "2.16.840.1.101.3.4.1.2";
    AES256_CBC = "2.16.840.1.101.3.4.1.42";
    AES128_GCM = "2.16.840.1.101.3.4.1.6";
    AES256_GCM = "2.16.840.1.101.3.4.1.46";

    SHA256 = "2.16.840.1.101.3.4.2.1";
    SHA384 = "2.16.840.1.101.3.4.2.2";
    SHA512 = "2.16.840.1.101.3.4.2.3";
    ECDSA_SHA256 = "1.2.840.10045.4.3.2";
    ECDSA_SHA384 = "1.2.840.10045.4.3.3";
    ECDSA_SHA512 = "1.2.840.10045.4.3.4";
    ED25519 = "1.3.101.112";
    ML_DSA_44 = "2.16.840.1.101.3.4.3.17";
    ML_DSA_65 = "2.16.840.1.101.3.4.3.18";
    ML_DSA_87 = "2.16.840.1.101.3.4.3.19";

    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    SIGNING_TIME = "1.2.840.113549.1.9.5";
    CAPABILITIES = "1.2.840.113549.1.9.15";
    SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
}
