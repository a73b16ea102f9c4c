//! format=flowed undone (RFC 3676).

/// Joins flowed lines of the same quote depth, undoes space-stuffing, keeps the signature separator. The text has
/// LF line breaks.
pub fn unwrap(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // The quote depth of a line that goes on.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let depth = content.bytes().take_while(|byte| *byte == b'>').count();
        let content = &content[depth..];
        let content = content.strip_prefix(' ').unwrap_or(content);
        let separator = content == "-- ";
        if open.is_some_and(|before| before != depth || separator) {
            out.push('\n');
            open = None;
        }
        if open.is_none() && depth > 0 {
            out.extend(std::iter::repeat_n('>', depth));
            out.push(' ');
        }
        if !separator && let Some(shorter) = content.strip_suffix(' ') {
            out.push_str(if delete_space { shorter } else { content });
            open = Some(depth);
        } else {
            out.push_str(content);
            out.push_str(if line.ends_with('\n') { "\n" } else { "" });
            open = None;
        }
    }
    if open.is_some() && text.ends_with('\n') {
        out.push('\n');
    }
    out
}
