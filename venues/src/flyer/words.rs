//! The fixed words of flyers, in the languages of visitors.
//!
//! The fonts of Chinese and Korean hold these words and no others: after a change here,
//! `scripts/make-fonts` makes them again. A test tells when it was forgotten.

use schemas::language::Language;

/// What is printed large above the code.
pub(super) const TITLE: &str = "LINEでチェックイン";
/// Why one should.
pub(super) const WHY: &str = "感染した方がここにいたことがわかったとき、同じ時間にいた方へLINEでお知らせします。名前も電話番号もいりません。";
/// The three steps.
pub(super) const STEPS: [&str; 3] = [
    "スマートフォンでQRコードを読み取る",
    "開いたLINEのトークで、アカウント名がこの紙と同じことを確かめる",
    "「チェックイン」の文をそのまま送信（▶を押す）。「記録しました」と返ってきたら完了",
];
/// The second step where the account's picture is printed, too.
pub(super) const STEP_WITH_ICON: &str =
    "開いたLINEのトークで、アカウント名とアイコンがこの紙と同じことを確かめる";
/// The three steps where there is little room.
pub(super) const SHORT_STEPS: [&str; 3] =
    ["QRコードを読み取る", "アカウント名を確かめる", "文をそのまま送信 ▶"];
/// When to do it again.
pub(super) const AGAIN: &str = "階や部屋が変わったら、そこのQRコードも読み取ってください。";
/// When to do it again, at an event.
pub(super) const AGAIN_EVENT: &str = "会場や部屋が変わったら、そこのQRコードも読み取ってください。";
/// Over the account's name.
pub(super) const ACCOUNT: &str = "LINE公式アカウント";
/// What to do where the code can't be read: before and after the account's id.
pub(super) const WITHOUT_QR: (&str, &str) =
    ("QRコードを読み取れないときは、LINEで ", " を友だちに追加して、このコードを送ってください");
/// Over the code where there is little room.
pub(super) const SHORT_WITHOUT_QR: &str = "読み取れないときはこのコードを送信";
/// Who holds the trademark.
pub(super) const TRADEMARK: &str = "QRコードは株式会社デンソーウェーブの登録商標です";
/// What an operator should know.
pub(super) const REPRINT: &str =
    "汚れたり色あせたりしたら、印刷し直してください。何枚貼ってもかまいません。";
/// Before whom to ask.
pub(super) const CONTACT: &str = "この掲示についてのお問い合わせ：";
/// Beside the fold of a table tent.
pub(super) const FOLD: &str = "山折り";
/// On the part of a table tent that goes under the other.
pub(super) const GLUE: &str = "底：山折りして、反対側の底と重ねて貼り合わせる";
/// What a screen reader says for the code.
pub(super) const QR_ALT: &str =
    "チェックイン用のQRコード。読み取れないときは、下のコードを送ってください。";
/// What a screen reader says for the account's picture.
pub(super) const ICON_ALT: &str = "LINE公式アカウントのアイコン";

/// A language, as its speakers call it, and what they need to know.
pub(super) struct Foreign {
    /// What they call it.
    pub(super) name: &'static str,
    /// The three steps in one paragraph.
    pub(super) how: &'static str,
    /// The same where there is little room.
    pub(super) short: &'static str,
}

