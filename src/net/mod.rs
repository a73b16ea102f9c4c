//! Layer 3: one TLS policy for all protocols, the STARTTLS upgrade, DNS.
