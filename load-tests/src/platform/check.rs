//! Bodies: sizes, ids, message objects. Errors are worded as LINE's reference has them.

use serde_json::{Value, json};

/// What LINE answers to a bad body.
pub type BadBody = Value;

/// Types of message objects.
const TYPES: [&str; 9] =
    ["text", "image", "video", "audio", "location", "sticker", "template", "imagemap", "flex"];

/// Whether a text is a user id: `U` and 32 lower-case hexadecimal digits.
pub fn is_user_id(text: &str) -> bool {
    text.len() == 33
        && text.starts_with('U')
        && text[1..].bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn details(errors: Vec<(String, String)>) -> BadBody {
    let count = errors.len();
    let details: Vec<_> = errors
        .into_iter()
        .map(|(property, message)| json!({"message": message, "property": property}))
        .collect();
    json!({"message": format!("The request body has {count} error(s)"), "details": details})
}

/// Checks `messages`, and gives the words of the text messages.
pub fn messages(body: &Value) -> Result<Vec<String>, BadBody> {
    let Some(messages) = body.get("messages").and_then(Value::as_array) else {
        return Err(details(vec![("messages".into(), "May not be empty".into())]));
    };
    if messages.is_empty() || messages.len() > 5 {
        return Err(details(vec![("messages".into(), "Size must be between 1 and 5".into())]));
    }
    let mut errors = Vec::new();
    let mut texts = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
        if !TYPES.contains(&kind) {
            let all = TYPES[..8].join(", ");
            errors.push((
                format!("messages[{n}].type"),
                format!("Must be one of the following values: [{all}]"),
            ));
            continue;
        }
        if kind != "text" {
            continue;
        }
        let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
        let units = text.encode_utf16().count();
        if units == 0 {
            errors.push((format!("messages[{n}].text"), "May not be empty".into()));
        } else if units > 5_000 {
            errors
                .push((format!("messages[{n}].text"), "Length must be between 0 and 5000".into()));
        } else {
            texts.push(text.to_owned());
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(details(errors)) }
}

/// The recipients of a multicast; `is_refused` tells which ids LINE refuses beside malformed ones.
pub fn multicast_to(
    body: &Value,
    is_refused: impl Fn(&str) -> bool,
) -> Result<Vec<String>, BadBody> {
    let Some(to) = body.get("to").and_then(Value::as_array) else {
        return Err(details(vec![("to".into(), "May not be empty".into())]));
    };
    if to.is_empty() || to.len() > 500 {
        return Err(details(vec![("to".into(), "Size must be between 1 and 500".into())]));
    }
    let mut users = Vec::with_capacity(to.len());
    for (n, user) in to.iter().enumerate() {
        match user.as_str().filter(|user| is_user_id(user) && !is_refused(user)) {
            Some(user) => users.push(user.to_owned()),
            None => {
                return Err(json!({"message": format!(
                    "The property, to[{n}], in the request body is invalid (line: -, column: -)"
                )}));
            }
        }
    }
    Ok(users)
}

/// Whether a text is a hyphenated UUID.
pub fn is_retry_key(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}