/// What a flyer says in a language; nothing for Japanese, which has the flyer.
pub(super) fn foreign(language: Language) -> Option<Foreign> {
    let (name, how, short) = match language {
        Language::Japanese => return None,
        Language::EasyJapanese => (
            "やさしい日本語",
            "スマートフォンで QRコードを よみます。LINEが ひらきます。▶を おして、おくります。ここで 病気が うつったかもしれないとき、LINEで しらせます。",
            "QRコードを よんで、▶を おします",
        ),
        Language::English => (
            "English",
            "Scan the QR code with your phone. LINE opens with a message ready: tap ▶ to send it. If someone infected was here when you were, we will tell you on LINE.",
            "Scan the code, then tap ▶ to send",
        ),
        Language::Chinese => (
            "简体中文",
            "请用手机扫描二维码。LINE打开后，请直接点击▶发送已填好的消息。如果有感染者与您同一时间在此，我们会通过LINE通知您。",
            "扫描二维码，点击▶发送",
        ),
        Language::Korean => (
            "한국어",
            "휴대전화로 QR 코드를 찍으면 LINE이 열립니다. 입력되어 있는 메시지를 ▶를 눌러 그대로 보내 주세요. 같은 시간에 감염자가 이곳에 있었던 경우 LINE으로 알려 드립니다.",
            "QR 코드를 찍고 ▶를 눌러 보내세요",
        ),
        Language::Portuguese => (
            "Português",
            "Leia o código QR com o celular. O LINE abre com a mensagem pronta: toque em ▶ para enviar. Se uma pessoa infectada esteve aqui no mesmo horário, avisaremos pelo LINE.",
            "Leia o código e toque em ▶",
        ),
        Language::Vietnamese => (
            "Tiếng Việt",
            "Quét mã QR bằng điện thoại. LINE mở ra với tin nhắn soạn sẵn: nhấn ▶ để gửi. Nếu có người nhiễm bệnh ở đây cùng lúc với bạn, chúng tôi sẽ báo qua LINE.",
            "Quét mã rồi nhấn ▶ để gửi",
        ),
    };
    Some(Foreign { name, how, short })
}

/// What the staff card tells.
pub(super) const STAFF_TITLE: &str = "スタッフの方へ：お客さまへの案内";
/// What to do, line by line.
pub(super) const STAFF: [(&str, &str); 6] = [
    ("ひとこと", "「LINEでQRコードを読み取って、開いた文をそのまま送信してください」"),
    (
        "いつ",
        "入ったときに一度。階や部屋が変わったら、そこでもう一度。何度読み取ってもかまいません。",
    ),
    ("完了", "「記録しました」と返事が来たら完了です。記録される時刻は、送信した時刻です。"),
    (
        "わかるのは",
        "県に記録されるのは場所と時刻だけで、名前も電話番号も聞きません。店や施設には何も伝わりません。",
    ),
    (
        "読み取れない",
        "画面の明るさやカメラの汚れを見てください。だめなら、下のコードをLINEで送れば同じです。",
    ),
    ("断られたら", "お願いであって、義務ではありません。強く勧めないでください。"),
];

#[cfg(test)]
mod tests {
    use super::{super::text, *};

    #[test]
    fn no_glyph_of_the_fixed_words_is_missing() {
        let every =
            |text: &str, style| assert_eq!(text::shape(text, style).missing.len(), 0, "{text}");
        let japanese = [TITLE, WHY, AGAIN, AGAIN_EVENT, ACCOUNT, WITHOUT_QR.0, WITHOUT_QR.1];
        let small = [
            STEP_WITH_ICON,
            SHORT_WITHOUT_QR,
            TRADEMARK,
            REPRINT,
            CONTACT,
            FOLD,
            GLUE,
            STAFF_TITLE,
            "❶❷❸",
        ];
        let steps = STEPS.into_iter().chain(SHORT_STEPS).chain(STAFF.map(|(head, _)| head));
        let staff = STAFF.into_iter().map(|(_, text)| text);
        for words in japanese.into_iter().chain(small).chain(steps).chain(staff) {
            every(words, text::Style::Regular);
            every(words, text::Style::Bold);
        }
        for language in Language::ALL {
            let Some(words) = foreign(language) else {
                assert_eq!(language, Language::Japanese);
                continue;
            };
            for words in [words.name, words.how, words.short] {
                every(words, text::Style::Words(language));
            }
        }
    }

    #[test]
    fn words_are_set_in_the_face_of_their_language() {
        use super::super::fonts::Face;
        for (language, face) in
            [(Language::Chinese, Face::Chinese), (Language::Korean, Face::Korean)]
        {
            let words = foreign(language).unwrap();
            for words in [words.name, words.how, words.short] {
                assert!(text::shape(words, text::Style::Words(language)).only(face), "{words}");
            }
        }
    }
}
