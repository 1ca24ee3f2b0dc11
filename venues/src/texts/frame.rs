//! What stands on every page.

texts! {
    service_name: "安心みえるLINE 施設の登録", "あんしん みえる LINE お店（みせ）の登録（とうろく）", "Anshin LINE: registration";
    skip_to_main: "本文へ進む", "本文（ほんぶん）へ", "Skip to main content";
    language_switch: "言語", "ことば", "Language";
    error_prefix: "エラー: ", "エラー: ", "Error: ";
    footer_label: "お問い合わせ", "わからないとき（とい合わせ）", "Contact";
    footer_section: "担当", "担当（たんとう）", "Section in charge";
    footer_address: "所在地", "場所（ばしょ）", "Address";
    footer_phone: "電話", "電話（でんわ）", "Phone";
    footer_fax: "FAX", "FAX", "Fax";
    footer_mail: "メール", "メール", "E-mail";
    footer_date: "表示した日", "見た（みた）日（ひ）", "Date";
    qr_mark: "QRコードは株式会社デンソーウェーブの登録商標です", "「QRコード」は 株式会社（かぶしきがいしゃ）デンソーウェーブの 登録商標（とうろくしょうひょう）です", "QR Code is a registered trademark of DENSO WAVE INCORPORATED.";
    problem_summary: "入力内容を確かめてください", "ここを なおしてください", "Please check what you entered";
    required: "※必須", "※かならず 書いてください", "required";
    optional: "任意", "書かなくても いいです", "optional";
    back: "戻る", "もどる", "Back";
    to_start: "はじめのページへ", "はじめの ページへ", "To the start page";

    not_found_title: "ページが見つかりません", "ページが ありません", "Page not found";
    not_found_text: "アドレスに間違いがないか確かめてください。アドレスを貼り付けた場合は、最後まで入っているか確かめてください。", "アドレスが 正しいか 見てください。", "Check the address. If you pasted it, make sure that all of it is there.";
    forbidden_title: "もう一度送信してください", "もう一度（いちど） 送ってください", "Please send it again";
    forbidden_text: "安全のため、この送信は受け付けませんでした。ページを長く開いていたか、クッキーが無効になっています。クッキーを有効にして、前のページを開き直してから、もう一度送信してください。", "安全（あんぜん）のため 受けつけませんでした。前の ページを もう一度 開いて、送ってください。", "For your safety this was not accepted: the page was open for long, or cookies are switched off. Allow cookies, open the previous page again and send it once more.";
    expired_title: "登録の続きには、新しいリンクが必要です", "新しい リンクが いります", "You need a new link to continue";
    expired_text: "リンクを開いてから時間がたったか、別のブラウザーで開いています。メールアドレスを入力すると、新しいリンクを送ります。入力した内容は保存されています。", "時間が たちました。メールアドレスを 書くと、新しい リンクを 送ります。書いた ものは 残っています。", "Time has passed since you opened the link, or this is another browser. Enter your e-mail address and we send a new link. What you entered is kept.";
    slow_title: "少し待ってから、もう一度お試しください", "少し 待って、もう一度 してください", "Please wait a little and try again";
    slow_text: "短い時間に続けて送信されたため、受け付けを休んでいます。入力した内容は保存されています。", "短い 時間に たくさん 送られました。少し 待ってください。", "There were many requests in a short time. What you entered so far is kept.";
    unavailable_title: "いま保存できません", "いま 保存（ほぞん）できません", "It can't be saved right now";
    unavailable_text: "システムに一時的な問題があります。今の入力は保存されていません。前のページに戻ると入力が残っています。しばらくしてから、もう一度送信してください。", "システムに 問題（もんだい）が あります。前の ページに もどって、あとで もう一度 送ってください。", "There is a temporary problem: what you just sent was not saved. Go back, where it is still filled in, and send it again later.";
    bad_request_title: "送信された内容を読み取れません", "送った ものが 読めません", "What was sent can't be read";
    bad_request_text: "前のページに戻って、もう一度送信してください。", "前の ページに もどって、もう一度 送ってください。", "Go back and send it again.";
    too_large_title: "ファイルが大きすぎます", "ファイルが 大きすぎます", "The file is too large";
    too_large_text: "1MBまでのファイルを選んでください。", "1MBまでの ファイルを えらんでください。", "Choose a file of up to 1 MB.";
}
