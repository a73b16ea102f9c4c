//! Header protection (RFC 9788): which fields servers see.

/// A header confidentiality policy (RFC 9788, 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderPolicy {
    /// `hcp_baseline` (3.2.1): Subject becomes `[...]`, Comments and Keywords go.
    #[default]
    Baseline,
    /// `hcp_shy` (3.2.2): besides, addr-specs only and Date in UTC.
    Shy,
}
