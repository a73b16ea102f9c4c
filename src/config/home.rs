//! Where everything lies: one folder, or the XDG folders.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{ConfigError, Environment};

/// The places of settings, certificates, keys and state. None of them need exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// `config.toml`.
    pub config: PathBuf,
    /// `recipients.toml`.
    pub recipients: PathBuf,
    /// The folder of certificates, shared with other programs.
    pub certificates: PathBuf,
    /// The folder of own keys.
    pub keys: PathBuf,
    /// The folder of X.509 certificates.
    pub x509: PathBuf,
    /// The folder of what is remembered between runs and can be lost.
    pub state: PathBuf,
}

impl Home {
    /// Finds the places: `--home`, else `SEALPOST_HOME`, moves them all; else they lie in the XDG folders, and the
    /// certificates where `PGP_CERT_D` says.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`].
    pub fn find(flag: Option<&Path>, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let path = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(home) = flag.map(Path::to_owned).or_else(|| path("SEALPOST_HOME")) {
            // the shared directory's library does not list a relative folder
            let home = std::path::absolute(&home).unwrap_or(home);
            return Ok(Self {
                config: home.join("config.toml"),
                recipients: home.join("recipients.toml"),
                certificates: home.join("pgp.cert.d"),
                keys: home.join("keys"),
                x509: home.join("x509"),
                state: home.join("state"),
            });
        }
        // a relative path is to be ignored (XDG Base Directory Specification)
        let xdg = |name: &str, below: &str| match path(name).filter(|path| path.is_absolute()) {
            Some(folder) => Ok(folder),
            None => match path("HOME").or_else(env::home_dir) {
                Some(home) => Ok(home.join(below)),
                None => Err(ConfigError::NoHome),
            },
        };
        let config = xdg("XDG_CONFIG_HOME", ".config")?.join("sealpost");
        let data = xdg("XDG_DATA_HOME", ".local/share")?;
        Ok(Self {
            config: config.join("config.toml"),
            recipients: config.join("recipients.toml"),
            certificates: path("PGP_CERT_D").unwrap_or_else(|| data.join("pgp.cert.d")),
            keys: data.join("sealpost/keys"),
            x509: data.join("sealpost/x509"),
            state: xdg("XDG_STATE_HOME", ".local/state")?.join("sealpost"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::ffi::OsString;

    use super::*;

    fn find(flag: Option<&str>, variables: &[(&str, &str)]) -> Home {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Home::find(flag.map(Path::new), &lookup).unwrap()
    }

    #[test]
    fn one_folder_moves_it_all() {
        let all = [("SEALPOST_HOME", "/s"), ("PGP_CERT_D", "/p"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        let home = find(None, &all);
        assert_eq!(home.config, Path::new("/s/config.toml"));
        assert_eq!(home.certificates, Path::new("/s/pgp.cert.d"));
        assert_eq!(home.keys, Path::new("/s/keys"));
        assert_eq!(home.x509, Path::new("/s/x509"));
        assert_eq!(home.state, Path::new("/s/state"));
        assert_eq!(find(Some("/f"), &all).recipients, Path::new("/f/recipients.toml"));
        assert!(find(Some("f"), &all).recipients.is_absolute());
    }

    #[test]
    fn else_the_xdg_folders_count() {
        let home = find(None, &[("HOME", "/h"), ("SEALPOST_HOME", "")]);
        assert_eq!(home.config, Path::new("/h/.config/sealpost/config.toml"));
        assert_eq!(home.certificates, Path::new("/h/.local/share/pgp.cert.d"));
        assert_eq!(home.keys, Path::new("/h/.local/share/sealpost/keys"));
        assert_eq!(home.state, Path::new("/h/.local/state/sealpost"));
        let home =
            find(None, &[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "rel"), ("PGP_CERT_D", "/p")]);
        assert_eq!(home.config, Path::new("/h/.config/sealpost/config.toml"));
        assert_eq!(home.certificates, Path::new("/p"));
        assert_eq!(home.keys, Path::new("/d/sealpost/keys"));
        assert_eq!(home.x509, Path::new("/d/sealpost/x509"));
    }
}
