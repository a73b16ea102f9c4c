//! Layer 4: endpoints and the order of trying them, the SMTP session through lettre, what each failure means.
