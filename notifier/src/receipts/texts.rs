//! The words of receipts, in every language.

use schemas::{
    language::Language::{self, *},
    place_code::CodeProblem,
    service::ServiceState,
    time::EventTime,
};

use super::Said;

/// The words of a receipt.
pub(super) fn text(said: &Said, language: Language) -> String {
    match said {
        Said::Recorded { place, at } => recorded(place, *at, language),
        Said::Already { at } => already(*at, language),
        Said::Retired => retired(language).to_owned(),
        Said::OnHold => on_hold(language).to_owned(),
        Said::Trial { place } => trial(place, language),
        Said::NotRecorded(state) => not_recorded(*state, language),
        Said::Refused(CodeProblem::Forged) => forged(language).to_owned(),
        Said::Refused(CodeProblem::UnknownKeyVersion) => foreign(language).to_owned(),
        Said::Erased => erased(language).to_owned(),
        Said::LanguageChosen => chosen(language).to_owned(),
    }
}

/// A moment as people read it: in Japanese words, or in figures.
fn moment(at: EventTime, language: Language) -> String {
    match language {
        Japanese | EasyJapanese => at.to_japanese(),
        // 2026-11-20T18:00:00+09:00
        _ => at.to_rfc3339_jst().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect(),
    }
}

fn recorded(place: &str, at: EventTime, language: Language) -> String {
    let at = moment(at, language);
    let line = match language {
        Japanese => "来店を記録しました。",
        EasyJapanese => "ここに 来たことを 記録しました。",
        English => "Your visit has been recorded.",
        Chinese => "已记录您的到访。",
        Korean => "방문이 기록되었습니다.",
        Portuguese => "A sua visita foi registada.",
        Vietnamese => "Lượt ghé thăm của bạn đã được ghi lại.",
    };
    if place.is_empty() { format!("{line}\n{at}") } else { format!("{line}\n{place}\n{at}") }
}

fn already(at: EventTime, language: Language) -> String {
    let at = moment(at, language);
    match language {
        Japanese => format!("{at}に記録済みです。"),
        EasyJapanese => format!("もう 記録してあります（{at}）。"),
        English => format!("Already recorded at {at}."),
        Chinese => format!("已于 {at} 记录。"),
        Korean => format!("{at}에 이미 기록되었습니다."),
        Portuguese => format!("Já registado às {at}."),
        Vietnamese => format!("Đã được ghi lại lúc {at}."),
    }
}

fn retired(language: Language) -> &'static str {
    match language {
        Japanese => {
            "このQRコードは現在使われていません。記録はされていません。お店の方に、新しいQRコードをお尋ねください。"
        }
        EasyJapanese => {
            "この QRコードは 今 使えません。記録していません。お店の人に 新しい QRコードを 聞いてください。"
        }
        English => {
            "This QR code is no longer in use. Nothing was recorded. Please ask the staff for the new code."
        }
        Chinese => "此二维码已停用,未作记录。请向店员询问新的二维码。",
        Korean => {
            "이 QR 코드는 더 이상 사용되지 않습니다. 기록되지 않았습니다. 직원에게 새 코드를 문의해 주세요."
        }
        Portuguese => {
            "Este código QR já não está em uso. Nada foi registado. Peça o novo código ao pessoal."
        }
        Vietnamese => {
            "Mã QR này không còn được sử dụng. Chưa có gì được ghi lại. Vui lòng hỏi nhân viên mã mới."
        }
    }
}

fn on_hold(language: Language) -> &'static str {
    match language {
        Japanese => {
            "この施設のQRコードは、現在、県が使用を停止しています。今回の来店は記録していません。この来店についてのお知らせは届きません。"
        }
        EasyJapanese => {
            "この お店の QRコードは 今 使えません（県が 止めています）。ここに 来たことは 記録して いません。お知らせは 来ません。"
        }
        English => {
            "The prefecture has put this place's QR code on hold. Your visit was NOT recorded. You will get no notice about it."
        }
        Chinese => {
            "县方目前已停用该场所的二维码。您此次到访未作记录,今后也不会收到与此次到访有关的通知。"
        }
        Korean => {
            "현재 현에서 이 시설의 QR 코드 사용을 중지했습니다. 이번 방문은 기록되지 않았으며, 이번 방문에 관한 알림은 오지 않습니다."
        }
        Portuguese => {
            "A província suspendeu o código QR deste local. A sua visita NÃO foi registada. Não receberá avisos sobre ela."
        }
        Vietnamese => {
            "Tỉnh hiện đã tạm dừng mã QR của địa điểm này. Lượt ghé thăm này KHÔNG được ghi lại. Bạn sẽ không nhận thông báo về lượt này."
        }
    }
}

