//! What the words of a visitor mean. The words go no further than this.

use schemas::{
    language::Language,
    place_code::{CodeProblem, Found, PlaceCode, PlaceKeys},
};

/// What a visitor asks for in words or by a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forget everything recorded so far.
    Erase,
    /// Address me in this language.
    Language(Language),
}

/// What a text message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// I am here.
    CheckIn(PlaceCode),
    /// Something in the form of a place code that is none.
    Refused(CodeProblem),
    /// A command.
    Command(Command),
    /// Nothing that we act on.
    Nothing,
}

/// Reads a text message.
pub fn meaning(text: &str, places: &PlaceKeys) -> Meaning {
    match places.find(text) {
        Found::Code(code) => Meaning::CheckIn(code),
        Found::Refused(problem) => Meaning::Refused(problem),
        Found::Nothing => command(text).map_or(Meaning::Nothing, Meaning::Command),
    }
}

/// A command must be the whole message: a sentence that contains one is not it.
fn command(text: &str) -> Option<Command> {
    // The longest command has 20 characters.
    if text.chars().count() > 40 {
        return None;
    }
    let text = text.trim().trim_end_matches(['。', '.', '!', '！']).to_lowercase();
    let language = match text.as_str() {
        "全部消して" | "すべて削除" | "全て削除" | "記録を消して" | "忘れて" | "わすれて"
        | "ぜんぶけして" | "delete my data" | "forget me" | "全部删除" | "모두 삭제"
        | "apagar tudo" | "xóa tất cả" => return Some(Command::Erase),
        "日本語" | "にほんご" | "japanese" => Language::Japanese,
        "やさしい日本語" | "やさしいにほんご" => Language::EasyJapanese,
        "english" | "英語" => Language::English,
        "中文" | "中国語" | "简体中文" => Language::Chinese,
        "한국어" | "韓国語" => Language::Korean,
        "português" | "portugues" | "ポルトガル語" => Language::Portuguese,
        "tiếng việt" | "tieng viet" | "ベトナム語" => Language::Vietnamese,
        _ => return None,
    };
    Some(Command::Language(language))
}

/// Reads the data of a button that we made: `erase`, `language=en`.
pub fn button(data: &str) -> Option<Command> {
    match data.split_once('=') {
        None if data == "erase" => Some(Command::Erase),
        Some(("language", code)) => code.parse().ok().map(Command::Language),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_whole_messages() {
        let places = PlaceKeys::first([1; 32]);
        let meaning = |text| meaning(text, &places);
        assert_eq!(meaning(" 全部消して。 "), Meaning::Command(Command::Erase));
        assert_eq!(meaning("Forget me"), Meaning::Command(Command::Erase));
        assert_eq!(meaning("English"), Meaning::Command(Command::Language(Language::English)));
        assert_eq!(
            meaning("やさしい日本語"),
            Meaning::Command(Command::Language(Language::EasyJapanese))
        );
        for text in ["", "こんにちは", "英語の先生はいますか", "全部消してと言われました"]
        {
            assert_eq!(meaning(text), Meaning::Nothing, "{text}");
        }
    }

    #[test]
    fn buttons() {
        assert_eq!(button("erase"), Some(Command::Erase));
        assert_eq!(button("language=ja-easy"), Some(Command::Language(Language::EasyJapanese)));
        for data in ["", "erase=1", "language=xx", "storeId=12345"] {
            assert_eq!(button(data), None, "{data}");
        }
    }
}