/// Mostly for whoever has just printed a flyer; a visitor who comes by meanwhile has to know that
/// nothing was recorded.
fn trial(place: &str, language: Language) -> String {
    let (can, not) = match language {
        Japanese => (
            "テスト成功: このQRコードは正しく読み取れます。",
            "施設の方が印刷を試している間（1時間以内）は、来店を記録しません。お客様は、後でもう一度読み取ってください。",
        ),
        EasyJapanese => (
            "テスト できました: この QRコードは 読めます。",
            "お店の 人が ためしている 間（1時間まで）は 記録しません。お客さんは あとで もう一度 読んでください。",
        ),
        English => (
            "Test successful: this QR code can be read.",
            "While the staff try out their print (up to an hour), visits are NOT recorded. Visitors, please scan again later.",
        ),
        Chinese => (
            "测试成功:此二维码可以正常读取。",
            "店方测试打印件期间(1小时以内)不记录到访。顾客请稍后再次扫描。",
        ),
        Korean => (
            "테스트 성공: 이 QR 코드는 정상적으로 읽힙니다.",
            "시설에서 인쇄물을 시험하는 동안(1시간 이내)은 방문이 기록되지 않습니다. 손님은 나중에 다시 읽어 주세요.",
        ),
        Portuguese => (
            "Teste bem-sucedido: este código QR pode ser lido.",
            "Enquanto o pessoal testa a impressão (até uma hora), as visitas NÃO são registadas. Visitantes, leiam o código mais tarde.",
        ),
        Vietnamese => (
            "Thử thành công: mã QR này đọc được.",
            "Trong khi nhân viên thử bản in (tối đa một giờ), lượt ghé thăm KHÔNG được ghi lại. Khách vui lòng quét lại sau.",
        ),
    };
    format!("{can}\n{place}\n{not}")
}

/// That the service does not run, and what follows: first of all that nothing was recorded.
fn not_recorded(state: ServiceState, language: Language) -> String {
    let why = match (state, language) {
        (ServiceState::Preparing, Japanese) => "このサービスはまだ始まっていません。",
        (ServiceState::Preparing, EasyJapanese) => "この サービスは まだ 始まって いません。",
        (ServiceState::Preparing, English) => "This service has not started yet.",
        (ServiceState::Preparing, Chinese) => "本服务尚未开始。",
        (ServiceState::Preparing, Korean) => "이 서비스는 아직 시작되지 않았습니다.",
        (ServiceState::Preparing, Portuguese) => "Este serviço ainda não começou.",
        (ServiceState::Preparing, Vietnamese) => "Dịch vụ này chưa bắt đầu.",
        (ServiceState::Ended, Japanese) => "このサービスは終了しました。",
        (ServiceState::Ended, EasyJapanese) => "この サービスは 終わりました。",
        (ServiceState::Ended, English) => "This service has ended.",
        (ServiceState::Ended, Chinese) => "本服务已结束。",
        (ServiceState::Ended, Korean) => "이 서비스는 종료되었습니다.",
        (ServiceState::Ended, Portuguese) => "Este serviço terminou.",
        (ServiceState::Ended, Vietnamese) => "Dịch vụ này đã kết thúc.",
        (ServiceState::Suspended | ServiceState::Running, Japanese) => {
            "このサービスは現在休止しています。"
        }
        (ServiceState::Suspended | ServiceState::Running, EasyJapanese) => {
            "この サービスは 今 休んで います。"
        }
        (ServiceState::Suspended | ServiceState::Running, English) => {
            "This service is suspended at the moment."
        }
        (ServiceState::Suspended | ServiceState::Running, Chinese) => "本服务目前暂停。",
        (ServiceState::Suspended | ServiceState::Running, Korean) => {
            "이 서비스는 현재 중단되어 있습니다."
        }
        (ServiceState::Suspended | ServiceState::Running, Portuguese) => {
            "Este serviço está suspenso neste momento."
        }
        (ServiceState::Suspended | ServiceState::Running, Vietnamese) => {
            "Dịch vụ này hiện đang tạm ngừng."
        }
    };
    let what = match language {
        Japanese => "今回の来店は記録していません。この来店についてのお知らせは届きません。",
        EasyJapanese => {
            "ここに 来たことは 記録して いません。ここに 来たことの お知らせは 来ません。"
        }
        English => "Your visit was NOT recorded. You will get no notice about it.",
        Chinese => "您此次到访未作记录,今后也不会收到与此次到访有关的通知。",
        Korean => "이번 방문은 기록되지 않았습니다. 이번 방문에 관한 알림은 오지 않습니다.",
        Portuguese => "A sua visita NÃO foi registada. Não receberá avisos sobre ela.",
        Vietnamese => {
            "Lượt ghé thăm này KHÔNG được ghi lại. Bạn sẽ không nhận thông báo về lượt này."
        }
    };
    format!("{why}\n{what}")
}

fn forged(language: Language) -> &'static str {
    match language {
        Japanese => {
            "このコードは確認できませんでした。記録はされていません。手で入力した場合は、文字をもう一度お確かめください。"
        }
        EasyJapanese => {
            "この コードは 正しくありません。記録していません。文字を もう一度 見てください。"
        }
        English => {
            "This code could not be verified. Nothing was recorded. If you typed it, please check the letters."
        }
        Chinese => "无法确认此代码,未作记录。如为手动输入,请再次核对。",
        Korean => {
            "이 코드를 확인할 수 없습니다. 기록되지 않았습니다. 직접 입력했다면 글자를 다시 확인해 주세요."
        }
        Portuguese => {
            "Não foi possível verificar este código. Nada foi registado. Se o digitou, verifique as letras."
        }
        Vietnamese => {
            "Không thể xác minh mã này. Chưa có gì được ghi lại. Nếu bạn tự nhập, hãy kiểm tra lại các chữ."
        }
    }
}

fn foreign(language: Language) -> &'static str {
    match language {
        Japanese => {
            "このコードは、このアカウントのものではないか、古いものです。記録はされていません。"
        }
        EasyJapanese => "この コードは ここでは 使えません。記録していません。",
        English => "This code is not one of this account, or too old. Nothing was recorded.",
        Chinese => "此代码不属于本账号或已过旧,未作记录。",
        Korean => "이 코드는 이 계정의 것이 아니거나 오래된 코드입니다. 기록되지 않았습니다.",
        Portuguese => "Este código não é desta conta ou é demasiado antigo. Nada foi registado.",
        Vietnamese => "Mã này không thuộc tài khoản này hoặc đã quá cũ. Chưa có gì được ghi lại.",
    }
}

fn erased(language: Language) -> &'static str {
    match language {
        Japanese => {
            "これまでの記録を使わないようにしました。データは24時間以内に削除されます。これまでの来店については、お知らせが届かなくなります。"
        }
        EasyJapanese => {
            "今までの 記録を 消します（24時間の 中で 消えます）。今までに 行った ところの お知らせは 来ません。"
        }
        English => {
            "Your records are hidden from now on and will be deleted within 24 hours. You will get no notice about visits up to now."
        }
        Chinese => "您此前的记录即刻停用,并将在24小时内删除。今后不会再收到有关此前到访的通知。",
        Korean => {
            "지금까지의 기록은 더 이상 사용되지 않으며 24시간 이내에 삭제됩니다. 지금까지의 방문에 대한 알림은 오지 않습니다."
        }
        Portuguese => {
            "Os seus registos deixam de ser usados e serão apagados em 24 horas. Não receberá avisos sobre visitas até agora."
        }
        Vietnamese => {
            "Dữ liệu của bạn không còn được sử dụng và sẽ bị xóa trong vòng 24 giờ. Bạn sẽ không nhận thông báo về các lượt ghé thăm trước đây."
        }
    }
}

fn chosen(language: Language) -> &'static str {
    match language {
        Japanese => "日本語でご案内します。",
        EasyJapanese => "やさしい 日本語で お知らせします。",
        English => "We will write to you in English.",
        Chinese => "今后将以中文通知您。",
        Korean => "앞으로 한국어로 안내합니다.",
        Portuguese => "Passamos a escrever-lhe em português.",
        Vietnamese => "Chúng tôi sẽ gửi tin cho bạn bằng tiếng Việt.",
    }
}

/// Asks somebody who is no friend of the account to become one.
pub(super) fn please_add(account_id: Option<&str>, language: Language) -> String {
    let line = match language {
        Japanese => "お知らせを確実に受け取るには、このアカウントを友だち追加してください。",
        EasyJapanese => "お知らせを もらうために、この アカウントを 友だちに 追加してください。",
        English => "To be sure to receive notices, please add this account as a friend.",
        Chinese => "为确保收到通知,请将此账号加为好友。",
        Korean => "알림을 확실히 받으려면 이 계정을 친구로 추가해 주세요.",
        Portuguese => "Para receber avisos, adicione esta conta como amigo.",
        Vietnamese => "Để chắc chắn nhận thông báo, hãy kết bạn với tài khoản này.",
    };
    match account_id {
        Some(id) => format!("{line}\nhttps://line.me/R/ti/p/{}", id.replace('@', "%40")),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_own_words() {
        let at = EventTime(1_598_324_580_000);
        let all = [
            Said::Recorded { place: "文化会館 1階".to_owned(), at },
            Said::Already { at },
            Said::Retired,
            Said::OnHold,
            Said::Trial { place: "文化会館 1階".to_owned() },
            Said::NotRecorded(ServiceState::Preparing),
            Said::NotRecorded(ServiceState::Suspended),
            Said::NotRecorded(ServiceState::Ended),
            Said::Refused(CodeProblem::Forged),
            Said::Refused(CodeProblem::UnknownKeyVersion),
            Said::Erased,
            Said::LanguageChosen,
        ];
        let mut texts = std::collections::BTreeSet::new();
        for said in &all {
            for language in Language::ALL {
                assert!(texts.insert(text(said, language)), "{said:?} {language}");
            }
        }
        assert_eq!(
            text(&all[0], Japanese),
            "来店を記録しました。\n文化会館 1階\n2020年8月25日(火) 12:03"
        );
        assert_eq!(text(&all[1], English), "Already recorded at 2020-08-25 12:03.");
        assert!(please_add(Some("@pref"), Japanese).ends_with("/%40pref"));
    }
}
